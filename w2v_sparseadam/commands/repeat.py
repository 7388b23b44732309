"""The command that repeats a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..report.settings_rows import needed_to_repeat
from ..report.subject import Subject
from ..system.paths import shell_path, shell_word
from ..text.reading.sources import STANDARD_INPUT
from ..training.keywords import KEYWORDS
from . import printable
from .options import option_name

_A_LIST = "FILE"


def train_command(subject: Subject) -> str:
    """Return the command lines that repeat the run of a report; empty if it is not known."""
    if not subject.settings or not subject.parts:
        return ""
    first, *others = subject.parts
    command = " ".join(["w2v-train", *_texts(first.paths), *_options(subject)])
    resumed = [f"--epochs +{n}" for n in first.epochs[1:]]
    for part in others:
        n, *more = part.epochs
        added = " ".join(f"--add {text}" for text in _texts(part.paths))
        resumed += [f"{added} --epochs +{n}", *(f"--epochs +{n}" for n in more)]
    if resumed:
        command += " --run-dir RUN_DIR"
    return printable_lines([command, *(f"w2v-train --resume RUN_DIR {each}" for each in resumed)])


def _texts(paths: Sequence[str]) -> list[str]:
    """Return the arguments for texts."""
    named = paths or ["CORPUS"]
    return [path if path == STANDARD_INPUT else shell_path(path) for path in named]


def printable_lines(lines: list[str]) -> str:
    """Return lines of which each is safe to print."""
    return "\n".join(map(printable, lines))


def _options(subject: Subject) -> Iterator[str]:
    """Yield the options on which the result depends; not the defaults."""
    for name, value in needed_to_repeat(subject):
        option = KEYWORDS[name].setting.flag or option_name(name)
        if isinstance(value, bool):
            on, _, off = option.partition("/")
            yield on if value else off
        elif isinstance(value, list):
            yield f"{option} {_A_LIST}"
        else:
            yield f"{option} {shell_word(str(value))}"
    if subject.has_init:
        yield "--init VECTORS"
    if subject.has_frozen:
        yield f"--freeze {_A_LIST}"
    if "sharding" in subject.settings:
        yield "--workers 1"  # the result does not depend on how many

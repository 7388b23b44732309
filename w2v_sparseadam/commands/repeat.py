"""The command that repeats a run."""

from __future__ import annotations

from collections.abc import Iterator

from ..report.settings_rows import needed_to_repeat
from ..report.subject import Subject
from ..system.paths import shell_path
from ..training.keywords import KEYWORDS
from . import printable
from .options import option_name

_A_LIST = "FILE"


def train_command(subject: Subject) -> str:
    """Return the command lines that repeat the run of a report; empty if it is not known."""
    if not subject.settings or not subject.parts:
        return ""
    first, *others = subject.parts
    paths = map(shell_path, first.paths or ["CORPUS"])
    command = " ".join(["w2v-train", *paths, *_options(subject)])
    resumed = [f"--epochs +{n}" for n in first.epochs[1:]]
    for part in others:
        n, *more = part.epochs
        added = " ".join(f"--add {shell_path(path)}" for path in part.paths)
        resumed += [f"{added} --epochs +{n}", *(f"--epochs +{n}" for n in more)]
    if resumed:
        command += " --run-dir RUN_DIR"
    return printable_lines([command, *(f"w2v-train --resume RUN_DIR {each}" for each in resumed)])


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
            yield f"{option} {shell_path(str(value))}"
    if subject.has_init:
        yield "--init VECTORS"
    if subject.has_frozen:
        yield f"--freeze {_A_LIST}"
    if "sharding" in subject.settings:
        yield "--workers 1"  # the result does not depend on how many

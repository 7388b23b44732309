"""The command that repeats a run."""

from __future__ import annotations

from collections.abc import Iterator

from ..report.settings_rows import keywords_of
from ..report.subject import Subject
from ..system.paths import shell_path
from ..training.keywords import KEYWORDS
from . import printable
from .options import option_name

_A_LIST = "FILE"


def train_command(subject: Subject) -> str:
    """Return the command lines that repeat the run of a report; empty if it is not known."""
    if not subject.settings:
        return ""
    paths = map(shell_path, subject.paths or ["CORPUS"])
    command = " ".join(["w2v-train", *paths, *_options(subject)])
    more = [f"w2v-train --resume RUN_DIR --epochs +{n}" for n in subject.added_epochs]
    if more:
        command += " --run-dir RUN_DIR"
    return printable_lines([command, *more])


def printable_lines(lines: list[str]) -> str:
    """Return lines of which each is safe to print."""
    return "\n".join(map(printable, lines))


def _options(subject: Subject) -> Iterator[str]:
    """Yield the options that differ from the defaults; the result depends on no other."""
    for name, value, is_default in keywords_of(subject.settings):
        if is_default or name == "threads" or value is None:
            continue
        option = KEYWORDS[name].setting.flag or option_name(name)
        if isinstance(value, bool):
            on, _, off = option.partition("/")
            yield on if value else off
        elif isinstance(value, list):
            yield f"{option} {_A_LIST}"
        else:
            yield f"{option} {shell_path(str(value))}"

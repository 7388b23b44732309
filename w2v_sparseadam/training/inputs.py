"""The files that a run reads, and whether they are still what they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from ..errors import FormatError, W2VError
from ..system.paths import shell_path
from ..text.reading.sources import SENTENCES


def can_be_a_path(name: str) -> bool:
    """Return whether the system could have a file of this name."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def is_stamp(entry: Any) -> bool:
    """Return whether a value from JSON may be what `file_stamp` returned."""
    match entry:
        case [str(name), None, None] | [str(name), int(), int()]:
            return can_be_a_path(name)
    return False


def file_stamp(path: str) -> list[Any]:
    """Return a path, the size and the time of change of the file there, None for a stream."""
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        return [path, None, None]
    return [path, status.st_size, status.st_mtime_ns]


def check_inputs(path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
    """Refuse to read the text of a run again if it is not what the run was given.

    Raises
    ------
    W2VError
        If an input is a stream, gone, or has changed; names it.
    FormatError
        If the settings name a file to read without its size and time of change.
    """
    lists = [settings["text"].get(name) for name in ("stopwords", "vocab")]
    read = [*settings["paths"], *(os.path.abspath(name) for name in lists if isinstance(name, str))]
    if [name for name, _, _ in settings["inputs"]] != read:
        raise FormatError(f"{path}: is damaged: its 'inputs' are not the files that it reads")
    for entry in settings["inputs"]:
        name, size, _ = entry
        try:
            if name == SENTENCES:
                raise W2VError(
                    f"{path}: reading its sentences was not finished, and they were not in a file; "
                    "start it again with the same arguments: train(…, run_dir=…)"
                )
            if size is None:
                reason = "is a stream, which cannot be read twice"
            elif file_stamp(name) != entry:
                reason = "has changed since"
            else:
                continue
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        raise W2VError(
            f"{path}: reading its text was not finished, and {name!r} {reason}; start it again "
            f"with its options: w2v-train CORPUS --run-dir {shell_path(path)}"
        )

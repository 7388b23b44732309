"""The files that a run reads, and whether they are still what they were."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from typing import Any

from ..errors import FormatError, W2VError
from ..system.paths import shell_path
from ..text.reading.remote import state_of
from ..text.reading.sources import SENTENCES, is_url, unreadable


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
        case [str(name), int() | None, str()]:
            return can_be_a_path(name) and is_url(name)
    return False


def file_stamp(path: str) -> list[Any]:
    """Return a path, the size and the time of change of the file there, None for a stream.

    A URL has the tag of its content instead of the time, empty if the server gives none.
    """
    if is_url(path):
        try:
            return [path, *state_of(path)]
        except OSError as error:
            raise unreadable(path, error) from error
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        return [path, None, None]
    return [path, status.st_size, status.st_mtime_ns]


def check_inputs(
    path: str | os.PathLike[str], settings: Mapping[str, Any], trust: bool = False
) -> None:
    """Refuse to read the text of a run again if it is not what the run was given.

    URLs are opened with the user's credentials, so they need ``trust`` in who made the folder.

    Raises
    ------
    W2VError
        If an input is a stream, gone, has changed, or is a URL without ``trust``; names it.
    FormatError
        If the settings name a file to read without its size and time of change.
    """
    lists = [settings["text"].get(name) for name in ("stopwords", "vocab")]
    read = [*settings["paths"], *(os.path.abspath(name) for name in lists if isinstance(name, str))]
    if [name for name, _, _ in settings["inputs"]] != read:
        raise FormatError(f"{path}: is damaged: its 'inputs' are not the files that it reads")
    if not trust and (urls := [name for name in settings["paths"] if is_url(name)]):
        raise W2VError(
            f"{path}: its text is read again, from {urls[0]}, which is opened "
            "with your credentials",
            "if you trust who made this folder, add `trust=True`",
        )
    for entry in settings["inputs"]:
        name, size, tag = entry
        try:
            if name == SENTENCES:
                raise W2VError(
                    f"{path}: reading its sentences was not finished, and they were not in a file; "
                    "start it again with the same arguments: train(…, run_dir=…)"
                )
            if size is None and tag is None:
                reason = "is a stream, which cannot be read twice"
            elif file_stamp(name) != entry:
                reason = "has changed since"
            else:
                continue
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
        if "sharding" in settings:
            raise W2VError(
                f"{path}: its text is read again in each round, and {name!r} {reason}; put back "
                "what it was, or start a new run in another folder"
            )
        raise W2VError(
            f"{path}: reading its text was not finished, and {name!r} {reason}; start it again "
            f"with its options: w2v-train CORPUS --run-dir {shell_path(path)}"
        )

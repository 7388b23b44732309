"""Find the sources that paths stand for: files, directories, patterns, pipes, URLs."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path

from ...errors import SettingError, TextError, wrong_type
from .remote import remote_sources
from .sources import STANDARD_INPUT, Source, is_pattern, is_url, local_source, unreadable


def find_sources(paths: Sequence[str | os.PathLike[str] | Source]) -> list[Source]:
    """Return the files and streams that paths stand for, in the order in which they are read.

    A directory stands for all files in it and in its subdirectories, sorted by the code points of
    their names, except hidden ones (``.name``); links are followed. A path that does not exist but
    has ``*``, ``?`` or ``[`` is a pattern, as in `glob.glob` (``**`` included). A directory that
    matches it stands for its files; a pattern lists each file once. ``"-"`` is standard input. All
    of this holds for URLs, too; see `remote_sources`.

    Parameters
    ----------
    paths : sequence of path-like or Source
        A `Source` stands for itself.

    Returns
    -------
    list of Source

    Raises
    ------
    WrongTypeError
        If ``paths`` is not a sequence of paths.
    SettingError
        If ``paths`` is a single path, or empty.
    TextError
        If a path does not exist or may not be read, a directory is empty or contains itself, a
        directory or a pattern leads to a pipe or a device, a pattern matches nothing, or a stream
        is given twice.
    """
    if isinstance(paths, str | os.PathLike):
        raise SettingError(f"paths must be a sequence of paths, got {paths!r}; pass [{paths!r}]")
    if not isinstance(paths, Sequence):
        raise wrong_type("paths", "a path or a list of paths to files", paths)
    if not paths:
        raise SettingError("no corpus paths given; pass at least one")
    sources: list[Source] = []
    for path in paths:
        if isinstance(path, Source):
            sources.append(path)
        elif not isinstance(path, str | bytes | os.PathLike):
            raise wrong_type("each of paths", "a path to a file", path)
        elif is_url(path := os.fsdecode(path)):
            sources += remote_sources(path)
        else:
            sources += map(local_source, _expanded(path))
    streams = [source for source in sources if source.is_stream and source.path != os.devnull]
    times = Counter(source.identity for source in streams)
    for source in streams:
        if times[source.identity] > 1:
            raise TextError(
                f"{source.name}: given {times[source.identity]} times, but a stream can be read "
                "only once"
            )
    return sources


def _expanded(path: str) -> list[str]:
    """Return the files that a path, directory or pattern stands for."""
    if path == STANDARD_INPUT:
        return [path]
    try:
        if os.path.isdir(path):
            files = list(_files_below(path))
            if not files:
                raise TextError(f"{path}: no files in this directory (hidden ones are not read)")
            return files
        if os.path.lexists(path) or not is_pattern(path):
            return [path]
        matches = sorted(glob.glob(path, recursive=True), key=_in_order)
        lists = [
            _files_below(match) if os.path.isdir(match) else [_checked(match)] for match in matches
        ]
        # ** matches a directory and also the files in it.
        files = list(dict.fromkeys(os.path.normpath(file) for files in lists for file in files))
    except (OSError, ValueError) as error:
        raise unreadable(getattr(error, "filename", None) or path, error) from error
    if not files:
        raise TextError(f"{path}: no file matches this pattern")
    return files


def _files_below(directory: str) -> Iterator[str]:
    """Yield the files of a directory and its subdirectories, in order, except hidden ones."""
    # Not recursive: folders may be nested deeper than Python's recursion limit.
    above: list[os.stat_result] = []  # of the directories that contain the current path
    # A stack of paths, each with the number of directories above it and whether it is a file, as
    # far as the directory tells, which saves looking at each file.
    left = [(directory, 0, False)]
    while left:
        path, depth, is_file = left.pop()
        if is_file or not os.path.isdir(path):
            yield path if is_file else _checked(path)
            continue
        here = os.stat(path)
        del above[depth:]
        if any(os.path.samestat(here, directory) for directory in above):
            real = os.path.realpath(path)
            raise TextError(f"{path}: links back to {real}, which contains it; remove the link")
        above.append(here)
        with os.scandir(path) as entries:
            found = [entry for entry in entries if not entry.name.startswith(".")]
        found.sort(key=attrgetter("name"), reverse=True)
        left += [(entry.path, depth + 1, entry.is_file(follow_symlinks=False)) for entry in found]


def _checked(path: str) -> str:
    """Return a path found in a directory or by a pattern, if reading it cannot block."""
    try:
        is_special = not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # `local_source` reports it
        is_special = False
    if is_special:
        raise TextError(
            f"{path}: is a pipe, a socket or a device; remove it, or name it explicitly"
        )
    return path


def _in_order(path: str) -> tuple[str, ...]:
    """Return a key that sorts paths as `_files_below` does."""
    return Path(path).parts

"""Find and open sources: files, directories, patterns, pipes."""

from __future__ import annotations

import glob
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from ...errors import SettingError, TextError, wrong_type

STANDARD_INPUT = "-"
"""The path that stands for standard input."""

SENTENCES = "<sentences>"
"""Stands for sentences, which are in no file, among paths."""

_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Source:
    """A file or stream of a corpus.

    Attributes
    ----------
    path : str
        Where it is; ``"-"`` for standard input.
    n_bytes : int or None
        Its size as it is stored, compressed or not; None for a stream.
    identity : tuple
        Device and inode: equal for two names of one file.
    """

    path: str
    n_bytes: int | None
    identity: tuple[int | str, ...]

    @property
    def absolute_path(self) -> str:
        """The path, to find it from any other folder."""
        return self.path if self.path == STANDARD_INPUT else os.path.abspath(self.path)

    @property
    def name(self) -> str:
        """Its name in messages."""
        return _name_of(self.path)

    def open(self) -> Any:
        """Open it for reading bytes; standard input stays open when that is closed."""
        standard_input = self.path == STANDARD_INPUT
        path = 0 if standard_input else self.path
        return open(path, "rb", buffering=0, closefd=not standard_input)

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once, from its current position."""
        # On some systems, opening /dev/fd/N shares the position of N, even for a regular file.
        shared = self.path == STANDARD_INPUT or self.path.startswith(("/dev/fd/", "/dev/stdin"))
        return self.n_bytes is None or shared


def find_sources(paths: Sequence[str | os.PathLike[str] | Source]) -> list[Source]:
    """Return the files and streams that paths stand for, in the order in which they are read.

    A directory stands for all files in it and in its subdirectories, sorted by the code points of
    their names, except hidden ones (``.name``); links are followed. A path that does not exist but
    has ``*``, ``?`` or ``[`` is a pattern, as in `glob.glob` (``**`` included). A directory that
    matches it stands for its files; a pattern lists each file once. ``"-"`` is standard input.

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
    sources = []
    for path in paths:
        if isinstance(path, Source):
            sources.append(path)
        elif not isinstance(path, str | bytes | os.PathLike):
            raise wrong_type("each of paths", "a path to a file", path)
        else:
            sources += map(source_at, _expanded(os.fsdecode(path)))
    streams = [source for source in sources if source.is_stream and source.path != os.devnull]
    times = Counter(source.identity for source in streams)
    for source in streams:
        if times[source.identity] > 1:
            raise TextError(
                f"{source.name}: given {times[source.identity]} times, but a stream can be read "
                "only once"
            )
    return sources


def total_bytes(sources: Sequence[Source]) -> int:
    """Return the total size of all sources, 0 if it is unknown."""
    sizes = [source.n_bytes for source in sources]
    return 0 if None in sizes else sum(size or 0 for size in sizes)


def repeated(sources: Sequence[Source]) -> tuple[str, ...]:
    """Return the names of the files that occur more than once, even under different names."""
    times = Counter(source.identity for source in sources)
    return tuple(dict.fromkeys(s.name for s in sources if times[s.identity] > 1 and s.n_bytes))


def _name_of(path: str) -> str:
    """Return the name of a path in messages."""
    return "standard input" if path == STANDARD_INPUT else path


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


def is_pattern(path: str) -> bool:
    """Return whether a path that does not exist can be a pattern."""
    return any(char in path for char in "*?[")


def _files_below(directory: str) -> Iterator[str]:
    """Yield the files of a directory and its subdirectories, in order, except hidden ones."""
    # Not recursive: folders may be nested deeper than Python's recursion limit.
    above: list[os.stat_result] = []  # of the directories that contain the current path
    left = [(directory, 0)]  # a stack of paths, each with the number of directories above it
    while left:
        path, depth = left.pop()
        if not os.path.isdir(path):
            yield _checked(path)
            continue
        here = os.stat(path)
        del above[depth:]
        if any(os.path.samestat(here, directory) for directory in above):
            real = os.path.realpath(path)
            raise TextError(f"{path}: links back to {real}, which contains it; remove the link")
        above.append(here)
        names = sorted(name for name in os.listdir(path) if not name.startswith("."))
        left += [(os.path.join(path, name), depth + 1) for name in reversed(names)]


def _checked(path: str) -> str:
    """Return a path found in a directory or by a pattern, if reading it cannot block."""
    try:
        is_special = not stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # `source_at` reports it
        is_special = False
    if is_special:
        raise TextError(
            f"{path}: is a pipe, a socket or a device; remove it, or name it explicitly"
        )
    return path


def _in_order(path: str) -> tuple[str, ...]:
    """Return a key that sorts paths as `_files_below` does."""
    return Path(path).parts


def source_at(path: str) -> Source:
    """Return the source at a path, which must not be a directory."""
    try:
        status = os.fstat(0) if path == STANDARD_INPUT else os.stat(path)
    except (OSError, ValueError) as error:
        raise unreadable(_name_of(path), error) from error
    if path != STANDARD_INPUT and not os.access(path, os.R_OK):
        raise TextError(f"{path}: cannot be read: Permission denied")
    n_bytes = status.st_size if stat.S_ISREG(status.st_mode) else None
    return Source(path, n_bytes, (status.st_dev, status.st_ino))


class SourceFile:
    """An open source: its bytes as stored, read once from start to end.

    Parameters
    ----------
    source : Source
        The source to open.

    Attributes
    ----------
    name : str
        Its name in messages.
    n_bytes_read : int
        Bytes read so far.
    n_bad_bytes : int
        Invalid bytes replaced or ignored so far; set by the decoder.
    text_begin : int
        Position of the first line that is read in the text; set by the reader of a part.

    Raises
    ------
    TextError
        Here and by every method, if the file cannot be opened or read, or has changed since it
        was opened.
    """

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.n_bytes_read = 0
        self.n_bad_bytes = 0
        self.text_begin = 0
        self._head = b""
        self._is_stream = source.is_stream
        try:
            self._file = source.open()
            if not source.is_stream:
                self._before = os.fstat(self._file.fileno())
        except (OSError, ValueError) as error:
            raise unreadable(self.name, error) from error

    def __enter__(self) -> SourceFile:
        """Return the file itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the file; standard input and files of the caller stay open."""
        self._file.close()

    def peek(self, n_bytes: int) -> bytes:
        """Return the first bytes without consuming them, fewer at the end.

        Call this before reading.
        """
        head = bytearray(n_bytes)
        filled = 0
        with memoryview(head) as view:
            while filled < n_bytes and (n_read := self._read_into(view[filled:])):
                filled += n_read
        self._head = bytes(head[:filled])
        return self._head

    def readinto(self, view: memoryview) -> int:
        """Read some bytes into ``view``; return how many, 0 at the end."""
        if self._head:
            n_read = min(len(view), len(self._head))
            view[:n_read] = self._head[:n_read]
            self._head = self._head[n_read:]
        else:
            n_read = self._read_into(view)
            if not n_read and len(view):
                self.check_unchanged()
        self.n_bytes_read += n_read
        return n_read

    def read(self, n_bytes: int) -> bytes:
        """Return the next bytes, at most ``n_bytes``, none at the end."""
        block = bytearray(n_bytes)
        with memoryview(block) as view:
            n_read = self.readinto(view)
        return bytes(block[:n_read])

    def blocks(self) -> Iterator[bytes]:
        """Yield the remaining bytes."""
        return iter(partial(self.read, _BLOCK_BYTES), b"")

    def seek(self, position: int) -> int:
        """Go to a position, if that is possible; return the position."""
        if self._is_stream or not self._file.seekable():
            return 0
        self._head = b""
        try:
            return self._file.seek(position)
        except OSError as error:
            raise unreadable(self.name, error) from error

    def tell_share(self, share: float) -> None:
        """Record what share of the `seekable` file has been read."""
        self.n_bytes_read = round(share * self._before.st_size)
        if share == 1:
            self.check_unchanged()

    def seekable(self) -> IO[bytes] | None:
        """Return the underlying file, for random access; None for a stream."""
        return None if self._is_stream else self._file

    def check_unchanged(self) -> None:
        """Raise if the size or the modification time has changed since the file was opened."""
        if self._is_stream:
            return
        before, now = self._before, os.fstat(self._file.fileno())
        if (before.st_size, before.st_mtime_ns) != (now.st_size, now.st_mtime_ns):
            raise self._changed(before.st_size, now.st_size)

    def check_size(self, n_bytes: int) -> None:
        """Raise if it had another size when the source was found."""
        if not self._is_stream and n_bytes != self._before.st_size:
            raise self._changed(n_bytes, self._before.st_size)

    def _changed(self, before: int, now: int) -> TextError:
        return TextError(
            f"{self.name}: changed while it was read (from {before:,} bytes to {now:,}); wait "
            "until it is complete, or copy it first"
        )

    def _read_into(self, view: memoryview) -> int:
        """Read from the file itself."""
        try:
            n_read = self._file.readinto(view)
        except OSError as error:
            raise unreadable(self.name, error) from error
        if n_read is None:  # which is not the end
            raise TextError(f"{self.name}: does not wait for data; open it in blocking mode")
        return n_read


def unreadable(name: str, error: Exception) -> TextError:
    """Return the error for a source that cannot be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return TextError(f"{name}: cannot be read: {reason}")

"""Sources: files and pipes, and how they are read."""

from __future__ import annotations

import io
import os
import re
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import IO, Any

from ...errors import TextError

STANDARD_INPUT = "-"
"""The path that stands for standard input."""

SENTENCES = "<sentences>"
"""Stands for sentences, which are in no file, among paths."""

_BLOCK_BYTES = 1 << 16
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(://|::.*://)", re.DOTALL)


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
        return io.FileIO(path, closefd=not standard_input)

    def state(self, file: Any) -> tuple[int | None, Any]:
        """Return the size of the open file, and what differs if its content has changed."""
        status = os.fstat(file.fileno())
        return status.st_size, status.st_mtime_ns

    @property
    def block_bytes(self) -> int:
        """How much is read at a time."""
        return _BLOCK_BYTES

    @property
    def is_slow(self) -> bool:
        """Whether to read it in a thread, ahead."""
        return False

    @property
    def is_stream(self) -> bool:
        """Whether it can be read only once, from its current position."""
        # On some systems, opening /dev/fd/N shares the position of N, even for a regular file.
        shared = self.path == STANDARD_INPUT or self.path.startswith(("/dev/fd/", "/dev/stdin"))
        return self.n_bytes is None or shared


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


def is_pattern(path: str) -> bool:
    """Return whether a path that does not exist can be a pattern."""
    return any(char in path for char in "*?[")


def is_url(path: str) -> bool:
    """Return whether a path is a URL, such as ``s3://bucket/file`` or ``simplecache::s3://…``."""
    return _URL.match(path) is not None and not os.path.lexists(path)


def source_at(path: str) -> Source:
    """Return the source at a path on this machine, which must not be a directory."""
    if is_url(path):
        raise TextError(f"{path}: only a corpus can be at a URL; copy it to this machine first")
    return local_source(path)


def local_source(path: str) -> Source:
    """Return the source at a path that is not a URL and not a directory."""
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
    is_slow : bool
        Whether to read it in a thread, ahead.
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
        self.is_slow = source.is_slow
        self._source = source
        self._is_stream = source.is_stream
        try:
            self._file = source.open()
            if not self._is_stream:
                self._before = source.state(self._file)
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
        if not self._is_stream:
            # A file may hold more than its size says, as those of /proc, whose size is 0.
            n_bytes = min(n_bytes, self._before[0] or n_bytes)
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
            return bytes(view[: self.readinto(view)])

    def blocks(self) -> Iterator[bytes]:
        """Yield the remaining bytes."""
        return iter(partial(self.read, self._source.block_bytes), b"")

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
        self.n_bytes_read = round(share * (self._before[0] or 0))
        if share == 1:
            self.check_unchanged()

    def seekable(self) -> IO[bytes] | None:
        """Return the underlying file, for random access; None if it has none."""
        if self._is_stream or not self._file.seekable():
            return None
        return io.BufferedReader(self._file) if self.is_slow else self._file

    def check_unchanged(self) -> None:
        """Raise if the size or the modification time has changed since the file was opened."""
        if self._is_stream:
            return
        try:
            now = self._source.state(self._file)
        except OSError as error:
            raise unreadable(self.name, error) from error
        if now != self._before:
            raise self._changed(self._before[0], now[0])

    def check_size(self, n_bytes: int) -> None:
        """Raise if it had another size when the source was found."""
        if not self._is_stream and n_bytes != self._before[0]:
            raise self._changed(n_bytes, self._before[0])

    def _changed(self, before: int | None, now: int | None) -> TextError:
        sizes = "" if before is None or now is None else f" (from {before:,} bytes to {now:,})"
        return TextError(
            f"{self.name}: changed while it was read{sizes}; wait until it is complete, or copy it "
            "first"
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

"""From paths to chunks of bytes.

A chunk holds whole tokens and ends in white space, wherever the file happened to be cut, so that
nothing after this module has to think about cuts. Files are read once, from start to end, and
never all at once: other sources of bytes need only another `_open`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from io import FileIO
from typing import NamedTuple

import numpy as np

from ..errors import SettingError, TextError

WHITE_SPACE = b" \n\t\r\v\f"
"""What separates tokens: the ASCII white space of `bytes.split`, commonest first."""

CHUNK_BYTES = 1 << 20

PADDING_BYTES = 8
"""Readable bytes of any value behind a chunk, so that its reader may look 8 bytes ahead."""

_LINE_FEED = 0x0A
_SPARE_BYTES = 1 + PADDING_BYTES  # behind what is read; 1 for a line feed that a file lacks
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


class Chunk(NamedTuple):
    """Some whole tokens of one file.

    Attributes
    ----------
    data : ndarray of shape (n_bytes + PADDING_BYTES,), uint8
        The bytes, then padding. Valid until the next chunk is asked for.
    n_bytes : int
        Bytes before the padding; the last is white space, and the last of a file is a line feed
        (added where the file has none). 0 only at the end of a file.
    file_number : int
        Place of the file among the paths.
    offset : int
        Where ``data`` begins in the file, in bytes.
    n_bytes_read : int
        Bytes read from all files so far.
    """

    data: np.ndarray
    n_bytes: int
    file_number: int
    offset: int
    n_bytes_read: int


def check_paths(paths: Sequence[str | os.PathLike[str]]) -> tuple[list[str], int]:
    """Return the paths as strings and their total size in bytes, once all prove to be readable.

    Looking at every file before reading the first spares a wait of hours for a misspelt last one.

    Raises
    ------
    SettingError
        If ``paths`` is a single string, or empty.
    TextError
        If a path does not exist, is a directory or may not be read.
    """
    if isinstance(paths, str | os.PathLike):
        raise SettingError(f"paths must be a sequence of paths, got {paths!r}; pass [{paths!r}]")
    if not paths:
        raise SettingError("no corpus paths given; pass at least one")
    names = [os.fspath(path) for path in paths]
    n_bytes = 0
    for name in names:
        try:
            n_bytes += os.stat(name).st_size
        except (OSError, ValueError) as error:
            raise _unreadable(name, error) from error
        if os.path.isdir(name):
            raise TextError(f"{name}: is a directory; give the files in it")
        if not os.access(name, os.R_OK):
            raise TextError(f"{name}: cannot be read: Permission denied")
    return names, n_bytes


def read_chunks(paths: Sequence[str], *, chunk_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """Yield the bytes of the files, in order, as chunks of whole tokens.

    A UTF-8 byte order mark at the start of a file is skipped. Memory is one buffer of
    ``chunk_bytes``, larger only while a single token fills it.

    Raises
    ------
    TextError
        If a file cannot be opened or read, or begins with a UTF-16 byte order mark.
    """
    n_bytes_read = 0
    for file_number, path in enumerate(paths):
        with _open(path) as file:
            buffer = bytearray(chunk_bytes + _SPARE_BYTES)
            filled = _fill(file, buffer, 0, len(_UTF8_BOM), path)
            n_bytes_read += filled
            offset = _mark_length(buffer[:filled], path)  # of buffer[0] in the file
            filled -= offset
            last_byte = _LINE_FEED
            at_end = False
            while not at_end:
                carried, room = filled, len(buffer) - _SPARE_BYTES
                filled = _fill(file, buffer, carried, room, path)
                n_bytes_read += filled - carried
                at_end = filled < room
                if at_end:
                    last_byte = buffer[filled - 1] if filled else last_byte
                    if last_byte != _LINE_FEED:
                        buffer[filled] = _LINE_FEED
                        filled += 1
                    cut = filled
                else:
                    cut = _after_last_space(buffer, carried, filled)
                if cut:
                    last_byte = buffer[cut - 1]
                if cut or at_end:
                    data = np.frombuffer(buffer, np.uint8, cut + PADDING_BYTES)
                    yield Chunk(data, cut, file_number, offset, n_bytes_read)
                offset += cut
                filled -= cut
                buffer = _starting_with(buffer[cut : cut + filled], buffer, chunk_bytes)


def _open(path: str) -> FileIO:
    """Open a file of the corpus."""
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise _unreadable(path, error) from error


def _fill(file: FileIO, buffer: bytearray, begin: int, end: int, path: str) -> int:
    """Read into ``buffer[begin:end]`` until it is full or the file ends; return where that is."""
    with memoryview(buffer) as view:
        try:
            while begin < end and (n_read := file.readinto(view[begin:end])):
                begin += n_read
        except OSError as error:
            raise _unreadable(path, error) from error
    return begin


def _mark_length(head: bytearray, path: str) -> int:
    """Return the length of the byte order mark that a file begins with."""
    if head.startswith(_UTF16_BOMS):
        raise TextError(
            f"{path}: begins with a UTF-16 byte order mark (bytes {head[:2].hex(' ')}), expected "
            "UTF-8; convert the file (iconv -f utf-16 -t utf-8)"
        )
    return len(_UTF8_BOM) if head.startswith(_UTF8_BOM) else 0


def _after_last_space(buffer: bytearray, begin: int, end: int) -> int:
    """Return the place after the last white space in ``buffer[begin:end]``, 0 if it has none."""
    after = 0
    for space in WHITE_SPACE:
        after = max(after, buffer.rfind(space, max(begin, after), end) + 1)
    return after


def _starting_with(rest: bytearray, buffer: bytearray, chunk_bytes: int) -> bytearray:
    """Put the bytes that were cut off first in a buffer with at least as much room behind them."""
    size = chunk_bytes
    while size < 2 * len(rest):
        size *= 2
    if size + _SPARE_BYTES != len(buffer):
        buffer = bytearray(size + _SPARE_BYTES)
    buffer[: len(rest)] = rest
    return buffer


def _unreadable(path: str, error: Exception) -> TextError:
    """Return the error that says why a file cannot be read."""
    reason = getattr(error, "strerror", None) or str(error)
    return TextError(f"{path}: cannot be read: {reason}")

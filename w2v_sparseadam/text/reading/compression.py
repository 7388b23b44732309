"""Decompress bytes, in a thread that reads ahead."""

from __future__ import annotations

import bz2
import io
import lzma
import os
import threading
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from itertools import count
from queue import Empty, Queue
from typing import Any, Protocol

from ...errors import TextError
from ...system.workers import start_thread
from ...system.zstd import zstd_module
from .magic import HEAD_BYTES, compression_of
from .sources import SourceFile, source_at

_IN_BYTES = 1 << 17
_OUT_BYTES = 1 << 20
_BLOCKS_AHEAD = 4
_PEEK_BYTES = 1 << 16
_LONGEST_LINE = 1 << 20
_MOST_WINDOW = 1 << 31
_XZ_BYTES = 1 << 20  # beside the window


class _Decompressor(Protocol):
    """What the decompressors of the standard library have in common."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """What came behind the member."""

    @property
    def needs_input(self) -> bool:
        """Whether there is nothing more to be had without data."""

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        """Return at most so many bytes."""


class _GzipDecompressor:
    """Reads one member of gzip data and checks its sum."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        return self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)


def decompressed(file: SourceFile, kind: str) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file, in blocks of at most 1 MiB.

    Members that follow each other are read as one. Zero bytes between and behind them are
    padding, as for gzip(1) and xz(1).

    Parameters
    ----------
    file : SourceFile
        At its start.
    kind : {"gzip", "bzip2", "xz", "zstd"}
        As `compression_of` says.

    Raises
    ------
    TextError
        If the data is corrupt, ends too soon, or is followed by other data: names the place in
        the file.
    """
    new, errors = _decompressor(kind, file.name)
    decompressor: _Decompressor | None = None  # None between members
    n_bytes_in = HEAD_BYTES  # so that to look at what a file holds costs little
    while block := file.read(n_bytes_in):
        n_bytes_in = _IN_BYTES
        while True:
            if decompressor is None:
                block = block.lstrip(b"\0")
                while block and len(block) < HEAD_BYTES and (more := file.read(HEAD_BYTES)):
                    block += more
                if not block:
                    break
                if compression_of(block) != kind:
                    place = file.n_bytes_read - len(block)
                    raise TextError(
                        f"{file.name}: {kind} data ends at byte {place}, but something else "
                        f"follows (bytes {block[:4].hex(' ')}); cut it off (head -c {place})"
                    )
                decompressor = new()
            if block:
                begin = file.n_bytes_read - len(block)
            try:
                text = decompressor.decompress(block, _OUT_BYTES)
            except errors as error:
                if "emory" in str(error):
                    raise TextError(
                        f"{file.name}: to unpack this {kind} data needs more than "
                        f"{_MOST_WINDOW >> 30} GiB of memory; compress it with a smaller window"
                    ) from error
                raise TextError(
                    f"{file.name}: corrupt {kind} data, noticed between bytes {begin} and "
                    f"{file.n_bytes_read} ({error}); fetch or compress it again"
                ) from error
            block = b""
            if text:
                yield text
            if decompressor.eof:
                block, decompressor = decompressor.unused_data, None
            elif decompressor.needs_input:
                break
    if decompressor is not None:
        raise TextError(
            f"{file.name}: ends at byte {file.n_bytes_read}, amid {kind} data: it is truncated; "
            "fetch or compress it again"
        )


def _decompressor(
    kind: str, name: str
) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """Return what makes a decompressor, and what that raises on corrupt data."""
    if kind == "gzip":
        return _GzipDecompressor, (zlib.error,)
    if kind == "bzip2":
        return bz2.BZ2Decompressor, (OSError,)
    if kind == "xz":
        return (
            lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_WINDOW + _XZ_BYTES),
            (lzma.LZMAError,),
        )
    zstd = zstd_module(name)
    # zstd --long=31 needs as much; its own limit of 2**27 would refuse many a published dump.
    options = {zstd.DecompressionParameter.window_log_max: _MOST_WINDOW.bit_length() - 1}
    return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)


class BlockReader(io.RawIOBase):
    """Blocks of bytes, to be read as a file."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, view: Any, /) -> int:
        """Read some bytes into ``view``; return how many, 0 at the end."""
        while not self._left:
            block = next(self._blocks, None)
            if block is None:
                return 0
            self._left = memoryview(block)
        n_read = min(len(view), len(self._left))
        view[:n_read] = self._left[:n_read]
        self._left = self._left[n_read:]
        return n_read


@contextmanager
def open_unpacked(
    path: str | os.PathLike[str],
) -> Iterator[tuple[io.BufferedReader, str, int | None]]:
    """Open a file or stream, decompressed if it is compressed.

    Parameters
    ----------
    path : path-like
        ``"-"`` is standard input.

    Yields
    ------
    stream : io.BufferedReader
        Of which a first ``peek`` returns 64 KiB, unless there are fewer.
    name : str
        What to call it in messages.
    n_bytes : int or None
        Its size, unless it is a stream or compressed.

    Raises
    ------
    TextError
        Here or while reading, if it cannot be read, or is compressed and corrupt.
    """
    source = source_at(os.fsdecode(path))
    with SourceFile(source) as file:
        kind = compression_of(file.peek(HEAD_BYTES))
        blocks = decompressed(file, kind) if kind else file.blocks()
        size = None if kind else source.n_bytes
        yield io.BufferedReader(BlockReader(_filled(blocks)), _PEEK_BYTES), file.name, size


def read_lines(path: str | os.PathLike[str]) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a small file of words, with the place of each for messages.

    Parameters
    ----------
    path : path-like
        As in `open_unpacked`.

    Raises
    ------
    TextError
        As `open_unpacked`, and if a line is longer than 1 MiB.
    """
    with open_unpacked(path) as (stream, name, _):
        for number in count(1):
            line = stream.readline(_LONGEST_LINE + 1)
            if not line:
                return
            place = f"{name}, line {number}"
            if len(line) > _LONGEST_LINE:
                raise TextError(f"{place}: is longer than 1 MiB; expected a few words on a line")
            yield place, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def _filled(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the same bytes in blocks of at least `_PEEK_BYTES`, but for the last."""
    parts = bytearray()
    for block in blocks:
        parts += block
        if len(parts) >= _PEEK_BYTES:
            yield bytes(parts)
            parts = bytearray()
    yield bytes(parts)


def read_ahead(blocks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the same blocks, made by a thread that is a few of them ahead.

    Decompressors and kernels do not hold the interpreter lock, so that they run side by side.
    """
    ready: Queue[bytes | BaseException | None] = Queue(_BLOCKS_AHEAD)
    stopped = threading.Event()

    def make() -> None:
        last: BaseException | None = None
        try:
            for block in blocks:
                ready.put(block)
                if stopped.is_set():
                    return
        except BaseException as error:
            last = error
        ready.put(last)

    # A daemon, because nothing can wake a thread that waits for a pipe.
    start_thread(make)
    try:
        while (block := ready.get()) is not None:
            if isinstance(block, BaseException):
                raise block
            yield block
    finally:
        stopped.set()
        with suppress(Empty):
            while True:
                ready.get_nowait()  # a place for the thread to put its block and see the end

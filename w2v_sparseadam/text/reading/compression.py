"""Decompress bytes in a thread that reads ahead."""

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

_IN_BYTES = 1 << 18  # about _OUT_BYTES of gzipped text; smaller blocks switch threads more often
_OUT_BYTES = 1 << 20
_BLOCKS_AHEAD = 8
_PEEK_BYTES = 1 << 16
_LONGEST_LINE = 1 << 20
_MOST_WINDOW = 1 << 31
_XZ_BYTES = 1 << 20  # that xz needs besides the window


class _Decompressor(Protocol):
    """The interface that the decompressors of the standard library share."""

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""

    @property
    def unused_data(self) -> bytes:
        """Bytes found after the end of the member."""

    @property
    def needs_input(self) -> bool:
        """Whether more data is needed before more can be returned."""

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        """Return at most ``max_length`` bytes."""


class _GzipDecompressor:
    """Reads one member of gzip data and verifies its checksum."""

    def __init__(self, module: Any) -> None:
        self._inflate = module.decompressobj(16 + zlib.MAX_WBITS)

    @property
    def eof(self) -> bool:
        return bool(self._inflate.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._inflate.unused_data)

    @property
    def needs_input(self) -> bool:
        return not self._inflate.unconsumed_tail

    def decompress(self, data: bytes, /, max_length: int) -> bytes:
        return bytes(self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length))


def decompressed(file: SourceFile, kind: str) -> Iterator[bytes]:
    """Yield the decompressed bytes of a file, in blocks of at most 1 MiB.

    Consecutive members are concatenated. Zero bytes between and after them are padding, as for
    gzip(1) and xz(1).

    Parameters
    ----------
    file : SourceFile
        Positioned at its start.
    kind : {"gzip", "bzip2", "xz", "zstd"}
        As `compression_of` returns it.

    Raises
    ------
    TextError
        If the data is corrupt, truncated, or followed by other data; the message says where in the
        file.
    """
    new, errors = _decompressor(kind, file.name)
    decompressor: _Decompressor | None = None  # None between members
    n_bytes_in = HEAD_BYTES  # few at first, so that checking a file is cheap
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
                        f"{file.name}: {kind} data ends at byte {place}, but other data follows "
                        f"(bytes {block[:4].hex(' ')}); remove it (head -c {place})"
                    )
                decompressor = new()
            if block:
                begin = file.n_bytes_read - len(block)
            try:
                text = decompressor.decompress(block, _OUT_BYTES)
            except errors as error:
                if "emory" in str(error):
                    raise TextError(
                        f"{file.name}: decompressing this {kind} data needs more than "
                        f"{_MOST_WINDOW >> 30} GiB of memory; compress it with a smaller window"
                    ) from error
                raise TextError(
                    f"{file.name}: corrupt {kind} data, detected between bytes {begin} and "
                    f"{file.n_bytes_read} ({error}); download or compress it again"
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
            f"{file.name}: truncated {kind} data, which ends at byte {file.n_bytes_read}; download "
            "or compress it again"
        )


def _decompressor(
    kind: str, name: str
) -> tuple[Callable[[], _Decompressor], tuple[type[Exception], ...]]:
    """Return a function that makes decompressors, and what they raise on corrupt data."""
    if kind == "gzip":
        module = _zlib_module()
        return lambda: _GzipDecompressor(module), (module.error,)
    if kind == "bzip2":
        return bz2.BZ2Decompressor, (OSError,)
    if kind == "xz":
        return (
            lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_WINDOW + _XZ_BYTES),
            (lzma.LZMAError,),
        )
    zstd = zstd_module(name)
    # As for zstd --long=31; zstd's default limit of 2**27 would refuse many published dumps.
    options = {zstd.DecompressionParameter.window_log_max: _MOST_WINDOW.bit_length() - 1}
    return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)


def _zlib_module() -> Any:
    """Return zlib, or a package with the same interface that takes less than half the time."""
    try:
        from isal import isal_zlib
    except ImportError:
        return zlib
    return isal_zlib


class BlockReader(io.RawIOBase):
    """A file object that reads from blocks of bytes."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
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
        Its first ``peek`` returns 64 KiB, or everything if there is less.
    name : str
        Its name in messages.
    n_bytes : int or None
        Its size; None if it is a stream or compressed.

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
    """Yield the same bytes in blocks of at least `_PEEK_BYTES`, except the last."""
    parts = bytearray()
    for block in blocks:
        parts += block
        if len(parts) >= _PEEK_BYTES:
            yield bytes(parts)
            parts = bytearray()
    yield bytes(parts)


def read_ahead(blocks: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Yield the same blocks, made by another thread, a few of them ahead.

    Decompressors and kernels release the interpreter lock, so they run at the same time.
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
                ready.get_nowait()  # makes room: the thread puts its block and stops

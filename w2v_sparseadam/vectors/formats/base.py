"""What the module of a format has, and what it reads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from typing import BinaryIO, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...events import Event
from ...text.reading.compression import open_unpacked


class VectorSource(NamedTuple):
    """A file, stream or folder that vectors are read from."""

    path: str | os.PathLike[str]
    name: str  # in messages
    stream: BufferedReader  # its content, decompressed; empty for a folder
    n_bytes: int | None  # None for a folder, a stream or compressed data
    on_event: Callable[[Event], None]

    @property
    def head(self) -> bytes:
        """The first 64 KiB, or everything if there is less, until something is read."""
        return self.stream.peek()


class FormatModule(Protocol):
    """The functions in the module of a format."""

    def fits(self, source: VectorSource, /) -> bool:
        """Tell by the path and the head, without reading on, whether a source has this format."""

    def read(self, source: VectorSource, /) -> tuple[Sequence[str], NDArray[np.float32]]:
        """Return the words and the matrix; FormatError, with the place, if the format is broken."""

    def write(self, stream: BinaryIO, words: Sequence[str], matrix: NDArray[np.float32], /) -> None:
        """Write what `read` returns; only in formats that have endings."""


@contextmanager
def open_source(
    path: str | os.PathLike[str], on_event: Callable[[Event], None]
) -> Iterator[VectorSource]:
    """Open what is at a path; ``"-"`` is standard input. Errors are those of `open_unpacked`."""
    if os.path.isdir(path):
        yield VectorSource(path, os.fspath(path), BufferedReader(BytesIO()), None, on_event)
        return
    with open_unpacked(path) as (stream, name, n_bytes):
        yield VectorSource(path, name, stream, n_bytes, on_event)

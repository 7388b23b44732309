"""What the module of a format has, what it reads, and what goes from one format to another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, SettingError, W2VError, counted
from ...events import Event
from ...system.memory import lacks_memory
from ...system.paths import open_descriptor
from ...text.reading.compression import open_unpacked

if TYPE_CHECKING:
    from ..subwords import Subwords
    from .model_file import ModelFile

_BLOCK_BYTES = 1 << 22
_MOST_ROWS = 1 << 14  # in a block


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

    @property
    def is_plain_file(self) -> bool:
        """Whether it can be mapped into memory, or read twice."""
        return self.n_bytes is not None and os.path.isfile(self.path)

    def check_plain_file(self, what: str) -> None:
        """Refuse a pipe or compressed data, naming what was found in it."""
        if not self.is_plain_file:
            raise FormatError(
                f"{self.name}: is {what}, which must be a file that is not compressed"
            )


class Block(NamedTuple):
    """Some words, in the order of the file, with their vectors and counts."""

    words: Sequence[str]
    rows: NDArray[np.float32]  # (len(words), D)
    counts: NDArray[np.int64] | None = None


Allocate = Callable[[int], NDArray[np.float32]]
"""Returns room for the vectors of so many words, which are to follow those before."""


@dataclass(frozen=True)
class Content:
    """Word vectors on their way from a file to memory, or to another file.

    Attributes
    ----------
    name : str
        Of the source, in messages.
    n_words : int or None
        None if only the end of the source tells.
    dim : int
    read : callable
        Yields the blocks, once. It takes an `Allocate` for vectors that it does not have in memory.
    model : callable or None
        Returns the model that the vectors are a part of.
    subwords : Subwords or None
        The n-grams of which the vectors of words were composed.
    """

    name: str
    n_words: int | None
    dim: int
    read: Callable[[Allocate], Iterable[Block]]
    model: Callable[[], ModelFile] | None = None
    subwords: Subwords | None = None

    @classmethod
    def of(
        cls,
        name: str,
        block: Block,
        model: Callable[[], ModelFile] | None = None,
        subwords: Subwords | None = None,
    ) -> Content:
        """Return what is in memory, or mapped into it."""
        dim = block.rows.shape[1]
        return cls(name, len(block.words), dim, lambda _: [block], model, subwords)

    def pieces(self) -> Iterator[Block]:
        """Yield blocks of a few MiB at most."""
        n_rows = rows_at_once(self.dim)
        for words, rows, counts in self.read(lambda n: np.empty((n, self.dim), np.float32)):
            for start in range(0, len(words), n_rows):
                part = slice(start, start + n_rows)
                yield Block(words[part], rows[part], None if counts is None else counts[part])

    def collected(self) -> Block:
        """Return all in one block; what is mapped into memory is not copied.

        Raises
        ------
        W2VError
            If memory cannot hold it.
        """
        room = _Room(self)
        blocks = list(self.read(room.allocate))
        if len(blocks) == 1:
            return blocks[0]
        words = [word for block in blocks for word in block.words]
        counts = [block.counts for block in blocks if block.counts is not None]
        return Block(
            words,
            room.whole([block.rows for block in blocks]),
            np.concatenate(counts) if len(counts) == len(blocks) else None,
        )


class _Room:
    """One matrix for all blocks, if their number of rows is known."""

    def __init__(self, content: Content) -> None:
        self._content, self._start = content, 0
        self._matrix: NDArray[np.float32] | None = None

    def allocate(self, n_rows: int) -> NDArray[np.float32]:
        """Return the next rows."""
        n_words, dim = self._content.n_words, self._content.dim
        if n_words is None:
            return np.empty((n_rows, dim), np.float32)
        if self._matrix is None:
            if lacking := lacks_memory(4 * n_words * dim):
                raise W2VError(
                    f"{self._content.name}: {counted(n_words, 'word')} of "
                    f"{counted(dim, 'dimension')}: {lacking}"
                )
            self._matrix = np.empty((n_words, dim), np.float32)
        rows = self._matrix[self._start : self._start + n_rows]
        self._start += n_rows
        return rows

    def whole(self, parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the matrix of all parts."""
        return np.concatenate(parts) if self._matrix is None else self._matrix


def rows_at_once(dim: int) -> int:
    """Return how many vectors make a block."""
    return max(1, min(_MOST_ROWS, _BLOCK_BYTES // (4 * dim)))


def check_names_a_file(path: str | os.PathLike[str], format_name: str) -> None:
    """Refuse standard output, a device or a pipe for what is not written from start to end."""
    is_other = os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path))
    if open_descriptor(path) is not None or is_other:
        raise SettingError(f"{path}: {format_name} cannot be written to a stream; name a file")
    if os.path.isdir(path) and format_name != "model2vec":
        raise SettingError(f"{path}: is a folder; name a file in it")


class FormatModule(Protocol):
    """The functions in the module of a format."""

    def fits(self, source: VectorSource, /) -> bool:
        """Tell by the path and the head, without reading on, whether a source has this format."""

    def read(self, source: VectorSource, /) -> Content:
        """Return what a source holds; FormatError, with the place, if the format is broken."""

    def write(self, path: str | os.PathLike[str], content: Content, /) -> None:
        """Write what `read` returns, whole or not at all; only in formats that have endings."""


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

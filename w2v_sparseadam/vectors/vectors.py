"""Word vectors: load, save and search."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import (
    FormatError,
    ShapeError,
    W2VError,
    check_path,
)
from ..events import Event, warn
from ..system.files import write_result
from .formats.base import open_source
from .formats.registry import format_for, format_of
from .formats.word2vec import quote
from .html import table
from .other_names import OF_VECTORS, no_attribute
from .queries import Queries, check_str

_UNWRITABLE = re.compile("[ \t\n\v\f\r\ud800-\udfff]")
_SHOWN = 5  # words and numbers, in a notebook


class Vectors(Queries):
    """Words and their vectors, most frequent first if a trainer wrote them.

    Iterating yields the words; ``len`` counts them; ``word in vectors`` and ``vectors[word]``
    work as in a mapping, ``vectors[["one", "two"]]`` is a matrix, and ``numpy.asarray(vectors)``
    the matrix of all.

    Parameters
    ----------
    words : sequence of V str
        Distinct, not empty, without ASCII white space.
    matrix : array_like of shape (V, D), float32
        One row per word, finite numbers. A C-contiguous float32 array is not copied, and
        must not change afterwards.

    Attributes
    ----------
    words : tuple of V str
    matrix : ndarray of shape (V, D), float32
        Read-only.
    word_ids : dict of str to int
        The row of each word.

    Raises
    ------
    ShapeError
        If `matrix` is not of shape (V, D) with V and D at least 1.
    FormatError
        If a file could not hold a word or a number: says which and why.

    Examples
    --------
    >>> vectors = Vectors(["one", "two", "ten"], [[3, 4], [4, 3], [-4, 3]])
    >>> round(vectors.similarity("one", "two"), 4)
    0.96
    >>> [word for word, cosine in vectors.most_similar("one")]
    ['two', 'ten']
    """

    def __init__(self, words: Sequence[str], matrix: ArrayLike) -> None:
        with np.errstate(over="ignore"):  # infinities are refused below
            rows = np.ascontiguousarray(matrix, dtype=np.float32).view()
        if rows.ndim != 2 or len(rows) != len(words) or rows.size == 0:
            raise ShapeError(
                f"expected at least one word and a matrix of shape ({len(words)}, D) with D at "
                f"least 1, found shape {np.shape(matrix)}"
            )
        rows.flags.writeable = False
        self.words = tuple(words)
        self.matrix = rows
        self.word_ids = _number(self.words)
        _check_finite(self.words, rows)

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, on_event: Callable[[Event], None] | None = None
    ) -> Vectors:
        """Read a file, whose format is detected from the content, or the folder of a run.

        Memory is that of the matrix and the words: the file is read in pieces of 1 MiB, and one
        with a false header takes no more than a valid file of its size.

        Parameters
        ----------
        path : str or path-like
            A file or pipe in one of the formats of word2vec, compressed or not; ``"-"`` is
            standard input. The newline after a binary record may be missing, as in some
            published files. Or a file that `Model.save` wrote, which is mapped into memory; or
            the folder of a run: its last checkpoint is read.
        on_event : callable, optional
            Receives `~w2v_sparseadam.events.Warned` if the run in a folder is not finished.
            Default: a warning of Python's.

        Raises
        ------
        FormatError
            If the file breaks its format: says where and how.
        TextError
            If it cannot be read, or its compressed data is broken.
        W2VError
            If it has more vectors than memory can hold; if a folder holds no checkpoint yet.
        """
        check_path("path", path)
        with open_source(path, warn if on_event is None else on_event) as source:
            words, matrix = format_of(source).read(source)
        return cls._of_file(words, matrix, source.name)

    @classmethod
    def _of_file(cls, words: Sequence[str], matrix: NDArray[np.float32], name: str) -> Vectors:
        """Return what a file of this name holds."""
        try:
            return cls(words, matrix)
        except FormatError as error:
            raise FormatError(f"{name}, {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file atomically, in the format of its extension.

        Text for ``.vec``, ``.txt`` or no extension, binary for ``.bin``; compressed if ``.gz``,
        ``.bz2``, ``.xz`` or ``.zst`` follows. Both formats store every number exactly.

        Parameters
        ----------
        path : str or path-like
            ``"-"`` is standard output.

        Raises
        ------
        SettingError
            If the extension is any other.
        W2VError
            If the file cannot be written; see `write_result`.
        """
        check_path("path", path)
        format_ = format_for(path).load()
        with write_result(path) as stream:
            format_.write(stream, self.words, self.matrix)

    def __len__(self) -> int:
        """Count the words."""
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        """Yield the words."""
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether `word` has a vector."""
        return word in self.word_ids

    def __getitem__(self, word: str | Sequence[str]) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only; a new matrix for several words.

        Raises
        ------
        UnknownWordError
            If `word` has no vector; suggests words of similar spelling.
        """
        if isinstance(word, list | tuple | np.ndarray):
            return self.matrix[np.array([self._word_id(each) for each in word], np.intp)]
        return self.get_vector(word)  # type: ignore[arg-type]  # which refuses what is no word

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the matrix, for NumPy."""
        if copy:
            return self.matrix.astype(dtype or np.float32)
        matrix = self.matrix.astype(dtype or np.float32, copy=False)
        if copy is False and matrix is not self.matrix:
            raise ValueError(f"a matrix of {self.matrix.dtype} is no matrix of {dtype}: copy it")
        return matrix

    def to_gensim(self) -> Any:
        """Return a copy as gensim's ``KeyedVectors``.

        Raises
        ------
        W2VError
            If gensim is not installed.
        """
        try:
            from gensim.models import KeyedVectors
        except ImportError:
            raise W2VError("gensim is not installed; pip install gensim") from None
        vectors = KeyedVectors(self.dim)
        vectors.add_vectors(list(self.words), self.matrix)
        return vectors

    def __getattr__(self, name: str) -> Any:
        """Say what gensim's attributes are called here."""
        raise no_attribute(self, name, OF_VECTORS)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the words and the matrix; all else follows from them."""
        return type(self), (self.words, self.matrix)

    def __repr__(self) -> str:
        """Show the numbers of words and dimensions."""
        return f"<Vectors: {len(self)} words, {self.dim} dimensions>"

    def _repr_html_(self) -> str:
        """Show the first numbers of the first words in a notebook."""
        columns = min(self.dim, _SHOWN)
        more = ["…"] * (self.dim > columns)
        header = ["word", *map(str, range(columns)), *more]
        rows = [
            [word, *(f"{number:.3f}" for number in row[:columns]), *more]
            for word, row in zip(self.words[:_SHOWN], self.matrix[:_SHOWN], strict=True)
        ]
        rows += [["…"] * len(header)] * (len(self) > _SHOWN)
        return table(f"Vectors: {len(self):,} words, {self.dim} dimensions", header, rows)


def _number(words: Sequence[str]) -> dict[str, int]:
    """Return the row of each word; refuse words that a file cannot hold."""
    word_ids: dict[str, int] = {}
    for row, word in enumerate(words):
        check_str(word)
        first = word_ids.setdefault(word, row)
        if first != row:
            raise FormatError(f"word {row + 1}: {quote(word)} is also word {first + 1}")
        if not word or _UNWRITABLE.search(word):
            raise FormatError(
                f"word {row + 1}: {quote(word)} cannot be written: a word must be valid Unicode, "
                "not empty, without ASCII white space"
            )
    return word_ids


def _check_finite(words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, naming the word."""
    # A float64 sum of float32s cannot overflow, and needs no temporary matrix.
    with np.errstate(invalid="ignore"):
        broken = np.flatnonzero(~np.isfinite(matrix.sum(axis=1, dtype=np.float64)))
    if len(broken):
        row = broken[0]
        number = next(number for number in matrix[row] if not np.isfinite(number))
        raise FormatError(
            f"word {row + 1}: the vector of {quote(words[row])} holds {number}, "
            "not a finite float32 number"
        )

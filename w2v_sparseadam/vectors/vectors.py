"""Word vectors: load, save and search."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import (
    FormatError,
    SettingError,
    ShapeError,
    UnknownWordError,
    W2VError,
    check_path,
    wrong_type,
)
from ..events import Event, warn
from ..system.files import write_result
from ..system.memory import lacks_memory
from ..text.reading.compression import open_unpacked
from .formats import model_file, run_folder, word2vec_binary, word2vec_text
from .formats.detect import is_binary, is_text
from .formats.word2vec import quote, read_header
from .search import cosines, highest, normal_forms, spelled_like

_UNWRITABLE = re.compile("[ \t\n\v\f\r\ud800-\udfff]")


class Vectors:
    """Words and their vectors, most frequent first if a trainer wrote them.

    Iterating yields the words; ``len`` counts them; ``word in vectors`` and ``vectors[word]``
    work as in a mapping.

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
        if os.path.isdir(path):
            words, matrix = run_folder.read(path, on_event or warn)
            return cls._of_file(words, matrix, os.fspath(path))
        if model_file.is_model(path):
            model = model_file.read(path)
            matrix = model.objective.vectors(model.tables, model.objective.kinds[0])
            return cls._of_file(model.words, matrix, os.fspath(path))
        with open_unpacked(path) as (stream, name, size):
            if model_file.starts_like_a_model(stream.peek()[:9]):
                raise FormatError(
                    f"{name}: is a model, which must be a file that is not compressed"
                )
            n_words, dim = read_header(stream, name, size)
            lacking = lacks_memory(4 * n_words * dim)
            if lacking:
                raise W2VError(f"{name}: {n_words} words of {dim} dimensions: {lacking}")
            format_ = word2vec_text if is_text(stream.peek(), dim) else word2vec_binary
            words, matrix = format_.read(stream, name, n_words, dim)
        return cls._of_file(words, matrix, name)

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
        format_ = word2vec_binary if is_binary(path) else word2vec_text
        with write_result(path) as stream:
            stream.write(b"%d %d\n" % self.matrix.shape)
            format_.write(stream, self.words, self.matrix)

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.matrix.shape[1]

    @cached_property
    def unit_matrix(self) -> NDArray[np.float32]:
        """The matrix with every row divided by its length, shape (V, D); zero rows stay zero."""
        lengths = np.sqrt(np.einsum("vd,vd->v", self.matrix, self.matrix, dtype=np.float64))
        lengths[lengths == 0] = 1
        unit = np.empty_like(self.matrix)
        np.divide(self.matrix, lengths[:, np.newaxis], out=unit, casting="same_kind")
        unit.flags.writeable = False
        return unit

    def __len__(self) -> int:
        """Count the words."""
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        """Yield the words."""
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether `word` has a vector."""
        return word in self.word_ids

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only.

        Raises
        ------
        UnknownWordError
            If `word` has no vector; suggests words of similar spelling.
        """
        return self.matrix[self._word_id(word)]

    def get(self, word: str, default: Any = None) -> Any:
        """Return the vector of `word`, or `default` if it has none."""
        row = self.word_ids.get(word)
        return default if row is None else self.matrix[row]

    def find(self, word: str) -> str | None:
        """Return the form of `word` that has a vector, None if there is none.

        Tried in this order: `word` itself, its Unicode normal forms NFC and NFD, and these forms in
        lower case.
        """
        _check_str(word)
        forms = (word, *normal_forms(word), *normal_forms(word.lower()))
        return next((form for form in forms if form in self), None)

    def __repr__(self) -> str:
        """Show the numbers of words and dimensions."""
        return f"<Vectors: {len(self)} words, {self.dim} dimensions>"

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words' vectors, in [-1, 1]; 0 if one of them is all zeros.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        """
        return float(self._cosines(self[a], [self._word_id(b)])[0])

    def most_similar(
        self, query: str | ArrayLike, n: int = 10, exclude: str | Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """Return the `n` words with the highest cosine to `query`, best first, ties by row.

        Parameters
        ----------
        query : str or array_like of shape (D,)
            A word, which is excluded from the result, or a vector.
        n : int
            How many words, at least 1; fewer are returned if there are not as many.
        exclude : str or iterable of str
            More words to exclude; words without a vector are ignored.

        Returns
        -------
        list of (word, cosine)

        Raises
        ------
        UnknownWordError
            If `query` is a word without a vector.
        ShapeError
            If `query` is a vector whose length is not D.
        SettingError
            If `n` is below 1, or the vector holds a number that is not finite.
        WrongTypeError
            If `query` is neither a word nor a vector, or `n` is not a whole number.
        """
        if not isinstance(n, Integral):
            raise wrong_type("n", "a whole number", n)
        if n < 1:
            raise SettingError(f"n is {n}; ask for at least 1 word")
        exclude = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(exclude, Iterable):
            raise wrong_type("exclude", "a word or words", exclude)
        left_out = {self.word_ids[word] for word in exclude if word in self}
        if isinstance(query, str):
            left_out.add(self._word_id(query))
            query = self[query]
        scores = self._cosines(query)
        best = highest(scores, left_out, int(n))
        return [(self.words[row], float(scores[row])) for row in best]

    def analogy(self, a: str, b: str, c: str, n: int = 10) -> list[tuple[str, float]]:
        """Return the `n` best answers to "`a` is to `b` as `c` is to what?".

        The words, except `a`, `b` and `c`, with the highest cosine to b − a + c, where each
        vector is first scaled to length 1 (3CosAdd).

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        SettingError
            If `n` is below 1.

        References
        ----------
        Mikolov, Yih & Zweig (2013), "Linguistic regularities in continuous space word
        representations"; named 3CosAdd by Levy & Goldberg (2014).
        """
        unit_a, unit_b, unit_c = (self.unit_matrix[self._word_id(word)] for word in (a, b, c))
        return self.most_similar(unit_b - unit_a + unit_c, n, exclude=(a, b, c))

    def suggest(self, word: str, n: int = 3) -> list[str]:
        """Return up to `n` words of similar spelling, closest first, ties by row.

        Only words of similar length that begin or end like it are compared, and only the first
        20,000 of them, which is fast among a million words.
        """
        _check_str(word)
        return spelled_like(word, self.words, n)

    def _word_id(self, word: str) -> int:
        """Return the row of `word`, or raise with suggestions."""
        _check_str(word)
        row = self.word_ids.get(word)
        if row is None:
            close = ", ".join(quote(other) for other in self.suggest(word))
            raise UnknownWordError(
                f"no vector for {quote(word)}; "
                + (f"did you mean {close}?" if close else "no word has a similar spelling")
            )
        return row

    def _cosines(
        self, vector: ArrayLike, rows: Sequence[int] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the cosines of `vector` with the words in `rows`."""
        try:
            query = np.asarray(vector, dtype=np.float64)
        except (TypeError, ValueError):
            raise wrong_type("a query", "a word or a vector of numbers", vector) from None
        if query.shape != (self.dim,):
            raise ShapeError(f"expected a vector of shape ({self.dim},), found {query.shape}")
        if not np.isfinite(query).all():
            raise SettingError(
                f"the query holds {query[~np.isfinite(query)][0]}, not a finite number"
            )
        return cosines(query, self.unit_matrix[rows])


def _check_str(word: object) -> None:
    if not isinstance(word, str):
        raise wrong_type("a word", "a str", word)


def _number(words: Sequence[str]) -> dict[str, int]:
    """Return the row of each word; refuse words that a file cannot hold."""
    word_ids: dict[str, int] = {}
    for row, word in enumerate(words):
        _check_str(word)
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

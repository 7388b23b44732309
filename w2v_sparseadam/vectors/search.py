"""Search words: by cosine, by similar spelling, by normal form."""

from __future__ import annotations

import difflib
import itertools
import unicodedata
from collections.abc import Collection, Container, Iterable, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_SUGGEST_AMONG = 20_000
_LEAST, _MOST = 1e-24, 1e24  # squares of lengths between which float32 is precise

Rows = Sequence[int] | NDArray[np.int64] | slice
_ALL = slice(None)


class Table:
    """Vectors to compare with, whose lengths are known nearly.

    A matrix of rows of length 1 would take as long to make as some twenty questions, and as much
    memory as the vectors. So all cosines are first taken nearly, and those that may be among the
    best then exactly, from rows of length 1.

    Parameters
    ----------
    matrix : ndarray of shape (V, D), float32
    squares : ndarray of shape (V,), float32
        The squares of the rows' lengths, infinite where they are too large for float32.
    """

    def __init__(self, matrix: NDArray[np.float32], squares: NDArray[np.float32]) -> None:
        self._matrix = matrix
        # Where the square is out of float32's range, or no longer precise; zero vectors, too.
        self._odd = np.flatnonzero(~((squares > _LEAST) & (squares < _MOST)))
        self._lengths = np.sqrt(squares)
        self._lengths[self._odd] = np.inf
        # Twice what a near and an exact cosine can differ by: D roundings in each of three sums.
        self._error = np.float32(5e-7 * matrix.shape[1] + 1e-6)

    def units(self, rows: Rows = _ALL) -> NDArray[np.float32]:
        """Return rows divided by their lengths, as a new matrix; zero rows stay zero."""
        return units(self._matrix[rows])

    def cosines(self, query: NDArray, rows: Rows) -> NDArray[np.float32]:
        """Return the exact cosines of a vector of shape (D,) with some rows."""
        return cosines(query, self._matrix[rows])

    def near_cosines(self, query: NDArray, rows: slice = _ALL) -> NDArray[np.float32]:
        """Return the cosines of a vector with rows to six digits or so, the same for equal rows."""
        with np.errstate(over="ignore", invalid="ignore"):
            scores = np.einsum("vd,d->v", self._matrix[rows], _unit_of(query))
            scores /= self._lengths[rows]
        odd = self._odd[self._odd < len(scores)]
        scores[odd] = self.cosines(query, odd)
        return scores

    def nearest(
        self, query: NDArray, n: int, left_out: Collection[int], rows: slice
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the rows with the `n` highest cosines, highest first, ties in order, and these."""
        scores = self.near_cosines(query, rows)
        out = [row for row in left_out if row < len(scores)]
        scores[out] = -np.inf
        n = min(n, len(scores) - len(out))
        if n < 1:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        at_least = np.partition(scores, -n)[-n] - self._error
        places = np.flatnonzero(scores >= at_least)
        exact = self.cosines(query, places)
        best = highest(exact, (), n)
        return places[best], exact[best]


def units(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return rows divided by their lengths, as a new matrix; zero rows stay zero."""
    lengths = np.sqrt(np.einsum("vd,vd->v", matrix, matrix, dtype=np.float64))
    lengths[lengths == 0] = 1
    unit = np.empty(matrix.shape, np.float32)
    np.divide(matrix, lengths[:, np.newaxis], out=unit, casting="same_kind")
    return unit


def cosines(query: NDArray, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the exact cosines of a vector of shape (D,) with the rows of a matrix."""
    # Not BLAS: it may sum equal rows in different orders, and so break ties randomly.
    return np.einsum("vd,d->v", units(matrix), _unit_of(query)).clip(-1, 1)


def _unit_of(query: NDArray) -> NDArray[np.float32]:
    """Return a vector scaled to length 1; the zero vector stays zero."""
    query = np.asarray(query, np.float64)
    return (query / (np.linalg.norm(query) or 1)).astype(np.float32)


def highest(values: NDArray[np.float32], left_out: Collection[int], n: int) -> NDArray[np.int64]:
    """Return the indices of the `n` highest values, highest first, ties in order.

    Values at the indices ``left_out`` are overwritten.
    """
    values[list(left_out)] = -np.inf
    n = min(n, len(values) - len(left_out))
    if n == 0:
        return np.empty(0, np.int64)
    at_least = np.partition(values, -n)[-n]
    places = np.flatnonzero(values >= at_least)
    return places[np.argsort(-values[places], kind="stable")[:n]]


def spelled_like(word: str, words: Iterable[str], n: int) -> list[str]:
    """Return up to `n` words with a spelling similar to `word`; see :meth:`Vectors.suggest`."""
    folded = word.lower()
    if not folded:
        return []
    lengths = range(len(word) - 2, len(word) + 3)
    alike = (
        other
        for other in words
        if len(other) in lengths
        and (other[0].lower() in folded[:2] or other[-2:].lower() == folded[-2:])
    )
    matcher = difflib.SequenceMatcher(b=folded, autojunk=False)
    scored: list[tuple[float, int, str]] = []
    for other in itertools.islice(alike, _SUGGEST_AMONG):
        matcher.set_seq1(other.lower())
        if matcher.quick_ratio() >= 0.6 and (ratio := matcher.ratio()) >= 0.6:
            scored.append((-ratio, len(scored), other))
    return [other for _, _, other in sorted(scored)[:n]]


def normal_forms(word: str) -> tuple[str, ...]:
    """Return a word in the normal forms that do not change its meaning."""
    return unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)


class CommonForm:
    """The case and the normal form of Unicode that all words have, which unknown words then take.

    The n-grams of a word depend on both. All words are looked through, once, when a word needs it.
    """

    def __init__(self, words: Collection[str]) -> None:
        self._words = words

    def of(self, word: str, keep_case: bool = False) -> str:
        """Return an unknown word as it would be among the words."""
        if not keep_case and word != word.lower() and self._is_lower:
            word = word.lower()
        if word.isascii() or self._normal_form is None:
            return word
        return unicodedata.normalize(self._normal_form, word)

    @cached_property
    def _is_lower(self) -> bool:
        return all(word == word.lower() for word in self._words)

    @cached_property
    def _normal_form(self) -> Literal["NFC", "NFD"] | None:
        forms: tuple[Literal["NFC"], Literal["NFD"]] = ("NFC", "NFD")
        for form in forms:
            if all(unicodedata.is_normalized(form, word) for word in self._words):
                return form
        return None


def in_known_form(words: Container[str], word: str) -> str:
    """Return the normal form of a word that is among `words`; unchanged if none is."""
    return next((form for form in (word, *normal_forms(word)) if form in words), word)

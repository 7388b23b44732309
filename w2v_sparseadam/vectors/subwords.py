"""Vectors of n-grams, of which those of words are composed, as in fastText."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, ShapeError
from ..objectives.settings import LONGEST_NGRAM, ObjectiveSettings
from ..text.ngrams import ngram_buckets

_WORDS_AT_ONCE = 512  # so that their sums stay in the processor's cache
_MANY = 256  # n-grams: those beyond are added word by word
_ROWS_AT_ONCE = 4096


@dataclass(frozen=True, eq=False)
class Subwords:
    """The vectors of n-grams, numbered by buckets; other n-grams have the zero vector.

    Parameters
    ----------
    rows : ndarray of shape (R,)
        Each an item of 4 D bytes, the float32 of a vector: what a file holds may be at any address,
        where NumPy copies arrays of numbers before it reads them.
    dim : int
        D.
    min_n, max_n : int
        How many characters an n-gram has, from 1 to 64.
    n_buckets : int
    buckets : ndarray of shape (R,), int64, optional
        Of each row, ascending. Without it, every bucket has a row.
    """

    rows: NDArray[np.void]
    dim: int
    min_n: int
    max_n: int
    n_buckets: int
    buckets: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        """Refuse what does not fit together."""
        buckets = self.buckets
        if not (1 <= self.min_n <= self.max_n <= LONGEST_NGRAM and 1 <= self.n_buckets < 1 << 31):
            raise ShapeError(
                f"there are no n-grams of {self.min_n} to {self.max_n} characters in "
                f"{self.n_buckets} buckets"
            )
        n_rows = self.n_buckets if buckets is None else len(buckets)
        if self.rows.shape != (n_rows,) or self.rows.dtype.itemsize != 4 * self.dim:
            raise ShapeError(
                f"expected {n_rows} vectors of n-grams with {self.dim} dimensions, found "
                f"{len(self.rows)} with {self.rows.dtype.itemsize // 4}"
            )
        if buckets is not None and n_rows:
            ascend = (buckets[1:] > buckets[:-1]).all()
            if not ascend or buckets[0] < 0 or buckets[-1] >= self.n_buckets:
                raise ShapeError(f"the buckets of n-grams must ascend from 0 to {self.n_buckets}")

    @classmethod
    def of(
        cls,
        matrix: NDArray[np.float32],
        min_n: int,
        max_n: int,
        n_buckets: int,
        buckets: NDArray[np.int64] | None = None,
    ) -> Subwords:
        """Return the n-grams whose vectors are the rows of a matrix, of shape (R, D)."""
        rows = np.ascontiguousarray(matrix, np.float32)
        dim = rows.shape[1]
        return cls(rows.view(f"V{4 * dim}")[:, 0], dim, min_n, max_n, n_buckets, buckets)

    @classmethod
    def of_model(
        cls,
        objective: ObjectiveSettings,
        tables: Mapping[str, NDArray[np.float32]],
        kind: str,
        words: Sequence[str],
    ) -> Subwords | None:
        """Return the n-grams that the vectors of a trained model are composed of, if they are."""
        ngrams = objective.ngrams(tables, kind, words)
        return None if ngrams is None else cls.of(*ngrams)

    @property
    def matrix(self) -> NDArray[np.float32]:
        """The vectors, of shape (R, D); they may not be aligned."""
        return self.rows[:, np.newaxis].view(np.float32)

    def compose(self, word: str) -> NDArray[np.float32] | None:
        """Return the mean of the vectors of a word's n-grams, None if all are zero.

        This is the vector of a word that has none of its own.
        """
        total = np.zeros((1, self.dim), np.float32)
        (n_ngrams,) = self.add_ngrams(total, [word.encode("utf-8", "surrogatepass")])
        if not total.any():
            return None
        if not np.isfinite(total).all():
            raise FormatError(f"the n-grams of {word!r:.60} have vectors that are not finite")
        return total[0] * (np.float32(1) / np.float32(n_ngrams))

    def compose_known(self, rows: NDArray[np.float32], words: Sequence[bytes]) -> None:
        """Make the words' own vectors the means of these and those of their n-grams, in place.

        In the order and precision of fastText, so that the bits are the same.
        """
        n_ngrams = self.add_ngrams(rows, words)
        with np.errstate(invalid="ignore"):
            rows *= np.float32(1) / (1 + n_ngrams).astype(np.float32)[:, np.newaxis]

    def own_vectors(self, rows: NDArray[np.float32], words: Sequence[bytes]) -> NDArray[np.float32]:
        """Return the words' own vectors, from which `compose_known` makes ``rows`` again."""
        sums = np.zeros(rows.shape, np.float64)
        n_ngrams = self.add_ngrams(sums, words)
        with np.errstate(over="ignore"):
            own = (1 + n_ngrams)[:, np.newaxis] * rows.astype(np.float64) - sums
            return own.astype(np.float32)

    def add_ngrams(self, sums: NDArray[np.floating], words: Sequence[bytes]) -> NDArray[np.int64]:
        """Add to each row the vectors of a word's n-grams, in place; return how many it has."""
        counts = [
            self._add_some(
                sums[first : first + _WORDS_AT_ONCE], words[first : first + _WORDS_AT_ONCE]
            )
            for first in range(0, len(words), _WORDS_AT_ONCE)
        ]
        return np.concatenate(counts)

    def _add_some(self, sums: NDArray[np.floating], words: Sequence[bytes]) -> NDArray[np.int64]:
        buckets, counts = ngram_buckets(words, self.min_n, self.max_n, self.n_buckets)
        # Words with more n-grams first, so that those which have a k-th one are a slice.
        order = np.argsort(-counts, kind="stable")
        firsts, n_having = (np.cumsum(counts) - counts)[order], len(words)
        total = np.ascontiguousarray(sums[order])
        room = np.empty(len(words), self.rows.dtype)
        with np.errstate(over="ignore", invalid="ignore"):  # the sums are checked
            for k in range(min(counts[order[0]], _MANY)):
                while counts[order[n_having - 1]] <= k:
                    n_having -= 1
                total[:n_having] += self.vectors_of(buckets[firsts[:n_having] + k], room[:n_having])
            for place in np.flatnonzero(counts[order] > _MANY):
                stop = firsts[place] + counts[order[place]]
                for start in range(firsts[place] + _MANY, stop, _ROWS_AT_ONCE):
                    some = self.vectors_of(buckets[start : min(start + _ROWS_AT_ONCE, stop)])
                    # One after the other, as above: the bits are the same.
                    rows = np.concatenate([total[place : place + 1], some])
                    total[place] = np.add.reduce(rows, axis=0)
        sums[order] = total
        return counts

    def are_known(self, buckets: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell of each bucket whether it has a row."""
        if self.buckets is None:
            return np.ones(len(buckets), np.bool_)
        return np.isin(buckets, self.buckets)

    def vectors_of(
        self, buckets: NDArray[np.int64], room: NDArray[np.void] | None = None
    ) -> NDArray[np.float32]:
        """Return the vectors of buckets, in the room for them, if it is given."""
        if room is None:
            room = np.empty(len(buckets), self.rows.dtype)
        vectors = room[:, np.newaxis].view(np.float32)
        if self.buckets is None:
            np.take(self.rows, buckets, out=room, mode="clip")
        elif len(self.buckets):
            places = np.searchsorted(self.buckets, buckets).clip(max=len(self.buckets) - 1)
            np.take(self.rows, places, out=room, mode="clip")
            vectors[self.buckets[places] != buckets] = 0
        else:
            vectors[:] = 0
        return vectors

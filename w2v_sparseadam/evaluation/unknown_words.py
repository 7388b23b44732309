"""Unknown words of data sets, whose vectors are composed of n-grams."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from ..vectors.search import CommonForm
from .tasks import MISSING, Matrix, Rows

Compose = Callable[[str], Matrix | None]
"""Returns the vector of an unknown word, of shape (D,); None if nothing of it is known."""


class UnknownWords:
    """Rows behind those of the known words, one for each word that can be composed.

    Parameters
    ----------
    words : collection of str
        Known words, whose normal form the others take.
    compose : Compose or None
        None if no word can be composed.
    """

    def __init__(self, words: Collection[str], compose: Compose | None) -> None:
        self._n_words, self._compose = len(words), compose
        self._form = CommonForm(words)
        self._rows: dict[str, int] = {}

    def row_of(self, word: str) -> int:
        """Return the row of an unknown word, `MISSING` if it cannot be composed."""
        if self._compose is None:
            return MISSING
        word = self._form.of(word, keep_case=True)  # its case is that of all words of the data set
        if word not in self._rows and self._compose(word) is not None:
            self._rows[word] = self._n_words + len(self._rows)
        return self._rows.get(word, MISSING)

    def count(self, rows: Rows) -> int:
        """Return how many words there are among rows that are composed."""
        return len(np.unique(rows[rows >= self._n_words]))

    def behind(self, matrix: Matrix, compose: Compose | None) -> Matrix | Continued:
        """Return the matrix of the known words, with the rows of the others behind it."""
        if not self._rows or compose is None:
            return matrix
        composed = [compose(word) for word in self._rows]
        # What was composed at first may be so no more, if all of its numbers have become zeros.
        zero = np.zeros(matrix.shape[1], np.float32)
        return Continued(matrix, np.stack([zero if row is None else row for row in composed]))


class Continued:
    """A matrix and another below it, neither of which is copied as a whole."""

    def __init__(self, matrix: Matrix, below: Matrix) -> None:
        self._matrix, self._below = matrix, below

    def __getitem__(self, rows: Rows | slice, /) -> Matrix:
        """Return some rows, by number, or a slice of the first matrix."""
        if isinstance(rows, slice):
            return self._matrix[rows]
        n_rows = len(self._matrix)
        found: Matrix = self._matrix[np.minimum(rows, n_rows - 1)]
        is_below = rows >= n_rows
        found[is_below] = self._below[rows[is_below] - n_rows]
        return found

"""A hash table of words, filled and searched many words at a time."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ..text.types.scanner import Piece, load_words
from ..text.types.type_table import TypeTable
from ..text.words import Words


class WordTable:
    """Distinct words in rows, in the order in which they were added.

    Words hold no ASCII white space. A table works in its own process only: its hash is random.
    """

    def __init__(self) -> None:
        self._table = TypeTable(["words"])
        self._piece = Piece()

    def __len__(self) -> int:
        """Return the number of words."""
        return self._table.n_types

    def words(self) -> Words:
        """Return the words, row by row."""
        return self._table.as_words()

    def add(self, words: Collection[str]) -> np.ndarray:
        """Add words that are not there yet; return the row of each, as int64."""
        numbers = [np.empty(0, np.int32)]
        for block in _as_words(words).blocks():
            piece = load_words(self._piece, block).scan()
            numbers += [given[piece.numbers] for given in self._table.add(piece)]
        return np.searchsorted(self._table.numbers, np.concatenate(numbers))

    def find(self, words: Collection[str]) -> np.ndarray:
        """Return the row of each word, -1 if it is not there, as int32."""
        found = [np.empty(0, np.int32)]
        for block in _as_words(words).blocks():
            piece = load_words(self._piece, block).scan()
            found.append(self._table.find(piece)[piece.numbers])
            while not piece.is_done:
                piece.scan()
                found.append(self._table.find(piece)[piece.numbers])
        return np.concatenate(found)

    def prune(self, kept: np.ndarray) -> None:
        """Forget words.

        Parameters
        ----------
        kept : ndarray of shape (n,), bool
            Whether each row stays; those after it move up.
        """
        self._table.prune(kept)


def _as_words(words: Collection[str]) -> Words:
    return words if isinstance(words, Words) else Words.of(words)

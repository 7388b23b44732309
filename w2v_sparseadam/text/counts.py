"""The words of a text and their counts, before any is dropped."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class ReadCounts:
    """What was read, before words were dropped; `TextReport` explains each count."""

    n_bytes: int
    n_text_bytes: int
    n_lines: int
    n_longest_line: int
    n_types: int
    n_long_tokens: int
    n_bad_bytes: int
    n_empty_words: int
    n_rewritten_words: int
    n_pruned_types: int
    n_pruned: int

    @classmethod
    def of_all(cls, parts: Sequence[ReadCounts]) -> ReadCounts:
        """Return the counts of several texts that are read one after another."""
        sums = {name: sum(getattr(part, name) for part in parts) for name in cls.__annotations__}
        sums["n_longest_line"] = max(part.n_longest_line for part in parts)
        return cls(**sums)


@dataclass(frozen=True, eq=False)
class WordCounts:
    """The distinct words of a text, before filters and the min-count.

    Attributes
    ----------
    words : collection of str, length W
        In the order in which they first occur.
    counts : ndarray of shape (W,), int64
        How often each occurs.
    missed : ndarray of shape (W,), int64
        Upper bound on the occurrences of each that were pruned.
    missed_by_others : int
        Upper bound on the occurrences of any word not among ``words``.
    read : ReadCounts
        What else was counted.
    text_sizes : tuple of int
        Bytes of text of each source, as UTF-8, in their order.
    """

    words: Collection[str]
    counts: np.ndarray
    missed: np.ndarray
    missed_by_others: int
    read: ReadCounts
    text_sizes: tuple[int, ...]


def kept_by_pruning(counts: np.ndarray, n_most: int) -> np.ndarray:
    """Tell which entries of a table stay when it has more than ``n_most``.

    The rarest are forgotten, by the lowest threshold that leaves at most half of ``n_most``.

    Parameters
    ----------
    counts : ndarray of shape (n,), int64
        Count of each entry; n is more than ``n_most``.
    n_most : int
        1 or more.

    Returns
    -------
    ndarray of shape (n,), bool
    """
    n_left = n_most // 2
    threshold = np.partition(counts, -n_left - 1)[-n_left - 1]
    return counts > threshold

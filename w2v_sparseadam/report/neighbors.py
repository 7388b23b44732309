"""The nearest words of many words at once, and how far they agree between vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingError, counted
from ..vectors.vectors import Vectors

N_NEIGHBORS = 10
AMONG = 100_000
"""Neighbours are sought among so many of the most frequent words."""

_SCORES_AT_ONCE = 1 << 25
_A_BAND = 1000


class Nearest(NamedTuple):
    """The nearest words of some words: rows and cosines, of shape (R, N), best first."""

    rows: NDArray[np.int64]
    cosines: NDArray[np.float32]


def nearest(vectors: Vectors, rows: NDArray[np.int64], n: int = N_NEIGHBORS) -> Nearest:
    """Return the `n` nearest words of each row, among the first `AMONG` words."""
    among = vectors.unit_matrix[:AMONG]
    n = min(n, len(among) - 1)
    found = np.empty((len(rows), n), np.int64)
    cosines = np.empty((len(rows), n), np.float32)
    step = max(1, _SCORES_AT_ONCE // len(among))
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        scores = vectors.unit_matrix[part] @ among.T
        inside = np.flatnonzero(part < len(among))
        scores[inside, part[inside]] = -np.inf
        best = np.argpartition(-scores, max(n - 1, 0), axis=1)[:, :n]
        best.sort(axis=1)  # so that ties are in the order of the words
        values = np.take_along_axis(scores, best, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        found[start : start + step] = np.take_along_axis(best, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(values, order, axis=1)
    return Nearest(found, cosines.clip(-1, 1))


@dataclass(frozen=True)
class Band:
    """How far the neighbours of words of similar frequency agree.

    Attributes
    ----------
    first, last : int
        Ranks of the words by frequency, from 1.
    n_words : int
        Words that were looked at, evenly spread.
    mean : float
        Share of a word's neighbours that two of the vectors have in common, from 0 to 1.
    low, high : float
        A tenth of the words has less, and a tenth more.
    """

    first: int
    last: int
    n_words: int
    mean: float
    low: float
    high: float


def agreement(all_vectors: Sequence[Vectors], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return for each row of the first vectors how far its nearest words agree in all of them.

    It is the share of `N_NEIGHBORS` that two have in common, the mean of all pairs of vectors.

    Parameters
    ----------
    all_vectors : sequence of Vectors
        Two or more, of the same words.
    rows : ndarray of shape (R,), int64

    Returns
    -------
    ndarray of shape (R,)
        From 0 to 1.

    Raises
    ------
    SettingError
        If they are not of the same words.

    References
    ----------
    Wendlandt, Kummerfeld & Mihalcea (2018), Factors Influencing the Surprising Instability of
    Word Embeddings, section 3.
    """
    first = all_vectors[0]
    for other in all_vectors[1:]:
        if other.word_ids.keys() != first.word_ids.keys():
            raise SettingError(
                f"vectors of {len(first):,} and {counted(len(other), 'word')} are not of the same "
                "words",
                "compare runs on the same text that differ only in the seed",
            )
    sets = []
    for vectors in all_vectors:
        own = np.array([vectors.word_ids[word] for word in first.words], np.int64)
        back = np.empty_like(own)
        back[own] = np.arange(len(own))
        sets.append(np.sort(back[nearest(vectors, own[rows]).rows], axis=1))
    shares = [_common(one, other) for one, other in combinations(sets, 2)]
    return np.mean(shares, axis=0)


def bands(all_vectors: Sequence[Vectors]) -> list[Band]:
    """Return the agreement by rank: of the first 100 words, to 1,000, to 10,000 and so on."""
    n_words = len(all_vectors[0])
    edges = [0, *(10**k for k in range(2, 12) if 10**k < n_words), n_words]
    picks = [
        np.unique(np.linspace(start, stop - 1, min(_A_BAND, stop - start)).astype(np.int64))
        for start, stop in pairwise(edges)
    ]
    shares = np.split(
        agreement(all_vectors, np.concatenate(picks)), np.cumsum([len(pick) for pick in picks])[:-1]
    )
    found = []
    for (start, stop), share in zip(pairwise(edges), shares, strict=True):
        low, high = map(float, np.quantile(share, [0.1, 0.9]))
        found.append(Band(start + 1, stop, len(share), float(share.mean()), low, high))
    return found


def _common(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the share of equal numbers in each row of two matrices without repetitions."""
    if not one.shape[1]:
        return np.ones(len(one))
    both = np.sort(np.concatenate([one, other], axis=1), axis=1)
    return (both[:, 1:] == both[:, :-1]).sum(axis=1) / one.shape[1]

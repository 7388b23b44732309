"""The words that have a row in the matrices, and their numbers."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import compress
from typing import NamedTuple

import numpy as np

from ..output import atomic_write

LINE_END = -1
"""What stands among word ids where a line ends."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a corpus that are trained; ``word_id`` is a place in it.

    The commonest word comes first; words that are equally common are in the order of their code
    points, so that the same text always gives the same word ids.

    Attributes
    ----------
    words : list of str, length V
        Distinct and not empty.
    counts : ndarray of shape (V,), int64
        How often each occurs, not increasing. Read-only.
    """

    words: list[str]
    counts: np.ndarray

    def __len__(self) -> int:
        """Return V, the number of words."""
        return len(self.words)


def select_words(
    words: Collection[str], counts: np.ndarray, *, min_count: int, max_vocab: int | None
) -> tuple[Vocabulary, np.ndarray]:
    """Choose the vocabulary among distinct words.

    Parameters
    ----------
    words : collection of str, length W
        Distinct words in any order.
    counts : ndarray of shape (W,), int64
        How often each occurs.
    min_count : int
        Words that occur less often are left out; 1 or more.
    max_vocab : int or None
        Of the rest, only the first so many are taken in the order of `Vocabulary`.

    Returns
    -------
    vocabulary : Vocabulary
        Empty if no word occurs often enough.
    word_ids : ndarray of shape (W,), int32
        Word id of each of ``words``, -1 where it was left out.
    """
    is_frequent = counts >= min_count
    frequent = np.flatnonzero(is_frequent)
    texts = list(compress(words, is_frequent.tobytes()))
    by_count = np.argsort(-counts[frequent], kind="stable")
    ends = np.flatnonzero(np.diff(counts[frequent[by_count]], append=0)) + 1
    ordered: list[int] = []
    for group in np.split(by_count, ends[:-1]):  # which are equally common
        if max_vocab is not None and len(ordered) >= max_vocab:
            break
        ordered += sorted(group.tolist(), key=texts.__getitem__)
    chosen = np.array(ordered[:max_vocab], np.int64)
    word_ids = np.full(len(words), -1, np.int32)
    word_ids[frequent[chosen]] = np.arange(len(chosen), dtype=np.int32)
    kept_counts = counts[frequent[chosen]]
    kept_counts.flags.writeable = False
    return Vocabulary([texts[place] for place in chosen.tolist()], kept_counts), word_ids


class Coverage(NamedTuple):
    """What a min-count keeps of a text.

    Attributes
    ----------
    min_count : int
        Words that occur less often are left out.
    n_words : int
        Words kept.
    n_tokens : int
        Their occurrences.
    share : float
        These, of all tokens.
    """

    min_count: int
    n_words: int
    n_tokens: int
    share: float


def coverage(counts: np.ndarray, min_counts: Iterable[int]) -> list[Coverage]:
    """Find what each of several min-counts keeps of a text.

    Parameters
    ----------
    counts : ndarray of shape (W,), int64
        How often each distinct word occurs; at least one word.
    min_counts : iterable of int
        1 or more, each.

    Returns
    -------
    list of Coverage
        One for each min-count, in the same order.
    """
    n_tokens = int(counts.sum())
    rows = []
    for min_count in min_counts:
        kept = counts[counts >= min_count]
        n_kept = int(kept.sum())
        rows.append(Coverage(min_count, kept.size, n_kept, n_kept / n_tokens))
    return rows


def save_vocabulary(vocabulary: Vocabulary, path: str | os.PathLike[str]) -> None:
    """Write a vocabulary as word2vec does: UTF-8, a line ``word count`` for each word.

    Parameters
    ----------
    vocabulary : Vocabulary
        Written in its order, the commonest word first.
    path : path-like
        Replaced as a whole.

    Raises
    ------
    W2VError
        As `atomic_write`.
    """
    with atomic_write(path) as file:
        for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
            file.write(f"{word} {count}\n".encode())

"""The vocabulary: the words that get vectors."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..system.files import write_result
from ..system.workers import Pipeline

if TYPE_CHECKING:
    from .words import Words

LINE_END = -1
"""Marks the end of a line among word ids."""


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """The words of a corpus that get vectors; a word id is an index into them.

    The most frequent word comes first; words of equal count are in the order of their code points,
    so that the same text always gives the same word ids. `extend_vocabulary` appends new words.

    Attributes
    ----------
    words : list of str, length V
        Distinct and not empty.
    counts : ndarray of shape (V,), int64
        How often each occurs. Read-only.
    """

    words: list[str]
    counts: np.ndarray

    def __len__(self) -> int:
        """Return V, the number of words."""
        return len(self.words)


def select_words(
    words: Collection[str],
    counts: np.ndarray,
    *,
    min_count: int,
    max_vocab: int | None,
    threads: int = 1,
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
        Of the rest, at most this many are kept, in the order of `Vocabulary`.
    threads : int
        Threads to use; at most 2 are used.

    Returns
    -------
    vocabulary : Vocabulary
        Empty if no word occurs often enough.
    word_ids : ndarray of shape (W,), int32
        Word id of each of ``words``, -1 where it was left out.
    """
    from .words import Words

    words = words if isinstance(words, Words) else Words.of(words)
    frequent = np.flatnonzero(counts >= min_count)
    kept_counts = counts[frequent]
    is_common = kept_counts > np.median(kept_counts) if frequent.size else np.zeros(0, bool)
    with Pipeline(min(threads, 2)) as pipeline:
        halves = pipeline.map(
            partial(_sorted, words, counts), (frequent[is_common], frequent[~is_common])
        )
        chosen = np.concatenate(list(halves))[:max_vocab]
        taken = list(pipeline.map(words.take, np.array_split(chosen, 2)))
    word_ids = np.full(len(words), -1, np.int32)
    word_ids[chosen] = np.arange(chosen.size, dtype=np.int32)
    kept_counts = counts[chosen]
    kept_counts.flags.writeable = False
    return Vocabulary(taken[0] + taken[1], kept_counts), word_ids


def extend_vocabulary(
    known: Vocabulary,
    words: Collection[str],
    counts: np.ndarray,
    *,
    min_count: int,
    max_vocab: int | None,
    threads: int = 1,
) -> tuple[Vocabulary, np.ndarray]:
    """Add the words of more text to a vocabulary, whose words keep their ids.

    Parameters
    ----------
    known : Vocabulary
        The existing vocabulary.
    words, counts, threads
        For the added text, as in `select_words`.
    min_count : int
        New words that occur less often in it are left out; 1 or more.
    max_vocab : int or None
        Most words in total; further new words are left out.

    Returns
    -------
    vocabulary : Vocabulary
        The known words, then the new ones in their order; counts are those of both texts.
    word_ids : ndarray of shape (W,), int32
        Word id of each of ``words``, -1 where it was left out.
    """
    id_of = {word: word_id for word_id, word in enumerate(known.words)}
    word_ids = np.fromiter((id_of.get(word, -1) for word in words), np.int32, len(words))
    is_known = word_ids >= 0
    room = None if max_vocab is None else max(0, max_vocab - len(known))
    new, new_ids = select_words(
        words, np.where(is_known, 0, counts), min_count=min_count, max_vocab=room, threads=threads
    )
    word_ids[new_ids >= 0] = len(known) + new_ids[new_ids >= 0]
    known_counts = known.counts.copy()
    known_counts[word_ids[is_known]] += counts[is_known]
    all_counts = np.concatenate((known_counts, new.counts))
    all_counts.flags.writeable = False
    return Vocabulary(known.words + new.words, all_counts), word_ids


def _sorted(words: Words, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the places of some words in the order of `Vocabulary`."""
    keys = [words.sort_key(places, 8), words.sort_key(places, 0), -counts[places]]
    order = np.arange(places.size)
    for key in keys:  # the last decides
        order = order[np.argsort(key[order], kind="stable")]
    equal = np.logical_and.reduce([np.diff(key[order]) == 0 for key in keys])
    for begin, end in _runs(equal):  # of words whose first 16 bytes are the same
        texts = words.take(places[order[begin:end]])
        order[begin:end] = order[begin:end][sorted(range(end - begin), key=texts.__getitem__)]
    return places[order]


def _runs(equal: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where runs of equal neighbours begin and end, given which equal the next."""
    ends = np.flatnonzero(np.diff(equal, prepend=False, append=False))
    for begin, end in zip(ends[::2].tolist(), ends[1::2].tolist(), strict=True):
        yield begin, end + 1


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
        The same as a share of all tokens.
    """

    min_count: int
    n_words: int
    n_tokens: int
    share: float


def coverage(counts: np.ndarray, min_counts: Iterable[int]) -> list[Coverage]:
    """Compute what each of several min-counts keeps of a text.

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
    """Write a vocabulary as word2vec does: UTF-8, one line ``word count`` per word.

    Parameters
    ----------
    vocabulary : Vocabulary
        Written in its order, the most frequent word first.
    path : path-like
        Replaced atomically.

    Raises
    ------
    W2VError
        As `write_result`.
    """
    with write_result(path) as file:
        for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
            file.write(f"{word} {count}\n".encode())

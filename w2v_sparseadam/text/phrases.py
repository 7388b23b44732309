"""Phrases: neighbours that occur together far more often than by chance become one word.

Each pass counts the pairs of neighbours, scores them, and joins the best: first a text's
``new york`` becomes ``new_york``, then ``new_york times`` ``new_york_times``.

Done by hand, because gensim's ``Phrases`` counts in a Python dictionary that it prunes when it is
full: it is slow, and its counts depend on the order of the text.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

import numpy as np

from ..system.files import write_result
from .pairs import BLOCK_IDS, Reading, count_pairs, halves, joined, table_of
from .settings import PhraseConfig
from .types.type_words import TypeWords
from .types.word_id_map import Block, TypedText, WordIdMap
from .vocabulary import LINE_END


class Phrase(NamedTuple):
    """Two neighbours that were joined.

    Attributes
    ----------
    text : str
        Both with ``_`` between them.
    pair_count : int
        How often they were neighbours when the pass began.
    score : float
        The score that `PhraseConfig` names.
    pass_number : int
        The pass that found them, from 1.
    """

    text: str
    pair_count: int
    score: float
    pass_number: int


class JoinedText(NamedTuple):
    """What `join_phrases` returns.

    Attributes
    ----------
    word_ids : ndarray of shape (n,), int32
        The text, with `LINE_END` after each line.
    words : list of str, length W
        The distinct words: those given, then the phrases. Some may no longer occur.
    counts : ndarray of shape (W,), int64
        How often each occurs.
    phrases : list of Phrase
        By pass, and by falling score in each pass.
    """

    word_ids: np.ndarray
    words: list[str]
    counts: np.ndarray
    phrases: list[Phrase]

    def type_words(self) -> TypeWords:
        """Return the words as types: each is one word."""
        n_words = len(self.words)
        return TypeWords(
            words=self.words,
            counts=self.counts,
            missed=np.zeros(n_words, np.int64),
            starts=np.arange(n_words + 1),
            numbers=np.arange(n_words, dtype=np.int32),
        )

    def text(self) -> Iterator[TypedText]:
        """Yield the text, as those types."""
        for start in range(0, self.word_ids.size, BLOCK_IDS):
            block = self.word_ids[start : start + BLOCK_IDS].copy()  # not read-only
            yield TypedText(block, LINE_END)


def join_phrases(
    word_ids: np.ndarray,
    words: Collection[str],
    counts: np.ndarray,
    config: PhraseConfig,
    *,
    min_count: int,
    save: Callable[[Iterable[np.ndarray]], np.ndarray],
    on_progress: Callable[[int, int], None] | None = None,
) -> JoinedText:
    """Find and join phrases in a text, in one or more passes.

    A pair *ab* of neighbours in a line is a phrase if its score is above the threshold. With N
    tokens in the text and counts n:

        word2phrase:  (n(ab) − min_count) · N / (n(a) · n(b))
        npmi:         ln(p(ab) / (p(a) · p(b))) / −ln p(ab),  where p = n / N

    Lines are joined from left to right; where phrases overlap, the first one wins. The text must
    still have all its words, including rare ones, because dropping a word would make its neighbours
    adjacent. A phrase spelled like a word of the text becomes that word.

    Parameters
    ----------
    word_ids : ndarray of shape (n,), int32
        The text, with `LINE_END` after each line.
    words : collection of str, length V
        The distinct words.
    counts : ndarray of shape (V,), int64
        How often each occurs.
    config : PhraseConfig
        The number of passes, the score and its threshold.
    min_count : int
        Pairs that occur less often are not joined; 1 or more.
    save : callable
        Stores the int32 arrays that it is given one after another, and returns the whole; each
        is valid until the next is requested.
    on_progress : callable, optional
        Called with (word ids processed, word ids to process in total). The total grows when the
        table of pairs is full.

    Returns
    -------
    JoinedText

    References
    ----------
    Mikolov et al. (2013), Distributed Representations of Words and Phrases and their
    Compositionality, section 4; the factor N is that of its word2phrase. Bouma (2009), Normalized
    (Pointwise) Mutual Information in Collocation Extraction.
    """
    reading = Reading(2 * config.passes * word_ids.size, on_progress)
    all_words = list(words)
    phrases: list[Phrase] = []
    for pass_number in range(1, config.passes + 1):
        pairs, pair_counts, scores = _best_pairs(word_ids, counts, config, min_count, reading)
        if not pairs.size:
            break
        lefts, rights = (half.tolist() for half in halves(pairs))
        texts = [f"{all_words[a]}_{all_words[b]}" for a, b in zip(lefts, rights, strict=True)]
        found = map(Phrase, texts, pair_counts.tolist(), scores.tolist(), repeat(pass_number))
        phrases += sorted(
            found, key=lambda phrase: (-phrase.score, -phrase.pair_count, phrase.text)
        )
        new_ids = _add_words(all_words, texts)
        slots = table_of(pairs, new_ids)
        counts = np.zeros(len(all_words), np.int64)
        word_ids = save(joined(reading.blocks(word_ids), slots, counts))
    return JoinedText(word_ids, all_words, counts, phrases)


def score_pairs(
    kind: str,
    pair_counts: np.ndarray,
    left_counts: np.ndarray,
    right_counts: np.ndarray,
    n_tokens: int,
    min_count: int,
) -> np.ndarray:
    """Score pairs of words by the equations of `join_phrases`.

    Parameters
    ----------
    kind : {"word2phrase", "npmi"}
        The score.
    pair_counts, left_counts, right_counts : ndarray of shape (n,), int64
        How often each pair, its first and its second word occur; 1 or more.
    n_tokens : int
        Words in the text, with repetition; more than any pair's count.
    min_count : int
        Subtracted from a pair's count by "word2phrase".

    Returns
    -------
    ndarray of shape (n,), float64
    """
    together = left_counts.astype(np.float64) * right_counts
    if kind == "npmi":
        return np.log(pair_counts / together * n_tokens) / -np.log(pair_counts / n_tokens)
    return (pair_counts - min_count) / together * n_tokens


N_KERNELS = 4  # that compile_phrase_kernels needs


def compile_phrase_kernels() -> None:
    """Compile the kernels that join phrases, or load them, before timing starts."""
    word_ids = np.array([0, 1, LINE_END], np.int32)
    word_ids.flags.writeable = False
    found = join_phrases(
        word_ids,
        ["a", "b"],
        np.array([1, 1]),
        PhraseConfig(score="npmi", threshold=0.5),
        min_count=1,
        save=lambda blocks: np.concatenate([block.copy() for block in blocks]),
    )
    id_map = WordIdMap(found.type_words(), np.zeros(len(found.words), np.int32))
    id_map.relabel(Block().load(next(found.text())))


def save_phrases(phrases: Iterable[Phrase], path: str | os.PathLike[str]) -> None:
    """Write phrases as tab-separated UTF-8: a header line, then one line per phrase.

    Parameters
    ----------
    phrases : iterable of Phrase
        Written in this order.
    path : path-like
        Replaced atomically.

    Raises
    ------
    W2VError
        As `write_result`.
    """
    with write_result(path) as file:
        file.write(b"phrase\tcount\tscore\tpass\n")
        for text, pair_count, score, pass_number in phrases:
            file.write(f"{text}\t{pair_count}\t{score:.6g}\t{pass_number}\n".encode())


def _best_pairs(
    word_ids: np.ndarray,
    counts: np.ndarray,
    config: PhraseConfig,
    min_count: int,
    reading: Reading,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs above the threshold, their counts and their scores."""
    n_tokens = int(counts.sum())
    found = []
    for slots in count_pairs(word_ids, counts >= min_count, reading):
        often = np.flatnonzero(slots[1::2] >= min_count)
        pairs, pair_counts = slots[::2][often], slots[1::2][often].astype(np.int64)
        lefts, rights = halves(pairs)
        scores = score_pairs(
            config.score, pair_counts, counts[lefts], counts[rights], n_tokens, min_count
        )
        best = scores > config.lowest_score
        found.append((pairs[best], pair_counts[best], scores[best]))
    pairs, pair_counts, scores = map(np.concatenate, zip(*found, strict=True))
    return pairs, pair_counts, scores


def _add_words(words: list[str], texts: list[str]) -> np.ndarray:
    """Add the texts that are not yet words; return the index of each in the words."""
    wanted = set(texts)
    place_of = {word: place for place, word in enumerate(words) if word in wanted}
    for text in texts:
        if text not in place_of:
            place_of[text] = len(words)
            words.append(text)
    return np.array([place_of[text] for text in texts], np.uint64)

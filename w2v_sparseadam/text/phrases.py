"""Phrases: neighbours that occur together far more often than by chance become one word.

Each pass counts the pairs of neighbours, scores them, and joins the best: first a text's
``new york`` becomes ``new_york``, then ``new_york times`` ``new_york_times``. Pairs are counted
exactly in bounded memory: when the table of pairs is full, it keeps those whose hash is in one half
of the range, and another pass over the text counts the other half.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import repeat
from typing import NamedTuple

import numpy as np

from ..simd.kernels import kernel
from ..system.files import write_result
from .settings import PhraseConfig
from .types.type_words import TypeWords
from .types.word_id_map import Block, TypedText, WordIdMap
from .vocabulary import LINE_END

_BLOCK_IDS = 1 << 19
_MIN_SLOTS, _MAX_SLOTS = 1 << 16, 1 << 25  # of the table of pairs, 16 bytes each

_Word = np.uint64
_FREE = _Word(0)
_MIX = _Word(0xFF51AFD7ED558CCD), _Word(0xC4CEB9FE1A85EC53)  # MurmurHash3's finalizer
_LOW_32 = _Word(0xFFFFFFFF)
_ALL_HASHES = _Word(0), _LOW_32  # the first and the last, of 32 bits

# Of the hash: random, so that no text can be crafted to make its pairs collide. Phrases do not
# depend on it.
_SEED = _Word(secrets.randbits(64))

# Positions in the cursor, which holds the state between calls.
_POS, _LEFT, _N_PAIRS = range(3)


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
        for start in range(0, self.word_ids.size, _BLOCK_IDS):
            block = self.word_ids[start : start + _BLOCK_IDS].copy()  # not read-only
            yield TypedText(block, LINE_END)


@kernel
def _hashed(pair: np.uint64, seed: np.uint64) -> np.uint64:
    """Return a hash of a pair."""
    hashed = pair ^ seed
    hashed = (hashed ^ (hashed >> _Word(33))) * _MIX[0]
    hashed = (hashed ^ (hashed >> _Word(33))) * _MIX[1]
    return hashed ^ (hashed >> _Word(33))


@kernel
def _place(slots: np.ndarray, pair: np.uint64, hashed: np.uint64) -> np.uint64:
    """Return the place of a pair in a table, or the free place for it."""
    one = _Word(1)
    last = _Word(slots.size - 1)
    i = (hashed << one) & last
    while slots[i] != _FREE and slots[i] != pair:
        i = (i + _Word(2)) & last
    return i


@kernel
def _put(
    entries: np.ndarray,
    first_hash: np.uint64,
    last_hash: np.uint64,
    seed: np.uint64,
    slots: np.ndarray,
) -> int:
    """Copy the pairs of a table whose hash is in range into another; return how many."""
    one = _Word(1)
    n_pairs = 0
    for k in range(_Word(0), _Word(entries.size), _Word(2)):
        pair = entries[k]
        hashed = _hashed(pair, seed)
        if pair != _FREE and first_hash <= hashed >> _Word(32) <= last_hash:
            i = _place(slots, pair, hashed)
            slots[i] = pair
            slots[i + one] = entries[k + one]
            n_pairs += 1
    return n_pairs


@kernel
def _count_pairs(
    word_ids: np.ndarray,
    frequent: np.ndarray,
    first_hash: np.uint64,
    last_hash: np.uint64,
    seed: np.uint64,
    cursor: np.ndarray,
    slots: np.ndarray,
) -> bool:
    """Count frequent neighbours whose hash is in range; return whether the table had room.

    Indices are unsigned, because Numba tests a signed one for negative values at each use.
    """
    one = _Word(1)
    pos, end = _Word(cursor[_POS]), _Word(word_ids.size)
    left, n_pairs = cursor[_LEFT], cursor[_N_PAIRS]
    room = slots.size // 3  # two thirds of the slots, of two numbers each
    enough = True
    while pos < end:
        right = np.int64(word_ids[pos])
        if right == LINE_END or not frequent[_Word(right)]:
            right = np.int64(-1)
        elif left >= 0:
            pair = (_Word(left + 1) << _Word(32)) | _Word(right)
            hashed = _hashed(pair, seed)
            if first_hash <= hashed >> _Word(32) <= last_hash:
                i = _place(slots, pair, hashed)
                if slots[i] == _FREE:
                    if n_pairs == room:
                        enough = False
                        break
                    slots[i] = pair
                    n_pairs += 1
                slots[i + one] += one
        left = right
        pos += one
    cursor[_POS] = pos
    cursor[_LEFT] = left
    cursor[_N_PAIRS] = n_pairs
    return enough


@kernel
def _join(
    word_ids: np.ndarray,
    slots: np.ndarray,
    seed: np.uint64,
    cursor: np.ndarray,
    out: np.ndarray,
    counts: np.ndarray,
) -> np.int64:
    """Write a text with its phrases joined, from left to right; return how many ids it has."""
    one = _Word(1)
    n_out = _Word(0)
    left = cursor[_LEFT]  # a word that waits for its neighbour
    for pos in range(_Word(word_ids.size)):
        right = np.int64(word_ids[pos])
        if left >= 0:
            joined = False
            if right != LINE_END:
                pair = (_Word(left + 1) << _Word(32)) | _Word(right)
                i = _place(slots, pair, _hashed(pair, seed))
                if slots[i] != _FREE:
                    left = np.int64(slots[i + one])
                    joined = True
            out[n_out] = left
            counts[_Word(left)] += 1
            n_out += one
            if joined:
                left = -1
                continue
        left = right
        if right == LINE_END:
            out[n_out] = LINE_END
            n_out += one
    cursor[_LEFT] = left
    return np.int64(n_out)


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
    reading = _Reading(2 * config.passes * word_ids.size, on_progress)
    all_words = list(words)
    phrases: list[Phrase] = []
    for pass_number in range(1, config.passes + 1):
        pairs, pair_counts, scores = _best_pairs(word_ids, counts, config, min_count, reading)
        if not pairs.size:
            break
        lefts, rights = (half.tolist() for half in _halves(pairs))
        texts = [f"{all_words[a]}_{all_words[b]}" for a, b in zip(lefts, rights, strict=True)]
        found = map(Phrase, texts, pair_counts.tolist(), scores.tolist(), repeat(pass_number))
        phrases += sorted(
            found, key=lambda phrase: (-phrase.score, -phrase.pair_count, phrase.text)
        )
        new_ids = _add_words(all_words, texts)
        slots = _table_of(pairs, new_ids)
        counts = np.zeros(len(all_words), np.int64)
        word_ids = save(_joined(reading.blocks(word_ids), slots, counts))
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


def compile_phrase_kernels() -> None:
    """Compile the kernels that join phrases, or load them, before timing starts."""
    word_ids = np.array([0, 1, LINE_END], np.int32)
    word_ids.flags.writeable = False
    joined = join_phrases(
        word_ids,
        ["a", "b"],
        np.array([1, 1]),
        PhraseConfig(score="npmi", threshold=0.5),
        min_count=1,
        save=lambda blocks: np.concatenate([block.copy() for block in blocks]),
    )
    id_map = WordIdMap(joined.type_words(), np.zeros(len(joined.words), np.int32))
    id_map.relabel(Block().load(next(joined.text())))


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


class _Reading:
    """Reads texts in blocks, and reports progress."""

    def __init__(self, n_ids: int, on_progress: Callable[[int, int], None] | None) -> None:
        self.n_ids = n_ids
        self._n_done = 0
        self._on_progress = on_progress

    def blocks(self, word_ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield a text in blocks."""
        for start in range(0, word_ids.size, _BLOCK_IDS):
            block = word_ids[start : start + _BLOCK_IDS]
            yield block
            self._n_done += block.size
            if self._on_progress is not None:
                self._on_progress(self._n_done, self.n_ids)


def _best_pairs(
    word_ids: np.ndarray,
    counts: np.ndarray,
    config: PhraseConfig,
    min_count: int,
    reading: _Reading,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the pairs above the threshold, their counts and their scores."""
    n_tokens = int(counts.sum())
    found = []
    for slots in _count_in_slices(word_ids, counts >= min_count, reading):
        often = np.flatnonzero(slots[1::2] >= min_count)
        pairs, pair_counts = slots[::2][often], slots[1::2][often].astype(np.int64)
        lefts, rights = _halves(pairs)
        scores = score_pairs(
            config.score, pair_counts, counts[lefts], counts[rights], n_tokens, min_count
        )
        best = scores > config.lowest_score
        found.append((pairs[best], pair_counts[best], scores[best]))
    pairs, pair_counts, scores = map(np.concatenate, zip(*found, strict=True))
    return pairs, pair_counts, scores


def _count_in_slices(
    word_ids: np.ndarray, frequent: np.ndarray, reading: _Reading
) -> Iterator[np.ndarray]:
    """Yield tables of the pairs of frequent neighbours and their counts, each pair once."""
    waiting = [_ALL_HASHES]
    while waiting:
        first, last = waiting.pop()
        slots = np.zeros(2 * _MIN_SLOTS, np.uint64)
        cursor = np.array([0, -1, 0], np.int64)
        for block in reading.blocks(word_ids):
            cursor[_POS] = 0
            while not _count_pairs(block, frequent, first, last, _SEED, cursor, slots):
                size = slots.size
                if size < 2 * _MAX_SLOTS:
                    size *= 2
                else:
                    middle = first + (last - first) // _Word(2)
                    waiting.append((middle + _Word(1), last))
                    last = middle
                    reading.n_ids += word_ids.size
                slots, cursor[_N_PAIRS] = _moved(slots, first, last, size)
        yield slots


def _moved(
    slots: np.ndarray, first_hash: np.uint64, last_hash: np.uint64, size: int
) -> tuple[np.ndarray, int]:
    """Return a new table with the pairs whose hash is in range, and their number."""
    moved = np.zeros(size, np.uint64)
    # In parts, because compiled code blocks Ctrl-C.
    parts = (slots[i : i + 2 * _BLOCK_IDS] for i in range(0, slots.size, 2 * _BLOCK_IDS))
    return moved, sum(_put(part, first_hash, last_hash, _SEED, moved) for part in parts)


def _joined(
    blocks: Iterable[np.ndarray], slots: np.ndarray, counts: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield a text with the pairs of a table joined, and count its words."""
    cursor = np.array([0, -1], np.int64)
    out = np.empty(_BLOCK_IDS + 1, np.int32)
    for block in blocks:
        yield out[: _join(block, slots, _SEED, cursor, out, counts)]


def _table_of(pairs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a table with a value for each pair."""
    entries = np.empty(2 * pairs.size, np.uint64)
    entries[::2], entries[1::2] = pairs, values
    return _moved(entries, *_ALL_HASHES, 4 << pairs.size.bit_length())[0]


def _add_words(words: list[str], texts: list[str]) -> np.ndarray:
    """Add the texts that are not yet words; return the index of each in the words."""
    wanted = set(texts)
    place_of = {word: place for place, word in enumerate(words) if word in wanted}
    for text in texts:
        if text not in place_of:
            place_of[text] = len(words)
            words.append(text)
    return np.array([place_of[text] for text in texts], np.uint64)


def _halves(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the word ids of the first and of the second word of each pair."""
    return (pairs >> _Word(32)).astype(np.int64) - 1, (pairs & _LOW_32).astype(np.int64)

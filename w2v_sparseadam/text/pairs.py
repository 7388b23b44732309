"""Count pairs of neighbours in a text, and join pairs, by a hash table.

Pairs are counted exactly in bounded memory: when the table is full, it keeps those whose hash is in
one half of the range, and another pass over the text counts the other half.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..simd.kernels import inlined, kernel
from .vocabulary import LINE_END

BLOCK_IDS = 1 << 19
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


@inlined
def _hashed(pair: np.uint64, seed: np.uint64) -> np.uint64:
    """Return a hash of a pair."""
    hashed = pair ^ seed
    hashed = (hashed ^ (hashed >> _Word(33))) * _MIX[0]
    hashed = (hashed ^ (hashed >> _Word(33))) * _MIX[1]
    return hashed ^ (hashed >> _Word(33))


@inlined
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
def _count(
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


class Reading:
    """Reads texts in blocks, and reports progress."""

    def __init__(self, n_ids: int, on_progress: Callable[[int, int], None] | None) -> None:
        self.n_ids = n_ids
        self._n_done = 0
        self._on_progress = on_progress

    def blocks(self, word_ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield a text in blocks."""
        for start in range(0, word_ids.size, BLOCK_IDS):
            block = word_ids[start : start + BLOCK_IDS]
            yield block
            self._n_done += block.size
            if self._on_progress is not None:
                self._on_progress(self._n_done, self.n_ids)


def count_pairs(
    word_ids: np.ndarray, frequent: np.ndarray, reading: Reading
) -> Iterator[np.ndarray]:
    """Yield tables of the pairs of frequent neighbours and their counts, each pair once."""
    waiting = [_ALL_HASHES]
    while waiting:
        first, last = waiting.pop()
        slots = np.zeros(2 * _MIN_SLOTS, np.uint64)
        cursor = np.array([0, -1, 0], np.int64)
        for block in reading.blocks(word_ids):
            cursor[_POS] = 0
            while not _count(block, frequent, first, last, _SEED, cursor, slots):
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
    parts = (slots[i : i + 2 * BLOCK_IDS] for i in range(0, slots.size, 2 * BLOCK_IDS))
    return moved, sum(_put(part, first_hash, last_hash, _SEED, moved) for part in parts)


def joined(
    blocks: Iterable[np.ndarray], slots: np.ndarray, counts: np.ndarray
) -> Iterator[np.ndarray]:
    """Yield a text with the pairs of a table joined, and count its words."""
    cursor = np.array([0, -1], np.int64)
    out = np.empty(BLOCK_IDS + 1, np.int32)
    for block in blocks:
        yield out[: _join(block, slots, _SEED, cursor, out, counts)]


def table_of(pairs: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return a table with a value for each pair."""
    entries = np.empty(2 * pairs.size, np.uint64)
    entries[::2], entries[1::2] = pairs, values
    return _moved(entries, *_ALL_HASHES, 4 << pairs.size.bit_length())[0]


def halves(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the word ids of the first and of the second word of each pair."""
    return (pairs >> _Word(32)).astype(np.int64) - 1, (pairs & _LOW_32).astype(np.int64)

"""The n-grams of words, as fastText numbers them: by a hash, modulo a number of buckets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

END_OF_LINE = b"</s>"
"""What fastText counts as a word at the end of each line; it has no n-grams."""

_OFFSET, _PRIME = np.uint32(2166136261), np.uint32(16777619)


def ngram_buckets(
    words: Sequence[bytes], min_n: int, max_n: int, n_buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the buckets of all n-grams of each word.

    The n-grams of a word are those of ``<word>``, of `min_n` to `max_n` characters, without ``<``
    and ``>`` alone. A character is a byte and all bytes of the form 10xxxxxx that follow it, so
    that this is defined for what is not UTF-8, too.

    Parameters
    ----------
    words : sequence of bytes
        UTF-8.
    min_n, max_n : int
        From 1; there are no n-grams if `max_n` is below `min_n`.
    n_buckets : int
        From 1 to 2³¹ - 1.

    Returns
    -------
    buckets : ndarray of shape (N,), int64
        In [0, n_buckets): word by word, in the order of their first character, then of length. An
        n-gram that occurs twice is there twice.
    counts : ndarray of shape (len(words),), int64
        How many are of each word.

    References
    ----------
    ``Dictionary::computeSubwords`` and ``Dictionary::hash`` in fastText's ``dictionary.cc``: FNV-1a
    of 32 bits, but over signed bytes.
    """
    data = np.frombuffer(b"".join([b"<%b>" % word for word in words]), np.uint8)
    starts = np.flatnonzero((data & 0xC0) != 0x80)
    n_bytes = np.diff(starts, append=len(data))
    # How many characters are left in the word of each, itself among them.
    word_ends = np.cumsum([len(word) + 2 for word in words])
    word_of = np.searchsorted(word_ends, starts, side="right")
    last = np.cumsum(np.bincount(word_of, minlength=len(words)))
    left = last[word_of] - np.arange(len(starts))
    left[np.array([word == END_OF_LINE for word in words], bool)[word_of]] = 0
    is_border = np.zeros(len(starts), bool)
    is_border[last - 1] = is_border[np.concatenate(([0], last[:-1]))] = True

    per_start = np.maximum(np.minimum(left, max_n) - min_n + 1, 0)
    if min_n == 1:
        per_start[is_border & (per_start > 0)] -= 1
    place = np.cumsum(per_start) - per_start
    buckets = np.empty(int(per_start.sum()), np.int64)
    signed = data.view(np.int8).astype(np.int32).view(np.uint32)
    hashes = np.full(len(starts), _OFFSET)
    for n in range(1, max_n + 1):
        begin = np.flatnonzero(left >= n)
        if not len(begin):
            break
        _hash_characters(hashes, begin, begin + n - 1, signed, starts, n_bytes)
        if n >= min_n:
            kept = begin[~is_border[begin]] if n == 1 else begin
            buckets[place[kept]] = hashes[kept] % np.uint32(n_buckets)
            place[kept] += 1
    counts = np.bincount(word_of, per_start, len(words)).astype(np.int64)
    return buckets, counts


def _hash_characters(
    hashes: NDArray[np.uint32],
    which: NDArray[np.int64],
    characters: NDArray[np.int64],
    signed: NDArray[np.uint32],
    starts: NDArray[np.int64],
    n_bytes: NDArray[np.int64],
) -> None:
    """Hash the bytes of one more character each, in place."""
    byte = 0
    while len(which):
        hashes[which] = (hashes[which] ^ signed[starts[characters] + byte]) * _PRIME
        byte += 1
        more = n_bytes[characters] > byte
        which, characters = which[more], characters[more]

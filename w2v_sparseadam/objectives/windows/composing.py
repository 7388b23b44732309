"""Vectors of words composed of n-grams: which n-grams they have, and their means."""

from collections.abc import Collection
from functools import lru_cache

import numpy as np

from ...text.ngrams import ngram_buckets
from .ngrams import Ngrams, number_rows

_WORDS_AT_ONCE = 1 << 16  # to find their n-grams
_WORDS_COMPOSED = 512  # at once, so that their sums stay in a cache


def ngrams_of(words: Collection[str], lengths: tuple[int, int], n_buckets: int) -> Ngrams:
    """Return the n-grams of some words, which take a row for each bucket that any of them meets.

    Rows are numbered as the words meet them, so that more words only add rows.

    Parameters
    ----------
    words : sequence of V str
    lengths : (int, int)
        Least and most characters.
    n_buckets : int
    """
    # Whoever asks for the tables of a vocabulary, for its vectors or for an objective needs them.
    return _ngrams_of("\n".join(words).encode("utf-8", "surrogatepass"), lengths, n_buckets)


@lru_cache(maxsize=1)
def _ngrams_of(joined: bytes, lengths: tuple[int, int], n_buckets: int) -> Ngrams:
    words = joined.split(b"\n")
    numbers = np.zeros(n_buckets, np.int32)
    counts, rows, buckets = [], [], []
    n_rows = 0
    for first in range(0, len(words), _WORDS_AT_ONCE):
        met, of_words = ngram_buckets(words[first : first + _WORDS_AT_ONCE], *lengths, n_buckets)
        of_block = np.empty(met.size, np.int32)
        new = np.empty(met.size, np.int64)
        n_new = number_rows(met, numbers, n_rows, of_block, new)
        n_rows += n_new
        counts.append(of_words)
        rows.append(of_block)
        buckets.append(new[:n_new].copy())
    n_ngrams = np.concatenate(counts)
    found = Ngrams(
        starts=np.concatenate(([0], np.cumsum(n_ngrams))),
        rows=np.concatenate(rows),
        shares=np.float32(1) / (1 + n_ngrams).astype(np.float32),
        buckets=np.concatenate(buckets),
    )
    for array in found:
        array.flags.writeable = False
    return found


def compose(own: np.ndarray, others: np.ndarray, ngrams: Ngrams) -> np.ndarray:
    """Return the means of the words' own rows and those of their n-grams, of shape (V, D).

    The rows of a word are added one after the other, as in fastText.
    """
    composed = np.empty(own.shape, np.float32)
    counts = np.diff(ngrams.starts)
    order = np.argsort(-counts, kind="stable")
    for first in range(0, len(order), _WORDS_COMPOSED):
        words = order[first : first + _WORDS_COMPOSED]
        sums = own[words]
        n_having = len(words)  # a k-th n-gram: those with more come first
        for k in range(counts[words[0]]):
            while counts[words[n_having - 1]] <= k:
                n_having -= 1
            sums[:n_having] += others[ngrams.rows[ngrams.starts[words[:n_having]] + k]]
        composed[words] = ngrams.shares[words, np.newaxis] * sums
    return composed


def own_rows(
    vectors: np.ndarray, words: np.ndarray, others: np.ndarray, ngrams: Ngrams
) -> np.ndarray:
    """Return rows of some words' own of which `compose` makes their vectors, given all n-grams.

    Parameters
    ----------
    vectors : ndarray of shape (n, D), float32
    words : ndarray of shape (n,), int
    others : ndarray of shape (G, at least D), float32
    ngrams : Ngrams
    """
    own = np.empty(vectors.shape, np.float32)
    for k, word in enumerate(words.tolist()):
        rows = ngrams.rows[ngrams.starts[word] : ngrams.starts[word + 1]]
        summed = others[rows, : vectors.shape[1]].sum(axis=0, dtype=np.float64)
        own[k] = (1 + rows.size) * vectors[k].astype(np.float64) - summed
    return own

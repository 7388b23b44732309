"""N-grams of words in kernels: which rows a word is composed of, in plans and in gradients.

The kernels take the n-grams as a tuple, which is empty if a word has a row of its own alone. Its
type tells compiled code which of the two to do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from ...optimizers.groups import Groups, group, groups_of_ring
from ...simd.kernels import INLINED, inlined, kernel
from ...simd.rows import copy_row, mean_of_rows, scale_row


class Ngrams(NamedTuple):
    """The n-grams of each word, as rows of their table."""

    starts: np.ndarray  # (V + 1,) int64: where in rows those of each word start
    rows: np.ndarray  # (N,) int32: in the order of ngram_buckets; one that occurs twice is twice
    shares: np.ndarray  # (V,) float32: 1 / (1 + n), what each row is of a word of n n-grams
    buckets: np.ndarray  # (G,) int64: of each row of the table, in the order of the words


@kernel
def number_rows(met, numbers, n_rows, rows, new):
    """Replace buckets by rows, which are numbered as they are met; return how many are new.

    ``numbers`` has the row of each bucket, plus 1, or 0; ``new`` receives the new buckets.
    """
    n_new = 0
    for k in range(met.size):
        bucket = met[k]
        if numbers[bucket] == 0:
            new[n_new] = bucket
            n_new += 1
            numbers[bucket] = n_rows + n_new
        rows[k] = numbers[bucket] - 1
    return n_new


class NgramRoom(NamedTuple):
    """Room to list the n-grams of a batch; only ``slots`` carries anything over, and is all −1."""

    slots: np.ndarray  # (G,) int32, −1
    rows: np.ndarray  # (places,) int32
    places: np.ndarray  # (places,) int32
    ends: np.ndarray  # (chunks,) int64
    cursors: np.ndarray  # (places,) int32

    @classmethod
    def allocate(cls, n_rows: int, groups: Groups) -> "NgramRoom":
        """Make room for n-grams that ``groups`` (or a ring of them) can hold."""
        n_places = groups.places.shape[-1]
        return cls(
            slots=np.full(n_rows, -1, np.int32),
            rows=np.zeros(n_places, np.int32),
            places=np.zeros(n_places, np.int32),
            ends=np.zeros(groups.early.shape[-1] - 1, np.int64),
            cursors=np.zeros(n_places, np.int32),
        )


@kernel
def most_ngrams(word_ids, positions, starts, occurrences):
    """Return the most n-grams that so many positions of a text have, cut as batches are.

    The occurrences of each word are added to an array of shape (V,), int64.

    Parameters
    ----------
    word_ids : ndarray of shape (positions of the text,), int32
    positions : int
        Of a batch.
    starts : ndarray of shape (V + 1,), int64
        As in `Ngrams`.
    """
    most = n = 0
    for position in range(word_ids.size):
        if position % positions == 0:
            n = 0
        word = word_ids[position]
        if 0 <= word < starts.size - 1:
            n += starts[word + 1] - starts[word]
            most = max(most, n)
            occurrences[word] += 1
    return most


def groups_in_ring(groups: tuple[Groups, ...], k: int) -> tuple[Groups, ...]:
    """Return number k of the rings of groups of each table, in kernels."""
    return tuple(groups_of_ring(each, k) for each in groups)


@overload(groups_in_ring, jit_options=INLINED)
def _groups_in_ring(groups, k):
    if len(groups) == 2:
        return lambda groups, k: (groups_of_ring(groups[0], k), groups_of_ring(groups[1], k))

    def with_ngrams(groups, k):
        own, other, of_ngrams = groups
        return groups_of_ring(own, k), groups_of_ring(other, k), groups_of_ring(of_ngrams, k)

    return with_ngrams


@inlined
def _group(ngrams, words, places, ends, n_chunks, room, groups):
    """Group the n-grams of listed words: those of chunk c end at ``ends[c]``."""
    n = k = 0
    for chunk in range(n_chunks):
        while k < ends[chunk]:
            first, last = ngrams.starts[words[k]], ngrams.starts[words[k] + 1]
            # There is room for all, unless somebody has changed the text since it was looked at.
            last = min(last, first + room.rows.size - n)
            for row in ngrams.rows[first:last]:
                room.rows[n] = row
                room.places[n] = places[k]
                n += 1
            k += 1
        room.ends[chunk] = n
    group(room.rows, room.places, room.ends, n_chunks, room.slots, room.cursors, groups)


def group_ngrams(
    ngrams: tuple[Ngrams, ...],
    words: np.ndarray,
    places: np.ndarray,
    ends: np.ndarray,
    n_chunks: int,
    rooms: tuple[NgramRoom, ...],
    groups: tuple[Groups, ...],
) -> None:
    """Group the places of listed words by n-gram, in kernels; see `optimizers.groups.group`.

    Parameters
    ----------
    ngrams : () or (Ngrams,)
        Without any, nothing is done.
    words, places, ends, n_chunks
        The words that are listed, their places, and where those of each chunk end.
    rooms : () or (NgramRoom,)
    groups : tuple of Groups
        Of all tables; the third is filled.
    """
    if ngrams:
        _group(ngrams[0], words, places, ends, n_chunks, rooms[0], groups[2])


@overload(group_ngrams, jit_options=INLINED)
def _group_ngrams(ngrams, words, places, ends, n_chunks, rooms, groups):
    def grouped(ngrams, words, places, ends, n_chunks, rooms, groups):
        _group(ngrams[0], words, places, ends, n_chunks, rooms[0], groups[2])

    def nothing(ngrams, words, places, ends, n_chunks, rooms, groups):
        pass

    return grouped if len(ngrams) else nothing


def take_word(
    params: tuple[np.ndarray, ...],
    ngrams: tuple[Ngrams, ...],
    word: int,
    vectors: np.ndarray,
    i: int,
) -> None:
    """Put the vector of a word in a row, in kernels: its own, or composed of its n-grams, too."""
    if ngrams:
        _take_composed(params, ngrams[0], word, vectors, i)
    else:
        copy_row(params[0], word, vectors, i)


@inlined
def _take_composed(params, ngrams, word, vectors, i):
    first, last = ngrams.starts[word], ngrams.starts[word + 1]
    share = ngrams.shares[word]
    mean_of_rows(params[0], word, params[2], ngrams.rows, first, last, share, vectors, i)


@overload(take_word, jit_options=INLINED)
def _take_word(params, ngrams, word, vectors, i):
    if len(ngrams):
        return lambda params, ngrams, word, vectors, i: _take_composed(
            params, ngrams[0], word, vectors, i
        )
    return lambda params, ngrams, word, vectors, i: copy_row(params[0], word, vectors, i)


def share_grad(ngrams: tuple[Ngrams, ...], word: int, grads: np.ndarray, i: int) -> None:
    """Make the gradient of a word's vector that of each row it is the mean of, in kernels."""
    if ngrams:
        scale_row(grads, i, ngrams[0].shares[word])


@overload(share_grad, jit_options=INLINED)
def _share_grad(ngrams, word, grads, i):
    if len(ngrams):
        return lambda ngrams, word, grads, i: scale_row(grads, i, ngrams[0].shares[word])
    return lambda ngrams, word, grads, i: None


def rooms_for(n_rows: Sequence[int], groups: tuple[Any, ...]) -> tuple[NgramRoom, ...]:
    """Return the room of a thread to list n-grams, if there are any, given each table's rows."""
    return tuple(
        NgramRoom.allocate(n, each) for n, each in zip(n_rows[2:], groups[2:], strict=True)
    )

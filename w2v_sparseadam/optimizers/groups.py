"""The places of a batch's gradients, grouped by the row whose gradient they are part of."""

from typing import NamedTuple

import numpy as np

from ..simd.kernels import for_python, inlined


class Groups(NamedTuple):
    """Places of gradients, grouped by the word whose gradient they are part of.

    The gradient of ``rows[k]`` is the sum over ``places[starts[k]:starts[k + 1]]``, in that order.

    Rows with one place come first, in the order of the places, and so by chunk. Nothing but its
    chunk reads such a row, which may therefore move as soon as the chunk's gradients are there.
    """

    rows: np.ndarray  # (capacity,) int32: words, each once
    starts: np.ndarray  # (capacity + 1,) int32
    places: np.ndarray  # (capacity,) int32
    n_rows: np.ndarray  # (1,) int64
    early: np.ndarray  # (chunks + 1,) int64: where in rows those with one place in a chunk start

    @classmethod
    def allocate(cls, capacity: int, n_chunks: int, *ring: int) -> "Groups":
        """Make room for ``capacity`` places of so many chunks."""
        return cls(
            rows=np.zeros((*ring, capacity), np.int32),
            starts=np.zeros((*ring, capacity + 1), np.int32),
            places=np.zeros((*ring, capacity), np.int32),
            n_rows=np.zeros((*ring, 1), np.int64),
            early=np.zeros((*ring, max(1, n_chunks) + 1), np.int64),
        )


@inlined
def groups_of_ring(groups, k):
    """Return number k of a ring of groups, as views."""
    return Groups(
        groups.rows[k], groups.starts[k], groups.places[k], groups.n_rows[k], groups.early[k]
    )


@inlined
def group(words, places, ends, n_chunks, slots, cursors, groups):
    """Group places by word: those of chunk c end at ``ends[c]``.

    Words with several places stand in the order of the first. ``slots`` is −1 for each word and
    stays so; ``cursors`` is room for a number for each place.
    """
    rows, starts, early = groups.rows, groups.starts, groups.early
    early[: max(1, n_chunks) + 1] = 0
    n = ends[n_chunks - 1] if n_chunks > 0 else 0
    # A slot counts a word's places, less one, …
    n_early = 0
    for k in range(n):
        count = slots[words[k]] + 1
        slots[words[k]] = count
        if count == 0:
            n_early += 1
        elif count == 1:
            n_early -= 1
    # … and once such a word has been met again, is −2 less the number of its row, from n_early on.
    n_alone = n_several = k = 0
    stop = n_early
    for chunk in range(n_chunks):
        while k < ends[chunk]:
            word = words[k]
            slot = slots[word]
            if slot == 0:
                slots[word] = -1
                rows[n_alone] = word
                starts[n_alone] = n_alone
                groups.places[n_alone] = places[k]
                n_alone += 1
            else:
                if slot > 0:
                    rows[n_early + n_several] = word
                    starts[n_early + n_several] = cursors[n_several] = stop
                    stop += slot + 1
                    slot = -2 - n_several
                    slots[word] = slot
                    n_several += 1
                place = cursors[-2 - slot]
                groups.places[place] = places[k]
                cursors[-2 - slot] = place + 1
            k += 1
        early[chunk + 1] = n_alone
    for row in range(n_early, n_early + n_several):
        slots[rows[row]] = -1
    starts[n_early + n_several] = stop
    groups.n_rows[0] = n_early + n_several


_group = for_python(group)


def group_rows(ids: np.ndarray, slots: np.ndarray) -> Groups:
    """Group the places 0 … n − 1 of an array of row numbers, shape (n,), by row.

    ``slots``, of shape (V,), int32, is −1 for each row of the matrix and stays so.
    """
    groups = Groups.allocate(ids.size, 1)
    places, cursors = np.arange(ids.size, dtype=np.int32), np.empty(ids.size, np.int32)
    _group(ids, places, np.array([ids.size]), 1, slots, cursors, groups)
    return groups

"""The places of a batch's gradients, grouped by the row whose gradient they are part of."""

from typing import NamedTuple

import numpy as np

from ..simd.kernels import for_python, inlined


class Groups(NamedTuple):
    """Places of gradients, grouped by the word whose gradient they are part of.

    The gradient of ``rows[k]`` is the sum over ``places[starts[k]:starts[k + 1]]``, in that order.
    """

    rows: np.ndarray  # (capacity,) int32: words, each once
    starts: np.ndarray  # (capacity + 2,) int32; the last is for building them
    places: np.ndarray  # (capacity,) int32
    n_rows: np.ndarray  # (1,) int64

    @classmethod
    def allocate(cls, capacity: int, *ring: int) -> "Groups":
        """Make room for ``capacity`` places."""
        return cls(
            rows=np.zeros((*ring, capacity), np.int32),
            starts=np.zeros((*ring, capacity + 2), np.int32),
            places=np.zeros((*ring, capacity), np.int32),
            n_rows=np.zeros((*ring, 1), np.int64),
        )


@inlined
def groups_of_ring(groups, k):
    """Return number k of a ring of groups, as views."""
    return Groups(groups.rows[k], groups.starts[k], groups.places[k], groups.n_rows[k])


@inlined
def group(words, places, n, slots, row_of, groups):
    """Group ``places[:n]`` by word, words in order of first place.

    ``slots`` is −1 for each word and stays so; ``row_of`` is room for n numbers.
    """
    rows, starts = groups.rows, groups.starts
    n_rows = 0
    starts[0] = starts[1] = 0
    for k in range(n):
        row = slots[words[k]]
        if row < 0:
            row = n_rows
            slots[words[k]] = row
            rows[row] = words[k]
            starts[row + 2] = 0
            n_rows += 1
        row_of[k] = row
        starts[row + 2] += 1
    # starts[row + 1] runs through a row's places, and so ends where the next row starts.
    for row in range(n_rows):
        starts[row + 2] += starts[row + 1]
        slots[rows[row]] = -1
    for k in range(n):
        place = starts[row_of[k] + 1]
        groups.places[place] = places[k]
        starts[row_of[k] + 1] = place + 1
    groups.n_rows[0] = n_rows


_group = for_python(group)


def group_rows(ids: np.ndarray, slots: np.ndarray) -> Groups:
    """Group the places 0 … n − 1 of an array of row numbers, shape (n,), by row.

    ``slots``, of shape (V,), int32, is −1 for each row of the matrix and stays so.
    """
    groups = Groups.allocate(ids.size)
    places, row_of = np.arange(ids.size, dtype=np.int32), np.empty(ids.size, np.int32)
    _group(ids, places, ids.size, slots, row_of, groups)
    return groups

"""Arrays whose rows are whole vectors of 16 floats."""

import math

import numpy as np

LANES = 16
"""Floats in a vector; padded dimensions and shared negatives are multiples of it."""


def zeros(*shape: int) -> np.ndarray:
    """Return zeros, float32, that begin on a cache line.

    So do all rows of a width that is a multiple of 16: a vector that straddles two lines costs
    two loads. As with ``numpy.zeros``, memory is not resident before it is written. It becomes so
    by pages, 2 MB at a time where NumPy gets huge pages, which make steps over rows in random
    order about twice as fast: rows that are never written cost nothing where they lie together,
    as the rarest words do.
    """
    n_bytes = 4 * math.prod(shape)
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(np.float32).reshape(shape)


def padded_zeros(n_rows: int, dim: int) -> np.ndarray:
    """Return :func:`zeros` for rows of ``dim`` numbers, padded to whole vectors."""
    return zeros(n_rows, -(-dim // LANES) * LANES)


def width_of(n_dims: int) -> tuple[int, ...]:
    """Return the width of rows of ``n_dims`` numbers, a multiple of 16, for the functions below.

    It is a tuple with an entry for each vector of a row. The length of a tuple is part of its
    type, so compiled code knows it, and needs no loops over a row.
    """
    return (0,) * (n_dims // LANES)

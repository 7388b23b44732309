"""Arrays whose rows are whole vectors of 16 floats."""

import math

import numpy as np

LANES = 16
"""Floats in a vector; padded dimensions and shared negatives are multiples of it."""


def zeros(*shape: int) -> np.ndarray:
    """Return float32 zeros, aligned to a cache line.

    Rows whose width is a multiple of 16 are aligned as well: a vector that straddles two lines
    costs two loads. As with ``numpy.zeros``, memory becomes resident when it is first written, by
    pages: of 2 MB where NumPy gets huge pages, which make steps over rows in random order about
    twice as fast. Adjacent rows that are never written, as those of the rarest words, cost
    nothing.
    """
    n_bytes = 4 * math.prod(shape)
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(np.float32).reshape(shape)


def padded_zeros(n_rows: int, dim: int) -> np.ndarray:
    """Return :func:`zeros` for rows of ``dim`` numbers, padded to whole vectors."""
    return zeros(n_rows, -(-dim // LANES) * LANES)

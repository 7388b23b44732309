"""How much of an array is resident in memory."""

import ctypes
import mmap
from collections.abc import Collection

import numpy as np


def resident_bytes(arrays: Collection[np.ndarray]) -> int | None:
    """Return how many bytes of some arrays are resident, in whole pages; None if unknown."""
    try:
        mincore = ctypes.CDLL(None).mincore
    except (AttributeError, OSError, TypeError):
        return None
    n_resident, stop = 0, 0
    for low, high in sorted(map(_bounds, arrays)):
        # Arrays may be views into the same rows: no page counts twice.
        start, stop = max(stop, low // mmap.PAGESIZE), max(stop, -(-high // mmap.PAGESIZE))
        pages = np.zeros(stop - start, np.uint8)
        address = ctypes.c_void_p(start * mmap.PAGESIZE)
        length = ctypes.c_size_t(pages.size * mmap.PAGESIZE)
        if mincore(address, length, ctypes.c_void_p(pages.ctypes.data)):
            return None
        n_resident += int((pages & 1).sum())
    return min(n_resident * mmap.PAGESIZE, sum(array.nbytes for array in arrays))


def _bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses of an array's first byte, and of the one after its last."""
    steps = zip(array.shape, array.strides, strict=True)
    low = array.ctypes.data
    return low, low + sum((n - 1) * step for n, step in steps) + array.itemsize

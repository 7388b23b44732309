"""Random numbers that are a pure function of a seed, a use, an epoch and a position."""

import numpy as np

from .kernels import inlined, kernel

_USES = {"position": 0, "negative": 1, "start": 2}


def draw_key(seed: int, use: str, epoch: int = 0) -> np.uint64:
    """Return the key of the stream of draws of a seed, a use and an epoch.

    The uses are ``"position"`` (subsampling), ``"negative"`` and ``"start"``
    (initial vectors).
    """
    key = 0
    for part in (seed, _USES[use], epoch):
        key = _mix_int((key + part + 1) * 0x9E3779B97F4A7C15)
    return np.uint64(key)


def _mix_int(bits: int) -> int:
    """The finalizer of :func:`_random_bits`, in Python's integers."""
    bits &= 2**64 - 1
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return bits ^ (bits >> 31)


@inlined
def random_bits(key, position):
    """Return 64 random bits, a pure function of a key and a position.

    The position-th output of SplitMix64 (Steele, Lea & Flood 2014) started at ``key``.
    """
    bits = key + np.uint64(position + 1) * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@kernel
def fill_uniform(key, width, rows):
    """Fill rows with numbers drawn uniformly from [−1/2, 1/2) / width; columns beyond it stay 0.

    A number depends on its row and column only. ``rows`` is an ndarray of shape (V, D), float32.
    """
    for i in range(rows.shape[0]):
        row = rows[i]
        for d in range(width):
            bits = random_bits(key, i * width + d) >> np.uint64(40)
            row[d] = (np.float32(bits) * np.float32(2.0**-24) - np.float32(0.5)) / np.float32(width)

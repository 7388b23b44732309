"""Hash tables of types: what those of a piece and that of the whole text have in common."""

from __future__ import annotations

import secrets

import numpy as np

from ...simd.kernels import inlined

_Word = np.uint64
_SPACES = _Word(0x2020202020202020)

# A slot of a hash table: the upper bits of the hash, and in its lower half the row of the type + 1;
# 0 when free. Slots of 32 bits suffice for a piece, and more of them fit in the cache.
LOWER_OF_32, LOWER_OF_64 = _Word(0xFFFF), _Word(0xFFFFFFFF)

# The entry of a type in the tables: half a cache line.
ROW = np.dtype([(name, np.uint64) for name in ("key", "key_2", "count", "start")])
IN_KEYS = _Word(16)  # bytes of a type that its two keys can hold

Seeds = tuple[np.uint64, np.uint64, np.uint64]


def draw_seeds() -> Seeds:
    """Draw the odd factors of the hash: no text can then be crafted to make its words collide.

    Type numbers do not depend on them.
    """
    first, second, third = (_Word(secrets.randbits(64) | 1) for _ in range(3))
    return first, second, third


SEEDS = draw_seeds()


@inlined
def _load8(data: np.ndarray, pos: np.uint64) -> np.uint64:
    """Return 8 bytes as a word, the first one lowest; LLVM makes it a single load."""
    word = _Word(data[pos])
    for k in range(1, 8):
        word |= _Word(data[pos + _Word(k)]) << _Word(8 * k)
    return word


@inlined
def same_bytes(
    data: np.ndarray, pos: np.uint64, other: np.ndarray, there: np.uint64, n: int
) -> bool:
    """Whether n bytes at two places are equal; the 8 bytes after them must be readable."""
    eight, left = _Word(8), _Word(n)
    while left >= eight:
        if _load8(data, pos) != _load8(other, there):
            return False
        pos += eight
        there += eight
        left -= eight
    unlike = _load8(data, pos) ^ _load8(other, there)
    return unlike << (_Word(63) - eight * left) << _Word(1) == _Word(0)


@inlined
def hash_keys(seeds: Seeds, key: np.uint64, key_2: np.uint64) -> np.uint64:
    """Return a hash of two words.

    Folded between the products: in a plain sum, upper bits of one could cancel those of the other,
    whatever the factors.
    """
    hashed = key * seeds[0]
    hashed = (hashed ^ (hashed >> _Word(32))) + key_2 * seeds[1]
    return (hashed ^ (hashed >> _Word(32))) * seeds[2]


@inlined
def keys_of(
    seeds: Seeds, data: np.ndarray, begin: np.uint64, length: np.uint64
) -> tuple[np.uint64, np.uint64]:
    """Return two 64-bit keys of a type.

    Up to 16 bytes, they are the type padded with spaces. For a longer type they are a hash and the
    length, which other long types may share; a space in front keeps them apart from short types.
    """
    one, eight, all_bits = _Word(1), _Word(8), ~_Word(0)
    if length <= eight:
        kept = all_bits >> (eight * (eight - length))
        return (_load8(data, begin) & kept) | (_SPACES & ~kept), _SPACES
    if length <= _Word(16):
        kept = all_bits >> (eight * (_Word(16) - length))
        return _load8(data, begin), (_load8(data, begin + eight) & kept) | (_SPACES & ~kept)
    hashed = _Word(0)
    for _ in range(length >> _Word(3)):
        hashed = hash_keys(seeds, hashed ^ _load8(data, begin), one)
        begin += eight
    rest = _load8(data, begin) << (_Word(63) - eight * (length & _Word(7))) << one
    return hash_keys(seeds, hashed ^ rest, one), (length << eight) | _Word(32)


@inlined
def probe(
    slots: np.ndarray,
    rows: np.ndarray,
    key: np.uint64,
    key_2: np.uint64,
    upper: np.uint64,
    lower: np.uint64,
    i: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Return the first place from i on whose slot is free or has these keys, and the slot.

    ``lower`` is the mask of the lower half of a slot, and ``upper`` its upper half.
    """
    one = _Word(1)
    slot_mask = _Word(slots.size - 1)
    i &= slot_mask
    while True:
        slot = _Word(slots[i])
        if slot == _Word(0):
            return i, slot
        if slot & ~lower == upper:
            row = (slot & lower) - one
            if rows[row]["key"] == key and rows[row]["key_2"] == key_2:
                return i, slot
        i = (i + one) & slot_mask


def aligned_rows(n_rows: int) -> np.ndarray:
    """Return rows of zeros that do not straddle cache lines."""
    room = np.zeros(ROW.itemsize * n_rows + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + ROW.itemsize * n_rows].view(ROW)

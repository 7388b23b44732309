"""From bytes to type numbers.

A *type* is a distinct run of bytes between ASCII white space. `TypeScanner` numbers types in the
order in which they first occur and says, token by token, which one it met: the only work that is
done once for every occurrence rather than once for every type.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from .reader import Chunk
from .vocabulary import LINE_END

_DONE, _NUMBERS_FULL, _TABLE_FULL = 0, 1, 2

# Places in the cursor that a scan leaves behind.
_POS, _LINE, _N_TYPES, _N_NUMBERS, _LENGTH = range(5)


class _Table(NamedTuple):
    """The open-addressing hash table of types, as the kernels see it.

    A slot keeps 32 bits of the hash beside the type number, so that looking up a type reads its
    bytes only when it is almost certainly the right one.
    """

    slots: np.ndarray  # (power of 2,) uint64: hash << 32 | type number + 1; 0 when free
    arena: np.ndarray  # uint8: the bytes of every type, each followed by a space
    starts: np.ndarray  # (T + 1,) int64: where each type begins in the arena
    counts: np.ndarray  # (T,) int64
    first_offset: np.ndarray  # (T,) int64: byte offset of the first occurrence in its file
    first_line: np.ndarray  # (T,) int64: and its line, from 1


@njit(cache=True, nogil=True, error_model="numpy")
def _is_space(byte):
    """Tell whether a byte is ASCII white space."""
    return byte <= 32 and (byte == 32 or (byte >= 9 and byte <= 13))


@njit(cache=True, nogil=True, error_model="numpy")
def _scan(data, offset, table, cursor, numbers):
    """Write the type numbers of a chunk's tokens; return why it stopped.

    FNV-1a in 32 bits, kept in 64 so that the interpreter agrees with the machine. Indices are
    unsigned: a signed one costs a test for negative values at each use.
    """
    slots, arena, starts, counts = table.slots, table.arena, table.starts, table.counts
    one = np.uint64(1)
    low32 = np.uint64(0xFFFFFFFF)
    mask = np.uint64(slots.size - 1)
    room = np.uint64(numbers.size)
    end = np.uint64(data.size)
    pos = np.uint64(cursor[_POS])
    n_numbers = np.uint64(0)
    n_types = np.uint64(cursor[_N_TYPES])
    line = cursor[_LINE]
    status = _DONE
    while pos < end:
        byte = data[pos]
        if _is_space(byte):
            if byte == 10:
                if n_numbers == room:
                    status = _NUMBERS_FULL
                    break
                numbers[n_numbers] = LINE_END
                n_numbers += one
                line += 1
            pos += one
            continue
        if n_numbers == room:
            status = _NUMBERS_FULL
            break
        begin = pos
        hashed = np.uint64(2166136261)
        while not _is_space(byte):
            hashed = ((hashed ^ np.uint64(byte)) * np.uint64(16777619)) & low32
            pos += one
            byte = data[pos]
        length = pos - begin
        hashed = hashed ^ (hashed >> np.uint64(15))

        i = hashed & mask
        while True:
            slot = slots[i]
            if slot == np.uint64(0):
                break
            if slot >> np.uint64(32) == hashed:
                type_number = (slot & low32) - one
                start = np.uint64(starts[type_number])
                if np.uint64(starts[type_number + one]) - start == length + one:
                    k = np.uint64(0)
                    while k < length and arena[start + k] == data[begin + k]:
                        k += one
                    if k == length:
                        break
            i = (i + one) & mask
        if slot == np.uint64(0):
            start = np.uint64(starts[n_types])
            if n_types == np.uint64(counts.size) or start + length >= np.uint64(arena.size):
                pos = begin
                cursor[_LENGTH] = length
                status = _TABLE_FULL
                break
            type_number = n_types
            n_types += one
            slots[i] = (hashed << np.uint64(32)) | n_types
            for k in range(length):
                arena[start + np.uint64(k)] = data[begin + np.uint64(k)]
            arena[start + length] = 32
            starts[n_types] = start + length + one
            counts[type_number] = 0
            table.first_offset[type_number] = offset + np.int64(begin)
            table.first_line[type_number] = line
        counts[type_number] += 1
        numbers[n_numbers] = type_number
        n_numbers += one
    cursor[_POS] = pos
    cursor[_LINE] = line
    cursor[_N_TYPES] = n_types
    cursor[_N_NUMBERS] = n_numbers
    return status


@njit(cache=True, nogil=True, error_model="numpy")
def _rehash(old_slots, slots):
    """Put every occupied slot into a larger, empty table."""
    one = np.uint64(1)
    mask = np.uint64(slots.size - 1)
    for k in range(old_slots.size):
        slot = old_slots[k]
        if slot != np.uint64(0):
            i = (slot >> np.uint64(32)) & mask
            while slots[i] != np.uint64(0):
                i = (i + one) & mask
            slots[i] = slot


class TypeScanner:
    """Number the types of a corpus, chunk by chunk.

    Memory is about 60 bytes and the type's own bytes for each type, whatever the length of the
    text.

    Parameters
    ----------
    paths : sequence of str
        The files that chunks come from, to name them in errors.

    Attributes
    ----------
    n_types : int
        Types met so far, T.
    n_lines : int
        Lines ended so far.
    """

    def __init__(
        self,
        paths: Sequence[str],
        *,
        _n_types: int = 1 << 16,
        _arena_bytes: int = 1 << 20,
        _n_numbers: int = 1 << 18,
    ) -> None:
        self._paths = paths
        self._first_types: list[int] = []  # for each file begun, the number of types before it
        self._lines_before = 0  # lines of the files before the current one
        n_slots = 1 << (2 * _n_types - 1).bit_length()
        self._table = _Table(
            slots=np.zeros(n_slots, np.uint64),
            arena=np.empty(_arena_bytes, np.uint8),
            starts=np.zeros(_n_types + 1, np.int64),
            counts=np.empty(_n_types, np.int64),
            first_offset=np.empty(_n_types, np.int64),
            first_line=np.empty(_n_types, np.int64),
        )
        self._cursor = np.array([0, 1, 0, 0, 0], np.int64)
        self._numbers = np.empty(_n_numbers, np.int32)

    @property
    def n_types(self) -> int:
        """Types met so far."""
        return int(self._cursor[_N_TYPES])

    @property
    def n_lines(self) -> int:
        """Lines ended so far."""
        return self._lines_before + int(self._cursor[_LINE]) - 1

    @property
    def counts(self) -> np.ndarray:
        """How often each type has occurred, as an int64 array of shape (T,)."""
        return self._table.counts[: self.n_types]

    @property
    def starts(self) -> np.ndarray:
        """Where each type begins in `text_of`'s bytes, as an int64 array of shape (T + 1,)."""
        return self._table.starts[: self.n_types + 1]

    def scan(self, chunk: Chunk) -> Iterator[np.ndarray]:
        """Yield the type numbers of a chunk's tokens, each line closed by `LINE_END`.

        Parameters
        ----------
        chunk : Chunk
            Whole tokens, ending in white space; of the same file as the last chunk or a later one.

        Yields
        ------
        ndarray of shape (n,), int32
            Valid until the next one is asked for.
        """
        while len(self._first_types) <= chunk.file_number:
            self._first_types.append(self.n_types)
            self._lines_before = self.n_lines
            self._cursor[_LINE] = 1
        self._cursor[_POS] = 0
        status = -1
        while status != _DONE:
            status = _scan(chunk.data, chunk.offset, self._table, self._cursor, self._numbers)
            yield self._numbers[: self._cursor[_N_NUMBERS]]
            if status == _TABLE_FULL:
                self._grow(int(self._cursor[_LENGTH]))

    def types_as_bytes(self, first: int, last: int) -> bytes:
        """Return the types numbered ``first`` to ``last - 1``, a space after each."""
        begin, end = self.starts[first], self.starts[last]
        return self._table.arena[begin:end].tobytes()

    def place_of(self, type_number: int, byte: int) -> str:
        """Name where a byte of a type first occurred: file, line from 1, offset from 0."""
        path = self._paths[bisect_right(self._first_types, type_number) - 1]
        line = self._table.first_line[type_number]
        offset = self._table.first_offset[type_number] + byte
        return f"{path}, line {line}, byte offset {offset}"

    def _grow(self, length: int) -> None:
        """Make room for one more type of ``length`` bytes, doubling what is full."""
        table, n_types = self._table, self.n_types
        needed = int(table.starts[n_types]) + length + 1
        if needed > table.arena.size:
            table = table._replace(arena=_enlarged(table.arena, max(needed, 2 * table.arena.size)))
        if n_types == table.counts.size:
            slots = np.zeros(2 * table.slots.size, np.uint64)
            _rehash(table.slots, slots)
            table = table._replace(
                slots=slots,
                starts=_enlarged(table.starts, 2 * n_types + 1),
                counts=_enlarged(table.counts, 2 * n_types),
                first_offset=_enlarged(table.first_offset, 2 * n_types),
                first_line=_enlarged(table.first_line, 2 * n_types),
            )
        self._table = table


def _enlarged(array: np.ndarray, size: int) -> np.ndarray:
    """Return a copy with room for ``size`` entries."""
    larger = np.empty(size, array.dtype)
    larger[: array.size] = array
    return larger

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

from ..kernels import kernel
from .reader import PADDING_BYTES, Chunk
from .vocabulary import LINE_END

_DONE, _NUMBERS_FULL, _TABLE_FULL = 0, 1, 2

# Places in the cursor that a scan leaves behind.
_POS, _LINE, _N_TYPES, _N_NUMBERS, _LENGTH, _LINE_TYPES, _LONGEST = range(7)


class _Table(NamedTuple):
    """The open-addressing hash table of types, as the kernels see it.

    A slot keeps 32 bits of the hash beside the type number, so that looking up a type reads its
    bytes only when it is almost certainly the right one.
    """

    slots: np.ndarray  # (power of 2,) uint64: hash << 32 | type number + 1; 0 when free
    arena: np.ndarray  # uint8: the bytes of every type, a space after each
    starts: np.ndarray  # (T + 1,) int64: where each type begins in the arena
    counts: np.ndarray  # (T,) int64
    first_offset: np.ndarray  # (T,) int64: byte offset of the first occurrence in its file
    first_line: np.ndarray  # (T,) int64: and its line, from 1


_Word = np.uint64
_ONES = _Word(0x0101010101010101)
_HIGH_BITS = _ONES << _Word(7)
_LOW_32 = _Word(0xFFFFFFFF)
_MIX = _Word(0xFF51AFD7ED558CCD), _Word(0xC4CEB9FE1A85EC53)  # odd, from MurmurHash3's finalizer


@kernel
def _load8(data: np.ndarray, pos: np.uint64) -> np.uint64:
    """Return 8 bytes as a word, the first one lowest; LLVM makes it a single load."""
    word = _Word(data[pos])
    for k in range(1, 8):
        word |= _Word(data[pos + _Word(k)]) << _Word(8 * k)
    return word


@kernel
def _spaces(word: np.uint64) -> np.uint64:
    """Return the high bit of each byte of a word that is ASCII white space: 32 or 9 to 13.

    Adding 128 - n to a byte's low 7 bits sets its high bit if they are n or more; bytes do not
    carry into each other.
    """
    low_bits = word & ~_HIGH_BITS
    from_9 = low_bits + _ONES * _Word(128 - 9)
    from_14 = low_bits + _ONES * _Word(128 - 14)
    from_32 = low_bits + _ONES * _Word(128 - 32)
    from_33 = low_bits + _ONES * _Word(128 - 33)
    return ((from_9 & ~from_14) | (from_32 & ~from_33)) & ~word & _HIGH_BITS


@kernel
def _mixed(hashed: np.uint64, word: np.uint64) -> np.uint64:
    """Return a hash of a hash and the next word."""
    hashed = (hashed ^ word) * _MIX[0]
    return hashed ^ (hashed >> _Word(32))


@kernel
def _scan(
    data: np.ndarray,
    n_bytes: int,
    offset: int,
    table: _Table,
    cursor: np.ndarray,
    numbers: np.ndarray,
) -> int:
    """Write the type numbers of a chunk's tokens from ``cursor`` on; return why it stopped.

    Tokens are read 8 bytes at a time: most need one look. Indices are unsigned, because Numba
    tests a signed one for negative values at each use.
    """
    slots, arena, starts, counts = table.slots, table.arena, table.starts, table.counts
    one, eight = _Word(1), _Word(8)
    slot_mask = _Word(slots.size - 1)
    room, end = _Word(numbers.size), _Word(n_bytes)
    pos, line, n_types = _Word(cursor[_POS]), cursor[_LINE], _Word(cursor[_N_TYPES])
    n_numbers = _Word(0)
    line_begin, longest = -cursor[_LINE_TYPES], cursor[_LONGEST]
    status = _DONE
    while pos < end:
        if n_numbers == room:
            status = _NUMBERS_FULL
            break
        byte = data[pos]
        if byte == 32 or (byte >= 9 and byte <= 13):
            if byte == 10:
                longest = max(longest, np.int64(n_numbers) - line_begin)
                numbers[n_numbers] = LINE_END
                n_numbers += one
                line_begin = np.int64(n_numbers)
                line += 1
            pos += one
            continue

        begin = pos
        word = _load8(data, pos)
        spaces = _spaces(word)
        hashed = _Word(0)
        while spaces == _Word(0):
            hashed = _mixed(hashed, word)
            pos += eight
            word = _load8(data, pos)
            spaces = _spaces(word)
        tail_mask = ((spaces & (~spaces + one)) >> _Word(7)) - one  # the bytes before the space
        word &= tail_mask
        pos += ((tail_mask & _ONES) * _ONES) >> _Word(56)  # as many as the mask has bytes
        length = pos - begin
        hashed = (_mixed(hashed, word) * _MIX[1]) >> _Word(32)

        i = hashed & slot_mask
        while True:
            slot = slots[i]
            if slot == _Word(0):
                break
            if slot >> _Word(32) == hashed:
                type_number = (slot & _LOW_32) - one
                there = _Word(starts[type_number])
                if _Word(starts[type_number + one]) - there == length + one:
                    here = begin
                    while here + eight <= pos and _load8(arena, there) == _load8(data, here):
                        here += eight
                        there += eight
                    if here + eight > pos and _load8(arena, there) & tail_mask == word:
                        break
            i = (i + one) & slot_mask
        if slot == _Word(0):
            there = _Word(starts[n_types])
            if n_types == _Word(counts.size) or there + length + eight > _Word(arena.size):
                pos = begin
                cursor[_LENGTH] = length
                status = _TABLE_FULL
                break
            type_number = n_types
            n_types += one
            slots[i] = (hashed << _Word(32)) | n_types
            for k in range(length):
                arena[there + _Word(k)] = data[begin + _Word(k)]
            arena[there + length] = 32
            starts[n_types] = there + length + one
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
    cursor[_LINE_TYPES] = np.int64(n_numbers) - line_begin
    cursor[_LONGEST] = longest
    return status


@kernel
def _rehash(old_slots: np.ndarray, slots: np.ndarray) -> None:
    """Put every occupied slot into a larger, empty table."""
    one = _Word(1)
    mask = _Word(slots.size - 1)
    for k in range(old_slots.size):
        slot = old_slots[k]
        if slot != _Word(0):
            i = (slot >> _Word(32)) & mask
            while slots[i] != _Word(0):
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
    n_longest_line : int
        Most tokens in one of them.
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
        self._cursor = np.array([0, 1, 0, 0, 0, 0, 0], np.int64)
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
    def n_longest_line(self) -> int:
        """Most tokens in a line."""
        return int(self._cursor[_LONGEST])

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
            with np.errstate(over="ignore"):  # interpreted, the hash warns where it wraps
                status = _scan(
                    chunk.data,
                    chunk.n_bytes,
                    chunk.offset,
                    self._table,
                    self._cursor,
                    self._numbers,
                )
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
        needed = int(table.starts[n_types]) + length + PADDING_BYTES
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

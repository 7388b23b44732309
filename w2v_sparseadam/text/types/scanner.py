"""From bytes to type numbers.

A *type* is a distinct run of bytes between ASCII white space; types are numbered in the order in
which they first occur. Each `Piece` of the text is scanned on its own, with a small hash
table that fits in the processor's cache, by several threads at once. `TypeTable` then merges the
pieces in text order and numbers the types of the whole text: the numbers depend neither on where
the text was cut nor on which thread scanned it.
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import TextError
from ...simd.kernels import kernel
from ..reading.reader import CHUNK_BYTES, PADDING_BYTES, Chunk
from ..words import Words
from .spaces import BLOCK, lowest_bit, prefetch, white_space

_DONE, _NUMBERS_FULL, _TYPES_FULL = 0, 1, 2
_MAX_TYPES = 2**31 - 1

LINE_MARK = 2**16 - 1
"""Marks a line end among the numbers of a piece's types, which are below it."""

_Word = np.uint64
_SPACES = _Word(0x2020202020202020)

# A slot of a hash table: the upper 32 bits of the hash, and the row of the type + 1; 0 when free.
_UPPER, _LOWER = _Word(0xFFFFFFFF00000000), _Word(0xFFFFFFFF)

# The entry of a type in the tables: half a cache line.
_ROW = np.dtype([(name, np.uint64) for name in ("key", "key_2", "count", "start")])
_SOON = _Word(16)
_IN_KEYS = _Word(16)  # bytes of a type that its two keys can hold

# Positions in the cursor of a scan, and in that of the table of the whole text.
_POS, _LINES, _N_TYPES, _TYPE_BYTES, _N_NUMBERS = range(5)
_FIRST_LINE, _LONGEST_LINE, _LAST_LINE = range(5, 8)  # in tokens; the last has not ended
_TABLE_TYPES, _TABLE_NUMBERS = range(2)


_Seeds = tuple[np.uint64, np.uint64, np.uint64]


def draw_seeds() -> _Seeds:
    """Draw the odd factors of the hash: no text can then be crafted to make its words collide.

    Type numbers do not depend on them.
    """
    first, second, third = (_Word(secrets.randbits(64) | 1) for _ in range(3))
    return first, second, third


_SEEDS = draw_seeds()


class _PieceTypes(NamedTuple):
    """The types of a piece, as the kernels see them."""

    seeds: _Seeds
    slots: np.ndarray  # (power of 2,) uint64
    rows: np.ndarray  # (T,) _ROW; a type starts where it first occurs in the piece
    lengths: np.ndarray  # (T,) int64: in bytes
    lines: np.ndarray  # (T,) int64: how many lines of the piece end before it


class _Table(NamedTuple):
    """The types of the whole text, as the kernels see them."""

    seeds: _Seeds  # those of the pieces
    slots: np.ndarray  # (power of 2,) uint64
    rows: np.ndarray  # (T + 1,) _ROW; a type starts where its bytes are in the arena
    arena: np.ndarray  # uint8: the bytes of every type, a space after each
    numbers: np.ndarray  # (T,) int32: type numbers, rising
    first_offset: np.ndarray  # (T,) int64: byte offset of the first occurrence in its file
    first_line: np.ndarray  # (T,) int64: and its line, from 1


@kernel
def _load8(data: np.ndarray, pos: np.uint64) -> np.uint64:
    """Return 8 bytes as a word, the first one lowest; LLVM makes it a single load."""
    word = _Word(data[pos])
    for k in range(1, 8):
        word |= _Word(data[pos + _Word(k)]) << _Word(8 * k)
    return word


@kernel
def _same(data: np.ndarray, pos: np.uint64, other: np.ndarray, there: np.uint64, n: int) -> bool:
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


@kernel
def _mixed(seeds: _Seeds, key: np.uint64, key_2: np.uint64) -> np.uint64:
    """Return a hash of two words.

    Folded between the products: in a plain sum, upper bits of one could cancel those of the other,
    whatever the factors.
    """
    hashed = key * seeds[0]
    hashed = (hashed ^ (hashed >> _Word(32))) + key_2 * seeds[1]
    return (hashed ^ (hashed >> _Word(32))) * seeds[2]


@kernel
def _keys(
    seeds: _Seeds, data: np.ndarray, begin: np.uint64, length: np.uint64
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
        hashed = _mixed(seeds, hashed ^ _load8(data, begin), one)
        begin += eight
    rest = _load8(data, begin) << (_Word(63) - eight * (length & _Word(7))) << one
    return _mixed(seeds, hashed ^ rest, one), (length << eight) | _Word(32)


@kernel
def _probe(
    slots: np.ndarray,
    rows: np.ndarray,
    key: np.uint64,
    key_2: np.uint64,
    upper: np.uint64,
    i: np.uint64,
) -> tuple[np.uint64, np.uint64]:
    """Return the first place from i on whose slot is free or has these keys, and the slot."""
    one = _Word(1)
    slot_mask = _Word(slots.size - 1)
    i &= slot_mask
    while True:
        slot = slots[i]
        if slot == _Word(0):
            return i, slot
        if slot & _UPPER == upper:
            row = (slot & _LOWER) - one
            if rows[row]["key"] == key and rows[row]["key_2"] == key_2:
                return i, slot
        i = (i + one) & slot_mask


# Over 60 lines: a loop over bytes whose state must stay in registers.
@kernel
def _scan(
    data: np.ndarray,
    n_bytes: int,
    types: _PieceTypes,
    cursor: np.ndarray,
    numbers: np.ndarray,
) -> int:
    """Write the row of each token's type from the cursor on; return why it stopped.

    Indices are unsigned, because Numba tests a signed one for negative values at each use.
    """
    seeds, slots, rows = types.seeds, types.slots, types.rows
    one = _Word(1)
    room, type_room = _Word(numbers.size), _Word(types.lengths.size)
    lines, n_types, type_bytes, n_numbers = cursor[_LINES], _Word(0), _Word(0), _Word(0)
    line_begin = -cursor[_LAST_LINE]  # among the numbers
    begin = block = _Word(cursor[_POS])  # of the token; of the bytes looked at
    end = _Word(n_bytes)
    status = _DONE
    while block < end and status == _DONE:
        spaces = white_space(data, block)
        while spaces != _Word(0):
            if n_numbers + one >= room:
                status = _NUMBERS_FULL
                break
            pos = block + lowest_bit(spaces)
            length = pos - begin
            if length != _Word(0):
                key, key_2 = _keys(seeds, data, begin, length)
                hashed = _mixed(seeds, key, key_2)
                upper = hashed & _UPPER
                i, slot = _probe(slots, rows, key, key_2, upper, hashed >> _Word(32))
                while length > _IN_KEYS and slot != _Word(0):
                    there = rows[(slot & _LOWER) - one]["start"]
                    if _same(data, begin, data, there, length):
                        break
                    i, slot = _probe(slots, rows, key, key_2, upper, i + one)
                row = (slot & _LOWER) - one
                if slot == _Word(0):
                    if n_types == type_room:
                        status = _TYPES_FULL
                        break
                    row = n_types
                    n_types += one
                    slots[i] = upper | n_types
                    rows[row]["key"] = key
                    rows[row]["key_2"] = key_2
                    rows[row]["count"] = _Word(0)
                    rows[row]["start"] = begin
                    types.lengths[row] = length
                    types.lines[row] = lines
                    type_bytes += length + one
                rows[row]["count"] += one
                numbers[n_numbers] = row
                n_numbers += one
            if data[pos] == 10:
                line_tokens = np.int64(n_numbers) - line_begin
                if lines == 0:
                    cursor[_FIRST_LINE] = line_tokens
                cursor[_LONGEST_LINE] = max(cursor[_LONGEST_LINE], line_tokens)
                numbers[n_numbers] = LINE_MARK
                n_numbers += one
                line_begin = np.int64(n_numbers)
                lines += 1
            begin = pos + one
            spaces &= spaces - one
        block += _Word(BLOCK)
    cursor[_POS] = begin
    cursor[_LINES] = lines
    cursor[_N_TYPES] = n_types
    cursor[_TYPE_BYTES] = type_bytes
    cursor[_N_NUMBERS] = n_numbers
    cursor[_LAST_LINE] = np.int64(n_numbers) - line_begin
    return status


@kernel
def _merge(
    data: np.ndarray,
    types: _PieceTypes,
    n_types: int,
    offset: int,
    line: int,
    table: _Table,
    cursor: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Find the types of a piece in the table, which has room for them, or add them.

    ``numbers`` gets their type numbers; ``cursor`` holds how many types the table has, and how
    many numbers have been given.
    """
    seeds, slots, rows, arena = table.seeds, table.slots, table.rows, table.arena
    one, slot_mask = _Word(1), _Word(slots.size - 1)
    for k in range(_Word(n_types)):
        if k + _SOON < n_types:
            ahead = types.rows[k + _SOON]
            prefetch(slots, _mixed(seeds, ahead["key"], ahead["key_2"]) >> _Word(32) & slot_mask)
            ahead = types.rows[k + _SOON // _Word(2)]
            slot = slots[_mixed(seeds, ahead["key"], ahead["key_2"]) >> _Word(32) & slot_mask]
            likely = (slot & _LOWER) - _Word(slot != _Word(0))
            prefetch(rows, likely)
            prefetch(table.numbers, likely)
        key, key_2 = types.rows[k]["key"], types.rows[k]["key_2"]
        begin, length = types.rows[k]["start"], _Word(types.lengths[k])
        hashed = _mixed(seeds, key, key_2)
        upper = hashed & _UPPER
        i, slot = _probe(slots, rows, key, key_2, upper, hashed >> _Word(32))
        while length > _IN_KEYS and slot != _Word(0):
            row = (slot & _LOWER) - one
            there = rows[row]["start"]
            same_length = rows[row + one]["start"] - there == length + one
            if same_length and _same(data, begin, arena, there, length):
                break
            i, slot = _probe(slots, rows, key, key_2, upper, i + one)
        row = (slot & _LOWER) - one
        if slot == _Word(0):
            row = _Word(cursor[_TABLE_TYPES])
            slots[i] = upper | (row + one)
            there = rows[row]["start"]
            for j in range(length):
                arena[there + j] = data[begin + j]
            arena[there + length] = 32
            rows[row]["key"] = key
            rows[row]["key_2"] = key_2
            rows[row]["count"] = _Word(0)
            rows[row + one]["start"] = there + length + one
            table.numbers[row] = cursor[_TABLE_NUMBERS]
            table.first_offset[row] = offset + np.int64(begin)
            table.first_line[row] = line + types.lines[k]
            cursor[_TABLE_TYPES] += 1
            cursor[_TABLE_NUMBERS] += 1
        rows[row]["count"] += types.rows[k]["count"]
        numbers[k] = table.numbers[row]


@kernel
def _rehash(old_slots: np.ndarray, slots: np.ndarray, new_rows: np.ndarray) -> None:
    """Copy the occupied slots into an empty table, for new rows; -1 leaves one out."""
    one = _Word(1)
    slot_mask = _Word(slots.size - 1)
    for k in range(_Word(old_slots.size)):
        slot = old_slots[k]
        if slot == _Word(0):
            continue
        row = new_rows[(slot & _LOWER) - one]
        if row >= 0:
            i = (slot >> _Word(32)) & slot_mask
            while slots[i] != _Word(0):
                i = (i + one) & slot_mask
            slots[i] = (slot & _UPPER) | (_Word(row) + one)


@kernel
def _compact(table: _Table, kept: np.ndarray) -> None:
    """Move the types kept, given by their rows, to the front of the table, but for its slots."""
    end = _Word(0)
    for k in range(kept.size):
        row = kept[k]
        begin, stop = table.rows[row]["start"], table.rows[row + 1]["start"]
        table.rows[k] = table.rows[row]
        table.rows[k]["start"] = end
        table.numbers[k] = table.numbers[row]
        table.first_offset[k] = table.first_offset[row]
        table.first_line[k] = table.first_line[row]
        for j in range(begin, stop):
            table.arena[end] = table.arena[j]
            end += _Word(1)
    table.rows[kept.size]["start"] = end


class Piece:
    """A reusable buffer for a piece of the text and its type numbers.

    Memory is that of the longest chunk and up to 9 MiB.

    Attributes
    ----------
    chunk : Chunk
        What was loaded; its data is the piece's own copy.
    """

    def __init__(self, *, _n_types: int = LINE_MARK, _n_numbers: int = 1 << 21) -> None:
        n_slots = 1 << (2 * _n_types - 1).bit_length()
        self.chunk = Chunk(np.empty(0, np.uint8), 0, 0, 0, 0)
        self.types = _PieceTypes(
            seeds=_SEEDS,
            slots=np.zeros(n_slots, np.uint64),
            rows=_aligned_rows(_n_types),
            lengths=np.empty(_n_types, np.int64),
            lines=np.empty(_n_types, np.int64),
        )
        self._cursor = np.zeros(8, np.int64)
        self._numbers = np.empty(_n_numbers, np.uint16)
        self._status = _DONE

    @property
    def is_done(self) -> bool:
        """Whether all of the piece has been scanned."""
        return self._status == _DONE

    @property
    def n_types(self) -> int:
        """Types that the last scan found."""
        return int(self._cursor[_N_TYPES])

    @property
    def n_type_bytes(self) -> int:
        """Their bytes, with a space after each."""
        return int(self._cursor[_TYPE_BYTES])

    @property
    def n_lines(self) -> int:
        """Lines of the piece that have ended so far."""
        return int(self._cursor[_LINES])

    @property
    def line_lengths(self) -> tuple[int, int, int]:
        """Tokens in the first, the longest and the last line, which has not ended."""
        first, longest, last = self._cursor[[_FIRST_LINE, _LONGEST_LINE, _LAST_LINE]].tolist()
        return first, longest, last

    @property
    def numbers(self) -> np.ndarray:
        """What the last scan wrote for each token, and `LINE_MARK` for each line end; uint16."""
        return self._numbers[: self._cursor[_N_NUMBERS]]

    def load(self, chunk: Chunk) -> Piece:
        """Copy a chunk, which may change from then on; return the piece itself."""
        data, needed = self.chunk.data, chunk.n_bytes + BLOCK
        if not needed <= data.size <= 2 * max(needed, CHUNK_BYTES):
            data = np.empty(needed, np.uint8)
        data[: chunk.n_bytes] = chunk.data[: chunk.n_bytes]
        data[chunk.n_bytes : needed] = 0  # anything but white space
        self.chunk = chunk._replace(data=data)
        self._cursor[:] = 0
        return self

    def scan(self) -> Piece:
        """Number the next tokens, until the piece or its room ends; return the piece itself.

        The numbers are the piece's own; `TypeTable.add` maps them to those of the text.
        """
        self.types.slots.fill(0)
        with np.errstate(over="ignore"):  # interpreted, the hash warns where it wraps
            self._status = _scan(
                self.chunk.data, self.chunk.n_bytes, self.types, self._cursor, self._numbers
            )
        return self


class TypeTable:
    """The types of a text, added piece by piece.

    Memory is about 64 bytes and the type's own bytes for each type, whatever the length of the
    text; twice that while the table grows.

    Parameters
    ----------
    paths : sequence of str
        Names of the sources of pieces, for errors.

    Attributes
    ----------
    n_types : int
        Types in the table, T, whose rows are in the order of first occurrence.
    n_numbers : int
        Type numbers given, in the same order; more than T only if types have been pruned.
    n_lines : int
        Lines ended so far.
    n_longest_line : int
        Most tokens in one of them.
    """

    def __init__(
        self, paths: Sequence[str], *, _n_types: int = 1 << 18, _arena_bytes: int = 1 << 22
    ) -> None:
        self.n_lines = self.n_longest_line = 0
        self._paths = paths
        self._first_rows: list[int] = []  # for each file begun, the number of types before it
        self._line = 1  # of the current file
        self._line_tokens = 0  # of that line, before the current piece
        self._cursor = np.zeros(2, np.int64)
        self._table = _Table(
            seeds=_SEEDS,
            slots=np.zeros(1 << (2 * _n_types - 1).bit_length(), np.uint64),
            arena=np.empty(_arena_bytes, np.uint8),
            rows=_aligned_rows(_n_types + 1),
            numbers=np.empty(_n_types, np.int32),
            first_offset=np.empty(_n_types, np.int64),
            first_line=np.empty(_n_types, np.int64),
        )

    @property
    def n_types(self) -> int:
        """Types in the table."""
        return int(self._cursor[_TABLE_TYPES])

    @property
    def n_numbers(self) -> int:
        """Type numbers given so far."""
        return int(self._cursor[_TABLE_NUMBERS])

    @property
    def counts(self) -> np.ndarray:
        """How often each type has occurred, as an int64 array of shape (T,)."""
        return self._table.rows["count"][: self.n_types].astype(np.int64)

    @property
    def numbers(self) -> np.ndarray:
        """The number of each type, rising, as an int32 array of shape (T,)."""
        return self._table.numbers[: self.n_types]

    @property
    def starts(self) -> np.ndarray:
        """Where each type begins among the bytes of all, as an int64 array of shape (T + 1,)."""
        return self._table.rows["start"][: self.n_types + 1].astype(np.int64)

    def add(self, piece: Piece) -> Iterator[np.ndarray]:
        """Add the types of a scanned piece, and yield their numbers; scan on if it had no room.

        `Piece.numbers` are indices into each array, until the next is requested.

        Parameters
        ----------
        piece : Piece
            Scanned; of the same file as the last piece, or of a later one.

        Yields
        ------
        ndarray of shape (n,), int32
            The type number of each of the types that the last scan met.

        Raises
        ------
        TextError
            If the text has more types than int32 has numbers.
        """
        while len(self._first_rows) <= piece.chunk.file_number:
            self._first_rows.append(self.n_types)
            self._line = 1
        yield self._merged(piece)
        while not piece.is_done:
            yield self._merged(piece.scan())
        first, longest, last = piece.line_lengths
        if piece.n_lines:
            self.n_longest_line = max(self.n_longest_line, self._line_tokens + first, longest)
            self._line_tokens = 0
        self._line_tokens += last
        self._line += piece.n_lines
        self.n_lines += piece.n_lines

    def prune(self, kept: np.ndarray) -> None:
        """Forget types: one that occurs again gets a new number.

        Parameters
        ----------
        kept : ndarray of shape (T,), bool
            Whether each type stays.
        """
        n_kept_before = np.concatenate(([0], np.cumsum(kept)))
        slots = np.zeros_like(self._table.slots)
        _rehash(self._table.slots, slots, np.where(kept, n_kept_before[:-1], -1))
        self._table = self._table._replace(slots=slots)
        _compact(self._table, np.flatnonzero(kept))
        self._first_rows = n_kept_before[self._first_rows].tolist()
        self._cursor[_TABLE_TYPES] = n_kept_before[-1]

    def types_as_bytes(self, first: int, last: int) -> bytes:
        """Return the types of rows ``first`` to ``last - 1``, a space after each."""
        begin, end = self._table.rows["start"][[first, last]].tolist()
        return self._table.arena[begin:end].tobytes()

    def as_words(self) -> Words:
        """Return the types as words; they must be UTF-8."""
        starts = self.starts
        return Words(self._table.arena[: starts[-1]], starts)

    def place_of(self, row: int, byte: int) -> str:
        """Name where a byte of a type first occurred: file, line from 1, offset from 0."""
        path = self._paths[bisect_right(self._first_rows, row) - 1]
        line = self._table.first_line[row]
        offset = self._table.first_offset[row] + byte
        return f"{path}, line {line}, byte offset {offset}"

    def _merged(self, piece: Piece) -> np.ndarray:
        """Give the types of a piece type numbers."""
        self._make_room(piece.n_types, piece.n_type_bytes)
        new_numbers = np.empty(piece.n_types, np.int32)
        with np.errstate(over="ignore"):
            _merge(
                piece.chunk.data,
                piece.types,
                piece.n_types,
                piece.chunk.offset,
                self._line,
                self._table,
                self._cursor,
                new_numbers,
            )
        return new_numbers

    def _make_room(self, n_types: int, n_bytes: int) -> None:
        """Make room for so many more types, and their bytes, doubling what is too small."""
        if self.n_numbers + n_types > _MAX_TYPES:
            raise TextError(
                f"{self._paths[len(self._first_rows) - 1]}: more than {_MAX_TYPES:,} distinct "
                "runs of bytes between white space; is this text?"
            )
        table, n_types = self._table, self.n_types + n_types
        n_bytes += int(table.rows[self.n_types]["start"]) + PADDING_BYTES
        if n_bytes > table.arena.size:
            table = table._replace(arena=_enlarged(table.arena, max(n_bytes, 2 * table.arena.size)))
        if n_types > table.numbers.size:
            size = max(n_types, 2 * table.numbers.size)
            slots = np.zeros(1 << (2 * size - 1).bit_length(), np.uint64)
            _rehash(table.slots, slots, np.arange(self.n_types))
            rows = _aligned_rows(size + 1)
            rows[: self.n_types + 1] = table.rows[: self.n_types + 1]
            table = table._replace(
                slots=slots,
                rows=rows,
                numbers=_enlarged(table.numbers, size),
                first_offset=_enlarged(table.first_offset, size),
                first_line=_enlarged(table.first_line, size),
            )
        self._table = table


def _enlarged(array: np.ndarray, size: int) -> np.ndarray:
    """Return a copy with room for ``size`` entries."""
    larger = np.empty(size, array.dtype)
    larger[: array.size] = array
    return larger


def _aligned_rows(n_rows: int) -> np.ndarray:
    """Return rows of zeros that do not straddle cache lines."""
    room = np.zeros(_ROW.itemsize * n_rows + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + _ROW.itemsize * n_rows].view(_ROW)

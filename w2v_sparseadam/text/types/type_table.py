"""The table that numbers the types of the whole text."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import TextError
from ...simd.kernels import inlined, kernel
from ..reading.reader import PADDING_BYTES
from ..words import Words
from .hash_table import (
    IN_KEYS,
    LOWER_OF_64,
    SEEDS,
    Seeds,
    aligned_rows,
    hash_keys,
    probe,
    same_bytes,
)
from .scanner import Piece, PieceTypes
from .spaces import prefetch

_Word = np.uint64
_MAX_TYPES = 2**31 - 1
_SOON = _Word(16)

# Positions in the cursor, which holds the state between calls.
_TABLE_TYPES, _TABLE_NUMBERS = range(2)


class _Table(NamedTuple):
    """The types of the whole text, as the kernels see them."""

    seeds: Seeds  # those of the pieces
    slots: np.ndarray  # (power of 2,) uint64
    rows: np.ndarray  # (T + 1,) ROW; a type starts where its bytes are in the arena
    arena: np.ndarray  # uint8: the bytes of every type, a space after each
    numbers: np.ndarray  # (T,) int32: type numbers, rising
    first_place: np.ndarray  # (T,) int64: bytes of the whole text before the first occurrence
    first_line: np.ndarray  # (T,) int64: and how many lines end before it


@inlined
def _fetch_ahead(types: PieceTypes, n_types: int, k: np.uint64, table: _Table) -> None:
    """Fetch what the lookup of types that follow soon will read."""
    slot_mask = _Word(table.slots.size - 1)
    if k + _SOON < n_types:
        ahead = types.rows[k + _SOON]
        hashed = hash_keys(table.seeds, ahead["key"], ahead["key_2"])
        prefetch(table.slots, hashed >> _Word(32) & slot_mask)
        ahead = types.rows[k + _SOON // _Word(2)]
        hashed = hash_keys(table.seeds, ahead["key"], ahead["key_2"])
        slot = table.slots[hashed >> _Word(32) & slot_mask]
        likely = (slot & LOWER_OF_64) - _Word(slot != _Word(0))
        prefetch(table.rows, likely)
        prefetch(table.numbers, likely)


@inlined
def _slot_of(
    data: np.ndarray, types: PieceTypes, k: np.uint64, table: _Table
) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return the place of a piece's type among the slots, what is there, and the upper hash."""
    slots, rows, one = table.slots, table.rows, _Word(1)
    key, key_2 = types.rows[k]["key"], types.rows[k]["key_2"]
    begin, length = types.rows[k]["start"], _Word(types.lengths[k])
    hashed = hash_keys(table.seeds, key, key_2)
    upper = hashed & ~LOWER_OF_64
    i, slot = probe(slots, rows, key, key_2, upper, LOWER_OF_64, hashed >> _Word(32))
    while length > IN_KEYS and slot != _Word(0):
        row = (slot & LOWER_OF_64) - one
        there = rows[row]["start"]
        same_length = rows[row + one]["start"] - there == length + one
        if same_length and same_bytes(data, begin, table.arena, there, length):
            break
        i, slot = probe(slots, rows, key, key_2, upper, LOWER_OF_64, i + one)
    return i, slot, upper


@kernel
def _find(
    data: np.ndarray, types: PieceTypes, n_types: int, table: _Table, rows: np.ndarray
) -> None:
    """Find the row of each type of a piece in the table, -1 if it is not there."""
    for k in range(_Word(n_types)):
        _fetch_ahead(types, n_types, k, table)
        _, slot, _ = _slot_of(data, types, k, table)
        rows[k] = np.int64(slot & LOWER_OF_64) - 1


@kernel
def _merge(
    data: np.ndarray,
    types: PieceTypes,
    n_types: int,
    place: int,
    line: int,
    table: _Table,
    cursor: np.ndarray,
    numbers: np.ndarray,
) -> None:
    """Find the types of a piece in the table, which has room for them, or add them.

    ``place`` bytes and ``line`` lines of the whole text come before the piece. ``numbers`` gets
    the type numbers; ``cursor`` holds how many types the table has, and how many numbers have been
    given.
    """
    slots, rows, arena, one = table.slots, table.rows, table.arena, _Word(1)
    for k in range(_Word(n_types)):
        _fetch_ahead(types, n_types, k, table)
        i, slot, upper = _slot_of(data, types, k, table)
        row = (slot & LOWER_OF_64) - one
        if slot == _Word(0):
            row = _Word(cursor[_TABLE_TYPES])
            slots[i] = upper | (row + one)
            begin, length = types.rows[k]["start"], _Word(types.lengths[k])
            there = rows[row]["start"]
            for j in range(length):
                arena[there + j] = data[begin + j]
            arena[there + length] = 32
            rows[row]["key"] = types.rows[k]["key"]
            rows[row]["key_2"] = types.rows[k]["key_2"]
            rows[row]["count"] = _Word(0)
            rows[row + one]["start"] = there + length + one
            table.numbers[row] = cursor[_TABLE_NUMBERS]
            table.first_place[row] = place + np.int64(begin)
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
        row = new_rows[(slot & LOWER_OF_64) - one]
        if row >= 0:
            i = (slot >> _Word(32)) & slot_mask
            while slots[i] != _Word(0):
                i = (i + one) & slot_mask
            slots[i] = (slot & ~LOWER_OF_64) | (_Word(row) + one)


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
        table.first_place[k] = table.first_place[row]
        table.first_line[k] = table.first_line[row]
        for j in range(begin, stop):
            table.arena[end] = table.arena[j]
            end += _Word(1)
    table.rows[kept.size]["start"] = end


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
        self._n_bytes = 0  # of the pieces before the current one
        self._line_tokens = 0  # of the line that has not ended, before the current piece
        # Of each file begun, and of each gap in one: its place among all bytes, its number, its
        # offset less its place, and how many lines end before the file.
        self._places, self._files = array("q"), array("q")
        self._shifts, self._lines = array("q"), array("q")
        self._cursor = np.zeros(2, np.int64)
        self._table = _Table(
            seeds=SEEDS,
            slots=np.zeros(1 << (2 * _n_types - 1).bit_length(), np.uint64),
            arena=np.empty(_arena_bytes, np.uint8),
            rows=aligned_rows(_n_types + 1),
            numbers=np.empty(_n_types, np.int32),
            first_place=np.empty(_n_types, np.int64),
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
            Scanned; the next one of the text.

        Yields
        ------
        ndarray of shape (n,), int32
            The type number of each of the types that the last scan met.

        Raises
        ------
        TextError
            If the text has more types than int32 has numbers.
        """
        self._note_begins(piece)
        yield self._merged(piece)
        while not piece.is_done:
            yield self._merged(piece.scan())
        first, longest, last = piece.line_lengths
        if piece.n_lines:
            self.n_longest_line = max(self.n_longest_line, self._line_tokens + first, longest)
            self._line_tokens = 0
        self._line_tokens += last
        self.n_lines += piece.n_lines
        self._n_bytes += piece.n_bytes

    def find(self, piece: Piece) -> np.ndarray:
        """Return the row of each type that the last scan of a piece met, -1 if it is not there.

        Returns
        -------
        ndarray of shape (n,), int32
        """
        rows = np.empty(piece.n_types, np.int32)
        with np.errstate(over="ignore"):
            _find(piece.data, piece.types, piece.n_types, self._table, rows)
        return rows

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
        place, line = self._table.first_place[row], self._table.first_line[row]
        k = bisect_right(self._places, place) - 1
        path, offset = self._paths[self._files[k]], place + self._shifts[k] + byte
        return f"{path}, line {line - self._lines[k] + 1}, byte offset {offset}"

    def _note_begins(self, piece: Piece) -> None:
        """Note where files begin in a piece, and where bytes of a file were left out."""
        for begin in piece.begins:
            place = self._n_bytes + begin.place
            shift, line = begin.offset - place, self.n_lines + begin.line
            if self._files and self._files[-1] == begin.file_number:
                if self._shifts[-1] == shift:
                    continue
                line = self._lines[-1]
            self._places.append(place)
            self._files.append(begin.file_number)
            self._shifts.append(shift)
            self._lines.append(line)

    def _merged(self, piece: Piece) -> np.ndarray:
        """Give the types of a piece type numbers."""
        self._make_room(piece)
        new_numbers = np.empty(piece.n_types, np.int32)
        with np.errstate(over="ignore"):
            _merge(
                piece.data,
                piece.types,
                piece.n_types,
                self._n_bytes,
                self.n_lines,
                self._table,
                self._cursor,
                new_numbers,
            )
        return new_numbers

    def _make_room(self, piece: Piece) -> None:
        """Make room for the types of a piece, and their bytes, doubling what is too small."""
        n_types, n_bytes = piece.n_types, piece.n_type_bytes
        if self.n_numbers + n_types > _MAX_TYPES:
            raise TextError(
                f"{self._paths[piece.chunk.file_number]}: more than {_MAX_TYPES:,} distinct "
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
            rows = aligned_rows(size + 1)
            rows[: self.n_types + 1] = table.rows[: self.n_types + 1]
            table = table._replace(
                slots=slots,
                rows=rows,
                numbers=_enlarged(table.numbers, size),
                first_place=_enlarged(table.first_place, size),
                first_line=_enlarged(table.first_line, size),
            )
        self._table = table


def _enlarged(array: np.ndarray, size: int) -> np.ndarray:
    """Return a copy with room for ``size`` entries."""
    larger = np.empty(size, array.dtype)
    larger[: array.size] = array
    return larger

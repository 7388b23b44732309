"""Scan pieces of the text: from bytes to type numbers.

A *type* is a distinct run of bytes between ASCII white space; types are numbered in the order in
which they first occur. Each `Piece` of the text is scanned on its own, with a small hash
table that fits in the processor's cache, by several threads at once. `TypeTable` then merges the
pieces in text order and numbers the types of the whole text: the numbers depend neither on where
the text was cut nor on which thread scanned it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simd.kernels import kernel
from ..reading.reader import CHUNK_BYTES, PADDING_BYTES, Chunk
from .hash_table import (
    IN_KEYS,
    LOWER_OF_32,
    SEEDS,
    Seeds,
    aligned_rows,
    hash_keys,
    keys_of,
    probe,
    same_bytes,
)
from .spaces import BLOCK, lowest_bit, white_space

_DONE, _NUMBERS_FULL, _TYPES_FULL = 0, 1, 2

_Word = np.uint64

LINE_MARK = 2**16 - 1
"""Marks a line end among the numbers of a piece's types, which are below it."""

# Positions in the cursor of a scan.
_POS, _LINES, _N_TYPES, _TYPE_BYTES, _N_NUMBERS = range(5)
_FIRST_LINE, _LONGEST_LINE, _LAST_LINE = range(5, 8)  # in tokens; the last has not ended


class ChunkBegin(NamedTuple):
    """Where a chunk begins in a piece, and what it is a chunk of."""

    place: int  # in bytes from the beginning of the piece
    line: int  # how many lines of the piece end before it
    file_number: int
    offset: int  # in the source's text


class PieceTypes(NamedTuple):
    """The types of a piece, as the kernels see them."""

    seeds: Seeds
    slots: np.ndarray  # (power of 2,) uint32
    rows: np.ndarray  # (T,) ROW; a type starts where it first occurs in the piece
    lengths: np.ndarray  # (T,) int64: in bytes
    lines: np.ndarray  # (T,) int64: how many lines of the piece end before it


# Over 60 lines: a loop over bytes whose state must stay in registers.
@kernel
def _scan(
    data: np.ndarray,
    n_bytes: int,
    types: PieceTypes,
    cursor: np.ndarray,
    numbers: np.ndarray,
) -> int:
    """Write the row of each token's type from the cursor on; return why it stopped.

    Indices are unsigned, because Numba tests a signed one for negative values at each use.
    """
    seeds, slots, rows = types.seeds, types.slots, types.rows
    one, lower = _Word(1), LOWER_OF_32
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
                key, key_2 = keys_of(seeds, data, begin, length)
                hashed = hash_keys(seeds, key, key_2) >> _Word(32)
                upper = hashed & ~lower
                i, slot = probe(slots, rows, key, key_2, upper, lower, hashed)
                while length > IN_KEYS and slot != _Word(0):
                    there = rows[(slot & lower) - one]["start"]
                    if same_bytes(data, begin, data, there, length):
                        break
                    i, slot = probe(slots, rows, key, key_2, upper, lower, i + one)
                row = (slot & lower) - one
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


class Piece:
    """A reusable buffer for a piece of the text and its type numbers.

    A piece is one chunk or several, put end to end. Memory is that of its bytes and up to 9 MiB.

    Attributes
    ----------
    data : ndarray of uint8
        The bytes, then padding.
    n_bytes : int
        Bytes before the padding.
    chunk : Chunk
        The last one loaded; its data may have changed.
    begins : list of ChunkBegin
        The chunks, in text order.
    """

    def __init__(self, *, _n_types: int = LINE_MARK, _n_numbers: int = 1 << 21) -> None:
        n_slots = 1 << (2 * _n_types - 1).bit_length()
        self.data = np.empty(0, np.uint8)
        self.n_bytes = 0
        self.chunk = Chunk(self.data, 0, 0, 0, 0)
        self.begins: list[ChunkBegin] = []
        self.types = PieceTypes(
            seeds=SEEDS,
            slots=np.zeros(n_slots, np.uint32),
            rows=aligned_rows(_n_types),
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
        needed = chunk.n_bytes + BLOCK
        if not needed <= self.data.size <= 2 * max(needed, CHUNK_BYTES) + BLOCK:
            self.data = np.empty(needed, np.uint8)
        self.n_bytes = 0
        self.begins = []
        self._copy(chunk, 0)
        self._cursor[:] = 0
        return self

    def append(self, chunk: Chunk) -> None:
        """Copy a chunk to the end of what is loaded and has not been scanned."""
        last = self.begins[-1]
        n_lines = self.data[last.place : self.n_bytes].tobytes().count(b"\n")
        needed = self.n_bytes + chunk.n_bytes + BLOCK
        if needed > self.data.size:
            data = np.empty(max(needed, min(2 * needed, 2 * CHUNK_BYTES + BLOCK)), np.uint8)
            data[: self.n_bytes] = self.data[: self.n_bytes]
            self.data = data
        self._copy(chunk, last.line + n_lines)

    def _copy(self, chunk: Chunk, line: int) -> None:
        """Copy a chunk, for which there is room, to the end."""
        self.begins.append(ChunkBegin(self.n_bytes, line, chunk.file_number, chunk.offset))
        end = self.n_bytes + chunk.n_bytes
        self.data[self.n_bytes : end] = chunk.data[: chunk.n_bytes]
        self.data[end : end + BLOCK] = 0  # anything but white space
        self.n_bytes = end
        self.chunk = chunk

    def scan(self) -> Piece:
        """Number the next tokens, until the piece or its room ends; return the piece itself.

        The numbers are the piece's own; `TypeTable.add` maps them to those of the text.
        """
        self.types.slots.fill(0)
        with np.errstate(over="ignore"):  # interpreted, the hash warns where it wraps
            self._status = _scan(self.data, self.n_bytes, self.types, self._cursor, self._numbers)
        return self


def load_words(piece: Piece, words: bytes) -> Piece:
    """Load words, a space after each, into a piece, and return it."""
    data = np.frombuffer(words + bytes(PADDING_BYTES), np.uint8)
    return piece.load(Chunk(data, len(words), 0, 0, len(words)))

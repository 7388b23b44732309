"""Replace type numbers by word ids, for each occurrence in the text."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ...simd.kernels import kernel
from ..vocabulary import LINE_END
from .type_words import TypeWords

_NONE, _SEVERAL = -1, -2  # instead of the word id of a type that does not have just one
_CLOSED, _OPEN, _UNKNOWN = range(3)  # whether words of the current line were written

# Positions in the cursor, which holds the state between calls.
_POS, _WITHIN, _LINE, _ENDS_FIRST, _N_IDS = range(5)


@kernel
def _relabel(
    numbers: np.ndarray,
    line_mark: int,
    types: np.ndarray | None,
    single: np.ndarray,
    starts: np.ndarray,
    word_ids: np.ndarray,
    cursor: np.ndarray,
    out: np.ndarray,
) -> None:
    """Replace type numbers by word ids, in ``out[1:]``, until one of the two ends."""
    one = np.uint64(1)
    n_out, room = one, np.uint64(out.size)
    pos, end = np.uint64(cursor[_POS]), np.uint64(numbers.size)
    within = np.uint64(cursor[_WITHIN])  # words of the type at pos that are already written
    line = cursor[_LINE]
    while pos < end and n_out < room:
        number = numbers[pos]
        if number == line_mark:
            if line == _OPEN:
                out[n_out] = LINE_END
                n_out += one
            elif line == _UNKNOWN:
                cursor[_ENDS_FIRST] = 1
            line = _CLOSED
            pos += one
            continue
        word_id = single[np.uint64(number)]
        if word_id != _SEVERAL:
            out[n_out] = word_id
            is_kept = word_id != _NONE
            n_out += np.uint64(is_kept)
            line = _OPEN if is_kept else line
            pos += one
            continue
        type_number = np.uint64(number) if types is None else np.uint64(types[np.uint64(number)])
        begin = np.uint64(starts[type_number]) + within
        stop = np.uint64(starts[type_number + one])
        while begin < stop and n_out < room:
            out[n_out] = word_ids[begin]
            n_out += one
            begin += one
            within += one
        line = _OPEN
        if begin < stop:
            break
        within = np.uint64(0)
        pos += one
    cursor[_POS] = pos
    cursor[_WITHIN] = within
    cursor[_LINE] = line
    cursor[_N_IDS] = n_out


class TypedText(NamedTuple):
    """Some tokens of the text, as types."""

    numbers: np.ndarray  # uint16, places in ``types``, or int32, type numbers
    line_mark: int  # marks line ends among them
    types: np.ndarray | None = None  # int32: type numbers


class Block:
    """A buffer for tokens of the text and the word ids that replace them."""

    def __init__(self, *, _n_word_ids: int = 1 << 19) -> None:
        self.text = TypedText(np.empty(0, np.int32), LINE_END)
        self.cursor = np.zeros(5, np.int64)
        self.out = np.empty(1 + _n_word_ids, np.int32)
        self.out[0] = LINE_END  # for a line that the block before left open

    def load(self, text: TypedText) -> Block:
        """Take the next tokens of the text; return the block itself."""
        self.text = text
        self.cursor[:] = 0
        self.cursor[_LINE] = _UNKNOWN
        return self


class WordIdMap:
    """Replace type numbers by the ids of the words kept, in blocks of bounded size.

    Lines without words are left out.

    Parameters
    ----------
    type_words : TypeWords
        The words of the types.
    word_ids : ndarray of shape (W,), int32
        Word id of each of ``type_words.words``, -1 to drop it.
    """

    def __init__(self, type_words: TypeWords, word_ids: np.ndarray) -> None:
        self._starts, self._word_ids = _renumbered(type_words.starts, type_words.numbers, word_ids)
        lengths = np.diff(self._starts)
        self._single = np.full(lengths.size, _NONE, np.int32)
        self._single[lengths > 1] = _SEVERAL
        self._single[lengths == 1] = self._word_ids[self._starts[:-1][lengths == 1]]
        self._line = _CLOSED

    def relabel(self, block: Block) -> Block:
        """Fill a block with word ids, as far as there is room; return the block itself.

        Blocks do not depend on each other, and may be filled at the same time.
        """
        numbers, line_mark, types = block.text
        single = self._single if types is None else self._single[types]
        _relabel(
            numbers, line_mark, types, single, self._starts, self._word_ids, block.cursor, block.out
        )
        return block

    def finish(self, block: Block) -> Iterator[np.ndarray]:
        """Yield the word ids of a filled block, filling it again while tokens are left.

        Parameters
        ----------
        block : Block
            The next one of the text.

        Yields
        ------
        ndarray of shape (m,), int32
            Word ids, `LINE_END` after each line; valid until the next array is asked for.
        """
        ends_first = block.cursor[_ENDS_FIRST] and self._line == _OPEN
        yield block.out[0 if ends_first else 1 : block.cursor[_N_IDS]]
        while block.cursor[_POS] < block.text.numbers.size:
            self.relabel(block)
            yield block.out[1 : block.cursor[_N_IDS]]
        if block.cursor[_LINE] != _UNKNOWN:
            self._line = int(block.cursor[_LINE])


def _renumbered(
    starts: np.ndarray, numbers: np.ndarray, new_numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Replace the numbers in the rows of a ragged array; -1 drops them."""
    replaced = new_numbers[numbers]
    kept = replaced >= 0
    n_kept_before = np.concatenate(([0], np.cumsum(kept)))
    return n_kept_before[starts], replaced[kept]

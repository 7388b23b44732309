"""From type numbers to word ids.

Decoding, lower-casing and tokenizing run once for each type (`tokenize_types`); replacing type
numbers by word ids (`WordIdMap`) runs once for each occurrence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import numpy as np

from ..errors import TextError
from ..kernels import kernel
from .scanner import TypeScanner
from .tokenizers import TOKENIZERS, Tokenizer, checked, writable
from .vocabulary import LINE_END

_BLOCK_TYPES = 1 << 16  # decoded at a time


@dataclass(frozen=True, eq=False)
class TypeWords:
    """The words that each of T types stands for.

    Attributes
    ----------
    words : list of str, length W
        The distinct words, in the order in which they first occur.
    counts : ndarray of shape (W,), int64
        How often each occurs in the text.
    starts : ndarray of shape (T + 1,), int64
        The words of a type are ``numbers[starts[type]:starts[type + 1]]``.
    numbers : ndarray of shape (n,), int32
        Places in ``words``.
    n_bad_bytes, n_empty_words, n_rewritten_words : int
        Occurrences in the text of bytes that are not UTF-8, of empty words (which are not among
        ``words``), and of words in which ``_`` replaced what a vector file cannot hold.
    """

    words: list[str]
    counts: np.ndarray
    starts: np.ndarray
    numbers: np.ndarray
    n_bad_bytes: int = 0
    n_empty_words: int = 0
    n_rewritten_words: int = 0


def tokenize_types(
    types: TypeScanner, tokenizer: Tokenizer, *, prepare: Callable[[str], str], errors: str
) -> TypeWords:
    """Decode and tokenize every type once.

    Parameters
    ----------
    types : TypeScanner
        One that has scanned the whole text.
    tokenizer : callable
        Takes text, returns its words. What a caller's own returns is checked; empty words are
        dropped, and others made `writable`.
    prepare : callable
        Applied to text before the tokenizer; neither moves line feeds nor makes new ones.
    errors : {"strict", "replace", "ignore"}
        What to do with bytes that are not UTF-8, as in `bytes.decode`.

    Returns
    -------
    TypeWords

    Raises
    ------
    TextError
        If bytes are not UTF-8 and ``errors`` is "strict" (names the first place in the text), or
        if the tokenizer fails or returns anything but strings.
    """
    built_in = tokenizer in TOKENIZERS.values()
    if not built_in:
        tokenizer = checked(tokenizer)
    number_of: defaultdict[str, int] = defaultdict(count().__next__)  # new words count up
    lengths, numbers = [np.zeros(1, np.int64)], [np.empty(0, np.int32)]
    n_bad_bytes = 0
    for first in range(0, types.n_types, _BLOCK_TYPES):
        last = min(first + _BLOCK_TYPES, types.n_types)
        text, n_bad = _decode(types, first, last, errors)
        n_bad_bytes += n_bad
        text = prepare(text.replace(" ", "\n"))  # normal form NFKC makes new spaces
        block_lengths: list[int] = []
        block_words: list[str] = []
        for type_text in text.split("\n")[:-1]:
            type_words = tokenizer(type_text)
            block_lengths.append(len(type_words))
            block_words += type_words
        lengths.append(np.array(block_lengths, np.int64))
        numbers.append(np.array([number_of[word] for word in block_words], np.int32))
    words = list(number_of)
    starts, all_numbers = np.cumsum(np.concatenate(lengths)), np.concatenate(numbers)
    # float64 weights are exact: a text of 2**53 tokens is out of reach.
    weights = np.repeat(types.counts, np.diff(starts))
    counts = np.bincount(all_numbers, weights, len(words)).astype(np.int64)
    result = TypeWords(words, counts, starts, all_numbers, n_bad_bytes)
    return result if built_in else _writable(result)


def _decode(types: TypeScanner, first: int, last: int, errors: str) -> tuple[str, int]:
    """Decode some types, a space after each; return also how often bad bytes occur in the text."""
    data = types.types_as_bytes(first, last)
    try:
        return data.decode(), 0
    except UnicodeDecodeError as error:
        if errors == "strict":
            place = int(types.starts[first]) + error.start
            type_number = int(np.searchsorted(types.starts, place, side="right")) - 1
            where = types.place_of(type_number, place - int(types.starts[type_number]))
            raise not_utf8(where, data[error.start]) from error
    n_bad = [len(t) - len(t.decode(errors="ignore").encode()) for t in data.split(b" ")[:-1]]
    return data.decode(errors=errors), int(np.dot(n_bad, types.counts[first:last]))


def not_utf8(where: str, byte: int) -> TextError:
    """Return the error for a byte that is not UTF-8."""
    return TextError(
        f"{where}: not UTF-8 (byte 0x{byte:02x}); pass another --encoding, or --errors replace or "
        "ignore"
    )


def _writable(raw: TypeWords) -> TypeWords:
    """Drop empty words and rewrite those that a file of vectors cannot hold."""
    number_of: defaultdict[str, int] = defaultdict(count().__next__)
    new_numbers = np.full(len(raw.words), -1, np.int32)
    n_empty = n_rewritten = 0
    for number, word in enumerate(raw.words):
        written = writable(word)
        if not written:
            n_empty += int(raw.counts[number])
            continue
        if written != word:
            n_rewritten += int(raw.counts[number])
        new_numbers[number] = number_of[written]
    kept = new_numbers >= 0
    counts = np.zeros(len(number_of), np.int64)
    np.add.at(counts, new_numbers[kept], raw.counts[kept])
    starts, numbers = _renumbered(raw.starts, raw.numbers, new_numbers)
    return TypeWords(
        list(number_of), counts, starts, numbers, raw.n_bad_bytes, n_empty, n_rewritten
    )


def _renumbered(
    starts: np.ndarray, numbers: np.ndarray, new_numbers: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Replace the numbers in the rows of a ragged array; -1 drops them."""
    replaced = new_numbers[numbers]
    kept = replaced >= 0
    n_kept_before = np.concatenate(([0], np.cumsum(kept)))
    return n_kept_before[starts], replaced[kept]


# Places in the cursor that a call leaves behind.
_POS, _WITHIN, _LINE_OPEN = range(3)


@kernel
def _relabel(
    type_numbers: np.ndarray,
    starts: np.ndarray,
    word_ids: np.ndarray,
    cursor: np.ndarray,
    out: np.ndarray,
) -> np.int64:
    """Replace type numbers by word ids until they or ``out`` end; return how many were written."""
    one = np.uint64(1)
    n_out, room = np.uint64(0), np.uint64(out.size)
    pos, end = np.uint64(cursor[_POS]), np.uint64(type_numbers.size)
    within = np.uint64(cursor[_WITHIN])  # words of the type at pos that are already written
    line_open = cursor[_LINE_OPEN]
    while pos < end and n_out < room:
        type_number = type_numbers[pos]
        if type_number == LINE_END:
            if line_open:
                out[n_out] = LINE_END
                n_out += one
                line_open = 0
        else:
            begin = np.uint64(starts[np.uint64(type_number)]) + within
            stop = np.uint64(starts[np.uint64(type_number) + one])
            while begin < stop and n_out < room:
                out[n_out] = word_ids[begin]
                n_out += one
                begin += one
                within += one
                line_open = 1
            if begin < stop:
                break
            within = np.uint64(0)
        pos += one
    cursor[_POS] = pos
    cursor[_WITHIN] = within
    cursor[_LINE_OPEN] = line_open
    return np.int64(n_out)


class WordIdMap:
    """Replace type numbers by the ids of the words kept, in blocks of bounded size.

    Parameters
    ----------
    type_words : TypeWords
        What the types stand for.
    word_ids : ndarray of shape (W,), int32
        Word id of each of ``type_words.words``, -1 to drop it.
    """

    def __init__(
        self, type_words: TypeWords, word_ids: np.ndarray, *, _n_word_ids: int = 1 << 18
    ) -> None:
        self._starts, self._word_ids = _renumbered(type_words.starts, type_words.numbers, word_ids)
        self._cursor = np.zeros(3, np.int64)
        self._out = np.empty(_n_word_ids, np.int32)

    def relabel(self, type_numbers: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the word ids of the next type numbers of the text.

        Lines without words disappear.

        Parameters
        ----------
        type_numbers : ndarray of shape (n,), int32
            As `TypeScanner.scan` gives them.

        Yields
        ------
        ndarray of shape (m,), int32
            Word ids, `LINE_END` after each line; valid until the next array is asked for.
        """
        self._cursor[_POS] = 0
        while self._cursor[_POS] < type_numbers.size:
            n = _relabel(type_numbers, self._starts, self._word_ids, self._cursor, self._out)
            yield self._out[:n]

"""The words of each type: decoded, lower-cased and tokenized once, whatever its count."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from ...errors import TextError
from ..reading.encodings import OTHER_ENCODING
from ..tokenizers import TOKENIZERS, Tokenizer, checked, whitespace, whole, writable
from .scanner import Piece, load_words
from .type_table import TypeTable

_BLOCK_TYPES = 1 << 16  # decoded at a time

_SPACES_IN_LINES = (
    "\t\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""What `str.split` separates at, but for line feeds."""

# Kinds of faults counted per type.
_BAD_BYTES, _EMPTY_WORDS, _REWRITTEN_WORDS = range(3)
_N_FAULTS = 3


@dataclass(frozen=True, eq=False)
class TypeWords:
    """The words of each of T types.

    Attributes
    ----------
    words : collection of str, length W
        The distinct words, in the order in which they first occur.
    counts : ndarray of shape (W,), int64
        How often each occurs in the text.
    missed : ndarray of shape (W,), int64
        Upper bound on the occurrences of each in pruned types.
    starts : ndarray of shape (T + 1,), int64
        The words of a type are ``numbers[starts[type]:starts[type + 1]]``.
    numbers : ndarray of shape (n,), int32
        Places in ``words``.
    n_bad_bytes, n_empty_words, n_rewritten_words : int
        Occurrences in the text of bytes that are not UTF-8, of empty words (which are not among
        ``words``), and of words in which ``_`` replaced what a vector file cannot hold.
    n_pruned : int
        Words, with repetition, in pruned types.
    missed_by_others : int
        Upper bound on the occurrences of any word not among ``words``.
    """

    words: Collection[str]
    counts: np.ndarray
    missed: np.ndarray
    starts: np.ndarray
    numbers: np.ndarray
    n_bad_bytes: int = 0
    n_empty_words: int = 0
    n_rewritten_words: int = 0
    n_pruned: int = 0
    missed_by_others: int = 0


class TypeTokenizer:
    """Decodes and tokenizes each type once, when it first occurs.

    The words go into a table like that of the types, unless each type is one unchanged word. Memory
    is about 80 bytes and its own bytes per word, and 20 bytes per type.

    Parameters
    ----------
    tokenizer : callable
        Takes text, returns its words. A user's own is checked: empty words are dropped,
        others made `writable`.
    prepare : callable
        Applied to text before the tokenizer; neither moves line feeds nor makes new ones.
    errors : {"strict", "replace", "ignore"}
        What to do with bytes that are not UTF-8, as in `bytes.decode`.
    """

    def __init__(self, tokenizer: Tokenizer, *, prepare: Callable[[str], str], errors: str) -> None:
        self._built_in = tokenizer in (*TOKENIZERS.values(), whole)
        self._tokenizer = tokenizer if self._built_in else checked(tokenizer)
        self._prepare = prepare
        self._errors = errors
        self._n_types = 0
        self._words: TypeTable | None = None  # None as long as each type is a word
        self._piece = Piece()
        # One array for each call of `add`: of each type, how many words and faults it has.
        self._lengths: list[np.ndarray] = [np.empty(0, np.int32)]
        self._faults: list[np.ndarray] = [np.empty((0, _N_FAULTS), np.int32)]
        self._numbers: list[np.ndarray] = [np.empty(0, np.int32)]  # that the words were given
        # Of the types that were pruned, and the words that there were then.
        self._faults_pruned = np.zeros(_N_FAULTS, np.int64)
        self._n_pruned = self._missed_by_others = 0
        self._missed = np.empty(0, np.int64)

    def add(self, types: TypeTable) -> None:
        """Tokenize the types added to the table since the last call.

        Raises
        ------
        TextError
            If bytes are not UTF-8 and ``errors`` is "strict" (names the first place in the text),
            or if the tokenizer fails or returns anything but strings.
        """
        for first in range(self._n_types, types.n_types, _BLOCK_TYPES):
            last = min(first + _BLOCK_TYPES, types.n_types)
            faults = np.zeros((last - first, _N_FAULTS), np.int32)
            text = _decode(types, first, last, self._errors, faults[:, _BAD_BYTES])
            text = self._prepare(text.replace(" ", "\n"))  # normal form NFKC makes new spaces
            lengths, words = self._tokenized(text, faults)
            same = words == types.types_as_bytes(first, last) and bool((lengths == 1).all())
            if self._words or not same:
                self._number_words(types, first)
                self._numbers += self._numbered(words)
            self._lengths.append(lengths)
            self._faults.append(faults)
        self._n_types = types.n_types

    def prune(self, types: TypeTable, kept: np.ndarray) -> None:
        """Forget types, and words that no other type has; call this before `TypeTable.prune`.

        As in lossy counting, a bound on uncounted occurrences is kept for each word, and one for
        all words that are not in the table.

        Parameters
        ----------
        types : TypeTable
            The table, all of whose types have been added.
        kept : ndarray of shape (T,), bool
            Whether each type stays.

        References
        ----------
        Manku & Motwani (2002), section 4.2.
        """
        table = self._number_words(types, self._n_types)
        counts, lengths = types.counts, np.concatenate(self._lengths)
        faults, numbers = np.concatenate(self._faults), np.concatenate(self._numbers)
        places = np.searchsorted(table.numbers, numbers)
        stays = np.repeat(kept, lengths)
        lost = _weighted(places[~stays], np.repeat(counts, lengths)[~stays], table.n_types)
        used = np.zeros(table.n_types, bool)
        used[places[stays]] = True
        missed = self._all_missed() + lost
        self._missed = missed[used]
        self._missed_by_others = int(missed[~used].max(initial=self._missed_by_others))
        self._n_pruned += int(lost.sum())
        self._faults_pruned += counts[~kept] @ faults[~kept]
        table.prune(used)
        self._lengths, self._faults = [lengths[kept]], [faults[kept]]
        self._numbers = [numbers[stays]]
        self._n_types = int(kept.sum())

    def type_words(self, types: TypeTable) -> TypeWords:
        """Return the words of the types, once all have been added."""
        counts, lengths = types.counts, np.concatenate(self._lengths)
        table = self._words or types
        if self._words is None:
            numbers, word_counts = np.arange(types.n_types, dtype=np.int32), counts
        else:
            numbers = np.concatenate(self._numbers)
            if table.n_numbers > table.n_types:
                numbers = np.searchsorted(table.numbers, numbers).astype(np.int32)
            word_counts = _weighted(numbers, np.repeat(counts, lengths), table.n_types)
        n_faults = (self._faults_pruned + counts @ np.concatenate(self._faults)).tolist()
        return TypeWords(
            table.as_words(),
            word_counts,
            self._all_missed(),
            np.concatenate(([0], np.cumsum(lengths, dtype=np.int64))),
            numbers,
            n_bad_bytes=n_faults[_BAD_BYTES],
            n_empty_words=n_faults[_EMPTY_WORDS],
            n_rewritten_words=n_faults[_REWRITTEN_WORDS],
            n_pruned=self._n_pruned,
            missed_by_others=self._missed_by_others,
        )

    def _tokenized(self, text: str, faults: np.ndarray) -> tuple[np.ndarray, bytes]:
        """Return how many words each line has, and the words of all, a space after each."""
        is_fast = self._tokenizer is whole and " " not in text and "\n\n" not in "\n" + text
        if is_fast or (self._tokenizer is whitespace and _is_one_word_per_line(text)):
            return np.ones(len(faults), np.int32), text.replace("\n", " ").encode()
        lengths: list[int] = []
        words: list[str] = []
        for line_words in map(self._tokenizer, text.split("\n")[:-1]):
            lengths.append(len(line_words))
            words += line_words
        if not self._built_in:
            lengths, words = _writable(lengths, words, faults)
        return np.array(lengths, np.int32), " ".join([*words, ""]).encode()

    def _number_words(self, types: TypeTable, n_types: int) -> TypeTable:
        """Return the table of words, made from the first types if there is none."""
        if self._words is None:
            self._words = TypeTable(["words"])
            for first in range(0, n_types, _BLOCK_TYPES):
                last = min(first + _BLOCK_TYPES, n_types)
                self._numbers += self._numbered(types.types_as_bytes(first, last))
        return self._words

    def _numbered(self, words: bytes) -> list[np.ndarray]:
        """Return the numbers of words, adding new ones to the table."""
        assert self._words is not None
        piece = load_words(self._piece, words)
        return [numbers[piece.numbers] for numbers in self._words.add(piece.scan())]

    def _all_missed(self) -> np.ndarray:
        """Return the bound on missed occurrences of each word, new words included."""
        n_words = self._words.n_types if self._words else self._n_types
        n_new = n_words - self._missed.size
        return np.concatenate((self._missed, np.full(n_new, self._missed_by_others)))


def _weighted(places: np.ndarray, weights: np.ndarray, n: int) -> np.ndarray:
    """Return the sum of the weights at each of n places."""
    # The float64 sums are exact: a text of 2**53 tokens is out of reach.
    return np.bincount(places, weights, n).astype(np.int64)


def _decode(types: TypeTable, first: int, last: int, errors: str, n_bad_bytes: np.ndarray) -> str:
    """Decode some types, a space after each, and note how many bytes of each are bad."""
    data = types.types_as_bytes(first, last)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if errors == "strict":
            starts = types.starts
            place = int(starts[first]) + error.start
            row = int(np.searchsorted(starts, place, side="right")) - 1
            where = types.place_of(row, place - int(starts[row]))
            raise not_utf8(where, data[error.start]) from error
    n_bad_bytes[:] = [
        len(t) - len(t.decode(errors="ignore").encode()) for t in data.split(b" ")[:-1]
    ]
    return data.decode(errors=errors)


def not_utf8(where: str, byte: int) -> TextError:
    """Return the error for a byte that is not UTF-8."""
    return TextError(f"{where}: not UTF-8 (byte 0x{byte:02x})", OTHER_ENCODING)


def _is_one_word_per_line(text: str) -> bool:
    """Whether no line is empty, and nothing but line ends is white space."""
    return "\n\n" not in "\n" + text and not any(map(text.__contains__, _SPACES_IN_LINES))


def _writable(
    lengths: list[int], words: list[str], faults: np.ndarray
) -> tuple[list[int], list[str]]:
    """Drop empty words and rewrite those that a file of vectors cannot hold, and note which."""
    written = list(map(writable, words))
    types = np.repeat(np.arange(len(lengths)), lengths)
    is_empty = np.array([not word for word in written], bool)
    is_rewritten = ~is_empty & np.array(list(map(str.__ne__, words, written)), bool)
    faults[:, _EMPTY_WORDS] = np.bincount(types[is_empty], minlength=len(lengths))
    faults[:, _REWRITTEN_WORDS] = np.bincount(types[is_rewritten], minlength=len(lengths))
    return (lengths - faults[:, _EMPTY_WORDS]).tolist(), list(filter(None, written))

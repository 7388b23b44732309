"""Filter words: by digits, stop-words and a given vocabulary."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from itertools import compress, count

import numpy as np

from ..errors import TextError
from .reading.compression import read_lines
from .settings import TextConfig, WordList
from .tokenizers import checked, writable

_DIGIT = re.compile(r"\d")
_FIELD = re.compile(r"[^ \t\n\v\f\r]+")
_COUNT = re.compile("[0-9]+")

# Why a word is dropped.
_KEPT, _NUMBER, _STOPWORD, _OUTSIDE = range(4)


@dataclass(frozen=True, eq=False)
class FilteredWords:
    """The remaining words, and counts of those dropped.

    Attributes
    ----------
    words : collection of str
        The distinct remaining words, in order of first occurrence.
    counts : ndarray of shape (len(words),), int64
        How often each occurs.
    numbers : ndarray of shape (W,), int32
        Index in ``words`` of each of the W original words, -1 if dropped.
    n_numbers, n_stopwords, n_outside_vocab : int
        Tokens dropped as numbers, as stop-words, and as not in the given vocabulary.
    unseen_stopwords, unseen_vocab : list of str
        Words of the two lists that do not occur in the text, in the order of the lists.
    """

    words: Collection[str]
    counts: np.ndarray
    numbers: np.ndarray
    n_numbers: int
    n_stopwords: int
    n_outside_vocab: int
    unseen_stopwords: list[str]
    unseen_vocab: list[str]

    def word_ids(self, word_ids: np.ndarray) -> np.ndarray:
        """Return the word id of each of the W words, given those of the remaining words."""
        return np.append(word_ids, np.int32(-1))[self.numbers]


def as_in_text(word: str, config: TextConfig) -> str:
    """Return a word normalized as the text is: case, normal form, digits."""
    prepared = config.prepare(word)
    return _DIGIT.sub("0", prepared) if config.digits == "zero" else prepared


class WordFilter:
    """Replaces digits and drops words as `TextConfig` says, once per distinct word.

    Parameters
    ----------
    config : TextConfig
        Its word lists are read immediately, so that errors in them show before the text is read.

    Raises
    ------
    TextError
        If a list cannot be read or has a line of several words, or the vocabulary is empty.
    """

    def __init__(self, config: TextConfig) -> None:
        config = with_lists_read(config)
        self._digits = config.digits
        # Dicts rather than sets, for their order.
        self._stopwords = self._list(config.stopwords, config)
        self._vocab = self._list(config.vocab, config)
        self._all_pass = config.digits == "keep" and config.stopwords is config.vocab is None

    def apply(self, words: Collection[str], counts: np.ndarray) -> FilteredWords:
        """Filter the words of a text.

        Parameters
        ----------
        words : collection of str, length W
            Distinct words.
        counts : ndarray of shape (W,), int64
            How often each occurs.

        Returns
        -------
        FilteredWords
            Words that replaced digits made equal are merged.
        """
        if self._all_pass:
            return FilteredWords(
                words, counts, np.arange(len(words), dtype=np.int32), 0, 0, 0, [], []
            )
        words = [self._with_digits(word) for word in words]
        seen = set(words)
        reasons = np.array([self._reason(word) for word in words], np.int8)
        kept = reasons == _KEPT
        number_of: defaultdict[str, int] = defaultdict(count().__next__)  # new words count up
        numbers = np.full(len(words), -1, np.int32)
        numbers[kept] = [number_of[word] for word in compress(words, kept)]
        # float64 weights are exact: a text of 2**53 tokens is out of reach.
        kept_counts = np.bincount(numbers[kept], counts[kept], len(number_of))
        n_tokens = np.bincount(reasons, counts, 4).astype(np.int64).tolist()
        return FilteredWords(
            words=list(number_of),
            counts=kept_counts.astype(np.int64),
            numbers=numbers,
            n_numbers=n_tokens[_NUMBER],
            n_stopwords=n_tokens[_STOPWORD],
            n_outside_vocab=n_tokens[_OUTSIDE],
            unseen_stopwords=[word for word in self._stopwords if word not in seen],
            unseen_vocab=[word for word in self._vocab if word not in seen],
        )

    def _reason(self, word: str) -> int:
        """Return why a word is dropped, or `_KEPT`; its digits have been replaced."""
        if self._digits == "drop" and _DIGIT.search(word) and not any(map(str.isalpha, word)):
            return _NUMBER
        if word in self._stopwords:
            return _STOPWORD
        return _OUTSIDE if self._vocab and word not in self._vocab else _KEPT

    def _with_digits(self, word: str) -> str:
        return _DIGIT.sub("0", word) if self._digits == "zero" else word

    def _list(self, listed: WordList | None, config: TextConfig) -> dict[str, None]:
        """Return the words of a list, normalized as the text is."""
        assert not isinstance(listed, str | os.PathLike)
        tokenize = checked(config.tokenize)
        words: dict[str, None] = {}
        for word in map(config.prepare, listed or ()):
            found = list(filter(None, map(writable, tokenize(word))))
            words[self._with_digits(found[0] if len(found) == 1 else word)] = None
        return words


def with_lists_read(config: TextConfig) -> TextConfig:
    """Return settings that hold the words of their word lists rather than paths.

    Raises
    ------
    TextError
        If a list cannot be read or has a line of several words, or the vocabulary is empty.
    """
    lists = {"stopwords": config.stopwords, "vocab": config.vocab}
    read = {
        name: tuple(_words_in(source))
        for name, source in lists.items()
        if isinstance(source, str | os.PathLike)
    }
    read_config = replace(config, **read)  # type: ignore[arg-type]
    if config.vocab is not None and not read_config.vocab:
        raise TextError(f"{_name(config.vocab)}: has no words", "`vocab` needs at least one")
    return read_config


def _name(source: WordList) -> str:
    """Return how an error names a list."""
    return os.fspath(source) if isinstance(source, str | os.PathLike) else repr(source)


def _words_in(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the first field of each line of a file; the second, if any, must be a count."""
    for place, line in read_lines(path):
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise TextError(
                f"{place}: not UTF-8 (byte 0x{line[error.start]:02x}); "
                "convert the file (iconv -f latin1 -t utf-8)"
            ) from error
        match _FIELD.findall(text):
            case []:
                pass
            case [word]:
                yield word
            case [word, n] if _COUNT.fullmatch(n):
                yield word
            case _:
                raise TextError(
                    f"{place}: expected a word, or a word and its count, found {text.strip()!r:.80}"
                )

"""Sentences from Python objects: strings, or lists of words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, repeat
from typing import Any

import numpy as np

from ...errors import SettingError, TextError, WrongTypeError
from ..settings import TextConfig
from .compression import BlockReader
from .encodings import encoded, lone_surrogate
from .sources import SENTENCES, Source

_BLOCK_BYTES = 1 << 16  # few, so that the words stay in the cache
_FIRST_BATCH, _LARGEST_BATCH = 16, 1024  # sentences
_WHITE_SPACE = re.compile("[ \t\n\v\f\r]")


@dataclass(frozen=True, eq=False)
class Sentences(Source):
    """Sentences that can be read once.

    Attributes
    ----------
    items : iterator
        The sentences.
    are_words : bool
        Whether each is a list of words, rather than a str.
    """

    items: Iterator[Any]
    are_words: bool

    @classmethod
    def of(cls, items: Iterator[Any], *, are_words: bool) -> Sentences:
        """Return the source for an iterator over sentences."""
        return cls(SENTENCES, None, (-1, id(items)), items, are_words)

    @property
    def absolute_path(self) -> str:
        """What stands for them among the paths of a run."""
        return self.path

    @property
    def name(self) -> str:
        """Their name in messages."""
        return "sentences"

    def check(self, config: TextConfig) -> None:
        """Refuse settings that have no meaning for sentences.

        Raises
        ------
        SettingError
            If the format is not "lines", or words are given with a tokenizer to find words.
        """
        if config.format != "lines":
            raise SettingError(f"format {config.format!r} is one of files, not of sentences")
        if self.are_words and config.tokenizer not in ("word", "whitespace"):
            raise SettingError(
                f"tokenizer {config.tokenizer!r:.60} does not apply to lists of words; pass "
                "sentences as str, or no tokenizer"
            )


def config_for(sources: Sequence[Source], config: TextConfig) -> TextConfig:
    """Return the settings to read sources: words that are given count as tokenized text.

    So they keep their case and form, unless ``lowercase`` or ``normalize`` say otherwise.
    """
    return replace(config, tokenizer="whitespace") if are_words(sources) else config


def are_words(sources: Sequence[Source]) -> bool:
    """Return whether the sources are sentences that are lists of words."""
    return any(isinstance(source, Sentences) and source.are_words for source in sources)


class SentenceFile(BlockReader):
    """Sentences as lines of UTF-8, to be read as a file.

    Memory is that of some sentences, of about 64 KiB together; where they suddenly become long, of
    up to 1024.

    Parameters
    ----------
    source : Sentences
        Read in the thread that calls `readinto`, because an iterator may depend on it.
    errors : {"strict", "replace", "ignore"}
        What to do with lone surrogates.

    Attributes
    ----------
    name, n_bytes_read, n_bad_bytes, text_begin
        As of `SourceFile`; the bytes are those of UTF-8.

    Raises
    ------
    WrongTypeError, TextError
        While it is read: if a sentence is of another kind than the first or has something other
        than words; if a word is empty or has ASCII white space, at which text is split; or if there
        is a lone surrogate and ``errors`` is "strict". Names the place.
    """

    def __init__(self, source: Sentences, errors: str) -> None:
        super().__init__(self._lines(source))
        self.name = source.name
        self.n_bytes_read = self.n_bad_bytes = self.text_begin = 0
        self._errors = errors

    def _lines(self, source: Sentences) -> Iterator[bytes]:
        """Yield the sentences in blocks of lines."""
        n_done, n_next = 0, _FIRST_BATCH
        while batch := list(islice(source.items, n_next)):
            if source.are_words:
                block = self._lines_of_words(batch, n_done)
            else:
                block = self._lines_of_text(batch, n_done)
            self.n_bytes_read += len(block)
            yield block
            n_done += len(batch)
            # Not by the whole sum at once: the next sentences may be longer.
            n_fitting = _BLOCK_BYTES * len(batch) // max(len(block), 1)
            n_next = max(1, min(n_fitting, 2 * n_next, _LARGEST_BATCH))

    def _lines_of_text(self, batch: list[Any], first: int) -> bytes:
        """Return sentences that are str, a line each."""
        if set(map(type, batch)) != {str}:
            for number, sentence in enumerate(batch, first):
                if not isinstance(sentence, str):
                    raise wrong_sentence(number, sentence, "a str")
        return self._encoded(list(map(str.rstrip, batch, repeat("\n"))), first)

    def _lines_of_words(self, batch: list[Any], first: int) -> bytes:
        """Return sentences that are lists of words, a line each; empty ones are left out."""
        if not set(map(type, batch)) <= {list, tuple}:
            batch = [_words_of(sentence, number) for number, sentence in enumerate(batch, first)]
        try:
            lines = list(map(" ".join, batch))
        except TypeError:
            raise _wrong_word(batch, first) from None
        if not all(batch):
            lines = [line for line, words in zip(lines, batch, strict=True) if words]
        block = self._encoded(lines, first)
        if not _are_whole(block, sum(map(len, batch))):
            _check_words(batch, first)
        return block

    def _encoded(self, lines: list[str], first: int) -> bytes:
        """Return lines as UTF-8."""
        text = "\n".join([*lines, ""])
        try:
            return text.encode()
        except UnicodeEncodeError as error:
            if self._errors == "strict":
                number = first + text.count("\n", 0, error.start)
                raise lone_surrogate(f"corpus[{number}]", text[error.start]) from error
        return encoded(text, self, self._errors)


def _are_whole(block: bytes, n_words: int) -> bool:
    """Return whether lines of words have one separator after each word and no others.

    False, too, if words have control characters, which is rare.
    """
    separators = np.frombuffer(block, np.uint8) <= 32
    if np.count_nonzero(separators) != n_words:
        return False
    is_around_nothing = separators[1:] & separators[:-1]
    return not (separators[:1].any() or is_around_nothing.any())


def _check_words(batch: list[Sequence[str]], first: int) -> None:
    """Raise the error for the first word that is empty or has white space, if there is one."""
    for number, words in enumerate(batch, first):
        for place, word in enumerate(words):
            if not word or _WHITE_SPACE.search(word):
                what = f"is {word!r:.60}, a word with white space; replace it (by _, for example)"
                raise TextError(
                    f"corpus[{number}][{place}] {what if word else 'is empty; leave it out'}"
                )


def _words_of(sentence: Any, number: int) -> Sequence[str]:
    """Return the words of a sentence, which may be an array."""
    if isinstance(sentence, list | tuple):
        return sentence
    words = sentence.tolist() if hasattr(sentence, "tolist") else None
    if not isinstance(words, list):
        raise wrong_sentence(number, sentence, "a list of words")
    return words


def _wrong_word(batch: list[Sequence[Any]], first: int) -> WrongTypeError:
    """Return the error for the first word that is not a str."""
    number, place, word = next(
        (number, place, word)
        for number, words in enumerate(batch, first)
        for place, word in enumerate(words)
        if not isinstance(word, str)
    )
    return WrongTypeError(
        f"corpus[{number}][{place}] is {_shown(word)}, but each word must be a str"
    )


def wrong_sentence(
    number: int, sentence: object, expected: str = "a str or a list of str"
) -> WrongTypeError:
    """Return the error for something that is not a sentence of the kind expected."""
    like = " like those before it" if number else ""
    return WrongTypeError(
        f"corpus[{number}] is {_shown(sentence)}, but must be {expected}{like}; "
        "leave it out or convert it"
    )


def _shown(value: object) -> str:
    """Return a value and its type."""
    in_one_line = " ".join(repr(value).split())
    return "None" if value is None else f"{in_one_line:.40} ({type(value).__name__})"

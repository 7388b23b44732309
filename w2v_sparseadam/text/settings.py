"""Settings: how text becomes words."""

from __future__ import annotations

import codecs
import math
import os
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from ..errors import SettingError
from .tokenizers import LINES, Tokenizer, check_tokenizer_name, named_tokenizer

ON_BAD_BYTES = ("strict", "replace", "ignore")
"""What to do with bytes that are invalid in the encoding."""

FORMATS = ("lines", "jsonl", "csv", "tsv", "parquet")
"""Formats of text files: plain lines, or records of which one field is read."""

NORMAL_FORMS = ("nfc", "nfkc", "none")
"""The Unicode normal forms that text can be converted to."""

DIGITS = ("keep", "zero", "drop")
"""What to do with decimal digits."""

WordList = str | os.PathLike[str] | Collection[str]
"""A file of words, or the words themselves."""


def kept_list(words: WordList | None) -> Any:
    """Return a word list for JSON: an absolute path, or the words."""
    if words is None:
        return None
    if isinstance(words, str | os.PathLike):
        return os.path.abspath(words)
    return list(words) if isinstance(words, Sequence) else sorted(words)


START_THRESHOLD = {"word2phrase": 100.0, "npmi": 0.5}
"""The scores of phrases, and their default thresholds."""


@dataclass(frozen=True)
class PhraseConfig:
    """How neighbours are joined into phrases; `join_phrases` has the equations.

    Attributes
    ----------
    passes : int
        How many times neighbours are joined; 1 or more. Two passes find phrases of up to four
        words.
    score : {"word2phrase", "npmi"}
        How much more often than by chance words are neighbours. ``"word2phrase"`` is the ratio,
        after ``min_count`` is subtracted from their count; ``"npmi"`` the normalized pointwise
        mutual information, from -1 (never) to 1 (always).
    threshold : float or None
        Only pairs with a higher score are joined; above 0 for ``"word2phrase"``, from -1 to 1 for
        ``"npmi"``. None means 100 and 0.5.
    min_count : int or None
        Pairs that occur less often are not joined; 1 or more. None means 5, or the
        ``min_count`` of words if that is higher: a rarer phrase would be dropped as a word.

    Raises
    ------
    SettingError
        If a value is not one of those.
    """

    passes: int = 1
    score: str = "word2phrase"
    threshold: float | None = None
    min_count: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check_count("passes", self.passes)
        if self.score not in START_THRESHOLD:
            names = ", ".join(map(repr, START_THRESHOLD))
            raise SettingError(f"score must be one of {names}, got {self.score!r}")
        if self.threshold is not None:
            low, high = (-1, 1) if self.score == "npmi" else (0, math.inf)
            fits = isinstance(self.threshold, Real) and low <= self.threshold <= high
            if not fits or self.threshold == low == 0:
                expected = "a number from -1 to 1" if self.score == "npmi" else "a number above 0"
                raise SettingError(
                    f"threshold of score {self.score!r} must be {expected}, got {self.threshold!r}"
                )
        if self.min_count is not None:
            _check_count("min_count", self.min_count)

    @property
    def lowest_score(self) -> float:
        """The threshold, with None resolved."""
        return START_THRESHOLD[self.score] if self.threshold is None else self.threshold


@dataclass(frozen=True)
class TextConfig:
    """How text becomes words.

    The steps, in order:

    1. Bytes are decoded (``errors``).
    2. Text is converted to a normal form (``normalize``) and lower-cased (``lowercase``).
    3. The tokenizer finds the words. Empty ones are dropped.
    4. Neighbours are joined into phrases (``phrases``).
    5. Digits are replaced, or numbers dropped (``digits``).
    6. Stop-words are dropped (``stopwords``).
    7. Words that a given vocabulary lacks are dropped (``vocab``).
    8. Words are counted, and rare ones dropped (``min_count``).
    9. Of the rest, the most frequent are kept (``max_vocab``).

    A word that is dropped leaves no gap: those around it become neighbours.

    Attributes
    ----------
    tokenizer : str or callable
        Finds the words: ``"word"`` (for prose), ``"whitespace"`` (for text that is already
        tokenized), ``"char"``, or any other name of `named_tokenizer`. A callable takes a str
        without ASCII white space (though ``"nfkc"`` may put spaces into it) and returns a list of
        str. It
        runs once for each distinct run of characters between white space, so it must always return
        the same words for the same text. The distinct runs are kept in memory, so text without
        spaces, such as Chinese, needs ``"python-lines:MODULE:FUNCTION"``: a function that runs for
        each line, including its white space.
    lowercase : bool or None
        Apply `str.lower` (the full Unicode mapping, of no particular language: İ becomes i and a
        combining dot) before the tokenizer. None means True with ``"word"``, else False.
    normalize : {"nfc", "nfkc", "none"} or None
        The normal form: ``"nfc"`` makes é one character however it is written, ``"nfkc"`` also
        replaces ﬁ by fi, ｗ by w and ² by 2. None means ``"nfc"`` with ``"word"``, else
        ``"none"``.
    digits : {"keep", "zero", "drop"}
        ``"zero"`` replaces each decimal digit, of any script, by 0 (1984 and 2001 become one word);
        ``"drop"`` drops words that have a decimal digit and no letter (``3.14`` and ``50%``, but
        not ``mp3``).
    stopwords : path, collection of str, or None
        Words to drop. A file is UTF-8 and has one word per line; a count after a word is ignored.
    vocab : path, collection of str, or None
        Words to keep, in a file of the same format, such as word2vec's ``word count`` lines. All
        counts are those of the text, and ``min_count`` and ``max_vocab`` still apply. Words of both
        lists go through steps 2, 3 and 5 as the text does, but one that the tokenizer splits into
        several words, or none, stays unchanged.
    min_count : int
        Words that occur less often have no vector; 1 or more.
    max_vocab : int or None
        Keep only the most frequent words; 1 or more.
    max_types : int or None
        How many distinct runs of characters between white space are kept in memory; 1 or more.
        When there are more, the rarest are forgotten, until half as many are left, and the loss is
        reported. None means as many as fill a quarter of the memory.
    max_token_bytes : int
        Runs of characters between white space that are longer, in bytes of UTF-8, are dropped and
        counted, so that a file without white space does not fill the memory; 1 or more. Not used
        with a tokenizer of whole lines.
    errors : {"strict", "replace", "ignore"}
        What to do with bytes that are invalid in the encoding: stop with an error, replace them by
        U+FFFD, or drop them; as in `bytes.decode`.
    encoding : str
        Of all files: any that Python can decode to text. Parquet is always UTF-8.
    format : {"lines", "jsonl", "csv", "tsv", "parquet"}
        Format of the files. ``"lines"`` is plain text. The others have records, of which one field
        is read; a record ends a line, and so does a line feed in the field. In ``"csv"`` and
        ``"tsv"`` the first row names the fields.
    field : str or None
        The field to read, a string in every record. None means ``"text"``; with ``"lines"`` it
        must be None.
    phrases : PhraseConfig or None
        How to join neighbours into phrases, such as new_york, after tokenizing; None does not.

    Raises
    ------
    SettingError
        If a value is not one of those. Nothing is imported here: a tokenizer that cannot be
        imported raises when it is first used.
    """

    tokenizer: str | Tokenizer = "word"
    lowercase: bool | None = None
    normalize: str | None = None
    digits: str = "keep"
    stopwords: WordList | None = None
    vocab: WordList | None = None
    min_count: int = 5
    max_vocab: int | None = None
    max_types: int | None = None
    max_token_bytes: int = 1 << 20
    errors: str = "strict"
    encoding: str = "utf-8"
    format: str = "lines"
    field: str | None = None
    phrases: PhraseConfig | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if not callable(self.tokenizer):
            check_tokenizer_name(self.tokenizer)
        if self.lowercase not in (None, True, False):
            raise SettingError(f"lowercase must be True, False or None, got {self.lowercase!r}")
        for name, words in (("stopwords", self.stopwords), ("vocab", self.vocab)):
            if words is None or isinstance(words, str | os.PathLike):
                continue
            if not isinstance(words, Collection) or not all(isinstance(w, str) for w in words):
                raise SettingError(
                    f"{name} must be a path, a collection of str or None, got {words!r:.80}"
                )
        _check_count("min_count", self.min_count)
        _check_count("max_token_bytes", self.max_token_bytes)
        for name, limit in (("max_vocab", self.max_vocab), ("max_types", self.max_types)):
            if limit is not None:
                _check_count(name, limit)
        for name, choice, choices in (
            ("normalize", self.normalize, (*NORMAL_FORMS, None)),
            ("digits", self.digits, DIGITS),
            ("errors", self.errors, ON_BAD_BYTES),
            ("format", self.format, FORMATS),
        ):
            if choice not in choices:
                names = ", ".join(map(repr, choices))
                raise SettingError(f"{name} must be one of {names}, got {choice!r}")
        codec = self.codec
        if self.field is not None and not isinstance(self.field, str):
            raise SettingError(f"field must be a str or None, got {self.field!r}")
        if self.field is not None and self.format == "lines":
            raise SettingError(f"format 'lines' has no fields, got field {self.field!r}")
        if self.format == "parquet" and codec != "utf-8":
            raise SettingError(f"Parquet is always UTF-8, got encoding {self.encoding!r}")
        if self.phrases is not None and not isinstance(self.phrases, PhraseConfig):
            raise SettingError(f"phrases must be a PhraseConfig or None, got {self.phrases!r}")

    @property
    def codec(self) -> str:
        """The encoding, as `codecs.lookup` calls it; UTF-8 with a byte order mark is UTF-8."""
        try:
            name = codecs.lookup(self.encoding).name
            is_text = isinstance(codecs.getincrementaldecoder(name)().decode(b"", True), str)
        except (LookupError, TypeError, ValueError):
            is_text = False
        if not is_text:
            raise SettingError(
                f"encoding must be one that Python can decode to text, got {self.encoding!r}"
            )
        return name.removesuffix("-sig")

    @property
    def field_name(self) -> str:
        """The field, with None resolved."""
        return "text" if self.field is None else self.field

    @property
    def lowers(self) -> bool:
        """Whether text is lower-cased, with None resolved."""
        return self.tokenizer == "word" if self.lowercase is None else self.lowercase

    @property
    def normal_form(self) -> str:
        """One of `NORMAL_FORMS`, with None resolved."""
        if self.normalize is not None:
            return self.normalize
        return "nfc" if self.tokenizer == "word" else "none"

    @property
    def tokenize(self) -> Tokenizer:
        """The tokenizer itself; a name is resolved, which may import it."""
        return self.tokenizer if callable(self.tokenizer) else named_tokenizer(self.tokenizer)

    @property
    def by_line(self) -> bool:
        """Whether the tokenizer takes whole lines."""
        return isinstance(self.tokenizer, str) and self.tokenizer.startswith(LINES)

    @property
    def phrase_min_count(self) -> int:
        """How often a pair must occur to be a phrase, with None resolved."""
        given = None if self.phrases is None else self.phrases.min_count
        return max(5, self.min_count) if given is None else given

    def kept(self) -> dict[str, Any]:
        """Return the fields for JSON, so that more text can be read in the same way.

        A callable tokenizer becomes a name that no tokenizer has.
        """
        fields = {**vars(self), "stopwords": kept_list(self.stopwords)}
        fields["vocab"] = kept_list(self.vocab)
        fields["phrases"] = self.phrases and vars(self.phrases)
        if callable(self.tokenizer):
            fields["tokenizer"] = f"<{getattr(self.tokenizer, '__qualname__', self.tokenizer)}>"
        return fields

    def prepare(self, text: str) -> str:
        """Return text in the normal form, lower-cased; line ends stay in place."""
        normalized = self._normalized(text)
        # Lower-casing may break the form: ǰ is one character, its capital J̌ is two.
        return self._normalized(normalized.lower()) if self.lowers else normalized

    def _normalized(self, text: str) -> str:
        match self.normal_form:
            case "nfc":
                return unicodedata.normalize("NFC", text)
            case "nfkc":
                return unicodedata.normalize("NFKC", text)
        return text


def _check_count(name: str, value: object) -> None:
    """Refuse a value that is not a whole number from 1 to below 10 ** 18."""
    if not isinstance(value, Integral) or value < 1:
        raise SettingError(f"{name} must be a whole number, 1 or more, got {value!r}")
    if int(value) >= 10**18:
        raise SettingError(f"{name} must be below 10 ** 18, got {value!r}")

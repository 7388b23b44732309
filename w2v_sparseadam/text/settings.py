"""Settings: how text becomes words."""

from __future__ import annotations

import codecs
import os
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from ..errors import SettingError, check_path
from ..fields import check_settings, setting
from .tokenizers import LINES, Tokenizer, check_tokenizer_name, named_tokenizer

ON_BAD_BYTES = ("strict", "replace", "ignore")
"""What to do with bytes that are invalid in the encoding."""

FORMATS = ("lines", "jsonl", "csv", "tsv", "parquet")
"""Formats of text files: plain lines, or records of which one field is read."""

NORMAL_FORMS = ("nfc", "nfkc", "none")
"""The Unicode normal forms that text can be converted to."""

DIGITS = ("keep", "zero", "drop")
"""What to do with decimal digits."""

_MOST = 10**12
"""More than any text has; compiled code counts in 64 bits."""

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

    Two ``passes`` find phrases of up to four words. ``score`` says how much more often than by
    chance words are neighbours: ``"word2phrase"`` is the ratio, after ``min_count`` is subtracted
    from their count; ``"npmi"`` the normalized pointwise mutual information, from -1 (never) to 1
    (always). Only pairs with a score above ``threshold`` are joined, which is above 0 for
    ``"word2phrase"``, and from -1 to 1 for ``"npmi"``. A ``min_count`` of None is 5, or that of
    words if it is higher: a rarer phrase would be dropped as a word.

    Raises
    ------
    SettingError
        If a value is not one of those.
    """

    section: ClassVar[str] = "Phrases"

    passes: int = setting(
        1,
        int,
        "Join neighbours such as new_york, in this many passes.",
        keyword="phrases",
        low=1,
        high=_MOST,
    )
    score: str = setting(
        "word2phrase",
        str,
        "Measure of how much more often than by chance words are neighbours.",
        keyword="phrase_score",
        choices=tuple(START_THRESHOLD),
    )
    threshold: float | None = setting(
        None,
        float,
        "Join neighbours with a higher score.",
        keyword="phrase_threshold",
        default_help=", ".join(f"{score} {least:g}" for score, least in START_THRESHOLD.items()),
    )
    min_count: int | None = setting(
        None,
        int,
        "Join neighbours that occur together at least this often.",
        keyword="phrase_min_count",
        low=1,
        high=_MOST,
        default_help="5, or min-count if more",
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)
        if self.threshold is not None:
            low = -1 if self.score == "npmi" else 0
            if self.threshold < low or (self.threshold > 1 and low) or self.threshold == low == 0:
                expected = "a number from -1 to 1" if self.score == "npmi" else "a number above 0"
                raise SettingError(
                    f"threshold is {self.threshold!r:.80}, but must be {expected} with score "
                    f"{self.score!r}"
                )

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

    ``tokenizer`` finds the words: ``"word"`` (for prose), ``"whitespace"`` (for text that is
    already tokenized), ``"char"``, or any other name of `named_tokenizer`. A callable takes a str
    without ASCII white space (though ``"nfkc"`` may put spaces into it) and returns a list of str.
    It runs once for each distinct run of characters between white space, so it must always return
    the same words for the same text. The distinct runs are kept in memory, so text without spaces,
    such as Chinese, needs ``"python-lines:MODULE:FUNCTION"``: a function that runs for each line,
    including its white space.

    ``lowercase`` applies `str.lower` (the full Unicode mapping, of no particular language: İ
    becomes i and a combining dot) before the tokenizer. Of normal forms, ``"nfc"`` makes é one
    character however it is written, ``"nfkc"`` also replaces ﬁ by fi, ｗ by w and ² by 2. With
    digits ``"zero"``, each decimal digit of any script becomes 0 (1984 and 2001 become one word);
    ``"drop"`` drops words that have a decimal digit and no letter (``3.14`` and ``50%``, but not
    ``mp3``).

    ``stopwords`` are dropped, and if there is a ``vocab``, all but its words: a path, or the words
    themselves. A file is UTF-8 and has one word per line; a count after a word is ignored, as in
    word2vec's ``word count`` lines. All counts are those of the text, and ``min_count`` and
    ``max_vocab`` still apply. Words of both lists go through steps 2, 3 and 5 as the text does, but
    one that the tokenizer splits into several words, or none, stays unchanged.

    When there are more than ``max_types`` distinct runs of characters between white space, the
    rarest are forgotten, until half as many are left, and the loss is reported. Runs longer than
    ``max_token_bytes``, in UTF-8, are dropped and counted, so that a file without white space does
    not fill the memory; this is not used with a tokenizer of whole lines.

    ``encoding`` is that of all files, but Parquet's is always UTF-8. A record of ``"jsonl"``,
    ``"csv"``, ``"tsv"`` or ``"parquet"`` ends a line, and so does a line feed in its ``field``,
    which is a string in every record. In ``"csv"`` and ``"tsv"`` the first row names the fields.

    Raises
    ------
    SettingError
        If a value is not one of those. Nothing is imported here: a tokenizer that cannot be
        imported raises when it is first used.
    """

    section: ClassVar[str] = "Text"

    tokenizer: str | Tokenizer = setting(
        "word",
        str,
        "'word' for prose; 'whitespace' for text that is tokenized already; 'char'; "
        "'regex:PATTERN'; 'python:MODULE:FUNCTION' for one of your own, or "
        "'python-lines:MODULE:FUNCTION' if it needs whole lines.",
        metavar="NAME",
        common=True,
    )
    lowercase: bool | None = setting(
        None,
        bool,
        "Lower-case the text.",
        flag="--lowercase/--no-lowercase",
        default_help="with 'word' only",
    )
    normalize: str | None = setting(
        None,
        str,
        "Bring the text into a normal form of Unicode.",
        choices=NORMAL_FORMS,
        default_help="nfc with 'word', else none",
    )
    digits: str = setting(
        "keep",
        str,
        "Keep digits, make each a 0, or drop words that have digits and no letters.",
        choices=DIGITS,
    )
    stopwords: WordList | None = setting(
        None, os.PathLike, "Drop the words of this file, one per line.", metavar="FILE"
    )
    vocab: WordList | None = setting(
        None,
        os.PathLike,
        "Keep only the words of this file, one per line; a count may follow.",
        metavar="FILE",
    )
    min_count: int = setting(
        5, int, "Leave out words that occur less often.", low=1, high=_MOST, common=True
    )
    max_vocab: int | None = setting(
        None,
        int,
        "Keep only this many words, the most frequent.",
        low=1,
        high=_MOST,
        default_help="all",
    )
    max_types: int | None = setting(
        None,
        int,
        "Hold at most this many distinct strings between white space in memory; beyond that, "
        "forget the rarest.",
        low=1,
        high=_MOST,
        default_help="a quarter of the memory",
    )
    max_token_bytes: int = setting(
        1 << 20, int, "Drop longer strings between white space.", low=1, high=_MOST
    )
    errors: str = setting(
        "strict",
        str,
        "On bytes that are invalid in the encoding: stop, put U+FFFD, or drop them.",
        choices=ON_BAD_BYTES,
    )
    encoding: str = setting(
        "utf-8", str, "Encoding of the text, of those that Python has.", metavar="NAME"
    )
    format: str = setting(
        "lines",
        str,
        "Text as it is, or a field of JSON Lines, CSV, tab-separated values or Parquet.",
        choices=FORMATS,
    )
    field: str | None = setting(
        None,
        str,
        "The field to read.",
        metavar="NAME",
        default_help="text, unless the format is lines",
    )
    phrases: PhraseConfig | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self, but={"tokenizer", "stopwords", "vocab", "encoding"})
        if not callable(self.tokenizer):
            check_tokenizer_name(self.tokenizer)
        for name, words in (("stopwords", self.stopwords), ("vocab", self.vocab)):
            if isinstance(words, str | os.PathLike):
                check_path(name, words)
                continue
            if words is None:
                continue
            if not isinstance(words, Collection) or not all(isinstance(w, str) for w in words):
                raise SettingError(
                    f"{name} must be a path, a collection of str or None, got {words!r:.80}"
                )
        codec = self.codec
        if self.field is not None and self.format == "lines":
            raise SettingError(
                f"field is {self.field!r:.80}, but format 'lines' has no fields",
                "leave it out, or give a format that has them, such as `format=jsonl`",
            )
        if self.format == "parquet" and codec != "utf-8":
            raise SettingError(f"Parquet is always UTF-8, got encoding {self.encoding!r}")
        if self.phrases is not None and not isinstance(self.phrases, PhraseConfig):
            raise SettingError(f"phrases must be a PhraseConfig or None, got {self.phrases!r}")

    @property
    def codec(self) -> str:
        """The encoding, as `codecs.lookup` calls it; UTF-8 with a byte order mark is UTF-8."""
        try:
            return _codec(self.encoding)
        except (LookupError, TypeError, ValueError) as error:
            raise SettingError(
                f"encoding must be one that Python can decode to text, got {self.encoding!r:.80}"
            ) from error

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


@cache  # it is asked for each file
def _codec(encoding: str) -> str:
    """Return the name of an encoding by `codecs.lookup`."""
    name = codecs.lookup(encoding).name
    if not isinstance(codecs.getincrementaldecoder(name)().decode(b"", True), str):
        raise TypeError(f"{name} does not decode to text")
    return name.removesuffix("-sig")

"""How text becomes words: the settings of the text station."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from numbers import Integral

from ..errors import SettingError
from .tokenizers import TOKENIZERS, Tokenizer

ON_BAD_BYTES = ("strict", "replace", "ignore")
"""What can be done with bytes that are not text in the encoding."""

FORMATS = ("lines", "jsonl", "csv", "tsv", "parquet")
"""How files can hold text: as it is, or as a field of their records."""


@dataclass(frozen=True)
class TextConfig:
    """How text becomes words.

    Attributes
    ----------
    tokenizer : {"word", "whitespace"} or callable
        Finds the words. ``"word"`` is for prose, ``"whitespace"`` for text that is tokenized
        already; see `word` and `whitespace`. A callable takes a str without ASCII white space and
        returns a list of str. It runs once for each distinct run of characters between white
        space, so it must always return the same words for the same text.
    lowercase : bool or None
        Apply `str.lower` (the full Unicode mapping, of no particular language: İ becomes i and a
        combining dot) before the tokenizer. None stands for True with ``"word"``, else False.
    min_count : int
        Words that occur less often have no vector; 1 or more.
    max_vocab : int or None
        Keep only the most frequent words; 1 or more.
    errors : {"strict", "replace", "ignore"}
        What to do with bytes that are not text in the encoding: stop with an error, put U+FFFD,
        or drop them; as in `bytes.decode`.
    encoding : str
        Of all files: any that Python can decode to text. Parquet is always UTF-8.
    format : {"lines", "jsonl", "csv", "tsv", "parquet"}
        How files hold text. ``"lines"`` is plain text. The others have records, of which one field
        is read; a record ends a line, and so does a line feed in the field. In ``"csv"`` and
        ``"tsv"`` the first row names the fields.
    field : str or None
        The field to read, which every record must have, as a string. None stands for
        ``"text"``, and is all that ``"lines"`` can do with.

    Raises
    ------
    SettingError
        If a value is not one of those.
    """

    tokenizer: str | Tokenizer = "word"
    lowercase: bool | None = None
    min_count: int = 5
    max_vocab: int | None = None
    errors: str = "strict"
    encoding: str = "utf-8"
    format: str = "lines"
    field: str | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        named = isinstance(self.tokenizer, str) and self.tokenizer in TOKENIZERS
        if not named and not callable(self.tokenizer):
            names = ", ".join(map(repr, TOKENIZERS))
            raise SettingError(f"tokenizer must be {names} or a callable, got {self.tokenizer!r}")
        if self.lowercase not in (None, True, False):
            raise SettingError(f"lowercase must be True, False or None, got {self.lowercase!r}")
        for name, value in (("min_count", self.min_count), ("max_vocab", self.max_vocab)):
            if name == "max_vocab" and value is None:
                continue
            if not isinstance(value, Integral) or value < 1:
                raise SettingError(f"{name} must be a whole number, 1 or more, got {value!r}")
        if self.errors not in ON_BAD_BYTES:
            names = ", ".join(map(repr, ON_BAD_BYTES))
            raise SettingError(f"errors must be one of {names}, got {self.errors!r}")
        if self.format not in FORMATS:
            names = ", ".join(map(repr, FORMATS))
            raise SettingError(f"format must be one of {names}, got {self.format!r}")
        codec = self.codec
        if self.field is not None and self.format == "lines":
            raise SettingError(f"format 'lines' has no fields, got field {self.field!r}")
        if self.format == "parquet" and codec != "utf-8":
            raise SettingError(f"Parquet is always UTF-8, got encoding {self.encoding!r}")

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
        """The field, once None is resolved."""
        return "text" if self.field is None else self.field

    @property
    def lowers(self) -> bool:
        """Whether text is lower-cased, once None is resolved."""
        return self.tokenizer == "word" if self.lowercase is None else self.lowercase

    @property
    def tokenize(self) -> Tokenizer:
        """The tokenizer itself, once its name is resolved."""
        return TOKENIZERS[self.tokenizer] if isinstance(self.tokenizer, str) else self.tokenizer

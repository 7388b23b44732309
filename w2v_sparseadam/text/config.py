"""How text becomes words: the settings of the text station."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from ..errors import SettingError
from .tokenizers import TOKENIZERS, Tokenizer

ON_BAD_BYTES = ("strict", "replace", "ignore")
"""What can be done with bytes that are not UTF-8."""


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
    max_types : int or None
        Distinct runs of characters between white space that are held in memory; 1 or more. When
        there are more, the rarest are forgotten, until half as many are left; what that took away
        is reported. None stands for as many as fill a quarter of the memory.
    errors : {"strict", "replace", "ignore"}
        What to do with bytes that are not UTF-8: stop with an error, put U+FFFD, or drop them; as
        in `bytes.decode`.

    Raises
    ------
    SettingError
        If a value is not one of those.
    """

    tokenizer: str | Tokenizer = "word"
    lowercase: bool | None = None
    min_count: int = 5
    max_vocab: int | None = None
    max_types: int | None = None
    errors: str = "strict"

    def __post_init__(self) -> None:
        """Check every value."""
        named = isinstance(self.tokenizer, str) and self.tokenizer in TOKENIZERS
        if not named and not callable(self.tokenizer):
            names = ", ".join(map(repr, TOKENIZERS))
            raise SettingError(f"tokenizer must be {names} or a callable, got {self.tokenizer!r}")
        if self.lowercase not in (None, True, False):
            raise SettingError(f"lowercase must be True, False or None, got {self.lowercase!r}")
        for name, value in (
            ("min_count", self.min_count),
            ("max_vocab", self.max_vocab),
            ("max_types", self.max_types),
        ):
            if name != "min_count" and value is None:
                continue
            if not isinstance(value, Integral) or value < 1:
                raise SettingError(f"{name} must be a whole number, 1 or more, got {value!r}")
        if self.errors not in ON_BAD_BYTES:
            names = ", ".join(map(repr, ON_BAD_BYTES))
            raise SettingError(f"errors must be one of {names}, got {self.errors!r}")

    @property
    def lowers(self) -> bool:
        """Whether text is lower-cased, once None is resolved."""
        return self.tokenizer == "word" if self.lowercase is None else self.lowercase

    @property
    def tokenize(self) -> Tokenizer:
        """The tokenizer itself, once its name is resolved."""
        return TOKENIZERS[self.tokenizer] if isinstance(self.tokenizer, str) else self.tokenizer

"""How text becomes words: the settings of the text station."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real

from ..errors import SettingError
from .tokenizers import TOKENIZERS, Tokenizer

ON_BAD_BYTES = ("strict", "replace", "ignore")
"""What can be done with bytes that are not UTF-8."""


START_THRESHOLD = {"word2phrase": 100.0, "npmi": 0.5}
"""The scores of phrases, and what they must exceed unless told otherwise."""


@dataclass(frozen=True)
class PhraseConfig:
    """How neighbours are joined to phrases; `join_phrases` has the equations.

    Attributes
    ----------
    passes : int
        How often neighbours are joined; 1 or more. Two passes find phrases of up to four words.
    score : {"word2phrase", "npmi"}
        How much more often than by chance words are neighbours. ``"word2phrase"`` is the ratio,
        once ``min_count`` is taken off their count; ``"npmi"`` the normalized pointwise mutual
        information, from -1 (never) to 1 (always).
    threshold : float or None
        Only pairs with a higher score are joined; above 0 for ``"word2phrase"``, from -1 to 1 for
        ``"npmi"``. None stands for 100 and 0.5.
    min_count : int or None
        Pairs that occur less often are not joined; 1 or more. None stands for 5, or for the
        ``min_count`` of words if that is more: a rarer phrase would be left out as a word.

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
        """The threshold, once None is resolved."""
        return START_THRESHOLD[self.score] if self.threshold is None else self.threshold


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
        What to do with bytes that are not UTF-8: stop with an error, put U+FFFD, or drop them; as
        in `bytes.decode`.
    phrases : PhraseConfig or None
        Join neighbours to phrases, such as new_york, before rare words are left out; None does
        not.

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
    phrases: PhraseConfig | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        named = isinstance(self.tokenizer, str) and self.tokenizer in TOKENIZERS
        if not named and not callable(self.tokenizer):
            names = ", ".join(map(repr, TOKENIZERS))
            raise SettingError(f"tokenizer must be {names} or a callable, got {self.tokenizer!r}")
        if self.lowercase not in (None, True, False):
            raise SettingError(f"lowercase must be True, False or None, got {self.lowercase!r}")
        _check_count("min_count", self.min_count)
        if self.max_vocab is not None:
            _check_count("max_vocab", self.max_vocab)
        if self.errors not in ON_BAD_BYTES:
            names = ", ".join(map(repr, ON_BAD_BYTES))
            raise SettingError(f"errors must be one of {names}, got {self.errors!r}")
        if self.phrases is not None and not isinstance(self.phrases, PhraseConfig):
            raise SettingError(f"phrases must be a PhraseConfig or None, got {self.phrases!r}")

    @property
    def lowers(self) -> bool:
        """Whether text is lower-cased, once None is resolved."""
        return self.tokenizer == "word" if self.lowercase is None else self.lowercase

    @property
    def tokenize(self) -> Tokenizer:
        """The tokenizer itself, once its name is resolved."""
        return TOKENIZERS[self.tokenizer] if isinstance(self.tokenizer, str) else self.tokenizer

    @property
    def phrase_min_count(self) -> int:
        """How often a pair must occur to be a phrase, once None is resolved."""
        given = None if self.phrases is None else self.phrases.min_count
        return max(5, self.min_count) if given is None else given


def _check_count(name: str, value: object) -> None:
    """Refuse what is not a whole number, 1 or more."""
    if not isinstance(value, Integral) or value < 1:
        raise SettingError(f"{name} must be a whole number, 1 or more, got {value!r}")

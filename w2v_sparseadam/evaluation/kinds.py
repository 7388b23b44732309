"""The kinds of data sets that vectors are evaluated on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

from ..errors import FormatError, wrong_type


@dataclass(frozen=True)
class SimilaritySet:
    """Pairs of words, each with a rating of their similarity."""

    name: str
    pairs: Sequence[tuple[str, str, float]]

    def __post_init__(self) -> None:
        """Check every pair."""
        _check_items(self.name, self.pairs, _is_pair, "two words and a finite number")


@dataclass(frozen=True)
class AnalogySet:
    """Questions (a, b, c, d), "a is to b as c is to d", by section.

    Words after d are right answers, too.
    """

    name: str
    sections: dict[str, Sequence[tuple[str, ...]]]

    def __post_init__(self) -> None:
        """Check every question."""
        if not isinstance(self.sections, dict):
            raise wrong_type("sections", "a dict of lists of questions", self.sections)
        asked = [question for section in self.sections.values() for question in section]
        _check_items(self.name, asked, _is_question, "four words or more")


@dataclass(frozen=True)
class CategorySet:
    """Words, each with its class."""

    name: str
    words: Sequence[tuple[str, str]]

    def __post_init__(self) -> None:
        """Check every word and class."""
        _check_items(self.name, self.words, _is_word_and_class, "a word and its class")


@dataclass(frozen=True)
class OddOneOutSet:
    """Groups of words, each with the place of the one that does not belong."""

    name: str
    groups: Sequence[tuple[tuple[str, ...], int]]

    def __post_init__(self) -> None:
        """Check every group."""
        expected = "three words or more, and the place of the odd one"
        _check_items(self.name, self.groups, _is_group, expected)


def _check_items(
    name: str, items: Sequence[Any], is_item: Callable[..., bool], expected: str
) -> None:
    """Refuse a data set without items, or with one that no file could hold."""
    if not isinstance(name, str):
        raise wrong_type("the name of a data set", "a str", name)
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise wrong_type(f"the items of {name}", f"a list, each of {expected}", items)
    if not items:
        raise FormatError(f"{name}: holds no items")
    for number, item in enumerate(items, 1):
        try:
            fits = not isinstance(item, str) and is_item(*item)
        except TypeError:  # of another length
            fits = False
        if not fits:
            raise FormatError(f"{name}, item {number}: expected {expected}, found {item!r:.60}")


def _is_pair(one: object, other: object, rating: object) -> bool:
    if not isinstance(rating, Real):
        return False
    try:
        return _are_words(one, other) and math.isfinite(rating)
    except OverflowError:  # a whole number beyond float64
        return False


def _is_question(*words: object) -> bool:
    return len(words) >= 4 and _are_words(*words)


def _is_word_and_class(word: object, label: object) -> bool:
    return _are_words(word, label)


def _is_group(words: Sequence[object], odd: object) -> bool:
    return len(words) >= 3 and _are_words(*words) and odd in range(len(words))


def _are_words(*words: object) -> bool:
    return all(isinstance(word, str) for word in words)


DataSet = SimilaritySet | AnalogySet | CategorySet | OddOneOutSet

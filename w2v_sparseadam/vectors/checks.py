"""What words and vectors must be: words that every file can hold, and finite numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import FormatError, wrong_type
from .formats.word2vec import quote

_UNUSABLE = re.compile("[ \t\n\v\f\r\ud800-\udfff]")


_NONE: Mapping[str, int] = {}


def check_str(word: object) -> None:
    """Refuse a word that is not a str."""
    if not isinstance(word, str):
        raise wrong_type("a word", "a str", word)


def is_usable(word: str) -> bool:
    """Tell whether every format can hold a word."""
    return word != "" and _UNUSABLE.search(word) is None


def number_words(words: Sequence[str], known: Mapping[str, int] = _NONE) -> dict[str, int]:
    """Return the rows of words, which follow those of the known ones.

    Raises
    ------
    FormatError
        Names the first word that is empty, has ASCII white space or a lone surrogate, or is there
        already.
    """
    before = len(known)
    try:
        are_usable = "" not in words and not _UNUSABLE.search("".join(words))
    except TypeError:  # other than str
        are_usable = False
    rows: dict[str, int] = {}
    if are_usable:
        rows = dict(zip(words, range(before, before + len(words)), strict=True))
        if len(rows) == len(words) and (not known or known.keys().isdisjoint(rows)):
            return rows
        rows = {}
    for row, word in enumerate(words, before):
        check_str(word)
        first = known.get(word, rows.setdefault(word, row))
        if first != row:
            raise FormatError(f"word {row + 1}: {quote(word)} is also word {first + 1}")
        if not is_usable(word):
            raise FormatError(
                f"word {row + 1}: {quote(word)} cannot be written: a word must be valid Unicode, "
                "not empty, without ASCII white space"
            )
    return rows


def squared_lengths(
    words: Sequence[str], rows: NDArray[np.float32], before: int = 0
) -> NDArray[np.float32]:
    """Return the squares of the lengths of vectors, nearly; infinite if they are too long.

    Raises
    ------
    FormatError
        Names the first word whose vector holds NaN or infinity.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("vd,vd->v", rows, rows)
        suspects = np.flatnonzero(~np.isfinite(squares))
        broken = suspects[~np.isfinite(rows[suspects]).all(axis=1)]
    if len(broken):
        row = broken[0]
        number = next(number for number in rows[row] if not np.isfinite(number))
        raise FormatError(
            f"word {before + row + 1}: the vector of {quote(words[row])} holds {number}, "
            "not a finite float32 number"
        )
    return squares

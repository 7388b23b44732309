"""What a run starts from: given vectors for some words, and words that are to stay in place."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from .errors import FormatError, SettingError, W2VError
from .vectors import Vectors

_NAMED = 3


def place_vectors(center: np.ndarray, words: Sequence[str], init: Vectors) -> dict[str, int]:
    """Put given vectors in the center matrix, by the names of their words.

    Parameters
    ----------
    center : ndarray of shape (V, at least D), float32
        Updated in place; rows of other words, and columns beyond D, stay as they are.
    words : sequence of V str
        The words of the rows.
    init : Vectors
        Of D dimensions.

    Returns
    -------
    dict
        ``matched``, words that have a given vector; ``fresh``, those without; ``unused``, given
        vectors of words that are not in ``words``.

    Raises
    ------
    SettingError
        If no word has a given vector.
    """
    ids = init.word_ids
    matched = [(row, ids[word]) for row, word in enumerate(words) if word in ids]
    if not matched:
        raise SettingError(
            f"none of the {len(init):,} words with a start vector is in the vocabulary of "
            f"{len(words):,} words; the former begin with {_few(init.words)}, the latter with "
            f"{_few(words)}"
        )
    rows, init_rows = np.array(matched).T
    center[rows, : init.dim] = init.matrix[init_rows]
    n = len(matched)
    return {"matched": n, "fresh": len(words) - n, "unused": len(init) - n}


def check_dim(init: Vectors, dim: int) -> None:
    """Refuse start vectors of other dimensions than the model's."""
    if init.dim != dim:
        raise SettingError(
            f"the start vectors have {init.dim} dimensions, but --dim is {dim}; give --dim "
            f"{init.dim}"
        )


def find_frozen(words: Sequence[str], freeze: Collection[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Find the words that are to stay in place.

    Parameters
    ----------
    words : sequence of V str
        The vocabulary.
    freeze : collection of str
        Words whose center vectors are to stay.

    Returns
    -------
    mask : ndarray of shape (V,), bool
    report : dict
        ``frozen`` and ``unknown``, numbers of words in the vocabulary and not; ``examples``, a
        few of the unknown, in alphabetical order.

    Raises
    ------
    SettingError
        If none of them is in the vocabulary.
    """
    given = set(freeze)
    mask = np.array([word in given for word in words], np.bool_)
    unknown = sorted(given.difference(words))
    if not mask.any():
        raise SettingError(
            f"none of the {len(given):,} words to freeze is in the vocabulary: {_few(unknown)}"
        )
    n_frozen = int(mask.sum())
    return mask, {"frozen": n_frozen, "unknown": len(unknown), "examples": unknown[:_NAMED]}


def read_words(path: str | os.PathLike[str]) -> list[str]:
    """Read a list of words, UTF-8, one a line; white space around them and empty lines are dropped.

    Raises
    ------
    FormatError
        If a line is not UTF-8 or has white space within, or the file has no words.
    W2VError
        If the file cannot be read.
    """
    words: list[str] = []
    try:
        with open(path, "rb") as stream:
            for number, line in enumerate(stream, 1):
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                fields = line.split()
                try:
                    words += [field.decode() for field in fields]
                except UnicodeDecodeError:
                    raise FormatError(f"{path}, line {number}: is not UTF-8") from None
                if len(fields) > 1:
                    raise FormatError(
                        f"{path}, line {number}: expected one word, found {len(fields)}, "
                        f"{_few(words[-len(fields) :])}"
                    )
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    if not words:
        raise FormatError(f"{path}: has no words; list one a line")
    return words


def _few(words: Sequence[str]) -> str:
    """Name a few words, shortened."""
    names = ", ".join(repr(word[:40]) for word in words[:_NAMED])
    return names + (" …" if len(words) > _NAMED else "")

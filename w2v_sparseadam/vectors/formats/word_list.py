"""Words in a file beside the vectors, one on each line, with counts or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, W2VError
from .word2vec import LONGEST_WORD, decode_word, quote

_MOST_DIGITS = 18  # what int64 holds in any case


def read_lines(path: Path, of: str) -> list[bytes]:
    """Return the lines of a file without their ends.

    Raises
    ------
    FormatError
        If it is missing; `of` is the file that it belongs to.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FormatError(
            f"{of}: has no words: {path} is missing, which has one on each line"
        ) from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    if not content:
        return []
    return [line.removesuffix(b"\r") for line in content.removesuffix(b"\n").split(b"\n")]


def decoded(lines: list[bytes], path: Path, first: int) -> list[str]:
    """Return the words in lines, the first of which has this number."""
    words = []
    for number, line in enumerate(lines, first):
        if len(line) > LONGEST_WORD:
            raise FormatError(f"{path}, line {number}: is too long for a word")
        words.append(decode_word(line, f"{path}, line {number}"))
    return words


def parse_counts(fields: list[bytes], path: Path, first: int) -> NDArray[np.int64]:
    """Return the counts in fields of lines, the first of which has this number."""
    for number, field in enumerate(fields, first):
        if not field.isdigit() or len(field) > _MOST_DIGITS:
            raise FormatError(f"{path}, line {number}: expected a count, found {quote(field)}")
    return np.array([int(field) for field in fields], np.int64)

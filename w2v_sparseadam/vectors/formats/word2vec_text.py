"""The text format of word2vec: a line for each word and its numbers, separated by single spaces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError
from .base import VectorSource
from .word2vec import (
    LONGEST_WORD,
    PIECE_BYTES,
    decode_word,
    header_of,
    quote,
    raise_short,
    read_header,
    write_header,
)
from .word2vec_binary import binary_numbers, records_end_in_newlines

_LONGEST_NUMBER = 64


def fits(source: VectorSource) -> bool:
    """Tell whether the content is text, or has no header; `read` says what is wrong with it."""
    header, records = header_of(source.head)
    return header is None or _is_text(records, header[1])


def _is_text(head: bytes, dim: int) -> bool:
    """Tell text from binary by the first records.

    A broken text file should be reported as broken text, not as binary; and the bytes of binary
    numbers may happen to be printable.
    """
    first, *later = [is_row(line, dim) for line in head.split(b"\n")[:-1]] or [is_row(head, dim)]
    # After a correct first line, a broken one suggests binary only if all binary records would
    # end in a newline.
    if first and (all(later[:1]) or not records_end_in_newlines(head, dim)):
        return True
    numbers = b"".join(binary_numbers(head, dim)) or head
    if re.search(rb"[^\t\n\r -~\x80-\xff]", numbers):
        return False
    # Most numbers of trained vectors are in this range; four digits read as a float32 are not.
    with np.errstate(invalid="ignore"):
        sizes = np.abs(np.frombuffer(numbers[: len(numbers) // 4 * 4], "<f4"))
        n_usual = np.count_nonzero((sizes > 2**-11) & (sizes < 2**14))
    if n_usual > len(sizes) / 2:
        return False
    line = head.partition(b"\n")[0].replace(b",", b".")
    return any(map(is_number, line.split()[1:]))


@np.errstate(over="ignore")  # infinities are refused by Vectors
def read(source: VectorSource) -> tuple[list[str], NDArray[np.float32]]:
    """Read the header and a line for each word."""
    stream, path = source.stream, source.name
    n_words, dim = read_header(source)
    words = []
    matrix = np.empty((n_words, dim), dtype=np.float32)
    longest = LONGEST_WORD + dim * _LONGEST_NUMBER
    for row in range(n_words):
        place = f"{path}, line {row + 2}"
        line = stream.readline(longest)
        if not line:
            raise_short(path, n_words, row)
        if len(line) == longest:
            raise FormatError(f"{place}: is too long for a word and {dim} numbers")
        # Words may hold white space that is not ASCII, so only the first space ends one.
        word, _, numbers = line.partition(b" ")
        word = word.rstrip(b"\r\n")
        _check_word(word, line, place)
        words.append(decode_word(word, place))
        tokens = numbers.split(None, dim)
        if len(tokens) != dim:
            n_found = sum(1 for _ in re.finditer(rb"\S+", numbers))
            raise FormatError(
                f"{place}: expected {dim} numbers after {quote(words[row])}, found {n_found}"
            )
        try:
            if b"_" in numbers:
                raise ValueError
            matrix[row] = list(map(float, tokens))
        except ValueError:
            wrong = next(token for token in tokens if not is_number(token))
            advice = ""
            if is_number(wrong.replace(b",", b".", 1)):
                advice = "; use a decimal point, not a comma"
            raise FormatError(
                f"{place}: expected {dim} numbers after {quote(words[row])}, found "
                f"{quote(wrong)}{advice}"
            ) from None
    while rest := stream.read(PIECE_BYTES):
        if not rest.isspace():  # blank lines at the end are ignored
            raise FormatError(
                f"{path}, line {n_words + 2}: more than the {n_words} words that line 1 promises"
            )
    return words, matrix


def _check_word(word: bytes, line: bytes, place: str) -> None:
    """Refuse a line that does not begin with a word and a space."""
    if word and b"\t" not in word:
        return
    if not line.strip():
        raise FormatError(f"{place}: is blank; expected a word and its numbers")
    if not word:
        raise FormatError(f"{place}: begins with a space; expected a word and its numbers")
    before = quote(word.partition(b"\t")[0])
    raise FormatError(
        f"{place}: has a tab after {before}; spaces must separate the word and its numbers"
    )


def is_row(line: bytes, dim: int) -> bool:
    """Tell whether a line is a word and ``dim`` numbers."""
    numbers = line.partition(b" ")[2].split()
    return len(numbers) == dim and all(map(is_number, numbers))


def is_number(token: bytes) -> bool:
    """Tell whether `token` is a number; ``1_000``, which Python accepts, is not."""
    if b"_" in token:
        return False
    try:
        float(token)
    except ValueError:
        return False
    return True


def write(stream: BinaryIO, words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Write lines of numbers with nine digits, enough to restore every float32 exactly."""
    write_header(stream, matrix)
    line = "%s" + " %.9g" * matrix.shape[1] + "\n"
    for word, row in zip(words, matrix, strict=True):
        stream.write((line % (word, *row.tolist())).encode())

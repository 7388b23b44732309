"""The text format of word2vec: a line for each word and its numbers, separated by single spaces."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, counted
from ...system.files import write_result
from .base import Allocate, Block, Content, VectorSource, rows_at_once
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


def begins_with_rows(head: bytes) -> bool:
    """Tell whether whole lines that follow a header are words and numbers."""
    header, rows = header_of(head)
    lines = rows.split(b"\n")[:2]
    return header is not None and all(is_row(line, header[1]) for line in lines if line)


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


def read(source: VectorSource) -> Content:
    """Read the header, and the lines when they are asked for."""
    n_words, dim = read_header(source)
    return Content(
        source.name, n_words, dim, lambda allocate: _blocks(source, n_words, dim, allocate)
    )


def _blocks(source: VectorSource, n_words: int, dim: int, allocate: Allocate) -> Iterator[Block]:
    """Yield what the lines hold."""
    stream, path = source.stream, source.name
    longest = LONGEST_WORD + dim * _LONGEST_NUMBER
    for first in range(0, n_words, rows_at_once(dim)):
        words: list[str] = []
        rows = allocate(min(rows_at_once(dim), n_words - first))
        for row in range(len(rows)):
            place = f"{path}, line {first + row + 2}"
            line = stream.readline(longest)
            if not line:
                raise_short(path, n_words, first + row)
            if len(line) == longest:
                raise FormatError(f"{place}: is too long for a word and {counted(dim, 'number')}")
            # Words may hold white space that is not ASCII, so only the first space ends one.
            word, _, numbers = line.partition(b" ")
            word = word.rstrip(b"\r\n")
            _check_word(word, line, place)
            words.append(decode_word(word, place))
            parse_row(numbers, rows[row], words[row], place)
        yield Block(words, rows)
    while rest := stream.read(PIECE_BYTES):
        if not rest.isspace():  # blank lines at the end are ignored
            raise FormatError(
                f"{path}, line {n_words + 2}: more than the {counted(n_words, 'word')} that line 1 "
                "promises"
            )


def parse_row(numbers: bytes, row: NDArray[np.float32], word: str, place: str) -> None:
    """Fill a vector with the numbers in a line."""
    dim = len(row)
    tokens = numbers.split(None, dim)
    if len(tokens) != dim:
        n_found = sum(1 for _ in re.finditer(rb"\S+", numbers))
        expected = counted(dim, "number")
        raise FormatError(f"{place}: expected {expected} after {quote(word)}, found {n_found}")
    try:
        if b"_" in numbers:
            raise ValueError
        with np.errstate(over="ignore"):  # infinities are refused later
            row[:] = list(map(float, tokens))
    except ValueError:
        wrong = next(token for token in tokens if not is_number(token))
        advice = ""
        if is_number(wrong.replace(b",", b".", 1)):
            advice = "; use a decimal point, not a comma"
        raise FormatError(
            f"{place}: expected {counted(dim, 'number')} after {quote(word)}, found "
            f"{quote(wrong)}{advice}"
        ) from None


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


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a header, and a line for each word."""
    with write_result(path) as stream:
        write_header(stream, content)
        write_rows(stream, content)


def write_rows(stream: BinaryIO, content: Content) -> None:
    """Write lines of numbers with nine digits, enough to restore every float32 exactly."""
    line = "%s" + " %.9g" * content.dim + "\n"
    for words, rows, _ in content.pieces():
        for word, row in zip(words, rows, strict=True):
            stream.write((line % (word, *row.tolist())).encode())

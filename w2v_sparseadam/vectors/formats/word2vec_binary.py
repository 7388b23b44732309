"""The binary format of word2vec: for each word, the word, a space, its float32s and a newline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError
from .base import VectorSource
from .word2vec import (
    LONGEST_WORD,
    PIECE_BYTES,
    decode_word,
    raise_short,
    read_header,
    write_header,
)

_HEAD_RECORDS = 16


def fits(source: VectorSource) -> bool:
    """Take what no other format takes."""
    return True


def read(source: VectorSource) -> tuple[list[str], NDArray[np.float32]]:
    """Read the header, and the records straight into the matrix."""
    stream, path = source.stream, source.name
    n_words, dim = read_header(source)
    words = []
    matrix = np.empty((n_words, dim), dtype="<f4")
    rows = matrix.view(np.uint8)
    chunk, start = b"", 0
    for row in range(n_words):
        while True:
            space = chunk.find(b" ", start)
            stop = space + 1 + 4 * dim
            if space >= 0 and stop <= len(chunk):
                break
            if space < 0 and len(chunk) - start > LONGEST_WORD:
                raise FormatError(
                    f"{path}, word {row + 1}: no space after it within {LONGEST_WORD:,} bytes"
                )
            # Doubling, so that the time for a file without spaces is linear in its size.
            more = stream.read(max(PIECE_BYTES, len(chunk) - start))
            if not more:
                raise_short(path, n_words, row)
            chunk, start = chunk[start:] + more, 0
        word = chunk[start:space].removeprefix(b"\n")
        words.append(decode_word(word, f"{path}, word {row + 1}"))
        rows[row] = np.frombuffer(chunk, np.uint8, 4 * dim, space + 1)
        start = stop
    rest = chunk[start:] + stream.read(2)
    if rest not in (b"", b"\n"):
        raise FormatError(f"{path}: more than the {n_words} words that line 1 promises")
    return words, matrix.astype(np.float32, copy=False)


def records_end_in_newlines(head: bytes, dim: int) -> bool:
    """Tell whether each of the first records, read as binary, ends in a newline."""
    start = 0
    for _ in range(_HEAD_RECORDS):
        end = head.find(b" ", start) + 1 + 4 * dim
        if end <= 4 * dim or end >= len(head):
            break
        if head[end : end + 1] != b"\n":
            return False
        start = end + 1
    return start > 0


def binary_numbers(head: bytes, dim: int) -> Iterator[bytes]:
    """Yield the bytes that would be numbers in the first records of a binary file."""
    start = 0
    for _ in range(_HEAD_RECORDS):
        space = head.find(b" ", start)
        if space < 0:
            return
        yield head[space + 1 : space + 1 + 4 * dim]
        start = space + 1 + 4 * dim


def write(stream: BinaryIO, words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Write records as word2vec.c does."""
    write_header(stream, matrix)
    for word, row in zip(words, matrix.astype("<f4", copy=False), strict=True):
        stream.write(b"%b %b\n" % (word.encode(), row.tobytes()))

"""The binary format of word2vec: for each word, the word, a space, its float32s and a newline."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, counted
from ...system.files import write_result
from .base import Allocate, Block, Content, VectorSource
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


def read(source: VectorSource) -> Content:
    """Read the header, and the records when they are asked for."""
    start = source.head.find(b"\n") + 1
    n_words, dim = read_header(source)

    def blocks(allocate: Allocate) -> Iterator[Block]:
        with _opened(source, start) as stream:
            for words, rows in _records(stream, source.name, n_words, dim):
                room = allocate(len(words))
                _as_items(room, dim)[:] = rows
                yield Block(words, room)

    return Content(source.name, n_words, dim, blocks)


@contextmanager
def _opened(source: VectorSource, start: int) -> Iterator[BinaryIO]:
    """Open what follows the header: a file directly, which takes half the time of its stream."""
    if not source.is_plain_file:
        yield source.stream
        return
    with open(source.path, "rb", buffering=0) as stream:
        stream.seek(start)
        yield stream


def _records(
    stream: BinaryIO, path: str, n_words: int, dim: int
) -> Iterator[tuple[list[str], NDArray[np.void]]]:
    """Yield words and their vectors, each an item of 4 D bytes."""
    stride = 1 + 4 * dim
    chunk, start, n_read = b"", 0, 0
    while n_read < n_words:
        # Doubling, so that the time for a file without spaces is linear in its size.
        more = stream.read(max(PIECE_BYTES, len(chunk) - start))
        if not more:
            raise_short(path, n_words, n_read)
        chunk, start = chunk[start:] + more, 0
        spaces: list[int] = []
        for _ in range(n_words - n_read):
            space = chunk.find(b" ", start)
            if space < 0 or space + stride > len(chunk):
                break
            spaces.append(space)
            start = space + stride
        if space < 0 and len(chunk) - start > LONGEST_WORD:
            raise FormatError(
                f"{path}, word {n_read + len(spaces) + 1}: no space after it within "
                f"{LONGEST_WORD:,} bytes"
            )
        if spaces:
            numbers = np.array(spaces) + 1
            starts = np.concatenate(([0], numbers[:-1] + stride - 1))
            encoded = [chunk[a:b] for a, b in zip(starts.tolist(), spaces, strict=True)]
            after_newlines = bool((np.frombuffer(chunk, np.uint8)[starts] == ord("\n")).all())
            items = np.ndarray((len(chunk) - 4 * dim + 1,), f"V{4 * dim}", chunk, strides=(1,))
            yield _decoded(encoded, after_newlines, path, n_read), items[numbers]
            n_read += len(spaces)
    if chunk[start:] + stream.read(2) not in (b"", b"\n"):
        raise FormatError(f"{path}: more than the {counted(n_words, 'word')} that line 1 promises")


def _decoded(encoded: list[bytes], after_newlines: bool, path: str, n_before: int) -> list[str]:
    """Decode words, before each of which there may be the newline of the record before."""
    joined = b"".join(encoded)
    if after_newlines and joined.count(b"\n") == len(encoded):
        with suppress(UnicodeDecodeError):
            return joined.decode().split("\n")[1:]
    return [
        decode_word(word.removeprefix(b"\n"), f"{path}, word {row}")
        for row, word in enumerate(encoded, n_before + 1)
    ]


def _as_items(rows: NDArray[np.float32], dim: int) -> NDArray[np.void]:
    """Return a view of vectors, each an item."""
    return rows.view(f"V{4 * dim}")[:, 0]


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


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write records as word2vec.c does."""
    with write_result(path) as stream:
        write_header(stream, content)
        for words, rows, _ in content.pieces():
            for word, row in zip(words, rows.astype("<f4", copy=False), strict=True):
                stream.write(b"%b %b\n" % (word.encode(), row.tobytes()))

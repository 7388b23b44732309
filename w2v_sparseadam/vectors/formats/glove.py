"""Text without a header, as GloVe writes it: a word and its numbers in each line.

Some published files have words with spaces in them, such as ``. . .``, so the numbers are counted
from the end of the line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...errors import FormatError, counted
from ...system.files import write_result
from .base import Allocate, Block, Content, VectorSource, rows_at_once
from .word2vec import LONGEST_WORD, PIECE_BYTES, decode_word, header_of, quote
from .word2vec_text import is_number, parse_row, write_rows

_LONGEST_LINE = LONGEST_WORD + (1 << 24)
_FEWEST_DIMS = 2  # of one, a line would look like a header


def fits(source: VectorSource) -> bool:
    """Tell whether the first line is a word and two numbers or more."""
    return _dim_of(source.head) >= _FEWEST_DIMS and header_of(source.head)[0] is None


def _dim_of(head: bytes) -> int:
    """Return how many numbers follow the first word, 0 if other than numbers do."""
    line, end, _ = head.partition(b"\n")
    tokens = line.rstrip(b" \r").split(b" ")[1:]
    if not end and len(head) >= 1 << 16:
        tokens = tokens[:-1]  # incomplete
    return len(tokens) * all(map(is_number, tokens))


def read(source: VectorSource) -> Content:
    """Count the numbers in the first line, and the lines of a file."""
    line = source.stream.readline(_LONGEST_LINE)
    dim = len(line.split(b" ")[1:]) - line.endswith((b" \n", b" \r\n"))
    if dim < 1:
        raise FormatError(
            f"{source.name}, line 1: expected a word and its numbers, found {quote(line)}"
        )
    header, rows = header_of(line + source.head)
    if header and dim == 1 and _dim_of(rows) != 1:
        raise FormatError(f"{source.name}, line 1: is a header, as in word2vec's formats")
    n_words = None
    if source.is_plain_file:
        with open(source.path, "rb") as stream:
            n_words, last = 0, b"\n"
            while piece := stream.read(PIECE_BYTES):
                n_words += piece.count(b"\n")
                last = piece
            n_words += not last.endswith(b"\n")
    return Content(
        source.name, n_words, dim, lambda allocate: _blocks(source, line, n_words, dim, allocate)
    )


def _blocks(
    source: VectorSource, line: bytes, n_words: int | None, dim: int, allocate: Allocate
) -> Iterator[Block]:
    """Yield what the lines hold, of which the first was read."""
    first = 0
    while line:
        n_rows = rows_at_once(dim) if n_words is None else min(rows_at_once(dim), n_words - first)
        if n_rows == 0:
            raise FormatError(f"{source.name}: has grown while it was read; read it again")
        words: list[str] = []
        rows = allocate(n_rows)
        while line and len(words) < n_rows:
            place = f"{source.name}, line {first + len(words) + 1}"
            if len(line) == _LONGEST_LINE:
                raise FormatError(f"{place}: is too long for a word and {counted(dim, 'number')}")
            parts = line.rstrip(b" \r\n").rsplit(b" ", dim)
            words.append(decode_word(parts[0], place))
            parse_row(b" ".join(parts[1:]), rows[len(words) - 1], words[-1], place)
            line = source.stream.readline(_LONGEST_LINE)
        first += len(words)
        yield Block(words, rows[: len(words)])
    if n_words is not None and first < n_words:
        raise FormatError(f"{source.name}: has been cut short while it was read; read it again")


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a line for each word; refuse one dimension, whose lines might pass for a header."""
    if content.dim < _FEWEST_DIMS:
        raise FormatError(
            f"{path}: text without a header needs two dimensions or more; write .vec, with a header"
        )
    with write_result(path) as stream:
        write_rows(stream, content)

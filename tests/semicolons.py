"""A format of vectors of its own: a word and its numbers in each line, with semicolons between.

It has the least that a format needs. A test registers it; nothing outside this file knows it.
"""

import numpy as np

from w2v_sparseadam.errors import FormatError
from w2v_sparseadam.system.files import write_result
from w2v_sparseadam.vectors.formats.base import Block, Content
from w2v_sparseadam.vectors.formats.registry import Format

FORMAT = Format("semicolons", "semicolons", "table with semicolons", (".semi",), True)


def fits(source):
    """Tell whether the first line has a semicolon."""
    return b";" in source.head.partition(b"\n")[0]


def read(source):
    """Read a line for each word."""
    words, rows = [], []
    for number, line in enumerate(source.stream, 1):
        word, *numbers = line.decode().rstrip("\n").split(";")
        words.append(word)
        try:
            rows.append(np.array(numbers, np.float32))
        except ValueError:
            raise FormatError(f"{source.name}, line {number}: has a word for a number") from None
    return Content.of(source.name, Block(words, np.array(rows)))


def write(path, content):
    """Write a line for each word."""
    with write_result(path) as stream:
        for words, rows, _ in content.pieces():
            for word, row in zip(words, rows.tolist(), strict=True):
                stream.write(";".join([word, *map(repr, row)]).encode() + b"\n")

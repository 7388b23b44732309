"""A format of vectors without a header, as GloVe writes it: a word and its numbers in each line.

It has the least that a format needs. A test registers it; nothing outside this file knows it.
"""

import numpy as np

from w2v_sparseadam.errors import FormatError
from w2v_sparseadam.vectors.formats.registry import Format

FORMAT = Format("headerless", "headerless text", (".glove",))


def fits(source):
    """Tell whether the first line is a word and two numbers or more."""
    _, *numbers = source.head.partition(b"\n")[0].split(b" ")
    try:
        return len(list(map(float, numbers))) > 1
    except ValueError:
        return False


def read(source):
    """Read a line for each word."""
    words, rows = [], []
    for number, line in enumerate(source.stream, 1):
        word, *numbers = line.decode().rstrip("\n").split(" ")
        words.append(word)
        try:
            rows.append(np.array(numbers, np.float32))
        except ValueError:
            raise FormatError(f"{source.name}, line {number}: has a word for a number") from None
    return words, np.array(rows)


def write(stream, words, matrix):
    """Write a line for each word."""
    for word, row in zip(words, matrix.tolist(), strict=True):
        stream.write(" ".join([word, *map(repr, row)]).encode() + b"\n")

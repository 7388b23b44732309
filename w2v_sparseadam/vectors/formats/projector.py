"""A pair of tables for TensorBoard's projector: ``NAME.tsv`` and ``NAME_metadata.tsv``.

The first has the numbers of a vector on each line, separated by tabs; the second a header and, for
each word, its count, or its rank if the counts are not known. The header needs a second column: the
projector takes the first line of a single column for a word.

The projector needs two dimensions or more, and shows a word such as ``007`` as the number 7.

References
----------
``data-provider.ts`` in TensorBoard's ``vz_projector``: ``parseTensors`` and ``parseMetadata``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, counted
from ...system.files import write_result
from .base import Allocate, Block, Content, VectorSource, check_names_a_file, rows_at_once
from .registry import second_file
from .word2vec import quote
from .word2vec_text import is_number, parse_row
from .word_list import decoded, parse_counts, read_lines

_METADATA = "_metadata.tsv"
_LONGEST_LINE = 1 << 26
_FEWEST_DIMS = 2
_BLANK = (  # to trim() in JavaScript
    "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)


def fits(source: VectorSource) -> bool:
    """Tell whether the first line has numbers alone, separated by tabs."""
    line, end, _ = source.head.partition(b"\n")
    numbers = line.rstrip(b"\r").split(b"\t")
    if not end and len(source.head) >= 1 << 16:
        numbers = numbers[:-1]  # incomplete
    return len(numbers) >= _FEWEST_DIMS and all(map(is_number, numbers))


def read(source: VectorSource) -> Content:
    """Read the words, and the vectors when they are asked for."""
    source.check_plain_file("a table of TensorBoard's projector")
    path = _metadata_of(source)
    words, counts = _words(path, source.name)
    line = source.stream.readline(_LONGEST_LINE)
    dim = line.count(b"\t") + 1

    def blocks(allocate: Allocate) -> Iterator[Block]:
        nonlocal line
        for start in range(0, len(words), rows_at_once(dim)):
            part = slice(start, start + rows_at_once(dim))
            some = words[part]
            vectors = allocate(len(some))
            for row, word in enumerate(some):
                place = f"{source.name}, line {start + row + 1}"
                if not line:
                    raise FormatError(
                        f"{source.name}: ends after {counted(start + row, 'row')}, but {path} has "
                        f"{counted(len(words), 'word')}"
                    )
                parse_row(line, vectors[row], word, place)
                line = source.stream.readline(_LONGEST_LINE)
            yield Block(some, vectors, None if counts is None else counts[part])
        if line.strip():
            raise FormatError(f"{source.name}: has more rows than {path} has words ({len(words)})")

    return Content(source.name, len(words), dim, blocks)


def _words(path: Path, of: str) -> tuple[list[str], NDArray[np.int64] | None]:
    """Return the words, and their counts if there is a column of them."""
    lines = read_lines(path, of)
    counts, first = None, 1
    if lines and b"\t" in lines[0]:
        names, *rows = [line.split(b"\t") for line in lines]
        first = 2
        for number, row in enumerate(rows, first):
            if len(row) != len(names):
                raise FormatError(
                    f"{path}, line {number}: has other than {counted(len(names), 'column')}"
                )
        if b"count" in names:
            place = names.index(b"count")
            counts = parse_counts([row[place] for row in rows], path, first)
        lines = [row[0] for row in rows]
    if not lines:
        raise FormatError(f"{path}: has no words")
    return decoded(lines, path, first), counts


def _metadata_of(source: VectorSource) -> Path:
    """Return where the words are: by our name, by that of gensim's script, or by TensorBoard's."""
    own = second_file(source.path, _METADATA)
    stem = Path(source.path).stem
    others = [own.with_name("metadata.tsv")]
    for ending in ("_tensor", "_vectors"):
        if stem.endswith(ending):
            others.insert(0, own.with_name(stem.removesuffix(ending) + _METADATA))
    return next((path for path in (own, *others) if path.exists()), own)


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write both tables."""
    check_names_a_file(path, "projector")
    if content.dim < _FEWEST_DIMS:
        raise FormatError(f"{path}: the projector needs two dimensions or more, found 1")
    line = "\t".join(["%.9g"] * content.dim) + "\n"
    rank = 0
    with write_result(second_file(path, _METADATA)) as metadata, write_result(path) as matrix:
        for words, rows, counts in content.pieces():
            if rank == 0:
                metadata.write(b"word\trank\n" if counts is None else b"word\tcount\n")
            for place, (word, row) in enumerate(zip(words, rows, strict=True)):
                rank += 1
                if not word.strip(_BLANK):
                    told = f"{quote(word)} is blank to the projector; leave it out"
                    raise FormatError(f"{path}, word {rank}: {told}")
                beside_it = rank if counts is None else counts[place]
                metadata.write(f"{word}\t{beside_it}\n".encode())
                matrix.write((line % tuple(row.tolist())).encode())

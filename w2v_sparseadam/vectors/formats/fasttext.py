"""The models of fastText, ``.bin``: words, their own vectors and those of n-grams.

After two numbers that tell the format come the settings, then the words, each with a zero byte, its
count and its kind, then the input matrix, with a row for each word and each bucket of n-grams, and
the output matrix. All is little-endian. Files of versions 11 and 12 are alike.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError
from ...events import Warned
from ...objectives.settings import LONGEST_NGRAM
from ...system.files import write_result
from ..subwords import Subwords
from .base import Allocate, Block, Content, VectorSource, check_names_a_file, rows_at_once
from .word2vec import LONGEST_WORD, quote

_MAGIC = 793712314
_VERSIONS = (11, 12)
_SUPERVISED = 3
_MOST_BYTES = 1 << 16  # of words that have n-grams
_MOST_TOKENS = (1 << 63) - 1
_IN_WORD = struct.calcsize("<xqb")  # what follows a word


class _Settings(NamedTuple):
    """Those of fastText, with the values that are written; it ignores most in a trained model."""

    dim: int
    ws: int = 5
    epoch: int = 5
    min_count: int = 1
    neg: int = 5
    word_ngrams: int = 1
    loss: int = 2  # negative sampling
    model: int = 2  # skip-gram
    bucket: int = 0
    minn: int = 0
    maxn: int = 0
    lr_update_rate: int = 100
    t: float = 1e-4


_SETTINGS = struct.Struct("<12id")
_SIZES = struct.Struct("<3i2q")  # entries, words, labels, tokens, pruned n-grams
_SHAPE = struct.Struct("<?2q")  # whether a matrix is quantized, and its shape


class _File:
    """A file that is mapped into memory, and read from start to end."""

    def __init__(self, source: VectorSource) -> None:
        source.check_plain_file("a model of fastText")
        self.name, self.at = source.name, 0
        with open(source.path, "rb") as stream:
            self.data = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def skip(self, n_bytes: int, what: str) -> int:
        """Return where something begins, once it is seen to be there, and go to its end."""
        start, self.at = self.at, self.at + n_bytes
        if self.at > len(self.data):
            raise FormatError(f"{self.name}: ends within {what}; it is truncated, or damaged")
        return start

    def unpack(self, kind: struct.Struct, what: str) -> tuple[Any, ...]:
        """Return numbers."""
        return kind.unpack_from(self.data, self.skip(kind.size, what))

    def damaged(self, what: str) -> FormatError:
        """Return the error for what no model has."""
        return FormatError(f"{self.name}: is damaged: {what}")


def fits(source: VectorSource) -> bool:
    """Tell whether the first bytes are the number that fastText writes there."""
    return source.head.startswith(struct.pack("<i", _MAGIC))


def read(source: VectorSource) -> Content:
    """Return the words, and their vectors composed when they are asked for.

    The vectors of n-grams stay in the file, mapped into memory. Of a supervised model, the labels
    are left out.
    """
    file = _File(source)
    _, version = file.unpack(struct.Struct("<2i"), "the version")
    if version not in _VERSIONS:
        raise FormatError(
            f"{source.name}: is a model of fastText in version {version}; 11 and 12 can be read"
        )
    settings = _Settings(*file.unpack(_SETTINGS, "the settings"))
    if version == 11 and settings.model == _SUPERVISED:
        settings = settings._replace(maxn=0)  # it had no n-grams of characters
    encoded, counts = _read_words(file)
    items = _read_matrices(file, settings, len(encoded))
    subwords = _subwords(file, settings, items[len(encoded) :], encoded)
    words = _decoded(encoded, source)
    n_rows = rows_at_once(settings.dim)

    def blocks(allocate: Allocate) -> Iterator[Block]:
        for first in range(0, len(words), n_rows):
            part = slice(first, first + n_rows)
            rows = allocate(len(words[part]))
            rows.view(items.dtype)[:, 0] = items[: len(words)][part]
            if subwords is not None:
                subwords.compose_known(rows, encoded[part])
            yield Block(words[part], rows, None if counts is None else counts[part])

    return Content(source.name, len(words), settings.dim, blocks, subwords=subwords)


def _read_words(file: _File) -> tuple[list[bytes], NDArray[np.int64] | None]:
    """Return the words and their counts, and pass over the labels, which follow them."""
    n_entries, n_words, n_labels, _, n_pruned = file.unpack(_SIZES, "the number of words")
    if n_words < 0 or n_labels < 0 or n_entries != n_words + n_labels:
        raise file.damaged(f"it has {n_entries} entries, {n_words} words and {n_labels} labels")
    if not n_words:
        raise FormatError(f"{file.name}: has no words")
    file.skip(0, "the words")
    if n_entries > (len(file.data) - file.at) // (1 + _IN_WORD):
        raise file.damaged(f"{n_entries} words do not fit in it")
    starts, ends = [], []
    for number in range(1, n_entries + 1):
        end = file.data.find(b"\0", file.at, file.at + LONGEST_WORD)
        if end < 0:
            raise file.damaged(f"word {number} has no end within {LONGEST_WORD:,} bytes")
        starts.append(file.skip(end - file.at + _IN_WORD, f"word {number}"))
        ends.append(end)
    if n_pruned > 0:
        file.skip(8 * n_pruned, "the list of pruned n-grams")
    data = np.frombuffer(file.data, np.uint8)
    places = np.array(ends[:n_words])[:, np.newaxis] + np.arange(1, 9)
    counts = data[places].view("<i8")[:, 0].astype(np.int64)
    if counts.min() < 0:
        raise file.damaged(f"word {counts.argmin() + 1} occurs {counts.min()} times")
    encoded = [file.data[a:b] for a, b in zip(starts[:n_words], ends, strict=False)]
    return encoded, None if (counts == 1).all() else counts


def _read_matrices(file: _File, settings: _Settings, n_words: int) -> NDArray[np.void]:
    """Return the rows of the input matrix, and see that the output matrix is whole."""
    is_quantized, n_rows, dim = file.unpack(_SHAPE, "the shape of the matrix")
    if is_quantized:
        raise FormatError(
            f"{file.name}: is a quantized model of fastText, with vectors that are only nearly "
            "known; use the .bin that it was made of"
        )
    if dim != settings.dim or dim < 1 or n_rows != n_words + max(0, settings.bucket):
        raise file.damaged(
            f"its matrix has shape ({n_rows}, {dim}), but {n_words} words and "
            f"{settings.bucket} buckets of {settings.dim} dimensions"
        )
    start = file.skip(4 * n_rows * dim, "the matrix")
    _, n_out, dim_out = file.unpack(_SHAPE, "the shape of the output matrix")
    if n_out < 0 or dim_out < 0:
        raise file.damaged(f"its output matrix has shape ({n_out}, {dim_out})")
    file.skip(4 * n_out * dim_out, "the output matrix")
    return np.ndarray((n_rows,), f"V{4 * dim}", file.data, start)


def _subwords(
    file: _File, settings: _Settings, items: NDArray[np.void], encoded: Sequence[bytes]
) -> Subwords | None:
    """Return the n-grams of a model, None if it has none."""
    min_n, max_n = max(1, settings.minn), settings.maxn
    if max_n < min_n:
        return None
    if not len(items):
        raise file.damaged(f"it has n-grams of up to {max_n} characters, but no bucket for them")
    if max_n > LONGEST_NGRAM:
        raise FormatError(
            f"{file.name}: has n-grams of up to {max_n} characters; up to {LONGEST_NGRAM} can be "
            "read"
        )
    longest = max(encoded, key=len)
    if len(longest) > _MOST_BYTES:
        raise FormatError(
            f"{file.name}: the word {quote(longest)} has {len(longest):,} bytes; up to "
            f"{_MOST_BYTES:,} can be read in a model with n-grams"
        )
    return Subwords(items, settings.dim, min_n, max_n, settings.bucket)


def _decoded(encoded: list[bytes], source: VectorSource) -> list[str]:
    """Return words as str; bytes that are not UTF-8 as gensim shows them, such as ``\\xff``."""
    try:
        return b"\0".join(encoded).decode().split("\0")
    except UnicodeDecodeError:
        pass
    words = [word.decode(errors="backslashreplace") for word in encoded]
    changed = [word for word, old in zip(words, encoded, strict=True) if word.encode() != old]
    source.on_event(
        Warned(
            f"{source.name}: words that are not UTF-8: {len(changed):,}; their other bytes are "
            f"shown as in {changed[0]!r:.60}"
        )
    )
    return words


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a skip-gram model; without n-grams, one of words only.

    The counts are 1 if they are not known, and the output matrix is zero.
    """
    check_names_a_file(path, "fasttext")
    words, matrix, counts = content.collected()
    encoded = [word.encode() for word in words]
    for word in encoded:
        if b"\0" in word:
            raise FormatError(
                f"{path}: fastText's format cannot hold the word {quote(word)}, which has a NUL"
            )
    n_words, dim, subwords = len(words), content.dim, content.subwords
    settings = _Settings(dim)
    if subwords is not None:
        settings = settings._replace(
            bucket=subwords.n_buckets, minn=subwords.min_n, maxn=subwords.max_n
        )
    known = [1] * n_words if counts is None else counts.tolist()
    n_rows = rows_at_once(dim)
    with write_result(path) as stream:
        stream.write(struct.pack("<2i", _MAGIC, _VERSIONS[-1]) + _SETTINGS.pack(*settings))
        stream.write(_SIZES.pack(n_words, n_words, 0, min(sum(known), _MOST_TOKENS), -1))
        for word, count in zip(encoded, known, strict=True):
            stream.write(b"%b\0%b\0" % (word, count.to_bytes(8, "little")))
        stream.write(_SHAPE.pack(False, n_words + settings.bucket, dim))
        for first in range(0, n_words, n_rows):
            rows = matrix[first : first + n_rows]
            if subwords is not None:
                rows = subwords.own_vectors(rows, encoded[first : first + n_rows])
                _check_finite(path, rows, "words")
            stream.write(np.ascontiguousarray(rows, "<f4").data)
        for first in range(0, settings.bucket, n_rows):
            assert subwords is not None
            buckets = np.arange(first, min(first + n_rows, settings.bucket))
            vectors = subwords.vectors_of(buckets)
            _check_finite(path, vectors, "n-grams")
            stream.write(vectors.astype("<f4", copy=False).data)
        stream.write(_SHAPE.pack(False, n_words, dim))
        for first in range(0, n_words, n_rows):
            stream.write(bytes(4 * dim * min(n_rows, n_words - first)))


def _check_finite(path: str | os.PathLike[str], rows: NDArray[np.float32], of: str) -> None:
    """Refuse numbers that no program reads again."""
    if not np.isfinite(rows).all():
        raise FormatError(f"{path}: vectors of {of} would hold numbers that are not finite")

"""What the two formats of word2vec share: the header, limits, and decoding of words."""

from __future__ import annotations

from typing import BinaryIO, NoReturn

from ...errors import FormatError, counted
from ...text.reading.magic import kind_of
from .base import Content, VectorSource

PIECE_BYTES = 1 << 20
"""How many bytes of a file are read at a time."""

# Far above any real file, and small enough that a false header takes little memory.
_MOST_DIMS = 1 << 20
LONGEST_WORD = 1 << 24
_HEADER_LIMIT = 100


def header_of(head: bytes) -> tuple[tuple[int, int] | None, bytes]:
    """Return the two numbers of a line ``V D``, None if it is none, and what follows the line."""
    end = head.find(b"\n", 0, _HEADER_LIMIT) + 1 or _HEADER_LIMIT
    fields = head[:end].split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        return None, head[end:]
    return (int(fields[0]), int(fields[1])), head[end:]


def read_header(source: VectorSource) -> tuple[int, int]:
    """Read the line ``V D``, and check the size of the file, if it is known."""
    path, size = source.name, source.n_bytes
    kind = kind_of(source.head)
    line = source.stream.readline(_HEADER_LIMIT)
    header, _ = header_of(line)
    if kind:
        raise FormatError(f"{path}: is {kind}, not word vectors")
    if header is None:
        raise FormatError(
            f"{path}, line 1: expected the numbers of words and of dimensions, as in '71000 100', "
            f"found {quote(line)}"
        )
    n_words, dim = header
    told = f"{counted(n_words, 'word')} of {counted(dim, 'dimension')}"
    if n_words == 0 or dim == 0:
        raise FormatError(f"{path}, line 1: {told} hold no vectors")
    # A word takes a letter and a newline, a number a space and a digit;
    # the last newline may be missing.
    if size is not None and n_words * (2 + 2 * dim) - 1 > size - len(line):
        raise FormatError(
            f"{path}, line 1: {told} do not fit in a file of "
            f"{counted(size, 'byte')}; it is truncated, or line 1 is not a header"
        )
    if dim > _MOST_DIMS:
        raise FormatError(
            f"{path}, line 1: {dim} dimensions are more than can be read ({_MOST_DIMS:,})"
        )
    return n_words, dim


def write_header(stream: BinaryIO, content: Content) -> None:
    """Write the line ``V D``."""
    stream.write(f"{content.n_words} {content.dim}\n".encode())


def raise_short(path: str, n_words: int, n_read: int) -> NoReturn:
    """Raise for a file that ends too early."""
    raise FormatError(
        f"{path}: ends after {n_read} of the {counted(n_words, 'word')} that line 1 promises"
    )


def decode_word(word: bytes, place: str) -> str:
    """Decode UTF-8."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise FormatError(f"{place}: the word {quote(word)} is not UTF-8") from None


def quote(text: str | bytes) -> str:
    """Return `text` in quotes for a message: on one line, shortened."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return repr(text[:40]) + "…" * (len(text) > 40)

"""Read sources as chunks of UTF-8: decompress, decode, and take one field of records.

A chunk holds whole tokens and ends in white space, so that later steps never see part of a
token. Sources are streamed once, from start to end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from itertools import chain
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from ..settings import TextConfig
from .compression import BlockReader, decompressed, read_ahead
from .corpus_like import CorpusLike, paths_or_sentences
from .encodings import decoded, encoded
from .finding import find_sources
from .formats import RECORDS, parquet_lines, record_lines, spooled
from .long_tokens import LongTokens, after_last_space
from .magic import (
    HEAD_BYTES,
    check_controls,
    check_head,
    check_not_vectors,
    compression_of,
)
from .parts import Part, lines_of_part
from .sentences import SentenceFile, Sentences, are_words
from .sources import Source, SourceFile

CHUNK_BYTES = 1 << 20

PADDING_BYTES = 8
"""Readable bytes after a chunk, of any value: kernels load 8 bytes at a time."""

LONGEST_LINE = 1 << 27
"""The longest line, in bytes, that a tokenizer of whole lines is given."""

_ENOUGH_FOR_A_THREAD = 1 << 19  # bytes of text; less is converted while a thread would start

_LINE_FEED = 0x0A
_SPARE_BYTES = 1 + PADDING_BYTES  # after what is read; 1 for a line feed that is missing at the end
_UTF8_BOM = b"\xef\xbb\xbf"

_Piece = TypeVar("_Piece", str, bytes)


class Chunk(NamedTuple):
    """Some whole tokens of one source.

    Attributes
    ----------
    data : ndarray of shape (n_bytes + PADDING_BYTES,), uint8
        The bytes, then padding. Valid until the next chunk is requested.
    n_bytes : int
        Bytes before the padding. The last one is white space, and the last one of a source is a
        line feed (added if it is missing). 0 only at the end of a source.
    file_number : int
        Index of the source.
    offset : int
        Position of ``data`` in the source's text, in bytes of UTF-8.
    n_bytes_read : int
        Bytes read from all sources so far, as they are stored.
    n_text_bytes : int
        Bytes in all chunks so far, this one included.
    n_bad_bytes : int
        Invalid bytes replaced or ignored so far, during the conversion to UTF-8.
    n_long_tokens : int
        Tokens dropped so far because they were too long.
    """

    data: np.ndarray
    n_bytes: int
    file_number: int
    offset: int
    n_bytes_read: int
    n_text_bytes: int = 0
    n_bad_bytes: int = 0
    n_long_tokens: int = 0


def check_sources(
    paths: Sequence[str | os.PathLike[str] | Source], config: TextConfig | None = None
) -> list[Source]:
    """Return the sources of some paths, after checking that all exist and are text.

    All files are checked first, so that a bad last file does not fail after hours. Streams are not
    read. A `Source` in ``paths`` has been checked before.

    Parameters
    ----------
    paths : sequence of path-like or Source
        As in `find_sources`.
    config : TextConfig, optional
        How the files store text.

    Returns
    -------
    list of Source

    Raises
    ------
    SettingError, TextError
        As in `find_sources`, and if a file cannot be read or its first bytes do not fit its format,
        or if the tokenizer cannot be imported.
    """
    config = TextConfig() if config is None else config
    _ = config.tokenize  # raises now if it cannot be imported
    sources = find_sources(paths)
    checked = {path for path in paths if isinstance(path, Source)}
    for source in dict.fromkeys(sources):
        if isinstance(source, Sentences):
            source.check(config)
        elif not source.is_stream and source not in checked:
            with SourceFile(source) as file:
                _text_blocks(file, config, None)
    return sources


def check_corpus(corpus: CorpusLike, config: TextConfig | None = None) -> list[Source]:
    """Return the sources of a corpus, which may be sentences, too, after checking files.

    Parameters
    ----------
    corpus : CorpusLike
        See `paths_or_sentences`.
    config : TextConfig, optional
        How it holds text.

    Returns
    -------
    list of Source
        The only way to a corpus that can be read once.

    Raises
    ------
    WrongTypeError, SettingError, TextError
        As `paths_or_sentences` and `check_sources`.
    """
    return check_sources(paths_or_sentences(corpus), config)


def read_chunks(
    paths: Sequence[str | os.PathLike[str] | Source],
    config: TextConfig | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    chunk_bytes: int = CHUNK_BYTES,
) -> Iterator[Chunk]:
    """Yield the text of the sources as UTF-8, in order, as chunks of whole tokens.

    A byte order mark at the start of a source is skipped. Memory is one buffer of
    ``chunk_bytes``, larger only while a single token fills it. Tokens longer than the config's
    ``max_token_bytes`` (or `LONGEST_LINE`, if its tokenizer takes lines) are dropped. Text that is
    compressed, in another encoding or in records is converted by a separate thread, a few blocks
    of about 1 MiB ahead, unless it is short; a record is held in memory as a whole.

    Parameters
    ----------
    paths : sequence of path-like or Source
        As in `find_sources`.
    config : TextConfig, optional
        Only the encoding, the format, its field, ``errors``, ``max_token_bytes`` and ``by_line``
        are used.
    directory : path-like, optional
        Where Parquet that is compressed or comes as a stream is copied while it is read.
    chunk_bytes : int
        How much to read at a time.

    Raises
    ------
    SettingError, TextError
        As in `check_sources`, and if a source changes while it is read.
    """
    config = TextConfig() if config is None else config
    n_text_bytes = 0
    n_bytes_read = n_bad_bytes = 0  # of earlier sources
    long_tokens = LongTokens(LONGEST_LINE if config.by_line else config.max_token_bytes)
    buffer = bytearray(chunk_bytes + _SPARE_BYTES)
    for file_number, source in enumerate(find_sources(paths)):
        with _opened(source, config, directory) as (file, text):
            filled = _fill(text, buffer, 0, len(_UTF8_BOM))
            offset = file.text_begin  # of buffer[0]
            if not offset and buffer.startswith(_UTF8_BOM, 0, filled) and not are_words([source]):
                offset = len(_UTF8_BOM)
                filled -= offset
            last_byte = _LINE_FEED
            at_end = False
            long_tokens.is_within = False
            while not at_end:
                carried, room = filled, len(buffer) - _SPARE_BYTES
                filled = _fill(text, buffer, carried, room)
                at_end = filled < room
                if at_end:
                    last_byte = buffer[filled - 1] if filled else last_byte
                    if last_byte != _LINE_FEED:
                        buffer[filled] = _LINE_FEED
                        filled += 1
                n_dropped = long_tokens.drop(buffer, filled)
                filled -= n_dropped
                if long_tokens.is_within:
                    last_byte = -1
                if at_end:
                    cut = filled
                else:
                    cut = after_last_space(buffer, 0 if n_dropped else carried, filled)
                if cut:
                    last_byte = buffer[cut - 1]
                n_text_bytes += cut
                if cut or at_end:
                    yield Chunk(
                        data=np.frombuffer(buffer, np.uint8, cut + PADDING_BYTES),
                        n_bytes=cut,
                        file_number=file_number,
                        offset=offset,
                        n_bytes_read=n_bytes_read + file.n_bytes_read,
                        n_text_bytes=n_text_bytes,
                        n_bad_bytes=n_bad_bytes + file.n_bad_bytes,
                        n_long_tokens=long_tokens.n,
                    )
                offset += cut + n_dropped
                filled -= cut
                buffer = _starting_with(buffer[cut : cut + filled], buffer, chunk_bytes)
            n_bytes_read += file.n_bytes_read
            n_bad_bytes += file.n_bad_bytes


class _Readable(Protocol):
    """A stream of bytes."""

    def readinto(self, view: memoryview, /) -> int:
        """Read some bytes into ``view``; return how many, 0 at the end."""


@contextmanager
def _opened(
    source: Source, config: TextConfig, directory: str | os.PathLike[str] | None
) -> Iterator[tuple[SourceFile | SentenceFile, _Readable]]:
    """Open a source; yield it and the stream of its text: itself, if it is plain UTF-8."""
    if isinstance(source, Sentences):
        lines = SentenceFile(source, config.errors)
        yield lines, lines
        return
    part = source if isinstance(source, Part) else None
    with ExitStack() as stack:
        file = stack.enter_context(SourceFile(part.source if part else source))
        converted = _text_blocks(file, config, directory)
        blocks = lines_of_part(part, file, converted) if part else converted
        if converted is None and not file.is_slow:
            yield file, BlockReader(blocks) if blocks else file
            return
        blocks = blocks or file.blocks()
        begun: list[bytes] = []
        for block in blocks:
            begun.append(block)
            if sum(map(len, begun)) >= _ENOUGH_FOR_A_THREAD:
                break
        else:
            yield file, BlockReader(iter(begun))
            return
        owned = stack.pop_all()

    def made() -> Iterator[bytes]:
        with owned:  # closed by the thread, which may still read when the consumer stops
            yield from chain(begun, blocks)

    with closing(read_ahead(made())) as ahead:
        yield file, BlockReader(ahead)


def is_plain(source: Source, config: TextConfig) -> bool:
    """Return whether the bytes of a file are its text as UTF-8, so that parts of it can be read.

    Raises
    ------
    TextError
        As `check_sources`.
    """
    with SourceFile(source) as file:
        return _text_blocks(file, config, None) is None


def _text_blocks(
    file: SourceFile, config: TextConfig, directory: str | os.PathLike[str] | None
) -> Iterator[bytes] | None:
    """Check a file's first bytes; return its text as UTF-8, None if the file is just that."""
    head = file.peek(HEAD_BYTES)
    codec, unpacked = config.codec, None
    if kind := compression_of(head):
        head, unpacked = _peeked(decompressed(file, kind), b"")
    if config.format == "parquet":
        return _parquet_blocks(file, config, unpacked, directory)
    check_head(head, file.name, codec)
    if config.format == "lines":
        check_not_vectors(head, file.name)
        if codec == "utf-8":
            check_controls(head, file.name)
            return unpacked
    first, text = _peeked(decoded(unpacked or file.blocks(), file, codec, config.errors), "")
    check_controls(first[:HEAD_BYTES].encode(errors="ignore"), file.name)
    if config.format == "lines":
        return (encoded(block, file, config.errors) for block in text)
    records = RECORDS[config.format](text, file.name, config.field_name)
    return record_lines(records, file, config.errors)


def _parquet_blocks(
    file: SourceFile,
    config: TextConfig,
    unpacked: Iterator[bytes] | None,
    directory: str | os.PathLike[str] | None,
) -> Iterator[bytes]:
    """Return a column of a Parquet file, maybe decompressed before, as blocks of UTF-8."""
    table = file.seekable()
    if unpacked is None and table is not None:
        return parquet_lines(
            table, config.field_name, file.name, config.errors, on_share=file.tell_share
        )

    def copied() -> Iterator[bytes]:
        with spooled(unpacked or file.blocks(), file.name, directory) as copy:
            yield from parquet_lines(copy, config.field_name, file.name, config.errors)

    return copied()


def _peeked(pieces: Iterator[_Piece], none: _Piece) -> tuple[_Piece, Iterator[_Piece]]:
    """Return the first piece, ``none`` if there is none, and an iterator over all pieces."""
    first = next(pieces, none)
    return first, chain([first], pieces)


def _fill(text: _Readable, buffer: bytearray, begin: int, end: int) -> int:
    """Read into ``buffer[begin:end]`` until it is full or the text ends; return the place."""
    with memoryview(buffer) as view:
        while begin < end and (n_read := text.readinto(view[begin:end])):
            begin += n_read
    return begin


def _starting_with(rest: bytearray, buffer: bytearray, chunk_bytes: int) -> bytearray:
    """Return a buffer that begins with ``rest`` and has at least as much room after it."""
    size = chunk_bytes
    while size < 2 * len(rest):
        size *= 2
    if size + _SPARE_BYTES != len(buffer):
        buffer = bytearray(size + _SPARE_BYTES)
    buffer[: len(rest)] = rest
    return buffer

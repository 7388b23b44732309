"""The first pass over a text: from sources to types, and to the words of each type."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SettingError
from ..system.machine import memory_limit
from .compilation import compile_kernels
from .counts import ReadCounts, WordCounts, kept_by_pruning
from .reading.corpus_like import CorpusLike
from .reading.magic import HEAD_BYTES, begins_with_json_object
from .reading.reader import Chunk, check_corpus, read_chunks
from .reading.sentences import are_words, config_for
from .reading.sources import total_bytes
from .second_pass import TypeText
from .settings import TextConfig
from .tokenizers import whole

if TYPE_CHECKING:
    from .types.scanner import Piece
    from .types.temporary import TypeFile
    from .types.type_words import TypeWords

PIECE_BYTES = 1 << 21
"""Bytes that a thread scans at a time: few enough for their types to fit in the cache."""

OnProgress = Callable[[int, int, int], None]
"""Called with bytes read, bytes in total (0 if unknown), and types met, with repetition."""

_USEFUL_THREADS = 8  # more would only wait for the caller's thread
_BYTES_PER_TYPE = 400  # of a type and its word, while the tables double


def default_max_types() -> int:
    """Return the default of `TextConfig.max_types`.

    The types and their words take at most a quarter of the memory: that of the machine, or the
    limit of the process's control group (its container, for example).
    """
    return memory_limit() // 4 // _BYTES_PER_TYPE


class FirstPass:
    """The first pass: from sources to type numbers, and to the words of each type.

    Attributes
    ----------
    sources : list of Source
        What is read.
    config : TextConfig
        How text becomes words, with ``max_types`` resolved.
    n_threads : int
        Threads that are used.
    word_filter : WordFilter
        Drops words as configured.
    types : TypeTable
        The types met so far.
    type_words : TypeWords
        The words of each type, once all text is read.
    """

    type_words: TypeWords

    def __init__(
        self,
        corpus: CorpusLike,
        config: TextConfig | None,
        threads: int,
        directory: str | os.PathLike[str] | None,
        on_progress: OnProgress | None,
        piece_bytes: int,
        on_records: Callable[[str], None] | None = None,
    ) -> None:
        # Numba is slow to import, and commands import this module to print --help.
        from .filters import WordFilter
        from .line_tokenizer import LineTokenizer
        from .phrases import compile_phrase_kernels
        from .types.type_table import TypeTable
        from .types.type_words import TypeTokenizer

        if not isinstance(threads, int) or threads < 1:
            raise SettingError(f"threads must be a whole number, 1 or more, got {threads!r}")
        config = TextConfig() if config is None else config
        self.sources = check_corpus(corpus, config)
        self._max_types = config.max_types or default_max_types()
        config = replace(config_for(self.sources, config), max_types=self._max_types)
        self.config = config
        self._names = [source.name for source in self.sources]
        self._n_bytes_expected = total_bytes(self.sources)
        self.word_filter = WordFilter(config)
        compile_kernels()
        if config.phrases is not None:
            compile_phrase_kernels()
        self._began = time.perf_counter()
        self.n_threads = min(threads, _USEFUL_THREADS)
        self._directory = directory
        self._on_progress = on_progress
        self._on_records = on_records if config.format == "lines" else None
        self._piece_bytes = piece_bytes
        self._n_bytes = self._n_text_bytes = self._n_bad_bytes = self._n_pruned_types = 0
        self._n_long_tokens = 0
        self._text_ends = np.zeros(len(self.sources), np.int64)  # of each source among all texts
        self.types = TypeTable(self._names)
        self._lines = LineTokenizer(self._names, config)
        self._tokenizer = TypeTokenizer(
            whole if config.by_line or are_words(self.sources) else config.tokenize,
            prepare=str if config.by_line else config.prepare,
            errors=config.errors,
        )

    def read(self, type_file: TypeFile | None = None) -> None:
        """Read the text; write the types of its tokens to a file, if one is given."""
        from ..system.workers import Pipeline
        from .types.scanner import Piece

        chunks = read_chunks(
            self.sources, self.config, directory=self._directory, chunk_bytes=self._piece_bytes
        )
        if self._on_records is not None:
            chunks = self._report_records(chunks, self._on_records)
        if self.config.by_line:
            chunks = self._lines.tokenized(chunks)
        free: list[Piece] = []
        with Pipeline(self.n_threads) as pipeline:
            scanned = pipeline.map(Piece.scan, self._pieces(chunks, free))
            numbered = self._numbered(scanned, type_file)
            free.extend(pipeline.map(_Numbered.keep, numbered))
        self.type_words = self._tokenizer.type_words(self.types)

    def _report_records(
        self, chunks: Iterator[Chunk], on_records: Callable[[str], None]
    ) -> Iterator[Chunk]:
        """Pass chunks on; name each source that begins with a JSON object."""
        file_number = -1
        for chunk in chunks:
            if chunk.file_number != file_number:
                file_number = chunk.file_number
                if begins_with_json_object(chunk.data[:HEAD_BYTES].tobytes()):
                    on_records(self._names[file_number])
            yield chunk

    def _pieces(self, chunks: Iterator[Chunk], free: list[Piece]) -> Iterator[Piece]:
        """Load chunks into free pieces: several into one if they are short, as of small files."""
        from .types.scanner import Piece

        piece: Piece | None = None
        try:
            for chunk in chunks:
                self._text_ends[chunk.file_number] = chunk.n_text_bytes
                if piece is not None and piece.n_bytes + chunk.n_bytes <= self._piece_bytes:
                    piece.append(chunk)
                    continue
                if piece is not None:
                    yield piece
                piece = (free.pop() if free else Piece()).load(chunk)
        except Exception:
            if piece is not None:  # whose errors come first
                yield piece
            raise
        if piece is not None:
            yield piece

    def _numbered(self, pieces: Iterator[Piece], type_file: TypeFile | None) -> Iterator[_Numbered]:
        """Add the types of scanned pieces to the table; yield the numbered pieces."""
        place = n_tokens = 0
        for piece in pieces:
            chunk = piece.chunk
            self._n_bytes, self._n_text_bytes = chunk.n_bytes_read, chunk.n_text_bytes
            self._n_bad_bytes, self._n_long_tokens = chunk.n_bad_bytes, chunk.n_long_tokens
            share_read = max(self._n_bytes, 1) / max(self._n_bytes, self._n_bytes_expected, 1)
            for new_numbers in self.types.add(piece):
                numbered = _Numbered(piece, new_numbers, type_file, place, share_read)
                place += numbered.n_bytes
                n_tokens += piece.numbers.size
                self._tokenizer.add(self.types)
                if self.types.n_types > self._max_types:
                    self._prune()
                if not piece.is_done:
                    numbered.keep()  # its buffer is needed immediately
            if self._on_progress is not None:
                n_types_met = n_tokens - self.types.n_lines
                self._on_progress(self._n_bytes, self._n_bytes_expected, n_types_met)
            yield numbered

    @property
    def seconds(self) -> float:
        """Wall time since the pass began, without compilation."""
        return time.perf_counter() - self._began

    def text(self, type_file: TypeFile) -> TypeText:
        """Return the text as the types of its tokens."""
        rows = None
        if self._n_pruned_types:
            # Mapped from disk, because there may be many more numbers than types.
            rows = type_file.beside(self.types.n_numbers)
            rows[self.types.numbers] = np.arange(1, self.types.n_types + 1)
        return TypeText(self.type_words, type_file.pieces(), self.n_threads, rows)

    def word_counts(self) -> WordCounts:
        """Return the words and their counts, once all text is read."""
        words, lines = self.type_words, self._lines
        text_sizes = np.diff(np.maximum.accumulate(self._text_ends), prepend=0)
        return WordCounts(
            words=words.words,
            counts=words.counts,
            missed=words.missed,
            missed_by_others=words.missed_by_others,
            read=ReadCounts(
                n_bytes=self._n_bytes,
                n_text_bytes=self._n_text_bytes,
                n_lines=self.types.n_lines,
                n_longest_line=self.types.n_longest_line,
                n_types=self.types.n_numbers,
                n_long_tokens=self._n_long_tokens,
                n_bad_bytes=self._n_bad_bytes + lines.n_bad_bytes + words.n_bad_bytes,
                n_empty_words=lines.n_empty_words + words.n_empty_words,
                n_rewritten_words=lines.n_rewritten_words + words.n_rewritten_words,
                n_pruned_types=self._n_pruned_types,
                n_pruned=words.n_pruned,
            ),
            text_sizes=tuple(text_sizes.tolist()),
        )

    def _prune(self) -> None:
        """Forget the rarest types, by the lowest threshold that leaves at most half of them."""
        kept = kept_by_pruning(self.types.counts, self._max_types)
        self._tokenizer.prune(self.types, kept)
        self.types.prune(kept)
        self._n_pruned_types += int(kept.size - kept.sum())


class _Numbered(NamedTuple):
    """A piece with numbered types, and where to write its tokens."""

    piece: Piece
    new_numbers: np.ndarray
    type_file: TypeFile | None
    place: int  # in the file
    share_read: float  # of the text, about

    @property
    def n_bytes(self) -> int:
        """Bytes that the piece takes in the file."""
        return 4 * (2 + self.new_numbers.size) + 2 * self.piece.numbers.size

    def keep(self) -> Piece:
        """Write the piece's tokens; return the piece."""
        if self.type_file is not None:
            numbers = self.piece.numbers
            # For the error if the disk is full: word ids need about twice the space of types.
            n_needed = 3 * (self.place + self.n_bytes) / self.share_read
            self.type_file.write(self.new_numbers, numbers, self.place, n_needed)
        return self.piece

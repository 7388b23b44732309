"""The first pass over a text: from sources to types, and to the words of each type."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SettingError, TextError
from ..system.machine import memory_limit
from .compilation import compile_kernels
from .reading.corpus_like import CorpusLike
from .reading.magic import HEAD_BYTES, begins_with_json_object
from .reading.reader import Chunk, check_corpus, read_chunks
from .reading.sentences import are_words, config_for
from .reading.sources import repeated, total_bytes
from .reading_report import TextReport
from .second_pass import TypeText
from .settings import TextConfig
from .tokenizers import whole
from .vocabulary import Vocabulary, extend_vocabulary, select_words

if TYPE_CHECKING:
    from .filters import FilteredWords
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
    config : TextConfig
        How text becomes words.
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
        self._sources = check_corpus(corpus, config)
        self.config = config = config_for(self._sources, config)
        self._names = [source.name for source in self._sources]
        self._n_bytes_expected = total_bytes(self._sources)
        self._word_filter = WordFilter(config)
        compile_kernels()
        if config.phrases is not None:
            compile_phrase_kernels()
        self._began = time.perf_counter()
        self._n_threads = min(threads, _USEFUL_THREADS)
        self._directory = directory
        self._on_progress = on_progress
        self._on_records = on_records if config.format == "lines" else None
        self._piece_bytes = piece_bytes
        self._max_types = config.max_types or default_max_types()
        self._n_bytes = self._n_text_bytes = self._n_bad_bytes = self._n_pruned_types = 0
        self._n_long_tokens = 0
        self.types = TypeTable(self._names)
        self._lines = LineTokenizer(self._names, config)
        self._tokenizer = TypeTokenizer(
            whole if config.by_line or are_words(self._sources) else config.tokenize,
            prepare=str if config.by_line else config.prepare,
            errors=config.errors,
        )

    def read(self, type_file: TypeFile | None = None) -> None:
        """Read the text; write the types of its tokens to a file, if one is given."""
        from ..system.workers import Pipeline
        from .types.scanner import Piece

        chunks = read_chunks(
            self._sources, self.config, directory=self._directory, chunk_bytes=self._piece_bytes
        )
        if self._on_records is not None:
            chunks = self._report_records(chunks, self._on_records)
        if self.config.by_line:
            chunks = self._lines.tokenized(chunks)
        free: list[Piece] = []
        pieces = ((free.pop() if free else Piece()).load(chunk) for chunk in chunks)
        with Pipeline(self._n_threads) as pipeline:
            numbered = self._numbered(pipeline.map(Piece.scan, pieces), type_file)
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

    def text(self, type_file: TypeFile) -> TypeText:
        """Return the text as the types of its tokens."""
        rows = None
        if self._n_pruned_types:
            # Mapped from disk, because there may be many more numbers than types.
            rows = type_file.beside(self.types.n_numbers)
            rows[self.types.numbers] = np.arange(1, self.types.n_types + 1)
        return TypeText(self.type_words, type_file.pieces(), self._n_threads, rows)

    def filter(self, type_words: TypeWords) -> FilteredWords:
        """Drop numbers, stop-words and words outside a given vocabulary, as configured."""
        return self._word_filter.apply(type_words.words, type_words.counts)

    def select(
        self, filtered: FilteredWords, known: Vocabulary | None = None
    ) -> tuple[Vocabulary, np.ndarray]:
        """Choose the vocabulary; return it and the word id of each remaining word."""
        select = select_words if known is None else partial(extend_vocabulary, known)
        vocabulary, word_ids = select(
            filtered.words,
            filtered.counts,
            min_count=self.config.min_count,
            max_vocab=self.config.max_vocab,
            threads=self._n_threads,
        )
        if not (word_ids >= 0).any():
            if self._n_pruned_types and not filtered.words:
                raise TextError(
                    f"{_place(self._names)}: no word is left: all were forgotten, because "
                    f"memory holds at most {self._max_types:,} distinct ones",
                    "raise `max_types`",
                )
            raise _nothing_left(self._names, filtered, self.config.min_count, known is not None)
        return vocabulary, word_ids

    def report(self, filtered: FilteredWords, word_ids: np.ndarray, n_phrases: int) -> TextReport:
        """Count what was read, kept and dropped; call this last, because it reports the time."""
        words, lines, min_count = self.type_words, self._lines, self.config.min_count
        n_counted, n_filtered = int(words.counts.sum()), int(filtered.counts.sum())
        n_dropped = filtered.n_numbers + filtered.n_stopwords + filtered.n_outside_vocab
        is_kept, is_frequent = word_ids >= 0, filtered.counts >= min_count
        is_rare = words.counts < min_count
        missed = (words.counts + words.missed)[is_rare].max(initial=words.missed_by_others)
        return TextReport(
            n_bytes=self._n_bytes,
            n_lines=self.types.n_lines,
            n_longest_line=self.types.n_longest_line,
            n_types=self.types.n_numbers,
            n_tokens=n_counted + words.n_pruned,
            n_distinct_words=len(words.words),
            n_joined_tokens=n_counted - n_filtered - n_dropped,
            n_phrases=n_phrases,
            n_words=int(is_kept.sum()),
            n_kept_tokens=int(filtered.counts[is_kept].sum()),
            n_numbers=filtered.n_numbers,
            n_stopwords=filtered.n_stopwords,
            n_outside_vocab=filtered.n_outside_vocab,
            n_below_min_count=int(filtered.counts[~is_kept & ~is_frequent].sum()),
            n_beyond_max_vocab=int(filtered.counts[~is_kept & is_frequent].sum()),
            n_pruned_types=self._n_pruned_types,
            n_pruned=words.n_pruned,
            max_missed=int(missed) if self._n_pruned_types else 0,
            n_long_tokens=self._n_long_tokens,
            n_bad_bytes=self._n_bad_bytes + lines.n_bad_bytes + words.n_bad_bytes,
            n_empty_words=lines.n_empty_words + words.n_empty_words,
            n_rewritten_words=lines.n_rewritten_words + words.n_rewritten_words,
            n_unseen_stopwords=len(filtered.unseen_stopwords),
            n_unseen_vocab=len(filtered.unseen_vocab),
            unseen_vocab_words=tuple(filtered.unseen_vocab[:5]),
            n_text_bytes=self._n_text_bytes,
            n_sources=len(self._sources),
            repeated_sources=repeated(self._sources),
            seconds=time.perf_counter() - self._began,
        )

    def _prune(self) -> None:
        """Forget the rarest types, by the lowest threshold that leaves at most half of them."""
        counts = self.types.counts
        most = self._max_types // 2
        threshold = np.partition(counts, -most - 1)[-most - 1]
        kept = counts > threshold
        self._tokenizer.prune(self.types, kept)
        self.types.prune(kept)
        self._n_pruned_types += int(counts.size - kept.sum())


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


def _place(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"


def _nothing_left(
    names: Sequence[str], left: FilteredWords, min_count: int, adds: bool
) -> TextError:
    """Return the error for a text without words, or without frequent ones."""
    place = _place(names)
    if not left.words:
        causes = [
            f"{n:,} by {option}"
            for option, n in (
                ("`digits=drop`", left.n_numbers),
                ("`stopwords`", left.n_stopwords),
                ("`vocab`", left.n_outside_vocab),
            )
            if n
        ]
        if causes:
            return TextError(f"{place}: no word is left", f"tokens dropped: {', '.join(causes)}")
        return TextError(f"{place}: no words in {'it' if len(names) == 1 else 'them'}")
    count, commonest = min(
        (-count, word) for count, word in zip(left.counts.tolist(), left.words, strict=True)
    )
    times = "once" if count == -1 else f"{-count} times"
    rare = (
        f"no word occurs {min_count} times or more (the commonest, {commonest!r}, occurs {times})"
    )
    if adds:
        return TextError(f"{place}: {rare}, or is known from the run; add more text")
    return TextError(f"{place}: {rare}", "lower `min_count`")

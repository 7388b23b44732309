"""Read text files into word ids on disk.

Two passes. The first reads the files once, numbers the types (distinct runs of bytes between white
space), writes the type of each occurrence to a temporary file, and tokenizes each type once. Then
the vocabulary is chosen. The second pass replaces types by word ids. Memory is a few buffers and a
table of types whose size is limited, however long the text is.

Several threads scan pieces of the text, or replace types, at the same time. Everything that
depends on order (reading, numbering types, tokenizing, writing) is done by the caller's thread in
text order, so the result does not depend on the number of threads.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SettingError, TextError
from ..system.machine import memory_limit
from .reading.magic import HEAD_BYTES, begins_with_json_object
from .reading.reader import PADDING_BYTES, Chunk, check_sources, read_chunks
from .reading.sources import Source, repeated, total_bytes
from .reading_report import TextReport
from .settings import TextConfig
from .tokenizers import whitespace
from .types.temporary import TemporaryFile, TypeFile
from .vocabulary import Vocabulary, extend_vocabulary, select_words

if TYPE_CHECKING:
    from .filters import FilteredWords
    from .phrases import Phrase
    from .types.scanner import Piece
    from .types.type_words import TypeWords
    from .types.word_id_map import TypedText

PIECE_BYTES = 1 << 21
"""Bytes that a thread scans at a time: few enough for their types to fit in the cache."""

OnProgress = Callable[[int, int, int], None]
"""Called with bytes read, bytes in total (0 if unknown), and types met, with repetition."""

_USEFUL_THREADS = 8  # more would only wait for the caller's thread
_BYTES_PER_TYPE = 400  # of a type and its word, while the tables double


class Corpus:
    """A text as the word ids of its kept tokens; what `read_corpus` returns.

    The word ids live in a temporary file without a name, mapped into memory: nothing is left on
    the disk when the corpus is closed or the process ends, however it ends.

    Attributes
    ----------
    vocabulary : Vocabulary
        The words.
    report : TextReport
        Counts of everything read, kept and dropped.
    distinct_counts : ndarray of shape (W,), int64
        Count of each distinct word, including those too rare for the vocabulary, in any order;
        after phrases were joined and words that `TextConfig` excludes were dropped.
    phrases : list of Phrase
        The phrases found: by pass, and by falling score in each pass.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        word_ids: np.ndarray,
        report: TextReport,
        distinct_counts: np.ndarray,
        phrases: list[Phrase],
    ) -> None:
        self.vocabulary = vocabulary
        self.report = report
        self.distinct_counts = distinct_counts
        self.phrases = phrases
        self._word_ids: np.ndarray | None = word_ids

    @property
    def word_ids(self) -> np.ndarray:
        """The text: int32, read-only, contiguous.

        Word ids in [0, V), with `LINE_END` after each line. Lines without kept tokens are left
        out, so there are no two `LINE_END` in a row and none at the start.

        Raises
        ------
        TextError
            If the corpus has been closed.
        """
        if self._word_ids is None:
            raise TextError("this corpus is closed; call read_corpus again")
        return self._word_ids

    def close(self) -> None:
        """Release the word ids; the disk space is freed once no array refers to them."""
        self._word_ids = None

    def __enter__(self) -> Corpus:
        """Return the corpus itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the corpus."""
        self.close()


# More than eight parameters: each callback and option is a thing of its own.
def read_corpus(
    paths: Sequence[str | os.PathLike[str] | Source],
    config: TextConfig | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    on_join: Callable[[int, int], None] | None = None,
    on_records: Callable[[str], None] | None = None,
    known: Vocabulary | None = None,
    _piece_bytes: int = PIECE_BYTES,
) -> Corpus:
    r"""Read text into word ids.

    Files may be compressed by gzip, bzip2, xz or zstd, which is detected from the content, not
    from the name. A byte order mark at the start of a file is skipped. A line is a
    sentence: it ends with ``\n`` or with its file, and is never cut, however long (but see
    `TextConfig.max_token_bytes`). ``\r`` is white space, so files from Windows read as expected
    (and one with ``\r`` alone is a single line). NUL bytes are ordinary characters for
    ``"whitespace"`` and separate words for ``"word"``; a file that begins with many of them is
    refused as binary.

    Parameters
    ----------
    paths : sequence of path-like or Source
        Files, directories, patterns, or ``"-"`` for standard input, read in this order, once
        each; see `find_sources`.
    config : TextConfig, optional
        How text becomes words.
    directory : path-like, optional
        Where temporary files go: about 7 bytes for each token. Default: the system's
        temporary directory, which ``TMPDIR`` sets.
    threads : int
        Threads to use, including the caller's; at most 8 are used. The result does not depend on
        it. The tokenizer runs on the caller's thread.
    on_progress : callable, optional
        Called with (bytes read; bytes in total; types met, with repetition) after each piece of
        about 2 MiB. Bytes are counted as stored; the total is 0 if a source is a stream.
    on_join : callable, optional
        Called while phrases are found, with (words processed, words to process in total); see
        `join_phrases`.
    on_records : callable, optional
        Called with the name of each source that is read as lines but begins with a JSON object.
    known : Vocabulary, optional
        Words that keep their ids, however rare they are here; the words of this text are added
        by `extend_vocabulary`.

    Returns
    -------
    Corpus
        Close it, or use it in a ``with`` statement, when its disk space matters.

    Raises
    ------
    SettingError
        If ``paths`` is empty or a single path, or ``threads`` is not 1 or more.
    TextError
        If a source cannot be read, is not text in the encoding, is truncated or corrupt, or
        changes while it is read, if a record lacks the field, if a word list is malformed, if no
        word is left, if the tokenizer fails, or if ``directory`` cannot hold the temporary files.

    Examples
    --------
    >>> with read_corpus(["corpus.txt"], TextConfig(min_count=1)) as corpus:  # doctest: +SKIP
    ...     print(corpus.vocabulary.words[:3], corpus.report.n_tokens)
    """
    first_pass = _FirstPass(
        paths, config, threads, directory, on_progress, _piece_bytes, on_records
    )
    with TypeFile(directory) as type_file:
        first_pass.read(type_file)
        text = first_pass.text(type_file)

        def save(blocks: Iterable[np.ndarray], n_tokens: int) -> np.ndarray:
            n_ids = n_tokens + first_pass.types.n_lines
            return _saved(blocks, directory, type_file.n_bytes + 4 * n_ids)

        phrases: list[Phrase] = []
        n_tokens = int(text.type_words.counts.sum())
        if first_pass.config.phrases is not None and n_tokens:
            save_all = partial(save, n_tokens=n_tokens)
            text, phrases = _join(text, type_file, first_pass.config, save_all, on_join)
        filtered = first_pass.filter(text.type_words)
        vocabulary, word_ids = first_pass.select(filtered, known)
        ids = text.word_ids(filtered.word_ids(word_ids))
        mapped = save(ids, int(filtered.counts[word_ids >= 0].sum()))
    report = first_pass.report(filtered, word_ids, len(phrases))
    return Corpus(vocabulary, mapped, report, filtered.counts[filtered.counts > 0], phrases)


def count_words(
    paths: Sequence[str | os.PathLike[str] | Source],
    config: TextConfig | None = None,
    *,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    _piece_bytes: int = PIECE_BYTES,
) -> tuple[Vocabulary, TextReport]:
    """Choose the vocabulary of a text without storing the text on disk.

    Parameters
    ----------
    paths, config, threads, on_progress
        As in `read_corpus`, except that phrases cannot be joined.

    Returns
    -------
    vocabulary : Vocabulary
    report : TextReport
        The same as `read_corpus` gives.

    Raises
    ------
    SettingError, TextError
        As `read_corpus`, and if phrases are to be joined.
    """
    if config is not None and config.phrases is not None:
        raise SettingError("count_words cannot join phrases; call read_corpus")
    first_pass = _FirstPass(paths, config, threads, None, on_progress, _piece_bytes)
    first_pass.read()
    filtered = first_pass.filter(first_pass.type_words)
    vocabulary, word_ids = first_pass.select(filtered)
    return vocabulary, first_pass.report(filtered, word_ids, 0)


def default_max_types() -> int:
    """Return the default of `TextConfig.max_types`.

    The types and their words take at most a quarter of the memory: that of the machine, or the
    limit of the process's control group (its container, for example).
    """
    return memory_limit() // 4 // _BYTES_PER_TYPE


def compile_kernels() -> None:
    """Compile the kernels of `read_corpus`, or load them from the cache, before timing starts."""
    from .types.scanner import LINE_MARK, Piece
    from .types.type_table import TypeTable
    from .types.type_words import TypeTokenizer
    from .types.word_id_map import Block, TypedText, WordIdMap
    from .words import compile_word_kernels

    text = b"a b\n"
    data = np.frombuffer(text + bytes(PADDING_BYTES), np.uint8)
    types = TypeTable(["-"], _n_types=1)  # so small that it has to grow
    piece = Piece().load(Chunk(data, len(text), 0, 0, len(text)))
    (numbers,) = types.add(piece.scan())
    typed = TypedText(piece.numbers, LINE_MARK, numbers)
    types.prune(np.ones(2, bool))
    tokenizer = TypeTokenizer(whitespace, prepare=_unchanged, errors="strict")
    tokenizer.add(types)
    id_map = WordIdMap(tokenizer.type_words(types), np.zeros(2, np.int32))
    list(id_map.finish(id_map.relabel(Block().load(typed))))
    compile_word_kernels()


class _FirstPass:
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
        paths: Sequence[str | os.PathLike[str] | Source],
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
        self.config = config = TextConfig() if config is None else config
        self._sources = check_sources(paths, config)
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
        tokenize, prepare = config.tokenize, config.prepare
        if config.by_line:
            tokenize, prepare = _one_word, _unchanged
        self._tokenizer = TypeTokenizer(tokenize, prepare=prepare, errors=config.errors)

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

    def text(self, type_file: TypeFile) -> _TypeText:
        """Return the text as the types of its tokens."""
        rows = None
        if self._n_pruned_types:
            # Mapped from disk, because there may be many more numbers than types.
            rows = type_file.beside(self.types.n_numbers)
            rows[self.types.numbers] = np.arange(1, self.types.n_types + 1)
        return _TypeText(self.type_words, type_file.pieces(), self._n_threads, rows)

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


class _TypeText(NamedTuple):
    """A text as the types of its tokens, and the words of each type."""

    type_words: TypeWords
    blocks: Iterator[TypedText]
    n_threads: int
    rows: np.ndarray | None = None  # by type number: row + 1, 0 if pruned; None if none was

    def word_ids(self, word_ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the word ids of the text, given those of the words; see `WordIdMap.finish`."""
        from ..system.workers import Pipeline
        from .types.word_id_map import Block, WordIdMap

        type_words, rows = self.type_words, self.rows
        if rows is not None:  # row 0, without words, stands for pruned types
            type_words = replace(type_words, starts=np.concatenate(([0], type_words.starts)))
        id_map = WordIdMap(type_words, word_ids)

        def relabelled(block: Block) -> Block:
            if rows is not None:
                block.text = block.text._replace(types=rows[block.text.types])
            return id_map.relabel(block)

        free: list[Block] = []
        blocks = ((free.pop() if free else Block()).load(part) for part in self.blocks)
        with Pipeline(self.n_threads) as pipeline:
            for block in pipeline.map(relabelled, blocks):
                yield from id_map.finish(block)
                free.append(block)


def _join(
    text: _TypeText,
    type_file: TypeFile,
    config: TextConfig,
    save: Callable[[Iterable[np.ndarray]], np.ndarray],
    on_join: Callable[[int, int], None] | None,
) -> tuple[_TypeText, list[Phrase]]:
    """Join the phrases of a text; the types of its tokens in ``type_file`` are discarded."""
    from .phrases import join_phrases

    assert config.phrases is not None
    type_words = text.type_words
    all_words = np.arange(len(type_words.words), dtype=np.int32)
    all_ids = [save(text.word_ids(all_words))]
    type_file.clear()
    joined = join_phrases(
        all_ids.pop(),  # the only reference, so that each pass frees the previous text
        type_words.words,
        type_words.counts,
        config.phrases,
        min_count=config.phrase_min_count,
        save=save,
        on_progress=on_join,
    )
    return _TypeText(joined.type_words(), joined.text(), text.n_threads), joined.phrases


def _one_word(text: str) -> list[str]:
    """Return a type, which a tokenizer of lines has made, as a word."""
    return [text]


def _unchanged(text: str) -> str:
    return text


def _saved(
    blocks: Iterable[np.ndarray],
    directory: str | os.PathLike[str] | None,
    n_bytes_needed: float,
) -> np.ndarray:
    """Store word ids in a temporary file, and map it into memory."""
    with TemporaryFile(directory) as id_file:
        for ids in blocks:
            id_file.write_at(id_file.n_bytes, [ids], n_bytes_needed)
        return id_file.map()


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

"""A corpus as word ids on disk: the text station's front door.

Two passes. The first reads the files once, numbers the types (distinct runs of bytes between white
space), writes one type number for each occurrence to a temporary file, and tokenizes each type
once. Then the vocabulary is chosen. The second pass replaces type numbers by word ids. Memory is a
few buffers and a table of types whose size is limited, whatever the length of the text.

Several threads scan pieces of the text, or replace type numbers, at the same time. All that depends
on order (reading, numbering types, tokenizing, writing) is done by the caller's thread in the order
of the text, so that the result does not depend on the number of threads.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..errors import SettingError, TextError
from .config import TextConfig
from .reader import PADDING_BYTES, Chunk, check_paths, read_chunks
from .tokenizers import whitespace
from .vocabulary import Vocabulary, select_words

if TYPE_CHECKING:
    from .scanner import Piece
    from .typewords import TypeWords

PIECE_BYTES = 1 << 22
"""Text that a thread scans at a time: enough to be worth it, and its types fit in the cache."""

OnProgress = Callable[[int, int | None, int], None]
"""Called with bytes read, bytes in all (None if nobody knows), and types met, with repetition."""

_USEFUL_THREADS = 8  # more would only wait for the caller's thread
_BYTES_PER_TYPE = 400  # of a type and its word, while the tables double


@dataclass(frozen=True)
class TextReport:
    """What was read, kept and dropped.

    Always ``n_tokens == n_kept_tokens + n_below_min_count + n_beyond_max_vocab + n_pruned``.

    Attributes
    ----------
    n_bytes : int
        Bytes read from the files.
    n_lines : int
        Lines, empty ones too; an unfinished last line of a file counts.
    n_longest_line : int
        Runs of bytes between white space in the line that has most of them.
    n_types : int
        Distinct runs of bytes between white space: how often the tokenizer ran. One that was
        pruned counts again when it comes back.
    n_tokens : int
        Words that the tokenizer found, with repetition.
    n_distinct_words : int
        The same without repetition.
    n_words : int
        Size of the vocabulary.
    n_kept_tokens : int
        Tokens whose word is in the vocabulary.
    n_below_min_count : int
        Tokens dropped because their word is too rare.
    n_beyond_max_vocab : int
        Tokens dropped because the vocabulary was full of more frequent words.
    n_pruned_types : int
        Types forgotten, the rarest first, because there were more than ``max_types``.
    n_pruned : int
        Tokens dropped with them.
    max_missed : int
        No word left out as too rare occurs more often than this, pruned types and all; 0 if
        nothing was pruned. Below ``min_count``, pruning has cost no word its place.
    n_bad_bytes : int
        Bytes that are not UTF-8, replaced or ignored.
    n_empty_words : int
        Empty words that the tokenizer returned, dropped; not among the tokens.
    n_rewritten_words : int
        Tokens in which ``_`` replaced white space that the tokenizer left in a word.
    seconds : float
        Wall time, without compiling.
    """

    n_bytes: int
    n_lines: int
    n_longest_line: int
    n_types: int
    n_tokens: int
    n_distinct_words: int
    n_words: int
    n_kept_tokens: int
    n_below_min_count: int
    n_beyond_max_vocab: int
    n_pruned_types: int
    n_pruned: int
    max_missed: int
    n_bad_bytes: int
    n_empty_words: int
    n_rewritten_words: int
    seconds: float


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
    """

    def __init__(self, vocabulary: Vocabulary, word_ids: np.ndarray, report: TextReport) -> None:
        self.vocabulary = vocabulary
        self.report = report
        self._word_ids: np.ndarray | None = word_ids

    @property
    def word_ids(self) -> np.ndarray:
        """The text: int32, read-only, contiguous.

        Word ids in [0, V), with `LINE_END` after each line. A line without kept tokens leaves no
        trace, so no two `LINE_END` are neighbours and none comes first.

        Raises
        ------
        TextError
            If the corpus has been closed.
        """
        if self._word_ids is None:
            raise TextError("this corpus is closed; call read_corpus again")
        return self._word_ids

    def close(self) -> None:
        """Let go of the word ids; the disk space is freed once no array shows them."""
        self._word_ids = None

    def __enter__(self) -> Corpus:
        """Return the corpus itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the corpus."""
        self.close()


def read_corpus(
    paths: Sequence[str | os.PathLike[str]],
    config: TextConfig | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    _piece_bytes: int = PIECE_BYTES,
) -> Corpus:
    r"""Read text files into word ids.

    Text is UTF-8; a byte order mark at the start of a file is skipped. A line is a sentence: it
    ends with ``\n`` or with its file, and is never cut, however long. ``\r`` is white space, so
    files from Windows read as they should (and one with ``\r`` alone is a single line). NUL bytes
    are characters like any other to ``"whitespace"``, and separate words for ``"word"``.

    Parameters
    ----------
    paths : sequence of path-like
        Files, read in this order, once each.
    config : TextConfig, optional
        How text becomes words.
    directory : path-like, optional
        Where temporary files go: about 8 bytes for each token. Default: the system's
        temporary directory, which ``TMPDIR`` sets.
    threads : int
        Threads to use, the caller's among them; more than 8 are not used. The result does not
        depend on it. The tokenizer runs on the caller's thread.
    on_progress : callable, optional
        Called with (bytes read; bytes in all, or None if nobody knows; types met, with repetition)
        after each piece of text, 4 MiB or so.

    Returns
    -------
    Corpus
        Close it, or use it in a ``with`` statement, when its disk space matters.

    Raises
    ------
    SettingError
        If ``paths`` is empty or a single path, or ``threads`` is not 1 or more.
    TextError
        If a file cannot be read or is not UTF-8, if no word is left, if the tokenizer fails, or
        if ``directory`` cannot hold the temporary files.

    Examples
    --------
    >>> with read_corpus(["corpus.txt"], TextConfig(min_count=1)) as corpus:  # doctest: +SKIP
    ...     print(corpus.vocabulary.words[:3], corpus.report.n_tokens)
    """
    first_pass = _FirstPass(paths, config, threads, on_progress, _piece_bytes)
    with _NumberFile(directory) as type_file:
        first_pass.read(type_file)
        vocabulary, word_ids = first_pass.select_words()
        with _NumberFile(directory) as id_file:
            n_ids = int(vocabulary.counts.sum()) + first_pass.types.n_lines
            n_written = 0
            for ids in first_pass.word_ids(type_file, word_ids):
                id_file.write(ids, n_written, type_file.n_bytes + 4 * n_ids)
                n_written += ids.size
            mapped = id_file.map()
    return Corpus(vocabulary, mapped, first_pass.report(vocabulary))


def count_words(
    paths: Sequence[str | os.PathLike[str]],
    config: TextConfig | None = None,
    *,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    _piece_bytes: int = PIECE_BYTES,
) -> tuple[Vocabulary, TextReport]:
    """Choose the vocabulary of text files without keeping the text: nothing goes to the disk.

    Parameters
    ----------
    paths, config, threads, on_progress
        As in `read_corpus`.

    Returns
    -------
    vocabulary : Vocabulary
    report : TextReport
        The same as `read_corpus` gives.

    Raises
    ------
    SettingError, TextError
        As `read_corpus`.
    """
    first_pass = _FirstPass(paths, config, threads, on_progress, _piece_bytes)
    first_pass.read()
    vocabulary, _ = first_pass.select_words()
    return vocabulary, first_pass.report(vocabulary)


def default_max_types() -> int:
    """Return how many types may be held when `TextConfig` does not say.

    They and their words fill a quarter of the memory at most: that of the machine, or what the
    control group of the process may use (its container, for example).
    """
    return min(_memory_limits()) // 4 // _BYTES_PER_TYPE


def _memory_limits() -> Iterator[int]:
    """Yield every limit in bytes that can be found; at least a guess."""
    try:
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # as on Windows
        yield 1 << 33
    for control_group in ("memory.max", "memory/memory.limit_in_bytes"):  # versions 2 and 1
        with suppress(OSError, ValueError):  # "max" is no number
            yield int(Path("/sys/fs/cgroup", control_group).read_text())


def compile_kernels() -> None:
    """Compile what `read_corpus` calls, or load it from Numba's cache, before a clock starts."""
    from .scanner import Piece, TypeTable, renumber
    from .typewords import Block, TypeTokenizer, WordIdMap

    text = b"a b\n"
    data = np.frombuffer(text + bytes(PADDING_BYTES), np.uint8)
    types = TypeTable(["-"], _n_types=1)  # so small that it has to grow
    piece = Piece().load(Chunk(data, len(text), 0, 0, len(text)))
    (numbers,) = types.take_up(piece.scan())
    renumber(piece.numbers, numbers)
    types.prune(np.ones(2, bool))
    tokenizer = TypeTokenizer(whitespace, lowercase=False, errors="strict")
    tokenizer.add(types)
    id_map = WordIdMap(tokenizer.type_words(types), np.zeros(2, np.int32))
    list(id_map.take_up(id_map.relabel(Block().load(piece.numbers))))


class _FirstPass:
    """From files to type numbers, and what the types stand for.

    Attributes
    ----------
    types : TypeTable
        The types met so far.
    type_words : TypeWords
        What they stand for, once the text has been read.
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        config: TextConfig | None,
        threads: int,
        on_progress: OnProgress | None,
        piece_bytes: int,
    ) -> None:
        # Numba takes a while to import, and commands ask this module for names to print --help.
        from .scanner import TypeTable
        from .typewords import TypeTokenizer

        if not isinstance(threads, int) or threads < 1:
            raise SettingError(f"threads must be a whole number, 1 or more, got {threads!r}")
        self._config = config = TextConfig() if config is None else config
        self._names, self._n_bytes_expected = check_paths(paths)
        compile_kernels()
        self._began = time.perf_counter()
        self._n_threads = min(threads, _USEFUL_THREADS)
        self._on_progress = on_progress
        self._piece_bytes = piece_bytes
        self._max_types = config.max_types or default_max_types()
        self._n_bytes = self._n_pruned_types = 0
        self.types = TypeTable(self._names)
        self._tokenizer = TypeTokenizer(
            config.tokenize, lowercase=config.lowers, errors=config.errors
        )

    def read(self, type_file: _NumberFile | None = None) -> None:
        """Read the text, and keep the type numbers of its tokens in a file."""
        from ..workers import Pipeline
        from .scanner import Piece

        chunks = read_chunks(self._names, chunk_bytes=self._piece_bytes)
        free: list[Piece] = []
        pieces = ((free.pop() if free else Piece()).load(chunk) for chunk in chunks)
        with Pipeline(self._n_threads) as pipeline:
            numbered = self._numbered(pipeline.map(Piece.scan, pieces), type_file)
            free.extend(pipeline.map(_Numbered.keep, numbered))
        self.type_words = self._tokenizer.type_words(self.types)

    def _numbered(
        self, pieces: Iterator[Piece], type_file: _NumberFile | None
    ) -> Iterator[_Numbered]:
        """Take up the types of scanned pieces; yield what is left to do with each piece."""
        n_numbers = 0
        for piece in pieces:
            self._n_bytes = piece.chunk.n_bytes_read
            share_read = max(self._n_bytes, 1) / max(self._n_bytes, self._n_bytes_expected, 1)
            for new_numbers in self.types.take_up(piece):
                numbered = _Numbered(piece, new_numbers, type_file, n_numbers, share_read)
                n_numbers += piece.numbers.size
                self._tokenizer.add(self.types)
                if self.types.n_types > self._max_types:
                    self._prune()
                if not piece.is_done:
                    numbered.keep()  # its room is needed at once
            if self._on_progress is not None:
                n_types_met = n_numbers - self.types.n_lines
                self._on_progress(self._n_bytes, self._n_bytes_expected or None, n_types_met)
            yield numbered

    def select_words(self) -> tuple[Vocabulary, np.ndarray]:
        """Choose the vocabulary; return also the word id of each word that the types have."""
        words, counts = self.type_words.words, self.type_words.counts
        vocabulary, word_ids = select_words(
            words, counts, min_count=self._config.min_count, max_vocab=self._config.max_vocab
        )
        if len(vocabulary) == 0:
            raise _nothing_left(self._names, self.type_words, self._config.min_count)
        return vocabulary, word_ids

    def word_ids(self, type_file: _NumberFile, word_ids: np.ndarray) -> Iterator[np.ndarray]:
        """Yield the word ids of the text, given its type numbers; see `WordIdMap.take_up`."""
        from ..workers import Pipeline
        from .scanner import renumber
        from .typewords import Block, WordIdMap

        type_words, rows = self.type_words, self._rows_of_numbers(type_file)
        if rows is not None:  # a type without words comes first, for those that were pruned
            type_words = replace(type_words, starts=np.concatenate(([0], type_words.starts)))
        id_map = WordIdMap(type_words, word_ids)

        def relabelled(block: Block) -> Block:
            if rows is not None:
                renumber(block.type_numbers, rows)
            return id_map.relabel(block)

        free: list[Block] = []
        blocks = ((free.pop() if free else Block()).load(part) for part in type_file.blocks())
        with Pipeline(self._n_threads) as pipeline:
            for block in pipeline.map(relabelled, blocks):
                yield from id_map.take_up(block)
                free.append(block)

    def report(self, vocabulary: Vocabulary) -> TextReport:
        """Count what was read, kept and dropped; call it last, for its time."""
        words, min_count = self.type_words, self._config.min_count
        is_rare = words.counts < min_count
        n_counted, n_rare = int(words.counts.sum()), int(words.counts[is_rare].sum())
        n_kept_tokens = int(vocabulary.counts.sum())
        missed = (words.counts + words.missed)[is_rare].max(initial=words.missed_by_others)
        return TextReport(
            n_bytes=self._n_bytes,
            n_lines=self.types.n_lines,
            n_longest_line=self.types.n_longest_line,
            n_types=self.types.n_numbers,
            n_tokens=n_counted + words.n_pruned,
            n_distinct_words=len(words.words),
            n_words=len(vocabulary),
            n_kept_tokens=n_kept_tokens,
            n_below_min_count=n_rare,
            n_beyond_max_vocab=n_counted - n_rare - n_kept_tokens,
            n_pruned_types=self._n_pruned_types,
            n_pruned=words.n_pruned,
            max_missed=int(missed) if self._n_pruned_types else 0,
            n_bad_bytes=words.n_bad_bytes,
            n_empty_words=words.n_empty_words,
            n_rewritten_words=words.n_rewritten_words,
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

    def _rows_of_numbers(self, type_file: _NumberFile) -> np.ndarray | None:
        """Return, by type number, the type's row + 1, 0 if it was pruned; None if none was.

        It lies on the disk as far as memory is short: there may be many more numbers than types.
        """
        if not self._n_pruned_types:
            return None
        rows = type_file.beside(self.types.n_numbers)
        rows[self.types.numbers] = np.arange(1, self.types.n_types + 1)
        return rows


class _Numbered(NamedTuple):
    """A piece whose types have been given numbers, and where its tokens' numbers go."""

    piece: Piece
    new_numbers: np.ndarray
    type_file: _NumberFile | None
    place: int  # in the file, of the first number
    share_read: float  # of the text, about

    def keep(self) -> Piece:
        """Replace the piece's own numbers and write them; return the piece."""
        from .scanner import renumber

        if self.type_file is not None:
            numbers = self.piece.numbers
            renumber(numbers, self.new_numbers)
            # Should the disk be full: the word ids need about as much as the type numbers.
            n_needed = 2 * 4 * (self.place + numbers.size) / self.share_read
            self.type_file.write(numbers, self.place, n_needed)
        return self.piece


def _nothing_left(names: Sequence[str], type_words: TypeWords, min_count: int) -> TextError:
    """Return the error for a text without words, or without frequent ones."""
    place = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if len(type_words.words) == 0:
        return TextError(f"{place}: no words in {'it' if len(names) == 1 else 'them'}")
    count, commonest = min(
        (-count, word)
        for count, word in zip(type_words.counts.tolist(), type_words.words, strict=True)
    )
    times = "once" if count == -1 else f"{-count} times"
    return TextError(
        f"{place}: no word occurs {min_count} times or more (the commonest, {commonest!r}, "
        f"occurs {times}); lower --min-count"
    )


class _NumberFile:
    """An int32 array in a temporary file that has no name, so that nothing can be left behind."""

    _BLOCK_NUMBERS = 1 << 18

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self.n_bytes = 0
        self._lock = Lock()
        try:
            self._directory = os.fspath(tempfile.gettempdir() if directory is None else directory)
            self._file = tempfile.TemporaryFile(  # noqa: SIM115 (closed by __exit__)
                buffering=0, dir=self._directory
            )
        except OSError as error:
            raise TextError(
                f"{directory or 'temporary directory'}: cannot hold temporary files: "
                f"{error.strerror}; set TMPDIR to a directory that can"
            ) from error

    def __enter__(self) -> _NumberFile:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def write(self, numbers: np.ndarray, place: int, n_bytes_needed: float) -> None:
        """Write int32 numbers; should the disk be full, say how much room is needed in all.

        Several threads may write at once, each to another place.
        """
        left = numbers.data.cast("B")
        try:
            with self._lock:
                self._file.seek(4 * place)
                while left:
                    n_written = self._file.write(left)
                    self.n_bytes += n_written
                    left = left[n_written:]
        except OSError as error:
            raise TextError(
                f"{self._directory}: cannot hold the temporary word ids: {error.strerror}; they "
                f"need about {n_bytes_needed:,.0f} bytes; set TMPDIR to a directory with room"
            ) from error

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield what was written, from its start, in blocks."""
        self._file.seek(0)
        while (block := np.fromfile(self._file, np.int32, self._BLOCK_NUMBERS)).size:
            yield block

    def beside(self, n: int) -> np.ndarray:
        """Return n zeros in another such file, mapped into memory."""
        with _NumberFile(self._directory) as file:
            file._file.truncate(4 * n)
            return np.frombuffer(mmap.mmap(file._file.fileno(), 0), np.int32)

    def map(self) -> np.ndarray:
        """Return what was written, mapped into memory, read-only; it must not be empty."""
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.int32)

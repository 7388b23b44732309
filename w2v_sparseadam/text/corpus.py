"""A corpus as word ids on disk: the text station's front door.

Two passes. The first reads the files once, numbers the types (distinct runs of bytes between white
space) and writes one type number for each occurrence to a temporary file. Between them, each type
is decoded and tokenized once, and the vocabulary chosen. The second pass replaces type numbers by
word ids. Memory is a few buffers and the table of types, whatever the length of the text.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import TextError
from .config import TextConfig
from .reader import CHUNK_BYTES, PADDING_BYTES, Chunk, check_sources, read_chunks
from .sources import Source, repeated, total_bytes
from .tokenizers import whitespace
from .vocabulary import Vocabulary, select_words

if TYPE_CHECKING:
    from .phrases import Phrase
    from .typewords import TypeWords
    from .wordlists import FilteredWords


@dataclass(frozen=True)
class TextReport:
    """What was read, kept and dropped.

    Always ``n_tokens == n_kept_tokens + n_joined_tokens + n_numbers + n_stopwords +
    n_outside_vocab + n_below_min_count + n_beyond_max_vocab``: a token is counted at the first
    step of `TextConfig` that takes it away.

    Attributes
    ----------
    n_bytes : int
        Bytes read from the sources, as they are stored.
    n_lines : int
        Lines, empty ones too; an unfinished last line of a file counts.
    n_longest_line : int
        Runs of bytes between white space in the line that has most of them.
    n_types : int
        Distinct runs of bytes between white space: how often the tokenizer ran. Of a tokenizer
        that is given whole lines, distinct words.
    n_tokens : int
        Words that the tokenizer found, with repetition.
    n_distinct_words : int
        The same without repetition.
    n_joined_tokens : int
        Tokens that became part of a phrase, but for the first of each phrase.
    n_phrases : int
        Pairs of words that were joined to phrases, in all passes.
    n_words : int
        Size of the vocabulary.
    n_kept_tokens : int
        Tokens whose word is in the vocabulary.
    n_numbers : int
        Tokens dropped by ``digits="drop"``.
    n_stopwords : int
        Tokens dropped because their word is a stop-word.
    n_outside_vocab : int
        Tokens dropped because the vocabulary that was given lacks their word.
    n_below_min_count : int
        Tokens dropped because their word is too rare.
    n_beyond_max_vocab : int
        Tokens dropped because the vocabulary was full of more frequent words.
    n_bad_bytes : int
        Bytes that are not text in the encoding, replaced or ignored.
    n_empty_words : int
        Empty words that the tokenizer returned, dropped; not among the tokens.
    n_rewritten_words : int
        Tokens in which ``_`` replaced white space that the tokenizer left in a word.
    n_unseen_stopwords : int
        Words of the stop-word list that the text does not have.
    n_unseen_vocab : int
        Words of the vocabulary that was given that the text does not have.
    unseen_vocab_words : tuple of str
        The first five of them.
    n_text_bytes : int
        Bytes of text: decompressed, of the field that is read, as UTF-8, all lines ended.
    n_sources : int
        Files and streams read.
    repeated_sources : tuple of str
        Files that were read more than once, because they were given so.
    seconds : float
        Wall time, without compiling.
    """

    n_bytes: int
    n_lines: int
    n_longest_line: int
    n_types: int
    n_tokens: int
    n_distinct_words: int
    n_joined_tokens: int
    n_phrases: int
    n_words: int
    n_kept_tokens: int
    n_numbers: int
    n_stopwords: int
    n_outside_vocab: int
    n_below_min_count: int
    n_beyond_max_vocab: int
    n_bad_bytes: int
    n_empty_words: int
    n_rewritten_words: int
    n_unseen_stopwords: int
    n_unseen_vocab: int
    unseen_vocab_words: tuple[str, ...]
    n_text_bytes: int
    n_sources: int
    repeated_sources: tuple[str, ...]
    seconds: float

    def record(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them, without ``n_``, and mb_per_s."""
        fields = {name.removeprefix("n_"): value for name, value in asdict(self).items()}
        return {**fields, "mb_per_s": self.n_text_bytes / 1e6 / self.seconds}


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
        How often each distinct word occurs, also those too rare for the vocabulary, in any order;
        once phrases are joined and the words dropped that `TextConfig` names.
    phrases : list of Phrase
        The phrases found: by pass, and in a pass the best score first.
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
    paths: Sequence[str | os.PathLike[str] | Source],
    config: TextConfig | None = None,
    *,
    directory: str | os.PathLike[str] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    on_join: Callable[[int, int], None] | None = None,
    _chunk_bytes: int = CHUNK_BYTES,
) -> Corpus:
    r"""Read text into word ids.

    Files may be compressed by gzip, bzip2, xz or zstd, which is seen from what they hold rather
    than from their names. A byte order mark at the start of a file is skipped. A line is a
    sentence: it ends with ``\n`` or with its file, and is never cut, however long. ``\r`` is white
    space, so files from Windows read as they should (and one with ``\r`` alone is a single line).
    NUL bytes are characters like any other to ``"whitespace"``, and separate words for ``"word"``;
    a file whose head is full of them is taken for binary and refused.

    Parameters
    ----------
    paths : sequence of path-like or Source
        Files, directories, patterns, or ``"-"`` for standard input, read in this order, once
        each; see `find_sources`.
    config : TextConfig, optional
        How text becomes words.
    directory : path-like, optional
        Where temporary files go: about 8 bytes for each token. Default: the system's
        temporary directory, which ``TMPDIR`` sets.
    on_progress : callable, optional
        Called with (bytes read, bytes in all) after each piece of text, 1 MiB or so. Bytes are
        those stored; their number in all is 0 if a source is a stream.
    on_join : callable, optional
        Called likewise while phrases are found, with (words gone through, words to go through in
        all); see `join_phrases`.

    Returns
    -------
    Corpus
        Close it, or use it in a ``with`` statement, when its disk space matters.

    Raises
    ------
    SettingError
        If ``paths`` is empty or a single path.
    TextError
        If a source cannot be read, is not text in the encoding, is truncated or corrupt, or
        changes while it is read, if a record lacks the field, if a word list has a fault, if no
        word is left, if the tokenizer fails, or if ``directory`` cannot hold the temporary files.

    Examples
    --------
    >>> with read_corpus(["corpus.txt"], TextConfig(min_count=1)) as corpus:  # doctest: +SKIP
    ...     print(corpus.vocabulary.words[:3], corpus.report.n_tokens)
    """
    # Numba takes a while to import, and commands ask this module for TextConfig to print --help.
    from .lines import LineTokenizer
    from .phrases import compile_phrase_kernels, join_phrases
    from .scanner import TypeScanner
    from .typewords import tokenize_types
    from .wordlists import WordFilter

    config = TextConfig() if config is None else config
    sources = check_sources(paths, config)
    names = [source.name for source in sources]
    n_bytes_expected = total_bytes(sources)
    word_filter = WordFilter(config)
    compile_kernels()
    if config.phrases is not None:
        compile_phrase_kernels()
    began = time.perf_counter()
    types = TypeScanner(names)
    n_bytes = n_text_bytes = n_bad_bytes = 0
    chunks = read_chunks(sources, config, directory=directory, chunk_bytes=_chunk_bytes)
    lines = LineTokenizer(names, config)
    tokenize, prepare = config.tokenize, config.prepare
    if config.by_line:
        chunks = lines.tokenized(chunks)
        tokenize, prepare = _one_word, _as_it_is
    with _NumberFile(directory) as type_file:
        for chunk in chunks:
            n_bytes, n_text_bytes = chunk.n_bytes_read, chunk.n_text_bytes
            n_bad_bytes = chunk.n_bad_bytes
            for type_numbers in types.scan(chunk):
                # Should the disk be full: the word ids need about as much as the type numbers.
                n_needed = 2 * (type_file.n_bytes + type_numbers.nbytes)
                share_read = max(n_bytes, 1) / max(n_bytes, n_bytes_expected, 1)
                type_file.append(type_numbers, n_needed / share_read)
            if on_progress is not None:
                on_progress(n_bytes, n_bytes_expected)
        type_words = tokenize_types(types, tokenize, prepare=prepare, errors=config.errors)
        n_tokens, n_distinct_words = int(type_words.counts.sum()), len(type_words.words)
        text: Iterable[np.ndarray] = type_file.blocks()
        phrases: list[Phrase] = []

        def save(blocks: Iterable[np.ndarray], n_ids: int) -> np.ndarray:
            return _saved(blocks, directory, type_file.n_bytes + 4 * n_ids)

        n_empty_words = lines.n_empty_words + type_words.n_empty_words
        n_rewritten_words = lines.n_rewritten_words + type_words.n_rewritten_words
        n_bad_bytes += lines.n_bad_bytes + type_words.n_bad_bytes
        if config.phrases is not None and n_tokens:
            all_words = np.arange(n_distinct_words, dtype=np.int32)
            n_ids = n_tokens + types.n_lines
            all_ids = [save(_relabelled(type_words, all_words, text), n_ids)]
            type_file.clear()
            joined = join_phrases(
                all_ids.pop(),  # the only reference, so that each pass frees the text before
                type_words.words,
                type_words.counts,
                config.phrases,
                min_count=config.phrase_min_count,
                save=partial(save, n_ids=n_ids),
                on_progress=on_join,
            )
            type_words, text, phrases = joined.type_words(), [joined.word_ids], joined.phrases
        filtered = word_filter.apply(type_words.words, type_words.counts)
        vocabulary, word_ids = select_words(
            filtered.words,
            filtered.counts,
            min_count=config.min_count,
            max_vocab=config.max_vocab,
        )
        if len(vocabulary) == 0:
            raise _nothing_left(names, filtered, config.min_count)
        n_kept_tokens = int(vocabulary.counts.sum())
        left_ids = filtered.word_ids(word_ids)
        mapped = save(_relabelled(type_words, left_ids, text), n_kept_tokens + types.n_lines)
    n_joined_tokens = n_tokens - int(type_words.counts.sum())
    n_filtered = int(filtered.counts.sum())
    n_frequent = int(filtered.counts[filtered.counts >= config.min_count].sum())
    report = TextReport(
        n_bytes=n_bytes,
        n_lines=types.n_lines,
        n_longest_line=types.n_longest_line,
        n_types=types.n_types,
        n_tokens=n_tokens,
        n_distinct_words=n_distinct_words,
        n_joined_tokens=n_joined_tokens,
        n_phrases=len(phrases),
        n_words=len(vocabulary),
        n_kept_tokens=n_kept_tokens,
        n_numbers=filtered.n_numbers,
        n_stopwords=filtered.n_stopwords,
        n_outside_vocab=filtered.n_outside_vocab,
        n_below_min_count=n_filtered - n_frequent,
        n_beyond_max_vocab=n_frequent - n_kept_tokens,
        n_bad_bytes=n_bad_bytes,
        n_empty_words=n_empty_words,
        n_rewritten_words=n_rewritten_words,
        n_unseen_stopwords=len(filtered.unseen_stopwords),
        n_unseen_vocab=len(filtered.unseen_vocab),
        unseen_vocab_words=tuple(filtered.unseen_vocab[:5]),
        n_text_bytes=n_text_bytes,
        n_sources=len(sources),
        repeated_sources=repeated(sources),
        seconds=time.perf_counter() - began,
    )
    counts = filtered.counts[filtered.counts > 0]
    return Corpus(vocabulary, mapped, report, counts, phrases)


def compile_kernels() -> None:
    """Compile what `read_corpus` calls, or load it from Numba's cache, before a clock starts."""
    from .scanner import TypeScanner
    from .typewords import WordIdMap, tokenize_types

    text = b"a b\n"
    data = np.frombuffer(text + bytes(PADDING_BYTES), np.uint8).copy()
    types = TypeScanner(["-"], _n_types=1)  # so small that it has to grow
    numbers = [part.copy() for part in types.scan(Chunk(data, len(text), 0, 0, len(text)))]
    type_words = tokenize_types(types, whitespace, prepare=_as_it_is, errors="strict")
    id_map = WordIdMap(type_words, np.zeros(len(type_words.words), np.int32))
    for part in numbers:
        list(id_map.relabel(part))


def _one_word(text: str) -> list[str]:
    """Take a type as the word that a tokenizer of lines made of it."""
    return [text]


def _as_it_is(text: str) -> str:
    return text


def _relabelled(
    type_words: TypeWords, word_ids: np.ndarray, text: Iterable[np.ndarray]
) -> Iterator[np.ndarray]:
    """Yield the word ids of a text of types, in blocks."""
    from .typewords import WordIdMap

    id_map = WordIdMap(type_words, word_ids)
    for type_numbers in text:
        yield from id_map.relabel(type_numbers)


def _saved(
    blocks: Iterable[np.ndarray],
    directory: str | os.PathLike[str] | None,
    n_bytes_needed: float,
) -> np.ndarray:
    """Store word ids in a temporary file, and return it mapped into memory."""
    with _NumberFile(directory) as id_file:
        for ids in blocks:
            id_file.append(ids, n_bytes_needed)
        return id_file.map()


def _nothing_left(names: Sequence[str], left: FilteredWords, min_count: int) -> TextError:
    """Return the error for a text without words, or without frequent ones."""
    place = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    if not left.words:
        causes = [
            f"{n:,} by {option}"
            for option, n in (
                ("--digits drop", left.n_numbers),
                ("--stopwords", left.n_stopwords),
                ("--vocab", left.n_outside_vocab),
            )
            if n
        ]
        if causes:
            return TextError(f"{place}: no word is left; tokens dropped: {', '.join(causes)}")
        return TextError(f"{place}: no words in {'it' if len(names) == 1 else 'them'}")
    count, commonest = min(
        (-count, word) for count, word in zip(left.counts.tolist(), left.words, strict=True)
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

    def append(self, numbers: np.ndarray, n_bytes_needed: float) -> None:
        """Write int32 numbers; should the disk be full, say how much room is needed in all."""
        left = numbers.data.cast("B")
        try:
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

    def clear(self) -> None:
        """Free the disk space."""
        self._file.truncate(0)

    def map(self) -> np.ndarray:
        """Return what was written, mapped into memory, read-only; it must not be empty."""
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.int32)

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
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SettingError, TextError
from .first_pass import PIECE_BYTES, FirstPass, OnProgress
from .reading.corpus_like import CorpusLike
from .reading_report import TextReport, text_report
from .second_pass import join_text, save_word_ids
from .selection import choose_words
from .settings import TextConfig
from .types.temporary import TypeFile
from .vocabulary import Vocabulary

if TYPE_CHECKING:
    from .counts import WordCounts
    from .filters import FilteredWords
    from .phrases import Phrase


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
    corpus: CorpusLike,
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

    A corpus is paths, or sentences that are Python objects.

    Files may be compressed by gzip, bzip2, xz or zstd, which is detected from the content, not from
    the name. A byte order mark at the start of a file is skipped. A line is a
    sentence: it ends with ``\n`` or with its file, and is never cut, however long (but see
    `TextConfig.max_token_bytes`). ``\r`` is white space, so files from Windows read as expected
    (and one with ``\r`` alone is a single line). NUL bytes are ordinary characters for
    ``"whitespace"`` and separate words for ``"word"``; a file that begins with many of them is
    refused as binary.

    Parameters
    ----------
    corpus : path, sequence of paths, iterable of sentences, or open file
        Files, directories, patterns, or ``"-"`` for standard input, read in this order, once
        each; see `find_sources`. Or any iterable of sentences, which is iterated over once: each is
        a str, which is read like a line of a file, or a list or tuple of words, which are kept as
        they are: no tokenizer is applied, and text is lower-cased and normalized only if ``config``
        says so explicitly. It may be a column of pandas, Polars, Arrow or Hugging Face datasets.
        `paths_or_sentences` tells how a list of str is understood.
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
    WrongTypeError
        If ``corpus`` is nothing of that kind, or has sentences of different kinds.
    SettingError
        If ``corpus`` is empty or a str that is no path, or ``threads`` is not 1 or more.
    TextError
        If a source cannot be read, is not text in the encoding, is truncated or corrupt, or
        changes while it is read, if a record lacks the field, if a word list is malformed, if no
        word is left, if the tokenizer fails, if a word in a list is empty or has white space, or if
        ``directory`` cannot hold the temporary files.

    Examples
    --------
    >>> with read_corpus(["corpus.txt"], TextConfig(min_count=1)) as corpus:  # doctest: +SKIP
    ...     print(corpus.vocabulary.words[:3], corpus.report.n_tokens)
    """
    first_pass = FirstPass(
        corpus, config, threads, directory, on_progress, _piece_bytes, on_records
    )
    with TypeFile(directory) as type_file:
        first_pass.read(type_file)
        counted, text = first_pass.word_counts(), first_pass.text(type_file)

        def save(blocks: Iterable[np.ndarray], n_tokens: int) -> np.ndarray:
            n_ids = n_tokens + first_pass.types.n_lines
            return save_word_ids(blocks, directory, type_file.n_bytes + 4 * n_ids)

        phrases: list[Phrase] = []
        n_tokens = int(text.type_words.counts.sum())
        if first_pass.config.phrases is not None and n_tokens:
            save_all = partial(save, n_tokens=n_tokens)
            text, phrases = join_text(text, type_file, first_pass.config, save_all, on_join)
        filtered = first_pass.word_filter.apply(text.type_words.words, text.type_words.counts)
        vocabulary, word_ids = _chosen(first_pass, counted, filtered, known)
        ids = text.word_ids(filtered.word_ids(word_ids))
        mapped = save(ids, int(filtered.counts[word_ids >= 0].sum()))
    report = _report(first_pass, counted, filtered, word_ids, len(phrases))
    return Corpus(vocabulary, mapped, report, filtered.counts[filtered.counts > 0], phrases)


def count_words(
    corpus: CorpusLike,
    config: TextConfig | None = None,
    *,
    threads: int = 1,
    on_progress: OnProgress | None = None,
    _piece_bytes: int = PIECE_BYTES,
) -> tuple[Vocabulary, TextReport]:
    """Choose the vocabulary of a text without storing the text on disk.

    Parameters
    ----------
    corpus, config, threads, on_progress
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
    first_pass = FirstPass(corpus, config, threads, None, on_progress, _piece_bytes)
    first_pass.read()
    counted = first_pass.word_counts()
    filtered = first_pass.word_filter.apply(counted.words, counted.counts)
    vocabulary, word_ids = _chosen(first_pass, counted, filtered, None)
    return vocabulary, _report(first_pass, counted, filtered, word_ids, 0)


def _chosen(
    first_pass: FirstPass,
    counted: WordCounts,
    filtered: FilteredWords,
    known: Vocabulary | None,
) -> tuple[Vocabulary, np.ndarray]:
    """Choose the vocabulary; return it and the word id of each remaining word."""
    return choose_words(
        counted,
        filtered,
        first_pass.config,
        [source.name for source in first_pass.sources],
        known=known,
        threads=first_pass.n_threads,
    )


def _report(
    first_pass: FirstPass,
    counted: WordCounts,
    filtered: FilteredWords,
    word_ids: np.ndarray,
    n_phrases: int,
) -> TextReport:
    """Report what was read; call this last, because it reports the time."""
    return text_report(
        counted,
        filtered,
        word_ids,
        min_count=first_pass.config.min_count,
        n_phrases=n_phrases,
        sources=first_pass.sources,
        seconds=first_pass.seconds,
    )

"""Counts of what was read, kept and dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .counts import WordCounts
from .reading.sources import Source, repeated

if TYPE_CHECKING:
    from .filters import FilteredWords


@dataclass(frozen=True)
class TextReport:
    """What was read, kept and dropped.

    Always ``n_tokens == n_kept_tokens + n_joined_tokens + n_numbers + n_stopwords +
    n_outside_vocab + n_below_min_count + n_beyond_max_vocab + n_pruned``: a token is counted at the
    first step of `TextConfig` that drops it, unless it was pruned before.

    Attributes
    ----------
    n_bytes : int
        Bytes read from the sources, as they are stored.
    n_lines : int
        Lines, including empty ones and an unfinished last line of a file.
    n_longest_line : int
        Runs of bytes between white space in the longest line.
    n_types : int
        Distinct runs of bytes between white space: how often the tokenizer ran. A pruned one
        counts again if it occurs again. With a tokenizer of whole lines, distinct words.
    n_tokens : int
        Words that the tokenizer found, with repetition.
    n_distinct_words : int
        The same without repetition.
    n_joined_tokens : int
        Tokens that became part of a phrase, except the first of each phrase.
    n_phrases : int
        Pairs of words that were joined to phrases, in all passes.
    n_words : int
        Distinct words of the text that are in the vocabulary.
    n_kept_tokens : int
        Tokens whose word is in the vocabulary.
    n_numbers : int
        Tokens dropped by ``digits="drop"``.
    n_stopwords : int
        Tokens dropped because their word is a stop-word.
    n_outside_vocab : int
        Tokens dropped because the given vocabulary lacks their word.
    n_below_min_count : int
        Tokens dropped because their word is too rare.
    n_beyond_max_vocab : int
        Tokens dropped because the vocabulary was full of more frequent words.
    n_pruned_types : int
        Types forgotten, the rarest first, because there were more than ``max_types``.
    n_pruned : int
        Tokens dropped with them.
    max_missed : int
        Upper bound on the occurrences, pruned types included, of the words that ``min_count``
        left out; 0 if nothing was pruned. If it is below ``min_count``, pruning removed no word
        from the vocabulary, except perhaps joined phrases and words with replaced digits.
    n_long_tokens : int
        Runs of bytes between white space that were dropped because they were longer than
        ``max_token_bytes``; not among the tokens.
    n_bad_bytes : int
        Bytes that are not text in the encoding, replaced or ignored.
    n_empty_words : int
        Empty words that the tokenizer returned, dropped; not among the tokens.
    n_rewritten_words : int
        Tokens in which ``_`` replaced white space that the tokenizer left in a word.
    n_unseen_stopwords : int
        Words of the stop-word list that do not occur in the text.
    n_unseen_vocab : int
        Words of the given vocabulary that do not occur in the text.
    unseen_vocab_words : tuple of str
        The first five of them.
    n_text_bytes : int
        Bytes of text: decompressed, only the field that is read, as UTF-8, with all lines ended.
    n_sources : int
        Files and streams read.
    repeated_sources : tuple of str
        Files that were read more than once, because they were given more than once.
    seconds : float
        Wall time, without compilation.
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
    n_pruned_types: int
    n_pruned: int
    max_missed: int
    n_long_tokens: int
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
        """Return the fields for JSON, their names without ``n_``, and mb_per_s."""
        fields = {name.removeprefix("n_"): value for name, value in asdict(self).items()}
        return {**fields, "mb_per_s": self.n_text_bytes / 1e6 / self.seconds}


def text_report(
    counted: WordCounts,
    filtered: FilteredWords,
    word_ids: np.ndarray,
    *,
    min_count: int,
    n_phrases: int,
    sources: Sequence[Source],
    seconds: float,
) -> TextReport:
    """Report what was read, kept and dropped.

    Parameters
    ----------
    counted : WordCounts
        The words of the text.
    filtered : FilteredWords
        Those that are left once phrases are joined and words filtered.
    word_ids : ndarray of shape (len(filtered.words),), int32
        The word id of each, -1 where it was left out.
    min_count, n_phrases, sources, seconds
        As in `TextConfig` and `TextReport`.

    Returns
    -------
    TextReport
    """
    read = counted.read
    n_counted, n_filtered = int(counted.counts.sum()), int(filtered.counts.sum())
    n_dropped = filtered.n_numbers + filtered.n_stopwords + filtered.n_outside_vocab
    is_kept, is_frequent = word_ids >= 0, filtered.counts >= min_count
    is_rare = counted.counts < min_count
    missed = (counted.counts + counted.missed)[is_rare].max(initial=counted.missed_by_others)
    return TextReport(
        **vars(read),
        n_tokens=n_counted + read.n_pruned,
        n_distinct_words=len(counted.words),
        n_joined_tokens=n_counted - n_filtered - n_dropped,
        n_phrases=n_phrases,
        n_words=int(is_kept.sum()),
        n_kept_tokens=int(filtered.counts[is_kept].sum()),
        n_numbers=filtered.n_numbers,
        n_stopwords=filtered.n_stopwords,
        n_outside_vocab=filtered.n_outside_vocab,
        n_below_min_count=int(filtered.counts[~is_kept & ~is_frequent].sum()),
        n_beyond_max_vocab=int(filtered.counts[~is_kept & is_frequent].sum()),
        max_missed=int(missed) if read.n_pruned_types else 0,
        n_unseen_stopwords=len(filtered.unseen_stopwords),
        n_unseen_vocab=len(filtered.unseen_vocab),
        unseen_vocab_words=tuple(filtered.unseen_vocab[:5]),
        n_sources=len(sources),
        repeated_sources=repeated(sources),
        seconds=seconds,
    )

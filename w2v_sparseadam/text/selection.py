"""Choose the vocabulary of a text whose words are counted and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ..errors import TextError
from .counts import WordCounts
from .settings import TextConfig
from .vocabulary import Vocabulary, extend_vocabulary, select_words

if TYPE_CHECKING:
    from .filters import FilteredWords


def choose_words(
    counted: WordCounts,
    filtered: FilteredWords,
    config: TextConfig,
    names: Sequence[str],
    *,
    known: Vocabulary | None = None,
    threads: int = 1,
) -> tuple[Vocabulary, np.ndarray]:
    """Choose the vocabulary; return it and the word id of each remaining word.

    Parameters
    ----------
    counted : WordCounts
        The words of the text.
    filtered : FilteredWords
        Those that may be in the vocabulary.
    config : TextConfig
        ``min_count``, ``max_vocab`` and ``max_types`` are used.
    names : sequence of str
        Names of the sources, for errors.
    known : Vocabulary, optional
        Words that keep their ids; see `extend_vocabulary`.
    threads : int
        Threads to use.

    Returns
    -------
    vocabulary : Vocabulary
    word_ids : ndarray of shape (len(filtered.words),), int32
        -1 where a word was left out.

    Raises
    ------
    TextError
        If no word is left.
    """
    select = select_words if known is None else partial(extend_vocabulary, known)
    vocabulary, word_ids = select(
        filtered.words,
        filtered.counts,
        min_count=config.min_count,
        max_vocab=config.max_vocab,
        threads=threads,
    )
    if not (word_ids >= 0).any():
        if counted.read.n_pruned_types and not filtered.words:
            raise TextError(
                f"{_place(names)}: no word is left: all were forgotten, because "
                f"memory holds at most {config.max_types:,} distinct ones",
                "raise `max_types`",
            )
        raise _nothing_left(names, filtered, config.min_count, known is not None)
    return vocabulary, word_ids


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

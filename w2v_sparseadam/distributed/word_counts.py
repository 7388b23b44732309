"""Count the words of a text part by part, and merge the counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from ..text.counts import ReadCounts, WordCounts, kept_by_pruning
from ..text.first_pass import PIECE_BYTES, FirstPass
from ..text.reading.sources import Source
from ..text.settings import TextConfig
from .text_settings import config_for_workers
from .word_table import WordTable


def count_words_of(
    sources: Sequence[Source], config: TextConfig, *, threads: int = 1
) -> WordCounts:
    """Count the words of some sources.

    Parameters
    ----------
    sources : sequence of Source
        At least one. They may have no words.
    config : TextConfig
        As `config_for_client` or `config_for_workers` returns it. Nothing is filtered.
    threads : int
        As in `read_corpus`.

    Returns
    -------
    WordCounts
        Its words are `Words`, so that it is pickled as a few arrays.

    Raises
    ------
    TextError
        As `read_corpus`, if a source cannot be read.
    """
    first_pass = FirstPass(sources, config_for_workers(config), threads, None, None, PIECE_BYTES)
    first_pass.read()
    return first_pass.word_counts()


def merge_counts(parts: Sequence[WordCounts], max_types: int) -> WordCounts:
    """Merge the counts of parts of a text, in the order given.

    As long as nothing is pruned, the result does not depend on how a sequence of parts is cut into
    consecutive merges: words are in the order in which they first occur in the whole.

    Parameters
    ----------
    parts : sequence of WordCounts
        At least one.
    max_types : int
        When there are more words, the rarest are forgotten, as `TextConfig` says of types.

    Returns
    -------
    WordCounts
    """
    table = WordTable()
    counts, missed, missed_by_others = np.zeros(0, np.int64), np.zeros(0, np.int64), 0
    n_pruned_words = n_pruned = 0
    for part in parts:
        rows = table.add(part.words)
        n_new = len(table) - counts.size
        counts = np.append(counts, np.zeros(n_new, np.int64))
        missed = np.append(missed, np.full(n_new, missed_by_others)) + part.missed_by_others
        counts[rows] += part.counts
        missed[rows] += part.missed - part.missed_by_others
        missed_by_others += part.missed_by_others
        if counts.size > max_types:
            kept = kept_by_pruning(counts, max_types)
            lost, most_missed = counts[~kept], (counts + missed)[~kept]
            missed_by_others = int(most_missed.max(initial=missed_by_others))
            n_pruned_words += lost.size
            n_pruned += int(lost.sum())
            table.prune(kept)
            counts, missed = counts[kept], missed[kept]
    read = ReadCounts.of_all([part.read for part in parts])
    read = replace(
        read,
        n_pruned_types=read.n_pruned_types + n_pruned_words,
        n_pruned=read.n_pruned + n_pruned,
    )
    text_sizes = tuple(chain.from_iterable(part.text_sizes for part in parts))
    return WordCounts(table.words(), counts, missed, missed_by_others, read, text_sizes)


def merge_levels(n_parts: int, arity: int = 8) -> list[list[range]]:
    """Return which results are merged together, so that one is left.

    The groups depend on nothing but the number of parts, because what is pruned depends on them.

    Parameters
    ----------
    n_parts : int
        Parts of the text, 1 or more.
    arity : int
        How many results are merged at once; 2 or more.

    Returns
    -------
    list of list of range
        For each level, the groups of consecutive results of the level before; the first level
        merges the parts. Nothing, for a single part.

    Examples
    --------
    >>> merge_levels(5, 2)
    [[range(0, 2), range(2, 4), range(4, 5)], [range(0, 2), range(2, 3)], [range(0, 2)]]
    """
    levels = []
    while n_parts > 1:
        groups = [range(k, min(k + arity, n_parts)) for k in range(0, n_parts, arity)]
        levels.append(groups)
        n_parts = len(groups)
    return levels

"""The vocabulary of a text whose words were counted in parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..text.counts import WordCounts
from ..text.filters import WordFilter
from ..text.reading.sources import Source, total_bytes
from ..text.reading_report import TextReport, text_report
from ..text.selection import choose_words
from ..text.settings import TextConfig
from ..text.vocabulary import Vocabulary


def choose_vocabulary(
    counted: WordCounts,
    config: TextConfig,
    sources: Sequence[Source],
    *,
    seconds: float,
    threads: int = 1,
) -> tuple[Vocabulary, TextReport]:
    """Choose the vocabulary from merged counts, as `read_corpus` does for the whole text.

    Parameters
    ----------
    counted : WordCounts
        Counts of the whole text.
    config : TextConfig
        As `config_for_client` returns it.
    sources : sequence of Source
        The whole sources, not their parts.
    seconds : float
        Wall time of the counting, for the report; above 0.
    threads : int
        Threads to use; at most 2 are used.

    Returns
    -------
    vocabulary : Vocabulary
        As long as nothing is pruned, that of `read_corpus`.
    report : TextReport
        The same, too, but for ``seconds`` and ``n_types``: the tokenizer runs once for each type
        of each part. If something is pruned, words that were forgotten while counts were merged
        count as types.

    Raises
    ------
    TextError
        If no word is left.
    """
    filtered = WordFilter(config).apply(counted.words, counted.counts)
    names = [source.name for source in sources]
    vocabulary, word_ids = choose_words(counted, filtered, config, names, threads=threads)
    report = text_report(
        counted,
        filtered,
        word_ids,
        min_count=config.min_count,
        n_phrases=0,
        sources=sources,
        seconds=seconds,
    )
    # A part may read a little more of a file than its range.
    return vocabulary, replace(report, n_bytes=total_bytes(sources) or report.n_bytes)

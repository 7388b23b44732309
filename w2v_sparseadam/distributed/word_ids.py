"""The word ids of a part of a text, with a vocabulary that is chosen already."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..text.filters import WordFilter
from ..text.first_pass import PIECE_BYTES, FirstPass
from ..text.reading.sources import Source
from ..text.settings import TextConfig
from ..text.types.temporary import TypeFile
from ..text.vocabulary import Vocabulary
from ..text.words import Words
from .text_settings import config_for_workers
from .word_table import WordTable


class KnownWords:
    """A vocabulary, as workers need it to replace words by their ids.

    It is pickled as a few arrays. The table in which words are looked up is made when it is first
    used, so tasks of one process should share one object.

    Parameters
    ----------
    vocabulary : Vocabulary
        The words. Those that the settings drop have no id.
    config : TextConfig
        As `config_for_client` returns it.

    Attributes
    ----------
    config : TextConfig
        How workers read text.
    """

    def __init__(self, vocabulary: Vocabulary, config: TextConfig) -> None:
        self.config = config_for_workers(config)
        self._words = Words.of(vocabulary.words)
        is_dropped = WordFilter(config).apply(self._words, vocabulary.counts).numbers < 0
        word_ids = np.arange(len(vocabulary), dtype=np.int32)
        word_ids[is_dropped] = -1
        self._word_ids = np.append(word_ids, np.int32(-1))  # the last one for unknown words

    @property
    def words(self) -> Collection[str]:
        """All words, by their ids."""
        return self._words

    def __getstate__(self) -> dict[str, Any]:
        """Leave the table out, which is valid in this process only."""
        return {name: value for name, value in vars(self).items() if name != "_table"}

    def word_ids(self, words: Collection[str]) -> np.ndarray:
        """Return the word id of each word, -1 if it has none, as int32."""
        return self._word_ids[self._table.find(words)]

    @cached_property
    def _table(self) -> WordTable:
        table = WordTable()
        table.add(self._words)
        return table


def word_ids_of(sources: Sequence[Source], known: KnownWords, *, threads: int = 1) -> np.ndarray:
    """Read some sources into the word ids of a vocabulary.

    Parameters
    ----------
    sources : sequence of Source
        They may be none, and may have no word of the vocabulary.
    known : KnownWords
        The vocabulary, and how text becomes words.
    threads : int
        As in `read_corpus`.

    Returns
    -------
    ndarray of shape (n,), int32
        As `Corpus.word_ids`, with `LINE_END` after each line: what `read_corpus` gives for these
        lines, unless types are pruned. It is in memory, 4 bytes per token.

    Raises
    ------
    TextError
        As `read_corpus`, if a source cannot be read.
    """
    if not sources:
        return np.empty(0, np.int32)
    first_pass = FirstPass(sources, known.config, threads, None, None, PIECE_BYTES)
    with TypeFile(None) as type_file:
        first_pass.read(type_file)
        text = first_pass.text(type_file)
        filtered = first_pass.word_filter.apply(text.type_words.words, text.type_words.counts)
        word_ids = known.word_ids(filtered.words)
        n_tokens = int(filtered.counts[word_ids >= 0].sum())
        ids = np.empty(n_tokens + first_pass.types.n_lines, np.int32)
        n = 0
        for block in text.word_ids(filtered.word_ids(word_ids)):
            ids[n : n + block.size] = block
            n += block.size
    return ids[:n]

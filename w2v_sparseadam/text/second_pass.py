"""The second pass over a text: from the types of its tokens to word ids on disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .settings import TextConfig
from .types.temporary import TemporaryFile, TypeFile

if TYPE_CHECKING:
    from .phrases import Phrase
    from .types.type_words import TypeWords
    from .types.word_id_map import Block, TypedText


class TypeText(NamedTuple):
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


def join_text(
    text: TypeText,
    type_file: TypeFile,
    config: TextConfig,
    save: Callable[[Iterable[np.ndarray]], np.ndarray],
    on_join: Callable[[int, int], None] | None,
) -> tuple[TypeText, list[Phrase]]:
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
    return TypeText(joined.type_words(), joined.text(), text.n_threads), joined.phrases


def save_word_ids(
    blocks: Iterable[np.ndarray],
    directory: str | os.PathLike[str] | None,
    n_bytes_needed: float,
) -> np.ndarray:
    """Store word ids in a temporary file, and map it into memory."""
    with TemporaryFile(directory) as id_file:
        for ids in blocks:
            id_file.write_at(id_file.n_bytes, [ids], n_bytes_needed)
        return id_file.map()

"""Compile the kernels that read text, before timing starts."""

from __future__ import annotations

import numpy as np

from .reading.reader import PADDING_BYTES, Chunk
from .tokenizers import whitespace

N_KERNELS = 7  # that compile_kernels needs


def compile_kernels() -> None:
    """Compile the kernels of `read_corpus`, or load them from the cache."""
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
    tokenizer = TypeTokenizer(whitespace, prepare=str, errors="strict")
    tokenizer.add(types)
    id_map = WordIdMap(tokenizer.type_words(types), np.zeros(2, np.int32))
    list(id_map.finish(id_map.relabel(Block().load(typed))))
    compile_word_kernels()

"""Convert files of vectors from one format to another, a few MiB at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..errors import FormatError, check_path, counted
from ..events import Event, Warned, warn
from .checks import is_usable, number_words, squared_lengths
from .formats.base import Allocate, Block, Content, open_source
from .formats.registry import format_for, format_of, without_ngrams, write


class Converted(NamedTuple):
    """What was written."""

    n_words: int
    dim: int
    has_counts: bool


def convert(
    source_path: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    source_format: str | None = None,
    target_format: str | None = None,
    drop_unusable: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> Converted:
    """Read vectors in one format, and write them in another, whole or not at all.

    The vectors are not all in memory at once, unless they come without their number (text without a
    header from a pipe, or compressed), words are dropped, or they become safetensors or a file of
    gensim's. A run or model that becomes safetensors stays a model.

    Parameters
    ----------
    source_path, path : str or path-like
        As in `Vectors.load` and `Vectors.save`.
    source_format, target_format : str, optional
        Names of formats, instead of detection and extension.
    drop_unusable : bool
        Whether to leave out words that are empty, have ASCII white space or are there already,
        rather than refuse the file. A warning says how many, and names the first.
    on_event : callable, optional
        Receives `~w2v_sparseadam.events.Warned`. Default: a warning of Python's.

    Raises
    ------
    FormatError
        If a file breaks its format, has words or numbers that no file can hold, or if the format to
        write cannot hold them.
    W2VError
        As `Vectors.load` and `Vectors.save`.
    """
    check_path("source_path", source_path)
    check_path("path", path)
    tell = warn if on_event is None else on_event
    target = format_for(path, target_format)  # that it cannot be written so should show at once
    with open_source(source_path, tell) as source:
        content = format_of(source, source_format).read(source)
        if drop_unusable:
            content = _without_unusable(content, tell)
        if content.subwords is not None and not target.keeps_ngrams:
            tell(without_ngrams())
        checked = _Checked(content)
        write(path, checked.content, target_format)
    return Converted(checked.n_words, content.dim, checked.has_counts and target.keeps_counts)


class _Checked:
    """Content whose words and numbers are checked as they pass."""

    def __init__(self, content: Content) -> None:
        self._inner = content
        self.n_words, self.has_counts = 0, False
        self.content = replace(content, read=self._read)

    def _read(self, allocate: Allocate) -> Iterator[Block]:
        word_ids: dict[str, int] = {}
        for block in self._inner.read(allocate):
            try:
                word_ids |= number_words(block.words, word_ids)
                squared_lengths(block.words, block.rows, self.n_words)
            except FormatError as error:
                raise FormatError(f"{self._inner.name}, {error}") from None
            self.n_words += len(block.words)
            self.has_counts = block.counts is not None
            yield block


def _without_unusable(content: Content, tell: Callable[[Event], None]) -> Content:
    """Return the content without words that no file can hold, and those that come again."""
    block = content.collected()
    rows: dict[str, int] = {}
    dropped = []
    for row, word in enumerate(block.words):
        if word in rows or not is_usable(word):
            dropped.append(word)
        else:
            rows[word] = row
    if not rows:
        raise FormatError(f"{content.name}: has no word that can be written")
    if not dropped:
        return Content.of(content.name, block, content.model, content.subwords)
    tell(
        Warned(
            f"left out {counted(len(dropped), 'word')} that no file can hold, such as "
            f"{dropped[0]!r:.60}"
        )
    )
    kept = np.array([*rows.values()])
    counts = None if block.counts is None else block.counts[kept]
    kept_block = Block(list(rows), block.rows[kept], counts)
    return Content.of(content.name, kept_block, subwords=content.subwords)

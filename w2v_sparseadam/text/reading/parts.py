"""Parts of sources: the lines that start in a range of bytes of their text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .sources import Source, SourceFile


@dataclass(frozen=True)
class Part(Source):
    """The lines of a source that start in a range of its text.

    Positions count the bytes of the text as UTF-8, as `read_chunks` reads it: decompressed,
    decoded, and with the field of records only. A byte order mark counts where the source is UTF-8,
    and is skipped by the part that begins at 0. So parts that meet at any positions
    0 = c₀ < c₁ < … < ∞ have each line of the source exactly once, in order. A line is never cut: a
    part that lies within one is empty.

    ``n_bytes`` is about what is read of the source; exact where it is plain UTF-8.

    Attributes
    ----------
    source : Source
        The whole. It can be read again.
    begin : int
        First position of the range.
    end : int or None
        Position after the range; None for the end of the text.
    """

    source: Source
    begin: int
    end: int | None

    @classmethod
    def of(cls, source: Source, begin: int, end: int | None = None) -> Part:
        """Return the part of a source in the range from ``begin`` to ``end``."""
        whole = source.n_bytes
        n_bytes = None
        if whole is not None:
            n_bytes = max(0, (whole if end is None else min(end, whole)) - begin)
        identity = (*source.identity, begin, -1 if end is None else end)
        return cls(source.path, n_bytes, identity, source, begin, end)

    @property
    def absolute_path(self) -> str:
        """The path of the whole source."""
        return self.source.absolute_path

    @property
    def name(self) -> str:
        """Its name in messages, whose lines are counted from its first line on."""
        if not self.begin:
            return self.source.name
        return f"part from byte {self.begin} of {self.source.name}"

    @property
    def is_stream(self) -> bool:
        """Whether the whole source can be read only once."""
        return self.source.is_stream


def text_parts(
    sources: Sequence[Source], text_sizes: Sequence[int], begin: int, end: int
) -> list[Part]:
    """Return the parts of a range of the texts of all sources, put end to end.

    Parameters
    ----------
    sources : sequence of Source
        The sources.
    text_sizes : sequence of int
        Bytes of the text of each, about: the part that reaches this size ends with the text, so
        ranges that meet have each line exactly once even if a size leaves out a byte order mark. A
        source of size 0 is left out.
    begin, end : int
        The range.
    """
    parts = []
    first = 0
    for source, size in zip(sources, text_sizes, strict=True):
        last = first + size
        if max(begin, first) < min(end, last):
            to_end = None if end >= last else end - first
            parts.append(Part.of(source, max(begin - first, 0), to_end))
        first = last
    return parts


def lines_of_part(
    part: Part, file: SourceFile, converted: Iterator[bytes] | None
) -> Iterator[bytes]:
    """Yield the text of a part in blocks; set ``file.text_begin`` to where its first line starts.

    Parameters
    ----------
    part : Part
        What is read.
    file : SourceFile
        The whole source. Positioned near the part if that is possible.
    converted : iterator of bytes or None
        The text of the source as UTF-8, from its start; None if the bytes of ``file`` are just
        that. Reading stops with the part.

    Raises
    ------
    TextError
        If the file has changed.
    """
    if part.source.n_bytes is not None:
        file.check_size(part.source.n_bytes)
    at = 0
    if converted is None:
        at = file.seek(max(part.begin - 1, 0))
        converted = file.blocks()
    if part.end is None or part.begin < part.end:
        yield from _between(converted, at, part, file)
    file.check_unchanged()


def _between(blocks: Iterator[bytes], at: int, part: Part, file: SourceFile) -> Iterator[bytes]:
    """Yield the lines of a part from blocks of text, the first of which is at position ``at``."""
    is_within = part.begin == 0
    for block in blocks:
        first = 0
        n_left = len(block) if part.end is None else part.end - 1 - at
        if not is_within:
            # Up to the byte before the last position at which a line of this part may start.
            first = block.find(b"\n", max(part.begin - 1 - at, 0), max(n_left, 0)) + 1
            is_within = first > 0
            file.text_begin = at + first
        if is_within:
            last = block.find(b"\n", max(n_left, 0)) + 1
            yield block[first : last or len(block)]
            if last:
                return
        elif n_left < len(block):
            return
        at += len(block)

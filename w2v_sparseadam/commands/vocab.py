"""``w2v-vocab``: the words of text files and how often they occur, without training."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..system.files import check_writable
from ..system.machine import usable_processors
from ..system.paths import check_text_ending, is_standard_output
from ..text.events import read_with_events
from ..text.settings import TextConfig
from . import printable, to_json
from .options import OUTPUT_FILE, SectionedCommand, corpus_argument, in_section
from .reading import ReadingReport, phrases_to, teller
from .text_options import checked_sources, text_config, text_options

if TYPE_CHECKING:
    from ..text.corpus import Corpus
    from ..text.vocabulary import Coverage

_MIN_COUNTS = {1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000}

_output = in_section("Output")


@click.command(cls=SectionedCommand, short_help="Count the words of text files.")
@corpus_argument()
@text_options
@_output(
    "--top",
    common=True,
    type=click.IntRange(0),
    default=20,
    show_default=True,
    help="Show this many words, the most frequent.",
)
@_output(
    "-o",
    "--output",
    common=True,
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Write the whole vocabulary, one 'word count' per line; - writes it to standard "
    "output instead of the tables.",
)
@_output(
    "--plot",
    common=True,
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Draw counts against ranks: .png, .svg or .html. Needs the extra 'plot'.",
)
@_output("--json", "as_json", common=True, is_flag=True, help="Print JSON objects, one per line.")
@_output("-q", "--quiet", is_flag=True, help="Print only the result, warnings and errors.")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    top: int,
    output: Path | None,
    plot: Path | None,
    phrases_out: Path | None,
    as_json: bool,
    quiet: bool,
    **_: Any,
) -> None:
    """Count the words of the text files CORPUS, and show what each min-count would keep.

    \b
    w2v-vocab corpus.txt
    w2v-vocab corpus.txt --min-count 10 -o vocabulary.txt --plot zipf.svg
    """
    config = text_config(ctx)
    outputs = {"-o": output, "--plot": plot, "--phrases-out": phrases_out}
    sources = checked_sources(ctx, config, outputs)
    if output:
        check_text_ending(output)
        check_writable(output)
    if plot:
        from ..report.plots import check_plot

        check_plot(plot)
    with ExitStack() as stack:
        listeners = [phrases_to(phrases_out)] if phrases_out else []
        listeners.append(stack.enter_context(closing(ReadingReport(quiet))))
        tell = teller(ctx.obj, listeners)
        with read_with_events(sources, config, tell, threads=usable_processors()) as read:
            if not (output and is_standard_output(output)):
                lines = _json_lines if as_json else _tables
                for line in lines(read, config, top):
                    click.echo(line)
            if output:
                from ..text.vocabulary import save_vocabulary

                save_vocabulary(read.vocabulary, output)
            if plot:
                from ..report.plots import save_zipf_plot

                save_zipf_plot(read.distinct_counts, config.min_count, plot)


def _rows(read: Corpus, config: TextConfig) -> list[Coverage]:
    """Return what each min-count would keep, the one in force among them."""
    from ..text.vocabulary import coverage

    largest = int(read.vocabulary.counts[0])
    shown = {min_count for min_count in _MIN_COUNTS if min_count <= largest}
    return coverage(read.distinct_counts, sorted(shown | {config.min_count}))


def _words(read: Corpus, top: int) -> Iterator[tuple[str, int]]:
    """Yield the most frequent words and their counts."""
    vocabulary = read.vocabulary
    return zip(vocabulary.words[:top], vocabulary.counts[:top].tolist(), strict=True)


def _json_lines(read: Corpus, config: TextConfig, top: int) -> Iterator[str]:
    """Yield the result as JSON objects."""
    yield json.dumps({"kind": "text", **read.report.record()})
    for min_count, n_words, n_tokens, share in _rows(read, config):
        row = {"min_count": min_count, "words": n_words, "tokens": n_tokens, "share": share}
        yield json.dumps({"kind": "coverage", **row})
    for word, count in _words(read, top):
        yield to_json({"kind": "word", "word": word, "count": count})


def _tables(read: Corpus, config: TextConfig, top: int) -> Iterator[str]:
    """Yield the result as tables for a terminal."""
    rows = [
        (f"{row.min_count:,}", f"{row.n_words:,}", f"{row.n_tokens:,}", f"{row.share:.2%}")
        for row in _rows(read, config)
    ]
    yield from _aligned([("min-count", "words", "tokens", "kept"), *rows], ">>>>")
    if top:
        n_tokens = int(read.distinct_counts.sum())
        words = [
            (printable(word), f"{count:,}", f"{count / n_tokens:.2%}")
            for word, count in _words(read, top)
        ]
        yield ""
        yield from _aligned([("word", "count", "of tokens"), *words], "<>>")


def _aligned(rows: Sequence[Sequence[str]], sides: str) -> Iterator[str]:
    """Yield lines with the cells in columns, each kept to its side."""
    import wcwidth

    widths = [max(map(wcwidth.width, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(
            (wcwidth.ljust if side == "<" else wcwidth.rjust)(cell, width)
            for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()


if __name__ == "__main__":
    main()

"""``w2v-report``: a page on vectors and their training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import W2VCommand, check_distinct, printable
from .options import INPUT_FILE, OUTPUT_FILE
from .reading import ReadingReport

if TYPE_CHECKING:
    from ..report.neighbors import Band

_SOURCE = click.Path(path_type=Path, exists=True, readable=True)


class _ReportCommand(W2VCommand):
    left_undone = "; no report was written"


@click.command(cls=_ReportCommand, short_help="Write a page on vectors and their training.")
@click.argument("vectors", metavar="VECTORS|RUN_DIR...", type=_SOURCE, nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    metavar="FILE.html",
    type=OUTPUT_FILE,
    show_default="the name of the first VECTORS with .html, in this folder",
    help="File for the page.",
)
@click.option(
    "-n",
    "--words",
    metavar="N",
    type=click.IntRange(2, 30_000),
    default=10_000,
    show_default=True,
    help="How many of the most frequent words are on the map.",
)
@click.option(
    "--classes",
    metavar="FILE",
    type=INPUT_FILE,
    help="Colour the words by class: lines of a word, a tab and its class.",
)
def main(vectors: tuple[Path, ...], output: Path | None, words: int, classes: Path | None) -> None:
    """Write a page of HTML on VECTORS, a file, or on the run in the folder RUN_DIR.

    The page shows the training, the vocabulary, a map of the words with their neighbours, and all
    settings. It opens without a network.

    More VECTORS of the same text, by other seeds, tell how far the neighbours of a word agree: a
    table of it is printed, too.

    \b
    w2v-report runs/news
    w2v-report one.vec two.vec three.vec -o seeds.html
    """
    from ..report.neighbors import bands
    from ..report.page import check_report, save_report
    from ..report.subject import Subject
    from ..vectors.vectors import Vectors
    from .repeat import train_command

    path = output or Path(vectors[0].resolve().name).with_suffix(".html")
    check_distinct(
        {"a file of vectors": vectors, "the --classes file": [classes] if classes else []},
        {"-o": path},
    )
    check_report(path)
    tell = ReadingReport()
    subject = Subject.of(vectors[0], tell)
    others = [Vectors.load(other, on_event=tell) for other in vectors[1:]]
    if others:
        _print_bands(bands([subject.vectors, *others]))
    command = train_command(subject) or None
    save_report(subject, path, others=others, classes=classes, n_words=words, command=command)
    click.echo(printable(f"Wrote {path}."), err=True)


def _print_bands(found: list[Band]) -> None:
    """Print how far neighbours agree, by the rank of the word."""
    names = [f"{band.first:,} to {band.last:,}" for band in found]
    width = max(map(len, ["rank of the word", *names]))
    click.echo(f"{'rank of the word':{width}}  neighbours in common  80 % of the words")
    for name, band in zip(names, found, strict=True):
        spread = f"{band.low:.0%} to {band.high:.0%}"
        click.echo(f"{name:{width}}  {band.mean:20.0%}  {spread:>17}")


if __name__ == "__main__":
    main()

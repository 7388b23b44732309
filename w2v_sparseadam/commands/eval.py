"""``w2v-eval``: score vectors on similarity and analogy sets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from . import W2VCommand, printable, to_json
from .reading import ReadingReport

if TYPE_CHECKING:
    from ..evaluation.scores import Report

_FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True)


@click.command(cls=W2VCommand, short_help="Score vectors on similarity and analogy sets.")
@click.argument("vectors", type=click.Path(exists=True, readable=True, allow_dash=True))
@click.argument("datasets", metavar="DATASET...", type=_FILE, nargs=-1, required=True)
@click.option(
    "--restrict-vocab",
    metavar="N",
    type=click.IntRange(min=1),
    default=30_000,
    show_default=True,
    help="Ask and answer analogies with the first N words only; trainers write the most frequent "
    "words first.",
)
@click.option(
    "--keep-case",
    is_flag=True,
    help="Look words up as the data sets spell them, not in lower case.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON object per line for each data set, with analogy scores by section.",
)
def main(
    vectors: str, datasets: tuple[str, ...], restrict_vocab: int, keep_case: bool, as_json: bool
) -> None:
    """Score word VECTORS, a word2vec file or the folder of a run, on one or more test sets.

    A DATASET is a similarity file, with lines of two words and a number, or an analogy file,
    with lines of four words in sections that begin with a line ': name'. Scores are percent:
    Spearman's rho times 100, and right answers.
    """
    from ..evaluation.scores import evaluate, read_dataset
    from ..vectors.vectors import Vectors

    # All are read before the first is scored, so that a broken one shows at once.
    tests = [read_dataset(path) for path in datasets]
    loaded = Vectors.load(vectors, on_event=ReadingReport())
    reports = (
        evaluate(loaded, test, restrict_vocab=restrict_vocab, keep_case=keep_case) for test in tests
    )
    if as_json:
        for report in reports:
            click.echo(to_json(dataclasses.asdict(report)))
    else:
        _print_table(list(reports))


def _print_table(reports: list[Report]) -> None:
    """Print one line per report, how each kind was scored, and why a score is missing."""
    import wcwidth

    names = [printable(report.dataset) for report in reports]
    width = max(map(wcwidth.width, ["data set", *names]))
    click.echo(f"{wcwidth.ljust('data set', width)}  kind        score  covered / items")
    for name, report in zip(names, reports, strict=True):
        score = "-" if report.score is None else f"{report.score:.1f}"
        click.echo(
            f"{wcwidth.ljust(name, width)}  {report.kind:10}  {score:>5}  "
            f"{report.covered:>7,} / {report.items:>6,}"
        )
    click.echo()
    for kind, protocol in {report.kind: report.protocol for report in reports}.items():
        click.echo(f"{kind}: {protocol}.")
    for name, report in zip(names, reports, strict=True):
        if report.score is None and report.covered:
            click.echo(f"{name}: no score, because all judgements, or all cosines, are equal.")
        elif report.score is None:
            click.echo(f"{name}: no score, because no item is covered.")


if __name__ == "__main__":
    main()

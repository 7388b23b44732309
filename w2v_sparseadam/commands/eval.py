"""``w2v-eval``: score vectors on data sets, and compare them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import click

from . import W2VCommand, printable, to_json
from .reading import ReadingReport

if TYPE_CHECKING:
    from ..evaluation.datasets import DataSet
    from ..evaluation.scores import Difference, Interval, Report
    from ..evaluation.tasks import Scoring


@click.command(cls=W2VCommand, short_help="Score vectors on data sets, and compare them.")
@click.argument(
    "paths",
    metavar="VECTORS... DATASET...",
    type=click.Path(exists=True, readable=True, allow_dash=True),
    nargs=-1,
    required=True,
)
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
    "--method",
    type=click.Choice(("3cosadd", "3cosmul")),
    default="3cosadd",
    show_default=True,
    help="How analogies are answered.",
)
@click.option(
    "--pearson", is_flag=True, help="Score similarity by Pearson's r, not by Spearman's rho."
)
@click.option(
    "--oov",
    type=click.Choice(("compose", "skip")),
    default="compose",
    show_default=True,
    help="Compose unknown words of n-grams, if the vectors have any, or leave out what has them; "
    "analogies are of known words alone.",
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
    help="Print one JSON object per line for each score and each difference, with analogy scores "
    "by section.",
)
def main(
    paths: tuple[str, ...],
    restrict_vocab: int,
    method: str,
    pearson: bool,
    oov: str,
    keep_case: bool,
    as_json: bool,
) -> None:
    """Score word VECTORS on each DATASET, with 95 % intervals, and compare several with the first.

    VECTORS are files in any format, or folders of runs. What a DATASET holds is told by its
    content, and so is which of the arguments are data sets:

    \b
    similarity   lines of two words and a number
    analogies    lines of four words, in sections that begin with ': name';
                 or the files or the folder of BATS
    categories   lines of a word and its class, with a tab between them
    odd one out  lines of words, with '*' before the odd one

    Scores are percent: Spearman's rho times 100, right answers, and purity.
    """
    from ..evaluation.tasks import Scoring

    names, datasets = _told_apart(paths)
    scores = _scores_of(names, datasets, Scoring(restrict_vocab, keep_case, pearson, method, oov))
    if as_json:
        for score in scores:
            for line in score.records():
                click.echo(to_json(line))
    else:
        _print_table(scores)


_ON_THE_RIGHT = {"score", "covered / items", "composed"}


class _Score(NamedTuple):
    """The score of vectors on a data set, and its difference from that of the first vectors."""

    vectors: str
    report: Report
    first: str
    difference: Difference | None  # None of the first

    def records(self) -> list[dict]:
        """Return what JSON can hold of it."""
        found = [{"vectors": self.vectors, **self.report.record()}]
        if self.difference:
            names = {"vectors": self.vectors, "minus": self.first}
            found.append({**names, **vars(self.difference)})
        return found


def _told_apart(paths: Sequence[str]) -> tuple[list[str], list[DataSet]]:
    """Return the paths of vectors, and the data sets, which are read."""
    from ..evaluation.datasets import looks_like_dataset, read_dataset

    first, *others = paths
    is_set = {path: path != "-" and looks_like_dataset(path) for path in paths}
    for path in others:  # what is read from a pipe cannot be looked at before
        is_set[path] |= not (os.path.isfile(path) or os.path.isdir(path))
    names = [path for path in paths if not is_set[path]]
    # All are read before the first is scored, so that a broken one shows at once.
    sets: dict[str, str] = {}  # by their real paths, so that each is scored once
    for path in paths:
        if is_set[path]:
            sets.setdefault(os.path.realpath(path), path)
    datasets = [read_dataset(path) for path in sets.values()]
    if not names:
        raise click.UsageError(f"All arguments are data sets, such as {first}: give VECTORS, too.")
    if not datasets:
        raise click.UsageError(
            f"No argument is a data set, nor is {paths[-1]}: give a DATASET, too, of a kind that "
            "--help shows."
        )
    return names, datasets


def _scores_of(names: Sequence[str], datasets: Sequence[DataSet], scoring: Scoring) -> list[_Score]:
    """Score all vectors, one file after the other so that memory holds one; by data set."""
    from ..errors import FormatError
    from ..evaluation.scores import compare, scores_of
    from ..vectors.vectors import Vectors

    found: list[list[Report]] = []
    for name in names:
        try:
            vectors = Vectors.load(name, on_event=ReadingReport())
        except FormatError as error:
            raise FormatError(f"{error} (which is not a data set either: see --help)") from None
        found.append(scores_of(vectors, datasets, scoring))
    return [
        _Score(name, report, names[0], compare(report, reports[0]) if name_number else None)
        for reports in zip(*found, strict=True)
        for name_number, (name, report) in enumerate(zip(names, reports, strict=True))
    ]


def _print_table(scores: Sequence[_Score]) -> None:
    """Print a line per score and per difference, and notes."""
    has_several = any(score.difference for score in scores)
    header = "data set", "kind", "vectors", "score", "95 % interval", "covered / items", "composed"
    rows: list[tuple[str, ...]] = [header]
    for vectors, report, first, difference in scores:
        covered = f"{report.covered:,} / {report.items:>6,}"
        told = _number(report.score), _range(report.interval)
        names = printable(report.dataset), report.kind, printable(vectors)
        rows.append((*names, *told, covered, f"{report.composed:,}"))
        if difference:
            told = _number(difference.score, "+"), _range(difference.interval, "+")
            names = printable(report.dataset), "difference", printable(f"{vectors} - {first}")
            rows.append((*names, *told, f"{difference.items:,} in both", ""))
    is_shown = {"vectors": has_several, "composed": any(score.report.composed for score in scores)}
    shown = [n for n, name in enumerate(header) if is_shown.get(name, True)]
    for line in _lines([[row[n] for n in shown] for row in rows]):
        click.echo(line)
    click.echo()
    for line in _notes([score.report for score in scores], has_several):
        click.echo(line)


def _notes(reports: Sequence[Report], has_several: bool) -> Iterator[str]:
    """Yield how each kind was scored, and why a score is missing."""
    for kind, protocol in {report.kind: report.protocol for report in reports}.items():
        yield f"{kind}: {protocol}."
    if any(report.composed for report in reports):
        yield "composed: words of these items that are known only by their n-grams."
    differences = "; a difference is one on the same sample" if has_several else ""
    yield f"interval: of 95 % of the scores on samples of the items (bootstrap){differences}."
    without = [(report.dataset, report.covered > 0) for report in reports if report.score is None]
    for name, is_covered in dict.fromkeys(without):
        why = "all judgements, or all cosines, are equal" if is_covered else "no item is covered"
        yield f"{printable(name)}: no score, because {why}."


def _number(score: float | None, sign: str = "") -> str:
    return "-" if score is None else f"{score:{sign}.1f}"


def _range(interval: Interval | None, sign: str = "") -> str:
    return "" if interval is None else f"{interval[0]:{sign}.1f} to {interval[1]:{sign}.1f}"


def _lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, with columns below each other; scores stand on the right."""
    import wcwidth

    widths = [max(map(wcwidth.width, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            (wcwidth.rjust if name in _ON_THE_RIGHT else wcwidth.ljust)(cell, width)
            for name, cell, width in zip(rows[0], row, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


if __name__ == "__main__":
    main()

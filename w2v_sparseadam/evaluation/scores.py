"""Evaluate word vectors on data sets.

Leaving items out can change scores by tens of points, so a report gives its coverage and protocol;
and the scores of two models differ by chance, so it gives an interval.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..errors import SettingError, wrong_type
from ..vectors.search import in_known_form
from ..vectors.vectors import Vectors
from .kinds import DataSet
from .statistics import N_RESAMPLES, Outcome, interval_of, resampled, score_of
from .tasks import Matrix, MatrixLike, RowOf, Scoring, Task, common, parts_of, task_of
from .unknown_words import Compose, UnknownWords

Interval = tuple[float, float]


@dataclass(frozen=True)
class SectionReport:
    """The score of one section of an analogy set, with the fields of `Report`."""

    name: str
    score: float | None
    items: int
    covered: int


@dataclass(frozen=True)
class Report:
    """The score of vectors on one data set.

    Attributes
    ----------
    dataset : str
        Name of its file.
    kind : str
        ``similarity``, ``analogy``, ``categories`` or ``odd one out``.
    score : float or None
        Spearman's rho × 100, or the percentage of covered items that are right. None if
        nothing is covered, or if rho is undefined because all covered ratings, or all cosines,
        are equal.
    interval : (float, float) or None
        Where 95 % of the scores of resamples of the covered items lie (percentile bootstrap).
    items, covered : int
        Items of the data set; those that are scored, because they have no missing word.
    protocol : str
        How the score was made.
    composed : int
        Distinct words of the covered items whose vectors are composed of n-grams.
    sections : tuple of SectionReport
        For an analogy set, in the order of the file.
    outcome : Outcome
        How each covered item was answered, for :func:`compare`.
    """

    dataset: str
    kind: str
    score: float | None
    interval: Interval | None
    items: int
    covered: int
    protocol: str
    composed: int = 0
    sections: tuple[SectionReport, ...] = ()
    outcome: Outcome = field(repr=False, compare=False, kw_only=True)

    def record(self) -> dict[str, Any]:
        """Return what JSON can hold of it."""
        record = {each.name: getattr(self, each.name) for each in fields(self)}
        del record["outcome"]
        return {**record, "sections": [vars(section) for section in self.sections]}


@dataclass(frozen=True)
class Difference:
    """How much higher vectors score than others on the items that both cover.

    Attributes
    ----------
    dataset, kind : str
        As of the `Report`.
    score : float or None
        The score less that of the others; None if one is undefined.
    interval : (float, float) or None
        Where 95 % of the differences of resamples lie, the same items drawn for both (paired
        bootstrap). If 0 is outside, the difference is unlikely to be chance of the items.
    items : int
        Covered by both.
    """

    dataset: str
    kind: str
    score: float | None
    interval: Interval | None
    items: int


class Evaluation:
    """Data sets whose words are looked up once, for vectors that change.

    Parameters
    ----------
    datasets : sequence of DataSet
    word_ids : mapping of str to int
        The row of each word; rows of frequent words come first.
    scoring : Scoring
    n_resamples : int
        For the intervals.
    compose : callable, optional
        Returns the vector of an unknown word, None if it cannot be composed.
    """

    def __init__(
        self,
        datasets: Sequence[DataSet],
        word_ids: Mapping[str, int],
        scoring: Scoring,
        n_resamples: int = N_RESAMPLES,
        compose: Compose | None = None,
    ) -> None:
        if compose is None:
            scoring = replace(scoring, oov="skip")
        self._unknown = UnknownWords(word_ids, compose if scoring.oov == "compose" else None)
        row_of = _row_in(word_ids, scoring.keep_case, self._unknown)
        self._tasks = [
            (dataset.name, task_of(dataset, row_of, len(word_ids), scoring)) for dataset in datasets
        ]
        self._n_resamples = n_resamples

    def reports(self, matrix: Matrix, compose: Compose | None = None) -> list[Report]:
        """Score vectors, a row for each word, on each data set; ``compose`` returns the others."""
        rows = self._unknown.behind(matrix, compose)
        return [
            replace(
                _report(name, task, rows, self._n_resamples),
                composed=self._unknown.count(task.rows),
            )
            for name, task in self._tasks
        ]


def scores_of(vectors: Vectors, datasets: Sequence[DataSet], scoring: Scoring) -> list[Report]:
    """Score vectors on several data sets."""
    compose = vectors.subwords.compose if vectors.subwords else None
    evaluation = Evaluation(datasets, vectors.word_ids, scoring, compose=compose)
    return evaluation.reports(vectors.matrix, compose)


def evaluate(
    vectors: Vectors,
    dataset: DataSet,
    *,
    restrict_vocab: int = 30_000,
    keep_case: bool = False,
    pearson: bool = False,
    method: str = "3cosadd",
    oov: str = "compose",
) -> Report:
    """Score vectors on a data set.

    Parameters
    ----------
    vectors : Vectors
        Words in order of frequency, as trainers write them.
    dataset : DataSet
        As `read_dataset` returns it.
    restrict_vocab : int
        Analogies only: how many of the first words may be asked for and answered, at least 1.
    keep_case : bool
        Look words up as the data set spells them, instead of in lower case.
    pearson : bool
        Score similarity by Pearson's r instead of Spearman's rho.
    method : {"3cosadd", "3cosmul"}
        How analogies are answered; see `Vectors.analogy`, and Levy & Goldberg (2014).

    oov : {"compose", "skip"}
        Compose the vectors of unknown words of their n-grams, if the vectors have any, or leave
        out items with such words. Analogies are always of known words.

    Raises
    ------
    WrongTypeError
        If an argument is of another type.
    SettingError
        If `restrict_vocab` is below 1, or there is no such method or way.
    """
    if not isinstance(vectors, Vectors):
        raise wrong_type("vectors", "Vectors", vectors)
    if not isinstance(dataset, DataSet):
        raise wrong_type("dataset", "a data set, as read_dataset returns it", dataset)
    scoring = Scoring(restrict_vocab, keep_case, pearson, method, oov)
    return scores_of(vectors, [dataset], scoring)[0]


def compare(report: Report, other: Report) -> Difference:
    """Compare the reports of two vectors on the same data set, item by item.

    Raises
    ------
    WrongTypeError
        If one is not a report.
    SettingError
        If they are of different data sets.
    """
    for each in (report, other):
        if not isinstance(each, Report):
            raise wrong_type("a report", "one that evaluate returned", each)
    told, of_other = ((each.dataset, each.kind, each.items) for each in (report, other))
    if told != of_other:
        raise SettingError(f"reports of {told[0]} and {of_other[0]} cannot be compared")
    pair = common([report.outcome, other.outcome])
    scores = [score_of(outcome) for outcome in pair]
    interval = None
    if scores[0] is None or scores[1] is None:
        difference = None
    else:
        difference = 100 * (scores[0] - scores[1])
        mine, theirs = resampled(pair)
        interval = interval_of(100 * (mine - theirs))
    return Difference(report.dataset, report.kind, difference, interval, len(pair[0].items))


def _row_in(word_ids: Mapping[str, int], keep_case: bool, unknown: UnknownWords) -> RowOf:
    """Return a function that looks words up, in any of their normal forms."""
    in_case: Callable[[str], str] = str if keep_case else str.lower
    words: Container[str] = word_ids

    def row_of(word: str) -> int:
        word = in_case(word)
        row = word_ids.get(word)
        if row is None:
            row = word_ids.get(in_known_form(words, word))
        return unknown.row_of(word) if row is None else row

    return row_of


def _report(name: str, task: Task, matrix: MatrixLike, n_resamples: int) -> Report:
    """Score vectors on a data set whose words have been looked up."""
    outcome = task.outcome(matrix)
    score = score_of(outcome)
    interval = None
    if score is not None:
        interval = interval_of(100 * resampled([outcome], n_resamples)[0])
    return Report(
        dataset=name,
        kind=task.kind,
        score=_percent(score),
        interval=interval,
        items=task.n_items,
        covered=len(task.items),
        protocol=task.protocol,
        sections=tuple(
            SectionReport(section, _percent(score_of(part)), n_items, len(part.items))
            for section, n_items, part in parts_of(task, outcome)
        ),
        outcome=outcome,
    )


def _percent(score: float | None) -> float | None:
    return None if score is None else 100 * score

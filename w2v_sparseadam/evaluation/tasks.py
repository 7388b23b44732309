"""Data sets whose words have been looked up, which vectors then answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ..errors import SettingError, check_choice, wrong_type
from .analogies import METHODS, right_answers
from .clusters import clusters_of
from .kinds import AnalogySet, CategorySet, DataSet, OddOneOutSet, SimilaritySet
from .outcomes import Accuracy, Correlation, Purity
from .statistics import Outcome

MISSING = -1

OOV = ("compose", "skip")
"""What becomes of unknown words that can be composed of n-grams."""

RowOf = Callable[[str], int]
"""Returns the row of a word; `MISSING` if it has none."""

Rows = NDArray[np.int64]
Matrix = NDArray[np.float32]


class MatrixLike(Protocol):
    """What has rows: a matrix, or one that is continued elsewhere."""

    def __getitem__(self, rows: Rows | slice, /) -> Matrix:
        """Return some rows."""


@dataclass(frozen=True)
class Scoring:
    """How data sets are scored; see `scores.evaluate`."""

    restrict_vocab: int = 30_000
    keep_case: bool = False
    pearson: bool = False
    method: str = METHODS[0]
    oov: str = OOV[0]

    def __post_init__(self) -> None:
        """Check every value."""
        if not isinstance(self.restrict_vocab, Integral) or isinstance(self.restrict_vocab, bool):
            raise wrong_type("restrict_vocab", "a whole number", self.restrict_vocab)
        if self.restrict_vocab < 1:
            raise SettingError(f"restrict_vocab is {self.restrict_vocab}; keep at least 1 word")
        check_choice("method", self.method, METHODS)
        check_choice("oov", self.oov, OOV)

    @property
    def case(self) -> str:
        """How words are looked up, for a protocol."""
        return "words as spelled" if self.keep_case else "words lower-cased"

    @property
    def lookup(self) -> str:
        """The same, with what becomes of unknown words."""
        return f"{self.case}; unknown ones composed" if self.oov == "compose" else self.case


class Task(Protocol):
    """A data set for vectors of certain words.

    Attributes
    ----------
    kind : str
    n_items : int
        Those of the data set.
    items : ndarray of int64
        The numbers of those that are covered, because they have no missing word.
    rows : ndarray of int64
        Those of the words of these items.
    sections : list of (str, int)
        The names of parts of the data set and how many items they have, in order; or none.
    protocol : str
        How it is scored.
    """

    kind: str
    n_items: int
    items: Rows
    rows: Rows
    sections: list[tuple[str, int]]
    protocol: str

    def outcome(self, matrix: MatrixLike) -> Outcome:
        """Return how vectors, one for each word, answer the items."""


def unit_rows(matrix: MatrixLike, rows: Rows | slice = slice(None)) -> Matrix:
    """Return rows of a matrix, each divided by its length; zero rows stay zero."""
    some = matrix[rows]
    lengths = np.sqrt(np.einsum("vd,vd->v", some, some, dtype=np.float64))
    lengths[lengths == 0] = 1
    return (some / lengths[:, np.newaxis]).astype(np.float32)


class _SimilarityTask:
    kind = "similarity"

    def __init__(self, dataset: SimilaritySet, row_of: RowOf, scoring: Scoring) -> None:
        rows = np.array([[row_of(a), row_of(b)] for a, b, _ in dataset.pairs])
        self.n_items = len(rows)
        self.sections: list[tuple[str, int]] = []
        self.items = np.flatnonzero((rows != MISSING).all(axis=1))
        self.rows = rows[self.items]
        self._ratings = np.array([float(rating) for *_, rating in dataset.pairs])[self.items]
        self._is_pearson = scoring.pearson
        name = "Pearson's r" if scoring.pearson else "Spearman's rho"
        self.protocol = (
            f"100 times {name} with cosines; {scoring.lookup}; pairs with a missing word left out"
        )

    def outcome(self, matrix: MatrixLike) -> Outcome:
        one, other = (matrix[rows].astype(np.float64) for rows in self.rows.T)
        lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
        cosines = np.einsum("nd,nd->n", one, other) / np.where(lengths > 0, lengths, 1)
        return Correlation(self.items, self._ratings, cosines, self._is_pearson)


class _AnalogyTask:
    kind = "analogy"

    def __init__(self, dataset: AnalogySet, row_of: RowOf, scoring: Scoring, n_words: int) -> None:
        self.sections = [(name, len(asked)) for name, asked in dataset.sections.items()]
        self._n_words = n_words = min(scoring.restrict_vocab, n_words)
        self._method = scoring.method

        def known(word: str) -> int:
            row = row_of(word)
            return row if row < n_words else MISSING

        questions = [question for asked in dataset.sections.values() for question in asked]
        most = max(map(len, questions))
        rows = np.full((len(questions), most), MISSING)
        for number, question in enumerate(questions):
            rows[number, : len(question)] = [known(word) for word in question]
        is_covered = (rows[:, :3] != MISSING).all(axis=1) & (rows[:, 3:] != MISSING).any(axis=1)
        self.n_items = len(rows)
        self.items = np.flatnonzero(is_covered)
        self.rows = rows[self.items]
        name = "3CosMul" if scoring.method == "3cosmul" else "3CosAdd"
        self.protocol = (
            f"% correct by {name} among the first {n_words:,} words; {scoring.case}; question "
            "words are not answers; questions with other words left out"
        )

    def outcome(self, matrix: MatrixLike) -> Outcome:
        units = unit_rows(matrix, slice(self._n_words))
        right = right_answers(units, self.rows[:, :3], self.rows[:, 3:], self._method)
        return Accuracy(self.items, right)


class _CategoryTask:
    kind = "categories"

    def __init__(self, dataset: CategorySet, row_of: RowOf, scoring: Scoring) -> None:
        rows = np.array([row_of(word) for word, _ in dataset.words])
        self.n_items = len(rows)
        self.sections: list[tuple[str, int]] = []
        self.items = np.flatnonzero(rows != MISSING)
        self.rows = rows[self.items]
        labels = np.array([label for _, label in dataset.words])[self.items]
        names, self._classes = np.unique(labels, return_inverse=True)
        self._n_classes = len(names)
        self.protocol = (
            "% purity of as many clusters as there are classes, by spherical k-means; "
            f"{scoring.lookup}; missing words left out"
        )

    def outcome(self, matrix: MatrixLike) -> Outcome:
        units = unit_rows(matrix, self.rows)
        clusters = clusters_of(units, self._n_classes) if len(units) else self._classes
        return Purity(self.items, clusters, self._classes)


class _OddOneOutTask:
    kind = "odd one out"

    def __init__(self, dataset: OddOneOutSet, row_of: RowOf, scoring: Scoring) -> None:
        groups = [[row_of(word) for word in words] for words, _ in dataset.groups]
        self.n_items = len(groups)
        self.sections: list[tuple[str, int]] = []
        self.items = np.array(
            [n for n, rows in enumerate(groups) if MISSING not in rows], dtype=np.int64
        )
        self._groups = [(np.array(groups[n]), dataset.groups[n][1]) for n in self.items]
        self.rows = np.array([row for n in self.items for row in groups[n]], np.int64)
        self.protocol = (
            "% of groups whose odd word has the lowest cosine with the mean of all, each of "
            f"length 1; {scoring.lookup}; groups with a missing word left out"
        )

    def outcome(self, matrix: MatrixLike) -> Outcome:
        right = []
        for rows, odd in self._groups:
            units = unit_rows(matrix, rows)
            right.append(int((units @ units.mean(axis=0)).argmin()) == odd)
        return Accuracy(self.items, np.array(right, dtype=bool))


def task_of(dataset: DataSet, row_of: RowOf, n_words: int, scoring: Scoring) -> Task:
    """Look up the words of a data set."""
    match dataset:
        case SimilaritySet():
            return _SimilarityTask(dataset, row_of, scoring)
        case AnalogySet():
            return _AnalogyTask(dataset, row_of, scoring, n_words)
        case CategorySet():
            return _CategoryTask(dataset, row_of, scoring)
        case OddOneOutSet():
            return _OddOneOutTask(dataset, row_of, scoring)


def parts_of(task: Task, outcome: Outcome) -> list[tuple[str, int, Outcome]]:
    """Return the sections of a task, with how many items each has and its outcome."""
    parts, start = [], 0
    for name, n_items in task.sections:
        places = np.arange(*np.searchsorted(task.items, [start, start + n_items]))
        parts.append((name, n_items, outcome.at(places)))
        start += n_items
    return parts


def common(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes of the items that all of them cover."""
    items = outcomes[0].items
    for outcome in outcomes[1:]:
        items = np.intersect1d(items, outcome.items, assume_unique=True)
    return [outcome.at(np.searchsorted(outcome.items, items)) for outcome in outcomes]

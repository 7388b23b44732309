"""Evaluate word vectors on similarity and analogy data sets.

A *similarity* set has pairs of words with human ratings of their similarity; the score is
Spearman's rho between ratings and cosines. An *analogy* set asks "a is to b as c is to what?"; the
score is the accuracy of the first answer. Leaving items out can change scores by tens of points, so
a report gives its coverage and protocol.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import FormatError, SettingError
from ..text.reading.compression import read_lines
from ..vectors.search import in_known_form
from ..vectors.vectors import Vectors

_SCORES_AT_ONCE = 1 << 24
_QUESTIONS_AT_ONCE = 512


@dataclass(frozen=True)
class SimilaritySet:
    """Pairs of words, each with a rating of their similarity."""

    name: str
    pairs: Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class AnalogySet:
    """Questions (a, b, c, d), "a is to b as c is to d", by section."""

    name: str
    sections: dict[str, Sequence[tuple[str, str, str, str]]]


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
        ``similarity`` or ``analogy``.
    score : float or None
        Spearman's rho × 100, or the percentage of covered questions answered correctly. None if
        nothing is covered, or if rho is undefined because all covered ratings, or all cosines,
        are equal.
    items, covered : int
        Items of the data set; those that are scored, because they have no missing word.
    protocol : str
        How the score was made.
    sections : tuple of SectionReport
        For an analogy set, in the order of the file.
    """

    dataset: str
    kind: str
    score: float | None
    items: int
    covered: int
    protocol: str
    sections: tuple[SectionReport, ...] = ()


def read_dataset(path: str | os.PathLike[str]) -> SimilaritySet | AnalogySet:
    """Read a data set; its first line determines the kind.

    Fields are separated by spaces or tabs; empty lines, and lines that begin with ``#``, are
    ignored. A similarity file has lines of two words and a number, and may begin with a line of
    column names. An analogy file has lines of four words, and lines ``: name`` that begin a
    section.

    Parameters
    ----------
    path : str or path-like
        A UTF-8 file.

    Raises
    ------
    FormatError
        If a line breaks the format, or there are no items.
    TextError
        If the file cannot be read.
    """
    lines = list(_lines(path))
    name = Path(path).name
    if not lines:
        raise FormatError(f"{path}: holds no items")
    place, fields = lines[0]
    if fields[0].startswith(":") or len(fields) == 4:
        return AnalogySet(name, _sections(lines, path))
    if len(fields) == 3:
        return SimilaritySet(name, _pairs(lines, path))
    raise FormatError(
        f"{place}: expected two words and a number, four words, or ': section', "
        f"found {len(fields)} fields"
    )


def evaluate(
    vectors: Vectors,
    dataset: SimilaritySet | AnalogySet,
    *,
    restrict_vocab: int = 30_000,
    keep_case: bool = False,
) -> Report:
    """Score vectors on a data set.

    Parameters
    ----------
    vectors : Vectors
        Words in order of frequency, as trainers write them.
    dataset : SimilaritySet or AnalogySet
        As `read_dataset` returns it.
    restrict_vocab : int
        Analogies only: how many of the first words may be asked for and answered, at least 1.
    keep_case : bool
        Look words up as the data set spells them, instead of in lower case.

    Raises
    ------
    SettingError
        If `restrict_vocab` is below 1.
    """
    if restrict_vocab < 1:
        raise SettingError(f"restrict_vocab is {restrict_vocab}; keep at least 1 word")
    in_case: Callable[[str], str] = str if keep_case else str.lower

    def fold(word: str) -> str:
        return in_known_form(vectors, in_case(word))

    case = "words as spelled" if keep_case else "words lower-cased"
    if isinstance(dataset, SimilaritySet):
        return _evaluate_similarity(vectors, dataset, fold, case)
    return _evaluate_analogies(vectors, dataset, min(restrict_vocab, len(vectors)), fold, case)


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Return Spearman's rank correlation of two equally long sequences of numbers.

    The correlation of their ranks, where equal numbers share the average of their ranks; None if
    all numbers of a sequence are equal. The same as scipy.stats.spearmanr.
    """
    ranks = np.array([_average_ranks(x), _average_ranks(y)])
    centered = ranks - ranks.mean(axis=1, keepdims=True)
    xy, xx, yy = centered[0] @ centered[1], centered[0] @ centered[0], centered[1] @ centered[1]
    return float(xy / np.sqrt(xx * yy)) if xx * yy > 0 else None


def _average_ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Return ranks from 1, equal values sharing the average of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def _evaluate_similarity(
    vectors: Vectors, dataset: SimilaritySet, fold: Callable[[str], str], case: str
) -> Report:
    """Correlate ratings with cosines."""
    covered = [
        (vectors.similarity(fold(a), fold(b)), rating)
        for a, b, rating in dataset.pairs
        if fold(a) in vectors and fold(b) in vectors
    ]
    rho = spearman(*zip(*covered, strict=True)) if covered else None
    return Report(
        dataset=dataset.name,
        kind="similarity",
        score=None if rho is None else 100 * rho,
        items=len(dataset.pairs),
        covered=len(covered),
        protocol=(
            f"100 times Spearman's rho with cosines; {case}; pairs with a missing word left out"
        ),
    )


def _evaluate_analogies(
    vectors: Vectors,
    dataset: AnalogySet,
    n_words: int,
    fold: Callable[[str], str],
    case: str,
) -> Report:
    """Count correct first answers, in total and by section."""
    reports = []
    n_correct = 0
    for name, questions in dataset.sections.items():
        word_ids = [
            [vectors.word_ids.get(fold(word), n_words) for word in question]
            for question in questions
        ]
        covered = np.array([row for row in word_ids if max(row) < n_words], dtype=np.int64)
        correct = _count_correct(vectors.unit_matrix[:n_words], covered)
        n_correct += correct
        reports.append(
            SectionReport(name, _percent(correct, len(covered)), len(questions), len(covered))
        )
    n_covered = sum(report.covered for report in reports)
    return Report(
        dataset=dataset.name,
        kind="analogy",
        score=_percent(n_correct, n_covered),
        items=sum(report.items for report in reports),
        covered=n_covered,
        protocol=(
            f"% correct by 3CosAdd among the first {n_words:,} words; {case}; question words are "
            "not answers; questions with other words left out"
        ),
        sections=tuple(reports),
    )


def _count_correct(unit_matrix: NDArray[np.float32], questions: NDArray[np.int64]) -> int:
    """Count the questions, rows (a, b, c, d), whose best answer by 3CosAdd is d."""
    correct = 0
    # Bounded, so that a large vocabulary does not fill the memory with scores.
    n_at_once = max(1, min(_QUESTIONS_AT_ONCE, _SCORES_AT_ONCE // len(unit_matrix)))
    for start in range(0, len(questions), n_at_once):
        a, b, c, d = questions[start : start + n_at_once].T
        scores = (unit_matrix[b] - unit_matrix[a] + unit_matrix[c]) @ unit_matrix.T
        asked = np.arange(len(d))
        for word_ids in (a, b, c):
            scores[asked, word_ids] = -np.inf
        correct += int(np.count_nonzero(scores.argmax(axis=1) == d))
    return correct


def _percent(part: int, whole: int) -> float | None:
    """Return `part` in percent of `whole`, None if `whole` is 0."""
    return 100 * part / whole if whole else None


def _lines(path: str | os.PathLike[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield the place and the fields of every line that is not ignored."""
    for place, line in read_lines(path):
        try:
            # Split as bytes, so that only ASCII white space separates.
            fields = [field.decode() for field in line.split()]
        except UnicodeDecodeError:
            raise FormatError(f"{place}: is not UTF-8; convert the file") from None
        if fields and not fields[0].startswith("#"):
            yield place, fields


def _pairs(
    lines: Sequence[tuple[str, list[str]]], path: str | os.PathLike[str]
) -> list[tuple[str, str, float]]:
    """Read the lines of a similarity file."""
    pairs = []
    for number, (place, fields) in enumerate(lines):
        rating = _finite(fields[-1])
        if number == 0 and rating is None:
            continue
        if len(fields) != 3 or rating is None:
            raise FormatError(
                f"{place}: expected two words and a number, found {' '.join(fields)[:60]!r}"
            )
        pairs.append((fields[0], fields[1], rating))
    if not pairs:
        raise FormatError(f"{path}: holds no items after the line of column names")
    return pairs


def _finite(text: str) -> float | None:
    """Return the finite number that `text` spells, None if it spells none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if np.isfinite(number) else None


def _sections(
    lines: Iterable[tuple[str, list[str]]], path: str | os.PathLike[str]
) -> dict[str, Sequence[tuple[str, str, str, str]]]:
    """Read the lines of an analogy file; questions before any section form one named ``all``."""
    sections: dict[str, list] = {}
    name = "all"
    for place, fields in lines:
        if fields[0].startswith(":"):
            name = " ".join(fields)[1:].strip()
            if not name:
                raise FormatError(f"{place}: a section needs a name after ':'")
        elif len(fields) == 4:
            sections.setdefault(name, []).append(tuple(fields))
        else:
            raise FormatError(
                f"{place}: expected four words or ': section', found {' '.join(fields)[:60]!r}"
            )
    if not sections:
        raise FormatError(f"{path}: has sections but no questions")
    return dict(sections)

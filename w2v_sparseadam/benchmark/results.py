"""What a benchmark finds."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any, NamedTuple

from ..events import Event


@dataclass(frozen=True)
class TimingSteps(Event):
    """Steps over so many words are timed next."""

    kind = "step"
    words: int


@dataclass(frozen=True)
class TimingTraining(Event):
    """Training with an optimizer comes next."""

    kind = "training"
    optimizer: str
    round: int  # from 1


class Spread(NamedTuple):
    """Median and extremes of what the rounds gave."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True)
class StepTiming:
    """One optimizer's step over a matrix of one size.

    Attributes
    ----------
    n_words : int
        Rows of the matrix, V.
    draw : {"corpus", "zipf", "uniform"}
        How the rows with a gradient were drawn.
    optimizer : str
        One of `STEP_OPTIMIZERS`.
    n_rows_touched : int
        Rows with a gradient.
    n_rows_moved : int
        Rows that the step moves: those, or all V.
    n_bytes_moved : int
        Bytes read and written: each moved row and its state twice, each gradient once. Row
        numbers, about 1 % more, are not counted.
    seconds : list of float
        Time of a step: for each round, the median of its steps.
    state_bytes : int
        Size of the optimizer's state.
    resident_state_bytes : int or None
        How much of it is resident after one step: the pages that hold a touched row. None if
        unknown.
    """

    n_words: int
    draw: str
    optimizer: str
    n_rows_touched: int
    n_rows_moved: int
    n_bytes_moved: int
    seconds: list[float]
    state_bytes: int
    resident_state_bytes: int | None

    def ratio(self, first: StepTiming) -> Spread:
        """Return how many times as long as `first` it took, in the same rounds."""
        return Spread.of(own / its for own, its in zip(self.seconds, first.seconds, strict=True))


@dataclass(frozen=True)
class TrainingRun:
    """One optimizer's training for a limited time.

    Attributes
    ----------
    optimizer : str
        One of `TRAINING_OPTIMIZERS`.
    seconds : float
        Time of the steps, without reading and compiling.
    n_tokens : int
        Vocabulary tokens processed, before subsampling; more than the text has from the second
        epoch on.
    loss : float or None
        Mean negative log likelihood per pair, with its negatives, over the last tenth of the
        time. None if the run diverged or met no pair.
    curve : list of (float, float)
        Seconds since the start, and the mean loss since the point before; at most 50 points.
    peak_memory_bytes : int or None
        Of the whole process; None where the system does not tell.
    """

    optimizer: str
    seconds: float
    n_tokens: int
    loss: float | None
    curve: list[tuple[float, float]]
    peak_memory_bytes: int | None

    @property
    def tokens_per_s(self) -> float:
        """Speed."""
        return self.n_tokens / self.seconds


@dataclass(frozen=True)
class Skipped:
    """What was not measured, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Report:
    """The results of a benchmark.

    Attributes
    ----------
    machine : dict
        As from `describe_machine`.
    settings : dict
        n_words and n_tokens of the text; dim, batch_size, threads, repeat, seconds, seed.
    steps : list of StepTiming
        By size, then draw, then optimizer in the order of `STEP_OPTIMIZERS`.
    training : list of TrainingRun
        By round, then optimizer in the order of `TRAINING_OPTIMIZERS`.
    skipped : list of Skipped
    """

    machine: dict[str, str]
    settings: dict[str, Any]
    steps: list[StepTiming]
    training: list[TrainingRun]
    skipped: list[Skipped]

    def step_groups(self) -> Iterator[list[StepTiming]]:
        """Yield what was timed on the same rows, the first optimizer first."""
        for _, group in groupby(self.steps, key=lambda timing: (timing.n_words, timing.draw)):
            yield list(group)

    def training_runs(self) -> dict[str, list[TrainingRun]]:
        """Return the runs of each optimizer, by round."""
        runs: dict[str, list[TrainingRun]] = {}
        for run in self.training:
            runs.setdefault(run.optimizer, []).append(run)
        return runs

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield everything as dicts fit for JSON; ``kind`` tells what each is about.

        First ``machine`` and ``settings``; then a ``step`` for each `StepTiming`, with its
        median_seconds and its ratio to the first optimizer; a ``training`` for each
        `TrainingRun`, with its tokens_per_s and epoch_seconds; and each ``skipped``.
        """
        yield {"kind": "machine", **self.machine}
        yield {"kind": "settings", **self.settings}
        for group in self.step_groups():
            for timing in group:
                yield {
                    "kind": "step",
                    **asdict(timing),
                    "median_seconds": statistics.median(timing.seconds),
                    "ratio": timing.ratio(group[0]).median,
                }
        for run in self.training:
            yield {
                "kind": "training",
                **asdict(run),
                "tokens_per_s": run.tokens_per_s,
                "epoch_seconds": self.settings["n_tokens"] / run.tokens_per_s,
            }
        for skipped in self.skipped:
            yield {"kind": "skipped", **asdict(skipped)}

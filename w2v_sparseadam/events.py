"""What happens while a text is read and a run is trained: what `on_event` receives.

Each event is a frozen dataclass. It can be read like a dict, too, in which ``"event"`` is its kind:
so a log has it, a JSON object a line.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from .errors import W2VError, W2VWarning

_PACKAGE = str(Path(__file__).parent)

EVENT_SECONDS = 0.2
"""The shortest time between two events of progress of the same kind."""


class Pace:
    """Decides when progress is told next: some seconds and a share of the work later."""

    def __init__(self, seconds: float, share: float) -> None:
        self._seconds, self._share = seconds, share
        self._last_time, self._last_share = time.monotonic(), 0.0

    def due(self, done: float, whole: float) -> bool:
        """Tell whether it is due now; if so, count from it."""
        now, share = time.monotonic(), done / max(whole, 1)
        if now < self._last_time + self._seconds or share < self._last_share + self._share:
            return False
        self._last_time, self._last_share = now, share
        return True


@dataclass(frozen=True)
class Event:
    """Something that happened."""

    kind: ClassVar[str]

    def keys(self) -> list[str]:
        """Return the names of what is known of it."""
        return ["event", *(field.name for field in fields(self))]

    def __getitem__(self, name: str) -> Any:
        """Return something of it by name."""
        if name == "event":
            return self.kind
        if name not in self.keys():
            raise KeyError(name)
        return getattr(self, name)

    # There is no __iter__: pandas would take an event for a list of its names.
    def __contains__(self, name: object) -> bool:
        """Tell whether something is known of it by this name."""
        return name in self.keys()

    def get(self, name: str, default: Any = None) -> Any:
        """Return something of it by name, or a default if it has no such thing."""
        return self[name] if name in self.keys() else default


Emit = Callable[[Event], None]
"""Tells of an event."""


class StopTraining(Exception):  # noqa: N818 - no error, as StopIteration is none
    """End a training run when `on_event` or `on_epoch` raises it; `train` returns its model."""


@dataclass(frozen=True)
class Warned(Event):
    """Something is odd, or went wrong, that does not end the run.

    Settings in ``advice`` stand in backquotes.
    """

    kind = "warning"
    message: str
    advice: str = ""

    def keys(self) -> list[str]:
        """Return the names of what is known of it."""
        return ["event", "message", *(["advice"] if self.advice else [])]


@dataclass(frozen=True)
class Connecting(Event):
    """The scheduler of a cluster does not answer yet; Dask waits for it, half a minute at most."""

    kind = "connect"
    address: str


@dataclass(frozen=True)
class Compiling(Event):
    """A kernel is about to be compiled, for seconds; a later run finds it on the disk."""

    kind = "compile"
    kernel: str
    number: int = 0  # of it among all that are needed, those found on the disk included; from 1
    total: int = 0  # kernels that are needed; 0 if unknown


@dataclass(frozen=True)
class Reading(Event):
    """Progress of reading, at most five times a second."""

    kind = "read"
    bytes: int  # as they are stored
    total_bytes: int  # 0 if a source is a stream
    tokens: int  # before the tokenizer


@dataclass(frozen=True)
class Joining(Event):
    """Progress of the search for phrases, at most five times a second."""

    kind = "join"
    words: int  # gone through so far
    total_words: int


@dataclass(frozen=True)
class TextRead(Event):
    """The text has been read; like a dict, it has the fields of its report without ``n_``."""

    kind = "text"
    min_count: int
    report: Any  # a TextReport

    def keys(self) -> list[str]:
        """Return the names of what is known of it."""
        return ["event", "min_count", *self.report.record()]

    def __getitem__(self, name: str) -> Any:
        """Return something of it by name."""
        record = self.report.record()
        return record[name] if name in record else super().__getitem__(name)


@dataclass(frozen=True)
class PhrasesJoined(Event):
    """The phrases that were joined, if any were to be."""

    kind = "phrases"
    found: Sequence[Any]  # of Phrase


@dataclass(frozen=True)
class FolderLocked(Event):
    """This process has locked the folder of the run."""

    kind = "folder"
    path: str
    taken_over_from: str | None  # a process that died in it


@dataclass(frozen=True)
class Initialized(Event):
    """Start vectors are in place."""

    kind = "init"
    matched: int  # words that have one
    fresh: int  # words without
    unused: int  # vectors without a word
    moments: bool | None = None  # of a Start: whether they were taken
    ngrams: int | None = None  # that have a vector, of Vectors with those of the run

    def keys(self) -> list[str]:
        """Return the names of what is known of it."""
        names = super().keys()
        return [name for name in names if getattr(self, name, "") is not None]


@dataclass(frozen=True)
class WordsFrozen(Event):
    """The words to freeze have been looked up."""

    kind = "freeze"
    frozen: int
    unknown: int
    examples: Sequence[str]  # up to three unknown ones


@dataclass(frozen=True)
class TrainingStarted(Event):
    """The first step comes next."""

    kind = "start"
    tokens: int  # of the whole run
    words: int
    dim: int
    epochs: int
    subsample: float | None
    steps: int
    threads: int
    first_step: int  # this and what follows is 0 unless the run is resumed
    done_tokens: int
    done_seconds: float


@dataclass(frozen=True)
class Progressed(Event):
    """Progress of training, at most five times a second, and at the end of each epoch."""

    kind = "progress"
    epoch: int
    tokens: int  # since the start
    seconds: float  # since the start
    loss: float  # per pair, since the last such event, as the next two
    pairs: float
    tokens_per_s: float
    lr: float


@dataclass(frozen=True)
class RoundProgressed(Event):
    """Progress of a round on several machines, at least once a second."""

    kind = "round"
    round: int  # from 1, over all epochs
    shards: int  # of it that are done
    total_shards: int


@dataclass(frozen=True)
class EpochEnded(Event):
    """An epoch is done."""

    kind = "epoch"
    epoch: int
    tokens: int
    pairs: float
    loss: float | None  # per pair; None if there was none
    seconds: float


@dataclass(frozen=True)
class Scored(Event):
    """The vectors after an epoch have been scored on a data set."""

    kind = "score"
    epoch: int
    dataset: str
    task: str  # similarity, analogy, categories or odd one out
    score: float | None  # × 100; None if nothing is covered, or it is undefined
    low: float | None  # 95 % of the scores of resamples lie between this
    high: float | None  # and this
    items: int  # of the data set
    covered: int


@dataclass(frozen=True)
class BestEpoch(Event):
    """Training has ended, and its result is the vectors after this epoch."""

    kind = "best"
    epoch: int
    dataset: str  # on which it is the best
    score: float
    first_epoch: int  # of those compared: not 1 if a run was resumed with another data set
    last_epoch: int  # that was trained


@dataclass(frozen=True)
class CheckpointWritten(Event):
    """A checkpoint is on the disk."""

    kind = "checkpoint"
    step: int  # number of steps taken
    bytes: int
    seconds: float


@dataclass(frozen=True)
class TextAdded(Event):
    """More text is in the folder of the run."""

    kind = "add"
    new_words: int
    words: int  # of the vocabulary
    new_tokens: int
    tokens: int  # of the text
    left_out_words: int  # of the added text, too rare or beyond the vocabulary's limit


@dataclass(frozen=True)
class RunFinished(Event):
    """A run that was to be resumed has no steps left, so nothing is trained."""

    kind = "finished"
    epochs: int  # of the whole run
    steps: int
    words: int
    dim: int


@dataclass(frozen=True)
class TrainingDone(Event):
    """The last step is done."""

    kind = "done"
    train_seconds: float  # without reading and compiling
    tokens: int
    tokens_per_s: float
    loss: float
    peak_memory_bytes: int | None  # of the process; None where unknown


def warn(event: Event) -> None:
    """Give the message of `Warned` as a warning of Python's, for who listens to no events."""
    if isinstance(event, Warned):
        warn_caller(str(W2VError(event.message, event.advice)))


def warn_caller(message: str) -> None:
    """Give a `W2VWarning` at the line that called this package."""
    warnings.warn(message, W2VWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return how many frames lie between the function that asks and who called this package."""
    frame, level, last = sys._getframe(1), 1, 1
    while frame.f_back:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            last = level
        frame, level = frame.f_back, level + 1
    return last + 1

"""Progress of a run, and the state that a checkpoint stores beside the arrays."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FormatError
from ..events import Event, Warned
from ..version import training_version

if TYPE_CHECKING:
    import numpy as np

    from ..engine.stepper import Batch, Stepper

_MOST = 1 << 62  # of what a checkpoint counts


class Tally:
    """Loss, pairs and tokens of a part of the run."""

    def __init__(
        self, loss: float = 0.0, n_pairs: float = 0, n_tokens: int = 0, seconds: float = 0.0
    ) -> None:
        self.loss = loss
        self.n_pairs = n_pairs
        self.n_tokens = n_tokens
        self.start_clock(seconds)

    def start_clock(self, seconds: float = 0) -> None:
        """Count from now on, as if so many seconds had passed."""
        self._began = time.perf_counter() - seconds

    def add(self, batch: Batch) -> None:
        """Count a step."""
        self.loss += batch.loss
        self.n_pairs += batch.n_pairs
        self.n_tokens += batch.n_tokens

    @property
    def mean_loss(self) -> float:
        """Loss per pair; there must be one."""
        return self.loss / self.n_pairs

    @property
    def seconds(self) -> float:
        """What the clock shows."""
        return time.perf_counter() - self._began

    def as_dict(self) -> dict[str, Any]:
        """Return what makes an equal one."""
        return {
            "loss": self.loss,
            "n_pairs": self.n_pairs,
            "n_tokens": self.n_tokens,
            "seconds": self.seconds,
        }


class Progress:
    """Progress of a run: steps taken, loss of the last epoch, and totals.

    ``limit`` is the length at which a vector has diverged, None before the run begins: that of
    its start, whatever vectors it has when it goes on.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        if state is None:
            state = {"step": 0, "loss": 0.0, "limit": None, "run": {}, "epoch": {}}
        self.step: int = state["step"]
        self.loss: float = state["loss"]
        self.limit: float | None = state["limit"]
        self.run, self.epoch = Tally(**state["run"]), Tally(**state["epoch"])
        self.done = self.run.seconds, self.epoch.seconds

    @property
    def done_seconds(self) -> float:
        """How long the run had taken when this was made."""
        return self.done[0]

    def note_clocks(self) -> None:
        """Remember what the clocks show."""
        self.done = self.run.seconds, self.epoch.seconds

    def start_clocks(self) -> None:
        """Leave out the time since this was made, or since the clocks were noted."""
        for tally, seconds in zip((self.run, self.epoch), self.done, strict=True):
            tally.start_clock(seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return what makes an equal one, as JSON can hold it."""
        return {
            "step": self.step,
            "loss": self.loss,
            "limit": self.limit,
            "run": self.run.as_dict(),
            "epoch": self.epoch.as_dict(),
        }


def run_arrays(
    stepper: Stepper, dim: int, n_rows: Mapping[str, int] | None = None
) -> dict[str, np.ndarray]:
    """Return all that training changes, by name: views of each table's first rows, or of all."""
    last = {} if n_rows is None else n_rows
    return {
        f"{table}.{name}": array[: last.get(table), :dim]
        if array.ndim == 2
        else array[: last.get(table)]
        for table, optimizer in stepper.tables.items()
        for name, array in {"vectors": optimizer.param, **optimizer.state}.items()
    }


def run_state(progress: Progress, stepper: Stepper) -> dict[str, Any]:
    """Return what a checkpoint says beside its arrays."""
    return {
        "progress": progress.as_dict(),
        "steps_an_epoch": stepper.n_batches,
        "step_counts": [optimizer.step_count for optimizer in stepper.tables.values()],
        "version": training_version(),
    }


class RunState(NamedTuple):
    """What a checkpoint says beside its arrays, as `run_state` wrote it."""

    progress: Progress
    steps_an_epoch: int
    step_counts: list[int]
    version: str

    @classmethod
    def read(cls, state: Any, path: Path) -> RunState:
        """Return what a state says, if it is one.

        Raises
        ------
        FormatError
            If no run writes such a state; names the ``path`` of the run's folder.
        """
        try:
            found = cls(
                Progress(dict(state["progress"])),
                state["steps_an_epoch"],
                list(state["step_counts"]),
                state["version"],
            )
            progress = found.progress
            tallies = progress.run, progress.epoch
            whole = [progress.step, found.steps_an_epoch, *found.step_counts]
            whole += [tally.n_tokens for tally in tallies]
            real = [progress.loss, *progress.done]
            real += [x for tally in tallies for x in (tally.loss, tally.n_pairs)]
            real += [] if progress.limit is None else [progress.limit]
            is_whole = (
                all(isinstance(n, int) and 0 <= n < _MOST for n in whole)
                and all(isinstance(x, int | float) and 0 <= x < math.inf for x in real)
                and found.steps_an_epoch > 0
                and len(found.step_counts) > 0
                and isinstance(found.version, str)
            )
        except (KeyError, TypeError, ValueError, OverflowError):
            is_whole = False
        if not is_whole:
            raise FormatError(f"{path}: the state in its checkpoint is damaged")
        return found

    def restore_counts(self, stepper: Stepper, path: Path) -> None:
        """Give each optimizer the count of its steps."""
        optimizers = stepper.tables.values()
        if len(optimizers) != len(self.step_counts):
            raise FormatError(f"{path}: the state in its checkpoint is damaged")
        for optimizer, count in zip(optimizers, self.step_counts, strict=True):
            optimizer.step_count = count


def tell_of_version(path: Path, version: str, emit: Callable[[Event], None]) -> None:
    """Warn if another version wrote the checkpoint of a run that goes on."""
    if version != training_version():
        other = version if version.isprintable() else repr(version)
        message = (
            f"{path}: version {other:.40} wrote its last checkpoint, and this is "
            f"{training_version()}; the vectors may differ from those of either version alone"
        )
        emit(Warned(message))

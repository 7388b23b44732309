"""The steps of a run: their learning rates, what is told of them, and when their state is kept."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import FormatError, TextError, W2VError
from ..text.events import EVENT_SECONDS, Event
from ..version import training_version

if TYPE_CHECKING:
    import numpy as np

    from ..engine.stepper import Batch, Stepper
    from ..optimizers.settings import OptimizerConfig
    from .divergence import Watch
    from .run_folder import RunFolder

# Long enough that Python's part in it is small, short enough that Ctrl-C is soon served.
_RUN_SECONDS = 0.1
_MOST = 1 << 62  # of what a checkpoint counts


class Schedule:
    """The learning rate of every step: in each stage it rises, if it is warmed up, and falls.

    Of the n steps of a stage, the first w = ⌈warmup · n⌉ rise in a straight line, step k having
    lr · (k + 1) / (w + 1). From there to the end of the stage, with x from 0 to 1,

        linear     min_lr + (lr − min_lr) · (1 − x)
        cosine     min_lr + (lr − min_lr) · (1 + cos πx) / 2
        constant   lr

    Parameters
    ----------
    optimizer : OptimizerConfig
        Has lr, min_lr, lr_schedule and warmup.
    stage_steps : sequence of int
        Steps of each stage.
    """

    def __init__(self, optimizer: OptimizerConfig, stage_steps: Sequence[int]) -> None:
        self._optimizer = optimizer
        self._start_lr = optimizer.start_lr
        self._stages = [(sum(stage_steps[:k]), n) for k, n in enumerate(stage_steps)]
        self.n_steps = sum(stage_steps)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        first, n = next(stage for stage in reversed(self._stages) if stage[0] <= step)
        optimizer, k = self._optimizer, step - first
        n_warm = math.ceil(optimizer.warmup * n)
        if k < n_warm:
            return self._start_lr * (k + 1) / (n_warm + 1)
        left = 1 - (k - n_warm) / (n - n_warm)
        match optimizer.lr_schedule:
            case "constant":
                return self._start_lr
            case "cosine":
                left = (1 - math.cos(math.pi * left)) / 2
        return optimizer.min_lr + (self._start_lr - optimizer.min_lr) * left


class Tally:
    """Loss, pairs and tokens of a stretch of the run."""

    def __init__(
        self, loss: float = 0.0, n_pairs: float = 0, n_tokens: int = 0, seconds: float = 0.0
    ) -> None:
        self.loss = loss
        self.n_pairs = n_pairs
        self.n_tokens = n_tokens
        self.start_clock(seconds)

    def start_clock(self, seconds: float) -> None:
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
    """How far a run is: steps taken, the last loss of an epoch, and the tallies.

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

    def start_clocks(self) -> None:
        """Leave out the time since this was made."""
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


def run_arrays(stepper: Stepper, dim: int, n_words: int | None = None) -> dict[str, np.ndarray]:
    """Return all that training changes, by name: views of the first words' rows, or of all."""
    return {
        f"{table}.{name}": array[:n_words, :dim] if array.ndim == 2 else array[:n_words]
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
        emit({"event": "warning", "message": message})


class CheckpointRequest(Protocol):
    """Asks for a checkpoint while it is set; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether one is asked for."""

    def clear(self) -> None:
        """Note that it is being written."""


class Interrupts:
    """Lets Ctrl-C wait, in a ``with`` block, until the state is whole: a job that it ends is not.

    Only where Python's own handler is in force: another knows what it does.

    Parameters
    ----------
    wait : bool
        False does nothing.
    """

    def __init__(self, wait: bool) -> None:
        self._waits = (
            wait
            and threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        )
        self._came = False

    def check(self) -> None:
        """Raise KeyboardInterrupt if one has come."""
        if self._came:
            raise KeyboardInterrupt

    def __enter__(self) -> Interrupts:
        if self._waits:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._waits:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if kind is None:
            self.check()

    def _note(self, *_: object) -> None:
        self.check()  # the second does not wait
        self._came = True


class Keeping:
    """Keeps the state of a run in its folder: what to write, and when."""

    def __init__(
        self,
        folder: RunFolder,
        minutes: float,
        now: CheckpointRequest | None,
        emit: Callable[[Event], None],
    ) -> None:
        from .checkpoint import Checkpoints

        self._emit = emit
        self._checkpoints = Checkpoints(folder.checkpoints, emit)
        self._seconds = 60 * minutes
        self._now = now
        self._last = time.monotonic()
        self._folder = folder
        self.must_load = False
        self._version = training_version()

    def load(self, stepper: Stepper, dim: int) -> Progress | None:
        """Bring the stepper to the last good checkpoint; None if there is none."""
        self._stepper = stepper
        self._arrays = run_arrays(stepper, dim)
        state = self._checkpoints.load(self._arrays)
        if state is None and self.must_load:
            raise W2VError(
                f"{self._folder.path}: no checkpoint is left of the vectors that it started from",
                "start a new run, from all of its text and with `init` if it had that",
            )
        if state is None:
            return None
        found = RunState.read(state, self._folder.path)
        if found.steps_an_epoch != stepper.n_batches:
            raise FormatError(
                f"{self._folder.path}: its checkpoint counts {found.steps_an_epoch:,} steps an "
                f"epoch, but its settings and text make {stepper.n_batches:,}; put back the files "
                "that belong to it, or start a new run"
            )
        self._version = found.version
        found.restore_counts(stepper, self._folder.path)
        return found.progress

    def tell_of_version(self) -> None:
        """Warn if another version wrote the checkpoint that steps follow."""
        tell_of_version(self._folder.path, self._version, self._emit)

    def check_text(self) -> None:
        """Refuse to go on with word ids that have been changed."""
        self._folder.check_text()

    def keep(self, progress: Progress, ends_epoch: bool) -> None:
        """Write a checkpoint if one is due or asked for."""
        self._checkpoints.poll()
        asked = self._now is not None and self._now.is_set()
        if asked and self._now is not None:
            self._now.clear()  # first: who asks while it is written wants another
        if ends_epoch or asked or time.monotonic() - self._last >= self._seconds:
            self._checkpoints.save(progress.step, self._arrays, self._state(progress))
            self._last = time.monotonic()

    def keep_start(self, progress: Progress) -> None:
        """Write a checkpoint before the first step: nothing else in the folder has the vectors."""
        self._checkpoints.save(progress.step, self._arrays, self._state(progress))

    def keep_before_leaving(self, progress: Progress) -> None:
        """Write a checkpoint, whatever ``on_event`` raises."""
        self._checkpoints.save_before_leaving(progress.step, self._arrays, self._state(progress))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the checkpoint that is being written."""
        self._checkpoints.wait(quietly=kind is not None)

    def _state(self, progress: Progress) -> dict[str, Any]:
        return run_state(progress, self._stepper)


def take_steps(
    stepper: Stepper,
    watch: Watch,
    schedule: Schedule,
    progress: Progress,
    keeping: Keeping | None,
    interrupts: Interrupts,
    emit: Callable[[Event], None],
) -> None:
    """Take the steps of a run that are left, several of an epoch at once."""
    from .divergence import CHECK_STEPS

    n_steps = schedule.n_steps
    interval = Tally()
    n = 1
    while progress.step < n_steps:
        first = progress.step
        epoch_number = first // stepper.n_batches + 1
        # Vectors are looked at after the steps that end an epoch or such a stretch, and at no other
        # state of theirs: whether a run is stopped does not depend on the machine's speed.
        stop = min(first + n, *(first // k * k + k for k in (stepper.n_batches, CHECK_STEPS)))
        lrs = [schedule.lr(step) for step in range(first, stop)]
        began = time.perf_counter()
        batches = stepper.run(first, lrs)
        seconds_a_step = (time.perf_counter() - began) / len(lrs)
        if keeping:
            keeping.check_text()  # before anything of what was learned from it is kept
        for lr, batch in zip(lrs, batches, strict=True):
            watch.check(progress.step, batch.loss, lr)
            progress.step += 1
            for tally in (progress.run, progress.epoch, interval):
                tally.add(batch)
        epoch, ends_epoch = progress.epoch, stop == epoch_number * stepper.n_batches
        if ends_epoch:
            if epoch.n_pairs:
                progress.loss = epoch.mean_loss
            elif not progress.run.n_pairs:
                _check_hope(stepper, progress.step == n_steps)
            epoch_seconds = epoch.seconds
            progress.epoch = Tally()
        reports: list[Event] = []
        if interval.n_pairs and (ends_epoch or interval.seconds >= EVENT_SECONDS):
            reports.append(
                {
                    "event": "progress",
                    "epoch": epoch_number,
                    "tokens": progress.run.n_tokens,
                    "seconds": progress.run.seconds,
                    "loss": interval.mean_loss,
                    "pairs": interval.n_pairs,
                    "tokens_per_s": interval.n_tokens / interval.seconds,
                    "lr": lrs[-1],
                }
            )
            interval = Tally()
        if ends_epoch:
            reports.append(
                {
                    "event": "epoch",
                    "epoch": epoch_number,
                    "tokens": epoch.n_tokens,
                    "pairs": epoch.n_pairs,
                    "loss": epoch.mean_loss if epoch.n_pairs else None,
                    "seconds": epoch_seconds,
                }
            )
        # From here to the next job the state is whole, so that an exception costs nothing.
        try:
            with ExitStack() as stack:  # all are emitted, though one may raise: none comes again
                for report in reversed(reports):
                    stack.callback(emit, report)
            interrupts.check()
            if keeping:
                keeping.keep(progress, ends_epoch)
        except BaseException:
            if keeping:
                keeping.keep_before_leaving(progress)
            raise
        n = max(1, min(2 * n, int(_RUN_SECONDS / seconds_a_step)))


def _check_hope(stepper: Stepper, at_end: bool) -> None:
    """Refuse a text in which no epoch has found a pair, if none will."""
    if not stepper.has_neighbours():
        raise TextError("nothing to learn from: no line has two words", "lower `min_count`")
    if at_end:
        raise TextError(
            "nothing to learn from: in no epoch had a line two words left",
            "keep frequent words with `subsample=0`, or lower `min_count`",
        )

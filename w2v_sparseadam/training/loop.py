"""The training loop: steps, between which progress is reported and checkpoints are written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ..errors import TextError
from ..events import EVENT_SECONDS, EpochEnded, Event, Progressed
from .progress import Progress, Tally
from .schedule import Schedule

if TYPE_CHECKING:
    from ..engine.stepper import Stepper
    from .checkpoint_policy import CheckpointPolicy
    from .divergence import Watch

# Long enough that Python's part in it is small, short enough that Ctrl-C is soon served.
_RUN_SECONDS = 0.1


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


def take_steps(
    stepper: Stepper,
    watch: Watch,
    schedule: Schedule,
    progress: Progress,
    policy: CheckpointPolicy | None,
    interrupts: Interrupts,
    emit: Callable[[Event], None],
    min_count: int,
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
        ahead = min(n, stepper.most_steps)
        stop = min(first + ahead, *(first // k * k + k for k in (stepper.n_batches, CHECK_STEPS)))
        lrs = [schedule.lr(step) for step in range(first, stop)]
        progress.note_clocks()
        began = time.perf_counter()
        try:
            batches = stepper.run(first, lrs)
        except BaseException:
            if policy and stepper.is_whole:
                progress.start_clocks()  # these steps will be taken again
                policy.keep_before_leaving(progress)
            raise
        seconds_a_step = (time.perf_counter() - began) / len(lrs)
        if policy:
            policy.check_text()  # before anything of what was learned from it is kept
        for lr, batch in zip(lrs, batches, strict=True):
            watch.check(progress.step, batch.loss, lr)
            progress.step += 1
            for tally in (progress.run, progress.epoch, interval):
                tally.add(batch)
        epoch, ends_epoch = progress.epoch, stop == epoch_number * stepper.n_batches
        events: list[Event] = []
        if interval.n_pairs and (ends_epoch or interval.seconds >= EVENT_SECONDS):
            events.append(_progress_event(epoch_number, progress.run, interval, lrs[-1]))
            interval = Tally()
        if ends_epoch:
            if epoch.n_pairs:
                progress.loss = epoch.mean_loss
            elif not progress.run.n_pairs:
                _check_pairs(stepper, progress.step == n_steps, min_count)
            events.append(_epoch_event(epoch_number, epoch))
            progress.epoch = Tally()
        seconds = progress.run.seconds
        # From here to the next job the state is whole, so that an exception costs nothing.
        try:
            with ExitStack() as stack:  # emit all, even if one raises: they are not repeated
                for event in reversed(events):
                    stack.callback(emit, event)
            if ends_epoch:  # scoring it, for example, is not training
                progress.run.start_clock(seconds)
                progress.epoch.start_clock()
                interval.start_clock()
            interrupts.check()
            if policy:
                policy.keep(progress, ends_epoch)
        except BaseException:
            if policy:
                policy.keep_before_leaving(progress)
            raise
        n = max(1, min(2 * n, int(_RUN_SECONDS / seconds_a_step)))


def _progress_event(epoch: int, run: Tally, interval: Tally, lr: float) -> Event:
    return Progressed(
        epoch=epoch,
        tokens=run.n_tokens,
        seconds=run.seconds,
        loss=interval.mean_loss,
        pairs=interval.n_pairs,
        tokens_per_s=interval.n_tokens / interval.seconds,
        lr=lr,
    )


def _epoch_event(number: int, epoch: Tally) -> Event:
    loss = epoch.mean_loss if epoch.n_pairs else None
    return EpochEnded(number, epoch.n_tokens, epoch.n_pairs, loss, epoch.seconds)


def _check_pairs(stepper: Stepper, at_end: bool, min_count: int) -> None:
    """Raise TextError if no epoch so far had a pair, and none will."""
    is_lowest = min_count <= 1
    if not stepper.has_neighbours():
        raise TextError(
            "nothing to learn from: no line has two words",
            "put whole sentences on lines" if is_lowest else "lower `min_count`",
        )
    if at_end:
        raise TextError(
            "nothing to learn from: in no epoch had a line two words left",
            "keep frequent words with `subsample=0`" + (", or lower `min_count`" * (not is_lowest)),
        )

"""What new and resumed runs share: argument checks, and the run itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from numbers import Real
from typing import TYPE_CHECKING

from ..errors import SettingError, wrong_type
from ..events import (
    Emit,
    EpochEnded,
    Event,
    FolderLocked,
    StopTraining,
    TrainingDone,
    TrainingStarted,
)
from ..runs.sealed_json import plain
from ..system.machine import peak_memory
from .build import check_model_fits
from .checkpoint_policy import CheckpointPolicy
from .epoch_scores import EpochScores, EpochScoring
from .loop import Interrupts, take_steps
from .model import Model
from .progress import Progress
from .schedule import Schedule
from .settings import Settings

if TYPE_CHECKING:
    from ..engine.stepper import Stepper
    from ..runs.folder import RunFolder
    from ..text.vocabulary import Vocabulary

CHECKPOINT_MINUTES = 10.0
"""How often a run with a folder keeps its state there, by default."""


def check_calls(on_event: object, checkpoint_now: object, on_epoch: object = None) -> None:
    """Refuse callbacks that cannot be called, before any work is done."""
    if on_event is not None and not callable(on_event):
        raise wrong_type("on_event", "a function of an event", on_event)
    if on_epoch is not None and not callable(on_epoch):
        raise wrong_type("on_epoch", "a function of a model", on_epoch)
    if checkpoint_now is not None and not hasattr(checkpoint_now, "is_set"):
        raise wrong_type("checkpoint_now", "a threading.Event, or like one", checkpoint_now)


def check_minutes(minutes: float) -> None:
    """Refuse a time between checkpoints that is not above 0."""
    if not isinstance(minutes, Real) or not 0 < minutes < math.inf:
        raise SettingError(f"checkpoint_minutes is {minutes!r}, but must be a number, above 0")


def folder_event(folder: RunFolder) -> Event:
    """Return the event that tells of the folder of a run."""
    return FolderLocked(str(folder.path), folder.taken_over_from)


def _started(
    n_words: int,
    n_tokens: int,
    schedule: Schedule,
    stepper: Stepper,
    settings: Settings,
    progress: Progress,
) -> TrainingStarted:
    return TrainingStarted(
        tokens=n_tokens,
        words=n_words,
        dim=settings.objective.dim,
        epochs=schedule.n_steps // stepper.n_batches,
        subsample=vars(settings.objective).get("subsample"),
        steps=schedule.n_steps,
        threads=stepper.n_threads,
        first_step=progress.step,
        done_tokens=progress.run.n_tokens,
        done_seconds=progress.done_seconds,
    )


OpenStepper = Callable[[Emit], AbstractContextManager["Stepper"]]
"""Opens what takes the steps of a run, at its start, given who is told of events.

That may raise, and so does :meth:`Stepper.run`, which then ends the run.
"""


# More than eight parameters: the text, what it starts from, and who is told are not of one kind.
def run_training(
    vocabulary: Vocabulary,
    open_stepper: OpenStepper,
    settings: Settings,
    stages: Sequence[int],
    emit: Emit,
    *,
    has_init: bool = False,
    policy: CheckpointPolicy | None = None,
    on_epoch: Callable[[Model], None] | None = None,
    scoring: EpochScoring | None = None,
) -> Model:
    """Train on a text that has been read, from the start or from a checkpoint."""
    import numpy as np

    from .divergence import Watch

    history: list[EpochEnded] = []

    def model(copies: bool = False) -> Model:
        loss = _loss_so_far(progress, stepper.n_batches)
        tables = {name: table.param[:, :dim] for name, table in stepper.tables.items()}
        objective, words, counts = settings.objective, vocabulary.words, vocabulary.counts
        if copies:
            tables = {name: table.copy() for name, table in tables.items()}
            words, counts = list(words), counts.copy()
        kept = plain(replace(settings, optimizer=settings.optimizer.resolved()).as_dict())
        return Model(words, counts, tables, loss, objective, tuple(history), kept)

    def note(event: Event) -> None:
        if isinstance(event, EpochEnded):
            history.append(event)
        emit(event)
        if isinstance(event, EpochEnded):
            if scores:
                scores.after(event.epoch, model)
            if on_epoch:
                on_epoch(model(copies=True))
            if scores:
                scores.check_patience()

    def tell(event: Event) -> None:
        emit(event)
        interrupts.check()

    if scoring and scoring.watched is not None:
        check_model_fits(vocabulary.words, settings, n_copies=1)  # that of the best epoch
    dim = settings.objective.dim
    scores = None
    if scoring:
        folder = policy.folder if policy else None
        scores = EpochScores(scoring, vocabulary.words, settings.objective, emit, folder)
    n_tokens = int(vocabulary.counts.sum()) * sum(stages)
    interrupts = Interrupts(wait=policy is not None)
    with open_stepper(tell) as stepper:
        loaded = policy.load(stepper, dim) if policy else None
        progress = loaded or Progress()
        schedule = Schedule(settings.optimizer, [n * stepper.n_batches for n in stages])
        watch = Watch(
            lambda: settings.objective.row_names(vocabulary.words),
            stepper,
            schedule.n_steps,
            progress.limit,
        )
        progress.limit = watch.limit
        if policy and loaded is None and has_init:
            policy.keep_start(progress)
        if policy and progress.step < schedule.n_steps:
            policy.tell_of_version()
        with suppress(StopTraining):
            emit(_started(len(vocabulary), n_tokens, schedule, stepper, settings, progress))
            progress.start_clocks()
            # An lr beyond float32 shows in the loss.
            with np.errstate(over="ignore"), policy or nullcontext(), interrupts:
                min_count = settings.text.min_count
                take_steps(stepper, watch, schedule, progress, policy, interrupts, note, min_count)
            seconds, loss = progress.run.seconds, progress.loss
            emit(TrainingDone(seconds, n_tokens, n_tokens / seconds, loss, peak_memory()))
        interrupts.check()  # after StopTraining, too
    return scores.best_or(model()) if scores else model()


def _loss_so_far(progress: Progress, n_batches: int) -> float:
    """Return the loss of the last epoch; of what there is of the first, if that was stopped."""
    if progress.step < n_batches and progress.epoch.n_pairs:
        return progress.epoch.mean_loss
    return progress.loss if progress.step >= n_batches else math.nan

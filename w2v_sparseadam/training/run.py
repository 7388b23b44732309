"""What new and resumed runs share: argument checks, and the run itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from numbers import Real
from typing import TYPE_CHECKING

from ..errors import SettingError, wrong_type
from ..events import (
    EpochEnded,
    Event,
    FolderLocked,
    StopTraining,
    TrainingDone,
    TrainingStarted,
)
from ..objectives.registry import name_of
from ..runs.sealed_json import plain
from ..system.machine import peak_memory
from .build import start_engine
from .checkpoint_policy import CheckpointPolicy
from .loop import Interrupts, take_steps
from .model import Model
from .progress import Progress
from .schedule import Schedule
from .settings import Settings

if TYPE_CHECKING:
    import numpy as np

    from ..runs.folder import RunFolder
    from ..text.corpus import Corpus
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start

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


def settle(corpus: Corpus, settings: Settings, folder: RunFolder | None) -> Settings:
    """Return the settings with defaults that follow the size of the text; write both to the folder.

    The settings come first: a folder that has the text must have them.
    """
    vocabulary = corpus.vocabulary
    settings = settings.for_text(int(vocabulary.counts.sum()), len(vocabulary))
    if folder:
        objective, run = settings.objective, settings.run
        folder.change_settings(**{name_of(objective): vars(objective)}, run=vars(run))
        folder.keep_text(vocabulary, corpus.word_ids, report=asdict(corpus.report))
    return settings


def _started(
    n_words: int, n_tokens: int, epochs: int, n_steps: int, settings: Settings, progress: Progress
) -> TrainingStarted:
    return TrainingStarted(
        tokens=n_tokens,
        words=n_words,
        dim=settings.objective.dim,
        epochs=epochs,
        subsample=vars(settings.objective).get("subsample"),
        steps=n_steps,
        threads=settings.run.n_threads,
        first_step=progress.step,
        done_tokens=progress.run.n_tokens,
        done_seconds=progress.done_seconds,
    )


# More than eight parameters: the text, what it starts from, and who is told are not of one kind.
# Over 60 lines, a third of them the signature and arguments: a run from its text to its model.
def run_training(
    vocabulary: Vocabulary,
    word_ids: np.ndarray,
    settings: Settings,
    stages: Sequence[int],
    emit: Callable[[Event], None],
    *,
    init: Vectors | Start | None = None,
    freeze: Collection[str] = (),
    first_epoch: int = 0,
    policy: CheckpointPolicy | None = None,
    on_epoch: Callable[[Model], None] | None = None,
) -> Model:
    """Train on a text that has been read, from the start or from a checkpoint."""
    import numpy as np

    from ..system.workers import Workers
    from .divergence import Watch

    history: list[EpochEnded] = []

    def model(copies: bool = False) -> Model:
        loss = _loss_so_far(progress, engine.n_batches)
        tables = {name: table.param[:, :dim] for name, table in engine.tables.items()}
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
        if on_epoch and isinstance(event, EpochEnded):
            on_epoch(model(copies=True))

    dim = settings.objective.dim
    n_tokens = int(vocabulary.counts.sum()) * sum(stages)
    with Workers(settings.run.n_threads) as workers:
        engine = start_engine(
            vocabulary,
            word_ids,
            settings,
            workers,
            emit,
            init=init,
            freeze=freeze,
            first_epoch=first_epoch,
        )
        loaded = policy.load(engine, dim) if policy else None
        progress = loaded or Progress()
        schedule = Schedule(settings.optimizer, [n * engine.n_batches for n in stages])
        watch = Watch(vocabulary.words, engine, schedule.n_steps, progress.limit)
        progress.limit = watch.limit
        if policy and loaded is None and init is not None:
            policy.keep_start(progress)
        if policy and progress.step < schedule.n_steps:
            policy.tell_of_version()
        interrupts = Interrupts(wait=policy is not None)
        with suppress(StopTraining):
            n_steps = schedule.n_steps
            emit(_started(len(vocabulary), n_tokens, sum(stages), n_steps, settings, progress))
            progress.start_clocks()
            # An lr beyond float32 shows in the loss.
            with np.errstate(over="ignore"), policy or nullcontext(), interrupts:
                take_steps(engine, watch, schedule, progress, policy, interrupts, note)
            seconds, loss = progress.run.seconds, progress.loss
            emit(TrainingDone(seconds, n_tokens, n_tokens / seconds, loss, peak_memory()))
        interrupts.check()  # after StopTraining, too
    return model()


def _loss_so_far(progress: Progress, n_batches: int) -> float:
    """Return the loss of the last epoch; of what there is of the first, if that was stopped."""
    if progress.step < n_batches and progress.epoch.n_pairs:
        return progress.epoch.mean_loss
    return progress.loss if progress.step >= n_batches else math.nan

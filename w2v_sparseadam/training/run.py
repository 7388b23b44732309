"""What new and resumed runs share: argument checks, and the run itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from numbers import Real
from typing import TYPE_CHECKING

from ..errors import SettingError, wrong_type
from ..events import EpochEnded, Event, FolderLocked, TrainingDone, TrainingStarted
from ..objectives.registry import name_of
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.settings import OptimizerConfig
from ..runs.sealed_json import plain
from ..system.machine import peak_memory
from ..text.settings import TextConfig
from .build import start_engine
from .checkpoint_policy import CheckpointPolicy
from .loop import Interrupts, take_steps
from .model import Model
from .progress import Progress
from .schedule import Schedule
from .settings import RunConfig, Settings

if TYPE_CHECKING:
    import numpy as np

    from ..runs.folder import RunFolder
    from ..text.corpus import Corpus
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start

CHECKPOINT_MINUTES = 10.0
"""How often a run with a folder keeps its state there, by default."""


def check_calls(on_event: object, checkpoint_now: object) -> None:
    """Refuse what could not be called when its time comes."""
    if on_event is not None and not callable(on_event):
        raise wrong_type("on_event", "a function of an event", on_event)
    if checkpoint_now is not None and not hasattr(checkpoint_now, "is_set"):
        raise wrong_type("checkpoint_now", "a threading.Event, or like one", checkpoint_now)


def skip_gram_settings(
    text: TextConfig | None,
    skip_gram: SkipGramConfig | None,
    optimizer: OptimizerConfig | None,
    run: RunConfig | None,
) -> Settings:
    """Return the settings that were given, with the defaults for None.

    Raises
    ------
    WrongTypeError
        If one is none of that kind.
    """
    given: dict[str, tuple[object, type]] = {
        "text": (text, TextConfig),
        "skip_gram": (skip_gram, SkipGramConfig),
        "optimizer": (optimizer, OptimizerConfig),
        "run": (run, RunConfig),
    }
    for name, (config, kind) in given.items():
        if config is not None and not isinstance(config, kind):
            raise wrong_type(name, f"{kind.__name__} or None", config)
    return Settings(
        text or TextConfig(),
        skip_gram or SkipGramConfig(),
        optimizer or OptimizerConfig(),
        run or RunConfig(),
    )


def check_minutes(minutes: float) -> None:
    """Refuse what is no time between checkpoints."""
    if not isinstance(minutes, Real) or not 0 < minutes < math.inf:
        raise SettingError(f"checkpoint_minutes is {minutes!r}, but must be a number, above 0")


def folder_event(folder: RunFolder) -> Event:
    """Return the event that tells of the folder of a run."""
    return FolderLocked(str(folder.path), folder.taken_over_from)


def settle(corpus: Corpus, settings: Settings, folder: RunFolder | None) -> Settings:
    """Return the settings once those that follow the size of the text are; keep both it and them.

    A folder that has the text must have them.
    """
    settings = settings.for_text(int(corpus.vocabulary.counts.sum()))
    if folder:
        objective, run = settings.objective, settings.run
        folder.change_settings(**{name_of(objective): vars(objective)}, run=vars(run))
        folder.keep_text(corpus.vocabulary, corpus.word_ids, report=asdict(corpus.report))
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
) -> Model:
    """Train on a text that has been read, from the start or from a checkpoint."""
    import numpy as np

    from ..system.workers import Workers
    from .divergence import Watch

    history: list[EpochEnded] = []

    def note(event: Event) -> None:
        if isinstance(event, EpochEnded):
            history.append(event)
        emit(event)

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
        progress = policy.load(engine, dim) if policy else None
        starts = progress is None
        progress = progress or Progress()
        schedule = Schedule(settings.optimizer, [n * engine.n_batches for n in stages])
        watch = Watch(vocabulary.words, engine, schedule.n_steps, progress.limit)
        progress.limit = watch.limit
        if policy and starts and init is not None:
            policy.keep_start(progress)
        if policy and progress.step < schedule.n_steps:
            policy.tell_of_version()
        emit(_started(len(vocabulary), n_tokens, sum(stages), schedule.n_steps, settings, progress))
        progress.start_clocks()
        # An lr beyond float32 shows in the loss.
        with (
            np.errstate(over="ignore"),
            policy or nullcontext(),
            Interrupts(wait=policy is not None) as interrupts,
        ):
            take_steps(engine, watch, schedule, progress, policy, interrupts, note)
        seconds = progress.run.seconds
    emit(TrainingDone(seconds, n_tokens, n_tokens / seconds, progress.loss, peak_memory()))
    tables = {name: optimizer.param[:, :dim] for name, optimizer in engine.tables.items()}
    return Model(
        vocabulary.words,
        vocabulary.counts,
        tables,
        progress.loss,
        settings.objective,
        tuple(history),
        plain(settings.as_dict()),
    )

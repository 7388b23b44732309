"""Dry run: the memory and time that a run would take, estimated from a few steps."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from ..events import Event
from ..system.machine import available_memory, peak_memory, resident_memory
from ..system.workers import Workers
from ..text.events import read_with_events
from ..text.reading.reader import check_corpus
from ..text.reading.sentences import config_for
from ..text.settings import WordList
from .build import check_model_fits, compile_run, model_memory, start_engine
from .initialize import check_dim, frozen_words
from .machines import MachinesForecast, SharedText
from .settings import Settings
from .texts import opened_machines, read_text, sharded

if TYPE_CHECKING:
    from distributed import Client

    from ..engine.stepper import Stepper
    from ..text.reading.corpus_like import CorpusLike
    from ..text.reading.sources import Source
    from ..vectors.vectors import Vectors
    from .epoch_scores import EpochScoring
    from .initialize import Start

_WARM_UP_STEPS = 100
_STRETCH_STEPS = 50
_STRETCHES = 6


@dataclass(frozen=True)
class Forecast:
    """What a run would take.

    Attributes
    ----------
    n_words : int
        Size of the vocabulary.
    n_kept_tokens : int
        Tokens of the text whose word is in it.
    epochs : int
        Passes over the text.
    subsample : float
        Relative frequency beyond which words are thinned out.
    n_steps : int
        Steps of the whole run.
    n_threads : int
        Threads that take them.
    model_bytes, state_bytes, buffer_bytes, word_id_bytes : int
        Memory of the two matrices, of the optimizer's state and of all else that training
        allocates; and the word ids, which are on the disk and in memory while there is room.
    best_bytes : int
        Memory of the copy of the best epoch, if it is kept.
    process_bytes : int
        What the process had resident, after reading, before any of this.
    peak_bytes : int
        Most that the process is expected to have resident, reading included. A row that is never
        touched takes none of the memory counted, so it may be less.
    available_bytes : int
        Memory that could still be had after reading.
    n_measured_steps : int
        Steps that were taken to measure, and forgotten.
    train_seconds : float
        Expected wall time of all steps, on this machine as busy as it was.
    """

    n_words: int
    n_kept_tokens: int
    epochs: int
    subsample: float
    n_steps: int
    n_threads: int
    model_bytes: int
    state_bytes: int
    buffer_bytes: int
    word_id_bytes: int
    best_bytes: int
    process_bytes: int
    peak_bytes: int
    available_bytes: int
    n_measured_steps: int
    train_seconds: float


def forecast(
    corpus: CorpusLike,
    settings: Settings | None = None,
    *,
    init: Vectors | Start | None = None,
    freeze: WordList = (),
    cluster: Client | str | int | None = None,
    scoring: EpochScoring | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Forecast | MachinesForecast:
    """Read the text, take a few hundred steps, and tell what the whole run would take.

    Nothing is written but the word ids, to a temporary file that has no name.

    Parameters
    ----------
    corpus, init, freeze, cluster, on_event
        As for :func:`~w2v_sparseadam.training.train.train`, up to its event ``start``.
    settings : Settings, optional
        Those of the run; by default the defaults.
    scoring : EpochScoring, optional
        What the epochs of the run are scored on.

    Returns
    -------
    Forecast
        Or MachinesForecast, given several machines.

    Raises
    ------
    TextError, SettingError, W2VError
        As `train`, before it takes a step.

    Examples
    --------
    >>> forecast("corpus.txt").train_seconds  # doctest: +SKIP
    """
    emit = (lambda event: None) if on_event is None else on_event
    settings = Settings() if settings is None else settings
    sources = check_corpus(corpus, settings.text)
    settings = replace(settings, text=config_for(sources, settings.text))
    if init is not None:
        check_dim(init, settings.objective.dim)
    frozen = frozen_words(freeze, settings)
    settings = sharded(settings, cluster, sources)
    keeps_best = scoring is not None and scoring.watched is not None
    with opened_machines(settings, cluster, emit) as machines:
        compile_run(settings, emit)
        if machines:
            machines.check(settings, emit)
            text, settings = read_text(sources, settings, machines, None, emit)
            assert isinstance(text, SharedText)
            found = machines.forecast(text, settings, emit, freeze=frozen)
            return replace(found, client_bytes=found.client_bytes + keeps_best * found.model_bytes)
    return _forecast_here(sources, settings, init, frozen, keeps_best, emit)


def _forecast_here(
    sources: Sequence[Source],
    settings: Settings,
    init: Vectors | Start | None,
    frozen: Collection[str],
    keeps_best: bool,
    emit: Callable[[Event], None],
) -> Forecast:
    """Tell what a run on this machine would take."""
    n_threads = settings.run.n_threads
    with (
        read_with_events(sources, settings.text, emit, threads=n_threads) as read,
        Workers(n_threads) as workers,
    ):
        vocabulary, word_ids = read.vocabulary, read.word_ids
        settings = settings.for_text(int(vocabulary.counts.sum()), len(vocabulary))
        model_bytes, state_bytes = model_memory(vocabulary.words, settings)
        reading_peak, process_bytes = peak_memory() or 0, resident_memory()
        available_bytes = available_memory()
        if keeps_best:
            check_model_fits(vocabulary.words, settings, n_copies=1)
        engine = start_engine(
            vocabulary, word_ids, settings, workers, emit, init=init, freeze=frozen
        )
        epochs = settings.run.epochs or 0
        n_steps = engine.n_batches * epochs
        n_measured, seconds_a_step = time_steps(engine, settings.optimizer.start_lr, n_steps)
        best_bytes = keeps_best * model_bytes
        training = model_bytes + state_bytes + best_bytes + engine.buffer_bytes + word_ids.nbytes
        # The vectors are copied to be written, but then the rest is not needed any more.
        writing = model_bytes + len(vocabulary) * settings.objective.dim * 4
        return Forecast(
            n_words=len(vocabulary),
            n_kept_tokens=read.report.n_kept_tokens,
            epochs=epochs,
            subsample=vars(settings.objective).get("subsample", 0.0),
            n_steps=n_steps,
            n_threads=n_threads,
            model_bytes=model_bytes,
            state_bytes=state_bytes,
            buffer_bytes=engine.buffer_bytes,
            word_id_bytes=word_ids.nbytes,
            best_bytes=best_bytes,
            process_bytes=process_bytes,
            peak_bytes=max(reading_peak, process_bytes + max(training, writing)),
            available_bytes=available_bytes,
            n_measured_steps=n_measured,
            train_seconds=n_steps * seconds_a_step,
        )


def time_steps(stepper: Stepper, lr: float, n_steps: int) -> tuple[int, float]:
    """Take the first steps of a run; return how many, and the median time of a later one."""
    step = 0
    times: list[float] = []
    while step < n_steps and len(times) < _STRETCHES:
        n = min(_STRETCH_STEPS if step else _WARM_UP_STEPS, n_steps - step)
        began = time.perf_counter()
        with np.errstate(over="ignore"):  # an lr beyond float32 costs no more time
            stepper.run(step, [lr] * n)
        # The first ones bring the matrices into memory; they count only if there are no others.
        if step or n == n_steps:
            times.append((time.perf_counter() - began) / n)
        step += n
    return step, statistics.median(times)

"""Resuming an interrupted run, and adding epochs or text to a finished one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import FormatError, SettingError, W2VError, check_path
from ..events import Emit, Event, RunFinished
from ..fields import Setting
from ..runs.settings import model_settings
from ..text.reading.finding import find_sources
from .build import compile_run
from .checkpoint_policy import CheckpointPolicy, CheckpointRequest
from .epoch_scores import EpochScores, EpochScoring, scoring_asked
from .event_log import LOG_NAME, Log, check_log, check_log_apart, logged
from .model import Model
from .reporting import reported
from .run import CHECKPOINT_MINUTES, check_calls, check_minutes, folder_event, run_training
from .settings import MAX_EPOCHS, Settings, epochs_of, text_of
from .texts import (
    check_machines,
    load_text,
    opened_machines,
    read_text,
    stepper_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from distributed import Client

    from ..objectives.settings import ObjectiveSettings
    from ..runs.folder import RunFolder
    from ..text.reading.corpus_like import CorpusLike
    from .epoch_scores import DataSetLike
    from .machines import Machines


# More than eight parameters: this is what people type, and each is a thing of its own.
# Over 60 lines: what happens to a run, one thing after the other; each needs most of the above.
def resume(
    run_dir: str | os.PathLike[str],
    *,
    more_epochs: int = 0,
    total_epochs: int | None = None,
    add: CorpusLike | None = None,
    trust: bool = False,
    threads: int | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: CheckpointRequest | None = None,
    lock: bool = True,
    cluster: Client | str | int | None = None,
    log: Log = None,
    progress: bool | None = None,
    on_event: Callable[[Event], None] | None = None,
    on_epoch: Callable[[Model], None] | None = None,
    eval: EpochScoring | DataSetLike | Iterable[DataSetLike] = (),  # noqa: A002 - as the option
    keep_best: DataSetLike | None = None,
    patience: int | None = None,
) -> Model:
    """Continue a run from its last good checkpoint; return the model that it would have made.

    The text is not needed, unless it was not read to its end: then it is read again, if it is
    still there and unchanged. A finished run returns its model at once, or with `keep_best` that of
    its best epoch, without a history; the event is then `RunFinished`.

    Parameters
    ----------
    run_dir : path or URL
        The folder that :func:`train` was given.
    more_epochs : int
        Epochs to add, 0 or more. They follow those of the run, which are finished first, and have a
        learning rate schedule of their own. It makes no difference whether the run was finished
        when they were asked for. The folder keeps them: the same call again adds as many again.
    total_epochs : int, optional
        Instead of `more_epochs`: add as many as are missing to this total, so that the call may be
        repeated.
    add : path, sequence of paths or sentences, optional
        More text for a finished run, as for :func:`train`, read with the run's settings; the
        epochs that `more_epochs` must add go over old and new text. Words keep their ids; new
        ones, which occur often enough in the added text, are appended and initialized at random.
        The folder is as it was until the text is added. Phrases cannot be joined in it.
    trust : bool
        If text is read, import the tokenizer that the folder names, if it is Python code, and open
        the URLs that it names.
    threads : int, optional
        Default: that of the run.
    cluster : distributed.Client, str or int, optional
        As for :func:`train`, for a run that was trained on several machines, and only for such
        a run. It may be another cluster, of another size: the result is the same.
    checkpoint_minutes, checkpoint_now, lock, log, progress, on_event, on_epoch, eval, keep_best, \
    patience
        As for :func:`train`; what is in the log stays. `keep_best` compares with the best epoch of
        the run so far, if that was found by the same data set, and returns it if none is better.
        Events of reading come if text is read, and with `add` then `TextAdded`.

    Returns
    -------
    Model

    Raises
    ------
    W2VError
        If the folder holds no run, is in use, or its text was not read to the end and cannot be
        read again; with `add`, if the run is not finished or joined phrases. In both cases, if its
        tokenizer has no name, or is code that is not trusted.
    FormatError
        If the text or all checkpoints are damaged.
    DivergenceError
        As for :func:`train`.

    Examples
    --------
    >>> model = resume("runs/news", more_epochs=2)  # doctest: +SKIP
    """
    from ..runs.folder import RunFolder
    from ..runs.working_copy import local_folder

    check_path("run_dir", run_dir)
    check_calls(on_event, checkpoint_now, on_epoch)
    check_minutes(checkpoint_minutes)
    check_log(log)
    scoring = scoring_asked(eval, keep_best, patience)
    _check_asked(more_epochs, total_epochs, add is not None)
    with ExitStack() as stack:
        emit = stack.enter_context(reported(on_event, progress))
        run_dir, follow = stack.enter_context(local_folder(run_dir, is_new=False, lock=lock))
        folder = stack.enter_context(RunFolder.open(run_dir, lock=lock))
        check_log_apart(log, [*folder.settings["paths"], *_paths_in(add)], run_dir)
        if log is not False:
            path = folder.path / LOG_NAME if log is None else log
            emit = stack.enter_context(logged(path, emit, append=True))
        emit = follow(emit)
        emit(folder_event(folder))
        asked = Settings.read(folder.settings, run_dir)
        # If its text is not read yet: by default, no text has more epochs than a tiny one.
        stages = epochs_of({**folder.settings, "run": vars(asked.run.for_text(1, 1))})
        _check_epochs(sum(stages) + more_epochs)
        check_machines(folder, cluster, add is not None)
        if add is not None:
            from .incremental import add_text

            add_text(folder, add, int(more_epochs), threads, trust, emit)
        elif more_epochs:
            _add_epochs(folder, int(more_epochs))
        machines = stack.enter_context(opened_machines(asked, cluster, emit))
        if not folder.has_text:
            _read_again(folder, machines, threads, trust, emit)
        kept = folder.settings
        settings = Settings.read(kept, run_dir).with_threads(threads)
        stages = epochs_of(kept)
        if total_epochs is not None:
            _add_missing_epochs(folder, int(total_epochs), stages)
        if model := _finished(folder, settings.objective, stages, emit):
            return _best_of_finished(model, scoring, folder, sum(stages), emit)
        compile_run(settings, emit)
        if machines:
            # Its text is read again in each round.
            settings = replace(settings, text=text_of(kept, run_dir, trust))
            machines.check(settings, emit)
        text = load_text(folder, machines, trust)
        policy = CheckpointPolicy(folder, checkpoint_minutes, checkpoint_now, emit)
        policy.must_load = kept["has_init"] or kept["generation"] > 0
        model = run_training(
            text.vocabulary,
            stepper_of(
                text,
                settings,
                machines,
                stages,
                freeze=kept["freeze"],
                first_epoch=kept["first_epoch"],
            ),
            settings,
            stages,
            emit,
            policy=policy,
            on_epoch=on_epoch,
            scoring=scoring,
        )
        return replace(model, settings=model_settings(kept))


def _paths_in(corpus: CorpusLike | None) -> list[str | os.PathLike[str]]:
    """Return the paths that a corpus names; others may be sentences, which are not looked at."""
    items = corpus if isinstance(corpus, list | tuple) else [corpus]
    return [item for item in items if isinstance(item, str | os.PathLike)]


def _check_asked(more_epochs: int, total_epochs: int | None, adds: bool) -> None:
    """Refuse numbers of epochs that are none, or contradict each other."""
    if not Setting(int, "", low=0).fits(more_epochs):
        raise SettingError(f"more_epochs is {more_epochs!r}, but must be a whole number, 0 or more")
    if total_epochs is not None:
        if not Setting(int, "", low=1).fits(total_epochs):
            raise SettingError(
                f"total_epochs is {total_epochs!r}, but must be a whole number, 1 or more"
            )
        if more_epochs or adds:
            raise SettingError("total_epochs goes with neither more_epochs nor add")
    if adds and not more_epochs:
        raise SettingError("to add text takes epochs over old and new text: give more_epochs too")


def _finished(
    folder: RunFolder,
    objective: ObjectiveSettings,
    stages: Sequence[int],
    emit: Callable[[Event], None],
) -> Model | None:
    """Return the model of a run that has no steps left, and say so; None for others."""
    from ..runs.checkpoint_file import OpenCheckpoint, from_last
    from ..runs.text import read_vocabulary
    from .progress import Progress, RunState

    vocabulary, _ = read_vocabulary(folder.path, folder.settings)
    tables = objective.tables(vocabulary.words)

    def read(path: Path) -> tuple[Progress, dict[str, np.ndarray]] | None:
        with OpenCheckpoint(path) as checkpoint:
            state = RunState.read(checkpoint.state, folder.path)
            if state.progress.step < state.steps_an_epoch * sum(stages):
                return None
            if len(state.step_counts) != len(tables):
                raise FormatError(f"{folder.path}: the state in its checkpoint is damaged")
            return state.progress, {
                table.name: checkpoint.read(f"{table.name}.vectors", (table.n_rows, objective.dim))
                for table in tables
            }

    try:
        found = from_last(folder.checkpoints, read)
    except W2VError:
        return None  # there is none, or who goes on with the run says what is wrong
    if found is None:
        return None
    progress, arrays = found
    n_epochs = folder.settings["first_epoch"] + sum(stages)
    emit(RunFinished(n_epochs, progress.step, len(vocabulary), objective.dim))
    return Model(
        vocabulary.words,
        vocabulary.counts,
        arrays,
        progress.loss,
        objective,
        settings=model_settings(folder.settings),
    )


def _best_of_finished(
    model: Model, scoring: EpochScoring | None, folder: RunFolder, n_epochs: int, emit: Emit
) -> Model:
    """Return a finished run's best epoch if it is asked for: its last may be worse.

    Raises
    ------
    SettingError
        If the folder has none by this data set.
    """
    if scoring is None or scoring.watched is None:
        return model
    scores = EpochScores(scoring, model.words, model.objective, emit, folder.checkpoints)
    if not scores.knows_best:
        raise SettingError(
            f"{folder.path}: the run is finished, so keep_best has no epoch to compare",
            "leave it out, or add `more_epochs`",
        )
    return scores.best_or(model, n_epochs)


def _check_epochs(n: int) -> None:
    """Refuse more epochs than a run can have."""
    if n > MAX_EPOCHS:
        raise SettingError(f"a run has {MAX_EPOCHS:,} epochs at most; add fewer")


def _add_epochs(folder: RunFolder, n: int) -> None:
    """Keep in the folder that so many epochs follow those of its run."""
    folder.change_settings(added_epochs=[*folder.settings["added_epochs"], n])


def _add_missing_epochs(folder: RunFolder, total: int, stages: list[int]) -> None:
    """Add as many epochs as are missing to a number of all that the run has had."""
    n_asked = folder.settings["first_epoch"] + sum(stages)
    if total < n_asked:
        raise SettingError(f"total_epochs is {total}, but the run in {folder.path} has {n_asked}")
    if n_missing := total - n_asked:
        _check_epochs(sum(stages) + n_missing)
        stages.append(n_missing)
        _add_epochs(folder, n_missing)


def _read_again(
    folder: RunFolder,
    machines: Machines | None,
    threads: int | None,
    trust: bool,
    emit: Callable[[Event], None],
) -> None:
    """Read the text of a run that was killed while it did."""
    from ..runs.inputs import check_inputs

    kept = folder.settings
    if kept["has_init"]:
        raise W2VError(
            f"{folder.path}: reading its text was not finished, and the vectors that it starts "
            "from are not kept until then; start it again with its options"
        )
    check_inputs(folder.path, kept, trust)
    settings = Settings.read(kept, folder.path).with_threads(threads)
    settings = replace(settings, text=text_of(kept, folder.path, trust))
    if machines:
        machines.check(settings, emit)
    read_text(find_sources(kept["paths"]), settings, machines, folder, emit)

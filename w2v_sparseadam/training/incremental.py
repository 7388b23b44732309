"""Incremental training: more text for a finished run, whose words keep their ids."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from ..errors import W2VError
from ..events import Event, TextAdded
from ..runs.checkpoint_file import last_state, path_of, write_checkpoint
from ..runs.folder import RunFolder
from ..runs.names import resume_command
from ..system.workers import Workers
from ..text.events import read_with_events
from ..text.reading.corpus_like import CorpusLike
from ..text.reading.reader import check_corpus
from ..text.vocabulary import Vocabulary
from .build import build_engine, check_model_fits, compile_run
from .checkpoint import Checkpoints
from .progress import Progress, RunState, run_arrays, run_state, tell_of_version
from .settings import Settings, epochs_of, text_of


def add_text(
    folder: RunFolder,
    added: CorpusLike,
    epochs: int,
    threads: int | None,
    trust: bool,
    emit: Callable[[Event], None],
) -> None:
    """Read more text into a run's folder, and make it the folder of a run over all of the text.

    Known words keep their vectors and moments; new words are initialized as in a new run.

    Parameters
    ----------
    folder : RunFolder
        Of a finished run. It is as it was if an exception is raised.
    added : paths or sentences
        As for :func:`~w2v_sparseadam.training.train`.
    epochs : int
        Passes over old and new text, 1 or more.
    threads : int or None
    trust : bool
        As for :func:`~w2v_sparseadam.training.train.resume`.
    emit : callable
        Receives the events that :func:`~w2v_sparseadam.training.train.resume` lists.

    Raises
    ------
    W2VError
        If the run is not finished, or joined phrases; TextError, if the text cannot be read.
        Likewise, if its tokenizer has no name by which it could be found.
    SettingError
        If its tokenizer cannot be imported.
    """
    kept = folder.settings
    if kept["text"].get("phrases") is not None:
        raise W2VError(
            f"{folder.path}: phrases were joined in its text, which more text cannot follow; start "
            "a new run from all of the text"
        )
    text = text_of(kept, folder.path, trust)
    sources = check_corpus(added, text)
    _check_finished(folder)
    settings = Settings.read(kept, folder.path).with_threads(threads)
    objective = settings.objective
    dim = objective.dim
    compile_run(settings, emit)
    known, _ = folder.load_text()
    old = Checkpoints(folder.checkpoints, emit)

    def write_start(vocabulary: Vocabulary, word_ids: np.ndarray, checkpoints: Path) -> None:
        check_model_fits(vocabulary.words, settings)
        with Workers(1) as workers:
            words = vocabulary.words
            engine = build_engine(word_ids, vocabulary.counts, settings, workers, words=words)
            known_rows = {table.name: table.n_rows for table in objective.tables(known.words)}
            loaded = old.load(run_arrays(engine, dim, known_rows))
            state = RunState.read(loaded, folder.path)
            tell_of_version(folder.path, state.version, emit)
            state.restore_counts(engine, folder.path)
            progress = Progress()
            progress.limit = state.progress.limit
            arrays = run_arrays(engine, dim)
            write_checkpoint(path_of(checkpoints, 0), arrays, run_state(progress, engine))

    with read_with_events(
        sources, text, emit, threads=settings.run.n_threads, known=known
    ) as corpus:
        changes = {
            "run": {**kept["run"], "epochs": epochs},
            "added_epochs": [],
            "first_epoch": kept["first_epoch"] + sum(epochs_of(kept)),
            "paths": kept["paths"] + [source.absolute_path for source in sources],
            "parts": [
                *kept.get("parts", []),
                {
                    "epochs": epochs_of(kept),
                    "n_paths": len(kept["paths"]),
                    "n_words": len(known),
                    "n_tokens": int(known.counts.sum()),
                },
            ],
        }
        vocabulary = corpus.vocabulary
        folder.add_text(
            vocabulary, corpus.word_ids, write_start, changes, report=asdict(corpus.report)
        )
    emit(
        TextAdded(
            new_words=len(vocabulary) - len(known),
            words=len(vocabulary),
            new_tokens=int(vocabulary.counts.sum() - known.counts.sum()),
            tokens=int(vocabulary.counts.sum()),
            left_out_words=corpus.distinct_counts.size - corpus.report.n_words,
        )
    )


def _check_finished(folder: RunFolder) -> None:
    """Refuse a run that has steps left."""
    state = RunState.read(last_state(folder.checkpoints), folder.path)
    n_steps = state.steps_an_epoch * sum(epochs_of(folder.settings))
    step = state.progress.step
    if step < n_steps:
        raise W2VError(
            f"{folder.path}: its run is at step {step:,} of {n_steps:,}; finish it before adding "
            f"text: {resume_command(folder.path)}"
        )

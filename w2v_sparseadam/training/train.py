"""Training a new run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack

from ..errors import check_path
from ..events import Event
from ..text.settings import TextConfig, WordList
from .build import compile_run
from .checkpoint_policy import CheckpointPolicy, CheckpointRequest
from .epoch_scores import EpochScoring, scoring_asked
from .event_log import LOG_NAME, Log, check_log, check_log_apart, logged
from .keywords import Keywords, settings_from, takes_settings
from .model import Model
from .reporting import reported
from .run import (
    CHECKPOINT_MINUTES,
    check_calls,
    check_minutes,
    folder_event,
    run_training,
)
from .settings import Settings
from .texts import opened_machines, read_text, sharded, stepper_of

if TYPE_CHECKING:
    from distributed import Client

    from ..text.reading.corpus_like import CorpusLike
    from ..text.reading.sources import Source
    from ..vectors.vectors import Vectors
    from .epoch_scores import DataSetLike
    from .initialize import Start


# More than eight parameters: this is what people type, and each is a thing of its own.
@takes_settings
def train(
    corpus: CorpusLike = (),  # so that ``sentences=`` is answered by an error that says how
    *,
    init: Vectors | Start | None = None,
    freeze: WordList = (),
    run_dir: str | os.PathLike[str] | None = None,
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
    **settings: Unpack[Keywords],
) -> Model:
    """Train word vectors on text files, or on sentences.

    The result depends on the text, the settings and the seed alone: not on the number of threads,
    nor on being interrupted and resumed.

    Parameters
    ----------
    corpus : path, sequence of paths, iterable of sentences, or open file
        Text, one sentence or paragraph per line: files, compressed or not, directories,
        patterns, or ``"-"`` for standard input; see `text.reading.finding.find_sources`. Or any
        iterable of sentences, which is read once: each is a str, which is read like a line of a
        file, or a list or tuple of words. A column of pandas, Polars, Arrow or Hugging Face
        datasets is one, too.

        Words in lists are kept as they are: no `tokenizer` is applied, and `lowercase` and
        `normalize` do nothing unless they are given. Words with white space are an error.

        In a list of str, each may be a path or a sentence: they are sentences if one of the first
        100 has white space and is not a path, and in an iterator, ``iter(corpus)``, always.
    **settings
        Each is an option of ``w2v-train``, too.
    init : Vectors or Start, optional
        Initial vectors, of `dim` dimensions. Words are matched by name; all others are initialized
        at random. `Vectors` initialize the center vectors, and the n-grams if they have those of
        `subwords` and `buckets`; context vectors and the optimizer's moments are then 0. A `Start`,
        loaded from the folder of another run, has both matrices, and the moments if the optimizer
        is the same.
    freeze : path or collection of str
        Words whose center vectors keep their initial values, bit for bit. Their context vectors
        are trained. A file has one word per line. The words take the case and the normal form of
        the text.
    run_dir : path or URL, optional
        A new folder, which keeps all that :func:`resume` needs. Ctrl-C, where it is a
        KeyboardInterrupt, then waits for the current step and writes a checkpoint; a second one
        does not wait.
    checkpoint_minutes : float
        How often a checkpoint is written to `run_dir`, above 0; one is also written at the end of
        each epoch.
    checkpoint_now : threading.Event, optional
        When any thread sets it, a checkpoint is written after the current step, and it is cleared.
        Do not set it in a signal handler, which can deadlock.
    lock : bool
        Keep other processes out of `run_dir`. False is for file systems without locks: make sure
        that no other process trains there.
    cluster : distributed.Client, str or int, optional
        Train on a Dask cluster, given a client or the address of its scheduler. Its workers
        read the text, which must have the same path on all machines; see the guide. A number
        makes a cluster of so many processes of this machine.
    log : path or False, optional
        A file for the events, one JSON object per line. Default: ``log.jsonl`` in `run_dir`, if
        there is one; False: none.
    progress : bool, optional
        Whether to show a progress bar. Default: in a notebook, or if stderr is a terminal.
    on_event : callable, optional
        Receives each event, of `~w2v_sparseadam.events`, in the caller's thread; without it,
        warnings are Python's, of the class `W2VWarning`. An exception that it raises ends the run;
        after `TrainingStarted`, a checkpoint is written first if there is a `run_dir`, and
        `StopTraining` ends the run without an error. In this order: `FolderLocked`, events of
        reading (see `text.events.read_with_events`; kernels of the training are compiled first),
        `WordsFrozen`, `Initialized`, `TrainingStarted`, then `Progressed`, `EpochEnded`, `Scored`
        and `CheckpointWritten` as it goes, `TrainingDone`, `BestEpoch`, and `Warned` at any time.

        A loss is the mean negative log likelihood per pair of a center and a context, each with
        its negatives, and always finite. Tokens are those of the vocabulary, before subsampling.

    on_epoch : callable, optional
        Receives a `Model` after each epoch, whose vectors are a copy and whose ``history[-1]``
        is the epoch. An exception that it raises is treated like one of `on_event`: after
        `StopTraining`, the model so far is returned, and :func:`resume` can continue the run.
    eval : path or data set, or a sequence of them, optional
        Data sets on which the vectors are scored after each epoch, for `Scored` events; see
        `evaluation.datasets.read_dataset`. The vectors stay the same, bit for bit.
    keep_best : path or data set, optional
        Return the model of the epoch with the best score on this data set, which is also one of
        `eval`. Both matrices of that epoch are kept in memory, and in `run_dir`, so that a resumed
        run compares with it; the folder's own vectors are those of the last epoch all the same.
    patience : int, optional
        End the run after so many epochs without a better score on `keep_best`, as `StopTraining`
        does. Those before a run was resumed count, too.

    Returns
    -------
    Model

    Raises
    ------
    TextError
        If the text cannot be read or leaves nothing to train on: no epoch has a pair.
    W2VError
        If `run_dir` cannot take a new run.
    WrongTypeError
        If an argument is not of a type named above, or there is no such setting.
    SettingError
        If a setting is out of range, or has no effect without another; if `init` has other
        dimensions than the model, or `init` or `freeze` none of its words.
    W2VError
        If the model and the optimizer's state are more than the memory there is: says what would
        help, and how much.
    DivergenceError
        If the loss stops being finite, or a vector grows out of bounds: says at which step, epoch
        and learning rate, and on which words.

    Examples
    --------
    >>> model = train("corpus.txt", dim=200, epochs=5)  # doctest: +SKIP
    >>> model.vectors("sum").most_similar("river")  # doctest: +SKIP
    """
    with reported(on_event, progress) as emit:
        return train_by_settings(
            corpus,
            settings_from(settings),
            init=init,
            freeze=freeze,
            run_dir=run_dir,
            checkpoint_minutes=checkpoint_minutes,
            checkpoint_now=checkpoint_now,
            lock=lock,
            cluster=cluster,
            log=log,
            on_event=emit,
            on_epoch=on_epoch,
            scoring=scoring_asked(eval, keep_best, patience),
        )


# More than eight parameters: those of `train`, with its settings in one.
# Over 60 lines, by one: the arguments that are handed on.
def train_by_settings(
    corpus: CorpusLike,
    settings: Settings,
    *,
    init: Vectors | Start | None = None,
    freeze: WordList = (),
    run_dir: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: CheckpointRequest | None = None,
    lock: bool = True,
    cluster: Client | str | int | None = None,
    log: Log = None,
    on_event: Callable[[Event], None] | None = None,
    on_epoch: Callable[[Model], None] | None = None,
    scoring: EpochScoring | None = None,
) -> Model:
    """Train any objective; the other parameters are those of :func:`train`."""
    from ..text.reading.reader import check_corpus
    from ..text.reading.sentences import config_for
    from .initialize import check_dim, frozen_words

    emit = (lambda event: None) if on_event is None else on_event
    check_calls(on_event, checkpoint_now, on_epoch)
    if run_dir is not None:
        check_path("run_dir", run_dir)
    check_minutes(checkpoint_minutes)
    check_log(log)
    # A misspelt name should not show after compiling.
    sources = check_corpus(corpus, settings.text)
    settings = replace(settings, text=config_for(sources, settings.text))
    lists = _files_of(settings.text.stopwords, settings.text.vocab, freeze)
    check_log_apart(log, [*(source.path for source in sources), *lists], run_dir)
    if init is not None:
        check_dim(init, settings.objective.dim)
    frozen = frozen_words(freeze, settings)

    settings = sharded(settings, cluster, sources)
    with ExitStack() as stack:
        folder = None
        if log:
            emit = stack.enter_context(logged(log, emit))
        machines = stack.enter_context(opened_machines(settings, cluster, emit))
        if run_dir is not None:
            from ..runs.folder import RunFolder
            from ..runs.working_copy import local_folder

            run_dir, follow = stack.enter_context(local_folder(run_dir, is_new=True, lock=lock))
            resolved = replace(settings, optimizer=settings.optimizer.resolved())
            kept = {
                **resolved.as_dict(),
                "paths": [source.absolute_path for source in sources],
                "inputs": _inputs(sources, settings.text),
                "has_init": init is not None,
                "freeze": sorted(frozen),
                "first_epoch": 0,
                "added_epochs": [],
            }
            folder = stack.enter_context(RunFolder.create(run_dir, kept, lock=lock))
            if log is None:
                path = folder.path / LOG_NAME
                emit = stack.enter_context(logged(path, emit, append=True))
            emit = follow(emit)
            emit(folder_event(folder))
        compile_run(settings, emit)
        if machines:
            machines.check(settings, emit)
        text, settings = read_text(sources, settings, machines, folder, emit)
        policy = None
        if folder:
            policy = CheckpointPolicy(folder, checkpoint_minutes, checkpoint_now, emit)
        stages = [settings.run.epochs or 0]
        return run_training(
            text.vocabulary,
            stepper_of(text, settings, machines, stages, init=init, freeze=frozen),
            settings,
            stages,
            emit,
            has_init=init is not None,
            policy=policy,
            on_epoch=on_epoch,
            scoring=scoring,
        )


def _inputs(sources: Sequence[Source], text: TextConfig) -> list[list[Any]]:
    """Return what tells whether the files that a run reads have changed."""
    from ..runs.inputs import file_stamp

    lists = _files_of(text.stopwords, text.vocab)
    stamps = [
        [source.absolute_path, None, None] if source.is_stream else file_stamp(source.absolute_path)
        for source in sources
    ]
    return stamps + [file_stamp(os.path.abspath(words)) for words in lists]


def _files_of(*lists: WordList | None) -> list[str | os.PathLike[str]]:
    """Return those of the lists of words that are files."""
    return [words for words in lists if isinstance(words, str | os.PathLike)]

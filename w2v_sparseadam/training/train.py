"""Training from start to end: text in, a model out, with every event on the way reported."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from ..errors import SettingError, W2VError, check_path, wrong_type
from ..objectives.registry import name_of
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.settings import OptimizerConfig
from ..system.machine import peak_memory
from ..text.events import Event
from ..text.settings import TextConfig, WordList
from .build import compile_run, start_engine
from .loop import CheckpointRequest, Interrupts, Keeping, Progress, Schedule, take_steps
from .model import Model
from .settings import MAX_EPOCHS, RunConfig, Settings, epochs_of, text_of

if TYPE_CHECKING:
    import numpy as np

    from ..text.corpus import Corpus
    from ..text.reading.sources import Source
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start
    from .run_folder import RunFolder

CHECKPOINT_MINUTES = 10.0
"""How often a run with a folder keeps its state there, by default."""


def train(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Source],
    *,
    text: TextConfig | None = None,
    skip_gram: SkipGramConfig | None = None,
    optimizer: OptimizerConfig | None = None,
    run: RunConfig | None = None,
    init: Vectors | Start | None = None,
    freeze: WordList = (),
    run_dir: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: CheckpointRequest | None = None,
    lock: bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> Model:
    """Train word vectors on text files.

    The result depends on the text, the settings and the seed alone: not on the number of threads,
    nor on being interrupted and resumed.

    Parameters
    ----------
    paths : path or sequence of paths
        Text, one sentence or paragraph a line: files, compressed or not, directories, patterns,
        or ``"-"`` for standard input; see `text.sources.find_sources`.
    text, skip_gram, optimizer, run : optional
        Settings; None takes the defaults.
    init : Vectors or Start, optional
        What to start from, of `dim` dimensions, by the names of the words; other words start
        fresh. `Vectors` are center vectors; context vectors and the optimizer's moments start at
        0 then. A `Start`, loaded from the folder of another run, has both, and the moments if the
        optimizer is the same.
    freeze : path or collection of str
        Words whose center vectors stay what they are at the start, to the bit. Their context
        vectors move. A file has one word a line. They take the case and the normal form of the
        text.
    run_dir : path, optional
        A new folder, for all that :func:`resume` needs if the run is interrupted. Ctrl-C, where
        it is a KeyboardInterrupt, then waits for the step in hand and leaves a checkpoint; a
        second one does not wait.
    checkpoint_minutes : float
        How often the state goes to `run_dir`, above 0; it also does at the end of each epoch.
    checkpoint_now : threading.Event, optional
        When set, by any thread, a checkpoint is written after the step in hand, and it is cleared.
        Not to be set in a signal handler, which can wait for itself.
    lock : bool
        Keep other processes out of `run_dir`. False is for file systems that have no locks: no
        other process may train there then.
    on_event : callable, optional
        Receives a dict for each event, in the caller's thread; an exception that it raises ends
        the run, once a checkpoint is written if there is a `run_dir` and training has begun.
        ``event`` is one of

        ``folder``
            `run_dir` is locked: path, taken_over_from (a process that died in it, or None).
        ``warning``
            Something went wrong that does not end the run: message.
        ``compile``, ``read``, ``join``, ``text``, ``phrases``
            Reading the text, as told by `text.events.read_with_events`; kernels of the training
            are compiled first.
        ``init``
            Start vectors are in place: matched (words that have one), fresh (words without),
            unused (vectors without a word); of a `Start`, moments (whether they were taken).
        ``freeze``
            frozen and unknown (numbers of words given), examples (up to three unknown ones).
        ``start``
            The first step comes next: tokens (of the whole run), words, dim, epochs, subsample,
            steps, threads; first_step, done_tokens and done_seconds, which are 0 unless it is
            resumed.
        ``progress``
            Five times a second at most, and at the end of each epoch: epoch, tokens and seconds
            since the start; loss, pairs and tokens_per_s since the last such event; lr.
        ``epoch``
            epoch; its tokens, pairs, loss (None if it had no pairs) and seconds.
        ``checkpoint``
            One was written: step (the number of steps taken), bytes, seconds.
        ``done``
            train_seconds (without reading and compiling), tokens, tokens_per_s, loss,
            peak_memory_bytes (of the process; None where unknown).

        A loss is the mean negative log likelihood per pair of a center and a context, each with
        its negatives, and always finite. Tokens are those of the vocabulary, before subsampling.

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
        If an argument is not of a type named above.
    SettingError
        If `init` has other dimensions than the model, or `init` or `freeze` none of its words.
    W2VError
        If the model and the optimizer's state are more than the memory there is: says what would
        help, and how much.
    DivergenceError
        If the loss stops being finite, or a vector grows out of bounds: says at which step, epoch
        and learning rate, and on which words.

    Examples
    --------
    >>> model = train("corpus.txt", run=RunConfig(epochs=5))  # doctest: +SKIP
    >>> model.vectors("sum").most_similar("river")  # doctest: +SKIP
    """
    check_kinds(text=text, skip_gram=skip_gram, optimizer=optimizer, run=run)
    settings = Settings(
        text or TextConfig(),
        skip_gram or SkipGramConfig(),
        optimizer or OptimizerConfig(),
        run or RunConfig(),
    )
    return train_by_settings(
        paths,
        settings,
        init=init,
        freeze=freeze,
        run_dir=run_dir,
        checkpoint_minutes=checkpoint_minutes,
        checkpoint_now=checkpoint_now,
        lock=lock,
        on_event=on_event,
    )


def train_by_settings(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Source],
    settings: Settings,
    *,
    init: Vectors | Start | None = None,
    freeze: WordList = (),
    run_dir: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: CheckpointRequest | None = None,
    lock: bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> Model:
    """Train any objective; the other parameters are those of :func:`train`."""
    from ..text.events import read_with_events
    from ..text.reading.reader import check_sources
    from .initialize import check_dim, frozen_words

    emit = on_event or (lambda event: None)
    _check_calls(on_event, checkpoint_now)
    if run_dir is not None:
        check_path("run_dir", run_dir)
    _check_minutes(checkpoint_minutes)
    # A misspelt name should not show after compiling.
    paths = [paths] if isinstance(paths, str | os.PathLike) else paths
    sources = check_sources(paths, settings.text)
    if init is not None:
        check_dim(init, settings.objective.dim)
    frozen = frozen_words(freeze, settings.text)

    with ExitStack() as stack:
        folder = None
        if run_dir is not None:
            from .run_folder import RunFolder

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
            emit(_folder_event(folder))
        compile_run(settings, emit)
        n_threads = settings.run.n_threads
        with read_with_events(sources, settings.text, emit, threads=n_threads) as corpus:
            vocabulary, word_ids = corpus.vocabulary, corpus.word_ids
            settings = _settle(corpus, settings, folder)
        keeping = None
        if folder:
            vocabulary, word_ids = folder.load_text()
            keeping = Keeping(folder, checkpoint_minutes, checkpoint_now, emit)
        stages = [settings.run.epochs or 0]
        return _train(
            vocabulary,
            word_ids,
            settings,
            stages,
            emit,
            init=init,
            freeze=frozen,
            keeping=keeping,
        )


def resume(
    run_dir: str | os.PathLike[str],
    *,
    more_epochs: int = 0,
    total_epochs: int | None = None,
    add: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Source] = (),
    trust: bool = False,
    threads: int | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: CheckpointRequest | None = None,
    lock: bool = True,
    on_event: Callable[[Event], None] | None = None,
) -> Model:
    """Go on with a run from its last good checkpoint; return the model that it would have made.

    The text is not needed, unless it was not read to its end: then it is read again, if it is
    still there and unchanged. A finished run returns its model at once.

    Parameters
    ----------
    run_dir : path
        The folder that :func:`train` was given.
    more_epochs : int
        Passes over the text to add, 0 or more. They follow those of the run, which are taken
        first if they are not done, and have a schedule of their own: the learning rate starts
        again. The result does not depend on when they were asked for. They are kept in the folder,
        so ask once.
    total_epochs : int, optional
        Instead of `more_epochs`: add as many as are missing to this number, so that it makes no
        difference how often it is asked for.
    add : path or sequence of paths
        More text for a finished run, as for :func:`train`, read with the run's settings; the
        epochs that `more_epochs` must add go over old and new text. Words keep their ids; new
        ones, which occur often enough in the added text, are put behind them and start fresh.
        The folder is as it was until the text is added. Phrases cannot be joined in it.
    trust : bool
        Import the tokenizer that the folder names, if it is Python code and text is read.
    threads : int, optional
        Default: as the run was told.
    checkpoint_minutes, checkpoint_now, lock, on_event
        As for :func:`train`; events of reading come if text is read, and with `add` then ``add``:
        new_words, words (of the vocabulary), new_tokens, tokens (of the text), and
        left_out_words (of the added text, too rare or beyond the vocabulary's limit).

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
    from .run_folder import RunFolder

    emit = on_event or (lambda event: None)
    check_path("run_dir", run_dir)
    _check_calls(on_event, checkpoint_now)
    _check_minutes(checkpoint_minutes)
    if not isinstance(more_epochs, Integral) or more_epochs < 0:
        raise SettingError(f"more_epochs is {more_epochs!r}, but must be a whole number, 0 or more")
    if total_epochs is not None:
        if not isinstance(total_epochs, Integral) or total_epochs < 1:
            raise SettingError(
                f"total_epochs is {total_epochs!r}, but must be a whole number, 1 or more"
            )
        if more_epochs or add:
            raise SettingError("total_epochs goes with neither more_epochs nor add")
    if add and not more_epochs:
        raise SettingError("to add text takes epochs over old and new text: give more_epochs too")
    with RunFolder.open(run_dir, lock=lock) as folder:
        emit(_folder_event(folder))
        asked = Settings.read(folder.settings, run_dir)
        # If its text is not read yet: by default, no text has more epochs than a tiny one.
        stages = epochs_of({**folder.settings, "run": vars(asked.run.for_text(1))})
        _check_epochs(sum(stages) + more_epochs)
        if add:
            from .incremental import add_text

            paths = [add] if isinstance(add, str | os.PathLike) else add
            add_text(folder, paths, int(more_epochs), threads, trust, emit)
        elif more_epochs:
            _add_epochs(folder, int(more_epochs))
        if not folder.has_text:
            _read_again(folder, threads, trust, emit)
        kept = folder.settings
        settings = Settings.read(kept, run_dir).with_threads(threads)
        stages = epochs_of(kept)
        if total_epochs is not None:
            n_asked = kept["first_epoch"] + sum(stages)
            if total_epochs < n_asked:
                raise SettingError(
                    f"total_epochs is {total_epochs}, but the run in {run_dir} has {n_asked}"
                )
            if n_missing := int(total_epochs) - n_asked:
                _check_epochs(sum(stages) + n_missing)
                stages.append(n_missing)
                _add_epochs(folder, n_missing)
        compile_run(settings, emit)
        vocabulary, word_ids = folder.load_text()
        keeping = Keeping(folder, checkpoint_minutes, checkpoint_now, emit)
        keeping.must_load = kept["has_init"] or kept["generation"] > 0
        return _train(
            vocabulary,
            word_ids,
            settings,
            stages,
            emit,
            freeze=kept["freeze"],
            first_epoch=kept["first_epoch"],
            keeping=keeping,
        )


def _inputs(sources: Sequence[Source], text: TextConfig) -> list[list[Any]]:
    """Return what tells whether the files that a run reads have changed."""
    from .run_folder import file_stamp

    lists = [
        words for words in (text.stopwords, text.vocab) if isinstance(words, str | os.PathLike)
    ]
    stamps = [
        [source.absolute_path, None, None] if source.is_stream else file_stamp(source.absolute_path)
        for source in sources
    ]
    return stamps + [file_stamp(os.path.abspath(words)) for words in lists]


def _check_calls(on_event: object, checkpoint_now: object) -> None:
    """Refuse what could not be called when its time comes."""
    if on_event is not None and not callable(on_event):
        raise wrong_type("on_event", "a function of an event", on_event)
    if checkpoint_now is not None and not hasattr(checkpoint_now, "is_set"):
        raise wrong_type("checkpoint_now", "a threading.Event, or like one", checkpoint_now)


def _check_epochs(n: int) -> None:
    """Refuse more epochs than a run can have."""
    if n > MAX_EPOCHS:
        raise SettingError(f"a run has {MAX_EPOCHS:,} epochs at most; add fewer")


def _add_epochs(folder: RunFolder, n: int) -> None:
    """Keep in the folder that so many epochs follow those of its run."""
    folder.change_settings(added_epochs=[*folder.settings["added_epochs"], n])


def _read_again(
    folder: RunFolder, threads: int | None, trust: bool, emit: Callable[[Event], None]
) -> None:
    """Read the text of a run that was killed while it did."""
    from ..text.events import read_with_events
    from .run_folder import check_inputs

    kept = folder.settings
    if kept["has_init"]:
        raise W2VError(
            f"{folder.path}: reading its text was not finished, and the vectors that it starts "
            "from are not kept until then; start it again with its options"
        )
    check_inputs(folder.path, kept)
    settings = Settings.read(kept, folder.path)
    text = text_of(kept, folder.path, trust)
    n_threads = settings.with_threads(threads).run.n_threads
    with read_with_events(kept["paths"], text, emit, threads=n_threads) as corpus:
        _settle(corpus, settings, folder)


def _settle(corpus: Corpus, settings: Settings, folder: RunFolder | None) -> Settings:
    """Return the settings once those that follow the size of the text are; keep both it and them.

    A folder that has the text must have them.
    """
    settings = settings.for_text(int(corpus.vocabulary.counts.sum()))
    if folder:
        objective, run = settings.objective, settings.run
        folder.change_settings(**{name_of(objective): vars(objective)}, run=vars(run))
        folder.keep_text(corpus.vocabulary, corpus.word_ids, report=asdict(corpus.report))
    return settings


def _folder_event(folder: RunFolder) -> Event:
    return {
        "event": "folder",
        "path": str(folder.path),
        "taken_over_from": folder.taken_over_from,
    }


def check_kinds(**configs: object) -> None:
    """Refuse settings that are no settings, or those of something else."""
    kinds = {
        "text": TextConfig,
        "skip_gram": SkipGramConfig,
        "optimizer": OptimizerConfig,
        "run": RunConfig,
    }
    for name, config in configs.items():
        if config is not None and not isinstance(config, kinds[name]):
            raise wrong_type(name, f"{kinds[name].__name__} or None", config)


def _check_minutes(minutes: float) -> None:
    if not isinstance(minutes, Real) or not 0 < minutes < math.inf:
        raise SettingError(f"checkpoint_minutes is {minutes!r}, but must be a number, above 0")


def _train(
    vocabulary: Vocabulary,
    word_ids: np.ndarray,
    settings: Settings,
    stages: Sequence[int],
    emit: Callable[[Event], None],
    *,
    init: Vectors | Start | None = None,
    freeze: Collection[str] = (),
    first_epoch: int = 0,
    keeping: Keeping | None = None,
) -> Model:
    """Train on a text that has been read, from the start or from a checkpoint."""
    import numpy as np

    from ..system.workers import Workers
    from .divergence import Watch

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
        progress = keeping.load(engine, dim) if keeping else None
        starts = progress is None
        progress = progress or Progress()
        schedule = Schedule(settings.optimizer, [n * engine.n_batches for n in stages])
        watch = Watch(vocabulary.words, engine, schedule.n_steps, progress.limit)
        progress.limit = watch.limit
        if keeping and starts and init is not None:
            keeping.keep_start(progress)
        if keeping and progress.step < schedule.n_steps:
            keeping.tell_of_version()
        emit(
            {
                "event": "start",
                "tokens": n_tokens,
                "words": len(vocabulary),
                "dim": dim,
                "epochs": sum(stages),
                "subsample": vars(settings.objective).get("subsample"),
                "steps": schedule.n_steps,
                "threads": settings.run.n_threads,
                "first_step": progress.step,
                "done_tokens": progress.run.n_tokens,
                "done_seconds": progress.done_seconds,
            }
        )
        progress.start_clocks()
        # An lr beyond float32 shows in the loss.
        with (
            np.errstate(over="ignore"),
            keeping or nullcontext(),
            Interrupts(wait=keeping is not None) as interrupts,
        ):
            take_steps(engine, watch, schedule, progress, keeping, interrupts, emit)
        seconds = progress.run.seconds
    emit(
        {
            "event": "done",
            "train_seconds": seconds,
            "tokens": n_tokens,
            "tokens_per_s": n_tokens / seconds,
            "loss": progress.loss,
            "peak_memory_bytes": peak_memory(),
        }
    )
    tables = {name: optimizer.param[:, :dim] for name, optimizer in engine.tables.items()}
    return Model(vocabulary.words, vocabulary.counts, tables, progress.loss, settings.objective)

"""Training from start to end: text in, a model out, with every event on the way reported."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import SettingError, TextError, W2VError
from .text.config import TextConfig
from .text.events import EVENT_SECONDS, Event

if TYPE_CHECKING:
    import numpy as np

    from .divergence import Watch
    from .engine import Batch, Engine
    from .optimizers import Optimizer
    from .run_folder import RunFolder
    from .text.sources import Source
    from .text.vocabulary import Vocabulary
    from .vectors import Vectors
    from .workers import Workers

START_LR = {
    "sparse-adam": 0.015,
    "rowwise-adam": 0.02,
    "dense-adam": 0.02,
    "adagrad": 0.2,
    "sgd": 0.025,
}
"""The optimizers, and the learning rate that each starts with by default."""

START_BETA1 = {"sparse-adam": 0.0, "rowwise-adam": 0.9, "dense-adam": 0.9}
"""The decay of the first moment, by default, of the optimizers that have one."""

MAX_DIM = 4096
"""Kernels are compiled for the width of a vector, which takes the longer the wider it is."""

VECTOR_KINDS = ("center", "context", "sum")
"""What a model can give as the vector of a word."""

CHECKPOINT_MINUTES = 10.0
"""How often a run with a folder keeps its state there, by default."""

# Long enough that Python's part in it is small, short enough that Ctrl-C is soon served.
_RUN_SECONDS = 0.1


@dataclass(frozen=True)
class SkipGramConfig:
    """The model and what it learns from.

    Attributes
    ----------
    dim : int
        Dimensions of a vector, 1 to `MAX_DIM`.
    window : int
        Contexts are at most this many kept tokens away, 1 or more.
    dynamic_window : bool
        Draw each center's reach from 1 … ``window``, so that near words count more.
    negative : int
        Negative samples expected for each pair, 1 or more.
    noise_exponent : float
        Negatives are drawn with probability proportional to count ** this; 0 is uniform.
    subsample : float
        Tokens of words more frequent than this are dropped at random (see
        :meth:`~w2v_sparseadam.plan.Sampler.build`); 0 keeps all.
    """

    dim: int = 100
    window: int = 5
    dynamic_window: bool = True
    negative: int = 5
    noise_exponent: float = 0.75
    subsample: float = 1e-3

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("dim", "window", "negative"):
            _check_whole(self, name, 1)
        if self.dim > MAX_DIM:
            raise SettingError(f"dim is {self.dim}, but must be at most {MAX_DIM}")
        for name in ("noise_exponent", "subsample"):
            _check_number(self, name, lambda value: 0 <= value < math.inf, "0 or more")
        _check_choice("dynamic_window", self.dynamic_window, (True, False))


@dataclass(frozen=True)
class OptimizerConfig:
    """How a step moves the rows.

    Attributes
    ----------
    optimizer : {"sparse-adam", "rowwise-adam", "dense-adam", "adagrad", "sgd"}
        See :mod:`w2v_sparseadam.optimizers`.
    lr : float or None
        Learning rate at the start, above 0; it falls linearly to 0. None takes it from
        `START_LR`.
    beta1 : float or None
        Decay of Adam's first moment, in [0, 1); at 0 none is stored. None takes it from
        `START_BETA1`.
    beta2 : float
        Decay of Adam's second moment, in [0, 1).
    eps : float
        Added to the denominator of Adam and Adagrad, above 0.
    bias_correction : {"global", "row"}
        Whether Adam's corrections count the steps of the run or of each row; dense Adam, which
        moves every row at every step, knows only the former.
    """

    optimizer: str = "sparse-adam"
    lr: float | None = None
    beta1: float | None = None
    beta2: float = 0.999
    eps: float = 1e-8
    bias_correction: str = "global"

    def __post_init__(self) -> None:
        """Check every value."""
        _check_choice("optimizer", self.optimizer, START_LR)
        _check_choice("bias_correction", self.bias_correction, ("global", "row"))
        if self.lr is not None:
            _check_number(self, "lr", lambda value: 0 < value < math.inf, "above 0")
        for name in ("beta1", "beta2"):
            if getattr(self, name) is not None:
                _check_number(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        _check_number(self, "eps", lambda value: 0 < value < math.inf, "above 0")

    @property
    def start_lr(self) -> float:
        """The learning rate at the start, once None is resolved."""
        return START_LR[self.optimizer] if self.lr is None else self.lr

    @property
    def betas(self) -> tuple[float, float]:
        """The decays of Adam's moments, once None is resolved."""
        beta1 = START_BETA1[self.optimizer] if self.beta1 is None else self.beta1
        return beta1, self.beta2

    @property
    def used(self) -> frozenset[str]:
        """The names of the settings that the optimizer has."""
        names = {"lr"}
        if self.optimizer != "sgd":
            names |= {"eps"}
        if self.optimizer.endswith("-adam"):
            names |= {"beta1", "beta2"}
        if self.optimizer in {"sparse-adam", "rowwise-adam"}:
            names |= {"bias_correction"}
        return frozenset(names)

    def resolved(self) -> OptimizerConfig:
        """Return the same with each None replaced, which a change of defaults leaves as it is."""
        beta1 = self.betas[0] if "beta1" in self.used else self.beta1
        return replace(self, lr=self.start_lr, beta1=beta1)

    def build(self, param: np.ndarray, dim: int) -> Optimizer:
        """Return the optimizer of a matrix of shape (V, D), of whose columns ``dim`` are used."""
        from .optimizers import SGD, Adagrad, DenseAdam, RowwiseAdam, SparseAdam

        if self.optimizer == "sgd":
            return SGD(param, self.start_lr)
        if self.optimizer == "adagrad":
            return Adagrad(param, self.start_lr, self.eps)
        adam = param, self.start_lr, self.betas, self.eps
        if self.optimizer == "dense-adam":
            return DenseAdam(*adam)
        if self.optimizer == "rowwise-adam":
            return RowwiseAdam(*adam, self.bias_correction, n_columns=dim)
        return SparseAdam(*adam, self.bias_correction)


@dataclass(frozen=True)
class RunConfig:
    """How long and on what a run works.

    Attributes
    ----------
    epochs : int
        Passes over the text, 1 or more.
    batch_size : int
        Centers that a step is expected to have, 32 or more.
    seed : int
        Start of every random draw, 0 or more.
    threads : int or None
        Threads to use; None is one for each processor that this process may use. The result does
        not depend on it.
    """

    epochs: int = 3
    batch_size: int = 1024
    seed: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check_whole(self, "epochs", 1)
        _check_whole(self, "batch_size", 32)
        _check_whole(self, "seed", 0, 2**64 - 1)
        if self.threads is not None:
            _check_whole(self, "threads", 1)

    @property
    def n_threads(self) -> int:
        """The number of threads, once None is resolved."""
        from .workers import usable_processors

        return usable_processors() if self.threads is None else self.threads


@dataclass(frozen=True)
class Model:
    """A trained model: one row of each matrix for each word.

    Attributes
    ----------
    words : list of str
        Most frequent first.
    counts : ndarray of shape (V,), int64
        Occurrences in the text.
    center_vectors, context_vectors : ndarray of shape (V, D), float32
        What a word is as a center, and as a context.
    loss : float
        Mean negative log likelihood of the last epoch's pairs, each with its negatives.
    """

    words: list[str]
    counts: np.ndarray
    center_vectors: np.ndarray
    context_vectors: np.ndarray
    loss: float

    def vectors(self, kind: str = "center") -> Vectors:
        """Return the vectors of the words: ``"center"``, ``"context"`` or their ``"sum"``."""
        from .vectors import Vectors

        _check_choice("kind", kind, VECTOR_KINDS)
        if kind == "center":
            return Vectors(self.words, self.center_vectors)
        if kind == "context":
            return Vectors(self.words, self.context_vectors)
        return Vectors(self.words, self.center_vectors + self.context_vectors)


def train(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str] | Source],
    *,
    text: TextConfig | None = None,
    skip_gram: SkipGramConfig | None = None,
    optimizer: OptimizerConfig | None = None,
    run: RunConfig | None = None,
    init: Vectors | None = None,
    freeze: Collection[str] = (),
    run_dir: str | os.PathLike[str] | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: threading.Event | None = None,
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
    init : Vectors, optional
        Center vectors to start from, of `dim` dimensions, for words of their names; other words
        start fresh. Context vectors and the optimizer's moments always start at 0.
    freeze : collection of str
        Words whose center vectors stay what they are at the start, to the bit. Their context
        vectors move.
    run_dir : path, optional
        A new folder, for all that :func:`resume` needs if the run is interrupted.
    checkpoint_minutes : float
        How often the state goes to `run_dir`, above 0; it also does at the end of each epoch.
    checkpoint_now : threading.Event, optional
        When set, by any thread, a checkpoint is written after the step in hand, and it is cleared.
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
            unused (vectors without a word).
        ``freeze``
            frozen and unknown (numbers of words given), examples (up to three unknown ones).
        ``start``
            The first step comes next: tokens (of the whole run), words, dim, epochs, steps,
            threads; first_step, done_tokens and done_seconds, which are 0 unless it is resumed.
        ``progress``
            Five times a second at most, and at the end of each epoch: epoch, tokens and seconds
            since the start; loss, pairs and tokens_per_s since the last such event; lr.
        ``epoch``
            epoch; its tokens, pairs, loss and seconds.
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
        If the text cannot be read or leaves nothing to train on.
    W2VError
        If `run_dir` cannot take a new run.
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
    from .text.events import read_with_events
    from .text.reader import check_sources

    emit = on_event or (lambda event: None)
    text = text or TextConfig()
    skip_gram = skip_gram or SkipGramConfig()
    optimizer = optimizer or OptimizerConfig()
    run = run or RunConfig()
    _check_minutes(checkpoint_minutes)
    # A misspelt name should not show after compiling.
    sources = check_sources([paths] if isinstance(paths, str | os.PathLike) else paths, text)
    if init is not None:
        from .start import check_dim

        check_dim(init, skip_gram.dim)

    with ExitStack() as stack:
        folder = None
        if run_dir is not None:
            from .run_folder import RunFolder

            configs = {
                "text": text,
                "skip_gram": skip_gram,
                "optimizer": optimizer.resolved(),
                "run": run,
            }
            settings: dict[str, Any] = {name: vars(config) for name, config in configs.items()}
            settings["paths"] = [source.absolute_path for source in sources]
            settings |= {"has_init": init is not None, "freeze": sorted(freeze)}
            folder = stack.enter_context(RunFolder.create(run_dir, settings))
            emit(_folder_event(folder))
        compile_run(skip_gram, optimizer, emit)
        with read_with_events(sources, text, emit, threads=run.n_threads) as corpus:
            vocabulary, word_ids = corpus.vocabulary, corpus.word_ids
            if folder:
                folder.keep_text(vocabulary, word_ids, report=asdict(corpus.report))
        keeping = None
        if folder:
            vocabulary, word_ids = folder.load_text()
            keeping = _Keeping(folder, checkpoint_minutes, checkpoint_now, emit)
        stages = [run.epochs]
        return _train(
            vocabulary,
            word_ids,
            skip_gram,
            optimizer,
            run,
            stages,
            emit,
            init=init,
            freeze=freeze,
            keeping=keeping,
        )


def resume(
    run_dir: str | os.PathLike[str],
    *,
    more_epochs: int = 0,
    threads: int | None = None,
    checkpoint_minutes: float = CHECKPOINT_MINUTES,
    checkpoint_now: threading.Event | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Model:
    """Go on with a run from its last good checkpoint; return the model that it would have made.

    The text is not needed. A finished run returns its model at once.

    Parameters
    ----------
    run_dir : path
        The folder that :func:`train` was given.
    more_epochs : int
        Passes over the text to add, 0 or more. They follow those of the run, which are taken
        first if they are not done, and have a schedule of their own: the learning rate starts
        again at its first value and falls linearly to 0. The result does not depend on when they
        were asked for. They are kept in the folder, so ask once.
    threads : int, optional
        Default: as the run was told.
    checkpoint_minutes, checkpoint_now, on_event
        As for :func:`train`; there are no events of reading.

    Returns
    -------
    Model

    Raises
    ------
    W2VError
        If the folder holds no run, is in use, or its text was not read to the end.
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
    _check_minutes(checkpoint_minutes)
    if not isinstance(more_epochs, Integral) or more_epochs < 0:
        raise SettingError(f"more_epochs is {more_epochs!r}, but must be a whole number, 0 or more")
    with RunFolder.open(run_dir) as folder:
        emit(_folder_event(folder))
        settings = folder.settings
        skip_gram = SkipGramConfig(**settings["skip_gram"])
        optimizer = OptimizerConfig(**settings["optimizer"])
        run = RunConfig(**settings["run"])
        if threads is not None:
            run = replace(run, threads=threads)
        stages = epochs_of(settings)
        if more_epochs:
            stages.append(int(more_epochs))
            folder.change_settings(added_epochs=stages[1:])
        compile_run(skip_gram, optimizer, emit)
        vocabulary, word_ids = folder.load_text()
        keeping = _Keeping(folder, checkpoint_minutes, checkpoint_now, emit)
        keeping.must_load = settings["has_init"]
        return _train(
            vocabulary,
            word_ids,
            skip_gram,
            optimizer,
            run,
            stages,
            emit,
            freeze=settings["freeze"],
            keeping=keeping,
        )


def epochs_of(settings: Mapping[str, Any]) -> list[int]:
    """Return the epochs of a run folder's settings: those it began with, and those added."""
    return [settings["run"]["epochs"], *settings.get("added_epochs", [])]


def _folder_event(folder: RunFolder) -> Event:
    return {
        "event": "folder",
        "path": str(folder.path),
        "taken_over_from": folder.taken_over_from,
    }


def _check_minutes(minutes: float) -> None:
    if not isinstance(minutes, Real) or not 0 < minutes < math.inf:
        raise SettingError(f"checkpoint_minutes is {minutes!r}, but must be a number, above 0")


def _train(
    vocabulary: Vocabulary,
    word_ids: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    stages: Sequence[int],
    emit: Callable[[Event], None],
    *,
    init: Vectors | None = None,
    freeze: Collection[str] = (),
    keeping: _Keeping | None = None,
) -> Model:
    """Train word vectors on a text that has been read, from the start or from a checkpoint."""
    import numpy as np

    from .divergence import Watch
    from .workers import Workers

    epochs = sum(stages)
    n_tokens = int(vocabulary.counts.sum()) * epochs
    with Workers(run.n_threads) as workers:
        center, context, engine = start_engine(
            vocabulary, word_ids, skip_gram, optimizer, run, workers, emit, init=init, freeze=freeze
        )
        progress = keeping.load(engine, skip_gram.dim) if keeping else None
        if progress is None:
            progress = _Progress()
            if keeping and init is not None:
                keeping.keep_start(progress)
        schedule = Schedule(optimizer.start_lr, [n * engine.n_batches for n in stages])
        watch = Watch(vocabulary.words, (center, context), engine, schedule.n_steps)
        emit(
            {
                "event": "start",
                "tokens": n_tokens,
                "words": len(vocabulary),
                "dim": skip_gram.dim,
                "epochs": epochs,
                "steps": schedule.n_steps,
                "threads": run.n_threads,
                "first_step": progress.step,
                "done_tokens": progress.run.n_tokens,
                "done_seconds": progress.done_seconds,
            }
        )
        progress.start_clocks()
        # An lr beyond float32 shows in the loss.
        with np.errstate(over="ignore"), keeping or nullcontext():
            _take_steps(engine, watch, schedule, progress, keeping, emit)
        seconds = progress.run.seconds
        loss = progress.loss
    emit(
        {
            "event": "done",
            "train_seconds": seconds,
            "tokens": n_tokens,
            "tokens_per_s": n_tokens / seconds,
            "loss": loss,
            "peak_memory_bytes": peak_memory(),
        }
    )
    dim = skip_gram.dim
    return Model(vocabulary.words, vocabulary.counts, center[:, :dim], context[:, :dim], loss)


def model_memory(
    n_words: int, skip_gram: SkipGramConfig, optimizer: OptimizerConfig
) -> tuple[int, int]:
    """Return the bytes of both matrices, and of their optimizers' state."""
    from .memory import row_bytes

    model = 2 * n_words * row_bytes(OptimizerConfig("sgd").build, skip_gram.dim)
    return model, 2 * n_words * row_bytes(optimizer.build, skip_gram.dim) - model


def check_model_fits(n_words: int, skip_gram: SkipGramConfig, optimizer: OptimizerConfig) -> None:
    """Refuse a model that with its optimizer's state is more than the memory there is.

    Raises
    ------
    W2VError
        Names what can be changed, and what each change would save.
    """
    from .lanes import LANES
    from .memory import check_memory, usable_memory

    def needs(
        n_words: int = n_words,
        skip_gram: SkipGramConfig = skip_gram,
        optimizer: OptimizerConfig = optimizer,
    ) -> int:
        return sum(model_memory(n_words, skip_gram, optimizer))

    n_bytes, usable = needs(), usable_memory()
    if usable is None or n_bytes <= usable:
        return
    remedies = {}
    if fits := int(n_words * usable / n_bytes):
        remedies[f"--max-vocab {fits}"] = needs(n_words=fits)
    if fits := int(skip_gram.dim * usable / n_bytes) // LANES * LANES:
        remedies[f"--dim {fits}"] = needs(skip_gram=replace(skip_gram, dim=fits))
    if "beta1" in optimizer.used:
        remedies["--beta1 0"] = needs(optimizer=replace(optimizer, beta1=0.0))
    rowwise = OptimizerConfig("rowwise-adam", beta1=0.0)
    remedies["--optimizer rowwise-adam --beta1 0"] = needs(optimizer=rowwise)
    check_memory(n_bytes, remedies)


def start_engine(
    vocabulary: Vocabulary,
    word_ids: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    workers: Workers,
    emit: Callable[[Event], None],
    *,
    init: Vectors | None = None,
    freeze: Collection[str] = (),
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return what :func:`build_engine` does, if it fits, with given vectors and frozen words."""
    from .start import find_frozen, place_vectors

    check_model_fits(len(vocabulary), skip_gram, optimizer)
    frozen = None
    if freeze:
        frozen, report = find_frozen(vocabulary.words, freeze)
        emit({"event": "freeze", **report})
    center, context, engine = build_engine(
        word_ids, vocabulary.counts, skip_gram, optimizer, run, workers, frozen
    )
    if init is not None:
        emit({"event": "init", **place_vectors(center, vocabulary.words, init)})
    return center, context, engine


def build_engine(
    word_ids: np.ndarray,
    counts: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    workers: Workers,
    frozen: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return the two matrices as they start, rows padded to whole vectors, and their engine."""
    from .engine import Engine
    from .lanes import padded_zeros
    from .plan import draw_key, fill_uniform

    center, context = (padded_zeros(counts.size, skip_gram.dim) for _ in range(2))
    fill_uniform(draw_key(run.seed, "start"), skip_gram.dim, center)
    engine = Engine(
        word_ids,
        counts,
        optimizer.build(center, skip_gram.dim),
        optimizer.build(context, skip_gram.dim),
        window=skip_gram.window,
        negative=skip_gram.negative,
        noise_exponent=skip_gram.noise_exponent,
        subsample=skip_gram.subsample,
        dynamic_window=skip_gram.dynamic_window,
        batch_size=run.batch_size,
        seed=run.seed,
        workers=workers,
        frozen=frozen,
    )
    return center, context, engine


def compile_run(
    skip_gram: SkipGramConfig, optimizer: OptimizerConfig, emit: Callable[[Event], None]
) -> None:
    """Compile what a run will call, or load it from Numba's cache; say so if it is the former."""
    import numpy as np

    from .kernels import compiling_told
    from .text.corpus import compile_kernels
    from .workers import Workers

    word_ids = np.array([0, 1, -1], np.int32)
    word_ids.flags.writeable = False
    # Everything is kept, so that the step has a pair and reaches every kernel.
    small = replace(skip_gram, window=1, subsample=0)
    with compiling_told(emit), Workers(1) as workers:
        compile_kernels()
        *_, engine = build_engine(
            word_ids, np.array([1, 1]), small, optimizer, RunConfig(batch_size=32), workers
        )
        engine.step(0, 1.0)


class Schedule:
    """The learning rate of every step: in each stage it falls from the start linearly to 0.

    Parameters
    ----------
    start_lr : float
    stage_steps : sequence of int
        Steps of each stage.
    """

    def __init__(self, start_lr: float, stage_steps: Sequence[int]) -> None:
        self._start_lr = start_lr
        self._stages = [(sum(stage_steps[:k]), n) for k, n in enumerate(stage_steps)]
        self.n_steps = sum(stage_steps)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        first, n = next(stage for stage in reversed(self._stages) if stage[0] <= step)
        return self._start_lr * (1 - (step - first) / n)


class _Tally:
    """Loss, pairs and tokens of a stretch of the run."""

    def __init__(
        self, loss: float = 0.0, n_pairs: int = 0, n_tokens: int = 0, seconds: float = 0.0
    ) -> None:
        self.loss = loss
        self.n_pairs = n_pairs
        self.n_tokens = n_tokens
        self.start_clock(seconds)

    def start_clock(self, seconds: float) -> None:
        self._began = time.perf_counter() - seconds

    def add(self, batch: Batch) -> None:
        self.loss += batch.loss
        self.n_pairs += batch.n_pairs
        self.n_tokens += batch.n_tokens

    @property
    def mean_loss(self) -> float:
        """Loss per pair; there must be one."""
        return self.loss / self.n_pairs

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    def as_dict(self) -> dict[str, Any]:
        """Return what makes an equal one."""
        return {
            "loss": self.loss,
            "n_pairs": self.n_pairs,
            "n_tokens": self.n_tokens,
            "seconds": self.seconds,
        }


class _Progress:
    """How far a run is: steps taken, the last finished epoch's loss, and the tallies."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        state = state or {"step": 0, "loss": 0.0, "run": {}, "epoch": {}}
        self.step: int = state["step"]
        self.loss: float = state["loss"]
        self.run, self.epoch = _Tally(**state["run"]), _Tally(**state["epoch"])
        self._seconds = self.run.seconds, self.epoch.seconds

    @property
    def done_seconds(self) -> float:
        """How long the run had taken when this was made."""
        return self._seconds[0]

    def start_clocks(self) -> None:
        """Leave out the time since this was made."""
        for tally, seconds in zip((self.run, self.epoch), self._seconds, strict=True):
            tally.start_clock(seconds)

    def as_dict(self) -> dict[str, Any]:
        """Return what makes an equal one, as JSON can hold it."""
        return {
            "step": self.step,
            "loss": self.loss,
            "run": self.run.as_dict(),
            "epoch": self.epoch.as_dict(),
        }


class _Keeping:
    """Keeps the state of a run in its folder: what to write, and when."""

    def __init__(
        self,
        folder: RunFolder,
        minutes: float,
        now: threading.Event | None,
        emit: Callable[[Event], None],
    ) -> None:
        from .checkpoint import Checkpoints

        self._checkpoints = Checkpoints(folder.checkpoints, emit)
        self._seconds = 60 * minutes
        self._now = now
        self._last = time.monotonic()
        self._folder = folder
        self.must_load = False

    def load(self, engine: Engine, dim: int) -> _Progress | None:
        """Bring the engine to the last good checkpoint; None if there is none."""
        self._engine = engine
        self._arrays = {
            f"{side}.{name}": array[:, :dim] if array.ndim == 2 else array
            for side, optimizer in zip(("center", "context"), engine.optimizers, strict=True)
            for name, array in {"vectors": optimizer.param, **optimizer.state}.items()
        }
        state = self._checkpoints.load(self._arrays)
        if state is None and self.must_load:
            raise W2VError(
                f"{self._folder.path}: the run ended before its start vectors were kept; start it "
                "again in a new folder, with --init"
            )
        if state is None:
            return None
        for optimizer, count in zip(engine.optimizers, state["step_counts"], strict=True):
            optimizer.step_count = count
        return _Progress(state["progress"])

    def keep(self, progress: _Progress, ends_epoch: bool) -> None:
        """Write a checkpoint if one is due or asked for."""
        self._checkpoints.poll()
        asked = self._now is not None and self._now.is_set()
        if ends_epoch or asked or time.monotonic() - self._last >= self._seconds:
            self._checkpoints.save(progress.step, self._arrays, self._state(progress))
            self._last = time.monotonic()
            if asked and self._now is not None:
                self._now.clear()

    def keep_start(self, progress: _Progress) -> None:
        """Write a checkpoint before the first step: nothing else in the folder has the vectors."""
        self._checkpoints.save(progress.step, self._arrays, self._state(progress))

    def keep_before_leaving(self, progress: _Progress) -> None:
        """Write a checkpoint, whatever ``on_event`` raises."""
        self._checkpoints.save_before_leaving(progress.step, self._arrays, self._state(progress))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the checkpoint that is being written."""
        self._checkpoints.wait(quietly=kind is not None)

    def _state(self, progress: _Progress) -> dict[str, Any]:
        return {
            "progress": progress.as_dict(),
            "step_counts": [optimizer.step_count for optimizer in self._engine.optimizers],
        }


def _take_steps(
    engine: Engine,
    watch: Watch,
    schedule: Schedule,
    progress: _Progress,
    keeping: _Keeping | None,
    emit: Callable[[Event], None],
) -> None:
    """Take the steps of a run that are left, several of an epoch at once."""
    from .divergence import CHECK_STEPS

    n_steps = schedule.n_steps
    interval = _Tally()
    n = 1
    while progress.step < n_steps:
        first = progress.step
        epoch_number = first // engine.n_batches + 1
        # Vectors are looked at after the steps that end an epoch or such a stretch, and at no other
        # state of theirs: whether a run is stopped does not depend on the machine's speed.
        stop = min(first + n, *(first // k * k + k for k in (engine.n_batches, CHECK_STEPS)))
        lrs = [schedule.lr(step) for step in range(first, stop)]
        began = time.perf_counter()
        batches = engine.run(first, lrs)
        seconds_a_step = (time.perf_counter() - began) / len(lrs)
        for lr, batch in zip(lrs, batches, strict=True):
            watch.check(progress.step, batch.loss, lr)
            progress.step += 1
            for tally in (progress.run, progress.epoch, interval):
                tally.add(batch)
        epoch, ends_epoch = progress.epoch, stop == epoch_number * engine.n_batches
        if ends_epoch:
            if not epoch.n_pairs:
                raise TextError(
                    f"nothing to learn from: in epoch {epoch_number} no line had two words left; "
                    "lower --min-count, or keep frequent words with --subsample 0"
                )
            progress.loss = epoch.mean_loss
            epoch_seconds = epoch.seconds
            progress.epoch = _Tally()
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
            interval = _Tally()
        if ends_epoch:
            reports.append(
                {
                    "event": "epoch",
                    "epoch": epoch_number,
                    "tokens": epoch.n_tokens,
                    "pairs": epoch.n_pairs,
                    "loss": progress.loss,
                    "seconds": epoch_seconds,
                }
            )
        # From here to the next job the state is whole, so that an exception costs nothing.
        try:
            with ExitStack() as stack:  # all are emitted, though one may raise: none comes again
                for report in reversed(reports):
                    stack.callback(emit, report)
            if keeping:
                keeping.keep(progress, ends_epoch)
        except BaseException:
            if keeping:
                keeping.keep_before_leaving(progress)
            raise
        n = max(1, min(2 * n, int(_RUN_SECONDS / seconds_a_step)))


def peak_memory() -> int | None:
    """Return the most memory this process has held resident, in bytes; None where unknown."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass  # not Linux
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Not on Linux, where a process begins with its parent's figure.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _check_whole(config: object, name: str, low: int, high: float = math.inf) -> None:
    value = getattr(config, name)
    if not isinstance(value, Integral) or not low <= int(value) <= high:
        range_ = f"{low} or more" if high == math.inf else f"from {low} to {high}"
        raise SettingError(f"{name} is {value!r}, but must be a whole number, {range_}")


def _check_number(config: object, name: str, fits: Callable[[Any], bool], range_: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, Real) or not fits(value):
        raise SettingError(f"{name} is {value!r}, but must be a number, {range_}")


def _check_choice(name: str, value: object, choices: Collection[object]) -> None:
    if value not in choices:
        names = ", ".join(map(repr, choices))
        raise SettingError(f"{name} is {value!r}, but must be one of {names}")

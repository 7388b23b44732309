"""Training from start to end: text in, a model out, with every event on the way reported."""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import DivergenceError, SettingError, TextError

if TYPE_CHECKING:
    import numpy as np

    from .engine import Batch, Engine
    from .optimizers import Optimizer
    from .text.config import TextConfig
    from .text.corpus import Corpus
    from .vectors import Vectors
    from .workers import Workers

START_LR = {
    "sparse-adam": 0.02,
    "rowwise-adam": 0.02,
    "dense-adam": 0.02,
    "adagrad": 0.2,
    "sgd": 0.025,
}
"""The optimizers, and the learning rate that each starts with by default."""

VECTOR_KINDS = ("center", "context", "sum")
"""What a model can give as the vector of a word."""

Event = dict[str, Any]
"""What happened on the way; :func:`train` lists the keys."""

# Often enough for a bar that moves, seldom enough to cost nothing.
_EVENT_SECONDS = 0.2

# Long enough that Python's part in it is small, short enough that Ctrl-C is soon served.
_RUN_SECONDS = 0.1


@dataclass(frozen=True)
class SkipGramConfig:
    """The model and what it learns from.

    Attributes
    ----------
    dim : int
        Dimensions of a vector, 1 or more.
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
    beta1, beta2 : float
        Decay of Adam's two moments, in [0, 1); with ``beta1`` 0 no first moment is stored.
    eps : float
        Added to the denominator of Adam and Adagrad, above 0.
    bias_correction : {"global", "row"}
        Whether Adam's corrections count the steps of the run or of each row; dense Adam, which
        moves every row at every step, knows only the former.
    """

    optimizer: str = "sparse-adam"
    lr: float | None = None
    beta1: float = 0.9
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
            _check_number(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        _check_number(self, "eps", lambda value: 0 < value < math.inf, "above 0")

    @property
    def start_lr(self) -> float:
        """The learning rate at the start, once None is resolved."""
        return START_LR[self.optimizer] if self.lr is None else self.lr

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

    def build(self, param: np.ndarray, dim: int) -> Optimizer:
        """Return the optimizer of a matrix of shape (V, D), of whose columns ``dim`` are used."""
        from .optimizers import SGD, Adagrad, DenseAdam, RowwiseAdam, SparseAdam

        if self.optimizer == "sgd":
            return SGD(param, self.start_lr)
        if self.optimizer == "adagrad":
            return Adagrad(param, self.start_lr, self.eps)
        adam = param, self.start_lr, (self.beta1, self.beta2), self.eps
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
        if self.threads is not None:
            return self.threads
        if hasattr(os, "sched_getaffinity"):
            return len(os.sched_getaffinity(0))
        return os.cpu_count() or 1


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
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    text: TextConfig | None = None,
    skip_gram: SkipGramConfig | None = None,
    optimizer: OptimizerConfig | None = None,
    run: RunConfig | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Model:
    """Train word vectors on text files.

    The result depends on the text, the settings and the seed alone: not on the number of threads.

    Parameters
    ----------
    paths : path or sequence of paths
        Text files, UTF-8, one sentence or paragraph a line.
    text, skip_gram, optimizer, run : optional
        Settings; None takes the defaults.
    on_event : callable, optional
        Receives a dict for each event, in the caller's thread; an exception that it raises ends
        the run. ``event`` is one of

        ``compile``
            A kernel is about to be compiled, which may take seconds: kernel. A later run finds
            all kernels in Numba's cache.
        ``read``
            Five times a second at most: bytes, total_bytes (None if nobody knows), tokens (before
            the tokenizer).
        ``text``
            The text has been read: bytes, lines, tokens, words (the vocabulary), kept_tokens,
            distinct_words, min_count, below_min_count, beyond_max_vocab, pruned, max_missed,
            bad_bytes, empty_words, rewritten_words, seconds, mb_per_s.
        ``start``
            The first step comes next: tokens (of the whole run), words, dim, epochs, steps,
            threads.
        ``progress``
            Five times a second at most, and at the end of each epoch: epoch, tokens and seconds
            since the start; loss, pairs and tokens_per_s since the last such event; lr.
        ``epoch``
            epoch; its tokens, pairs, loss and seconds.
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
    DivergenceError
        If the loss or a vector stops being finite: says at which step, epoch and learning rate.

    Examples
    --------
    >>> model = train("corpus.txt", run=RunConfig(epochs=5))  # doctest: +SKIP
    >>> model.vectors("sum").most_similar("river")  # doctest: +SKIP
    """
    from .text.config import TextConfig
    from .text.corpus import read_corpus
    from .text.reader import check_paths

    emit = on_event or (lambda event: None)
    sources = [paths] if isinstance(paths, str | os.PathLike) else list(paths)
    text = text or TextConfig()
    skip_gram = skip_gram or SkipGramConfig()
    optimizer = optimizer or OptimizerConfig()
    run = run or RunConfig()
    check_paths(sources)  # a misspelt name should not show after compiling
    compile_run(skip_gram, optimizer, emit)

    last_read = time.perf_counter()

    def on_progress(n_bytes: int, n_bytes_total: int | None, n_types_met: int) -> None:
        nonlocal last_read
        now = time.perf_counter()
        if now - last_read >= _EVENT_SECONDS:
            last_read = now
            emit(
                {
                    "event": "read",
                    "bytes": n_bytes,
                    "total_bytes": n_bytes_total,
                    "tokens": n_types_met,
                }
            )

    with read_corpus(sources, text, threads=run.n_threads, on_progress=on_progress) as corpus:
        report = corpus.report
        emit(
            {
                "event": "text",
                "bytes": report.n_bytes,
                "lines": report.n_lines,
                "tokens": report.n_tokens,
                "words": report.n_words,
                "kept_tokens": report.n_kept_tokens,
                "distinct_words": report.n_distinct_words,
                "min_count": text.min_count,
                "below_min_count": report.n_below_min_count,
                "beyond_max_vocab": report.n_beyond_max_vocab,
                "pruned": report.n_pruned,
                "max_missed": report.max_missed,
                "bad_bytes": report.n_bad_bytes,
                "empty_words": report.n_empty_words,
                "rewritten_words": report.n_rewritten_words,
                "seconds": report.seconds,
                "mb_per_s": report.n_bytes / 1e6 / report.seconds,
            }
        )
        return _train_corpus(corpus, skip_gram, optimizer, run, emit)


def _train_corpus(
    corpus: Corpus,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> Model:
    """Train word vectors on a text that has been read."""
    import numpy as np

    from .workers import Workers

    vocabulary = corpus.vocabulary
    n_tokens = int(vocabulary.counts.sum()) * run.epochs
    with Workers(run.n_threads) as workers:
        center, context, engine = build_engine(
            corpus.word_ids, vocabulary.counts, skip_gram, optimizer, run, workers
        )
        emit(
            {
                "event": "start",
                "tokens": n_tokens,
                "words": len(vocabulary),
                "dim": skip_gram.dim,
                "epochs": run.epochs,
                "steps": engine.n_batches * run.epochs,
                "threads": run.n_threads,
            }
        )
        began = time.perf_counter()
        with np.errstate(over="ignore"):  # an lr beyond float32 shows in the loss
            loss = _take_steps(engine, optimizer.start_lr, run.epochs, emit)
        seconds = time.perf_counter() - began
    if not _all_finite(center, context):
        raise DivergenceError(
            f"the last of {engine.n_batches * run.epochs} steps left a vector that is not finite "
            f"(epoch {run.epochs}, learning rate {optimizer.start_lr:.3g} at the start); start "
            "again with a lower --lr"
        )
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


def build_engine(
    word_ids: np.ndarray,
    counts: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    workers: Workers,
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return the two matrices as they start, rows padded to whole vectors, and their engine."""
    from .engine import Engine
    from .lanes import LANES, zeros
    from .plan import draw_key, fill_uniform

    width = -(-skip_gram.dim // LANES) * LANES
    center, context = (zeros(counts.size, width) for _ in range(2))
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
    )
    return center, context, engine


def compile_run(
    skip_gram: SkipGramConfig, optimizer: OptimizerConfig, emit: Callable[[Event], None]
) -> None:
    """Compile what a run will call, or load it from Numba's cache; say so if it is the former."""
    import numpy as np
    from numba.core.event import Listener, install_listener

    from .text.corpus import compile_kernels
    from .workers import Workers

    class Announcer(Listener):
        def on_start(self, event: Any) -> None:
            emit({"event": "compile", "kernel": event.data["dispatcher"].__name__})

        def on_end(self, event: Any) -> None:
            pass

    word_ids = np.array([0, 1, -1], np.int32)
    word_ids.flags.writeable = False
    # Everything is kept, so that the step has a pair and reaches every kernel.
    small = replace(skip_gram, dim=1, window=1, subsample=0)
    with install_listener("numba:compile", Announcer()), Workers(1) as workers:
        compile_kernels()
        *_, engine = build_engine(
            word_ids, np.array([1, 1]), small, optimizer, RunConfig(batch_size=32), workers
        )
        engine.step(0, 1.0)


class _Tally:
    """Loss, pairs and tokens of a stretch of the run."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.loss = 0.0
        self.n_pairs = 0
        self.n_tokens = 0

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
        return time.perf_counter() - self.began


def _take_steps(
    engine: Engine, start_lr: float, epochs: int, emit: Callable[[Event], None]
) -> float:
    """Take all steps of a run; return the last epoch's loss."""
    n_steps = engine.n_batches * epochs
    loss = 0.0
    run, epoch, interval = _Tally(), _Tally(), _Tally()
    for step, lr, batch in _batches(engine, start_lr, n_steps):
        epoch_number = step // engine.n_batches + 1
        if not math.isfinite(batch.loss):
            raise DivergenceError(
                f"the loss became {batch.loss} at step {step + 1} of {n_steps} (epoch "
                f"{epoch_number}, learning rate {lr:.3g}); start again with a lower --lr"
            )
        for tally in (run, epoch, interval):
            tally.add(batch)
        ends_epoch = (step + 1) % engine.n_batches == 0
        if ends_epoch and not epoch.n_pairs:
            raise TextError(
                f"nothing to learn from: in epoch {epoch_number} no line had two words left; "
                "lower --min-count, or keep frequent words with --subsample 0"
            )
        if interval.n_pairs and (ends_epoch or interval.seconds >= _EVENT_SECONDS):
            emit(
                {
                    "event": "progress",
                    "epoch": epoch_number,
                    "tokens": run.n_tokens,
                    "seconds": run.seconds,
                    "loss": interval.mean_loss,
                    "pairs": interval.n_pairs,
                    "tokens_per_s": interval.n_tokens / interval.seconds,
                    "lr": lr,
                }
            )
            interval = _Tally()
        if ends_epoch:
            loss = epoch.mean_loss
            emit(
                {
                    "event": "epoch",
                    "epoch": epoch_number,
                    "tokens": epoch.n_tokens,
                    "pairs": epoch.n_pairs,
                    "loss": loss,
                    "seconds": epoch.seconds,
                }
            )
            epoch = _Tally()
    return loss


def _batches(engine: Engine, start_lr: float, n_steps: int) -> Iterator[tuple[int, float, Batch]]:
    """Yield each step's number, learning rate and batch; several of an epoch are taken at once."""
    step, n = 0, 1
    while step < n_steps:
        stop = min(step + n, (step // engine.n_batches + 1) * engine.n_batches)
        lrs = [start_lr * (1 - number / n_steps) for number in range(step, stop)]
        began = time.perf_counter()
        batches = engine.run(step, lrs)
        seconds_a_step = (time.perf_counter() - began) / len(lrs)
        for lr, batch in zip(lrs, batches, strict=True):
            yield step, lr, batch
            step += 1
        n = max(1, min(2 * n, int(_RUN_SECONDS / seconds_a_step)))


def _all_finite(*matrices: np.ndarray) -> bool:
    """Look at a few rows at a time, so that no copy as large as a matrix is made."""
    import numpy as np

    return all(
        bool(np.isfinite(matrix[first : first + 4096]).all())
        for matrix in matrices
        for first in range(0, len(matrix), 4096)
    )


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

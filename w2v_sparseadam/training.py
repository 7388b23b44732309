"""Training from start to end: text in, a model out, with every event on the way reported."""

from __future__ import annotations

import math
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .errors import DivergenceError, SettingError
from .text import Corpus, TextConfig, read_corpus

if TYPE_CHECKING:
    import numpy as np

    from .engine import Batch, Engine
    from .optimizers import Optimizer
    from .vectors import Vectors
    from .workers import Workers

OPTIMIZERS = ("sparse-adam", "dense-adam", "sgd")
VECTOR_KINDS = ("center", "context", "sum")

_PROGRESS_SECONDS = 1.0

Event = dict[str, Any]


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
            _check(self, name, lambda value: value >= 1, "1 or more")
        for name in ("noise_exponent", "subsample"):
            _check(self, name, lambda value: 0 <= value < math.inf, "0 or more")


@dataclass(frozen=True)
class OptimizerConfig:
    """How a step moves the rows.

    Attributes
    ----------
    optimizer : {"sparse-adam", "dense-adam", "sgd"}
        See :mod:`w2v_sparseadam.optimizers`.
    lr : float or None
        Learning rate at the start, above 0; it falls linearly to 0. None is 0.02 for Adam and
        0.025 for SGD.
    beta1, beta2 : float
        Decay of Adam's two moments, in [0, 1). SGD has none.
    eps : float
        Added to Adam's denominator, 0 or more.
    """

    optimizer: str = "sparse-adam"
    lr: float | None = None
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Check every value."""
        _check(self, "optimizer", lambda value: value in OPTIMIZERS, f"one of {OPTIMIZERS}")
        if self.lr is not None:
            _check(self, "lr", lambda value: 0 < value < math.inf, "above 0")
        for name in ("beta1", "beta2"):
            _check(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        _check(self, "eps", lambda value: 0 <= value < math.inf, "0 or more")

    @property
    def start_lr(self) -> float:
        """The learning rate at the start, once None is resolved."""
        if self.lr is not None:
            return self.lr
        return 0.025 if self.optimizer == "sgd" else 0.02

    def build(self, param: np.ndarray) -> Optimizer:
        """Return the optimizer of a matrix."""
        from .optimizers import SGD, DenseAdam, SparseAdam

        if self.optimizer == "sgd":
            return SGD(param, self.start_lr)
        adam = SparseAdam if self.optimizer == "sparse-adam" else DenseAdam
        return adam(param, self.start_lr, (self.beta1, self.beta2), self.eps)


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
    batch_size: int = 4096
    seed: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        _check(self, "epochs", lambda value: value >= 1, "1 or more")
        _check(self, "batch_size", lambda value: value >= 32, "32 or more")
        _check(self, "seed", lambda value: 0 <= value < 2**64, "in 0 … 2⁶⁴ − 1")
        if self.threads is not None:
            _check(self, "threads", lambda value: value >= 1, "1 or more")

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

        if kind not in VECTOR_KINDS:
            raise SettingError(f"kind is {kind!r}, but must be one of {VECTOR_KINDS}")
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
        Receives a dict for each event, the same as a line of ``w2v-train --log``. Its ``event``
        is one of

        ``read``      on the way through the text: bytes, total_bytes
        ``text``      bytes, lines, tokens, words, kept_tokens, seconds, mb_per_s, …
        ``compile``   once, if kernels must be compiled and that takes a while
        ``start``     training begins: tokens (of the whole run), words, steps
        ``progress``  about once a second: epoch, tokens, loss, lr, tokens_per_s
        ``epoch``     epoch, tokens, loss, seconds
        ``done``      train_seconds, tokens, tokens_per_s, loss, peak_memory_bytes

        Losses are means over the pairs since the last such event. ``tokens`` counts tokens in the
        vocabulary, before subsampling.

    Returns
    -------
    Model

    Raises
    ------
    TextError
        If the text cannot be read or leaves nothing to train on.
    DivergenceError
        If the loss stops being a finite number.

    Examples
    --------
    >>> model = train("corpus.txt", run=RunConfig(epochs=5))  # doctest: +SKIP
    >>> model.vectors("sum").most_similar("river")  # doctest: +SKIP
    """
    emit = on_event or (lambda event: None)
    sources = [paths] if isinstance(paths, str | os.PathLike) else list(paths)

    def on_progress(n_bytes: int, n_bytes_total: int) -> None:
        emit({"event": "read", "bytes": n_bytes, "total_bytes": n_bytes_total})

    with read_corpus(sources, text, on_progress=on_progress) as corpus:
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
                "below_min_count": report.n_below_min_count,
                "beyond_max_vocab": report.n_beyond_max_vocab,
                "bad_bytes": report.n_bad_bytes,
                "empty_words": report.n_empty_words,
                "rewritten_words": report.n_rewritten_words,
                "seconds": report.seconds,
                "mb_per_s": report.n_bytes / 1e6 / report.seconds,
            }
        )
        return train_corpus(
            corpus,
            skip_gram or SkipGramConfig(),
            optimizer or OptimizerConfig(),
            run or RunConfig(),
            emit,
        )


def train_corpus(
    corpus: Corpus,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> Model:
    """Train word vectors on a text that has been read; see :func:`train`."""
    from .workers import Workers

    with _slow(lambda: emit({"event": "compile"})):
        _warm_up(skip_gram, optimizer)
    vocabulary = corpus.vocabulary
    n_tokens = int(vocabulary.counts.sum()) * run.epochs
    with Workers(run.n_threads) as workers:
        center, context, engine = _build(
            corpus.word_ids, vocabulary.counts, skip_gram, optimizer, run, workers
        )
        emit(
            {
                "event": "start",
                "tokens": n_tokens,
                "words": len(vocabulary),
                "steps": engine.n_batches * run.epochs,
                "threads": run.n_threads,
            }
        )
        began = time.perf_counter()
        loss = _take_steps(engine, optimizer.start_lr, run.epochs, emit)
        seconds = time.perf_counter() - began
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


def _build(
    word_ids: np.ndarray,
    counts: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    workers: Workers,
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return the two matrices as they start, rows padded to whole vectors, and their engine."""
    import numpy as np

    from .engine import Engine
    from .lanes import LANES
    from .plan import draw_key, fill_uniform

    width = -(-skip_gram.dim // LANES) * LANES
    center, context = (np.zeros((counts.size, width), np.float32) for _ in range(2))
    fill_uniform(draw_key(run.seed, "start"), skip_gram.dim, center)
    engine = Engine(
        word_ids,
        counts,
        optimizer.build(center),
        optimizer.build(context),
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


def _warm_up(skip_gram: SkipGramConfig, optimizer: OptimizerConfig) -> None:
    """Take one step on a text of two words, so that every kernel is compiled or loaded."""
    import numpy as np

    from .workers import Workers

    word_ids = np.array([0, 1, -1], np.int32)
    word_ids.flags.writeable = False
    counts = np.array([1, 1])
    small = replace(skip_gram, dim=1, window=1)
    with Workers(1) as workers:
        *_, engine = _build(word_ids, counts, small, optimizer, RunConfig(batch_size=32), workers)
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
        """Loss per pair; 0 where subsampling or short lines left no pair."""
        return self.loss / self.n_pairs if self.n_pairs else 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began


def _take_steps(
    engine: Engine, start_lr: float, epochs: int, emit: Callable[[Event], None]
) -> float:
    """Take all steps of a run; return the last epoch's loss."""
    n_steps = engine.n_batches * epochs
    n_tokens = 0
    loss = 0.0
    interval, whole = _Tally(), _Tally()
    for step in range(n_steps):
        lr = start_lr * (1 - step / n_steps)
        batch = engine.step(step, lr)
        epoch, number = divmod(step, engine.n_batches)
        if not math.isfinite(batch.loss):
            raise DivergenceError(
                f"the loss became {batch.loss} at step {step + 1} of {n_steps} (epoch {epoch + 1}, "
                f"learning rate {lr:.3g}); start again with a lower --lr"
            )
        n_tokens += batch.n_tokens
        interval.add(batch)
        whole.add(batch)
        if interval.seconds >= _PROGRESS_SECONDS or step == n_steps - 1:
            emit(
                {
                    "event": "progress",
                    "epoch": epoch + 1,
                    "tokens": n_tokens,
                    "loss": interval.mean_loss,
                    "lr": lr,
                    "tokens_per_s": interval.n_tokens / interval.seconds,
                }
            )
            interval = _Tally()
        if number == engine.n_batches - 1:
            emit(
                {
                    "event": "epoch",
                    "epoch": epoch + 1,
                    "tokens": whole.n_tokens,
                    "pairs": whole.n_pairs,
                    "loss": whole.mean_loss,
                    "seconds": whole.seconds,
                }
            )
            loss = whole.mean_loss
            whole = _Tally()
    return loss


@contextmanager
def _slow(say: Callable[[], None], seconds: float = 1.0) -> Iterator[None]:
    """Call ``say`` if the block takes longer than that."""
    timer = threading.Timer(seconds, say)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def peak_memory() -> int | None:
    """Return the most memory this process has held resident, in bytes; None where unknown."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _check(config: object, name: str, good: Callable[[Any], bool], range_: str) -> None:
    value = getattr(config, name)
    try:
        fits = good(value)
    except TypeError:
        fits = False
    if not fits:
        raise SettingError(f"{name} is {value!r}, but must be {range_}")

"""A model: what it takes of memory, how it starts, and the vectors that it gives."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import W2VError, check_choice
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.settings import OptimizerConfig
from ..text.events import Event
from .settings import RunConfig

if TYPE_CHECKING:
    import numpy as np

    from ..engine.engine import Engine
    from ..system.workers import Workers
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start

_FOR_BATCHES = "lower `window`, `batch_size`, `threads` or `dim`"

VECTOR_KINDS = ("center", "context", "sum")
"""What a model can give as the vector of a word."""


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model: one row of each matrix for each word.

    Attributes
    ----------
    words : list of str
        Most frequent first; those that added text brought follow, likewise.
    counts : ndarray of shape (V,), int64
        Occurrences in the text.
    center_vectors, context_vectors : ndarray of shape (V, D), float32
        What a word is as a center, and as a context.
    loss : float
        Mean negative log likelihood of the last epoch's pairs, each with its negatives; of the last
        epoch that had any.
    """

    words: list[str]
    counts: np.ndarray
    center_vectors: np.ndarray
    context_vectors: np.ndarray
    loss: float

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        n_words, dim = self.center_vectors.shape
        return f"<Model: {n_words} words, {dim} dimensions, loss {self.loss:.4f}>"

    def vectors(self, kind: str = "center") -> Vectors:
        """Return the vectors of the words: ``"center"``, ``"context"`` or their ``"sum"``."""
        from ..vectors.vectors import Vectors

        check_choice("kind", kind, VECTOR_KINDS)
        if kind == "center":
            return Vectors(self.words, self.center_vectors)
        if kind == "context":
            return Vectors(self.words, self.context_vectors)
        return Vectors(self.words, self.center_vectors + self.context_vectors)


def model_memory(
    n_words: int, skip_gram: SkipGramConfig, optimizer: OptimizerConfig
) -> tuple[int, int]:
    """Return the bytes of both matrices, and of their optimizers' state."""
    from ..optimizers.build import row_bytes

    model = 2 * n_words * row_bytes(OptimizerConfig("sgd"), skip_gram.dim)
    return model, 2 * n_words * row_bytes(optimizer, skip_gram.dim) - model


def check_model_fits(n_words: int, skip_gram: SkipGramConfig, optimizer: OptimizerConfig) -> None:
    """Refuse a model that with its optimizer's state is more than the memory there is.

    Raises
    ------
    W2VError
        Names what can be changed, and what each change would save.
    """
    from ..simd.arrays import LANES
    from ..system.memory import check_memory, usable_memory

    def needs(
        n_words: int = n_words,
        skip_gram: SkipGramConfig = skip_gram,
        optimizer: OptimizerConfig = optimizer,
    ) -> int:
        return sum(model_memory(n_words, skip_gram, optimizer))

    n_bytes, usable = needs(), usable_memory()
    if n_bytes <= usable:
        return
    remedies = {}
    if fits := int(n_words * usable / n_bytes):
        remedies[f"`max_vocab={fits}`"] = needs(n_words=fits)
    if fits := int(skip_gram.dim * usable / n_bytes) // LANES * LANES:
        remedies[f"`dim={fits}`"] = needs(skip_gram=replace(skip_gram, dim=fits))
    if "beta1" in optimizer.used:
        remedies["`beta1=0`"] = needs(optimizer=replace(optimizer, beta1=0.0))
    rowwise = OptimizerConfig("rowwise-adam", beta1=0.0)
    remedies["`optimizer=rowwise-adam` `beta1=0`"] = needs(optimizer=rowwise)
    check_memory(n_bytes, remedies)


def _check_batches_fit(n_bytes: int, n_model_bytes: int, usable: int) -> None:
    """Refuse batches that are more than the memory has beside the model; none is filled yet."""
    from ..system.memory import gigabytes

    if n_bytes + n_model_bytes > usable:
        raise W2VError(
            f"the batches do not fit: they need {gigabytes(n_bytes)} of memory, the model with its "
            f"optimizer's state {gigabytes(n_model_bytes)}, and {gigabytes(usable)} can be had",
            _FOR_BATCHES,
        )


def start_engine(
    vocabulary: Vocabulary,
    word_ids: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
    workers: Workers,
    emit: Callable[[Event], None],
    *,
    init: Vectors | Start | None = None,
    freeze: Collection[str] = (),
    first_epoch: int = 0,
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return what :func:`build_engine` does, if it fits, with given vectors and frozen words."""
    from ..system.memory import usable_memory
    from .initialize import Start, find_frozen, place_start, place_vectors

    usable = usable_memory()
    check_model_fits(len(vocabulary), skip_gram, optimizer)
    frozen = None
    if freeze:
        frozen, report = find_frozen(vocabulary.words, freeze)
        emit({"event": "freeze", **report})
    center, context, engine = build_engine(
        word_ids, vocabulary.counts, skip_gram, optimizer, run, workers, frozen, first_epoch
    )
    n_bytes = sum(model_memory(len(vocabulary), skip_gram, optimizer))
    _check_batches_fit(engine.buffer_bytes, n_bytes, usable)
    if isinstance(init, Start):
        emit(
            {
                "event": "init",
                **place_start(engine.optimizers, vocabulary.words, init, optimizer.optimizer),
            }
        )
    elif init is not None:
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
    first_epoch: int = 0,
) -> tuple[np.ndarray, np.ndarray, Engine]:
    """Return the two matrices as they start, rows padded to whole vectors, and their engine.

    Raises
    ------
    W2VError
        If the system refuses the memory.
    """
    from ..engine.engine import Engine
    from ..optimizers.build import build_optimizer
    from ..simd.arrays import padded_zeros
    from ..simd.random import draw_key, fill_uniform

    skip_gram = skip_gram.for_text(int(counts.sum()))
    try:
        # Zeros take no memory until they are written to.
        center, context = (padded_zeros(counts.size, skip_gram.dim) for _ in range(2))
        engine = Engine(
            word_ids,
            counts,
            build_optimizer(optimizer, center, skip_gram.dim),
            build_optimizer(optimizer, context, skip_gram.dim),
            window=skip_gram.window,
            negative=skip_gram.negative,
            noise_exponent=skip_gram.noise_exponent,
            subsample=skip_gram.subsample or 0.0,
            dynamic_window=skip_gram.dynamic_window,
            batch_size=run.batch_size,
            seed=run.seed,
            workers=workers,
            frozen=frozen,
            first_epoch=first_epoch,
        )
    except MemoryError as error:
        raise W2VError(f"the memory does not hold the run ({error})", _FOR_BATCHES) from None
    fill_uniform(draw_key(run.seed, "start"), skip_gram.dim, center)
    return center, context, engine


def compile_run(
    skip_gram: SkipGramConfig, optimizer: OptimizerConfig, emit: Callable[[Event], None]
) -> None:
    """Compile what a run will call, or load it from the disk; say so if it is the former."""
    import numpy as np

    from ..simd.kernels import compiling_told
    from ..system.workers import Workers
    from ..text.corpus import compile_kernels

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

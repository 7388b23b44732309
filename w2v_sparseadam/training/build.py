"""Builds the engine of a run from its settings, and checks that it fits in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import W2VError
from ..events import Event, Initialized, Warned, WordsFrozen
from ..optimizers.settings import OptimizerConfig
from .settings import RunConfig, Settings, default_batch_size

if TYPE_CHECKING:
    import numpy as np

    from ..engine.engine import Engine
    from ..engine.stepper import Stepper
    from ..objectives.base import Objective
    from ..optimizers.base import Optimizer
    from ..system.workers import Workers
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start

_FOR_BATCHES = "lower `window`, `batch_size`, `threads` or `dim`"


def model_memory(words: Collection[Any], settings: Settings) -> tuple[int, int]:
    """Return the bytes of all tables of a vocabulary, and of their optimizers' state."""
    from ..optimizers.build import row_bytes

    objective = settings.objective
    n_rows = sum(table.n_rows for table in objective.tables(words))
    model = n_rows * row_bytes(OptimizerConfig("sgd"), objective.dim)
    return model, n_rows * row_bytes(settings.optimizer, objective.dim) - model


def check_model_fits(words: Sequence[str], settings: Settings, n_copies: int = 0) -> None:
    """Refuse a model that with its optimizer's state is more than the memory there is.

    So many copies of its tables, such as those of the best epoch, count too.

    Raises
    ------
    W2VError
        Names what can be changed, and what each change would save.
    """
    from ..simd.arrays import LANES
    from ..system.memory import check_memory, usable_memory

    def needs(n_words: int | None = None, dim: int | None = None, **optimizer: object) -> int:
        changed = replace(
            settings,
            objective=replace(settings.objective, dim=dim or settings.objective.dim),
            optimizer=replace(settings.optimizer, **optimizer),  # type: ignore[arg-type]
        )
        tables, state = model_memory(words[:n_words], changed)
        return (1 + n_copies) * tables + state

    n_bytes, usable = needs(), usable_memory()
    if n_bytes <= usable:
        return
    remedies = {}
    if fits := int(len(words) * usable / n_bytes):
        remedies[f"`max_vocab={fits}`"] = needs(n_words=fits)
    if fits := int(settings.objective.dim * usable / n_bytes) // LANES * LANES:
        remedies[f"`dim={fits}`"] = needs(dim=fits)
    if "beta1" in settings.optimizer.used:
        remedies["`beta1=0`"] = needs(beta1=0.0)
    smallest = needs(optimizer="rowwise-adam", beta1=0.0, bias_correction="global")
    remedies["`optimizer=rowwise-adam` `beta1=0`"] = smallest
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
    settings: Settings,
    workers: Workers,
    emit: Callable[[Event], None],
    *,
    init: Vectors | Start | None = None,
    freeze: Collection[str] = (),
    first_epoch: int = 0,
) -> Stepper:
    """Return what :func:`build_engine` does, if it fits, with given vectors and frozen words."""
    from ..system.memory import usable_memory

    usable = usable_memory()
    check_model_fits(vocabulary.words, settings)
    frozen = frozen_rows(vocabulary, freeze, emit)
    words, counts = vocabulary.words, vocabulary.counts
    engine = build_engine(word_ids, counts, settings, workers, frozen, first_epoch, words=words)
    n_bytes = sum(model_memory(words, settings))
    _check_batches_fit(engine.buffer_bytes, n_bytes, usable)
    initialize(engine.tables, vocabulary, settings, init, emit)
    return engine


def frozen_rows(
    vocabulary: Vocabulary, freeze: Collection[str], emit: Callable[[Event], None]
) -> np.ndarray | None:
    """Return which rows are to stay as they are, and tell of them; None if there are none."""
    from .initialize import find_frozen

    if not freeze:
        return None
    frozen, report = find_frozen(vocabulary.words, freeze)
    emit(WordsFrozen(**report))
    return frozen


def initialize(
    tables: Mapping[str, Optimizer],
    vocabulary: Vocabulary,
    settings: Settings,
    init: Vectors | Start | None,
    emit: Callable[[Event], None],
) -> None:
    """Put given vectors in new tables, and tell of them."""
    from .initialize import of_ngrams, place

    if init is None:
        return
    report = place(init, tables, vocabulary.words, settings)
    emit(Initialized(**report))
    table, given = settings.objective.ngram_table(vocabulary.words), getattr(init, "subwords", None)
    if table and given and of_ngrams(table) != of_ngrams(given):
        least, most, n_buckets = of_ngrams(given)
        own = f"{table.min_n} to {table.max_n} characters in {table.n_buckets:,}"
        emit(
            Warned(
                f"the start vectors have n-grams of {least} to {most} characters in "
                f"{n_buckets:,} buckets, and the run of {own}: its n-grams start at random",
                f"to start from those, give `subwords={least}-{most}` `buckets={n_buckets}`",
            )
        )


def new_tables(
    settings: Settings,
    counts: np.ndarray,
    frozen: np.ndarray | None = None,
    *,
    words: Collection[str] = (),
    filled: bool = True,
) -> tuple[Objective, dict[str, Optimizer]]:
    """Return an objective and its tables by name, rows padded to whole vectors.

    They are as they start, or zeros if they are not to be filled. The words are needed by an
    objective that looks into them.
    """
    from ..optimizers.build import build_optimizer
    from ..simd.arrays import padded_zeros

    dim = settings.objective.dim
    objective = settings.objective.build(counts, frozen, words)
    # Zeros take no memory until they are written to.
    params = tuple(padded_zeros(table.n_rows, dim) for table in objective.tables)
    if filled:
        objective.fill_tables(params, settings.run.seed, dim)
    return objective, {
        table.name: build_optimizer(settings.optimizer, param, dim)
        for table, param in zip(objective.tables, params, strict=True)
    }


def build_engine(
    word_ids: np.ndarray,
    counts: np.ndarray,
    settings: Settings,
    workers: Workers,
    frozen: np.ndarray | None = None,
    first_epoch: int = 0,
    *,
    words: Collection[str] = (),
    filled: bool = True,
    **of_part: Any,
) -> Engine:
    """Return an engine whose tables are those of `new_tables`.

    ``of_part`` are further arguments of `Engine`, for a part of a text.

    Raises
    ------
    W2VError
        If the system refuses the memory.
    """
    from ..engine.engine import Engine

    run = settings.run
    try:
        objective, tables = new_tables(settings, counts, frozen, words=words, filled=filled)
        return Engine(
            word_ids,
            objective,
            list(tables.values()),
            batch_size=run.batch_size
            or default_batch_size(int(counts.sum()), len(counts), settings.large_batches),
            seed=run.seed,
            workers=workers,
            first_epoch=first_epoch,
            **of_part,
        )
    except MemoryError as error:
        raise W2VError(f"the memory does not hold the run ({error})", _FOR_BATCHES) from None


_KERNELS = 7  # of any training


def compile_run(settings: Settings, emit: Callable[[Event], None]) -> None:
    """Compile what a run will call, or load it from the disk; say so if it is the former."""
    import numpy as np

    from ..simd.kernels import compiling_told
    from ..system.workers import Workers
    from ..text import compilation, phrases

    word_ids = np.array([0, 1, -1], np.int32)
    word_ids.flags.writeable = False
    small = replace(
        settings, objective=settings.objective.to_compile(), run=RunConfig(batch_size=32)
    )
    n_kernels = compilation.N_KERNELS + _KERNELS + settings.objective.n_kernels
    if settings.text.phrases is not None:
        n_kernels += phrases.N_KERNELS
    with compiling_told(emit, n_kernels), Workers(1) as workers:
        compilation.compile_kernels()
        if settings.text.phrases is not None:
            phrases.compile_phrase_kernels()
        build_engine(word_ids, np.array([1, 1]), small, workers, words=["a", "b"]).run(0, [1.0])

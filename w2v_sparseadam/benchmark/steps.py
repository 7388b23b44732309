"""The optimizer's step alone, timed over matrices of several sizes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ..events import Event
from ..objectives.skip_gram.settings import SkipGramConfig
from ..objectives.windows.objective import SHARED_NEGATIVES
from ..objectives.windows.plan import BLOCK
from ..objectives.windows.sampler import Sampler
from ..optimizers.base import Optimizer, move, prepare
from ..optimizers.build import build_optimizer, row_bytes
from ..optimizers.groups import Groups, group_rows
from ..optimizers.settings import OptimizerConfig
from ..simd.arrays import padded_zeros
from ..simd.random import draw_key, fill_uniform
from ..system.memory import lacks_memory
from ..system.workers import Workers
from ..training.settings import RunConfig, default_batch_size
from .residency import resident_bytes
from .results import Skipped, StepTiming, TimingSteps

STEP_OPTIMIZERS = ("sparse-adam", "dense-adam")
"""Optimizers whose step is timed alone; the others are compared with the first."""

# How long an optimizer takes steps in a round; it takes at least one.
_ROUND_SECONDS = 0.1

# Enough that the rows of a draw have left the cache before it is used again, if V is large.
_DRAWS = 16

# Few, because Python hands them out; more than one, because threads differ in speed.
_PARTS_PER_WORKER = 3


def measure_steps(
    counts: np.ndarray,
    sizes: Sequence[int],
    repeat: int,
    skip_gram: SkipGramConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> tuple[list[StepTiming], list[Skipped]]:
    """Time the optimizers' steps over all sizes that can be measured."""
    batch_size = run.batch_size or default_batch_size(int(counts.sum()), counts.size)
    own_touches = _expected_touches(counts, skip_gram, batch_size)
    n_rows = max(1, round(float(-np.expm1(-own_touches).sum())))
    timings: list[StepTiming] = []
    skipped: list[Skipped] = []
    with Workers(run.n_threads) as workers:
        for n_words in sorted({*sizes, counts.size}):
            n_bytes = sum(row_bytes(step_config(name), skip_gram.dim) for name in STEP_OPTIMIZERS)
            reason = lacks_memory(n_words * n_bytes)
            if n_words < n_rows:
                reason = f"it has fewer rows than the {n_rows:,} that a batch touches"
            if reason:
                skipped.append(Skipped(f"a step over {n_words:,} words", reason))
                continue
            emit(TimingSteps(n_words))
            if n_words == counts.size:
                touches = {"corpus": own_touches}
            else:
                zipf = np.log1p(1 / np.arange(1, n_words + 1))
                touches = {"zipf": _expected_touches(zipf, skip_gram, batch_size)}
            touches["uniform"] = np.ones(n_words)
            timings += _time_size(touches, n_rows, repeat, skip_gram, run.seed, workers)
    return timings, skipped


def _expected_touches(counts: np.ndarray, skip_gram: SkipGramConfig, batch_size: int) -> np.ndarray:
    """Return how often a batch is expected to meet each row of the context matrix."""
    skip_gram = skip_gram.for_text(int(counts.sum()))
    sampler = Sampler.build(
        counts, skip_gram.subsample or 0.0, skip_gram.noise_exponent, SHARED_NEGATIVES
    )
    kept = counts * sampler.keep_prob()
    noise = counts.astype(np.float64) ** skip_gram.noise_exponent
    negatives = SHARED_NEGATIVES / BLOCK
    return batch_size * (kept / kept.sum() + negatives * noise / noise.sum())


def _time_size(
    touches: dict[str, np.ndarray],
    n_rows: int,
    repeat: int,
    skip_gram: SkipGramConfig,
    seed: int,
    workers: Workers,
) -> Iterator[StepTiming]:
    """Time the optimizers in turn over one matrix; ``touches`` has the rates of each draw."""
    rng = np.random.default_rng(seed)
    draws = {
        draw: [_draw_rows(rng, rates, n_rows) for _ in range(_DRAWS)]
        for draw, rates in touches.items()
    }
    n_words = next(iter(touches.values())).size
    param, grads = (padded_zeros(n, skip_gram.dim) for n in (n_words, n_rows))
    fill_uniform(draw_key(seed, "start"), skip_gram.dim, param)
    grads[:, : skip_gram.dim] = rng.standard_normal((n_rows, skip_gram.dim), np.float32)
    optimizers = {
        name: build_optimizer(step_config(name), param, param.shape[1]) for name in STEP_OPTIMIZERS
    }
    resident = {}
    for name, optimizer in optimizers.items():
        time_step(optimizer, next(iter(draws.values()))[0], grads, workers)  # compiles, too
        resident[name] = resident_bytes(optimizer.state.values())
        for array in optimizer.state.values():
            array[:] = 0
    for draw, drawn in draws.items():
        seconds: dict[str, list[float]] = {name: [] for name in optimizers}
        for first in range(repeat):
            for name, optimizer in optimizers.items():
                seconds[name].append(_time_round(optimizer, drawn, first, grads, workers))
        for name, optimizer in optimizers.items():
            n_moved = prepare(optimizer.rule, drawn[0])
            yield StepTiming(
                n_words=n_words,
                draw=draw,
                optimizer=name,
                n_rows_touched=n_rows,
                n_rows_moved=n_moved,
                n_bytes_moved=2 * n_moved * row_bytes(step_config(name), skip_gram.dim)
                + grads.nbytes,
                seconds=seconds[name],
                state_bytes=sum(array.nbytes for array in optimizer.state.values()),
                resident_state_bytes=resident[name],
            )


def _draw_rows(rng: np.random.Generator, rates: np.ndarray, n_rows: int) -> Groups:
    """Draw rows one after another in proportion to their rates, until so many are met."""
    # Independent Poisson processes have their first arrivals in just that order.
    arrivals = rng.standard_exponential(rates.size) / rates
    rows = np.argpartition(arrivals, n_rows - 1)[:n_rows]
    return group_rows(rows, np.full(arrivals.size, -1, np.int32))


def _time_round(
    optimizer: Optimizer, drawn: list[Groups], first: int, grads: np.ndarray, workers: Workers
) -> float:
    """Return the median time of a round's steps, which begin with the rows ``drawn[first]``."""
    seconds: list[float] = []
    while sum(seconds) < _ROUND_SECONDS:
        groups = drawn[(first + len(seconds)) % len(drawn)]
        seconds.append(time_step(optimizer, groups, grads, workers))
    return statistics.median(seconds)


def time_step(optimizer: Optimizer, groups: Groups, grads: np.ndarray, workers: Workers) -> float:
    """Take a step, its rows in ranges that workers share out, and return its seconds.

    Parameters
    ----------
    optimizer : Optimizer
        Its matrix, of shape (V, D), moves.
    groups : Groups
        Rows with a gradient, as from `group_rows`.
    grads : ndarray of shape (places, D), float32
        The gradients that ``groups`` has the places of.
    workers : Workers
        Who moves the ranges.
    """
    began = time.perf_counter()
    scalars = np.array(optimizer.next_scalars(optimizer.lr))
    extent = prepare(optimizer.rule, groups)
    size = -(-extent // (_PARTS_PER_WORKER * workers.n))

    def move_part(_: int, part: int) -> None:
        last = min((part + 1) * size, extent)
        move(optimizer.rule, groups, grads, part * size, last, scalars)

    workers.run(move_part, -(-extent // size))
    return time.perf_counter() - began


def step_config(name: str) -> OptimizerConfig:
    """Return an optimizer's settings: PyTorch's decays, so that all move both moments."""
    return OptimizerConfig(name, beta1=0.9, beta2=0.999)

"""Say where a training step's time goes, and how it falls with the number of threads.

    python scripts/bench_engine.py corpus.txt

1. *Waterfall.* The stages of a step, one after the other on one thread, over many batches:
   microseconds for each center (a token that subsampling kept).
2. *Floor.* What the block's three matrix products alone would take, as OpenBLAS runs them through
   NumPy (all positives as one dense product, as a program on BLAS would have it), and as this
   package's own tiles do (negatives only; positives are computed inside their band).
3. *Threads.* The engine on 1, 2, … threads, in turn, round by round: tokens per second, the median
   of the ratios, and the share of time in which only one thread has work, by construction.

The matrices and the state stay resident, everything is compiled before a clock starts, and the
medians are over batches or rounds.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read when NumPy is imported

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from typing import no_type_check

import numpy as np

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.engine.engine import Engine
from w2v_sparseadam.objectives.skip_gram.gradients import Scratch, chunk_gradients
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.objectives.windows.objective import SHARED_NEGATIVES
from w2v_sparseadam.objectives.windows.plan import (
    BLOCK,
    CHUNK,
    BatchPlan,
    PlanScratch,
    fill_plan,
)
from w2v_sparseadam.objectives.windows.sampler import Sampler
from w2v_sparseadam.optimizers.base import move, prepare
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.simd.arrays import zeros
from w2v_sparseadam.simd.kernels import for_python, kernel
from w2v_sparseadam.simd.products import dot_tile, multiply
from w2v_sparseadam.simd.random import draw_key
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.text.corpus import Corpus, read_corpus
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.build import build_engine
from w2v_sparseadam.training.settings import RunConfig, Settings

STAGES = ("plan", "gradients", "center rows", "context rows")
WARM_BATCHES = 20


def time_stages(corpus: Corpus, skip_gram: SkipGramConfig, batch_size: int) -> np.ndarray:
    """Return seconds for each center and stage of the first batches, shape (batches, 4)."""
    word_ids, counts = corpus.word_ids, corpus.vocabulary.counts
    optimizer, run = OptimizerConfig(), RunConfig(batch_size=batch_size, threads=1)
    with Workers(1) as workers:
        settings = Settings(objective=skip_gram, optimizer=optimizer, run=run)
        engine = build_engine(word_ids, counts, settings, workers)
    center, context = engine.tables.values()
    skip_gram = skip_gram.for_text(int(counts.sum()))
    sampler = Sampler.build(
        counts, skip_gram.subsample or 0.0, skip_gram.noise_exponent, SHARED_NEGATIVES
    )
    plan = BatchPlan.allocate(engine.positions, skip_gram.window, SHARED_NEGATIVES)
    plan_scratch = PlanScratch.allocate(counts.size, plan)
    n_dims = center.param.shape[1]
    scratch = Scratch.allocate(n_dims, skip_gram.window, SHARED_NEGATIVES, skip_gram.dynamic_window)
    grads = [zeros(groups.places.size, n_dims) for groups in plan.groups]
    keys = np.array([draw_key(1, use, 0) for use in ("position", "negative")])
    weight = np.float32(skip_gram.negative / SHARED_NEGATIVES)
    times = []
    for batch in range(min(engine.n_batches - 1, 1500)):
        clock = [time.perf_counter()]
        start = batch * engine.positions
        stop = start + engine.positions
        for_python(fill_plan)(
            word_ids, start, stop, sampler, keys, skip_gram.dynamic_window, True, plan_scratch, plan
        )
        clock.append(time.perf_counter())
        n_centers = int(plan.n_centers[0])
        for chunk in range(-(-n_centers // CHUNK)):
            for_python(chunk_gradients)(
                center.param, context.param, plan, chunk, weight, scratch, *grads
            )
        clock.append(time.perf_counter())
        for optimizer_, groups, places in (
            (center, plan.groups[0], grads[0]),
            (context, plan.groups[1], grads[1]),
        ):
            scalars = np.array(optimizer_.next_scalars(optimizer.start_lr))
            n_rows = prepare(optimizer_.rule, groups)
            move(optimizer_.rule, groups, places, 0, n_rows, scalars)
            clock.append(time.perf_counter())
        times.append(np.diff(clock) / max(1, n_centers))
    return np.array(times[WARM_BATCHES:])


def best_time(call: Callable[[], object], n_repeats: int = 9) -> float:
    """Return the shortest of several times: a floor, not an expectation."""
    times = []
    for _ in range(n_repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def time_blas(n_dims: int, window: int, n_blocks: int = 256) -> float:
    """Return seconds for each center of V Uᵀ, E U and Eᵀ V as OpenBLAS does them."""
    n_columns = BLOCK + 2 * window + SHARED_NEGATIVES
    rng = np.random.default_rng(1)
    v = rng.standard_normal((n_blocks, BLOCK, n_dims), np.float32)
    u = rng.standard_normal((n_blocks, n_columns, n_dims), np.float32)
    e = np.empty((n_blocks, BLOCK, n_columns), np.float32)
    v_grad, u_grad = np.empty_like(v), np.empty_like(u)

    def products() -> None:
        # A few blocks at a time, as an engine would have them: in the cache.
        for first in range(0, n_blocks, 8):
            some = slice(first, first + 8)
            np.matmul(v[some], u[some].transpose(0, 2, 1), out=e[some])
            np.matmul(e[some], u[some], out=v_grad[some])
            np.matmul(e[some].transpose(0, 2, 1), v[some], out=u_grad[some])

    return best_time(products) / (n_blocks * BLOCK)


@kernel
@no_type_check
def noise_products(v, u, scores, v_grad, u_grad, n_blocks):
    """Do the three products of a block with its negatives, over and over."""
    for _ in range(n_blocks):
        for i in range(0, v.shape[0], 4):
            for k in range(0, u.shape[0], 4):
                dot_tile(v, u, scores, i, k)
        multiply(scores, u, v_grad, v.shape[0], u.shape[0])
        multiply(scores.T, v, u_grad, u.shape[0], v.shape[0])


def time_tiles(n_dims: int, window: int) -> float:
    """Return seconds for each center of the negatives' products as the engine does them."""
    scratch = Scratch.allocate(n_dims, window, SHARED_NEGATIVES, dynamic=True)
    v, u = scratch.center_vectors[:BLOCK], scratch.noise_vectors
    v_grad, u_grad = zeros(BLOCK, n_dims), zeros(SHARED_NEGATIVES, n_dims)
    n_blocks = 1000

    def products() -> None:
        noise_products(v, u, scratch.scores, v_grad, u_grad, n_blocks)

    products()
    return best_time(products) / (n_blocks * BLOCK)


def run_engine(
    corpus: Corpus, skip_gram: SkipGramConfig, run: RunConfig, seconds: float
) -> tuple[float, float]:
    """Return tokens per second, and the share of the time spent before and after the threads."""
    word_ids, counts = corpus.word_ids, corpus.vocabulary.counts
    optimizer = OptimizerConfig()
    with Workers(run.n_threads) as workers:
        settings = Settings(objective=skip_gram, optimizer=optimizer, run=run)
        engine = build_engine(word_ids, counts, settings, workers)
        inside = 0.0
        run_parts = workers.run

        def timed_run(part: Callable[[int, int], None], n_parts: int) -> None:
            nonlocal inside
            began = time.perf_counter()
            run_parts(part, n_parts)
            inside += time.perf_counter() - began

        workers.run = timed_run  # type: ignore[method-assign]
        take_steps(engine, 0, 50)
        inside, n_tokens, step = 0.0, 0, 50
        began = time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            n_tokens += take_steps(engine, step, 100)
            step += 100
    return n_tokens / elapsed, 1 - inside / elapsed


def take_steps(engine: Engine, first: int, n_steps: int) -> int:
    """Take some steps at a small learning rate, and return the tokens they read."""
    return sum(batch.n_tokens for batch in engine.run(first, [1e-3] * n_steps))


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    description, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("corpus", help="a text file of some megabytes")
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="the most")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each run of the engine")
    return parser.parse_args(argv)


def main() -> None:
    """Measure and print."""
    args = parse_args()
    skip_gram = SkipGramConfig(dim=args.dim, window=args.window)
    with read_corpus([args.corpus], TextConfig(tokenizer="whitespace")) as corpus:
        stages = time_stages(corpus, skip_gram, args.batch_size)
        micros = np.median(stages, axis=0) * 1e6
        n_dims = -(-args.dim // 16) * 16
        blas, tiles = (time(n_dims, args.window) * 1e6 for time in (time_blas, time_tiles))
        print("| stage, one thread | µs a center | share |\n| --- | ---: | ---: |")
        for stage, value in zip(STAGES, micros, strict=True):
            print(f"| {stage} | {value:.3f} | {value / micros.sum():.0%} |")
        print(f"| sum | {micros.sum():.3f} | |")
        print(f"| of the gradients: products with the negatives, alone | {tiles:.3f} | |")
        print(f"| the block's products in OpenBLAS, alone | {blas:.3f} | |\n")
        print(f"The sum is {micros.sum() / blas:.2f} times OpenBLAS's products alone.\n")

        rates: dict[int, list[float]] = {n: [] for n in range(1, args.threads + 1)}
        serial: dict[int, list[float]] = {n: [] for n in rates}
        for _ in range(args.rounds):
            for n_threads in rates:
                run = RunConfig(batch_size=args.batch_size, threads=n_threads)
                rate, share = run_engine(corpus, skip_gram, run, args.seconds)
                rates[n_threads].append(rate)
                serial[n_threads].append(share)
    print("| threads | tokens/s | times one thread | outside the threads |")
    print("| ---: | ---: | ---: | ---: |")
    for n_threads, values in rates.items():
        ratios = [value / one for value, one in zip(values, rates[1], strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        share = statistics.median(serial[n_threads])
        print(f"| {n_threads} | {statistics.median(values):,.0f} | {spread} | {share:.1%} |")
    machine = describe_machine()
    print(f"\n{machine['processor']}, {machine['date']}, numba {machine['numba']}")


if __name__ == "__main__":
    main()

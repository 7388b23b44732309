"""Say where a training step's time goes, what limits it, and how it falls with more threads.

    python scripts/bench_engine.py corpus.txt

1. *Waterfall.* The parts of a step, in the engine's order, on one thread, over many batches:
   microseconds for each center (a token that subsampling kept).
2. *Floor.* What the block's three matrix products alone would take, as OpenBLAS runs them through
   NumPy (all positives as one dense product, as a program on BLAS would have it), and as this
   package's own tiles do (negatives only; positives are computed inside their band).
3. *Roofline.* The arithmetic of the products and the bytes of the rows that a step must move, for
   each center, against what this processor does of either alone: multiplications and additions of
   vectors that stay in the first cache, and a copy of an array that no cache holds.
4. *Threads.* The engine on 1, 2, … threads, in turn, round by round: tokens per second, the median
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
from typing import Any, NamedTuple, no_type_check

import numpy as np

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.engine.engine import Engine
from w2v_sparseadam.engine.parts import GRADIENTS, PLAN, early_call, move_call, prepare_call
from w2v_sparseadam.objectives.registry import ModelChoice
from w2v_sparseadam.objectives.skip_gram.gradients import Scratch
from w2v_sparseadam.objectives.windows.objective import SHARED_NEGATIVES
from w2v_sparseadam.objectives.windows.plan import BLOCK
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.simd.arrays import zeros
from w2v_sparseadam.simd.calls import call
from w2v_sparseadam.simd.kernels import kernel
from w2v_sparseadam.simd.products import dot_tile, multiply
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.text.corpus import Corpus, read_corpus
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.build import build_engine
from w2v_sparseadam.training.settings import RunConfig, Settings

STAGES = ("plan", "gradients", "rows of one chunk", "other rows")
WARM_BATCHES = 20


class Work(NamedTuple):
    """What a step does for each center, on average."""

    pairs: float  # with its contexts; each center also has all negatives of its block
    places: float  # gradients of rows
    rows: float  # that move


@kernel
@no_type_check
def call_part(calls, which, a, b, c):
    """Do a part of a step, as the scheduler does."""
    return call(calls, which, a, b, c)


@kernel
@no_type_check
def move_rows_of_chunk(calls, n_tables, chunk):
    """Move the rows of plan 0 that one chunk alone needs."""
    for table in range(n_tables):
        first = call(calls, early_call(table), 0, chunk, 0)
        last = call(calls, early_call(table), 0, chunk + 1, 0)
        call(calls, move_call(table), 0, first, last)


@kernel
@no_type_check
def move_other_rows(calls, n_tables, n_chunks):
    """Move the other rows of plan 0."""
    for table in range(n_tables):
        first = call(calls, early_call(table), 0, n_chunks, 0)
        last = call(calls, prepare_call(table), 0, 0, 0)
        call(calls, move_call(table), 0, first, last)


def new_engine(corpus: Corpus, settings: Settings, workers: Workers) -> Engine:
    """Return an engine for a text."""
    words, counts = corpus.vocabulary.words, corpus.vocabulary.counts
    return build_engine(corpus.word_ids, counts, settings, workers, words=words)


def time_stages(engine: Engine, lr: float, n_batches: int = 1500) -> tuple[np.ndarray, Work]:
    """Take the first steps; return seconds for each center and stage, (steps, 4), and the work."""
    shared, ring, calls = engine._shared, engine._ring, engine._calls[0].table
    shared.keys[0] = engine._objective.keys(engine._seed, 0)
    times, work = [], []
    for batch in range(min(engine.n_batches - 1, n_batches)):
        for table, optimizer in enumerate(engine.tables.values()):
            shared.scalars[0, table] = optimizer.next_scalars(lr)
        start = batch * engine.positions
        n_tables = len(engine.tables)
        seconds = time_step(calls, n_tables, shared.n_chunks, start, start + engine.positions)
        n_centers = max(1, int(ring.n_centers[0, 0]))
        times.append(seconds / n_centers)
        n_pairs = ring.n_left[0, :n_centers].sum() + ring.n_right[0, :n_centers].sum()
        n_rows = [int(groups.n_rows[0, 0]) for groups in ring.groups]
        n_places = sum(
            int(groups.starts[0, n]) for groups, n in zip(ring.groups, n_rows, strict=True)
        )
        work.append(np.array([n_pairs, n_places, sum(n_rows)]) / n_centers)
    return np.array(times), Work(*np.mean(work, axis=0).tolist())


def time_step(calls: Any, n_tables: int, n_chunks: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Take a step with plan 0, part by part, and return the seconds of each of ``STAGES``.

    ``n_chunks``, of shape (plans, 1), is written when the plan is made.
    """
    seconds = np.zeros(len(STAGES))
    clock = time.perf_counter()

    def count(stage: int) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[stage] += now - clock
        clock = now

    call_part(calls, PLAN, start, stop, 0)
    count(0)
    for chunk in range(n_chunks[0, 0]):
        call_part(calls, GRADIENTS, 0, chunk, 0)
        count(1)
        move_rows_of_chunk(calls, n_tables, chunk)
        count(2)
    move_other_rows(calls, n_tables, int(n_chunks[0, 0]))
    count(3)
    return seconds


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
        for k in range(0, u.shape[0], 4):
            for i in range(0, v.shape[0], 4):
                dot_tile(u, v, scores, k, i)
        multiply(scores.T, u, v_grad, v.shape[0], u.shape[0])
        multiply(scores, v, u_grad, u.shape[0], v.shape[0])


@kernel
@no_type_check
def small_products(a, b, c, n_repeats):
    """Multiply two small matrices over and over: nothing but multiplications and additions."""
    for _ in range(n_repeats):
        multiply(a, b, c, a.shape[0], a.shape[1])


def peak_flops() -> float:
    """Return the most multiplications and additions of float32 per second of one thread."""
    n_rows, n, n_columns, n_repeats = 8, 128, 48, 20_000
    a, b, c = zeros(n_rows, n), zeros(n, n_columns), zeros(n_rows, n_columns)
    small_products(a, b, c, 1)
    seconds = best_time(lambda: small_products(a, b, c, n_repeats))
    return 2 * n_rows * n * n_columns * n_repeats / seconds


def copy_bandwidth(n_bytes: int = 1 << 28) -> float:
    """Return the bytes that one thread reads and writes per second where no cache helps."""
    source, target = np.ones(n_bytes, np.uint8), np.zeros(n_bytes, np.uint8)
    return 2 * n_bytes / best_time(lambda: np.copyto(target, source))


def print_roofline(work: Work, n_dims: int, micros: float) -> None:
    """Print what a center's arithmetic and bytes would take alone, and the share of a step."""
    products = 3 * 2 * n_dims * (work.pairs + SHARED_NEGATIVES)
    row = 4 * n_dims
    # Vectors are copied for the products, gradients written and read; a row and its second moment
    # are read and written.
    cached, moved = row * 3 * work.places, row * 4 * work.rows
    flops, bandwidth = peak_flops(), copy_bandwidth()
    print("| limit | per center | alone, per second | µs per center | share of a step |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, amount, unit, rate in (
        ("arithmetic of the products", products, "flops", flops),
        ("rows that move, from memory", moved, "bytes", bandwidth),
        ("gathered vectors and gradients, if from memory, too", cached, "bytes", bandwidth),
    ):
        floor = amount / rate * 1e6
        cells = [f"{amount:,.0f} {unit}", f"{rate / 1e9:,.1f} G{unit}", f"{floor:.3f}"]
        print(f"| {name} | " + " | ".join(cells) + f" | {floor / micros:.0%} |")
    print(
        f"\nA center has {work.pairs:.1f} contexts and {SHARED_NEGATIVES} negatives; "
        f"{work.places:.2f} gradients move {work.rows:.2f} rows of {row} bytes.\n"
    )


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


def run_engine(corpus: Corpus, settings: Settings, seconds: float) -> tuple[float, float]:
    """Return tokens per second, and the share of the time spent before and after the threads."""
    with Workers(settings.run.n_threads) as workers:
        engine = new_engine(corpus, settings, workers)
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
    parser.add_argument("--subsample", type=float, help="default: that of w2v-train")
    parser.add_argument("--batch-size", type=int, default=1024)
    parser.add_argument("--model", default="skip-gram", choices=("skip-gram", "cbow"))
    parser.add_argument("--subwords", metavar="MIN-MAX", help="compose words of their n-grams")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="the most")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each run of the engine")
    return parser.parse_args(argv)


def main() -> None:
    """Measure and print."""
    args = parse_args()
    model = ModelChoice(args.model).config(
        dim=args.dim, window=args.window, subsample=args.subsample, subwords=args.subwords
    )

    def settings_for(n_threads: int) -> Settings:
        run = RunConfig(batch_size=args.batch_size, threads=n_threads)
        return Settings(objective=model, optimizer=OptimizerConfig(), run=run)

    with read_corpus([args.corpus], TextConfig(tokenizer="whitespace")) as corpus:
        with Workers(1) as workers:
            engine = new_engine(corpus, settings_for(1), workers)
        stages, work = time_stages(engine, OptimizerConfig().start_lr)
        micros = np.median(stages[WARM_BATCHES:], axis=0) * 1e6
        n_dims = -(-args.dim // 16) * 16
        blas, tiles = (time(n_dims, args.window) * 1e6 for time in (time_blas, time_tiles))
        print("| stage, one thread | µs per center | share |\n| --- | ---: | ---: |")
        for stage, value in zip(STAGES, micros, strict=True):
            print(f"| {stage} | {value:.3f} | {value / micros.sum():.0%} |")
        print(f"| sum | {micros.sum():.3f} | |")
        print(f"| of the gradients: products with the negatives, alone | {tiles:.3f} | |")
        print(f"| the block's products in OpenBLAS, alone | {blas:.3f} | |\n")
        print(f"The sum is {micros.sum() / blas:.2f} times OpenBLAS's products alone.\n")
        print_roofline(work, n_dims, micros.sum())

        rates: dict[int, list[float]] = {n: [] for n in range(1, args.threads + 1)}
        serial: dict[int, list[float]] = {n: [] for n in rates}
        for _ in range(args.rounds):
            for n_threads in rates:
                rate, share = run_engine(corpus, settings_for(n_threads), args.seconds)
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

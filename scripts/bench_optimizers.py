"""Time SparseAdam and DenseAdam against PyTorch's: same rows, gradients and number of threads.

Contestants take the same steps in turn, round by round, so that a change of the machine's speed
meets all alike; what counts is the median of the ratios within each round. Every step has other
rows, drawn evenly, each with one gradient, so that PyTorch's sparse gradient is coalesced. At the
end the matrices are compared: all must have done the same arithmetic. Prints a Markdown table.

    pip install torch
    python scripts/bench_optimizers.py
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch

from w2v_sparseadam import DenseAdam, SparseAdam
from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.benchmark.results import Spread
from w2v_sparseadam.benchmark.steps import time_step
from w2v_sparseadam.optimizers.base import Optimizer
from w2v_sparseadam.optimizers.groups import group_rows
from w2v_sparseadam.system.workers import Workers

LR = 0.02
N_DRAWS = 16
SPARSE_STEPS, DENSE_STEPS = 20, 3  # in a round

Step = Callable[[np.ndarray], float]
"""Takes a step on rows in ascending order, and returns its seconds."""

Start = Callable[[np.ndarray, np.ndarray], Step]
"""Makes the step of a contestant from its matrix and the gradients."""


def start_optimizer(kind: type[SparseAdam | DenseAdam], param: np.ndarray) -> Optimizer:
    """Return an optimizer whose state is all resident before a clock starts."""
    optimizer = kind(param, LR)
    for array in optimizer.state.values():
        array[:] = 0
    return optimizer


def by_call(param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by ``SparseAdam.step``: on one thread, which checks and groups the rows, too."""
    optimizer = start_optimizer(SparseAdam, param)

    def step(rows: np.ndarray) -> float:
        began = time.perf_counter()
        optimizer.step(rows, grads)
        return time.perf_counter() - began

    return step


def in_ranges(
    kind: type[SparseAdam | DenseAdam], workers: Workers, param: np.ndarray, grads: np.ndarray
) -> Step:
    """Step as training does: the rows come grouped, and all threads move ranges of them."""
    optimizer = start_optimizer(kind, param)
    slots = np.full(param.shape[0], -1, np.int32)
    return lambda rows: time_step(optimizer, group_rows(rows, slots), grads, workers)


def torch_sparse(param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by torch.optim.SparseAdam on a coalesced gradient, made before the clock starts."""
    weight = torch.nn.Parameter(torch.from_numpy(param))
    optimizer: Any = torch.optim.SparseAdam([weight], lr=LR)

    def step(rows: np.ndarray) -> float:
        weight.grad = torch.sparse_coo_tensor(
            torch.from_numpy(rows).unsqueeze(0),
            torch.from_numpy(grads),
            weight.shape,
            is_coalesced=True,
            check_invariants=True,
        )
        began = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - began

    return step


def torch_dense(how: str, param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by torch.optim.Adam on a dense gradient, made before the clock starts."""
    weight = torch.nn.Parameter(torch.from_numpy(param))
    optimizer = torch.optim.Adam([weight], lr=LR, fused=how == "fused", foreach=how == "foreach")
    weight.grad = grad = torch.zeros_like(weight)

    def step(rows: np.ndarray) -> float:
        grad.zero_()
        grad[torch.from_numpy(rows)] = torch.from_numpy(grads)
        began = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - began

    return step


def fastest_adam() -> str:
    """Return the name of the fastest Adam that this PyTorch has for a CPU."""
    try:
        torch.optim.Adam([torch.zeros(1, requires_grad=True)], fused=True)
    except RuntimeError:
        return "foreach"
    return "fused"


def race(
    starts: dict[str, Start], n_steps: int, args: argparse.Namespace
) -> dict[str, list[float]]:
    """Return the median time of a step, for each contestant and round."""
    rng = np.random.default_rng(1)
    grads = rng.standard_normal((args.rows, args.dim), np.float32)
    draws = [np.sort(rng.choice(args.words, args.rows, replace=False)) for _ in range(N_DRAWS)]
    param = rng.random((args.words, args.dim), np.float32)
    params = {name: param.copy() for name in starts}
    steps = {name: start(params[name], grads) for name, start in starts.items()}
    coming = cycle(draws)
    seconds: dict[str, list[float]] = {name: [] for name in starts}
    for number in range(args.rounds + 1):
        rows_of_round = list(islice(coming, n_steps))
        for name, step in steps.items():
            median = statistics.median([step(rows) for rows in rows_of_round])
            if number:  # the first round compiles
                seconds[name].append(median)
    for name, own in params.items():
        first = next(iter(starts))
        np.testing.assert_allclose(own, params[first], rtol=1e-4, atol=1e-5, err_msg=name)
    return seconds


def table_rows(seconds: dict[str, list[float]]) -> Iterator[str]:
    """Yield a line for each contestant: its time, and how many times as fast as the first."""
    first = next(iter(seconds))
    for name, times in seconds.items():
        own = Spread.of(1000 * value for value in times)
        cells = [f"`{name}`", f"{own.median:.2f} ({own.low:.2f}–{own.high:.2f})", ""]
        if name != first:
            ratio = Spread.of(its / own for own, its in zip(times, seconds[first], strict=True))
            cells[2] = f"{ratio.median:.1f} ({ratio.low:.1f}–{ratio.high:.1f})"
        yield f"| {' | '.join(cells)} |"


def main() -> None:
    """Race the sparse optimizers, then the dense ones, and print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--words", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=4096, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    adam = fastest_adam()
    with Workers(args.threads) as workers:
        sparse: dict[str, Start] = {
            "torch.optim.SparseAdam": torch_sparse,
            "SparseAdam, as in training": partial(in_ranges, SparseAdam, workers),
            "SparseAdam.step, one thread": by_call,
        }
        dense: dict[str, Start] = {
            f"torch.optim.Adam({adam}=True)": partial(torch_dense, adam),
            "DenseAdam, as in training": partial(in_ranges, DenseAdam, workers),
        }
        lines = [
            *table_rows(race(sparse, SPARSE_STEPS, args)),
            *table_rows(race(dense, DENSE_STEPS, args)),
        ]
    machine = describe_machine()
    print("| | ms a step | times as fast |", "| --- | ---: | ---: |", *lines, sep="\n")
    print(
        f"\n{machine['date']}, {machine['processor']}, threads: {args.threads}, Python "
        f"{machine['python']}, Numba {machine['numba']}, PyTorch {torch.__version__}; "
        f"{args.words:,} × {args.dim}, {args.rows:,} rows with a gradient; medians "
        f"(lowest–highest) of {args.rounds} rounds, in turn; "
        f"`{shlex.join(['python', *sys.argv])}`"
    )


if __name__ == "__main__":
    main()

"""Time SparseAdam and DenseAdam against PyTorch's optimizers: same rows, gradients and threads.

Contestants take the same steps in turn, round by round, so that a change of the machine's speed
meets all alike; what counts is the median of the ratios within each round. Every step has other
rows, drawn evenly, each with one gradient, so that PyTorch's sparse gradient is coalesced. At the
end the matrices are compared: they must have done the same arithmetic. Prints a Markdown table.

    pip install torch
    python scripts/bench_optimizers.py
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle, islice

import numpy as np
import torch

from w2v_sparseadam import DenseAdam, SparseAdam
from w2v_sparseadam.benchmark import Spread, describe_machine, time_step
from w2v_sparseadam.optimizers import Optimizer
from w2v_sparseadam.plan import group_rows
from w2v_sparseadam.workers import Workers

LR = 0.02
N_DRAWS = 16

Step = Callable[[np.ndarray], float]
"""Takes a step on rows in ascending order and returns its seconds."""


def settle(optimizer: Optimizer) -> None:
    """Make all of the state resident before a clock starts."""
    for array in optimizer.state.values():
        array[:] = 0


def by_call(param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by ``SparseAdam.step``: one thread, and the rows are checked and grouped, too."""
    optimizer = SparseAdam(param, LR)
    settle(optimizer)

    def step(rows: np.ndarray) -> float:
        began = time.perf_counter()
        optimizer.step(rows, grads)
        return time.perf_counter() - began

    return step


def in_ranges(
    kind: type[Optimizer], param: np.ndarray, grads: np.ndarray, workers: Workers
) -> Step:
    """Step as training does: rows grouped beforehand, moved in ranges by all threads."""
    optimizer = kind(param, LR)
    settle(optimizer)
    return lambda rows: time_step(optimizer, group_rows(rows), grads, workers)


def torch_sparse(param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by torch.optim.SparseAdam on a coalesced gradient, made before the clock starts."""
    weight = torch.nn.Parameter(torch.from_numpy(param))
    optimizer = torch.optim.SparseAdam([weight], lr=LR)

    def step(rows: np.ndarray) -> float:
        ids = torch.from_numpy(rows).unsqueeze(0)
        weight.grad = torch.sparse_coo_tensor(
            ids, torch.from_numpy(grads), weight.shape, is_coalesced=True, check_invariants=True
        )
        began = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - began

    return step


def torch_dense(param: np.ndarray, grads: np.ndarray) -> Step:
    """Step by torch.optim.Adam on a dense gradient, made before the clock starts."""
    weight = torch.nn.Parameter(torch.from_numpy(param))
    optimizer = torch.optim.Adam([weight], lr=LR, **{HOW: True})

    def step(rows: np.ndarray) -> float:
        weight.grad = torch.zeros_like(weight)
        weight.grad[torch.from_numpy(rows)] = torch.from_numpy(grads)
        began = time.perf_counter()
        optimizer.step()
        return time.perf_counter() - began

    return step


def fastest_adam() -> str:
    """Return the name of the fastest implementation that this PyTorch has on a CPU."""
    try:
        torch.optim.Adam([torch.zeros(1, requires_grad=True)], fused=True)
    except RuntimeError:
        return "foreach"
    return "fused"


def race(
    contestants: dict[str, Step], draws: list[np.ndarray], rounds: int, steps: int
) -> dict[str, list[float]]:
    """Return the median time of a step, for each contestant and round; the first is to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        rows_of_round = list(islice(cycle(draws), number * steps, (number + 1) * steps))
        for name, step in contestants.items():
            seconds[name].append(statistics.median(step(rows) for rows in rows_of_round))
    return {name: times[1:] for name, times in seconds.items()}


def compare(params: dict[str, np.ndarray]) -> None:
    """Check that all contestants have made the same matrix."""
    first, *others = params
    for other in others:
        np.testing.assert_allclose(
            params[other], params[first], rtol=1e-4, atol=1e-5, err_msg=f"{other}, {first}"
        )


def table(seconds: dict[str, list[float]], rival: str) -> Iterator[str]:
    """Yield a row for each contestant: its time, and how many times as fast as the rival it is."""
    for name, times in seconds.items():
        spread = Spread.of(1000 * seconds for seconds in times)
        cells = [name, f"{spread.median:.2f} ({spread.low:.2f}–{spread.high:.2f})", ""]
        if name != rival:
            ratio = Spread.of(
                its / own for own, its in zip(times, seconds[rival], strict=True)
            )
            cells[2] = f"{ratio.median:.1f} ({ratio.low:.1f}–{ratio.high:.1f})"
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run the sparse race and the dense one, and print both in one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--words", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--rows", type=int, default=4096, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    rng = np.random.default_rng(1)
    grads = rng.standard_normal((args.rows, args.dim), np.float32)
    draws = [np.sort(rng.choice(args.words, args.rows, replace=False)) for _ in range(N_DRAWS)]
    adam = fastest_adam()
    with Workers(args.threads) as workers:
        races: list[tuple[int, dict[str, Start]]] = [
            (
                SPARSE_STEPS,
                {
                    "torch.optim.SparseAdam": torch_sparse,
                    "SparseAdam, moved in ranges": partial(in_ranges, SparseAdam, workers),
                    "SparseAdam.step, one thread": by_call,
                },
            ),
            (
                DENSE_STEPS,
                {
                    f"torch.optim.Adam({adam}=True)": partial(torch_dense, adam),
                    "DenseAdam, moved in ranges": partial(in_ranges, DenseAdam, workers),
                },
            ),
        ]
        print("| | ms a step | times as fast |", "| --- | ---: | ---: |", sep="\n")
        for n_steps, starts in races:
            params = {
                name: rng.random((args.words, args.dim), np.float32) for name in starts
            }
            ...

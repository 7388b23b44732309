"""The batch engine: plan, gradients, step, on all threads, the same bytes on any number."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .gradients import Scratch, batch_gradients
from .optimizers import Optimizer
from .plan import CHUNK, BatchPlan, PlanScratch, Sampler, draw_key, fill_plan
from .workers import Workers

CHUNKS_PER_PART = 4
ROWS_PER_PART = 512


@dataclass(frozen=True)
class Batch:
    """One step taken."""

    number: int  # in its epoch, from 0
    stop: int  # position in the text where the next batch starts
    n_tokens: int  # before subsampling
    n_pairs: int
    loss: float  # sum over the pairs


class Engine:
    """Trains two matrices on a text of word ids, one batch after the other."""

    def __init__(
        self,
        word_ids: np.ndarray,
        counts: np.ndarray,
        center: Optimizer,
        context: Optimizer,
        *,
        window: int,
        dynamic_window: bool,
        negative: int,
        noise_exponent: float,
        subsample: float,
        batch_size: int,
        n_shared: int,
        seed: int,
        workers: Workers,
    ) -> None:
        self.word_ids = word_ids
        self.seed = seed
        self.dynamic_window = dynamic_window
        self.workers = workers
        self.optimizers = (center, context)
        self.sampler = Sampler.build(counts, subsample, noise_exponent)
        kept = self.sampler.keep_share(counts) * counts.sum()
        self.batch_positions = min(-(-batch_size * word_ids.size // max(1, int(kept))), 64 * batch_size)
        self.n_batches = -(-word_ids.size // self.batch_positions)
        self.weight = np.float32(negative / n_shared)
        self.plans = [
            BatchPlan.allocate(self.batch_positions, window, n_shared) for _ in range(2)
        ]
        plan = self.plans[0]
        self.plan_scratch = PlanScratch.allocate(counts.size, plan)
        n_dims = center.param.shape[1]
        self.scratch = [Scratch.allocate(n_dims, window, n_shared) for _ in range(workers.n)]
        self.center_grads = np.zeros((plan.n_left.size, n_dims), np.float32)
        self.context_grads = np.zeros((plan.context_groups.places.size, n_dims), np.float32)
        self.losses = np.zeros(plan.n_left.size // CHUNK)

    def epoch(self, epoch: int, lr_at) -> Iterator[Batch]:
        keys = np.array([draw_key(self.seed, use, epoch) for use in range(2)])

        def fill(number):
            start = number * self.batch_positions
            stop = min(start + self.batch_positions, self.word_ids.size)
            fill_plan(self.word_ids, start, stop, self.sampler, keys, self.dynamic_window,
                      self.plan_scratch, self.plans[number % 2])

        fill(0)
        for number in range(self.n_batches):
            start = number * self.batch_positions
            plan = self.plans[number % 2]
            n_chunks = -(-int(plan.n_centers[0]) // CHUNK)
            n_parts = -(-n_chunks // CHUNKS_PER_PART)

            def gradients(worker, part):
                if part == 0:
                    if number + 1 < self.n_batches:
                        fill(number + 1)
                    return
                first = (part - 1) * CHUNKS_PER_PART
                last = min(first + CHUNKS_PER_PART, n_chunks)
                batch_gradients(self.optimizers[0].param, self.optimizers[1].param, plan, first,
                                last, self.weight, self.scratch[worker], self.center_grads,
                                self.context_grads, self.losses)

            self.workers.run(gradients, n_parts + 1)
            lr = lr_at(start)
            ranges = []
            for optimizer, groups, grads in zip(
                self.optimizers, (plan.center_groups, plan.context_groups),
                (self.center_grads, self.context_grads)
            ):
                optimizer.begin_step(lr, groups)
                extent = optimizer.extent(groups)
                ranges += [(optimizer, groups, grads, first, min(first + ROWS_PER_PART, extent))
                           for first in range(0, extent, ROWS_PER_PART)]

            def move(worker, part):
                optimizer, groups, grads, first, last = ranges[part]
                optimizer.move(groups, grads, first, last)

            self.workers.run(move, len(ranges))
            yield Batch(number, min(start + self.batch_positions, self.word_ids.size),
                        int(plan.n_tokens[0]), int(plan.n_pairs[0]), float(self.losses[:n_chunks].sum()))

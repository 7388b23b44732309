"""The batch engine: plan, gradients, step, shared out to threads, the same bytes on any number."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from .gradients import Scratch, batch_gradients
from .lanes import zeros
from .optimizers import Optimizer
from .plan import CHUNK, BatchPlan, PlanScratch, Sampler, draw_key, fill_plan
from .workers import Workers

SHARED_NEGATIVES = 32
"""Negatives that a block's centers share, a multiple of 16."""

# Enough that no worker waits long for another's last part, few enough that handing them out is
# a small share of the work.
_PARTS_A_WORKER = 3

_MOST_POSITIONS_A_CENTER = 64


@dataclass(frozen=True)
class Batch:
    """What one step was about."""

    n_tokens: int  # before subsampling
    n_pairs: int
    loss: float  # sum over the pairs, each with its negatives


class Engine:
    """Takes the steps of a run, in any order asked for, each with exact mini-batch gradients.

    An epoch is cut into batches of ``positions`` consecutive positions of the text, so many that
    subsampling is expected to leave ``batch_size`` centers. A batch is therefore known by its
    number alone.

    Parameters
    ----------
    word_ids : ndarray of shape (positions of the text,), int32
        Word ids in [0, V); a negative number ends a sentence.
    counts : ndarray of shape (V,), int64
        Occurrences of each word.
    center, context : Optimizer
        They own the two matrices, of shape (V, D), D a multiple of 16.
    window, negative, noise_exponent, subsample, dynamic_window
        See :class:`~w2v_sparseadam.training.SkipGramConfig`.
    batch_size : int
        Centers that a batch is expected to have.
    seed : int
        Start of every random draw.
    workers : Workers
        Who does the work.
    """

    def __init__(
        self,
        word_ids: np.ndarray,
        counts: np.ndarray,
        center: Optimizer,
        context: Optimizer,
        *,
        window: int,
        negative: int,
        noise_exponent: float,
        subsample: float,
        dynamic_window: bool,
        batch_size: int,
        seed: int,
        workers: Workers,
    ) -> None:
        self._word_ids = word_ids
        self._optimizers = (center, context)
        self._dynamic_window = dynamic_window
        self._seed = seed
        self._workers = workers
        self._sampler = Sampler.build(counts, subsample, noise_exponent)
        self._weight = np.float32(negative / SHARED_NEGATIVES)
        n_kept = max(1.0, self._sampler.keep_share(counts) * float(counts.sum()))
        positions = np.ceil(batch_size * word_ids.size / n_kept)
        self.positions = int(min(positions, batch_size * _MOST_POSITIONS_A_CENTER))
        self.n_batches = -(-word_ids.size // self.positions)

        capacity = min(self.positions, word_ids.size)
        self._plans = [BatchPlan.allocate(capacity, window, SHARED_NEGATIVES) for _ in range(2)]
        self._planned = [-1, -1]
        plan = self._plans[0]
        self._plan_scratch = PlanScratch.allocate(counts.size, plan)
        n_dims = center.param.shape[1]
        self._scratch = [
            Scratch.allocate(n_dims, window, SHARED_NEGATIVES) for _ in range(workers.n)
        ]
        self._grads = (
            zeros(plan.center_groups.places.size, n_dims),
            zeros(plan.context_groups.places.size, n_dims),
        )
        self._losses = np.zeros(plan.n_left.size // CHUNK)

    def step(self, step: int, lr: float) -> Batch:
        """Take step number ``step``: batch ``step % n_batches`` of epoch ``step // n_batches``.

        All gradients are taken at the parameters as they are before the step. The next step's
        batch is planned meanwhile.

        Parameters
        ----------
        step : int
            Counted from 0 over all epochs.
        lr : float
            Learning rate, above 0.
        """
        if self._planned[step % 2] != step:
            self._plan(step)
        plan = self._plans[step % 2]
        n_chunks = -(-int(plan.n_centers[0]) // CHUNK)
        center_param, context_param = (optimizer.param for optimizer in self._optimizers)

        def differentiate(worker: int, part: int) -> None:
            if part == 0:
                self._plan(step + 1)
                return
            batch_gradients(
                center_param,
                context_param,
                plan,
                *pieces[part - 1],
                self._weight,
                self._scratch[worker],
                *self._grads,
                self._losses,
            )

        pieces = self._pieces(n_chunks)
        self._workers.run(differentiate, 1 + len(pieces))

        moves: list[Callable[[], None]] = []
        for optimizer, groups, grads in zip(
            self._optimizers, (plan.center_groups, plan.context_groups), self._grads, strict=True
        ):
            optimizer.begin_step(lr, groups)
            for first, last in self._pieces(optimizer.extent(groups)):
                moves.append(partial(optimizer.move, groups, grads, first, last))
        self._workers.run(lambda _, part: moves[part](), len(moves))
        return Batch(
            n_tokens=int(plan.n_tokens[0]),
            n_pairs=int(plan.n_pairs[0]),
            loss=float(self._losses[:n_chunks].sum()),
        )

    def _pieces(self, n: int) -> list[tuple[int, int]]:
        """Cut 0 … n − 1 into ranges for the workers; the result must not depend on the cuts."""
        size = max(1, -(-n // (_PARTS_A_WORKER * self._workers.n)))
        return [(first, min(first + size, n)) for first in range(0, n, size)]

    def _plan(self, step: int) -> None:
        """Plan a step's batch in the room of the step before last."""
        epoch, number = divmod(step, self.n_batches)
        start = number * self.positions
        stop = min(start + self.positions, self._word_ids.size)
        keys = np.array([draw_key(self._seed, use, epoch) for use in ("position", "negative")])
        fill_plan(
            self._word_ids,
            start,
            stop,
            self._sampler,
            keys,
            self._dynamic_window,
            self._plan_scratch,
            self._plans[step % 2],
        )
        self._planned[step % 2] = step

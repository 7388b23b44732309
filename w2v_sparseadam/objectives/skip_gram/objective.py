"""Skip-gram with shared negatives, as an objective of the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...errors import SettingError
from ...simd.kernels import inlined
from ..base import Objective, register
from .gradients import Scratch, chunk_gradients
from .plan import BLOCK, CHUNK, BatchPlan, PlanScratch, fill_plan, plan_of_ring
from .sampler import Sampler

if TYPE_CHECKING:
    from .settings import SkipGramConfig

SHARED_NEGATIVES = 32
"""Negatives that a block's centers share, a multiple of 16."""


class SkipGramRule(NamedTuple):
    """What the kernels of skip-gram read."""

    sampler: Sampler
    dynamic_window: bool
    weight: np.float32  # K / N


class SkipGram(Objective):
    """Skip-gram over words that occur so often.

    Parameters
    ----------
    settings : SkipGramConfig
        None of them is None any more.
    counts : ndarray of shape (V,), int64
        Occurrences of each word.
    frozen : ndarray of shape (V,), bool, optional
        Words whose rows of the center table stay as they are.
    """

    draws = ("position", "negative")

    def __init__(
        self, settings: SkipGramConfig, counts: np.ndarray, frozen: np.ndarray | None = None
    ) -> None:
        sampler = Sampler.build(
            counts, settings.subsample or 0.0, settings.noise_exponent, SHARED_NEGATIVES, frozen
        )
        weight = np.float32(settings.negative / SHARED_NEGATIVES)
        self.tables = settings.tables(counts.size)
        self.rule = SkipGramRule(sampler, settings.dynamic_window, weight)
        self.pair_unit = settings.window if settings.dynamic_window else 1
        self._window, self._counts = settings.window, counts
        self._n_examples = sampler.keep_share(counts) * float(counts.sum())

    def n_examples(self) -> float:
        """Return how many centers subsampling is expected to leave in an epoch."""
        return self._n_examples

    def moved_share(self, share: float) -> float:
        """Return the share of all rows that move in a share of the text, about.

        A word that occurs c times, and whose tokens are kept with probability p, has c p s centers
        in a share s. It moves its center vector if it has any; its context vector also if it is
        drawn as a negative. There are as many draws as centers, of which the word has its share q
        of the noise:

            1 − exp(−c p s)    and    1 − exp(−(c p + q Σ c p) s).
        """
        sampler = self.rule.sampler
        centers = share * self._counts * sampler.keep_prob()
        noise = np.diff(sampler.ends, prepend=0) / sampler.ends[-1]
        moved = -np.expm1(-centers), -np.expm1(-centers - noise * centers.sum())
        return float(np.mean(moved))

    def most_chunks(self, capacity: int) -> int:
        """Return how many chunks a plan with room for so many positions may have."""
        return -(-capacity // CHUNK)

    def plans(self, capacity: int, n: int) -> BatchPlan:
        """Return a ring of ``n`` plans, each with room for so many positions of the text."""
        n_places = CHUNK + 2 * self._window + CHUNK // BLOCK * SHARED_NEGATIVES
        if self.most_chunks(capacity) * n_places >= 1 << 31:
            raise SettingError(
                f"window {self._window} and the batch are too large together: a batch has 2 ** 31 "
                "places or more",
                "lower `window` or `batch_size`",
            )
        return BatchPlan.allocate(capacity, self._window, SHARED_NEGATIVES, n)

    def plan_scratch(self, plans: BatchPlan) -> PlanScratch:
        """Return the room that a thread needs to plan a batch."""
        return PlanScratch.allocate(self.tables[0].n_rows, plans)

    def scratch(self, n_dims: int) -> Scratch:
        """Return the room that a thread needs for the gradients of a chunk."""
        return Scratch.allocate(n_dims, self._window, SHARED_NEGATIVES, self.rule.dynamic_window)


@inlined
def _view(rule, ring, k):
    return plan_of_ring(ring, k)


@inlined
def _fill(rule, word_ids, start, stop, keys, scratch, plan):
    sampler, dynamic = rule.sampler, rule.dynamic_window
    fill_plan(word_ids, start, stop, sampler, keys, dynamic, scratch, plan)


@inlined
def _gradients(rule, params, plan, chunk, scratch, grads):
    return chunk_gradients(
        params[0], params[1], plan, chunk, rule.weight, scratch, grads[0], grads[1]
    )


register(SkipGramRule, view=_view, fill=_fill, gradients=_gradients)

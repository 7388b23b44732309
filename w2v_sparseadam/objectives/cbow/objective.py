"""CBOW with shared negatives, as an objective of the engine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...simd.kernels import inlined
from ..base import register
from ..windows.ngrams import Ngrams
from ..windows.objective import SHARED_NEGATIVES, WindowObjective
from ..windows.plan import fill_plan, plan_of_ring
from ..windows.sampler import Sampler
from .gradients import Scratch, chunk_gradients


class CbowRule(NamedTuple):
    """What the kernels of CBOW read."""

    sampler: Sampler
    ngrams: tuple[Ngrams, ...]  # one, if words are composed of them
    dynamic_window: bool
    weight: np.float32  # K / N


class Cbow(WindowObjective):
    """CBOW; its settings are a :class:`~.settings.CbowConfig`."""

    centers_first = False
    rule_type = CbowRule

    def scratch(self, n_dims: int) -> Scratch:
        """Return the room that a thread needs for the gradients of a chunk."""
        return Scratch.allocate(n_dims, self._window, SHARED_NEGATIVES, self.rule.dynamic_window)


@inlined
def _view(rule, ring, k):
    return plan_of_ring(ring, k)


@inlined
def _fill(rule, word_ids, start, stop, keys, scratch, plan):
    sampler, dynamic = rule.sampler, rule.dynamic_window
    fill_plan(word_ids, start, stop, sampler, rule.ngrams, keys, dynamic, False, scratch, plan)
    plan.n_pairs[0] = 0
    for i in range(plan.n_centers[0]):
        plan.n_pairs[0] += plan.n_left[i] + plan.n_right[i] > 0


@inlined
def _gradients(rule, params, plan, chunk, scratch, grads):
    return chunk_gradients(
        params, rule.ngrams, plan, chunk, rule.weight, scratch, grads[0], grads[1]
    )


register(CbowRule, view=_view, fill=_fill, gradients=_gradients)

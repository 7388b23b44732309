"""Skip-gram with shared negatives, as an objective of the engine."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ...simd.kernels import inlined
from ..base import register
from ..windows.ngrams import Ngrams
from ..windows.objective import SHARED_NEGATIVES, WindowObjective
from ..windows.plan import fill_plan, plan_of_ring
from ..windows.sampler import Sampler
from .gradients import Scratch, chunk_gradients

if TYPE_CHECKING:
    from .settings import SkipGramConfig


class SkipGramRule(NamedTuple):
    """What the kernels of skip-gram read."""

    sampler: Sampler
    ngrams: tuple[Ngrams, ...]  # one, if words are composed of them
    dynamic_window: bool
    weight: np.float32  # K / N


class SkipGram(WindowObjective):
    """Skip-gram; its settings are a :class:`SkipGramConfig`."""

    centers_first = True
    rule_type = SkipGramRule

    def __init__(
        self,
        settings: SkipGramConfig,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> None:
        super().__init__(settings, counts, frozen, words)
        self.pair_unit = settings.window if settings.dynamic_window else 1

    def scratch(self, n_dims: int) -> Scratch:
        """Return the room that a thread needs for the gradients of a chunk."""
        return Scratch.allocate(n_dims, self._window, SHARED_NEGATIVES, self.rule.dynamic_window)


@inlined
def _view(rule, ring, k):
    return plan_of_ring(ring, k)


@inlined
def _fill(rule, word_ids, start, stop, keys, scratch, plan):
    sampler, dynamic = rule.sampler, rule.dynamic_window
    fill_plan(word_ids, start, stop, sampler, rule.ngrams, keys, dynamic, True, scratch, plan)


@inlined
def _gradients(rule, params, plan, chunk, scratch, grads):
    return chunk_gradients(
        params, rule.ngrams, plan, chunk, rule.weight, scratch, grads[0], grads[1]
    )


register(SkipGramRule, view=_view, fill=_fill, gradients=_gradients)

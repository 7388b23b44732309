"""What objectives over words in a window share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import SettingError
from ..base import Objective
from .plan import BLOCK, CHUNK, BatchPlan, PlanScratch
from .sampler import Sampler

if TYPE_CHECKING:
    from .settings import WindowConfig


SHARED_NEGATIVES = 32
"""Negatives that a block's centers share, a multiple of 16."""


class WindowObjective(Objective):
    """An objective over words that occur so often: of centers, their contexts and negatives.

    Parameters
    ----------
    settings : WindowConfig
        None of them is None any more.
    counts : ndarray of shape (V,), int64
        Occurrences of each word.
    frozen : ndarray of shape (V,), bool, optional
        Words whose rows of the first table stay as they are.

    Attributes
    ----------
    centers_first : bool
        Whether the first table has the centers.
    """

    draws = ("position", "negative")
    centers_first: bool

    def __init__(
        self, settings: WindowConfig, counts: np.ndarray, frozen: np.ndarray | None = None
    ) -> None:
        self.sampler = Sampler.build(
            counts, settings.subsample or 0.0, settings.noise_exponent, SHARED_NEGATIVES, frozen
        )
        self.tables = settings.tables(counts.size)
        self._window, self._counts = settings.window, counts
        self._n_examples = self.sampler.keep_share(counts) * float(counts.sum())

    def n_examples(self) -> float:
        """Return how many centers subsampling is expected to leave in an epoch."""
        return self._n_examples

    def moved_share(self, share: float) -> float:
        """Return the share of all rows that move in a share of the text, about.

        A word that occurs c times, and whose tokens are kept with probability p, is met c p s times
        in a share s. It moves its row of the first table if it is met; that of the second also if
        it is drawn as a negative. There are N / b draws for each center, of which the word has its
        share q of the noise:

            1 − exp(−c p s)    and    1 − exp(−(c p + q N / b Σ c p) s).
        """
        centers = share * self._counts * self.sampler.keep_prob()
        noise = np.diff(self.sampler.ends, prepend=0) / self.sampler.ends[-1]
        drawn = noise * centers.sum() * SHARED_NEGATIVES / BLOCK
        moved = -np.expm1(-centers), -np.expm1(-centers - drawn)
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
        return BatchPlan.allocate(
            capacity, self._window, SHARED_NEGATIVES, n, centers_first=self.centers_first
        )

    def plan_scratch(self, plans: BatchPlan) -> PlanScratch:
        """Return the room that a thread needs to plan a batch."""
        return PlanScratch.allocate(self.tables[0].n_rows, plans)

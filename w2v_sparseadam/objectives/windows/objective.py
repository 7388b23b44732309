"""What objectives over words in a window share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import SettingError
from ..base import Objective
from .ngrams import Ngrams, most_ngrams
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
    words : sequence of V str, optional
        Needed if they are composed of n-grams.

    Attributes
    ----------
    centers_first : bool
        Whether the first table has the centers.
    rule_type : type of NamedTuple
        Of what its kernels read: the sampler, the n-grams, whether the window is dynamic, K / N.
    """

    draws = ("position", "negative")
    centers_first: bool
    rule_type: Callable[..., Any]

    def __init__(
        self,
        settings: WindowConfig,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> None:
        self.sampler = Sampler.build(
            counts, settings.subsample or 0.0, settings.noise_exponent, SHARED_NEGATIVES, frozen
        )
        self.tables = settings.tables(words if settings.subwords else range(counts.size))
        self.ngrams: tuple[Ngrams, ...] = ()
        if settings.subwords:
            self.ngrams = (settings.ngrams_of(words),)
        weight = np.float32(settings.negative / SHARED_NEGATIVES)  # K / N
        self.rule = self.rule_type(self.sampler, self.ngrams, settings.dynamic_window, weight)
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

        An n-gram is met as often as all words that have it.
        """
        centers = share * self._counts * self.sampler.keep_prob()
        noise = np.diff(self.sampler.ends, prepend=0) / self.sampler.ends[-1]
        drawn = noise * centers.sum() * SHARED_NEGATIVES / BLOCK
        met = [centers, centers + drawn]
        for ngrams in self.ngrams:
            by_ngram = np.repeat(centers, np.diff(ngrams.starts))
            met.append(np.bincount(ngrams.rows, by_ngram, ngrams.buckets.size))
        return float(np.mean(-np.expm1(-np.concatenate(met))))

    def most_chunks(self, capacity: int) -> int:
        """Return how many chunks a plan with room for so many positions may have."""
        return -(-capacity // CHUNK)

    def plans(self, word_ids: np.ndarray, positions: int, n: int) -> BatchPlan:
        """Return a ring of ``n`` plans, each with room for so many positions of a text."""
        capacity = min(positions, word_ids.size)
        n_places = CHUNK + 2 * self._window + CHUNK // BLOCK * SHARED_NEGATIVES
        if self.most_chunks(capacity) * n_places >= 1 << 31:
            raise SettingError(
                f"window {self._window} and the batch are too large together: a batch has 2 ** 31 "
                "places or more",
                "lower `window` or `batch_size`",
            )
        n_ngrams = None
        for ngrams in self.ngrams:
            n_ngrams = self._most_ngrams(word_ids, positions, ngrams)
        return BatchPlan.allocate(
            capacity,
            self._window,
            SHARED_NEGATIVES,
            n,
            centers_first=self.centers_first,
            n_ngrams=n_ngrams,
        )

    def _most_ngrams(self, word_ids: np.ndarray, positions: int, ngrams: Ngrams) -> int:
        """Return how many n-grams a batch may list, at most."""
        occurrences = np.zeros(ngrams.shares.size, np.int64)
        most = int(most_ngrams(word_ids, positions, ngrams.starts, occurrences))
        if self.centers_first:
            return most
        # Contexts may stand beside the batch, at worst those with the most n-grams, and in the
        # spans of several chunks.
        counts = np.diff(ngrams.starts)
        order = np.argsort(-counts)
        n_before = np.cumsum(occurrences[order]) - occurrences[order]
        n_beside = np.minimum(occurrences[order], (2 * self._window - n_before).clip(min=0))
        return (most + int(n_beside @ counts[order])) * (1 + -(-2 * self._window // CHUNK))

    def plan_scratch(self, plans: BatchPlan) -> PlanScratch:
        """Return the room that a thread needs to plan a batch."""
        return PlanScratch.allocate([table.n_rows for table in self.tables], plans)

"""Correlations, and what the bootstrap says of them and of other scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

N_RESAMPLES = 1000
_SEED = 1  # of the bootstrap: the same data, the same interval
_NUMBERS_AT_ONCE = 1 << 20

Numbers = NDArray[np.float64]


class Outcome(Protocol):
    """How each item that is covered was answered, and the scores that follow."""

    @property
    def items(self) -> NDArray[np.int64]:
        """The numbers of the covered items, ascending."""

    def labels(self) -> NDArray[np.int64] | None:
        """Return what the score counts of each item; None if it uses more than counts."""

    def scores(self, weights: Numbers) -> Numbers:
        """Return the scores, from 0 to 1, of resamples in which items occur so often.

        Parameters
        ----------
        weights : ndarray of shape (B, N)
            How often each of the N items occurs in each of B resamples.

        Returns
        -------
        ndarray of shape (B,)
            NaN where the score is undefined.
        """

    def at(self, places: NDArray) -> Outcome:
        """Return the outcome of some of the items."""


def score_of(outcome: Outcome) -> float | None:
    """Return the score of the items as they are, None if it is undefined."""
    if not len(outcome.items):
        return None
    score = float(outcome.scores(np.ones((1, len(outcome.items))))[0])
    return None if np.isnan(score) else score


def resampled(outcomes: Sequence[Outcome], n_resamples: int = N_RESAMPLES) -> list[Numbers]:
    """Return the scores of resamples of the items, drawn with replacement: the bootstrap.

    Parameters
    ----------
    outcomes : sequence
        Of the same items, which are drawn for all of them together.

    References
    ----------
    Efron & Tibshirani (1993), "An introduction to the bootstrap", chapters 6 and 13.
    """
    rng = np.random.default_rng(_SEED)
    n_items = len(outcomes[0].items)
    labels = [outcome.labels() for outcome in outcomes]
    counted = [each for each in labels if each is not None]
    if len(counted) == len(labels):
        # Items that count the same need not be told apart: draw how many there are of each.
        _, places, counts = np.unique(
            np.stack(counted), axis=1, return_index=True, return_counts=True
        )
        weights = rng.multinomial(n_items, counts / n_items, n_resamples).astype(np.float64)
        return [outcome.at(places).scores(weights) for outcome in outcomes]
    found: list[list[Numbers]] = [[] for _ in outcomes]
    n_at_once = max(1, _NUMBERS_AT_ONCE // n_items)
    for start in range(0, n_resamples, n_at_once):
        shape = min(n_at_once, n_resamples - start), n_items
        drawn = rng.integers(n_items, size=shape)
        drawn += n_items * np.arange(shape[0])[:, np.newaxis]
        often = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(shape).astype(np.float64)
        for scores, outcome in zip(found, outcomes, strict=True):
            scores.append(outcome.scores(often))
    return [np.concatenate(scores) for scores in found]


def interval_of(scores: Numbers) -> tuple[float, float] | None:
    """Return where 95 % of the scores of resamples lie; None if they are undefined."""
    known = scores[~np.isnan(scores)]
    if not len(known):
        return None
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def spearman(x: ArrayLike, y: ArrayLike) -> float | None:
    """Return Spearman's rank correlation of two equally long sequences of numbers.

    The correlation of their ranks, where equal numbers share the average of their ranks; None if
    all numbers of a sequence are equal. The same as scipy.stats.spearmanr.
    """
    once = np.ones((1, np.size(x)))
    rho = float(correlations(ranks(x, once), ranks(y, once), once)[0])
    return None if np.isnan(rho) else rho


def ranks(values: ArrayLike, weights: Numbers) -> Numbers:
    """Return ranks from 1 of N values that occur so often, in each of B resamples, shape (B, N).

    Equal values share the average of their ranks.
    """
    _, group, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    starts = np.cumsum(counts) - counts
    often = np.add.reduceat(weights[:, order], starts, axis=1)
    return (np.cumsum(often, axis=1) - (often - 1) / 2)[:, group]


def correlations(x: Numbers, y: Numbers, weights: Numbers) -> Numbers:
    """Return Pearson's r of values that occur so often, in each of B resamples.

    Parameters
    ----------
    x, y : ndarray of shape (B, N) or (N,)
    weights : ndarray of shape (B, N)

    Returns
    -------
    ndarray of shape (B,)
        NaN where all values that occur are equal.
    """
    n = weights.sum(axis=1)
    x, y = (values - ((weights * values).sum(axis=1) / n)[:, np.newaxis] for values in (x, y))
    wx = weights * x
    xy, xx = (np.einsum("bn,bn->b", wx, values) for values in (y, x))
    yy = np.einsum("bn,bn,bn->b", weights, y, y)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of equal values, what differs from their mean is rounding.
        return np.where((xx > 1e-20 * n) & (yy > 1e-20 * n), xy / np.sqrt(xx * yy), np.nan)

"""How vectors answered the items of a data set; see `statistics.Outcome`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .statistics import Numbers, correlations, ranks


@dataclass(frozen=True, eq=False)
class Correlation:
    """Ratings and cosines of pairs: the score is their correlation."""

    items: NDArray[np.int64]
    ratings: Numbers
    cosines: Numbers
    is_pearson: bool

    def labels(self) -> None:
        """Return None: the score uses all numbers."""

    def scores(self, weights: Numbers) -> Numbers:
        """Return Spearman's rho, or Pearson's r."""
        if self.is_pearson:
            # By a power of 2, which rounds nothing: squares of ratings such as 1e300 overflow.
            _, exponent = np.frexp(np.abs(self.ratings).max(initial=0))
            ratings = np.ldexp(self.ratings, -exponent)
            return correlations(ratings, self.cosines, weights)
        return correlations(ranks(self.ratings, weights), ranks(self.cosines, weights), weights)

    def at(self, places: NDArray) -> Correlation:
        """Return the outcome of some of the items."""
        items, ratings, cosines = self.items[places], self.ratings[places], self.cosines[places]
        return Correlation(items, ratings, cosines, self.is_pearson)


@dataclass(frozen=True, eq=False)
class Accuracy:
    """Questions answered right or wrong: the score is the share of the right ones."""

    items: NDArray[np.int64]
    right: NDArray[np.bool_]

    def labels(self) -> NDArray[np.int64]:
        """Return 1 for a right answer and 0 for a wrong one."""
        return self.right.astype(np.int64)

    def scores(self, weights: Numbers) -> Numbers:
        """Return the share of right answers."""
        return weights @ self.right / weights.sum(axis=1)

    def at(self, places: NDArray) -> Accuracy:
        """Return the outcome of some of the items."""
        return Accuracy(self.items[places], self.right[places])


@dataclass(frozen=True, eq=False)
class Purity:
    """Words in clusters: the score is the share that is of the commonest class of its cluster."""

    items: NDArray[np.int64]
    clusters: NDArray[np.int64]
    classes: NDArray[np.int64]

    def labels(self) -> NDArray[np.int64]:
        """Return a number for each cluster and class."""
        return self.clusters * (self.classes.max(initial=0) + 1) + self.classes

    def scores(self, weights: Numbers) -> Numbers:
        """Return the purity."""
        order = np.lexsort((self.classes, self.clusters))
        clusters, classes = self.clusters[order], self.classes[order]
        new_cluster = np.diff(clusters, prepend=-1) != 0
        cells = np.flatnonzero(new_cluster | (np.diff(classes, prepend=-1) != 0))
        often = np.add.reduceat(weights[:, order], cells, axis=1)
        firsts = np.flatnonzero(new_cluster[cells])
        commonest = np.maximum.reduceat(often, firsts, axis=1)
        return commonest.sum(axis=1) / weights.sum(axis=1)

    def at(self, places: NDArray) -> Purity:
        """Return the outcome of some of the items."""
        return Purity(self.items[places], self.clusters[places], self.classes[places])

"""Clusters of vectors that point in similar directions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_N_STARTS, _MOST_ROUNDS = 10, 100
_SEED = 1


def clusters_of(units: NDArray[np.float32], n_clusters: int) -> NDArray[np.int64]:
    """Return the cluster of each vector: spherical k-means, the best of ten seeded starts.

    Parameters
    ----------
    units : ndarray of shape (N, D), float32
        Vectors of length 1.
    n_clusters : int
        From 1 to N.

    Returns
    -------
    ndarray of shape (N,), int64

    References
    ----------
    Dhillon & Modha (2001), "Concept decompositions for large sparse text data using clustering";
    started as k-means++ (Arthur & Vassilvitskii, 2007), by the distance 1 - cosine.
    """
    rng = np.random.default_rng(_SEED)
    best, best_total = np.zeros(len(units), np.int64), -np.inf
    for _ in range(_N_STARTS):
        centroids = units[_starts(units, n_clusters, rng)]
        labels = np.full(len(units), -1)
        for _ in range(_MOST_ROUNDS):
            cosines = units @ centroids.T
            found = cosines.argmax(axis=1)
            if (found == labels).all():
                break
            labels = found
            # One product instead of a sum for each cluster; an empty cluster keeps its centroid.
            sums = (labels == np.arange(n_clusters)[:, np.newaxis]).astype(np.float32) @ units
            lengths = np.linalg.norm(sums, axis=1, keepdims=True)
            centroids = np.where(lengths > 0, sums / np.maximum(lengths, 1e-30), centroids)
        total = float(cosines[np.arange(len(units)), found].sum())
        if total > best_total:
            best, best_total = found, total
    return best


def _starts(units: NDArray[np.float32], n_clusters: int, rng: np.random.Generator) -> list[int]:
    """Return the rows that clusters start from: each is likely to be far from those before it."""
    chosen = [int(rng.integers(len(units)))]
    distances = np.full(len(units), np.inf)
    while len(chosen) < n_clusters:
        distances = np.minimum(distances, np.maximum(1 - units @ units[chosen[-1]], 0))
        distances[chosen] = 0
        total = distances.sum()
        chances = distances / total if total > 0 else None
        chosen.append(int(rng.choice(len(units), p=chances)))
    return chosen

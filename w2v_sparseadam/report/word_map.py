"""A map of words: places in the plane, and clusters, the same for the same vectors."""

from __future__ import annotations

import importlib.util
import warnings

import numpy as np
from numpy.typing import NDArray

N_CLUSTERS = 8
"""As many as there are colours that colour-blind readers can tell apart."""

_SEED = 1
_ROUNDS = 30


def has_umap() -> bool:
    """Tell whether umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


def places(unit: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """Return a place in the plane for each word, and the name of the method.

    By UMAP if it is installed, else by PCA. Near words are near; the axes have no meaning.

    Parameters
    ----------
    unit : ndarray of shape (R, D), float32
        Rows of length 1, or 0.

    Returns
    -------
    ndarray of shape (R, 2), float32
        Within the square from -1 to 1.
    str
        ``UMAP`` or ``PCA``.

    References
    ----------
    McInnes, Healy & Melville (2018), UMAP: Uniform Manifold Approximation and Projection.
    """
    if has_umap() and len(unit) > 30:
        found, method = _by_umap(unit), "UMAP"
    else:
        found, method = principal_components(unit), "PCA"
    found = found - (found.max(axis=0) + found.min(axis=0)) / 2
    return (found / (np.abs(found).max() or 1)).astype(np.float32), method


def _by_umap(unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return places by UMAP; it uses one thread, because it is seeded."""
    import umap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a seed costs speed, and deprecations in sklearn
        # Vectors of length 1: order by distance is order by cosine.
        return umap.UMAP(
            n_neighbors=15, min_dist=0.1, random_state=_SEED, init="pca", n_jobs=1
        ).fit_transform(unit)


def principal_components(unit: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the two principal components of each row, of shape (R, 2)."""
    centered = unit - unit.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centered.T @ centered)
    axes = axes[:, ::-1][:, :2]
    # An axis may point either way: let its largest number be positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    found = centered @ axes
    return found if found.shape[1] == 2 else np.hstack([found, np.zeros_like(found)])


def clusters(
    unit: NDArray[np.float32], n_clusters: int = N_CLUSTERS
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the cluster of each row, by k-means of cosines, and the centres.

    Clusters are numbered by size, the largest first.

    Returns
    -------
    ndarray of shape (R,), int64
    ndarray of shape (K, D), float32
        Of length 1.

    References
    ----------
    Arthur & Vassilvitskii (2007), k-means++: the first centres. Dhillon & Modha (2001), Concept
    Decompositions for Large Sparse Text Data: spherical k-means.
    """
    rng = np.random.default_rng(_SEED)
    centers = unit[[int(rng.integers(len(unit)))]]
    while len(centers) < min(n_clusters, len(unit)):
        far = np.maximum(1 - (unit @ centers.T).max(axis=1), 0).astype(np.float64) ** 2
        if far.sum() == 0:
            break
        centers = np.vstack([centers, unit[rng.choice(len(unit), p=far / far.sum())]])
    chosen = np.zeros(len(unit), np.int64)
    for _ in range(_ROUNDS):
        before, chosen = chosen, (unit @ centers.T).argmax(axis=1)
        if _ and np.array_equal(before, chosen):
            break
        sums = np.zeros(centers.shape, np.float64)
        np.add.at(sums, chosen, unit)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centers = np.where(lengths > 0, sums / np.where(lengths, lengths, 1), centers)
        centers = centers.astype(np.float32)
    by_size = np.argsort(-np.bincount(chosen, minlength=len(centers)), kind="stable")
    number = np.empty_like(by_size)
    number[by_size] = np.arange(len(by_size))
    return number[chosen], centers[by_size]

"""Figures of a vocabulary: Zipf's law, coverage, and the length of vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..vectors.vectors import Vectors

_POINTS = 200
_BINS = 24


def vocabulary_figures(vectors: Vectors) -> dict[str, Any]:
    """Return the curves for a report, as JSON can hold them.

    ``zipf`` and ``coverage`` are None if it is not known how often the words occur; ``norms`` are
    then by rank instead of by count.
    """
    counts = vectors.counts
    lengths = np.sqrt(np.einsum("vd,vd->v", vectors.matrix, vectors.matrix, dtype=np.float64))
    known = counts is not None and int(counts.max()) > 0
    if counts is None or not known:
        ranks = np.arange(1, len(vectors) + 1)
        return {"zipf": None, "coverage": None, "norms": _band(ranks, lengths), "norms_by": "rank"}
    descending = np.sort(counts)[::-1]
    ranks = np.unique(np.geomspace(1, len(counts), _POINTS).astype(np.int64))
    shares = np.cumsum(descending, dtype=np.float64) / descending.sum(dtype=np.float64)
    return {
        "zipf": {"rank": ranks.tolist(), "count": descending[ranks - 1].tolist()},
        "coverage": {"rank": ranks.tolist(), "share": rounded(100 * shares[ranks - 1], 2)},
        "norms": _band(counts, lengths),
        "norms_by": "count",
    }


def _band(values: NDArray[np.int64], lengths: NDArray[np.float64]) -> dict[str, list[float]]:
    """Return median, 10th and 90th percentile of lengths, for bins of a logarithmic scale."""
    logs = np.log(np.maximum(values, 1))
    edges = np.linspace(logs.min(), logs.max() + 1e-9, _BINS + 1)
    number = np.clip(np.searchsorted(edges, logs, side="right") - 1, 0, _BINS - 1)
    found: dict[str, list[float]] = {"at": [], "low": [], "median": [], "high": []}
    for k in np.unique(number):
        inside = number == k
        low, median, high = np.quantile(lengths[inside], [0.1, 0.5, 0.9])
        at = float(np.exp(logs[inside].mean()))
        for name, value in (("at", at), ("low", low), ("median", median), ("high", high)):
            found[name] += rounded([value], 4)
    return found


def rounded(values: Any, digits: int) -> list[float]:
    """Return numbers with so many significant digits, which keep a page small."""
    return [float(f"{value:.{digits}g}") for value in values]

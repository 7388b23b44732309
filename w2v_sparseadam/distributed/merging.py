"""Merging what several shards have made of the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..simd.arrays import zeros
from ..simd.kernels import kernel
from ..simd.rows import dot
from .blocks import Block, Changes

_VECTORS = "vectors"


@kernel
def _add_changes(
    old: np.ndarray,
    rows: np.ndarray,
    new: np.ndarray,
    total: np.ndarray,
    squares: np.ndarray,
    change: np.ndarray,
) -> None:
    """Add what a shard changed in some rows, and the square of its length."""
    for k in range(rows.size):
        row = np.uint64(rows[k])
        before, after, target, moved = old[row], new[k], total[row], change[0]
        for d in range(moved.size):
            moved[d] = after[d] - before[d]
            target[d] += moved[d]
        squares[row] += np.float64(dot(change, 0, change, 0))


@kernel
def _move_rows(old: np.ndarray, total: np.ndarray, squares: np.ndarray) -> None:
    """Move rows by the sum of their changes, shortened as far as these agree."""
    for k in range(old.shape[0]):
        row = np.uint64(k)
        square = np.float64(dot(total, row, total, row))
        share = np.float32(1)
        if square > squares[row]:
            share = np.float32(squares[row] / square)
        target, change = old[row], total[row]
        for d in range(target.size):
            target[d] += share * change[d]


@kernel
def _add_weighted(
    rows: np.ndarray, weights: np.ndarray, values: np.ndarray, total: np.ndarray
) -> None:
    """Add the values of some rows, weighted."""
    for k in range(rows.size):
        target, value = total[np.uint64(rows[k])], values[k]
        for d in range(target.size):
            target[d] += weights[k] * value[d]


def merge_block(
    block: Block, shards: Sequence[Mapping[str, Changes]], added: Mapping[str, frozenset[str]]
) -> Block:
    """Merge what the shards of a round have made of a block's rows.

    A row that one shard moved is as that shard left it. With the changes Δ of its vector by those
    that moved it, it moves by

        ΣΔ · min(1, Σ|Δ|² / |ΣΔ|²).

    Changes in different directions are added, as if one followed the other; those in the same
    direction, which all shards would make, are averaged; what lies between, in between. The
    optimizer's state of a row is the mean of the shards', weighted by how often each moved it;
    what counts is added.

    Parameters
    ----------
    block : Block
        What all shards started from. Left as it is.
    shards : sequence of mapping of str to Changes
        Of each shard, by the table's name. The order is that of all sums.
    added : mapping of str to frozenset of str
        By the table's name: the optimizer's arrays that add up over steps, for any row.

    Returns
    -------
    Block

    References
    ----------
    Between the two extremes, Maleki et al. (GraphWord2Vec, arXiv 1909.03359, section 4) project
    one change after the other on what is left by those before; here all shards are alike.
    Weighting by who moved a row: FedSubAvg (Ding et al., NeurIPS 2022).
    """
    return {
        name: _merge_table(arrays, [shard[name] for shard in shards], added[name])
        for name, arrays in block.items()
    }


def _merge_table(
    arrays: Mapping[str, np.ndarray], shards: Sequence[Changes], added: frozenset[str]
) -> dict[str, np.ndarray]:
    n_rows = len(arrays[_VECTORS])
    rows = [shard.rows for shard in shards]
    n_shards = np.zeros(n_rows, np.int32)
    n_touches = np.zeros(n_rows, np.int64)
    for places, touches, _ in shards:
        n_shards[places] += 1
        n_touches[places] += touches
    weights = [(touches / n_touches[places]).astype(np.float32) for places, touches, _ in shards]
    merged = {}
    for name, array in arrays.items():
        values = [shard.arrays[name] for shard in shards]
        if name == _VECTORS:
            merged[name] = _merged_vectors(array, rows, values)
        elif name in added:
            merged[name] = array.copy()
            for places, value in zip(rows, values, strict=True):
                merged[name][places] += value - array[places]
        else:
            merged[name] = _mean(array, rows, weights, values, n_touches)
        for places, value in zip(rows, values, strict=True):
            alone = n_shards[places] == 1
            merged[name][places[alone]] = value[alone]
    return merged


def _merged_vectors(
    old: np.ndarray, rows: Sequence[np.ndarray], values: Sequence[np.ndarray]
) -> np.ndarray:
    total, squares = zeros(*old.shape), np.zeros(len(old))
    change = zeros(1, old.shape[1])
    for places, value in zip(rows, values, strict=True):
        _add_changes(old, places, value, total, squares, change)
    merged = zeros(*old.shape)
    merged[...] = old
    _move_rows(merged, total, squares)
    return merged


def _mean(
    old: np.ndarray,
    rows: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    values: Sequence[np.ndarray],
    n_touches: np.ndarray,
) -> np.ndarray:
    total = np.zeros((len(old), old.shape[1] if old.ndim == 2 else 1), old.dtype)
    for places, weight, value in zip(rows, weights, values, strict=True):
        _add_weighted(places, weight, value.reshape(len(value), total.shape[1]), total)
    mean = total.reshape(old.shape)
    still = n_touches == 0
    mean[still] = old[still]
    return mean

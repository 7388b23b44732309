"""Merging what shards have made of the same rows."""

import numpy as np
import pytest
import reference
from hypothesis import given, settings
from hypothesis import strategies as st

from w2v_sparseadam.distributed.blocks import Changes, rows_of_block
from w2v_sparseadam.distributed.merging import merge_block

ADDED = {"center": frozenset({"step"})}


def block_of(n_rows, dim, seed):
    """Return a block of one table with random numbers."""
    random = np.random.default_rng(seed)
    return {
        "center": {
            "vectors": random.standard_normal((n_rows, dim)).astype(np.float32),
            "exp_avg_sq": random.random((n_rows, dim)).astype(np.float32),
            "mean": random.random(n_rows).astype(np.float32),
            "step": random.integers(0, 9, n_rows),
        }
    }


def changed(block, rows, touches, seed, size=0.1):
    """Return changes of some rows of the block, random ones."""
    random = np.random.default_rng(seed)
    old = block["center"]
    arrays = {
        name: (array[rows] + size * random.standard_normal(array[rows].shape)).astype(array.dtype)
        for name, array in old.items()
        if name != "step"
    }
    arrays["step"] = old["step"][rows] + touches
    return {"center": Changes(np.array(rows, np.int32), np.array(touches, np.uint32), arrays)}


@settings(max_examples=30, deadline=None)
@given(
    n_rows=st.integers(1, 9),
    dim=st.sampled_from([16, 48]),
    n_shards=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_blocks_are_merged_as_the_equations_say(n_rows, dim, n_shards, seed):
    block = block_of(n_rows, dim, seed)
    random = np.random.default_rng(seed)
    shards = []
    for shard in range(n_shards):
        rows = np.flatnonzero(random.random(n_rows) < 0.6)
        shards.append(changed(block, rows, random.integers(1, 50, rows.size), seed + shard))
    merged = merge_block(block, shards, ADDED)
    expected = reference.merged_block(block, shards, ADDED)
    for name, array in expected["center"].items():
        np.testing.assert_allclose(merged["center"][name], array, rtol=1e-5, atol=1e-6)
        assert merged["center"][name].dtype == block["center"][name].dtype


def test_a_row_that_one_shard_moved_is_as_it_left_it_to_the_bit():
    block = block_of(6, 16, 1)
    one, other = changed(block, [0, 3], [1, 7], 2), changed(block, [1, 5], [2, 2], 3)
    merged = merge_block(block, [one, other], ADDED)["center"]
    for name, array in merged.items():
        for shard in (one, other):
            rows, _, arrays = shard["center"]
            assert np.array_equal(array[rows], arrays[name])
        assert np.array_equal(array[[2, 4]], block["center"][name][[2, 4]])


def test_the_result_is_a_new_block():
    block = block_of(4, 16, 1)
    before = {name: array.copy() for name, array in block["center"].items()}
    shards = [changed(block, [0, 1], [1, 1], seed) for seed in range(2)]
    merged = merge_block(block, shards, ADDED)
    for name, array in before.items():
        assert np.array_equal(block["center"][name], array)
        assert not np.shares_memory(merged["center"][name], block["center"][name])


def two_changes(first, second):
    """Return how a row at 0 moves that two shards have moved so."""
    zeros = {"vectors": np.zeros((1, 16), np.float32)}
    shards = []
    for change in (first, second):
        vector = np.zeros((1, 16), np.float32)
        vector[0, : len(change)] = change
        shards.append(
            {"t": Changes(np.zeros(1, np.int32), np.ones(1, np.uint32), {"vectors": vector})}
        )
    return merge_block({"t": zeros}, shards, {"t": frozenset()})["t"]["vectors"][0, :2]


@pytest.mark.parametrize(
    ("first", "second", "moved"),
    [
        ([3, 0], [0, 4], [3, 4]),  # unrelated: both
        ([2, 0], [2, 0], [2, 0]),  # the same: once
        ([2, 0], [-2, 0], [0, 0]),  # opposite
        ([1, 0], [3, 0], [2.5, 0]),  # by hand: 4 · (1 + 9) / 16
    ],
)
def test_by_hand(first, second, moved):
    np.testing.assert_allclose(two_changes(first, second), moved, rtol=1e-6)


@pytest.mark.parametrize(("n_rows", "n_blocks"), [(10, 3), (2, 5), (1, 1), (7, 7)])
def test_blocks_share_out_the_rows(n_rows, n_blocks):
    slices = [rows_of_block(n_rows, k, n_blocks) for k in range(n_blocks)]
    assert [row for there in slices for row in range(n_rows)[there]] == list(range(n_rows))

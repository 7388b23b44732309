"""Lanes: tiles, inner products and sums against NumPy at double precision."""

import inspect
import re

import numpy as np
import pytest
from numba import njit

from w2v_sparseadam import gradients
from w2v_sparseadam.lanes import (
    LANES,
    dot,
    dot_tile,
    multiply_tile,
    prefetch_row,
    row_sum,
    zeros,
)

# (height, width in vectors, add) of every tile that the gradients are made of.
TILES = sorted(
    {
        tuple(map(int, found))
        for found in re.findall(
            r"multiply_tile\((\d+), (\d+), (\d+),", inspect.getsource(gradients)
        )
    }
)


def whole_numbers(seed, *shape):
    """Small whole numbers: every product and sum of them is exact."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float32)


def compile_tile(n_rows, n_vectors, add):
    @njit
    def tile(a, b, c, row, column, first, last):
        multiply_tile(n_rows, n_vectors, add, a, b, c, row, column, first, last)

    return tile


def layouts(a):
    """The same matrix in the memory orders that the kernels read: rows, transposed, a band."""
    yield "rows", a.copy()
    yield "transposed", np.ascontiguousarray(a.T).T
    storage = np.full((a.shape[0], 3, a.shape[1] + 5), np.float32(np.nan))
    storage[:, 1, 2:-3] = a
    yield "strided", storage[:, 1, 2:-3]


def test_the_tiles_in_use_were_found():
    assert len(TILES) >= 2


@pytest.mark.parametrize("shape", TILES)
def test_multiply_tile(shape):
    n_rows, n_vectors, add = shape
    tile = compile_tile(*shape)
    height, width, row, column = n_rows + 3, LANES * (n_vectors + 2), 2, LANES
    a, b = whole_numbers(1, height, 11), whole_numbers(2, 11, width)
    before = whole_numbers(3, height, width)
    within = slice(row, row + n_rows), slice(column, column + LANES * n_vectors)
    for first, last in [(0, 11), (3, 10), (5, 6), (4, 4), (0, 0)]:
        expected = before.copy()
        product = a[within[0], first:last].astype(float) @ b[first:last, within[1]].astype(float)
        expected[within] = product + (before[within] if add else 0)
        for layout, same_a in layouts(a):
            c = before.copy()
            tile(same_a, b, c, row, column, first, last)
            np.testing.assert_array_equal(c, expected, err_msg=f"{layout}, k = {first} … {last}")


@pytest.mark.parametrize("add", [0, 1])
def test_multiply_tile_rounds_like_float32(add):
    rng = np.random.default_rng(4)
    a = rng.standard_normal((8, 200), dtype=np.float32)
    b = rng.standard_normal((200, 2 * LANES), dtype=np.float32)
    before = rng.standard_normal((8, 2 * LANES), dtype=np.float32)
    c = before.copy()
    compile_tile(8, 2, add)(a, b, c, 0, 0, 0, 200)
    exact = a.astype(float) @ b.astype(float) + add * before
    terms = np.abs(a).astype(float) @ np.abs(b).astype(float) + np.abs(before)
    assert np.all(np.abs(c - exact) <= 1e-6 * terms)


@njit
def call_dot(a, i, b, j):
    return dot(a, i, b, j)


@njit
def call_dot_tile(a, b, c, row, column):
    dot_tile(a, b, c, row, column)


@njit
def call_row_sum(a, i):
    return row_sum(a, i)


@njit
def call_prefetch_row(a, i):
    prefetch_row(a, i)


@pytest.mark.parametrize("width", [16, 48, 112, 160])
def test_dot(width):
    a, b = whole_numbers(5, 4, width), whole_numbers(6, 6, width)
    for i in range(4):
        for j in range(6):
            assert call_dot(a, i, b, j) == a[i].astype(float) @ b[j].astype(float)


def test_dot_rounds_like_float32():
    a, b = np.random.default_rng(7).standard_normal((2, 1, 320), dtype=np.float32)
    exact = a[0].astype(float) @ b[0].astype(float)
    terms = np.abs(a[0]).astype(float) @ np.abs(b[0]).astype(float)
    assert abs(call_dot(a, 0, b, 0) - exact) <= 1e-6 * terms


@pytest.mark.parametrize("width", [16, 48, 160])
def test_dot_tile(width):
    a, b = whole_numbers(9, 10, width), whole_numbers(10, 9, width)
    before = whole_numbers(11, 11, 12)
    for row, column in [(0, 0), (4, 1), (6, 5)]:
        c, expected = before.copy(), before.copy()
        tile = slice(row, row + 4), slice(column, column + 4)
        expected[tile] = a[tile[0]].astype(float) @ b[tile[1]].T.astype(float)
        call_dot_tile(a, b, c, row, column)
        np.testing.assert_array_equal(c, expected)


def test_dot_tile_of_single_numbers():
    # Each number alone, so that one that is lost or misplaced shows.
    a, c = np.zeros((4, 32), np.float32), np.zeros((4, 4), np.float32)
    b = np.arange(1, 4 * 32 + 1, dtype=np.float32).reshape(4, 32)
    for i, d in np.ndindex(4, 32):
        a[:] = 0
        a[i, d] = 1
        expected = np.zeros((4, 4))
        expected[i] = b[:, d]
        call_dot_tile(a, b, c, 0, 0)
        np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("width", [16, 64, 1408])
def test_row_sum_is_taken_in_float64(width):
    a = np.ones((3, width), np.float32)
    a[1, 0] = 2.0**30  # to which float32 cannot add 1
    assert [call_row_sum(a, i) for i in range(3)] == [width, 2.0**30 + width - 1, width]


def test_sums_do_not_hide_nan_or_infinity():
    a = np.zeros((2, 32), np.float32)
    a[0, 17], a[1, 31] = np.nan, np.inf
    ones = np.ones((1, 32), np.float32)
    assert np.isnan(call_row_sum(a, 0))
    assert call_row_sum(a, 1) == np.inf
    assert np.isnan(call_dot(a, 0, ones, 0))
    assert call_dot(a, 1, ones, 0) == np.inf


@pytest.mark.parametrize("shape", [(1, 16), (5, 48), (7,)])
def test_zeros_begin_on_a_cache_line(shape):
    room = [zeros(*shape) for _ in range(5)]
    for array in room:
        assert array.shape == shape
        assert array.dtype == np.float32
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert not array.any()
        assert array.ctypes.data % 64 == 0


def test_prefetch_row_changes_nothing():
    a = whole_numbers(8, 5, 48)
    before = a.tobytes()
    for i in range(5):
        call_prefetch_row(a, i)
    assert a.tobytes() == before

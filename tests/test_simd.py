"""Products, inner products, updates and sums of rows against NumPy at double precision."""

import numpy as np
import pytest
from numba import njit

from w2v_sparseadam.simd.arithmetic import power, root
from w2v_sparseadam.simd.arrays import LANES, width_of, zeros
from w2v_sparseadam.simd.products import dot_tile, multiply, row_product
from w2v_sparseadam.simd.row_update import row_update
from w2v_sparseadam.simd.rows import copy_row, dot, row_sum

# Vectors in a row: one, groups of equal and unequal size, more than a group holds.
WIDTHS = [LANES * n for n in (1, 3, 7, 10)]


def whole_numbers(seed, *shape):
    """Small whole numbers: every product and sum of them is exact."""
    return np.random.default_rng(seed).integers(-9, 10, shape).astype(np.float32)


def layouts(a):
    """The same matrix in the memory orders that the kernels read: rows, transposed, a band."""
    yield "rows", a.copy()
    yield "transposed", np.ascontiguousarray(a.T).T
    storage = np.full((a.shape[0], 3, a.shape[1] + 5), np.float32(np.nan))
    storage[:, 1, 2:-3] = a
    yield "strided", storage[:, 1, 2:-3]


@njit
def call_multiply(width, a, b, c, n_rows, n):
    multiply(width, a, b, c, n_rows, n)


@njit
def call_row_product(width, a, b, c, row, first, last):
    row_product(width, 0, a, b, c, row, first, last)


@njit
def add_row_product(width, a, b, c, row, first, last):
    row_product(width, 1, a, b, c, row, first, last)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_multiply(n_dims):
    a, b = whole_numbers(1, 24, 11), whole_numbers(2, 12, n_dims)
    before = whole_numbers(3, 25, n_dims)
    for n_rows, n in [(24, 11), (16, 5), (8, 1), (8, 0), (0, 3)]:
        expected = before.copy()
        expected[:n_rows] = a[:n_rows, :n].astype(float) @ b[:n].astype(float)
        for layout, same_a in layouts(a):
            c = before.copy()
            call_multiply(width_of(n_dims), same_a, b, c, n_rows, n)
            np.testing.assert_array_equal(c, expected, err_msg=f"{layout}, {n_rows} × {n}")


@pytest.mark.parametrize("n_dims", WIDTHS)
@pytest.mark.parametrize("function", [call_row_product, add_row_product])
def test_row_product(n_dims, function):
    a, b = whole_numbers(1, 4, 11), whole_numbers(2, 11, n_dims)
    before = whole_numbers(3, 4, n_dims)
    for row, first, last in [(0, 0, 11), (2, 3, 10), (3, 5, 6), (1, 4, 4), (1, 0, 0)]:
        expected = before.copy()
        expected[row] = a[row, first:last].astype(float) @ b[first:last].astype(float)
        if function is add_row_product:
            expected[row] += before[row]
        for layout, same_a in layouts(a):
            c = before.copy()
            function(width_of(n_dims), same_a, b, c, row, first, last)
            np.testing.assert_array_equal(c, expected, err_msg=f"{layout}, {first} … {last}")


def test_products_round_like_float32():
    rng = np.random.default_rng(4)
    a = rng.standard_normal((8, 200), dtype=np.float32)
    b = rng.standard_normal((200, 2 * LANES), dtype=np.float32)
    before = rng.standard_normal((8, 2 * LANES), dtype=np.float32)
    product = a.astype(float) @ b.astype(float)
    terms = np.abs(a).astype(float) @ np.abs(b).astype(float) + np.abs(before)
    c = before.copy()
    call_multiply(width_of(2 * LANES), a, b, c, 8, 200)
    assert np.all(np.abs(c - product) <= 1e-6 * terms)
    c = before.copy()
    add_row_product(width_of(2 * LANES), a, b, c, 3, 0, 200)
    assert np.all(np.abs(c[3] - before[3] - product[3]) <= 1e-6 * terms[3])


@njit
def call_dot(width, a, i, b, j):
    return dot(width, a, i, b, j)


@njit
def call_dot_tile(width, a, b, c, row, column):
    dot_tile(width, a, b, c, row, column)


@njit
def call_row_sum(a, i):
    return row_sum(a, i)


@njit
def call_copy_row(width, a, i, b, j):
    copy_row(width, a, i, b, j)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_dot(n_dims):
    a, b = whole_numbers(5, 4, n_dims), whole_numbers(6, 6, n_dims)
    for i, j in np.ndindex(4, 6):
        expected = a[i].astype(float) @ b[j].astype(float)
        assert call_dot(width_of(n_dims), a, i, b, j) == expected


def test_dot_is_over_the_columns_of_the_width():
    a = np.ones((1, 20), np.float32)
    assert call_dot(width_of(20), a, 0, a, 0) == 16


def test_dot_rounds_like_float32():
    a, b = np.random.default_rng(7).standard_normal((2, 1, 160), dtype=np.float32)
    exact = a[0].astype(float) @ b[0].astype(float)
    terms = np.abs(a[0]).astype(float) @ np.abs(b[0]).astype(float)
    assert abs(call_dot(width_of(160), a, 0, b, 0) - exact) <= 1e-6 * terms


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_dot_tile(n_dims):
    a, b = whole_numbers(9, 10, n_dims), whole_numbers(10, 9, n_dims)
    before = whole_numbers(11, 11, 12)
    for row, column in [(0, 0), (4, 1), (6, 5)]:
        c, expected = before.copy(), before.copy()
        tile = slice(row, row + 4), slice(column, column + 4)
        expected[tile] = a[tile[0]].astype(float) @ b[tile[1]].T.astype(float)
        call_dot_tile(width_of(n_dims), a, b, c, row, column)
        np.testing.assert_array_equal(c, expected)


def test_dot_tile_of_single_numbers():
    # Each number alone, so that one that is lost or misplaced shows.
    a, c = np.zeros((4, 16), np.float32), np.zeros((4, 4), np.float32)
    b = np.arange(1, 4 * 16 + 1, dtype=np.float32).reshape(4, 16)
    for i, d in np.ndindex(4, 16):
        a[:] = 0
        a[i, d] = 1
        expected = np.zeros((4, 4))
        expected[i] = b[:, d]
        call_dot_tile(width_of(16), a, b, c, 0, 0)
        np.testing.assert_array_equal(c, expected)


@row_update
def follow(grad, value, trace, *, old, rate):
    trace = old * trace + grad * grad
    return value - rate * grad / root(trace), trace


@row_update
def take_sum(grad, value):
    return (grad,)


@njit
def call_follow(width, grads, places, first, last, row, numbers, value, trace):
    follow(width, grads, places, first, last, row, numbers, value, trace)


@njit
def call_take_sum(width, grads, places, first, last, row, value):
    take_sum(width, grads, places, first, last, row, (), value)


@pytest.mark.parametrize("n_dims", [3, 16, 50, 112, 163])
def test_row_update_moves_one_row_by_its_sum(n_dims):
    rng = np.random.default_rng(12)
    grads = rng.standard_normal((9, n_dims), dtype=np.float32)
    state = rng.random((5, 2 * n_dims), dtype=np.float32) + 1
    value, trace = state[:, :n_dims], state[:, n_dims:]  # strided, as moments are
    before = state.copy()
    places = np.array([8, 1, 4, 4, 0], np.int32)
    numbers = np.float32(0.5), np.float32(0.25)
    call_follow(width_of(n_dims), grads, places, 1, 4, 2, numbers, value, trace)
    grad = grads[1] + grads[4] + grads[4]
    new_trace = np.float32(0.5) * before[2, n_dims:] + grad * grad
    new_value = before[2, :n_dims] - np.float32(0.25) * grad / np.sqrt(new_trace)
    np.testing.assert_array_equal(trace[2], new_trace)
    np.testing.assert_array_equal(value[2], new_value)
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(state[others], before[others])


@pytest.mark.parametrize("n_dims", [5, 20])
def test_row_update_sums_in_order_and_none_to_zero(n_dims):
    grads = np.ones((3, n_dims), np.float32)
    grads[0], grads[2] = 2.0**24, -(2.0**24)  # to which float32 cannot add 1
    value = np.full((1, n_dims), np.float32(np.nan))
    for places, expected in [([0, 1, 2], 0), ([0, 2, 1], 1), ([], 0)]:
        places = np.array(places, np.int64)
        call_take_sum(width_of(n_dims), grads, places, 0, places.size, 0, value)
        np.testing.assert_array_equal(value, np.full((1, n_dims), expected))


@row_update
def raise_to_power(grad, value, *, exponent):
    return (power(value, exponent),)


@njit
def call_raise(width, places, exponent, values):
    raise_to_power(width, values, places, 0, 0, 0, (exponent,), values)


@pytest.mark.parametrize("exponent", [0.0, 0.125, 0.25, 0.4, 0.5, 1.0])
def test_power(exponent):
    """Over all of float32's range; the row has numbers beyond its whole vectors, too."""
    edges = [2.0**-126, 1, 1 - 2.0**-24, 1 + 2.0**-23, 2, 0.5**0.5, 3e38]
    values = np.concatenate([edges, np.geomspace(1.2e-38, 3.4e38, 4070)]).astype(np.float32)
    raised = values[None].copy()
    call_raise(width_of(4070), np.zeros(1, np.int32), np.float32(exponent), raised)
    expected = values.astype(np.float64) ** float(np.float32(exponent))
    np.testing.assert_allclose(raised[0], expected, rtol=4e-6 if exponent < 1 else 8e-6)


def test_power_of_numbers_below_the_smallest_normal_one():
    values = np.array([[0, 1e-45, 1e-39, 2.0**-126]], np.float32)
    call_raise(width_of(4), np.zeros(1, np.int32), np.float32(0.25), values)
    np.testing.assert_allclose(values, 2.0**-31.5, rtol=4e-6)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_copy_row(n_dims):
    a, b = whole_numbers(8, 5, n_dims), whole_numbers(9, 4, n_dims)
    expected = b.copy()
    expected[1] = a[3]
    call_copy_row(width_of(n_dims), a, 3, b, 1)
    np.testing.assert_array_equal(b, expected)


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
    assert np.isnan(call_dot(width_of(32), a, 0, ones, 0))
    assert call_dot(width_of(32), a, 1, ones, 0) == np.inf


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

"""Products, inner products, updates and sums of rows against NumPy at double precision."""

import time

import numpy as np
import pytest
from conftest import JIT
from numba import njit

from w2v_sparseadam.simd import products
from w2v_sparseadam.simd.arithmetic import inverse_power, root
from w2v_sparseadam.simd.arrays import LANES, zeros
from w2v_sparseadam.simd.products import band_dots, band_product, dot_tile, multiply
from w2v_sparseadam.simd.row_update import row_update
from w2v_sparseadam.simd.rows import copy_row, dot
from w2v_sparseadam.simd.turns import give_way, nanoseconds

# Vectors in a row: every size of a group that remains, alone and behind whole groups.
WIDTHS = [LANES * n for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 19)]


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
def call_multiply(a, b, c, n_rows, n):
    multiply(a, b, c, n_rows, n)


@njit
def call_band_product(a, b, c, first, last, starts, stops):
    band_product(0, a, b, c, first, last, starts, stops)


@njit
def add_band_product(a, b, c, first, last, starts, stops):
    band_product(1, a, b, c, first, last, starts, stops)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_multiply(n_dims):
    a, b = whole_numbers(1, 24, 11), whole_numbers(2, 12, n_dims)
    before = whole_numbers(3, 25, n_dims)
    for n_rows, n in [(24, 11), (16, 5), (8, 1), (8, 0), (0, 3)]:
        expected = before.copy()
        expected[:n_rows] = a[:n_rows, :n].astype(float) @ b[:n].astype(float)
        for layout, same_a in layouts(a):
            c = before.copy()
            call_multiply(same_a, b, c, n_rows, n)
            np.testing.assert_array_equal(c, expected, err_msg=f"{layout}, {n_rows} × {n}")


STARTS, STOPS = np.array([0, 4, 0, 3, 5]), np.array([11, 4, 0, 10, 6])  # of a band of five rows


@pytest.mark.parametrize("n_dims", WIDTHS)
@pytest.mark.parametrize("function", [call_band_product, add_band_product])
def test_band_product(n_dims, function):
    a, b = whole_numbers(1, 5, 11), whole_numbers(2, 11, n_dims)
    before = whole_numbers(3, 5, n_dims)
    for first, last in [(0, 5), (1, 4), (2, 2)]:
        expected = before.copy()
        for row in range(first, last):
            band = slice(STARTS[row], STOPS[row])
            expected[row] = a[row, band].astype(float) @ b[band].astype(float)
            if function is add_band_product:
                expected[row] += before[row]
        for layout, same_a in layouts(a):
            c = before.copy()
            function(same_a, b, c, first, last, STARTS, STOPS)
            np.testing.assert_array_equal(c, expected, err_msg=f"{layout}, {first} … {last}")


def test_products_round_like_float32():
    rng = np.random.default_rng(4)
    a = rng.standard_normal((8, 200), dtype=np.float32)
    b = rng.standard_normal((200, 2 * LANES), dtype=np.float32)
    before = rng.standard_normal((8, 2 * LANES), dtype=np.float32)
    product = a.astype(float) @ b.astype(float)
    terms = np.abs(a).astype(float) @ np.abs(b).astype(float) + np.abs(before)
    c = before.copy()
    call_multiply(a, b, c, 8, 200)
    assert np.all(np.abs(c - product) <= 1e-6 * terms)
    c = before.copy()
    add_band_product(a, b, c, 3, 4, np.zeros(8, np.int64), np.full(8, 200))
    assert np.all(np.abs(c[3] - before[3] - product[3]) <= 1e-6 * terms[3])


@njit
def call_dot(a, i, b, j):
    return dot(a, i, b, j)


@njit
def call_dot_tile(a, b, c, row, column):
    dot_tile(a, b, c, row, column)


@njit
def call_band_dots(a, b, c, first, last, starts, stops):
    band_dots(a, b, c, first, last, starts, stops)


@njit
def call_copy_row(a, i, b, j):
    copy_row(a, i, b, j)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_dot(n_dims):
    a, b = whole_numbers(5, 4, n_dims), whole_numbers(6, 6, n_dims)
    for i, j in np.ndindex(4, 6):
        expected = a[i].astype(float) @ b[j].astype(float)
        assert call_dot(a, i, b, j) == expected


def test_dot_is_over_whole_vectors():
    a = np.ones((1, 20), np.float32)
    assert call_dot(a, 0, a, 0) == 16


def test_dot_rounds_like_float32():
    a, b = np.random.default_rng(7).standard_normal((2, 1, 160), dtype=np.float32)
    exact = a[0].astype(float) @ b[0].astype(float)
    terms = np.abs(a[0]).astype(float) @ np.abs(b[0]).astype(float)
    assert abs(call_dot(a, 0, b, 0) - exact) <= 1e-6 * terms


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_dot_tile(n_dims):
    a, b = whole_numbers(9, 10, n_dims), whole_numbers(10, 9, n_dims)
    before = whole_numbers(11, 11, 12)
    for row, column in [(0, 0), (4, 1), (6, 5)]:
        c, expected = before.copy(), before.copy()
        tile = slice(row, row + 4), slice(column, column + 4)
        expected[tile] = a[tile[0]].astype(float) @ b[tile[1]].T.astype(float)
        call_dot_tile(a, b, c, row, column)
        np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_band_dots(n_dims):
    a, b = whole_numbers(9, 5, n_dims), whole_numbers(10, 11, n_dims)
    before = whole_numbers(11, 5, 11)
    for first, last in [(0, 5), (1, 4), (2, 2)]:
        c, expected = before.copy(), before.copy()
        for row in range(first, last):
            band = slice(STARTS[row], STOPS[row])
            expected[row, band] = -(b[band].astype(float) @ a[row].astype(float))
        call_band_dots(a, b, c, first, last, STARTS, STOPS)
        np.testing.assert_array_equal(c, expected)


@pytest.mark.skipif(not JIT, reason="NumPy adds in its own order")
def test_all_inner_products_round_alike():
    """Four at once, in a tile, or alone: lanes are summed in the same order."""
    a, b = np.random.default_rng(13).standard_normal((2, 4, 7 * LANES), dtype=np.float32)
    tile, band = np.zeros((2, 4, 4), np.float32)
    call_dot_tile(a, b, tile, 0, 0)
    call_band_dots(a, b, band, 0, 4, np.zeros(4, np.int64), np.full(4, 4))
    alone = [[call_dot(a, i, b, j) for j in range(4)] for i in range(4)]
    np.testing.assert_array_equal(tile, alone)
    np.testing.assert_array_equal(-band, alone)
    for j in range(4):
        call_band_dots(a, b, band, 0, 4, np.full(4, j), np.full(4, j + 1))
    np.testing.assert_array_equal(-band, alone)


def test_dot_tile_of_single_numbers():
    # Each number alone, so that one that is lost or misplaced shows.
    a, c = np.zeros((4, 16), np.float32), np.zeros((4, 4), np.float32)
    b = np.arange(1, 4 * 16 + 1, dtype=np.float32).reshape(4, 16)
    for i, d in np.ndindex(4, 16):
        a[:] = 0
        a[i, d] = 1
        expected = np.zeros((4, 4))
        expected[i] = b[:, d]
        call_dot_tile(a, b, c, 0, 0)
        np.testing.assert_array_equal(c, expected)


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
@pytest.mark.parametrize("n_vectors", [1, 4, 7, 19])
def test_what_a_processor_holds_in_registers_does_not_change_a_bit(monkeypatch, n_vectors):
    rng = np.random.default_rng(14)
    a, b = rng.standard_normal((2, 16, n_vectors * LANES), dtype=np.float32)
    factors = rng.standard_normal((16, 16), dtype=np.float32)
    bounds = np.zeros(16, np.int64), np.full(16, 11)
    results = []
    for sizes in (products._AVX512, products._OTHERS):
        monkeypatch.setattr(products, "_sizes", lambda context, sizes=sizes: sizes)
        product, band, dots = np.zeros_like(a), a.copy(), np.zeros((16, 16), np.float32)
        njit(call_multiply.py_func)(factors, b, product, 16, 16)
        njit(add_band_product.py_func)(factors, b, band, 0, 16, *bounds)
        njit(call_dot_tile.py_func)(a, b, dots, 4, 8)
        results.append((product, band, dots))
    for wide, narrow in zip(*results, strict=True):
        assert wide.any()
        np.testing.assert_array_equal(wide, narrow)


@row_update
def follow(grad, value, trace, *, old, rate):
    trace = old * trace + grad * grad
    return value - rate * grad / root(trace), trace


@row_update
def take_sum(grad, value):
    return (grad,)


@njit
def call_follow(grads, places, first, last, row, numbers, value, trace):
    follow(grads, places, first, last, row, numbers, value, trace)


@njit
def call_take_sum(grads, places, first, last, row, value):
    take_sum(grads, places, first, last, row, (), value)


@pytest.mark.parametrize("n_dims", [3, 16, 34, 50, 64, 112, 163])
def test_row_update_moves_one_row_by_its_sum(n_dims):
    rng = np.random.default_rng(12)
    grads = rng.standard_normal((9, n_dims), dtype=np.float32)
    state = rng.random((5, 2 * n_dims), dtype=np.float32) + 1
    value, trace = state[:, :n_dims], state[:, n_dims:]  # strided, as moments are
    before = state.copy()
    places = np.array([8, 1, 4, 4, 0], np.int32)
    numbers = np.float32(0.5), np.float32(0.25)
    call_follow(grads, places, 1, 4, 2, numbers, value, trace)
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
        call_take_sum(grads, places, 0, places.size, 0, value)
        np.testing.assert_array_equal(value, np.full((1, n_dims), expected))


@row_update
def raise_to_power(grad, value, *, exponent, least):
    return (inverse_power(value, exponent, least),)


@njit
def call_raise(places, exponent, least, values):
    raise_to_power(values, places, 0, 0, 0, (exponent, least), values)


@pytest.mark.parametrize("exponent", [0.0, 0.0625, 0.125, 0.25, 0.4, 0.5])
def test_inverse_power(exponent):
    """Over all of float32's range; the row has numbers beyond its whole vectors, too."""
    edges = [2.0**-126, 1, 1 - 2.0**-24, 1 + 2.0**-23, 2, 0.5**0.5, 3e38]
    values = np.concatenate([edges, np.geomspace(1.2e-38, 3.4e38, 40070)]).astype(np.float32)
    raised = values[None].copy()
    call_raise(np.zeros(1, np.int32), np.float32(exponent), np.float32(2.0**-126), raised)
    expected = values.astype(np.float64) ** -float(np.float32(exponent))
    np.testing.assert_allclose(raised[0], expected, rtol=5e-6 if exponent <= 0.125 else 1.2e-5)


@pytest.mark.parametrize("least", [2.0**-126, 0.5])
def test_inverse_power_of_less_than_the_least(least):
    values = np.array([[0, 1e-45, 1e-39, 2.0**-126]], np.float32)
    call_raise(np.zeros(1, np.int32), np.float32(0.25), np.float32(least), values)
    np.testing.assert_allclose(values, least**-0.25, rtol=1.2e-5)


@pytest.mark.parametrize("n_dims", WIDTHS)
def test_copy_row(n_dims):
    a, b = whole_numbers(8, 5, n_dims), whole_numbers(9, 4, n_dims)
    expected = b.copy()
    expected[1] = a[3]
    call_copy_row(a, 3, b, 1)
    np.testing.assert_array_equal(b, expected)


def test_dot_does_not_hide_nan_or_infinity():
    a = np.zeros((2, 32), np.float32)
    a[0, 17], a[1, 31] = np.nan, np.inf
    ones = np.ones((1, 32), np.float32)
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


@njit
def time_around_giving_way():
    before = nanoseconds()
    give_way()
    return before, nanoseconds()


def test_the_clock_of_kernels_is_that_of_python():
    start = time.monotonic_ns()
    before, after = time_around_giving_way()
    assert start <= before <= after <= time.monotonic_ns()

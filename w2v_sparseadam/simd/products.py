"""Matrix products inside kernels.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

import itertools
from typing import NamedTuple

from llvmlite import ir
from numba import types

from .arrays import LANES
from .instructions import (
    FLOAT,
    INT32,
    VECTOR,
    Matrix,
    broadcast,
    fused_multiply_add,
    in_groups,
    index,
    loop,
    sum_lanes,
    zero_vector,
)
from .intrinsics import intrinsic_of


class _Sizes(NamedTuple):
    """How many sums stay in registers; the order in which each is taken does not depend on it."""

    rows: int  # of a tile of a product
    vectors: int  # of a tile: it has rows · vectors sums
    row_vectors: int  # of a row of a banded product
    dots: int  # rows of A, and of B, whose inner products are taken at once


_AVX512 = _Sizes(8, 3, 8, 4)  # 32 registers of 16 floats: 24 sums and 3 vectors of a tile
_OTHERS = _Sizes(4, 1, 7, 2)  # AVX2 has 16 registers of 8 floats: 14 sums of a row


def _sizes(context):
    """Return what suits the processor that code is generated for."""
    features = context.codegen().magic_tuple()[2]
    return _AVX512 if "+avx512f" in features else _OTHERS


def _tile(builder, matrices, rows, columns, adds, first, last):
    """Emit C[rows, columns] = (C if ``adds`` else 0) + Σ_k A[rows, k] · B[k, columns]."""
    a, b, c = matrices
    fma = fused_multiply_add(builder)
    places = [(row, column) for row in rows for column in columns]
    starts = [c.load(*place) if adds else zero_vector(VECTOR) for place in places]

    def step(k, sums):
        k = builder.add(first, k)
        vectors = [b.load(k, column) for column in columns]
        results: list[ir.Value] = []
        for row in rows:
            factor = broadcast(builder, a.number(row, k))
            for vector in vectors:
                results.append(builder.call(fma, [factor, vector, sums[len(results)]]))
        return results

    sums = loop(builder, builder.sub(last, first), starts, step)
    for place, value in zip(places, sums, strict=True):
        c.store(*place, value)


def multiply(a, b, c, n_rows, n):
    """Compute a matrix product: C[:n_rows] ← A[:n_rows, :n] · B[:n], summed in the order of n.

    Parameters
    ----------
    a, b, c : ndarray of float32, 2-D
        The matrices; rows of ``b`` and ``c`` are contiguous, and their width a
        multiple of 16. A is read one number at a time, so it may be strided or transposed at no
        cost. ``c`` is written.
    n_rows : int
        Rows, a multiple of 8.
    n : int
        Columns of A, rows of B.
    """
    c[:n_rows] = a[:n_rows, :n] @ b[:n]


@intrinsic_of(multiply)
def _multiply(typing, a, b, c, n_rows, n):
    signature = types.void(a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrices = [Matrix(context, builder, sig.args[k], args[k]) for k in range(3)]
        n_rows, n = args[3:]
        sizes = _sizes(context)

        def step(k, _):
            row = builder.mul(k, index(sizes.rows))
            rows = [builder.add(row, index(r)) for r in range(sizes.rows)]
            in_groups(
                builder,
                matrices[1].n_vectors,
                sizes.vectors,
                lambda columns: _tile(builder, matrices, rows, columns, False, index(0), n),
            )
            return []

        loop(builder, builder.udiv(n_rows, index(sizes.rows)), [], step)
        return context.get_dummy_value()

    return signature, generate


def band_product(add, a, b, c, first, last, starts, stops):
    """Compute rows of the product of a banded matrix.

        C[i] ← (C[i] if add else 0) + Σ_k A[i, k] · B[k]     k = starts[i] … stops[i] − 1, in order

    for i = first … last − 1. ``add`` is a literal, 0 or 1; ``starts`` and ``stops`` are 1-D arrays
    of int64; the matrices are those of :func:`multiply`.
    """
    for i in range(first, last):
        product = a[i, starts[i] : stops[i]] @ b[starts[i] : stops[i]]
        c[i] = c[i] + product if add else product


@intrinsic_of(band_product, prefer_literal=True)
def _band_product(typing, add, a, b, c, first, last, starts, stops):
    adds = bool(add.literal_value)
    signature = types.void(add, a, b, c, types.int64, types.int64, starts, stops)

    def generate(context, builder, sig, args):
        matrices = [Matrix(context, builder, sig.args[k], args[k]) for k in (1, 2, 3)]
        first, last = args[4:6]
        starts, stops = (
            context.make_array(sig.args[k])(context, builder, args[k]).data for k in (6, 7)
        )

        def emit(columns):
            def step(k, _):
                row = builder.add(first, k)
                start, stop = (builder.load(builder.gep(ends, [row])) for ends in (starts, stops))
                _tile(builder, matrices, [row], columns, adds, start, stop)
                return []

            loop(builder, builder.sub(last, first), [], step)

        in_groups(builder, matrices[1].n_vectors, _sizes(context).row_vectors, emit)
        return context.get_dummy_value()

    return signature, generate


def _transposed_sums(builder, vectors):
    """Sum the lanes of each of 16 or 4 vectors; the sums are the lanes of the result, in order.

    In each round, two vectors are added into one that holds the partial sums of both: for 16
    vectors, 15 additions instead of 240. A last vector is added in halves. Each sum is taken in the
    order of :func:`~.instructions.sum_lanes`.
    """
    for stretch in (8, 4, 2, 1):
        half = len(vectors) // 2
        pairs = [(vectors[k], vectors[k + half]) for k in range(half)] or [(vectors[0],) * 2]
        n_lanes = vectors[0].type.count if half else vectors[0].type.count // 2
        lower, upper = [], []
        for lane in range(n_lanes):
            pair, place = divmod(lane, stretch)
            source, block = (pair % 2, pair // 2) if half else (0, pair)
            lower.append(source * LANES + block * 2 * stretch + place)
            upper.append(lower[-1] + stretch)
        vectors = [
            builder.fadd(
                *[
                    builder.shuffle_vector(*pair, ir.Constant(ir.VectorType(INT32, n_lanes), lanes))
                    for lanes in (lower, upper)
                ]
            )
            for pair in pairs
        ]
    return vectors[0]


def _dots(builder, a, b, rows, columns):
    """Emit the inner products of rows of A and rows of B, before their lanes are summed."""
    fma = fused_multiply_add(builder)

    def add_products(k, sums):
        place = builder.mul(k, index(LANES))
        left = [a.load(i, place) for i in rows]
        right = [b.load(j, place) for j in columns]
        pairs = [(x, y) for x in left for y in right]
        return [builder.call(fma, [*pair, sums[k]]) for k, pair in enumerate(pairs)]

    starts = [zero_vector(VECTOR)] * (len(rows) * len(columns))
    return loop(builder, a.n_vectors, starts, add_products)


def band_dots(a, b, c, first, last, starts, stops):
    """Store in C the inner products of rows of A and rows of B, negated, in a band.

        C[i, j] ← −Σ_d A[i, d] · B[j, d]     j = starts[i] … stops[i] − 1

    for i = first … last − 1; ``starts`` and ``stops`` are 1-D arrays of int64. The width of A and B
    is a multiple of 16.
    """
    for i in range(first, last):
        band = slice(starts[i], stops[i])
        c[i, band] = -(b[band] @ a[i])


@intrinsic_of(band_dots)
def _band_dots(typing, a, b, c, first, last, starts, stops):
    signature = types.void(a, b, c, types.int64, types.int64, starts, stops)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            Matrix(context, builder, sig.args[k], args[k]) for k in range(3)
        )
        starts, stops = (
            context.make_array(sig.args[k])(context, builder, args[k]).data for k in (5, 6)
        )

        def row_dots(k, _):
            row = builder.add(args[3], k)
            start, stop = (builder.load(builder.gep(ends, [row])) for ends in (starts, stops))
            n = builder.sub(stop, start)

            def four_dots(k, _):
                column = builder.add(start, builder.mul(k, index(4)))
                columns = [builder.add(column, index(j)) for j in range(4)]
                four = _transposed_sums(builder, _dots(builder, matrix_a, matrix_b, [row], columns))
                matrix_c.store(row, column, builder.fneg(four))
                return []

            def one_dot(k, _):
                column = builder.sub(builder.sub(stop, k), index(1))
                (one,) = _dots(builder, matrix_a, matrix_b, [row], [column])
                matrix_c.store(row, column, builder.fneg(sum_lanes(builder, one)))
                return []

            loop(builder, builder.lshr(n, index(2)), [], four_dots)
            loop(builder, builder.and_(n, index(3)), [], one_dot)
            return []

        loop(builder, builder.sub(args[4], args[3]), [], row_dots)
        return context.get_dummy_value()

    return signature, generate


def dot_tile(a, b, c, row, column):
    """Store in C the inner products of four rows of A with four rows of B.

        C[i, j] ← Σ_d A[i, d] · B[j, d]       i = row … row + 3, j = column … column + 3

    The width of A and B is a multiple of 16.
    """
    rows, columns = slice(row, row + 4), slice(column, column + 4)
    c[rows, columns] = a[rows] @ b[columns].T


@intrinsic_of(dot_tile)
def _dot_tile(typing, a, b, c, row, column):
    signature = types.void(a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            Matrix(context, builder, sig.args[k], args[k]) for k in range(3)
        )
        rows = [builder.add(args[3], index(k)) for k in range(4)]
        columns = [builder.add(args[4], index(k)) for k in range(4)]
        size = _sizes(context).dots
        sums = [zero_vector(VECTOR)] * 16
        for i, j in itertools.product(range(0, 4, size), repeat=2):
            part = rows[i : i + size], columns[j : j + size]
            dots = iter(_dots(builder, matrix_a, matrix_b, *part))
            for k, n in itertools.product(range(i, i + size), range(j, j + size)):
                sums[4 * k + n] = next(dots)
        sums = _transposed_sums(builder, sums)
        for k, i in enumerate(rows):
            lanes = ir.Constant(ir.VectorType(INT32, 4), [4 * k + n for n in range(4)])
            quarter = builder.shuffle_vector(sums, sums, lanes)
            place = matrix_c.part(i, args[4], ir.VectorType(FLOAT, 4))
            builder.store(quarter, place, align=4)
        return context.get_dummy_value()

    return signature, generate

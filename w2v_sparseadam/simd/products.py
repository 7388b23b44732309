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
    row_vectors: int  # of each of two rows of a banded product
    dots: int  # rows of A, and of B, whose inner products are taken at once


_AVX512 = _Sizes(8, 3, 8, 4)  # 32 registers of 16 floats: 24 sums and 3 vectors of a tile
_OTHERS = _Sizes(4, 1, 3, 2)  # AVX2 has 16 registers of 8 floats: 12 sums of two rows


def _sizes(context):
    """Return what suits the processor that code is generated for."""
    features = context.codegen().magic_tuple()[2]
    return _AVX512 if "+avx512f" in features else _OTHERS


def _add_products(builder, matrices, rows, columns, ends, sums):
    """Emit ``sums`` + Σ_k A[rows, k] · B[k, columns] for the k from ``ends[0]`` to ``ends[1]``."""
    a, b, _ = matrices
    fma = fused_multiply_add(builder)

    def step(k, sums):
        k = builder.add(ends[0], k)
        vectors = [b.load(k, column) for column in columns]
        results: list[ir.Value] = []
        for row in rows:
            factor = broadcast(builder, a.number(row, k))
            for vector in vectors:
                results.append(builder.call(fma, [factor, vector, sums[len(results)]]))
        return results

    return loop(builder, builder.sub(ends[1], ends[0]), sums, step)


def _sums_of(builder, c, rows, columns, adds):
    """Return what the sums of C[rows, columns] start from: C itself if ``adds``, or 0."""
    places = itertools.product(rows, columns)
    return [c.load(*place) if adds else zero_vector(VECTOR) for place in places]


def _store_sums(c, rows, columns, sums):
    for place, value in zip(itertools.product(rows, columns), sums, strict=True):
        c.store(*place, value)


def _tile(builder, matrices, rows, columns, adds, ends):
    """Emit C[rows, columns] = (C if ``adds`` else 0) + Σ_k A[rows, k] · B[k, columns]."""
    c = matrices[2]
    sums = _sums_of(builder, c, rows, columns, adds)
    sums = _add_products(builder, matrices, rows, columns, ends, sums)
    _store_sums(c, rows, columns, sums)


class _Pair(NamedTuple):
    """Two rows of a band: what only one of them has, before and after what both have."""

    before: list[tuple[ir.Value, ir.Value]]  # of each row, a first column and one past the last
    both: tuple[ir.Value, ir.Value]
    after: list[tuple[ir.Value, ir.Value]]

    @classmethod
    def of(cls, builder, starts, stops):
        """Cut the two ranges, each of which may be empty."""

        def extreme(sign, x, y):
            return builder.select(builder.icmp_signed(sign, x, y), x, y)

        first = extreme(">", *starts)
        last = extreme(">", first, extreme("<", *stops))
        before = [
            (start, extreme("<", first, stop)) for start, stop in zip(starts, stops, strict=True)
        ]
        after = [
            (extreme(">", last, start), stop) for start, stop in zip(starts, stops, strict=True)
        ]
        return cls(before, (first, last), after)


def _pair_tile(builder, matrices, rows, columns, adds, pair):
    """Emit two rows of a banded product: vectors of B that both need are loaded once."""
    c, n = matrices[2], len(columns)
    sums = _sums_of(builder, c, rows, columns, adds)

    def add_each(ranges):
        for k, row in enumerate(rows):
            own = slice(k * n, (k + 1) * n)
            sums[own] = _add_products(builder, matrices, [row], columns, ranges[k], sums[own])

    add_each(pair.before)
    sums = _add_products(builder, matrices, rows, columns, pair.both, sums)
    add_each(pair.after)
    _store_sums(c, rows, columns, sums)


def _each_pair(builder, first, last, ends, two_rows, one_row):
    """Emit code for rows ``first`` to ``last`` − 1 of a band, two by two, and for a last one.

    ``ends`` are the addresses of where each row starts and stops; ``two_rows`` and ``one_row`` take
    the rows and their ranges.
    """

    def ranges_of(rows):
        return [[builder.load(builder.gep(array, [row])) for row in rows] for array in ends]

    def step(k, _):
        row = builder.add(first, builder.mul(k, index(2)))
        rows = [row, builder.add(row, index(1))]
        two_rows(rows, _Pair.of(builder, *ranges_of(rows)))
        return []

    def last_step(_, __):
        row = builder.sub(last, index(1))
        ((start,), (stop,)) = ranges_of([row])
        one_row(row, (start, stop))
        return []

    n_rows = builder.sub(last, first)
    loop(builder, builder.lshr(n_rows, index(1)), [], step)
    loop(builder, builder.and_(n_rows, index(1)), [], last_step)


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
                lambda columns: _tile(builder, matrices, rows, columns, False, (index(0), n)),
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
        ends = [context.make_array(sig.args[k])(context, builder, args[k]).data for k in (6, 7)]

        def emit(columns):
            def two_rows(rows, pair):
                _pair_tile(builder, matrices, rows, columns, adds, pair)

            def one_row(row, range_):
                _tile(builder, matrices, [row], columns, adds, range_)

            _each_pair(builder, first, last, ends, two_rows, one_row)

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
        ends = [context.make_array(sig.args[k])(context, builder, args[k]).data for k in (5, 6)]

        def dots_of(rows, range_, width):
            """Emit the dots of some rows with all B[j] of a range, ``width`` of them at once."""

            def some_dots(k, _):
                column = builder.add(range_[0], builder.mul(k, index(width)))
                columns = [builder.add(column, index(j)) for j in range(width)]
                dots = _dots(builder, matrix_a, matrix_b, rows, columns)
                _store_dots(builder, matrix_c, rows, column, dots)
                return []

            n = builder.sdiv(builder.sub(range_[1], range_[0]), index(width))
            loop(builder, n, [], some_dots)
            return builder.add(range_[0], builder.mul(n, index(width))), range_[1]

        def one_row(row, range_):
            dots_of([row], dots_of([row], range_, 4), 1)

        def two_rows(rows, pair):
            for ranges in pair.before, pair.after:
                for row, range_ in zip(rows, ranges, strict=True):
                    dots_of([row], range_, 1)
            dots_of(rows, dots_of(rows, dots_of(rows, pair.both, 4), 2), 1)

        _each_pair(builder, args[3], args[4], ends, two_rows, one_row)
        return context.get_dummy_value()

    return signature, generate


def _store_dots(builder, c, rows, column, dots):
    """Emit C[rows, columns] = − the sums of the lanes of each of the dots, of 1, 2, 4 or 8."""
    n = len(dots) // len(rows)
    if len(dots) == 1:
        c.store(rows[0], column, builder.fneg(sum_lanes(builder, dots[0])))
        return
    sums = builder.fneg(_transposed_sums(builder, dots))
    for k, row in enumerate(rows):
        lanes = ir.Constant(ir.VectorType(INT32, n), list(range(k * n, (k + 1) * n)))
        c.store(row, column, builder.shuffle_vector(sums, sums, lanes))


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

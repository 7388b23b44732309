"""Matrix products inside kernels.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from .arrays import LANES
from .instructions import (
    FLOAT,
    INT32,
    ROW_VECTORS,
    VECTOR,
    Matrix,
    broadcast,
    fused_multiply_add,
    index,
    loop,
    vector_columns,
    zero_vector,
)

_TILE_ROWS, _TILE_VECTORS = 8, 3  # 24 sums and 3 vectors in the 32 registers of AVX-512


def _tile(builder, a, b, c, rows, columns, adds, first, last):
    """Emit C[rows, columns] = (C if ``adds`` else 0) + Σ_k A[rows, k] · B[k, columns]."""
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


@intrinsic
def _multiply(typing, width, a, b, c, n_rows, n):
    signature = types.void(width, a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrices = [Matrix(context, builder, sig.args[k], args[k]) for k in (1, 2, 3)]
        n_rows, n = args[4:]

        def step(k, _):
            row = builder.mul(k, index(_TILE_ROWS))
            rows = [builder.add(row, index(r)) for r in range(_TILE_ROWS)]
            for columns in vector_columns(width, _TILE_VECTORS):
                _tile(builder, *matrices, rows, columns, False, index(0), n)
            return []

        loop(builder, builder.udiv(n_rows, index(_TILE_ROWS)), [], step)
        return context.get_dummy_value()

    return signature, generate


def multiply(width, a, b, c, n_rows, n):
    """Compute a matrix product: C[:n_rows] ← A[:n_rows, :n] · B[:n], summed in the order of n.

    Parameters
    ----------
    width : tuple
        :func:`width_of` the rows of B and C.
    a, b, c : ndarray of float32, 2-D
        The matrices; rows of ``b`` and ``c`` are contiguous. A is read one number at a time, so
        it may be strided or transposed at no cost. ``c`` is written.
    n_rows : int
        Rows, a multiple of 8.
    n : int
        Columns of A, rows of B.
    """
    c[:n_rows] = a[:n_rows, :n] @ b[:n]


@overload(multiply)
def _compiled_multiply(width, a, b, c, n_rows, n):
    return lambda width, a, b, c, n_rows, n: _multiply(width, a, b, c, n_rows, n)


@intrinsic(prefer_literal=True)
def _row_product(typing, width, add, a, b, c, row, first, last):
    adds = bool(add.literal_value)
    signature = types.void(width, add, a, b, c, *[types.int64] * 3)

    def generate(context, builder, sig, args):
        matrices = [Matrix(context, builder, sig.args[k], args[k]) for k in (2, 3, 4)]
        row, first, last = args[5:]
        for columns in vector_columns(width, ROW_VECTORS):
            _tile(builder, *matrices, [row], columns, adds, first, last)
        return context.get_dummy_value()

    return signature, generate


def row_product(width, add, a, b, c, row, first, last):
    """Compute one row of a matrix product.

        C[row] ← (C[row] if add else 0) + Σ_k A[row, k] · B[k]       k = first … last − 1, in order

    ``add`` is a literal, 0 or 1; the matrices are those of :func:`multiply`.
    """
    product = a[row, first:last] @ b[first:last]
    c[row] = c[row] + product if add else product


@overload(row_product, prefer_literal=True)
def _compiled_row_product(width, add, a, b, c, row, first, last):
    def call(width, add, a, b, c, row, first, last):
        _row_product(width, add, a, b, c, row, first, last)

    return call


def _transposed_sums(builder, vectors):
    """Sum the lanes of each of 16 vectors; the sums are the lanes of the result, in order.

    In each of four rounds, two vectors are added into one that holds the partial sums of both:
    15 additions instead of 240.
    """
    for stretch in (8, 4, 2, 1):
        half = len(vectors) // 2
        lower, upper = [], []
        for lane in range(LANES):
            pair, place = divmod(lane, stretch)
            source, block = pair % 2, pair // 2
            lower.append(source * LANES + block * 2 * stretch + place)
            upper.append(lower[-1] + stretch)
        merged = []
        for k in range(half):
            first, second = vectors[k], vectors[k + half]
            parts = [
                builder.shuffle_vector(
                    first, second, ir.Constant(ir.VectorType(INT32, LANES), lanes)
                )
                for lanes in (lower, upper)
            ]
            merged.append(builder.fadd(*parts))
        vectors = merged
    return vectors[0]


@intrinsic
def _dot_tile(typing, width, a, b, c, row, column):
    signature = types.void(width, a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            Matrix(context, builder, sig.args[k], args[k]) for k in (1, 2, 3)
        )
        rows = [builder.add(args[4], index(k)) for k in range(4)]
        columns = [builder.add(args[5], index(k)) for k in range(4)]
        fma, sums = fused_multiply_add(builder), [zero_vector(VECTOR)] * 16
        for place in (index(LANES * v) for v in range(len(width))):
            left = [matrix_a.load(i, place) for i in rows]
            right = [matrix_b.load(j, place) for j in columns]
            pairs = [(x, y) for x in left for y in right]
            sums = [builder.call(fma, [*pair, sums[k]]) for k, pair in enumerate(pairs)]
        return_ = _transposed_sums(builder, sums)
        for k, i in enumerate(rows):
            lanes = ir.Constant(ir.VectorType(INT32, 4), [4 * k + n for n in range(4)])
            quarter = builder.shuffle_vector(return_, return_, lanes)
            place = matrix_c.part(i, args[5], ir.VectorType(FLOAT, 4))
            builder.store(quarter, place, align=4)
        return context.get_dummy_value()

    return signature, generate


def dot_tile(width, a, b, c, row, column):
    """Store in C the inner products of four rows of A with four rows of B.

        C[i, j] ← Σ_d A[i, d] · B[j, d]       i = row … row + 3, j = column … column + 3

    ``width`` is that of A and B.
    """
    rows, columns = slice(row, row + 4), slice(column, column + 4)
    c[rows, columns] = a[rows] @ b[columns].T


@overload(dot_tile)
def _compiled_dot_tile(width, a, b, c, row, column):
    return lambda width, a, b, c, row, column: _dot_tile(width, a, b, c, row, column)

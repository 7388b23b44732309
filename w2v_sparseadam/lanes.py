"""Vectors of 16 floats inside Numba kernels, written in LLVM's own terms.

Numba turns loops into vector code when it can prove enough; a sum it must not reorder, so it
leaves inner products scalar. Here the vectors, the fused multiply-adds and the order of every sum
are spelled out. LLVM splits them to the width of the processor at hand, and the rounding does not
depend on that: the same numbers come out of any processor with fused multiply-add.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

LANES = 16
"""Floats in a vector; padded dimensions and shared negatives are multiples of it."""

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def zeros(*shape: int) -> np.ndarray:
    """Return zeros, float32, that begin on a cache line.

    So do all rows of a width that is a multiple of 16: a vector that straddles two lines costs
    two loads. As with ``numpy.zeros``, memory is not resident before it is written.
    """
    n_bytes = 4 * math.prod(shape)
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(np.float32).reshape(shape)


def _index(value):
    return ir.Constant(_INT64, value)


class _Matrix:
    """A 2-D float32 array seen from inside an intrinsic."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value)
        self.builder = builder
        self.n_columns = cgutils.unpack_tuple(builder, array.shape, 2)[1]
        self._data = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        self._row_step, self._column_step = cgutils.unpack_tuple(builder, array.strides, 2)

    def number(self, row, column):
        """Load an element."""
        offset = self.builder.mul(column, self._column_step)
        return self.builder.load(self._place(row, offset, _FLOAT))

    def part(self, row, column, kind=_VECTOR):
        """Return the address of a stretch of a row, whose numbers must be contiguous."""
        # A constant step, so that the parts of a row differ by constants.
        return self._place(row, self.builder.mul(column, _index(4)), kind)

    def vector(self, row, column):
        """Load 16 floats of a row; rows are aligned to 4 bytes only."""
        return self.builder.load(self.part(row, column), align=4)

    def set_vector(self, row, column, value):
        """Store 16 floats into a row."""
        self.builder.store(value, self.part(row, column), align=4)

    def _place(self, row, offset, kind):
        start = self.builder.gep(self._data, [self.builder.mul(row, self._row_step)])
        return self.builder.bitcast(self.builder.gep(start, [offset]), kind.as_pointer())


def _fma(builder):
    """Return LLVM's fused multiply-add of 16 floats."""
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")


def _zeros(kind):
    return ir.Constant(kind, [0.0] * kind.count)


def _broadcast(builder, scalar):
    lanes = ir.VectorType(_INT32, LANES)
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))


def _fold(builder, vector):
    """Sum the lanes of a vector: upper half onto lower half until one is left."""
    width = vector.type.count
    while width > 1:
        width //= 2
        lanes = ir.VectorType(_INT32, width)
        lower = builder.shuffle_vector(vector, vector, ir.Constant(lanes, list(range(width))))
        upper = builder.shuffle_vector(
            vector, vector, ir.Constant(lanes, list(range(width, 2 * width)))
        )
        vector = builder.fadd(lower, upper)
    return builder.extract_element(vector, ir.Constant(_INT32, 0))


def _loop(builder, n_steps, starts, step):
    """Emit ``for k in range(n_steps)`` that carries the vectors ``starts`` in registers."""
    before = builder.block
    head = builder.append_basic_block("loop.head")
    body = builder.append_basic_block("loop.body")
    done = builder.append_basic_block("loop.done")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(_INT64)
    k.add_incoming(_index(0), before)
    carried = []
    for start in starts:
        value = builder.phi(start.type)
        value.add_incoming(start, before)
        carried.append(value)
    builder.cbranch(builder.icmp_signed("<", k, n_steps), body, done)
    builder.position_at_end(body)
    results = step(k, carried)
    k.add_incoming(builder.add(k, _index(1)), builder.block)
    for value, result in zip(carried, results, strict=True):
        value.add_incoming(result, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return carried


@intrinsic(prefer_literal=True)
def _multiply_tile(typing, n_rows, n_vectors, add, a, b, c, row, column, first, last):
    rows, vectors, adds = n_rows.literal_value, n_vectors.literal_value, add.literal_value
    signature = types.void(n_rows, n_vectors, add, a, b, c, *[types.int64] * 4)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            _Matrix(context, builder, sig.args[k], args[k]) for k in (3, 4, 5)
        )
        row, column, first, last = args[6:]
        tile_rows = [builder.add(row, _index(r)) for r in range(rows)]
        tile_columns = [builder.add(column, _index(LANES * v)) for v in range(vectors)]
        places = [(r, v) for r in tile_rows for v in tile_columns]
        fma = _fma(builder)
        if adds:
            starts = [matrix_c.vector(*place) for place in places]
        else:
            starts = [_zeros(_VECTOR)] * len(places)

        def step(k, sums):
            k = builder.add(first, k)
            b_vectors = [matrix_b.vector(k, v) for v in tile_columns]
            results: list[ir.Value] = []
            for r in tile_rows:
                factor = _broadcast(builder, matrix_a.number(r, k))
                for b_vector in b_vectors:
                    results.append(builder.call(fma, [factor, b_vector, sums[len(results)]]))
            return results

        sums = _loop(builder, builder.sub(last, first), starts, step)
        for place, value in zip(places, sums, strict=True):
            matrix_c.set_vector(*place, value)
        return context.get_dummy_value()

    return signature, generate


def multiply_tile(n_rows, n_vectors, add, a, b, c, row, column, first, last):
    """Compute one tile of a matrix product C = A B, which stays in registers meanwhile.

        C[i, j] ← (C[i, j] if add else 0) + Σ_k A[i, k] · B[k, j]     k = first … last − 1, in order

    for the rows i = row … row + n_rows − 1 and columns j = column … column + 16 n_vectors − 1.
    A is read one number at a time, so it may be strided or transposed at no cost; B and C are
    read and written in vectors of 16.

    Parameters
    ----------
    n_rows, n_vectors, add : int literal
        Height of the tile, its width in vectors, and 1 to add to what C holds.
    a, b, c : ndarray of float32, 2-D
        The matrices; rows of ``b`` and ``c`` are contiguous. ``c`` is written.
    row, column, first, last : int
        Where the tile begins, and the range of the sum.
    """
    rows = slice(row, row + n_rows)
    columns = slice(column, column + LANES * n_vectors)
    product = a[rows, first:last] @ b[first:last, columns]
    c[rows, columns] = c[rows, columns] + product if add else product


@overload(multiply_tile, prefer_literal=True)
def _compiled_multiply_tile(n_rows, n_vectors, add, a, b, c, row, column, first, last):
    def call(n_rows, n_vectors, add, a, b, c, row, column, first, last):
        _multiply_tile(n_rows, n_vectors, add, a, b, c, row, column, first, last)

    return call


@intrinsic
def _dot(typing, a, i, b, j):
    signature = types.float32(a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        left = _Matrix(context, builder, sig.args[0], args[0])
        right = _Matrix(context, builder, sig.args[2], args[2])
        fma = _fma(builder)

        def step(k, sums):
            column = builder.mul(k, _index(LANES))
            factors = left.vector(args[1], column), right.vector(args[3], column)
            return [builder.call(fma, [*factors, sums[0]])]

        n_vectors = builder.lshr(left.n_columns, _index(4))
        return _fold(builder, _loop(builder, n_vectors, [_zeros(_VECTOR)], step)[0])

    return signature, generate


def dot(a, i, b, j):
    """Return the inner product of row i of ``a`` and row j of ``b``, of width a multiple of 16."""
    return np.dot(a[i], b[j])


@overload(dot)
def _compiled_dot(a, i, b, j):
    return lambda a, i, b, j: _dot(a, i, b, j)


def _transposed_sums(builder, vectors):
    """Sum the lanes of each of 16 vectors; the sums are the lanes of the result, in order.

    Halves of two vectors are added into one, four times over, each time with a shorter stretch of
    lanes that belong together, so 15 additions do what one by one would take 240.
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
                    first, second, ir.Constant(ir.VectorType(_INT32, LANES), lanes)
                )
                for lanes in (lower, upper)
            ]
            merged.append(builder.fadd(*parts))
        vectors = merged
    return vectors[0]


@intrinsic
def _dot_tile(typing, a, b, c, row, column):
    signature = types.void(a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            _Matrix(context, builder, sig.args[k], args[k]) for k in range(3)
        )
        rows = [builder.add(args[3], _index(k)) for k in range(4)]
        columns = [builder.add(args[4], _index(k)) for k in range(4)]
        fma = _fma(builder)

        def step(k, sums):
            place = builder.mul(k, _index(LANES))
            left = [matrix_a.vector(i, place) for i in rows]
            right = [matrix_b.vector(j, place) for j in columns]
            pairs = [(x, y) for x in left for y in right]
            return [builder.call(fma, [*pair, sums[k]]) for k, pair in enumerate(pairs)]

        n_vectors = builder.lshr(matrix_a.n_columns, _index(4))
        sums = _loop(builder, n_vectors, [_zeros(_VECTOR)] * 16, step)
        return_ = _transposed_sums(builder, sums)
        for k, i in enumerate(rows):
            lanes = ir.Constant(ir.VectorType(_INT32, 4), [4 * k + n for n in range(4)])
            quarter = builder.shuffle_vector(return_, return_, lanes)
            place = matrix_c.part(i, args[4], ir.VectorType(_FLOAT, 4))
            builder.store(quarter, place, align=4)
        return context.get_dummy_value()

    return signature, generate


def dot_tile(a, b, c, row, column):
    """Put into C the inner products of four rows of A with four rows of B.

        C[i, j] ← Σ_d A[i, d] · B[j, d]       i = row … row + 3, j = column … column + 3

    The width of A and B is a multiple of 16.
    """
    rows, columns = slice(row, row + 4), slice(column, column + 4)
    c[rows, columns] = a[rows] @ b[columns].T


@overload(dot_tile)
def _compiled_dot_tile(a, b, c, row, column):
    return lambda a, b, c, row, column: _dot_tile(a, b, c, row, column)


@intrinsic
def _row_sum(typing, a, i):
    signature = types.float64(a, types.int64)

    def generate(context, builder, sig, args):
        matrix = _Matrix(context, builder, sig.args[0], args[0])

        def step(k, sums):
            part = matrix.vector(args[1], builder.mul(k, _index(LANES)))
            return [builder.fadd(sums[0], builder.fpext(part, _DOUBLES))]

        n_vectors = builder.lshr(matrix.n_columns, _index(4))
        return _fold(builder, _loop(builder, n_vectors, [_zeros(_DOUBLES)], step)[0])

    return signature, generate


def row_sum(a, i):
    """Return the sum of row i of ``a`` in float64; its width is a multiple of 16."""
    return np.sum(a[i], dtype=np.float64)


@overload(row_sum)
def _compiled_row_sum(a, i):
    return lambda a, i: _row_sum(a, i)


@intrinsic
def _prefetch_row(typing, a, i):
    signature = types.void(a, types.int64)

    def generate(context, builder, sig, args):
        matrix = _Matrix(context, builder, sig.args[0], args[0])
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT32, _INT32, _INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        hints = _INT32(0), _INT32(3), _INT32(1)

        def step(k, _):
            place = matrix.part(args[1], builder.mul(k, _index(LANES)), ir.IntType(8))
            builder.call(prefetch, [place, *hints])
            return []

        _loop(builder, builder.lshr(matrix.n_columns, _index(4)), [], step)
        return context.get_dummy_value()

    return signature, generate


def prefetch_row(a, i):
    """Ask the processor to fetch row i of ``a``, which will be read soon."""


@overload(prefetch_row)
def _compiled_prefetch_row(a, i):
    return lambda a, i: _prefetch_row(a, i)

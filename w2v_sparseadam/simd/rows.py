"""Operations on rows inside kernels: copy, inner product, sum and prefetch.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload

from .arrays import LANES
from .instructions import (
    DOUBLES,
    INT32,
    ROW_VECTORS,
    VECTOR,
    Matrix,
    fused_multiply_add,
    index,
    loop,
    sum_lanes,
    vector_columns,
    zero_vector,
)


@intrinsic
def _copy_row(typing, width, a, i, b, j):
    signature = types.void(width, a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        source = Matrix(context, builder, sig.args[1], args[1])
        target = Matrix(context, builder, sig.args[3], args[3])
        for columns in vector_columns(width, ROW_VECTORS):
            vectors = [source.load(args[2], column) for column in columns]
            for column, vector in zip(columns, vectors, strict=True):
                target.store(args[4], column, vector)
        return context.get_dummy_value()

    return signature, generate


def copy_row(width, a, i, b, j):
    """Copy row i of ``a`` to row j of ``b``."""
    b[j] = a[i]


@overload(copy_row)
def _compiled_copy_row(width, a, i, b, j):
    return lambda width, a, i, b, j: _copy_row(width, a, i, b, j)


@intrinsic
def _dot(typing, width, a, i, b, j):
    signature = types.float32(width, a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        left = Matrix(context, builder, sig.args[1], args[1])
        right = Matrix(context, builder, sig.args[3], args[3])
        fma, total = fused_multiply_add(builder), zero_vector(VECTOR)
        for column in (index(LANES * v) for v in range(len(width))):
            factors = left.load(args[2], column), right.load(args[4], column)
            total = builder.call(fma, [*factors, total])
        return sum_lanes(builder, total)

    return signature, generate


def dot(width, a, i, b, j):
    """Return the inner product of row i of ``a`` and row j of ``b``, over ``width`` only."""
    n = LANES * len(width)
    return np.dot(a[i, :n], b[j, :n])


@overload(dot)
def _compiled_dot(width, a, i, b, j):
    return lambda width, a, i, b, j: _dot(width, a, i, b, j)


@intrinsic
def _row_sum(typing, a, i):
    signature = types.float64(a, types.int64)

    def generate(context, builder, sig, args):
        matrix = Matrix(context, builder, sig.args[0], args[0])

        def step(k, sums):
            part = matrix.load(args[1], builder.mul(k, index(LANES)))
            return [builder.fadd(sums[0], builder.fpext(part, DOUBLES))]

        n_vectors = builder.lshr(matrix.n_columns, index(4))
        return sum_lanes(builder, loop(builder, n_vectors, [zero_vector(DOUBLES)], step)[0])

    return signature, generate


def row_sum(a, i):
    """Return the sum of row i of ``a`` in float64; its width is a multiple of 16."""
    return np.sum(a[i], dtype=np.float64)


@overload(row_sum)
def _compiled_row_sum(a, i):
    return lambda a, i: _row_sum(a, i)


@intrinsic
def _prefetch_row(typing, width, a, i):
    signature = types.void(width, a, types.int64)

    def generate(context, builder, sig, args):
        matrix = Matrix(context, builder, sig.args[1], args[1])
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, INT32, INT32, INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for v in range(len(width)):
            place = matrix.part(args[2], index(LANES * v), ir.IntType(8))
            builder.call(prefetch, [place, INT32(0), INT32(3), INT32(1)])
        return context.get_dummy_value()

    return signature, generate


def prefetch_row(width, a, i):
    """Prefetch row i of ``a``, which will be read soon, into the cache."""


@overload(prefetch_row)
def _compiled_prefetch_row(width, a, i):
    return lambda width, a, i: _prefetch_row(width, a, i)

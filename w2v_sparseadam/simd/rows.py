"""Operations on rows inside kernels: copy, mean, scale, inner product and prefetch.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from .arrays import LANES
from .instructions import (
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


def copy_row(a, i, b, j):
    """Copy row i of ``a`` to row j of ``b``; their width is a multiple of 16."""
    b[j] = a[i]


@intrinsic_of(copy_row)
def _copy_row(typing, a, i, b, j):
    signature = types.void(a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        source = Matrix(context, builder, sig.args[0], args[0])
        target = Matrix(context, builder, sig.args[2], args[2])

        def copy_vector(k, _):
            column = builder.mul(k, index(LANES))
            target.store(args[3], column, source.load(args[1], column))
            return []

        loop(builder, source.n_vectors, [], copy_vector)
        return context.get_dummy_value()

    return signature, generate


def mean_of_rows(own, i, others, rows, first, last, share, out, j):
    """Put a sum of rows, times a number, in row j of ``out``; their width is a multiple of 16.

    The sum is that of row i of ``own`` and the rows of ``others`` whose numbers ``rows`` has from
    ``first`` to ``last`` − 1, in this order.
    """
    total = own[i].copy()
    for row in rows[first:last]:
        total += others[row]
    out[j] = share * total


@intrinsic_of(mean_of_rows)
def _mean_of_rows(typing, own, i, others, rows, first, last, share, out, j):
    whole = types.int64
    signature = types.void(own, whole, others, rows, whole, whole, types.float32, out, whole)

    def generate(context, builder, sig, args):
        _, i, _, _, first, last, share, _, j = args
        own, others, out = (Matrix(context, builder, sig.args[k], args[k]) for k in (0, 2, 7))
        numbers = context.make_array(sig.args[3])(context, builder, args[3]).data
        factor = broadcast(builder, share)

        def take(columns):
            def add_row(k, sums):
                row = builder.load(builder.gep(numbers, [builder.add(first, k)]))
                row = context.cast(builder, row, sig.args[3].dtype, types.int64)
                parts = [others.load(row, column) for column in columns]
                return [builder.fadd(*pair) for pair in zip(sums, parts, strict=True)]

            starts = [own.load(i, column) for column in columns]
            sums = loop(builder, builder.sub(last, first), starts, add_row)
            for column, total in zip(columns, sums, strict=True):
                out.store(j, column, builder.fmul(factor, total))

        in_groups(builder, own.n_vectors, 8, take)
        return context.get_dummy_value()

    return signature, generate


def scale_row(a, i, factor):
    """Multiply row i of ``a`` by a number; its width is a multiple of 16."""
    a[i] *= factor


@intrinsic_of(scale_row)
def _scale_row(typing, a, i, factor):
    signature = types.void(a, types.int64, types.float32)

    def generate(context, builder, sig, args):
        matrix = Matrix(context, builder, sig.args[0], args[0])
        factor = broadcast(builder, args[2])

        def scale_vector(k, _):
            column = builder.mul(k, index(LANES))
            matrix.store(args[1], column, builder.fmul(factor, matrix.load(args[1], column)))
            return []

        loop(builder, matrix.n_vectors, [], scale_vector)
        return context.get_dummy_value()

    return signature, generate


def dot(a, i, b, j):
    """Return the inner product of row i of ``a`` and row j of ``b``, over whole vectors only."""
    n = a.shape[1] // LANES * LANES
    return np.dot(a[i, :n], b[j, :n])


@intrinsic_of(dot)
def _dot(typing, a, i, b, j):
    signature = types.float32(a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        left = Matrix(context, builder, sig.args[0], args[0])
        right = Matrix(context, builder, sig.args[2], args[2])
        fma = fused_multiply_add(builder)

        def add_products(k, sums):
            column = builder.mul(k, index(LANES))
            factors = left.load(args[1], column), right.load(args[3], column)
            return [builder.call(fma, [*factors, *sums])]

        sums = loop(builder, left.n_vectors, [zero_vector(VECTOR)], add_products)
        return sum_lanes(builder, sums[0])

    return signature, generate


def prefetch_row(a, i):
    """Prefetch row i of ``a``, which will be read soon, into the cache."""


@intrinsic_of(prefetch_row)
def _prefetch_row(typing, a, i):
    signature = types.void(a, types.int64)

    def generate(context, builder, sig, args):
        matrix = Matrix(context, builder, sig.args[0], args[0])
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, INT32, INT32, INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")

        def prefetch_vectors(columns):
            for column in columns:
                place = matrix.part(args[1], column, ir.IntType(8))
                builder.call(prefetch, [place, INT32(0), INT32(3), INT32(1)])

        in_groups(builder, matrix.n_vectors, 8, prefetch_vectors)
        return context.get_dummy_value()

    return signature, generate

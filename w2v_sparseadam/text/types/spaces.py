"""Find white space 64 bytes at a time, inside kernels.

Numba does not vectorize a comparison that yields one bit per byte, so it is written as LLVM
instructions here; LLVM splits it to the vector width of the processor. As in
:mod:`w2v_sparseadam.simd.rows`, a Python body runs when the JIT is off.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from ...simd.intrinsics import intrinsic_of

BLOCK = 64
"""Bytes examined at once."""

_INT1, _INT64 = ir.IntType(1), ir.IntType(64)
_BYTES = ir.VectorType(ir.IntType(8), BLOCK)


def _each(byte):
    return ir.Constant(_BYTES, [byte] * BLOCK)


def white_space(data, pos):
    """Return a bit for each byte of ``data[pos:pos + 64]``: whether it is ASCII white space."""
    block = data[int(pos) : int(pos) + BLOCK]
    bits = (block == 32) | ((block >= 9) & (block <= 13))
    return np.packbits(bits, bitorder="little").view("<u8")[0]


@intrinsic_of(white_space)
def _white_space(typing, data, pos):
    def generate(context, builder, signature, args):
        start = context.make_array(signature.args[0])(context, builder, args[0]).data
        place = builder.bitcast(builder.gep(start, [args[1]]), _BYTES.as_pointer())
        block = builder.load(place, align=1)
        space = builder.icmp_unsigned("==", block, _each(32))
        control = builder.icmp_unsigned("<", builder.sub(block, _each(9)), _each(5))  # 9 to 13
        return builder.bitcast(builder.or_(space, control), _INT64)

    return types.uint64(data, pos), generate


def lowest_bit(word):
    """Return the position of the lowest set bit of a 64-bit word, which must not be 0."""
    return np.uint64((int(word) & -int(word)).bit_length() - 1)


@intrinsic_of(lowest_bit)
def _lowest_bit(typing, word):
    def generate(context, builder, signature, args):
        return builder.cttz(args[0], ir.Constant(_INT1, 1))

    return types.uint64(types.uint64), generate


def prefetch(array, k):
    """Prefetch ``array[k]``, which will be read soon, into the cache."""


@intrinsic_of(prefetch)
def _prefetch(typing, array, k):
    def generate(context, builder, signature, args):
        view = context.make_array(signature.args[0])(context, builder, args[0])
        step = cgutils.unpack_tuple(builder, view.strides)[0]
        start = builder.bitcast(view.data, ir.IntType(8).as_pointer())
        place = builder.gep(start, [builder.mul(args[1], step)])
        kind = ir.FunctionType(ir.VoidType(), [place.type] + [ir.IntType(32)] * 3)
        fetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for_reading, near, data = (ir.Constant(ir.IntType(32), n) for n in (0, 3, 1))
        builder.call(fetch, [place, for_reading, near, data])
        return context.get_dummy_value()

    return types.void(array, types.uint64), generate

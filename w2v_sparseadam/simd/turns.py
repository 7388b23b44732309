"""The clock, and giving way to other threads, inside kernels.

As in :mod:`.rows`, a Python body runs when the JIT is off. The calls in compiled code are those of
the C library, where it is one of POSIX.
"""

import os
import time

from llvmlite import ir
from numba import types
from numba.core import cgutils

from .instructions import INT32, INT64, index
from .intrinsics import intrinsic_of

_HAS_POSIX = hasattr(os, "sched_yield") and hasattr(time, "CLOCK_MONOTONIC")


def nanoseconds():
    """Return the time of a clock that never goes back; 0 on a system that is not POSIX."""
    return time.monotonic_ns() if _HAS_POSIX else 0


@intrinsic_of(nanoseconds)
def _nanoseconds(typing):
    def generate(context, builder, signature, args):
        if not _HAS_POSIX:
            return index(0)
        times = ir.LiteralStructType([INT64, INT64])  # seconds and nanoseconds
        place = cgutils.alloca_once(builder, times)
        kind = ir.FunctionType(INT32, [INT32, times.as_pointer()])
        read_clock = cgutils.get_or_insert_function(builder.module, kind, "clock_gettime")
        builder.call(read_clock, [INT32(time.CLOCK_MONOTONIC), place])
        seconds, rest = cgutils.unpack_tuple(builder, builder.load(place), 2)
        return builder.add(builder.mul(seconds, index(10**9)), rest)

    return types.int64(), generate


def give_way():
    """Let another thread that waits for this processor run first, if there is one."""
    if _HAS_POSIX:
        os.sched_yield()


@intrinsic_of(give_way)
def _give_way(typing):
    def generate(context, builder, signature, args):
        if _HAS_POSIX:
            kind = ir.FunctionType(INT32, [])
            builder.call(cgutils.get_or_insert_function(builder.module, kind, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate

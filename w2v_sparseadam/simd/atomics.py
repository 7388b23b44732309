"""Atomic operations inside kernels.

Each works on one element of a 1-D int64 array, with sequential consistency: all threads see all of
these operations in the same order. As in :mod:`.rows`, a Python body runs when the JIT is off.
"""

import threading

from numba import types

from .intrinsics import intrinsic_of

_ORDER = "seq_cst"
_LOCK = threading.Lock()


def _element(context, builder, signature, args):
    data = context.make_array(signature.args[0])(context, builder, args[0]).data
    return builder.gep(data, [args[1]])


def load(array, i):
    """Return ``array[i]``."""
    return array[i]


@intrinsic_of(load)
def _load(typing, array, i):
    def generate(context, builder, signature, args):
        return builder.load_atomic(_element(context, builder, signature, args), _ORDER, 8)

    return types.int64(array, types.int64), generate


def store(array, i, value):
    """Set ``array[i]``."""
    with _LOCK:
        array[i] = value


@intrinsic_of(store)
def _store(typing, array, i, value):
    def generate(context, builder, signature, args):
        builder.store_atomic(args[2], _element(context, builder, signature, args), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), generate


def add(array, i, value):
    """Add to ``array[i]`` and return its old value."""
    with _LOCK:
        old = array[i]
        array[i] = old + value
        return old


@intrinsic_of(add)
def _add(typing, array, i, value):
    def generate(context, builder, signature, args):
        return builder.atomic_rmw(
            "add", _element(context, builder, signature, args), args[2], _ORDER
        )

    return types.int64(array, types.int64, types.int64), generate


def swap(array, i, old, new):
    """Compare and swap: set ``array[i]`` to ``new`` if it is ``old``; return whether it was."""
    with _LOCK:
        same = array[i] == old
        if same:
            array[i] = new
        return same


@intrinsic_of(swap)
def _swap(typing, array, i, old, new):
    def generate(context, builder, signature, args):
        result = builder.cmpxchg(
            _element(context, builder, signature, args), args[2], args[3], _ORDER, _ORDER
        )
        return builder.extract_value(result, 1)

    return types.boolean(array, types.int64, types.int64, types.int64), generate

"""Calls of kernels through pointers, so that their caller is compiled once for all of them.

A kernel that calls another by its name is compiled together with it, and again for each type of
its arguments. Here, the caller knows an address and three whole numbers. All else that the kernel
works on stands in a *frame*, a named tuple bound to it beforehand.
"""

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numba import typeof, types
from numba.core import cgutils
from numba.core.dispatcher import Dispatcher

from .instructions import index
from .intrinsics import intrinsic_of

_NUMBERS = (types.int64,) * 3


class Calls:
    """Kernels with their frames, numbered from 0; it owns what its table points to.

    Parameters
    ----------
    bound : sequence of (kernel, tuple)
        Each kernel, made by :func:`~.kernels.bound_kernel`, takes a pointer to the frame, which
        :func:`frame_of` follows, and three whole numbers, and returns one.

    Attributes
    ----------
    table : ndarray of shape (kernels, 2), int64, or list
        What :func:`call` needs, of each kernel: where its code and its frame are. A list of Python
        functions if the JIT is off.
    """

    def __init__(self, bound: Sequence[tuple[Any, tuple[Any, ...]]]) -> None:
        self._frames: list[Any] = [frame for _, frame in bound]  # whose arrays the pointers need
        self.table: Any = [partial(function, [frame]) for function, frame in bound]
        if all(isinstance(function, Dispatcher) for function, _ in bound):
            structures = [_structure(frame) for frame in self._frames]
            self._frames += structures
            self.table = np.array(
                [
                    (_address(function, typeof(frame)), ctypes.addressof(structure))
                    for (function, frame), structure in zip(bound, structures, strict=True)
                ]
            )


def _address(function: Any, frame: types.Type) -> int:
    """Compile a kernel for a type of frame, and return where its code is."""
    signature = types.CPointer(frame), *_NUMBERS
    function.compile(signature)
    result = function.overloads[signature]
    address: int = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
    return address


def _structure(value: Any) -> Any:
    """Return a copy of a value as Numba lays it out in memory, for ctypes."""
    if isinstance(value, np.ndarray):
        # No owner (twice), numbers in all, bytes of one, address, and shape and strides.
        words = [0, 0, value.size, value.itemsize, value.ctypes.data, *value.shape, *value.strides]
        return (ctypes.c_int64 * len(words))(*words)
    if isinstance(value, tuple):
        parts = [_structure(part) for part in value]
        fields = [(f"field{k}", type(part)) for k, part in enumerate(parts)]
        return type("Frame", (ctypes.Structure,), {"_fields_": fields})(*parts)
    kinds = {bool: ctypes.c_bool, int: ctypes.c_int64, np.float32: ctypes.c_float}
    return kinds[type(value)](value)


def frame_of(pointer):
    """Return the frame that a pointer to one leads to."""
    return pointer[0]


@intrinsic_of(frame_of)
def _frame_of(typing, pointer):
    def generate(context, builder, sig, args):
        return context.unpack_value(builder, sig.return_type, args[0])

    return pointer.dtype(pointer), generate


def call(calls, which, a, b, c):
    """Call a kernel of :class:`Calls` by its number, given the table, and return its result."""
    return calls[which](a, b, c)


@intrinsic_of(call)
def _call(typing, calls, which, a, b, c):
    signature = types.int64(calls, types.int64, *_NUMBERS)

    def generate(context, builder, sig, args):
        table = context.make_array(sig.args[0])(context, builder, args[0]).data
        entry = builder.gep(table, [builder.mul(args[1], index(2))])
        address, frame = (builder.load(builder.gep(entry, [index(k)])) for k in range(2))
        kinds = [types.int64] * 4  # the pointer among them
        function_type = context.call_conv.get_function_type(types.int64, kinds)
        function = builder.inttoptr(address, function_type.as_pointer())
        status, result = context.call_conv.call_function(
            builder, function, types.int64, kinds, [frame, *args[2:]]
        )
        with cgutils.if_unlikely(builder, status.is_error):
            context.call_conv.return_status_propagate(builder, status)
        return result

    return signature, generate

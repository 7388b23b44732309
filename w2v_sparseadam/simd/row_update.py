"""Functions for kernels that update one row by the sum of its gradients."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import lower_builtin, type_callable

from .arithmetic import Value
from .arrays import LANES
from .instructions import (
    FLOAT,
    VECTOR,
    Matrix,
    broadcast,
    in_groups,
    index,
    loop,
)

_MOST = 4  # vectors of a row that are held in registers at once


# Over 60 lines: the generator and what it closes over, a dozen values that parts would hand on.
def row_update(arithmetic: Callable[..., tuple[Any, ...]]) -> Callable[..., None]:
    """Make a function for kernels that sums gradients of a row and updates the row.

    Parameters
    ----------
    arithmetic : callable
        Takes the summed gradient and the arrays' numbers at the same columns, by position, and
        the constants, by keyword; returns the arrays' new numbers. It may use + − * /,
        :func:`root` and :func:`power`. If the JIT is off, it is called with arrays of numbers;
        otherwise once, to generate code.

    Returns
    -------
    callable
        ``update(grads, places, first, last, row, constants, *arrays)`` with the gradients, of
        shape (n, D); their places, of which those from ``first`` to ``last`` − 1 are summed in this
        order (none: the sum is 0); the row; a tuple of the float32 constants in their order (the
        last may be left out if they have defaults); and the arrays, each of shape (V, D), float32,
        whose row is updated in place (the last D mod 16 numbers one by one).
    """
    parameters = inspect.signature(arithmetic).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    n_args = 6 + len(parameters) - len(names) - 1

    def update(grads, places, first, last, row, constants, *arrays):
        grad = np.zeros(grads.shape[1], np.float32)
        for place in places[first:last]:
            grad += grads[place]
        numbers = dict(zip(names, constants, strict=False))
        results = arithmetic(grad, *[a[row] for a in arrays], **numbers)
        for a, result in zip(arrays, results, strict=True):
            a[row] = result

    @type_callable(update)
    def type_of_update(context):
        def typer(*args):
            return types.none

        # Numba would take *args as one tuple.
        places = [
            inspect.Parameter(f"p{k}", inspect.Parameter.POSITIONAL_ONLY) for k in range(n_args)
        ]
        vars(typer)["__signature__"] = inspect.Signature(places)
        return typer

    @lower_builtin(update, types.VarArg(types.Any))
    def generate(context, builder, signature, args):
        kinds = signature.args
        grads = Matrix(context, builder, kinds[0], args[0])
        places = context.make_array(kinds[1])(context, builder, args[1]).data
        first, last, row = (
            context.cast(builder, args[k], kinds[k], types.int64) for k in (2, 3, 4)
        )
        constants = cgutils.unpack_tuple(builder, args[5], len(kinds[5]))
        matrices = [
            Matrix(context, builder, kind, value)
            for kind, value in zip(kinds[6:], args[6:], strict=True)
        ]
        n_summed = builder.sub(last, first)

        def move(columns, kind):
            """Update the row at some columns: in whole vectors, or one number."""

            def add_place(k, sums):
                place = builder.load(builder.gep(places, [builder.add(first, k)]))
                place = context.cast(builder, place, kinds[1].dtype, types.int64)
                parts = [grads.load(place, column, kind) for column in columns]
                return [builder.fadd(*pair) for pair in zip(sums, parts, strict=True)]

            zero = ir.Constant(kind, [0.0] * LANES if kind is VECTOR else 0.0)
            numbers = {}
            for name, constant in zip(names, constants, strict=False):
                number = broadcast(builder, constant) if kind is VECTOR else constant
                numbers[name] = Value(builder, number)
            sums = loop(builder, n_summed, [zero] * len(columns), add_place)
            for column, grad in zip(columns, sums, strict=True):
                values = [grad, *(matrix.load(row, column, kind) for matrix in matrices)]
                results = arithmetic(*[Value(builder, value) for value in values], **numbers)
                for matrix, result in zip(matrices, results, strict=True):
                    matrix.store(row, column, result.value)

        def move_one(k, _):
            move([builder.add(done, k)], FLOAT)
            return []

        in_groups(builder, grads.n_vectors, _MOST, lambda columns: move(columns, VECTOR))
        done = builder.mul(grads.n_vectors, index(LANES))
        loop(builder, builder.sub(grads.n_columns, done), [], move_one)
        return context.get_dummy_value()

    return update

"""The logistic function inside kernels, and the loss that it is the derivative of."""

import math

import numpy as np
from llvmlite import ir
from numba import types

from .arithmetic import Value
from .arrays import LANES
from .instructions import DOUBLES, VECTOR, Matrix, index, loop, sum_lanes, zero_vector
from .intrinsics import intrinsic_of

# log2(1 + f) / f on [√½ − 1, √2 − 1], interpolated at Chebyshev nodes; the highest power first.
_LOG2_OF_MORE = (
    0.1261484659887119,
    -0.2074210351361951,
    0.21566985910554687,
    -0.23892033981124436,
    0.2879183244571933,
    -0.3607048280966736,
    0.4809106099458368,
    -0.721347333359899,
    1.4426950037647228,
)


def logistic(scores, weights):
    """Replace each score s of a column by w σ(s), w the column's weight; return a sum of losses.

        scores[k, i] ← w_i σ(s_ki)      Σ_i w_i Σ_k log(1 + exp(s_ki))

    Parameters
    ----------
    scores : ndarray of shape (2 n, 16 m), float32, n at most 60
        A score of −∞ gives exactly 0 and adds nothing.
    weights : ndarray of shape (16 m,), float32

    Returns
    -------
    float
        Each loss is right to about 1e-6 · n, each σ relatively to about 4e-7.
    """
    with np.errstate(invalid="ignore"):  # of NaN, which is the result
        losses = np.logaddexp(scores, np.float32(0)).sum(axis=0, dtype=np.float64)
        scores[:] = weights * np.exp(-np.logaddexp(-scores, np.float32(0)))
        return float(weights @ losses)


@intrinsic_of(logistic)
def _logistic(typing, scores, weights):
    signature = types.float64(scores, weights)

    def generate(context, builder, sig, args):
        matrix = Matrix(context, builder, sig.args[0], args[0])
        array = context.make_array(sig.args[1])(context, builder, args[1])
        n_pairs = builder.lshr(matrix.n_rows, index(1))
        one = Value(builder, ir.Constant(VECTOR, [1.0] * LANES))
        zero = Value(builder, zero_vector(VECTOR))

        def of_column(k, totals):
            column = builder.mul(k, index(LANES))
            place = builder.bitcast(builder.gep(array.data, [column]), VECTOR.as_pointer())
            weight = Value(builder, builder.load(place, align=4))

            def two_rows(k, carried):
                first = builder.mul(k, index(2))
                rows = first, builder.add(first, index(1))
                values = [Value(builder, matrix.load(row, column)) for row in rows]
                loss, product = (Value(builder, value) for value in carried)
                powers = [_exp_of_minus(value.magnitude()) for value in values]
                # σ(|s|) = 1 / (1 + exp(−|s|)), for both with one division.
                sums = [one + power for power in powers]
                both = sums[0] * sums[1]
                inverse = weight / both
                for row, value, power, other in zip(
                    rows, values, powers, reversed(sums), strict=True
                ):
                    result = inverse * other
                    result = value.where(">=", zero, result, power * result)
                    matrix.store(row, column, result.value)
                    loss = loss + zero.larger(value)  # in this order NaN stays
                return [loss.value, (product * both).value]

            starts = [zero.value, one.value]
            loss, product = (
                Value(builder, value) for value in loop(builder, n_pairs, starts, two_rows)
            )
            # log(1 + exp(s)) = max(s, 0) + log(1 + exp(−|s|)): the logarithms of a product.
            loss = (loss + _log(product)) * weight
            return [builder.fadd(totals[0], builder.fpext(loss.value, DOUBLES))]

        (total,) = loop(builder, matrix.n_vectors, [zero_vector(DOUBLES)], of_column)
        return sum_lanes(builder, total)

    return signature, generate


def _exp_of_minus(size: Value) -> Value:
    """Emit exp(−a) for a ≥ 0, exactly 0 from 87 on; a of NaN counts as 87."""
    power = (size * size.number(-1 / math.log(2))).larger(size.number(-126.0))
    return size.where("<", size.number(87.0), power.exp2(), size.number(0.0))


def _log(x: Value) -> Value:
    """Emit log(x) of normal numbers x ≥ 1 to about 1e-7, and its rounding."""
    exponent, rest = x.split()
    log = rest * rest.polynomial(_LOG2_OF_MORE[:-1], x.number(_LOG2_OF_MORE[-1]))
    return (exponent + log) * x.number(math.log(2))

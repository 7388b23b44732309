"""Python arithmetic that generates vector instructions; see :func:`.row_update`."""

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .arrays import LANES
from .instructions import FLOAT, INT32, fused_multiply_add

_SMALLEST_NORMAL = 2.0**-126
_ROOT_HALF_BITS = 0x3F3504F3  # √½ as float32
_ROUNDING = 1.5 * 2**23
# log2(1 + f) / f on [√½ − 1, √2 − 1], and 2 ** f on [−½, ½], interpolated at Chebyshev nodes;
# the highest power comes first.
_LOG2 = (
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
_EXP2 = (
    1.5403530393381608e-4,
    1.3333558146428443e-3,
    9.618129107628477e-3,
    5.550410866482158e-2,
    2.4022650695910072e-1,
    6.931471805599453e-1,
    1.0,
)


class Value:
    """A vector or a number in generated code; arithmetic on it emits instructions."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self._builder = builder
        self.value = value

    def _emit(self, instruction: str, *values: ir.Value) -> "Value":
        return Value(self._builder, getattr(self._builder, instruction)(*values))

    def __add__(self, other: "Value") -> "Value":
        return self._emit("fadd", self.value, other.value)

    def __sub__(self, other: "Value") -> "Value":
        return self._emit("fsub", self.value, other.value)

    def __mul__(self, other: "Value") -> "Value":
        return self._emit("fmul", self.value, other.value)

    def __truediv__(self, other: "Value") -> "Value":
        return self._emit("fdiv", self.value, other.value)

    def root(self) -> "Value":
        """Emit a square root."""
        kind = self.value.type
        name = "llvm.sqrt.f32" if kind == FLOAT else "llvm.sqrt.v16f32"
        module = self._builder.module
        function = cgutils.get_or_insert_function(module, ir.FunctionType(kind, [kind]), name)
        return self._emit("call", function, [self.value])

    def power(self, exponent: "Value") -> "Value":
        """Emit a power; see the function :func:`power`."""
        builder, kind = self._builder, self.value.type
        is_vector = isinstance(kind, ir.VectorType)
        ints = ir.VectorType(INT32, LANES) if is_vector else INT32

        def number(value: float) -> "Value":
            return Value(builder, ir.Constant(kind, [value] * LANES if is_vector else value))

        def whole(value: int) -> ir.Value:
            return ir.Constant(ints, [value] * LANES if is_vector else value)

        fma = fused_multiply_add(builder, kind)

        def polynomial(x: "Value", coefficients: tuple[float, ...]) -> "Value":
            result = number(coefficients[0]).value
            for coefficient in coefficients[1:]:
                result = builder.call(fma, [result, x.value, number(coefficient).value])
            return Value(builder, result)

        # x = m 2^e with m in [√½, √2), and log2(x) = e + log2(m).
        least = number(_SMALLEST_NORMAL).value
        x = builder.select(builder.fcmp_ordered(">", self.value, least), self.value, least)
        bits = builder.bitcast(x, ints)
        exponents = builder.ashr(builder.sub(bits, whole(_ROOT_HALF_BITS)), whole(23))
        mantissas = builder.sub(bits, builder.shl(exponents, whole(23)))
        rest = Value(builder, builder.bitcast(mantissas, kind)) - number(1.0)
        whole_log = builder.sitofp(exponents, kind)
        log = Value(
            builder, builder.call(fma, [polynomial(rest, _LOG2).value, rest.value, whole_log])
        )
        # Adding 1.5 · 2²³ leaves the nearest whole number in the last bits.
        product, shift = exponent * log, number(_ROUNDING)
        shifted = product + shift
        part = polynomial(product - (shifted - shift), _EXP2).value
        steps = builder.shl(builder.bitcast(shifted.value, ints), whole(23))
        return Value(
            builder, builder.bitcast(builder.add(builder.bitcast(part, ints), steps), kind)
        )


def root(value):
    """Return the square root, in the arithmetic of a :func:`row_update`."""
    return value.root() if isinstance(value, Value) else np.sqrt(value)


def power(value, exponent):
    """Return value ** exponent, likewise, for 0 ≤ exponent ≤ 1, with a relative error below 4e-6.

    Values below 2⁻¹²⁶, the smallest normal number, count as that number.
    """
    if isinstance(value, Value):
        return value.power(exponent)
    return np.power(np.maximum(value, np.float32(_SMALLEST_NORMAL)), exponent)

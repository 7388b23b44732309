"""Python arithmetic that generates vector instructions; see :func:`.row_update`."""

import numpy as np
from llvmlite import ir
from numba.core import cgutils

from .arrays import LANES
from .instructions import FLOAT, INT32, fused_multiply_add

_SMALLEST_NORMAL = 2.0**-126
_FRACTION_BITS = 23
_FRACTION_MASK = 0x007FFFFF
_SIGN_MASK = 0x7FFFFFFF
_ONE_BITS = 0x3F800000
_ROOT_HALF_BITS = 0x3F3504F3  # √½ as float32
_ROUNDING = 1.5 * 2**23
# log2(m) on [1, 2], to 1.3e-5, and 2 ** f on [−½, ½], relatively to 2.6e-6 and 7.5e-8: the largest
# errors are as small as these degrees allow. The highest power comes first.
_LOG2 = (
    0.04487361656762802,
    -0.41656375415445507,
    1.6311490240470505,
    -3.5507933950535047,
    5.091711215575109,
    -2.800364168633766,
)
_EXP2 = (
    0.009570101985272793,
    0.05591786134929988,
    0.24024744834961062,
    0.6931218146114255,
    0.9999992614407923,
)
_EXP2_FINE = (
    0.0013276472066628907,
    0.009675541452513814,
    0.05550713274292663,
    0.24022119721667015,
    0.6931469670636335,
    1.0000000716551203,
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

    def __neg__(self) -> "Value":
        return self._emit("fneg", self.value)

    def number(self, value: float) -> "Value":
        """Return a constant, in as many lanes."""
        kind = self.value.type
        numbers = [value] * LANES if isinstance(kind, ir.VectorType) else value
        return Value(self._builder, ir.Constant(kind, numbers))

    def larger(self, other: "Value") -> "Value":
        """Emit the larger of two; ``other`` where one is NaN."""
        return self.where(">", other, self, other)

    def where(self, sign: str, other: "Value", yes: "Value", no: "Value") -> "Value":
        """Emit a choice by a comparison, which NaN fails."""
        chosen = self._builder.fcmp_ordered(sign, self.value, other.value)
        return self._emit("select", chosen, yes.value, no.value)

    def magnitude(self) -> "Value":
        """Emit the absolute value."""
        builder, (bits, whole) = self._builder, self._bits()
        return self._emit("bitcast", builder.and_(bits, whole(_SIGN_MASK)), self.value.type)

    def polynomial(self, coefficients: tuple[float, ...], last: "Value") -> "Value":
        """Emit a polynomial, whose last coefficient is a Value, in fused steps."""
        fma = fused_multiply_add(self._builder, self.value.type)
        first, *others = [*map(self.number, coefficients), last]
        result = first.value
        for other in others:
            result = self._builder.call(fma, [result, self.value, other.value])
        return Value(self._builder, result)

    def exp2(self, coefficients: tuple[float, ...] = _EXP2_FINE) -> "Value":
        """Emit 2 ** x for x from −126 to 127, relatively to about 2e-7."""
        builder = self._builder
        # Adding 1.5 · 2²³ leaves the nearest whole number in the last bits.
        shift = self.number(_ROUNDING)
        shifted = self + shift
        part = (self - (shifted - shift)).polynomial(
            coefficients[:-1], self.number(coefficients[-1])
        )
        bits, whole = part._bits()
        steps = builder.shl(shifted._bits()[0], whole(_FRACTION_BITS))
        return self._emit("bitcast", builder.add(bits, steps), self.value.type)

    def log2(self) -> "Value":
        """Emit log2(x) of normal numbers above 0, to 1.3e-5 and the rounding of the result."""
        builder, kind, (bits, whole) = self._builder, self.value.type, self._bits()
        # x = m 2^e with m in [1, 2), and log2(x) = e + log2(m); the exponent's bias is 127.
        biased = self._emit("sitofp", builder.lshr(bits, whole(_FRACTION_BITS)), kind)
        fraction = builder.or_(builder.and_(bits, whole(_FRACTION_MASK)), whole(_ONE_BITS))
        last = biased + self.number(_LOG2[-1] - 127)
        return self._emit("bitcast", fraction, kind).polynomial(_LOG2[:-1], last)

    def split(self) -> tuple["Value", "Value"]:
        """Emit e and m − 1 for x = m 2 ** e, m in [√½, √2), of normal numbers above 0."""
        builder, kind, (bits, whole) = self._builder, self.value.type, self._bits()
        exponents = builder.ashr(builder.sub(bits, whole(_ROOT_HALF_BITS)), whole(_FRACTION_BITS))
        fraction = builder.sub(bits, builder.shl(exponents, whole(_FRACTION_BITS)))
        rest = self._emit("bitcast", fraction, kind) - self.number(1.0)
        return self._emit("sitofp", exponents, kind), rest

    def root(self) -> "Value":
        """Emit a square root."""
        kind = self.value.type
        name = "llvm.sqrt.f32" if kind == FLOAT else "llvm.sqrt.v16f32"
        module = self._builder.module
        function = cgutils.get_or_insert_function(module, ir.FunctionType(kind, [kind]), name)
        return self._emit("call", function, [self.value])

    def _bits(self):
        """Return the bits as integers, and a function that makes a constant of their kind."""
        is_vector = isinstance(self.value.type, ir.VectorType)
        ints = ir.VectorType(INT32, LANES) if is_vector else INT32

        def whole(value: int) -> ir.Value:
            return ir.Constant(ints, [value] * LANES if is_vector else value)

        return self._builder.bitcast(self.value, ints), whole


def root(value):
    """Return the square root, in the arithmetic of a :func:`row_update`."""
    return value.root() if isinstance(value, Value) else np.sqrt(value)


def inverse_power(value, exponent, least):
    """Return max(value, least) ** −exponent, likewise, for 0 ≤ exponent ≤ ½ and numbers ≥ 0.

    The relative error is below 1.2e-5, and below 5e-6 up to an exponent of ⅛. ``least`` is at least
    2⁻¹²⁶, the smallest normal number.
    """
    if isinstance(value, Value):
        return (-exponent * value.larger(least).log2()).exp2(_EXP2)
    return np.power(np.maximum(value, least), -exponent)

"""Vectors of 16 floats inside Numba kernels, written in LLVM's own terms.

Numba turns loops into vector code when it can prove enough; a sum it must not reorder, so it
leaves inner products scalar. Here the vectors, the fused multiply-adds and the order of every sum
are spelled out. LLVM splits them to the width of the processor at hand, and the rounding does not
depend on that: the same numbers come out of any processor with fused multiply-add.

Each function has a NumPy body, which runs when the JIT is off, and an intrinsic that replaces it
in compiled code.
"""

import inspect
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, lower_builtin, overload, type_callable

LANES = 16
"""Floats in a vector; padded dimensions and shared negatives are multiples of it."""

_FLOAT = ir.FloatType()
_INT32 = ir.IntType(32)
_INT64 = ir.IntType(64)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def zeros(*shape: int) -> np.ndarray:
    """Return zeros, float32, that begin on a cache line.

    So do all rows of a width that is a multiple of 16: a vector that straddles two lines costs
    two loads. As with ``numpy.zeros``, memory is not resident before it is written. It becomes so
    by pages, 2 MB at a time where NumPy gets huge pages, which make steps over rows in random
    order about twice as fast: rows that are never written cost nothing where they lie together,
    as the rarest words do.
    """
    n_bytes = 4 * math.prod(shape)
    room = np.zeros(n_bytes + 64, np.uint8)
    start = -room.ctypes.data % 64
    return room[start : start + n_bytes].view(np.float32).reshape(shape)


def padded_zeros(n_rows: int, dim: int) -> np.ndarray:
    """Return :func:`zeros` for rows of ``dim`` numbers, padded to whole vectors."""
    return zeros(n_rows, -(-dim // LANES) * LANES)


def _index(value):
    return ir.Constant(_INT64, value)


class _Matrix:
    """A 2-D float32 array seen from inside an intrinsic."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value)
        self.builder = builder
        self.n_columns = cgutils.unpack_tuple(builder, array.shape, 2)[1]
        self._data = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        self._row_step, self._column_step = cgutils.unpack_tuple(builder, array.strides, 2)

    def number(self, row, column):
        """Load an element."""
        offset = self.builder.mul(column, self._column_step)
        return self.builder.load(self._place(row, offset, _FLOAT))

    def part(self, row, column, kind=_VECTOR):
        """Return the address of a stretch of a row, whose numbers must be contiguous."""
        # A constant step, so that the parts of a row differ by constants.
        return self._place(row, self.builder.mul(column, _index(4)), kind)

    def load(self, row, column, kind=_VECTOR):
        """Load 16 floats of a row, or one; rows are aligned to 4 bytes only."""
        return self.builder.load(self.part(row, column, kind), align=4)

    def store(self, row, column, value):
        """Store 16 floats into a row, or one."""
        self.builder.store(value, self.part(row, column, value.type), align=4)

    def _place(self, row, offset, kind):
        start = self.builder.gep(self._data, [self.builder.mul(row, self._row_step)])
        return self.builder.bitcast(self.builder.gep(start, [offset]), kind.as_pointer())


def _fma(builder, kind=_VECTOR):
    """Return LLVM's fused multiply-add of 16 floats, or of one."""
    name = "llvm.fma.v16f32" if kind == _VECTOR else "llvm.fma.f32"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


def _zeros(kind):
    return ir.Constant(kind, [0.0] * kind.count)


def _broadcast(builder, scalar):
    lanes = ir.VectorType(_INT32, LANES)
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(_INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))


def _fold(builder, vector):
    """Sum the lanes of a vector: upper half onto lower half until one is left."""
    width = vector.type.count
    while width > 1:
        width //= 2
        lanes = ir.VectorType(_INT32, width)
        lower = builder.shuffle_vector(vector, vector, ir.Constant(lanes, list(range(width))))
        upper = builder.shuffle_vector(
            vector, vector, ir.Constant(lanes, list(range(width, 2 * width)))
        )
        vector = builder.fadd(lower, upper)
    return builder.extract_element(vector, ir.Constant(_INT32, 0))


def _loop(builder, n_steps, starts, step):
    """Emit ``for k in range(n_steps)`` that carries the vectors ``starts`` in registers."""
    before = builder.block
    head = builder.append_basic_block("loop.head")
    body = builder.append_basic_block("loop.body")
    done = builder.append_basic_block("loop.done")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(_INT64)
    k.add_incoming(_index(0), before)
    carried = []
    for start in starts:
        value = builder.phi(start.type)
        value.add_incoming(start, before)
        carried.append(value)
    builder.cbranch(builder.icmp_signed("<", k, n_steps), body, done)
    builder.position_at_end(body)
    results = step(k, carried)
    k.add_incoming(builder.add(k, _index(1)), builder.block)
    for value, result in zip(carried, results, strict=True):
        value.add_incoming(result, builder.block)
    builder.branch(head)
    builder.position_at_end(done)
    return carried


def width_of(n_dims: int) -> tuple[int, ...]:
    """Return the width of rows of ``n_dims`` numbers, a multiple of 16, for the functions below.

    It is a tuple with an entry for each vector of a row. The length of a tuple is part of its
    type, so compiled code knows it, and needs no loops over a row.
    """
    return (0,) * (n_dims // LANES)


def _columns(width, most):
    """Return where the vectors of a row start, in groups of about equal size up to ``most``."""
    n_groups = -(-len(width) // most)
    bounds = [len(width) * k // n_groups for k in range(n_groups + 1)] if n_groups else []
    return [
        [_index(LANES * v) for v in range(first, last)]
        for first, last in itertools.pairwise(bounds)
    ]


class _Value:
    """A vector or a number while code is generated; arithmetic on it emits instructions."""

    def __init__(self, builder: ir.IRBuilder, value: ir.Value) -> None:
        self._builder = builder
        self.value = value

    def _emit(self, instruction: str, *values: ir.Value) -> "_Value":
        return _Value(self._builder, getattr(self._builder, instruction)(*values))

    def __add__(self, other: "_Value") -> "_Value":
        return self._emit("fadd", self.value, other.value)

    def __sub__(self, other: "_Value") -> "_Value":
        return self._emit("fsub", self.value, other.value)

    def __mul__(self, other: "_Value") -> "_Value":
        return self._emit("fmul", self.value, other.value)

    def __truediv__(self, other: "_Value") -> "_Value":
        return self._emit("fdiv", self.value, other.value)

    def root(self) -> "_Value":
        kind = self.value.type
        name = "llvm.sqrt.f32" if kind == _FLOAT else "llvm.sqrt.v16f32"
        module = self._builder.module
        function = cgutils.get_or_insert_function(module, ir.FunctionType(kind, [kind]), name)
        return self._emit("call", function, [self.value])

    def power(self, exponent: "_Value") -> "_Value":
        builder, kind = self._builder, self.value.type
        is_vector = isinstance(kind, ir.VectorType)
        ints = ir.VectorType(_INT32, LANES) if is_vector else _INT32

        def number(value: float) -> "_Value":
            return _Value(builder, ir.Constant(kind, [value] * LANES if is_vector else value))

        def whole(value: int) -> ir.Value:
            return ir.Constant(ints, [value] * LANES if is_vector else value)

        fma = _fma(builder, kind)

        def polynomial(x: "_Value", coefficients: tuple[float, ...]) -> "_Value":
            result = number(coefficients[0]).value
            for coefficient in coefficients[1:]:
                result = builder.call(fma, [result, x.value, number(coefficient).value])
            return _Value(builder, result)

        # x = m 2^e with m in [√½, √2), and log2(x) = e + log2(m).
        least = number(_SMALLEST_NORMAL).value
        x = builder.select(builder.fcmp_ordered(">", self.value, least), self.value, least)
        bits = builder.bitcast(x, ints)
        exponents = builder.ashr(builder.sub(bits, whole(_ROOT_HALF_BITS)), whole(23))
        mantissas = builder.sub(bits, builder.shl(exponents, whole(23)))
        rest = _Value(builder, builder.bitcast(mantissas, kind)) - number(1.0)
        whole_log = builder.sitofp(exponents, kind)
        log = _Value(
            builder, builder.call(fma, [polynomial(rest, _LOG2).value, rest.value, whole_log])
        )
        # Adding 1.5 · 2²³ leaves the nearest whole number in the last bits.
        product, shift = exponent * log, number(_ROUNDING)
        shifted = product + shift
        part = polynomial(product - (shifted - shift), _EXP2).value
        steps = builder.shl(builder.bitcast(shifted.value, ints), whole(23))
        return _Value(
            builder, builder.bitcast(builder.add(builder.bitcast(part, ints), steps), kind)
        )


_SMALLEST_NORMAL = 2.0**-126
_ROOT_HALF_BITS = 0x3F3504F3  # √½ as float32
_ROUNDING = 1.5 * 2**23
# log2(1 + f) / f on [√½ − 1, √2 − 1], and 2 ** f on [−½, ½], by interpolation at Chebyshev's nodes;
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


def root(value):
    """Return the square root, in the arithmetic of a :func:`row_update`."""
    return value.root() if isinstance(value, _Value) else np.sqrt(value)


def power(value, exponent):
    """Return value ** exponent, likewise, for 0 ≤ exponent ≤ 1, right to about 4e-6.

    Below 2⁻¹²⁶, the smallest normal number, a value counts as that.
    """
    if isinstance(value, _Value):
        return value.power(exponent)
    return np.power(np.maximum(value, np.float32(_SMALLEST_NORMAL)), exponent)


def row_update(arithmetic: Callable[..., tuple[Any, ...]]) -> Callable[..., None]:
    """Make a function for kernels that sums some rows of gradients and moves one row by them.

    Parameters
    ----------
    arithmetic : callable
        Given the gradient's sum and the arrays' numbers at the same columns, by position, and
        the constants, by keyword, returns the arrays' new numbers. It may use + − * /,
        :func:`root` and :func:`power`. It is called with arrays of numbers if the JIT is off,
        otherwise once, to generate code from.

    Returns
    -------
    callable
        ``update(width, grads, places, first, last, row, constants, *arrays)`` with the
        :func:`width_of` the rows (of which D mod 16 more numbers are left), the gradients, shape
        (places, D), the places of which those from ``first`` to ``last`` − 1 are summed in
        this order (none: the sum is 0), a tuple of the float32 constants in their order, of which
        the last may be left out if they have defaults, and the arrays, each of shape (V, D),
        float32, whose row ``row`` is changed in place.
    """
    parameters = inspect.signature(arithmetic).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    n_args = 7 + len(parameters) - len(names) - 1

    def update(width, grads, places, first, last, row, constants, *arrays):
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

        # Numba would take *args for one tuple.
        places = [
            inspect.Parameter(f"p{k}", inspect.Parameter.POSITIONAL_ONLY) for k in range(n_args)
        ]
        vars(typer)["__signature__"] = inspect.Signature(places)
        return typer

    @lower_builtin(update, types.VarArg(types.Any))
    def generate(context, builder, signature, args):
        kinds, args = signature.args[1:], args[1:]
        grads = _Matrix(context, builder, kinds[0], args[0])
        places = context.make_array(kinds[1])(context, builder, args[1]).data
        first, last, row = (
            context.cast(builder, args[k], kinds[k], types.int64) for k in (2, 3, 4)
        )
        constants = cgutils.unpack_tuple(builder, args[5], len(kinds[5]))
        matrices = [
            _Matrix(context, builder, kind, value)
            for kind, value in zip(kinds[6:], args[6:], strict=True)
        ]
        n_summed = builder.sub(last, first)

        def move(columns, kind):
            """Move the numbers at some columns of the row: vectors of them, or one number."""

            def add_place(k, sums):
                place = builder.load(builder.gep(places, [builder.add(first, k)]))
                place = context.cast(builder, place, kinds[1].dtype, types.int64)
                parts = [grads.load(place, column, kind) for column in columns]
                return [builder.fadd(*pair) for pair in zip(sums, parts, strict=True)]

            zero = ir.Constant(kind, [0.0] * LANES if kind is _VECTOR else 0.0)
            numbers = {}
            for name, constant in zip(names, constants, strict=False):
                number = _broadcast(builder, constant) if kind is _VECTOR else constant
                numbers[name] = _Value(builder, number)
            sums = _loop(builder, n_summed, [zero] * len(columns), add_place)
            for column, grad in zip(columns, sums, strict=True):
                values = [grad, *(matrix.load(row, column, kind) for matrix in matrices)]
                results = arithmetic(*[_Value(builder, value) for value in values], **numbers)
                for matrix, result in zip(matrices, results, strict=True):
                    matrix.store(row, column, result.value)

        def move_one(k, _):
            move([builder.add(done, k)], _FLOAT)
            return []

        for columns in _columns(signature.args[0], _ROW_VECTORS):
            move(columns, _VECTOR)
        done = builder.and_(grads.n_columns, _index(-LANES))
        _loop(builder, builder.sub(grads.n_columns, done), [], move_one)
        return context.get_dummy_value()

    return update


def _tile(builder, a, b, c, rows, columns, adds, first, last):
    """Emit C[rows, columns] = (C if ``adds`` else 0) + Σ_k A[rows, k] · B[k, columns]."""
    fma = _fma(builder)
    places = [(row, column) for row in rows for column in columns]
    starts = [c.load(*place) if adds else _zeros(_VECTOR) for place in places]

    def step(k, sums):
        k = builder.add(first, k)
        vectors = [b.load(k, column) for column in columns]
        results: list[ir.Value] = []
        for row in rows:
            factor = _broadcast(builder, a.number(row, k))
            for vector in vectors:
                results.append(builder.call(fma, [factor, vector, sums[len(results)]]))
        return results

    sums = _loop(builder, builder.sub(last, first), starts, step)
    for place, value in zip(places, sums, strict=True):
        c.store(*place, value)


_TILE_ROWS, _TILE_VECTORS = 8, 3  # 24 sums and 3 vectors in the 32 registers of AVX-512
_ROW_VECTORS = 8


@intrinsic
def _multiply(typing, width, a, b, c, n_rows, n):
    signature = types.void(width, a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrices = [_Matrix(context, builder, sig.args[k], args[k]) for k in (1, 2, 3)]
        n_rows, n = args[4:]

        def step(k, _):
            row = builder.mul(k, _index(_TILE_ROWS))
            rows = [builder.add(row, _index(r)) for r in range(_TILE_ROWS)]
            for columns in _columns(width, _TILE_VECTORS):
                _tile(builder, *matrices, rows, columns, False, _index(0), n)
            return []

        _loop(builder, builder.udiv(n_rows, _index(_TILE_ROWS)), [], step)
        return context.get_dummy_value()

    return signature, generate


def multiply(width, a, b, c, n_rows, n):
    """Compute a matrix product: C[:n_rows] ← A[:n_rows, :n] · B[:n], summed in the order of n.

    Parameters
    ----------
    width : tuple
        :func:`width_of` the rows of B and C.
    a, b, c : ndarray of float32, 2-D
        The matrices; rows of ``b`` and ``c`` are contiguous. A is read one number at a time, so
        it may be strided or transposed at no cost. ``c`` is written.
    n_rows : int
        Rows, a multiple of 8.
    n : int
        Columns of A, rows of B.
    """
    c[:n_rows] = a[:n_rows, :n] @ b[:n]


@overload(multiply)
def _compiled_multiply(width, a, b, c, n_rows, n):
    return lambda width, a, b, c, n_rows, n: _multiply(width, a, b, c, n_rows, n)


@intrinsic(prefer_literal=True)
def _row_product(typing, width, add, a, b, c, row, first, last):
    adds = bool(add.literal_value)
    signature = types.void(width, add, a, b, c, *[types.int64] * 3)

    def generate(context, builder, sig, args):
        matrices = [_Matrix(context, builder, sig.args[k], args[k]) for k in (2, 3, 4)]
        row, first, last = args[5:]
        for columns in _columns(width, _ROW_VECTORS):
            _tile(builder, *matrices, [row], columns, adds, first, last)
        return context.get_dummy_value()

    return signature, generate


def row_product(width, add, a, b, c, row, first, last):
    """Compute one row of a matrix product.

        C[row] ← (C[row] if add else 0) + Σ_k A[row, k] · B[k]       k = first … last − 1, in order

    ``add`` is a literal, 0 or 1; the matrices are those of :func:`multiply`.
    """
    product = a[row, first:last] @ b[first:last]
    c[row] = c[row] + product if add else product


@overload(row_product, prefer_literal=True)
def _compiled_row_product(width, add, a, b, c, row, first, last):
    def call(width, add, a, b, c, row, first, last):
        _row_product(width, add, a, b, c, row, first, last)

    return call


@intrinsic
def _copy_row(typing, width, a, i, b, j):
    signature = types.void(width, a, types.int64, b, types.int64)

    def generate(context, builder, sig, args):
        source = _Matrix(context, builder, sig.args[1], args[1])
        target = _Matrix(context, builder, sig.args[3], args[3])
        for columns in _columns(width, _ROW_VECTORS):
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
        left = _Matrix(context, builder, sig.args[1], args[1])
        right = _Matrix(context, builder, sig.args[3], args[3])
        fma, total = _fma(builder), _zeros(_VECTOR)
        for column in (_index(LANES * v) for v in range(len(width))):
            factors = left.load(args[2], column), right.load(args[4], column)
            total = builder.call(fma, [*factors, total])
        return _fold(builder, total)

    return signature, generate


def dot(width, a, i, b, j):
    """Return the inner product of row i of ``a`` and row j of ``b``, as far as ``width`` goes."""
    n = LANES * len(width)
    return np.dot(a[i, :n], b[j, :n])


@overload(dot)
def _compiled_dot(width, a, i, b, j):
    return lambda width, a, i, b, j: _dot(width, a, i, b, j)


def _transposed_sums(builder, vectors):
    """Sum the lanes of each of 16 vectors; the sums are the lanes of the result, in order.

    Halves of two vectors are added into one, four times over, each time with a shorter stretch of
    lanes that belong together, so 15 additions do what one by one would take 240.
    """
    for stretch in (8, 4, 2, 1):
        half = len(vectors) // 2
        lower, upper = [], []
        for lane in range(LANES):
            pair, place = divmod(lane, stretch)
            source, block = pair % 2, pair // 2
            lower.append(source * LANES + block * 2 * stretch + place)
            upper.append(lower[-1] + stretch)
        merged = []
        for k in range(half):
            first, second = vectors[k], vectors[k + half]
            parts = [
                builder.shuffle_vector(
                    first, second, ir.Constant(ir.VectorType(_INT32, LANES), lanes)
                )
                for lanes in (lower, upper)
            ]
            merged.append(builder.fadd(*parts))
        vectors = merged
    return vectors[0]


@intrinsic
def _dot_tile(typing, width, a, b, c, row, column):
    signature = types.void(width, a, b, c, types.int64, types.int64)

    def generate(context, builder, sig, args):
        matrix_a, matrix_b, matrix_c = (
            _Matrix(context, builder, sig.args[k], args[k]) for k in (1, 2, 3)
        )
        rows = [builder.add(args[4], _index(k)) for k in range(4)]
        columns = [builder.add(args[5], _index(k)) for k in range(4)]
        fma, sums = _fma(builder), [_zeros(_VECTOR)] * 16
        for place in (_index(LANES * v) for v in range(len(width))):
            left = [matrix_a.load(i, place) for i in rows]
            right = [matrix_b.load(j, place) for j in columns]
            pairs = [(x, y) for x in left for y in right]
            sums = [builder.call(fma, [*pair, sums[k]]) for k, pair in enumerate(pairs)]
        return_ = _transposed_sums(builder, sums)
        for k, i in enumerate(rows):
            lanes = ir.Constant(ir.VectorType(_INT32, 4), [4 * k + n for n in range(4)])
            quarter = builder.shuffle_vector(return_, return_, lanes)
            place = matrix_c.part(i, args[5], ir.VectorType(_FLOAT, 4))
            builder.store(quarter, place, align=4)
        return context.get_dummy_value()

    return signature, generate


def dot_tile(width, a, b, c, row, column):
    """Put into C the inner products of four rows of A with four rows of B.

        C[i, j] ← Σ_d A[i, d] · B[j, d]       i = row … row + 3, j = column … column + 3

    ``width`` is that of A and B.
    """
    rows, columns = slice(row, row + 4), slice(column, column + 4)
    c[rows, columns] = a[rows] @ b[columns].T


@overload(dot_tile)
def _compiled_dot_tile(width, a, b, c, row, column):
    return lambda width, a, b, c, row, column: _dot_tile(width, a, b, c, row, column)


@intrinsic
def _row_sum(typing, a, i):
    signature = types.float64(a, types.int64)

    def generate(context, builder, sig, args):
        matrix = _Matrix(context, builder, sig.args[0], args[0])

        def step(k, sums):
            part = matrix.load(args[1], builder.mul(k, _index(LANES)))
            return [builder.fadd(sums[0], builder.fpext(part, _DOUBLES))]

        n_vectors = builder.lshr(matrix.n_columns, _index(4))
        return _fold(builder, _loop(builder, n_vectors, [_zeros(_DOUBLES)], step)[0])

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
        matrix = _Matrix(context, builder, sig.args[1], args[1])
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer, _INT32, _INT32, _INT32])
        prefetch = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        for v in range(len(width)):
            place = matrix.part(args[2], _index(LANES * v), ir.IntType(8))
            builder.call(prefetch, [place, _INT32(0), _INT32(3), _INT32(1)])
        return context.get_dummy_value()

    return signature, generate


def prefetch_row(width, a, i):
    """Ask the processor to fetch row i of ``a``, which will be read soon."""


@overload(prefetch_row)
def _compiled_prefetch_row(width, a, i):
    return lambda width, a, i: _prefetch_row(width, a, i)

"""Vectors of 16 floats inside Numba kernels, written as LLVM instructions.

Numba vectorizes loops where it can prove that this is safe; it must not reorder sums, so inner
products stay scalar. Here the vectors, the fused multiply-adds and the order of every sum are
explicit. LLVM splits them to the vector width of the processor, which does not affect rounding:
every processor with fused multiply-add gives the same numbers.
"""

from llvmlite import ir
from numba.core import cgutils

from .arrays import LANES

FLOAT = ir.FloatType()
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
VECTOR = ir.VectorType(FLOAT, LANES)
DOUBLES = ir.VectorType(ir.DoubleType(), LANES)


def index(value):
    """Return an int64 constant."""
    return ir.Constant(INT64, value)


class Matrix:
    """A 2-D float32 array seen from inside an intrinsic."""

    def __init__(self, context, builder, kind, value):
        array = context.make_array(kind)(context, builder, value)
        self.builder = builder
        self.n_rows, self.n_columns = cgutils.unpack_tuple(builder, array.shape, 2)
        self.n_vectors = builder.udiv(self.n_columns, index(LANES))  # whole ones of a row
        self._data = builder.bitcast(array.data, ir.IntType(8).as_pointer())
        self._row_step, self._column_step = cgutils.unpack_tuple(builder, array.strides, 2)

    def number(self, row, column):
        """Load an element."""
        offset = self.builder.mul(column, self._column_step)
        return self.builder.load(self._place(row, offset, FLOAT))

    def part(self, row, column, kind=VECTOR):
        """Return the address of a part of a row, whose numbers must be contiguous."""
        # A constant step, so that the parts of a row differ by constants.
        return self._place(row, self.builder.mul(column, index(4)), kind)

    def load(self, row, column, kind=VECTOR):
        """Load 16 floats of a row, or one; rows are aligned to 4 bytes only."""
        return self.builder.load(self.part(row, column, kind), align=4)

    def store(self, row, column, value):
        """Store 16 floats into a row, or one."""
        self.builder.store(value, self.part(row, column, value.type), align=4)

    def _place(self, row, offset, kind):
        start = self.builder.gep(self._data, [self.builder.mul(row, self._row_step)])
        return self.builder.bitcast(self.builder.gep(start, [offset]), kind.as_pointer())


def fused_multiply_add(builder, kind=VECTOR):
    """Return LLVM's fused multiply-add of 16 floats, or of one."""
    name = "llvm.fma.v16f32" if kind == VECTOR else "llvm.fma.f32"
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)


def zero_vector(kind):
    """Return a vector of zeros."""
    return ir.Constant(kind, [0.0] * kind.count)


def broadcast(builder, scalar):
    """Return a vector that holds a number 16 times."""
    lanes = ir.VectorType(INT32, LANES)
    undefined = ir.Constant(VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(lanes, [0] * LANES))


def sum_lanes(builder, vector):
    """Sum the lanes of a vector: add the upper half to the lower half until one lane is left."""
    width = vector.type.count
    while width > 1:
        width //= 2
        lanes = ir.VectorType(INT32, width)
        lower = builder.shuffle_vector(vector, vector, ir.Constant(lanes, list(range(width))))
        upper = builder.shuffle_vector(
            vector, vector, ir.Constant(lanes, list(range(width, 2 * width)))
        )
        vector = builder.fadd(lower, upper)
    return builder.extract_element(vector, ir.Constant(INT32, 0))


def loop(builder, n_steps, starts, step):
    """Emit ``for k in range(n_steps)`` that carries the vectors ``starts`` in registers."""
    before = builder.block
    head = builder.append_basic_block("loop.head")
    body = builder.append_basic_block("loop.body")
    done = builder.append_basic_block("loop.done")
    builder.branch(head)
    builder.position_at_end(head)
    k = builder.phi(INT64)
    k.add_incoming(index(0), before)
    carried = []
    for start in starts:
        value = builder.phi(start.type)
        value.add_incoming(start, before)
        carried.append(value)
    builder.cbranch(builder.icmp_signed("<", k, n_steps), body, done)
    builder.position_at_end(body)
    results = step(k, carried)
    k.add_incoming(builder.add(k, index(1)), builder.block)
    for value, result in zip(carried, results, strict=True):
        value.add_incoming(result, builder.block)
    _do_not_unroll(builder.branch(head))
    builder.position_at_end(done)
    return carried


def _do_not_unroll(branch):
    """Keep LLVM from unrolling a loop, given the branch back to its head.

    It would for dozens of steps, but a row has few vectors, and the code takes long to compile.
    """
    module = branch.parent.module
    disable = module.add_metadata(["llvm.loop.unroll.disable"])
    # A loop's metadata begins with itself. Nothing else tells two such nodes apart.
    loop_id = module.add_metadata([index(id(branch)), disable])
    loop_id.operands = (loop_id, disable)
    branch.set_metadata("llvm.loop", loop_id)


def in_groups(builder, n_vectors, most, emit):
    """Emit code for all vectors of a row, in groups of ``most`` and one of what remains.

    The number of vectors is known when the code runs, that of a group when it is compiled, so that
    a group may be held in registers. There is code for each size of the remaining group.

    Parameters
    ----------
    builder : IRBuilder
    n_vectors : ir.Value
        Vectors of a row.
    most : int
        Vectors of a group.
    emit : callable
        Takes the columns where the vectors of a group start.
    """

    def columns(start, n):
        return [builder.add(start, index(LANES * v)) for v in range(n)]

    def whole_group(k, _):
        emit(columns(builder.mul(k, index(LANES * most)), most))
        return []

    n_groups, rest = builder.udiv(n_vectors, index(most)), builder.urem(n_vectors, index(most))
    loop(builder, n_groups, [], whole_group)
    start = builder.mul(n_groups, index(LANES * most))
    done = builder.append_basic_block("groups.done")
    switch = builder.switch(rest, done)
    for n in range(1, most):
        block = builder.append_basic_block(f"groups.rest{n}")
        switch.add_case(index(n), block)
        builder.position_at_end(block)
        emit(columns(start, n))
        builder.branch(done)
    builder.position_at_end(done)

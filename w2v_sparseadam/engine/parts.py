"""The parts of a step, compiled apart from the scheduler that calls them.

Each kernel works on a frame that is the same from job to job. The numbers that it takes beside
are those of a plan in the ring and of the part.
"""

from typing import Any, NamedTuple

import numpy as np

from ..objectives.base import chunk_gradients, fill_plan, view_plan
from ..optimizers.base import early_by_rule, move_by_rule, prepare_by_rule
from ..optimizers.groups import Groups, groups_of_ring
from ..simd.calls import Calls, frame_of
from ..simd.kernels import bound_kernel, inlined

# Numbers of the calls. Those of each table follow.
PLAN, GRADIENTS, _TABLES = range(3)


class PlanFrame(NamedTuple):
    """To plan a batch."""

    objective: Any  # its rule
    word_ids: np.ndarray  # (positions,) int32
    ring: Any  # of plans; a step has plan step % size
    keys: np.ndarray  # (ring size, draws) uint64
    scratch: Any


class GradientsFrame(NamedTuple):
    """To compute the gradients of a chunk; of each table, in the tuples."""

    objective: Any
    ring: Any
    params: tuple[np.ndarray, ...]  # (rows, D) float32
    grads: tuple[np.ndarray, ...]  # (places, D) float32
    chunk_losses: np.ndarray  # (chunks,) float64
    scratch: Any


class TableFrame(NamedTuple):
    """To move the rows of a table."""

    rule: Any
    groups: Groups  # a ring of them
    grads: np.ndarray  # (places, D) float32
    scalars: np.ndarray  # (ring size, tables, 6) float64
    table: int
    touches: np.ndarray  # (rows,) uint32: steps in which a row moved; (0,) if nobody counts


@bound_kernel
def _plan(pointer, start, stop, k):
    frame = frame_of(pointer)
    plan = view_plan(frame.objective, frame.ring, k)
    fill_plan(frame.objective, frame.word_ids, start, stop, frame.keys[k], frame.scratch, plan)
    return 0


@bound_kernel
def _gradients(pointer, k, chunk, _):
    frame = frame_of(pointer)
    plan = view_plan(frame.objective, frame.ring, k)
    frame.chunk_losses[chunk] = chunk_gradients(
        frame.objective, frame.params, plan, chunk, frame.scratch, frame.grads
    )
    return 0


@bound_kernel
def _prepare(pointer, k, _, __):
    frame = frame_of(pointer)
    return prepare_by_rule(frame.rule, groups_of_ring(frame.groups, k))


@bound_kernel
def _early(pointer, k, chunk, _):
    frame = frame_of(pointer)
    return early_by_rule(frame.rule, groups_of_ring(frame.groups, k), chunk)


@bound_kernel
def _move(pointer, k, first, last):
    frame = frame_of(pointer)
    groups, scalars = groups_of_ring(frame.groups, k), frame.scalars[k, frame.table]
    move_by_rule(frame.rule, groups, frame.grads, first, last, scalars)
    if frame.touches.size > 0:
        for row in groups.rows[first:last]:
            frame.touches[row] += np.uint32(1)
    return 0


@inlined
def prepare_call(table):
    """Return the number of the call that prepares a table."""
    return _TABLES + 3 * table


@inlined
def early_call(table):
    """Return the number of the call that tells which rows of a table move early."""
    return _TABLES + 3 * table + 1


@inlined
def move_call(table):
    """Return the number of the call that moves rows of a table."""
    return _TABLES + 3 * table + 2


def calls_of(plan: PlanFrame, gradients: GradientsFrame, tables: list[TableFrame]) -> Calls:
    """Return the calls of a thread, which compiles the kernels."""
    of_tables = [(kernel, table) for table in tables for kernel in (_prepare, _early, _move)]
    return Calls([(_plan, plan), (_gradients, gradients), *of_tables])

"""The scheduler: hands out the parts of steps to threads, and opens one phase after another.

Every thread runs :func:`take_part`, a loop that picks the next piece of work by an atomic counter,
until the steps of a job are taken. A step has two phases, each of many parts: the gradients of
its chunks, with the moves of rows that only one chunk needs, and the moves of the other rows. The
thread that finishes the last part of a phase opens the next. While a phase has no parts left to
hand out, threads plan the batches of later steps. No part depends on who does it or when, so
neither do the bytes of the result.
"""

from typing import NamedTuple

import numpy as np

from ..simd.atomics import add, load, store, swap
from ..simd.calls import call
from ..simd.kernels import inlined, kernel
from ..simd.turns import give_way, nanoseconds
from .parts import GRADIENTS, PLAN, early_call, move_call, prepare_call

# Places on the board, each on a cache line of its own if many threads write it. From the last on
# stand, for each table, where the rows that the second phase moves start and end.
_TICKET, _DONE, _NEXT_PLAN, _ENDS = 0, 8, 16, 24

# A ticket is a phase, its number of parts, and the next part to hand out.
_PART_BITS = 20
_PART_MASK = (1 << _PART_BITS) - 1

_ROWS_A_PART = 64
_MOST_PARTS = 4096
_SPINS = 300
_TURN = 1_000_000  # nanoseconds, less than systems let a thread run when others wait


class Shared(NamedTuple):
    """What the calls leave for the scheduler, or find, the same from job to job."""

    n_chunks: np.ndarray  # (ring size, 1) int64, as all that is of plans
    n_tokens: np.ndarray
    n_pairs: np.ndarray
    keys: np.ndarray  # (ring size, draws) uint64
    scalars: np.ndarray  # (ring size, tables, 6) float64
    chunk_losses: np.ndarray  # (chunks,) float64


class Job(NamedTuple):
    """Some consecutive steps, numbered from 0, and what becomes of them."""

    board: np.ndarray  # (_ENDS + 2 · tables,) int64
    planned: np.ndarray  # (ring size,) int64: the step whose plan is ready there
    ranges: np.ndarray  # (steps, 2) int64: first position of the batch, and one past the last
    keys: np.ndarray  # (steps, draws) uint64
    scalars: np.ndarray  # (steps, tables, 6) float64
    losses: np.ndarray  # (steps,) float64: written
    counts: np.ndarray  # (steps, 2) int64: tokens and pairs as a plan counts them, written


@inlined
def _ticket(phase, n_parts):
    return (phase << (2 * _PART_BITS)) | (n_parts << _PART_BITS)


@inlined
def _pieces(n_rows):
    """Return how many rows a part moves, and how many parts there are."""
    size = max(_ROWS_A_PART, (n_rows + _MOST_PARTS - 1) // _MOST_PARTS)
    return size, (n_rows + size - 1) // size


@inlined
def _open_gradients(shared, job, step):
    """Open a step's first phase, if all before it is done and its plan is ready."""
    size = job.planned.size
    if load(job.planned, step % size) == step:
        n_parts = max(1, shared.n_chunks[step % size, 0])
        swap(job.board, _TICKET, _ticket(2 * step, 0), _ticket(2 * step, n_parts))


@inlined
def _plan_ahead(shared, job, calls, step):
    """Plan a batch while ``step`` is being taken; return whether there was one to plan."""
    ahead = load(job.board, _NEXT_PLAN)
    size = job.planned.size
    if ahead >= job.losses.size or ahead >= step + size:
        return False
    if swap(job.board, _NEXT_PLAN, ahead, ahead + 1):
        k = ahead % size
        for draw in range(shared.keys.shape[1]):
            shared.keys[k, draw] = job.keys[ahead, draw]
        for table in range(shared.scalars.shape[1]):
            for scalar in range(shared.scalars.shape[2]):
                shared.scalars[k, table, scalar] = job.scalars[ahead, table, scalar]
        call(calls, PLAN, job.ranges[ahead, 0], job.ranges[ahead, 1], k)
        store(job.planned, k, ahead)
        _open_gradients(shared, job, ahead)
    return True


@inlined
def _do_part(job, calls, phase, part):
    """Compute the gradients of a chunk and move what only it needs, or move some other rows."""
    k = (phase // 2) % job.planned.size
    n_tables = (job.board.size - _ENDS) // 2
    if phase % 2 == 0:
        call(calls, GRADIENTS, k, part, 0)
        for table in range(n_tables):
            first = call(calls, early_call(table), k, part, 0)
            last = call(calls, early_call(table), k, part + 1, 0)
            call(calls, move_call(table), k, first, last)
        return
    for table in range(n_tables):
        start, stop = job.board[_ENDS + 2 * table], job.board[_ENDS + 2 * table + 1]
        size, n_parts = _pieces(stop - start)
        if part < n_parts:
            first = start + part * size
            last = min(first + size, stop)
            call(calls, move_call(table), k, first, last)
            return
        part -= n_parts


@inlined
def _finish_phase(shared, job, calls, phase, ticket):
    """Open the phase after one whose parts are all done, unless the job was ended meanwhile.

    ``ticket`` is what stands on the board as long as nobody has ended the job.
    """
    step = phase // 2
    if phase % 2 == 1:
        swap(job.board, _TICKET, ticket, _ticket(phase + 1, 0))
        if step + 1 < job.losses.size:
            _open_gradients(shared, job, step + 1)
        return
    k = step % job.planned.size
    loss = 0.0
    for chunk in range(shared.n_chunks[k, 0]):
        loss += shared.chunk_losses[chunk]
    job.losses[step] = loss
    job.counts[step, 0] = shared.n_tokens[k, 0]
    job.counts[step, 1] = shared.n_pairs[k, 0]
    n_parts = 0
    for table in range(shared.scalars.shape[1]):
        start = call(calls, early_call(table), k, shared.n_chunks[k, 0], 0)
        stop = call(calls, prepare_call(table), k, 0, 0)
        job.board[_ENDS + 2 * table], job.board[_ENDS + 2 * table + 1] = start, stop
        n_parts += _pieces(stop - start)[1]
    swap(job.board, _TICKET, ticket, _ticket(phase + 1, max(1, n_parts)))


@inlined
def _after_part(since):
    """Give way to other threads, if this one has run for long; return since when it runs.

    One that is put aside amid a part holds up all others, who wait for the part. If it goes
    between two parts, they do what is left of the phase.
    """
    if nanoseconds() - since < _TURN:
        return since
    give_way()
    return nanoseconds()


@kernel
def take_part(shared, job, calls):
    """Do parts of a job as long as there are any.

    Parameters
    ----------
    shared : Shared
    job : Job
    calls : ndarray
        The table of the thread's :class:`~..simd.calls.Calls`.

    Returns
    -------
    int
        -1 when the job is done. Else there is nothing to do for a while, and it is how many parts
        and plans were done before: call again.
    """
    end = 2 * job.losses.size
    n_done = 0
    idle = 0
    since = nanoseconds()
    while idle < _SPINS:
        ticket = load(job.board, _TICKET)
        phase = ticket >> (2 * _PART_BITS)
        if phase == end:
            return -1
        part, n_parts = ticket & _PART_MASK, (ticket >> _PART_BITS) & _PART_MASK
        if part < n_parts:
            # Not by adding: what was seen may be over, and a ticket without parts must not change.
            if swap(job.board, _TICKET, ticket, ticket + 1):
                _do_part(job, calls, phase, part)
                if add(job.board, _DONE, 1) + 1 == n_parts:
                    store(job.board, _DONE, 0)
                    _finish_phase(shared, job, calls, phase, _ticket(phase, n_parts) + n_parts)
                n_done += 1
                since = _after_part(since)
            idle = 0
        elif _plan_ahead(shared, job, calls, phase // 2):
            n_done += 1
            since = _after_part(since)
            idle = 0
        else:
            idle += 1
    return n_done


def new_board(n_tables: int) -> np.ndarray:
    """Return the board of a new job."""
    return np.zeros(_ENDS + 2 * n_tables, np.int64)


def end_job(job: Job) -> None:
    """End a job, whatever is left to do."""
    job.board[_TICKET] = (2 * job.losses.size) << (2 * _PART_BITS)


def has_work(board: np.ndarray, n_steps: int, ring_size: int) -> bool:
    """Whether :func:`take_part` would find a part or a plan to do, or the job at its end."""
    ticket = int(board[_TICKET])
    step = ticket >> (2 * _PART_BITS + 1)
    if step == n_steps or ticket & _PART_MASK < (ticket >> _PART_BITS) & _PART_MASK:
        return True
    return int(board[_NEXT_PLAN]) < min(n_steps, step + ring_size)

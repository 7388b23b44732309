"""The batch engine: plans, gradients and moves of many steps, shared out to threads.

Every thread runs :func:`take_part`, a loop that picks the next piece of work by an atomic counter,
until the steps of a job are taken. A step has two phases, each of many parts: the gradients of
its chunks, and the moves of its rows. Who finishes the last part of a phase opens the next.
While a phase has no parts left to hand out, threads plan the batches of later steps. No part
depends on who does it or when, so neither do the bytes of the result.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..objectives.base import Objective, chunk_gradients, fill_plan, view_plan
from ..optimizers.base import Optimizer, move_by_rule, prepare_by_rule
from ..optimizers.groups import Groups, groups_of_ring
from ..simd.arrays import zeros
from ..simd.atomics import add, load, store, swap
from ..simd.calls import Calls, call, frame_of
from ..simd.kernels import bound_kernel, inlined, kernel
from ..system.workers import Workers
from .stepper import Batch

_MOST_POSITIONS_A_CENTER = 64

# Places on the board, each on a cache line of its own if many threads write it. From the last on
# stand the lengths that the rows of each table are moved in.
_TICKET, _DONE, _NEXT_PLAN, _LENGTHS = 0, 8, 16, 24

# A ticket is a phase, its number of parts, and the next part to hand out.
_PART_BITS = 20
_PART_MASK = (1 << _PART_BITS) - 1

_ROWS_A_PART = 64
_MOST_PARTS = 4096
_SPINS = 300
_FIRST_NAP, _LONGEST_NAP = 50e-6, 20e-3  # seconds


# What the kernels of a call work on, the same from job to job.


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
    scalars: np.ndarray  # (tables, 6) float64: of the step
    table: int


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
def _move(pointer, k, first, last):
    frame = frame_of(pointer)
    groups, scalars = groups_of_ring(frame.groups, k), frame.scalars[frame.table]
    move_by_rule(frame.rule, groups, frame.grads, first, last, scalars)
    return 0


# Numbers of the calls; those of each table follow each other.
_PLAN, _GRADIENTS, _TABLES = range(3)
_PREPARE, _MOVE = range(2)


@inlined
def _call_of_table(table, what):
    return _TABLES + 2 * table + what


class Shared(NamedTuple):
    """What the calls leave for the scheduler, or find, the same from job to job."""

    n_chunks: np.ndarray  # (ring size, 1) int64, as all that is of plans
    n_tokens: np.ndarray
    n_pairs: np.ndarray
    keys: np.ndarray  # (ring size, draws) uint64
    scalars: np.ndarray  # (tables, 6) float64
    chunk_losses: np.ndarray  # (chunks,) float64


class Job(NamedTuple):
    """Some consecutive steps, numbered from 0, and what becomes of them."""

    board: np.ndarray  # (_LENGTHS + tables,) int64
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
        call(calls, _PLAN, job.ranges[ahead, 0], job.ranges[ahead, 1], k)
        store(job.planned, k, ahead)
        _open_gradients(shared, job, ahead)
    return True


@inlined
def _do_part(job, calls, phase, part):
    """Compute the gradients of a chunk, or move some rows."""
    k = (phase // 2) % job.planned.size
    if phase % 2 == 0:
        call(calls, _GRADIENTS, k, part, 0)
        return
    for table in range(job.board.size - _LENGTHS):
        length = job.board[_LENGTHS + table]
        size, n_parts = _pieces(length)
        if part < n_parts:
            first = part * size
            last = min(first + size, length)
            call(calls, _call_of_table(table, _MOVE), k, first, last)
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
    for table in range(job.board.size - _LENGTHS):
        for scalar in range(shared.scalars.shape[1]):
            shared.scalars[table, scalar] = job.scalars[step, table, scalar]
        length = call(calls, _call_of_table(table, _PREPARE), k, 0, 0)
        job.board[_LENGTHS + table] = length
        n_parts += _pieces(length)[1]
    swap(job.board, _TICKET, ticket, _ticket(phase + 1, max(1, n_parts)))


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
            idle = 0
        elif _plan_ahead(shared, job, calls, phase // 2):
            n_done += 1
            idle = 0
        else:
            idle += 1
    return n_done


def has_work(board, n_steps, ring_size):
    """Whether :func:`take_part` would find a part or a plan to do, or the job at its end."""
    ticket = int(board[_TICKET])
    step = ticket >> (2 * _PART_BITS + 1)
    if step == n_steps or ticket & _PART_MASK < (ticket >> _PART_BITS) & _PART_MASK:
        return True
    return int(board[_NEXT_PLAN]) < min(n_steps, step + ring_size)


class Engine:
    """Takes the steps of a run, in any order asked for, each with exact mini-batch gradients.

    An epoch is cut into batches of ``positions`` consecutive positions of the text, so many that
    subsampling is expected to leave ``batch_size`` centers. A batch is therefore known by its
    number alone.

    Parameters
    ----------
    word_ids : ndarray of shape (positions of the text,), int32
        Word ids in [0, V); a negative number ends a sentence.
    objective : Objective
        What is learned.
    optimizers : sequence of Optimizer
        They own the objective's tables, of shape (rows, D), D a multiple of 16; of one kind.
    batch_size : int
        Examples that a batch is expected to have.
    seed : int
        Start of every random draw.
    workers : Workers
        Who does the work.
    first_epoch : int
        What the first epoch counts as in random draws, so that a run which goes on with more text
        repeats none of its own.
    """

    def __init__(
        self,
        word_ids: np.ndarray,
        objective: Objective,
        optimizers: Sequence[Optimizer],
        *,
        batch_size: int,
        seed: int,
        workers: Workers,
        first_epoch: int = 0,
    ) -> None:
        self.tables: Mapping[str, Optimizer] = {
            table.name: optimizer
            for table, optimizer in zip(objective.tables, optimizers, strict=True)
        }
        self._objective = objective
        self._seed, self._first_epoch = seed, first_epoch
        self._last_plan = 0
        self._workers = workers
        n_examples = max(1.0, objective.n_examples())
        positions = np.ceil(batch_size * word_ids.size / n_examples)
        self.positions = int(min(positions, batch_size * _MOST_POSITIONS_A_CENTER))
        self.n_batches = -(-word_ids.size // self.positions)

        # Planning takes a fraction of a step's time: two plans a thread keep all busy.
        capacity = min(self.positions, word_ids.size)
        ring = objective.plans(capacity, 2 * workers.n + 1)
        n_dims = optimizers[0].param.shape[1]
        self._word_ids, self._ring = word_ids, ring
        grads = tuple(zeros(groups.places.shape[-1], n_dims) for groups in ring.groups)
        ring_size = ring.n_chunks.shape[0]
        self._shared = shared = Shared(
            ring.n_chunks,
            ring.n_tokens,
            ring.n_pairs,
            keys=np.zeros((ring_size, len(objective.draws)), np.uint64),
            scalars=np.zeros((len(optimizers), 6)),
            chunk_losses=np.zeros(objective.most_chunks(capacity)),
        )
        params = tuple(optimizer.param for optimizer in optimizers)
        tables = [
            TableFrame(optimizer.rule, ring.groups[k], grads[k], shared.scalars, k)
            for k, optimizer in enumerate(optimizers)
        ]
        rule = objective.rule
        rooms = [
            (objective.scratch(n_dims), objective.plan_scratch(ring)) for _ in range(workers.n)
        ]
        self._buffers = rule, ring, grads, rooms
        self._calls = [
            Calls(
                [
                    (_plan, PlanFrame(rule, word_ids, ring, shared.keys, plan_scratch)),
                    (
                        _gradients,
                        GradientsFrame(rule, ring, params, grads, shared.chunk_losses, scratch),
                    ),
                    *((kernel_, table) for table in tables for kernel_ in (_prepare, _move)),
                ]
            )
            for scratch, plan_scratch in rooms
        ]

    @property
    def buffer_bytes(self) -> int:
        """What is allocated beside the text, the matrices and the optimizers' state."""
        return _count_bytes(self._buffers)

    def has_neighbours(self) -> bool:
        """Whether any word of the text has another beside it in its sentence."""
        ids, size = self._word_ids, 1 << 20
        parts = (ids[k : k + size + 1] >= 0 for k in range(0, ids.size, size))
        return any(bool(np.any(part[:-1] & part[1:])) for part in parts)

    def last_rows(self) -> tuple[np.ndarray, ...]:
        """Return the rows of each table that had a gradient in the last step taken."""
        k = self._last_plan
        return tuple(groups.rows[k, : groups.n_rows[k, 0]] for groups in self._ring.groups)

    def run(self, first_step: int, lrs: Sequence[float]) -> list[Batch]:
        """Take consecutive steps.

        Step number s is batch ``s % n_batches`` of epoch ``s // n_batches``. All gradients of a
        step are taken at the parameters as they are before it.

        Parameters
        ----------
        first_step : int
            Counted from 0 over all epochs.
        lrs : sequence of float
            Learning rate of each step, above 0.

        Returns
        -------
        list of Batch
            One for each step.
        """
        epochs, numbers = np.divmod(first_step + np.arange(len(lrs)), self.n_batches)
        starts = numbers * self.positions
        stops = np.minimum(starts + self.positions, self._word_ids.size)
        keys = {
            epoch: self._objective.keys(self._seed, self._first_epoch + epoch)
            for epoch in set(epochs.tolist())
        }
        ring_size = self._ring.n_chunks.shape[0]
        optimizers = self.tables.values()
        job = Job(
            board=np.zeros(_LENGTHS + len(optimizers), np.int64),
            planned=np.full(ring_size, -1, np.int64),
            ranges=np.stack([starts, stops], axis=1),
            keys=np.array([keys[epoch] for epoch in epochs.tolist()]),
            scalars=np.array([[it.next_scalars(lr) for it in optimizers] for lr in lrs]),
            losses=np.zeros(len(lrs)),
            counts=np.zeros((len(lrs), 2), np.int64),
        )

        def take_part_until_done(worker: int, _: int) -> None:
            try:
                nap = _FIRST_NAP
                while (n_done := take_part(self._shared, job, self._calls[worker].table)) >= 0:
                    if n_done:
                        nap = _FIRST_NAP
                    time.sleep(nap)
                    # Others may need this processor for what this thread waits for.
                    while not has_work(job.board, len(lrs), ring_size):
                        nap = min(2 * nap, _LONGEST_NAP)
                        time.sleep(nap)
            except BaseException:
                # Its part will never be done, so the others would wait for ever: end the job.
                job.board[_TICKET] = (2 * len(lrs)) << (2 * _PART_BITS)
                raise

        self._workers.run(take_part_until_done, self._workers.n)
        self._last_plan = (len(lrs) - 1) % ring_size
        return [
            Batch(n_tokens, n_pairs / self._objective.pair_unit, loss)
            for (n_tokens, n_pairs), loss in zip(
                job.counts.tolist(), job.losses.tolist(), strict=True
            )
        ]


def _count_bytes(part: object) -> int:
    """Sum the sizes of all arrays in nested tuples and lists."""
    if isinstance(part, np.ndarray):
        return part.nbytes if part.flags.forc else 0  # a banded matrix is a view of another array
    return sum(map(_count_bytes, part)) if isinstance(part, tuple | list) else 0

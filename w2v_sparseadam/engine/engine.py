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
from ..optimizers.base import Optimizer, move, prepare
from ..simd.arrays import zeros
from ..simd.atomics import add, load, store, swap
from ..simd.kernels import kernel
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


class Shared(NamedTuple):
    """What all threads work on, the same from job to job; of each table, in the tuples."""

    word_ids: np.ndarray  # (positions,) int32
    objective: Any  # its rule
    ring: Any  # of plans; a step has plan step % size
    rules: tuple[Any, ...]
    params: tuple[np.ndarray, ...]  # (rows, D) float32
    grads: tuple[np.ndarray, ...]  # (places, D) float32
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


class Room(NamedTuple):
    """What one thread has for itself."""

    scratch: Any
    plan_scratch: Any


@kernel
def _ticket(phase, n_parts):
    return (phase << (2 * _PART_BITS)) | (n_parts << _PART_BITS)


@kernel
def _pieces(n_rows):
    """Return how many rows a part moves, and how many parts there are."""
    size = max(_ROWS_A_PART, (n_rows + _MOST_PARTS - 1) // _MOST_PARTS)
    return size, (n_rows + size - 1) // size


@kernel
def _open_gradients(shared, job, step):
    """Open a step's first phase, if all before it is done and its plan is ready."""
    size = job.planned.size
    if load(job.planned, step % size) == step:
        n_parts = max(1, shared.ring.n_chunks[step % size, 0])
        swap(job.board, _TICKET, _ticket(2 * step, 0), _ticket(2 * step, n_parts))


@kernel
def _plan_ahead(shared, job, room, step):
    """Plan a batch while ``step`` is being taken; return whether there was one to plan."""
    ahead = load(job.board, _NEXT_PLAN)
    size = job.planned.size
    if ahead >= job.losses.size or ahead >= step + size:
        return False
    if swap(job.board, _NEXT_PLAN, ahead, ahead + 1):
        fill_plan(
            shared.objective,
            shared.word_ids,
            job.ranges[ahead, 0],
            job.ranges[ahead, 1],
            job.keys[ahead],
            room.plan_scratch,
            view_plan(shared.objective, shared.ring, ahead % size),
        )
        store(job.planned, ahead % size, ahead)
        _open_gradients(shared, job, ahead)
    return True


@kernel
def _do_part(shared, job, room, phase, part):
    """Compute the gradients of a chunk, or move some rows."""
    step = phase // 2
    plan = view_plan(shared.objective, shared.ring, step % job.planned.size)
    if phase % 2 == 0:
        shared.chunk_losses[part] = chunk_gradients(
            shared.objective, shared.params, plan, part, room.scratch, shared.grads
        )
        return
    for table in range(len(shared.rules)):
        length = job.board[_LENGTHS + table]
        size, n_parts = _pieces(length)
        if part < n_parts:
            first = part * size
            last = min(first + size, length)
            rule, groups, grads = shared.rules[table], plan.groups[table], shared.grads[table]
            move(rule, groups, grads, first, last, job.scalars[step, table])
            return
        part -= n_parts


@kernel
def _finish_phase(shared, job, phase, ticket):
    """Open the phase after one whose parts are all done, unless the job was ended meanwhile.

    ``ticket`` is what stands on the board as long as nobody has ended the job.
    """
    step = phase // 2
    if phase % 2 == 1:
        swap(job.board, _TICKET, ticket, _ticket(phase + 1, 0))
        if step + 1 < job.losses.size:
            _open_gradients(shared, job, step + 1)
        return
    plan = view_plan(shared.objective, shared.ring, step % job.planned.size)
    loss = 0.0
    for chunk in range(plan.n_chunks[0]):
        loss += shared.chunk_losses[chunk]
    job.losses[step] = loss
    job.counts[step, 0] = plan.n_tokens[0]
    job.counts[step, 1] = plan.n_pairs[0]
    n_parts = 0
    for table in range(len(shared.rules)):
        length = prepare(shared.rules[table], plan.groups[table])
        job.board[_LENGTHS + table] = length
        n_parts += _pieces(length)[1]
    swap(job.board, _TICKET, ticket, _ticket(phase + 1, max(1, n_parts)))


@kernel
def take_part(shared, job, room):
    """Do parts of a job as long as there are any.

    Parameters
    ----------
    shared : Shared
    job : Job
    room : Room
        No other thread may use it.

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
                _do_part(shared, job, room, phase, part)
                if add(job.board, _DONE, 1) + 1 == n_parts:
                    store(job.board, _DONE, 0)
                    _finish_phase(shared, job, phase, _ticket(phase, n_parts) + n_parts)
                n_done += 1
            idle = 0
        elif _plan_ahead(shared, job, room, phase // 2):
            n_done += 1
            idle = 0
        else:
            idle += 1
    return n_done


@kernel
def has_work(board, n_steps, ring_size):
    """Whether :func:`take_part` would find a part or a plan to do, or the job at its end."""
    ticket = load(board, _TICKET)
    step = ticket >> (2 * _PART_BITS + 1)
    if step == n_steps or ticket & _PART_MASK < (ticket >> _PART_BITS) & _PART_MASK:
        return True
    return load(board, _NEXT_PLAN) < min(n_steps, step + ring_size)


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
        self._shared = Shared(
            word_ids=word_ids,
            objective=objective.rule,
            ring=ring,
            rules=tuple(optimizer.rule for optimizer in optimizers),
            params=tuple(optimizer.param for optimizer in optimizers),
            grads=tuple(zeros(groups.places.shape[-1], n_dims) for groups in ring.groups),
            chunk_losses=np.zeros(objective.most_chunks(capacity)),
        )
        self._rooms = [
            Room(objective.scratch(n_dims), objective.plan_scratch(ring)) for _ in range(workers.n)
        ]

    @property
    def buffer_bytes(self) -> int:
        """What is allocated beside the text, the matrices and the optimizers' state."""
        shared = self._shared
        return _count_bytes((shared.objective, shared.ring, shared.grads, self._rooms))

    def has_neighbours(self) -> bool:
        """Whether any word of the text has another beside it in its sentence."""
        ids, size = self._shared.word_ids, 1 << 20
        parts = (ids[k : k + size + 1] >= 0 for k in range(0, ids.size, size))
        return any(bool(np.any(part[:-1] & part[1:])) for part in parts)

    def last_rows(self) -> tuple[np.ndarray, ...]:
        """Return the rows of each table that had a gradient in the last step taken."""
        k = self._last_plan
        return tuple(groups.rows[k, : groups.n_rows[k, 0]] for groups in self._shared.ring.groups)

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
        stops = np.minimum(starts + self.positions, self._shared.word_ids.size)
        keys = {
            epoch: self._objective.keys(self._seed, self._first_epoch + epoch)
            for epoch in set(epochs.tolist())
        }
        ring_size = self._shared.ring.n_chunks.shape[0]
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
                while (n_done := take_part(self._shared, job, self._rooms[worker])) >= 0:
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

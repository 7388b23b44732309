"""The batch engine: plans, gradients and moves of many steps, shared out to threads.

Every thread runs :func:`take_part`, a loop that picks the next piece of work by an atomic counter,
until the steps of a job are taken. A step has two phases, each of many parts: the gradients of
its chunks, and the moves of its rows. Who finishes the last part of a phase opens the next.
While a phase has no parts left to hand out, threads plan the batches of later steps. No part
depends on who does it or when, so neither do the bytes of the result.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..errors import SettingError
from ..objectives.skip_gram.gradients import Scratch, chunk_gradients
from ..objectives.skip_gram.plan import (
    BLOCK,
    CHUNK,
    BatchPlan,
    PlanScratch,
    Sampler,
    fill_plan,
    plan_of_ring,
)
from ..optimizers.base import Optimizer, move, prepare
from ..simd.arrays import zeros
from ..simd.atomics import add, load, store, swap
from ..simd.kernels import kernel
from ..simd.random import draw_key
from ..system.workers import Workers

SHARED_NEGATIVES = 32
"""Negatives that a block's centers share, a multiple of 16."""

_MOST_POSITIONS_A_CENTER = 64

# Places on the board, each on a cache line of its own if many threads write it.
_TICKET, _DONE, _NEXT_PLAN, _CENTER_ROWS, _CONTEXT_ROWS = 0, 8, 16, 24, 25
_BOARD_SIZE = 32

# A ticket is a phase, its number of parts, and the next part to hand out.
_PART_BITS = 20
_PART_MASK = (1 << _PART_BITS) - 1

_ROWS_A_PART = 64
_MOST_PARTS = 4096
_SPINS = 300
_FIRST_NAP, _LONGEST_NAP = 50e-6, 20e-3  # seconds


class Shared(NamedTuple):
    """What all threads work on, the same from job to job."""

    word_ids: np.ndarray  # (positions,) int32
    sampler: Sampler
    dynamic_window: bool
    weight: np.float32  # K / N
    ring: BatchPlan  # a ring of plans; a step has plan step % size
    center_rule: NamedTuple
    context_rule: NamedTuple
    center_grads: np.ndarray  # (places, D) float32
    context_grads: np.ndarray  # (places, D) float32
    chunk_losses: np.ndarray  # (chunks,) float64


class Job(NamedTuple):
    """Some consecutive steps, numbered from 0, and what becomes of them."""

    board: np.ndarray  # (32,) int64
    planned: np.ndarray  # (ring size,) int64: the step whose plan is ready there
    ranges: np.ndarray  # (steps, 2) int64: first position of the batch, and one past the last
    keys: np.ndarray  # (steps, 2) uint64
    center_scalars: np.ndarray  # (steps, 5) float64
    context_scalars: np.ndarray  # (steps, 5) float64
    losses: np.ndarray  # (steps,) float64: written
    counts: np.ndarray  # (steps, 2) int64: tokens and pairs as a plan counts them, written


class Room(NamedTuple):
    """What one thread has for itself."""

    scratch: Scratch
    plan_scratch: PlanScratch


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
        n_centers = shared.ring.n_centers[step % size, 0]
        n_parts = max(1, (n_centers + CHUNK - 1) // CHUNK)
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
            shared.word_ids,
            job.ranges[ahead, 0],
            job.ranges[ahead, 1],
            shared.sampler,
            job.keys[ahead],
            shared.dynamic_window,
            room.plan_scratch,
            plan_of_ring(shared.ring, ahead % size),
        )
        store(job.planned, ahead % size, ahead)
        _open_gradients(shared, job, ahead)
    return True


@kernel
def _do_part(shared, job, room, phase, part):
    """Compute the gradients of a chunk, or move some rows."""
    step = phase // 2
    plan = plan_of_ring(shared.ring, step % job.planned.size)
    if phase % 2 == 0:
        shared.chunk_losses[part] = chunk_gradients(
            shared.center_rule.param,
            shared.context_rule.param,
            plan,
            part,
            shared.weight,
            room.scratch,
            shared.center_grads,
            shared.context_grads,
        )
        return
    n_rows = job.board[_CENTER_ROWS]
    size, n_parts = _pieces(n_rows)
    if part < n_parts:
        first = part * size
        last = min(first + size, n_rows)
        grads, scalars = shared.center_grads, job.center_scalars[step]
        move(shared.center_rule, plan.center_groups, grads, first, last, scalars)
        return
    n_rows = job.board[_CONTEXT_ROWS]
    first = (part - n_parts) * _pieces(n_rows)[0]
    last = min(first + _pieces(n_rows)[0], n_rows)
    grads, scalars = shared.context_grads, job.context_scalars[step]
    move(shared.context_rule, plan.context_groups, grads, first, last, scalars)


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
    plan = plan_of_ring(shared.ring, step % job.planned.size)
    loss = 0.0
    for chunk in range((plan.n_centers[0] + CHUNK - 1) // CHUNK):
        loss += shared.chunk_losses[chunk]
    job.losses[step] = loss
    job.counts[step, 0] = plan.n_tokens[0]
    job.counts[step, 1] = plan.n_pairs[0]
    job.board[_CENTER_ROWS] = prepare(shared.center_rule, plan.center_groups)
    job.board[_CONTEXT_ROWS] = prepare(shared.context_rule, plan.context_groups)
    n_parts = _pieces(job.board[_CENTER_ROWS])[1] + _pieces(job.board[_CONTEXT_ROWS])[1]
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


@dataclass(frozen=True)
class Batch:
    """What one step was about."""

    n_tokens: int  # before subsampling
    n_pairs: float  # sum of their weights
    loss: float  # sum over the pairs, each with its negatives


class Engine:
    """Takes the steps of a run, in any order asked for, each with exact mini-batch gradients.

    An epoch is cut into batches of ``positions`` consecutive positions of the text, so many that
    subsampling is expected to leave ``batch_size`` centers. A batch is therefore known by its
    number alone.

    Parameters
    ----------
    word_ids : ndarray of shape (positions of the text,), int32
        Word ids in [0, V); a negative number ends a sentence.
    counts : ndarray of shape (V,), int64
        Occurrences of each word.
    center, context : Optimizer
        They own the two matrices, of shape (V, D), D a multiple of 16.
    window, negative, noise_exponent, subsample, dynamic_window
        See :class:`~w2v_sparseadam.training.settings.SkipGramConfig`.
    batch_size : int
        Centers that a batch is expected to have.
    seed : int
        Start of every random draw.
    workers : Workers
        Who does the work.
    frozen : ndarray of shape (V,), bool, optional
        Words whose rows of the center matrix stay as they are.
    first_epoch : int
        What the first epoch counts as in random draws, so that a run which goes on with more text
        repeats none of its own.
    """

    def __init__(
        self,
        word_ids: np.ndarray,
        counts: np.ndarray,
        center: Optimizer,
        context: Optimizer,
        *,
        window: int,
        negative: int,
        noise_exponent: float,
        subsample: float,
        dynamic_window: bool,
        batch_size: int,
        seed: int,
        workers: Workers,
        frozen: np.ndarray | None = None,
        first_epoch: int = 0,
    ) -> None:
        self.optimizers = (center, context)
        self._seed = seed
        self._first_epoch = first_epoch
        self._last_plan = 0
        self._workers = workers
        self._pair_unit = window if dynamic_window else 1
        sampler = Sampler.build(counts, subsample, noise_exponent, SHARED_NEGATIVES, frozen)
        n_kept = max(1.0, sampler.keep_share(counts) * float(counts.sum()))
        positions = np.ceil(batch_size * word_ids.size / n_kept)
        self.positions = int(min(positions, batch_size * _MOST_POSITIONS_A_CENTER))
        self.n_batches = -(-word_ids.size // self.positions)

        # Planning takes a fraction of a step's time: two plans a thread keep all busy.
        capacity = min(self.positions, word_ids.size)
        n_chunks = -(-capacity // CHUNK)
        if n_chunks * (CHUNK + 2 * window + CHUNK // BLOCK * SHARED_NEGATIVES) >= 1 << 31:
            raise SettingError(
                f"window {window} and batch_size {batch_size} are too large together: a batch has "
                "2 ** 31 places or more"
            )
        ring = BatchPlan.allocate(capacity, window, SHARED_NEGATIVES, 2 * workers.n + 1)
        n_dims = center.param.shape[1]
        self._shared = Shared(
            word_ids=word_ids,
            sampler=sampler,
            dynamic_window=dynamic_window,
            weight=np.float32(negative / SHARED_NEGATIVES),
            ring=ring,
            center_rule=center.rule,
            context_rule=context.rule,
            center_grads=zeros(ring.center_groups.places.shape[-1], n_dims),
            context_grads=zeros(ring.context_groups.places.shape[-1], n_dims),
            chunk_losses=np.zeros(n_chunks),
        )
        self._rooms = [
            Room(
                Scratch.allocate(n_dims, window, SHARED_NEGATIVES, dynamic_window),
                PlanScratch.allocate(counts.size, ring),
            )
            for _ in range(workers.n)
        ]

    @property
    def buffer_bytes(self) -> int:
        """What is allocated beside the text, the matrices and the optimizers' state."""
        shared = self._shared
        buffers = (shared.sampler, shared.ring, shared.center_grads, shared.context_grads)
        return _count_bytes((*buffers, self._rooms))

    def has_neighbours(self) -> bool:
        """Whether any word of the text has another beside it in its sentence."""
        ids, size = self._shared.word_ids, 1 << 20
        parts = (ids[k : k + size + 1] >= 0 for k in range(0, ids.size, size))
        return any(bool(np.any(part[:-1] & part[1:])) for part in parts)

    def last_rows(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of both matrices that had a gradient in the last step taken."""
        plan = plan_of_ring(self._shared.ring, self._last_plan)
        center, context = plan.center_groups, plan.context_groups
        return center.rows[: center.n_rows[0]], context.rows[: context.n_rows[0]]

    def step(self, step: int, lr: float) -> Batch:
        """Take one step; see :meth:`run`."""
        return self.run(step, [lr])[0]

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
        center, context = self.optimizers
        keys = {
            epoch: [
                draw_key(self._seed, use, self._first_epoch + epoch)
                for use in ("position", "negative")
            ]
            for epoch in set(epochs.tolist())
        }
        ring_size = self._shared.ring.n_centers.shape[0]
        job = Job(
            board=np.zeros(_BOARD_SIZE, np.int64),
            planned=np.full(ring_size, -1),
            ranges=np.stack([starts, stops], axis=1),
            keys=np.array([keys[epoch] for epoch in epochs.tolist()]),
            center_scalars=np.array([center.next_scalars(lr) for lr in lrs]),
            context_scalars=np.array([context.next_scalars(lr) for lr in lrs]),
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
            Batch(n_tokens, n_pairs / self._pair_unit, loss)
            for (n_tokens, n_pairs), loss in zip(
                job.counts.tolist(), job.losses.tolist(), strict=True
            )
        ]


def _count_bytes(part: object) -> int:
    """Sum the sizes of all arrays in nested tuples and lists."""
    if isinstance(part, np.ndarray):
        return part.nbytes if part.flags.forc else 0  # a banded matrix is a view of another array
    return sum(map(_count_bytes, part)) if isinstance(part, tuple | list) else 0

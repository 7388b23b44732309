"""The batch engine: takes the steps of a run, on all threads; see :mod:`.scheduler`."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np

from ..objectives.base import Objective
from ..optimizers.base import Optimizer
from ..simd.arrays import zeros
from ..system.workers import Workers
from .parts import GradientsFrame, PlanFrame, TableFrame, calls_of
from .scheduler import Job, Shared, end_job, has_work, new_board, take_part
from .stepper import Batch

_MOST_POSITIONS_A_CENTER = 64
_FIRST_NAP, _LONGEST_NAP = 50e-6, 20e-3  # seconds


_MOST_STEPS = 1 << 20


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
    share : float
        Share of the objective's text that ``word_ids`` are.
    count_touches : bool
        Whether to count how often each row moves, in ``touches``. Not for a rule that moves rows
        without a gradient.

    Attributes
    ----------
    touches : mapping of str to ndarray of shape (rows,), uint32
        By the table's name: steps in which each row moved. Of shape (0,) if they are not counted.
    """

    most_steps = _MOST_STEPS
    is_whole = False  # rows may have moved

    # More than eight parameters: the text, how it is cut, and what is counted are not of one kind.
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
        share: float = 1.0,
        count_touches: bool = False,
    ) -> None:
        self.tables: Mapping[str, Optimizer] = {
            table.name: optimizer
            for table, optimizer in zip(objective.tables, optimizers, strict=True)
        }
        self._objective = objective
        self._seed, self._first_epoch = seed, first_epoch
        self._last_plan = 0
        self._workers, self.n_threads = workers, workers.n
        n_examples = max(1.0, share * objective.n_examples())
        positions = np.ceil(batch_size * word_ids.size / n_examples)
        self.positions = int(min(positions, batch_size * _MOST_POSITIONS_A_CENTER))
        self.n_batches = -(-word_ids.size // self.positions)

        # Planning takes a fraction of a step's time: two plans a thread keep all busy.
        capacity = min(self.positions, word_ids.size)
        ring = objective.plans(word_ids, self.positions, 2 * workers.n + 1)
        n_dims = optimizers[0].param.shape[1]
        self._word_ids, self._ring = word_ids, ring
        of_tables: dict[str, np.ndarray] = {}
        for table, groups in zip(objective.tables, ring.groups, strict=True):
            shared_grads = of_tables.get(table.shares)
            if shared_grads is None:
                shared_grads = zeros(groups.places.shape[-1], n_dims)
            of_tables[table.name] = shared_grads
        grads = tuple(of_tables.values())
        ring_size = ring.n_chunks.shape[0]
        self._shared = shared = Shared(
            ring.n_chunks,
            ring.n_tokens,
            ring.n_pairs,
            keys=np.zeros((ring_size, len(objective.draws)), np.uint64),
            scalars=np.zeros((ring_size, len(optimizers), 6)),
            chunk_losses=np.zeros(objective.most_chunks(capacity)),
        )
        params = tuple(optimizer.param for optimizer in optimizers)
        self.touches = {
            name: np.zeros(len(optimizer.param) if count_touches else 0, np.uint32)
            for name, optimizer in self.tables.items()
        }
        tables = [
            TableFrame(optimizer.rule, ring.groups[k], grads[k], shared.scalars, k, touches)
            for k, (optimizer, touches) in enumerate(
                zip(optimizers, self.touches.values(), strict=True)
            )
        ]
        rule = objective.rule
        rooms = [
            (objective.scratch(n_dims), objective.plan_scratch(ring)) for _ in range(workers.n)
        ]
        self._buffers = rule, ring, grads, rooms
        self._calls = [
            calls_of(
                PlanFrame(rule, word_ids, ring, shared.keys, plan_scratch),
                GradientsFrame(rule, ring, params, grads, shared.chunk_losses, scratch),
                tables,
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
            board=new_board(len(optimizers)),
            planned=np.full(ring_size, -1, np.int64),
            ranges=np.stack([starts, stops], axis=1),
            keys=np.array([keys[epoch] for epoch in epochs.tolist()]),
            scalars=np.array([[it.next_scalars(lr) for it in optimizers] for lr in lrs]),
            losses=np.zeros(len(lrs)),
            counts=np.zeros((len(lrs), 2), np.int64),
        )

        ended = threading.Event()  # or a thread would sleep on, and the others wait for it

        def take_part_until_done(worker: int, _: int) -> None:
            try:
                nap = _FIRST_NAP
                while (n_done := take_part(self._shared, job, self._calls[worker].table)) >= 0:
                    if n_done:
                        nap = _FIRST_NAP
                    # Others may need this processor for what this thread waits for.
                    while not ended.wait(nap) and not has_work(job.board, len(lrs), ring_size):
                        nap = min(4 * nap, _LONGEST_NAP)
            except BaseException:
                # Its part will never be done, so the others would wait for ever: end the job.
                end_job(job)
                raise
            finally:
                ended.set()

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

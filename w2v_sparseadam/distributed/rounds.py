"""Rounds of training on a cluster: the stepper whose steps are taken by several machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from distributed import Future

from ..engine.stepper import Batch
from ..events import Event, RoundProgressed
from ..optimizers.base import Optimizer
from ..text.reading.parts import Part, text_parts
from ..training.machines import SharedText
from ..training.settings import Settings
from .blocks import Block, blocks_of, count_blocks, fill_block
from .cluster import Cluster, repeated
from .merging import merge_block
from .shard import Round, sum_of
from .tasks import Known, Summary, changes_in, summary, train_part

_FORGET_ROUNDS = 64


@dataclass(frozen=True)
class _Begun:
    """A round that is under way on the cluster."""

    number: int
    shards: list[Future]
    summaries: list[Future]
    merged: list[Future]  # the blocks after the round
    given: list[Future]  # the blocks before it: kept until the next is known to the client


class Rounds:
    """Trains round after round on a cluster, and keeps the state after each of them.

    A step, for the training loop, is a round. The next one begins as soon as one is merged, while
    the client fetches the state.

    Parameters
    ----------
    cluster : Cluster
    text : SharedText
    settings : Settings
        With nothing left that depends on the text.
    stages : sequence of int
        Epochs of each stage of the run.
    tables : mapping of str to Optimizer
        The state, as the run starts or after the last round.
    known : Known
        What all shards need.
    emit : callable
        Receives events.
    """

    most_steps = 1
    is_whole = True

    def __init__(
        self,
        cluster: Cluster,
        text: SharedText,
        settings: Settings,
        stages: Sequence[int],
        tables: Mapping[str, Optimizer],
        known: Known,
        emit: Callable[[Event], None],
    ) -> None:
        assert settings.sharding is not None
        self.tables = tables
        self.n_batches = settings.sharding.rounds
        self.n_threads = sum(info["nthreads"] for info in cluster.workers.values())
        self._cluster, self._text, self._settings = cluster, text, settings
        self._stages = tuple(n * self.n_batches for n in stages)
        self._n_shards = settings.sharding.shards
        self._known = known
        self._emit = emit
        self._n_bytes = sum(
            sum(array.nbytes for array in arrays.values())
            for block in blocks_of(tables, 1)
            for arrays in block.values()
        )
        self._n_blocks = 0
        self._has_neighbours = True
        self._known_there: Future | None = None
        self._holders: set[str] = set()  # workers that the state was sent to
        self._begun: list[_Begun] = []  # the round to come, and the one after it

    @property
    def buffer_bytes(self) -> int:
        """What is allocated here beside the tables: a block at a time."""
        return self._n_bytes // max(1, self._n_blocks)

    def last_rows(self) -> tuple[np.ndarray, ...]:
        """Return all rows: any may have moved in a round."""
        return tuple(np.arange(len(optimizer.param)) for optimizer in self.tables.values())

    def has_neighbours(self) -> bool:
        """Whether any word may have another beside it, as far as is known of this epoch."""
        return self._has_neighbours

    def run(self, first_step: int, lrs: Sequence[float]) -> list[Batch]:
        """Train a round; shards follow the schedule of the learning rate batch by batch.

        What workers lose when they die is sent again, or done again, so that the result is the
        same.

        Raises
        ------
        ClusterError
            If the scheduler has gone, or the round fails again and again.
        W2VError
            What a task raised.
        """
        (_,) = lrs

        def train() -> Batch:
            try:
                return self._round(first_step)
            except BaseException:
                self._forget()
                raise

        return [repeated(train, f"round {first_step + 1}", self._emit)]

    def close(self) -> None:
        """Drop what is under way."""
        self._forget()

    def _round(self, number: int) -> Batch:
        """Train a round, of which the tables then have the state, and begin the next."""
        if not self._begun:
            self._begun = [self._begin(number, self._sent(number))]
        (begun,) = self._begun
        self._wait(begun)
        summaries: list[Summary] = self._results(begun, begun.summaries)
        begun.shards.clear()  # so that workers have the memory for the next round
        begun.summaries.clear()
        counts = self._counts_after(summaries)
        if number % self.n_batches == 0:
            self._has_neighbours = False
        self._has_neighbours |= any(result.has_neighbours for result in summaries)
        if number + 1 < sum(self._stages) and not self._is_sent_anew(number + 1):
            self._begun.append(self._begin(number + 1, begun.merged, counts))
        # All blocks are here before any is in its place: the tables are whole at any time.
        blocks: list[Block] = self._results(begun, begun.merged)
        for k, block in enumerate(blocks):
            fill_block(self.tables, block, k, len(blocks))
        for optimizer, count in zip(self.tables.values(), counts, strict=True):
            optimizer.step_count = count
        del self._begun[0]
        return sum_of([result.batch for result in summaries])

    def _is_sent_anew(self, number: int) -> bool:
        """Whether the state before a round is sent from here, though the workers have it.

        Dask gives a task to a worker that has something of what it needs: one that has joined has
        nothing. It also remembers how each block was made, back to where they were sent from here.
        """
        has_joined = not set(self._cluster.admitted) <= self._holders
        return number % _FORGET_ROUNDS == 0 or (has_joined and len(self._holders) < self._n_shards)

    def _sent(self, number: int) -> list[Future]:
        """Send the state before a round to the workers, each of which gets some blocks."""

        def poll() -> None:
            self._tell(number, 0)

        send = self._cluster.send
        workers = self._cluster.wait_for_workers(self._emit, poll)
        self._holders = set(workers)
        self._known_there = send(self._known, workers[0], poll)
        self._n_blocks = count_blocks(self._n_bytes, len(workers))
        return [
            send(block, workers[k % len(workers)], poll)
            for k, block in enumerate(blocks_of(self.tables, self._n_blocks))
        ]

    def _begin(
        self, number: int, blocks: list[Future], step_counts: Sequence[int] | None = None
    ) -> _Begun:
        """Hand the tasks of a round to the cluster."""
        submit, n_shards = self._cluster.submit, self._n_shards
        if step_counts is None:
            step_counts = [optimizer.step_count for optimizer in self.tables.values()]
        round_ = Round(self._settings, number, self._stages, n_shards, tuple(step_counts))
        shards = [
            submit(
                train_part,
                blocks,
                self._known_there,
                self._parts(number, shard),
                round_,
                shard,
                self._cluster.threads,
                name=f"shard-{number}-{shard}",
                trains=True,
            )
            for shard in range(n_shards)
        ]
        added = {name: optimizer.added for name, optimizer in self.tables.items()}
        merged = []
        for k, block in enumerate(blocks):
            name = f"{number}-{k}"
            changes = [submit(changes_in, shard, k, name=f"changes-{name}") for shard in shards]
            merged.append(submit(merge_block, block, changes, added, name=f"merge-{name}"))
        summaries = [submit(summary, shard, name=f"summary-{number}") for shard in shards]
        return _Begun(number, shards, summaries, merged, blocks)

    def _parts(self, number: int, shard: int) -> list[Part]:
        """Return the parts of the text that a shard of a round trains on.

        The rounds of an epoch share out the text from its start to its end, and the shards of a
        round its part.
        """
        whole, n = sum(self._text.sizes), self.n_batches * self._n_shards
        place = number % self.n_batches * self._n_shards + shard
        begin, end = whole * place // n, whole * (place + 1) // n
        return text_parts(self._text.sources, self._text.sizes, begin, end)

    def _wait(self, begun: _Begun) -> None:
        """Wait until a round is merged."""

        def poll(n_done: int) -> None:
            self._tell(begun.number, n_done)

        self._cluster.wait(begun.shards, poll, self._kept(begun))
        rest = [*begun.summaries, *begun.merged]
        self._cluster.wait(rest, lambda _: poll(self._n_shards), self._kept(begun))

    def _results(self, begun: _Begun, futures: Sequence[Future]) -> list[Any]:
        """Fetch results of a round that is merged."""
        return self._cluster.results(
            futures, lambda: self._tell(begun.number, self._n_shards), self._kept(begun)
        )

    def _kept(self, begun: _Begun) -> list[Future]:
        """Return what a round is made from.

        Dask could make lost blocks again from those before them, round by round back to where they
        were sent from here. Here is the state before the round, at most.
        """
        assert self._known_there is not None
        return [*begun.given, self._known_there]

    def _tell(self, number: int, n_done: int) -> None:
        """Tell how many shards of a round are done, and what has become of workers."""
        self._emit(RoundProgressed(number + 1, n_done, self._n_shards))
        self._cluster.look(self._emit)

    def _counts_after(self, summaries: Sequence[Summary]) -> list[int]:
        """Return the step counts of the optimizers after a round: those of the busiest shard."""
        n_steps = max(result.n_steps for result in summaries)
        before = [optimizer.step_count for optimizer in self.tables.values()]
        return [count + n_steps for count in before]

    def _forget(self) -> None:
        """Drop what is under way, so that the scheduler forgets it."""
        for begun in self._begun:
            for future in (*begun.shards, *begun.summaries, *begun.merged, *begun.given):
                future.release()
        self._begun = []
        self._known_there = None

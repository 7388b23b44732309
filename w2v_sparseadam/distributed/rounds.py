"""Rounds of training on a cluster: the stepper whose steps are taken by several machines."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from distributed import Future

from ..engine.stepper import Batch
from ..errors import W2VError
from ..events import Event, RoundProgressed, Warned
from ..optimizers.base import Optimizer
from ..text.reading.parts import Part, text_parts
from ..training.machines import SharedText
from ..training.settings import Settings
from .admission import warn_of_refused
from .blocks import blocks_of, count_blocks, fill_block
from .cluster import Cluster, DataLost
from .shard import Round, sum_of
from .tasks import Known, Summary, changes_in, merge, summary, train_part

_MOST_REPEATS = 100
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
        self._known_there: Future | None = None
        self._begun: _Begun | None = None
        self._refused: set[str] = set()

    @property
    def buffer_bytes(self) -> int:
        """What is allocated here beside the tables: a block at a time."""
        return self._n_bytes // max(1, self._n_blocks)

    def last_rows(self) -> tuple[np.ndarray, ...]:
        """Return all rows: any may have moved in a round."""
        return tuple(np.arange(len(optimizer.param)) for optimizer in self.tables.values())

    def has_neighbours(self) -> bool:
        """Whether any word of the text may have another beside it: that is not known here."""
        return True

    def run(self, first_step: int, lrs: Sequence[float]) -> list[Batch]:
        """Train a round; shards follow the schedule of the learning rate batch by batch.

        What workers lose when they die is sent again, or done again, so that the result is the
        same.

        Raises
        ------
        ClusterError
            If the scheduler has gone.
        W2VError
            What a task raised; or if the round fails again and again.
        """
        (_,) = lrs
        repeat = 0
        while True:
            try:
                return [self._round(first_step)]
            except DataLost as error:
                self._forget()
                if repeat == _MOST_REPEATS:
                    raise W2VError(
                        f"round {first_step + 1} failed {repeat + 1} times, the last time because "
                        f"{error}",
                        "look at the logs of the workers; if their memory is full, see the guide",
                    ) from error
                self._emit(Warned(f"{error}; round {first_step + 1} is repeated"))
                repeat += 1

    def close(self) -> None:
        """Drop what is under way."""
        self._forget()

    def _round(self, number: int) -> Batch:
        """Train a round, of which the tables then have the state, and begin the next."""
        begun = self._begun
        if begun is None or begun.number != number:
            begun = self._begin(number, self._sent())
        self._wait(begun)
        summaries: list[Summary] = [self._cluster.result(future) for future in begun.summaries]
        begun.shards.clear()  # so that workers have the memory for the next round
        begun.summaries.clear()
        counts = self._counts_after(summaries)
        warn_of_refused(self._cluster, self._refused, self._emit)
        self._begun = None
        if number + 1 < sum(self._stages) and (number + 1) % _FORGET_ROUNDS:
            self._begun = self._begin(number + 1, begun.merged, counts)
        # All blocks are here before any is in its place: the tables are whole at any time.
        blocks = [self._cluster.result(future) for future in begun.merged]
        for k, block in enumerate(blocks):
            fill_block(self.tables, block, k, len(blocks))
        for optimizer, count in zip(self.tables.values(), counts, strict=True):
            optimizer.step_count = count
        return sum_of([result.batch for result in summaries])

    def _sent(self) -> list[Future]:
        """Send the state to the workers, each of which gets some blocks."""
        workers = self._cluster.admitted
        if not workers:
            raise DataLost("all workers have gone")
        self._known_there = self._cluster.scatter(self._known, workers, everywhere=True)
        self._n_blocks = count_blocks(self._n_bytes, len(workers))
        return [
            self._cluster.scatter(block, [workers[k % len(workers)]])
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
            merged.append(submit(merge, block, changes, added, name=f"merge-{name}"))
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
        """Wait until a round is merged; tell how many of its shards are done."""

        def poll(n_done: int) -> None:
            self._emit(RoundProgressed(begun.number + 1, n_done, self._n_shards))

        self._cluster.wait(begun.shards, poll)
        rest = [*begun.summaries, *begun.merged]
        self._cluster.wait(rest, lambda _: poll(self._n_shards))

    def _counts_after(self, summaries: Sequence[Summary]) -> list[int]:
        """Return the step counts of the optimizers after a round: those of the busiest shard."""
        n_steps = max(result.n_steps for result in summaries)
        before = [optimizer.step_count for optimizer in self.tables.values()]
        return [count + n_steps for count in before]

    def _forget(self) -> None:
        """Drop what is under way, so that the scheduler forgets it."""
        if self._begun:
            begun, self._begun = self._begun, None
            futures = [*begun.shards, *begun.summaries, *begun.merged, *begun.given]
            self._cluster.cancel(futures)
        self._known_there = None

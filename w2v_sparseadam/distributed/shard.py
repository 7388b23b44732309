"""A round of a shard: the work of a machine, a pure function of what it is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..engine.stepper import Batch
from ..system.workers import Workers
from ..training.build import build_engine
from ..training.schedule import Schedule
from ..training.settings import Settings
from .blocks import Block, Changes, changes_of, fill_tables


@dataclass(frozen=True)
class Round:
    """A round of a run.

    Attributes
    ----------
    settings : Settings
        With nothing left that depends on the text.
    number : int
        Of the round, counted from 0 over the whole run.
    stages : tuple of int
        Rounds of each stage of the run, which has a learning rate schedule of its own.
    n_shards : int
        Shards that share the round.
    step_counts : tuple of int
        Of each table's optimizer, before the round.
    """

    settings: Settings
    number: int
    stages: tuple[int, ...]
    n_shards: int
    step_counts: tuple[int, ...]


class ShardResult(NamedTuple):
    """What a shard made of a round."""

    changes: list[dict[str, Changes]]  # of each block, by the table's name
    batch: Batch  # all of its steps
    n_steps: int
    has_neighbours: bool  # whether any word of the part has another beside it in its sentence


def train_shard(
    blocks: Sequence[Block],
    word_ids: np.ndarray,
    counts: np.ndarray,
    round_: Round,
    shard: int,
    *,
    words: Collection[str] = (),
    frozen: np.ndarray | None = None,
    threads: int = 1,
) -> ShardResult:
    """Train on a part of the text, from the state that all shards of the round start from.

    Parameters
    ----------
    blocks : sequence of Block
        The state. Left as it is.
    word_ids : ndarray of shape (positions,), int32
        The part; a negative number ends a sentence.
    counts : ndarray of shape (V,), int64
        Occurrences of each word in the whole text.
    round_ : Round
    shard : int
        Which of the round's shards this is.
    words : sequence of V str, optional
        Needed by an objective that looks into them.
    frozen : ndarray of shape (V,), bool, optional
        Words whose center vectors stay as they are.
    threads : int
        Threads to use; the result does not depend on it.

    Returns
    -------
    ShardResult
    """
    settings, number = round_.settings, round_.number
    n_tokens = int(np.count_nonzero(word_ids >= 0))
    # Every shard of every round has random numbers of its own, as epochs on one machine have.
    key = number * round_.n_shards + shard
    with Workers(threads) as workers:
        engine = build_engine(
            word_ids,
            counts,
            settings,
            workers,
            frozen,
            key,
            words=words,
            filled=False,
            share=n_tokens / int(counts.sum()),
            count_touches=True,
        )
        fill_tables(engine.tables, blocks)
        for optimizer, count in zip(engine.tables.values(), round_.step_counts, strict=True):
            optimizer.step_count = count
        n_steps = engine.n_batches
        schedule = Schedule(settings.optimizer, [n * n_steps for n in round_.stages])
        lrs = [schedule.lr(number * n_steps + step) for step in range(n_steps)]
        with np.errstate(over="ignore"):  # an lr beyond float32 shows in the loss
            batches = engine.run(0, lrs)
        changes = changes_of(engine.tables, engine.touches, len(blocks))
        return ShardResult(changes, sum_of(batches), n_steps, engine.has_neighbours())


def sum_of(batches: Sequence[Batch]) -> Batch:
    """Return all batches as one; sums are in their order."""
    total = Batch(0, 0.0, 0.0)
    for batch in batches:
        total = Batch(*(a + b for a, b in zip(_numbers(total), _numbers(batch), strict=True)))
    return total


def _numbers(batch: Batch) -> tuple[Any, ...]:
    return batch.n_tokens, batch.n_pairs, batch.loss


def no_change(blocks: Sequence[Block]) -> list[dict[str, Changes]]:
    """Return the changes of a shard without text."""
    return [{name: _none_of(arrays) for name, arrays in block.items()} for block in blocks]


def _none_of(arrays: Mapping[str, np.ndarray]) -> Changes:
    none = {kind: array[:0].copy() for kind, array in arrays.items()}
    return Changes(np.zeros(0, np.int32), np.zeros(0, np.uint32), none)

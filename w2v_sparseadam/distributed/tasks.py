"""What runs on the workers of a cluster: functions without state, which a scheduler may repeat."""

from __future__ import annotations

import hashlib
import platform
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..engine.stepper import Batch
from ..errors import TextError
from ..system.machine import usable_processors
from ..text.counts import WordCounts
from ..text.reading.sources import Source
from ..text.settings import TextConfig
from ..training.build import new_tables
from ..training.settings import Settings
from ..version import training_version
from .blocks import Block, Changes, blocks_of
from .merging import merge_block
from .shard import Round, ShardResult, no_change, train_shard
from .word_counts import count_words_of
from .word_ids import KnownWords, word_ids_of

if TYPE_CHECKING:
    from distributed import Worker

# The memory of a worker holds one shard's tables at a time, whatever its scheduler believes.
_training = threading.Lock()


class Identity(NamedTuple):
    """What decides whether a worker gives the same bytes as the client."""

    version: str
    numba: str
    numpy: str
    digest: str  # of a few steps that it took
    processor: str  # for messages


def identity(settings: Settings) -> Identity:
    """Take a few steps with the settings of a run, and return what came of them.

    This also compiles what the run needs, or loads it.
    """
    import numba

    counts = np.arange(64, 0, -1, dtype=np.int64)
    word_ids = np.tile(np.append(np.arange(64, dtype=np.int32), np.int32(-1)), 20)
    small = replace(
        settings,
        objective=settings.objective.to_compile(),
        run=replace(settings.run, epochs=1, batch_size=256),
    )
    words = [f"word{number}" for number in range(counts.size)]
    _, tables = new_tables(small, counts, words=words)
    blocks = list(blocks_of(tables, 2))
    round_ = Round(small, 0, (1,), 2, tuple(0 for _ in tables))
    results = [
        train_shard(blocks, word_ids, counts, round_, shard, words=words) for shard in range(2)
    ]
    added = {name: optimizer.added for name, optimizer in tables.items()}
    digest = hashlib.sha256()
    for k, block in enumerate(blocks):
        merged = merge_block(block, [result.changes[k] for result in results], added)
        for arrays in merged.values():
            for array in arrays.values():
                digest.update(np.ascontiguousarray(array).data)
    return Identity(
        training_version("text"),
        numba.__version__,
        np.__version__,
        digest.hexdigest()[:16],
        platform.processor() or platform.machine(),
    )


def refusal_of(dask_worker: Worker) -> str:
    """Return why a worker was refused; empty if it was not, or has not been looked at yet."""
    return str(vars(dask_worker).get("w2v_refusal", ""))


def count_part(sources: Sequence[Source], config: TextConfig) -> WordCounts:
    """Count the words of some sources."""
    with _worker_told():
        return count_words_of(sources, config)


class Known(NamedTuple):
    """What every shard of a run knows of the whole text."""

    words: KnownWords
    counts: np.ndarray  # (V,) int64
    frozen: np.ndarray | None  # (V,) bool


def train_part(
    blocks: Sequence[Block],
    known: Known,
    sources: Sequence[Source],
    round_: Round,
    shard: int,
    threads: int | None,
) -> ShardResult:
    """Read a part of the text, and train on it."""
    with _training:
        n_threads = threads or worker_threads()
        with _worker_told():
            word_ids = word_ids_of(sources, known.words, threads=n_threads)
        if not word_ids.size:
            return ShardResult(no_change(blocks), Batch(0, 0.0, 0.0), 0, False)
        return train_shard(
            blocks,
            word_ids,
            known.counts,
            round_,
            shard,
            words=known.words.words,
            frozen=known.frozen,
            threads=n_threads,
        )


class Summary(NamedTuple):
    """What the client needs of a shard's result."""

    batch: Batch
    n_steps: int
    has_neighbours: bool


def summary(result: ShardResult) -> Summary:
    """Return what the client needs of a result."""
    return Summary(result.batch, result.n_steps, result.has_neighbours)


def changes_in(result: ShardResult, block: int) -> Mapping[str, Changes]:
    """Return what a shard changed in a block."""
    return result.changes[block]


def worker_threads() -> int:
    """Return how many threads this worker may use."""
    from distributed import get_worker

    return min(int(get_worker().state.nthreads), usable_processors())


@contextmanager
def _worker_told() -> Iterator[None]:
    """Say which worker cannot read a text, which others may well read."""
    try:
        yield
    except TextError as error:
        raise TextError(f"{worker_name()}: {error.message}", error.advice) from error


def worker_name() -> str:
    """Return the address of this worker."""
    from distributed import get_worker

    return str(get_worker().address)

"""What a run on several machines would take, and whether its workers have the memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from distributed import Future

from ..errors import ClusterError, W2VError
from ..system.machine import available_memory, resident_memory
from ..system.memory import gigabytes
from ..system.workers import Workers
from ..text.reading.parts import text_parts
from ..text.reading.sources import Source
from ..text.vocabulary import Vocabulary
from ..training.build import build_engine, model_memory, new_tables
from ..training.dry_run import time_steps
from ..training.machines import MachinesForecast, SharedText
from ..training.settings import Settings
from .blocks import blocks_of, changes_of, count_blocks, fill_block
from .cluster import Cluster
from .costs import (
    Load,
    Rates,
    client_bytes,
    round_time,
    sent,
    worker_bytes,
)
from .merging import merge_block
from .tasks import Known, worker_threads
from .text_settings import config_for_client
from .word_ids import KnownWords, word_ids_of

_SAMPLE_BYTES = 1 << 24
_NETWORK_BYTES = 1 << 25
_EMPTY_ROUNDS = 3
_SHARDS = 4  # merged to measure
_SHARE = 0.8
"""Of the free memory of a machine; the rest is for everything else on it."""


class Sample(NamedTuple):
    """What a worker measured on a piece of the text."""

    n_steps: int
    buffer_bytes: int
    tokens_per_s: float
    text_bytes_per_s: float
    copied_bytes_per_s: float
    merged_bytes_per_s: float
    shard_seconds: float


def measure(
    known: Known, sources: Sequence[Source], n_bytes: int, settings: Settings, threads: int | None
) -> Sample:
    """Read so many bytes of text, take the first steps, copy and merge some rows; time all that."""
    n_threads = threads or worker_threads()
    began = time.perf_counter()
    word_ids = word_ids_of(sources, known.words, threads=n_threads)
    reading = time.perf_counter() - began
    n_tokens = int(np.count_nonzero(word_ids >= 0))
    if not n_tokens:
        raise W2VError("the beginning of the text has no word of the vocabulary to measure with")
    words = known.words.words
    began = time.perf_counter()
    with Workers(n_threads) as workers:
        engine = build_engine(
            word_ids,
            known.counts,
            settings,
            workers,
            known.frozen,
            words=words,
            share=n_tokens / int(known.counts.sum()),
            count_touches=True,
        )
        building = time.perf_counter() - began
        n_steps, seconds = time_steps(engine, settings.optimizer.start_lr, engine.n_batches)
        n_blocks = count_blocks(sum(model_memory(words, settings)), 1)
        block = next(blocks_of(engine.tables, n_blocks))
        touches = {name: np.ones_like(touched) for name, touched in engine.touches.items()}
        changes = changes_of(engine.tables, touches, n_blocks)[0]
        added = {name: optimizer.added for name, optimizer in engine.tables.items()}
        merge_block(block, [changes], added)  # compiles
        began = time.perf_counter()
        merge_block(block, [changes] * _SHARDS, added)
        merging = (time.perf_counter() - began) / _SHARDS
        _, tables = new_tables(settings, known.counts, words=words, filled=False)
        began = time.perf_counter()
        fill_block(tables, block, 0, n_blocks)
        copying = time.perf_counter() - began
        block_bytes = sum(array.nbytes for arrays in block.values() for array in arrays.values())
        return Sample(
            n_steps=n_steps,
            buffer_bytes=engine.buffer_bytes,
            tokens_per_s=n_tokens / engine.n_batches / seconds,
            text_bytes_per_s=n_bytes / reading,
            copied_bytes_per_s=block_bytes / copying,
            merged_bytes_per_s=block_bytes / merging,
            shard_seconds=building,
        )


def load_of(n_workers: int, vocabulary: Vocabulary, settings: Settings) -> Load:
    """Return what the costs of a round of a run depend on."""
    assert settings.sharding is not None
    sharding = settings.sharding
    state = sum(model_memory(vocabulary.words, settings))
    objective = settings.objective.build(vocabulary.counts, None, vocabulary.words)
    changed = objective.moved_share(1 / (sharding.rounds * sharding.shards))
    return Load(state, changed, sharding.shards, n_workers)


def forecast_run(
    cluster: Cluster, text: SharedText, settings: Settings, frozen: np.ndarray | None
) -> MachinesForecast:
    """Tell what a run would take, from a few steps that a worker takes and forgets.

    Parameters
    ----------
    cluster : Cluster
        Its workers have been admitted.
    text : SharedText
    settings : Settings
        With nothing left that depends on the text.
    frozen : ndarray of shape (V,), bool, optional
        Words whose center vectors stay as they are.
    """
    assert settings.sharding is not None
    counts, whole = text.vocabulary.counts, sum(text.sizes)
    names = cluster.admitted
    if not names:
        raise ClusterError("no worker is left to measure with")
    load = load_of(len(names), text.vocabulary, settings)
    n_shards, rounds = settings.sharding.shards, settings.sharding.rounds
    known = Known(KnownWords(text.vocabulary, config_for_client(settings.text)), counts, frozen)
    # A shard may be less, but too few steps tell little.
    n_bytes = min(whole, _SAMPLE_BYTES)
    piece = text_parts(text.sources, text.sizes, 0, n_bytes)
    resident = cluster.run(resident_memory, workers=names)
    future = cluster.submit(
        measure, known, piece, n_bytes, settings, cluster.threads, name="measure"
    )
    cluster.wait([future], lambda _: None)
    sample: Sample
    (sample,) = cluster.results([future], lambda: None)
    network = network_rate(cluster)
    fixed = fixed_seconds(cluster, n_shards, count_blocks(load.state_bytes, len(names)))
    rates = Rates(*sample[2:6], network, fixed, sample.shard_seconds)
    n_tokens = int(counts.sum())
    time_of_round = round_time(load, rates, n_tokens / rounds, whole / rounds)
    epochs = settings.run.epochs or 0
    model_bytes, state_bytes = model_memory(text.vocabulary.words, settings)
    word_ids = 4 * n_tokens // (n_shards * rounds)
    others = sample.buffer_bytes + word_ids + max(resident.values())
    traffic = sent(load)
    return MachinesForecast(
        n_words=len(counts),
        n_kept_tokens=n_tokens,
        epochs=epochs,
        n_workers=len(names),
        n_shards=n_shards,
        rounds=rounds,
        model_bytes=model_bytes,
        state_bytes=state_bytes,
        worker_bytes=others + worker_bytes(load),
        free_bytes=min(free_memory(cluster).values()),
        client_bytes=resident_memory() + client_bytes(load),
        sent_to_each=int(traffic.to_each),
        sent_between_workers=int(traffic.between_workers),
        sent_to_client=int(traffic.to_client),
        network_bytes_per_s=network,
        n_measured_steps=sample.n_steps,
        round_seconds=time_of_round.seconds,
        sending_seconds=time_of_round.sending,
        train_seconds=time_of_round.seconds * rounds * epochs,
    )


def network_rate(cluster: Cluster) -> float:
    """Return the bytes per second at which the client fetches some from a worker."""
    future = cluster.submit(np.random.default_rng(1).bytes, _NETWORK_BYTES, name="bytes")
    cluster.wait([future], lambda _: None)
    began = time.perf_counter()
    cluster.results([future], lambda: None)
    return _NETWORK_BYTES / (time.perf_counter() - began)


def fixed_seconds(cluster: Cluster, n_shards: int, n_blocks: int) -> float:
    """Return the seconds of a round whose tasks have nothing to do."""

    def nothing(*args: object, name: str) -> Future:
        return cluster.submit(_nothing, *args, name=name)

    def empty_round(blocks: list[Future]) -> list[Future]:
        shards = [nothing(blocks, k, name="nothing") for k in range(n_shards)]
        merged = [
            nothing([nothing(shard, name="none") for shard in shards], name="nothing")
            for _ in blocks
        ]
        cluster.wait(merged, lambda _: None)
        cluster.results(merged, lambda: None)
        return merged

    blocks = empty_round([nothing(name="nothing") for _ in range(n_blocks)])
    began = time.perf_counter()
    for _ in range(_EMPTY_ROUNDS):
        blocks = empty_round(blocks)
    return (time.perf_counter() - began) / _EMPTY_ROUNDS


def _nothing(*_: object) -> None:
    """Do nothing."""


def free_memory(cluster: Cluster) -> dict[str, int]:
    """Return how much memory each worker can still take: what its machine has, shared fairly.

    Where Dask limits a worker, what is left of that, if it is less.
    """
    names, workers = cluster.admitted, cluster.workers
    available = cluster.run(available_memory, workers=names)
    resident = cluster.run(resident_memory, workers=names)
    hosts = [workers[name]["host"] for name in names]
    free = {}
    for name, host in zip(names, hosts, strict=True):
        free[name] = int(_SHARE * available[name] / hosts.count(host))
        if limit := workers[name]["memory_limit"]:
            free[name] = max(0, min(free[name], limit - resident[name]))
    return free


def check_workers_fit(cluster: Cluster, vocabulary: Vocabulary, settings: Settings) -> None:
    """Refuse a run that takes more memory than a worker has.

    Raises
    ------
    W2VError
        Names the worker with the least, and what can be changed.
    """
    free = free_memory(cluster)
    if not free:
        return
    n_workers = len(free)
    name = min(free, key=lambda name: free[name])

    def needs(n_words: int | None = None, n_workers: int = n_workers, **optimizer: object) -> int:
        changed = replace(
            settings,
            optimizer=replace(settings.optimizer, **optimizer),  # type: ignore[arg-type]
        )
        frequent = Vocabulary(vocabulary.words[:n_words], vocabulary.counts[:n_words])
        return worker_bytes(load_of(n_workers, frequent, changed))

    n_bytes = needs()
    if n_bytes <= free[name]:
        return
    assert settings.sharding is not None
    remedies = {}
    if n_workers < settings.sharding.shards:
        remedies["a worker for each shard"] = needs(n_workers=settings.sharding.shards)
    smallest = needs(optimizer="rowwise-adam", beta1=0.0, bias_correction="global")
    remedies["`optimizer=rowwise-adam` `beta1=0`"] = smallest
    if fits := int(len(vocabulary) * free[name] / n_bytes):
        remedies[f"`max_vocab={fits}`"] = needs(n_words=fits)
    saved = [
        f"{remedy} saves {gigabytes(n_bytes - less)}"
        for remedy, less in remedies.items()
        if less < n_bytes
    ]
    raise W2VError(
        f"the model does not fit: {name} needs {gigabytes(n_bytes)} of memory, and "
        f"{gigabytes(free[name])} are free there",
        ", ".join(saved),
    )

"""A round of a shard, and a round of several, without a cluster."""

import numpy as np
import pytest

from w2v_sparseadam.distributed.blocks import arrays_of, blocks_of, changes_of, fill_tables
from w2v_sparseadam.distributed.merging import merge_block
from w2v_sparseadam.distributed.shard import Round, no_change, sum_of, train_shard
from w2v_sparseadam.engine.stepper import Batch
from w2v_sparseadam.optimizers.settings import OPTIMIZERS
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.training.build import build_engine, new_tables
from w2v_sparseadam.training.keywords import settings_from
from w2v_sparseadam.training.schedule import Schedule

V = 60


def text(seed, n_lines=80):
    """Return word ids of short lines of frequent and rare words."""
    random = np.random.default_rng(seed)
    lines = [np.minimum(random.zipf(1.4, 9) - 1, V - 1) for _ in range(n_lines)]
    return np.concatenate([np.append(line, -1) for line in lines]).astype(np.int32)


def settings_of(optimizer="sparse-adam", **given):
    chosen = {"dim": 20, "batch_size": 64, "subsample": 0, "epochs": 2, "optimizer": optimizer}
    return settings_from({**chosen, **given}).for_text(1000, V)


def counts_of(word_ids):
    return np.bincount(word_ids[word_ids >= 0], minlength=V).astype(np.int64)


def trained_round(settings, texts, n_blocks=2, threads=1, number=0, tables=None):
    """Return the tables after a round, one shard a text."""
    counts = counts_of(np.concatenate(texts))
    if tables is None:
        _, tables = new_tables(settings, counts)
    blocks = list(blocks_of(tables, n_blocks))
    steps = tuple(table.step_count for table in tables.values())
    round_ = Round(settings, number, (2,), len(texts), steps)
    results = [
        train_shard(blocks, word_ids, counts, round_, shard, threads=threads)
        for shard, word_ids in enumerate(texts)
    ]
    added = {name: table.added for name, table in tables.items()}
    merged = [
        merge_block(block, [result.changes[k] for result in results], added)
        for k, block in enumerate(blocks)
    ]
    fill_tables(tables, merged)
    for table in tables.values():
        table.step_count += max(result.n_steps for result in results)
    return tables, results


def same(tables, others):
    return all(
        np.array_equal(array, arrays_of(others[name])[kind])
        for name, table in tables.items()
        for kind, array in arrays_of(table).items()
    )


@pytest.mark.parametrize("optimizer", [name for name in OPTIMIZERS if name != "dense-adam"])
def test_one_shard_in_one_round_an_epoch_is_the_run_of_one_machine(optimizer):
    settings, word_ids = settings_of(optimizer), text(1)
    counts = counts_of(word_ids)
    with Workers(1) as workers:
        engine = build_engine(word_ids, counts, settings, workers)
        schedule = Schedule(settings.optimizer, [2 * engine.n_batches])
        batches = engine.run(0, [schedule.lr(step) for step in range(2 * engine.n_batches)])
    tables, first = trained_round(settings, [word_ids])
    tables, second = trained_round(settings, [word_ids], number=1, tables=tables)
    assert same(tables, engine.tables)
    assert sum_of([first[0].batch, second[0].batch]) == sum_of(batches)


@pytest.mark.parametrize("optimizer", ["sparse-adam", "adagrad"])
def test_neither_threads_nor_blocks_change_the_result(optimizer):
    settings = settings_of(optimizer, **({} if optimizer == "adagrad" else {"beta1": 0.9}))
    texts = [text(1), text(2, 50), text(3, 3)]
    expected, _ = trained_round(settings, texts)
    for n_blocks, threads in ((1, 2), (7, 1), (V + 5, 3)):
        assert same(trained_round(settings, texts, n_blocks, threads)[0], expected)


def test_a_shard_leaves_what_it_is_given():
    settings, word_ids = settings_of(), text(1)
    counts = counts_of(word_ids)
    blocks = list(blocks_of(new_tables(settings, counts)[1], 3))
    before = [{n: {k: a.copy() for k, a in t.items()} for n, t in b.items()} for b in blocks]
    for block in blocks:
        for arrays in block.values():
            for array in arrays.values():
                array.flags.writeable = False  # as what comes over the network may be
    train_shard(blocks, word_ids, counts, Round(settings, 0, (2,), 1, (0, 0)), 0)
    for block, kept in zip(blocks, before, strict=True):
        for name, arrays in kept.items():
            assert all(np.array_equal(block[name][kind], array) for kind, array in arrays.items())


def test_each_shard_of_each_round_has_random_numbers_of_its_own():
    settings, word_ids = settings_of(), text(1)
    counts = counts_of(word_ids)
    blocks = list(blocks_of(new_tables(settings, counts)[1], 1))
    losses = {
        train_shard(
            blocks, word_ids, counts, Round(settings, number, (9,), 4, (0, 0)), shard
        ).batch.loss
        for number in range(2)
        for shard in range(4)
    }
    assert len(losses) == 8


def test_only_rows_that_moved_are_returned_with_how_often():
    settings = settings_of("sgd", batch_size=32)
    word_ids = np.array([3, 5, -1] * 40, np.int32)
    counts = np.ones(V, np.int64)
    blocks = list(blocks_of(new_tables(settings, counts)[1], 1))
    round_ = Round(settings, 0, (1,), 1, (0, 0))
    result = train_shard(blocks, word_ids, counts, round_, 0)
    center = result.changes[0]["center"]
    assert center.rows.tolist() == [3, 5]
    assert center.touches.tolist() == [result.n_steps] * 2
    moved = blocks[0]["center"]["vectors"][[3, 5]] != center.arrays["vectors"]
    assert moved[:, :20].any(axis=1).all()
    context = result.changes[0]["context"]
    assert context.touches.max() == result.n_steps
    assert set(context.rows) >= {3, 5}


def test_a_part_has_batches_as_large_as_those_of_the_whole():
    settings = settings_of(batch_size=32)
    whole = np.concatenate([text(seed) for seed in range(4)])
    counts = counts_of(whole)
    with Workers(1) as workers:
        engine = build_engine(whole, counts, settings, workers)
        part = text(1)
        share = np.count_nonzero(part >= 0) / counts.sum()
        other = build_engine(part, counts, settings, workers, share=share)
    assert other.positions == pytest.approx(engine.positions, abs=1)


def test_a_shard_without_text_changes_nothing():
    settings, word_ids = settings_of(), text(1)
    blocks = list(blocks_of(new_tables(settings, counts_of(word_ids))[1], 2))
    added = {"center": frozenset(), "context": frozenset()}
    for block, none in zip(blocks, no_change(blocks), strict=True):
        merged = merge_block(block, [none, none], added)
        for name, arrays in merged.items():
            assert all(np.array_equal(a, block[name][kind]) for kind, a in arrays.items())


def test_frozen_words_stay_in_all_shards():
    settings, texts = settings_of(), [text(1), text(2)]
    counts = counts_of(np.concatenate(texts))
    frozen = np.zeros(V, np.bool_)
    frozen[0] = True
    blocks = list(blocks_of(new_tables(settings, counts, frozen)[1], 1))
    round_ = Round(settings, 0, (1,), 2, (0, 0))
    for shard, word_ids in enumerate(texts):
        result = train_shard(blocks, word_ids, counts, round_, shard, frozen=frozen)
        assert 0 not in result.changes[0]["center"].rows


def test_touches_are_counted_in_each_step():
    settings, word_ids = settings_of(batch_size=32), text(1)
    counts = counts_of(word_ids)
    with Workers(2) as workers:
        engine = build_engine(word_ids, counts, settings, workers, count_touches=True)
        expected = {name: np.zeros(V, int) for name in engine.tables}
        for step in range(engine.n_batches):
            engine.run(step, [0.01])
            for name, rows in zip(engine.tables, engine.last_rows(), strict=True):
                expected[name][rows] += 1
        for name, touches in engine.touches.items():
            assert touches.tolist() == expected[name].tolist()
        changes = changes_of(engine.tables, engine.touches, 4)
        assert sum(len(of["center"].rows) for of in changes) == np.count_nonzero(expected["center"])


def test_batches_are_added():
    assert sum_of([Batch(1, 2.0, 3.0), Batch(10, 20.0, 30.0)]) == Batch(11, 22.0, 33.0)

"""What rounds on several machines cost, by hand and against a shard that is trained."""

import sys
from pathlib import Path

import numpy as np
import pytest

from w2v_sparseadam.distributed.costs import (
    Load,
    Rates,
    client_bytes,
    round_time,
    sent,
    worker_bytes,
)
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.training.build import build_engine
from w2v_sparseadam.training.settings import RunConfig, Settings

LOAD = Load(state_bytes=1000, changed=0.5, n_shards=8, n_workers=4)


def test_memory_by_hand():
    """A worker trains 2 shards of 8, each of which hands over half of the state."""
    # Training: blocks, tables and 2 · 500. Merging: blocks, 2 · 500, 6 · 500 / 4, and its quarter.
    assert worker_bytes(LOAD) == max(1000 + 1000 + 1000, 1000 + 1000 + 750 + 250)
    assert worker_bytes(Load(1000, 0.1, 4, 4)) == 3000
    assert worker_bytes(Load(1000, 1.0, 8, 1)) == 1000 + 8000 + 1000
    assert client_bytes(LOAD) == 2000


def test_bytes_sent_by_hand():
    found = sent(LOAD)
    assert found.to_each == 750 + 6 * 500 / 4
    assert found.between_workers == 4 * 750 + 8 * 500 * 3 / 4
    assert found.to_client == 1000
    alone = sent(Load(1000, 0.5, 8, 1))
    assert alone.to_each == alone.between_workers == 0
    idle = sent(Load(1000, 0.5, 2, 4))
    assert idle.between_workers == 2 * 750 + 2 * 500 * 3 / 4


def test_time_by_hand():
    rates = Rates(
        tokens_per_s=10,
        text_bytes_per_s=200,
        copied_bytes_per_s=1000,
        merged_bytes_per_s=500,
        network_bytes_per_s=100,
        fixed_seconds=0.25,
        shard_seconds=0.5,
    )
    found = round_time(LOAD, rates, n_tokens=400, n_bytes=1600)
    assert (found.reading, found.training) == (2 * 1600 / 8 / 200, 2 * 400 / 8 / 10)
    assert (found.copying, found.merging) == (2 * 1500 / 1000, 8 * 500 / 4 / 500)
    assert found.sending == 1500 / 100
    assert found.seconds == 2 + 10 + 3 + 2 + 15 + (0.25 + 2 * 0.5)
    # What the client fetches takes 10 s, of which a short round leaves some to wait for.
    short = round_time(Load(1000, 0.0, 1, 1), rates, n_tokens=1, n_bytes=20)
    assert short.seconds == pytest.approx(10)


def test_the_model_of_a_large_cluster_by_hand(capsys, monkeypatch):
    """16 columns of 1000 words with one number each for their squares: 136,000 bytes."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
    import bench_cluster

    sizes = "--machines 2 --words 1000 --dim 16 --tokens 3e6 --rounds 3 --network-gbit 0.00016"
    rates = "--tokens-per-s 1e4 --text-rate 1e5 --copy-rate 27200 --merge-rate 136000"
    options = f"model {sizes} {rates} --bytes-per-token 2"
    monkeypatch.setattr(sys, "argv", ["bench_cluster.py", *options.split()])
    bench_cluster.main()
    printed = capsys.readouterr().out
    # A round: 500,000 tokens per machine are read in 10 s and trained in 50 s; tables take 10 s;
    # merging 1 s; half of the blocks and half of the other's changes are sent in 6.8 s.
    assert "| 3e+06 | rowwise-adam | 3 | 3.9 min | 9% | 1% |" in printed
    # 34 s are five times 6.8 s: 16.2 s are left for tokens, of which two machines do 1 / 60 µs.
    assert "rowwise-adam: the network takes 20 % in rounds of 2.7e+05 tokens." in printed


@pytest.mark.parametrize(("n_tokens", "subsample"), [(300, 0.0), (4000, 1e-3)])
def test_rows_that_a_shard_is_expected_to_change(n_tokens, subsample):
    """Expected and counted rows differ by little: draws are not quite independent."""
    rng = np.random.default_rng(5)
    text = np.minimum(rng.zipf(1.2, 40_000), 2000).astype(np.int32) - 1
    counts = np.bincount(text, minlength=2000)
    settings = Settings(
        objective=SkipGramConfig(dim=4, window=2, subsample=subsample),
        run=RunConfig(batch_size=256),
    )
    word_ids = text[:n_tokens]
    share = n_tokens / text.size
    with Workers(1) as workers:
        engine = build_engine(word_ids, counts, settings, workers, share=share, count_touches=True)
        engine.run(0, [0.01] * engine.n_batches)
    moved = np.mean([np.count_nonzero(touches) / 2000 for touches in engine.touches.values()])
    objective = settings.objective.build(counts, None)
    assert objective.moved_share(share) == pytest.approx(moved, rel=0.08)

"""scripts/bench_engine.py takes the steps that the engine takes."""

import runpy
from pathlib import Path

import numpy as np

from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.settings import RunConfig, Settings

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "bench_engine.py"))


def test_the_waterfall_takes_the_steps_of_the_engine():
    settings = Settings(
        objective=SkipGramConfig(dim=20, window=3, subsample=1e-3),
        run=RunConfig(batch_size=300, threads=1, seed=5),
    )
    with read_corpus([ROOT / "data" / "sample.txt"], TextConfig()) as corpus, Workers(1) as workers:
        timed, usual = (SCRIPT["new_engine"](corpus, settings, workers) for _ in range(2))
        seconds, work = SCRIPT["time_stages"](timed, 0.02, n_batches=5)
        usual.run(0, [0.02] * 5)
        for name, table in usual.tables.items():
            assert np.array_equal(timed.tables[name].param, table.param), name
    assert seconds.shape == (5, 4)
    assert (seconds > 0).all()
    assert 0 < work.pairs <= 6
    assert work.rows < work.places < 3.5  # center, context and negative; more at the edges

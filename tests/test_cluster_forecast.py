"""The dry run on several machines, and workers that are too small for a run."""

import numpy as np
import pytest

pytest.importorskip("distributed")

from dataclasses import replace

from click.testing import CliRunner

from w2v_sparseadam.commands.train import main
from w2v_sparseadam.distributed import forecast
from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.text.vocabulary import Vocabulary
from w2v_sparseadam.training.settings import Settings, ShardConfig

VOCABULARY = Vocabulary(["w"] * 10**6, np.full(10**6, 1000))
SETTINGS = Settings(objective=SkipGramConfig(dim=100, subsample=0.0), sharding=ShardConfig(4, 1))


class Workers:
    """A cluster whose workers can take so much memory."""

    def __init__(self, **free):
        self.admitted = sorted(free)
        self.workers = {
            name: {"host": "here", "memory_limit": limit} for name, (_, limit) in free.items()
        }
        self._free = {name: available for name, (available, _) in free.items()}

    def run(self, work, workers):
        return {"available_memory": self._free, "resident_memory": dict.fromkeys(workers, 100)}[
            work.__name__
        ]


def test_free_memory_is_shared_by_the_workers_of_a_machine_and_limited_by_dask():
    cluster = Workers(a=(1000, 0), b=(1000, 300), c=(1000, 50))
    assert forecast.free_memory(cluster) == {"a": 266, "b": 200, "c": 0}
    cluster.workers["a"]["host"] = "there"
    assert forecast.free_memory(cluster)["a"] == 800


def test_a_worker_that_is_too_small_by_hand():
    """A million words of 112 columns: 1.792 GB with the second moments, all of which change.

    One of two workers trains two shards: it holds the state, the tables and two results.
    """
    cluster = Workers(a=(30 * 10**9, 0), b=(30 * 10**9, 4 * 10**9))
    with pytest.raises(W2VError) as caught:
        forecast.check_workers_fit(cluster, VOCABULARY, SETTINGS)
    assert str(caught.value) == (
        "the model does not fit: b needs 8.1 GB of memory, and 4.0 GB are free there; a worker for "
        "each shard saves 2.7 GB, optimizer=rowwise-adam beta1=0 saves 4.0 GB, max_vocab=496031 "
        "saves 4.1 GB"
    )
    small = replace(SETTINGS, objective=SkipGramConfig(dim=16, subsample=0.0))
    forecast.check_workers_fit(cluster, VOCABULARY, small)


def test_a_dry_run_on_workers_of_this_machine(tmp_path):
    numbers = np.minimum(np.random.default_rng(8).zipf(1.4, (400, 8)), 50)
    text = tmp_path / "text.txt"
    text.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))
    options = "--workers 2 --shards 4 --rounds 3 --epochs 2 --dim 13 --min-count 1 --dry-run"
    result = CliRunner().invoke(main, [str(text), *options.split(), "-q"])
    assert result.exit_code == 0, result.output
    lines = {line[:20].strip(): line[20:] for line in result.stdout.splitlines()}
    assert lines["Words"] == "50"
    assert lines["Tokens kept"] == "3,200"
    assert lines["Epochs"] == "2, of 3 rounds"
    assert lines["Shards of a round"] == "4, on 2 workers"
    assert " MB at peak; free: " in lines["Memory of a worker"]
    assert "estimated from" in lines["Time to train"]
    assert sorted(tmp_path.iterdir()) == [text]

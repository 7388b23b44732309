"""The dry run: what it counts, what it refuses, and that it leaves nothing."""

import numpy as np
import pytest
from runs import forecast, train

from w2v_sparseadam.commands.report import forecast_lines
from w2v_sparseadam.errors import SettingError, W2VError
from w2v_sparseadam.evaluation.kinds import SimilaritySet
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.system import memory
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.build import check_model_fits
from w2v_sparseadam.training.epoch_scores import EpochScoring
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.vectors.vectors import Vectors

SETTINGS = {
    "text": TextConfig(min_count=1),
    "skip_gram": SkipGramConfig(dim=13, window=2, subsample=0),
    "run": RunConfig(epochs=3, batch_size=32, threads=1),
}


@pytest.fixture
def text(tmp_path):
    """Write 160 tokens in lines of 8."""
    numbers = np.minimum(np.random.default_rng(8).zipf(1.4, (20, 8)), 20)
    path = tmp_path / "text.txt"
    path.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))
    return path


def test_it_tells_what_training_does(text, tmp_path):
    before = sorted(tmp_path.iterdir())
    events = []
    found = forecast(text, **SETTINGS, on_event=events.append)
    assert sorted(tmp_path.iterdir()) == before
    assert {event["event"] for event in events} <= {"compile", "read", "text"}
    events = []
    model = train(text, **SETTINGS, on_event=events.append)
    (start,) = (event for event in events if event["event"] == "start")
    assert found.n_words == len(model.words)
    assert found.n_kept_tokens == 160
    assert found.n_steps == found.n_measured_steps == start["steps"]
    assert found.n_threads == 1
    # 13 dimensions are padded to 16; Adam without a first moment has a second one.
    assert found.model_bytes == 2 * len(model.words) * 16 * 4
    assert found.state_bytes == found.model_bytes
    assert found.word_id_bytes == 4 * (160 + 20)
    assert found.train_seconds > 0
    parts = found.model_bytes + found.state_bytes + found.buffer_bytes + found.word_id_bytes
    assert found.peak_bytes >= found.process_bytes + parts


def test_it_counts_the_copy_of_the_best_epoch(text, monkeypatch):
    pairs = SimilaritySet("pairs", [("w1", "w2", 1.0), ("w1", "w3", 2.0)])
    scored, watched = EpochScoring([pairs]), EpochScoring([pairs], 0)
    assert forecast(text, **SETTINGS, scoring=scored).best_bytes == 0
    found = forecast(text, **SETTINGS, scoring=watched)
    assert found.best_bytes == found.model_bytes
    parts = found.model_bytes + found.state_bytes + found.buffer_bytes + found.word_id_bytes
    assert found.peak_bytes >= found.process_bytes + parts + found.best_bytes
    assert "Best epoch          0 MB" in forecast_lines(found)
    available = int((2.5 * found.model_bytes) / memory._SHARE)  # that of three is needed
    monkeypatch.setattr(memory, "available_memory", lambda: available)
    with pytest.raises(W2VError, match=r"^the batches do not fit"):
        forecast(text, **SETTINGS, scoring=scored)
    for call in (forecast, train):
        with pytest.raises(W2VError, match=r"^the model does not fit: with its optimizer's state"):
            call(text, **SETTINGS, scoring=watched)


def test_a_long_run_is_judged_by_some_of_its_steps(text):
    run = RunConfig(epochs=100, batch_size=32, threads=1)
    found = forecast(text, **{**SETTINGS, "run": run})
    assert found.n_measured_steps == 400 < found.n_steps


def test_it_takes_start_vectors_and_frozen_words(text):
    events = []
    init = Vectors(["w1", "x"], np.ones((2, 13)))
    forecast(text, **SETTINGS, init=init, freeze=["w1"], on_event=events.append)
    assert [event["event"] for event in events][-2:] == ["freeze", "init"]
    with pytest.raises(SettingError, match="the start vectors have 3 dimensions, but dim is 13"):
        forecast(text, **SETTINGS, init=Vectors(["w1"], [[1, 2, 3]]))


def test_a_model_that_does_not_fit(text, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 1000)
    for call in (forecast, train):
        with pytest.raises(W2VError, match=r"^the model does not fit: with its optimizer's state"):
            call(text, **SETTINGS)


def settings(dim, **optimizer):
    return Settings(objective=SkipGramConfig(dim=dim), optimizer=OptimizerConfig(**optimizer))


def test_remedies_by_hand(monkeypatch):
    """A million words of 112 columns: 0.448 GB a matrix, of which Adam has 6 with both moments."""
    monkeypatch.setattr(memory, "available_memory", lambda: 2_000_000_000)
    with pytest.raises(W2VError) as caught:
        check_model_fits(range(10**6), settings(100, beta1=0.9))
    assert str(caught.value) == (
        "the model does not fit: with its optimizer's state it needs 2.7 GB of memory, and 2.0 GB "
        "are free; max_vocab=595238 saves 1.1 GB, dim=48 saves 1.5 GB, beta1=0 saves 0.9 GB, "
        "optimizer=rowwise-adam beta1=0 saves 1.8 GB"
    )
    check_model_fits(range(595238), settings(100, beta1=0.9))
    check_model_fits(range(10**6), settings(48, beta1=0.9))


def test_only_remedies_that_save_something(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**6)
    with pytest.raises(W2VError) as caught:
        check_model_fits(range(10**6), settings(100, optimizer="sgd"))
    assert str(caught.value).endswith("are free; max_vocab=892 saves 0.9 GB")

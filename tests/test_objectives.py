"""The seam between objectives and everything else, by an objective that only the tests have.

The engine, the training loop, the folder of a run, resuming and more text take it as it is.
"""

import pickle

import numpy as np
import pytest
from runs import train
from trigram import TrigramConfig, reference_step

from w2v_sparseadam.errors import FormatError, SettingError
from w2v_sparseadam.objectives.registry import OBJECTIVES
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.runs.settings import read_settings
from w2v_sparseadam.system import machine
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.build import build_engine, model_memory
from w2v_sparseadam.training.initialize import Start
from w2v_sparseadam.training.resume import resume
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "trigram", TrigramConfig)


def settings(epochs=3, **optimizer):
    return Settings(
        TextConfig(min_count=1),
        TrigramConfig(),
        OptimizerConfig(**{"lr": 0.01, **optimizer}),
        RunConfig(epochs=epochs, batch_size=50),
    )


def write_text(path, seed, n_lines, n_words=30):
    rng = np.random.default_rng(seed)
    lines = [" ".join(f"w{k}" for k in rng.integers(0, n_words, 12)) for _ in range(n_lines)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def text(tmp_path):
    return write_text(tmp_path / "text.txt", 1, 40)


def bytes_of(model):
    return {name: table.tobytes() for name, table in model.tables.items()}


def test_steps_equal_the_reference():
    rng = np.random.default_rng(2)
    word_ids = rng.integers(-1, 20, 600).astype(np.int32)
    counts = np.bincount(word_ids[word_ids >= 0], minlength=20)
    with Workers(2) as workers:
        engine = build_engine(word_ids, counts, settings(optimizer="sgd"), workers)
        tables = {name: it.param[:, :8].astype(np.float64) for name, it in engine.tables.items()}
        for step in range(engine.n_batches):
            start = step * engine.positions
            [batch] = engine.run(step, [0.05])
            loss = reference_step(tables, word_ids, start, start + engine.positions, 0.05)
            assert batch.loss == pytest.approx(loss, rel=1e-6)
        assert engine.n_batches > 5
    for name, optimizer in engine.tables.items():
        np.testing.assert_allclose(optimizer.param[:, :8], tables[name], atol=1e-6)
        assert not optimizer.param[:, 8:].any()


@pytest.mark.parametrize("optimizer", ["sparse-adam", "dense-adam"])
def test_threads_do_not_change_a_byte(text, monkeypatch, optimizer):
    monkeypatch.setattr(machine, "usable_processors", lambda: 8)
    models = []
    for threads in (1, 2, 3):
        asked = settings(optimizer=optimizer)
        models.append(train_by_settings(text, asked.with_threads(threads)))
    assert bytes_of(models[0]) == bytes_of(models[1]) == bytes_of(models[2])
    assert models[0].loss < np.log(2)


def test_an_interrupted_run_ends_in_the_same_bytes(text, tmp_path):
    alone = train_by_settings(text, settings())
    assert [epoch.epoch for epoch in alone.history] == [1, 2, 3]
    assert alone.history[-1].loss == alone.loss
    folder = tmp_path / "run"

    def stop(event):
        if event["event"] == "epoch" and event["epoch"] == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_by_settings(text, settings(), run_dir=folder, on_event=stop)
    assert read_settings(folder)["trigram"] == {"dim": 8, "skip": 0}
    resumed = resume(folder)
    assert bytes_of(resumed) == bytes_of(alone)
    assert resumed.objective == TrigramConfig()
    more = write_text(tmp_path / "more.txt", 3, 20, n_words=40)
    grown = resume(folder, add=more, more_epochs=2)
    assert len(grown.words) > len(alone.words)
    assert bytes_of(resume(folder)) == bytes_of(grown)


def test_a_model_gives_its_tables(text):
    model = train_by_settings(text, settings(epochs=1))
    assert set(model.tables) == {"left", "right", "middle"}
    assert model.left_vectors is model.tables["left"]
    assert model.vectors().matrix.tobytes() == model.tables["middle"].tobytes()
    assert bytes_of(pickle.loads(pickle.dumps(model))) == bytes_of(model)
    with pytest.raises(SettingError, match=r"^kind is 'sum', but must be one of 'middle'$"):
        model.vectors("sum")
    with pytest.raises(AttributeError, match="has no attribute 'center_vectors'"):
        model.center_vectors  # noqa: B018


def test_a_run_starts_from_another(text, tmp_path):
    first = train_by_settings(text, settings(), run_dir=tmp_path / "run")
    start = Start.load(tmp_path / "run")
    assert list(start.rows) == ["left", "right", "middle"]
    again = train_by_settings(text, settings(lr=1e-30), init=start)
    np.testing.assert_allclose(again.tables["right"], first.tables["right"], atol=1e-6)
    with pytest.raises(SettingError, match="has the tables left, right, middle, and this one c"):
        train(text, text=TextConfig(min_count=1), skip_gram=SkipGramConfig(dim=8), init=start)
    kept = read_settings(tmp_path / "run")
    with pytest.raises(FormatError, match="trigram has no 'dim'"):
        Settings.read({**kept, "trigram": {}}, "x")


def test_memory_counts_every_table():
    model, state = model_memory(range(1000), settings(optimizer="sparse-adam", beta1=0.0))
    assert (model, state) == (3 * 1000 * 16 * 4, 3 * 1000 * 16 * 4)

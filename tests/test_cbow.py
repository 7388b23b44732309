"""CBOW through the training loop, the folder of a run and the command line."""

import numpy as np
import pytest
from click.testing import CliRunner

from w2v_sparseadam import Model, Vectors, resume, train
from w2v_sparseadam.commands.train import main
from w2v_sparseadam.errors import SettingError, W2VError
from w2v_sparseadam.training.keywords import settings_from

SETTINGS = {"model": "cbow", "dim": 16, "min_count": 1, "epochs": 3, "batch_size": 200}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text of words in which even ones keep company with even ones."""
    rng = np.random.default_rng(1)
    lines = []
    for _ in range(300):
        words = 2 * np.minimum(rng.zipf(1.5, 12) - 1, 19) + rng.integers(0, 2)
        lines.append(" ".join(f"w{word}" for word in words))
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def bytes_of(model):
    return b"".join(table.tobytes() for table in model.tables.values())


def test_words_of_a_kind_find_each_other(text):
    model = train(text, **{**SETTINGS, "epochs": 30})
    assert list(model.tables) == ["context", "center"]
    assert np.array_equal(model.vectors().matrix, model.context_vectors)
    near = [int(word[1:]) for word, _ in model.most_similar("w2", n=5)]
    assert all(number % 2 == 0 for number in near)
    assert model.history[-1].loss < 0.8 * model.history[0].loss


def test_the_model_decides_the_vectors(text):
    cbow, skip_gram = (train(text, **{**SETTINGS, "model": name}) for name in ("cbow", "skip-gram"))
    assert bytes_of(cbow) != bytes_of(skip_gram)
    assert set(cbow.tables) == set(skip_gram.tables)


def test_threads_and_a_resumed_run_change_no_byte(text, tmp_path):
    alone = train(text, threads=1, **SETTINGS)
    assert bytes_of(train(text, threads=2, **SETTINGS)) == bytes_of(alone)
    folder = tmp_path / "run"

    def stop(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(text, run_dir=folder, on_event=stop, **SETTINGS)
    assert bytes_of(resume(folder)) == bytes_of(alone)
    more = tmp_path / "more.txt"
    more.write_text("w2 w4 w99 w6\n" * 5)
    grown = resume(folder, add=more, more_epochs=1)
    assert len(grown.words) == len(alone.words) + 1
    assert list(grown.tables) == ["context", "center"]


def test_given_vectors_start_it_and_frozen_ones_stay(text, tmp_path):
    first = train(text, **SETTINGS)
    path = tmp_path / "first.bin"
    first.vectors().save(path)
    words = ["w2", "w5"]
    again = train(text, init=Vectors.load(path), freeze=words, **SETTINGS)
    np.testing.assert_array_equal(again.vectors()[words], first.vectors()[words])
    assert not np.array_equal(again["w4"], first["w4"])
    other = train(text, init=Vectors.load(path), **SETTINGS)
    assert not np.array_equal(other.vectors()[words], first.vectors()[words])


def test_a_saved_model_keeps_its_kinds(text, tmp_path):
    model = train(text, **SETTINGS)
    model.save(tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    assert bytes_of(loaded) == bytes_of(model)
    assert loaded.objective == model.objective
    assert np.array_equal(Vectors.load(tmp_path / "m.safetensors").matrix, model.context_vectors)


def test_the_command(text, tmp_path):
    def run(*options, code=0):
        done = CliRunner().invoke(main, [str(option) for option in options])
        assert done.exit_code == code, done.output
        return done.output

    options = ["--model", "cbow", "--dim", 16, "--min-count", 1, "--epochs", 3]
    folder, output = tmp_path / "run", tmp_path / "v.bin"
    run(text, *options, "--batch-size", 200, "--run-dir", folder, "-o", output)
    expected = train(text, **SETTINGS)
    assert np.array_equal(Vectors.load(output).matrix, expected.context_vectors)
    run("--resume", folder, "--vectors", "center", "--model", "cbow", "-o", output)
    assert np.array_equal(Vectors.load(output).matrix, expected.center_vectors)
    said = run("--resume", folder, "--model", "skip-gram", code=2)
    assert f"--model is skip-gram, but the run in {folder} has cbow; leave it out" in said
    said = run(text, *options, "--dry-run")
    assert "memory" in said


def test_names_of_other_programs():
    with pytest.raises(W2VError, match="there is no setting 'sg'; use model"):
        settings_from({"sg": 0})
    with pytest.raises(SettingError, match="model is 'glove', but must be one of"):
        settings_from({"model": "glove"})

"""The vectors in the folder of a run."""

import errno
import json

import numpy as np
import pytest
from click.testing import CliRunner
from trigram import TrigramConfig

from w2v_sparseadam.commands import eval as eval_command
from w2v_sparseadam.commands import neighbors
from w2v_sparseadam.commands import train as train_command
from w2v_sparseadam.errors import FormatError, W2VError, W2VWarning
from w2v_sparseadam.objectives.registry import OBJECTIVES
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.runs import checkpoint_file
from w2v_sparseadam.runs.checkpoint_file import from_last, path_of, write_checkpoint
from w2v_sparseadam.runs.folder import RunFolder
from w2v_sparseadam.runs.sealed_json import sealed
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.initialize import Start
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings
from w2v_sparseadam.vectors.vectors import Vectors


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    lines = [" ".join(f"w{k}" for k in rng.integers(0, 30, 12)) for _ in range(20)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "text.txt"


def train(text, objective=None, **given):
    settings = Settings(
        TextConfig(min_count=1),
        objective or SkipGramConfig(dim=3),
        OptimizerConfig("sparse-adam"),
        RunConfig(epochs=2, batch_size=100),
    )
    return train_by_settings(text, settings, run_dir=text.parent / "run", **given)


def interrupted(text):
    """Stop a run after its first epoch; return the folder."""

    def stop(event):
        if event["event"] == "epoch":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(text, on_event=stop)
    return text.parent / "run"


def message_of(do, *args, error=FormatError):
    with pytest.raises(error) as caught:
        do(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_finished_run_gives_its_vectors(text, tmp_path):
    model = train(text)
    loaded = Vectors.load(tmp_path / "run")
    assert loaded.words == tuple(model.words)
    assert loaded.matrix.tobytes() == model.vectors().matrix.tobytes()
    assert loaded.matrix.base.base is None  # in memory, so that the folder may go


def test_the_objective_says_which_vectors(text, tmp_path, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "trigram", TrigramConfig)
    model = train(text, TrigramConfig())
    matrix = Vectors.load(tmp_path / "run").matrix
    assert matrix.tobytes() == model.tables["middle"].tobytes()


def test_an_unfinished_run_gives_those_of_its_last_checkpoint_and_says_so(text):
    path = interrupted(text)
    told = f"{path}: the run is not finished; its vectors are those of step 1 of 2, from its last "
    told += "checkpoint"
    for load in (Vectors.load, Start.load):
        with pytest.warns(W2VWarning, match="not finished") as caught:
            load(path)
        assert [str(warning.message) for warning in caught] == [told]
        assert caught[0].filename == __file__
        events = []
        load(path, on_event=events.append)
        assert [event.message for event in events] == [told]


def test_a_folder_in_use_can_be_read(text, tmp_path):
    train(text)
    with RunFolder.open(tmp_path / "run"):
        assert len(Vectors.load(tmp_path / "run")) == 30


def test_only_the_vectors_are_read(text, tmp_path, monkeypatch):
    """Not the context vectors, nor the moments."""
    train(text)
    read = []
    fill = checkpoint_file._fill
    monkeypatch.setattr(checkpoint_file, "_fill", lambda s, a: [read.extend(a), fill(s, a)])
    Vectors.load(tmp_path / "run")
    assert read == ["center.vectors"]


def test_vectors_beyond_the_memory_are_refused(text, tmp_path, monkeypatch):
    train(text)
    monkeypatch.setattr(checkpoint_file, "lacks_memory", lambda n: f"it needs {n}")
    assert message_of(Vectors.load, tmp_path / "run", error=W2VError).endswith(
        "step-000000000002.safetensors: 'center.vectors': it needs 360"
    )


def test_folders_that_have_no_vectors(text, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    assert message_of(Vectors.load, run) == (
        f"{run}: is a folder without a run; name a file of vectors, or the folder of a run"
    )
    train(text)
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    assert message_of(Vectors.load, run, error=W2VError) == (
        f"{run}/checkpoints: has no checkpoint yet; go on with its run first: w2v-train --resume "
        f"{run}"
    )
    (run / "text.json").unlink()
    assert message_of(Vectors.load, run) == (
        f"{run}/text.json: is missing: the text of the run was not read to its end; resume it, or "
        "start a new one from the text"
    )


def test_damage_to_the_last_checkpoint_leaves_the_one_before(text, tmp_path):
    train(text)
    last, first = sorted((tmp_path / "run" / "checkpoints").iterdir(), reverse=True)
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.warns(W2VWarning, match="those of step 1 of 2, from its last checkpoint"):
        Vectors.load(tmp_path / "run")
    first.write_bytes(b"x" + first.read_bytes()[1:])
    assert "is damaged" in message_of(Vectors.load, tmp_path / "run")


@pytest.mark.parametrize(
    ("arrays", "state", "said"),
    [
        ({"center.vectors": np.zeros((9, 3), np.float32)}, {}, "is not the array that this run"),
        ({"center.vectors": np.zeros((30, 3), np.int64)}, {}, "is not the array that this run"),
        ({}, {}, "is not the array that this run"),
        ({"center.vectors": np.zeros((30, 3), np.float32)}, {}, "the state in its checkpoint is"),
        ({"center.vectors": np.zeros((30, 3), np.float32)}, 3, "the state in its checkpoint is"),
        (
            {"center.vectors": np.zeros((30, 3), np.float32)},
            {"progress": {"step": "1"}, "steps_an_epoch": 1},
            "the state in its checkpoint is",
        ),
        ({"center.vectors": np.full((30, 3), np.nan, np.float32)}, {}, "the state in its check"),
        (
            {"center.vectors": np.full((30, 3), np.nan, np.float32)},
            {"progress": {"step": 2}, "steps_an_epoch": 1},
            "holds nan, not a finite",
        ),
    ],
)
def test_a_checkpoint_that_lies_is_refused(text, tmp_path, arrays, state, said):
    train(text)
    write_checkpoint(path_of(tmp_path / "run" / "checkpoints", 1), arrays, state)
    write_checkpoint(path_of(tmp_path / "run" / "checkpoints", 2), arrays, state)
    assert said in message_of(Vectors.load, tmp_path / "run")


@pytest.mark.parametrize("change", [{"skip_gram": {"dim": 10**9}}, {"skip_gram": {"x\x1b": 1}}])
def test_settings_that_lie_are_refused(text, tmp_path, change):
    train(text)
    path = tmp_path / "run" / "settings.json"
    settings = json.loads(path.read_bytes())
    del settings["checksum"]
    path.write_text(json.dumps(sealed({**settings, **change})))
    said = message_of(Vectors.load, tmp_path / "run")
    assert "its settings are damaged" in said
    assert said.isprintable()


def test_checkpoints_that_a_run_in_training_replaces_are_looked_for_again(tmp_path):
    def read(path):
        if path.name == path_of(tmp_path, 1).name:
            path.unlink()
            path_of(tmp_path, 2).touch()
            raise FileNotFoundError(errno.ENOENT, "gone")
        return path.name

    path_of(tmp_path, 1).touch()
    assert from_last(tmp_path, read) == path_of(tmp_path, 2).name


def test_commands_take_the_folder_of_a_run(text, tmp_path):
    path = interrupted(text)
    (tmp_path / "pairs.txt").write_text("w1 w2 1\nw1 w3 2\n")
    warning = f"Warning: {path}: the run is not finished; "
    result = CliRunner().invoke(neighbors.main, [str(path), "w1", "-n", "2"])
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 3)
    assert result.stderr.startswith(warning)
    result = CliRunner().invoke(eval_command.main, [str(path), "pairs.txt"])
    assert result.exit_code == 0
    assert "pairs.txt  similarity" in result.stdout
    assert result.stderr.startswith(warning)
    args = ["text.txt", "--init", str(path), "--dim", "3", "--min-count", "1", "--epochs", "1"]
    result = CliRunner().invoke(train_command.main, args)
    assert result.exit_code == 0
    assert result.stderr.startswith(warning)

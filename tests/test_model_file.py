"""The file of a model: all comes back, nothing is copied, and nothing in it is run."""

import gzip
import hashlib
import json
import mmap
import pickle

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from trigram import TrigramConfig

from w2v_sparseadam.commands import neighbors
from w2v_sparseadam.errors import FormatError, SettingError, W2VError, WrongTypeError
from w2v_sparseadam.events import EpochEnded
from w2v_sparseadam.objectives.registry import OBJECTIVES
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.runs import checkpoint_file
from w2v_sparseadam.runs.checkpoint_file import write_checkpoint
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.model import Model
from w2v_sparseadam.training.resume import resume
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings
from w2v_sparseadam.vectors.vectors import Vectors

HISTORY = (EpochEnded(1, 9, 4.0, 2.5, 0.1), EpochEnded(2, 9, 0.0, None, 0.1))


def model_of(words=("the", "don't", "東京"), dim=3, objective=None):
    rng = np.random.default_rng(1)
    objective = objective or SkipGramConfig(dim=dim)
    tables = {
        table.name: rng.standard_normal((table.n_rows, 16)).astype(np.float32)[:, : objective.dim]
        for table in objective.tables(words)
    }
    counts = np.arange(len(words), 0, -1)
    return Model(list(words), counts, tables, 2.5, objective, HISTORY, {"text": {"min_count": 5}})


def assert_equal(one, other):
    assert one.words == other.words
    assert one.counts.dtype == np.int64
    assert one.counts.tolist() == other.counts.tolist()
    assert list(one.tables) == list(other.tables)
    for name, table in one.tables.items():
        assert table.dtype == np.float32
        assert table.tobytes() == other.tables[name].tobytes()
    assert (one.loss, one.objective, one.history) == (other.loss, other.objective, other.history)


def message_of(do, *args, error=FormatError):
    with pytest.raises(error) as caught:
        do(*args)
    assert "\n" not in str(caught.value)
    assert str(caught.value).isprintable()
    return str(caught.value)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_any_words_come_back(tmp_path, words):
    """Lone surrogates, NUL and white space, too."""
    path = tmp_path / "m.safetensors"
    model = model_of(["\ud800", "a\0 \nb", *(word + "_" for word in words)])
    model.save(path)
    assert_equal(Model.load(path), model)


def test_arrays_are_mapped_and_read_only(tmp_path):
    model_of().save(tmp_path / "m.safetensors")
    loaded = Model.load(str(tmp_path / "m.safetensors"))
    vectors = Vectors.load(tmp_path / "m.safetensors").matrix
    for array in (*loaded.tables.values(), loaded.counts, vectors):
        assert not array.flags.writeable
        assert array.flags.aligned
        while isinstance(array, np.ndarray):
            array = array.base
        assert isinstance(array.obj if isinstance(array, memoryview) else array, mmap.mmap)
    assert_equal(pickle.loads(pickle.dumps(loaded)), loaded)


def test_a_trained_model_comes_back_with_its_settings(tmp_path):
    rng = np.random.default_rng(1)
    lines = [" ".join(f"w{k}" for k in rng.integers(0, 30, 12)) for _ in range(20)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    settings = Settings(
        TextConfig(str.split, min_count=1),
        SkipGramConfig(dim=3),
        OptimizerConfig("sgd"),
        RunConfig(epochs=2, batch_size=100),
    )
    model = train_by_settings(tmp_path / "text.txt", settings, run_dir=tmp_path / "run")
    for trained in (model, resume(tmp_path / "run"), resume(tmp_path / "run", more_epochs=1)):
        trained.save(tmp_path / "m.safetensors")
        loaded = Model.load(tmp_path / "m.safetensors")
        assert_equal(loaded, trained)
        assert loaded.settings["text"]["min_count"] == 1
        assert loaded.settings["text"]["tokenizer"] == "<str.split>"
        assert loaded.settings["optimizer"]["optimizer"] == "sgd"
        assert loaded.settings["run"]["epochs"] == 2
        assert loaded.settings["skip_gram"] == json.loads(json.dumps(vars(trained.objective)))
        assert loaded.vectors("sum").matrix.tobytes() == trained.vectors("sum").matrix.tobytes()


def test_any_objective(tmp_path, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "trigram", TrigramConfig)
    model = model_of(objective=TrigramConfig())
    model.save(tmp_path / "m.safetensors")
    assert_equal(Model.load(tmp_path / "m.safetensors"), model)
    matrix = Vectors.load(tmp_path / "m.safetensors").matrix
    assert matrix.tobytes() == model.tables["middle"].tobytes()


def test_other_programs_read_it(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    model = model_of()
    model.save(tmp_path / "m.safetensors")
    with safetensors.safe_open(tmp_path / "m.safetensors", "numpy") as file:
        assert file.get_tensor("center_vectors").tobytes() == model.tables["center"].tobytes()
        assert file.get_tensor("words").tobytes().decode() == "thedon't東京"
        assert file.get_tensor("word_ends").tolist() == [3, 8, 14]


def test_vectors_and_commands_read_it(tmp_path):
    path = tmp_path / "no ending"
    model_of().save(tmp_path / "m.safetensors")
    (tmp_path / "m.safetensors").rename(path)
    loaded = Vectors.load(path)
    assert loaded.words == ("the", "don't", "東京")
    assert loaded.matrix.tobytes() == model_of().tables["center"].tobytes()
    result = CliRunner().invoke(neighbors.main, [str(path), "the"])
    assert result.exit_code == 0
    assert "東京" in result.stdout
    (tmp_path / "m.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert message_of(Vectors.load, tmp_path / "m.gz") == (
        f"{tmp_path}/m.gz: is a model, which must be a file that is not compressed"
    )


def test_completion_knows_the_tables():
    assert {"center_vectors", "context_vectors", "most_similar"} <= {*dir(model_of())}


def test_a_link_stays_and_its_target_is_written(tmp_path):
    link = tmp_path / "last.safetensors"
    link.symlink_to("model-7.safetensors")
    for model in (model_of(), model_of(("other", "words"))):
        model.save(link)
        assert link.is_symlink()
        assert_equal(Model.load(tmp_path / "model-7.safetensors"), model)


def test_what_cannot_be_saved_or_read(tmp_path, monkeypatch):
    model = model_of()
    assert message_of(model.save, tmp_path / "m.vec", error=SettingError) == (
        f"{tmp_path}/m.vec: a model is written as safetensors; end the name in .safetensors"
    )
    assert "path must be" in message_of(model.save, 3, error=WrongTypeError)
    assert "does not exist" in message_of(
        model.save, tmp_path / "no" / "m.safetensors", error=W2VError
    )
    assert message_of(Model.load, tmp_path / "gone", error=W2VError) == (
        f"{tmp_path}/gone: cannot be read (No such file or directory)"
    )
    assert message_of(Model.load, tmp_path, error=W2VError) == (
        f"{tmp_path}: is a folder, not the file of a model; of a run, resume() returns the model, "
        "and Vectors.load() the vectors"
    )
    for no_model in (b"1 2\na 1 2\n", b""):
        (tmp_path / "v.vec").write_bytes(no_model)
        assert message_of(Model.load, tmp_path / "v.vec") == (
            f"{tmp_path}/v.vec: is not a saved model; Vectors.load reads vectors"
        )
    monkeypatch.setattr(checkpoint_file, "_MOST_HEADER_BYTES", 100)
    assert "but at most 100 can be written" in message_of(
        model.save, tmp_path / "m.safetensors", error=W2VError
    )
    assert not (tmp_path / "m.safetensors").exists()


def contents():
    """Return the arrays and the state of a good file."""
    arrays = {
        "counts": np.array([2, 1]),
        "word_ends": np.array([1, 3]),
        "center_vectors": np.ones((2, 3), np.float32),
        "context_vectors": np.ones((2, 3), np.float32),
        "words": np.frombuffer(b"abc", np.uint8),
    }
    about = {"format": 1, "settings": {"skip_gram": {"dim": 3}}, "loss": 1.0, "history": []}
    return arrays, about


def test_the_good_file_is_good(tmp_path):
    write_checkpoint(tmp_path / "m", *contents())
    assert Model.load(tmp_path / "m").words == ["a", "bc"]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("counts", np.array([2])),
        ("counts", np.array([2, -1])),
        ("counts", np.ones(2, np.float32)),
        ("word_ends", np.array([1, 2])),
        ("word_ends", np.array([1, 4])),
        ("word_ends", np.array([4, 3])),
        ("word_ends", np.array([0, 3])),
        ("word_ends", np.array([-1, 3])),
        ("word_ends", np.array([], np.int64)),
        ("word_ends", np.array([[1, 3]])),
        ("words", np.frombuffer(b"a\xff\xff", np.uint8)),
        ("words", np.array([1, 2, 3])),
        ("center_vectors", np.ones((2, 4), np.float32)),
        ("center_vectors", np.ones((2, 3), np.int64)),
        ("context_vectors", np.ones((1, 3), np.float32)),
        *((name, None) for name in contents()[0]),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, array):
    arrays, about = contents()
    if array is None:
        del arrays[name]
    else:
        arrays[name] = array
    write_checkpoint(tmp_path / "m", arrays, about)
    for load in (Model.load, Vectors.load):
        assert message_of(load, tmp_path / "m").startswith(f"{tmp_path}/m: is damaged: ")


def test_words_that_are_equal_are_refused(tmp_path):
    arrays, about = contents()
    arrays["words"] = np.frombuffer(b"aaa", np.uint8)
    arrays["word_ends"] = np.array([1, 2])
    arrays["words"] = arrays["words"][:2]
    write_checkpoint(tmp_path / "m", arrays, about)
    assert "it has a word twice" in message_of(Model.load, tmp_path / "m")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "is a model of format 2, but this version reads 1"),
        ({"format": "\x1b[2J"}, "is a model of format '\\x1b[2J', but this version reads 1"),
        ({"settings": {}}, "its settings are damaged"),
        ({"settings": 3}, "is damaged"),
        ({"settings": {"skip_gram": 3}}, "its settings are damaged"),
        ({"settings": {"skip_gram": {"dim": 10**9}}}, "its settings are damaged"),
        ({"settings": {"skip_gram": {"\x1b[2J": 1}}}, "its settings are damaged"),
        ({"loss": "1"}, "is damaged"),
        ({"loss": None}, "is damaged"),
        ({"history": 3}, "is damaged"),
        ({"history": [3]}, "is damaged"),
        ({"history": [{"epoch": 1}]}, "is damaged"),
        ({"history": [{**vars(HISTORY[0]), "loss": "x"}]}, "is damaged"),
    ],
)
def test_settings_and_history_that_no_model_has_are_refused(tmp_path, change, said):
    arrays, about = contents()
    write_checkpoint(tmp_path / "m", arrays, {**about, **change})
    assert said in message_of(Model.load, tmp_path / "m")


@pytest.mark.parametrize("state", [3, None, {}, {"progress": {}}])
def test_a_checkpoint_is_no_model(tmp_path, state):
    write_checkpoint(tmp_path / "m", contents()[0], state)
    for load in (Model.load, Vectors.load):
        assert message_of(load, tmp_path / "m") == (
            f"{tmp_path}/m: holds no model; of a checkpoint, name the folder of its run"
        )


@pytest.mark.parametrize(
    "shape", [[0, 10**30], [0, 2**62, 2**62], [0, 2**62], [0, 1, 2**47, 2], [0] + [1] * 70, [-1, 0]]
)
def test_shapes_that_no_array_has_are_refused(tmp_path, shape):
    arrays, about = contents()
    write_checkpoint(tmp_path / "m", {**arrays, "empty": np.zeros(0, np.float32)}, about)
    content = (tmp_path / "m").read_bytes()
    n_header = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + n_header])
    header["empty"]["shape"] = shape
    seal = header["__metadata__"]["sha256"].encode()
    start = json.dumps(header).encode()
    content = len(start).to_bytes(8, "little") + start + content[8 + n_header :]
    digest = hashlib.sha256(content.replace(seal, b"0" * 64)).hexdigest()
    (tmp_path / "m").write_bytes(content.replace(seal, digest.encode()))
    for load in (Model.load, Vectors.load):
        assert "empty has a shape that no array has" in message_of(load, tmp_path / "m")


def test_damage_is_noticed(tmp_path):
    path = tmp_path / "m"
    write_checkpoint(path, *contents())
    content = path.read_bytes()
    for k in range(len(content)):
        path.write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        message_of(Model.load, path)
    for k in range(len(content)):
        path.write_bytes(content[:k])
        message_of(Model.load, path)
        message_of(Vectors.load, path)

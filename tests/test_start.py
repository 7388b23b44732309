"""What a run starts from: given vectors, matched by name, and words that stay in place."""

import gzip
import os
import re
import tracemalloc

import numpy as np
import pytest
from runs import forecast, train

from w2v_sparseadam import resume
from w2v_sparseadam.errors import FormatError, SettingError, W2VError
from w2v_sparseadam.evaluation.datasets import read_dataset
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import START_LR, OptimizerConfig
from w2v_sparseadam.text.filters import WordFilter
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training import initialize as start
from w2v_sparseadam.training.initialize import (
    Start,
    find_frozen,
    frozen_words,
    place_vectors,
    read_words,
)
from w2v_sparseadam.training.model import Model
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.vectors.vectors import Vectors

SETTINGS = {
    "text": TextConfig(min_count=1),
    "skip_gram": SkipGramConfig(dim=3, window=2, subsample=0),
    "run": RunConfig(epochs=2, batch_size=32, threads=1),
}


@pytest.fixture
def text(tmp_path):
    """Write 160 tokens of 20 words in lines of 8; w1 is the commonest."""
    numbers = np.minimum(np.random.default_rng(8).zipf(1.4, (20, 8)), 20)
    path = tmp_path / "text.txt"
    path.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))
    return path


def train_small(path, **settings):
    events = []
    model = train(path, on_event=events.append, **{**SETTINGS, **settings})
    return model, {event["event"]: event for event in events}


def row(model, word):
    return model.center_vectors[model.words.index(word)]


def test_given_vectors_are_placed_by_name():
    center = np.full((3, 4), 9, np.float32)
    init = Vectors(["x", "c", "a"], [[1, 2], [3, 4], [5, 6]])
    report = place_vectors({"center": center}, ["a", "b", "c"], init, SkipGramConfig(dim=2))
    assert report == {"matched": 2, "fresh": 1, "unused": 1}
    assert center.tolist() == [[5, 6, 9, 9], [9, 9, 9, 9], [3, 4, 9, 9]]


def test_vectors_of_other_words_only_are_refused():
    init = Vectors(["A", "B"], [[1], [2]])
    tables = {"center": np.zeros((2, 1), np.float32)}
    with pytest.raises(SettingError) as caught:
        place_vectors(tables, ["a", "b"], init, SkipGramConfig(dim=1))
    assert str(caught.value) == (
        "none of the words with a start vector (2) is in the vocabulary of 2 words; the former "
        "begin with 'A', 'B', the latter with 'a', 'b'"
    )


def test_training_starts_from_given_vectors(text):
    """Steps too small to see: what comes out is what went in, and fresh rows are as always."""
    still = OptimizerConfig("sgd", lr=1e-30)
    fresh, _ = train_small(text, optimizer=still)
    init = Vectors(["w3", "elsewhere", "w1"], [[7, 8, 9], [1, 1, 1], [-1, 0.5, 2]])
    model, events = train_small(text, optimizer=still, init=init)
    assert dict(events["init"]) == {
        "event": "init",
        "matched": 2,
        "fresh": len(model.words) - 2,
        "unused": 1,
    }
    assert row(model, "w3").tolist() == [7, 8, 9]
    assert row(model, "w1").tolist() == [-1, 0.5, 2]
    others = [k for k, word in enumerate(model.words) if word not in init]
    assert np.array_equal(model.center_vectors[others], fresh.center_vectors[others])


def test_a_start_from_vectors_does_not_depend_on_threads(text):
    init = train_small(text)[0].vectors()
    results = {
        train_small(text, init=init, run=RunConfig(epochs=1, batch_size=32, threads=n))[
            0
        ].center_vectors.tobytes()
        for n in (1, 2)
    }
    assert len(results) == 1
    assert results != {init.matrix.tobytes()}


def test_dimensions_must_agree(tmp_path, text):
    with pytest.raises(SettingError) as caught:
        train(text, **SETTINGS, init=Vectors(["w1"], [[1, 2]]))
    assert str(caught.value) == "the start vectors have 2 dimensions, but dim is 3; give dim=2"


@pytest.mark.parametrize("optimizer", START_LR)
def test_frozen_words_stay_to_the_bit(text, optimizer):
    init = Vectors(["w1", "w2"], [[0.1, -0.2, 0.3], [-0.0, 1e-30, 5]])
    settings = {"optimizer": OptimizerConfig(optimizer), "init": init}
    model, events = train_small(text, **settings, freeze=["w1", "w2", "w1"])
    assert dict(events["freeze"]) == {"event": "freeze", "frozen": 2, "unknown": 0, "examples": []}
    for word in ("w1", "w2"):
        assert row(model, word).tobytes() == init[word].tobytes()
    free, _ = train_small(text, **settings)
    assert row(free, "w1").tobytes() != init["w1"].tobytes()
    # As contexts they learn, and all others do as always.
    assert model.context_vectors.any(axis=1).all()
    assert row(model, "w3").tobytes() not in (row(free, "w3").tobytes(), bytes(12))


def test_freezing_nothing_changes_nothing(text):
    once, _ = train_small(text)
    again, events = train_small(text, freeze=())
    assert "freeze" not in events
    assert once.center_vectors.tobytes() == again.center_vectors.tobytes()


def test_unknown_words_to_freeze_are_counted():
    mask, report = find_frozen(["a", "b"], ["z", "b", "x", "y", "w"])
    assert mask.tolist() == [False, True]
    assert report == {"frozen": 1, "unknown": 4, "examples": ["w", "x", "y"]}
    with pytest.raises(SettingError) as caught:
        find_frozen(["a", "b"], ["A", "B"])
    assert str(caught.value) == ("none of the words to freeze (2) is in the vocabulary: 'A', 'B'")


def test_a_list_of_words(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes("\ufeffcat\r\n\n  naïve \n\u00a0x\ncat".encode())
    assert read_words(path) == ["cat", "naïve", "\u00a0x", "cat"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": has no words; list one a line"),
        (b"\n \n", ": has no words; list one a line"),
        (b"a\n\xff\n", ", line 2: is not UTF-8"),
        (b"a\nnew york\n", ", line 2: expected one word, found 2, 'new', 'york'"),
    ],
)
def test_a_broken_list_of_words(tmp_path, content, message):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_words(path)
    assert str(caught.value) == f"{path}{message}"


def test_a_missing_list_of_words(tmp_path):
    with pytest.raises(W2VError, match=r"none\.txt: cannot be read: No such file"):
        read_words(tmp_path / "none.txt")


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs /dev/zero")
@pytest.mark.parametrize(
    "read",
    [read_words, read_dataset, lambda path: WordFilter(TextConfig(stopwords=path))],
    ids=["freeze", "data set", "stopwords"],
)
def test_a_list_without_line_ends_does_not_fill_the_memory(read):
    tracemalloc.start()
    with pytest.raises(W2VError, match=r"^/dev/zero, line 1: is longer than 1 MiB; expected a few"):
        read("/dev/zero")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


def test_a_compressed_list_of_words(tmp_path):
    path = tmp_path / "words.gz"
    path.write_bytes(gzip.compress(b"\xef\xbb\xbfa\nb\n"))
    assert read_words(path) == ["a", "b"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Start.load(5), "run_dir must be a path (str or path-like), got 5"),
        (lambda: resume(None), "run_dir must be a path (str or path-like), got None"),
        (lambda: Vectors.load(b"x"), "path must be a path (str or path-like), got bytes"),
        (lambda: Vectors.load(""), "path must be the path of a file or folder, got ''"),
        (lambda: resume("a\0b"), r"run_dir must be the path of a file or folder, got 'a\x00b'"),
        (lambda: train("x", run_dir=""), "run_dir must be the path of a file or folder, got ''"),
        (lambda: train("x", on_event=5), "on_event must be a function of an event, got 5"),
        (
            lambda: resume("x", checkpoint_now=5),
            "checkpoint_now must be a threading.Event, or like one, got 5",
        ),
        (lambda: OptimizerConfig(optimizer=["sgd"]), "optimizer is ['sgd'], but must be one of"),
        (
            lambda: Vectors(["a", "b"], [[1], [2]]).most_similar("a", exclude=5),
            "exclude must be a word or words, got 5",
        ),
    ],
)
def test_what_cannot_be_used_is_told_before_it_is(call, message):
    with pytest.raises(W2VError, match=f"^{re.escape(message)}"):
        call()


@pytest.mark.parametrize(
    "change",
    [
        {"center.vectors": np.zeros((2, 3, 1), np.float32)},
        {"center.exp_avg_sq": np.zeros((2, 4, 1), np.float32)},
        {"context.exp_avg_sq": np.zeros(3, np.float32)},
    ],
)
def test_a_start_with_arrays_of_another_shape_is_refused(tmp_path, text, monkeypatch, change):
    train_small(text, run_dir=tmp_path / "run")
    arrays, state = start.last_checkpoint(tmp_path / "run" / "checkpoints")
    monkeypatch.setattr(start, "last_checkpoint", lambda folder: ({**arrays, **change}, state))
    with pytest.raises(FormatError, match="is damaged"):
        Start.load(tmp_path / "run")


@pytest.mark.parametrize("name", ["\x1b[2J", 3, ["sgd"]])
def test_a_start_of_an_optimizer_without_a_name_is_refused(tmp_path, text, monkeypatch, name):
    train_small(text, run_dir=tmp_path / "run")
    settings = start.read_settings(tmp_path / "run")
    settings["optimizer"]["optimizer"] = name
    monkeypatch.setattr(start, "read_settings", lambda folder: settings)
    with pytest.raises(FormatError, match="damaged") as caught:
        Start.load(tmp_path / "run")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"corpus": {"a b"}}, "corpus must be a path, a list of paths, or sentences: an iterable "),
        ({"corpus": [["a", 5]]}, "corpus[0][1] is 5 (int), but each word must be a str"),
        (
            {"corpus": 5},
            "corpus must be a path, a list of paths, or sentences: an iterable of str ",
        ),
        ({"init": object()}, "init must be Vectors (as of model.vectors()), a Start or None, got"),
        ({"freeze": 3}, "freeze must be a path or a collection of str, got 3"),
        ({"freeze": [3]}, "freeze must be a path or a collection of str, got list"),
    ],
)
@pytest.mark.parametrize("function", [train, forecast])
def test_an_argument_of_a_wrong_type_is_one_clear_line(text, function, arguments, message):
    with pytest.raises(TypeError, match=f"^{re.escape(message)}") as caught:
        function(**{"corpus": text, **arguments})
    assert isinstance(caught.value, W2VError)


def test_words_to_freeze_take_the_form_of_the_text(tmp_path):
    settings = Settings(TextConfig(digits="zero"))
    assert frozen_words(["Cafe\u0301", "MP3", "caf\u00e9"], settings) == ["caf\u00e9", "mp0"]
    assert frozen_words(["Cafe\u0301"], Settings(TextConfig("whitespace"))) == ["Cafe\u0301"]
    assert frozen_words((), settings) == []
    path = tmp_path / "words.txt"
    path.write_text("Italy\nFrance\n")
    assert frozen_words(path, settings) == frozen_words(str(path), settings) == ["italy", "france"]


def test_a_str_to_freeze_is_a_file_and_not_letters():
    message = "freeze is 'italy', but there is no such file; pass ['italy'] to freeze the word"
    with pytest.raises(SettingError, match=f"^{re.escape(message)}$"):
        frozen_words("italy", TextConfig())


def test_models_and_starts_are_short_to_see_and_can_be_compared():
    matrix = np.ones((2, 3), np.float32)
    model = Model(["a", "b"], np.array([2, 1]), {"center": matrix}, 1.25, SkipGramConfig(dim=3))
    other = Model(["a", "b"], np.array([2, 1]), {"center": matrix}, 1.25, SkipGramConfig(dim=3))
    assert repr(model) == "<Model: 2 words, 3 dimensions, loss 1.2500>"
    rows = {"center": ["a", "b"]}
    start = Start(["a", "b"], 3, "sgd", rows, {"center.vectors": matrix}, [1])
    assert repr(start) == "<Start: 2 words, 3 dimensions, sgd>"
    assert model == model
    assert start == start
    assert model != other
    assert start != Start(
        ["a", "b"], 3, "sgd", {"center": ["a", "b"]}, {"center.vectors": matrix}, [1]
    )
    assert len({model, other, start}) == 3

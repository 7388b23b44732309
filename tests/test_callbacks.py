"""What a run tells Python: a progress bar, warnings, a model after each epoch; and its end."""

import copy
import errno
import io
import math
import pickle
import re
import signal
import sys
import time
import types
import warnings

import numpy as np
import pytest
from test_resume import N_STEPS, Listener, StopError, bytes_of, step_by_step, text  # noqa: F401

import w2v_sparseadam
from w2v_sparseadam import Model, StopTraining, W2VWarning, resume, train
from w2v_sparseadam.errors import W2VError, WrongTypeError
from w2v_sparseadam.events import (
    Compiling,
    Joining,
    Progressed,
    Reading,
    TrainingDone,
    TrainingStarted,
    Warned,
    WordsFrozen,
)
from w2v_sparseadam.training import progress_bar
from w2v_sparseadam.training.progress_bar import ProgressBar
from w2v_sparseadam.training.reporting import reported
from w2v_sparseadam.vectors.other_names import OF_MODEL

# As settings() of test_resume.
SMALL = {"min_count": 1, "dim": 3, "window": 2, "subsample": 0, "batch_size": 32}
SMALL |= {"epochs": 2, "threads": 1}


class Terminal(io.StringIO):
    """A standard error that is a terminal."""

    def isatty(self):
        return True


# A model after each epoch


def test_each_epoch_gives_a_model_that_stays_as_it_is(text):  # noqa: F811
    models, events = [], []
    last = train(text, **SMALL, on_event=events.append, on_epoch=models.append)
    assert [model.history[-1].epoch for model in models] == [1, 2]
    assert [len(model.history) for model in models] == [1, 2]
    assert [model.loss for model in models] == [epoch.loss for epoch in last.history]
    assert bytes_of(models[1]) == bytes_of(last)
    assert bytes_of(models[0]) != bytes_of(last)
    assert not np.shares_memory(models[1].center_vectors, last.center_vectors)
    assert models[0].most_similar(last.words[0], n=1)[0][0] in last
    assert bytes_of(train(text, **SMALL)) == bytes_of(last)


def test_a_model_of_an_epoch_may_be_changed(text):  # noqa: F811
    def spoil(model):
        model.words.clear()
        model.counts[:] = 0
        model.center_vectors[:] = 0

    last, expected = train(text, **SMALL, on_epoch=spoil), train(text, **SMALL)
    assert (last.words, last.counts.tolist()) == (expected.words, expected.counts.tolist())
    assert bytes_of(last) == bytes_of(expected)


@pytest.mark.parametrize("name", ["on_event", "on_epoch"])
def test_what_cannot_be_called_is_told_at_once(tmp_path, name):
    for function, place in ((train, "missing.txt"), (resume, "missing")):
        with pytest.raises(WrongTypeError, match=rf"^{name} must be a function of a"):
            function(tmp_path / place, **{name: 5})
        with pytest.raises(WrongTypeError, match=r"^progress must be True, False or None, got 5"):
            function(tmp_path / place, progress=5)


# The end of a run


def stop(*_):
    raise StopTraining


@pytest.mark.parametrize("folder", [False, True])
def test_a_run_that_is_stopped_after_an_epoch_has_its_vectors(text, tmp_path, folder):  # noqa: F811
    models = []
    train(text, **SMALL, on_epoch=models.append)
    run_dir = tmp_path / "run" if folder else None
    events = []
    model = train(text, **SMALL, run_dir=run_dir, on_event=events.append, on_epoch=stop)
    assert bytes_of(model) == bytes_of(models[0])
    assert [epoch.epoch for epoch in model.history] == [1]
    assert not [event for event in events if event.kind == "done"]
    if folder:
        on_epoch = Listener()
        rest = resume(run_dir, on_event=on_epoch)
        assert on_epoch.of("start")[0]["first_step"] == N_STEPS / 2
        assert bytes_of(rest) == bytes_of(models[1])
        assert [epoch.epoch for epoch in rest.history] == [2]


@pytest.mark.parametrize("when", range(1, N_STEPS + 1))
def test_a_run_that_is_stopped_at_any_step_can_be_resumed(text, tmp_path, step_by_step, when):  # noqa: F811
    expected = bytes_of(train(text, **SMALL))
    listener = Listener()
    listener.stop_at = when

    def on_event(event):
        try:
            listener(event)
        except StopError:
            stop()

    model = train(text, **SMALL, run_dir=tmp_path / "run", on_event=on_event)
    assert listener.steps == when
    assert len(model.history) == when // (N_STEPS // 2)
    assert model.loss > 0
    model.wv.most_similar(model.words[0])
    assert bytes_of(resume(tmp_path / "run")) == expected


@pytest.mark.parametrize("kind", ["start", "checkpoint", "done"])
def test_stopping_at_other_events(text, tmp_path, kind):  # noqa: F811
    def on_event(event):
        if event.kind == kind:
            stop()

    model = train(text, **SMALL, run_dir=tmp_path / "run", on_event=on_event)
    assert math.isnan(model.loss) == (kind == "start")
    assert model.context_vectors.any() != (kind == "start")
    assert bytes_of(resume(tmp_path / "run")) == bytes_of(train(text, **SMALL))


def test_before_there_is_a_model_nothing_can_be_returned(text):  # noqa: F811
    def on_event(event):
        if event.kind == "text":
            stop()

    with pytest.raises(StopTraining):
        train(text, **SMALL, on_event=on_event)


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_any_other_exception_of_on_epoch_ends_the_run(text, tmp_path, error):  # noqa: F811
    def on_epoch(model):
        raise error

    with pytest.raises(error):
        train(text, **SMALL, run_dir=tmp_path / "run", on_epoch=on_epoch)
    assert bytes_of(resume(tmp_path / "run")) == bytes_of(train(text, **SMALL))


def test_ctrl_c_is_not_lost_when_a_run_is_stopped_too(text, tmp_path):  # noqa: F811
    def on_epoch(model):
        signal.raise_signal(signal.SIGINT)
        raise StopTraining

    with pytest.raises(KeyboardInterrupt):
        train(text, **SMALL, run_dir=tmp_path / "run", on_epoch=on_epoch)
    assert bytes_of(resume(tmp_path / "run")) == bytes_of(train(text, **SMALL))


# Warnings


def test_warnings_are_those_of_python_unless_events_are_taken(text):  # noqa: F811
    events = []
    given = {**SMALL, "freeze": ["zzz", "w1"]}
    with pytest.warns(W2VWarning) as caught:
        train(text, **given)
    ours = [warning for warning in caught if warning.category is W2VWarning]  # not NumPy's
    assert str(ours[0].message) == (
        "words to freeze that are not in the vocabulary: 1, such as 'zzz'"
    )
    assert ours[0].filename == __file__
    train(text, **given, on_event=events.append)  # a warning would be an error here
    assert [event.unknown for event in events if isinstance(event, WordsFrozen)] == [1]


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Warned("it is odd", "give `a=lines` or `field`"), "it is odd; give a=lines or field"),
        (Warned("it is odd"), "it is odd"),
        (
            WordsFrozen(1, 5, ["a"]),
            "words to freeze that are not in the vocabulary: 5, such as 'a'",
        ),
        (WordsFrozen(1, 0, []), None),
        (Compiling("kernel"), None),
    ],
)
def test_what_python_warns_of(event, message):
    with warnings.catch_warnings(record=True) as caught, reported(None, False) as emit:
        warnings.simplefilter("always")
        emit(event)
    assert [str(warning.message) for warning in caught] == ([message] if message else [])


# Progress


EVENTS = [
    Compiling("fill_plan", 4, 12),
    Reading(500_000, 1_000_000, 90_000),
    Joining(500, 1000),
    TrainingStarted(2000, 100, 3, 2, 0.0, 8, 1, 0, 0, 0.0),
    Progressed(1, 1000, 1.0, 2.5, 500.0, 1000.0, 0.02),
    Progressed(2, 2000, 2.0, 2.25, 500.0, 1000.0, 0.001),
    TrainingDone(2.0, 2000, 1000.0, 2.25, None),
]


def test_a_terminal_shows_one_bar_at_a_time(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    with reported(None, None) as emit:
        for event in EVENTS:
            emit(event)
            time.sleep(0.11)  # bars are drawn ten times a second at most
            if isinstance(event, Compiling | Reading | Joining):
                emit(event)
    shown = screen.getvalue()
    for part in ("Compiling  25%|", "Reading  50%|", "500k of 1.00M", "Joining  50%|"):
        assert part in shown
    last = shown.rstrip().split("\r")[-1]
    assert re.match(r"Epoch 2/2 100%\|#+\| .*words/s, 00:00 left, loss 2\.250, lr 0\.001$", last)
    assert shown.endswith("\n")


def test_the_bar_is_left_where_a_run_ends(monkeypatch):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    def run():
        with reported(lambda event: None, None) as emit:
            for event in EVENTS[:-2]:
                emit(event)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run()
    assert " 50%|" in screen.getvalue().rstrip().split("\r")[-1]


def test_a_source_of_unknown_size(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = ProgressBar()
    for tokens in (0, 900):
        bar(Reading(5_000, 0, tokens))
        time.sleep(0.11)
    bar(Reading(5_000, 0, 901))
    assert re.search(r"\rReading 901, .*tokens/s", sys.stderr.getvalue())
    bar.close()
    bar.close()


@pytest.mark.parametrize(
    ("progress", "terminal", "shown"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_progress_is_shown_where_somebody_sees_it(monkeypatch, progress, terminal, shown):
    screen = Terminal() if terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    with reported(None, progress) as emit:
        for event in EVENTS:
            emit(event)
    assert bool(screen.getvalue()) == shown


def test_no_standard_error_shows_nothing(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert not progress_bar.shown_by_default()


class OnlyWrites:
    """A standard error that has no other method."""

    def write(self, _):
        """Take it."""


class Broken(Terminal):
    """A standard error that cannot be written."""

    def write(self, _):
        raise BrokenPipeError


class Full(Terminal):
    """A standard error whose disk is full, once it has shown something."""

    def write(self, shown):
        if self.tell() > 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(shown)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stderr", [None, OnlyWrites(), Broken(), Full(), closed()])
@pytest.mark.parametrize("progress", [True, None])
def test_a_bar_that_cannot_be_written_ends_no_run(text, monkeypatch, stderr, progress):  # noqa: F811
    expected = bytes_of(train(text, **SMALL, progress=False))
    monkeypatch.setattr(sys, "stderr", stderr)
    assert bytes_of(train(text, **SMALL, progress=progress)) == expected


def test_a_notebook_without_widgets_shows_bars_on_standard_output(monkeypatch, capsys):
    shell = types.SimpleNamespace(config={"IPKernelApp": {}})
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with reported(None, None) as emit:
        for event in EVENTS:
            emit(event)
    shown = capsys.readouterr()
    assert "Epoch 2/2 100%|" in shown.out
    assert not shown.err
    shell.config = {}
    assert not progress_bar.in_notebook()


def test_training_shows_a_bar_if_asked(text, capsys):  # noqa: F811
    train(text, **SMALL, progress=True)
    assert "Epoch 2/2 100%|" in capsys.readouterr().err
    train(text, **SMALL)
    assert capsys.readouterr() == ("", "")


# The model


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "news.txt"
    path.write_text("<b> and <i> and the and\n" * 30)
    return train(path, **SMALL, tokenizer="whitespace")


def test_a_model_answers_for_its_vectors(model):
    vectors = model.vectors()
    assert model.wv is model.wv
    assert len(model) == len(vectors) == len(model.words)
    assert list(model) == model.words
    assert "and" in model
    assert "zzz" not in model
    assert model.dim == 3
    assert model["and"].tolist() == vectors["and"].tolist()
    assert model[["and", "the"]].shape == (2, 3)
    for ask in (
        lambda v: v.most_similar("and"),
        lambda v: v.most_similar("and", 2),
        lambda v: v.most_similar(positive=["and"], negative=["the"], topn=1),
        lambda v: v.similarity("and", "the"),
        lambda v: v.n_similarity(["and"], ["the", "<b>"]),
        lambda v: v.doesnt_match(["and", "the", "<b>"]),
        lambda v: v.analogy("and", "the", "<b>"),
    ):
        assert ask(model) == ask(vectors)


def test_an_attribute_of_gensim_names_that_of_the_model(model):
    for name, ours in OF_MODEL.items():
        message = f"'Model' object has no attribute '{name}'; use {ours}"
        with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
            getattr(model, name)
        assert hasattr(model, ours) or ours.startswith("w2v_sparseadam.")


def test_a_model_in_a_notebook(model):
    shown = model._repr_html_()
    assert shown.startswith(f"<div>Model: 4 words, 3 dimensions, loss {model.loss:.4f}</div>")
    assert ">and</td><td>90</td></tr>" in shown
    assert ">&lt;b&gt;</td>" in shown
    assert "<b>" not in shown
    assert repr(model) == f"<Model: 4 words, 3 dimensions, loss {model.loss:.4f}>"


@pytest.mark.parametrize(
    "duplicate", [lambda m: pickle.loads(pickle.dumps(m)), copy.copy, copy.deepcopy]
)
def test_copies_are_the_same_model(model, duplicate):
    fresh = len(pickle.dumps(model))
    nearest = model.most_similar("and")
    same = duplicate(model)
    assert bytes_of(same) == bytes_of(model)
    assert (same.history, same.objective) == (model.history, model.objective)
    assert same.most_similar("and") == nearest
    assert same != model  # as always: a model is equal to itself alone
    assert len(pickle.dumps(model)) == fresh


def test_stopping_is_public_and_no_error():
    assert w2v_sparseadam.StopTraining is StopTraining
    assert not issubclass(StopTraining, W2VError)
    assert issubclass(W2VWarning, UserWarning)
    assert Model.__doc__

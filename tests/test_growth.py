"""More text for a finished run, and a run that starts from what another came to."""

import contextlib
import json
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from runs import train
from test_resume import (
    OPTIMIZERS,
    SMALL,
    Listener,
    StopError,
    bytes_of,
    error_of,
    interrupt,
    run,
    settings,
    write_text,
)

import w2v_sparseadam
from w2v_sparseadam import resume
from w2v_sparseadam.errors import FormatError, SettingError, TextError, W2VError, W2VWarning
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.build import build_optimizer
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.runs import folder as run_folder
from w2v_sparseadam.runs.checkpoint_file import last_checkpoint, last_state, write_checkpoint
from w2v_sparseadam.runs.folder import RunFolder
from w2v_sparseadam.runs.sealed_json import sealed
from w2v_sparseadam.runs.settings import read_settings
from w2v_sparseadam.text.reading import finding
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.text.vocabulary import LINE_END, Vocabulary, extend_vocabulary
from w2v_sparseadam.training.initialize import Start, place
from w2v_sparseadam.training.model import Model
from w2v_sparseadam.training.settings import Settings
from w2v_sparseadam.version import training_version

pytest.importorskip("fcntl", reason="needs POSIX file locks")

NOTHING = Model([], np.zeros(0, np.int64), {}, 0.0, SkipGramConfig())

NEW = "new w1 w2 new\nrare w1 w30 w3\nnewer w2 new newer\n"


@pytest.fixture
def text(tmp_path):
    """Write 15 lines of 8 words."""
    return write_text(tmp_path / "news.txt")


@pytest.fixture
def more(tmp_path):
    """Write three lines with three words that the other text does not have."""
    path = tmp_path / "more.txt"
    path.write_text(NEW)
    return path


@pytest.fixture
def step_by_step(monkeypatch):
    """Let every step be a job with an event of its own."""
    monkeypatch.setattr("w2v_sparseadam.training.loop._RUN_SECONDS", 0)
    monkeypatch.setattr("w2v_sparseadam.training.loop.EVENT_SECONDS", 0)


@pytest.fixture
def folder(tmp_path, monkeypatch, text, more):
    """Work in the folder of the two texts."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def frequent(**changes):
    """Return settings under which a word must occur twice."""
    return {**settings(**changes), "text": TextConfig(min_count=2)}


def contents(path):
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in {"lock", "log.jsonl"}
    }


def test_known_words_keep_their_ids_and_new_ones_follow():
    known = Vocabulary(["b", "a"], np.array([9, 9]))
    words, counts = ["x", "a", "rare", "y", "b"], np.array([3, 2, 1, 3, 1])
    vocabulary, word_ids = extend_vocabulary(known, words, counts, min_count=2, max_vocab=None)
    assert vocabulary.words == ["b", "a", "x", "y"]
    assert vocabulary.counts.tolist() == [10, 11, 3, 3]
    assert word_ids.tolist() == [2, 1, -1, 3, 0]
    assert known.counts.tolist() == [9, 9]
    for most, n_words in ((3, 3), (2, 2), (1, 2)):
        vocabulary, word_ids = extend_vocabulary(known, words, counts, min_count=2, max_vocab=most)
        assert len(vocabulary) == n_words
        assert word_ids.max() == n_words - 1


def test_the_folder_holds_both_texts_and_the_state_of_the_run(text, more, tmp_path):
    train(text, **frequent(), run_dir=tmp_path / "run")
    with RunFolder.open(tmp_path / "run") as folder:
        known, old_ids = folder.load_text()
        old_ids = old_ids.copy()
    listener = Listener(1)
    with pytest.raises(StopError):
        resume(tmp_path / "run", more_epochs=2, add=[more], on_event=listener)
    (told,) = listener.of("add")
    with RunFolder.open(tmp_path / "run") as folder:
        vocabulary, word_ids = folder.load_text()
        assert folder.settings["paths"] == [str(text), str(more)]
        assert folder.settings["first_epoch"] == 2
    n_old = len(known)
    assert vocabulary.words == [*known.words, "new", "newer"]
    id_of = {word: k for k, word in enumerate(vocabulary.words)}
    added = [[id_of[word] for word in line.split() if word in id_of] for line in NEW.splitlines()]
    assert word_ids[: old_ids.size].tolist() == old_ids.tolist()
    assert word_ids[old_ids.size :].tolist() == [n for line in added for n in (*line, LINE_END)]
    n_added = sum(map(len, added))
    assert vocabulary.counts.sum() == known.counts.sum() + n_added
    assert vocabulary.counts.tolist() == np.bincount(word_ids[word_ids >= 0]).tolist()
    assert dict(told) == {
        "event": "add",
        "new_words": 2,
        "words": n_old + 2,
        "new_tokens": n_added,
        "tokens": int(vocabulary.counts.sum()),
        "left_out_words": len(set(NEW.split()) - set(vocabulary.words)),
    }
    (report,) = listener.of("text")
    assert (report["kept_tokens"], report["below_min_count"]) == (n_added, 12 - n_added)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "checkpoints-1", "lock", "log.jsonl", "settings.json", "text-1.json", "vocabulary-1.txt",
        "word_ids.i32",
    ]  # fmt: skip
    first = Start.load(tmp_path / "run", on_event=listener)
    assert first.words == vocabulary.words
    assert all(len(array) == n_old + 2 for array in first.arrays.values())


def test_old_rows_go_on_and_new_rows_start_fresh(text, more, tmp_path, monkeypatch):
    train(text, **frequent(), run_dir=tmp_path / "run")
    arrays, state = last_checkpoint(tmp_path / "run" / "checkpoints")
    monkeypatch.setattr("w2v_sparseadam.training.resume.run_training", lambda *_, **__: NOTHING)
    resume(tmp_path / "run", more_epochs=2, add=[more])
    grown, grown_state = last_checkpoint(tmp_path / "run" / "checkpoints-1")
    n_old = len(arrays["center.vectors"])
    for name, array in arrays.items():
        assert grown[name][:n_old].tobytes() == array.tobytes()
        if name != "center.vectors":
            assert not grown[name][n_old:].any()
    assert np.abs(grown["center.vectors"][n_old:]).min() > 0
    assert np.abs(grown["center.vectors"][n_old:]).max() <= 0.5 / 3
    assert grown_state["step_counts"] == state["step_counts"]
    assert grown_state["progress"]["step"] == 0


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_interrupted_after_text_was_added(text, more, tmp_path, step_by_step, optimizer):
    config = OPTIMIZERS[optimizer]
    train(text, **frequent(optimizer=config), run_dir=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    alone = Listener()
    model = resume(tmp_path / "run", more_epochs=2, add=[more], on_event=alone)
    assert {"new", "newer"} < set(model.words)
    with pytest.raises(StopError):
        resume(tmp_path / "other", more_epochs=2, add=[more], threads=3, on_event=Listener(3))
    with pytest.raises(StopError):
        resume(tmp_path / "other", threads=2, on_event=Listener(7))
    assert bytes_of(resume(tmp_path / "other", threads=1)) == bytes_of(model)
    assert alone.of("start")[0]["epochs"] == 2
    expected = 0.5 * OptimizerConfig(config.optimizer).start_lr
    lrs = [event["lr"] for event in alone.of("progress")]
    assert lrs[len(lrs) // 2] == expected


def test_epochs_over_added_text_repeat_no_draw(text, more, tmp_path, monkeypatch):
    """What an epoch draws depends on how many there were before."""
    train(text, **frequent(), run_dir=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    model = resume(tmp_path / "run", more_epochs=1, add=[more])
    path = tmp_path / "other" / "settings.json"
    kept = read_settings(tmp_path / "other")
    path.write_text(json.dumps(sealed({**kept, "first_epoch": 3})))
    assert bytes_of(resume(tmp_path / "other", more_epochs=1, add=[more])) != bytes_of(model)


def test_text_is_added_twice_and_epochs_follow(text, more, tmp_path):
    train(text, **frequent(), run_dir=tmp_path / "run")
    first = resume(tmp_path / "run", more_epochs=1, add=[more])
    second = resume(tmp_path / "run", more_epochs=1, add=[more, more])
    assert second.words[: len(first.words)] == first.words
    assert second.words[len(first.words) :] == ["rare"]  # twice in the two
    assert second.counts.sum() == first.counts.sum() + 2 * len(NEW.split())
    assert (tmp_path / "run" / "checkpoints-2").is_dir()
    assert len(list((tmp_path / "run").glob("checkpoints*"))) == 1
    listener = Listener()
    resume(tmp_path / "run", more_epochs=2, on_event=listener)
    assert listener.of("start")[0]["epochs"] == 3


def test_killed_before_the_settings_change_nothing_was_added(text, more, tmp_path, monkeypatch):
    """A kill leaves what was written; the next to open the folder removes it."""
    train(text, **frequent(), run_dir=tmp_path / "run")
    before = contents(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_remove_others", lambda self: None)
        patch.setattr(RunFolder, "_write_settings", lambda *_: (_ for _ in ()).throw(StopError))
        with pytest.raises(StopError):
            resume(tmp_path / "run", more_epochs=1, add=[more])
    left = contents(tmp_path / "run")
    assert {"text-1.json", "vocabulary-1.txt"} < set(left)
    assert len(left["word_ids.i32"]) > len(before["word_ids.i32"])
    resume(tmp_path / "run")
    assert contents(tmp_path / "run") == before


def test_killed_after_the_settings_change_the_text_is_added(text, more, tmp_path, monkeypatch):
    train(text, **frequent(), run_dir=tmp_path / "run")
    shutil.copytree(tmp_path / "run", tmp_path / "other")
    expected = bytes_of(resume(tmp_path / "run", more_epochs=1, add=[more]))
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_remove_others", lambda self: None)
        patch.setattr("w2v_sparseadam.training.resume.run_training", lambda *_, **__: NOTHING)
        resume(tmp_path / "other", more_epochs=1, add=[more])
    assert (tmp_path / "other" / "checkpoints").exists()
    assert bytes_of(resume(tmp_path / "other")) == expected
    assert not (tmp_path / "other" / "checkpoints").exists()


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("killed", [False, True])
def test_stopped_at_any_file_nothing_or_all_was_added(
    text, more, tmp_path, monkeypatch, when, killed
):
    """Ctrl-C or a failing disk at each flush and rename in turn, or a kill, which cleans up none.

    What cleaning up would remove, the next to open the folder must.
    """
    train(text, **frequent(), run_dir=tmp_path / "run")
    before = contents(tmp_path / "run")
    monkeypatch.setattr("w2v_sparseadam.training.resume.run_training", lambda *_, **__: NOTHING)
    outcomes = []
    while len(outcomes) < 100:
        run_dir = tmp_path / f"run-{len(outcomes)}"
        shutil.copytree(tmp_path / "run", run_dir)
        n_left = len(outcomes)

        def stopping(do):
            def do_or_stop(*args):
                nonlocal n_left
                n_left -= 1
                if n_left != -1 or when == "after":
                    do(*args)
                if n_left == -1:
                    raise StopError

            return do_or_stop

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", stopping(os.fsync))
            patch.setattr(os, "replace", stopping(os.replace))
            if killed:
                patch.setattr(Path, "unlink", lambda *_, **__: None)
                patch.setattr(RunFolder, "_remove_others", lambda _: None)
            try:
                resume(run_dir, more_epochs=1, add=[more])
                break
            except StopError:
                pass
        resume(run_dir)
        outcomes.append(read_settings(run_dir)["generation"])
        if outcomes[-1]:
            assert {"new", "newer"} < set(Start.load(run_dir, on_event=print).words)
            with RunFolder.open(run_dir) as folder:
                folder.load_text()
            assert {path.partition("/")[0] for path in contents(run_dir)} == {
                "checkpoints-1", "settings.json", "text-1.json", "vocabulary-1.txt", "word_ids.i32"
            }  # fmt: skip
        else:
            assert contents(run_dir) == before
    assert outcomes == sorted(outcomes)
    assert set(outcomes) == {0, 1}


def test_what_others_put_into_the_folder_stays(text, more, tmp_path):
    train(text, **frequent(), run_dir=tmp_path / "run")
    theirs = {"checkpoints-kept/a", "checkpoints.old/a", "vocabulary-notes.txt", "text-mine.json"}
    for name in theirs:
        (tmp_path / "run" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "run" / name).write_text("")
    resume(tmp_path / "run", more_epochs=1, add=[more])
    resume(tmp_path / "run")
    assert theirs < set(contents(tmp_path / "run"))


def test_added_word_ids_are_flushed_before_they_are_vouched_for(text, more, tmp_path, monkeypatch):
    """So few of them are still in the stream's buffer."""
    train(text, **frequent(), run_dir=tmp_path / "run")
    before = contents(tmp_path / "run")
    size = len(before["word_ids.i32"])

    def fsync(handle):
        if os.fstat(handle).st_size > size:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(W2VError) as caught:
            resume(tmp_path / "run", more_epochs=1, add=[more])
    assert str(caught.value) == (
        f"{tmp_path}/run/word_ids.i32: cannot be written (Input/output error); nothing was added"
    )
    assert contents(tmp_path / "run") == before


@pytest.mark.parametrize("place", ["write_ids", "_write_text_json", "write_checkpoint"])
def test_no_room_for_more_text(text, more, tmp_path, monkeypatch, place):
    train(text, **frequent(), run_dir=tmp_path / "run")
    before = contents(tmp_path / "run")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        match place:
            case "write_ids":
                patch.setattr(run_folder, place, full)
            case "_write_text_json":
                patch.setattr(RunFolder, place, full)
            case "write_checkpoint":
                patch.setattr("w2v_sparseadam.training.incremental.write_checkpoint", full)
        with pytest.raises((W2VError, OSError), match="No space left on device"):
            resume(tmp_path / "run", more_epochs=1, add=[more])
    assert contents(tmp_path / "run") == before
    resume(tmp_path / "run", more_epochs=1, add=[more])


def test_what_cannot_take_more_text(text, more, tmp_path, step_by_step, monkeypatch):
    def message(run_dir, error=W2VError, paths=(more,), **given):
        with pytest.raises(error) as caught:
            resume(run_dir, add=paths, **{"more_epochs": 1, **given})
        return str(caught.value)

    interrupt(text, tmp_path / "unfinished", 3)
    assert message(tmp_path / "unfinished") == (
        f"{tmp_path}/unfinished: its run is at step 3 of 8; finish it before adding text: "
        f"w2v-train --resume {tmp_path}/unfinished"
    )
    phrases = TextConfig(min_count=1, phrases=PhraseConfig(threshold=0.01, min_count=1))
    train(text, **{**settings(), "text": phrases}, run_dir=tmp_path / "phrases")
    assert message(tmp_path / "phrases") == (
        f"{tmp_path}/phrases: phrases were joined in its text, which more text cannot follow; "
        "start a new run from all of the text"
    )
    own = TextConfig(min_count=1, tokenizer=lambda text: text.split())
    train(text, **{**settings(), "text": own}, run_dir=tmp_path / "own")
    name = "<test_what_cannot_take_more_text.<locals>.<lambda>>"
    assert message(tmp_path / "own") == (
        f"{tmp_path}/own: its tokenizer was '{name}' of a Python program, which has no name to "
        "find it by; start a new run from all of the text"
    )

    def whitespace(text):  # not the tokenizer of that name
        return text.split("-")

    own = TextConfig(min_count=1, tokenizer=whitespace)
    train(text, **{**settings(), "text": own}, run_dir=tmp_path / "named")
    assert "no name to find it by" in message(tmp_path / "named")
    (tmp_path / "lost_words.py").write_text("def split(text):\n    return text.split('-')\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        own = TextConfig(min_count=1, tokenizer="python:lost_words:split")
        train(text, **{**settings(), "text": own}, run_dir=tmp_path / "elsewhere")
    sys.modules.pop("lost_words")
    (tmp_path / "lost_words.py").unlink()
    assert message(tmp_path / "elsewhere") == (
        f"{tmp_path}/elsewhere: its tokenizer 'python:lost_words:split' is code to import; if you "
        "trust who made this folder, add trust=True"
    )
    assert message(tmp_path / "elsewhere", SettingError, trust=True).startswith(
        f"{tmp_path}/elsewhere: its text was read with settings that cannot be had now: tokenizer "
        "'python:lost_words:split': cannot import 'lost_words'"
    )
    train(text, **frequent(), run_dir=tmp_path / "run")
    before = contents(tmp_path / "run")
    assert message(tmp_path / "run", SettingError, more_epochs=0) == (
        "to add text takes epochs over old and new text: give more_epochs too"
    )
    nothing = "no corpus paths given; pass at least one"
    assert message(tmp_path / "run", SettingError, []) == nothing  # as of a pattern's matches
    (tmp_path / "strange.txt").write_text("no such words\n")
    assert message(tmp_path / "run", TextError, [tmp_path / "strange.txt"]) == (
        f"{tmp_path}/strange.txt: no word occurs 2 times or more (the commonest, 'no', occurs "
        "once), or is known from the run; add more text"
    )
    assert "cannot be read" in message(tmp_path / "run", TextError, [tmp_path / "gone.txt"])
    assert contents(tmp_path / "run") == before


def test_no_other_format_is_advised_for_added_text(text, more, tmp_path):
    train(text, **frequent(), run_dir=tmp_path / "run")
    table = more.rename(tmp_path / "more.tsv")
    with pytest.warns(
        W2VWarning, match=r"of records; added text is read in the format of the run$"
    ):
        resume(tmp_path / "run", more_epochs=1, add=table)


@pytest.mark.parametrize("words", [["w2", "w30"], {"w2", "w30"}, {"w2": 1, "w30": 1}.keys()])
def test_added_text_is_read_as_the_first(folder, words):
    Path("lists").mkdir()
    Path("lists/words.txt").write_text("w2\nw30\n")
    for name, stopwords in (("given", words), ("file", "lists/words.txt")):
        config = TextConfig(min_count=1, stopwords=stopwords, lowercase=True)
        train("news.txt", **{**settings(), "text": config}, run_dir=name)
    Path("more.txt").write_text("NEW w30 W2 w1\n")
    expected = bytes_of(resume("given", more_epochs=1, add="more.txt"))
    with contextlib.chdir("lists"):
        model = resume("../file", more_epochs=1, add=[Path("../more.txt")])
    assert bytes_of(model) == expected
    assert model.words[-1] == "new"
    assert not {"w2", "w30"} & set(model.words)


def test_a_full_vocabulary_takes_no_new_words(text, more, tmp_path):
    full = TextConfig(min_count=1, max_vocab=5)
    train(text, **{**settings(), "text": full}, run_dir=tmp_path / "run")
    listener = Listener()
    model = resume(tmp_path / "run", more_epochs=1, add=[more], on_event=listener)
    assert len(model.words) == 5
    (report,) = listener.of("text")
    assert report["beyond_max_vocab"] > 0
    assert report["kept_tokens"] + report["beyond_max_vocab"] == report["tokens"]


def test_frozen_words_stay_while_text_is_added(text, more, tmp_path):
    """Those of the run, and one that only the added text has, which stays as it starts."""
    freeze = ["w1", "w2", "new"]
    model = train(text, **frequent(), freeze=freeze, run_dir=tmp_path / "run")
    grown = resume(tmp_path / "run", more_epochs=2, add=[more])
    assert grown.words[: len(model.words)] == model.words
    for word, row in zip(model.words, model.center_vectors, strict=True):
        stays = grown.center_vectors[grown.words.index(word)].tobytes() == row.tobytes()
        assert stays == (word in freeze)
    row = grown.center_vectors[grown.words.index("new")]
    assert 0 < np.abs(row).max() <= 0.5 / 3
    assert grown.context_vectors[grown.words.index("new")].any()


def test_a_run_that_took_text_and_lost_its_checkpoints(text, more, tmp_path):
    train(text, **frequent(), run_dir=tmp_path / "run")
    resume(tmp_path / "run", more_epochs=1, add=[more])
    shutil.rmtree(tmp_path / "run" / "checkpoints-1")
    (tmp_path / "run" / "checkpoints-1").mkdir()
    with pytest.raises(W2VError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run: no checkpoint is left of the vectors that it started from; start a new "
        "run, from all of its text and with init if it had that"
    )


# A run that starts from another.


def test_a_run_starts_from_all_that_another_came_to(text, more, tmp_path, monkeypatch):
    train(text, **settings(), run_dir=tmp_path / "run")
    start = w2v_sparseadam.Start.load(tmp_path / "run")
    listener = Listener(1)
    with pytest.raises(StopError):
        train([text, more], **settings(), init=start, run_dir=tmp_path / "next", on_event=listener)
    (report,) = listener.of("init")
    assert dict(report) == {
        "event": "init", "matched": len(start.words), "fresh": 3, "unused": 0, "moments": True,
    }  # fmt: skip
    first = sorted((tmp_path / "next" / "checkpoints").iterdir())[0]
    shutil.move(first, tmp_path / "step-000000000000.safetensors")
    arrays, state = last_checkpoint(tmp_path)
    with RunFolder.open(tmp_path / "next") as folder:
        words = folder.load_text()[0].words
    for name, array in start.arrays.items():
        for row, word in enumerate(start.words):
            assert arrays[name][words.index(word)].tobytes() == array[row].tobytes()
    assert state["step_counts"] == list(start.step_counts)


@pytest.mark.parametrize(
    "config", [OptimizerConfig("sgd"), OptimizerConfig("sparse-adam", beta1=0.9)]
)
def test_another_optimizer_takes_the_vectors_alone(text, tmp_path, config):
    train(text, **settings(), run_dir=tmp_path / "run")
    start = Start.load(tmp_path / "run")
    listener = Listener()
    train(text, **settings(config), init=start, on_event=listener)
    assert listener.of("init")[0]["moments"] is False
    center, context = (build_optimizer(config, np.zeros((2, 16), np.float32), 3) for _ in range(2))
    words = [start.words[4], "new"]
    place(start, {"center": center, "context": context}, words, Settings(optimizer=config))
    assert center.param[0, :3].tolist() == start.arrays["center.vectors"][4].tolist()
    assert context.param[0, :3].tolist() == start.arrays["context.vectors"][4].tolist()
    assert not any(array.any() for array in (*center.state.values(), *context.state.values()))
    assert (center.step_count, context.step_count) == (0, 0)


def test_a_folder_that_is_no_start(text, tmp_path):
    def message(error=W2VError):
        with pytest.raises(error) as caught:
            Start.load(tmp_path / "run")
        return str(caught.value)

    assert message() == (
        f"{tmp_path}/run: holds no run; start one with w2v-train CORPUS --run-dir {tmp_path}/run"
    )
    train(text, **settings(), run_dir=tmp_path / "run")
    start, wider = Start.load(tmp_path / "run"), SkipGramConfig(dim=4)
    with pytest.raises(SettingError, match="start vectors have 3 dimensions, but dim is 4"):
        train(text, **{**settings(), "skip_gram": wider}, init=start)
    newest = max((tmp_path / "run" / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(W2VWarning, match="the run is not finished"):
        Start.load(tmp_path / "run")  # from the one before
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert "is damaged" in message(FormatError)
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    assert message() == (
        f"{tmp_path}/run/checkpoints: has no checkpoint yet; go on with its run first: w2v-train "
        f"--resume {tmp_path}/run"
    )
    other = write_text(tmp_path / "other.txt", 3)
    train(other, **settings(), run_dir=tmp_path / "small")
    shutil.copytree(tmp_path / "small" / "checkpoints", tmp_path / "run" / "checkpoints")
    assert message(FormatError) == (
        f"{tmp_path}/run: is damaged: its checkpoint is of another vocabulary"
    )


@pytest.mark.parametrize("adds", [False, True])
def test_a_checkpoint_of_another_version_is_told_of(text, more, tmp_path, monkeypatch, adds):
    def warnings(**given):
        listener = Listener()
        resume(tmp_path / "run", on_event=listener, **given)
        return [event["message"] for event in listener.of("warning")]

    with monkeypatch.context() as patch:
        patch.setattr("w2v_sparseadam.training.progress.training_version", lambda: "0.0.1")
        train(text, **settings(), run_dir=tmp_path / "run")
    assert last_state(tmp_path / "run" / "checkpoints")["version"] == "0.0.1"
    assert warnings() == []  # there are no steps left that could differ
    assert warnings(more_epochs=1, add=[more] if adds else None) == [
        f"{tmp_path}/run: version 0.0.1 wrote its last checkpoint, and this is "
        f"{training_version()}; the "
        "vectors may differ from those of either version alone"
    ]
    assert warnings(more_epochs=1) == []


# The command.


def test_add_on_the_command_line(folder, monkeypatch):
    run("news.txt", *SMALL, "--run-dir", "run", "-o", "v.vec")
    shutil.copytree("run", "other")
    args = ["--resume", "other", "--add", "more.txt", "--epochs", "+2", "--threads", "2", "-q"]
    expanded, found = finding._expanded, []
    monkeypatch.setattr(
        finding, "_expanded", lambda path: [found.append(path), *expanded(path)][1:]
    )
    said = run("--resume", "run", "--add", "more.txt", "--epochs", "+2").stderr
    assert found == ["more.txt"]  # once: a pattern may match other files a moment later
    assert re.search(
        r"^Added 12 tokens and 3 new words, now 132 tokens of \d+ words; words left out: 0\.$",
        said,
        re.MULTILINE,
    )
    assert "Epoch 2/2" in said
    both = Path("v.vec").read_bytes()
    assert b"\nnewer " in both
    run(*args, "-o", "w.vec")
    assert Path("w.vec").read_bytes() == both
    assert error_of("--resume", "run", "--add", "more.txt", exit_code=2) == (
        "--add needs --epochs +N: so many passes over old and new text"
    )
    args = ["--resume", "run", "--add", "m*.txt", "--epochs", "+1", "-o", "more.txt"]
    assert error_of(*args, exit_code=2) == (
        "more.txt is a corpus file and would be overwritten; name another with -o"
    )
    assert error_of("news.txt", "--add", "more.txt", exit_code=2) == (
        "--add is more text for a finished run: give --resume DIR too"
    )
    Path("last.txt").write_bytes(b"PK\x03\x04")
    args = ["--resume", "run", "--add", "more.txt", "--add", "last.txt", "--epochs", "+1"]
    assert error_of(*args, exit_code=1).startswith("last.txt: is a zip archive")
    assert "Epoch 3/3" in run("--resume", "run", "--epochs", "+1").stderr
    run("--resume", "run", "--epochs", "5", "-q")  # two, two and one


def test_init_from_a_run_on_the_command_line(folder):
    run("news.txt", *SMALL, "--run-dir", "run", "-o", "v.vec")
    said = run("news.txt", "more.txt", *SMALL, "--init", "run", "-o", "w.vec").stderr
    assert "matched by name, 0 unused; words without one: 3.\n" in said
    assert "moments" not in said
    changed = run("news.txt", *SMALL, "--init", "run", "--optimizer", "sgd", "-o", "x.vec").stderr
    assert "The other run had another optimizer, so the moments start at 0.\n" in changed
    Path("empty").mkdir()
    assert error_of("news.txt", *SMALL, "--init", "empty", exit_code=1) == (
        "empty: holds no run; start one with w2v-train CORPUS --run-dir empty"
    )


def test_warnings_are_told_even_quietly(folder):
    Path("freeze.txt").write_text("w1\nnothing\n")
    result = run("news.txt", *SMALL, "--freeze", "freeze.txt", "-o", "v.vec", "-q")
    assert result.stderr == (
        "Warning: words to freeze that are not in the vocabulary: 1 ('nothing').\n"
    )


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        (("skip_gram", "dim"), -1, "run: its settings are damaged: dim is -1, but must be"),
        (("run", "speed"), 3, "run: its settings are damaged: RunConfig.__init__() got an unexp"),
        (
            ("run", "\x1b[2J"),
            3,
            'run: its settings are damaged: "RunConfig.__init__() got an unexp',
        ),
    ],
)
def test_settings_that_no_run_has_are_refused(text, tmp_path, monkeypatch, place, change, message):
    monkeypatch.chdir(tmp_path)
    train(text, **settings(), run_dir="run")
    path = Path("run/settings.json")
    kept = read_settings("run")
    kept[place[0]][place[1]] = change
    path.write_text(json.dumps(sealed(kept)))
    with pytest.raises(FormatError) as caught:
        resume("run")
    assert str(caught.value).startswith(message)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "change",
    [{"progress": {"step": "4"}}, {"progress": None}, {"step_counts": [1]}, {"version": 1}],
)
def test_a_state_that_no_run_has_is_refused(text, tmp_path, change):
    train(text, **settings(), run_dir=tmp_path / "run")
    arrays, state = last_checkpoint(tmp_path / "run" / "checkpoints")
    broken = {**state, **change}
    if change == {"version": 1}:
        del broken["version"]
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        write_checkpoint(path, arrays, broken)
    with pytest.raises(FormatError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == f"{tmp_path}/run: the state in its checkpoint is damaged"

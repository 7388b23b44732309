"""Scores after each epoch of a run: events, the best epoch, and an early end."""

import itertools
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from test_callbacks import SMALL
from test_resume import bytes_of, text  # noqa: F401

from w2v_sparseadam import StopTraining, W2VWarning, resume, train
from w2v_sparseadam.commands.destination import Destination
from w2v_sparseadam.commands.train import main
from w2v_sparseadam.errors import FormatError, SettingError, W2VError, WrongTypeError
from w2v_sparseadam.evaluation.datasets import SimilaritySet, read_dataset
from w2v_sparseadam.evaluation.scores import Evaluation, evaluate
from w2v_sparseadam.runs.checkpoint_file import load_checkpoint, write_checkpoint
from w2v_sparseadam.system import memory
from w2v_sparseadam.training.build import check_model_fits, model_memory
from w2v_sparseadam.training.epoch_scores import EpochScoring
from w2v_sparseadam.training.keywords import settings_from
from w2v_sparseadam.vectors.vectors import Vectors

FIVE = {**SMALL, "epochs": 5}


@pytest.fixture
def pairs(text, tmp_path):  # noqa: F811
    """Write a data set of words of the text."""
    words = train(text, **{**SMALL, "epochs": 1}, progress=False).words
    lines = [f"{a} {b} {n}\n" for n, (a, b) in enumerate(itertools.pairwise(words[:6]))]
    path = tmp_path / "pairs.txt"
    path.write_text("".join([*lines, "no such 3\n"]))
    return path


@pytest.fixture
def given_scores(monkeypatch):
    """Return a function that decides the scores of the epochs that follow."""
    reports = Evaluation.reports

    def give(*scores):
        left = iter(scores)

        def reports_of(self, matrix, compose):
            scored = reports(self, matrix, compose)
            return [replace(report, score=next(left)) for report in scored]

        monkeypatch.setattr(Evaluation, "reports", reports_of)

    return give


def of_kind(events, *kinds):
    return [event for event in events if event.kind in kinds]


def test_each_epoch_is_scored_like_its_vectors(text, pairs):  # noqa: F811
    events, models = [], []
    arguments = {"on_event": events.append, "on_epoch": models.append}
    model = train(text, **SMALL, eval=pairs, **arguments)
    kinds = [event.kind for event in of_kind(events, "epoch", "score", "done", "best")]
    assert kinds == ["epoch", "score", "epoch", "score", "done"]
    for number, (event, of_epoch) in enumerate(
        zip(of_kind(events, "score"), models, strict=True), 1
    ):
        report = evaluate(of_epoch.vectors(), read_dataset(pairs))
        assert (event.epoch, event.dataset, event.task) == (number, "pairs.txt", "similarity")
        assert event.score == pytest.approx(report.score)
        assert (event.items, event.covered) == (6, 5)
        assert event.low <= event.score <= event.high
    assert bytes_of(model) == bytes_of(train(text, **SMALL))


def test_the_best_epoch_is_returned(text, pairs, given_scores):  # noqa: F811
    models, events = [], []
    train(text, **FIVE, on_epoch=models.append)
    given_scores(10, 30, 20, 30, 20)
    best = train(text, **FIVE, keep_best=pairs, on_event=events.append)
    assert bytes_of(best) == bytes_of(models[1])  # the first of two that are as good
    assert best.loss == models[1].loss
    (event,) = of_kind(events, "best")
    assert dict(event) == {
        "event": "best",
        "epoch": 2,
        "dataset": "pairs.txt",
        "score": 30,
        "first_epoch": 1,
        "last_epoch": 5,
    }
    assert events[-1] is event


def test_patience_ends_a_run(text, pairs, given_scores):  # noqa: F811
    events = []
    given_scores(10, 30, 20, 30, 20)
    best = train(text, **FIVE, keep_best=pairs, patience=2, on_event=events.append)
    assert len(best.history) == 2
    assert [event.epoch for event in of_kind(events, "epoch")] == [1, 2, 3, 4]
    assert of_kind(events, "best")[0].last_epoch == 4
    assert not of_kind(events, "done")


def test_patience_counts_from_the_first_score(text, pairs, given_scores):  # noqa: F811
    events = []
    given_scores(None, None, 10, 20, 30)
    train(text, **FIVE, keep_best=pairs, patience=1, on_event=events.append)
    assert len(of_kind(events, "epoch")) == 5


def test_a_set_that_is_watched_and_scored_is_scored_once(text, pairs):  # noqa: F811
    events = []
    other = SimilaritySet("other", [("no", "such", 1.0)])
    train(text, **SMALL, eval=[other, pairs], keep_best=pairs, on_event=events.append)
    assert [event.dataset for event in of_kind(events, "score")] == ["other", "pairs.txt"] * 2
    assert of_kind(events, "score")[0].score is None


def test_a_file_that_is_named_twice_is_scored_once(text, pairs):  # noqa: F811
    link = pairs.with_name("link.txt")
    link.symlink_to(pairs)
    events = []
    train(text, **SMALL, eval=[pairs, link, str(pairs)], keep_best=link, on_event=events.append)
    assert [event.dataset for event in of_kind(events, "score")] == ["pairs.txt"] * 2


def test_without_any_score_the_last_epoch_is_returned(text):  # noqa: F811
    other = SimilaritySet("other", [("no", "such", 1.0)])
    with pytest.warns(W2VWarning, match="^no epoch has a score on other; the vectors are those of"):
        model = train(text, **SMALL, keep_best=other, patience=1, progress=False)
    assert bytes_of(model) == bytes_of(train(text, **SMALL))


def test_a_folder_keeps_the_last_epoch_and_can_be_resumed(
    text,  # noqa: F811
    pairs,
    tmp_path,
    given_scores,
):
    models = []
    train(text, **FIVE, on_epoch=models.append)
    given_scores(30, 20, 10, 40, 20)
    run_dir = tmp_path / "run"
    best = train(text, **FIVE, keep_best=pairs, patience=1, run_dir=run_dir)
    assert bytes_of(best) == bytes_of(models[0])
    # The run is not finished: three epochs are left.
    best = resume(run_dir, keep_best=pairs)
    assert [epoch.epoch for epoch in best.history] == [3, 4]
    assert bytes_of(best) == bytes_of(models[3])
    assert bytes_of(resume(run_dir)) == bytes_of(models[4])
    kinds = [json.loads(line)["event"] for line in (run_dir / "log.jsonl").read_text().splitlines()]
    assert kinds.count("score") == 5
    assert kinds.count("best") == 2


@pytest.fixture
def begun(text, pairs, tmp_path, given_scores):  # noqa: F811
    """Return the folder of a run that ended after its third epoch, and its five models."""
    models = []
    train(text, **FIVE, on_epoch=models.append)
    given_scores(10, 30, 20)

    def end(model):
        if len(model.history) == 3:
            raise KeyError

    with pytest.raises(KeyError):
        train(text, **FIVE, keep_best=pairs, run_dir=tmp_path / "run", on_epoch=end)
    return tmp_path / "run", models


def test_a_resumed_run_compares_with_the_epochs_before(begun, pairs, given_scores):
    run_dir, models = begun
    given_scores(30, 29)
    events = []
    best = resume(run_dir, keep_best=pairs, on_event=events.append)
    assert bytes_of(best) == bytes_of(models[1])
    assert best.loss == models[1].loss
    assert best.history == ()
    (event,) = of_kind(events, "best")
    assert (event.epoch, event.score, event.first_epoch, event.last_epoch) == (2, 30, 1, 5)
    # So does the next one, and a finished run returns it.
    given_scores(31)
    best = resume(run_dir, more_epochs=1, keep_best=pairs)
    assert best.history[-1].epoch == 6
    events = []
    assert bytes_of(resume(run_dir, keep_best=pairs, on_event=events.append)) == bytes_of(best)
    assert [event.kind for event in events] == ["folder", "finished", "best"]
    assert (events[-1].epoch, events[-1].last_epoch) == (6, 6)
    assert [path.name for path in run_dir.glob("*/best-*")] == ["best-000006.safetensors"]


def test_patience_counts_the_epochs_before(begun, pairs, given_scores):
    run_dir, models = begun
    given_scores(29, 29)
    events = []
    best = resume(run_dir, keep_best=pairs, patience=2, on_event=events.append)
    assert bytes_of(best) == bytes_of(models[1])
    assert [event.epoch for event in of_kind(events, "epoch")] == [4]


def test_only_scores_on_the_same_items_are_compared(begun, pairs, given_scores, tmp_path):
    run_dir, models = begun
    copy, other = tmp_path / "copy.txt", tmp_path / "other.txt"
    copy.write_text(pairs.read_text())
    other.write_text(pairs.read_text() + "no such 4\n")
    shutil.copytree(run_dir, tmp_path / "again")
    given_scores(20, 19)
    assert bytes_of(resume(tmp_path / "again", keep_best=copy)) == bytes_of(models[1])
    given_scores(20, 19)
    events = []
    best = resume(run_dir, keep_best=other, on_event=events.append)
    assert bytes_of(best) == bytes_of(models[3])
    assert of_kind(events, "best")[0].first_epoch == 4
    with pytest.raises(SettingError, match="is finished, so keep_best has no epoch to compare"):
        resume(run_dir, keep_best=pairs)


def test_scores_of_other_vectors_are_not_compared(begun, pairs, given_scores):
    run_dir, models = begun
    given_scores(20, 19)
    sums = EpochScoring([read_dataset(pairs)], 0, vectors="sum")
    assert bytes_of(resume(run_dir, eval=sums)) == bytes_of(models[3])


@pytest.mark.parametrize("damage", ["gone", "cut", "no state", "no number", "other words"])
def test_a_run_whose_best_epoch_is_lost_resumes(begun, pairs, given_scores, damage):
    run_dir, models = begun
    (path,) = run_dir.glob("checkpoints/best-*")
    warnings = []
    if damage == "gone":  # as in a folder of an older version
        path.unlink()
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-1])
        warnings = [f"{path}: is damaged"]
    else:
        arrays, state = load_checkpoint(path)
        if damage == "no state":
            state = {**state, "epoch": 0}
            warnings = [f"{path}: is damaged: it does not tell of an epoch"]
        elif damage == "no number":
            arrays = {name: np.full_like(array, np.nan) for name, array in arrays.items()}
            warnings = [f"{path}: is damaged: it has numbers that are not finite"]
        else:
            arrays = {name: array[1:] for name, array in arrays.items()}
            warnings = [f"{path}: 'center.vectors' is not the array that this run has"]
        write_checkpoint(path, arrays, state)
    given_scores(20, 19)
    events = []
    best = resume(run_dir, keep_best=pairs, on_event=events.append)
    assert bytes_of(best) == bytes_of(models[3])
    assert of_kind(events, "best")[0].first_epoch == 4
    told = [event.message for event in of_kind(events, "warning")]
    assert len(told) == len(warnings)
    for message, beginning in zip(told, warnings, strict=True):
        assert message.startswith(beginning)
        assert message.endswith("; the epochs before are not compared")


def test_a_best_epoch_that_cannot_be_kept_is_told(text, pairs, tmp_path, monkeypatch):  # noqa: F811
    def fail(path, *_):
        raise W2VError(f"{path.name}: the disk is full")

    monkeypatch.setattr("w2v_sparseadam.training.best_epoch.write_checkpoint", fail)
    events = []
    arguments = {"keep_best": pairs, "run_dir": tmp_path / "run", "on_event": events.append}
    train(text, **{**SMALL, "epochs": 1}, **arguments)
    assert [event.message for event in of_kind(events, "warning")] == [
        "the best epoch is not kept: best-000001.safetensors: the disk is full; training goes on"
    ]


def test_added_text_begins_a_new_comparison(text, pairs, tmp_path, given_scores):  # noqa: F811
    given_scores(30, 20, 10, 9)
    run_dir = tmp_path / "run"
    train(text, **SMALL, keep_best=pairs, run_dir=run_dir, progress=False)
    more = [["quite", "new"], ["new", "words"]]
    best = resume(run_dir, add=more, more_epochs=2, keep_best=pairs, progress=False)
    assert len(best.history) == 1
    assert "quite" in best
    assert [path.parent.name for path in run_dir.glob("*/best-*")] == ["checkpoints-1"]


@pytest.fixture
def file_system():
    fsspec = pytest.importorskip("fsspec", reason="URLs need it")
    found = fsspec.filesystem("memory")
    yield found
    found.store.clear()  # which other files of tests use, too
    found.pseudo_dirs[:] = [""]


def test_the_best_epoch_is_kept_at_a_url(file_system, text, pairs, given_scores):  # noqa: F811
    models = []
    train(text, **FIVE, on_epoch=models.append)
    given_scores(30, 20, 10, 29, 28)
    url = "memory://best/run"
    train(text, **FIVE, keep_best=pairs, patience=2, run_dir=url)
    assert bytes_of(resume(url, keep_best=pairs)) == bytes_of(models[0])
    names = file_system.find("/best/run")
    assert [name for name in names if "best-" in name] == [
        "/best/run/checkpoints/best-000001.safetensors"
    ]


def test_a_best_epoch_that_is_a_link_is_refused(begun, tmp_path, pairs):
    run_dir, _ = begun
    (path,) = run_dir.glob("checkpoints/best-*")
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(W2VError, match=f"'{path.name}' is not a file, as checkpoints are"):
        resume(run_dir, keep_best=pairs)


def test_stop_training_returns_the_best_so_far(text, pairs, given_scores):  # noqa: F811
    models = []
    train(text, **FIVE, on_epoch=models.append)
    given_scores(30, 20, 10)

    def stop(model):
        if len(model.history) == 3:
            raise StopTraining

    best = train(text, **FIVE, keep_best=pairs, on_epoch=stop, progress=False)
    assert bytes_of(best) == bytes_of(models[0])


def test_time_that_scores_take_is_not_that_of_training(text, pairs, monkeypatch):  # noqa: F811
    reports = Evaluation.reports
    monkeypatch.setattr(Evaluation, "reports", lambda *args: [time.sleep(1), *reports(*args)][1:])
    events = []
    model = train(text, **SMALL, eval=pairs, on_event=events.append)
    (done,) = of_kind(events, "done")
    assert done.train_seconds < 0.9
    assert model.history[1].seconds < 0.9
    assert of_kind(events, "progress")[-1].seconds < 0.9


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"patience": 2}, SettingError, "patience has no effect without keep_best; add keep_best"),
        ({"patience": 0, "keep_best": "pairs.txt"}, SettingError, "patience is 0, but must be a"),
        ({"patience": True, "keep_best": "pairs.txt"}, SettingError, "patience is True, but must"),
        ({"eval": ""}, SettingError, "eval must be the path of a file or folder, got ''"),
        ({"eval": 5}, WrongTypeError, "eval must be data sets or their files, got 5"),
        ({"eval": [5]}, WrongTypeError, "eval must be data sets or their files, got 5"),
        ({"keep_best": 5}, WrongTypeError, "keep_best must be data sets or their files, got 5"),
        ({"eval": "broken.txt"}, FormatError, "broken.txt, line 1: expected two words and"),
    ],
)
@pytest.mark.parametrize("function", [train, resume])
def test_what_cannot_be_scored_is_told_at_once(
    tmp_path, monkeypatch, arguments, error, message, function
):
    monkeypatch.chdir(tmp_path)
    Path("pairs.txt").write_text("a b 1\n")
    Path("broken.txt").write_text("a\n")
    with pytest.raises(error, match=f"^{message}"):
        function("missing", **arguments)


# The command


@pytest.fixture
def folder(text, pairs, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.chdir(tmp_path)
    Path("news.txt").write_bytes(Path(text).read_bytes())
    return tmp_path


OPTIONS = [
    "--min-count=1",
    "--dim=3",
    "--window=2",
    "--subsample=0",
    "--batch-size=32",
    "--threads=1",
]


def run(*args, exit_code=0):
    result = CliRunner().invoke(main, [*args])
    assert result.exit_code == exit_code, result.output
    return result.output


def test_the_command_shows_and_logs_scores_and_writes_the_best_epoch(folder, given_scores):
    run("news.txt", *OPTIONS, "--epochs", "5", "-o", "all.vec", "--run-dir", "all")
    given_scores(10, 30, 20, 25, 20)
    told = run(
        *["news.txt", *OPTIONS, "--epochs", "5", "--keep-best", "pairs.txt", "--patience", "2"],
        *["--log", "log.jsonl", "-o", "best.vec"],
    )
    assert told.count("  pairs.txt: ") == 4
    assert "  pairs.txt: 30.0 (" in told
    assert "), 5 of 6.\n" in told
    assert "Stopped after epoch 4.\nThe best epoch is 2: 30.0 on pairs.txt.\nWrote best.vec" in told
    events = [json.loads(line) for line in Path("log.jsonl").read_text().splitlines()]
    assert [event["score"] for event in events if event["event"] == "score"] == [10, 30, 20, 25]
    assert events[-1]["event"] == "best"
    models = []
    train("news.txt", **FIVE, on_epoch=models.append)
    best = Vectors.load("best.vec")
    assert best.matrix.tobytes() == models[1].vectors().matrix.tobytes()
    assert Vectors.load("all.vec").matrix.tobytes() == models[4].vectors().matrix.tobytes()


def test_scores_are_of_the_vectors_that_are_written(folder):
    args = ["news.txt", *OPTIONS, "--epochs", "1", "-o", "v.vec", "--eval", "pairs.txt"]
    run(*args, "--vectors", "sum", "--log", "log.jsonl")
    events = map(json.loads, Path("log.jsonl").read_text().splitlines())
    (score,) = [event["score"] for event in events if event["event"] == "score"]
    assert score == pytest.approx(evaluate(Vectors.load("v.vec"), read_dataset("pairs.txt")).score)


def test_the_command_scores_a_set_once(folder):
    told = run("news.txt", *OPTIONS, "--epochs=1", "--eval=pairs.txt", "--eval=./pairs.txt")
    assert told.count("  pairs.txt: ") == 1


def test_a_finished_run_does_not_replace_its_best_epoch(folder, given_scores):
    given_scores(30, 20)
    args = "--epochs", "2", "-o", "v.vec", "--run-dir", "run", "--keep-best", "pairs.txt"
    run("news.txt", *OPTIONS, *args)
    best = Path("v.vec").read_bytes()
    assert "--keep-best), and the vectors of its last would replace" in run(
        "--resume", "run", exit_code=2
    )
    assert Path("v.vec").read_bytes() == best
    run("--resume", "run", "-o", "last.vec")
    assert Path("last.vec").read_bytes() != best
    run("--resume", "run")  # the last file that was named is of the last epoch


def test_worse_epochs_do_not_replace_the_best(folder, given_scores):
    given_scores(30, 20)
    args = "--epochs", "2", "-o", "v.vec", "--run-dir", "run", "--keep-best", "pairs.txt"
    run("news.txt", *OPTIONS, *args)
    best = Path("v.vec").read_bytes()
    given_scores(29, 28)
    told = run("--resume", "run", "--epochs", "+2", "--keep-best", "pairs.txt")
    assert "\nThe best epoch is 1: 30.0 on pairs.txt.\nWrote " in told
    assert Path("v.vec").read_bytes() == best
    told = run("--resume", "run", "--keep-best", "pairs.txt", "-o", "again.vec")
    assert "4 epochs" in told
    assert "Stopped" not in told
    assert Path("again.vec").read_bytes() == best


def test_the_best_vectors_that_cannot_be_written_are_kept(folder, given_scores, monkeypatch):
    given_scores(30, 20)
    save = Vectors.save

    def fail(*_, **__):
        raise W2VError("v.vec: the disk is full")

    monkeypatch.setattr(Vectors, "save", fail)
    args = "--epochs", "2", "-o", "v.vec", "--run-dir", "run", "--keep-best", "pairs.txt"
    told = run("news.txt", *OPTIONS, *args, exit_code=1)
    how = f"--resume run -o PATH --keep-best {Path('pairs.txt').resolve()}"
    assert f"; the vectors of the best epoch are kept: w2v-train {how}" in told
    monkeypatch.setattr(Vectors, "save", save)
    told = run(*how.replace("PATH", "w.vec").split())
    assert "The best epoch is 1: 30.0 on pairs.txt.\nWrote w.vec" in told


def test_how_to_resume_repeats_what_is_scored(folder):
    Path("run").mkdir()
    scoring = "--eval /a --keep-best '/b c' --patience 2"
    Destination(Path("run"), Path("run")).keep(Path("v.vec"), "center", scoring)
    assert Destination(Path("run"), Path("run")).how_to_resume().endswith(f"run {scoring}")
    kept = Path("run/command.json").read_text()
    Path("run/command.json").write_text(kept.replace("/b c", "/b d"))  # no longer as signed
    assert not Destination(Path("run"), Path("run")).kept


def test_what_is_kept_of_the_options(folder):
    args = "news.txt", *OPTIONS, "--epochs=1", "--run-dir=run", "--keep-best=pairs.txt"
    run(*args, "--eval=pairs.txt", "--patience=3")
    pairs = folder / "pairs.txt"
    expected = f"--eval {pairs} --keep-best {pairs} --patience 3"
    assert json.loads(Path("run/command.json").read_text())["scoring"] == expected


def test_memory_counts_the_copy_of_the_best_epoch(text, pairs, monkeypatch):  # noqa: F811
    words = train(text, **SMALL, progress=False).words
    settings = settings_from({**SMALL})
    model, state = model_memory(words, settings)
    available = (2 * model + state) / memory._SHARE
    monkeypatch.setattr(memory, "available_memory", lambda: available + 1)
    check_model_fits(words, settings, n_copies=1)
    monkeypatch.setattr(memory, "available_memory", lambda: available - 2)
    check_model_fits(words, settings)
    with pytest.raises(W2VError, match=r"^the model does not fit"):
        train(text, **SMALL, keep_best=pairs, progress=False)


def test_scores_of_a_resumed_run(folder):
    run("news.txt", *OPTIONS, "--epochs", "1", "-o", "v.vec", "--run-dir", "run")
    told = run("--resume", "run", "--epochs", "+2", "--eval", "pairs.txt")
    assert told.count("  pairs.txt: ") == 2


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (["--patience", "2"], 2, "--patience has no effect without --keep-best; add --keep-best"),
        (["--eval", "none.txt"], 2, "Path 'none.txt' does not exist"),
        (["--eval", "news.txt"], 1, "news.txt, line 1: expected two words and a number"),
        (["--eval", "pairs.txt", "-o", "pairs.txt"], 2, "pairs.txt is a data set and would be"),
        (["--keep-best", "pairs.txt", "--log", "pairs.txt"], 2, "name another with --log"),
    ],
)
def test_data_sets_that_cannot_be_used(folder, args, exit_code, message):
    assert message in run("news.txt", *OPTIONS, *args, exit_code=exit_code)


def test_epochs_of_a_cluster_are_scored_here(text, pairs):  # noqa: F811
    pytest.importorskip("distributed", reason="several machines need it")
    events, models = [], []
    arguments = {"cluster": 1, "shards": 2, "rounds": 1, "on_epoch": models.append}
    best = train(text, **SMALL, **arguments, keep_best=pairs, on_event=events.append)
    scores = of_kind(events, "score")
    assert [event.epoch for event in scores] == [1, 2]
    for event, model in zip(scores, models, strict=True):
        assert event.score == pytest.approx(evaluate(model.vectors(), read_dataset(pairs)).score)
    (event,) = of_kind(events, "best")
    assert bytes_of(best) == bytes_of(models[event.epoch - 1])


def test_a_resumed_run_says_which_epochs_it_compares(folder):
    run("news.txt", *OPTIONS, "--epochs", "2", "-o", "v.vec", "--run-dir", "run")
    told = run("--resume", "run", "--epochs", "+2", "--keep-best", "pairs.txt", "-o", "w.vec")
    assert "The best epoch from 3 on is " in told

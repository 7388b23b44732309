"""Interrupted runs: they end in the bytes and the losses of the run that was left alone."""

import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from runs import train

import w2v_sparseadam
from w2v_sparseadam import resume
from w2v_sparseadam.commands import train as command
from w2v_sparseadam.commands.destination import Destination
from w2v_sparseadam.engine.engine import Engine
from w2v_sparseadam.errors import DivergenceError, FormatError, SettingError, W2VError
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.runs.folder import RunFolder
from w2v_sparseadam.runs.sealed_json import sealed
from w2v_sparseadam.runs.settings import read_settings
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.training import checkpoint
from w2v_sparseadam.training.loop import Interrupts
from w2v_sparseadam.training.progress import Progress, RunState
from w2v_sparseadam.training.schedule import Schedule
from w2v_sparseadam.training.settings import RunConfig, text_of

pytest.importorskip("fcntl", reason="needs POSIX file locks")

OPTIMIZERS = {
    "sparse-adam": OptimizerConfig("sparse-adam"),
    "sparse-adam with m and row steps": OptimizerConfig(
        "sparse-adam", beta1=0.9, bias_correction="row"
    ),
    "rowwise-adam": OptimizerConfig("rowwise-adam"),
    "rowwise-adam with row steps": OptimizerConfig("rowwise-adam", bias_correction="row"),
    "dense-adam": OptimizerConfig("dense-adam"),
    "adagrad": OptimizerConfig("adagrad"),
    "sgd": OptimizerConfig("sgd"),
}
N_STEPS = 8  # of two epochs


class StopError(Exception):
    """Raised by a callback."""


def write_text(path, n_lines=15):
    rng = np.random.default_rng(3)
    numbers = np.minimum(rng.zipf(1.4, (n_lines, 8)), 30)
    path.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))
    return path


@pytest.fixture
def text(tmp_path):
    """Write 15 lines of 8 words."""
    return write_text(tmp_path / "news.txt")


@pytest.fixture
def step_by_step(monkeypatch):
    """Let every step be a job with an event of its own."""
    monkeypatch.setattr("w2v_sparseadam.training.loop._RUN_SECONDS", 0)
    monkeypatch.setattr("w2v_sparseadam.training.loop.EVENT_SECONDS", 0)


class Listener:
    """Collects events, and raises at a step."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.events = []
        self.steps = 0

    def __call__(self, event):
        self.events.append(event)
        if event["event"] == "start":
            self.steps = event["first_step"]
        if event["event"] == "progress":
            self.steps += 1
            if self.steps == self.stop_at:
                raise StopError

    def of(self, kind):
        return [event for event in self.events if event["event"] == kind]


def settings(optimizer=None, threads=1, epochs=2):
    return {
        "text": TextConfig(min_count=1),
        "skip_gram": SkipGramConfig(dim=3, window=2, subsample=0),
        "optimizer": optimizer or OptimizerConfig(),
        "run": RunConfig(epochs=epochs, batch_size=32, threads=threads),
    }


def bytes_of(model):
    return model.words, model.center_vectors.tobytes(), model.context_vectors.tobytes(), model.loss


def losses(*listeners):
    return [
        (event["epoch"], event["loss"], event["pairs"], event["tokens"])
        for listener in listeners
        for event in listener.of("epoch")
    ]


def interrupt(text, run_dir, stop_at, **changes):
    listener = Listener(stop_at)
    with pytest.raises(StopError):
        train(text, **settings(**changes), run_dir=run_dir, on_event=listener)
    return listener


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_interrupted_twice_at_other_numbers_of_threads(text, tmp_path, step_by_step, optimizer):
    config = OPTIMIZERS[optimizer]
    alone = Listener()
    expected = bytes_of(train(text, **settings(config), on_event=alone))
    assert alone.of("start")[0]["steps"] == N_STEPS
    for first, second in ((1, 3), (3, 4), (4, 5), (7, 8)):
        run_dir = tmp_path / f"run{first}"
        one = interrupt(text, run_dir, first, optimizer=config)
        two, three = Listener(second), Listener()
        with pytest.raises(StopError):
            resume(run_dir, threads=3, on_event=two)
        assert two.of("start")[0]["first_step"] == first
        model = resume(run_dir, threads=2, on_event=three)
        if second < N_STEPS:
            assert three.of("start")[0]["first_step"] == second
        else:
            assert three.of("finished")[0]["steps"] == N_STEPS
        assert bytes_of(model) == expected
        assert losses(one, two, three) == losses(alone)
        rates = [event["lr"] for listener in (one, two, three) for event in listener.of("progress")]
        assert rates == [event["lr"] for event in alone.of("progress")]


def test_a_folder_changes_nothing(text, tmp_path):
    assert bytes_of(train(text, **settings(), run_dir=tmp_path / "run")) == bytes_of(
        train(text, **settings())
    )


def test_neither_the_text_nor_a_checkpoint_is_needed(text, tmp_path, step_by_step):
    """As after SIGKILL before the first checkpoint."""
    expected = bytes_of(train(text, **settings()))
    interrupt(text, tmp_path / "run", 2)
    text.unlink()
    for path in (tmp_path / "run" / "checkpoints").iterdir():
        path.unlink()
    listener = Listener()
    assert bytes_of(resume(tmp_path / "run", on_event=listener)) == expected
    assert listener.of("start")[0]["first_step"] == 0


def test_a_finished_run_gives_its_model_again(text, tmp_path):
    expected = bytes_of(train(text, **settings(), run_dir=tmp_path / "run"))
    listener = Listener()
    assert bytes_of(resume(tmp_path / "run", on_event=listener)) == expected
    assert [event["event"] for event in listener.events] == ["folder", "finished"]


def test_clocks_go_on(text, tmp_path, step_by_step):
    one = interrupt(text, tmp_path / "run", 5)
    listener = Listener()
    resume(tmp_path / "run", on_event=listener)
    (start,) = listener.of("start")
    last = one.of("progress")[-1]
    assert start["done_tokens"] == last["tokens"]
    assert start["done_seconds"] >= last["seconds"]
    assert listener.of("progress")[0]["seconds"] > start["done_seconds"]
    assert listener.of("progress")[-1]["tokens"] == start["tokens"]


def test_a_damaged_checkpoint_costs_the_steps_since_the_one_before(text, tmp_path, step_by_step):
    expected = bytes_of(train(text, **settings()))
    interrupt(text, tmp_path / "run", 6)
    _, newer = sorted((tmp_path / "run" / "checkpoints").iterdir())
    newer.write_bytes(newer.read_bytes()[:100])
    listener = Listener()
    assert bytes_of(resume(tmp_path / "run", on_event=listener)) == expected
    assert listener.of("start")[0]["first_step"] == 4
    (warning,) = listener.of("warning")
    assert warning["message"].startswith(f"{newer}: is damaged")


def test_checkpoints_come_in_time_at_epochs_and_when_asked(text, tmp_path, monkeypatch):
    monkeypatch.setattr("w2v_sparseadam.training.loop._RUN_SECONDS", 0)

    def steps(name, **more):
        listener = Listener()
        train(text, **settings(), run_dir=tmp_path / name, on_event=listener, **more)
        return [event["step"] for event in listener.of("checkpoint")]

    assert steps("epochs") == [4, 8]
    assert steps("time", checkpoint_minutes=1e-9) == list(range(1, 9))
    now = threading.Event()
    now.set()
    assert steps("asked", checkpoint_now=now) == [1, 4, 8]
    assert not now.is_set()


def test_a_full_disk_does_not_end_the_run(text, tmp_path, monkeypatch):
    expected = bytes_of(train(text, **settings()))
    write = checkpoint.write_checkpoint
    full = [False, True]  # the first checkpoint is written, the second is not

    def write_or_fail(*args):
        if full.pop(0):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(*args)

    monkeypatch.setattr(checkpoint, "write_checkpoint", write_or_fail)
    listener = Listener()
    model = train(text, **settings(), run_dir=tmp_path / "run", on_event=listener)
    assert bytes_of(model) == expected
    assert [event["step"] for event in listener.of("checkpoint")] == [4]
    assert [event["message"] for event in listener.of("warning")] == [
        "no checkpoint at step 8: [Errno 28] No space left on device; training goes on, and the "
        "next one is tried in its time"
    ]
    monkeypatch.undo()
    assert bytes_of(resume(tmp_path / "run")) == expected


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_keeps_the_last_good_checkpoint(text, tmp_path):
    diverging = OptimizerConfig("sgd", lr=1e30)
    with pytest.raises(DivergenceError):
        train(text, **settings(diverging), run_dir=tmp_path / "run", checkpoint_minutes=1e-9)
    paths = list((tmp_path / "run" / "checkpoints").iterdir())
    assert all(int(path.stem.removeprefix("step-")) < 3 for path in paths)
    with pytest.raises(DivergenceError):
        resume(tmp_path / "run")


def test_a_run_that_diverged_diverges_again(text, tmp_path, monkeypatch):
    """The limit is that of the vectors at the start, not of those that had grown already."""
    monkeypatch.setattr("w2v_sparseadam.training.divergence.LONGEST", 0.4)
    monkeypatch.setattr("w2v_sparseadam.training.divergence._START_FACTOR", 1.25)
    run_dir = tmp_path / "run"
    with pytest.raises(DivergenceError) as first:
        train(text, **settings(epochs=20), run_dir=run_dir)
    assert any((run_dir / "checkpoints").iterdir())
    for more in (0, 0, 1):
        with pytest.raises(DivergenceError) as again:
            resume(run_dir, more_epochs=more)
        assert str(again.value).split("(")[0].replace("84", "80") == str(first.value).split("(")[0]


def test_steps_an_epoch_that_are_not_the_runs(text, tmp_path, step_by_step):
    """They would take the run to another place of the text, and skip what is between."""
    interrupt(text, tmp_path / "run", 5)
    with RunFolder.open(tmp_path / "run") as folder:
        folder.change_settings(run={**folder.settings["run"], "batch_size": 64})
    with pytest.raises(FormatError) as caught:
        resume(tmp_path / "run")
    assert str(caught.value) == (
        f"{tmp_path}/run: its checkpoint counts 4 steps an epoch, but its settings and text make "
        "2; put back the files that belong to it, or start a new run"
    )


def test_an_error_lets_go_of_the_folder_and_of_threads(text, tmp_path, step_by_step):
    before = threading.active_count()
    interrupt(text, tmp_path / "run", 1, threads=3)
    assert threading.active_count() == before
    RunFolder.open(tmp_path / "run").close()


def test_added_epochs_follow_whenever_they_were_asked_for(text, tmp_path, step_by_step):
    train(text, **settings(), run_dir=tmp_path / "finished")
    finished = Listener()
    expected = bytes_of(resume(tmp_path / "finished", more_epochs=1, on_event=finished))
    assert [event["lr"] for event in finished.of("progress")] == [
        0.02 * (1 - step / 4) for step in range(4)
    ]
    assert losses(finished)[0][0] == 3
    interrupt(text, tmp_path / "unfinished", 3)
    with pytest.raises(StopError):
        resume(tmp_path / "unfinished", more_epochs=1, on_event=Listener(10))
    assert bytes_of(resume(tmp_path / "unfinished")) == expected  # they are asked for once
    assert bytes_of(resume(tmp_path / "finished")) == expected


def test_epochs_in_all_are_added_once(text, tmp_path, step_by_step):
    """However often a supervisor asks for them."""
    interrupt(text, tmp_path / "run", 3)
    for stop_at in (5, 10):
        with pytest.raises(StopError):
            resume(tmp_path / "run", total_epochs=3, on_event=Listener(stop_at))
    resume(tmp_path / "run", total_epochs=3)
    assert read_settings(tmp_path / "run")["added_epochs"] == [1]


STATE = {
    "progress": Progress().as_dict(),
    "steps_an_epoch": 4,
    "step_counts": [3, 3],
    "version": "0",
}


def test_a_state_is_read():
    found = RunState.read(json.loads(json.dumps(STATE)), Path("run"))
    assert (found.steps_an_epoch, found.step_counts, found.version) == (4, [3, 3], "0")


@pytest.mark.parametrize(
    "change",
    [
        {"steps_an_epoch": 0},
        {"steps_an_epoch": "4"},
        {"step_counts": []},
        {"step_counts": [1, -2]},
        {"step_counts": [1.5, 2]},
        {"step_counts": "12"},
        {"step_counts": 12},
        {"version": ["0"]},
        {"progress": []},
        {"progress": None},
        {"progress": {}},
        *(
            {"progress": {**Progress().as_dict(), **change}}
            for change in (
                {"step": -1},
                {"step": 1 << 63},
                {"step": 4.0},
                {"loss": "1"},
                {"loss": -1},
                {"loss": float("nan")},
                {"limit": "9"},
                {"limit": -9},
                {"run": {"n_tokens": 1e9}},
                {"run": {"n_pairs": "1"}},
                {"run": {"n_pairs": -0.5}},
                {"run": {"n_tokens": -1}},
                {"run": {"seconds": "1"}},
                {"run": {"seconds": -9e9}},
                {"epoch": {"loss": []}},
                {"epoch": {"speed": 3}},
                {"epoch": 3},
            )
        ),
    ],
)
def test_a_state_that_no_run_writes_is_refused(change):
    with pytest.raises(FormatError, match="run: the state in its checkpoint is damaged"):
        RunState.read({**STATE, **change}, Path("run"))


def test_the_schedule():
    schedule = Schedule(OptimizerConfig(lr=0.5), [4, 2])
    assert schedule.n_steps == 6
    assert [schedule.lr(step) for step in range(6)] == [0.5, 0.375, 0.25, 0.125, 0.5, 0.25]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"min_lr": 0.1}, [0.5, 0.4, 0.3, 0.2, 0.5, 0.3]),
        ({"min_lr": 0.5}, [0.5] * 6),
        ({"lr_schedule": "constant"}, [0.5] * 6),
        (
            {"lr_schedule": "cosine"},
            [0.5, 0.25 + 0.03125**0.5, 0.25, 0.25 - 0.03125**0.5, 0.5, 0.25],
        ),
        ({"warmup": 0.5}, [0.5 / 3, 1 / 3, 0.5, 0.25, 0.25, 0.5]),
        ({"warmup": 0.2, "lr_schedule": "constant"}, [0.25, 0.5, 0.5, 0.5, 0.25, 0.5]),
        ({"warmup": 0.99}, [0.1, 0.2, 0.3, 0.4, 0.5 / 3, 1 / 3]),
    ],
)
def test_other_schedules(settings, expected):
    schedule = Schedule(OptimizerConfig(lr=0.5, **settings), [4, 2])
    assert [schedule.lr(step) for step in range(6)] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"checkpoint_minutes": 0},
            "checkpoint_minutes is 0, but must be a number, above 0",
        ),
        ({"total_epochs": 1}, "total_epochs is 1, but the run in {} has 2"),
        ({"total_epochs": 0}, "total_epochs is 0, but must be a whole number, 1 or more"),
        (
            {"total_epochs": 3, "more_epochs": 1},
            "total_epochs goes with neither more_epochs nor add",
        ),
        ({"more_epochs": -1}, "more_epochs is -1, but must be a whole number, 0 or more"),
        ({"more_epochs": 10**30}, "a run has 1,000,000,000 epochs at most; add fewer"),
        ({"total_epochs": 10**30}, "a run has 1,000,000,000 epochs at most; add fewer"),
        ({"threads": 0}, "threads is 0, but must be a whole number from 1 to 1,000,000,000"),
    ],
)
def test_settings_of_resume_are_checked(text, tmp_path, more, message):
    train(text, **settings(), run_dir=tmp_path / "run")
    with pytest.raises(SettingError) as caught:
        resume(tmp_path / "run", **more)
    assert str(caught.value) == message.format(tmp_path / "run")


def test_defaults_are_kept_as_they_were(text, tmp_path):
    """A later version may have others."""
    train(text, **settings(), run_dir=tmp_path / "run")
    kept = read_settings(tmp_path / "run")
    kept_optimizer = [kept["optimizer"][name] for name in ("lr", "beta1", "power")]
    assert kept_optimizer == [0.02, 0.0, 0.125]
    assert kept["paths"] == [str(text)]


@pytest.mark.parametrize("damage", [b"\xff\xff\xff\x7f", b"\0\0\0\0"])
def test_word_ids_that_are_changed_while_it_trains(text, tmp_path, step_by_step, damage):
    alone = bytes_of(train(text, **settings()))
    path = tmp_path / "run" / "word_ids.i32"
    kept = []

    def on_event(event):
        if event["event"] == "progress" and not kept:
            kept.append(path.read_bytes())
            with open(path, "r+b") as file:
                file.write(damage * (path.stat().st_size // 4))

    with pytest.raises(FormatError, match=r"word_ids.i32: is damaged \(its checksum is not that"):
        train(text, **settings(), run_dir=tmp_path / "run", on_event=on_event)
    path.write_bytes(kept[0])
    assert bytes_of(resume(tmp_path / "run")) == alone


def test_word_ids_that_are_only_touched(text, tmp_path, step_by_step):
    path = tmp_path / "run" / "word_ids.i32"

    def on_event(event):
        if event["event"] == "progress":
            path.touch()

    train(text, **settings(), run_dir=tmp_path / "run", on_event=on_event)


# The command.

SMALL = ["--dim", "3", "--batch-size", "32", "--min-count", "1", "--subsample", "0"]
SMALL += ["--epochs", "2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with news.txt and other.txt."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("news.txt"))
    write_text(Path("other.txt"), 9)
    return tmp_path


def run(*args, exit_code=0):
    result = CliRunner().invoke(command.main, [*args])
    assert exit_code is None or result.exit_code == exit_code, result.output
    return result


def error_of(*args, exit_code):
    return run(*args, exit_code=exit_code).stderr.splitlines()[-1].removeprefix("Error: ")


def test_resume_remembers_where_the_vectors_go(folder):
    run("news.txt", *SMALL, "--run-dir", "run", "-o", "v.bin", "--vectors", "sum")
    written = Path("v.bin").read_bytes()
    Path("v.bin").unlink()
    result = run("--resume", "run")
    assert Path("v.bin").read_bytes() == written
    assert result.stderr.splitlines() == [
        "The run is finished: 2 epochs, 8 steps; add epochs with --epochs +N.",
        f"Wrote {os.path.abspath('v.bin')}: 21 words, 3 dimensions.",
    ]
    run("--resume", "run", "-o", "c.bin", "--vectors", "center", "-q", "--threads", "2")
    assert Path("c.bin").read_bytes() != written
    Path("c.bin").unlink()
    run("--resume", "run")
    assert Path("c.bin").exists()


def test_the_log_is_kept_in_the_folder_and_grows(folder):
    run("news.txt", *SMALL, "--run-dir", "run")
    first = Path("run/log.jsonl").read_text()
    run("--resume", "run", "--epochs", "+1")
    both = Path("run/log.jsonl").read_text()
    assert both.startswith(first)
    events = [json.loads(line) for line in both.splitlines()]
    assert [e["epoch"] for e in events if e["event"] == "epoch"] == [1, 2, 3]
    assert [e["step"] for e in events if e["event"] == "checkpoint"] == [4, 8, 12]


def test_more_epochs(folder):
    run("news.txt", *SMALL, "--run-dir", "run", "-q")
    assert "Epoch 4/4" in run("--resume", "run", "--epochs", "+2").stderr
    assert error_of("--resume", "run", "--epochs", "2", exit_code=2) == (
        "--epochs is 2, but the run in run has 4; add some with --epochs +N, or leave it out"
    )
    run("--resume", "run", "--epochs", "4", "-q")
    assert "of 20.\n" in run("--resume", "run", "--epochs", "=5").stderr
    assert "finished: 5 epochs, 20 steps" in run("--resume", "run", "--epochs", "=5").stderr
    assert error_of("--resume", "run", "--epochs", "=4", exit_code=2) == (
        "--epochs is =4, but the run in run has 5; add some with --epochs +N, or leave it out"
    )
    assert error_of("news.txt", "--epochs", "=5", exit_code=2) == (
        "--epochs =5 adds to a run: give --resume DIR, or leave '=' out"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--dim", "4"], "--dim is 4, but the run in run has 3; leave it out"),
        (["--lr", "0.5"], "--lr is 0.5, but the run in run has 0.02; leave it out"),
        (["--lowercase"], "--lowercase is True, but the run in run has None; leave it out"),
        (
            ["--dense-adam"],
            "--dense-adam is dense-adam, but the run in run has sparse-adam; leave it out",
        ),
        (["--run-dir", "b"], "--run-dir cannot be given with --resume; leave it out"),
        (
            ["news.txt"],
            "--resume needs no CORPUS: the text is kept in run; leave 'news.txt' out",
        ),
    ],
)
def test_what_contradicts_the_run_is_refused(folder, args, message):
    run("news.txt", *SMALL, "--run-dir", "run", "-q")
    assert error_of("--resume", "run", *args, exit_code=2) == message


@pytest.mark.parametrize("epochs", [None, "3", 0, True, [1]])
@pytest.mark.parametrize("args", [[], ["--add", "other.txt", "--epochs", "+1"]])
def test_damaged_epochs_are_refused(folder, epochs, args):
    run("news.txt", *SMALL, "--run-dir", "run", "-q")
    kept = read_settings("run")
    changed = sealed({**kept, "run": {**kept["run"], "epochs": epochs}})
    Path("run/settings.json").write_text(json.dumps(changed))
    said = error_of("--resume", "run", *args, exit_code=1)
    assert re.match(r"(the run's|run: its) settings are damaged: (its )?epochs (is|are) ", said)


@pytest.mark.parametrize("part", ["skip_gram", "optimizer", "run"])
def test_settings_without_a_field_are_refused(folder, part):
    run("news.txt", *SMALL, "--run-dir", "run", "-q")
    Path("run/settings.json").write_text(json.dumps(sealed({**read_settings("run"), part: {}})))
    assert f"its settings are damaged: {part} has no" in error_of("--resume", "run", exit_code=1)


def test_no_lock(folder, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    fcntl = pytest.importorskip("fcntl", reason="needs POSIX file locks")
    monkeypatch.setattr(fcntl, "flock", flock)
    assert "give --no-lock" in error_of("news.txt", *SMALL, "--run-dir", "run", exit_code=1)
    run("news.txt", *SMALL, "--run-dir", "run", "-q", "--no-lock")
    assert "give --no-lock" in error_of("--resume", "run", "--epochs", "+1", exit_code=1)
    run("--resume", "run", "--epochs", "+1", "-q", "--no-lock")
    assert error_of("news.txt", "--no-lock", exit_code=2) == (
        "--no-lock is for a folder: give --run-dir DIR too"
    )


def test_what_agrees_with_the_run_is_not_refused(folder):
    Path("stop.txt").write_text("w1\n")
    told = [*SMALL, "--stopwords", "stop.txt"]
    run("news.txt", *told, "--run-dir", "run", "-q")
    run("--resume", "run", *told, "--optimizer", "sparse-adam", "--lr", "0.02", "-q")
    with contextlib.chdir("run"):
        args = ["--resume", ".", "--stopwords", "../stop.txt", "--vocab", "../stop.txt"]
        assert error_of(*args, exit_code=2) == (
            "--vocab is ../stop.txt, but the run in . has None; leave it out"
        )


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (
            ["news.txt", "--epochs", "+2"],
            2,
            "--epochs +2 adds to a run: give --resume DIR, or leave '+' out",
        ),
        (
            ["news.txt", "--checkpoint-every", "1"],
            2,
            "--checkpoint-every needs a folder: give --run-dir DIR too",
        ),
        (
            ["--resume", "none"],
            1,
            "none: holds no run; start one with w2v-train CORPUS --run-dir none",
        ),
        (
            ["news.txt", "--run-dir", "other.txt"],
            1,
            "other.txt: is a file; name a folder for the run",
        ),
    ],
)
def test_what_can_be_known_before_training_is(folder, monkeypatch, args, exit_code, message):
    monkeypatch.setattr(
        "w2v_sparseadam.training.train.compile_run", lambda *_: pytest.fail("compiled")
    )
    assert error_of(*args, exit_code=exit_code) == message


def test_what_is_not_kept_is_not_said_to_be(folder, monkeypatch):
    """On a full disk neither the vectors nor the last checkpoint can be written."""

    def full(*_, **__):
        raise W2VError("v.bin: no room left")

    with monkeypatch.context() as patch:
        patch.setattr(w2v_sparseadam.Vectors, "save", full)
        patch.setattr(checkpoint, "write_checkpoint", full)
        message = error_of("news.txt", *SMALL, "--run-dir", "run", "-o", "v.bin", exit_code=1)
    assert message == (
        "v.bin: no room left; the last checkpoint is of step 0 of 8, from which to resume: "
        "w2v-train --resume run -o PATH"
    )


OWN = ["settings.json", "vocabulary.txt", "text-1.json", "word_ids.i32", "lock", "command.json"]
OWN += ["log.jsonl", "checkpoints/step-000000000008.safetensors"]


@pytest.mark.parametrize("name", OWN)
def test_files_of_the_run_are_not_overwritten(folder, monkeypatch, name):
    Path("link").symlink_to("run")
    monkeypatch.setattr(
        command, "train_by_settings", lambda *_, **__: pytest.fail("training began")
    )
    with pytest.raises(StopError):
        train("news.txt", **settings(), run_dir="run", on_event=raise_at("folder"))
    for option in ("-o", "--log"):
        args = [option, f"link/{name}"]
        message = f"link/{name} belongs to the run in run; name another file with {option}"
        assert error_of("news.txt", "--run-dir", "run", *args, exit_code=2) == message
        assert error_of("--resume", "run", "-o", "v.vec", *args, exit_code=2) == message
    assert error_of("news.txt", "--run-dir", "new", "-o", "new", exit_code=2) == (
        "new belongs to the run in new; name another file with -o"
    )


def test_vectors_in_the_folder_of_the_run(folder):
    run("news.txt", *SMALL, "--run-dir", "run", "-q", "-o", "v.bin")
    run("--resume", "run", "-q", "-o", "run/vectors.bin")
    assert Path("run/vectors.bin").read_bytes() == Path("v.bin").read_bytes()


def test_vectors_that_cannot_be_written_are_not_lost(folder, monkeypatch):
    def save(*_, **__):
        raise W2VError("v.bin: no room left to write (disk full); free some, or write elsewhere")

    with monkeypatch.context() as patch:
        patch.setattr(w2v_sparseadam.Vectors, "save", save)
        message = error_of("news.txt", *SMALL, "--run-dir", "run", "-o", "v.bin", exit_code=1)
    assert message == (
        "v.bin: no room left to write (disk full); free some, or write elsewhere; the trained "
        "vectors are kept: w2v-train --resume run -o PATH"
    )
    run("--resume", "run", "-o", "w.bin")
    assert Path("w.bin").exists()


# What a folder from a stranger may do.


@pytest.fixture
def strangers(folder, monkeypatch):
    """Work with a run that another user, or another machine, made."""
    with monkeypatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(folder / "theirs"))
        run("news.txt", *SMALL, "--run-dir", "run", "-q", "-o", "v.vec")
    Path("v.vec").write_text("precious")
    return folder


def test_the_vectors_of_a_strangers_run_go_where_this_user_says(strangers, monkeypatch):
    assert error_of("--resume", "run", exit_code=2) == (
        f"the folder says that its vectors go to '{strangers}/v.vec', but not that this user, on "
        "this machine, told it so in this place; name a file with -o"
    )
    run("--resume", "run", "-q", "-o", "mine.vec")
    Path("mine.vec").unlink()
    run("--resume", "run", "-q")
    assert Path("mine.vec").exists()
    assert Path("v.vec").read_text() == "precious"
    kept = json.loads(Path("run/command.json").read_bytes())
    Path("run/command.json").write_text(json.dumps({**kept, "output": "v\x1b[2J.vec"}))
    assert r"go to 'v\x1b[2J.vec', but not" in error_of("--resume", "run", exit_code=2)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'"x"',
        b"{}",
        b"[" * 99999,
        b'{"output": [], "vectors": 3}',
        b'{"output": "v.vec", "vectors": "sum", "signature": 3}',
        b'{"output": "a\\u0000b", "vectors": "x", "signature": "\\ud800"}',
    ],
)
def test_hostile_notes_of_the_command(strangers, content):
    Path("run/command.json").write_bytes(content)
    assert "name a file" in error_of("--resume", "run", exit_code=2)
    assert Path("v.vec").read_text() == "precious"
    assert [path.name for path in strangers.glob("*.vec")] == ["v.vec"]


def test_a_state_folder_that_is_relative_is_not_used(folder, monkeypatch):
    """Or else the key would be taken from the current folder, which may be a stranger's."""
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    run("news.txt", *SMALL, "--run-dir", "run", "-q", "-o", "v.vec")
    assert not Path("state").exists()
    assert Path("home/.local/state/w2v-sparseadam/key").exists()


def test_a_long_note_of_the_command_is_not_read(strangers):
    with open("run/command.json", "ab") as stream:
        stream.truncate(1 << 40)
    assert "name a file" in error_of("--resume", "run", exit_code=2)


def test_the_note_of_another_run_says_nothing(folder):
    """Or else a stranger who has seen one could have the vectors overwrite what it names."""
    for name in ("run", "other"):
        run("news.txt", *SMALL, "--run-dir", name, "-q", "-o", f"{name}.vec")
    shutil.copy("run/command.json", "other/command.json")
    assert "in this place; name a file" in error_of("--resume", "other", exit_code=2)
    Path("run").rename("moved")
    assert "in this place; name a file" in error_of("--resume", "moved", exit_code=2)


def test_a_run_of_unknown_output_needs_one(folder):
    train("news.txt", **settings(), run_dir="run")
    assert error_of("--resume", "run", exit_code=2) == (
        "run does not say where its vectors go; name a file with -o"
    )
    run("--resume", "run", "-q", "-o", "other.vec")


def test_without_a_home_the_output_is_named_again(folder, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null/none")
    run("news.txt", *SMALL, "--run-dir", "run", "-q", "-o", "my v.vec")
    assert Destination(Path("run"), Path("run")).kept == {}
    destination = Destination(Path("run"), Path("run"))
    destination.keep(Path("my v.vec"), "sum")
    assert destination.how_to_resume() == f"w2v-train --resume run -o '{folder}/my v.vec'"


EVIL = "open('ran', 'w').close()\n\n\ndef split(text):\n    return text.split()\n"


@pytest.mark.parametrize("kind", ["python", "python-lines"])
@pytest.mark.parametrize("read", ["again", "more"])
def test_a_strangers_tokenizer_is_not_imported_unless_trusted(folder, monkeypatch, kind, read):
    Path("evil.py").write_text(EVIL)
    name = f"{kind}:evil:split"
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(sys, "path", [*sys.path, str(folder)])
    monkeypatch.delitem(sys.modules, "evil", raising=False)
    config = TextConfig(name, min_count=1)
    assert "evil" not in sys.modules
    with pytest.raises(StopError):
        train(
            "news.txt", **{**settings(), "text": config}, run_dir="run", on_event=raise_at("text")
        )
    args = ["--resume", "run", "-q", "-o", "v.vec"]
    if read == "more":
        run(*args, "--trust")
        args += ["--add", "other.txt", "--epochs", "+1"]
    Path("ran").unlink()
    monkeypatch.delitem(sys.modules, "evil")
    path = list(sys.path)
    assert error_of(*args, exit_code=1) == (
        f"run: its tokenizer '{name}' is code to import; if you trust who made this folder, add "
        "--trust"
    )
    assert "evil" not in sys.modules
    assert sys.path == path
    run(*args, *(["--trust"] if read == "more" else ["--tokenizer", name]))
    assert Path("ran").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"stopwords": "a\0b"},
        {"vocab": 3},
        {"phrases": "x"},
        {"phrases": {"passes": 0}},
        {"phrases": {"\x1b[2J": 1}},
        {"tokenizer": 3},
        {"tokenizer": "<\x1b[2J>"},
        {"tokenizer": "python:\x1b[2J:f"},
        {"min_count": 0},
        {"\x1b[2J": 1},
    ],
)
def test_hostile_settings_of_the_text_are_refused(change):
    with pytest.raises(W2VError, match=r"^run: ") as caught:
        text_of({"text": change}, "run")
    assert str(caught.value).isprintable()


def test_trust_is_for_a_folder(folder):
    assert error_of("news.txt", "--trust", exit_code=2) == (
        "--trust is for the folder of a run: give --resume DIR too"
    )


# Reading that was not finished.


def raise_at(kind):
    """Return a listener that raises at an event."""

    def listen(event):
        if event["event"] == kind:
            raise StopError

    return listen


def test_text_that_was_not_read_to_its_end_is_read_again(folder):
    Path("stop.txt").write_text("w3\n")
    phrases = PhraseConfig(threshold=0.01, min_count=1)
    text = TextConfig(min_count=1, phrases=phrases, stopwords="stop.txt")
    given = {**settings(), "text": text, "freeze": ["w1"]}
    expected = bytes_of(train(["news.txt", "other.txt"], **given))
    for name in ("one", "two"):
        with pytest.raises(StopError):
            train(["news.txt", "other.txt"], **given, run_dir=name, on_event=raise_at("text"))
        assert not Path(name, "text.json").exists()
    assert bytes_of(resume("one", threads=2)) == expected
    Path("stop.txt").write_text("w4\n")
    with pytest.raises(
        W2VError, match=r"two: reading its text was not finished, and '.*stop\.txt' h"
    ):
        resume("two")


def unsettled():
    """Return settings of which two follow the text."""
    return {
        **settings(),
        "skip_gram": SkipGramConfig(dim=3, window=2),
        "run": RunConfig(batch_size=32, threads=1),
    }


@pytest.mark.parametrize("asked", [{}, {"more_epochs": 2}, {"total_epochs": 42}])
def test_settings_that_follow_a_text_that_is_read_again(folder, asked):
    alone = train("news.txt", **unsettled(), run_dir="alone")
    expected = bytes_of(resume("alone", more_epochs=2) if asked else alone)
    with pytest.raises(StopError):
        train("news.txt", **unsettled(), run_dir="run", on_event=raise_at("text"))
    kept = read_settings("run")
    assert (kept["run"]["epochs"], kept["skip_gram"]["subsample"]) == (None, None)
    with pytest.raises(StopError):
        resume("run", **asked, threads=2, on_event=raise_at("start"))
    kept = read_settings("run")
    assert (kept["run"]["epochs"], kept["skip_gram"]["subsample"]) == (40, 1e-3)
    assert kept["run"]["threads"] == 1
    assert kept["added_epochs"] == ([2] if asked else [])
    assert bytes_of(resume("run")) == expected


def test_epochs_are_added_before_a_text_is_read_again(folder):
    with pytest.raises(StopError):
        train("news.txt", **unsettled(), run_dir="run", on_event=raise_at("text"))
    with pytest.raises(SettingError, match="a run has 1,000,000,000 epochs at most"):
        resume("run", more_epochs=10**9)
    with pytest.raises(StopError):
        resume("run", more_epochs=3, on_event=raise_at("text"))
    assert read_settings("run")["added_epochs"] == [3]
    assert error_of("--resume", "run", "--epochs", "5", exit_code=2) == (
        "--epochs is 5, but the run in run has None; add some with --epochs +N, or leave it out"
    )
    with pytest.raises(StopError):
        resume("run", total_epochs=50, on_event=raise_at("text"))
    run("--resume", "run", "--epochs", "=45", "-q", "-o", "v.vec")
    assert read_settings("run")["added_epochs"] == [3, 2]


def test_a_stream_cannot_be_read_again(folder):
    os.mkfifo("pipe")
    with pytest.raises(StopError):
        train("pipe", **settings(), run_dir="run", on_event=raise_at("folder"))
    with pytest.raises(W2VError, match=r"pipe' is a stream, which cannot be read twice; start it"):
        resume("run")


def test_start_vectors_are_not_kept_while_text_is_read(folder):
    init = train("news.txt", **settings()).vectors()
    with pytest.raises(StopError):
        train("news.txt", **settings(), init=init, run_dir="run", on_event=raise_at("text"))
    with pytest.raises(W2VError, match="the vectors that it starts from are not kept until then"):
        resume("run")


def test_an_interrupt_in_a_job_leaves_a_checkpoint(text, tmp_path, step_by_step, monkeypatch):
    """As Ctrl-C in a notebook: the state is not whole before the job is done."""
    expected = bytes_of(train(text, **settings()))
    take, numbers = Engine.run, []

    def run_and_interrupt(engine, first, lrs):
        numbers.append(first)
        if first == 5:
            signal.raise_signal(signal.SIGINT)
        return take(engine, first, lrs)

    monkeypatch.setattr(Engine, "run", run_and_interrupt)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(text, **settings(), run_dir=tmp_path / "run")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    monkeypatch.undo()
    listener = Listener()
    assert bytes_of(resume(tmp_path / "run", on_event=listener)) == expected
    assert listener.of("start")[0]["first_step"] == 6


def test_a_second_interrupt_does_not_wait():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (  # noqa: PT012 (each signal has its own outcome)
            pytest.raises(KeyboardInterrupt),
            Interrupts(wait=True) as interrupts,
        ):
            signal.raise_signal(signal.SIGINT)
            with pytest.raises(KeyboardInterrupt):
                interrupts.check()
            signal.raise_signal(signal.SIGINT)
        with Interrupts(wait=False), pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt), Interrupts(wait=True):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


# Signals and sudden death, in processes of their own.

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(Path(w2v_sparseadam.__file__).parents[1]),
    "PYTHONWARNINGS": "ignore",  # of hashes that wrap around, where nothing is compiled
}
# Python ignores Ctrl-C in a process that was started with it ignored, as background jobs are.
MAIN = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from w2v_sparseadam.commands.train import main
main()
"""
BUSY = """
import time
from w2v_sparseadam.training import checkpoint, loop
def write(path, arrays, state):
    if state["progress"]["step"] % 4:
        print("writing", flush=True)
        time.sleep(600)
checkpoint.write_checkpoint = write
loop._RUN_SECONDS = 0
"""
LONG = [*SMALL, "--epochs", "1000000", "--threads", "2"]


@pytest.fixture
def start(folder):
    """Start w2v-train in a process of its own, which does not outlive the test."""
    with contextlib.ExitStack() as stack:

        def start(*args):
            process = subprocess.Popen(
                [sys.executable, "-c", MAIN, *args],
                stderr=subprocess.PIPE,
                text=True,
                env=ENVIRONMENT,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def wait_for(condition, process):
    deadline = time.monotonic() + 500
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.01)


def checkpoints():
    return (
        sorted(Path("run/checkpoints").glob("step-*")) if Path("run/checkpoints").exists() else []
    )


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)
def test_a_signal_leaves_a_checkpoint(start, number, code, word):
    process = start("news.txt", *LONG, "--run-dir", "run", "--checkpoint-every", "100", "-q")
    wait_for(checkpoints, process)
    process.send_signal(number)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode == code
    found = re.fullmatch(rf"{word} at step ([\d,]+); resume with: w2v-train --resume run\n", errors)
    assert found
    last = int(checkpoints()[-1].stem.removeprefix("step-"))
    assert last == int(found[1].replace(",", ""))
    assert not list(Path("run").rglob("*.tmp"))
    assert not Path("news.vec").exists()


def test_sigusr1_asks_for_a_checkpoint(start):
    write_text(Path("news.txt"), 3000)  # an epoch has several jobs, so that one comes in between
    process = start("news.txt", *LONG, "--run-dir", "run", "--checkpoint-every", "100", "-q")
    wait_for(checkpoints, process)
    n_steps = json.loads(
        next(line for line in Path("run/log.jsonl").read_text().splitlines() if '"start"' in line)
    )["steps"]
    a_epoch = n_steps // 1000000

    def between_epochs():
        process.send_signal(signal.SIGUSR1)
        return any(int(path.stem.removeprefix("step-")) % a_epoch for path in checkpoints())

    wait_for(between_epochs, process)


def test_a_second_interrupt_leaves_at_once(folder):
    """The first is still busy with a checkpoint."""
    arguments = [*LONG, "--run-dir", "run", "--checkpoint-every", "0.000001", "-q"]
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY + MAIN, "news.txt", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    try:
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("kills", [4])
def test_sudden_death_at_any_moment(start, folder, kills):
    """The short form of scripts/chaos.py."""
    write_text(Path("news.txt"), 200)
    args = [*SMALL, "--epochs", "5"]
    run("news.txt", *args, "-o", "alone.bin", "-q")
    rng = np.random.default_rng(1)
    more = ["--checkpoint-every", "0.00001", "-q"]
    process = start("news.txt", *args, "--run-dir", "run", "-o", "v.bin", *more)
    wait_for(checkpoints, process)
    for _ in range(kills):
        time.sleep(rng.uniform(0, 0.3))
        process.kill()
        process.communicate()
        process = start("--resume", "run", "--threads", str(rng.integers(1, 4)), *more)
        time.sleep(rng.uniform(0, 2))
    assert process.communicate(timeout=500)[1] == ""
    assert process.returncode == 0
    assert Path("v.bin").read_bytes() == Path("alone.bin").read_bytes()


@pytest.mark.filterwarnings("ignore::w2v_sparseadam.W2VWarning")
def test_start_vectors_and_frozen_words_outlive_an_interruption(text, tmp_path, step_by_step):
    init = train(text, **settings(OptimizerConfig(lr=0.5))).vectors()
    start = {"init": init, "freeze": ["w2", "w1", "elsewhere"]}
    expected = bytes_of(train(text, **settings(), **start))
    assert expected != bytes_of(train(text, **settings()))
    for stop_at in (1, 5):
        run_dir = tmp_path / f"run-{stop_at}"
        with pytest.raises(StopError):
            train(text, **settings(), **start, run_dir=run_dir, on_event=Listener(stop_at))
        model = resume(run_dir)
        assert bytes_of(model) == expected
        for word in ("w1", "w2"):
            np.testing.assert_array_equal(model.vectors()[word], init[word])


def test_start_vectors_that_were_not_kept_in_time(text, tmp_path, step_by_step):
    init = train(text, **settings()).vectors()
    run_dir = tmp_path / "run"
    with pytest.raises(StopError):
        train(text, **settings(), init=init, run_dir=run_dir, on_event=Listener(1))
    for path in (run_dir / "checkpoints").iterdir():
        path.unlink()
    with pytest.raises(W2VError) as caught:
        resume(run_dir)
    assert str(caught.value) == (
        f"{run_dir}: no checkpoint is left of the vectors that it started from; start a new run, "
        "from all of its text and with init if it had that"
    )

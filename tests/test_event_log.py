"""The log of a run: a file that Python runs get, too."""

import json
import time
from pathlib import Path

import numpy as np
import pytest

from w2v_sparseadam.errors import SettingError, W2VError, WrongTypeError
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.event_log import EventLog
from w2v_sparseadam.training.resume import resume
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings


@pytest.fixture
def text(tmp_path):
    rng = np.random.default_rng(1)
    lines = [" ".join(f"w{k}" for k in rng.integers(0, 30, 12)) for _ in range(20)]
    (tmp_path / "text.txt").write_text("\n".join(lines) + "\n")
    return tmp_path / "text.txt"


def train(text, **given):
    settings = Settings(
        TextConfig(min_count=1),
        SkipGramConfig(dim=3),
        OptimizerConfig(),
        RunConfig(epochs=2, batch_size=100),
    )
    return train_by_settings(text, settings, **given)


def read_log(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def told(path):
    """Return the kinds of events in a log, without those that depend on the machine."""
    kinds = [event["event"] for event in read_log(path)]
    return [kind for kind in kinds if kind not in {"compile", "read", "progress", "checkpoint"}]


def test_a_run_in_a_folder_has_a_log(text, tmp_path):
    seen = []
    model = train(text, run_dir=tmp_path / "run", on_event=seen.append)
    log = tmp_path / "run" / "log.jsonl"
    kinds = ["folder", "text", "start", "epoch", "epoch", "done"]
    assert told(log) == kinds
    losses = [event["loss"] for event in read_log(log) if event["event"] == "epoch"]
    assert losses == [epoch.loss for epoch in model.history]
    assert read_log(log)[-1] == dict(seen[-1])
    first = log.read_text()
    resume(tmp_path / "run", more_epochs=1)
    assert log.read_text().startswith(first)
    assert told(log)[len(kinds) :] == ["folder", "start", "epoch", "done"]
    assert [e["event"] for e in read_log(log)].count("checkpoint") == 3
    resume(tmp_path / "run", more_epochs=1, log=tmp_path / "other.jsonl")
    assert told(tmp_path / "other.jsonl")[-1] == "done"
    resume(tmp_path / "run", more_epochs=1, log=False)
    assert told(log).count("done") == 2


def test_a_finished_run_says_so_and_trains_nothing(text, tmp_path, monkeypatch):
    model = train(text, run_dir=tmp_path / "run")
    monkeypatch.setattr("w2v_sparseadam.training.resume.compile_run", pytest.fail)
    events = []
    again = resume(tmp_path / "run", on_event=events.append)
    finished = {"event": "finished", "epochs": 2, "steps": 2, "words": 30, "dim": 3}
    assert dict(events.pop()) == finished
    assert [event["event"] for event in events] == ["folder"]
    assert read_log(tmp_path / "run" / "log.jsonl")[-1] == finished
    assert (again.words, again.loss, again.history) == (model.words, model.loss, ())
    assert again.counts.tolist() == model.counts.tolist()
    assert list(again.tables) == list(model.tables)
    for name, table in model.tables.items():
        assert again.tables[name].tobytes() == table.tobytes()
    resume(tmp_path / "run", total_epochs=2, on_event=events.append)
    assert events[-1]["event"] == "finished"


def test_a_log_without_a_folder(text, tmp_path):
    (tmp_path / "log.jsonl").write_text("old")
    train(text, log=str(tmp_path / "log.jsonl"))
    assert told(tmp_path / "log.jsonl") == ["text", "start", "epoch", "epoch", "done"]


def test_an_error_ends_the_log_without_done(text, tmp_path):
    def stop(event):
        if event["event"] == "done":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(text, log=tmp_path / "log.jsonl", on_event=stop)
    assert told(tmp_path / "log.jsonl")[-1] == "epoch"


def test_what_cannot_be_a_log_is_refused_before_a_folder_is_made(text, tmp_path):
    for log, error, message in (
        (3, WrongTypeError, r"^log must be a path"),
        (
            tmp_path / "x.gz",
            SettingError,
            "a log is not compressed; name another with log$",
        ),
        (tmp_path / "no" / "x", W2VError, r"cannot be written \(No such file or directory\)"),
    ):
        with pytest.raises(error, match=message):
            train(text, run_dir=tmp_path / "run", log=log)
        assert not (tmp_path / "run").exists()


def test_a_log_overwrites_nothing_that_is_read(text, tmp_path):
    before = text.read_bytes()
    words = tmp_path / "words.txt"
    words.write_text("w1\n")
    (tmp_path / "link").symlink_to(text)
    for log, given in ((text, {}), (tmp_path / "link", {}), (words, {"freeze": words})):
        with pytest.raises(
            SettingError, match="a file that is read and would be overwritten; name"
        ):
            train(text, log=log, **given)
    assert (text.read_bytes(), words.read_text()) == (before, "w1\n")
    train(text, run_dir=tmp_path / "run")
    kept = (tmp_path / "run" / "settings.json").read_bytes()
    for log in (tmp_path / "run" / "settings.json", tmp_path / "run", tmp_path / "run" / "lock"):
        with pytest.raises(SettingError, match="which belongs to the run; leave it out"):
            resume(tmp_path / "run", more_epochs=1, log=log)
    for log in (text, words):
        with pytest.raises(SettingError, match="a file that is read"):
            resume(tmp_path / "run", more_epochs=1, add=[words], log=log)
    assert (tmp_path / "run" / "settings.json").read_bytes() == kept


def test_a_listener_that_is_false_is_told_all_the_same(text):
    class Listener(list):
        __call__ = list.append

    listener = Listener()
    train(text, on_event=listener)
    assert listener[-1]["event"] == "done"


def test_a_log_that_fills_the_disk_is_a_warning(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    warnings = []
    log = EventLog(Path("/dev/full"), warnings.append)
    for _ in range(2):
        log({"event": "epoch"})
    assert [warning.message for warning in warnings] == [
        "/dev/full: cannot be written (No space left on device); continuing without it"
    ]


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_log_of_a_long_run_stays_small(tmp_path, monkeypatch):
    """Two days of five events a second make a thousand lines, in which no pair is lost."""
    monkeypatch.setattr(time, "monotonic", clock := Clock())
    log = EventLog(tmp_path / "log.jsonl", pytest.fail)
    n_events, rng = 5 * 2 * 24 * 3600, np.random.default_rng(1)
    log({"event": "start", "tokens": 10 * n_events, "done_tokens": 0, "done_seconds": 0.0})
    losses, pairs = rng.random(n_events), rng.integers(1, 50, n_events)
    for k in range(n_events):
        clock.now += 0.2
        tokens, seconds = 10 * (k + 1), 0.2 * (k + 1)
        part = {"loss": losses[k], "pairs": int(pairs[k]), "tokens_per_s": 0.0, "epoch": 1}
        log({"event": "progress", **part, "tokens": tokens, "seconds": seconds, "lr": 0.1})
    log({"event": "epoch"})
    log.close()
    _, *progress, _ = read_log(tmp_path / "log.jsonl")
    assert 990 <= len(progress) <= 1001
    assert sum(event["pairs"] for event in progress) == pairs.sum()
    total = sum(event["pairs"] * event["loss"] for event in progress)
    assert total == pytest.approx(pairs @ losses)
    assert {round(event["tokens_per_s"], 6) for event in progress} == {50.0}


def test_the_log_of_a_short_run_has_a_line_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "monotonic", clock := Clock())
    log = EventLog(tmp_path / "log.jsonl", pytest.fail)
    for k in range(1, 51):
        clock.now += 0.2
        log({"event": "read", "bytes": k, "total_bytes": 50})
    log.close()
    assert 9 <= len(read_log(tmp_path / "log.jsonl")) <= 10

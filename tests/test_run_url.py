"""Runs at URLs: they end in the bytes of runs on this machine, whatever fails on the way."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from w2v_sparseadam import Vectors, resume, train
from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.events import Warned
from w2v_sparseadam.runs.working_copy import WorkingCopy

pytest.importorskip("fcntl", reason="needs POSIX file locks")

SETTINGS = {"dim": 8, "epochs": 4, "min_count": 1, "seed": 3, "threads": 1, "progress": False}
LINES = [f"the {n % 7} cat sat on the {n % 5} mat" for n in range(60)]


class Failing(MemoryFileSystem):
    """Fails to write, or is stopped as by a kill, after so many writes; writes half of the last."""

    protocol = "failing"
    n_left: ClassVar[float] = float("inf")
    may_recover: ClassVar[bool] = False
    written: ClassVar[list] = []
    at_write: ClassVar[dict] = {}

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("failing://"))

    def pipe_file(self, path, value, mode="overwrite", **options):
        half = self._count(path)
        super().pipe_file(path, value[: len(value) // 2] if half else value, mode, **options)
        if half:
            raise OSError("Slow down (503)")

    def put_file(self, lpath, rpath, **options):
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def rm_file(self, path):
        if self._count(path):
            raise OSError("Slow down (503)")
        super().rm_file(path)

    def _count(self, path):
        name = path.rpartition("/run/")[2]
        cls = type(self)
        cls.written.append(name)
        if call := cls.at_write.pop(name, None):
            call()
        cls.n_left -= 1
        if cls.n_left < -1 and not cls.may_recover:
            raise OSError("Slow down (503)")
        return cls.n_left == -1


fsspec.register_implementation("failing", Failing, clobber=True)


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch):
    """Empty the memory, and keep working copies in a folder of the test's."""
    place = tmp_path / "copies"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    Failing.n_left, Failing.may_recover = float("inf"), False
    Failing.written.clear()
    Failing.at_write.clear()
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("".join(f"{line}\n" for line in LINES))
    return path


@pytest.fixture(scope="module")
def expected(text):
    return vectors(train(text, **SETTINGS))


def vectors(model):
    return model.vectors().matrix.tobytes()


class StopError(Exception):
    """Raised by a callback."""


def ignore(event):
    pass


def raise_after_epoch(n):
    def on_event(event):
        if event["event"] == "epoch" and event["epoch"] == n:
            raise StopError

    return on_event


def copies():
    return os.listdir(tempfile.gettempdir())


def names(memory):
    return {path.partition("/run/")[2] for path in memory.store}


def message_of(call, *args, **options):
    with pytest.raises(W2VError) as info:
        call(*args, **options)
    return str(info.value)


def test_a_run_is_resumed_from_where_it_is_kept(memory, text, expected):
    events = []

    def on_event(event):
        events.append(event)
        raise_after_epoch(2)(event)

    with pytest.raises(StopError):
        train(text, **SETTINGS, run_dir="memory://b/run", on_event=on_event)
    assert next(event for event in events if event["event"] == "folder")["path"] == "memory://b/run"
    assert copies() == []
    steps = sorted(name for name in names(memory) if name.startswith("checkpoints/"))
    assert 1 <= len(steps) <= 2
    assert names(memory) - set(steps) == {
        "settings.json",
        "text.json",
        "vocabulary.txt",
        "word_ids.i32",
        "log.jsonl",
    }
    assert vectors(resume("memory://b/run", progress=False)) == expected
    log = memory.cat_file("/b/run/log.jsonl").decode()
    assert log.count('"event": "start"') == 2
    assert log.count('"event": "done"') == 1
    assert tempfile.gettempdir() not in log
    assert vectors(resume("memory://b/run", progress=False)) == expected
    message = message_of(train, text, **SETTINGS, run_dir="memory://b/run")
    assert message.startswith("memory://b/run: holds a run already; go on with w2v-train --resume ")
    assert copies() == []


def test_epochs_and_text_are_added(memory, text, tmp_path):
    more = tmp_path / "more.txt"
    more.write_text("a dog sat on the cat\n" * 20)
    found = []
    for run_dir in (str(tmp_path / "run"), "memory://b/run"):
        train(text, **SETTINGS, run_dir=run_dir)
        resume(run_dir, more_epochs=1, progress=False)
        found.append(vectors(resume(run_dir, add=str(more), more_epochs=2, progress=False)))
    assert found[0] == found[1]
    assert {name for name in names(memory) if not name.startswith("checkpoints-1/")} == {
        "settings.json",
        "text-1.json",
        "vocabulary-1.txt",
        "word_ids-1.i32",
        "log.jsonl",
    }
    assert vectors(resume("memory://b/run", progress=False)) == found[1]


def killed(n_writes, call):
    """Call a function until it has written so often; return whether it has not written more."""
    Failing.n_left, Failing.may_recover = n_writes, False
    done = True
    try:
        call()
    except W2VError:
        done = False
    done = done and Failing.n_left >= 0
    Failing.n_left = float("inf")
    for name in copies():
        shutil.rmtree(Path(tempfile.gettempdir(), name))
    return done


def test_whatever_of_a_new_run_is_written_can_be_resumed(memory, text, expected):
    def begin():
        return train(text, **SETTINGS, run_dir="failing://b/run", on_event=ignore)

    for n in range(2, 200, 3):
        memory.store.clear()
        done = killed(n, begin)
        try:
            model = resume("failing://b/run", on_event=ignore)
        except W2VError as error:
            if n > 2 or "holds no run" not in str(error):  # the lock, the first of two settings
                raise
            model = begin()
        assert vectors(model) == expected
        if done:
            break
    assert n > 12


def test_whatever_of_added_text_is_written_can_be_resumed(memory, text, tmp_path, expected):
    more = tmp_path / "more.txt"
    more.write_text("a dog sat on the cat\n" * 20)
    train(text, **SETTINGS, run_dir="memory://b/run")
    before = dict(memory.store)

    def add():
        return resume("failing://b/run", add=str(more), more_epochs=1, on_event=ignore)

    added = vectors(add())
    n_added = 0
    for n in range(2, 200, 3):
        memory.store.clear()
        memory.store.update(before)
        done = killed(n, add)
        found = vectors(resume("failing://b/run", on_event=ignore))
        assert found == (added if n_added else expected) or (found == added and not n_added)
        n_added += found == added
        if done:
            break
    assert 4 < n_added < n


def test_a_failure_that_passes_is_a_warning(memory, text, expected):
    warnings = []

    def on_event(event):
        if isinstance(event, Warned):
            warnings.append(event.message)
        if event["event"] == "start":
            Failing.n_left, Failing.may_recover = 0, True

    model = train(text, **SETTINGS, run_dir="failing://b/run", on_event=on_event)
    assert vectors(model) == expected
    assert [message for message in warnings if "failing" in message] in (
        [],  # if the run ended before
        [
            "failing://b/run: cannot be written (Slow down (503)); training goes on, and it is "
            "tried again after the next checkpoint"
        ],
    )
    assert vectors(resume("memory://b/run", progress=False)) == expected


def test_a_failure_at_the_start_and_at_the_end_is_an_error(memory, text, expected):
    Failing.n_left = 0
    message = message_of(train, text, **SETTINGS, run_dir="failing://b/run")
    assert message == ("failing://b/run: cannot be written (Slow down (503)); name another folder")
    assert copies() == []

    def fail(event):
        if event["event"] == "done":
            Failing.n_left = 0

    Failing.n_left = float("inf")
    memory.store.clear()
    message = message_of(train, text, **SETTINGS, run_dir="failing://b/run", on_event=fail)
    [copy] = copies()
    path = Path(tempfile.gettempdir(), copy)
    assert message == (
        f"failing://b/run: cannot be written (Slow down (503)); the run is kept in {path}: "
        f"w2v-train --resume {path}"
    )
    assert vectors(resume(path, progress=False)) == expected


def test_who_resumes_a_run_takes_it_over(memory, text, expected):
    told = []

    def take_over(event):
        if event["event"] == "epoch" and event["epoch"] == 2 and not told:
            model = resume("memory://b/run", progress=False, on_event=told.append)
            assert vectors(model) == expected
            memory.pipe_file("/b/run/lock", b"process 7 on other 0123")

    message = message_of(train, text, **SETTINGS, run_dir="memory://b/run", on_event=take_over)
    assert message == "memory://b/run: process 7 on other has taken the run over"
    [warning] = [event.message for event in told if isinstance(event, Warned)]
    assert re.fullmatch(
        r"memory://b/run: taken over from process \d+ on .*, which stops if it still trains",
        warning,
    )
    assert memory.cat_file("/b/run/lock") == b"process 7 on other 0123"
    assert copies() == []
    assert vectors(resume("memory://b/run", lock=False, progress=False)) == expected


def test_other_folders_are_refused(memory, text, tmp_path):
    memory.pipe_file("/b/run/notes.txt", b"x")
    message = message_of(train, text, **SETTINGS, run_dir="memory://b/run")
    assert message == (
        "memory://b/run: holds other files, 'notes.txt' among them; name an empty or a new folder"
    )
    message = message_of(resume, "memory://b/run", progress=False)
    assert message == (
        "memory://b/run: holds no run; start one with w2v-train CORPUS --run-dir memory://b/run"
    )
    message = message_of(train, text, **SETTINGS, run_dir="s3://me:secret@host/run")
    assert "secret" not in message
    assert message.startswith("s3://me:…@host/run: has a password")
    (tmp_path / "file").write_text("x")
    message = message_of(resume, f"file://{tmp_path}/file", progress=False)
    assert message == f"file://{tmp_path}/file: is a file; name a folder for the run"
    assert copies() == []


def test_links_are_refused(text, tmp_path):
    run = tmp_path / "run"
    train(text, **SETTINGS, run_dir=str(run))
    log = run / "log.jsonl"
    secret = tmp_path / "secret"
    secret.write_bytes(b"x")
    for make, what in ((log.symlink_to, "is a link"), (log.hardlink_to, "is the same file")):
        log.unlink()
        make(secret)
        assert f"file://{run}: 'log.jsonl' {what}" in message_of(
            resume, f"file://{run}", progress=False
        )
    assert secret.read_bytes() == b"x"


def test_what_is_damaged_names_the_url(memory, text):
    train(text, **SETTINGS, run_dir="memory://b/run")
    memory.pipe_file("/b/run/vocabulary.txt", b"the 1\n")
    message = message_of(resume, "memory://b/run", progress=False)
    assert message.startswith("memory://b/run/vocabulary.txt: is damaged")
    with WorkingCopy("memory://b/run", is_new=False) as copy:
        assert set(os.listdir(copy)) >= {"settings.json", "text.json", "log.jsonl"}


def test_there_must_be_room(memory, text, monkeypatch):
    train(text, **SETTINGS, run_dir="memory://b/run")
    usage = shutil.disk_usage("/")._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    message = message_of(resume, "memory://b/run", progress=False)
    assert re.search(
        r"settings.json takes [\d,]+ bytes, but .* has room for 10; set TMPDIR", message
    )


def test_from_the_shell(text, tmp_path, expected):
    url = f"file://{tmp_path}/deep/run"
    options = [
        "--dim=8",
        "--epochs=4",
        "--min-count=1",
        "--seed=3",
        "--threads=1",
        "-q",
        "--run-dir",
    ]

    def w2v(*args):
        command = [sys.executable, "-m", "w2v_sparseadam.commands.train", *args]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)

    first = w2v(str(text), *options, url, "-o", "a.bin")
    assert (first.returncode, first.stderr) == (0, "")
    run = tmp_path / "deep" / "run"
    steps = sorted((run / "checkpoints").iterdir())
    if len(steps) == 2:
        steps[1].unlink()
    (tmp_path / "a.bin").unlink()
    again = w2v("--resume", url, "-q")  # the output is the one that was named
    assert (again.returncode, again.stderr) == (0, "")
    assert Vectors.load(tmp_path / "a.bin").matrix.tobytes() == expected
    assert '"output"' in (run / "log.jsonl").read_text().splitlines()[-1]
    other = w2v("--resume", url, "--dim", "9")
    assert other.returncode == 2
    assert f"the run in {url} has 8" in other.stderr

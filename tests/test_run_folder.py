"""The folder of a run: what it holds, what it refuses, and who may use it."""

import errno
import hashlib
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys

import numpy as np
import pytest

from w2v_sparseadam.errors import FormatError, W2VError
from w2v_sparseadam.runs import folder as run_folder
from w2v_sparseadam.runs.folder import RunFolder
from w2v_sparseadam.runs.inputs import check_inputs, file_stamp
from w2v_sparseadam.runs.names import resume_command
from w2v_sparseadam.runs.sealed_json import sealed, sealed_json, to_json
from w2v_sparseadam.runs.settings import read_settings
from w2v_sparseadam.text.vocabulary import Vocabulary

fcntl = pytest.importorskip("fcntl", reason="needs POSIX file locks")

SETTINGS = {
    "paths": ["/texts/news.txt"],
    "inputs": [],
    "text": {"tokenizer": str.split, "min_count": 5},
    "skip_gram": {},
    "optimizer": {},
    "run": {},
    "has_init": False,
    "freeze": [],
    "first_epoch": 0,
    "added_epochs": [],
}
VOCABULARY = Vocabulary(["the", "don't", "a\u2028b", "\ud800", "\0"], np.array([9, 7, 7, 2, 1]))
WORD_IDS = np.array([0, 4, -1, 1, 1, -1], np.int32)


def filled(path):
    with RunFolder.create(path, SETTINGS) as folder:
        folder.keep_text(VOCABULARY, WORD_IDS, report={"n_lines": 2})
    return path


def message_of(do, *args, error=W2VError):
    with pytest.raises(error) as caught:
        do(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def names(path):
    return {entry.name for entry in path.iterdir()}


def test_text_and_settings_come_back(tmp_path):
    path = filled(tmp_path / "run")
    assert names(path) == {
        "settings.json",
        "vocabulary.txt",
        "word_ids.i32",
        "text.json",
        "checkpoints",
        "lock",
    }
    with RunFolder.open(path) as folder:
        assert folder.settings["text"] == {"tokenizer": "str.split", "min_count": 5}
        assert folder.taken_over_from is None
        vocabulary, word_ids = folder.load_text()
    assert vocabulary.words == VOCABULARY.words
    assert vocabulary.counts.tolist() == VOCABULARY.counts.tolist()
    assert word_ids.dtype == np.int32
    assert word_ids.tolist() == WORD_IDS.tolist()
    assert not word_ids.flags.writeable
    assert (path / "vocabulary.txt").read_bytes().startswith(b"the 9\ndon't 7\n")


def test_a_long_text_is_copied_in_pieces(tmp_path):
    word_ids = np.arange(600_000, dtype=np.int32) % 5
    with RunFolder.create(tmp_path / "run", SETTINGS) as folder:
        folder.keep_text(VOCABULARY, word_ids)
        assert np.array_equal(folder.load_text()[1], word_ids)


def test_settings_can_be_changed(tmp_path):
    path = filled(tmp_path / "run")
    with RunFolder.open(path) as folder:
        folder.change_settings(added_epochs=[2])
        assert folder.settings == read_settings(path)
    assert read_settings(path)["added_epochs"] == [2]
    assert read_settings(path)["paths"] == ["/texts/news.txt"]


def test_a_run_is_not_overwritten(tmp_path):
    path = filled(tmp_path / "run")
    assert message_of(RunFolder.create, path, {}) == (
        f"{path}: holds a run already; go on with w2v-train --resume {path}, or name another folder"
    )
    assert read_settings(path)["paths"] == ["/texts/news.txt"]


def test_checkpoints_are_not_taken_for_those_of_a_new_run(tmp_path):
    path = filled(tmp_path / "run")
    (path / "text.json").unlink()
    (path / "checkpoints" / "step-000000000001.safetensors").touch()
    assert "holds a run already" in message_of(RunFolder.create, path, SETTINGS)


def test_reading_that_was_not_finished_can_start_again(tmp_path):
    path = tmp_path / "run"
    RunFolder.create(path, SETTINGS).close()
    with RunFolder.open(path) as folder:
        assert not folder.has_text
    with RunFolder.create(path, {**SETTINGS, "paths": ["other.txt"]}) as folder:
        folder.keep_text(VOCABULARY, WORD_IDS)
    with RunFolder.open(path) as folder:
        assert folder.settings["paths"] == ["other.txt"]


def test_what_a_killed_writer_left_is_cleaned_up(tmp_path):
    path = filled(tmp_path / "run")
    for name in (".word_ids.i32.0a1b2c3d4e5f.tmp", "checkpoints/.step-1.0a1b2c3d4e5f.tmp"):
        (path / name).write_bytes(b"half")
    RunFolder.open(path).close()
    assert not list(path.rglob("*.tmp"))


def make_file(path):
    path.write_text("")


def make_other(path):
    path.mkdir()
    (path / "thesis.tex").write_text("")


def make_later(path):
    path.mkdir()
    (path / "settings.json").write_text('{"format": 4}')


def make_damaged(path):
    path.mkdir()
    (path / "settings.json").write_text('{"format": 1')


def make_list(path):
    path.mkdir()
    (path / "settings.json").write_text("[1]")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (make_file, "{}: is a file; name a folder for the run"),
        (
            make_other,
            "{}: holds other files, 'thesis.tex' among them; name an empty or a new folder",
        ),
    ],
)
def test_places_that_cannot_hold_a_run(tmp_path, make, message):
    path = tmp_path / "run"
    make(path)
    assert message_of(RunFolder.create, path, {}) == message.format(path)


def test_the_folders_above_are_made(tmp_path):
    RunFolder.create(tmp_path / "none" / "yet" / "run", SETTINGS).close()
    RunFolder.open(tmp_path / "none" / "yet" / "run").close()


@pytest.mark.parametrize("name", ["settings.json", "vocabulary.txt", ".draft.tmp", "lock"])
def test_a_folder_of_something_else_is_left_alone(tmp_path, name):
    """Such names are not ours alone."""
    path = tmp_path / "project"
    path.mkdir()
    (path / name).write_text('{"mine": 1}')
    assert f"holds other files, {name!r} among them" in message_of(RunFolder.create, path, SETTINGS)
    assert {entry.name: entry.read_text() for entry in path.iterdir()} == {name: '{"mine": 1}'}


def test_a_run_that_was_killed_before_all_was_there_can_go_on(tmp_path):
    path = tmp_path / "run"
    RunFolder.create(path, SETTINGS).close()
    (path / "checkpoints").rmdir()
    with RunFolder.open(path) as folder:
        assert folder.checkpoints.is_dir()
    for entry in (path / "settings.json", path / "checkpoints"):
        entry.rmdir() if entry.is_dir() else entry.unlink()
    (path / ".settings.json.0a1b2c3d4e5f.tmp").touch()
    RunFolder.create(path, SETTINGS).close()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, r"holds no run; start one with w2v-train CORPUS --run-dir "),
        (make_file, r"holds no run; start one"),
        (make_other, r"holds no run; start one"),
        (make_later, r"is a run of format 4, but this version reads 3; resume it with the version"),
        (make_damaged, r"settings\.json: is damaged: "),
        (make_list, r"settings\.json: is damaged: expected a JSON object, found \[1\]"),
    ],
)
def test_places_that_hold_no_run(tmp_path, make, message):
    path = tmp_path / "run"
    make(path)
    assert re.search(message, message_of(RunFolder.open, path))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write all")
def test_a_read_only_folder(tmp_path):
    path = filled(tmp_path / "run")
    path.chmod(0o500)
    try:
        assert "cannot be" in message_of(RunFolder.open, path)
    finally:
        path.chmod(0o700)


@pytest.mark.parametrize("name", ["vocabulary.txt", "word_ids.i32"])
@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"\1" + data[1:]])
def test_damage_to_the_text_is_noticed(tmp_path, name, change):
    path = filled(tmp_path / "run")
    (path / name).write_bytes(change((path / name).read_bytes()))
    with RunFolder.open(path) as folder:
        assert message_of(folder.load_text, error=FormatError) == (
            f"{path / name}: is damaged (its checksum is not that of text.json); start a new run "
            "from the text"
        )


@pytest.mark.parametrize("name", ["vocabulary.txt", "word_ids.i32", "text.json"])
def test_a_lost_file_is_an_error(tmp_path, name):
    path = filled(tmp_path / "run")
    (path / name).unlink()
    with pytest.raises(W2VError, match=f"{name}: is missing"), RunFolder.open(path) as folder:
        folder.load_text()


def test_a_full_disk_leaves_a_run_that_can_start_again(tmp_path, monkeypatch):
    path = tmp_path / "run"
    with RunFolder.create(path, SETTINGS) as folder:

        def fsync(_):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            message = message_of(folder.keep_text, VOCABULARY, WORD_IDS)
    assert message == (
        f"{path}/word_ids.i32: no space left (No space left on device); free some, or "
        "write elsewhere"
    )
    assert names(path) == {"settings.json", "checkpoints", "lock"}
    filled(path)


def test_a_file_system_without_locks(tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    path = filled(tmp_path / "run")
    monkeypatch.setattr(fcntl, "flock", flock)
    for call in (
        lambda: RunFolder.create(tmp_path / "new", SETTINGS),
        lambda: RunFolder.open(path),
    ):
        assert re.sub(r"^.*/(run|new): ", "", message_of(call)) == (
            "its file system has no locks (No locks available); give lock=False, and see to it "
            "that no other process trains in the folder"
        )
    RunFolder.create(tmp_path / "other", SETTINGS, lock=False).close()
    with RunFolder.open(path, lock=False) as folder:
        assert folder.taken_over_from is None
        folder.load_text()


HOLD = """
import sys, time
from w2v_sparseadam.runs.folder import RunFolder
folder = RunFolder.open(sys.argv[1])
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Start a process that holds the folder of a run, and kill it in the end."""
    path = filled(tmp_path / "run")
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "held\n"
        yield path, process
    finally:
        process.kill()
        process.communicate()


def test_one_process_at_a_time(holder):
    path, process = holder
    assert message_of(RunFolder.open, path) == (
        f"{path}: process {process.pid} on {socket.gethostname()} is training in it; wait for its "
        "end, or stop it"
    )
    assert "is training in it" in message_of(RunFolder.create, path, {})


def test_a_dead_process_is_taken_over(holder):
    path, process = holder
    process.send_signal(signal.SIGKILL)
    process.wait()
    with RunFolder.open(path) as folder:
        assert folder.taken_over_from == f"process {process.pid} on {socket.gethostname()}"
    with RunFolder.open(path) as folder:
        assert folder.taken_over_from is None


def test_an_error_lets_go_of_the_folder(tmp_path, monkeypatch):
    path = filled(tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(RunFolder, "_remove_others", lambda _: (_ for _ in ()).throw(W2VError("x")))
        for _ in range(2):
            assert message_of(RunFolder.open, path) == "x"
    RunFolder.open(path).close()


def test_settings_are_those_at_the_time_of_the_lock(tmp_path, monkeypatch):
    """Another process may add text just before: its generation must not be taken for a leftover."""
    path = filled(tmp_path / "run")
    lock = run_folder.lock_folder

    def add_and_lock(folder):
        monkeypatch.undo()
        with RunFolder.open(path) as other:
            other.add_text(VOCABULARY, WORD_IDS, lambda *_: None, {})
        return lock(folder)

    monkeypatch.setattr(run_folder, "lock_folder", add_and_lock)
    with RunFolder.open(path) as folder:
        assert folder.settings["generation"] == 1
        assert folder.load_text()[1].tolist() == [*WORD_IDS, *WORD_IDS]


def reseal(path, **files):
    """Replace files of a run, and let text.json vouch for them."""
    text = json.loads((path / "text.json").read_bytes())
    for name, content in files.items():
        (path / {"vocabulary": "vocabulary.txt", "word_ids": "word_ids.i32"}[name]).write_bytes(
            content
        )
        text["sha256"][name] = hashlib.sha256(content).hexdigest()
    seal(path / "text.json", text)


def test_encodes_sealed_content_once():
    for content in ({"a": 1}, {"paths": ["ä", []], "nested": {"empty": {}, "call": len}}):
        assert sealed_json(content) == to_json(sealed(content))


def seal(path, content):
    """Write a JSON file of a run, with a right checksum."""
    content.pop("checksum", None)
    path.write_text(json.dumps(sealed(content)))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"word_ids": np.array([0, 5, -1, 1, 1, -1], "<i4").tobytes()},
            "word_ids.i32: is damaged: it has no word ids, or some beyond the 5 words",
        ),
        (
            {"word_ids": b"\0" * 20},
            "word_ids.i32: is damaged (its checksum is not that of text.json); start a new run "
            "from the text",
        ),
        (
            {"vocabulary": b"the nine\n"},
            'vocabulary.txt: is damaged: ValueError("invalid literal for int() with base 10: '
            "'nine'\")",
        ),
        (
            {"vocabulary": b"the 9\nthe 8\n"},
            "vocabulary.txt: is damaged: expected a word and its count on each line",
        ),
        (
            {"vocabulary": b"the -9\n"},
            "vocabulary.txt: is damaged: expected a word and its count on each line",
        ),
        (
            {"word_ids": np.array([-1] * 6, "<i4").tobytes()},
            "word_ids.i32: is damaged: it has no word ids, or some beyond the 5 words",
        ),
        (
            {"vocabulary": b"the %d\na 1\n" % (2**63 - 1)},
            "vocabulary.txt: is damaged: expected a word and its count on each line",
        ),
        (
            {"vocabulary": b""},
            "vocabulary.txt: is damaged: expected a word and its count on each line",
        ),
        (
            {"vocabulary": b"the 99999999999999999999\n"},
            "vocabulary.txt: is damaged: OverflowError('Python int too large to convert to C "
            "long')",
        ),
    ],
)
def test_a_text_that_lies_is_refused(tmp_path, files, message):
    """Kernels look up rows by word id, unchecked."""
    path = filled(tmp_path / "run")
    reseal(path, **files)
    with RunFolder.open(path) as folder:
        assert message_of(folder.load_text, error=FormatError) == f"{path}/{message}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generation": "1"}, "its settings have '1' for 'generation'"),
        ({"generation": True}, "its settings have True for 'generation'"),
        ({"generation": -1}, "its settings have -1 for 'generation'"),
        ({"run": None}, "its settings have None for 'run'"),
        ({"paths": 3}, "its settings have 3 for 'paths'"),
        ({"paths": [3]}, "its settings have other than text in 'paths'"),
        ({"freeze": [None]}, "its settings have other than text in 'freeze'"),
    ],
)
def test_settings_of_another_kind_are_refused(tmp_path, change, message):
    path = filled(tmp_path / "run")
    settings = json.loads((path / "settings.json").read_bytes())
    seal(path / "settings.json", {**settings, **change})
    assert message_of(RunFolder.open, path, error=FormatError) == f"{path}: is damaged: {message}"


@pytest.mark.parametrize(
    "text",
    [
        {},
        {"positions": 6},
        {"positions": 0, "sha256": {}},
        {"positions": "6", "sha256": {}},
        {"positions": 1 << 62, "sha256": {}},
        {"positions": 6.5, "sha256": {}},
    ],
)
def test_a_text_that_nothing_vouches_for_is_refused(tmp_path, text):
    path = filled(tmp_path / "run")
    seal(path / "text.json", text)
    with RunFolder.open(path) as folder:
        assert message_of(folder.load_text, error=FormatError) == (
            f"{path}/text.json: is damaged: it has no count of positions or no checksums"
        )


def test_what_stands_in_the_way_is_told_or_passed_over(tmp_path):
    """A folder where a file should be, a lock that names nothing printable."""
    path = filled(tmp_path / "run")
    (path / ".x.tmp").mkdir()
    (path / "lock").write_bytes(b"\x1b[2J\n")
    with RunFolder.open(path) as folder:
        assert folder.taken_over_from is None
    (path / "settings.json").unlink()
    (path / "settings.json").mkdir()
    assert message_of(RunFolder.open, path) == (
        f"{path}/settings.json: cannot be read (Is a directory)"
    )


def test_a_file_where_the_checkpoints_should_be(tmp_path):
    path = tmp_path / "run"
    RunFolder.create(path, SETTINGS).close()
    (path / "checkpoints").rmdir()
    (path / "checkpoints").touch()
    assert message_of(RunFolder.create, path, SETTINGS) == (
        f"{path}/checkpoints: cannot be made (File exists)"
    )


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_a_folder_that_cannot_be_flushed(tmp_path, monkeypatch, number):
    """Some network drives cannot; a failing disk is told."""
    fsync = os.fsync

    def only_files(handle):
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(number, os.strerror(number))
        fsync(handle)

    monkeypatch.setattr(os, "fsync", only_files)
    path = tmp_path / "run"
    if number == errno.EINVAL:
        filled(path)
    else:
        assert message_of(RunFolder.create, path, SETTINGS) == (
            f"{path}: cannot be flushed to the disk (Input/output error)"
        )


def test_a_run_of_a_strange_format_is_told_briefly(tmp_path):
    path = filled(tmp_path / "run")
    (path / "settings.json").write_text(json.dumps({"format": "x" * 1000}))
    assert len(message_of(RunFolder.open, path, error=FormatError)) < 300


@pytest.mark.parametrize("name", ["settings.json", "text.json"])
def test_a_changed_digit_is_noticed(tmp_path, name):
    path = filled(tmp_path / "run")
    content = (path / name).read_bytes()
    for k in (k for k, byte in enumerate(content) if chr(byte).isdigit()):
        (path / name).write_bytes(content[:k] + bytes([content[k] ^ 1]) + content[k + 1 :])
        with pytest.raises(FormatError), RunFolder.open(path) as folder:
            folder.load_text()


@pytest.mark.parametrize("name", ["settings.json", "text.json"])
def test_numbers_that_no_run_has_are_refused(tmp_path, name):
    path = filled(tmp_path / "run")
    content = json.loads((path / name).read_bytes())
    seal(path / name, {**content, "more": [{"deep": 10**30}]})
    with pytest.raises(FormatError, match="numbers that no run has"), RunFolder.open(path) as run:
        run.load_text()


OWN_FILES = ["settings.json", "text.json", "vocabulary.txt", "word_ids.i32", "lock", "log.jsonl"]
OWN_FILES += ["command.json", "checkpoints", "text-3.json", "checkpoints-7"]


@pytest.mark.parametrize("name", OWN_FILES)
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_in_the_folder_are_refused(tmp_path, name, kind):
    """They would let a stranger's folder truncate, append to and delete files elsewhere."""
    path, theirs = filled(tmp_path / "run"), tmp_path / "theirs"
    theirs.mkdir()
    place = path / name
    if place.is_dir():
        place.rmdir()
        precious = theirs / ".diary.tmp"
        precious.write_bytes(b"precious")
        target = theirs
    else:
        precious = target = theirs / "diary.txt"
        precious.write_bytes(place.read_bytes() + b" " * 99 if place.exists() else b"precious")
        place.unlink(missing_ok=True)
    before = precious.read_bytes()
    if kind == "link":
        place.symlink_to(target)
    else:
        os.mkfifo(place)
    for read in (RunFolder.open, read_settings, lambda _: RunFolder.create(path, SETTINGS)):
        assert message_of(read, path) == (
            f"{place}: is a link, a pipe or a device, which no run puts into its folder; replace "
            "it by what it stands for, if you trust it"
        )
    assert precious.read_bytes() == before


@pytest.mark.parametrize("name", ["lock", "log.jsonl", "word_ids.i32"])
def test_hard_links_in_the_folder_are_refused(tmp_path, name):
    path, precious = tmp_path / "run", tmp_path / "precious"
    RunFolder.create(path, SETTINGS).close()
    precious.write_text("precious")
    (path / name).unlink(missing_ok=True)
    os.link(precious, path / name)
    assert "is the same file as another (a hard link)" in message_of(RunFolder.open, path)
    assert precious.read_text() == "precious"


def test_a_checkpoint_that_is_a_link_is_refused(tmp_path):
    path = filled(tmp_path / "run")
    (path / "checkpoints" / "step-000000000001.safetensors").symlink_to("/etc/passwd")
    assert message_of(RunFolder.open, path) == (
        f"{path}/checkpoints: 'step-000000000001.safetensors' is not a file, as checkpoints are; "
        "remove it"
    )


def test_a_folder_named_by_a_link_and_links_of_others_in_it_are_as_good_as_any(tmp_path):
    path = filled(tmp_path / "run")
    (path / "notes").symlink_to("/etc/passwd")
    (tmp_path / "here").symlink_to(path)
    RunFolder.open(tmp_path / "here").close()


def test_how_to_resume_can_be_pasted():
    assert resume_command("my run") == "w2v-train --resume 'my run'"
    assert resume_command("-x") == "w2v-train --resume ./-x"
    hostile = resume_command("a'b\x1b[2J\n\udcff\u202e")
    assert hostile.isprintable()
    assert hostile == (r"w2v-train --resume $'a\x27b\x1b[2J\x0a\xff\xe2\x80\xae'")
    echoed = subprocess.run(
        ["bash", "-c", f"printf %s {hostile.split(' ', 2)[2]}"], capture_output=True
    )
    assert echoed.stdout == b"a'b\x1b[2J\n\xff\xe2\x80\xae"


def test_inputs_that_have_changed_are_refused(tmp_path):
    one, path = tmp_path / "news.txt", tmp_path / "run"
    one.write_text("a b\n")
    again = f"start it again with its options: w2v-train CORPUS --run-dir {path}"
    unfinished = f"{path}: reading its text was not finished, and"
    stamp = file_stamp(str(one))
    inputs = {"inputs": [stamp], "paths": [str(one)], "text": {"vocab": None}}
    check_inputs(path, inputs)
    one.write_text("a b c\n")
    assert message_of(check_inputs, path, inputs) == (
        f"{unfinished} '{one}' has changed since; {again}"
    )
    one.unlink()
    assert message_of(check_inputs, path, inputs) == (
        f"{unfinished} '{one}' cannot be read (No such file or directory); {again}"
    )
    stream = {**inputs, "inputs": [["-", None, None]], "paths": ["-"]}
    assert message_of(check_inputs, path, stream) == (
        f"{unfinished} '-' is a stream, which cannot be read twice; {again}"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"inputs": []},
        {"inputs": [["b", 1, 1]]},
        {"inputs": [["a", 1, 1], ["b", 1, 1]]},
        {"paths": ["a", "/etc/passwd"]},
        {"text": {"vocab": "/etc/passwd"}},
    ],
)
def test_files_to_read_whose_size_and_time_are_not_told_are_refused(tmp_path, changes):
    settings = {"inputs": [["a", 1, 1]], "paths": ["a"], "text": {"stopwords": None}, **changes}
    assert "are not the files that it reads" in message_of(
        check_inputs, tmp_path, settings, error=FormatError
    )


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        *(("inputs", entry) for entry in ([1], 3, "ab", [None, 1, 1], ["a\0", 1, 1])),
        *(("inputs", entry) for entry in ([10**18, 1, 2], ["\ud800", 1, 2], ["a", 1.5, 2])),
        ("paths", "\ud800"),
        ("freeze", "a\0"),
    ],
)
def test_names_that_no_file_has_are_refused(tmp_path, name, entry):
    path = tmp_path / "run"
    RunFolder.create(path, {**SETTINGS, name: [entry]}).close()
    assert "is damaged" in message_of(read_settings, path, error=FormatError)

"""Checkpoint files: exact, readable by safetensors, and proof against damage."""

import errno
import os
import re
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import FormatError, W2VError
from w2v_sparseadam.runs import checkpoint_file
from w2v_sparseadam.runs.checkpoint_file import (
    load_checkpoint,
    path_of,
    read_checkpoint,
    write_checkpoint,
)
from w2v_sparseadam.training import checkpoint
from w2v_sparseadam.training.checkpoint import Checkpoints


def arrays_of(seed, n_words=7):
    """Return arrays as a run has them: a padded matrix cut to size, counts, and one of no rows."""
    rng = np.random.default_rng(seed)
    padded = rng.standard_normal((n_words, 16)).astype(np.float32)
    return {
        "center.vectors": padded[:, :5],
        "center.exp_avg_sq": rng.standard_normal(n_words).astype(np.float32),
        "center.step": rng.integers(0, 1 << 40, n_words),
        "none": np.zeros((0, 5), np.float32),
    }


def empty_like(arrays):
    return {name: np.zeros_like(array) for name, array in arrays.items()}


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.dtype == other[name].dtype
        assert array.tobytes() == other[name].tobytes()


@pytest.mark.parametrize("piece", [1, 40, 1 << 20])
def test_reading_gives_back_what_was_written(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(checkpoint_file, "_PIECE", piece)
    arrays = arrays_of(1)
    state = {"step": 12, "loss": 0.1 + 0.2, "seed": 2**64 - 1, "word": "é\ud800"}
    write_checkpoint(tmp_path / "c", arrays, state)
    again = empty_like(arrays)
    assert read_checkpoint(tmp_path / "c", again) == state
    assert_equal(again, arrays)


def test_what_a_file_holds_is_mapped_rather_than_copied(tmp_path):
    arrays = {**arrays_of(1), "last": np.zeros((0, 5), np.float32)}
    write_checkpoint(tmp_path / "c", arrays, {"step": 3})
    loaded, state = load_checkpoint(tmp_path / "c")
    (tmp_path / "c").unlink()  # as the run that it belongs to may do
    assert state == {"step": 3}
    assert_equal(loaded, arrays)
    assert not any(array.flags.owndata or array.flags.writeable for array in loaded.values())


def test_the_same_state_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_checkpoint(tmp_path / name, arrays_of(1), {"step": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_other_tools_read_it(tmp_path):
    safetensors = pytest.importorskip("safetensors")
    from safetensors.numpy import load_file

    arrays = arrays_of(2)
    write_checkpoint(tmp_path / "c.safetensors", arrays, {"step": 3})
    theirs = load_file(tmp_path / "c.safetensors")
    assert theirs.keys() == arrays.keys()
    for name, array in arrays.items():
        assert np.array_equal(theirs[name], array)
    with safetensors.safe_open(tmp_path / "c.safetensors", "numpy") as opened:
        assert opened.metadata()["state"] == '{"step": 3}'


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "whole"
    write_checkpoint(path, arrays_of(3), {"step": 5})
    return path


def refused(path, content):
    """Return the message for a file of this content, which must leave the arrays alone."""
    path.write_bytes(content)
    arrays = empty_like(arrays_of(3))
    with pytest.raises(FormatError) as caught:
        read_checkpoint(path, arrays)
    assert not any(array.any() for array in arrays.values())
    return str(caught.value)


@given(data=st.data())
def test_any_changed_byte_is_noticed(whole, data):
    content = bytearray(whole.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    message = refused(whole.with_name("changed"), content)
    assert re.search("is damaged", message)
    assert "\n" not in message


@given(data=st.data())
def test_a_file_cut_short_is_noticed(whole, data):
    content = whole.read_bytes()
    cut = data.draw(st.integers(0, len(content) - 1))
    assert "is damaged" in refused(whole.with_name("cut"), content[:cut])


@given(content=st.binary(max_size=200))
def test_rubbish_is_refused(whole, content):
    assert "is damaged" in refused(whole.with_name("rubbish"), content)


def test_a_huge_header_takes_no_memory(whole):
    message = refused(whole.with_name("huge"), (1 << 62).to_bytes(8, "little") + b"{}")
    assert message.endswith("is damaged (its header cannot be 4611686018427387904 bytes long)")


def test_arrays_of_another_run_are_refused(tmp_path):
    arrays = arrays_of(3)
    write_checkpoint(tmp_path / "c", arrays, {})
    for change, message in (
        ({"center.vectors": np.zeros((7, 6), np.float32)}, "'center.vectors' is not the array"),
        ({"center.step": np.zeros(7, np.float32)}, "'center.step' is not the array"),
        ({"more": np.zeros(1, np.float32)}, "'more' is not the array"),
    ):
        with pytest.raises(FormatError, match=message):
            read_checkpoint(tmp_path / "c", {**empty_like(arrays), **change})
    del arrays["center.step"]
    with pytest.raises(FormatError, match=r"is not the array|holds other arrays"):
        read_checkpoint(tmp_path / "c", empty_like(arrays))


def test_a_right_checksum_over_a_wrong_header_is_refused(tmp_path, monkeypatch):
    arrays = arrays_of(3)
    monkeypatch.setattr(checkpoint_file, "_TYPES", {"F3": np.dtype("<f4"), "I64": np.dtype("<i8")})
    write_checkpoint(tmp_path / "c", arrays, {})
    monkeypatch.undo()
    with pytest.raises(FormatError, match=r"has a header that cannot be read \(KeyError\('F3'\)\)"):
        read_checkpoint(tmp_path / "c", empty_like(arrays))


def kept(folder):
    return sorted(int(path.stem.removeprefix("step-")) for path in folder.iterdir())


@pytest.mark.parametrize("free", [0, 1 << 40])
def test_the_last_two_are_kept(tmp_path, monkeypatch, free):
    """With memory for a copy or without, what is written is the state when it was saved."""
    monkeypatch.setattr(checkpoint, "available_memory", lambda: free)
    events = []
    checkpoints = Checkpoints(tmp_path, events.append)
    arrays = {"a": np.zeros(3, np.float32)}
    for step in (1, 2, 3):
        arrays["a"][:] = step
        checkpoints.save(step, arrays, step)
        arrays["a"][:] = 99
    checkpoints.wait()
    assert kept(tmp_path) == [2, 3]
    assert [event["step"] for event in events] == [1, 2, 3]
    assert Checkpoints(tmp_path, events.append).load(arrays) == 3
    assert arrays["a"].tolist() == [3, 3, 3]


def test_a_copy_is_written_while_the_caller_goes_on(tmp_path, monkeypatch):
    may_write = threading.Event()
    write = checkpoint.write_checkpoint

    def write_later(*args):
        may_write.wait(60)
        write(*args)

    monkeypatch.setattr(checkpoint, "write_checkpoint", write_later)
    monkeypatch.setattr(checkpoint, "available_memory", lambda: 1 << 40)
    events = []
    checkpoints = Checkpoints(tmp_path, events.append)
    checkpoints.save(1, {"a": np.ones(3, np.float32)}, None)
    checkpoints.poll()
    assert (events, kept(tmp_path)) == ([], [])
    may_write.set()
    checkpoints.wait()
    assert kept(tmp_path) == [1]
    assert len(events) == 1


def test_a_step_is_written_once(tmp_path):
    events = []
    checkpoints = Checkpoints(tmp_path, events.append)
    arrays = {"a": np.ones(3, np.float32)}
    checkpoints.save(1, arrays, None)
    checkpoints.save(1, arrays, None)
    checkpoints.save_before_leaving(1, arrays, None)
    assert len(events) == 1


def test_a_damaged_one_gives_way_to_the_one_before(tmp_path):
    events = []
    arrays = {"a": np.zeros(3, np.float32)}
    checkpoints = Checkpoints(tmp_path, events.append)
    for step in (1, 2):
        arrays["a"][:] = step
        checkpoints.save(step, arrays, step)
        checkpoints.wait()
    newest = tmp_path / "step-000000000002.safetensors"
    newest.write_bytes(newest.read_bytes()[:-1])
    events.clear()
    assert Checkpoints(tmp_path, events.append).load(arrays) == 1
    assert arrays["a"].tolist() == [1, 1, 1]
    (event,) = events
    assert dict(event) == {
        "event": "warning",
        "message": f"{newest}: is damaged (its checksum does not fit); trying the one before it",
    }
    assert kept(tmp_path) == [1]  # else it would count as one of two


def test_when_all_are_damaged_none_is_removed(tmp_path):
    for step in (1, 2):
        (tmp_path / f"step-{step:012}.safetensors").write_bytes(b"")
    with pytest.raises(FormatError) as caught:
        Checkpoints(tmp_path, lambda event: None).load({})
    assert str(caught.value) == (
        f"{tmp_path}: no checkpoint is whole; to train from the start again, delete them and resume"
    )
    assert kept(tmp_path) == [1, 2]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("free", [0, 1 << 40])
def test_a_failure_keeps_the_last_good_one(tmp_path, monkeypatch, number, free):
    monkeypatch.setattr(checkpoint, "available_memory", lambda: free)
    events = []
    arrays = {"a": np.zeros(3, np.float32)}
    checkpoints = Checkpoints(tmp_path, events.append)
    checkpoints.save(1, arrays, None)
    checkpoints.wait()

    def fsync(_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        checkpoints.save(2, arrays, None)
        checkpoints.wait()
    assert kept(tmp_path) == [1]
    assert events[-1]["event"] == "warning"
    assert re.match(
        r"no checkpoint at step 2: .*(No space left|Input/output)", events[-1]["message"]
    )
    checkpoints.save(3, arrays, None)
    checkpoints.wait()
    assert kept(tmp_path) == [1, 3]


def test_without_a_thread_the_caller_writes(tmp_path, monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    checkpoints = Checkpoints(tmp_path, lambda event: None)
    checkpoints.save(1, {"a": np.zeros(3, np.float32)}, None)
    assert kept(tmp_path) == [1]


def test_leaving_ignores_what_a_callback_raises(tmp_path):
    def on_event(event):
        raise KeyboardInterrupt

    checkpoints = Checkpoints(tmp_path, on_event)
    checkpoints.save_before_leaving(4, {"a": np.zeros(3, np.float32)}, None)
    assert kept(tmp_path) == [4]


def test_a_checkpoint_that_cannot_be_read_is_not_passed_over(tmp_path):
    """It may be better than the one before it."""
    arrays = arrays_of(1)
    write_checkpoint(path_of(tmp_path, 1), arrays, {})
    path_of(tmp_path, 2).mkdir()
    with pytest.raises(W2VError) as caught:
        Checkpoints(tmp_path, print).load(empty_like(arrays))
    assert str(caught.value) == (
        f"{tmp_path}/step-000000000002.safetensors: cannot be read (Is a directory); fix that, or "
        "delete it to resume from the one before it"
    )

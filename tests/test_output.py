"""Files appear whole or not at all, and what prevents them is said in one line."""

import errno
import os
import re
import stat

import pytest

from w2v_sparseadam import output
from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.output import atomic_write, check_writable, replace_file


def deny(path, mode):
    """Take away the right to write `path`, or skip where that is not possible, as for root."""
    path.chmod(mode)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write anywhere")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_leaves_nothing_else(tmp_path):
    with atomic_write(tmp_path / "out.vec") as stream:
        stream.write(b"all of it")
        assert not (tmp_path / "out.vec").exists()
    assert (tmp_path / "out.vec").read_bytes() == b"all of it"
    assert names(tmp_path) == ["out.vec"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path, error):
    target = tmp_path / "out.vec"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_write(target) as stream:  # noqa: PT012
        stream.write(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.vec"]


def test_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    with atomic_write(tmp_path / "out.vec") as stream:
        stream.write(b"x")
    assert calls == ["fsync", "replace"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_a_new_file_takes_the_umask_and_an_old_one_keeps_its_mode(tmp_path):
    old = tmp_path / "old.vec"
    old.touch()
    old.chmod(0o640)
    before = os.umask(0o027)
    try:
        for name in ("new.vec", "old.vec"):
            with atomic_write(tmp_path / name) as stream:
                stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.vec").stat().st_mode) == 0o640
    old.chmod(0o604)
    with atomic_write(old) as stream:
        stream.write(b"x")
    assert stat.S_IMODE(old.stat().st_mode) == 0o604


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.vec"
    link = tmp_path / "link.vec"
    link.symlink_to(target)
    with atomic_write(link) as stream:
        stream.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"
    assert names(tmp_path / "real") == ["out.vec"]


def test_the_longest_name_is_allowed(tmp_path):
    target = tmp_path / ("x" * 251 + ".vec")
    with atomic_write(target) as stream:
        stream.write(b"x")
    assert names(tmp_path) == [target.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_straight(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic_write(pipe) as stream:
            stream.write(b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device(tmp_path):
    with (
        pytest.raises(W2VError, match=r"/dev/full: no room left to write \(No space left"),
        atomic_write("/dev/full") as stream,
    ):
        stream.write(b"x")


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    message = "no room left to write (No space left on device); free some, or write elsewhere"
    with (
        pytest.raises(W2VError, match=re.escape(f"out.vec: {message}")),
        atomic_write(tmp_path / "out.vec") as stream,
    ):
        stream.write(b"x")
    assert names(tmp_path) == []


def failing(number):
    """A system call that fails."""

    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EPERM, errno.EXDEV, errno.EIO, errno.EINVAL])
def test_a_file_that_cannot_be_replaced_is_overwritten(tmp_path, monkeypatch, number):
    """Such as a file mounted into a container, or one of another user in a sticky folder."""
    target = tmp_path / "out.vec"
    target.write_bytes(b"old, and longer than the new")
    inode = target.stat().st_ino
    monkeypatch.setattr(os, "replace", failing(number))
    with atomic_write(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert target.stat().st_ino == inode
    assert names(tmp_path) == ["out.vec"]


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_what_cannot_be_put_in_its_place_is_kept(tmp_path, monkeypatch, step):
    with monkeypatch.context() as patch:
        patch.setattr(os, step, failing(errno.EIO))
        with pytest.raises(W2VError) as caught, atomic_write(tmp_path / "out.vec") as stream:
            stream.write(b"trained for days")
    (kept,) = names(tmp_path)
    assert re.fullmatch(r"out\.vec\.[0-9a-f]{6}\.kept", kept)
    assert str(caught.value) == (
        f"{tmp_path}/out.vec: cannot be put in its place (Input/output error); it is whole in "
        f"{tmp_path}/{kept}"
    )
    assert (tmp_path / kept).read_bytes() == b"trained for days"
    check_writable(tmp_path / "out.vec")
    assert names(tmp_path) == [kept]


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_file_of_a_run_is_not_kept(tmp_path, monkeypatch, step):
    """It is written again; many would fill the disk."""
    monkeypatch.setattr(os, step, failing(errno.EIO))
    with (
        pytest.raises(W2VError, match=r"run\.json: cannot be written \(Input/output error\)"),
        replace_file(tmp_path / "run.json"),
    ):
        pass
    assert names(tmp_path) == []


def test_a_file_of_a_run_that_is_a_link_is_replaced(tmp_path):
    (tmp_path / "theirs").write_bytes(b"theirs")
    (tmp_path / "run.json").symlink_to("theirs")
    with replace_file(tmp_path / "run.json") as stream:
        stream.write(b"ours")
    assert (tmp_path / "theirs").read_bytes() == b"theirs"
    assert not (tmp_path / "run.json").is_symlink()


def test_a_file_system_that_cannot_flush_or_keep_permissions(tmp_path, monkeypatch):
    target = tmp_path / "out.vec"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", failing(errno.EINVAL))
    monkeypatch.setattr(type(target), "chmod", failing(errno.EPERM))
    with atomic_write(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["out.vec"]


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_file_in_a_folder_that_cannot_be_written(tmp_path, monkeypatch, number):
    """Such as a file mounted into a read-only system."""
    target, locked = tmp_path / "out.vec", output._locked
    target.write_bytes(b"old")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(output.tempfile, "gettempdir", lambda: str(tmp_path / "tmp"))

    def only_elsewhere(path):
        if path.parent == tmp_path:
            failing(number)()
        return locked(path)

    monkeypatch.setattr(output, "_locked", only_elsewhere)
    monkeypatch.setattr(os, "replace", failing(errno.EXDEV))
    with atomic_write(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path / "tmp") == []
    with pytest.raises(W2VError, match="cannot be written"), atomic_write(tmp_path / "other.vec"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX file locks")
def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    stale = tmp_path / ".out.vec.0123456789ab.tmp"
    others = [".out.vec.tmp", ".other.vec.0123456789ab.tmp", "out.vec.0123456789ab.kept"]
    for path in (stale, *(tmp_path / name for name in others)):
        path.write_bytes(b"half")
    with atomic_write(tmp_path / "out.vec") as first, atomic_write(tmp_path / "out.vec") as second:
        first.write(b"first")
        second.write(b"second")
        assert not stale.exists()
    assert (tmp_path / "out.vec").read_bytes() == b"first"
    assert names(tmp_path) == sorted([*others, "out.vec"])


def test_another_error_of_the_writer_passes_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "out.vec"):
        (tmp_path / "missing").read_bytes()
    assert names(tmp_path) == []


def write(path):
    with atomic_write(path):
        pass


@pytest.mark.parametrize("attempt", [write, check_writable])
class TestRefusals:
    def test_missing_folder(self, tmp_path, attempt):
        path = tmp_path / "missing" / "out.vec"
        message = (
            f"{path}: the folder '{path.parent}' does not exist; create it, or write elsewhere"
        )
        with pytest.raises(W2VError, match=f"^{re.escape(message)}$"):
            attempt(path)

    def test_folder_is_a_file(self, tmp_path, attempt):
        (tmp_path / "file").touch()
        path = tmp_path / "file" / "out.vec"
        message = f"{path}: a file stands where its folder should be"
        with pytest.raises(W2VError, match=f"^{re.escape(message)}$"):
            attempt(path)

    def test_target_is_a_folder(self, tmp_path, attempt):
        with pytest.raises(W2VError, match=f"^{re.escape(str(tmp_path))}: is a folder; name a"):
            attempt(tmp_path)

    def test_name_too_long(self, tmp_path, attempt):
        with pytest.raises(W2VError, match=r"cannot be written \(File name too long\)"):
            attempt(tmp_path / ("x" * 300))

    def test_folder_not_writable(self, tmp_path, attempt):
        deny(tmp_path, 0o500)
        with pytest.raises(W2VError, match=r"cannot be written \(Permission denied\)"):
            attempt(tmp_path / "out.vec")

    def test_write_protected_file(self, tmp_path, attempt):
        path = tmp_path / "out.vec"
        path.touch()
        deny(path, 0o400)
        with pytest.raises(W2VError, match="is write-protected; allow writing, or write elsewhere"):
            attempt(path)


def test_checking_touches_nothing(tmp_path):
    (tmp_path / "out.vec").write_bytes(b"old")
    check_writable(tmp_path / "out.vec")
    check_writable(tmp_path / "new.vec")
    assert (tmp_path / "out.vec").read_bytes() == b"old"
    assert names(tmp_path) == ["out.vec"]

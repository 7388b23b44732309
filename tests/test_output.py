"""Files appear whole or not at all, and what prevents them is said in one line."""

import errno
import importlib
import io
import os
import re
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

from w2v_sparseadam.errors import SettingError, W2VError
from w2v_sparseadam.system import files as output
from w2v_sparseadam.system.files import check_writable, replace_file, write_result
from w2v_sparseadam.system.paths import check_text_ending, shell_path
from w2v_sparseadam.system.zstd import zstd_module


def deny(path, mode):
    """Take away the right to write `path`, or skip where that is not possible, as for root."""
    path.chmod(mode)
    if os.access(path, os.W_OK):
        pytest.skip("this user may write anywhere")


def fail_with(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return fail


def write(path, content, writer):
    with writer(path) as stream:
        stream.write(content)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_writes_and_leaves_nothing_else(tmp_path):
    with write_result(tmp_path / "out.vec") as stream:
        stream.write(b"all of it")
        assert not (tmp_path / "out.vec").exists()
    assert (tmp_path / "out.vec").read_bytes() == b"all of it"
    assert names(tmp_path) == ["out.vec"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_file_and_no_other(tmp_path, error):
    target = tmp_path / "out.vec"
    target.write_bytes(b"old")
    with pytest.raises(error), write_result(target) as stream:  # noqa: PT012
        stream.write(b"half")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.vec"]


def test_bytes_reach_the_disk_before_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (calls.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("replace"), replace(*paths)))
    with write_result(tmp_path / "out.vec") as stream:
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
            with write_result(tmp_path / name) as stream:
                stream.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.vec").stat().st_mode) == 0o640
    old.chmod(0o604)
    with write_result(old) as stream:
        stream.write(b"x")
    assert stat.S_IMODE(old.stat().st_mode) == 0o604


def test_a_symbolic_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.vec"
    link = tmp_path / "link.vec"
    link.symlink_to(target)
    with write_result(link) as stream:
        stream.write(b"x")
    assert link.is_symlink()
    assert target.read_bytes() == b"x"
    assert names(tmp_path / "real") == ["out.vec"]


def test_the_longest_name_is_allowed(tmp_path):
    target = tmp_path / ("x" * 251 + ".vec")
    with write_result(target) as stream:
        stream.write(b"x")
    assert names(tmp_path) == [target.name]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_result_goes_straight_into_a_pipe(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    check_writable(pipe)  # without a reader, to open it would wait for one
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with write_result(pipe) as stream:
            stream.write(b"through")
        assert os.read(reader, 100) == b"through"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(W2VError, match="is a device or a pipe"), replace_file(pipe):
        pass


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device(tmp_path):
    with (
        pytest.raises(W2VError, match=r"/dev/full: no space left \(No space left"),
        write_result("/dev/full") as stream,
    ):
        stream.write(b"x")


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "link.vec"])
def test_standard_output_is_written_where_it_stands(tmp_path, name):
    """To open /dev/stdout would begin at the start of the file behind it."""
    os.symlink("/dev/stdout", tmp_path / "link.vec")
    target = tmp_path / "file"
    before = os.dup(1)
    with target.open("wb") as file:
        os.dup2(file.fileno(), 1)
        try:
            os.write(1, b"before ")
            path = tmp_path / name if name == "link.vec" else name
            check_writable(path)
            with write_result(path) as stream:
                stream.write(b"result ")
            os.write(1, b"after")
        finally:
            os.dup2(before, 1)
            os.close(before)
    assert target.read_bytes() == b"before result after"
    assert names(tmp_path) == ["file", "link.vec"]


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES])
@pytest.mark.parametrize("old", [b"old and longer than the new", None])
def test_a_file_that_the_folder_does_not_let_replace_is_overwritten(
    tmp_path, monkeypatch, number, old
):
    """As one that is mounted by itself, or is another user's in a sticky folder."""
    target = tmp_path / "out.vec"
    if old:
        target.write_bytes(old)
    monkeypatch.setattr(os, "replace", fail_with(number))
    with write_result(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["out.vec"]


def test_a_file_in_a_folder_that_takes_no_other_is_overwritten(tmp_path, monkeypatch):
    """As one that is mounted into a read-only folder."""
    target, elsewhere = tmp_path / "shut" / "out.vec", tmp_path / "elsewhere"
    target.parent.mkdir()
    elsewhere.mkdir()
    target.write_bytes(b"old")
    shut = target.parent

    def closed(path, *args):
        if args == ("xb",) and Path(path).parent == shut:
            raise OSError(errno.EROFS, "Read-only file system")
        return open(path, *args)

    monkeypatch.setattr(output, "open", closed, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    monkeypatch.setattr(os, "replace", fail_with(errno.EXDEV))
    check_writable(target)
    with write_result(target) as stream:
        stream.write(b"new")
    assert target.read_bytes() == b"new"
    assert names(elsewhere) == []
    with pytest.raises(W2VError, match="cannot be written"):
        check_writable(shut / "none.vec")


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize(
    ("call", "what"),
    [("fsync", "what could be written is"), ("replace", "the result is kept")],
)
def test_a_result_that_cannot_be_put_in_place_is_kept(tmp_path, monkeypatch, call, what, number):
    target = tmp_path / "out.vec"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, call, fail_with(number))
    with pytest.raises(W2VError) as caught, write_result(target) as stream:
        stream.write(b"new")
    [kept] = set(tmp_path.iterdir()) - {target}
    assert str(caught.value) == (
        f"{target}: cannot be written ({os.strerror(number)}); {what} in {kept}"
    )
    assert kept.read_bytes() == b"new"
    assert kept.name.startswith("out.vec.")
    assert target.read_bytes() == b"old"


def test_a_result_is_kept_if_even_overwriting_fails(tmp_path, monkeypatch):
    target = tmp_path / "out.vec"
    monkeypatch.setattr(os, "replace", fail_with(errno.EBUSY))
    monkeypatch.setattr(shutil, "copyfileobj", fail_with(errno.ENOSPC))
    with pytest.raises(W2VError, match="the result is kept in") as caught:
        write(target, b"new", write_result)
    assert Path(str(caught.value).rpartition(" ")[2]).read_bytes() == b"new"


def test_what_is_kept_outlives_the_next_command(tmp_path, monkeypatch):
    target = tmp_path / "out.vec"
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail_with(errno.EIO))
        patch.setattr(Path, "rename", fail_with(errno.EIO))
        with pytest.raises(W2VError, match="the result is kept in") as caught:
            write(target, b"new", write_result)
    write(target, b"newer", write_result)
    assert Path(str(caught.value).rpartition(" ")[2]).read_bytes() == b"new"


@pytest.mark.parametrize("name", ["v.npy", "v.PARQUET", "v.csv.gz", "v.json"])
def test_a_table_is_not_written_under_the_name_of_another_format(name):
    with pytest.raises(SettingError, match="is written as text, not as"):
        check_text_ending(name)


@pytest.mark.parametrize("name", ["v", "v.txt", "v.tsv.zst", "1.2", "-", "/dev/stdout"])
def test_a_table_may_have_any_other_name(name):
    check_text_ending(name)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_that_can_neither_sync_nor_set_modes_will_do(tmp_path, monkeypatch, number):
    target = tmp_path / "out.vec"
    target.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", fail_with(number))
    monkeypatch.setattr(Path, "chmod", fail_with(number))
    check_writable(target)
    for writer in (replace_file, write_result):
        write(target, b"new", writer)
        assert target.read_bytes() == b"new"
        assert names(tmp_path) == ["out.vec"]


@pytest.mark.parametrize(
    ("ending", "module"), [("gz", "gzip"), ("bz2", "bz2"), ("XZ", "lzma"), ("zst", None)]
)
def test_a_result_is_compressed_as_its_name_says(tmp_path, ending, module):
    path = tmp_path / f"out.vec.{ending}"
    content = b"a line\n" * 100_000
    write(path, content, write_result)
    first = path.read_bytes()
    unpack = importlib.import_module(module) if module else zstd_module("")
    assert unpack.decompress(first) == content
    write(path, content, write_result)
    assert path.read_bytes() == first  # without the time of day


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    message = "no space left (No space left on device); free some, or write elsewhere"
    with (
        pytest.raises(W2VError, match=re.escape(f"out.vec: {message}")),
        write_result(tmp_path / "out.vec"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(tmp_path) == []


def test_a_disk_that_cannot_even_close_a_file_is_found_out_before(tmp_path, monkeypatch):
    class Unclosable(io.FileIO):
        def close(self):
            super().close()
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(output, "_locked", lambda path: (Unclosable(path, "xb"), path))
    with pytest.raises(W2VError, match=r"out\.vec: cannot be written \(Input/output error\)"):
        check_writable(tmp_path / "out.vec")
    assert names(tmp_path) == []


@pytest.mark.parametrize("step", ["replace", "fsync"])
def test_a_file_of_a_run_is_not_kept(tmp_path, monkeypatch, step):
    """It is written again; many would fill the disk."""
    monkeypatch.setattr(os, step, fail_with(errno.EIO))
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


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX file locks")
def test_what_a_killed_writer_left_is_removed_and_what_is_being_written_is_not(tmp_path):
    stale = tmp_path / ".out.vec.0123456789ab.tmp"
    others = [".out.vec.tmp", ".other.vec.0123456789ab.tmp", "out.vec.0123456789ab.kept"]
    for path in (stale, *(tmp_path / name for name in others)):
        path.write_bytes(b"half")
    with write_result(tmp_path / "out.vec") as first, write_result(tmp_path / "out.vec") as second:
        first.write(b"first")
        second.write(b"second")
        assert not stale.exists()
    assert (tmp_path / "out.vec").read_bytes() == b"first"
    assert names(tmp_path) == sorted([*others, "out.vec"])


def test_another_error_of_the_writer_passes_unchanged(tmp_path):
    with pytest.raises(FileNotFoundError), write_result(tmp_path / "out.vec"):
        (tmp_path / "missing").read_bytes()
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "name",
    ["plain", "two words", "it's", "-d", "--resume", "$(x)", "a\nb", "\x1b[1m'\\", "\udcff9"],
)
def test_a_path_for_a_shell(name):
    quoted = shell_path(name)
    assert quoted.isprintable()
    echoed = subprocess.run(["bash", "-c", f"printf %s {quoted}"], capture_output=True, check=True)
    assert os.path.normpath(os.fsdecode(echoed.stdout)) == name
    assert not echoed.stdout.startswith(b"-")


def write_one(path):
    write(path, b"", replace_file)


def write_other(path):
    write(path, b"", write_result)


@pytest.mark.parametrize("attempt", [write_one, write_other, check_writable])
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
        message = f"{path}: a folder in this path is a file; write elsewhere"
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

"""Sources: which files paths stand for, and how an open one behaves."""

import errno
import inspect
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text.reading.finding import find_sources
from w2v_sparseadam.text.reading.sources import (
    Source,
    SourceFile,
    repeated,
    total_bytes,
    unreadable,
)

needs_fifos = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes in folders")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with a tree of files, each of which holds its own path."""
    monkeypatch.chdir(tmp_path)
    for name in ("b.txt", "a-1.txt", "a/z.txt", "a/b/c.gz", "a/.hidden", ".git/x", "B.txt", "[x]"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("empty/.git").mkdir(parents=True)
    return tmp_path


def paths_of(*paths):
    return [source.path.replace(os.sep, "/") for source in find_sources(paths)]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("b.txt", ["b.txt"]),
        (Path("b.txt"), ["b.txt"]),
        (b"b.txt", ["b.txt"]),
        ("a", ["a/b/c.gz", "a/z.txt"]),
        ("a/", ["a/b/c.gz", "a/z.txt"]),
        (".", ["./B.txt", "./[x]", "./a/b/c.gz", "./a/z.txt", "./a-1.txt", "./b.txt"]),
        ("*.txt", ["B.txt", "a-1.txt", "b.txt"]),
        ("?.txt", ["B.txt", "b.txt"]),
        ("[a-b]*", ["a/b/c.gz", "a/z.txt", "a-1.txt", "b.txt"]),
        ("**", ["B.txt", "[x]", "a/b/c.gz", "a/z.txt", "a-1.txt", "b.txt"]),
        ("**/*.gz", ["a/b/c.gz"]),
        ("a/.hidden", ["a/.hidden"]),
        ("a/.*", ["a/.hidden"]),
        ("[x]", ["[x]"]),
    ],
)
def test_what_a_path_stands_for(folder, path, expected):
    assert paths_of(path) == expected


def test_the_order_is_that_of_the_paths_given(folder):
    assert paths_of("b.txt", "a", "B.txt") == ["b.txt", "a/b/c.gz", "a/z.txt", "B.txt"]


def test_sources_stand_for_themselves(folder):
    sources = find_sources(["a"])
    Path("a/later.txt").touch()
    assert find_sources(sources) == sources


def test_links_are_followed(folder):
    try:
        os.symlink("a", "link")
        os.symlink("..", "a/b/up")
    except OSError:
        pytest.skip("may not make links")
    with pytest.raises(TextError) as caught:
        find_sources(["link"])
    here = os.path.realpath("a")
    assert str(caught.value) == (
        f"link/b/up: links back to {here}, which contains it; remove the link"
    )
    os.unlink("a/b/up")
    assert paths_of("link") == ["link/b/c.gz", "link/z.txt"]
    os.symlink("nowhere", "a/broken")
    with pytest.raises(TextError) as caught:
        find_sources(["a"])
    assert str(caught.value) == "a/broken: cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone.txt", "gone.txt: cannot be read: No such file or directory"),
        ("empty", "empty: no files in this directory (hidden ones are not read)"),
        ("*.bz2", "*.bz2: no file matches this pattern"),
        ("empty/**", "empty/**: no file matches this pattern"),
        ("a\0b", "a\0b: cannot be read: "),
    ],
)
def test_what_stands_for_nothing(folder, path, message):
    with pytest.raises(TextError) as caught:
        find_sources(["b.txt", path])
    assert str(caught.value).startswith(message)


def test_a_file_that_may_not_be_read(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TextError) as caught:
        find_sources(["b.txt"])
    assert str(caught.value) == "b.txt: cannot be read: Permission denied"


def test_a_directory_that_may_not_be_read(folder, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if path == os.path.join("a", "b"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(TextError) as caught:
        find_sources(["a"])
    assert str(caught.value) == f"a{os.sep}b: cannot be read: Permission denied"


def test_paths_must_be_a_sequence():
    with pytest.raises(SettingError) as caught:
        find_sources("corpus.txt")
    assert str(caught.value) == (
        "paths must be a sequence of paths, got 'corpus.txt'; pass ['corpus.txt']"
    )
    with pytest.raises(SettingError) as caught:
        find_sources([])
    assert str(caught.value) == "no corpus paths given; pass at least one"


def test_files_given_more_than_once_are_named(folder):
    os.link("b.txt", "same.txt")
    sources = find_sources(["b.txt", "a", "a/z.txt", "same.txt", "B.txt"])
    assert repeated(sources) == ("b.txt", "a/z.txt", "same.txt")
    assert total_bytes(sources) == 5 + 8 + 7 + 7 + 5 + 5


@needs_fifos
def test_the_size_of_a_stream_is_not_known(folder):
    os.mkfifo("pipe")
    sources = find_sources(["b.txt", "pipe"])
    assert [source.n_bytes for source in sources] == [5, None]
    assert [source.is_stream for source in sources] == [False, True]
    assert total_bytes(sources) == 0


@needs_fifos
def test_a_stream_can_be_given_once_only(folder):
    os.mkfifo("pipe")
    for paths, name in ((["pipe", "./pipe"], "pipe"), (["-", "-"], "standard input")):
        with pytest.raises(TextError) as caught:
            find_sources(paths)
        assert str(caught.value) == f"{name}: given 2 times, but a stream can be read only once"
    assert paths_of(os.devnull, os.devnull) == [os.devnull] * 2


@pytest.fixture
def standard_input():
    """Return a function that puts a file in the place of standard input."""
    before = os.dup(0)
    yield lambda file: os.dup2(file.fileno(), 0)
    os.dup2(before, 0)
    os.close(before)


def test_standard_input(folder, standard_input):
    with open("b.txt", "rb") as file:
        standard_input(file)
        (source,) = find_sources(["-"])
        assert (source.name, source.n_bytes, source.is_stream) == ("standard input", 5, True)
        with SourceFile(source) as opened:
            assert opened.read(100) == b"b.txt"
        assert os.fstat(0)  # it is still open


def test_standard_input_that_is_closed(folder, standard_input):
    os.close(0)
    with pytest.raises(TextError) as caught:
        find_sources(["-"])
    assert str(caught.value) == f"standard input: cannot be read: {os.strerror(errno.EBADF)}"


def open_file(path):
    return SourceFile(find_sources([path])[0])


def test_what_was_peeked_at_is_read_too(folder):
    with open_file("a-1.txt") as file:
        assert file.peek(3) == b"a-1"
        assert file.n_bytes_read == 0
        assert file.read(2) == b"a-"
        assert file.n_bytes_read == 2
        assert list(file.blocks()) == [b"1", b".txt"]
        assert file.n_bytes_read == 7
        assert file.read(1) == b""
    with open_file("a-1.txt") as file:
        assert file.peek(100) == b"a-1.txt"
        assert file.read(100) == b"a-1.txt"


@needs_fifos
def test_a_peek_into_a_pipe_waits_for_all_it_wants(folder):
    os.mkfifo("pipe")
    asked = threading.Event()

    def write():
        with open("pipe", "wb", buffering=0) as pipe:
            pipe.write(b"ab")
            asked.wait(60)
            pipe.write(b"cd")

    writer = threading.Thread(target=write)
    writer.start()
    with open_file("pipe") as file:
        assert file.read(2) == b"ab"
        asked.set()
        assert file.peek(2) == b"cd"
        assert file.seekable() is None
    writer.join()


@pytest.mark.parametrize("change", ["longer", "shorter", "touched"])
def test_a_file_that_changes_while_it_is_read(folder, change):
    with open_file("b.txt") as file:
        file.read(2)
        if change == "touched":
            os.utime("b.txt", (1, 1))
        else:
            Path("b.txt").write_text("b" * (9 if change == "longer" else 1))
        size = {"longer": 9, "shorter": 1, "touched": 5}[change]
        with pytest.raises(TextError) as caught:
            list(file.blocks())
    assert str(caught.value) == (
        f"b.txt: changed while it was read (from 5 bytes to {size}); wait until it is complete, or "
        "copy it first"
    )


def test_a_file_that_vanishes_or_fails_is_named(folder, monkeypatch):
    with pytest.raises(TextError) as caught:
        SourceFile(Source("gone.txt", 1, (0, 0)))
    assert str(caught.value) == "gone.txt: cannot be read: No such file or directory"

    class BrokenFile(io.FileIO):
        def readinto(self, buffer):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with open_file("b.txt") as file:
        file._file.close()
        file._file = BrokenFile("b.txt")
        with pytest.raises(TextError) as caught:
            file.read(1)
    assert str(caught.value) == f"b.txt: cannot be read: {os.strerror(errno.EIO)}"


def test_errors_without_a_number_say_what_they_are():
    assert str(unreadable("x", ValueError("odd"))) == "x: cannot be read: odd"


@needs_fifos
@pytest.mark.parametrize("path", ["a", "a/p*"])
def test_a_pipe_in_a_folder_is_refused_by_name(folder, path):
    """To open it would wait for a writer, for ever perhaps."""
    os.mkfifo("a/pipe")
    with pytest.raises(TextError, match=r"^a/pipe: is a pipe, a socket or a device"):
        find_sources([path])
    assert paths_of("a/pipe") == ["a/pipe"]


def test_folders_nested_more_deeply_than_calls_may_be(folder):
    deep = Path("empty", *"d" * 200, "deep.txt")
    deep.parent.mkdir(parents=True)
    deep.touch()
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 100)
    try:
        assert [source.path for source in find_sources(["empty"])] == [str(deep)]
    finally:
        sys.setrecursionlimit(before)

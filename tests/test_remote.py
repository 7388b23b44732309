"""Sources at URLs: memory, files, and a web server on this machine."""

import gzip
import http.server
import io
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import ClassVar

import fsspec
import numpy as np
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from w2v_sparseadam import resume, train
from w2v_sparseadam.errors import TextError, W2VError
from w2v_sparseadam.runs.inputs import check_inputs, file_stamp, is_stamp
from w2v_sparseadam.text.reading.compression import open_unpacked
from w2v_sparseadam.text.reading.corpus_like import paths_or_sentences
from w2v_sparseadam.text.reading.finding import find_sources
from w2v_sparseadam.text.reading.parts import Part
from w2v_sparseadam.text.reading.reader import check_sources, read_chunks
from w2v_sparseadam.text.reading.sources import SourceFile, repeated, total_bytes
from w2v_sparseadam.text.settings import TextConfig


def text_of(*sources, config=None):
    chunks = read_chunks(sources, config)
    return b"".join(chunk.data[: chunk.n_bytes].tobytes() for chunk in chunks)


def message_of(error, call, *args, **keywords):
    with pytest.raises(error) as info:
        call(*args, **keywords)
    return str(info.value)


@pytest.fixture
def memory():
    """Return a file system in memory that holds some files, each with its own name."""
    memory = fsspec.filesystem("memory")
    for name in ("b.txt", "a-1.txt", "a/z.txt", "a/b/c.txt", "a/.hidden", ".git/x", "B.txt"):
        memory.pipe(f"/d/{name}", name.encode())
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


class Server(http.server.ThreadingHTTPServer):
    """Serves files from a dict; counts requests of content and bytes sent."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files, self.statuses = {}, {}
        self.has_ranges = self.has_sizes = True
        self.n_requests = self.n_sent = 0


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.respond(has_body=False)

    def do_GET(self):
        self.respond(has_body=True)

    def respond(self, has_body):
        server = self.server
        data = server.files.get(self.path)
        status = server.statuses.get(self.path, 404 if data is None else 200)
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if wanted and server.has_ranges:
            begin, end = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            body = data[begin:end]
        else:
            self.send_response(200)
            body = data
        self.send_header("ETag", f'"{hash(data)}"')
        self.send_header("Content-Type", "text/html" if data.startswith(b"<") else "text/plain")
        if server.has_sizes:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if has_body:
            server.n_requests += 1
            try:
                for begin in range(0, len(body), 1 << 16):
                    server.n_sent += self.wfile.write(body[begin : begin + (1 << 16)])
            except ConnectionError:  # as when a stream is left
                pass
        self.close_connection = not server.has_sizes


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://d/b.txt", ["b.txt"]),
        ("memory://d", ["B.txt", "a/b/c.txt", "a/z.txt", "a-1.txt", "b.txt"]),
        ("memory://d/", ["B.txt", "a/b/c.txt", "a/z.txt", "a-1.txt", "b.txt"]),
        ("memory://d/*.txt", ["B.txt", "a-1.txt", "b.txt"]),
        ("memory://d/[ab]*", ["a/b/c.txt", "a/z.txt", "a-1.txt", "b.txt"]),
        ("memory://d/**", ["B.txt", "a/b/c.txt", "a/z.txt", "a-1.txt", "b.txt"]),
        ("memory://d/a/.hidden", ["a/.hidden"]),
        ("memory://d/a/.*", ["a/.hidden"]),
    ],
)
def test_what_a_url_stands_for(memory, url, expected):
    sources = find_sources([url])
    assert [source.path for source in sources] == [f"memory://d/{name}" for name in expected]
    assert text_of(*sources) == "".join(f"{name}\n" for name in expected).encode()
    assert check_sources([url]) == sources
    assert total_bytes(sources) == sum(map(len, expected))
    assert repeated(sources) == ()
    assert repeated(sources * 2) == tuple(source.path for source in sources)


def test_a_chain_of_file_systems(memory, tmp_path):
    [source] = find_sources(["simplecache::memory://d/b.*"])
    assert source.path == "simplecache::memory://d/b.txt"
    assert text_of(source) == b"b.txt\n"
    archive = fsspec.filesystem("zip", fo=f"{tmp_path}/a.zip", mode="w")
    archive.pipe({"2.txt": b"two", "1.txt": b"one"})
    archive.close()
    sources = find_sources([f"zip://*.txt::file://{tmp_path}/a.zip"])
    assert [source.path for source in sources] == [
        f"zip://{n}.txt::file://{tmp_path}/a.zip" for n in (1, 2)
    ]
    assert text_of(*sources) == b"one\ntwo\n"


def test_files_are_read_as_local_ones(tmp_path):
    (tmp_path / "t.gz").write_bytes(gzip.compress("é x\ny".encode("latin-1")))
    url = f"file://{tmp_path}"
    assert text_of(url, config=TextConfig(encoding="latin-1")) == "é x\ny\n".encode()
    (tmp_path / "t.gz").write_bytes(b"\x1f\x8b\x08")
    message = message_of(TextError, check_sources, [url])
    assert message.startswith(f"file://{tmp_path}/t.gz: truncated gzip data")


def test_which_arguments_are_urls(memory):
    assert paths_or_sentences("memory://d/b.txt") == ["memory://d/b.txt"]
    assert paths_or_sentences(["memory://d/b.txt"]) == ["memory://d/b.txt"]
    [sentences] = paths_or_sentences(["http://a.b is a site", "so is it"])
    assert sentences.name == "sentences"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("memory://none", "memory://none: cannot be read: No such file or directory"),
        ("memory://d/*.gz", "memory://d/*.gz: no file matches this pattern"),
        ("memory://d/.git/", "memory://d/.git/: no files in this directory"),
        ("xyz://a", "xyz://a: cannot be read: Protocol not known: xyz"),
        ("s3://b/c", "s3://b/c: s3:// needs another package; pip install s3fs"),
        (
            "simplecache::s3://b/c",
            "simplecache::s3://b/c: simplecache:// needs another package; pip install s3fs",
        ),
        (
            "http://me:secret@h/x",
            "http://…@h/x: has a password, which a run would store; give it in the configuration "
            "of fsspec instead",
        ),
    ],
)
def test_what_cannot_be_read(memory, monkeypatch, url, reason):
    memory.mkdir("/d/empty")
    memory.rm("/d/.git/x")
    memory.makedirs("/d/.git", exist_ok=True)
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert message_of(TextError, find_sources, [url]) == reason


def test_without_fsspec(monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    assert message_of(TextError, find_sources, ["s3://b/c"]) == (
        "s3://b/c: URLs need the package fsspec; pip install 'w2v-sparseadam[remote]'"
    )


def test_fsspec_is_imported_only_for_urls():
    code = (
        "import os, sys; from w2v_sparseadam.text.reading.reader import read_chunks; "
        "list(read_chunks([os.devnull])); sys.exit('fsspec' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_a_corpus_is_read_from_a_url():
    message = message_of(TextError, open_unpacked("memory://d/b.txt").__enter__)
    assert message == (
        "memory://d/b.txt: only a corpus can be at a URL; copy it to this machine first"
    )


def test_errors_of_a_web_server(server):
    server.statuses = {"/secret": 403, "/broken": 500}
    for path, reason in {
        "none": "Not Found (404)",
        "secret": "Forbidden (403)",
        "broken": "Internal Server Error (500)",
    }.items():
        url = f"{server.url}/{path}"
        assert message_of(TextError, find_sources, [url]) == f"{url}: cannot be read: {reason}"
    message = message_of(TextError, find_sources, ["http://127.0.0.1:1/x"])
    assert message.startswith("http://127.0.0.1:1/x: cannot be read: Cannot connect to host")
    assert "\n" not in message


LARGE = b"".join(b"line %d\n" % n for n in range(2_000_000))


@pytest.mark.parametrize("has_sizes", [True, False])
@pytest.mark.parametrize("has_ranges", [True, False])
def test_a_web_server(server, has_ranges, has_sizes):
    server.has_ranges, server.has_sizes = has_ranges, has_sizes
    server.files = {"/t.txt": LARGE, "/t.gz": gzip.compress(LARGE, 1), "/empty": b""}
    sources = find_sources([f"{server.url}{path}" for path in server.files])
    assert total_bytes(sources) == (sum(map(len, server.files.values())) if has_sizes else 0)
    for source in sources[:2]:
        server.n_sent = 0
        assert text_of(source) == LARGE
        if has_sizes:  # otherwise fsspec asks for the content to know its size
            # Without ranges, what was asked for first comes again.
            most = source.n_bytes + (1 << 24) * (not has_ranges)
            assert server.n_sent <= most
        middle = len(LARGE) // 2
        parts = [Part.of(source, 0, middle), Part.of(source, middle)]
        assert b"".join(map(text_of, parts)) == LARGE
    assert text_of(sources[2]) == b""


@pytest.mark.parametrize("has_ranges", [True, False])
def test_parquet_is_read_by_ranges(server, has_ranges):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    rows = [f"row {n} {n * 7919 % 10007}" for n in range(100_000)]
    table, file = pyarrow.table({"other": rows, "text": rows}), io.BytesIO()
    parquet.write_table(table, file)
    server.files, server.has_ranges = {"/t": file.getvalue()}, has_ranges
    text = "".join(f"{row}\n" for row in rows).encode()
    assert text_of(f"{server.url}/t", config=TextConfig(format="parquet")) == text


def test_a_part_is_fetched_alone(server):
    server.files = {"/t.txt": LARGE}
    [source] = find_sources([f"{server.url}/t.txt"])
    server.n_requests = server.n_sent = 0
    part = Part.of(source, 10_000_000, 12_000_000)
    text = text_of(part)
    assert LARGE.find(text) - 10_000_000 in range(20)
    assert len(text) - 2_000_000 in range(-20, 20)
    assert server.n_sent < 2_000_000 + (5 << 20)
    assert server.n_requests <= 4
    assert text_of(pickle.loads(pickle.dumps(part))) == text


def test_a_page_with_links(server):
    server.files = {
        "/d/": b'<a href="?C=M;O=A">x</a><a href="b.txt">b</a><a href="a/">a</a>'
        b'<a href=".hidden">h</a><a href="/">up</a>',
        "/d/a": b'<a href="c.txt">c</a>',  # most web servers redirect to a/
        "/d/b.txt": b"b",
        "/d/a/c.txt": b"c",
        "/d/.hidden": b"h",
    }
    for url, expected in (("/d/", ["/d/a/c.txt", "/d/b.txt"]), ("/d/*.txt", ["/d/b.txt"])):
        sources = find_sources([server.url + url])
        assert [source.path for source in sources] == [server.url + path for path in expected]
        assert total_bytes(sources) == len(expected)


def test_a_change_is_noticed(server, memory):
    server.files = {"/t.txt": b"a b\n"}
    for url, change in (
        (f"{server.url}/t.txt", lambda data: server.files.update({"/t.txt": data})),
        ("memory://d/b.txt", lambda data: memory.pipe("/d/b.txt", data)),
    ):
        change(b"a b\n")
        [source] = find_sources([url])
        with SourceFile(source) as file:
            assert file.read(9) == b"a b\n"
            change(b"c d\n")
            message = message_of(TextError, file.read, 9)
        assert message.startswith(f"{url}: changed while it was read (from 4 bytes to 4)")
        change(b"a b c\n")
        message = message_of(TextError, text_of, Part.of(source, 1))
        assert message.startswith(f"{url}: changed while it was read (from 4 bytes to 6)")


class Remembering(MemoryFileSystem):
    """Remembers what it told about a file, as object stores do with lists."""

    protocol = "remembering"
    told: ClassVar[dict] = {}

    def info(self, path, **options):
        return self.told.setdefault(path, super().info(path, **options))

    def invalidate_cache(self, path=None):
        self.told.clear()

    @classmethod
    def _strip_protocol(cls, path):
        return super()._strip_protocol(path.removeprefix("remembering://"))


def test_a_change_is_noticed_in_spite_of_caches(memory):
    fsspec.register_implementation("remembering", Remembering, clobber=True)
    [source] = find_sources(["remembering://d/b.txt"])
    with SourceFile(source) as file:
        memory.pipe("/d/b.txt", b"other")
        assert "changed while it was read" in message_of(TextError, lambda: list(file.blocks()))


def test_a_connection_that_breaks(server, monkeypatch):
    server.files = {"/t.txt": LARGE}
    [source] = find_sources([f"{server.url}/t.txt"])
    with SourceFile(source) as file:
        file.read(10)
        server.statuses = {"/t.txt": 503}
        message = message_of(TextError, lambda: list(file.blocks()))
    assert message == f"{server.url}/t.txt: cannot be read: Service Unavailable (503)"


def test_inputs_of_a_run(server, tmp_path):
    server.files = {"/t.txt": b"a b\n"}
    url = f"{server.url}/t.txt"
    stamp = file_stamp(url)
    assert stamp[:2] == [url, 4]
    assert stamp[2]
    assert is_stamp(stamp)
    assert not is_stamp(["t.txt", 4, "tag"])
    kept = {"inputs": [stamp], "paths": [url], "text": {}}
    check_inputs(tmp_path, kept, trust=True)
    message = message_of(W2VError, check_inputs, tmp_path, kept)
    assert message == (
        f"{tmp_path}: its text is read again, from {url}, which is opened with "
        "your credentials; if you trust who made this folder, add trust=True"
    )
    server.files = {"/t.txt": b"c d\n"}
    message = message_of(W2VError, check_inputs, tmp_path, kept, trust=True)
    assert f"'{url}' has changed since" in message
    server.files = {}
    message = message_of(W2VError, check_inputs, tmp_path, kept, trust=True)
    assert message == f"{url}: cannot be read: Not Found (404)"


def test_training_and_resuming(tmp_path):
    text = tmp_path / "news.txt"
    text.write_text("the cat sat on the mat and the dog sat on the cat\n" * 60)
    options = {"dim": 4, "epochs": 2, "min_count": 1, "threads": 1}
    expected = train(str(text), **options).vectors().matrix
    url = Path(text).as_uri()
    np.testing.assert_array_equal(train(url, **options).vectors().matrix, expected)

    class StopError(Exception):
        pass

    def stop(event):
        if event["event"] == "text":
            raise StopError

    run = tmp_path / "run"
    with pytest.raises(StopError):
        train(url, **options, run_dir=run, on_event=stop)
    with pytest.raises(W2VError, match="if you trust who made this folder"):
        resume(run)
    np.testing.assert_array_equal(resume(run, trust=True).vectors().matrix, expected)

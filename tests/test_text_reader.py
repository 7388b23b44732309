"""Chunks: whole tokens, wherever the file is cut."""

import gzip
import io
import os
import re
import tarfile
import threading
import tracemalloc
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text.reading import reader
from w2v_sparseadam.text.reading.magic import begins_with_json_object, check_controls, check_head
from w2v_sparseadam.text.reading.reader import PADDING_BYTES, check_sources, read_chunks
from w2v_sparseadam.text.settings import TextConfig

SPACES = b" \t\n\r\v\f"


def chunks_of(path, chunk_bytes, config=None):
    return [
        (chunk.data[: chunk.n_bytes].tobytes(), chunk.offset, chunk.data.size, chunk.n_bytes_read)
        for chunk in read_chunks([str(path)], config, chunk_bytes=chunk_bytes)
    ]


def text_of(path, **settings):
    chunks = list(read_chunks([str(path)], TextConfig(**settings), chunk_bytes=16))
    return b"".join(data for data, *_ in chunks_of(path, 16, TextConfig(**settings))), chunks[-1]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([b"a", b"bc", b"def", b"\xef\xbb\xbf", b"\0", b" ", b"\n", b"\r\n"])),
    st.integers(3, 40),
)
def test_chunks_are_whole_tokens_of_the_whole_file(tmp_path_factory, pieces, chunk_bytes):
    text = b"".join(pieces)
    path = tmp_path_factory.mktemp("reader") / "corpus.txt"
    path.write_bytes(text)
    chunks = chunks_of(path, chunk_bytes)
    begin = 3 if text.startswith(b"\xef\xbb\xbf") else 0
    expected = text[begin:]
    if expected and not expected.endswith(b"\n"):
        expected += b"\n"
    assert b"".join(data for data, *_ in chunks) == expected
    for data, offset, size, _ in chunks[:-1]:
        assert offset == begin
        assert data[-1:] in SPACES
        assert size == len(data) + PADDING_BYTES
        begin += len(data)
    assert chunks[-1][0][-1:] in b"\n"
    assert chunks[-1][3] == len(text)


def test_a_long_token_is_whole_and_the_buffer_shrinks_again(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"x" * 5000 + b" " + b"ab " * 10_000)
    chunks = chunks_of(path, 16)
    assert chunks[0][0].startswith(b"x" * 5000 + b" ")
    assert len(chunks[0][0]) < 20_000
    assert max(len(data) for data, *_ in chunks[1:]) <= 16


LONG = st.sampled_from([b"a", b"bc", b"def", b"ghijk", b" ", b"\n", b"\t"])


@settings(deadline=None)
@given(st.lists(LONG, max_size=30), st.integers(2, 40), st.integers(1, 9))
def test_tokens_that_are_too_long_are_left_out_and_counted(
    tmp_path_factory, pieces, chunk_bytes, most
):
    """Wherever the text happens to be cut."""
    text = b"".join(pieces)
    path = tmp_path_factory.mktemp("reader") / "corpus.txt"
    path.write_bytes(text)
    chunks = chunks_of(path, chunk_bytes, TextConfig(max_token_bytes=most))
    tokens = re.split(rb"([ \t\n])", text)
    n_long = sum(len(token) > most for token in tokens)
    expected = b"".join(token for token in tokens if len(token) <= most)
    if text and not text.endswith(b"\n"):
        expected += b"\n"
    assert b"".join(data for data, *_ in chunks) == expected
    config = TextConfig(max_token_bytes=most)
    last = list(read_chunks([str(path)], config, chunk_bytes=chunk_bytes))[-1]
    assert last.n_long_tokens == n_long


def test_a_token_without_an_end_takes_little_memory(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", 1) as stream:
        stream.write(b"a b ")
        for _ in range(64):
            stream.write(b"x" * (1 << 20))
        stream.write(b" c\n")
    tracemalloc.start()
    chunks = list(read_chunks([str(path)], chunk_bytes=1 << 18))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert b"".join(c.data[: c.n_bytes].tobytes() for c in chunks[-1:]) == b" c\n"
    assert chunks[-1].n_long_tokens == 1
    assert peak < 24 << 20


def test_a_line_feed_is_added_after_a_last_chunk_that_was_cut_at_a_space(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"abc ")
    assert b"".join(data for data, *_ in chunks_of(path, 4)) == b"abc \n"


def test_files_follow_each_other_in_the_order_given(tmp_path):
    for name, text in (("b", b"2"), ("empty", b""), ("a", b"1\n")):
        (tmp_path / name).write_bytes(text)
    paths = [str(tmp_path / name) for name in ("b", "empty", "a")]
    found = [(c.data[: c.n_bytes].tobytes(), c.file_number) for c in read_chunks(paths)]
    assert found == [(b"2\n", 0), (b"", 1), (b"1\n", 2)]


def test_an_empty_file_after_a_byte_order_mark(tmp_path):
    """Files share a buffer, but not what is left in it."""
    paths = [tmp_path / "mark", tmp_path / "empty", tmp_path / "text"]
    for path, text in zip(paths, (b"\xef\xbb\xbf", b"", b"a"), strict=True):
        path.write_bytes(text)
    found = [(c.data[: c.n_bytes].tobytes(), c.offset, c.n_bytes_read) for c in read_chunks(paths)]
    assert found == [(b"", 3, 3), (b"", 0, 3), (b"a\n", 0, 4)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(["a", "é", "語", " ", "\n", "x" * 99])), st.integers(3, 40))
def test_archives_and_encodings_give_the_same_chunks(tmp_path_factory, pieces, chunk_bytes):
    folder = tmp_path_factory.mktemp("reader")
    text = "".join(pieces)
    plain, packed, wide = (folder / name for name in ("plain.gz", "packed.txt", "wide"))
    plain.write_bytes(text.encode())
    packed.write_bytes(gzip.compress(text.encode()))
    wide.write_bytes(text.encode("utf-16"))

    def chunks(path, **settings):
        return [chunk[:3] for chunk in chunks_of(path, chunk_bytes, TextConfig(**settings))]

    assert chunks(packed) == chunks(wide, encoding="utf-16") == chunks(plain)
    assert chunks_of(packed, chunk_bytes)[-1][3] == packed.stat().st_size


ENCODINGS = [
    "utf-8",
    "UTF8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "utf-32",
    "utf-32-be",
    "utf-7",
    "latin-1",
    "cp1252",
    "mac-roman",
    "cp037",
]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings(tmp_path, encoding):
    text = "un café\r\nnoir ÿ\n" * 3000
    path = tmp_path / "corpus.txt"
    path.write_bytes(text.encode(encoding))
    found, last = text_of(path, encoding=encoding)
    assert found.decode() == text
    assert last.n_bytes_read == path.stat().st_size
    assert last.n_bad_bytes == 0


@pytest.mark.parametrize("encoding", ["shift_jis", "euc-jp", "iso2022_jp", "utf-16-le"])
def test_encodings_of_several_bytes_are_cut_anywhere(tmp_path, encoding):
    text = "日本 語\n" * 20_000
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"" + text.encode(encoding))
    assert text_of(path, encoding=encoding)[0].decode() == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_a_mark_is_skipped_even_if_the_encoding_would_not(tmp_path, encoding):
    path = tmp_path / "corpus.txt"
    path.write_bytes("\ufeffa b\n".encode(encoding))
    assert text_of(path, encoding=encoding)[0] == b"a b\n"


@pytest.mark.parametrize(
    ("data", "encoding", "place", "byte", "replaced", "n_bad"),
    [
        (b"a \x81 b\n", "cp1252", 2, 0x81, "a \ufffd b\n", 1),
        (b"\x93\xfa a\n" * 20_000 + b"\x81\xff\n", "shift_jis", 100_000, 0x81, None, 2),
        ("ab\n".encode("utf-16-le") + b"\0", "utf-16-le", 6, 0, "ab\n\ufffd\n", 1),
        (b"a\0\0\xd8b\0", "utf-16-le", 2, 0, "a\ufffdb\n", 2),
    ],
)
def test_what_is_not_in_the_encoding(tmp_path, data, encoding, place, byte, replaced, n_bad):
    path = tmp_path / "corpus.txt"
    path.write_bytes(data)
    with pytest.raises(TextError) as caught:
        text_of(path, encoding=encoding)
    assert str(caught.value) == (
        f"{path}, byte offset {place}: not {encoding.upper()} (byte 0x{byte:02x}); pass another "
        "encoding, or errors=replace or ignore"
    )
    found, last = text_of(path, encoding=encoding, errors="replace")
    assert replaced is None or found.decode() == replaced
    assert found.decode().count("\ufffd") >= 1
    assert last.n_bad_bytes == n_bad
    ignored, last = text_of(path, encoding=encoding, errors="ignore")
    assert ignored.decode() in (
        found.decode().replace("\ufffd", ""),
        found.decode().replace("\ufffd\n", ""),
    )
    assert last.n_bad_bytes == n_bad


def test_lone_surrogates(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_bytes(b"a +2AA- b\n")
    with pytest.raises(TextError) as caught:
        text_of(path, encoding="utf-7")
    assert str(caught.value) == (
        f"{path}: lone surrogate (\\ud800), which is not a character; pass errors=replace or ignore"
    )
    found, last = text_of(path, encoding="utf-7", errors="replace")
    assert (found.decode(), last.n_bad_bytes) == ("a \ufffd b\n", 1)
    assert text_of(path, encoding="utf-7", errors="ignore")[0] == b"a  b\n"


def test_bad_bytes_of_all_sources_are_counted(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path, text in zip(paths, (b"x\x81\x8d", b"", b"\x81\n"), strict=True):
        path.write_bytes(text)
    chunks = read_chunks(paths, TextConfig(encoding="cp1252", errors="ignore"))
    assert [chunk.n_bad_bytes for chunk in chunks] == [2, 2, 3]


@pytest.mark.parametrize(
    ("head", "encoding", "message"),
    [
        (b"%PDF-1.7\n", "utf-8", "is a PDF, not text; extract its text first"),
        (
            b"PK\x03\x04",
            "utf-8",
            "is a zip archive (or a docx, xlsx, epub or npz file), not text; unpack it, or pipe "
            "its content in (unzip -p)",
        ),
        (
            b"\x7fELF\x02",
            "latin-1",
            "is an ELF program or library, not text; extract its text first",
        ),
        (b"PAR1\x15\x04", "utf-8", "is a Parquet file, not text; pass format=parquet"),
        (
            gzip.compress(b"", mtime=0),
            "utf-8",
            "is gzip data even after decompression, not text; extract its text first",
        ),
        (
            b"\xff\xfea\0",
            "utf-8",
            "begins with a UTF-16 byte order mark (bytes ff fe), but is read as UTF-8; pass "
            "encoding=utf-16",
        ),
        (
            b"\xff\xfe\0\0",
            "utf-16",
            "begins with a UTF-32 byte order mark (bytes ff fe 00 00), but is read as UTF-16; pass "
            "encoding=utf-32",
        ),
        (
            b"\xef\xbb\xbfa",
            "iso8859-1",
            "begins with a UTF-8 byte order mark (bytes ef bb bf), but is read as ISO8859-1; pass "
            "encoding=utf-8",
        ),
        (
            b"a\0b\0c\0",
            "utf-16",
            "begins without a byte order mark (bytes 61 00 62 00); pass encoding=utf-16-le or "
            "utf-16-be",
        ),
    ],
)
def test_heads_that_are_no_text(head, encoding, message):
    with pytest.raises(TextError) as caught:
        check_head(head, "x", encoding)
    assert str(caught.value) == f"x: {message}"


@pytest.mark.parametrize(
    ("head", "is_object"),
    [
        (b'{"a": 1}\n', True),
        (b' \r\n{ "a": {"b": [1]}}\r\nx', True),
        (b'{"text": "' + b"long " * 99, True),
        (b"", False),
        (b'{"a" said he.\n', False),
        (b'{"a" said he', False),
        (b'"a": 1\n', False),
        (b"{}\n", False),
        (b'{"a": \xff}\n', False),
        (b"[" * 4096, False),
        (b'{"a":' * 800 + b"\n", False),
    ],
)
def test_what_begins_with_a_json_object(head, is_object):
    assert begins_with_json_object(head) is is_object


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "latin-1", "utf-16-le"])
@pytest.mark.parametrize(
    "head", [b"", b"BZh9", b"PAR1", b"Rar!", b"PK", b"LZIP", b"7z", b" " * 256 + b"mustard"]
)
def test_heads_that_may_be_text(head, encoding):
    if encoding != "utf-16" or not head:
        check_head(head, "x", encoding)
    check_controls(head, "x")


def test_a_text_may_have_some_control_characters_but_not_many():
    check_controls(b"\0" * 32 + b"a" * 480, "x")
    check_controls(b"\0" * 511, "x")
    check_controls(b"\b\x1b\f" * 512, "x")
    check_controls(b"a" * 4096 + b"\0" * 4096, "x")
    with pytest.raises(TextError) as caught:
        check_controls(b"\0" * 33 + b"a" * 479, "x")
    assert str(caught.value) == (
        "x: is binary, not text (33 of its first 512 bytes are control characters); extract its "
        "text first, or pass its encoding"
    )


@pytest.fixture
def tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        entry = tarfile.TarInfo("corpus.txt")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"a b\n"))
    return file.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_is_no_text_is_refused_before_the_first_file_is_read(tmp_path, tar, pack):
    good, archive = tmp_path / "good.txt", tmp_path / "last.txt"
    good.write_bytes(b"words")
    archive.write_bytes(pack(tar))
    with pytest.raises(TextError) as caught:
        check_sources([good, archive])
    assert str(caught.value) == (
        f"{archive}: is a tar archive, not text; unpack it, or pipe its content in (tar -xOf)"
    )


def test_controls_are_looked_for_in_what_was_packed_or_encoded(tmp_path):
    packed, wide = tmp_path / "packed", tmp_path / "wide"
    packed.write_bytes(gzip.compress(bytes(600)))
    wide.write_bytes(bytes(1200))
    for path, encoding in ((packed, "utf-8"), (packed, "cp1252"), (wide, "utf-16-le")):
        with pytest.raises(TextError, match=r"is binary, not text \(600 of its first 600 bytes"):
            check_sources([path], TextConfig(encoding=encoding))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes in folders")
def test_a_pipe_is_not_opened_before_its_turn(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    sources = check_sources([pipe])
    writer = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(b"a b ", mtime=0),))
    writer.start()
    assert [c.data[: c.n_bytes].tobytes() for c in read_chunks(sources)] == [b"a b \n"]
    writer.join()


@pytest.mark.parametrize("pack", [bytes, partial(gzip.compress, compresslevel=1)])
def test_a_file_that_changes_while_it_is_read(tmp_path, pack):
    """It is long enough not to be read whole by the thread that is ahead."""
    path = tmp_path / "corpus"
    path.write_bytes(pack(os.urandom(4_000_000).hex(" ").encode()))
    chunks = read_chunks([path])
    next(chunks)
    with path.open("ab") as file:
        file.write(bytes(9))
    with pytest.raises(TextError, match=r"corpus: changed while it was read"):
        list(chunks)


def test_an_archive_that_is_left_before_its_end(tmp_path):
    """No file stays open, which would be a warning, and no thread goes on."""
    path = tmp_path / "corpus"
    path.write_bytes(gzip.compress(b"a " * 20_000_000))
    before = set(threading.enumerate())
    chunks = read_chunks([path])
    next(chunks)
    (thread,) = set(threading.enumerate()) - before
    chunks.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_small_archive_needs_no_thread(tmp_path, monkeypatch):
    """A thread for each of many small files would take longer than their text."""
    paths = [tmp_path / name for name in ("a", "b", "long")]
    for path in paths[:2]:
        path.write_bytes(gzip.compress(b"word\n" * 100_000))
    paths[2].write_bytes(gzip.compress(b"word\n" * 200_000))
    started = []
    ahead = reader.read_ahead
    monkeypatch.setattr(reader, "read_ahead", lambda blocks: started.append(1) or ahead(blocks))
    n_bytes = [0, 0, 0]
    for chunk in read_chunks(paths):
        n_bytes[chunk.file_number] += chunk.n_bytes
    assert n_bytes == [500_000, 500_000, 1_000_000]
    assert len(started) == 1


def test_memory_does_not_grow_with_an_archive(tmp_path):
    """It is a buffer and a dozen blocks of 1 MiB each."""
    path = tmp_path / "corpus"
    path.write_bytes(gzip.compress(b"some words\n" * 6_000_000))
    tracemalloc.start()
    try:
        n_bytes = sum(chunk.n_bytes for chunk in read_chunks([path]))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n_bytes == 66_000_000
    assert peak < 15_000_000


@pytest.mark.parametrize(
    "head",
    [
        b"2 3\nthe 0.1 -0.2 3e-05\nof 1 2 3\n",
        b"2 1\r\nthe 0.1\r\n",
        b"71000 100\nthe " + b"0.25 " * 99,  # cut
        b"2 2\nthe \x00\x00\x80\x3f\x00\x00\x80\x3f\n",
        b"the" + b" 0.25" * 50 + b"\nof" + b" -1.5e-3" * 50 + b"\n",
        b"the" + b" 0.25" * 50 + b"\nof" + b" 0.12" * 20 + b" -",  # cut
        b'\xa8\n\0\0\0\0\0\0{"__metadata__": {}, ',
    ],
)
def test_vectors_are_not_text(tmp_path, head):
    path = tmp_path / "out.vec"
    path.write_bytes(head)
    message = f"{path}: is a file of word vectors, not text; name the file to write with -o"
    with pytest.raises(TextError, match=f"^{re.escape(message)}$"):
        check_sources([path])
    path.write_bytes(gzip.compress(head))
    with pytest.raises(TextError, match=f"^{re.escape(message)}$"):
        check_sources([path])


@pytest.mark.parametrize(
    "text",
    [
        b"2 3\nthe 0.1 -0.2\n",
        b"12 34\n",
        b"12 34\nthe cat sat\n",
        b"1 2 3\na 1 2 3\n",
        b"in" + b" 1984" * 50 + b"\n",
    ],
)
def test_numbers_at_the_start_are_still_text(tmp_path, text):
    (tmp_path / "text").write_bytes(text)
    check_sources([tmp_path / "text"])

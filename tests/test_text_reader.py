"""Chunks: whole tokens, wherever the file is cut."""

import errno
import io
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text import reader
from w2v_sparseadam.text.reader import PADDING_BYTES, check_paths, read_chunks

SPACES = b" \t\n\r\v\f"


def chunks_of(path, chunk_bytes):
    return [
        (chunk.data[: chunk.n_bytes].tobytes(), chunk.offset, chunk.data.size, chunk.n_bytes_read)
        for chunk in read_chunks([str(path)], chunk_bytes=chunk_bytes)
    ]


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


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_utf16_is_refused_by_its_mark(tmp_path, mark):
    path = tmp_path / "corpus.txt"
    path.write_bytes(mark + b"a\0")
    with pytest.raises(TextError) as caught:
        chunks_of(path, 16)
    assert str(caught.value) == (
        f"{path}: begins with a UTF-16 byte order mark (bytes {mark.hex(' ')}), expected UTF-8; "
        "convert the file (iconv -f utf-16 -t utf-8)"
    )


def test_paths_are_checked_before_anything_is_read(tmp_path, monkeypatch):
    good = tmp_path / "good.txt"
    good.write_bytes(b"12345")
    assert check_paths([good, str(good)]) == ([str(good), str(good)], 10)
    with pytest.raises(TextError) as caught:
        check_paths([good, tmp_path / "missing.txt"])
    assert str(caught.value) == f"{tmp_path}/missing.txt: cannot be read: No such file or directory"
    with pytest.raises(TextError) as caught:
        check_paths([tmp_path])
    assert str(caught.value) == f"{tmp_path}: is a directory; give the files in it"
    with pytest.raises(TextError, match=r"cannot be read: embedded null byte"):
        check_paths(["a\0b"])
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TextError) as caught:
        check_paths([good])
    assert str(caught.value) == f"{good}: cannot be read: Permission denied"


def test_a_file_that_vanishes_or_fails_is_named(tmp_path, monkeypatch):
    with pytest.raises(TextError) as caught:
        chunks_of(tmp_path / "gone.txt", 16)
    assert str(caught.value) == f"{tmp_path}/gone.txt: cannot be read: No such file or directory"

    class BrokenFile(io.FileIO):
        def readinto(self, buffer):
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "broken.txt"
    path.touch()
    monkeypatch.setattr(reader, "_open", BrokenFile)
    with pytest.raises(TextError) as caught:
        chunks_of(path, 16)
    assert str(caught.value) == f"{path}: cannot be read: {os.strerror(errno.EIO)}"


def test_paths_must_be_a_sequence():
    with pytest.raises(SettingError) as caught:
        check_paths("corpus.txt")
    assert str(caught.value) == (
        "paths must be a sequence of paths, got 'corpus.txt'; pass ['corpus.txt']"
    )
    with pytest.raises(SettingError) as caught:
        check_paths([])
    assert str(caught.value) == "no corpus paths given; pass at least one"

"""Tokenizers that are given whole lines."""

import sys
import tracemalloc
import types
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text import line_tokenizer as lines
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.reading import reader
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.text.tokenizers import whitespace


@pytest.fixture(scope="module", autouse=True)
def own():
    """A module of tokenizers that can be imported."""
    module = types.ModuleType("own_line_tokenizers")
    module.split = whitespace
    module.pairs = pairs
    module.messy = messy
    module.seen = []
    module.note = lambda line: module.seen.append(line) or line.split()
    module.fails = fails
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def pairs(line):
    words = line.split()
    return [f"{one}+{other}" for one, other in pairwise(words)]


def messy(line):
    return [*line.split(","), "", "\u3000", "a\ud800"]


def fails(line):
    raise RuntimeError("no model\nhere")


def read(path, text, name="split", chunk_bytes=1 << 20, **settings):
    path.write_bytes(text)
    config = TextConfig(f"python-lines:own_line_tokenizers:{name}", **{"min_count": 1, **settings})
    return read_corpus([path], config, _piece_bytes=chunk_bytes)


def lines_of(corpus):
    words = [*corpus.vocabulary.words, "\n"]
    text = " ".join(words[word_id] for word_id in corpus.word_ids)
    return [line.split(" ") for line in text.replace(" \n ", "\n").removesuffix(" \n").split("\n")]


def test_words_may_depend_on_the_whole_line(tmp_path):
    with read(tmp_path / "text.txt", b"a b c\nb c\nd\na\tb", "pairs") as corpus:
        assert lines_of(corpus) == [["a+b", "b+c"], ["b+c"], ["a+b"]]
        report = corpus.report
    assert (report.n_lines, report.n_tokens, report.n_types, report.n_words) == (4, 4, 2, 2)
    assert report.n_bytes == 15


pieces = st.one_of(
    st.sampled_from(["a", "b", "É", "北京", " ", "\t", "\r\n", "\n", "\n\n", "\u3000", "\x1c"]),
    st.text(max_size=4),
)


@given(st.lists(pieces, max_size=30).map("".join), st.integers(3, 40), st.booleans())
def test_as_many_words_as_without_lines(tmp_path_factory, text, chunk_bytes, lowercase):
    """Splitting lines at white space is what the tokenizer of that name does."""
    path = tmp_path_factory.mktemp("corpus") / "text.txt"
    data = text.encode(errors="replace")
    settings = {"lowercase": lowercase, "normalize": "nfkc"}
    if not data.decode().removeprefix("\ufeff").split():
        with pytest.raises(TextError, match="no words in it"):
            read(path, data, chunk_bytes=chunk_bytes, **settings)
        return
    by_line = read(path, data, chunk_bytes=chunk_bytes, **settings)
    with by_line, read_corpus([path], TextConfig("whitespace", min_count=1, **settings)) as by_type:
        assert by_line.vocabulary.words == by_type.vocabulary.words
        assert by_line.word_ids.tolist() == by_type.word_ids.tolist()
        assert by_line.report.n_lines == by_type.report.n_lines
        assert by_line.report.n_bytes == by_type.report.n_bytes


def test_lines_are_given_once_without_the_space_around_them(tmp_path, own):
    own.seen.clear()
    text = "\u3000Un caf\u00e9. \r\n\n \nUn the\u0301\nUn the\u0301".encode()
    read(tmp_path / "text.txt", text, "note", chunk_bytes=4, normalize="nfc").close()
    assert own.seen == ["Un caf\u00e9.", "Un th\u00e9", "Un th\u00e9"]


def test_words_that_a_file_cannot_hold_are_mended_and_counted(tmp_path):
    with read(tmp_path / "text.txt", b"b c,d\n,e", "messy") as corpus:
        assert lines_of(corpus) == [["b_c", "d", "a_"], ["e", "a_"]]
        assert corpus.report.n_tokens == 5
        assert corpus.report.n_rewritten_words == 3
        assert corpus.report.n_empty_words == 5


def test_an_error_names_the_line(tmp_path):
    path = tmp_path / "text.txt"
    with pytest.raises(TextError) as caught:
        read(path, b"\n\na b\n", "fails", chunk_bytes=3)
    assert str(caught.value) == (
        f"{path}, line 3: tokenizer fails failed on 'a b': RuntimeError: no model here"
    )


def test_lines_are_counted_anew_in_each_file(tmp_path):
    paths = [tmp_path / "0.txt", tmp_path / "1.txt"]
    paths[0].write_bytes(b"a\nb\nc")
    paths[1].write_bytes(b"\xef\xbb\xbfa\nb \x80c")
    config = TextConfig("python-lines:own_line_tokenizers:split", min_count=1)
    for chunk_bytes in (3, 1 << 20):
        with pytest.raises(TextError) as caught:
            read_corpus(paths, config, _piece_bytes=chunk_bytes)
        assert str(caught.value) == (
            f"{paths[1]}, line 2, byte offset 7: not UTF-8 (byte 0x80); pass another encoding, "
            "or errors=replace or ignore"
        )


@pytest.mark.parametrize(
    ("errors", "words"), [("replace", ["b\ufffd", "\ufffd"]), ("ignore", ["b"])]
)
def test_bad_bytes(tmp_path, errors, words):
    with read(tmp_path / "text.txt", b"a\nb\xe9 \xff\n", errors=errors) as corpus:
        assert lines_of(corpus) == [["a"], words]
        assert corpus.report.n_bad_bytes == 2


def test_a_long_line_is_not_cut(tmp_path):
    with read(tmp_path / "text.txt", b"a b " * 5000 + b"\nc", "pairs", chunk_bytes=64) as corpus:
        assert corpus.report.n_lines == 2
        assert lines_of(corpus) == [["a+b", "b+a"] * 4999 + ["a+b"]]


def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(lines, "LONGEST_LINE", 1000)
    monkeypatch.setattr(reader, "LONGEST_LINE", 1000)
    path = tmp_path / "text.txt"
    with pytest.raises(TextError) as caught:
        read(path, b"a\n" + b"b " * 2000, chunk_bytes=64)
    assert str(caught.value) == (
        f"{path}, line 2: is longer than 1,000 bytes, the limit for a tokenizer of lines; split it"
    )


def test_a_run_without_white_space_may_be_as_long_as_a_line(tmp_path):
    with read(tmp_path / "text.txt", b"ab" * 50, max_token_bytes=9, chunk_bytes=16) as corpus:
        assert lines_of(corpus) == [["ab" * 50]]
        assert corpus.report.n_long_tokens == 0


def test_memory_does_not_grow_with_the_text(tmp_path):
    line = b"antidisestablishmentarianism electroencephalographically\n"
    small, large = tmp_path / "small.txt", tmp_path / "large.txt"
    small.write_bytes(line * 300)
    large.write_bytes(line * 2300)
    config = TextConfig("python-lines:own_line_tokenizers:split", min_count=1)

    def peak(path):
        tracemalloc.start()
        try:
            read_corpus([path], config, _piece_bytes=1 << 10).close()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(small)
    assert peak(large) - peak(small) < 60_000  # 114,000 more bytes of text


def test_progress_reaches_the_end(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"a b c\n" * 100)
    calls = []
    config = TextConfig("python-lines:own_line_tokenizers:split", min_count=1)
    read_corpus(
        [path], config, on_progress=lambda *call: calls.append(call), _piece_bytes=60
    ).close()
    assert len(calls) > 5
    assert calls[-1] == (600, 600, 300)

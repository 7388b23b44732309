"""Word vectors: file formats byte for byte, broken files, and questions about words."""

import doctest
import os
import pickle
import re
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from w2v_sparseadam.errors import (
    FormatError,
    SettingError,
    ShapeError,
    TextError,
    UnknownWordError,
    W2VError,
)
from w2v_sparseadam.system import memory
from w2v_sparseadam.text.reading.compression import open_unpacked
from w2v_sparseadam.vectors import vectors as vectors_module
from w2v_sparseadam.vectors.vectors import Vectors

GOLDEN = Path(__file__).parent / "golden"
GOLDEN_WORDS = ("cat", "naïve", "東京")
GOLDEN_MATRIX = np.array([[0.5, -1.25], [0, 1], [0.1, -3]], dtype=np.float32)


def bits(matrix):
    return matrix.view(np.uint32).tolist()


# Files


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
class TestGolden:
    def test_load(self, name):
        vectors = Vectors.load(GOLDEN / name)
        assert vectors.words == GOLDEN_WORDS
        assert bits(vectors.matrix) == bits(GOLDEN_MATRIX)

    def test_save(self, name, tmp_path):
        Vectors(GOLDEN_WORDS, GOLDEN_MATRIX).save(tmp_path / name)
        assert (tmp_path / name).read_bytes() == (GOLDEN / name).read_bytes()

    def test_content_tells_the_format_not_the_name(self, name, tmp_path):
        copy = tmp_path / "copy.of"
        copy.write_bytes((GOLDEN / name).read_bytes())
        assert Vectors.load(copy).words == GOLDEN_WORDS

    @pytest.mark.filterwarnings("ignore")  # gensim's own
    def test_gensim_reads_the_same_bits(self, name):
        models = pytest.importorskip("gensim.models")
        theirs = models.KeyedVectors.load_word2vec_format(
            str(GOLDEN / name), binary=name.endswith("bin")
        )
        assert tuple(theirs.index_to_key) == GOLDEN_WORDS
        assert bits(theirs.vectors) == bits(GOLDEN_MATRIX)

    def test_without_the_last_newline(self, name, tmp_path):
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes()[:-1])
        assert Vectors.load(tmp_path / name).words == GOLDEN_WORDS


def load(tmp_path, content):
    path = tmp_path / "vectors.vec"
    path.write_bytes(content)
    return Vectors.load(path)


def test_binary_without_newlines_between_records(tmp_path):
    content = (GOLDEN / "vectors.bin").read_bytes()
    header, _, rest = content.partition(b"\n")
    vectors = load(tmp_path, header + b"\n" + rest.replace(b"\n", b""))
    assert vectors.words == GOLDEN_WORDS
    assert bits(vectors.matrix) == bits(GOLDEN_MATRIX)


def test_a_newline_within_a_binary_record_belongs_to_its_word(tmp_path):
    numbers = b"\0\0\x80?"
    with pytest.raises(FormatError, match=r"word 2: 'b\\nc' cannot be written"):
        load(tmp_path, b"3 1\na " + numbers + b"\nb\nc " + numbers + b"d " + numbers)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"2 2\na 1 2 \nb 3 4 \n", id="spaces at the end, as word2vec.c writes"),
        pytest.param(b"2 2\r\na 1 2\r\nb 3 4\r\n", id="CRLF"),
        pytest.param(b"2 2\na 1e0 +2.0\nb 3 .4e1", id="other spellings of numbers"),
        pytest.param(b"2 2\na 1 2\nb 3 4\n\n \r\n", id="blank lines at the end"),
    ],
)
def test_text_variants(tmp_path, content):
    vectors = load(tmp_path, content)
    assert vectors.words == ("a", "b")
    assert vectors.matrix.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    "word", ["a\u00a0b", "\u2028", "\u0085x", "\x1c", "\x00", "\ufeff", "3", "#", "é" * 3000]
)
@pytest.mark.parametrize("suffix", ["vec", "bin", "BIN"])
def test_a_word_may_hold_all_but_ascii_white_space(tmp_path, word, suffix):
    path = tmp_path / f"out.{suffix}"
    Vectors([word, "b"], [[1.5, 2, 0.1], [3, 4, 5]]).save(path)
    vectors = Vectors.load(path)
    assert vectors.words == (word, "b")
    assert vectors[word].tolist() == [1.5, 2, np.float32(0.1)]


def test_a_binary_file_may_begin_like_text(tmp_path):
    """Found by the fuzzer: the first record reads as a line of text, the second does not."""
    first, second = (np.frombuffer(data, "<f4") for data in (b"5.5 -1.2", b"0\0\0\0\0\0 1"))
    vectors = Vectors(["cat", "53"], [first, second])
    vectors.save(tmp_path / "v.bin")
    loaded = Vectors.load(tmp_path / "v.bin")
    assert loaded.words == vectors.words
    assert loaded.matrix.tobytes() == vectors.matrix.tobytes()


@pytest.mark.parametrize("numbers", [b"~zs>abc?", b"1 2?3,4="])
def test_binary_numbers_may_happen_to_be_printable(tmp_path, numbers):
    vectors = load(tmp_path, b"1 2\na " + numbers + b"\n")
    assert vectors["a"].tobytes() == numbers


def test_binary_records_longer_than_the_reading_buffer(tmp_path, monkeypatch):
    monkeypatch.setattr("w2v_sparseadam.vectors.formats.word2vec_binary.PIECE_BYTES", 7)
    assert Vectors.load(GOLDEN / "vectors.bin").words == GOLDEN_WORDS


words = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\v\f\r"), min_size=1
)


# From two dimensions on: in one, four bytes of a float32 can happen to spell a number and a space.
@st.composite
def word_vectors(draw):
    names = draw(st.lists(words, min_size=1, max_size=5, unique=True))
    shape = (len(names), draw(st.integers(2, 6)))
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
    return Vectors(names, draw(arrays(np.float32, shape, elements=numbers)))


@given(word_vectors(), st.sampled_from([".vec", ".bin"]))
def test_saving_then_loading_is_the_identity(vectors, suffix):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out" + suffix)
        vectors.save(path)
        loaded = Vectors.load(path)
    assert loaded.words == vectors.words
    assert bits(loaded.matrix) == bits(vectors.matrix)


def test_every_exponent_survives_text(tmp_path):
    rng = np.random.default_rng(20260301)
    raw = rng.integers(0, 2**32, 3000, dtype=np.uint32)
    numbers = raw.view(np.float32)
    numbers = numbers[np.isfinite(numbers)][:2900].reshape(29, 100)
    Vectors([str(row) for row in range(29)], numbers).save(tmp_path / "out.txt")
    assert bits(Vectors.load(tmp_path / "out.txt").matrix) == bits(numbers)


def check_loads_or_tells(content):
    """Load `content` in little memory, or meet a FormatError of one line; else fail."""
    told = "x.vec"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.vec")
        path.write_bytes(content)
        tracemalloc.start()
        try:
            assert np.isfinite(Vectors.load(path).matrix).all()
        except (FormatError, TextError) as error:  # TextError: begins like compressed data
            told = f"{error}"
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
    assert "x.vec" in told
    assert "\n" not in told
    # A small file is read in two pieces of the buffer's size.
    assert peak < 4 << 20


headers = st.builds(b"%d %d\n".__mod__, st.tuples(st.integers(0, 4), st.integers(0, 4)))


@given(
    st.one_of(
        st.binary(),
        st.builds(bytes.__add__, headers, st.binary(max_size=60)),
        st.builds(bytes.__add__, headers, st.text("ab1.- \n\té\x00", max_size=60).map(str.encode)),
    )
)
def test_random_bytes_load_or_raise_a_format_error(content):
    check_loads_or_tells(content)


@given(st.data())
def test_a_damaged_file_loads_or_raises_a_format_error(data):
    content = bytearray(
        (GOLDEN / data.draw(st.sampled_from(["vectors.txt", "vectors.bin"]))).read_bytes()
    )
    place = data.draw(st.integers(0, len(content) - 1))
    content[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    check_loads_or_tells(content)


# What takes the place of a number, a word or a line.
HOSTILE = [
    b"nan", b"-inf", b"1e39", b"1e999", b"1_0", b"0x1", b"1,5", b"--1", b"9" * 400, b"", b" ",
    b"\n", b"\r\n", b"\0", b"\xff\xfe", b"\xc3", b"\xed\xa0\x80", b"\t", b"a b", b"w" * 9000,
    b"1" * 30 + b" ", b"1 " * 500,
]  # fmt: skip
HEADERS = [b"0", b"1", b"2", b"3", b"1000000000", b"9" * 19, b"9" * 48, b"-1", b"2.5", b"", b"\0"]


def test_a_mutated_file_loads_or_raises_a_format_error():
    @given(word_vectors(), st.sampled_from([".vec", ".bin"]), st.data())
    def mutate(vectors, suffix, data):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "valid" + suffix)
            vectors.save(path)
            content = path.read_bytes()
        draw = data.draw
        for _ in range(draw(st.integers(1, 4))):
            header, _, body = content.partition(b"\n")
            separator = draw(st.sampled_from([b"\n", b" "]))
            parts = body.split(separator)
            part = draw(st.integers(0, len(parts) - 1))
            match draw(st.sampled_from(["header", "replace", "insert", "drop", "repeat", "cut"])):
                case "header":
                    fields = [*header.split(b" "), b"", b""]
                    fields[draw(st.integers(0, 1))] = draw(st.sampled_from(HEADERS))
                    header = b" ".join(fields).strip()
                case "replace":
                    parts[part] = draw(st.sampled_from(HOSTILE))
                case "insert":
                    parts.insert(part, draw(st.sampled_from(HOSTILE)))
                case "drop":
                    del parts[part]
                case "repeat":
                    parts.insert(part, parts[draw(st.integers(0, len(parts) - 1))])
                case "cut":
                    parts[part:] = [parts[part][: draw(st.integers(0, 9))]]
            content = header + b"\n" + separator.join(parts)
        check_loads_or_tells(content)

    mutate()


def sparse_file(tmp_path, head, size):
    """Write a file that begins with `head` and takes no room on the disk for the rest."""
    path = tmp_path / "vectors.vec"
    with path.open("wb") as stream:
        stream.write(head)
        stream.truncate(size)
    return path


def test_a_file_without_an_end_of_a_word_takes_little_memory(tmp_path):
    path = sparse_file(tmp_path, b"1 5\n", 1 << 32)
    tracemalloc.start()
    with pytest.raises(FormatError) as caught:
        Vectors.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"{caught.value}" == f"{path}, word 1: no space after it within 16,777,216 bytes"
    assert peak < 1 << 27


def test_a_line_without_an_end_takes_little_memory(tmp_path):
    path = sparse_file(tmp_path, b"2 2\na 1 2\nb 1 2 ", 1 << 32)
    tracemalloc.start()
    with pytest.raises(FormatError) as caught:
        Vectors.load(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert f"{caught.value}" == (f"{path}, line 3: is too long for a word and 2 numbers")
    assert peak < 1 << 27


def test_many_numbers_too_many_are_not_kept(tmp_path):
    content = b"1 1\na" + b" 1" * 200_000
    tracemalloc.start()
    with pytest.raises(FormatError, match=r"line 2: expected 1 number after 'a', found 200000$"):
        load(tmp_path, content)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(content)


def test_vectors_of_a_million_dimensions_and_more(tmp_path):
    path = sparse_file(tmp_path, b"1 2000000\na 1", 1 << 23)
    with pytest.raises(FormatError) as caught:
        Vectors.load(path)
    assert f"{caught.value}" == (
        f"{path}, line 1: 2000000 dimensions are more than can be read (1,048,576)"
    )


def test_vectors_that_memory_cannot_hold(tmp_path, monkeypatch):
    path = sparse_file(tmp_path, b"1000000 1000\na 1", 1 << 33)
    monkeypatch.setattr(memory, "available_memory", lambda: 10**9)
    with pytest.raises(W2VError) as caught:
        Vectors.load(path)
    assert f"{caught.value}" == (
        f"{path}: 1,000,000 words of 1,000 dimensions: it needs 4.0 GB of memory, and 1.0 GB are "
        "free"
    )


NUL = b"\0\0\0\0"
HINT = "expected the numbers of words and of dimensions, as in '71000 100', found "


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f", line 1: {HINT}''"),
        (b"the 0.1 x\n", f", line 1: {HINT}'the 0.1 x\\n'"),
        (b"a 1 2\nb 3\n", ", line 2: expected 2 numbers after 'b', found 1"),
        (b"a 1 2\nb 3 x\n", ", line 2: expected 2 numbers after 'b', found 'x'"),
        (b"a 1 2\nb 3 4 5\n", ", word 2: 'b 3' cannot be written: a word must be valid Unicode"),
        (b"a 1 2\nb 3 inf\n", ", word 2: the vector of 'b' holds inf, not a finite float32"),
        (b"a 1 2\n\xff 3 4\n", ", line 2: the word '�' is not UTF-8"),
        (b"2 -1\n", f", line 1: {HINT}'2 -1\\n'"),
        (b"9" * 500, f", line 1: {HINT}'{'9' * 40}'…"),
        (
            pickle.dumps([0] * 100, 4),
            ": is a Python pickle, not gensim's KeyedVectors; gensim's save_word2vec_format writes",
        ),
        (b"PK\x03\x04", ": is a zip archive (or a docx, xlsx, epub or npz file), not word vectors"),
        (b"0 5\n", ", line 1: 0 words of 5 dimensions hold no vectors"),
        (b"5 0\n", ", line 1: 5 words of 0 dimensions hold no vectors"),
        (
            b"1000000000 1000000000\na 1\n",
            ", line 1: 1,000,000,000 words of 1,000,000,000 dimensions do not fit in a file of 26 "
            "bytes; it is truncated, or line 1 is not a header",
        ),
        (b"2 2\na 1 2\ncat 1\nx", ", line 3: expected 2 numbers after 'cat', found 1"),
        (b"2 2\na 1 2\ncat 1 2 3\n", ", line 3: expected 2 numbers after 'cat', found 3"),
        (b"2 2\na 1 2\ncat 1 x2\n", ", line 3: expected 2 numbers after 'cat', found 'x2'"),
        (b"2 2\na 1 2\ncat 1 1_0\n", ", line 3: expected 2 numbers after 'cat', found '1_0'"),
        (b"2 2\na 1 2\ncat-tail\n", ", line 3: expected 2 numbers after 'cat-tail', found 0"),
        (b"2 3\na 1 2\nb 3 4 \nccc", ", line 2: expected 3 numbers after 'a', found 2"),
        (b"2 2\na 1 2\n\xff 3 4\n", ", line 3: the word '�' is not UTF-8"),
        (b"2 2\nabcdefg 1 2\n", ": ends after 1 of the 2 words that line 1 promises"),
        (b"1 2\na 1 2\nb 3 4\n", ", line 3: more than the 1 word that line 1 promises"),
        (b"2 2\na 1 2\na 3 4\n", ", word 2: 'a' is also word 1"),
        (b"2 2\na 1 2\nb nan 4\n", ", word 2: the vector of 'b' holds nan, not a finite float32"),
        (b"2 2\na 1 2\nb 4 -1e39\n", ", word 2: the vector of 'b' holds -inf, not a finite"),
        (b"2 2\na 1 2\nx\ty 3 4\n", ", line 3: has a tab after 'x'; spaces must separate the word"),
        (b"2 2\na\t1\t2\nb\t3\t4\n", ", line 2: has a tab after 'a'; spaces must separate the"),
        (b"2 2\na 1 2\n 3 4\n", ", line 3: begins with a space; expected a word and its numbers"),
        (b"2 2\n a 1 2\nb 3 4\n", ", line 2: begins with a space; expected a word and its"),
        (b"2 2\na 1 2\n\nb 3 4\n", ", line 3: is blank; expected a word and its numbers"),
        (b"1 2\na 1 2\n\n \nb 3 4\n", ", line 3: more than the 1 word that line 1 promises"),
        (
            b"2 3\nking 0,1 0,2 0,3\nqueen 0,4 0,5 0,6\n",
            ", line 2: expected 3 numbers after 'king', found '0,1'; use a decimal point, "
            "not a comma",
        ),
        (
            b"2 2\nking 0,125 -0,25\nqueen 0,5 0,75\n",
            ", line 2: expected 2 numbers after 'king', found '0,125'; use a decimal point, not",
        ),
        (b"2 4\n\xd0\xbc\xd0\xb8\xd1\x80 1 0 0\n\xd0\xbc 1 0 0 1\n", ", line 2: expected 4 numb"),
        (b"1 1\na" + NUL, ": ends after 0 of the 1 word that line 1 promises"),
        (
            b"2 1\na " + NUL + b"\nb " + NUL[1:],
            ": ends after 1 of the 2 words that line 1 promises",
        ),
        (b"1 1\na " + NUL + b"\nb", ": more than the 1 word that line 1 promises"),
        (b"1 1\na " + NUL + b"\n\n", ": more than the 1 word that line 1 promises"),
        (b"2 1\na " + NUL + b"\n\xff " + NUL, ", word 2: the word '�' is not UTF-8"),
        (b"1 1\na \0\0\xc0\x7f", ", word 1: the vector of 'a' holds nan, not a finite"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, content, message):
    with pytest.raises(FormatError) as caught:
        load(tmp_path, content)
    told = str(caught.value)
    assert told.startswith(f"{tmp_path / 'vectors.vec'}{message}")
    assert "\n" not in told


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(W2VError, match=r"missing\.vec: cannot be read: No such file or directory"):
        Vectors.load(tmp_path / "missing.vec")
    with pytest.raises(FormatError, match="/dev/null, line 1: expected the numbers of words and"):
        Vectors.load("/dev/null")
    with pytest.raises(W2VError, match="is a folder without a run; name a file of vectors"):
        Vectors.load(tmp_path)


@pytest.mark.parametrize("name", ["a", "a.txt.gz", "a.vec.bz2", "a.gz", "a.bin.xz", "a.BIN.zst"])
def test_compressed_vectors(tmp_path, name):
    vectors = Vectors(GOLDEN_WORDS, GOLDEN_MATRIX)
    vectors.save(tmp_path / name)
    loaded = Vectors.load(tmp_path / name)
    assert loaded.words == GOLDEN_WORDS
    assert bits(loaded.matrix) == bits(GOLDEN_MATRIX)
    with open_unpacked(tmp_path / name) as (stream, _, _):
        golden = "vectors.bin" if ".bin" in name.lower() else "vectors.txt"
        assert stream.read() == (GOLDEN / golden).read_bytes()


def test_compressed_vectors_that_are_cut_short(tmp_path):
    path = tmp_path / "a.vec.gz"
    Vectors(GOLDEN_WORDS, GOLDEN_MATRIX).save(path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(W2VError, match=r"a\.vec\.gz: truncated gzip data, which ends at byte \d+;"):
        Vectors.load(path)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.bin"])
def test_vectors_from_a_pipe(name):
    read_end, write_end = os.pipe()
    content = (GOLDEN / name).read_bytes()
    with open(write_end, "wb") as stream:
        stream.write(content[:9])
        stream.flush()
        stream.write(content[9:])
    try:
        assert Vectors.load(f"/dev/fd/{read_end}").words == GOLDEN_WORDS
    finally:
        os.close(read_end)


@pytest.mark.parametrize(
    "name", ["a.npz", "a.h5", "a.floret.gz", "a.pkl", "a.model", "a.v2", "a.csv"]
)
def test_a_name_that_asks_for_another_format_is_refused(tmp_path, name):
    ending = Path(name.removesuffix(".gz")).suffix
    message = f"{tmp_path / name}: vectors cannot be written as '{ending}'; "
    extensions = "model2vec, .*.vec, .txt, .bin or none, then .gz, .bz2, .xz, .zst to compress"
    with pytest.raises(SettingError, match=f"^{re.escape(message)}.*{extensions}$"):
        Vectors(GOLDEN_WORDS, GOLDEN_MATRIX).save(tmp_path / name)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "ending", [".npy", ".safetensors", ".parquet", ".kv", ".tsv", ".model2vec"]
)
def test_what_is_mapped_or_has_several_files_is_not_compressed(tmp_path, ending):
    with pytest.raises(SettingError, match=r" cannot be compressed; leave out \.gz$"):
        Vectors(GOLDEN_WORDS, GOLDEN_MATRIX).save(tmp_path / f"a{ending}.gz")
    assert not list(tmp_path.iterdir())


# Words and matrix


def test_the_example_of_the_docstring():
    result = doctest.testmod(vectors_module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a", "b", "a"], "word 3: 'a' is also word 1"),
        (["a", "", "b"], "word 2: '' cannot be written: a word must be valid Unicode, not empty, "),
        (["a", "b", "c d"], "word 3: 'c d' cannot be written"),
        (["a\n", "b", "c"], "word 1: 'a\\n' cannot be written"),
        (["a\ud800", "b", "c"], "word 1: 'a\\ud800' cannot be written"),
    ],
)
def test_words_that_no_file_can_hold_are_refused(names, message):
    with pytest.raises(FormatError, match="^" + re.escape(message)):
        Vectors(names, np.ones((3, 2)))


@pytest.mark.parametrize("space", " \t\n\v\f\r")
def test_every_ascii_white_space_is_refused(space):
    with pytest.raises(FormatError, match=r"word 2: .* cannot be written"):
        Vectors(["a", f"b{space}c"], np.ones((2, 2)))


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 1e39])
def test_numbers_that_are_not_finite_are_refused(number):
    matrix = np.array([[0, 1], [-np.inf, number]])
    with pytest.raises(FormatError, match=r"word 2: the vector of 'b' holds -inf, not a finite"):
        Vectors(["a", "b"], matrix)
    with pytest.raises(FormatError, match=r"word 1: the vector of 'a' holds (nan|-?inf), not a"):
        Vectors(["a"], [[number, 0]])


@pytest.mark.parametrize("shape", [(2, 0), (3, 2), (2,), (2, 2, 2)])
def test_a_matrix_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(
        ShapeError, match=re.escape(f"shape (2, D) with D at least 1, found shape {shape}")
    ):
        Vectors(["a", "b"], np.zeros(shape))


def test_no_words_are_refused():
    with pytest.raises(ShapeError, match="expected at least one word"):
        Vectors([], np.zeros((0, 3)))


def test_it_reads_like_a_mapping():
    vectors = Vectors(GOLDEN_WORDS, GOLDEN_MATRIX)
    assert len(vectors) == 3
    assert list(vectors) == list(GOLDEN_WORDS)
    assert "cat" in vectors
    assert "dog" not in vectors
    assert vectors.dim == 2
    assert vectors["cat"].tolist() == [0.5, -1.25]
    assert vectors["cat"].dtype == np.float32
    assert repr(vectors) == "<Vectors: 3 words, 2 dimensions>"
    with pytest.raises(ValueError, match="read-only"):
        vectors["cat"][0] = 1


def test_the_matrix_is_not_copied():
    matrix = GOLDEN_MATRIX.copy()
    assert np.shares_memory(Vectors(GOLDEN_WORDS, matrix).matrix, matrix)
    assert matrix.flags.writeable


# Questions

#   By hand: unit vectors (0.6, 0.8), (0.8, 0.6), (-0.8, 0.6), (0, -1) and the zero vector.
#   one·two = 0.48 + 0.48 = 0.96; one·ten = -0.48 + 0.48 = 0; one·low = -0.8; one·nil = 0.
SMALL = Vectors(["one", "two", "ten", "low", "nil"], [[3, 4], [8, 6], [-4, 3], [0, -9], [0, 0]])


def test_similarity_by_hand():
    assert SMALL.similarity("one", "two") == pytest.approx(0.96, abs=1e-6)
    assert SMALL.similarity("one", "low") == pytest.approx(-0.8, abs=1e-6)
    assert SMALL.similarity("one", "nil") == 0
    assert SMALL.similarity("nil", "nil") == 0


def test_similarity_never_leaves_its_range():
    rng = np.random.default_rng(20260302)
    vectors = Vectors([str(row) for row in range(200)], rng.normal(size=(200, 7)))
    cosines = [vectors.similarity(word, word) for word in vectors]
    assert max(cosines) <= 1
    assert cosines == pytest.approx([1] * 200, abs=1e-6)


def test_neighbors_by_hand():
    nearest = SMALL.most_similar("one")
    assert [word for word, _ in nearest] == ["two", "ten", "nil", "low"]
    assert [cosine for _, cosine in nearest] == pytest.approx([0.96, 0, 0, -0.8], abs=1e-6)
    assert SMALL.most_similar("one", n=1) == nearest[:1]
    assert SMALL.most_similar("one", exclude=["two", "unheard-of"]) == nearest[1:]
    assert SMALL.most_similar("one", exclude=SMALL.words) == []


def test_neighbors_of_a_vector():
    nearest = SMALL.most_similar(np.array([60, 80]), n=2)
    assert [word for word, _ in nearest] == ["one", "two"]
    assert [cosine for _, cosine in nearest] == pytest.approx([1, 0.96], abs=1e-6)


def test_neighbors_of_the_zero_vector_are_in_order_and_no_nan():
    assert SMALL.most_similar("nil") == [("one", 0), ("two", 0), ("ten", 0), ("low", 0)]


def test_equal_cosines_keep_the_order_of_the_words():
    rng = np.random.default_rng(20260303)
    pattern = rng.normal(size=(1, 33))
    vectors = Vectors([f"w{row}" for row in range(101)], np.repeat(pattern, 101, axis=0))
    for n in (1, 7, 100):
        found = [word for word, _ in vectors.most_similar("w50", n)]
        assert found == [f"w{row}" for row in range(101) if row != 50][:n]


def test_neighbors_match_a_full_sort():
    rng = np.random.default_rng(20260304)
    matrix = rng.normal(size=(50, 5))
    vectors = Vectors([str(row) for row in range(50)], matrix)
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    for query in range(0, 50, 7):
        order = [str(row) for row in np.argsort(-(unit @ unit[query])) if row != query]
        assert [word for word, _ in vectors.most_similar(str(query), 9)] == order[:9]


def test_analogy_by_hand():
    # b - a + c with unit vectors: (0, 1) - (1, 0) + (0.6, 0.8) = (-0.4, 1.8), nearest to "up-left";
    # without dividing by their lengths it would be (0, 1) - (5, 0) + (6, 8) = (1, 9).
    vectors = Vectors(
        ["a", "b", "c", "up-left", "up", "right"],
        [[5, 0], [0, 1], [6, 8], [-4, 18], [1, 9], [2, -1]],
    )
    answers = vectors.analogy("a", "b", "c", n=2)
    assert [word for word, _ in answers] == ["up-left", "up"]
    assert answers[0][1] == pytest.approx(1, abs=1e-6)
    assert [word for word, _ in vectors.analogy("a", "b", "c")] == ["up-left", "up", "right"]
    assert [word for word, _ in vectors.analogy("a", "a", "c", 1)] == ["up"]


def test_very_large_and_very_small_numbers():
    vectors = Vectors(["a", "b", "c"], np.array([[3e38, 3e38], [1e-44, 1e-44], [-3e38, 0]]))
    assert vectors.similarity("a", "b") == pytest.approx(1, abs=1e-6)
    assert vectors.similarity("a", "c") == pytest.approx(-np.sqrt(0.5), abs=1e-6)


def test_what_is_not_asked_for_is_left_out_by_one_word_or_several():
    vectors = Vectors(["one", "two", "ten"], [[3, 4], [4, 3], [-4, 3]])
    for exclude in ("two", ["two"], {"two", "none"}):
        assert [word for word, _ in vectors.most_similar("one", exclude=exclude)] == ["ten"]


def test_get():
    vectors = Vectors(["one"], [[3, 4]])
    assert vectors.get("one").tolist() == [3, 4]
    assert vectors.get("two") is None
    assert vectors.get("two", 7) == 7


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("caf\u00e9", "caf\u00e9"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u00e0", "a\u0300"),
        ("CAFE\u0301", "caf\u00e9"),
        ("Paris", "Paris"),
        ("paris", "paris"),
        ("PARIS", "paris"),
        ("none", None),
    ],
)
def test_find(asked, found):
    vectors = Vectors(["caf\u00e9", "a\u0300", "Paris", "paris"], np.eye(4))
    assert vectors.find(asked) == found


def test_an_unknown_word_is_a_key_error_with_the_same_message():
    with pytest.raises(KeyError) as caught:
        Vectors(["one"], [[3, 4]])["onn"]
    assert isinstance(caught.value, UnknownWordError)
    assert str(caught.value) == "no vector for 'onn'; did you mean 'one'?"


@pytest.mark.parametrize(
    ("ask", "error", "message"),
    [
        (lambda v: v[0], TypeError, "a word must be a str, got 0"),
        (lambda v: v.find(b"one"), TypeError, "a word must be a str, got bytes"),
        (lambda v: v.suggest(0), TypeError, "a word must be a str, got 0"),
        (lambda v: Vectors([1], [[1, 2]]), TypeError, "a word must be a str, got 1"),
        (lambda v: v.similarity("one", None), TypeError, "a word must be a str, got None"),
        (lambda v: v.most_similar([b"one"]), TypeError, "a query must be a word or a vector of"),
        (lambda v: v.most_similar(v), ShapeError, "expected a vector of shape (2,), found (2, 2)"),
        (lambda v: v.most_similar(), SettingError, "there is no query; give a word, a vector, or"),
        (
            lambda v: v.most_similar([]),
            SettingError,
            "there is no query; give a word, a vector, or",
        ),
        (lambda v: v.most_similar("one", topn=0), SettingError, "n is 0; ask for at least 1 word"),
        (lambda v: v.most_similar("one", ["two"]), TypeError, "n must be a whole number, got list"),
        (lambda v: v[["one", 2]], TypeError, "a word must be a str, got 2"),
        (lambda v: v.doesnt_match("one two"), TypeError, "words must be a list of words, got 'one"),
        (
            lambda v: v.doesnt_match([]),
            SettingError,
            "there are no words to compare; give at least",
        ),
        (lambda v: v.n_similarity(["one"], []), SettingError, "there are no words to compare; giv"),
        (lambda v: v.doesnt_match(["one", "onn"]), KeyError, "no vector for 'onn'; did you mean"),
        (lambda v: v.most_similar("one", n=1.5), TypeError, "n must be a whole number, got 1.5"),
        (lambda v: v.most_similar([1, np.nan]), SettingError, "the query holds nan, not a finite"),
        (lambda v: v.most_similar([-np.inf, 1]), SettingError, "the query holds -inf, not a fin"),
    ],
)
def test_questions_of_a_wrong_type_are_one_clear_line(ask, error, message):
    with pytest.raises(error, match=f"^{re.escape(message)}") as caught:
        ask(Vectors(["one", "two"], [[3, 4], [4, 3]]))
    assert isinstance(caught.value, W2VError)
    assert "\n" not in str(caught.value)


def test_wrong_questions_are_refused():
    with pytest.raises(SettingError, match="n is 0; ask for at least 1 word"):
        SMALL.most_similar("one", 0)
    with pytest.raises(ShapeError, match=re.escape("expected a vector of shape (2,), found (3,)")):
        SMALL.most_similar([1, 2, 3])
    message = re.escape("no vector for 'tne'; did you mean 'one', 'ten'?")
    for ask in (
        SMALL.__getitem__,
        SMALL.most_similar,
        lambda word: SMALL.similarity("one", word),
        lambda word: SMALL.analogy("one", word, "two"),
    ):
        with pytest.raises(UnknownWordError, match=f"^{message}$"):
            ask("tne")
    with pytest.raises(UnknownWordError, match=r"^no vector for 'zzz'; no word"):
        SMALL["zzz"]


@pytest.mark.parametrize(
    ("word", "best"),
    [
        ("quene", "queen"),
        ("uqeen", "queen"),
        ("xueen", "queen"),
        ("Queen", "queen"),
        ("accomodation", "accommodation"),
        ("ZURICH", "Zurich"),
        ("東京部", "東京都"),
    ],
)
def test_suggestions(word, best):
    names = ["the", "queen", "quest", "accommodation", "Zurich", "東京都", "rate"]
    vectors = Vectors(names, np.ones((len(names), 1)))
    assert vectors.suggest(word)[0] == best
    assert vectors.suggest(word, n=1) == [best]


def test_equally_close_suggestions_keep_the_order_of_the_words():
    vectors = Vectors(["cart", "card", "carp", "care", "the"], np.ones((5, 1)))
    assert vectors.suggest("car") == ["cart", "card", "carp"]
    assert vectors.suggest("") == []
    assert vectors.suggest("zzz") == []

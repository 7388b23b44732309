"""Files of vectors from strangers: each loads, or is refused in one line and little memory."""

import json
import os
import pickle
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import FormatError, TextError, W2VError
from w2v_sparseadam.vectors.formats import gensim_file
from w2v_sparseadam.vectors.formats.registry import FORMATS
from w2v_sparseadam.vectors.vectors import Vectors

VECTORS = Vectors(
    ["cat", "naïve", "東京"], np.array([[0.5, -1.25], [0, 1], [0.1, -3]]), np.array([3, 2, 1])
)
PICKLES = pytest.mark.filterwarnings("ignore")
NEEDED = {".parquet": "pyarrow", ".kv": "gensim"}
FILES = [
    ("x.glove",),
    ("x.safetensors",),
    ("x.npy", "x.words.txt"),
    ("x.parquet",),
    ("x.kv",),
    ("x.tsv", "x_metadata.tsv"),
    ("x.model2vec/model.safetensors", "x.model2vec/tokenizer.json"),
]
CASES = [(files, part) for files in FILES for part in range(len(files))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Return the folder of good files, and their contents."""
    folder = tmp_path_factory.mktemp("whole")
    for files in FILES:
        ending = Path(Path(files[0]).parts[0]).suffix
        if ending not in NEEDED or __import__("importlib").util.find_spec(NEEDED[ending]):
            VECTORS.save(folder / f"x{ending}")
    return folder


def check_loads_or_tells(folder, files, most_bytes=8 << 20):
    """Load, or meet an error of one line that names the place, in little memory; else fail."""
    path = folder / Path(files[0]).parts[0]
    told = ""
    tracemalloc.start()
    try:
        vectors = Vectors.load(path)
        assert np.isfinite(vectors.matrix).all()
        assert len(set(vectors.words)) == len(vectors.matrix)
        hash(vectors.matrix.tobytes())
    except (FormatError, TextError, W2VError) as error:
        told = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert not told or told.startswith(f"{folder}/x")
    assert told.isprintable()
    assert peak < most_bytes
    return told


@pytest.mark.parametrize(("files", "part"), CASES, ids=lambda case: str(case))
class TestDamage:
    @pytest.fixture(autouse=True)
    def folder(self, files, whole):
        if not (whole / files[0]).exists():
            pytest.skip(f"{NEEDED[Path(files[0]).suffix]} is not installed")
        content = {name: (whole / name).read_bytes() for name in files}
        yield whole
        for name, data in content.items():
            (whole / name).write_bytes(data)

    def test_cut_short_anywhere(self, files, part, folder):
        content = (folder / files[part]).read_bytes()
        for size in range(0, len(content), max(1, len(content) // 500)):
            (folder / files[part]).write_bytes(content[:size])
            check_loads_or_tells(folder, files)

    def test_damaged_bytes(self, files, part, folder):
        content = (folder / files[part]).read_bytes()
        hostile = [b"", b"\0", b"\xff", b"9", b"-", b"\n", b"\t", b" ", b"nan", b"inf", b"1e99"]
        hostile += [b"\xff" * 8, b"9" * 20, b"\x7f", b"{", b"["]

        @given(st.data())
        def damage(data):
            changed = bytearray(content)
            for _ in range(data.draw(st.integers(1, 3))):
                place = data.draw(st.integers(0, len(changed)))
                new = data.draw(st.sampled_from(hostile) | st.binary(max_size=4))
                changed[place : place + data.draw(st.integers(0, 8))] = new
            (folder / files[part]).write_bytes(changed)
            check_loads_or_tells(folder, files)

        damage()

    def test_a_missing_part(self, files, part, folder):
        (folder / files[part]).unlink()
        if part == 0 and len(Path(files[0]).parts) == 1:
            return  # the file that is named
        told = check_loads_or_tells(folder, files)
        assert told


def told_of(path):
    with pytest.raises(W2VError) as caught:
        Vectors.load(path)
    assert str(caught.value).isprintable()
    return str(caught.value)


# Pickles


class Evil:
    """Writes a file as it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class KeyedVectors:
    """Has attributes."""


def pickle_of(**state):
    """Return a pickle like one of gensim's, without gensim."""

    thing = KeyedVectors()
    vars(thing).update(state)
    return pickle.dumps(thing, 4).replace(__name__.encode(), b"x" * len(__name__))


def test_a_pickle_runs_nothing(tmp_path):
    (tmp_path / "x.kv").write_bytes(pickle.dumps(Evil(tmp_path / "made"), 4))
    assert "is a Python pickle, not gensim's KeyedVectors" in told_of(tmp_path / "x.kv")
    good = {"index_to_key": ["a"], "vectors": np.ones((1, 2), np.float32)}
    (tmp_path / "x.kv").write_bytes(pickle_of(**good, evil=Evil(tmp_path / "made")))
    assert Vectors.load(tmp_path / "x.kv").words == ("a",)
    (tmp_path / "x.kv").write_bytes(pickle_of(index_to_key=["a"], vectors=Evil(tmp_path / "made")))
    assert "has an array that cannot be read" in told_of(tmp_path / "x.kv")
    for code in (b"cos\nsystem\n", b"\x8c\x02os\x8c\x06system\x93", b"ios\nsystem\n"):
        (tmp_path / "x.kv").write_bytes(b"\x80\x04(" + code + b"X\x02\0\0\0ls\x85R.")
        told_of(tmp_path / "x.kv")
    assert not (tmp_path / "made").exists()


def test_nothing_that_a_pickle_names_is_imported(tmp_path):
    (tmp_path / "trap.py").write_text("raise SystemExit('was imported')")
    (tmp_path / "x.kv").write_bytes(b"\x80\x04\x8c\x04trap\x8c\x01f\x93)R.")
    script = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
    script += "from w2v_sparseadam.vectors.vectors import Vectors; Vectors.load('x.kv')"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True)
    assert b"not gensim's KeyedVectors" in done.stderr
    assert b"was imported" not in done.stderr


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({}, "is a Python pickle, not gensim's KeyedVectors"),
        ({"index_to_key": "ab"}, "is a Python pickle, not gensim's KeyedVectors"),
        ({"index_to_key": [1]}, "is a Python pickle, not gensim's KeyedVectors"),
        ({"index_to_key": ["a"]}, "has vectors of parts of words only"),
        ({"index_to_key": ["a"], "vectors": 3}, "has an array that cannot be read"),
        ({"index_to_key": ["a"], "vectors": np.ones(2)}, "but vectors of shape (2,)"),
        ({"index_to_key": ["a"], "vectors": np.ones((2, 2))}, "has 1 word, but vectors of shape"),
        ({"index_to_key": ["a"], "vectors": np.array([["x"]])}, "it is no array of numbers"),
        ({"index_to_key": ["a"], "vectors": np.array([[None]])}, "has an array that cannot be"),
        ({"index_to_key": ["a"], "vectors": np.array([[np.nan]])}, "holds nan, not a finite"),
        ({"index_to_key": ["a b"], "vectors": np.ones((1, 1))}, "'a b' cannot be written"),
        ({"index_to_key": ["a"], "vectors": None, "__numpys": ["vectors"]}, "vectors are missing"),
    ],
)
def test_pickles_of_other_things(tmp_path, state, said):
    (tmp_path / "x.kv").write_bytes(pickle_of(**state))
    assert said in told_of(tmp_path / "x.kv")


def test_counts_that_do_not_fit_are_left_out(tmp_path):
    good = {"index_to_key": ["a"], "vectors": np.ones((1, 2))}
    for counts in (np.array([1, 2]), np.array([-1]), np.array([0.5]), 3):
        (tmp_path / "x.kv").write_bytes(pickle_of(**good, expandos={"count": counts}))
        assert Vectors.load(tmp_path / "x.kv").counts is None
    (tmp_path / "x.kv").write_bytes(pickle_of(**good, expandos={"count": np.array([7])}))
    assert Vectors.load(tmp_path / "x.kv").counts.tolist() == [7]


@pytest.mark.parametrize(
    "bomb",
    [
        b"r\xff\xff\xff\x7f",  # a memo of two thousand million
        b"\x8e" + b"\xff" * 7 + b"\x7f",  # bytes without end
        b"\x8d" + (1 << 40).to_bytes(8, "little"),
        b"\x96" + (1 << 33).to_bytes(8, "little"),  # a bytearray, which is made at once
        b"\x95" + (1 << 40).to_bytes(8, "little"),
        b"\x8b\xff\xff\xff\x7f",
    ],
)
def test_pickles_that_claim_to_be_large(tmp_path, bomb):
    (tmp_path / "x.kv").write_bytes(b"\x80\x04)" + bomb + b".")
    script = "from w2v_sparseadam.vectors.vectors import Vectors; Vectors.load('x.kv')"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        capture_output=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30)),
    )
    assert (
        done.stderr.decode()
        .splitlines()[-1]
        .startswith("w2v_sparseadam.errors.FormatError: x.kv: is a Python pickle")
    )


def test_the_unpickler_is_that_of_this_python():
    """It relies on a class of the standard library without documentation."""
    assert set(pickle._Unpickler.dispatch) - set(gensim_file._Unpickler.dispatch) == {
        pickle.BYTEARRAY8[0]
    }


# Arrays


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(3), "expected a matrix of floating-point numbers, found shape (3,) of float64"),
        (np.ones((3, 2), int), "expected a matrix of floating-point numbers, found shape (3, 2)"),
        (np.ones((3, 0)), "expected a matrix of floating-point numbers, found shape (3, 0)"),
        (np.ones((2, 2)), "has 2 rows, but"),
        (np.full((3, 2), np.inf), "the vector of 'a' holds inf, not a finite"),
        (np.full((3, 2), 1e300), "the vector of 'a' holds inf, not a finite"),
        (np.array([[None] * 2] * 3), "is not a whole array of NumPy's (\"Array can't be memory-"),
    ],
)
def test_arrays_that_are_no_vectors(tmp_path, array, said):
    np.save(tmp_path / "x.npy", array, allow_pickle=True)
    (tmp_path / "x.words.txt").write_text("a\nb\nc\n")
    assert said in told_of(tmp_path / "x.npy")


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_other_kinds_are_vectors(tmp_path, dtype, order):
    np.save(tmp_path / "x.npy", np.asarray([[1, 2, 3], [4, 5, 6]], dtype, order=order))
    (tmp_path / "x.words.txt").write_bytes(b"a\r\nb\r\n")
    loaded = Vectors.load(tmp_path / "x.npy")
    assert loaded.words == ("a", "b")
    assert loaded.matrix.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_an_array_that_claims_to_be_large(tmp_path):
    with open(tmp_path / "x.npy", "wb") as stream:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**9, 10**6)}
        np.lib.format.write_array_header_1_0(stream, header)
    assert "is not a whole array of NumPy's" in told_of(tmp_path / "x.npy")


def test_words_without_vectors(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((1, 2), np.float32))
    assert told_of(tmp_path / "x.npy") == (
        f"{tmp_path}/x.npy: has no words: {tmp_path}/x.words.txt is missing, which has one on each "
        "line"
    )


# Folders of static models


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"type": "BPE", "vocab": {}}, "has tokens that are parts of words ('BPE'), not words"),
        ({"type": "WordLevel", "vocab": []}, "is not a tokenizer"),
        ({"type": "WordLevel", "vocab": {"a": 0, "b": 0}}, "its tokens are not numbered from 0"),
        ({"type": "WordLevel", "vocab": {"a": 0, "b": 5}}, "its tokens are not numbered from 0"),
        ({"type": "WordLevel", "vocab": {"a": 0, "b": "1"}}, "is not a tokenizer"),
        ({"type": "WordLevel", "vocab": {"a": 0}}, "has 1 token, but 3 vectors"),
        ({"type": "WordLevel", "vocab": {"a b": 0, "c": 1, "d": 2}}, "'a b' cannot be written"),
        ({}, "is not a tokenizer"),
        ([], "is not a tokenizer"),
    ],
)
def test_tokenizers_that_do_not_fit(tmp_path, model, said):
    Vectors(["a", "b"], np.eye(2)).save(tmp_path / "x.model2vec")
    (tmp_path / "x.model2vec" / "tokenizer.json").write_text(json.dumps({"model": model}))
    assert said in told_of(tmp_path / "x.model2vec")


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"dtype": "F32", "shape": [3, 2], "data_offsets": [0, 25]}, "are not where it says"),
        ({"dtype": "F32", "shape": [3, 3], "data_offsets": [0, 36]}, "are not where it says"),
        ({"dtype": "F32", "shape": [6], "data_offsets": [0, 24]}, "are not where it says"),
        ({"dtype": "F32", "shape": [-3, -2], "data_offsets": [0, 24]}, "cannot be read"),
        ({"dtype": "F32", "shape": [3, 2], "data_offsets": [-4, 20]}, "are not where it says"),
        ({"dtype": "I64", "shape": [3, 1], "data_offsets": [0, 24]}, "cannot be read"),
        ({"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 24]}, "are not where it says"),
        ("x", "cannot be read"),
    ],
)
def test_arrays_of_static_models_that_do_not_fit(tmp_path, entry, said):
    Vectors(["a", "b"], np.eye(2)).save(tmp_path / "x.model2vec")
    header = json.dumps({"embeddings": entry}).encode()
    content = len(header).to_bytes(8, "little") + header + bytes(24)
    (tmp_path / "x.model2vec" / "model.safetensors").write_bytes(content)
    assert said in told_of(tmp_path / "x.model2vec")


# Tables


@pytest.mark.parametrize(
    ("vectors", "metadata", "said"),
    [
        ("1\t2\n", "", "x_metadata.tsv: has no words"),
        ("1\t2\n", "a\nb\n", "x.tsv: ends after 1 row, but"),
        ("1\t2\n3\t4\n", "a\n", "x.tsv: has more rows than"),
        ("1\t2\n3\n", "a\nb\n", "x.tsv, line 2: expected 2 numbers after 'b', found 1"),
        ("1\t2\n3\tx\n", "a\nb\n", "x.tsv, line 2: expected 2 numbers after 'b', found 'x'"),
        ("1\t2\n", "word\tcount\na\n", "x_metadata.tsv, line 2: has other than 2 columns"),
        ("1\t2\n", "word\tcount\na\tx\n", "x_metadata.tsv, line 2: expected a count, found 'x'"),
        ("1\t2\n", "word\tcount\na\t-1\n", "x_metadata.tsv, line 2: expected a count, found '-1'"),
        ("1\t2\n", f"word\tcount\na\t{'9' * 19}\n", "line 2: expected a count, found '9999"),
        ("1\t2\n", "a b\n", "'a b' cannot be written"),
        ("1\tnan\n", "a\n", "the vector of 'a' holds nan"),
    ],
)
def test_tables_that_do_not_fit(tmp_path, vectors, metadata, said):
    (tmp_path / "x.tsv").write_text(vectors)
    (tmp_path / "x_metadata.tsv").write_text(metadata)
    assert said in told_of(tmp_path / "x.tsv")


@pytest.mark.parametrize("name", ["metadata.tsv", "x_metadata.tsv"])
def test_tables_by_other_names(tmp_path, name):
    (tmp_path / "x_tensor.tsv").write_text("1\t2\n")
    (tmp_path / name).write_text("one\n")
    assert Vectors.load(tmp_path / "x_tensor.tsv").words == ("one",)


def table(tmp_path, **columns):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    parquet.write_table(arrow.table(columns), tmp_path / "x.parquet")
    return tmp_path / "x.parquet"


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"a": [1]}, "expected the columns 'word' and 'vector', found ['a']"),
        ({"word": ["a"], "vector": [1.0]}, "expected rows with lists of floating-point numbers"),
        ({"word": ["a"], "vector": [["x"]]}, "expected rows with lists of floating-point numbers"),
        ({"word": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "expected a word and a vector of 1"),
        ({"word": ["a", None], "vector": [[1.0], [1.0]]}, "expected a word and a vector of 1"),
        ({"word": ["a", "b"], "vector": [[1.0], None]}, "expected a word and a vector of 1"),
        ({"word": ["a", "b"], "vector": [[1.0], [None]]}, "expected a word and a vector of 1"),
        ({"word": ["a"], "vector": [[]]}, "expected rows with lists of floating-point numbers"),
        ({"word": ["a", "a"], "vector": [[1.0], [2.0]]}, "word 2: 'a' is also word 1"),
        ({"word": ["a"], "vector": [[1e300]]}, "the vector of 'a' holds inf"),
        ({"word": ["a"], "vector": [[1.0]], "count": ["x"]}, "is not a whole Parquet file"),
        ({"word": ["a"], "vector": [[1.0]], "count": [-1]}, "has a word that occurs -1 times"),
    ],
)
def test_tables_of_parquet_that_do_not_fit(tmp_path, columns, said):
    assert said in told_of(table(tmp_path, **columns))


def test_tables_of_parquet_by_others(tmp_path):
    path = table(tmp_path, word=["a", "b"], vector=[[1.0, 2.0], [3.0, 4.0]], count=[1, None])
    loaded = Vectors.load(path)
    assert (loaded.words, loaded.counts) == (("a", "b"), None)
    assert loaded.matrix.tolist() == [[1, 2], [3, 4]]


# A format that a source does not have


SEEN = {
    "x.vec": "text (word2vec text)",
    "x.vec.gz": "text (word2vec text)",
    "x.bin": "binary (word2vec binary)",
    "x.glove": "glove (text without a header)",
    "x.tsv": "projector (tables for TensorBoard's projector)",
    "x.npy": "npy (NumPy's array, with a list of words)",
    "x.safetensors": "safetensors (this package's safetensors)",
    "x.fasttext": "fasttext (fastText's model)",
    "x.model2vec": "model2vec (folder of a static model)",
    "floret.txt": "floret (table of floret)",
    "folder": "a folder without vectors",
    "picture": "a PNG image",
    "prose": "",
    "empty": "",
}


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """Write one source of each kind."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    vectors = Vectors([f"w{n}" for n in range(20)], rng.normal(size=(20, 3)))
    for name in SEEN:
        if name.startswith("x."):
            vectors.save(name)
    Path("floret.txt").write_text("50 4 2 5 2 123 < >\n0 1 2 3 4\n")
    Path("folder").mkdir()
    Path("picture").write_bytes(b"\x89PNG\r\n\x1a\n" + rng.bytes(99))
    Path("prose").write_text("the cat sat on the mat\nit was flat\n")
    Path("empty").write_bytes(b"")


@pytest.mark.parametrize("each", FORMATS, ids=lambda each: each.name)
def test_a_source_that_has_not_the_format_named(sources, each):
    told = {}
    for name, seen in SEEN.items():
        if not seen.startswith(f"{each.name} ("):
            with pytest.raises(FormatError) as raised:
                Vectors.load(name, format=each.name)
            told[name] = str(raised.value)
    if each.name == "run":
        assert told.pop("folder").startswith("folder: is a folder without a run; name a file")
    if each.is_text_like:  # which reading tells
        header = ", line 1: is a header, as in word2vec's formats"
        numbers = ", line 1: expected the numbers of words and of dimensions"
        as_glove = {
            "x.vec": header,
            "x.vec.gz": header,
            "x.bin": header,
            "prose": ", line 1: expected 5 numbers after 'the', found 'cat'",
            "empty": ", line 1: expected a word and its numbers, found ''",
            "picture": ", line 1: expected a word and its numbers, found",
        }
        as_word2vec = {
            "x.bin": ", line 2: expected 3 numbers after 'w0', found",
            "prose": numbers,
            "empty": numbers,
            "picture": ": is a PNG image, not word vectors",
        }
        expected = as_glove if each.name == "glove" else as_word2vec
        for name in expected.keys() & told.keys():
            assert told.pop(name).startswith(name + expected[name])
    for name, message in told.items():
        seems = f", but seems to be {SEEN[name]}" if SEEN[name] else ""
        assert message == f"{name}: is not in the format {each.name} ({each.title}){seems}"


def test_one_dimension_without_a_header_needs_the_name_of_the_format(tmp_path):
    (tmp_path / "x").write_text("2 4\n3 5\n")
    assert Vectors.load(tmp_path / "x", format="glove").words == ("2", "3")


def test_a_model_of_fasttext_of_123_dimensions_is_none_of_ours(tmp_path):
    matrix = np.ones((2, ord("{")), np.float32)
    Vectors(["a", "b"], matrix).save(tmp_path / "x.fasttext")
    assert Vectors.load(tmp_path / "x.fasttext").dim == ord("{")

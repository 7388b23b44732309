"""w2v-convert: from every format to every other, in little memory, whole or not at all."""

import gzip
import itertools
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from w2v_sparseadam.commands import convert as command
from w2v_sparseadam.commands import train
from w2v_sparseadam.errors import FormatError, SettingError, W2VError
from w2v_sparseadam.events import EpochEnded
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.system import memory
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.model import Model
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings
from w2v_sparseadam.vectors.convert import convert
from w2v_sparseadam.vectors.formats import registry
from w2v_sparseadam.vectors.vectors import Vectors

WORDS = ["the", "don't", "東京", "a\u00a0b", "x\u0085", "e\u0301", "007", "y\u2028"]
VECTORS = Vectors(
    WORDS,
    np.random.default_rng(20261126).standard_normal((len(WORDS), 3)).astype(np.float32),
    np.arange(len(WORDS), 0, -1),
)
NEEDED = {".parquet": "pyarrow", ".kv": "gensim"}
ENDINGS = [each.endings[-1] for each in registry.FORMATS if each.endings]
WITH_COUNTS = {each.endings[-1] for each in registry.FORMATS if each.keeps_counts}


def need(*endings):
    for ending in endings:
        if ending in NEEDED:
            package = NEEDED[ending]
            pytest.importorskip(package, reason=f"{package} is not installed")


def run(*args, **more):
    return CliRunner().invoke(command.main, [str(arg) for arg in args], **more)


def assert_same(one, other):
    assert one.words == other.words
    assert one.matrix.tobytes() == other.matrix.tobytes()


@pytest.mark.filterwarnings("ignore")  # gensim's own
@pytest.mark.parametrize("pair", [*itertools.product(ENDINGS, ENDINGS)], ids=" to ".join)
def test_from_every_format_to_every_other(tmp_path, pair):
    source, target = pair
    need(source, target)
    VECTORS.save(tmp_path / f"in{source}")
    done = convert(tmp_path / f"in{source}", tmp_path / f"out{target}")
    loaded = Vectors.load(tmp_path / f"out{target}")
    assert_same(loaded, VECTORS)
    assert done == (len(WORDS), 3, {source, target} <= WITH_COUNTS)
    if {source, target} <= WITH_COUNTS:
        assert loaded.counts.tolist() == VECTORS.counts.tolist()
    else:
        assert loaded.counts is None


usable = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters=" \t\n\v\f\r"), min_size=1
)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", ENDINGS)
def test_saving_then_loading_is_the_identity_or_an_error(ending, tmp_path_factory):
    need(ending)

    @given(
        st.lists(usable, min_size=1, max_size=5, unique=True),
        st.integers(1, 4),
        st.booleans(),
        st.data(),
    )
    def check(words, dim, has_counts, data):
        numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)
        matrix = data.draw(arrays(np.float32, (len(words), dim), elements=numbers))
        counts = data.draw(arrays(np.int64, len(words), elements=st.integers(0, 2**40)))
        vectors = Vectors(words, matrix, counts if has_counts else None)
        folder = tmp_path_factory.mktemp("v")
        told = ""
        try:
            vectors.save(folder / f"x{ending}")
        except FormatError as error:
            told = str(error)
        if told:
            of_one = dim == 1 and "two dimensions or more" in told
            assert of_one or "is blank to the projector" in told or "has a NUL" in told
            assert ending in (".tsv", ".glove", ".fasttext")
            assert not list(folder.iterdir())
            return
        # In one dimension, four bytes of a float32 can happen to spell a number and a space.
        name = "binary" if ending == ".bin" else None
        loaded = Vectors.load(folder / f"x{ending}", format=name)
        assert_same(loaded, vectors)
        if ending == ".fasttext" and (counts == 1).all():  # as if they were not known
            assert loaded.counts is None
        elif has_counts and ending in WITH_COUNTS:
            assert loaded.counts.tolist() == counts.tolist()

    check()


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("word", ["a b", "a\nb", "", "a\tb", "\ud800", "the"])
def test_words_that_no_file_holds_are_refused_before_anything_is_written(tmp_path, ending, word):
    need(ending)
    words = ["the", word, "x"]
    np.save(tmp_path / "in.npy", np.ones((3, 2), np.float32))
    listed = "\n".join(words).encode("utf-8", "surrogatepass")
    (tmp_path / "in.words.txt").write_bytes(listed + b"\n")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(W2VError) as caught:
        convert(tmp_path / "in.npy", tmp_path / f"out{ending}")
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path}/in.")
    assert sorted(os.listdir(tmp_path)) == before


@pytest.mark.parametrize("word", ["\u00a0", "\u2028", "\ufeff", "\u3000\u2003"])
def test_words_that_are_blank_to_the_projector(tmp_path, word):
    with pytest.raises(FormatError, match=r"x\.tsv, word 2: '.*' is blank to the projector;"):
        Vectors(["a", word], np.eye(2)).save(tmp_path / "x.tsv")
    assert not list(tmp_path.iterdir())


def test_the_bytes_by_hand(tmp_path):
    vectors = Vectors(["a", "é"], [[0.5, -1], [1e-9, 3]], [7, 2])
    for ending in (".glove", ".tsv", ".npy"):
        vectors.save(tmp_path / f"x{ending}")
    assert (tmp_path / "x.glove").read_bytes() == "a 0.5 -1\né 9.99999972e-10 3\n".encode()
    assert (tmp_path / "x.tsv").read_bytes() == b"0.5\t-1\n9.99999972e-10\t3\n"
    assert (tmp_path / "x_metadata.tsv").read_bytes() == "word\tcount\na\t7\né\t2\n".encode()
    assert (tmp_path / "x.words.txt").read_bytes() == "a\né\n".encode()
    assert np.load(tmp_path / "x.npy").tobytes() == vectors.matrix.tobytes()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("ending", [each for each in ENDINGS if each != ".model2vec"])
def test_the_same_vectors_give_the_same_bytes(tmp_path, ending):
    need(ending)
    for name in ("one", "two"):
        VECTORS.save(tmp_path / f"{name}{ending}")
    one, two = (tmp_path / f"{name}{ending}" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_one_dimension(tmp_path):
    one = Vectors(["a", "b"], [[1], [2]])
    with pytest.raises(FormatError, match="text without a header needs two dimensions or more;"):
        one.save(tmp_path / "x.glove")
    with pytest.raises(FormatError, match="the projector needs two dimensions or more, found 1"):
        one.save(tmp_path / "x.tsv")
    assert not list(tmp_path.iterdir())
    (tmp_path / "x").write_text("a 1\nb 2\n")
    assert_same(Vectors.load(tmp_path / "x", format="glove"), one)


# Models and runs


def model():
    rng = np.random.default_rng(1)
    tables = {
        name: rng.standard_normal((3, 2)).astype(np.float32) for name in ("center", "context")
    }
    history = (EpochEnded(1, 9, 4.0, 2.5, 0.1),)
    return Model(["a", "b", "c"], np.array([3, 2, 1]), tables, 2.5, SkipGramConfig(dim=2), history)


def test_a_model_stays_a_model(tmp_path):
    model().save(tmp_path / "m.safetensors")
    result = run(tmp_path / "m.safetensors", tmp_path / "n.safetensors")
    assert result.stderr.startswith("Wrote 3 words of 2 dimensions, with counts to ")
    assert (tmp_path / "n.safetensors").read_bytes() == (tmp_path / "m.safetensors").read_bytes()
    loaded = Vectors.load(tmp_path / "m.safetensors")
    assert loaded.counts.tolist() == [3, 2, 1]
    convert(tmp_path / "m.safetensors", tmp_path / "v.vec")
    assert_same(Vectors.load(tmp_path / "v.vec"), loaded)


def test_vectors_alone_are_no_model(tmp_path):
    VECTORS.save(tmp_path / "v.safetensors")
    with pytest.raises(FormatError, match=r"has vectors, but no model; Vectors\.load reads them$"):
        Model.load(tmp_path / "v.safetensors")


def test_a_run_becomes_a_model(tmp_path):
    (tmp_path / "text.txt").write_text("a b c d e f\n" * 20)
    settings = Settings(
        TextConfig(str.split, min_count=1),
        SkipGramConfig(dim=3),
        OptimizerConfig("sgd"),
        RunConfig(epochs=1, batch_size=100),
    )
    run_dir = tmp_path / "run"
    train_by_settings(tmp_path / "text.txt", settings, run_dir=run_dir)
    convert(run_dir, tmp_path / "m.safetensors")
    loaded = Model.load(tmp_path / "m.safetensors")
    wanted = Vectors.load(run_dir)
    assert_same(loaded.vectors(), wanted)
    assert loaded.counts.tolist() == wanted.counts.tolist()
    assert loaded.context_vectors.shape == loaded.center_vectors.shape
    assert loaded.settings["optimizer"]["optimizer"] == "sgd"


def test_training_writes_a_whole_model_or_the_vectors_that_were_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("a b c d e f\n" * 20)
    small = ["text.txt", "-q", "--dim", "3", "--epochs", "1", "--min-count", "1", "-o"]
    for name in ("m.safetensors", "M.SAFETENSORS", "m.vec"):
        assert CliRunner().invoke(train.main, [*small, name]).exit_code == 0
    for name in ("m.safetensors", "M.SAFETENSORS"):
        assert_same(Model.load(name).vectors(), Vectors.load("m.vec"))
    result = CliRunner().invoke(train.main, [*small, "s.safetensors", "--vectors", "sum"])
    assert result.exit_code == 0
    assert_same(Vectors.load("s.safetensors"), Model.load("m.safetensors").vectors("sum"))
    assert Vectors.load("s.safetensors").counts.tolist() == [20] * 6


# Streams and memory


def test_vectors_pass_in_little_memory(tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    big = Vectors([f"w{row}" for row in range(20_000)], rng.standard_normal((20_000, 300)))
    big.save(tmp_path / "in.bin")
    size = big.matrix.nbytes
    # A tenth of the rows is enough for text, which takes long under tracemalloc.
    small = Vectors(big.words[:2000], big.matrix[:2000])
    small.save(tmp_path / "in.vec")
    del big
    # Nothing asks for the memory of all.
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    for source, target in (
        ("in.bin", "out.npy"),
        ("in.bin", "again.bin"),
        ("in.bin", "o.model2vec"),
    ):
        tracemalloc.start()
        convert(tmp_path / source, tmp_path / target)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < size * 0.75
    assert (tmp_path / "in.bin").read_bytes() == (tmp_path / "again.bin").read_bytes()
    convert(tmp_path / "in.vec", tmp_path / "out.glove")
    convert(tmp_path / "out.glove", tmp_path / "again.vec")
    assert (tmp_path / "in.vec").read_bytes() == (tmp_path / "again.vec").read_bytes()
    with pytest.raises(W2VError, match=r"20,000 words of 300 dimensions: it needs 0\.0 GB of m"):
        Vectors.load(tmp_path / "in.bin")


def test_pipes_and_compressed_files(tmp_path):
    VECTORS.save(tmp_path / "in.glove")
    content = (tmp_path / "in.glove").read_bytes()
    (tmp_path / "packed").write_bytes(gzip.compress(content))
    convert(tmp_path / "packed", tmp_path / "out.vec.gz")
    assert_same(Vectors.load(tmp_path / "out.vec.gz"), VECTORS)
    script = [sys.executable, "-m", "w2v_sparseadam.commands.convert", "-", "-", "--to", "binary"]
    done = subprocess.run(script, input=content, capture_output=True, check=True)
    (tmp_path / "piped").write_bytes(done.stdout)
    assert_same(Vectors.load(tmp_path / "piped"), VECTORS)
    assert done.stderr.decode() == "Wrote 8 words of 3 dimensions to standard output.\n"


@pytest.mark.parametrize("ending", [".safetensors", ".npy", ".kv", ".tsv", ".model2vec"])
def test_what_is_no_stream_is_not_written_to_one(tmp_path, ending):
    need(ending)
    VECTORS.save(tmp_path / "in.vec")
    name = next(each.name for each in registry.FORMATS if ending in each.endings)
    result = run(tmp_path / "in.vec", "-", "--to", name)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"Error: -: {name} cannot be written to a stream; name a file\n"


# The command


def test_the_command_says_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    VECTORS.save("in.safetensors")
    result = run("in.safetensors", "out.tsv")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "Wrote 8 words of 3 dimensions, with counts to out.tsv.\n"
    result = run("out.tsv", "x", "--from", "projector", "--to", "binary")
    assert result.stderr == "Wrote 8 words of 3 dimensions to x.\n"  # which holds no counts
    assert_same(Vectors.load("x"), VECTORS)


def test_unusable_words_are_left_out_if_asked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in.txt").write_bytes(b"the 1 2\n. . . 3 4\nof 5 6\nthe 7 8\n")
    result = run("in.txt", "out.vec")
    assert result.exit_code == 1
    assert result.stderr == (
        "Error: in.txt, word 2: '. . .' cannot be written: a word must be valid Unicode, not "
        "empty, without ASCII white space\n"
    )
    assert not Path("out.vec").exists()
    result = run("in.txt", "out.vec", "--drop-unusable")
    assert result.exit_code == 0
    assert result.stderr == (
        "Warning: left out 2 words that no file can hold, such as '. . .'.\n"
        "Wrote 2 words of 2 dimensions to out.vec.\n"
    )
    assert Path("out.vec").read_text() == "2 2\nthe 1 2\nof 5 6\n"
    Path("none.txt").write_bytes(b"a\tb 1 2\n")
    result = run("none.txt", "out.vec", "--from", "glove", "--drop-unusable")
    assert result.stderr == "Error: none.txt: has no word that can be written\n"


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["in.vec", "in.vec"], 2, "in.vec is the source and would be overwritten; name another"),
        (["pair.npy", "pair.words.txt"], 2, "pair.words.txt is a file of the source and would be"),
        (["pair.tsv", "pair_metadata.tsv"], 2, "pair_metadata.tsv is a file of the source and"),
        (["pair.words.txt", "pair.npy", "--from", "text"], 2, "pair.words.txt is the source and"),
        (["pair.tsv", "pair.npy", "--from", "npy"], 1, "pair.tsv: is not in the format npy (Num"),
        (["in.vec", "out.foo"], 1, "out.foo: vectors cannot be written as '.foo'; use one of the"),
        (["in.vec", "out.npy.gz"], 1, "out.npy.gz: npy cannot be compressed; leave out .gz"),
        (["in.vec", "/", "--to", "npy"], 1, "/: is a folder; name a file in it"),
        (["in.vec", "full.model2vec", "--to", "npy"], 1, "full.model2vec: is a folder; name a"),
        (["in.vec", "no/out.bin"], 1, "/no' does not exist; create it, or"),
        (["in.vec", "no/out.npy"], 1, "Error: no/out.words.txt: the folder '"),
        (["in.vec", "no/out.model2vec"], 1, "no/out.model2vec: cannot be written (No such file"),
        (["in.vec", "out", "--to", "run"], 2, "'run' is not one of"),
        (["in.vec", "full.model2vec"], 1, "full.model2vec: exists already; name a new folder, or"),
        (["x.floret", "out.vec"], 1, "x.floret: is a table of floret, whose rows are hashes of"),
        (["gone.vec", "out.vec"], 2, "Path 'gone.vec' does not exist."),
    ],
)
def test_errors(tmp_path, monkeypatch, args, code, message):
    monkeypatch.chdir(tmp_path)
    for name in ("in.vec", "pair.npy", "pair.tsv"):
        VECTORS.save(name)
    Path("full.model2vec").mkdir()
    Path("full.model2vec", "mine").touch()
    Path("x.floret").write_text("3 2 4 5 2 2166136261 < >\n0 1 2\n1 2 3\n2 3 4\n")
    before = sorted(os.listdir())
    result = run(*args)
    assert result.exit_code == code
    assert message in result.stderr
    assert sorted(os.listdir()) == before


def test_a_second_file_overwrites_none_but_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    VECTORS.save("in.vec")
    for name, target in (("x.words.txt", "x.npy"), ("x_metadata.tsv", "x.tsv")):
        Path(name).write_text("mine")
        result = run("in.vec", target)
        assert result.stderr == (
            f"Error: {name}: exists, and may be no words of vectors; write elsewhere, or remove "
            "it\n"
        )
        assert Path(name).read_text() == "mine"
        Path(name).unlink()
        for _ in range(2):  # a new pair, and over it
            assert run("in.vec", target).exit_code == 0
            assert Vectors.load(target).words == VECTORS.words


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(registry.importlib.util, "find_spec", lambda name: None)
    for ending, extra in ((".kv", "gensim"), (".parquet", "parquet")):
        with pytest.raises(W2VError, match=rf"pip install 'w2v-sparseadam\[{extra}\]'$"):
            VECTORS.save(tmp_path / f"x{ending}")


def test_formats_that_are_only_read(tmp_path):
    with pytest.raises(SettingError, match=r"cannot be written as folder of a run, only read$"):
        VECTORS.save(tmp_path / "x", format="run")
    with pytest.raises(SettingError, match=r"^format is 'nothing', but must be one of"):
        Vectors.load(__file__, format="nothing")


def test_a_failure_in_the_middle_leaves_everything_as_it_was(tmp_path):
    """The last word of the source is there already, which shows only when most is written."""
    lines = [f"w{row} 1 2" for row in range(30_000)]
    (tmp_path / "in.glove").write_text("\n".join([*lines, "w0 1 2"]) + "\n")
    for ending in (".vec", ".npy", ".tsv", ".model2vec"):
        Vectors(["old"], [[1, 2]]).save(tmp_path / f"out{ending}")
    contents = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for ending in (".vec", ".npy", ".tsv"):
        with pytest.raises(FormatError, match=r"in\.glove, word 30001: 'w0' is also word 1$"):
            convert(tmp_path / "in.glove", tmp_path / f"out{ending}")
    with pytest.raises(FormatError, match="is also word 1"):
        convert(tmp_path / "in.glove", tmp_path / "new.model2vec")
    assert contents == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert not (tmp_path / "new.model2vec").exists()


def test_the_help_lists_the_formats():
    page = run("--help").output
    for each in registry.FORMATS:
        assert f"\n  {each.name} " in page
        assert each.title in " ".join(page.split())


def test_convert_to_standard_output_is_named(tmp_path):
    Vectors(["a"], [[1]]).save(tmp_path / "x.vec")
    command = [sys.executable, "-m", "w2v_sparseadam.commands.convert", tmp_path / "x.vec", "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout == b"1 1\na 1\n"
    assert done.stderr == b"Wrote 1 word of 1 dimension to standard output.\n"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that takes no files")
def test_a_folder_that_takes_no_files_exists():
    with pytest.raises(W2VError, match=r"^/proc/x\.bin: the folder '/proc' takes no files; write"):
        Vectors(["a"], [[1]]).save("/proc/x.bin")

"""The registry of formats: a format in a file of its own is detected, read, written and offered."""

import re
from pathlib import Path

import numpy as np
import pytest
import semicolons
from click.testing import CliRunner

from w2v_sparseadam.commands import neighbors, train
from w2v_sparseadam.errors import FormatError, SettingError
from w2v_sparseadam.vectors.formats import registry
from w2v_sparseadam.vectors.vectors import Vectors

ROOT = Path(__file__).resolve().parent.parent
VECTORS = Vectors(["one", "två", "10"], np.array([[0.1, 2], [-3, 1e-9], [0, 5]], np.float32))
SMALL = ["--dim", "3", "--epochs", "1", "--min-count", "1"]


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(registry, "FORMATS", (semicolons.FORMAT, *registry.FORMATS))


@pytest.fixture
def text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("a b c d e\n" * 20)


def run(command, *args):
    return CliRunner().invoke(command.main, list(args))


@pytest.mark.parametrize("name", ["v.semi", "v.SEMI.gz", "v.vec", "v.bin"])
def test_every_format_is_told_by_its_content(registered, tmp_path, name):
    VECTORS.save(tmp_path / name)
    (tmp_path / name).rename(tmp_path / "no ending")
    loaded = Vectors.load(tmp_path / "no ending")
    assert loaded.words == VECTORS.words
    assert loaded.matrix.tobytes() == VECTORS.matrix.tobytes()


def test_the_bytes_are_those_of_the_module(registered, tmp_path):
    Vectors(["a", "b"], [[1, 2], [3, 0.5]]).save(tmp_path / "v.semi")
    assert (tmp_path / "v.semi").read_bytes() == b"a;1.0;2.0\nb;3.0;0.5\n"


def test_errors_are_those_of_the_module(registered, tmp_path):
    (tmp_path / "v").write_text("a;1;2\nb;3;x\n")
    with pytest.raises(FormatError, match=f"^{tmp_path}/v, line 2: has a word for a number$"):
        Vectors.load(tmp_path / "v")
    (tmp_path / "v").write_text("a;1;2\nb;3;inf\n")
    with pytest.raises(FormatError, match=r"holds inf, not a finite"):
        Vectors.load(tmp_path / "v")


def test_what_is_not_registered_is_not_known(tmp_path):
    with pytest.raises(SettingError, match=r"cannot be written as '\.semi'; use one of"):
        VECTORS.save(tmp_path / "v.semi")
    (tmp_path / "v").write_text("a;1;2\n")
    with pytest.raises(FormatError, match="line 1: expected the numbers of words and of"):
        Vectors.load(tmp_path / "v")


def test_commands_take_a_registered_format(registered, text):
    result = run(train, "text.txt", *SMALL, "-o", "v.semi")
    assert (result.exit_code, Path("v.semi").read_text().count("\n")) == (0, 5), result.stderr
    result = run(neighbors, "v.semi", "a", "-n", "1")
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, 2)
    run(train, "text.txt", *SMALL, "-o", "v.vec")
    assert Vectors.load("v.vec").matrix.tobytes() == Vectors.load("v.semi").matrix.tobytes()
    result = run(train, "text.txt", *SMALL, "--init", "v.semi", "-o", "v.bin")
    assert result.exit_code == 0, result.stderr


def test_commands_offer_a_registered_format(registered, text):
    result = run(train, "text.txt", *SMALL, "-o", "v.npz")
    assert result.exit_code == 1
    assert "use one of the extensions .semi, .model2vec, .safetensors, .fasttext" in result.stderr
    result = run(train, "text.txt", *SMALL, "new.semi")
    assert result.exit_code == 2
    assert "new.semi: no such file; name the file to write with -o" in result.stderr


def test_the_help_shows_what_the_registry_has(monkeypatch):
    page = " ".join(run(train, "--help-all").output.split())
    known = registry.written_formats()
    assert known == (
        "binary (.bin), text (.vec, .txt), glove (.glove), projector (.tsv), gensim (.kv), parquet "
        "(.parquet), npy (.npy), fasttext (.fasttext), safetensors (.safetensors), "
        "model2vec (.model2vec)"
    )
    assert f"File for the vectors: {known}; compressed if" in page
    assert f"CORPUS' name with {registry.DEFAULT_ENDING}, or" in page
    monkeypatch.setattr(registry, "FORMATS", (*registry.FORMATS, semicolons.FORMAT))
    assert registry.written_formats() == f"semicolons (.semi), {known}"


@pytest.mark.parametrize("entry", registry.FORMATS, ids=lambda entry: entry.name)
def test_a_module_has_what_its_entry_says(entry):
    module = entry.load()
    assert callable(module.fits)
    assert callable(module.read)
    assert callable(getattr(module, "write", None)) == bool(entry.endings)


def test_every_module_of_a_format_is_registered():
    modules = (ROOT / "w2v_sparseadam" / "vectors" / "formats").glob("*.py")
    having = {path.stem for path in modules if re.search(r"^def fits\(", path.read_text(), re.M)}
    assert having == {entry.module.removeprefix(".") for entry in registry.FORMATS}


@pytest.mark.parametrize("place", ["guide", "docstring"])
def test_the_extensions_are_documented(place):
    guide = (ROOT / "docs" / "guide" / "vectors.md").read_text()
    shown = {"guide": guide.partition("## ")[0], "docstring": Vectors.save.__doc__}[place]
    endings = [ending for entry in registry.FORMATS for ending in entry.endings if ending]
    assert [ending for ending in endings if f"`{ending}`" not in shown] == []

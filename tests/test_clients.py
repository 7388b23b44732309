"""Other programs load what is written, with the same words and numbers.

They are the extra `clients`. The table in docs/guide/formats.md is that of `LOADERS`.
"""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from w2v_sparseadam.errors import FormatError
from w2v_sparseadam.vectors.formats.registry import FORMATS
from w2v_sparseadam.vectors.vectors import Vectors

ROOT = Path(__file__).resolve().parent.parent
# What might be split, stripped, folded, unescaped or taken for something else.
WORDS = ["the", "don't", "東京", "New_York", "a\u00a0b", "\u2028", "x\u0085", "y\x1cz", "007"]
WORDS += ["[UNK]", "\ufeffbom", "e\u0301", "#", "</s>", "nan", "\u3000", "q\u200b", '"q', "a,b"]
VECTORS = Vectors(
    WORDS,
    np.random.default_rng(20261126).standard_normal((len(WORDS), 4)).astype(np.float32),
    np.arange(len(WORDS), 0, -1),
)
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the clients


class Loader(NamedTuple):
    """How a client loads a format, and how its answer is looked at."""

    client: str
    format: str
    package: str
    code: str
    rows_of: object  # from what the code gives, and the words, to their vectors


def of_gensim(found, words):
    assert found.index_to_key == words
    return found.vectors


def of_spacy(found, words):
    import spacy

    vocab = spacy.load("x_spacy").vocab
    assert all(map(vocab.has_vector, words))
    return np.array([vocab.get_vector(word) for word in words])


def of_fasttext(found, words):
    ids = [found.get_word_id(word) for word in words]
    assert min(ids) >= 0
    return found.get_input_matrix()[ids]


def of_static_model(found, words):
    return np.concatenate([found.encode([word]) for word in words])


def of_scikit_learn(found, words):
    distances, rows = found.kneighbors(np.load("x.npy"), n_neighbors=1)
    assert distances.max() < 1e-6
    assert Path("x.words.txt").read_text("utf-8").split("\n")[:-1] == words
    return np.load("x.npy")[rows[:, 0]]


def of_table(found, words):
    assert list(found["word"].to_pylist()) == words
    assert found["count"].to_pylist() == list(range(len(words), 0, -1))
    return np.array(found["vector"].to_pylist(), np.float32)


LOADERS = [
    Loader("gensim", "text", "gensim", "KeyedVectors.load_word2vec_format('x.vec')", of_gensim),
    Loader(
        "gensim",
        "binary",
        "gensim",
        "KeyedVectors.load_word2vec_format('x.bin', binary=True)",
        of_gensim,
    ),
    Loader(
        "gensim",
        "glove",
        "gensim",
        "KeyedVectors.load_word2vec_format('x.glove', no_header=True)",
        of_gensim,
    ),
    Loader("gensim", "gensim", "gensim", "KeyedVectors.load('x.kv')", of_gensim),
    Loader("spaCy", "text", "spacy", "python -m spacy init vectors en x.vec x_spacy", of_spacy),
    Loader("spaCy", "glove", "spacy", "python -m spacy init vectors en x.glove x_spacy", of_spacy),
    Loader(
        "fastText",
        "text",
        "fasttext",
        "fasttext.train_supervised('labels.txt', dim=4, pretrainedVectors='x.vec')",
        of_fasttext,
    ),
    Loader("fastText", "fasttext", "fasttext", "fasttext.load_model('x.fasttext')", of_fasttext),
    Loader(
        "gensim",
        "fasttext",
        "gensim",
        "gensim.models.fasttext.load_facebook_vectors('x.fasttext')",
        of_gensim,
    ),
    Loader(
        "model2vec",
        "model2vec",
        "model2vec",
        "StaticModel.from_pretrained('x.model2vec')",
        of_static_model,
    ),
    Loader(
        "sentence-transformers",
        "model2vec",
        "sentence_transformers",
        "SentenceTransformer('x.model2vec')",
        of_static_model,
    ),
    Loader(
        "scikit-learn",
        "npy",
        "sklearn",
        "NearestNeighbors().fit(np.load('x.npy'))",
        of_scikit_learn,
    ),
    Loader(
        "Arrow",
        "parquet",
        "pyarrow",
        "pyarrow.parquet.read_table('x.parquet')",
        of_table,
    ),
    Loader(
        "safetensors",
        "safetensors",
        "safetensors",
        "safetensors.numpy.load_file('x.safetensors')['vectors']",
        lambda found, words: found,
    ),
]
ENDINGS = {each.name: next(filter(None, each.endings), "") for each in FORMATS}


def result_of(code):
    """Run what the table shows."""
    names = {"np": np}
    if code.startswith("python "):
        subprocess.run([sys.executable, *code.split()[1:]], check=True, capture_output=True)
        return None
    if code.startswith("KeyedVectors"):
        exec("from gensim.models import KeyedVectors", names)
    elif code.startswith("gensim"):
        exec("import gensim.models.fasttext", names)
    elif code.startswith("StaticModel"):
        exec("from model2vec import StaticModel", names)
    elif code.startswith("SentenceTransformer"):
        exec("from sentence_transformers import SentenceTransformer", names)
    elif code.startswith("Nearest"):
        exec("from sklearn.neighbors import NearestNeighbors", names)
    elif code.startswith("fasttext.load"):
        exec("import fasttext", names)
    elif code.startswith("fasttext"):
        # Every word, so that it is in the vocabulary; no step is taken.
        Path("labels.txt").write_text("".join(f"__label__a {word}\n" for word in WORDS), "utf-8")
        code = code.replace(")", ", epoch=0, minCount=1)")
        exec("import fasttext", names)
    elif code.startswith("safetensors"):
        exec("import safetensors.numpy", names)
    else:
        exec("import pyarrow.parquet", names)
    return eval(code, names)


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: f"{loader.client}-{loader.format}")
def test_a_client_reads_the_same(loader, tmp_path, monkeypatch):
    if importlib.util.find_spec(loader.package) is None:
        pytest.skip(f"{loader.package} is not installed; pip install '.[clients]'")
    monkeypatch.chdir(tmp_path)
    VECTORS.save("x" + ENDINGS[loader.format])
    rows = loader.rows_of(result_of(loader.code), WORDS)
    assert np.asarray(rows, np.float32).tobytes() == VECTORS.matrix.tobytes()


def test_the_table_in_the_docs_is_that_of_the_tests():
    page = (ROOT / "docs" / "guide" / "formats.md").read_text("utf-8")
    rows = [f"| {each.client} | {each.format} | `{each.code}` |" for each in LOADERS]
    shown = re.findall(r"^\| .* \| \w+ \| `.*` \|$", page, re.MULTILINE)
    assert shown == rows


def test_counts_reach_gensim(tmp_path):
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    VECTORS.save(tmp_path / "x.kv")
    for theirs in (VECTORS.to_gensim(), models.KeyedVectors.load(str(tmp_path / "x.kv"))):
        assert [theirs.get_vecattr(word, "count") for word in WORDS] == VECTORS.counts.tolist()
    assert VECTORS.to_gensim().most_similar("the") == models.KeyedVectors.load(
        str(tmp_path / "x.kv")
    ).most_similar("the")


def test_what_gensim_wrote_is_read(tmp_path):
    models = pytest.importorskip("gensim.models", reason="gensim is not installed")
    sentences = [["a", "b", "c", "d"]] * 5 + [["a", "b"]]
    model = models.Word2Vec(sentences, vector_size=3, min_count=1, epochs=1, workers=1)
    model.save(str(tmp_path / "whole.model"))
    model.wv.save(str(tmp_path / "one.kv"))
    # Large arrays are kept in files of their own.
    model.wv.save(str(tmp_path / "two.kv"), sep_limit=0)
    model.save(str(tmp_path / "three.model"), sep_limit=0)
    fast = models.FastText(sentences, vector_size=3, min_count=1, epochs=1, workers=1, bucket=9)
    fast.save(str(tmp_path / "fast.model"))
    assert (tmp_path / "two.kv.vectors.npy").exists()
    for name in ("whole.model", "one.kv", "two.kv", "three.model"):
        loaded = Vectors.load(tmp_path / name)
        assert loaded.matrix.tobytes() == model.wv.vectors.tobytes()
        assert loaded.words == tuple(model.wv.index_to_key)
        assert loaded.counts.tolist() == [model.wv.get_vecattr(word, "count") for word in loaded]
    with pytest.raises(FormatError, match="has vectors of parts of words only, to comp"):
        Vectors.load(tmp_path / "fast.model")
    (tmp_path / "two.kv.vectors.npy").unlink()
    with pytest.raises(FormatError, match=r"its vectors are missing, which were in .*two\.kv\.vec"):
        Vectors.load(tmp_path / "two.kv")


def test_text_becomes_words_in_a_static_model(tmp_path):
    package = pytest.importorskip("model2vec", reason="model2vec is not installed")
    lower = Vectors(["don't", "new_york", "été"], np.eye(3, dtype=np.float32))
    lower.save(tmp_path / "lower.model2vec")
    model = package.StaticModel.from_pretrained(str(tmp_path / "lower.model2vec"))
    text = "«Don't», (ÉTÉ)!\u00a0new_york… unknown"
    tokens = model.tokenizer.encode(text, add_special_tokens=False).tokens
    assert tokens == ["don't", "été", "new_york", "[UNK]"]
    assert model.encode([text])[0] == pytest.approx([1 / 3] * 3)  # the unknown word has no part
    assert not model.encode(["nothing known"]).any()
    upper = Vectors(["Don", "don", "[UNK]"], np.eye(3, dtype=np.float32))
    upper.save(tmp_path / "upper.model2vec")
    model = package.StaticModel.from_pretrained(str(tmp_path / "upper.model2vec"))
    tokens = model.tokenizer.encode("Don don DON [UNK]", add_special_tokens=False).tokens
    assert tokens == ["Don", "don", "[[UNK]]", "[UNK]"]
    assert Vectors.load(tmp_path / "upper.model2vec").words == upper.words


def test_static_models_of_model2vec_are_read(tmp_path):
    """What model2vec itself writes, with float16 and the unknown token in front."""
    package = pytest.importorskip("model2vec", reason="model2vec is not installed")
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    vocab = {"[UNK]": 0, "one": 1, "two": 2}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="[UNK]"))
    rows = np.array([[9, 9], [1, 2], [3, 4]], np.float16)
    package.StaticModel(rows, words).save_pretrained(str(tmp_path / "m"))
    loaded = Vectors.load(tmp_path / "m")
    assert loaded.words == ("one", "two")
    assert loaded.matrix.tolist() == [[1, 2], [3, 4]]


def parse_as_projector(folder, name):
    """Read both tables by the rules of TensorBoard's data-provider.ts, without its numbers."""
    blank = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff"
    blank += "".join(map(chr, range(0x2000, 0x200B)))
    rows = []
    for line in (folder / f"{name}.tsv").read_bytes().decode().split("\n"):
        if line.strip(blank):
            numbers = line.strip(blank).split("\t")
            rows.append(np.array(numbers, np.float32))
            assert len(numbers) == len(rows[0]) > 1
    names, points = ["label"], []
    lines = [
        line
        for line in (folder / f"{name}_metadata.tsv").read_bytes().decode().split("\n")
        if line.strip(blank)
    ]
    if "\t" in lines[0]:
        names, lines = lines[0].split("\t"), lines[1:]
    points = [dict(zip(names, line.split("\t"), strict=True)) for line in lines]
    return np.array(rows), points


@pytest.mark.parametrize("has_counts", [True, False])
def test_the_projector_reads_the_same(tmp_path, has_counts):
    words = [word for word in WORDS if word not in ("\u2028", "\u3000")]
    matrix = VECTORS[words]
    counts = np.arange(len(words)) if has_counts else None
    Vectors(words, matrix, counts).save(tmp_path / "x.tsv")
    rows, points = parse_as_projector(tmp_path, "x")
    assert rows.tobytes() == matrix.tobytes()
    assert [point["word"] for point in points] == words
    column, first = ("count", 0) if has_counts else ("rank", 1)
    expected = [str(number) for number in range(first, first + len(words))]
    assert [point[column] for point in points] == expected


def test_a_single_word_is_no_header_to_the_projector(tmp_path):
    Vectors(["one"], [[1, 2]]).save(tmp_path / "x.tsv")
    assert parse_as_projector(tmp_path, "x")[1] == [{"word": "one", "rank": "1"}]


def test_the_tokenizer_is_plain_json(tmp_path):
    Vectors(["one", "\0", '"'], np.eye(3)).save(tmp_path / "x.model2vec")
    found = json.loads((tmp_path / "x.model2vec" / "tokenizer.json").read_text("utf-8"))
    assert found["model"]["vocab"] == {"one": 0, "\0": 1, '"': 2, "[UNK]": 3}

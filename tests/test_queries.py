"""What word vectors answer beside `test_vectors.py`: gensim's questions, notebooks, copies."""

import copy
import pickle
import re
import sys

import numpy as np
import pytest

from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.vectors.html import table
from w2v_sparseadam.vectors.other_names import OF_VECTORS
from w2v_sparseadam.vectors.queries import Queries
from w2v_sparseadam.vectors.vectors import Vectors

WORDS = [f"word{row}" for row in range(60)]
RANDOM = Vectors(WORDS, np.random.default_rng(20261126).normal(size=(60, 7)))


def check(answer, words, cosines):
    """Compare words, and cosines nearly."""
    assert [word for word, _ in answer] == list(words)
    assert [cosine for _, cosine in answer] == pytest.approx(list(cosines), rel=1e-6, abs=1e-6)


def test_words_are_added_and_subtracted_by_hand():
    # Units: one (0.6, 0.8), two (0.8, 0.6), ten (-0.8, 0.6). one + two is along (1, 1), which
    # has cosine -0.2 / √2 with ten; two - one is along (1, -1), and -1.4 / √2 with it.
    vectors = Vectors(["one", "two", "ten", "nil"], [[3, 4], [8, 6], [-4, 3], [0, 0]])
    for asked in (["one", "two"], ("two", "one"), {"one", "two"}):
        check(vectors.most_similar(asked), ["nil", "ten"], [0, -0.2 / np.sqrt(2)])
    assert vectors.most_similar("one", positive="two") == vectors.most_similar(["one", "two"])
    far = vectors.most_similar(positive=["two"], negative=["one"])
    check(far, ["nil", "ten"], [0, -1.4 / np.sqrt(2)])
    assert vectors.most_similar(negative="ten", topn=1)[0][0] == "two"
    assert vectors.most_similar("one", topn=2) == vectors.most_similar("one", 2)
    assert vectors.analogy("one", "two", "ten") == vectors.most_similar(
        positive=["two", "ten"], negative=["one"]
    )


def test_other_answers_by_hand():
    vectors = Vectors(["one", "two", "low"], [[3, 4], [8, 6], [0, -9]])
    assert vectors.doesnt_match(["one", "two", "low"]) == "low"
    assert vectors.doesnt_match(word for word in ["low", "low", "one"]) == "one"
    # (3, 4) + (8, 6) is along (11, 10), whose cosine with (0, -1) is -10 / √221.
    assert vectors.n_similarity(["one", "two"], ["low"]) == pytest.approx(-10 / np.sqrt(221))
    assert vectors.get_vector("one").tolist() == [3, 4]
    assert vectors.get_vector("one", norm=True).tolist() == pytest.approx([0.6, 0.8])
    assert vectors[["low", "one"]].tolist() == [[0, -9], [3, 4]]
    assert vectors[np.array(["one"])].shape == (1, 2)
    assert vectors[[]].shape == (0, 2)
    assert vectors.top(2) == ["one", "two"]


def test_closer_words_by_hand():
    # Cosines with one (0.6, 0.8): two 0.96, ten 0, low -0.8.
    vectors = Vectors(["low", "ten", "one", "two"], [[0, -9], [-4, 3], [3, 4], [8, 6]])
    assert vectors.closer_than("one", "low") == ["ten", "two"]
    assert vectors.closer_than("one", "two") == []
    assert [vectors.rank("one", word) for word in ("two", "ten", "low")] == [1, 2, 3]
    assert vectors.most_similar("one", restrict_vocab=2) == vectors.most_similar("one")[1:]
    assert vectors.most_similar("one", exclude=["two"], restrict_vocab=1)[0][0] == "low"


def test_products_of_cosines_by_hand():
    # Moved to [0, 1], the cosines with one are 0.98, 0.5 and 0.1, those with ten 0.36, 0.5 and 0.2.
    names = ["one", "ten", "two", "nil", "low"]
    vectors = Vectors(names, [[3, 4], [-4, 3], [8, 6], [0, 0], [0, -9]])
    expected = [0.98 / 0.360001, 0.5 / 0.500001, 0.1 / 0.200001]
    check(vectors.most_similar_cosmul(["one"], ["ten"]), ["two", "nil", "low"], expected)
    check(vectors.most_similar_cosmul("one", "ten", topn=1), ["two"], expected[:1])
    with pytest.raises(W2VError, match="there is no query"):
        vectors.most_similar_cosmul()
    # gensim takes restrict_vocab here, too, but does not heed it.
    check(vectors.most_similar_cosmul("one", "ten", restrict_vocab=4), ["two", "nil"], expected[:2])


def test_nearest_words_are_exact_however_long_the_vectors():
    """Lengths beyond what float32 can square, zero vectors and equal ones, in any order."""
    rng = np.random.default_rng(20261127)
    matrix = rng.normal(size=(300, 5))
    matrix[::3] = matrix[1::3]  # ties
    matrix *= 10.0 ** rng.integers(-44, 38, 300)[:, np.newaxis]
    matrix[::50] = 0
    vectors = Vectors([f"w{row}" for row in range(300)], matrix)
    exact = vectors.matrix.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1, keepdims=True)
    units = (exact / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    for row in range(0, 300, 7):
        cosines = np.einsum("vd,d->v", units, units[row]).clip(-1, 1)
        order = [place for place in np.argsort(-cosines, kind="stable") if place != row]
        for n in (1, 9, 300):
            found = vectors.most_similar(f"w{row}", n)
            assert [word for word, _ in found] == [f"w{place}" for place in order[:n]]
            expected = cosines[order[:n]].tolist()
            assert [cosine for _, cosine in found] == pytest.approx(expected, abs=1e-6)


def test_a_question_makes_no_second_matrix():
    vectors = Vectors(WORDS, RANDOM.matrix)
    vectors.most_similar("word1")
    vectors.most_similar_cosmul(["word1"], ["word2"])
    assert "unit_matrix" not in vars(vectors)


def test_counts():
    vectors = Vectors(["a", "b"], np.eye(2), np.array([7, 0], np.uint8))
    assert vectors.counts.tolist() == [7, 0]
    assert vectors.counts.dtype == np.int64
    assert not vectors.counts.flags.writeable
    assert pickle.loads(pickle.dumps(vectors)).counts.tolist() == [7, 0]
    assert Vectors(["a", "b"], np.eye(2)).counts is None
    for counts in ([1], [1, 2, 3], [[1, 2]], [0.5, 1]):
        with pytest.raises(W2VError, match=r"^expected 2 whole numbers as counts, found shape"):
            Vectors(["a", "b"], np.eye(2), counts)
    with pytest.raises(W2VError, match=r"^a word cannot occur -1 times; counts are 0 or more$"):
        Vectors(["a", "b"], np.eye(2), [1, -1])


@pytest.mark.filterwarnings("ignore")  # gensim's own
def test_answers_are_those_of_gensim():
    pytest.importorskip("gensim")
    theirs = RANDOM.to_gensim()
    assert tuple(theirs.index_to_key) == RANDOM.words
    assert theirs.vectors.tobytes() == RANDOM.matrix.tobytes()
    vector = RANDOM["word9"] + 1
    for asked in (
        {"positive": ["word3"]},
        {"positive": ["word3", "word4"], "negative": ["word5"]},
        {"positive": ["word3", vector], "negative": ["word5", "word6"]},
        {"negative": ["word7"]},
        {"positive": [vector], "topn": 3},
    ):
        check(RANDOM.most_similar(**asked), *zip(*theirs.most_similar(**asked), strict=True))
    unit = vector / np.linalg.norm(vector)
    for asked in (
        {"positive": ["word3", "word4"], "negative": ["word5"]},
        # gensim takes vectors as they are, which makes other numbers than cosines of long ones.
        {"positive": ["word3", unit], "negative": ["word5", "word6"], "topn": 4},
        {"positive": ["word3"]},
        {"positive": ["word3"], "negative": ["word50"], "topn": 60},
    ):
        ours = RANDOM.most_similar_cosmul(**asked)
        check(ours, *zip(*theirs.most_similar_cosmul(**asked), strict=True))
    for restrict_vocab in (1, 5, 60, 100):
        asked = {"positive": ["word3", "word50"], "restrict_vocab": restrict_vocab, "topn": 7}
        check(RANDOM.most_similar(**asked), *zip(*theirs.most_similar(**asked), strict=True))
    for a, b in (("word1", "word2"), ("word2", "word1"), ("word5", "word5"), ("word9", "word40")):
        assert RANDOM.closer_than(a, b) == theirs.closer_than(a, b)
        assert RANDOM.rank(a, b) == theirs.rank(a, b)
    one, other = WORDS[:3], WORDS[10:15]
    assert RANDOM.n_similarity(one, other) == pytest.approx(theirs.n_similarity(one, other))
    assert RANDOM.similarity("word1", "word2") == pytest.approx(theirs.similarity("word1", "word2"))
    for first in range(50):
        some = WORDS[first : first + 5]
        assert RANDOM.doesnt_match(some) == theirs.doesnt_match(some)
    normed = theirs.get_vector("word1", norm=True)
    assert RANDOM.get_vector("word1", norm=True) == pytest.approx(normed)
    assert np.array_equal(RANDOM[one], theirs[one])


def test_gensim_that_is_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "gensim", None)
    monkeypatch.setitem(sys.modules, "gensim.models", None)
    with pytest.raises(W2VError, match=r"^gensim is not installed; pip install gensim$"):
        RANDOM.to_gensim()


def test_an_attribute_of_gensim_names_ours():
    for name, ours in OF_VECTORS.items():
        message = f"'Vectors' object has no attribute '{name}'; use {ours}"
        with pytest.raises(AttributeError, match=f"^{re.escape(message)}$"):
            getattr(RANDOM, name)
        word = re.match(r"\w+$", ours)
        assert not word or hasattr(RANDOM, ours)
    assert not hasattr(RANDOM, "index_to_key")
    with pytest.raises(AttributeError, match=r"^'Vectors' object has no attribute 'qqq'$"):
        RANDOM.qqq  # noqa: B018
    for name in vars(Queries):
        assert name not in OF_VECTORS


def test_numpy_takes_the_matrix():
    assert np.shares_memory(np.asarray(RANDOM), RANDOM.matrix)
    assert np.asarray(RANDOM, np.float64).dtype == np.float64
    own = np.array(RANDOM)
    assert not np.shares_memory(own, RANDOM.matrix)
    own[0] = 1
    assert np.dot(RANDOM, np.ones(7)).shape == (60,)
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError, match="float32 is no matrix of"):
            np.asarray(RANDOM, np.float64, copy=False)


@pytest.mark.parametrize(
    "duplicate", [lambda v: pickle.loads(pickle.dumps(v)), copy.copy, copy.deepcopy]
)
def test_copies_are_the_same_vectors(duplicate):
    vectors = Vectors(["one", "two"], [[3, 4], [4, 3]])
    fresh = len(pickle.dumps(vectors))
    vectors.most_similar("one")
    same = duplicate(vectors)
    assert same.words == vectors.words
    assert same.matrix.tobytes() == vectors.matrix.tobytes()
    assert not same.matrix.flags.writeable
    assert same.most_similar("one") == vectors.most_similar("one")
    assert same != vectors  # as always: vectors are equal to themselves alone
    assert len(pickle.dumps(vectors)) == fresh  # without what follows from the matrix


def test_a_notebook_shows_the_first_words():
    shown = RANDOM._repr_html_()
    assert "Vectors: 60 words, 7 dimensions" in shown
    assert shown.count("<tr>") == 1 + 5 + 1
    assert 'left">word4</td>' in shown
    assert "word5" not in shown
    assert f"<td>{RANDOM.matrix[0, 0]:.3f}</td>" in shown
    small = Vectors(["one"], [[1, 2]])._repr_html_()
    assert small == (
        "<div>Vectors: 1 word, 2 dimensions</div><table>"
        '<tr><th style="text-align: left">word</th><th>0</th><th>1</th></tr>'
        '<tr><td style="text-align: left">one</td><td>1.000</td><td>2.000</td></tr></table>'
    )


def test_words_in_a_notebook_are_harmless():
    hostile = Vectors(["<script>alert(1)</script>", "x" * 50_000, '"&'], np.eye(3))
    shown = hostile._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    assert "&quot;&amp;" in shown
    assert len(shown) < 1000
    assert ">?</td>" in table("", [], [["\ud800"]])

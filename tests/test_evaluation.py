"""Scores on test sets, against numbers worked by hand and against scipy and gensim."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import FormatError, SettingError, TextError, WrongTypeError
from w2v_sparseadam.evaluation import analogies
from w2v_sparseadam.evaluation.clusters import clusters_of
from w2v_sparseadam.evaluation.datasets import (
    AnalogySet,
    CategorySet,
    OddOneOutSet,
    SimilaritySet,
    looks_like_dataset,
    read_dataset,
)
from w2v_sparseadam.evaluation.outcomes import Accuracy, Correlation
from w2v_sparseadam.evaluation.scores import SectionReport, compare, evaluate
from w2v_sparseadam.evaluation.statistics import (
    N_RESAMPLES,
    interval_of,
    ranks,
    resampled,
    spearman,
)
from w2v_sparseadam.vectors.vectors import Vectors

ANY_KIND = (
    "two words and a number, four words, ': section', a word and its class with a tab between "
    "them, or words of which '*' marks the odd one"
)


def read(tmp_path, content):
    path = tmp_path / "set.txt"
    path.write_bytes(content.encode())
    return read_dataset(path)


# Spearman's rho


@pytest.mark.parametrize(
    ("x", "y", "rho"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 31], 1),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1),
        # Ranks 1 2 3 4 and 1 3 2 4: rho = 1 - 6 (0 + 1 + 1 + 0) / (4 (16 - 1)) = 0.8.
        ([1, 2, 3, 4], [5, 7, 6, 8], 0.8),
        # Ranks 1, 2.5, 2.5, 4 and 1 2 3 4, less 2.5: (2.25 + 0 + 0 + 2.25) / sqrt(4.5 * 5).
        ([0, 1, 1, 2], [1, 2, 3, 4], 4.5 / np.sqrt(22.5)),
        ([1, 1, 1], [1, 2, 3], None),
        ([1], [1], None),
    ],
)
def test_spearman_by_hand(x, y, rho):
    assert spearman(x, y) == (None if rho is None else pytest.approx(rho, abs=1e-12))


def test_spearman_matches_scipy():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(20260305)
    for n in (2, 5, 100):
        for ties in (3, 1000):
            x, y = rng.integers(0, ties, (2, n))
            if len(set(x)) > 1 and len(set(y)) > 1:
                assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)


# Files


def test_a_similarity_file(tmp_path):
    dataset = read(tmp_path, "# from people\ncat\tdog\t7.5\r\n\n tea  cup 3\nA B -1e0\n")
    assert dataset == SimilaritySet(
        "set.txt", [("cat", "dog", 7.5), ("tea", "cup", 3.0), ("A", "B", -1.0)]
    )


def test_a_similarity_file_with_names_of_columns(tmp_path):
    dataset = read(tmp_path, "word1\tword2\tscore\ncat\tdog\t7.5\n")
    assert dataset == SimilaritySet("set.txt", [("cat", "dog", 7.5)])


def test_a_byte_order_mark_is_no_part_of_a_word(tmp_path):
    assert read(tmp_path, "\ufeffcat\tdog\t7.5\n").pairs == [("cat", "dog", 7.5)]
    assert list(read(tmp_path, "\ufeff: x\na b c d\n").sections) == ["x"]


def test_an_analogy_file(tmp_path):
    dataset = read(
        tmp_path, ": big cities\nA B C D\nE F G H\n:more\nI J K L\n: big cities\nm n o p"
    )
    assert dataset == AnalogySet(
        "set.txt",
        {
            "big cities": [("A", "B", "C", "D"), ("E", "F", "G", "H"), ("m", "n", "o", "p")],
            "more": [("I", "J", "K", "L")],
        },
    )


def test_an_analogy_file_without_sections(tmp_path):
    dataset = read(tmp_path, "A B C D\n")
    assert dataset == AnalogySet("set.txt", {"all": [("A", "B", "C", "D")]})


def test_only_ascii_white_space_separates(tmp_path):
    dataset = read(tmp_path, "a\u00a0b \u2028c 1\n")
    assert dataset == SimilaritySet("set.txt", [("a\u00a0b", "\u2028c", 1.0)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": holds no items"),
        ("# nothing\n\n", ": holds no items"),
        (": section\n", ": has sections but no questions"),
        ("the cat\n", f", line 1: expected {ANY_KIND}, found 'the cat'"),
        ("one two score\n", f", line 1: expected {ANY_KIND}, found 'one two score'"),
        (
            "cat\tcats/kittens\n",
            ": holds one word with answers, but needs two or more: each is asked by another",
        ),
        (
            f"a,b,1\n{'c' * 140_000},d,2\n",
            f", line 2: expected two words and a number, found {'c' * 60!r}",
        ),
        ("word\tclass\n", ": holds no items after the line of column names"),
        ("a\tx\nb\n", ", line 2: expected a word and its class, found 'b'"),
        (
            "a b *c\na b c\n",
            ", line 2: expected three or more words, one of which is marked with '*', "
            "found 'a b c'",
        ),
        ("a b 1\nc d\n", ", line 2: expected two words and a number, found 'c d'"),
        ("a b 1\nc d 1 e 2\n", ", line 2: expected two words and a number, found 'c d 1 e 2'"),
        ("a b 1\nc d high\n", ", line 2: expected two words and a number, found 'c d high'"),
        ("a b 1\nc d nan\n", ", line 2: expected two words and a number, found 'c d nan'"),
        (": x\na b c\n", ", line 2: expected four words or ': section', found 'a b c'"),
        (": x\na b c d\n:\n", ", line 3: a section needs a name after ':'"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path, content, message):
    whole = re.escape(str(tmp_path / "set.txt") + message)
    with pytest.raises(FormatError, match=f"^{whole}$"):
        read(tmp_path, content)


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "set.txt").write_bytes(b"a b 1\ncaf\xe9 b 2\n")
    with pytest.raises(FormatError, match="line 2: is not UTF-8; convert the file"):
        read_dataset(tmp_path / "set.txt")


@given(st.one_of(st.binary(), st.text("ab1: .#\t\n\r\u00e9\x00-").map(str.encode)))
def test_random_bytes_read_or_raise_a_format_error(content):
    told = "x.txt"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "x.txt")
        path.write_bytes(content)
        try:
            assert read_dataset(path).name == "x.txt"
        except (FormatError, TextError) as error:  # TextError: begins like compressed data
            told = f"{error}"
    assert "x.txt" in told
    assert "\n" not in told


# Scores

#   Angles from "north" in degrees; cosines fall as they grow.
COMPASS = Vectors(
    ["north", "n10", "n40", "n90", "n170", "North"],
    [[np.sin(a), np.cos(a)] for a in np.radians([0, 10, 40, 90, 170, 80])],
)


def pairs(*judged):
    return SimilaritySet("pairs", [("north", word, number) for word, number in judged])


def test_similarity_by_hand():
    # Order by cosine n10 > n40 > n90 > n170, judged 4 2 3 1: rho = 1 - 6 * 2 / (4 * 15) = 0.8.
    report = evaluate(COMPASS, pairs(("n10", 4), ("n40", 2), ("n90", 3), ("n170", 1)))
    assert report.score == pytest.approx(80, abs=1e-9)
    assert (report.dataset, report.kind) == ("pairs", "similarity")
    assert (report.items, report.covered) == (4, 4)
    assert report.sections == ()
    assert report.protocol == (
        "100 times Spearman's rho with cosines; words lower-cased; "
        "pairs with a missing word left out"
    )


def test_pairs_with_a_missing_word_do_not_count():
    report = evaluate(COMPASS, pairs(("n10", 1), ("n40", 2), ("west", 9), ("n170", 3)))
    assert report.score == pytest.approx(-100, abs=1e-9)
    assert (report.items, report.covered) == (4, 3)


def test_words_are_lower_cased_unless_asked():
    # "North" lies at 80 degrees, behind n40.
    dataset = SimilaritySet("x", [("north", "North", 3), ("north", "N10", 2), ("north", "n40", 1)])
    lowered = evaluate(COMPASS, dataset)
    assert lowered.covered == 3
    assert lowered.score == pytest.approx(100, abs=1e-9)
    kept = evaluate(COMPASS, dataset, keep_case=True)
    assert kept.covered == 2
    assert kept.score == pytest.approx(-100, abs=1e-9)
    assert "words as spelled" in kept.protocol


@pytest.mark.parametrize(
    ("judged", "covered"),
    [([("west", 1)], 0), ([("n10", 1)], 1), ([("n10", 1), ("n40", 1)], 2)],
)
def test_no_score_where_rho_is_undefined(judged, covered):
    report = evaluate(COMPASS, pairs(*judged))
    assert report.score is None
    assert report.covered == covered


#   Rows: a man-to-woman step is (0, 1); "uncle" + step is nearest to "aunt".
FAMILY = Vectors(
    ["man", "woman", "king", "queen", "uncle", "aunt", "apple"],
    [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, -1], [1, 1, -1], [-1, -1, 0]],
)
QUESTIONS = AnalogySet(
    "family",
    {
        "royal": [
            ("Man", "woman", "king", "queen"),  # right
            ("man", "woman", "king", "aunt"),  # wrong
            ("man", "woman", "prince", "princess"),  # missing
        ],
        "plain": [("man", "woman", "uncle", "aunt")],  # right
        "fruit": [("pear", "pears", "apple", "apples")],  # missing
    },
)


def test_analogies_by_hand():
    report = evaluate(FAMILY, QUESTIONS)
    assert (report.dataset, report.kind) == ("family", "analogy")
    assert report.score == pytest.approx(200 / 3)
    assert (report.items, report.covered) == (5, 3)
    assert report.sections == (
        SectionReport("royal", 50.0, 3, 2),
        SectionReport("plain", 100.0, 1, 1),
        SectionReport("fruit", None, 1, 0),
    )
    assert report.protocol == (
        "% correct by 3CosAdd among the first 7 words; words lower-cased; question words are not "
        "answers; questions with other words left out"
    )


def test_only_the_first_words_are_asked_for_and_answered():
    # Without "aunt", and with "uncle" the only answer left that is no question word.
    report = evaluate(FAMILY, QUESTIONS, restrict_vocab=5)
    assert (report.score, report.covered) == (100.0, 1)
    assert "among the first 5 words" in report.protocol
    decoy = Vectors([*FAMILY.words, "better"], [*FAMILY.matrix.tolist(), [1, 1, 0.98]])
    assert evaluate(decoy, QUESTIONS, restrict_vocab=7).score == pytest.approx(200 / 3)


def test_question_words_are_no_answers():
    # b - a + c = (1, 0.2) is nearest to c itself, then to b; d is the best of the others.
    vectors = Vectors(["a", "b", "c", "d"], [[1, 0], [1, 0.1], [1, 0.1001], [0, 1]])
    dataset = AnalogySet("x", {"all": [("a", "b", "c", "d"), ("a", "b", "c", "c")]})
    assert evaluate(vectors, dataset).score == 50.0


def test_keep_case_for_analogies():
    report = evaluate(FAMILY, QUESTIONS, keep_case=True)
    assert report.covered == 2


def test_nothing_covered_is_no_score():
    report = evaluate(COMPASS, QUESTIONS)
    assert (report.score, report.items, report.covered) == (None, 5, 0)


@pytest.mark.parametrize("limit", [1, 25])
def test_analogies_match_one_question_at_a_time(monkeypatch, limit):
    monkeypatch.setattr(analogies, "_SCORES_AT_ONCE", 30 * limit)
    monkeypatch.setattr(analogies, "_FIRST_BLOCK", limit)
    rng = np.random.default_rng(20260306)
    words = [f"w{row}" for row in range(30)]
    vectors = Vectors(words, rng.normal(size=(30, 4)))
    asked = [tuple(rng.choice(words, 3, replace=False).tolist()) for _ in range(60)]
    # Half of the expected answers are the right ones.
    questions = [
        (*abc, vectors.analogy(*abc, n=2)[number % 2][0]) for number, abc in enumerate(asked)
    ]
    asked_for = AnalogySet("x", {"all": questions})
    assert evaluate(vectors, asked_for).score == 50.0


@pytest.fixture
def ours_and_theirs(tmp_path):
    models = pytest.importorskip("gensim.models", reason="compares with gensim; not installed")
    rng = np.random.default_rng(20260307)
    vectors = Vectors([f"w{row}" for row in range(400)], rng.normal(size=(400, 5)))
    vectors.save(tmp_path / "v.bin")
    return vectors, models.KeyedVectors.load_word2vec_format(tmp_path / "v.bin", binary=True)


@pytest.mark.filterwarnings("ignore")  # gensim's own
def test_similarity_matches_gensim(tmp_path, ours_and_theirs):
    vectors, theirs = ours_and_theirs
    rng = np.random.default_rng(20260308)
    path = tmp_path / "similar.txt"
    lines = [[*rng.choice(vectors.words, 2), f"{rng.integers(100) / 10}"] for _ in range(500)]
    lines += [["w1", "elsewhere", "3"]]
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    pearson, rho, left_out = theirs.evaluate_word_pairs(str(path))
    ours = evaluate(vectors, read_dataset(path))
    assert ours.score == pytest.approx(100 * rho.statistic, abs=1e-10)
    assert ours.covered == 500
    assert left_out == pytest.approx(100 / 501)
    ours = evaluate(vectors, read_dataset(path), pearson=True)
    # They multiply float32s.
    assert ours.score == pytest.approx(100 * pearson.statistic, abs=1e-5)


@pytest.mark.filterwarnings("ignore")  # gensim's own
def test_analogies_match_gensim(tmp_path, ours_and_theirs):
    vectors, theirs = ours_and_theirs
    rng = np.random.default_rng(20260309)
    path = tmp_path / "analogies.txt"
    asked = [rng.choice(vectors.words[:100], 3, replace=False).tolist() for _ in range(300)]
    lines = [
        " ".join([*abc, theirs.most_similar(positive=abc[1:], negative=abc[:1])[n % 3][0]])
        for n, abc in enumerate(asked)
    ]
    path.write_text("\n".join([": one", *lines[:200], ": two", *lines[200:]]))
    accuracy, sections = theirs.evaluate_word_analogies(str(path), restrict_vocab=300)
    ours = evaluate(vectors, read_dataset(path), restrict_vocab=300)
    assert ours.score == 100 * accuracy
    assert 10 < ours.score < 60
    for section, its in zip(ours.sections, sections, strict=False):
        n_right = len(its["correct"])
        assert section.covered == n_right + len(its["incorrect"])
        assert section.score == 100 * n_right / section.covered


@pytest.mark.filterwarnings("ignore")  # gensim's own
def test_3cosmul_matches_gensim(ours_and_theirs):
    """Question by question: its evaluate_word_analogies ignores its similarity_function."""
    vectors, theirs = ours_and_theirs
    rng = np.random.default_rng(20260310)
    questions = []
    for n in range(100):
        abc = rng.choice(vectors.words, 3, replace=False).tolist()
        best = theirs.most_similar_cosmul(positive=abc[1:], negative=abc[:1])
        questions.append((*abc, best[n % 4][0]))
    assert evaluate(vectors, AnalogySet("x", {"all": questions}), method="3cosmul").score == 25.0


def test_a_vocabulary_of_no_words_is_refused():
    with pytest.raises(SettingError, match="restrict_vocab is 0; keep at least 1 word"):
        evaluate(FAMILY, QUESTIONS, restrict_vocab=0)


def test_words_are_found_in_another_normal_form():
    """An editor may write é as two characters, and most texts are trained as one."""
    vectors = Vectors(["caf\u00e9", "th\u00e9", "e\u0301te\u0301", "eau"], np.eye(4) + 0.1)
    similarity = SimilaritySet(
        "s", [("Cafe\u0301", "the\u0301", 1.0), ("\u00e9t\u00e9", "eau", 2.0)]
    )
    assert evaluate(vectors, similarity).covered == 2
    analogies = AnalogySet("a", {"all": [("cafe\u0301", "the\u0301", "\u00e9t\u00e9", "eau")]})
    assert evaluate(vectors, analogies).covered == 1


# More formats


@pytest.mark.parametrize(
    "content",
    [
        "word1\tword2\tPOS\tSimLex999\tconc\nold\tnew\tA\t1.58\t2.7\nbig\tnew york\tA\t9\t1\n",
        "old\tnew\tA\t1.58\tSYNONYMS\nbig\tnew york\tA\t9\tNONE\n",
        'Word 1,Word 2,Human (mean)\r\nold,new,1.58\r\n"big", "new york",9\r\n',
        "\ufeffold,new,1.58\rbig,new york,9\r",
        "# ours\rold\tnew\t1.58\r\r# more\rbig\tnew york\t9",
    ],
)
def test_similarity_files_as_they_are_published(tmp_path, content):
    assert read(tmp_path, content).pairs == [("old", "new", 1.58), ("big", "new york", 9.0)]


@pytest.mark.parametrize("words", [("1,000", "thousand"), (",", ".")])
def test_a_comma_may_be_part_of_a_word(tmp_path, words):
    assert read(tmp_path, " ".join([*words, "8.5"])).pairs == [(*words, 8.5)]


def test_the_place_of_an_error_counts_lines_that_end_in_cr(tmp_path):
    with pytest.raises(FormatError, match="line 3: expected two words and a number, found 'c d'"):
        read(tmp_path, "a b 1\r# no\rc d\r")


def test_a_category_file(tmp_path):
    expected = CategorySet("set.txt", [("cat", "animal"), ("oak", "tree")])
    assert read(tmp_path, "word\tclass\ncat\tanimal\noak\ttree\n") == expected
    assert read(tmp_path, "cat,animal\noak,tree\n") == expected


def test_an_odd_one_out_file(tmp_path):
    expected = OddOneOutSet("set.txt", [(("lunch", "car", "tea"), 1), (("a", "b", "c"), 2)])
    assert read(tmp_path, "lunch *car tea\na b *c\n") == expected
    assert read(tmp_path, "lunch\t*car\ttea\na\tb\t*c\n") == expected


def test_a_file_of_bats(tmp_path):
    path = tmp_path / "I01 [noun - plural_reg].txt"
    path.write_text("cat\tcats\nox\toxen/oxes\n")
    questions = [("ox", "oxen", "cat", "cats"), ("cat", "cats", "ox", "oxen", "oxes")]
    assert read_dataset(path).sections == {"I01 [noun - plural_reg]": questions}


def test_classes_with_a_slash_are_no_answers(tmp_path):
    words = [("paris", "city/town"), ("rome", "city/town"), ("and/or", "word"), ("it", "word")]
    lines = "".join(f"{word}\t{label}\n" for word, label in words)
    assert read(tmp_path, lines) == CategorySet("set.txt", words)
    assert read(tmp_path, "a,b/c\nd,e/f\n") == CategorySet("set.txt", [("a", "b/c"), ("d", "e/f")])


@pytest.mark.parametrize("name", ["E01 [x - y].txt", "set.txt"])
def test_too_many_words_with_answers_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_text("".join(f"w{n}\ta{n}/b\n" for n in range(501)))
    with pytest.raises(
        FormatError, match="holds 501 words with answers, each of which is asked by each other; up"
    ):
        read_dataset(path)
    path.write_text("".join(f"w{n}\ta{n}/b\n" for n in range(500)))
    assert len(read_dataset(path).sections[path.stem]) == 500 * 499


def test_a_folder_of_analogies(tmp_path):
    folder = tmp_path / "BATS_3.0"
    (folder / "1_Inflectional").mkdir(parents=True)
    (folder / "1_Inflectional" / "I01.txt").write_text("cat\tcats\ndog\tdogs\n")
    (folder / "google.txt").write_text(": x\na b c d\n")
    (folder / "metadata.json").write_text("{}")
    found = read_dataset(folder)
    assert found.name == "BATS_3.0"
    assert list(found.sections) == ["I01", "google: x"]
    assert looks_like_dataset(folder)
    (folder / "2_Other").mkdir()
    (folder / "2_Other" / "I01.txt").write_text("ox\toxen\nman\tmen\n")
    (folder / "2_Other" / "google.txt").write_text(": x\ne f g h\n")
    found = read_dataset(folder)
    assert {name: len(asked) for name, asked in found.sections.items()} == {
        "I01": 4,
        "google: x": 2,
    }
    (folder / "pairs.txt").write_text("a b 1\n")
    with pytest.raises(
        FormatError, match=r"pairs\.txt: is not a set of analogies, as each file of"
    ):
        read_dataset(folder)


def test_a_folder_without_data_sets(tmp_path):
    assert not looks_like_dataset(tmp_path)
    with pytest.raises(FormatError, match=r"holds no \.txt, \.tsv or \.csv file with analogies"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("content", "is_dataset"),
    [
        (b"a b 1\nc d 2\n", True),
        (b"a b 1\na b\n", True),  # broken, which read_dataset says
        (b": x\na b c d\n", True),
        (b"caf\xe9 b 1\n", True),
        (b"2 3\none 1 2 3\ntwo 3 4 5\n", False),
        (b"2 1\none 1\ntwo 3\n", False),
        (b"the 0.1 0.2 0.3\nof 0.1 0.2 0.3\n", False),  # GloVe, without a header
        (b"the cat sat on the mat\nit was flat\n", False),
        (b"", False),
        (b"2 1\none \0\0\0\0", False),
    ],
)
def test_data_sets_are_told_from_vectors(tmp_path, content, is_dataset):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert looks_like_dataset(path) == is_dataset


# Answers with several right words, categories, and odd ones


def test_any_of_several_answers_is_right():
    several = AnalogySet("x", {"all": [("man", "woman", "uncle", "nobody", "aunt")]})
    report = evaluate(FAMILY, several)
    assert (report.score, report.covered) == (100.0, 1)
    wrong = AnalogySet("x", {"all": [("man", "woman", "uncle", "nobody", "queen")]})
    assert evaluate(FAMILY, wrong).score == 0.0


def test_purity_by_hand():
    # Two clusters, (north n10 n40) and (n90 n170): 2 and 1 of the commonest class, of 5 words.
    words = [("north", "x"), ("n10", "x"), ("n40", "y"), ("n90", "x"), ("N170", "y"), ("no", "y")]
    report = evaluate(COMPASS, CategorySet("c", words))
    assert (report.kind, report.items, report.covered) == ("categories", 6, 5)
    assert report.score == pytest.approx(60)
    assert "purity of as many clusters as there are classes" in report.protocol


def test_clusters_find_separate_directions():
    rng = np.random.default_rng(20260310)
    classes = rng.integers(5, size=200)
    units = np.eye(5)[classes] + 0.1 * rng.normal(size=(200, 5))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    found = clusters_of(units.astype(np.float32), 5)
    assert len(set(zip(found.tolist(), classes.tolist(), strict=True))) == 5
    np.testing.assert_array_equal(found, clusters_of(units.astype(np.float32), 5))
    assert set(clusters_of(units[:3].astype(np.float32), 3)) == {0, 1, 2}
    assert set(clusters_of(np.ones((4, 2), np.float32), 2)) <= {0, 1}  # of equal vectors


def test_odd_one_out_by_hand():
    groups = [
        (("north", "n10", "n170"), 2),  # right
        (("north", "n10", "n170"), 0),  # wrong
        (("north", "n10", "nowhere"), 2),  # missing
    ]
    report = evaluate(COMPASS, OddOneOutSet("o", groups))
    assert (report.kind, report.score) == ("odd one out", 50.0)
    assert (report.items, report.covered) == (3, 2)


@pytest.mark.parametrize(
    "dataset", [CategorySet("c", [("no", "x")]), OddOneOutSet("o", [(("no", "o", "p"), 0)])]
)
def test_nothing_covered_of_other_kinds(dataset):
    report = evaluate(COMPASS, dataset)
    assert (report.score, report.interval, report.covered) == (None, None, 0)


# The bootstrap


def test_ranks_of_a_resample_are_those_of_repeated_values():
    rng = np.random.default_rng(20260311)
    values, often = rng.integers(4, size=30), rng.integers(4, size=(7, 30))
    stats = pytest.importorskip("scipy.stats", reason="ranks values; not installed")
    for weights, found in zip(often, ranks(values, often.astype(float)), strict=True):
        expected = stats.rankdata(np.repeat(values, weights))
        np.testing.assert_allclose(np.repeat(found, weights), expected)


@pytest.mark.parametrize("is_pearson", [False, True])
def test_correlations_of_resamples_are_those_of_repeated_items(is_pearson):
    rng = np.random.default_rng(20260312)
    ratings, cosines = rng.integers(5, size=40).astype(float), rng.normal(size=40)
    often = rng.integers(3, size=(5, 40))
    found = Correlation(np.arange(40), ratings, cosines, is_pearson).scores(often.astype(float))
    for weights, score in zip(often, found, strict=True):
        x, y = np.repeat(ratings, weights), np.repeat(cosines, weights)
        assert score == pytest.approx(np.corrcoef(x, y)[0, 1] if is_pearson else spearman(x, y))


def test_the_interval_of_an_accuracy_is_that_of_a_share():
    # 400 of 1,000: the standard error is sqrt(0.4 * 0.6 / 1000) = 1.55 points.
    outcome = Accuracy(np.arange(1000), np.arange(1000) < 400)
    low, high = interval_of(100 * resampled([outcome])[0])
    assert low == pytest.approx(40 - 1.96 * 1.549, abs=0.4)
    assert high == pytest.approx(40 + 1.96 * 1.549, abs=0.4)
    assert len(resampled([outcome])[0]) == N_RESAMPLES


def test_the_interval_of_a_correlation_is_that_of_theory():
    # Of normal pairs with r = 0.6, n = 1,000: the standard error of r is (1 - r²) / sqrt(n) = 2.0.
    rng = np.random.default_rng(20260313)
    x, noise = rng.normal(size=(2, 1000))
    outcome = Correlation(np.arange(1000), x, 0.6 * x + 0.8 * noise, True)
    low, high = interval_of(100 * resampled([outcome])[0])
    assert high - low == pytest.approx(2 * 1.96 * 2.02, rel=0.15)
    assert low < 100 * np.corrcoef(x, 0.6 * x + 0.8 * noise)[0, 1] < high


def test_a_report_has_the_same_interval_each_time():
    report = evaluate(FAMILY, QUESTIONS)
    assert report.interval == evaluate(FAMILY, QUESTIONS).interval == (0.0, 100.0)
    assert report.record()["interval"] == (0.0, 100.0)
    assert "outcome" not in report.record()


def test_vectors_do_not_differ_from_themselves():
    report = evaluate(FAMILY, QUESTIONS)
    difference = compare(report, report)
    assert (difference.score, difference.interval, difference.items) == (0.0, (0.0, 0.0), 3)


def test_a_difference_is_of_the_items_that_both_cover():
    questions = AnalogySet("x", {"all": QUESTIONS.sections["royal"] * 100})
    some = Vectors(FAMILY.words[:4], FAMILY.matrix[:4])  # without aunt, so all are right
    difference = compare(evaluate(some, questions), evaluate(FAMILY, questions))
    assert (difference.score, difference.items) == (0.0, 100)
    assert difference.interval == (0.0, 0.0)


def test_the_difference_of_paired_items_is_surer_than_that_of_scores():
    """Both miss the same hard questions, and one of them some more."""
    items, hard = np.arange(1000), np.arange(1000) < 500
    one, other = Accuracy(items, ~hard), Accuracy(items, ~hard & (items % 20 > 0))
    mine, theirs = resampled([one, other])
    low, high = interval_of(100 * (mine - theirs))
    # 25 of 1,000 differ: the standard error is sqrt(0.025 * 0.975 / 1000) = 0.49 points.
    assert (low, high) == pytest.approx((2.5 - 0.97, 2.5 + 0.97), abs=0.25)


def test_reports_of_different_sets_cannot_be_compared():
    with pytest.raises(SettingError, match="reports of family and pairs cannot be compared"):
        compare(evaluate(FAMILY, QUESTIONS), evaluate(COMPASS, pairs(("n10", 4), ("n40", 2))))


def test_another_method_is_refused():
    with pytest.raises(SettingError, match="method is 'cosmul', but must be one of '3cosadd', '3"):
        evaluate(FAMILY, QUESTIONS, method="cosmul")


# From Python


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SimilaritySet("x", []), FormatError, "x: holds no items"),
        (lambda: AnalogySet("x", {}), FormatError, "x: holds no items"),
        (lambda: AnalogySet("x", {"all": []}), FormatError, "x: holds no items"),
        (lambda: CategorySet("x", []), FormatError, "x: holds no items"),
        (lambda: OddOneOutSet("x", []), FormatError, "x: holds no items"),
        (
            lambda: SimilaritySet("x", [("a", "b", 1), ("c", "d", float("nan"))]),
            FormatError,
            "x, item 2: expected two words and a finite number, found ('c', 'd', nan)",
        ),
        (lambda: SimilaritySet("x", [("a", "b", -np.inf)]), FormatError, "x, item 1: expected two"),
        (lambda: SimilaritySet("x", [("a", "b", 10**400)]), FormatError, "x, item 1: expected two"),
        (lambda: SimilaritySet("x", [("a", "b", "1")]), FormatError, "x, item 1: expected two"),
        (lambda: SimilaritySet("x", [("a", "b")]), FormatError, "x, item 1: expected two words"),
        (lambda: SimilaritySet("x", [("a", 1, 2)]), FormatError, "x, item 1: expected two words"),
        (lambda: SimilaritySet("x", [5]), FormatError, "x, item 1: expected two words"),
        (lambda: AnalogySet("x", {"s": [("a", "b", "c")]}), FormatError, "expected four words"),
        (lambda: CategorySet("x", ["ab"]), FormatError, "x, item 1: expected a word and its class"),
        (lambda: OddOneOutSet("x", [(("a", "b", "c"), 3)]), FormatError, "place of the odd one"),
        (lambda: OddOneOutSet("x", [("abc", 1, 2)]), FormatError, "place of the odd one"),
        (lambda: SimilaritySet(None, [("a", "b", 1)]), WrongTypeError, "the name of a data set"),
        (lambda: SimilaritySet("x", 5), WrongTypeError, "the items of x must be a list, each of"),
        (lambda: AnalogySet("x", []), WrongTypeError, "sections must be a dict of lists of"),
        (lambda: evaluate(FAMILY, "sim.tsv"), WrongTypeError, "dataset must be a data set, as"),
        (lambda: evaluate({}, PAIR), WrongTypeError, "vectors must be Vectors, got dict"),
        (lambda: evaluate(FAMILY, PAIR, restrict_vocab=2.5), WrongTypeError, "restrict_vocab must"),
        (
            lambda: compare(evaluate(FAMILY, PAIR), None),
            WrongTypeError,
            "a report must be one that",
        ),
        (lambda: read_dataset(None), WrongTypeError, "path must be a path (str or path-like)"),
        (lambda: read_dataset(3), WrongTypeError, "path must be a path (str or path-like)"),
        (lambda: read_dataset(""), SettingError, "path must be the path of a file or folder"),
    ],
)
def test_what_cannot_be_evaluated_is_one_clear_line(make, error, message):
    with pytest.raises(error, match=re.escape(message)) as raised:
        make()
    assert "\n" not in str(raised.value)


PAIR = SimilaritySet("x", [("man", "king", 1)])


@pytest.mark.parametrize("factor", [2.0**996, 2.0**-1000])
def test_pearson_of_ratings_whose_squares_overflow_or_vanish(factor):
    rated = [("man", "woman", 3.5), ("man", "king", -1.0), ("man", "aunt", 15.0)]
    usual, scaled = (
        evaluate(FAMILY, SimilaritySet("x", [(a, b, f * n) for a, b, n in rated]), pearson=True)
        for f in (1, factor)
    )
    assert usual.score is not None
    assert (scaled.score, scaled.interval) == (usual.score, usual.interval)

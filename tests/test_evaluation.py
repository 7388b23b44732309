"""Scores on test sets, against numbers worked by hand and against scipy and gensim."""

import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import FormatError, SettingError, TextError
from w2v_sparseadam.evaluation import scores as evaluation
from w2v_sparseadam.evaluation.scores import (
    AnalogySet,
    SectionReport,
    SimilaritySet,
    evaluate,
    read_dataset,
    spearman,
)
from w2v_sparseadam.vectors.vectors import Vectors


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
        ("one two score\n", ": holds no items after the line of column names"),
        (
            "the cat\n",
            ", line 1: expected two words and a number, four words, or ': section', found 2 fields",
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
    monkeypatch.setattr(evaluation, "_SCORES_AT_ONCE", 30 * limit)
    rng = np.random.default_rng(20260306)
    words = [f"w{row}" for row in range(30)]
    vectors = Vectors(words, rng.normal(size=(30, 4)))
    asked = [tuple(rng.choice(words, 3, replace=False).tolist()) for _ in range(60)]
    # Half of the expected answers are the right ones.
    questions = [
        (*abc, vectors.analogy(*abc, n=2)[number % 2][0]) for number, abc in enumerate(asked)
    ]
    assert evaluate(vectors, AnalogySet("x", {"all": questions})).score == 50.0


@pytest.mark.filterwarnings("ignore")  # gensim's own
def test_scores_match_gensim(tmp_path):
    models = pytest.importorskip("gensim.models")
    rng = np.random.default_rng(20260307)
    words = [f"w{row}" for row in range(40)]
    vectors = Vectors(words, rng.normal(size=(40, 3)))
    vectors.save(tmp_path / "v.bin")
    theirs = models.KeyedVectors.load_word2vec_format(str(tmp_path / "v.bin"), binary=True)
    similar = tmp_path / "similar.txt"
    similar.write_text(
        "".join(
            "\t".join([*rng.choice(words, 2, replace=False), str(rng.integers(10))]) + "\n"
            for _ in range(50)
        )
    )
    analogies = tmp_path / "analogies.txt"
    asked = [rng.choice(words, 3, replace=False).tolist() for _ in range(50)]
    answers = [vectors.analogy(*abc, n=3)[number % 3][0] for number, abc in enumerate(asked)]
    lines = [" ".join([*abc, answer]) for abc, answer in zip(asked, answers, strict=True)]
    analogies.write_text("\n".join([": all", *lines]))

    _, rho, _ = theirs.evaluate_word_pairs(str(similar))
    assert evaluate(vectors, read_dataset(similar)).score == pytest.approx(100 * rho.statistic)
    accuracy, _ = theirs.evaluate_word_analogies(str(analogies), restrict_vocab=30)
    ours = evaluate(vectors, read_dataset(analogies), restrict_vocab=30).score
    assert ours == pytest.approx(100 * accuracy)


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

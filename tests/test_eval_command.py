"""w2v-eval: what it prints, and its exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands.eval import main
from w2v_sparseadam.vectors.vectors import Vectors


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["man", "woman", "king", "queen", "apple"]
    matrix = [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, -1, 0]]
    Vectors(words, matrix).save("v.vec")
    Path("pairs.txt").write_text("Man woman 3\nman king 2\nman apple 1\nman pear 9\n")
    Path("family.txt").write_text(": royal\nMan Woman King Queen\nMan Woman Boy Girl\n")
    Path("alien.txt").write_text("x y 1\nz y 2\n")
    Path("tied.txt").write_text("man woman 1\nman king 1\n")
    return tmp_path


def run(*args):
    return CliRunner().invoke(main, args)


def test_table(folder):
    result = run("v.vec", "pairs.txt", "family.txt")
    assert result.exit_code == 0
    assert result.output == (
        "data set    kind        score  95 % interval   covered / items\n"
        "pairs.txt   similarity   86.6  86.6 to 100.0        3 /      4\n"
        "family.txt  analogy     100.0  100.0 to 100.0       1 /      2\n"
        "\n"
        "similarity: 100 times Spearman's rho with cosines; words lower-cased; pairs with a "
        "missing word left out.\n"
        "analogy: % correct by 3CosAdd among the first 5 words; words lower-cased; question words "
        "are not answers; questions with other words left out.\n"
        "interval: of 95 % of the scores on samples of the items (bootstrap).\n"
    )


def test_a_set_that_is_named_twice_is_scored_once(folder):
    Path("link.txt").symlink_to("pairs.txt")
    args = "v.vec", "pairs.txt", "family.txt"
    assert run(*args, "./pairs.txt", "link.txt").output == run(*args).output


def test_missing_scores_are_explained(folder):
    result = run("v.vec", "alien.txt", "tied.txt")
    assert result.exit_code == 0
    assert "alien.txt  similarity      -                      0 /      2\n" in result.output
    assert result.output.endswith(
        "alien.txt: no score, because no item is covered.\n"
        "tied.txt: no score, because all judgements, or all cosines, are equal.\n"
    )


def test_json(folder):
    result = run("v.vec", "pairs.txt", "family.txt", "alien.txt", "--json")
    assert result.exit_code == 0
    pairs, family, alien = map(json.loads, result.output.splitlines())
    assert pairs.pop("protocol").startswith("100 times Spearman's rho")
    # Ranks 1.5 1.5 3... of cosines (equal, equal, less) and 3 2 1: 1.5 / sqrt(1.5 * 2).
    assert pairs.pop("score") == pytest.approx(100 * 0.75**0.5)
    low, high = pairs.pop("interval")
    assert (low, high) == pytest.approx((100 * 0.75**0.5, 100))
    assert pairs == {
        "vectors": "v.vec",
        "dataset": "pairs.txt",
        "kind": "similarity",
        "items": 4,
        "covered": 3,
        "composed": 0,
        "sections": [],
    }
    assert (family["dataset"], family["kind"], family["score"]) == ("family.txt", "analogy", 100)
    assert family["sections"] == [{"name": "royal", "score": 100.0, "items": 2, "covered": 1}]
    assert alien["score"] is None


def test_options_reach_the_library(folder):
    (report,) = map(
        json.loads, run("v.vec", "family.txt", "--json", "--keep-case").output.split("\n")[:1]
    )
    assert (report["covered"], report["score"]) == (0, None)
    assert "words as spelled" in report["protocol"]
    (report,) = map(
        json.loads,
        run("v.vec", "family.txt", "--json", "--restrict-vocab=3").output.split("\n")[:1],
    )
    assert report["covered"] == 0
    assert "the first 3 words" in report["protocol"]


def test_several_vectors_are_compared_with_the_first(folder):
    words = ["man", "woman", "king", "queen", "apple"]
    Vectors(words, [[1, 0], [2, 1], [1, 3], [-1, 1], [0, 1]]).save("w.bin")
    # Which are the data sets is told by content, wherever they stand.
    result = run("v.vec", "family.txt", "w.bin", "pairs.txt")
    assert result.exit_code == 0
    assert result.output.splitlines()[:5] == [
        "data set    kind        vectors         score  95 % interval     covered / items",
        "family.txt  analogy     v.vec           100.0  100.0 to 100.0         1 /      2",
        "family.txt  analogy     w.bin             0.0  0.0 to 0.0             1 /      2",
        "family.txt  difference  w.bin - v.vec  -100.0  -100.0 to -100.0        1 in both",
        "pairs.txt   similarity  v.vec            86.6  86.6 to 100.0          3 /      4",
    ]
    *_, last = map(json.loads, run("v.vec", "w.bin", "pairs.txt", "--json").output.splitlines())
    assert (last["vectors"], last["minus"], last["items"]) == ("w.bin", "v.vec", 3)
    assert last["score"] == pytest.approx(100 - 100 * 0.75**0.5)
    assert len(last["interval"]) == 2


def test_a_broken_data_set_shows_before_the_vectors_are_read(folder):
    Path("broken.txt").write_text("a b 1\na b\n")
    Path("broken.vec").write_text("no header\n")
    result = run("broken.vec", "pairs.txt", "broken.txt")
    assert result.exit_code == 1
    assert result.output == (
        "Error: broken.txt, line 2: expected two words and a number, found 'a b'\n"
    )
    result = run("broken.vec", "pairs.txt")
    assert result.exit_code == 1
    assert result.output.startswith("Error: broken.vec, line 1: expected the numbers of words and")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Missing argument 'VECTORS... DATASET...'"),
        (
            ["v.vec", "pairs.nan"],
            "No argument is a data set, nor is pairs.nan: give a DATASET, too, of a kind that "
            "--help shows.",
        ),
        (["pairs.txt"], "All arguments are data sets, such as pairs.txt: give VECTORS, too."),
        (["v.vec", "pairs.txt", "--method", "add"], "'add' is not one of '3cosadd', '3cosmul'."),
        (["missing.vec", "pairs.txt"], "Path 'missing.vec' does not exist"),
        (["v.vec", "missing.txt"], "Path 'missing.txt' does not exist"),
        (["v.vec", "pairs.txt", "--restrict-vocab=0"], "0 is not in the range x>=1"),
    ],
)
def test_usage_errors(folder, args, message):
    Path("pairs.nan").write_text("man woman nan\nman king nan\n")
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.output


def test_help_is_light():
    code = (
        "import sys; from w2v_sparseadam.commands.eval import main\n"
        "try: main(['--help'])\n"
        "finally: sys.exit(bool({'numpy', 'numba', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--restrict-vocab N" in done.stdout
    assert "[default: 30000; x>=1]" in " ".join(done.stdout.split())

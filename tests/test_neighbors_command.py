"""w2v-neighbors: what it prints, and its exit codes."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands import neighbors, printable
from w2v_sparseadam.commands.neighbors import main
from w2v_sparseadam.vectors.vectors import Vectors

WORDS = ["one", "two", "東京", "e\u0301te\u0301", "\x1b[31m"]
MATRIX = [[3, 4], [4, 3], [-4, 3], [0, -1], [-3, -4]]


@pytest.fixture(params=["v.txt", "v.bin"])
def path(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Vectors(WORDS, MATRIX).save(request.param)
    return request.param


def run(*args):
    return CliRunner().invoke(main, args)


def test_table(path):
    result = run(path, "one", "東京", "-n", "4")
    assert result.exit_code == 0
    assert result.output == (
        "one\n"
        "  two        0.9600\n"
        "  東京       0.0000\n"
        "  e\u0301te\u0301       -0.8000\n"
        "  \\x1b[31m  -1.0000\n"
        "\n"
        "東京\n"
        "  one        0.0000\n"
        "  \\x1b[31m   0.0000\n"
        "  two       -0.2800\n"
        "  e\u0301te\u0301       -0.6000\n"
    )


def test_analogy(path):
    # With unit vectors: two - one + 東京 = (-0.6, 0.4), nearest to \x1b[31m among the others.
    result = run(path, "--analogy", "one", "two", "東京", "-n1")
    assert result.exit_code == 0
    assert result.output == "one : two = 東京 : ?\n  \\x1b[31m   0.0555\n"
    both = run(path, "--analogy", "one", "two", "東京", "-n1", "one")
    assert both.output == "one\n  two        0.9600\n\n" + result.output


def test_json(path):
    result = run(path, "東京", "--analogy", "one", "two", "東京", "--json", "-n", "1")
    assert result.exit_code == 0
    word, analogy = map(json.loads, result.output.splitlines())
    assert word["query"] == "東京"
    assert [near["word"] for near in word["neighbors"]] == ["one"]
    assert word["neighbors"][0]["cosine"] == pytest.approx(0, abs=1e-6)
    assert analogy["query"] == "one : two = 東京 : ?"
    assert [near["word"] for near in analogy["neighbors"]] == ["\x1b[31m"]
    assert "東京" in result.output


def test_an_unknown_word(path):
    result = run(path, "tow")
    assert result.exit_code == 1
    assert result.output == "Error: no vector for 'tow'; did you mean 'two'?\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "Nothing to look up: give a WORD or --analogy A B C."),
        (["one", "--topn", "3"], "No such option '--topn'; use --number."),
        (["one", "-n", "0"], "0 is not in the range x>=1"),
        (["--analogy", "one", "two"], "Option '--analogy' requires 3 arguments."),
    ],
)
def test_usage_errors(path, args, message):
    result = run(path, *args)
    assert result.exit_code == 2
    assert message in result.output


def test_a_file_that_is_missing_or_broken(tmp_path):
    missing = run(str(tmp_path / "missing.vec"), "one")
    assert missing.exit_code == 2
    assert "does not exist" in missing.output
    broken = tmp_path / "broken.vec"
    broken.write_text("2 2\none 1 2\ntwo 3 x\n")
    result = run(str(broken), "one")
    assert result.exit_code == 1
    assert result.output == f"Error: {broken}, line 3: expected 2 numbers after 'two', found 'x'\n"


def test_an_interrupt_exits_with_130(path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(Vectors, "load", interrupted)
    result = run(path, "one")
    assert result.exit_code == 130
    assert result.output == "Interrupted.\n"


def test_a_bug_keeps_its_traceback(path, monkeypatch):
    monkeypatch.setattr(Vectors, "load", lambda *_, **__: 1 / 0)
    assert isinstance(run(path, "one").exception, ZeroDivisionError)


def shell(*args, **environment):
    command = [sys.executable, "-m", "w2v_sparseadam.commands.neighbors", *args]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), **environment},
    )


def test_a_reader_that_goes_away_is_no_traceback(tmp_path):
    words = [f"w{row}" for row in range(20_000)]
    Vectors(words, [[1, 1]] * len(words)).save(tmp_path / "v.bin")
    with shell(str(tmp_path / "v.bin"), "w0", "-n", "20000") as process:
        assert process.stdout.readline().split() == [b"w0"]
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_encoding_that_lacks_a_letter_escapes_it(path):
    with shell(path, "one", "-n2", PYTHONIOENCODING="latin-1") as process:
        out, err = process.communicate()
    assert err == b""
    assert out.splitlines()[2].split() == [rb"\u6771\u4eac", b"0.0000"]


def test_help_is_light():
    code = (
        "import sys; from w2v_sparseadam.commands.neighbors import main\n"
        "try: main(['--help'])\n"
        "finally: sys.exit(bool({'numpy', 'numba', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--analogy A B C" in done.stdout
    assert "[default: 10; x>=1]" in done.stdout


def test_cosines_are_below_each_other(capsys):
    """Wide characters fill two columns of a terminal, marks, joiners and what they join none."""
    words = {"cat": 3, "東京": 4, "e\u0301te\u0301": 3, "نمی\u200cدانم": 7, "ｆ": 2, "क्\u200dष": 2}
    neighbors.show([("q", [(word, 0.5) for word in words])], as_json=False)
    lines = capsys.readouterr().out.splitlines()[1:]
    assert lines == [f"  {word}{' ' * (7 - n)}   0.5000" for word, n in words.items()]


def test_an_unknown_word_leaves_the_answers_for_the_others(path):
    result = run(path, "ONE", "zzz", "\u00e9t\u00e9", "--analogy", "a", "b", "c", "-n", "1")
    assert result.exit_code == 1
    assert result.stdout == ("one\n  two        0.9600\n\ne\u0301te\u0301\n  \\x1b[31m   0.8000\n")
    assert result.stderr == (
        "Error: no vector for 'zzz'; no word has a similar spelling\n"
        "Error: no vector for 'a'; no word has a similar spelling\n"
    )


def test_printable():
    assert printable("a\u00a0é東👍'\\") == "a\u00a0é東👍'\\"
    assert printable("\x1b[1m\x85\u2028\n\udcff") == "\\x1b[1m\\x85\\u2028\\n\\udcff"
    assert printable("a\u202eb\u200b\u2066\ufeff") == "a\\u202eb\\u200b\\u2066\\ufeff"
    assert printable("\U000e0041") == "\\U000e0041"
    # A joiner within a word of Persian stays; anywhere else it only hides.
    assert printable("نمی\u200cدانم") == "نمی\u200cدانم"
    assert printable("a\u200cb \u200c\u200cم\u200d") == "a\\u200cb \\u200c\\u200cم\\u200d"


DRIVES = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e\U000e0041]")
HOSTILE = "\x1b]0;x\x07\x9b1m\u202e\U000e0041"


@pytest.mark.parametrize("as_json", [False, True])
def test_words_and_names_never_drive_the_terminal(tmp_path, as_json):
    path = tmp_path / f"{HOSTILE}.vec"
    Vectors(["a", HOSTILE], [[1, 2], [1, 3]]).save(path)
    flags = ["--json"] if as_json else []
    done = run(str(path), "a", HOSTILE, *flags)
    assert not DRIVES.search(done.stdout)
    if as_json:
        first, second = map(json.loads, done.stdout.splitlines())
        assert first["neighbors"][0]["word"] == second["query"] == HOSTILE
    path.write_text("broken")
    for name in (path, tmp_path / f"no{HOSTILE}"):
        stderr = run(str(name), "a").stderr
        assert "\\x1b]0;x\\x07\\x9b1m\\u202e\\U000e0041" in stderr
        assert not DRIVES.search(stderr)

"""Questions about words: sums, lists, methods, and the prompt that asks them."""

import os
import pty
import re
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands import prompt
from w2v_sparseadam.commands.neighbors import main, show
from w2v_sparseadam.commands.questions import Question, Search, analogy, questions_in
from w2v_sparseadam.errors import SettingError, UnknownWordError
from w2v_sparseadam.vectors.vectors import Vectors

# As in test_evaluation: a man-to-woman step is (0, 1, 0).
WORDS = ["man", "woman", "king", "queen", "uncle", "aunt", "apple", "/n", "-"]
MATRIX = [[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1], [1, 0, -1], [1, 1, -1], [-1, -1, 0]]
FAMILY = Vectors(WORDS, [*MATRIX, [-1, 0, 0], [0, 0, -1]])


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("king", ["king"]),
        ("king  queen\n", ["king", "queen"]),
        ("king - man + woman", ["king - man + woman"]),
        ("- man + woman", ["- man + woman"]),
        ("-", ["-"]),
        ("well-known x+y", ["well-known", "x+y"]),
        ("", []),
    ],
)
def test_what_a_line_asks(line, asked):
    assert [str(question) for question in questions_in(line)] == asked


@pytest.mark.parametrize("line", ["king +", "king - man woman", "king + - man", "+ +", "king - -"])
def test_a_sum_that_is_none(line):
    with pytest.raises(SettingError, match=r"is no sum; write one \+ or - between two words"):
        questions_in(line)


def first(search, line):
    return search.answer(*questions_in(line))[1][0][0]


def test_a_sum_by_hand():
    # Of unit vectors, king - man + woman is nearest to queen, whose cosine is that of the sum.
    search = Search(FAMILY, 1)
    name, [(word, cosine)] = search.answer(*questions_in("KING - man + woman"))
    assert (name, word) == ("king - man + woman", "queen")
    assert cosine == pytest.approx(dict(FAMILY.analogy("man", "woman", "king", 1))["queen"])
    assert search.answer(analogy("man", "woman", "king")) == (
        "man : woman = king : ?",
        [("queen", cosine)],
    )
    # 3CosMul: the product of (1 + cosine) / 2 with queen is the highest.
    name, answers = Search(FAMILY, 2, "3cosmul").answer(*questions_in("king - man + woman"))
    assert answers == FAMILY.most_similar_cosmul(["king", "woman"], ["man"], 2)


@pytest.mark.parametrize("method", ["3cosadd", "3cosmul"])
@pytest.mark.parametrize("line", ["aunt", "king - man + woman", "apple + queen"])
def test_answers_among_a_list_are_those_of_all_that_are_listed(method, line):
    _, everything = Search(FAMILY, 9, method).answer(*questions_in(line))
    search = Search(FAMILY, 2, method, ["Aunt", "king", "queen", "uncle", "nobody", "aunt"])
    assert search.unknown == ["nobody"]
    _, answers = search.answer(*questions_in(line))
    expected = [each for each in everything if each[0] in {"aunt", "king", "queen", "uncle"}][:2]
    assert [word for word, _ in answers] == [word for word, _ in expected]
    assert [score for _, score in answers] == pytest.approx([score for _, score in expected])


def test_a_list_without_a_known_word_is_refused():
    with pytest.raises(SettingError, match="among has no word with a vector"):
        Search(FAMILY, among=["nobody"])


def test_the_first_unknown_word_is_told():
    with pytest.raises(UnknownWordError, match="no vector for 'kingg'; did you mean 'king'"):
        Search(FAMILY).answer(Question([("-", "kingg"), ("+", "nobody")]))


# The prompt


def replies(monkeypatch, capsys, *lines):
    """Return what the prompt prints for each line; prompt_toolkit is not installed."""
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    left = iter(lines)

    def read(shown):
        assert shown == "> "
        line = next(left, None)
        print("\0", end="")
        if line is None:
            raise EOFError
        if isinstance(line, BaseException):
            raise line
        return line

    monkeypatch.setattr("builtins.input", read)
    prompt.explore(Search(FAMILY, 1), show)
    out, err = capsys.readouterr()
    assert err == "For completion and history: pip install 'w2v-sparseadam[explore]'\n"
    return out.split("\0")


def test_the_prompt_answers(monkeypatch, capsys):
    greeting, *answers = replies(
        monkeypatch,
        capsys,
        *[
            "king",
            "king - man + woman",
            "king woman",
            "/similar king queen",
            "/odd man woman apple",
        ],
        *["/n 2", "woman", "/method 3cosmul", "/help", "", "kingg", "/similar king nobody"],
        *["/similar a", "/n 0", "/n x", "/method x", "/unknown x", "king +", KeyboardInterrupt()],
        *["/odd a b", "/n " + "9" * 5000, "/n -1"],
    )
    assert greeting == "9 words, 3 dimensions. A word, or king - man + woman; /help.\n"
    assert answers[0] == "king\n  queen   0.8165\n"
    assert answers[1].startswith("king - man + woman\n  queen ")
    assert answers[2] == "king\n  queen   0.8165\n\nwoman\n  queen   0.8165\n"
    assert answers[3:6] == ["0.8165\n", "apple\n", ""]
    assert len(answers[6].splitlines()) == 3
    assert answers[7] == ""
    assert all(command in answers[8] for command in prompt.COMMANDS)
    assert answers[9] == ""
    assert answers[10] == "no vector for 'kingg'; did you mean 'king'?\n"
    assert answers[11] == "no vector for 'nobody'; no word has a similar spelling\n"
    not_understood = [*answers[12:17], *answers[19:22]]
    assert all("is not understood; /help shows what is" in answer for answer in not_understood)
    assert "is no sum" in answers[17]
    assert answers[18] == ""  # Ctrl-C drops a line
    assert len(answers) == 23


def test_a_word_that_looks_like_a_command_stays_a_command(monkeypatch, capsys):
    assert replies(monkeypatch, capsys, "/n")[1].startswith("'/n' is not understood")


def test_quit_ends_the_prompt(monkeypatch, capsys):
    assert replies(monkeypatch, capsys, "/quit", "king")[1:] == [""]


def test_what_a_line_is_completed_to():
    words = ["king", "kin", "kings", "queen", "/n"]
    assert list(prompt.completions(words, "ki")) == ["king", "kin", "kings"]
    assert list(prompt.completions(words, "queen - kin")) == ["king", "kin", "kings"]
    assert list(prompt.completions(words, "queen ")) == []
    assert list(prompt.completions(words, "")) == []
    assert list(prompt.completions(words, "/n")) == ["/n"]
    assert list(prompt.completions(words, "/odd que")) == ["queen"]
    assert len(list(prompt.completions(["aa"] * 100, "a"))) == 50


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="there are no terminals like this")
def test_a_real_terminal_has_completion_and_history(tmp_path):
    pytest.importorskip("prompt_toolkit", reason="the prompt has completion with it")
    FAMILY.save(tmp_path / "v.vec")
    ours, theirs = pty.openpty()
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state"), "TERM": "xterm"}
    environment["PROMPT_TOOLKIT_NO_CPR"] = "1"  # nobody answers where the cursor is
    environment["PYTHONPATH"] = str(Path(__file__).parent.parent)
    command = [sys.executable, "-m", "w2v_sparseadam.commands.neighbors", "v.vec", "-n1"]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path, env=environment
    ) as process:
        try:
            wait_for(ours, "/help.*>")
            os.write(ours, b"quee\t")
            wait_for(ours, "queen")
            os.write(ours, b"\r")
            wait_for(ours, "0.8165.*>")  # before the prompt, the terminal takes what is typed
            os.write(ours, b"\x04")
            assert process.wait(20) == 0
        finally:
            process.kill()
            os.close(ours)
            os.close(theirs)
    assert "+queen" in (tmp_path / "state" / "w2v-sparseadam" / "history").read_text()


def wait_for(terminal, pattern):
    """Read what is shown on a terminal until it matches."""
    seen, end = "", time.monotonic() + 30
    while not re.search(pattern, seen, re.DOTALL):
        assert time.monotonic() < end, seen
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 1 << 16).decode()


# The command


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    FAMILY.save("v.vec")
    return "v.vec"


def run(*args, **kwargs):
    return CliRunner().invoke(main, args, **kwargs)


def test_piped_lines_give_a_block_each(path):
    result = run(path, "-n1", input="king\n\nwoman nobody\nking - man + woman\n")
    assert result.exit_code == 1
    assert result.stdout == (
        "king\n  queen   0.8165\n\nwoman\n  queen   0.8165\n\n"
        "king - man + woman\n  queen   0.9753\n"
    )
    assert result.stderr == "Error: no vector for 'nobody'; no word has a similar spelling\n"
    result = run(path, "-n1", "--json", input="king\nwoman\n")
    assert [line[:15] for line in result.output.splitlines()] == [
        '{"query": "king',
        '{"query": "woma',
    ]


def test_positive_and_negative_words(path):
    words = ["--positive", "king", "--positive", "woman", "--negative", "man"]
    result = run(path, *words, "-n1")
    assert result.output == "king + woman - man\n  queen   0.9753\n"
    by_product = run(path, *words, "-n1", "--method", "3cosmul").output
    assert by_product == run(path, "king + woman - man", "-n1", "--method=3cosmul").output
    assert by_product != result.output


def test_answers_among_a_list(path):
    Path("list.txt").write_text("Uncle\nnobody\naunt\n")
    result = run(path, "king", "--among", "list.txt")
    assert result.stdout == "king\n  uncle   0.0000\n  aunt    0.0000\n"
    assert result.stderr == "Words of --among without a vector: 1, such as nobody.\n"
    Path("list.txt").write_text("nobody\n")
    result = run(path, "king", "--among", "list.txt")
    assert (result.exit_code, result.stderr) == (1, "Error: --among has no word with a vector\n")


def test_a_sum_that_is_none_is_told(path):
    result = run(path, "king +")
    assert result.exit_code == 1
    assert "is no sum" in result.stderr


def test_vectors_from_standard_input_leave_no_lines(path):
    result = run("-", input=Path(path).read_bytes())
    assert result.exit_code == 2
    assert "Nothing to look up" in result.output

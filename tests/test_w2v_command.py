"""``w2v``: the commands as subcommands, and the demo."""

import importlib
import io
import lzma
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from numba import config

import w2v_sparseadam
from w2v_sparseadam.commands import demo
from w2v_sparseadam.commands.w2v import main
from w2v_sparseadam.vectors.vectors import Vectors

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]


def outcome_of(*args):
    result = CliRunner().invoke(main, args, prog_name="w2v")
    return result.exit_code, result.stdout, result.stderr


def test_every_command_is_a_subcommand_with_a_line_of_help():
    page = outcome_of("--help")[1]
    found = dict(re.findall(r"^  ([a-z]+)  +(.+)$", page.split("Commands:")[1], re.MULTILINE))
    assert set(found) == {name.removeprefix("w2v-") for name in SCRIPTS} - {"w2v"} | {"demo"}
    assert all(line.endswith(".") and not line.endswith("...") for line in found.values())


@pytest.mark.parametrize(
    "name", ["demo", "train", "neighbors", "eval", "convert", "vocab", "bench"]
)
def test_subcommands_have_help_and_a_version(name):
    for flag in ("-h", "--help"):
        code, page, _ = outcome_of(name, flag)
        assert (code, page.splitlines()[0][: len(f"Usage: w2v {name}")]) == (
            0,
            f"Usage: w2v {name}",
        )
    assert outcome_of(name, "--version")[1].endswith(f" {w2v_sparseadam.__version__}\n")
    module = importlib.import_module(f"w2v_sparseadam.commands.{name}")
    assert CliRunner().invoke(module.main, ["-h"]).exit_code == 0


def test_w2v_is_the_module_too():
    command = [sys.executable, "-m", "w2v_sparseadam", "--version"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout.endswith(f", version {w2v_sparseadam.__version__}\n")


def test_nothing_heavy_is_imported_for_the_list_of_commands():
    script = (
        "import sys; from w2v_sparseadam.commands.w2v import main; "
        "main(['--help'], standalone_mode=False); "
        "print([m for m in ('numpy', 'numba', 'tqdm') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trian", "No such command 'trian'; did you mean 'w2v train'?"),
        (
            "similar",
            "No such command 'similar'; "
            "the commands are demo, train, neighbors, eval, report, convert, vocab, bench",
        ),
        ("news.txt", "No such command 'news.txt'; to train on this file: w2v train news.txt"),
    ],
)
def test_a_command_that_does_not_exist(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    Path("news.txt").write_text("a b\n")
    code, _, errors = outcome_of(name)
    assert (code, errors.splitlines()[-1]) == (2, f"Error: {message}")


def test_the_text_of_the_demo_is_the_sample():
    packed = Path(demo.__file__).with_name(demo._TEXT).read_bytes()
    assert lzma.decompress(packed) == (ROOT / "data" / "sample.txt").read_bytes()


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="training would take hours")
def test_the_demo_is_right_and_keeps_its_vectors(tmp_path):
    code, shown, errors = outcome_of("demo", "-o", str(tmp_path / "demo.vec"))
    assert code == 0, errors
    answers = re.findall(r"^(\S.*) : \?\n  (\w+)", shown, re.MULTILINE)
    assert answers == [
        ("france : paris = italy", "rome"),
        ("man : woman = king", "queen"),
        ("walk : walked = sing", "sang"),
    ]
    assert shown.endswith("w2v train YOUR.txt; w2v neighbors YOUR.vec WORD\n")
    assert "france" in Vectors.load(tmp_path / "demo.vec")


def test_the_demo_answers_until_an_empty_line(monkeypatch, capsys):
    vectors = Vectors(["a", "b", "c"], [[1, 0], [1, 0.1], [0, 1]])
    lines = iter(["A", "a b", "x", "a b c", "", "b"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    demo._ask(vectors)
    shown = capsys.readouterr().out
    assert "\na\n  b" in shown
    assert "\nOne word, or three as in: man woman king\n" in shown
    assert "'x'" in shown
    assert "a : b = c : ?" in shown
    assert next(lines) == "b"


def test_the_demo_ends_with_its_input(monkeypatch, capsys):
    def end(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", end)
    demo._ask(Vectors(["a"], [[1, 0]]))
    assert "Your turn" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "said"),
    [("no/x.vec", "the folder "), ("x.foo", "vectors cannot be written as '.foo'")],
)
def test_the_demo_looks_at_its_output_first(tmp_path, monkeypatch, name, said):
    monkeypatch.setattr(demo, "train_by_settings", None)
    code, _, errors = outcome_of("demo", "-o", str(tmp_path / name))
    assert (code, said in errors) == (1, True)


def test_the_demo_does_not_ask_where_nobody_can_answer(monkeypatch):
    terminal = SimpleNamespace(isatty=lambda: True)
    for stdin, stdout in ((None, terminal), (terminal, None), (io.StringIO(), terminal)):
        monkeypatch.setattr(sys, "stdin", stdin)
        monkeypatch.setattr(sys, "stdout", stdout)
        can_ask = demo._can_ask()
        monkeypatch.undo()
        assert not can_ask


def test_the_demo_takes_words_in_another_encoding(monkeypatch, capsys):
    typed = io.TextIOWrapper(io.BytesIO(b"caf\xe9\n\n"), encoding="utf-8", errors="strict")
    monkeypatch.setattr(sys, "stdin", typed)
    demo._ask(Vectors(["cafe"], [[1, 0]]))
    assert "no vector for 'caf\ufffd'; did you mean 'cafe'?" in capsys.readouterr().out

"""The documentation holds: its examples run, its links lead somewhere, its options exist."""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
from numba import config as numba_config

import w2v_sparseadam
from w2v_sparseadam.training.keywords import OTHER_NAMES

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
from command_reference import commands, lines_of  # noqa: E402

README = ROOT / "README.md"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]*) -->\n)?"
    r"^```(?P<language>sh|console|python)\n(?P<code>.*?)^```",
    re.DOTALL | re.MULTILINE,
)
needs_jit = pytest.mark.skipif(numba_config.DISABLE_JIT, reason="training would take hours")


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks_of(page):
    return [match.groupdict() for match in BLOCK.finditer(page.read_text(encoding="utf-8"))]


def run(line):
    """Run a line of an example in a shell, and return what it prints."""
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", line],
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def run_block(language, code):
    if language == "python":
        with contextlib.redirect_stdout(io.StringIO()):
            exec(code, {})
        return
    if language == "sh":
        run(code)
        return
    for part in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        line, expected = part.split("\n", 1)
        assert run(line) == expected, line


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Make the files that the examples name, from the first lines of the sample corpus."""
    from w2v_sparseadam import train

    folder = tmp_path_factory.mktemp("files")
    lines = (ROOT / "data" / "sample.txt").read_text(encoding="utf-8").splitlines(keepends=True)
    text, more = "".join(lines[:2000]), "".join(lines[2000:3000])
    for name in ("data", "news", "books", "c4"):
        (folder / name).mkdir()
    for name in ("corpus.txt", "data/sample.txt", "news/a.txt"):
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "new.txt").write_text(more, encoding="utf-8")
    (folder / "books" / "b.txt.gz").write_bytes(gzip.compress(more.encode()))
    (folder / "dump.gz").write_bytes(gzip.compress(text.encode()))
    records = "".join(json.dumps({"text": line.strip()}) + "\n" for line in lines[:2000])
    (folder / "c4" / "0.json.gz").write_bytes(gzip.compress(records.encode()))
    shutil.copy(ROOT / "data" / "sample-similarity.tsv", folder / "similarity.tsv")
    shutil.copy(ROOT / "data" / "sample-analogies.txt", folder / "analogies.txt")
    vectors = train(str(folder / "corpus.txt"), epochs=1).vectors()
    for name in ("corpus.vec", "sample.vec"):
        vectors.save(folder / name)
    return folder


@needs_jit
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page != README and blocks_of(page)], ids=name_of
)
def test_examples_run(page, files, tmp_path, monkeypatch):
    folder = shutil.copytree(files, tmp_path / "files")
    monkeypatch.chdir(folder)
    for block in blocks_of(page):
        if block["why"] is None:
            if "gensim" in block["code"]:
                pytest.importorskip("gensim")
            if "kiwipiepy" not in block["code"]:
                run_block(block["language"], block["code"])


@needs_jit
def test_the_readme_shows_what_is_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "sample.txt", tmp_path / "data")
    for name in ("corpus.txt", "new.txt"):
        (tmp_path / name).write_text("the river flows into the sea\n" * 100)
    monkeypatch.chdir(tmp_path)
    for block in blocks_of(README):
        if block["why"] is None and block["language"] != "python":
            run_block(block["language"], block["code"])
    (code,) = [block["code"] for block in blocks_of(README) if block["language"] == "python"]
    exec(code, {})
    neighbours = eval(capsys.readouterr().out)
    countries = (ROOT / "data" / "sample-classes.tsv").read_text()
    assert len(neighbours) == 3
    assert f"{neighbours[0][0]}\tcountry\n" in countries


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_what_the_page_says(shell):
    page = (DOCS / "guide" / "shell.md").read_text(encoding="utf-8")
    assert f"_W2V_COMPLETE={shell}_source w2v" in page
    assert "w2v" in run(f"_W2V_COMPLETE={shell}_source w2v")
    found = run("COMP_WORDS='w2v train --ep' COMP_CWORD=2 _W2V_COMPLETE=bash_complete w2v")
    assert "plain,--epochs" in found.splitlines()


def test_no_block_is_overlooked():
    for page in PAGES:
        fences = re.findall(r"^```(?:sh|console|python)$", page.read_text("utf-8"), re.MULTILINE)
        assert len(blocks_of(page)) == len(fences), page


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_optimizer_example_moves_its_rows_alone(capsys):
    names = {}
    exec(example_with("guide/python.md", "optimizer.step("), names)
    assert capsys.readouterr().out == "1 ['exp_avg', 'exp_avg_sq']\n"
    moved = (names["param"] != 1).any(axis=1).nonzero()[0]
    assert moved.tolist() == [3, 14]


def example_with(page, text):
    (found,) = [block["code"] for block in blocks_of(DOCS / page) if text in block["code"]]
    return found


def test_korean_example(tmp_path, monkeypatch):
    pytest.importorskip("kiwipiepy")
    from w2v_sparseadam.text.corpus import read_corpus
    from w2v_sparseadam.text.settings import TextConfig

    code = example_with("guide/tokenizers.md", "kiwipiepy import")
    (tmp_path / "korean.py").write_text(code, encoding="utf-8")
    (tmp_path / "korean.txt").write_text(
        "나는 학교에 갔다. 학교에서 책을 읽었다.", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = TextConfig("python:korean:morphemes", min_count=2)
    with read_corpus(["korean.txt"], config) as corpus:
        assert corpus.vocabulary.words == ["다", "었", "학교"]


def test_chinese_example(tmp_path):
    pytest.importorskip("jieba")
    from w2v_sparseadam.text.corpus import read_corpus
    from w2v_sparseadam.text.settings import TextConfig

    text = "我在北京大学读书。北京大学在北京。\n　　我喜欢读书"
    (tmp_path / "chinese.txt").write_text(text, encoding="utf-8")
    config = TextConfig("python-lines:jieba:lcut", stopwords=["。"], min_count=2)
    with read_corpus([tmp_path / "chinese.txt"], config) as corpus:
        assert corpus.vocabulary.words == ["北京大学", "在", "我", "读书"]
        assert corpus.report.n_stopwords == 2


def options_of(command):
    return [
        name
        for param in command.get_params(click.Context(command))
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
    ]


@pytest.mark.parametrize("name", commands())
def test_every_option_is_in_the_reference(name):
    command = commands()[name]
    listed = re.findall(r"^\.\. option:: (.*)", "\n".join(lines_of(name, command)), re.MULTILINE)
    names = [part.split()[0] for line in listed for part in line.split(", ")]
    assert sorted(names) == sorted(options_of(command))
    assert "--help" in names


def test_every_public_name_is_in_the_reference():
    page = (DOCS / "reference" / "python.rst").read_text(encoding="utf-8")
    named = re.findall(r"^\.\. auto(?:function|class|exception):: (\S+)", page, re.MULTILINE)
    assert {name.removeprefix("w2v_sparseadam.") for name in named} == {*w2v_sparseadam.__all__}


def test_gensims_names_are_what_the_table_says():
    page = (DOCS / "guide" / "python.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \|$", page, re.MULTILINE)
    assert len(rows) == 8
    assert dict(rows).items() <= OTHER_NAMES.items()


ELSEWHERE = {
    "--lines",
    "--rounds",
    "--gigabytes",
    "--corpus",
    "--eval",
    "--out",
    "--items",
    "--long",
    "--protocol",
    "--peer",
    "--peers",
    "--busy",
    "--words",
    "--tokens",
    "--folder",
}
"""Options of scripts and of other programs."""


# These speak of scripts, and of what was.
PAGES_OF_NOW = [page for page in PAGES if page.name not in {"changes.md", "experiments.md"}]


@pytest.mark.parametrize("page", PAGES_OF_NOW, ids=name_of)
def test_options_that_a_page_names_exist(page):
    known = {option for command in commands().values() for option in options_of(command)}
    known |= ELSEWHERE
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", page.read_text(encoding="utf-8")))
    assert named <= known


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target

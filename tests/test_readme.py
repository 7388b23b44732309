"""The README's Python runs as it stands there."""

import re
import shutil
from pathlib import Path

import pytest
from numba import config as numba_config

from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def example_with(text):
    found = [example for example in EXAMPLES if text in example]
    assert len(found) == 1
    return found[0]


@pytest.mark.skipif(numba_config.DISABLE_JIT, reason="training on the sample would take hours")
def test_training_example(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "data" / "sample.txt", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    exec(example_with("train("), {})
    neighbours = eval(capsys.readouterr().out)
    countries = (ROOT / "data" / "sample-classes.tsv").read_text()
    assert len(neighbours) == 3
    assert f"{neighbours[0][0]}\tcountry\n" in countries
    assert Path("sample.bin").read_bytes().startswith(b"2739 64\n")


def test_optimizer_example(capsys):
    names = {}
    exec(example_with("optimizer.step("), names)
    assert capsys.readouterr().out == "1 ['exp_avg', 'exp_avg_sq']\n"
    moved = (names["param"] != 1).any(axis=1).nonzero()[0]
    assert moved.tolist() == [3, 14]


def test_korean_example(tmp_path, monkeypatch):
    pytest.importorskip("kiwipiepy")
    (tmp_path / "korean.py").write_text(example_with("kiwipiepy"), encoding="utf-8")
    (tmp_path / "korean.txt").write_text(
        "나는 학교에 갔다. 학교에서 책을 읽었다.", encoding="utf-8"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    config = TextConfig("python:korean:morphemes", min_count=2)
    with read_corpus(["korean.txt"], config) as corpus:
        assert corpus.vocabulary.words == ["다", "었", "학교"]


def test_chinese_example(tmp_path, monkeypatch):
    pytest.importorskip("jieba")
    text = "我在北京大学读书。北京大学在北京。\n　　我喜欢读书"
    (tmp_path / "chinese.txt").write_text(text, encoding="utf-8")
    config = TextConfig("python-lines:jieba:lcut", stopwords=["。"], min_count=2)
    with read_corpus([tmp_path / "chinese.txt"], config) as corpus:
        assert corpus.vocabulary.words == ["北京大学", "在", "我", "读书"]
        assert corpus.report.n_stopwords == 2


def test_no_example_is_left_out():
    assert len(EXAMPLES) == 3

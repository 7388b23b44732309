"""The README's Python runs as it stands there."""

import re
import shutil
from pathlib import Path

import pytest
from numba import config

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)


def example_with(text):
    found = [example for example in EXAMPLES if text in example]
    assert len(found) == 1
    return found[0]


@pytest.mark.skipif(config.DISABLE_JIT, reason="training on the sample would take hours")
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


def test_no_example_is_left_out():
    assert len(EXAMPLES) == 2

"""Type checkers find the types of the package, and wrong settings with them."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

USER = """
from w2v_sparseadam import Model, StopTraining, Vectors, resume, train


def on_epoch(model: Model) -> None:
    if model.history[-1].epoch == 2:
        raise StopTraining


model = train("corpus.txt", dim=64, epochs=2, optimizer="sgd", lr=0.1, progress=False)
model = resume("runs/news", on_epoch=on_epoch)
nearest: list[tuple[str, float]] = model.most_similar("river", n=5)
vectors: Vectors = model.wv
cosine: float = vectors.similarity("river", "bank")
train("corpus.txt", dim="x")  # wrong
train("corpus.txt", optimizer="adam")  # wrong
train("corpus.txt", on_epoch=5)  # wrong
model.most_similar("river", n="x")  # wrong
"""


def test_mypy_finds_wrong_settings_and_no_others(tmp_path):
    pytest.importorskip("mypy", reason="mypy is in the extra 'dev'")
    (tmp_path / "user.py").write_text(USER)
    options = ["--strict", "--follow-imports=silent", "--ignore-missing-imports"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file=", *options, "user.py"],
        cwd=tmp_path,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    lines = USER.splitlines()
    wrong = [number for number, line in enumerate(lines, 1) if line.endswith("# wrong")]
    found = [int(number) for number in re.findall(r"^user\.py:(\d+): error:", done.stdout, re.M)]
    assert len(wrong) == 4
    assert found == wrong, done.stdout + done.stderr


def test_the_marker_of_types_is_in_the_package():
    assert (ROOT / "w2v_sparseadam" / "py.typed").exists()
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "py.typed" in metadata["tool"]["setuptools"]["package-data"]["w2v_sparseadam"]

"""What scripts/bench_spark.py does around Spark, which the tests do not install."""

import argparse
import importlib.util
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from w2v_sparseadam import Vectors

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parent.parent / "scripts" / "bench_spark.py"))


@pytest.fixture
def machine(monkeypatch):
    """Return a function that says whether PySpark and Java are there."""

    def have(*, spark, java):
        monkeypatch.setattr(importlib.util, "find_spec", lambda _: spark or None)
        monkeypatch.setattr(SCRIPT["shutil"], "which", lambda _: java or None)
        monkeypatch.delenv("JAVA_HOME", raising=False)

    return have


def test_what_is_missing_is_named_with_the_line_that_installs_it(machine):
    machine(spark=False, java=True)
    with pytest.raises(SystemExit, match=r"^PySpark is not installed: pip install pyspark$"):
        SCRIPT["require_spark"]()
    machine(spark=True, java=False)
    with pytest.raises(SystemExit, match=r"^Java is not installed: apt-get install openjdk"):
        SCRIPT["require_spark"]()
    machine(spark=True, java=True)
    SCRIPT["require_spark"]()


def test_java_home_without_java_is_named(machine, monkeypatch, tmp_path):
    machine(spark=True, java=True)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(SystemExit, match=f"^JAVA_HOME is {tmp_path}, which has no bin/java"):
        SCRIPT["require_spark"]()


def test_the_most_frequent_words_are_written_first(tmp_path):
    corpus, vectors = tmp_path / "corpus.txt", tmp_path / "vectors.vec"
    corpus.write_text("b c a\nc b c\n")
    rows = [
        SimpleNamespace(word=word, vector=SimpleNamespace(toArray=lambda n=n: np.array([n, 1.0])))
        for n, word in enumerate("abc")
    ]
    SCRIPT["write_vectors"](argparse.Namespace(corpus=corpus, vectors=vectors), rows)
    loaded = Vectors.load(vectors)
    assert loaded.words == ("c", "b", "a")
    assert loaded.matrix[:, 0].tolist() == [2, 1, 0]

"""What the sample corpus was written to teach, training finds."""

from pathlib import Path

import numpy as np
import pytest
from numba import config

from w2v_sparseadam import train
from w2v_sparseadam.evaluation.datasets import read_dataset
from w2v_sparseadam.evaluation.scores import evaluate

pytestmark = pytest.mark.skipif(
    bool(config.DISABLE_JIT), reason="would take hours without compiled kernels"
)

DATA = Path(__file__).resolve().parent.parent / "data"


@pytest.fixture(scope="module")
def vectors():
    """Train as scripts/demo does, with the defaults."""
    return train(DATA / "sample.txt").vectors()


def test_the_nearest_word_is_of_the_same_class(vectors):
    lines = (DATA / "sample-classes.tsv").read_text().splitlines()
    classes = dict(line.split("\t") for line in lines)
    unit = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    ids = [vectors.word_ids[word] for word in classes]
    cosines = unit[ids] @ unit.T
    cosines[np.arange(len(ids)), ids] = -np.inf
    nearest = [vectors.words[word_id] for word_id in cosines.argmax(axis=1)]
    right = [
        classes.get(near) == kind for near, kind in zip(nearest, classes.values(), strict=True)
    ]
    assert np.mean(right) >= 0.9


def test_analogies_hold(vectors):
    report = evaluate(vectors, read_dataset(DATA / "sample-analogies.txt"))
    assert report.covered == report.items
    assert report.score >= 60


def test_similar_words_are_near(vectors):
    report = evaluate(vectors, read_dataset(DATA / "sample-similarity.tsv"))
    assert report.covered == report.items
    assert report.score >= 80

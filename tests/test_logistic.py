"""The logistic function inside kernels, and its loss."""

import numpy as np
import pytest

from w2v_sparseadam.simd.kernels import kernel
from w2v_sparseadam.simd.logistic import logistic


@kernel
def call_logistic(scores, weights):
    return logistic(scores, weights)


def columns_of(scores, n_rows=2):
    """Put scores into columns, whose other places are −∞ and so add nothing."""
    scores = np.asarray(scores, np.float32)
    matrix = np.full((n_rows, -(-scores.size // 16) * 16), -np.inf, np.float32)
    matrix[0, : scores.size] = scores
    return matrix


def sigmoid_of(scores):
    matrix = columns_of(scores)
    call_logistic(matrix, np.ones(matrix.shape[1], np.float32))
    assert not matrix[1].any()
    return matrix[0, : len(scores)].astype(float)


def loss_of(score):
    matrix = columns_of([score])
    return call_logistic(matrix, np.ones(16, np.float32))


SCORES = np.concatenate(
    [np.linspace(-100, 100, 4001), np.linspace(-1, 1, 401), [1e-30, -1e-30, 0.0, -0.0]]
).astype(np.float32)


def test_sigmoid():
    exact = SCORES.astype(float)
    assert np.all(np.abs(sigmoid_of(SCORES) - 1 / (1 + np.exp(-exact))) <= 4e-7)


def test_losses():
    for score in SCORES[::7]:
        expected = np.logaddexp(0, float(score))
        assert abs(loss_of(score) - expected) <= 4e-7 * max(1, expected)


def test_sigmoid_keeps_its_relative_precision_where_it_is_small():
    scores = np.linspace(-86, 0, 500, dtype=np.float32)
    np.testing.assert_allclose(
        sigmoid_of(scores), 1 / (1 + np.exp(-scores.astype(float))), rtol=1e-5
    )


@pytest.mark.parametrize("n_rows", [2, 32, 120])
def test_each_column_has_a_weight_and_its_losses_are_summed(n_rows):
    rng = np.random.default_rng(n_rows)
    scores = (8 * rng.standard_normal((n_rows, 48))).astype(np.float32)
    weights = rng.standard_normal(48).astype(np.float32)
    weights[5] = 0
    exact = scores.astype(float)
    expected = weights / (1 + np.exp(-exact))
    loss = call_logistic(scores, weights)
    np.testing.assert_allclose(scores, expected, rtol=1e-5)
    losses = np.logaddexp(0, exact).sum(axis=0)
    assert abs(loss - weights.astype(float) @ losses) <= 1e-6 * (np.abs(weights) @ losses)


def test_large_scores_do_not_overflow_a_column():
    scores = np.zeros((120, 16), np.float32)
    assert call_logistic(scores, np.ones(16, np.float32)) == pytest.approx(120 * 16 * np.log(2))


def test_logistic_of_the_largest_numbers():
    huge = float(np.finfo(np.float32).max)
    scores = [-np.inf, -huge, -1e4, 1e4, huge, np.inf]
    assert sigmoid_of(scores).tolist() == [0, 0, 0, 1, 1, 1]
    assert [loss_of(score) for score in scores] == [0, 0, 0, 1e4, huge, np.inf]


def test_logistic_does_not_hide_nan():
    assert np.isnan(loss_of(np.nan))
    assert np.isnan(loss_of(-np.nan))
    assert np.isfinite(np.delete(sigmoid_of([1, np.nan, -1, -np.nan]), [1, 3])).all()

"""Which questions of a set of analogies are answered correctly."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

METHODS = ("3cosadd", "3cosmul")

_FIRST_BLOCK, _LARGEST_BLOCK = 1 << 10, 1 << 13  # words
_SCORES_AT_ONCE = 1 << 20
_ROUNDING = 1e-4
_EPSILON = np.float32(1e-6)  # as gensim; Levy and Goldberg (2014) have 0.001

Scores = NDArray[np.float32]


def right_answers(
    units: NDArray[np.float32], asked: NDArray[np.int64], answers: NDArray[np.int64], method: str
) -> NDArray[np.bool_]:
    """Tell of each question whether the word with the highest score is an answer.

    Parameters
    ----------
    units : ndarray of shape (V, D), float32
        The words that may be answers, scaled to length 1.
    asked : ndarray of shape (N, 3), int64
        The rows of a, b and c, which are no answers.
    answers : ndarray of shape (N, A), int64
        The rows of right answers; -1 for none.
    method : str
        One of `METHODS`.

    Returns
    -------
    ndarray of shape (N,), bool

    Notes
    -----
    A data set asks often with the same few words, so their cosines are taken once and combined. A
    question is settled by the first word that is better than its answers, and the most frequent
    words come first.
    """
    n_questions = len(asked)
    best = np.full(n_questions, -np.inf, np.float32)
    best_rows = np.full(n_questions, -1)
    enough = _answer_scores(units, asked, answers, method) + _ROUNDING
    start, size = 0, _FIRST_BLOCK
    while start < len(units):
        if not len(open_ := np.flatnonzero(best <= enough)):
            break
        stop = min(start + size, len(units))
        words, places = np.unique(asked[open_], return_inverse=True)
        cosines = units[words] @ units[start:stop].T
        places = places.reshape(-1, 3)
        n_at_once = max(1, _SCORES_AT_ONCE // (stop - start))
        for first in range(0, len(open_), n_at_once):
            some = open_[first : first + n_at_once]
            a, b, c = (cosines[at] for at in places[first : first + n_at_once].T)
            scores = _combined(a, b, c, method)
            _leave_out(scores, asked[some] - start)
            rows = scores.argmax(axis=1)
            found = scores[np.arange(len(some)), rows]
            better = found > best[some]
            best[some[better]] = found[better]
            best_rows[some[better]] = start + rows[better]
        start, size = stop, min(2 * size, _LARGEST_BLOCK)
    return (best_rows[:, np.newaxis] == answers).any(axis=1) & (best_rows >= 0)


def _answer_scores(
    units: NDArray[np.float32], asked: NDArray[np.int64], answers: NDArray[np.int64], method: str
) -> Scores:
    """Return the highest score of a right answer of each question."""
    best = np.full(len(asked), -np.inf, np.float32)
    for column in answers.T:
        a, b, c = (np.einsum("nd,nd->n", units[column], units[rows]) for rows in asked.T)
        scores = _combined(a, b, c, method)
        best = np.maximum(best, np.where(column >= 0, scores, -np.inf))
    return best


def _combined(a: Scores, b: Scores, c: Scores, method: str) -> Scores:
    """Return the scores of answers that have these cosines with a, b and c; b is overwritten."""
    if method == "3cosadd":
        b -= a
        b += c
        return b
    b += 1
    b *= c + 1
    b /= 2 * (a + (1 + 2 * _EPSILON))  # (1 + b)/2 · (1 + c)/2 / ((1 + a)/2 + ε)
    return b


def _leave_out(scores: Scores, columns: NDArray[np.int64]) -> None:
    """Give the question words, where they are in this block, the lowest score."""
    rows, places = np.nonzero((columns >= 0) & (columns < scores.shape[1]))
    scores[rows, columns[rows, places]] = -np.inf

"""Runs that diverge: by the loss, by a vector that grows, and when they are looked at."""

import numpy as np
import pytest

from w2v_sparseadam.errors import DivergenceError
from w2v_sparseadam.optimizers.sgd import SGD
from w2v_sparseadam.training import divergence
from w2v_sparseadam.training.divergence import LONGEST, Watch

WORDS = ["the", "of", "and", "to", "in"]


class FakeEngine:
    """Ten batches an epoch; the last step moved one row of each matrix."""

    n_batches = 10

    def __init__(self, center_row=0, context_row=0, start=0.1):
        matrices = np.full((2, 5, 4), start, np.float32)
        self.tables = {name: SGD(matrix) for name, matrix in zip("ab", matrices, strict=True)}
        self._rows = np.array([center_row]), np.array([context_row])

    def last_rows(self):
        return self._rows


def watch(engine=None, start=0.1):
    engine = engine or FakeEngine(start=start)
    return Watch(lambda: dict.fromkeys("ab", WORDS), engine, 100), [
        optimizer.param for optimizer in engine.tables.values()
    ]


def message_of(watcher, step, loss=1.0, lr=0.5):
    with pytest.raises(DivergenceError) as caught:
        watcher.check(step, loss, lr)
    return str(caught.value)


END = "(epoch 2, learning rate 0.5); start again with a lower lr"


def test_a_loss_that_is_not_finite():
    watcher, matrices = watch()
    watcher.check(10, 1.0, 0.5)
    assert message_of(watcher, 10, np.inf) == f"the loss became inf at step 11 of 100 {END}"
    matrices[1][[1, 2, 3, 4]] = np.nan
    assert message_of(watcher, 10, np.nan) == (
        "the loss became nan and the vectors of 'of', 'and', 'to' and 1 more grew longer than "
        f"1,000 by step 11 of 100 {END}"
    )


@pytest.mark.parametrize("number", [np.nan, -np.inf, 2 * LONGEST, 3e38])
def test_at_the_end_of_an_epoch_all_rows_are_looked_at(number):
    watcher, matrices = watch()
    matrices[0][3, 2] = number
    watcher.check(18, 1.0, 0.5)
    assert message_of(watcher, 19) == (
        f"the vector of 'to' grew longer than 1,000 by step 20 of 100 {END}"
    )


def test_within_an_epoch_the_rows_just_moved_are_looked_at(monkeypatch):
    monkeypatch.setattr(divergence, "CHECK_STEPS", 4)
    watcher, matrices = watch(FakeEngine(center_row=2, context_row=4))
    matrices[0][4] = matrices[1][2] = np.inf  # moved in the other matrix
    watcher.check(15, 1.0, 0.5)
    matrices[0][2] = matrices[1][4] = 600
    watcher.check(14, 1.0, 0.5)
    assert message_of(watcher, 15) == (
        f"the vectors of 'and', 'in' grew longer than 1,000 by step 16 of 100 {END}"
    )


def test_long_vectors_at_the_start_raise_the_limit():
    watcher, matrices = watch(start=50)
    assert watcher.limit == 100 * 100
    matrices[0][0] = 4000
    watcher.check(19, 1.0, 0.5)


def test_rows_beyond_the_first_block_are_named(monkeypatch):
    monkeypatch.setattr(divergence, "_BLOCK_ROWS", 2)
    watcher, matrices = watch()
    matrices[0][4] = matrices[1][1] = np.nan
    assert message_of(watcher, 19).startswith("the vectors of 'of', 'in' grew")


def test_rows_of_other_than_words_have_names_of_their_own():
    engine = FakeEngine()
    names = {"a": WORDS, "b": [f"n-gram {k}" for k in range(5)]}
    watcher = Watch(lambda: names, engine, 100)
    for table in engine.tables.values():
        table.param[2] = 2 * LONGEST
    assert message_of(watcher, 19).startswith("the vectors of 'and', 'n-gram 2' grew longer")

"""What a model takes of the memory, and what is said if it is too much."""

import numpy as np
import pytest

from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.optimizers.build import build_optimizer, row_bytes
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.system import memory


def test_a_fifth_is_left_to_others(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**10)
    assert memory.lacks_memory(8 * 10**9) == ""
    assert memory.lacks_memory(9 * 10**9) == "it needs 9.0 GB of memory, and 10.0 GB are free"


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"optimizer": "sgd"}, 112),
        ({"optimizer": "sparse-adam", "beta1": 0}, 2 * 112),
        ({"optimizer": "sparse-adam", "beta1": 0.9}, 3 * 112),
        ({"optimizer": "dense-adam", "beta1": 0.9}, 3 * 112),
        ({"optimizer": "adagrad"}, 2 * 112),
        ({"optimizer": "rowwise-adam", "beta1": 0.9}, 2 * 112 + 1),
        ({"optimizer": "rowwise-adam", "beta1": 0, "bias_correction": "row"}, 112 + 1 + 2),
    ],
)
def test_a_row_by_hand(settings, numbers):
    """100 dimensions are padded to 112; a number has 4 bytes, a count of steps 8."""
    assert row_bytes(OptimizerConfig(**settings), 100) == 4 * numbers


def test_a_row_is_what_a_matrix_of_rows_takes():
    param = np.zeros((7, 112), np.float32)
    config = OptimizerConfig("rowwise-adam", bias_correction="row")
    optimizer = build_optimizer(config, param, 100)
    total = param.nbytes + sum(array.nbytes for array in optimizer.state.values())
    assert 7 * row_bytes(config, 100) == total


def test_what_does_not_fit_is_refused_with_remedies(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**10)
    memory.check_memory(8 * 10**9, {})
    with pytest.raises(W2VError) as caught:
        memory.check_memory(12 * 10**9, {"--dim 50": 6 * 10**9, "--beta1 0": 12 * 10**9})
    assert str(caught.value) == (
        "the model does not fit: with its optimizer's state it needs 12.0 GB of memory, and "
        "10.0 GB are free; --dim 50 saves 6.0 GB"
    )

"""Optimizers: against float64 references, PyTorch's golden numbers and PyTorch itself."""

import dataclasses
import doctest
import importlib
import inspect
import itertools
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import reference
from hypothesis import given
from hypothesis import strategies as st
from numba import config

from w2v_sparseadam.errors import SettingError, ShapeError
from w2v_sparseadam.optimizers import sgd, sparse_adam
from w2v_sparseadam.optimizers.adagrad import Adagrad
from w2v_sparseadam.optimizers.base import move, prepare
from w2v_sparseadam.optimizers.build import build_optimizer
from w2v_sparseadam.optimizers.dense_adam import DenseAdam
from w2v_sparseadam.optimizers.groups import group_rows
from w2v_sparseadam.optimizers.rowwise_adam import RowwiseAdam
from w2v_sparseadam.optimizers.settings import OPTIMIZERS, OptimizerConfig
from w2v_sparseadam.optimizers.sgd import SGD
from w2v_sparseadam.optimizers.sparse_adam import SparseAdam

TESTS = Path(__file__).parent
GOLDEN = TESTS / "golden" / "optimizers.npz"
MAKE_GOLDEN = TESTS.parent / "scripts" / "make_golden_optimizers.py"

ADAMS = [SparseAdam, DenseAdam]
SPARSE = [SparseAdam, RowwiseAdam, Adagrad, SGD]
KINDS = [*SPARSE, DenseAdam]
BETAS = [(0.9, 0.999), (0.0, 0.99), (0.5, 0.5), (0.9, 0.99999)]
KINDS_AND_BETAS = [(SGD, None), (Adagrad, None), *itertools.product(ADAMS, BETAS)]

JIT = not config.DISABLE_JIT


def random_param(rng, n_words, n_dims):
    return rng.standard_normal((n_words, n_dims), dtype=np.float32)


def random_step(rng, n_words, n_dims, shape):
    """Rows, which repeat, and gradients in quarters, whose sums are exact in any order."""
    rows = rng.integers(0, n_words, shape)
    return rows, rng.integers(-8, 9, (*shape, n_dims)).astype(np.float32) / 4


def assert_same_arrays(ours, theirs):
    """Parameters and moments agree to float32's rounding."""
    np.testing.assert_allclose(ours.param, theirs.param, rtol=1e-6, atol=1e-6)
    not_kept = {"exp_avg"} if getattr(ours, "betas", (1,))[0] == 0 else set()
    assert ours.state.keys() == theirs.state.keys() - not_kept
    for name, array in ours.state.items():
        np.testing.assert_allclose(array, theirs.state[name], rtol=2e-6, atol=1e-7, err_msg=name)


def snapshot(optimizer):
    return [array.tobytes() for array in (optimizer.param, *optimizer.state.values())]


# Against the references


@pytest.mark.parametrize(
    ("kind", "betas"), [*KINDS_AND_BETAS, *itertools.product([RowwiseAdam], BETAS)]
)
@pytest.mark.parametrize(
    ("n_words", "n_dims", "shape"),
    [(1, 1, (3,)), (1, 17, (1,)), (9, 1, (4,)), (30, 7, (4, 5)), (12, 16, (2, 3, 2)), (40, 33, ())],
)
def test_agrees_with_the_reference(kind, betas, n_words, n_dims, shape):
    rng = np.random.default_rng([n_words, n_dims])
    settings = {"betas": betas} if betas else {}
    ours = kind(random_param(rng, n_words, n_dims), lr=0.02, **settings)
    theirs = getattr(reference, kind.__name__)(ours.param, lr=0.02, **settings)
    for _ in range(12):
        rows, row_grads = random_step(rng, n_words, n_dims, shape)
        ours.step(rows, row_grads)
        theirs.step(rows, row_grads)
        assert_same_arrays(ours, theirs)
    assert ours.step_count == 12


@pytest.mark.parametrize("kind", [SparseAdam, RowwiseAdam, DenseAdam])
@pytest.mark.parametrize("betas", [(0.0, 0.999), (0.9, 0.99)])
@pytest.mark.parametrize("power", [0.0, 0.125, 0.25, 0.3])
@pytest.mark.parametrize("eps", [1e-8, 0.7])
def test_other_powers_agree_with_the_reference(kind, betas, power, eps):
    rng = np.random.default_rng(8)
    settings = {"lr": 0.02, "betas": betas, "eps": eps, "power": power}
    ours = kind(random_param(rng, 9, 21), **settings)
    theirs = getattr(reference, kind.__name__)(ours.param, **settings)
    for _ in range(12):
        # Without zeros: 0 to a power is that of the smallest normal number.
        rows, row_grads = random_step(rng, 9, 21, (7,))
        row_grads[row_grads == 0] = 0.25
        ours.step(rows, row_grads)
        theirs.step(rows, row_grads)
        assert_same_arrays(ours, theirs)


@pytest.mark.parametrize("kind", [SparseAdam, RowwiseAdam])
def test_power_with_bias_correction_by_row(kind):
    rng = np.random.default_rng(9)
    settings = {"lr": 0.02, "bias_correction": "row", "power": 0.25}
    ours = kind(random_param(rng, 9, 5), **settings)
    theirs = getattr(reference, kind.__name__)(ours.param, **settings)
    for _ in range(12):
        rows = rng.integers(0, 9, 4)
        row_grads = rng.integers(1, 9, (4, 5)).astype(np.float32)
        ours.step(rows, row_grads)
        theirs.step(rows, row_grads)
        assert_same_arrays(ours, theirs)


def test_power_0_without_beta1_is_sgd():
    rng = np.random.default_rng(10)
    param = random_param(rng, 9, 21)
    ours, sgd = SparseAdam(param.copy(), 0.1, (0.0, 0.9), 1e-30, power=0.0), SGD(param.copy(), 0.1)
    for _ in range(5):
        step = random_step(rng, 9, 21, (7,))
        ours.step(*step)
        sgd.step(*step)
    np.testing.assert_allclose(ours.param, sgd.param, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ADAMS)
@pytest.mark.parametrize("eps", [1e-12, 1e-3, 1.0])
def test_eps_joins_the_root_where_the_reference_adds_it(kind, eps):
    rng = np.random.default_rng(1)
    ours = kind(random_param(rng, 6, 5), lr=0.1, eps=eps)
    theirs = getattr(reference, kind.__name__)(ours.param, 0.1, eps=eps)
    for _ in range(4):
        row_grads = rng.integers(1, 9, (6, 5)).astype(np.float32) / 64
        ours.step(range(6), row_grads)
        theirs.step(range(6), row_grads)
        assert_same_arrays(ours, theirs)


def test_the_two_adams_differ_by_eps_alone():
    sparse, dense = (kind(np.ones((1, 1), np.float32), lr=0.1, eps=1.0) for kind in ADAMS)
    for optimizer in (sparse, dense):
        optimizer.step([0], [[1.0]])
    # After one step √v = √0.001: corrected it is 1, so dense moves 0.1 · 1 / (1 + 1).
    assert dense.param[0, 0] == pytest.approx(0.95)
    assert sparse.param[0, 0] == pytest.approx(1 - 0.1 * 0.001**0.5 / (0.001**0.5 + 1))


@pytest.mark.parametrize("kind", KINDS)
def test_lr_may_change_between_steps(kind):
    rng = np.random.default_rng(2)
    ours = kind(random_param(rng, 5, 4), lr=0.5)
    theirs = getattr(reference, kind.__name__)(ours.param, 0.5)
    for lr in (0.5, 0.1, 0.02):
        ours.lr = theirs.lr = lr
        step = random_step(rng, 5, 4, (6,))
        ours.step(*step)
        theirs.step(*step)
        assert_same_arrays(ours, theirs)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "row_grads"),
    [
        ([2, 0, 2], [[1, 2], [3, 4], [5, 6]]),
        (np.array([2, 0, 2], np.uint8), np.array([[1, 2], [3, 4], [5, 6]], np.float64)),
        (np.array([2, 9, 0, 9, 2])[::2], np.array([[1, 3, 5], [2, 4, 6]], np.float32).T),
    ],
)
def test_rows_and_gradients_of_any_kind_of_array(kind, rows, row_grads):
    optimizer = kind(np.ones((3, 2), np.float32), lr=0.25)
    expected = getattr(reference, kind.__name__)(optimizer.param, 0.25)
    optimizer.step(rows, row_grads)
    expected.step([2, 0, 2], [[1, 2], [3, 4], [5, 6]])
    assert_same_arrays(optimizer, expected)


@pytest.mark.parametrize("kind", SPARSE)
@pytest.mark.parametrize("rows", [[], np.zeros((0,), int), np.zeros((3, 0), int)])
def test_a_step_without_rows_counts_and_moves_nothing(kind, rows):
    optimizer = kind(np.ones((3, 2), np.float32), lr=0.1)
    optimizer.step([0], [[1, 1]])
    before = snapshot(optimizer)
    optimizer.step(rows, np.zeros((*np.shape(rows), 2)))
    assert snapshot(optimizer) == before
    assert optimizer.step_count == 2


def test_dense_adam_without_rows_coasts_on_its_moments():
    optimizer = DenseAdam(np.ones((3, 2), np.float32), lr=0.1)
    expected = reference.DenseAdam(optimizer.param, 0.1)
    for rows, row_grads in [([0, 1], np.ones((2, 2))), ([], np.zeros((0, 2))), ([2], [[4, 4]])]:
        optimizer.step(rows, row_grads)
        expected.step(rows, row_grads)
        assert_same_arrays(optimizer, expected)
    assert (optimizer.param < 0.9).all(axis=1).tolist() == [True, True, False]


# The demonstration: an embedding, ids (4, 5), the sum of squares of the vectors looked up


def run_demonstration(kind, golden, check):
    """Train as the golden file's maker did; ``check(name, rows)`` after the first and last."""
    # Rows that no step looks up hold their own number.
    embedding = np.repeat(np.arange(1000, dtype=np.float32), 50).reshape(1000, 50)
    touched = golden["touched"]
    embedding[touched] = golden["start"]
    untouched = np.setdiff1d(np.arange(1000), touched)
    before = embedding[untouched].tobytes()
    optimizer = kind(embedding, lr=0.01)
    for k, ids in enumerate(golden["ids"]):
        assert ids.shape == (4, 5)
        optimizer.step(ids, 2 * embedding[ids])
        if k == 0:
            check("first", embedding[touched])
    check("last", embedding[touched])
    for name, moment in optimizer.state.items():
        check(name, moment[touched])
        assert not moment[untouched].any()
    assert embedding[untouched].tobytes() == before
    assert optimizer.step_count == len(golden["ids"])


@pytest.mark.parametrize(
    ("name", "kind"), [("sparse_adam", SparseAdam), ("adam", DenseAdam), ("sgd", SGD)]
)
def test_demonstration_equals_pytorch(name, kind):
    golden = np.load(GOLDEN)
    checked = []

    def check(what, rows):
        checked.append(f"{name}_{what}")
        np.testing.assert_allclose(rows, golden[checked[-1]], rtol=1e-6, atol=2e-7, err_msg=what)

    run_demonstration(kind, golden, check)
    assert sorted(checked) == sorted(key for key in golden if key.startswith(f"{name}_"))


def test_golden_ids_repeat_after_the_first_step():
    ids = np.load(GOLDEN)["ids"]
    distinct = [np.unique(step).size for step in ids]
    assert distinct[0] == 20
    assert max(distinct[1:]) < 20
    assert GOLDEN.stat().st_size < 100_000


def test_golden_file_is_what_its_script_writes(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    again = tmp_path / "again.npz"
    monkeypatch.setattr(sys, "argv", ["make_golden_optimizers.py", "--output", str(again)])
    runpy.run_path(str(MAKE_GOLDEN), run_name="__main__")
    kept, made = np.load(GOLDEN), np.load(again)
    assert kept.files == made.files
    for name in kept.files:
        np.testing.assert_allclose(made[name], kept[name], rtol=1e-6, atol=1e-7, err_msg=name)


# Live against PyTorch


@pytest.mark.parametrize(("kind", "betas"), KINDS_AND_BETAS)
@pytest.mark.parametrize(("n_words", "n_dims"), [(1, 1), (7, 3), (60, 16), (300, 50)])
def test_agrees_with_torch(kind, betas, n_words, n_dims):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    rng = np.random.default_rng([n_words, n_dims, 2])
    name = {DenseAdam: "Adam"}.get(kind, kind.__name__)
    settings = {"betas": betas} if betas else {}
    ours = kind(random_param(rng, n_words, n_dims), lr=0.02, **settings)
    weight = torch.nn.Parameter(torch.from_numpy(ours.param.copy()))
    theirs = getattr(torch.optim, name)([weight], lr=0.02, **settings)
    for _ in range(40 if JIT else 6):
        rows, row_grads = random_step(rng, n_words, n_dims, (4, 5))
        grad = torch.sparse_coo_tensor(
            torch.from_numpy(rows.reshape(1, -1)),
            torch.from_numpy(row_grads.reshape(-1, n_dims)),
            (n_words, n_dims),
            check_invariants=True,
        )
        weight.grad = grad.to_dense() if kind in {DenseAdam, Adagrad} else grad
        ours.step(rows, row_grads)
        theirs.step()
        np.testing.assert_allclose(ours.param, weight.detach(), rtol=1e-6, atol=1e-6)
    for moment, array in ours.state.items():
        their_moment = theirs.state[weight][moment]
        np.testing.assert_allclose(array, their_moment, rtol=3e-6, atol=1e-7, err_msg=moment)


# Which rows, in which order, by whom


@pytest.mark.parametrize("kind", SPARSE)
def test_untouched_rows_and_moments_keep_their_bits(kind):
    rng = np.random.default_rng(3)
    optimizer = kind(random_param(rng, 40, 6), lr=0.1)
    optimizer.step(*random_step(rng, 40, 6, (60,)))
    for _ in range(5):
        rows, row_grads = random_step(rng, 40, 6, (3, 3))
        untouched = np.setdiff1d(np.arange(40), rows)
        arrays = (optimizer.param, *optimizer.state.values())
        before = [array[untouched].tobytes() for array in arrays]
        touched = [array[np.unique(rows)].copy() for array in arrays]
        optimizer.step(rows, row_grads)
        assert [array[untouched].tobytes() for array in arrays] == before
        for array, old in zip(arrays, touched, strict=True):
            assert (array[np.unique(rows)] != old).reshape(len(old), -1).any(axis=1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_repeated_rows_are_summed_in_the_order_given(kind):
    # 10⁸ + 1 = 10⁸ in float32, so the order shows.
    for grads, total in [((1e8, 1, -1e8), 0), ((1e8, -1e8, 1), 1)]:
        summed, once = (kind(np.zeros((2, 1), np.float32), lr=1.0) for _ in range(2))
        summed.step([1, 1, 1], [[grad] for grad in grads])
        once.step([1], [[total]])
        assert snapshot(summed) == snapshot(once)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_the_order_of_rows_is_irrelevant(kind, data):
    n_words, n_dims = 12, 3
    number = st.floats(-1e3, 1e3, width=32)
    rows = data.draw(st.lists(st.integers(0, n_words - 1), unique=True, max_size=n_words))
    grads = data.draw(
        st.lists(st.tuples(*[number] * n_dims), min_size=len(rows), max_size=len(rows))
    )
    order = data.draw(st.permutations(range(len(rows))))
    start = random_param(np.random.default_rng(4), n_words, n_dims)
    row_grads = np.array(grads, np.float32).reshape(len(rows), n_dims)
    one, other = kind(start.copy(), lr=0.1), kind(start.copy(), lr=0.1)
    one.step(rows, row_grads)
    other.step([rows[k] for k in order], row_grads[list(order)])
    assert snapshot(one) == snapshot(other)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 1000), order=st.permutations(range(14)))
def test_the_order_of_repeated_rows_is_irrelevant_where_sums_are_exact(kind, seed, order):
    rng = np.random.default_rng(seed)
    one = kind(random_param(rng, 5, 2), lr=0.1)
    other = kind(one.param.copy(), lr=0.1)
    rows, row_grads = random_step(rng, 5, 2, (14,))
    one.step(rows, row_grads)
    other.step(rows[list(order)], row_grads[list(order)])
    assert snapshot(one) == snapshot(other)


@pytest.mark.parametrize("kind", KINDS)
@given(cuts=st.lists(st.integers(0, 30), max_size=5), seed=st.integers(0, 1000))
def test_moving_in_ranges_gives_the_same_bytes(kind, cuts, seed):
    rng = np.random.default_rng(seed)
    whole = kind(random_param(rng, 30, 5), lr=0.1)
    pieces = kind(whole.param.copy(), lr=0.1)
    for _ in range(3):
        rows, row_grads = random_step(rng, 30, 5, (40,))
        whole.step(rows, row_grads)
        groups = group_rows(rows, np.full(pieces.param.shape[0], -1, np.int32))
        scalars = np.array(pieces.next_scalars(0.1))
        extent = prepare(pieces.rule, groups)
        edges = sorted({0, extent, *(min(cut, extent) for cut in cuts)})
        for first, last in reversed(list(itertools.pairwise(edges))):
            move(pieces.rule, groups, row_grads, first, last, scalars)
    assert snapshot(pieces) == snapshot(whole)
    assert pieces.step_count == whole.step_count == 3


@pytest.mark.parametrize("kind", KINDS)
def test_nan_gradients_show(kind):
    optimizer = kind(np.ones((3, 2), np.float32), lr=0.1)
    optimizer.step([1], [[np.nan, 1]])
    whole_row = kind is RowwiseAdam
    expected = [[False, False], [True, whole_row], [False, False]]
    assert np.isnan(optimizer.param).tolist() == expected


# The siblings of SparseAdam


@pytest.mark.parametrize("kind", [SparseAdam, RowwiseAdam])
@pytest.mark.parametrize("betas", BETAS)
def test_bias_correction_by_row(kind, betas):
    rng = np.random.default_rng(6)
    settings = {"lr": 0.02, "betas": betas, "bias_correction": "row"}
    ours = kind(random_param(rng, 9, 5), **settings)
    theirs = getattr(reference, kind.__name__)(ours.param, **settings)
    for _ in range(12):
        rows, row_grads = random_step(rng, 9, 5, (4,))
        ours.step(rows, row_grads)
        theirs.step(rows, row_grads)
        assert_same_arrays(ours, theirs)
    assert len(set(ours.state["step"].tolist())) > 2


def test_a_row_first_touched_late_moves_by_lr_only_with_its_own_steps():
    # Its first step: m / √v = 0.1 g / √(0.001 g²), and only t = 1 corrects that to 1.
    moved = {}
    for bias_correction in ("global", "row"):
        optimizer = SparseAdam(np.ones((2, 1), np.float32), lr=0.1, bias_correction=bias_correction)
        for row in [0] * 10_000 + [1]:
            optimizer.step([row], [[1.0]])
        moved[bias_correction] = 1 - optimizer.param[1, 0]
    assert moved["row"] == pytest.approx(0.1, rel=1e-4)
    assert moved["global"] == pytest.approx(0.1 * 0.1 / 0.001**0.5, rel=1e-3)


@pytest.mark.parametrize("kind", [SparseAdam, DenseAdam, RowwiseAdam])
def test_without_beta1_no_first_moment_is_kept(kind):
    kept = kind(np.ones((6, 4), np.float32), betas=(0.0, 0.9))
    assert list(kept.state) == ["exp_avg_sq"]
    n_numbers = sum(array.size for array in kept.rule if isinstance(array, np.ndarray))
    n_words = 6 if kind is DenseAdam else 0  # which group a row is in
    assert n_numbers == 24 + n_words + kept.state["exp_avg_sq"].size


def test_rowwise_adam_leaves_padding_out_of_the_mean():
    rng = np.random.default_rng(7)
    param = np.zeros((5, 16), np.float32)
    param[:, :10] = random_param(rng, 5, 10)
    padded = RowwiseAdam(param, lr=0.1, n_columns=10)
    plain = RowwiseAdam(param[:, :10].copy(), lr=0.1)
    for _ in range(3):
        rows, row_grads = random_step(rng, 5, 10, (6,))
        padded.step(rows, np.pad(row_grads, [(0, 0), (0, 6)]))
        plain.step(rows, row_grads)
    np.testing.assert_allclose(padded.param[:, :10], plain.param, rtol=1e-6)
    assert not padded.param[:, 10:].any()


def test_bias_correction_must_be_known():
    with pytest.raises(SettingError) as caught:
        SparseAdam(np.ones((1, 1), np.float32), bias_correction="rows")
    known = "bias_correction is 'rows', but must be one of ('global', 'row')"
    assert str(caught.value) == known


# State


@pytest.mark.parametrize("kind", ADAMS)
def test_state_before_the_first_step(kind):
    param = np.ones((4, 3), np.float32)
    optimizer = kind(param)
    assert optimizer.param is param
    assert optimizer.step_count == 0
    assert (optimizer.lr, optimizer.betas, optimizer.eps) == (1e-3, (0.9, 0.999), 1e-8)
    assert list(optimizer.state) == ["exp_avg", "exp_avg_sq"]
    for moment in optimizer.state.values():
        assert moment.shape == (4, 3)
        assert moment.dtype == np.float32
        assert not moment.any()


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_from_copied_state(kind):
    rng = np.random.default_rng(5)
    optimizer = kind(random_param(rng, 8, 4), lr=0.1)
    steps = [random_step(rng, 8, 4, (6,)) for _ in range(4)]
    for step in steps[:2]:
        optimizer.step(*step)
    copy = kind(optimizer.param.copy(), lr=0.1)
    copy.step_count = optimizer.step_count
    for name, array in optimizer.state.items():
        copy.state[name][:] = array
    for step in steps[2:]:
        optimizer.step(*step)
        copy.step(*step)
    assert snapshot(copy) == snapshot(optimizer)


# Errors


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rows", "row_grads", "message"),
    [
        (
            [0, 1],
            np.zeros((2, 4)),
            "row_grads must have shape (2, 3) for rows of shape (2,) and a matrix of 3 columns, "
            "not (2, 4)",
        ),
        (
            np.zeros((4, 5), int),
            np.zeros((20, 3)),
            "row_grads must have shape (4, 5, 3) for rows of shape (4, 5) and a matrix of 3 "
            "columns, not (20, 3)",
        ),
        ([1, -1], np.zeros((2, 3)), "row -1 is outside the matrix, which has 5 rows"),
        ([[4], [5]], np.zeros((2, 1, 3)), "row 5 is outside the matrix, which has 5 rows"),
        ([0.0], np.zeros((1, 3)), "rows must be integers, not float64"),
        ([True], np.zeros((1, 3)), "rows must be integers, not bool"),
    ],
)
def test_errors_of_a_step(kind, rows, row_grads, message):
    optimizer = kind(np.ones((5, 3), np.float32), lr=0.1)
    with pytest.raises(ShapeError) as caught:
        optimizer.step(rows, row_grads)
    assert str(caught.value) == message
    assert optimizer.step_count == 0
    assert (optimizer.param == 1).all()


def read_only():
    param = np.ones((2, 2), np.float32)
    param.flags.writeable = False
    return param


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("param", "message"),
    [
        ([[1.0]], "param must be a 2-D float32 array, not list"),
        (np.ones((2, 2)), "param must be a 2-D float32 array, not a 2-D float64 array"),
        (np.ones(2, np.float32), "param must be a 2-D float32 array, not a 1-D float32 array"),
        (
            np.ones((2, 3), np.float32).T,
            "param must be C-contiguous and writable, to be moved in place",
        ),
        (read_only(), "param must be C-contiguous and writable, to be moved in place"),
    ],
)
def test_errors_of_a_matrix(kind, param, message):
    with pytest.raises(ShapeError) as caught:
        kind(param, lr=0.1)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        *((kind, {"lr": 0}, "lr is 0, but must be above 0") for kind in KINDS),
        *((kind, {"lr": -0.5}, "lr is -0.5, but must be above 0") for kind in KINDS),
        *(
            (kind, {"betas": (1, 0.9)}, "betas[0] is 1, but must be at least 0 and below 1")
            for kind in ADAMS
        ),
        *(
            (kind, {"betas": (0.9, -0.1)}, "betas[1] is -0.1, but must be at least 0 and below 1")
            for kind in ADAMS
        ),
        *((kind, {"eps": 0}, "eps is 0, but must be above 0") for kind in ADAMS),
        *((kind, {"eps": float("nan")}, "eps is nan, but must be above 0") for kind in ADAMS),
    ],
)
def test_errors_of_a_setting(kind, settings, message):
    with pytest.raises(SettingError) as caught:
        kind(np.ones((2, 2), np.float32), **{"lr": 0.1, **settings})
    assert str(caught.value) == message


def test_examples_of_the_docstrings():
    outcome = doctest.testmod(sparse_adam)
    assert outcome.attempted > 0
    assert outcome.failed == 0


def test_a_setting_of_a_new_optimizer_reaches_its_class(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Config(OptimizerConfig):
        decay: float = 0.25

    class Decaying(SGD):
        def __init__(self, param, lr, decay=0.5):
            super().__init__(param, lr)
            self.decay = decay

    monkeypatch.setattr(sgd, "SGD", Decaying)
    built = build_optimizer(Config("sgd", lr=0.75), np.zeros((1, 16), np.float32), 16)
    assert (built.decay, built.lr) == (0.25, 0.75)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_takes_the_settings_that_it_lists(name):
    entry = OPTIMIZERS[name]
    module = importlib.import_module(f"w2v_sparseadam.optimizers.{entry.module}")
    taken = set(inspect.signature(getattr(module, entry.name)).parameters)
    assert {"betas" if s in {"beta1", "beta2"} else s for s in entry.settings} <= taken
    assert (entry.power is not None) == ("power" in entry.settings)

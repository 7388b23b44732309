"""The rules by which optimizers move rows: arrays, and the kernels that work on them.

A step has three parts: gradients of the same row are grouped, each row's gradients are summed in
a fixed order, and the row moves once. Rows do not depend on each other, so ranges of them may be
moved by several threads at once with the same result to the bit.

A *rule* is a named tuple of the arrays of an optimizer; its type tells compiled code which
arithmetic to use (:func:`prepare`, :func:`move`). The numbers that change from step to step are a
row of *scalars*: β₁, β₂, ε, the step size, (1 − β₂ᵗ)ᵖ and the power p of the second moment.
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from ..simd.kernels import kernel
from ..simd.lanes import LANES, dot, power, prefetch_row, root, row_update
from ..objectives.skip_gram.plan import Groups

AHEAD = 4
"""How many rows before its turn a row is asked for."""


def power_of(exponent: float) -> tuple[np.float32, ...]:
    """Return the power p of a rule, in a tuple that is empty for ½: its length is part of its type.

    So the code that is compiled for ½ takes a square root.
    """
    return () if exponent == 0.5 else (np.float32(exponent),)


def _to_power(value, p):
    """Return value ** p, or its square root if p is None, in the arithmetic of a row update."""
    return root(value) if p is None else power(value, p)


class SparseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.classes.SparseAdam`."""

    width: tuple[int, ...]  # of rows of D numbers
    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V, D) float32; in memory a row's m and v are neighbors
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted


class RowwiseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.classes.RowwiseAdam`."""

    width: tuple[int, ...]  # of rows of D numbers
    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V,) float32
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted
    n_columns: int  # columns of param that are in use; the others stay 0


class DenseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.classes.DenseAdam`."""

    width: tuple[int, ...]  # of rows of D numbers
    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V, D) float32; in memory a row's m and v are neighbors
    group_of: np.ndarray  # (V,) int32: a row's group in this step, −1 where it has none


class AdagradRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.classes.Adagrad`."""

    width: tuple[int, ...]  # of rows of D numbers
    param: np.ndarray  # (V, D) float32
    sum: np.ndarray  # (V, D) float32


class SGDRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.classes.SGD`."""

    width: tuple[int, ...]  # of rows of D numbers
    param: np.ndarray  # (V, D) float32


@kernel
def _step_size(row_steps, row, scalars):
    """Return a row's step size: of the whole matrix, or by the row's own count of steps."""
    if row_steps.size == 0:
        return np.float32(scalars[3])
    row_steps[row] += 1
    t = row_steps[row]
    return np.float32(scalars[3] * (1 - scalars[1] ** t) ** scalars[5] / (1 - scalars[0] ** t))


@kernel
def _decays(scalars):
    """Return β₁, 1 − β₁, β₂, 1 − β₂; 1 − float32(0.999) would be wrong from the fifth digit on."""
    beta1, beta2 = scalars[0], scalars[1]
    return np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)


@row_update
def _sparse_adam_row(
    grad, theta, exp_avg, exp_avg_sq, *, old1, new1, old2, new2, eps, size, p=None
):
    exp_avg = old1 * exp_avg + new1 * grad
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - size * exp_avg / (_to_power(exp_avg_sq, p) + eps), exp_avg, exp_avg_sq


@row_update
def _sparse_adam_row_without_avg(grad, theta, exp_avg_sq, *, old2, new2, eps, size, p=None):
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - size * grad / (_to_power(exp_avg_sq, p) + eps), exp_avg_sq


@kernel
def _move_sparse_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows; step size lr · (1 − β₂ᵗ)ᵖ / (1 − β₁ᵗ), or lr with row steps."""
    width, p, param, exp_avg, exp_avg_sq, row_steps = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    old1, new1, old2, new2 = _decays(scalars)
    eps = np.float32(scalars[2])
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(width, param, rows[k + AHEAD])
            prefetch_row(width, exp_avg_sq, rows[k + AHEAD])
            if exp_avg.shape[1] > 0:
                prefetch_row(width, exp_avg, rows[k + AHEAD])
        row, start, stop = rows[k], starts[k], starts[k + 1]
        size = _step_size(row_steps, row, scalars)
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, old2, new2, eps, size, *p)
            _sparse_adam_row(
                width, grads, places, start, stop, row, numbers, param, exp_avg, exp_avg_sq
            )
        else:
            fewer = (old2, new2, eps, size, *p)
            _sparse_adam_row_without_avg(
                width, grads, places, start, stop, row, fewer, param, exp_avg_sq
            )


@row_update
def _sum_row(grad, total):
    return (grad,)


@row_update
def _rowwise_adam_row(grad, theta, exp_avg, *, old1, new1, eps, size, v, p=None):
    exp_avg = old1 * exp_avg + new1 * grad
    return theta - size / (_to_power(v, p) + eps) * exp_avg, exp_avg


@row_update
def _rowwise_adam_row_without_avg(grad, theta, *, eps, size, v, p=None):
    return (theta - size / (_to_power(v, p) + eps) * grad,)


@kernel
def _move_rowwise_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows with one v for a row; step size as for SparseAdam."""
    width, p, param, exp_avg, exp_avg_sq, row_steps, n_columns = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    old1, new1, _, _ = _decays(scalars)
    beta2, eps = scalars[1], np.float32(scalars[2])
    n_dims = param.shape[1]
    total, only = np.zeros((1, n_dims), np.float32), np.zeros(1, np.int64)
    for k in range(first, last):
        row, start, stop = rows[k], starts[k], starts[k + 1]
        if k + AHEAD < last:
            prefetch_row(width, param, rows[k + AHEAD])
            prefetch_row(width, exp_avg, rows[k + AHEAD])
        _sum_row(width, grads, places, start, stop, 0, (), total)
        square = np.float64(dot(width, total, 0, total, 0))
        for d in range(len(width) * LANES, n_dims):
            square += total[0, d] * total[0, d]
        v = np.float32(beta2 * exp_avg_sq[row] + (1 - beta2) * (square / n_columns))
        exp_avg_sq[row] = v
        size = _step_size(row_steps, row, scalars)
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, eps, size, v, *p)
            _rowwise_adam_row(width, total, only, 0, 1, row, numbers, param, exp_avg)
        else:
            fewer = (eps, size, v, *p)
            _rowwise_adam_row_without_avg(width, total, only, 0, 1, row, fewer, param)


@row_update
def _dense_adam_row(
    grad, theta, exp_avg, exp_avg_sq, *, old1, new1, old2, new2, eps, size, factor, p=None
):
    exp_avg = old1 * exp_avg + new1 * grad
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    denominator = _to_power(exp_avg_sq, p) * factor + eps
    return theta - size * exp_avg / denominator, exp_avg, exp_avg_sq


@row_update
def _dense_adam_row_without_avg(grad, theta, exp_avg_sq, *, old2, new2, eps, size, factor, p=None):
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - size * grad / (_to_power(exp_avg_sq, p) * factor + eps), exp_avg_sq


@kernel
def _move_dense_adam(rule, groups, grads, first, last, scalars):
    """Adam on all rows; step size lr / (1 − β₁ᵗ). A row without a gradient has g = 0."""
    width, p, param, exp_avg, exp_avg_sq, group_of = rule
    starts, places = groups.starts, groups.places
    old1, new1, old2, new2 = _decays(scalars)
    eps, size, factor = np.float32(scalars[2]), np.float32(scalars[3]), np.float32(1 / scalars[4])
    for row in range(first, last):
        start = stop = 0
        if group_of[row] >= 0:
            start, stop = starts[group_of[row]], starts[group_of[row] + 1]
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, old2, new2, eps, size, factor, *p)
            _dense_adam_row(
                width, grads, places, start, stop, row, numbers, param, exp_avg, exp_avg_sq
            )
        else:
            fewer = (old2, new2, eps, size, factor, *p)
            _dense_adam_row_without_avg(
                width, grads, places, start, stop, row, fewer, param, exp_avg_sq
            )


@row_update
def _adagrad_row(grad, theta, s, *, eps, size):
    s = s + grad * grad
    return theta - size * grad / (root(s) + eps), s


@kernel
def _move_adagrad(rule, groups, grads, first, last, scalars):
    """s ← s + g²; θ ← θ − lr · g / (√s + ε) on the grouped rows; the step size is lr."""
    width, param, s = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    numbers = np.float32(scalars[2]), np.float32(scalars[3])
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(width, param, rows[k + AHEAD])
            prefetch_row(width, s, rows[k + AHEAD])
        _adagrad_row(width, grads, places, starts[k], starts[k + 1], rows[k], numbers, param, s)


@row_update
def _sgd_row(grad, theta, *, size):
    return (theta - size * grad,)


@kernel
def _move_sgd(rule, groups, grads, first, last, scalars):
    """θ ← θ − lr · g on the grouped rows; the step size is lr."""
    width, param = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    numbers = (np.float32(scalars[3]),)
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(width, param, rows[k + AHEAD])
        _sgd_row(width, grads, places, starts[k], starts[k + 1], rows[k], numbers, param)


@kernel
def _prepare_groups(rule, groups):
    return groups.n_rows[0]


@kernel
def _prepare_all_rows(rule, groups):
    rule.group_of[:] = -1
    for k in range(groups.n_rows[0]):
        rule.group_of[groups.rows[k]] = k
    return rule.param.shape[0]


_PREPARE = {
    SparseAdamRule: _prepare_groups,
    RowwiseAdamRule: _prepare_groups,
    DenseAdamRule: _prepare_all_rows,
    AdagradRule: _prepare_groups,
    SGDRule: _prepare_groups,
}
_MOVE = {
    SparseAdamRule: _move_sparse_adam,
    RowwiseAdamRule: _move_rowwise_adam,
    DenseAdamRule: _move_dense_adam,
    AdagradRule: _move_adagrad,
    SGDRule: _move_sgd,
}


def prepare(rule: NamedTuple, groups: Groups) -> int:
    """Make a step ready, and return the length that the ranges given to :func:`move` must cover.

    The ranges are of groups, or of rows for a rule that moves all of them.
    """
    return int(_PREPARE[type(rule)](rule, groups))


@overload(prepare)
def _compiled_prepare(rule, groups):
    chosen = _PREPARE[rule.instance_class]
    return lambda rule, groups: chosen(rule, groups)


def move(
    rule: NamedTuple,
    groups: Groups,
    grads: np.ndarray,
    first: int,
    last: int,
    scalars: np.ndarray,
) -> None:
    """Move a range of the rows of ``rule.param`` one step, in place.

    Parameters
    ----------
    rule : NamedTuple
        The arrays of an optimizer.
    groups : Groups
        Which places of ``grads`` belong to which row.
    grads : ndarray of shape (places, D), float32
        Gradients of the loss.
    first, last : int
        Range, within the length that :func:`prepare` returned.
    scalars : ndarray of shape (6,), float64
        See the module's docstring.
    """
    _MOVE[type(rule)](rule, groups, grads, first, last, scalars)


@overload(move)
def _compiled_move(rule, groups, grads, first, last, scalars):
    chosen = _MOVE[rule.instance_class]

    def call(rule, groups, grads, first, last, scalars):
        chosen(rule, groups, grads, first, last, scalars)

    return call

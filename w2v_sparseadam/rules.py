"""The rules by which optimizers move rows: arrays, and the kernels that work on them.

A step has three parts: gradients of the same row are grouped, each row's gradients are summed in
a fixed order, and the row moves once. Rows do not depend on each other, so ranges of them may be
moved by several threads at once with the same result to the bit.

A *rule* is a named tuple of the arrays of an optimizer; its type tells compiled code which
arithmetic to use (:func:`prepare`, :func:`move`). The numbers that change from step to step are a
row of *scalars*: β₁, β₂, ε, the step size and √(1 − β₂ᵗ).
"""

from typing import NamedTuple

import numpy as np
from numba.extending import overload

from .kernels import kernel
from .lanes import LANES, dot, prefetch_row
from .plan import Groups

AHEAD = 4
"""How many rows before its turn a row is asked for."""


class SparseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.SparseAdam`."""

    param: np.ndarray  # (V, D) float32
    moments: np.ndarray  # (V, 2 D) float32: a row's m, then its v; (V, D), only v, if β₁ is 0
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted


class RowwiseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.RowwiseAdam`."""

    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V,) float32
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted
    n_columns: int  # columns of param that are in use; the others stay 0


class DenseAdamRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.DenseAdam`."""

    param: np.ndarray  # (V, D) float32
    moments: np.ndarray  # (V, 2 D) float32: a row's m, then its v; (V, D), only v, if β₁ is 0
    group_of: np.ndarray  # (V,) int32: a row's group in this step, −1 where it has none


class AdagradRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.Adagrad`."""

    param: np.ndarray  # (V, D) float32
    sum: np.ndarray  # (V, D) float32


class SGDRule(NamedTuple):
    """The arrays of :class:`~w2v_sparseadam.optimizers.SGD`."""

    param: np.ndarray  # (V, D) float32


@kernel
def _sum_group(groups, k, grads, out):
    """Sum the gradients of group k into ``out``, in their order."""
    first, last = groups.starts[k], groups.starts[k + 1]
    row = grads[groups.places[first]]
    for d in range(out.shape[0]):
        out[d] = row[d]
    for place in range(first + 1, last):
        row = grads[groups.places[place]]
        for d in range(out.shape[0]):
            out[d] += row[d]


@kernel
def _step_size(rule, row, scalars):
    """Return a row's step size: of the whole matrix, or by the row's own count of steps."""
    if rule.row_steps.size == 0:
        return np.float32(scalars[3])
    rule.row_steps[row] += 1
    t = rule.row_steps[row]
    return np.float32(scalars[3] * np.sqrt(1 - scalars[1] ** t) / (1 - scalars[0] ** t))


@kernel
def _sparse_adam_row(theta, exp_avg, exp_avg_sq, grad, beta1, beta2, eps, size):
    # Subtracted in float64: 1 − float32(0.999) is wrong from the fifth digit on.
    old1, new1 = np.float32(beta1), np.float32(1 - beta1)
    old2, new2 = np.float32(beta2), np.float32(1 - beta2)
    eps = np.float32(eps)
    for d in range(theta.shape[0]):
        m = old1 * exp_avg[d] + new1 * grad[d]
        v = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
        exp_avg[d] = m
        exp_avg_sq[d] = v
        theta[d] -= size * m / (np.sqrt(v) + eps)


@kernel
def _sparse_adam_row_without_avg(theta, exp_avg_sq, grad, beta2, eps, size):
    old2, new2 = np.float32(beta2), np.float32(1 - beta2)
    eps = np.float32(eps)
    for d in range(theta.shape[0]):
        v = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
        exp_avg_sq[d] = v
        theta[d] -= size * grad[d] / (np.sqrt(v) + eps)


@kernel
def _move_sparse_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows; step size lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ), or lr with row steps."""
    param, moments = rule.param, rule.moments
    beta1, beta2, eps = scalars[0], scalars[1], scalars[2]
    n_dims = param.shape[1]
    grad = np.empty(n_dims, np.float32)
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, groups.rows[k + AHEAD])
            prefetch_row(moments, groups.rows[k + AHEAD])
        _sum_group(groups, k, grads, grad)
        row = groups.rows[k]
        size = _step_size(rule, row, scalars)
        state = moments[row]
        if state.size == n_dims:
            _sparse_adam_row_without_avg(param[row], state, grad, beta2, eps, size)
        else:
            exp_avg, exp_avg_sq = state[:n_dims], state[n_dims:]
            _sparse_adam_row(param[row], exp_avg, exp_avg_sq, grad, beta1, beta2, eps, size)


@kernel
def _move_rowwise_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows with one v for a row; step size as for SparseAdam."""
    param = rule.param
    beta1, beta2 = scalars[0], scalars[1]
    old1, new1 = np.float32(beta1), np.float32(1 - beta1)
    n_dims = param.shape[1]
    # A matrix of one row, as wide as whole vectors, for the inner product.
    grad = np.zeros((1, (n_dims + LANES - 1) // LANES * LANES), np.float32)
    total = grad[0, :n_dims]
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, groups.rows[k + AHEAD])
            prefetch_row(rule.exp_avg, groups.rows[k + AHEAD])
        _sum_group(groups, k, grads, total)
        row = groups.rows[k]
        square = np.float64(dot(grad, 0, grad, 0)) / rule.n_columns
        v = np.float32(beta2 * rule.exp_avg_sq[row] + (1 - beta2) * square)
        rule.exp_avg_sq[row] = v
        factor = _step_size(rule, row, scalars) / (np.sqrt(v) + np.float32(scalars[2]))
        theta, exp_avg = param[row], rule.exp_avg[row]
        if exp_avg.size == 0:
            for d in range(theta.shape[0]):
                theta[d] -= factor * total[d]
        else:
            for d in range(theta.shape[0]):
                m = old1 * exp_avg[d] + new1 * total[d]
                exp_avg[d] = m
                theta[d] -= factor * m


@kernel
def _dense_adam_row(theta, exp_avg, exp_avg_sq, grad, scalars):
    old1, new1 = np.float32(scalars[0]), np.float32(1 - scalars[0])
    old2, new2 = np.float32(scalars[1]), np.float32(1 - scalars[1])
    eps, size = np.float32(scalars[2]), np.float32(scalars[3])
    factor = np.float32(1 / scalars[4])
    for d in range(theta.shape[0]):
        m = old1 * exp_avg[d] + new1 * grad[d]
        v = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
        exp_avg[d] = m
        exp_avg_sq[d] = v
        theta[d] -= size * m / (np.sqrt(v) * factor + eps)


@kernel
def _coast_dense_adam_row(theta, exp_avg, exp_avg_sq, scalars):
    """The same with g = 0."""
    old1, old2 = np.float32(scalars[0]), np.float32(scalars[1])
    eps, size = np.float32(scalars[2]), np.float32(scalars[3])
    factor = np.float32(1 / scalars[4])
    for d in range(theta.shape[0]):
        m = old1 * exp_avg[d]
        v = old2 * exp_avg_sq[d]
        exp_avg[d] = m
        exp_avg_sq[d] = v
        theta[d] -= size * m / (np.sqrt(v) * factor + eps)


@kernel
def _dense_adam_row_without_avg(theta, exp_avg_sq, grad, scalars):
    old2, new2 = np.float32(scalars[1]), np.float32(1 - scalars[1])
    eps, size = np.float32(scalars[2]), np.float32(scalars[3])
    factor = np.float32(1 / scalars[4])
    for d in range(theta.shape[0]):
        v = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
        exp_avg_sq[d] = v
        theta[d] -= size * grad[d] / (np.sqrt(v) * factor + eps)


@kernel
def _move_dense_adam(rule, groups, grads, first, last, scalars):
    """Adam on all rows; step size lr / (1 − β₁ᵗ). A row without a gradient has g = 0."""
    param, moments = rule.param, rule.moments
    n_dims = param.shape[1]
    grad = np.empty(n_dims, np.float32)
    for row in range(first, last):
        k = rule.group_of[row]
        state = moments[row]
        has_avg = state.size > n_dims
        if k < 0 and has_avg:
            _coast_dense_adam_row(param[row], state[:n_dims], state[n_dims:], scalars)
            continue
        if k < 0:
            grad[:] = np.float32(0)
        else:
            _sum_group(groups, k, grads, grad)
        if has_avg:
            _dense_adam_row(param[row], state[:n_dims], state[n_dims:], grad, scalars)
        else:
            _dense_adam_row_without_avg(param[row], state, grad, scalars)


@kernel
def _move_adagrad(rule, groups, grads, first, last, scalars):
    """s ← s + g²; θ ← θ − lr · g / (√s + ε) on the grouped rows; the step size is lr."""
    grad = np.empty(rule.param.shape[1], np.float32)
    eps, size = np.float32(scalars[2]), np.float32(scalars[3])
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(rule.param, groups.rows[k + AHEAD])
            prefetch_row(rule.sum, groups.rows[k + AHEAD])
        _sum_group(groups, k, grads, grad)
        theta, total = rule.param[groups.rows[k]], rule.sum[groups.rows[k]]
        for d in range(theta.shape[0]):
            s = total[d] + grad[d] * grad[d]
            total[d] = s
            theta[d] -= size * grad[d] / (np.sqrt(s) + eps)


@kernel
def _move_sgd(rule, groups, grads, first, last, scalars):
    """θ ← θ − lr · g on the grouped rows; the step size is lr."""
    grad = np.empty(rule.param.shape[1], np.float32)
    size = np.float32(scalars[3])
    for k in range(first, last):
        _sum_group(groups, k, grads, grad)
        theta = rule.param[groups.rows[k]]
        for d in range(theta.shape[0]):
            theta[d] -= size * grad[d]


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
    scalars : ndarray of shape (5,), float64
        See the module's docstring.
    """
    _MOVE[type(rule)](rule, groups, grads, first, last, scalars)


@overload(move)
def _compiled_move(rule, groups, grads, first, last, scalars):
    chosen = _MOVE[rule.instance_class]

    def call(rule, groups, grads, first, last, scalars):
        chosen(rule, groups, grads, first, last, scalars)

    return call

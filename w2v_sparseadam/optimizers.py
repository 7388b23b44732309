"""Optimizers that move the rows of a matrix: Adam in three forms, Adagrad and plain SGD.

A step has three parts: gradients of the same row are grouped, each row's gradients are summed in
a fixed order, and the row moves once. Rows do not depend on each other, so ranges of them may be
moved by several threads at once with the same result to the bit.

An optimizer is a class, with settings and checks, around a *rule*: its arrays as a named tuple,
whose type tells compiled code which arithmetic to use (:func:`prepare`, :func:`move`). The numbers
that change from step to step are a row of *scalars*: β₁, β₂, ε, the step size and √(1 − β₂ᵗ).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numba.extending import overload

from .errors import SettingError, ShapeError
from .kernels import kernel
from .lanes import LANES, dot, prefetch_row, zeros
from .plan import Groups, group_rows

AHEAD = 4
"""How many rows before its turn a row is asked for."""

BIAS_CORRECTIONS = ("global", "row")


class SparseAdamRule(NamedTuple):
    """The arrays of :class:`SparseAdam`."""

    param: np.ndarray  # (V, D) float32
    moments: np.ndarray  # (V, 2 D) float32: a row's m, then its v; (V, D), only v, if β₁ is 0
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted


class RowwiseAdamRule(NamedTuple):
    """The arrays of :class:`RowwiseAdam`."""

    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V,) float32
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted
    n_columns: int  # columns of param that are in use; the others stay 0


class DenseAdamRule(NamedTuple):
    """The arrays of :class:`DenseAdam`."""

    param: np.ndarray  # (V, D) float32
    moments: np.ndarray  # (V, 2 D) float32: a row's m, then its v; (V, D), only v, if β₁ is 0
    group_of: np.ndarray  # (V,) int32: a row's group in this step, −1 where it has none


class AdagradRule(NamedTuple):
    """The arrays of :class:`Adagrad`."""

    param: np.ndarray  # (V, D) float32
    sum: np.ndarray  # (V, D) float32


class SGDRule(NamedTuple):
    """The arrays of :class:`SGD`."""

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


class Optimizer(ABC):
    """What the optimizers share: the checks, the step count, and a step."""

    rule: Any

    def __init__(self, param: np.ndarray, lr: float) -> None:
        if not isinstance(param, np.ndarray) or param.dtype != np.float32 or param.ndim != 2:
            raise ShapeError(f"param must be a 2-D float32 array, not {_describe(param)}")
        if not param.flags.c_contiguous or not param.flags.writeable:
            raise ShapeError("param must be C-contiguous and writable, to be moved in place")
        _require("lr", lr, lr > 0, "above 0")
        self.param = param
        self.lr = lr
        self.step_count = 0

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """Arrays of shape (V, D), float32, that the optimizer keeps for each row."""
        return {}

    def step(self, rows: np.ndarray, row_grads: np.ndarray) -> None:
        """Move the matrix one step, given gradients of some of its rows.

        Parameters
        ----------
        rows : array_like of int, any shape (...)
            Row numbers in [0, V). A row may occur several times: its gradients are summed, in
            the order given, and it moves once.
        row_grads : array_like of float32, shape (..., D)
            Gradient of the loss for each of ``rows``.

        Raises
        ------
        ShapeError
            If the shapes do not fit, a row number is outside [0, V), or it is not an integer.
        """
        n_words, n_dims = self.param.shape
        ids = np.asarray(rows)
        if ids.size == 0:
            ids = ids.astype(np.int64)
        if ids.dtype.kind not in "iu":
            raise ShapeError(f"rows must be integers, not {ids.dtype}")
        if np.shape(row_grads) != (*ids.shape, n_dims):
            raise ShapeError(
                f"row_grads must have shape {(*ids.shape, n_dims)} for rows of shape {ids.shape} "
                f"and a matrix of {n_dims} columns, not {np.shape(row_grads)}"
            )
        ids = ids.reshape(-1)
        if ids.size and (ids.min() < 0 or ids.max() >= n_words):
            bad = ids[(ids < 0) | (ids >= n_words)][0]
            raise ShapeError(f"row {bad} is outside the matrix, which has {n_words} rows")
        grads = np.ascontiguousarray(row_grads, np.float32).reshape(-1, n_dims)
        groups = group_rows(ids)
        scalars = self.next_scalars(self.lr)
        move(self.rule, groups, grads, 0, prepare(self.rule, groups), scalars)

    @abstractmethod
    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (5,), float64."""


class _Adam(Optimizer):
    """Settings of the Adam family, and its scalars with both corrections in the step size."""

    def __init__(
        self,
        param: np.ndarray,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        bias_correction: str = "global",
    ) -> None:
        super().__init__(param, lr)
        for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
            _require(name, beta, 0 <= beta < 1, "at least 0 and below 1")
        _require("eps", eps, eps > 0, "above 0")
        if bias_correction not in BIAS_CORRECTIONS:
            raise SettingError(
                f"bias_correction is {bias_correction!r}, but must be one of {BIAS_CORRECTIONS}"
            )
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (5,), float64."""
        beta1, beta2 = self.betas
        self.step_count += 1
        size = lr
        if self.bias_correction == "global":
            size *= (1 - beta2**self.step_count) ** 0.5 / (1 - beta1**self.step_count)
        return np.array([beta1, beta2, self.eps, size, 1.0])

    def _new_moments(self) -> np.ndarray:
        """Return zeros for a row's m and v side by side: one stretch of memory instead of two."""
        n_words, n_dims = self.param.shape
        return zeros(n_words, n_dims if self.betas[0] == 0 else 2 * n_dims)

    def _new_row_steps(self) -> np.ndarray:
        n_counts = self.param.shape[0] if self.bias_correction == "row" else 0
        return np.zeros(n_counts, np.int64)


def _moment_views(moments: np.ndarray, n_dims: int) -> dict[str, np.ndarray]:
    """Return the arrays that lie side by side in ``moments``, by PyTorch's names."""
    if moments.shape[1] == n_dims:
        return {"exp_avg_sq": moments}
    return {"exp_avg": moments[:, :n_dims], "exp_avg_sq": moments[:, n_dims:]}


class SparseAdam(_Adam):
    """Adam that moves only the rows with a gradient, and lets all others and their moments be.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) g[i]²
        θ[i] ← θ[i] − lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m[i] / (√v[i] + ε)

    for the touched rows i; t counts the steps of the whole matrix. The arithmetic is that of
    torch.optim.SparseAdam: ε joins the uncorrected √v, where torch.optim.Adam (and
    :class:`DenseAdam`) corrects √v first.

    With a global t, a row that is seldom touched moves too far: at its k-th touch late in a run
    by a factor of (1 − β₁ᵏ) / √(1 − β₂ᵏ), up to 6.5 at the usual decays. ``bias_correction="row"``
    takes for t the steps of that row. With β₁ = 0, m is g and is not stored: a third less memory.

    Parameters
    ----------
    param : ndarray of shape (V, D), float32, C-contiguous
        Updated in place by :meth:`step`.
    lr : float
        Learning rate, above 0. May be changed between steps.
    betas : (float, float)
        Decay of the two moments, each in [0, 1).
    eps : float
        Added to the denominator, above 0: a gradient of 0 would divide 0 by 0 without it.
    bias_correction : {"global", "row"}
        Whose steps t counts.

    Attributes
    ----------
    param : ndarray
        The matrix given.
    state : mapping
        ``exp_avg`` (unless β₁ is 0) and ``exp_avg_sq``, of shape (V, D), float32; with row
        steps, ``step`` of shape (V,), int64.
    step_count : int
        Steps taken so far, t.

    Raises
    ------
    ShapeError, SettingError
        For a matrix that cannot be moved in place, or a setting outside its range.

    References
    ----------
    Kingma & Ba (2015), "Adam", just before section 2.1; torch.optim.SparseAdam.

    Examples
    --------
    Rows 2 and 0 have a gradient; row 1 has none and stays. The first step of Adam is of length lr
    whatever the gradient's size.

    >>> import numpy as np
    >>> param = np.ones((3, 2), np.float32)
    >>> optimizer = SparseAdam(param, lr=0.1)
    >>> optimizer.step([2, 0, 2], np.array([[1, 0], [4, 4], [1, 0]], np.float32))
    >>> param.round(4)
    array([[0.9, 0.9],
           [1. , 1. ],
           [0.9, 1. ]], dtype=float32)
    """

    def __init__(
        self,
        param: np.ndarray,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: str = "global",
    ) -> None:
        super().__init__(param, lr, betas, eps, bias_correction)
        self.rule: SparseAdamRule = SparseAdamRule(
            param, self._new_moments(), self._new_row_steps()
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        views = _moment_views(self.rule.moments, self.param.shape[1])
        return views | _row_steps_view(self.rule.row_steps)


class RowwiseAdam(_Adam):
    """SparseAdam with one second moment for a whole row: half the state.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) mean(g[i]²)
        θ[i] ← θ[i] − lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m[i] / (√v[i] + ε)

    for the touched rows i, v[i] being a number. Parameters, attributes and errors are those of
    :class:`SparseAdam`, but ``exp_avg_sq`` has shape (V,).

    Parameters
    ----------
    n_columns : int, optional
        Columns that the mean is of, if those after them are padding that stays 0.

    References
    ----------
    FBGEMM's ``PARTIAL_ROWWISE_ADAM``, as used for embedding tables in TorchRec.
    """

    def __init__(
        self,
        param: np.ndarray,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: str = "global",
        n_columns: int | None = None,
    ) -> None:
        super().__init__(param, lr, betas, eps, bias_correction)
        n_words, n_dims = param.shape
        self.rule: RowwiseAdamRule = RowwiseAdamRule(
            param,
            exp_avg=zeros(n_words, 0 if betas[0] == 0 else n_dims),
            exp_avg_sq=np.zeros(n_words, np.float32),
            row_steps=self._new_row_steps(),
            n_columns=n_dims if n_columns is None else n_columns,
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        views = {"exp_avg": self.rule.exp_avg} if self.rule.exp_avg.size else {}
        views["exp_avg_sq"] = self.rule.exp_avg_sq
        return views | _row_steps_view(self.rule.row_steps)


def _row_steps_view(row_steps: np.ndarray) -> dict[str, np.ndarray]:
    return {"step": row_steps} if row_steps.size else {}


class DenseAdam(_Adam):
    """Adam over the whole matrix: rows without a gradient decay their moments, and move too.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)

    The arithmetic is that of torch.optim.Adam. Its cost grows with V; :class:`SparseAdam`'s does
    not. Parameters, attributes and errors are those of :class:`SparseAdam`.

    References
    ----------
    Kingma & Ba (2015), "Adam", algorithm 1; torch.optim.Adam.
    """

    def __init__(
        self,
        param: np.ndarray,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(param, lr, betas, eps)
        group_of = np.full(param.shape[0], -1, np.int32)
        self.rule: DenseAdamRule = DenseAdamRule(param, self._new_moments(), group_of)

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        return _moment_views(self.rule.moments, self.param.shape[1])

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: v is corrected before ε is added."""
        beta1, beta2 = self.betas
        self.step_count += 1
        root = (1 - beta2**self.step_count) ** 0.5
        return np.array([beta1, beta2, self.eps, lr / (1 - beta1**self.step_count), root])


class Adagrad(Optimizer):
    """Adagrad on the rows with a gradient.

        s[i] ← s[i] + g[i]²
        θ[i] ← θ[i] − lr · g[i] / (√s[i] + ε)

    Parameters
    ----------
    param : ndarray of shape (V, D), float32, C-contiguous
        Updated in place by :meth:`step`.
    lr : float
        Learning rate, above 0. May be changed between steps.
    eps : float
        Added to the denominator, above 0.

    References
    ----------
    Duchi, Hazan & Singer (2011); torch.optim.Adagrad, without decay of the learning rate.
    """

    def __init__(self, param: np.ndarray, lr: float = 1e-2, eps: float = 1e-10) -> None:
        super().__init__(param, lr)
        _require("eps", eps, eps > 0, "above 0")
        self.eps = eps
        self.rule: AdagradRule = AdagradRule(param, zeros(*param.shape))

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """``sum``, of shape (V, D), float32."""
        return {"sum": self.rule.sum}

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (5,), float64."""
        self.step_count += 1
        return np.array([0.0, 0.0, self.eps, lr, 1.0])


class SGD(Optimizer):
    """Stochastic gradient descent on the rows with a gradient: θ[i] ← θ[i] − lr · g[i].

    Parameters
    ----------
    param : ndarray of shape (V, D), float32, C-contiguous
        Updated in place by :meth:`step`.
    lr : float
        Learning rate, above 0. May be changed between steps.
    """

    def __init__(self, param: np.ndarray, lr: float = 1e-2) -> None:
        super().__init__(param, lr)
        self.rule: SGDRule = SGDRule(param)

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (5,), float64."""
        self.step_count += 1
        return np.array([0.0, 0.0, 0.0, lr, 1.0])


def _require(name: str, value: float, condition: bool, range_: str) -> None:
    if not condition:
        raise SettingError(f"{name} is {value}, but must be {range_}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.ndim}-D {value.dtype} array"
    return type(value).__name__

"""Optimizers that move the rows of a matrix: SparseAdam, DenseAdam and plain SGD.

A step has three parts: gradients of the same row are grouped, each row's gradients are summed in
a fixed order, and the row moves once. Rows do not depend on each other, so ranges of them may be
moved by several threads at once with the same result to the bit.
"""

from collections.abc import Mapping

import numpy as np
from numba import njit

from .errors import SettingError, ShapeError
from .lanes import prefetch_row, zeros
from .plan import Groups, group_rows

AHEAD = 4
"""How many rows before its turn a row is asked for."""


@njit(cache=True, nogil=True)
def _sum_places(grads, places, first, last, out):
    """Sum the rows ``grads[places[first:last]]`` into ``out``, in that order."""
    row = grads[places[first]]
    for d in range(out.shape[0]):
        out[d] = row[d]
    for k in range(first + 1, last):
        row = grads[places[k]]
        for d in range(out.shape[0]):
            out[d] += row[d]


@njit(cache=True, nogil=True, error_model="numpy")
def _sparse_adam_row(theta, exp_avg, exp_avg_sq, grad, beta1, beta2, eps, step_size):
    # Subtracted in float64: 1 − float32(0.999) is wrong from the fifth digit on.
    old1, new1 = np.float32(beta1), np.float32(1 - beta1)
    old2, new2 = np.float32(beta2), np.float32(1 - beta2)
    for d in range(theta.shape[0]):
        m = old1 * exp_avg[d] + new1 * grad[d]
        v = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
        exp_avg[d] = m
        exp_avg_sq[d] = v
        theta[d] -= step_size * m / (np.sqrt(v) + eps)


@njit(cache=True, nogil=True, error_model="numpy")
def sparse_adam_rows(param, moments, groups, grads, first, last, beta1, beta2, eps, step_size):
    """Move the grouped rows ``first`` … ``last`` − 1 one lazy Adam step.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − step_size · m / (√v + ε)         step_size = lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ)

    Rows that are not in a group keep their values and moments to the bit.

    Parameters
    ----------
    param : ndarray of shape (V, D), float32
        Updated in place.
    moments : ndarray of shape (V, 2 D), float32
        A row's m, then its v. Updated in place.
    groups : Groups
        Places of ``grads`` by row.
    grads : ndarray of shape (places, D), float32
    first, last : int
        Range of groups.
    beta1, beta2 : float
    eps, step_size : float32

    References
    ----------
    Kingma & Ba (2015), just before section 2.1. As in torch.optim.SparseAdam, ε joins the
    uncorrected √v.
    """
    n_dims = param.shape[1]
    grad = np.empty(n_dims, np.float32)
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, groups.rows[k + AHEAD])
            prefetch_row(moments, groups.rows[k + AHEAD])
        _sum_places(grads, groups.places, groups.starts[k], groups.starts[k + 1], grad)
        row = groups.rows[k]
        state = moments[row]
        _sparse_adam_row(
            param[row], state[:n_dims], state[n_dims:], grad, beta1, beta2, eps, step_size
        )


@njit(cache=True, nogil=True, error_model="numpy")
def dense_adam_rows(
    param, moments, group_of, groups, grads, first, last, beta1, beta2, eps, step_size, root
):
    """Move rows ``first`` … ``last`` − 1 of the whole matrix one Adam step.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − step_size · m / (√v / root + ε)  step_size = lr / (1 − β₁ᵗ), root = √(1 − β₂ᵗ)

    A row without a gradient has g = 0: its moments decay, and it moves.

    Parameters
    ----------
    param : ndarray of shape (V, D), float32
        Updated in place.
    moments : ndarray of shape (V, 2 D), float32
        A row's m, then its v. Updated in place.
    group_of : ndarray of shape (V,), int32
        The group of each row, −1 where it has none.
    groups : Groups
        Places of ``grads`` by row.
    grads : ndarray of shape (places, D), float32
    first, last : int
        Range of rows.
    beta1, beta2 : float
    eps, step_size, root : float32

    References
    ----------
    Kingma & Ba (2015), algorithm 1. As in torch.optim.Adam, ε joins the corrected √v.
    """
    n_dims = param.shape[1]
    grad = np.empty(n_dims, np.float32)
    old1, new1 = np.float32(beta1), np.float32(1 - beta1)
    old2, new2 = np.float32(beta2), np.float32(1 - beta2)
    for row in range(first, last):
        theta, exp_avg, exp_avg_sq = param[row], moments[row, :n_dims], moments[row, n_dims:]
        group = group_of[row]
        if group < 0:
            for d in range(theta.shape[0]):
                exp_avg[d] = old1 * exp_avg[d]
                exp_avg_sq[d] = old2 * exp_avg_sq[d]
                theta[d] -= step_size * exp_avg[d] / (np.sqrt(exp_avg_sq[d]) / root + eps)
        else:
            _sum_places(grads, groups.places, groups.starts[group], groups.starts[group + 1], grad)
            for d in range(theta.shape[0]):
                exp_avg[d] = old1 * exp_avg[d] + new1 * grad[d]
                exp_avg_sq[d] = old2 * exp_avg_sq[d] + new2 * (grad[d] * grad[d])
                theta[d] -= step_size * exp_avg[d] / (np.sqrt(exp_avg_sq[d]) / root + eps)


@njit(cache=True, nogil=True)
def sgd_rows(param, groups, grads, first, last, lr):
    """Move the grouped rows ``first`` … ``last`` − 1: θ ← θ − lr · g."""
    grad = np.empty(param.shape[1], np.float32)
    for k in range(first, last):
        _sum_places(grads, groups.places, groups.starts[k], groups.starts[k + 1], grad)
        theta = param[groups.rows[k]]
        for d in range(theta.shape[0]):
            theta[d] -= lr * grad[d]


@njit(cache=True)
def _note_groups(group_of, groups):
    """Note the group of each row in ``group_of``, −1 where it has none."""
    group_of[:] = -1
    for k in range(groups.n_rows[0]):
        group_of[groups.rows[k]] = k


class Optimizer:
    """What the optimizers share: the checks, the step count, and one step in ranges of rows."""

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
        self.begin_step(self.lr, groups)
        self.move(groups, grads, 0, self.extent(groups))

    def begin_step(self, lr: float, groups: Groups) -> None:
        """Count a step and prepare what :meth:`move` needs; called once, before any range."""
        self.step_count += 1

    def extent(self, groups: Groups) -> int:
        """Return the length that the ranges given to :meth:`move` must cover."""
        return int(groups.n_rows[0])

    def move(self, groups: Groups, grads: np.ndarray, first: int, last: int) -> None:
        """Do the part of the step that belongs to ``first`` … ``last`` − 1 of :meth:`extent`."""
        raise TypeError(f"{type(self).__name__} moves nothing; use one of the optimizers")


class _Adam(Optimizer):
    def __init__(
        self,
        param: np.ndarray,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(param, lr)
        for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
            _require(name, beta, 0 <= beta < 1, "at least 0 and below 1")
        _require("eps", eps, eps > 0, "above 0")
        self.betas = betas
        self.eps = eps
        # A row's two moments lie side by side: one stretch of memory instead of two.
        self._moments = zeros(param.shape[0], 2 * param.shape[1])

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """``exp_avg`` and ``exp_avg_sq``: views of shape (V, D), float32."""
        n_dims = self.param.shape[1]
        return {"exp_avg": self._moments[:, :n_dims], "exp_avg_sq": self._moments[:, n_dims:]}

    def _floats(self, *values: float) -> tuple[float | np.float32, ...]:
        """The settings, then ``values``, of the same types at every step."""
        return (*map(float, self.betas), *map(np.float32, (self.eps, *values)))


class SparseAdam(_Adam):
    """Adam that moves only the rows with a gradient, and lets all others and their moments be.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) g[i]²
        θ[i] ← θ[i] − lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m[i] / (√v[i] + ε)

    for the touched rows i; t counts the steps of the whole matrix. The arithmetic is that of
    torch.optim.SparseAdam: ε joins the uncorrected √v, where torch.optim.Adam (and
    :class:`DenseAdam`) corrects √v first.

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

    Attributes
    ----------
    param : ndarray
        The matrix given.
    state : mapping
        ``exp_avg`` and ``exp_avg_sq``, of shape (V, D), float32.
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

    def begin_step(self, lr: float, groups: Groups) -> None:
        """Count a step and fix its size, with both bias corrections folded in."""
        super().begin_step(lr, groups)
        beta1, beta2 = self.betas
        t = self.step_count
        self._scalars = self._floats(lr * (1 - beta2**t) ** 0.5 / (1 - beta1**t))

    def move(self, groups: Groups, grads: np.ndarray, first: int, last: int) -> None:
        """Move a range of the groups."""
        sparse_adam_rows(self.param, self._moments, groups, grads, first, last, *self._scalars)


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
        self._group_of = np.full(param.shape[0], -1, np.int32)

    def begin_step(self, lr: float, groups: Groups) -> None:
        """Count a step, fix its size, and look up which rows have a gradient."""
        super().begin_step(lr, groups)
        beta1, beta2 = self.betas
        t = self.step_count
        self._scalars = self._floats(lr / (1 - beta1**t), (1 - beta2**t) ** 0.5)
        _note_groups(self._group_of, groups)

    def extent(self, groups: Groups) -> int:
        """Return V: every row moves."""
        return self.param.shape[0]

    def move(self, groups: Groups, grads: np.ndarray, first: int, last: int) -> None:
        """Move a range of the matrix's rows."""
        dense_adam_rows(
            self.param, self._moments, self._group_of, groups, grads, first, last, *self._scalars
        )


class SGD(Optimizer):
    """Stochastic gradient descent on the rows with a gradient: θ[i] ← θ[i] − lr · g[i].

    Parameters
    ----------
    param : ndarray of shape (V, D), float32, C-contiguous
        Updated in place by :meth:`step`.
    lr : float
        Learning rate, above 0. May be changed between steps.
    """

    def begin_step(self, lr: float, groups: Groups) -> None:
        """Count a step and fix its size."""
        super().begin_step(lr, groups)
        self._lr = np.float32(lr)

    def move(self, groups: Groups, grads: np.ndarray, first: int, last: int) -> None:
        """Move a range of the groups."""
        sgd_rows(self.param, groups, grads, first, last, self._lr)


def _require(name: str, value: float, condition: bool, range_: str) -> None:
    if not condition:
        raise SettingError(f"{name} is {value}, but must be {range_}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.ndim}-D {value.dtype} array"
    return type(value).__name__

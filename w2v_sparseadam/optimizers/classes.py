"""Optimizers that move the rows of a matrix: Adam in three forms, Adagrad and plain SGD.

Each is a class, with settings and checks, around a rule of :mod:`w2v_sparseadam.optimizers.rules`, which has
the arrays and the arithmetic.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import SettingError, ShapeError
from ..simd.lanes import width_of, zeros
from ..objectives.skip_gram.plan import group_rows
from .rules import (
    AdagradRule,
    DenseAdamRule,
    RowwiseAdamRule,
    SGDRule,
    SparseAdamRule,
    move,
    power_of,
    prepare,
)

BIAS_CORRECTIONS = ("global", "row")


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
        self._slots: np.ndarray | None = None  # for grouping rows; training groups its own

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
        if self._slots is None:
            self._slots = np.full(n_words, -1, np.int32)
        groups = group_rows(ids, self._slots)
        scalars = self.next_scalars(self.lr)
        move(self.rule, groups, grads, 0, prepare(self.rule, groups), scalars)

    @abstractmethod
    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (6,), float64."""


class _Adam(Optimizer):
    """Settings of the Adam family, and its scalars with both corrections in the step size."""

    def __init__(
        self,
        param: np.ndarray,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        bias_correction: str = "global",
        power: float = 0.5,
    ) -> None:
        super().__init__(param, lr)
        for name, beta in zip(("betas[0]", "betas[1]"), betas, strict=True):
            _require(name, beta, 0 <= beta < 1, "at least 0 and below 1")
        _require("eps", eps, eps > 0, "above 0")
        _require("power", power, 0 <= power <= 0.5, "from 0 to 0.5")
        if bias_correction not in BIAS_CORRECTIONS:
            raise SettingError(
                f"bias_correction is {bias_correction!r}, but must be one of {BIAS_CORRECTIONS}"
            )
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction
        self.power = power

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (6,), float64."""
        beta1, beta2 = self.betas
        self.step_count += 1
        size = lr
        if self.bias_correction == "global":
            size *= (1 - beta2**self.step_count) ** self.power / (1 - beta1**self.step_count)
        return np.array([beta1, beta2, self.eps, size, 1.0, self.power])

    def _new_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return m and v, a row's side by side in memory; m has no columns if β₁ is 0."""
        n_words, n_dims = self.param.shape
        n_avg = 0 if self.betas[0] == 0 else n_dims
        moments = zeros(n_words, n_avg + n_dims)
        return moments[:, :n_avg], moments[:, n_avg:]

    def _new_row_steps(self) -> np.ndarray:
        n_counts = self.param.shape[0] if self.bias_correction == "row" else 0
        return np.zeros(n_counts, np.int64)


def _in_use(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays that hold anything."""
    return {name: array for name, array in arrays.items() if array.size}


class SparseAdam(_Adam):
    """Adam that moves only the rows with a gradient, and lets all others and their moments be.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) g[i]²
        θ[i] ← θ[i] − lr · (1 − β₂ᵗ)ᵖ / (1 − β₁ᵗ) · m[i] / (v[i]ᵖ + ε)

    for the touched rows i; t counts the steps of the whole matrix. With p = ½, the default, it is
    Adam, and the arithmetic is that of torch.optim.SparseAdam: ε joins the uncorrected √v, where
    torch.optim.Adam (and :class:`DenseAdam`) corrects √v first.

    A smaller power p is between Adam and SGD, which p = 0 is: the larger p, the less does a step
    depend on how large a row's gradients are.

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
    power : float
        Power p of the second moment, from 0 to 0.5. Other powers than 0.5 are right to about 4e-6.

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
    Kingma & Ba (2015), "Adam", just before section 2.1; torch.optim.SparseAdam. The power: Chen et
    al. (2018), "Closing the generalization gap of adaptive gradient methods in training deep neural
    networks", Padam, without the maximum of past moments.

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
        power: float = 0.5,
    ) -> None:
        super().__init__(param, lr, betas, eps, bias_correction, power)
        self.rule: SparseAdamRule = SparseAdamRule(
            width_of(param.shape[1]),
            power_of(power),
            param,
            *self._new_moments(),
            self._new_row_steps(),
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        _, _, _, exp_avg, exp_avg_sq, row_steps = self.rule
        return _in_use(exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=row_steps)


class RowwiseAdam(_Adam):
    """SparseAdam with one second moment for a whole row: half the state.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) mean(g[i]²)
        θ[i] ← θ[i] − lr · (1 − β₂ᵗ)ᵖ / (1 − β₁ᵗ) · m[i] / (v[i]ᵖ + ε)

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
        power: float = 0.5,
        n_columns: int | None = None,
    ) -> None:
        super().__init__(param, lr, betas, eps, bias_correction, power)
        n_words, n_dims = param.shape
        self.rule: RowwiseAdamRule = RowwiseAdamRule(
            width_of(param.shape[1]),
            power_of(power),
            param,
            exp_avg=zeros(n_words, 0 if betas[0] == 0 else n_dims),
            exp_avg_sq=np.zeros(n_words, np.float32),
            row_steps=self._new_row_steps(),
            n_columns=n_dims if n_columns is None else n_columns,
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        _, _, _, exp_avg, exp_avg_sq, row_steps, _ = self.rule
        return _in_use(exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=row_steps)


class DenseAdam(_Adam):
    """Adam over the whole matrix: rows without a gradient decay their moments, and move too.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − lr / (1 − β₁ᵗ) · m / (vᵖ / (1 − β₂ᵗ)ᵖ + ε)

    With p = ½, the default, the arithmetic is that of torch.optim.Adam. Its cost grows with V;
    :class:`SparseAdam`'s does not. Parameters, attributes and errors are those of
    :class:`SparseAdam`.

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
        power: float = 0.5,
    ) -> None:
        super().__init__(param, lr, betas, eps, power=power)
        group_of = np.full(param.shape[0], -1, np.int32)
        self.rule: DenseAdamRule = DenseAdamRule(
            width_of(param.shape[1]), power_of(power), param, *self._new_moments(), group_of
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        return _in_use(exp_avg=self.rule.exp_avg, exp_avg_sq=self.rule.exp_avg_sq)

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: v is corrected before ε is added."""
        beta1, beta2 = self.betas
        self.step_count += 1
        factor = (1 - beta2**self.step_count) ** self.power
        size = lr / (1 - beta1**self.step_count)
        return np.array([beta1, beta2, self.eps, size, factor, self.power])


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
        self.rule: AdagradRule = AdagradRule(width_of(param.shape[1]), param, zeros(*param.shape))

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """``sum``, of shape (V, D), float32."""
        return {"sum": self.rule.sum}

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (6,), float64."""
        self.step_count += 1
        return np.array([0.0, 0.0, self.eps, lr, 1.0, 0.0])


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
        self.rule: SGDRule = SGDRule(width_of(param.shape[1]), param)

    def next_scalars(self, lr: float) -> np.ndarray:
        """Count a step, and return its scalars: shape (6,), float64."""
        self.step_count += 1
        return np.array([0.0, 0.0, 0.0, lr, 1.0, 0.0])


def _require(name: str, value: float, condition: bool, range_: str) -> None:
    if not condition:
        raise SettingError(f"{name} is {value}, but must be {range_}")


def _describe(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"a {value.ndim}-D {value.dtype} array"
    return type(value).__name__

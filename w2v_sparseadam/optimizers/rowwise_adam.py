"""Adam for the rows with a gradient, with one second moment a row."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..simd.arrays import LANES, zeros
from ..simd.kernels import kernel_with_memory
from ..simd.row_update import row_update
from ..simd.rows import dot, prefetch_row
from .adam import Adam, decays, divide, in_use, power_of, step_size
from .base import AHEAD, register


class RowwiseAdamRule(NamedTuple):
    """The arrays of :class:`RowwiseAdam`."""

    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V,) float32
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted
    n_columns: int  # columns of param that are in use; the others stay 0


@row_update
def _sum_row(grad, total):
    return (grad,)


@row_update
def _rowwise_adam_row(grad, theta, exp_avg, *, old1, new1, eps, size, v, p=None):
    exp_avg = old1 * exp_avg + new1 * grad
    return theta - divide(size, v, p, eps) * exp_avg, exp_avg


@row_update
def _rowwise_adam_row_without_avg(grad, theta, *, eps, size, v, p=None):
    return (theta - divide(size, v, p, eps) * grad,)


@kernel_with_memory
def _move_rowwise_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows with one v for a row; step size as for SparseAdam."""
    p, param, exp_avg, exp_avg_sq, row_steps, n_columns = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    old1, new1, _, _ = decays(scalars)
    beta2, eps = scalars[1], np.float32(scalars[2])
    n_dims = param.shape[1]
    total, only = np.zeros((1, n_dims), np.float32), np.zeros(1, np.int64)
    for k in range(first, last):
        row, start, stop = rows[k], starts[k], starts[k + 1]
        if k + AHEAD < last:
            prefetch_row(param, rows[k + AHEAD])
            prefetch_row(exp_avg, rows[k + AHEAD])
        _sum_row(grads, places, start, stop, 0, (), total)
        square = np.float64(dot(total, 0, total, 0))
        for d in range(n_dims // LANES * LANES, n_dims):
            square += total[0, d] * total[0, d]
        v = np.float32(beta2 * exp_avg_sq[row] + (1 - beta2) * (square / n_columns))
        exp_avg_sq[row] = v
        size = step_size(row_steps, row, scalars)
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, eps, size, v, *p)
            _rowwise_adam_row(total, only, 0, 1, row, numbers, param, exp_avg)
        else:
            fewer = (eps, size, v, *p)
            _rowwise_adam_row_without_avg(total, only, 0, 1, row, fewer, param)


class RowwiseAdam(Adam):
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
            power_of(power),
            param,
            exp_avg=zeros(n_words, 0 if betas[0] == 0 else n_dims),
            exp_avg_sq=np.zeros(n_words, np.float32),
            row_steps=self.new_row_steps(),
            n_columns=n_dims if n_columns is None else n_columns,
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        _, _, exp_avg, exp_avg_sq, row_steps, _ = self.rule
        return in_use(exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=row_steps)


register(RowwiseAdamRule, _move_rowwise_adam)

"""Adam for all rows of a matrix, for comparison."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..simd.arithmetic import root
from ..simd.kernels import inlined
from ..simd.row_update import row_update
from .adam import Adam, decays, divide, in_use, power_of
from .base import register


class DenseAdamRule(NamedTuple):
    """The arrays of :class:`DenseAdam`."""

    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V, D) float32; in memory a row's m and v are neighbors
    group_of: np.ndarray  # (V,) int32: a row's group in this step, −1 where it has none


def _divide_corrected(number, v, p, eps, factor):
    """Correct √v before ε is added; where there is a p, the step size holds the correction."""
    return number / (root(v) * factor + eps) if p is None else divide(number, v, p, eps)


@row_update
def _dense_adam_row(
    grad, theta, exp_avg, exp_avg_sq, *, old1, new1, old2, new2, eps, size, factor, p=None
):
    exp_avg = old1 * exp_avg + new1 * grad
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    moved = _divide_corrected(size * exp_avg, exp_avg_sq, p, eps, factor)
    return theta - moved, exp_avg, exp_avg_sq


@row_update
def _dense_adam_row_without_avg(grad, theta, exp_avg_sq, *, old2, new2, eps, size, factor, p=None):
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - _divide_corrected(size * grad, exp_avg_sq, p, eps, factor), exp_avg_sq


@inlined
def _move_dense_adam(rule, groups, grads, first, last, scalars):
    """Adam on all rows; step size lr / (1 − β₁ᵗ). A row without a gradient has g = 0."""
    p, param, exp_avg, exp_avg_sq, group_of = rule
    starts, places = groups.starts, groups.places
    old1, new1, old2, new2 = decays(scalars)
    eps, size, factor = np.float32(scalars[2]), np.float32(scalars[3]), np.float32(1 / scalars[4])
    for row in range(first, last):
        start = stop = 0
        if group_of[row] >= 0:
            start, stop = starts[group_of[row]], starts[group_of[row] + 1]
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, old2, new2, eps, size, factor, *p)
            _dense_adam_row(grads, places, start, stop, row, numbers, param, exp_avg, exp_avg_sq)
        else:
            fewer = (old2, new2, eps, size, factor, *p)
            _dense_adam_row_without_avg(grads, places, start, stop, row, fewer, param, exp_avg_sq)


@inlined
def _prepare_all_rows(rule, groups):
    rule.group_of[:] = -1
    for k in range(groups.n_rows[0]):
        rule.group_of[groups.rows[k]] = k
    return rule.param.shape[0]


class DenseAdam(Adam):
    """Adam over the whole matrix: rows without a gradient decay their moments, and move too.

        m ← β₁ m + (1 − β₁) g
        v ← β₂ v + (1 − β₂) g²
        θ ← θ − lr / (1 − β₁ᵗ) · m / (vᵖ / (1 − β₂ᵗ)ᵖ + ε)

    With p = ½, the default, the arithmetic is that of torch.optim.Adam; with another, max(vᵖ, ε)
    divides m. Its cost grows with V; :class:`SparseAdam`'s does not. Parameters, attributes and
    errors are those of :class:`SparseAdam`.

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
            power_of(power), param, *self.new_moments(), group_of
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        return in_use(exp_avg=self.rule.exp_avg, exp_avg_sq=self.rule.exp_avg_sq)

    def next_scalars(self, lr: float) -> tuple[float, ...]:
        """Count a step, and return its scalars: v is corrected before ε is added."""
        beta1, beta2 = self.betas
        self.step_count += 1
        factor = (1 - beta2**self.step_count) ** self.power
        size = lr / (1 - beta1**self.step_count)
        if self.power != 0.5:
            size, factor = size * factor, 1.0
        return beta1, beta2, self._eps, size, factor, self.power


register(DenseAdamRule, _move_dense_adam, _prepare_all_rows)

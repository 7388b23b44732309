"""Adam for the rows with a gradient."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..simd.kernels import inlined
from ..simd.row_update import row_update
from ..simd.rows import prefetch_row
from .adam import Adam, decays, divide, in_use, power_of, step_size
from .base import AHEAD, register


class SparseAdamRule(NamedTuple):
    """The arrays of :class:`SparseAdam`."""

    power: tuple[np.float32, ...]  # of the second moment: see power_of
    param: np.ndarray  # (V, D) float32
    exp_avg: np.ndarray  # (V, D) float32; (V, 0) if β₁ is 0
    exp_avg_sq: np.ndarray  # (V, D) float32; in memory a row's m and v are neighbors
    row_steps: np.ndarray  # (V,) int64: steps of each row; (0,) if they are not counted


@row_update
def _sparse_adam_row(
    grad, theta, exp_avg, exp_avg_sq, *, old1, new1, old2, new2, eps, size, p=None
):
    exp_avg = old1 * exp_avg + new1 * grad
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - divide(size * exp_avg, exp_avg_sq, p, eps), exp_avg, exp_avg_sq


@row_update
def _sparse_adam_row_without_avg(grad, theta, exp_avg_sq, *, old2, new2, eps, size, p=None):
    exp_avg_sq = old2 * exp_avg_sq + new2 * (grad * grad)
    return theta - divide(size * grad, exp_avg_sq, p, eps), exp_avg_sq


@inlined
def _move_sparse_adam(rule, groups, grads, first, last, scalars):
    """Adam on the grouped rows; step size lr · (1 − β₂ᵗ)ᵖ / (1 − β₁ᵗ), or lr with row steps."""
    p, param, exp_avg, exp_avg_sq, row_steps = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    old1, new1, old2, new2 = decays(scalars)
    eps = np.float32(scalars[2])
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, rows[k + AHEAD])
            prefetch_row(exp_avg_sq, rows[k + AHEAD])
            if exp_avg.shape[1] > 0:
                prefetch_row(exp_avg, rows[k + AHEAD])
        row, start, stop = rows[k], starts[k], starts[k + 1]
        size = step_size(row_steps, row, scalars)
        if exp_avg.shape[1] > 0:
            numbers = (old1, new1, old2, new2, eps, size, *p)
            _sparse_adam_row(grads, places, start, stop, row, numbers, param, exp_avg, exp_avg_sq)
        else:
            fewer = (old2, new2, eps, size, *p)
            _sparse_adam_row_without_avg(grads, places, start, stop, row, fewer, param, exp_avg_sq)


class SparseAdam(Adam):
    """Adam that moves only the rows with a gradient, and lets all others and their moments be.

        m[i] ← β₁ m[i] + (1 − β₁) g[i]
        v[i] ← β₂ v[i] + (1 − β₂) g[i]²
        θ[i] ← θ[i] − lr · (1 − β₂ᵗ)ᵖ / (1 − β₁ᵗ) · m[i] / (v[i]ᵖ + ε)

    for the touched rows i; t counts the steps of the whole matrix. With p = ½, the default, it is
    Adam, and the arithmetic is that of torch.optim.SparseAdam: ε joins the uncorrected √v, where
    torch.optim.Adam (and :class:`DenseAdam`) corrects √v first.

    A smaller power p is between Adam and SGD, which p = 0 is: the larger p, the less does a step
    depend on how large a row's gradients are. With another p than ½, max(v[i]ᵖ, ε) divides m[i].

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
        Power p of the second moment, from 0 to 0.5. Other powers than 0.5 are right to 1.2e-5.

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
            power_of(power),
            param,
            *self.new_moments(),
            self.new_row_steps(),
        )

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """What is kept for each row, as views."""
        _, _, exp_avg, exp_avg_sq, row_steps = self.rule
        return in_use(exp_avg=exp_avg, exp_avg_sq=exp_avg_sq, step=row_steps)


register(SparseAdamRule, _move_sparse_adam)

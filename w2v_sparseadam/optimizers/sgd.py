"""Stochastic gradient descent."""

from typing import NamedTuple

import numpy as np

from ..simd.kernels import inlined
from ..simd.row_update import row_update
from ..simd.rows import prefetch_row
from .base import AHEAD, Optimizer, register


class SGDRule(NamedTuple):
    """The arrays of :class:`SGD`."""

    param: np.ndarray  # (V, D) float32


@row_update
def _sgd_row(grad, theta, *, size):
    return (theta - size * grad,)


@inlined
def _move_sgd(rule, groups, grads, first, last, scalars):
    """θ ← θ − lr · g on the grouped rows; the step size is lr."""
    param = rule.param
    rows, starts, places = groups.rows, groups.starts, groups.places
    numbers = (np.float32(scalars[3]),)
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, rows[k + AHEAD])
        _sgd_row(grads, places, starts[k], starts[k + 1], rows[k], numbers, param)


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

    def next_scalars(self, lr: float) -> tuple[float, ...]:
        """Count a step, and return its 6 scalars."""
        self.step_count += 1
        return 0.0, 0.0, 0.0, lr, 1.0, 0.0


register(SGDRule, _move_sgd)

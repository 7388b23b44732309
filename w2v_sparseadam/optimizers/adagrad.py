"""Adagrad for the rows with a gradient."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ..simd.arithmetic import root
from ..simd.arrays import zeros
from ..simd.kernels import inlined
from ..simd.row_update import row_update
from ..simd.rows import prefetch_row
from .base import AHEAD, Optimizer, register, require


class AdagradRule(NamedTuple):
    """The arrays of :class:`Adagrad`."""

    param: np.ndarray  # (V, D) float32
    sum: np.ndarray  # (V, D) float32


@row_update
def _adagrad_row(grad, theta, s, *, eps, size):
    s = s + grad * grad
    return theta - size * grad / (root(s) + eps), s


@inlined
def _move_adagrad(rule, groups, grads, first, last, scalars):
    """s ← s + g²; θ ← θ − lr · g / (√s + ε) on the grouped rows; the step size is lr."""
    param, s = rule
    rows, starts, places = groups.rows, groups.starts, groups.places
    numbers = np.float32(scalars[2]), np.float32(scalars[3])
    for k in range(first, last):
        if k + AHEAD < last:
            prefetch_row(param, rows[k + AHEAD])
            prefetch_row(s, rows[k + AHEAD])
        _adagrad_row(grads, places, starts[k], starts[k + 1], rows[k], numbers, param, s)


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

    added = frozenset({"sum"})

    def __init__(self, param: np.ndarray, lr: float = 1e-2, eps: float = 1e-10) -> None:
        super().__init__(param, lr)
        require("eps", eps, eps > 0, "above 0")
        self.eps = eps
        self.rule: AdagradRule = AdagradRule(param, zeros(*param.shape))

    @property
    def state(self) -> Mapping[str, np.ndarray]:
        """``sum``, of shape (V, D), float32."""
        return {"sum": self.rule.sum}

    def next_scalars(self, lr: float) -> tuple[float, ...]:
        """Count a step, and return its 6 scalars."""
        self.step_count += 1
        return 0.0, 0.0, self.eps, lr, 1.0, 0.0


register(AdagradRule, _move_adagrad)

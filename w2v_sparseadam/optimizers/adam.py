"""What the optimizers of the Adam family share: settings, moments, decays and powers."""

import math

import numpy as np

from ..errors import SettingError
from ..simd.arithmetic import inverse_power, root
from ..simd.arrays import zeros
from ..simd.kernels import inlined
from .base import Optimizer, require

# Row updates of this family have over eight parameters: each is a number of the equation.

BIAS_CORRECTIONS = ("global", "row")


def power_of(exponent: float) -> tuple[np.float32, ...]:
    """Return the power p of a rule, in a tuple that is empty for ½: its length is part of its type.

    So the code that is compiled for ½ takes a square root.
    """
    return () if exponent == 0.5 else (np.float32(exponent),)


def divide(number, v, p, eps):
    """Return number / (√v + ε), or if there is a p number / vᵖ, in the arithmetic of a row update.

    With a p, ``eps`` is the least that v counts as: see :func:`least_moment`.
    """
    return number / (root(v) + eps) if p is None else number * inverse_power(v, p, eps)


def least_moment(eps: float, exponent: float) -> float:
    """Return the v with vᵖ = ε, or the nearest normal number of float32."""
    return 2.0 ** max(-126.0, min(127.0, math.log2(eps) / max(exponent, 1e-9)))


@inlined
def step_size(row_steps, row, scalars):
    """Return a row's step size: of the whole matrix, or by the row's own count of steps."""
    if row_steps.size == 0:
        return np.float32(scalars[3])
    row_steps[row] += 1
    t = row_steps[row]
    return np.float32(scalars[3] * (1 - scalars[1] ** t) ** scalars[5] / (1 - scalars[0] ** t))


@inlined
def decays(scalars):
    """Return β₁, 1 − β₁, β₂, 1 − β₂; 1 − float32(0.999) would be wrong from the fifth digit on."""
    beta1, beta2 = scalars[0], scalars[1]
    return np.float32(beta1), np.float32(1 - beta1), np.float32(beta2), np.float32(1 - beta2)


class Adam(Optimizer):
    """Settings of the Adam family, and its scalars with both corrections in the step size."""

    added = frozenset({"step"})

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
            require(name, beta, 0 <= beta < 1, "at least 0 and below 1")
        require("eps", eps, eps > 0, "above 0")
        require("power", power, 0 <= power <= 0.5, "from 0 to 0.5")
        if bias_correction not in BIAS_CORRECTIONS:
            raise SettingError(
                f"bias_correction is {bias_correction!r}, but must be one of {BIAS_CORRECTIONS}"
            )
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction
        self.power = power
        self._eps = eps if power == 0.5 else least_moment(eps, power)

    def next_scalars(self, lr: float) -> tuple[float, ...]:
        """Count a step, and return its 6 scalars."""
        beta1, beta2 = self.betas
        self.step_count += 1
        size = lr
        if self.bias_correction == "global":
            size *= (1 - beta2**self.step_count) ** self.power / (1 - beta1**self.step_count)
        return beta1, beta2, self._eps, size, 1.0, self.power

    def new_moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Return m and v, a row's side by side in memory; m has no columns if β₁ is 0."""
        n_words, n_dims = self.param.shape
        n_avg = 0 if self.betas[0] == 0 else n_dims
        moments = zeros(n_words, n_avg + n_dims)
        return moments[:, :n_avg], moments[:, n_avg:]

    def new_row_steps(self) -> np.ndarray:
        """Return the count of each row's steps; it is empty if they are not counted."""
        n_counts = self.param.shape[0] if self.bias_correction == "row" else 0
        return np.zeros(n_counts, np.int64)


def in_use(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    """Return the arrays that hold anything."""
    return {name: array for name, array in arrays.items() if array.size}

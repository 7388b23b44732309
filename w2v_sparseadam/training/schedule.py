"""The learning rate of every step."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..optimizers.settings import OptimizerConfig


class Schedule:
    """The learning rate of every step: in each stage it rises, if it is warmed up, and falls.

    Of the n steps of a stage, the first w = ⌈warmup · n⌉ rise in a straight line, step k having
    lr · (k + 1) / (w + 1). From there to the end of the stage, with x from 0 to 1,

        linear     min_lr + (lr − min_lr) · (1 − x)
        cosine     min_lr + (lr − min_lr) · (1 + cos πx) / 2
        constant   lr

    Parameters
    ----------
    optimizer : OptimizerConfig
        Has lr, min_lr, lr_schedule and warmup.
    stage_steps : sequence of int
        Steps of each stage.
    """

    def __init__(self, optimizer: OptimizerConfig, stage_steps: Sequence[int]) -> None:
        self._optimizer = optimizer
        self._start_lr = optimizer.start_lr
        self._stages = [(sum(stage_steps[:k]), n) for k, n in enumerate(stage_steps)]
        self.n_steps = sum(stage_steps)

    def lr(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0."""
        first, n = next(stage for stage in reversed(self._stages) if stage[0] <= step)
        optimizer, k = self._optimizer, step - first
        n_warm = math.ceil(optimizer.warmup * n)
        if k < n_warm:
            return self._start_lr * (k + 1) / (n_warm + 1)
        left = 1 - (k - n_warm) / (n - n_warm)
        match optimizer.lr_schedule:
            case "constant":
                return self._start_lr
            case "cosine":
                left = (1 - math.cos(math.pi * left)) / 2
        return optimizer.min_lr + (self._start_lr - optimizer.min_lr) * left

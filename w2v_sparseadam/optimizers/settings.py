"""The optimizers there are, and how a step moves the rows: settings, each of which is checked."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..errors import SettingError, check_choice, check_most, check_number


class Entry(NamedTuple):
    """What is known of an optimizer without importing it, and Numba with it."""

    module: str
    name: str
    lr: float  # by default
    power: float | None  # likewise, of the second moment; None if it has no such setting
    settings: frozenset[str]  # of `OptimizerConfig`, beside the learning rate and its schedule


_ADAM = frozenset({"beta1", "beta2", "eps", "power"})

OPTIMIZERS = {
    "sparse-adam": Entry("sparse_adam", "SparseAdam", 0.02, 0.125, _ADAM | {"bias_correction"}),
    "rowwise-adam": Entry("rowwise_adam", "RowwiseAdam", 0.02, 0.25, _ADAM | {"bias_correction"}),
    "dense-adam": Entry("dense_adam", "DenseAdam", 0.005, 0.5, _ADAM),
    "adagrad": Entry("adagrad", "Adagrad", 0.2, None, frozenset({"eps"})),
    "sgd": Entry("sgd", "SGD", 0.025, None, frozenset()),
}
"""Another optimizer is another module in this folder, and a line here."""

START_LR = {name: entry.lr for name, entry in OPTIMIZERS.items()}
"""The learning rate that each optimizer starts with by default."""

START_POWER = {name: entry.power for name, entry in OPTIMIZERS.items() if entry.power is not None}
"""The power of the second moment, by default, of the optimizers that have one."""

LR_SCHEDULES = ("linear", "cosine", "constant")

_LEAST_FLOAT32 = 1e-45  # what is smaller becomes 0


@dataclass(frozen=True)
class OptimizerConfig:
    """How a step moves the rows.

    Attributes
    ----------
    optimizer : {"sparse-adam", "rowwise-adam", "dense-adam", "adagrad", "sgd"}
        See :mod:`w2v_sparseadam.optimizers.classes`.
    lr : float or None
        Highest learning rate, above 0; see `lr_schedule`. None takes it from `START_LR`.
    beta1 : float
        Decay of Adam's first moment, in [0, 1); at 0 none is stored.
    beta2 : float
        Decay of Adam's second moment, in [0, 1).
    eps : float
        Added to the denominator of Adam and Adagrad, above 0.
    bias_correction : {"global", "row"}
        Whether Adam's corrections count the steps of the run or of each row; dense Adam, which
        moves every row at every step, knows only the former.
    power : float or None
        Power p of Adam's second moment, from 0 to 0.5: rows move by lr · m̂ / (v̂ᵖ + ε). At 0.5 it
        is Adam, at 0 SGD. None takes it from `START_POWER`.
    lr_schedule : {"linear", "cosine", "constant"}
        How the learning rate falls from `lr` to `min_lr`; see `training.loop.Schedule`.
    warmup : float
        Share of the steps, at least 0 and below 1, in which the learning rate first rises to `lr`.
    min_lr : float
        Learning rate that it falls to, from 0 to `lr`.
    """

    optimizer: str = "sparse-adam"
    lr: float | None = None
    beta1: float = 0.0
    beta2: float = 0.999
    eps: float = 1e-8
    bias_correction: str = "global"
    power: float | None = None
    lr_schedule: str = "linear"
    warmup: float = 0.0
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        """Check every value."""
        check_choice("optimizer", self.optimizer, START_LR)
        check_choice("bias_correction", self.bias_correction, ("global", "row"))
        if self.lr is not None:
            check_number(self, "lr", lambda value: 0 < value < math.inf, "above 0")
        for name in ("beta1", "beta2"):
            check_number(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        check_number(self, "eps", lambda value: 0 < value < math.inf, "above 0")
        check_most(self, eps=1e38)
        for name, value in (("lr", self.start_lr), ("eps", self.eps)):
            if value < _LEAST_FLOAT32:
                raise SettingError(f"{name} is {value!r}, but must be at least {_LEAST_FLOAT32}")
        if self.power is not None:
            check_number(self, "power", lambda value: 0 <= value <= 0.5, "from 0 to 0.5")
        check_choice("lr_schedule", self.lr_schedule, LR_SCHEDULES)
        check_number(self, "warmup", lambda value: 0 <= value < 1, "at least 0 and below 1")
        lr = self.start_lr
        check_number(self, "min_lr", lambda value: 0 <= value <= lr, f"from 0 to lr, {lr:g}")

    @property
    def start_lr(self) -> float:
        """The learning rate at the start, once None is resolved."""
        return START_LR[self.optimizer] if self.lr is None else self.lr

    @property
    def betas(self) -> tuple[float, float]:
        """The decays of Adam's moments."""
        return self.beta1, self.beta2

    @property
    def start_power(self) -> float:
        """The power of the second moment, once None is resolved."""
        return START_POWER[self.optimizer] if self.power is None else self.power

    @property
    def used(self) -> frozenset[str]:
        """The names of the settings that the optimizer has."""
        return frozenset(
            {"lr", "lr_schedule", "warmup", "min_lr"} | OPTIMIZERS[self.optimizer].settings
        )

    def resolved(self) -> OptimizerConfig:
        """Return the same with each None replaced, which a change of defaults leaves as it is."""
        if "power" not in self.used:
            return replace(self, lr=self.start_lr)
        return replace(self, lr=self.start_lr, power=self.start_power)

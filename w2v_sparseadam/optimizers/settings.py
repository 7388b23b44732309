"""The optimizers there are, and how a step moves the rows: settings, each of which is checked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, NamedTuple

from ..errors import SettingError
from ..fields import check_settings, setting


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

    ``lr`` of None comes from `START_LR`, ``power`` of None from `START_POWER`. The power p of
    Adam's second moment moves rows by lr · m̂ / (v̂ᵖ + ε). Dense Adam, which moves every row at
    every step, knows only ``bias_correction="global"``. :mod:`w2v_sparseadam.training.schedule` has
    the schedules.
    """

    section: ClassVar[str] = "Optimizer"

    optimizer: str = setting(
        "sparse-adam", str, "Rule that updates the vectors.", choices=tuple(OPTIMIZERS), common=True
    )
    lr: float | None = setting(
        None,
        float,
        "Highest learning rate.",
        above=0,
        default_help=", ".join(f"{name} {lr}" for name, lr in START_LR.items())
        + "; 2.5 times that with model cbow",
    )
    beta1: float = setting(
        0.0, float, "Decay of Adam's first moment; 0 stores none.", low=0, below=1
    )
    beta2: float = setting(0.999, float, "Decay of Adam's second moment.", low=0, below=1)
    eps: float = setting(
        1e-8,
        float,
        "Added to the denominator √v of Adam and Adagrad; the least vᵖ for another power.",
        above=0,
        high=1e38,
    )
    bias_correction: str = setting(
        "global",
        str,
        "Count Adam's steps for the whole run, or for each row.",
        choices=("global", "row"),
    )
    power: float | None = setting(
        None,
        float,
        "Power of Adam's second moment in the denominator: 0.5 is Adam, 0 is SGD.",
        low=0,
        high=0.5,
        default_help=", ".join(f"{name} {power}" for name, power in START_POWER.items()),
    )
    lr_schedule: str = setting(
        "linear",
        str,
        "How the learning rate falls to min-lr; if constant, it does not.",
        choices=LR_SCHEDULES,
    )
    warmup: float = setting(
        0.0,
        float,
        "Share of the steps in which the learning rate first rises to its highest.",
        low=0,
        below=1,
    )
    min_lr: float = setting(0.0, float, "Learning rate at the end.", low=0)

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)
        for name, value in (("lr", self.start_lr), ("eps", self.eps)):
            if value < _LEAST_FLOAT32:
                raise SettingError(f"{name} is {value!r}, but must be at least {_LEAST_FLOAT32}")
        if self.min_lr > self.start_lr:
            highest = f"{self.start_lr:g}"
            raise SettingError(
                f"min_lr is {self.min_lr!r}, but must be at most the highest rate, {highest}"
            )

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

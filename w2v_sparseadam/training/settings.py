"""The settings of a run: the model, what moves it, and how long; each checks its values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Hashable, Mapping
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, SettingError, W2VError
from ..text.settings import PhraseConfig, TextConfig
from ..text.tokenizers import is_imported

if TYPE_CHECKING:
    import numpy as np

    from ..optimizers.classes import Optimizer

START_LR = {
    "sparse-adam": 0.02,
    "rowwise-adam": 0.02,
    "dense-adam": 0.005,
    "adagrad": 0.2,
    "sgd": 0.025,
}
"""The optimizers, and the learning rate that each starts with by default."""

START_POWER = {"sparse-adam": 0.125, "rowwise-adam": 0.25, "dense-adam": 0.5}
"""The power of the second moment, by default, of the optimizers that have one."""

LR_SCHEDULES = ("linear", "cosine", "constant")

MAX_DIM = 4096
"""Kernels are compiled for the width of a vector, which takes the longer the wider it is."""

_LEAST_FLOAT32 = 1e-45  # what is smaller becomes 0

MAX_WINDOW = 100_000
"""Each chunk of a batch has room for all contexts of its centers."""

MAX_EPOCHS = 10**9
"""In all."""

MAX_BATCH_SIZE = 1 << 17
"""A step is not interrupted, and its parts are counted in 20 bits."""


@dataclass(frozen=True)
class SkipGramConfig:
    """The model and what it learns from.

    Attributes
    ----------
    dim : int
        Dimensions of a vector, 1 to `MAX_DIM`.
    window : int
        Contexts are at most this many kept tokens away, 1 to `MAX_WINDOW`.
    dynamic_window : bool
        Let near words count more: a pair at distance d weighs (window + 1 − d) / window, as often
        as word2vec, which draws a reach from 1 … window for each center, would learn from it.
    negative : int
        Negative samples expected for each pair, 1 to 10,000.
    noise_exponent : float
        Negatives are drawn with probability proportional to count ** this, 0 to 10; 0 is uniform.
    subsample : float or None
        Tokens of words more frequent than this are dropped at random (see
        :meth:`~w2v_sparseadam.objectives.skip_gram.plan.Sampler.build`), 0 to 1; both keep all. None takes it from
        :func:`default_subsample`, once the text is read.
    """

    dim: int = 100
    window: int = 4
    dynamic_window: bool = True
    negative: int = 5
    noise_exponent: float = 0.75
    subsample: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("dim", "window", "negative"):
            _check_whole(self, name, 1)
        for name in ("noise_exponent", "subsample"):
            if name == "noise_exponent" or self.subsample is not None:
                _check_number(self, name, lambda value: 0 <= value < math.inf, "0 or more")
        _check_most(self, dim=MAX_DIM, window=MAX_WINDOW, negative=10_000)
        _check_most(self, noise_exponent=10, subsample=1)
        check_choice("dynamic_window", self.dynamic_window, (True, False))

    def for_text(self, n_tokens: int) -> SkipGramConfig:
        """Return the same with a subsample of None replaced by the default for so many tokens."""
        if self.subsample is not None:
            return self
        return replace(self, subsample=default_subsample(n_tokens))


SUBSAMPLE_RANGE = 5e-5, 1e-3
"""The least and the most that subsampling is by default."""

OFTEN_ENOUGH = 850
"""Between them, by default it thins out words that occur more often than this."""


def default_subsample(n_tokens: int) -> float:
    """Return how frequent a word may be before it is thinned out by default.

    What a large text can spare of its frequent words, a small one needs to learn from: between two
    limits, it is the relative frequency of a word that occurs `OFTEN_ENOUGH` times.

    Parameters
    ----------
    n_tokens : int
        Tokens of the text whose word is in the vocabulary, 1 or more.
    """
    least, most = SUBSAMPLE_RANGE
    return max(least, min(most, OFTEN_ENOUGH / n_tokens))


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
        How the learning rate falls from `lr` to `min_lr`; see `~w2v_sparseadam.training.loop.Schedule`.
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
            _check_number(self, "lr", lambda value: 0 < value < math.inf, "above 0")
        for name in ("beta1", "beta2"):
            _check_number(self, name, lambda value: 0 <= value < 1, "at least 0 and below 1")
        _check_number(self, "eps", lambda value: 0 < value < math.inf, "above 0")
        _check_most(self, eps=1e38)
        for name, value in (("lr", self.start_lr), ("eps", self.eps)):
            if value < _LEAST_FLOAT32:
                raise SettingError(f"{name} is {value!r}, but must be at least {_LEAST_FLOAT32}")
        if self.power is not None:
            _check_number(self, "power", lambda value: 0 <= value <= 0.5, "from 0 to 0.5")
        check_choice("lr_schedule", self.lr_schedule, LR_SCHEDULES)
        _check_number(self, "warmup", lambda value: 0 <= value < 1, "at least 0 and below 1")
        lr = self.start_lr
        _check_number(self, "min_lr", lambda value: 0 <= value <= lr, f"from 0 to lr, {lr:g}")

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
        names = {"lr", "lr_schedule", "warmup", "min_lr"}
        if self.optimizer != "sgd":
            names |= {"eps"}
        if self.optimizer.endswith("-adam"):
            names |= {"beta1", "beta2", "power"}
        if self.optimizer in {"sparse-adam", "rowwise-adam"}:
            names |= {"bias_correction"}
        return frozenset(names)

    def resolved(self) -> OptimizerConfig:
        """Return the same with each None replaced, which a change of defaults leaves as it is."""
        if "power" not in self.used:
            return replace(self, lr=self.start_lr)
        return replace(self, lr=self.start_lr, power=self.start_power)

    def build(self, param: np.ndarray, dim: int) -> Optimizer:
        """Return the optimizer of a matrix of shape (V, D), of whose columns ``dim`` are used."""
        from ..optimizers.classes import SGD, Adagrad, DenseAdam, RowwiseAdam, SparseAdam

        if self.optimizer == "sgd":
            return SGD(param, self.start_lr)
        if self.optimizer == "adagrad":
            return Adagrad(param, self.start_lr, self.eps)
        adam = param, self.start_lr, self.betas, self.eps
        if self.optimizer == "dense-adam":
            return DenseAdam(*adam, self.start_power)
        if self.optimizer == "rowwise-adam":
            return RowwiseAdam(*adam, self.bias_correction, self.start_power, n_columns=dim)
        return SparseAdam(*adam, self.bias_correction, self.start_power)


@dataclass(frozen=True)
class RunConfig:
    """How long and on what a run works.

    Attributes
    ----------
    epochs : int or None
        Passes over the text, 1 or more. None takes them from :func:`default_epochs`, once the text
        is read.
    batch_size : int
        Centers that a step is expected to have, 32 to `MAX_BATCH_SIZE`.
    seed : int
        Start of every random draw, 0 or more.
    threads : int or None
        Threads to use at most; None, or more than that, is one for each processor that this
        process may use. The result does not depend on it.
    """

    epochs: int | None = None
    batch_size: int = 1024
    seed: int = 1
    threads: int | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        if self.epochs is not None:
            _check_whole(self, "epochs", 1)
        _check_whole(self, "batch_size", 32)
        _check_whole(self, "seed", 0, 2**64 - 1)
        _check_most(self, epochs=MAX_EPOCHS, batch_size=MAX_BATCH_SIZE)
        if self.threads is not None:
            _check_whole(self, "threads", 1)

    @property
    def n_threads(self) -> int:
        """The number of threads, once None is resolved; more than processors only wait."""
        from ..system.machine import usable_processors

        n = usable_processors()
        return n if self.threads is None else min(n, self.threads)

    def for_text(self, n_tokens: int) -> RunConfig:
        """Return the same with epochs that are None replaced by the default for so many tokens."""
        return self if self.epochs else replace(self, epochs=default_epochs(n_tokens))


EPOCHS_BELOW = ((300_000, 40), (5_000_000, 15), (50_000_000, 9), (500_000_000, 5))
"""The default of epochs for texts of less than so many tokens."""

EPOCHS_BEYOND = 3


def default_epochs(n_tokens: int) -> int:
    """Return how many epochs suit a text by default.

    A word must be met often enough to be learned, and the cost of a run should not grow as fast as
    the text: small texts take more epochs than large ones.

    Parameters
    ----------
    n_tokens : int
        Tokens of the text whose word is in the vocabulary.
    """
    return next((epochs for limit, epochs in EPOCHS_BELOW if n_tokens < limit), EPOCHS_BEYOND)


def epochs_of(settings: Mapping[str, Any]) -> list[int]:
    """Return the epochs of a run whose text was read: those it began with, and those added.

    Raises
    ------
    FormatError
        If they are not whole numbers, 1 or more.
    """
    epochs = [settings["run"].get("epochs"), *settings["added_epochs"]]
    are_counts = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in epochs)
    if not are_counts or sum(epochs) > MAX_EPOCHS:
        raise FormatError(f"the run's settings are damaged: its epochs are {epochs!r:.40}")
    return epochs


def configs_of(
    settings: Mapping[str, Any], path: str | os.PathLike[str]
) -> tuple[SkipGramConfig, OptimizerConfig, RunConfig]:
    """Return what the settings of the run folder at ``path`` say.

    Raises
    ------
    FormatError
        If they have other names than this version knows, or values out of range.
    """
    kinds = {"skip_gram": SkipGramConfig, "optimizer": OptimizerConfig, "run": RunConfig}
    for name, kind in kinds.items():
        missing = {field.name for field in fields(kind)} - set(settings[name])
        if missing:
            raise FormatError(f"{path}: its settings are damaged: {name} has no {min(missing)!r}")
    try:
        return (
            SkipGramConfig(**settings["skip_gram"]),
            OptimizerConfig(**settings["optimizer"]),
            RunConfig(**settings["run"]),
        )
    except (TypeError, SettingError) as error:
        raise FormatError(f"{path}: its settings are damaged: {_shown(error)}") from None


def text_of(
    settings: Mapping[str, Any], path: str | os.PathLike[str], trust: bool = False
) -> TextConfig:
    """Return how the run in the folder at ``path`` reads text.

    Parameters
    ----------
    trust : bool
        Whether the tokenizer may be code that is imported: the folder may come from a stranger.

    Raises
    ------
    W2VError
        If the tokenizer has no name by which it could be found, or may not be imported.
    SettingError
        If this version or machine has no such settings.
    """
    from .run_folder import can_be_a_path

    fields = dict(settings["text"])
    tokenizer = str(fields.get("tokenizer"))
    if tokenizer.startswith("<"):
        raise W2VError(
            f"{path}: its tokenizer was {tokenizer!r:.80} of a Python program, which has no name "
            "to find it by; start a new run from all of the text"
        )
    if is_imported(tokenizer) and not trust:
        raise W2VError(
            f"{path}: its tokenizer {tokenizer!r:.80} is code to import",
            "if you trust who made this folder, add `trust=True`",
        )
    for name in ("stopwords", "vocab"):
        if isinstance(fields.get(name), str) and not can_be_a_path(fields[name]):
            raise FormatError(f"{path}: is damaged: its settings have no path for '{name}'")
    try:
        if fields.get("phrases") is not None:
            fields["phrases"] = PhraseConfig(**fields["phrases"])
        config = TextConfig(**fields)
        _ = config.tokenize
    except (SettingError, TypeError) as error:
        raise SettingError(
            f"{path}: its text was read with settings that cannot be had now: {_shown(error)}"
        ) from None
    return config


def _shown(error: Exception) -> str:
    """Return what an error says; Python's own may quote a name that drives the terminal."""
    text = str(error)
    return text if text.isprintable() else repr(text)


def _check_whole(config: object, name: str, low: int, high: float = math.inf) -> None:
    value = getattr(config, name)
    if not isinstance(value, Integral) or not low <= int(value) <= high:
        range_ = f"{low} or more" if high == math.inf else f"from {low} to {high}"
        raise SettingError(f"{name} is {value!r}, but must be a whole number, {range_}")


def _check_number(config: object, name: str, fits: Callable[[Any], bool], range_: str) -> None:
    value = getattr(config, name)
    if not isinstance(value, Real) or not fits(value):
        raise SettingError(f"{name} is {value!r}, but must be a number, {range_}")


def _check_most(config: object, **most: float) -> None:
    """Refuse what is beyond the most, each under the name of its setting."""
    for name, high in most.items():
        value = getattr(config, name)
        if value is not None and value > high:
            raise SettingError(f"{name} is {value!r}, but must be at most {high}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Refuse a value that is not among the choices."""
    if not isinstance(value, Hashable) or value not in choices:
        names = ", ".join(map(repr, choices))
        raise SettingError(f"{name} is {value!r}, but must be one of {names}")

"""The settings of models of words in a window, each of which is checked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Self

from ...fields import check_settings, setting

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective
    from ..settings import Table

KINDS = "center", "context", "sum"

MAX_DIM = 4096
"""Far more than word vectors need: each thread has room for some hundred rows."""

MAX_WINDOW = 100_000
"""Each chunk of a batch has room for all contexts of its centers."""


SUBSAMPLE_RANGE = 5e-5, 1e-3
"""The least and the most that subsampling is by default."""

OFTEN_ENOUGH = 850
"""Between them, by default it thins out words that occur more often than this."""

_SUBSAMPLE_HELP = (
    f"{OFTEN_ENOUGH:,} / words of the text, from {SUBSAMPLE_RANGE[0]:g} to {SUBSAMPLE_RANGE[1]:g}"
)


@dataclass(frozen=True)
class WindowConfig(ABC):
    """The model and what it learns from.

    With ``dynamic_window``, a pair at distance d weighs (window + 1 − d) / window, as often as
    word2vec, which draws a reach from 1 … window for each center, would learn from it. Negatives
    are drawn in proportion to count ** ``noise_exponent``; 0 is uniform. ``subsample`` (see
    `plan.Sampler.build`) of None becomes :func:`default_subsample`, once the text is read; 0 and 1
    keep all tokens.
    """

    section: ClassVar[str] = "Model"
    kinds: ClassVar[tuple[str, ...]]
    lr_factor: ClassVar[float] = 1.0  # of the learning rate by default

    dim: int = setting(100, int, "Dimensions of a vector.", low=1, high=MAX_DIM, common=True)
    window: int = setting(
        4,
        int,
        "Contexts are at most this many words away.",
        low=1,
        high=MAX_WINDOW,
        common=True,
    )
    dynamic_window: bool = setting(
        True,
        bool,
        "Weight near contexts more, falling linearly with distance, or all contexts alike.",
        flag="--dynamic-window/--fixed-window",
    )
    negative: int = setting(5, int, "Negative samples for each pair.", low=1, high=10_000)
    noise_exponent: float = setting(
        0.75,
        float,
        "Draw negatives in proportion to their count raised to this power.",
        low=0,
        high=10,
    )
    subsample: float | None = setting(
        None,
        float,
        "Subsample words of a higher relative frequency; 0 keeps all.",
        low=0,
        high=1,
        default_help=_SUBSAMPLE_HELP,
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)

    def for_text(self, n_tokens: int) -> Self:
        """Return the same with a subsample of None replaced by the default for so many tokens."""
        if self.subsample is not None:
            return self
        return replace(self, subsample=default_subsample(n_tokens))

    def to_compile(self) -> Self:
        """Return settings whose kernels are the same, and of which two words in a row need all."""
        return replace(self, window=1, subsample=0)

    def vectors(self, tables: Mapping[str, np.ndarray], kind: str) -> np.ndarray:
        """Return what each word is as a center, as a context, or the sum of both."""
        return tables["center"] + tables["context"] if kind == "sum" else tables[kind]

    @abstractmethod
    def tables(self, n_words: int) -> tuple[Table, ...]:
        """Return the tables of a vocabulary: those of centers and of contexts, in some order."""

    @abstractmethod
    def build(self, counts: np.ndarray, frozen: np.ndarray | None = None) -> Objective:
        """Return the objective over words that occur so often, and rows to leave alone."""


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

"""The settings of skip-gram, each of which is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from ...errors import check_choice, check_most, check_number, check_whole
from ..settings import Table

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective

MAX_DIM = 4096
"""Far more than word vectors need: each thread has room for some hundred rows."""

MAX_WINDOW = 100_000
"""Each chunk of a batch has room for all contexts of its centers."""


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
        Tokens of words more frequent than this are dropped at random (see `plan.Sampler.build`), 0
        to 1; both keep all. None takes it from :func:`default_subsample`, once the text is read.
    """

    kinds: ClassVar[tuple[str, ...]] = ("center", "context", "sum")

    dim: int = 100
    window: int = 4
    dynamic_window: bool = True
    negative: int = 5
    noise_exponent: float = 0.75
    subsample: float | None = None

    def __post_init__(self) -> None:
        """Check every value."""
        for name in ("dim", "window", "negative"):
            check_whole(self, name, 1)
        for name in ("noise_exponent", "subsample"):
            if name == "noise_exponent" or self.subsample is not None:
                check_number(self, name, lambda value: 0 <= value < math.inf, "0 or more")
        check_most(self, dim=MAX_DIM, window=MAX_WINDOW, negative=10_000)
        check_most(self, noise_exponent=10, subsample=1)
        check_choice("dynamic_window", self.dynamic_window, (True, False))

    def for_text(self, n_tokens: int) -> SkipGramConfig:
        """Return the same with a subsample of None replaced by the default for so many tokens."""
        if self.subsample is not None:
            return self
        return replace(self, subsample=default_subsample(n_tokens))

    def to_compile(self) -> SkipGramConfig:
        """Return settings whose kernels are the same, and of which two words in a row need all."""
        return replace(self, window=1, subsample=0)

    def vectors(self, tables: Mapping[str, np.ndarray], kind: str) -> np.ndarray:
        """Return what each word is as a center, as a context, or the sum of both."""
        return tables["center"] + tables["context"] if kind == "sum" else tables[kind]

    def tables(self, n_words: int) -> tuple[Table, ...]:
        """Return the tables of a vocabulary: each word is a center, and a context."""
        return Table("center", n_words, True), Table("context", n_words, False)

    def build(self, counts: np.ndarray, frozen: np.ndarray | None = None) -> Objective:
        """Return the objective over words that occur so often, and center rows to leave alone."""
        from .objective import SkipGram

        return SkipGram(self.for_text(int(counts.sum())), counts, frozen)


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

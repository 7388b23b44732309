"""The settings of CBOW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..settings import Table
from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective


@dataclass(frozen=True)
class CbowConfig(WindowConfig):
    """CBOW: the mean of its contexts predicts a word. The vectors are those of contexts."""

    kinds: ClassVar[tuple[str, ...]] = ("context", "center", "sum")
    lr_factor: ClassVar[float] = 2.5  # a context has but a share of the gradient of a mean

    def tables(self, n_words: int) -> tuple[Table, ...]:
        """Return the tables of a vocabulary: each word is a context, and a center."""
        return Table("context", n_words, True), Table("center", n_words, False)

    def build(self, counts: np.ndarray, frozen: np.ndarray | None = None) -> Objective:
        """Return the objective over words that occur so often, and context rows to leave alone."""
        from .objective import Cbow

        return Cbow(self.for_text(int(counts.sum())), counts, frozen)

"""The settings of skip-gram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..settings import Table
from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective


@dataclass(frozen=True)
class SkipGramConfig(WindowConfig):
    """Skip-gram: a word predicts each of its contexts. The vectors are those of centers."""

    kinds: ClassVar[tuple[str, ...]] = ("center", "context", "sum")

    def tables(self, n_words: int) -> tuple[Table, ...]:
        """Return the tables of a vocabulary: each word is a center, and a context."""
        return Table("center", n_words, True), Table("context", n_words, False)

    def build(self, counts: np.ndarray, frozen: np.ndarray | None = None) -> Objective:
        """Return the objective over words that occur so often, and center rows to leave alone."""
        from .objective import SkipGram

        return SkipGram(self.for_text(int(counts.sum())), counts, frozen)

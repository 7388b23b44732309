"""The settings of skip-gram."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective


@dataclass(frozen=True)
class SkipGramConfig(WindowConfig):
    """Skip-gram: a word predicts each of its contexts. The vectors are those of centers."""

    kinds: ClassVar[tuple[str, ...]] = ("center", "context", "sum")
    lr_factors: ClassVar[tuple[float, float]] = (1.0, 3.0)

    def build(
        self,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> Objective:
        """Return the objective over words that occur so often, and center rows to leave alone."""
        from .objective import SkipGram

        return SkipGram(self.for_text(int(counts.sum())), counts, frozen, words)

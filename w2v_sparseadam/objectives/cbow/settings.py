"""The settings of CBOW."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective


@dataclass(frozen=True)
class CbowConfig(WindowConfig):
    """CBOW: the mean of its contexts predicts a word. The vectors are those of contexts."""

    kinds: ClassVar[tuple[str, ...]] = ("context", "center", "sum")
    lr_factors: ClassVar[tuple[float, float]] = (2.5, 10.0)

    def build(
        self,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> Objective:
        """Return the objective over words that occur so often, and context rows to leave alone."""
        from .objective import Cbow

        return Cbow(self.for_text(int(counts.sum())), counts, frozen, words)

"""The settings of skip-gram."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    from ..windows.objective import WindowObjective


@dataclass(frozen=True)
class SkipGramConfig(WindowConfig):
    """Skip-gram: a word predicts each of its contexts. The vectors are those of centers."""

    kinds: ClassVar[tuple[str, ...]] = ("center", "context", "sum")
    lr_factors: ClassVar[tuple[float, float]] = (1.0, 3.0)

    def objective_type(self) -> type[WindowObjective]:
        """Return the class of the objective."""
        from .objective import SkipGram

        return SkipGram

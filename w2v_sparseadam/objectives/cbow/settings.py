"""The settings of CBOW."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ..windows.settings import WindowConfig

if TYPE_CHECKING:
    from ..windows.objective import WindowObjective


@dataclass(frozen=True)
class CbowConfig(WindowConfig):
    """CBOW: the mean of its contexts predicts a word. The vectors are those of contexts."""

    kinds: ClassVar[tuple[str, ...]] = ("context", "center", "sum")
    lr_factors: ClassVar[tuple[float, float]] = (2.5, 10.0)

    def objective_type(self) -> type[WindowObjective]:
        """Return the class of the objective."""
        from .objective import Cbow

        return Cbow

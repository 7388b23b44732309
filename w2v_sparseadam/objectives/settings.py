"""What the settings of an objective must tell, without importing Numba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    import numpy as np

    from .base import Objective


class Table(NamedTuple):
    """A matrix that an objective trains, with a row for each word."""

    name: str
    n_rows: int
    starts_random: bool  # or as zeros


class ObjectiveSettings(Protocol):
    """The settings of an objective: a frozen dataclass, each field of which JSON can hold.

    Attributes
    ----------
    kinds : tuple of str
        What a model can give as the vectors of its words; the first by default.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kinds: ClassVar[tuple[str, ...]]

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""

    def for_text(self, n_tokens: int) -> Self:
        """Return the same with what follows the size of the text settled."""

    def to_compile(self) -> Self:
        """Return settings whose kernels are the same, and of which two words in a row need all."""

    def tables(self, n_words: int) -> tuple[Table, ...]:
        """Return the tables of a vocabulary; more words only add rows at their ends.

        The first is the one that given vectors are put into, and in which rows can be frozen.
        """

    def vectors(self, tables: Mapping[str, np.ndarray], kind: str) -> np.ndarray:
        """Return the vectors of the words, one of `kinds`, given each table."""

    def build(self, counts: np.ndarray, frozen: np.ndarray | None = None) -> Objective:
        """Return the objective over words that occur so often.

        ``frozen``, of shape (V,), bool, are the rows of the first table that must not move.
        """

"""What the settings of an objective must tell, without importing Numba."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

if TYPE_CHECKING:
    import numpy as np

    from .base import Objective


LONGEST_NGRAM = 64
"""Characters, at most: far above any model, and few enough that a false file takes little time."""


class Table(NamedTuple):
    """A matrix that an objective trains, with a row for each word, or for what words share."""

    name: str
    n_rows: int
    starts_random: bool  # or as zeros
    shares: str = ""  # the table before it whose places of gradients are also those of this one


class NgramRows(NamedTuple):
    """The vectors of n-grams, of G buckets, and what they are n-grams of."""

    rows: np.ndarray  # (G, D) float32
    min_n: int  # characters, at least
    max_n: int
    n_buckets: int
    buckets: np.ndarray  # (G,) int64, ascending


class NgramTable(NamedTuple):
    """The table of the vectors of n-grams, and which n-grams each of its G rows is for."""

    name: str
    min_n: int  # characters, at least
    max_n: int
    n_buckets: int
    buckets: np.ndarray  # (G,) int64


class ObjectiveSettings(ABC):
    """The settings of an objective: a frozen dataclass, each field of which JSON can hold.

    What has a body is for tables with a row for each word.

    Attributes
    ----------
    kinds : tuple of str
        What a model can give as the vectors of its words; the first by default.
    dim : int
        Dimensions of a vector.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]
    kinds: ClassVar[tuple[str, ...]]
    dim: int

    def for_text(self, n_tokens: int) -> Self:
        """Return the same with what follows the size of the text settled."""
        return self

    def to_compile(self) -> Self:
        """Return settings whose kernels are the same, and of which two words in a row need all."""
        return self

    @abstractmethod
    def tables(self, words: Collection[Any]) -> tuple[Table, ...]:
        """Return the tables of a vocabulary; more words only add rows at their ends.

        The first has a row for each word. An objective that does not look into words takes anything
        in their place.
        """

    def row_names(self, words: Sequence[str]) -> dict[str, Sequence[str]]:
        """Return what the rows of each table are called, by which those of two runs are matched."""
        return {table.name: words for table in self.tables(words)}

    @property
    def n_kernels(self) -> int:
        """Kernels that must be compiled beside those of any objective."""
        return 0

    @property
    def is_composed(self) -> bool:
        """Whether vectors of words are made of what others share, so that none can be frozen."""
        return False

    @abstractmethod
    def vectors(
        self, tables: Mapping[str, np.ndarray], kind: str, words: Collection[str]
    ) -> np.ndarray:
        """Return the vectors of the words, one of `kinds`, given each table."""

    def ngrams(
        self, tables: Mapping[str, np.ndarray], kind: str, words: Collection[str]
    ) -> NgramRows | None:
        """Return the n-grams that the vectors of a kind are composed of, if they are."""
        return None

    def ngram_table(self, words: Collection[str]) -> NgramTable | None:
        """Return what the vectors of n-grams are in, if words are composed of them."""
        return None

    def put_vectors(
        self,
        tables: Mapping[str, np.ndarray],
        rows: np.ndarray,
        vectors: np.ndarray,
        words: Collection[str],
    ) -> None:
        """Make given vectors, of shape (n, D), those by default of n words; tables change."""
        own = next(iter(tables.values()))
        own[rows, : vectors.shape[1]] = vectors

    @abstractmethod
    def build(
        self,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> Objective:
        """Return the objective over words that occur so often.

        ``frozen``, of shape (V,), bool, are the rows of the first table that must not move. The
        words themselves are needed by an objective that looks into them.
        """

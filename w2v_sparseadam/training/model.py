"""The trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import check_choice
from ..events import EpochEnded
from ..objectives.settings import ObjectiveSettings

if TYPE_CHECKING:
    import numpy as np

    from ..vectors.vectors import Vectors


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model: one row of each table for each word.

    Attributes
    ----------
    words : list of str
        Most frequent first; those that added text brought follow, likewise.
    counts : ndarray of shape (V,), int64
        Occurrences in the text.
    tables : mapping of str to ndarray of shape (V, D), float32
        What was trained, by name; also as attributes, ``center_vectors`` and ``context_vectors``.
    loss : float
        Mean negative log likelihood of the last epoch's pairs, each with its negatives; of the last
        epoch that had any.
    objective : SkipGramConfig
        What it was trained for.
    history : sequence of EpochEnded
        Loss, tokens, pairs and seconds of each epoch of this call, which is not all of them if the
        run was resumed.
    """

    words: list[str]
    counts: np.ndarray
    tables: Mapping[str, np.ndarray]
    loss: float
    objective: ObjectiveSettings
    history: Sequence[EpochEnded] = ()

    def __getattr__(self, name: str) -> np.ndarray:
        """Return a table by its name, with ``_vectors`` behind it."""
        tables = vars(self).get("tables", {})  # there is none yet while it is unpickled
        if name.removesuffix("_vectors") in tables and name.endswith("_vectors"):
            return tables[name.removesuffix("_vectors")]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        n_words, dim = len(self.words), self.objective.dim
        return f"<Model: {n_words} words, {dim} dimensions, loss {self.loss:.4f}>"

    def vectors(self, kind: str | None = None) -> Vectors:
        """Return the vectors of the words: ``"center"``, ``"context"`` or their ``"sum"``."""
        from ..vectors.vectors import Vectors

        kind = self.objective.kinds[0] if kind is None else kind
        check_choice("kind", kind, self.objective.kinds)
        return Vectors(self.words, self.objective.vectors(self.tables, kind))

"""The trained model."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import check_choice
from ..events import EpochEnded
from ..objectives.settings import ObjectiveSettings
from ..vectors.html import table
from ..vectors.other_names import OF_MODEL, no_attribute

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike

    from ..vectors.vectors import Vectors


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A trained model: one row of each table for each word.

    Questions about words, such as ``model["word"]`` and ``model.most_similar("word")``, go to its
    vectors of the default kind, ``model.wv``, which answer more of them: see `Vectors`.

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
        raise no_attribute(self, name, OF_MODEL)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of pickles and copies what follows from the tables."""
        return {name: value for name, value in vars(self).items() if name != "wv"}

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        return f"<Model: {len(self)} words, {self.dim} dimensions, loss {self.loss:.4f}>"

    def _repr_html_(self) -> str:
        """Show the most frequent words in a notebook."""
        n_shown = 5
        title = f"Model: {len(self):,} words, {self.dim} dimensions, loss {self.loss:.4f}"
        rows = [
            (word, f"{count:,}")
            for word, count in zip(self.words[:n_shown], self.counts[:n_shown], strict=True)
        ]
        return table(title, ["word", "count"], [*rows, *[("…", "…")] * (len(self) > n_shown)])

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.objective.dim

    @cached_property
    def wv(self) -> Vectors:
        """The vectors of the default kind, as :meth:`vectors` returns them, made once."""
        return self.vectors()

    def __len__(self) -> int:
        """Count the words."""
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        """Yield the words."""
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether `word` has a vector."""
        return word in self.wv

    def __getitem__(self, word: str | Sequence[str]) -> np.ndarray:
        """Return the vector of `word`, or a matrix of several words."""
        return self.wv[word]

    # Keyword arguments are those of Vectors, whose signature need not stand here again.
    def most_similar(
        self, query: str | ArrayLike | None = None, n: int = 10, **more: Any
    ) -> list[tuple[str, float]]:
        """Return the `n` nearest words and their cosines; see `Vectors.most_similar`."""
        return self.wv.most_similar(query, n, **more)

    def analogy(self, a: str, b: str, c: str, n: int = 10) -> list[tuple[str, float]]:
        """Return the best answers to "`a` is to `b` as `c` is to what?"; see `Vectors.analogy`."""
        return self.wv.analogy(a, b, c, n)

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words."""
        return self.wv.similarity(a, b)

    def n_similarity(self, a: Iterable[str], b: Iterable[str]) -> float:
        """Return the cosine of the mean vectors of two lists of words."""
        return self.wv.n_similarity(a, b)

    def doesnt_match(self, words: Iterable[str]) -> str:
        """Return the word that is farthest from the mean of all."""
        return self.wv.doesnt_match(words)

    def vectors(self, kind: str | None = None) -> Vectors:
        """Return the vectors of the words: ``"center"``, ``"context"`` or their ``"sum"``."""
        from ..vectors.vectors import Vectors

        kind = self.objective.kinds[0] if kind is None else kind
        check_choice("kind", kind, self.objective.kinds)
        return Vectors(self.words, self.objective.vectors(self.tables, kind))

"""The trained model."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import FormatError, check_choice, check_path, counted
from ..events import EpochEnded
from ..objectives.registry import name_of
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
        epoch that had any. Of a part of the first epoch, if `StopTraining` ended it; NaN before.
    objective : SkipGramConfig
        What it was trained for.
    history : sequence of EpochEnded
        Loss, tokens, pairs and seconds of each epoch of this call, which is not all of them if the
        run was resumed. ``pandas.DataFrame(model.history)`` makes a table of them.
    settings : mapping
        All that it was trained with, as JSON can hold it: ``text``, ``optimizer``, ``run`` and
        those of the objective.
    """

    words: list[str]
    counts: np.ndarray
    tables: Mapping[str, np.ndarray]
    loss: float
    objective: ObjectiveSettings
    history: Sequence[EpochEnded] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __getattr__(self, name: str) -> np.ndarray:
        """Return a table by its name, with ``_vectors`` behind it."""
        tables = vars(self).get("tables", {})  # there is none yet while it is unpickled
        if name.removesuffix("_vectors") in tables and name.endswith("_vectors"):
            return tables[name.removesuffix("_vectors")]
        raise no_attribute(self, name, OF_MODEL)

    def __dir__(self) -> list[str]:
        """List the tables, too, for completion."""
        return [*super().__dir__(), *(f"{name}_vectors" for name in self.tables)]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of pickles and copies what follows from the tables."""
        return {name: value for name, value in vars(self).items() if name != "wv"}

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        return f"<Model: {self._size()}, loss {self.loss:.4f}>"

    def _repr_html_(self) -> str:
        """Show the most frequent words in a notebook."""
        n_shown = 5
        title = f"Model: {self._size()}, loss {self.loss:.4f}"
        rows = [
            (word, f"{count:,}")
            for word, count in zip(self.words[:n_shown], self.counts[:n_shown], strict=True)
        ]
        return table(title, ["word", "count"], [*rows, *[("…", "…")] * (len(self) > n_shown)])

    def _size(self) -> str:
        return f"{counted(len(self), 'word')}, {counted(self.dim, 'dimension')}"

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
        from ..vectors.subwords import Subwords
        from ..vectors.vectors import Vectors

        kind = self.objective.kinds[0] if kind is None else kind
        check_choice("kind", kind, self.objective.kinds)
        asked = self.tables, kind, self.words
        matrix, subwords = self.objective.vectors(*asked), Subwords.of_model(self.objective, *asked)
        return Vectors(self.words, matrix, self.counts, subwords)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole model to a file, in the format safetensors; :meth:`load` reads it.

        Parameters
        ----------
        path : str or path-like
            Its name ends in ``.safetensors``. Written whole or not at all; a symbolic link stays,
            and its target is replaced.

        Raises
        ------
        SettingError
            If the name ends otherwise.
        W2VError
            If the file cannot be written.
        """
        from ..vectors.formats import model_file

        check_path("path", path)
        settings = {name_of(self.objective): vars(self.objective), **self.settings}
        history = [vars(epoch) for epoch in self.history]
        about = {"settings": settings, "loss": self.loss, "history": history}
        model_file.write_model(path, self.words, self.counts, self.tables, about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Model:
        """Read what :meth:`save` wrote; the arrays are mapped into memory, and read-only.

        The file may come from a stranger: none of it is run.

        Raises
        ------
        FormatError
            If the file is damaged, or holds no model.
        W2VError
            If it cannot be read.
        """
        from ..vectors.formats import model_file

        check_path("path", path)
        found = model_file.read_model(path)
        about = found.about
        try:
            history = tuple(EpochEnded(**epoch) for epoch in about["history"])
            numbers = [n for epoch in history for n in vars(epoch).values() if n is not None]
            if not all(isinstance(number, int | float) for number in [about["loss"], *numbers]):
                raise TypeError("its history has other than numbers")
        except (KeyError, TypeError) as error:
            raise FormatError(f"{path}: is damaged: {error!r:.80}") from None
        return cls(
            found.words,
            found.counts,
            found.tables,
            about["loss"],
            found.objective,
            history,
            about["settings"],
        )

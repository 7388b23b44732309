"""Questions about words: which are near, how near, and which does not belong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SettingError, ShapeError, UnknownWordError, wrong_type
from .formats.word2vec import quote
from .search import cosines, highest, normal_forms, spelled_like


class Queries:
    """The questions that `Vectors` answers; all cosines are in [-1, 1], 0 with a zero vector."""

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    word_ids: dict[str, int]

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.matrix.shape[1]

    @cached_property
    def unit_matrix(self) -> NDArray[np.float32]:
        """The matrix with every row divided by its length, shape (V, D); zero rows stay zero."""
        lengths = np.sqrt(np.einsum("vd,vd->v", self.matrix, self.matrix, dtype=np.float64))
        lengths[lengths == 0] = 1
        unit = np.empty_like(self.matrix)
        np.divide(self.matrix, lengths[:, np.newaxis], out=unit, casting="same_kind")
        unit.flags.writeable = False
        return unit

    def top(self, n: int = 10) -> list[str]:
        """Return the first `n` words: the most frequent ones, if a trainer wrote them."""
        return list(self.words[: how_many(n)])

    def get(self, word: str, default: Any = None) -> Any:
        """Return the vector of `word`, or `default` if it has none."""
        row = self.word_ids.get(word)
        return default if row is None else self.matrix[row]

    def get_vector(self, word: str, norm: bool = False) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only; with `norm` of length 1.

        Raises
        ------
        UnknownWordError
            If `word` has no vector.
        """
        return (self.unit_matrix if norm else self.matrix)[self._word_id(word)]

    def find(self, word: str) -> str | None:
        """Return the form of `word` that has a vector, None if there is none.

        Tried in this order: `word` itself, its Unicode normal forms NFC and NFD, and these forms in
        lower case.
        """
        check_str(word)
        forms = (word, *normal_forms(word), *normal_forms(word.lower()))
        return next((form for form in forms if form in self.word_ids), None)

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words' vectors.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        """
        return float(self._cosines(self.get_vector(a), [self._word_id(b)])[0])

    def n_similarity(self, a: Iterable[str], b: Iterable[str]) -> float:
        """Return the cosine of the mean vectors of two lists of words.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        SettingError
            If a list is empty.
        """
        one, other = (
            self.matrix[self._rows(words)].mean(axis=0, dtype=np.float64) for words in (a, b)
        )
        lengths = float(np.linalg.norm(one) * np.linalg.norm(other))
        return float(np.clip(one @ other / (lengths or 1), -1, 1))

    def doesnt_match(self, words: Iterable[str]) -> str:
        """Return the word with the lowest cosine to the mean of all, each scaled to length 1.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        SettingError
            If there are no words.
        """
        words = _listed("words", words)
        rows = self._rows(words)
        mean = self.unit_matrix[rows].mean(axis=0, dtype=np.float64)
        return words[int(self._cosines(mean, rows).argmin())]

    def most_similar(
        self,
        query: str | ArrayLike | None = None,
        n: int = 10,
        exclude: str | Iterable[str] = (),
        *,
        positive: str | ArrayLike = (),
        negative: str | ArrayLike = (),
        topn: int | None = None,
    ) -> list[tuple[str, float]]:
        """Return the `n` words with the highest cosine to a query, best first, ties by row.

        Parameters
        ----------
        query : str, array_like of shape (D,) or list of them
            A word or a vector; several, such as ``["king", "woman"]``, are `positive`.
        n : int
            How many words, at least 1; fewer are returned if there are not as many.
        exclude : str or iterable of str
            More words to exclude; words without a vector are ignored.
        positive, negative : like `query`
            Words and vectors to add and to subtract. Words are first scaled to length 1, as in
            `analogy`, unless there is only one.
        topn : int, optional
            The same as `n`, which gensim calls so.

        Returns
        -------
        list of (word, cosine)
            Without the words that were asked for.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        ShapeError
            If a vector is not of length D.
        SettingError
            If `n` is below 1, a vector holds a number that is not finite, or there is no query.
        WrongTypeError
            If a query is neither a word nor a vector, or `n` is not a whole number.
        """
        n = how_many(n if topn is None else topn)
        exclude = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(exclude, Iterable):
            raise wrong_type("exclude", "a word or words", exclude)
        left_out = {self.word_ids[word] for word in exclude if word in self.word_ids}
        plus, minus = [*_parts(query), *_parts(positive)], _parts(negative)
        if not plus and not minus:
            raise SettingError("there is no query", "give a word, a vector, or `positive` words")
        left_out |= {self._word_id(part) for part in [*plus, *minus] if isinstance(part, str)}
        if len(plus) == 1 and not minus:
            vector: ArrayLike = plus[0]
            if isinstance(vector, str):
                vector = self.get_vector(vector)
        else:
            vector = self._total(plus) - self._total(minus)
        scores = self._cosines(vector)
        best = highest(scores, left_out, n)
        return [(self.words[row], float(scores[row])) for row in best]

    def analogy(self, a: str, b: str, c: str, n: int = 10) -> list[tuple[str, float]]:
        """Return the `n` best answers to "`a` is to `b` as `c` is to what?".

        The words, except `a`, `b` and `c`, with the highest cosine to b − a + c, where each
        vector is first scaled to length 1 (3CosAdd).

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        SettingError
            If `n` is below 1.

        References
        ----------
        Mikolov, Yih & Zweig (2013), "Linguistic regularities in continuous space word
        representations"; named 3CosAdd by Levy & Goldberg (2014).
        """
        unit_a, unit_b, unit_c = (self.get_vector(word, norm=True) for word in (a, b, c))
        return self.most_similar(unit_b - unit_a + unit_c, n, exclude=(a, b, c))

    def suggest(self, word: str, n: int = 3) -> list[str]:
        """Return up to `n` words of similar spelling, closest first, ties by row.

        Only words of similar length that begin or end like it are compared, and only the first
        20,000 of them, which is fast among a million words.
        """
        check_str(word)
        return spelled_like(word, self.words, n)

    def _word_id(self, word: str) -> int:
        """Return the row of `word`, or raise with suggestions."""
        check_str(word)
        row = self.word_ids.get(word)
        if row is None:
            close = ", ".join(quote(other) for other in self.suggest(word))
            raise UnknownWordError(
                f"no vector for {quote(word)}; "
                + (f"did you mean {close}?" if close else "no word has a similar spelling")
            )
        return row

    def _rows(self, words: Iterable[str]) -> list[int]:
        """Return the rows of words, of which there must be one at least."""
        rows = [self._word_id(word) for word in _listed("words", words)]
        if not rows:
            raise SettingError("there are no words to compare; give at least one")
        return rows

    def _total(self, parts: Sequence[Any]) -> NDArray[np.float64]:
        """Return the sum of vectors, and of words scaled to length 1."""
        total = np.zeros(self.dim)
        for part in parts:
            is_word = isinstance(part, str)
            total += self.get_vector(part, norm=True) if is_word else self._vector(part)
        return total

    def _vector(self, vector: ArrayLike) -> NDArray[np.float64]:
        """Return a vector that was given as numbers."""
        try:
            query = np.asarray(vector, dtype=np.float64)
        except (TypeError, ValueError):
            raise wrong_type("a query", "a word or a vector of numbers", vector) from None
        if query.shape != (self.dim,):
            raise ShapeError(f"expected a vector of shape ({self.dim},), found {query.shape}")
        if not np.isfinite(query).all():
            raise SettingError(
                f"the query holds {query[~np.isfinite(query)][0]}, not a finite number"
            )
        return query

    def _cosines(
        self, vector: ArrayLike, rows: Sequence[int] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the cosines of `vector` with the words in `rows`."""
        return cosines(self._vector(vector), self.unit_matrix[rows])


def how_many(n: int) -> int:
    """Return a number of words that was asked for.

    Raises
    ------
    WrongTypeError, SettingError
        If it is not a whole number, or below 1.
    """
    if not isinstance(n, Integral):
        raise wrong_type("n", "a whole number", n)
    if n < 1:
        raise SettingError(f"n is {n}; ask for at least 1 word")
    return int(n)


def check_str(word: object) -> None:
    """Refuse a word that is not a str."""
    if not isinstance(word, str):
        raise wrong_type("a word", "a str", word)


def _listed(name: str, words: Iterable[str]) -> list[str]:
    """Return words in a list; a single one is probably a sentence, which nobody has split."""
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise wrong_type(name, "a list of words", words)
    return list(words)


def _parts(query: Any) -> list[Any]:
    """Return the words and vectors of a query: none, one, or several in a list."""
    if query is None:
        return []
    if isinstance(query, list | tuple | set | frozenset):
        parts = list(query)
        if not parts or not all(isinstance(part, Real) for part in parts):
            return parts
    return [query]

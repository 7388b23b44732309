"""Questions about words: which are near, how near, and which does not belong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import SettingError, ShapeError, UnknownWordError, wrong_type
from .checks import check_str
from .formats.word2vec import quote
from .search import Table, cosines, highest, normal_forms, spelled_like, units
from .subwords import Subwords


class Queries:
    """The questions that `Vectors` answers; all cosines are in [-1, 1], 0 with a zero vector.

    If there are n-grams, the vector of an unknown word is composed of them.
    """

    words: tuple[str, ...]
    matrix: NDArray[np.float32]
    word_ids: dict[str, int]
    subwords: Subwords | None
    _squares: NDArray[np.float32]

    @property
    def dim(self) -> int:
        """D, the length of a vector."""
        return self.matrix.shape[1]

    @cached_property
    def unit_matrix(self) -> NDArray[np.float32]:
        """The matrix with every row divided by its length, shape (V, D); zero rows stay zero."""
        unit = self._table.units()
        unit.flags.writeable = False
        return unit

    @cached_property
    def _table(self) -> Table:
        return Table(self.matrix, self._squares)

    def top(self, n: int = 10) -> list[str]:
        """Return the first `n` words: the most frequent ones, if a trainer wrote them."""
        return list(self.words[: how_many(n)])

    def get(self, word: str, default: Any = None) -> Any:
        """Return the vector of `word`, or `default` if it has none."""
        row = self.word_ids.get(word)
        return default if row is None else self.matrix[row]

    def get_vector(self, word: str, norm: bool = False) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only; with `norm` of length 1.

        That of an unknown word is the mean of the vectors of its n-grams, if there are any.

        Raises
        ------
        UnknownWordError
            If `word` has no vector.
        """
        check_str(word)
        row = self.word_ids.get(word)
        vector = self._composed(word) if row is None else self.matrix[row]
        if norm:
            vector = units(vector[np.newaxis])[0]
        vector.flags.writeable = False
        return vector

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
        return float(cosines(self.get_vector(a), self._vectors_of([b]))[0])

    def n_similarity(self, a: Iterable[str], b: Iterable[str]) -> float:
        """Return the cosine of the mean vectors of two lists of words.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        SettingError
            If a list is empty.
        """
        one, other = (self._some_vectors(words).mean(axis=0, dtype=np.float64) for words in (a, b))
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
        vectors = self._some_vectors(words)
        mean = units(vectors).mean(axis=0, dtype=np.float64)
        return words[int(cosines(mean, vectors).argmin())]

    def closer_than(self, a: str, b: str) -> list[str]:
        """Return the words that are nearer to `a` than `b` is, in the order of the words.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        """
        query, other = self._vector(self.get_vector(a)), self.get_vector(b)
        scores = self._table.near_cosines(query)
        row = self.word_ids.get(b)
        score = cosines(query, other[np.newaxis])[0] if row is None else scores[row]
        closer = np.flatnonzero(scores > score)
        return [self.words[row] for row in closer if self.words[row] != a]

    def rank(self, a: str, b: str) -> int:
        """Return the place of `b` among the neighbours of `a`: 1 if no word is nearer.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        """
        return len(self.closer_than(a, b)) + 1

    def most_similar(
        self,
        query: str | ArrayLike | None = None,
        n: int = 10,
        exclude: str | Iterable[str] = (),
        *,
        positive: str | ArrayLike = (),
        negative: str | ArrayLike = (),
        topn: int | None = None,
        restrict_vocab: int | None = None,
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
        restrict_vocab : int, optional
            Answer with the first so many words only, which are the most frequent ones.

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
        plus, minus = [*_parts(query), *_parts(positive)], _parts(negative)
        left_out = self._left_out(exclude, [*plus, *minus])
        if len(plus) == 1 and not minus:
            vector: ArrayLike = plus[0]
            if isinstance(vector, str):
                vector = self.get_vector(vector)
        else:
            vector = self._total(plus) - self._total(minus)
        best, scores = self._table.nearest(
            self._vector(vector), n, left_out, self._first(restrict_vocab)
        )
        return self._answers(best, scores)

    def most_similar_cosmul(
        self,
        positive: str | ArrayLike = (),
        negative: str | ArrayLike = (),
        topn: int = 10,
        restrict_vocab: int | None = None,
    ) -> list[tuple[str, float]]:
        """Return the words with the highest quotient of products of cosines (3CosMul).

        Each cosine is first moved to [0, 1] by (1 + cos) / 2; those with `positive` are multiplied,
        and divided by the product of those with `negative` and 0.000001.

        Parameters
        ----------
        positive, negative, topn, restrict_vocab
            As in `most_similar`.

        Returns
        -------
        list of (word, quotient)
            Best first, without the words that were asked for.

        Raises
        ------
        UnknownWordError, ShapeError, SettingError, WrongTypeError
            As `most_similar`.

        References
        ----------
        Levy & Goldberg (2014), "Linguistic regularities in sparse and explicit word
        representations", section 5; as gensim's ``most_similar_cosmul``.
        """
        n, rows = how_many(topn), self._first(restrict_vocab)
        plus, minus = _parts(positive), _parts(negative)
        left_out = self._left_out((), [*plus, *minus])

        def product(parts: Sequence[Any]) -> NDArray[np.float32]:
            all_cosines = (self._table.near_cosines(self._total([part]), rows) for part in parts)
            return np.prod([(1 + each) / 2 for each in all_cosines], axis=0, dtype=np.float32)

        scores = product(plus) / (product(minus) + np.float32(1e-6))
        scores = np.broadcast_to(scores, len(self.words[rows])).astype(np.float32)
        best = highest(scores, {row for row in left_out if row < len(scores)}, n)
        return self._answers(best, scores[best])

    def _left_out(self, exclude: str | Iterable[str], parts: Sequence[Any]) -> set[int]:
        """Return the rows that are no answers: of words to exclude, and of those of the query."""
        exclude = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(exclude, Iterable):
            raise wrong_type("exclude", "a word or words", exclude)
        if not parts:
            raise SettingError("there is no query", "give a word, a vector, or `positive` words")
        words = [*exclude, *(part for part in parts if isinstance(part, str))]
        return {self.word_ids[word] for word in words if word in self.word_ids}

    def _first(self, restrict_vocab: int | None) -> slice:
        """Return the rows that answers are taken from."""
        return slice(None if restrict_vocab is None else how_many(restrict_vocab))

    def _answers(
        self, rows: NDArray[np.int64], scores: NDArray[np.float32]
    ) -> list[tuple[str, float]]:
        return [(self.words[row], float(score)) for row, score in zip(rows, scores, strict=True)]

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

    def _composed(self, word: str) -> NDArray[np.float32]:
        """Return the vector of a word that has none of its own, or raise with suggestions."""
        vector = None if self.subwords is None else self.subwords.compose(word)
        if vector is None:
            close = ", ".join(quote(other) for other in self.suggest(word))
            raise UnknownWordError(
                f"no vector for {quote(word)}"
                + ("; " if self.subwords is None else ", nor for any of its n-grams; ")
                + (f"did you mean {close}?" if close else "no word has a similar spelling")
            )
        return vector

    def _vectors_of(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of words, as a new matrix."""
        try:
            return self.matrix[np.array([self.word_ids[word] for word in words], np.intp)]
        except (KeyError, TypeError):
            return np.array([self.get_vector(word) for word in words])

    def _some_vectors(self, words: Iterable[str]) -> NDArray[np.float32]:
        """Return the vectors of words, of which there must be one at least."""
        vectors = self._vectors_of(_listed("words", words))
        if not len(vectors):
            raise SettingError("there are no words to compare; give at least one")
        return vectors

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


def how_many(n: int) -> int:
    """Return a number of words that was asked for.

    Raises
    ------
    WrongTypeError, SettingError
        If it is not a whole number, or below 1.
    """
    if not isinstance(n, Integral) or isinstance(n, bool):
        raise wrong_type("n", "a whole number", n)
    if n < 1:
        raise SettingError(f"n is {n}; ask for at least 1 word")
    return int(n)


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

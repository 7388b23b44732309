"""Questions about words, as they are typed, and their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import SettingError

if TYPE_CHECKING:
    from ..vectors.vectors import Vectors

METHODS = ("3cosadd", "3cosmul")

Answer = tuple[str, list[tuple[str, float]]]
"""A question, and words with their cosines, or with their scores by 3CosMul."""

_SIGNS = ("+", "-")


@dataclass(frozen=True)
class Question:
    """Words to add and to subtract, in the order in which they were given.

    Attributes
    ----------
    terms : sequence of (str, str)
        Signs, ``+`` or ``-``, and words.
    is_analogy : bool
        Whether it is shown as "a : b = c : ?"; its terms are then - a, + b and + c.
    """

    terms: Sequence[tuple[str, str]]
    is_analogy: bool = False

    def words(self, sign: str) -> list[str]:
        """Return the words that are added, or those that are subtracted."""
        return [word for each, word in self.terms if each == sign]

    def __str__(self) -> str:
        """Return what is asked."""
        if self.is_analogy:
            return "{} : {} = {} : ?".format(*(word for _, word in self.terms))
        text = " ".join(f"{sign} {word}" for sign, word in self.terms)
        return text.removeprefix("+ ")


def analogy(a: str, b: str, c: str) -> Question:
    """Return "a is to b as c is to what?"."""
    return Question([("-", a), ("+", b), ("+", c)], is_analogy=True)


def questions_in(line: str) -> list[Question]:
    """Return what a line asks: ``king queen`` about each word, ``king - man + woman`` about a sum.

    Raises
    ------
    SettingError
        If words and signs do not alternate.
    """
    parts = line.split()
    if len(parts) == 1 or not any(part in _SIGNS for part in parts):
        return [Question([("+", word)]) for word in parts]
    if parts[0] not in _SIGNS:
        parts.insert(0, "+")
    signs, words = parts[::2], parts[1::2]
    alternate = len(signs) == len(words) and all(sign in _SIGNS for sign in signs)
    if not alternate or any(word in _SIGNS for word in words):
        raise SettingError(
            f"{line.strip()!r:.80} is no sum; write one + or - between two words, with spaces"
        )
    return [Question(list(zip(signs, words, strict=True)))]


class Search:
    """Answers questions about words by their vectors.

    Parameters
    ----------
    vectors : Vectors
    number : int
        How many words answer a question.
    method : {"3cosadd", "3cosmul"}
        How words with several terms are scored: by the cosine with the sum, or by
        `Vectors.most_similar_cosmul`.
    among : sequence of str, optional
        The words that may be answers; those without a vector are ignored.

    Raises
    ------
    SettingError
        If no word of `among` has a vector.
    """

    def __init__(
        self,
        vectors: Vectors,
        number: int = 10,
        method: str = METHODS[0],
        among: Sequence[str] | None = None,
    ) -> None:
        from ..vectors.search import CommonForm

        self.vectors, self.number, self.method = vectors, number, method
        self._form = CommonForm(vectors.words)
        self._among: Vectors | None = None
        self.unknown: list[str] = []
        """Words of `among` without a vector."""
        if among is not None:
            forms = {word: vectors.find(word) for word in among}
            known = list(dict.fromkeys(form for form in forms.values() if form is not None))
            self.unknown = [word for word, form in forms.items() if form is None]
            if not known:
                raise SettingError("among has no word with a vector")
            self._among = type(vectors)(known, vectors[known])

    def answer(self, question: Question) -> Answer:
        """Return the words with the highest scores, without those of the question.

        Raises
        ------
        UnknownWordError
            If a word has no vector, not even in lower case.
        """
        terms = [(sign, self.known(word)) for sign, word in question.terms]
        question = Question(terms, question.is_analogy)
        plus, minus = question.words("+"), question.words("-")
        if self._among is None:
            return str(question), self._best(self.vectors, plus, minus, self.number)
        # A word of the question need not be among the answers, so it is asked by its vector.
        get = partial(self.vectors.get_vector, norm=True)
        asked = {word for _, word in terms}
        n = self.number + len(asked)
        found = self._best(self._among, list(map(get, plus)), list(map(get, minus)), n)
        return str(question), [each for each in found if each[0] not in asked][: self.number]

    def _best(
        self, vectors: Vectors, plus: Sequence[Any], minus: Sequence[Any], n: int
    ) -> list[tuple[str, float]]:
        """Return the words with the highest scores."""
        if self.method == "3cosmul":
            return vectors.most_similar_cosmul(plus, minus, n)
        return vectors.most_similar(positive=plus, negative=minus, n=n)

    def known(self, word: str) -> str:
        """Return the form of a word that has a vector, or whose n-grams have.

        Raises
        ------
        UnknownWordError
            If there is none; suggests words of similar spelling.
        """
        form = self.vectors.find(word)
        if form is None:
            form = self._form.of(word) if self.vectors.subwords else word
            self.vectors.get_vector(form)
        return form

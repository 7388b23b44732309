"""Search words: by cosine, by similar spelling, by normal form."""

from __future__ import annotations

import difflib
import itertools
import unicodedata
from collections.abc import Collection, Container, Iterable

import numpy as np
from numpy.typing import NDArray

_SUGGEST_AMONG = 20_000


def cosines(query: NDArray[np.float64], units: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosines of a vector of shape (D,) with rows of length 1 or 0, shape (R, D)."""
    query = (query / (np.linalg.norm(query) or 1)).astype(np.float32)
    # Not BLAS: it may sum equal rows in different orders, and so break ties randomly.
    return np.einsum("vd,d->v", units, query).clip(-1, 1)


def highest(values: NDArray[np.float32], left_out: Collection[int], n: int) -> NDArray[np.int64]:
    """Return the indices of the `n` highest values, highest first, ties in order.

    Values at the indices ``left_out`` are overwritten.
    """
    values[list(left_out)] = -np.inf
    n = min(n, len(values) - len(left_out))
    if n == 0:
        return np.empty(0, np.int64)
    at_least = np.partition(values, -n)[-n]
    places = np.flatnonzero(values >= at_least)
    return places[np.argsort(-values[places], kind="stable")[:n]]


def spelled_like(word: str, words: Iterable[str], n: int) -> list[str]:
    """Return up to `n` words with a spelling similar to `word`; see :meth:`Vectors.suggest`."""
    folded = word.lower()
    if not folded:
        return []
    lengths = range(len(word) - 2, len(word) + 3)
    alike = (
        other
        for other in words
        if len(other) in lengths
        and (other[0].lower() in folded[:2] or other[-2:].lower() == folded[-2:])
    )
    matcher = difflib.SequenceMatcher(b=folded, autojunk=False)
    scored: list[tuple[float, int, str]] = []
    for other in itertools.islice(alike, _SUGGEST_AMONG):
        matcher.set_seq1(other.lower())
        if matcher.quick_ratio() >= 0.6 and (ratio := matcher.ratio()) >= 0.6:
            scored.append((-ratio, len(scored), other))
    return [other for _, _, other in sorted(scored)[:n]]


def normal_forms(word: str) -> tuple[str, ...]:
    """Return a word in the normal forms that do not change its meaning."""
    return unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)


def in_known_form(words: Container[str], word: str) -> str:
    """Return the normal form of a word that is among `words`; unchanged if none is."""
    return next((form for form in (word, *normal_forms(word)) if form in words), word)

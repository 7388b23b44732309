"""Word vectors: load, save and search."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ..errors import FormatError, ShapeError, check_path, counted
from ..events import Event, warn
from .checks import number_words, squared_lengths
from .formats.base import Block, Content, open_source
from .formats.registry import format_for, format_of, without_ngrams, write
from .html import table
from .other_names import OF_VECTORS, no_attribute
from .queries import Queries
from .subwords import Subwords

_SHOWN = 5  # words and numbers, in a notebook


class Vectors(Queries):
    """Words and their vectors, most frequent first if a trainer wrote them.

    Iterating yields the words; ``len`` counts them; ``word in vectors`` and ``vectors[word]``
    work as in a mapping, ``vectors[["one", "two"]]`` is a matrix, and ``numpy.asarray(vectors)``
    the matrix of all.

    Parameters
    ----------
    words : sequence of V str
        Distinct, not empty, without ASCII white space.
    matrix : array_like of shape (V, D), float32
        One row per word, finite numbers. A C-contiguous float32 array is not copied, and
        must not change afterwards.
    counts : array_like of shape (V,), int64, optional
        How often each word occurs in the text, if that is known; 0 or more.
    subwords : Subwords, optional
        The n-grams that the vectors are composed of. ``vectors[word]`` and all questions then
        compose the vector of an unknown word, too; ``word in vectors`` stays False.

    Attributes
    ----------
    words : tuple of V str
    matrix : ndarray of shape (V, D), float32
        Read-only.
    counts : ndarray of shape (V,), int64, or None
        Read-only.
    word_ids : dict of str to int
        The row of each word.
    subwords : Subwords or None

    Raises
    ------
    ShapeError
        If `matrix` is not of shape (V, D) with V and D at least 1, or `counts` not of shape (V,).
    FormatError
        If a file could not hold a word or a number: says which and why.

    Examples
    --------
    >>> vectors = Vectors(["one", "two", "ten"], [[3, 4], [4, 3], [-4, 3]])
    >>> round(vectors.similarity("one", "two"), 4)
    0.96
    >>> [word for word, cosine in vectors.most_similar("one")]
    ['two', 'ten']
    """

    def __init__(
        self,
        words: Sequence[str],
        matrix: ArrayLike,
        counts: ArrayLike | None = None,
        subwords: Subwords | None = None,
    ) -> None:
        with np.errstate(over="ignore"):  # infinities are refused below
            rows = np.ascontiguousarray(matrix, dtype=np.float32).view()
        if rows.ndim != 2 or len(rows) != len(words) or rows.size == 0:
            raise ShapeError(
                f"expected at least one word and a matrix of shape ({len(words)}, D) with D at "
                f"least 1, found shape {np.shape(matrix)}"
            )
        rows.flags.writeable = False
        self.words = tuple(words)
        self.matrix = rows
        self.word_ids = number_words(self.words)
        self._squares = squared_lengths(self.words, rows)
        self.counts = None if counts is None else _checked_counts(counts, len(self.words))
        if subwords is not None and subwords.dim != self.dim:
            raise ShapeError(
                f"vectors of words have {counted(self.dim, 'dimension')}, those of n-grams "
                f"{subwords.dim}"
            )
        self.subwords = subwords

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002 (what pandas and others call it)
        on_event: Callable[[Event], None] | None = None,
    ) -> Vectors:
        """Read a file, whose format is detected from the content, or the folder of a run.

        Memory is that of the matrix and the words: a file with a false header takes no more than a
        valid file of its size. What ``.safetensors``, ``.npy`` and folders of static models hold is
        mapped into memory, and so are the vectors of n-grams in a model of fastText.

        Parameters
        ----------
        path : str or path-like
            A file or pipe in one of the formats of word2vec, or without a header, compressed or
            not; ``"-"`` is standard input. Or the file of a model; a ``.npy``, Parquet, gensim or
            projector file; a model of fastText; the folder of a static model; the folder of a run,
            whose last checkpoint is read.
        format : str, optional
            The name of a format, as ``w2v-convert --help`` lists them, instead of detection.
        on_event : callable, optional
            Receives `~w2v_sparseadam.events.Warned` if the run in a folder is not finished.
            Default: a warning of Python's.

        Raises
        ------
        FormatError
            If the file breaks its format: says where and how; if it does not have the `format`.
        TextError
            If it cannot be read, or its compressed data is broken.
        W2VError
            If it has more vectors than memory can hold; if a folder holds no checkpoint yet.
        """
        check_path("path", path)
        with open_source(path, warn if on_event is None else on_event) as source:
            content = format_of(source, format).read(source)
            block = content.collected()
        try:
            return cls(*block, subwords=content.subwords)
        except FormatError as error:
            raise FormatError(f"{source.name}, {error}") from None

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,  # noqa: A002
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        """Write a file atomically, in the format of its extension.

        Text for ``.vec``, ``.txt`` or no extension, without a header for ``.glove``, binary for
        ``.bin``; compressed if ``.gz``, ``.bz2``, ``.xz`` or ``.zst`` follows. ``.safetensors``;
        ``.npy``, with the words in a second file; ``.parquet``; ``.kv`` for gensim; ``.tsv`` for
        TensorBoard's projector, with a second file; ``.model2vec``, a folder for model2vec and
        sentence-transformers; ``.fasttext``, which fastText loads. All store every number exactly,
        but the last if there are n-grams. It and ``.safetensors`` alone keep these; a warning says
        so where they are lost.

        Parameters
        ----------
        path : str or path-like
            ``"-"`` is standard output.
        format : str, optional
            The name of a format, as ``w2v-convert --help`` lists them, instead of an extension.
        on_event : callable, optional
            Receives `~w2v_sparseadam.events.Warned` if there are n-grams, which the format does not
            keep. Default: a warning of Python's.

        Raises
        ------
        SettingError
            If the extension is any other.
        FormatError
            If the format cannot hold the vectors; nothing is written then.
        W2VError
            If the file cannot be written; see `write_result`. If a package is missing.
        """
        check_path("path", path)
        block = Block(self.words, self.matrix, self.counts)
        content = Content.of("vectors", block, subwords=self.subwords)
        if self.subwords is not None and not format_for(path, format).keeps_ngrams:
            told = without_ngrams()
            if on_event is None:
                warn(told)
            else:
                on_event(told)
        write(path, content, format)

    def __len__(self) -> int:
        """Count the words."""
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        """Yield the words."""
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether `word` has a vector."""
        return word in self.word_ids

    def __getitem__(self, word: str | Sequence[str]) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only; a new matrix for several words.

        Raises
        ------
        UnknownWordError
            If `word` has no vector; suggests words of similar spelling.
        """
        if isinstance(word, list | tuple | np.ndarray):
            return self._vectors_of(word)
        return self.get_vector(word)  # type: ignore[arg-type]  # which refuses what is no word

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the matrix, for NumPy."""
        if copy:
            return self.matrix.astype(dtype or np.float32)
        matrix = self.matrix.astype(dtype or np.float32, copy=False)
        if copy is False and matrix is not self.matrix:
            raise ValueError(f"a matrix of {self.matrix.dtype} is no matrix of {dtype}: copy it")
        return matrix

    def to_gensim(self) -> Any:
        """Return a copy as gensim's ``KeyedVectors``, with the counts as its ``count``.

        It has no n-grams: save ``.fasttext``, which gensim's ``load_facebook_vectors`` reads.

        Raises
        ------
        W2VError
            If gensim is not installed.
        """
        from .formats.gensim_file import as_gensim

        return as_gensim(self.words, self.matrix, self.counts)

    def __getattr__(self, name: str) -> Any:
        """Say what gensim's attributes are called here."""
        raise no_attribute(self, name, OF_VECTORS)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy the words and the matrix; all else follows from them."""
        return type(self), (self.words, self.matrix, self.counts, self.subwords)

    def __repr__(self) -> str:
        """Show the numbers of words and dimensions."""
        return f"<Vectors: {counted(len(self), 'word')}, {counted(self.dim, 'dimension')}>"

    def _repr_html_(self) -> str:
        """Show the first numbers of the first words in a notebook."""
        columns = min(self.dim, _SHOWN)
        more = ["…"] * (self.dim > columns)
        header = ["word", *map(str, range(columns)), *more]
        rows = [
            [word, *(f"{number:.3f}" for number in row[:columns]), *more]
            for word, row in zip(self.words[:_SHOWN], self.matrix[:_SHOWN], strict=True)
        ]
        rows += [["…"] * len(header)] * (len(self) > _SHOWN)
        title = f"Vectors: {counted(len(self), 'word')}, {counted(self.dim, 'dimension')}"
        return table(title, header, rows)


def _checked_counts(counts: ArrayLike, n_words: int) -> NDArray[np.int64]:
    """Return counts as whole numbers."""
    array = np.asarray(counts)
    if array.shape != (n_words,) or array.dtype.kind not in "iu":
        raise ShapeError(
            f"expected {n_words} whole numbers as counts, found shape {array.shape} of "
            f"{array.dtype}"
        )
    if array.min() < 0:
        raise ShapeError(f"a word cannot occur {array.min()} times; counts are 0 or more")
    found = array.astype(np.int64, copy=False).view()
    found.flags.writeable = False
    return found

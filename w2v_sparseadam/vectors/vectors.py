"""Word vectors: in files that other tools read, and in answers to questions about words.

Two formats, both of word2vec.c and read by gensim's ``KeyedVectors.load_word2vec_format``. Each
begins with a line ``V D``, the number of words and of dimensions. Then, for every word, *text*
has a line of the word and D decimal numbers, separated by single spaces, and *binary* has the
word, a space, D little-endian float32 and a newline. Words are UTF-8 and may hold any character
but ASCII white space. Either may be compressed as a whole.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import (
    FormatError,
    SettingError,
    ShapeError,
    UnknownWordError,
    W2VError,
    check_path,
    wrong_type,
)
from ..system.files import COMPRESSED_ENDINGS, compression_ending, write_result
from ..system.memory import lacks_memory
from ..text.reading.compression import open_unpacked

TEXT_ENDINGS, BINARY_ENDINGS = ("", ".vec", ".txt"), (".bin",)
"""What the name of a file of vectors may end in, before the ending of a compression."""

_HEADER_LIMIT = 100
_HEAD_BYTES = 1 << 16
_HEAD_ROWS = 16
_CHUNK = 1 << 20
# Far beyond what anybody has, and small enough that a file that lies takes little memory.
_MOST_DIMS = 1 << 20
_LONGEST_WORD = 1 << 24
_LONGEST_NUMBER = 64
_UNWRITABLE = re.compile("[ \t\n\v\f\r\ud800-\udfff]")
_SUGGEST_AMONG = 20_000


class Vectors:
    """Words and their vectors, in order of frequency if a trainer made them.

    Iterating yields the words; ``len`` counts them; ``word in vectors`` and ``vectors[word]``
    work as in a mapping.

    Parameters
    ----------
    words : sequence of V str
        Different from each other, not empty, without ASCII white space.
    matrix : array_like of shape (V, D), float32
        One row a word, finite numbers. Kept without a copy if it is a C-contiguous float32 array,
        which must not change afterwards.

    Attributes
    ----------
    words : tuple of V str
    matrix : ndarray of shape (V, D), float32
        Read-only.
    word_ids : dict of str to int
        The row of each word.

    Raises
    ------
    ShapeError
        If `matrix` is not of shape (V, D) with V and D at least 1.
    FormatError
        If a word or a number could not be written to a file: says which and why.

    Examples
    --------
    >>> vectors = Vectors(["one", "two", "ten"], [[3, 4], [4, 3], [-4, 3]])
    >>> round(vectors.similarity("one", "two"), 4)
    0.96
    >>> [word for word, cosine in vectors.most_similar("one")]
    ['two', 'ten']
    """

    def __init__(self, words: Sequence[str], matrix: ArrayLike) -> None:
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            rows = np.ascontiguousarray(matrix, dtype=np.float32).view()
        if rows.ndim != 2 or len(rows) != len(words) or rows.size == 0:
            raise ShapeError(
                f"expected at least one word and a matrix of shape ({len(words)}, D) with D at "
                f"least 1, found shape {np.shape(matrix)}"
            )
        rows.flags.writeable = False
        self.words = tuple(words)
        self.matrix = rows
        self.word_ids = _number(self.words)
        _check_finite(self.words, rows)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Vectors:
        """Read a text or binary file, told apart by what is in it, not by its name.

        Memory is the matrix and the words; the file is read in pieces of a megabyte. A file that
        lies about what is in it takes no more than an honest one of its size.

        Parameters
        ----------
        path : str or path-like
            A file or pipe in one of the formats of this module, compressed or not; ``"-"`` is
            standard input. The newline after a binary record may be missing, as in some
            published files.

        Raises
        ------
        FormatError
            If the file breaks its format: says where and how.
        TextError
            If it cannot be read, or its compressed data is broken.
        W2VError
            If it has more vectors than memory can hold.
        """
        check_path("path", path)
        with open_unpacked(path) as (stream, name, size):
            n_words, dim = _read_header(stream, name, size)
            lacking = lacks_memory(4 * n_words * dim)
            if lacking:
                raise W2VError(f"{name}: {n_words} words of {dim} dimensions: {lacking}")
            read = _read_text if _is_text(stream.peek(), dim) else _read_binary
            words, matrix = read(stream, name, n_words, dim)
        try:
            return cls(words, matrix)
        except FormatError as error:
            raise FormatError(f"{name}, {error}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file, whole or not at all, in the format that the end of its name says.

        Text for ``.vec``, ``.txt`` and none, binary for ``.bin``, either compressed if ``.gz``,
        ``.bz2``, ``.xz`` or ``.zst`` follows. Both formats keep every bit of every number.

        Parameters
        ----------
        path : str or path-like
            ``"-"`` is standard output.

        Raises
        ------
        SettingError
            If the name ends in anything else.
        W2VError
            If the file cannot be written; see `write_result`.
        """
        check_path("path", path)
        write = _write_binary if is_binary(path) else _write_text
        with write_result(path) as stream:
            stream.write(b"%d %d\n" % self.matrix.shape)
            write(stream, self.words, self.matrix)

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

    def __len__(self) -> int:
        """Count the words."""
        return len(self.words)

    def __iter__(self) -> Iterator[str]:
        """Yield the words."""
        return iter(self.words)

    def __contains__(self, word: object) -> bool:
        """Tell whether `word` has a vector."""
        return word in self.word_ids

    def __getitem__(self, word: str) -> NDArray[np.float32]:
        """Return the vector of `word`, of shape (D,), read-only.

        Raises
        ------
        UnknownWordError
            If `word` has no vector; names words spelt like it.
        """
        return self.matrix[self._word_id(word)]

    def get(self, word: str, default: Any = None) -> Any:
        """Return the vector of `word`, or `default` if it has none."""
        row = self.word_ids.get(word)
        return default if row is None else self.matrix[row]

    def find(self, word: str) -> str | None:
        """Return the word with a vector that `word` stands for, None if there is none.

        It is `word` itself, or else the same characters in another normal form of Unicode, or else
        these in lower case.
        """
        _check_str(word)
        forms = (word, *_normal_forms(word), *_normal_forms(word.lower()))
        return next((form for form in forms if form in self), None)

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        return f"<Vectors: {len(self)} words, {self.dim} dimensions>"

    def similarity(self, a: str, b: str) -> float:
        """Return the cosine of two words' vectors, in [-1, 1]; 0 if one of them is all zeros.

        Raises
        ------
        UnknownWordError
            If a word has no vector.
        """
        return float(self._cosines(self[a], [self._word_id(b)])[0])

    def most_similar(
        self, query: str | ArrayLike, n: int = 10, exclude: str | Iterable[str] = ()
    ) -> list[tuple[str, float]]:
        """Return the `n` words of highest cosine with `query`, best first, equal ones by row.

        Parameters
        ----------
        query : str or array_like of shape (D,)
            A word, which is left out of the answer, or a vector.
        n : int
            How many words, at least 1; fewer are returned if there are no more.
        exclude : str or iterable of str
            Further words to leave out; those without a vector are left out anyway.

        Returns
        -------
        list of (word, cosine)

        Raises
        ------
        UnknownWordError
            If `query` is a word without a vector.
        ShapeError
            If `query` is a vector of another length than D.
        SettingError
            If `n` is below 1, or the vector holds a number that is not finite.
        WrongTypeError
            If `query` is neither, or `n` no whole number.
        """
        if not isinstance(n, Integral):
            raise wrong_type("n", "a whole number", n)
        if n < 1:
            raise SettingError(f"n is {n}; ask for at least 1 word")
        exclude = [exclude] if isinstance(exclude, str) else exclude
        if not isinstance(exclude, Iterable):
            raise wrong_type("exclude", "a word or words", exclude)
        left_out = {self.word_ids[word] for word in exclude if word in self}
        if isinstance(query, str):
            left_out.add(self._word_id(query))
            query = self[query]
        cosines = self._cosines(query)
        cosines[list(left_out)] = -np.inf
        n = min(int(n), len(self) - len(left_out))
        if n == 0:
            return []
        at_least = np.partition(cosines, -n)[-n]
        rows = np.flatnonzero(cosines >= at_least)
        best = rows[np.argsort(-cosines[rows], kind="stable")[:n]]
        return [(self.words[row], float(cosines[row])) for row in best]

    def analogy(self, a: str, b: str, c: str, n: int = 10) -> list[tuple[str, float]]:
        """Return the `n` best answers to "`a` is to `b` as `c` is to what?".

        The words, other than `a`, `b` and `c`, of highest cosine with b − a + c, where each
        vector is first divided by its length (3CosAdd).

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
        unit_a, unit_b, unit_c = (self.unit_matrix[self._word_id(word)] for word in (a, b, c))
        return self.most_similar(unit_b - unit_a + unit_c, n, exclude=(a, b, c))

    def suggest(self, word: str, n: int = 3) -> list[str]:
        """Return up to `n` words spelt like `word`, closest first, equal ones by row.

        Only words that begin or end like it and are about as long are compared, and of these
        only the first 20,000, so that the answer comes at once from a million words.
        """
        _check_str(word)
        folded = word.lower()
        if not folded:
            return []
        lengths = range(len(word) - 2, len(word) + 3)
        alike = (
            other
            for other in self.words
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

    def _word_id(self, word: str) -> int:
        """Return the row of `word`, or raise with words spelt like it."""
        _check_str(word)
        row = self.word_ids.get(word)
        if row is None:
            close = ", ".join(_quote(other) for other in self.suggest(word))
            raise UnknownWordError(
                f"no vector for {_quote(word)}; "
                + (f"did you mean {close}?" if close else "no word is spelt like it")
            )
        return row

    def _cosines(
        self, vector: ArrayLike, rows: Sequence[int] | slice = slice(None)
    ) -> NDArray[np.float32]:
        """Return the cosines of `vector` with the words in `rows`."""
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
        query = (query / (np.linalg.norm(query) or 1)).astype(np.float32)
        # Not BLAS: it may sum equal rows in different orders, and so break ties at random.
        return np.einsum("vd,d->v", self.unit_matrix[rows], query).clip(-1, 1)


def is_binary(path: str | os.PathLike[str]) -> bool:
    """Tell by the end of its name whether a file of vectors is to be binary.

    Raises
    ------
    SettingError
        If vectors cannot be written in the format that the name seems to ask for.
    """
    ending = compression_ending(path)
    inner = Path(os.fspath(path)[: -len(ending)] if ending else path).suffix.lower()
    if inner not in TEXT_ENDINGS + BINARY_ENDINGS:
        known = ", ".join(filter(None, TEXT_ENDINGS + BINARY_ENDINGS))
        raise SettingError(
            f"{path}: vectors cannot be written as {inner!r}; end the name in one of {known}, "
            f"then {', '.join(COMPRESSED_ENDINGS)} to compress, or in none"
        )
    return inner in BINARY_ENDINGS


def _normal_forms(word: str) -> tuple[str, ...]:
    """Return a word in the normal forms that do not change what it says."""
    return unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)


def in_known_form(vectors: Vectors, word: str) -> str:
    """Return a word in the normal form that has a vector; as it is if none has."""
    return next((form for form in (word, *_normal_forms(word)) if form in vectors), word)


def _check_str(word: object) -> None:
    if not isinstance(word, str):
        raise wrong_type("a word", "a str", word)


def _number(words: Sequence[str]) -> dict[str, int]:
    """Map each word to its row; refuse words that a file cannot hold."""
    word_ids: dict[str, int] = {}
    for row, word in enumerate(words):
        _check_str(word)
        first = word_ids.setdefault(word, row)
        if first != row:
            raise FormatError(f"word {row + 1}: {_quote(word)} is also word {first + 1}")
        if not word or _UNWRITABLE.search(word):
            raise FormatError(
                f"word {row + 1}: {_quote(word)} cannot be written: a word must be valid Unicode, "
                "not empty, without ASCII white space"
            )
    return word_ids


def _check_finite(words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Refuse NaN and infinity, naming the word."""
    # A float64 sum of float32 cannot overflow, and needs no array of the matrix's size.
    with np.errstate(invalid="ignore"):
        broken = np.flatnonzero(~np.isfinite(matrix.sum(axis=1, dtype=np.float64)))
    if len(broken):
        row = broken[0]
        number = next(number for number in matrix[row] if not np.isfinite(number))
        raise FormatError(
            f"word {row + 1}: the vector of {_quote(words[row])} holds {number}, "
            "not a finite float32 number"
        )


def _read_header(stream: BinaryIO, path: str, size: int | None) -> tuple[int, int]:
    """Read the line ``V D``, and check that the file, if its size is known, is long enough."""
    line = stream.readline(_HEADER_LIMIT)
    fields = line.split()
    if len(fields) != 2 or not all(field.isdigit() for field in fields):
        raise FormatError(
            f"{path}, line 1: expected the numbers of words and of dimensions, as in '71000 100', "
            f"found {_quote(line)}"
        )
    n_words, dim = map(int, fields)
    if n_words == 0 or dim == 0:
        raise FormatError(f"{path}, line 1: {n_words} words of {dim} dimensions hold no vectors")
    # At least a letter, a newline, and a space and a digit a number; the last newline may miss.
    if size is not None and n_words * (2 + 2 * dim) - 1 > size - len(line):
        raise FormatError(
            f"{path}, line 1: {n_words} words of {dim} dimensions do not fit in a file of "
            f"{size} bytes; it is cut short, or this is not its header"
        )
    if dim > _MOST_DIMS:
        raise FormatError(
            f"{path}, line 1: {dim} dimensions are more than can be read ({_MOST_DIMS:,})"
        )
    return n_words, dim


def _is_text(head: bytes, dim: int) -> bool:
    """Tell text from binary by the first records.

    A broken text file should be called that, not a strange binary one, and bytes of numbers may
    happen to be printable.
    """
    first, *later = [_is_row(line, dim) for line in head.split(b"\n")[:-1]] or [_is_row(head, dim)]
    # Only if binary records would all end where lines do is a later line that is broken a reason
    # to doubt a first one that is right.
    if first and (all(later[:1]) or not _has_ended_records(head, dim)):
        return True
    numbers = b"".join(_binary_numbers(head, dim)) or head
    if re.search(rb"[^\t\n\r -~\x80-\xff]", numbers):
        return False
    # Vectors of a trainer are mostly of such sizes; four characters of numbers make other ones.
    with np.errstate(invalid="ignore"):
        sizes = np.abs(np.frombuffer(numbers[: len(numbers) // 4 * 4], "<f4"))
        n_usual = np.count_nonzero((sizes > 2**-11) & (sizes < 2**14))
    if n_usual > len(sizes) / 2:
        return False
    line = head.partition(b"\n")[0].replace(b",", b".")
    return any(map(_is_number, line.split()[1:]))


def _is_row(line: bytes, dim: int) -> bool:
    """Tell whether a line is a word and ``dim`` numbers."""
    numbers = line.partition(b" ")[2].split()
    return len(numbers) == dim and all(map(_is_number, numbers))


def _has_ended_records(head: bytes, dim: int) -> bool:
    """Tell whether each of the first records, taken as binary, ends with a newline."""
    start = 0
    for _ in range(_HEAD_ROWS):
        end = head.find(b" ", start) + 1 + 4 * dim
        if end <= 4 * dim or end >= len(head):
            break
        if head[end : end + 1] != b"\n":
            return False
        start = end + 1
    return start > 0


def _binary_numbers(head: bytes, dim: int) -> Iterator[bytes]:
    """Yield the bytes that are the numbers of the first records if the file is binary."""
    start = 0
    for _ in range(_HEAD_ROWS):
        space = head.find(b" ", start)
        if space < 0:
            return
        yield head[space + 1 : space + 1 + 4 * dim]
        start = space + 1 + 4 * dim


def _is_number(token: bytes) -> bool:
    """Tell whether `token` is a number; ``1_000`` is one to Python only."""
    if b"_" in token:
        return False
    try:
        float(token)
    except ValueError:
        return False
    return True


@np.errstate(over="ignore")  # what becomes infinite is refused by Vectors
def _read_text(
    stream: BinaryIO, path: str, n_words: int, dim: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Read `n_words` lines."""
    words = []
    matrix = np.empty((n_words, dim), dtype=np.float32)
    longest = _LONGEST_WORD + dim * _LONGEST_NUMBER
    for row in range(n_words):
        place = f"{path}, line {row + 2}"
        line = stream.readline(longest)
        if not line:
            _raise_short(path, n_words, row)
        if len(line) == longest:
            raise FormatError(f"{place}: is longer than any line of a word and {dim} numbers is")
        # Words may hold white space that is not ASCII, so only the first space ends one.
        word, _, numbers = line.partition(b" ")
        word = word.rstrip(b"\r\n")
        _check_word(word, line, place)
        words.append(_decode(word, place))
        tokens = numbers.split(None, dim)
        if len(tokens) != dim:
            n_found = sum(1 for _ in re.finditer(rb"\S+", numbers))
            raise FormatError(
                f"{place}: expected {dim} numbers after {_quote(words[row])}, found {n_found}"
            )
        try:
            if b"_" in numbers:
                raise ValueError
            matrix[row] = list(map(float, tokens))
        except ValueError:
            wrong = next(token for token in tokens if not _is_number(token))
            advice = ""
            if _is_number(wrong.replace(b",", b".", 1)):
                advice = "; a decimal point is needed, not a comma"
            raise FormatError(
                f"{place}: expected {dim} numbers after {_quote(words[row])}, found "
                f"{_quote(wrong)}{advice}"
            ) from None
    while rest := stream.read(_CHUNK):
        if not rest.isspace():  # blank lines at the end mean nothing
            raise FormatError(
                f"{path}, line {n_words + 2}: more words than line 1 promises ({n_words})"
            )
    return words, matrix


def _check_word(word: bytes, line: bytes, place: str) -> None:
    """Refuse what stands before the first space of a line if it is no word."""
    if word and b"\t" not in word:
        return
    if not line.strip():
        raise FormatError(f"{place}: is blank; expected a word and its numbers")
    if not word:
        raise FormatError(f"{place}: begins with a space; expected a word and its numbers")
    before = _quote(word.partition(b"\t")[0])
    raise FormatError(
        f"{place}: has a tab after {before}; spaces must separate the word and its numbers"
    )


def _read_binary(
    stream: BinaryIO, path: str, n_words: int, dim: int
) -> tuple[list[str], NDArray[np.float32]]:
    """Read `n_words` records, straight into the matrix."""
    words = []
    matrix = np.empty((n_words, dim), dtype="<f4")
    rows = matrix.view(np.uint8)
    chunk, start = b"", 0
    for row in range(n_words):
        while True:
            space = chunk.find(b" ", start)
            stop = space + 1 + 4 * dim
            if space >= 0 and stop <= len(chunk):
                break
            if space < 0 and len(chunk) - start > _LONGEST_WORD:
                raise FormatError(
                    f"{path}, word {row + 1}: no space ends it within {_LONGEST_WORD:,} bytes"
                )
            # Doubling keeps a file without a space linear in its size.
            more = stream.read(max(_CHUNK, len(chunk) - start))
            if not more:
                _raise_short(path, n_words, row)
            chunk, start = chunk[start:] + more, 0
        word = chunk[start:space].removeprefix(b"\n")
        words.append(_decode(word, f"{path}, word {row + 1}"))
        rows[row] = np.frombuffer(chunk, np.uint8, 4 * dim, space + 1)
        start = stop
    rest = chunk[start:] + stream.read(2)
    if rest not in (b"", b"\n"):
        raise FormatError(f"{path}: more words than line 1 promises ({n_words})")
    return words, matrix.astype(np.float32, copy=False)


def _raise_short(path: str, n_words: int, n_read: int) -> NoReturn:
    """Raise for a file that ends too early."""
    raise FormatError(f"{path}: ends after {n_read} of the words that line 1 promises ({n_words})")


def _decode(word: bytes, place: str) -> str:
    """Decode UTF-8."""
    try:
        return word.decode()
    except UnicodeDecodeError:
        raise FormatError(f"{place}: the word {_quote(word)} is not UTF-8") from None


def _write_text(stream: BinaryIO, words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Write lines of numbers with nine digits, which is what a float32 needs to come back."""
    line = "%s" + " %.9g" * matrix.shape[1] + "\n"
    for word, row in zip(words, matrix, strict=True):
        stream.write((line % (word, *row.tolist())).encode())


def _write_binary(stream: BinaryIO, words: Sequence[str], matrix: NDArray[np.float32]) -> None:
    """Write records as word2vec.c does."""
    for word, row in zip(words, matrix.astype("<f4", copy=False), strict=True):
        stream.write(b"%b %b\n" % (word.encode(), row.tobytes()))


def _quote(text: str | bytes) -> str:
    """Return `text` in quotes for a message: on one line, shortened."""
    if isinstance(text, bytes):
        text = text.decode(errors="replace")
    return repr(text[:40]) + "…" * (len(text) > 40)

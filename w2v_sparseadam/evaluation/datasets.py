"""Files that hold data sets."""

from __future__ import annotations

import csv
import math
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from ..errors import FormatError, TextError, check_path
from ..text.reading.compression import open_unpacked, read_lines
from .kinds import AnalogySet, CategorySet, DataSet, OddOneOutSet, SimilaritySet

__all__ = [
    "AnalogySet",
    "CategorySet",
    "DataSet",
    "OddOneOutSet",
    "SimilaritySet",
    "looks_like_dataset",
    "read_dataset",
]

_ODD = "*"
_WHITE = " \t\n\v\f\r"  # of ASCII: other white space may be part of a word
_COLUMN_NAME = re.compile(r"(word|words|concept|item|noun|verb)[ _]?\d?", re.IGNORECASE)
_NAMED_LIKE_BATS = re.compile(r"[A-Z]\d\d \[")
_MOST_LINES_OF_BATS = 500  # it has 50; each is asked by each other, so 500 are 249,500 questions
_EXPECTED = (
    "two words and a number, four words, ': section', a word and its class with a tab between "
    f"them, or words of which '{_ODD}' marks the odd one"
)


class _Line(NamedTuple):
    place: str  # for messages
    text: str


def read_dataset(path: str | os.PathLike[str]) -> DataSet:
    """Read a data set; its first lines determine the kind.

    Fields are separated by tabs, commas or spaces. Empty lines and lines that begin with ``#`` are
    ignored, and the first line may have the names of the columns. Lines end in LF, CR LF or CR.

    ================ ==============================================================================
    similarity       two words and a number; after tabs or commas, the first number of the line
    analogies        four words, in sections that begin with ``: name`` (Google's format); or a word
                     and its answers, ``answer/answer``, with a tab between them (that of BATS):
                     each line is asked by each other; up to 500 lines
    categories       a word and its class, with a tab or a comma between them
    odd one out      three or more words, one of which is marked: ``breakfast lunch *car``
    ================ ==============================================================================

    A word and what follows a tab are a category, unless the file has a name as in BATS, such as
    ``E01 [country - capital].txt``, or some lines have several answers and most lines have answers
    of their own. A folder is one set of analogies, with a section for each of its files; those of
    one name in different folders share a section.

    Parameters
    ----------
    path : str or path-like
        A UTF-8 file, compressed or not, or a folder of them.

    Raises
    ------
    FormatError
        If a line breaks the format, or there are no items.
    TextError
        If the file cannot be read.
    """
    check_path("path", path)
    if os.path.isdir(path):
        return _read_folder(Path(path))
    lines = list(_lines(path))
    name = Path(path).name
    if not lines:
        raise FormatError(f"{path}: holds no items")
    kind, split = _kind_of(lines)
    if kind == "analogy":
        return AnalogySet(name, _sections(lines, split, path))
    if kind == "similarity":
        return SimilaritySet(name, _pairs(lines, split, path))
    if kind == "odd-one-out":
        return OddOneOutSet(name, _groups(_without_names(lines, split), split))
    if kind == "word-and-class":
        words = _words_and_classes(_without_names(lines, split), split)
        if not words:
            raise FormatError(f"{path}: holds no items after the line of column names")
        if _NAMED_LIKE_BATS.match(name) or (split is _by_tabs and _are_answers(words)):
            return AnalogySet(name, {Path(path).stem: _each_by_each(words, path)})
        return CategorySet(name, words)
    place, text = lines[0]
    raise FormatError(f"{place}: expected {_EXPECTED}, found {text[:60]!r}")


def looks_like_dataset(path: str | os.PathLike[str]) -> bool:
    """Tell by the first lines whether a file, or one of a folder, is a data set.

    A pipe is none: what is read from it could not be read again.
    """
    if os.path.isdir(path):
        return any(looks_like_dataset(file) for file in _files_in(Path(path)))
    if not stat.S_ISREG(os.stat(path).st_mode):
        return False
    try:
        with open_unpacked(path) as (stream, *_):
            head = stream.peek(1)[: 1 << 16]
    except TextError:
        return False
    if b"\0" in head:
        return False
    content = head.decode(errors="replace").removeprefix("\ufeff")
    texts = [text.strip(_WHITE) for text in re.split("\r\n?|\n", content)]
    lines = [_Line("", text) for text in texts if text and not text.startswith("#")]
    if not lines or re.fullmatch(r"\d+[ \t]+\d+", lines[0].text):  # the header of vectors
        return False
    return bool(_kind_of(lines[:-1] or lines)[0])


def _files_in(folder: Path) -> list[Path]:
    """Return the files that may be data sets in a folder, in order."""
    found = (path for path in folder.rglob("*") if not path.name.startswith("."))
    return sorted(path for path in found if path.suffix.lower() in {".txt", ".tsv", ".csv"})


def _read_folder(folder: Path) -> AnalogySet:
    """Return the questions of all files of a folder."""
    sections: dict[str, Sequence[tuple[str, ...]]] = {}
    for path in _files_in(folder):
        found = read_dataset(path)
        if isinstance(found, CategorySet):  # with one answer each
            sections[path.stem] = [*sections.get(path.stem, ()), *_each_by_each(found.words, path)]
        elif isinstance(found, AnalogySet):
            for name, questions in found.sections.items():
                is_whole = name in ("all", path.stem)
                title = path.stem if is_whole else f"{path.stem}: {name}"
                sections[title] = [*sections.get(title, ()), *questions]
        else:
            raise FormatError(
                f"{path}: is not a set of analogies, as each file of a folder must be; name the "
                "file itself"
            )
    if not sections:
        raise FormatError(f"{folder}: holds no .txt, .tsv or .csv file with analogies")
    return AnalogySet(folder.name, sections)


def _lines(path: str | os.PathLike[str]) -> Iterator[_Line]:
    """Yield the lines that are not ignored."""
    number = 0
    for place, ended in read_lines(path):
        name = place.rpartition(", line ")[0]
        for line in ended.removesuffix(b"\n").removesuffix(b"\r").split(b"\r"):
            number += 1
            try:
                text = line.decode().strip(_WHITE)
            except UnicodeDecodeError:
                raise FormatError(
                    f"{name}, line {number}: is not UTF-8; convert the file"
                ) from None
            if text and not text.startswith("#"):
                yield _Line(f"{name}, line {number}", text)


Split = Callable[[str], list[str]]
"""Takes a line apart."""


def _by_tabs(text: str) -> list[str]:
    return [part.strip(_WHITE) for part in text.split("\t")] if "\t" in text else _by_spaces(text)


def _by_commas(text: str) -> list[str]:
    try:
        return [part.strip(_WHITE) for part in next(csv.reader([text], skipinitialspace=True), [])]
    except csv.Error:  # a field beyond its limit
        return [text]


def _by_spaces(text: str) -> list[str]:
    return [part for part in re.split(f"[{_WHITE}]+", text) if part]


def _kind_of(lines: Sequence[_Line]) -> tuple[str, Split]:
    """Return the kind of a data set, empty if it is none, and how its lines are taken apart.

    The second line tells, because the first may have the names of the columns.
    """
    if lines[0].text.startswith(":"):
        first = next((line.text for line in lines if not line.text.startswith(":")), "")
        split = _by_tabs if "\t" in first else _by_spaces
        return "analogy", _by_commas if len(_by_commas(first)) == 4 else split
    for line in reversed(lines[:2]):
        for separator, split in (("\t", _by_tabs), (",", _by_commas), ("", _by_spaces)):
            if separator in line.text and (kind := _kind_of_fields(line.text, separator, split)):
                return kind, split
    return "", _by_spaces


def _kind_of_fields(text: str, separator: str, split: Split) -> str:
    """Return the kind of data set that has such a line; empty if none has."""
    fields = split(text)
    if not all(fields):
        return ""
    if len(fields) >= 3 and all(_finite(field) is not None for field in fields[1:]):
        return ""  # a row of vectors
    if len(fields) >= 3 and _place_of_odd(fields) is not None:
        return "odd-one-out"
    if (len(fields) == 3 or (separator and len(fields) > 3)) and _rating(fields) is not None:
        return "similarity"
    if len(fields) == 4:
        return "analogy"
    if len(fields) == 2 and separator and (separator == "\t" or len(_by_spaces(text)) == 1):
        return "word-and-class"
    return ""


def _without_names(lines: Sequence[_Line], split: Split) -> Sequence[_Line]:
    """Leave out the first line if it has the names of the columns."""
    return lines[1:] if _COLUMN_NAME.fullmatch(split(lines[0].text)[0]) else lines


def _pairs(
    lines: Sequence[_Line], split: Split, path: str | os.PathLike[str]
) -> list[tuple[str, str, float]]:
    """Read the lines of a similarity file."""
    pairs = []
    for number, (place, text) in enumerate(lines):
        fields = split(text)
        rating = _rating(fields)
        if number == 0 and rating is None:
            continue
        if len(fields) < 3 or rating is None or (len(fields) > 3 and split is _by_spaces):
            raise FormatError(f"{place}: expected two words and a number, found {text[:60]!r}")
        pairs.append((fields[0], fields[1], rating))
    if not pairs:
        raise FormatError(f"{path}: holds no items after the line of column names")
    return pairs


def _rating(fields: Sequence[str]) -> float | None:
    """Return the first number after two words, None if there is none."""
    return next((n for field in fields[2:] if (n := _finite(field)) is not None), None)


def _finite(text: str) -> float | None:
    """Return the finite number that `text` spells, None if it spells none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _sections(
    lines: Sequence[_Line], split: Split, path: str | os.PathLike[str]
) -> dict[str, Sequence[tuple[str, ...]]]:
    """Read the lines of an analogy file; questions before any section form one named ``all``."""
    sections: dict[str, list] = {}
    name = "all"
    for place, text in _without_names(lines, split):
        fields = split(text)
        if text.startswith(":"):
            name = " ".join(_by_spaces(text))[1:].strip()
            if not name:
                raise FormatError(f"{place}: a section needs a name after ':'")
        elif len(fields) == 4:
            sections.setdefault(name, []).append(tuple(fields))
        else:
            raise FormatError(f"{place}: expected four words or ': section', found {text[:60]!r}")
    if not sections:
        raise FormatError(f"{path}: has sections but no questions")
    return dict(sections)


def _words_and_classes(lines: Sequence[_Line], split: Split) -> list[tuple[str, str]]:
    """Read the lines of words and their classes, or answers."""
    words = []
    for place, text in lines:
        fields = split(text)
        if len(fields) != 2 or not all(fields):
            raise FormatError(f"{place}: expected a word and its class, found {text[:60]!r}")
        words.append((fields[0], fields[1]))
    return words


def _are_answers(words: Sequence[tuple[str, str]]) -> bool:
    """Tell whether what follows words are answers as in BATS, not classes with a '/' in a name."""
    labels = {label for _, label in words}
    return any("/" in label for label in labels) and 2 * len(labels) > len(words)


def _each_by_each(
    words: Sequence[tuple[str, str]], path: str | os.PathLike[str]
) -> list[tuple[str, ...]]:
    """Ask each word by each other, as BATS does; the other is shown with its first answer."""
    if len(words) < 2:
        raise FormatError(
            f"{path}: holds one word with answers, but needs two or more: each is asked by another"
        )
    if len(words) > _MOST_LINES_OF_BATS:
        raise FormatError(
            f"{path}: holds {len(words):,} words with answers, each of which is asked by each "
            f"other; up to {_MOST_LINES_OF_BATS} can be (BATS has 50 in a file)"
        )
    answers = [[part for part in label.split("/") if part] or [label] for _, label in words]
    return [
        (words[shown][0], answers[shown][0], words[asked][0], *answers[asked])
        for asked in range(len(words))
        for shown in range(len(words))
        if shown != asked
    ]


def _groups(lines: Sequence[_Line], split: Split) -> list[tuple[tuple[str, ...], int]]:
    """Read the lines of words, one of which is marked."""
    groups = []
    for place, text in lines:
        fields = split(text)
        odd = _place_of_odd(fields)
        if odd is None or len(fields) < 3 or not all(fields):
            raise FormatError(
                f"{place}: expected three or more words, one of which is marked with '{_ODD}', "
                f"found {text[:60]!r}"
            )
        fields[odd] = fields[odd].removeprefix(_ODD)
        groups.append((tuple(fields), odd))
    return groups


def _place_of_odd(fields: Sequence[str]) -> int | None:
    """Return the place of the word that is marked, None if it is not exactly one."""
    marked = [n for n, word in enumerate(fields) if word.startswith(_ODD) and word != _ODD]
    return marked[0] if len(marked) == 1 else None

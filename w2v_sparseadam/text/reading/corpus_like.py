"""What a corpus can be in Python: paths, sentences, a column of a table, or an open file."""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from ...errors import SettingError, TextError, wrong_type
from .open_files import OpenFile
from .sentences import Sentences, wrong_sentence
from .sources import STANDARD_INPUT, Source, is_pattern, is_url, unreadable

CorpusLike = str | os.PathLike[str] | Iterable[str | os.PathLike[str] | Source | Sequence[str]]
"""A path, paths, or sentences: each a str or a list of words; a column; an open file."""

_EXPECTED = "a path, a list of paths, or sentences: an iterable of str or of lists of str"
_N_CHECKED = 100  # items of a list of str that tell paths from sentences
_LONGEST_PATH = 4096  # of Linux
_ROWS = 1024  # of a column, converted at once
_NOTHING = object()


def paths_or_sentences(corpus: CorpusLike) -> list[str | os.PathLike[str] | Source]:
    """Return the paths that a corpus is, or one source with its sentences.

    - A str or path-like is the path of a file or directory, or a pattern. If it is none of them, it
      is an error.
    - An open file in binary mode is read like standard input; one in text mode has a sentence on
      each line.
    - In a list or tuple of str, each str may be a path or a sentence. They are sentences if one of
      the first 100 has white space and is not a path; then none of these may be a path. Otherwise,
      they are paths.
    - Path-likes and `Source` objects in any iterable are paths.
    - Everything else that can be iterated over has sentences: each a str, which is tokenized, or a
      list or tuple of words.

    Parameters
    ----------
    corpus : CorpusLike
        One that is an iterator must be read through what is returned.

    Raises
    ------
    WrongTypeError
        If it is nothing of this kind; for sentences other than the first, when they are read.
    SettingError
        If it is a str that is neither a path nor a pattern, a list of both paths and sentences, or
        empty.
    """
    if isinstance(corpus, str | os.PathLike):
        _check_path(corpus)
        return [corpus]
    if isinstance(corpus, list | tuple):
        if not corpus:
            raise SettingError("no corpus paths given; pass at least one")
        if isinstance(corpus[0], Source) or _are_paths(corpus):
            return list(corpus)
    if _is_binary_file(corpus):
        return [OpenFile.of(corpus)]
    items = _items(corpus)
    first = next(items, _NOTHING)
    if first is _NOTHING:
        raise SettingError(f"corpus has no sentences, got an empty {type(corpus).__name__}")
    items = chain([first], items)
    if isinstance(first, os.PathLike | Source):
        return list(items)
    if not isinstance(first, str | list | tuple) and not hasattr(first, "tolist"):
        raise wrong_sentence(0, first)
    return [Sentences.of(items, are_words=not isinstance(first, str))]


def _is_binary_file(corpus: Any) -> bool:
    """Return whether a corpus is an open file in binary mode; refuse one that cannot be read."""
    if not callable(getattr(corpus, "read", None)):
        return False
    try:
        return isinstance(corpus.read(0), bytes)
    except (OSError, ValueError) as error:  # closed, or open for writing
        name = getattr(corpus, "name", type(corpus).__name__)
        raise TextError(str(unreadable(str(name), error)), "open it for reading") from error
    except (TypeError, LookupError):  # its `read` is not that of a file
        return False


def _items(corpus: Any) -> Iterator[Any]:
    """Return an iterator over the sentences of a corpus; a column is converted in slices."""
    kind = type(corpus)
    if isinstance(corpus, Mapping) or hasattr(kind, "columns") or hasattr(kind, "column_names"):
        raise wrong_type("corpus", f"{_EXPECTED}, such as a column: table['text']", corpus)
    if isinstance(corpus, set | frozenset):
        raise wrong_type("corpus", f"{_EXPECTED}, in an order", corpus)
    if isinstance(corpus, bytes | bytearray) or not isinstance(corpus, Iterable):
        raise wrong_type("corpus", _EXPECTED, corpus)
    for to_list in ("to_pylist", "to_list"):  # Arrow's and Polars', whose items are slow to get
        if hasattr(kind, "slice") and hasattr(kind, to_list):
            starts = range(0, len(corpus), _ROWS)  # type: ignore[arg-type]
            slices = (corpus.slice(start, _ROWS) for start in starts)  # type: ignore[attr-defined]
            return chain.from_iterable(getattr(part, to_list)() for part in slices)
    try:
        return iter(corpus)
    except TypeError:  # as of an array without dimensions
        raise wrong_type("corpus", _EXPECTED, corpus) from None


def _is_path(text: str) -> bool:
    """Return whether there is a file for a str, or a pattern that matches one."""
    if len(text) > _LONGEST_PATH:
        return False  # a whole book can be a pattern, too, to search the disk for
    try:
        exists = text == STANDARD_INPUT or os.path.lexists(text)
        exists = exists or (is_url(text) and not _has_space(text))  # a sentence may begin with one
        return exists or (is_pattern(text) and any(glob.iglob(text, recursive=True)))
    except (OSError, ValueError):  # too long, or with a NUL
        return False


def _has_space(text: str) -> bool:
    return len(text.split(None, 1)) > 1


def _check_path(path: str | os.PathLike[str]) -> None:
    """Refuse a sentence in place of a path, and a missing file."""
    if not isinstance(path, str) or _is_path(path) or is_url(path):
        return
    if not path:
        raise SettingError("corpus is an empty str, which is no path")
    has_space, is_long = _has_space(path), len(path) > _LONGEST_PATH
    if is_pattern(path) and not has_space and not is_long:
        return
    reason: Exception = OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    try:
        if not is_long:
            os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        reason = error
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:  # reading it says what is wrong
            return
    shown = path if len(path) <= 40 else f"{path[:40]}…"
    if has_space:
        raise SettingError(
            f"{shown!r} is not a file; if it is text, pass a list of sentences: [{shown!r}]"
        )
    raise TextError(
        str(unreadable(shown if is_long else path, reason)),
        "if it is text, pass a list of sentences or of lists of words",
    )


def _are_paths(corpus: Sequence[Any]) -> bool:
    """Return whether a list or tuple has paths rather than sentences; see `paths_or_sentences`."""
    head = corpus[:_N_CHECKED]
    if not all(isinstance(item, str | os.PathLike) for item in head):
        return False
    paths = [item for item in head if not isinstance(item, str) or _is_path(item)]
    sentence = next(
        (item for item in head if _has_space(os.fspath(item)) and item not in paths), ""
    )
    if paths and sentence:
        raise SettingError(
            f"corpus has both {os.fspath(paths[0])!r:.60}, which is a path, and {sentence!r:.60}, "
            "which is none; pass paths, or sentences as lists of words or as an iterator: "
            "iter(corpus)"
        )
    if not sentence:
        for path in head:
            _check_path(path)
    return not sentence

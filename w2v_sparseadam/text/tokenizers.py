"""Tokenizers: from a run of characters to words.

A tokenizer is any ``str -> list[str]``. It runs once for each distinct run of characters between
ASCII white space, so clarity counts for more than speed here.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from operator import attrgetter

from ..errors import SettingError, TextError

Tokenizer = Callable[[str], list[str]]


def whitespace(text: str) -> list[str]:
    """Split at white space, including Unicode's.

    Finds the same words as gensim's ``LineSentence``: besides ASCII white space, no-break and
    ideographic spaces, U+2028 and the like separate words, and so do the control characters
    U+001C to U+001F, as in `str.split`.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        The words in order.
    """
    return text.split()


def char(text: str) -> list[str]:
    """Make each character a word, together with the marks that follow it.

    Accents, the vowel signs of Indic scripts, variation selectors and zero-width joiners stay with
    the character before them. White space is not a word.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        The characters in order.

    References
    ----------
    The Unicode Standard, section 3.6, D56: combining character sequence.

    Examples
    --------
    >>> char("我爱 e\u0301")
    ['我', '爱', 'é']
    """
    if text.isascii():
        return list("".join(text.split()))
    return [found for found in _char_pattern().findall(text) if not found.isspace()]


def word(text: str) -> list[str]:
    """Find the words of prose: runs of letters, marks and decimal digits, in any script.

    The classes are Unicode's L*, M* and Nd. A word begins with a letter or a digit, so that a
    variation selector left by an emoji is not a word. As in Unicode's default word boundaries:

    - an apostrophe inside a word belongs to it (don't, l'eau), and ’ becomes ';
    - an underscore inside a word belongs to it, so that joined phrases (new_york) survive;
    - a hyphen separates words, as does everything else: well-known is two words;
    - zero-width joiners inside a word belong to it (Persian and the scripts of India need them),
      and soft hyphens are removed.

    Unlike those, a run of Chinese characters or kana stays whole: use a segmenter for them.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    list of str
        The words in order; none for text without letters and digits, such as emoji.

    References
    ----------
    Unicode Standard Annex #29, section 4.1.

    Examples
    --------
    >>> word("(Jack-in-the-box’s)")
    ['Jack', 'in', 'the', "box's"]
    """
    if text.isalpha():
        return [text]
    if not text.isascii():
        text = text.translate(_REWRITTEN)
    return _word_pattern().findall(text)


def whole(text: str) -> list[str]:
    """Make the text one word, which replaces white space that NFKC has made by ``_``.

    For text that is already tokenized, so that white space of Unicode does not split words.
    """
    return [text.replace(" ", "_")]


TOKENIZERS: dict[str, Tokenizer] = {"word": word, "whitespace": whitespace, "char": char}
"""The tokenizers that are built in, by name."""

LINES = "python-lines:"
"""Prefix of the names of tokenizers that take whole lines."""


def is_imported(name: object) -> bool:
    """Return whether a name refers to a function to import, which runs code."""
    return isinstance(name, str) and name.startswith(("python:", LINES))


def check_tokenizer_name(name: object) -> None:
    """Refuse a name that no tokenizer can have, without importing anything.

    Raises
    ------
    SettingError
        As `named_tokenizer`, except for failed imports.
    """
    parts = str(name).split(":", 2)
    if not is_imported(name) or len(parts) < 3 or not all(parts):
        named_tokenizer(name)


def named_tokenizer(name: object) -> Tokenizer:
    """Return the tokenizer that a name refers to.

    Parameters
    ----------
    name : str
        One of `TOKENIZERS`, or

        ``regex:PATTERN``
            A word is what the whole pattern of `re` matches; groups only group.
        ``python:MODULE:FUNCTION``, ``python-lines:MODULE:FUNCTION``
            A function to import. The module may be in the current directory, unless one of its name
            is installed: the directory is at the end of ``sys.path`` during the import.

    Raises
    ------
    SettingError
        If there is no such tokenizer, the pattern is invalid, or the import fails.
    """
    if isinstance(name, str):
        if name in TOKENIZERS:
            return TOKENIZERS[name]
        kind, _, rest = name.partition(":")
        if rest and kind == "regex":
            return _matcher(name, rest)
        module, _, function = rest.partition(":")
        if module and function and kind in ("python", "python-lines"):
            return _imported(name, module, function)
    known = ", ".join(map(repr, TOKENIZERS))
    raise SettingError(
        f"tokenizer must be {known}, 'regex:PATTERN', 'python:MODULE:FUNCTION', "
        f"'python-lines:MODULE:FUNCTION' or a callable, got {name!r:.80}"
    )


def _matcher(name: str, pattern: str) -> Tokenizer:
    """Return a tokenizer that finds what a pattern matches."""
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise SettingError(f"tokenizer {name!r} is not a regular expression: {error}") from error

    def matches(text: str) -> list[str]:
        return [match.group() for match in compiled.finditer(text)]

    return matches


def _imported(name: str, module: str, function: str) -> Tokenizer:
    """Return a function of a module."""
    try:
        with _importable_here(module):
            imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a script may end the process when it is imported
        remedy = "; install it, or run in its folder" * isinstance(error, ModuleNotFoundError)
        raise SettingError(
            f"tokenizer {name!r}: cannot import {module!r}: {_one_line(error)}{remedy}"
        ) from error
    try:
        tokenizer = attrgetter(function)(imported)
    except AttributeError as error:
        where = getattr(imported, "__file__", None) or "built in"
        raise SettingError(
            f"tokenizer {name!r}: module {module!r} ({where}) has no {function!r}"
        ) from error
    if not callable(tokenizer):
        raise SettingError(
            f"tokenizer {name!r}: {function!r} is not a function but {_shown(tokenizer)}"
        )
    return tokenizer


@contextmanager
def _importable_here(module: str) -> Iterator[None]:
    """Let a module of the current folder be imported, unless one of its name is installed.

    Only then: an installed module must not import from a folder that may hold a stranger's files.
    """
    folder, top = os.getcwd(), module.partition(".")[0]
    if not top or {"", folder} & set(sys.path) or importlib.util.find_spec(top) is not None:
        yield
        return
    sys.path.append(folder)
    try:
        yield
    finally:
        with suppress(ValueError):  # unless the module has removed it
            sys.path.remove(folder)


_UNWRITABLE = re.compile("[ \t\n\v\f\r\ud800-\udfff]")
_REWRITTEN = {ord("’"): "'", ord("\N{SOFT HYPHEN}"): None}
_ZERO_WIDTH = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

# Planes 4 to 13 are unassigned and 15 and 16 private; walking them would take most of the time.
_ASSIGNED = (range(0x40000), range(0xE0000, 0xE0200))


@cache
def _classes() -> tuple[str, str, str]:
    """Return `re` classes: what may start a word, what may be inside one, and marks.

    They come from Unicode's categories, which `re` cannot name. The library regex can, but has a
    Unicode version of its own, and takes twice the time to find words.
    """
    kinds = dict.fromkeys(["Lu", "Ll", "Lt", "Lm", "Lo", "Nd"], "s")  # may start a word
    kinds |= dict.fromkeys(["Mn", "Mc", "Me"], "m")  # marks: inside only
    kind_of = defaultdict(lambda: ".", kinds)
    spans: dict[str, str] = {"s+": "", "[sm]+": "", "m+": ""}
    for code_points in _ASSIGNED:
        categories = map(unicodedata.category, map(chr, code_points))
        text = "".join(map(kind_of.__getitem__, categories))
        for run in spans:
            for span in re.finditer(run, text):
                first, last = code_points[span.start()], code_points[span.end() - 1]
                spans[run] += f"\\U{first:08x}-\\U{last:08x}"
    start, inside, marks = spans.values()
    return start, inside, marks


@cache
def _word_pattern() -> re.Pattern[str]:
    start, inside, _ = _classes()
    return re.compile(f"[{start}][{inside}]*(?:['_{_ZERO_WIDTH}][{inside}]+)*")


@cache
def _char_pattern() -> re.Pattern[str]:
    *_, marks = _classes()
    return re.compile(f".[{marks}{_ZERO_WIDTH}]*", re.DOTALL)


def checked(tokenizer: Callable[[str], Iterable[str]]) -> Tokenizer:
    """Wrap a user's tokenizer so that exceptions and wrong results become clear errors.

    Parameters
    ----------
    tokenizer : callable
        Takes text, should return an iterable of words.

    Returns
    -------
    callable
        Returns a list of words, or raises TextError.
    """
    name = getattr(tokenizer, "__name__", type(tokenizer).__name__)

    def checked_tokenizer(text: str) -> list[str]:
        try:
            result = tokenizer(text)
            several = isinstance(result, Iterable) and not isinstance(result, str)
            words = list(result) if several else None
        except Exception as error:
            raise TextError(
                f"tokenizer {name} failed on {_shown(text)}: {_one_line(error)}"
            ) from error
        if words is None or not all(isinstance(word, str) for word in words):
            raise TextError(
                f"tokenizer {name} returned {_shown(result)} for {_shown(text)}; "
                "return a list of strings"
            )
        return words

    return checked_tokenizer


def writable(word: str) -> str:
    """Return a word as a file of vectors can hold it: empty if it is only white space.

    ``_`` replaces ASCII white space, a separator there, and lone surrogates, which UTF-8 lacks.
    """
    return "" if word.isspace() else _UNWRITABLE.sub("_", word)


def _shown(value: object) -> str:
    """Return a value's repr, truncated to the width of a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"


def _one_line(error: BaseException) -> str:
    """Return the kind of an error and its message, without line ends."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"

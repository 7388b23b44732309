"""From a run of characters to words.

A tokenizer is any ``str -> list[str]``. It is given text without ASCII white space, once for each
distinct run of it, so clarity counts for more than speed here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache

from ..errors import TextError

Tokenizer = Callable[[str], list[str]]


def whitespace(text: str) -> list[str]:
    """Take text as one word, as it is: words are what white space separates.

    The same words as word2vec and gensim's ``LineSentence`` find.

    Parameters
    ----------
    text : str
        Text without ASCII white space.

    Returns
    -------
    list of str
        ``[text]``.
    """
    return [text]


def word(text: str) -> list[str]:
    """Find the words of prose: runs of letters, marks and decimal digits, in any script.

    The classes are Unicode's L*, M* and Nd. A word begins with a letter or a digit, so that a
    variation selector left by an emoji is not a word. As in Unicode's default word boundaries:

    - an apostrophe inside a word belongs to it (don't, l'eau), and ’ becomes ';
    - an underscore inside a word belongs to it, so that joined phrases (new_york) survive;
    - a hyphen separates, as does everything else: well-known is two words;
    - zero-width joiners inside a word belong to it (Persian and the scripts of India need them),
      and soft hyphens vanish.

    Unlike them, a run of Chinese characters or kana stays whole: pass a segmenter of your own.
    Characters are not composed: é as one code point and as two make different words.

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


TOKENIZERS: dict[str, Tokenizer] = {"word": word, "whitespace": whitespace}
"""The tokenizers known by name."""

_REWRITTEN = {ord("’"): "'", ord("\N{SOFT HYPHEN}"): None}
_JOINERS = "'_\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"

# Planes 4 to 13 are unassigned and 15 and 16 private; walking them would take most of the time.
_ASSIGNED = (range(0x40000), range(0xE0000, 0xE0200))


@cache
def _word_pattern() -> re.Pattern[str]:
    """Build the pattern of `word` from Unicode's categories, which `re` cannot name."""
    kinds = dict.fromkeys(["Lu", "Ll", "Lt", "Lm", "Lo", "Nd"], "s")  # may start a word
    kinds |= dict.fromkeys(["Mn", "Mc", "Me"], "m")  # marks: inside only
    kind_of = defaultdict(lambda: ".", kinds)
    spans: dict[str, str] = {"s+": "", "[sm]+": ""}
    for code_points in _ASSIGNED:
        categories = map(unicodedata.category, map(chr, code_points))
        text = "".join(map(kind_of.__getitem__, categories))
        for run in spans:
            for span in re.finditer(run, text):
                first, last = code_points[span.start()], code_points[span.end() - 1]
                spans[run] += f"\\U{first:08x}-\\U{last:08x}"
    start, inside = (f"[{ranges}]" for ranges in spans.values())
    return re.compile(f"{start}{inside}*(?:[{_JOINERS}]{inside}+)*")


def checked(tokenizer: Callable[[str], Iterable[str]]) -> Tokenizer:
    """Wrap a caller's own tokenizer so that what it raises or returns wrongly is a clear error.

    Parameters
    ----------
    tokenizer : callable
        Takes text, ought to return an iterable of words.

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
            reason = f"{type(error).__name__}: {error}"
            raise TextError(f"tokenizer {name} failed on {_shown(text)}: {reason}") from error
        if words is None or not all(isinstance(word, str) for word in words):
            raise TextError(
                f"tokenizer {name} returned {_shown(result)} for {_shown(text)}; "
                "return a list of strings"
            )
        return words

    return checked_tokenizer


def _shown(value: object) -> str:
    """Return a value's repr, cut to the width of a line."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"

"""Tables of floret, which cannot be read as word vectors: their rows are hashes of n-grams."""

from __future__ import annotations

import re
from typing import NoReturn

from ...errors import FormatError
from .base import VectorSource

_HEADER = re.compile(rb"\d+ \d+ \d+ \d+ [1-4] \d+ \S+ \S+ *\r?\n")


def fits(source: VectorSource) -> bool:
    """Tell whether the first line has floret's eight settings."""
    return _HEADER.match(source.head) is not None


def read(source: VectorSource) -> NoReturn:
    """Refuse it, and say what can be done."""
    raise FormatError(
        f"{source.name}: is a table of floret, whose rows are hashes of parts of words, not words; "
        "use it with 'spacy init vectors --mode floret', or have floret print the vectors of words"
    )

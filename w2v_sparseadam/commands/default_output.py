"""The name of a file of vectors that is not given one: that of the text."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path

import click

from ..text.reading.sources import STANDARD_INPUT, is_pattern
from ..vectors.formats.registry import DEFAULT_ENDING

# Of text, compressed or not: what a name may lose.
_ENDINGS = re.compile(
    r"(?<=.)(\.(txt|text|jsonl?|ndjson|csv|tsv|parquet))?(\.(gz|bz2|xz|zst))?$", re.IGNORECASE
)


def named_after(corpus: Sequence[str], ending: str = "") -> Path:
    """Return the file in this folder that is named after a corpus.

    A file gives its name without the ending of a text; a folder, a pattern, or several files of one
    other folder give the name of the folder. The ending is that of vectors by default.

    Raises
    ------
    UsageError
        If the corpus has no name, such as standard input.
    """
    first = corpus[0]
    is_stream = first == STANDARD_INPUT or first.startswith("/dev/")
    if is_stream:
        name = ""
    elif os.path.isdir(first):
        name = _folder_name(first)
    elif is_pattern(first) and not os.path.lexists(first):
        parts = Path(first).parts
        plain = next(k for k, part in enumerate(parts) if is_pattern(part))
        name = _folder_name(os.path.join(*parts[:plain]) if plain else os.curdir)
    else:
        folders = {os.path.dirname(path) for path in corpus}
        if len(set(corpus)) > 1 and len(folders) == 1 and folders != {""}:
            name = _folder_name(folders.pop())  # as from a pattern that the shell expanded
        else:
            name = _ENDINGS.sub("", os.path.basename(first), count=1)
    if not name.strip("."):
        raise click.UsageError(f"'{first}' gives the vectors no name; give one with -o")
    return Path(name + (ending or DEFAULT_ENDING))


def unused(path: Path) -> Path:
    """Return a path, with a number in its name if there is a file by now."""
    numbered = (path.with_stem(f"{path.stem}-{n}") for n in count(2))
    return next(free for free in chain([path], numbered) if not os.path.lexists(free))


def _folder_name(path: str) -> str:
    return os.path.basename(os.path.abspath(path))

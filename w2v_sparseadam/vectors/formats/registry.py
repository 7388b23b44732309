"""The formats of vectors there are, and which of them a source or an output has."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ...errors import SettingError
from ...system.paths import COMPRESSED_ENDINGS, compression_ending

if TYPE_CHECKING:
    from .base import FormatModule, VectorSource


class Format(NamedTuple):
    """What is known of a format without importing its module, and NumPy with it."""

    module: str
    name: str
    endings: tuple[str, ...] = ()  # of outputs in this format; none if it is only read

    def load(self) -> FormatModule:
        """Import the module."""
        return cast("FormatModule", import_module(self.module, __package__))


FORMATS = (
    Format(".run_folder", "folder of a run"),
    Format(".model_file", "model"),
    Format(".word2vec_text", "word2vec text", ("", ".vec", ".txt")),
    Format(".word2vec_binary", "word2vec binary", (".bin",)),
)
"""In the order of detection. Those of word2vec take what no other takes, and say what is wrong."""

DEFAULT_ENDING = ".vec"
"""That of an output which is not named."""

_ENDINGS_OF_TEXT = ("", ".txt")


def format_of(source: VectorSource) -> FormatModule:
    """Return the first format that fits the content of a source."""
    return next(module for each in FORMATS if (module := each.load()).fits(source))


def format_for(path: str | os.PathLike[str]) -> Format:
    """Return the format in which an output is written, by the extension of its name.

    Raises
    ------
    SettingError
        If vectors cannot be written in the format of the extension.
    """
    ending = compression_ending(path)
    inner = Path(os.fspath(path)[: -len(ending)] if ending else path).suffix.lower()
    for each in FORMATS:
        if inner in each.endings:
            return each
    known = ", ".join(ending for each in FORMATS for ending in each.endings if ending)
    raise SettingError(
        f"{path}: vectors cannot be written as {inner!r}; use one of the extensions "
        f"{known} or none, then {', '.join(COMPRESSED_ENDINGS)} to compress"
    )


def is_named_as_vectors(path: str) -> bool:
    """Tell whether a name has an extension that vectors have and text has not."""
    endings = {ending for each in FORMATS for ending in each.endings}
    return path.endswith(tuple(endings.difference(_ENDINGS_OF_TEXT)))


def written_formats() -> str:
    """Return the names and extensions of the formats that can be written, for a help text."""
    return " or ".join(
        f"{each.name} ({', '.join(filter(None, each.endings))})" for each in FORMATS if each.endings
    )

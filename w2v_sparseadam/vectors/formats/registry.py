"""The formats of vectors there are, and which of them a source or an output has."""

from __future__ import annotations

import importlib.util
import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast

from ...errors import FormatError, SettingError, W2VError, check_choice
from ...events import Warned
from ...system.paths import COMPRESSED_ENDINGS, compression_ending

if TYPE_CHECKING:
    from .base import Content, FormatModule, VectorSource


class Format(NamedTuple):
    """What is known of a format without importing its module, and NumPy with it."""

    module: str
    name: str
    title: str
    endings: tuple[str, ...] = ()  # of outputs in this format; none if it is only read
    is_text_like: bool = False  # one file, written from start to end: to a pipe, or compressed
    needs: str = ""  # the package that writes it
    extra: str = ""  # and the extra that installs that
    second: str = ""  # how the name of a second file ends
    keeps_counts: bool = False
    keeps_ngrams: bool = False  # so that vectors of unknown words can still be composed

    def load(self) -> FormatModule:
        """Import the module."""
        return cast("FormatModule", import_module(self.module, __package__))


FORMATS = (
    Format(".model2vec", "model2vec", "folder of a static model", (".model2vec",)),
    Format(".run_folder", "run", "folder of a run"),
    Format(
        ".model_file",
        "safetensors",
        "this package's safetensors",
        (".safetensors",),
        keeps_counts=True,
        keeps_ngrams=True,
    ),
    Format(
        ".fasttext",
        "fasttext",
        "fastText's model",
        (".fasttext",),
        keeps_counts=True,
        keeps_ngrams=True,
    ),
    Format(".npy", "npy", "NumPy's array, with a list of words", (".npy",), second=".words.txt"),
    Format(
        ".parquet",
        "parquet",
        "Parquet",
        (".parquet",),
        needs="pyarrow",
        extra="parquet",
        keeps_counts=True,
    ),
    Format(
        ".gensim_file",
        "gensim",
        "gensim's KeyedVectors",
        (".kv",),
        needs="gensim",
        extra="gensim",
        keeps_counts=True,
    ),
    Format(".floret", "floret", "table of floret"),
    Format(
        ".projector",
        "projector",
        "tables for TensorBoard's projector",
        (".tsv",),
        second="_metadata.tsv",
        keeps_counts=True,
    ),
    Format(".glove", "glove", "text without a header", (".glove",), True),
    Format(".word2vec_text", "text", "word2vec text", ("", ".vec", ".txt"), True),
    Format(".word2vec_binary", "binary", "word2vec binary", (".bin",), True),
)
"""In the order of detection. Those of word2vec take what no other takes, and say what is wrong."""

DEFAULT_ENDING = ".vec"
"""That of an output which is not named, …"""

ENDING_WITH_NGRAMS = ".safetensors"
"""… and of one with n-grams, which the other would lose."""

_ENDINGS_OF_TEXT = ("", ".txt", ".tsv", ".parquet")


def format_of(source: VectorSource, name: str | None = None) -> FormatModule:
    """Return the format with a name, or else the first that fits the content of a source.

    Raises
    ------
    FormatError
        If a source does not have the format with the name.
    """
    detected = next(each for each in FORMATS if each.load().fits(source))
    if name is None:
        return detected.load()
    named = _named(name)
    if named != detected and not _may_have(source, named, detected):
        seems = _seems(source, detected)
        raise FormatError(
            f"{source.name}: is not in the format {name} ({named.title})"
            f"{f', but seems to be {seems}' if seems else ''}"
        )
    return named.load()


def _may_have(source: VectorSource, named: Format, detected: Format) -> bool:
    """Tell whether a source may have a format that is not the one detected."""
    if not named.is_text_like:
        return False
    if named.name == "glove":  # its one-dimensional lines are not detected
        return detected.is_text_like or named.load().fits(source)
    if named.name == "binary" and detected.name == "text":
        from .word2vec_text import begins_with_rows

        return not begins_with_rows(source.head)
    return detected.name in {"text", "binary"}


def _seems(source: VectorSource, detected: Format) -> str:
    """Return what a source is, empty if that is not certain."""
    from ...runs.names import SETTINGS
    from ...text.reading.magic import kind_of
    from .word2vec import header_of

    if detected.name == "run" and not os.path.exists(os.path.join(source.path, SETTINGS)):
        return "a folder without vectors"
    if detected.name == "text" and header_of(source.head)[0] is None:
        return kind_of(source.head) or ""
    return f"{detected.name} ({detected.title})"


def _named(name: str) -> Format:
    check_choice("format", name, [each.name for each in FORMATS])
    return next(each for each in FORMATS if each.name == name)


def format_for(path: str | os.PathLike[str], name: str | None = None) -> Format:
    """Return the format in which an output is written, by its name or the extension of the path.

    Raises
    ------
    SettingError
        If vectors cannot be written in the format of the extension.
    W2VError
        If the package that writes the format is not installed, or a second file would overwrite
        what was not written with the first.
    """
    ending = compression_ending(path)
    inner = Path(os.fspath(path)[: -len(ending)] if ending else path).suffix.lower()
    if name is not None:
        found = _named(name)
        if not found.endings:
            raise SettingError(f"{path}: vectors cannot be written as {found.title}, only read")
    else:
        with_ending = [each for each in FORMATS if inner in each.endings]
        if not with_ending:
            known = ", ".join(ending for each in FORMATS for ending in each.endings if ending)
            raise SettingError(
                f"{path}: vectors cannot be written as {inner!r}; use one of the extensions "
                f"{known} or none, then {', '.join(COMPRESSED_ENDINGS)} to compress"
            )
        (found,) = with_ending
    if ending and not found.is_text_like:
        raise SettingError(f"{path}: {found.name} cannot be compressed; leave out {ending}")
    if found.needs and importlib.util.find_spec(found.needs) is None:
        raise W2VError(
            f"{path}: {found.title} needs the package {found.needs}; "
            f"pip install 'w2v-sparseadam[{found.extra}]'"
        )
    if found.second and not os.path.exists(path) and second_file(path, found.second).exists():
        raise W2VError(
            f"{second_file(path, found.second)}: exists, and may be no words of vectors; write "
            "elsewhere, or remove it"
        )
    return found


def second_file(path: str | os.PathLike[str], ending: str) -> Path:
    """Return the path of a file beside another: ``a/b.npy`` and ``.words.txt`` make one name."""
    return Path(path).with_name(Path(path).stem + ending)


def write(path: str | os.PathLike[str], content: Content, name: str | None = None) -> None:
    """Write vectors, whole or not at all; errors are those of `format_for` and of the format."""
    module = format_for(path, name).load()
    if content.n_words is None:
        from .base import Content

        content = Content.of(content.name, content.collected(), subwords=content.subwords)
    module.write(path, content)


def without_ngrams() -> Warned:
    """Return the warning that a format does not keep the n-grams."""
    keep = " or ".join(each.endings[0] for each in FORMATS if each.keeps_ngrams)
    return Warned(
        "only the words are written, not the n-grams that vectors of unknown words are composed of",
        f"write {keep} to keep them",
    )


def is_named_as_vectors(path: str) -> bool:
    """Tell whether a name has an extension that vectors have and text has not."""
    endings = {ending for each in FORMATS for ending in each.endings}
    return path.endswith(tuple(endings.difference(_ENDINGS_OF_TEXT)))


def written_formats() -> str:
    """Return the names and extensions of the formats that can be written, for a help text."""
    return ", ".join(
        f"{each.name} ({', '.join(filter(None, each.endings))})"
        for each in reversed(FORMATS)
        if each.endings
    )

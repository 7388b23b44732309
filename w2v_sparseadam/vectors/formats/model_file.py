"""The file of a model, in the format safetensors: all that was trained, on what, and how.

``counts`` and ``word_ends`` are int64, ``NAME_vectors`` of each table float32, and ``words`` are
bytes of UTF-8, of which word i ends before byte ``word_ends[i]``. ``__metadata__`` has the settings
and the history as JSON, and a checksum. Vectors that come without a model are one array,
``vectors``; there are no settings then, and ``counts`` if they are known. Of vectors that are
composed of n-grams, ``ngram_vectors`` has those of the n-grams, ``ngram_buckets`` (int64) their
buckets unless each has a row, and ``ngrams`` in the JSON the settings.

The package safetensors reads such a file, but is not needed to: with NumPy it copies what it reads,
so that an array takes twice its memory, and the files of checkpoints have the same format.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import FormatError, SettingError, ShapeError, W2VError
from ...objectives.settings import ObjectiveSettings
from ...runs.checkpoint_file import load_checkpoint, write_checkpoint
from ...runs.sealed_json import plain
from ...runs.settings import objective_of
from ..subwords import Subwords
from .base import Block, Content, VectorSource, check_names_a_file

ENDING = ".safetensors"
_FORMAT = 1
_OF_NGRAMS = ("min_n", "max_n", "n_buckets")
_MOST_HEADER_BYTES = 1 << 32  # what is more is word2vec's text, or a model of fastText


class ModelFile(NamedTuple):
    """What a file holds; arrays are mapped into memory and read-only."""

    words: list[str]
    counts: np.ndarray
    tables: dict[str, np.ndarray]
    objective: ObjectiveSettings
    about: dict[str, Any]


def fits(source: VectorSource) -> bool:
    """Tell whether the first bytes are those of a file in the format safetensors."""
    return _starts_like_a_model(source.head)


def _starts_like_a_model(head: bytes) -> bool:
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < _MOST_HEADER_BYTES


def read(source: VectorSource) -> Content:
    """Return words and vectors, of a model those that its objective gives by default.

    The matrix is mapped into memory. The checksum is left to `read_model`: to read a file of a
    gigabyte takes longer than a question.
    """
    source.check_plain_file("a model")
    arrays, about = _load(source.path, check=False)
    if "settings" not in about:
        words, vectors, counts = _vectors_alone(arrays, source.path)
        subwords = _subwords(arrays, about, source.path)
        return Content.of(source.name, Block(words, vectors, counts), subwords=subwords)
    model = _model(arrays, about, source.path)
    asked = model.tables, model.objective.kinds[0], model.words
    block = Block(model.words, model.objective.vectors(*asked), model.counts)
    subwords = Subwords.of_model(model.objective, *asked)
    return Content.of(source.name, block, lambda: model, subwords)


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a whole model where the vectors are part of one, else the vectors and counts."""
    check_names_a_file(path, "safetensors")
    if content.model is not None:
        for _ in content.pieces():  # so that words and numbers are checked
            pass
        model = content.model()
        _write_model(path, model.words, model.counts, model.tables, model.about)
        return
    words, rows, counts = content.collected()
    arrays: dict[str, np.ndarray] = {"vectors": rows}
    if counts is not None:
        arrays["counts"] = np.asarray(counts, np.int64)
    about = {}
    if (subwords := content.subwords) is not None:
        if not np.isfinite(subwords.matrix).all():
            raise FormatError(f"{path}: vectors of n-grams hold numbers that are not finite")
        arrays["ngram_vectors"] = subwords.matrix
        if subwords.buckets is not None:
            arrays["ngram_buckets"] = subwords.buckets
        about["ngrams"] = {name: getattr(subwords, name) for name in _OF_NGRAMS}
    _write(path, arrays, words, about)


def write_model(
    path: str | os.PathLike[str],
    words: Sequence[str],
    counts: np.ndarray,
    tables: Mapping[str, np.ndarray],
    about: Mapping[str, Any],
) -> None:
    """Write a file, whole or not at all; ``about`` has the ``settings`` and what JSON can hold."""
    if Path(path).suffix.lower() != ENDING:
        raise SettingError(f"{path}: a model is written as safetensors; end the name in {ENDING}")
    _write_model(path, words, counts, tables, about)


def _write_model(
    path: str | os.PathLike[str],
    words: Sequence[str],
    counts: np.ndarray,
    tables: Mapping[str, np.ndarray],
    about: Mapping[str, Any],
) -> None:
    arrays = {"counts": np.asarray(counts, np.int64)}
    _write(
        path, arrays | {f"{name}_vectors": table for name, table in tables.items()}, words, about
    )


def _write(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    words: Sequence[str],
    about: Mapping[str, Any],
) -> None:
    encoded = [word.encode("utf-8", "surrogatepass") for word in words]
    arrays = {
        **arrays,
        "word_ends": np.cumsum([len(word) for word in encoded], dtype=np.int64),
        "words": np.frombuffer(b"".join(encoded), np.uint8),  # last: the others are aligned
    }
    target = os.path.realpath(path) if os.path.islink(path) else path  # a link stays one
    write_checkpoint(target, arrays, plain({"format": _FORMAT, **about}))


def read_model(path: str | os.PathLike[str]) -> ModelFile:
    """Read a file that `write_model` wrote, once its checksum is seen to be right.

    Raises
    ------
    FormatError
        If it is damaged, or holds no model.
    W2VError
        If it cannot be read.
    """
    if os.path.isdir(path):
        raise W2VError(
            f"{path}: is a folder, not the file of a model; of a run, resume() returns the model, "
            "and Vectors.load() the vectors"
        )
    arrays, about = _load(path, check=True)
    if "settings" not in about and "vectors" in arrays:
        raise FormatError(f"{path}: has vectors, but no model; Vectors.load reads them")
    model = _model(arrays, about, path)
    if len(set(model.words)) < len(model.words):
        raise FormatError(f"{path}: is damaged: it has a word twice")
    return model


def _load(
    path: str | os.PathLike[str], check: bool
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the arrays of a file and what it says of them."""
    try:
        arrays, about = load_checkpoint(path, check)
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    except FormatError:
        with open(path, "rb") as stream:
            if _starts_like_a_model(stream.read(9)):
                raise
        raise FormatError(f"{path}: is not a saved model; Vectors.load reads vectors") from None
    if not isinstance(about, dict) or "format" not in about:
        raise FormatError(f"{path}: holds no model; of a checkpoint, name the folder of its run")
    if about["format"] != _FORMAT:
        found = f"{about['format']!r:.40}"
        raise FormatError(f"{path}: is a model of format {found}, but this version reads {_FORMAT}")
    return arrays, about


def _model(
    arrays: Mapping[str, np.ndarray], about: dict[str, Any], path: str | os.PathLike[str]
) -> ModelFile:
    """Return a model whose arrays fit together."""
    try:
        objective = objective_of(about["settings"], path)
        words = _words(arrays["words"], arrays["word_ends"])
        counts = arrays["counts"]
        shapes = {table.name: (table.n_rows, objective.dim) for table in objective.tables(words)}
        tables = {name: arrays[f"{name}_vectors"] for name in shapes}
        fits = [_is(counts, np.int64, (len(words),))]
        fits += [_is(table, np.float32, shapes[name]) for name, table in tables.items()]
        if not all(fits) or counts.min() < 0:
            raise ValueError("its arrays do not fit together")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: is damaged: {error!r:.80}") from None
    return ModelFile(words, counts, tables, objective, about)


def _vectors_alone(
    arrays: Mapping[str, np.ndarray], path: str | os.PathLike[str]
) -> tuple[list[str], np.ndarray, np.ndarray | None]:
    """Return words, vectors and counts that fit together."""
    try:
        words = _words(arrays["words"], arrays["word_ends"])
        vectors, counts = arrays["vectors"], arrays.get("counts")
        fits = [_is(vectors, np.float32, (len(words), *vectors.shape[1:2]))]
        if counts is not None:
            fits.append(_is(counts, np.int64, (len(words),)) and counts.min() >= 0)
        if not all(fits) or vectors.size == 0:
            raise ValueError("its arrays do not fit together")
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: is damaged: {error!r:.80}") from None
    return words, vectors, counts


def _subwords(
    arrays: Mapping[str, np.ndarray], about: dict[str, Any], path: str | os.PathLike[str]
) -> Subwords | None:
    """Return the n-grams that the vectors are composed of, if there are any."""
    if "ngrams" not in about:
        return None
    try:
        min_n, max_n, n_buckets = (index(about["ngrams"][name]) for name in _OF_NGRAMS)
        vectors, buckets = arrays["ngram_vectors"], arrays.get("ngram_buckets")
        dim = arrays["vectors"].shape[1]
        fits = [_is(vectors, np.float32, (*vectors.shape[:1], dim))]
        if buckets is not None:
            fits.append(_is(buckets, np.int64, vectors.shape[:1]))
        if not all(fits):
            raise ValueError("its arrays do not fit together")
        return Subwords.of(vectors, min_n, max_n, n_buckets, buckets)
    except ShapeError as error:
        raise FormatError(f"{path}: is damaged: {error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path}: is damaged: {error!r:.80}") from None


def _is(array: np.ndarray, dtype: type, shape: tuple[int, ...]) -> bool:
    """Tell whether an array has this type and shape."""
    return array.dtype == dtype and array.shape == shape


def _words(data: np.ndarray, ends: np.ndarray) -> list[str]:
    """Return the words in an array of bytes; a ValueError if there are none."""
    if data.dtype != np.uint8 or ends.dtype != np.int64 or data.ndim != 1 or ends.ndim != 1:
        raise ValueError("its words are no bytes")
    starts = np.concatenate(([0], ends[:-1]))
    if not ends.size or (starts >= ends).any() or ends[-1] != data.size:
        raise ValueError("its words do not end where it says")
    text = data.tobytes().decode("utf-8", "surrogatepass")
    # A character begins with any byte but those of the form 10xxxxxx.
    is_first = (data & 0xC0) != 0x80
    if not is_first[starts].all():
        raise ValueError("its words end within a character")
    stops = np.cumsum(is_first)[ends - 1].tolist()
    return [text[start:stop] for start, stop in zip([0, *stops], stops, strict=False)]

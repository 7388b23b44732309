"""The files of gensim's ``KeyedVectors.save``, which are Python pickles.

A pickle can run any code. So gensim writes one, but does not read it: each class and function that
the pickle names is replaced by a class that keeps what it is given, and does nothing.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, W2VError, counted
from ...system.files import write_result
from .base import Block, Content, VectorSource, check_names_a_file
from .npy import as_float32, mapped_array
from .word2vec import PIECE_BYTES

_PROTOCOLS = range(2, 6)
_ADVICE = "gensim's save_word2vec_format writes what can be read"


class _Inert:
    """Stands for any object in a pickle."""

    name = ""

    def __new__(cls, *args: Any, **_: Any) -> _Inert:
        made = super().__new__(cls)
        made.args, made.state = args, None
        return made

    args: tuple[Any, ...]
    state: Any

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def keep(self, *_: Any) -> None:
        """Take an entry of a list, a set or a mapping, and drop it."""

    append = extend = add = __setitem__ = keep


# The one in Python: that in C makes room for as many objects as the pickle claims to have.
class _Unpickler(pickle._Unpickler):
    dispatch = {  # noqa: RUF012
        code: load
        for code, load in pickle._Unpickler.dispatch.items()
        if code != pickle.BYTEARRAY8[0]  # its room, too, is made before it is read
    }

    def find_class(self, module: str, name: str) -> type[_Inert]:
        return type("Inert", (_Inert,), {"name": name})


class _Pieces:
    """A stream that makes room for what it reads, not for what it is asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.readline = stream.readline

    def read(self, n_bytes: int) -> bytes:
        """Return this many bytes, or those that are left."""
        pieces = []
        while n_bytes > 0 and (piece := self._stream.read(min(n_bytes, PIECE_BYTES))):
            pieces.append(piece)
            n_bytes -= len(piece)
        return b"".join(pieces)


def fits(source: VectorSource) -> bool:
    """Tell whether the first bytes are those of a pickle."""
    return source.head[:1] == b"\x80" and source.head[1:2] != b"" and source.head[1] in _PROTOCOLS


def read(source: VectorSource) -> Content:
    """Return the words, vectors and counts of `KeyedVectors`, or of a model that has them."""
    name = source.name
    try:
        found = _Unpickler(_Pieces(source.stream)).load()
    except W2VError:
        raise
    except Exception as error:  # what a broken pickle raises is not limited
        raise FormatError(
            f"{name}: is a Python pickle that cannot be read ({error!r:.60}); {_ADVICE}"
        ) from None
    state, prefix = _state(found), ""
    if "wv" in state:
        state, prefix = _state(state["wv"]), ".wv"
    words = state.get("index_to_key", state.get("index2word"))
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise FormatError(f"{name}: is a Python pickle, not gensim's KeyedVectors; {_ADVICE}")
    if state.get("vectors") is None and "vectors" in (state.get("__numpys") or ()):
        source.check_plain_file("gensim's KeyedVectors")
        path = f"{os.fspath(source.path)}{prefix}.vectors.npy"
        if not os.path.exists(path):
            raise FormatError(f"{name}: its vectors are missing, which were in {path}")
        matrix = mapped_array(path, path)
    elif state.get("vectors") is None:  # as in gensim's FastText
        raise FormatError(
            f"{name}: has vectors of parts of words only, to compute others from; {_ADVICE}"
        )
    else:
        matrix = as_float32(_array(state["vectors"], name))
    if matrix.ndim != 2 or len(matrix) != len(words) or matrix.size == 0:
        n_words = counted(len(words), "word")
        raise FormatError(f"{name}: has {n_words}, but vectors of shape {matrix.shape}")
    return Content.of(name, Block(words, matrix, _counts(state, len(words), name)))


def _state(thing: Any) -> dict[Any, Any]:
    """Return the attributes of an object."""
    state = getattr(thing, "state", None)
    return state if isinstance(state, dict) else {}


def _counts(state: dict[Any, Any], n_words: int, name: str) -> NDArray[np.int64] | None:
    expandos = state.get("expandos")
    if not isinstance(expandos, dict) or not isinstance(expandos.get("count"), _Inert):
        return None
    counts = _array(expandos["count"], name)
    if counts.shape != (n_words,) or counts.dtype.kind != "i" or counts.min() < 0:
        return None
    return counts.astype(np.int64)


def _array(thing: Any, name: str) -> NDArray[Any]:
    """Return the array that an object stands for."""
    try:
        if thing.name == "_frombuffer":
            data, kind, shape, order = thing.args
        else:
            _, shape, kind, is_fortran, data = thing.state
            order = "F" if is_fortran else "C"
        dtype = np.dtype(kind.args[0]).newbyteorder(kind.state[1])
        if dtype.kind not in "fi" or not isinstance(data, bytes):
            raise ValueError("it is no array of numbers")
        return np.frombuffer(data, dtype).reshape(shape, order=order)
    except (AttributeError, TypeError, ValueError, IndexError, KeyError) as error:
        raise FormatError(f"{name}: has an array that cannot be read ({error!r:.60})") from None


def as_gensim(
    words: Sequence[str], matrix: NDArray[np.float32], counts: NDArray[np.int64] | None
) -> Any:
    """Return a copy as gensim's ``KeyedVectors``.

    Raises
    ------
    W2VError
        If gensim is not installed.
    """
    try:
        from gensim.models import KeyedVectors
    except ImportError:
        raise W2VError("gensim is not installed; pip install gensim") from None
    vectors = KeyedVectors(matrix.shape[1])
    vectors.add_vectors(list(words), matrix)
    if counts is not None:
        vectors.allocate_vecattrs(attrs=["count"], types=[np.int64])
        vectors.expandos["count"][:] = counts
    return vectors


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write what ``KeyedVectors.load`` reads, in one file."""
    check_names_a_file(path, "gensim")
    vectors = as_gensim(*content.collected())
    vectors.lifecycle_events = None  # else the time and the path were in the file
    with write_result(path) as stream:
        vectors.save(stream)

"""A matrix of NumPy's, ``NAME.npy``, with the words beside it in ``NAME.words.txt``."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, counted
from ...system.files import write_result
from .base import Block, Content, VectorSource, check_names_a_file
from .registry import second_file
from .word_list import decoded, read_lines

_MAGIC = b"\x93NUMPY"
_WORDS = ".words.txt"


def fits(source: VectorSource) -> bool:
    """Tell whether the first bytes are those of an array of NumPy's."""
    return source.head.startswith(_MAGIC)


def read(source: VectorSource) -> Content:
    """Return the words and the matrix, which is mapped into memory."""
    source.check_plain_file("an array of NumPy's")
    matrix = mapped_array(source.path, source.name)
    path = second_file(source.path, _WORDS)
    words = decoded(read_lines(path, source.name), path, 1)
    if len(words) != len(matrix):
        n_rows, n_words = counted(len(matrix), "row"), counted(len(words), "word")
        raise FormatError(f"{source.name}: has {n_rows}, but {path} {n_words}")
    return Content.of(source.name, Block(words, matrix))


def mapped_array(path: str | os.PathLike[str], name: str) -> NDArray[np.float32]:
    """Return a matrix of floating-point numbers, mapped into memory if it is of float32."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # the header is parsed as Python, so much can be raised
        reason = repr(str(error).partition("\n")[0])
        raise FormatError(f"{name}: is not a whole array of NumPy's ({reason:.80})") from None
    if array.ndim != 2 or array.dtype.kind != "f" or array.size == 0:
        raise FormatError(
            f"{name}: expected a matrix of floating-point numbers, found shape {array.shape} of "
            f"{array.dtype}"
        )
    return as_float32(array)


def as_float32(array: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return a contiguous matrix of float32; numbers too large for it become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(array, np.float32)


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write both files."""
    check_names_a_file(path, "npy")
    header = {"descr": "<f4", "fortran_order": False, "shape": (content.n_words, content.dim)}
    with write_result(second_file(path, _WORDS)) as words, write_result(path) as matrix:
        np.lib.format.write_array_header_1_0(matrix, header)
        for block in content.pieces():
            words.write("".join(f"{word}\n" for word in block.words).encode())
            matrix.write(np.ascontiguousarray(block.rows, "<f4").data)

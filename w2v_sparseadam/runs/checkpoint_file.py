"""Checkpoints: named arrays and a JSON state in one file, whole and provably so.

The format is safetensors, which other tools read: the length of the header (8 bytes,
little-endian), the header (JSON: the type, shape and place of each array), then the arrays. Its
``__metadata__`` holds the state and a SHA-256 of the whole file, taken while the digest itself
was 64 zeros. Arrays are written and read a piece at a time, so that none is held twice.

References
----------
https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
from collections.abc import Callable, Iterator, Mapping
from operator import index
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar

import numpy as np

from ..errors import FormatError, W2VError
from ..system.files import replace_file
from ..system.memory import lacks_memory
from .names import resume_command, sync_folder
from .sealed_json import is_bounded

_TYPES: dict[str, np.dtype] = {
    "F32": np.dtype("<f4"),
    "I64": np.dtype("<i8"),
    "U8": np.dtype("u1"),
}
_PIECE = 1 << 20
_MOST_HEADER_BYTES = 1 << 25
_DIGEST = re.compile(rb'"sha256": ?"([0-9a-f]{64})"')
_MOST_LOOKS = 10
_NAME = re.compile(r"(step|best)-[0-9]+\.safetensors")

_Read = TypeVar("_Read")

Arrays = Mapping[str, np.ndarray]
"""Arrays of float32, int64 or uint8 by name."""


def write_checkpoint(path: str | os.PathLike[str], arrays: Arrays, state: Any) -> None:
    """Write a file, whole or not at all; when this returns, it outlives a power cut.

    Parameters
    ----------
    path : path-like
    arrays : mapping of str to ndarray
        float32, int64 or uint8, contiguous or not.
    state : object
        Anything that JSON can hold.

    Raises
    ------
    W2VError
        If the file cannot be written; see `replace_file`. If the state is very long.
    """
    entries: dict[str, Any] = {"__metadata__": {"state": json.dumps(state), "sha256": "0" * 64}}
    stop = 0
    for name, array in arrays.items():
        start, stop = stop, stop + array.nbytes
        kind = next(kind for kind, dtype in _TYPES.items() if dtype == array.dtype)
        entries[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [start, stop]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    if len(header) > _MOST_HEADER_BYTES:
        raise W2VError(
            f"{path}: its settings take {len(header):,} bytes, but at most {_MOST_HEADER_BYTES:,} "
            "can be written; name files of words rather than the words"
        )
    start_of_file = len(header).to_bytes(8, "little") + header
    digest = hashlib.sha256(start_of_file)
    with replace_file(Path(path)) as stream:
        stream.write(start_of_file)
        for array in arrays.values():
            for piece in _pieces(array):
                little = np.ascontiguousarray(piece, piece.dtype.newbyteorder("<"))
                digest.update(little.data.cast("B"))
                stream.write(little.data.cast("B"))
        found = _DIGEST.search(start_of_file)
        assert found
        stream.seek(found.start(1))
        stream.write(digest.hexdigest().encode())
    sync_folder(Path(path).parent)


def read_checkpoint(path: str | os.PathLike[str], arrays: Arrays) -> Any:
    """Fill arrays from a file, once its checksum is seen to be right, and return its state.

    Parameters
    ----------
    path : path-like
    arrays : mapping of str to ndarray
        The names, types and shapes that the file must have. Filled in place, or left as they
        are if an exception is raised before the file proves to be good.

    Raises
    ------
    FormatError
        If the file is cut short, changed or not a checkpoint of these arrays.
    """
    with open(path, "rb") as stream:
        header = _read_header(stream, path)
        for name, array in arrays.items():
            if header.arrays.get(name) != (array.dtype, array.shape):
                raise FormatError(f"{path}: '{name}' is not the array that this run has")
        if len(header.arrays) > len(arrays):
            raise FormatError(f"{path}: holds other arrays than this run has")
        _fill(stream, {name: arrays[name] for name in header.arrays})
    return header.state


def load_checkpoint(
    path: str | os.PathLike[str], check: bool = True
) -> tuple[dict[str, np.ndarray], Any]:
    """Return what a file holds, once its checksum is seen to be right.

    Parameters
    ----------
    path : path-like
    check : bool
        Whether to compare the checksum, for which the whole file is read.

    Returns
    -------
    arrays : dict of str to ndarray
        float32, int64 or uint8, mapped into memory and read-only.
    state : object
        What JSON can hold.

    Raises
    ------
    FormatError
        If the file is cut short, changed or no checkpoint.
    """
    with open(path, "rb") as stream:
        header = _read_header(stream, path, check)
        start = stream.tell()
        mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    arrays: dict[str, np.ndarray] = {}
    for name, (dtype, shape) in header.arrays.items():
        arrays[name] = np.frombuffer(mapped, dtype, math.prod(shape), start).reshape(shape)
        start += arrays[name].nbytes
    return arrays, header.state


class OpenCheckpoint:
    """A checkpoint whose checksum was right when it was opened, to read some of its arrays."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        try:
            header = _read_header(self._stream, path)
        except BaseException:
            self._stream.close()
            raise
        self.state, self._arrays, self._start = header.state, header.arrays, self._stream.tell()

    def __enter__(self) -> OpenCheckpoint:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stream.close()

    def read(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Return an array of float32, read into memory.

        Raises
        ------
        FormatError
            If there is none of this name and shape.
        W2VError
            If it is more than memory can hold.
        """
        if self._arrays.get(name) != (_TYPES["F32"], shape):
            raise FormatError(f"{self._path}: '{name}' is not the array that this run has")
        place = self._start
        for other, (dtype, its_shape) in self._arrays.items():
            if other == name:
                break
            place += dtype.itemsize * math.prod(its_shape)
        if lacking := lacks_memory(4 * math.prod(shape)):
            raise W2VError(f"{self._path}: '{name}': {lacking}")
        array = np.empty(shape, np.float32)
        self._stream.seek(place)
        _fill(self._stream, {name: array})
        return array


class _Header(NamedTuple):
    """What a file says of itself."""

    arrays: dict[str, tuple[np.dtype, tuple[int, ...]]]  # in the order of the file
    state: Any


def _read_header(stream: BinaryIO, path: str | os.PathLike[str], check: bool = True) -> _Header:
    """Return the header of a file whose checksum and size fit, and go to its first array."""
    size = os.fstat(stream.fileno()).st_size
    n_header = int.from_bytes(stream.read(8), "little")
    if not 2 <= n_header <= min(size - 8, _MOST_HEADER_BYTES):
        raise FormatError(f"{path}: is damaged (its header cannot be {n_header} bytes long)")
    header = stream.read(n_header)
    found = _DIGEST.search(header)
    if found is None:
        raise FormatError(f"{path}: is damaged, or no checkpoint (it has no checksum)")
    digest = hashlib.sha256(n_header.to_bytes(8, "little"))
    digest.update(header[: found.start(1)] + b"0" * 64 + header[found.end(1) :])
    while check and (piece := stream.read(_PIECE)):
        digest.update(piece)
    if check and digest.hexdigest().encode() != found[1]:
        raise FormatError(f"{path}: is damaged (its checksum does not fit)")
    arrays: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
    stop = 0
    try:
        entries = json.loads(header)
        state = json.loads(entries.pop("__metadata__")["state"])
        if not is_bounded(state):
            raise ValueError("its state has numbers that no run has")
        for name, entry in entries.items():
            dtype, shape = _TYPES[entry["dtype"]], tuple(map(index, entry["shape"]))
            start, stop = stop, stop + dtype.itemsize * math.prod(shape)
            if not _is_possible(shape):
                raise ValueError(f"{name} has a shape that no array has")
            if entry["data_offsets"] != [start, stop]:
                raise ValueError(f"{name} is not where the array before it ends")
            arrays[name] = dtype, shape
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise FormatError(f"{path}: has a header that cannot be read ({error!r:.80})") from None
    if size != 8 + n_header + stop:
        raise FormatError(f"{path}: is damaged (its arrays take {stop} bytes by its header)")
    stream.seek(8 + n_header)
    return _Header(arrays, state)


def _is_possible(shape: tuple[int, ...]) -> bool:
    """Tell whether an array can have a shape: NumPy bounds those of empty arrays, too."""
    return (
        len(shape) <= 8 and min(shape, default=0) >= 0 and math.prod(filter(None, shape)) < 1 << 48
    )


def _fill(stream: BinaryIO, arrays: Arrays) -> None:
    """Read arrays that stand one after the other."""
    for array in arrays.values():
        for rows in _pieces(array):
            rows[...] = _read_piece(stream, rows)


def _pieces(array: np.ndarray) -> Iterator[np.ndarray]:
    """Cut an array into views of some of its rows."""
    if array.size:
        n_rows = max(1, _PIECE * len(array) // array.nbytes)
        for first in range(0, len(array), n_rows):
            yield array[first : first + n_rows]


def _read_piece(stream: BinaryIO, like: np.ndarray) -> np.ndarray:
    return np.frombuffer(stream.read(like.nbytes), like.dtype.newbyteorder("<")).reshape(like.shape)


def last_checkpoint(folder: Path) -> tuple[dict[str, np.ndarray], Any]:
    """Return what the last good checkpoint of a folder holds; see `load_checkpoint`.

    Raises
    ------
    FormatError
        If none is good.
    W2VError
        If there is none.
    """
    return from_last(folder, load_checkpoint)


def last_state(folder: Path) -> Any:
    """Return the state alone that `last_checkpoint` would return."""

    def state(path: Path) -> Any:
        with open(path, "rb") as stream:
            return _read_header(stream, path).state

    return from_last(folder, state)


def from_last(folder: Path, read: Callable[[Path], _Read]) -> _Read:
    """Return what a function reads from the last checkpoint of a folder that it finds to be good.

    Raises
    ------
    FormatError
        If none is good.
    W2VError
        If there is none.
    """
    failure: Exception = W2VError(
        f"{folder}: has no checkpoint yet; go on with its run first: "
        f"{resume_command(folder.parent)}"
    )
    paths = checkpoint_paths(folder)
    for _ in range(_MOST_LOOKS):
        for path in reversed(paths):
            try:
                return read(path)
            except FormatError as error:
                failure = error
            except OSError as error:
                failure = W2VError(f"{path}: cannot be read ({error.strerror})")
        if paths == (now := checkpoint_paths(folder)):
            break
        paths = now  # a run in training has replaced them meanwhile
    raise failure


def checkpoint_paths(folder: Path) -> list[Path]:
    """Return the checkpoints in a folder, the oldest first."""
    return _numbered(folder, "step-*.safetensors")


def best_paths(folder: Path) -> list[Path]:
    """Return the files of the best epoch in a folder: one, or two if a process was killed."""
    return _numbered(folder, "best-*.safetensors")


def _numbered(folder: Path, pattern: str) -> list[Path]:
    return sorted((path for path in folder.glob(pattern) if is_checkpoint(path.name)), key=step_of)


def path_of(folder: Path, step: int) -> Path:
    """Return where the checkpoint of a step is."""
    return folder / f"step-{step:012}.safetensors"


def best_path_of(folder: Path, epoch: int) -> Path:
    """Return where the vectors of an epoch are, while it is the best."""
    return folder / f"best-{epoch:06}.safetensors"


def is_checkpoint(name: str) -> bool:
    """Return whether a file in the folder of the checkpoints is one of a run, by its name."""
    return _NAME.fullmatch(name) is not None


def step_of(path: Path) -> int:
    """Return the step of a checkpoint, or the epoch of what is kept of the best, by its name."""
    return int(path.stem.partition("-")[2])

"""Temporary files: the types of a text, and its word ids."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np

from ...errors import TextError

if TYPE_CHECKING:
    from .word_id_map import TypedText


class TemporaryFile:
    """A temporary file without a name, so that nothing is left behind."""

    def __init__(self, directory: str | os.PathLike[str] | None) -> None:
        self.n_bytes = 0
        self._lock = Lock()
        try:
            self._directory = os.fspath(tempfile.gettempdir() if directory is None else directory)
            self._file = tempfile.TemporaryFile(  # noqa: SIM115 (closed by __exit__)
                buffering=0, dir=self._directory
            )
        except OSError as error:
            raise TextError(
                f"{directory or 'temporary directory'}: cannot hold temporary files: "
                f"{error.strerror}; set TMPDIR to a directory that can"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def write_at(self, place: int, arrays: Iterable[np.ndarray], n_bytes_needed: float) -> None:
        """Write arrays one after another; the error for a full disk says how much is needed.

        Several threads may write at once, each to another place.
        """
        try:
            with self._lock:
                self._file.seek(place)
                for array in arrays:
                    left = array.view(np.uint8).data
                    while left:
                        n_written = self._file.write(left)
                        self.n_bytes += n_written
                        left = left[n_written:]
        except OSError as error:
            raise self._no_room(error, n_bytes_needed) from error

    def clear(self) -> None:
        """Free the disk space."""
        self._file.truncate(0)

    def beside(self, n: int) -> np.ndarray:
        """Return n zeros, int32, in another such file, mapped into memory."""
        with TemporaryFile(self._directory) as file:
            try:
                if hasattr(os, "posix_fallocate"):
                    # Otherwise writing to the map would kill the process when the disk is full.
                    os.posix_fallocate(file._file.fileno(), 0, 4 * n)
                else:
                    file._file.truncate(4 * n)
            except OSError as error:
                raise self._no_room(error, self.n_bytes + 4 * n) from error
            return np.frombuffer(mmap.mmap(file._file.fileno(), 0), np.int32)

    def _no_room(self, error: OSError, n_bytes_needed: float) -> TextError:
        return TextError(
            f"{self._directory}: cannot hold the temporary word ids: {error.strerror}; they "
            f"need about {n_bytes_needed:,.0f} bytes; set TMPDIR to a directory with room"
        )

    def map(self) -> np.ndarray:
        """Return the int32 numbers written, mapped into memory, read-only; at least one."""
        return np.frombuffer(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ), np.int32)


class TypeFile(TemporaryFile):
    """The types of the text's tokens, piece after piece.

    A piece is two int32, how many types and tokens it has; the numbers of the types, int32; and
    for each token the place of its type among them, uint16.
    """

    def write(
        self, types: np.ndarray, numbers: np.ndarray, place: int, n_bytes_needed: float
    ) -> None:
        """Write a piece; see `write_at`."""
        sizes = np.array([types.size, numbers.size], np.int32)
        self.write_at(place, [sizes, types, numbers], n_bytes_needed)

    def pieces(self) -> Iterator[TypedText]:
        """Yield what was written, from its start."""
        from .scanner import LINE_MARK
        from .word_id_map import TypedText

        self._file.seek(0)
        while (sizes := np.fromfile(self._file, np.int32, 2)).size:
            types = np.fromfile(self._file, np.int32, sizes[0])
            yield TypedText(np.fromfile(self._file, np.uint16, sizes[1]), LINE_MARK, types)

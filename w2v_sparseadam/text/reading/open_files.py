"""Files that the caller has opened."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from typing import Any

from .sources import Source


@dataclass(frozen=True, eq=False)
class OpenFile(Source):
    """A file object in binary mode, which is read from its current position and stays open.

    Attributes
    ----------
    file : file object
        Has ``read``, and maybe ``readinto``.
    """

    file: Any

    @classmethod
    def of(cls, file: Any) -> OpenFile:
        """Return the source for a file object."""
        name = getattr(file, "name", None)
        path = os.path.abspath(name) if isinstance(name, str) else "<open file>"
        return cls(path, None, (-1, id(file)), file)

    @property
    def absolute_path(self) -> str:
        """Its path, if it has one, from which it cannot be read again."""
        return self.path

    def open(self) -> Any:
        """Return a file that can be closed without closing the caller's."""
        return _Borrowed(self.file)


class _Borrowed(io.RawIOBase):
    """Reads from a file object that it does not close."""

    def __init__(self, file: Any) -> None:
        self._read = file.read

    def readinto(self, view: Any, /) -> int | None:
        """Read some bytes into ``view``; return how many, 0 at the end, None before there are."""
        data = self._read(len(view))
        if data is None:
            return None
        view[: len(data)] = data
        return len(data)

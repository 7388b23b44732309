"""A lock on a folder, held by one process at a time.

Not by filelock 4.3 or portalocker 4.4: each would replace the one call of ``flock``, and leave the
holder's name, the refusal of links and all messages to be written here.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import IO

from ..errors import W2VError
from .files import not_a_link

_WITHOUT_LOCK = "give `lock=False`, and see to it that no other process trains in the folder"


def lock_folder(path: Path) -> tuple[IO[bytes], str | None]:
    """Lock a folder until the file returned is closed; name the process that died holding it."""
    try:
        import fcntl
    except ImportError:
        raise W2VError(
            f"{path}: this system has no file locks (POSIX flock)",
            _WITHOUT_LOCK,
        ) from None
    try:
        stream = open(  # noqa: SIM115 (held until close)
            path / "lock", "a+b", buffering=0, opener=not_a_link
        )
    except OSError as error:
        raise W2VError(
            f"{path}: cannot be written ({error.strerror}); name another folder"
        ) from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = _name_in(stream) or "another process"
        stream.close()
        if not isinstance(error, BlockingIOError):
            raise W2VError(
                f"{path}: its file system has no locks ({error.strerror})",
                _WITHOUT_LOCK,
            ) from error
        raise W2VError(
            f"{path}: {holder} is training in it; wait for its end, or stop it"
        ) from None
    dead = _name_in(stream)
    try:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError as error:
        stream.close()
        raise W2VError(f"{path}: cannot be locked ({error.strerror}); free some room") from error
    return stream, dead


def open_lock(path: Path) -> tuple[IO[bytes], None]:
    """Open the file of the lock, and nothing more."""
    try:
        return open(path / "lock", "a+b", buffering=0, opener=not_a_link), None
    except OSError as error:
        raise W2VError(
            f"{path}: cannot be written ({error.strerror}); name another folder"
        ) from error


def _name_in(lock: IO[bytes]) -> str | None:
    """Return the process that a lock names, if it names one."""
    lock.seek(0)
    name = lock.read(200).decode(errors="replace").strip()
    return name if name and name.isprintable() else None

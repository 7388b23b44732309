"""Files appear whole or not at all.

A result is written beside its target under a temporary name and renamed when it is complete, so
that a full disk, a crash or Ctrl-C never leaves half a file, nor harms the one that was there.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import W2VError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends without an exception.

    After any exception, ``KeyboardInterrupt`` among them, the temporary file is gone and `path`
    is as it was. A symbolic link stays and its target is replaced; a file that was there keeps
    its permissions, a new one takes them from the umask. A device or a pipe, such as
    ``/dev/stdout``, cannot be replaced and is written straight.

    Parameters
    ----------
    path : str or path-like
        The file to write.

    Yields
    ------
    binary file, open for writing

    Raises
    ------
    W2VError
        If the folder is missing or is a file, if writing is not permitted, if `path` is a
        folder, or if the disk is full.
    """
    stream, temporary = _open(path)
    try:
        with stream:
            yield stream
            stream.flush()
            if temporary:
                os.fsync(stream.fileno())
        if temporary:
            os.replace(temporary, os.path.realpath(path))
    except BaseException as error:
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise W2VError(
                f"{path}: no room left to write ({error.strerror}); free some, or write elsewhere"
            ) from error
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before a long run whether its result can be written to `path`.

    Creates and removes an empty temporary file; what is at `path` is not touched.

    Raises
    ------
    W2VError
        As `atomic_write`.
    """
    stream, temporary = _open(path)
    stream.close()
    if temporary:
        temporary.unlink()


def _open(path: str | os.PathLike[str]) -> tuple[BinaryIO, Path | None]:
    """Open the temporary file beside `path`, or what is at `path` if that is a device or pipe."""
    target = Path(os.path.realpath(path))
    try:
        mode = None
        with suppress(FileNotFoundError):
            mode = os.stat(path).st_mode
        if mode is not None and stat.S_ISDIR(mode):
            raise W2VError(f"{path}: is a folder; name a file in it")
        if mode is not None and not os.access(path, os.W_OK):
            raise W2VError(f"{path}: is write-protected; allow writing, or write elsewhere")
        if mode is not None and not stat.S_ISREG(mode):
            return open(path, "wb"), None
        # Cut short, so that the longest allowed name has a temporary one too.
        temporary = target.with_name(f".{target.name[:32]}.{secrets.token_hex(6)}.tmp")
        # Not tempfile: its files are private to the user, whatever the umask says.
        stream = open(temporary, "xb")  # noqa: SIM115 (the caller closes it)
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        return stream, temporary
    except FileNotFoundError:
        raise W2VError(
            f"{path}: the folder '{target.parent}' does not exist; create it, or write elsewhere"
        ) from None
    except NotADirectoryError:
        raise W2VError(f"{path}: a file stands where its folder should be") from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be written ({error.strerror}); write elsewhere") from error

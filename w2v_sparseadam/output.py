"""Files appear whole or not at all.

A result is written beside its target under a temporary name and renamed when it is complete, so
that a full disk, a crash or Ctrl-C never leaves half a file, nor harms the one that was there.
Where it cannot be renamed, what was written is not lost: it is copied over the target, or kept
under another name, which the error tells.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from .errors import W2VError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_CANNOT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EROFS}
_FOLDER_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends without an exception.

    After an exception in the block, ``KeyboardInterrupt`` among them, the temporary file is gone
    and `path` is as it was. A symbolic link stays and its target is replaced; a file that was
    there keeps its permissions where the system allows it, a new one takes them from the umask. A
    device or a pipe, such as ``/dev/stdout``, cannot be replaced and is written straight. A file
    that is there and cannot be replaced, because it is mounted or its folder belongs to another
    user, is overwritten by a copy of what is whole already. If that fails, too, what was written
    is kept beside `path`. Temporary files that a killed process left of `path` are removed.

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
        folder, if the disk is full, or if the file cannot be put in its place: tells where it is.
    """
    target = Path(os.path.realpath(path))
    stream, temporary = _open(path, target)
    with _written(path, stream, temporary):
        yield stream
    if temporary:
        _put_in_place(path, stream, temporary, target)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path`, of a run's folder, when the block ends.

    As `atomic_write`, but a symbolic link is replaced, and what cannot be put in its place is
    removed: the run has it still, and writes it again.

    Raises
    ------
    W2VError
        As `atomic_write`.
    """
    stream, temporary = _open_beside(path, path, None)
    try:
        with _written(path, stream, temporary):
            yield stream
        _replace(stream, temporary, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Find out before a long run whether its result can be written to `path`.

    Creates and removes an empty temporary file; what is at `path` is not touched.

    Raises
    ------
    W2VError
        As `atomic_write`.
    """
    stream, temporary = _open(path, Path(os.path.realpath(path)))
    stream.close()
    if temporary:
        temporary.unlink()


@contextmanager
def _written(
    path: str | os.PathLike[str], stream: BinaryIO, temporary: Path | None
) -> Iterator[None]:
    """Write all of a file in the block; if that fails, close and remove it.

    A temporary one stays open otherwise.
    """
    try:
        yield
        stream.flush()
        if not temporary:
            stream.close()
    except BaseException as error:
        with suppress(OSError):
            stream.close()
        if temporary:
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in _NO_ROOM:
            raise _unwritable(path, error) from error
        raise


def _replace(stream: BinaryIO, temporary: Path, target: Path) -> None:
    """Flush a file to the disk and close it, and let it take the place of another."""
    with stream:
        sync(stream.fileno())
    os.replace(temporary, target)


def sync(handle: int) -> None:
    """Flush a file to the disk, where the file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _put_in_place(
    path: str | os.PathLike[str], stream: BinaryIO, temporary: Path, target: Path
) -> None:
    """Rename a whole file, or copy it over the one that is there, or keep it and say where."""
    try:
        _replace(stream, temporary, target)
        return
    except OSError as error:
        reason = error
        if error.errno in _NO_ROOM:
            temporary.unlink(missing_ok=True)
            raise _unwritable(path, error) from error
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    try:
        if target.is_file():
            _copy_over(temporary, target)
            temporary.unlink()
            return
    except OSError as error:
        reason = error
    # Not a name that the next to write here takes for a leftover.
    kept = temporary.with_name(f"{target.name[:200]}.{secrets.token_hex(3)}.kept")
    try:
        temporary.rename(kept)
    except OSError:
        kept = temporary
    raise W2VError(
        f"{path}: cannot be put in its place ({reason.strerror}); it is whole in {kept}"
    ) from reason


def _copy_over(source: Path, target: Path) -> None:
    """Overwrite a file that is there."""
    # Without O_CREAT: Linux refuses that to who does not own the file, in folders such as /tmp.
    handle = os.open(target, os.O_WRONLY | os.O_TRUNC)
    with open(source, "rb") as whole, open(handle, "wb") as stream:
        shutil.copyfileobj(whole, stream)
        stream.flush()
        sync(handle)


def _open(path: str | os.PathLike[str], target: Path) -> tuple[BinaryIO, Path | None]:
    """Open the temporary file beside `path`, or what is at `path` if that is a device or pipe."""
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
    except OSError as error:
        raise _unwritable(path, error) from error
    _remove_leftovers(target)
    return _open_beside(path, target, mode)


def _open_beside(
    path: str | os.PathLike[str], target: Path, mode: int | None
) -> tuple[BinaryIO, Path]:
    """Open a temporary file beside a target; ``mode`` is that of the file there, if there is one.

    It is elsewhere if the folder cannot be written but the file can.
    """
    name = _prefix(target) + f"{secrets.token_hex(6)}.tmp"
    try:
        try:
            stream, temporary = _locked(target.with_name(name))
        except OSError as error:
            if mode is None or error.errno not in _FOLDER_READ_ONLY:
                raise
            stream, temporary = _locked(Path(tempfile.gettempdir(), name))
        if mode is not None:
            with suppress(OSError):  # as on some network drives
                temporary.chmod(stat.S_IMODE(mode))
        return stream, temporary
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: str | os.PathLike[str], error: OSError) -> W2VError:
    """Return the error that says why a file cannot be written."""
    folder = Path(os.path.realpath(path)).parent
    if error.errno in _NO_ROOM:
        return W2VError(
            f"{path}: no room left to write ({error.strerror}); free some, or write elsewhere"
        )
    if isinstance(error, FileNotFoundError):
        return W2VError(
            f"{path}: the folder '{folder}' does not exist; create it, or write elsewhere"
        )
    if isinstance(error, NotADirectoryError):
        return W2VError(f"{path}: a file stands where its folder should be")
    return W2VError(f"{path}: cannot be written ({error.strerror}); write elsewhere")


def _prefix(target: Path) -> str:
    """Return how temporary names begin; cut short, so that the longest name has one, too."""
    return f".{target.name[:32]}."


def _locked(path: Path) -> tuple[BinaryIO, Path]:
    """Create a file, and lock it as long as it is open: a lock tells it from a leftover."""
    while True:
        # Not tempfile: its files are private to the user, whatever the umask says.
        stream = open(path, "xb")  # noqa: SIM115 (the caller closes it)
        _try_lock(stream.fileno())
        if os.name == "nt" or os.fstat(stream.fileno()).st_nlink:
            return stream, path
        stream.close()  # another process took it for a leftover before it was locked


def _try_lock(handle: int) -> bool:
    """Lock an open file; return whether nobody else has."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote a target."""
    name = re.compile(re.escape(_prefix(target)) + r"[0-9a-f]{12}\.tmp")
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if name.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "rb") as stream:
                    if _try_lock(stream.fileno()):
                        os.unlink(entry.path)

"""Write files whole or not at all.

A file is written beside its target under a temporary name and renamed when it is complete, so
that a full disk, a crash or Ctrl-C never leaves half a file or damages an existing one. This is
done by hand, because the packages for it neither tell leftovers from files that are being written
nor keep a result that cannot be put in place.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import W2VError
from .paths import compression_ending, open_descriptor
from .zstd import zstd_module

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The folder forbids it, not the disk: a mount point, a sticky or a read-only folder.
_NOT_IN_FOLDER = {errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY, errno.EXDEV}
_CANNOT_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EROFS}
_GZIP_LEVEL = 6  # as gzip(1); Python's default takes three times as long to save 1 %
_PREFIX = 32
_TEMPORARY = re.compile(rf"\.(.{{1,{_PREFIX}}})\.[0-9a-f]{{12}}\.tmp", re.DOTALL)


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Open a binary file that replaces `path` when the block ends without an exception.

    After any exception, ``KeyboardInterrupt`` included, the temporary file is removed and `path` is
    unchanged. A symbolic link is replaced, not followed.

    Parameters
    ----------
    path : Path
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
    with _full_disk_reported(path):
        stream, temporary = _open_temporary(path, path)
        try:
            with stream:
                yield stream
                _flush(stream)
            os.replace(temporary, path)
        except BaseException as error:
            temporary.unlink(missing_ok=True)
            if isinstance(error, OSError) and error.errno not in _NO_SPACE:
                raise W2VError(
                    f"{path}: cannot be written ({error.strerror}); write elsewhere"
                ) from error
            raise


@contextmanager
def write_result(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a binary file for the result of a long run, which must not be lost.

    After any exception before everything is written, the temporary file is removed and `path` is
    unchanged. A symbolic link stays and its target is replaced. An existing file keeps its
    permissions where possible, a new one takes them from the umask. Temporary files of `path` that
    a killed process left are removed.

    - ``"-"`` and other names of an open descriptor, such as ``/dev/stdout``, are written at its
      current position; a device or a pipe is written directly.
    - A name that ends in one of `COMPRESSED_ENDINGS` is compressed.
    - If the folder does not allow replacing the file (a sticky or read-only folder, a file that
      is a mount point), the file is overwritten once everything is written elsewhere.
    - If that fails, too, the complete result is kept under another name.

    Raises
    ------
    W2VError
        As `replace_file`; if a package to compress is missing; or if the result cannot be put in
        place: the message says where it is.
    """
    compress = _compressor(path)
    with _full_disk_reported(path):
        direct = _written_directly(path)
        if direct is not None:
            with _open_directly(path, direct) as file, compress(file) as stream:
                yield stream
            return
        target = Path(os.path.realpath(path))
        _remove_leftovers(target)
        file, temporary = _open_temporary(path, target, or_elsewhere=True)
        written = flushed = False
        try:
            with file:
                with compress(file) as stream:
                    yield stream
                file.flush()
                written = True
                _flush(file)
            flushed = True
            os.replace(temporary, target)
            return
        except BaseException as error:
            if not (written and isinstance(error, OSError)):
                temporary.unlink(missing_ok=True)
                raise
            failure = error
        try:
            if failure.errno not in _NOT_IN_FOLDER:
                raise failure
            _overwrite(target, temporary)
        except BaseException as error:  # the existing file may be half overwritten
            kept = _kept(temporary)
            if isinstance(error, OSError):
                what = "the result is kept" if flushed else "what could be written is"
                raise W2VError(
                    f"{path}: cannot be written ({error.strerror}); {what} in {kept}"
                ) from error
            raise
        temporary.unlink()


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check before a long run that `write_result` can write to `path`.

    Creates and removes an empty temporary file; an existing file is not touched.

    Raises
    ------
    W2VError
        As `write_result`.
    """
    _compressor(path)
    direct = _written_directly(path)
    if isinstance(direct, int):
        _open_directly(path, direct).close()
    elif direct is None:
        target = Path(os.path.realpath(path))
        stream, temporary = _open_temporary(path, target, or_elsewhere=True)
        try:
            stream.close()
        except OSError as error:
            raise W2VError(
                f"{path}: cannot be written ({error.strerror}); write elsewhere"
            ) from error
        finally:
            temporary.unlink()
    elif not os.access(direct, os.W_OK):  # opening a pipe would wait for its reader
        raise _write_protected(path)


def not_a_link(path: str, flags: int) -> int:
    """Open a file, unless it is a symbolic link."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)


def _compressor(path: str | os.PathLike[str]) -> Callable[[Any], Any]:
    """Return a function that opens a stream into a file, which compresses by the name of `path`."""
    ending = compression_ending(path)
    zstd = zstd_module(path) if ending == ".zst" else None

    @contextmanager
    def compress(file: Any) -> Iterator[Any]:
        match ending:
            case "":
                yield file
                return
            case ".gz":  # no time in it, so that equal results are equal files
                packed: Any = gzip.GzipFile("", "wb", _GZIP_LEVEL, file, 0)
            case ".bz2":
                packed = bz2.BZ2File(file, "wb")
            case ".xz":
                packed = lzma.LZMAFile(file, "wb")  # noqa: SIM115
            case _:
                packed = zstd.ZstdFile(file, "wb")  # type: ignore[union-attr]
        with io.BufferedWriter(packed, 1 << 17) as stream:
            yield stream

    return compress


@contextmanager
def _full_disk_reported(path: str | os.PathLike[str]) -> Iterator[None]:
    """Raise a clear error if the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise W2VError(
                f"{path}: no space left ({error.strerror}); free some, or write elsewhere"
            ) from error
        raise


def _written_directly(path: str | os.PathLike[str]) -> int | str | None:
    """Return what to write directly: an open descriptor, a device or a pipe; None for a file."""
    number = open_descriptor(path)
    if number is not None:
        return number
    with suppress(OSError):
        mode = os.stat(path).st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return os.fspath(path)
    return None


def _open_directly(path: str | os.PathLike[str], direct: int | str) -> BinaryIO:
    """Open what `_written_directly` found; a descriptor stays open when the file is closed."""
    try:
        if isinstance(direct, int):
            os.write(direct, b"")  # raises if it is not open for writing
            return open(os.dup(direct), "wb")
        return open(direct, "wb")
    except OSError as error:
        raise W2VError(f"{path}: cannot be written ({error.strerror}); write elsewhere") from error


def _open_temporary(
    path: str | os.PathLike[str], target: Path, or_elsewhere: bool = False
) -> tuple[BinaryIO, Path]:
    """Open a temporary file beside a target.

    ``or_elsewhere`` opens it in the temporary directory if the target exists, but its folder does
    not allow new files. ``path`` is the name that the user gave the target.
    """
    name = f"{_prefix(target)}{secrets.token_hex(6)}.tmp"
    try:
        mode = None
        with suppress(FileNotFoundError):
            mode = os.lstat(target).st_mode
        if mode is not None and stat.S_ISDIR(mode):
            raise W2VError(f"{path}: is a folder; name a file in it")
        if mode is not None and stat.S_ISREG(mode) and not os.access(target, os.W_OK):
            raise _write_protected(path)
        if mode is not None and not (stat.S_ISREG(mode) or stat.S_ISLNK(mode)):
            raise W2VError(f"{path}: is a device or a pipe; name a file")
        try:
            stream, temporary = _locked(target.with_name(name))
        except OSError as error:
            if mode is None or not or_elsewhere or error.errno not in _NOT_IN_FOLDER:
                raise
            stream, temporary = _locked(Path(tempfile.gettempdir(), name))
        if mode is not None and stat.S_ISREG(mode):
            with suppress(OSError):  # some file systems have no modes
                temporary.chmod(stat.S_IMODE(mode))
        return stream, temporary
    except FileNotFoundError:
        if target.parent.is_dir():  # such as /proc
            raise W2VError(
                f"{path}: the folder '{target.parent}' takes no files; write elsewhere"
            ) from None
        raise W2VError(
            f"{path}: the folder '{target.parent}' does not exist; create it, or write elsewhere"
        ) from None
    except NotADirectoryError:
        raise W2VError(f"{path}: a folder in this path is a file; write elsewhere") from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be written ({error.strerror}); write elsewhere") from error


def _prefix(target: Path) -> str:
    """Return the start of temporary names, cut so that even the longest target has room for one."""
    return f".{target.name[:_PREFIX]}."


def _locked(path: Path) -> tuple[BinaryIO, Path]:
    """Create a file and lock it while it is open; the lock tells it from a leftover."""
    while True:
        # Not by tempfile: its files are private to the user, whatever the umask says.
        stream = open(path, "xb")  # noqa: SIM115 (the caller closes it)
        _try_lock(stream.fileno())
        if os.name == "nt" or os.fstat(stream.fileno()).st_nlink:
            return stream, path
        stream.close()  # another process took it for a leftover before it was locked


def _try_lock(handle: int) -> bool:
    """Lock an open file; return False if another process has locked it."""
    try:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


def leftover_of(name: str) -> str | None:
    """Return the start of the target's name, given a temporary name; None for other names."""
    match = _TEMPORARY.fullmatch(name)
    return match[1] if match else None


def _remove_leftovers(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote a target."""
    own = target.name[:_PREFIX]
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if leftover_of(entry.name) == own and entry.is_file(follow_symlinks=False):
                with suppress(OSError), open(entry.path, "rb") as stream:
                    if _try_lock(stream.fileno()):
                        os.unlink(entry.path)


def _flush(stream: BinaryIO) -> None:
    """Flush everything that was written to the disk."""
    stream.flush()
    sync(stream.fileno())


def sync(handle: int) -> None:
    """Flush a file to the disk, where the file system can."""
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise


def _overwrite(target: Path, source: Path) -> None:
    """Overwrite a file with the bytes of another."""
    try:
        # Without O_CREAT, which Linux forbids in a sticky folder even for existing files.
        number = os.open(target, os.O_WRONLY | os.O_TRUNC)
    except FileNotFoundError:
        number = os.open(target, os.O_WRONLY | os.O_CREAT, 0o666)
    with open(number, "wb") as stream, open(source, "rb") as content:
        shutil.copyfileobj(content, stream, 1 << 20)
        _flush(stream)


def _write_protected(path: str | os.PathLike[str]) -> W2VError:
    return W2VError(f"{path}: is write-protected; allow writing, or write elsewhere")


def _kept(temporary: Path) -> Path:
    """Give a temporary file a visible name if possible; return its path."""
    visible = temporary.with_name(temporary.name.removeprefix(".").removesuffix(".tmp"))
    with suppress(OSError):
        return temporary.rename(visible)
    with suppress(OSError):  # otherwise the next command would remove it as a leftover
        shutil.copyfile(temporary, visible)
        temporary.unlink()
        return visible
    return temporary

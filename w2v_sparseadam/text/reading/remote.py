"""Sources at URLs, which fsspec opens: object stores, HDFS, web servers and others."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ...errors import TextError
from .sources import Source, unreadable

_FIRST_BYTES, _MOST_BYTES = 1 << 16, 1 << 22  # of a request
_BLOCK_BYTES = 1 << 20
_PACKAGES = {
    "abfs": "adlfs",
    "abfss": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "hdfs": "pyarrow",
    "hf": "huggingface_hub",
    "http": "aiohttp",
    "https": "aiohttp",
    "s3": "s3fs",
    "s3a": "s3fs",
    "sftp": "paramiko",
    "smb": "smbprotocol",
    "webhdfs": "requests",
}
_PASSWORD = re.compile(r"(https?://|://[^/?#\s:@]*:)[^/?#\s]*@")  # or a token, for http
# Which of what a file system tells about a file changes with its content: the first that it has.
_TAGS = ("ETag", "etag", "md5Hash", "Content-MD5", "mtime", "LastModified", "Last-Modified")
_MORE_TAGS = ("last_modified", "modified", "updated", "modificationTime", "created")


@dataclass(frozen=True)
class RemoteSource(Source):
    """A file at a URL, which any machine can open and read again.

    ``n_bytes`` is None if the server does not tell the size.
    """

    @property
    def absolute_path(self) -> str:
        """The URL."""
        return self.path

    @property
    def is_stream(self) -> bool:
        """Return False: it can be read again."""
        return False

    @property
    def is_slow(self) -> bool:
        """Return True: a thread waits for the network."""
        return True

    @property
    def block_bytes(self) -> int:
        """How much is read at a time."""
        return _BLOCK_BYTES

    def open(self) -> RemoteFile:
        """Open it for reading bytes."""
        return RemoteFile(self.path)

    def state(self, file: RemoteFile) -> tuple[int | None, Any]:
        """Return the size of the file, and what differs if its content has changed."""
        return state_of(file.path, file.file_system)


def remote_sources(url: str) -> list[Source]:
    """Return the files that a URL stands for, in the order in which they are read.

    As for local paths: a directory stands for its files and those below it, sorted by the code
    points of the parts of their paths, without hidden ones; a URL that does not exist but has
    ``*``, ``?`` or ``[`` is a pattern (for http, not by ``?``). On a web server, which has no
    directories, a URL that ends in ``/`` is a page with links.

    Raises
    ------
    TextError
        If there is nothing, it cannot be read, it has a password, or a package is missing.
    """
    refuse_password(url)
    try:
        with failures():
            file_system, path = file_system_at(url)
            files = _files_at(file_system, path, is_directory=url.endswith("/"))
        if not files:
            is_pattern = _is_pattern(file_system, path)
            what = "no file matches this pattern" if is_pattern else "no files in this directory"
            raise TextError(f"{url}: {what}")
        with failures():
            return [_source(_url_of(file, url, path, file_system), info) for file, info in files]
    except OSError as error:
        raise unreadable(url, error) from error


def refuse_password(url: str) -> None:
    """Refuse a URL with a password, which would be stored and shown.

    Raises
    ------
    TextError
        Names the URL without it.
    """
    if _PASSWORD.search(url):
        raise TextError(
            f"{_without_password(url)}: has a password, which a run would store; give it in the "
            "configuration of fsspec instead"
        )


def state_of(url: str, file_system: Any = None) -> tuple[int | None, str]:
    """Return the size of a file at a URL, and what differs if its content has changed.

    Raises
    ------
    OSError
        If it cannot be asked.
    """
    with failures():
        path = url
        if file_system is None:
            file_system, path = file_system_at(url)
        file_system.invalidate_cache()
        info = file_system.info(path)
        return info.get("size"), _tag(info)


class RemoteFile(io.RawIOBase):
    """A remote file, read in requests that grow to 4 MiB.

    Parameters
    ----------
    url : str
        Where it is.

    Attributes
    ----------
    file_system, path
        What fsspec makes of the URL.

    Raises
    ------
    OSError
        Here and by every method.
    """

    def __init__(self, url: str) -> None:
        with failures():
            self.file_system, self.path = file_system_at(url)
            self._file = self._open()
            if isinstance(self._file, io.BytesIO):
                # All who open a file of memory:// share one object, its position too.
                self._file = io.BytesIO(self._file.getvalue())
            try:
                self._size: int | None = self._file.size
            except AttributeError:
                self._size = self.file_system.info(self.path)["size"]
        self._at = self._ahead_at = 0
        self._ahead = b""
        self._n_next = _FIRST_BYTES
        self._stream_at = None if self._size is not None else 0  # its position, if it is a stream

    def close(self) -> None:
        """Close the file."""
        if not self.closed:
            self._file.close()
        super().close()

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return whether it can be read from any position."""
        return self._size is not None

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go to a position; return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size or 0}[whence]
        self._at = base + offset
        return self._at

    def readinto(self, view: Any, /) -> int:
        """Read some bytes into ``view``; return how many, 0 at the end."""
        begin = self._at - self._ahead_at
        if not 0 <= begin < len(self._ahead):
            with failures():
                self._ahead = self._fetched()
            self._ahead_at, begin = self._at, 0
            self._n_next = min(8 * self._n_next, _MOST_BYTES)
        part = memoryview(self._ahead)[begin : begin + len(view)]
        view[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _open(self, **options: Any) -> Any:
        return self.file_system.open(self.path, "rb", cache_type="none", **options)

    def _fetched(self) -> bytes:
        """Return the next bytes at the current position, none at the end."""
        if self._stream_at is not None:
            return self._streamed(self._stream_at)
        assert self._size is not None
        n_left = max(self._size - self._at, 0)
        try:
            self._file.seek(self._at)
            data = self._file.read(min(self._n_next, n_left))
        except ValueError:  # a web server that ignores ranges
            return self._streamed(sys.maxsize)
        if n_left and not data:
            raise EOFError(f"it ends at byte {self._at:,} of {self._size:,}")
        return data

    def _streamed(self, stream_at: int) -> bytes:
        """Return the next bytes from a stream, which starts again if it is beyond them."""
        if stream_at > self._at:
            self._file.close()
            self._file = self._open(block_size=0)
            stream_at = 0
        while stream_at < self._at:
            skipped = self._file.read(min(self._at - stream_at, _MOST_BYTES))
            if not skipped:
                return b""
            stream_at += len(skipped)
        data = self._file.read(self._n_next)
        self._stream_at = stream_at + len(data)
        return data


def file_system_at(url: str) -> tuple[Any, str]:
    """Return the file system of a URL, and the path in it."""
    protocol = re.split("::|:", url, maxsplit=1)[0]
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise TextError(
            f"{url}: URLs need the package fsspec; pip install 'w2v-sparseadam[remote]'"
        ) from error
    try:
        return url_to_fs(url)
    except ImportError as error:
        protocols = re.findall(r"(?:^|::)([A-Za-z0-9+.-]+)(?=:)", url)
        packages = " ".join(_PACKAGES[name] for name in protocols if name in _PACKAGES)
        advice = f"pip install {packages}" if packages else str(error)
        raise TextError(f"{url}: {protocol}:// needs another package; {advice}") from error


@contextmanager
def failures() -> Iterator[None]:
    """Raise whatever a file system raises as an OSError that says why in one line."""
    try:
        yield
    except TextError:
        raise
    except Exception as error:
        cause = error.__cause__
        if isinstance(error, FileNotFoundError) and cause is None:
            reason = "No such file or directory"
        elif isinstance(error, PermissionError):
            reason = "Permission denied"
        else:
            # For http, anything is a FileNotFoundError, whose cause is what happened.
            reason = _reason(cause if isinstance(error, FileNotFoundError) else error)
        failure = OSError(reason)
        raise failure from error


def _reason(error: BaseException | None) -> str:
    """Return what an error says in one line."""
    status, message = getattr(error, "status", None), getattr(error, "message", None)
    if isinstance(status, int):
        return f"{message or 'error'} ({status})"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return _without_password(lines[0])


def _without_password(url: str) -> str:
    return _PASSWORD.sub(r"\1…@", url)


def _files_at(
    file_system: Any, path: str, *, is_directory: bool
) -> list[tuple[str, dict[str, Any]]]:
    """Return the files at a path, each with what is known about it."""
    is_pattern = _is_pattern(file_system, path)
    if not is_directory:
        try:
            info = file_system.info(path)
        except FileNotFoundError:
            if not is_pattern:
                raise
        else:
            if info["type"] != "directory":
                return [(path, info)]
            is_directory = True
    if is_directory:
        return _files_below(file_system, path)
    found: dict[str, dict[str, Any]] = {}
    for match, info in file_system.glob(path, detail=True).items():
        is_directory = info["type"] == "directory"
        found.update(_files_below(file_system, match) if is_directory else [(match, info)])
    n_fixed = next(k for k, part in enumerate(path.split("/")) if re.search(r"[*?\[]", part))
    takes_hidden = "/." in path
    return _in_order(found, 0 if takes_hidden else n_fixed, takes_hidden=takes_hidden)


def _files_below(file_system: Any, path: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the files of a directory and those below it, except hidden ones."""
    found = file_system.find(path, detail=True)
    return _in_order(found, len(path.rstrip("/").split("/")) if path else 0)


def _in_order(
    found: dict[str, dict[str, Any]], n_fixed: int, *, takes_hidden: bool = False
) -> list[tuple[str, dict[str, Any]]]:
    """Return files sorted by the parts of their paths, without hidden parts after ``n_fixed``."""
    parts = {path: path.split("/") for path in found if not path.endswith("/")}
    kept = (  # a web server's list of files has links like ?C=M;O=A, which sort it
        path
        for path, names in parts.items()
        if takes_hidden or not any(name.startswith((".", "?")) for name in names[n_fixed:])
    )
    return [(path, found[path]) for path in sorted(kept, key=parts.__getitem__)]


def _is_pattern(file_system: Any, path: str) -> bool:
    protocols = file_system.protocol
    is_http = "http" in ([protocols] if isinstance(protocols, str) else protocols)
    return any(char in path for char in ("*[" if is_http else "*?["))


def _url_of(file: str, url: str, path: str, file_system: Any) -> str:
    """Return the URL of a file that a URL stands for: the same but for the path in it."""
    first, chain, rest = url.partition("::")
    if "://" not in first:  # as simplecache::s3://…
        first, chain, rest = url, "", ""
    first, path = first.rstrip("/"), path.rstrip("/")
    if path and first.endswith(path):
        return first.removesuffix(path) + file + chain + rest
    return str(file_system.unstrip_protocol(file)) + chain + rest


def _source(url: str, info: dict[str, Any]) -> RemoteSource:
    """Return the source at a URL, from what a list of files tells about it."""
    size = info.get("size")
    if size is None:  # as in pages with links
        size, _ = state_of(url)
    return RemoteSource(url, size, (url,))


def _tag(info: dict[str, Any]) -> str:
    """Return what changes with the content of a file, empty if the file system does not tell."""
    return next((str(info[key]) for key in (*_TAGS, *_MORE_TAGS) if info.get(key)), "")

"""The folder of a run: its settings, its text as word ids, its checkpoints, and a lock.

    settings.json      what the run was asked to do
    vocabulary.txt     a word and its count on each line, most frequent first
    word_ids.i32       the text: int32, little-endian, a negative number after each line
    text.json          counts and checksums of these two; written last, so that it vouches for them
    checkpoints/       see :mod:`w2v_sparseadam.checkpoint`
    lock               who trains here

Every file appears whole or not at all, so that a process may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np

from .errors import FormatError, W2VError
from .output import atomic_write
from .text.vocabulary import Vocabulary

_FORMAT = 1
_CHUNK = 1 << 20
_SETTINGS, _VOCABULARY, _WORD_IDS, _TEXT = (
    "settings.json",
    "vocabulary.txt",
    "word_ids.i32",
    "text.json",
)


class RunFolder:
    """A folder that one process at a time trains in; close it to let the next one in.

    Made by :meth:`create` and :meth:`open`.

    Attributes
    ----------
    path : Path
    settings : dict
        What JSON can hold; changed by :meth:`change_settings` alone.
    taken_over_from : str or None
        The process that held the lock and died without letting go, if there was one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings: dict[str, Any] = {}
        self._lock, self.taken_over_from = _lock(path)
        for leftover in (*path.glob(".*.tmp"), *self.checkpoints.glob(".*.tmp")):
            leftover.unlink(missing_ok=True)  # of a process that was killed while it wrote

    @classmethod
    def create(cls, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> RunFolder:
        """Make the folder of a new run, or take one whose text was never read to its end.

        Parameters
        ----------
        path : path-like
            Made if missing; the folder above it must be there.
        settings : mapping
            Kept as JSON; what JSON cannot hold, such as a function, is kept as its name.

        Raises
        ------
        W2VError
            If the folder holds a run or something else, is in use, or cannot be written.
        """
        folder_path = Path(path)
        try:
            folder_path.mkdir(exist_ok=True)
            found = {entry.name for entry in folder_path.iterdir()}
        except FileExistsError:
            raise W2VError(f"{path}: is a file; name a folder for the run") from None
        except FileNotFoundError:
            raise W2VError(
                f"{path}: the folder '{folder_path.parent}' does not exist; create it, or name "
                "another"
            ) from None
        except OSError as error:
            raise W2VError(
                f"{path}: cannot hold a run ({error.strerror}); name another folder"
            ) from error
        if found and not {_SETTINGS, "lock"} & found:
            raise W2VError(
                f"{path}: holds other files, '{min(found)}' among them; name an empty or a new "
                "folder"
            )
        folder = cls(folder_path)
        try:
            if folder.has_text:
                raise W2VError(
                    f"{path}: holds a run already; go on with --resume {path}, or name another "
                    "folder"
                )
            folder.checkpoints.mkdir(exist_ok=True)
            folder._write_settings({"format": _FORMAT, **settings})
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> RunFolder:
        """Take the folder of a run whose text has been read.

        Raises
        ------
        W2VError
            If there is no such run, it is in use, or reading the text was not finished.
        FormatError
            If the settings are damaged or of a later version.
        """
        folder_path = Path(path)
        settings = read_settings(folder_path)
        folder = cls(folder_path)
        try:
            folder.settings = settings
            if not folder.has_text:
                raise W2VError(
                    f"{path}: reading its text was not finished; start it again, with the options "
                    f"in {folder_path / _SETTINGS}: w2v-train "
                    f"{' '.join(settings.get('paths', ['CORPUS']))} --run-dir {path}"
                )
        except BaseException:
            folder.close()
            raise
        return folder

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def has_text(self) -> bool:
        """Whether the text has been read to its end."""
        return (self.path / _TEXT).exists()

    def change_settings(self, **changes: Any) -> None:
        """Replace some settings, on disk too."""
        self._write_settings({**self.settings, **changes})

    def keep_text(self, vocabulary: Vocabulary, word_ids: np.ndarray, **counts: Any) -> None:
        """Write a text that has been read.

        Parameters
        ----------
        vocabulary : Vocabulary
        word_ids : ndarray of shape (positions,), int32
            Copied a piece at a time, so that it may be larger than memory.
        **counts
            What else is worth keeping in ``text.json``.

        Raises
        ------
        W2VError
            If there is no room; starting again is then possible.
        """
        lines = (
            f"{word} {count}\n".encode("utf-8", "surrogatepass")
            for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True)
        )
        size = _CHUNK // 4
        pieces = (
            word_ids[first : first + size].astype("<i4", copy=False)
            for first in range(0, word_ids.size, size)
        )
        digests = {_VOCABULARY: hashlib.sha256(), _WORD_IDS: hashlib.sha256()}
        contents: dict[str, Iterable[Any]] = {_VOCABULARY: lines, _WORD_IDS: pieces}
        for name, parts in contents.items():
            with atomic_write(self.path / name) as stream:
                for part in parts:
                    digests[name].update(part)
                    stream.write(part)
        checksums = {name: digest.hexdigest() for name, digest in digests.items()}
        self._write_json(_TEXT, {**counts, "sha256": checksums})

    def load_text(self) -> tuple[Vocabulary, np.ndarray]:
        """Return the vocabulary and the word ids, mapped into memory and read-only.

        Raises
        ------
        FormatError
            If a file is missing or not what was written.
        """
        checksums = _read_json(self.path / _TEXT).get("sha256", {})
        for name in (_VOCABULARY, _WORD_IDS):
            try:
                checksum = _checksum(self.path / name)
            except FileNotFoundError:
                raise FormatError(
                    f"{self.path / name}: is missing; start a new run from the text"
                ) from None
            if checksum != checksums.get(name):
                raise FormatError(
                    f"{self.path / name}: is damaged (its checksum is not that of "
                    f"{_TEXT}); start a new run from the text"
                )
        lines = (self.path / _VOCABULARY).read_bytes().split(b"\n")[:-1]
        entries = [line.decode("utf-8", "surrogatepass").rpartition(" ") for line in lines]
        counts = np.array([int(count) for _, _, count in entries], np.int64)
        counts.flags.writeable = False
        with open(self.path / _WORD_IDS, "rb") as stream:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        return Vocabulary([word for word, _, _ in entries], counts), np.frombuffer(mapped, "<i4")

    def close(self) -> None:
        """Let go of the folder."""
        if not self._lock.closed:
            self._lock.truncate(0)  # while it is held: a lock left behind names its process
            self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _write_settings(self, settings: dict[str, Any]) -> None:
        # As they will be read again, so that a run and its resumption see the same.
        self.settings = json.loads(_to_json(settings))
        self._write_json(_SETTINGS, self.settings)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        with atomic_write(self.path / name) as stream:
            stream.write(_to_json(content).encode() + b"\n")
        sync_folder(self.path)


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a run, without taking its folder.

    Raises
    ------
    W2VError
        If there is no run.
    FormatError
        If the settings are damaged or of a later version.
    """
    try:
        settings = _read_json(Path(path) / _SETTINGS)
    except (FileNotFoundError, NotADirectoryError):
        raise W2VError(
            f"{path}: holds no run; start one with w2v-train CORPUS --run-dir {path}"
        ) from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    if settings.get("format") != _FORMAT:
        raise FormatError(
            f"{path}: is a run of format {settings.get('format')!r}, but this version reads "
            f"{_FORMAT}; resume it with the version that began it"
        )
    return settings


def plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(_to_json(value))


def sync_folder(path: Path) -> None:
    """Make sure that a rename in a folder outlives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _to_json(value: Any) -> str:
    return json.dumps(value, indent=1, default=lambda it: getattr(it, "__qualname__", str(it)))


def _read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds a JSON object."""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is damaged: {error}") from None
    if not isinstance(content, dict):
        raise FormatError(f"{path}: is damaged: expected a JSON object, found {content!r:.40}")
    return content


def _checksum(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _lock(path: Path) -> tuple[IO[bytes], str | None]:
    """Lock a folder until the file returned is closed; name the process that died holding it."""
    try:
        import fcntl
    except ImportError:
        raise W2VError(
            f"{path}: this system has no file locks (POSIX flock), which run folders need; "
            "train without --run-dir"
        ) from None
    try:
        stream = open(path / "lock", "a+b", buffering=0)  # noqa: SIM115 (held until close)
    except OSError as error:
        raise W2VError(
            f"{path}: cannot be written ({error.strerror}); name another folder"
        ) from error
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.seek(0)
        holder = stream.read(200).decode(errors="replace").strip() or "another process"
        stream.close()
        if not isinstance(error, BlockingIOError):
            raise W2VError(f"{path}: cannot be locked ({error.strerror})") from error
        raise W2VError(
            f"{path}: {holder} is training in it; wait for its end, or stop it"
        ) from None
    stream.seek(0)
    dead = stream.read(200).decode(errors="replace").strip() or None
    try:
        stream.truncate(0)
        stream.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
    except OSError as error:
        stream.close()
        raise W2VError(f"{path}: cannot be locked ({error.strerror}); free some room") from error
    return stream, dead

"""The folder of a run: its settings, its text as word ids, its checkpoints, and a lock.

    settings.json      what the run was asked to do
    vocabulary.txt     a word and its count on each line, in the order of the word ids
    word_ids.i32       the text: int32, little-endian, a negative number after each line
    text.json          counts and checksums of these two; written last, when both are complete
    checkpoints/       see :mod:`w2v_sparseadam.training.checkpoint`
    lock               who trains here

Every file appears whole or not at all, so that a process may be killed at any moment. The JSON
files have a checksum of their own. A folder may come from a stranger: none of its files may be a
link or a device, so that nothing outside it is read, written or removed in its name. More text
makes another *generation*, a number in the settings: new word ids stand behind the old, and
``vocabulary-1.txt``, ``text-1.json`` and ``checkpoints-1/`` take the places of the others once the
settings say so.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import FormatError, W2VError
from ..objectives.registry import OBJECTIVES
from ..system.files import leftover_of, not_a_link, replace_file, sync
from ..system.locks import lock_folder, open_lock
from ..system.paths import shell_path
from ..text.vocabulary import Vocabulary
from .inputs import can_be_a_path, is_stamp
from .sealed_json import read_json, sealed, to_json, unsealed

_FORMAT = 2
_CHUNK = 1 << 20
_SETTINGS, _WORD_IDS = "settings.json", "word_ids.i32"
_PER_GENERATION = "vocabulary.txt", "text.json", "checkpoints"
_OF_A_GENERATION = re.compile(
    r"vocabulary(-[0-9]+)?\.txt|text(-[0-9]+)?\.json|checkpoints(-[0-9]+)?"
)
_OF_THE_RUN = re.compile(
    rf"settings\.json|word_ids\.i32|command\.json|log\.jsonl|lock|{_OF_A_GENERATION.pattern}"
)
_SETTING_KINDS: dict[str, type] = {
    "generation": int,
    "text": dict,
    "optimizer": dict,
    "run": dict,
    "paths": list,
    "inputs": list,
    "has_init": bool,
    "freeze": list,
    "first_epoch": int,
    "added_epochs": list,
}


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

    def __init__(self, path: Path, lock: bool = True) -> None:
        self.path = path
        self.settings: dict[str, Any] = {}
        self._text_seen: tuple[int, ...] = ()  # size and time of the word ids, when they were read
        refuse_links(path)
        self._lock, self.taken_over_from = lock_folder(path) if lock else open_lock(path)
        for folder in (path, *(found for found in path.iterdir() if is_of_the_run(found.name))):
            for entry in list(folder.iterdir()) if folder.is_dir() else ():
                if _is_leftover(entry.name):
                    with suppress(OSError):
                        entry.unlink()  # of a process that was killed while it wrote

    @classmethod
    def create(
        cls, path: str | os.PathLike[str], settings: Mapping[str, Any], *, lock: bool = True
    ) -> RunFolder:
        """Make the folder of a new run, or take one whose text was never read to its end.

        Parameters
        ----------
        path : path-like
            Made if missing, and so are the folders above it.
        settings : mapping
            Kept as JSON; what JSON cannot hold, such as a function, is kept as its name.
        lock : bool
            Whether to keep other processes out; False for a file system without locks.

        Raises
        ------
        W2VError
            If the folder holds a run or something else, is in use, or cannot be written.
        """
        folder_path = Path(path)
        try:
            folder_path.mkdir(parents=True, exist_ok=True)
            refuse_links(folder_path)
            others = {entry.name for entry in folder_path.iterdir() if not _may_be_left(entry)}
        except FileExistsError:
            raise W2VError(f"{path}: is a file; name a folder for the run") from None
        except OSError as error:
            raise W2VError(
                f"{path}: cannot hold a run ({error.strerror}); name another folder"
            ) from error
        if others and not (_SETTINGS in others and _is_run(folder_path)):
            raise W2VError(
                f"{path}: holds other files, {min(others)!r} among them; name an empty or a new "
                "folder"
            )
        folder = cls(folder_path, lock)
        try:
            if any(folder_path.glob("text*.json")) or any(folder_path.glob("checkpoints*/step-*")):
                raise W2VError(
                    f"{path}: holds a run already; go on with {resume_command(path)}, or name "
                    "another folder"
                )
            folder._write_settings({"format": _FORMAT, "generation": 0, **settings})
            folder._make_checkpoints()
        except BaseException:
            folder.close()
            raise
        return folder

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, lock: bool = True) -> RunFolder:
        """Take the folder of a run, whose text may not have been read to its end.

        ``lock`` is as in `create`.

        Raises
        ------
        W2VError
            If there is no run, or it is in use.
        FormatError
            If the settings are damaged or of another version.
        """
        folder_path = Path(path)
        read_settings(folder_path)  # so that no lock is left where there is no run
        folder = cls(folder_path, lock)
        try:
            # Again: who held the lock until now may have changed them.
            folder.settings = read_settings(folder_path)
            folder._make_checkpoints()  # whoever was killed before it could
            if folder.has_text:
                folder._remove_others()
        except BaseException:
            folder.close()
            raise
        return folder

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self._at("checkpoints")

    @property
    def has_text(self) -> bool:
        """Whether the text has been read to its end."""
        return self._at("text.json").exists()

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
        with replace_file(self.path / _WORD_IDS) as stream:
            digest = _write_ids(stream, word_ids)
        self._write_text_json(vocabulary, word_ids.size, digest.hexdigest(), counts)

    def load_text(self) -> tuple[Vocabulary, np.ndarray]:
        """Return the vocabulary and the word ids, mapped into memory and read-only.

        Raises
        ------
        FormatError
            If a file is missing or not what was written.
        """
        vocabulary, text = read_vocabulary(self.path, self.settings)
        n_bytes = 4 * text["positions"]
        with _whole(self.path / _WORD_IDS) as stream:
            _check_digest(stream, n_bytes, text)
            mapped = mmap.mmap(stream.fileno(), n_bytes, access=mmap.ACCESS_READ)
            self._text_seen = _identity(os.fstat(stream.fileno()))
        word_ids = np.frombuffer(mapped, "<i4")
        if not 0 <= max(part.max() for part in _parts(word_ids)) < len(vocabulary):
            raise FormatError(
                f"{stream.name}: is damaged: it has no word ids, or some beyond the "
                f"{len(vocabulary)} words"
            )
        return vocabulary, word_ids

    def check_text(self) -> None:
        """Make sure that the word ids are still those that were loaded.

        Raises
        ------
        FormatError
            If they have been changed since.
        """
        path = self.path / _WORD_IDS
        try:
            seen = _identity(path.stat())
        except OSError:
            return  # what is mapped stays
        if seen != self._text_seen:
            text = _read_text(self.path, self.settings)
            with _whole(path) as stream:
                _check_digest(stream, 4 * text["positions"], text)
            self._text_seen = seen

    def add_text(
        self,
        vocabulary: Vocabulary,
        word_ids: np.ndarray,
        write_start: Callable[[Vocabulary, np.ndarray, Path], None],
        changes: Mapping[str, Any],
        **counts: Any,
    ) -> None:
        """Put more text behind what there is, and begin the next generation with it.

        Parameters
        ----------
        vocabulary : Vocabulary
            Of old and new text.
        word_ids : ndarray of shape (positions,), int32
            The new text.
        write_start : callable
            Is given the vocabulary, the word ids of old and new text, and the folder of the next
            generation's checkpoints, and writes the first of them.
        changes : mapping
            Settings of the next generation.
        **counts
            As in :meth:`keep_text`.

        Raises
        ------
        W2VError
            If there is no room; the folder is then as it was. What ``write_start`` raises.
        """
        n_old = _read_text(self.path, self.settings)["positions"]
        # What a next generation reads and writes until the settings on disk name it.
        self.settings = {**self.settings, "generation": self.settings["generation"] + 1}
        try:
            checksum = self._append(n_old, word_ids)
            self._write_text_json(vocabulary, n_old + word_ids.size, checksum, counts)
            self._make_checkpoints()
            write_start(*self.load_text(), self.checkpoints)
            sync_folder(self.path)  # all of it must be there before the settings name it
            self._write_settings({**self.settings, **changes})
        except BaseException:
            self.settings = read_settings(self.path)  # which may name it already
            self._remove_others()
            raise
        self._remove_others()

    def close(self) -> None:
        """Let go of the folder."""
        if not self._lock.closed:
            self._lock.truncate(0)  # while it is held: a lock left behind names its process
            self._lock.close()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _at(self, name: str) -> Path:
        """Return the path of something that each generation has for itself."""
        return of_generation(self.path, name, self.settings)

    def _make_checkpoints(self) -> None:
        """Make the folder of the checkpoints."""
        try:
            self.checkpoints.mkdir(exist_ok=True)
        except OSError as error:
            raise W2VError(f"{self.checkpoints}: cannot be made ({error.strerror})") from error

    def _append(self, n_old: int, word_ids: np.ndarray) -> str:
        """Put word ids behind the first so many of those there are; return the checksum of all."""
        path = self.path / _WORD_IDS
        digest = hashlib.sha256()
        try:
            with open(path, "r+b", opener=not_a_link) as stream:
                while stream.tell() < 4 * n_old:
                    digest.update(stream.read(min(_CHUNK, 4 * n_old - stream.tell())))
                _write_ids(stream, word_ids, digest)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:  # of closing the file, too
            raise W2VError(
                f"{path}: cannot be written ({error.strerror}); nothing was added"
            ) from error
        return digest.hexdigest()

    def _write_text_json(
        self, vocabulary: Vocabulary, n_positions: int, checksum: str, counts: Mapping[str, Any]
    ) -> None:
        """Write the vocabulary, then the counts and checksums of it and the word ids."""
        digest = hashlib.sha256()
        with replace_file(self._at("vocabulary.txt")) as stream:
            for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
                line = f"{word} {count}\n".encode("utf-8", "surrogatepass")
                digest.update(line)
                stream.write(line)
        checksums = {"vocabulary": digest.hexdigest(), "word_ids": checksum}
        text = {**counts, "positions": n_positions, "sha256": checksums}
        self._write_json(self._at("text.json").name, text)

    def _remove_others(self) -> None:
        """Remove files of other generations, and word ids beyond those that text.json counts."""
        own = {self._at(name) for name in _PER_GENERATION}
        for path in self.path.iterdir():
            if path in own or not _OF_A_GENERATION.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        with suppress(W2VError, OSError):  # load_text says what is wrong
            n_bytes = 4 * _read_text(self.path, self.settings)["positions"]
            with open(self.path / _WORD_IDS, "r+b", opener=not_a_link) as stream:
                if n_bytes < os.fstat(stream.fileno()).st_size:
                    stream.truncate(n_bytes)

    def _write_settings(self, settings: dict[str, Any]) -> None:
        # As they will be read again, so that a run and its resumption see the same.
        self.settings = json.loads(to_json(settings))
        self._write_json(_SETTINGS, self.settings)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        with replace_file(self.path / name) as stream:
            stream.write(to_json(sealed(content)).encode() + b"\n")
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
    refuse_links(Path(path))
    settings_path = Path(path) / _SETTINGS
    try:
        settings = read_json(settings_path)
    except (FileNotFoundError, NotADirectoryError):
        raise W2VError(
            f"{path}: holds no run; start one with w2v-train CORPUS --run-dir {shell_path(path)}"
        ) from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    if settings.get("format") != _FORMAT:
        raise FormatError(
            f"{path}: is a run of format {settings.get('format')!r:.40}, but this version reads "
            f"{_FORMAT}; resume it with the version that began it"
        )
    settings = unsealed(settings_path, settings)
    objective = next((name for name in OBJECTIVES if name in settings), "objective")
    for name, kind in {objective: dict, **_SETTING_KINDS}.items():
        value = settings.get(name)
        is_bool = isinstance(value, bool) and kind is not bool
        if not isinstance(value, kind) or is_bool or (isinstance(value, int) and value < 0):
            raise FormatError(f"{path}: is damaged: its settings have {value!r:.40} for '{name}'")
    if not settings["paths"]:
        raise FormatError(f"{path}: is damaged: its settings name no text")
    for name, fits in (("paths", can_be_a_path), ("freeze", lambda word: "\0" not in word)):
        if not all(isinstance(entry, str) and fits(entry) for entry in settings[name]):
            raise FormatError(f"{path}: is damaged: its settings have other than text in '{name}'")
    for entry in settings["inputs"]:
        if not is_stamp(entry):
            raise FormatError(f"{path}: is damaged: its settings have {entry!r:.40} among 'inputs'")
    return settings


def read_vocabulary(path: Path, settings: Mapping[str, Any]) -> tuple[Vocabulary, dict[str, Any]]:
    """Return the vocabulary of a run, and what is kept beside it, without taking its folder.

    Raises
    ------
    FormatError
        If a file is missing or not what was written.
    """
    text = _read_text(path, settings)
    with _whole(of_generation(path, "vocabulary.txt", settings)) as stream:
        _check_digest(stream, None, text)
        stream.seek(0)
        lines = stream.read().split(b"\n")[:-1]
    try:
        entries = [line.decode("utf-8", "surrogatepass").rpartition(" ") for line in lines]
        counts = np.array([int(count) for _, _, count in entries], np.int64)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{stream.name}: is damaged: {error!r:.80}") from None
    words = [word for word, _, _ in entries]
    # In Python's integers: the sum of hostile counts may be beyond int64.
    n_tokens = sum(counts.tolist())
    if n_tokens >= 1 << 63 or not words or counts.min() < 1 or len(set(words)) < len(words):
        raise FormatError(f"{stream.name}: is damaged: expected a word and its count on each line")
    counts.flags.writeable = False
    return Vocabulary(words, counts), text


def _read_text(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts and checksums of a run's vocabulary and word ids."""
    text_path = of_generation(path, "text.json", settings)
    with _whole(text_path):
        text = unsealed(text_path, read_json(text_path))
    positions, checksums = text.get("positions"), text.get("sha256")
    is_count = isinstance(positions, int) and 1 <= positions < 1 << 60
    if not is_count or not isinstance(checksums, dict):
        raise FormatError(f"{text_path}: is damaged: it has no count of positions or no checksums")
    return text


def _is_run(path: Path) -> bool:
    """Return whether the settings in a folder are those of a run."""
    with suppress(W2VError):
        return bool(read_settings(path))
    return False


def _may_be_left(path: Path) -> bool:
    """Return whether a file may be what is left of a run that was killed at its very start."""
    if path.name != "lock":
        return _is_leftover(path.name)
    with open(path, "rb", opener=not_a_link) as lock:
        content = lock.read(200).decode(errors="replace")
    return re.fullmatch(r"(process \d+ on .*\n)?", content) is not None


def _is_leftover(name: str) -> bool:
    """Return whether a name is that of a temporary file for one of a run's own."""
    target = leftover_of(name)
    return target is not None and (is_of_the_run(target) or target.startswith("step-"))


def is_of_the_run(name: str) -> bool:
    """Return whether a name in the folder of a run is that of one of its own files or folders."""
    return _OF_THE_RUN.fullmatch(name) is not None


def refuse_links(path: Path) -> None:
    """Refuse the folder of a run in which a file of its own is a link, a pipe or a device.

    Raises
    ------
    W2VError
        Names the file.
    """
    try:
        for entry in path.iterdir():
            if is_of_the_run(entry.name):
                mode = entry.lstat().st_mode
                if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
                    raise W2VError(
                        f"{entry}: is a link, a pipe or a device, which no run puts into its "
                        "folder; replace it by what it stands for, if you trust it"
                    )
                if stat.S_ISREG(mode) and entry.lstat().st_nlink > 1:
                    raise W2VError(
                        f"{entry}: is the same file as another (a hard link), so that training "
                        "would change both; copy the folder"
                    )
                if stat.S_ISDIR(mode) and entry.name.startswith("checkpoints"):
                    _refuse_linked_checkpoints(entry)
    except (FileNotFoundError, NotADirectoryError):
        pass  # told by who wants the folder, or a file that was just replaced
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error


def _refuse_linked_checkpoints(folder: Path) -> None:
    for entry in folder.glob("step-*"):
        if not stat.S_ISREG(entry.lstat().st_mode):
            raise W2VError(f"{folder}: {entry.name!r} is not a file, as checkpoints are; remove it")


def resume_command(path: str | os.PathLike[str]) -> str:
    """Return the command that goes on with a run, to paste into a shell."""
    return f"w2v-train --resume {shell_path(path)}"


def sync_folder(path: Path) -> None:
    """Make sure that a rename in a folder outlives a power cut."""
    try:
        handle = os.open(path, os.O_RDONLY)
        try:
            sync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise W2VError(f"{path}: cannot be flushed to the disk ({error.strerror})") from error


def of_generation(path: Path, name: str, settings: Mapping[str, Any]) -> Path:
    """Return the path of something in a run's folder that each generation has for itself."""
    generation = settings["generation"]
    stem, dot, ending = name.partition(".")
    return path / (f"{stem}-{generation}{dot}{ending}" if generation else name)


def _write_ids(stream: BinaryIO, word_ids: np.ndarray, digest: Any = None) -> Any:
    """Write word ids a piece at a time, which may be more than memory; return their digest."""
    digest = digest or hashlib.sha256()
    for part in _parts(word_ids):
        piece = part.astype("<i4", copy=False)
        digest.update(piece)
        stream.write(piece.data)
    return digest


def _parts(word_ids: np.ndarray) -> Iterator[np.ndarray]:
    """Cut word ids into parts of a mebibyte."""
    size = _CHUNK // 4
    for first in range(0, word_ids.size, size):
        yield word_ids[first : first + size]


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _whole(path: Path) -> BinaryIO:
    """Open a file that must be there."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FormatError(f"{path}: is missing; start a new run from the text") from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error


def _check_digest(stream: BinaryIO, n_bytes: int | None, text: Mapping[str, Any]) -> None:
    """Compare the checksum of the first bytes of a file, or of all, with that in text.json."""
    kind = "vocabulary" if n_bytes is None else "word_ids"
    digest, left = hashlib.sha256(), math.inf if n_bytes is None else n_bytes
    while left and (piece := stream.read(int(min(_CHUNK, left)))):
        digest.update(piece)
        left -= len(piece)
    if digest.hexdigest() != text["sha256"].get(kind) or 0 < left < math.inf:
        raise FormatError(
            f"{stream.name}: is damaged (its checksum is not that of text.json); start a new run "
            "from the text"
        )

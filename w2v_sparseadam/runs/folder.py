"""The folder of a run: its settings, its text as word ids, its checkpoints, and a lock.

    settings.json      what the run was asked to do
    vocabulary.txt     a word and its count on each line, in the order of the word ids
    word_ids.i32       the text: int32, little-endian, a negative number after each line
    text.json          counts and checksums of these two; written last, when both are complete
    checkpoints/       see :mod:`w2v_sparseadam.runs.checkpoint_file`; and the best epoch's vectors
    log.jsonl          what happened
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
import mmap
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, W2VError, counted
from ..system.files import not_a_link, replace_file
from ..system.locks import lock_folder, open_lock
from ..text.vocabulary import Vocabulary
from .names import (
    OF_A_GENERATION,
    PER_GENERATION,
    SETTINGS,
    WORD_IDS,
    is_leftover,
    is_of_the_run,
    may_be_left,
    of_generation,
    refuse_links,
    resume_command,
    sync_folder,
)
from .sealed_json import plain, sealed_json
from .settings import FORMAT, is_run, read_settings
from .text import (
    CHUNK,
    check_digest,
    open_whole,
    parts_of,
    read_text_json,
    read_vocabulary,
    write_ids,
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

    def __init__(self, path: Path, lock: bool = True) -> None:
        self.path = path
        self.settings: dict[str, Any] = {}
        self._text_seen: tuple[int, ...] = ()  # size and time of the word ids, when they were read
        refuse_links(path)
        self._lock, self.taken_over_from = lock_folder(path) if lock else open_lock(path)
        for folder in (path, *(found for found in path.iterdir() if is_of_the_run(found.name))):
            for entry in list(folder.iterdir()) if folder.is_dir() else ():
                if is_leftover(entry.name):
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
            others = {entry.name for entry in folder_path.iterdir() if not may_be_left(entry)}
        except FileExistsError:
            raise W2VError(f"{path}: is a file; name a folder for the run") from None
        except OSError as error:
            raise W2VError(
                f"{path}: cannot hold a run ({error.strerror}); name another folder"
            ) from error
        if others and not (SETTINGS in others and is_run(folder_path)):
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
            folder._write_settings({"format": FORMAT, "generation": 0, **settings})
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
        with replace_file(self.path / WORD_IDS) as stream:
            digest = write_ids(stream, word_ids)
        text = {**counts, "positions": word_ids.size}
        self._write_text_json(vocabulary, text, {"word_ids": digest.hexdigest()})

    def keep_vocabulary(self, vocabulary: Vocabulary, sizes: Sequence[int], **counts: Any) -> None:
        """Write the vocabulary of a text that stays where it is, and the sizes of its sources.

        The other parameter and the errors are those of :meth:`keep_text`.
        """
        self._write_text_json(vocabulary, {**counts, "sizes": list(sizes)}, {})

    def load_vocabulary(self) -> tuple[Vocabulary, list[int]]:
        """Return what :meth:`keep_vocabulary` has written.

        Raises
        ------
        FormatError
            If a file is missing or not what was written.
        """
        vocabulary, text = read_vocabulary(self.path, self.settings)
        return vocabulary, text["sizes"]

    def load_text(self) -> tuple[Vocabulary, np.ndarray]:
        """Return the vocabulary and the word ids, mapped into memory and read-only.

        Raises
        ------
        FormatError
            If a file is missing or not what was written.
        """
        vocabulary, text = read_vocabulary(self.path, self.settings)
        n_bytes = 4 * text["positions"]
        with open_whole(self.path / WORD_IDS) as stream:
            check_digest(stream, n_bytes, text)
            mapped = mmap.mmap(stream.fileno(), n_bytes, access=mmap.ACCESS_READ)
            self._text_seen = _identity(os.fstat(stream.fileno()))
        word_ids = np.frombuffer(mapped, "<i4")
        if not 0 <= max(part.max() for part in parts_of(word_ids)) < len(vocabulary):
            raise FormatError(
                f"{stream.name}: is damaged: it has no word ids, or some beyond the "
                f"{counted(len(vocabulary), 'word')}"
            )
        return vocabulary, word_ids

    def check_text(self) -> None:
        """Make sure that the word ids are still those that were loaded.

        Raises
        ------
        FormatError
            If they have been changed since.
        """
        path = self.path / WORD_IDS
        try:
            seen = _identity(path.stat())
        except OSError:
            return  # what is mapped stays
        if seen != self._text_seen:
            text = read_text_json(self.path, self.settings)
            with open_whole(path) as stream:
                check_digest(stream, 4 * text["positions"], text)
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
        n_old = read_text_json(self.path, self.settings)["positions"]
        # What a next generation reads and writes until the settings on disk name it.
        self.settings = {**self.settings, "generation": self.settings["generation"] + 1}
        try:
            checksum = self._append(n_old, word_ids)
            text = {**counts, "positions": n_old + word_ids.size}
            self._write_text_json(vocabulary, text, {"word_ids": checksum})
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
        path = self.path / WORD_IDS
        digest = hashlib.sha256()
        try:
            with open(path, "r+b", opener=not_a_link) as stream:
                while stream.tell() < 4 * n_old:
                    digest.update(stream.read(min(CHUNK, 4 * n_old - stream.tell())))
                write_ids(stream, word_ids, digest)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:  # of closing the file, too
            raise W2VError(
                f"{path}: cannot be written ({error.strerror}); nothing was added"
            ) from error
        return digest.hexdigest()

    def _write_text_json(
        self, vocabulary: Vocabulary, text: Mapping[str, Any], checksums: Mapping[str, str]
    ) -> None:
        """Write the vocabulary, then what is to be known of the text, with all checksums."""
        digest = hashlib.sha256()
        with replace_file(self._at("vocabulary.txt")) as stream:
            for word, count in zip(vocabulary.words, vocabulary.counts.tolist(), strict=True):
                line = f"{word} {count}\n".encode("utf-8", "surrogatepass")
                digest.update(line)
                stream.write(line)
        checksums = {"vocabulary": digest.hexdigest(), **checksums}
        self._write_json(self._at("text.json").name, {**text, "sha256": checksums})

    def _remove_others(self) -> None:
        """Remove files of other generations, and word ids beyond those that text.json counts."""
        own = {self._at(name) for name in PER_GENERATION}
        for path in self.path.iterdir():
            if path in own or not OF_A_GENERATION.fullmatch(path.name):
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
        if "sharding" in self.settings:
            return
        with suppress(W2VError, OSError):  # load_text says what is wrong
            n_bytes = 4 * read_text_json(self.path, self.settings)["positions"]
            with open(self.path / WORD_IDS, "r+b", opener=not_a_link) as stream:
                if n_bytes < os.fstat(stream.fileno()).st_size:
                    stream.truncate(n_bytes)

    def _write_settings(self, settings: dict[str, Any]) -> None:
        # As they will be read again, so that a run and its resumption see the same.
        self.settings = plain(settings)
        self._write_json(SETTINGS, self.settings)

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        with replace_file(self.path / name) as stream:
            stream.write(sealed_json(content).encode() + b"\n")
        sync_folder(self.path)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns

"""The folder of a run at a URL, as its file system has it.

It can be resumed at any moment, whatever the file system can do: none need replace a file at once,
or rename one.

- Settings are written before the text, and the text before its checkpoints. The settings that name
  a new generation come last, and word ids have the generation in their name.
- Of JSON files, which are replaced, there are two for a moment: one of them is always whole.
- Word ids and checkpoints have new names each time. What the folder no longer has goes last.

The file ``lock`` names who writes here. Whoever resumes the run replaces it, and the one before
stops: no clock tells whether that one is dead.
"""

from __future__ import annotations

import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import FormatError, W2VError
from ..text.reading.remote import failures, file_system_at
from .checkpoint_file import (
    OpenCheckpoint,
    best_paths,
    checkpoint_paths,
    is_checkpoint,
    step_of,
)
from .names import SETTINGS, WORD_IDS, is_of_the_run, of_generation
from .sealed_json import read_json, unsealed
from .settings import read_settings

_LOCK = "lock"
_SMALL = "command.json", "log.jsonl"
_NEW = ".new"
_ONLY_AT_URLS = re.compile(r"word_ids-[0-9]+\.i32|(settings|text(-[0-9]+)?)\.json\.new")
_N_KEPT = 2


class RemoteFolder:
    """The folder of a run at a URL, and the copy of it on this machine.

    Parameters
    ----------
    url : str
    path : Path
        The folder of the copy.
    is_new : bool
        Whether the run is to begin, so that only what shows whether it can is fetched.

    Raises
    ------
    OSError
        Here and by every method, if the URL cannot be read or written; its text says why.
    W2VError
        If it holds something else than a run.
    """

    def __init__(self, url: str, path: Path, *, is_new: bool) -> None:
        self._url, self._path, self._is_new = url, path, is_new
        with failures():
            self._file_system, root = file_system_at(url)
        self._root = root.rstrip("/")
        self._sizes = self._find()
        # At the URL, as it is here; None for what is not here, or only half there.
        self._there: dict[str, tuple[int, ...] | None] = dict.fromkeys(self._sizes)
        self._generation = 0  # of the settings at the URL

    def fetch(self) -> None:
        """Fetch the files of a run: those of its generation, and checkpoints once it has a text.

        Raises
        ------
        W2VError
            If there is no run, or no room for it.
        FormatError
            If its settings are damaged.
        """
        sizes = self._sizes
        self._get_json(SETTINGS)
        names, steps = list(_SMALL), []
        if self._is_new:
            names += [name for name in sizes if re.fullmatch(r"text.*\.json", name)]
        else:
            settings = read_settings(self._path)
            self._generation = settings["generation"]
            text, *others = self._text_files(settings)
            self._get_json(text.name)
            if text.exists():
                folder = of_generation(Path(), "checkpoints", settings).name
                steps = [name for name in sizes if name.startswith(f"{folder}/step-")]
                steps.sort(key=lambda name: step_of(Path(name)))
                names += [*map(self._name_there, others), *steps[-_N_KEPT:]]
                names += [name for name in sizes if name.startswith(f"{folder}/best-")]
        for name in names:
            if name in sizes:
                self._get(name, WORD_IDS if name.startswith("word_ids") else name)
        if len(steps) == 1:
            try:
                OpenCheckpoint(self._path / steps[0]).__exit__()
            except FormatError:  # the first, half written: the run goes on without it
                (self._path / steps[0]).unlink()

    def write(self) -> None:
        """Write what has changed, in the order that the module tells of."""
        with failures():
            self._write_changes()

    def claim(self, own_name: str | None) -> None:
        """Make the folder, and name who writes here."""
        with failures():
            self._file_system.makedirs(self._root, exist_ok=True)
            if own_name:
                self._file_system.pipe_file(self._at(_LOCK), own_name.encode())

    def release(self) -> None:
        """Remove the name of who writes here."""
        with failures():
            self._file_system.rm_file(self._at(_LOCK))

    def holder(self, own_name: str) -> str | None:
        """Return who else writes here, if anyone does."""
        with failures():
            self._file_system.invalidate_cache()
            try:
                name = self._file_system.cat_file(self._at(_LOCK)).decode(errors="replace")
            except FileNotFoundError:
                return None
        if name == own_name:
            return None
        holder = name[:200].rpartition(" ")[0]
        return holder if holder.isprintable() and holder else "another process"

    def _find(self) -> dict[str, int]:
        """Return the names and sizes of all files at the URL."""
        with failures():
            self._file_system.invalidate_cache()
            try:
                found = self._file_system.find(self._root, detail=True, withdirs=True)
            except FileNotFoundError:
                return {}
        sizes, others = {}, []
        for path, info in found.items():
            name = path.rstrip("/").removeprefix(self._root).strip("/")
            kind = info.get("type", "file")
            if not name:
                if kind != "directory":
                    raise W2VError(f"{self._url}: is a file; name a folder for the run")
            elif info.get("islink") or kind not in {"file", "directory"}:
                raise W2VError(f"{self._url}: {name!r} is a link or a device, as no run has")
            elif kind == "file" and info.get("nlink", 1) > 1:
                raise W2VError(f"{self._url}: {name!r} is the same file as another (a hard link)")
            elif kind == "file" and self._is_own(name):
                sizes[name] = int(info.get("size") or 0)
            elif kind == "file":
                others.append(name)
        if self._is_new and others and SETTINGS not in sizes:
            raise W2VError(
                f"{self._url}: holds other files, {min(others)!r} among them; name an empty or a "
                "new folder"
            )
        return sizes

    @staticmethod
    def _is_own(name: str) -> bool:
        """Tell whether a run has a file of this name, which so cannot lead out of its folder."""
        folder, _, file = name.rpartition("/")
        if folder:
            is_of_run = folder.startswith("checkpoints") and is_of_the_run(folder)
            return is_of_run and is_checkpoint(file)
        is_file = is_of_the_run(name) and not name.startswith("checkpoints")
        return is_file or _ONLY_AT_URLS.fullmatch(name) is not None

    def _text_files(self, settings: dict[str, Any]) -> list[Path]:
        """Return the paths of text.json, of the vocabulary and of the word ids."""
        own = [
            of_generation(self._path, name, settings) for name in ("text.json", "vocabulary.txt")
        ]
        return [*own, self._path / WORD_IDS]

    def _name_there(self, path: Path) -> str:
        """Return the name at the URL of a file of the folder."""
        if path.name == WORD_IDS:
            return of_generation(Path(), WORD_IDS, read_settings(self._path)).name
        return path.relative_to(self._path).as_posix()

    def _get(self, name: str, local_name: str) -> None:
        """Fetch a file, if there is room for it."""
        path, size = self._path / local_name, self._sizes[name]
        if (free := shutil.disk_usage(self._path).free) < size:
            raise W2VError(
                f"{self._url}: {name} takes {size:,} bytes, but {self._path.parent} has room for "
                f"{free:,}; set TMPDIR to a folder with more"
            )
        path.parent.mkdir(exist_ok=True)
        with failures():
            self._file_system.get_file(self._at(name), str(path))
        self._there[name] = _identity(path)

    def _get_json(self, name: str) -> None:
        """Fetch a JSON file, or the one that was to replace it if that alone is whole."""
        path = self._path / name
        for found in (name, name + _NEW):
            if found in self._sizes:
                self._get(found, name)
                with suppress(FormatError):
                    unsealed(path, read_json(path))
                    return
        if name not in self._sizes:
            path.unlink(missing_ok=True)  # it was never written to its end

    def _write_changes(self) -> None:
        """Write to the URL what has changed, in the order that the module tells of."""
        settings = read_settings(self._path)
        text, *others = self._text_files(settings)
        paths = [self._path / SETTINGS]
        if text.exists():
            folder = of_generation(self._path, "checkpoints", settings)
            # The best epoch first: a run that goes on from a checkpoint compares with it.
            checkpoints = [*best_paths(folder), *reversed(checkpoint_paths(folder))]
            files = [*(path for path in others if path.exists()), text, *checkpoints]
            is_named = settings["generation"] == self._generation
            paths = [*paths, *files] if is_named else [*files, *paths]
        paths += [path for name in _SMALL if (path := self._path / name).exists()]
        for path in paths:
            self._put(path)
        self._generation = settings["generation"]
        own = {*map(self._name_there, paths), _LOCK}
        for name in [name for name in self._there if name not in own]:
            with suppress(FileNotFoundError):
                self._file_system.rm_file(self._at(name))
            del self._there[name]

    def _put(self, path: Path) -> None:
        """Write a file to the URL, unless it is there."""
        name = self._name_there(path)
        try:
            identity = _identity(path)
            if self._there.get(name) == identity:
                return
            self._there[name] = None
            if name.startswith("checkpoints"):
                self._file_system.makedirs(self._at(name.split("/")[0]), exist_ok=True)
            if path.suffix not in {".json", ".jsonl"}:
                self._file_system.put_file(str(path), self._at(name))
            else:
                content = path.read_bytes()  # at once: the log grows meanwhile
                if path.name not in _SMALL:
                    self._there[name + _NEW] = None
                    self._file_system.pipe_file(self._at(name + _NEW), content)
                self._file_system.pipe_file(self._at(name), content)
        except FileNotFoundError:
            if path.exists():
                raise
            return  # a checkpoint that others have replaced meanwhile
        self._there[name] = identity

    def _at(self, name: str) -> str:
        """Return the path in the file system of a file at the URL."""
        return f"{self._root}/{name}"


def _identity(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns

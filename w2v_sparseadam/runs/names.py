"""The names in the folder of a run: what belongs to it, and what must not be there."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import W2VError
from ..system.files import leftover_of, not_a_link, sync
from ..system.paths import shell_path

SETTINGS, WORD_IDS = "settings.json", "word_ids.i32"
PER_GENERATION = "vocabulary.txt", "text.json", "checkpoints"
OF_A_GENERATION = re.compile(
    r"vocabulary(-[0-9]+)?\.txt|text(-[0-9]+)?\.json|checkpoints(-[0-9]+)?"
)
_OF_THE_RUN = re.compile(
    rf"settings\.json|word_ids\.i32|command\.json|log\.jsonl|lock|{OF_A_GENERATION.pattern}"
)


def may_be_left(path: Path) -> bool:
    """Return whether a file may be what is left of a run that was killed at its very start."""
    if path.name != "lock":
        return is_leftover(path.name)
    with open(path, "rb", opener=not_a_link) as lock:
        content = lock.read(200).decode(errors="replace")
    return re.fullmatch(r"(process \d+ on .*\n)?", content) is not None


def is_leftover(name: str) -> bool:
    """Return whether a name is that of a temporary file for one of a run's own."""
    target = leftover_of(name)
    return target is not None and (is_of_the_run(target) or target.startswith(("step-", "best-")))


def is_of_the_run(name: str) -> bool:
    """Return whether a name in the folder of a run is that of one of its own files or folders."""
    return _OF_THE_RUN.fullmatch(name) is not None


def belongs_to_run(path: str | os.PathLike[str], run_dir: str | os.PathLike[str]) -> bool:
    """Return whether a path is the folder of a run, or in one of its own files or folders."""
    inner = os.path.relpath(os.path.realpath(path), os.path.realpath(run_dir)).split(os.sep)[0]
    return inner == os.curdir or is_of_the_run(inner)


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
        pass  # whoever opens the folder reports it; or the file was just replaced
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error


def _refuse_linked_checkpoints(folder: Path) -> None:
    for entry in (*folder.glob("step-*"), *folder.glob("best-*")):
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

"""Names of files: what they stand for, and how to show them."""

from __future__ import annotations

import os
import re
import shlex
from contextlib import suppress
from pathlib import Path

from ..errors import SettingError

STANDARD_OUTPUT = "-"
"""The path that stands for standard output."""

COMPRESSED_ENDINGS = (".gz", ".bz2", ".xz", ".zst")
"""Endings of names that compress what is written."""

_NOT_TEXT_ENDINGS = (
    *(".npy", ".npz", ".safetensors", ".parquet", ".json", ".jsonl", ".csv", ".bin", ".kv"),
    *(".model", ".pkl", ".h5", ".zip", ".7z", ".lz4", ".zstd"),
)
_DESCRIPTOR = re.compile(r"/(?:dev|proc/self)/fd/(\d+)")


def is_standard_output(path: str | os.PathLike[str]) -> bool:
    """Tell whether a path is standard output, whatever its name."""
    return open_descriptor(path) == 1


def open_descriptor(path: str | os.PathLike[str]) -> int | None:
    """Return the number of the open descriptor that `path` names, None if it names none.

    On Linux, opening ``/dev/stdout`` would open the file behind it again, at its start.
    """
    name = os.fspath(path)
    if name == STANDARD_OUTPUT:
        return 1
    if match := _DESCRIPTOR.fullmatch(name):
        return int(match[1])
    for number in (1, 2):
        with suppress(OSError, ValueError):
            if os.path.samestat(os.stat(name), os.fstat(number)):
                return number
    return None


def compression_ending(path: str | os.PathLike[str]) -> str:
    """Return the one of `COMPRESSED_ENDINGS` that a name has, "" for none."""
    suffix = Path(path).suffix.lower()
    return suffix if suffix in COMPRESSED_ENDINGS else ""


def check_text_ending(path: str | os.PathLike[str]) -> None:
    """Refuse a name whose ending asks for another format than text.

    Raises
    ------
    SettingError
        Names the endings that are allowed.
    """
    ending = compression_ending(path)
    inner = Path(os.fspath(path)[: -len(ending)] if ending else path).suffix.lower()
    if inner in _NOT_TEXT_ENDINGS:
        raise SettingError(
            f"{path}: is written as text, not as {inner!r}; end the name in .txt, .tsv or nothing, "
            f"and in {', '.join(COMPRESSED_ENDINGS)} to compress"
        )


def shell_path(path: str | os.PathLike[str]) -> str:
    """Return a path quoted for a shell's command line, whatever characters it has."""
    name = os.fspath(path)
    if name.startswith("-"):  # otherwise it would be taken for an option
        name = f"./{name}"
    return shell_word(name)


def shell_word(text: str) -> str:
    """Return text quoted for a shell's command line, whatever characters it has."""
    if text.isprintable():
        return shlex.quote(text)
    escaped = (
        char
        if char.isprintable() and char not in "'\\"
        else "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
        for char in text
    )
    return f"$'{''.join(escaped)}'"


def same_file(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Tell whether two paths are one file, or would be once it exists."""
    return file_identity(one) == file_identity(other)


def file_identity(path: str | os.PathLike[str]) -> tuple[int | str, ...]:
    """Return what two paths have in common if they are one file, or would be once it exists."""
    try:
        status = os.stat(path)
    except OSError:
        return (os.path.realpath(path),)
    return status.st_dev, status.st_ino

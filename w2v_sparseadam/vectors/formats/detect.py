"""Which format a file of vectors has: by its content to read it, by its name to write it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np

from ...errors import SettingError
from ...system.paths import COMPRESSED_ENDINGS, compression_ending
from .word2vec_binary import binary_numbers, records_end_in_newlines
from .word2vec_text import is_number, is_row

TEXT_ENDINGS, BINARY_ENDINGS = ("", ".vec", ".txt"), (".bin",)
"""Extensions of files of vectors; that of a compression may follow."""


def is_text(head: bytes, dim: int) -> bool:
    """Tell text from binary by the first records.

    A broken text file should be reported as broken text, not as binary; and the bytes of binary
    numbers may happen to be printable.
    """
    first, *later = [is_row(line, dim) for line in head.split(b"\n")[:-1]] or [is_row(head, dim)]
    # After a correct first line, a broken one suggests binary only if all binary records would
    # end in a newline.
    if first and (all(later[:1]) or not records_end_in_newlines(head, dim)):
        return True
    numbers = b"".join(binary_numbers(head, dim)) or head
    if re.search(rb"[^\t\n\r -~\x80-\xff]", numbers):
        return False
    # Most numbers of trained vectors are in this range; four digits read as a float32 are not.
    with np.errstate(invalid="ignore"):
        sizes = np.abs(np.frombuffer(numbers[: len(numbers) // 4 * 4], "<f4"))
        n_usual = np.count_nonzero((sizes > 2**-11) & (sizes < 2**14))
    if n_usual > len(sizes) / 2:
        return False
    line = head.partition(b"\n")[0].replace(b",", b".")
    return any(map(is_number, line.split()[1:]))


def is_binary(path: str | os.PathLike[str]) -> bool:
    """Tell from its extension whether a file of vectors is to be binary.

    Raises
    ------
    SettingError
        If vectors cannot be written in the format of the extension.
    """
    ending = compression_ending(path)
    inner = Path(os.fspath(path)[: -len(ending)] if ending else path).suffix.lower()
    if inner not in TEXT_ENDINGS + BINARY_ENDINGS:
        known = ", ".join(filter(None, TEXT_ENDINGS + BINARY_ENDINGS))
        raise SettingError(
            f"{path}: vectors cannot be written as {inner!r}; use one of the extensions "
            f"{known} or none, then {', '.join(COMPRESSED_ENDINGS)} to compress"
        )
    return inner in BINARY_ENDINGS

"""The text of a run, as its folder has it: a vocabulary, word ids, and a checksum of each."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..errors import FormatError, W2VError
from ..text.vocabulary import Vocabulary
from .names import of_generation
from .sealed_json import read_json, unsealed

CHUNK = 1 << 20
"""Bytes that are read at a time."""


def read_vocabulary(path: Path, settings: Mapping[str, Any]) -> tuple[Vocabulary, dict[str, Any]]:
    """Return the vocabulary of a run, and what is kept beside it, without taking its folder.

    Raises
    ------
    FormatError
        If a file is missing or not what was written.
    """
    text = read_text_json(path, settings)
    with open_whole(of_generation(path, "vocabulary.txt", settings)) as stream:
        check_digest(stream, None, text)
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


def read_text_json(path: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counts and checksums of a run's vocabulary and word ids."""
    text_path = of_generation(path, "text.json", settings)
    if not text_path.exists():
        raise FormatError(
            f"{text_path}: is missing: the text of the run was not read to its end; resume it, or "
            "start a new one from the text"
        )
    with open_whole(text_path):
        text = unsealed(text_path, read_json(text_path))
    # Of the word ids in the folder, or of texts that stay where they are.
    key = "sizes" if "sharding" in settings else "positions"
    found = text.get(key)
    sizes = found if isinstance(found, list) else [found]
    are_counts = all(isinstance(n, int) and 0 <= n < 1 << 60 for n in sizes) and sum(sizes) > 0
    if (
        not are_counts
        or isinstance(found, list) != (key == "sizes")
        or not isinstance(text.get("sha256"), dict)
    ):
        raise FormatError(f"{text_path}: is damaged: it has no count of {key} or no checksums")
    return text


def write_ids(stream: BinaryIO, word_ids: np.ndarray, digest: Any = None) -> Any:
    """Write word ids a piece at a time, which may be more than memory; return their digest."""
    digest = digest or hashlib.sha256()
    for part in parts_of(word_ids):
        piece = part.astype("<i4", copy=False)
        digest.update(piece)
        stream.write(piece.data)
    return digest


def parts_of(word_ids: np.ndarray) -> Iterator[np.ndarray]:
    """Cut word ids into parts of a mebibyte."""
    size = CHUNK // 4
    for first in range(0, word_ids.size, size):
        yield word_ids[first : first + size]


def open_whole(path: Path) -> BinaryIO:
    """Open a file that must be there."""
    try:
        return open(path, "rb")
    except FileNotFoundError:
        raise FormatError(f"{path}: is missing; start a new run from the text") from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error


def check_digest(stream: BinaryIO, n_bytes: int | None, text: Mapping[str, Any]) -> None:
    """Compare the checksum of the first bytes of a file, or of all, with that in text.json."""
    kind = "vocabulary" if n_bytes is None else "word_ids"
    digest, left = hashlib.sha256(), math.inf if n_bytes is None else n_bytes
    while left and (piece := stream.read(int(min(CHUNK, left)))):
        digest.update(piece)
        left -= len(piece)
    if digest.hexdigest() != text["sha256"].get(kind) or 0 < left < math.inf:
        raise FormatError(
            f"{stream.name}: is damaged (its checksum is not that of text.json); start a new run "
            "from the text"
        )

"""Detect by its first bytes how a source is compressed, or that it is not text."""

from __future__ import annotations

import json
import re

from ...errors import TextError

HEAD_BYTES = 4096
"""How many of the first bytes are checked."""

# Only the first bytes of bzip2 data could be text; the others are invalid UTF-8 or control
# characters. The data of zstd begins with a frame, or a skippable frame, which pzstd writes first.
_COMPRESSED = re.compile(
    rb"(?P<gzip>\x1f\x8b\x08)"
    rb"|(?P<bzip2>BZh[1-9](?:1AY&SY|\x17rE8P\x90))"
    rb"|(?P<xz>\xfd7zXZ\0)"
    rb"|(?P<zstd>\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)"
)

# Bytes, their offset, and what has them. Only the PDF's could begin a text in UTF-8.
_NOT_TEXT = (
    (b"%PDF-", 0, "a PDF"),
    (b"PK\x03\x04", 0, "a zip archive (or a docx, xlsx, epub or npz file)"),
    (b"PK\x05\x06", 0, "an empty zip archive"),
    (b"ustar\0", 257, "a tar archive"),
    (b"ustar  \0", 257, "a tar archive"),
    (b"7z\xbc\xaf\x27\x1c", 0, "a 7z archive"),
    (b"Rar!\x1a\x07", 0, "a RAR archive"),
    (b"\x1f\x9d", 0, "compressed by compress (.Z)"),
    (b"\x04\x22\x4d\x18", 0, "compressed by lz4"),
    (b"LZIP\x01", 0, "compressed by lzip"),
    (b"\x5d\0\0", 0, "compressed by lzma"),
    (b"\xff\x06\0\0sNaPpY", 0, "compressed by snappy"),
    (b"\x7fELF", 0, "an ELF program or library"),
    (b"\xff\xd8\xff", 0, "a JPEG image"),
    (b"\x89PNG\r\n\x1a\n", 0, "a PNG image"),
    (b"\x93NUMPY", 0, "a NumPy array"),
    (b"\x89HDF\r\n\x1a\n", 0, "an HDF5 file"),
    (b"PAR1\x15", 0, "a Parquet file"),
    (b"ARROW1\0", 0, "an Arrow file"),
    (b"Obj\x01", 0, "an Avro file"),
    (b"SQLite format 3\0", 0, "an SQLite database"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0, "an old Office document"),
    (b"\x80\x04\x95", 0, "a Python pickle"),
    (b"\x80\x05\x95", 0, "a Python pickle"),
)
_ANY_NOT_TEXT = re.compile(
    b"|".join(b"(.{%d}%s)" % (at, re.escape(magic)) for magic, at, _ in _NOT_TEXT), re.DOTALL
)
_ADVICE = {
    "a Parquet file": "pass `format=parquet`",
    "a tar archive": "unpack it, or pipe its content in (tar -xOf)",
    "a zip archive": "unpack it, or pipe its content in (unzip -p)",
}

# Longest first: that of UTF-16 is the beginning of that of UTF-32.
_FAMILIES = ("utf-32", "utf-8", "utf-16")
_MARK = re.compile(rb"(\xff\xfe\0\0|\0\0\xfe\xff)|(\xef\xbb\xbf)|(\xff\xfe|\xfe\xff)")

# The control characters that file(1) does not expect in text, NUL included. Text may have a few;
# a tenth of random bytes are such, so a sixteenth is too many, if there are enough bytes.
_CONTROLS = bytes({*range(32), 127} - {7, 8, 9, 10, 11, 12, 13, 27})
_MAX_CONTROL_SHARE = 1 / 16
_ENOUGH_BYTES = 512

_FEW_NUMBERS = 16  # an ordinary table may have as many in a line
_VECTORS_HEADER = re.compile(rb"\d{1,12} (\d{1,7})[ \r]*\n")
_SAFETENSORS = re.compile(rb'.{5}\0{3}\{"', re.DOTALL)  # the length of a header of JSON
_NUMBER = re.compile(rb"[-+]?\d+(\.\d*)?(e[-+]?\d+)?|[-+]?\.\d+(e[-+]?\d+)?", re.IGNORECASE)


def compression_of(head: bytes) -> str | None:
    """Return ``"gzip"``, ``"bzip2"``, ``"xz"`` or ``"zstd"``, None if it is none of them."""
    match = _COMPRESSED.match(head)
    return match and match.lastgroup


def kind_of(head: bytes) -> str | None:
    """Return what data with these first bytes is, such as "a PDF"; None if it may be text."""
    match = _ANY_NOT_TEXT.match(head)
    return match and _NOT_TEXT[(match.lastindex or 0) - 1][2]


def check_head(head: bytes, name: str, encoding: str) -> None:
    """Raise TextError if data with these first bytes is not text in this encoding.

    Parameters
    ----------
    head : bytes
        The first bytes, decompressed; `HEAD_BYTES` suffice.
    name : str
        Their source, for the message.
    encoding : str
        Its name by `codecs.lookup`.
    """
    kind = kind_of(head)
    if kind is None and (compression := compression_of(head)):
        kind = f"{compression} data even after decompression"
    if kind:
        advice = _ADVICE.get(kind.split(" (")[0], "extract its text first")
        raise TextError(f"{name}: is {kind}, not text", advice)
    mark = _MARK.match(head)
    if mark and not encoding.startswith(family := _FAMILIES[(mark.lastindex or 0) - 1]):
        raise TextError(
            f"{name}: begins with a {family.upper()} byte order mark (bytes {mark[0].hex(' ')}), "
            f"but is read as {encoding.upper()}",
            f"pass `encoding={family}`",
        )
    if encoding in ("utf-16", "utf-32") and head and not mark:
        raise TextError(
            f"{name}: begins without a byte order mark (bytes {head[:4].hex(' ')})",
            f"pass `encoding={encoding}-le` or {encoding}-be",
        )


def check_not_vectors(head: bytes, name: str) -> None:
    """Raise TextError if data begins like word vectors: of word2vec, GloVe or safetensors.

    Parameters
    ----------
    head : bytes
        The first bytes, decompressed; `HEAD_BYTES` suffice.
    name : str
        Their source, for the message.
    """
    header = _VECTORS_HEADER.match(head)
    if not header:
        if _SAFETENSORS.match(head) or _are_rows_of_vectors(head):
            raise _vectors(name)
        return
    dim = int(header[1])
    line, end, _ = head[header.end() :].partition(b"\n")
    numbers = line.split()[1:] if end else line.split()[1:-1]  # the last one may be incomplete
    is_text = len(numbers) >= min(dim, 2) and all(map(_NUMBER.fullmatch, numbers))
    is_binary = len(line) - len(line.translate(None, _CONTROLS)) > 0
    if is_binary or (is_text and (len(numbers) == dim or not end)):
        raise _vectors(name)


def _vectors(name: str) -> TextError:
    return TextError(f"{name}: is a file of word vectors, not text; name the file to write with -o")


def _are_rows_of_vectors(head: bytes) -> bool:
    """Whether each of the first lines is a word and many decimal fractions, as GloVe writes."""
    first_number = head.split(None, 2)[1:2]
    if not first_number or not _NUMBER.fullmatch(first_number[0]):
        return False  # without looking at all words
    lines = [line.split() for line in head.split(b"\n")[:2]]
    if b"\n" not in head[head.find(b"\n") + 1 :]:
        lines = [line[:-1] for line in lines]  # the last one is incomplete
    numbers = [line[1:] for line in lines if len(line) > _FEW_NUMBERS]
    return len(numbers) == len(lines) and all(
        b"." in number and _NUMBER.fullmatch(number) for line in numbers for number in line
    )


def begins_with_json_object(head: bytes) -> bool:
    """Whether the first line that is not blank is a JSON object, such as in JSON Lines.

    If the line is longer than the head, its beginning decides.
    """
    head = head.lstrip()
    if not re.match(rb'\{\s*"', head):
        return False
    line, end, _ = head.partition(b"\n")
    if not end:
        return re.match(rb'\{\s*"[^"\\]*"\s*:', line) is not None
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def check_controls(head: bytes, name: str) -> None:
    """Raise TextError if too many of the first bytes are control characters.

    Parameters
    ----------
    head : bytes
        The first bytes, decompressed and decoded; `HEAD_BYTES` suffice.
    name : str
        Their source, for the message.
    """
    head = head[:HEAD_BYTES]
    n_controls = len(head) - len(head.translate(None, _CONTROLS))
    if len(head) >= _ENOUGH_BYTES and n_controls > _MAX_CONTROL_SHARE * len(head):
        raise TextError(
            f"{name}: is binary, not text ({n_controls} of its first {len(head)} bytes are "
            "control characters)",
            "extract its text first, or pass its `encoding`",
        )

"""Decode bytes in any encoding, and encode text as UTF-8, counting invalid bytes."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from itertools import chain
from typing import Protocol

from ...errors import TextError

_BYTE_ORDER_MARK = "\ufeff"

NOT_STRICT = "pass `errors=replace` or ignore"
"""Advice for text that is invalid."""

OTHER_ENCODING = "pass another `encoding`, or `errors=replace` or ignore"
"""Advice for bytes that are invalid in this encoding."""


class CountsBadBytes(Protocol):
    """What text comes from."""

    name: str
    n_bad_bytes: int


_lost = threading.local()  # n: invalid bytes in the current call


def _handler(replacement: str) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    """Return an error handler for codecs that replaces invalid bytes and counts them."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if not isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
            raise error
        _lost.n += error.end - error.start
        # The UTF-8 encoder accepts a str only if it is ASCII.
        decoding = isinstance(error, UnicodeDecodeError)
        return replacement if decoding else replacement.encode(), error.end

    return handle


# Codecs find a handler by its name.
_HANDLERS = {
    "strict": "strict",
    "replace": "w2v_sparseadam.replace",
    "ignore": "w2v_sparseadam.ignore",
}
codecs.register_error(_HANDLERS["replace"], _handler("\ufffd"))
codecs.register_error(_HANDLERS["ignore"], _handler(""))


def decoded(
    blocks: Iterator[bytes], file: CountsBadBytes, encoding: str, errors: str
) -> Iterator[str]:
    """Decode bytes; a byte order mark at the start is dropped.

    Parameters
    ----------
    blocks : iterator of bytes
        The bytes, split anywhere.
    file : CountsBadBytes
        Where they come from: named in errors; its ``n_bad_bytes`` counts invalid bytes.
    encoding : str
        A codec that decodes bytes to str.
    errors : {"strict", "replace", "ignore"}
        What to do with invalid bytes.

    Raises
    ------
    TextError
        If bytes are invalid and ``errors`` is "strict"; the message says where.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_HANDLERS[errors])
    n_fed = 0
    at_start = True
    for block in chain(blocks, (None,)):
        data = block or b""
        n_fed += len(data)
        _lost.n = 0
        try:
            text = decoder.decode(data, final=block is None)
        except UnicodeError as error:
            raise _undecodable(error, n_fed - len(data), n_fed, file.name, encoding) from error
        file.n_bad_bytes += _lost.n
        if text and at_start:
            text = text.removeprefix(_BYTE_ORDER_MARK)
            at_start = False
        if text:
            yield text


def _undecodable(error: UnicodeError, begin: int, end: int, name: str, encoding: str) -> TextError:
    """Return the error for invalid bytes in the block from ``begin`` to ``end``."""
    what = str(error)
    if isinstance(error, UnicodeDecodeError):
        # A decoder may have kept some bytes from the block before.
        begin = end - len(error.object) + error.start
        what = f"byte 0x{error.object[error.start]:02x}"
    return TextError(
        f"{name}, byte offset {begin}: not {encoding.upper()} ({what})", OTHER_ENCODING
    )


def encoded(text: str, file: CountsBadBytes, errors: str, line: int | None = None) -> bytes:
    """Encode text as UTF-8.

    Parameters
    ----------
    text : str
        UTF-8 can encode everything but lone surrogates.
    file : CountsBadBytes
        As in `decoded`.
    errors : {"strict", "replace", "ignore"}
        As in `decoded`.
    line : int, optional
        Its line in the file, for the message.

    Raises
    ------
    TextError
        If there is a lone surrogate and ``errors`` is "strict".
    """
    _lost.n = 0
    try:
        data = text.encode("utf-8", _HANDLERS[errors])
    except UnicodeEncodeError as error:
        place = file.name if line is None else f"{file.name}, line {line}"
        raise lone_surrogate(place, text[error.start]) from error
    file.n_bad_bytes += _lost.n
    return data


def lone_surrogate(place: str, char: str) -> TextError:
    """Return the error for a lone surrogate."""
    return TextError(
        f"{place}: lone surrogate ({ascii(char)[1:-1]}), which is not a character", NOT_STRICT
    )

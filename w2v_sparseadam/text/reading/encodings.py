"""Decode bytes in any encoding, and encode text as UTF-8, counting invalid bytes."""

from __future__ import annotations

import codecs
import threading
from collections.abc import Callable, Iterator
from itertools import chain

from ...errors import TextError
from .sources import SourceFile

_BYTE_ORDER_MARK = "\ufeff"

NOT_STRICT = "pass `errors=replace` or ignore"
"""Advice against what is not text."""

OTHER_ENCODING = "pass another `encoding`, or `errors=replace` or ignore"
"""Advice against bytes that are not text in this encoding."""

_lost = threading.local()  # by the call that decodes or encodes at the moment


def _handler(replacement: str) -> Callable[[UnicodeError], tuple[str | bytes, int]]:
    """Return a handler of errors that puts something in place of what is bad, and counts it."""

    def handle(error: UnicodeError) -> tuple[str | bytes, int]:
        if not isinstance(error, UnicodeDecodeError | UnicodeEncodeError):
            raise error
        _lost.n += error.end - error.start
        # The encoder of UTF-8 takes a str only if it is ASCII.
        decoding = isinstance(error, UnicodeDecodeError)
        return replacement if decoding else replacement.encode(), error.end

    return handle


# Codecs ask for a handler by its name.
_HANDLERS = {
    "strict": "strict",
    "replace": "w2v_sparseadam.replace",
    "ignore": "w2v_sparseadam.ignore",
}
codecs.register_error(_HANDLERS["replace"], _handler("\ufffd"))
codecs.register_error(_HANDLERS["ignore"], _handler(""))


def decoded(blocks: Iterator[bytes], file: SourceFile, encoding: str, errors: str) -> Iterator[str]:
    """Yield bytes as text; a byte order mark at the start is left out.

    Parameters
    ----------
    blocks : iterator of bytes
        The text, cut anywhere.
    file : SourceFile
        Where it comes from: named in errors, and its ``n_bad_bytes`` count what is not text.
    encoding : str
        Of a codec that decodes bytes to str.
    errors : {"strict", "replace", "ignore"}
        What to do with what is not text.

    Raises
    ------
    TextError
        If something is not text and ``errors`` is "strict": names its place.
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
    """Return the error for something in the block from ``begin`` to ``end`` that is not text."""
    what = str(error)
    if isinstance(error, UnicodeDecodeError):
        # A decoder may have kept some bytes from the block before.
        begin = end - len(error.object) + error.start
        what = f"byte 0x{error.object[error.start]:02x}"
    return TextError(
        f"{name}, byte offset {begin}: not {encoding.upper()} ({what})", OTHER_ENCODING
    )


def encoded(text: str, file: SourceFile, errors: str, line: int | None = None) -> bytes:
    """Return text as UTF-8.

    Parameters
    ----------
    text : str
        Lone surrogates are all that UTF-8 cannot hold.
    file : SourceFile
        As in `decoded`.
    errors : {"strict", "replace", "ignore"}
        As in `decoded`.
    line : int, optional
        Where in the file the text stands.

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
        raise TextError(
            f"{place}: half a surrogate pair ({ascii(text[error.start])[1:-1]}) is not a character",
            NOT_STRICT,
        ) from error
    file.n_bad_bytes += _lost.n
    return data

"""Tokenize whole lines, for tokenizers that need the context of a word.

The words, separated by spaces, replace the line, so that the next steps read it as text that is
already tokenized: each word is its own type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress

import numpy as np

from ..errors import TextError
from .reading.reader import LONGEST_LINE, PADDING_BYTES, Chunk
from .settings import TextConfig
from .tokenizers import checked, writable
from .types.type_words import not_utf8


class LineTokenizer:
    """Replaces lines by their words, chunk by chunk.

    The tokenizer is called for each line that is not blank, without leading and trailing white
    space. Memory is a chunk, its words, and the longest line.

    Parameters
    ----------
    paths : sequence of str
        Names of the sources of chunks, for errors.
    config : TextConfig
        How text becomes words; its tokenizer takes whole lines.

    Attributes
    ----------
    n_bad_bytes, n_empty_words, n_rewritten_words : int
        As in `TextReport`, so far.
    """

    def __init__(self, paths: Sequence[str], config: TextConfig) -> None:
        self.n_bad_bytes = self.n_empty_words = self.n_rewritten_words = 0
        self._paths = paths
        self._config = config
        self._tokenize = checked(config.tokenize)
        self._line = 1

    def tokenized(self, chunks: Iterable[Chunk]) -> Iterator[Chunk]:
        """Yield chunks of words, one line of words for each line of text.

        Parameters
        ----------
        chunks : iterable of Chunk
            As `read_chunks` yields them.

        Yields
        ------
        Chunk
            ``offset`` is that of the first line in its file.

        Raises
        ------
        TextError
            If text is not UTF-8 and ``errors`` is "strict", or the tokenizer fails: names the
            file and the line.
        """
        carried: list[bytes] = []  # of a line that has not ended
        file_number = offset = -1
        for chunk in chunks:
            if chunk.file_number != file_number:
                file_number, self._line = chunk.file_number, 1
            if not carried:
                offset = chunk.offset
            data = chunk.data[: chunk.n_bytes].tobytes()
            cut = data.rfind(b"\n") + 1
            if cut or not data:
                words = self._words(b"".join([*carried, data[:cut]]), file_number, offset)
                n_bytes = len(words)
                words += bytes(PADDING_BYTES)
                yield chunk._replace(
                    data=np.frombuffer(words, np.uint8), n_bytes=n_bytes, offset=offset
                )
                carried, offset = [], chunk.offset + cut
            if cut < len(data):
                carried.append(data[cut:])
                if sum(map(len, carried)) > LONGEST_LINE:
                    raise TextError(
                        f"{self._paths[file_number]}, line {self._line}: is longer than "
                        f"{LONGEST_LINE:,} bytes, the limit for a tokenizer of lines; split it"
                    )

    def _words(self, data: bytes, file_number: int, offset: int) -> bytearray:
        """Return the words of whole lines, one line of words for each."""
        path = self._paths[file_number]
        text = self._config.prepare(self._decoded(data, path, offset))
        lines = bytearray()
        for line in text.split("\n")[:-1]:
            stripped = line.strip()
            try:
                found = self._tokenize(stripped) if stripped else []
            except TextError as error:
                raise TextError(f"{path}, line {self._line}: {error}") from error
            lines += self._joined(found)
            lines += b"\n"
            self._line += 1
        return lines

    def _joined(self, found: list[str]) -> bytes:
        """Return words separated by spaces, rewritten where a file of vectors cannot hold them."""
        joined = " ".join(found)
        if joined.split() == found:  # no word is empty or has white space
            with suppress(UnicodeEncodeError):
                return joined.encode()
        words = []
        for word in found:
            if written := writable(word):
                words.append(written)
                self.n_rewritten_words += written != word
            else:
                self.n_empty_words += 1
        return " ".join(words).encode()

    def _decoded(self, data: bytes, path: str, offset: int) -> str:
        """Decode whole lines."""
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            if self._config.errors == "strict":
                line = self._line + data.count(b"\n", 0, error.start)
                where = f"{path}, line {line}, byte offset {offset + error.start}"
                raise not_utf8(where, data[error.start]) from error
        self.n_bad_bytes += len(data) - len(data.decode(errors="ignore").encode())
        return data.decode(errors=self._config.errors)

"""Millions of distinct words in little memory."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

import numpy as np

from ..simd.kernels import kernel

_BLOCK_WORDS = 1 << 16  # decoded at a time


class Words(Collection[str]):
    """Distinct words, stored as UTF-8 and decoded on access.

    Parameters
    ----------
    data : ndarray of shape (n,), uint8
        The words, a space after each.
    starts : ndarray of shape (W + 1,), int64
        Where each begins, and where the last one ends.
    """

    def __init__(self, data: np.ndarray, starts: np.ndarray) -> None:
        self._data = data
        self._starts = starts

    @classmethod
    def of(cls, words: Iterable[str]) -> Words:
        """Store some words."""
        encoded = [word.encode() for word in words]
        lengths = np.array([len(word) + 1 for word in encoded], np.int64)
        data = np.frombuffer(bytearray(b" ".join([*encoded, b""])), np.uint8)
        return cls(data, np.concatenate(([0], np.cumsum(lengths))))

    def __len__(self) -> int:
        """Return W, the number of words."""
        return self._starts.size - 1

    def __iter__(self) -> Iterator[str]:
        """Decode block after block."""
        for block in self.blocks():
            yield from block.decode().split(" ")[:-1]

    def __contains__(self, word: object) -> bool:
        """Whether a word is among them; compares with each one."""
        return any(word == other for other in self)

    def blocks(self) -> Iterator[bytes]:
        """Yield all words in blocks, as UTF-8 with a space after each."""
        for first in range(0, len(self), _BLOCK_WORDS):
            last = min(first + _BLOCK_WORDS, len(self))
            yield self._data[self._starts[first] : self._starts[last]].tobytes()

    def take(self, places: np.ndarray) -> list[str]:
        """Return the words at some places, an int64 array."""
        taken: list[str] = []
        for first in range(0, places.size, _BLOCK_WORDS):
            block = places[first : first + _BLOCK_WORDS]
            n_bytes = int((self._starts[block + 1] - self._starts[block]).sum())
            data = np.empty(n_bytes, np.uint8)
            _gather(self._data, self._starts, block, data)
            taken += data.tobytes().decode().split(" ")[:-1]
        return taken

    def sort_key(self, places: np.ndarray, first: int) -> np.ndarray:
        """Return 8 bytes of each word, from the ``first`` on, as integers that sort alike.

        UTF-8 sorts in the order of code points. Bytes after the end of a word are zeros.

        Parameters
        ----------
        places : ndarray of shape (n,), int64
            Which words.
        first : int
            The place of the first byte, from 0.

        Returns
        -------
        ndarray of shape (n,), uint64
        """
        keys = np.empty(places.size, np.uint64)
        _sort_keys(self._data, self._starts, places, first, keys)
        return keys


def compile_word_kernels() -> None:
    """Compile the kernels of `Words`, or load them from the cache, before timing starts."""
    words, places = Words.of(["a"]), np.zeros(1, np.int64)
    words.take(places)
    words.sort_key(places, 0)


@kernel
def _gather(data: np.ndarray, starts: np.ndarray, places: np.ndarray, out: np.ndarray) -> None:
    """Copy the words at some places, one after the other."""
    n = np.uint64(0)
    for k in range(np.uint64(places.size)):
        for j in range(starts[places[k]], starts[places[k] + 1]):
            out[n] = data[j]
            n += np.uint64(1)


@kernel
def _sort_keys(
    data: np.ndarray, starts: np.ndarray, places: np.ndarray, first: int, keys: np.ndarray
) -> None:
    """See `Words.sort_key`."""
    for k in range(np.uint64(places.size)):
        begin, end = starts[places[k]] + first, starts[places[k] + 1] - 1
        key = np.uint64(0)
        for j in range(begin, begin + 8):
            key = key << np.uint64(8) | (np.uint64(data[j]) if j < end else np.uint64(0))
        keys[k] = key

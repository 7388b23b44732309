"""Write a text of so many words and tokens, in which the words follow Zipf's law.

Word number r is drawn about as often as 1 / r; besides, every word occurs once, as far as there are
tokens for it. Words are of equal length, so that a block of text is one look-up of an array.

    python scripts/zipf_text.py zipf.txt --words 1000000 --tokens 4000000
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

BLOCK_TOKENS = 1_000_000
LINE_TOKENS = 20


def spell(n_words: int) -> np.ndarray:
    """Return so many different words with a space after each, shape (words, letters + 1), uint8."""
    n_letters = 1
    while 26**n_letters < n_words:
        n_letters += 1
    numbers = np.arange(n_words)[:, None] // 26 ** np.arange(n_letters) % 26
    words = np.full((n_words, n_letters + 1), ord(" "), np.uint8)
    words[:, :-1] = ord("a") + numbers
    return words


def blocks(n_words: int, n_tokens: int, seed: int = 1) -> Iterator[np.ndarray]:
    """Yield the bytes of the text, a block at a time."""
    rng = np.random.default_rng(seed)
    words, once = spell(n_words), rng.permutation(n_words)
    step = max(1, n_tokens // n_words)
    for first in range(0, n_tokens, BLOCK_TOKENS):
        numbers = np.arange(first, min(first + BLOCK_TOKENS, n_tokens))
        # The logarithm of a rank is uniform under Zipf's law.
        ranks = np.exp(rng.random(numbers.size) * np.log(n_words + 1)).astype(np.int64) - 1
        ranks = np.minimum(ranks, n_words - 1)
        own = np.flatnonzero((numbers % step == 0) & (numbers // step < n_words))
        ranks[own] = once[numbers[own] // step]
        text = words[ranks]
        text[(numbers + 1) % LINE_TOKENS == 0, -1] = ord("\n")
        yield text.reshape(-1)


def write_text(path: Path, n_words: int, n_tokens: int) -> None:
    """Write the text to a file."""
    with path.open("wb") as file:
        for block in blocks(n_words, n_tokens):
            file.write(block.data)


def main() -> None:
    """Read the command line and write the text."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("text", type=Path, help="the file to write")
    parser.add_argument("--words", type=int, default=1_000_000, help="default: %(default)s")
    parser.add_argument("--tokens", type=int, default=4_000_000, help="default: %(default)s")
    args = parser.parse_args()
    write_text(args.text, args.words, args.tokens)


if __name__ == "__main__":
    main()

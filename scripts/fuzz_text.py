"""Search for text that becomes other word ids than ten lines of plain Python say it should.

The first bytes of an input choose the settings: tokenizer, threads, how small the pieces are that
the text is cut into, and so on; the rest are the text, in two files. Kernels are compiled with
index checks. Arguments go to libFuzzer, which says at the end how many inputs it has tried: a
folder to keep inputs in, -runs=N, -max_total_time=SECONDS.

    pip install atheris
    python scripts/fuzz_text.py -max_total_time=600
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if __name__ == "__main__":  # before Numba is imported; kernels in the usual cache have no checks
    os.environ["NUMBA_BOUNDSCHECK"] = "1"
    os.environ["NUMBA_CACHE_DIR"] = os.path.join(tempfile.gettempdir(), "w2v-fuzz-cache")

if TYPE_CHECKING:
    from w2v_sparseadam.text.settings import TextConfig
    from w2v_sparseadam.text.tokenizers import Tokenizer

TOKENIZERS: list[str | Tokenizer] = ["word", "whitespace", list, lambda text: text.split(",")]
N_CHOICES = 8


def expected(texts: list[bytes], config: TextConfig) -> tuple[list[str], list[int], list[int]]:
    """Return the vocabulary, its counts, and the word ids of some files."""
    lines = [
        [word for token in line.split() for word in words_of(token, config)]
        for text in texts
        for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    ]
    counts = Counter(word for line in lines for word in line)
    frequent = [word for word in counts if counts[word] >= config.min_count]
    words = sorted(frequent, key=lambda word: (-counts[word], word))[: config.max_vocab]
    ids = {word: word_id for word_id, word in enumerate(words)}
    kept = [[ids[word] for word in line if word in ids] for line in lines]
    word_ids = [word_id for line in kept if line for word_id in [*line, -1]]
    return words, [counts[word] for word in words], word_ids


def words_of(token: bytes, config: TextConfig) -> Iterator[str]:
    """Yield the words that one run of bytes stands for."""
    text = config.prepare(token.decode(errors=config.errors))
    return (word for word in config.tokenize(text) if word.strip())


def check(data: bytes) -> None:
    """Compare what the package and plain Python make of an input.

    Raises
    ------
    AssertionError
        If they differ.
    """
    from w2v_sparseadam.errors import TextError
    from w2v_sparseadam.text.corpus import count_words, read_corpus
    from w2v_sparseadam.text.reading.magic import HEAD_BYTES, check_controls, check_head
    from w2v_sparseadam.text.settings import TextConfig

    choices, text = data[:N_CHOICES].ljust(N_CHOICES, b"\0"), data[N_CHOICES:]
    cut = len(text) * choices[0] // 255  # often in the middle of a word
    texts = [text[:cut], text[cut:]]
    try:
        for part in texts:
            check_head(part[:HEAD_BYTES], "", "utf-8")
            check_controls(part[:HEAD_BYTES], "")
    except TextError:
        return  # what is not text is refused
    threads, piece_bytes = 1 + choices[1] % 4, 3 + choices[2]
    config = TextConfig(
        tokenizer=TOKENIZERS[choices[3] % len(TOKENIZERS)],
        lowercase=[None, True, False][choices[4] % 3],
        min_count=1 + choices[5] % 3,
        max_vocab=choices[6] or None,
        errors=["replace", "ignore"][choices[7] % 2],
    )
    words, counts, word_ids = expected(texts, config)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, name) for name in ("1.txt", "2.txt")]
        for path, part in zip(paths, texts, strict=True):
            path.write_bytes(part)
        try:
            with read_corpus(paths, config, threads=threads, _piece_bytes=piece_bytes) as corpus:
                found, ids = corpus.vocabulary, corpus.word_ids.tolist()
        except TextError:
            assert not words
            return
        assert (found.words, found.counts.tolist(), ids) == (words, counts, word_ids)
        assert corpus.report.n_bytes == len(text)
        counted, _ = count_words(paths, config, threads=threads, _piece_bytes=piece_bytes)
        assert (counted.words, counted.counts.tolist()) == (words, counts)


def main() -> None:
    """Try inputs until libFuzzer is told to stop."""
    import atheris

    # Not the modules that have kernels: Numba could not compile what this adds to them.
    seen = [f"w2v_sparseadam.text.{name}" for name in ("corpus", "reader", "tokenizers")]
    with atheris.instrument_imports(include=seen):
        import w2v_sparseadam.text.corpus  # noqa: F401
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

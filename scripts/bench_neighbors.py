"""Measure how soon the first and the later neighbors come, on generated vectors.

Usage: python scripts/bench_neighbors.py [WORDS] [DIM]

Writes a .bin and a .safetensors file, then asks each for the neighbors of some words in a process
of its own, five times, and prints medians in milliseconds: from the start of the process, with its
imports, to the first answer; and of the answers that follow.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ASK = """
import sys, time
from w2v_sparseadam.commands.neighbors import main  # as the command imports it
from w2v_sparseadam.commands.questions import Question, Search, questions_in
from w2v_sparseadam.vectors.vectors import Vectors
search = Search(Vectors.load(sys.argv[1]))
words = search.vectors.words
for line in [words[17], *words[1000:1020], *["w5 - w6 + w7"] * 10]:
    search.answer(questions_in(line)[0])
    print(time.time(), flush=True)
"""


def main() -> None:
    """Write the files and ask them."""
    n_words, dim = (
        int(sys.argv[n]) if len(sys.argv) > n else (400_000, 300)[n - 1] for n in (1, 2)
    )
    with tempfile.TemporaryDirectory() as folder:
        write_vectors(Path(folder), n_words, dim)
        for name in ("vectors.bin", "vectors.safetensors"):
            first, later = [], []
            for _ in range(5):
                began = time.time()
                done = subprocess.run(
                    [sys.executable, "-c", ASK, str(Path(folder, name))],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                times = [float(line) for line in done.stdout.split()]
                first.append(times[0] - began)
                later += np.diff(times).tolist()
            print(
                f"{name:20} first {1000 * statistics.median(first):5.0f} ms, "
                f"later {1000 * statistics.median(later):5.1f} ms"
            )


def write_vectors(folder: Path, n_words: int, dim: int) -> None:
    """Write random vectors in both formats."""
    from w2v_sparseadam.vectors.vectors import Vectors

    rng = np.random.default_rng(1)
    words = [f"w{n}" for n in range(n_words)]
    vectors = Vectors(words, rng.normal(size=(n_words, dim)).astype(np.float32))
    vectors.save(folder / "vectors.bin")
    vectors.save(folder / "vectors.safetensors")


if __name__ == "__main__":
    main()

#!/usr/bin/env python
"""Time how soon files of vectors answer: the first question, with loading, and later ones.

    python scripts/bench_vectors.py                    # 400,000 words of 300 dimensions
    python scripts/bench_vectors.py --words 100000 --dim 100

The files are made in a temporary folder, or in --folder, and read twice: the second time they are
in the system's cache. Times are medians; those of the start of Python and of NumPy are not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from w2v_sparseadam.vectors.vectors import Vectors

ENDINGS = (".safetensors", ".bin", ".npy")


def make(n_words: int, dim: int) -> Vectors:
    """Return random vectors, and words of usual lengths, some of them not ASCII."""
    rng = np.random.default_rng(1)
    words = [f"w{row}é" if row % 7 == 0 else f"word{row}" for row in range(n_words)]
    return Vectors(words, rng.standard_normal((n_words, dim), dtype=np.float32))


def main() -> None:
    """Print a line for each format."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--words", type=int, default=400_000)
    parser.add_argument("--dim", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        vectors = make(args.words, args.dim)
        for ending in ENDINGS:
            vectors.save(Path(folder, f"x{ending}"))
        del vectors
        print(f"{args.words:,} words, {args.dim} dimensions    load   first answer   later answers")
        for ending in ENDINGS:
            path = Path(folder, f"x{ending}")
            Vectors.load(path).most_similar("word5")
            loads: list[float] = []
            firsts: list[float] = []
            laters: list[float] = []
            for _ in range(args.repeat):
                start = time.perf_counter()
                loaded = Vectors.load(path)
                loads.append(time.perf_counter() - start)
                loaded.most_similar("word5")
                firsts.append(time.perf_counter() - start)
                for row in range(8, 48, 7):
                    start = time.perf_counter()
                    loaded.most_similar(f"word{row}")
                    laters.append(time.perf_counter() - start)
                del loaded
            load, first, later = map(statistics.median, (loads, firsts, laters))
            print(f"{ending:29} {load:6.2f} s {first:8.2f} s {1000 * later:10.1f} ms")


if __name__ == "__main__":
    main()

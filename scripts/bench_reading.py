"""Time the way from text to word ids by how the text is stored: one file, many files, compressed.

Each is compared with what anybody must do: read the bytes of all files, or decompress them, gzip
with isal where it is installed, as both do then. All run in turn, round by round, so that a change
of the machine's speed meets all alike; what counts is the median of the ratios within each round.
Files are in memory before the first round. Prints a Markdown table.

    python scripts/bench_reading.py corpus.txt
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import importlib.util
import lzma
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig

zlib = importlib.import_module("isal.isal_zlib" if importlib.util.find_spec("isal") else "zlib")

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lambda text: lzma.compress(text, preset=1),
}


def write_files(folder: Path, text: bytes, n_files: int) -> None:
    """Write a text as so many files of about the same size, cut between words."""
    folder.mkdir()
    begin = 0
    for number in range(1, n_files + 1):
        end = text.find(b" ", len(text) * number // n_files) + 1 or len(text)
        (folder / f"{number:08}.txt").write_bytes(text[begin:end])
        begin = end


def plain_seconds(path: Path, kind: str) -> float:
    """Return the seconds to read all bytes of a file or folder, decompressed."""
    began = time.perf_counter()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        data = file.read_bytes()
        if kind == "gzip":
            zlib.decompress(data, 31)
        elif kind == "bzip2":
            bz2.decompress(data)
        elif kind == "xz":
            lzma.decompress(data)
    return time.perf_counter() - began


def our_seconds(path: Path, threads: int) -> float:
    """Return the seconds from the path to word ids, looking for files included."""
    began = time.perf_counter()
    with read_corpus([path], TextConfig("whitespace"), threads=threads):
        return time.perf_counter() - began


def spread(ratios: list[float]) -> str:
    """Return the median of some ratios, and the least and the greatest of them."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def main() -> None:
    """Run all in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", type=Path, help="text of words separated by white space")
    parser.add_argument("--megabytes", type=int, default=64, help="of it; default: %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    args = parser.parse_args()
    with args.corpus.open("rb") as file:
        text = file.read(args.megabytes * 1_000_000)
    with tempfile.TemporaryDirectory() as folder:
        cases = {"one file": (Path(folder, "text"), "")}
        cases["one file"][0].write_bytes(text)
        for n_files in (2_000, 32_000):
            cases[f"{n_files:,} files"] = Path(folder, str(n_files)), ""
            write_files(Path(folder, str(n_files)), text, n_files)
        for kind, pack in PACKERS.items():
            cases[kind] = Path(folder, kind), kind
            Path(folder, kind).write_bytes(pack(text))
        print_table(cases, args.rounds, args.threads, len(text))


def print_table(
    cases: dict[str, tuple[Path, str]], n_rounds: int, threads: int, n_bytes: int
) -> None:
    """Time all cases in turn and print what they take."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for number in range(-1, n_rounds):
        for name, (path, kind) in cases.items():
            seconds = plain_seconds(path, kind), our_seconds(path, threads)
            if number >= 0:  # the first round compiles
                times[name].append(seconds)
        print(f"round {number + 1} of {n_rounds}", file=sys.stderr)
    print("| | read or decompressed, s | word ids, s | ratio |\n| --- | ---: | ---: | ---: |")
    for name, pairs in times.items():
        plain, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios = spread([ours / plain for plain, ours in pairs])
        print(f"| {name} | {plain:.2f} | {ours:.2f} | {ratios} |")
    machine = describe_machine()
    print(
        f"\n{machine['date']}, {machine['processor']}, Python {machine['python']}, gzip by "
        f"{zlib.__name__}; {threads} threads, {n_bytes / 1e6:,.0f} MB; medians (least–greatest) of "
        f"{n_rounds} rounds, in turn; `python {' '.join(sys.argv)}`"
    )


if __name__ == "__main__":
    main()

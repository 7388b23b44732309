"""Time the way from Python objects to word ids against the same text in a file.

What counts is the ratio to the time of iterating over the objects, down to their words, plus that
of reading the file. All run in turn, round by round, so that a change of the machine's speed meets
all alike. Prints a Markdown table.

    python scripts/bench_iterables.py corpus.txt
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.reading.corpus_like import CorpusLike
from w2v_sparseadam.text.settings import TextConfig


def seconds_to_read(corpus: CorpusLike, threads: int) -> float:
    """Return the seconds that a corpus takes to become word ids."""
    began = time.perf_counter()
    read_corpus(corpus, TextConfig("whitespace"), threads=threads).close()
    return time.perf_counter() - began


def seconds_to_iterate(sentences: Iterable[Any]) -> float:
    """Return the seconds that it takes to go through sentences, and words if they are lists."""
    began = time.perf_counter()
    for sentence in sentences:
        if isinstance(sentence, list):
            for _ in sentence:
                pass
    return time.perf_counter() - began


def _same(corpus: Any) -> Any:
    return corpus


def main() -> None:
    """Run all in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", help="text of words separated by white space")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=1, help="default: %(default)s")
    args = parser.parse_args()

    with open(args.corpus, encoding="utf-8") as file:
        texts = file.read().split("\n")[:-1]
    words = [text.split() for text in texts]
    corpora: dict[str, Callable[[], Any]] = {
        "list of lists": lambda: words,
        "generator of lists": lambda: (text.split() for text in texts),
        "list of str": lambda: texts,
        "generator of str": lambda: iter(texts),
        "open text file": lambda: open(args.corpus, encoding="utf-8"),  # noqa: SIM115
    }
    for library, column in (("pandas", "Series"), ("polars", "Series"), ("pyarrow", "array")):
        try:
            made = getattr(importlib.import_module(library), column)(texts)
        except ImportError:
            print(f"{library} is not installed", file=sys.stderr)
        else:
            corpora[f"{library}.{column}"] = partial(_same, made)
    seconds_to_read([args.corpus], args.threads)
    times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in corpora}
    for _ in range(args.rounds):
        for name, make in corpora.items():
            from_file = seconds_to_read([args.corpus], args.threads)
            alone = seconds_to_iterate(make())
            times[name].append((seconds_to_read(make(), args.threads), from_file, alone))
    print("| | s | file, s | iterating, s | ratio to their sum |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, rounds in times.items():
        ratios = [ours / (from_file + alone) for ours, from_file, alone in rounds]
        medians = " | ".join(
            f"{statistics.median(column):.2f}" for column in zip(*rounds, strict=True)
        )
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        print(f"| {name} | {medians} | {spread} |")


if __name__ == "__main__":
    main()

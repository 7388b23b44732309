"""Count the words of an endless text: what it takes in time and memory.

A process of its own makes the text and sends it through a pipe; nothing of it is stored. Words
follow Zipf's law, and one in a hundred has never been seen before, so that the text has more types
the longer it is, as real text has. Prints one line of results.

    python scripts/bench_stream.py --gigabytes 20 --max-types 3000000
    python scripts/bench_stream.py --gigabytes 1 --line-words 0
"""

from __future__ import annotations

import argparse
import os
import sys
from multiprocessing import get_context
from multiprocessing.process import BaseProcess

import numpy as np

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.system.machine import peak_memory
from w2v_sparseadam.text.corpus import count_words
from w2v_sparseadam.text.settings import TextConfig

BLOCK_TOKENS = 1 << 20
NEW_SHARE = 0.01  # of the tokens
N_WORDS = 200_000  # that come again and again
N_DIGITS = 8  # of the numbers that make other words new


def write_text(path: str, n_bytes: int, line_words: int) -> None:
    """Write so much text: one block again and again, each time with other new words."""
    rng = np.random.default_rng(1)
    chances = 1 / np.arange(1, N_WORDS + 1)
    words = np.array([f"w{number:x}" for number in range(N_WORDS)])
    tokens = words[rng.choice(N_WORDS, BLOCK_TOKENS, p=chances / chances.sum())].astype("U16")
    new = rng.random(BLOCK_TOKENS) < NEW_SHARE
    tokens[new] = "#" * N_DIGITS
    numbers = np.flatnonzero(new)
    tokens[new] = np.char.add(tokens[new], np.char.mod("x%x", numbers))
    if line_words:
        tokens[::line_words] = np.char.add(tokens[::line_words], "\n")
    block = np.frombuffer(bytearray(" ".join([*tokens.tolist(), ""]).encode()), np.uint8)
    fields = np.flatnonzero(block == ord("#")).reshape(-1, N_DIGITS)
    with open(path, "wb", buffering=0) as pipe:
        for number in range(-(-n_bytes // block.size)):
            block[fields] = np.frombuffer(f"{number:0{N_DIGITS}}".encode(), np.uint8)
            left = block.data[: n_bytes - number * block.size]
            while left:
                left = left[pipe.write(left) :]


def start_writer(path: str, args: argparse.Namespace) -> BaseProcess:
    """Start the process that makes the text."""
    writer = get_context("spawn").Process(
        target=write_text, args=(path, int(args.gigabytes * 1e9), args.line_words), daemon=True
    )
    writer.start()
    return writer


def main() -> None:
    """Read the text from a pipe and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1, help="default: %(default)s")
    parser.add_argument("--line-words", type=int, default=25, help="0: one line in all")
    parser.add_argument("--max-types", type=int, help="default: a quarter of the memory")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--tokenizer", default="whitespace", help="default: %(default)s")
    args = parser.parse_args()

    def show(n_bytes: int, _: int | None, n_tokens: int) -> None:
        if n_bytes // 10**9 > show_state[0]:
            show_state[0] = n_bytes // 10**9
            memory = (peak_memory() or 0) / 1e6
            print(f"{n_bytes / 1e9:.0f} GB, {n_tokens:,} tokens, {memory:,.0f} MB", file=sys.stderr)

    show_state = [0]
    path = f"stream-{os.getpid()}"
    os.mkfifo(path)
    try:
        writer = start_writer(path, args)
        config = TextConfig(args.tokenizer, max_types=args.max_types)
        vocabulary, report = count_words([path], config, threads=args.threads, on_progress=show)
        writer.join()
    finally:
        os.unlink(path)
    print(
        f"{report.n_bytes / 1e9:.1f} GB in {report.seconds:,.0f} s "
        f"({report.n_bytes / 1e6 / report.seconds:,.0f} MB/s), {report.n_lines:,} lines, the "
        f"longest of {report.n_longest_line:,} tokens; {report.n_tokens:,} tokens, "
        f"{report.n_types:,} types; pruned {report.n_pruned_types:,} types with "
        f"{report.n_pruned:,} tokens; no missing word occurs more than {report.max_missed:,} "
        f"times; {len(vocabulary):,} words kept; {(peak_memory() or 0) / 1e6:,.0f} MB resident at "
        f"the peak; {args.threads} threads, {describe_machine()['processor']}"
    )


if __name__ == "__main__":
    main()

"""Time the way from text to word ids against gensim's count of the vocabulary of the same file.

gensim's ``build_vocab(corpus_file=...)`` only counts; ours also turns the text into word ids on the
disk. All run in turn, round by round, so that a change of the machine's speed meets all alike; what
counts is the median of the ratios within each round. Kernels are compiled, and the file is read
into memory, before the first round. Prints a Markdown table.

    pip install gensim
    python scripts/bench_text.py corpus.txt
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from importlib.metadata import version

from gensim.models import Word2Vec

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig

Contestant = tuple[str, int]
"""A tokenizer of ours and a number of threads."""


def time_gensim(path: str, min_count: int) -> tuple[float, int]:
    """Return the seconds that gensim takes for the vocabulary, and its size."""
    model = Word2Vec(vector_size=1, min_count=min_count, workers=1)
    began = time.perf_counter()
    model.build_vocab(corpus_file=path)
    return time.perf_counter() - began, len(model.wv)


def time_ours(path: str, min_count: int, contestant: Contestant) -> tuple[float, int]:
    """Return the seconds that we take for the word ids, and the size of the vocabulary."""
    tokenizer, threads = contestant
    config = TextConfig(tokenizer, min_count=min_count)
    with read_corpus([path], config, threads=threads) as corpus:
        return corpus.report.seconds, len(corpus.vocabulary)


def spread(ratios: list[float]) -> str:
    """Return the median of some ratios, and the least and the greatest of them."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def main() -> None:
    """Run all in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", help="text of words separated by white space")
    parser.add_argument("--rounds", type=int, default=9, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="more than 1; default: %(default)s")
    parser.add_argument("--min-count", type=int, default=5, help="default: %(default)s")
    args = parser.parse_args()

    one: Contestant = ("whitespace", 1)
    contestants = [one, ("word", 1), ("whitespace", args.threads), ("word", args.threads)]
    time_ours(args.corpus, args.min_count, one)
    gensim: list[float] = []
    ours: dict[Contestant, list[float]] = {contestant: [] for contestant in contestants}
    for number in range(args.rounds):
        seconds, n_words = time_gensim(args.corpus, args.min_count)
        gensim.append(seconds)
        for contestant in contestants:
            seconds, n_words_ours = time_ours(args.corpus, args.min_count, contestant)
            ours[contestant].append(seconds)
            if contestant[0] == "whitespace" and n_words_ours != n_words:
                raise SystemExit(f"gensim finds {n_words} words, we find {n_words_ours}")
        print(f"round {number + 1} of {args.rounds}", file=sys.stderr)

    megabytes = os.path.getsize(args.corpus) / 1e6
    print("| | MB/s | times gensim's speed | time, of `whitespace` | speed, of one thread |")
    print("| --- | ---: | ---: | ---: | ---: |")
    print(f"| gensim `build_vocab` | {megabytes / statistics.median(gensim):.0f} | | | |")
    for (tokenizer, threads), times in ours.items():
        cells = [f"`{tokenizer}`, {threads} thread{'s' * (threads > 1)}"]
        cells.append(f"{megabytes / statistics.median(times):.0f}")
        plain, alone = ours["whitespace", threads], ours[tokenizer, 1]
        by_round = list(zip(times, gensim, plain, alone, strict=True))
        cells.append(spread([seconds / mine for mine, seconds, _, _ in by_round]))
        cells.append(spread([mine / seconds for mine, _, seconds, _ in by_round]))
        cells.append(spread([seconds / mine for mine, _, _, seconds in by_round]))
        print("| " + " | ".join(cells) + " |")
    machine = describe_machine()
    print(
        f"\n{machine['date']}, {machine['processor']}, Python {machine['python']}, Numba "
        f"{machine['numba']}, gensim {version('gensim')}; {megabytes:,.0f} MB, {n_words:,} words; "
        f"medians (least–greatest) of {args.rounds} rounds, in turn; "
        f"`python {' '.join(sys.argv)}`"
    )


if __name__ == "__main__":
    main()

"""Time this trainer against others that pip installs: same corpus, settings and threads.

Every contestant runs in a process of its own, in turn, several times over, so that a change of the
machine's speed meets all alike; what counts is the median of the ratios within each round. Prints a
Markdown table. A contestant that is not installed is left out, and the table says so.

    pip install gensim fasttext-wheel torch
    python scripts/bench_peers.py corpus.txt --lines 60000

*Training* is the time of the training loop alone, without reading text, building a vocabulary or
compiling; fastText does not tell it, so its whole call is taken. *Command* is a whole process from
start to end. PyTorch trains the same loss on pairs drawn by the same rules, without subsampling's
and the windows' cost (they are prepared before the clock starts), for a limited time.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from w2v_sparseadam.benchmark.environment import describe_machine

PEERS = {
    "w2v-sparseadam": "numba",
    "gensim": "gensim",
    "fastText": "fasttext",
    "PyTorch SparseAdam": "torch",
}
PACKAGES = {"fasttext": "fasttext-wheel"}
TORCH_BATCHES = (1024, 4096, 16384, 65536)


def train_ours(args: argparse.Namespace) -> float:
    """Run ``w2v-train`` in this process and return its own account of the training time."""
    from w2v_sparseadam.commands.train import main

    log = args.corpus + ".jsonl"
    command = [args.corpus, "-q"]
    command += ["--tokenizer", "whitespace", "--min-count", str(args.min_count), "--log", log]
    command += ["--dim", str(args.dim), "--window", str(args.window), "-o", args.corpus + ".vec"]
    command += ["--negative", str(args.negative), "--epochs", str(args.epochs)]
    command += ["--subsample", str(args.subsample), "--threads", str(args.threads)]
    main(command, standalone_mode=False)
    done = json.loads(Path(log).read_text().splitlines()[-1])
    return float(done["train_seconds"])


def train_gensim(args: argparse.Namespace) -> float:
    """Train gensim's Word2Vec from a file, its fastest way."""
    from gensim.models import Word2Vec

    model = Word2Vec(
        vector_size=args.dim,
        window=args.window,
        min_count=args.min_count,
        negative=args.negative,
        sample=args.subsample,
        workers=args.threads,
        sg=1,
    )
    model.build_vocab(corpus_file=args.corpus)
    began = time.perf_counter()
    model.train(
        corpus_file=args.corpus,
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=args.epochs,
    )
    seconds = time.perf_counter() - began
    model.wv.save_word2vec_format(args.corpus + ".vec")
    return seconds


def train_fasttext(args: argparse.Namespace) -> float:
    """Train fastText without subwords; reading and the vocabulary are part of the call."""
    import fasttext

    began = time.perf_counter()
    model = fasttext.train_unsupervised(
        args.corpus,
        model="skipgram",
        dim=args.dim,
        ws=args.window,
        neg=args.negative,
        epoch=args.epochs,
        minCount=args.min_count,
        t=args.subsample,
        minn=0,
        maxn=0,
        thread=args.threads,
        verbose=0,
    )
    seconds = time.perf_counter() - began
    model.save_model(args.corpus + ".bin")
    return seconds


def train_torch(args: argparse.Namespace) -> float:
    """Train with Embedding(sparse=True) and SparseAdam; return seconds for the whole corpus.

    Each batch size trains for a share of ``args.torch_seconds``; the best speed, in tokens of the
    corpus a second, is carried over to all of it.
    """
    import torch

    torch.set_num_threads(args.threads)
    centers, contexts, noise, n_tokens, n_words = _pairs(args)
    pairs_a_token = len(centers) / n_tokens
    speeds = {}
    for size in TORCH_BATCHES:
        center = torch.nn.Embedding(n_words, args.dim, sparse=True)
        context = torch.nn.Embedding(n_words, args.dim, sparse=True)
        torch.nn.init.zeros_(context.weight)
        parameters = [*center.parameters(), *context.parameters()]
        optimizer = torch.optim.SparseAdam(parameters, lr=0.02)
        began, first = time.perf_counter(), 0
        while time.perf_counter() - began < args.torch_seconds / len(TORCH_BATCHES):
            rows = slice(first, first + size)
            if rows.stop > len(centers):
                break
            negatives = torch.multinomial(noise, size * args.negative, replacement=True)
            v = center(torch.from_numpy(centers[rows]))
            u = context(torch.from_numpy(contexts[rows]))
            n = context(negatives.view(size, args.negative))
            near = torch.nn.functional.logsigmoid((v * u).sum(1))
            far = torch.nn.functional.logsigmoid(-(n @ v.unsqueeze(2)).squeeze(2))
            loss = -(near.sum() + far.sum())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            first = rows.stop
        speeds[size] = first / (time.perf_counter() - began) / pairs_a_token
    return n_tokens * args.epochs / max(speeds.values())


def _pairs(args: argparse.Namespace) -> tuple[Any, Any, Any, int, int]:
    """Return the corpus' pairs, by word2vec's rules, and its noise distribution."""
    import numpy as np
    import torch

    rng = np.random.default_rng(1)
    ids, counts = _word_ids(args)
    n_tokens = int((ids >= 0).sum())
    frequency = counts / counts.sum()
    keep = np.sqrt(args.subsample / frequency) + args.subsample / frequency
    kept = ids[(ids < 0) | (rng.random(ids.size) < keep[ids])]
    sentence = np.cumsum(kept < 0)
    reach = rng.integers(1, args.window + 1, kept.size)
    centers, contexts = [], []
    for distance in range(1, args.window + 1):
        same = (sentence[distance:] == sentence[:-distance]) & (kept[distance:] >= 0)
        same &= kept[:-distance] >= 0
        for source, target in (
            (slice(distance, None), slice(-distance)),
            (slice(-distance), slice(distance, None)),
        ):
            chosen = same & (reach[source] >= distance)
            places = np.flatnonzero(chosen)
            centers.append(np.stack([np.arange(kept.size)[source][places], kept[source][places]]))
            contexts.append(kept[target][places])
    center = np.concatenate(centers, axis=1)
    order = np.argsort(center[0], kind="stable")
    noise = torch.from_numpy(counts**0.75)
    return center[1][order], np.concatenate(contexts)[order], noise, n_tokens, counts.size


def _word_ids(args: argparse.Namespace) -> tuple[Any, Any]:
    """Return the corpus as word ids, −1 after each line, and the counts of the words."""
    import numpy as np

    with open(args.corpus, encoding="utf-8") as stream:
        counter = Counter(word for line in stream for word in line.split())
    common = {word: n for word, n in counter.most_common() if n >= args.min_count}
    word_ids = {word: word_id for word_id, word in enumerate(common)}
    ids: list[int] = []
    with open(args.corpus, encoding="utf-8") as stream:
        for line in stream:
            ids.extend(word_ids[word] for word in line.split() if word in word_ids)
            ids.append(-1)
    return np.array(ids), np.array(list(common.values()), np.float64)


TRAINERS = {
    "w2v-sparseadam": train_ours,
    "gensim": train_gensim,
    "fastText": train_fasttext,
    "PyTorch SparseAdam": train_torch,
}


def run_once(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Run a contestant in a process of its own; return its times and its peak memory."""
    command = [sys.executable, __file__, *sys.argv[1:], "--contestant", name]
    began = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    answer, _ = child.communicate()
    if child.returncode:
        raise SystemExit(f"{name} failed with exit code {child.returncode}")
    result = json.loads(answer.splitlines()[-1])
    return {
        "training": result["seconds"],
        "command": time.perf_counter() - began,
        "memory": result["memory"] / 1e6,
    }


def contestant(name: str, args: argparse.Namespace) -> None:
    """Be one contestant: train, and print seconds and peak memory as JSON."""
    from w2v_sparseadam.system.machine import peak_memory

    print(json.dumps({"seconds": TRAINERS[name](args), "memory": peak_memory()}))


def table(
    names: list[str], rounds: dict[str, list[dict[str, float]]], n_tokens: int
) -> Iterator[str]:
    """Yield the lines of the Markdown table: medians, and ratios within each round."""
    yield "| | training, tokens/s | ours is faster by | command, s | ours is faster by | peak, MB |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    ours = rounds[names[0]]
    for name in names:
        cells = [name]
        runs = rounds[name]
        speed = statistics.median(n_tokens / run["training"] for run in runs)
        cells.append(f"{speed:,.0f}")
        for key in ("training", "command"):
            ratios = [run[key] / mine[key] for run, mine in zip(runs, ours, strict=True)]
            if key == "command":
                cells.append(f"{statistics.median(run[key] for run in runs):.1f}")
            if name == names[0]:
                cells.append("")
            elif name.startswith("PyTorch") and key == "command":
                cells[-1:] = ["", ""]  # trained for a limited time only
            else:
                spread = f"{min(ratios):.1f}–{max(ratios):.1f}"
                cells.append(f"{statistics.median(ratios):.1f} ({spread})")
        cells.append(f"{statistics.median(run['memory'] for run in runs):,.0f}")
        yield "| " + " | ".join(cells) + " |"


def main() -> None:
    """Run all contestants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", help="text of words separated by white space, a sentence a line")
    parser.add_argument("--lines", type=int, help="use only the first lines of the corpus")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--negative", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--min-count", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--subsample", type=float, default=1e-3, help="default: %(default)s")
    parser.add_argument("--torch-seconds", type=float, default=60, help="default: %(default)s")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    parser.add_argument("--excerpt", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.contestant:
        args.corpus = args.excerpt
        contestant(args.contestant, args)
        return

    names = [name for name in args.peers.split(",") if importlib.util.find_spec(PEERS[name])]
    for name in set(args.peers.split(",")) - set(names):
        print(f"{name} is not installed and left out.", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        excerpt = Path(folder, "corpus.txt")
        with open(args.corpus, encoding="utf-8") as source, excerpt.open("w") as target:
            for number, line in enumerate(source):
                if args.lines is not None and number == args.lines:
                    break
                target.write(line)
        sys.argv += ["--excerpt", str(excerpt)]
        counts = Counter(excerpt.read_text().split())
        n_tokens = sum(n for n in counts.values() if n >= args.min_count) * args.epochs
        run_once(names[0], args)  # compile, and read the files into memory
        rounds: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        for number in range(args.rounds):
            for name in names:
                rounds[name].append(run_once(name, args))
                result = rounds[name][-1]
                print(
                    f"round {number + 1}, {name}: {n_tokens / result['training']:,.0f} tokens/s, "
                    f"{result['command']:.1f} s, {result['memory']:,.0f} MB",
                    file=sys.stderr,
                )
    versions = [
        f"{name} {importlib.metadata.version(PACKAGES.get(PEERS[name], PEERS[name]))}"
        for name in names
        if name != names[0]
    ]
    command = " ".join(["python", *(arg for arg in sys.argv[:-2])])
    print(*table(names, rounds, n_tokens), sep="\n")
    print(
        f"\n{date.today()}, {describe_machine()['processor']}, {args.threads} threads, Python "
        f"{platform.python_version()}, {', '.join(versions)}; {n_tokens:,} tokens; medians of "
        f"{args.rounds} rounds, in turn; `{command}`"
    )


if __name__ == "__main__":
    main()

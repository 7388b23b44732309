"""Time this trainer against others: same corpus, settings and threads.

Every contestant runs in a process of its own, in turn, several times over, so that a change of the
machine's speed meets all alike; what counts is the median of the ratios within each round. Prints a
Markdown table. A contestant that is not installed is left out, and the table says so.

    pip install gensim fasttext-wheel torch
    python scripts/bench_peers.py corpus.txt --lines 60000

``--peer`` adds any other program, by the command that runs it. It is split as a shell would, but no
shell runs it. {corpus} and {epochs} must occur; {out}, {threads}, {dim}, {window}, {negative},
{subsample} and {min_count} may.

    python scripts/bench_peers.py corpus.txt --peer word2vec='./word2vec -train {corpus} -output
        {out} -iter {epochs} -threads {threads} -size {dim} -window {window} -negative {negative}
        -sample {subsample} -min-count {min_count} -cbow 0'

*Training* is the time of the training loop alone, without reading text, building a vocabulary or
compiling. fastText does not tell it, so its whole call is taken. A ``--peer`` runs twice in a
round, the second time with twice the epochs: its training time is what that takes longer. *Command*
is a whole process from start to end. PyTorch trains for a limited time (``peer_torch.py``).

With ``--busy``, everything also runs beside a process that keeps one processor busy.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from itertools import islice, product
from pathlib import Path
from string import Formatter

from w2v_sparseadam.benchmark.environment import describe_machine

PEERS = {
    "w2v-sparseadam": "numba",
    "gensim": "gensim",
    "fastText": "fasttext",
    "PyTorch SparseAdam": "torch",
}
PACKAGES = {"fasttext": "fasttext-wheel"}
FIELDS = ["corpus", "epochs", "out", "threads", "dim", "window", "negative", "subsample"]
FIELDS += ["min_count"]

Times = dict[str, float]
"""Of a run: seconds of training and of the whole command, and megabytes of memory at the peak."""


def train_ours(args: argparse.Namespace) -> float:
    """Run ``w2v-train`` in this process and return its own account of the training time."""
    from w2v_sparseadam.commands.train import main

    log = args.corpus + ".jsonl"
    command = [args.corpus, "-q"]
    command += ["--tokenizer", "whitespace", "--min-count", str(args.min_count), "--log", log]
    command += ["--dim", str(args.dim), "--window", str(args.window), "-o", args.corpus + ".vec"]
    command += ["--negative", str(args.negative), "--epochs", str(args.epochs)]
    command += ["--subsample", str(args.subsample), "--threads", str(args.threads)]
    command += ["--model", args.model]
    if args.subwords:
        command += ["--subwords", args.subwords]
    main(command, standalone_mode=False)
    done = json.loads(Path(log).read_text().splitlines()[-1])
    return float(done["train_seconds"])


def ngram_lengths(args: argparse.Namespace) -> tuple[int, int]:
    """Return the least and the most characters of an n-gram; (0, 0) if there are none."""
    least, _, most = (args.subwords or "0").partition("-")
    return int(least), int(most or least)


def train_gensim(args: argparse.Namespace) -> float:
    """Train gensim's Word2Vec or FastText from a file, their fastest way."""
    from gensim.models import FastText, Word2Vec

    kind, ngrams = Word2Vec, {}
    if args.subwords:
        kind = FastText
        ngrams = dict(zip(("min_n", "max_n"), ngram_lengths(args), strict=True))
    model = kind(
        vector_size=args.dim,
        window=args.window,
        min_count=args.min_count,
        negative=args.negative,
        sample=args.subsample,
        workers=args.threads,
        sg=int(args.model == "skip-gram"),
        **ngrams,
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
    """Train fastText; reading and the vocabulary are part of the call."""
    import fasttext

    least, most = ngram_lengths(args)
    began = time.perf_counter()
    model = fasttext.train_unsupervised(
        args.corpus,
        model=args.model.replace("-", ""),
        dim=args.dim,
        ws=args.window,
        neg=args.negative,
        epoch=args.epochs,
        minCount=args.min_count,
        t=args.subsample,
        minn=least,
        maxn=most,
        thread=args.threads,
        verbose=0,
    )
    seconds = time.perf_counter() - began
    model.save_model(args.corpus + ".bin")
    return seconds


def train_torch(args: argparse.Namespace) -> float:
    """Train with PyTorch."""
    from peer_torch import train

    return train(args)


TRAINERS = {
    "w2v-sparseadam": train_ours,
    "gensim": train_gensim,
    "fastText": train_fasttext,
    "PyTorch SparseAdam": train_torch,
}


def parse_peer(text: str) -> tuple[str, list[str]]:
    """Return the name and the words of NAME='command'; exit with a line if it is no template."""
    name, equals, template = text.partition("=")
    if not (name and equals and template.strip()) or name in PEERS:
        raise SystemExit(f"--peer {text}: write NAME='command with {{corpus}} {{epochs}}'")
    try:
        words = shlex.split(template)
        fields = {field for word in words for _, field, _, _ in Formatter().parse(word)} - {None}
    except ValueError as error:
        raise SystemExit(f"--peer {name}: {error}, in: {template}") from error
    for field in sorted(map(str, fields - set(FIELDS))):
        known = ", ".join(f"{{{known}}}" for known in FIELDS)
        raise SystemExit(f"--peer {name}: {{{field}}} is not one of {known}")
    for field in {"corpus", "epochs"} - fields:
        raise SystemExit(f"--peer {name}: {{{field}}} is missing")
    if not shutil.which(words[0]):
        raise SystemExit(f"--peer {name}: there is no program {words[0]}")
    return name, words


def run_peer(name: str, words: list[str], args: argparse.Namespace, corpus: Path) -> Times:
    """Run a command of ``--peer``, and again with twice the epochs."""
    values = {**vars(args), "corpus": str(corpus), "out": f"{corpus}.vec"}
    seconds, memory = [], 0.0
    for epochs in (args.epochs, 2 * args.epochs):
        command = [word.format(**{**values, "epochs": epochs}) for word in words]
        began = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds.append(time.perf_counter() - began)
        memory = memory or usage.ru_maxrss / 1e3  # includes what this process held when it forked
        if child.returncode:
            raise SystemExit(f"{name} failed with exit code {child.returncode}")
    once, twice = seconds
    if twice <= once:
        raise SystemExit(
            f"{name} took {once:.1f} s for {args.epochs} epochs and {twice:.1f} s for twice as "
            "many; raise --lines or --epochs"
        )
    return {"training": twice - once, "command": once, "memory": memory}


def run_own(name: str) -> Times:
    """Run one of ``PEERS`` in a process of its own."""
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


@contextmanager
def busy_process() -> Iterator[None]:
    """Keep one processor busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def contestant(name: str, args: argparse.Namespace) -> None:
    """Be one contestant: train, and print seconds and peak memory as JSON."""
    from w2v_sparseadam.system.machine import peak_memory

    print(json.dumps({"seconds": TRAINERS[name](args), "memory": peak_memory()}))


def table(names: list[str], rounds: dict[str, list[Times]], n_tokens: int) -> Iterator[str]:
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


def busy_table(names: list[str], rounds: dict[str, list[Times]], n_tokens: int) -> Iterator[str]:
    """Yield a table of how much slower each trains beside a busy process."""
    yield "| | alone, tokens/s | beside a busy process | slower by |\n| --- | ---: | ---: | ---: |"
    for name in names:
        alone, beside = rounds[name], rounds[f"{name}, busy"]
        speeds = [
            f"{statistics.median(n_tokens / run['training'] for run in runs):,.0f}"
            for runs in (alone, beside)
        ]
        ratios = [b["training"] / a["training"] for a, b in zip(alone, beside, strict=True)]
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"
        yield "| " + " | ".join([name, *speeds, spread]) + " |"


def main() -> None:
    """Run all contestants in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", help="text of words separated by white space, a sentence a line")
    parser.add_argument("--lines", type=int, help="use only the first lines of the corpus")
    parser.add_argument("--peers", default=",".join(PEERS), help="default: %(default)s")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME='COMMAND'")
    parser.add_argument("--busy", action="store_true", help="and beside a busy process")
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--model", default="skip-gram", choices=("skip-gram", "cbow"))
    parser.add_argument("--subwords", metavar="MIN-MAX", help="with n-grams, as in fastText")
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

    peers = dict(map(parse_peer, args.peer))
    own = [name for name in args.peers.split(",") if importlib.util.find_spec(PEERS[name])]
    for name in set(args.peers.split(",")) - set(own):
        print(f"{name} is not installed and left out.", file=sys.stderr)
    names = [*own, *peers]
    with tempfile.TemporaryDirectory() as folder:
        excerpt = Path(folder, "corpus.txt")
        counts: Counter[str] = Counter()
        with open(args.corpus, encoding="utf-8") as source, excerpt.open("w") as target:
            for line in islice(source, args.lines):
                counts.update(line.split())
                target.write(line)
        sys.argv += ["--excerpt", str(excerpt)]
        n_tokens = sum(n for n in counts.values() if n >= args.min_count) * args.epochs
        del counts
        run_own(names[0])  # compile, and read the files into memory
        rounds = run_rounds(names, peers, args, excerpt, n_tokens)
    versions = [
        f"{name} {importlib.metadata.version(PACKAGES.get(PEERS[name], PEERS[name]))}"
        for name in own[1:]
    ]
    print(*table(names, rounds, n_tokens), sep="\n")
    if args.busy:
        print("", *busy_table(names, rounds, n_tokens), sep="\n")
    print(
        f"\n{date.today()}, {describe_machine()['processor']}, {args.threads} threads, Python "
        f"{platform.python_version()}, {', '.join(versions)}; {n_tokens:,} tokens; medians of "
        f"{args.rounds} rounds, in turn; `{shlex.join(['python', *sys.argv[:-2]])}`"
    )


def run_rounds(
    names: list[str],
    peers: dict[str, list[str]],
    args: argparse.Namespace,
    corpus: Path,
    n_tokens: int,
) -> dict[str, list[Times]]:
    """Run all in turn, round by round; return their times by name."""
    rounds: dict[str, list[Times]] = {}
    for number, name, busy in product(range(args.rounds), names, range(1 + args.busy)):
        with busy_process() if busy else nullcontext():
            run = run_peer(name, peers[name], args, corpus) if name in peers else run_own(name)
        key = f"{name}, busy" if busy else name
        rounds.setdefault(key, []).append(run)
        print(
            f"round {number + 1}, {key}: {n_tokens / run['training']:,.0f} tokens/s, "
            f"{run['command']:.1f} s, {run['memory']:,.0f} MB",
            file=sys.stderr,
        )
    return rounds


if __name__ == "__main__":
    main()

"""Measure the memory that training takes, by words and tokens, and train on a long text.

    python scripts/bench_memory.py
    python scripts/bench_memory.py --long 1000000000 --plot docs/long-run.svg --folder BIG_FOLDER

Every run is a ``w2v-train`` of its own, on a text of ``zipf_text.py`` in which each word occurs.
Word ids are on the disk and mapped into memory: what was read stays there while there is room, and
counts as resident. So the peak is told with and without pages of files. Prints a Markdown table and
what a word and a token take more, by least squares.

``--long`` trains on one text of so many tokens instead, prints what it took, and draws the speed
over the run. The text needs 5 bytes per token in the folder, and the word ids 7 while they are
made.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from zipf_text import write_text

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.training.build import model_memory
from w2v_sparseadam.training.settings import Settings

SIZES = [(20_000, 4), (100_000, 4), (400_000, 4), (1_000_000, 4), (100_000, 16), (100_000, 64)]
"""Words, and millions of tokens."""


class Run(NamedTuple):
    """What a run took."""

    n_words: int
    n_tokens: int
    peak: int  # bytes resident
    own_peak: int  # bytes resident, without pages of files
    speeds: list[tuple[int, float]]  # tokens so far, tokens per second since the one before
    seconds: float  # of the whole command


def own_memory(pid: int) -> int:
    """Return the bytes that a process holds resident, without pages of files."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) * 1024
    except (OSError, IndexError):  # it has ended
        return 0


def train(text: Path, dim: int, threads: int) -> Run:
    """Train one epoch on a text, and watch the process."""
    log = text.with_suffix(".jsonl")
    command = [sys.executable, "-m", "w2v_sparseadam.commands.train", str(text), "-q"]
    command += ["--epochs", "1", "--min-count", "1", "--tokenizer", "whitespace"]
    command += ["--dim", str(dim), "--threads", str(threads), "--log", str(log)]
    command += ["-o", str(text.with_suffix(".bin"))]
    began = time.perf_counter()
    own_peak = 0
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            own_peak = max(own_peak, own_memory(process.pid))
            time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"training on {text} failed with exit code {process.returncode}")
    seconds = time.perf_counter() - began
    events = [json.loads(line) for line in log.read_text().splitlines()]
    (read,) = (event for event in events if event["event"] == "text")
    progress = [event for event in events if event["event"] == "progress"]
    speeds = [(event["tokens"], event["tokens_per_s"]) for event in progress]
    return Run(
        read["words"],
        read["kept_tokens"],
        events[-1]["peak_memory_bytes"],
        own_peak,
        speeds,
        seconds,
    )


def print_table(runs: list[Run], dim: int) -> None:
    """Print what the runs took, and what a word and a token take more."""
    settings = Settings(objective=SkipGramConfig(dim=dim))
    print(
        "| words | tokens | model, MB | optimizer's state, MB | word ids, MB | peak, MB | "
        "without files, MB |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )
    for run in runs:
        parts = [
            *model_memory(range(run.n_words), settings),
            4 * run.n_tokens,
            run.peak,
            run.own_peak,
        ]
        cells = [f"{number:,}" for number in run[:2]] + [f"{part / 1e6:,.0f}" for part in parts]
        print("| " + " | ".join(cells) + " |")
    sizes = np.array([[1, run.n_words, run.n_tokens] for run in runs])
    kinds = {"resident": [run.peak for run in runs], "without files": [r.own_peak for r in runs]}
    for kind, peaks in kinds.items():
        base, word, token = np.linalg.lstsq(sizes, np.array(peaks), rcond=None)[0]
        print(f"\n{kind}: {base / 1e6:,.0f} MB, {word:,.0f} bytes per word, {token:.1f} per token")
    model, state = model_memory(range(1), settings)
    print(f"Of a word's, the model has {model} bytes and the optimizer's state {state}.")


def draw(run: Run, target: Path) -> None:
    """Draw the speed over a run."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "w2v", "font.size": 9})
    from matplotlib import pyplot as plt

    size = max(1, len(run.speeds) // 200)
    parts = [run.speeds[k : k + size] for k in range(0, len(run.speeds), size)]
    figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
    tokens = [part[-1][0] / 1e6 for part in parts]
    axes.plot(tokens, [statistics.median(speed for _, speed in part) / 1e6 for part in parts])
    axes.set(xlabel="tokens, million", ylabel="tokens/s, million", ylim=(0, None))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, metadata={"Date": None})


def print_long_run(run: Run) -> None:
    """Print what a long run took, and how its speed changed."""
    tenths: list[list[float]] = [[] for _ in range(10)]
    for n_tokens, speed in run.speeds:
        tenths[10 * (n_tokens - 1) // run.n_tokens].append(speed)
    speeds = ", ".join(f"{statistics.median(part) / 1e6:.2f}" for part in tenths if part)
    print(
        f"{run.n_tokens:,} tokens, {run.n_words:,} words: {run.seconds:,.0f} s in all; "
        f"{run.own_peak / 1e6:,.0f} MB at the peak without pages of files, {run.peak / 1e6:,.0f} "
        f"with them; million tokens/s in each tenth of the run, medians: {speeds}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="default: %(default)s")
    parser.add_argument("--long", type=int, metavar="TOKENS", help="train on so many tokens")
    parser.add_argument("--words", type=int, default=200_000, help="of --long; %(default)s")
    parser.add_argument("--plot", type=Path, metavar="SVG", help="draw the speed of --long")
    parser.add_argument("--folder", type=Path, help="for the texts; default: the temporary one")
    args = parser.parse_args()
    sizes = [(args.words, args.long)] if args.long else [(n, 10**6 * m) for n, m in SIZES]
    runs = []
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        for n_words, n_tokens in sizes:
            text = Path(folder, "text.txt")
            write_text(text, n_words, n_tokens)
            runs.append(train(text, args.dim, args.threads))
            print(f"{n_words:,} words, {n_tokens:,} tokens: {runs[-1][2:4]}", file=sys.stderr)
    if args.long:
        print_long_run(runs[0])
    else:
        print_table(runs, args.dim)
    if args.plot:
        draw(runs[0], args.plot)
    machine = describe_machine()
    print(f"\n{machine['date']}, {machine['processor']}; `python {' '.join(sys.argv)}`")


if __name__ == "__main__":
    main()

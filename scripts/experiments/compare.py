"""Compare settings of a file that ``run.py --items DIR`` wrote, with a paired bootstrap.

    python scripts/experiments/compare.py scores.csv DIR gensim sparse-adam [--corpus enwiki]

For each data set: the mean score over seeds of the first setting and of each other one, and the
difference with its 95 % interval. Items are drawn with replacement, the same ones for both settings
and all seeds, so that an item that is hard for both does not count as a difference. Settings that
cover other items, because their vocabularies differ, have no interval. A setting may name a kind of
vectors: ``sparse-adam/sum``.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from w2v_sparseadam.evaluation.statistics import spearman

Runs = list[dict[str, np.ndarray]]


def mean_score(runs: Runs, dataset: str, drawn: np.ndarray) -> float:
    """Return the mean over runs of the score of the items drawn, in percent."""
    scores = []
    for run in runs:
        outcomes = run[dataset][drawn]
        judged = run.get(f"{dataset}:judged")
        score = outcomes.mean() if judged is None else spearman(judged[drawn], outcomes)
        scores.append(100 * float(score or 0))
    return float(np.mean(scores))


def main() -> None:
    """Print a table in Markdown."""
    parser = argparse.ArgumentParser(description="Compare settings with a paired bootstrap.")
    parser.add_argument("scores", type=Path)
    parser.add_argument("items", type=Path)
    parser.add_argument("settings", nargs="+")
    parser.add_argument("--corpus")
    parser.add_argument("--draws", type=int, default=1000)
    args = parser.parse_args()
    with open(args.scores, newline="") as stream:
        rows = list(csv.DictReader(stream))
    runs: dict[str, Runs] = {}
    for told in args.settings:
        name, _, kind = told.partition("/")
        runs[told] = [
            dict(np.load(args.items / row["items"]))
            for row in rows
            if row["setting"] == name
            and row["vectors"] == (kind or "center")
            and args.corpus in (None, row["corpus"])
        ]
        if not runs[told]:
            parser.error(f"{args.scores}: no setting '{told}'")
    base = args.settings[0]
    datasets = [name for name in runs[base][0] if not name.endswith(":judged")]
    print("| |", " | ".join(datasets), "|")
    print("| --- |", " | ".join("---:" for _ in datasets), "|")
    for told in args.settings:
        cells = []
        for dataset in datasets:
            n = len(runs[base][0][dataset])
            everything = np.arange(len(runs[told][0][dataset]))
            score = mean_score(runs[told], dataset, everything)
            cell = f"{score:.1f}"
            if len(everything) != n:
                cell += " (covers other items)"
            elif told != base:
                rng = np.random.default_rng(1)
                differences = []
                for _ in range(args.draws):
                    drawn = rng.integers(0, n, n)
                    differences.append(
                        mean_score(runs[told], dataset, drawn)
                        - mean_score(runs[base], dataset, drawn)
                    )
                low, high = np.percentile(differences, [2.5, 97.5])
                difference = score - mean_score(runs[base], dataset, everything)
                cell += f" ({difference:+.1f}: {low:+.1f} … {high:+.1f})"
            cells.append(cell)
        seeds = len(runs[told])
        print(f"| {told}, {seeds} seed{'s' * (seeds > 1)} |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()

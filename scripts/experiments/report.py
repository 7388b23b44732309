"""Print a file of ``run.py`` as tables in Markdown, and draw it.

    python scripts/experiments/report.py results/optimizers.csv --plot docs/optimizers.svg

The first table has the mean scores over seeds, with their range where there are several; the second
the mean over the similarity sets by frequency band, with norm and drift.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path

BANDS = ("rare", "middle", "frequent")
Rows = list[dict[str, str]]


def grouped(path: Path, corpus: str | None) -> dict[tuple[str, str, str], Rows]:
    """Return the rows of each (corpus, setting, vectors), in the order of the file."""
    groups: dict[tuple[str, str, str], Rows] = {}
    with open(path, newline="") as stream:
        for row in csv.DictReader(stream):
            if corpus in (None, row["corpus"]):
                key = row["corpus"], row["setting"], row["vectors"]
                groups.setdefault(key, []).append(row)
    return groups


def mean(rows: Rows, columns: Iterable[str]) -> float | None:
    """Return the mean of columns over rows, None if nothing stands there."""
    values = [float(row[column]) for row in rows for column in columns if row[column]]
    return sum(values) / len(values) if values else None


def cell(rows: Rows, column: str) -> str:
    """Return the mean of a column and its range."""
    values = [float(row[column]) for row in rows if row[column]]
    if not values:
        return "–"
    whole = sum(values) / len(values)
    if len(values) == 1:
        return f"{whole:.1f}"
    return f"{whole:.1f} ({min(values):.1f}–{max(values):.1f})"


def datasets_of(rows: Rows) -> list[str]:
    """Return the names of the data sets that have scores."""
    return [name[2:] for name in rows[0] if name.startswith("n:") and name.count(":") == 1]


def draw(groups: dict[tuple[str, str, str], Rows], target: Path) -> None:
    """Draw each data set's score against the mean of all settings, and scores by frequency band."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "w2v", "font.size": 9})
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    datasets = datasets_of(next(iter(groups.values())))
    everything = [row for rows in groups.values() for row in rows]
    middles = [mean(everything, [dataset]) or 0 for dataset in datasets]
    for number, ((_, name, _), rows) in enumerate(groups.items()):
        style = {"color": f"C{number}", "marker": "osD^vP*X<>"[number % 10], "label": name}
        scores = [mean(rows, [dataset]) or 0 for dataset in datasets]
        ahead = [score - middle for score, middle in zip(scores, middles, strict=True)]
        left.plot(datasets, ahead, linestyle="none", **style)
        by_band = [
            mean(rows, [f"{name}:{band}" for name in datasets if f"{name}:{band}" in rows[0]])
            for band in BANDS
        ]
        right.plot(BANDS, by_band, **style)
    left.set(ylabel="score, compared with the mean of all")
    left.tick_params(axis="x", rotation=15)
    right.set(xlabel="rarest word of an item", ylabel="mean of the scores")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False)
    figure.savefig(target, metadata={"Date": None})


def main() -> None:
    """Print and draw."""
    parser = argparse.ArgumentParser(description="Print scores as tables, and draw them.")
    parser.add_argument("scores", type=Path)
    parser.add_argument("--corpus")
    parser.add_argument("--plot", type=Path, metavar="SVG")
    args = parser.parse_args()
    groups = grouped(args.scores, args.corpus)
    datasets = datasets_of(next(iter(groups.values())))
    heads = ["setting", "vectors", "seeds", "epochs", "s", *datasets]
    print(
        "|", " | ".join(heads), "|\n|", " | ".join(["---"] * 2 + ["---:"] * (len(heads) - 2)), "|"
    )
    for (corpus, name, kind), rows in groups.items():
        numbers = [str(len(rows)), rows[0]["epochs"], cell(rows, "train_seconds")]
        scores = [cell(rows, dataset) for dataset in datasets]
        where = f"{name} ({corpus})" if args.corpus is None else name
        print("|", " | ".join([where, kind, *numbers, *scores]), "|")
    heads = [
        "setting",
        *(f"{column}, {band}" for column in ("score", "norm", "drift") for band in BANDS),
    ]
    print("\n|", " | ".join(heads), "|\n| --- |", " | ".join(["---:"] * (len(heads) - 1)), "|")
    for (_, name, _), rows in groups.items():
        cells = []
        for band in BANDS:
            columns = [f"{dataset}:{band}" for dataset in datasets if dataset != "google-analogies"]
            value = mean(rows, columns)
            cells.append("–" if value is None else f"{value:.1f}")
        for column in ("norm", "drift"):
            for band in BANDS:
                value = mean(rows, [f"{column}:{band}"])
                cells.append("–" if value is None else f"{value:.2f}")
        print("|", " | ".join([name, *cells]), "|")
    if args.plot:
        draw(groups, args.plot)


if __name__ == "__main__":
    main()

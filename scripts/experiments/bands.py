"""Score saved vectors by how often the rarer word of a pair occurs.

    python scripts/experiments/bands.py plain.safetensors ngrams.safetensors --eval MEN.txt

Prints a Markdown table: Spearman's rho × 100 of each file on the pairs of each band, all data sets
together weighed by their pairs. The counts are those of the first file.
"""

from __future__ import annotations

import argparse

from w2v_sparseadam import Vectors
from w2v_sparseadam.evaluation.datasets import SimilaritySet, read_dataset
from w2v_sparseadam.evaluation.scores import evaluate

BANDS = {"below 100": (0, 100), "100 to 999": (100, 1000), "1,000 or more": (1000, 1 << 62)}


def in_band(dataset: SimilaritySet, counts: dict[str, int], low: int, high: int) -> SimilaritySet:
    """Return the pairs whose rarer word occurs so often; a word that is not counted, never."""
    pairs = [
        (a, b, rating)
        for a, b, rating in dataset.pairs
        if low <= min(counts.get(a.lower(), 0), counts.get(b.lower(), 0)) < high
    ]
    return SimilaritySet(dataset.name, pairs)


def main() -> None:
    """Read, score and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("vectors", nargs="+", help="files; the first has counts")
    parser.add_argument("--eval", nargs="+", required=True, help="similarity sets")
    args = parser.parse_args()
    read = [read_dataset(path) for path in args.eval]
    datasets = [each for each in read if isinstance(each, SimilaritySet)]
    counts: dict[str, int] = {}
    print("| | " + " | ".join(BANDS) + " |\n| --- |" + " ---: |" * len(BANDS))
    for path in args.vectors:
        vectors = Vectors.load(path)
        if not counts:
            if vectors.counts is None:
                raise SystemExit(f"{path}: has no counts; name a file that has them first")
            counts = dict(zip(vectors.words, vectors.counts.tolist(), strict=True))
        cells = [path]
        for low, high in BANDS.values():
            some = [in_band(each, counts, low, high) for each in datasets]
            reports = [evaluate(vectors, each, oov="skip") for each in some if each.pairs]
            scored = [(each.score, each.covered) for each in reports if each.score is not None]
            total = sum(covered for _, covered in scored)
            mean = sum(score * covered for score, covered in scored) / max(1, total)
            cells.append(f"{mean:.1f} ({total:,})")
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

"""Train with many settings, seeds and corpora; keep every score in a CSV file.

    python scripts/experiments/run.py scripts/experiments/optimizers.toml \\
        --corpus enwiki=enwiki.txt --corpus tenth=enwiki.txt:10 --eval eval/*.txt --out scores.csv

Each run is a process of its own, and a row of the file for each kind of vectors: it may be stopped
at any time and started again, and goes on with what is missing. ``PATH:N`` is every N-th line of a
corpus. With ``--items DIR``, each item's outcome is kept too, for ``compare.py``.

A plan is a TOML file with tables ``[[setting]]``:

    name        of the setting
    trainer     "w2v-sparseadam" or "gensim" (which knows only epochs, window, subsample and lr)
    corpora     names of --corpus; all that are given, by default
    seeds       [1] by default
    vectors     kinds of vectors, ["center"] by default
    skip_gram, optimizer, run, text    fields of the configs of those names

A run that diverges has no scores. A column such as ``SimLex:rare`` is the score of the pairs whose
rarer word occurs less than 100 times in the corpus, ``middle`` less than 1,000 times; ``n:…`` is
how many items a score covers.
``norm`` is the mean length of such a word's vector, ``drift`` its mean cosine with the mean of all
unit vectors: how far the words of a band have moved in one direction. The protocol is that of
`evaluation.scores`: Spearman's rho × 100; 3CosAdd among the first 30,000 words, in %.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from w2v_sparseadam import Vectors
from w2v_sparseadam.errors import DivergenceError
from w2v_sparseadam.evaluation.datasets import AnalogySet, SimilaritySet, read_dataset
from w2v_sparseadam.evaluation.statistics import spearman

BANDS = {"rare": (0, 100), "middle": (100, 1000), "frequent": (1000, 1 << 62)}
RESTRICT_VOCAB = 30_000
CONFIGS = ("skip_gram", "optimizer", "run", "text")


@dataclass(frozen=True)
class Items:
    """The outcome of each covered item of a data set."""

    outcomes: np.ndarray  # cosines, or whether an analogy's answer is right
    judged: np.ndarray | None  # people's judgements of a similarity set
    rarest: np.ndarray  # count of the item's rarest word

    def score(self, chosen: np.ndarray) -> float | None:
        """Return the score of some items in percent, None if there is none."""
        if chosen.sum() < 2:
            return None
        if self.judged is None:
            return 100 * float(self.outcomes[chosen].mean())
        rho = spearman(self.judged[chosen], self.outcomes[chosen])
        return None if rho is None else 100 * rho


def train_ours(corpus: str, setting: dict[str, Any], seed: int, folder: Path) -> dict[str, Any]:
    """Train in this process; leave words, counts and both matrices in the folder."""
    from w2v_sparseadam import train

    told: dict[str, Any] = {}
    settings: Any = {
        name: value for config in CONFIGS for name, value in setting.get(config, {}).items()
    }
    settings["seed"] = seed
    model = train(corpus, **settings, on_event=lambda event: told.update({event["event"]: event}))
    save(folder, model.words, model.counts, model.center_vectors, model.context_vectors)
    return {
        "loss": model.loss,
        "train_seconds": told["done"]["train_seconds"],
        "epochs": told["start"]["epochs"],
    }


def train_gensim(corpus: str, setting: dict[str, Any], seed: int, folder: Path) -> dict[str, Any]:
    """The same with gensim, from the file, on two workers; it has no loss that can be trusted."""
    from gensim.models import Word2Vec

    skip_gram, epochs = setting.get("skip_gram", {}), setting.get("run", {}).get("epochs", 5)
    model = Word2Vec(
        corpus_file=corpus,
        sg=1,
        vector_size=skip_gram.get("dim", 100),
        window=skip_gram.get("window", 5),
        negative=5,
        sample=skip_gram.get("subsample", 1e-3),
        alpha=setting.get("optimizer", {}).get("lr", 0.025),
        min_count=5,
        epochs=epochs,
        workers=2,
        seed=seed,
    )
    words = model.wv.index_to_key
    counts = np.array([model.wv.get_vecattr(word, "count") for word in words])
    save(folder, words, counts, model.wv.vectors, model.syn1neg)
    return {"train_seconds": model.total_train_time, "epochs": epochs}


def save(
    folder: Path, words: Sequence[str], counts: np.ndarray, center: np.ndarray, context: np.ndarray
) -> None:
    """Write what a run came to."""
    (folder / "words.txt").write_text("\n".join(words))
    np.save(folder / "counts.npy", counts)
    np.save(folder / "center.npy", center)
    np.save(folder / "context.npy", context)


def matrix_of(kind: str, folder: Path) -> np.ndarray:
    """Return a kind of vectors, shape (V, D)."""
    center, context = np.load(folder / "center.npy"), np.load(folder / "context.npy")
    matrices = {"center": center, "context": context, "sum": center + context}
    matrices["half"] = center + np.float32(0.5) * context
    return matrices[kind]


def items_of(vectors: Vectors, counts: np.ndarray, path: Path) -> Items:
    """Return the outcome of each covered item, by the protocol of `evaluation.scores`."""
    dataset, ids, unit = read_dataset(path), vectors.word_ids, vectors.unit_matrix
    if isinstance(dataset, SimilaritySet):
        pairs = [
            (ids[a.lower()], ids[b.lower()], judged)
            for a, b, judged in dataset.pairs
            if a.lower() in ids and b.lower() in ids
        ]
        a, b = np.array([pair[:2] for pair in pairs], np.int64).reshape(-1, 2).T
        judged = np.array([pair[2] for pair in pairs])
        return Items(
            np.einsum("nd,nd->n", unit[a], unit[b]), judged, np.minimum(counts[a], counts[b])
        )
    if not isinstance(dataset, AnalogySet):
        raise SystemExit(f"{path}: holds neither pairs nor analogies")
    limit = min(RESTRICT_VOCAB, len(vectors))
    found = [
        [ids.get(word.lower(), limit) for word in question]
        for question in itertools.chain.from_iterable(dataset.sections.values())
    ]
    questions = np.array([row for row in found if max(row) < limit], np.int64).reshape(-1, 4)
    right = []
    for a, b, c, d in np.array_split(questions.T, len(questions) // 512 + 1, axis=1):
        scores = (unit[b] - unit[a] + unit[c]) @ unit[:limit].T
        for word_ids in (a, b, c):
            scores[np.arange(len(a)), word_ids] = -np.inf
        right.append(scores.argmax(axis=1) == d)
    return Items(np.concatenate(right), None, counts[questions].min(axis=1))


def score_run(
    kind: str, folder: Path, datasets: dict[str, Path], keep: Path | None
) -> dict[str, Any]:
    """Return the columns that tell of one kind of vectors."""
    counts = np.load(folder / "counts.npy")
    vectors = Vectors((folder / "words.txt").read_text().split("\n"), matrix_of(kind, folder))
    row: dict[str, Any] = {}
    kept: dict[str, np.ndarray] = {}
    for name, path in datasets.items():
        items = items_of(vectors, counts, path)
        kept[name] = items.outcomes
        if items.judged is not None:
            kept[f"{name}:judged"] = items.judged
        everything = {"": (0, 1 << 62), **{f":{band}": limits for band, limits in BANDS.items()}}
        for suffix, (low, high) in everything.items():
            chosen = (items.rarest >= low) & (items.rarest < high)
            score = items.score(chosen)
            row[name + suffix] = "" if score is None else f"{score:.2f}"
            row[f"n:{name}{suffix}"] = int(chosen.sum())
    asked = {
        vectors.word_ids[word.lower()]
        for path in datasets.values()
        if isinstance(dataset := read_dataset(path), SimilaritySet)
        for pair in dataset.pairs
        for word in pair[:2]
        if word.lower() in vectors.word_ids
    }
    rows = np.array(sorted(asked), np.int64)
    common = vectors.unit_matrix.mean(axis=0)
    drifts = vectors.unit_matrix[rows] @ (common / np.linalg.norm(common))
    norms = np.linalg.norm(vectors.matrix[rows], axis=1)
    for band, (low, high) in BANDS.items():
        chosen = (counts[rows] >= low) & (counts[rows] < high)
        for name, values in (("norm", norms), ("drift", drifts)):
            row[f"{name}:{band}"] = f"{values[chosen].mean():.3f}" if chosen.any() else ""
    if keep:
        np.savez_compressed(keep, allow_pickle=False, **kept)
    return row


def every_nth_line(path: Path, n: int, folder: Path) -> Path:
    """Write every n-th line to a file of the folder."""
    target = folder / f"{path.stem}-{n}.txt"
    with open(path, "rb") as source, open(target, "wb") as lines:
        lines.writelines(itertools.islice(source, 0, None, n))
    return target


def commit() -> str:
    """Return the commit at hand, with a plus sign if the package was changed since."""
    top = Path(__file__).parents[2]
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=top, capture_output=True, text=True, check=True
    )
    changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", "w2v_sparseadam"], cwd=top)
    return told.stdout.strip() + ("+" if changed.returncode else "")


def planned(plan: Path, corpora: Sequence[str]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Yield (corpus, setting, seed): seed by seed, so that settings take turns."""
    settings = tomllib.loads(plan.read_text())["setting"]
    for seed in sorted({seed for setting in settings for seed in setting.get("seeds", [1])}):
        for setting in settings:
            for corpus in setting.get("corpora", corpora):
                if corpus in corpora and seed in setting.get("seeds", [1]):
                    yield corpus, setting, seed


def main() -> None:
    """Run what is missing."""
    parser = argparse.ArgumentParser(description="Train with many settings, and score all of them.")
    parser.add_argument("plan", type=Path)
    parser.add_argument("--corpus", action="append", required=True, metavar="NAME=PATH[:N]")
    parser.add_argument("--eval", nargs="+", required=True, type=Path, metavar="FILE")
    parser.add_argument("--out", required=True, type=Path, metavar="CSV")
    parser.add_argument("--items", type=Path, metavar="DIR")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    if args.out.exists():
        with open(args.out, newline="") as stream:
            rows = list(csv.DictReader(stream))
    done = {(row["corpus"], row["setting"], row["seed"], row["vectors"]) for row in rows}
    if args.items:
        args.items.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        corpora = {}
        for told in args.corpus:
            name, _, place = told.partition("=")
            path, _, n = place.partition(":")
            corpora[name] = every_nth_line(Path(path), int(n), Path(temporary)) if n else Path(path)
        for corpus, setting, seed in planned(args.plan, list(corpora)):
            kinds = setting.get("vectors", ["center"])
            if all((corpus, setting["name"], str(seed), kind) in done for kind in kinds):
                continue
            folder = Path(temporary) / "run"
            folder.mkdir(exist_ok=True)
            began = time.perf_counter()
            order = json.dumps([str(corpora[corpus]), setting, seed, str(folder)])
            child = [sys.executable, __file__, "--child", order]
            told = subprocess.run(child, stdout=subprocess.PIPE, text=True, check=True).stdout
            seconds = time.perf_counter() - began
            outcome = json.loads(told)
            for kind in kinds:
                key = (corpus, setting["name"], str(seed), kind)
                if key in done:
                    continue
                diverged = "diverged" in outcome
                name = hashlib.blake2b(repr(key).encode(), digest_size=8).hexdigest() + ".npz"
                row = {
                    **dict(zip(("corpus", "setting", "seed", "vectors"), key, strict=True)),
                    "epochs": outcome.get("epochs", ""),
                    "loss": "diverged" if diverged else f"{outcome.get('loss', math.nan):.4f}",
                    "seconds": f"{seconds:.1f}",
                    "train_seconds": f"{outcome.get('train_seconds', math.nan):.1f}",
                    "commit": commit(),
                    "settings": json.dumps({n: setting[n] for n in CONFIGS if n in setting}),
                    "items": "" if diverged else name,
                }
                if not diverged:
                    keep = args.items / name if args.items else None
                    row |= score_run(kind, folder, {path.stem: path for path in args.eval}, keep)
                rows.append(row)
                with open(args.out, "w", newline="") as stream:
                    fields = max((list(row) for row in rows), key=len)
                    writer = csv.DictWriter(stream, fields, lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)
                scores = "  ".join(f"{path.stem} {row.get(path.stem, '–')}" for path in args.eval)
                print(*key, f"{seconds:.0f} s", scores, flush=True)


def run_child(order: str) -> None:
    """Train as the parent says, and print how it went, as JSON."""
    corpus, setting, seed, folder = json.loads(order)
    trainer = train_gensim if setting.get("trainer") == "gensim" else train_ours
    try:
        print(json.dumps(trainer(corpus, setting, seed, Path(folder))))
    except DivergenceError:
        print(json.dumps({"diverged": True}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        run_child(sys.argv[2])
    else:
        main()

"""Kill training runs with SIGKILL at random moments, resume them, and compare the bytes.

Each trial starts ``w2v-train --run-dir``, kills it after a random time, resumes it with a random
number of threads, and goes on killing and resuming until it ends; then adds text to the run, for
another epoch, in the same way. The time between kills is drawn so that they fall into start-up,
reading, training and writing. Checkpoints come so often that many are cut short. The vectors must
be those of the undisturbed run, byte for byte, before and after text was added.

    python scripts/chaos.py                    # 50 trials on the sample corpus, some minutes
    python scripts/chaos.py --trials 200 --seed 7

Exits with 1 if a trial ends otherwise.
"""

from __future__ import annotations

import argparse
import collections
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
OPTIMIZERS = ("sparse-adam", "rowwise-adam", "dense-adam", "adagrad", "sgd")


def settings_of(trial: int, epochs: int) -> list[str]:
    """Return the settings of a trial: each optimizer in turn."""
    optimizer = OPTIMIZERS[trial % len(OPTIMIZERS)]
    settings = ["--optimizer", optimizer, "--dim", "100", "--epochs", str(epochs)]
    if trial % 2 and optimizer in {"sparse-adam", "rowwise-adam"}:
        settings += ["--bias-correction", "row"]
    return settings


def run_for(arguments: list[str], seconds: float | None) -> tuple[int | None, str]:
    """Run ``w2v-train``; return its exit code, or None if it was killed, and its stderr."""
    process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE, text=True)
    try:
        errors = process.communicate(timeout=seconds)[1]
    except subprocess.TimeoutExpired:
        process.kill()
        return None, process.communicate()[1]
    return process.returncode, errors


def state_of(run_dir: Path) -> str:
    """Return what a killed run left: the furthest thing that it had begun."""
    if not (run_dir / "settings.json").exists():
        return "before the folder"
    if not any(run_dir.glob("text*.json")):
        return "while reading"
    if generation_of(run_dir) == 0 and any(run_dir.glob("*-1*")):
        return "while adding"
    if any(run_dir.glob("checkpoints*/.*.tmp")):
        return "in a checkpoint"
    if any(run_dir.glob("checkpoints*/*")):
        return "after a checkpoint"
    return "before a checkpoint"


def generation_of(run_dir: Path) -> int:
    """Return how often text was added to a run."""
    return json.loads((run_dir / "settings.json").read_bytes())["generation"]


def one_trial(
    corpus: Path,
    more: Path,
    settings: list[str],
    folder: Path,
    seconds: float,
    rng: random.Random,
) -> tuple[list[bytes], list[str]]:
    """Start, kill and resume a run until it ends, and again with more text.

    Returns the vectors of both, and where they were killed.
    """
    run_dir, output = folder / "run", folder / "vectors.bin"
    fresh = [str(corpus), *settings, "--run-dir", str(run_dir), "-o", str(output)]
    vectors: list[bytes] = []
    kills: list[str] = []
    n_left = 3  # kills, so that a trial ends
    while len(vectors) < 2:
        if (run_dir / "settings.json").exists():
            arguments = ["--resume", str(run_dir), "-o", str(output)]
            if vectors and generation_of(run_dir) == 0:
                arguments += ["--add", str(more), "--epochs", "+1"]
        else:
            arguments = list(fresh)
        arguments += ["--threads", str(rng.randint(1, 3)), "--checkpoint-every", "0.0005"]
        # Squared, for fewer at the start.
        limit = seconds * (1 - rng.random() ** 2) if n_left else None
        code, errors = run_for(arguments, limit)
        if code == 0:
            vectors.append(output.read_bytes())
            n_left = 3
        elif code is not None:
            raise SystemExit(f"{' '.join(arguments)}: exit code {code}\n{errors}")
        else:
            kills.append(state_of(run_dir))
            n_left -= 1
    return vectors, kills


def undisturbed(
    corpus: Path, more: Path, settings: list[str], folder: Path
) -> tuple[list[bytes], float]:
    """Return the vectors of a run, before and after text was added, and the seconds it takes."""
    output, vectors = folder / "undisturbed.bin", []
    plain = [str(corpus), *settings, "-o", str(output)]
    run_dir = str(folder / "_".join(settings))
    added = ["--resume", run_dir, "--add", str(more), "--epochs", "+1"]
    for arguments in (plain, [*plain, "--run-dir", run_dir], added):  # the first may compile
        began = time.monotonic()
        code, errors = run_for(arguments, None)
        if code:
            raise SystemExit(f"the undisturbed run failed\n{errors}")
        if arguments is not added:
            seconds = time.monotonic() - began
        if arguments is not plain:
            vectors.append(output.read_bytes())
    return vectors, seconds


def main(argv: list[str] | None = None) -> int:
    """Run the trials and print a summary."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "data" / "sample.txt")
    parser.add_argument("--trials", type=int, default=50)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    rng = random.Random(options.seed)
    kills: collections.Counter[str] = collections.Counter()
    wrong = killed = 0
    expected: dict[tuple[str, ...], tuple[list[bytes], float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        lines = options.corpus.read_text().splitlines()
        more = Path(folder) / "more.txt"  # words that the corpus lacks
        more.write_text("".join(f"{line[::-1]}\n" for line in lines[: len(lines) // 5]))
        for trial in range(options.trials):
            settings = settings_of(trial, options.epochs)
            if tuple(settings) not in expected:
                expected[tuple(settings)] = undisturbed(
                    options.corpus, more, settings, Path(folder)
                )
            whole, seconds = expected[tuple(settings)]
            with tempfile.TemporaryDirectory() as place:
                vectors, places = one_trial(
                    options.corpus, more, settings, Path(place), seconds, rng
                )
            kills.update(places)
            killed += bool(places)
            same = vectors == whole
            wrong += not same
            print(
                f"{trial + 1:4}  {'same bytes' if same else 'OTHER BYTES'}  "
                f"{' '.join(settings)}; killed {', '.join(places) or 'never'}",
                flush=True,
            )
    print(
        f"{options.trials} trials, {killed} of them killed, {sum(kills.values())} kills "
        f"({', '.join(f'{n} {where}' for where, n in kills.most_common())}): "
        f"{options.trials - wrong} ended in the bytes of the undisturbed run, {wrong} did not"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

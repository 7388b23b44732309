"""Training, timed: each optimizer for the same wall time in a process of its own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..errors import TextError, W2VError
from ..events import Event
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.build import row_bytes
from ..optimizers.settings import OptimizerConfig
from ..system.machine import peak_memory
from ..system.memory import lacks_memory
from ..system.workers import Workers
from ..training.build import build_engine, compile_run
from ..training.settings import RunConfig, Settings
from .results import Skipped, TimingTraining, TrainingRun
from .steps import step_config

TRAINING_OPTIMIZERS = ("sparse-adam", "dense-adam", "sgd")
"""Optimizers that train; the others are compared with the first."""

_CURVE_POINTS = 50
_STRETCH_SECONDS = 0.1

_WORD_IDS, _COUNTS = "word_ids.npy", "counts.npy"


def measure_training(
    word_ids: np.ndarray,
    counts: np.ndarray,
    repeat: int,
    seconds: float,
    skip_gram: SkipGramConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> tuple[list[TrainingRun], list[Skipped]]:
    """Train with the optimizers in turn, each in a process of its own."""
    skipped: list[Skipped] = []
    optimizers = []
    for name in TRAINING_OPTIMIZERS:
        reason = lacks_memory(2 * counts.size * row_bytes(step_config(name), skip_gram.dim))
        if reason:
            skipped.append(Skipped(f"training with {name}", reason))
            continue
        optimizers.append(name)
        # Onto the disk: compiling would count towards the peak memory of a process.
        compile_run(Settings(objective=skip_gram, optimizer=OptimizerConfig(name)), emit)
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            np.save(Path(folder, _WORD_IDS), word_ids)
            np.save(Path(folder, _COUNTS), counts)
        except OSError as error:
            raise TextError(
                f"{tempfile.gettempdir()}: cannot hold the temporary word ids: {error.strerror}; "
                f"they need {word_ids.nbytes + counts.nbytes:,} bytes; set TMPDIR to a directory "
                "with room"
            ) from error
        for number in range(1, repeat + 1):
            for name in optimizers:
                emit(TimingTraining(name, number))
                runs.append(_train_apart(folder, name, seconds, skip_gram, run))
    return runs, skipped


def _train_apart(
    folder: str, name: str, seconds: float, skip_gram: SkipGramConfig, run: RunConfig
) -> TrainingRun:
    """Train in a new process, so that its peak memory is this run's alone."""
    task = {
        "folder": folder,
        "name": name,
        "seconds": seconds,
        "skip_gram": asdict(skip_gram),
        "run": asdict(run),
    }
    with subprocess.Popen(
        [sys.executable, "-P", "-m", __name__],  # -P: no module of the working folder
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Not in the terminal's process group: Ctrl-C reaches the parent alone, which ends it.
        process_group=0 if os.name == "posix" else None,
    ) as child:
        try:
            answer, _ = child.communicate(json.dumps(task).encode())
        except BaseException:
            child.kill()
            raise
    if child.returncode < 0:
        raise W2VError(
            f"training with {name} was ended by signal {-child.returncode}",
            "if memory ran out, lower `dim` or raise `min_count`",
        )
    if child.returncode:
        raise RuntimeError(f"training with {name} failed with exit code {child.returncode}")
    return TrainingRun(**json.loads(answer))


def _train_as_told() -> None:
    """Run in the new process: read a task from standard input, and print the result."""
    task = json.load(sys.stdin)
    folder = Path(task["folder"])
    # Mapped as the corpus is, so that the kernels meet the types they are compiled for.
    word_ids = np.asarray(np.load(folder / _WORD_IDS, mmap_mode="r"))
    run = _train_for(
        task["seconds"],
        word_ids,
        np.load(folder / _COUNTS),
        SkipGramConfig(**task["skip_gram"]),
        OptimizerConfig(task["name"]),
        RunConfig(**task["run"]),
    )
    print(json.dumps(asdict(run)))


class _Sample(NamedTuple):
    """Some steps of a training run."""

    seconds: float  # from the start of the run to their end
    loss: float  # their sum
    n_pairs: float  # sum of their weights


def _train_for(
    seconds: float,
    word_ids: np.ndarray,
    counts: np.ndarray,
    skip_gram: SkipGramConfig,
    optimizer: OptimizerConfig,
    run: RunConfig,
) -> TrainingRun:
    """Take steps for so long, epoch after epoch."""
    samples: list[_Sample] = []
    step, n_steps, n_tokens, elapsed = 1, 1, 0, 0.0
    diverged = False
    # Several steps at a time, so that Python's part in them is small.
    stretch = min(_STRETCH_SECONDS, seconds / _CURVE_POINTS)
    with Workers(run.n_threads) as workers:
        settings = Settings(objective=skip_gram, optimizer=optimizer, run=run)
        engine = build_engine(word_ids, counts, settings, workers)
        engine.run(0, [optimizer.start_lr])  # loads the kernels
        began = time.perf_counter()
        while elapsed < seconds and not diverged:
            lr = optimizer.start_lr * (1 - elapsed / seconds)
            batches = engine.run(step, [lr] * n_steps)
            step += n_steps
            before, elapsed = elapsed, time.perf_counter() - began
            n_tokens += sum(batch.n_tokens for batch in batches)
            sample = _Sample(
                elapsed,
                sum(batch.loss for batch in batches),
                sum(batch.n_pairs for batch in batches),
            )
            diverged = not math.isfinite(sample.loss)
            if sample.n_pairs and not diverged:
                samples.append(sample)
            n_steps = max(1, min(2 * n_steps, int(stretch * n_steps / (elapsed - before))))
    late = [sample for sample in samples if sample.seconds > 0.9 * elapsed]
    return TrainingRun(
        optimizer=optimizer.optimizer,
        seconds=elapsed,
        n_tokens=n_tokens,
        loss=_mean_loss(late) if late and not diverged else None,
        curve=[
            (interval[-1].seconds, _mean_loss(interval))
            for interval in _intervals(samples, seconds)
        ],
        peak_memory_bytes=peak_memory(),
    )


def _intervals(samples: list[_Sample], seconds: float) -> Iterator[list[_Sample]]:
    """Yield the samples of each interval of the time that has some; the last has what ran over."""

    def number(sample: _Sample) -> int:
        return min(int(_CURVE_POINTS * sample.seconds / seconds), _CURVE_POINTS - 1)

    for _, interval in groupby(samples, key=number):
        yield list(interval)


def _mean_loss(samples: list[_Sample]) -> float:
    """Return the loss per pair."""
    return sum(sample.loss for sample in samples) / sum(sample.n_pairs for sample in samples)


if __name__ == "__main__":
    _train_as_told()

"""What moving only the touched rows buys: optimizers timed in turn, on a text of one's own.

Two measurements. The optimizer's step alone, over matrices of several sizes, with as many rows
that have a gradient as a batch of the text touches; and training, each optimizer for the same wall
time in a process of its own. Contestants take turns, round by round, so that a change of the
machine's speed meets all alike; what counts is the median of the rounds, and of the ratios within
each round.
"""

from __future__ import annotations

import ctypes
import json
import math
import mmap
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numba
import numpy as np

from .. import __version__
from ..errors import SettingError, TextError, W2VError
from ..objectives.skip_gram.objective import SHARED_NEGATIVES
from ..objectives.skip_gram.plan import BLOCK
from ..objectives.skip_gram.sampler import Sampler
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.base import Optimizer, move, prepare
from ..optimizers.build import build_optimizer, row_bytes
from ..optimizers.groups import Groups, group_rows
from ..optimizers.settings import OptimizerConfig
from ..simd.lanes import padded_zeros
from ..simd.random import draw_key, fill_uniform
from ..system.machine import peak_memory
from ..system.memory import lacks_memory
from ..system.workers import Workers
from ..text.vocabulary import LINE_END
from ..training.build import build_engine, compile_run
from ..training.settings import RunConfig, Settings

STEP_CONTESTANTS = ("sparse-adam", "dense-adam")
"""Optimizers whose step is timed alone; the others are compared with the first."""

TRAINING_CONTESTANTS = ("sparse-adam", "dense-adam", "sgd")
"""Optimizers that train; the others are compared with the first."""

Event = dict[str, Any]
"""What is measured next; :func:`benchmark` lists the keys."""

# Steps of a contestant take this long in a round, at the least one.
_ROUND_SECONDS = 0.1

# So many that by the time one comes round again, its rows have left the cache, if V is large.
_DRAWS = 16

# Few, as Python hands them out; more than one, as threads are not equally fast.
_PARTS_A_WORKER = 3

_LINE_TOKENS = 20
_TOPICS = 10
_MOST_DRAWN_TOKENS = 20_000_000

_CURVE_POINTS = 50
_STRETCH_SECONDS = 0.1

_WORD_IDS, _COUNTS = "word_ids.npy", "counts.npy"


class Spread(NamedTuple):
    """Median and extremes of what the rounds gave."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """Return the spread of at least one value."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[0], ordered[-1])


@dataclass(frozen=True)
class StepTiming:
    """One optimizer's step over a matrix of one size.

    Attributes
    ----------
    n_words : int
        Rows of the matrix, V.
    draw : {"corpus", "zipf", "uniform"}
        How the rows with a gradient were drawn.
    optimizer : str
        One of `STEP_CONTESTANTS`.
    n_rows_touched : int
        Rows with a gradient.
    n_rows_moved : int
        Rows that the step moves: those, or all V.
    n_bytes_moved : int
        What the arithmetic reads and writes: each moved row and its state both ways, and each
        gradient once. Lists of row numbers, about 1 % of it, are left out.
    seconds : list of float
        Time of a step: for each round, the median of its steps.
    state_bytes : int
        Room of the optimizer's state.
    resident_state_bytes : int or None
        How much of it is resident after one step: the pages that hold a touched row. None where
        the system does not tell.
    """

    n_words: int
    draw: str
    optimizer: str
    n_rows_touched: int
    n_rows_moved: int
    n_bytes_moved: int
    seconds: list[float]
    state_bytes: int
    resident_state_bytes: int | None

    def ratio(self, first: StepTiming) -> Spread:
        """Return how many times as long as `first` it took, in the same rounds."""
        return Spread.of(own / its for own, its in zip(self.seconds, first.seconds, strict=True))


@dataclass(frozen=True)
class TrainingRun:
    """One optimizer's training for a limited time.

    Attributes
    ----------
    optimizer : str
        One of `TRAINING_CONTESTANTS`.
    seconds : float
        Time of the steps, without reading and compiling.
    n_tokens : int
        Tokens of the vocabulary gone through, before subsampling; more than the text has once the
        run is in its second epoch.
    loss : float or None
        Mean negative log likelihood per pair, with its negatives, over the last tenth of the
        time. None if the run diverged or met no pair.
    curve : list of (float, float)
        Seconds since the start, and the mean loss since the point before; at most 50 points.
    peak_memory_bytes : int or None
        Of the whole process; None where the system does not tell.
    """

    optimizer: str
    seconds: float
    n_tokens: int
    loss: float | None
    curve: list[tuple[float, float]]
    peak_memory_bytes: int | None

    @property
    def tokens_per_s(self) -> float:
        """Speed."""
        return self.n_tokens / self.seconds


@dataclass(frozen=True)
class Skipped:
    """What was not measured, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Report:
    """All that a benchmark found.

    Attributes
    ----------
    machine : dict
        As from `describe_machine`.
    settings : dict
        n_words and n_tokens of the text; dim, batch_size, threads, repeat, seconds, seed.
    steps : list of StepTiming
        By size, then draw, then optimizer in the order of `STEP_CONTESTANTS`.
    training : list of TrainingRun
        By round, then optimizer in the order of `TRAINING_CONTESTANTS`.
    skipped : list of Skipped
    """

    machine: dict[str, str]
    settings: dict[str, Any]
    steps: list[StepTiming]
    training: list[TrainingRun]
    skipped: list[Skipped]

    def step_groups(self) -> Iterator[list[StepTiming]]:
        """Yield what was timed on the same rows, the first contestant first."""
        for _, group in groupby(self.steps, key=lambda timing: (timing.n_words, timing.draw)):
            yield list(group)

    def training_runs(self) -> dict[str, list[TrainingRun]]:
        """Return the runs of each optimizer, by round."""
        runs: dict[str, list[TrainingRun]] = {}
        for run in self.training:
            runs.setdefault(run.optimizer, []).append(run)
        return runs

    def records(self) -> Iterator[dict[str, Any]]:
        """Yield everything as dicts fit for JSON; ``kind`` tells what each is about.

        First ``machine`` and ``settings``; then a ``step`` for each `StepTiming`, with its
        median_seconds and its ratio to the first contestant; a ``training`` for each
        `TrainingRun`, with its tokens_per_s and epoch_seconds; and each ``skipped``.
        """
        yield {"kind": "machine", **self.machine}
        yield {"kind": "settings", **self.settings}
        for group in self.step_groups():
            for timing in group:
                yield {
                    "kind": "step",
                    **asdict(timing),
                    "median_seconds": statistics.median(timing.seconds),
                    "ratio": timing.ratio(group[0]).median,
                }
        for run in self.training:
            yield {
                "kind": "training",
                **asdict(run),
                "tokens_per_s": run.tokens_per_s,
                "epoch_seconds": self.settings["n_tokens"] / run.tokens_per_s,
            }
        for skipped in self.skipped:
            yield {"kind": "skipped", **asdict(skipped)}


def benchmark(
    word_ids: np.ndarray,
    counts: np.ndarray,
    *,
    sizes: Sequence[int],
    repeat: int,
    seconds: float,
    skip_gram: SkipGramConfig | None = None,
    run: RunConfig | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> Report:
    """Time the optimizers' steps, and train with each, on one text.

    A step's rows with a gradient are as many as a batch of the text is expected to touch in the
    context matrix, the same number in all sizes. They are drawn as a batch touches them, by the
    text's own counts (``"corpus"``) in a matrix of its V rows and by Zipf's law (``"zipf"``) in
    others; and evenly (``"uniform"``). Every step has other rows, each with one gradient. All of
    the state is resident, and every kernel compiled, before a clock starts.

    In training the learning rate starts at the optimizer's default and falls to 0 linearly in
    wall time, so that each has a whole schedule in the time it is given.

    Parameters
    ----------
    word_ids : ndarray of shape (positions,), int32
        The text, as in :attr:`~w2v_sparseadam.text.corpus.Corpus.word_ids`.
    counts : ndarray of shape (V,), int64
        Occurrences of each word, each above 0.
    sizes : sequence of int
        Rows of the matrices whose step is timed, beside V itself.
    repeat : int
        Rounds, 1 or more.
    seconds : float
        How long each optimizer trains in each round; 0 leaves training out.
    skip_gram : SkipGramConfig, optional
        The model.
    run : RunConfig, optional
        Its batch_size, seed and threads count.
    on_event : callable, optional
        Receives a dict before each measurement: ``{"event": "step", "words": V}`` or ``{"event":
        "training", "optimizer": name, "round": n}``, n from 1 to ``repeat``. Also ``{"event":
        "compile"}`` for each kernel that has to be compiled for training, which takes a while.

    Returns
    -------
    Report

    Raises
    ------
    SettingError
        If ``repeat``, ``seconds`` or one of ``sizes`` is outside its range.
    W2VError
        If a training process fails, or the disk cannot hold its temporary files.
    """
    for size in sizes:
        _require_in_range("a size", size, 1, 2**31 - 1)
    _require_in_range("repeat", repeat, 1, math.inf)
    _require_in_range("seconds", seconds, 0, sys.float_info.max)
    skip_gram, run = skip_gram or SkipGramConfig(), run or RunConfig()
    emit = on_event or (lambda event: None)
    steps, skipped = _measure_steps(counts, sizes, repeat, skip_gram, run, emit)
    training: list[TrainingRun] = []
    if seconds:
        training, left_out = _measure_training(
            word_ids, counts, repeat, seconds, skip_gram, run, emit
        )
        skipped += left_out
    settings = {
        "n_words": int(counts.size),
        "n_tokens": int(counts.sum()),
        "dim": skip_gram.dim,
        "batch_size": run.batch_size,
        "threads": run.n_threads,
        "repeat": repeat,
        "seconds": seconds,
        "seed": run.seed,
    }
    return Report(describe_machine(), settings, steps, training, skipped)


_DRAWING_BYTES = 40  # for each word, of a text while it is drawn


def draw_text(n_words: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a text drawn by Zipf's law, and its counts.

    Word r, counted from 1, comes with probability log(1 + 1/r) / log(V + 1). So that there is
    something to learn, each line of 20 tokens keeps to one of ten topics: to the words whose ids
    leave the same remainder. In further lines each word comes once more, so that none is missing.

    Parameters
    ----------
    n_words : int
        V, 1 or more.
    seed : int
        Start of the draws, 0 or more.

    Returns
    -------
    word_ids : ndarray of shape (positions,), int32
        As in :attr:`~w2v_sparseadam.text.corpus.Corpus.word_ids`: 100 tokens for each word, but not
        above 20 million, and the further lines. Read-only.
    counts : ndarray of shape (V,), int64
        Occurrences of each word, each above 0.
    """
    _require_in_range("n_words", n_words, 1, 2**31 - 1)
    lacking = lacks_memory(_DRAWING_BYTES * n_words)
    if lacking:
        raise W2VError(f"a text of {n_words:,} words: {lacking}; draw fewer")
    rng = np.random.default_rng(seed)
    n_lines = max(1, min(100 * n_words, _MOST_DRAWN_TOKENS) // _LINE_TOKENS)
    # The whole part of (V + 1)ᵘ, u uniform in [0, 1), is r with that probability.
    drawn = ((n_words + 1) ** rng.random((n_lines, _LINE_TOKENS))).astype(np.int64) - 1
    topics = rng.integers(0, _TOPICS, (n_lines, 1))
    drawn = np.minimum(drawn - drawn % _TOPICS + topics, n_words - 1)
    once = np.resize(rng.permutation(n_words), (-(-n_words // _LINE_TOKENS), _LINE_TOKENS))
    tokens = np.concatenate([drawn, once])
    lines = np.full((len(tokens), _LINE_TOKENS + 1), LINE_END, np.int32)
    lines[:, :-1] = tokens
    word_ids = lines.reshape(-1)
    word_ids.flags.writeable = False
    return word_ids, np.bincount(tokens.reshape(-1), minlength=n_words)


def time_step(optimizer: Optimizer, groups: Groups, grads: np.ndarray, workers: Workers) -> float:
    """Take a step, its rows in ranges that workers share out, and return its seconds.

    Parameters
    ----------
    optimizer : Optimizer
        Its matrix, of shape (V, D), moves.
    groups : Groups
        Rows with a gradient, as from `group_rows`.
    grads : ndarray of shape (places, D), float32
        The gradients that ``groups`` has the places of.
    workers : Workers
        Who moves the ranges.
    """
    began = time.perf_counter()
    scalars = optimizer.next_scalars(optimizer.lr)
    extent = prepare(optimizer.rule, groups)
    size = -(-extent // (_PARTS_A_WORKER * workers.n))

    def move_part(_: int, part: int) -> None:
        last = min((part + 1) * size, extent)
        move(optimizer.rule, groups, grads, part * size, last, scalars)

    workers.run(move_part, -(-extent // size))
    return time.perf_counter() - began


def describe_machine() -> dict[str, str]:
    """Return the processor, the date, and the versions of what a benchmark depends on."""
    return {
        "processor": _processor(),
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "w2v_sparseadam": __version__,
    }


def _processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


# The step alone


def _measure_steps(
    counts: np.ndarray,
    sizes: Sequence[int],
    repeat: int,
    skip_gram: SkipGramConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> tuple[list[StepTiming], list[Skipped]]:
    """Time the contestants' steps over all sizes that can be measured."""
    own_touches = _expected_touches(counts, skip_gram, run.batch_size)
    n_rows = max(1, round(float(-np.expm1(-own_touches).sum())))
    timings: list[StepTiming] = []
    skipped: list[Skipped] = []
    with Workers(run.n_threads) as workers:
        for n_words in sorted({*sizes, counts.size}):
            n_bytes = sum(row_bytes(_step_config(name), skip_gram.dim) for name in STEP_CONTESTANTS)
            reason = lacks_memory(n_words * n_bytes)
            if n_words < n_rows:
                reason = f"it has fewer rows than the {n_rows:,} that a batch touches"
            if reason:
                skipped.append(Skipped(f"a step over {n_words:,} words", reason))
                continue
            emit({"event": "step", "words": n_words})
            if n_words == counts.size:
                touches = {"corpus": own_touches}
            else:
                zipf = np.log1p(1 / np.arange(1, n_words + 1))
                touches = {"zipf": _expected_touches(zipf, skip_gram, run.batch_size)}
            touches["uniform"] = np.ones(n_words)
            timings += _time_size(touches, n_rows, repeat, skip_gram, run.seed, workers)
    return timings, skipped


def _expected_touches(counts: np.ndarray, skip_gram: SkipGramConfig, batch_size: int) -> np.ndarray:
    """Return how often a batch is expected to meet each row of the context matrix."""
    skip_gram = skip_gram.for_text(int(counts.sum()))
    sampler = Sampler.build(
        counts, skip_gram.subsample or 0.0, skip_gram.noise_exponent, SHARED_NEGATIVES
    )
    kept = counts * sampler.keep_prob()
    noise = counts.astype(np.float64) ** skip_gram.noise_exponent
    negatives = SHARED_NEGATIVES / BLOCK
    return batch_size * (kept / kept.sum() + negatives * noise / noise.sum())


def _time_size(
    touches: dict[str, np.ndarray],
    n_rows: int,
    repeat: int,
    skip_gram: SkipGramConfig,
    seed: int,
    workers: Workers,
) -> Iterator[StepTiming]:
    """Time the contestants in turn over one matrix; ``touches`` has the rates of each draw."""
    rng = np.random.default_rng(seed)
    draws = {
        draw: [_draw_rows(rng, rates, n_rows) for _ in range(_DRAWS)]
        for draw, rates in touches.items()
    }
    n_words = next(iter(touches.values())).size
    param, grads = (padded_zeros(n, skip_gram.dim) for n in (n_words, n_rows))
    fill_uniform(draw_key(seed, "start"), skip_gram.dim, param)
    grads[:, : skip_gram.dim] = rng.standard_normal((n_rows, skip_gram.dim), np.float32)
    optimizers = {
        name: build_optimizer(_step_config(name), param, param.shape[1])
        for name in STEP_CONTESTANTS
    }
    resident = {}
    for name, optimizer in optimizers.items():
        time_step(optimizer, next(iter(draws.values()))[0], grads, workers)  # compiles, too
        resident[name] = _resident_bytes(optimizer.state.values())
        for array in optimizer.state.values():
            array[:] = 0
    for draw, drawn in draws.items():
        seconds: dict[str, list[float]] = {name: [] for name in optimizers}
        for first in range(repeat):
            for name, optimizer in optimizers.items():
                seconds[name].append(_time_round(optimizer, drawn, first, grads, workers))
        for name, optimizer in optimizers.items():
            n_moved = prepare(optimizer.rule, drawn[0])
            yield StepTiming(
                n_words=n_words,
                draw=draw,
                optimizer=name,
                n_rows_touched=n_rows,
                n_rows_moved=n_moved,
                n_bytes_moved=2 * n_moved * row_bytes(_step_config(name), skip_gram.dim)
                + grads.nbytes,
                seconds=seconds[name],
                state_bytes=sum(array.nbytes for array in optimizer.state.values()),
                resident_state_bytes=resident[name],
            )


def _draw_rows(rng: np.random.Generator, rates: np.ndarray, n_rows: int) -> Groups:
    """Draw rows one after another in proportion to their rates, until so many are met."""
    # Independent Poisson processes have their first arrivals in just that order.
    arrivals = rng.standard_exponential(rates.size) / rates
    rows = np.argpartition(arrivals, n_rows - 1)[:n_rows]
    return group_rows(rows, np.full(arrivals.size, -1, np.int32))


def _time_round(
    optimizer: Optimizer, drawn: list[Groups], first: int, grads: np.ndarray, workers: Workers
) -> float:
    """Return the median time of a round's steps, which begin with the rows ``drawn[first]``."""
    seconds: list[float] = []
    while sum(seconds) < _ROUND_SECONDS:
        groups = drawn[(first + len(seconds)) % len(drawn)]
        seconds.append(time_step(optimizer, groups, grads, workers))
    return statistics.median(seconds)


def _step_config(name: str) -> OptimizerConfig:
    """Return a contestant's settings: PyTorch's decays, so that all move both moments."""
    return OptimizerConfig(name, beta1=0.9, beta2=0.999)


# Training


def _measure_training(
    word_ids: np.ndarray,
    counts: np.ndarray,
    repeat: int,
    seconds: float,
    skip_gram: SkipGramConfig,
    run: RunConfig,
    emit: Callable[[Event], None],
) -> tuple[list[TrainingRun], list[Skipped]]:
    """Train with the contestants in turn, each in a process of its own."""
    skipped: list[Skipped] = []
    contestants = []
    for name in TRAINING_CONTESTANTS:
        reason = lacks_memory(2 * counts.size * row_bytes(_step_config(name), skip_gram.dim))
        if reason:
            skipped.append(Skipped(f"training with {name}", reason))
            continue
        contestants.append(name)
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
            for name in contestants:
                emit({"event": "training", "optimizer": name, "round": number})
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
            f"training with {name} was ended by signal {-child.returncode}; if memory ran out",
            "lower `dim` or raise `min_count`",
        )
    if child.returncode:
        raise RuntimeError(f"training with {name} failed with exit code {child.returncode}")
    return TrainingRun(**json.loads(answer))


def _train_as_told() -> None:
    """Be the new process: read a task from standard input, and print what came of it."""
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


# Memory


def _resident_bytes(arrays: Collection[np.ndarray]) -> int | None:
    """Return how much of some arrays is resident, to a page; None where it is not told."""
    try:
        mincore = ctypes.CDLL(None).mincore
    except (AttributeError, OSError, TypeError):
        return None
    n_resident, stop = 0, 0
    for low, high in sorted(map(_bounds, arrays)):
        # Arrays may be views into the same rows: no page counts twice.
        start, stop = max(stop, low // mmap.PAGESIZE), max(stop, -(-high // mmap.PAGESIZE))
        pages = np.zeros(stop - start, np.uint8)
        address = ctypes.c_void_p(start * mmap.PAGESIZE)
        length = ctypes.c_size_t(pages.size * mmap.PAGESIZE)
        if mincore(address, length, ctypes.c_void_p(pages.ctypes.data)):
            return None
        n_resident += int((pages & 1).sum())
    return min(n_resident * mmap.PAGESIZE, sum(array.nbytes for array in arrays))


def _bounds(array: np.ndarray) -> tuple[int, int]:
    """Return the addresses of an array's first byte, and of the one after its last."""
    steps = zip(array.shape, array.strides, strict=True)
    low = array.ctypes.data
    return low, low + sum((n - 1) * step for n, step in steps) + array.itemsize


def _require_in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        range_ = f"from {low} to {high}" if high < 2**64 else f"{low} or more"
        raise SettingError(f"{name} is {value}, but must be {range_}")


if __name__ == "__main__":
    _train_as_told()

"""Measure how much faster it is to move only the touched rows: optimizers timed on a text.

Two measurements. The optimizer's step alone, over matrices of several sizes, with as many rows
that have a gradient as a batch of the text touches; and training, each optimizer for the same wall
time in a process of its own. Optimizers take turns, round by round, so that changes of the
machine's speed affect all alike; results are medians of the rounds, and of the ratios within each
round.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence

import numpy as np

from ..errors import check_range
from ..events import Event
from ..objectives.skip_gram.settings import SkipGramConfig
from ..training.settings import RunConfig
from .environment import describe_machine
from .results import Report, TrainingRun
from .steps import measure_steps
from .training import measure_training


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
        Receives `TimingSteps` or `TimingTraining` before each measurement, and `Compiling` for each
        kernel that has to be compiled for training, which takes a while.

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
        check_range("a size", size, 1, 2**31 - 1)
    check_range("repeat", repeat, 1, math.inf)
    check_range("seconds", seconds, 0, sys.float_info.max)
    skip_gram = skip_gram or SkipGramConfig()
    run = (run or RunConfig()).for_text(int(counts.sum()), int(counts.size))
    emit = (lambda event: None) if on_event is None else on_event
    steps, skipped = measure_steps(counts, sizes, repeat, skip_gram, run, emit)
    training: list[TrainingRun] = []
    if seconds:
        training, left_out = measure_training(
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

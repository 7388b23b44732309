"""The options of ``w2v-train``, but for those that say how text becomes words."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from ..objectives.skip_gram.settings import OFTEN_ENOUGH, SUBSAMPLE_RANGE, SkipGramConfig
from ..optimizers.settings import LR_SCHEDULES, START_LR, START_POWER, OptimizerConfig
from ..training.run import CHECKPOINT_MINUTES
from ..training.settings import EPOCHS_BELOW, EPOCHS_BEYOND, RunConfig
from .options import INPUT_FILE, OUTPUT_FILE, all_of, in_section, setting
from .runs import Epochs

_model = partial(setting, "Model", SkipGramConfig)
_optimizer = partial(setting, "Optimizer", OptimizerConfig)
_run = partial(setting, "Run", RunConfig)
_model_option = in_section("Model")
_optimizer_option = in_section("Optimizer")
_run_option = in_section("Run")
_safety = in_section("Safety")
_output = in_section("Output")

_FOLDER = click.Path(path_type=Path)
_SUBSAMPLE_DEFAULTS = (
    f"{OFTEN_ENOUGH:,} / words of the text, from {SUBSAMPLE_RANGE[0]:g} to {SUBSAMPLE_RANGE[1]:g}"
)
_EPOCHS_DEFAULTS = (
    ", ".join(f"{epochs} below {limit:,} words" for limit, epochs in EPOCHS_BELOW)
    + f", else {EPOCHS_BEYOND}"
)
_POWER_DEFAULTS = ", ".join(f"{name} {power}" for name, power in START_POWER.items())
_LR_DEFAULTS = ", ".join(f"{name} {lr}" for name, lr in START_LR.items())

train_options = all_of(
    _model("--dim", type=click.IntRange(1), help="Dimensions of a vector."),
    _model(
        "--window",
        type=click.IntRange(1),
        help="Contexts are at most this many words away.",
    ),
    _model(
        "--dynamic-window/--fixed-window",
        help="Weight near contexts more, falling linearly with distance, or all contexts alike.",
    ),
    _model("--negative", type=click.IntRange(1), help="Negative samples for each pair."),
    _model(
        "--noise-exponent",
        type=click.FloatRange(0),
        help="Draw negatives in proportion to their count raised to this power.",
    ),
    _model(
        "--subsample",
        type=click.FloatRange(0),
        show_default=_SUBSAMPLE_DEFAULTS,
        help="Subsample words of a higher relative frequency; 0 keeps all.",
    ),
    _model_option(
        "--init",
        metavar="VECTORS|DIR",
        type=click.Path(path_type=Path, exists=True, allow_dash=True),
        help="Initialize with these center vectors, or with both matrices and the "
        "moments of the run in this folder; words are matched by name.",
    ),
    _model_option(
        "--freeze",
        metavar="FILE",
        type=INPUT_FILE,
        help="Keep the center vectors of these words, one per line, as initialized.",
    ),
    _optimizer(
        "--optimizer", type=click.Choice(list(START_LR)), help="Rule that updates the vectors."
    ),
    _optimizer_option(
        "--dense-adam",
        is_flag=True,
        help="The same as --optimizer dense-adam: every row moves at every step.",
    ),
    _optimizer(
        "--lr",
        type=click.FloatRange(0, min_open=True),
        show_default=_LR_DEFAULTS,
        help="Highest learning rate.",
    ),
    _optimizer(
        "--beta1",
        type=click.FloatRange(0, 1, max_open=True),
        help="Decay of Adam's first moment; 0 stores none.",
    ),
    _optimizer(
        "--beta2",
        type=click.FloatRange(0, 1, max_open=True),
        help="Decay of Adam's second moment.",
    ),
    _optimizer(
        "--eps",
        type=click.FloatRange(0, min_open=True),
        help="Added to the denominator of Adam and Adagrad.",
    ),
    _optimizer(
        "--bias-correction",
        type=click.Choice(["global", "row"]),
        help="Count Adam's steps for the whole run, or for each row.",
    ),
    _optimizer(
        "--power",
        type=click.FloatRange(0, 0.5),
        show_default=_POWER_DEFAULTS,
        help="Power of Adam's second moment in the denominator: 0.5 is Adam, 0 is SGD.",
    ),
    _optimizer(
        "--lr-schedule",
        type=click.Choice(LR_SCHEDULES),
        help="How the learning rate falls to --min-lr; if constant, it does not.",
    ),
    _optimizer(
        "--warmup",
        type=click.FloatRange(0, 1, max_open=True),
        help="Share of the steps in which the learning rate first rises to --lr.",
    ),
    _optimizer(
        "--min-lr",
        type=click.FloatRange(0),
        help="Learning rate at the end.",
    ),
    _run(
        "--epochs",
        type=Epochs(),
        show_default=_EPOCHS_DEFAULTS,
        help="Passes over the text; with --resume, +N adds N, and =N adds as many as "
        "are missing to a total of N.",
    ),
    _run(
        "--batch-size",
        type=click.IntRange(32),
        help="Center words per step, after subsampling.",
    ),
    _run("--seed", type=click.IntRange(0), help="Seed of all random numbers."),
    _run(
        "--threads",
        type=click.IntRange(1),
        show_default="all processors",
        help="Threads to use, at most one for each processor; the result does not depend on it.",
    ),
    _safety(
        "--run-dir",
        metavar="DIR",
        type=_FOLDER,
        help="Keep everything needed to resume an interrupted run in this new folder.",
    ),
    _safety(
        "--resume",
        "resume_dir",
        metavar="DIR",
        type=_FOLDER,
        help="Resume the run in this folder; no other option is needed.",
    ),
    _safety(
        "--add",
        metavar="CORPUS",
        multiple=True,
        help="With --resume and --epochs +N: more text for a finished run; may be repeated. New "
        "words must occur --min-count times in it, however often they occurred before.",
    ),
    _safety(
        "--trust",
        is_flag=True,
        help="With --resume: import the Python tokenizer that the folder names, where text is "
        "read. Only for a folder from someone who may run code here.",
    ),
    _safety(
        "--checkpoint-every",
        metavar="MINUTES",
        type=click.FloatRange(0, min_open=True),
        default=CHECKPOINT_MINUTES,
        show_default=True,
        help="How often to write a checkpoint; one is also written after each epoch.",
    ),
    _safety(
        "--no-lock",
        is_flag=True,
        help="Do not lock the folder, for a file system without locks; make sure "
        "that no other process trains in it.",
    ),
    _run_option(
        "--dry-run",
        is_flag=True,
        help="Read the text, say what memory and time the run would take, and stop.",
    ),
    _output(
        "-o",
        "--output",
        metavar="PATH",
        type=OUTPUT_FILE,
        show_default="the first CORPUS' name with .vec, in this folder",
        help="File for the vectors: word2vec text (.vec, .txt), or binary if the name ends in "
        ".bin; compressed if .gz, .bz2, .xz or .zst follows. - is standard output.",
    ),
    _output(
        "--vectors",
        type=click.Choice(SkipGramConfig.kinds),
        default="center",
        show_default=True,
        help="Which vectors to write.",
    ),
    _output(
        "--log",
        metavar="PATH",
        type=OUTPUT_FILE,
        help="Also log events to this file, one JSON object per line.",
    ),
    _output("-q", "--quiet", is_flag=True, help="Show only warnings and errors."),
)
"""Gives a command these options."""

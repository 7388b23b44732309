"""The options of ``w2v-train``, but for those that say how text becomes words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..objectives.registry import ModelChoice
from ..objectives.windows.settings import KINDS, WindowConfig
from ..optimizers.settings import OptimizerConfig
from ..text.reading.sources import is_url
from ..training.run import CHECKPOINT_MINUTES
from ..training.settings import ShardConfig
from ..vectors.formats.registry import (
    DEFAULT_ENDING,
    ENDING_WITH_NGRAMS,
    written_formats,
)
from .options import DATASET, INPUT_FILE, OUTPUT_FILE, all_of, in_section, option_of, options_of
from .runs import Epochs

_model = in_section("Model")
_optimizer = in_section("Optimizer")
_run = in_section("Run")
_safety = in_section("Safety")
_output = in_section("Output")
_machines = in_section(ShardConfig.section)


class _Folder(click.Path):
    """The folder of a run, or its URL, which is no path: ``//`` means something in it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Leave a URL as it is."""
        return (
            value
            if isinstance(value, str) and is_url(value)
            else super().convert(value, param, ctx)
        )


_FOLDER = _Folder(path_type=Path)
_EPOCHS_HELP = (
    "Passes over the text; with --resume, +N adds N, and =N adds as many as are missing to a total "
    "of N."
)

train_options = all_of(
    options_of(ModelChoice),
    options_of(WindowConfig),
    _model(
        "--init",
        metavar="VECTORS|DIR",
        type=click.Path(path_type=Path, exists=True, allow_dash=True),
        help="Initialize with these vectors, or with both matrices and the "
        "moments of the run in this folder; words are matched by name.",
    ),
    _model(
        "--freeze",
        metavar="FILE",
        type=INPUT_FILE,
        help="Keep the vectors of these words, one per line, as initialized.",
    ),
    options_of(OptimizerConfig),
    _optimizer(
        "--dense-adam",
        is_flag=True,
        help="The same as --optimizer dense-adam: every row moves at every step.",
    ),
    option_of("epochs", type=Epochs(), help=_EPOCHS_HELP),
    *(option_of(name) for name in ("batch_size", "seed", "threads")),
    _machines(
        "--scheduler",
        "cluster",
        metavar="ADDRESS",
        help="Train on the workers of the Dask cluster with this scheduler, such as "
        "tcp://host:8786.",
    ),
    _machines(
        "--workers",
        type=click.IntRange(1),
        help="Train on so many processes of this machine, as if they were a cluster.",
    ),
    options_of(ShardConfig),
    _safety(
        "--run-dir",
        metavar="DIR",
        common=True,
        type=_FOLDER,
        help="Keep everything needed to resume an interrupted run in this new folder or URL.",
    ),
    _safety(
        "--resume",
        "resume_dir",
        metavar="DIR",
        common=True,
        type=_FOLDER,
        help="Resume the run in this folder or at this URL; no other option is needed.",
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
        help="With --resume: import the Python tokenizer and open the URLs that the folder names, "
        "where text is read. Only for a folder from someone who may run code here.",
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
    _run(
        "--dry-run",
        is_flag=True,
        help="Read the text, say what memory and time the run would take, and stop.",
    ),
    _run(
        "--eval",
        metavar="DATASET",
        multiple=True,
        type=DATASET,
        help="Score the vectors on this data set after each epoch, as w2v-eval does; may be "
        "repeated.",
    ),
    _run(
        "--keep-best",
        metavar="DATASET",
        type=DATASET,
        help="Write the vectors of the epoch with the best score on this data set.",
    ),
    _run(
        "--patience",
        type=click.IntRange(1),
        help="With --keep-best: stop after N epochs without a better score.",
    ),
    _output(
        "-o",
        "--output",
        metavar="PATH",
        common=True,
        type=OUTPUT_FILE,
        show_default=f"the first CORPUS' name with {DEFAULT_ENDING}, or {ENDING_WITH_NGRAMS} with "
        "--subwords, in this folder",
        help=f"File for the vectors: {written_formats()}; compressed if .gz, .bz2, .xz or .zst "
        "follows. - is standard output.",
    ),
    _output(
        "--vectors",
        type=click.Choice(KINDS),
        show_default="center, or context with --model cbow",
        help="Which vectors to write.",
    ),
    _output(
        "--log",
        metavar="PATH",
        type=OUTPUT_FILE,
        help="Also log events to this file, one JSON object per line.",
    ),
    _output(
        "--report",
        metavar="FILE.html",
        common=True,
        type=OUTPUT_FILE,
        help="Also write a page on the training and the vectors, as w2v-report does.",
    ),
    _output("-q", "--quiet", is_flag=True, help="Show only warnings and errors."),
)
"""Gives a command these options."""

"""``w2v-train``: from text files to a file of word vectors."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from .. import __version__
from ..errors import W2VError
from ..events import Event
from ..objectives.skip_gram.settings import OFTEN_ENOUGH, SUBSAMPLE_RANGE, SkipGramConfig
from ..optimizers.settings import LR_SCHEDULES, START_LR, START_POWER, OptimizerConfig
from ..system.files import check_writable
from ..text.reading.sources import STANDARD_INPUT, find_sources, is_pattern
from ..training.resume import resume
from ..training.run import CHECKPOINT_MINUTES
from ..training.settings import EPOCHS_BELOW, EPOCHS_BEYOND, RunConfig
from ..training.train import train
from . import bus_errors_told, check_distinct
from .reading import duration, phrases_to
from .report import EventLog, TrainReport
from .runs import (
    Destination,
    Epochs,
    MoreEpochs,
    TotalEpochs,
    asked_by_sigusr1,
    check_outside,
    check_resumable,
)
from .text_options import (
    INPUT_FILE,
    SectionedCommand,
    SectionOption,
    checked_sources,
    corpus_argument,
    given,
    setting,
    text_config,
    text_options,
)

if TYPE_CHECKING:
    from ..training.dry_run import Forecast

_Config = TypeVar("_Config", SkipGramConfig, OptimizerConfig, RunConfig)


class _TrainCommand(SectionedCommand):
    left_undone = "; no vectors were written"


_model = partial(setting, "Model", SkipGramConfig)
_optimizer = partial(setting, "Optimizer", OptimizerConfig)
_run = partial(setting, "Run", RunConfig)
_output = partial(click.option, cls=SectionOption, section="Output")

_keeping = partial(click.option, cls=SectionOption, section="Safety")

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
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


@click.command(cls=_TrainCommand)
@corpus_argument(required=False)
@text_options
@_model("--dim", metavar="N", type=click.IntRange(1), help="Dimensions of a vector.")
@_model(
    "--window",
    metavar="N",
    type=click.IntRange(1),
    help="Contexts are at most this many words away.",
)
@_model(
    "--dynamic-window/--fixed-window",
    help="Let near words count more, in a straight line, or all within the window alike.",
)
@_model("--negative", metavar="N", type=click.IntRange(1), help="Negative samples for each pair.")
@_model(
    "--noise-exponent",
    metavar="X",
    type=click.FloatRange(0),
    help="Draw negatives in proportion to their count to this power.",
)
@_model(
    "--subsample",
    metavar="X",
    type=click.FloatRange(0),
    show_default=_SUBSAMPLE_DEFAULTS,
    help="Thin out words of a higher relative frequency; 0 keeps all.",
)
@click.option(
    "--init",
    cls=SectionOption,
    section="Model",
    metavar="VECTORS|DIR",
    type=click.Path(path_type=Path, exists=True, allow_dash=True),
    help="Start from these center vectors, or from both matrices and the moments of the run in "
    "this folder; words are matched by name.",
)
@click.option(
    "--freeze",
    cls=SectionOption,
    section="Model",
    metavar="FILE",
    type=INPUT_FILE,
    help="Keep the center vectors of these words, one a line, as they start.",
)
@_optimizer("--optimizer", type=click.Choice(list(START_LR)), help="What moves the vectors.")
@click.option(
    "--dense-adam",
    cls=SectionOption,
    section="Optimizer",
    is_flag=True,
    help="The same as --optimizer dense-adam: every row moves at every step.",
)
@_optimizer(
    "--lr",
    metavar="X",
    type=click.FloatRange(0, min_open=True),
    show_default=_LR_DEFAULTS,
    help="Highest learning rate.",
)
@_optimizer(
    "--beta1",
    metavar="X",
    type=click.FloatRange(0, 1, max_open=True),
    help="Decay of Adam's first moment; 0 stores none.",
)
@_optimizer(
    "--beta2",
    metavar="X",
    type=click.FloatRange(0, 1, max_open=True),
    help="Decay of Adam's second moment.",
)
@_optimizer(
    "--eps",
    metavar="X",
    type=click.FloatRange(0, min_open=True),
    help="Added to the denominator of Adam and Adagrad.",
)
@_optimizer(
    "--bias-correction",
    type=click.Choice(["global", "row"]),
    help="Count Adam's steps for the whole run, or for each row.",
)
@_optimizer(
    "--power",
    metavar="X",
    type=click.FloatRange(0, 0.5),
    show_default=_POWER_DEFAULTS,
    help="Power of Adam's second moment in the denominator: 0.5 is Adam, 0 is SGD.",
)
@_optimizer(
    "--lr-schedule",
    type=click.Choice(LR_SCHEDULES),
    help="How the learning rate falls to --min-lr, or that it stays.",
)
@_optimizer(
    "--warmup",
    metavar="X",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of the steps in which the learning rate first rises to --lr.",
)
@_optimizer(
    "--min-lr",
    metavar="X",
    type=click.FloatRange(0),
    help="Learning rate at the end.",
)
@_run(
    "--epochs",
    metavar="N",
    type=Epochs(),
    show_default=_EPOCHS_DEFAULTS,
    help="Passes over the text; with --resume, +N adds some, and =N as many as are missing to N.",
)
@_run(
    "--batch-size",
    metavar="N",
    type=click.IntRange(32),
    help="Words that one step learns from, once the text is thinned out.",
)
@_run("--seed", metavar="N", type=click.IntRange(0), help="Start of every random draw.")
@_run(
    "--threads",
    metavar="N",
    type=click.IntRange(1),
    show_default="all processors",
    help="Threads to use, at most one for each processor; the result does not depend on it.",
)
@_keeping(
    "--run-dir",
    metavar="DIR",
    type=_FOLDER,
    help="Keep in this new folder all that it takes to go on after an interruption.",
)
@_keeping(
    "--resume",
    "resume_dir",
    metavar="DIR",
    type=_FOLDER,
    help="Go on with the run in this folder; nothing else need be said.",
)
@_keeping(
    "--add",
    metavar="CORPUS",
    multiple=True,
    help="With --resume and --epochs +N: more text for a finished run; may be given again. New "
    "words must occur --min-count times in it, however often they occurred before.",
)
@_keeping(
    "--trust",
    is_flag=True,
    help="With --resume: import the Python tokenizer that the folder names, where text is read. "
    "Only for a folder from someone who may run code here.",
)
@_keeping(
    "--checkpoint-every",
    metavar="MINUTES",
    type=click.FloatRange(0, min_open=True),
    default=CHECKPOINT_MINUTES,
    show_default=True,
    help="How often the state goes to the folder; it also does at the end of each epoch.",
)
@_keeping(
    "--no-lock",
    is_flag=True,
    help="Do not lock the folder, on a file system that has no locks; see to it that no other "
    "process trains in it.",
)
@click.option(
    "--dry-run",
    cls=SectionOption,
    section="Run",
    is_flag=True,
    help="Read the text, say what memory and time the run would take, and stop.",
)
@_output(
    "-o",
    "--output",
    metavar="PATH",
    type=_FILE,
    show_default="the first CORPUS' name with .vec, in this folder",
    help="Where the vectors go: word2vec text (.vec, .txt), or binary if the name ends in .bin; "
    "compressed if .gz, .bz2, .xz or .zst follows. - is standard output.",
)
@_output(
    "--vectors",
    type=click.Choice(SkipGramConfig.kinds),
    default="center",
    show_default=True,
    help="Which vectors to write.",
)
@_output(
    "--log",
    metavar="PATH",
    type=_FILE,
    help="Write what happens to this file too, one JSON object a line.",
)
@_output("-q", "--quiet", is_flag=True, help="Say nothing but warnings and errors.")
@click.version_option(__version__)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    corpus: tuple[str, ...],
    output: Path | None,
    vectors: str,
    log: Path | None,
    quiet: bool,
    phrases_out: Path | None,
    dense_adam: bool,
    run_dir: Path | None,
    resume_dir: Path | None,
    add: tuple[str, ...],
    trust: bool,
    checkpoint_every: float,
    no_lock: bool,
    init: Path | None,
    freeze: Path | None,
    dry_run: bool,
    **settings: Any,
) -> None:
    """Train word vectors on the text CORPUS, one sentence or paragraph a line.

    CORPUS are files, compressed or not, directories, patterns, or - for standard input.

    \b
    w2v-train corpus.txt
    w2v-train news.txt.gz books/ --dim 200 --epochs 5 -o all.bin
    w2v-train news.txt --run-dir runs/news; w2v-train --resume runs/news
    w2v-neighbors corpus.vec river
    """
    if dense_adam:
        if given(ctx, "optimizer") and settings["optimizer"] != "dense-adam":
            raise click.UsageError(
                f"--dense-adam contradicts --optimizer {settings['optimizer']}; give one of them"
            )
        settings["optimizer"] = "dense-adam"
    folder = resume_dir or run_dir
    if resume_dir:
        from ..training.run_folder import read_settings

        kept = read_settings(resume_dir)
        check_resumable(ctx, resume_dir, kept, {**settings, "corpus": corpus})
        corpus = tuple(kept["paths"])
        if add and not isinstance(settings["epochs"], MoreEpochs):
            raise click.UsageError("--add needs --epochs +N: so many passes over old and new text")
    elif add:
        raise click.UsageError("--add is more text for a finished run: give --resume DIR too")
    elif not corpus:
        raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0])
    elif isinstance(settings["epochs"], MoreEpochs | TotalEpochs):
        sign = settings["epochs"].sign
        raise click.UsageError(
            f"--epochs {sign}{settings['epochs']} adds to a run: give --resume DIR, or leave "
            f"'{sign}' out"
        )
    elif trust:
        raise click.UsageError("--trust is for the folder of a run: give --resume DIR too")
    elif given(ctx, "checkpoint_every") and not run_dir:
        raise click.UsageError("--checkpoint-every needs a folder: give --run-dir DIR too")
    elif no_lock and not run_dir:
        raise click.UsageError("--no-lock is for a folder: give --run-dir DIR too")
    destination = Destination(folder) if folder else None
    if resume_dir and destination:
        output = output or destination.output()
        vectors = vectors if given(ctx, "vectors") else destination.kept.get("vectors", vectors)
    target = output or _named_after(corpus[0])
    outputs = {"-o": target, "--log": log, "--phrases-out": phrases_out}
    if folder:
        check_outside(folder, outputs)
    if resume_dir:
        added = find_sources(add) if add else []
        paths = [*corpus, *(source.path for source in added)]
        check_distinct({"a corpus file": list(map(Path, paths))}, outputs)
    else:
        sources = checked_sources(
            ctx, outputs, {"the --init file": init, "the --freeze file": freeze}
        )
        text, skip_gram = text_config(ctx), _config(SkipGramConfig, settings)
        optimizer, run = _config(OptimizerConfig, settings), _config(RunConfig, settings)
        for name in ("beta1", "beta2", "eps", "bias_correction", "power"):
            if given(ctx, name) and name not in optimizer.used:
                flag = name.replace("_", "-")
                raise click.UsageError(f"--optimizer {optimizer.optimizer} has no --{flag}")
        configs: dict[str, Any] = {
            "text": text,
            "skip_gram": skip_gram,
            "optimizer": optimizer,
            "run": run,
            **_load_start(init, freeze),
        }

    if not dry_run:
        from ..vectors.formats.detect import is_binary

        is_binary(target)  # that vectors cannot be written so should not show after hours
        check_writable(target)
    with ExitStack() as stack:
        stack.enter_context(bus_errors_told())
        reports: list[TrainReport | EventLog] = []
        reports.append(stack.enter_context(closing(TrainReport(quiet))))
        if log:
            reports.append(stack.enter_context(closing(EventLog(log, append=bool(resume_dir)))))
        writers = [phrases_to(phrases_out)] if phrases_out else []
        training = False
        n_steps = n_kept = 0  # steps of the run, and of its last checkpoint

        def on_event(event: Event) -> None:
            nonlocal training, n_steps, n_kept
            if destination and folder:
                match event["event"]:
                    case "folder":
                        destination.keep(target, vectors)
                        if not log:
                            log_here = EventLog(folder / "log.jsonl", append=True)
                            reports.append(stack.enter_context(closing(log_here)))
                    case "start":
                        training = ctx.obj.saves = True
                        n_steps, n_kept = event["steps"], event["first_step"]
                        ctx.obj.note = f"; go on with: {destination.how_to_resume()}"
                    case "checkpoint":
                        n_kept = event["step"]
                        ctx.obj.note = (
                            f" at step {n_kept:,}; go on with: {destination.how_to_resume()}"
                        )
                    case "done":
                        training = False
            # LLVM calls back into Python, where an exception would be printed and lost. A step
            # that is cut short cannot be kept: train() writes a checkpoint if this raises.
            ctx.obj.compiling = event["event"] == "compile" and not training
            ctx.obj.deferred = training or ctx.obj.compiling
            for listener in [*reports, *writers]:
                listener(event)
            ctx.obj.check()

        if dry_run:
            from ..training.dry_run import forecast

            _show_forecast(forecast(sources, **configs, on_event=on_event))
            return
        keeping: dict[str, Any] = {}
        if folder:
            keeping["checkpoint_minutes"] = checkpoint_every
            keeping["checkpoint_now"] = stack.enter_context(asked_by_sigusr1())
            keeping["lock"] = not no_lock
        if resume_dir:
            epochs = settings["epochs"]
            model = resume(
                resume_dir,
                more_epochs=int(epochs) if isinstance(epochs, MoreEpochs) else 0,
                total_epochs=int(epochs) if isinstance(epochs, TotalEpochs) else None,
                add=added,
                trust=trust or given(ctx, "tokenizer"),  # which is that of the folder
                threads=settings["threads"],
                on_event=on_event,
                **keeping,
            )
        else:
            if run_dir:
                keeping["run_dir"] = run_dir
            model = train(sources, **configs, on_event=on_event, **keeping)
        try:
            model.vectors(vectors).save(target)
        except W2VError as error:
            if not folder or not destination:
                raise
            from ..training.run_folder import resume_command

            how = f"{resume_command(folder)} -o PATH"
            if n_kept == n_steps:
                raise W2VError(f"{error}; the trained vectors are kept: {how}") from error
            raise W2VError(
                f"{error}; the last checkpoint is of step {n_kept:,} of {n_steps:,}, from where "
                f"the run goes on with: {how}"
            ) from error
        for report in reports:
            report.saved(target)


def _config(kind: type[_Config], settings: dict[str, Any]) -> _Config:
    return kind(**{field.name: settings[field.name] for field in fields(kind)})


def _named_after(corpus: str) -> Path:
    """Return where vectors go that are not told where."""
    name = Path(corpus).name
    for suffix in (".gz", ".bz2", ".xz", ".zst"):
        name = name.removesuffix(suffix)
    is_path = corpus != STANDARD_INPUT and (os.path.exists(corpus) or not is_pattern(corpus))
    if not is_path or not name.strip(".") or corpus.startswith("/dev/"):
        raise click.UsageError(f"'{corpus}' gives the vectors no name; give one with -o")
    return Path(name).with_suffix(".vec")


def _load_start(init: Path | None, freeze: Path | None) -> dict[str, Any]:
    """Load what a run starts from; only then, as NumPy takes a while to import."""
    loaded: dict[str, Any] = {}
    if init:
        from ..training.initialize import Start
        from ..vectors.vectors import Vectors

        loaded["init"] = Start.load(init) if init.is_dir() else Vectors.load(init)
    if freeze:
        from ..training.initialize import read_words

        loaded["freeze"] = read_words(freeze)
    return loaded


def _show_forecast(forecast: Forecast) -> None:
    """Print what a run would take."""

    def megabytes(n_bytes: int) -> str:
        return f"{n_bytes / 1e6:,.0f} MB"

    rows = [
        ("Words", f"{forecast.n_words:,}"),
        ("Tokens kept", f"{forecast.n_kept_tokens:,}"),
        ("Subsampling", f"words more frequent than {forecast.subsample:.2g}"),
        ("Epochs", f"{forecast.epochs:,}"),
        ("Steps", f"{forecast.n_steps:,}"),
        ("Model", megabytes(forecast.model_bytes)),
        ("Optimizer's state", megabytes(forecast.state_bytes)),
        ("Buffers", megabytes(forecast.buffer_bytes)),
        ("Word ids", f"{megabytes(forecast.word_id_bytes)}, on the disk"),
        ("Memory at the peak", megabytes(forecast.peak_bytes)),
        ("Memory available", megabytes(forecast.available_bytes)),
        (
            "Time to train",
            f"{duration(forecast.train_seconds)} with --threads {forecast.n_threads}, judging by "
            f"{forecast.n_measured_steps:,} steps",
        ),
    ]
    for name, value in rows:
        click.echo(f"{name:20}{value}")


if __name__ == "__main__":
    main()

"""What the command line of ``w2v-train`` asks for: a new run, or one to resume."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click

from ..errors import SettingError
from ..system.paths import shell_path
from ..text.reading.finding import find_sources
from ..training.epoch_scores import EpochScoring, scoring_asked
from ..vectors.formats.registry import ENDING_WITH_NGRAMS
from . import check_distinct, in_options, printable
from .default_output import named_after
from .destination import Destination
from .options import given, settings_given
from .reading import ReadingReport
from .runs import MoreEpochs, TotalEpochs, check_outside, check_resumable
from .text_options import checked_sources, checked_text


@dataclass(frozen=True)
class Request:
    """What is to be done, once nothing in it contradicts anything else.

    Attributes
    ----------
    arguments : dict
        What `train_by_settings` or `forecast` are to be given, or `resume`.
    output : Path
        The file that the vectors go to.
    vectors : str
        Which vectors are written.
    destination : Destination or None
        The folder of the run, if it has one.
    resumes : bool
        Whether the run has begun before.
    is_named : bool
        Whether the user, or the folder of the run, named the output.
    scoring : str
        The options that say what is scored after each epoch, with absolute paths.
    """

    arguments: dict[str, Any]
    output: Path
    vectors: str
    destination: Destination | None
    resumes: bool = False
    is_named: bool = True
    scoring: str = ""


def new_run(ctx: click.Context, stack: ExitStack) -> Request:
    """Return what a command line without ``--resume`` asks for.

    What is opened for it is closed by the stack.
    """
    options = _options(ctx)
    _check_new_run(ctx, options)
    run_dir = options["run_dir"]
    is_remote = isinstance(run_dir, str)
    destination = None
    if run_dir and not (is_remote and options["dry_run"]):
        destination = _destination(run_dir, stack, options, is_new=True)
    output = options["output"] or _default_output(options)
    outputs = _outputs(options, output)
    if run_dir and not is_remote:
        check_outside(run_dir, outputs)
    settings = settings_given(ctx, **({"optimizer": "dense-adam"} if options["dense_adam"] else {}))
    if settings.sharding and not _cluster(options):
        raise click.UsageError(
            "--shards and --rounds are for several machines; add --scheduler ADDRESS or --workers N"
        )
    text = checked_text(ctx, settings.text)
    init, freeze = options["init"], options["freeze"]
    inputs = {"the --init file": init, "the --freeze file": freeze}
    arguments = {
        "corpus": checked_sources(ctx, text, outputs, inputs),
        "settings": settings,
        **_cluster(options),
        **_load_start(init, freeze),
    }
    is_named = options["output"] is not None
    vectors = options["vectors"] or settings.objective.kinds[0]
    scoring = _scoring_options(options)
    return Request(arguments, output, vectors, destination, is_named=is_named, scoring=scoring)


def resumed_run(ctx: click.Context, stack: ExitStack) -> Request:
    """Return what a command line with ``--resume`` asks for; see `new_run`."""
    from ..runs.settings import objective_of, read_settings

    options = _options(ctx)
    run_dir, epochs = options["resume_dir"], options["epochs"]
    destination = _destination(run_dir, stack, options, is_new=False)
    kept = read_settings(destination.run_dir)
    check_resumable(ctx, run_dir, kept, options)
    cluster = _cluster(options)
    if "sharding" in kept and not cluster:
        raise click.UsageError(
            f"the run in {printable(str(run_dir))} is one on several machines; add "
            "--scheduler ADDRESS or --workers N"
        )
    if "sharding" not in kept and cluster:
        raise click.UsageError(
            f"the run in {printable(str(run_dir))} is one on one machine; leave out --scheduler "
            "and --workers"
        )
    if options["add"] and not isinstance(epochs, MoreEpochs):
        raise click.UsageError("--add needs --epochs +N: so many passes over old and new text")
    output = options["output"] or destination.output()
    if not options["output"] and not options["keep_best"]:
        _check_loses_no_best(destination, output)
    default = objective_of(kept, run_dir).kinds[0]
    vectors = options["vectors"] or destination.kept.get("vectors", default)
    outputs = _outputs(options, output)
    check_outside(destination.run_dir, outputs)
    added = find_sources(options["add"]) if options["add"] else None
    paths = [*kept["paths"], *(source.path for source in added or [])]
    check_distinct({"a corpus file": paths}, outputs)
    arguments = {
        "more_epochs": int(epochs) if isinstance(epochs, MoreEpochs) else 0,
        "total_epochs": int(epochs) if isinstance(epochs, TotalEpochs) else None,
        "add": added,
        "trust": options["trust"] or given(ctx, "tokenizer"),  # which is that of the folder
        "threads": options["threads"],
        **cluster,
    }
    scoring = _scoring_options(options)
    return Request(arguments, output, vectors, destination, resumes=True, scoring=scoring)


def _scoring_options(options: Mapping[str, Any]) -> str:
    """Return the options that say what is scored after each epoch, as the shell takes them."""
    told = [f"--eval {shell_path(os.path.abspath(path))}" for path in options["eval"]]
    if options["keep_best"]:
        told.append(f"--keep-best {shell_path(os.path.abspath(options['keep_best']))}")
    if options["patience"]:
        told.append(f"--patience {options['patience']}")
    return " ".join(told)


def _check_loses_no_best(destination: Destination, output: Path) -> None:
    """Refuse to write the last epoch's vectors over those of the best epoch."""
    if "--keep-best" in destination.kept.get("scoring", "") and os.path.exists(output):
        raise click.UsageError(
            f"the run kept its best epoch (--keep-best), and the vectors of its last would replace "
            f"{printable(str(output))}; name a file for them with -o"
        )


def scoring_given(ctx: click.Context, request: Request) -> EpochScoring | None:
    """Return what is to be scored after each epoch; its data sets are read."""
    options = ctx.params
    paths = [*options["eval"], *filter(None, [options["keep_best"]])]
    check_distinct({"a data set": paths}, _outputs(options, request.output))
    try:
        scoring = scoring_asked(options["eval"], options["keep_best"], options["patience"])
    except SettingError as error:
        raise click.UsageError(in_options(error)) from None
    return replace(scoring, vectors=request.vectors) if scoring else None


def _cluster(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cluster to train on, if any is asked for."""
    asked = [options[name] for name in ("cluster", "workers") if options[name] is not None]
    if len(asked) > 1:
        raise click.UsageError("--workers contradicts --scheduler; give one of them")
    return {"cluster": asked[0]} if asked else {}


def _destination(
    run_dir: Path | str, stack: ExitStack, options: Mapping[str, Any], *, is_new: bool
) -> Destination:
    """Return where the vectors of a run with a folder go; a copy of one at a URL is opened."""
    if isinstance(run_dir, Path):
        return Destination(run_dir, run_dir)
    from ..runs.working_copy import WorkingCopy

    copy = WorkingCopy(run_dir, is_new=is_new, lock=not options["no_lock"])
    return Destination(stack.enter_context(copy), run_dir)


def _options(ctx: click.Context) -> dict[str, Any]:
    """Return the values of the options, with ``--dense-adam`` as an optimizer."""
    options = dict(ctx.params)
    if options["dense_adam"]:
        if given(ctx, "optimizer") and options["optimizer"] != "dense-adam":
            raise click.UsageError(
                f"--dense-adam contradicts --optimizer {options['optimizer']}; give one of them"
            )
        options["optimizer"] = "dense-adam"
    return options


def _check_new_run(ctx: click.Context, options: Mapping[str, Any]) -> None:
    """Refuse a new run without a corpus, or with options of runs that have begun or a folder."""
    epochs, run_dir = options["epochs"], options["run_dir"]
    if options["add"]:
        raise click.UsageError("--add is more text for a finished run: give --resume DIR too")
    if not options["corpus"]:
        raise click.MissingParameter(ctx=ctx, param=ctx.command.params[0])
    if isinstance(epochs, MoreEpochs | TotalEpochs):
        raise click.UsageError(
            f"--epochs {epochs.sign}{epochs} adds to a run: give --resume DIR, or leave "
            f"'{epochs.sign}' out"
        )
    if options["trust"]:
        raise click.UsageError("--trust is for the folder of a run: give --resume DIR too")
    if given(ctx, "checkpoint_every") and not run_dir:
        raise click.UsageError("--checkpoint-every needs a folder: give --run-dir DIR too")
    if options["no_lock"] and not run_dir:
        raise click.UsageError("--no-lock is for a folder: give --run-dir DIR too")


def _outputs(options: Mapping[str, Any], output: Path) -> dict[str, Path | None]:
    """Return the files that are written, by the options that name them."""
    named = {"--log": "log", "--phrases-out": "phrases_out", "--report": "report"}
    return {"-o": output, **{option: options[name] for option, name in named.items()}}


def _default_output(options: Mapping[str, Any]) -> Path:
    """Return the file for the vectors that is named after the corpus, where there is none yet."""
    output = named_after(options["corpus"], ENDING_WITH_NGRAMS if options["subwords"] else "")
    if os.path.lexists(output) and not options["dry_run"]:
        can = f"give -o {shell_path(output)} to overwrite it, or -o with another name"
        if output.is_dir():
            can = "give -o with another name"
        raise click.ClickException(printable(f"{output}: exists already; {can}"))
    return output


def _load_start(init: Path | None, freeze: Path | None) -> dict[str, Any]:
    """Load the vectors that a run starts from, and the words to freeze, if there are any."""
    loaded: dict[str, Any] = {}
    if init:
        from ..training.initialize import Start
        from ..vectors.vectors import Vectors

        report = ReadingReport()
        load = Start.load if init.is_dir() else Vectors.load
        loaded["init"] = load(init, on_event=report)
    if freeze:
        from ..training.initialize import read_words

        loaded["freeze"] = read_words(freeze)
    return loaded

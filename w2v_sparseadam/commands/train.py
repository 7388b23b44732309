"""``w2v-train``: from text files to a file of word vectors."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import fields
from functools import partial
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from .. import __version__
from ..output import check_writable
from ..text.config import ON_BAD_BYTES, TextConfig
from ..text.tokenizers import TOKENIZERS
from ..training import (
    START_LR,
    VECTOR_KINDS,
    Event,
    OptimizerConfig,
    RunConfig,
    SkipGramConfig,
    train,
)
from . import W2VCommand

if TYPE_CHECKING:
    from tqdm import tqdm

# Off a terminal, a line comes no sooner than after so many seconds and such a share of the work.
_LINE_SECONDS, _LINE_SHARE = 10, 0.01

_Config = TypeVar("_Config", TextConfig, SkipGramConfig, OptimizerConfig, RunConfig)


class _TrainCommand(W2VCommand):
    """Lists the options in sections, in the order in which they are declared."""

    left_undone = "; no vectors were written"

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                section = param.section if isinstance(param, _Option) else "Other"
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class _Option(click.Option):
    """An option that knows its section of the help page."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def _setting(section: str, config: type, flag: str, **attributes: Any) -> Callable[[Any], Any]:
    """Return an option for the field of a config that has its name, with the same default."""
    name = flag.split("/")[0].strip().removeprefix("--").replace("-", "_")
    attributes = {"show_default": True, "default": getattr(config, name), **attributes}
    return click.option(flag, cls=_Option, section=section, **attributes)


_text = partial(_setting, "Text", TextConfig)
_model = partial(_setting, "Model", SkipGramConfig)
_optimizer = partial(_setting, "Optimizer", OptimizerConfig)
_run = partial(_setting, "Run", RunConfig)
_output = partial(click.option, cls=_Option, section="Output")

_FILE = click.Path(path_type=Path, dir_okay=False)
_LR_DEFAULTS = ", ".join(f"{name} {lr}" for name, lr in START_LR.items())


@click.command(cls=_TrainCommand)
@click.argument(
    "corpus",
    metavar="CORPUS...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True),
)
@_text(
    "--tokenizer",
    type=click.Choice(list(TOKENIZERS)),
    help="'word' for prose; 'whitespace' for text that is tokenized already.",
)
@_text(
    "--lowercase/--no-lowercase",
    show_default="with 'word' only",
    help="Lower-case the text.",
)
@_text(
    "--min-count",
    metavar="N",
    type=click.IntRange(1),
    help="Leave out words that occur less often.",
)
@_text(
    "--max-vocab",
    metavar="N",
    type=click.IntRange(1),
    show_default="all",
    help="Keep only this many words, the most frequent.",
)
@_text(
    "--max-types",
    metavar="N",
    type=click.IntRange(1),
    show_default="a quarter of the memory",
    help="Hold at most this many distinct runs of characters; then forget the rarest.",
)
@_text(
    "--errors",
    type=click.Choice(ON_BAD_BYTES),
    help="On bytes that are not UTF-8: stop, put U+FFFD, or drop them.",
)
@_model("--dim", metavar="N", type=click.IntRange(1), help="Dimensions of a vector.")
@_model(
    "--window",
    metavar="N",
    type=click.IntRange(1),
    help="Contexts are at most this many words away.",
)
@_model(
    "--dynamic-window/--fixed-window",
    help="Draw each word's reach from 1 to the window, or take the whole window.",
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
    help="Thin out words of a higher relative frequency; 0 keeps all.",
)
@_optimizer("--optimizer", type=click.Choice(list(START_LR)), help="What moves the vectors.")
@click.option(
    "--dense-adam",
    cls=_Option,
    section="Optimizer",
    is_flag=True,
    help="The same as --optimizer dense-adam: every row moves at every step.",
)
@_optimizer(
    "--lr",
    metavar="X",
    type=click.FloatRange(0, min_open=True),
    show_default=_LR_DEFAULTS,
    help="Learning rate at the start; falls to 0 in a straight line.",
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
@_run("--epochs", metavar="N", type=click.IntRange(1), help="Passes over the text.")
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
    help="Threads to use; the result does not depend on it.",
)
@_output(
    "-o",
    "--output",
    metavar="PATH",
    type=_FILE,
    show_default="the first CORPUS' name with .vec, in this folder",
    help="Where the vectors go: word2vec text, or binary if the name ends in .bin.",
)
@_output(
    "--vectors",
    type=click.Choice(VECTOR_KINDS),
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
@_output("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.version_option(__version__)
@click.pass_context
def main(
    ctx: click.Context,
    /,
    corpus: tuple[Path, ...],
    output: Path | None,
    vectors: str,
    log: Path | None,
    quiet: bool,
    dense_adam: bool,
    **settings: Any,
) -> None:
    """Train word vectors on the text files CORPUS, one sentence or paragraph a line.

    \b
    w2v-train corpus.txt
    w2v-train news.txt books.txt --dim 200 --epochs 5 -o all.bin
    w2v-neighbors corpus.vec river
    """
    if dense_adam:
        if _given(ctx, "optimizer") and settings["optimizer"] != "dense-adam":
            raise click.UsageError(
                f"--dense-adam contradicts --optimizer {settings['optimizer']}; give one of them"
            )
        settings["optimizer"] = "dense-adam"
    target = output or Path(corpus[0].name).with_suffix(".vec")
    _check_distinct(corpus, target, log)
    text, skip_gram = _config(TextConfig, settings), _config(SkipGramConfig, settings)
    optimizer, run = _config(OptimizerConfig, settings), _config(RunConfig, settings)
    for name in ("beta1", "beta2", "eps", "bias_correction"):
        if _given(ctx, name) and name not in optimizer.used:
            flag = name.replace("_", "-")
            raise click.UsageError(f"--optimizer {optimizer.optimizer} has no --{flag}")

    check_writable(target)
    with ExitStack() as stack:
        listeners: list[_Report | _Log] = []
        if not quiet:
            listeners.append(stack.enter_context(closing(_Report())))
        if log:
            listeners.append(stack.enter_context(closing(_Log(log))))

        def on_event(event: Event) -> None:
            # LLVM calls back into Python, where an exception would be printed and lost.
            ctx.obj.deferred = event["event"] == "compile"
            ctx.obj.check()
            for listener in listeners:
                listener(event)

        model = train(
            corpus, text=text, skip_gram=skip_gram, optimizer=optimizer, run=run, on_event=on_event
        )
        model.vectors(vectors).save(target)
        for listener in listeners:
            listener.saved(target)


def _given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def _config(kind: type[_Config], settings: dict[str, Any]) -> _Config:
    return kind(**{field.name: settings[field.name] for field in fields(kind)})


def _check_distinct(corpus: Sequence[Path], target: Path, log: Path | None) -> None:
    """Refuse to overwrite the text, or the vectors with the log."""
    for option, path in (("-o", target), ("--log", log)):
        for text in corpus:
            if path and _same_file(path, text):
                raise click.UsageError(
                    f"{path} is a corpus file and would be overwritten; name another with {option}"
                )
    if log and _same_file(log, target):
        raise click.UsageError(f"{log} cannot hold both the vectors and the log; name another file")


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one does not exist
        return os.path.realpath(one) == os.path.realpath(other)


class _Pace:
    """Says when a line is due: some seconds after the last, and a share of the work."""

    def __init__(self, seconds: float, share: float) -> None:
        self._seconds, self._share = seconds, share
        self._last_time, self._last_share = time.monotonic(), 0.0

    def due(self, done: float, whole: float) -> bool:
        """Whether a line should come now; if so, it is the last one from now on."""
        now, share = time.monotonic(), done / max(whole, 1)
        if now < self._last_time + self._seconds or share < self._last_share + self._share:
            return False
        self._last_time, self._last_share = now, share
        return True


class _Log:
    """Writes events to a file, one JSON object a line.

    ``read`` and ``progress`` come at most once a second and a thousand times in a run, so that
    the log of a long run stays small. A ``progress`` left out is merged into the next one, and
    ``done`` waits for the vectors to be saved.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: FileIO | None = path.open("wb", buffering=0)
        except OSError as error:
            raise click.ClickException(
                f"{path}: cannot be written ({error.strerror}); write the log elsewhere"
            ) from error
        self._pace = _Pace(1, 1e-3)
        self._n_tokens = 0
        self._waiting: list[Event] = []
        self._last: Event = {"tokens": 0, "seconds": 0.0}
        self._done: Event = {}

    def __call__(self, event: Event) -> None:
        """Write an event, or note it for later."""
        match event["event"]:
            case "read":
                if self._pace.due(event["bytes"], event["total_bytes"] or 0):
                    self._write(event)
            case "start":
                self._pace = _Pace(1, 1e-3)
                self._n_tokens = event["tokens"]
                self._write(event)
            case "progress":
                self._waiting.append(event)
                if self._pace.due(event["tokens"], self._n_tokens):
                    self._write_progress()
            case "epoch":
                self._write_progress()
                self._write(event)
            case "done":
                self._done = event
            case _:
                self._write(event)

    def saved(self, target: Path) -> None:
        """Write the last line."""
        self._write({**self._done, "output": str(target)})

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file:
            self._file.close()
            self._file = None

    def _write_progress(self) -> None:
        """Write the events that wait as one, with the loss of all their pairs."""
        if not self._waiting:
            return
        event = self._waiting[-1]
        pairs = sum(part["pairs"] for part in self._waiting)
        loss = sum(part["loss"] * part["pairs"] for part in self._waiting) / pairs
        n_tokens = event["tokens"] - self._last["tokens"]
        speed = n_tokens / (event["seconds"] - self._last["seconds"])
        self._write({**event, "pairs": pairs, "loss": loss, "tokens_per_s": speed})
        self._last = event
        self._waiting = []

    def _write(self, event: Event) -> None:
        """Write a line; a full disk must not end a long run."""
        if not self._file:
            return
        try:
            self._file.write(json.dumps(event, allow_nan=False).encode() + b"\n")
        except OSError as error:
            self.close()
            click.echo(
                f"Warning: {self._path}: cannot be written ({error.strerror}); going on without it",
                err=True,
            )


class _Report:
    """Shows events on stderr: bars on a terminal, now and then a line elsewhere."""

    def __init__(self) -> None:
        self._on_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._pace = _Pace(_LINE_SECONDS, _LINE_SHARE)
        self._compiling = False
        self._start: Event = {}

    def __call__(self, event: Event) -> None:
        """Show an event."""
        getattr(self, f"_show_{event['event']}")(event)

    def saved(self, target: Path) -> None:
        """Show that the file is there."""
        words, dim = self._start["words"], self._start["dim"]
        self._say(f"Wrote {target}: {words:,} words, {dim} dimensions.")

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        click.echo(line, err=True)
        if self._bar is not None:
            self._bar.refresh()

    def _show_compile(self, event: Event) -> None:
        if not self._compiling:
            self._compiling = True
            self._say("Compiling for this machine; the next run will start at once.")

    def _show_read(self, event: Event) -> None:
        done, whole = event["bytes"], event["total_bytes"] or 0
        if self._on_terminal:
            if self._bar is None and whole:
                self._bar = _new_bar(whole, "B", "Reading", "{n_fmt} of {total_fmt}, {rate_fmt}")
            elif self._bar is None:
                self._bar = _new_bar(whole, " tokens", "Reading", "")
            self._bar.update((done if whole else event["tokens"]) - self._bar.n)
        elif self._pace.due(done, whole):
            if whole:
                self._say(f"{done / max(whole, done):4.0%}  reading, {done / 1e6:,.0f} MB")
            else:
                self._say(f"reading, {done / 1e6:,.0f} MB, {event['tokens']:,} tokens")

    def _show_text(self, event: Event) -> None:
        self.close()
        self._say(
            f"Read {event['bytes'] / 1e6:,.1f} MB in {_duration(event['seconds'])}: "
            f"{event['lines']:,} lines, {event['tokens']:,} tokens, "
            f"{event['distinct_words']:,} words."
        )
        kept = event["kept_tokens"] / event["tokens"]
        self._say(f"Kept {event['words']:,} words, {event['kept_tokens']:,} tokens ({kept:.1%}).")
        for key, what in (
            ("below_min_count", "Dropped {:,} tokens of words below --min-count."),
            ("beyond_max_vocab", "Dropped {:,} tokens of words beyond --max-vocab."),
            ("pruned", "Dropped {:,} tokens of the rarest types beyond --max-types."),
            ("bad_bytes", "Met {:,} bytes that are not UTF-8."),
        ):
            if event[key]:
                self._say(what.format(event[key]))
        if event["max_missed"] >= event["min_count"]:
            self._say(
                f"Warning: --max-types may have cost a word that occurs up to "
                f"{event['max_missed']:,} times its place; raise it."
            )

    def _show_start(self, event: Event) -> None:
        self._start = event
        self._pace = _Pace(_LINE_SECONDS, _LINE_SHARE)
        if self._on_terminal:
            self._bar = _new_bar(
                event["tokens"], " words", self._epoch(1), "{rate_fmt}, {remaining} left{postfix}"
            )

    def _show_progress(self, event: Event) -> None:
        loss, lr = f"loss {event['loss']:.3f}", f"lr {event['lr']:.2g}"
        done, whole = event["tokens"], self._start["tokens"]
        if self._bar is not None:
            self._bar.set_description_str(self._epoch(event["epoch"]), refresh=False)
            self._bar.set_postfix_str(f"{loss}, {lr}", refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._pace.due(done, whole):
            left = _duration((whole - done) * event["seconds"] / done)
            self._say(
                f"{done / whole:4.0%}  {self._epoch(event['epoch'])}, {loss}, {lr}, "
                f"{event['tokens_per_s']:,.0f} words/s, {left} left"
            )

    def _show_epoch(self, event: Event) -> None:
        self._say(
            f"{self._epoch(event['epoch'])}: loss {event['loss']:.4f} a pair, "
            f"{_duration(event['seconds'])}."
        )

    def _epoch(self, number: int) -> str:
        return f"Epoch {number}/{self._start['epochs']}"

    def _show_done(self, event: Event) -> None:
        self.close()
        memory = event["peak_memory_bytes"]
        self._say(
            f"Trained in {_duration(event['train_seconds'])}: {event['tokens_per_s']:,.0f} words/s"
            + (f", {memory / 1e6:,.0f} MB of memory at the peak." if memory else ".")
        )


def _new_bar(total: int, unit: str, description: str, details: str) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(
        total=total or None,  # of a pipe, nobody knows
        unit=unit,
        unit_scale=True,
        desc=description,
        bar_format=f"{{desc}} {{percentage:3.0f}}%|{{bar:10}}| {details}",
        dynamic_ncols=True,
        miniters=1,
        leave=False,
    )


def _duration(seconds: float) -> str:
    """Return seconds as a person says them: ``4.2 s``, ``3:07`` or ``11:03:07``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


if __name__ == "__main__":
    main()

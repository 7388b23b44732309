"""``w2v-train``: from text files to a file of word vectors."""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from ..text import TextConfig
from ..text.tokenizers import TOKENIZERS
from ..training import (
    OPTIMIZERS,
    VECTOR_KINDS,
    Event,
    OptimizerConfig,
    RunConfig,
    SkipGramConfig,
)
from . import W2VCommand

if TYPE_CHECKING:
    from tqdm import tqdm

_LINE_SECONDS = 10.0

_SECTIONS = {
    "Text": TextConfig,
    "Model": SkipGramConfig,
    "Optimizer": OptimizerConfig,
    "Run": RunConfig,
}

_Config = TypeVar("_Config", TextConfig, SkipGramConfig, OptimizerConfig, RunConfig)


class _TrainCommand(W2VCommand):
    """Lists the options under the config that each belongs to."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {title: [] for title in _SECTIONS}
        sections["Output"] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            owners = [
                title
                for title, config in _SECTIONS.items()
                if param.name in {field.name for field in fields(config)}
                or (title == "Optimizer" and param.name == "dense_adam")
            ]
            sections[owners[0] if owners else "Output"].append(record)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl(records)


@click.command(cls=_TrainCommand)
@click.argument("corpus", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--tokenizer",
    type=click.Choice(sorted(TOKENIZERS)),
    default=TextConfig.tokenizer,
    show_default=True,
    help="'word' for prose; 'whitespace' for text that is tokenized already.",
)
@click.option(
    "--lowercase/--no-lowercase",
    default=TextConfig.lowercase,
    help="Lower-case the text.  [default: with 'word' only]",
)
@click.option(
    "--min-count",
    type=click.IntRange(1),
    default=TextConfig.min_count,
    show_default=True,
    help="Leave out words that occur less often.",
)
@click.option(
    "--max-vocab",
    type=click.IntRange(1),
    default=TextConfig.max_vocab,
    help="Keep only this many words, the most frequent.  [default: all]",
)
@click.option(
    "--errors",
    type=click.Choice(["strict", "replace", "ignore"]),
    default=TextConfig.errors,
    show_default=True,
    help="On bytes that are not UTF-8: stop, put U+FFFD, or drop them.",
)
@click.option(
    "--dim",
    type=click.IntRange(1),
    default=SkipGramConfig.dim,
    show_default=True,
    help="Dimensions of a vector.",
)
@click.option(
    "--window",
    type=click.IntRange(1),
    default=SkipGramConfig.window,
    show_default=True,
    help="Contexts are at most this many words away.",
)
@click.option(
    "--dynamic-window/--fixed-window",
    default=SkipGramConfig.dynamic_window,
    show_default=True,
    help="Draw each word's reach from 1 to the window, or take the whole window.",
)
@click.option(
    "--negative",
    type=click.IntRange(1),
    default=SkipGramConfig.negative,
    show_default=True,
    help="Negative samples for each pair.",
)
@click.option(
    "--noise-exponent",
    type=click.FloatRange(0),
    default=SkipGramConfig.noise_exponent,
    show_default=True,
    help="Draw negatives in proportion to count to this power.",
)
@click.option(
    "--subsample",
    type=click.FloatRange(0),
    default=SkipGramConfig.subsample,
    show_default=True,
    help="Thin out words more frequent than this; 0 keeps all.",
)
@click.option(
    "--optimizer",
    type=click.Choice(OPTIMIZERS),
    default=OptimizerConfig.optimizer,
    show_default=True,
    help="What moves the vectors.",
)
@click.option(
    "--dense-adam",
    is_flag=True,
    help="The same as --optimizer dense-adam: every row moves at every step.",
)
@click.option(
    "--lr",
    type=click.FloatRange(0, min_open=True),
    default=OptimizerConfig.lr,
    help="Learning rate at the start; falls to 0.  [default: 0.02, sgd 0.025]",
)
@click.option(
    "--beta1",
    type=click.FloatRange(0, 1, max_open=True),
    default=OptimizerConfig.beta1,
    show_default=True,
    help="Decay of Adam's first moment.",
)
@click.option(
    "--beta2",
    type=click.FloatRange(0, 1, max_open=True),
    default=OptimizerConfig.beta2,
    show_default=True,
    help="Decay of Adam's second moment.",
)
@click.option(
    "--eps",
    type=click.FloatRange(0),
    default=OptimizerConfig.eps,
    show_default=True,
    help="Added to Adam's denominator.",
)
@click.option(
    "--epochs",
    type=click.IntRange(1),
    default=RunConfig.epochs,
    show_default=True,
    help="Passes over the text.",
)
@click.option(
    "--batch-size",
    type=click.IntRange(32),
    default=RunConfig.batch_size,
    show_default=True,
    help="Words that one step learns from.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**64 - 1),
    default=RunConfig.seed,
    show_default=True,
    help="Start of every random draw.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=RunConfig.threads,
    help="Threads; the result does not depend on it.  [default: all processors]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="Where the vectors go: word2vec text, or binary if the name ends in .bin.  "
    "[default: the first corpus' name with .vec, in this folder]",
)
@click.option(
    "--vectors",
    type=click.Choice(VECTOR_KINDS),
    default="center",
    show_default=True,
    help="Which vectors to write.",
)
@click.option(
    "--log",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write one JSON object for each event to this file.",
)
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
@click.version_option(package_name="w2v-sparseadam")
@click.pass_context
def main(
    ctx: click.Context,
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
    if settings["optimizer"] == "sgd":
        for name in ("beta1", "beta2", "eps"):
            if _given(ctx, name):
                raise click.UsageError(f"--{name} belongs to Adam; --optimizer sgd has none")

    # Numba is slow to import: not before --help has been answered.
    from ..output import check_writable
    from ..training import train

    target = output or Path(corpus[0].name).with_suffix(".vec")
    check_writable(target)
    with ExitStack() as stack:
        report = _Report(quiet, settings["epochs"])
        stack.callback(report.close)
        log_file = stack.enter_context(_open_log(log)) if log else None
        done: Event = {}

        def on_event(event: Event) -> None:
            report(event)
            if event["event"] == "done":
                done.update(event)
            elif log_file:
                _write_line(log_file, event)

        model = train(
            corpus,
            text=_config(TextConfig, settings),
            skip_gram=_config(SkipGramConfig, settings),
            optimizer=_config(OptimizerConfig, settings),
            run=_config(RunConfig, settings),
            on_event=on_event,
        )
        report.close()
        model.vectors(vectors).save(target)
        if log_file:
            _write_line(log_file, {**done, "output": str(target)})
    if not quiet:
        click.echo(f"{target}: {len(model.words):,} words, {settings['dim']} dimensions")


def _given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not ParameterSource.DEFAULT


def _config(kind: type[_Config], settings: dict[str, Any]) -> _Config:
    return kind(**{field.name: settings[field.name] for field in fields(kind)})


def _open_log(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}; write the log elsewhere") from error


def _write_line(log_file: IO[str], event: Event) -> None:
    log_file.write(json.dumps(event) + "\n")
    log_file.flush()


class _Report:
    """Shows events on stderr: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool, epochs: int) -> None:
        self._quiet = quiet
        self._epochs = epochs
        self._on_terminal = sys.stderr.isatty()
        self._bar: tqdm[Any] | None = None
        self._next_line = 0.0
        self._n_tokens = 0

    def __call__(self, event: Event) -> None:
        """Show one event, if there is anything to show."""
        if not self._quiet:
            show = getattr(self, f"_show_{event['event']}")
            show(event)

    def close(self) -> None:
        """Leave the bar as it is and go to the next line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.clear()
        click.echo(line, err=True)

    def _show_read(self, event: Event) -> None:
        if self._on_terminal:
            if self._bar is None:
                self._bar = _new_bar(event["total_bytes"], "reading", "B")
            self._bar.update(event["bytes"] - self._bar.n)

    def _show_text(self, event: Event) -> None:
        self.close()
        self._say(
            f"Read {event['bytes'] / 1e6:,.1f} MB in {event['seconds']:.1f} s: "
            f"{event['lines']:,} lines, {event['tokens']:,} tokens, "
            f"{event['distinct_words']:,} distinct words."
        )
        kept = event["kept_tokens"] / event["tokens"]
        dropped = [
            f"{event[key]:,} {what}"
            for key, what in (
                ("below_min_count", "tokens of rarer words"),
                ("beyond_max_vocab", "tokens beyond --max-vocab"),
                ("bad_bytes", "bytes that are not UTF-8"),
                ("empty_words", "empty words"),
            )
            if event[key]
        ]
        self._say(
            f"Kept {event['words']:,} words, {event['kept_tokens']:,} tokens ({kept:.1%})"
            + (f"; dropped {', '.join(dropped)}." if dropped else ".")
        )

    def _show_compile(self, event: Event) -> None:
        self._say("Compiling the kernels for this machine, once; later runs start at once.")

    def _show_start(self, event: Event) -> None:
        self._n_tokens = event["tokens"]
        if self._on_terminal:
            self._bar = _new_bar(event["tokens"], f"epoch 1/{self._epochs}", "words")
        self._next_line = time.monotonic() + _LINE_SECONDS

    def _show_progress(self, event: Event) -> None:
        if self._bar is not None:
            self._bar.set_description(f"epoch {event['epoch']}/{self._epochs}", refresh=False)
            self._bar.set_postfix_str(
                f"loss {event['loss']:.4f}, lr {event['lr']:.2g}", refresh=False
            )
            self._bar.update(event["tokens"] - self._bar.n)
        elif time.monotonic() >= self._next_line:
            self._next_line += _LINE_SECONDS
            seconds = (self._n_tokens - event["tokens"]) / event["tokens_per_s"]
            self._say(
                f"{event['tokens'] / self._n_tokens:4.0%}  epoch {event['epoch']}/{self._epochs}, "
                f"loss {event['loss']:.4f}, lr {event['lr']:.2g}, "
                f"{event['tokens_per_s']:,.0f} words/s, {_duration(seconds)} left"
            )

    def _show_epoch(self, event: Event) -> None:
        if self._bar is None:
            self._say(
                f"Epoch {event['epoch']}/{self._epochs}: loss {event['loss']:.4f} a pair, "
                f"{_duration(event['seconds'])}."
            )

    def _show_done(self, event: Event) -> None:
        self.close()
        memory = event["peak_memory_bytes"]
        self._say(
            f"Trained in {_duration(event['train_seconds'])}, {event['tokens_per_s']:,.0f} words/s"
            f", loss {event['loss']:.4f} a pair"
            + (f", {memory / 1e6:,.0f} MB at the peak." if memory else ".")
        )


def _new_bar(total: int, description: str, unit: str) -> tqdm[Any]:
    from tqdm import tqdm

    return tqdm(
        total=total, desc=description, unit=unit, unit_scale=True, dynamic_ncols=True, miniters=1
    )


def _duration(seconds: float) -> str:
    """Return seconds as a person says them: ``4.2 s``, ``3:07`` or ``11:03:07``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


if __name__ == "__main__":
    main()

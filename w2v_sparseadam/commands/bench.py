"""``w2v-bench``: how much faster it is to move only the touched rows, on any text."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import counted
from ..objectives.skip_gram.settings import SkipGramConfig
from . import W2VCommand
from .options import in_section, option_of, settings_given

if TYPE_CHECKING:
    from ..benchmark.results import Report
    from ..events import Event


class _Sizes(click.ParamType):
    """Whole numbers with commas between them."""

    name = "sizes"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        try:
            sizes = tuple(int(size) for size in value.split(","))
        except ValueError:
            sizes = ()
        if not sizes or min(sizes) < 1:
            self.fail(f"{value!r} is not a list such as 10000,100000", param, ctx)
        return sizes


_SECTION = "Options"  # the only one: this help page has no sections
_option = in_section(_SECTION)


@click.command(cls=W2VCommand, short_help="Compare SparseAdam with dense Adam and SGD.")
@click.argument(
    "corpus",
    metavar="[CORPUS]...",
    nargs=-1,
    type=click.Path(path_type=Path, exists=True, dir_okay=False, readable=True),
)
@_option(
    "--synthetic",
    metavar="V",
    type=click.IntRange(1),
    help="Instead of a CORPUS, draw a text of V words by Zipf's law.",
)
@_option(
    "--sizes",
    metavar="N,N,...",
    type=_Sizes(),
    default="10000,100000,1000000",
    show_default=True,
    help="Numbers of rows to time steps over, beside the text's own.",
)
@option_of("dim", _SECTION)
@option_of("batch_size", _SECTION)
@option_of("threads", _SECTION, help="Threads to use.")
@_option(
    "--repeat",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Number of rounds; each optimizer runs once in each.",
)
@_option(
    "--seconds",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="How long each optimizer trains in each round; 0 for none.",
)
@option_of("seed", _SECTION)
@option_of("tokenizer", _SECTION, help="Tokenizer, as in w2v-train.")
@option_of("min_count", _SECTION)
@_option(
    "--plot",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also plot the results: .png, .svg or .html. Needs the extra 'plot'.",
)
@_option("--json", "as_json", is_flag=True, help="Print JSON objects, one per line.")
@click.pass_context
def main(
    ctx: click.Context,
    /,
    corpus: tuple[Path, ...],
    synthetic: int | None,
    sizes: tuple[int, ...],
    repeat: int,
    seconds: float,
    plot: Path | None,
    as_json: bool,
    **_: Any,
) -> None:
    """Compare SparseAdam with dense Adam and SGD on the text files CORPUS.

    It first times a single step of each optimizer, over matrices of several sizes, and then
    trains with each for the same time. It takes two or three minutes.

    \b
    w2v-bench corpus.txt
    w2v-bench --synthetic 100000 --plot bench.png
    """
    if bool(corpus) == (synthetic is not None):
        raise click.UsageError("give either a CORPUS or --synthetic V")

    from ..benchmark.benchmark import benchmark
    from ..benchmark.drawn_text import draw_text
    from ..report.plots import check_plot, save_plot
    from ..text.corpus import read_corpus

    settings = settings_given(ctx)
    assert isinstance(settings.objective, SkipGramConfig)
    said: set[str] = set()  # every kernel that is compiled gives an event

    def on_event(event: Event) -> None:
        # LLVM calls back into Python, where an exception would be printed and lost.
        ctx.obj.deferred = ctx.obj.compiling = event["event"] == "compile"
        ctx.obj.check()
        message = _message(event)
        if message not in said:
            said.add(message)
            click.echo(message, err=True)

    if plot:
        check_plot(plot)
    with ExitStack() as stack:
        if synthetic is not None:
            word_ids, counts = draw_text(synthetic, settings.run.seed)
        else:
            click.echo("Reading the text ...", err=True)
            text = stack.enter_context(read_corpus(corpus, settings.text))
            word_ids, counts = text.word_ids, text.vocabulary.counts
        report = benchmark(
            word_ids,
            counts,
            sizes=sizes,
            repeat=repeat,
            seconds=seconds,
            skip_gram=settings.objective,
            run=settings.run,
            on_event=on_event,
        )
    for line in _json_lines(report) if as_json else _tables(report):
        click.echo(line)
    if plot:
        save_plot(report, plot)


def _message(event: Event) -> str:
    """Return the line that announces what comes next."""
    if event["event"] == "compile":
        return "Compiling for this machine; the next run will start at once ..."
    if event["event"] == "warning":
        return f"Warning: {event['message']}."
    if event["event"] == "step":
        return f"Timing a step over {counted(event['words'], 'word')} ..."
    return f"Training with {event['optimizer']}, round {event['round']} ..."


def _json_lines(report: Report) -> Iterator[str]:
    """Yield the report as JSON objects."""
    return map(json.dumps, report.records())


def _tables(report: Report) -> Iterator[str]:
    """Yield the report as tables for a terminal of 80 columns."""
    machine, settings = report.machine, report.settings
    yield f"{machine['processor']}, threads: {settings['threads']}, dimensions: {settings['dim']}"
    yield f"Medians (lowest–highest), rounds: {settings['repeat']}"
    if report.steps:
        n_rows = report.steps[0].n_rows_touched
        yield f"\nOne step, {counted(n_rows, 'row')} with a gradient; rows and MB that it moves"
        yield from _aligned(_step_rows(report), "><<<>>>")
        yield "\nMB of the optimizer's state in memory after one step, of those allocated"
        yield from _aligned(_state_rows(report), ">>>")
    if report.training:
        yield (
            f"\nTraining for {settings['seconds']:g} s: {settings['n_tokens']:,} tokens per epoch, "
            f"{settings['n_words']:,} words"
        )
        yield from _aligned(_training_rows(report), "<<>><>")
    if report.skipped:
        yield ""
    for skipped in report.skipped:
        yield f"Left out: {skipped.what}, because {skipped.reason}."


def _aligned(rows: Iterable[Sequence[str]], sides: str) -> Iterator[str]:
    """Yield lines with the cells in columns, aligned to the left (<) or right (>)."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, sides, widths, strict=True)
        yield "  ".join(f"{cell:{side}{width}}" for cell, side, width in cells).rstrip()


def _step_rows(report: Report) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of steps; optimizers share the cells of size and draw."""
    yield "words", "drawn", "optimizer", "ms per step", "rows", "MB", "time"
    for group in report.step_groups():
        for timing in group:
            first = timing is group[0]
            yield (
                f"{timing.n_words:,}" if first else "",
                timing.draw if first else "",
                timing.optimizer,
                _spread(1000 * seconds for seconds in timing.seconds),
                f"{timing.n_rows_moved:,}",
                _number(timing.n_bytes_moved / 1e6),
                "" if first else f"× {_number(timing.ratio(group[0]).median)}",
            )


def _state_rows(report: Report) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of the state's memory, one per size."""
    groups = {group[0].n_words: group for group in report.step_groups()}
    yield "words", *(timing.optimizer for timing in next(iter(groups.values())))
    for n_words, group in groups.items():
        yield (
            f"{n_words:,}",
            *(
                f"{_megabytes(timing.resident_state_bytes)} of {_megabytes(timing.state_bytes)}"
                for timing in group
            ),
        )


def _training_rows(report: Report) -> Iterator[Sequence[str]]:
    """Yield the rows of the table of training, one per optimizer."""
    yield "optimizer", "1,000 tokens/s", "s per epoch", "epochs", "loss", "peak MB"
    n_tokens = report.settings["n_tokens"]
    for name, runs in report.training_runs().items():
        speed = statistics.median(run.tokens_per_s for run in runs)
        losses = [run.loss for run in runs if run.loss is not None]
        peaks = [run.peak_memory_bytes for run in runs if run.peak_memory_bytes is not None]
        yield (
            name,
            _spread(run.tokens_per_s / 1000 for run in runs),
            _number(n_tokens / speed),
            _number(statistics.median(run.n_tokens / n_tokens for run in runs)),
            _spread(losses) if len(losses) == len(runs) else "none",
            _megabytes(statistics.median(peaks) if peaks else None),
        )


def _spread(values: Iterable[float]) -> str:
    from ..benchmark.results import Spread

    return "{} ({}–{})".format(*map(_number, Spread.of(values)))


def _megabytes(n_bytes: float | None) -> str:
    return "?" if n_bytes is None else _number(n_bytes / 1e6)


def _number(value: float) -> str:
    """Return a positive number with three digits, or with all before the decimal point."""
    decimals = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(decimals, 6)}f}"


if __name__ == "__main__":
    main()

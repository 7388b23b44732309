"""Plots of a benchmark, and of the word counts of a text."""

from __future__ import annotations

import html
import importlib.util
import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ..benchmark.results import Report, Spread, StepTiming, TrainingRun
from ..benchmark.steps import STEP_OPTIMIZERS
from ..benchmark.training import TRAINING_OPTIMIZERS
from ..errors import W2VError, counted
from ..system.files import check_writable, write_result

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".html")
"""Extensions of plots."""

# Okabe & Ito (2008): colour-blind readers can tell them apart.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_COLOR_OF = dict(zip(dict.fromkeys(STEP_OPTIMIZERS + TRAINING_OPTIMIZERS), _COLORS, strict=False))

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{command}</title>
<style>
body {{ font-family: sans-serif; max-width: 1000px; margin: 2em auto; padding: 0 1em }}
svg {{ width: 100%; height: auto }}
</style>
<h1>{title}</h1>
<p>{caption}</p>
{svg}
</html>
"""


def check_plot(path: str | os.PathLike[str]) -> None:
    """Check before a long run that its plot can be drawn and written.

    Raises
    ------
    W2VError
        If the name of the file ends in none of `FORMATS`, if matplotlib is not installed, or as
        `check_writable`.
    """
    suffix = Path(path).suffix
    if suffix.lower() not in FORMATS:
        names = ", ".join(FORMATS)
        raise W2VError(f"{path}: a plot must end in one of {names}, not in {suffix!r}")
    if importlib.util.find_spec("matplotlib") is None:
        raise W2VError(
            f"{path}: drawing needs matplotlib, which is not installed; "
            "pip install 'w2v-sparseadam[plot]'"
        )
    check_writable(path)


def save_plot(report: Report, path: str | os.PathLike[str]) -> None:
    """Draw a report and write it: as PNG, as SVG, or as an HTML page that holds the SVG.

    To the left the time of a step against the rows of the matrix, both logarithmic; to the right
    the loss against the seconds of training. A panel with nothing to show is left out.

    Parameters
    ----------
    report : Report
        Has timed a step or a training run.
    path : path-like
        Replaced as a whole; its name ends in one of `FORMATS`.

    Raises
    ------
    SettingError, W2VError
        As `check_plot`, and if the report is empty.
    """
    check_plot(path)
    if not (report.steps or report.training):
        raise W2VError(f"{path}: nothing was measured, so there is nothing to draw")
    n_panels = bool(report.steps) + bool(report.training)
    with _saving(path, "w2v-bench", "What does sparse buy?", _caption(report)) as figure:
        # With both panels 1000 pixels wide.
        figure.set_size_inches(5 * n_panels, 4.4)
        panels = list(figure.subplots(1, n_panels, squeeze=False)[0])
        if report.steps:
            _draw_steps(panels.pop(0), report)
        if report.training:
            _draw_training(panels.pop(0), report)


def save_zipf_plot(counts: np.ndarray, min_count: int, path: str | os.PathLike[str]) -> None:
    """Draw how often each word occurs against its rank, both logarithmic, and write the picture.

    By Zipf's law the points lie near a falling line. What min-count leaves out is shaded.

    Parameters
    ----------
    counts : ndarray of shape (W,), int64
        How often each distinct word occurs, in any order; at least one word.
    min_count : int
        Words that occur less often are left out; 1 or more.
    path : path-like
        Replaced as a whole; its name ends in one of `FORMATS`.

    Raises
    ------
    SettingError, W2VError
        As `check_plot`.

    References
    ----------
    Zipf (1949), Human Behavior and the Principle of Least Effort.
    """
    check_plot(path)
    import numpy as np

    descending = np.sort(counts)[::-1]
    n_words = descending.size
    # Thousands of points that would lie within a pixel of each other only make the file large.
    ranks = np.unique(np.geomspace(1, n_words, 400).astype(np.int64))
    n_kept = int(np.count_nonzero(counts >= min_count))
    share = counts[counts >= min_count].sum() / counts.sum()
    caption = f"{counted(n_words, 'distinct word')}, {counted(int(counts.sum()), 'token')}"
    with _saving(path, "w2v-vocab", "How often do the words occur?", caption) as figure:
        figure.set_size_inches(7, 4.8)
        axes = figure.subplots()
        axes.set(xscale="log", yscale="log")
        axes.plot(ranks, descending[ranks - 1], color=_COLORS[0], marker=".", label="words")
        zipf = descending[0] / ranks
        shown = zipf >= 1
        axes.plot(
            ranks[shown],
            zipf[shown],
            color="0.5",
            linewidth=1,
            linestyle=":",
            label="Zipf's law: the commonest word's count / rank",
        )
        if min_count > 1:
            kept = f"leaves {counted(n_kept, 'word')}, {share:.1%} of tokens"
            axes.axhspan(
                0.8,
                min_count - 0.5,
                color=_COLORS[1],
                alpha=0.12,
                linewidth=0,
                label=f"min-count {min_count:,} {kept}",
            )
        axes.set(
            title="How often the words occur",
            xlabel="rank of the word",
            ylabel="occurrences",
            ylim=(0.8, 2 * descending[0]),
        )
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        _finish(axes)


@contextmanager
def _saving(
    path: str | os.PathLike[str], command: str, title: str, caption: str
) -> Iterator[Figure]:
    """Give an empty figure, and write it with a caption when the block ends."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The letters of an SVG stay letters; and the same report gives the same file.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": command, "font.size": 10}):
        figure = Figure(dpi=100, layout="constrained")
        yield figure
        suffix = Path(path).suffix.lower()
        if suffix != ".html":
            figure.supxlabel(caption, fontsize=8, color="0.35")
        stream = io.BytesIO()
        if suffix == ".png":
            figure.savefig(stream, format="png")
        else:
            figure.savefig(stream, format="svg", metadata={"Date": None})
    content = stream.getvalue()
    if suffix == ".html":
        svg = content.decode()
        page = _PAGE.format(
            command=command,
            title=title,
            caption=html.escape(caption),
            svg=svg[svg.index("<svg") :],
        )
        content = page.encode()
    with write_result(path) as file:
        file.write(content)


def _caption(report: Report) -> str:
    """Return the machine and settings of a benchmark."""
    machine, settings = report.machine, report.settings
    return (
        f"{machine['processor']}, threads: {settings['threads']}, dimensions: {settings['dim']}, "
        f"batches of {settings['batch_size']:,} words, {machine['date']}"
    )


def _draw_steps(axes: Axes, report: Report) -> None:
    """Draw the time of a step against V: medians, and a band from the fastest to the slowest."""
    axes.set(xscale="log", yscale="log")  # first: a linear axis warns of a single size
    lines: dict[tuple[str, bool], list[StepTiming]] = {}
    for timing in report.steps:
        lines.setdefault((timing.optimizer, timing.draw == "uniform"), []).append(timing)
    for (optimizer, uniform), timings in lines.items():
        sizes = [timing.n_words for timing in timings]
        spreads = [Spread.of(1000 * seconds for seconds in timing.seconds) for timing in timings]
        color = _COLOR_OF[optimizer]
        axes.plot(
            sizes,
            [spread.median for spread in spreads],
            color=color,
            linestyle="--" if uniform else "-",
            marker="s" if uniform else "o",
            markerfacecolor="white" if uniform else color,
            label=f"{optimizer}, rows {'drawn evenly' if uniform else 'as in text'}",
        )
        lows, highs = [spread.low for spread in spreads], [spread.high for spread in spreads]
        axes.fill_between(sizes, lows, highs, color=color, alpha=0.15, linewidth=0)
    axes.axvline(
        report.settings["n_words"], color="0.6", linewidth=1, linestyle=":", label="this text"
    )
    axes.set(
        title=f"One step, {report.steps[0].n_rows_touched:,} rows with a gradient",
        xlabel="rows of the matrix (words in the vocabulary)",
        ylabel="milliseconds per step",
    )
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:g}")
    _finish(axes)


def _draw_training(axes: Axes, report: Report) -> None:
    """Draw the loss against the seconds: every round, the one with the median loss in bold."""
    for optimizer, runs in report.training_runs().items():
        typical = _typical(runs)
        for run in runs:
            bold = run is typical
            axes.plot(
                [seconds for seconds, _ in run.curve],
                [loss for _, loss in run.curve],
                color=_COLOR_OF[optimizer],
                linewidth=2.2 if bold else 0.8,
                alpha=1 if bold else 0.4,
                label=optimizer if bold else None,
            )
    axes.set(
        title=f"Training on {report.settings['n_words']:,} words",
        xlabel="seconds",
        ylabel="loss per pair (training text)",
    )
    _finish(axes)


def _typical(runs: list[TrainingRun]) -> TrainingRun:
    """Return the run with the median loss; one that diverged counts as the worst."""
    ordered = sorted(runs, key=lambda run: float("inf") if run.loss is None else run.loss)
    return ordered[(len(ordered) - 1) // 2]


def _finish(axes: Axes) -> None:
    """Give a panel its grid and legend."""
    axes.grid(visible=True, which="major", color="0.9")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8.5, framealpha=0.9)

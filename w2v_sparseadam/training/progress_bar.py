"""Progress bars, for a terminal and for a notebook: the only module that knows tqdm."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..events import (
    Compiling,
    Event,
    Joining,
    Progressed,
    Reading,
    RoundProgressed,
    TextRead,
    TrainingDone,
    TrainingStarted,
)


def in_notebook() -> bool:
    """Tell whether the code runs in a notebook, whose output is no terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


def shown_by_default() -> bool:
    """Tell whether somebody sees a bar: in a notebook, or where stderr is a terminal."""
    try:
        return in_notebook() or sys.stderr.isatty()
    except (AttributeError, ValueError):  # stderr is None, closed, or an object that only writes
        return False


def new_bar(total: int, unit: str, description: str, details: str, leave: bool = False) -> Any:
    """Return a progress bar.

    Parameters
    ----------
    total : int
        0 stands for unknown, as of a pipe: then only the description and details are shown.
    unit : str
        What is counted.
    description, details : str
        What stands before and behind the bar; tqdm's fields, such as ``{rate_fmt}``, are filled in.
    leave : bool
        Whether the bar stays when it is closed.
    """
    bar, stream = "{percentage:3.0f}%|{bar:10}| ", None
    if in_notebook():
        bar = bar.replace(":10", "")
        try:
            import ipywidgets  # noqa: F401
            from tqdm.notebook import tqdm
        except ImportError:
            from tqdm import tqdm

            stream = sys.stdout  # a notebook shows stderr as an error
    else:
        from tqdm import tqdm
    bar = bar if total else ""
    return tqdm(
        total=total or None,
        unit=unit,
        unit_scale=True,
        desc=description,
        bar_format=f"{{desc}} {bar}{details}",
        file=stream,
        dynamic_ncols=True,
        miniters=1,
        leave=leave,
    )


class ProgressBar:
    """Shows one bar at a time for the events of a run: reading, phrases, compiling, training.

    If stderr cannot be written, as when the disk is full, it shows no more; the run goes on.
    """

    def __init__(self) -> None:
        self._bar: Any = None
        self._is_lost = sys.stderr is None and not in_notebook()
        self._kind = ""
        self._epochs = 0

    def __call__(self, event: Event) -> None:
        """Show an event, if it is one of progress."""
        if not self._is_lost:
            with self._lost_if_unwritable():
                self._tell(event)

    def _tell(self, event: Event) -> None:
        """Change the bar."""
        match event:
            case Compiling():
                details = "{n} of {total} kernels, {elapsed}" if event.total else event.kernel
                self._show(event, event.total, "", "Compiling", details)
                self._bar.n = max(0, event.number - 1)
                self._bar.refresh()  # whenever it was drawn last: the next may be seconds off
            case Reading(done, whole, tokens):
                unit, details = ("B", "{n_fmt} of {total_fmt}, {rate_fmt}")
                if not whole:
                    unit, details, done = " tokens", "{n_fmt}, {rate_fmt}", tokens
                self._show(event, whole, unit, "Reading", details)
                self._bar.update(done - self._bar.n)
            case Joining(done, whole):
                self._show(event, whole, " words", "Joining", "{rate_fmt}, {remaining} left")
                self._bar.total = whole
                self._bar.update(done - self._bar.n)
            case TrainingStarted():
                self._epochs = event.epochs
                details = "{rate_fmt}, {remaining} left{postfix}"
                self._show(event, event.tokens, " words", self._epoch(1), details, leave=True)
                self._bar.initial = self._bar.n = event.done_tokens
            case Progressed():
                self._bar.set_description_str(self._epoch(event.epoch), refresh=False)
                self._bar.set_postfix_str(
                    f"loss {event.loss:.3f}, lr {event.lr:.2g}", refresh=False
                )
                self._bar.update(event.tokens - self._bar.n)
            case RoundProgressed(number, done, whole):
                self._bar.set_postfix_str(f"round {number}, {done} of {whole} shards")
            case TextRead() | TrainingDone():
                self._finish()

    def close(self) -> None:
        """Leave the bar as it is if it is that of training, else remove it."""
        if self._bar is not None:
            with self._lost_if_unwritable():
                self._bar.close()
            self._bar = None

    @contextmanager
    def _lost_if_unwritable(self) -> Iterator[None]:
        """Give up the bars once one cannot be written."""
        try:
            yield
        except (OSError, ValueError):  # the latter of a file that is closed
            self._is_lost = True
            if self._bar is not None:
                self._bar.disable = True  # else it would be written again when it is deleted

    def _finish(self) -> None:
        """Close the bar of what is done: a notebook paints one red that is not at its end."""
        if self._bar is not None and self._bar.total:
            self._bar.update(self._bar.total - self._bar.n)
        self.close()

    def _show(
        self,
        event: Event,
        total: int,
        unit: str,
        description: str,
        details: str,
        leave: bool = False,
    ) -> None:
        """Let the bar be one for this kind of event."""
        if self._bar is None or self._kind != event.kind:
            self._finish()
            self._kind = event.kind
            self._bar = new_bar(total, unit, description, details, leave)
        else:
            self._bar.set_description_str(description)

    def _epoch(self, number: int) -> str:
        return f"Epoch {number}/{self._epochs}"

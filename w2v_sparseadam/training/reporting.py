"""What Python is told of a run: a progress bar, warnings, and the caller's own function."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

from ..errors import W2VError, W2VWarning, wrong_type
from ..events import Event, TextRead, Warned, WordsFrozen
from .progress_bar import ProgressBar, shown_by_default
from .run import check_calls

_PACKAGE = str(Path(__file__).parent.parent)


@contextmanager
def reported(
    on_event: Callable[[Event], None] | None, progress: bool | None
) -> Iterator[Callable[[Event], None]]:
    """Yield a function that shows events, warns of some, and hands all on.

    Parameters
    ----------
    on_event : callable or None
        Receives each event, and warnings with them; without it they are those of Python.
    progress : bool or None
        Whether to show a bar; None: if somebody sees it.
    """
    check_calls(on_event, None)
    if progress is not None and not isinstance(progress, bool):
        raise wrong_type("progress", "True, False or None", progress)
    show = shown_by_default() if progress is None else progress
    with closing(ProgressBar()) if show else nullcontext() as bar:

        def emit(event: Event) -> None:
            if on_event is None:
                _warn_of(event)
            else:
                on_event(event)
            if bar:
                bar(event)

        yield emit


def _warn_of(event: Event) -> None:
    """Warn of what is odd in an event, if anything is, at the line that called this package."""
    match event:
        case Warned(message, advice):
            text = str(W2VError(message, advice))
        case TextRead(min_count, report) if report.max_missed >= min_count:
            text = (
                f"words that occur up to {report.max_missed:,} times may be missing because of "
                "max_types; raise it"
            )
        case WordsFrozen(_, unknown, examples) if unknown:
            names = ", ".join(map(repr, examples))
            text = f"words to freeze that are not in the vocabulary: {unknown:,}, such as {names}"
        case _:
            return
    warnings.warn(text, W2VWarning, stacklevel=_level_of_caller())


def _level_of_caller() -> int:
    """Return how many frames lie between the function that asks and who called this package."""
    frame, level, last = sys._getframe(1), 1, 1
    while frame.f_back:
        if frame.f_code.co_filename.startswith(_PACKAGE):
            last = level
        frame, level = frame.f_back, level + 1
    return last + 1

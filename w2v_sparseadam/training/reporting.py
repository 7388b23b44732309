"""What Python is told of a run: a progress bar, warnings, and the caller's own function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, nullcontext

from ..errors import wrong_type
from ..events import Event, TextRead, Warned, WordsFrozen, warn, warn_caller
from .progress_bar import ProgressBar, shown_by_default
from .run import check_calls


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
        case Warned():
            warn(event)
        case TextRead(min_count, report) if report.max_missed >= min_count:
            warn_caller(
                f"words that occur up to {report.max_missed:,} times may be missing because of "
                "max_types; raise it"
            )
        case WordsFrozen(_, unknown, examples) if unknown:
            names = ", ".join(map(repr, examples))
            warn_caller(
                f"words to freeze that are not in the vocabulary: {unknown:,}, such as {names}"
            )

"""What the commands share: how an error, an interrupt and a word reach the terminal."""

from __future__ import annotations

import io
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click

from ..errors import W2VError


class W2VCommand(click.Command):
    """A click command that reports the library's errors in one line.

    Use it as ``@click.command(cls=W2VCommand)``. A ``W2VError`` becomes ``Error: …`` on stderr
    and exit code 1; Ctrl-C becomes exit code 130, SIGTERM 143. Any other exception is a bug and
    keeps its traceback.
    """

    left_undone = ""
    """What to add to ``Interrupted`` and ``Terminated``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function, and report what the user can mend."""
        # A word that the terminal's encoding lacks is escaped, not a UnicodeEncodeError.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            with _signals_unwind():
                return super().invoke(ctx)
        except W2VError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt as stop:
            number = stop.number if isinstance(stop, _Stopped) else signal.SIGINT
            word = "Terminated" if number == signal.SIGTERM else "Interrupted"
            click.echo(f"{word}{self.left_undone}.", err=True)
            raise click.exceptions.Exit(128 + number) from None


class _Stopped(KeyboardInterrupt):
    """A signal asked to stop.

    Not KeyboardInterrupt itself: once one has crossed an ``exec``, of which Numba has many,
    Python ends by SIGINT whatever the exit code.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the block by an exception, so that it can clean up."""
    handlers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    # Python lets only the main thread handle signals; one that is ignored stays so.
    if threading.current_thread() is not threading.main_thread():
        handlers = {}
    handlers = {n: usual for n, usual in handlers.items() if signal.getsignal(n) == usual}

    def unwind(number: int, _: object) -> NoReturn:
        for other in handlers:
            signal.signal(other, signal.SIG_IGN)  # a second Ctrl-C must not disturb cleaning up
        raise _Stopped(number)

    try:
        for number in handlers:
            signal.signal(number, unwind)
        yield
    finally:
        for number, usual in handlers.items():
            signal.signal(number, usual)


def printable(text: str) -> str:
    """Return `text` with what could drive the terminal or break the line escaped."""
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"}
        else char
        for char in text
    )


def columns(text: str) -> int:
    """Return how many terminal columns `text` fills: wide characters two, marks none."""
    return sum(
        0
        if unicodedata.category(char) in {"Mn", "Me", "Cf"}
        else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def pad(text: str, width: int) -> str:
    """Return `text` followed by spaces up to `width` terminal columns."""
    return text + " " * (width - columns(text))

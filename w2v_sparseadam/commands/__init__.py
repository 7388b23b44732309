"""What the commands share: how an error, an interrupt and a word reach the terminal."""

from __future__ import annotations

import io
import signal
import sys
import threading
import unicodedata
from typing import Any

import click

from ..errors import W2VError


class W2VCommand(click.Command):
    """A click command that reports the library's errors in one line.

    Use it as ``@click.command(cls=W2VCommand)``. A ``W2VError`` becomes ``Error: …`` on stderr
    and its exit code; Ctrl-C becomes exit code 130, SIGTERM 143. Any other exception is a bug and
    keeps its traceback. ``ctx.obj`` is the `StopSignals` in force.
    """

    left_undone = ""
    """What to add to ``Interrupted`` and ``Terminated``."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function, and report what the user can mend."""
        # A word that the terminal's encoding lacks is escaped, not a UnicodeEncodeError.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        signals = ctx.obj = StopSignals()
        try:
            with signals:
                return super().invoke(ctx)
        except BaseException as error:
            if signals.received or isinstance(error, KeyboardInterrupt):
                number = signals.received or signal.SIGINT
                word = "Terminated" if number == signal.SIGTERM else "Interrupted"
                click.echo(f"{word}{self.left_undone}.", err=True)
                raise click.exceptions.Exit(128 + number) from None
            if isinstance(error, W2VError):
                click.ClickException(str(error)).show()
                raise click.exceptions.Exit(error.exit_code) from error
            raise


class Stopped(KeyboardInterrupt):
    """A signal asked to stop.

    Not KeyboardInterrupt itself: once one has crossed an ``exec``, of which Numba has many,
    Python ends by SIGINT whatever the exit code.
    """


class StopSignals:
    """Lets Ctrl-C and SIGTERM end a ``with`` block by an exception, so that it can clean up.

    Attributes
    ----------
    received : int or None
        The signal that came, if one did: what interrupts Numba may come out of it as another
        exception, or not at all.
    deferred : bool
        Whether to wait for the next `check` instead of raising at once.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets only the main thread handle signals
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        for number, handler in usual.items():
            if signal.getsignal(number) == handler:  # one that is ignored stays so
                self._handlers[number] = handler
                signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise the exception if a signal has come and the exception was deferred or lost."""
        if self.received:
            raise Stopped

    def _stop(self, number: int, _: object) -> None:
        for handled in self._handlers:
            signal.signal(handled, signal.SIG_IGN)  # a second Ctrl-C must not disturb cleaning up
        self.received = number
        if not self.deferred:
            raise Stopped


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

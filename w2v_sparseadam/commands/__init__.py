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
            with _sigterm_unwinds():
                return super().invoke(ctx)
        except W2VError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo(f"Interrupted{self.left_undone}.", err=True)
            raise click.exceptions.Exit(128 + signal.SIGINT) from None
        except _Terminated:
            click.echo(f"Terminated{self.left_undone}.", err=True)
            raise click.exceptions.Exit(128 + signal.SIGTERM) from None


class _Terminated(BaseException):
    """SIGTERM has come; derived as KeyboardInterrupt is, so that nothing takes it for an error."""


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does: by an exception, so that files are cleaned up."""

    def unwind(*_: object) -> NoReturn:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # Python allows handlers in the main thread only
        return
    before = signal.signal(signal.SIGTERM, unwind)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


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

"""What the commands share: how an error, an interrupt and a word reach the terminal."""

from __future__ import annotations

import io
import sys
import unicodedata
from typing import Any

import click

from w2v_sparseadam.errors import W2VError


class W2VCommand(click.Command):
    """A click command that reports the library's errors in one line.

    Use it as ``@click.command(cls=W2VCommand)``. A ``W2VError`` becomes ``Error: …`` on stderr
    and exit code 1; Ctrl-C becomes exit code 130. Any other exception is a bug and keeps its
    traceback.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function, and report what the user can mend."""
        # A word that the terminal's encoding lacks is escaped, not a UnicodeEncodeError.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        try:
            return super().invoke(ctx)
        except W2VError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            click.echo("Interrupted.", err=True)
            raise click.exceptions.Exit(130) from None


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

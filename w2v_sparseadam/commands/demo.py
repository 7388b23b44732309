"""``w2v demo``: train on a small text that comes with the package, and look at the vectors."""

from __future__ import annotations

import importlib.resources
import io
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UnknownWordError
from ..system.files import check_writable
from ..training.settings import Settings
from ..training.train import train_by_settings
from ..vectors.formats.registry import format_for
from . import W2VCommand, printable
from .neighbors import answer, show
from .options import OUTPUT_FILE
from .reading import teller
from .report import TrainReport

if TYPE_CHECKING:
    from ..vectors.vectors import Vectors

_TEXT = "demo_text.txt.xz"
_WORDS = ("france", "puppy", "seven")
_ANALOGIES = (("france", "paris", "italy"), ("man", "woman", "king"), ("walk", "walked", "sing"))


@click.command(cls=W2VCommand, short_help="Train on a small text that comes with the package.")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=OUTPUT_FILE,
    help="Keep the vectors in this file.",
)
@click.pass_context
def main(ctx: click.Context, /, output: Path | None) -> None:
    """Train on a small text that comes with the package, and look at the vectors.

    The text has half a million words of simple English on countries, animals, numbers and the like.
    Afterwards, in a terminal, ask for words of your own.
    """
    if output:
        format_for(output)  # that it cannot be written so should not show after training
        check_writable(output)
    with ExitStack() as stack:
        report = TrainReport()
        stack.callback(report.close)
        source = importlib.resources.files(__package__) / _TEXT
        path = stack.enter_context(importlib.resources.as_file(source))
        model = train_by_settings(path, Settings(), on_event=teller(ctx.obj, [report]))
    ctx.obj.deferred = False
    vectors = model.vectors()
    if output:
        vectors.save(output)
    click.echo("\nWords near a word, with their cosines:\n")
    show([answer(vectors, [word], 3) for word in _WORDS])
    click.echo("\nParis is to France as what is to Italy, and the like:\n")
    show([answer(vectors, question, 1) for question in _ANALOGIES])
    if _can_ask():
        _ask(vectors)
    click.echo("\nNow with a text of your own:  w2v train YOUR.txt; w2v neighbors YOUR.vec WORD")


def _can_ask() -> bool:
    """Tell whether somebody sits at a terminal; a standard file that is closed is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def _ask(vectors: Vectors) -> None:
    """Answer questions from the terminal until an empty line or the end of the input."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # of a terminal in another encoding
    click.echo("\nYour turn: a word, or an analogy such as: man woman king. An empty line ends.")
    while words := _line().split():
        if len(words) not in (1, 3):
            click.echo("One word, or three as in: man woman king")
            continue
        try:
            show([answer(vectors, words, 5)])
        except UnknownWordError as error:
            click.echo(printable(str(error)))


def _line() -> str:
    """Return the next line of the terminal; none at its end."""
    try:
        return input("> ")
    except EOFError:
        return ""

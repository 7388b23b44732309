"""``w2v-neighbors``: print the words nearest to a word, or the answers to an analogy."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import UnknownWordError
from ..text.reading.sources import STANDARD_INPUT
from . import W2VCommand, printable, to_json, with_advice
from .options import INPUT_FILE
from .questions import METHODS, Answer, Question, Search, questions_in
from .questions import analogy as analogy_of
from .reading import ReadingReport

if TYPE_CHECKING:
    from ..vectors.vectors import Vectors

_COMPOSED = "Note: {!r:.60} has no vector of its own; it is composed of those of its n-grams."


@click.command(cls=W2VCommand, short_help="Print the words nearest to a word.")
@click.argument("vectors", type=click.Path(exists=True, readable=True, allow_dash=True))
@click.argument("words", metavar="[WORD]...", nargs=-1)
@click.option(
    "-n",
    "--number",
    metavar="N",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    help="How many words to print.",
)
@click.option(
    "--analogy",
    nargs=3,
    metavar="A B C",
    help="Answer 'A is to B as C is to what?' by the highest cosine with B - A + C.",
)
@click.option(
    "--positive",
    metavar="WORD",
    multiple=True,
    help="Add this word to a sum to which the nearest words are printed; may be repeated.",
)
@click.option(
    "--negative",
    metavar="WORD",
    multiple=True,
    help="Subtract this word from that sum; may be repeated.",
)
@click.option(
    "--method",
    type=click.Choice(METHODS),
    default=METHODS[0],
    show_default=True,
    help="Score by the cosine with a sum, or by the product of cosines (Levy & Goldberg, 2014).",
)
@click.option(
    "--among",
    metavar="FILE",
    type=INPUT_FILE,
    help="Print only words of this list, one per line.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead.")
# More than eight parameters: click passes each option.
def main(
    vectors: str,
    words: tuple[str, ...],
    number: int,
    analogy: tuple[str, str, str] | None,
    positive: tuple[str, ...],
    negative: tuple[str, ...],
    method: str,
    among: Path | None,
    as_json: bool,
) -> None:
    """Print the words whose vectors have the highest cosine with that of each WORD.

    VECTORS is a file of vectors, or the folder of a run. A WORD may also be a sum, such as 'king -
    man + woman'. Without any, lines of words are read: from a prompt with completion and history
    if this is a terminal, else from standard input. A word that has no vector is looked up in lower
    case, too; in a model with n-grams, its vector is then composed of theirs, in lower case if the
    model has no capitals.
    """
    asked = [question for word in words for question in questions_in(word)]
    asked += [analogy_of(*analogy)] if analogy else []
    if positive or negative:
        signs = "+" * len(positive) + "-" * len(negative)
        asked.append(Question(list(zip(signs, (*positive, *negative), strict=True))))
    if not asked and vectors == STANDARD_INPUT:
        raise click.UsageError(_NOTHING)

    from ..training.initialize import read_words
    from ..vectors.vectors import Vectors
    from .prompt import explore, is_possible

    listed = read_words(among) if among else None
    search = Search(Vectors.load(vectors, on_event=ReadingReport()), number, method, listed)
    if search.unknown:
        such = printable(search.unknown[0])
        click.echo(
            f"Words of --among without a vector: {len(search.unknown):,}, such as {such}.", err=True
        )
    if not asked and is_possible():
        explore(search, partial(show, as_json=as_json))
        return
    # Lines that are piped are answered as they come.
    blocks = iter([asked]) if asked else map(questions_in, sys.stdin)
    if not _answer_all(search, blocks, as_json):
        raise click.UsageError(_NOTHING)


_NOTHING = "Nothing to look up: give a WORD or --analogy A B C."


def _answer_all(search: Search, blocks: Iterable[Sequence[Question]], as_json: bool) -> int:
    """Print the answers, then what has none; return how many questions there are.

    Raises
    ------
    Exit
        If a question has no answer.
    """
    n_asked = n_shown = 0
    unknown: list[UnknownWordError] = []
    for questions in blocks:
        answers: list[Answer] = []
        for question in questions:
            try:
                answers.append(search.answer(question))
                for _, word in question.terms:
                    if search.vectors.find(word) is None:
                        told = _COMPOSED.format(search.known(word))
                        click.echo(printable(told), err=True)
            except UnknownWordError as error:
                unknown.append(error)
        if n_shown and answers and not as_json:
            click.echo()
        show(answers, as_json)
        n_asked += len(questions)
        n_shown += len(answers)
    for failure in unknown:
        click.ClickException(printable(with_advice(failure.message, failure.advice))).show()
    if unknown:
        raise click.exceptions.Exit(1)
    return n_asked


def answer(vectors: Vectors, question: Sequence[str], number: int) -> Answer:
    """Return the words nearest to a word, or the answers to an analogy of three.

    Raises
    ------
    UnknownWordError
        If a word has no vector, not even in lower case.
    """
    asked = analogy_of(*question) if len(question) == 3 else Question([("+", question[0])])
    return Search(vectors, number).answer(asked)


def show(answers: Sequence[Answer], as_json: bool = False) -> None:
    """Print the words for each question."""
    if as_json:
        for query, nearest in answers:
            neighbors = [{"word": word, "cosine": cosine} for word, cosine in nearest]
            click.echo(to_json({"query": query, "neighbors": neighbors}))
        return
    import wcwidth

    shown = [printable(word) for _, nearest in answers for word, _ in nearest]
    width = max(map(wcwidth.width, shown), default=0)
    for place, (query, nearest) in enumerate(answers):
        if place:
            click.echo()
        click.echo(printable(query))
        for word, cosine in nearest:
            click.echo(f"  {wcwidth.ljust(printable(word), width)}  {cosine:7.4f}")


if __name__ == "__main__":
    main()

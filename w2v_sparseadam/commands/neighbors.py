"""``w2v-neighbors``: print the words nearest to a word, or the answers to an analogy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from . import W2VCommand, printable, to_json, with_advice
from .reading import ReadingReport

if TYPE_CHECKING:
    from ..vectors.vectors import Vectors

Answer = tuple[str, list[tuple[str, float]]]
"""A question, and words with their cosines."""


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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line instead.")
def main(
    vectors: str,
    words: tuple[str, ...],
    number: int,
    analogy: tuple[str, str, str] | None,
    as_json: bool,
) -> None:
    """Print the words whose vectors have the highest cosine with that of each WORD.

    VECTORS is a word2vec file, text or binary, or the folder of a run. Give words, an --analogy, or
    both. A word that has no vector is looked up in lower case, too.
    """
    if not words and not analogy:
        raise click.UsageError("Nothing to look up: give a WORD or --analogy A B C.")

    from ..errors import UnknownWordError
    from ..vectors.vectors import Vectors

    loaded = Vectors.load(vectors, on_event=ReadingReport())
    answers: list[Answer] = []
    unknown: list[UnknownWordError] = []
    for question in (*((word,) for word in words), *([analogy] if analogy else [])):
        try:
            answers.append(answer(loaded, question, number))
        except UnknownWordError as error:
            unknown.append(error)

    show(answers, as_json)
    for failure in unknown:
        click.ClickException(printable(with_advice(failure.message, failure.advice))).show()
    if unknown:
        raise click.exceptions.Exit(1)


def answer(vectors: Vectors, question: Sequence[str], number: int) -> Answer:
    """Return the words nearest to a word, or the answers to an analogy of three.

    Raises
    ------
    UnknownWordError
        If a word has no vector, not even in lower case.
    """
    known = [vectors.find(word) or word for word in question]
    if len(known) == 1:
        return known[0], vectors.most_similar(known[0], number)
    a, b, c = known
    return f"{a} : {b} = {c} : ?", vectors.analogy(a, b, c, number)


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

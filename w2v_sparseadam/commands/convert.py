"""``w2v-convert``: from one format of vectors to another."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import counted
from ..system.paths import is_standard_output
from ..vectors.formats.registry import FORMATS, format_for, second_file
from . import W2VCommand, check_distinct, printable
from .reading import ReadingReport

_READ = [each.name for each in reversed(FORMATS)]
_WRITTEN = [each.name for each in reversed(FORMATS) if each.endings]


class _ConvertCommand(W2VCommand):
    left_undone = "; no vectors were written"

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the formats."""
        with formatter.section("Formats, and the endings of OUT"):
            formatter.write_dl(
                [
                    (each.name, f"{each.title} ({_endings(each.endings)})")
                    for each in reversed(FORMATS)
                ]
            )


def _endings(endings: tuple[str, ...]) -> str:
    return ", ".join(ending or "none" for ending in endings) or "only read"


def _second_files(source: str) -> list[Path]:
    """Return where the words are of vectors that are kept in a pair of files."""
    return [
        second_file(source, each.second)
        for each in FORMATS
        if each.second and source.lower().endswith(each.endings)
    ]


@click.command(cls=_ConvertCommand, short_help="Convert vectors to another format.")
@click.argument(
    "source", metavar="IN", type=click.Path(exists=True, readable=True, allow_dash=True)
)
@click.argument("output", metavar="OUT", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--from",
    "source_format",
    metavar="FORMAT",
    type=click.Choice(_READ),
    help="Format of IN, if its content does not tell.",
)
@click.option(
    "--to",
    "target_format",
    metavar="FORMAT",
    type=click.Choice(_WRITTEN),
    help="Format of OUT, if its ending does not tell.",
)
@click.option(
    "--drop-unusable",
    is_flag=True,
    help="Leave out words that are empty, contain white space or occur twice, instead of "
    "refusing the file.",
)
def main(
    source: str,
    output: Path,
    source_format: str | None,
    target_format: str | None,
    drop_unusable: bool,
) -> None:
    """Convert the vectors in IN to another format, and write them to OUT.

    IN is a file, - for standard input, or a folder: a run, or a static model. Its format is
    detected from its content. OUT is a file or folder whose ending names the format; - is standard
    output.

    \b
    w2v-convert glove.6B.300d.txt glove.bin
    w2v-convert runs/news news.safetensors
    w2v-convert news.vec news.model2vec
    """
    read = {"the source": [Path(source)], "a file of the source": _second_files(source)}
    check_distinct(read, {"OUT": output})
    second = format_for(output, target_format).second
    if second and output.name:  # "/" has none
        check_distinct(read, {"OUT": second_file(output, second)})
    from ..vectors.convert import convert

    done = convert(
        source,
        output,
        source_format=source_format,
        target_format=target_format,
        drop_unusable=drop_unusable,
        on_event=ReadingReport(),
    )
    counts = ", with counts" if done.has_counts else ""
    told = f"{counted(done.n_words, 'word')} of {counted(done.dim, 'dimension')}{counts}"
    name = "standard output" if is_standard_output(output) else printable(str(output))
    click.echo(f"Wrote {told} to {name}.", err=True)


if __name__ == "__main__":
    main()

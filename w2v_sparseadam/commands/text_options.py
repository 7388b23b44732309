"""The options of every command that reads text, and a help page that lists options in sections."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..text.reading.sources import Source, find_sources
from ..text.settings import (
    DIGITS,
    FORMATS,
    NORMAL_FORMS,
    ON_BAD_BYTES,
    START_THRESHOLD,
    PhraseConfig,
    TextConfig,
)
from . import W2VCommand, check_distinct


class SectionedCommand(W2VCommand):
    """Lists the options in sections, in the order in which they are declared."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, before which NumPy is not imported."""
        # Reading and training leave BLAS nothing to do, but it would start a thread for each
        # processor of the machine, and complain in lines of its own where it may not.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        return super().invoke(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections of the help page."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            if isinstance(param, click.Option) and (record := param.get_help_record(ctx)):
                section = param.section if isinstance(param, SectionOption) else "Other"
                sections.setdefault(section, []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


class SectionOption(click.Option):
    """An option that knows its section of the help page."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def setting(
    section: str, config: type, flag: str, field: str | None = None, **attributes: Any
) -> Callable[[Any], Any]:
    """Return an option for a field of a config, with the same default.

    Parameters
    ----------
    section : str
        Where the help page lists it.
    config : type
        A dataclass.
    flag : str
        Such as ``--min-count`` or ``--lowercase/--no-lowercase``.
    field : str, optional
        The field of the config; by default the one that has the flag's name.
    **attributes
        Passed on to `click.option`.

    Returns
    -------
    callable
        A decorator for the function of a command.
    """
    name = field or flag.split("/")[0].strip().removeprefix("--").replace("-", "_")
    attributes = {"show_default": True, "default": getattr(config, name), **attributes}
    return click.option(flag, cls=SectionOption, section=section, **attributes)


corpus_argument = partial(
    click.argument, "corpus", metavar="CORPUS...", nargs=-1, required=True, type=click.Path()
)

INPUT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
_text = partial(setting, "Text", TextConfig)
_phrases = partial(setting, "Phrases", PhraseConfig)
_PHRASE_SETTINGS = ("phrase_score", "phrase_threshold", "phrase_min_count", "phrases_out")
_THRESHOLDS = ", ".join(f"{score} {least:g}" for score, least in START_THRESHOLD.items())

_OPTIONS = [
    _text(
        "--tokenizer",
        metavar="NAME",
        help="'word' for prose; 'whitespace' for text that is tokenized already; 'char'; "
        "'regex:PATTERN'; 'python:MODULE:FUNCTION' for one of your own, or "
        "'python-lines:MODULE:FUNCTION' if it needs whole lines.",
    ),
    _text(
        "--lowercase/--no-lowercase",
        show_default="with 'word' only",
        help="Lower-case the text.",
    ),
    _text(
        "--normalize",
        type=click.Choice(NORMAL_FORMS),
        show_default="nfc with 'word', else none",
        help="Bring the text into a normal form of Unicode.",
    ),
    _text(
        "--digits",
        type=click.Choice(DIGITS),
        help="Keep digits, make each a 0, or drop words that have digits and no letters.",
    ),
    _text(
        "--stopwords",
        metavar="FILE",
        type=INPUT_FILE,
        help="Drop the words of this file, one a line.",
    ),
    _text(
        "--vocab",
        metavar="FILE",
        type=INPUT_FILE,
        help="Keep only the words of this file, one a line; a count may follow.",
    ),
    _text(
        "--min-count",
        metavar="N",
        type=click.IntRange(1),
        help="Leave out words that occur less often.",
    ),
    _text(
        "--max-vocab",
        metavar="N",
        type=click.IntRange(1),
        show_default="all",
        help="Keep only this many words, the most frequent.",
    ),
    _text(
        "--max-types",
        metavar="N",
        type=click.IntRange(1),
        show_default="a quarter of the memory",
        help="Hold at most this many distinct runs of characters; then forget the rarest.",
    ),
    _text(
        "--max-token-bytes",
        metavar="N",
        type=click.IntRange(1),
        help="Drop longer runs of characters between white space.",
    ),
    _text(
        "--errors",
        type=click.Choice(ON_BAD_BYTES),
        help="On bytes that are not text in the encoding: stop, put U+FFFD, or drop them.",
    ),
    _text("--encoding", metavar="NAME", help="Encoding of the text, of those that Python has."),
    _text(
        "--format",
        type=click.Choice(FORMATS),
        help="Text as it is, or a field of JSON Lines, CSV, tab-separated values or Parquet.",
    ),
    _text(
        "--field",
        metavar="NAME",
        show_default="text, unless --format lines",
        help="The field to read.",
    ),
    _phrases(
        "--phrases",
        "passes",
        metavar="N",
        type=click.IntRange(0),
        default=0,
        help="Join neighbours such as new_york, in N passes.",
    ),
    _phrases(
        "--phrase-score",
        "score",
        type=click.Choice(list(START_THRESHOLD)),
        help="How much more often than by chance words are neighbours.",
    ),
    _phrases(
        "--phrase-threshold",
        "threshold",
        metavar="X",
        type=float,
        show_default=_THRESHOLDS,
        help="Join neighbours with a higher score.",
    ),
    _phrases(
        "--phrase-min-count",
        "min_count",
        metavar="N",
        type=click.IntRange(1),
        show_default="5, or --min-count if more",
        help="Join neighbours that occur together so often at least.",
    ),
    click.option(
        "--phrases-out",
        cls=SectionOption,
        section="Phrases",
        metavar="FILE",
        type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
        help="Write the phrases with their counts and scores.",
    ),
]


def text_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say how text becomes words."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def text_config(ctx: click.Context) -> TextConfig:
    """Return what the options of a command with `text_options` say."""
    settings = ctx.params
    if settings["format"] == "lines" and settings["field"] is not None:
        raise click.UsageError(
            "--field needs records to take it from; give their --format, such as jsonl"
        )
    if not settings["phrases"]:
        for name in _PHRASE_SETTINGS:
            if given(ctx, name):
                flag = name.replace("_", "-")
                raise click.UsageError(f"--{flag} says how phrases are joined; add --phrases 1")
        phrases = None
    else:
        phrases = PhraseConfig(
            passes=settings["phrases"],
            score=settings["phrase_score"],
            threshold=settings["phrase_threshold"],
            min_count=settings["phrase_min_count"],
        )
    names = {field.name for field in fields(TextConfig)} - {"phrases"}
    return TextConfig(**{name: settings[name] for name in names}, phrases=phrases)


def checked_sources(
    ctx: click.Context, outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None] = {}
) -> list[Source]:
    """Return what the corpus argument stands for, once no output proves to be read as well.

    ``outputs`` are the files that are written, if at all, under the options that name them, and
    ``inputs`` what is read beside the text, by what it is.
    """
    settings = ctx.params
    for path in settings["corpus"]:
        if path.endswith((".vec", ".bin")) and not os.path.lexists(path):
            raise click.UsageError(f"{path}: no such file; name the file to write with -o")
    sources = find_sources(settings["corpus"])
    read = {kind: [path] for kind, path in inputs.items() if path}
    read["a corpus file"] = [Path(source.path) for source in sources]
    read["a word list"] = [path for path in (settings["stopwords"], settings["vocab"]) if path]
    check_distinct(read, outputs)
    return sources


def given(ctx: click.Context, name: str) -> bool:
    """Tell whether the user gave a parameter."""
    return ctx.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)

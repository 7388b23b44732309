"""The options of every command that reads text, and what they ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from ..text.reading.sources import Source
from ..text.settings import (
    DIGITS,
    FORMATS,
    NORMAL_FORMS,
    ON_BAD_BYTES,
    START_THRESHOLD,
    PhraseConfig,
    TextConfig,
)
from . import check_distinct
from .options import INPUT_FILE, OUTPUT_FILE, all_of, config_of, flag_of, given, in_section, setting

_text = partial(setting, "Text", TextConfig)
_phrases = partial(setting, "Phrases", PhraseConfig)
_PHRASE_SETTINGS = ("phrase_score", "phrase_threshold", "phrase_min_count", "phrases_out")
_THRESHOLDS = ", ".join(f"{score} {least:g}" for score, least in START_THRESHOLD.items())

text_options = all_of(
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
        help="Drop the words of this file, one per line.",
    ),
    _text(
        "--vocab",
        metavar="FILE",
        type=INPUT_FILE,
        help="Keep only the words of this file, one per line; a count may follow.",
    ),
    _text(
        "--min-count",
        type=click.IntRange(1),
        help="Leave out words that occur less often.",
    ),
    _text(
        "--max-vocab",
        type=click.IntRange(1),
        show_default="all",
        help="Keep only this many words, the most frequent.",
    ),
    _text(
        "--max-types",
        type=click.IntRange(1),
        show_default="a quarter of the memory",
        help="Hold at most this many distinct strings between white space in memory; "
        "beyond that, forget the rarest.",
    ),
    _text(
        "--max-token-bytes",
        type=click.IntRange(1),
        help="Drop longer strings between white space.",
    ),
    _text(
        "--errors",
        type=click.Choice(ON_BAD_BYTES),
        help="On bytes that are invalid in the encoding: stop, put U+FFFD, or drop them.",
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
        type=click.IntRange(0),
        default=0,
        help="Join neighbours such as new_york, in N passes.",
    ),
    _phrases(
        "--phrase-score",
        "score",
        type=click.Choice(list(START_THRESHOLD)),
        help="Measure of how much more often than by chance words are neighbours.",
    ),
    _phrases(
        "--phrase-threshold",
        "threshold",
        type=float,
        show_default=_THRESHOLDS,
        help="Join neighbours with a higher score.",
    ),
    _phrases(
        "--phrase-min-count",
        "min_count",
        type=click.IntRange(1),
        show_default="5, or --min-count if more",
        help="Join neighbours that occur together at least this often.",
    ),
    in_section("Phrases")(
        "--phrases-out",
        metavar="FILE",
        type=OUTPUT_FILE,
        help="Write the phrases with their counts and scores.",
    ),
)
"""Gives a command the options that say how text becomes words."""


def text_config(ctx: click.Context) -> TextConfig:
    """Return what the options of a command with `text_options` say."""
    settings = ctx.params
    if settings["format"] == "lines" and settings["field"] is not None:
        raise click.UsageError(
            "--field applies to records only; give their --format, such as jsonl"
        )
    if not settings["phrases"]:
        for name in _PHRASE_SETTINGS:
            if given(ctx, name):
                flag = flag_of(ctx, name)
                raise click.UsageError(f"{flag} has no effect without phrases; add --phrases 1")
        phrases = None
    else:
        phrases = PhraseConfig(
            passes=settings["phrases"],
            score=settings["phrase_score"],
            threshold=settings["phrase_threshold"],
            min_count=settings["phrase_min_count"],
        )
    return config_of(TextConfig, {**settings, "phrases": phrases})


def checked_sources(
    ctx: click.Context,
    config: TextConfig,
    outputs: Mapping[str, Path | None],
    inputs: Mapping[str, Path | None] = {},
) -> list[Source]:
    """Return the sources of the corpus argument, once all prove to be text and none is an output.

    ``outputs`` are the files that are written, if at all, by the options that name them, and
    ``inputs`` those that are read beside the text, by what they are.
    """
    from ..text.reading.reader import check_sources

    settings = ctx.params
    for path in settings["corpus"]:
        if path.endswith((".vec", ".bin")) and not os.path.lexists(path):
            raise click.UsageError(f"{path}: no such file; name the file to write with -o")
    sources = check_sources(settings["corpus"], config)
    read = {kind: [path] for kind, path in inputs.items() if path}
    read["a corpus file"] = [Path(source.path) for source in sources]
    read["a word list"] = [path for path in (settings["stopwords"], settings["vocab"]) if path]
    check_distinct(read, outputs)
    return sources

"""The options of every command that reads text, and what they ask for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click

from ..text.reading.sources import Source
from ..text.settings import PhraseConfig, TextConfig
from ..vectors.formats.registry import is_named_as_vectors
from . import check_distinct
from .options import OUTPUT_FILE, all_of, given, in_section, options_of, settings_given

text_options = all_of(
    options_of(TextConfig),
    options_of(PhraseConfig),
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
    return checked_text(ctx, settings_given(ctx).text)


def checked_text(ctx: click.Context, config: TextConfig) -> TextConfig:
    """Return a config unless the phrases that it does not join are to be written."""
    if config.phrases is None and given(ctx, "phrases_out"):
        raise click.UsageError("--phrases-out has no effect without phrases; add --phrases 1")
    return config


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
        if is_named_as_vectors(path) and not os.path.lexists(path):
            raise click.UsageError(f"{path}: no such file; name the file to write with -o")
    sources = check_sources(settings["corpus"], config)
    read: dict[str, list[str | Path]] = {kind: [path] for kind, path in inputs.items() if path}
    read["a corpus file"] = [source.path for source in sources]
    read["a word list"] = [path for path in (settings["stopwords"], settings["vocab"]) if path]
    check_distinct(read, outputs)
    return sources

"""Options that know their section of the help page, and those that set a field of a config."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from . import W2VCommand

Decorator = Callable[[Any], Any]
"""What gives the function of a command an option."""

_Config = TypeVar("_Config")

INPUT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
OUTPUT_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

corpus_argument = partial(
    click.argument, "corpus", metavar="CORPUS...", nargs=-1, required=True, type=click.Path()
)


class SectionedCommand(W2VCommand):
    """Lists the options in sections, in the order in which they are declared."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; NumPy is not imported before."""
        # Reading and training leave BLAS nothing to do, but it would start a thread for each
        # processor of the machine, and print errors of its own where it may not.
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
    """An option that knows its section of the help page, and calls numbers N or X there."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        kind = kwargs.get("type")
        if isinstance(kind, click.IntRange):
            kwargs.setdefault("metavar", "N")
        elif isinstance(kind, click.FloatRange) or kind is float:
            kwargs.setdefault("metavar", "X")
        super().__init__(*args, **kwargs)
        self.section = section


def in_section(section: str) -> Callable[..., Decorator]:
    """Return `click.option` for the options of a section."""
    return partial(click.option, cls=SectionOption, section=section)


def setting(
    section: str, config: type, flag: str, field: str | None = None, **attributes: Any
) -> Decorator:
    """Return an option for a field of a config, with the same default.

    Parameters
    ----------
    section : str
        The section of the help page that lists it.
    config : type
        A dataclass.
    flag : str
        Such as ``--min-count`` or ``--lowercase/--no-lowercase``.
    field : str, optional
        The field of the config; by default the one with the flag's name.
    **attributes
        Passed on to `click.option`.

    Returns
    -------
    callable
        A decorator for the function of a command.
    """
    name = field or flag.split("/")[0].strip().removeprefix("--").replace("-", "_")
    attributes = {"show_default": True, "default": getattr(config, name), **attributes}
    return in_section(section)(flag, **attributes)


def config_of(kind: type[_Config], settings: Mapping[str, Any]) -> _Config:
    """Return the config whose fields options have set; one without an option has its default."""
    names = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: settings[name] for name in names & settings.keys()})


def all_of(*options: Decorator) -> Decorator:
    """Return a decorator that gives a command several options, in this order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def given(ctx: click.Context, name: str) -> bool:
    """Tell whether the user gave a parameter."""
    return ctx.get_parameter_source(name) not in (None, ParameterSource.DEFAULT)


def flag_of(ctx: click.Context, name: str) -> str:
    """Return the option that sets a parameter, such as ``--min-count``."""
    return next(param.opts[0] for param in ctx.command.params if param.name == name)

"""Options that know their section of the help page, and those that are made of settings."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from ..errors import SettingError
from ..fields import Setting
from ..training.keywords import KEYWORDS, settings_from
from ..training.settings import Settings
from . import W2VCommand, in_options

Decorator = Callable[[Any], Any]
"""What gives the function of a command an option."""

INPUT_FILE = click.Path(path_type=Path, exists=True, dir_okay=False, readable=True)
DATASET = click.Path(path_type=Path, exists=True, readable=True)
OUTPUT_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)

corpus_argument = partial(
    click.argument, "corpus", metavar="CORPUS...", nargs=-1, required=True, type=click.Path()
)


class SectionedCommand(W2VCommand):
    """Lists the options in sections, in the order in which they are declared.

    If some are common, ``--help`` shows those alone, and ``--help-all`` all of them.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; NumPy is not imported before."""
        # Reading and training leave BLAS nothing to do, but it would start a thread for each
        # processor of the machine, and print errors of its own where it may not.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
        return super().invoke(ctx)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the parameters, with ``--help-all`` if help is short without it."""
        params = super().get_params(ctx)
        if any(_is_common(param) for param in params):
            everything = click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                help="Show all options and exit.",
                callback=_show_all,
            )
            params.insert(-1, everything)
        return params

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options that people use first, or the sections with all."""
        params = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        is_short = any(map(_is_common, params)) and not ctx.meta.get(_ALL)
        sections: dict[str, list[tuple[str, str]]] = {}
        for param in params:
            if not (record := param.get_help_record(ctx)):
                continue
            if not isinstance(param, SectionOption):
                sections.setdefault("Other", []).append(record)
            elif not is_short:
                sections.setdefault(param.section, []).append(record)
            elif param.common:
                sections.setdefault("Common options", []).append(record)
        for section, records in sections.items():
            with formatter.section(section):
                formatter.write_dl(records)


_ALL = "w2v_sparseadam.help_all"


def _is_common(param: click.Parameter) -> bool:
    return isinstance(param, SectionOption) and param.common


def _show_all(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:
    """Print the help page with all options."""
    if is_given and not ctx.resilient_parsing:
        ctx.meta[_ALL] = True
        click.echo(ctx.get_help())
        ctx.exit()


class SectionOption(click.Option):
    """An option that knows its place on the help page, and calls numbers N or X there."""

    def __init__(self, *args: Any, section: str, common: bool = False, **kwargs: Any) -> None:
        kind = kwargs.get("type")
        if isinstance(kind, click.IntRange):
            kwargs.setdefault("metavar", "N")
        elif isinstance(kind, click.FloatRange) or kind is float:
            kwargs.setdefault("metavar", "X")
        super().__init__(*args, **kwargs)
        self.section = section
        self.common = common


def in_section(section: str) -> Callable[..., Decorator]:
    """Return `click.option` for the options of a section."""
    return partial(click.option, cls=SectionOption, section=section)


def option_of(name: str, section: str = "", **attributes: Any) -> Decorator:
    """Return the option for a setting, made of what its field knows.

    Parameters
    ----------
    name : str
        One of `KEYWORDS`.
    section : str, optional
        The section of the help page that lists it; by default that of its class.
    **attributes
        For `click.option`, instead of those that the field gives.

    Returns
    -------
    callable
        A decorator for the function of a command.
    """
    keyword = KEYWORDS[name]
    known = keyword.setting.for_help()
    attributes = {
        "type": _type_of(known),
        "default": keyword.default,
        "show_default": known.default_help or True,
        **({"metavar": known.metavar} if known.metavar else {}),
        "help": known.help,
        "common": known.common,
        **attributes,
    }
    flag = known.flag or option_name(name)
    return in_section(section or keyword.config.section)(flag, name, **attributes)


def option_name(name: str) -> str:
    """Return the option for a parameter."""
    return f"--{name.replace('_', '-')}"


def _type_of(known: Setting) -> Any:
    """Return the type of the option for a setting."""
    if known.kind is bool:
        return None
    if known.choices:
        return click.Choice(known.choices)
    if known.kind is os.PathLike:
        return INPUT_FILE
    if known.kind is int:
        low: Any = known.low
        high: Any = known.high
        return click.IntRange(low, high)
    if known.kind is float and known.is_bounded:
        return click.FloatRange(
            known.low if known.above is None else known.above,
            known.high if known.below is None else known.below,
            min_open=known.above is not None,
            max_open=known.below is not None,
        )
    return known.kind


def options_of(config: type) -> Decorator:
    """Return a decorator that gives a command the options of a settings class."""
    return all_of(*(option_of(name) for name, key in KEYWORDS.items() if key.config is config))


def settings_given(ctx: click.Context, **chosen: Any) -> Settings:
    """Return the settings that the options of a command ask for, some of them ``chosen`` here.

    Raises
    ------
    click.UsageError
        If they contradict each other, or one is out of range.
    """
    asked = {name: ctx.params[name] for name in KEYWORDS if given(ctx, name)}
    try:
        return settings_from({**asked, **chosen})
    except SettingError as error:
        raise click.UsageError(in_options(error)) from None


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

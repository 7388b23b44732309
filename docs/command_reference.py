"""Write the reference of the commands from the commands themselves, for Sphinx.

The directive ``commands`` stands for all of them, with every option.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib.metadata import distribution
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sphinx.application import Sphinx

_VERBATIM = "\b\n"


def commands() -> dict[str, click.Command]:
    """Return the installed commands by name, and those that a group has beside them."""
    found: dict[str, click.Command] = {}
    scripts = distribution("w2v-sparseadam").entry_points.select(group="console_scripts")
    for script in sorted(scripts, key=lambda script: script.name != "w2v-train"):
        found[script.name] = script.load()
    for name, group in list(found.items()):
        if isinstance(group, click.Group):
            context = click.Context(group, info_name=name, **group.context_settings)
            for part in group.list_commands(context):
                command = group.get_command(context, part)
                if command and all(command is not other for other in found.values()):
                    found[f"{name} {part}"] = command
    return found


def lines_of(name: str, command: click.Command) -> Iterator[str]:
    """Yield the reference of a command, in reStructuredText."""
    context = click.Context(command, info_name=name, **command.context_settings)
    yield from (name, "-" * len(name), "")
    yield from ("::", "", f"    {' '.join([name, *command.collect_usage_pieces(context)])}", "")
    for paragraph in (inspect.cleandoc(command.help or "")).split("\n\n"):
        if paragraph.startswith(_VERBATIM):  # click's mark: the lines stay as they are
            yield from ("::", "", *_indented(paragraph.removeprefix(_VERBATIM)), "")
        else:
            yield from (_text(paragraph), "")
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            subcommand = command.get_command(context, part)
            if subcommand:
                yield f"- ``{name} {part}``: {_text(subcommand.get_short_help_str(200))}"
        yield ""
    yield from (f".. program:: {name}", "")
    section = None
    for option in command.get_params(context):
        if isinstance(option, click.Option):
            here = getattr(option, "section", None)
            if here and here != section:
                yield from (f".. rubric:: {here}", "")
                section = here
            yield from _option_lines(option, context)


def _option_lines(option: click.Option, context: click.Context) -> Iterator[str]:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    names = [*option.opts, *option.secondary_opts]
    yield f".. option:: {', '.join(f'{name}{value}' for name in names)}"
    yield from ("", f"    {_text(option.help or '')}")
    extra = option.get_help_extra(context)
    default, limits = extra.get("default"), extra.get("range")
    facts = [f"default: {default.strip('()')}"] if default else []
    facts += [limits] if limits else []
    if facts:
        yield f"    [{_text('; '.join(facts))}]"
    yield ""


def _text(paragraph: str) -> str:
    """Return a paragraph as one line, with its options as code."""
    line = re.sub(r"([\\*`|_])", r"\\\1", " ".join(paragraph.split()))
    return re.sub(r"(?<![\w-])(--?[a-z][a-z-]*)", r"``\1``", line)


def _indented(text: str) -> list[str]:
    return [f"    {line}" for line in text.splitlines()]


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive."""
    from docutils import nodes
    from docutils.statemachine import StringList
    from sphinx.util.docutils import SphinxDirective
    from sphinx.util.nodes import nested_parse_with_titles

    class Commands(SphinxDirective):
        def run(self) -> list[Any]:
            lines = [line for item in commands().items() for line in lines_of(*item)]
            source = StringList(lines, source="the commands")
            section = nodes.section()
            section.document = self.state.document
            nested_parse_with_titles(self.state, source, section)
            return section.children

    app.add_directive("commands", Commands)
    return {"parallel_read_safe": True}

"""``w2v``: all commands as subcommands of one."""

from __future__ import annotations

import difflib
import importlib
import os

import click

from . import Guarded

_COMMANDS = ("demo", "train", "neighbors", "eval", "report", "convert", "vocab", "bench")

_MODULES = {"report": "html_report"}  # `report` shows events


class _Group(Guarded, click.Group):
    """Imports a subcommand when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, those that people need first at the top."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return a subcommand, the function of the module with its name."""
        if name not in _COMMANDS:
            return None
        module = _MODULES.get(name, name)
        return importlib.import_module(f".{module}", __package__).main

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Say which subcommand was probably meant by one that does not exist."""
        name = args[0]
        if name not in _COMMANDS and not name.startswith("-"):
            near = difflib.get_close_matches(name, _COMMANDS, n=1)
            advice = f"did you mean '{ctx.command_path} {near[0]}'?" if near else ""
            if os.path.exists(name):
                advice = f"to train on this file: {ctx.command_path} train {name}"
            known = f"the commands are {', '.join(_COMMANDS)}"
            raise click.UsageError(f"No such command '{name}'; {advice or known}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Group)
def main() -> None:
    """Train word vectors on text, look at them, and measure them.

    All commands except demo also exist as w2v-train, w2v-neighbors and so on.

    \b
    w2v demo
    w2v train corpus.txt
    w2v neighbors corpus.vec river
    """


if __name__ == "__main__":
    main()

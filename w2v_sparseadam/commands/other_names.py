"""Options as other tools spell them: what to type here instead."""

from __future__ import annotations

from collections.abc import Sequence

import click

from ..training.keywords import OTHER_NAMES, advice_on

_OF_COMMANDS = {
    "input": "the text is the argument CORPUS, without an option",
    "train": "the text is the argument CORPUS, without an option",
    "corpus": "the text is the argument CORPUS, without an option",
    "binary": "name the output FILE.bin",
    "save_vocab": "use w2v-vocab CORPUS -o FILE",
    "read_vocab": "use --vocab FILE",
    "verbose": "progress is shown unless --quiet is given",
    "debug": "progress is shown unless --quiet is given",
    "save": "use -o FILE",
}
"""What word2vec.c, gensim and fastText call options that are no settings."""


def check_names(ctx: click.Context, args: Sequence[str]) -> None:
    """Refuse an option that another tool has, or that has one dash too few.

    Without this, ``-output v.txt`` would be taken apart into ``-o utput`` and a file ``v.txt``.

    Raises
    ------
    click.UsageError
        Says what to type instead.
    """
    options = {
        flag: param
        for param in ctx.command.get_params(ctx)
        if isinstance(param, click.Option)
        for flag in [*param.opts, *param.secondary_opts]
    }
    is_value = False
    for arg in args:
        if arg == "--":
            return
        if is_value:
            is_value = False
            continue
        flag = arg.partition("=")[0]
        if flag in options:
            param = options[flag]
            is_value = "=" not in arg and not param.is_flag and param.nargs == 1
        elif advice := _advice(flag, set(options)):
            raise click.UsageError(f"No such option '{flag}'; {advice}.", ctx)


def _advice(flag: str, known: set[str]) -> str:
    """Return what to use instead of an option of another tool; empty for anything else."""
    name = flag.lstrip("-").replace("_", "-")
    if not flag.startswith("-") or len(name) < 2:
        return ""
    if f"--{name}" in known:
        return f"use --{name}"
    if name == "topn" and "--number" in known:
        return "use --number"
    if "--dim" not in known:
        return ""
    plain = name.replace("-", "_").lower()
    if plain in _OF_COMMANDS:
        return _OF_COMMANDS[plain]
    if plain in OTHER_NAMES:
        advice = advice_on(plain)
        other = OTHER_NAMES[plain].replace("_", "-")
        return advice.replace(f"`{OTHER_NAMES[plain]}`", f"--{other}") if other else advice
    return ""

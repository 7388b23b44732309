"""What ``w2v-train`` checks before it resumes a run or writes near its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from ..objectives.registry import OBJECTIVES, model_of
from ..text.settings import kept_list
from ..training.settings import Settings, epochs_of
from . import printable
from .options import given

_CONFIGS = ("text", *OBJECTIVES, "optimizer", "run", "sharding")
_MAY_CHANGE = {
    "resume_dir",
    "add",
    "trust",
    "threads",
    "cluster",
    "workers",
    "checkpoint_every",
    "no_lock",
    "output",
    "vectors",
    "log",
    "report",
    "quiet",
    "eval",
    "keep_best",
    "patience",
}


class MoreEpochs(int):
    """Epochs to add to a run, as in ``--epochs +2``."""

    sign = "+"


class TotalEpochs(int):
    """Epochs that a run must have in total, as in ``--epochs =5``."""

    sign = "="


class Epochs(click.IntRange):
    """A number of epochs: ``N``, ``+N`` for N more, or ``=N`` for N in total."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``3``, ``+2`` or ``=5``."""
        text: Any = str(value)
        number = super().convert(text.removeprefix("="), param, ctx)  # int() takes a plus sign
        if text.startswith("="):
            return TotalEpochs(number)
        return MoreEpochs(number) if text.startswith("+") else number


def check_resumable(
    ctx: click.Context, run_dir: Path, kept: Mapping[str, Any], options: Mapping[str, Any]
) -> None:
    """Refuse options that contradict the settings of a run.

    Parameters
    ----------
    kept : mapping
        The settings in the folder.
    options : mapping
        The options of the command, with their defaults.
    """
    from ..runs.sealed_json import plain

    Settings.read(kept, run_dir)  # so that every field is there
    fields = {name: value for config in _CONFIGS for name, value in kept.get(config, {}).items()}
    fields.pop("phrases", None)  # whose fields are options of their own
    fields["model"] = next(model_of(name) for name in OBJECTIVES if name in kept)
    if fields["epochs"] is not None:  # else it depends on the text, not yet read
        fields["epochs"] = kept["first_epoch"] + sum(epochs_of(kept))
    flags = {param.name: param.opts[0] for param in ctx.command.params if param.name}
    for name, flag in flags.items():
        if not given(ctx, name) or name in _MAY_CHANGE:
            continue
        field = "optimizer" if name == "dense_adam" else name
        if field == "corpus":
            raise click.UsageError(
                f"--resume needs no CORPUS: the text is kept in {run_dir}; leave "
                f"'{options[field][0]}' out"
            )
        if field not in fields:
            raise click.UsageError(f"{flag} cannot be given with --resume; leave it out")
        value = kept_list(options[field]) if field in {"stopwords", "vocab"} else options[field]
        if isinstance(value, MoreEpochs) or plain(value) == fields[field]:
            continue
        if isinstance(value, TotalEpochs) and (fields[field] is None or value > fields[field]):
            continue
        advice = "add some with --epochs +N, or " if field == "epochs" else ""
        sign = value.sign if isinstance(value, TotalEpochs) else ""
        raise click.UsageError(
            f"{flag} is {sign}{options[field]}, but the run in {run_dir} has "
            f"{printable(str(fields[field]))}; {advice}leave "
            "it out"
        )


def check_outside(run_dir: Path, outputs: Mapping[str, Path | None]) -> None:
    """Refuse to overwrite files of the run in its folder; other paths there are allowed."""
    from ..runs.names import belongs_to_run

    for option, path in outputs.items():
        if path is not None and belongs_to_run(path, run_dir):
            raise click.UsageError(
                f"{path} belongs to the run in {run_dir}; name another file with {option}"
            )

"""What ``w2v-train`` knows of run folders: what a resumed run may be told, and its own notes."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..config import epochs_of
from ..output import STANDARD_OUTPUT, atomic_write, shell_path
from ..text.config import kept_list
from .text_options import given

_CONFIGS = ("text", "skip_gram", "optimizer", "run")
_MAY_CHANGE = {
    "resume_dir",
    "add",
    "threads",
    "checkpoint_every",
    "no_lock",
    "output",
    "vectors",
    "log",
    "quiet",
}


class MoreEpochs(int):
    """Epochs to add to a run, as in ``--epochs +2``."""


class Epochs(click.IntRange):
    """A number of epochs, or with a plus sign so many more."""

    def __init__(self) -> None:
        super().__init__(1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read ``3`` or ``+2``."""
        number = super().convert(value, param, ctx)  # int() takes a plus sign
        return MoreEpochs(number) if str(value).startswith("+") else number


def check_resumable(
    ctx: click.Context, run_dir: Path, kept: Mapping[str, Any], told: Mapping[str, Any]
) -> None:
    """Refuse whatever contradicts the settings of a run.

    Parameters
    ----------
    kept : mapping
        The settings in the folder.
    told : mapping
        The settings of the command, defaults among them.
    """
    from ..run_folder import plain

    fields = {name: value for config in _CONFIGS for name, value in kept[config].items()}
    del fields["phrases"]  # which are settings of their own
    if fields["epochs"] is not None:  # as it is until the text is read, if it says how many
        fields["epochs"] = kept["first_epoch"] + sum(epochs_of(kept))
    flags = {param.name: param.opts[0] for param in ctx.command.params if param.name}
    for name, flag in flags.items():
        if not given(ctx, name) or name in _MAY_CHANGE:
            continue
        field = "optimizer" if name == "dense_adam" else name
        if field == "corpus":
            raise click.UsageError(
                f"--resume needs no CORPUS: the text is kept in {run_dir}; leave '{told[field][0]}'"
                " out"
            )
        if field not in fields:
            raise click.UsageError(f"{flag} cannot be given with --resume; leave it out")
        value = kept_list(told[field]) if field in {"stopwords", "vocab"} else told[field]
        if isinstance(value, MoreEpochs) or plain(value) == fields[field]:
            continue
        mend = "add some with --epochs +N, or " if field == "epochs" else ""
        raise click.UsageError(
            f"{flag} is {told[field]}, but the run in {run_dir} has {fields[field]}; {mend}leave "
            "it out"
        )


def how_to_resume(run_dir: str | os.PathLike[str]) -> str:
    """Return the command that goes on with a run."""
    return f"w2v-train --resume {shell_path(run_dir)}"


class Destination:
    """Where the vectors of a run go, and which: kept in its folder as ``command.json``."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / "command.json"
        self.kept: dict[str, str] = {}
        try:
            content = json.loads(self._path.read_bytes())
            self.kept = {name: str(content[name]) for name in ("output", "vectors")}
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a run started from Python, or killed at its very start

    def keep(self, output: Path, vectors: str) -> None:
        """Write it, if it is new."""
        is_named = str(output) != STANDARD_OUTPUT
        path = os.path.abspath(output) if is_named else STANDARD_OUTPUT
        new = {"output": path, "vectors": vectors}
        if new != self.kept:
            with atomic_write(self._path) as stream:
                stream.write(json.dumps(new).encode() + b"\n")


@contextmanager
def set_by_sigusr1(event: threading.Event) -> Iterator[None]:
    """Set an event whenever SIGUSR1 comes, where there is such a signal."""
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and hasattr(signal, "SIGUSR1")):
        yield
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: event.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGUSR1, before)

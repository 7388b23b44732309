"""What ``w2v-train`` knows of run folders: what a resumed run may be told, and its own notes."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..objectives.registry import OBJECTIVES
from ..objectives.skip_gram.settings import SkipGramConfig
from ..system.files import STANDARD_OUTPUT, shell_path
from ..text.settings import kept_list
from ..training.settings import Settings, epochs_of
from . import printable
from .text_options import given

_MOST_BYTES = 1 << 16
_CONFIGS = ("text", *OBJECTIVES, "optimizer", "run")
_MAY_CHANGE = {
    "resume_dir",
    "add",
    "trust",
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

    sign = "+"


class TotalEpochs(int):
    """Epochs that a run is to have in all, as in ``--epochs =5``."""

    sign = "="


class Epochs(click.IntRange):
    """A number of epochs, with a plus sign so many more, with an equals sign so many in all."""

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
    from ..training.sealed_json import plain

    Settings.read(kept, run_dir)  # so that every field is there
    fields = {name: value for config in _CONFIGS for name, value in kept.get(config, {}).items()}
    fields.pop("phrases", None)  # which are settings of their own
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
        if isinstance(value, TotalEpochs) and (fields[field] is None or value > fields[field]):
            continue
        mend = "add some with --epochs +N, or " if field == "epochs" else ""
        sign = value.sign if isinstance(value, TotalEpochs) else ""
        raise click.UsageError(
            f"{flag} is {sign}{told[field]}, but the run in {run_dir} has "
            f"{printable(str(fields[field]))}; {mend}leave "
            "it out"
        )


def check_outside(run_dir: Path, outputs: Mapping[str, Path | None]) -> None:
    """Refuse to write over what a run keeps in its folder; other places in it may be written."""
    from ..training.run_folder import is_of_the_run

    folder = os.path.realpath(run_dir)
    for option, path in outputs.items():
        if path is None:
            continue
        real = os.path.realpath(path)
        inner = os.path.relpath(real, folder).split(os.sep)[0]
        if inner == os.curdir or is_of_the_run(inner):
            raise click.UsageError(
                f"{path} belongs to the run in {run_dir}; name another file with {option}"
            )


class Destination:
    """Where the vectors of a run go, and which: kept in its folder as ``command.json``.

    The folder may come from a stranger, whose vectors would overwrite a file of the user's. So
    what is kept has a signature, with a key that only this user has on this machine, and only for
    a folder in this place: that of another folder says nothing.

    Attributes
    ----------
    kept : dict
        ``output`` and ``vectors``, if this user kept them.
    """

    def __init__(self, run_dir: Path) -> None:
        from ..training.run_folder import refuse_links

        self._run_dir = run_dir
        self._path = run_dir / "command.json"
        self._is_signed = False
        self._claimed = ""
        self.kept: dict[str, str] = {}
        refuse_links(run_dir)
        try:
            with open(self._path, "rb") as stream:
                content = json.loads(stream.read(_MOST_BYTES))  # what is cut is no JSON
            found = {name: str(content[name]) for name in ("output", "vectors")}
            signature = str(content.get("signature"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # a run started from Python, or killed at its very start
        key = _own_key()
        own = self._signature(key, found) if key else ""
        if key and hmac.compare_digest(own.encode(), signature.encode(errors="replace")):
            if found["vectors"] in SkipGramConfig.kinds:
                self.kept, self._is_signed = found, True
        else:
            self._claimed = found["output"]

    def output(self) -> Path:
        """Return where the vectors go.

        Raises
        ------
        UsageError
            If nothing says so, or it is not this user who did.
        """
        if self._claimed:
            raise click.UsageError(
                f"the folder says that its vectors go to '{printable(self._claimed)}', but not "
                "that this user, on this machine, told it so in this place; name a file with -o"
            )
        if not self.kept:
            raise click.UsageError(
                f"{self._run_dir} does not say where its vectors go; name a file with -o"
            )
        return Path(self.kept["output"])

    def keep(self, output: Path, vectors: str) -> None:
        """Write it, if it is new."""
        from ..system.files import replace_file

        is_named = str(output) != STANDARD_OUTPUT
        path = os.path.abspath(output) if is_named else STANDARD_OUTPUT
        new = {"output": path, "vectors": vectors}
        if new == self.kept:
            return
        key = _own_key(make=True)
        signed = {**new, "signature": self._signature(key, new)} if key else new
        with replace_file(self._path) as stream:
            stream.write(json.dumps(signed).encode() + b"\n")
        self.kept, self._is_signed = new, key is not None

    def _signature(self, key: bytes, kept: Mapping[str, str]) -> str:
        told = [os.path.realpath(self._run_dir), kept["output"], kept["vectors"]]
        return hmac.new(key, json.dumps(told).encode(), hashlib.sha256).hexdigest()

    def how_to_resume(self) -> str:
        """Return the command that goes on with the run; it names the output if it must."""
        from ..training.run_folder import resume_command

        command = resume_command(self._run_dir)
        if self.kept and not self._is_signed:
            command += f" -o {shell_path(self.kept['output'])}"
        return command


def _own_key(make: bool = False) -> bytes | None:
    """Return the key of this user on this machine; None if there is none and none can be made."""
    try:
        state = os.environ.get("XDG_STATE_HOME", "")
        if not os.path.isabs(state):  # as its specification says
            state = os.fspath(Path.home() / ".local" / "state")
        path = Path(state) / "w2v-sparseadam" / "key"
        if make and not path.exists():
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as stream:
                stream.write(secrets.token_bytes(32))
        key = path.read_bytes()
    except (OSError, RuntimeError):  # as where there is no home folder
        return None
    return key if len(key) == 32 else None


class Asked:
    """Whether a checkpoint is asked for.

    Not a `threading.Event`, whose lock a signal handler would wait for if it interrupts who has
    it.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask."""
        self._is_set = True

    def is_set(self) -> bool:
        """Tell whether one is asked for."""
        return self._is_set

    def clear(self) -> None:
        """Ask no longer."""
        self._is_set = False


@contextmanager
def asked_by_sigusr1() -> Iterator[Asked]:
    """Give what SIGUSR1 sets, where there is such a signal."""
    asked = Asked()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and hasattr(signal, "SIGUSR1")):
        yield asked
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGUSR1, before)

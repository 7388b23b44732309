"""Where the vectors of a run with a folder go: kept in the folder, and signed by its user."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import click

from ..objectives.windows.settings import KINDS
from ..system.paths import STANDARD_OUTPUT, shell_path
from . import printable

_MOST_BYTES = 1 << 16


class Destination:
    """Where the vectors of a run go, and which: stored in its folder as ``command.json``.

    The folder may come from a stranger, who could name a file of this user to overwrite. So the
    file is signed with a key that only this user has, on this machine. The signature covers the
    path of the folder: a copy elsewhere is not trusted.

    Attributes
    ----------
    folder : path-like
        What `train` and `resume` are to be given.
    run_dir : Path
        The folder on this machine, which may be a copy.
    name : Path or str
        The folder that the user named, or its URL.
    kept : dict
        ``output`` and ``vectors``, if this user kept them, and the options of ``scoring``, if there
        are any.
    """

    def __init__(self, folder: os.PathLike[str], name: Path | str) -> None:
        from ..runs.names import refuse_links

        self.folder, self.name = folder, name
        self.run_dir = run_dir = Path(folder)
        self._path = run_dir / "command.json"
        self._is_signed = False
        self._claimed = ""
        self.kept: dict[str, str] = {}
        refuse_links(run_dir)
        try:
            with open(self._path, "rb") as stream:
                content = json.loads(stream.read(_MOST_BYTES))  # if truncated, it is not JSON
            found = {name: str(content[name]) for name in ("output", "vectors")}
            if "scoring" in content:
                found["scoring"] = str(content["scoring"])
            signature = str(content.get("signature"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return  # a run started from Python, or killed as it started
        key = _own_key()
        own = self._signature(key, found) if key else ""
        if key and hmac.compare_digest(own.encode(), signature.encode(errors="replace")):
            if found["vectors"] in KINDS:
                self.kept, self._is_signed = found, True
        else:
            self._claimed = found["output"]

    def output(self) -> Path:
        """Return where the vectors go.

        Raises
        ------
        UsageError
            If the folder does not say, or the signature is not of this user.
        """
        if self._claimed:
            raise click.UsageError(
                f"the folder says that its vectors go to '{printable(self._claimed)}', but not "
                "that this user, on this machine, told it so in this place; name a file with -o"
            )
        if not self.kept:
            raise click.UsageError(
                f"{self.name} does not say where its vectors go; name a file with -o"
            )
        return Path(self.kept["output"])

    def keep(self, output: Path, vectors: str, scoring: str = "") -> None:
        """Store the output, the kind of vectors and the options, if they have changed."""
        from ..system.files import replace_file

        is_named = str(output) != STANDARD_OUTPUT
        path = os.path.abspath(output) if is_named else STANDARD_OUTPUT
        new = {"output": path, "vectors": vectors, **({"scoring": scoring} if scoring else {})}
        if new == self.kept:
            return
        key = _own_key(make=True)
        signed = {**new, "signature": self._signature(key, new)} if key else new
        with replace_file(self._path) as stream:
            stream.write(json.dumps(signed).encode() + b"\n")
        self.kept, self._is_signed = new, key is not None

    def _signature(self, key: bytes, kept: Mapping[str, str]) -> str:
        place = self.name if isinstance(self.name, str) else os.path.realpath(self.name)
        told = [place, *kept.values()]
        return hmac.new(key, json.dumps(told).encode(), hashlib.sha256).hexdigest()

    def how_to_resume(self) -> str:
        """Return the command that resumes the run; it names the output if the folder cannot."""
        from ..runs.names import resume_command

        command = resume_command(self.name)
        if self.kept and not self._is_signed:
            command += f" -o {shell_path(self.kept['output'])}"
        if scoring := self.kept.get("scoring"):
            command += f" {scoring}"
        return command


def state_folder() -> Path:
    """Return the folder for what this package remembers of this user.

    Raises
    ------
    RuntimeError
        If there is no home folder.
    """
    state = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(state):  # as its specification says
        state = os.fspath(Path.home() / ".local" / "state")
    return Path(state) / "w2v-sparseadam"


def _own_key(make: bool = False) -> bytes | None:
    """Return the key of this user on this machine; None if there is none and none can be made."""
    try:
        path = state_folder() / "key"
        if make and not path.exists():
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(handle, "wb") as stream:
                stream.write(secrets.token_bytes(32))
        key = path.read_bytes()
    except (OSError, RuntimeError):  # as where there is no home folder
        return None
    return key if len(key) == 32 else None

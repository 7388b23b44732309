"""The log of a run: its events in a file, one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from io import FileIO
from pathlib import Path
from typing import Any, Literal

from ..errors import SettingError, W2VError, check_path
from ..events import Event, Pace, Warned
from ..runs.names import belongs_to_run
from ..system.paths import compression_ending, file_identity, open_descriptor

LOG_NAME = "log.jsonl"
"""The log in the folder of a run."""

Log = str | os.PathLike[str] | Literal[False] | None
"""Where a run is to be logged: a file; None for the one in its folder; False for nowhere."""


def check_log(log: object) -> None:
    """Refuse what names no log."""
    if log is not None and log is not False:
        check_path("log", log)


def check_log_apart(
    log: Log,
    inputs: Iterable[str | os.PathLike[str]],
    run_dir: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse a log that would overwrite a file that is read, or one of a run's own."""
    if not log:
        return
    name = os.fspath(log)
    if file_identity(name) in map(file_identity, inputs):
        raise SettingError(
            f"log is {name!r:.200}, a file that is read and would be overwritten",
            "name another with `log`",
        )
    if run_dir is not None and belongs_to_run(name, run_dir):
        raise SettingError(
            f"log is {name!r:.200}, which belongs to the run",
            f"leave it out for {LOG_NAME} in the folder, or name another file",
        )


class EventLog:
    """Writes events to a file, one JSON object a line.

    ``read``, ``join`` and ``progress`` come at most once a second and a thousand times in a run,
    so that the log of a long run stays small. A ``progress`` left out is merged into the next one.
    ``done`` and ``finished`` wait for :meth:`finish`.

    Parameters
    ----------
    path : Path
        A file, which is not compressed, or a name of an open descriptor.
    warn : callable
        Receives `Warned` if the file can no longer be written; the run goes on.
    append : bool
        Keep what is in the file.

    Raises
    ------
    SettingError
        If the name asks for compression.
    W2VError
        If the file cannot be written.
    """

    def __init__(self, path: Path, warn: Callable[[Event], None], *, append: bool = False) -> None:
        self._path, self._warn = path, warn
        if compression_ending(path):
            raise SettingError(f"{path}: a log is not compressed", "name another with `log`")
        number = open_descriptor(path)
        try:
            self._file: FileIO | None = (
                path.open("ab" if append else "wb", buffering=0)
                if number is None
                else FileIO(os.dup(number), "wb")
            )
        except OSError as error:
            raise W2VError(
                f"{path}: cannot be written ({error.strerror}); write the log elsewhere"
            ) from error
        self._pace, self._join_pace = Pace(1, 1e-3), Pace(1, 1e-3)
        self._n_tokens = 0
        self._waiting: list[Event] = []
        self._last = 0, 0.0  # tokens and seconds
        self._done: dict[str, Any] = {}

    def __call__(self, event: Event) -> None:
        """Write an event, or note it for later."""
        match event["event"]:
            case "read":
                if self._pace.due(event["bytes"], event["total_bytes"]):
                    self._write(dict(event))
            case "join":
                if self._join_pace.due(event["words"], event["total_words"]):
                    self._write(dict(event))
            case "round":
                pass
            case "phrases":
                pass  # their number is in ``text``, and there may be a million of them
            case "start":
                self._pace = Pace(1, 1e-3)
                self._n_tokens = event["tokens"]
                self._last = event["done_tokens"], event["done_seconds"]
                self._write(dict(event))
            case "progress":
                self._waiting.append(event)
                if self._pace.due(event["tokens"], self._n_tokens):
                    self._write_progress()
            case "epoch":
                self._write_progress()
                self._write(dict(event))
            case "done" | "finished":
                self._done = dict(event)
            case _:
                self._write(dict(event))

    def finish(self, **facts: Any) -> None:
        """Write how the run ended, if it has, with what is known by now."""
        if self._done:
            self._write({**self._done, **facts})

    def close(self) -> None:
        """Close the file, if it is open."""
        if self._file:
            self._file.close()
            self._file = None

    def _write_progress(self) -> None:
        """Write the events that wait as one, with the loss of all their pairs."""
        if not self._waiting:
            return
        event = self._waiting[-1]
        pairs = sum(part["pairs"] for part in self._waiting)
        loss = sum(part["loss"] * part["pairs"] for part in self._waiting) / pairs
        n_tokens = event["tokens"] - self._last[0]
        speed = n_tokens / (event["seconds"] - self._last[1])
        self._write({**event, "pairs": pairs, "loss": loss, "tokens_per_s": speed})
        self._last = event["tokens"], event["seconds"]
        self._waiting = []

    def _write(self, event: dict[str, Any]) -> None:
        """Write a line; a full disk must not end a long run."""
        if not self._file:
            return
        try:
            self._file.write(json.dumps(event, allow_nan=False).encode() + b"\n")
        except OSError as error:
            self.close()
            self._warn(
                Warned(f"{self._path}: cannot be written ({error.strerror}); continuing without it")
            )


@contextmanager
def logged(
    path: str | os.PathLike[str], emit: Callable[[Event], None], *, append: bool = False
) -> Iterator[Callable[[Event], None]]:
    """Give a function that logs an event and hands it on; end the log if nothing went wrong."""
    with closing(EventLog(Path(path), emit, append=append)) as log:

        def log_and_emit(event: Event) -> None:
            log(event)
            emit(event)

        yield log_and_emit
        log.finish()

"""``w2v-train --report``: a page on the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from ..events import Event
from ..report.history import History
from ..report.page import check_report, save_report
from ..report.subject import Part, Subject
from ..training.event_log import LOG_NAME
from ..training.model import Model
from . import printable
from .repeat import train_command
from .request import Request


class TrainingPage:
    """The page of a run: notes its events, and is written at its end.

    Raises
    ------
    W2VError
        If no page can be written; see `check_report`.
    """

    def __init__(self, path: Path) -> None:
        check_report(path)
        self._path, self._history = path, History()

    def before(self, tell: Callable[[Event], None]) -> Callable[[Event], None]:
        """Return a listener that notes an event and hands it on."""

        def note_and_tell(event: Event) -> None:
            self._history(event)
            tell(event)

        return note_and_tell

    def write(self, model: Model, request: Request) -> None:
        """Write the page of the finished run."""
        name, vectors = os.path.basename(request.output), model.vectors(request.vectors)
        if request.destination:
            folder = request.destination.run_dir
            subject = Subject.of_run(folder, name, vectors)
            if not (folder / LOG_NAME).exists():  # with --log, it is elsewhere
                subject = replace(subject, history=self._history)
        else:
            arguments = request.arguments
            paths = [source.absolute_path for source in arguments["corpus"]]
            part = Part(paths, (), len(model), int(model.counts.sum()))
            starts = arguments.get("init") is not None, bool(arguments.get("freeze"))
            subject = Subject(name, vectors, self._history, model.settings, [part], *starts)
        command = train_command(subject)
        if command and request.scoring:
            command += f" {printable(request.scoring)}"
        save_report(subject, self._path, command=command)
        click.echo(printable(f"Wrote {self._path}."), err=True)

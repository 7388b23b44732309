"""The progress and the result of a run, for the terminal and for the log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..events import Event
from ..system.paths import STANDARD_OUTPUT, compression_ending, open_descriptor
from . import printable
from .reading import Pace, ReadingReport, duration, new_bar

if TYPE_CHECKING:
    from ..training.dry_run import Forecast


class EventLog:
    """Writes events to a file, one JSON object a line.

    ``read``, ``join`` and ``progress`` come at most once a second and a thousand times in a run,
    so that the log of a long run stays small. A ``progress`` left out is merged into the next one,
    and ``done`` is written once the vectors are saved.
    """

    def __init__(self, path: Path, append: bool = False) -> None:
        self._path = path
        if compression_ending(path):
            raise click.UsageError(f"{path}: a log is not compressed; name another with --log")
        number = open_descriptor(path)
        try:
            self._file: FileIO | None = (
                path.open("ab" if append else "wb", buffering=0)
                if number is None
                else FileIO(os.dup(number), "wb")
            )
        except OSError as error:
            raise click.ClickException(
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
            case "done":
                self._done = dict(event)
            case _:
                self._write(dict(event))

    def saved(self, target: Path) -> None:
        """Write the last line."""
        self._write({**self._done, "output": str(target)})

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
            click.echo(
                f"Warning: {printable(str(self._path))}: cannot be written ({error.strerror}); "
                "continuing without it",
                err=True,
            )


class TrainReport(ReadingReport):
    """Shows events on stderr: bars on a terminal, else a line now and then."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self._start: dict[str, Any] = {}

    def saved(self, target: Path) -> None:
        """Report the file that was written."""
        words, dim = self._start["words"], self._start["dim"]
        name = "standard output" if str(target) == STANDARD_OUTPUT else target
        self._say(f"Wrote {name}: {words:,} words, {dim} dimensions.")

    def _show_folder(self, event: Event) -> None:
        if event["taken_over_from"]:
            self._say(
                f"Took over {event['path']}: {event['taken_over_from']} ended without releasing it."
            )

    def _show_checkpoint(self, event: Event) -> None:
        self._say(
            f"Checkpoint at step {event['step']:,}: {event['bytes'] / 1e6:,.1f} MB in "
            f"{duration(event['seconds'])}."
        )

    def _show_init(self, event: Event) -> None:
        self._say(
            f"Initial vectors: {event['matched']:,} matched by name, {event['unused']:,} unused; "
            f"words without one: {event['fresh']:,}."
        )
        if not event.get("moments", True):
            self._say("The other run had another optimizer, so the moments start at 0.")

    def _show_add(self, event: Event) -> None:
        self._say(
            f"Added {event['new_tokens']:,} tokens and {event['new_words']:,} new words, now "
            f"{event['tokens']:,} tokens of {event['words']:,} words; words left out: "
            f"{event['left_out_words']:,}."
        )

    def _show_freeze(self, event: Event) -> None:
        self._say(f"Words frozen: {event['frozen']:,}.")
        if event["unknown"]:
            names = ", ".join(map(repr, event["examples"]))
            more = ", …" if event["unknown"] > len(event["examples"]) else ""
            self._say(
                "Warning: words to freeze that are not in the vocabulary: "
                f"{event['unknown']:,} ({names}{more})."
            )

    def _show_start(self, event: Event) -> None:
        self._start = dict(event)
        self._pace = Pace()
        if event["first_step"]:
            self._say(f"Resuming at step {event['first_step']:,} of {event['steps']:,}.")
        if self._on_terminal:
            self._bar = new_bar(
                event["tokens"], " words", self._epoch(1), "{rate_fmt}, {remaining} left{postfix}"
            )
            self._bar.initial = self._bar.n = event["done_tokens"]

    def _show_progress(self, event: Event) -> None:
        loss, lr = f"loss {event['loss']:.3f}", f"lr {event['lr']:.2g}"
        done, whole = event["tokens"], self._start["tokens"]
        if self._bar is not None:
            self._bar.set_description_str(self._epoch(event["epoch"]), refresh=False)
            self._bar.set_postfix_str(f"{loss}, {lr}", refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._pace.due(done, whole):
            left = duration((whole - done) * event["seconds"] / done)
            self._say(
                f"{done / whole:4.0%}  {self._epoch(event['epoch'])}, {loss}, {lr}, "
                f"{event['tokens_per_s']:,.0f} words/s, {left} left"
            )

    def _show_epoch(self, event: Event) -> None:
        loss = event["loss"]
        told = "no line had two words left" if loss is None else f"loss {loss:.4f} per pair"
        self._say(f"{self._epoch(event['epoch'])}: {told}, {duration(event['seconds'])}.")

    def _epoch(self, number: int) -> str:
        return f"Epoch {number}/{self._start['epochs']}"

    def _show_done(self, event: Event) -> None:
        self.close()
        memory = event["peak_memory_bytes"]
        self._say(
            f"Trained in {duration(event['train_seconds'])}: {event['tokens_per_s']:,.0f} words/s"
            + (f", {memory / 1e6:,.0f} MB of memory at peak." if memory else ".")
        )


def forecast_lines(forecast: Forecast) -> Iterator[str]:
    """Yield the lines of a dry run."""

    def megabytes(n_bytes: int) -> str:
        return f"{n_bytes / 1e6:,.0f} MB"

    rows = [
        ("Words", f"{forecast.n_words:,}"),
        ("Tokens kept", f"{forecast.n_kept_tokens:,}"),
        ("Subsampling", f"words more frequent than {forecast.subsample:.2g}"),
        ("Epochs", f"{forecast.epochs:,}"),
        ("Steps", f"{forecast.n_steps:,}"),
        ("Model", megabytes(forecast.model_bytes)),
        ("Optimizer's state", megabytes(forecast.state_bytes)),
        ("Buffers", megabytes(forecast.buffer_bytes)),
        ("Word ids", f"{megabytes(forecast.word_id_bytes)}, on the disk"),
        ("Peak memory", megabytes(forecast.peak_bytes)),
        ("Memory available", megabytes(forecast.available_bytes)),
        (
            "Time to train",
            f"{duration(forecast.train_seconds)} with --threads {forecast.n_threads}, estimated "
            f"from {forecast.n_measured_steps:,} steps",
        ),
    ]
    for name, value in rows:
        yield f"{name:20}{value}"

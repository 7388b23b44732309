"""The progress and the result of a run, for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import counted
from ..events import Event
from ..system.paths import STANDARD_OUTPUT
from ..training.progress_bar import new_bar
from .reading import ReadingReport, duration, line_pace

if TYPE_CHECKING:
    from ..training.dry_run import Forecast
    from ..training.machines import MachinesForecast


class TrainReport(ReadingReport):
    """Shows events on stderr: bars on a terminal, else a line now and then."""

    def __init__(self, quiet: bool = False) -> None:
        super().__init__(quiet)
        self._start: dict[str, Any] = {}

    def saved(self, target: Path) -> None:
        """Report the file that was written."""
        words, dim = self._start["words"], self._start["dim"]
        name = "standard output" if str(target) == STANDARD_OUTPUT else target
        self._say(f"Wrote {name}: {counted(words, 'word')}, {counted(dim, 'dimension')}.")

    def _show_connect(self, event: Event) -> None:
        self._say(f"Connecting to {event['address']} ...")

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
        if "ngrams" in event:
            self._say(f"N-grams with an initial vector: {event['ngrams']:,}.")
        if not event.get("moments", True):
            self._say("The other run had another optimizer, so the moments start at 0.")

    def _show_add(self, event: Event) -> None:
        self._say(
            f"Added {counted(event['new_tokens'], 'token')} and "
            f"{counted(event['new_words'], 'new word')}, now {counted(event['tokens'], 'token')} "
            f"of {counted(event['words'], 'word')}; words left out: {event['left_out_words']:,}."
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
        self._pace = line_pace()
        if event["first_step"]:
            self._say(f"Resuming at step {event['first_step']:,} of {event['steps']:,}.")
        if self._on_terminal:
            self._bar = new_bar(
                event["tokens"], " words", self._epoch(1), "{rate_fmt}, {remaining} left{postfix}"
            )
            self._bar.initial = self._bar.n = event["done_tokens"]

    def _show_finished(self, event: Event) -> None:
        self._start = dict(event)
        done = f"{counted(event['epochs'], 'epoch')}, {counted(event['steps'], 'step')}"
        self._say(f"The run is finished: {done}; add epochs with --epochs +N.")

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

    def _show_round(self, event: Event) -> None:
        if self._bar is not None:
            done = f"round {event['round']}, {event['shards']} of {event['total_shards']} shards"
            self._bar.set_postfix_str(done)

    def _show_epoch(self, event: Event) -> None:
        loss = event["loss"]
        told = "no line had two words left" if loss is None else f"loss {loss:.4f} per pair"
        self._say(f"{self._epoch(event['epoch'])}: {told}, {duration(event['seconds'])}.")

    def _show_score(self, event: Event) -> None:
        score, low, high = event["score"], event["low"], event["high"]
        told = "no score" if score is None else f"{score:.1f} ({low:.1f} to {high:.1f})"
        self._say(f"  {event['dataset']}: {told}, {event['covered']:,} of {event['items']:,}.")

    def _show_best(self, event: Event) -> None:
        self.close()
        if self._start["event"] == "start" and event["last_epoch"] < self._start["epochs"]:
            self._say(f"Stopped after epoch {event['last_epoch']}.")
        first = event["first_epoch"]
        from_on = f" from {first} on" if first > 1 else ""
        self._say(
            f"The best epoch{from_on} is {event['epoch']}: {event['score']:.1f} on "
            f"{event['dataset']}."
        )

    def _epoch(self, number: int) -> str:
        return f"Epoch {number}/{self._start['epochs']}"

    def _show_done(self, event: Event) -> None:
        self.close()
        memory = event["peak_memory_bytes"]
        self._say(
            f"Trained in {duration(event['train_seconds'])}: {event['tokens_per_s']:,.0f} words/s"
            + (f", {memory / 1e6:,.0f} MB of memory at peak." if memory else ".")
        )


def forecast_lines(forecast: Forecast | MachinesForecast) -> Iterator[str]:
    """Yield the lines of a dry run."""
    from ..training.dry_run import Forecast

    rows = _rows_here(forecast) if isinstance(forecast, Forecast) else _rows_there(forecast)
    for name, value in rows:
        yield f"{name:20}{value}"


def _megabytes(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB"


def _rows_here(forecast: Forecast) -> list[tuple[str, str]]:
    return [
        ("Words", f"{forecast.n_words:,}"),
        ("Tokens kept", f"{forecast.n_kept_tokens:,}"),
        ("Subsampling", f"words more frequent than {forecast.subsample:.2g}"),
        ("Epochs", f"{forecast.epochs:,}"),
        ("Steps", f"{forecast.n_steps:,}"),
        ("Model", _megabytes(forecast.model_bytes)),
        ("Optimizer's state", _megabytes(forecast.state_bytes)),
        *([("Best epoch", _megabytes(forecast.best_bytes))] if forecast.best_bytes else []),
        ("Buffers", _megabytes(forecast.buffer_bytes)),
        ("Word ids", f"{_megabytes(forecast.word_id_bytes)}, on the disk"),
        ("Peak memory", _megabytes(forecast.peak_bytes)),
        ("Memory available", _megabytes(forecast.available_bytes)),
        (
            "Time to train",
            f"{duration(forecast.train_seconds)} with --threads {forecast.n_threads}, estimated "
            f"from {counted(forecast.n_measured_steps, 'step')}",
        ),
    ]


def _rows_there(forecast: MachinesForecast) -> list[tuple[str, str]]:
    each, between = forecast.sent_to_each, forecast.sent_between_workers
    waiting = forecast.sending_seconds / forecast.round_seconds
    return [
        ("Words", f"{forecast.n_words:,}"),
        ("Tokens kept", f"{forecast.n_kept_tokens:,}"),
        ("Epochs", f"{forecast.epochs:,}, of {counted(forecast.rounds, 'round')}"),
        ("Shards of a round", f"{forecast.n_shards:,}, on {counted(forecast.n_workers, 'worker')}"),
        ("Model", _megabytes(forecast.model_bytes)),
        ("Optimizer's state", _megabytes(forecast.state_bytes)),
        (
            "Memory of a worker",
            f"{_megabytes(forecast.worker_bytes)} at peak; free: {_megabytes(forecast.free_bytes)}",
        ),
        ("Memory here", f"{_megabytes(forecast.client_bytes)} at peak"),
        (
            "Sent in a round",
            f"{_megabytes(each)} to each worker, {_megabytes(between)} between all, "
            f"{_megabytes(forecast.sent_to_client)} here",
        ),
        (
            "Time of a round",
            f"{duration(forecast.round_seconds)}; for the network, at "
            f"{_megabytes(forecast.network_bytes_per_s)}/s: {waiting:.0%}",
        ),
        (
            "Time to train",
            f"{duration(forecast.train_seconds)}, estimated from "
            f"{counted(forecast.n_measured_steps, 'step')}",
        ),
    ]

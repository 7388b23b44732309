"""The history of a run: what its events tell, as they come or from a log."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

_MOST_POINTS = 600
_MOST_BYTES = 1 << 20  # of a line


class History:
    """Keeps what a report shows of a run, in bounded memory.

    Tokens and epochs are counted over all parts of a run to which text was added.

    It is a listener: call it with each event, of `~w2v_sparseadam.events` or a line of a log.

    Attributes
    ----------
    points : list of tuple
        Tokens since the start, loss per pair since the point before, learning rate, and pairs.
    epochs : dict of int to tuple
        By number: tokens since the start, and the loss per pair, of each epoch.
    scores : dict of str to dict
        By data set and epoch: the score × 100, and the ends of its 95 % interval or None.
    best : (int, str, float, int) or None
        The epoch whose vectors the run gave, on which data set, its score there, and the first of
        the epochs that were compared.
    texts : list of dict
        What was read for each part of the run, as `TextRead` tells it; those that are unknown are
        left out.
    parts : list of tuple
        Where text was added to the run: tokens since the start, and epochs.
    warnings : list of str
    facts : dict
        Of the run: ``seconds``, ``threads``, ``tokens``.
    """

    def __init__(self) -> None:
        self.points: list[tuple[float, float, float, float]] = []
        self.epochs: dict[int, tuple[float, float]] = {}
        self.scores: dict[str, dict[int, tuple[float, float | None, float | None]]] = {}
        self.best: tuple[int, str, float, int] | None = None
        self.texts: list[dict[str, Any]] = []
        self.parts: list[tuple[float, int]] = []
        self.warnings: list[str] = []
        self.facts: dict[str, Any] = {}
        self._tokens = 0.0
        self._before = 0.0, 0, 0.0  # tokens, epochs and seconds of the parts before
        self._read: dict[str, Any] = {}  # last, which may not be of the run yet

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> History:
        """Return what a log tells; lines that are damaged are left out."""
        history = cls()
        with open(path, "rb") as stream:
            while line := stream.readline(_MOST_BYTES):
                try:
                    event = json.loads(line)
                    if isinstance(event, dict):
                        history(event)
                except (ValueError, KeyError, TypeError, RecursionError):
                    continue
        return history

    def __call__(self, event: Mapping[str, Any] | Any) -> None:
        """Note an event."""
        match event["event"]:
            case "text":
                self._read = {name: event[name] for name in event.keys()}  # noqa: SIM118 - no dict
                if not (self._tokens or self.epochs):  # else, text to add
                    self.texts = [self._read]
            case "add":
                self._add_part()
            case "warning":
                self.warnings.append(str(event["message"]))
            case "start":
                self._start(self._before[0] + _number(event["done_tokens"]))
                self.facts["threads"] = _number(event["threads"])
            case "progress":
                tokens, *others = (_number(event[key]) for key in ("tokens", "loss", "lr", "pairs"))
                self._progress(self._before[0] + tokens, *others)
            case "epoch":
                if event["loss"] is not None:
                    place = self._tokens or _number(event["tokens"])
                    self.epochs[self._epoch(event["epoch"])] = place, _number(event["loss"])
            case "score" if event["score"] is not None:
                low, high = (
                    None if event[name] is None else _number(event[name])
                    for name in ("low", "high")
                )
                of_set = self.scores.setdefault(str(event["dataset"]), {})
                of_set[self._epoch(event["epoch"])] = _number(event["score"]), low, high
            case "best":
                score = _number(event["score"])
                first, epoch = self._epoch(event["first_epoch"]), self._epoch(event["epoch"])
                self.best = epoch, str(event["dataset"]), score, first
            case "done":
                self.facts["seconds"] = self._before[2] + _number(event["train_seconds"])

    def _epoch(self, number: Any) -> int:
        """Return the number of an epoch among those of all parts."""
        return self._before[1] + int(number)

    def _add_part(self) -> None:
        """Begin another part of the run, with the text that was read last."""
        tokens = max(self._tokens, self._before[0])
        epochs = max(self.epochs, default=self._before[1])
        self._before = tokens, epochs, self.facts.get("seconds", 0.0)
        self.parts.append((tokens, epochs))
        self.texts.append(self._read)

    def _start(self, done_tokens: float) -> None:
        """Forget what a run that was resumed does again."""
        self._tokens, self.best = done_tokens, None
        self.points = [point for point in self.points if point[0] <= done_tokens]
        self.epochs = {n: epoch for n, epoch in self.epochs.items() if epoch[0] <= done_tokens}
        self.scores = {
            name: {n: score for n, score in of_set.items() if n in self.epochs}
            for name, of_set in self.scores.items()
        }

    def _progress(self, tokens: float, loss: float, lr: float, pairs: float) -> None:
        """Note a part of the training, and join parts in twos when there are too many."""
        self._tokens = tokens
        self.points.append((tokens, loss, lr, pairs))
        if len(self.points) >= 2 * _MOST_POINTS:
            self.points = [
                _joined(*two) for two in zip(self.points[::2], self.points[1::2], strict=True)
            ]


def _joined(
    one: tuple[float, float, float, float], other: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Return two parts of the training as one, with the loss of all pairs."""
    pairs = one[3] + other[3]
    loss = (one[1] * one[3] + other[1] * other[3]) / (pairs or 1)
    return other[0], loss, other[2], pairs


def _number(value: Any) -> float:
    """Return a finite number; a log may be a stranger's."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError("a log has finite numbers")
    return number

"""What a report is about: vectors, and all that is known of how they were trained."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import wrong_type
from ..events import Event, warn
from ..runs.names import SETTINGS
from ..runs.settings import model_settings, read_settings
from ..training.event_log import LOG_NAME
from ..training.model import Model
from ..vectors.formats.base import open_source
from ..vectors.formats.registry import format_of
from ..vectors.vectors import Vectors
from .history import History


@dataclass(frozen=True)
class Part:
    """A part of a run: some text, and the epochs over it and over all text before.

    Attributes
    ----------
    paths : sequence of str
        Of the text of this part.
    epochs : sequence of int
        That were asked for, one after the other; empty if the settings have them.
    n_words, n_tokens : int or None
        Of the vocabulary, and of the text in it, with all parts before; None if that is unknown.
    """

    paths: Sequence[str] = ()
    epochs: Sequence[int] = ()
    n_words: int | None = None
    n_tokens: int | None = None


@dataclass(frozen=True)
class Subject:
    """Vectors, and what is known of their run.

    Attributes
    ----------
    name : str
        Of the file, the folder or the model.
    vectors : Vectors
    history : History
        Empty if the run is unknown.
    settings : mapping
        As `Model.settings`; empty if they are unknown.
    parts : sequence of Part
        Those of the run, in order: more than one if text was added to it. Empty if they are not
        known.
    has_init, has_frozen : bool
        Whether the run started from other vectors, and whether words were frozen.
    """

    name: str
    vectors: Vectors
    history: History = field(default_factory=History)
    settings: Mapping[str, Any] = field(default_factory=dict)
    parts: Sequence[Part] = (Part(),)
    has_init: bool = False
    has_frozen: bool = False

    @classmethod
    def of(
        cls,
        source: Model | Vectors | str | os.PathLike[str],
        on_event: Callable[[Event], None] | None = None,
    ) -> Subject:
        """Return what is known of a model, of vectors, or of a file or a folder of a run.

        Raises
        ------
        WrongTypeError
            If it is none of these.
        W2VError
            As `Vectors.load`.
        """
        if isinstance(source, Model):
            history = _history_of(vars(epoch) for epoch in source.history)
            return cls("model", source.wv, history, source.settings, [_whole_text(source.wv)])
        if isinstance(source, Vectors):
            return cls("vectors", source)
        if not isinstance(source, str | os.PathLike):
            raise wrong_type("source", "a Model, Vectors or a path", source)
        tell = warn if on_event is None else on_event
        name = os.path.basename(os.path.abspath(source))
        if os.path.isdir(source) and (Path(source) / SETTINGS).exists():
            return cls.of_run(source, name, Vectors.load(source, on_event=tell))
        with open_source(source, tell) as opened:
            content = format_of(opened, None).read(opened)
            about = content.model().about if content.model else {}
            vectors = Vectors(*content.collected())
        history = _history_of(about.get("history", ()))
        return cls(name, vectors, history, about.get("settings", {}), [_whole_text(vectors)])

    @classmethod
    def of_run(cls, folder: str | os.PathLike[str], name: str, vectors: Vectors) -> Subject:
        """Return what the folder of a run tells of its vectors."""
        settings = read_settings(folder)
        log = Path(folder) / LOG_NAME
        return cls(
            name,
            vectors,
            History.read(log) if log.is_file() else History(),
            model_settings(settings),
            _parts_of(settings, vectors),
            settings["has_init"],
            bool(settings["freeze"]),
        )


def _parts_of(settings: Mapping[str, Any], vectors: Vectors) -> list[Part]:
    """Return the parts of the run in a folder; none if an older version added text to it."""
    before, paths = settings.get("parts", []), settings["paths"]
    if sum(n for part in before for n in part["epochs"]) != settings["first_epoch"]:
        return []
    parts, n_before = [], 0
    for part in before:
        own = _named(paths[n_before : part["n_paths"]])
        parts.append(Part(own, part["epochs"], part["n_words"], part["n_tokens"]))
        n_before = part["n_paths"]
    epochs = [settings["run"]["epochs"], *settings["added_epochs"]]
    return [*parts, replace(_whole_text(vectors), paths=_named(paths[n_before:]), epochs=epochs)]


def _named(paths: Sequence[str]) -> list[str]:
    """Return the paths of a text that are real; others stand for sentences or an open file."""
    return [path for path in paths if not path.startswith("<")]


def _whole_text(vectors: Vectors) -> Part:
    """Return a part of a run of which only the vectors are known, which are of all its text."""
    n_tokens = None if vectors.counts is None else int(vectors.counts.sum())
    return Part(n_words=len(vectors), n_tokens=n_tokens)


def _history_of(epochs: Any) -> History:
    """Return the history of a run of which the epochs are known."""
    history = History()
    n_tokens = 0.0
    for epoch in epochs:
        n_tokens += epoch["tokens"]
        if epoch["loss"] is not None:
            history.epochs[int(epoch["epoch"])] = n_tokens, float(epoch["loss"])
    return history

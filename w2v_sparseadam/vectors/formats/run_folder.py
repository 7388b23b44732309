"""The folder of a run: the vectors in its last checkpoint."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import FormatError
from ...runs.checkpoint_file import OpenCheckpoint, from_last
from ...runs.names import SETTINGS, of_generation
from ...runs.settings import model_settings, objective_of, read_settings, tell_if_unfinished
from ...runs.text import read_vocabulary
from ..subwords import Subwords
from .base import Block, Content, VectorSource
from .model_file import ModelFile


class _Tables(Mapping[str, np.ndarray]):
    """The tables in a checkpoint, each of which is read when it is asked for."""

    def __init__(self, checkpoint: OpenCheckpoint, shapes: Mapping[str, tuple[int, int]]) -> None:
        self._checkpoint, self._shapes = checkpoint, shapes

    def __getitem__(self, name: str) -> np.ndarray:
        return self._checkpoint.read(f"{name}.vectors", self._shapes[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


def fits(source: VectorSource) -> bool:
    """Take every folder; `read` says what is wrong with it."""
    return os.path.isdir(source.path)


def read(source: VectorSource) -> Content:
    """Read the words of a run and their vectors, of the kind that its objective gives by default.

    The folder stays as it is, and may be in use. The event `Warned` says if the run is not
    finished.
    """
    path, folder = source.path, Path(source.path)
    if not (folder / SETTINGS).exists():
        raise FormatError(
            f"{path}: is a folder without a run; name a file of vectors, or the folder of a run"
        )
    settings = read_settings(folder)
    vocabulary = read_vocabulary(folder, settings)[0]
    words, counts = vocabulary.words, vocabulary.counts
    objective = objective_of(settings, path)
    shapes = {table.name: (table.n_rows, objective.dim) for table in objective.tables(words)}
    checkpoints = of_generation(folder, "checkpoints", settings)

    def read_vectors(checkpoint_path: Path) -> tuple[tuple[np.ndarray, Subwords | None], Any]:
        with OpenCheckpoint(checkpoint_path) as checkpoint:
            tables = _Tables(checkpoint, shapes)
            kind = objective.kinds[0]
            vectors = objective.vectors(tables, kind, words)
            return (vectors, Subwords.of_model(objective, tables, kind, words)), checkpoint.state

    def read_tables(checkpoint_path: Path) -> tuple[dict[str, np.ndarray], Any]:
        with OpenCheckpoint(checkpoint_path) as checkpoint:
            return dict(_Tables(checkpoint, shapes)), checkpoint.state

    def model() -> ModelFile:
        tables, state = from_last(checkpoints, read_tables)
        about = {
            "settings": model_settings(settings),
            "loss": state["progress"].get("loss"),
            "history": [],
        }
        return ModelFile(words, counts, tables, objective, about)

    (matrix, subwords), state = from_last(checkpoints, read_vectors)
    tell_if_unfinished(path, settings, state, source.on_event)
    return Content.of(source.name, Block(words, matrix, counts), model, subwords)

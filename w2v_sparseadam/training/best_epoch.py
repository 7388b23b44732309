"""The best epoch of a run, kept in its folder so that a resumed run compares with it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import FormatError, W2VError
from ..events import EpochEnded, Event, Warned
from ..runs.checkpoint_file import OpenCheckpoint, best_path_of, best_paths, write_checkpoint

if TYPE_CHECKING:
    import numpy as np

    from ..evaluation.datasets import DataSet
    from ..objectives.settings import ObjectiveSettings


class KeptEpoch(NamedTuple):
    """An epoch that no other one of a run surpasses.

    ``history`` is empty of an epoch that was trained before the run was resumed.
    """

    epoch: int
    score: float
    first: int  # of the epochs that were compared
    loss: float
    tables: Mapping[str, np.ndarray]
    history: Sequence[EpochEnded] = ()


class BestEpochFile:
    """Where a run keeps its best epoch: a file among its checkpoints, the name of which tells it.

    Scores of other data sets or other vectors are not comparable: an epoch that was the best by
    those is not found, and it is replaced.

    Parameters
    ----------
    folder : Path
        That of the checkpoints.
    dataset : DataSet
        What the epochs are compared on.
    vectors : str
        Which of their vectors.
    emit : callable
        Receives `Warned` if a file cannot be read or written.
    """

    def __init__(
        self, folder: Path, dataset: DataSet, vectors: str, emit: Callable[[Event], None]
    ) -> None:
        self._folder, self._emit = folder, emit
        items = repr(replace(dataset, name=""))  # the same items under any name
        digest = hashlib.sha256(items.encode("utf-8", "surrogatepass")).hexdigest()
        self._compared = {"dataset": digest, "vectors": vectors}

    def load(self, objective: ObjectiveSettings, words: Sequence[str]) -> KeptEpoch | None:
        """Return the best epoch so far, None if none is kept."""
        found: list[KeptEpoch] = []
        for path in best_paths(self._folder):
            try:
                if epoch := self._read(path, objective, words):
                    found.append(epoch)
            except (W2VError, OSError) as error:
                what = str(error) if isinstance(error, W2VError) else f"{path}: {error.strerror}"
                self._emit(Warned(f"{what}; the epochs before are not compared"))
        return max(found, key=lambda best: (best.score, -best.epoch), default=None)

    def write(self, best: KeptEpoch) -> None:
        """Keep an epoch instead of the one before; a failure is a warning."""
        path = best_path_of(self._folder, best.epoch)
        arrays = {f"{name}.vectors": table for name, table in best.tables.items()}
        told = {"epoch": best.epoch, "score": best.score, "first": best.first, "loss": best.loss}
        try:
            write_checkpoint(path, arrays, {**told, "compared": self._compared})
        except W2VError as error:
            self._emit(Warned(f"the best epoch is not kept: {error}; training goes on"))
            return
        for other in best_paths(self._folder):
            if other != path:
                with suppress(OSError):
                    other.unlink()

    def _read(
        self, path: Path, objective: ObjectiveSettings, words: Sequence[str]
    ) -> KeptEpoch | None:
        """Return the epoch in a file, None if it was compared by something else."""
        import numpy as np

        with OpenCheckpoint(path) as opened:
            told = _checked(opened.state, path)
            if told["compared"] != self._compared:
                return None
            tables = {
                table.name: opened.read(f"{table.name}.vectors", (table.n_rows, objective.dim))
                for table in objective.tables(words)
            }
        if not all(np.isfinite(table).all() for table in tables.values()):
            raise FormatError(f"{path}: is damaged: it has numbers that are not finite")
        return KeptEpoch(told["epoch"], told["score"], told["first"], told["loss"], tables)


def _checked(state: Any, path: Path) -> Mapping[str, Any]:
    """Return what a file says of an epoch, if a run may have written it."""
    try:
        counts, numbers = (state["first"], state["epoch"]), (state["score"], state["loss"])
        is_whole = (
            all(isinstance(n, int) and not isinstance(n, bool) for n in counts)
            and 1 <= counts[0] <= counts[1] < 1 << 31
            and all(isinstance(x, int | float) and math.isfinite(x) for x in numbers)
            and isinstance(state["compared"], dict)
        )
    except (KeyError, TypeError, OverflowError):
        is_whole = False
    if not is_whole:
        raise FormatError(f"{path}: is damaged: it does not tell of an epoch")
    checked: Mapping[str, Any] = state
    return checked

"""Scores of a run after each epoch on data sets: its best epoch, and when to stop early."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SettingError, check_path, wrong_type
from ..events import BestEpoch, Emit, Scored, StopTraining, Warned
from ..fields import Setting
from ..objectives.settings import ObjectiveSettings

if TYPE_CHECKING:
    from ..evaluation.datasets import DataSet
    from ..evaluation.scores import Evaluation
    from .best_epoch import BestEpochFile, KeptEpoch
    from .model import Model

    DataSetLike = DataSet | str | os.PathLike[str]

# Enough for intervals that are shown to one digit, and a fraction of the time of an epoch.
_N_RESAMPLES = 200

_PATIENCE = Setting(int, "", low=1)


@dataclass(frozen=True)
class EpochScoring:
    """What is scored after each epoch, and what follows from it.

    Attributes
    ----------
    datasets : sequence of DataSet
    watched : int or None
        Which of them tells the best epoch, whose vectors are kept.
    patience : int or None
        After how many epochs without a better score the run ends.
    vectors : str or None
        Which vectors are scored; None for those that `Model.vectors` returns by default.
    """

    datasets: Sequence[DataSet]
    watched: int | None = None
    patience: int | None = None
    vectors: str | None = None


def scoring_asked(
    eval: EpochScoring | DataSetLike | Iterable[DataSetLike],  # noqa: A002 - as the option
    keep_best: DataSetLike | None,
    patience: int | None,
) -> EpochScoring | None:
    """Return what the parameters of `train` by these names ask for, None if nothing.

    Raises
    ------
    WrongTypeError, SettingError
        If one is of another type, or has no effect.
    FormatError, TextError
        If a data set cannot be read.
    """
    if isinstance(eval, EpochScoring):
        return eval
    from ..evaluation.datasets import DataSet

    if patience is not None and keep_best is None:
        raise SettingError("patience has no effect without keep_best", "add `keep_best`")
    if patience is not None and not _PATIENCE.fits(patience):
        raise SettingError(f"patience is {patience!r:.80}, but must be {_PATIENCE.expected}")
    some = [eval] if isinstance(eval, str | os.PathLike | DataSet) else eval
    if not isinstance(some, Iterable):
        raise wrong_type("eval", "data sets or their files", eval)
    read: dict[str, DataSet] = {}  # by their real paths, so that each is scored once
    datasets: list[DataSet] = []
    for each in some:
        if (dataset := _read("eval", each, read)) not in datasets:
            datasets.append(dataset)
    watched = None
    if keep_best is not None:
        dataset = _read("keep_best", keep_best, read)
        if dataset not in datasets:
            datasets.append(dataset)
        watched = datasets.index(dataset)
    patience = None if patience is None else int(patience)
    return EpochScoring(datasets, watched, patience) if datasets else None


def _read(name: str, dataset: object, read: dict[str, DataSet]) -> DataSet:
    from ..evaluation.datasets import DataSet, read_dataset

    if isinstance(dataset, DataSet):
        return dataset
    if not isinstance(dataset, str | os.PathLike):
        raise wrong_type(name, "data sets or their files", dataset)
    check_path(name, dataset)
    path = os.path.realpath(dataset)
    if path not in read:
        read[path] = read_dataset(dataset)
    return read[path]


class EpochScores:
    """Scores the epochs of a run, and keeps the best.

    Parameters
    ----------
    scoring : EpochScoring
    words : sequence of str
        Those of the vocabulary.
    objective : ObjectiveSettings
    emit : callable
        Receives `Scored`, `BestEpoch`, and a warning if no epoch has a score to compare.
    folder : Path, optional
        That of the run's checkpoints, which keeps the best epoch for a resumed run.
    """

    def __init__(
        self,
        scoring: EpochScoring,
        words: Sequence[str],
        objective: ObjectiveSettings,
        emit: Emit,
        folder: Path | None = None,
    ) -> None:
        self._evaluation: Evaluation | None = None
        self._scoring, self._objective, self._emit = scoring, objective, emit
        self._kind = scoring.vectors or objective.kinds[0]
        self._words = words
        self._file = _best_epoch_file(scoring, objective, folder, emit)
        self._best: KeptEpoch | None = self._file.load(objective, words) if self._file else None
        self._first = self._best.first if self._best else 0
        self._last = 0

    def after(self, epoch: int, model: Callable[[bool], Model]) -> None:
        """Score the vectors after an epoch; ``model(True)`` returns a model with copies of them."""
        from ..evaluation.scores import Evaluation
        from ..evaluation.tasks import Scoring
        from ..vectors.subwords import Subwords

        self._last, self._first = epoch, self._first or epoch
        asked = model(False).tables, self._kind, self._words
        subwords = Subwords.of_model(self._objective, *asked)
        compose = subwords.compose if subwords else None
        if self._evaluation is None:
            word_ids = {word: row for row, word in enumerate(self._words)}
            self._evaluation = Evaluation(
                self._scoring.datasets, word_ids, Scoring(), _N_RESAMPLES, compose
            )
        reports = self._evaluation.reports(self._objective.vectors(*asked), compose)
        if self._scoring.watched is not None:
            score = reports[self._scoring.watched].score
            if score is not None and (self._best is None or score > self._best.score):
                self._best = None  # so that there are not two copies at once
                self._keep(epoch, float(score), model(True))
        for report in reports:
            low, high = report.interval or (None, None)
            about = report.dataset, report.kind, report.score, low, high
            self._emit(Scored(epoch, *about, report.items, report.covered))

    def check_patience(self) -> None:
        """Raise StopTraining if the last epochs had no better score than one before them."""
        patience = self._scoring.patience
        if patience is not None and self._best and self._last - self._best.epoch >= patience:
            raise StopTraining

    @property
    def knows_best(self) -> bool:
        """Whether an epoch is the best so far."""
        return self._best is not None

    def best_or(self, model: Model, n_epochs: int = 0) -> Model:
        """Return the model of the best epoch, or another if there is none.

        ``n_epochs`` is how many the run has, if it was finished before.
        """
        watched = self._scoring.watched
        if watched is None or not (self._last or self._best):
            return model
        name = self._scoring.datasets[watched].name
        if self._best is None:
            self._emit(
                Warned(f"no epoch has a score on {name}; the vectors are those of the last one")
            )
            return model
        best, self._best = self._best, None
        last = n_epochs or self._last or best.epoch
        self._emit(BestEpoch(best.epoch, name, best.score, best.first, last))
        return replace(model, tables=best.tables, loss=best.loss, history=best.history)

    def _keep(self, epoch: int, score: float, model: Model) -> None:
        """Note the best epoch so far."""
        from .best_epoch import KeptEpoch

        self._best = KeptEpoch(epoch, score, self._first, model.loss, model.tables, model.history)
        if self._file:
            self._file.write(self._best)


def _best_epoch_file(
    scoring: EpochScoring, objective: ObjectiveSettings, folder: Path | None, emit: Emit
) -> BestEpochFile | None:
    """Return where a run keeps its best epoch; None if it has no folder, or keeps none."""
    from .best_epoch import BestEpochFile

    if folder is None or scoring.watched is None:
        return None
    dataset, kind = scoring.datasets[scoring.watched], scoring.vectors or objective.kinds[0]
    return BestEpochFile(folder, dataset, kind, emit)

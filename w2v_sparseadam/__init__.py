"""word2vec on a CPU: skip-gram with a SparseAdam that moves only the touched rows.

`train` trains a `Model` on text, which answers `model.most_similar("river")`. `resume` continues
an interrupted run, or adds epochs or text to a finished one, and `Start` loads the state of a run
to initialize another. `Vectors` loads, saves and searches word vectors. `SparseAdam`,
`RowwiseAdam`, `DenseAdam`, `Adagrad` and `SGD` update the rows of any float32 matrix. `save_report`
writes a page of HTML on a model, vectors or a run. All errors are of the class `W2VError`, all
warnings of `W2VWarning`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import W2VError as W2VError
    from .errors import W2VWarning as W2VWarning
    from .events import StopTraining as StopTraining
    from .optimizers.adagrad import Adagrad as Adagrad
    from .optimizers.dense_adam import DenseAdam as DenseAdam
    from .optimizers.rowwise_adam import RowwiseAdam as RowwiseAdam
    from .optimizers.sgd import SGD as SGD
    from .optimizers.sparse_adam import SparseAdam as SparseAdam
    from .report.page import save_report as save_report
    from .training.initialize import Start as Start
    from .training.model import Model as Model
    from .training.resume import resume as resume
    from .training.train import train as train
    from .vectors.vectors import Vectors as Vectors

__version__ = "0.1.0"

_HOMES = {
    "Adagrad": "optimizers.adagrad",
    "DenseAdam": "optimizers.dense_adam",
    "Model": "training.model",
    "RowwiseAdam": "optimizers.rowwise_adam",
    "SGD": "optimizers.sgd",
    "SparseAdam": "optimizers.sparse_adam",
    "Start": "training.initialize",
    "StopTraining": "events",
    "Vectors": "vectors.vectors",
    "W2VError": "errors",
    "W2VWarning": "errors",
    "resume": "training.resume",
    "save_report": "report.page",
    "train": "training.train",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: Numba alone takes half a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]

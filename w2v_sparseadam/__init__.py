"""word2vec on a CPU: skip-gram with a SparseAdam that moves only the touched rows.

`train` makes a model of text files, with settings in `TextConfig` (and its `PhraseConfig`),
`SkipGramConfig`, `OptimizerConfig` and `RunConfig`; `resume` goes on with a run that was
interrupted, or adds to it. `Start` is what a run came to, for another to start from. `Vectors`
loads, saves and searches word vectors. `SparseAdam`, `DenseAdam` and `SGD` move the rows of any
float32 matrix.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import W2VError as W2VError
    from .objectives.skip_gram.settings import SkipGramConfig as SkipGramConfig
    from .optimizers.adagrad import Adagrad as Adagrad
    from .optimizers.dense_adam import DenseAdam as DenseAdam
    from .optimizers.rowwise_adam import RowwiseAdam as RowwiseAdam
    from .optimizers.settings import OptimizerConfig as OptimizerConfig
    from .optimizers.sgd import SGD as SGD
    from .optimizers.sparse_adam import SparseAdam as SparseAdam
    from .text.settings import PhraseConfig as PhraseConfig
    from .text.settings import TextConfig as TextConfig
    from .training.initialize import Start as Start
    from .training.model import Model as Model
    from .training.resume import resume as resume
    from .training.settings import RunConfig as RunConfig
    from .training.train import train as train
    from .vectors.vectors import Vectors as Vectors

__version__ = "0.1.0"

_HOMES = {
    "Adagrad": "optimizers.adagrad",
    "DenseAdam": "optimizers.dense_adam",
    "Model": "training.model",
    "OptimizerConfig": "optimizers.settings",
    "PhraseConfig": "text.settings",
    "RowwiseAdam": "optimizers.rowwise_adam",
    "RunConfig": "training.settings",
    "SGD": "optimizers.sgd",
    "SkipGramConfig": "objectives.skip_gram.settings",
    "SparseAdam": "optimizers.sparse_adam",
    "Start": "training.initialize",
    "TextConfig": "text.settings",
    "Vectors": "vectors.vectors",
    "W2VError": "errors",
    "resume": "training.resume",
    "train": "training.train",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: Numba alone takes half a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

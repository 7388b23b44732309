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
    from .training.settings import OptimizerConfig as OptimizerConfig
    from .training.settings import RunConfig as RunConfig
    from .training.settings import SkipGramConfig as SkipGramConfig
    from .errors import W2VError as W2VError
    from .training.model import Model as Model
    from .optimizers.classes import SGD as SGD
    from .optimizers.classes import Adagrad as Adagrad
    from .optimizers.classes import DenseAdam as DenseAdam
    from .optimizers.classes import RowwiseAdam as RowwiseAdam
    from .optimizers.classes import SparseAdam as SparseAdam
    from .training.initialize import Start as Start
    from .text.settings import PhraseConfig as PhraseConfig
    from .text.settings import TextConfig as TextConfig
    from .training.train import resume as resume
    from .training.train import train as train
    from .vectors.vectors import Vectors as Vectors

__version__ = "0.1.0"

_HOMES = {
    "Adagrad": "optimizers",
    "DenseAdam": "optimizers",
    "Model": "model",
    "OptimizerConfig": "config",
    "PhraseConfig": "text.config",
    "RowwiseAdam": "optimizers",
    "RunConfig": "config",
    "SGD": "optimizers",
    "SkipGramConfig": "config",
    "SparseAdam": "optimizers",
    "Start": "start",
    "TextConfig": "text.config",
    "Vectors": "vectors",
    "W2VError": "errors",
    "resume": "training",
    "train": "training",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: Numba alone takes half a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})

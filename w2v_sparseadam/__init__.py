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
    from .config import OptimizerConfig as OptimizerConfig
    from .config import RunConfig as RunConfig
    from .config import SkipGramConfig as SkipGramConfig
    from .errors import W2VError as W2VError
    from .model import Model as Model
    from .optimizers import SGD as SGD
    from .optimizers import Adagrad as Adagrad
    from .optimizers import DenseAdam as DenseAdam
    from .optimizers import RowwiseAdam as RowwiseAdam
    from .optimizers import SparseAdam as SparseAdam
    from .start import Start as Start
    from .text.config import PhraseConfig as PhraseConfig
    from .text.config import TextConfig as TextConfig
    from .training import resume as resume
    from .training import train as train
    from .vectors import Vectors as Vectors

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

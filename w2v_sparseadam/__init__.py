"""word2vec on a CPU: skip-gram with a SparseAdam that moves only the touched rows.

``train`` makes a model of text files, ``Vectors`` loads, saves and searches word vectors, and
``SparseAdam`` and ``DenseAdam`` move any float32 matrix.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .errors import W2VError
    from .optimizers import SGD, DenseAdam, SparseAdam
    from .text import TextConfig
    from .training import Model, OptimizerConfig, RunConfig, SkipGramConfig, train
    from .vectors import Vectors

__version__ = "0.1.0"

_HOMES = {
    "SGD": "optimizers",
    "DenseAdam": "optimizers",
    "Model": "training",
    "OptimizerConfig": "training",
    "RunConfig": "training",
    "SkipGramConfig": "training",
    "SparseAdam": "optimizers",
    "TextConfig": "text",
    "Vectors": "vectors",
    "W2VError": "errors",
    "train": "training",
}

__all__ = [
    "SGD",
    "DenseAdam",
    "Model",
    "OptimizerConfig",
    "RunConfig",
    "SkipGramConfig",
    "SparseAdam",
    "TextConfig",
    "Vectors",
    "W2VError",
    "train",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for: Numba alone takes half a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])

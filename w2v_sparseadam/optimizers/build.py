"""From settings to an optimizer, and what it takes of memory."""

import importlib
import inspect
from collections.abc import Callable

import numpy as np

from ..simd.arrays import padded_zeros
from .base import Optimizer
from .settings import OPTIMIZERS, OptimizerConfig


def build_optimizer(settings: OptimizerConfig, param: np.ndarray, n_columns: int) -> Optimizer:
    """Return the optimizer of a matrix.

    Parameters
    ----------
    settings : OptimizerConfig
    param : ndarray of shape (V, D), float32, C-contiguous
        Moved in place.
    n_columns : int
        Columns of it that are in use; those after them are padding that stays 0.
    """
    entry = OPTIMIZERS[settings.optimizer]
    module = importlib.import_module(f".{entry.module}", __package__)
    optimizer: Callable[..., Optimizer] = getattr(module, entry.name)
    known = {**vars(settings.resolved()), "betas": settings.betas, "n_columns": n_columns}
    wanted = inspect.signature(optimizer).parameters
    return optimizer(param, **{name: value for name, value in known.items() if name in wanted})


def row_bytes(settings: OptimizerConfig, dim: int) -> int:
    """Return the bytes of one row of a matrix of ``dim`` dimensions, with its optimizer's state.

    Rows are padded to whole cache lines.
    """
    optimizer = build_optimizer(settings, padded_zeros(1, dim), dim)
    return optimizer.param.nbytes + sum(array.nbytes for array in optimizer.state.values())

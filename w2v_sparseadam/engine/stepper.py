"""What the training loop needs of whatever takes its steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ..optimizers.base import Optimizer


@dataclass(frozen=True)
class Batch:
    """What one step was about."""

    n_tokens: int  # before subsampling
    n_pairs: float  # sum of their weights
    loss: float  # sum over the pairs, each with its negatives


class Stepper(Protocol):
    """Takes the steps of a run: the engine of this machine, or several machines.

    Step number s is batch ``s % n_batches`` of epoch ``s // n_batches``.

    Attributes
    ----------
    tables : mapping of str to Optimizer
        What moves each table, which is its ``param``, by the table's name. What training changes is
        there and in the optimizers' state, so that a checkpoint of those is one of the run.
    n_batches : int
        Batches of an epoch.
    n_threads : int
        Threads that take the steps, on all machines.
    most_steps : int
        Steps that may be asked for at once.
    is_whole : bool
        Whether an exception that :meth:`run` raised has left the tables as they were before.
    """

    tables: Mapping[str, Optimizer]
    n_batches: int
    n_threads: int
    most_steps: int
    is_whole: bool

    @property
    def buffer_bytes(self) -> int:
        """What is allocated here beside the text, the tables and the optimizers' state."""

    def run(self, first_step: int, lrs: Sequence[float]) -> list[Batch]:
        """Take consecutive steps, each with its learning rate."""

    def last_rows(self) -> tuple[np.ndarray, ...]:
        """Return the rows of each table that had a gradient in the last step taken."""

    def has_neighbours(self) -> bool:
        """Whether any word of the text has another beside it in its sentence."""

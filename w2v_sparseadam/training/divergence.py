"""Divergence detection: the loss stays finite, and no vector grows out of bounds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..engine.stepper import Stepper
from ..errors import DivergenceError

LONGEST = 1000.0
"""A vector longer than this has diverged, unless those at the start were long already.

Runs that end well stay below 30 at their defaults; a learning rate so large that the vectors are
useless gives lengths of hundreds.
"""

CHECK_STEPS = 512
"""After so many steps, and at the end of each epoch, vectors are looked at."""

_START_FACTOR = 100
_NAMED = 3
_BLOCK_ROWS = 4096
_SURE = 0.9  # of the square of the limit: more than float32 can be wrong by


class Watch:
    """Stops a run that diverges, and says when and on which words.

    The loss is looked at after each step; the rows that a step moved after every
    :data:`CHECK_STEPS`, which costs less than 1 % of the time; all rows at the end of each epoch.

    Parameters
    ----------
    row_names : callable
        Returns the names of the rows of each table; see `ObjectiveSettings.row_names`.
    stepper : Stepper
        With its tables as they start.
    n_steps : int
        Steps of the whole run.
    limit : float, optional
        What `limit` was when the run began, if the tables are no longer as they started.
    """

    def __init__(
        self,
        row_names: Callable[[], Mapping[str, Sequence[str]]],
        stepper: Stepper,
        n_steps: int,
        limit: float | None = None,
    ) -> None:
        self._row_names = row_names
        self._stepper, self._n_steps = stepper, n_steps
        self._tables = {name: optimizer.param for name, optimizer in stepper.tables.items()}
        if limit is None:
            longest = max(float(_lengths(table).max(initial=0)) for table in self._tables.values())
            limit = max(LONGEST, _START_FACTOR * longest)
        self.limit = limit

    def check(self, step: int, loss: float, lr: float) -> None:
        """Look at a step, counted from 0, and at the vectors if it is the turn of some.

        Raises
        ------
        DivergenceError
            If the loss is not finite or a vector too long; names the step, its epoch and learning
            rate, and the words.
        """
        ends_epoch = (step + 1) % self._stepper.n_batches == 0
        bad: dict[str, np.ndarray] = {}
        what = f"the loss became {loss} at"
        if ends_epoch or not math.isfinite(loss):
            bad = self._all_bad()
        elif (step + 1) % CHECK_STEPS == 0:
            moved = zip(self._tables.items(), self._stepper.last_rows(), strict=True)
            bad = {name: rows[self._bad(table[rows])] for (name, table), rows in moved}
        if any(rows.size for rows in bad.values()):
            grown = f"{self._describe(bad)} by"
            what = grown if math.isfinite(loss) else f"the loss became {loss} and {grown}"
        elif math.isfinite(loss):
            return
        epoch = step // self._stepper.n_batches + 1
        raise DivergenceError(
            f"{what} step {step + 1} of {self._n_steps} (epoch {epoch}, learning rate {lr:.3g})",
            "start again with a lower `lr`",
        )

    def _all_bad(self) -> dict[str, np.ndarray]:
        """Return all rows with a bad vector, looking at a few at a time to copy little."""
        return {
            name: np.concatenate(
                [
                    first + np.flatnonzero(self._bad(table[first : first + _BLOCK_ROWS]))
                    for first in range(0, max(1, len(table)), _BLOCK_ROWS)
                ]
            )
            for name, table in self._tables.items()
        }

    def _bad(self, rows: np.ndarray) -> np.ndarray:
        """Return which rows are longer than the limit, or have a NaN."""
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.einsum("vd,vd->v", rows, rows).astype(np.float64)
        # Float32 is five times as fast, and tells near enough that a vector is far from the limit.
        bad = ~(squares <= _SURE * self.limit**2)
        bad[bad] = ~(_lengths(rows[bad]) <= self.limit)
        return bad

    def _describe(self, bad: Mapping[str, np.ndarray]) -> str:
        row_names = self._row_names()
        # A word may have grown in two tables.
        found = {(row, row_names[name][row]) for name, rows in bad.items() for row in rows.tolist()}
        grown = [name for _, name in sorted(found)]
        names = ", ".join(map(repr, grown[:_NAMED]))
        more = f" and {len(grown) - _NAMED:,} more" if len(grown) > _NAMED else ""
        vectors = "the vector" if len(grown) == 1 else "the vectors"
        return f"{vectors} of {names}{more} grew longer than {self.limit:,.0f}"


def _lengths(rows: np.ndarray) -> np.ndarray:
    """Return the Euclidean length of each row, in float64, which its squares do not overflow."""
    with np.errstate(invalid="ignore"):
        return np.sqrt(np.einsum("vd,vd->v", rows, rows, dtype=np.float64))

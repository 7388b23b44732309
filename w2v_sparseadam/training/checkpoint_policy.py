"""Checkpoint policy: when the state of a run is written to its folder, and how it is restored."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import FormatError, W2VError
from ..events import Event
from ..version import training_version
from .progress import Progress, RunState, run_arrays, run_state, tell_of_version

if TYPE_CHECKING:
    from ..engine.stepper import Stepper
    from ..runs.folder import RunFolder


class CheckpointRequest(Protocol):
    """Asks for a checkpoint while it is set; `threading.Event` is one."""

    def is_set(self) -> bool:
        """Tell whether one is asked for."""

    def clear(self) -> None:
        """Note that it is being written."""


class CheckpointPolicy:
    """Writes checkpoints of a run when they are due, and restores the last good one.

    Attributes
    ----------
    folder : Path
        That of the checkpoints.
    must_load : bool
        Whether the run cannot begin without one.
    """

    def __init__(
        self,
        folder: RunFolder,
        minutes: float,
        now: CheckpointRequest | None,
        emit: Callable[[Event], None],
    ) -> None:
        from .checkpoint import Checkpoints

        self._emit = emit
        self._checkpoints = Checkpoints(folder.checkpoints, emit)
        self._seconds = 60 * minutes
        self._now = now
        self._last = time.monotonic()
        self._folder, self.folder = folder, folder.checkpoints
        self.must_load = False
        self._version = training_version()

    def load(self, stepper: Stepper, dim: int) -> Progress | None:
        """Bring the stepper to the last good checkpoint; None if there is none."""
        self._stepper = stepper
        self._arrays = run_arrays(stepper, dim)
        state = self._checkpoints.load(self._arrays)
        if state is None and self.must_load:
            raise W2VError(
                f"{self._folder.path}: no checkpoint is left of the vectors that it started from",
                "start a new run, from all of its text and with `init` if it had that",
            )
        if state is None:
            return None
        found = RunState.read(state, self._folder.path)
        if found.steps_an_epoch != stepper.n_batches:
            raise FormatError(
                f"{self._folder.path}: its checkpoint counts {found.steps_an_epoch:,} steps an "
                f"epoch, but its settings and text make {stepper.n_batches:,}; put back the files "
                "that belong to it, or start a new run"
            )
        self._version = found.version
        found.restore_counts(stepper, self._folder.path)
        return found.progress

    def tell_of_version(self) -> None:
        """Warn if another version wrote the checkpoint that steps follow."""
        tell_of_version(self._folder.path, self._version, self._emit)

    def check_text(self) -> None:
        """Refuse to go on with word ids that have been changed."""
        self._folder.check_text()

    def keep(self, progress: Progress, ends_epoch: bool) -> None:
        """Write a checkpoint if one is due or asked for."""
        self._checkpoints.poll()
        asked = self._now is not None and self._now.is_set()
        if asked and self._now is not None:
            self._now.clear()  # first: who asks while it is written wants another
        if ends_epoch or asked or time.monotonic() - self._last >= self._seconds:
            self._checkpoints.save(progress.step, self._arrays, self._state(progress))
            self._last = time.monotonic()

    def keep_start(self, progress: Progress) -> None:
        """Write a checkpoint before the first step: nothing else in the folder has the vectors."""
        self._checkpoints.save(progress.step, self._arrays, self._state(progress))

    def keep_before_leaving(self, progress: Progress) -> None:
        """Write a checkpoint, whatever ``on_event`` raises."""
        self._checkpoints.save_before_leaving(progress.step, self._arrays, self._state(progress))

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for the checkpoint that is being written."""
        self._checkpoints.wait(quietly=kind is not None)

    def _state(self, progress: Progress) -> dict[str, Any]:
        return run_state(progress, self._stepper)

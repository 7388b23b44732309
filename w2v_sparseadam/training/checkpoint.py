"""The checkpoints of a run in training: written in a thread, the last two kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import FormatError, W2VError
from ..events import CheckpointWritten, Event, Warned
from ..runs.checkpoint_file import (
    Arrays,
    checkpoint_paths,
    path_of,
    read_checkpoint,
    step_of,
    write_checkpoint,
)
from ..system.machine import available_memory
from ..system.workers import start_thread

_N_KEPT = 2


class Checkpoints:
    """The checkpoints of a run: the last two, so that damage to one costs little.

    Parameters
    ----------
    folder : Path
        Holds nothing else. A file's name tells its step.
    on_event : callable
        Receives, in the thread that calls a method, ``checkpoint`` (step, bytes, seconds) for each
        one written and ``warning`` (message) for each that could not be written or read.
    """

    def __init__(self, folder: Path, on_event: Callable[[Event], None]) -> None:
        self._folder = folder
        self._emit = on_event
        self._writing: threading.Thread | None = None
        self._outcome: Event | None = None
        self._step_written: int | None = None
        # Kept, because memory that the process already has is filled several times as fast.
        self._copies: Arrays | None = None

    def load(self, arrays: Arrays) -> Any:
        """Fill arrays from the last good checkpoint, and return its state; None if there is none.

        A damaged one is removed once the one before it proves to be good.

        Raises
        ------
        FormatError
            If there are checkpoints, but no good one.
        W2VError
            If one cannot be read for another reason than damage.
        """
        damaged: list[Path] = []
        for path in reversed(checkpoint_paths(self._folder)):
            try:
                state = read_checkpoint(path, arrays)
            except FormatError as error:
                damaged.append(path)
                self._emit(Warned(f"{error}; trying the one before it"))
                continue
            except OSError as error:  # which may pass, so the one before is not taken
                raise W2VError(
                    f"{path}: cannot be read ({error.strerror}); fix that, or delete it to resume "
                    "from the one before it"
                ) from error
            for other in damaged:
                with suppress(OSError):
                    other.unlink()
            self._step_written = step_of(path)
            return state
        if damaged:
            raise FormatError(
                f"{self._folder}: no checkpoint is whole; to train from the start again, delete "
                "them and resume"
            )
        return None

    def save(self, step: int, arrays: Arrays, state: Any) -> None:
        """Write a checkpoint: in a thread if there is memory for a copy, else before returning.

        A failure is a warning: the checkpoints there are stay, and training may go on.
        """
        self.wait()
        if self._step_written == step:
            return
        if self._copies is None:
            self._copies = _room_for_copies(arrays)
        if self._copies is None:
            self._write(step, arrays, state)
            self.wait()
            return
        for name, array in arrays.items():
            np.copyto(self._copies[name], array)
        try:
            self._writing = start_thread(self._write, step, self._copies, state, daemon=False)
        except W2VError:
            self._write(step, self._copies, state)

    def save_before_leaving(self, step: int, arrays: Arrays, state: Any) -> None:
        """Write a checkpoint because ``on_event`` has raised; what it raises again is ignored."""
        self.wait(quietly=True)
        if self._step_written != step:
            self._write(step, arrays, state)
            self.wait(quietly=True)

    def wait(self, quietly: bool = False) -> None:
        """Wait for what is being written, and report it; quietly, whatever ``on_event`` raises."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        with suppress(Exception, KeyboardInterrupt) if quietly else nullcontext():
            self.poll()

    def poll(self) -> None:
        """Report what has been written since the last call."""
        if self._outcome is not None and (self._writing is None or not self._writing.is_alive()):
            outcome, self._outcome = self._outcome, None
            self._emit(outcome)

    @property
    def any(self) -> bool:
        """Whether there is a checkpoint."""
        return bool(checkpoint_paths(self._folder))

    def _write(self, step: int, arrays: Arrays, state: Any) -> None:
        """Write a checkpoint and remove all but the last two; note how it went."""
        began = time.perf_counter()
        path = path_of(self._folder, step)
        try:
            write_checkpoint(path, arrays, state)
            for old in checkpoint_paths(self._folder)[:-_N_KEPT]:
                old.unlink()
        except (W2VError, OSError) as error:
            self._outcome = Warned(
                f"no checkpoint at step {step}: {error}; training goes on, and the next one is "
                "tried in its time"
            )
            return
        self._step_written = step
        seconds = time.perf_counter() - began
        self._outcome = CheckpointWritten(step, path.stat().st_size, seconds)


def _room_for_copies(arrays: Arrays) -> Arrays | None:
    """Return room for copies, or None if they would take more than half the free memory."""
    n_bytes = sum(array.nbytes for array in arrays.values())
    if n_bytes > available_memory() / 2:
        return None
    try:
        return {name: np.empty(array.shape, array.dtype) for name, array in arrays.items()}
    except MemoryError:
        return None

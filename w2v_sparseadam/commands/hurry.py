"""Exit soon after Ctrl-C while a kernel is compiled, which Python cannot interrupt."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click

from ..system.workers import start_thread

_SECONDS = 1.0


class Compiling(Protocol):
    """Tells which signals end the command, and whether a kernel is being compiled."""

    compiling: bool

    def handles(self, number: int) -> bool:
        """Whether a signal ends the command."""


@contextmanager
def left_soon(signals: Compiling, left_undone: str) -> Iterator[None]:
    """End the process a second after a signal in the block, if a kernel is compiled then.

    Nothing is lost: commands write only later. Python runs signal handlers between two of its
    instructions, so not before LLVM has compiled the kernel, but it wakes the thread that watches
    at once. Another signal ends the process without waiting.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    thread = start_thread(_watch, reading, signals, left_undone)
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(writing)
        thread.join()
        os.close(reading)


def _watch(reading: int, signals: Compiling, left_undone: str) -> None:
    """Wait for signals, until the other end of the pipe is closed."""
    while got := os.read(reading, 1):
        if not signals.handles(got[0]):
            continue
        if select.select([reading], [], [], _SECONDS)[0] and not os.read(reading, 1):
            return  # in time
        if signals.compiling:
            word = "Interrupted" if got[0] == signal.SIGINT else "Terminated"
            click.echo(f"{word}{left_undone}.", err=True)
            os._exit(128 + got[0])

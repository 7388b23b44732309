"""Signals: those that end a command, also while a kernel is compiled, and one that asks."""

from __future__ import annotations

import ctypes
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ..system.workers import start_thread

_SECONDS = 1.0  # from a signal to the end, while a kernel is compiled


class Stopped(KeyboardInterrupt):
    """A signal asked to stop.

    Not KeyboardInterrupt itself: once one has crossed an ``exec``, of which Numba has many,
    Python ends by SIGINT whatever the exit code.
    """


class StopSignals:
    """Lets Ctrl-C, SIGTERM and SIGHUP end a ``with`` block by an exception, so that it cleans up.

    Attributes
    ----------
    received : int or None
        The signal that came, if any. Numba may turn an exception that interrupts it into
        another, or swallow it.
    deferred : bool
        Whether to wait for the next `check` instead of raising at once.
    compiling : bool
        Whether a kernel is being compiled, which nothing can interrupt; see `exit_soon`.
    saves : bool
        Whether the work after a signal may take a while, as a checkpoint does. Then the same
        signal again ends the process at once, and others, which supervisors may send along, are
        ignored. If False, all further signals are ignored.
    note : str
        What to say of the work instead of the command's `left_undone`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False
        self.compiling = False
        self.saves = False
        self.note = ""
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets only the main thread handle signals
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        if hasattr(signal, "SIGHUP"):
            usual[signal.SIGHUP] = signal.SIG_DFL
        for number, handler in usual.items():
            if signal.getsignal(number) == handler:  # one that is ignored stays so
                self._handlers[number] = handler
                signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def handles(self, number: int) -> bool:
        """Whether a signal ends the block."""
        return number in self._handlers

    def check(self) -> None:
        """Raise the exception if a signal has come and the exception was deferred or lost."""
        if self.received:
            raise Stopped

    def _stop(self, number: int, _: object) -> None:
        # Handlers stay as they are: Python raises if one of several signals that came together
        # finds that its handler is gone.
        if self.received is None:
            self.received = number
            if not self.deferred:
                raise Stopped
        elif self.saves and number == self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        # Else it is ignored: cleaning up takes no time.


@contextmanager
def bus_errors_told() -> Iterator[None]:
    """End the process with one line if a memory-mapped file is truncated in the block.

    The handler is one of the system: those of Python run between two of its instructions, and
    none follows here.
    """
    if not hasattr(signal, "SIGBUS"):  # Windows
        yield
        return
    system = ctypes.CDLL(None)
    system.signal.argtypes, system.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_end_by_bus_error)
    before = system.signal(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))
    try:
        yield
    finally:
        system.signal(signal.SIGBUS, before)


def _end_by_bus_error(_: int) -> None:
    line = (
        "Error: a file that is mapped into memory (word ids of the text, a checkpoint or a model) "
        "was cut short, or its disk failed\n"
    )
    os.write(2, line.encode())
    os._exit(1)


@contextmanager
def exit_soon(signals: StopSignals, left_undone: str) -> Iterator[None]:
    """End the process a second after a signal in the block, if a kernel is compiled then.

    Nothing is lost: commands write only later. Python runs signal handlers between two of its
    instructions, so not before LLVM has compiled the kernel, but it wakes the thread that watches
    at once. Another signal ends the process without waiting.
    """
    # Windows cannot wait for a pipe; there, Ctrl-C comes when the kernel is compiled.
    if os.name == "nt" or threading.current_thread() is not threading.main_thread():
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


def _watch(reading: int, signals: StopSignals, left_undone: str) -> None:
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


class CheckpointAsked:
    """A request for a checkpoint, which a signal handler can make.

    A `threading.Event` has a lock: a handler that interrupts the holder would wait for ever.
    """

    def __init__(self) -> None:
        self._is_set = False

    def set(self) -> None:
        """Ask for a checkpoint."""
        self._is_set = True

    def is_set(self) -> bool:
        """Tell whether a checkpoint is asked for."""
        return self._is_set

    def clear(self) -> None:
        """Withdraw the request."""
        self._is_set = False


@contextmanager
def asked_by_sigusr1() -> Iterator[CheckpointAsked]:
    """Yield a request that SIGUSR1 makes, where there is such a signal."""
    asked = CheckpointAsked()
    in_main_thread = threading.current_thread() is threading.main_thread()
    if not (in_main_thread and hasattr(signal, "SIGUSR1")):
        yield asked
        return
    before = signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    try:
        yield asked
    finally:
        signal.signal(signal.SIGUSR1, before)

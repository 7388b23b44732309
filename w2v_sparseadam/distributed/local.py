"""Processes of this machine as a cluster."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from multiprocessing import current_process, resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory

import dask
from distributed import Client, LocalCluster

from ..errors import ClusterError

_LOOPBACK = "127.0.0.1"
_MANY = 1_000_000
SILENT = logging.CRITICAL + 1
"""A level of logs. What matters is raised here; at its end, the scheduler calls it critical that
the client has gone."""
_IMPORTED = "W2V_SPARSEADAM_IMPORTED"
"""A folder, in the environment of processes that are started."""


@contextmanager
def local_client(n_workers: int, n_threads: int) -> Iterator[Client]:
    """Open a cluster of processes on this machine, with no port beyond the loopback interface."""
    # Its processes share this machine's memory, which is checked before the run. One that dies is
    # started again, however often.
    settings = {"distributed.scheduler.allowed-failures": _MANY}
    with ExitStack() as stack:
        stack.enter_context(dask.config.set(settings))
        with _interrupts_blocked(), _imports_found(), _start_told():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=n_threads,
                processes=True,
                host=_LOOPBACK,
                # Without one, Dask tries port 8787, and warns if it is in use.
                dashboard_address=f"{_LOOPBACK}:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=None,
                silence_logs=SILENT,
            )
        stack.enter_context(cluster)
        yield stack.enter_context(Client(cluster, set_as_default=False))


@contextmanager
def _start_told() -> Iterator[None]:
    """Say in one line why processes cannot be started."""
    try:
        yield
    except (RuntimeError, OSError) as error:
        reason = error.__cause__ or error
        raise ClusterError(f"the workers cannot be started ({reason})") from error


@contextmanager
def _imports_found() -> Iterator[None]:
    """Say so if a script that trains is imported by each process that it starts.

    Such a process gets here, too. It ends without a word, and leaves a file for this one to find.
    """
    if getattr(current_process(), "_inheriting", False):  # as multiprocessing itself looks
        if folder := os.environ.get(_IMPORTED):
            Path(folder, "imported").touch()
        sys.exit(1)
    with TemporaryDirectory() as folder:
        os.environ[_IMPORTED] = folder
        try:
            yield
        except ClusterError:
            if not any(os.scandir(folder)):
                raise
            raise ClusterError(
                "the workers cannot be started: each of them imports this script, which then "
                "trains again",
                'let it train below the line: if __name__ == "__main__":',
            ) from None
        finally:
            del os.environ[_IMPORTED]


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT in the threads and processes that are started in the block.

    A terminal sends Ctrl-C to all processes. This one must end the others.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # to start it unblocks the signal in a thread
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

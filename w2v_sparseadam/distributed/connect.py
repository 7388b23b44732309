"""Opens a Dask cluster."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from distributed import Client
from distributed.comm.addressing import get_address_host_port

from ..errors import ClusterError, check_range, wrong_type
from ..events import Connecting, Emit
from ..system.machine import usable_processors
from .cluster import Cluster
from .local import SILENT, local_client

_MANY = 1_000_000
_SOON = 2.0


@contextmanager
def connected(
    cluster: Client | str | int, threads: int | None, emit: Emit = lambda _: None
) -> Iterator[Cluster]:
    """Open a cluster.

    Parameters
    ----------
    cluster : distributed.Client, str or int
        A client, which stays open; the address of a scheduler; or a number of processes to start
        on this machine, which no other can reach.
    threads : int or None
        Threads of each worker; of all, if they are processes of this machine.
    emit : callable
        Receives events.

    Raises
    ------
    ClusterError
        If the scheduler cannot be reached, or has no workers.
    """
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if isinstance(cluster, int) and not isinstance(cluster, bool):
            check_range("cluster", cluster, 1, _MANY)
            n_threads = threads or usable_processors()
            client = stack.enter_context(local_client(cluster, max(1, n_threads // cluster)))
            opened = Cluster(client, None)
            opened.n_processes = cluster
            yield opened
            return
        if isinstance(cluster, str):
            client = stack.enter_context(_client_of(cluster, emit))
        elif isinstance(cluster, Client):
            client = cluster
        else:
            raise wrong_type(
                "cluster", "a distributed.Client, the address of a scheduler, or a number", cluster
            )
        opened = Cluster(client, threads)
        if not opened.workers:
            address = client.scheduler_info()["address"]
            raise ClusterError(
                f"{address}: the scheduler has no workers",
                f"start some with dask worker {address}",
            )
        stack.callback(opened.release)
        yield opened


def _client_of(address: str, emit: Emit) -> Client:
    """Connect to a scheduler."""
    if not address.startswith(("inproc:", "ucx:")):  # which have no ports
        try:
            place = get_address_host_port(address)
        except ValueError:
            raise ClusterError(
                f"{address!r:.80} is not the address of a scheduler",
                "give one with its port, such as tcp://host:8786",
            ) from None
        if not _answers(place):
            emit(Connecting(address))
    try:
        return Client(address, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:  # the last if TLS has no certificate
        reason = str(error).splitlines()[0]
        raise ClusterError(
            f"{address}: the scheduler cannot be reached ({reason})",
            "start one with dask scheduler",
        ) from None


def _answers(place: tuple[str, int]) -> bool:
    """Whether something listens at a host and port."""
    try:
        socket.create_connection(place, timeout=_SOON).close()
    except (OSError, OverflowError):  # the latter of a port
        return False
    return True


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging what is told in one line here."""
    loggers = [logging.getLogger(f"distributed.{name}") for name in ("client", "core", "scheduler")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(SILENT)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

"""A Dask cluster, whose workers run tasks; see https://distributed.dask.org."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any

import dask
import distributed
from distributed import Client, Future, LocalCluster
from distributed.scheduler import KilledWorker

from ..errors import W2VError, check_range, wrong_type
from ..system.machine import usable_processors

TRAIN = "w2v-train"
"""A worker has one of this resource, so that it trains one shard at a time."""

WORK = "w2v-work"
"""Workers that were admitted have plenty of this resource; others have none, and get no task."""

_POLL_SECONDS = 0.5
_LOOPBACK = "127.0.0.1"
_MANY = 1_000_000


class ClusterError(W2VError):
    """A cluster that cannot be reached, or has gone."""


class DataLost(Exception):  # noqa: N818 - who catches it repeats the work
    """A task cannot be done any more as it stands: what it needs is gone, or workers died of it."""


class Cluster:
    """Runs tasks on the workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
    threads : int or None
        Threads of each worker; None for as many as Dask gives it.
    """

    def __init__(self, client: Client, threads: int | None) -> None:
        self.client = client
        self.threads = threads
        self._run = secrets.token_hex(4)
        self._n_keys = 0

    @property
    def workers(self) -> dict[str, Any]:
        """What the scheduler knows of each worker, by its address."""
        return dict(self.client.scheduler_info(n_workers=-1)["workers"])

    @property
    def admitted(self) -> list[str]:
        """The addresses of the workers that get tasks."""
        return sorted(name for name, info in self.workers.items() if info["resources"].get(WORK))

    def submit(
        self, work: Callable[..., Any], *args: Any, name: str, trains: bool = False
    ) -> Future:
        """Run a function on some worker; futures among its arguments are their results there."""
        self._n_keys += 1
        # Dask keeps the mean time of tasks by the words that their keys begin with.
        return self.client.submit(
            work,
            *args,
            key=f"w2v-{name}-{self._run}-{self._n_keys}",
            pure=False,
            resources={TRAIN: 1, WORK: 1} if trains else {WORK: 1},
        )

    def scatter(self, value: Any, workers: list[str], *, everywhere: bool = False) -> Future:
        """Send a value to one of some workers, or to all of them, not through the scheduler."""
        self.check_alive()
        # In a list, because Dask would take a dict or a tuple apart.
        (future,) = self.client.scatter(
            [value], workers=workers, broadcast=everywhere, hash=False, direct=True
        )
        return future

    def result(self, future: Future) -> Any:
        """Return the result of a task that is done, not through the scheduler if it can be had."""
        try:
            return self.client.gather(future, direct=True)
        except (OSError, distributed.CancelledError, KeyError) as error:
            self.check_alive()
            raise DataLost(str(error)) from error

    def cancel(self, futures: Collection[Future]) -> None:
        """Give tasks up, if the scheduler can still be told."""
        with suppress(Exception):
            self.client.cancel(list(futures), force=True)

    def wait(self, futures: Collection[Future], poll: Callable[[int], None]) -> None:
        """Wait for tasks; call ``poll`` with the number of those done, again and again.

        Raises
        ------
        DataLost
            If one of them can no longer be done as it stands.
        ClusterError
            If the scheduler has gone.
        W2VError
            What a task raised.
        """
        done: SimpleQueue[Future] = SimpleQueue()
        for future in futures:
            future.add_done_callback(done.put)
        n_done = 0
        while n_done < len(futures):
            self.check_alive()
            with suppress(Empty):
                _check_done(done.get(timeout=_POLL_SECONDS))
                n_done += 1
            poll(n_done)

    def check_alive(self) -> None:
        """Raise an error if the scheduler has gone."""
        if self.client.status == "running":
            return
        with suppress(Exception):  # it reconnects for as long as Dask's configuration says
            self.client.sync(self._reconnected)
        if self.client.status != "running":
            raise ClusterError("the scheduler has gone")
        raise DataLost("the connection to the scheduler was interrupted")

    async def _reconnected(self) -> None:
        import asyncio

        while self.client.status == "connecting":
            await asyncio.sleep(0.1)


def _check_done(future: Future) -> None:
    """Raise what a task raised, if anything."""
    if future.status == "finished":
        return
    if future.status != "error":
        raise DataLost(f"a task was {future.status}")
    error = future.exception()
    if isinstance(error, KilledWorker):
        raise DataLost(
            "a task was given up because several workers died while they did it"
        ) from error
    assert error is not None
    raise error


@contextmanager
def connected(cluster: Client | str | int, threads: int | None) -> Iterator[Cluster]:
    """Open a cluster.

    Parameters
    ----------
    cluster : distributed.Client, str or int
        A client, which stays open; the address of a scheduler; or a number of processes to start
        on this machine, which no other can reach.
    threads : int or None
        Threads of each worker; of all, if they are processes of this machine.

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
            client = stack.enter_context(_local_client(cluster, max(1, n_threads // cluster)))
            yield Cluster(client, None)
            return
        if isinstance(cluster, str):
            try:
                client = stack.enter_context(Client(cluster, set_as_default=False))
            except (OSError, ValueError) as error:
                reason = str(error).splitlines()[0]
                raise ClusterError(
                    f"{cluster}: the scheduler cannot be reached ({reason})",
                    "start one with dask scheduler",
                ) from None
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
        yield opened


@contextmanager
def _local_client(n_workers: int, n_threads: int) -> Iterator[Client]:
    """Open a cluster of processes on this machine, with no port beyond the loopback interface."""
    # Its processes share this machine's memory, which is checked before the run. One that dies is
    # started again, however often.
    settings = {"distributed.scheduler.allowed-failures": _MANY}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=n_threads,
            processes=True,
            host=_LOOPBACK,
            # Without one, Dask tries port 8787, and warns if it is in use.
            dashboard_address=f"{_LOOPBACK}:0",
            scheduler_kwargs={"dashboard": False},
            memory_limit=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from logging what is told in one line here."""
    loggers = [logging.getLogger(name) for name in ("distributed.client", "distributed.core")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

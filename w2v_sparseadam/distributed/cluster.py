"""A Dask cluster, whose workers run tasks; see https://distributed.dask.org."""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import secrets
import time
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import distributed
from distributed import Client, Future
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker

from ..errors import ClusterError, check_range, wrong_type
from ..events import Emit, Warned
from ..system.machine import usable_processors
from .local import local_client
from .tasks import refusal_of

TRAIN = "w2v-train"
"""A worker has one of this resource, so that it trains one shard at a time."""

WORK = "w2v-work"
"""Workers that were admitted have plenty of this resource; others have none, and get no task."""

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_MOST_TRIES = 20
_MOST_SECONDS_WITHOUT = 120.0
_MANY = 1_000_000


T = TypeVar("T")


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
        self._loop: Any = client.loop
        self._run = secrets.token_hex(4)
        self._n_keys = 0
        self._seen: set[str] = set()  # workers that get tasks
        self._refused: set[str] = set()
        self._next_look = 0.0
        self._none_since: float | None = None  # when the last of them was seen to have gone
        self.n_processes = 0  # that were started on this machine, to be kept up

    @property
    def workers(self) -> dict[str, Any]:
        """What the scheduler knows of each worker, by its address."""
        # `Client.scheduler_info` may return what its own timer asks for: without workers.
        scheduler: Any = self.client.scheduler
        known = self.client.sync(scheduler.identity, n_workers=-1)
        return dict(known["workers"])

    @property
    def admitted(self) -> list[str]:
        """The addresses of the workers that get tasks."""
        return sorted(name for name, info in self.workers.items() if info["resources"].get(WORK))

    def submit(
        self, work: Callable[..., Any], *args: Any, name: str, trains: bool = False
    ) -> Future:
        """Run a function on some worker; futures among its arguments are their results there."""
        self._n_keys += 1
        with self.lost_told():
            # Dask keeps the mean time of tasks by the words that their keys begin with.
            return self.client.submit(
                work,
                *args,
                key=f"w2v-{name}-{self._run}-{self._n_keys}",
                pure=False,
                resources={TRAIN: 1, WORK: 1} if trains else {WORK: 1},
            )

    def send(self, value: Any, worker: str, poll: Callable[[], None]) -> Future:
        """Send a value to a worker, not through the scheduler; others fetch it there.

        It is not sent to all at once: Dask's broadcast never ends if one of them dies meanwhile.
        """
        # In a list, because Dask would take a dict or a tuple apart.
        options = {"workers": [worker], "hash": False, "direct": True}
        (future,) = self._done(
            lambda: self.client.scatter([value], **options, asynchronous=True), poll
        )
        return future

    def results(
        self, futures: Sequence[Future], poll: Callable[[], None], kept: Collection[Future] = ()
    ) -> list[Any]:
        """Return the results of tasks that are done, not through the scheduler if possible.

        ``poll``, ``kept`` and errors are as for `wait`.
        """
        wanted = list(futures)
        return self._done(
            lambda: self.client.gather(wanted, direct=True, asynchronous=True), poll, kept
        )

    def _done(
        self,
        ask: Callable[[], Coroutine[Any, Any, T]],
        poll: Callable[[], None],
        kept: Collection[Future] = (),
    ) -> T:
        """Return what the client is asked for; call ``poll`` again and again meanwhile."""
        with self.lost_told():
            answer = asyncio.run_coroutine_threadsafe(ask(), self._loop.asyncio_loop)
            while not answer.done():
                concurrent.futures.wait([answer], _POLL_SECONDS)
                try:
                    self._check(kept)
                    poll()
                except BaseException:
                    answer.cancel()
                    raise
            return answer.result()

    def wait(
        self,
        futures: Collection[Future],
        poll: Callable[[int], None],
        kept: Collection[Future] = (),
    ) -> None:
        """Wait for tasks.

        Parameters
        ----------
        futures : collection of Future
        poll : callable
            Receives the number of tasks that are done, again and again.
        kept : collection of Future
            What the tasks are made from. Rather than make it again, they are given up.

        Raises
        ------
        DataLost
            If a task can no longer be done as it stands, or something kept is lost.
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
            self._check(kept)
            with suppress(Empty):
                self._check_done(done.get(timeout=_POLL_SECONDS))
                n_done += 1
            poll(n_done)

    def _check_done(self, future: Future) -> None:
        """Raise what a task raised, if anything."""
        if future.status == "finished":
            return
        if future.status != "error":
            self._check_alive()
            raise DataLost(f"a task was {future.status}")
        error = future.exception()
        assert error is not None
        if isinstance(error, KilledWorker):
            raise DataLost(_reason_of(error)) from error
        raise error

    def wait_for_workers(self, emit: Emit, poll: Callable[[], None]) -> list[str]:
        """Return the workers that get tasks, as soon as there are any."""
        while True:
            self._next_look = 0.0
            self.look(emit)
            if self._seen:
                return sorted(self._seen)
            poll()
            time.sleep(_POLL_SECONDS)

    def look(self, emit: Emit) -> None:
        """Tell of workers that have gone or were refused, every few seconds.

        Raises
        ------
        ClusterError
            If the processes of this machine do not stay up. Other workers may join at any time.
        """
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_SECONDS
        with self.lost_told():
            workers = self.workers
        admitted = {name for name, info in workers.items() if info["resources"].get(WORK)}
        for name in sorted(self._seen - set(workers)):
            # What is still fetched from a worker that hangs is fetched from another.
            self._loop.add_callback(self.client.rpc.remove, name)
            emit(Warned(f"{name}: this worker has gone; others do its work"))
        for name, info in workers.items():
            if name not in self._refused and info["resources"].get(WORK) == 0:
                self._refused.add(name)
                emit(Warned(f"{name}: this worker gets no task: it {self._reason(name)}"))
        if self._seen and not admitted:
            emit(Warned("no worker is left; waiting for one to join"))
        if len(workers) < self.n_processes:
            # Dask starts a process again, but not if it died while it started.
            local: Any = self.client.cluster
            local.scale(self.n_processes)
        self._seen = admitted
        self._check_processes(bool(admitted))

    def _check_processes(self, are_up: bool) -> None:
        """Raise an error if no process of this machine has been up for too long."""
        now = time.monotonic()
        if are_up or not self.n_processes:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = now
        elif now - self._none_since > _MOST_SECONDS_WITHOUT:
            raise ClusterError(
                f"no worker of this machine has been up for {_MOST_SECONDS_WITHOUT:.0f} s",
                "look for what kills them, such as full memory",
            )

    def _reason(self, worker: str) -> str:
        """Return why a worker was refused."""
        reasons = self.client.run(refusal_of, workers=[worker], on_error="return")
        reason = reasons.get(worker, "has gone")
        if isinstance(reason, BaseException):
            return f"cannot say why, as another version of this program ({reason!r:.80})"
        return str(reason)

    def _check(self, kept: Collection[Future]) -> None:
        """Raise an error if the scheduler has gone, or something kept is not there any more."""
        self._check_alive()
        if any(future.status != "finished" for future in kept):
            raise DataLost("a worker has gone that held a part of the model")

    def _check_alive(self) -> None:
        """Raise an error if the scheduler has gone, or has been away."""
        if self.client.status == "running":
            return
        while self.client.status == "connecting":  # for as long as Dask's configuration says
            time.sleep(_POLL_SECONDS)
        if self.client.status != "running":
            raise ClusterError("the scheduler has gone")
        raise DataLost("the connection to the scheduler was interrupted")

    @contextmanager
    def lost_told(self) -> Iterator[None]:
        """Turn what Dask raises for a scheduler or for data that have gone into our errors."""
        try:
            yield
        except (
            OSError,
            KeyError,
            ValueError,  # of a worker to send to, which has gone
            KilledWorker,
            ClosedClientError,
            distributed.CancelledError,
            asyncio.CancelledError,
        ) as error:
            self._check_alive()
            raise DataLost(_reason_of(error)) from error


def _reason_of(error: BaseException) -> str:
    """Say why something is lost."""
    if isinstance(error, KilledWorker):
        return "a task was given up because several workers died while they did it"
    if isinstance(error, OSError):
        return "the connection to a worker was lost"
    return str(error).partition("\n")[0] or type(error).__name__


def repeated(work: Callable[[], T], what: str, emit: Emit) -> T:
    """Do work on a cluster, and do it again if data is lost.

    Raises
    ------
    ClusterError
        If the scheduler has gone, or the work fails again and again.
    W2VError
        What the work raises.
    """
    for n_failed in range(1, _MOST_TRIES + 1):
        try:
            return work()
        except DataLost as error:
            if n_failed == _MOST_TRIES:
                raise ClusterError(
                    f"{what} failed {n_failed} times, the last time because {error}",
                    "look at the logs of the workers, and whether their memory is full",
                ) from error
            emit(Warned(f"{error}; {what} is repeated"))
    raise AssertionError


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
            client = stack.enter_context(local_client(cluster, max(1, n_threads // cluster)))
            opened = Cluster(client, None)
            opened.n_processes = cluster
            yield opened
            return
        if isinstance(cluster, str):
            try:
                client = stack.enter_context(Client(cluster, set_as_default=False))
            except (OSError, ValueError, TypeError) as error:  # the last if TLS has no certificate
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

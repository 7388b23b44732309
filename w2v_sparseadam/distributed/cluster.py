"""A Dask cluster, whose workers run tasks; see https://distributed.dask.org."""

from __future__ import annotations

import asyncio
import concurrent.futures
import secrets
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar
from weakref import WeakSet

import distributed
from distributed import Client, Future
from distributed.client import ClosedClientError
from distributed.scheduler import KilledWorker

from ..errors import ClusterError
from ..events import Emit, Warned
from .tasks import refusal_of

TRAIN = "w2v-train"
"""A worker has one of this resource, so that it trains one shard at a time."""

WORK = "w2v-work"
"""Workers that were admitted have plenty of this resource; others have none, and get no task."""

_POLL_SECONDS = 0.5
_LOOK_SECONDS = 2.0
_ANSWER_SECONDS = 60.0  # of a scheduler that is there
_MOST_TRIES = 20
_MOST_SECONDS_WITHOUT = 120.0
_MOST_DEATHS = 20  # of processes of this machine, while no task is done
_WHY_PROCESSES_DIE = "look for what kills them, such as full memory"

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
        self._token = secrets.token_hex(4)
        self._n_keys = 0
        self._futures: WeakSet[Future] = WeakSet()
        self._seen: set[str] = set()  # workers that get tasks
        self._refused: set[str] = set()
        self._next_look = 0.0
        self._none_since: float | None = None  # when the last of them was seen to have gone
        self._n_deaths = 0  # since a task was done
        self.n_processes = 0  # that were started on this machine, to be kept up

    @property
    def workers(self) -> dict[str, Any]:
        """What the scheduler knows of each worker, by its address."""
        self._check_alive()
        # `Client.scheduler_info` may return what its own timer asks for: without workers.
        scheduler: Any = self.client.scheduler
        with self.lost_told():
            known = self.client.sync(
                scheduler.identity, n_workers=-1, callback_timeout=_ANSWER_SECONDS
            )
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
            future = self.client.submit(
                work,
                *args,
                key=f"w2v-{name}-{self._token}-{self._n_keys}",
                pure=False,
                resources={TRAIN: 1, WORK: 1} if trains else {WORK: 1},
            )
        self._futures.add(future)
        return future

    def send(self, value: Any, worker: str, poll: Callable[[], None]) -> Future:
        """Send a value to a worker, not through the scheduler; others fetch it there.

        It is not sent to all at once: Dask's broadcast never ends if one of them dies meanwhile.
        """
        # In a list, because Dask would take a dict or a tuple apart.
        options = {"workers": [worker], "hash": False, "direct": True}
        (future,) = self._done(lambda: self.client.scatter([value], **options), poll)
        self._futures.add(future)
        return future

    def results(
        self, futures: Sequence[Future], poll: Callable[[], None], kept: Collection[Future] = ()
    ) -> list[Any]:
        """Return the results of tasks that are done, not through the scheduler if possible.

        ``poll``, ``kept`` and errors are as for `wait`.
        """
        wanted = list(futures)
        return self._done(lambda: self.client.gather(wanted, direct=True), poll, kept)

    def run(
        self, work: Callable[..., Any], *args: Any, workers: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Call a function on some workers, or on all, beside their tasks.

        Returns
        -------
        dict of str
            What it returned, or the exception that it raised, by the addresses of the workers.

        Raises
        ------
        DataLost
            If one of them goes meanwhile. Dask may wait for its answer for ever.
        """
        asked = list(self.workers if workers is None else workers)
        answers: dict[str, Any] = self._done(
            lambda: self.client.run(work, *args, workers=asked, on_error="return"),
            lambda: self._check_there(asked),
        )
        if any(isinstance(answer, OSError) for answer in answers.values()):
            raise DataLost("a worker has gone")
        return answers

    def register(self, plugin: distributed.WorkerPlugin) -> None:
        """Set up a plugin on all workers, and on those that join; errors are as for `run`."""
        asked = list(self.workers)
        self._done(lambda: self.client.register_plugin(plugin), lambda: self._check_there(asked))

    def _check_there(self, workers: Collection[str]) -> None:
        """Raise an error if one of some workers has gone."""
        if not set(workers) <= set(self.workers):
            raise DataLost("a worker has gone")

    def _done(
        self,
        ask: Callable[[], Any],
        poll: Callable[[], None],
        kept: Collection[Future] = (),
    ) -> Any:
        """Return what the client is asked for; call ``poll`` again and again meanwhile."""

        async def asked() -> Any:
            return await ask()  # in its own thread, the client does not wait

        answer = asyncio.run_coroutine_threadsafe(asked(), self._loop.asyncio_loop)
        try:
            while not answer.done():
                concurrent.futures.wait([answer], _POLL_SECONDS)
                self._check(kept)
                poll()
        except BaseException:
            answer.cancel()
            raise
        with self.lost_told():
            return answer.result()

    def release(self) -> None:
        """Let the scheduler forget all that was submitted or sent, whoever still refers to it."""
        for future in self._futures:
            future.release()

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
            self._n_deaths = 0
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
        workers = self.workers
        admitted = {name for name, info in workers.items() if info["resources"].get(WORK)}
        for name in sorted(self._seen - set(workers)):
            # What is still fetched from a worker that hangs is fetched from another.
            self._loop.add_callback(self.client.rpc.remove, name)
            emit(Warned(f"{name}: this worker has gone; others do its work"))
            self._n_deaths += 1
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
        """Raise an error if the processes of this machine do not stay up long enough."""
        now = time.monotonic()
        if self.n_processes and self._n_deaths >= _MOST_DEATHS:
            raise ClusterError(
                f"workers of this machine died {self._n_deaths} times, with nothing done meanwhile",
                _WHY_PROCESSES_DIE,
            )
        if are_up or not self.n_processes:
            self._none_since = None
        elif self._none_since is None:
            self._none_since = now
        elif now - self._none_since > _MOST_SECONDS_WITHOUT:
            raise ClusterError(
                f"no worker of this machine has been up for {_MOST_SECONDS_WITHOUT:.0f} s",
                _WHY_PROCESSES_DIE,
            )

    def _reason(self, worker: str) -> str:
        """Return why a worker was refused."""
        reason: Any = self.run(refusal_of, workers=[worker])[worker]
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
        return "a task was given up because workers died while they did it"
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

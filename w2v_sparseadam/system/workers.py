"""Threads that share out work: the parts of one job at a time, or a stream of tasks."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import TypeVar

from ..errors import W2VError
from .machine import allowed_processors

_NO_THREAD = "the system starts no more threads (see ulimit -u, ulimit -v, the container's limits)"

_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def start_thread(
    work: Callable[..., object], *args: object, daemon: bool = True
) -> threading.Thread:
    """Start a thread; a daemon does not keep the process from ending.

    Raises
    ------
    W2VError
        If the system has no room for one.
    """
    thread = threading.Thread(target=work, args=args, daemon=daemon)
    try:
        thread.start()
    except RuntimeError as error:
        raise W2VError(_NO_THREAD) from error
    return thread


class Workers:
    """Run jobs cut into parts on ``n`` threads, of which the caller's is one.

    A part must not depend on which thread does it, or when: then neither does the result. The
    parts should be kernels that release the interpreter lock. If processors are taken from the
    caller's thread, as by ``taskset -p``, later jobs use no more threads than it has left.
    """

    def __init__(self, n: int) -> None:
        self.n = n
        self._n_processors = allowed_processors()
        self._jobs: list[SimpleQueue] = [SimpleQueue() for _ in range(n - 1)]
        self._threads: list[threading.Thread] = []
        try:
            for worker in range(1, n):
                self._threads.append(start_thread(self._serve, worker))
        except W2VError as error:
            self.close()
            raise W2VError(str(error), f"lower `threads` to {len(self._threads) + 1}") from error

    def run(self, part: Callable[[int, int], None], n_parts: int) -> None:
        """Call ``part(worker, k)`` for k = 0 … n_parts − 1, each once, and wait for all.

        Parts are handed out in order of k to whichever worker is free; ``worker`` in [0, n) tells
        which scratch room to use. The first exception of a part is raised here, after all
        workers have stopped; so is an interrupt that comes between two parts.
        """
        parts = iter(range(n_parts))
        done: SimpleQueue = SimpleQueue()
        helpers = self._jobs[: min(self._n_awake(), n_parts) - 1]
        try:
            for jobs in helpers:
                jobs.put((part, parts, done))
            failure = _work(part, 0, parts)
            for _ in helpers:
                failure = done.get() or failure
        except BaseException:
            for _ in parts:
                pass
            self._wait()
            raise
        if failure is not None:
            raise failure

    def _n_awake(self) -> int:
        """Return how many threads to use: all, unless processors were taken away since."""
        n_processors = allowed_processors()
        return self.n if n_processors >= self._n_processors else min(self.n, n_processors)

    def _wait(self) -> None:
        """Wait until all helpers have done what they were given, however much that is."""
        done: SimpleQueue = SimpleQueue()
        for jobs in self._jobs:
            jobs.put((None, iter(()), done))
        for _ in self._jobs:
            done.get()

    def _serve(self, worker: int) -> None:
        while (job := self._jobs[worker - 1].get()) is not None:
            part, parts, done = job
            done.put(_work(part, worker, parts))

    def close(self) -> None:
        """End the threads."""
        for jobs in self._jobs:
            jobs.put(None)
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _work(
    part: Callable[[int, int], None], worker: int, parts: Iterator[int]
) -> BaseException | None:
    """Do parts until none is left; an exception ends them and is the answer."""
    try:
        for k in parts:
            part(worker, k)
    except BaseException as error:
        for _ in parts:
            pass
        return error
    return None


class Pipeline:
    """Threads, of which the caller's is one, that work ahead on streams of tasks."""

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._pool = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None

    def map(self, work: Callable[[_Task], _Result], tasks: Iterable[_Task]) -> Iterator[_Result]:
        """Yield ``work(task)`` for each task, in order.

        Tasks are drawn, and results yielded, on the caller's thread, which works while it would
        wait. At most ``2 * n_threads + 1`` tasks are under way: drawn, but their result not yet
        let go. An exception, whether of a task or of drawing it, comes in the place of its result.
        The tasks of one stream may be the results of another.
        """
        if self._pool is None:
            yield from map(work, tasks)
            return
        source = iter(tasks)
        ahead: deque[tuple[_Task, Future[_Result]]] = deque()
        failure: Exception | None = None
        while True:
            while failure is None and len(ahead) < 2 * self._n_threads:
                try:
                    task = next(source)
                except Exception as error:
                    failure = error
                else:
                    ahead.append((task, self._submit(work, task)))
            if not ahead:
                break
            for k, (task, future) in enumerate(ahead):
                if ahead[0][1].done():
                    break
                if future.cancel():  # no other thread has begun it
                    ahead[k] = task, _done(work, task)
            yield ahead.popleft()[1].result()
        if failure is not None and not isinstance(failure, StopIteration):
            raise failure

    def _submit(self, work: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
        assert self._pool is not None
        try:
            return self._pool.submit(work, task)
        except RuntimeError as error:
            raise W2VError(_NO_THREAD, "lower `threads`") from error

    def close(self) -> None:
        """Drop the tasks that nobody has begun, and end the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def __enter__(self) -> "Pipeline":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _done(work: Callable[[_Task], _Result], task: _Task) -> Future[_Result]:
    """Do a task here and now."""
    future: Future[_Result] = Future()
    try:
        future.set_result(work(task))
    except Exception as error:
        future.set_exception(error)
    return future

"""Workers: every part once, failures told, the team still there afterwards."""

import threading
import time
from collections import Counter

import pytest

from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.system import workers as workers_module
from w2v_sparseadam.system.workers import Pipeline, Workers


@pytest.mark.parametrize("n_parts", [0, 1, 2, 3, 4, 100])
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_each_part_once(n, n_parts):
    done = []
    with Workers(n) as workers:
        workers.run(lambda worker, part: done.append((worker, part)), n_parts)
    assert Counter(part for _, part in done) == Counter(range(n_parts))
    assert {worker for worker, _ in done} <= set(range(n))


def test_workers_work_at_the_same_time():
    meeting = threading.Barrier(3, timeout=10)
    threads = {}

    def part(worker, k):
        meeting.wait()
        threads[worker] = threading.get_ident()

    with Workers(3) as workers:
        workers.run(part, 3)
    assert sorted(threads) == [0, 1, 2]
    assert len(set(threads.values())) == 3
    assert threads[0] == threading.get_ident()


def test_no_two_parts_share_a_worker_at_a_time():
    busy = [threading.Lock() for _ in range(4)]
    clashes = []

    def part(worker, k):
        if not busy[worker].acquire(blocking=False):
            clashes.append(k)
            return
        sum(range(1000))
        busy[worker].release()

    with Workers(4) as workers:
        workers.run(part, 500)
    assert not clashes


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("bad", [0, 3, 9])
def test_failure_is_raised_and_the_team_goes_on(n, bad):
    done = []

    def fail(worker, part):
        if part == bad:
            raise KeyError(part)
        done.append(part)

    with Workers(n) as workers:
        with pytest.raises(KeyError) as caught:
            workers.run(fail, 10)
        assert caught.value.args == (bad,)
        assert len(done) == len(set(done)) <= 9

        done.clear()
        workers.run(lambda worker, part: done.append(part), 10)
    assert sorted(done) == list(range(10))


@pytest.mark.parametrize("n", [1, 2])
def test_failure_stops_the_parts_to_come(n):
    done = []

    def fail(worker, part):
        if part == 2:
            raise ValueError(part)
        time.sleep(0.001)
        done.append(part)

    with Workers(n) as workers, pytest.raises(ValueError, match="2"):
        workers.run(fail, 500)
    assert len(done) < 400


def test_a_helpers_failure_is_raised_in_the_caller():
    meeting = threading.Barrier(2, timeout=10)

    def part(worker, k):
        meeting.wait()
        if worker == 1:
            raise KeyboardInterrupt

    with Workers(2) as workers, pytest.raises(KeyboardInterrupt):
        workers.run(part, 2)


def test_several_failures_raise_one_and_leave_none_behind():
    meeting = threading.Barrier(3, timeout=10)

    def fail(worker, part):
        meeting.wait()
        raise ValueError(part)

    with Workers(3) as workers:
        with pytest.raises(ValueError, match=r"[012]"):
            workers.run(fail, 3)
        workers.run(lambda worker, part: None, 3)


def test_an_interrupt_while_waiting_waits_for_the_helpers(monkeypatch):
    """What they work on must not be used again before they have left it."""
    meeting, interrupted, left = threading.Barrier(2, timeout=10), threading.Event(), []

    class Queue(workers_module.SimpleQueue):
        def get(self):
            if threading.current_thread() is threading.main_thread() and not interrupted.is_set():
                interrupted.set()
                raise KeyboardInterrupt
            return super().get()

    def part(worker, k):
        meeting.wait()
        if worker:
            interrupted.wait(10)
            time.sleep(0.02)
            left.append(worker)

    with Workers(2) as workers:
        monkeypatch.setattr(workers_module, "SimpleQueue", Queue)
        with pytest.raises(KeyboardInterrupt):
            workers.run(part, 2)
        assert left == [1]
        workers.run(lambda worker, k: left.append(k), 10)
    assert sorted(left[1:]) == list(range(10))


def test_no_more_threads_than_processors_that_are_left(monkeypatch):
    left = 4
    monkeypatch.setattr(workers_module, "allowed_processors", lambda: left)

    def threads_used(workers):
        used = set()

        def part(worker, k):
            used.add(worker)
            time.sleep(0.002)

        workers.run(part, 20)
        return used

    with Workers(6) as workers:
        assert threads_used(workers) == set(range(6))  # as many as were asked for
        left = 2
        assert threads_used(workers) == {0, 1}
        left = 1
        assert threads_used(workers) == {0}
        left = 4
        assert threads_used(workers) == set(range(6))


@pytest.mark.parametrize("n", [1, 4])
def test_close_ends_the_threads(n):
    before = set(threading.enumerate())
    workers = Workers(n)
    started = set(threading.enumerate()) - before
    assert len(started) == n - 1
    workers.run(lambda worker, part: None, 10)
    workers.close()
    assert not any(thread.is_alive() for thread in started)


def test_context_manager_closes_after_an_exception():
    before = set(threading.enumerate())
    with pytest.raises(ValueError, match="outside"), Workers(3):
        raise ValueError("outside")
    assert set(threading.enumerate()) == before


@pytest.mark.parametrize("n_threads", [1, 2, 3, 7])
def test_pipeline(n_threads):
    def work(k):
        time.sleep(0.001 * (k * 7 % 5))
        return k * k

    with Pipeline(n_threads) as pipeline:
        assert list(pipeline.map(work, iter(range(40)))) == [k * k for k in range(40)]
        assert list(pipeline.map(work, [])) == []
        twice = pipeline.map(work, pipeline.map(work, range(40)))
        assert list(twice) == [k**4 for k in range(40)]


def test_pipeline_works_at_the_same_time_and_on_the_callers_thread_too():
    meeting = threading.Barrier(3, timeout=10)

    def work(_):
        meeting.wait()
        return threading.get_ident()

    with Pipeline(3) as pipeline:
        threads = list(pipeline.map(work, range(3)))
    assert len(set(threads)) == 3
    assert threading.get_ident() in threads


@pytest.mark.parametrize("n_threads", [2, 5])
def test_pipeline_draws_as_much_as_it_can_do(n_threads):
    drawn = []

    def tasks():
        for k in range(30):
            drawn.append(k)
            yield k

    with Pipeline(n_threads) as pipeline:
        for k, _ in enumerate(pipeline.map(abs, tasks())):
            assert len(drawn) - k <= 2 * n_threads + 1


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("bad", [0, 3, 19])
@pytest.mark.parametrize("place", ["task", "drawing"])
def test_pipeline_raises_in_the_place_of_the_result(n_threads, bad, place):
    def tasks():
        for k in range(20):
            if place == "drawing" and k == bad:
                raise KeyError(k)
            yield k

    def work(k):
        if place == "task" and k == bad:
            raise KeyError(k)
        return k

    with Pipeline(n_threads) as pipeline:
        results = pipeline.map(work, tasks())
        assert [next(results) for _ in range(bad)] == list(range(bad))
        with pytest.raises(KeyError) as caught:
            next(results)
    assert caught.value.args == (bad,)


def test_pipeline_ends_its_threads_when_nobody_asks_any_more():
    before = threading.active_count()
    with Pipeline(4) as pipeline:
        assert next(pipeline.map(abs, range(1000))) == 0
        assert threading.active_count() > before
    assert threading.active_count() == before


@pytest.fixture
def two_threads_only(monkeypatch):
    """A system that starts two threads and no more."""
    started = []
    start = threading.Thread.start

    def start_or_not(thread):
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    return started


def test_threads_that_cannot_be_started_are_told_and_the_others_end(two_threads_only):
    with pytest.raises(W2VError) as caught:
        Workers(5)
    assert str(caught.value) == (
        "the system starts no more threads (see ulimit -u, ulimit -v, the container's limits); "
        "lower threads to 3"
    )
    assert not any(thread.is_alive() for thread in two_threads_only)


def test_a_pipeline_whose_threads_cannot_be_started(two_threads_only):
    refused = threading.Event()

    def tasks():
        try:
            yield from range(20)
        finally:  # nobody asks for more
            refused.set()

    with Pipeline(5) as pipeline, pytest.raises(W2VError, match=r"; lower threads$"):
        list(pipeline.map(lambda _: refused.wait(10), tasks()))
    assert not any(thread.is_alive() for thread in two_threads_only)

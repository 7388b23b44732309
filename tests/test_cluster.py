"""Faults of a cluster: workers that die, join, leave or are refused, and schedulers that die."""

import contextlib
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest

pytest.importorskip("distributed")

import dask
import distributed
from click.testing import CliRunner

from w2v_sparseadam import StopTraining, Vectors, resume, train
from w2v_sparseadam.commands.train import main
from w2v_sparseadam.distributed import admission, tasks
from w2v_sparseadam.distributed import cluster as cluster_module
from w2v_sparseadam.distributed.cluster import Cluster
from w2v_sparseadam.distributed.connect import connected
from w2v_sparseadam.distributed.machines import DaskMachines
from w2v_sparseadam.errors import ClusterError, TextError
from w2v_sparseadam.training import texts

SETTINGS = {
    "dim": 16,
    "epochs": 2,
    "shards": 3,
    "rounds": 3,
    "min_count": 1,
    "batch_size": 256,
}
N_ROUNDS = 6
MOST_SECONDS = 150
SECONDS_TO_COME_BACK = 30


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A text of 600 lines over 200 words."""
    lines = [" ".join(f"w{(k * k + j * k) % 200}" for j in range(40)) for k in range(600)]
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


class Whole:
    """Two processes, which are started again when they die: all anew if they do not come back."""

    def __init__(self):
        self._stack = contextlib.ExitStack()
        self._client = None

    def client(self):
        """Return a client of two workers that answer, within a minute."""
        if self._client and not self._is_whole():
            self.close()
        if not self._client:
            self._client = self._stack.enter_context(connected(2, 2)).client
        assert self._is_whole()
        return self._client

    def close(self):
        self._stack.close()
        self._client = None

    def _is_whole(self):
        if self._client.status != "running":
            return False
        scheduler = self._client.cluster.scheduler
        until = time.monotonic() + SECONDS_TO_COME_BACK
        self._client.cluster.scale(2)
        while time.monotonic() < until:
            workers = list(scheduler.workers.values())
            if len(workers) == 2 and all(worker.status.name == "running" for worker in workers):
                return True
            time.sleep(0.1)
        return False


@pytest.fixture(scope="module")
def whole():
    kept = Whole()
    yield kept
    kept.close()


@pytest.fixture
def client(whole):
    """A client of two processes, which is closed if a test takes too long."""
    client = whole.client()
    timer = threading.Timer(MOST_SECONDS, client.close)
    timer.start()
    yield client
    timer.cancel()


@pytest.fixture(scope="module")
def undisturbed(corpus, whole):
    return vectors_of(train(corpus, cluster=whole.client(), **SETTINGS))


def vectors_of(model):
    return model.vectors("center").matrix.tobytes()


def vectors_of_file(path):
    return Vectors.load(path).matrix.tobytes()


def processes_of(client):
    """The process numbers of workers, by address; only of those that answer."""
    found = client.run(os.getpid, on_error="ignore")
    return dict(sorted(found.items()))


class Killer:
    """Kills workers once, when an event comes that is looked for."""

    def __init__(self, client, is_time, n_workers=1, number=signal.SIGKILL):
        self.client, self.is_time = client, is_time
        self.n_workers, self.number = n_workers, number
        self.killed = []
        self.warnings = []
        self.processes = list(processes_of(client).values())

    def __call__(self, event):
        if event["event"] == "warning":
            self.warnings.append(event["message"])
        if not self.killed and self.is_time(event):
            self.killed = self.processes[: self.n_workers]
            for process in self.killed:
                os.kill(process, self.number)


def in_round(number, n_done=0):
    return lambda event: (
        event["event"] == "round" and event["round"] == number and event["shards"] >= n_done
    )


def test_local_workers_listen_on_loopback_only(client):
    here = psutil.Process()
    heard = [
        connection.laddr.ip
        for process in [here, *here.children(recursive=True)]
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(heard) >= 3
    assert set(heard) == {"127.0.0.1"}


def test_the_number_of_workers_does_not_change_the_bytes(corpus, undisturbed):
    assert vectors_of(train(corpus, cluster=1, **SETTINGS)) == undisturbed


@pytest.mark.parametrize(
    ("is_time", "n_workers"),
    [
        pytest.param(lambda event: event["event"] == "read", 2, id="all while they read"),
        pytest.param(in_round(1), 1, id="one while it is sent the model"),
        pytest.param(in_round(3, 1), 2, id="all in a round"),
        pytest.param(in_round(2, 3), 1, id="one that holds merged blocks"),
    ],
)
def test_run_with_killed_workers_ends_in_the_same_bytes(
    corpus, client, undisturbed, is_time, n_workers
):
    killer = Killer(client, is_time, n_workers)
    model = train(corpus, cluster=client, on_event=killer, **SETTINGS)
    assert killer.killed
    assert vectors_of(model) == undisturbed
    assert len(killer.warnings) <= 2 + n_workers, killer.warnings


class Shards(distributed.SchedulerPlugin):
    """Notes which worker trained a shard of which round."""

    name = "shards"

    def __init__(self):
        self.workers = {number: [] for number in range(N_ROUNDS)}

    def transition(self, key, start, finish, *args, worker=None, **kwargs):
        if finish == "memory" and key.startswith("w2v-shard-"):
            self.workers[int(key.split("-")[2])].append(worker)


def test_worker_that_joins_is_used_and_one_that_is_retired_is_not_missed(
    corpus, client, undisturbed
):
    before = set(processes_of(client))
    warnings, joined_in, retired_in = [], [], []
    shards = Shards()
    client.cluster.scheduler.add_plugin(shards)

    def on_event(event):
        if event["event"] == "warning":
            warnings.append(event["message"])
        if in_round(1)(event) and not joined_in:
            client.cluster.scale(3)
            while len(Cluster(client, None).admitted) < 3:
                time.sleep(0.1)
            joined_in.append(event["round"] - 1)
        if in_round(4, 1)(event) and not retired_in:
            client.retire_workers(sorted(before)[:1])
            retired_in.append(event["round"] - 1)

    model = train(corpus, cluster=client, on_event=on_event, **SETTINGS)
    client.cluster.scheduler.remove_plugin("shards")
    assert vectors_of(model) == undisturbed
    # The next round may have been handed out when the worker was admitted.
    for number in range(joined_in[0] + 2, N_ROUNDS):
        assert set(shards.workers[number]) - before, shards.workers
    assert retired_in
    assert len(warnings) <= 1, warnings


class KillerOfShards(distributed.SchedulerPlugin):
    """Kills the first worker that gets a shard."""

    name = "killer"

    def __init__(self, processes):
        self.processes, self.killed = processes, []

    def transition(self, key, start, finish, *args, **kwargs):
        if finish == "processing" and key.startswith("w2v-shard-1-") and not self.killed:
            worker = self.scheduler.tasks[key].processing_on.address
            os.kill(self.processes[worker], signal.SIGKILL)
            self.killed.append(worker)

    async def start(self, scheduler):
        self.scheduler = scheduler


def test_scheduler_that_gives_up_tasks_whose_worker_died(corpus, undisturbed):
    """As one of its own, which the configuration allows no failure."""
    warnings = []

    def on_event(event):
        if event["event"] == "warning":
            warnings.append(event["message"])

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        killer = KillerOfShards(processes_of(client))
        client.register_plugin(killer)
        killer = cluster.scheduler.plugins["killer"]
        timer = threading.Timer(MOST_SECONDS, client.close)
        timer.start()
        model = train(corpus, cluster=client, on_event=on_event, **SETTINGS)
        timer.cancel()
    assert killer.killed
    assert vectors_of(model) == undisturbed
    assert (
        "a task was given up because workers died while they did it; round 2 is repeated"
        in warnings
    )


def stop(*_):
    raise StopTraining


def check_clean(client, processes):
    """Check that a run has left the workers as they were, and no task."""
    until = time.monotonic() + 10
    while client.cluster.scheduler.tasks and time.monotonic() < until:
        time.sleep(0.05)
    assert not client.cluster.scheduler.tasks
    assert not client.futures
    assert processes_of(client) == processes


@pytest.mark.parametrize(
    "error", [StopTraining, ZeroDivisionError, KeyError, OSError, KeyboardInterrupt]
)
def test_an_exception_of_a_callback_ends_the_run_as_on_one_machine(
    corpus, client, undisturbed, tmp_path, error
):
    """Whatever Dask's own exceptions are, too."""

    def on_event(event):
        if in_round(2)(event):
            raise error

    processes = processes_of(client)
    expected = contextlib.nullcontext() if error is StopTraining else pytest.raises(error)
    run_dir = tmp_path / "run"
    with expected as caught:
        model = train(corpus, cluster=client, run_dir=run_dir, on_event=on_event, **SETTINGS)
        assert model.loss > 0
        assert vectors_of(model) != undisturbed
    check_clean(client, processes)  # also while somebody has the exception
    del caught
    assert vectors_of(resume(run_dir, cluster=client)) == undisturbed


def test_client_that_is_closed_ends_the_run(corpus, client):
    """As it is by whoever thinks that a run takes too long."""
    with pytest.raises(ClusterError, match="the scheduler has gone"):
        train(
            corpus,
            cluster=client,
            on_event=lambda event: in_round(2)(event) and client.close(),
            **SETTINGS,
        )


def test_time_of_a_round_that_is_repeated_does_not_count(corpus, client, tmp_path):
    def on_event(event):
        if in_round(2)(event):
            time.sleep(4)
            raise ZeroDivisionError

    events = []
    with pytest.raises(ZeroDivisionError):
        train(corpus, cluster=client, run_dir=tmp_path / "run", on_event=on_event, **SETTINGS)
    resume(tmp_path / "run", cluster=client, on_event=events.append)
    (start,) = [event for event in events if event.kind == "start"]
    assert 0 < start.done_seconds < 4


def test_a_run_that_is_stopped_after_an_epoch_has_its_vectors(corpus, client):
    models = []
    processes = processes_of(client)
    train(corpus, cluster=client, on_epoch=models.append, **SETTINGS)
    model = train(corpus, cluster=client, on_epoch=stop, **SETTINGS)
    assert vectors_of(model) == vectors_of(models[0])
    assert [epoch.epoch for epoch in model.history] == [1]
    check_clean(client, processes)


def test_script_that_its_processes_import_is_told_in_one_line(corpus, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        f"from w2v_sparseadam import train\ntrain({str(corpus)!r}, cluster=2, epochs=1)\n"
    )
    run = subprocess.run(
        [sys.executable, script], stderr=subprocess.PIPE, text=True, timeout=MOST_SECONDS
    )
    assert run.returncode == 1
    assert run.stderr.count("Traceback") == 1
    assert run.stderr.splitlines()[-1] == (
        "w2v_sparseadam.errors.ClusterError: the workers cannot be started: each of them imports "
        "this script, which then trains again; let it train below the line: if __name__ == "
        '"__main__":'
    )


def test_workers_that_would_give_other_bytes_are_refused(corpus, client, undisturbed, monkeypatch):

    def other(settings):
        return tasks.identity(settings)._replace(digest="0")

    with monkeypatch.context() as patch:
        patch.setattr(admission, "identity", other)
        with pytest.raises(ClusterError) as caught:
            train(corpus, cluster=client, **SETTINGS)
    name = min(processes_of(client))
    assert str(caught.value).startswith(f"{name}: has a processor (")
    assert str(caught.value).endswith(
        "that gives other bytes than this machine's (and 1 more are refused); make all machines "
        "alike"
    )
    assert Cluster(client, None).admitted == []
    assert vectors_of(train(corpus, cluster=client, **SETTINGS)) == undisturbed


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
def test_interrupt_from_the_terminal_ends_all_processes_in_one_line(corpus, tmp_path):
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-m", "w2v_sparseadam.commands.train", corpus, *options]
    command += ["--epochs", "200", "--workers", "1", "--run-dir", tmp_path / "run", "-o", "v.bin"]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path
    ) as run:
        while not run.stderr.readline().startswith("Epoch 1/"):
            assert run.poll() is None
        workers = psutil.Process(run.pid).children(recursive=True)
        os.killpg(run.pid, signal.SIGINT)
        said = run.communicate(timeout=60)[1].splitlines()
    assert run.returncode == 130
    assert re.fullmatch(
        rf"Interrupted at step \d+; resume with: w2v-train --resume {tmp_path}/run --workers 1",
        said[-1],
    )
    assert all(
        line.startswith(("Epoch", "Checkpoint", "Interrupted")) or "%" in line for line in said
    )
    assert psutil.wait_procs(workers, timeout=10)[1] == []


def test_one_worker_that_is_killed_once_and_then_for_ever(corpus, undisturbed, monkeypatch):
    def kill_all(event):
        if event["event"] == "round":
            for process in psutil.Process().children():
                with contextlib.suppress(psutil.Error):  # of one that has just ended
                    if "spawn_main" in " ".join(process.cmdline()) and process.pid not in others:
                        process.kill()

    others = {process.pid for process in psutil.Process().children()}  # those of the fixture
    with connected(1, 1) as cluster:
        killer = Killer(cluster.client, in_round(2, 1))
        machines = contextlib.nullcontext(DaskMachines(cluster))
        monkeypatch.setattr(texts, "open_machines", lambda *_: machines)
        model = train(corpus, cluster=1, on_event=killer, **SETTINGS)
        assert killer.killed
        assert vectors_of(model) == undisturbed
        monkeypatch.setattr(cluster_module, "_MOST_SECONDS_WITHOUT", 3.0)
        with pytest.raises(ClusterError, match="no worker of this machine has been up for 3 s"):
            train(corpus, cluster=1, on_event=kill_all, **SETTINGS)


def test_tls_without_certificate_is_told_in_one_line():
    with pytest.raises(ClusterError, match=r"cannot be reached \(TLS expects"):
        connected("tls://127.0.0.1:9", None).__enter__()


def test_text_without_neighbours_is_told_after_an_epoch(client, tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a\nb\n" * 20)
    epochs = []
    with pytest.raises(TextError, match=r"^nothing to learn from: no line has two words;"):
        train(lines, cluster=client, on_epoch=epochs.append, **{**SETTINGS, "epochs": 9})
    assert len(epochs) <= 1


@pytest.mark.parametrize("address", ["x", "tcp://host", "http://host:8786", "host:port", ""])
def test_what_is_no_address_is_told_at_once(address):
    with pytest.raises(ClusterError) as caught:
        connected(address, None).__enter__()
    assert str(caught.value) == (
        f"{address!r} is not the address of a scheduler; give one with its port, such as "
        "tcp://host:8786"
    )


def test_scheduler_that_does_not_answer(corpus):
    """The command says what it waits for."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with dask.config.set({"distributed.comm.timeouts.connect": "1s"}):
            result = CliRunner().invoke(main, [str(corpus), "--scheduler", address])
    assert result.exit_code == 1
    first, second = result.stderr.splitlines()
    assert first == f"Connecting to {address} ..."
    assert second.startswith(f"Error: {address}: the scheduler cannot be reached (")
    assert second.endswith("; start one with dask scheduler")


def test_dask_does_not_call_the_end_critical(caplog):
    """As its scheduler does if a client goes while it is written to."""
    with connected(1, 1):
        logging.getLogger("distributed.scheduler").critical("Closed comm")
    assert not [record for record in caplog.records if record.levelno == logging.CRITICAL]


@pytest.mark.slow
def test_scheduler_that_is_killed(corpus, undisturbed, tmp_path):
    """The command says how to resume, and the run ends on another cluster in the same bytes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1"]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run_dir, output = tmp_path / "run", tmp_path / "vectors.bin"
    options = [f"--{name.replace('_', '-')}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
    environment = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "3s"}
    with contextlib.ExitStack() as stack:
        started = []
        for line in ([*dask, "--port", port, "--no-dashboard"], [*worker, "--no-dashboard"]):
            started.append(stack.enter_context(subprocess.Popen(line, **quiet)))
            stack.callback(started[-1].kill)
        scheduler = started[0]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(1, timeout=60)
        run = stack.enter_context(
            subprocess.Popen(
                [
                    *[*command, corpus, *options, "--scheduler", address, "--run-dir", run_dir],
                    *["-o", output, "--checkpoint-every", "0.001"],
                ],
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
            )
        )
        stack.callback(run.kill)
        said = [run.stderr.readline()]
        while said[-1] and not said[-1].startswith("Epoch 1/2"):
            said.append(run.stderr.readline())
        scheduler.kill()
        last = run.communicate(timeout=60)[1].splitlines()[-1]
    assert run.returncode == 1
    assert last.startswith("Error: the scheduler has gone; the last checkpoint is of round ")
    resume = f"w2v-train --resume {run_dir} --scheduler {address}"
    assert last.endswith(f" of 6, from which to resume: {resume}")
    assert "Traceback" not in "".join(said)
    subprocess.run([*command, "--resume", run_dir, "-q", "--workers", "2"], check=True)
    assert vectors_of_file(output) == undisturbed

"""Faults of a cluster: workers that die, join, leave or are refused, and schedulers that die."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

pytest.importorskip("distributed")

import distributed

from w2v_sparseadam import Vectors, train
from w2v_sparseadam.distributed import admission, tasks
from w2v_sparseadam.distributed import cluster as cluster_module
from w2v_sparseadam.distributed.cluster import Cluster, connected
from w2v_sparseadam.distributed.machines import DaskMachines
from w2v_sparseadam.errors import ClusterError
from w2v_sparseadam.training import texts

SETTINGS = {
    "dim": 16,
    "epochs": 2,
    "shards": 3,
    "rounds": 3,
    "min_count": 1,
    "batch_size": 256,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A text of 600 lines over 200 words."""
    lines = [" ".join(f"w{(k * k + j * k) % 200}" for j in range(40)) for k in range(600)]
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def client():
    """A client of two processes, which are started again when they die."""
    with connected(2, 2) as cluster:
        yield cluster.client


@pytest.fixture(scope="module")
def undisturbed(corpus, client):
    return vectors_of(train(corpus, cluster=client, **SETTINGS))


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
    client.wait_for_workers(2, timeout=60)
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


@pytest.mark.slow
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
    client.wait_for_workers(2, timeout=60)
    killer = Killer(client, is_time, n_workers)
    model = train(corpus, cluster=client, on_event=killer, **SETTINGS)
    assert killer.killed
    assert vectors_of(model) == undisturbed
    assert len(killer.warnings) <= 2 + n_workers, killer.warnings


@pytest.mark.slow
def test_worker_that_joins_is_used_and_one_that_is_retired_is_not_missed(
    corpus, client, undisturbed
):
    client.wait_for_workers(2, timeout=60)
    before = set(processes_of(client))
    used, warnings = set(), []

    def on_event(event):
        if event["event"] == "warning":
            warnings.append(event["message"])
        if in_round(1, 3)(event) and set(processes_of(client)) == before:
            client.cluster.scale(3)
            while len(Cluster(client, None).admitted) < 3:
                time.sleep(0.1)
        elif event["event"] == "round":
            used.update(worker for worker, keys in client.processing().items() if keys)
        if in_round(4, 1)(event) and set(processes_of(client)) > before:
            client.retire_workers(sorted(before)[:1])

    model = train(corpus, cluster=client, on_event=on_event, **SETTINGS)
    assert vectors_of(model) == undisturbed
    assert used - before
    assert len(warnings) <= 1, warnings
    client.cluster.scale(2)


def test_workers_that_would_give_other_bytes_are_refused(corpus, client, undisturbed, monkeypatch):
    client.wait_for_workers(2, timeout=60)

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_one_worker_that_is_killed_once_and_then_for_ever(corpus, undisturbed, monkeypatch):
    def kill_all(event):
        if event["event"] == "round":
            for process in psutil.Process().children():
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

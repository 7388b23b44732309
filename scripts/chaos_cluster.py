"""Kill workers and schedulers of runs on a cluster at random moments, and compare the bytes.

Each trial trains on another cluster: processes that ``w2v-train --workers`` starts; or a scheduler
and workers that are started one by one, with nannies or without. At random moments, one worker is
killed with SIGKILL, or two, or all, or all and those that start in their place; one is frozen for
some seconds; or what has the scheduler is killed, whereupon the run is resumed on another number of
workers. The vectors must be those of the undisturbed run, byte for byte.

    python scripts/chaos_cluster.py                       # 6 trials on the sample corpus
    python scripts/chaos_cluster.py --trials 30 --seed 7

Needs ``pip install 'w2v-sparseadam[distributed]'``. Exits with 1 if a trial ends otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parent.parent
TRAIN = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
KINDS = ("--workers", "nannies", "no nannies")
PATTERNS = ("one", "two", "all", "starting", "freeze", "scheduler")
MOST_SECONDS = 300.0
SOON = {**os.environ, "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s"}  # to find it has gone


class Cluster:
    """A cluster of one kind, and the run on it."""

    def __init__(self, kind: str, settings: list[str], folder: Path, rng: random.Random) -> None:
        self.kind, self.settings, self.folder, self.rng = kind, settings, folder, rng
        self.n_workers = 0
        self.output = folder / "vectors.bin"
        self._processes: list[subprocess.Popen[bytes]] = []
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.start()

    def start(self) -> None:
        """Start or resume the run, on some number of workers."""
        self.n_workers = self.rng.randint(1, 3)
        machines = ["--workers", str(self.n_workers)]
        if self.kind != KINDS[0]:
            machines = ["--scheduler", self.address]
            port = self.address.rpartition(":")[2]
            options = ["--host", "127.0.0.1", "--port", port, "--no-dashboard"]
            self._scheduler = self._begin("dask_scheduler", options)
            for _ in range(self.n_workers):
                self.add_worker()
            time.sleep(4)
        run_dir = self.folder / "run"
        arguments = ["--resume", str(run_dir)]
        if not (run_dir / "settings.json").exists():
            arguments = [*self.settings, "--run-dir", str(run_dir), "-o", str(self.output)]
        self.log = (self.folder / "stderr").open("ab")
        self.run = subprocess.Popen(
            [*TRAIN, *arguments, *machines, "--checkpoint-every", "0.001"],
            stderr=self.log,
            env=SOON,
        )

    def _begin(self, module: str, options: list[str]) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{module}", *options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def add_worker(self) -> None:
        """Start a worker by hand."""
        nanny = "--nanny" if self.kind == "nannies" else "--no-nanny"
        options = [self.address, "--nthreads", "1", nanny, "--no-dashboard"]
        self._begin("dask_worker", [*options, "--local-directory", str(self.folder)])

    def workers(self) -> list[psutil.Process]:
        """Return the processes of workers."""
        by_hand = [process.pid for process in self._processes if process is not self._scheduler]
        if self.kind == "no nannies":
            found = [psutil.Process(pid) for pid in by_hand if psutil.pid_exists(pid)]
        else:
            parents = by_hand if by_hand or self.kind != KINDS[0] else [self.run.pid]
            found = [
                child
                for pid in parents
                if psutil.pid_exists(pid)
                for child in psutil.Process(pid).children()
                if "spawn_main" in " ".join(child.cmdline())
            ]
        return [process for process in found if process.status() != psutil.STATUS_ZOMBIE]

    _scheduler: subprocess.Popen[bytes] | None = None

    def strike(self, pattern: str) -> int:
        """Do harm; return how many processes were killed or frozen."""
        if pattern == "scheduler":
            if self._scheduler:
                self._scheduler.kill()
                self.run.wait(MOST_SECONDS)  # it says so, and ends
            else:
                self.run.kill()
                self.run.wait()
            self.close()
            self.start()
            return 1
        if pattern == "starting" and self.kind == KINDS[0]:  # elsewhere they are not started again
            n_killed = 0
            for _ in range(4):
                n_killed += self.strike("all")
                time.sleep(self.rng.uniform(0.2, 1.5))
            return n_killed
        workers = self.workers()
        self.rng.shuffle(workers)
        n = {"one": 1, "two": 2, "freeze": 1}.get(pattern, len(workers))
        for worker in workers[:n]:
            worker.send_signal(signal.SIGSTOP if pattern == "freeze" else signal.SIGKILL)
        if pattern == "freeze":
            time.sleep(self.rng.uniform(1, 4))
            for worker in workers[:n]:
                worker.resume()
        elif self.kind == "no nannies":
            for _ in workers[:n]:
                self.add_worker()  # which joins late
        return len(workers[:n])

    def close(self) -> None:
        """End all processes but that of the run."""
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes, self._scheduler = [], None
        self.log.close()


def one_trial(
    kind: str,
    settings: list[str],
    folder: Path,
    n_strikes: int,
    rng: random.Random,
    deck: list[str],
) -> tuple[str, Counter[str]]:
    """Train on a cluster while it is struck; return the digest of the vectors, and the strikes."""
    cluster = Cluster(kind, settings, folder, rng)
    strikes: Counter[str] = Counter()
    try:
        began = time.monotonic()
        wait = rng.uniform(0, 1)
        while (code := cluster.run.poll()) is None:
            time.sleep(0.1)
            if time.monotonic() - began > MOST_SECONDS:
                cluster.run.kill()
                raise SystemExit(f"{kind}: hangs\n{(folder / 'stderr').read_text()}")
            if (folder / "run" / "settings.json").exists():  # all workers are there
                wait -= 0.1
            if wait < 0 and strikes.total() < n_strikes:
                deck += () if deck else rng.sample(PATTERNS, len(PATTERNS))
                pattern = deck.pop()
                strikes[pattern] += cluster.strike(pattern)
                wait = rng.uniform(0.2, 2)
        if code:
            raise SystemExit(f"{kind}: exit code {code}\n{(folder / 'stderr').read_text()}")
        return hashlib.sha256(cluster.output.read_bytes()).hexdigest(), strikes
    finally:
        cluster.close()


def main(argv: list[str] | None = None) -> int:
    """Run the trials and print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--corpus", type=Path, default=ROOT / "data" / "sample.txt")
    parser.add_argument("--trials", type=int, default=6)
    parser.add_argument("--kills", type=int, default=5, help="in each trial, about")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    rng = random.Random(options.seed)
    settings = [str(options.corpus), "-q", "--dim", "16", "--epochs", str(options.epochs)]
    settings += ["--shards", "4", "--rounds", "8"]
    total: Counter[str] = Counter()
    wrong = 0
    deck: list[str] = []  # patterns to come: all are used before one is used again
    with tempfile.TemporaryDirectory() as place:
        whole = Path(place) / "undisturbed.bin"
        subprocess.run([*TRAIN, *settings, "--workers", "2", "-o", str(whole)], check=True)
        expected = hashlib.sha256(whole.read_bytes()).hexdigest()
        print(f"undisturbed: sha256 {expected[:16]}")
        for trial in range(options.trials):
            kind = KINDS[trial % len(KINDS)]
            folder = Path(place) / str(trial)
            folder.mkdir()
            began = time.monotonic()
            digest, strikes = one_trial(kind, settings, folder, options.kills, rng, deck)
            total += strikes
            wrong += digest != expected
            told = ", ".join(f"{pattern} {n}" for pattern, n in sorted(strikes.items()))
            print(
                f"{trial + 1:4}  {'same bytes' if digest == expected else 'OTHER BYTES'}  "
                f"{digest[:16]}  {time.monotonic() - began:5.0f} s  {kind:10}  {told}",
                flush=True,
            )
    n_killed = total.total() - total["freeze"]
    print(
        f"{options.trials} trials, {n_killed} processes killed, {total['freeze']} frozen: "
        f"{options.trials - wrong} ended in the bytes of the undisturbed run, {wrong} did not"
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

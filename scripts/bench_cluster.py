"""What training on several machines costs: three Markdown tables, of one command each.

    python scripts/bench_cluster.py overhead corpus.txt    # against one process
    python scripts/bench_cluster.py costs corpus.txt       # measured, and as a dry run says
    python scripts/bench_cluster.py model …                # a large cluster, by arithmetic

*overhead* trains on ``--workers`` processes of a thread each, and in one process with as many
threads, in turn, and takes medians. Rounds are so many that each trains for about the seconds
given. Tokens per second are those of training, in which the cluster also reads the text again.

*costs* trains two rounds for each ``--dims``, and reads the peaks of memory and the bytes that
workers received from Dask's log of transfers.

*model* is the arithmetic of ``w2v_sparseadam.distributed.costs``, in which all rows change in every
shard, and each machine trains one shard.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.distributed.costs import Load, Rates, round_time
from w2v_sparseadam.optimizers.build import row_bytes
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.system.machine import peak_memory

TRAIN = [sys.executable, "-m", "w2v_sparseadam.commands.train"]


def tokens_per_s(corpus: str, options: list[str]) -> tuple[float, int]:
    """Train once; return the tokens per second, and the tokens of the text."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log.jsonl")
        command = [
            *TRAIN,
            corpus,
            "-q",
            "--epochs",
            "1",
            "-o",
            f"{folder}/v.bin",
            "--log",
            str(log),
        ]
        subprocess.run([*command, *options], check=True)
        events = map(json.loads, log.read_text("utf-8").splitlines())
        (done,) = (event for event in events if event["event"] == "done")
    return done["tokens_per_s"], done["tokens"]


def overhead(args: argparse.Namespace) -> Iterator[str]:
    """Yield the table of round lengths."""
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder, "corpus.txt")
        with corpus.open("wb") as copies:
            for _ in range(args.copies):
                copies.write(Path(args.corpus).read_bytes())
        rest = ["--dim", str(args.dim), "--optimizer", args.optimizer]
        plain = [*rest, "--threads", str(args.workers)]
        rate, n_tokens = tokens_per_s(str(corpus), plain)  # which also compiles
        whole = n_tokens / rate
        rounds = {seconds: max(1, round(whole / seconds)) for seconds in args.seconds}
        options = {"one process": plain} | {
            f"{n:,} rounds of {whole / n:.1f} s": [
                *plain,
                *("--workers", str(args.workers), "--shards", str(args.workers)),
                *("--rounds", str(n)),
            ]
            for n in rounds.values()
        }
        rates: dict[str, list[float]] = {name: [] for name in options}
        for _ in range(args.repeats):
            for name, given in options.items():
                rates[name].append(tokens_per_s(str(corpus), given)[0])
    yield f"| {args.workers} threads, {n_tokens:,} tokens | tokens/s | of one process |"
    yield "| --- | ---: | ---: |"
    for name, found in rates.items():
        shares = [there / here for there, here in zip(found, rates["one process"], strict=True)]
        yield f"| {name} | {statistics.median(found):,.0f} | {statistics.median(shares):.2f} |"


def received(dask_worker: Any) -> int:
    """Return the bytes that a worker was sent by others: changes and merged rows."""
    return sum(
        n_bytes
        for transfer in dask_worker.transfer_incoming_log
        for key, n_bytes in transfer["keys"].items()
        if key.startswith(("w2v-changes", "w2v-merge"))
    )


def measured(args: argparse.Namespace, dim: int, shards: int) -> str:
    """Train two rounds on new workers; return the row of the table."""
    import dask
    from distributed import Client, LocalCluster

    from w2v_sparseadam.training.dry_run import forecast
    from w2v_sparseadam.training.keywords import settings_from
    from w2v_sparseadam.training.machines import MachinesForecast
    from w2v_sparseadam.training.train import train_by_settings

    settings = settings_from(
        {"dim": dim, "shards": shards, "rounds": 2, "epochs": 1, "optimizer": args.optimizer}
    )
    seconds: list[float] = []

    def note(event: Any) -> None:
        if event["event"] == "done":
            seconds.append(event["train_seconds"])

    options: dict[str, Any] = {
        "n_workers": args.workers,
        "threads_per_worker": 1,
        "host": "127.0.0.1",
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": None,
        "silence_logs": logging.CRITICAL,
    }
    log: dict[str, Any] = {"distributed.admin.log-length": 100_000}
    with (
        dask.config.set(log),
        LocalCluster(**options) as there,
        Client(there) as client,
    ):
        train_by_settings(args.corpus, settings, cluster=client, on_event=note)
        peak = max(client.run(peak_memory).values())
        n_sent = sum(client.run(received).values())
    with (
        LocalCluster(**options) as there,
        Client(there) as client,
    ):
        expected = forecast(args.corpus, settings, cluster=client)
    assert isinstance(expected, MachinesForecast)
    # Changes travel in both rounds, but merged rows between the two only.
    state = expected.model_bytes + expected.state_bytes
    blocks = state * (args.workers - 1) * min(1, shards / args.workers)
    expected_sent = 2 * expected.sent_between_workers - blocks
    return (
        f"| {args.optimizer} | {dim} | {shards} | {peak / 1e6:,.0f} | "
        f"{expected.worker_bytes / 1e6:,.0f} | {n_sent / 1e6:,.0f} | {expected_sent / 1e6:,.0f} | "
        f"{seconds[0]:.1f} | {expected.train_seconds:.1f} |"
    )


def costs(args: argparse.Namespace) -> Iterator[str]:
    """Yield the table of what was measured and what was forecast."""
    yield (
        "| optimizer | D | shards | peak of a worker, MB | forecast | sent between workers, MB | "
        "forecast | training, s | forecast |"
    )
    yield "| --- |" + " ---: |" * 8
    for dim in args.dims:
        for shards in args.shards:
            yield measured(args, dim, shards)


def tokens_of_round(load: Load, rates: Rates, bytes_per_token: float, share: float) -> float:
    """Return the tokens of a round in which the network takes such a share of the time."""
    fixed = round_time(load, rates, 0, 0)
    # Without tokens, workers also wait for what the client fetches.
    sending = round_time(load, rates, 1e15, 0).sending
    rest = sending / share - sending - fixed.copying - fixed.merging
    token = round_time(load, rates, 1, bytes_per_token)
    return rest / (token.reading + token.training)


def model(args: argparse.Namespace) -> Iterator[str]:
    """Yield the table of a large cluster."""
    rates = Rates(
        args.tokens_per_s,
        args.text_rate,
        args.copy_rate,
        args.merge_rate,
        args.network_gbit / 8 * 1e9,
    )
    loads = {
        name: Load(
            2 * args.words * row_bytes(OptimizerConfig(name, beta1=0.0), args.dim),
            1.0,
            args.machines,
            args.machines,
        )
        for name in ("sparse-adam", "rowwise-adam")
    }
    yield "| tokens | optimizer | rounds per epoch | epoch | of it for the network | merging |"
    yield "| ---: | --- | ---: | ---: | ---: | ---: |"
    for n_tokens, (name, load), rounds in product(args.tokens, loads.items(), args.rounds):
        one = n_tokens / rounds
        time = round_time(load, rates, one, one * args.bytes_per_token)
        yield (
            f"| {n_tokens:.0e} | {name} | {rounds} | {time.seconds * rounds / 60:,.1f} min | "
            f"{time.sending / time.seconds:.0%} | {time.merging / time.seconds:.0%} |"
        )
    yield ""
    for name, load in loads.items():
        n_tokens = tokens_of_round(load, rates, args.bytes_per_token, 0.2)
        yield f"{name}: the network takes 20 % in rounds of {n_tokens:.1e} tokens."


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    tables = parser.add_subparsers(required=True)

    def table(work: Any) -> argparse.ArgumentParser:
        added = tables.add_parser(
            work.__name__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
        )
        added.set_defaults(work=work)
        return added

    for one in (lengths := table(overhead), measure := table(costs)):
        one.add_argument("corpus", help="a text file")
        one.add_argument("--workers", type=int, default=os.cpu_count(), help="of one thread each")
        one.add_argument("--optimizer", default="sparse-adam", help="as of w2v-train")
    lengths.add_argument("--copies", type=int, default=14, help="of the text, put end to end")
    lengths.add_argument("--dim", type=int, default=100, help="dimensions")
    lengths.add_argument(
        "--seconds", type=float, nargs="+", default=[1, 10, 100], help="lengths of rounds"
    )
    lengths.add_argument("--repeats", type=int, default=3, help="of each run")
    measure.add_argument("--dims", type=int, nargs="+", default=[100, 300], help="dimensions")
    measure.add_argument("--shards", type=int, nargs="+", default=[2, 4, 8], help="shards")
    large = table(model)
    large.add_argument("--machines", type=int, default=16, help="which train a shard each")
    large.add_argument("--words", type=int, default=10**6, help="of the vocabulary")
    large.add_argument("--dim", type=int, default=300, help="dimensions")
    large.add_argument(
        "--tokens", type=float, nargs="+", default=[1e9, 1e10, 1e11], help="of the text"
    )
    large.add_argument("--rounds", type=int, nargs="+", default=[4, 16, 64], help="of an epoch")
    large.add_argument("--network-gbit", type=float, default=10, help="Gbit/s of a machine")
    large.add_argument("--bytes-per-token", type=float, default=6, help="of text")
    large.add_argument("--tokens-per-s", type=float, required=True, help="trained by a machine")
    large.add_argument("--text-rate", type=float, required=True, help="bytes/s read")
    large.add_argument("--copy-rate", type=float, required=True, help="bytes/s, into tables")
    large.add_argument("--merge-rate", type=float, required=True, help="bytes/s of changes, merged")
    return parser.parse_args()


def main() -> None:
    """Print a table."""
    args = parse()
    print(f"{describe_machine()['processor']}\n")
    for line in args.work(args):
        print(line, flush=True)


if __name__ == "__main__":
    main()

"""Compare this trainer with Spark MLlib's Word2Vec: seconds and scores on the same corpus.

Every contestant runs once, in a process of its own. Prints a Markdown table. Needs PySpark and a
Java runtime, version 17 or newer:

    pip install pyspark
    apt-get install openjdk-17-jre-headless
    python scripts/bench_spark.py corpus.txt --datasets men.txt analogies.txt

*Seconds* of Spark are those of ``fit``: reading, vocabulary and training, without the start of the
JVM and without writing; ours are those of the whole command ``w2v-train``, compiled beforehand.
Corpus, dimensions, window, minimum count and epochs are the same. Spark also

- learns by hierarchical softmax, where ours draws negatives, and does not subsample;
- moves vectors by plain SGD, with a learning rate that falls from 0.025 to 0;
- draws the reach of each window, as ours does; cuts sentences at 1,000 words, ours at 10,000;
- trains each partition on one thread, and after each epoch takes the mean of every row over the
  partitions that moved it. With 1 partition, one thread trains.

Tasks of one Spark process share its copy of the vectors and write into it without locks. The
partitions of ``local[2]`` are therefore two threads on one model rather than 8 parts of a cluster.
``--executors`` adds a row in which each partition has an executor, a process of its own, as on
machines of a cluster; it takes ``--memory`` that many times.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any

from w2v_sparseadam.benchmark.environment import describe_machine

TRAIN = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
EVAL = [sys.executable, "-m", "w2v_sparseadam.commands.eval"]


def require_spark() -> None:
    """Exit with the line that installs what is missing."""
    if importlib.util.find_spec("pyspark") is None:
        raise SystemExit("PySpark is not installed: pip install pyspark")
    home = os.environ.get("JAVA_HOME")
    if home and not Path(home, "bin", "java").exists():
        raise SystemExit(f"JAVA_HOME is {home}, which has no bin/java: correct it or unset it")
    if not home and not shutil.which("java"):
        raise SystemExit("Java is not installed: apt-get install openjdk-17-jre-headless")


def train_spark(args: argparse.Namespace, partitions: int, master: str) -> dict[str, float]:
    """Train in this process, write the vectors, and return the seconds of start and of ``fit``."""
    from pyspark.ml.feature import Word2Vec
    from pyspark.sql import SparkSession, functions

    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.maxResultSize": 0,  # the vectors of all partitions come to the driver
            "spark.driver.memory": f"{args.memory}m",
            "spark.executor.memory": f"{args.memory}m",
            "spark.local.dir": folder,
            "spark.sql.warehouse.dir": folder,
            "spark.ui.enabled": False,
            "spark.ui.showConsoleProgress": False,
        }
        builder: Any = SparkSession.builder
        session = builder.master(master).config(map=settings).getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        ready = time.perf_counter()
        lines = session.read.text(args.corpus)
        sentences = lines.select(functions.split("value", " ").alias("words"))
        estimator = Word2Vec(
            vectorSize=args.dim,
            windowSize=args.window,
            minCount=args.min_count,
            maxIter=args.epochs,
            numPartitions=partitions,
            seed=args.seed,
            inputCol="words",
            outputCol="vector",
        )
        model: Any = estimator.fit(sentences)
        seconds = time.perf_counter() - ready
        write_vectors(args, model.getVectors().collect())
        session.stop()
    return {"start": ready - began, "seconds": seconds}


def write_vectors(args: argparse.Namespace, rows: list[Any]) -> None:
    """Write Spark's vectors, the most frequent words first: the analogy score depends on it."""
    import numpy as np

    from w2v_sparseadam import Vectors

    with open(args.corpus, encoding="utf-8") as stream:
        counts = Counter(word for line in stream for word in line.split())
    rows.sort(key=lambda row: (-counts[row.word], row.word))
    matrix = np.array([row.vector.toArray() for row in rows], np.float32)
    Vectors([row.word for row in rows], matrix).save(args.vectors)


def train_ours(args: argparse.Namespace, options: list[str]) -> dict[str, float]:
    """Run ``w2v-train`` and return the seconds of the whole command."""
    command = [*TRAIN, args.corpus, "-q", "-o", args.vectors, "--tokenizer", "whitespace"]
    for name in ("dim", "window", "min_count", "epochs", "seed"):
        command += ["--" + name.replace("_", "-"), str(getattr(args, name))]
    began = time.perf_counter()
    subprocess.run(command + options, check=True)
    return {"seconds": time.perf_counter() - began}


def score(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what ``w2v-eval`` says of the vectors, one report for each data set."""
    command = [*EVAL, args.vectors, *args.datasets, "--json"]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [json.loads(line) for line in answer.splitlines()]


def run_spark(partitions: int, master: str) -> dict[str, float]:
    """Run Spark in a process of its own, so that each run starts a JVM."""
    command = [sys.executable, __file__, *sys.argv[1:], "--spark", str(partitions), master]
    loopback = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"}
    child = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=loopback)
    if child.returncode:
        raise SystemExit(f"Spark failed on {master} with exit code {child.returncode}")
    result: dict[str, float] = json.loads(child.stdout.splitlines()[-1])
    return result


def results(args: argparse.Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    """Train every contestant in turn; its vectors are in the file until the next one begins."""
    threads = ["--threads", str(args.threads)]
    train_ours(args, [*threads, "--epochs", "1"])  # compile, and read the corpus into memory
    yield "w2v-sparseadam", train_ours(args, threads)
    # `w2v-train` trains on several workers only where Dask's `distributed` is part of it.
    help_all = subprocess.run([*TRAIN, "--help-all"], stdout=subprocess.PIPE, text=True, check=True)
    distributed = "--workers" in help_all.stdout
    for partitions in args.partitions:
        if distributed and partitions > 1:
            options = ["--workers", str(args.threads), "--shards", str(partitions)]
            name = f"w2v-sparseadam, {args.threads} workers, {partitions} shards"
            yield name, train_ours(args, options)
        plural = "" if partitions == 1 else "s"
        name = f"Spark, {partitions} partition{plural}"
        yield name, run_spark(partitions, f"local[{args.threads}]")
        if args.executors and partitions > 1:
            master = f"local-cluster[{partitions},1,{args.memory}]"
            yield f"{name} in {partitions} executors", run_spark(partitions, master)


def table(args: argparse.Namespace, n_tokens: int) -> Iterator[str]:
    """Yield the lines of the Markdown table, each as soon as its contestant has run."""
    names = [Path(path).stem for path in args.datasets]
    yield "| | start, s | training, s | tokens/s | " + " | ".join(names) + " |"
    yield "| --- |" + " ---: |" * (3 + len(names))
    for name, result in results(args):
        start = f"{result['start']:.1f}" if "start" in result else ""
        seconds = result["seconds"]
        cells = [name, start, f"{seconds:.1f}", f"{n_tokens / seconds:,.0f}"]
        for report in score(args):
            points = "–" if report["score"] is None else f"{report['score']:.1f}"
            cells.append(f"{points} ({report['covered']:,} of {report['items']:,})")
        yield "| " + " | ".join(cells) + " |"


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("corpus", help="text of words separated by white space, a sentence a line")
    parser.add_argument("--datasets", nargs="+", required=True, help="files that w2v-eval takes")
    parser.add_argument("--lines", type=int, help="use only the first lines of the corpus")
    parser.add_argument(
        "--partitions",
        default="1,8",
        type=lambda text: [int(part) for part in text.split(",")],
        help="parts that Spark trains apart; also the number of our shards (default: %(default)s)",
    )
    parser.add_argument(
        "--executors", action="store_true", help="train also with a process for each partition"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: %(default)s")
    parser.add_argument("--dim", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--window", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--epochs", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--min-count", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=1, help="default: %(default)s")
    parser.add_argument(
        "--memory", type=int, default=2048, help="MB of a Spark process (default: %(default)s)"
    )
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--spark", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    for path in (args.corpus, *args.datasets):  # before the training, which may take an hour
        if not Path(path).is_file():
            parser.error(f"{path} is not a file")
    return args


def main() -> None:
    """Run all contestants in turn and print the table."""
    args = parse()
    source = args.corpus
    with tempfile.TemporaryDirectory() as folder:
        args.folder = args.folder or folder
        args.corpus = str(Path(args.folder, "corpus.txt"))
        args.vectors = str(Path(args.folder, "vectors.vec"))
        if args.spark:
            print(json.dumps(train_spark(args, int(args.spark[0]), args.spark[1])))
            return

        require_spark()
        counts: Counter[str] = Counter()
        with open(source, encoding="utf-8") as stream, open(args.corpus, "w") as excerpt:
            for line in islice(stream, args.lines):
                words = line.split()
                counts.update(words)
                if words:
                    print(*words, file=excerpt)
        n_tokens = sum(n for n in counts.values() if n >= args.min_count) * args.epochs
        command = " ".join(["python", *sys.argv])
        sys.argv += ["--folder", folder]
        for row in table(args, n_tokens):
            print(row, flush=True)
    print(
        f"\n{date.today()}, {describe_machine()['processor']}, {args.threads} threads, Python "
        f"{platform.python_version()}, Spark {importlib.metadata.version('pyspark')}; "
        f"{n_tokens:,} tokens; `{command}`"
    )


if __name__ == "__main__":
    main()

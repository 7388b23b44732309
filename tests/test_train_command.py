"""w2v-train: what it writes and says, what it refuses, and how it stops."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numba import config

import w2v_sparseadam
from w2v_sparseadam import TextConfig, Vectors, __version__, training
from w2v_sparseadam.commands import train as command
from w2v_sparseadam.errors import DivergenceError

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")

SMALL = ["--dim", "3", "--batch-size", "32", "--min-count", "1", "--subsample", "0"]
SMALL += ["--epochs", "1", "--threads", "1"]


def write_text(path, n_lines):
    rng = np.random.default_rng(3)
    numbers = np.minimum(rng.zipf(1.4, (n_lines, 8)), 30)
    path.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with news.txt, 15 lines of 8 words."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("news.txt"), 15)
    return tmp_path


def run(*args, exit_code=0):
    result = CliRunner().invoke(command.main, [*args])
    assert result.exit_code == exit_code, result.output
    return result


def error_of(*args, exit_code):
    """Return the error line of a run that must fail, and must not have trained or written."""
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    lines = run(*args, exit_code=exit_code).stderr.splitlines()
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert sum(line.startswith("Error: ") for line in lines) == 1
    assert len(lines) == {1: 1, 2: 4}[exit_code]  # a usage error shows the usage too
    return lines[-1].removeprefix("Error: ")


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(command, "train", lambda *_, **__: pytest.fail("training began"))


def test_default_output_is_named_after_the_first_corpus(folder):
    Path("texts").mkdir()
    os.replace("news.txt", "texts/news.en.txt")
    run("texts/news.en.txt", "texts/news.en.txt", *SMALL)
    vectors = Vectors.load("news.en.vec")
    text = Path("texts/news.en.txt").read_text()
    assert set(vectors.words) == set(text.split())
    assert vectors.matrix.shape[1] == 3


def test_output_formats(folder):
    run("news.txt", *SMALL, "-o", "v.txt")
    run("news.txt", *SMALL, "--output", "v.bin")
    text, binary = Vectors.load("v.txt"), Vectors.load("v.bin")
    n_words = len(text.words)
    assert Path("v.txt").read_text().startswith(f"{n_words} 3\n{text.words[0]} ")
    assert Path("v.bin").stat().st_size < Path("v.txt").stat().st_size
    assert text.words == binary.words
    assert np.array_equal(text.matrix, binary.matrix)


def test_gensim_reads_both_formats(folder):
    models = pytest.importorskip("gensim.models")
    for name in ("v.vec", "v.bin"):
        run("news.txt", *SMALL, "-o", name)
        theirs = models.KeyedVectors.load_word2vec_format(name, binary=name.endswith(".bin"))
        ours = Vectors.load(name)
        assert theirs.index_to_key == list(ours.words)
        assert np.array_equal(theirs.vectors, ours.matrix)


def test_kinds_of_vectors(folder):
    matrices = {}
    for kind in ("center", "context", "sum"):
        run("news.txt", *SMALL, "--vectors", kind, "-o", "v.bin")
        matrices[kind] = Vectors.load("v.bin").matrix
    assert not np.array_equal(matrices["center"], matrices["context"])
    assert np.array_equal(matrices["center"] + matrices["context"], matrices["sum"])


def test_the_same_bytes_from_any_number_of_threads(folder):
    def result(*args):
        run("news.txt", *SMALL, "-o", "v.bin", *args)
        return Path("v.bin").read_bytes()

    once = result()
    assert result() == once
    for threads in ("2", "3"):
        assert result("--threads", threads) == once
    assert result("--seed", "2") != once


def test_options_reach_the_configs(folder, monkeypatch):
    """Every option but those of the output is a field of a config, and gets there."""
    seen = {}

    def train(paths, *, text, skip_gram, optimizer, run, on_event):
        seen.update({**vars(text), **vars(skip_gram), **vars(optimizer), **vars(run)})
        raise DivergenceError("enough")

    monkeypatch.setattr(command, "train", train)
    run("news.txt", exit_code=1)
    defaults = dict(seen)
    for settings in (
        TextConfig(),
        training.SkipGramConfig(),
        training.OptimizerConfig(),
        training.RunConfig(),
    ):
        assert vars(settings).items() <= defaults.items()
    given = {
        "tokenizer": ["--tokenizer", "whitespace"],
        "lowercase": ["--lowercase"],
        "min_count": ["--min-count", "2"],
        "max_vocab": ["--max-vocab", "70"],
        "max_types": ["--max-types", "700"],
        "errors": ["--errors", "ignore"],
        "dim": ["--dim", "7"],
        "window": ["--window", "8"],
        "dynamic_window": ["--fixed-window"],
        "negative": ["--negative", "9"],
        "noise_exponent": ["--noise-exponent", "0.5"],
        "subsample": ["--subsample", "0"],
        "optimizer": ["--optimizer", "dense-adam"],
        "lr": ["--lr", "0.5"],
        "beta1": ["--beta1", "0"],
        "beta2": ["--beta2", "0.25"],
        "eps": ["--eps", "0.125"],
        "bias_correction": ["--bias-correction", "row"],
        "epochs": ["--epochs", "4"],
        "batch_size": ["--batch-size", "64"],
        "seed": ["--seed", "0"],
        "threads": ["--threads", "6"],
    }
    assert given.keys() == defaults.keys()
    for name, option in given.items():
        run("news.txt", *option, exit_code=1)
        changed = {key for key in seen if seen[key] != defaults[key]}
        assert changed == {name}
        expected = {"--lowercase": True, "--fixed-window": False}.get(option[0], option[-1])
        assert seen[name] == type(seen[name])(expected)
    run("news.txt", "--dense-adam", exit_code=1)
    assert seen == {**defaults, "optimizer": "dense-adam"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--dim", "0"], "Invalid value for '--dim': 0 is not in the range x>=1."),
        (["--beta1", "1"], "Invalid value for '--beta1': 1.0 is not in the range 0<=x<1."),
        (
            ["--dense-adam", "--optimizer", "sgd"],
            "--dense-adam contradicts --optimizer sgd; give one of them",
        ),
        (
            ["--dense-adam", "--optimizer", "sparse-adam"],
            "--dense-adam contradicts --optimizer sparse-adam; give one of them",
        ),
        (
            ["--optimizer", "sgd", "--beta2", "0.999"],
            "--optimizer sgd has no --beta2",
        ),
        (
            ["--optimizer", "adagrad", "--beta1", "0"],
            "--optimizer adagrad has no --beta1",
        ),
        (
            ["--dense-adam", "--bias-correction", "row"],
            "--optimizer dense-adam has no --bias-correction",
        ),
        (
            ["missing.txt"],
            "Invalid value for 'CORPUS...': File 'missing.txt' does not exist.",
        ),
        (["."], "Invalid value for 'CORPUS...': File '.' is a directory."),
        (["-o", "."], "Invalid value for '-o' / '--output': File '.' is a directory."),
        (
            ["-o", "./news.txt"],
            "news.txt is a corpus file and would be overwritten; name another with -o",
        ),
        (
            ["-o", "link.txt"],
            "link.txt is a corpus file and would be overwritten; name another with -o",
        ),
        (
            ["--log", "news.txt"],
            "news.txt is a corpus file and would be overwritten; name another with --log",
        ),
        (
            ["--log", "news.vec"],
            "news.vec cannot hold both the vectors and the log; name another file",
        ),
    ],
)
def test_usage_errors(folder, no_training, args, message):
    os.link("news.txt", "link.txt")
    assert error_of("news.txt", *args, exit_code=2) == message


def test_a_corpus_named_like_the_default_output(folder, no_training):
    os.replace("news.txt", "news.vec")
    assert error_of("news.vec", exit_code=2) == (
        "news.vec is a corpus file and would be overwritten; name another with -o"
    )


def test_no_corpus_at_all(folder, no_training):
    assert error_of(exit_code=2) == "Missing argument 'CORPUS...'."


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            ["-o", "no/v.vec"],
            r"no/v\.vec: the folder '.*no' does not exist; create it, or write elsewhere",
        ),
        (
            ["--log", "no/log.jsonl"],
            r"no/log\.jsonl: cannot be written \(No such file or directory\); "
            "write the log elsewhere",
        ),
        (
            ["--seed", str(2**64)],
            "seed is 18446744073709551616, but must be a whole number, "
            "from 0 to 18446744073709551615",
        ),
    ],
)
def test_what_can_be_known_before_training_is(folder, no_training, args, message):
    assert re.fullmatch(message, error_of("news.txt", *args, exit_code=1))


def test_a_text_without_frequent_words(folder):
    lines = run("news.txt", "--min-count", "999", exit_code=1).stderr.splitlines()
    assert lines[-1] == (
        "Error: news.txt: no word occurs 999 times or more (the commonest, 'w1', occurs "
        f"{Path('news.txt').read_text().split().count('w1')} times); lower --min-count"
    )
    assert [path.name for path in Path().iterdir()] == ["news.txt"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of interpreted kernels
def test_divergence_writes_nothing(folder):
    args = ["--optimizer", "sgd", "--lr", "1e30", "--log", "log.jsonl"]
    lines = run("news.txt", *SMALL, *args, exit_code=1).stderr.splitlines()
    assert lines[-1] == (
        "Error: the loss became nan at step 3 of 4 (epoch 1, learning rate 5e+29); start again "
        "with a lower --lr"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["log.jsonl", "news.txt"]
    kinds = [event["event"] for event in read_log("log.jsonl")]
    assert "text" in kinds
    assert "done" not in kinds


def test_a_failure_keeps_the_vectors_that_were_there(folder):
    Path("news.vec").write_text("1 1\nold 1\n")
    run("news.txt", *SMALL, "--optimizer", "sgd", "--lr", "1e30", exit_code=1)
    assert Path("news.vec").read_text() == "1 1\nold 1\n"


def read_log(path):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    lines = Path(path).read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_log(folder):
    run("news.txt", *SMALL, "--epochs", "2", "--log", "log.jsonl")
    events = [event for event in read_log("log.jsonl") if event["event"] != "compile"]
    kinds = ["text", "start", "progress", "epoch", "progress", "epoch", "done"]
    assert [event["event"] for event in events] == kinds
    text, start, progress, epoch, _, _, done = events
    assert {"bytes", "lines", "tokens", "words", "seconds", "mb_per_s"} <= text.keys()
    assert start["steps"] == 8
    assert {"epoch", "tokens", "loss", "lr", "tokens_per_s"} <= progress.keys()
    assert progress["loss"] == pytest.approx(epoch["loss"])
    assert done["tokens"] == 240
    assert done["train_seconds"] > 0
    assert done["output"] == "news.vec"
    assert done["peak_memory_bytes"] > 1e6


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_the_log_of_a_long_run_stays_small(tmp_path, monkeypatch):
    """Two days of five events a second make a thousand lines, in which no pair is lost."""
    monkeypatch.setattr(command.time, "monotonic", clock := Clock())
    log = command._Log(tmp_path / "log.jsonl")
    n_events, rng = 5 * 2 * 24 * 3600, np.random.default_rng(1)
    log({"event": "start", "tokens": 10 * n_events})
    losses, pairs = rng.random(n_events), rng.integers(1, 50, n_events)
    for k in range(n_events):
        clock.now += 0.2
        tokens, seconds = 10 * (k + 1), 0.2 * (k + 1)
        part = {"loss": losses[k], "pairs": int(pairs[k]), "tokens_per_s": 0.0, "epoch": 1}
        log({"event": "progress", **part, "tokens": tokens, "seconds": seconds, "lr": 0.1})
    log({"event": "epoch"})
    log.close()
    _, *progress, _ = read_log(tmp_path / "log.jsonl")
    assert 990 <= len(progress) <= 1001
    assert sum(event["pairs"] for event in progress) == pairs.sum()
    total = sum(event["pairs"] * event["loss"] for event in progress)
    assert total == pytest.approx(pairs @ losses)
    assert {round(event["tokens_per_s"], 6) for event in progress} == {50.0}


def test_the_log_of_a_short_run_has_a_line_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(command.time, "monotonic", clock := Clock())
    log = command._Log(tmp_path / "log.jsonl")
    for k in range(1, 51):
        clock.now += 0.2
        log({"event": "read", "bytes": k, "total_bytes": 50})
    log.close()
    assert 9 <= len(read_log(tmp_path / "log.jsonl")) <= 10


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_that_fills_the_disk_does_not_end_the_run(folder):
    result = run("news.txt", *SMALL, "--log", "/dev/full", "-q")
    assert result.stderr == (
        "Warning: /dev/full: cannot be written (No space left on device); going on without it\n"
    )
    assert Vectors.load("news.vec").words


def test_what_a_run_says_off_a_terminal(folder):
    result = run("news.txt", *SMALL, "--min-count", "2", "--epochs", "2")
    lines = result.stderr.splitlines()
    if lines[0] == "Compiling for this machine; the next run will start at once.":
        lines = lines[1:]
    counts = np.unique(Path("news.txt").read_text().split(), return_counts=True)[1]
    kept, rare = counts[counts >= 2], int((counts < 2).sum())
    expected = [
        rf"Read 0\.0 MB in \d+\.\d s: 15 lines, 120 tokens, {counts.size} words\.",
        rf"Kept {kept.size} words, {kept.sum()} tokens \({kept.sum() / 120:.1%}\)\.",
        rf"Dropped {rare} tokens of words below --min-count\.",
        r"Epoch 1/2: loss \d\.\d{4} a pair, \d+\.\d s\.",
        r"Epoch 2/2: loss \d\.\d{4} a pair, \d+\.\d s\.",
        r"Trained in \d+\.\d s: [\d,]+ words/s, [\d,]+ MB of memory at the peak\.",
        rf"Wrote news\.vec: {kept.size} words, 3 dimensions\.",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)
    assert result.stdout == ""


def test_lines_of_a_long_run_off_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(command.time, "monotonic", clock := Clock())
    report = command._Report()
    for k in range(1, 4):
        clock.now += 11
        report({"event": "read", "bytes": k * 10**9, "total_bytes": 4 * 10**9})
    report({"event": "start", "tokens": 1000, "epochs": 2})
    for k in range(1, 80):
        clock.now += 0.25
        event = {"event": "progress", "epoch": 1, "tokens": 5 * k, "seconds": 0.25 * k}
        report({**event, "loss": 2.5, "lr": 0.0125, "tokens_per_s": 20.0})
    assert capsys.readouterr().err == (
        " 25%  reading, 1,000 MB\n"
        " 50%  reading, 2,000 MB\n"
        " 75%  reading, 3,000 MB\n"
        " 20%  Epoch 1/2, loss 2.500, lr 0.013, 20 words/s, 40.0 s left\n"
    )


def test_lines_of_a_long_stream_off_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(command.time, "monotonic", clock := Clock())
    report = command._Report()
    for k in range(1, 4):
        clock.now += 6
        report({"event": "read", "bytes": k * 10**9, "total_bytes": None, "tokens": k * 10**8})
    assert capsys.readouterr().err == "reading, 2,000 MB, 200,000,000 tokens\n"


def test_a_warning_when_a_frequent_word_may_have_been_forgotten(folder):
    Path("news.txt").write_text("a a a b b b\n" * 10 + " ".join(map(str, range(60))) + "\n")
    args = ["news.txt", *SMALL[:4], "--subsample", "0", "--epochs", "1", "--max-types", "9"]
    lines = run(*args, "--min-count", "2", "--log", "log").stderr.splitlines()
    assert "Dropped 60 tokens of the rarest types beyond --max-types." in lines
    assert not any(line.startswith("Warning") for line in lines)
    text = next(
        e for e in map(json.loads, Path("log").read_text().splitlines()) if e["event"] == "text"
    )
    assert (text["min_count"], text["pruned"], text["max_missed"]) == (2, 60, 1)
    lines = run(*args, "--min-count", "1").stderr.splitlines()
    warning = "--max-types may have cost a word that occurs up to 1 times its place; raise it."
    assert f"Warning: {warning}" in lines


def test_quiet(folder):
    assert run("news.txt", *SMALL, "-q").output == ""
    assert Vectors.load("news.vec").words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (3599.4, "59:59"), (90061, "25:01:01")],
)
def test_durations(seconds, text):
    assert command._duration(seconds) == text


def test_help(folder):
    page = CliRunner().invoke(command.main, ["--help"], terminal_width=80).output
    assert max(map(len, page.splitlines())) <= 80
    sections = re.split(r"\n\n(\w+):\n", page)
    assert sections[1::2] == ["Text", "Model", "Optimizer", "Run", "Output", "Other"]
    text, model, optimizer, run_, output, other = sections[2::2]
    assert "--min-count N" in text
    assert "[default: 100; x>=1]" in " ".join(model.split())
    assert "--dense-adam" in optimizer
    assert "[default: (all processors); x>=1]" in " ".join(run_.split())
    assert "CORPUS" not in output.replace("CORPUS' name", "")
    assert re.findall(r"--\w+", other) == ["--version", "--help"]


def test_version():
    assert CliRunner().invoke(command.main, ["--version"]).output.endswith(f" {__version__}\n")


# Python ignores Ctrl-C in a process that was started with it ignored, as background jobs are.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from w2v_sparseadam.commands.train import main; main(prog_name='w2v-train')"
)


@pytest.fixture
def start():
    """Start the command in a process of its own, which does not outlive the test."""
    environment = {**os.environ, "PYTHONPATH": str(Path(w2v_sparseadam.__file__).parents[1])}
    with contextlib.ExitStack() as stack:

        def start(*args, **kwargs):
            command_line = [sys.executable, "-c", MAIN, *args]
            process = subprocess.Popen(command_line, env=environment, **kwargs)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def wait_for(condition, process):
    """Wait until a condition holds; the generous limit only guards against a hang."""
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


SIGNALS = pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)


@posix_only
@SIGNALS
def test_a_signal_while_training(start, folder, number, code, word):
    args = [*SMALL, "--epochs", "100000000", "--threads", "2", "--log", "log.jsonl"]
    process = start("news.txt", *args, stderr=subprocess.PIPE, text=True)
    log = Path("log.jsonl")
    wait_for(lambda: log.exists() and '"start"' in log.read_text(), process)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert errors.splitlines()[-1] == f"{word}; no vectors were written."
    assert "Traceback" not in errors
    assert sorted(path.name for path in Path().iterdir()) == ["log.jsonl", "news.txt"]


@posix_only
@SIGNALS
def test_a_signal_while_reading(start, folder, number, code, word):
    """A pipe that nobody closes keeps the reader waiting."""
    import fcntl
    import termios

    def drained():
        n_waiting = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
        return int.from_bytes(n_waiting, sys.byteorder) == 0

    os.mkfifo("pipe")
    pipe = os.open("pipe", os.O_RDWR)  # for writing alone, it would wait for the reader
    os.write(pipe, b"some words\n" * 100)
    process = start("pipe", *SMALL, stderr=subprocess.PIPE, text=True)
    wait_for(drained, process)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    os.close(pipe)
    assert process.returncode == code
    assert errors.splitlines()[-1] == f"{word}; no vectors were written."
    assert sorted(path.name for path in Path().iterdir()) == ["news.txt", "pipe"]


@posix_only
@SIGNALS
def test_a_signal_while_saving(folder, monkeypatch, number, code, word):
    def fsync(_):
        assert any(path.suffix == ".tmp" for path in Path().iterdir())
        monkeypatch.setattr(Path, "unlink", unlink)
        os.kill(os.getpid(), number)

    def unlink(path, **kwargs):
        os.kill(os.getpid(), number)  # an impatient second one
        real_unlink(path, **kwargs)

    real_unlink = Path.unlink
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    Path("news.vec").write_text("1 1\nold 1\n")
    monkeypatch.setattr(os, "fsync", fsync)
    result = run("news.txt", *SMALL, exit_code=code)
    assert result.stderr.splitlines()[-1] == f"{word}; no vectors were written."
    assert sorted(path.name for path in Path().iterdir()) == ["news.txt", "news.vec"]
    assert Path("news.vec").read_text() == "1 1\nold 1\n"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@posix_only
def test_an_error_caused_by_a_signal_is_no_error(folder, monkeypatch):
    """Numba, interrupted, may raise something else."""

    def train(*_, **__):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("no compiled object yet") from error

    monkeypatch.setattr(command, "train", train)
    assert run("news.txt", exit_code=130).stderr == "Interrupted; no vectors were written.\n"


@posix_only
def test_a_signal_that_was_swallowed_stops_at_the_next_event(folder, monkeypatch):
    """Numba, interrupted, may also go on as if nothing were."""

    def train(*_, on_event, **__):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        on_event({"event": "text"})

    monkeypatch.setattr(command, "train", train)
    assert run("news.txt", exit_code=143).stderr == "Terminated; no vectors were written.\n"


@posix_only
def test_a_signal_while_compiling_waits_for_the_next_event(folder, monkeypatch):
    def train(*_, on_event, **__):
        on_event({"event": "compile"})
        os.kill(os.getpid(), signal.SIGINT)
        print("compiled")
        on_event({"event": "text"})

    monkeypatch.setattr(command, "train", train)
    result = run("news.txt", exit_code=130)
    assert result.stdout == "compiled\n"
    assert result.stderr.splitlines()[-1] == "Interrupted; no vectors were written."


def test_a_bug_keeps_its_traceback(folder, monkeypatch):
    monkeypatch.setattr(command, "train", lambda *_, **__: [][0])
    assert isinstance(CliRunner().invoke(command.main, ["news.txt"]).exception, IndexError)


@posix_only
@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="interpreted kernels warn on the terminal")
def test_a_bar_on_a_terminal(start, folder):
    import fcntl
    import pty
    import struct
    import termios

    write_text(Path("news.txt"), 400)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = start("news.txt", *SMALL, "--epochs", "3", stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while block := os.read(master, 1 << 16):
            shown += block
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(master)
    assert process.wait() == 0
    frames = re.split(r"[\r\n]+|\x1b\[A", shown.decode())
    bars = [frame for frame in frames if re.match(r"Epoch \d/3 +\d+%\|", frame)]
    assert bars
    assert re.search(r"Epoch 3/3 100%\|█+\| .* words/s, 00:00 left, loss \d\.\d{3}, lr ", bars[-1])
    assert max(map(len, bars)) <= 80
    lines = [frame for frame in frames if frame.strip() and frame not in bars]
    assert [line.split()[0] for line in lines if line.split()[0] != "Compiling"] == (
        ["Read", "Kept", "Epoch", "Epoch", "Epoch", "Trained", "Wrote"]
    )

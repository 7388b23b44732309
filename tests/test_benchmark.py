"""The benchmark's measurements: what is drawn, counted and skipped; never how long it takes."""

import json
import math
import mmap
import os
import sys
from dataclasses import replace

import numpy as np
import pytest

from w2v_sparseadam.benchmark import steps, training
from w2v_sparseadam.benchmark.benchmark import benchmark
from w2v_sparseadam.benchmark.drawn_text import draw_text
from w2v_sparseadam.benchmark.environment import describe_machine
from w2v_sparseadam.benchmark.residency import resident_bytes
from w2v_sparseadam.benchmark.results import (
    Report,
    Skipped,
    Spread,
    StepTiming,
    TimingSteps,
    TrainingRun,
)
from w2v_sparseadam.benchmark.steps import STEP_OPTIMIZERS
from w2v_sparseadam.benchmark.training import TRAINING_OPTIMIZERS
from w2v_sparseadam.errors import SettingError, TextError, W2VError
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.objectives.windows.objective import SHARED_NEGATIVES
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.optimizers.sparse_adam import SparseAdam
from w2v_sparseadam.simd.arrays import zeros
from w2v_sparseadam.system import memory
from w2v_sparseadam.text.vocabulary import LINE_END
from w2v_sparseadam.training.settings import RunConfig

SMALL = {"skip_gram": SkipGramConfig(dim=13), "run": RunConfig(batch_size=32, threads=2)}
WIDTH = 16  # 13 dimensions, padded to whole vectors


@pytest.fixture(scope="module")
def text():
    return draw_text(300, seed=3)


@pytest.fixture
def short_rounds(monkeypatch):
    monkeypatch.setattr(steps, "_ROUND_SECONDS", 1e-9)
    monkeypatch.setattr(steps, "_DRAWS", 2)


# What is drawn


@pytest.mark.parametrize("n_words", [1, 7, 20, 300])
def test_drawn_text_keeps_the_contract_of_a_corpus(n_words):
    word_ids, counts = draw_text(n_words, seed=1)
    assert (word_ids.dtype, counts.dtype, counts.shape) == (np.int32, np.int64, (n_words,))
    assert word_ids[0] >= 0
    assert word_ids[-1] == LINE_END
    assert not ((word_ids[1:] == LINE_END) & (word_ids[:-1] == LINE_END)).any()
    np.testing.assert_array_equal(np.bincount(word_ids[word_ids >= 0]), counts)
    assert counts.min() >= 1
    assert counts.sum() >= 100 * n_words


def test_drawn_lines_keep_to_a_topic_and_words_to_zipf():
    n_words, n_lines = 1000, 5000
    word_ids, _ = draw_text(n_words, seed=2)
    lines = word_ids.reshape(-1, 21)[:, :20]
    assert len(lines) == n_lines + n_words // 20
    drawn = lines[:n_lines]
    assert (drawn % 10 == drawn[:, :1] % 10).all()
    assert np.unique(drawn[:, 0] % 10).size == 10
    assert set(lines[n_lines:].flat) == set(range(n_words))
    # Topics change the last digit only: tens come with the probability of their ten words.
    tens = np.bincount(drawn.reshape(-1) // 10, minlength=100)
    first = np.arange(1, n_words, 10)
    expected = np.log((first + 10) / first) / np.log(n_words + 1)
    assert expected.sum() == pytest.approx(1)
    error = np.sqrt(drawn.size * expected * (1 - expected))
    assert (abs(tens - drawn.size * expected) < 4 * error).all()


def test_drawn_text_depends_on_the_seed_alone():
    one, same, other = (draw_text(50, seed)[0].tobytes() for seed in (1, 1, 2))
    assert one == same != other


def test_rows_touched_are_those_of_real_batches(planner, text):
    word_ids, counts = text
    skip_gram = SkipGramConfig(subsample=0.01)
    plans = planner(
        word_ids, counts=counts, n_shared=SHARED_NEGATIVES, subsample=skip_gram.subsample
    )
    n_rows, n_centers = [], []
    for start in range(0, 4200, 420):
        plan = plans.plan(start, start + 420)
        n_rows.append(plan.groups[1].n_rows[0])
        n_centers.append(plan.n_centers[0])
    touches = steps._expected_touches(counts, skip_gram, np.mean(n_centers))
    assert -np.expm1(-touches).sum() == pytest.approx(np.mean(n_rows), rel=0.05)


def test_rows_are_drawn_in_proportion_to_their_rates():
    rng = np.random.default_rng(4)
    rates = np.array([1.0, 2.0, 3.0, 4.0])
    first = [steps._draw_rows(rng, rates, 1).rows[0] for _ in range(2000)]
    share = rates / rates.sum()
    error = np.sqrt(2000 * share * (1 - share))
    assert (abs(np.bincount(first, minlength=4) - 2000 * share) < 4 * error).all()
    groups = steps._draw_rows(rng, np.array([1e9, 1.0, 1e9, 1.0, 1e9, 1.0]), 3)
    assert sorted(groups.rows[: groups.n_rows[0]]) == [0, 2, 4]


# The step alone


def test_steps_count_rows_and_bytes(text, short_rounds):
    events = []
    report = benchmark(
        *text, sizes=[1000, 5, 300], repeat=2, seconds=0, on_event=events.append, **SMALL
    )
    assert events == [TimingSteps(300), TimingSteps(1000)]
    keys = [(timing.n_words, timing.draw, timing.optimizer) for timing in report.steps]
    assert keys == [
        (n_words, draw, optimizer)
        for n_words, own in ((300, "corpus"), (1000, "zipf"))
        for draw in (own, "uniform")
        for optimizer in STEP_OPTIMIZERS
    ]
    n_rows = report.steps[0].n_rows_touched
    assert 32 < n_rows <= 96  # a batch has 32 words and 64 negatives
    assert report.skipped == [
        Skipped("a step over 5 words", f"it has fewer rows than the {n_rows} that a batch touches")
    ]
    for timing in report.steps:
        assert timing.n_rows_touched == n_rows
        assert len(timing.seconds) == 2
        assert min(timing.seconds) > 0
        n_moved = n_rows if timing.optimizer == "sparse-adam" else timing.n_words
        assert timing.n_rows_moved == n_moved
        # Parameter, m and v are read and written; a gradient is read.
        assert timing.n_bytes_moved == 4 * WIDTH * (6 * n_moved + n_rows)
        assert timing.state_bytes == 4 * WIDTH * 2 * timing.n_words
    assert report.training == []


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' mincore")
def test_resident_state_is_what_was_touched():
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 64 * page, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_NOHUGEPAGE)
    pages = np.frombuffer(memory, np.uint8).reshape(64, page)
    assert resident_bytes([pages[3:60]]) == 0
    pages[[5, 9]] = 1
    assert resident_bytes([pages[3:60]]) == 2 * page
    left, right = pages[3:60, : page // 2], pages[3:60, page // 2 :]
    assert resident_bytes([right, left]) == 2 * page


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux' mincore")
def test_state_of_rows_that_are_never_touched_is_not_resident():
    """A vocabulary of 10⁶ words of which a text has the 10⁴ most frequent."""
    param = zeros(1_000_000, 112)
    optimizer = SparseAdam(param)
    rng = np.random.default_rng(1)
    for _ in range(3):
        rows = rng.permutation(10_000)
        optimizer.step(rows, np.ones((rows.size, 112), np.float32))
    in_use = 10_000 * 2 * 112 * 4
    assert sum(array.nbytes for array in optimizer.state.values()) == 100 * in_use
    huge_page = 1 << 21
    resident = resident_bytes(optimizer.state.values())
    assert in_use <= resident <= in_use + 2 * huge_page


def test_steps_tell_what_is_resident(text, short_rounds):
    report = benchmark(*text, sizes=[], repeat=1, seconds=0, **SMALL)
    sparse, dense = report.steps[:2]
    if sys.platform.startswith("linux"):
        assert dense.resident_state_bytes == dense.state_bytes
        assert 0 < sparse.resident_state_bytes <= sparse.state_bytes
    else:
        assert dense.resident_state_bytes is sparse.resident_state_bytes is None


def test_what_does_not_fit_in_memory_is_skipped(text, monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 30_000)
    report = benchmark(*text, sizes=[], repeat=1, seconds=1, **SMALL)
    assert (report.steps, report.training) == ([], [])
    assert report.skipped == [
        # Rows of 64 bytes: three to each Adam; SGD moves two matrices without state.
        Skipped("a step over 300 words", "it needs 0.0 GB of memory, and 0.0 GB are free"),
        *(
            Skipped(f"training with {name}", "it needs 0.0 GB of memory, and 0.0 GB are free")
            for name in TRAINING_OPTIMIZERS
        ),
    ]


# Training


def test_training_takes_turns(text, short_rounds):
    events = []
    report = benchmark(*text, sizes=[], repeat=2, seconds=0.05, on_event=events.append, **SMALL)
    events = [event for event in events if event["event"] == "training"]
    turns = [(event["round"], event["optimizer"]) for event in events]
    assert turns == [(number, name) for number in (1, 2) for name in TRAINING_OPTIMIZERS]
    assert [run.optimizer for run in report.training] == [name for _, name in turns]
    for run in report.training:
        assert run.seconds >= 0.05
        assert run.n_tokens > 0
        assert run.tokens_per_s == run.n_tokens / run.seconds
        # No knowledge: log 2 for the pair and each of its five negatives.
        assert 0 < run.loss < 6 * math.log(2) + 0.1
        assert run.curve[-1][0] <= run.seconds
        times = [seconds for seconds, _ in run.curve]
        assert times == sorted(set(times))
        assert len(times) <= 50
    assert {name: len(runs) for name, runs in report.training_runs().items()} == dict.fromkeys(
        TRAINING_OPTIMIZERS, 2
    )


def train_here(seconds, word_ids, counts, optimizer="sparse-adam", **settings):
    word_ids = np.array(word_ids, np.int32)
    word_ids.flags.writeable = False  # as a corpus has them
    return training._train_for(
        seconds,
        word_ids,
        np.asarray(counts),
        SkipGramConfig(dim=8, subsample=0),
        OptimizerConfig(optimizer, **settings),
        RunConfig(batch_size=32, threads=1),
    )


def test_a_diverged_run_has_no_loss(text):
    with np.errstate(all="ignore"):
        run = train_here(60, *text, "sgd", lr=1e38)
    assert run.loss is None
    assert run.seconds < 60
    assert all(math.isfinite(loss) for _, loss in run.curve)


def test_a_text_without_pairs_has_no_loss():
    run = train_here(0.02, [0, LINE_END, 1, LINE_END], [1, 1])
    assert (run.loss, run.curve) == (None, [])
    assert run.n_tokens > 0


def test_curve_has_the_mean_of_each_interval():
    def sample(seconds, loss, n_pairs):
        return training._Sample(seconds, loss, n_pairs)

    samples = [sample(0.01, 4, 2), sample(0.03, 6, 3), sample(0.05, 9, 3), sample(1.2, 8, 4)]
    intervals = list(training._intervals(samples, 1.0))
    assert intervals == [samples[:1], samples[1:2], samples[2:3], samples[3:]]
    intervals = list(training._intervals(samples, 2.0))
    assert intervals == [samples[:2], samples[2:3], samples[3:]]
    assert training._mean_loss(samples[:2]) == 2


@pytest.mark.skipif(os.name != "posix", reason="signals and shell scripts")
@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        (
            "kill -9 $$",
            W2VError,
            "training with sparse-adam was ended by signal 9; if memory ran out, lower dim or "
            "raise min_count",
        ),
        ("exit 3", RuntimeError, "training with sparse-adam failed with exit code 3"),
    ],
)
def test_a_process_that_fails(text, short_rounds, tmp_path, monkeypatch, script, error, message):
    program = tmp_path / "python"
    program.write_text(
        f"#!/bin/sh\ncat > {tmp_path}/task\necho $* > {tmp_path}/arguments\n{script}\n"
    )
    program.chmod(0o755)
    monkeypatch.setattr(training.sys, "executable", str(program))
    with pytest.raises(error) as caught:
        benchmark(*text, sizes=[], repeat=1, seconds=1, **SMALL)
    assert str(caught.value) == message
    task = json.loads((tmp_path / "task").read_text())
    assert (task["name"], task["seconds"], task["skip_gram"]["dim"]) == ("sparse-adam", 1, 13)
    assert not os.path.exists(task["folder"])
    # -P, so that a numpy.py in the working folder is not run.
    assert (tmp_path / "arguments").read_text() == "-P -m w2v_sparseadam.benchmark.training\n"


@pytest.mark.skipif(os.name != "posix", reason="process ids and shell scripts")
def test_an_interrupt_ends_the_process(text, short_rounds, tmp_path, monkeypatch):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(training.sys, "executable", str(program))
    children = []

    def interrupt(child, *_):
        children.append(child)
        raise KeyboardInterrupt

    monkeypatch.setattr(training.subprocess.Popen, "communicate", interrupt)
    with pytest.raises(KeyboardInterrupt):
        benchmark(*text, sizes=[], repeat=1, seconds=1, **SMALL)
    (child,) = children
    assert child.returncode == -9


def test_no_room_for_the_word_ids(text, short_rounds, monkeypatch):
    def save(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training.np, "save", save)
    with pytest.raises(TextError, match="cannot hold the temporary word ids: No space left on dev"):
        benchmark(*text, sizes=[], repeat=1, seconds=1, **SMALL)


# The report


def test_spread():
    assert Spread.of([3, 1, 2]) == (2, 1, 3)
    assert Spread.of(iter([4.0, 1.0])) == (2.5, 1, 4)


def test_ratio_is_taken_within_rounds():
    first = StepTiming(10, "zipf", "sparse-adam", 2, 2, 100, [1.0, 2.0, 4.0], 8, 8)
    other = replace(first, optimizer="dense-adam", seconds=[3.0, 4.0, 20.0])
    assert other.ratio(first) == (3, 2, 5)


def test_records_are_json():
    first = StepTiming(10, "zipf", "sparse-adam", 2, 2, 100, [1.0, 2.0, 4.0], 8, None)
    other = replace(first, optimizer="dense-adam", seconds=[3.0, 4.0, 20.0])
    run = TrainingRun("sgd", 2.0, 300, None, [(1.0, 3.5)], None)
    settings = {"n_words": 10, "n_tokens": 75}
    report = Report({"date": "today"}, settings, [first, other], [run], [Skipped("x", "y")])
    machine, told, *steps, training, skipped = json.loads(json.dumps(list(report.records())))
    assert machine == {"kind": "machine", "date": "today"}
    assert told == {"kind": "settings", **settings}
    assert steps[1] == {
        "kind": "step",
        "n_words": 10,
        "draw": "zipf",
        "optimizer": "dense-adam",
        "n_rows_touched": 2,
        "n_rows_moved": 2,
        "n_bytes_moved": 100,
        "seconds": [3.0, 4.0, 20.0],
        "state_bytes": 8,
        "resident_state_bytes": None,
        "median_seconds": 4.0,
        "ratio": 3.0,
    }
    assert (steps[0]["median_seconds"], steps[0]["ratio"]) == (2.0, 1.0)
    assert training == {
        "kind": "training",
        "optimizer": "sgd",
        "seconds": 2.0,
        "n_tokens": 300,
        "loss": None,
        "curve": [[1.0, 3.5]],
        "peak_memory_bytes": None,
        "tokens_per_s": 150.0,
        "epoch_seconds": 0.5,
    }
    assert skipped == {"kind": "skipped", "what": "x", "reason": "y"}


def test_machine_is_described():
    machine = describe_machine()
    assert list(machine) == ["processor", "date", "python", "numpy", "numba", "w2v_sparseadam"]
    assert all(machine.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sizes": [10, 0]}, "a size is 0, but must be from 1 to 2147483647"),
        ({"repeat": 0}, "repeat is 0, but must be 1 or more"),
        ({"seconds": -1}, "seconds is -1, but must be 0 or more"),
        ({"seconds": math.nan}, "seconds is nan, but must be 0 or more"),
        ({"seconds": math.inf}, "seconds is inf, but must be 0 or more"),
    ],
)
def test_settings_outside_their_range(text, settings, message):
    with pytest.raises(SettingError) as caught:
        benchmark(*text, **{"sizes": [], "repeat": 1, "seconds": 0, **settings})
    assert str(caught.value) == message


def test_a_text_needs_a_word():
    with pytest.raises(SettingError, match=r"^n_words is 0, but must be from 1 to 2147483647$"):
        draw_text(0, 1)

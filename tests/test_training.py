"""Training from Python: settings, events, results, and everything that can go wrong."""

import json
import math
import os
import re
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from numba import config, njit
from runs import train

from w2v_sparseadam import resume
from w2v_sparseadam.engine import engine
from w2v_sparseadam.errors import DivergenceError, SettingError, TextError, W2VError
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.objectives.windows.settings import MAX_WINDOW, default_subsample
from w2v_sparseadam.optimizers.settings import START_LR, OptimizerConfig
from w2v_sparseadam.runs.settings import read_settings
from w2v_sparseadam.system import machine, memory
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.text import events as text_events
from w2v_sparseadam.text import first_pass
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.text.vocabulary import Vocabulary
from w2v_sparseadam.training import train as training
from w2v_sparseadam.training.build import build_engine, start_engine
from w2v_sparseadam.training.settings import (
    MAX_BATCH_SIZE,
    RunConfig,
    Settings,
    default_batch_size,
    default_epochs,
)

compiled_only = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
# Compiled code says nothing; interpreted, NumPy warns.
numbers_overflow = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SMALL = {
    "text": TextConfig(min_count=1),
    "skip_gram": SkipGramConfig(dim=3, window=2, subsample=0),
    "run": RunConfig(epochs=2, batch_size=32, threads=1),
}


def zipf_words(seed, n_tokens, n_words=30):
    rng = np.random.default_rng(seed)
    return [f"w{number}" for number in np.minimum(rng.zipf(1.4, n_tokens), n_words)]


@pytest.fixture
def text(tmp_path):
    """Write 120 tokens in lines of 8."""
    words = zipf_words(5, 120)
    lines = [" ".join(words[first : first + 8]) for first in range(0, 120, 8)]
    path = tmp_path / "text.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def events_of(path, **settings):
    events = []
    model = train(path, on_event=events.append, **{**SMALL, **settings})
    return model, events


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SkipGramConfig(dim=0), "dim is 0, but must be a whole number from 1 to 4,096"),
        (lambda: SkipGramConfig(dim=2.5), "dim is 2.5, but must be a whole number from 1 to 4,096"),
        (
            lambda: SkipGramConfig(window="5"),
            "window is '5', but must be a whole number from 1 to 100,000",
        ),
        (
            lambda: SkipGramConfig(dynamic_window="no"),
            "dynamic_window is 'no', but must be one of True, False",
        ),
        (lambda: SkipGramConfig(subsample=-1), "subsample is -1, but must be a number from 0 to 1"),
        (
            lambda: SkipGramConfig(noise_exponent=math.inf),
            "noise_exponent is inf, but must be a number from 0 to 10",
        ),
        (
            lambda: OptimizerConfig("adam"),
            "optimizer is 'adam', but must be one of 'sparse-adam', 'rowwise-adam', 'dense-adam', "
            "'adagrad', 'sgd'",
        ),
        (
            lambda: SkipGramConfig(dim=4097),
            "dim is 4097, but must be a whole number from 1 to 4,096",
        ),
        (lambda: OptimizerConfig(lr=0), "lr is 0, but must be a number, above 0"),
        (
            lambda: OptimizerConfig(beta1=1),
            "beta1 is 1, but must be a number, at least 0 and below 1",
        ),
        (
            lambda: OptimizerConfig(beta2=None),
            "beta2 is None, but must be a number, at least 0 and below 1",
        ),
        (
            lambda: OptimizerConfig(beta2=math.nan),
            "beta2 is nan, but must be a number, at least 0 and below 1",
        ),
        (
            lambda: OptimizerConfig(eps=0),
            "eps is 0, but must be a number, above 0 and at most 1e+38",
        ),
        (
            lambda: OptimizerConfig(power=0.75),
            "power is 0.75, but must be a number from 0 to 0.5",
        ),
        (
            lambda: OptimizerConfig(lr_schedule="step"),
            "lr_schedule is 'step', but must be one of 'linear', 'cosine', 'constant'",
        ),
        (
            lambda: OptimizerConfig(warmup=1),
            "warmup is 1, but must be a number, at least 0 and below 1",
        ),
        (
            lambda: OptimizerConfig(lr=0.5, min_lr=0.6),
            "min_lr is 0.6, but must be at most the highest rate, 0.5",
        ),
        (
            lambda: RunConfig(epochs=0),
            "epochs is 0, but must be a whole number from 1 to 1,000,000,000",
        ),
        (
            lambda: RunConfig(batch_size=31),
            "batch_size is 31, but must be a whole number from 32 to 131,072",
        ),
        (
            lambda: RunConfig(seed=2**64),
            "seed is 18446744073709551616, but must be a whole number "
            "from 0 to 18,446,744,073,709,551,615",
        ),
        (
            lambda: RunConfig(threads=0),
            "threads is 0, but must be a whole number from 1 to 1,000,000,000",
        ),
        (
            lambda: SkipGramConfig(window=10**9),
            "window is 1000000000, but must be a whole number from 1 to 100,000",
        ),
        (
            lambda: SkipGramConfig(negative=10**30),
            f"negative is {10**30}, but must be a whole number from 1 to 10,000",
        ),
        (
            lambda: SkipGramConfig(subsample=1e308),
            "subsample is 1e+308, but must be a number from 0 to 1",
        ),
        (
            lambda: SkipGramConfig(noise_exponent=1000),
            "noise_exponent is 1000, but must be a number from 0 to 10",
        ),
        (lambda: OptimizerConfig(eps=1e-46), "eps is 1e-46, but must be at least 1e-45"),
        (
            lambda: OptimizerConfig(eps=1e39),
            "eps is 1e+39, but must be a number, above 0 and at most 1e+38",
        ),
        (lambda: OptimizerConfig(lr=1e-46), "lr is 1e-46, but must be at least 1e-45"),
        (
            lambda: RunConfig(epochs=10**30),
            f"epochs is {10**30}, but must be a whole number from 1 to 1,000,000,000",
        ),
        (
            lambda: RunConfig(batch_size=2 * 10**9),
            "batch_size is 2000000000, but must be a whole number from 32 to 131,072",
        ),
    ],
)
def test_settings_are_checked(make, message):
    with pytest.raises(SettingError) as caught:
        make()
    assert str(caught.value) == message


def test_defaults_that_depend():
    for optimizer, lr in START_LR.items():
        assert OptimizerConfig(optimizer).start_lr == lr
        assert OptimizerConfig(optimizer, lr=0.5).start_lr == 0.5
    assert RunConfig(threads=1).n_threads == 1


def test_there_is_no_thread_without_a_processor(monkeypatch):
    monkeypatch.setattr(machine, "usable_processors", lambda: 4)
    threads = [RunConfig(threads=threads).n_threads for threads in (1, 4, 64, 10**9, None)]
    assert threads == [1, 4, 4, 4, 4]


@pytest.mark.parametrize(
    ("skip_gram", "run", "message"),
    [
        (
            SkipGramConfig(dim=16, window=90_000),
            RunConfig(batch_size=1024),
            r"^the batches do not fit: they need \d+\.\d GB of memory, the model with its "
            r"optimizer's state 0\.0 GB, and 0\.4 GB can be had; lower window, batch_size, "
            "threads or dim$",
        ),
        (
            SkipGramConfig(dim=16, window=MAX_WINDOW),
            RunConfig(batch_size=MAX_BATCH_SIZE),
            r"^window 100000 and the batch are too large together: a batch has 2 \*\* 31 places or "
            "more; lower window or batch_size$",
        ),
    ],
)
def test_batches_that_do_not_fit(monkeypatch, skip_gram, run, message):
    """The model is small; what a batch needs is refused before any of it is touched."""
    monkeypatch.setattr(memory, "available_memory", lambda: 500_000_000)
    word_ids = np.broadcast_to(np.int32(0), 10**9)
    words = Vocabulary(["a"], np.array([10**9]))
    with Workers(1) as workers, pytest.raises(W2VError, match=message):
        start_engine(words, word_ids, Settings(objective=skip_gram, run=run), workers, print)


def test_memory_that_is_refused_is_told_in_one_line(monkeypatch):
    def refuse(*_):
        raise MemoryError("Unable to allocate 9 TiB")

    monkeypatch.setattr(engine, "zeros", refuse)
    with Workers(1) as workers, pytest.raises(W2VError) as caught:
        build_engine(np.array([0, 0, -1], np.int32), np.array([2]), Settings(), workers)
    assert str(caught.value) == (
        "the memory does not hold the run (Unable to allocate 9 TiB); lower window, "
        "batch_size, threads or dim"
    )


def test_threads_default_keeps_to_the_processors_allowed():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("the system has no processor affinity")
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert RunConfig().n_threads == 1
    finally:
        os.sched_setaffinity(0, allowed)


def test_events_tell_the_whole_story(text):
    model, events = events_of(text)
    told_in_time = {"compile", "read", "progress"}  # which a busy machine tells more often
    kinds = [event["event"] for event in events if event["event"] not in told_in_time]
    assert kinds == ["text", "start", "epoch", "epoch", "done"]
    by_kind = {kind: [e for e in events if e["event"] == kind] for kind in [*kinds, "progress"]}
    (read,), (start,), (done,) = by_kind["text"], by_kind["start"], by_kind["done"]
    progress, epochs = by_kind["progress"], by_kind["epoch"]

    assert read["bytes"] == text.stat().st_size
    assert (read["lines"], read["tokens"], read["kept_tokens"]) == (15, 120, 120)
    assert read["words"] == read["distinct_words"] == len(model.words)
    assert math.isclose(read["mb_per_s"], read["bytes"] / 1e6 / read["seconds"])

    assert start["tokens"] == 240
    assert (start["dim"], start["epochs"], start["threads"]) == (3, 2, 1)
    assert start["words"] == len(model.words)

    assert [event["epoch"] for event in epochs] == [1, 2]
    assert [event["tokens"] for event in epochs] == [120, 120]
    assert progress[-1]["tokens"] == 240
    for epoch in epochs:
        parts = [event for event in progress if event["epoch"] == epoch["epoch"]]
        assert sum(part["pairs"] for part in parts) == epoch["pairs"] > 0
        loss = sum(part["loss"] * part["pairs"] for part in parts) / epoch["pairs"]
        assert math.isclose(loss, epoch["loss"])
    lrs = [event["lr"] for event in progress]
    assert 0.02 >= lrs[0] > lrs[-1] > 0

    assert done["tokens"] == 240
    assert done["loss"] == model.loss == epochs[-1]["loss"]
    assert math.isclose(done["tokens_per_s"], 240 / done["train_seconds"])
    assert done["train_seconds"] >= sum(event["seconds"] for event in epochs) * 0.99
    json.dumps(list(map(dict, events)), allow_nan=False)


def test_first_loss_is_that_of_vectors_near_zero(text):
    """Scores begin at 0, so a pair and its K negatives cost (1 + K) log 2."""
    tiny = OptimizerConfig("sgd", lr=1e-30)
    model, _ = events_of(text, optimizer=tiny)
    assert math.isclose(model.loss, 6 * math.log(2), rel_tol=1e-6)


def test_loss_falls(text):
    _, events = events_of(text, run=replace(SMALL["run"], epochs=8))
    losses = [event["loss"] for event in events if event["event"] == "epoch"]
    assert losses[-1] < losses[0] - 0.3


def test_model_has_a_row_for_each_word(text):
    model, _ = events_of(text)
    assert sorted(model.words) == sorted(set(text.read_text().split()))
    assert model.counts.tolist() == sorted(model.counts, reverse=True)
    assert model.counts.sum() == 120
    assert model.center_vectors.shape == model.context_vectors.shape == (len(model.words), 3)
    assert np.array_equal(model.vectors().matrix, model.center_vectors)
    assert np.array_equal(model.vectors("context").matrix, model.context_vectors)
    sums = model.center_vectors + model.context_vectors
    assert np.array_equal(model.vectors("sum").matrix, sums)
    assert model.vectors("sum").words == tuple(model.words)
    with pytest.raises(SettingError) as caught:
        model.vectors("both")
    assert str(caught.value) == "kind is 'both', but must be one of 'center', 'context', 'sum'"


def bytes_of(model):
    return model.center_vectors.tobytes() + model.context_vectors.tobytes()


@pytest.mark.parametrize("optimizer", START_LR)
def test_result_depends_on_the_seed_alone(text, optimizer, monkeypatch):
    monkeypatch.setattr(machine, "usable_processors", lambda: 3)

    def result(seed=1, threads=1):
        run = RunConfig(epochs=1, batch_size=32, seed=seed, threads=threads)
        return bytes_of(events_of(text, optimizer=OptimizerConfig(optimizer), run=run)[0])

    once = result()
    assert result() == result(threads=2) == result(threads=3) == once
    assert result(seed=2) != once


def test_every_setting_of_a_run_matters(text):
    plain = bytes_of(events_of(text)[0])
    for change in (
        {"skip_gram": replace(SMALL["skip_gram"], window=3)},
        {"skip_gram": replace(SMALL["skip_gram"], dynamic_window=False)},
        {"skip_gram": replace(SMALL["skip_gram"], negative=6)},
        {"skip_gram": replace(SMALL["skip_gram"], noise_exponent=0)},
        {"skip_gram": replace(SMALL["skip_gram"], subsample=0.1)},
        {"optimizer": OptimizerConfig(lr=0.03)},
        {"optimizer": OptimizerConfig(beta1=0.8)},
        {"optimizer": OptimizerConfig(beta2=0.99)},
        {"optimizer": OptimizerConfig(eps=0.5)},
        {"optimizer": OptimizerConfig("dense-adam")},
        {"optimizer": OptimizerConfig("sgd")},
        {"run": replace(SMALL["run"], epochs=3)},
        {"run": replace(SMALL["run"], batch_size=64)},
        {"text": TextConfig(min_count=2)},
    ):
        assert bytes_of(events_of(text, **change)[0]) != plain, change


def test_a_path_or_several(text, tmp_path):
    first, second = tmp_path / "first.txt", tmp_path / "second.txt"
    lines = text.read_text().splitlines(keepends=True)
    first.write_text("".join(lines[:7]))
    second.write_text("".join(lines[7:]))
    whole = events_of(str(text))[0]
    assert bytes_of(events_of([first, str(second)])[0]) == bytes_of(whole)
    assert bytes_of(events_of([second, first])[0]) != bytes_of(whole)


@numbers_overflow
def test_divergence_names_step_epoch_and_rate(text):
    with pytest.raises(DivergenceError) as caught:
        events_of(text, optimizer=OptimizerConfig("sgd", lr=1e30))
    told = re.fullmatch(
        "the loss became nan and the vectors of 'w1', .* grew longer than 1,000 by step 3 of 8 "
        r"\(epoch 1, learning rate 7\.5e\+29\); start again with a lower lr",
        str(caught.value),
    )
    assert told


@numbers_overflow
def test_divergence_in_the_last_step(text):
    """No loss is computed after it, but the vectors themselves are looked at."""
    run = RunConfig(epochs=1, batch_size=1000, threads=1)
    with pytest.raises(DivergenceError) as caught:
        events_of(text, optimizer=OptimizerConfig("sgd", lr=1e300), run=run)
    told = re.fullmatch(
        r"the vectors of .* grew longer than 1,000 by step 1 of 1 \(epoch 1, learning rate "
        r"1e\+300\); start again with a lower lr",
        str(caught.value),
    )
    assert told


def test_text_without_pairs(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("apple\npear\n" * 9)
    with pytest.raises(TextError) as caught:
        events_of(path)
    assert str(caught.value) == (
        "nothing to learn from: no line has two words; put whole sentences on lines"
    )
    with pytest.raises(TextError, match=r"no line has two words; lower min_count$"):
        events_of(path, text=TextConfig(min_count=2))


def rarely_two(tmp_path, seed, epochs):
    """Train on a line of two words, of which subsampling leaves both in one epoch of ten."""
    path = tmp_path / "list.txt"
    path.write_text("apple pear\n")
    told = []
    model = train(
        path,
        text=TextConfig(min_count=1),
        skip_gram=SkipGramConfig(dim=3, subsample=0.04),
        run=RunConfig(epochs=epochs, batch_size=32, seed=seed, threads=1),
        on_event=told.append,
    )
    return model, [event for event in told if event["event"] == "epoch"]


def test_a_small_vocabulary_has_small_batches():
    sizes = {n: default_batch_size(10**6, n) for n in (1, 4, 5, 50, 128, 129, 10**6)}
    assert sizes == {1: 32, 4: 32, 5: 40, 50: 400, 128: 1024, 129: 1024, 10**6: 1024}


@pytest.mark.parametrize(
    ("n_tokens", "n_words", "size"),
    [
        (7_999_999, 10**6, 1024),
        (8_000_000, 20_480, 2048),
        (15_999_999, 10**6, 2048),
        (16_000_000, 20_479, 1024),
        (16_000_000, 40_959, 2048),
        (16_000_000, 40_960, 4096),
        (10**10, 10**6, 4096),
        (10**10, 100, 800),
    ],
)
def test_a_large_text_of_many_words_has_large_batches(n_tokens, n_words, size):
    assert Settings().for_text(n_tokens, n_words).run.batch_size == size
    for settings in (
        Settings(objective=SkipGramConfig(subwords="3-6")),
        Settings(optimizer=OptimizerConfig(optimizer="sgd")),
        Settings(optimizer=OptimizerConfig(optimizer="adagrad")),
        Settings(optimizer=OptimizerConfig(power=0.1)),
    ):
        assert settings.for_text(n_tokens, n_words).run.batch_size == min(size, 1024)


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="takes minutes")
@pytest.mark.parametrize("n_words", [2, 7, 20])
def test_a_few_words_repeated_are_learned_by_default(tmp_path, n_words):
    """All centers of a step move at once: in large batches, a few words would move too far."""
    path = tmp_path / "text.txt"
    path.write_text((" ".join(f"w{k}" for k in range(n_words)) + "\n") * (100_000 // n_words))
    told = []
    run, optimizer = RunConfig(epochs=2), OptimizerConfig()
    model = train(
        path,
        skip_gram=SkipGramConfig(dim=3, subsample=0),
        optimizer=optimizer,
        run=run,
        on_event=told.append,
    )
    losses = [epoch.loss for epoch in model.history]
    assert max(losses) < 4.2  # ln 2 for each of six: nothing is known
    assert losses[1] < losses[0] + 0.01


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_epoch_without_pairs_does_not_end_the_run(tmp_path, seed):
    model, epochs = rarely_two(tmp_path, seed, 60)
    losses = [event["loss"] for event in epochs]
    assert {event["pairs"] for event in epochs} == {0, 2}
    assert all((event["loss"] is None) == (event["pairs"] == 0) for event in epochs)
    assert model.loss == [loss for loss in losses if loss is not None][-1]


@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_without_pairs_is_an_error_at_its_end(tmp_path, epochs):
    with pytest.raises(TextError) as caught:  # noqa: PT012 (one of the seeds)
        for seed in range(99):
            rarely_two(tmp_path, seed, epochs)
    assert str(caught.value) == (
        "nothing to learn from: in no epoch had a line two words left; keep frequent words with "
        "subsample=0"
    )


def test_a_missing_file_is_met_before_compiling(text, monkeypatch):
    monkeypatch.setattr(training, "compile_run", lambda *_: pytest.fail("compiled"))
    with pytest.raises(TextError, match=r"missing\.txt: cannot be read: No such file"):
        train([text, text.with_name("missing.txt")])


@pytest.mark.parametrize("when", ["text", "start", "progress", "done"])
@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_a_callback_raises_ends_the_run(text, when, error):
    def on_event(event):
        if event["event"] == when:
            raise error(when)

    before = threading.active_count()
    with pytest.raises(error, match=when):
        train(text, on_event=on_event, **{**SMALL, "run": RunConfig(epochs=1, threads=3)})
    assert threading.active_count() == before


def test_reading_is_reported(text, monkeypatch):
    monkeypatch.setattr(text_events, "EVENT_SECONDS", math.inf)
    assert not [event for event in events_of(text)[1] if event["event"] == "read"]
    monkeypatch.setattr(text_events, "EVENT_SECONDS", 0)
    text.write_text(text.read_text() * 6000)  # more than is scanned at once
    reads = [event for event in events_of([text, text])[1] if event["event"] == "read"]
    size = text.stat().st_size
    done = [event["bytes"] for event in reads]
    assert len(done) > 1
    assert done == sorted(done)
    assert done[-1] == 2 * size
    assert {event["total_bytes"] for event in reads} == {2 * size}


def test_phrases_are_reported(text, monkeypatch):
    """Counting, joining, and counting again, which finds no more."""
    phrases = PhraseConfig(passes=2, threshold=0.01, min_count=1)
    settings = {"text": TextConfig(min_count=1, phrases=phrases)}
    monkeypatch.setattr(text_events, "EVENT_SECONDS", math.inf)
    assert not [event for event in events_of(text, **settings)[1] if event["event"] == "join"]
    monkeypatch.setattr(text_events, "EVENT_SECONDS", 0)
    model, told = events_of(text, **settings)
    joins = [event for event in told if event["event"] == "join"]
    assert [event["words"] for event in joins] == sorted(event["words"] for event in joins)
    assert len(joins) == 3
    (report,) = (event for event in told if event["event"] == "text")
    (found,) = (event["found"] for event in told if event["event"] == "phrases")
    assert report["phrases"] == len(found) > 0
    assert report["joined_tokens"] == report["tokens"] - report["kept_tokens"] > 0
    assert {phrase.text for phrase in found} & set(model.words)


@compiled_only
def test_compiling_is_announced_and_before_any_clock(text, monkeypatch):
    def double(x):
        return 2 * x

    events_of(text)  # so that double alone is left to compile
    monkeypatch.setattr(first_pass, "compile_kernels", lambda: njit(double)(1))
    # A busy machine would tell of reading, too.
    monkeypatch.setattr("w2v_sparseadam.text.events.EVENT_SECONDS", math.inf)
    events = events_of(text)[1]
    first_text = [event["event"] for event in events].index("text")
    assert first_text > 0
    assert [event.kernel for event in events[:first_text]] == ["double"] * first_text


ADDED = """
import sys
from numba.core.dispatcher import Dispatcher
from w2v_sparseadam import train

def compiled():
    return {
        (path, name, str(signature))
        for path, module in list(sys.modules.items()) if path.startswith("w2v_sparseadam.")
        for name, kernel in vars(module).items() if isinstance(kernel, Dispatcher)
        for signature in kernel.signatures
    }

def on_event(event):
    if event["event"] == "text":
        before.append(compiled())

before = []
train(sys.argv[1], dim=3, epochs=1, optimizer=sys.argv[2], on_event=on_event)
print(len(before[0]) > 8, sorted(compiled() - before[0]))
"""


@compiled_only
@pytest.mark.parametrize("optimizer", START_LR)
def test_nothing_is_compiled_while_the_clock_runs(tmp_path, optimizer):
    """In a process of its own: here, other tests have compiled everything already."""
    path = tmp_path / "text.txt"
    path.write_text(" ".join(zipf_words(1, 6000, 50)))
    command = [sys.executable, "-c", ADDED, path, optimizer]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "True []\n"


def test_peak_memory_is_this_process_alone():
    """The kernel hands a parent's peak on to its children; ours must not."""
    script = (
        "import numpy as np; from w2v_sparseadam.system.machine import peak_memory\n"
        "before = peak_memory(); block = np.ones(20_000_000); print(before, peak_memory())"
    )
    ballast = np.ones(50_000_000)  # 400 MB
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    before, after = map(int, result.stdout.split())
    assert 5e6 < before < 200e6 < ballast.nbytes
    assert 155e6 < after - before < 200e6


@pytest.mark.parametrize(
    ("n_tokens", "epochs"),
    [(1, 40), (299_999, 40), (300_000, 15), (5_000_000, 9), (50_000_000, 5), (500_000_000, 3)],
)
def test_epochs_follow_the_size_of_the_text(n_tokens, epochs):
    assert default_epochs(n_tokens) == epochs
    assert RunConfig().for_text(n_tokens, 500) == RunConfig(epochs=epochs, batch_size=1024)
    assert RunConfig(epochs=2).for_text(n_tokens, 500) == RunConfig(epochs=2, batch_size=1024)


@pytest.mark.parametrize(
    ("n_tokens", "subsample"),
    [(1, 1e-3), (850_000, 1e-3), (1_700_000, 5e-4), (17_000_000, 5e-5), (10**10, 5e-5)],
)
def test_subsampling_follows_the_size_of_the_text(n_tokens, subsample):
    assert default_subsample(n_tokens) == pytest.approx(subsample)
    assert SkipGramConfig().for_text(n_tokens) == SkipGramConfig(
        subsample=default_subsample(n_tokens)
    )
    assert SkipGramConfig(subsample=0).for_text(n_tokens) == SkipGramConfig(subsample=0)


def test_defaults_that_follow_the_text_are_kept_with_the_run(text, tmp_path):
    settings = {
        **SMALL,
        "skip_gram": replace(SMALL["skip_gram"], subsample=None),
        "run": replace(SMALL["run"], epochs=None),
    }
    model, told = events_of(text, **settings, run_dir=tmp_path / "run")
    (start,) = (event for event in told if event["event"] == "start")
    assert (start["epochs"], start["subsample"]) == (40, 1e-3)
    kept = read_settings(tmp_path / "run")
    assert (kept["run"]["epochs"], kept["skip_gram"]["subsample"]) == (40, 1e-3)
    assert resume(tmp_path / "run").vectors().matrix.tobytes() == model.vectors().matrix.tobytes()


BOUNDED = """
import resource, sys
import numpy as np
from w2v_sparseadam.simd.arrays import zeros
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.training.build import build_engine, compile_run
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.training.settings import Settings

settings = Settings(objective=SkipGramConfig(dim=16))
compile_run(settings, lambda event: None)
word_ids = np.memmap(sys.argv[1], np.int32, "r")
counts = np.full(1000, word_ids.size // 1000)
with Workers(2) as workers:
    held = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize()
    limit = held + 200_000_000
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        np.ones(word_ids.nbytes, np.uint8)
    except MemoryError:
        print("the text would not fit")
    engine = build_engine(word_ids, counts, settings, workers)
    for first in (0, engine.n_batches // 2, engine.n_batches - 50):
        engine.run(first, [0.01] * 50)
print("done")
"""


@compiled_only
@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="needs Linux")
def test_a_text_larger_than_the_memory_is_trained_on(tmp_path):
    """The word ids, here 400 MB in a sparse file, are mapped, not held."""
    path = tmp_path / "word_ids.i32"
    with open(path, "wb") as stream:
        stream.truncate(400_000_000)
    result = subprocess.run(
        [sys.executable, "-c", BOUNDED, path], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("the text would not fit\ndone\n", "")

"""The engine: whole steps against references, and the same bytes however the work is shared out."""

import math
import threading
import time
from collections import Counter

import numpy as np
import pytest
import reference
from numba import config
from numba.core.dispatcher import Dispatcher
from reference import cbow, keep_probability, skip_gram

from w2v_sparseadam.engine import engine as engine_module
from w2v_sparseadam.engine import parts
from w2v_sparseadam.engine.engine import Engine
from w2v_sparseadam.objectives.registry import ModelChoice
from w2v_sparseadam.objectives.skip_gram import gradients
from w2v_sparseadam.objectives.windows import plan
from w2v_sparseadam.objectives.windows.objective import SHARED_NEGATIVES
from w2v_sparseadam.objectives.windows.plan import CHUNK
from w2v_sparseadam.optimizers import (
    adagrad,
    adam,
    base,
    dense_adam,
    groups,
    rowwise_adam,
    sgd,
    sparse_adam,
)
from w2v_sparseadam.optimizers.adagrad import Adagrad
from w2v_sparseadam.optimizers.dense_adam import DenseAdam
from w2v_sparseadam.optimizers.rowwise_adam import RowwiseAdam
from w2v_sparseadam.optimizers.sgd import SGD
from w2v_sparseadam.optimizers.sparse_adam import SparseAdam
from w2v_sparseadam.simd import random as random_module
from w2v_sparseadam.system.workers import Workers

KINDS = [SparseAdam, DenseAdam, SGD]
JIT = not config.DISABLE_JIT

REFERENCES = {"skip-gram": skip_gram, "cbow": cbow}

SETTINGS = {
    "model": "skip-gram",
    "window": 3,
    "negative": 5,
    "noise_exponent": 0.75,
    "subsample": 0.05,
    "dynamic_window": True,
    "batch_size": 60,
    "seed": 11,
}


def zipf_text(seed, length, n_words, sentence=10):
    rng = np.random.default_rng(seed)
    words = np.minimum(rng.zipf(1.3, length) - 1, n_words - 1).astype(np.int32)
    words[rng.random(length) < 1 / sentence] = -1
    return words


def counts_of(text, n_words):
    return np.maximum(1, np.bincount(text[text >= 0], minlength=n_words))


def random_matrices(seed, n_words, n_dims, width):
    """Center and context vectors of ``width`` columns, zero from ``n_dims`` on."""
    rng = np.random.default_rng(seed)
    matrices = []
    for _ in range(2):
        matrix = np.zeros((n_words, width), np.float32)
        matrix[:, :n_dims] = rng.standard_normal((n_words, n_dims)) / math.sqrt(n_dims)
        matrices.append(matrix)
    return matrices


def build(text, matrices, workers, kind=SparseAdam, frozen=None, first_epoch=0, **settings):
    """Return an engine, and the optimizers of copies of the two matrices."""
    owners = [kind(matrix.copy(), lr=0.05) for matrix in matrices]
    counts = counts_of(text, len(matrices[0]))
    text.flags.writeable = False  # as a corpus has it, which is another type to compile for
    settings = {**SETTINGS, **settings}
    run = {name: settings.pop(name) for name in ("batch_size", "seed")}
    config = ModelChoice(settings.pop("model")).config
    objective = config(**settings).build(counts, frozen)
    return Engine(text, objective, owners, workers=workers, first_epoch=first_epoch, **run), owners


def take_step(engine, step, lr):
    return engine.run(step, [lr])[0]


def snapshot(owners):
    return [array.tobytes() for owner in owners for array in (owner.param, *owner.state.values())]


@pytest.fixture
def workers():
    with Workers(2) as workers:
        yield workers


# What a step computes


def make_planner(planner, text, n_words, **settings):
    """A planner that draws what the engine draws."""
    settings = {**SETTINGS, **settings}
    return planner(
        text,
        counts=counts_of(text, n_words),
        window=settings["window"],
        n_shared=SHARED_NEGATIVES,
        centers_first=settings["model"] == "skip-gram",
        subsample=settings["subsample"],
        noise_exponent=settings["noise_exponent"],
        dynamic=settings["dynamic_window"],
        seed=settings["seed"],
    )


def examples_of_step(batches, engine, step):
    epoch, number = divmod(step, engine.n_batches)
    start = number * engine.positions
    stop = min(start + engine.positions, batches.word_ids.size)
    return batches.examples(batches.plan(start, stop, epoch))


def touched_rows(examples, model="skip-gram"):
    """The rows of the two matrices that the pairs of a batch use."""
    used = [example for example in examples if example[1]]
    centers = {center for center, *_ in used}
    contexts = {word for _, words, *_ in used for word in words}
    negatives = {word for _, _, words, _ in used for word in words}
    tables = (centers, contexts) if model == "skip-gram" else (contexts, centers)
    return sorted(tables[0]), sorted(tables[1] | negatives)


ONE_VECTOR = [
    (1, 16, {"window": 1, "negative": 1}),
    (16, 16, {"window": 5, "subsample": 0.0, "dynamic_window": False}),
]


# A step of each kind and width compiles for ten seconds.
@pytest.mark.parametrize(
    ("kind", "n_dims", "width", "settings"),
    [
        *((kind, *shape) for shape in ONE_VECTOR for kind in KINDS),
        (SparseAdam, 100, 112, {"noise_exponent": 0.0}),
        (SparseAdam, 16, 16, {"model": "cbow"}),
        (SGD, 100, 112, {"model": "cbow", "window": 6, "dynamic_window": False}),
        (DenseAdam, 16, 16, {"model": "cbow", "subsample": 0.0}),
    ],
)
def test_steps_equal_the_references(planner, workers, kind, n_dims, width, settings):
    text, n_words = zipf_text(1, 400, 60), 60
    matrices = random_matrices(2, n_words, n_dims, width)
    engine, owners = build(text, matrices, workers, kind, **settings)
    batches = make_planner(planner, text, n_words, **settings)
    theirs = [getattr(reference, kind.__name__)(matrix, lr=0.05) for matrix in matrices]
    model = {**SETTINGS, **settings}["model"]
    loss_of = REFERENCES[model]
    weight = {**SETTINGS, **settings}["negative"] / SHARED_NEGATIVES
    lrs = (0.05, 0.03, 0.02)
    assert engine.n_batches > len(lrs)
    for step, lr in enumerate(lrs):
        examples = examples_of_step(batches, engine, step)
        loss, *grads = loss_of(*(one.param for one in theirs), examples, weight)
        for one, rows, grad in zip(theirs, touched_rows(examples, model), grads, strict=True):
            one.lr = lr
            one.step(rows, grad[rows])
        batch = take_step(engine, step, lr)
        assert batch.loss == pytest.approx(loss, rel=1e-5)
        n_pairs = sum(
            sum(weights) if model == "skip-gram" else 1 for *_, weights in examples if weights
        )
        assert batch.n_pairs == pytest.approx(n_pairs)
        for owner, one in zip(owners, theirs, strict=True):
            np.testing.assert_allclose(owner.param, one.param, rtol=1e-5, atol=2e-5)
            for name, array in owner.state.items():
                np.testing.assert_allclose(array, one.state[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [SparseAdam, SGD])
def test_untouched_rows_and_padding_keep_their_bits(planner, workers, kind):
    text, n_words = zipf_text(3, 500, 400, sentence=3), 400
    engine, owners = build(text, random_matrices(4, n_words, 10, 16), workers, kind)
    batches = make_planner(planner, text, n_words)
    for step in range(3):
        rows = touched_rows(examples_of_step(batches, engine, step))
        before = [
            [array.copy() for array in (owner.param, *owner.state.values())] for owner in owners
        ]
        take_step(engine, step, 0.05)
        for owner, touched, arrays in zip(owners, rows, before, strict=True):
            untouched = np.setdiff1d(np.arange(n_words), touched)
            assert untouched.size > 50
            now = owner.param, *owner.state.values()
            for array, old in zip(now, arrays, strict=True):
                assert array[untouched].tobytes() == old[untouched].tobytes()
                assert (array[touched] != old[touched]).any(axis=1).all()
                assert not array[:, 10:].any()


@pytest.mark.parametrize(("kind", "name"), [(SparseAdam, "SparseAdam"), (DenseAdam, "Adam")])
def test_steps_equal_torch(planner, workers, kind, name):
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    text, n_words = zipf_text(5, 400, 60), 60
    matrices = random_matrices(6, n_words, 16, 16)
    engine, owners = build(text, matrices, workers, kind)
    batches = make_planner(planner, text, n_words)
    embeddings = []
    for matrix in matrices:
        embedding = torch.nn.Embedding(n_words, 16, sparse=kind is SparseAdam)
        embedding.weight.data = torch.from_numpy(matrix.copy())
        embeddings.append(embedding)
    weights = [embedding.weight for embedding in embeddings]
    optimizer = getattr(torch.optim, name)(weights, lr=0.05)
    weight = SETTINGS["negative"] / SHARED_NEGATIVES

    for step in range(4):
        pairs = []  # center, word, sign, weight
        for center, contexts, negatives, weighs in examples_of_step(batches, engine, step):
            pairs += [(center, word, 1, w) for word, w in zip(contexts, weighs, strict=True)]
            if contexts:
                pairs += [(center, word, -1, weight * sum(weighs)) for word in negatives]
        centers, words, signs, factors = map(torch.tensor, zip(*pairs, strict=True))
        scores = signs * (embeddings[0](centers) * embeddings[1](words)).sum(dim=1)
        loss = -(factors * torch.nn.functional.logsigmoid(scores)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        assert take_step(engine, step, 0.05).loss == pytest.approx(loss.item(), rel=1e-5)
        for owner, tensor in zip(owners, weights, strict=True):
            np.testing.assert_allclose(owner.param, tensor.detach(), rtol=1e-5, atol=2e-5)
            for moment, array in owner.state.items():
                theirs = optimizer.state[tensor][moment]
                np.testing.assert_allclose(array, theirs, rtol=1e-4, atol=1e-5)


def test_an_epoch_counts_every_token_and_pair(planner, workers):
    text, n_words = zipf_text(7, 600, 40), 40
    engine, _ = build(text, random_matrices(8, n_words, 4, 16), workers)
    batches = make_planner(planner, text, n_words)
    for epoch in range(2):
        steps = range(epoch * engine.n_batches, (epoch + 1) * engine.n_batches)
        done = [take_step(engine, step, 0.01) for step in steps]
        assert sum(batch.n_tokens for batch in done) == np.sum(text >= 0)
        expected = batches.examples(batches.plan(epoch=epoch))
        assert sum(batch.n_pairs for batch in done) == pytest.approx(
            sum(sum(weights) for *_, weights in expected)
        )


def test_a_batch_has_the_centers_asked_for_on_average(planner, workers):
    text, n_words = zipf_text(9, 4000, 50), 50
    settings = {"batch_size": 300, "subsample": 0.01}
    engine, _ = build(text, random_matrices(10, n_words, 1, 16), workers, **settings)
    keep = keep_probability(counts_of(text, n_words), 0.01)[text[text >= 0]]
    kept_share = keep.sum() / text.size
    assert 0.2 < kept_share < 0.7
    assert engine.positions == math.ceil(300 / kept_share)
    error = math.sqrt(300 * (1 - kept_share))
    batches = make_planner(planner, text, n_words, **settings)
    for number in range(engine.n_batches - 1):
        n_centers = len(examples_of_step(batches, engine, number))
        assert abs(n_centers - 300) < 4 * error


def test_without_subsampling_a_batch_is_as_long_as_asked_for(workers):
    text = np.arange(100, dtype=np.int32) % 7
    engine, _ = build(text, random_matrices(1, 7, 2, 16), workers, subsample=0.0, batch_size=40)
    assert (engine.positions, engine.n_batches) == (40, 3)
    assert [take_step(engine, step, 0.01).n_tokens for step in range(6)] == [40, 40, 20] * 2


@pytest.mark.parametrize("kind", [SparseAdam, SGD])
def test_steps_of_which_nothing_is_kept_move_nothing(workers, kind):
    text = np.zeros(3000, np.int32)
    engine, owners = build(
        text, random_matrices(1, 2, 16, 16), workers, kind, subsample=1e-12, batch_size=32
    )
    before = snapshot(owners)
    done = [take_step(engine, step, 0.05) for step in range(engine.n_batches)]
    assert engine.n_batches > 1
    assert sum(batch.n_tokens for batch in done) == 3000
    assert {(batch.n_pairs, batch.loss) for batch in done} == {(0, 0.0)}
    assert snapshot(owners) == before
    assert owners[0].step_count == engine.n_batches


@pytest.mark.parametrize("text", [[0], [-1, 0, -1], [0, 1], [-1, -1, 0, -1, 1, 0, -1]])
def test_tiny_texts(workers, text):
    text = np.array(text, np.int32)
    engine, owners = build(text, random_matrices(1, 2, 3, 16), workers, subsample=0.0)
    done = [take_step(engine, step, 0.05) for step in range(4)]
    adjacent = np.sum((text[1:] >= 0) & (text[:-1] >= 0))
    assert [batch.n_pairs for batch in done] == [2 * adjacent] * 4
    assert [batch.n_tokens for batch in done] == [np.sum(text >= 0)] * 4
    assert all(np.isfinite(owner.param).all() for owner in owners)


def test_nan_shows_in_the_loss(workers):
    text = zipf_text(12, 200, 20)
    engine, owners = build(text, random_matrices(1, 20, 16, 16), workers, batch_size=300)
    owners[1].param[0, 3] = np.nan
    assert math.isnan(take_step(engine, 0, 0.05).loss)


# The same bytes


def many_parts(kind):
    """A text and settings with many parts to share out, of gradients as of rows."""
    n_words = 400
    text = np.random.default_rng(13).integers(-20, n_words, 1500).astype(np.int32)
    settings = {"kind": kind, "batch_size": 5 * CHUNK + 10, "subsample": 0.0, "window": 2}
    return text, random_matrices(15, n_words, 16, 16), settings


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        *((kind, "skip-gram") for kind in (*KINDS, RowwiseAdam, Adagrad)),
        (SparseAdam, "cbow"),
    ],
)
def test_the_same_bytes_at_any_number_of_threads(kind, model):
    text, matrices, settings = many_parts(kind)
    settings["model"] = model
    results = {}
    for n_threads in (1, 2, 3, 7):
        with Workers(n_threads) as workers:
            engine, owners = build(text, matrices, workers, **settings)
            done = [take_step(engine, step, 0.05) for step in range(10 if JIT else 2)]
        results[n_threads] = done, snapshot(owners)
    for n_threads in (2, 3, 7):
        assert results[n_threads] == results[1], f"{n_threads} threads"


@pytest.mark.skipif(not JIT, reason="interpreted, the threads take turns")
@pytest.mark.parametrize("n_threads", [2, 3, 7])
def test_many_tiny_steps_at_once_never_stop(n_threads):
    # Steps of one part each: threads meet at every turn of the scheduler.
    text = np.random.default_rng(24).integers(-2, 5, 200).astype(np.int32)
    with Workers(n_threads) as workers:
        settings = {"subsample": 0.0, "batch_size": 32}
        engine, _ = build(text, random_matrices(25, 5, 16, 16), workers, **settings)
        n_tokens = np.sum(text >= 0)
        for epoch in range(0, 4000, 400):
            done = engine.run(epoch * engine.n_batches, [1e-4] * (400 * engine.n_batches))
            assert sum(batch.n_tokens for batch in done) == 400 * n_tokens


def test_the_end_of_a_job_wakes_threads_that_wait(monkeypatch):
    monkeypatch.setattr(engine_module, "_FIRST_NAP", 60.0)
    meeting, take_part = threading.Barrier(2, timeout=10), engine_module.take_part
    calls_of_threads = Counter()

    def nothing_for_a_helper_at_first(shared, job, calls):
        thread = threading.current_thread()
        calls_of_threads[thread] += 1
        if calls_of_threads[thread] == 1:
            meeting.wait()
            if thread is not threading.main_thread():
                return 0
        return take_part(shared, job, calls)

    monkeypatch.setattr(engine_module, "take_part", nothing_for_a_helper_at_first)
    text, matrices, settings = many_parts(SGD)
    with Workers(2) as workers:
        engine, _ = build(text, matrices, workers, **settings)
        began = time.perf_counter()
        engine.run(0, [0.05] * 3)
    assert time.perf_counter() - began < 50


@pytest.mark.skipif(not JIT, reason="interpreted, the threads take turns")
def test_an_interrupted_job_does_not_come_back_to_life(monkeypatch):
    """Whoever finishes a phase while another thread ends the job must not open the next."""
    text = np.random.default_rng(24).integers(-2, 5, 200).astype(np.int32)
    n_steps, jobs = 20_000, []
    take_part = engine_module.take_part

    def take_part_or_interrupt(shared, job, room):
        if threading.current_thread() is not threading.main_thread():
            return take_part(shared, job, room)
        while not job.counts[30, 0]:  # a helper is at work
            pass
        jobs.append(job)
        raise KeyboardInterrupt

    monkeypatch.setattr(engine_module, "take_part", take_part_or_interrupt)
    with Workers(2) as workers:
        settings = {"subsample": 0.0, "batch_size": 32}
        engine, _ = build(text, random_matrices(25, 5, 16, 16), workers, **settings)
        for _ in range(10):
            with pytest.raises(KeyboardInterrupt):
                engine.run(0, [1e-4] * n_steps)
    assert not any(job.counts[-1, 0] for job in jobs)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_goes_on_from_copied_state(workers, kind):
    text, n_words = zipf_text(16, 500, 50), 50
    matrices = random_matrices(17, n_words, 16, 16)
    engine, owners = build(text, matrices, workers, kind)
    n_steps = engine.n_batches + 3
    stop = engine.n_batches - 1
    done = [take_step(engine, step, 0.05) for step in range(stop)]
    resumed, copies = build(text, [owner.param for owner in owners], workers, kind)
    for owner, copy in zip(owners, copies, strict=True):
        copy.step_count = owner.step_count
        for name, array in owner.state.items():
            copy.state[name][:] = array
    for step in range(stop, n_steps):
        done.append(take_step(engine, step, 0.05))
        assert take_step(resumed, step, 0.05) == done[-1]
        assert snapshot(copies) == snapshot(owners)
    assert len({batch.loss for batch in done}) == n_steps


def test_a_step_taken_again_from_the_same_state_is_the_same(workers):
    # The last batch of an epoch has one chunk, the others two: nothing of them may be left over.
    text, settings = zipf_text(18, 400, 50), {"subsample": 0.0, "batch_size": CHUNK + 30}
    engine, owners = build(text, random_matrices(19, 50, 16, 16), workers, SGD, **settings)
    assert engine.n_batches == 3
    start = [owner.param.copy() for owner in owners]
    seen = {}
    for step in (0, 1, 2, 5, 1, 0, 0, 2, 1, 5):
        for owner, matrix in zip(owners, start, strict=True):
            owner.param[:] = matrix
        result = take_step(engine, step, 0.05), snapshot(owners)
        assert seen.setdefault(step, result) == result
    assert len({batch.loss for batch, _ in seen.values()}) == 4


def test_seeds_differ(workers):
    text = zipf_text(20, 200, 50)
    matrices = random_matrices(21, 50, 16, 16)
    losses = {
        take_step(build(text, matrices, workers, seed=seed)[0], 0, 0.05).loss for seed in range(3)
    }
    assert len(losses) == 3


# A run


@pytest.mark.parametrize(("kind", "lr"), [(SparseAdam, 0.02), (DenseAdam, 0.02), (SGD, 0.005)])
def test_the_loss_falls_and_neighbours_find_each_other(workers, kind, lr):
    # Even words keep company with even words, odd ones with odd.
    rng = np.random.default_rng(22)
    sentences = [
        [*(2 * rng.integers(0, 5, 6) + rng.integers(0, 2)).tolist(), -1] for _ in range(40)
    ]
    text = np.concatenate(sentences).astype(np.int32)
    matrices = random_matrices(23, 10, 16, 16)
    engine, owners = build(text, matrices, workers, kind, subsample=0.0, batch_size=100)
    losses = []
    for epoch in range(10):
        steps = range(epoch * engine.n_batches, (epoch + 1) * engine.n_batches)
        done = [take_step(engine, step, lr) for step in steps]
        losses.append(sum(one.loss for one in done) / sum(one.n_pairs for one in done))
    assert losses[-1] < 0.9 * losses[0]
    scores = owners[0].param @ owners[1].param.T
    parity = np.arange(10) % 2
    same = parity[:, None] == parity
    assert scores[same].mean() > scores[~same].mean() + 1


COMPILED = (random_module, plan, gradients, groups, base, adam, sparse_adam, rowwise_adam)
COMPILED += (dense_adam, adagrad, sgd)


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_compiles_each_kernel_once(workers, kind):
    kernels = {
        f"{module.__name__}.{name}": kernel
        for module in (*COMPILED, engine_module, parts)
        for name, kernel in vars(module).items()
        if isinstance(kernel, Dispatcher)
    }
    assert len(kernels) > 8

    def compiled():
        return {name: len(kernel.signatures) for name, kernel in kernels.items()}

    text, matrices, settings = many_parts(kind)
    before = compiled()
    engine, _ = build(text, matrices, workers, **settings)
    take_step(engine, 0, 0.05)
    first = compiled()
    for module, name in (
        (engine_module, "take_part"),
        (parts, "_plan"),
        (parts, "_gradients"),
        (parts, "_move"),
    ):
        name = f"{module.__name__}.{name}"
        assert first[name] - before[name] <= 1, name
    for step in range(1, 4):
        take_step(engine, step, 0.05 / step)
    assert compiled() == first


@pytest.mark.skipif(not JIT, reason="nothing is compiled")
def test_another_width_or_optimizer_compiles_little(workers):
    """A new width: nothing. A new optimizer: the kernels of its tables."""
    names = ["_plan", "_gradients", "_prepare", "_move"]

    def compiled():
        kernels = [engine_module.take_part, *(getattr(parts, name) for name in names)]
        return [len(kernel.signatures) for kernel in kernels]

    def train(kind, width):
        matrices = random_matrices(3, 20, width, width)
        engine, _ = build(zipf_text(3, 200, 20), matrices, workers, kind)
        take_step(engine, 0, 0.05)
        return compiled()

    first = train(SGD, 16)
    assert train(SGD, 48) == first
    assert train(SGD, 304) == first
    others = train(Adagrad, 64)
    assert others[:3] == first[:3]
    assert others[3] <= first[3] + 1
    assert others[4] <= first[4] + 1
    assert train(Adagrad, 80) == others

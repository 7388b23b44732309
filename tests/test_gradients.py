"""Gradients: the kernel against explicit sums over pairs, and those against central differences."""

import math
from functools import partial

import numpy as np
import pytest
from conftest import Planner
from reference import cbow, composed_loss, ngram_mix, skip_gram, words_of_letters

from w2v_sparseadam.objectives.cbow import gradients as cbow_gradients
from w2v_sparseadam.objectives.skip_gram import gradients as skip_gram_gradients
from w2v_sparseadam.objectives.windows.composing import ngrams_of
from w2v_sparseadam.objectives.windows.plan import BLOCK, CHUNK
from w2v_sparseadam.simd.kernels import for_python

N_SHARED = 16
WEIGHT = np.float32(5 / N_SHARED)

KERNELS = {"skip-gram": skip_gram_gradients, "cbow": cbow_gradients}
REFERENCES = {"skip-gram": skip_gram, "cbow": cbow}

LENGTHS, N_BUCKETS = (1, 3), 20
MOST_WORDS = 30


@pytest.fixture(params=[(model, of) for model in KERNELS for of in ("words", "n-grams")], ids=str)
def planner(request):
    """Makes plans for one model after the other, with and without n-grams."""
    model, of = request.param
    ngrams = ()
    if of == "n-grams":
        ngrams = (ngrams_of(words_of_letters(MOST_WORDS), LENGTHS, N_BUCKETS),)
    return partial(Planner, centers_first=model == "skip-gram", ngrams=ngrams)


def model_of(planner):
    return "skip-gram" if planner.centers_first else "cbow"


# The reference


def random_matrices(rng, n_words, width, n_dims):
    """Three matrices of ``width`` columns, of which those from ``n_dims`` on are padding.

    Two have rows of words, the third has those of n-grams. They may have more rows than are used.
    """
    matrices = rng.standard_normal((3, max(n_words, N_BUCKETS), width), dtype=np.float32)
    matrices *= np.float32(1.2 / math.sqrt(n_dims))
    matrices[:, :, n_dims:] = 0
    return matrices


def test_reference_by_hand():
    # One pair and one negative, of weight 2: −log σ(ln 3) − 2 log σ(−ln 3), σ(ln 3) = 3/4.
    center, context = np.array([[1.0, 0]]), np.array([[math.log(3), 0], [math.log(3), 5]])
    loss, center_grad, context_grad = skip_gram(center, context, [(0, [0], [1], [1])], 2)
    assert loss == pytest.approx(-math.log(3 / 4) - 2 * math.log(1 / 4))
    slopes = 3 / 4 - 1, 2 * 3 / 4
    np.testing.assert_allclose(
        center_grad, [[(slopes[0] + slopes[1]) * math.log(3), 5 * slopes[1]]]
    )
    np.testing.assert_allclose(context_grad, [[slopes[0], 0], [slopes[1], 0]])


def test_reference_of_cbow_by_hand():
    # The mean of (0, 2) and (2, 0) is (1, 1): a score of 0 with the center, of ln 3 with the
    # negative, of weight 2.
    context = np.array([[0, 2], [2, 0], [9, 9]])
    center = np.array([[1.0, -1], [math.log(3), 0], [0, 0]])
    loss, context_grad, center_grad = cbow(context, center, [(0, [0, 1], [1], [1, 1])], 2)
    assert loss == pytest.approx(math.log(2) - 2 * math.log(1 / 4))
    mean_grad = np.array([-1 / 2 + 2 * 3 / 4 * math.log(3), 1 / 2])
    np.testing.assert_allclose(context_grad, [mean_grad / 2, mean_grad / 2, [0, 0]])
    np.testing.assert_allclose(center_grad, [[-1 / 2, -1 / 2], [3 / 2, 3 / 2], [0, 0]])


@pytest.mark.parametrize("model", REFERENCES)
def test_reference_by_central_differences(model):
    loss_of = REFERENCES[model]
    rng = np.random.default_rng(1)
    matrices = rng.standard_normal((2, 5, 3))
    examples = [
        (0, [1, 2], [3, 3], [0.5, 1]),
        (1, [0], [4, 1], [1]),
        (0, [0, 4, 1], [3, 2], [0.2, 1, 0.6]),
        (2, [], [1, 1], []),
    ]
    _, *grads = loss_of(*matrices, examples, 0.7)
    step = 1e-6
    for place in np.ndindex(*matrices.shape):
        losses = []
        for shift in (step, -step):
            moved = matrices.copy()
            moved[place] += shift
            losses.append(loss_of(*moved, examples, 0.7)[0])
        slope = (losses[0] - losses[1]) / (2 * step)
        assert grads[place[0]][place[1:]] == pytest.approx(slope, abs=1e-8)


# The kernel


def n_chunks(plan):
    return -(-int(plan.n_centers[0]) // CHUNK)


def run_kernel(matrices, plan, planner, ranges=None, fill=np.nan):
    """Return the losses by chunk and the gradients by place, done in the given order."""
    n_dims = matrices[0].shape[1]
    kernels = KERNELS[model_of(planner)]
    scratch = kernels.Scratch.allocate(n_dims, planner.window, N_SHARED, planner.dynamic)
    for name, room in scratch._asdict().items():
        if name not in {"pair_weights", "reach_weights"}:
            room[...] = fill if room.dtype.kind == "f" else -1
    grads = [np.full((groups.places.size, n_dims), np.float32(fill)) for groups in plan.groups[:2]]
    params = tuple(matrices[: len(plan.groups)])
    losses = np.full(n_chunks(plan), np.nan)
    for first, last in ranges or [(0, n_chunks(plan))]:
        for chunk in range(first, last):
            losses[chunk] = for_python(kernels.chunk_gradients)(
                params, planner.ngrams, plan, chunk, WEIGHT, scratch, *grads
            )
    return losses, grads


def sum_groups(groups, grads, n_words):
    """Sum the gradients by word, in float64."""
    total = np.zeros((n_words, grads.shape[1]))
    for k in range(groups.n_rows[0]):
        for place in groups.places[groups.starts[k] : groups.starts[k + 1]]:
            total[groups.rows[k]] += grads[place]
    return total


def assert_equals_reference(matrices, planner, plan):
    examples = planner.examples(plan)
    loss_of = REFERENCES[model_of(planner)]
    if planner.ngrams:
        words = words_of_letters(len(matrices[0]))
        mix, buckets = ngram_mix(words, *LENGTHS, N_BUCKETS)
        tables = *matrices[:2], matrices[2][: len(buckets)]
        loss, *expected = composed_loss(loss_of, tables, mix, examples, float(WEIGHT))
    else:
        loss, *expected = loss_of(*matrices[:2], examples, float(WEIGHT))
    losses, grads = run_kernel(matrices, plan, planner)
    grads.append(grads[0])  # the places of n-grams are those of the words that have them
    assert losses.sum() == pytest.approx(loss, rel=1e-6, abs=1e-12)
    for groups, grad, theirs in zip(plan.groups, grads, expected, strict=False):
        ours = sum_groups(groups, grad, len(theirs))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6 * np.abs(theirs).max())
        listed = set(groups.rows[: groups.n_rows[0]].tolist())
        assert set(theirs.any(axis=1).nonzero()[0].tolist()) <= listed


def random_text(rng, length, n_words, sentence):
    words = np.minimum(rng.zipf(1.5, length) - 1, n_words - 1)
    words[rng.random(length) < 1 / sentence] = -1
    return words


@pytest.mark.parametrize(("width", "n_dims"), [(16, 1), (16, 16), (48, 40), (112, 100), (160, 160)])
@pytest.mark.parametrize("window", [1, 2, 5])
def test_agrees_with_the_reference(planner, width, n_dims, window):
    rng = np.random.default_rng([width, n_dims, window])
    text = random_text(rng, 150, 20, 15)
    batches = planner(text, counts=np.ones(20), window=window, n_shared=N_SHARED)
    matrices = random_matrices(rng, 20, width, n_dims)
    plan = batches.plan()
    assert CHUNK < plan.n_centers[0] < 2 * CHUNK
    assert_equals_reference(matrices, batches, plan)


@pytest.mark.parametrize("width", range(16, 272, 16))
def test_rows_of_any_number_of_vectors(planner, width):
    rng = np.random.default_rng([width, 2])
    batches = planner(rng.integers(0, 9, 40), window=2, n_shared=N_SHARED)
    assert_equals_reference(random_matrices(rng, 9, width, width), batches, batches.plan())


@pytest.mark.parametrize("n_centers", [0, 1, 2, BLOCK - 1, BLOCK, BLOCK + 1, CHUNK, CHUNK + 1])
def test_batches_of_any_length(planner, n_centers):
    rng = np.random.default_rng([n_centers, 3])
    batches = planner(rng.integers(0, 9, 200), window=4, n_shared=N_SHARED)
    matrices = random_matrices(rng, 9, 16, 16)
    for start in (0, 30, 200 - n_centers):
        plan = batches.plan(start, start + n_centers)
        assert plan.n_centers[0] == n_centers
        assert_equals_reference(matrices, batches, plan)


@pytest.mark.parametrize("sentence", [1.5, 2, 3])
def test_short_sentences(planner, sentence):
    rng = np.random.default_rng(4)
    text = random_text(rng, 300, 12, sentence)
    batches = planner(text, counts=np.ones(12), window=6, n_shared=N_SHARED, dynamic=False)
    plan = batches.plan()
    alone = [not contexts for _, contexts, *_ in batches.examples(plan)]
    assert 0 < sum(alone) < len(alone)
    assert_equals_reference(random_matrices(rng, 12, 16, 16), batches, plan)


@pytest.mark.parametrize("window", [15, 70])
def test_windows_as_long_as_a_block_or_a_chunk(planner, window):
    rng = np.random.default_rng(window)
    batches = planner(rng.integers(0, 30, 160), window=window, n_shared=N_SHARED)
    assert_equals_reference(random_matrices(rng, 30, 16, 16), batches, batches.plan(10, 150))


def test_one_word(planner):
    rng = np.random.default_rng(5)
    batches = planner([0] * 40, window=2, n_shared=N_SHARED)
    assert_equals_reference(random_matrices(rng, 1, 16, 3), batches, batches.plan())


def test_large_scores(planner):
    rng = np.random.default_rng(6)
    batches = planner(rng.integers(0, 6, 50), window=2, n_shared=N_SHARED)
    matrices = 12 * random_matrices(rng, 6, 16, 16)
    scores = matrices[0] @ matrices[1].T
    assert scores.max() > 40
    assert scores.min() < -40
    assert_equals_reference(matrices, batches, batches.plan())


def test_chunks_in_any_order_and_company_give_the_same_bytes(planner):
    rng = np.random.default_rng(7)
    text = random_text(rng, 4 * CHUNK, 30, 20)
    batches = planner(text, counts=np.ones(30), window=3, n_shared=N_SHARED)
    matrices = random_matrices(rng, 30, 16, 10)
    plan = batches.plan()
    assert n_chunks(plan) == 4

    def written(ranges, fill):
        losses, grads = run_kernel(matrices, plan, batches, ranges, fill)
        sums = (
            sum_groups(groups, grad, 30).tobytes()
            for groups, grad in zip(plan.groups, [*grads, grads[0]], strict=False)
        )
        return losses.tobytes(), *sums

    expected = written([(0, 4)], fill=0)
    assert written([(3, 4), (1, 3), (0, 1)], fill=np.nan) == expected
    assert written([(2, 4), (0, 2)], fill=7) == expected


def test_parameters_and_plan_are_read_only(planner):
    rng = np.random.default_rng(8)
    batches = planner(rng.integers(0, 9, 60), window=3, n_shared=N_SHARED)
    matrices = random_matrices(rng, 9, 16, 16)
    plan = batches.plan()
    before = matrices.tobytes(), batches.examples(plan)
    run_kernel(matrices, plan, batches)
    assert (matrices.tobytes(), batches.examples(plan)) == before


@pytest.mark.parametrize("matrix", [0, 1])
def test_nan_in_a_vector_makes_the_loss_nan(planner, matrix):
    rng = np.random.default_rng(9)
    batches = planner([0, 1, 2, 3] * 10, window=2, n_shared=N_SHARED)
    matrices = random_matrices(rng, 4, 16, 16)
    matrices[matrix, 2, 5] = np.nan
    losses, _ = run_kernel(matrices, batches.plan(), batches)
    assert np.isnan(losses.sum())

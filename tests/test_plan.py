"""Plans: pure functions of seed, epoch and position; contexts, chances, groups as documented."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference import (
    keep_probability,
    noise_probability,
    skip_gram_examples,
    split_mix,
)

from w2v_sparseadam.objectives.windows.plan import BLOCK, CHUNK
from w2v_sparseadam.objectives.windows.sampler import Sampler, draw_negative
from w2v_sparseadam.optimizers.groups import Groups, group_rows
from w2v_sparseadam.simd.kernels import for_python
from w2v_sparseadam.simd.random import _mix_int, draw_key, fill_uniform, random_bits

BOUND = 4  # standard errors


def random_text(seed, length, n_words, sentence=12):
    """Words by a Zipf-like law in sentences of up to ``2 sentence`` tokens."""
    rng = np.random.default_rng(seed)
    words = np.minimum(rng.zipf(1.4, length) - 1, n_words - 1).astype(np.int32)
    words[rng.random(length) < 1 / sentence] = -1
    return words


def expected_examples(planner, start, stop, *, epoch=0, subsample=0.0):
    """The reference's examples of a range, as word ids."""
    text = planner.word_ids.tolist()
    keep = keep_probability(planner.counts, subsample)
    key = planner.key("position", epoch)
    found = skip_gram_examples(text, start, stop, keep, planner.window, key)
    return [(text[center], [text[place] for place in contexts]) for center, contexts in found]


def pairs(planner, plan):
    return [(center, contexts) for center, contexts, *_ in planner.examples(plan)]


# Which tokens, which contexts


@given(
    text=st.lists(st.integers(-1, 5), max_size=60),
    cuts=st.lists(st.integers(0, 60), max_size=3),
    window=st.integers(1, 6),
    subsample=st.sampled_from([0.0, 0.05, 0.3]),
    dynamic=st.booleans(),
    seed=st.integers(0, 3),
)
def test_examples_are_those_of_the_reference(planner, text, cuts, window, subsample, dynamic, seed):
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    counts = [text.count(word) + 1 for word in range(6)]
    batches = planner(
        text, counts=counts, window=window, subsample=subsample, dynamic=dynamic, seed=seed
    )
    for epoch, (start, stop) in itertools.product(range(2), itertools.pairwise(edges)):
        plan = batches.plan(start, stop, epoch)
        expected = expected_examples(batches, start, stop, epoch=epoch, subsample=subsample)
        assert pairs(batches, plan) == expected
        assert plan.n_centers[0] == len(expected)
        weight = sum(sum(weights) for *_, weights in batches.examples(plan))
        assert plan.n_pairs[0] == pytest.approx(weight * (window if dynamic else 1))
        assert plan.n_tokens[0] == sum(word >= 0 for word in text[start:stop])


@pytest.mark.parametrize("size", [1, 7, BLOCK, CHUNK, CHUNK + 1, 300, 1000])
def test_the_size_of_batches_changes_no_example(planner, size):
    text = random_text(1, 700, 30)
    batches = planner(text, subsample=0.02)
    whole = expected_examples(batches, 0, 700, subsample=0.02)
    in_batches = []
    for start in range(0, 700, size):
        in_batches += pairs(batches, batches.plan(start, min(start + size, 700)))
    assert in_batches == whole
    assert len(whole) > 2 * CHUNK


def test_contexts_cross_a_batch_edge_but_no_sentence_end(planner):
    batches = planner([0, 1, 2, -1, 3, 4, 5], window=2, dynamic=False)
    assert pairs(batches, batches.plan(1, 5)) == [(1, [0, 2]), (2, [0, 1]), (3, [4, 5])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ([], []),
        ([-1, -1], []),
        ([0], [(0, [])]),
        ([-1, 0, -1, -1, 1, -1], [(0, []), (1, [])]),
        ([0, 1], [(0, [1]), (1, [0])]),
        ([2, 2, 2], [(2, [2, 2])] * 3),
        ([0, 1, 2, -1], [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])]),
    ],
)
def test_sentences_shorter_than_the_window(planner, text, expected):
    batches = planner(text, counts=[1, 1, 1], window=50, dynamic=False)
    assert pairs(batches, batches.plan()) == expected


def test_dropped_tokens_let_farther_ones_in(planner):
    counts = [1, 1, 10**12]  # of word 2 nothing is kept
    batches = planner([0, 2, 2, 2, 1], counts=counts, window=1, subsample=1e-12, dynamic=False)
    for start, stop in [(0, 5), (0, 1), (0, 3)]:
        assert pairs(batches, batches.plan(start, stop))[0] == (0, [1])
    assert pairs(batches, batches.plan(4, 5)) == [(1, [0])]


def test_a_batch_of_which_nothing_is_kept(planner):
    batches = planner([1] * 100, counts=[1, 10**12], subsample=1e-12)
    plan = batches.plan()
    assert (plan.n_centers[0], plan.n_pairs[0], plan.n_tokens[0]) == (0, 0, 100)
    assert plan.groups[0].n_rows[0] == plan.groups[1].n_rows[0] == 0


def test_epochs_and_seeds_draw_anew(planner):
    text = [0] * 200
    plans = {}
    for seed, epoch in [(1, 0), (1, 1), (2, 0)]:
        batches = planner(text, counts=[1], subsample=0.2, seed=seed)
        plan = batches.plan(epoch=epoch)
        plans[seed, epoch] = (plan.n_centers[0], plan.n_left.tolist())
    assert len({str(plan) for plan in plans.values()}) == 3


# Frequencies


def frequency_errors(observed, probability, n):
    """How many standard errors each observed count lies from n · probability."""
    probability = np.asarray(probability)
    error = np.sqrt(n * probability * (1 - probability))
    return np.abs(observed - n * probability) / np.maximum(error, 1e-9)


def test_words_are_kept_as_often_as_the_formula_says(planner):
    counts = np.array([6000, 2500, 900, 400, 150, 50])
    text = np.repeat(np.arange(6), 1500)
    batches = planner(text, counts=counts, subsample=0.003, seed=3)
    plan = batches.plan()
    kept = np.bincount(plan.tokens[5 : 5 + plan.n_centers[0]], minlength=6)
    probability = keep_probability(counts, 0.003)
    assert probability[-1] == 1 > probability[-2]
    assert np.all(frequency_errors(kept, probability, 1500) < BOUND)


def test_keep_share_is_the_expected_share(planner):
    counts = np.array([6000, 2500, 900, 400, 150, 50])
    sampler = Sampler.build(counts, 0.01, 0.75, 16)
    expected = counts @ keep_probability(counts, 0.01) / counts.sum()
    assert sampler.keep_share(counts) == pytest.approx(expected, rel=1e-8)


def test_without_subsampling_every_token_is_kept(planner):
    counts = np.array([1, 10**9])
    assert Sampler.build(counts, 0, 0.75, 16).keep_share(counts) == 1
    batches = planner([1, 0] * 500, counts=counts)
    assert batches.plan().n_centers[0] == 1000


@pytest.mark.parametrize("exponent", [0.75, 0.0, 1.0])
def test_negatives_are_drawn_as_often_as_the_formula_says(planner, exponent):
    counts = 10_000 // np.arange(1, 41)
    batches = planner([0] * 1600, counts=counts, n_shared=16, noise_exponent=exponent, seed=6)
    negatives = batches.plan().negatives[: 1600 // BLOCK]
    more = batches.plan(epoch=1).negatives[: 1600 // BLOCK]
    observed = np.bincount(np.concatenate([negatives, more], axis=None), minlength=40)
    n = 2 * 16 * 1600 // BLOCK
    probability = noise_probability(counts, exponent)
    assert observed.sum() == n
    assert np.all(frequency_errors(observed, probability, n) < BOUND)


@given(
    counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(any),
    exponent=st.sampled_from([0.0, 0.5, 0.75, 1.0, 2.0]),
)
def test_words_share_out_the_noise_as_the_formula_says(counts, exponent):
    counts = np.array(counts)
    sampler = Sampler.build(counts, 1e-3, exponent, 16)
    share = np.diff(sampler.ends, prepend=0) / (16 * 2.0**40)
    expected = noise_probability(counts, exponent) if counts.all() else None
    if expected is None:
        expected = np.zeros(counts.size)
        expected[counts > 0] = noise_probability(counts[counts > 0], exponent)
    np.testing.assert_allclose(share, expected, rtol=0, atol=1e-12)


@given(
    counts=st.lists(st.integers(0, 10**9), min_size=1, max_size=50).filter(any),
    stratum=st.integers(0, 15),
    bits=st.integers(0, 2**64 - 1),
)
def test_a_negative_is_the_word_whose_share_holds_the_point(counts, stratum, bits):
    sampler = Sampler.build(np.array(counts), 0, 0.75, 16)
    point = (stratum << 40) + (bits >> 24)
    word = for_python(draw_negative)(sampler, stratum, np.uint64(bits))
    begin = sampler.ends[word - 1] if word else 0
    assert begin <= point < sampler.ends[word]
    assert counts[word] > 0


def test_every_block_draws_from_all_strata(planner):
    # As common as each other, 64 words fill 16 strata by fours.
    batches = planner(np.arange(64).repeat(4), counts=[4] * 64, n_shared=16, noise_exponent=0)
    negatives = batches.plan().negatives[: 256 // BLOCK]
    np.testing.assert_array_equal(negatives // 4, np.tile(np.arange(16), (256 // BLOCK, 1)))
    assert len(set(map(bytes, negatives))) == 256 // BLOCK


def test_negatives_of_one_word(planner):
    batches = planner([0] * 40, counts=[7], n_shared=16)
    assert not batches.plan().negatives.any()


def test_negatives_differ_between_blocks_batches_and_epochs(planner):
    batches = planner([0] * 200, counts=np.ones(100_000), n_shared=16)
    draws = [
        tuple(row)
        for epoch in range(2)
        for start in (0, 100)
        for row in batches.plan(start, start + 100, epoch).negatives[:4].tolist()
    ]
    assert len(set(draws)) == len(draws) == 16


def test_plans_repeat_to_the_bit(planner):
    def everything(plan):
        for groups in (plan.groups[0], plan.groups[1]):
            yield from (groups.rows, groups.starts, groups.places, groups.n_rows)
        yield from (plan.tokens, plan.n_left, plan.n_right, plan.negatives)

    text = random_text(2, 500, 40)
    first = planner(text, subsample=0.05).plan(40, 460)
    second = planner(text, subsample=0.05).plan(40, 460)
    for ours, theirs in zip(everything(first), everything(second), strict=True):
        assert ours.tobytes() == theirs.tobytes()


# Groups


def read_groups(groups):
    """Groups as {word: places}, after checks of their form."""
    n_rows = groups.n_rows[0]
    rows, starts = groups.rows[:n_rows].tolist(), groups.starts[: n_rows + 1].tolist()
    assert len(set(rows)) == n_rows
    assert starts[0] == 0
    found = {}
    for row, start, stop in zip(rows, starts, starts[1:], strict=False):
        found[row] = groups.places[start:stop].tolist()
        assert found[row]
    return found


def by_word(words_and_places):
    expected = {}
    for word, place in words_and_places:
        expected.setdefault(word, []).append(place)
    return expected


@pytest.mark.parametrize("window", [1, 3, 8])
@pytest.mark.parametrize(("length", "sentence"), [(1, 5), (40, 2), (400, 4), (400, 1000)])
def test_groups_list_what_pairs_use_and_no_more(planner, window, length, sentence):
    n_shared = 16
    text = random_text(length, length, 25, sentence)
    batches = planner(text, window=window, n_shared=n_shared, counts=np.ones(25))
    plan = batches.plan()
    centers, contexts = set(), set()
    for i in range(plan.n_centers[0]):
        chunk, block = i // CHUNK, i // BLOCK
        reached = {*range(i - plan.n_left[i], i + plan.n_right[i] + 1)} - {i}
        for k in reached:
            place = chunk * (CHUNK + 2 * window) + k + window - chunk * CHUNK
            contexts.add((int(plan.tokens[k + window]), place))
        if reached:
            centers.add((int(plan.tokens[i + window]), i))
            for k, word in enumerate(plan.negatives[block].tolist()):
                contexts.add((word, int(plan.noise_place[0]) + block * n_shared + k))
    assert read_groups(plan.groups[0]) == by_word(sorted(centers))
    found = read_groups(plan.groups[1])
    assert {word: sorted(places) for word, places in found.items()} == by_word(sorted(contexts))


def test_a_smaller_batch_after_a_larger_leaves_nothing_behind(planner):
    text = random_text(3, 300, 25)
    used, fresh = planner(text), planner(text)
    used.plan(0, 300)
    after, alone = used.plan(250, 290), fresh.plan(250, 290)
    assert used.examples(after) == fresh.examples(alone)
    for table in range(2):
        assert read_groups(after.groups[table]) == read_groups(alone.groups[table])


@given(ids=st.lists(st.integers(0, 1000), max_size=40))
def test_group_rows(ids):
    slots = np.full(max(ids, default=0) + 1, -1, np.int32)
    groups = group_rows(np.array(ids, np.int64), slots)
    assert (slots == -1).all()
    assert isinstance(groups, Groups)
    assert read_groups(groups) == by_word((row, place) for place, row in enumerate(ids))


# Keys and bits


def test_random_bits_are_split_mix_64():
    # Published outputs for the seed 1234567.
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [int(for_python(random_bits)(np.uint64(1234567), k)) for k in range(3)] == known
    assert [split_mix(1234567, k) for k in range(3)] == known


@given(key=st.integers(0, 2**64 - 1), position=st.integers(0, 2**62))
def test_random_bits_agree_with_python_integers(key, position):
    bits = int(for_python(random_bits)(np.uint64(key), position))
    assert bits == split_mix(key, position)
    assert bits == _mix_int(key + (position + 1) * 0x9E3779B97F4A7C15)


def test_keys_are_distinct():
    keys = {
        int(draw_key(seed, use, epoch))
        for seed in (*range(30), 2**32, 2**63, 2**64 - 1)
        for use in ("position", "negative", "start")
        for epoch in range(20)
    }
    assert len(keys) == 33 * 3 * 20
    assert isinstance(draw_key(1, "start"), np.uint64)


@pytest.mark.parametrize("width", [1, 10, 16])
def test_fill_uniform(width):
    rows = np.zeros((200, 16), np.float32)
    fill_uniform(draw_key(7, "start"), width, rows)
    drawn, padding = rows[:, :width].astype(float) * width, rows[:, width:]
    assert not padding.any()
    assert np.all((drawn >= -0.5) & (drawn < 0.5))
    assert len(np.unique(drawn)) > 0.99 * drawn.size
    error = 1 / math.sqrt(12 * drawn.size)
    assert abs(drawn.mean()) < BOUND * error
    assert abs(np.mean(drawn**2) - 1 / 12) < BOUND * math.sqrt(1 / 180 / drawn.size)


def test_fill_uniform_depends_on_row_and_column_only():
    key = draw_key(8, "start")
    small, large = np.zeros((5, 16), np.float32), np.zeros((50, 32), np.float32)
    fill_uniform(key, 10, small)
    fill_uniform(key, 10, large)
    np.testing.assert_array_equal(small[:, :10], large[:5, :10])


def test_what_is_no_word_ends_a_line(planner):
    """So that a file that somebody writes to cannot lead out of the matrices."""
    text, counts = [0, 1, 2**31 - 1, 1, 0, 2, 1, 0], [3, 3]
    known = [word if word < 2 else -1 for word in text]
    for start, stop in ((0, 8), (3, 5)):
        found, expected = (
            batches.examples(batches.plan(start, stop))
            for batches in (planner(ids, counts=counts, window=2) for ids in (text, known))
        )
        assert found == expected

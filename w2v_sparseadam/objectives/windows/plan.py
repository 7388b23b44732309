"""Which rows a batch reads, in which order their gradients are summed, and all of its chances.

A batch is a range of the text's positions. Every random draw is a hash of (seed, use, epoch,
position), so that any batch of any epoch can be planned alone, on any thread, in any order, and
a resumed run draws what an uninterrupted one would have drawn.

The tokens that subsampling keeps are the batch's centers. They are cut into blocks of
:data:`BLOCK`, which share negatives, and chunks of :data:`CHUNK`, which are computed in one go.
The *span* of a chunk is its centers with ``window`` kept tokens more on either side.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ...optimizers.groups import Groups, group
from ...simd.kernels import inlined
from ...simd.random import random_bits
from .ngrams import NgramRoom, group_ngrams, groups_in_ring, rooms_for
from .sampler import draw_negative

BLOCK = 32
"""Centers that share one draw of negatives."""

CHUNK = 128
"""Centers of one unit of parallel work, a multiple of BLOCK."""


class BatchPlan(NamedTuple):
    """What one batch does; the arrays are as large as the largest batch and partly filled."""

    tokens: np.ndarray  # (capacity + 2 window,) int32: kept words; center i is tokens[i + window]
    n_left: np.ndarray  # (capacity,) int32: contexts of center i on its left …
    n_right: np.ndarray  # (capacity,) int32: … and on its right
    negatives: np.ndarray  # (blocks, N) int32
    groups: tuple[Groups, ...]  # of each table: see fill_plan
    n_centers: np.ndarray  # (1,) int64
    n_chunks: np.ndarray  # (1,) int64
    n_pairs: np.ndarray  # (1,) int64: pairs, or their weights times the window, summed
    n_tokens: np.ndarray  # (1,) int64: tokens before subsampling
    noise_place: np.ndarray  # (1,) int64: in the second table, that of the first negative

    @classmethod
    def allocate(
        cls,
        capacity: int,
        window: int,
        n_shared: int,
        *ring: int,
        centers_first: bool = True,
        n_ngrams: int | None = None,
    ) -> "BatchPlan":
        """Make room for batches of up to ``capacity`` centers; see `fill_plan`.

        With ``n_ngrams``, there is a third table, of n-grams, of which words list so many.

        With ``ring``, make that many plans: each array gets another dimension in front, and
        :func:`plan_of_ring` returns one of them.
        """
        n_chunks = -(-capacity // CHUNK)
        n_blocks = n_chunks * CHUNK // BLOCK
        n_places = n_chunks * CHUNK, n_chunks * (CHUNK + 2 * window)
        first, noise_place = n_places if centers_first else n_places[::-1]
        sizes = [first, noise_place + n_blocks * n_shared]
        if n_ngrams is not None:
            sizes.append(n_ngrams)
        return cls(
            tokens=np.zeros((*ring, n_chunks * CHUNK + 2 * window), np.int32),
            n_left=np.zeros((*ring, n_chunks * CHUNK), np.int32),
            n_right=np.zeros((*ring, n_chunks * CHUNK), np.int32),
            negatives=np.zeros((*ring, n_blocks, n_shared), np.int32),
            groups=tuple(Groups.allocate(size, n_chunks, *ring) for size in sizes),
            n_centers=np.zeros((*ring, 1), np.int64),
            n_chunks=np.zeros((*ring, 1), np.int64),
            n_pairs=np.zeros((*ring, 1), np.int64),
            n_tokens=np.zeros((*ring, 1), np.int64),
            noise_place=np.full((*ring, 1), noise_place),
        )


@inlined
def plan_of_ring(ring, k):
    """Return plan number k of a ring of plans, as views."""
    return BatchPlan(
        ring.tokens[k],
        ring.n_left[k],
        ring.n_right[k],
        ring.negatives[k],
        groups_in_ring(ring.groups, k),
        ring.n_centers[k],
        ring.n_chunks[k],
        ring.n_pairs[k],
        ring.n_tokens[k],
        ring.noise_place[k],
    )


class PlanScratch(NamedTuple):
    """Room to plan a batch; only ``slots`` carries anything over, and that is all −1."""

    slots: np.ndarray  # (V,) int32, −1
    sentence: np.ndarray  # (capacity,) int32
    covered: np.ndarray  # (chunk + 2 window + 1,) int64
    words: np.ndarray  # (places,) int32
    places: np.ndarray  # (places,) int32
    ends: np.ndarray  # (chunks,) int64
    cursors: np.ndarray  # (places,) int32
    ngram_rooms: tuple[NgramRoom, ...]  # one, if there are n-grams

    @classmethod
    def allocate(cls, n_rows: Sequence[int], plan: BatchPlan) -> "PlanScratch":
        """Make room to fill a plan such as ``plan`` (or its ring), given each table's rows."""
        capacity = plan.n_left.shape[-1]
        n_places = max(groups.places.shape[-1] for groups in plan.groups[:2])
        window = (plan.tokens.shape[-1] - capacity) // 2
        return cls(
            slots=np.full(n_rows[0], -1, np.int32),
            sentence=np.zeros(capacity, np.int32),
            covered=np.zeros(CHUNK + 2 * window + 1, np.int64),
            words=np.zeros(n_places, np.int32),
            places=np.zeros(n_places, np.int32),
            ends=np.zeros(plan.groups[0].early.shape[-1] - 1, np.int64),
            cursors=np.zeros(n_places, np.int32),
            ngram_rooms=rooms_for(n_rows, plan.groups),
        )


@inlined
def _count_pairs(n, window, dynamic):
    """Return n, or the sum of the whole numbers that the n nearest contexts weigh."""
    return n * (2 * window + 1 - n) // 2 if dynamic else n


@inlined
def _word_at(word_ids, position, n_words):
    """Return a word id, or the end of a line where there is none, whoever wrote to the file."""
    word = word_ids[position]
    return word if word < n_words else np.int32(-1)


@inlined
def _is_kept(word, position, sampler, key):
    """Whether subsampling leaves the token of a word at a position."""
    return random_bits(key, position) >> np.uint64(32) <= sampler.keep[word]


@inlined
def _take_before(word_ids, start, sampler, key, window, tokens):
    """Put the kept tokens just before a batch in their place, as far as its first sentence reaches.

    Return how many.
    """
    n_words = sampler.keep.size
    n_before = 0
    position = start - 1
    while position >= 0 and n_before < window:
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            break
        if _is_kept(word, position, sampler, key):
            n_before += 1
            tokens[window - n_before] = word
        position -= 1
    tokens[: window - n_before] = 0
    return n_before


@inlined
def _take_centers(word_ids, start, stop, sampler, key, n_before, sentence, plan):
    """Make the kept tokens centers, count their contexts on the left and number their sentences.

    Return numbers of centers, tokens and ended sentences.
    """
    n_words = sampler.keep.size
    window = (plan.tokens.size - plan.n_left.size) // 2
    n_centers = n_tokens = n_sentences = 0
    sentence_start = -n_before
    for position in range(start, stop):
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            n_sentences += 1
            sentence_start = n_centers
            continue
        n_tokens += 1
        if _is_kept(word, position, sampler, key):
            plan.tokens[window + n_centers] = word
            sentence[n_centers] = n_sentences
            plan.n_left[n_centers] = min(window, n_centers - sentence_start)
            n_centers += 1
    return n_centers, n_tokens, n_sentences


@inlined
def _take_after(word_ids, stop, sampler, key, window, tokens):
    """Put the kept tokens just after a batch in ``tokens``, as far as its last sentence reaches.

    Return how many.
    """
    n_words = sampler.keep.size
    n_after = 0
    position = stop
    while position < word_ids.size and n_after < window:
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            break
        if _is_kept(word, position, sampler, key):
            tokens[n_after] = word
            n_after += 1
        position += 1
    tokens[n_after:window] = 0
    return n_after


@inlined
def _reach_right(plan, sentence, n_centers, n_after, last_sentence, window, dynamic):
    """Count the centers' contexts on the right; return all pairs, or the sum of their weights."""
    n_pairs = 0
    sentence_stop = n_centers + n_after
    current = last_sentence
    for i in range(n_centers - 1, -1, -1):
        if sentence[i] != current:
            current = sentence[i]
            sentence_stop = i + 1
        plan.n_right[i] = min(window, sentence_stop - 1 - i)
        n_pairs += _count_pairs(plan.n_left[i], window, dynamic)
        n_pairs += _count_pairs(plan.n_right[i], window, dynamic)
    return n_pairs


@inlined
def _is_listed(word, frozen):
    return frozen.size == 0 or not frozen[word]


@inlined
def _list_centers(plan, chunk, n_centers, window, frozen, scratch, n):
    """List the centers of a chunk that have a pair and are not frozen, behind the first n.

    Return how many are listed then.
    """
    for i in range(chunk * CHUNK, min((chunk + 1) * CHUNK, n_centers)):
        word = plan.tokens[window + i]
        if plan.n_left[i] + plan.n_right[i] > 0 and _is_listed(word, frozen):
            scratch.words[n], scratch.places[n] = word, i
            n += 1
    return n


@inlined
def _group_listed(scratch, n_chunks, groups):
    words, places, ends = scratch.words, scratch.places, scratch.ends
    group(words, places, ends, n_chunks, scratch.slots, scratch.cursors, groups)


@inlined
def _group_ngrams_of_listed(ngrams, scratch, n_chunks, plan):
    words, places, ends = scratch.words, scratch.places, scratch.ends
    group_ngrams(ngrams, words, places, ends, n_chunks, scratch.ngram_rooms, plan.groups)


@inlined
def _list_contexts(plan, chunk, n_centers, window, frozen, scratch, n):
    """List the words of a chunk's span that are a context of its centers and are not frozen.

    They stand behind the first n; return how many are listed then.
    """
    covered = scratch.covered
    first = chunk * CHUNK
    last = min(first + CHUNK, n_centers)
    covered[:] = 0
    for i in range(first, last):
        place = i - first + window
        covered[place - plan.n_left[i]] += 1
        covered[place + plan.n_right[i] + 1] -= 1
    centers_over = 0
    for place in range(last - first + 2 * window):
        centers_over += covered[place]
        i = first + place - window
        itself = 1 if first <= i < last else 0
        word = plan.tokens[first + place]
        if centers_over > itself and _is_listed(word, frozen):
            scratch.words[n] = word
            scratch.places[n] = chunk * (CHUNK + 2 * window) + place
            n += 1
    return n


@inlined
def _list_negatives(plan, block, n_centers, start, sampler, key, scratch, n):
    """Draw a block's negatives; list them behind the first n if one of its centers has a pair.

    Return how many are listed then.
    """
    n_noise = plan.negatives.shape[1]
    used = False
    for i in range(block * BLOCK, min((block + 1) * BLOCK, n_centers)):
        used = used or plan.n_left[i] + plan.n_right[i] > 0
    for k in range(n_noise):
        draw = np.int64(start) * n_noise + block * n_noise + k
        word = draw_negative(sampler, k, random_bits(key, draw))
        plan.negatives[block, k] = word
        if used:
            scratch.words[n] = word
            scratch.places[n] = plan.noise_place[0] + block * n_noise + k
            n += 1
    return n


@inlined
def fill_plan(word_ids, start, stop, sampler, ngrams, keys, dynamic, centers_first, scratch, plan):
    """Plan the batch of the text's positions ``start`` to ``stop``.

    Kept tokens become centers; each has as contexts the nearest ``window`` kept tokens on either
    side in its sentence, also beyond the batch's edges. Each block draws N negatives. A word is
    listed for an update only if a pair of the batch uses it.

    One table has the centers, and a place is a center's number; the other has the contexts, and it
    is chunk · span + place in the span. The negatives are rows of the second, from place
    ``plan.noise_place`` on; rows of the first may be frozen. If words are composed of n-grams, a
    third table has these, and its places are those of the words listed in the first.

    Parameters
    ----------
    word_ids : ndarray of shape (positions,), int32
        The text; a negative number ends a sentence.
    start, stop : int
        The batch's range.
    sampler : Sampler
    ngrams : () or (Ngrams,)
    keys : ndarray of shape (2,), uint64
        Keys of the epoch's draws: for positions and for negatives.
    dynamic : bool
        Whether a context at distance d counts in ``plan.n_pairs`` as window + 1 − d, or as 1.
    centers_first : bool
        Whether the first table has the centers.
    scratch : PlanScratch
    plan : BatchPlan
        Filled.
    """
    window = (plan.tokens.size - plan.n_left.size) // 2
    sentence, key = scratch.sentence, keys[0]
    n_before = _take_before(word_ids, start, sampler, key, window, plan.tokens)
    n_centers, n_tokens, n_sentences = _take_centers(
        word_ids, start, stop, sampler, key, n_before, sentence, plan
    )
    after = plan.tokens[window + n_centers :]
    n_after = _take_after(word_ids, stop, sampler, key, window, after)
    n_pairs = _reach_right(plan, sentence, n_centers, n_after, n_sentences, window, dynamic)
    n_chunks = (n_centers + CHUNK - 1) // CHUNK
    for table in range(2):
        frozen = sampler.frozen if table == 0 else sampler.frozen[:0]
        n = 0
        for chunk in range(n_chunks):
            if (table == 0) == centers_first:
                n = _list_centers(plan, chunk, n_centers, window, frozen, scratch, n)
            else:
                n = _list_contexts(plan, chunk, n_centers, window, frozen, scratch, n)
            last = min((chunk + 1) * CHUNK, n_centers)
            if table == 1:
                for block in range(chunk * CHUNK // BLOCK, (last + BLOCK - 1) // BLOCK):
                    n = _list_negatives(plan, block, last, start, sampler, keys[1], scratch, n)
            scratch.ends[chunk] = n
        _group_listed(scratch, n_chunks, plan.groups[table])
        if table == 0:
            _group_ngrams_of_listed(ngrams, scratch, n_chunks, plan)
    plan.n_centers[0], plan.n_chunks[0] = n_centers, n_chunks
    plan.n_pairs[0], plan.n_tokens[0] = n_pairs, n_tokens

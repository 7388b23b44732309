"""Which rows a batch reads, in which order their gradients are summed, and all of its chances.

A batch is a range of the text's positions. Every random draw is a hash of (seed, use, epoch,
position), so that any batch of any epoch can be planned alone, on any thread, in any order, and
a resumed run draws what an uninterrupted one would have drawn.

The tokens that subsampling keeps are the batch's centers. They are cut into blocks of
:data:`BLOCK`, which share negatives, and chunks of :data:`CHUNK`, which are computed in one go.
The *span* of a chunk is its centers with ``window`` kept tokens more on either side.
"""

from typing import NamedTuple

import numpy as np

from ...optimizers.groups import Groups, group, groups_of_ring
from ...simd.kernels import kernel
from ...simd.random import random_bits

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
    groups: tuple[
        Groups, Groups
    ]  # of centers, where a place is a center's number; and of contexts,
    # where it is chunk · span + place in the span, or a negative's
    n_centers: np.ndarray  # (1,) int64
    n_chunks: np.ndarray  # (1,) int64
    n_pairs: np.ndarray  # (1,) int64: pairs, or their weights times the window, summed
    n_tokens: np.ndarray  # (1,) int64: tokens before subsampling
    noise_place: np.ndarray  # (1,) int64: the place of the first negative's gradient

    @classmethod
    def allocate(cls, capacity: int, window: int, n_shared: int, *ring: int) -> "BatchPlan":
        """Make room for batches of up to ``capacity`` centers.

        With ``ring``, make that many plans: each array gets another dimension in front, and
        :func:`plan_of_ring` returns one of them.
        """
        n_chunks = -(-capacity // CHUNK)
        n_blocks = n_chunks * CHUNK // BLOCK
        noise_place = n_chunks * (CHUNK + 2 * window)
        return cls(
            tokens=np.zeros((*ring, n_chunks * CHUNK + 2 * window), np.int32),
            n_left=np.zeros((*ring, n_chunks * CHUNK), np.int32),
            n_right=np.zeros((*ring, n_chunks * CHUNK), np.int32),
            negatives=np.zeros((*ring, n_blocks, n_shared), np.int32),
            groups=(
                Groups.allocate(n_chunks * CHUNK, *ring),
                Groups.allocate(noise_place + n_blocks * n_shared, *ring),
            ),
            n_centers=np.zeros((*ring, 1), np.int64),
            n_chunks=np.zeros((*ring, 1), np.int64),
            n_pairs=np.zeros((*ring, 1), np.int64),
            n_tokens=np.zeros((*ring, 1), np.int64),
            noise_place=np.full((*ring, 1), noise_place),
        )


@kernel
def plan_of_ring(ring, k):
    """Return plan number k of a ring of plans, as views."""
    return BatchPlan(
        ring.tokens[k],
        ring.n_left[k],
        ring.n_right[k],
        ring.negatives[k],
        (groups_of_ring(ring.groups[0], k), groups_of_ring(ring.groups[1], k)),
        ring.n_centers[k],
        ring.n_chunks[k],
        ring.n_pairs[k],
        ring.n_tokens[k],
        ring.noise_place[k],
    )


class Sampler(NamedTuple):
    """The distributions that a plan draws from, as integers to compare random bits with."""

    keep: np.ndarray  # (V,) uint32: a token stays when its 32 bits are not above this
    ends: np.ndarray  # (V,) int64: where a word's share of the noise ends, N · 2⁴⁰ being the whole
    guide: np.ndarray  # (guide,) int32: the word that each of so many equal steps begins in
    step_bits: int  # length of a step, as a power of 2
    frozen: np.ndarray  # (V,) bool: words that do not move as centers; (0,) if there are none

    @classmethod
    def build(
        cls,
        counts: np.ndarray,
        subsample: float,
        noise_exponent: float,
        n_shared: int,
        frozen: np.ndarray | None = None,
    ) -> "Sampler":
        """Prepare both distributions from the words' counts.

        A token of a word with relative frequency f is kept with probability
        min(1, √(t/f) + t/f), t = ``subsample``, or always if t is 0; a negative is drawn with
        probability proportional to count ** ``noise_exponent``.

        A block's ``n_shared`` negatives are drawn in strata: the words, in their order, which is
        that of frequency, share out a line in proportion to their noise; the line is cut into
        ``n_shared`` equal pieces, and one negative is drawn in each. A word is expected as often
        as it would be if all were drawn from the whole line, and the loss has the same mean, but
        every block meets frequent and rare words in the same proportion.

        Parameters
        ----------
        counts : ndarray of shape (V,), int64
            Occurrences in the text, 0 or more, above 0 in sum. A word with 0 is never drawn.
        subsample : float
            Threshold t, 0 or more.
        noise_exponent : float
            Usually 0.75.
        n_shared : int
            Negatives of a block, N.
        frozen : ndarray of shape (V,), bool, optional
            Words whose center vectors are not listed for an update.

        References
        ----------
        Mikolov et al. (2013), section 2.3; the formula is word2vec.c's, which gensim shares, not
        the paper's. Stratified sampling: Cochran (1977), "Sampling techniques", chapter 5. The
        table that guides the search: Chen & Asau (1974).
        """
        frequency = np.maximum(counts, 1) / counts.sum()
        keep = np.ones(len(counts))
        if subsample > 0:
            keep = np.minimum(1, np.sqrt(subsample / frequency) + subsample / frequency)
        weights = np.where(counts > 0, counts.astype(np.float64) ** noise_exponent, 0)
        sums = np.cumsum(weights)
        whole = n_shared << 40
        ends = np.rint(sums * (whole / sums[-1])).astype(np.int64)
        ends[ends == ends[-1]] = whole
        step_bits = (whole // len(counts)).bit_length() - 1
        steps = np.arange(-(-whole >> step_bits)) << step_bits
        guide = np.searchsorted(ends, steps, side="right").astype(np.int32)
        if frozen is None:
            frozen = np.zeros(0, np.bool_)
        return cls(_as_bits(keep), ends, guide, step_bits, frozen)

    def keep_share(self, counts: np.ndarray) -> float:
        """Return the share of the text's tokens that subsampling is expected to keep."""
        return float(counts @ self.keep_prob() / counts.sum())

    def keep_prob(self) -> np.ndarray:
        """Return the chance of each word's tokens to stay, shape (V,), float64."""
        return (self.keep + 1.0) / 2.0**32


def _as_bits(probability: np.ndarray) -> np.ndarray:
    """Return the largest of 32 random bits, as a number, at which to say yes."""
    return np.maximum(np.rint(probability * 2.0**32) - 1, 0).astype(np.uint32)


@kernel
def _draw_negative(sampler, k, bits):
    """Draw from the k-th stratum: the word whose share of the line holds the point drawn."""
    point = np.int64((np.uint64(k) << np.uint64(40)) | (bits >> np.uint64(24)))
    word = np.int64(sampler.guide[point >> sampler.step_bits])
    while sampler.ends[word] <= point:
        word += 1
    return word


class PlanScratch(NamedTuple):
    """Room to plan a batch; only ``slots`` carries anything over, and that is all −1."""

    slots: np.ndarray  # (V,) int32, −1
    sentence: np.ndarray  # (capacity,) int32
    covered: np.ndarray  # (chunk + 2 window + 1,) int64
    words: np.ndarray  # (places,) int32
    places: np.ndarray  # (places,) int32
    row_of: np.ndarray  # (places,) int32

    @classmethod
    def allocate(cls, n_words: int, plan: BatchPlan) -> "PlanScratch":
        """Make room to fill a plan such as ``plan`` (or its ring) over ``n_words`` words."""
        capacity = plan.n_left.shape[-1]
        n_places = plan.groups[1].places.shape[-1]
        window = (plan.tokens.shape[-1] - capacity) // 2
        return cls(
            slots=np.full(n_words, -1, np.int32),
            sentence=np.zeros(capacity, np.int32),
            covered=np.zeros(CHUNK + 2 * window + 1, np.int64),
            words=np.zeros(n_places, np.int32),
            places=np.zeros(n_places, np.int32),
            row_of=np.zeros(n_places, np.int32),
        )


@kernel
def _count_pairs(n, window, dynamic):
    """Return n, or the sum of the whole numbers that the n nearest contexts weigh."""
    return n * (2 * window + 1 - n) // 2 if dynamic else n


@kernel
def _word_at(word_ids, position, n_words):
    """Return a word id, or the end of a line where there is none, whoever wrote to the file."""
    word = word_ids[position]
    return word if word < n_words else np.int32(-1)


@kernel
def fill_plan(word_ids, start, stop, sampler, keys, dynamic, scratch, plan):
    """Plan the batch of the text's positions ``start`` to ``stop``.

    Kept tokens become centers; each has as contexts the nearest ``window`` kept tokens on either
    side in its sentence, also beyond the batch's edges. Each block draws N negatives. A word is
    listed for an update only if a pair of the batch uses it, and as a center only if it is not
    frozen.

    Parameters
    ----------
    word_ids : ndarray of shape (positions,), int32
        The text; a negative number ends a sentence.
    start, stop : int
        The batch's range.
    sampler : Sampler
    keys : ndarray of shape (2,), uint64
        Keys of the epoch's draws: for positions and for negatives.
    dynamic : bool
        Whether a context at distance d counts in ``plan.n_pairs`` as window + 1 − d, or as 1.
    scratch : PlanScratch
    plan : BatchPlan
        Filled.
    """
    tokens, n_left, n_right, sentence = plan.tokens, plan.n_left, plan.n_right, scratch.sentence
    capacity = n_left.size
    window = (tokens.size - capacity) // 2
    n_span = CHUNK + 2 * window
    n_noise = plan.negatives.shape[1]
    n_words = sampler.keep.size
    half = np.uint64(32)

    # The kept tokens just before the batch, as far as the first center's sentence reaches.
    n_before = 0
    position = start - 1
    while position >= 0 and n_before < window:
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            break
        if random_bits(keys[0], position) >> half <= sampler.keep[word]:
            n_before += 1
            tokens[window - n_before] = word
        position -= 1
    for k in range(window - n_before):
        tokens[k] = 0

    n_centers = 0
    n_tokens = 0
    n_sentences = 0
    sentence_start = -n_before
    for position in range(start, stop):
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            n_sentences += 1
            sentence_start = n_centers
            continue
        n_tokens += 1
        if random_bits(keys[0], position) >> half > sampler.keep[word]:
            continue
        tokens[window + n_centers] = word
        sentence[n_centers] = n_sentences
        n_left[n_centers] = min(window, n_centers - sentence_start)
        n_centers += 1

    n_after = 0
    position = stop
    while position < word_ids.size and n_after < window:
        word = _word_at(word_ids, position, n_words)
        if word < 0:
            break
        if random_bits(keys[0], position) >> half <= sampler.keep[word]:
            tokens[window + n_centers + n_after] = word
            n_after += 1
        position += 1
    for k in range(n_after, window):
        tokens[window + n_centers + k] = 0

    n_pairs = 0
    sentence_stop = n_centers + n_after
    current = n_sentences
    for i in range(n_centers - 1, -1, -1):
        if sentence[i] != current:
            current = sentence[i]
            sentence_stop = i + 1
        n_right[i] = min(window, sentence_stop - 1 - i)
        n_pairs += _count_pairs(n_left[i], window, dynamic)
        n_pairs += _count_pairs(n_right[i], window, dynamic)

    words, places, covered = scratch.words, scratch.places, scratch.covered
    frozen = sampler.frozen
    n = 0
    for i in range(n_centers):
        moves = frozen.size == 0 or not frozen[tokens[window + i]]
        if moves and n_left[i] + n_right[i] > 0:
            words[n], places[n] = tokens[window + i], i
            n += 1
    group(words, places, n, scratch.slots, scratch.row_of, plan.groups[0])

    n = 0
    for chunk in range((n_centers + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        last = min(first + CHUNK, n_centers)
        covered[:] = 0
        for i in range(first, last):
            place = i - first + window
            covered[place - n_left[i]] += 1
            covered[place + n_right[i] + 1] -= 1
        centers_over = 0
        for place in range(last - first + 2 * window):
            centers_over += covered[place]
            i = first + place - window
            itself = 1 if first <= i < last else 0
            if centers_over > itself:
                words[n], places[n] = tokens[first + place], chunk * n_span + place
                n += 1
        for block in range(first // BLOCK, (last + BLOCK - 1) // BLOCK):
            used = False
            for i in range(block * BLOCK, min((block + 1) * BLOCK, last)):
                used = used or n_left[i] + n_right[i] > 0
            for k in range(n_noise):
                draw = np.int64(start) * n_noise + block * n_noise + k
                word = _draw_negative(sampler, k, random_bits(keys[1], draw))
                plan.negatives[block, k] = word
                if used:
                    words[n] = word
                    places[n] = plan.noise_place[0] + block * n_noise + k
                    n += 1
    group(words, places, n, scratch.slots, scratch.row_of, plan.groups[1])
    plan.n_centers[0] = n_centers
    plan.n_chunks[0] = (n_centers + CHUNK - 1) // CHUNK
    plan.n_pairs[0] = n_pairs
    plan.n_tokens[0] = n_tokens

"""Loss and gradients of skip-gram with shared negatives, as small matrix products.

A *block* of centers shares one draw of negatives. A *chunk* of blocks is the unit of parallel
work: it reads the parameters, writes gradients to places that the plan gave it, and touches
nothing else, so chunks may run in any order on any thread and give the same bytes.
"""

from typing import NamedTuple

import numpy as np

from ...simd.arrays import LANES, zeros
from ...simd.kernels import inlined
from ...simd.logistic import logistic
from ...simd.products import band_dots, band_product, dot_tile, multiply
from ...simd.rows import copy_row, prefetch_row
from ..windows.ngrams import share_grad, take_word
from ..windows.plan import BLOCK, CHUNK


class Scratch(NamedTuple):
    """Room that one worker needs to compute a chunk; nothing in it outlives the chunk.

    C is the chunk's length, b the block's, c the window, N the negatives of a block.
    """

    center_vectors: np.ndarray  # (C, D) float32
    context_vectors: np.ndarray  # (C + 2c, D)
    noise_vectors: np.ndarray  # (N, D)
    scores: np.ndarray  # (N, b)
    factors: np.ndarray  # (b,): what a center's score with a negative weighs
    band: np.ndarray  # (C / 16, 16 (2c + 1)): storage of the banded matrix that follows
    by_center: np.ndarray  # (C, C + 2c): entry (i, j) is center i against span place j
    by_context: np.ndarray  # (C + 2c, C): the same, transposed
    starts: np.ndarray  # (C + 2c,) int64: where each row of a banded matrix starts …
    stops: np.ndarray  # (C + 2c,) int64: … and one past its end
    pair_weights: np.ndarray  # (16 (2c + 1),): constant; minus what each entry of the band weighs
    reach_weights: np.ndarray  # (c + 1,): constant; what so many nearest contexts weigh together

    @classmethod
    def allocate(cls, n_dims: int, window: int, n_shared: int, dynamic: bool) -> "Scratch":
        """Make room for vectors of ``n_dims`` numbers and ``n_shared`` negatives a block.

        With a ``dynamic`` window, a context at distance d weighs (c + 1 − d) / c, as often as it
        would be in a reach drawn evenly from 1 … c; otherwise all weigh 1.
        """
        distances = np.arange(1, window + 1)
        weights = (window + 1 - distances) / window if dynamic else np.ones(window)
        row = np.concatenate([weights[::-1], [0], weights])  # of the band: a center and its span
        span = CHUNK + 2 * window
        band = zeros(CHUNK // LANES, LANES * (2 * window + 1))
        # Entry (i, j) stands at 2c i + j of the storage, so row i holds j = i … i + 2c. Outside
        # the band the places belong to other entries and are never read.
        steps = (2 * window * band.itemsize, band.itemsize)
        by_center = np.lib.stride_tricks.as_strided(band[0], (CHUNK, span), steps)
        return cls(
            center_vectors=zeros(CHUNK, n_dims),
            context_vectors=zeros(span, n_dims),
            noise_vectors=zeros(n_shared, n_dims),
            scores=zeros(n_shared, BLOCK),
            factors=zeros(BLOCK),
            band=band,
            by_center=by_center,
            by_context=by_center.T,
            starts=np.zeros(span, np.int64),
            stops=np.zeros(span, np.int64),
            pair_weights=np.tile(-row, LANES).astype(np.float32),
            reach_weights=np.concatenate([[0], np.cumsum(weights)]).astype(np.float32),
        )


@inlined
def _gather_centers(params, ngrams, plan, start, first, scratch):
    """Copy the center vectors of a block, or compose them."""
    centers = scratch.center_vectors
    n_chunk, n_block = centers.shape[0], scratch.scores.shape[1]
    window = (scratch.context_vectors.shape[0] - n_chunk) // 2
    n_centers = min(n_chunk, plan.n_centers[0] - start)
    tokens, n_left, n_right = plan.tokens[start:], plan.n_left[start:], plan.n_right[start:]
    for i in range(first, first + n_block):
        if i < n_centers and n_left[i] + n_right[i] > 0:
            take_word(params, ngrams, tokens[i + window], centers, i)
        else:
            centers[i] = np.float32(0)


@inlined
def _prefetch(center_param, context_param, plan, start, first, k, scratch):
    """Ask for the k-th of the rows that the next block, from ``first`` on, will copy.

    A processor waits for few rows at a time: asked for one by one during the products, they cost
    half of what they would if all were read at once.
    """
    n_noise, n_block = scratch.scores.shape
    window = (scratch.context_vectors.shape[0] - scratch.center_vectors.shape[0]) // 2
    block, i = (start + first) // n_block, start + first + k - n_noise
    if k >= n_noise:
        if k < n_noise + n_block and i + 2 * window < plan.tokens.size:
            prefetch_row(center_param, plan.tokens[i + window])
            prefetch_row(context_param, plan.tokens[i + 2 * window])
    elif block < plan.negatives.shape[0]:
        prefetch_row(context_param, plan.negatives[block, k])


@inlined
def _score_positives(plan, start, first, last, scratch, loss):
    """Put the derivatives by the scores of a block's pairs in its band; add their losses.

    The band first holds −v·u, and −∞ (no loss, no gradient) where a center's reach has ended.
    """
    centers, contexts = scratch.center_vectors, scratch.context_vectors
    by_center = scratch.by_center
    window = (contexts.shape[0] - centers.shape[0]) // 2
    n_left, n_right = plan.n_left[start:], plan.n_right[start:]
    part = scratch.scores.shape[1] // LANES  # of the band's storage: a block's
    positives = scratch.band[first // LANES : first // LANES + part]
    positives[:] = -np.float32(np.inf)
    starts, stops = scratch.starts, scratch.stops
    for i in range(first, last):
        starts[i], stops[i] = i + window - n_left[i], i + window + n_right[i] + 1
    band_dots(centers, contexts, by_center, first, last, starts, stops)
    for i in range(first, last):
        by_center[i, i + window] = -np.float32(np.inf)  # a center is no context of itself
    return loss - logistic(positives, scratch.pair_weights)


@inlined
def _score_negatives(plan, start, first, n_centers, weight, scratch, loss):
    """Put the derivatives by a block's scores with its negatives in place; add their losses."""
    scores, factors, reach = scratch.scores, scratch.factors, scratch.reach_weights
    n_left, n_right = plan.n_left[start:], plan.n_right[start:]
    n_block = factors.size
    factors[:] = 0
    for i in range(first, min(first + n_block, n_centers)):
        factors[i - first] = weight * (reach[n_left[i]] + reach[n_right[i]])
    return loss + logistic(scores, factors)


@inlined
def _share_grads(ngrams, tokens, window, first, last, center_rows):
    """Make the gradients of a block's centers those of the rows that they are composed of."""
    for i in range(first, last):
        share_grad(ngrams, tokens[i + window], center_rows, i)


@inlined
def chunk_gradients(params, ngrams, plan, chunk, weight, scratch, center_grads, context_grads):
    """Compute the loss and the gradients of one chunk of a batch.

    For center i with vector v, its contexts u_j of weights w_j, p = Σ_j w_j, and the N negatives
    u_n that its block shares,

        loss = Σ_j −w_j log σ(v·u_j) + (p K / N) Σ_n −log σ(−v·u_n)

    which expects K negatives for each pair. The derivatives by the scores are w_j (σ(v·u_j) − 1)
    and (p K / N) σ(v·u_n).

    With n-grams, v is the mean of the word's own row and those of its n-grams; the derivative by
    each of these rows is that by v, divided by their number.

    With a dynamic window, word2vec draws the reach of each center, and learns from its pairs as
    often as w_j on average. Weighing them has the same expectation, with less noise.

    Parameters
    ----------
    params : tuple of ndarray of shape (rows, D), float32
        The matrices of centers, contexts and n-grams, D a multiple of 16. Read only.
    ngrams : () or (Ngrams,)
    plan : BatchPlan
    chunk : int
        Which chunk of the plan to do.
    weight : float32
        K / N.
    scratch : Scratch
        Overwritten.
    center_grads : ndarray of shape (places, D), float32
        Row i receives the gradient of each row that the batch's center i is made of.
    context_grads : ndarray of shape (places, D), float32
        The rows at ``plan.context_places`` of this chunk and its blocks are written.

    Returns
    -------
    float
        Sum of the losses of the chunk's pairs, in float64.

    References
    ----------
    Mikolov et al. (2013), "Distributed representations of words and phrases", eq. 4; negatives
    shared in a block as in Ji et al. (2016), "Parallelizing word2vec in shared and distributed
    memory", section 3.
    """
    center_param, context_param = params[0], params[1]
    centers, contexts = scratch.center_vectors, scratch.context_vectors
    noise, scores = scratch.noise_vectors, scratch.scores
    by_center, by_context = scratch.by_center, scratch.by_context
    starts, stops = scratch.starts, scratch.stops
    n_chunk, n_span = centers.shape[0], contexts.shape[0]
    window = (n_span - n_chunk) // 2
    n_noise, n_block = scores.shape
    start = chunk * n_chunk
    n_centers = min(n_chunk, plan.n_centers[0] - start)
    tokens, negatives = plan.tokens[start:], plan.negatives[start // n_block :]
    center_rows = center_grads[start : start + n_chunk]
    context_rows = context_grads[chunk * n_span : (chunk + 1) * n_span]
    noise_rows = context_grads[plan.noise_place[0] + start // n_block * n_noise :]
    scores_transposed = scores.T
    n_copied = n_done = 0
    loss = 0.0

    for first in range(0, n_centers, n_block):
        block = first // n_block
        last = min(first + n_block, n_centers)
        _gather_centers(params, ngrams, plan, start, first, scratch)
        for j in range(n_copied, last + 2 * window):
            copy_row(context_param, tokens[j], contexts, j)
        n_copied = last + 2 * window
        for k in range(n_noise):
            copy_row(context_param, negatives[block, k], noise, k)
        block_centers = centers[first : first + n_block]
        for k in range(0, n_noise, 4):
            for i in range(0, n_block, 4):
                n_tiles = k // 4 * (n_block // 4) + i // 4
                _prefetch(
                    center_param, context_param, plan, start, first + n_block, n_tiles, scratch
                )
                dot_tile(noise, block_centers, scores, k, i)
        loss = _score_positives(plan, start, first, last, scratch, loss)
        loss = _score_negatives(plan, start, first, n_centers, weight, scratch, loss)

        multiply(scores_transposed, noise, center_rows[first:], n_block, n_noise)
        block_noise_rows = noise_rows[block * n_noise :]
        multiply(scores, block_centers, block_noise_rows, n_noise, n_block)
        band_product(1, by_center, contexts, center_rows, first, last, starts, stops)
        _share_grads(ngrams, tokens, window, first, last, center_rows)
        # A context beyond this block's last center is also one of the next block's.
        n_complete = last if last < n_centers else last + 2 * window
        for j in range(n_done, n_complete):
            starts[j], stops[j] = max(0, j - 2 * window), min(last, j + 1)
        band_product(0, by_context, centers, context_rows, n_done, n_complete, starts, stops)
        n_done = n_complete
    return loss

"""Loss and gradients of CBOW with shared negatives, as small matrix products.

Blocks and chunks are those of skip-gram: a block of centers shares one draw of negatives, and a
chunk of blocks is the unit of parallel work.
"""

from typing import NamedTuple

import numpy as np

from ...simd.arrays import zeros
from ...simd.kernels import inlined
from ...simd.logistic import logistic
from ...simd.products import band_product, dot_tile, multiply
from ...simd.rows import copy_row, dot, prefetch_row
from ..windows.ngrams import share_grad, take_word
from ..windows.plan import BLOCK, CHUNK


class Scratch(NamedTuple):
    """Room that one worker needs to compute a chunk; nothing in it outlives the chunk.

    C is the chunk's length, b the block's, c the window, N the negatives of a block.
    """

    center_vectors: np.ndarray  # (b, D) float32
    context_vectors: np.ndarray  # (C + 2c, D)
    noise_vectors: np.ndarray  # (N, D)
    means: np.ndarray  # (C, D): of each center's contexts
    mean_grads: np.ndarray  # (C, D)
    scores: np.ndarray  # (N, b)
    own_scores: np.ndarray  # (2, b): of means and their centers; the second row is −∞
    factors: np.ndarray  # (2, b): minus 1, and K / N, for each center that has a context
    by_center: np.ndarray  # (C, C + 2c): what each place of the span is of a center's mean
    by_context: np.ndarray  # (C + 2c, C): the same, transposed
    starts: np.ndarray  # (C + 2c,) int64: where each row of a banded matrix starts …
    stops: np.ndarray  # (C + 2c,) int64: … and one past its end
    pair_weights: np.ndarray  # (2c + 1,): constant; what contexts weigh
    reach_weights: np.ndarray  # (c + 1,): constant; what so many nearest contexts weigh together

    @classmethod
    def allocate(cls, n_dims: int, window: int, n_shared: int, dynamic: bool) -> "Scratch":
        """Make room for vectors of ``n_dims`` numbers and ``n_shared`` negatives a block.

        With a ``dynamic`` window, a context at distance d weighs (c + 1 − d) / c in the mean;
        otherwise all weigh 1.
        """
        distances = np.arange(1, window + 1)
        weights = (window + 1 - distances) / window if dynamic else np.ones(window)
        span = CHUNK + 2 * window
        band = zeros(CHUNK * (2 * window + 1))
        # Entry (i, j) stands at 2c i + j, as in skip-gram: row i holds j = i … i + 2c.
        steps = (2 * window * band.itemsize, band.itemsize)
        by_center = np.lib.stride_tricks.as_strided(band, (CHUNK, span), steps)
        return cls(
            center_vectors=zeros(BLOCK, n_dims),
            context_vectors=zeros(span, n_dims),
            noise_vectors=zeros(n_shared, n_dims),
            means=zeros(CHUNK, n_dims),
            mean_grads=zeros(CHUNK, n_dims),
            scores=zeros(n_shared, BLOCK),
            own_scores=zeros(2, BLOCK),
            factors=zeros(2, BLOCK),
            by_center=by_center,
            by_context=by_center.T,
            starts=np.zeros(span, np.int64),
            stops=np.zeros(span, np.int64),
            pair_weights=np.concatenate([weights[::-1], [0], weights]).astype(np.float32),
            reach_weights=np.concatenate([[0], np.cumsum(weights)]).astype(np.float32),
        )


@inlined
def _prefetch(context_param, center_param, plan, start, first, k, scratch):
    """Ask for the k-th of the rows that the next block, from ``first`` on, will copy."""
    n_noise, n_block = scratch.scores.shape
    window = (scratch.context_vectors.shape[0] - scratch.means.shape[0]) // 2
    block, i = (start + first) // n_block, start + first + k
    if k < n_block and i + 2 * window < plan.tokens.size:
        prefetch_row(center_param, plan.tokens[i + window])
        prefetch_row(context_param, plan.tokens[i + 2 * window])
    if k < n_noise and block < plan.negatives.shape[0]:
        prefetch_row(center_param, plan.negatives[block, k])


@inlined
def _take_means(plan, start, first, last, scratch):
    """Put the weighted means of the contexts of a block's centers in place, 0 where there is none.

    The band holds what each context is of the mean: its weight by the sum of all.
    """
    by_center, means, reach = scratch.by_center, scratch.means, scratch.reach_weights
    weights, starts, stops = scratch.pair_weights, scratch.starts, scratch.stops
    window = (scratch.context_vectors.shape[0] - means.shape[0]) // 2
    n_left, n_right = plan.n_left[start:], plan.n_right[start:]
    for i in range(first, last):
        n_both = n_left[i] + n_right[i]
        inverse = np.float32(0)
        if n_both > 0:
            inverse = np.float32(1) / (reach[n_left[i]] + reach[n_right[i]])
        starts[i], stops[i] = i + window - n_left[i], i + window + n_right[i] + 1
        for j in range(i, i + 2 * window + 1):
            is_in_reach = starts[i] <= j < stops[i]
            by_center[i, j] = inverse * weights[j - i] if is_in_reach else np.float32(0)
    band_product(0, by_center, scratch.context_vectors, means, first, last, starts, stops)
    means[last : first + scratch.scores.shape[1]] = np.float32(0)


@inlined
def _score_block(plan, start, first, last, weight, scratch):
    """Put the derivatives by a block's scores in place; return the sum of their losses."""
    scores, own_scores, factors = scratch.scores, scratch.own_scores, scratch.factors
    n_left, n_right = plan.n_left[start:], plan.n_right[start:]
    factors[:] = np.float32(0)
    own_scores[:] = -np.float32(np.inf)
    for i in range(first, last):
        if n_left[i] + n_right[i] > 0:
            factors[0, i - first], factors[1, i - first] = -np.float32(1), weight
            own_scores[0, i - first] = -dot(scratch.means, i, scratch.center_vectors, i - first)
    loss = logistic(scores, factors[1])
    return loss - logistic(own_scores, factors[0])


@inlined
def _own_gradients(first, last, scratch, center_rows):
    """Add to the gradients of means what their centers give, and store those of the centers."""
    own, means, mean_grads = scratch.own_scores, scratch.means, scratch.mean_grads
    for i in range(first, last):
        slope = own[0, i - first]
        center = scratch.center_vectors[i - first]
        mean, mean_grad, center_grad = means[i], mean_grads[i], center_rows[i]
        for d in range(mean.size):
            mean_grad[d] += slope * center[d]
            center_grad[d] = slope * mean[d]


@inlined
def _share_grads(ngrams, tokens, first, last, context_rows):
    """Make the gradients of contexts those of the rows that they are composed of."""
    for j in range(first, last):
        share_grad(ngrams, tokens[j], context_rows, j)


@inlined
def chunk_gradients(params, ngrams, plan, chunk, weight, scratch, context_grads, center_grads):
    """Compute the loss and the gradients of one chunk of a batch.

    For center i with vector v, whose contexts u_j weigh w_j, and the N negatives v_n that its
    block shares,

        h = Σ_j w_j u_j / Σ_j w_j
        loss = −log σ(h·v) + (K / N) Σ_n −log σ(−h·v_n)

    which expects K negatives for each center. The derivative by a context is w_j / Σ w_j of that by
    h: word2vec.c and gensim leave the factor out.

    With a dynamic window, word2vec takes the mean over a reach drawn from 1 … c; here a context
    weighs as often as it would be within it.

    With n-grams, u_j is the mean of the word's own row and those of its n-grams; the derivative by
    each of these rows is that by u_j, divided by their number.

    Parameters
    ----------
    params : tuple of ndarray of shape (rows, D), float32
        The matrices of contexts, centers and n-grams, D a multiple of 16. Read only.
    ngrams : () or (Ngrams,)
    plan : BatchPlan
    chunk : int
        Which chunk of the plan to do.
    weight : float32
        K / N.
    scratch : Scratch
        Overwritten.
    context_grads : ndarray of shape (places, D), float32
        The rows of this chunk's span are written: each is the gradient of all rows that a context
        is made of.
    center_grads : ndarray of shape (places, D), float32
        Row i receives the gradient of the batch's center i; rows from ``plan.noise_place`` on,
        those of the negatives.

    Returns
    -------
    float
        Sum of the losses of the chunk's centers, in float64.

    References
    ----------
    Mikolov et al. (2013), "Efficient estimation of word representations in vector space", section
    3.1; İrsoy, Benton & Stratos (2021), "Corrected CBOW performs as well as skip-gram": the factor.
    """
    context_param, center_param = params[0], params[1]
    contexts, noise, scores = scratch.context_vectors, scratch.noise_vectors, scratch.scores
    means, mean_grads = scratch.means, scratch.mean_grads
    starts, stops = scratch.starts, scratch.stops
    n_chunk, n_span = means.shape[0], contexts.shape[0]
    window = (n_span - n_chunk) // 2
    n_noise, n_block = scores.shape
    start = chunk * n_chunk
    n_centers = min(n_chunk, plan.n_centers[0] - start)
    tokens, negatives = plan.tokens[start:], plan.negatives[start // n_block :]
    center_rows = center_grads[start : start + n_chunk]
    context_rows = context_grads[chunk * n_span : (chunk + 1) * n_span]
    noise_rows = center_grads[plan.noise_place[0] + start // n_block * n_noise :]
    scores_transposed = scores.T
    n_copied = n_done = 0
    loss = 0.0

    for first in range(0, n_centers, n_block):
        block = first // n_block
        last = min(first + n_block, n_centers)
        for j in range(n_copied, last + 2 * window):
            take_word(params, ngrams, tokens[j], contexts, j)
        n_copied = last + 2 * window
        for i in range(first, last):
            copy_row(center_param, tokens[i + window], scratch.center_vectors, i - first)
        for k in range(n_noise):
            copy_row(center_param, negatives[block, k], noise, k)
        _take_means(plan, start, first, last, scratch)
        block_means = means[first : first + n_block]
        for k in range(0, n_noise, 4):
            for i in range(0, n_block, 4):
                n_tiles = k // 4 * (n_block // 4) + i // 4
                _prefetch(
                    context_param, center_param, plan, start, first + n_block, n_tiles, scratch
                )
                dot_tile(noise, block_means, scores, k, i)
        loss += _score_block(plan, start, first, last, weight, scratch)

        multiply(scores_transposed, noise, mean_grads[first:], n_block, n_noise)
        multiply(scores, block_means, noise_rows[block * n_noise :], n_noise, n_block)
        _own_gradients(first, last, scratch, center_rows)
        # A context beyond this block's last center is also one of the next block's.
        n_complete = last if last < n_centers else last + 2 * window
        for j in range(n_done, n_complete):
            starts[j], stops[j] = max(0, j - 2 * window), min(last, j + 1)
        band_product(
            0, scratch.by_context, mean_grads, context_rows, n_done, n_complete, starts, stops
        )
        _share_grads(ngrams, tokens, n_done, n_complete, context_rows)
        n_done = n_complete
    return loss

"""Loss and gradients of skip-gram with shared negatives, as small matrix products.

A *block* of centers shares one draw of negatives. A *chunk* of blocks is the unit of parallel
work: it reads the parameters, writes gradients to places that the plan gave it, and touches
nothing else, so chunks may run in any order on any thread and give the same bytes.
"""

from typing import NamedTuple

import numpy as np

from .kernels import kernel
from .lanes import LANES, dot, dot_tile, multiply_tile, prefetch_row, row_sum, zeros
from .plan import BLOCK, CHUNK

AHEAD = 8
"""How many rows before its use a row is asked for."""


class Scratch(NamedTuple):
    """Room that one worker needs to compute a chunk; nothing in it outlives the chunk.

    C is the chunk's length, b the block's, c the window, N the negatives of a block.
    """

    center_vectors: np.ndarray  # (C, D) float32
    context_vectors: np.ndarray  # (C + 2c, D)
    noise_vectors: np.ndarray  # (N, D)
    scores: np.ndarray  # (b, N)
    losses: np.ndarray  # (b, N)
    band: np.ndarray  # (1, C (2c + 1)): storage of the banded matrix that follows
    band_losses: np.ndarray  # (1, C (2c + 1))
    by_center: np.ndarray  # (C, C + 2c): entry (i, j) is center i against span place j
    by_context: np.ndarray  # (C + 2c, C): the same, transposed

    @classmethod
    def allocate(cls, n_dims: int, window: int, n_shared: int) -> "Scratch":
        """Make room for vectors of ``n_dims`` numbers and ``n_shared`` negatives a block."""

        span = CHUNK + 2 * window
        band = zeros(1, CHUNK * (2 * window + 1))
        # Entry (i, j) stands at 2c i + j of the storage, so row i holds j = i … i + 2c. Outside
        # the band the places belong to other entries and are never read.
        steps = (2 * window * band.itemsize, band.itemsize)
        by_center = np.lib.stride_tricks.as_strided(band[0], (CHUNK, span), steps)
        return cls(
            center_vectors=zeros(CHUNK, n_dims),
            context_vectors=zeros(span, n_dims),
            noise_vectors=zeros(n_shared, n_dims),
            scores=zeros(BLOCK, n_shared),
            losses=zeros(BLOCK, n_shared),
            band=band,
            band_losses=zeros(*band.shape),
            by_center=by_center,
            by_context=by_center.T,
        )


@kernel
def logistic(scores, losses):
    """Replace each score s by σ(s) and put log(1 + exp(s)) into ``losses``.

    With a = |s| and e = exp(−a) in (0, 1]: σ(a) = 1 / (1 + e) and log(1 + exp(a)) = a + log(1 + e).
    exp is a power of two times a polynomial; log(1 + e) = 2 atanh(e / (2 + e)) as a series. Both
    are right to about 2e-7. A score of −∞ gives exactly 0 and 0.
    """
    one, two = np.float32(1), np.float32(2)
    for i in range(scores.size):
        score = scores[i]
        size = abs(score)
        # In this order max turns NaN into −126, which fits an integer; the loss still tells.
        power = max(np.float32(-126), size * np.float32(-1.4426950408889634))
        whole = np.rint(power)
        part = power - whole
        exp = np.float32(1.5403530393381608e-4)
        exp = exp * part + np.float32(1.3333558146428443e-3)
        exp = exp * part + np.float32(9.618129107628477e-3)
        exp = exp * part + np.float32(5.550410866482158e-2)
        exp = exp * part + np.float32(2.4022650695910072e-1)
        exp = exp * part + np.float32(6.931471805599453e-1)
        exp = exp * part + one
        exponent = (np.int32(whole) + np.int32(127)) << np.int32(23)
        exp = exp * np.int32(exponent).view(np.float32)
        exp = exp if size < np.float32(87) else np.float32(0)
        inverse = one / (one + exp)
        scores[i] = inverse if score >= np.float32(0) else exp * inverse
        ratio = exp / (two + exp)
        square = ratio * ratio
        log = np.float32(1 / 15)
        log = log * square + np.float32(1 / 13)
        log = log * square + np.float32(1 / 11)
        log = log * square + np.float32(1 / 9)
        log = log * square + np.float32(1 / 7)
        log = log * square + np.float32(1 / 5)
        log = log * square + np.float32(1 / 3)
        log = log * square + one
        losses[i] = two * ratio * log + max(score, np.float32(0))


@kernel
def _multiply(a, b, c, n_rows, n):
    """C[:n_rows] = A[:n_rows, :n] · B[:n], n_rows a multiple of the tile's height."""
    for row in range(0, n_rows, 8):
        column = 0
        while column + 3 * LANES <= c.shape[1]:
            multiply_tile(8, 3, 0, a, b, c, row, column, 0, n)
            column += 3 * LANES
        if column + 2 * LANES == c.shape[1]:
            multiply_tile(8, 2, 0, a, b, c, row, column, 0, n)
        elif column < c.shape[1]:
            multiply_tile(8, 1, 0, a, b, c, row, column, 0, n)


@kernel
def _add_row_product(a, b, c, row, first, last):
    """C[row] += Σ_k A[row, k] · B[k] over k = first … last − 1."""
    column = 0
    while column + 8 * LANES <= c.shape[1]:
        multiply_tile(1, 8, 1, a, b, c, row, column, first, last)
        column += 8 * LANES
    n_vectors = (c.shape[1] - column) // LANES
    if n_vectors == 7:
        multiply_tile(1, 7, 1, a, b, c, row, column, first, last)
        return
    if n_vectors >= 4:
        multiply_tile(1, 4, 1, a, b, c, row, column, first, last)
        column += 4 * LANES
        n_vectors -= 4
    if n_vectors == 3:
        multiply_tile(1, 3, 1, a, b, c, row, column, first, last)
    elif n_vectors == 2:
        multiply_tile(1, 2, 1, a, b, c, row, column, first, last)
    elif n_vectors == 1:
        multiply_tile(1, 1, 1, a, b, c, row, column, first, last)


@kernel
def chunk_gradients(
    center_param, context_param, plan, chunk, weight, scratch, center_grads, context_grads
):
    """Compute the loss and the gradients of one chunk of a batch.

    For center i with vector v, its contexts u_j in reach, p of them, and the N negatives u_n that
    its block shares,

        loss = Σ_j −log σ(v·u_j) + (p K / N) Σ_n −log σ(−v·u_n)

    which expects K negatives for each of the p pairs. The derivatives by the scores are
    σ(v·u_j) − 1 and (p K / N) σ(v·u_n).

    Parameters
    ----------
    center_param, context_param : ndarray of shape (V, D), float32
        The two matrices, D a multiple of 16. Read only.
    plan : BatchPlan
    chunk : int
        Which chunk of the plan to do.
    weight : float32
        K / N.
    scratch : Scratch
        Overwritten.
    center_grads : ndarray of shape (places, D), float32
        Row i receives the gradient of the batch's center i.
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
    centers, contexts = scratch.center_vectors, scratch.context_vectors
    noise = scratch.noise_vectors
    scores, losses = scratch.scores, scratch.losses
    band, by_center = scratch.band, scratch.by_center
    n_chunk = centers.shape[0]
    n_span = contexts.shape[0]
    window = (n_span - n_chunk) // 2
    n_block, n_noise = scores.shape
    start = chunk * n_chunk
    n_centers = min(n_chunk, plan.n_centers[0] - start)
    loss = 0.0

    for i in range(n_chunk):
        ahead = start + i + window + AHEAD
        if ahead < plan.tokens.size:
            prefetch_row(center_param, plan.tokens[ahead])
            prefetch_row(context_param, plan.tokens[ahead])
        vector = centers[i]
        if i < n_centers and plan.n_left[start + i] + plan.n_right[start + i] > 0:
            source = center_param[plan.tokens[start + i + window]]
            for d in range(vector.shape[0]):
                vector[d] = source[d]
        else:
            vector[:] = np.float32(0)
    for j in range(n_centers + 2 * window):
        vector, source = contexts[j], context_param[plan.tokens[start + j]]
        for d in range(vector.shape[0]):
            vector[d] = source[d]

    # The band holds −v·u, and −∞ (no loss, no gradient) where a center's reach has ended.
    band[0, :] = -np.float32(np.inf)
    for i in range(n_centers):
        place = i + window
        for j in range(place - plan.n_left[start + i], place + plan.n_right[start + i] + 1):
            if j != place:
                by_center[i, j] = -dot(centers, i, contexts, j)
    logistic(band[0], scratch.band_losses[0])
    loss += row_sum(scratch.band_losses, 0)
    for k in range(band.shape[1]):
        band[0, k] = -band[0, k]

    for first in range(0, n_centers, n_block):
        block = (start + first) // n_block
        for k in range(n_noise):
            ahead = block * n_noise + k + AHEAD
            if ahead < plan.negatives.size:
                prefetch_row(context_param, plan.negatives[ahead // n_noise, ahead % n_noise])
            vector, source = noise[k], context_param[plan.negatives[block, k]]
            for d in range(vector.shape[0]):
                vector[d] = source[d]
        rows = centers[first : first + n_block]
        for i in range(0, n_block, 4):
            for k in range(0, n_noise, 4):
                dot_tile(rows, noise, scores, i, k)
        logistic(scores.reshape(scores.size), losses.reshape(losses.size))
        for i in range(n_block):
            n_pairs = 0
            if first + i < n_centers:
                n_pairs = plan.n_left[start + first + i] + plan.n_right[start + first + i]
            factor = weight * np.float32(n_pairs)
            loss += float(factor) * row_sum(losses, i)
            row = scores[i]
            for k in range(row.shape[0]):
                row[k] *= factor
        rows = center_grads[start + first : start + first + n_block]
        _multiply(scores, noise, rows, n_block, n_noise)
        rows = context_grads[plan.noise_place[0] + block * n_noise :]
        _multiply(scores.T, centers[first : first + n_block], rows, n_noise, n_block)

    rows = center_grads[start : start + n_chunk]
    for i in range(n_centers):
        place = i + window
        first, last = place - plan.n_left[start + i], place + plan.n_right[start + i] + 1
        _add_row_product(by_center, contexts, rows, i, first, last)
    rows = context_grads[chunk * n_span : (chunk + 1) * n_span]
    rows[:] = np.float32(0)
    for j in range(n_centers + 2 * window):
        first, last = max(0, j - 2 * window), min(n_centers, j + 1)
        _add_row_product(scratch.by_context, centers, rows, j, first, last)
    return loss

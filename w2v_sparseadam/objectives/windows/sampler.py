"""The distributions that a plan draws from: which tokens stay, and which words are negatives."""

from typing import NamedTuple

import numpy as np

from ...simd.kernels import inlined


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


@inlined
def draw_negative(sampler, k, bits):
    """Draw from the k-th stratum: the word whose share of the line holds the point drawn."""
    point = np.int64((np.uint64(k) << np.uint64(40)) | (bits >> np.uint64(24)))
    word = np.int64(sampler.guide[point >> sampler.step_bits])
    while sampler.ends[word] <= point:
        word += 1
    return word

"""A text drawn at random, for benchmarks without a corpus."""

import numpy as np

from ..errors import W2VError, check_range
from ..system.memory import lacks_memory
from ..text.vocabulary import LINE_END

_LINE_TOKENS = 20
_TOPICS = 10
_MOST_DRAWN_TOKENS = 20_000_000
_DRAWING_BYTES = 40  # for each word, of a text while it is drawn


def draw_text(n_words: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a text drawn by Zipf's law, and its counts.

    Word r, counted from 1, comes with probability log(1 + 1/r) / log(V + 1). So that there is
    something to learn, each line of 20 tokens keeps to one of ten topics: to the words whose ids
    leave the same remainder. In further lines each word comes once more, so that none is missing.

    Parameters
    ----------
    n_words : int
        V, 1 or more.
    seed : int
        Start of the draws, 0 or more.

    Returns
    -------
    word_ids : ndarray of shape (positions,), int32
        As in :attr:`~w2v_sparseadam.text.corpus.Corpus.word_ids`: 100 tokens for each word, but not
        above 20 million, and the further lines. Read-only.
    counts : ndarray of shape (V,), int64
        Occurrences of each word, each above 0.
    """
    check_range("n_words", n_words, 1, 2**31 - 1)
    lacking = lacks_memory(_DRAWING_BYTES * n_words)
    if lacking:
        raise W2VError(f"a text of {n_words:,} words: {lacking}; draw fewer")
    rng = np.random.default_rng(seed)
    n_lines = max(1, min(100 * n_words, _MOST_DRAWN_TOKENS) // _LINE_TOKENS)
    # The whole part of (V + 1)ᵘ, u uniform in [0, 1), is r with that probability.
    drawn = ((n_words + 1) ** rng.random((n_lines, _LINE_TOKENS))).astype(np.int64) - 1
    topics = rng.integers(0, _TOPICS, (n_lines, 1))
    drawn = np.minimum(drawn - drawn % _TOPICS + topics, n_words - 1)
    once = np.resize(rng.permutation(n_words), (-(-n_words // _LINE_TOKENS), _LINE_TOKENS))
    tokens = np.concatenate([drawn, once])
    lines = np.full((len(tokens), _LINE_TOKENS + 1), LINE_END, np.int32)
    lines[:, :-1] = tokens
    word_ids = lines.reshape(-1)
    word_ids.flags.writeable = False
    return word_ids, np.bincount(tokens.reshape(-1), minlength=n_words)

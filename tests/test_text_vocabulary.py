"""Which words are kept, and in what order."""

import numpy as np
import pytest

from w2v_sparseadam.text.vocabulary import select_words

WORDS = ["pear", "Zoo", "apple", "once", "é", "fig"]
COUNTS = np.array([3, 3, 7, 1, 3, 2], np.int64)


@pytest.mark.parametrize(
    ("min_count", "max_vocab", "words"),
    [
        (1, None, ["apple", "Zoo", "pear", "é", "fig", "once"]),
        (3, None, ["apple", "Zoo", "pear", "é"]),
        (1, 2, ["apple", "Zoo"]),
        (3, 100, ["apple", "Zoo", "pear", "é"]),
        (8, None, []),
    ],
)
def test_order_is_by_count_then_code_points(min_count, max_vocab, words):
    vocabulary, word_ids = select_words(WORDS, COUNTS, min_count=min_count, max_vocab=max_vocab)
    assert vocabulary.words == words
    assert len(vocabulary) == len(words)
    assert vocabulary.counts.tolist() == [int(COUNTS[WORDS.index(word)]) for word in words]
    assert vocabulary.counts.dtype == np.int64
    assert not vocabulary.counts.flags.writeable
    assert word_ids.dtype == np.int32
    expected = [words.index(word) if word in words else -1 for word in WORDS]
    assert word_ids.tolist() == expected

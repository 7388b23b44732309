"""Which words are kept, and in what order."""

import numpy as np
import pytest

from w2v_sparseadam.text.vocabulary import coverage, save_vocabulary, select_words

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
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_order_is_by_count_then_code_points(min_count, max_vocab, words, threads):
    vocabulary, word_ids = select_words(
        WORDS, COUNTS, min_count=min_count, max_vocab=max_vocab, threads=threads
    )
    assert vocabulary.words == words
    assert len(vocabulary) == len(words)
    assert vocabulary.counts.tolist() == [int(COUNTS[WORDS.index(word)]) for word in words]
    assert vocabulary.counts.dtype == np.int64
    assert not vocabulary.counts.flags.writeable
    assert word_ids.dtype == np.int32
    expected = [words.index(word) if word in words else -1 for word in WORDS]
    assert word_ids.tolist() == expected


def test_coverage():
    """Of 19 tokens, the one that occurs once goes first, then the two of fig."""
    assert coverage(COUNTS, [1, 2, 3, 7, 8]) == [
        (1, 6, 19, 1),
        (2, 5, 18, 18 / 19),
        (3, 4, 16, 16 / 19),
        (7, 1, 7, 7 / 19),
        (8, 0, 0, 0),
    ]


def test_a_vocabulary_is_saved_as_word2vec_does(tmp_path):
    vocabulary, _ = select_words(WORDS, COUNTS, min_count=3, max_vocab=None)
    save_vocabulary(vocabulary, tmp_path / "v.txt")
    assert (tmp_path / "v.txt").read_bytes() == "apple 7\nZoo 3\npear 3\né 3\n".encode()

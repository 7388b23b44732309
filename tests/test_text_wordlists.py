"""Digits, stop-words and a vocabulary from outside."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.filters import WordFilter
from w2v_sparseadam.text.settings import TextConfig


def read(directory, text, **settings):
    path = directory / "text.txt"
    path.write_text(text, encoding="utf-8")
    return read_corpus([path], TextConfig(**{"min_count": 1, **settings}))


def counts_of(corpus):
    return dict(zip(corpus.vocabulary.words, corpus.vocabulary.counts.tolist(), strict=True))


def n_dropped(report):
    return report.n_numbers, report.n_stopwords, report.n_outside_vocab


@pytest.mark.parametrize(
    ("digits", "counts"),
    [
        ("keep", {"1984": 1, "2001": 1, "3.14": 1, "mp3": 1, "mp4": 1, "50%": 1, "٣": 1, "½": 1}),
        ("zero", {"0000": 2, "0.00": 1, "mp0": 2, "00%": 1, "0": 1, "½": 1}),
        ("drop", {"mp3": 1, "mp4": 1, "½": 1}),
    ],
)
def test_digits(tmp_path, digits, counts):
    text = "1984 2001 3.14 mp3 mp4 50% ٣ ½"
    with read(tmp_path, text, tokenizer="whitespace", digits=digits) as corpus:
        assert counts_of(corpus) == counts
        assert corpus.report.n_tokens == 8
        assert corpus.report.n_distinct_words == 8
        assert n_dropped(corpus.report) == (5 if digits == "drop" else 0, 0, 0)


def test_words_that_digits_make_equal_are_counted_together(tmp_path):
    with read(tmp_path, "in 1984 and 2001", digits="zero", min_count=2) as corpus:
        assert counts_of(corpus) == {"0000": 2}
        assert corpus.word_ids.tolist() == [0, 0, -1]
        assert corpus.report.n_below_min_count == 2


def test_stopwords(tmp_path):
    words = tmp_path / "stop.txt"
    words.write_bytes("\ufeffThe\r\n\r\nDON’T 17\nno-one\nnever\n".encode())
    text = "The cat don't sit; the no one sat"
    with read(tmp_path, text, stopwords=words) as corpus:
        assert counts_of(corpus) == {"cat": 1, "no": 1, "one": 1, "sat": 1, "sit": 1}
        assert n_dropped(corpus.report) == (0, 3, 0)
        assert corpus.report.n_unseen_stopwords == 2  # no-one, which is two words, and never


def test_a_given_vocabulary(tmp_path):
    words = tmp_path / "vocab.txt"
    words.write_text("</s> 0\nmat 9\nCat\t7\nsat\nzyx\n")
    text = "The cat sat on the mat. A cat is a cat."
    with read(tmp_path, text, vocab=words, min_count=1) as corpus:
        assert counts_of(corpus) == {"cat": 3, "mat": 1, "sat": 1}
        assert n_dropped(corpus.report) == (0, 0, 6)
        assert corpus.report.n_unseen_vocab == 2
        assert corpus.report.unseen_vocab_words == ("s", "zyx")
    with read(tmp_path, text, vocab=words, min_count=2) as corpus:
        assert counts_of(corpus) == {"cat": 3}
        assert corpus.report.n_below_min_count == 2
        assert corpus.report.n_unseen_vocab == 2
    with read(tmp_path, text, vocab=words, max_vocab=1) as corpus:
        assert corpus.report.n_beyond_max_vocab == 2


def test_the_causes_come_in_their_order(tmp_path):
    settings = {"digits": "drop", "stopwords": ["7", "a"], "vocab": ["7", "a", "b", "c", "d"]}
    text = "7 7 a a b b b c c c d e"
    with read(tmp_path, text, **settings, min_count=2, max_vocab=1) as corpus:
        report = corpus.report
    assert n_dropped(report) == (2, 2, 1)
    assert (report.n_below_min_count, report.n_beyond_max_vocab) == (1, 3)
    assert (report.n_kept_tokens, report.n_tokens) == (3, 12)
    assert (report.n_unseen_stopwords, report.n_unseen_vocab) == (0, 0)


def test_lists_may_be_collections(tmp_path):
    with read(tmp_path, "a b c", stopwords={"A"}, vocab=("a", "b", "B")) as corpus:
        assert counts_of(corpus) == {"b": 1}
        assert n_dropped(corpus.report) == (0, 1, 1)
        assert corpus.report.n_unseen_vocab == 0


@pytest.mark.parametrize(
    ("settings", "listed", "kept"),
    [
        ({"tokenizer": "whitespace"}, "The", {"The": 1}),
        ({"tokenizer": "whitespace", "lowercase": True}, "The", {"the": 2}),
        ({"tokenizer": "whitespace", "normalize": "nfc"}, "cafe\u0301", {"caf\u00e9": 1}),
        ({"tokenizer": "whitespace", "digits": "zero"}, "mp3", {"mp0": 1}),
        ({"tokenizer": "word"}, "(mp4)", {"mp4": 1}),
        ({"tokenizer": "char"}, "t", {"t": 1}),
        ({"tokenizer": lambda text: (part for part in [text, ""])}, "the", {"the": 1}),
        ({"tokenizer": lambda text: [text + " x"]}, "the", {"the_x": 1}),
    ],
)
def test_words_of_lists_go_through_the_steps_of_the_text(tmp_path, settings, listed, kept):
    with read(tmp_path, "The the caf\u00e9 mp4", vocab=[listed], **settings) as corpus:
        assert counts_of(corpus) == kept


def test_a_word_that_the_tokenizer_splits_stays_as_it_is(tmp_path):
    """Alone, a segmenter may split what it finds whole in a line; phrases come later still."""
    tokenizer = lambda text: ["ab"] if text == "abc" else list(text)  # noqa: E731
    with read(tmp_path, "abc", tokenizer=tokenizer, vocab=["ab"]) as corpus:
        assert counts_of(corpus) == {"ab": 1}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"a\nnew york\n",
            "{path}, line 2: expected a word, or a word and its count, found 'new york'",
        ),
        (b"a 1 2\n", "{path}, line 1: expected a word, or a word and its count, found 'a 1 2'"),
        (b"a -1\n", "{path}, line 1: expected a word, or a word and its count, found 'a -1'"),
        (
            b"caf\xe9\n",
            "{path}, line 1: not UTF-8 (byte 0xe9); convert the file (iconv -f latin1 -t utf-8)",
        ),
        (None, "{path}: cannot be read: No such file or directory"),
    ],
)
@pytest.mark.parametrize("option", ["stopwords", "vocab"])
def test_faults_of_a_list(tmp_path, option, content, message):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TextError) as caught:
        WordFilter(TextConfig(**{option: path}))
    assert str(caught.value) == message.format(path=path)


def test_an_empty_vocabulary(tmp_path):
    path = tmp_path / "words.txt"
    path.write_text("\n")
    for vocab, name in ((path, path), ([], "[]")):
        with pytest.raises(TextError) as caught:
            WordFilter(TextConfig(vocab=vocab))
        assert str(caught.value) == f"{name}: has no words; vocab needs at least one"


def test_an_empty_list_of_stopwords_drops_nothing(tmp_path):
    (tmp_path / "stop.txt").write_text("")
    with read(tmp_path, "a b", stopwords=tmp_path / "stop.txt") as corpus:
        assert n_dropped(corpus.report) == (0, 0, 0)


def test_a_list_is_read_before_the_text(tmp_path):
    text = tmp_path / "text.txt"
    text.write_bytes(b"\xff")
    with pytest.raises(TextError, match="No such file"):
        read_corpus([text], TextConfig(vocab=tmp_path / "missing.txt"))


@pytest.mark.parametrize(
    ("settings", "causes"),
    [
        ({"stopwords": ["a", "b"]}, "3 by stopwords"),
        (
            {"digits": "drop", "vocab": ["c"]},
            "1 by digits=drop, 2 by vocab",
        ),
    ],
)
def test_no_word_is_left(tmp_path, settings, causes):
    text = "a b 1" if "digits" in settings else "a b b"
    with pytest.raises(TextError) as caught:
        read(tmp_path, text, **settings)
    assert (
        str(caught.value) == f"{tmp_path / 'text.txt'}: no word is left; tokens dropped: {causes}"
    )


words = st.sampled_from(["a", "b", "the", "7", "71", "b2b", "b3b", "x.1", "½"]) | st.text(
    st.characters(codec="utf-8"), min_size=1, max_size=3
).filter(lambda word: word.split() == [word])
lists = st.none() | st.lists(words, max_size=4)


@given(
    st.dictionaries(words, st.integers(1, 5)),
    st.sampled_from(["keep", "zero", "drop"]),
    lists,
    lists.filter(lambda listed: listed != []),
)
def test_matches_plain_python(text, digits, stopwords, vocab):
    config = TextConfig("whitespace", digits=digits, stopwords=stopwords, vocab=vocab)
    filtered = WordFilter(config).apply(list(text), np.array([*text.values()], np.int64))

    def zeroed(word):
        return "".join("0" if char.isdecimal() and digits == "zero" else char for char in word)

    dropped, kept, kept_as = Counter(), Counter(), []
    stop = set(map(zeroed, stopwords or []))
    listed = None if vocab is None else set(map(zeroed, vocab))
    for word, n in text.items():
        word = zeroed(word)
        is_number = any(map(str.isdecimal, word)) and not any(map(str.isalpha, word))
        if digits == "drop" and is_number:
            dropped["numbers"] += n
        elif word in stop:
            dropped["stopwords"] += n
        elif listed is not None and word not in listed:
            dropped["outside"] += n
        else:
            kept[word] += n
            kept_as.append(word)
            continue
        kept_as.append(None)

    assert dict(zip(filtered.words, filtered.counts.tolist(), strict=True)) == kept
    places = [None if n < 0 else filtered.words[n] for n in filtered.numbers]
    assert places == kept_as
    assert filtered.n_numbers == dropped["numbers"]
    assert filtered.n_stopwords == dropped["stopwords"]
    assert filtered.n_outside_vocab == dropped["outside"]
    seen = set(map(zeroed, text))
    assert set(filtered.unseen_stopwords) == stop - seen
    assert set(filtered.unseen_vocab) == (listed or set()) - seen
    ids = filtered.word_ids(np.arange(len(filtered.words), dtype=np.int32)[::-1])
    assert ids.dtype == np.int32
    assert [n < 0 for n in ids] == [n < 0 for n in filtered.numbers]

"""Words counted in parts, and parts read into word ids, against the text read as a whole."""

import gzip
import json
import pickle
import random
from collections import Counter
from dataclasses import asdict, replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import begins_as_text

from w2v_sparseadam.distributed.text_settings import config_for_client, config_for_workers
from w2v_sparseadam.distributed.vocabulary import choose_vocabulary
from w2v_sparseadam.distributed.word_counts import count_words_of, merge_counts, merge_levels
from w2v_sparseadam.distributed.word_ids import KnownWords, word_ids_of
from w2v_sparseadam.distributed.word_table import WordTable
from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text import words as words_module
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.counts import ReadCounts, WordCounts
from w2v_sparseadam.text.reading.reader import check_corpus
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.text.types.scanner import Piece
from w2v_sparseadam.text.vocabulary import Vocabulary
from w2v_sparseadam.text.words import Words

NOT_ALIKE = {"n_types", "seconds"}
MANY = 10**9

SENTENCES = """\
The 3 cats don't like the 1984 novel, though the cat likes 12 of them.
Η Αθήνα είναι η πρωτεύουσα της Ελλάδας. ΑΣ ας Αθήνα.
В 1917 году в Москве и в Петрограде, и в Москве.
北京 我爱 北京 天安门 我爱
हिन्दी में हिन्दी और संस्कृत में ४२ शब्द ४३

Ĳ ﬁne ｗide É é é café cafe İstanbul istanbul \u2028 no\xa0break
a_b a.b 3.14 50% mp3 x² 😀 ❤️ http://example.org/a-long-path/index.html
the cats the cats a-word-of-more-than-16-bytes another-word-of-more-than-16-bytes
""".splitlines()


def in_three(line):
    return [line[k::3] or "" for k in range(3)]


def by_commas(text):
    return text.split(",")


def write(directory, texts, ending=".txt"):
    paths = [directory / f"{number}{ending}" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    return paths


def merged(counts, max_types=MANY, arity=2):
    """Merge in levels, as a client does, with pickles between machines."""
    for groups in merge_levels(len(counts), arity):
        counts = [merge_counts([counts[k] for k in group], max_types) for group in groups]
        counts = pickle.loads(pickle.dumps(counts))
    (whole,) = counts
    return whole


def outcome(function):
    try:
        return function()
    except TextError as error:
        return str(error)


def check_against_whole(paths, config, threads=1):
    """Each source is a part."""
    whole = outcome(lambda: read_corpus(paths, config))
    sources = check_corpus(paths, config)
    config = config_for_client(config)

    def of_parts():
        counts = [count_words_of([source], config, threads=threads) for source in sources]
        return choose_vocabulary(merged(counts), config, sources, seconds=1)

    chosen = outcome(of_parts)
    if isinstance(whole, str):
        assert chosen == whole
        return
    vocabulary, report = chosen
    assert vocabulary.words == whole.vocabulary.words
    assert vocabulary.counts.tolist() == whole.vocabulary.counts.tolist()
    assert alike(report) == alike(whole.report)
    known = KnownWords(vocabulary, config)
    ids = [word_ids_of([source], known, threads=threads) for source in sources]
    assert all(part.dtype == np.int32 for part in ids)
    assert np.concatenate(ids).tolist() == whole.word_ids.tolist()
    known = pickle.loads(pickle.dumps(known))
    again = word_ids_of(sources, known, threads=threads)
    assert again.tolist() == whole.word_ids.tolist()


def alike(report):
    return {name: value for name, value in asdict(report).items() if name not in NOT_ALIKE}


@pytest.mark.parametrize("digits", ["keep", "zero", "drop"])
@pytest.mark.parametrize(
    "tokenizer",
    [
        "word",
        "whitespace",
        "char",
        r"regex:\w+",
        f"python:{__name__}:by_commas",
        f"python-lines:{__name__}:in_three",
    ],
)
def test_parts_give_what_the_whole_gives(tmp_path, tokenizer, digits):
    lines = [f"{line}\n".encode() for line in SENTENCES]
    paths = write(tmp_path, [b"".join(lines[k : k + 2]) for k in range(0, len(lines), 2)])
    for more in (
        {"lowercase": True, "normalize": "nfkc", "min_count": 2},
        {"lowercase": False, "normalize": "none", "max_vocab": 7},
        {"stopwords": ["the", "в", "1984"], "min_count": 2},
        {"vocab": ["Cats", "The", "1984", "北京", "unseen"], "stopwords": ["the"]},
    ):
        config = TextConfig(**{"tokenizer": tokenizer, "digits": digits, "min_count": 1, **more})
        check_against_whole(paths, config)


pieces = st.one_of(
    st.sampled_from(["a", "b", "A", "É", "é", "17", "٣", "\x00", "a-b", "long" * 5, "long" * 6]),
    st.sampled_from([" ", "  ", "\n", "\n\n", "\r\n", "\t", "\x1c", "\u2028", "\xa0"]),
    st.text(max_size=5),
    st.binary(max_size=4),
).map(lambda text: text if isinstance(text, bytes) else text.encode(errors="replace"))
texts = st.lists(pieces, max_size=30).map(b"".join).filter(begins_as_text)
configs = st.builds(
    TextConfig,
    tokenizer=st.sampled_from(["word", "whitespace", by_commas]),
    lowercase=st.sampled_from([None, True, False]),
    min_count=st.integers(1, 3),
    max_vocab=st.none() | st.integers(1, 5),
    digits=st.sampled_from(["keep", "zero", "drop"]),
    errors=st.sampled_from(["replace", "ignore"]),
)


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=5), configs, st.sampled_from([1, 2]))
def test_any_bytes_in_parts_give_what_the_whole_gives(tmp_path_factory, texts, config, threads):
    check_against_whole(write(tmp_path_factory.mktemp("parts"), texts), config, threads)


def test_parts_in_other_encodings_compressed_and_of_records(tmp_path):
    lines = ["Größe und Maß", "der größe Spaß", "Maß der Größe"]
    latin = write(tmp_path, [line.encode("latin-1") for line in lines], ".latin")
    check_against_whole(latin, TextConfig(min_count=1, encoding="latin-1"))
    packed = write(tmp_path, [gzip.compress(line.encode()) for line in lines], ".gz")
    check_against_whole(packed, TextConfig(min_count=1))
    records = [json.dumps({"text": line, "n": 1}).encode() for line in lines]
    objects = write(tmp_path, records, ".jsonl")
    check_against_whole(objects, TextConfig(min_count=1, format="jsonl"))
    check_against_whole([*packed, packed[0]], TextConfig(min_count=1))  # repeated


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        (b"", {}),
        (b"a b c\n", {"min_count": 3}),
        (b"1 2\n", {"digits": "drop"}),
        (b"a b\n", {"stopwords": ["a", "b"]}),
        (b"a b\n", {"vocab": ["c"]}),
    ],
)
def test_errors_are_those_of_the_whole(tmp_path, text, settings):
    config = TextConfig(**{"min_count": 1, **settings})
    check_against_whole(write(tmp_path, [text, text]), config)


def test_a_vocabulary_that_the_settings_drop_from(tmp_path):
    """As when text is added to a run with other settings than its own."""
    (source,) = check_corpus(write(tmp_path, [b"the cat 1984\n12 unseen\nthe 7\n"]), None)
    words = ["the", "1984", "cat", "0000", "00", "never"]
    vocabulary = Vocabulary(words, np.ones(6, np.int64))
    for given_settings, expected in (
        ({}, [0, 2, 1, -1, 0, -1]),
        ({"digits": "zero"}, [0, 2, 3, -1, 4, -1, 0, -1]),
        ({"digits": "drop"}, [0, 2, -1, 0, -1]),
        ({"stopwords": ["The"]}, [2, 1, -1]),
        ({"vocab": ["the", "7"]}, [0, -1, 0, -1]),
        ({"min_count": 5, "max_vocab": 1}, [0, 2, 1, -1, 0, -1]),
    ):
        known = KnownWords(vocabulary, config_for_client(TextConfig(**given_settings)))
        assert word_ids_of([source], known).tolist() == expected


def test_parts_without_known_words_are_empty(tmp_path):
    known = KnownWords(Vocabulary(["a"], np.array([1])), config_for_client(TextConfig()))
    sources = check_corpus(write(tmp_path, [b"", b"b c\n\n", b"a b"]))
    assert [word_ids_of([source], known).tolist() for source in sources] == [[], [], [0, -1]]
    assert word_ids_of([], known).tolist() == []


def test_workers_need_no_word_lists(tmp_path):
    lists = write(tmp_path, [b"the\n", b"cat\nthe\ndog\n"], ".list")
    (source,) = check_corpus(write(tmp_path, [b"the cat sat\n"]))
    config = TextConfig(min_count=1, stopwords=lists[0], vocab=lists[1], digits="drop")
    config = config_for_client(config)
    for path in lists:
        path.unlink()
    counted = count_words_of([source], config_for_workers(config))
    assert list(counted.words) == ["the", "cat", "sat"]
    vocabulary, report = choose_vocabulary(counted, config, [source], seconds=1)
    assert vocabulary.words == ["cat"]
    assert (report.n_stopwords, report.n_outside_vocab, report.unseen_vocab_words) == (
        1,
        1,
        ("dog",),
    )
    known = pickle.loads(pickle.dumps(KnownWords(vocabulary, config)))
    assert known.config.stopwords is known.config.vocab is None
    assert word_ids_of([source], known).tolist() == [0, -1]
    assert len(pickle.dumps(known)) < 3_000  # without the table, which only this process can use


def test_settings_of_the_client(tmp_path, monkeypatch):
    phrases = TextConfig(phrases=PhraseConfig())
    (source,) = check_corpus(write(tmp_path, [b"a b\n"]))
    for refused in (lambda: config_for_client(phrases), lambda: count_words_of([source], phrases)):
        with pytest.raises(SettingError) as caught:
            refused()
        assert str(caught.value) == (
            "phrases cannot be joined on several machines; leave out phrases, or train on one "
            "machine"
        )
    with pytest.raises(TextError, match=r"0\.list: has no words"):
        config_for_client(TextConfig(vocab=write(tmp_path, [b"\n"], ".list")[0]))
    assert config_for_client(TextConfig(max_types=7)).max_types == 7
    monkeypatch.setattr("w2v_sparseadam.text.first_pass.memory_limit", lambda: 1600 * 9)
    assert config_for_client(TextConfig()).max_types == 9


def counts_of(tokens):
    """Count tokens by hand."""
    counted = Counter(tokens)
    numbers = np.array(list(counted.values()), np.int64)
    read = ReadCounts(*(len(tokens) for _ in ReadCounts.__annotations__))
    read = ReadCounts(**{**vars(read), "n_pruned_types": 0, "n_pruned": 0})
    none = np.zeros(len(counted), np.int64)
    return WordCounts(Words.of(counted), numbers, none, 0, read, text_sizes=(len(tokens),))


def as_tuple(counted):
    return (
        list(counted.words),
        counted.counts.tolist(),
        counted.missed.tolist(),
        counted.missed_by_others,
        counted.read,
        counted.text_sizes,
    )


tokens = st.lists(st.sampled_from("abcdefghijkl"), max_size=20)


@given(st.lists(tokens, min_size=1, max_size=6), st.data())
def test_merges_may_be_cut_anywhere(parts, data):
    counts = [counts_of(part) for part in parts]
    whole = merge_counts(counts, MANY)
    everything = [token for part in parts for token in part]
    assert dict(zip(whole.words, whole.counts.tolist(), strict=True)) == Counter(everything)
    assert list(whole.words) == list(dict.fromkeys(everything))
    assert whole.read.n_lines == len(everything)
    assert whole.read.n_longest_line == max(map(len, parts))
    assert whole.text_sizes == tuple(map(len, parts))
    cut = data.draw(st.integers(0, len(parts)))
    halves = [merge_counts(half, MANY) for half in (counts[:cut], counts[cut:]) if half]
    assert as_tuple(merge_counts(halves, MANY)) == as_tuple(whole)
    assert as_tuple(merged(counts, arity=3)) == as_tuple(whole)


@given(
    st.lists(tokens, min_size=1, max_size=8),
    st.integers(1, 12),
    st.integers(2, 4),
    st.integers(1, 6),
)
def test_what_was_pruned_is_bounded(parts, max_types, arity, min_count):
    true = Counter(token for part in parts for token in part)
    counted = merged([counts_of(part) for part in parts], max_types, arity)
    if len(parts) > 1:
        assert len(counted.words) <= max_types
    words = list(counted.words)
    for word, count, missed in zip(words, counted.counts, counted.missed, strict=True):
        assert count <= true[word] <= count + missed
    lost = {word: count for word, count in true.items() if word not in words}
    assert max(lost.values(), default=0) <= counted.missed_by_others
    assert counted.counts.sum() + counted.read.n_pruned == true.total()
    assert (counted.read.n_pruned > 0) == (counted.read.n_pruned_types > 0)
    config = TextConfig(min_count=min_count, max_types=max_types)
    chosen = outcome(lambda: choose_vocabulary(counted, config, check_corpus([["a"]]), seconds=1))
    if isinstance(chosen, str):
        assert ("all were forgotten" in chosen) == (not words and true.total() > 0)
        return
    vocabulary, report = chosen
    missing = [count for word, count in true.items() if word not in vocabulary.words]
    assert report.max_missed >= min_count or max(missing, default=0) < min_count
    assert report.n_tokens == true.total()


def test_pruned_by_hand():
    """Three parts and room for three words: b and c are forgotten first, later d."""
    parts = [counts_of("aaabbc"), counts_of("aad"), counts_of("bba")]
    counted = merge_counts(parts, 3)
    assert as_tuple(counted)[:4] == (["a", "b"], [6, 2], [0, 2], 2)
    assert (counted.read.n_pruned_types, counted.read.n_pruned) == (3, 4)


def test_what_was_forgotten_before_stays_a_bound():
    counted = merge_counts([replace(counts_of("aaabbbb"), missed_by_others=8)], 1)
    assert as_tuple(counted)[:4] == ([], [], [], 8)


def test_types_are_pruned_in_parts_as_in_the_whole(tmp_path):
    rng = random.Random(5)
    texts = [" ".join(f"w{rng.paretovariate(0.7):.0f}" for _ in range(2000)) for _ in range(4)]
    sources = check_corpus(write(tmp_path, [text.encode() for text in texts]))
    true = Counter(" ".join(texts).split())
    config = config_for_client(TextConfig(max_types=300, min_count=40))
    counted = merged([count_words_of([source], config) for source in sources], 300)
    vocabulary, report = choose_vocabulary(counted, config, sources, seconds=1)
    assert report.n_pruned_types > 0
    assert report.n_tokens == 8000
    frequent = {word for word, count in true.items() if count >= 40 + report.max_missed}
    assert frequent <= set(vocabulary.words)
    assert len(frequent) > 5


def test_counts_are_pickled_as_arrays(tmp_path):
    (source,) = check_corpus(write(tmp_path, [" ".join(map(str, range(10_000))).encode()]))
    counted = count_words_of([source], TextConfig())
    pickled = pickle.dumps(counted)
    assert len(pickled) < 10_000 * (5 + 3 * 8) + 2_000
    assert as_tuple(pickle.loads(pickled)) == as_tuple(counted)


def test_levels_of_merges():
    assert merge_levels(1) == []
    assert merge_levels(2) == [[range(2)]]
    assert merge_levels(9) == [[range(8), range(8, 9)], [range(2)]]
    for n_parts in range(1, 70):
        results = [[k] for k in range(n_parts)]
        for groups in merge_levels(n_parts, 4):
            results = [list(chain.from_iterable(results[k] for k in group)) for group in groups]
        assert results == [list(range(n_parts))]


words = st.text(st.sampled_from("abé北"), min_size=1, max_size=40)


@given(st.lists(st.lists(words, unique=True, max_size=12), max_size=5), st.data())
def test_a_table_of_words_is_a_dict(lists, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words_module, "_BLOCK_WORDS", 7)
        table, expected = WordTable(), {}
        table._piece = Piece(_n_types=3, _n_numbers=8)  # so that a block takes several scans
        for added in lists:
            rows = table.add(added)
            assert rows.tolist() == [expected.setdefault(w, len(expected)) for w in added]
            kept = [data.draw(st.booleans()) for _ in expected]
            table.prune(np.array(kept, bool))
            left = [word for word, stays in zip(expected, kept, strict=True) if stays]
            expected = {word: row for row, word in enumerate(left)}
            assert list(table.words()) == left
            asked = [*added, *left, "aa", "a" * 17]
            assert table.find(asked).tolist() == [expected.get(word, -1) for word in asked]
            assert len(table) == len(left)

"""From files to word ids, against ten lines of plain Python."""

import contextlib
import gzip
import itertools
import json
import os
import subprocess
import sys
import threading
import tracemalloc
from collections import Counter
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import begins_as_text

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text import first_pass
from w2v_sparseadam.text.corpus import count_words, read_corpus
from w2v_sparseadam.text.reading.reader import read_chunks
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.text.tokenizers import whitespace, word
from w2v_sparseadam.text.types import type_words
from w2v_sparseadam.text.types.scanner import LINE_MARK
from w2v_sparseadam.text.types.temporary import TypeFile
from w2v_sparseadam.text.types.type_words import TypeWords
from w2v_sparseadam.text.types.word_id_map import Block, TypedText, WordIdMap
from w2v_sparseadam.text.vocabulary import LINE_END
from w2v_sparseadam.text.words import Words

ALL_WORDS = TextConfig(min_count=1)


def reference(texts, config):
    """Words, counts and word ids, as a reader of the documentation would write them."""
    texts = [text.removeprefix(b"\xef\xbb\xbf").decode(errors=config.errors) for text in texts]
    lines = [
        [w for t in split_ascii(line) for w in config.tokenize(config.prepare(t)) if w.strip()]
        for text in texts
        for line in text.split("\n")
    ]
    counts = Counter(word for line in lines for word in line)
    words = sorted(counts, key=lambda word: (-counts[word], word))
    words = [word for word in words if counts[word] >= config.min_count][: config.max_vocab]
    ids = {word: number for number, word in enumerate(words)}
    kept = [[ids[word] for word in line if word in ids] for line in lines]
    word_ids = [word_id for line in kept if line for word_id in [*line, -1]]
    return words, [counts[word] for word in words], word_ids


def split_ascii(line):
    for space in "\t\r\v\f":
        line = line.replace(space, " ")
    return [token for token in line.split(" ") if token]


def write(directory, *texts):
    paths = [directory / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    return paths


def read(directory, *texts, **settings):
    """Read texts with every word kept, unless told otherwise."""
    return read_corpus(write(directory, *texts), TextConfig(**{"min_count": 1, **settings}))


def lines_of(corpus):
    """The kept words of each line."""
    words = [*corpus.vocabulary.words, "\n"]
    text = " ".join(words[word_id] for word_id in corpus.word_ids)
    return [line.split() for line in text.split("\n")][:-1]


def by_characters(text):
    return list(text)


pieces = st.one_of(
    st.sampled_from(
        [
            "a",
            "b",
            "c",
            "A",
            "É",
            "é",
            "the",
            "don't",
            "’",
            "-",
            "_",
            "北京",
            "हि",
            "😀",
            "❤️",
            "İ",
            "ΑΣ",
            "\x00",
            "\ufeff",
        ]
    ),
    st.sampled_from([" ", "  ", "\n", "\n\n", "\r\n", "\t", "\v", "\f", "\x1c", "\u2028", "\xa0"]),
    st.text(max_size=5),
).map(lambda text: text.encode(errors="replace"))
bad_pieces = st.one_of(pieces, st.binary(max_size=4))
configs = st.builds(
    TextConfig,
    tokenizer=st.sampled_from(["word", "whitespace", by_characters]),
    lowercase=st.sampled_from([None, True, False]),
    min_count=st.integers(1, 3),
    max_vocab=st.none() | st.integers(1, 5),
)


def files_of(pieces):
    text = st.lists(pieces, max_size=30).map(b"".join).filter(begins_as_text)
    return st.lists(text, min_size=1, max_size=3)


def check_against_reference(directory, texts, config, piece_bytes, threads=1):
    words, counts, word_ids = reference(texts, config)
    paths = write(directory, *texts)
    if not words:
        with pytest.raises(TextError, match=r"no words in|no word occurs"):
            read_corpus(paths, config, threads=threads, _piece_bytes=piece_bytes)
        return
    with read_corpus(paths, config, threads=threads, _piece_bytes=piece_bytes) as corpus:
        assert corpus.vocabulary.words == words
        assert corpus.vocabulary.counts.tolist() == counts
        assert corpus.word_ids.tolist() == word_ids
        report = corpus.report
    vocabulary, same_report = count_words(paths, config, threads=threads, _piece_bytes=piece_bytes)
    assert vocabulary.words == words
    assert vocabulary.counts.tolist() == counts
    assert replace(same_report, seconds=report.seconds) == report
    assert report.n_bytes == sum(map(len, texts))
    assert report.n_words == len(words)
    assert report.n_kept_tokens == sum(counts)
    assert report.n_tokens == sum(reference(texts, TextConfig(**{**vars(config), **KEEP_ALL}))[1])
    assert report.n_tokens == (
        report.n_kept_tokens + report.n_below_min_count + report.n_beyond_max_vocab
    )


KEEP_ALL = {"min_count": 1, "max_vocab": None}


@settings(deadline=None)
@given(files_of(pieces), configs, st.integers(3, 64), st.sampled_from([1, 2, 3, 7]))
def test_matches_plain_python(tmp_path_factory, texts, config, piece_bytes, threads):
    directory = tmp_path_factory.mktemp("corpus")
    check_against_reference(directory, texts, config, piece_bytes, threads)


@settings(deadline=None)
@given(
    files_of(bad_pieces),
    configs,
    st.integers(3, 64),
    st.sampled_from([1, 2, 3, 7]),
    st.sampled_from(["replace", "ignore"]),
)
def test_matches_plain_python_on_any_bytes(
    tmp_path_factory, texts, config, piece_bytes, threads, errors
):
    config = TextConfig(**{**vars(config), "errors": errors})
    directory = tmp_path_factory.mktemp("corpus")
    check_against_reference(directory, texts, config, piece_bytes, threads)


@settings(deadline=None)
@given(files_of(bad_pieces), st.integers(3, 64), st.sampled_from([1, 2]))
def test_the_first_bad_byte_is_named(tmp_path_factory, texts, piece_bytes, threads):
    paths = write(tmp_path_factory.mktemp("corpus"), *texts)
    expected = None
    for path, text in zip(paths, texts, strict=True):
        try:
            text.decode()
        except UnicodeDecodeError as error:
            line = text.count(b"\n", 0, error.start) + 1
            expected = f"{path}, line {line}, byte offset {error.start}: not UTF-8"
            break
    message = ""
    try:
        read_corpus(paths, ALL_WORDS, threads=threads, _piece_bytes=piece_bytes).close()
    except TextError as error:
        message = str(error)
    if expected is None:
        assert "not UTF-8" not in message
    else:
        assert message.startswith(expected)


def test_by_hand(tmp_path):
    """Of the 3, a 2, cat 2, mat 1, mice 1 the last two are dropped, and the last line is empty."""
    text = b"The cat, the mat.\n\nA cat? A the!\nmice\n"
    with read(tmp_path, text, min_count=2) as corpus:
        assert corpus.vocabulary.words == ["the", "a", "cat"]
        assert corpus.vocabulary.counts.tolist() == [3, 2, 2]
        assert corpus.word_ids.tolist() == [0, 2, 0, -1, 1, 2, 1, 0, -1]
        assert LINE_END == -1
        report = asdict(corpus.report)
        assert report.pop("seconds") > 0
        assert {name: value for name, value in report.items() if value} == {
            "n_sources": 1,
            "n_bytes": 38,
            "n_text_bytes": 38,
            "n_lines": 4,
            "n_longest_line": 4,
            "n_types": 8,
            "n_tokens": 9,
            "n_distinct_words": 5,
            "n_words": 3,
            "n_kept_tokens": 7,
            "n_below_min_count": 2,
        }


def test_word_ids_are_read_only_int32(tmp_path):
    corpus = read(tmp_path, b"a b a\n")
    assert corpus.word_ids.dtype == np.int32
    assert corpus.word_ids.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        corpus.word_ids[0] = 1
    view = corpus.word_ids
    corpus.close()
    corpus.close()
    assert view.tolist() == [0, 1, 0, -1]
    with pytest.raises(TextError) as caught:
        _ = corpus.word_ids
    assert str(caught.value) == "this corpus is closed; call read_corpus again"


@pytest.mark.parametrize(
    ("text", "tokenizer", "lines"),
    [
        (b"a b\r\nc\r\n", "whitespace", [["a", "b"], ["c"]]),
        (b"a\rb\rc", "whitespace", [["a", "b", "c"]]),
        (b"\xef\xbb\xbfa b", "whitespace", [["a", "b"]]),
        (b"a\0b \0", "whitespace", [["a\0b", "\0"]]),
        (b"a\0b \0", "word", [["a", "b"]]),
        (b"a\n\n \n\nb\n", "whitespace", [["a"], ["b"]]),
        (b"a b", "whitespace", [["a", "b"]]),
        ("Straße ΟΔΟΣ İ".encode(), "word", [["straße", "οδος", "i\u0307"]]),
        ("Straße, ΟΔΟΣ".encode(), "whitespace", [["Straße,", "ΟΔΟΣ"]]),
        ("so 😀 ❤️ 我爱北京，".encode(), "word", [["so", "我爱北京"]]),
        ("so 😀 ❤️".encode(), "whitespace", [["so", "😀", "❤️"]]),
    ],
)
def test_documented_outcomes(tmp_path, text, tokenizer, lines):
    with read(tmp_path, text, tokenizer=tokenizer) as corpus:
        assert lines_of(corpus) == lines


@pytest.mark.parametrize(
    ("tokenizer", "lowercase", "words"),
    [
        ("word", None, ["be"]),
        ("word", True, ["be"]),
        ("word", False, ["Be", "be"]),
        ("whitespace", None, ["Be", "be"]),
        ("whitespace", False, ["Be", "be"]),
        ("whitespace", True, ["be"]),
        (whitespace, None, ["Be", "be"]),
        (word, None, ["Be", "be"]),
        (word, True, ["be"]),
    ],
)
def test_lowercase(tmp_path, tokenizer, lowercase, words):
    with read(tmp_path, b"Be be", tokenizer=tokenizer, lowercase=lowercase) as corpus:
        assert corpus.vocabulary.words == words


def test_the_end_of_a_file_ends_a_line_and_empty_files_add_nothing(tmp_path):
    texts = [b"", b"a", b"", b"b\n", b"\n", b"a b", b"\xef\xbb\xbf"]
    with read(tmp_path, *texts) as corpus:
        assert lines_of(corpus) == [["a"], ["b"], ["a", "b"]]
        assert corpus.report.n_lines == 4
        assert corpus.report.n_bytes == 10


def test_a_path_may_be_a_string_and_may_come_twice(tmp_path):
    (path,) = write(tmp_path, b"a b")
    with read_corpus([str(path), path], ALL_WORDS) as corpus:
        assert lines_of(corpus) == [["a", "b"], ["a", "b"]]


def test_any_source_gives_the_same_corpus(tmp_path):
    """Plain or packed, as files, as a folder, by a pattern, in another encoding, in records."""
    lines = ["the cät sat", "on the mat", "the end"]
    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    for name, text in (("a.txt", lines[0]), ("b.gz", lines[1]), ("sub/c", lines[2])):
        packed = gzip.compress(text.encode()) if name == "b.gz" else text.encode()
        (folder / name).write_bytes(packed)
    wide, records = write(
        tmp_path,
        "\n".join(lines).encode("utf-16"),
        "\n".join(json.dumps({"body": line}) for line in lines).encode(),
    )
    for paths, n_sources, options in (
        ([folder], 3, {}),
        ([folder / "*"], 3, {}),
        ([folder / "a.txt", folder / "b.gz", folder / "sub/*"], 3, {}),
        ([wide], 1, {"encoding": "utf-16"}),
        ([records], 1, {"format": "jsonl", "field": "body"}),
    ):
        with read_corpus(paths, TextConfig(min_count=1, **options)) as corpus:
            assert lines_of(corpus) == [line.split() for line in lines]
            assert corpus.vocabulary.words == ["the", "cät", "end", "mat", "on", "sat"]
            assert corpus.report.n_text_bytes == 32
            assert corpus.report.n_sources == n_sources


def test_sources_are_reported(tmp_path):
    plain, packed = write(tmp_path, b"a b", gzip.compress(b"a b c d\n" * 100))
    with read_corpus([plain, packed, plain], ALL_WORDS) as corpus:
        report = corpus.report
    assert report.n_bytes == 3 + packed.stat().st_size + 3
    assert report.n_text_bytes == 4 + 800 + 4
    assert report.n_sources == 3
    assert report.repeated_sources == (str(plain),)


def test_bad_bytes_of_another_encoding_are_reported(tmp_path):
    with read(tmp_path, b"a\x81\x8d b\n", encoding="cp1252", errors="ignore") as corpus:
        assert lines_of(corpus) == [["a", "b"]]
        assert corpus.report.n_bad_bytes == 2


def test_the_place_in_an_archive_is_that_in_its_text(tmp_path):
    (path,) = write(tmp_path, gzip.compress(b"a b\n" * 1000 + b"caf\xe9"))
    with pytest.raises(TextError) as caught:
        read_corpus([path], ALL_WORDS)
    assert str(caught.value).startswith(f"{path}, line 1001, byte offset 4003: not UTF-8")


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in the file system")
def test_a_pipe_is_read_once(tmp_path):
    """As given by the shell's <(zcat corpus.gz)."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = f"open({str(pipe)!r}, 'wb').write(b'a b ' * 10_000)"
    with (
        subprocess.Popen([sys.executable, "-c", code]),
        read_corpus([pipe], ALL_WORDS) as corpus,
    ):
        assert corpus.vocabulary.counts.tolist() == [10_000, 10_000]


@pytest.mark.parametrize("tokenizer", ["whitespace", "word"])
def test_a_long_line_and_a_long_token_are_not_cut(tmp_path, tokenizer):
    long_token = b"x" * 30_000
    text = b"a b " * 500 + long_token + b" a" + b"\n" + long_token
    (path,) = write(tmp_path, text)
    with read_corpus(
        [path], TextConfig(tokenizer=tokenizer, min_count=1), _piece_bytes=64
    ) as corpus:
        assert corpus.report.n_lines == 2
        assert corpus.vocabulary.words == ["a", "b", long_token.decode()]
        assert corpus.word_ids.tolist() == [0, 1] * 500 + [2, 0, -1, 2, -1]


@pytest.mark.slow
@pytest.mark.parametrize("space", [b"", b" "])
def test_a_line_of_100_megabytes(tmp_path, space):
    with read(tmp_path, (b"x" * 9 + space) * 10_000_000) as corpus:
        assert corpus.report.n_lines == 1
        assert len(corpus.vocabulary.words[0]) == (9 if space else 90_000_000)
        assert len(corpus.word_ids) == (10_000_001 if space else 2)


def test_a_type_may_hold_more_words_than_a_buffer():
    type_words = TypeWords(
        words=Words.of(["a", "b", "c"]),
        counts=np.array([5, 5, 5]),
        missed=np.array([0, 0, 0]),
        starts=np.array([0, 7, 7, 8]),
        numbers=np.array([0, 1, 2, 0, 1, 2, 1, 0], np.int32),
    )
    id_map = WordIdMap(type_words, np.array([1, 0, -1], np.int32))
    text = np.array([1, LINE_END, 0, LINE_END, LINE_END, 2, 0, 1, LINE_END], np.int32)
    types = np.array([2, 0, 1], np.int32)
    places = np.where(text == LINE_END, LINE_MARK, np.array([1, 2, 0])[text]).astype(np.uint16)
    for cuts, told in itertools.product(
        itertools.combinations(range(1, 9), 2),
        ((text, LINE_END, None), (places, LINE_MARK, types)),
    ):
        typed = [TypedText(part, *told[1:]) for part in np.split(told[0], cuts)]
        blocks = [id_map.relabel(Block(_n_word_ids=2).load(part)) for part in typed]
        parts = [ids.copy() for block in blocks for ids in id_map.finish(block)]
        assert max(map(len, parts)) <= 3
        assert np.concatenate(parts).tolist() == [1, 0, 1, 0, 0, -1, 1, 1, 0, 1, 0, 0, -1]


def zipfian(n_tokens):
    """Text of random words, a few of which are frequent and many of which occur once."""
    numbers = np.random.default_rng(7).zipf(1.3, n_tokens) % 10_000
    ends = np.where(np.arange(n_tokens) % 9 == 8, "\n", " ")
    return "".join(f"w{number}{end}" for number, end in zip(numbers, ends, strict=True)).encode()


def test_threads_and_piece_size_change_nothing(tmp_path):
    text = zipfian(3000)
    paths = write(tmp_path, text, b"", text[: len(text) // 2])
    results = set()
    for threads, piece_bytes in itertools.product((1, 2, 3, 7), (10, 100, 1 << 12, 1 << 20)):
        with read_corpus(
            paths, TextConfig(min_count=2), threads=threads, _piece_bytes=piece_bytes
        ) as corpus:
            results.add((tuple(corpus.vocabulary.words), corpus.word_ids.tobytes()))
    assert len(results) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_short_files_are_scanned_together(tmp_path, threads):
    """In one piece, after which progress is reported."""
    calls = []
    paths = write(tmp_path, *(b"a b\nc" for _ in range(100)))
    with read_corpus(
        paths, ALL_WORDS, threads=threads, on_progress=lambda *n: calls.append(n)
    ) as corpus:
        assert corpus.word_ids.tolist() == [0, 1, -1, 2, -1] * 100
        assert corpus.report.n_sources == 100
    assert calls == [(500, 500, 300)]


@pytest.mark.parametrize("threads", [1, 2])
def test_errors_of_short_files_come_in_the_order_of_the_text(tmp_path, threads):
    """The last file cannot be read, but the one before has invalid text in its second line."""
    paths = write(tmp_path, b"a\nb c\n", b"a\nb\nc", b"c\nd \xff", b"\0e\n")
    paths[3].write_bytes(gzip.compress(b"f\n" * 2_000_000)[:-9])
    with pytest.raises(TextError, match="not UTF-8") as caught:
        read_corpus(paths, ALL_WORDS, threads=threads)
    assert str(caught.value).startswith(f"{paths[2]}, line 2, byte offset 4: not UTF-8 (byte 0xff)")


def pruned_counts(paths, max_types, piece_bytes):
    """Count words, forgetting the rarest after any piece that leaves too many of them."""
    counts, n_pruned = Counter(), 0
    pieces = [b""]
    for chunk in read_chunks([str(path) for path in paths], chunk_bytes=piece_bytes):
        text = chunk.data[: chunk.n_bytes].tobytes()
        joined = len(pieces[-1]) + len(text) <= piece_bytes
        pieces[-1:] = [pieces[-1] + text] if joined else [pieces[-1], text]
    for piece in pieces:
        counts.update(piece.decode().split())
        if len(counts) > max_types:
            threshold = sorted(counts.values(), reverse=True)[max_types // 2]
            for word in [word for word in counts if counts[word] <= threshold]:
                n_pruned += counts.pop(word)
    return counts, n_pruned


@pytest.mark.parametrize("max_types", [1, 20, 200, 1000])
@pytest.mark.parametrize("piece_bytes", [100, 1000])
def test_rare_types_are_pruned_and_all_that_takes_away_is_said(tmp_path, max_types, piece_bytes):
    text = zipfian(3000)
    paths = write(tmp_path, text, text[:5000])
    everything = Counter((text + text[:5000]).decode().split())
    counts, n_pruned = pruned_counts(paths, max_types, piece_bytes)
    config = TextConfig(tokenizer="whitespace", min_count=2, max_types=max_types)
    if max(counts.values(), default=0) < 2:
        with pytest.raises(TextError, match=r"no word is left: all were forgotten|no word occurs"):
            read_corpus(paths, config, _piece_bytes=piece_bytes)
        return
    reports, ids = [], set()
    for threads in (1, 3):
        with read_corpus(paths, config, threads=threads, _piece_bytes=piece_bytes) as corpus:
            report, words = corpus.report, corpus.vocabulary.words
            assert dict(zip(words, corpus.vocabulary.counts.tolist(), strict=True)) == {
                word: count for word, count in counts.items() if count >= 2
            }
            found = Counter(corpus.word_ids.tolist())
            found.pop(LINE_END)
            assert [found[k] for k in range(len(words))] == corpus.vocabulary.counts.tolist()
            reports.append(replace(report, seconds=0))
            ids.add(corpus.word_ids.tobytes())
    assert len(ids) == 1
    assert reports[0] == reports[1]
    assert report.n_pruned == n_pruned
    assert (report.n_pruned_types > 0) == (n_pruned > 0)
    assert report.n_tokens == sum(everything.values())
    assert report.n_tokens == report.n_kept_tokens + report.n_below_min_count + report.n_pruned
    missed = max(count for word, count in everything.items() if word not in words)
    assert missed <= report.max_missed if n_pruned else report.max_missed == 0


@settings(deadline=None)
@given(
    files_of(bad_pieces),
    st.sampled_from(["word", "whitespace", by_characters]),
    st.integers(1, 9),
    st.integers(3, 64),
)
def test_no_frequent_word_is_lost_unsaid(
    tmp_path_factory, texts, tokenizer, max_types, piece_bytes
):
    config = TextConfig(tokenizer=tokenizer, min_count=1, max_types=max_types, errors="replace")
    words, counts, word_ids = reference(texts, config)
    paths = write(tmp_path_factory.mktemp("corpus"), *texts)
    try:
        corpus = read_corpus(paths, config, _piece_bytes=piece_bytes)
    except TextError:  # all pruned, or none there
        return
    report, kept = corpus.report, corpus.vocabulary
    assert report.n_tokens == sum(counts) == report.n_kept_tokens + report.n_pruned
    everything = dict(zip(words, counts, strict=True))
    assert all(n <= everything[word] for word, n in zip(kept.words, kept.counts, strict=True))
    missed = max((n for word, n in everything.items() if word not in kept.words), default=0)
    assert missed <= report.max_missed
    if report.n_pruned_types == 0:
        assert corpus.word_ids.tolist() == word_ids


def in_three(line):
    """Words of three characters: what a tokenizer of lines may do."""
    return ["".join(line.split())[k : k + 3] for k in range(0, len(line), 3)]


@pytest.mark.parametrize("max_types", [40, None])
@pytest.mark.parametrize("tokenizer", ["word", f"python-lines:{__name__}:in_three"])
@pytest.mark.parametrize("phrases", [None, PhraseConfig(2, threshold=2.0, min_count=2)])
def test_every_token_is_accounted_for(tmp_path, max_types, tokenizer, phrases):
    """Whatever is pruned, joined, filtered, rare or beyond the vocabulary; and by any threads."""
    text = zipfian(3000).replace(b"w7", b"7") + "\u3000 \u00e9 e\u0301 7 8\n".encode()
    config = TextConfig(
        tokenizer,
        normalize="nfkc",
        digits="drop",
        stopwords=["w1", "w2"],
        min_count=2,
        max_vocab=30,
        max_types=max_types,
        phrases=phrases,
    )
    results = []
    for threads in (1, 3):
        with read_corpus(write(tmp_path, text), config, threads=threads, _piece_bytes=500) as read:
            results.append((replace(read.report, seconds=0), read.word_ids.tobytes(), read.phrases))
            report, vocabulary = read.report, read.vocabulary
            found = np.bincount(read.word_ids[read.word_ids >= 0])
            assert found.tolist() == vocabulary.counts.tolist()
            n_left = report.n_kept_tokens + report.n_below_min_count + report.n_beyond_max_vocab
            assert read.distinct_counts.sum() == n_left
    assert results[0] == results[1]
    assert (report.n_pruned > 0) == (report.n_pruned_types > 0) == (max_types is not None)
    assert (report.n_joined_tokens > 0) == (report.n_phrases > 0) == (phrases is not None)
    assert report.n_tokens == n_left + report.n_joined_tokens + report.n_numbers + (
        report.n_stopwords + report.n_outside_vocab + report.n_pruned
    )
    if phrases is None:
        counted, same_report = count_words(write(tmp_path, text), config, _piece_bytes=500)
        assert counted.words == vocabulary.words
        assert replace(same_report, seconds=0) == results[0][0]


def test_counting_words_joins_no_phrases(tmp_path):
    with pytest.raises(SettingError) as caught:
        count_words(write(tmp_path, b"a b"), TextConfig(phrases=PhraseConfig()))
    assert str(caught.value) == ("count_words cannot join phrases; call read_corpus")


def test_pruning_is_bounded_below_min_count(tmp_path):
    """The 5 rarest types go once, each with 1 token: no word of 2 or more can be missing."""
    text = b"a a a b b b c c c d d d\ne f g h i\n" + b"a b c d e\n" * 2
    config = TextConfig(min_count=3, max_types=8)
    with read_corpus(write(tmp_path, text), config, _piece_bytes=34) as corpus:
        assert corpus.vocabulary.words == ["a", "b", "c", "d"]
        assert corpus.vocabulary.counts.tolist() == [5, 5, 5, 5]
        report = corpus.report
        assert (report.n_tokens, report.n_below_min_count, report.n_pruned) == (27, 2, 5)
        assert (report.n_pruned_types, report.n_types) == (5, 10)
        assert report.max_missed == 3  # e, 2 times counted and once forgotten


def test_bad_bytes_of_pruned_types_count(tmp_path):
    text = b"a a a b b b \xff \xfe\xfe c\n a b \xff\n"
    config = TextConfig("whitespace", min_count=1, max_types=4, errors="replace")
    with read_corpus(write(tmp_path, text), config, _piece_bytes=24) as corpus:
        assert corpus.vocabulary.words == ["a", "b", "\ufffd"]
        assert (corpus.report.n_bad_bytes, corpus.report.n_pruned) == (4, 3)


def test_a_text_of_which_all_is_forgotten(tmp_path):
    with pytest.raises(TextError) as caught:
        read_corpus(write(tmp_path, b"a b\n"), TextConfig(min_count=1, max_types=1))
    assert str(caught.value).startswith(f"{tmp_path}/0.txt: no word is left: all were forgotten")
    assert str(caught.value).endswith("; raise max_types")


def test_the_default_number_of_types_fits_the_memory(monkeypatch, tmp_path):
    limit = 1 << 28
    monkeypatch.setattr(first_pass, "memory_limit", lambda: limit)
    assert 100_000 < first_pass.default_max_types() < limit / 1000


def test_a_failure_comes_where_it_is_in_the_text(tmp_path):
    """However far ahead a thread has read: the bad byte is before the file that goes missing."""
    paths = write(tmp_path, b"a b\n" * 100 + b"\xff\n", b"c\n")

    def tokenizer(text):
        if text == "b":
            paths[1].unlink()
        return [text]

    config = TextConfig(tokenizer=tokenizer)
    for piece_bytes in (20, 300):
        paths[1].write_bytes(b"c\n")
        with pytest.raises(TextError, match="line 101, byte offset 400: not UTF-8"):
            read_corpus(paths, config, threads=3, _piece_bytes=piece_bytes)
    paths[0].write_bytes(b"a b\n" * 100)
    paths[1].write_bytes(b"c\n")
    with pytest.raises(TextError, match=r"1\.txt: cannot be read: No such file"):
        read_corpus(paths, config, _piece_bytes=20)


@pytest.mark.parametrize("threads", [0, 1.5, None])
def test_threads_are_checked(tmp_path, threads):
    with pytest.raises(SettingError) as caught:
        read_corpus(write(tmp_path, b"a"), ALL_WORDS, threads=threads)
    assert str(caught.value) == f"threads must be a whole number, 1 or more, got {threads!r}"


@pytest.mark.parametrize("threads", [1, 2])
def test_the_tokenizer_and_the_callback_run_on_the_callers_thread(tmp_path, threads):
    seen = set()

    def tokenizer(text):
        seen.add(threading.current_thread())
        return [text]

    read_corpus(
        write(tmp_path, zipfian(300)),
        TextConfig(tokenizer=tokenizer, min_count=1),
        threads=threads,
        on_progress=lambda *_: seen.add(threading.current_thread()),
        _piece_bytes=100,
    ).close()
    assert seen == {threading.main_thread()}


def test_progress_ends_with_all_bytes_read(tmp_path):
    calls = []
    paths = write(tmp_path, b"a b c\n" * 100, b"d")
    read_corpus(paths, ALL_WORDS, on_progress=lambda *call: calls.append(call), _piece_bytes=60)
    assert [total for _, total, _ in calls] == [601] * len(calls)
    assert calls == sorted(calls)
    assert calls[0][0] < 100
    assert calls[-1] == (601, 601, 301)
    assert len(calls) > 10


@pytest.mark.skipif(sys.platform == "win32", reason="open files keep their names on Windows")
def test_temporary_files_never_have_a_name(tmp_path):
    """So that not even a killed process leaves one behind."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    (path,) = write(tmp_path, b"a b\n" * 100)
    seen = []
    with read_corpus(
        [path],
        ALL_WORDS,
        directory=directory,
        on_progress=lambda *_: seen.append(os.listdir(directory)),
    ) as corpus:
        assert seen == [[]]
        assert os.listdir(directory) == []
        assert len(corpus.word_ids) == 300


def test_a_missing_temporary_directory(tmp_path):
    with pytest.raises(TextError) as caught:
        read_corpus(write(tmp_path, b"a"), ALL_WORDS, directory=tmp_path / "gone")
    assert str(caught.value) == (
        f"{tmp_path}/gone: cannot hold temporary files: No such file or directory; "
        "set TMPDIR to a directory that can"
    )


@contextlib.contextmanager
def files_limited_to(n_bytes):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_full_disk_in_the_first_pass(tmp_path):
    """All of the text is read when the second 4,000 tokens do not fit in 10,000 bytes."""
    path, full = write(tmp_path, b"a b\n", b"a " * 8000)
    read_corpus([path], ALL_WORDS).close()  # so that Numba has nothing left to write
    with files_limited_to(10_000), pytest.raises(TextError) as caught:
        read_corpus([full], ALL_WORDS, directory=tmp_path, _piece_bytes=8000)
    assert str(caught.value) == (
        f"{tmp_path}: cannot hold the temporary word ids: File too large; they need about "
        "48,072 bytes; set TMPDIR to a directory with room"
    )


def test_a_full_disk_in_the_second_pass(tmp_path):
    """2,000 types make 20,000 words."""
    path, full = write(tmp_path, b"a b\n", b"abcdefghij " * 2000)
    config = TextConfig(tokenizer=by_characters, min_count=1)
    read_corpus([path], config).close()
    with files_limited_to(10_000), pytest.raises(TextError) as caught:
        read_corpus([full], config, directory=tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}: cannot hold the temporary word ids: File too large; they need about "
        "84,018 bytes; set TMPDIR to a directory with room"
    )


def test_a_full_disk_for_the_rows_of_pruned_types(tmp_path):
    with TypeFile(tmp_path) as file, files_limited_to(10_000):
        assert file.beside(1000).tolist() == [0] * 1000
        with pytest.raises(TextError) as caught:
            file.beside(10_000)
    assert str(caught.value) == (
        f"{tmp_path}: cannot hold the temporary word ids: File too large; they need about "
        "40,000 bytes; set TMPDIR to a directory with room"
    )


def test_memory_does_not_grow_with_the_text(tmp_path, monkeypatch):
    line = b"antidisestablishmentarianism electroencephalographically\n"
    small, large = write(tmp_path, line * 300, line * 20_300)

    def peak(path):
        tracemalloc.start()
        try:
            read_corpus([path], ALL_WORDS, _piece_bytes=1 << 10).close()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(small)
    assert peak(large) - peak(small) < 150_000  # 1,140,000 more bytes of text, 240,000 of word ids


def split_commas(text):
    return text.split(",")


def split_spaced(text):
    return text.replace(",", " \u3000\n").split("x")


def test_empty_words_of_a_tokenizer_are_dropped_and_counted(tmp_path):
    with read(tmp_path, b"a,,b a,,b c, d\n,\n", tokenizer=split_commas) as corpus:
        assert lines_of(corpus) == [["a", "b", "a", "b", "c", "d"]]
        assert corpus.report.n_tokens == 6
        assert corpus.report.n_empty_words == 5
        assert corpus.report.n_distinct_words == 4


def test_white_space_in_words_of_a_tokenizer_is_rewritten_and_counted(tmp_path):
    """Words that become equal are one word."""
    text = "a,bxc a,bxc a_\u3000_b d".encode()
    with read(tmp_path, text, tokenizer=split_spaced) as corpus:
        assert corpus.vocabulary.words == ["a_\u3000_b", "c", "d"]
        assert corpus.vocabulary.counts.tolist() == [3, 2, 1]
        assert corpus.word_ids.tolist() == [0, 1, 0, 1, 0, 2, -1]
        assert corpus.report.n_rewritten_words == 2


def test_surrogates_in_words_of_a_tokenizer_are_rewritten(tmp_path):
    with read(tmp_path, b"a b", tokenizer=lambda text: [text + "\udc80"]) as corpus:
        assert corpus.vocabulary.words == ["a_", "b_"]
        assert corpus.report.n_rewritten_words == 2


def test_the_tokenizer_runs_once_for_each_type(tmp_path):
    seen = []

    def tokenizer(text):
        seen.append(text)
        return [text]

    read(tmp_path, "a b a\na é".encode(), b"b", tokenizer=tokenizer).close()
    assert seen == ["a", "b", "é"]


def test_an_error_of_the_tokenizer(tmp_path):
    def broken(text):
        raise ValueError("no model")

    with pytest.raises(TextError) as caught:
        read(tmp_path, b"a b", tokenizer=broken)
    assert str(caught.value) == "tokenizer broken failed on 'a': ValueError: no model"


def test_bad_bytes(tmp_path):
    text = b"ok\r\ncaf\xe9 \xff\xfe\n" + b"caf\xe9 \xe2\x82"
    (path,) = write(tmp_path, text)
    with pytest.raises(TextError) as caught:
        read_corpus([path], ALL_WORDS)
    assert str(caught.value) == (
        f"{path}, line 2, byte offset 7: not UTF-8 (byte 0xe9); pass another encoding, or "
        "errors=replace or ignore"
    )
    with read(tmp_path, text, errors="replace", tokenizer="whitespace") as corpus:
        assert lines_of(corpus) == [["ok"], ["caf\ufffd", "\ufffd\ufffd"], ["caf\ufffd", "\ufffd"]]
        assert corpus.report.n_bad_bytes == 6
    with read(tmp_path, text, errors="ignore", tokenizer="whitespace") as corpus:
        assert lines_of(corpus) == [["ok"], ["caf"], ["caf"]]
        assert corpus.report.n_bad_bytes == 6


def test_a_bad_byte_after_a_mark_in_the_second_file(tmp_path):
    paths = write(tmp_path, b"a b", b"\xef\xbb\xbfa\nb \x80c")
    with pytest.raises(TextError, match="not UTF-8") as caught:
        read_corpus(paths, ALL_WORDS)
    assert str(caught.value).startswith(f"{paths[1]}, line 2, byte offset 7: not UTF-8 (byte 0x80)")


@pytest.mark.parametrize(
    ("texts", "min_count", "message"),
    [
        ([b"the a the"], 5, "the commonest, 'the', occurs 2 times"),
        ([b"b a"], 2, "the commonest, 'a', occurs once"),
    ],
)
def test_no_frequent_word(tmp_path, texts, min_count, message):
    with pytest.raises(TextError) as caught:
        read(tmp_path, *texts, min_count=min_count)
    assert str(caught.value) == (
        f"{tmp_path}/0.txt: no word occurs {min_count} times or more ({message}); lower min_count"
    )


@pytest.mark.parametrize("text", [b"", b"\n \n", b"\xef\xbb\xbf", "😀 …".encode()])
def test_no_words(tmp_path, text):
    with pytest.raises(TextError) as caught:
        read(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/0.txt: no words in it"
    with pytest.raises(TextError) as caught:
        read(tmp_path, text, text, b"")
    assert str(caught.value) == f"{tmp_path}/0.txt and 2 more: no words in them"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"min_count": 0},
            "min_count is 0, but must be a whole number from 1 to 1,000,000,000,000",
        ),
        (
            {"min_count": 1.5},
            "min_count is 1.5, but must be a whole number from 1 to 1,000,000,000,000",
        ),
        (
            {"max_vocab": 0},
            "max_vocab is 0, but must be a whole number from 1 to 1,000,000,000,000",
        ),
        (
            {"normalize": "nfd"},
            "normalize is 'nfd', but must be one of 'nfc', 'nfkc', 'none'",
        ),
        ({"digits": "no"}, "digits is 'no', but must be one of 'keep', 'zero', 'drop'"),
        (
            {"stopwords": ["a", 1]},
            "stopwords must be a path, a collection of str or None, got ['a', 1]",
        ),
        ({"vocab": 7}, "vocab must be a path, a collection of str or None, got 7"),
        ({"errors": "warn"}, "errors is 'warn', but must be one of 'strict', 'replace', 'ignore'"),
        (
            {"tokenizer": "words"},
            "tokenizer must be 'word', 'whitespace', 'char', 'regex:PATTERN', "
            "'python:MODULE:FUNCTION', 'python-lines:MODULE:FUNCTION' or a callable, got 'words'",
        ),
        ({"lowercase": "yes"}, "lowercase is 'yes', but must be one of True, False"),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(SettingError) as caught:
        TextConfig(**settings)
    assert str(caught.value) == message


def test_many_types_are_tokenized_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(type_words, "_BLOCK_TYPES", 3)
    check_against_reference(tmp_path, [b"a B b c\nd a\xc3\xa9 b f", b"g f E"], ALL_WORDS, 1 << 10)
    paths = write(tmp_path, b"a b c d\ne caf\xe9")
    with pytest.raises(TextError) as caught:
        read_corpus(paths, ALL_WORDS)
    assert str(caught.value).startswith(f"{paths[0]}, line 2, byte offset 13: not UTF-8")

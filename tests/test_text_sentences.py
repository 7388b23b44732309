"""A corpus of Python objects gives what the same text in a file gives, and nothing is split."""

import gzip
import io
import os
import re
import threading
from itertools import chain, count, islice, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam import resume, train
from w2v_sparseadam.errors import SettingError, TextError, W2VError
from w2v_sparseadam.text.corpus import count_words, read_corpus
from w2v_sparseadam.text.reading import sentences
from w2v_sparseadam.text.reading.corpus_like import paths_or_sentences
from w2v_sparseadam.text.reading.reader import check_corpus
from w2v_sparseadam.text.reading.sentences import SentenceFile, Sentences
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.dry_run import forecast
from w2v_sparseadam.training.keywords import settings_from

ALL = TextConfig(min_count=1)
TEXTS = ["The cat sat.", "", "the dog's cat", "a\tThe"]
WORDS = [text.split() for text in TEXTS]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("".join(f"{text}\n" for text in TEXTS))
    return tmp_path


def words_of(corpus, config=ALL, **options):
    """Return the sentences of a corpus, as read."""
    with read_corpus(corpus, config, **options) as read:
        words, ids = read.vocabulary.words, read.word_ids.tolist()
    lines = [[]]
    for word_id in ids:
        lines.append([]) if word_id < 0 else lines[-1].append(words[word_id])
    assert lines.pop() == []
    return lines


@pytest.mark.parametrize(
    "make",
    [
        lambda: TEXTS,
        lambda: tuple(TEXTS),
        lambda: iter(TEXTS),
        lambda: (text for text in TEXTS),
        lambda: [f"{text}\n" for text in TEXTS],
        lambda: np.array(TEXTS),
        lambda: open("text.txt", encoding="utf-8"),  # noqa: SIM115
        lambda: open("text.txt", "rb"),  # noqa: SIM115
        lambda: io.StringIO("\n".join(TEXTS)),
        lambda: io.BytesIO(gzip.compress("\n".join(TEXTS).encode())),
        lambda: Path(".").glob("*.txt"),
        lambda: [Path("text.txt")],
        lambda: "text.txt",
        lambda: "t*.txt",
    ],
)
def test_strings_are_read_like_lines_of_a_file(make):
    for read in (words_of, lambda corpus: count_words(corpus, ALL)[0].words):
        corpus = make()
        assert read(corpus) == read(["text.txt"])
        if isinstance(corpus, io.IOBase):
            assert not corpus.closed
            corpus.close()


@pytest.mark.parametrize(
    "make",
    [
        lambda: WORDS,
        lambda: [tuple(words) for words in WORDS],
        lambda: (words for words in WORDS),
        lambda: [np.array(words, object) for words in WORDS],
    ],
)
def test_words_are_kept_as_they_are(make):
    assert words_of(make()) == [words for words in WORDS if words]


def test_an_open_file_is_read_from_where_it_stands():
    with open("text.txt", "rb") as file:
        file.readline()
        assert words_of(file) == [["the", "dog's", "cat"], ["a", "the"]]
    with open("text.txt", encoding="utf-8") as file:
        file.readline()
        assert words_of(file) == [["the", "dog's", "cat"], ["a", "the"]]


class Table:
    """As of pandas, Polars, Arrow and Hugging Face datasets."""

    columns = ("text",)

    def __iter__(self):
        return iter(self.columns)


def test_columns_of_pandas():
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    expected = words_of(TEXTS)
    assert (
        words_of(pandas.Series(TEXTS)) == words_of(pandas.Series(TEXTS, dtype=object)) == expected
    )
    assert words_of(pandas.Series(WORDS)) == words_of(WORDS)
    with pytest.raises(TypeError, match=r"^corpus\[1\] is nan \(float\), but must be a str like"):
        words_of(pandas.Series(["a", None]))
    with pytest.raises(TypeError, match=r"such as a column: table\['text'\], got DataFrame$"):
        words_of(pandas.DataFrame({"text": TEXTS}))


def test_columns_of_polars():
    polars = pytest.importorskip("polars", reason="Polars is not installed")
    assert words_of(polars.Series(TEXTS * 999)) == words_of(TEXTS * 999)
    assert words_of(polars.Series(WORDS)) == words_of(WORDS)
    with pytest.raises(TypeError, match=r"such as a column: table\['text'\], got DataFrame$"):
        words_of(polars.DataFrame({"text": TEXTS}))


def test_columns_of_arrow():
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    assert words_of(pyarrow.array(TEXTS * 999)) == words_of(TEXTS * 999)
    assert words_of(pyarrow.chunked_array([TEXTS, TEXTS])) == words_of(TEXTS * 2)
    assert words_of(pyarrow.array(WORDS)) == words_of(WORDS)
    with pytest.raises(TypeError, match=r"^corpus\[1\] is None, but must be a str like"):
        words_of(pyarrow.array(["a", None]))
    with pytest.raises(TypeError, match=r"such as a column: table\['text'\], got Table$"):
        words_of(pyarrow.table({"text": TEXTS}))


def test_columns_of_hugging_face_datasets():
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    table = datasets.Dataset.from_dict({"text": TEXTS, "words": WORDS})
    assert words_of(table["text"]) == words_of(TEXTS)
    assert words_of(table["words"]) == words_of(WORDS)
    with pytest.raises(TypeError, match=r"such as a column: table\['text'\], got Dataset$"):
        words_of(table)


any_word = st.text(min_size=1).filter(
    lambda word: not re.search("[ \t\n\v\f\r\ud800-\udfff]", word)
)


@given(st.lists(st.lists(any_word), min_size=1), st.integers(1, 64), st.integers(1, 3))
def test_any_words_are_kept_exactly(corpus, block_bytes, threads):
    if not any(corpus):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sentences, "_BLOCK_BYTES", block_bytes)
        patch.setattr(sentences, "_FIRST_BATCH", 1)
        found = words_of(iter(corpus), threads=threads, _piece_bytes=block_bytes)
    assert found == [words for words in corpus if words]


@given(st.lists(st.lists(st.text("ab \n\t\x01\xa0", max_size=3), min_size=1), min_size=1))
def test_no_word_is_split_or_lost(corpus):
    bad = any(not word or re.search("[ \t\n]", word) for words in corpus for word in words)
    if bad:
        with pytest.raises(TextError, match=r"^corpus\[\d+\]\[\d+\] is "):
            words_of(corpus)
    else:
        assert words_of(corpus) == corpus


def test_settings_apply_to_words():
    given = [["The", "ﬁne", "cat", "in", "1984"], ["¨"]]
    assert words_of(given, TextConfig(min_count=1, lowercase=True)) == [
        ["the", "ﬁne", "cat", "in", "1984"],
        ["¨"],
    ]
    assert words_of(given, TextConfig(min_count=1, normalize="nfkc", digits="zero")) == [
        ["The", "fine", "cat", "in", "0000"],
        ["_\u0308"],  # NFKC makes a space, which separates words in files of vectors
    ]
    stopwords = TextConfig(min_count=1, stopwords=["The", "New York", "in"], max_token_bytes=3)
    assert words_of([["The", "long", "cat", "In", "in"]], stopwords) == [["cat", "In"]]
    new_york = TextConfig(min_count=1, vocab=["New\xa0York"])
    assert words_of([["New\xa0York", "New", "York"]], new_york) == [["New\xa0York"]]


def test_lines_of_words_and_text_for_a_tokenizer_of_lines():
    assert words_of(["Ab c"], TextConfig("char", min_count=1)) == [["A", "b", "c"]]
    with pytest.raises(SettingError) as caught:
        words_of([["Ab"]], TextConfig("char", min_count=1))
    assert str(caught.value) == (
        "tokenizer 'char' does not apply to lists of words; pass sentences as str, or no tokenizer"
    )
    with pytest.raises(SettingError, match="format 'csv' is one of files, not of sentences"):
        words_of(["a b"], TextConfig(format="csv"))


EXPECTED = (
    "corpus must be a path, a list of paths, or sentences: an iterable of str or of lists of str"
)
OF_KIND = "but must be a str or a list of str; leave it out or convert it"


@pytest.mark.parametrize(
    ("corpus", "error", "message"),
    [
        (5, TypeError, f"{EXPECTED}, got 5"),
        (None, TypeError, f"{EXPECTED}, got None"),
        (b"a b", TypeError, f"{EXPECTED}, got bytes"),
        ({"a b"}, TypeError, f"{EXPECTED}, in an order, got set"),
        ({"a": "b"}, TypeError, f"{EXPECTED}, such as a column: table['text'], got dict"),
        (Table(), TypeError, f"{EXPECTED}, such as a column: table['text'], got Table"),
        ([], SettingError, "no corpus paths given; pass at least one"),
        (iter([]), SettingError, "corpus has no sentences, got an empty list_iterator"),
        ([None], TypeError, f"corpus[0] is None, {OF_KIND}"),
        ([5], TypeError, f"corpus[0] is 5 (int), {OF_KIND}"),
        ([b"a b"], TypeError, f"corpus[0] is b'a b' (bytes), {OF_KIND}"),
        ([{"text": "a"}], TypeError, f"corpus[0] is {{'text': 'a'}} (dict), {OF_KIND}"),
        (
            chain(repeat("a b", 40), [["c"]]),
            TypeError,
            "corpus[40] is ['c'] (list), but must be a str like those before it; leave it out or "
            "convert it",
        ),
        (
            chain(repeat(["a"], 40), ["b c"]),
            TypeError,
            "corpus[40] is 'b c' (str), but must be a list of words like those before it; leave it "
            "out or convert it",
        ),
        ([["a"], ["b", 5]], TypeError, "corpus[1][1] is 5 (int), but each word must be a str"),
        ([["a"], [None]], TypeError, "corpus[1][0] is None, but each word must be a str"),
        ([[["a"]]], TypeError, "corpus[0][0] is ['a'] (list), but each word must be a str"),
        ([["a"], ["b", ""]], TextError, "corpus[1][1] is empty; leave it out"),
        ([[""]], TextError, "corpus[0][0] is empty; leave it out"),
        (
            [[], ["", "a b"]],  # as many separators as words
            TextError,
            "corpus[1][0] is empty; leave it out",
        ),
        (
            [["New York"]],
            TextError,
            "corpus[0][0] is 'New York', a word with white space; replace it (by _, for example)",
        ),
        (
            chain(repeat(["a"], 40), [["b", "\ud800"]]),
            TextError,
            "corpus[40]: lone surrogate (\\ud800), which is not a character; pass errors=replace "
            "or ignore",
        ),
        (
            iter(["a", "\udfff"]),
            TextError,
            "corpus[1]: lone surrogate (\\udfff), which is not a character; pass errors=replace or "
            "ignore",
        ),
        (iter(["a", "b"]), None, None),
    ],
)
def test_what_is_no_sentence_is_named_with_its_place(corpus, error, message):
    if error is None:
        assert words_of(corpus) == [["a"], ["b"]]
        return
    with pytest.raises(error) as caught:
        words_of(corpus)
    assert isinstance(caught.value, W2VError)
    assert str(caught.value) == message


def test_lone_surrogates_are_replaced_or_ignored():
    given = [["a\ud800", "b"], ["\ud800", "c"]]
    replaced = TextConfig(min_count=1, errors="replace")
    assert words_of(given, replaced) == [["a\ufffd", "b"], ["\ufffd", "c"]]
    ignored = TextConfig(min_count=1, errors="ignore")
    assert words_of(given, ignored) == [["a", "b"], ["c"]]
    with read_corpus(given, ignored) as corpus:
        assert corpus.report.n_bad_bytes == 2


MISSING = "cannot be read: No such file or directory; if it is text, pass a list of sentences"


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        (
            "the quick fox",
            "'the quick fox' is not a file; if it is text, pass a list of sentences:",
        ),
        ("gone.txt", f"gone.txt: {MISSING} or of lists of words"),
        (["gone.txt"], f"gone.txt: {MISSING} or of lists of words"),
        (["text.txt", "gone.txt"], f"gone.txt: {MISSING} or of lists of words"),
        (["gone", "texts"], f"gone: {MISSING} or of lists of words"),
        ([Path("the quick fox")], "the quick fox: cannot be read: No such file or directory"),
        (["g*.txt"], "g*.txt: no file matches this pattern"),
        (
            ["text.txt", "the cat"],
            "corpus has both 'text.txt', which is a path, and 'the cat', which is none; pass",
        ),
        (
            [Path("text.txt"), "the cat"],
            "corpus has both 'text.txt', which is a path, and 'the cat', which is none; pass",
        ),
    ],
)
def test_a_file_that_is_missing_or_is_a_sentence(corpus, message):
    with pytest.raises(W2VError, match=f"^{re.escape(message)}"):
        words_of(corpus)


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ("", "corpus is an empty str, which is no path"),
        ([""], "corpus is an empty str, which is no path"),
        ("word " * 10**6, f"'{'word ' * 8}…' is not a file; if it is text, pass a list of"),
        (
            "is it?\n/ " * 10**5,
            "'is it?\\n/ is it?\\n/ is it?\\n/ is it?\\n/ is i…' is not a file;",
        ),
        ("x" * 10**6, f"{'x' * 40}…: cannot be read: File name too long; if it is text, pass"),
        ("x?" * 10**6, f"{'x?' * 20}…: cannot be read: File name too long; if it is text, pass"),
        (["x" * 10**6], f"{'x' * 40}…: cannot be read: File name too long; if it is text, pass"),
        ("x" * 300, f"{'x' * 300}: cannot be read: File name too long; if it is text, pass a"),
    ],
)
def test_a_text_in_place_of_a_path_is_not_repeated_at_length(corpus, message):
    with pytest.raises(W2VError, match=f"^{re.escape(message)}") as caught:
        words_of(corpus)
    assert len(str(caught.value)) < 500


def closed(mode):
    with open("text.txt", mode) as stream:
        return stream


class ReadsAll:
    def read(self):
        return b"the whole"


class Archive:
    def read(self, name):
        raise KeyError(name)


class NoIterator:
    def __iter__(self):
        return 5


EXPECTED = (
    "corpus must be a path, a list of paths, or sentences: an iterable of str or of lists of str"
)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: closed("r"),
            "text.txt: cannot be read: I/O operation on closed file.; open it for",
        ),
        (lambda: closed("rb"), "text.txt: cannot be read: read of closed file; open it for"),
        (lambda: open("new.txt", "w"), "new.txt: cannot be read: not readable; open it"),  # noqa: SIM115
        (lambda: open("new.txt", "wb"), "new.txt: cannot be read: read; open it for reading"),  # noqa: SIM115
        (ReadsAll, f"{EXPECTED}, got ReadsAll"),
        (Archive, f"{EXPECTED}, got Archive"),
        (lambda: io, f"{EXPECTED}, got module"),
        (lambda: np.array("a b"), f"{EXPECTED}, got ndarray"),
        (NoIterator, f"{EXPECTED}, got NoIterator"),
        (lambda: [np.ones((2, 2, 2))], "corpus[0][0] is [[1.0, 1.0], [1.0, 1.0]] (list), but each"),
    ],
)
def test_what_cannot_be_read_is_refused(make, message):
    corpus = make()
    with pytest.raises(W2VError, match=f"^{re.escape(message)}"):
        words_of(corpus)
    if hasattr(corpus, "close"):
        corpus.close()


def test_a_file_that_does_not_wait_for_data_is_not_at_its_end():
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    standard_input = os.dup(0)
    os.dup2(reading, 0)
    try:
        with open(reading, "rb", buffering=0) as stream:
            for corpus in (stream, "-"):
                os.write(writing, b"a b\n")
                with pytest.raises(TextError, match="does not wait for data; open it in blocking"):
                    words_of(corpus)
    finally:
        os.dup2(standard_input, 0)
        os.close(standard_input)
        os.close(writing)


def test_a_value_that_is_no_sentence_is_shown_in_one_line():
    with pytest.raises(W2VError) as caught:
        words_of(["a b", np.array([[1], [2]])])
    assert str(caught.value) == (
        "corpus[1] is array([[1], [2]]) (ndarray), but must be a str like those before it; leave "
        "it out or convert it"
    )


def test_paths_and_sentences_are_told_apart():
    Path("a b.txt").write_text("x y\n")
    for corpus in ("a b.txt", ["a b.txt"], ["a *.txt"], [Path("a b.txt")]):
        assert words_of(corpus) == [["x", "y"]]
    assert words_of(["what is it?", "text.txts"]) == [["what", "is", "it"], ["text", "txts"]]
    assert words_of(["a b", *["c"] * 200]) == [["a", "b"], *[["c"]] * 200]
    assert words_of(iter(["text.txt", "the cat"])) == [["text", "txt"], ["the", "cat"]]
    assert paths_or_sentences(["-"]) == ["-"]
    sources = check_corpus(["text.txt"])
    assert check_corpus(sources) == sources


def test_an_iterator_is_read_once_in_the_callers_thread():
    threads = set()

    def generate():
        for _ in range(3000):
            threads.add(threading.get_ident())
            yield ["a", "b"]

    generator = generate()
    assert len(words_of(generator, threads=3)) == 3000
    assert threads == {threading.get_ident()}
    with pytest.raises(SettingError, match=r"^corpus has no sentences, got an empty generator$"):
        words_of(generator)


def test_an_error_of_an_iterator_is_its_own():
    def fail():
        yield "a b"
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        words_of(fail())


@pytest.mark.parametrize("sentence", ["word " * 20, ["word"] * 20])
def test_an_endless_iterator_is_read_as_far_as_is_needed(sentence):
    taken = count()
    items = (sentence for _ in taken)
    file = SentenceFile(Sentences.of(items, are_words=isinstance(sentence, list)), "strict")
    n_read = 0
    while n_read < 1 << 20:
        n_read += file.readinto(memoryview(bytearray(1 << 16)))
    assert 100 * next(taken) < n_read + 3 * sentences._BLOCK_BYTES
    assert n_read <= file.n_bytes_read


def test_sentences_that_grow_do_not_come_in_large_batches(monkeypatch):
    monkeypatch.setattr(sentences, "_BLOCK_BYTES", 1000)
    sizes = []

    class Counting(SentenceFile):
        def _lines_of_text(self, batch, first):
            sizes.append(len(batch))
            return super()._lines_of_text(batch, first)

    items = chain(repeat("a", 900), repeat("a" * 900, 400))
    file = Counting(Sentences.of(items, are_words=False), "strict")
    while file.readinto(memoryview(bytearray(100))):
        pass
    assert sizes[:5] == [16, 32, 64, 128, 256]
    assert sizes[-5:] == [1] * 5


SETTINGS = {
    "min_count": 1,
    "dim": 8,
    "subsample": 0.0,
    "epochs": 2,
    "batch_size": 32,
    "threads": 1,
}
SENTENCES = [[f"W{n % 7}", f"w{n % 3}", "x"] for n in range(50)]


def result(model):
    return model.words, model.center_vectors.tobytes(), model.context_vectors.tobytes()


def write(path, corpus):
    Path(path).write_text("".join(" ".join(words) + "\n" for words in corpus))
    return path


def test_training_on_sentences_is_training_on_their_file():
    expected = result(train(write("s.txt", SENTENCES), **SETTINGS, tokenizer="whitespace"))
    assert result(train(SENTENCES, **SETTINGS)) == expected
    assert result(train(iter(SENTENCES), **SETTINGS, run_dir="run")) == expected
    assert result(resume("run")) == expected
    texts = [" ".join(words) for words in SENTENCES]
    assert result(train(texts, **SETTINGS)) == result(train(["s.txt"], **SETTINGS))
    frozen = train(SENTENCES, **SETTINGS, freeze=["W1"])
    assert frozen.words == expected[0]
    settings = settings_from(SETTINGS)
    assert forecast(iter(SENTENCES), settings, freeze=["W1"]).n_words == len(frozen.words) == 11


class StopError(Exception):
    pass


def stop_at(kind):
    def listen(event):
        if event["event"] == kind:
            raise StopError

    return listen


def test_a_run_on_sentences_is_resumed_once_they_are_read():
    expected = result(train(SENTENCES, **SETTINGS))
    with pytest.raises(StopError):
        train(iter(SENTENCES), **SETTINGS, run_dir="run", on_event=stop_at("start"))
    assert result(resume("run")) == expected
    with pytest.raises(StopError):
        train(iter(SENTENCES), **SETTINGS, run_dir="other", on_event=stop_at("text"))
    with pytest.raises(W2VError) as caught:
        resume("other")
    assert str(caught.value) == (
        "other: reading its sentences was not finished, and they were not in a file; start it "
        "again with the same arguments: train(…, run_dir=…)"
    )
    assert result(train(iter(SENTENCES), **SETTINGS, run_dir="other")) == expected


def test_sentences_are_added_to_a_run():
    more = [["W1", "new"]] * 9
    for name, corpus in (("one", write("s.txt", SENTENCES)), ("two", SENTENCES)):
        tokenizer = "whitespace" if name == "one" else "word"
        train(corpus, **SETTINGS, tokenizer=tokenizer, run_dir=name)
    expected = result(resume("one", add=write("more.txt", more), more_epochs=1))
    assert result(resume("two", add=iter(more), more_epochs=1)) == expected
    with pytest.raises(SettingError, match="give more_epochs too"):
        resume("two", add=np.array(["a", "b"]))


def test_islice_of_an_endless_generator_is_a_corpus():
    assert len(words_of(islice((["a"] for _ in count()), 30))) == 30

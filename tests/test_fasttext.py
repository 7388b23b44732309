"""Models of fastText: unknown words, conversion, agreement with others, hostile files."""

import pickle
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.commands import convert as convert_command
from w2v_sparseadam.commands import neighbors
from w2v_sparseadam.errors import (
    FormatError,
    ShapeError,
    UnknownWordError,
    W2VError,
    W2VWarning,
)
from w2v_sparseadam.events import Warned
from w2v_sparseadam.text.ngrams import ngram_buckets
from w2v_sparseadam.vectors.convert import convert
from w2v_sparseadam.vectors.subwords import Subwords
from w2v_sparseadam.vectors.vectors import Vectors

N_BUCKETS = 50
UNKNOWN = ["carts", "naïvely", "東京都", "x", "A_b"]
LETTERS = [0x61, 0x62, 0xC3, 0xA9, 0x80, 0xE6, 0x3C, 0xFF]


def model(n_rows=N_BUCKETS, buckets=None, **changes):
    """Return vectors of three words, and of n-grams."""
    rng = np.random.default_rng(7)
    settings = {"min_n": 3, "max_n": 6, "n_buckets": N_BUCKETS, **changes}
    rows = rng.standard_normal((n_rows, 4)).astype(np.float32)
    return Vectors(
        ["cat", "naïve", "東京"],
        rng.standard_normal((3, 4)).astype(np.float32),
        np.array([3, 2, 1]),
        Subwords.of(rows, buckets=buckets, **settings),
    )


class TestNgrams:
    def test_by_hand(self):
        """``<ab>`` has ``<a``, ``ab``, ``b>``, ``<ab``, ``ab>``; ``<`` and ``>`` do not count."""
        buckets, counts = ngram_buckets([b"ab", b"</s>", b""], 1, 3, 1 << 30)
        expected = [b"<a", b"<ab", b"a", b"ab", b"ab>", b"b", b"b>", b"<>"]
        assert counts.tolist() == [7, 0, 1]
        assert buckets.tolist() == [reference.fnv1a_signed(each) % (1 << 30) for each in expected]

    def test_known_hashes(self):
        # FNV-1a of "a" is 0xe40c292c; signed bytes change what is not ASCII.
        assert reference.fnv1a_signed(b"a") == 0xE40C292C
        assert reference.fnv1a_signed(b"\xff") != ((2166136261 ^ 0xFF) * 16777619) & 0xFFFFFFFF

    @given(
        st.lists(st.lists(st.sampled_from(LETTERS), max_size=9).map(bytes), min_size=1, max_size=5),
        st.integers(1, 4),
        st.integers(0, 7),
        st.integers(1, 2**31 - 1),
    )
    def test_as_the_reference(self, words, min_n, max_n, n_buckets):
        words.append(b"</s>")
        buckets, counts = ngram_buckets(words, min_n, max_n, n_buckets)
        expected = [reference.ngram_buckets(word, min_n, max_n, n_buckets) for word in words]
        assert counts.tolist() == [len(each) for each in expected]
        assert buckets.tolist() == [bucket for each in expected for bucket in each]


class TestUnknownWords:
    def test_the_vector_is_the_mean_of_the_ngrams(self):
        vectors = model()
        for word in UNKNOWN[:3]:
            buckets = reference.ngram_buckets(word.encode(), 3, 6, N_BUCKETS)
            expected = vectors.subwords.matrix[buckets].mean(axis=0)
            assert vectors[word] == pytest.approx(expected, abs=1e-6)
            assert vectors.get_vector(word, norm=True) == pytest.approx(
                expected / np.linalg.norm(expected), abs=1e-6
            )
            assert word not in vectors
            assert vectors.get(word) is None
            assert not vectors[word].flags.writeable

    def test_questions(self):
        vectors = model()
        word = "carts"
        unit = vectors.get_vector(word, norm=True)
        assert vectors.similarity(word, "cat") == pytest.approx(
            float(unit @ vectors.get_vector("cat", norm=True)), abs=1e-6
        )
        assert vectors.similarity(word, word) == pytest.approx(1)
        assert vectors.most_similar(word) == vectors.most_similar(vectors[word])
        assert len(vectors.most_similar(positive=["cat", word])) == 2
        assert vectors[["cat", word]].tolist() == [vectors["cat"].tolist(), vectors[word].tolist()]
        assert vectors.doesnt_match(["cat", word, word]) == "cat"
        assert vectors.n_similarity([word], ["cat"]) == pytest.approx(
            vectors.similarity(word, "cat")
        )
        nearest, least = (vectors.most_similar(word)[place][0] for place in (0, -1))
        assert vectors.rank(word, nearest) == 1
        assert vectors.closer_than(word, least) == [each for each in vectors if each != least]
        assert vectors.closer_than("cat", word) == [
            each
            for each in ("naïve", "東京")
            if vectors.similarity("cat", each) > vectors.similarity("cat", word)
        ]

    def test_rows_of_some_buckets_are_those_of_all_with_zeros(self):
        buckets = np.array([1, 4, 30])
        some = model(3, buckets)
        whole = np.zeros((N_BUCKETS, 4), np.float32)
        whole[buckets] = some.subwords.matrix
        all_of_them = Subwords.of(whole, 3, 6, N_BUCKETS)
        composed = [some.subwords.compose(word) for word in ["cart", "banana", "abcdefgh", "zzz"]]
        assert sum(each is not None for each in composed) >= 2
        for word, vector in zip(["cart", "banana", "abcdefgh", "zzz"], composed, strict=True):
            other = all_of_them.compose(word)
            assert (vector is None) == (other is None)
            assert vector is None or vector.tobytes() == other.tobytes()

    def test_no_known_ngram(self):
        vectors = model(0, np.empty(0, np.int64))
        for word in ("carts", "</s>"):
            with pytest.raises(UnknownWordError, match=f"^no vector for '{word}', nor for any of"):
                vectors[word]
        with pytest.raises(UnknownWordError, match=r"^no vector for 'q', nor for any of its n-gr"):
            model(min_n=4)["q"]

    def test_ngrams_that_are_not_finite(self):
        vectors = model()
        rows = np.full((N_BUCKETS, 4), np.nan, np.float32)
        broken = Vectors(vectors.words, vectors.matrix, subwords=Subwords.of(rows, 3, 6, N_BUCKETS))
        with pytest.raises(FormatError, match=r"^the n-grams of 'carts' have vectors that are not"):
            broken.most_similar("carts")

    def test_pickles(self):
        vectors = model()
        again = pickle.loads(pickle.dumps(vectors))
        assert again["carts"].tobytes() == vectors["carts"].tobytes()

    @pytest.mark.parametrize(
        "arguments",
        [
            {"min_n": 0},
            {"max_n": 2},
            {"max_n": 65},
            {"n_buckets": 0},
            {"n_buckets": 1 << 31},
            {"n_rows": 3},
            {"n_rows": 2, "buckets": np.array([3, 3])},
            {"n_rows": 2, "buckets": np.array([-1, 3])},
            {"n_rows": 2, "buckets": np.array([3, N_BUCKETS])},
        ],
    )
    def test_what_does_not_fit_is_refused(self, arguments):
        with pytest.raises(ShapeError):
            model(**arguments)

    def test_other_dimensions_are_refused(self):
        with pytest.raises(ShapeError, match="words have 2 dimensions, those of n-grams 4"):
            Vectors(["a"], [[1, 2]], subwords=model().subwords)


class TestFiles:
    @pytest.mark.parametrize("name", ["x.fasttext", "x.safetensors"])
    @pytest.mark.parametrize("min_n", [1, 3])
    def test_there_and_back(self, tmp_path, name, min_n):
        vectors = model(min_n=min_n)
        vectors.save(tmp_path / name)
        loaded = Vectors.load(tmp_path / name)
        known = [word for word in UNKNOWN if min_n == 1 or word != "x"]
        assert [loaded[word].tobytes() for word in known] == [
            vectors[word].tobytes() for word in known
        ]
        assert loaded.words == vectors.words
        assert loaded.matrix == pytest.approx(vectors.matrix, abs=1e-6)
        assert loaded.counts.tolist() == [3, 2, 1]

    def test_some_buckets_there_and_back(self, tmp_path):
        vectors = model(3, np.array([1, 4, 30]))
        for name in ("x.fasttext", "x.safetensors"):
            vectors.save(tmp_path / name)
            loaded = Vectors.load(tmp_path / name)
            for word in ("cart", "banana", "abcdefgh"):
                composed = vectors.subwords.compose(word)
                again = loaded.subwords.compose(word)
                assert (composed is None) == (again is None)
                assert composed is None or composed.tobytes() == again.tobytes()

    def test_words_alone(self, tmp_path):
        vectors = Vectors(["one", "two"], [[1, 2], [3, 4]])
        vectors.save(tmp_path / "x.fasttext")
        loaded = Vectors.load(tmp_path / "x.fasttext")
        assert loaded.subwords is None
        assert loaded.counts is None
        assert loaded.matrix.tobytes() == vectors.matrix.tobytes()
        with pytest.raises(UnknownWordError, match=r"^no vector for 'ones'; did you mean 'one'"):
            loaded["ones"]

    def test_counts_whose_sum_is_too_large(self, tmp_path):
        most = np.array([2**63 - 1, 2**63 - 1])
        Vectors(["a", "b"], [[1], [2]], most).save(tmp_path / "x.fasttext")
        assert Vectors.load(tmp_path / "x.fasttext").counts.tolist() == most.tolist()

    def test_a_nul_is_refused(self, tmp_path):
        with pytest.raises(FormatError, match=r"cannot hold the word 'a.x00b', which has a NUL"):
            Vectors(["a\0b"], [[1]]).save(tmp_path / "x.fasttext")
        assert not list(tmp_path.iterdir())

    def test_convert_says_what_is_lost(self, tmp_path):
        model().save(tmp_path / "x.fasttext")
        heard = []
        for name in ("y.vec", "y.safetensors", "y.fasttext"):
            convert(tmp_path / "x.fasttext", tmp_path / name, on_event=heard.append)
        assert heard == [
            Warned(
                "only the words are written, not the n-grams that vectors of unknown words are "
                "composed of",
                "write .safetensors or .fasttext to keep them",
            )
        ]
        for name in ("y.safetensors", "y.fasttext"):
            loaded = Vectors.load(tmp_path / name)
            assert loaded["carts"].tobytes() == model()["carts"].tobytes()
        assert Vectors.load(tmp_path / "y.vec").subwords is None

    def test_saving_says_what_is_lost(self, tmp_path):
        with pytest.warns(W2VWarning, match="^only the words are written, not the n-grams") as told:
            model().save(tmp_path / "y.vec")
        (warning,) = told
        assert str(warning.message).endswith("; write .safetensors or .fasttext to keep them")
        assert warning.filename == __file__

    def test_commands(self, tmp_path):
        model().save(tmp_path / "x.bin", format="fasttext")
        result = CliRunner().invoke(neighbors.main, [f"{tmp_path}/x.bin", "carts", "cat", "-n1"])
        assert result.exit_code == 0, result.stderr
        assert result.stdout.startswith("carts\n  ")
        assert result.stderr == (
            "Note: 'carts' has no vector of its own; it is composed of those of its n-grams.\n"
        )
        result = CliRunner().invoke(neighbors.main, [f"{tmp_path}/x.bin", "</s>"])
        assert result.exit_code == 1
        assert "no vector for '</s>', nor for any of its n-grams" in result.stderr
        arguments = [f"{tmp_path}/x.bin", f"{tmp_path}/y.vec"]
        result = CliRunner().invoke(convert_command.main, arguments)
        assert result.exit_code == 0, result.stderr
        assert result.stderr.startswith("Warning: only the words are written, not the n-grams")

    def test_words_that_are_not_utf8(self, tmp_path):
        model().save(tmp_path / "x.fasttext")
        content = (tmp_path / "x.fasttext").read_bytes()
        (tmp_path / "x.fasttext").write_bytes(content.replace(b"cat\0", b"c\xfft\0", 1))
        with pytest.warns(W2VWarning, match=r"words that are not UTF-8: 1; their other bytes are"):
            loaded = Vectors.load(tmp_path / "x.fasttext")
        assert loaded.words == ("c\\xfft", "naïve", "東京")
        # The n-grams are those of the bytes, so the vector is not that of other words.
        own = model().subwords.own_vectors(model().matrix[:1], [b"cat"])
        model().subwords.compose_known(own, [b"c\xfft"])
        assert loaded["c\\xfft"] == pytest.approx(own[0], abs=1e-6)


def numbers(content, offset, kind, value):
    """Return a file with another number at a place."""
    new = struct.pack(kind, value)
    return content[:offset] + new + content[offset + len(new) :]


# Where numbers stand: 4 of magic, version, then the settings, then the sizes.
DIM, MODEL, BUCKET, MINN, MAXN = 8, 36, 40, 44, 48
SIZES = 64
WORDS = SIZES + 28


class TestHostile:
    @pytest.fixture
    def whole(self, tmp_path):
        model().save(tmp_path / "x.fasttext")
        return (tmp_path / "x.fasttext").read_bytes()

    def told(self, tmp_path, content):
        """Load, or return the one line of the error; little memory is taken."""
        path, message = tmp_path / "x.fasttext", ""
        path.write_bytes(content)
        tracemalloc.start()
        try:
            loaded = Vectors.load(path, on_event=lambda event: None)
            assert np.isfinite(loaded.matrix).all()
        except W2VError as error:
            message = str(error)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 8 << 20
        assert not message or message.startswith(str(path))
        assert not message or message.isprintable()
        return message.removeprefix(str(path))

    def test_every_truncation_is_refused(self, tmp_path, whole):
        for size in range(4, len(whole), 3):
            assert "truncated" in self.told(tmp_path, whole[:size]) or size < 200
            assert self.told(tmp_path, whole[:size])

    def test_every_changed_byte(self, tmp_path, whole):
        for place in range(4, 220):
            for flip in (1, 0x80, 0xFF):
                changed = bytes([whole[place] ^ flip])
                self.told(tmp_path, whole[:place] + changed + whole[place + 1 :])

    @pytest.mark.parametrize(
        ("offset", "kind", "value", "said"),
        [
            (4, "<i", 13, "is a model of fastText in version 13; 11 and 12 can be read"),
            (DIM, "<i", -4, "is damaged: its matrix has shape (53, 4), but 3 words and 50"),
            (DIM, "<i", 2**31 - 1, "is damaged: its matrix has shape (53, 4), but"),
            (BUCKET, "<i", 0, "is damaged: its matrix has shape (53, 4), but"),
            (BUCKET, "<i", 2**31 - 1, "is damaged: its matrix has shape (53, 4), but"),
            (MAXN, "<i", 65, "has n-grams of up to 65 characters; up to 64 can be read"),
            (SIZES, "<i", 4, "is damaged: it has 4 entries, 3 words and 0 labels"),
            (SIZES, "<3i", None, "has no words"),
            (SIZES, "<3i", (2**31 - 1, 2**31 - 1, 0), "is damaged: 2147483647 words do not fit"),
            (SIZES, "<3i", (0, -3, 3), "is damaged: it has 0 entries, -3 words and 3 labels"),
            (WORDS + 4, "<q", -1, "is damaged: word 1 occurs -1 times"),
        ],
    )
    def test_numbers(self, tmp_path, whole, offset, kind, value, said):
        values = value if isinstance(value, tuple) else (value or 0,) * (int(kind[1:-1] or 1))
        new = struct.pack(kind, *values)
        content = whole[:offset] + new + whole[offset + len(new) :]
        assert self.told(tmp_path, content).startswith(f": {said}")

    def test_quantized(self, tmp_path, whole):
        place = whole.index(struct.pack("<?2q", False, 53, 4))
        said = self.told(tmp_path, whole[:place] + b"\1" + whole[place + 1 :])
        assert said.startswith(": is a quantized model of fastText, with vectors that are only")

    def test_nan(self, tmp_path, whole):
        place = whole.index(struct.pack("<?2q", False, 53, 4)) + 17
        content = numbers(whole, place, "<f", float("nan"))
        assert self.told(tmp_path, content).startswith(", word 1: the vector of 'cat' holds nan")

    @pytest.mark.parametrize("byte", [b"\n", b" "])
    def test_white_space_in_a_word(self, tmp_path, whole, byte):
        content = whole.replace(b"cat\0", b"c%bt\0" % byte, 1)
        assert self.told(tmp_path, content).startswith(", word 1: 'c")

    def test_no_end_of_a_word(self, tmp_path, whole):
        content = whole[:WORDS] + b"a" * 3000
        assert self.told(tmp_path, content) == (
            ": is damaged: word 1 has no end within 16,777,216 bytes"
        )

    def test_a_long_word_with_ngrams(self, tmp_path):
        plain = Vectors(["a" * 70_000], [[1, 2, 3, 4]])
        path = tmp_path / "x.fasttext"
        plain.save(path)
        assert Vectors.load(path).words == plain.words
        Vectors(plain.words, plain.matrix, subwords=model().subwords).save(path)
        assert self.told(tmp_path, path.read_bytes()).startswith(": the word 'aaaaaa")

    def test_compressed(self, tmp_path, whole):
        import gzip

        (tmp_path / "x.gz").write_bytes(gzip.compress(whole))
        with pytest.raises(FormatError, match="is a model of fastText, which must be a file that"):
            Vectors.load(tmp_path / "x.gz")

    def test_ngrams_of_safetensors_that_do_not_fit(self, tmp_path):
        from w2v_sparseadam.runs.checkpoint_file import load_checkpoint, write_checkpoint

        model(3, np.array([1, 4, 30])).save(tmp_path / "x.safetensors")
        arrays, about = load_checkpoint(tmp_path / "x.safetensors")
        changes = [
            ({"ngram_vectors": np.ones((3, 5), np.float32)}, {}),
            ({"ngram_vectors": np.ones((2, 4), np.float32)}, {}),
            ({"ngram_buckets": np.ones((3, 1), np.int64)}, {}),
            ({"ngram_buckets": np.array([4, 1, 30])}, {}),
            ({"ngram_vectors": None}, {}),
            ({}, {"ngrams": {"min_n": 3}}),
            ({}, {"ngrams": None}),
            ({}, {"ngrams": {"min_n": 3, "max_n": "6", "n_buckets": 50}}),
            ({}, {"ngrams": {"min_n": 3, "max_n": 6, "n_buckets": 3}}),
        ]
        for new, settings in changes:
            kept = {name: each for name, each in {**arrays, **new}.items() if each is not None}
            write_checkpoint(tmp_path / "y.safetensors", kept, {**about, **settings})
            with pytest.raises(FormatError, match=f"^{tmp_path}/y.safetensors: is damaged: "):
                Vectors.load(tmp_path / "y.safetensors")


@pytest.mark.filterwarnings("ignore")
class TestOthers:
    """Against fastText and gensim, on a model that fastText trains."""

    @pytest.fixture(scope="class")
    def folder(self, tmp_path_factory):
        return tmp_path_factory.mktemp("others")

    @pytest.fixture(scope="class")
    def theirs(self, folder):
        fasttext = pytest.importorskip("fasttext", reason="fasttext-wheel is not installed")
        rng = np.random.default_rng(3)
        words = ["cat", "cats", "naïve", "東京", "walking", "walked", "don't", "a", "überall"]
        lines = [" ".join(rng.choice(words, 8)) for _ in range(60)]
        (folder / "text.txt").write_text("\n".join(lines) + "\n", "utf-8")
        return fasttext

    def trained(self, theirs, folder, kind, **settings):
        settings = {"minn": 3, "maxn": 6, "bucket": 300, "dim": 10, "minCount": 1, **settings}
        settings |= {"epoch": 2, "thread": 1, "verbose": 0, "lr": 0.5}
        if kind == "supervised":
            lines = (folder / "text.txt").read_text("utf-8").splitlines()
            text = "".join(
                f"__label__{'ab'[number % 2]} {line}\n" for number, line in enumerate(lines)
            )
            (folder / "labels.txt").write_text(text, "utf-8")
            found = theirs.train_supervised(str(folder / "labels.txt"), **settings)
        else:
            found = theirs.train_unsupervised(str(folder / "text.txt"), kind, **settings)
        path = str(folder / f"{kind}.bin")
        found.save_model(path)
        return path, found

    @pytest.mark.parametrize(
        ("kind", "settings"),
        [
            ("skipgram", {}),
            ("cbow", {"minn": 1, "maxn": 2}),
            ("skipgram", {"maxn": 0}),
            ("supervised", {}),
            ("supervised", {"maxn": 0, "wordNgrams": 2}),
        ],
    )
    def test_what_fasttext_trained_is_read(self, theirs, folder, kind, settings):
        path, found = self.trained(theirs, folder, kind, **settings)
        loaded = Vectors.load(path)
        assert list(loaded.words) == found.words
        assert "</s>" in loaded
        # To the bit: the sums are taken in the same order.
        rows = np.array([found.get_word_vector(word) for word in loaded])
        assert rows.tobytes() == loaded.matrix.tobytes()
        assert loaded.counts.tolist() == found.get_words(include_freq=True)[1].tolist()
        for word in UNKNOWN:
            other = found.get_word_vector(word)
            if other.any():
                assert loaded[word].tobytes() == other.tobytes()
            else:
                with pytest.raises(UnknownWordError):
                    loaded.get_vector(word)

    def test_what_is_written_is_read(self, theirs, folder):
        """By fastText and by gensim, from a file of fastText's and from few n-grams."""
        models = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
        path, found = self.trained(theirs, folder, "skipgram")
        vectors = Vectors.load(path)
        few = model(3, np.array([1, 4, 30]))
        for number, ours in enumerate((vectors, few, model())):
            file = str(folder / f"ours{number}.bin")
            ours.save(file, format="fasttext")
            again, gensim = theirs.load_model(file), models.load_facebook_vectors(file)
            assert again.words == list(ours.words) == gensim.index_to_key
            for word in [*ours.words, *UNKNOWN, "abcdefgh"]:
                try:
                    vector = ours[word]
                except UnknownWordError:
                    vector = np.zeros(ours.dim)
                assert again.get_word_vector(word) == pytest.approx(vector, abs=1e-6)
                if word != "</s>" and vector.any():  # of which gensim takes n-grams
                    assert gensim[word] == pytest.approx(vector, abs=1e-6)
        assert models.load_facebook_model(file).wv["cat"] == pytest.approx(ours["cat"], abs=1e-6)
        assert found.words == list(vectors.words)

    def test_words_alone_are_read(self, theirs, folder):
        models = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
        vectors = Vectors(["one", "two"], [[1, 2], [3, 4]])
        vectors.save(folder / "alone.fasttext")
        for found in (
            theirs.load_model(str(folder / "alone.fasttext")).get_word_vector,
            models.load_facebook_vectors(str(folder / "alone.fasttext")).get_vector,
        ):
            assert found("one").tolist() == [1, 2]
            assert found("two").tolist() == [3, 4]

    def test_what_gensim_wrote_is_read(self, theirs, folder):
        models = pytest.importorskip("gensim.models.fasttext", reason="gensim is not installed")
        sentences = [["cat", "naïve", "東京", "cats"]] * 5
        trained = models.FastText(
            sentences, vector_size=3, min_count=1, epochs=1, workers=1, bucket=90
        )
        models.save_facebook_model(trained, str(folder / "g.bin"))
        loaded = Vectors.load(folder / "g.bin")
        assert list(loaded.words) == trained.wv.index_to_key
        for word in [*loaded.words, *UNKNOWN[:3]]:
            assert loaded[word] == pytest.approx(trained.wv[word], abs=1e-6)

    def test_quantized_models_are_refused(self, theirs, folder):
        _, found = self.trained(theirs, folder, "supervised")
        found.quantize()
        found.save_model(str(folder / "q.ftz"))
        with pytest.raises(FormatError, match=r"q\.ftz: is a quantized model of fastText"):
            Vectors.load(folder / "q.ftz")


def test_the_format_is_told_by_its_content(tmp_path):
    model().save(tmp_path / "x.bin", format="fasttext")
    Vectors(["a"], [[1, 2]]).save(tmp_path / "y.bin")
    assert Vectors.load(tmp_path / "x.bin").subwords is not None
    assert Vectors.load(tmp_path / "y.bin").words == ("a",)
    assert Path(tmp_path / "x.bin").read_bytes()[:4] == struct.pack("<i", 793712314)

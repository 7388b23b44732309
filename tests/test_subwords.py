"""Words composed of n-grams, from the step of the engine to the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import reference
from click.testing import CliRunner
from reference import (
    cbow,
    composed_loss,
    ngram_buckets,
    ngram_mix,
    skip_gram,
    words_of_letters,
)

from w2v_sparseadam import Model, Start, Vectors, resume, train
from w2v_sparseadam.commands.eval import main as eval_main
from w2v_sparseadam.commands.neighbors import main as neighbors_main
from w2v_sparseadam.commands.train import main
from w2v_sparseadam.engine.engine import Engine
from w2v_sparseadam.errors import (
    FormatError,
    SettingError,
    ShapeError,
    UnknownWordError,
    W2VError,
    W2VWarning,
)
from w2v_sparseadam.evaluation.datasets import (
    AnalogySet,
    CategorySet,
    OddOneOutSet,
    SimilaritySet,
)
from w2v_sparseadam.evaluation.scores import evaluate
from w2v_sparseadam.objectives.cbow.settings import CbowConfig
from w2v_sparseadam.objectives.registry import ModelChoice
from w2v_sparseadam.objectives.windows.composing import compose, ngrams_of, own_rows
from w2v_sparseadam.objectives.windows.objective import SHARED_NEGATIVES
from w2v_sparseadam.optimizers.sgd import SGD
from w2v_sparseadam.optimizers.sparse_adam import SparseAdam
from w2v_sparseadam.system.workers import Workers
from w2v_sparseadam.training.keywords import settings_from
from w2v_sparseadam.vectors.search import CommonForm
from w2v_sparseadam.vectors.subwords import Subwords

N_WORDS = 60
LENGTHS, N_BUCKETS = (2, 4), 500
SETTINGS = {
    "window": 3,
    "negative": 5,
    "subsample": 0.05,
    "subwords": "2-4",
    "buckets": N_BUCKETS,
}
LOSSES = {"skip-gram": skip_gram, "cbow": cbow}


def zipf_text(seed, length):
    rng = np.random.default_rng(seed)
    words = np.minimum(rng.zipf(1.3, length) - 1, N_WORDS - 1).astype(np.int32)
    words[rng.random(length) < 0.1] = -1
    words.flags.writeable = False
    return words


def counts_of(text):
    return np.maximum(1, np.bincount(text[text >= 0], minlength=N_WORDS))


def random_tables(seed, width, n_dims):
    """Those of words, of what they are learned from, and of n-grams."""
    rng = np.random.default_rng(seed)
    n_ngrams = len(ngram_mix(words_of_letters(N_WORDS), *LENGTHS, N_BUCKETS)[1])
    tables = [np.zeros((n, width), np.float32) for n in (N_WORDS, N_WORDS, n_ngrams)]
    for table in tables:
        table[:, :n_dims] = rng.standard_normal((len(table), n_dims)) / np.sqrt(n_dims)
    return tables


def build(text, tables, workers, model, kind=SparseAdam, batch_size=60):
    owners = [kind(table.copy(), lr=0.05) for table in tables]
    config = ModelChoice(model).config(**SETTINGS)
    objective = config.build(counts_of(text), None, words_of_letters(N_WORDS))
    engine = Engine(text, objective, owners, batch_size=batch_size, seed=11, workers=workers)
    return engine, owners


@pytest.mark.parametrize("model", LOSSES)
@pytest.mark.parametrize(
    ("kind", "theirs", "n_dims", "width"),
    [
        (SparseAdam, reference.SparseAdam, 100, 112),
        (SGD, reference.SGD, 16, 16),
    ],
)
def test_steps_equal_the_reference(planner, model, kind, theirs, n_dims, width):
    text, tables = zipf_text(1, 400), random_tables(2, width, n_dims)
    mix, _ = ngram_mix(words_of_letters(N_WORDS), *LENGTHS, N_BUCKETS)
    own = [theirs(table, lr=0.05) for table in tables]
    batches = planner(
        text,
        counts=counts_of(text),
        window=3,
        n_shared=SHARED_NEGATIVES,
        centers_first=model == "skip-gram",
        subsample=0.05,
        seed=11,
    )
    with Workers(2) as workers:
        engine, owners = build(text, tables, workers, model, kind)
        for step in range(3):
            start = step * engine.positions
            examples = batches.examples(batches.plan(start, start + engine.positions, 0))
            now = [one.param for one in own]
            loss, *grads = composed_loss(
                LOSSES[model], now, mix, examples, SETTINGS["negative"] / SHARED_NEGATIVES
            )
            for one, grad in zip(own, grads, strict=True):
                # A row without a gradient has one of zeros: no row's gradient is that by chance.
                rows = np.flatnonzero(grad.any(axis=1))
                one.step(rows, grad[rows])
            assert engine.run(step, [0.05])[0].loss == pytest.approx(loss, rel=1e-5)
            for owner, one in zip(owners, own, strict=True):
                np.testing.assert_allclose(owner.param, one.param, rtol=1e-5, atol=3e-5)
                assert not owner.param[:, n_dims:].any()


@pytest.mark.parametrize("model", LOSSES)
def test_the_same_bytes_at_any_number_of_threads(model):
    text, tables = zipf_text(3, 4000), random_tables(4, 16, 16)
    results = {}
    for n_threads in (1, 2, 3, 7):
        with Workers(n_threads) as workers:
            engine, owners = build(text, tables, workers, model, batch_size=700)
            done = engine.run(0, [0.05] * engine.n_batches)
            results[n_threads] = done, [owner.param.tobytes() for owner in owners]
    assert all(result == results[1] for result in results.values())


def test_rows_of_ngrams_follow_the_words():
    words = words_of_letters(40)
    few, more = ngrams_of(words[:10], LENGTHS, N_BUCKETS), ngrams_of(words, LENGTHS, N_BUCKETS)
    n = few.buckets.size
    assert n < more.buckets.size
    np.testing.assert_array_equal(more.buckets[:n], few.buckets)
    np.testing.assert_array_equal(more.rows[: few.rows.size], few.rows)
    _, buckets = ngram_mix(words, *LENGTHS, N_BUCKETS)
    assert more.buckets.tolist() == buckets


def test_composed_vectors_are_means_and_own_rows_give_any():
    words, rng = words_of_letters(40), np.random.default_rng(5)
    mix, buckets = ngram_mix(words, *LENGTHS, N_BUCKETS)
    ngrams = ngrams_of(words, LENGTHS, N_BUCKETS)
    own, others = (rng.standard_normal((n, 21), np.float32) for n in (40, len(buckets)))
    composed = compose(own, others, ngrams)
    np.testing.assert_allclose(composed, mix @ np.concatenate([own, others]), atol=1e-6)
    number = {bucket: row for row, bucket in enumerate(buckets)}
    for word, row in zip(words, own, strict=True):
        of_word = ngram_buckets(word.encode(), *LENGTHS, N_BUCKETS)
        total = row.copy()
        for bucket in of_word:
            total += others[number[bucket]]
        mean = total * (np.float32(1) / np.float32(1 + len(of_word)))
        np.testing.assert_array_equal(composed[words.index(word)], mean)
    given, rows = rng.standard_normal((3, 21), np.float32), np.array([7, 0, 39])
    own[rows] = own_rows(given, rows, others, ngrams)
    np.testing.assert_allclose(compose(own, others, ngrams)[rows], given, atol=1e-5)


# Runs

RUN = {
    "dim": 16,
    "min_count": 1,
    "epochs": 3,
    "batch_size": 200,
    "subwords": "3-5",
    "buckets": 50_000,
    "seed": 3,
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A text in which words keep company with those that begin as they do."""
    rng = np.random.default_rng(1)
    lines = []
    for _ in range(400):
        start = ["karamel", "zylinder"][rng.integers(0, 2)]
        numbers = np.minimum(rng.zipf(1.5, 12) - 1, 19)
        lines.append(" ".join(f"{start}{'abcdefghijklmnopqrst'[n]}" for n in numbers))
    path = tmp_path_factory.mktemp("text") / "corpus.txt"
    path.write_text("\n".join(lines) + "\n")
    return path


def bytes_of(model):
    return b"".join(table.tobytes() for table in model.tables.values())


@pytest.mark.parametrize("model_name", LOSSES)
def test_unknown_words_are_near_those_they_look_like(text, model_name):
    model = train(text, **{**RUN, "epochs": 20}, model=model_name)
    vectors = model.wv
    assert "karamelz" not in vectors
    near = [word for word, _ in vectors.most_similar("karamelz", n=5)]
    assert all(word.startswith("karamel") for word in near)
    assert model.history[-1].loss < 0.8 * model.history[0].loss
    mix, buckets = ngram_mix(model.words, 3, 5, 50_000)
    first = model.objective.kinds[0]
    own, ngrams = model.tables[first], model.tables["ngram"]
    expected = mix @ np.concatenate([own, ngrams])
    np.testing.assert_allclose(vectors.matrix, expected, rtol=1e-4, atol=1e-6)
    of_word = ngram_buckets(b"karamelz", 3, 5, 50_000)
    rows = [ngrams[buckets.index(bucket)] for bucket in of_word if bucket in buckets]
    np.testing.assert_allclose(vectors["karamelz"], sum(rows) / len(of_word), rtol=1e-4, atol=1e-6)
    with pytest.raises(UnknownWordError, match="nor for any of its n-grams"):
        vectors["qqqq"]


@pytest.mark.parametrize("model_name", LOSSES)
def test_threads_resuming_and_more_text_change_no_byte(text, tmp_path, model_name):
    settings = {**RUN, "model": model_name}
    alone = train(text, threads=1, **settings)
    assert bytes_of(train(text, threads=2, **settings)) == bytes_of(alone)
    folder = tmp_path / "run"

    def stop(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        train(text, run_dir=folder, on_event=stop, **settings)
    assert bytes_of(resume(folder)) == bytes_of(alone)
    np.testing.assert_array_equal(Vectors.load(folder).matrix, alone.wv.matrix)
    np.testing.assert_array_equal(Vectors.load(folder)["karamelz"], alone.wv["karamelz"])
    again = train(text, init=Start.load(folder), **settings)
    assert bytes_of(again) != bytes_of(alone)
    more = tmp_path / "more.txt"
    more.write_text("karamelz karamela quartz zylindera\n" * 5)
    grown = resume(folder, add=more, more_epochs=1)
    assert grown.words == [*alone.words, "karamelz", "quartz"]
    assert len(grown.tables["ngram"]) > len(alone.tables["ngram"])


def test_a_start_of_another_vocabulary_matches_words_and_ngrams_by_name(text, tmp_path):
    folder, other = tmp_path / "run", tmp_path / "other.txt"
    first = train(text, run_dir=folder, **RUN)
    other.write_text("quartz karamelb karamela\n" * 20)
    settings = {**RUN, "lr": 1e-30, "epochs": 1, "subsample": 0}
    started = train(other, init=Start.load(folder), **settings)
    for word in ("karamela", "karamelb"):
        row, old = started.words.index(word), first.words.index(word)
        np.testing.assert_array_equal(started.center_vectors[row], first.center_vectors[old])
        np.testing.assert_allclose(started[word], first[word], atol=1e-6)
    assert not np.array_equal(started["quartz"], started["karamela"])


def test_given_vectors_are_those_that_training_starts_from(text):
    plain = {name: value for name, value in RUN.items() if name not in {"subwords", "buckets"}}
    first = train(text, **plain)
    again = train(text, init=first.wv, **{**RUN, "lr": 1e-30, "epochs": 1})
    np.testing.assert_allclose(again.wv.matrix, first.wv.matrix, atol=1e-5)


STILL = {"lr": 1e-30, "epochs": 1, "subsample": 0}


@pytest.mark.parametrize("ending", ["safetensors", "fasttext"])
@pytest.mark.parametrize("model_name", LOSSES)
def test_ngrams_of_a_file_are_taken(text, tmp_path, model_name, ending):
    path, other = tmp_path / f"v.{ending}", tmp_path / "other.txt"
    first = train(text, **RUN, model=model_name)
    first.wv.save(path)
    other.write_text("quartz karamelb karamela karamelz\n" * 20)
    events = []
    settings = {**RUN, **STILL, "model": model_name}
    started = train(other, init=Vectors.load(path), on_event=events.append, **settings)
    for word in ("karamela", "karamelb"):
        np.testing.assert_allclose(started[word], first[word], atol=1e-6)
    # An unknown word is composed of the same n-grams as before.
    np.testing.assert_allclose(started.wv["amela"], first.wv["amela"], atol=1e-6)
    (event,) = (event for event in events if event["event"] == "init")
    assert (event.matched, event.fresh) == (2, 2)
    known = set(first.objective.ngram_table(first.words).buckets.tolist())
    own = set(started.objective.ngram_table(started.words).buckets.tolist())
    assert event.ngrams == (len(own & known) if ending == "safetensors" else len(own))
    # Those that the file lacks start as in a new run.
    alone = train(other, **settings)
    rows = [
        k
        for k, n in enumerate(started.objective.ngram_table(started.words).buckets.tolist())
        if n not in known
    ]
    if ending == "safetensors":
        assert rows
        np.testing.assert_array_equal(started.tables["ngram"][rows], alone.tables["ngram"][rows])


@pytest.mark.parametrize("changed", [{"subwords": "3-4"}, {"buckets": 40_000}])
def test_other_ngrams_of_a_file_are_told(text, changed):
    first = train(text, **RUN)
    settings = {**RUN, **STILL, **changed}
    events = []
    started = train(text, init=first.wv, on_event=events.append, **settings)
    np.testing.assert_allclose(started.wv.matrix, first.wv.matrix, atol=1e-5)
    alone = train(text, **settings)
    np.testing.assert_array_equal(started.tables["ngram"], alone.tables["ngram"])
    assert "ngrams" not in next(event for event in events if event["event"] == "init")
    (warning,) = (event for event in events if event["event"] == "warning")
    assert warning.message.startswith(
        "the start vectors have n-grams of 3 to 5 characters in 50,000 buckets, and the run of 3 to"
    )
    assert warning.advice.endswith("give `subwords=3-5` `buckets=50000`")


def test_ngrams_that_are_not_finite_are_not_taken(text):
    first = train(text, **{**RUN, "epochs": 1})
    first.tables["ngram"][7] = np.nan
    subwords = Subwords.of_model(first.objective, first.tables, "center", first.words)
    init = Vectors(first.words, np.ones_like(first.center_vectors), subwords=subwords)
    with pytest.raises(FormatError, match="have n-grams whose vectors are not finite"):
        train(text, init=init, **RUN)


@pytest.mark.parametrize("model_name", LOSSES)
def test_files_keep_the_ngrams(text, tmp_path, model_name):
    model = train(text, **RUN, model=model_name)
    path = tmp_path / "model.safetensors"
    model.save(path)
    loaded = Model.load(path)
    assert bytes_of(loaded) == bytes_of(model)
    vectors = Vectors.load(path)
    vectors.save(tmp_path / "model.fasttext")
    official = Vectors.load(tmp_path / "model.fasttext")
    for word in ("karamela", "karamelz"):
        np.testing.assert_array_equal(vectors[word], model.wv[word])
    np.testing.assert_allclose(official["karamela"], model["karamela"], atol=1e-6)
    np.testing.assert_allclose(official["karamelz"], model.wv["karamelz"], atol=1e-6)
    plain = tmp_path / "model.bin"
    with pytest.warns(W2VWarning, match="not the n-grams"):
        vectors.save(plain)
    np.testing.assert_array_equal(Vectors.load(plain).matrix, model.wv.matrix)
    other = model.vectors(model.objective.kinds[1])
    assert other.subwords is None
    assert model.vectors("sum").subwords is None


def test_settings_are_checked():
    for given, known in (("3", "3-3"), ("1-64", "1-64"), ("03-006", "3-6")):
        assert settings_from({"subwords": given}).objective.subwords == known
    for bad in ("6-3", "0-3", "a-b", "3-65", "", "3-6-9", "-3"):
        with pytest.raises(SettingError, match=r"subwords is .*must be two whole numbers"):
            settings_from({"subwords": bad})
    with pytest.raises(SettingError, match="buckets has no effect without subwords"):
        settings_from({"buckets": 50_000})
    with pytest.raises(W2VError, match="there is no setting 'minn'; use subwords"):
        settings_from({"minn": 3})


def test_words_with_ngrams_cannot_be_frozen(text):
    with pytest.raises(SettingError, match="cannot be frozen with subwords"):
        train(text, freeze=["karamela"], **RUN)


def test_the_command(text, tmp_path):
    def run(*options, code=0):
        done = CliRunner().invoke(main, [str(option) for option in options])
        assert done.exit_code == code, done.output
        return done.output

    options = ["--subwords", "3-5", "--buckets", 50_000, "--dim", 16, "--min-count", 1]
    options += ["--epochs", 3, "--seed", 3]
    folder, output = tmp_path / "run", tmp_path / "v.safetensors"
    run(text, *options, "--batch-size", 200, "--run-dir", folder, "-o", output)
    expected = train(text, **RUN)
    np.testing.assert_array_equal(Vectors.load(output)["karamelz"], expected.wv["karamelz"])
    run("--resume", folder, "--subwords", "3-5", "-o", output)
    said = run("--resume", folder, "--subwords", "3-6", code=2)
    assert "--subwords is 3-6, but the run in" in said
    assert "memory" in run(text, *options, "--dry-run")
    begun = tmp_path / "begun.vec"
    said = run(text, *options, "--init", output, "-o", begun)
    assert "\nN-grams with an initial vector: " in said
    said = run(text, *options, "--subwords", "3-4", "--init", output, "-o", begun)
    assert "give --subwords 3-5 --buckets 50000" in said
    words = tmp_path / "words.txt"
    words.write_text("karamela\n")
    said = run(text, *options, "--freeze", words, code=1)
    assert "cannot be frozen with subwords" in said
    assert "leave out --subwords, or --freeze" in said


def test_several_machines_train_the_same(text):
    pytest.importorskip("distributed")
    settings = {**RUN, "epochs": 1, "lr": 0.05}
    shared = train(text, cluster=1, shards=1, rounds=1, **settings)
    assert bytes_of(shared) == bytes_of(train(text, **settings))


# Evaluation


def vectors_with_ngrams():
    """Two words, and n-grams by which "cats" is like the first and "xyz" is unknown."""
    buckets = sorted(set(ngram_buckets(b"cat", 3, 3, 1000)))
    rows = np.tile(np.float32([1, 0]), (len(buckets), 1))
    subwords = Subwords.of(rows, 3, 3, 1000, np.array(buckets))
    return Vectors(["cat", "dog", "cow"], [[1, 0], [0, 1], [1, 1]], subwords=subwords)


def test_unknown_words_are_composed_or_left_out():
    vectors = vectors_with_ngrams()
    pairs = [("cat", "Cats", 9), ("dog", "cats", 1), ("cow", "cats", 5), ("cat", "xyz", 3)]
    dataset = SimilaritySet("animals", [*pairs, ("cat", "dog", 2), ("cat", "cow", 6)])
    report = evaluate(vectors, dataset)
    assert (report.covered, report.items, report.composed) == (5, 6, 1)
    assert "unknown ones composed" in report.protocol
    assert report.score == pytest.approx(100 * 0.9, abs=8)
    skipped = evaluate(vectors, dataset, oov="skip")
    assert (skipped.covered, skipped.items, skipped.composed) == (2, 6, 0)
    assert "composed" not in skipped.protocol
    plain = evaluate(Vectors(vectors.words, vectors.matrix), dataset)
    assert (plain.covered, plain.protocol) == (skipped.covered, skipped.protocol)
    kinds = CategorySet("kinds", [("cat", "a"), ("cats", "a"), ("dog", "b"), ("xyz", "b")])
    assert (evaluate(vectors, kinds).covered, evaluate(vectors, kinds).composed) == (3, 1)
    assert evaluate(vectors, kinds).score == 100
    odd = OddOneOutSet("odd", [(["cat", "cats", "dog"], 2), (["cat", "xyz", "dog"], 2)])
    assert (evaluate(vectors, odd).covered, evaluate(vectors, odd).score) == (1, 100)
    assert evaluate(vectors, odd).composed == 1
    royal = AnalogySet("royal", {"": [("cat", "dog", "cow", "cats"), ("cat", "dog", "cow", "cat")]})
    assert (evaluate(vectors, royal).covered, evaluate(vectors, royal).composed) == (1, 0)
    with pytest.raises(SettingError, match="oov"):
        evaluate(vectors, dataset, oov="guess")


def test_the_command_says_how_many_words_are_composed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors_with_ngrams().save("v.safetensors")
    Path("a.tsv").write_text("cat cats 9\ncow CATS 5\ncow xcat 3\ndog xyz 1\n")
    Path("b.tsv").write_text("cat dog 2\ncat cow 6\n")
    told = CliRunner().invoke(eval_main, ["v.safetensors", "a.tsv", "b.tsv"]).output
    header, a, b, *_ = told.splitlines()
    assert header.endswith("  covered / items  composed")
    assert a.endswith("3 /      4         2")
    assert b.endswith("2 /      2         0")
    assert "\ncomposed: words of these items that are known only by their n-grams.\n" in told
    for args in (["b.tsv"], ["a.tsv", "--oov", "skip"]):
        told = CliRunner().invoke(eval_main, ["v.safetensors", *args]).output
        assert told.splitlines()[0].endswith("covered / items")
        assert "\ncomposed:" not in told


def test_unknown_words_take_the_form_of_the_known_ones():
    nfc, nfd = "caf\u00e9", "cafe\u0301"
    for words, form in [
        (["cat", "dog"], nfc),
        (["cat", nfc], nfc),
        (["cat", nfd], nfd),
        ([nfc, nfd], "as typed"),
    ]:
        common = CommonForm(words)
        for typed in (nfc, nfd):
            expected = typed if form == "as typed" else form
            assert common.of(typed) == common.of(typed.title()) == expected
            assert common.of(typed.title(), keep_case=True) == expected.capitalize()
    assert CommonForm(["cat", "Dog"]).of("Cats") == "Cats"
    subwords = Subwords.of(np.ones((50, 2), np.float32), 3, 3, 50)
    vectors = Vectors([nfc, "x"], [[1, 0], [0, 1]], subwords=subwords)
    pairs = SimilaritySet("", [(nfc, "caf\u00e9s", 1), (nfc, "cafe\u0301s", 2), (nfc, "x", 3)])
    assert evaluate(vectors, pairs).composed == 1  # both are one word


def test_neighbours_of_an_unknown_word_in_capitals(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    vectors_with_ngrams().save("v.safetensors")
    lower, upper = (
        CliRunner().invoke(neighbors_main, ["v.safetensors", word]) for word in ("cats", "CATS")
    )
    assert lower.exit_code == upper.exit_code == 0
    assert (lower.stdout, lower.stderr) == (upper.stdout, upper.stderr)
    assert "Note: 'cats' has no vector of its own" in upper.stderr


def test_the_evaluation_of_epochs_composes_as_the_command_does(text, tmp_path):
    dataset, output = tmp_path / "pairs.tsv", tmp_path / "v.safetensors"
    names = ["karamela", "karamelz", "zylindera", "zylinderz", "karamelb"]
    lines = [
        f"{a}\t{b}\t{9 if a[0] == b[0] else 1 + k % 3}"
        for k, (a, b) in enumerate((a, b) for a in names for b in names if a < b)
    ]
    dataset.write_text("\n".join(lines) + "\n")
    told = []

    def keep(event):
        if event["event"] == "score":
            told.append(event)

    model = train(text, **RUN, eval=dataset, on_event=keep)
    assert [event["covered"] for event in told] == [10] * 3
    model.save(output)
    done = CliRunner().invoke(eval_main, [str(output), str(dataset), "--json"])
    score = json.loads(done.output.splitlines()[0])
    assert score["covered"] == 10
    assert score["score"] == pytest.approx(told[-1]["score"])
    done = CliRunner().invoke(eval_main, [str(output), str(dataset), "--json", "--oov", "skip"])
    assert json.loads(done.output.splitlines()[0])["covered"] == 3


def test_the_command_keeps_ngrams_by_default_and_says_what_it_loses(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = [str(text), "--subwords", "3-5", "--dim", "16", "--min-count", "1", "--epochs", "1"]
    done = CliRunner().invoke(main, options)
    assert done.exit_code == 0, done.output
    assert Vectors.load("corpus.safetensors").subwords is not None
    assert "n-grams" not in done.output
    done = CliRunner().invoke(main, [*options, "-o", "words.vec"])
    assert "only the words are written, not the n-grams" in done.output
    assert "write .safetensors or .fasttext" in done.output
    done = CliRunner().invoke(main, [*options, "--vectors", "sum", "-o", "sum.fasttext"])
    assert "only the words are written, not the n-grams" in done.output


def test_a_long_word_takes_no_more_room_than_it_has_occurrences():
    words, n = ["a", "b", "x" * 5000], 3000
    word_ids = np.tile(np.array([0, 1], np.int32), n // 2)
    word_ids[n // 2] = 2
    counts = np.bincount(word_ids)
    objective = CbowConfig(window=300, subwords="3-6", subsample=0).build(counts, None, words)
    plans = objective.plans(word_ids, 100, 1)
    n_ngrams = plans.groups[2].places.shape[-1]
    assert 20_000 < n_ngrams < 6 * 3 * 20_000


def test_numbers_that_are_not_finite_are_not_written(tmp_path):
    for number in (np.nan, 3e38):
        rows = np.full((1000, 2), number, np.float32)
        subwords = Subwords.of(rows, 3, 4, 1000)
        vectors = Vectors(["cat", "dog"], [[1, 0], [0, 1]], subwords=subwords)
        with pytest.raises(FormatError, match="not finite"):
            vectors.save(tmp_path / "v.fasttext")
        if np.isnan(number):
            with pytest.raises(FormatError, match="not finite"):
                vectors.save(tmp_path / "v.safetensors")
    assert not list(tmp_path.iterdir())


def test_buckets_that_overflow_do_not_ascend():
    buckets = np.array([2**62, -(2**62) - 5, 7])
    with pytest.raises(ShapeError, match="must ascend"):
        Subwords.of(np.ones((3, 2), np.float32), 3, 4, 1000, buckets)


def test_sums_of_many_ngrams_have_the_bits_of_one_after_the_other():
    rows = np.random.default_rng(1).standard_normal((97, 5), np.float32)
    subwords = Subwords.of(rows, 3, 5, 97)
    word = ("abcdefgh" * 400).encode()
    total = np.zeros((2, 5), np.float32)
    subwords.add_ngrams(total, [word, b"cat"])
    expected = np.zeros(5, np.float32)
    for bucket in ngram_buckets(word, 3, 5, 97):
        expected += rows[bucket]
    np.testing.assert_array_equal(total[0], expected)

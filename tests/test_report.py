"""The report on vectors and their training: what the page has, and that it is safe."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from w2v_sparseadam import Model, Vectors, resume, save_report, train
from w2v_sparseadam.commands.html_report import main
from w2v_sparseadam.commands.repeat import train_command
from w2v_sparseadam.errors import FormatError, SettingError, W2VError, WrongTypeError
from w2v_sparseadam.events import EpochEnded
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.report import page, word_map
from w2v_sparseadam.report.history import History
from w2v_sparseadam.report.neighbors import agreement, bands, nearest
from w2v_sparseadam.report.settings_rows import (
    calls,
    keywords_of,
    needed_to_repeat,
    text_rows,
)
from w2v_sparseadam.report.subject import Part, Subject
from w2v_sparseadam.report.vocabulary import vocabulary_figures
from w2v_sparseadam.runs.folder import RunFolder
from w2v_sparseadam.training.keywords import settings_from
from w2v_sparseadam.training.settings import Settings

HOSTILE = [
    "</script><script>document.title='taken'</script>",
    "<!--",
    "<b>bold</b>",
    "\"'&amp;",
    "a\u2028b",
]


@pytest.fixture(autouse=True)
def by_components(monkeypatch):
    """Lay maps out by PCA: UMAP compiles for half a minute."""
    monkeypatch.setattr(word_map, "has_umap", lambda: False)


def drawn(n_words=60, dim=8, seed=1, counts=True, words=None):
    rng = np.random.default_rng(seed)
    words = words or [f"w{k}" for k in range(n_words)]
    matrix = rng.normal(size=(len(words), dim))
    return Vectors(words, matrix, np.arange(len(words), 0, -1) * 3 if counts else None)


def turned(vectors, seed=2, noise=0.0):
    """Return the vectors in a turned space, in another order."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(vectors.dim, vectors.dim)))
    order = rng.permutation(len(vectors))
    matrix = vectors.matrix @ turn + noise * rng.normal(size=vectors.matrix.shape)
    return Vectors([vectors.words[k] for k in order], matrix[order])


def content_of(path):
    html = path.read_text(encoding="utf-8")
    found = re.findall(r'<script id="content" type="application/json">(.*?)</script>', html, re.S)
    return json.loads(found[0])


# ---- neighbours and agreement


def test_neighbours_are_those_of_most_similar():
    vectors = drawn()
    found = nearest(vectors, np.arange(60), 5)
    for row, word in enumerate(vectors.words):
        expected = vectors.most_similar(word, 5)
        assert [vectors.words[k] for k in found.rows[row]] == [other for other, _ in expected]
        np.testing.assert_allclose(found.cosines[row], [c for _, c in expected], atol=1e-5)


def test_no_more_neighbours_than_words():
    assert nearest(drawn(3), np.arange(3)).rows.tolist()[0] in ([1, 2], [2, 1])
    assert nearest(drawn(1), np.arange(1)).rows.shape == (1, 0)


def test_ties_are_in_the_order_of_the_words():
    vectors = Vectors(list("abcdef"), [[1, 0]] * 6)
    assert nearest(vectors, np.array([2]), 3).rows.tolist() == [[0, 1, 3]]


def test_a_turn_of_the_space_and_another_order_change_no_neighbours():
    vectors = drawn(300)
    assert agreement([vectors, turned(vectors)], np.arange(300)).min() == 1


def test_agreement_by_hand():
    """Of b, c, d, e, f, the two nearest of a: b and c; in the other vectors b and d."""
    angles = {"a": 0.0, "b": 0.1, "c": 0.2, "d": 0.3, "e": 2.0, "f": 3.0}
    other = {**angles, "c": 0.3, "d": 0.2}

    def of(found):
        return Vectors(list(found), [[np.cos(t), np.sin(t)] for t in found.values()])

    one, two = of(angles), of(other)
    sets = [{one.words[k] for k in nearest(v, np.array([0]), 2).rows[0]} for v in (one, two)]
    assert sets == [{"b", "c"}, {"b", "d"}]
    assert agreement([one, two], np.array([0])).tolist() == [1.0]  # of all five neighbours


def test_agreement_with_noise_is_what_pairs_have_in_common():
    vectors = drawn(200)
    three = [vectors, turned(vectors, 3, 0.4), turned(vectors, 4, 0.4)]
    expected = []
    for word in vectors.words[:20]:
        near = [{other for other, _ in each.most_similar(word, 10)} for each in three]
        pairs = ((0, 1), (0, 2), (1, 2))
        expected.append(np.mean([len(near[i] & near[j]) / 10 for i, j in pairs]))
    np.testing.assert_allclose(agreement(three, np.arange(20)), expected)
    assert 0 < np.mean(expected) < 1


def test_bands_cover_all_ranks():
    vectors = drawn(1500)
    found = bands([vectors, turned(vectors, noise=0.3)])
    assert [(band.first, band.last) for band in found] == [(1, 100), (101, 1000), (1001, 1500)]
    assert [band.n_words for band in found] == [100, 900, 500]
    for band in found:
        assert 0 <= band.low <= band.mean <= band.high <= 1


def test_other_words_are_refused():
    with pytest.raises(SettingError, match="vectors of 60 and 61 words are not of the same words"):
        agreement([drawn(60), drawn(61)], np.arange(3))


# ---- the map


def test_components_are_those_of_the_singular_values():
    unit = drawn(50).unit_matrix
    centered = unit - unit.mean(axis=0)
    _, _, axes = np.linalg.svd(centered, full_matrices=False)
    found = word_map.principal_components(unit)
    np.testing.assert_allclose(np.abs(found), np.abs(centered @ axes[:2].T), atol=1e-5)


@pytest.mark.parametrize(("n_words", "dim"), [(3, 2), (40, 1), (40, 3)])
def test_places_lie_in_the_square(n_words, dim):
    found, method = word_map.places(drawn(n_words, dim).unit_matrix)
    assert method == "PCA"
    assert found.shape == (n_words, 2)
    assert np.abs(found).max() == pytest.approx(1)


def test_equal_vectors_have_a_place():
    found, _ = word_map.places(np.ones((5, 3), np.float32) / np.sqrt(3))
    assert np.isfinite(found).all()


def test_umap_gives_the_same_places_twice(monkeypatch):
    pytest.importorskip("umap", reason="needs umap-learn")
    monkeypatch.setattr(word_map, "has_umap", lambda: True)
    rng = np.random.default_rng(1)
    centers = 5 * np.eye(3)[np.repeat(np.arange(3), 40)]
    unit = Vectors([str(k) for k in range(120)], centers + rng.normal(size=(120, 3))).unit_matrix
    found, method = word_map.places(unit)
    assert method == "UMAP"
    assert np.array_equal(found, word_map.places(unit)[0])
    middles = found.reshape(3, 40, 2).mean(axis=1)
    spread = found.reshape(3, 40, 2).std(axis=1).max()
    gaps = [np.linalg.norm(middles[i] - middles[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(gaps) > 2 * spread


def test_clusters_find_what_is_apart():
    rng = np.random.default_rng(1)
    axes = np.eye(4)[np.repeat(np.arange(4), [40, 30, 20, 10])]
    unit = axes + 0.05 * rng.normal(size=(100, 4))
    unit = (unit / np.linalg.norm(unit, axis=1, keepdims=True)).astype(np.float32)
    number, centers = word_map.clusters(unit, 4)
    assert number.tolist() == [0] * 40 + [1] * 30 + [2] * 20 + [3] * 10
    np.testing.assert_allclose(centers, np.eye(4), atol=0.05)


def test_fewer_clusters_than_asked_for_if_words_are_few():
    number, _ = word_map.clusters(np.float32([[1, 0], [1, 0], [0, 1]]), 8)
    assert number.tolist() == [0, 0, 1]


# ---- history


def run_events(n_steps=5, start=0):
    yield {"event": "start", "done_tokens": start, "threads": 2}
    for k in range(1, n_steps + 1):
        at = start + 10 * k
        yield {"event": "progress", "tokens": at, "loss": 3 - k / 10, "lr": 0.1 / k, "pairs": 4}


def test_what_a_run_does_again_after_a_resumption_is_told_once():
    history = History()
    for event in run_events():
        history(event)
    history({"event": "epoch", "epoch": 1, "tokens": 50, "loss": 2.5})
    history(
        {"event": "score", "epoch": 1, "dataset": "a.txt", "score": 40.0, "low": 35, "high": 45}
    )
    assert history.scores == {"a.txt": {1: (40, 35, 45)}}
    for event in run_events(2, start=30):
        history(event)
    assert [point[0] for point in history.points] == [10, 20, 30, 40, 50]
    assert history.epochs == {}
    assert history.scores == {"a.txt": {}}


def test_parts_of_a_run_follow_each_other():
    history = History()
    history({"event": "text", "tokens": 9})
    history({"event": "text", "tokens": 10})  # read again, after a crash
    for event in run_events(2):
        history(event)
    history({"event": "epoch", "epoch": 1, "tokens": 20, "loss": 2.5})
    history({"event": "done", "train_seconds": 3})
    history({"event": "text", "tokens": 7})  # of an --add that failed
    history({"event": "text", "tokens": 8})
    history({"event": "add"})
    for start in (0, 10):
        for event in run_events(2, start):
            history(event)
    history({"event": "epoch", "epoch": 1, "tokens": 30, "loss": 2.25})
    history({"event": "score", "epoch": 1, "dataset": "a", "score": 40.0, "low": 35, "high": 45})
    best = {"event": "best", "dataset": "a", "score": 40, "last_epoch": 1}
    history({**best, "epoch": 1, "first_epoch": 1})
    history({"event": "done", "train_seconds": 4})
    assert [point[0] for point in history.points] == [10, 20, 30, 40, 50]
    assert history.epochs == {1: (20, 2.5), 2: (50, 2.25)}
    assert history.scores == {"a": {2: (40, 35, 45)}}
    assert history.best == (2, "a", 40, 2)
    assert history.parts == [(20, 1)]
    assert [text["tokens"] for text in history.texts] == [10, 8]
    assert history.facts["seconds"] == 7


def test_the_best_epoch_is_that_of_the_last_part_of_a_run():
    history = History()
    history(
        {
            "event": "best",
            "epoch": 2,
            "dataset": "a.txt",
            "score": 30,
            "first_epoch": 2,
            "last_epoch": 3,
        }
    )
    assert history.best == (2, "a.txt", 30, 2)
    history({"event": "start", "done_tokens": 0, "threads": 1})
    assert history.best is None


def test_many_points_are_joined_and_their_mean_stays():
    history = History()
    for event in run_events(5000):
        history(event)
    tokens, losses, _, pairs = map(np.array, zip(*history.points, strict=True))
    assert len(tokens) <= 1200
    assert tokens[-1] == 50_000
    assert (losses * pairs).sum() == pytest.approx(sum(4 * (3 - k / 10) for k in range(1, 5001)))


def test_a_damaged_log_is_read_as_far_as_it_goes(tmp_path):
    lines = [json.dumps(event) for event in run_events(2)]
    odd = ["{", "[]", '{"no": 1}', '{"event": "progress", "tokens": "x"}', "[" * 100_000, "7"]
    odd.append('{"event":"progress","tokens":1,"loss":NaN,"lr":1,"pairs":1}')
    (tmp_path / "log").write_text("\n".join([*odd, *lines, "\0"]))
    assert [point[0] for point in History.read(tmp_path / "log").points] == [10, 20]


# ---- vocabulary, settings, text


def test_figures_of_a_vocabulary_by_hand():
    figures = vocabulary_figures(Vectors(list("abc"), [[3, 4], [0, 1], [0, 1]], [6, 3, 1]))
    assert figures["zipf"] == {"rank": [1, 2, 3], "count": [6, 3, 1]}
    assert figures["coverage"] == {"rank": [1, 2, 3], "share": [60, 90, 100]}
    assert figures["norms"]["median"] == [1, 1, 5]
    assert figures["norms_by"] == "count"


def test_without_counts_there_is_no_zipf():
    figures = vocabulary_figures(drawn(counts=False))
    assert (figures["zipf"], figures["coverage"], figures["norms_by"]) == (None, None, "rank")


@pytest.mark.parametrize("model", ["skip-gram", "cbow"])
def test_the_call_repeats_the_settings(model):
    from w2v_sparseadam.training.keywords import settings_from

    given = {"dim": 50, "optimizer": "sgd", "lr": 0.1, "phrases": 2, "min_count": 3, "seed": 7}
    if model != "skip-gram":
        given["model"] = model
    kept = settings_from(given).as_dict()
    found = {name: value for name, value, is_default in keywords_of(kept) if not is_default}
    assert found == given
    text = calls(Subject("", drawn(), settings=kept, parts=[Part(["a.txt"])]))
    assert text.startswith("train('a.txt', ")
    assert eval(text, {"train": lambda _, **settings: settings}) == given


def test_a_model_repeats_what_was_given_alone(tmp_path):
    given = {"min_count": 1, "dim": 4, "subsample": 0, "epochs": 2}
    trained = train([["river", "sea"]] * 50, **given, progress=False)
    trained.save(tmp_path / "m.safetensors")
    for source in (trained, tmp_path / "m.safetensors"):
        save_report(source, tmp_path / "a.html")
        command = content_of(tmp_path / "a.html")["command"]
        found = eval(command, {"train": lambda _, **settings: settings, "corpus": 0})
        assert found == {"tokenizer": "whitespace", **given}


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"epochs": 7, "lr": 0.1},
        {"optimizer": "sgd", "batch_size": 64},
        {"model": "cbow", "subwords": "3-5", "subsample": 0.01},
        {"shards": 4, "optimizer": "adagrad"},
    ],
)
def test_what_follows_from_the_text_is_not_repeated(given):
    from w2v_sparseadam.training.keywords import settings_from
    from w2v_sparseadam.training.texts import sharded

    settings = settings_from(given)
    if settings.sharding:
        settings = sharded(settings, "a cluster", [])
    settings = settings.for_text(400, 60)
    settings = replace(settings, optimizer=settings.optimizer.resolved())
    subject = Subject("", drawn(), settings=settings.as_dict(), parts=[Part([], (), 60, 400)])
    text = calls(subject)
    found = eval(text, {"train": lambda _, **settings: settings, "corpus": 0})
    assert found == {**given, **({"cluster": 1} if "shards" in given else {})}
    # Of a text of another size, or of an unknown one, they are not what would follow.
    for part in (Part([], (), 70, 10**8), Part()):
        assert {"epochs", "batch_size"} <= set(needed_of(subject, part))


@pytest.mark.parametrize(
    "given",
    [{}, {"power": 0.05}, {"power": 0.05, "batch_size": 4096}, {"batch_size": 1024}],
)
def test_the_batch_of_a_large_text_is_repeated(given):
    size = 20_000_000, 50_000  # for which 4,096 follows, if the power is not lower
    settings = settings_from(given).for_text(*size)
    settings = replace(settings, optimizer=settings.optimizer.resolved())
    part = Part([], (), size[1], size[0])
    subject = Subject("", drawn(), settings=settings.as_dict(), parts=[part])
    assert needed_of(subject, part) == given


def needed_of(subject, part):
    return dict(needed_to_repeat(replace(subject, parts=[part])))


def test_what_was_read():
    text = {"sources": 1, "tokens": 200, "kept_tokens": 150, "below_min_count": 50, "lines": "x"}
    rows = text_rows(text)
    assert [50, 25.0, "left out because their words are rare"] in rows
    assert [150, 75.0, "kept"] in rows
    assert rows[0] == [1, None, "source"]
    assert text_rows({}) == []


# ---- the page


def model():
    vectors = drawn()
    tables = {"center": vectors.matrix, "context": vectors.matrix}
    history = (EpochEnded(1, 100, 200.0, 2.5, 1.0), EpochEnded(2, 100, 200.0, 2.25, 1.0))
    settings = Settings(objective=SkipGramConfig(dim=8)).as_dict()
    return Model(
        list(vectors.words), vectors.counts, tables, 2.25, SkipGramConfig(dim=8), history, settings
    )


def test_a_model_has_its_history_and_its_settings(tmp_path):
    save_report(model(), tmp_path / "a.html")
    content = content_of(tmp_path / "a.html")
    assert content["training"]["epochs"] == [[1, 100, 2.5], [2, 200, 2.25]]
    assert content["command"] == "train(corpus, dim=8)"
    assert ["dim", "8", False] in content["settings"]
    assert ["seed", "1", True] in content["settings"]
    assert ["dynamic_window", "yes", True] in content["settings"]


def test_a_saved_model_has_them_too(tmp_path):
    model().save(tmp_path / "m.safetensors")
    save_report(tmp_path / "m.safetensors", tmp_path / "a.html")
    content = content_of(tmp_path / "a.html")
    assert content["title"] == "m.safetensors"
    assert content["training"]["epochs"] == [[1, 100, 2.5], [2, 200, 2.25]]
    assert content["command"] == "train(corpus, dim=8)"


def test_the_same_vectors_give_the_same_bytes(tmp_path):
    for name in ("a.html", "b.html"):
        save_report(drawn(300), tmp_path / name, others=[turned(drawn(300), noise=0.1)])
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_hostile_words_stay_text(tmp_path):
    vectors = drawn(words=[*HOSTILE, *(f"w{k}" for k in range(30))])
    save_report(vectors, tmp_path / "a.html")
    html = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert content_of(tmp_path / "a.html")["map"]["words"][: len(HOSTILE)] == HOSTILE
    assert "taken'</script>" not in html
    start = html.index('type="application/json">')
    assert "<" not in html[start + 24 : html.index("</script>", start)]


def test_the_map_has_the_most_frequent_words(tmp_path):
    vectors = Vectors(list("abcd"), np.eye(4), [1, 9, 5, 7])
    save_report(vectors, tmp_path / "a.html", n_words=3)
    word_map_content = content_of(tmp_path / "a.html")["map"]
    assert word_map_content["words"] == ["b", "d", "c"]
    assert word_map_content["others"] == ["a"]
    assert -1 in word_map_content["neighbors"][0]


def test_words_have_classes(tmp_path):
    (tmp_path / "classes").write_text("\ufeff# words\nw1\tfish\nw2\tbird\nw3\tbird\n\nno\tfish\n")
    save_report(drawn(), tmp_path / "a.html", classes=tmp_path / "classes")
    classes = content_of(tmp_path / "a.html")["map"]["classes"]
    assert classes["names"] == ["bird", "fish"]
    assert classes["of"][:5] == [-1, 1, 0, 0, -1]


def test_small_classes_beyond_the_colours_are_one(tmp_path):
    lines = [f"w{k}\tc{k % 12}" for k in range(50)]
    (tmp_path / "classes").write_text("\n".join(lines))
    save_report(drawn(), tmp_path / "a.html", classes=tmp_path / "classes")
    classes = content_of(tmp_path / "a.html")["map"]["classes"]
    assert len(classes["names"]) == 8
    assert classes["names"][-1] == "other"
    assert max(classes["of"]) == 7


def test_a_line_without_a_class_is_refused(tmp_path):
    (tmp_path / "classes").write_text("w1\tfish\nw2 bird\n")
    message = "line 2: expected a word, a tab and its class, found 'w2 bird'"
    with pytest.raises(FormatError, match=message):
        page.read_classes(tmp_path / "classes")


def test_what_cannot_be_reported_is_refused(tmp_path, monkeypatch):
    with pytest.raises(W2VError, match=r"a\.pdf: a report must end in \.html, not in '\.pdf'"):
        save_report(drawn(), tmp_path / "a.pdf")
    with pytest.raises(SettingError, match="n_words is 1, but must be from 2 to 30,000"):
        save_report(drawn(), tmp_path / "a.html", n_words=1)
    with pytest.raises(WrongTypeError, match="source must be a Model, Vectors or a path"):
        save_report(7, tmp_path / "a.html")
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(W2VError, match=r"a report needs plotly, .*pip install 'w2v-sparseadam\["):
        save_report(drawn(), tmp_path / "a.html")


def test_a_page_of_ten_thousand_words_is_small(tmp_path):
    save_report(drawn(10_000, 20), tmp_path / "a.html")
    assert (tmp_path / "a.html").stat().st_size < 12e6


# ---- the commands


def run(*arguments):
    from click.testing import CliRunner

    return CliRunner().invoke(main, list(map(str, arguments)))


def test_the_command_writes_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn(300).save("one.vec")
    result = run("one.vec", "-n", 50)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Wrote one.html.\n")
    assert len(content_of(tmp_path / "one.html")["map"]["words"]) == 50


def test_several_vectors_are_compared(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    drawn(300, counts=False).save("one.vec")
    turned(drawn(300)).save("two.vec")
    result = run("one.vec", "two.vec")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "rank of the word  neighbours in common  80 % of the words",
        "1 to 100                          100%       100% to 100%",
        "101 to 300                        100%       100% to 100%",
    ]
    assert content_of(tmp_path / "one.html")["map"]["agreement"][:2] == [1, 1]


def test_vectors_are_not_overwritten(tmp_path):
    drawn(5).save(tmp_path / "a.vec")
    (tmp_path / "a.vec").rename(tmp_path / "a.html")
    result = run(tmp_path / "a.html", "-o", tmp_path / "a.html")
    assert result.exit_code == 2
    assert "is a file of vectors and would be overwritten; name another with -o" in result.stderr


TEXT = "the river flows into the sea and the sea is wide\n" * 40


def test_training_writes_a_page(tmp_path):
    """In a process of its own, as the commands are; with the history of a resumed run."""
    (tmp_path / "a.txt").write_text(TEXT)
    train = [sys.executable, "-m", "w2v_sparseadam.commands.train"]
    small = ["--dim", "4", "--epochs", "2", "--min-count", "1", "--subsample", "0"]

    def run_train(*arguments):
        done = subprocess.run([*train, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    run_train("a.txt", *small, "-o", "a.vec", "--report", "a.html")
    content = content_of(tmp_path / "a.html")
    assert content["title"] == "a.vec"
    assert [epoch[0] for epoch in content["training"]["epochs"]] == [1, 2]
    assert content["training"]["lr"]
    assert [[440, 100.0, "kept"] in rows for rows in content["texts"]] == [True]
    command = content["command"]
    assert command.startswith(f"w2v-train {tmp_path / 'a.txt'} --min-count 1 --dim 4 ")
    run_train(*command.split()[1:], "-o", "b.vec")
    assert (tmp_path / "a.vec").read_bytes() == (tmp_path / "b.vec").read_bytes()

    run_train("a.txt", *small, "-o", "c.vec", "--run-dir", "run")
    run_train("--resume", "run", "--epochs", "+1", "--report", "c.html")
    content = content_of(tmp_path / "c.html")
    assert [epoch[0] for epoch in content["training"]["epochs"]] == [1, 2, 3]
    assert content["command"].splitlines()[1] == "w2v-train --resume RUN_DIR --epochs +1"

    (tmp_path / "b.txt").write_text("the lake and the new canal\n" * 40)
    (tmp_path / "c.txt").write_text("a canal is a river\n" * 40)
    more = ["--add", "b.txt", "--add", "c.txt", "--epochs", "+2"]
    run_train("--resume", "run", *more, "--report", "d.html")
    run_train("--resume", "run", "--epochs", "+3")
    run_train("--resume", "run", "--add", "a.txt", "--epochs", "+1")

    assert run(tmp_path / "run", "-o", tmp_path / "e.html").exit_code == 0
    content = content_of(tmp_path / "e.html")
    first, *others = content["command"].splitlines()
    assert first == (
        f"w2v-train {tmp_path / 'a.txt'} --min-count 1 --dim 4 --subsample 0.0 --epochs 2 "
        "--run-dir RUN_DIR"
    )
    assert others == [
        "w2v-train --resume RUN_DIR --epochs +1",
        f"w2v-train --resume RUN_DIR --add {tmp_path}/b.txt --add {tmp_path}/c.txt --epochs +2",
        "w2v-train --resume RUN_DIR --epochs +3",
        f"w2v-train --resume RUN_DIR --add {tmp_path}/a.txt --epochs +1",
    ]
    for line in (first, *others):
        run_train(*line.replace("RUN_DIR", "again").split()[1:], "-o", "e.vec")
    assert (tmp_path / "c.vec").read_bytes() == (tmp_path / "e.vec").read_bytes()
    training = content["training"]
    assert [epoch[0] for epoch in training["epochs"]] == list(range(1, 10))
    places = [epoch[1] for epoch in training["epochs"]]
    assert places == sorted(places)
    assert len(set(places)) == 9
    assert training["tokens"] == sorted(training["tokens"])
    assert [part[1] for part in training["parts"]] == [3, 8]
    assert training["parts"][0][0] == places[2] == 3 * 440
    assert [rows[4][0] for rows in content["texts"]] == [440, 440, 440]
    assert ["epochs", "2 + 1 + 2 + 3 + 1", False] in content["settings"]
    save_report(tmp_path / "run", tmp_path / "f.html")
    text = content_of(tmp_path / "f.html")["command"]
    assert text.splitlines()[2] == (
        f"resume(run_dir, add=['{tmp_path}/b.txt', '{tmp_path}/c.txt'], more_epochs=2)"
    )
    # As an older version left it, which did not keep what the parts before were.
    with RunFolder.open(tmp_path / "run") as folder:
        folder.change_settings(parts=[])
    assert Subject.of(tmp_path / "run").parts == []
    save_report(tmp_path / "run", tmp_path / "f.html")
    assert content_of(tmp_path / "f.html")["command"] == ""
    with RunFolder.open(tmp_path / "run") as folder:
        folder.change_settings(parts=[{"epochs": [0], "n_paths": 1, "n_words": 1, "n_tokens": 1}])
    with pytest.raises(FormatError, match="its settings tell no parts of a run in 'parts'"):
        Subject.of(tmp_path / "run")


def test_the_command_names_what_a_run_started_from(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    settings = {"dim": 4, "epochs": 1, "min_count": 1, "progress": False}
    init = Vectors(["river", "sea"], np.ones((2, 4)))
    train(tmp_path / "a.txt", init=init, freeze=["sea"], run_dir=tmp_path / "run", **settings)
    assert run(tmp_path / "run", "-o", tmp_path / "a.html").exit_code == 0
    command = content_of(tmp_path / "a.html")["command"]
    assert command.endswith("--dim 4 --epochs 1 --init VECTORS --freeze FILE")
    save_report(tmp_path / "run", tmp_path / "a.html")
    command = content_of(tmp_path / "a.html")["command"]
    assert command.endswith(", epochs=1, init=vectors, freeze=words)")


def test_the_command_names_texts_without_a_file_and_fields_with_a_dash():
    vectors = Vectors(["river", "sea"], np.ones((2, 4)))
    settings = settings_from({"format": "csv", "field": "-x y"}).as_dict()
    subject = Subject("run", vectors, settings=settings, parts=[Part(["-", "-a"])])
    assert train_command(subject) == "w2v-train - ./-a --format csv --field '-x y'"


def test_the_command_leaves_a_name_for_sentences(tmp_path):
    settings = {"dim": 4, "epochs": 1, "min_count": 1, "progress": False}
    train([line.split() for line in TEXT.splitlines()], run_dir=tmp_path / "run", **settings)
    resume(tmp_path / "run", add=[["river", "sea"]], more_epochs=1, progress=False)
    subject = Subject.of(tmp_path / "run")
    first, added = train_command(subject).splitlines()
    assert first.startswith("w2v-train CORPUS --")
    assert added == "w2v-train --resume RUN_DIR --add CORPUS --epochs +1"
    first, added = calls(subject).splitlines()
    assert first.startswith("train(corpus, ")
    assert added == "resume(run_dir, add=corpus, more_epochs=1)"


def test_a_report_that_cannot_be_written_is_refused_before_training(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT)
    train = [sys.executable, "-m", "w2v_sparseadam.commands.train", "a.txt"]
    done = subprocess.run(
        [*train, "--report", "a.pdf"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == "Error: a.pdf: a report must end in .html, not in '.pdf'\n"


def test_the_subject_may_be_the_folder_of_a_run_alone(tmp_path):
    with pytest.raises(FormatError, match="is a folder without a run"):
        Subject.of(tmp_path)

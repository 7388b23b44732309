"""Phrases: against ten lines of plain Python, and against gensim's Phrases."""

import subprocess
import sys
from collections import Counter
from itertools import pairwise
from math import log

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text import pairs, phrases
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.phrases import join_phrases
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig


def reference(lines, config, min_count):
    """Joined lines and {(pass, phrase): [(count, score), ...]}, from the equations."""
    found = {}
    for number in range(1, config.passes + 1):
        n = Counter(word for line in lines for word in line)
        pairs = Counter(pair for line in lines for pair in pairwise(line))
        total = n.total()
        scores = {}
        for (a, b), count in pairs.items():
            if config.score == "npmi":
                score = log(count * total / (n[a] * n[b])) / -log(count / total)
            else:
                score = (count - min_count) * total / (n[a] * n[b])
            # Clear of the threshold, so that no rounding decides.
            if count >= min_count and score > config.lowest_score + 1e-9:
                scores[a, b] = score
                found.setdefault((number, f"{a}_{b}"), []).append((count, score))
        lines = [join_line(line, scores) for line in lines]
    return lines, found


def join_line(line, pairs):
    joined, line = [], list(line)
    while line:
        pair = tuple(line[:2])
        joined.append("_".join(pair) if pair in pairs else line[0])
        del line[: 2 if pair in pairs else 1]
    return joined


def ids_of(lines):
    """Words, counts and word ids of lines that are not empty."""
    counts = Counter(word for line in lines for word in line)
    place = {word: number for number, word in enumerate(counts)}
    word_ids = [number for line in lines for number in [*map(place.get, line), -1]]
    return list(counts), np.array([*counts.values()]), np.array(word_ids, np.int32)


def join(lines, config, min_count, **kwargs):
    words, counts, word_ids = ids_of(lines)

    def save(blocks):
        return np.concatenate([block.copy() for block in blocks])

    word_ids.flags.writeable = False
    return join_phrases(word_ids, words, counts, config, min_count=min_count, save=save, **kwargs)


def lines_of(result):
    words = [*result.words, "\n"]
    text = " ".join(words[word_id] for word_id in result.word_ids)
    return [line.split() for line in text.split("\n")][:-1]


def check(lines, config, min_count):
    result = join(lines, config, min_count)
    expected_lines, expected = reference(lines, config, min_count)
    found = {}
    for phrase in result.phrases:
        pair = (phrase.pair_count, phrase.score)
        found.setdefault((phrase.pass_number, phrase.text), []).append(pair)
    assert found.keys() == expected.keys()
    for key, scored in found.items():
        assert np.array(sorted(scored)) == pytest.approx(np.array(sorted(expected[key])))
    assert lines_of(result) == expected_lines
    counts = Counter(word for line in expected_lines for word in line)
    assert len(set(result.words)) == len(result.words)
    assert dict(zip(result.words, result.counts.tolist(), strict=True)) | counts == {
        word: counts[word] for word in result.words
    }
    return result


lines_of_words = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d", "e", "a_b", "b_c"]), min_size=1, max_size=12),
    min_size=1,
    max_size=12,
)
phrase_configs = st.builds(
    PhraseConfig,
    passes=st.integers(1, 3),
    score=st.just("word2phrase"),
    threshold=st.sampled_from([0.13, 0.57, 1.31]),
) | st.builds(
    PhraseConfig,
    passes=st.integers(1, 3),
    score=st.just("npmi"),
    threshold=st.sampled_from([-1, 0.031, 0.53]),
)


@given(lines_of_words, phrase_configs, st.integers(1, 4))
def test_matches_plain_python(lines, config, min_count):
    check(lines, config, min_count)


@given(lines_of_words, phrase_configs, st.integers(1, 64), st.integers(0, 3))
def test_neither_blocks_nor_the_size_of_the_table_change_anything(lines, config, block, log_slots):
    """The smallest table holds one pair, and the text is gone through once for each."""
    expected = join(lines, config, 1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (pairs, phrases):
            patch.setattr(module, "BLOCK_IDS", block)
        patch.setattr(pairs, "_MIN_SLOTS", 2)
        patch.setattr(pairs, "_MAX_SLOTS", 2 << log_slots)
        result = join(lines, config, 1)
    assert lines_of(result) == lines_of(expected)
    assert result.phrases == expected.phrases


def test_by_hand():
    """Of 10 tokens, 3 are a, 3 b, and both are neighbours 3 times: (3 − 1) · 10 / (3 · 3) = 20/9.

    b c is a pair, too: (2 − 1) · 10 / (3 · 2) = 5/3, but comes after a b wherever it occurs. In the
    second pass, 7 tokens are left: a_b c has (2 − 1) · 7 / (3 · 2) = 7/6.
    """
    lines = [["a", "b", "c"], ["a", "b", "c"], ["a", "b", "x", "y"]]
    config = PhraseConfig(passes=2, threshold=1.1)
    result = join(lines, config, 1)
    assert result.phrases == [
        ("a_b", 3, pytest.approx(20 / 9), 1),
        ("b_c", 2, pytest.approx(5 / 3), 1),
        ("a_b_c", 2, pytest.approx(7 / 6), 2),
    ]
    assert lines_of(result) == [["a_b_c"], ["a_b_c"], ["a_b", "x", "y"]]
    assert dict(zip(result.words, result.counts.tolist(), strict=True)) == {
        "a": 0,
        "b": 0,
        "c": 0,
        "x": 1,
        "y": 1,
        "a_b": 1,
        "b_c": 0,
        "a_b_c": 2,
    }


def test_phrases_that_spell_the_same_are_one_word():
    """a_b c and a b_c; and a_b was a word before."""
    result = join([["a_b", "c"], ["a", "b_c"], ["a", "b"]], PhraseConfig(threshold=0.1), 0)
    assert lines_of(result) == [["a_b_c"], ["a_b_c"], ["a_b"]]
    assert result.words == ["a_b", "c", "a", "b_c", "b", "a_b_c"]
    assert result.counts.tolist() == [1, 0, 0, 0, 0, 2]
    assert [phrase.text for phrase in result.phrases] == ["a_b_c", "a_b", "a_b_c"]


def zipf_lines(seed, n_lines):
    """Lines with many chance neighbours, and words that like to follow their number's half."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n_lines):
        numbers = np.minimum(rng.zipf(1.5, 20), 60)
        follows = rng.random(20) < 0.3
        for place in range(1, 20):
            if follows[place]:
                numbers[place] = numbers[place - 1] // 2
        lines.append([f"w{number}" for number in numbers])
    return lines


def times_tokens(worda_count, wordb_count, bigram_count, len_vocab, min_count, corpus_word_count):
    """word2phrase's score for gensim, whose own has len_vocab in the place of the tokens."""
    return (bigram_count - min_count) / worda_count / wordb_count * corpus_word_count


GENSIM_SCORES = [("word2phrase", times_tokens, 2.1), ("npmi", "npmi", 0.21)]


@pytest.mark.parametrize(("score", "scoring", "threshold"), GENSIM_SCORES)
@pytest.mark.parametrize("seed", [1, 2])
def test_gensim_finds_the_same_phrases_with_the_same_scores(score, scoring, threshold, seed):
    models = pytest.importorskip("gensim.models")
    theirs = zipf_lines(seed, 300)
    result = join(theirs, PhraseConfig(passes=2, score=score, threshold=threshold), 3)
    for number in (1, 2):
        # gensim confuses a pair with a word that spells the same, hence a delimiter of its own.
        delimiter = "+" * number
        model = models.Phrases(
            theirs, min_count=3, threshold=threshold, scoring=scoring, delimiter=delimiter
        )
        expected = sorted((plain(text), s) for text, s in model.export_phrases().items())
        found = sorted((p.text, p.score) for p in result.phrases if p.pass_number == number)
        assert len(found) > 5
        assert [text for text, _ in found] == [text for text, _ in expected]
        assert [s for _, s in found] == pytest.approx([s for _, s in expected], rel=1e-12)
        theirs = list(model[theirs])
    assert [[plain(word) for word in line] for line in theirs] == lines_of(result)


def plain(text):
    return text.replace("++", "_").replace("+", "_")


def test_gensim_finds_the_same_phrases_by_its_own_scale():
    """Its default score counts distinct words and pairs where word2phrase's counts tokens."""
    models = pytest.importorskip("gensim.models")
    lines = zipf_lines(3, 300)
    model = models.Phrases(lines, min_count=3, threshold=1.1)
    n_tokens, n_entries = sum(map(len, lines)), len(model.vocab)
    result = join(lines, PhraseConfig(threshold=1.1 * n_tokens / n_entries), 3)
    expected = {k: v * n_tokens / n_entries for k, v in model.export_phrases().items()}
    assert len(expected) > 10
    assert {p.text: p.score for p in result.phrases} == pytest.approx(expected)
    assert list(model[lines]) == lines_of(result)


def read(directory, text, **settings):
    path = directory / "text.txt"
    path.write_text(text)
    return read_corpus([path], TextConfig(**{"min_count": 1, **settings}))


TEXT = "the New York mayor\nNew York is new in New York\nhe is\n"


def test_a_corpus_with_phrases(tmp_path):
    """Of 13 tokens, new (4 times) and york (3) are neighbours 3 times: 2 · 13 / 12 = 2.17."""
    phrases = PhraseConfig(threshold=2, min_count=1)
    with read(tmp_path, TEXT, phrases=phrases) as corpus:
        words = corpus.vocabulary.words
        assert words == ["new_york", "is", "he", "in", "mayor", "new", "the"]
        assert corpus.vocabulary.counts.tolist() == [3, 2, 1, 1, 1, 1, 1]
        assert " ".join(words[i] if i >= 0 else "|" for i in corpus.word_ids) == (
            "the new_york mayor | new_york is new in new_york | he is |"
        )
        assert corpus.phrases == [("new_york", 3, pytest.approx(26 / 12), 1)]
        assert sorted(corpus.distinct_counts.tolist()) == [1, 1, 1, 1, 1, 2, 3]
        report = corpus.report
    assert (report.n_tokens, report.n_distinct_words, report.n_joined_tokens) == (13, 7, 3)
    assert (report.n_phrases, report.n_words, report.n_kept_tokens) == (1, 7, 10)


def test_the_seed_of_the_hash_changes_nothing(tmp_path, monkeypatch):
    text = "".join(" ".join(line) + "\n" for line in zipf_lines(4, 60))
    found = []
    for seed in (1, 2):
        monkeypatch.setattr(pairs, "_SEED", np.uint64(seed))
        config = PhraseConfig(passes=2, threshold=1, min_count=2)
        with read(tmp_path, text, phrases=config) as corpus:
            words = corpus.vocabulary.words
            found.append((corpus.phrases, words, corpus.word_ids.tolist()))
    assert len(found[0][0]) > 20
    assert found[0] == found[1]


def test_rare_words_are_left_out_after_phrases_are_joined(tmp_path):
    """So mayor keeps york and is from being neighbours, and york alone is no longer frequent."""
    phrases = PhraseConfig(threshold=2, min_count=1)
    with read(tmp_path, TEXT, phrases=phrases, min_count=2) as corpus:
        assert corpus.vocabulary.words == ["new_york", "is"]
        assert corpus.word_ids.tolist() == [0, -1, 0, 1, 0, -1, 1, -1]
        report = corpus.report
    assert (report.n_kept_tokens, report.n_joined_tokens, report.n_below_min_count) == (5, 3, 5)
    with read(tmp_path, TEXT, phrases=phrases, max_vocab=3) as corpus:
        assert corpus.vocabulary.words == ["new_york", "is", "he"]
        assert corpus.report.n_beyond_max_vocab == 4


def test_nothing_to_join(tmp_path):
    with read(tmp_path, TEXT, phrases=PhraseConfig(passes=3)) as corpus:
        joined = corpus.vocabulary.words, corpus.word_ids.tolist()
        assert corpus.phrases == []
        assert corpus.report.n_joined_tokens == 0
    with read(tmp_path, TEXT) as corpus:
        assert joined == (corpus.vocabulary.words, corpus.word_ids.tolist())
    with pytest.raises(TextError, match=r"no words in it$"):
        read(tmp_path, " \n", phrases=PhraseConfig())


@pytest.mark.parametrize(
    ("min_count", "given", "resolved"), [(1, None, 5), (7, None, 7), (7, 2, 2), (1, 9, 9)]
)
def test_pairs_must_be_as_frequent_as_words_at_least(min_count, given, resolved):
    config = TextConfig(min_count=min_count, phrases=PhraseConfig(min_count=given))
    assert config.phrase_min_count == resolved


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"passes": 0}, "passes is 0, but must be a whole number from 1 to 1,000,000,000,000"),
        ({"score": "pmi"}, "score is 'pmi', but must be one of 'word2phrase', 'npmi'"),
        (
            {"threshold": 0},
            "threshold is 0.0, but must be a number above 0 with score 'word2phrase'",
        ),
        (
            {"threshold": float("nan")},
            "threshold is nan, but must be a number",
        ),
        (
            {"score": "npmi", "threshold": 1.5},
            "threshold is 1.5, but must be a number from -1 to 1 with score 'npmi'",
        ),
        (
            {"min_count": 0},
            "min_count is 0, but must be a whole number from 1 to 1,000,000,000,000",
        ),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(SettingError) as caught:
        PhraseConfig(**settings)
    assert str(caught.value) == message


def test_phrases_must_be_a_config():
    with pytest.raises(SettingError) as caught:
        TextConfig(phrases=2)
    assert str(caught.value) == "phrases must be a PhraseConfig or None, got 2"


def test_progress_ends_with_the_whole(tmp_path):
    """Each pass goes through the text twice; the second has nothing to join, and ends the first."""
    calls = []
    lines = [["a", "b", "c"]] * 4
    join(lines, PhraseConfig(threshold=1), 1, on_progress=lambda *call: calls.append(call))
    assert calls == [(16, 32), (32, 32)]


ADDED = """
import sys
from numba.core.dispatcher import Dispatcher
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.text import compilation, corpus, pairs, phrases, words
from w2v_sparseadam.text.types import hash_table, scanner, type_table, word_id_map

def compiled():
    return {
        (name, str(signature))
        for module in (pairs, words, hash_table, scanner, type_table, word_id_map)
        for name, kernel in vars(module).items() if isinstance(kernel, Dispatcher)
        for signature in kernel.signatures
    }

compilation.compile_kernels()
phrases.compile_phrase_kernels()
before = compiled()
pairs._MIN_SLOTS, pairs._MAX_SLOTS = 2, 4
config = TextConfig(min_count=1, phrases=PhraseConfig(2, threshold=0.1, min_count=1))
report = corpus.read_corpus([sys.argv[1]], config).report
print(report.n_phrases > 1, sorted(compiled() - before))
"""


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_nothing_is_compiled_while_the_clock_runs(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("a b c d\n" * 9)
    command = [sys.executable, "-c", ADDED, path]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "True []\n"

"""The sample corpus: reproducible, clean, and true to the facts it is made of."""

import re
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "make_sample_corpus.py"
DATA = ROOT / "data"
FILES = ["sample.txt", "sample-analogies.txt", "sample-classes.tsv", "sample-similarity.tsv"]


@pytest.fixture(scope="module")
def script():
    return runpy.run_path(str(SCRIPT))


@pytest.fixture(scope="module")
def topics(script):
    return {path.stem: script["read_topic"](path) for path in script["TOPIC_DIR"].glob("*.txt")}


@pytest.fixture(scope="module")
def corpus():
    return (DATA / "sample.txt").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def classes():
    lines = (DATA / "sample-classes.tsv").read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t") for line in lines)


def test_script_writes_the_files_in_data_byte_for_byte(tmp_path):
    subprocess.run([sys.executable, str(SCRIPT), "--output", str(tmp_path)], check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_data_stays_below_three_megabytes():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 3_000_000


def test_every_name_in_braces_is_defined_once_and_used(topics):
    defined = Counter()
    used = set()
    for topic in topics.values():
        columns = list(topic.rows[0]) if topic.rows else []
        defined.update([*columns, *topic.rules])
        cells = [cell for row in topic.rows for cell in row.values()]
        for text in [*cells, *topic.rules.values(), *topic.frames]:
            used.update(re.findall(r"\{([a-z]+)2?\}", text))
    assert set(defined) == used
    assert set(defined.values()) == {1}


def test_shuffled_keeps_every_item_and_depends_on_the_seed_only(script):
    items = list(range(50))
    first, again, other = (script["Dice"](seed).shuffled(items) for seed in (1, 1, 2))
    assert sorted(first) == items
    assert first == again
    assert first != other
    assert first != items


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("a [owl] met a eagle.", "An owl met an eagle."),
        ("a Armenian [] paid a euro , a one-off .", "An Armenian paid a euro, a one-off."),
        ('"a heir?" a unit, a hour. a university!', '"An heir?" a unit, an hour. A university!'),
        ("it rained. {he} left.", "It rained. She left."),
    ],
)
def test_paragraphs_are_spelled_properly(script, text, spelled):
    topic = script["Topic"](settings={"sentences": "1"}, rules={"he": "[she]"}, frames=[text] * 3)
    composer = script["Composer"]([topic], script["Dice"](1))
    (paragraph,) = composer.paragraphs(topic)
    assert paragraph.startswith(spelled)


def test_columns_of_a_table_speak_of_one_row_and_a_two_of_another(script):
    rows = [{"city": f"C{i}", "land": f"L{i}"} for i in range(3)]
    frame = "{land} {land2} {city} {city2}"
    topic = script["Topic"](settings={"sentences": "4"}, rows=rows, frames=[frame] * 3)
    composer = script["Composer"]([topic], script["Dice"](1))
    for paragraph in composer.paragraphs(topic):
        land, land2, city, city2 = paragraph.split()[:4]
        assert (city[1], city2[1]) == (land[1], land2[1])
        assert land != land2


def test_no_paragraph_has_a_slip_of_the_pen(corpus):
    for number, line in enumerate(corpus.splitlines(), start=1):
        slip = re.search(r"[][{}|/_]|  | [.,;:!?]|\b(\w+) \1\b", line)
        wrong_article = re.search(r"\b[Aa] [aeioAEIO](?!uro)|\b[Aa]n [^aeiouAEIOh]", line)
        complete = bool(re.fullmatch(r'"?[A-Z].*[.!?]"?', line))
        assert (complete, slip, wrong_article) == (True, None, None), f"line {number}: {line}"
    assert corpus.endswith("\n")
    assert "\r" not in corpus


def test_every_planted_word_is_frequent_and_has_one_class(topics, classes, corpus):
    planted = [
        (row[column].lower(), column)
        for topic in topics.values()
        for column in topic.planted
        for row in topic.rows
    ]
    assert dict(planted) == classes
    assert len(set(planted)) == len(classes)
    counts = Counter(re.findall(r"\w+", corpus.lower()))
    rarest = min(classes, key=counts.__getitem__)
    assert counts[rarest] >= 50, rarest


def test_what_the_corpus_says_of_countries_is_in_the_table(topics, corpus):
    rows = topics["countries"].rows
    capital_of = {row["capital"]: row["country"] for row in rows}
    language_in = {row["country"]: row["language"] for row in rows}
    capitals = re.findall(r"(\w+) is the capital of (\w+)", corpus)
    languages = re.findall(r"In (\w+) people speak (\w+)", corpus)
    assert dict(capitals) == capital_of
    assert dict(languages) == language_in
    assert set(capitals) == set(capital_of.items())
    assert set(languages) == set(language_in.items())


def test_analogies_ask_about_planted_pairs_with_one_answer(topics, classes):
    row_of = {
        (column, row[column].lower()): (name, number)
        for name, topic in topics.items()
        for column in topic.planted
        for number, row in enumerate(topic.rows)
    }
    n_rows = Counter(
        row[column].lower()
        for topic in topics.values()
        for column in topic.planted
        for row in topic.rows
    )
    sections = (DATA / "sample-analogies.txt").read_text(encoding="utf-8").split(": ")[1:]
    assert len(sections) == 18
    for section in sections:
        name, *questions = section.splitlines()
        left, right = name.split("-")
        assert len(set(questions)) == len(questions) >= 90
        for question in questions:
            a, b, c, d = words = question.split(" ")
            assert len(set(words)) == 4
            assert [classes[word] for word in words] == [left, right, left, right]
            assert row_of[left, a] == row_of[right, b]
            assert row_of[left, c] == row_of[right, d]
            assert {n_rows[word] for word in words} == {1}


def test_similarity_scores_follow_the_planted_structure(topics, classes):
    topic_of = {column: name for name, topic in topics.items() for column in topic.planted}
    rows = {
        frozenset((row[one].lower(), row[other].lower()))
        for topic in topics.values()
        for one in topic.planted
        for other in topic.planted
        for row in topic.rows
    }
    n_pairs = Counter()
    for line in (DATA / "sample-similarity.tsv").read_text(encoding="utf-8").splitlines():
        first, second, score = line.split("\t")
        if classes[first] == classes[second]:
            expected = "9"
        elif topic_of[classes[first]] != topic_of[classes[second]]:
            expected = "0"
        else:
            expected = "6" if frozenset((first, second)) in rows else "3"
        assert score == expected, line
        n_pairs[score] += 1
    assert n_pairs == {"9": 75, "6": 75, "3": 75, "0": 75}

"""Write the sample corpus of ``data/`` from the facts and frames in ``scripts/sample_corpus/``.

    python scripts/make_sample_corpus.py [--output DIR]

The same bytes on every platform and every Python from 3.11 on. ``data/README.md`` says what is
written; here is how a topic file is read.

- ``name = value`` lines come first: ``sentences`` to write per row of the table, ``planted``
  columns (the classes of words that vectors should find) and ``analogies`` between them.
- ``== table``: a header of column names, then one fact a row, cells divided by ``|``.
- ``== rules``: ``name: text``, a named piece of text.
- ``== frames``: one sentence, or a few that belong together, a line.

In every text ``[this/that/]`` picks one of its alternatives (the last one here is empty), and
``{name}`` stands for a rule or a column of any topic. Within a paragraph the columns of a table
all speak of one row; ``{name2}`` speaks of another. Braces are filled from the inside out, so
``{{sex}}`` is first ``{male}`` or ``{female}``.
"""

import argparse
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TypeVar

SEED = 2013
TOPIC_DIR = Path(__file__).resolve().parent / "sample_corpus"
DATA_DIR = Path(__file__).resolve().parent.parent / "data"
QUESTIONS_PER_SECTION = 300
PAIRS_PER_SCORE = 75

_INNERMOST = re.compile(r"\{([a-z]+)(2?)\}|\[([^][{}]*)\]")
_EMPTY_SPACE = re.compile(r" +(?=[ .,;:!?]|$)|^ +")
_SENTENCE_START = re.compile(r"(?:^|(?<=[.!?] ))\"?[^\W\d_]")
_BARE_A = re.compile(r"\b([Aa])(?= (?:[aeioAEIO](?!uro|ne\b)|u(?:n[^i]|[^ns])|h(?:eir|our)))")

T = TypeVar("T")
Row = dict[str, str]


@dataclass
class Topic:
    """One file of ``sample_corpus/``."""

    settings: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    rules: dict[str, str] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)

    @property
    def planted(self) -> list[str]:
        """Columns whose words form a class."""
        return self.settings.get("planted", "").split()


class Dice:
    """Random picks built on ``random()``, whose sequence Python promises never to change."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed).random

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items, all equally likely."""
        return items[int(self._random() * len(items))]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in random order (Fisher and Yates)."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = int(self._random() * (last + 1))
            deck[last], deck[other] = deck[other], deck[last]
        return deck


def read_topic(path: Path) -> Topic:
    """Read a topic file, laid out as the module's docstring says."""
    topic = Topic()
    section = "settings"
    columns: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("== "):
            section = line.removeprefix("== ")
        elif section == "settings":
            name, value = line.split(" = ")
            topic.settings[name] = value
        elif section == "rules":
            name, text = line.split(": ", 1)
            topic.rules[name] = text
        elif section == "frames":
            topic.frames.append(line)
        else:
            cells = [cell.strip() for cell in line.split("|")]
            if not columns:
                columns = cells
            else:
                topic.rows.append(dict(zip(columns, cells, strict=True)))
    return topic


class Composer:
    """Turns frames into paragraphs."""

    def __init__(self, topics: Sequence[Topic], dice: Dice) -> None:
        self._dice = dice
        self._rules = {name: text for topic in topics for name, text in topic.rules.items()}
        self._rows = {column: topic.rows for topic in topics for column in (topic.rows or [{}])[0]}

    def paragraphs(self, topic: Topic) -> Iterator[str]:
        """Yield paragraphs of one to three frames, using a row's frames equally often."""
        for row in topic.rows or [{}]:
            deck: list[str] = []
            n_written, n_wanted = 0, int(topic.settings["sentences"])
            while n_written < n_wanted:
                length = self._dice.pick([1, 1, 2, 2, 3])
                if len(deck) < length:
                    deck = self._dice.shuffled(topic.frames)
                yield self._compose(" ".join(deck.pop() for _ in range(length)), topic, row)
                n_written += length

    def _compose(self, text: str, topic: Topic, row: Row) -> str:
        """Fill in a paragraph that speaks of the given row, then spell it properly."""
        speaking_of = {(id(topic.rows), ""): row}
        while match := _INNERMOST.search(text):
            name, other, alternatives = match.groups()
            if name is None:
                filling = self._dice.pick(alternatives.split("/"))
            elif name in self._rules:
                filling = self._rules[name]
            else:
                filling = self._bind(speaking_of, self._rows[name], other)[name]
            text = text[: match.start()] + filling + text[match.end() :]
        text = _EMPTY_SPACE.sub("", text)
        text = _BARE_A.sub(r"\1n", text)
        return _SENTENCE_START.sub(lambda start: start.group().upper(), text)

    def _bind(self, speaking_of: dict[tuple[int, str], Row], rows: list[Row], other: str) -> Row:
        """Return the row a table speaks of, chosen at its first mention."""
        key = (id(rows), other)
        if key not in speaking_of:
            taken = [row for (table, _), row in speaking_of.items() if table == id(rows)]
            speaking_of[key] = self._dice.pick([row for row in rows if row not in taken])
        return speaking_of[key]


def planted_classes(topics: Sequence[Topic]) -> dict[str, str]:
    """Map every planted word, in lower case, to its class: the name of its column."""
    return {
        row[column].lower(): column
        for topic in topics
        for column in topic.planted
        for row in topic.rows
    }


def analogy_questions(topics: Sequence[Topic], dice: Dice) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's name and its questions, a seeded choice of all ordered pairs."""
    for topic in topics:
        for relation in topic.settings.get("analogies", "").split():
            left, right = relation.split(":")
            # A word that two rows share (the euro) would make a question with two right answers.
            pairs = [
                f"{row[left]} {row[right]}".lower()
                for row in topic.rows
                if all(sum(row[c] == o[c] for o in topic.rows) == 1 for c in (left, right))
            ]
            questions = [f"{a} {b}" for a in pairs for b in pairs if a != b]
            yield f"{left}-{right}", dice.shuffled(questions)[:QUESTIONS_PER_SECTION]


def similarity_pairs(topics: Sequence[Topic], dice: Dice) -> list[tuple[str, str, int]]:
    """Return pairs of planted words scored by how much they share, equally many of each score.

    9: same class. 6: same row of a table, another class. 3: same topic only. 0: nothing.
    """
    rows_of: dict[tuple[str, int, str], set[int]] = {}
    for topic_number, topic in enumerate(topics):
        for column in topic.planted:
            for row_number, row in enumerate(topic.rows):
                key = (row[column].lower(), topic_number, column)
                rows_of.setdefault(key, set()).add(row_number)
    by_score: dict[int, list[tuple[str, str, int]]] = {9: [], 6: [], 3: [], 0: []}
    for (one, rows), (two, other_rows) in combinations(rows_of.items(), 2):
        word, topic_number, column = one
        other, other_topic, other_column = two
        if column == other_column:
            score = 9
        elif topic_number != other_topic:
            score = 0
        else:
            score = 6 if rows & other_rows else 3
        by_score[score].append((word, other, score))
    chosen = [
        pair for pairs in by_score.values() for pair in dice.shuffled(pairs)[:PAIRS_PER_SCORE]
    ]
    return dice.shuffled(chosen)


def write_sample(directory: Path) -> None:
    """Write the corpus and the three files of planted truth into a directory."""
    topics = [read_topic(path) for path in sorted(TOPIC_DIR.glob("*.txt"))]
    dice = Dice(SEED)
    composer = Composer(topics, dice)
    lines = [line for topic in topics if topic.frames for line in composer.paragraphs(topic)]
    questions: list[str] = []
    for section, section_questions in analogy_questions(topics, dice):
        questions += [f": {section}", *section_questions]
    contents = {
        "sample.txt": dice.shuffled(lines),
        "sample-classes.tsv": [f"{w}\t{c}" for w, c in planted_classes(topics).items()],
        "sample-analogies.txt": questions,
        "sample-similarity.tsv": [f"{a}\t{b}\t{s}" for a, b, s in similarity_pairs(topics, dice)],
    }
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes("".join(f"{line}\n" for line in content).encode())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the sample corpus.")
    parser.add_argument("--output", type=Path, default=DATA_DIR, help="directory to write to")
    write_sample(parser.parse_args().output)


if __name__ == "__main__":
    main()

"""w2v-vocab: what it prints, writes and draws, and what it refuses."""

import gzip
import json
import os
import re
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands import reading, text_options
from w2v_sparseadam.commands import train as train_command
from w2v_sparseadam.commands import vocab as command
from w2v_sparseadam.report import plots
from w2v_sparseadam.text.phrases import Phrase
from w2v_sparseadam.text.reading_report import TextReport

# 12 times the, 10 New York, of which 9 in this order, 3 the rest, and 2 that occur once.
TEXT = (
    "the New York Times\n" * 3 + "the New York cat\n" * 6 + "the dog\n" * 3 + "New\nYork é 北京\n"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with text.txt."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


def run(*args, exit_code=0):
    result = CliRunner().invoke(command.main, ["text.txt", *args])
    assert result.exit_code == exit_code, result.output
    return result


def test_tables(folder):
    result = run("--min-count", "3", "-q", "--top", "4")
    assert result.stderr == ""
    assert result.stdout == (
        "min-count  words  tokens     kept\n"
        "        1      8      46  100.00%\n"
        "        2      6      44   95.65%\n"
        "        3      6      44   95.65%\n"
        "        5      4      38   82.61%\n"
        "       10      3      32   69.57%\n"
        "\n"
        "word  count  of tokens\n"
        "the      12     26.09%\n"
        "new      10     21.74%\n"
        "york     10     21.74%\n"
        "cat       6     13.04%\n"
    )


def test_the_vocabulary_to_standard_output_and_phrases_compressed(folder, capfdbinary):
    result = run("--min-count", "10", "-q", "-o", "-", "--phrases", "1", "--phrases-out", "p.gz")
    assert result.stdout == ""
    assert capfdbinary.readouterr().out == b"the 12\nnew 10\nyork 10\n"
    phrases = gzip.decompress(Path("p.gz").read_bytes())
    assert phrases.startswith(b"phrase\tcount\tscore\tpass\n")


def test_runs_without_white_space_that_are_dropped_are_told(folder):
    result = run("--min-count", "10", "--max-token-bytes", "3", "--top", "1", "--json")
    assert "Dropped strings longer than --max-token-bytes: 14.\n" in result.stderr
    assert json.loads(result.stdout.splitlines()[0])["long_tokens"] == 14


def test_records_that_are_read_as_lines_are_told_of(folder):
    for name in ("a.jsonl", "b.CSV"):
        Path(name).write_text("the cat\n")
    result = run("a.jsonl", "b.CSV", "--min-count", "1", "-q")
    assert result.stderr == (
        "Warning: a.jsonl and 1 more: read as plain lines, though the extension is that of "
        "records; give --format and --field to read one field of each record.\n"
    )
    Path("part-0").write_text('\n {"text": "the cat"}\n{"text": "the mat"}\n')
    Path("part-1").write_text('{"text": "the dog"}\n')
    assert run("part-0", "part-1", "--min-count", "1", "-q").stderr == (
        "Warning: part-0: read as plain lines, though it begins with a JSON object; give --format "
        "and --field to read one field of each record.\n"
    )
    result = CliRunner().invoke(
        command.main, ["part-0", "part-1", "--min-count", "1", "-q", "--format", "jsonl"]
    )
    assert (result.exit_code, result.stderr) == (0, "")
    Path("b.CSV").write_text("text\n" + "the cat\n" * 9)
    result = CliRunner().invoke(command.main, ["b.CSV", "--format", "csv", "-q"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_only_the_coverage(folder):
    assert run("--min-count", "4", "-q", "--top", "0").stdout == (
        "min-count  words  tokens     kept\n"
        "        1      8      46  100.00%\n"
        "        2      6      44   95.65%\n"
        "        3      6      44   95.65%\n"
        "        4      4      38   82.61%\n"
        "        5      4      38   82.61%\n"
        "       10      3      32   69.57%\n"
    )


def test_wide_words_and_those_that_drive_the_terminal(folder):
    Path("text.txt").write_text("北京 x\x1b[2J 北京", encoding="utf-8")
    stdout = run("--tokenizer", "whitespace", "--min-count", "1", "-q").stdout
    assert stdout.split("\n\n")[1] == (
        "word      count  of tokens\n北京          2     66.67%\nx\\x1b[2J      1     33.33%\n"
    )


def test_json(folder):
    text, *rest = map(json.loads, run("--min-count", "5", "-q", "--json").stdout.splitlines())
    assert text["kind"] == "text"
    names = {field.name.removeprefix("n_") for field in fields(TextReport)}
    assert text.keys() == names | {"kind", "mb_per_s"}
    assert (text["tokens"], text["words"], text["longest_line"]) == (46, 4, 4)
    rows = [row for row in rest if row["kind"] == "coverage"]
    assert [row["min_count"] for row in rows] == [1, 2, 3, 5, 10]
    assert rows[3] == {
        "kind": "coverage",
        "min_count": 5,
        "words": 4,
        "tokens": 38,
        "share": 38 / 46,
    }
    words = [{"kind": "word", "word": word, "count": n} for word, n in COUNTS.items() if n >= 5]
    assert rest[len(rows) :] == words


COUNTS = {"the": 12, "new": 10, "york": 10, "cat": 6, "dog": 3, "times": 3, "é": 1, "北京": 1}


def test_the_whole_vocabulary_goes_to_a_file(folder):
    run("--min-count", "1", "--top", "1", "-o", "v.txt")
    lines = Path("v.txt").read_text(encoding="utf-8").splitlines()
    assert lines == [f"{word} {count}" for word, count in COUNTS.items()]
    run("--min-count", "3", "--max-vocab", "5", "-o", "v.txt")
    assert Path("v.txt").read_text().splitlines() == lines[:5]


def test_what_is_said_of_reading_and_phrases(folder):
    """New York: (9 − 2) · 46 / (10 · 10) = 3.22."""
    args = ["--phrases", "2", "--phrase-threshold", "3.1", "--phrase-min-count", "2"]
    result = run(*args, "--phrases-out", "p.tsv", "--min-count", "2", "--max-vocab", "4")
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Compiling")]
    assert re.fullmatch(r"Read 0\.0 MB from 1 source in \d+\.\d s, \d+ MB/s\.", lines[0])
    assert lines[1:] == [
        "  14          lines; the longest has 4 strings between white space",
        "  46          tokens; distinct words: 8",
        "   9   19.6%  joined to the previous word; phrases: 1",
        "   4    8.7%  of words below --min-count",
        "   3    6.5%  of words beyond --max-vocab",
        "  30   65.2%  kept; distinct words: 4",
        "Phrases of pass 1: 1; the most frequent, with count and score:",
        "  new_york          9         3.22",
    ]
    assert Path("p.tsv").read_text() == "phrase\tcount\tscore\tpass\nnew_york\t9\t3.22\t1\n"
    assert "new_york      9     24.32%\n" in result.stdout


def test_no_phrases_at_all(folder):
    result = run("--phrases", "1", "--phrases-out", "p.tsv")
    assert result.stderr.splitlines()[-1] == (
        "Found no phrases; a lower --phrase-threshold or --phrase-min-count finds more."
    )
    assert Path("p.tsv").read_text() == "phrase\tcount\tscore\tpass\n"


def test_the_most_frequent_phrases_of_each_pass_are_shown():
    phrases = [Phrase(f"a_{n}", n, 1234.5 / n, 1) for n in range(1, 8)] + [Phrase("北_京", 9, 2, 2)]
    assert list(reading._phrases_block(phrases)) == [
        "Phrases of pass 1: 7; the most frequent, with count and score:",
        "  a_7          7       176.36",
        "  a_6          6       205.75",
        "  a_5          5       246.90",
        "  a_4          4       308.62",
        "  a_3          3       411.50",
        "Phrases of pass 2: 1; the most frequent, with count and score:",
        "  北_京          9         2.00",
    ]


def test_what_is_said_of_odd_text(folder):
    Path("text.txt").write_bytes(b"caf\xe9 \xff a a\n")
    lines = run("--errors", "ignore", "--tokenizer", "whitespace", "--min-count", "1").stderr
    assert lines.splitlines()[-1] == "Bytes that are invalid in the encoding: 2."


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (["-o", "text.txt"], 2, "text.txt is a corpus file and would be overwritten; name another"),
        (["--plot", "./text.txt"], 2, "text.txt is a corpus file and would be overwritten"),
        (
            ["-o", "a", "--plot", "a"],
            2,
            "a cannot hold what both -o and --plot write; name another",
        ),
        (
            ["--phrase-score", "npmi"],
            2,
            "--phrase-score has no effect without phrases; add --phrases",
        ),
        (
            ["--phrases", "1", "--phrase-threshold", "0"],
            2,
            "--phrase-threshold is 0.0, but must be a number above 0 with score 'word2phrase'",
        ),
        (
            ["--phrases", "1", "--phrase-score", "npmi", "--phrase-threshold", "100"],
            2,
            "--phrase-threshold is 100.0, but must be a number from -1 to 1 with score 'npmi'",
        ),
        (["-o", "no/v.txt"], 1, "no/v.txt: the folder '"),
        (["--phrases", "1", "--phrases-out", "no/p.tsv"], 1, "no/p.tsv: the folder '"),
        (
            ["--plot", "z.pdf"],
            1,
            "z.pdf: a plot must end in one of .png, .svg, .html, not in '.pdf'",
        ),
        (
            ["--min-count", "20"],
            1,
            "text.txt: no word occurs 20 times or more (the commonest, 'the'",
        ),
    ],
)
def test_errors(folder, args, exit_code, message):
    result = run(*args, exit_code=exit_code)
    assert result.stdout == ""
    assert result.stderr.splitlines()[-1].startswith(f"Error: {message}")
    assert os.listdir() == ["text.txt"]


def test_a_plot_without_matplotlib(folder, monkeypatch):
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda _: None)
    assert run("--plot", "z.png", exit_code=1).stderr == (
        "Error: z.png: drawing needs matplotlib, which is not installed; "
        "pip install 'w2v-sparseadam[plot]'\n"
    )


def test_plots(folder):
    pytest.importorskip("matplotlib")
    pictures = {}
    for name in ("z.png", "z.svg", "z.html"):
        for min_count in ("1", "3"):
            run("--plot", name, "--min-count", min_count)
            pictures[name, min_count] = Path(name).read_bytes()
        run("--plot", name, "--min-count", "3")
        assert pictures[name, "3"] == Path(name).read_bytes()
        assert pictures[name, "3"] != pictures[name, "1"]
    assert pictures["z.png", "3"].startswith(b"\x89PNG")
    kept = "min-count 3 leaves 6 words, 95.7% of tokens"
    caption = "8 distinct words, 46 tokens"
    for name in ("z.svg", "z.html"):
        assert kept in pictures[name, "3"].decode()
        assert kept not in pictures[name, "1"].decode()
        assert caption in pictures[name, "3"].decode()
    assert "<title>w2v-vocab</title>" in pictures["z.html", "3"].decode()


def test_an_archive_that_is_no_text_is_refused_before_anything_is_read(folder, monkeypatch):
    Path("last.txt").write_bytes(b"PK\x03\x04")
    monkeypatch.setattr(command, "read_with_events", lambda *_, **__: pytest.fail("reading began"))
    result = run("last.txt", exit_code=1)
    assert "last.txt: is a zip archive" in result.stderr


def test_the_text_options_of_training(folder):
    """Both commands have all of them, and read as they say."""
    flags = {param.name for param in text_options.text_options(lambda: None).__click_params__}
    for main in (command.main, train_command.main):
        assert flags <= {param.name for param in main.params}
    words = run("--no-lowercase", "--min-count", "10", "--json", "-q").stdout.splitlines()[-3:]
    assert [json.loads(line)["word"] for line in words] == ["the", "New", "York"]


def test_help_in_sections(folder):
    page = CliRunner().invoke(command.main, ["--help-all"], terminal_width=80).output
    assert max(map(len, page.splitlines())) <= 80
    assert re.split(r"\n\n(\w+):\n", page)[1::2] == ["Text", "Phrases", "Output", "Other"]


def test_blas_starts_no_threads_for_what_needs_none(folder, monkeypatch):
    monkeypatch.setattr(os, "environ", {})
    run("--min-count", "1")
    assert os.environ["OPENBLAS_NUM_THREADS"] == "1"

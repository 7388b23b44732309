"""scripts/bench_peers.py: programs added by --peer; and the text of scripts/zipf_text.py."""

import argparse
import runpy
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
PEERS = runpy.run_path(str(SCRIPTS / "bench_peers.py"))
ZIPF = runpy.run_path(str(SCRIPTS / "zipf_text.py"))
ARGS = argparse.Namespace(
    epochs=2, threads=3, dim=10, window=5, negative=4, subsample=1e-3, min_count=1
)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("word2vec", r"--peer word2vec: write NAME='command with {corpus} {epochs}'"),
        ("=run {corpus} {epochs}", "--peer =run .*: write NAME="),
        ("gensim=run {corpus} {epochs}", "--peer gensim=.*: write NAME="),
        ("x=run '{corpus} {epochs}", r"--peer x: No closing quotation, in: run '\{corpus"),
        ("x=run {corpus {epochs}", "--peer x: .*, in: run {corpus {epochs}"),
        ("x=run {corpus} {epochs} {speed}", "--peer x: {speed} is not one of {corpus}, {epochs}, "),
        ("x=run {corpus} {}", "--peer x: {} is not one of {corpus}, {epochs}, "),
        ("x=run {epochs}", r"--peer x: {corpus} is missing$"),
        ("x=run {corpus}", r"--peer x: {epochs} is missing$"),
        ("x=no-such-program {corpus} {epochs}", "--peer x: there is no program no-such-program$"),
    ],
)
def test_a_bad_template_gets_one_line(template, message):
    with pytest.raises(SystemExit, match=message) as caught:
        PEERS["parse_peer"](template)
    assert "\n" not in str(caught.value)


def peer(code, *words):
    """Return name and words of a peer that is a line of Python."""
    template = f"peer={sys.executable} -c '{code}' " + " ".join(words)
    return PEERS["parse_peer"](template)


@pytest.fixture
def clock(monkeypatch):
    """Return a function that sets the readings of the clock."""

    def read(*seconds):
        readings = map(float, seconds)
        monkeypatch.setattr(PEERS["time"], "perf_counter", lambda: next(readings))

    return read


def test_a_peer_gets_what_its_template_names_and_no_shell(tmp_path, clock):
    clock(0, 5, 10, 18)
    names = "{corpus} {out} {epochs} {threads} {dim} {window} {negative} {subsample} {min_count}"
    code = 'import sys; open(sys.argv[2], "a").write(" ".join(sys.argv[1:]) + chr(10))'
    corpus = tmp_path / "a corpus.txt"
    times = PEERS["run_peer"](*peer(code, names, "'$HOME | *'"), ARGS, corpus)
    lines = Path(f"{corpus}.vec").read_text().splitlines()
    for line, epochs in zip(lines, (2, 4), strict=True):
        assert line == f"{corpus} {corpus}.vec {epochs} 3 10 5 4 0.001 1 $HOME | *"
    assert times.pop("memory") > 1  # megabytes
    assert times == {"command": 5, "training": 3}


def test_a_peer_that_fails_or_does_not_train_longer_is_named(tmp_path, clock):
    clock(0, 1, 2, 3, 4, 5)
    with pytest.raises(SystemExit, match=r"^peer failed with exit code 3$"):
        PEERS["run_peer"](*peer("exit(3)", "{corpus} {epochs}"), ARGS, tmp_path)
    clock(0, 5, 10, 15)
    message = r"^peer took 5\.0 s for 2 epochs and 5\.0 s for twice as many; raise --lines or --epo"
    with pytest.raises(SystemExit, match=message):
        PEERS["run_peer"](*peer("", "{corpus} {epochs}"), ARGS, tmp_path)


@pytest.mark.slow
def test_a_peer_stands_in_the_tables(tmp_path):
    corpus = tmp_path / "corpus.txt"
    ZIPF["write_text"](corpus, 100, 20_000)
    command = [sys.executable, str(SCRIPTS / "bench_peers.py"), str(corpus), "--peers"]
    command += ["w2v-sparseadam", "--rounds", "1", "--min-count", "1", "--dim", "16", "--busy"]
    code = "import sys, time; time.sleep(int(sys.argv[1]))"
    command += ["--peer", f"sleep={sys.executable} -c '{code}' {{epochs}} {{corpus}}"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    lines = printed.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:4]] == ["| w2v-sparseadam", "| sleep"]
    assert lines[5].startswith("| | alone, tokens/s | beside a busy process |")
    slower = float(lines[8].split(" | ")[3].split()[0])
    assert slower == pytest.approx(1, abs=0.3)  # sleeping is as fast beside a busy process


@pytest.mark.parametrize(("n_words", "n_tokens"), [(1, 7), (30, 3000), (1000, 1000), (800, 100)])
def test_generated_text_has_the_words_and_tokens_asked_for(tmp_path, n_words, n_tokens):
    path = tmp_path / "zipf.txt"
    ZIPF["write_text"](path, n_words, n_tokens)
    counts = Counter(path.read_text().split())
    assert counts.total() == n_tokens
    if n_tokens >= n_words:
        assert len(counts) == n_words
    if n_words == 30:
        # Of rank r: log((r + 1) / r) / log(31) of what is drawn, and one more.
        ranked = [n for _, n in counts.most_common(2)]
        assert ranked == pytest.approx([600, 351], rel=0.1)

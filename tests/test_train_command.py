"""w2v-train: what it writes and says, what it refuses, and how it stops."""

import contextlib
import gzip
import io
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numba import config

import w2v_sparseadam
from w2v_sparseadam import Vectors, __version__
from w2v_sparseadam.commands import reading
from w2v_sparseadam.commands import train as command
from w2v_sparseadam.commands.default_output import named_after
from w2v_sparseadam.commands.report import TrainReport
from w2v_sparseadam.errors import SettingError
from w2v_sparseadam.events import Compiling
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.system import machine
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.training.settings import RunConfig

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and terminals")

SMALL = ["--dim", "3", "--batch-size", "32", "--min-count", "1", "--subsample", "0"]
SMALL += ["--epochs", "1", "--threads", "1"]


def write_text(path, n_lines):
    rng = np.random.default_rng(3)
    numbers = np.minimum(rng.zipf(1.4, (n_lines, 8)), 30)
    path.write_text("".join(" ".join(f"w{n}" for n in line) + "\n" for line in numbers))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Work in a folder with news.txt, 15 lines of 8 words."""
    monkeypatch.chdir(tmp_path)
    write_text(Path("news.txt"), 15)
    return tmp_path


def run(*args, exit_code=0):
    result = CliRunner().invoke(command.main, [*args])
    assert result.exit_code == exit_code, result.output
    return result


def error_of(*args, exit_code):
    """Return the error line of a run that must fail, and must not have trained or written."""
    before = {path: path.read_bytes() for path in Path().iterdir() if path.is_file()}
    lines = run(*args, exit_code=exit_code).stderr.splitlines()
    assert {path: path.read_bytes() for path in Path().iterdir() if path.is_file()} == before
    assert sum(line.startswith("Error: ") for line in lines) == 1
    assert len(lines) == {1: 1, 2: 4}[exit_code]  # a usage error shows the usage too
    return lines[-1].removeprefix("Error: ")


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(
        command, "train_by_settings", lambda *_, **__: pytest.fail("training began")
    )


def test_default_output_is_named_after_the_first_corpus(folder):
    Path("texts").mkdir()
    os.replace("news.txt", "texts/news.en.txt")
    run("texts/news.en.txt", "texts/news.en.txt", *SMALL)
    vectors = Vectors.load("news.en.vec")
    text = Path("texts/news.en.txt").read_text()
    assert set(vectors.words) == set(text.split())
    assert vectors.matrix.shape[1] == 3


def test_output_formats(folder):
    run("news.txt", *SMALL, "-o", "v.txt")
    run("news.txt", *SMALL, "--output", "v.bin")
    text, binary = Vectors.load("v.txt"), Vectors.load("v.bin")
    n_words = len(text.words)
    assert Path("v.txt").read_text().startswith(f"{n_words} 3\n{text.words[0]} ")
    assert Path("v.bin").stat().st_size < Path("v.txt").stat().st_size
    assert text.words == binary.words
    assert np.array_equal(text.matrix, binary.matrix)


def test_gensim_reads_both_formats(folder):
    models = pytest.importorskip("gensim.models")
    for name in ("v.vec", "v.bin"):
        run("news.txt", *SMALL, "-o", name)
        theirs = models.KeyedVectors.load_word2vec_format(name, binary=name.endswith(".bin"))
        ours = Vectors.load(name)
        assert theirs.index_to_key == list(ours.words)
        assert np.array_equal(theirs.vectors, ours.matrix)


def test_kinds_of_vectors(folder):
    matrices = {}
    for kind in ("center", "context", "sum"):
        run("news.txt", *SMALL, "--vectors", kind, "-o", "v.bin")
        matrices[kind] = Vectors.load("v.bin").matrix
    assert not np.array_equal(matrices["center"], matrices["context"])
    assert np.array_equal(matrices["center"] + matrices["context"], matrices["sum"])


def test_the_same_bytes_from_any_number_of_threads(folder, monkeypatch):
    monkeypatch.setattr(machine, "usable_processors", lambda: 3)

    def result(*args):
        run("news.txt", *SMALL, "-o", "v.bin", *args)
        return Path("v.bin").read_bytes()

    once = result()
    assert result() == once
    for threads in ("2", "3"):
        assert result("--threads", threads) == once
    assert result("--seed", "2") != once


def test_options_reach_the_configs(folder, monkeypatch):
    """Every option but those of the output is a field of a config, and gets there."""
    seen = {}

    def train(corpus, settings, on_event, scoring):
        for part in (settings.text, settings.objective, settings.optimizer, settings.run):
            seen.update(vars(part))
        raise SettingError("enough")

    monkeypatch.setattr(command, "train_by_settings", train)
    run("news.txt", exit_code=1)
    defaults = dict(seen)
    for settings in (
        TextConfig(),
        SkipGramConfig(),
        OptimizerConfig(),
        RunConfig(),
    ):
        assert vars(settings).items() <= defaults.items()
    given = {
        "tokenizer": ["--tokenizer", "whitespace"],
        "lowercase": ["--lowercase"],
        "normalize": ["--normalize", "nfkc"],
        "digits": ["--digits", "zero"],
        "stopwords": ["--stopwords", "news.txt"],
        "vocab": ["--vocab", "news.txt"],
        "min_count": ["--min-count", "2"],
        "max_vocab": ["--max-vocab", "70"],
        "max_types": ["--max-types", "700"],
        "max_token_bytes": ["--max-token-bytes", "4096"],
        "errors": ["--errors", "ignore"],
        "encoding": ["--encoding", "latin-1"],
        "format": ["--format", "jsonl"],
        "phrases": ["--phrases", "2"],
        "dim": ["--dim", "7"],
        "window": ["--window", "8"],
        "dynamic_window": ["--fixed-window"],
        "negative": ["--negative", "9"],
        "noise_exponent": ["--noise-exponent", "0.5"],
        "subsample": ["--subsample", "0"],
        "optimizer": ["--optimizer", "dense-adam"],
        "lr": ["--lr", "0.5"],
        "beta1": ["--beta1", "0.5"],
        "beta2": ["--beta2", "0.25"],
        "eps": ["--eps", "0.125"],
        "bias_correction": ["--bias-correction", "row"],
        "power": ["--power", "0.125"],
        "lr_schedule": ["--lr-schedule", "cosine"],
        "warmup": ["--warmup", "0.25"],
        "min_lr": ["--min-lr", "0.001"],
        "epochs": ["--epochs", "4"],
        "batch_size": ["--batch-size", "64"],
        "seed": ["--seed", "0"],
        "threads": ["--threads", "6"],
    }
    assert given.keys() | {"field", "subwords", "buckets"} == defaults.keys()
    for name, option in given.items():
        run("news.txt", *option, exit_code=1)
        changed = {key for key in seen if seen[key] != defaults[key]}
        assert changed == {name}
        if name == "phrases":
            assert seen[name] == PhraseConfig(passes=2)
            continue
        expected = {"--lowercase": True, "--fixed-window": False}.get(option[0], option[-1])
        assert seen[name] == type(seen[name])(expected)
    run("news.txt", "--format", "csv", "--field", "a", exit_code=1)
    assert seen == {**defaults, "format": "csv", "field": "a"}
    run("news.txt", "--dense-adam", exit_code=1)
    assert seen == {**defaults, "optimizer": "dense-adam"}
    run("news.txt", "--subwords", "3-6", "--buckets", "99", "--lr", "0.5", exit_code=1)
    assert seen == {**defaults, "subwords": "3-6", "buckets": 99, "lr": 0.5}
    args = ["--phrase-score", "npmi", "--phrase-threshold", "-0.5", "--phrase-min-count", "3"]
    run("news.txt", "--phrases", "1", *args, exit_code=1)
    assert seen["phrases"] == PhraseConfig(1, "npmi", -0.5, 3)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--dim", "0"], "Invalid value for '--dim': 0 is not in the range 1<=x<=4096."),
        (["--beta1", "1"], "Invalid value for '--beta1': 1.0 is not in the range 0<=x<1."),
        (
            ["--dense-adam", "--optimizer", "sgd"],
            "--dense-adam contradicts --optimizer sgd; give one of them",
        ),
        (
            ["--dense-adam", "--optimizer", "sparse-adam"],
            "--dense-adam contradicts --optimizer sparse-adam; give one of them",
        ),
        (
            ["--optimizer", "sgd", "--beta2", "0.999"],
            "--beta2 has no effect with optimizer 'sgd'; leave it out",
        ),
        (
            ["--optimizer", "sgd", "--power", "0.25"],
            "--power has no effect with optimizer 'sgd'; leave it out",
        ),
        (
            ["--optimizer", "adagrad", "--beta1", "0"],
            "--beta1 has no effect with optimizer 'adagrad'; leave it out",
        ),
        (
            ["--dense-adam", "--bias-correction", "row"],
            "--bias-correction has no effect with optimizer 'dense-adam'; leave it out",
        ),
        (
            ["--field", "text"],
            "--field is 'text', but format 'lines' has no fields; leave it out, or give a format "
            "that has them, such as --format jsonl",
        ),
        (
            [".", "-o", "link.txt"],
            "link.txt is a corpus file and would be overwritten; name another with -o",
        ),
        (["-o", "."], "Invalid value for '-o' / '--output': File '.' is a directory."),
        (
            ["-o", "./news.txt"],
            "news.txt is a corpus file and would be overwritten; name another with -o",
        ),
        (
            ["-o", "link.txt"],
            "link.txt is a corpus file and would be overwritten; name another with -o",
        ),
        (
            ["--log", "news.txt"],
            "news.txt is a corpus file and would be overwritten; name another with --log",
        ),
        (
            ["--stopwords", "words.txt", "-o", "words.txt"],
            "words.txt is a word list and would be overwritten; name another with -o",
        ),
        (
            ["--vocab", "words.txt", "--log", "words.txt"],
            "words.txt is a word list and would be overwritten; name another with --log",
        ),
        (
            ["--vocab", "missing.txt"],
            "Invalid value for '--vocab': File 'missing.txt' does not exist.",
        ),
        (
            ["--log", "news.vec"],
            "news.vec cannot hold what both -o and --log write; name another file",
        ),
        (
            ["--phrases", "1", "--log", "p", "--phrases-out", "p"],
            "p cannot hold what both --log and --phrases-out write; name another file",
        ),
        (
            ["--phrases-out", "p.tsv"],
            "--phrases-out has no effect without phrases; add --phrases 1",
        ),
        (
            ["--phrases", "0", "--phrase-min-count", "9"],
            "--phrase-min-count has no effect without phrases; add --phrases 1",
        ),
    ],
)
def test_usage_errors(folder, no_training, args, message):
    os.link("news.txt", "link.txt")
    Path("words.txt").write_text("a\n")
    assert error_of("news.txt", *args, exit_code=2) == message


def test_a_corpus_named_like_the_default_output(folder, no_training):
    os.replace("news.txt", "news.vec")
    assert error_of("news.vec", "-o", "news.vec", exit_code=2) == (
        "news.vec is a corpus file and would be overwritten; name another with -o"
    )


def test_a_default_output_is_not_overwritten(folder, no_training):
    os.replace("news.txt", "my news.txt")
    Path("my news.vec").write_text("precious")
    assert error_of("my news.txt", exit_code=1) == (
        "my news.vec: exists already; give -o 'my news.vec' to overwrite it, or -o with another "
        "name"
    )


def test_a_folder_with_the_name_of_the_default_output(folder, no_training):
    Path("news.vec").mkdir()
    assert error_of("news.txt", exit_code=1) == (
        "news.vec: exists already; give -o with another name"
    )


@pytest.mark.parametrize("run_dir", [[], ["--run-dir", "run"]])
def test_a_default_output_that_is_made_meanwhile_is_not_overwritten(folder, monkeypatch, run_dir):
    def trained(*args, **options):
        Path("news.vec").write_text("of another run")
        Path("news-2.vec").symlink_to("nowhere")
        return train(*args, **options)

    train = command.train_by_settings
    monkeypatch.setattr(command, "train_by_settings", trained)
    shown = run("news.txt", *SMALL, *run_dir).stderr
    assert "Warning: news.vec: was made meanwhile, and is left as it is." in shown
    assert "Wrote news-3.vec: " in shown
    assert Path("news.vec").read_text() == "of another run"
    assert Vectors.load("news-3.vec").words
    if run_dir:
        assert "news-3.vec: " in run("--resume", "run").stderr
        assert Path("news.vec").read_text() == "of another run"


def test_an_output_that_is_named_is_overwritten(folder):
    Path("news.vec").write_text("old")
    run("news.txt", *SMALL, "--dry-run")
    assert Path("news.vec").read_text() == "old"
    run("news.txt", *SMALL, "-o", "news.vec")
    assert Vectors.load("news.vec").words


@pytest.mark.parametrize(
    ("corpus", "name"),
    [
        (["texts/news.txt"], "news"),
        (["news.en.txt"], "news.en"),
        (["news.TXT.GZ"], "news"),
        (["c4.json.zst"], "c4"),
        (["dump.jsonl"], "dump"),
        (["t.parquet"], "t"),
        (["v1.2"], "v1.2"),
        (["v1.2.gz"], "v1.2"),
        (["news"], "news"),
        ([".txt"], ".txt"),
        (["a.txt", "b.txt"], "a"),
        (["c4/0.json.gz", "c4/1.json.gz"], "c4"),
        (["c4/0.json.gz", "c4/0.json.gz"], "0"),
        (["c4/0.json.gz", "d/1.json.gz"], "0"),
        (["c4/*.json.gz"], "c4"),
        (["c4/**/x?.txt"], "c4"),
        (["*.txt"], "here"),
        (["."], "here"),
        (["books.txt/"], "books.txt"),
        (["books.txt/part.1"], "part.1"),
        (["what?.txt"], "what?"),
    ],
)
def test_names_of_outputs(tmp_path, monkeypatch, corpus, name):
    (tmp_path / "here" / "books.txt").mkdir(parents=True)
    (tmp_path / "here" / "what?.txt").touch()
    monkeypatch.chdir(tmp_path / "here")
    assert named_after(corpus) == Path(f"{name}.vec")


@pytest.mark.parametrize("corpus", ["-", "/", "/dev/fd/0"])
def test_a_corpus_that_gives_the_vectors_no_name(folder, no_training, corpus):
    assert error_of(corpus, exit_code=2) == (
        f"'{corpus}' gives the vectors no name; give one with -o"
    )


@pytest.mark.parametrize(
    ("corpus", "output"),
    [
        ("texts", "texts.vec"),
        ("texts/", "texts.vec"),
        ("texts/news.txt.gz", "news.vec"),
        ("news[1].txt", "news[1].vec"),
    ],
)
def test_a_corpus_that_gives_the_vectors_a_name(folder, corpus, output):
    Path("texts").mkdir()
    Path("texts/news.txt.gz").write_bytes(gzip.compress(Path("news.txt").read_bytes()))
    os.replace("news.txt", "news[1].txt")
    run(corpus, *SMALL)
    assert Vectors.load(output).words


def test_all_kinds_of_sources(folder):
    """The same text gives the same bytes, wherever it comes from."""
    text = Path("news.txt").read_bytes()
    run("news.txt", *SMALL, "-o", "v.bin")
    expected = Path("v.bin").read_bytes()
    Path("texts").mkdir()
    Path("texts/packed").write_bytes(gzip.compress(text))
    Path("wide").write_text(text.decode(), encoding="utf-16")
    Path("table").write_bytes(b"n\ttext\n" + re.sub(rb"(?m)^(?=.)", b"1\t", text))
    for args in (
        ["texts"],
        ["tex*/*"],
        ["wide", "--encoding", "utf-16"],
        ["table", "--format", "tsv"],
        ["table", "--format", "tsv", "--field", "text"],
    ):
        Path("v.bin").unlink()
        run(*args, *SMALL, "-o", "v.bin")
        assert Path("v.bin").read_bytes() == expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(start, folder, pack):
    run("news.txt", *SMALL)
    args = [*SMALL, "-o", "v.vec", "-q"]
    process = start("-", *args, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    errors = process.communicate(pack(Path("news.txt").read_bytes()), timeout=600)[1]
    assert (process.returncode, errors) == (0, b"")
    assert Path("v.vec").read_bytes() == Path("news.vec").read_bytes()


def test_no_corpus_at_all(folder, no_training):
    assert error_of(exit_code=2) == "Missing argument 'CORPUS...'."


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (
            ["-o", "no/v.vec"],
            1,
            r"no/v\.vec: the folder '.*no' does not exist; create it, or write elsewhere",
        ),
        (["gone.txt"], 1, r"gone\.txt: cannot be read: No such file or directory"),
        (["*.gz"], 1, r"\*\.gz: no file matches this pattern"),
        (
            ["--format", "parquet", "--encoding", "latin-1"],
            2,
            "Parquet is always UTF-8, got encoding 'latin-1'",
        ),
        (
            ["--encoding", "latin-99"],
            2,
            "--encoding must be one that Python can decode to text, got 'latin-99'",
        ),
        (
            ["--log", "no/log.jsonl"],
            1,
            r"no/log\.jsonl: cannot be written \(No such file or directory\); "
            "write the log elsewhere",
        ),
        (
            ["--seed", str(2**64)],
            2,
            "--seed is 18446744073709551616, but must be a whole number "
            "from 0 to 18,446,744,073,709,551,615",
        ),
    ],
)
def test_what_can_be_known_before_training_is(folder, no_training, args, exit_code, message):
    assert re.fullmatch(message, error_of("news.txt", *args, exit_code=exit_code))


def test_an_archive_that_is_no_text_is_refused_before_anything_is_read(folder, monkeypatch):
    monkeypatch.setattr(
        "w2v_sparseadam.training.train.compile_run", lambda *_: pytest.fail("compiled")
    )
    Path("last.txt").write_bytes(b"PK\x03\x04")
    assert run("news.txt", "last.txt", *SMALL, exit_code=1).stderr == (
        "Error: last.txt: is a zip archive (or a docx, xlsx, epub or npz file), not text; unpack "
        "it, or pipe its content in (unzip -p)\n"
    )


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (["--tokenizer", "regex:["], 2, "--tokenizer 'regex:[' is not a regular expression: "),
        (["--tokenizer", "python:nowhere:f"], 1, "--tokenizer 'python:nowhere:f': cannot import "),
        (["--tokenizer", "sentences"], 2, "--tokenizer must be 'word', 'whitespace', 'char', "),
    ],
)
def test_a_tokenizer_that_is_not_there(folder, monkeypatch, args, exit_code, message):
    monkeypatch.setattr(
        "w2v_sparseadam.training.train.compile_run", lambda *_: pytest.fail("compiled")
    )
    assert error_of("news.txt", *args, exit_code=exit_code).startswith(message)


def test_a_fault_of_a_word_list(folder):
    Path("list.txt").write_text("of the\n")
    result = run("news.txt", "--vocab", "list.txt", exit_code=1)
    assert result.stderr.splitlines()[-1] == (
        "Error: list.txt, line 1: expected a word, or a word and its count, found 'of the'"
    )


def test_what_the_options_of_the_text_take_away_is_reported(folder):
    Path("own_words.py").write_text("def split(line):\n    return line.split('+')\n")
    Path("text.txt").write_text("A+2+b c+The\na+b c+The+x\n" * 20)
    Path("stop.txt").write_text("the\nof\n")
    Path("vocab.txt").write_text("A 9\nB_C 8\nZ 7\n")
    args = ["--tokenizer", "python-lines:own_words:split", "--lowercase", "--digits", "drop"]
    args += ["--stopwords", "stop.txt", "--vocab", "vocab.txt", "--log", "log.jsonl"]
    lines = run("text.txt", *SMALL, *args).stderr.splitlines()
    assert Vectors.load("text.vec").words == ("a", "b_c")
    for line in (
        "   80   50.0%  kept; distinct words: 2",
        "   20   12.5%  dropped as numbers (--digits drop)",
        "   40   25.0%  dropped as --stopwords",
        "   20   12.5%  of words not in --vocab",
        "Words of --stopwords not in the text: 1.",
        "Words of --vocab not in the text: 1, such as z.",
    ):
        assert line in lines
    (event,) = [event for event in read_log("log.jsonl") if event["event"] == "text"]
    expected = {"tokens": 160, "kept_tokens": 80, "numbers": 20, "stopwords": 40}
    expected |= {"outside_vocab": 20, "unseen_stopwords": 1, "unseen_vocab": 1}
    assert expected.items() <= event.items()
    assert event["unseen_vocab_words"] == ["z"]
    assert event["rewritten_words"] == 40


def test_a_text_without_frequent_words(folder):
    lines = run("news.txt", "--min-count", "999", exit_code=1).stderr.splitlines()
    assert lines[-1] == (
        "Error: news.txt: no word occurs 999 times or more (the commonest, 'w1', occurs "
        f"{Path('news.txt').read_text().split().count('w1')} times); lower --min-count"
    )
    assert [path.name for path in Path().iterdir()] == ["news.txt"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of interpreted kernels
def test_divergence_writes_nothing(folder):
    args = ["--optimizer", "sgd", "--lr", "1e30", "--log", "log.jsonl"]
    lines = run("news.txt", *SMALL, *args, exit_code=3).stderr.splitlines()
    assert lines[-1].startswith("Error: the loss became nan and the vectors of 'w1', ")
    assert lines[-1].endswith(
        " grew longer than 1,000 by step 3 of 4 (epoch 1, learning rate 5e+29); start again with "
        "a lower --lr"
    )
    assert sorted(path.name for path in Path().iterdir()) == ["log.jsonl", "news.txt"]
    kinds = [event["event"] for event in read_log("log.jsonl")]
    assert "text" in kinds
    assert "done" not in kinds


def test_a_dry_run_tells_and_writes_nothing(folder):
    result = run("news.txt", *SMALL, "--dry-run")
    assert sorted(path.name for path in Path().iterdir()) == ["news.txt"]
    shown = dict(
        re.split(r"\s{2,}|(?<=peak) ", line, maxsplit=1) for line in result.stdout.splitlines()
    )
    assert shown["Words"] == str(len(set(Path("news.txt").read_text().split())))
    assert shown["Tokens kept"] == "120"
    assert shown["Steps"] == "4"
    assert shown["Word ids"] == "0 MB, on the disk"
    assert re.fullmatch(
        r"\d+\.\d s with --threads 1, estimated from 4 steps", shown["Time to train"]
    )
    assert re.fullmatch(r"[\d,]+ MB", shown["Peak memory"])
    assert "kept; distinct words: 21" in result.stderr


def test_start_vectors_and_frozen_words(folder):
    Path("start.vec").write_text("2 3\nw1 1 2 3\nelse 4 5 6\n")
    Path("stay.txt").write_text("w1\nnever\n")
    args = ["--init", "start.vec", "--freeze", "stay.txt", "-o", "v.vec"]
    lines = run("news.txt", *SMALL, *args).stderr.splitlines()
    assert "Words frozen: 1." in lines
    assert "Warning: words to freeze that are not in the vocabulary: 1 ('never')." in lines
    assert (
        "Initial vectors: 1 matched by name, 1 unused; words without one: "
        f"{len(set(Path('news.txt').read_text().split())) - 1}."
    ) in lines
    assert Vectors.load("v.vec")["w1"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("args", "exit_code", "message"),
    [
        (
            ["--init", "start.vec", "-o", "start.vec"],
            2,
            "start.vec is the --init file and would be overwritten; name another with -o",
        ),
        (
            ["--freeze", "stay.txt", "--log", "stay.txt"],
            2,
            "stay.txt is the --freeze file and would be overwritten; name another with --log",
        ),
        (
            ["--init", "start.vec"],
            1,
            "the start vectors have 2 dimensions, but dim is 3; give --dim 2",
        ),
        (
            ["--init", "stay.txt", "--dry-run"],
            1,
            "stay.txt, line 1: expected the numbers of words and of dimensions, as in '71000 100', "
            "found 'w1\\n'",
        ),
        (["--freeze", "start.vec"], 1, "start.vec, line 1: expected one word, found 2, '1', '2'"),
    ],
)
def test_files_to_start_from_that_cannot_be_used(folder, args, exit_code, message):
    Path("start.vec").write_text("1 2\nw1 1 2\n")
    Path("stay.txt").write_text("w1\n")
    assert error_of("news.txt", *SMALL, *args, exit_code=exit_code) == message


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # interpreted, NumPy warns
def test_a_failure_keeps_the_vectors_that_were_there(folder):
    Path("news.vec").write_text("1 1\nold 1\n")
    run("news.txt", *SMALL, "-o", "news.vec", "--optimizer", "sgd", "--lr", "1e30", exit_code=3)
    assert Path("news.vec").read_text() == "1 1\nold 1\n"


def read_log(path):
    def refuse(constant):
        pytest.fail(f"{constant} is not JSON")

    lines = Path(path).read_text().splitlines()
    return [json.loads(line, parse_constant=refuse) for line in lines]


def test_log(folder, monkeypatch):
    for module in ("training.loop", "text.events"):  # a busy machine would tell more often
        monkeypatch.setattr(f"w2v_sparseadam.{module}.EVENT_SECONDS", math.inf)
    run("news.txt", *SMALL, "--epochs", "2", "--log", "log.jsonl")
    events = [event for event in read_log("log.jsonl") if event["event"] != "compile"]
    kinds = ["text", "start", "progress", "epoch", "progress", "epoch", "done"]
    assert [event["event"] for event in events] == kinds
    text, start, progress, epoch, _, _, done = events
    assert {"bytes", "lines", "tokens", "words", "seconds", "mb_per_s"} <= text.keys()
    assert start["steps"] == 8
    assert {"epoch", "tokens", "loss", "lr", "tokens_per_s"} <= progress.keys()
    assert progress["loss"] == pytest.approx(epoch["loss"])
    assert done["tokens"] == 240
    assert done["train_seconds"] > 0
    assert done["output"] == "news.vec"
    assert done["peak_memory_bytes"] > 1e6


def test_phrases(folder):
    """The list goes to a file, its length to the log, and the phrases have vectors.

    Of 99 tokens, new and york are 27 each: (27 − 9) · 99 / (27 · 27) = 2.44.
    """
    Path("news.txt").write_text("in new york\nnew york city\n" * 9 + "city of new york in\n" * 9)
    args = ["--phrases", "2", "--phrase-threshold", "2", "--phrase-min-count", "9"]
    run("news.txt", *SMALL, *args, "--phrases-out", "p.tsv", "--log", "log.jsonl")
    heading, *phrases = Path("p.tsv").read_text().splitlines()
    assert heading == "phrase\tcount\tscore\tpass"
    assert phrases == ["new_york\t27\t2.44444\t1"]
    assert Vectors.load("news.vec").words == ("new_york", "city", "in", "of")
    text = next(event for event in read_log("log.jsonl") if event["event"] == "text")
    assert (text["phrases"], text["joined_tokens"], text["kept_tokens"]) == (1, 27, 72)
    assert "phrases" not in {event["event"] for event in read_log("log.jsonl")}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_log_that_fills_the_disk_does_not_end_the_run(folder):
    result = run("news.txt", *SMALL, "--log", "/dev/full", "-q")
    assert result.stderr == (
        "Warning: /dev/full: cannot be written (No space left on device); continuing without it.\n"
    )
    assert Vectors.load("news.vec").words


def test_what_a_run_says_off_a_terminal(folder):
    result = run("news.txt", *SMALL, "--min-count", "2", "--epochs", "2")
    lines = result.stderr.splitlines()
    if lines[0] == "Compiling for this machine; the next run will start at once.":
        lines = lines[1:]
    counts = np.unique(Path("news.txt").read_text().split(), return_counts=True)[1]
    kept, rare = counts[counts >= 2], int((counts < 2).sum())
    expected = [
        r"Read 0\.0 MB from 1 source in \d+\.\d s, \d+ MB/s\.",
        r"   15          lines; the longest has 8 strings between white space",
        rf"  120          tokens; distinct words: {counts.size}",
        rf" {rare:>4}  {rare / 120:>6.1%}  of words below --min-count",
        rf" {kept.sum():>4}  {kept.sum() / 120:>6.1%}  kept; distinct words: {kept.size}",
        r"Epoch 1/2: loss \d\.\d{4} per pair, \d+\.\d s\.",
        r"Epoch 2/2: loss \d\.\d{4} per pair, \d+\.\d s\.",
        r"Trained in \d+\.\d s: [\d,]+ words/s, [\d,]+ MB of memory at peak\.",
        rf"Wrote news\.vec: {kept.size} words, 3 dimensions\.",
    ]
    assert len(lines) == len(expected)
    for line, pattern in zip(lines, expected, strict=True):
        assert re.fullmatch(pattern, line)
    assert result.stdout == ""


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def test_a_bar_of_compiling_on_a_terminal(monkeypatch):
    screen = io.StringIO()
    screen.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", screen)
    report = TrainReport()
    for number in (1, 3):
        report(Compiling("kernel", number, 4))
    assert "Compiling   0%|" in screen.getvalue()
    assert "Compiling  50%|" in screen.getvalue()
    report({"event": "warning", "message": "it is odd"})
    said = screen.getvalue().replace("\r", "\n").splitlines()
    assert [line for line in said if line.strip() and "%" not in line] == [
        "Compiling for this machine; the next run will start at once.",
        "Warning: it is odd.",
    ]


def test_lines_of_a_long_run_off_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(time, "monotonic", clock := Clock())
    report = TrainReport()
    for k in range(1, 4):
        clock.now += 11
        report({"event": "read", "bytes": k * 10**9, "total_bytes": 4 * 10**9})
    for k in range(3):
        clock.now += 11
        report({"event": "join", "words": k * 10**8, "total_words": 5 * 10**8})
    report({"event": "start", "tokens": 1000, "epochs": 2, "first_step": 0})
    for k in range(1, 80):
        clock.now += 0.25
        event = {"event": "progress", "epoch": 1, "tokens": 5 * k, "seconds": 0.25 * k}
        report({**event, "loss": 2.5, "lr": 0.0125, "tokens_per_s": 20.0})
    assert capsys.readouterr().err == (
        " 25%  reading, 1,000 MB\n"
        " 50%  reading, 2,000 MB\n"
        " 75%  reading, 3,000 MB\n"
        " 20%  joining phrases\n"
        " 40%  joining phrases\n"
        " 20%  Epoch 1/2, loss 2.500, lr 0.013, 20 words/s, 40.0 s left\n"
    )


def test_what_a_run_says_of_its_sources(folder):
    text = Path("news.txt").read_bytes() * 1000
    Path("news.gz").write_bytes(gzip.compress(text))
    lines = run("news.gz", "news.txt", "./news.txt", *SMALL, "--epochs", "1").stderr.splitlines()
    stored = os.path.getsize("news.gz") / 1e6
    read = f"Read {stored:.1f} MB, {len(text) / 1e6:.1f} MB of text, from 3 sources in "
    assert any(line.startswith(read) for line in lines)
    assert "Given more than once, and read as often: news.txt, ./news.txt." in lines


def test_lines_of_a_long_stream_off_a_terminal(monkeypatch, capsys):
    monkeypatch.setattr(time, "monotonic", clock := Clock())
    report = TrainReport()
    for k in range(1, 4):
        clock.now += 6
        report({"event": "read", "bytes": k * 10**9, "total_bytes": 0, "tokens": k * 10**8})
    assert capsys.readouterr().err == "reading, 2,000 MB, 200,000,000 tokens\n"


def test_a_warning_when_a_frequent_word_may_have_been_forgotten(folder):
    Path("news.txt").write_text("a a a b b b\n" * 10 + " ".join(map(str, range(60))) + "\n")
    args = ["news.txt", *SMALL[:4], "--subsample", "0", "--epochs", "1", "--max-types", "9"]
    lines = run(*args, "--min-count", "2", "--log", "log").stderr.splitlines()
    assert "   60   50.0%  of the rarest strings, beyond --max-types" in lines
    assert not any(line.startswith("Warning") for line in lines)
    text = next(
        e for e in map(json.loads, Path("log").read_text().splitlines()) if e["event"] == "text"
    )
    assert (text["min_count"], text["pruned"], text["max_missed"]) == (2, 60, 1)
    lines = run(*args, "--min-count", "1", "-o", "v.vec").stderr.splitlines()
    warning = "words that occur up to 1 times may be missing because of --max-types; raise it."
    assert f"Warning: {warning}" in lines


def test_quiet(folder):
    assert run("news.txt", *SMALL, "-q").output == ""
    assert Vectors.load("news.vec").words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.96, "1:00"), (3599.4, "59:59"), (90061, "25:01:01")],
)
def test_durations(seconds, text):
    assert reading.duration(seconds) == text


def test_help(folder):
    page = CliRunner().invoke(command.main, ["--help-all"], terminal_width=80).output
    assert max(map(len, page.splitlines())) <= 80
    sections = re.split(r"\n\n(\w+):\n", page)
    assert sections[1::2] == [
        *("Text", "Phrases", "Model", "Optimizer", "Run", "Safety", "Output", "Other")
    ]
    text, phrases, model, optimizer, run_, safety, output, other = sections[2::2]
    assert "--min-count N" in text
    assert "[default: (word2phrase 100, npmi 0.5)]" in " ".join(phrases.split())
    assert "[default: 100; 1<=x<=4096]" in " ".join(model.split())
    assert "--dense-adam" in optimizer
    assert "[default: (all processors); x>=1]" in " ".join(run_.split())
    assert "--resume DIR" in safety
    assert "CORPUS" not in output.replace("CORPUS' name", "")
    assert re.findall(r"--[\w-]+", other) == ["--version", "--help-all", "--help"]


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_short_help(flag):
    page = CliRunner().invoke(command.main, [flag], terminal_width=80).output
    assert re.findall(r"^  (?:-\w, )?(--[\w-]+)", page, re.MULTILINE) == [
        *("--tokenizer", "--min-count", "--model", "--dim", "--window", "--subwords"),
        *(
            "--optimizer",
            "--epochs",
            "--seed",
            "--threads",
            "--run-dir",
            "--resume",
            "--output",
            "--report",
            "--version",
        ),
        *("--help-all", "--help"),
    ]
    assert len(page.splitlines()) < 70


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["-size", "50"], "No such option '-size'; use --dim."),
        (["--size=50"], "No such option '--size'; use --dim."),
        (["--vector-size", "50"], "No such option '--vector-size'; use --dim."),
        (["-minCount", "2"], "No such option '-minCount'; use --min-count."),
        (["-min-count", "2"], "No such option '-min-count'; use --min-count."),
        (["-output", "v.vec"], "No such option '-output'; use --output."),
        (["-cbow", "1"], "No such option '-cbow'; use --model."),
        (
            ["-input", "news.txt"],
            "No such option '-input'; the text is the argument CORPUS, without an option.",
        ),
        (["-binary", "1"], "No such option '-binary'; name the output FILE.bin."),
    ],
)
def test_options_of_other_tools_lead_to_ours(folder, no_training, args, message):
    assert error_of("news.txt", *args, exit_code=2) == message


def test_values_are_no_options(folder):
    """A value may begin with a dash, and after ``--`` all are arguments."""
    run("news.txt", *SMALL, "--tokenizer", "regex:x", "--log", "-size", exit_code=1)
    assert Path("-size").exists()
    assert error_of("--", "-output", exit_code=1).startswith("-output: cannot be read")


def test_version():
    assert CliRunner().invoke(command.main, ["--version"]).output.endswith(f" {__version__}\n")


# Python ignores Ctrl-C in a process that was started with it ignored, as background jobs are.
MAIN = (
    "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from w2v_sparseadam.commands.train import main; main(prog_name='w2v-train')"
)


@pytest.fixture
def start():
    """Start the command in a process of its own, which does not outlive the test."""
    environment = {**os.environ, "PYTHONPATH": str(Path(w2v_sparseadam.__file__).parents[1])}
    if config.DISABLE_JIT:
        environment["PYTHONWARNINGS"] = "ignore"  # of hashes that wrap around
    with contextlib.ExitStack() as stack:

        def start(*args, **kwargs):
            command_line = [sys.executable, "-c", MAIN, *args]
            process = subprocess.Popen(command_line, env=environment, **kwargs)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def wait_for(condition, process):
    """Wait until a condition holds; the generous limit only guards against a hang."""
    limit = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < limit
        time.sleep(0.01)


SIGNALS = pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "Interrupted"), (signal.SIGTERM, 143, "Terminated")],
)


@posix_only
@SIGNALS
def test_a_signal_while_training(start, folder, number, code, word):
    args = [*SMALL, "--epochs", "100000000", "--threads", "2", "--log", "log.jsonl"]
    process = start("news.txt", *args, stderr=subprocess.PIPE, text=True)
    log = Path("log.jsonl")
    wait_for(lambda: log.exists() and '"start"' in log.read_text(), process)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    assert process.returncode == code
    assert errors.splitlines()[-1] == f"{word}; no vectors were written."
    assert "Traceback" not in errors
    assert sorted(path.name for path in Path().iterdir()) == ["log.jsonl", "news.txt"]


@posix_only
@SIGNALS
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_signal_while_reading(start, folder, number, code, word, pack):
    """A pipe that nobody closes keeps the reader waiting."""
    import fcntl
    import termios

    def drained():
        n_waiting = fcntl.ioctl(pipe, termios.FIONREAD, bytes(4))
        return int.from_bytes(n_waiting, sys.byteorder) == 0

    os.mkfifo("pipe")
    pipe = os.open("pipe", os.O_RDWR)  # for writing alone, it would wait for the reader
    os.write(pipe, pack(os.urandom(9000).hex(" ").encode()))  # to fill what is looked at first
    process = start("pipe", *SMALL, stderr=subprocess.PIPE, text=True)
    wait_for(drained, process)
    process.send_signal(number)
    errors = process.communicate(timeout=60)[1]
    os.close(pipe)
    assert process.returncode == code
    assert errors.splitlines()[-1] == f"{word}; no vectors were written."
    assert sorted(path.name for path in Path().iterdir()) == ["news.txt", "pipe"]


@posix_only
@SIGNALS
def test_a_signal_while_saving(folder, monkeypatch, number, code, word):
    def fsync(_):
        assert any(path.suffix == ".tmp" for path in Path().iterdir())
        monkeypatch.setattr(Path, "unlink", unlink)
        os.kill(os.getpid(), number)

    def unlink(path, **kwargs):
        os.kill(os.getpid(), number)  # an impatient second one
        real_unlink(path, **kwargs)

    real_unlink = Path.unlink
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    Path("news.vec").write_text("1 1\nold 1\n")
    monkeypatch.setattr(os, "fsync", fsync)
    result = run("news.txt", *SMALL, "-o", "news.vec", exit_code=code)
    assert result.stderr.splitlines()[-1] == f"{word}; no vectors were written."
    assert sorted(path.name for path in Path().iterdir()) == ["news.txt", "news.vec"]
    assert Path("news.vec").read_text() == "1 1\nold 1\n"
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@posix_only
def test_sigusr1_ends_nothing(folder, monkeypatch):
    """Before there is a folder to write a checkpoint to, and once there is none any more."""
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN  # since the command was imported
    monkeypatch.setattr(
        command, "train_by_settings", lambda *_, **__: os.kill(os.getpid(), signal.SIGUSR1)
    )
    result = CliRunner().invoke(command.main, ["news.txt"])
    assert isinstance(result.exception, AttributeError)  # no model came
    os.kill(os.getpid(), signal.SIGUSR1)


@posix_only
def test_an_error_caused_by_a_signal_is_no_error(folder, monkeypatch):
    """Numba, interrupted, may raise something else."""

    def train(*_, **__):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt as error:
            raise RuntimeError("no compiled object yet") from error

    monkeypatch.setattr(command, "train_by_settings", train)
    assert run("news.txt", exit_code=130).stderr == "Interrupted; no vectors were written.\n"


@posix_only
def test_a_signal_that_was_swallowed_stops_at_the_next_event(folder, monkeypatch):
    """Numba, interrupted, may also go on as if nothing were."""

    def train(*_, on_event, **__):
        with contextlib.suppress(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        on_event({"event": "text"})

    monkeypatch.setattr(command, "train_by_settings", train)
    assert run("news.txt", exit_code=143).stderr == "Terminated; no vectors were written.\n"


@posix_only
def test_a_signal_while_compiling_waits_for_the_next_event(folder, monkeypatch):
    def train(*_, on_event, **__):
        on_event({"event": "compile"})
        os.kill(os.getpid(), signal.SIGINT)
        print("compiled")
        on_event({"event": "text"})

    monkeypatch.setattr(command, "train_by_settings", train)
    result = run("news.txt", exit_code=130)
    assert result.stdout == "compiled\n"
    assert result.stderr.splitlines()[-1] == "Interrupted; no vectors were written."


def test_a_bug_keeps_its_traceback(folder, monkeypatch):
    monkeypatch.setattr(command, "train_by_settings", lambda *_, **__: [][0])
    assert isinstance(CliRunner().invoke(command.main, ["news.txt"]).exception, IndexError)


@posix_only
@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="interpreted kernels warn on the terminal")
def test_a_bar_on_a_terminal(start, folder):
    import fcntl
    import pty
    import struct
    import termios

    write_text(Path("news.txt"), 400)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = start("news.txt", *SMALL, "--epochs", "3", stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while block := os.read(master, 1 << 16):
            shown += block
    except OSError:  # Linux's way to say that the other side is closed
        pass
    os.close(master)
    assert process.wait() == 0
    frames = re.split(r"[\r\n]+|\x1b\[A", shown.decode())
    bars = [frame for frame in frames if re.match(r"Epoch \d/3 +\d+%\|", frame)]
    assert bars
    assert re.search(r"Epoch 3/3 100%\|█+\| .* words/s, 00:00 left, loss \d\.\d{3}, lr ", bars[-1])
    assert max(map(len, bars)) <= 80
    # A busy machine also shows how far reading is.
    others = {"", *bars, *(frame for frame in frames if re.search(r"\b[Rr]eading\b", frame))}
    lines = [frame for frame in frames if frame.strip() not in others and frame not in others]
    assert [line.split()[0] for line in lines if line.split()[0] != "Compiling"] == (
        ["Read", "400", "3,200", "3,200", "Epoch", "Epoch", "Epoch", "Trained", "Wrote"]
    )


@posix_only
@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&- >&- <&-", "2>&1 | head -1"])
def test_trouble_with_standard_error_does_not_stop_training(folder, redirection):
    """Nor is a file taken for standard error, whose number is free once that is closed."""
    arguments = " ".join(["news.txt", *SMALL, "--epochs", "2", "-o", "out.vec"])
    train = f'"$0" -m w2v_sparseadam.commands.train {arguments}'
    subprocess.run(
        ["sh", "-c", f"({train}; echo $? >code) {redirection}", sys.executable], timeout=100
    )
    assert Path("code").read_text() == "0\n"
    assert len(Vectors.load("out.vec")) > 1
    run("news.txt", *SMALL, "--epochs", "2", "-o", "same.vec")
    assert Path("same.vec").read_bytes() == Path("out.vec").read_bytes()


def test_vectors_go_to_standard_output_behind_what_is_there(folder, capfdbinary):
    run("news.txt", *SMALL, "-o", "out.vec")
    capfdbinary.readouterr()
    os.write(1, b"before\n")
    assert (
        run("news.txt", *SMALL, "-o", "-")
        .stderr.splitlines()[-1]
        .startswith("Wrote standard output: ")
    )
    os.write(1, b"after\n")
    written = capfdbinary.readouterr().out
    assert written == b"before\n" + Path("out.vec").read_bytes() + b"after\n"
    assert sorted(os.listdir()) == ["news.txt", "out.vec"]


def test_from_standard_input_to_standard_output(folder, capfdbinary):
    run("news.txt", *SMALL, "-o", "out.vec")
    capfdbinary.readouterr()
    before = os.dup(0)
    with open("news.txt", "rb") as stream:
        os.dup2(stream.fileno(), 0)
    try:
        run("-", *SMALL, "-o", "-", "-q")
    finally:
        os.dup2(before, 0)
        os.close(before)
    assert capfdbinary.readouterr().out == Path("out.vec").read_bytes()


def test_a_run_in_a_folder_keeps_that_its_vectors_go_to_standard_output(folder, capfdbinary):
    run("news.txt", *SMALL, "-o", "-", "--run-dir", "run", "-q")
    first = capfdbinary.readouterr().out
    run("--resume", "run", "-q")
    assert capfdbinary.readouterr().out == first
    assert sorted(os.listdir()) == ["news.txt", "run"]


def test_the_log_goes_to_standard_output_behind_what_is_there(folder, capfdbinary):
    os.write(1, b"before\n")
    run("news.txt", *SMALL, "--log", "-", "-q")
    before, *lines, last = capfdbinary.readouterr().out.splitlines()
    assert before == b"before"
    assert json.loads(last)["event"] == "done"
    assert all(map(json.loads, lines))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["-o", "out.npz"],
            "out.npz: vectors cannot be written as '.npz'; use",
        ),
        (["new.vec"], "new.vec: no such file; name the file to write with -o"),
        (["--log", "log.jsonl.gz"], "log.jsonl.gz: a log is not compressed; name another with"),
    ],
)
def test_a_format_that_cannot_be_written_is_refused_before_training(folder, arguments, message):
    result = CliRunner().invoke(command.main, ["news.txt", *SMALL, *arguments])
    assert result.exit_code in {1, 2}
    assert message in result.stderr
    assert "Read" not in result.stderr
    assert os.listdir() == ["news.txt"]


@pytest.mark.parametrize(
    "event",
    [
        {"event": "warning", "message": "of version \x1b[2J\u202e"},
        {"event": "folder", "path": "\x1b[2J\u202e", "taken_over_from": "process 7 on \x9bm"},
        {"event": "freeze", "frozen": 1, "unknown": 1, "examples": ["\x1b[2J\u202e"]},
    ],
)
def test_what_comes_from_outside_does_not_drive_the_terminal(event, capsys):
    TrainReport()(event)
    told = capsys.readouterr().err
    assert "\\x1b[2J\\u202e" in told
    assert told.replace("\n", "").isprintable()


def test_start_vectors_from_standard_input(start, folder):
    run("news.txt", *SMALL, "-o", "start.vec", "-q")
    again = [*SMALL, "--lr", "1e-30", "-q"]
    run("news.txt", *again, "--init", "start.vec", "-o", "by_name.vec")
    process = start("news.txt", *again, "--init", "-", "-o", "v.vec", stdin=subprocess.PIPE)
    process.communicate(Path("start.vec").read_bytes(), timeout=600)
    assert process.returncode == 0
    assert Path("v.vec").read_bytes() == Path("by_name.vec").read_bytes()


def test_a_very_long_value_does_not_flood_the_terminal(folder):
    said = error_of("news.txt", "--tokenizer", "python:" + "x" * 100_000, exit_code=2)
    assert said.startswith("--tokenizer must be ")
    assert len(said) < 2100

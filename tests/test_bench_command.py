"""w2v-bench: what it prints and draws, and its exit codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from w2v_sparseadam.benchmark import benchmark as library
from w2v_sparseadam.benchmark import steps, training
from w2v_sparseadam.benchmark.drawn_text import draw_text
from w2v_sparseadam.benchmark.results import Report, Skipped, StepTiming, TrainingRun
from w2v_sparseadam.commands.bench import main
from w2v_sparseadam.errors import W2VError
from w2v_sparseadam.report import plots

STEPS = [
    StepTiming(1_000_000, draw, optimizer, 2069, rows, n_bytes, seconds, 896_000_000, resident)
    for draw in ("corpus", "uniform")
    for optimizer, rows, n_bytes, seconds, resident in (
        ("sparse-adam", 2069, 6_488_384, [0.0005, 0.0004, 0.00046], 7_310_000),
        ("dense-adam", 1_000_000, 2_688_926_912, [0.1, 0.1, 0.092], 896_000_000),
    )
]
TRAINING = [
    TrainingRun(optimizer, 5.0, n_tokens, loss, [(2.0, 4.0), (5.0, loss or 3.0)], peak)
    for optimizer, n_tokens, loss, peak in (
        ("sparse-adam", 5_000_000, 2.5, 254_800_000),
        ("dense-adam", 250_000, 3.25, 252_000_000),
        ("sgd", 6_000_000, None, None),
        ("sparse-adam", 5_500_000, 2.75, 254_600_000),
        ("dense-adam", 350_000, 3.5, 252_000_000),
        ("sgd", 7_000_000, 1.0, None),
    )
]
REPORT = Report(
    {"processor": "Abacus 3000", "date": "2026-01-02"},
    {
        "n_words": 1_000_000,
        "n_tokens": 10_000_000,
        "dim": 100,
        "batch_size": 1024,
        "threads": 2,
        "repeat": 2,
        "seconds": 5.0,
        "seed": 1,
    },
    STEPS,
    TRAINING,
    [Skipped("a step over 100,000,000 words", "it needs 268.8 GB of memory, and 2 GB are free")],
)
TABLE = """\
Abacus 3000, threads: 2, dimensions: 100
Medians (lowest–highest), rounds: 2

One step, 2,069 rows with a gradient; rows and MB that it moves
    words  drawn    optimizer    ms per step               rows     MB   time
1,000,000  corpus   sparse-adam  0.460 (0.400–0.500)      2,069   6.49
                    dense-adam   100 (92.0–100)       1,000,000  2,689  × 200
1,000,000  uniform  sparse-adam  0.460 (0.400–0.500)      2,069   6.49
                    dense-adam   100 (92.0–100)       1,000,000  2,689  × 200

MB of the optimizer's state in memory after one step, of those allocated
    words  sparse-adam  dense-adam
1,000,000  7.31 of 896  896 of 896

Training for 5 s: 10,000,000 tokens per epoch, 1,000,000 words
optimizer    1,000 tokens/s       s per epoch  epochs  loss              peak MB
sparse-adam  1,050 (1,000–1,100)         9.52   0.525  2.62 (2.50–2.75)      255
dense-adam   60.0 (50.0–70.0)             167  0.0300  3.38 (3.25–3.50)      252
sgd          1,300 (1,200–1,400)         7.69   0.650  none                    ?

Left out: a step over 100,000,000 words, because it needs 268.8 GB of memory, and 2 GB are free.
"""
TINY = ["--batch-size=32", "--dim=8", "--repeat=1", "--seconds=0", "--threads=1", "--sizes=50"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["one two three four five six seven eight", "two four six eight Two"] * 8
    Path("corpus.txt").write_text("\n".join(lines))
    monkeypatch.setattr(steps, "_ROUND_SECONDS", 1e-9)
    return tmp_path


@pytest.fixture
def measured(monkeypatch):
    """Replaces the measurements by a report made up; returns what they were asked for."""
    asked = []

    def benchmark(word_ids, counts, **settings):
        asked.append({"word_ids": word_ids.copy(), "counts": counts, **settings})
        return REPORT

    monkeypatch.setattr(library, "benchmark", benchmark)
    return asked


def run(*args):
    return CliRunner().invoke(main, args)


def test_tables(folder, measured):
    result = run("corpus.txt")
    assert result.exit_code == 0
    assert result.stdout == TABLE
    tables = TABLE[: TABLE.index("Left out")]
    assert max(map(len, tables.splitlines())) <= 80


def test_json(folder, measured):
    result = run("corpus.txt", "--json")
    assert result.exit_code == 0
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert records == json.loads(json.dumps(list(REPORT.records())))


def test_options_reach_the_library(folder, measured):
    args = ["--sizes=70,9", "--dim=7", "--batch-size=64", "--threads=3", "--repeat=4"]
    args += ["--seconds=1.5", "--seed=9", "--tokenizer=whitespace", "--min-count=9"]
    assert run("corpus.txt", *args).exit_code == 0
    (asked,) = measured
    assert asked["counts"].tolist() == [16, 16, 16, 16]  # 'Two' is a word of its own, below 9
    assert (asked["sizes"], asked["repeat"], asked["seconds"]) == ((70, 9), 4, 1.5)
    assert asked["skip_gram"].dim == 7
    run_config = asked["run"]
    assert (run_config.batch_size, run_config.threads, run_config.seed) == (64, 3, 9)


def test_synthetic_text(folder, measured):
    assert run("--synthetic=40", "--seed=5").exit_code == 0
    word_ids, counts = draw_text(40, 5)
    assert measured[0]["word_ids"].tobytes() == word_ids.tobytes()
    assert measured[0]["counts"].tobytes() == counts.tobytes()


def test_measures_a_corpus(folder):
    result = run("corpus.txt", *TINY, "--json")
    assert result.exit_code == 0
    assert result.stderr == (
        "Reading the text ...\nTiming a step over 8 words ...\nTiming a step over 50 words ...\n"
    )
    machine, settings, *steps = map(json.loads, result.stdout.splitlines())
    assert machine["kind"] == "machine"
    assert (settings["n_words"], settings["n_tokens"], settings["threads"]) == (8, 104, 1)
    assert [step["kind"] for step in steps] == ["step"] * 8


def test_says_what_it_trains(folder, monkeypatch):
    monkeypatch.setattr(training, "_train_apart", lambda *_: TRAINING[0])
    monkeypatch.setattr(training, "compile_run", lambda *args: args[-1]({"event": "compile"}))
    result = run("corpus.txt", *TINY[:-3], "--repeat=2", "--seconds=1", "--sizes=8")
    assert result.exit_code == 0
    names = ("sparse-adam", "dense-adam", "sgd")
    trained = [f"Training with {name}, round {n} ..." for n in (1, 2) for name in names]
    compiled = "Compiling for this machine; the next run will start at once ..."
    assert result.stderr.splitlines()[2:] == [compiled, *trained]
    assert "sparse-adam  1,000 (1,000–1,000)" in result.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "give either a CORPUS or --synthetic V"),
        (["corpus.txt", "--synthetic=9"], "give either a CORPUS or --synthetic V"),
        (["missing.txt"], "File 'missing.txt' does not exist"),
        (["corpus.txt", "--sizes=10,x"], "'10,x' is not a list such as 10000,100000"),
        (["corpus.txt", "--sizes=10,0"], "'10,0' is not a list such as 10000,100000"),
        (["corpus.txt", "--repeat=0"], "0 is not in the range x>=1"),
    ],
)
def test_usage_errors(folder, args, message):
    result = run(*args)
    assert result.exit_code == 2
    assert message in result.stderr


def test_text_errors(folder):
    result = run("corpus.txt", "--min-count=99")
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == (
        "Error: corpus.txt: no word occurs 99 times or more (the commonest, 'two', occurs 24 "
        "times); lower --min-count"
    )


# Pictures


@pytest.mark.parametrize("name", ["plot.pdf", "plot"])
def test_a_plot_of_another_kind(folder, measured, name):
    result = run("corpus.txt", "--plot", name)
    suffix = Path(name).suffix
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: {name}: a plot must end in one of .png, .svg, .html, not in '{suffix}'\n",
    )
    assert measured == []


def test_a_plot_without_matplotlib(folder, measured, monkeypatch):
    monkeypatch.setattr(plots.importlib.util, "find_spec", lambda _: None)
    result = run("corpus.txt", "--plot=plot.png")
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: plot.png: drawing needs matplotlib, which is not installed; "
        "pip install 'w2v-sparseadam[plot]'\n",
    )
    assert measured == []


def test_a_plot_that_cannot_be_written_shows_first(folder, measured):
    pytest.importorskip("matplotlib")
    result = run("corpus.txt", "--plot=nowhere/plot.png")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: nowhere/plot.png: the folder ")
    assert measured == []


def test_plots(folder, measured):
    pytest.importorskip("matplotlib")
    for name in ("plot.PNG", "plot.svg", "plot.html"):
        result = run("corpus.txt", "--plot", name)
        assert (result.exit_code, result.stdout) == (0, TABLE)
    png = Path("plot.PNG").read_bytes()
    assert png.startswith(b"\x89PNG")
    assert int.from_bytes(png[16:20]) == 1000  # pixels wide
    svg, page = Path("plot.svg").read_text(), Path("plot.html").read_text()
    assert svg.startswith("<?xml")
    for picture in (svg, page):
        for label in (
            "milliseconds per step",
            "One step, 2,069 rows with a gradient",
            "sparse-adam, rows as in text",
            "dense-adam, rows drawn evenly",
            "Training on 1,000,000 words",
            "seconds",
            "sgd",
            "Abacus 3000, threads: 2",
        ):
            assert label in picture
    assert page.startswith("<!doctype html>")
    assert page.count("<svg") == 1
    assert "<?xml" not in page
    # Self-contained: nothing is loaded from elsewhere.
    assert not re.search(r"(src|xlink:href|href)=\"(?!#)", page)


def test_a_plot_is_the_same_each_time(tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("one.svg", "two.svg"):
        plots.save_plot(REPORT, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


@pytest.mark.parametrize(("steps", "training"), [(STEPS, []), ([], TRAINING)])
def test_a_plot_of_one_panel(tmp_path, steps, training):
    pytest.importorskip("matplotlib")
    report = Report(REPORT.machine, REPORT.settings, steps, training, [])
    plots.save_plot(report, tmp_path / "plot.svg")
    svg = (tmp_path / "plot.svg").read_text()
    assert ("milliseconds per step" in svg) is bool(steps)
    assert ("loss per pair" in svg) is bool(training)


def test_nothing_to_draw(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(W2VError, match="nothing was measured, so there is nothing to draw"):
        plots.save_plot(Report(REPORT.machine, REPORT.settings, [], [], []), tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_every_contestant_has_a_color():
    names = {*steps.STEP_OPTIMIZERS, *training.TRAINING_OPTIMIZERS}
    assert names == set(plots._COLOR_OF)


def test_help_is_light():
    code = (
        "import sys; from w2v_sparseadam.commands.bench import main\n"
        "try: main(['--help'])\n"
        "finally: sys.exit(bool({'numpy', 'numba', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[default: 10000,100000,1000000]" in " ".join(done.stdout.split())

"""scripts/bench_memory.py: what it makes of the figures of its runs."""

import os
import runpy
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
SPEEDS = [(100 * k, 1e6 if k <= 10 else 2e6) for k in range(1, 21)]
LONG = 7, 2000, 3 * 10**9, 10**9, SPEEDS, 12.3


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(SCRIPTS)
    return runpy.run_path(str(SCRIPTS / "bench_memory.py"))


def test_bytes_per_word_and_token_are_those_of_the_runs(script, capsys):
    runs = [
        script["Run"](v, n, 10**8 + 2000 * v + 4 * n, 10**8 + 1900 * v, [], 1.0)
        for v, n in ((1000, 10**6), (50_000, 10**6), (1000, 10**7), (50_000, 4 * 10**7))
    ]
    script["print_table"](runs, 100)
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "| 1,000 | 1,000,000 | 1 | 1 | 4 | 106 | 102 |"
    assert lines[7] == "resident: 100 MB, 2,000 bytes per word, 4.0 per token"
    assert lines[9] in {
        f"without files: 100 MB, 1,900 bytes per word, {zero} per token" for zero in ("0.0", "-0.0")
    }
    # Two matrices of 112 numbers, 100 rounded up, and as much for the second moment.
    assert lines[10] == "Of a word's, the model has 896 bytes and the optimizer's state 896."


def test_the_speed_of_a_long_run_is_told_by_tenths(script, capsys):
    script["print_long_run"](script["Run"](*LONG))
    printed = capsys.readouterr().out
    assert printed.startswith("2,000 tokens, 7 words: 12 s in all; 1,000 MB at the peak without ")
    assert printed.endswith(
        ", medians: 1.00, 1.00, 1.00, 1.00, 1.00, 2.00, 2.00, 2.00, 2.00, 2.00\n"
    )


def test_the_plot_shows_the_speed(script, tmp_path):
    pytest.importorskip("matplotlib")
    script["draw"](script["Run"](*LONG), tmp_path / "speed.svg")
    assert "tokens/s, million" in (tmp_path / "speed.svg").read_text()


def test_own_memory_is_that_of_a_process(script):
    assert 1e6 < script["own_memory"](os.getpid()) < 1e11
    assert script["own_memory"](2**22 + 1) == 0  # no such process

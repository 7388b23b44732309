"""What all commands share: one line for what the system refuses."""

import errno
import os
import signal
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands import W2VCommand


def outcome_of(function):
    result = CliRunner().invoke(click.command(cls=W2VCommand)(function))
    return result.exit_code, result.stderr


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            MemoryError("Unable to allocate 9 TiB"),
            "there is not enough memory (Unable to allocate 9 TiB)",
        ),
        (OSError(errno.EMFILE, "Too many open files"), "Too many open files"),
        (
            OSError(errno.EACCES, "Permission denied", "a\x1bb.txt"),
            "a\\x1bb.txt: Permission denied",
        ),
        (
            OSError(errno.ENOSPC, "No space left"),
            "standard output cannot be written (No space left)",
        ),
    ],
)
def test_what_the_system_refuses_is_told_in_one_line(error, line):
    def command():
        raise error

    assert outcome_of(command) == (1, f"Error: {line}\n")


def test_a_current_folder_that_is_gone_is_named(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert outcome_of(lambda: print(os.path.abspath("a"))) == (
        1,
        "Error: the current folder has been removed; change to one that exists\n",
    )


def test_a_bug_keeps_its_traceback():
    def command():
        raise ValueError("a bug")

    result = CliRunner().invoke(click.command(cls=W2VCommand)(command))
    assert isinstance(result.exception, ValueError)


CUT_SHORT = """
import mmap, os, sys
import click
import numpy as np
from w2v_sparseadam.commands import W2VCommand
with open(sys.argv[1], "w+b") as file:
    file.truncate(1 << 16)
    numbers = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)

@click.command(cls=W2VCommand)
def main():
    os.truncate(sys.argv[1], 0)
    numbers.sum()

main([])
"""


@pytest.mark.skipif(not hasattr(signal, "SIGBUS"), reason="the system has no SIGBUS")
def test_a_mapped_file_that_is_cut_short_ends_any_command_with_a_line(tmp_path):
    command = [sys.executable, "-c", CUT_SHORT, tmp_path / "numbers"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (
        1,
        "",
        "Error: a file that is mapped into memory (word ids of the text, a checkpoint or a model) "
        "was cut short, or its disk failed\n",
    )


COMPILING = """
import os, signal, time
from w2v_sparseadam.commands import signals as module
module._SECONDS = 0.01
signals = module.StopSignals()
try:
    with signals, module.exit_soon(signals, "; no vectors were written"):
        os.kill(os.getpid(), signal.SIGUSR2)
        signals.deferred = signals.compiling = {compiling}
        os.kill(os.getpid(), signal.{name})
        if signals.compiling:
            time.sleep(600)  # as in LLVM: no exception, and no event
except module.Stopped:  # uncaught, its exit code depends on the version of Python
    raise SystemExit("stopped by an exception") from None
print("left in time")
"""


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize(
    ("name", "compiling", "outcome"),
    [
        ("SIGINT", True, (130, "", "Interrupted; no vectors were written.\n")),
        ("SIGTERM", True, (143, "", "Terminated; no vectors were written.\n")),
        ("SIGHUP", True, (129, "", "Terminated; no vectors were written.\n")),
        ("SIGTERM", False, (1, "", "stopped by an exception\n")),
    ],
)
def test_a_signal_ends_what_compiles(name, compiling, outcome):
    script = "import signal; signal.signal(signal.SIGUSR2, signal.SIG_IGN)" + COMPILING.format(
        name=name, compiling=compiling
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    code, out, err = outcome
    assert (result.returncode, result.stdout) == (code, out)
    assert err in result.stderr

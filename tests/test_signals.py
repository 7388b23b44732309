"""Signals: several at once, those of a terminal that is gone, and those that ask for something."""

import os
import signal
import threading

import click
import pytest
from click.testing import CliRunner

from w2v_sparseadam.commands import W2VCommand
from w2v_sparseadam.commands.signals import asked_by_sigusr1

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


def send_together(*numbers):
    """Let signals arrive at the same moment."""
    signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    for number in numbers:
        signal.pthread_kill(threading.get_ident(), number)  # no other thread may take it
    signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)


def outcome_of(numbers, saves=False):
    """Run a command that is sent signals; return its exit code and what it said."""

    @click.command(cls=W2VCommand)
    @click.pass_context
    def main(ctx):
        ctx.obj.saves = saves
        try:
            send_together(*numbers)
        finally:
            click.echo("cleaned up")

    before = [signal.getsignal(number) for number in numbers]
    result = CliRunner().invoke(main)
    assert [signal.getsignal(number) for number in numbers] == before
    assert result.stdout == "cleaned up\n"
    return result.exit_code, result.stderr


@pytest.mark.parametrize("saves", [False, True])
def test_signals_that_come_together_are_one(saves):
    numbers = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
    code, said = outcome_of(numbers, saves)
    assert (code, said) in [
        (130, "Interrupted.\n"),
        (143, "Terminated.\n"),
        (129, "Terminated.\n"),
    ]


def test_a_terminal_that_is_gone():
    assert outcome_of([signal.SIGHUP]) == (129, "Terminated.\n")


def test_a_signal_that_is_ignored_stays_so():
    """As under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert outcome_of([signal.SIGHUP]) == (0, "")
    finally:
        signal.signal(signal.SIGHUP, before)


def test_sigusr1_asks():
    before = signal.getsignal(signal.SIGUSR1)
    with asked_by_sigusr1() as asked:
        assert not asked.is_set()
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert asked.is_set()
            asked.clear()
            assert not asked.is_set()
        # No lock, for which a handler would wait for ever if it interrupts who has it.
        assert list(map(type, vars(asked).values())) == [bool]
    assert signal.getsignal(signal.SIGUSR1) == before

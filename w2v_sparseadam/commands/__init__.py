"""What the commands share: how an error, an interrupt and a word reach the terminal."""

from __future__ import annotations

import atexit
import ctypes
import errno
import gc
import io
import json
import os
import re
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import Any

with suppress(AttributeError, ValueError):  # where there is none; in another thread
    # Before more is imported, which takes a while: SIG_DFL ends the process.
    if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

import click

from ..errors import SettingError, W2VError
from ..text.reading.sources import STANDARD_INPUT
from .hurry import left_soon

_LONGEST_MESSAGE = 2000

# As it exits, Python would look through all that Numba has made for garbage: 0.2 s and more.
atexit.register(gc.freeze)


class W2VCommand(click.Command):
    """A click command that reports the library's errors in one line.

    Use it as ``@click.command(cls=W2VCommand)``. A ``W2VError`` becomes ``Error: …`` on stderr
    and its exit code, an ``OSError`` or ``MemoryError`` exit code 1; Ctrl-C becomes exit code 130,
    SIGTERM 143, SIGHUP 129. Any other exception is a bug and keeps its traceback. ``ctx.obj`` is
    the `StopSignals` in force.
    """

    left_undone = ""
    """What to add to ``Interrupted`` and ``Terminated``."""

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run the command, whatever happens to stderr, and report what the system refused."""
        _guard_standard_files()
        try:
            return super().main(*args, **settings)
        except (OSError, MemoryError) as error:
            click.ClickException(printable(_refusal(error))).show()
            sys.exit(1)

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        """Read the command line."""
        with _escaped_errors():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function, and report what the user can mend."""
        # A word that the terminal's encoding lacks is escaped, not a UnicodeEncodeError.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        signals = ctx.obj = StopSignals()
        try:
            with signals, left_soon(signals, self.left_undone), _escaped_errors():
                result = super().invoke(ctx)
                if sys.stdout is not None:
                    sys.stdout.flush()  # a full disk shows here, not when nobody can tell any more
                return result
        except BaseException as error:
            if signals.received or isinstance(error, KeyboardInterrupt):
                number = signals.received or signal.SIGINT
                word = "Interrupted" if number == signal.SIGINT else "Terminated"
                # No full stop after a command to paste.
                click.echo(f"{word}{signals.note or f'{self.left_undone}.'}", err=True)
                raise click.exceptions.Exit(128 + number) from None
            if isinstance(error, W2VError):
                message = error.message
                if isinstance(error, SettingError):  # which begins with the name of the setting
                    message = _with_option_names(message)
                text = with_advice(_shortened(message), error.advice)
                click.ClickException(printable(text)).show()
                raise click.exceptions.Exit(error.exit_code) from error
            raise


def _shortened(message: str) -> str:
    """Return a message without the middle of a very long name or value."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"


def _options() -> dict[str | None, click.Option]:
    """Return the options of the command that runs, by the names of their parameters."""
    context = click.get_current_context(silent=True)
    params = context.command.params if context else []
    return {option.name: option for option in params if isinstance(option, click.Option)}


def _with_option_names(message: str) -> str:
    """Return what is wrong with a setting, with options for parameters: ``min_lr is 5.0``."""
    options = _options()

    def named(match: re.Match[str]) -> str:
        return max(options[match[0]].opts, key=len) if match[0] in options else match[0]

    return re.sub(r"^[a-z]\w*(?= )|(?<= )[a-z0-9]+_\w+", named, message)


def with_advice(message: str, advice: str) -> str:
    """Return a message with its advice, in which the command's options stand for parameters.

    ``--name value`` for ```name=value```, and ``--name`` for ```name```.
    """
    options = _options()

    def named(match: re.Match[str]) -> str:
        name, value = match.groups()
        if value == "False" and f"no_{name}" in options:
            return f"--no-{name}"
        if name not in options:
            return match[0].strip("`")
        option = max(options[name].opts, key=len)
        return f"{option} {value}" if value and not options[name].is_flag else option

    text = re.sub(r"`(\w+)(?:=([^`]+))?`", named, advice)
    return f"{message}; {text}" if text else message


def _refusal(error: OSError | MemoryError) -> str:
    """Say what the system refused."""
    if isinstance(error, MemoryError):
        return f"there is not enough memory ({error})"
    what = error.strerror or str(error)
    if error.filename is not None:
        return f"{os.fsdecode(error.filename)}: {what}"
    try:
        os.getcwd()
    except FileNotFoundError:
        return "the current folder has been removed; change to one that exists"
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}:
        return f"standard output cannot be written ({what})"  # what writes files names them
    return what


class _Notes(io.FileIO):
    """Standard error, of which what cannot be written is dropped: telling never stops the work."""

    def write(self, data: Any, /) -> int:
        """Write, or act as if."""
        with suppress(OSError):
            return super().write(data) or len(data)
        return len(data)


def _guard_standard_files() -> None:
    """Put `_Notes` in the place of standard error, and something in that of a closed file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # or else the next file that is opened would be taken for it
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
    if sys.stderr is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Notes(2, "wb", closefd=False)),
            encoding=getattr(sys.stderr, "encoding", "utf-8"),
            errors="backslashreplace",
            line_buffering=True,
        )


class Stopped(KeyboardInterrupt):
    """A signal asked to stop.

    Not KeyboardInterrupt itself: once one has crossed an ``exec``, of which Numba has many,
    Python ends by SIGINT whatever the exit code.
    """


class StopSignals:
    """Lets Ctrl-C, SIGTERM and SIGHUP end a ``with`` block by an exception, to clean up.

    Attributes
    ----------
    received : int or None
        The signal that came, if one did: what interrupts Numba may come out of it as another
        exception, or not at all.
    deferred : bool
        Whether to wait for the next `check` instead of raising at once.
    compiling : bool
        Whether a kernel is being compiled, which nothing can interrupt; see `left_soon`.
    saves : bool
        Whether what a signal leads to may take a while, so that it must end the process at once
        when it comes again. Another signal, which supervisors send along, is ignored then; so are
        all where it takes no while.
    note : str
        What to say of the work, in place of the command's `left_undone`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self.deferred = False
        self.compiling = False
        self.saves = False
        self.note = ""
        self._handlers: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            return  # Python lets only the main thread handle signals
        usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        if hasattr(signal, "SIGHUP"):
            usual[signal.SIGHUP] = signal.SIG_DFL
        for number, handler in usual.items():
            if signal.getsignal(number) == handler:  # one that is ignored stays so
                self._handlers[number] = handler
                signal.signal(number, self._stop)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def handles(self, number: int) -> bool:
        """Whether a signal ends the block."""
        return number in self._handlers

    def check(self) -> None:
        """Raise the exception if a signal has come and the exception was deferred or lost."""
        if self.received:
            raise Stopped

    def _stop(self, number: int, _: object) -> None:
        # Other handlers are not set here: Python complains if one of several signals that came
        # together finds that its own is gone.
        if self.received is None:
            self.received = number
            if not self.deferred:
                raise Stopped
        elif self.saves and number == self.received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        # Else it must not disturb cleaning up, which is soon done.


@contextmanager
def bus_errors_told() -> Iterator[None]:
    """End the process with one line if a file that is mapped into memory is cut short in the block.

    With a handler of the system's: Python's run between two of its instructions, of which none
    comes any more.
    """
    if not hasattr(signal, "SIGBUS"):  # Windows
        yield
        return
    system = ctypes.CDLL(None)
    system.signal.argtypes, system.signal.restype = [ctypes.c_int, ctypes.c_void_p], ctypes.c_void_p
    handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(_end_by_bus_error)
    before = system.signal(signal.SIGBUS, ctypes.cast(handler, ctypes.c_void_p))
    try:
        yield
    finally:
        system.signal(signal.SIGBUS, before)


def _end_by_bus_error(_: int) -> None:
    line = (
        "Error: a file that is mapped into memory (word ids of the text, or a checkpoint) was cut "
        "short, or its disk failed\n"
    )
    os.write(2, line.encode())
    os._exit(1)


def check_distinct(
    inputs: Mapping[str, Sequence[Path]], outputs: Mapping[str, Path | None]
) -> None:
    """Refuse to write a file over what is read, or over another file that is written.

    Parameters
    ----------
    inputs : mapping of str to sequence of Path
        What is read, by what it is, such as ``"a corpus file"``.
    outputs : mapping of str to Path or None
        What is written, if at all, under the option that names it.
    """
    written = {option: path for option, path in outputs.items() if path is not None}
    for option, path in written.items():
        for kind, paths in inputs.items():
            # To read "-" is standard input, to write it standard output.
            if any(_same_file(path, other) for other in paths if str(other) != STANDARD_INPUT):
                raise click.UsageError(
                    f"{path} is {kind} and would be overwritten; name another with {option}"
                )
    for (one, path), (other, other_path) in combinations(written.items(), 2):
        if _same_file(path, other_path):
            raise click.UsageError(
                f"{other_path} cannot hold what both {one} and {other} write; name another file"
            )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:  # at least one does not exist
        return os.path.realpath(one) == os.path.realpath(other)


@contextmanager
def _escaped_errors() -> Iterator[None]:
    """Escape the names in click's own errors, which may come from outside."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = printable(error.message)  # which click does not want assigned
        raise


_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """Return `text` with what could drive the terminal, break the line or hide escaped.

    The joiners that Persian and the scripts of India have within words stay there.
    """
    if text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in _UNSAFE and not _joins(text, place)
        else char
        for place, char in enumerate(text)
    )


def _joins(text: str, place: int) -> bool:
    """Tell whether a character is a joiner between two letters that are not ASCII's."""
    beside = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return text[place] in _JOINERS and len(beside) == 2 and all(map(_is_foreign, beside))


def _is_foreign(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char)[0] in "LM"


def to_json(record: Mapping[str, Any]) -> str:
    """Return a line of JSON that leaves a terminal alone, but is readable in any script."""

    line = json.dumps(record, ensure_ascii=False)
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in _UNSAFE else char for char in line
    )

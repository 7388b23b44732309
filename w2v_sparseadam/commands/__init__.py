"""What all commands share: how they report errors, react to signals and print words."""

from __future__ import annotations

import atexit
import errno
import gc
import io
import json
import os
import re
import signal
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import combinations
from pathlib import Path
from typing import Any

with suppress(AttributeError, ValueError):  # where there is none; in another thread
    # Before the slow imports: by default, the signal ends the process.
    if signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL:
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)

import click

from .. import __version__
from ..errors import SettingError, W2VError
from ..system.paths import file_identity, same_file
from ..text.reading.sources import STANDARD_INPUT
from .other_names import check_names
from .signals import StopSignals, bus_errors_told, exit_soon

_LONGEST_MESSAGE = 2000

# Else Python would search all objects of Numba for garbage as it exits: 0.2 s and more.
atexit.register(gc.freeze)


class Guarded(click.Command):
    """A click command or group that writes to guarded standard files, and knows ``-h``."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        known = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        settings["context_settings"] = {**known, **settings.get("context_settings", {})}
        super().__init__(*args, **settings)
        click.version_option(__version__)(self)

    def main(self, *args: Any, **settings: Any) -> Any:
        """Run the command, even if stderr cannot be written, and report errors of the system."""
        _guard_standard_files()
        try:
            return super().main(*args, **settings)
        except (OSError, MemoryError) as error:
            click.ClickException(printable(_refusal(error))).show()
            sys.exit(1)


class W2VCommand(Guarded):
    """A click command that reports the library's errors in one line.

    Use it as ``@click.command(cls=W2VCommand)``. A ``W2VError`` becomes ``Error: …`` on stderr
    and its exit code, an ``OSError`` or ``MemoryError`` exit code 1; Ctrl-C becomes exit code 130,
    SIGTERM 143, SIGHUP 129. Any other exception is a bug and keeps its traceback. ``ctx.obj`` is
    the `StopSignals` in force.
    """

    left_undone = ""
    """What to add to ``Interrupted`` and ``Terminated``, such as ``; no file was written``."""

    def make_context(self, *args: Any, **settings: Any) -> click.Context:
        """Read the command line."""
        with _escaped_errors():
            return super().make_context(*args, **settings)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse an option of another tool, or with one dash too few, before it is taken apart."""
        check_names(ctx, args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command's function, and report what the user can fix."""
        # A word that the terminal's encoding lacks is escaped, not a UnicodeEncodeError.
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        signals = ctx.obj = StopSignals()
        try:
            with (
                signals,
                exit_soon(signals, self.left_undone),
                bus_errors_told(),
                _escaped_errors(),
            ):
                result = super().invoke(ctx)
                if sys.stdout is not None:
                    sys.stdout.flush()  # so that a full disk is reported
                return result
        except BaseException as error:
            if signals.received or isinstance(error, KeyboardInterrupt):
                number = signals.received or signal.SIGINT
                word = "Interrupted" if number == signal.SIGINT else "Terminated"
                # A note ends with a command to paste, hence without a full stop.
                click.echo(f"{word}{signals.note or f'{self.left_undone}.'}", err=True)
                raise click.exceptions.Exit(128 + number) from None
            if isinstance(error, W2VError):
                click.ClickException(printable(in_options(error))).show()
                raise click.exceptions.Exit(error.exit_code) from error
            raise


def _shortened(message: str) -> str:
    """Return a message without the middle of a very long name or value."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE // 2]} … {message[-_LONGEST_MESSAGE // 2 :]}"


def in_options(error: W2VError) -> str:
    """Return what an error says, with the command's options in place of parameters."""
    message = error.message
    if isinstance(error, SettingError):  # which begins with the name of the setting
        message = _with_option_names(message)
    return with_advice(_shortened(message), error.advice)


def _options() -> dict[str | None, click.Option]:
    """Return the options of the command that runs, by the names of their parameters."""
    context = click.get_current_context(silent=True)
    params = context.command.params if context else []
    return {option.name: option for option in params if isinstance(option, click.Option)}


def _with_option_names(message: str) -> str:
    """Return a message on a setting, such as ``min_lr is 5.0``, with options for parameters."""
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
    """Return the message for an error of the system."""
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
        return f"standard output cannot be written ({what})"  # code that writes files names them
    return what


class _Notes(io.FileIO):
    """Standard error that drops what cannot be written, so that messages never end the work."""

    def write(self, data: Any, /) -> int:
        """Write, or pretend to."""
        with suppress(OSError):
            return super().write(data) or len(data)
        return len(data)


def _guard_standard_files() -> None:
    """Replace standard error by `_Notes`, and closed standard files by the null device."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:  # else the next file opened would take its number
            os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)
    if sys.stderr is sys.__stderr__:
        sys.stderr = io.TextIOWrapper(
            io.BufferedWriter(_Notes(2, "wb", closefd=False)),
            encoding=getattr(sys.stderr, "encoding", "utf-8"),
            errors="backslashreplace",
            line_buffering=True,
        )


def check_distinct(
    inputs: Mapping[str, Sequence[str | Path]], outputs: Mapping[str, Path | None]
) -> None:
    """Refuse to overwrite a file that is read, or to write two results to one file.

    Parameters
    ----------
    inputs : mapping of str to sequence of str or Path
        Files that are read, by what they are, such as ``"a corpus file"``.
    outputs : mapping of str to Path or None
        Files that are written, if at all, by the options that name them.
    """
    written = {option: path for option, path in outputs.items() if path is not None}
    # To read "-" is standard input, to write it standard output.
    read = {
        kind: {file_identity(path) for path in paths if str(path) != STANDARD_INPUT}
        for kind, paths in inputs.items()
        if written
    }
    for option, path in written.items():
        for kind, identities in read.items():
            if file_identity(path) in identities:
                raise click.UsageError(
                    f"{path} is {kind} and would be overwritten; name another with {option}"
                )
    for (one, path), (other, other_path) in combinations(written.items(), 2):
        if same_file(path, other_path):
            raise click.UsageError(
                f"{other_path} cannot hold what both {one} and {other} write; name another file"
            )


@contextmanager
def _escaped_errors() -> Iterator[None]:
    """Escape the names in errors of click, which may be a stranger's."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = printable(error.message)  # click annotates it as final
        raise


_UNSAFE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    """Return `text` with control characters, line breaks and invisible characters escaped.

    The joiners within words of Persian and of Indian scripts are kept.
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
    """Tell whether a character is a joiner between two letters outside ASCII."""
    beside = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return text[place] in _JOINERS and len(beside) == 2 and all(map(_is_foreign, beside))


def _is_foreign(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char)[0] in "LM"


def to_json(record: Mapping[str, Any]) -> str:
    """Return a line of JSON, readable in any script but without control characters."""

    line = json.dumps(record, ensure_ascii=False)
    return "".join(
        json.dumps(char)[1:-1] if unicodedata.category(char) in _UNSAFE else char for char in line
    )

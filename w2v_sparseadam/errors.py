"""The errors this package raises for bad input.

Every message is one line: what is wrong and where, the value met, and what would work. The
commands print it after ``Error:``, with option names in place of parameters, and exit with
its ``exit_code``.
"""

import os
from collections.abc import Collection, Hashable


class W2VError(Exception):
    """Base of every error that a user can cause and fix.

    Parameters
    ----------
    message : str
        What is wrong, where, and the value met.
    advice : str, optional
        What would work. Each setting is in backquotes, as ```name``` or ```name=value```,
        which commands replace with an option. Nothing in it comes from a file.
    """

    exit_code = 1

    def __init__(self, message: str = "", advice: str = "") -> None:
        super().__init__(message, advice)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        """Join message and advice."""
        return f"{self.message}; {self.advice.replace('`', '')}" if self.advice else self.message


class TextError(W2VError):
    """A corpus that cannot be read or leaves nothing to train on."""


class FormatError(W2VError):
    """A file of vectors or evaluation items that breaks its format."""


class UnknownWordError(W2VError, KeyError):
    """A word that has no vector."""


class WrongTypeError(W2VError, TypeError):
    """An argument of a type that a function cannot use."""


class ShapeError(W2VError, ValueError):
    """Arrays whose shapes, types or row numbers do not fit together."""


class SettingError(W2VError, ValueError):
    """A setting outside its range, or two that contradict each other."""


class W2VWarning(UserWarning):
    """Something is odd, or went wrong, that does not end a run."""


class DivergenceError(W2VError):
    """A training run whose loss or vectors are no longer finite, or have grown out of bounds."""

    exit_code = 3


class ClusterError(W2VError):
    """A cluster that cannot be reached, has gone, or has workers that cannot take part."""


def check_path(name: str, value: object) -> None:
    """Refuse a value that cannot be the path of a file or folder.

    Raises
    ------
    WrongTypeError
        If it is neither a str nor path-like.
    SettingError
        If it is empty or contains a NUL.
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str):
        raise wrong_type(name, "a path (str or path-like)", value)
    if not path or "\0" in path:
        raise SettingError(f"{name} must be the path of a file or folder, got {path!r:.60}")


def wrong_type(name: str, expected: str, value: object) -> WrongTypeError:
    """Return the error for an argument of a wrong type; a long value is shown by its type only."""
    is_short = isinstance(value, str | int | float) or value is None
    got = f"{value!r:.60}" if is_short else type(value).__name__
    return WrongTypeError(f"{name} must be {expected}, got {got}")


def counted(n: int, noun: str) -> str:
    """Return a number of things, as ``1 word`` or ``2,000 words``."""
    return f"{n:,} {noun}{'s' * (n != 1)}"


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse an argument outside its range."""
    if not low <= value <= high:
        range_ = f"from {low} to {high}" if high < 2**64 else f"{low} or more"
        raise SettingError(f"{name} is {value}, but must be {range_}")


def check_choice(name: str, value: object, choices: Collection[object]) -> None:
    """Refuse a value that is not among the choices."""
    if not isinstance(value, Hashable) or value not in choices:
        names = ", ".join(map(repr, choices))
        raise SettingError(f"{name} is {value!r}, but must be one of {names}")

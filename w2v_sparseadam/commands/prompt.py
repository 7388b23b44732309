"""The prompt of ``w2v-neighbors``: questions from the terminal, one a line."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

import click

from ..errors import SettingError, W2VError, counted
from . import printable, with_advice
from .destination import state_folder
from .questions import Search, questions_in
from .signals import Stopped

if TYPE_CHECKING:
    from .questions import Answer

_PROMPT = "> "
_MOST_COMPLETIONS = 50

_HELP = """\
king                  the words nearest to king
king queen            the words nearest to each
king - man + woman    the words nearest to a sum
/similar a b          the cosine of two words
/odd a b c d          the word that does not belong
/n 20                 how many words to print
/method 3cosmul       score sums by 3CosMul, or by 3cosadd
/help                 this text
/quit                 leave; so does Ctrl-D"""

_NUMBER = re.compile("[1-9][0-9]{0,8}")  # Python refuses to read one of thousands of digits

COMMANDS = ("/similar", "/odd", "/n", "/method", "/help", "/quit")


def is_possible() -> bool:
    """Tell whether somebody sits at a terminal; a standard file that is closed is None."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def explore(search: Search, show: Callable[[Sequence[Answer]], None]) -> None:
    """Answer questions from the terminal until its end."""
    n_words, dim = len(search.vectors), search.vectors.dim
    size = f"{counted(n_words, 'word')}, {counted(dim, 'dimension')}"
    click.echo(f"{size}. A word, or king - man + woman; /help.")
    for line in _lines(search.vectors.words):
        try:
            if line.split()[:1] == ["/quit"]:
                return
            reply(search, line, show)
        except W2VError as error:
            click.echo(printable(with_advice(error.message, error.advice)))


def reply(search: Search, line: str, show: Callable[[Sequence[Answer]], None]) -> None:
    """Answer a line of the prompt.

    Raises
    ------
    W2VError
        If it cannot be answered.
    """
    command, *words = line.split() or [""]
    is_word = search.vectors.find(command) is not None
    if not command.startswith("/") or (is_word and command not in COMMANDS):
        show([search.answer(question) for question in questions_in(line)])
    elif command == "/help":
        click.echo(_HELP)
    elif command == "/similar" and len(words) == 2:
        a, b = map(search.known, words)
        click.echo(f"{search.vectors.similarity(a, b):.4f}")
    elif command == "/odd" and len(words) >= 3:
        click.echo(printable(search.vectors.doesnt_match(list(map(search.known, words)))))
    elif command == "/n" and len(words) == 1 and _NUMBER.fullmatch(words[0]):
        search.number = int(words[0])
    elif command == "/method" and words in (["3cosadd"], ["3cosmul"]):
        search.method = words[0]
    else:
        raise SettingError(f"{line.strip()!r:.80} is not understood; /help shows what is")


def _lines(words: Sequence[str]) -> Iterator[str]:
    """Yield the lines that are typed, with completion if prompt_toolkit is installed."""
    read = _reader(words)
    while True:
        try:
            line = read(_PROMPT)
        except Stopped:
            raise
        except KeyboardInterrupt:  # Ctrl-C drops the line
            continue
        except EOFError:
            return
        if line.strip():
            yield line


def _reader(words: Sequence[str]) -> Callable[[str], str]:
    """Return a function that reads a line after a prompt."""
    try:
        from prompt_toolkit import PromptSession
    except ImportError:
        click.echo("For completion and history: pip install 'w2v-sparseadam[explore]'", err=True)
        return input
    from prompt_toolkit.completion import Completer, Completion
    from prompt_toolkit.document import Document
    from prompt_toolkit.history import FileHistory, History, InMemoryHistory

    class Words(Completer):
        def get_completions(self, document: Document, _: object) -> Iterator[Completion]:
            line = document.text_before_cursor
            for word in completions(words, line):
                yield Completion(word, -len(line.split(" ")[-1]), printable(word))

    history: History = InMemoryHistory()
    with suppress(OSError, RuntimeError):  # as where there is no home folder
        folder = state_folder()
        folder.mkdir(0o700, parents=True, exist_ok=True)
        (folder / "history").touch(0o600)
        history = FileHistory(folder / "history")
    session: PromptSession[str] = PromptSession(
        history=history, completer=Words(), complete_while_typing=False
    )
    return lambda prompt: session.prompt(prompt, handle_sigint=False)


def completions(words: Sequence[str], line: str) -> Iterator[str]:
    """Yield what the last word of a line may become: words in their order, or commands."""
    start = line.split(" ")[-1]
    if line.startswith("/") and start == line:
        yield from (name for name in COMMANDS if name.startswith(line))
    elif start:
        found = (word for word in words if word.startswith(start))
        yield from islice(found, _MOST_COMPLETIONS)

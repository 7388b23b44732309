"""The progress and the result of reading text, for the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..events import Event, Pace
from ..system.files import check_writable
from ..system.paths import check_text_ending
from ..training.progress_bar import new_bar
from . import printable, with_advice
from .signals import StopSignals

if TYPE_CHECKING:
    from ..text.phrases import Phrase

# If stderr is no terminal, lines of progress are at least so many seconds and such a share of the
# work apart.
_LINE_SECONDS, _LINE_SHARE = 10, 0.01

_PHRASES_SHOWN = 5  # of each pass

# What became of the tokens: the key of the event, and the text of its line.
_OUTCOMES = (
    ("joined_tokens", "joined to the previous word; phrases: {phrases:,}"),
    ("numbers", "dropped as numbers (--digits drop)"),
    ("stopwords", "dropped as --stopwords"),
    ("outside_vocab", "of words not in --vocab"),
    ("below_min_count", "of words below --min-count"),
    ("beyond_max_vocab", "of words beyond --max-vocab"),
    ("pruned", "of the rarest strings, beyond --max-types"),
    ("kept_tokens", "kept; distinct words: {words:,}"),
)
_NOTES = (
    ("long_tokens", "Dropped strings longer than --max-token-bytes"),
    ("bad_bytes", "Bytes that are invalid in the encoding"),
    ("empty_words", "Dropped empty words from the tokenizer"),
    ("rewritten_words", "Words from the tokenizer with white space, replaced by _"),
    ("unseen_stopwords", "Words of --stopwords not in the text"),
    ("unseen_vocab", "Words of --vocab not in the text"),
)


def teller(
    signals: StopSignals, listeners: Sequence[Callable[[Event], None]]
) -> Callable[[Event], None]:
    """Return a function that hands events on, but raises an exception if a signal has come."""

    def tell(event: Event) -> None:
        # LLVM calls back into Python, where an exception would be printed and lost.
        signals.deferred = signals.compiling = event["event"] == "compile"
        signals.check()
        for listener in listeners:
            listener(event)

    return tell


def phrases_to(path: Path) -> Callable[[Event], None]:
    """Return a listener that writes the phrases to a file, which is checked now."""
    check_text_ending(path)
    check_writable(path)

    def write(event: Event) -> None:
        if event["event"] == "phrases":
            from ..text.phrases import save_phrases

            save_phrases(event["found"], path)

    return write


def line_pace() -> Pace:
    """Return the pace of lines of progress."""
    return Pace(_LINE_SECONDS, _LINE_SHARE)


class ReadingReport:
    """Shows the events of reading on stderr: bars on a terminal, else a line now and then.

    If quiet, it shows only warnings.
    """

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        self._on_terminal = sys.stderr.isatty() and not quiet
        self._bar: Any = None  # of tqdm
        self._pace = line_pace()
        self._joining = self._compiling = self._said_compiling = False

    def __call__(self, event: Event) -> None:
        """Show an event."""
        if self._compiling and event["event"] != "compile":
            self._compiling = False
            self.close()
        getattr(self, f"_show_{event['event']}")(event)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, line: str) -> None:
        if self._quiet and not line.startswith("Warning: "):
            return
        if self._bar is not None:
            self._bar.clear()
        click.echo(printable(line), err=True)
        if self._bar is not None:
            self._bar.refresh()

    def _show_warning(self, event: Event) -> None:
        text = with_advice(event["message"], event.get("advice", ""))
        self._say(f"Warning: {text}.")

    def _show_compile(self, event: Event) -> None:
        if not self._said_compiling:
            self._said_compiling = True
            self._say("Compiling for this machine; the next run will start at once.")
        total = event.get("total", 0)
        if self._on_terminal and total:
            if not self._compiling:
                self._compiling = True
                self.close()
                self._bar = new_bar(total, "", "Compiling", "")
            self._bar.n = event["number"] - 1
            self._bar.refresh()  # whenever it was drawn last: the next event may be seconds off

    def _show_read(self, event: Event) -> None:
        done, whole = event["bytes"], event["total_bytes"]
        if self._on_terminal:
            if self._bar is None and whole:
                self._bar = new_bar(whole, "B", "Reading", "{n_fmt} of {total_fmt}, {rate_fmt}")
            elif self._bar is None:
                self._bar = new_bar(0, " tokens", "Reading", "{n_fmt}, {rate_fmt}")
            self._bar.update((done if whole else event["tokens"]) - self._bar.n)
        elif self._pace.due(done, whole):
            if whole:
                self._say(f"{done / max(whole, done):4.0%}  reading, {done / 1e6:,.0f} MB")
            else:
                self._say(f"reading, {done / 1e6:,.0f} MB, {event['tokens']:,} tokens")

    def _show_join(self, event: Event) -> None:
        done, whole = event["words"], event["total_words"]
        if not self._joining:
            self._joining = True
            self.close()
            self._pace = line_pace()
        if self._on_terminal:
            if self._bar is None:
                self._bar = new_bar(whole, " words", "Joining", "{rate_fmt}, {remaining} left")
            self._bar.total = whole
            self._bar.update(done - self._bar.n)
        elif self._pace.due(done, whole):
            self._say(f"{done / whole:4.0%}  joining phrases")

    def _show_text(self, event: Event) -> None:
        self.close()
        for line in _text_block(event):
            self._say(line)

    def _show_phrases(self, event: Event) -> None:
        for line in _phrases_block(event["found"]):
            self._say(line)


def _text_block(event: Event) -> Iterator[str]:
    """Yield the lines that say what was read, kept and left out."""
    n_sources = event["sources"]
    stored, text = (f"{event[key] / 1e6:,.1f} MB" for key in ("bytes", "text_bytes"))
    yield (
        f"Read {stored if stored == text else f'{stored}, {text} of text,'} from {n_sources:,} "
        f"source{'s'[: n_sources != 1]} in {duration(event['seconds'])}, "
        f"{event['mb_per_s']:,.0f} MB/s."
    )
    n_tokens = event["tokens"]
    rows = [
        (event["lines"], "", "lines; the longest has {longest_line:,} strings between white space"),
        (n_tokens, "", "tokens; distinct words: {distinct_words:,}"),
        *(
            (event[key], f"{event[key] / n_tokens:.1%}", what)
            for key, what in _OUTCOMES
            if event[key]
        ),
    ]
    width = max(len(f"{number:,}") for number, *_ in rows)
    for number, share, what in rows:
        yield f"  {number:>{width},}  {share:>6}  {what.format(**event)}"
    for key, what in _NOTES:
        if event[key]:
            such = ""
            if key == "unseen_vocab":
                such = f", such as {printable(event['unseen_vocab_words'][0])}"
            yield f"{what}: {event[key]:,}{such}."
    if event["max_missed"] >= event["min_count"]:
        yield (
            f"Warning: words that occur up to "
            f"{event['max_missed']:,} times may be missing because of --max-types; raise it."
        )
    if event["repeated_sources"]:
        yield f"Given more than once, and read as often: {', '.join(event['repeated_sources'])}."


def _phrases_block(phrases: Sequence[Phrase]) -> Iterator[str]:
    """Yield the lines that show the most frequent phrases."""
    import wcwidth

    if not phrases:
        yield "Found no phrases; a lower --phrase-threshold or --phrase-min-count finds more."
    for number, of_pass in groupby(phrases, attrgetter("pass_number")):
        found = list(of_pass)
        often = sorted(found, key=lambda phrase: -phrase.pair_count)[:_PHRASES_SHOWN]
        texts = [printable(phrase.text) for phrase in often]
        yield f"Phrases of pass {number}: {len(found):,}; the most frequent, with count and score:"
        width = max(map(wcwidth.width, texts))
        for text, phrase in zip(texts, often, strict=True):
            yield f"  {wcwidth.ljust(text, width)}  {phrase.pair_count:>9,}  {phrase.score:>11,.2f}"


def duration(seconds: float) -> str:
    """Return seconds in a readable form: ``4.2 s``, ``3:07`` or ``11:03:07``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"

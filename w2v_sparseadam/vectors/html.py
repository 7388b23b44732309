"""Small tables of HTML, which notebooks show."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_LONGEST_CELL = 40


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in which everything is escaped, and long words are cut."""
    lines = [
        "<tr>" + "".join(_cell(tag, *place) for place in enumerate(row)) + "</tr>"
        for tag, row in [("th", header), *(("td", row) for row in rows)]
    ]
    return f"<div>{_escaped(title)}</div><table>{''.join(lines)}</table>"


def _cell(tag: str, column: int, text: str) -> str:
    """Return a cell; the first of a row is a word, and stands on the left."""
    short = text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"
    style = "" if column else ' style="text-align: left"'
    return f"<{tag}{style}>{_escaped(short)}</{tag}>"


def _escaped(text: str) -> str:
    """Return text that HTML shows as it is; what no encoding can write becomes a question mark."""
    return html.escape(text.encode(errors="replace").decode())

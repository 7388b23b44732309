"""Small tables of HTML, which notebooks show."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_LONGEST_CELL = 40


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in which everything is escaped, and long words are cut."""
    lines = [
        f"<tr>{''.join(f'<{tag}>{_escaped(_shortened(cell))}</{tag}>' for cell in row)}</tr>"
        for tag, row in [("th", header), *(("td", row) for row in rows)]
    ]
    return f"<table><caption>{_escaped(title)}</caption>{''.join(lines)}</table>"


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _escaped(text: str) -> str:
    """Return text that HTML shows as it is; what no encoding can write becomes a question mark."""
    return html.escape(text.encode(errors="replace").decode())

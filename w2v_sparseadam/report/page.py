"""The report: one page of HTML on vectors and their training, which needs no network."""

from __future__ import annotations

import importlib.metadata
import importlib.resources
import importlib.util
import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..errors import FormatError, SettingError, W2VError, check_path, counted
from ..events import Event
from ..system.files import check_writable, write_result
from ..text.reading.compression import read_lines
from ..training.model import Model
from ..vectors.vectors import Vectors
from .history import History
from .neighbors import AMONG, agreement, bands, nearest
from .settings_rows import calls, keywords_of, text_rows
from .subject import Subject
from .vocabulary import rounded, vocabulary_figures
from .word_map import clusters, places

N_WORDS = 10_000
"""Words on the map."""

MOST_WORDS = 30_000

_OTHER = "other"
_MOST_CLASSES = 8


def check_report(path: str | os.PathLike[str]) -> None:
    """Check before a long run that its report can be made and written.

    Raises
    ------
    W2VError
        If the name of the file does not end in ``.html``, if plotly is not installed, or as
        `check_writable`.
    """
    check_path("path", path)
    if Path(path).suffix.lower() != ".html":
        raise W2VError(f"{path}: a report must end in .html, not in {Path(path).suffix!r}")
    if importlib.util.find_spec("plotly") is None:
        raise W2VError(
            f"{path}: a report needs plotly, which is not installed; "
            "pip install 'w2v-sparseadam[report]'"
        )
    check_writable(path)


# More than eight parameters: what is shown, and how; each is an option of its own.
def save_report(
    source: Model | Vectors | Subject | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    others: Sequence[Vectors | str | os.PathLike[str]] = (),
    classes: str | os.PathLike[str] | None = None,
    n_words: int = N_WORDS,
    command: str | None = None,
    on_event: Callable[[Event], None] | None = None,
) -> None:
    """Write a page of HTML that shows vectors and how they were trained.

    It holds all that it needs and opens no connection: curves of the training, figures of the
    vocabulary, a map of the most frequent words with their neighbours, what was read, and all
    settings. The same vectors give the same bytes.

    Parameters
    ----------
    source : Model, Vectors or path
        A path is a file of vectors or the folder of a run. A folder and a model have the history
        of the training, too; a folder's is finer, because its log has more than the epochs.
    path : path-like
        Replaced as a whole; its name ends in ``.html``.
    others : sequence of Vectors or path
        Vectors of the same text by other seeds: the report then tells how far the neighbours of a
        word agree, and so how far to trust them.
    classes : path-like, optional
        Lines of a word, a tab and its class, by which the words can be coloured.
    n_words : int
        How many of the most frequent words are on the map, 2 to 30,000.
    command : str, optional
        The command that repeats the training. By default, a call of `train`, if the settings are
        known.
    on_event : callable, optional
        As for `Vectors.load`.

    Raises
    ------
    SettingError
        If `n_words` is out of range, or `others` are not of the same words.
    FormatError
        If `classes` breaks its format.
    W2VError
        If plotly is not installed, or a file cannot be read or written.
    """
    check_report(path)
    if not 2 <= n_words <= MOST_WORDS:
        raise SettingError(f"n_words is {n_words}, but must be from 2 to {MOST_WORDS:,}")
    subject = source if isinstance(source, Subject) else Subject.of(source, on_event)
    loaded = [
        other if isinstance(other, Vectors) else Vectors.load(other, on_event=on_event)
        for other in others
    ]
    content = page_content(subject, loaded, classes, n_words, command)
    with write_result(path) as file:
        file.write(html_of(content).encode())


def page_content(
    subject: Subject,
    others: Sequence[Vectors] = (),
    classes: str | os.PathLike[str] | None = None,
    n_words: int = N_WORDS,
    command: str | None = None,
) -> dict[str, Any]:
    """Return all that the page shows, as JSON can hold it; see `save_report`."""
    vectors = subject.vectors
    class_of = {} if classes is None else read_classes(classes)
    word_map = _map_of(vectors, n_words, class_of, others)
    settings = [
        [name, _shown(value), is_default]
        for name, value, is_default in keywords_of(subject.settings)
    ]
    if len(epochs := [n for part in subject.parts for n in part.epochs]) > 1:
        told = " + ".join(map(str, epochs))
        settings = [["epochs", told, False] if row[0] == "epochs" else row for row in settings]
    return {
        "title": subject.name,
        "words": len(vectors),
        "dim": vectors.dim,
        "tokens": None if vectors.counts is None else int(vectors.counts.sum()),
        "map": word_map,
        "training": _training_of(subject.history),
        "vocabulary": vocabulary_figures(vectors),
        "agreement": [vars(band) for band in bands([vectors, *others])] if others else [],
        "n_vectors": 1 + len(others),
        "texts": [rows for text in subject.history.texts if (rows := text_rows(text))],
        "warnings": subject.history.warnings[:20],
        "settings": settings,
        "command": command or calls(subject),
        "versions": versions(word_map["method"]),
    }


def html_of(content: Mapping[str, Any]) -> str:
    """Return the page with its content, its style and its scripts."""
    from plotly.offline import get_plotlyjs

    assets = importlib.resources.files(__package__) / "assets"
    parts = {
        name: (assets / f"page.{name}").read_text(encoding="utf-8")
        for name in ("html", "css", "js")
    }
    # No word can end the element, or begin a comment; lone surrogates are escaped, too.
    data = json.dumps(content, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    page = parts["html"]
    for mark, part in (
        ("/*style*/", parts["css"]),
        ("/*plotly*/", get_plotlyjs().replace("</script", "<\\/script")),
        ("/*content*/", data),
        ("/*script*/", parts["js"]),
    ):
        before, after = page.split(mark)
        page = f"{before}{part}{after}"
    return page


def read_classes(path: str | os.PathLike[str]) -> dict[str, str]:
    """Return the class of each word in a file with lines of a word, a tab and a class.

    Raises
    ------
    FormatError
        If a line is none.
    TextError
        If the file cannot be read.
    """
    found: dict[str, str] = {}
    for place, line in read_lines(path):
        try:
            text = line.decode("utf-8-sig").rstrip("\r\n")
        except UnicodeDecodeError:
            raise FormatError(f"{place}: is not UTF-8; convert the file") from None
        if not text.strip() or text.startswith("#"):
            continue
        word, tab, name = text.partition("\t")
        if not (word and tab and name.strip()):
            raise FormatError(f"{place}: expected a word, a tab and its class, found {text[:60]!r}")
        found[word] = name.strip()
    return found


def versions(method: str) -> list[list[str]]:
    """Return the names and versions of what made the vectors and the page."""
    packages = ["numpy", "numba", "plotly", *(["umap-learn"] if method == "UMAP" else [])]
    return [
        ["w2v-sparseadam", __version__],
        ["Python", platform.python_version()],
        *([name, importlib.metadata.version(name)] for name in packages),
    ]


def _map_of(
    vectors: Vectors, n_words: int, class_of: Mapping[str, str], others: Sequence[Vectors]
) -> dict[str, Any]:
    """Return the words of the map: place, neighbours, and what they can be coloured by."""
    rows = _most_frequent(vectors, n_words)
    words = [vectors.words[row] for row in rows]
    unit = vectors.unit_matrix[rows]
    at, method = places(unit)
    near = nearest(vectors, rows)
    number = {int(row): place for place, row in enumerate(rows)}
    more: dict[int, int] = {}  # neighbours that are not on the map
    neighbors = [
        [number[row] if row in number else -1 - more.setdefault(row, len(more)) for row in line]
        for line in near.rows.tolist()
    ]
    lengths = np.linalg.norm(vectors.matrix[rows], axis=1)
    return {
        "method": method,
        "among": min(len(vectors), AMONG),
        "words": words,
        "x": [round(float(x), 4) for x in at[:, 0]],
        "y": [round(float(y), 4) for y in at[:, 1]],
        "counts": None if vectors.counts is None else vectors.counts[rows].tolist(),
        "norms": rounded(lengths, 4),
        "neighbors": neighbors,
        "cosines": [[round(100 * value) for value in line] for line in near.cosines.tolist()],
        "others": [vectors.words[row] for row in more],
        "clusters": _clusters(unit, words),
        "classes": _classes(words, class_of) if class_of else None,
        "agreement": rounded(agreement([vectors, *others], rows), 2) if others else None,
    }


def _most_frequent(vectors: Vectors, n_words: int) -> np.ndarray:
    """Return the rows of the most frequent words; the first ones, if no counts are known."""
    if vectors.counts is None:
        return np.arange(min(n_words, len(vectors)))
    return np.argsort(-vectors.counts, kind="stable")[:n_words]


def _clusters(unit: np.ndarray, words: Sequence[str]) -> dict[str, Any]:
    """Return the cluster of each word; a cluster is named by its most typical frequent words."""
    number, centers = clusters(unit)
    names = []
    for k, center in enumerate(centers):
        members = np.flatnonzero(number == k)[:500]  # the most frequent ones
        best = members[np.argsort(-(unit[members] @ center), kind="stable")[:3]]
        names.append(", ".join(words[place] for place in best))
    return {"names": names, "of": number.tolist()}


def _classes(words: Sequence[str], class_of: Mapping[str, str]) -> dict[str, Any]:
    """Return the class of each word: the largest by name, the others and none as one each."""
    found = [class_of.get(word) for word in words]
    sizes: dict[str, int] = {}
    for name in found:
        if name is not None:
            sizes[name] = sizes.get(name, 0) + 1
    names = sorted(sizes, key=lambda name: (-sizes[name], name))
    shown = names if len(names) <= _MOST_CLASSES else [*names[: _MOST_CLASSES - 1], _OTHER]
    place = {name: min(k, len(shown) - 1) for k, name in enumerate(names)}
    return {"names": shown, "of": [-1 if name is None else place[name] for name in found]}


def _training_of(history: History) -> dict[str, Any]:
    """Return the curves of the training."""
    tokens, losses, rates, _ = zip(*history.points, strict=True) if history.points else [()] * 4
    epochs = sorted(history.epochs.items())
    return {
        "tokens": list(tokens),
        "loss": rounded(losses, 5),
        "lr": rounded(rates, 4),
        "epochs": [[n, place, round(loss, 5)] for n, (place, loss) in epochs],
        "scores": [_score_curve(name, of) for name, of in history.scores.items() if of],
        "best": history.best,
        "parts": history.parts,
        "facts": history.facts,
    }


def _score_curve(
    name: str, of_set: Mapping[int, tuple[float, float | None, float | None]]
) -> dict[str, Any]:
    """Return the scores on a data set by epoch; without intervals if one is missing."""
    epochs = sorted(of_set)
    scores, lows, highs = ([of_set[epoch][k] for epoch in epochs] for k in range(3))
    has_all = None not in lows and None not in highs
    ends = {"low": lows, "high": highs} if has_all else {"low": None, "high": None}
    return {"name": name, "epochs": epochs, "scores": scores, **ends}


def _shown(value: Any) -> str:
    """Return the value of a setting for the table."""
    if isinstance(value, list):
        return counted(len(value), "word")
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "none" if value is None else str(value)

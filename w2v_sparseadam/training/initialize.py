"""Initialization from given vectors or another run, and words whose vectors are frozen."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import FormatError, SettingError, check_path, counted, wrong_type
from ..events import Event, warn
from ..runs.checkpoint_file import last_checkpoint
from ..runs.names import of_generation
from ..runs.settings import read_settings, tell_if_unfinished
from ..runs.text import read_vocabulary
from ..text.filters import as_in_text
from ..text.reading.compression import read_lines
from ..text.settings import WordList
from ..vectors.subwords import Subwords
from ..vectors.vectors import Vectors
from .settings import Settings

if TYPE_CHECKING:
    from ..objectives.settings import NgramTable, ObjectiveSettings
    from ..optimizers.base import Optimizer

_NAMED = 3
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, eq=False, repr=False)
class Start:
    """The final state of another run: all tables and optimizer moments, one row per word."""

    words: Sequence[str]
    dim: int
    optimizer: str
    rows: Mapping[str, Sequence[str]]  # the names of the rows of each table
    arrays: Mapping[str, np.ndarray]  # "center.vectors", "context.exp_avg_sq" and the like
    step_counts: Sequence[int]  # of each table's optimizer

    def __repr__(self) -> str:
        """Say how many words and dimensions."""
        size = f"{counted(len(self.words), 'word')}, {counted(self.dim, 'dimension')}"
        return f"<Start: {size}, {self.optimizer}>"

    @classmethod
    def load(
        cls,
        run_dir: str | os.PathLike[str],
        *,
        on_event: Callable[[Event], None] | None = None,
    ) -> Start:
        """Load the last good checkpoint of a run folder, which stays as it is.

        ``on_event`` receives `~w2v_sparseadam.events.Warned` if the run is not finished; by
        default, that is a warning of Python's.

        Raises
        ------
        W2VError
            If the folder holds no run, or the run no checkpoint yet.
        FormatError
            If the settings, the vocabulary or all checkpoints are damaged.
        """
        check_path("run_dir", run_dir)
        settings = read_settings(run_dir)
        words = read_vocabulary(Path(run_dir), settings)[0].words
        arrays, state = last_checkpoint(of_generation(Path(run_dir), "checkpoints", settings))
        try:
            objective = Settings.read(settings, run_dir).objective
            tables = objective.tables(words)
            start = cls(
                words,
                objective.dim,
                settings["optimizer"]["optimizer"],
                objective.row_names(words),
                arrays,
                [int(count) for count in state["step_counts"]],
            )
            if min(start.step_counts) < 0:
                raise ValueError("a step count below 0")
            shapes = [arrays[f"{table.name}.vectors"].shape for table in tables]
        except (KeyError, TypeError, ValueError) as error:
            raise FormatError(f"{run_dir}: is damaged: {error!r:.80}") from None
        n_rows = {table.name: table.n_rows for table in tables}
        is_whole = shapes == [(n, start.dim) for n in n_rows.values()]
        for name, array in arrays.items():
            n = n_rows.get(name.split(".")[0])
            is_whole = is_whole and array.shape in ((n,), (n, start.dim))
        if not is_whole or len(start.step_counts) != len(tables):
            raise FormatError(f"{run_dir}: is damaged: its checkpoint is of another vocabulary")
        tell_if_unfinished(run_dir, settings, state, warn if on_event is None else on_event)
        return start


def place(
    init: Vectors | Start,
    tables: Mapping[str, Optimizer],
    words: Sequence[str],
    settings: Settings,
) -> dict[str, Any]:
    """Put what a run starts from in its tables, by the names of their words.

    Vectors become those of the words by default. A `Start` fills every table that the other run
    had, with the moments and step counts if the optimizers are of the same kind and hold the same
    moments.

    Parameters
    ----------
    init : Vectors or Start
    tables : mapping of str to Optimizer
        Updated in place; rows of other words stay as they are.
    words : sequence of V str
        The words of the rows.
    settings : Settings
        Those of the run.

    Returns
    -------
    dict
        ``matched``, words that have a given vector; ``fresh``, those without; ``unused``, given
        vectors of words that are not in ``words``; of a `Start`, ``moments``: whether they were
        taken; of vectors with the n-grams of the run, ``ngrams``: how many were taken.

    Raises
    ------
    SettingError
        If no word has a given vector, or the other run had other tables.
    """
    if not isinstance(init, Start):
        params = {name: optimizer.param for name, optimizer in tables.items()}
        return place_vectors(params, words, init, settings.objective)
    if list(tables) != list(init.rows):
        raise SettingError(
            f"the run to start from has the tables {', '.join(init.rows)}, and this one "
            f"{', '.join(tables)}; start from its vectors"
        )
    ids = {word: row for row, word in enumerate(init.words)}
    matched = _matched(words, ids)
    row_names = settings.objective.row_names(words)
    names = {f"{table}.{n}" for table, moved in tables.items() for n in ("vectors", *moved.state)}
    taken = settings.optimizer.optimizer == init.optimizer and names == set(init.arrays)
    for (table, optimizer), count in zip(tables.items(), init.step_counts, strict=True):
        rows, start_rows = matched
        if row_names[table] is not words:
            of_start = {name: row for row, name in enumerate(init.rows[table])}
            rows, start_rows = _matched_rows(row_names[table], of_start)
        optimizer.param[rows, : init.dim] = init.arrays[f"{table}.vectors"][start_rows]
        if taken:
            optimizer.step_count = count
            for name, array in optimizer.state.items():
                given = init.arrays[f"{table}.{name}"][start_rows]
                array[(rows, slice(init.dim)) if array.ndim == 2 else rows] = given
    return {**_counts(matched[0], words, ids), "moments": taken}


def place_vectors(
    params: Mapping[str, np.ndarray],
    words: Sequence[str],
    init: Vectors,
    objective: ObjectiveSettings,
) -> dict[str, int]:
    """Make given vectors those of the words with the same names, and of the same n-grams.

    Parameters
    ----------
    params : mapping of str to ndarray of shape (rows, at least D), float32
        The tables. Updated in place; rows of other words, and columns beyond D, stay as they are.
    words : sequence of V str
        The words of the rows.
    init : Vectors
        Of D dimensions.
    objective : ObjectiveSettings

    Returns
    -------
    dict
        ``matched``, words that have a given vector; ``fresh``, those without; ``unused``, given
        vectors of words that are not in ``words``; ``ngrams``, n-grams that have a given vector,
        if there are any of the same lengths and buckets.

    Raises
    ------
    SettingError
        If no word has a given vector.
    FormatError
        If a given vector of an n-gram is not finite.
    """
    rows, init_rows = _matched(words, init.word_ids)
    table = objective.ngram_table(words)
    ngrams = {}
    if table and init.subwords and of_ngrams(table) == of_ngrams(init.subwords):
        ngrams["ngrams"] = _place_ngrams(params[table.name], table.buckets, init.subwords)
    objective.put_vectors(params, rows, init.matrix[init_rows], words)
    return {**_counts(rows, words, init.word_ids), **ngrams}


def of_ngrams(ngrams: NgramTable | Subwords) -> tuple[int, int, int]:
    """Return the least and the most characters of n-grams, and how many buckets they have."""
    return ngrams.min_n, ngrams.max_n, ngrams.n_buckets


def _place_ngrams(param: np.ndarray, buckets: np.ndarray, given: Subwords) -> int:
    """Take the given vectors of n-grams that have one, in place; return how many have."""
    rows = np.flatnonzero(given.are_known(buckets))
    for some in np.array_split(rows, len(rows) // _ROWS_AT_ONCE + 1):
        vectors = given.vectors_of(buckets[some])
        if not np.isfinite(vectors).all():
            raise FormatError("the start vectors have n-grams whose vectors are not finite")
        param[some, : given.dim] = vectors
    return len(rows)


def _matched(words: Sequence[str], ids: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of the words that have a start vector, and the rows of those vectors."""
    rows, start_rows = _matched_rows(words, ids)
    if not rows.size:
        raise SettingError(
            f"none of the words with a start vector ({len(ids):,}) is in the vocabulary of "
            f"{counted(len(words), 'word')}; the former begin with {_few(list(ids))}, the latter "
            f"with {_few(words)}"
        )
    return rows, start_rows


def _matched_rows(names: Sequence[str], ids: Mapping[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows whose names occur among others, and the rows of those."""
    matched = [(row, ids[name]) for row, name in enumerate(names) if name in ids]
    rows, other_rows = np.array(matched, np.int64).reshape(-1, 2).T
    return rows, other_rows


def _counts(rows: np.ndarray, words: Sequence[str], ids: Mapping[str, int]) -> dict[str, int]:
    n = len(rows)
    return {"matched": n, "fresh": len(words) - n, "unused": len(ids) - n}


def check_dim(init: Vectors | Start, dim: int) -> None:
    """Refuse start vectors that are none, or of other dimensions than the model's."""
    if not isinstance(init, Vectors | Start):
        raise wrong_type("init", "Vectors (as of model.vectors()), a Start or None", init)
    if init.dim != dim:
        raise SettingError(
            f"the start vectors have {counted(init.dim, 'dimension')}, but dim is {dim}",
            f"give `dim={init.dim}`",
        )


def frozen_words(freeze: WordList, settings: Settings) -> list[str]:
    """Return the words to freeze as they stand in a text.

    Parameters
    ----------
    freeze : path or collection of str
        A str is the path of a file, as for `read_words`.
    settings : Settings
        Those of the run. The words take the case, the normal form and the digits of its text.

    Raises
    ------
    WrongTypeError
        If `freeze` is neither.
    FormatError, TextError
        As `read_words`.
    SettingError
        If there is no such file, or words cannot be frozen.
    """
    if isinstance(freeze, str) and not os.path.lexists(freeze):
        raise SettingError(
            f"freeze is {freeze!r}, but there is no such file; pass [{freeze!r}] to freeze the word"
        )
    if isinstance(freeze, str | os.PathLike):
        freeze = read_words(freeze)
    if not isinstance(freeze, Collection) or not all(isinstance(word, str) for word in freeze):
        raise wrong_type("freeze", "a path or a collection of str", freeze)
    if freeze and settings.objective.is_composed:
        raise SettingError(
            "words cannot be frozen with subwords: their n-grams are also those of others",
            "leave out `subwords`, or `freeze`",
        )
    return list(dict.fromkeys(as_in_text(word, settings.text) for word in freeze))


def find_frozen(words: Sequence[str], freeze: Collection[str]) -> tuple[np.ndarray, dict[str, Any]]:
    """Find the words that are to stay in place.

    Parameters
    ----------
    words : sequence of V str
        The vocabulary.
    freeze : collection of str
        Words whose vectors are to stay.

    Returns
    -------
    mask : ndarray of shape (V,), bool
    report : dict
        ``frozen`` and ``unknown``, numbers of words in the vocabulary and not; ``examples``, a
        few of the unknown, in alphabetical order.

    Raises
    ------
    SettingError
        If none of them is in the vocabulary.
    """
    given = set(freeze)
    mask = np.array([word in given for word in words], np.bool_)
    unknown = sorted(given.difference(words))
    if not mask.any():
        raise SettingError(
            f"none of the words to freeze ({len(given):,}) is in the vocabulary: {_few(unknown)}"
        )
    n_frozen = int(mask.sum())
    return mask, {"frozen": n_frozen, "unknown": len(unknown), "examples": unknown[:_NAMED]}


def read_words(path: str | os.PathLike[str]) -> list[str]:
    """Read a list of words, UTF-8, one a line; white space around them and empty lines are dropped.

    Raises
    ------
    FormatError
        If a line is not UTF-8 or has white space within, or the file has no words.
    TextError
        If the file cannot be read.
    """
    words: list[str] = []
    for place, line in read_lines(path):
        fields = line.split()
        try:
            words += [field.decode() for field in fields]
        except UnicodeDecodeError:
            raise FormatError(f"{place}: is not UTF-8") from None
        if len(fields) > 1:
            raise FormatError(
                f"{place}: expected one word, found {len(fields)}, {_few(words[-len(fields) :])}"
            )
    if not words:
        raise FormatError(f"{path}: has no words; list one a line")
    return words


def _few(words: Sequence[str]) -> str:
    """Name a few words, shortened."""
    names = ", ".join(repr(word[:40]) for word in words[:_NAMED])
    return names + (" …" if len(words) > _NAMED else "")

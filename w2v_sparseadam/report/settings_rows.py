"""The settings of a run and what it read as rows of tables, and the call that repeats it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..objectives.registry import OBJECTIVES, ModelChoice, model_of
from ..objectives.windows.settings import WindowConfig
from ..optimizers.settings import OptimizerConfig
from ..text.settings import PhraseConfig, TextConfig
from ..training.keywords import KEYWORDS
from ..training.settings import RunConfig, ShardConfig


def keywords_of(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any, bool]]:
    """Yield the keyword of each setting of a run, its value, and whether that is the default.

    Those that its optimizer does not use are left out.

    Parameters
    ----------
    settings : mapping
        As the folder of a run and `Model.settings` have them.
    """
    text = settings.get("text", {})
    objective = next((name for name in OBJECTIVES if name in settings), "")
    parts: dict[Any, Any] = {
        TextConfig: text,
        PhraseConfig: text.get("phrases") or {},
        OptimizerConfig: settings.get("optimizer", {}),
        RunConfig: settings.get("run", {}),
        ShardConfig: settings.get("sharding") or {},
        ModelChoice: {"model": model_of(objective)} if objective else {},
        WindowConfig: settings.get(objective, {}),
    }
    optimizer = OptimizerConfig(str(parts[OptimizerConfig].get("optimizer", "sparse-adam")))
    for name, keyword in KEYWORDS.items():
        part = parts.get(keyword.config, {})
        is_used = keyword.config is not OptimizerConfig or name in {"optimizer", *optimizer.used}
        if keyword.field in part and is_used:
            value = part[keyword.field]
            yield name, value, value == keyword.default


def call(settings: Mapping[str, Any], paths: Sequence[str]) -> str:
    """Return the call of `train` that repeats a run."""
    corpus = repr(paths[0] if len(paths) == 1 else list(paths)) if paths else "corpus"
    changed = [
        f"{name}={value!r}"
        for name, value, is_default in keywords_of(settings)
        if not is_default and name != "threads"
    ]
    return f"train({', '.join([corpus, *changed])})"


_READ = (
    ("sources", "sources"),
    ("text_bytes", "bytes of text"),
    ("lines", "lines"),
    ("distinct_words", "distinct words"),
    ("tokens", "tokens"),
)

_OF_ONE = {"sources": "source", "lines": "line"}

_LEFT_OUT = (
    ("joined_tokens", "joined to the word before, as phrases"),
    ("numbers", "left out as numbers"),
    ("stopwords", "left out as stop words"),
    ("outside_vocab", "left out because the given vocabulary lacks their words"),
    ("below_min_count", "left out because their words are rare"),
    ("beyond_max_vocab", "left out because the vocabulary was full"),
    ("pruned", "forgotten, the rarest first, to save memory"),
    ("kept_tokens", "kept"),
)

_ODD = (
    ("long_tokens", "strings left out because they are too long"),
    ("bad_bytes", "bytes that are not text in the encoding"),
    ("empty_words", "empty words from the tokenizer, left out"),
    ("rewritten_words", "words from the tokenizer in which _ replaces white space"),
)


def text_rows(text: Mapping[str, Any]) -> list[list[Any]]:
    """Return what was read and left out: a number, its share of the tokens or None, and what."""

    def count(name: str) -> int:
        value = text.get(name, 0)
        return int(value) if isinstance(value, int | float) else 0  # a log may be a stranger's

    if not count("tokens"):
        return []
    rows: list[list[Any]] = [
        [count(name), None, _OF_ONE.get(name, what) if count(name) == 1 else what]
        for name, what in _READ
    ]
    for name, what in _LEFT_OUT:
        if count(name):
            rows.append([count(name), round(100 * count(name) / count("tokens"), 1), what])
    return rows + [[count(name), None, what] for name, what in _ODD if count(name)]

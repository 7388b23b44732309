"""The settings of a run and what it read as rows of tables, and the call that repeats it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import W2VError
from ..objectives.registry import OBJECTIVES, ModelChoice, model_of
from ..objectives.windows.settings import WindowConfig
from ..optimizers.settings import OptimizerConfig
from ..text.settings import PhraseConfig, TextConfig
from ..training.keywords import KEYWORDS, settings_from
from ..training.settings import RunConfig, ShardConfig
from .subject import Part, Subject

_DERIVED = "subsample", "lr", "power", "epochs", "batch_size"
"""Settings that follow from others and from the size of the text, unless they are given."""


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


def needed_to_repeat(subject: Subject) -> Iterator[tuple[str, Any]]:
    """Yield the keywords, and their values, on which the first part of a run depends.

    Those are left out whose values are the defaults, or what these become for a text of its size.
    """
    first = subject.parts[0]
    settings = dict(subject.settings)
    if first.epochs and "run" in settings:
        settings["run"] = {**settings["run"], "epochs": first.epochs[0]}
    derived = _derived(settings, first)
    for name, value, is_default in keywords_of(settings):
        is_free = name == "threads" or (name in derived and derived[name] == value)
        if not (is_default or is_free or value is None):
            yield name, value


def _derived(settings: Mapping[str, Any], part: Part) -> dict[str, Any]:
    """Return what the settings without a value of their own become for the text of a part."""
    if not (part.n_tokens and part.n_words):
        return {}
    given = {
        name: value
        for name, value, is_default in keywords_of(settings)
        if KEYWORDS[name].config not in (TextConfig, PhraseConfig)
        and name not in _DERIVED
        and (not is_default or KEYWORDS[name].config is ShardConfig)
    }
    powers = {name: value for name, value, _ in keywords_of(settings) if name == "power"}
    try:
        settled = settings_from(given).for_text(part.n_tokens, part.n_words)
        # The batch follows the power, too.
        with_power = settings_from({**given, **powers}).for_text(part.n_tokens, part.n_words)
    except W2VError:  # the settings may be a stranger's
        return {}
    optimizer = settled.optimizer
    if settled.sharding and optimizer.lr is None:
        lr = optimizer.start_lr * settled.sharding.lr_factor
        optimizer = dataclasses.replace(optimizer, lr=lr)
    run = dataclasses.replace(settled.run, batch_size=with_power.run.batch_size)
    settled = dataclasses.replace(settled, optimizer=optimizer.resolved(), run=run)
    return {name: value for name, value, _ in keywords_of(settled.as_dict()) if name in _DERIVED}


def calls(subject: Subject) -> str:
    """Return the calls of `train` and `resume` that repeat a run; empty if they are not known."""
    if not subject.settings or not subject.parts:
        return ""
    first, *others = subject.parts
    changed = [f"{name}={value!r}" for name, value in needed_to_repeat(subject)]
    changed += ["init=vectors"] * subject.has_init + ["freeze=words"] * subject.has_frozen
    changed += ["cluster=1"] * ("sharding" in subject.settings)
    resumed = [f"resume(run_dir, more_epochs={n})" for n in first.epochs[1:]]
    for part in others:
        n, *more = part.epochs
        resumed.append(f"resume(run_dir, add={_corpus(part.paths)}, more_epochs={n})")
        resumed += [f"resume(run_dir, more_epochs={n})" for n in more]
    changed += ["run_dir=run_dir"] * bool(resumed)
    return "\n".join([f"train({', '.join([_corpus(first.paths), *changed])})", *resumed])


def _corpus(paths: Sequence[str]) -> str:
    return repr(paths[0] if len(paths) == 1 else list(paths)) if paths else "corpus"


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

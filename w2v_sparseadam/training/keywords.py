"""Every setting of a run as a keyword, with the name of its option."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import re
import textwrap
from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypedDict, TypeVar

from ..errors import SettingError, WrongTypeError
from ..fields import Setting, settings_of
from ..objectives.registry import ModelChoice
from ..objectives.windows.settings import WindowConfig
from ..optimizers.settings import OptimizerConfig
from ..text.settings import PhraseConfig, TextConfig, WordList
from ..text.tokenizers import Tokenizer
from .settings import RunConfig, Settings, ShardConfig

_Function = TypeVar("_Function", bound=Callable[..., Any])


class Keywords(TypedDict, total=False):
    """The settings that `train` takes, for type checkers and editors; a test compares them."""

    tokenizer: str | Tokenizer
    lowercase: bool | None
    normalize: Literal["nfc", "nfkc", "none"] | None
    digits: Literal["keep", "zero", "drop"]
    stopwords: WordList | None
    vocab: WordList | None
    min_count: int
    max_vocab: int | None
    max_types: int | None
    max_token_bytes: int
    errors: Literal["strict", "replace", "ignore"]
    encoding: str
    format: Literal["lines", "jsonl", "csv", "tsv", "parquet"]
    field: str | None
    phrases: int
    phrase_score: Literal["word2phrase", "npmi"]
    phrase_threshold: float | None
    phrase_min_count: int | None
    model: Literal["skip-gram", "cbow"]
    dim: int
    window: int
    dynamic_window: bool
    negative: int
    noise_exponent: float
    subsample: float | None
    subwords: str | None
    buckets: int
    optimizer: Literal["sparse-adam", "rowwise-adam", "dense-adam", "adagrad", "sgd"]
    lr: float | None
    beta1: float
    beta2: float
    eps: float
    bias_correction: Literal["global", "row"]
    power: float | None
    lr_schedule: Literal["linear", "cosine", "constant"]
    warmup: float
    min_lr: float
    epochs: int | None
    batch_size: int | None
    seed: int
    threads: int | None
    shards: int
    rounds: int


class Keyword(NamedTuple):
    """A setting by its keyword: the class and the field that hold it, and what is known of it."""

    config: Any
    field: str
    default: Any
    setting: Setting


def _keywords() -> Iterator[tuple[str, Keyword]]:
    for config in (
        TextConfig,
        PhraseConfig,
        ModelChoice,
        WindowConfig,
        OptimizerConfig,
        RunConfig,
        ShardConfig,
    ):
        for name, known in settings_of(config).items():
            default = getattr(config, name)
            if known.keyword == "phrases":  # 0 is for none, which has no config
                default, known = 0, dataclasses.replace(known, low=0)
            yield known.keyword or name, Keyword(config, name, default, known)


KEYWORDS = dict(_keywords())
"""Every setting, in the order of the help page."""

OTHER_NAMES = {
    "vector_size": "dim",
    "size": "dim",
    "embedding_size": "dim",
    "ws": "window",
    "window_size": "window",
    "shrink_windows": "dynamic_window",
    "workers": "threads",
    "thread": "threads",
    "num_threads": "threads",
    "n_jobs": "threads",
    "random_state": "seed",
    "iter": "epochs",
    "epoch": "epochs",
    "sample": "subsample",
    "alpha": "lr",
    "learning_rate": "lr",
    "min_alpha": "min_lr",
    "ns_exponent": "noise_exponent",
    "neg": "negative",
    "mincount": "min_count",
    "max_final_vocab": "max_vocab",
    "max_vocab_size": "max_types",
    "batch_words": "batch_size",
    "sg": "model",
    "cbow": "model",
    "cbow_mean": "",
    "hs": "",
    "minn": "",
    "maxn": "",
    "min_n": "",
    "max_n": "",
    "word_ngrams": "",
    "wordngrams": "",
    "bucket": "buckets",
    "loss": "",
    "sentences": "",
    "corpus_file": "",
    "corpus_iterable": "",
    "documents": "",
    "input": "",
    "trim_rule": "",
    "callbacks": "",
    "compute_loss": "",
    "hashfxn": "",
    "null_word": "",
    "sorted_vocab": "",
    "comment": "",
}
"""What gensim, fastText and word2vec.c call a setting, and what it is called here, if it is."""

_FIRST = "the corpus is the first argument, without a name"

_ONLY = {
    "sentences": _FIRST,
    "corpus_file": _FIRST,
    "corpus_iterable": _FIRST,
    "documents": _FIRST,
    "input": _FIRST,
    "trim_rule": "use min_count, stopwords or vocab",
    "callbacks": "use on_epoch or on_event, which take a function",
    "compute_loss": "model.history has the loss of each epoch",
    "hashfxn": "leave it out",
    "null_word": "leave it out",
    "sorted_vocab": "leave it out: words are sorted by how often they occur",
    "comment": "leave it out",
    "cbow_mean": "CBOW takes the mean",
    "hs": "there is negative sampling only",
    "loss": "there is negative sampling only",
    "minn": "use subwords, which takes both, such as '3-6'",
    "maxn": "use subwords, which takes both, such as '3-6'",
    "min_n": "use subwords, which takes both, such as '3-6'",
    "max_n": "use subwords, which takes both, such as '3-6'",
    "word_ngrams": "that is for classifiers; use phrases, or subwords for n-grams of characters",
    "wordngrams": "that is for classifiers; use phrases, or subwords for n-grams of characters",
}


def advice_on(name: str) -> str:
    """Return what to use instead of a setting that does not exist; empty if nothing comes near.

    A setting is in backquotes, as in the advice of a `W2VError`.
    """
    plain = name.replace("-", "_").lower()
    if plain in OTHER_NAMES:
        other = OTHER_NAMES[plain]
        return f"use `{other}`" if other else _ONLY[plain]
    near = difflib.get_close_matches(plain, KEYWORDS, n=1, cutoff=0.75)
    return f"did you mean `{near[0]}`?" if near else ""


def settings_from(given: Mapping[str, Any]) -> Settings:
    """Return the settings that keywords ask for; those that are not given have their defaults.

    Raises
    ------
    WrongTypeError
        If there is no such setting; names the one that was probably meant.
    SettingError
        If a value is out of range, or has no effect without another setting.
    """
    values: dict[type, dict[str, Any]] = {keyword.config: {} for keyword in KEYWORDS.values()}
    for name, value in given.items():
        if name not in KEYWORDS:
            advice = advice_on(name) or "`help(w2v_sparseadam.train)` lists all settings"
            raise WrongTypeError(f"there is no setting {name!r}", advice)
        keyword = KEYWORDS[name]
        values[keyword.config][keyword.field] = value
    phrases = values.pop(PhraseConfig)
    passes = phrases.get("passes")
    if not isinstance(passes, Hashable) or passes not in (0, None):
        values[TextConfig]["phrases"] = _named(PhraseConfig, phrases)
    elif lost := [name for name in given if name.startswith("phrase_")]:
        raise SettingError(f"{lost[0]} has no effect without phrases", "add `phrases=1`")
    optimizer = OptimizerConfig(**values[OptimizerConfig])
    for name in values[OptimizerConfig]:
        if name not in {"optimizer", *optimizer.used}:
            raise SettingError(
                f"{name} has no effect with optimizer {optimizer.optimizer!r}", "leave it out"
            )
    config = ModelChoice(**values[ModelChoice]).config
    objective = config(**values[WindowConfig])
    if "buckets" in values[WindowConfig] and objective.subwords is None:
        raise SettingError("buckets has no effect without subwords", "add `subwords='3-6'`")
    if optimizer.lr is None and objective.lr_factor != 1:
        optimizer = dataclasses.replace(optimizer, lr=objective.lr_factor * optimizer.start_lr)
    return Settings(
        TextConfig(**values[TextConfig]),
        objective,
        optimizer,
        RunConfig(**values[RunConfig]),
        ShardConfig(**values[ShardConfig]) if values[ShardConfig] else None,
    )


def _named(config: type, values: Mapping[str, Any]) -> Any:
    """Return the config; errors name its fields by their keywords."""
    try:
        return config(**values)
    except SettingError as error:
        keywords = {name: known.keyword for name, known in settings_of(config).items()}
        name, rest = error.message.split(" ", 1)
        raise SettingError(f"{keywords.get(name, name)} {rest}", error.advice) from None


def takes_settings(function: _Function) -> _Function:
    """Give a function with ``**settings`` their names and defaults, and document them instead.

    Arguments before them are shown without a default; see `train`.
    """
    signature = inspect.signature(function)
    own = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    settings = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=keyword.default)
        for name, keyword in _common_first()
    ]
    first = [p.replace(default=p.empty) for p in own if p.kind is not p.KEYWORD_ONLY]
    rest = [p for p in own if p.kind is p.KEYWORD_ONLY]
    vars(function)["__signature__"] = signature.replace(parameters=[*first, *settings, *rest])
    if function.__doc__:
        function.__doc__ = re.sub(
            r"^\*\*settings\n.*$",
            lambda _: documentation(),
            inspect.cleandoc(function.__doc__),
            count=1,
            flags=re.MULTILINE,
        )
    return function


def documentation() -> str:
    """Return a paragraph in the style of numpydoc for each setting."""
    return "\n".join(
        f"{name} : {_kinds(keyword)}, default {keyword.default!r}\n"
        + textwrap.indent(textwrap.fill(_explained(keyword.setting), 92), "    ")
        for name, keyword in _common_first()
    )


def _common_first() -> list[tuple[str, Keyword]]:
    return sorted(KEYWORDS.items(), key=lambda item: not item[1].setting.common)


def _kinds(keyword: Keyword) -> str:
    known = keyword.setting
    kinds = {
        "tokenizer": "str or callable",
        "stopwords": "path or collection of str",
        "vocab": "path or collection of str",
    }
    if known.kind is not bool and known.choices:
        return "{" + ", ".join(f'"{choice}"' for choice in known.choices) + "}"
    return kinds.get(keyword.field, known.kind.__name__)


def _explained(known: Setting) -> str:
    text = known.help
    if known.is_bounded:
        text += f" {known.for_help().expected.capitalize()}."
    if known.optional and known.default_help:
        text += f" None: {known.default_help}."
    return text

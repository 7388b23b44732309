"""The settings of a run, each of which is checked, and what the settings in a run folder say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar

from ..errors import FormatError, SettingError, W2VError
from ..fields import check_settings, setting
from ..objectives.registry import OBJECTIVES, name_of
from ..objectives.settings import ObjectiveSettings
from ..objectives.skip_gram.settings import SkipGramConfig
from ..optimizers.settings import START_POWER, OptimizerConfig
from ..text.settings import PhraseConfig, TextConfig
from ..text.tokenizers import is_imported

MAX_EPOCHS = 10**9
"""In all."""

BATCH_SIZE = 1024
"""Centers of a step by default, unless the text is large or the vocabulary small."""

LARGE_BATCH_SIZES = ((16_000_000, 4096), (8_000_000, 2048))
"""Those of texts of so many tokens or more."""

WORDS_A_CENTER = 10
"""A vocabulary has at least so many words for each center of a large batch."""

_LEAST_POWER = START_POWER["sparse-adam"]  # of the second moment, for large batches

CENTERS_A_WORD = 8
"""Of a small vocabulary, so many centers for each word by default."""

LEAST_BATCH_SIZE = 32

MAX_BATCH_SIZE = 1 << 17
"""A step is not interrupted, and its parts are counted in 20 bits."""


EPOCHS_BELOW = ((300_000, 40), (5_000_000, 15), (50_000_000, 9), (500_000_000, 5))
"""The default of epochs for texts of less than so many tokens."""

EPOCHS_BEYOND = 3

_BATCH_SIZE_HELP = (
    f"{BATCH_SIZE:,}; for a text of "
    + " or ".join(f"{least // 10**6} million words {size:,}" for least, size in LARGE_BATCH_SIZES)
    + f", with sparse-adam and no n-grams; {CENTERS_A_WORD} per word of a small vocabulary"
)
_EPOCHS_HELP = (
    ", ".join(f"{epochs} below {limit:,} words" for limit, epochs in EPOCHS_BELOW)
    + f", else {EPOCHS_BEYOND}"
)


@dataclass(frozen=True)
class RunConfig:
    """How long a run is, and how its steps are taken.

    ``epochs`` of None become :func:`default_epochs`, and a ``batch_size`` of None becomes
    :func:`default_batch_size`, once the text is read. More ``threads`` than
    the processors that this process may use, or None, are one for each of those; the result does
    not depend on their number.
    """

    section: ClassVar[str] = "Run"

    epochs: int | None = setting(
        None,
        int,
        "Passes over the text.",
        low=1,
        high=MAX_EPOCHS,
        default_help=_EPOCHS_HELP,
        common=True,
    )
    batch_size: int | None = setting(
        None,
        int,
        "Center words per step, after subsampling.",
        low=LEAST_BATCH_SIZE,
        high=MAX_BATCH_SIZE,
        default_help=_BATCH_SIZE_HELP,
    )
    seed: int = setting(1, int, "Seed of all random numbers.", low=0, high=2**64 - 1, common=True)
    threads: int | None = setting(
        None,
        int,
        "Threads to use, at most one for each processor; the result does not depend on it.",
        low=1,
        high=10**9,
        default_help="all processors",
        common=True,
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)

    @property
    def n_threads(self) -> int:
        """The number of threads, once None is resolved; more than processors only wait."""
        from ..system.machine import usable_processors

        n = usable_processors()
        return n if self.threads is None else min(n, self.threads)

    def for_text(self, n_tokens: int, n_words: int, may_be_large: bool = False) -> RunConfig:
        """Return the same with each None of a text's size replaced by the default for that size.

        ``may_be_large`` is that of `Settings.large_batches`.
        """
        return replace(
            self,
            epochs=self.epochs or default_epochs(n_tokens),
            batch_size=self.batch_size or default_batch_size(n_tokens, n_words, may_be_large),
        )


LR_POWER = 0.2
"""The default learning rate grows with the number of shards to this power."""


@dataclass(frozen=True)
class ShardConfig:
    """How several machines share a run.

    In a round, each shard trains on as many bytes of the text as the others, and then what they
    have made of each row is merged. The result depends on the number of shards and of rounds, and
    not on who trains which shard, or when.
    """

    section: ClassVar[str] = "Several machines"

    shards: int = setting(
        8,
        int,
        "Parts of the text that are trained side by side and then merged. The result depends on "
        "it, and at most so many workers are of use. The default learning rate grows with its "
        "fifth root.",
        low=1,
        high=1 << 12,
    )
    rounds: int = setting(
        16,
        int,
        "How often the shards are merged in an epoch. The result depends on it.",
        low=1,
        high=1 << 20,
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)

    @property
    def lr_factor(self) -> float:
        """What the default learning rate is multiplied by.

        Where shards agree, a round moves a row as far as one of them does; and what they differ in
        by chance is averaged, so that larger steps do not harm. Measured: docs/experiments.md.
        """
        return float(self.shards**LR_POWER)


def default_epochs(n_tokens: int) -> int:
    """Return how many epochs suit a text by default.

    A word must be met often enough to be learned, and the cost of a run should not grow as fast as
    the text: small texts take more epochs than large ones.

    Parameters
    ----------
    n_tokens : int
        Tokens of the text whose word is in the vocabulary.
    """
    return next((epochs for limit, epochs in EPOCHS_BELOW if n_tokens < limit), EPOCHS_BEYOND)


def default_batch_size(n_tokens: int, n_words: int, may_be_large: bool = False) -> int:
    """Return how many centers a step has by default.

    All gradients of a step are taken at once and summed. Where the words are few, each would get
    the sum of hundreds, and move too far. A large text has steps enough for large batches, which
    keep more threads busy.

    Parameters
    ----------
    n_tokens : int
        Tokens of the text whose word is in the vocabulary.
    n_words : int
        Words of the vocabulary.
    may_be_large : bool
        That of `Settings.large_batches`.
    """
    if may_be_large:
        for least, size in LARGE_BATCH_SIZES:
            if n_tokens >= least and n_words >= WORDS_A_CENTER * size:
                return size
    return max(LEAST_BATCH_SIZE, min(BATCH_SIZE, CENTERS_A_WORD * n_words))


def epochs_of(settings: Mapping[str, Any]) -> list[int]:
    """Return the epochs of a run whose text was read: those it began with, and those added.

    Raises
    ------
    FormatError
        If they are not whole numbers, 1 or more.
    """
    epochs = [settings["run"].get("epochs"), *settings["added_epochs"]]
    are_counts = all(isinstance(n, int) and not isinstance(n, bool) and n >= 1 for n in epochs)
    if not are_counts or sum(epochs) > MAX_EPOCHS:
        raise FormatError(f"the run's settings are damaged: its epochs are {epochs!r:.40}")
    return epochs


@dataclass(frozen=True)
class Settings:
    """All that decides what a run does.

    Attributes
    ----------
    text : TextConfig
        How text becomes word ids.
    objective : ObjectiveSettings
        What is learned.
    optimizer : OptimizerConfig
        How a step moves the rows.
    run : RunConfig
        How long, and on what.
    sharding : ShardConfig or None
        How several machines share it; None for one machine.
    """

    text: TextConfig = field(default_factory=TextConfig)
    objective: ObjectiveSettings = field(default_factory=SkipGramConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    sharding: ShardConfig | None = None

    def for_text(self, n_tokens: int, n_words: int) -> Settings:
        """Return the same with what follows the size of the text settled."""
        return replace(
            self,
            objective=self.objective.for_text(n_tokens),
            run=self.run.for_text(n_tokens, n_words, self.large_batches),
        )

    @property
    def large_batches(self) -> bool:
        """Whether large batches learn as well as small ones.

        A row's gradients add up. Adam's second moment keeps the step from growing with them; SGD
        and Adagrad go too far, and so do n-grams, which many words of a batch share.
        """
        config = self.optimizer
        is_adam = config.optimizer == "sparse-adam" and config.start_power >= _LEAST_POWER
        return is_adam and not self.objective.is_composed

    def with_threads(self, threads: int | None) -> Settings:
        """Return the same with so many threads, or as it is if None."""
        return self if threads is None else replace(self, run=replace(self.run, threads=threads))

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as the folder of a run keeps them."""
        return {
            "text": self.text.kept(),
            name_of(self.objective): vars(self.objective),
            "optimizer": vars(self.optimizer),
            "run": vars(self.run),
            **({"sharding": vars(self.sharding)} if self.sharding else {}),
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any], path: str | os.PathLike[str]) -> Settings:
        """Return what the run folder at ``path`` keeps, but for the text: see :func:`text_of`.

        Raises
        ------
        FormatError
            If they have other names than this version knows, or values out of range.
        """
        objective = next(name for name in OBJECTIVES if name in kept)
        kinds = {objective: OBJECTIVES[objective], "optimizer": OptimizerConfig, "run": RunConfig}
        if "sharding" in kept:
            kinds["sharding"] = ShardConfig
        for name, kind in kinds.items():
            missing = {field.name for field in fields(kind)} - set(kept[name])
            if missing:
                raise FormatError(
                    f"{path}: its settings are damaged: {name} has no {min(missing)!r}"
                )
        try:
            return cls(
                objective=OBJECTIVES[objective](**kept[objective]),
                optimizer=OptimizerConfig(**kept["optimizer"]),
                run=RunConfig(**kept["run"]),
                sharding=ShardConfig(**kept["sharding"]) if "sharding" in kept else None,
            )
        except (TypeError, SettingError) as error:
            raise FormatError(f"{path}: its settings are damaged: {_shown(error)}") from None


def text_of(
    settings: Mapping[str, Any], path: str | os.PathLike[str], trust: bool = False
) -> TextConfig:
    """Return how the run in the folder at ``path`` reads text.

    Parameters
    ----------
    trust : bool
        Whether the tokenizer may be code that is imported: the folder may come from a stranger.

    Raises
    ------
    W2VError
        If the tokenizer has no name by which it could be found, or may not be imported.
    SettingError
        If this version or machine has no such settings.
    """
    from ..runs.inputs import can_be_a_path

    fields = dict(settings["text"])
    tokenizer = str(fields.get("tokenizer"))
    if tokenizer.startswith("<"):
        raise W2VError(
            f"{path}: its tokenizer was {tokenizer!r:.80} of a Python program, which has no name "
            "to find it by; start a new run from all of the text"
        )
    if is_imported(tokenizer) and not trust:
        raise W2VError(
            f"{path}: its tokenizer {tokenizer!r:.80} is code to import",
            "if you trust who made this folder, add `trust=True`",
        )
    for name in ("stopwords", "vocab"):
        if isinstance(fields.get(name), str) and not can_be_a_path(fields[name]):
            raise FormatError(f"{path}: is damaged: its settings have no path for '{name}'")
    try:
        if fields.get("phrases") is not None:
            fields["phrases"] = PhraseConfig(**fields["phrases"])
        config = TextConfig(**fields)
        _ = config.tokenize
    except (SettingError, TypeError) as error:
        raise SettingError(
            f"{path}: its text was read with settings that cannot be had now: {_shown(error)}"
        ) from None
    return config


def _shown(error: Exception) -> str:
    """Return what an error says; Python's own may quote a name that drives the terminal."""
    text = str(error)
    return text if text.isprintable() else repr(text)

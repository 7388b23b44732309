"""The settings of models of words in a window, each of which is checked."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ...errors import SettingError
from ...fields import check_settings, setting
from ..settings import LONGEST_NGRAM, NgramRows, NgramTable, ObjectiveSettings, Table

if TYPE_CHECKING:
    import numpy as np

    from ..base import Objective
    from .ngrams import Ngrams
    from .objective import WindowObjective

KINDS = "center", "context", "sum"

MAX_DIM = 4096
"""Far more than word vectors need: each thread has room for some hundred rows."""

MAX_WINDOW = 100_000
"""Each chunk of a batch has room for all contexts of its centers."""

MAX_BUCKETS = 1 << 26
"""To number n-grams takes 4 bytes for each."""

SUBSAMPLE_RANGE = 5e-5, 1e-3
"""The least and the most that subsampling is by default."""

OFTEN_ENOUGH = 850
"""Between them, by default it thins out words that occur more often than this."""

_SUBSAMPLE_HELP = (
    f"{OFTEN_ENOUGH:,} / words of the text, from {SUBSAMPLE_RANGE[0]:g} to {SUBSAMPLE_RANGE[1]:g}"
)


@dataclass(frozen=True)
class WindowConfig(ObjectiveSettings):
    """The model and what it learns from.

    With ``dynamic_window``, a pair at distance d weighs (window + 1 − d) / window, as often as
    word2vec, which draws a reach from 1 … window for each center, would learn from it. Negatives
    are drawn in proportion to count ** ``noise_exponent``; 0 is uniform. ``subsample`` (see
    `plan.Sampler.build`) of None becomes :func:`default_subsample`, once the text is read; 0 and 1
    keep all tokens.
    """

    section: ClassVar[str] = "Model"
    lr_factors: ClassVar[tuple[float, float]]  # of the default learning rate; with n-grams

    dim: int = setting(100, int, "Dimensions of a vector.", low=1, high=MAX_DIM, common=True)
    window: int = setting(
        4,
        int,
        "Contexts are at most this many words away.",
        low=1,
        high=MAX_WINDOW,
        common=True,
    )
    dynamic_window: bool = setting(
        True,
        bool,
        "Weight near contexts more, falling linearly with distance, or all contexts alike.",
        flag="--dynamic-window/--fixed-window",
    )
    negative: int = setting(5, int, "Negative samples for each pair.", low=1, high=10_000)
    noise_exponent: float = setting(
        0.75,
        float,
        "Draw negatives in proportion to their count raised to this power.",
        low=0,
        high=10,
    )
    subsample: float | None = setting(
        None,
        float,
        "Subsample words of a higher relative frequency; 0 keeps all.",
        low=0,
        high=1,
        default_help=_SUBSAMPLE_HELP,
    )

    subwords: str | None = setting(
        None,
        str,
        "Compose the vectors of words of those of their n-grams, too, which have so many "
        "characters, such as 3-6; unknown words then have a vector.",
        metavar="MIN-MAX",
        default_help="no n-grams",
        common=True,
    )
    buckets: int = setting(
        2_000_000,
        int,
        "N-grams are numbered by a hash modulo this, as in fastText; those with one number share "
        "a vector.",
        low=1,
        high=MAX_BUCKETS,
    )

    def __post_init__(self) -> None:
        """Check every value."""
        check_settings(self)
        if self.subwords is not None:
            least, most = self.ngram_lengths
            object.__setattr__(self, "subwords", f"{least}-{most}")  # its class is frozen

    @property
    def ngram_lengths(self) -> tuple[int, int]:
        """The least and the most characters of an n-gram; (0, 0) if there are none."""
        if self.subwords is None:
            return 0, 0
        found = re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", self.subwords)
        least, most = (int(n or found[1]) for n in found.groups()) if found else (0, 0)
        if not 1 <= least <= most <= LONGEST_NGRAM:
            raise SettingError(
                f"subwords is {self.subwords!r:.80}, but must be two whole numbers from 1 to "
                f"{LONGEST_NGRAM}, such as '3-6'"
            )
        return least, most

    @property
    def lr_factor(self) -> float:
        """What the default learning rate is multiplied by."""
        return self.lr_factors[self.subwords is not None]

    def for_text(self, n_tokens: int) -> Self:
        """Return the same with a subsample of None replaced by the default for so many tokens."""
        if self.subsample is not None:
            return self
        return replace(self, subsample=default_subsample(n_tokens))

    def to_compile(self) -> Self:
        """Return settings whose kernels are the same, and of which two words in a row need all."""
        return replace(self, window=1, subsample=0)

    def tables(self, words: Collection[Any]) -> tuple[Table, ...]:
        """Return the tables: what words are learned as, what they are learned from, n-grams."""
        first, second, _ = self.kinds
        tables = Table(first, len(words), True), Table(second, len(words), False)
        if self.subwords is None:
            return tables
        return *tables, Table("ngram", self.ngrams_of(words).buckets.size, True, shares=first)

    @abstractmethod
    def objective_type(self) -> type[WindowObjective]:
        """Return the class of the objective."""

    def build(
        self,
        counts: np.ndarray,
        frozen: np.ndarray | None = None,
        words: Collection[str] = (),
    ) -> Objective:
        """Return the objective over words that occur so often, and rows to leave alone."""
        settled = self.for_text(int(counts.sum()))
        return self.objective_type()(settled, counts, frozen, words)

    def ngrams_of(self, words: Collection[str]) -> Ngrams:
        """Return the n-grams of words, as rows of their table."""
        from .composing import ngrams_of

        return ngrams_of(words, self.ngram_lengths, self.buckets)

    def row_names(self, words: Sequence[str]) -> dict[str, Sequence[str]]:
        """Return the words of the rows, and the buckets of n-grams."""
        names: dict[str, Sequence[str]] = dict.fromkeys(self.kinds[:2], words)
        if self.subwords is not None:
            buckets = self.ngrams_of(words).buckets.tolist()
            names["ngram"] = [f"n-grams of bucket {n} of {self.buckets}" for n in buckets]
        return names

    @property
    def n_kernels(self) -> int:
        """Those that find n-grams."""
        return 0 if self.subwords is None else 2

    @property
    def is_composed(self) -> bool:
        """Whether there are n-grams."""
        return self.subwords is not None

    def vectors(
        self, tables: Mapping[str, np.ndarray], kind: str, words: Collection[str]
    ) -> np.ndarray:
        """Return what each word is as a center, as a context, or the sum of both."""
        if kind == "sum":
            first, second, _ = self.kinds
            return self.vectors(tables, first, words) + tables[second]
        if self.subwords is None or kind != self.kinds[0]:
            return tables[kind]
        from .composing import compose

        return compose(tables[kind], tables["ngram"], self.ngrams_of(words))

    def ngrams(
        self, tables: Mapping[str, np.ndarray], kind: str, words: Collection[str]
    ) -> NgramRows | None:
        """Return the n-grams that the vectors of a kind are composed of; not a part of a sum."""
        if self.subwords is None or kind != self.kinds[0]:
            return None
        buckets = self.ngrams_of(words).buckets
        order = buckets.argsort()
        rows = tables["ngram"][order]
        return NgramRows(rows, *self.ngram_lengths, self.buckets, buckets[order])

    def ngram_table(self, words: Collection[str]) -> NgramTable | None:
        """Return the table of n-grams, if there is one."""
        if self.subwords is None:
            return None
        buckets = self.ngrams_of(words).buckets
        return NgramTable("ngram", *self.ngram_lengths, self.buckets, buckets)

    def put_vectors(
        self,
        tables: Mapping[str, np.ndarray],
        rows: np.ndarray,
        vectors: np.ndarray,
        words: Collection[str],
    ) -> None:
        """Make the vectors of some words those given, whatever their n-grams are."""
        if self.subwords is not None:
            from .composing import own_rows

            vectors = own_rows(vectors, rows, tables["ngram"], self.ngrams_of(words))
        super().put_vectors(tables, rows, vectors, words)


def default_subsample(n_tokens: int) -> float:
    """Return how frequent a word may be before it is thinned out by default.

    What a large text can spare of its frequent words, a small one needs to learn from: between two
    limits, it is the relative frequency of a word that occurs `OFTEN_ENOUGH` times.

    Parameters
    ----------
    n_tokens : int
        Tokens of the text whose word is in the vocabulary, 1 or more.
    """
    least, most = SUBSAMPLE_RANGE
    return max(least, min(most, OFTEN_ENOUGH / n_tokens))

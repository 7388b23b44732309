"""Read a corpus and report progress as events, which training and the commands show and log."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..events import EVENT_SECONDS, Event, Joining, PhrasesJoined, Reading, TextRead, Warned

if TYPE_CHECKING:
    from .corpus import Corpus
    from .reading.corpus_like import CorpusLike
    from .reading.sources import Source
    from .settings import TextConfig
    from .vocabulary import Vocabulary

# Names of JSON Lines and tables, compressed or not.
_RECORDS = re.compile(r"\.(json|jsonl|ndjson|csv|tsv)(\.(gz|bz2|xz|zst))?$", re.IGNORECASE)

_AS_THE_RUN = "added text is read in the format of the run"
_READ_RECORDS = "give `format` and `field` to read one field of each record"


def read_with_events(
    corpus: CorpusLike,
    config: TextConfig | None,
    on_event: Callable[[Event], None],
    *,
    threads: int = 1,
    known: Vocabulary | None = None,
) -> Corpus:
    """Read text files into word ids, reporting progress as events.

    Parameters
    ----------
    corpus, config
        As `read_corpus`.
    on_event : callable
        Receives each event, of `~w2v_sparseadam.events`: `Warned` if a source looks wrong or
        compiled kernels cannot be saved, `Compiling`, `Reading`, `Joining`, `TextRead` and, if
        phrases were requested, `PhrasesJoined`. An exception that it raises ends the reading.

    threads, known
        As in `read_corpus`.

    Returns
    -------
    Corpus

    Raises
    ------
    SettingError, TextError
        As `read_corpus`.
    """
    from ..simd.kernels import compiling_told
    from . import compilation, phrases
    from .corpus import read_corpus
    from .reading.reader import check_corpus
    from .settings import TextConfig

    config = TextConfig() if config is None else config
    warned = False

    def warn_of_records(name: str, what: str = "it begins with a JSON object") -> None:
        nonlocal warned
        if not warned:
            warned = True
            message = f"{name}: read as plain lines, though {what}"
            on_event(Warned(message, _READ_RECORDS if known is None else _AS_THE_RUN))

    sources = check_corpus(corpus, config)
    records = _named_like_records(sources) if config.format == "lines" else []
    if records:
        others = f" and {len(records) - 1:,} more" if len(records) > 1 else ""
        warn_of_records(records[0] + others, "the extension is that of records")

    def telling(event: type[Event]) -> Callable[..., None]:
        last = time.perf_counter()

        def tell(*values: int) -> None:
            nonlocal last
            now = time.perf_counter()
            if now - last >= EVENT_SECONDS:
                last = now
                on_event(event(*values))

        return tell

    n_kernels = compilation.N_KERNELS
    if config.phrases is not None:
        n_kernels += phrases.N_KERNELS
    with compiling_told(on_event, n_kernels):
        text = read_corpus(
            sources,
            config,
            threads=threads,
            on_progress=telling(Reading),
            on_join=telling(Joining),
            on_records=warn_of_records,
            known=known,
        )
    on_event(TextRead(config.min_count, text.report))
    if config.phrases is not None:
        on_event(PhrasesJoined(text.phrases))
    return text


def _named_like_records(sources: Sequence[Source]) -> list[str]:
    """Return the names of sources that end like files of records, compressed or not."""
    return [source.name for source in sources if _RECORDS.search(source.name)]

"""Several machines for training: reads a text and trains rounds on a Dask cluster."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING

from ..engine.stepper import Stepper
from ..events import Emit, Reading, TextRead
from ..text.counts import WordCounts
from ..text.reading.parts import Part
from ..text.reading.reader import is_plain
from ..text.reading.sources import Source, total_bytes
from ..text.reading_report import TextReport
from ..text.settings import TextConfig
from ..training.build import check_model_fits, frozen_rows, initialize, new_tables
from ..training.machines import MachinesForecast, SharedText
from ..training.run import OpenStepper
from ..training.settings import Settings
from .admission import admit
from .cluster import Cluster, repeated
from .connect import connected
from .forecast import check_workers_fit, forecast_run
from .rounds import Rounds
from .tasks import Known, count_part
from .text_settings import config_for_client, config_for_workers
from .vocabulary import choose_vocabulary
from .word_counts import merge_counts, merge_levels
from .word_ids import KnownWords

if TYPE_CHECKING:
    from distributed import Client

    from ..training.initialize import Start
    from ..vectors.vectors import Vectors

PART_BYTES = 1 << 26
"""Text that is counted in one task."""


class DaskMachines:
    """The workers of a Dask cluster, as training asks for machines."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def check(self, settings: Settings, emit: Emit) -> None:
        """Refuse workers that would not give the bytes that this machine gives."""
        admit(self._cluster, settings, emit)

    def read(
        self, sources: Sequence[Source], settings: Settings, emit: Emit
    ) -> tuple[SharedText, TextReport]:
        """Count the words of a text, and choose the vocabulary as one machine does."""
        began = time.perf_counter()
        config = config_for_client(settings.text)
        groups = count_groups(sources, settings)
        counted = repeated(lambda: self._count(groups, config, emit), "reading", emit)
        vocabulary, report = choose_vocabulary(
            counted, config, sources, seconds=time.perf_counter() - began
        )
        emit(TextRead(config.min_count, report))
        text_sizes = sizes_by_source(sources, groups, counted.text_sizes)
        return SharedText(vocabulary, sources, text_sizes), report

    def _count(
        self, groups: Sequence[Sequence[Source]], config: TextConfig, emit: Emit
    ) -> WordCounts:
        """Count the words of a text on the workers."""
        cluster = self._cluster
        config_there = config_for_workers(config)
        counts = [
            cluster.submit(count_part, group, config_there, name=f"count-{k}")
            for k, group in enumerate(groups)
        ]
        sizes = [total_bytes(group) for group in groups]
        whole = total_bytes(list(chain.from_iterable(groups)))

        def tell(n_done: int) -> None:
            emit(Reading(sum(sizes[:n_done]), whole, 0))
            cluster.look(emit)

        level = counts
        for number, merges in enumerate(merge_levels(len(counts))):
            level = [
                cluster.submit(
                    merge_counts,
                    level[group.start : group.stop],
                    config.max_types,
                    name=f"m{number}",
                )
                for group in merges
            ]
        cluster.wait(counts, tell)
        cluster.wait(level, lambda _: tell(len(counts)))
        (counted,) = cluster.results(level, lambda: tell(len(counts)))
        return counted

    def stepper(
        self,
        text: SharedText,
        settings: Settings,
        stages: Sequence[int],
        *,
        init: Vectors | Start | None = None,
        freeze: Collection[str] = (),
    ) -> OpenStepper:
        """Return what opens the stepper of a run, whose stages have so many epochs."""

        @contextmanager
        def opened(emit: Emit) -> Iterator[Stepper]:
            vocabulary = text.vocabulary
            check_model_fits(vocabulary.words, settings)
            repeated(
                lambda: check_workers_fit(self._cluster, vocabulary, settings),
                "the check of their memory",
                emit,
            )
            frozen = frozen_rows(vocabulary, freeze, emit)
            _, tables = new_tables(settings, vocabulary.counts, frozen, words=vocabulary.words)
            initialize(tables, vocabulary, settings, init, emit)
            words = KnownWords(vocabulary, config_for_client(settings.text))
            known = Known(words, vocabulary.counts, frozen)
            rounds = Rounds(self._cluster, text, settings, stages, tables, known, emit)
            try:
                yield rounds
            finally:
                rounds.close()

        return opened

    def forecast(
        self, text: SharedText, settings: Settings, emit: Emit, *, freeze: Collection[str] = ()
    ) -> MachinesForecast:
        """Tell what a run would take; see `forecast_run`."""
        frozen = frozen_rows(text.vocabulary, freeze, emit)
        cluster = self._cluster
        return repeated(lambda: forecast_run(cluster, text, settings, frozen), "the forecast", emit)


def count_groups(sources: Sequence[Source], settings: Settings) -> list[list[Source]]:
    """Return the sources that are counted together: parts of large ones, or several small ones."""
    groups: list[list[Source]] = []
    room = 0
    for source in sources:
        n_bytes = source.n_bytes or PART_BYTES
        if n_bytes > PART_BYTES and is_plain(source, settings.text):
            cuts = list(range(0, n_bytes, PART_BYTES))
            ends = [*cuts[1:], None]
            groups += [[Part.of(source, *cut)] for cut in zip(cuts, ends, strict=True)]
            room = 0
            continue
        if n_bytes > room or not groups:
            groups.append([])
            room = PART_BYTES
        groups[-1].append(source)
        room -= n_bytes
    return groups


def sizes_by_source(
    sources: Sequence[Source], groups: Sequence[Sequence[Source]], sizes: Sequence[int]
) -> list[int]:
    """Return the bytes of text of each source, given those of what was counted, in order."""
    totals = [0] * len(sources)
    counted = [source for group in groups for source in group]
    number = -1
    for source, size in zip(counted, sizes, strict=True):
        if not isinstance(source, Part) or source.begin == 0:
            number += 1
        totals[number] += size
    return totals


@contextmanager
def open_machines(
    cluster: Client | str | int, threads: int | None, emit: Emit
) -> Iterator[DaskMachines]:
    """Open the machines that a caller names; see `connected`."""
    with connected(cluster, threads, emit) as opened:
        yield DaskMachines(opened)

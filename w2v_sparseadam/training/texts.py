"""The text of a run, on this machine or on several, and what takes its steps there."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import SettingError
from ..events import Emit
from ..objectives.registry import name_of
from .build import start_engine
from .machines import Machines, SharedText, open_machines
from .settings import Settings, ShardConfig

if TYPE_CHECKING:
    import numpy as np

    from ..engine.stepper import Stepper
    from ..runs.folder import RunFolder
    from ..text.reading.sources import Source
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start
    from .run import OpenStepper


class ReadText(NamedTuple):
    """A text of this machine."""

    vocabulary: Vocabulary
    word_ids: np.ndarray


def sharded(settings: Settings, cluster: Any, sources: Sequence[Source]) -> Settings:
    """Return the settings of a run on several machines, if there are any.

    Raises
    ------
    SettingError
        If settings of several machines are given without them, or the text can be read once only.
    """
    if cluster is None:
        if settings.sharding:
            raise SettingError(
                "shards and rounds have no effect on one machine",
                "add `cluster`, or leave them out",
            )
        return settings
    if settings.text.phrases is not None:
        raise SettingError(
            "phrases cannot be joined on several machines",
            "leave out `phrases`, or train on one machine",
        )
    if settings.optimizer.optimizer == "dense-adam":
        raise SettingError(
            "dense-adam moves all rows at every step, which several machines do not do",
            "choose another `optimizer`",
        )
    for source in sources:
        if source.is_stream:
            raise SettingError(
                f"{source.name}: can be read only once and here; several machines need files"
            )
    sharding = settings.sharding or ShardConfig()
    optimizer = settings.optimizer
    if optimizer.lr is None:
        optimizer = replace(optimizer, lr=optimizer.start_lr * sharding.lr_factor)
    return replace(settings, optimizer=optimizer, sharding=sharding)


def check_machines(folder: RunFolder, cluster: Any, adds: bool) -> None:
    """Refuse to resume a run on several machines that one has begun, or the other way round.

    Raises
    ------
    SettingError
        Says what would work.
    """
    is_shared = "sharding" in folder.settings
    if is_shared and cluster is None:
        raise SettingError(f"{folder.path}: is a run on several machines", "add `cluster`")
    if not is_shared and cluster is not None:
        raise SettingError(f"{folder.path}: is a run on one machine", "leave out `cluster`")
    if is_shared and adds:
        raise SettingError("text cannot be added to a run on several machines")


def load_text(
    folder: RunFolder, machines: Machines | None, trust: bool = False
) -> ReadText | SharedText:
    """Return the text of a run that goes on.

    Raises
    ------
    FormatError
        If the folder is damaged.
    W2VError
        If its files have changed, on whichever machines read them.
    """
    if not machines:
        return ReadText(*folder.load_text())

    from ..runs.inputs import check_inputs
    from ..text.reading.finding import find_sources

    check_inputs(folder.path, folder.settings, trust)
    vocabulary, sizes = folder.load_vocabulary()
    return SharedText(vocabulary, find_sources(folder.settings["paths"]), sizes)


def opened_machines(
    settings: Settings, cluster: Any, emit: Emit
) -> AbstractContextManager[Machines | None]:
    """Return what opens the machines of a run; None for this one."""
    if settings.sharding is None:
        return nullcontext()
    return open_machines(cluster, settings.run.threads, emit)


def read_text(
    sources: Sequence[Source],
    settings: Settings,
    machines: Machines | None,
    folder: RunFolder | None,
    emit: Emit,
) -> tuple[ReadText | SharedText, Settings]:
    """Read the text of a run; keep it in the folder, if there is one.

    Returns
    -------
    text : ReadText or SharedText
    settings : Settings
        With nothing left that depends on the size of the text.
    """
    if machines:
        # A worker's folder is another one.
        sources = [replace(source, path=source.absolute_path) for source in sources]
        shared, report = machines.read(sources, settings, emit)
        settings = _settled(shared.vocabulary, settings, folder)
        if folder:
            folder.keep_vocabulary(shared.vocabulary, shared.sizes, report=asdict(report))
        return shared, settings

    from ..text.events import read_with_events

    n_threads = settings.run.n_threads
    with read_with_events(sources, settings.text, emit, threads=n_threads) as read:
        vocabulary, word_ids = read.vocabulary, read.word_ids
        settings = _settled(vocabulary, settings, folder)
        if folder:
            folder.keep_text(vocabulary, word_ids, report=asdict(read.report))
    if folder:
        vocabulary, word_ids = folder.load_text()
    return ReadText(vocabulary, word_ids), settings


def _settled(vocabulary: Vocabulary, settings: Settings, folder: RunFolder | None) -> Settings:
    """Return the settings with defaults that follow the text; a folder must have them first."""
    settings = settings.for_text(int(vocabulary.counts.sum()), len(vocabulary))
    if folder:
        objective = settings.objective
        # The threads of who reads it again are not those of the run.
        run = {**vars(settings.run), "threads": folder.settings["run"]["threads"]}
        folder.change_settings(**{name_of(objective): vars(objective)}, run=run)
    return settings


def stepper_of(
    text: ReadText | SharedText,
    settings: Settings,
    machines: Machines | None,
    stages: Sequence[int],
    *,
    init: Vectors | Start | None = None,
    freeze: Collection[str] = (),
    first_epoch: int = 0,
) -> OpenStepper:
    """Return what opens the stepper of a run over a text."""
    if machines:
        assert isinstance(text, SharedText)
        return machines.stepper(text, settings, stages, init=init, freeze=freeze)
    assert isinstance(text, ReadText)

    @contextmanager
    def opened(emit: Emit) -> Iterator[Stepper]:
        from ..system.workers import Workers

        with Workers(settings.run.n_threads) as workers:
            yield start_engine(
                *text,
                settings,
                workers,
                emit,
                init=init,
                freeze=freeze,
                first_epoch=first_epoch,
            )

    return opened

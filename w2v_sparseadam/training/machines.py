"""What training asks of several machines."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import W2VError
from ..events import Emit

if TYPE_CHECKING:
    from ..text.reading.sources import Source
    from ..text.reading_report import TextReport
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start
    from .run import OpenStepper
    from .settings import Settings


class SharedText(NamedTuple):
    """A text that each machine reads where it lies."""

    vocabulary: Vocabulary
    sources: Sequence[Source]
    sizes: Sequence[int]  # bytes of text of each source, as UTF-8


@dataclass(frozen=True)
class MachinesForecast:
    """What a run on several machines would take.

    Attributes
    ----------
    n_words, n_kept_tokens, epochs
        As in `Forecast`.
    n_workers, n_shards, rounds : int
        Workers; shards of a round; rounds of an epoch.
    model_bytes, state_bytes : int
        Memory of the tables, and of the optimizer's state.
    worker_bytes : int
        Most that a worker is expected to have resident.
    free_bytes : int
        What the worker with the least memory can still take.
    client_bytes : int
        Most that this process is expected to have resident while it trains.
    sent_to_each, sent_between_workers, sent_to_client : int
        Bytes of a round that the busiest worker receives, that all workers receive, and that this
        process receives.
    network_bytes_per_s : float
        As measured from a worker to this process.
    n_measured_steps : int
        Steps that a worker took to measure, and forgot.
    round_seconds, sending_seconds : float
        Expected time of a round, and how much of it workers wait for the network.
    train_seconds : float
        Expected time of all rounds, on a cluster as busy as it was.
    """

    n_words: int
    n_kept_tokens: int
    epochs: int
    n_workers: int
    n_shards: int
    rounds: int
    model_bytes: int
    state_bytes: int
    worker_bytes: int
    free_bytes: int
    client_bytes: int
    sent_to_each: int
    sent_between_workers: int
    sent_to_client: int
    network_bytes_per_s: float
    n_measured_steps: int
    round_seconds: float
    sending_seconds: float
    train_seconds: float


class Machines(Protocol):
    """Several machines that share the work of a run."""

    def check(self, settings: Settings, emit: Emit) -> None:
        """Refuse machines that would not give the bytes that this one gives.

        This compiles on each what the run needs, or loads it.
        """

    def read(
        self, sources: Sequence[Source], settings: Settings, emit: Emit
    ) -> tuple[SharedText, TextReport]:
        """Count the words of a text, and choose the vocabulary as one machine does."""

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

    def forecast(
        self, text: SharedText, settings: Settings, emit: Emit, *, freeze: Collection[str] = ()
    ) -> MachinesForecast:
        """Tell what a run would take."""


_PROVIDER = "distributed.machines", "open_machines"
"""The module of this package that has machines. Named, because it is built on training."""


def open_machines(
    cluster: Any, threads: int | None, emit: Emit
) -> AbstractContextManager[Machines | None]:
    """Return what opens the machines that a caller names.

    Parameters
    ----------
    cluster : distributed.Client, str or int
        A client of a Dask cluster, the address of its scheduler, or a number of processes of
        this machine.
    threads : int or None
        Threads of each worker; of all, if they are processes of this machine.
    emit : callable
        Receives events.

    Raises
    ------
    WrongTypeError
        If `cluster` is nothing of that kind.
    W2VError
        If Dask is missing, or there is no such cluster.
    """
    try:
        import distributed  # noqa: F401
    except ImportError:
        raise W2VError(
            "several workers need the package distributed; "
            "pip install 'w2v-sparseadam[distributed]'"
        ) from None
    package = __package__.rpartition(".")[0]
    module, name = _PROVIDER
    provider = importlib.import_module(f"{package}.{module}")
    opened: AbstractContextManager[Machines] = getattr(provider, name)(cluster, threads, emit)
    return opened

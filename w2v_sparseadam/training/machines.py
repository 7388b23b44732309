"""What training asks of several machines."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from ..errors import W2VError
from ..events import Event

if TYPE_CHECKING:
    from ..text.reading.sources import Source
    from ..text.reading_report import TextReport
    from ..text.vocabulary import Vocabulary
    from ..vectors.vectors import Vectors
    from .initialize import Start
    from .run import OpenStepper
    from .settings import Settings

Emit = Callable[[Event], None]


class SharedText(NamedTuple):
    """A text that each machine reads where it lies."""

    vocabulary: Vocabulary
    sources: Sequence[Source]
    sizes: Sequence[int]  # bytes of text of each source, as UTF-8


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


_PROVIDER = "distributed.machines", "open_machines"
"""The module of this package that has machines. Named, because it is built on training."""


def open_machines(cluster: Any, threads: int | None) -> AbstractContextManager[Machines | None]:
    """Return what opens the machines that a caller names.

    Parameters
    ----------
    cluster : distributed.Client, str or int
        A client of a Dask cluster, the address of its scheduler, or a number of processes of
        this machine.
    threads : int or None
        Threads of each worker; of all, if they are processes of this machine.

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
    opened: AbstractContextManager[Machines] = getattr(provider, name)(cluster, threads)
    return opened

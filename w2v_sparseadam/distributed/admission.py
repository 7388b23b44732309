"""Which workers may take part: those that give the same bytes as the client."""

from __future__ import annotations

import asyncio
import importlib.metadata

from distributed import Status, Worker, WorkerPlugin

from ..errors import ClusterError
from ..events import Emit
from ..training.settings import Settings
from .cluster import TRAIN, WORK, Cluster, repeated
from .tasks import Identity, identity, refusal_of

_PLENTY = 1_000_000


class Admission(WorkerPlugin):
    """Gives a worker the resources that tasks need, if it gives the right bytes.

    Workers that join later are treated alike.
    """

    name = "w2v-sparseadam"

    def __init__(self, settings: Settings, expected: Identity) -> None:
        self._settings, self._expected = settings, expected

    async def setup(self, worker: Worker) -> None:
        """Compare a worker with the client."""
        refusal = await asyncio.to_thread(self._refusal)
        vars(worker)["w2v_refusal"] = refusal
        n = 0 if refusal else 1
        await worker.set_resources(**{TRAIN: n, WORK: n * _PLENTY})
        # Tasks that no worker could do are handed out when a worker joins or is back from a pause,
        # not when it gets resources.
        worker.status = Status.paused
        worker.status = Status.running

    def _refusal(self) -> str:
        """Say why this worker cannot take part; empty if it can."""
        try:
            return difference(self._expected, identity(self._settings))
        except Exception as error:
            return f"fails with {error!r:.200}"


def difference(expected: Identity, found: Identity) -> str:
    """Say how a worker differs from the client; empty if it does not."""
    for name in ("version", "numba", "numpy"):
        here, there = getattr(expected, name), getattr(found, name)
        if here != there:
            package = "w2v-sparseadam" if name == "version" else name
            return f"has {package} {there}, and this machine {here}"
    if expected.digest != found.digest:
        return f"has a processor ({found.processor}) that gives other bytes than this machine's"
    return ""


def admit(cluster: Cluster, settings: Settings, emit: Emit) -> None:
    """Let all workers take part in a run; those that die meanwhile are looked at when they return.

    Raises
    ------
    ClusterError
        If a worker lacks the package, has another version of it, of Numba or of NumPy, or would
        give other bytes: names it.
    """
    plugin = Admission(settings, identity(settings))
    repeated(lambda: _admit(cluster, plugin), "the admission of workers", emit)


def _admit(cluster: Cluster, plugin: Admission) -> None:
    versions = cluster.run(importlib.metadata.version, "w2v-sparseadam")
    lacking = [name for name, found in versions.items() if isinstance(found, ImportError)]
    if lacking:
        raise ClusterError(
            f"{_named(lacking)}: lacks the package w2v-sparseadam; install it there "
            "(pip install w2v-sparseadam), in the version of this machine"
        )
    cluster.register(plugin)
    refusals = cluster.run(refusal_of)
    refused = {name: why for name, why in refusals.items() if why and isinstance(why, str)}
    if refused:
        name, why = min(refused.items())
        others = f" (and {len(refused) - 1} more are refused)" if len(refused) > 1 else ""
        raise ClusterError(f"{name}: {why}{others}; make all machines alike")


def _named(names: list[str]) -> str:
    return min(names) if len(names) == 1 else f"{min(names)} and {len(names) - 1} more"

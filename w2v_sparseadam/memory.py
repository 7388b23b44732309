"""What memory there is, and what a model takes of it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import W2VError

if TYPE_CHECKING:
    import numpy as np

    from .optimizers import Optimizer

# The rest is for everything else on the machine.
_SHARE = 0.8

_ROOT = Path("/")


def available_memory() -> int | None:
    """Return how many bytes this process may still take; None where the system does not tell.

    The least of what Linux says is available (``MemAvailable``) and what is left of the limits of
    the process's control groups, such as a container's, versions 1 and 2. Pages of files that
    have not been used lately are available: the system drops them when it needs room.
    """
    return min((*_machine_free(), *_groups_free()), default=None)


def usable_memory() -> int | None:
    """Return the share of the available memory that one may count on; None where it is not told."""
    available = available_memory()
    return None if available is None else int(_SHARE * available)


def lacks_memory(n_bytes: int) -> str:
    """Say why so much memory cannot be had; nothing if it can, or if the system does not tell."""
    available, usable = available_memory(), usable_memory()
    if available is None or usable is None or n_bytes <= usable:
        return ""
    return f"it needs {gigabytes(n_bytes)} of memory, and {gigabytes(available)} are free"


def gigabytes(n_bytes: float) -> str:
    """Return a number of bytes as a person says it: ``1.5 GB``."""
    return f"{n_bytes / 1e9:.1f} GB"


def row_bytes(build: Callable[[np.ndarray, int], Optimizer], dim: int) -> int:
    """Return the bytes of one row of a matrix of ``dim`` dimensions, with its optimizer's state.

    Parameters
    ----------
    build : callable
        Returns the optimizer of a matrix of which so many columns are used.
    dim : int
        Dimensions of a vector; rows are padded to whole cache lines.
    """
    from .lanes import padded_zeros

    optimizer = build(padded_zeros(1, dim), dim)
    return optimizer.param.nbytes + sum(array.nbytes for array in optimizer.state.values())


def check_memory(n_bytes: int, remedies: Mapping[str, int]) -> None:
    """Refuse a run whose model and state are more than the memory there is.

    Parameters
    ----------
    n_bytes : int
        What they need.
    remedies : mapping of str to int
        What can be done, and what they would need then.

    Raises
    ------
    W2VError
        If the memory is too small; names every remedy that saves something, with what it saves.
    """
    reason = lacks_memory(n_bytes)
    if reason:
        saved = [
            f"{remedy} saves {gigabytes(n_bytes - less)}"
            for remedy, less in remedies.items()
            if less < n_bytes
        ]
        raise W2VError(
            f"the model does not fit: with its optimizer's state {reason}; " + ", ".join(saved)
        )


def _machine_free() -> Iterator[int]:
    """Yield what the machine has."""
    try:
        information = (_ROOT / "proc/meminfo").read_text()
        yield int(information.split("MemAvailable:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass  # not Linux


def _groups_free() -> Iterator[int]:
    """Yield what is left to each control group that has a limit, and that this process is in."""
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, limit, usage, stale = "", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            mount, limit, usage = "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
            stale = "total_inactive_file"
        else:
            continue
        # A container may see its own group as the root, under a path that it cannot see.
        groups = Path("/", path)
        for group in (groups, *groups.parents):
            folder = _ROOT / "sys/fs/cgroup" / mount / str(group).lstrip("/")
            try:
                used = int((folder / usage).read_text())
                most = int((folder / limit).read_text())  # ValueError: "max"
                stat = dict(
                    row.split() for row in (folder / "memory.stat").read_text().splitlines()
                )
                yield most - used + int(stat.get(stale, 0))
            except (OSError, ValueError):
                continue


def peak_memory() -> int | None:
    """Return the most memory this process has held resident, in bytes; None where unknown."""
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024
    except (OSError, IndexError):
        pass  # not Linux
    try:
        import resource
    except ImportError:  # Windows
        return None
    # Not on Linux, where a process begins with its parent's figure.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

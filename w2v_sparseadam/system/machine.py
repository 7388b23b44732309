"""The memory and processors that this process may use.

Within the limits of ``ulimit`` and of control groups, such as a container's, of versions 1 and 2
and at every level.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path

_ROOT = Path("/")


def available_memory() -> int:
    """Return how many bytes this process may still take.

    The least of what the machine has, and what is left of each limit. Pages of files that have not
    been used lately are available: the system drops them when it needs room.
    """
    import psutil

    left = [most - used for most, used in (*_group_memory(), *_process_memory())]
    return max(0, min([psutil.virtual_memory().available, *left]))


def memory_limit() -> int:
    """Return how many bytes this process may hold in all."""
    import psutil

    limits = [most for most, _ in (*_group_memory(), *_process_memory())]
    return min([psutil.virtual_memory().total, *limits])


def usable_processors() -> int:
    """Return how many processors this process may use; of a quota of 1.5, both."""
    return min([allowed_processors(), *(math.ceil(quota) for quota in _group_processors())])


def allowed_processors() -> int:
    """Return on how many processors this thread may run, whatever their quota."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # not Linux


def resident_memory() -> int:
    """Return how many bytes this process holds in memory."""
    import psutil

    return psutil.Process().memory_info().rss


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


def _process_memory() -> Iterator[tuple[int, int]]:
    """Yield the limits of ``ulimit``, and what counts towards each."""
    try:
        import resource
    except ImportError:  # Windows
        return
    import psutil

    used = psutil.Process().memory_info()
    for limit, name in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        most, _ = resource.getrlimit(limit)
        if most != resource.RLIM_INFINITY and hasattr(used, name):
            yield most, getattr(used, name)


def _group_memory() -> Iterator[tuple[int, int]]:
    """Yield the limit of each control group that has one, and what it uses that must stay."""
    for version, group in _groups("memory"):
        if version == 2:
            limits, usage, stale = ["memory.max", "memory.high"], "memory.current", "inactive_file"
        else:
            limits, usage = ["memory.limit_in_bytes"], "memory.usage_in_bytes"
            stale = "total_inactive_file"
        for limit in limits:
            try:
                most = int((group / limit).read_text())  # ValueError: "max"
                used = int((group / usage).read_text())
                rows = (group / "memory.stat").read_text().splitlines()
                stat = dict(row.split() for row in rows)
                yield most, used - int(stat.get(stale, 0))
            except (OSError, ValueError):
                continue


def _group_processors() -> Iterator[float]:
    """Yield the quota of each control group that has one, in processors."""
    for version, group in _groups("cpu"):
        try:
            if version == 2:
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota = (group / "cpu.cfs_quota_us").read_text()
                period = (group / "cpu.cfs_period_us").read_text()
            if int(quota) > 0:  # ValueError: "max"; -1 is none, too
                yield int(quota) / int(period)
        except (OSError, ValueError, ZeroDivisionError):
            continue


def _groups(controller: str) -> Iterator[tuple[int, Path]]:
    """Yield version and folder of the control groups that may limit this process, with parents."""
    try:
        lines = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            version, mounts = 2, ["", "unified"]
        elif controller in controllers.split(","):
            version, mounts = 1, [controller, controllers]  # "cpu", or "cpu,cpuacct" as a whole
        else:
            continue
        # A container may see its own group as the root, under a path that it cannot see.
        own = Path("/", path)
        for mount in mounts:
            for group in (own, *own.parents):
                yield version, _ROOT / "sys/fs/cgroup" / mount / str(group).lstrip("/")

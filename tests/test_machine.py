"""What a process may take of the machine: of the whole, of its control groups, of ulimit."""

import os
import resource
from types import SimpleNamespace

import psutil
import pytest

from w2v_sparseadam.system import machine
from w2v_sparseadam.system.machine import available_memory, memory_limit, usable_processors


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that writes the files of a pretended system of 8 processors and 4 GB."""
    monkeypatch.setattr(machine, "_ROOT", tmp_path)
    memory = SimpleNamespace(available=4_096_000_000, total=8_192_000_000)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)))

    def write(path, content):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    return write


def test_a_machine_without_groups(system):
    assert (available_memory(), memory_limit()) == (4_096_000_000, 8_192_000_000)
    assert usable_processors() == 8


@pytest.mark.parametrize("mount", ["", "unified/"])
def test_a_group_of_version_2_within_a_group(system, mount):
    system("proc/self/cgroup", "0::/outer/inner\n")
    inner, outer = (f"sys/fs/cgroup/{mount}{path}" for path in ("outer/inner", "outer"))
    system(f"{inner}/memory.max", "max\n")
    system(f"{inner}/memory.current", "700\n")
    system(f"{inner}/cpu.max", "max 100000\n")
    assert available_memory() == 4_096_000_000
    assert usable_processors() == 8
    system(f"{outer}/memory.max", "1000\n")
    system(f"{outer}/memory.current", "900\n")
    system(f"{outer}/memory.stat", "anon 500\ninactive_file 50\n")
    system(f"{outer}/cpu.max", "250000 100000\n")
    assert (available_memory(), memory_limit()) == (1000 - 900 + 50, 1000)
    assert usable_processors() == 3
    system(f"{outer}/memory.high", "800\n")  # beyond which the system slows it down
    assert (available_memory(), memory_limit()) == (0, 800)
    system(f"{inner}/cpu.max", "10000 100000\n")
    assert usable_processors() == 1


def test_a_group_of_version_1_seen_from_within_a_container(system):
    """Its path is that of the host, but what it can see as the root is its own group."""
    system("proc/self/cgroup", "7:cpu,cpuacct:/docker/abc\n5:memory:/docker/abc\n")
    system("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n")
    system("sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n")
    system("sys/fs/cgroup/memory/memory.stat", "cache 7\ntotal_inactive_file 300\n")
    assert (available_memory(), memory_limit()) == (5000 - 4000 + 300, 5000)
    system("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n")
    assert usable_processors() == 8
    system("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "150000\n")
    assert usable_processors() == 2


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct"])
def test_groups_of_version_1_within_each_other(system, mount):
    """The tightest of all levels counts, whatever the group that memory has."""
    system("proc/self/cgroup", "9:memory:/other\n4:cpu,cpuacct:/outer/middle/inner\n0::/system\n")
    groups = {"outer": 300_000, "outer/middle": -1, "outer/middle/inner": 500_000, "": -1}

    def quotas(**changed):
        for group, quota in {**groups, **changed}.items():
            system(f"sys/fs/cgroup/{mount}/{group}/cpu.cfs_period_us", "100000\n")
            system(f"sys/fs/cgroup/{mount}/{group}/cpu.cfs_quota_us", f"{quota}\n")
        return usable_processors()

    assert quotas() == 3
    assert quotas(**{"outer/middle/inner": 120_000}) == 2
    assert quotas(**{"outer/middle": 20_000}) == 1
    assert quotas(outer=-1, **{"outer/middle/inner": -1}) == 8


def test_groups_of_both_versions(system):
    """Where version 1 holds the processors, version 2 is mounted beside it and has no quota."""
    system("proc/self/cgroup", "1:cpu:/jobs/mine\n0::/user.slice/mine\n")
    system("sys/fs/cgroup/unified/user.slice/mine/cgroup.procs", "1\n")
    system("sys/fs/cgroup/cpu/jobs/cpu.cfs_period_us", "50000\n")
    system("sys/fs/cgroup/cpu/jobs/cpu.cfs_quota_us", "200000\n")
    assert usable_processors() == 4


def test_fewer_allowed_processors_than_the_quota_has(system, monkeypatch):
    system("proc/self/cgroup", "0::/outer\n")
    system("sys/fs/cgroup/outer/cpu.max", "400000 100000\n")
    assert usable_processors() == 4
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {1, 6, 7})
    assert usable_processors() == 3
    monkeypatch.delattr(os, "sched_getaffinity")  # not Linux
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert usable_processors() == 2


@pytest.mark.parametrize(("limit", "used"), [("RLIMIT_AS", "vms"), ("RLIMIT_DATA", "data")])
def test_ulimit(system, monkeypatch, limit, used):
    unlimited = resource.RLIM_INFINITY
    number = getattr(resource, limit)
    limits = {number: (3_000_000_000, unlimited)}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: limits.get(kind, (unlimited,) * 2))
    process = psutil.Process()
    held = process.memory_info()._replace(**{used: 1_000_000_000})
    monkeypatch.setattr(psutil.Process, "memory_info", lambda self: held)
    assert (available_memory(), memory_limit()) == (2_000_000_000, 3_000_000_000)


def test_a_process_that_is_beyond_its_limit_has_nothing_left(system):
    system("proc/self/cgroup", "0::/\n")
    system("sys/fs/cgroup/memory.max", "1000\n")
    system("sys/fs/cgroup/memory.current", "1200\n")
    system("sys/fs/cgroup/memory.stat", "inactive_file 0\n")
    assert available_memory() == 0

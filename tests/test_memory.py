"""What memory there is: of the machine, of its control groups, and for a model."""

import numpy as np
import pytest

from w2v_sparseadam import OptimizerConfig, memory
from w2v_sparseadam.errors import W2VError


@pytest.fixture
def system(tmp_path, monkeypatch):
    """Return a function that writes the files of a pretended system."""
    monkeypatch.setattr(memory, "_ROOT", tmp_path)

    def write(path, content):
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)

    return write


def test_where_the_system_does_not_tell_there_is_no_limit(system):
    assert memory.available_memory() is None
    assert memory.lacks_memory(10**18) == ""


def test_a_machine_without_groups(system):
    system("proc/meminfo", "MemTotal: 9 kB\nMemAvailable:    4000000 kB\nBuffers: 1 kB\n")
    assert memory.available_memory() == 4_096_000_000


def test_a_group_of_version_2_within_a_group(system):
    system("proc/meminfo", "MemAvailable: 4000000 kB\n")
    system("proc/self/cgroup", "0::/outer/inner\n")
    system("sys/fs/cgroup/outer/inner/memory.max", "max\n")
    system("sys/fs/cgroup/outer/inner/memory.current", "700\n")
    assert memory.available_memory() == 4_096_000_000
    system("sys/fs/cgroup/outer/memory.max", "1000\n")
    system("sys/fs/cgroup/outer/memory.current", "900\n")
    system("sys/fs/cgroup/outer/memory.stat", "anon 500\ninactive_file 50\n")
    assert memory.available_memory() == 1000 - 900 + 50


def test_a_group_of_version_1_seen_from_within_a_container(system):
    """Its path is that of the host, but what it can see as the root is its own group."""
    system("proc/self/cgroup", "7:cpu,cpuacct:/x\n5:memory:/docker/abc\n")
    system("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000\n")
    system("sys/fs/cgroup/memory/memory.usage_in_bytes", "4000\n")
    system("sys/fs/cgroup/memory/memory.stat", "cache 7\ntotal_inactive_file 300\n")
    assert memory.available_memory() == 5000 - 4000 + 300


def test_a_fifth_is_left_to_others(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**10)
    assert memory.lacks_memory(8 * 10**9) == ""
    assert memory.lacks_memory(9 * 10**9) == "it needs 9.0 GB of memory, and 10.0 GB are free"


@pytest.mark.parametrize(
    ("settings", "numbers"),
    [
        ({"optimizer": "sgd"}, 112),
        ({"optimizer": "sparse-adam", "beta1": 0}, 2 * 112),
        ({"optimizer": "sparse-adam", "beta1": 0.9}, 3 * 112),
        ({"optimizer": "dense-adam"}, 3 * 112),
        ({"optimizer": "adagrad"}, 2 * 112),
        ({"optimizer": "rowwise-adam"}, 2 * 112 + 1),
        ({"optimizer": "rowwise-adam", "beta1": 0, "bias_correction": "row"}, 112 + 1 + 2),
    ],
)
def test_a_row_by_hand(settings, numbers):
    """100 dimensions are padded to 112; a number has 4 bytes, a count of steps 8."""
    assert memory.row_bytes(OptimizerConfig(**settings).build, 100) == 4 * numbers


def test_a_row_is_what_a_matrix_of_rows_takes():
    param = np.zeros((7, 112), np.float32)
    optimizer = OptimizerConfig("rowwise-adam", bias_correction="row").build(param, 100)
    total = param.nbytes + sum(array.nbytes for array in optimizer.state.values())
    config = OptimizerConfig("rowwise-adam", bias_correction="row")
    assert 7 * memory.row_bytes(config.build, 100) == total


def test_what_does_not_fit_is_refused_with_remedies(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 10**10)
    memory.check_memory(8 * 10**9, {})
    with pytest.raises(W2VError) as caught:
        memory.check_memory(12 * 10**9, {"--dim 50": 6 * 10**9, "--beta1 0": 12 * 10**9})
    assert str(caught.value) == (
        "the model does not fit: with its optimizer's state it needs 12.0 GB of memory, and "
        "10.0 GB are free; --dim 50 saves 6.0 GB"
    )

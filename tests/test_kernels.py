"""Compiled kernels on disk: found again, never in the way."""

import ast
import errno
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import JIT
from numba import config

import w2v_sparseadam
from w2v_sparseadam.simd import kernels
from w2v_sparseadam.simd.kernels import KernelCache, cache_folders, compiling_told, kernel

compiled_only = pytest.mark.skipif(not JIT, reason="nothing is compiled")
PACKAGE = Path(w2v_sparseadam.__file__).parent


def plus_one(number):
    return number + 1


def compiles():
    """Run the kernel as a new process would; return whether it had to be compiled."""
    compiled = kernel(plus_one)
    assert compiled(2) == 3
    return not compiled.stats.cache_hits


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Return the folders where kernels may be; none is there yet."""
    paths = [tmp_path / "package", tmp_path / "user"]
    monkeypatch.setattr(kernels, "cache_folders", lambda: paths)
    monkeypatch.setattr(KernelCache, "failure", "")
    monkeypatch.setattr(kernels, "_failure_reported", [])
    return paths


def refuse(*_):
    raise OSError(errno.EROFS, "Read-only file system")


@compiled_only
def test_a_kernel_is_compiled_once(folders):
    assert compiles()
    assert len(list(folders[0].iterdir())) == 1
    assert not folders[1].exists()
    assert not compiles()


@compiled_only
@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:100],
        lambda content: content[:-1],
        lambda content: content[:500] + bytes([content[500] ^ 1]) + content[501:],
    ],
    ids=["empty", "short", "cut", "flipped"],
)
def test_a_damaged_file_is_written_again(folders, damage):
    assert compiles()
    (path,) = folders[0].iterdir()
    path.write_bytes(damage(path.read_bytes()))
    assert compiles()
    assert list(folders[0].iterdir()) == [path]
    assert not compiles()


@compiled_only
def test_only_the_kernel_asked_for_is_told(folders):
    """Not those that it calls; and garbage is looked for as before when it is done."""
    inner = kernel(plus_one)

    def call_twice(number):
        return inner(number) + inner(number)

    events, thresholds = [], gc.get_threshold()
    with compiling_told(events.append, 3):
        assert kernel(call_twice)(1) == 4
        assert kernel(plus_one)(1.5) == 2.5
        assert not compiles()  # but loads it
        assert kernel(plus_one)(True) == 2
    assert [(event.kernel, event.number, event.total) for event in events] == [
        ("call_twice", 1, 3),
        ("plus_one", 2, 3),
        ("plus_one", 3, 3),
    ]
    assert gc.get_threshold() == thresholds


@compiled_only
def test_a_kernel_that_cannot_be_saved_is_compiled_and_reported_once(folders, tmp_path):
    folders[0] = tmp_path / "file" / "folder"
    folders[0].parent.touch()
    folders.pop()
    events = []
    with compiling_told(events.append):
        assert compiles()
        assert compiles()
    with compiling_told(events.append):
        assert compiles()
    assert [event["event"] for event in events] == ["compile", "compile", "warning", "compile"]
    assert events[2]["message"] == (
        f"compiled kernels cannot be saved ({folders[0]}: Not a directory), so each run compiles "
        "them again; set NUMBA_CACHE_DIR to a writable folder"
    )


@compiled_only
def test_a_full_disk_leaves_no_part_of_a_file(folders, monkeypatch):
    def fill_up(path, content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    assert compiles()
    assert KernelCache.failure == f"{folders[1]}: No space left on device"
    assert not [path for folder in folders for path in folder.iterdir()]


@compiled_only
def test_the_second_folder_serves_where_the_first_cannot_be_written(folders):
    folders[0].touch()
    assert compiles()
    assert not compiles()
    assert len(list(folders[1].iterdir())) == 1


@compiled_only
def test_a_warm_folder_that_is_read_only_is_used(folders, monkeypatch):
    assert compiles()
    monkeypatch.setattr(kernels, "_replace", refuse)
    assert not compiles()
    assert not KernelCache.failure


@compiled_only
def test_other_sources_compile_again_and_replace_the_old(folders, monkeypatch):
    assert compiles()
    (old,) = folders[0].iterdir()
    monkeypatch.setattr(kernels, "_digest_of_sources", lambda path: "other")
    assert compiles()
    (new,) = folders[0].iterdir()
    assert new != old
    assert not compiles()


COMPILE = """
import sys
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.training.build import compile_run
from w2v_sparseadam.training.settings import Settings

settings = Settings(
    text=TextConfig(phrases=PhraseConfig()),
    objective=SkipGramConfig(dim=int(sys.argv[1])),
    optimizer=OptimizerConfig(sys.argv[2]),
)
compile_run(settings, lambda event: print(event.kernel, event.number, event.total))
"""


@compiled_only
def test_what_is_compiled_first_and_then_for_another_width_and_optimizer(tmp_path):
    """Kernels are counted, those found on the disk included, and none is left for later."""

    def compiled(*settings):
        done = subprocess.run(
            [sys.executable, "-c", COMPILE, *settings],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        return [tuple(line.split()) for line in done.stdout.splitlines()]

    first = compiled("20", "sparse-adam")
    total = str(len(first))
    assert [number for _, number, _ in first] == [str(k + 1) for k in range(len(first))]
    assert {of for _, _, of in first} == {total}
    assert compiled("300", "sparse-adam") == []
    moved = [line for line in first if line[0] in {"_prepare", "_early", "_move"}]
    assert compiled("50", "sgd") == moved
    assert len(moved) == 3


def test_numba_cache_dir_is_the_only_folder_if_it_is_set(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    (folder,) = cache_folders.__wrapped__()
    assert folder.parent == tmp_path


def test_without_a_home_no_folder_is_made_where_one_stands(monkeypatch):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    # As `.numba_config.yaml` in the current folder would, which may be a stranger's.
    monkeypatch.setattr(config, "CACHE_DIR", str(PACKAGE / "evil"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "~")  # what it stays if nobody knows the user
    assert cache_folders.__wrapped__() == [PACKAGE / "__pycache__"]


def test_kernels_take_nothing_from_files_that_their_digest_leaves_out():
    """A constant is compiled into a kernel: a change of it must compile the kernel again."""
    inside = kernels.kernel_sources()
    assert len(inside) > 8
    names_inside = {path.relative_to(PACKAGE).with_suffix("").as_posix() for path in inside}
    for path in inside:
        tree = ast.parse(path.read_text())
        outside = {
            alias.asname or alias.name
            for node in tree.body
            if isinstance(node, ast.ImportFrom) and node.level
            for alias in node.names
            if _module_of(node, path) not in names_inside
        }
        for function in tree.body:
            made = [
                ast.unparse(name).split("(")[0] for name in getattr(function, "decorator_list", [])
            ]
            if isinstance(function, ast.FunctionDef) and made and made != ["contextmanager"]:
                used = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
                assert not used & outside, (path, function.name)


def _module_of(node, path):
    folder = path.parents[node.level - 1].relative_to(PACKAGE)
    return (folder / (node.module or "").replace(".", "/")).as_posix()

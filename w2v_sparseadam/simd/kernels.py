"""Compile kernels with Numba, and cache the compiled code on disk."""

import gc
import hashlib
import inspect
import os
import pickle
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import llvmlite
import numba
from numba import njit
from numba.core import config
from numba.core.caching import NullCache
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler, CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.event import Listener, install_listener
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

from ..events import Compiling, Event, Warned

_FOLDER = Path(__file__).parent
_PACKAGE = _FOLDER.parent
_HOLDS_KERNELS = re.compile(
    rb"^@(kernel|kernel_with_memory|bound_kernel|inlined|intrinsic_of|overload)\b", re.MULTILINE
)
_HOLD_CONSTANTS = {_PACKAGE / "text" / "vocabulary.py"}  # for kernels
_OPTIONS: Any = config  # set from the environment
_DIGEST_BYTES = 16

# Thresholds of Python's garbage collection while Numba compiles. Most of the millions of objects
# that it makes live on; with the usual thresholds, compiling takes a sixth longer.
_RARELY = 50_000, 20, 50
_failure_reported: list[bool] = []


# Kernels hold no references: counting them takes time between rows, and to compile.
_FLAGS: Any = {"nogil": True, "error_model": "numpy", "_nrt": False}


class _NoEnvironments:
    """Stands in for the code generator, which would fill a variable of the code once loaded."""

    @staticmethod
    def set_env(name: str, environment: Any) -> None:
        pass


class _Part(JITCodeLibrary):
    """The code of a function that only kernels call.

    It is optimized and loaded as a part of each kernel that calls it, not by itself.
    """

    @property
    def codegen(self) -> Any:
        return _NoEnvironments

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class _PartCompiler(Compiler):
    """Numba's compiler for functions that only kernels call."""

    def define_pipelines(self) -> Any:
        state: Any = self.state
        state.library = _Part(state.targetctx.codegen(), state.func_id.func_qualname)
        return super().define_pipelines()


INLINED: Any = {
    "pipeline_class": _PartCompiler,
    **_FLAGS,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""How to compile what is called by kernels only, into each of them."""


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba: cached on disk, and without the interpreter lock.

    It can neither make arrays nor return them.
    """
    return _cached(function, _FLAGS)


def kernel_with_memory(function: Callable[..., Any]) -> Any:
    """Compile a function as :func:`kernel` does, that may make arrays and return them."""
    return _cached(function, {**_FLAGS, "_nrt": True})


def bound_kernel(function: Callable[..., Any]) -> Any:
    """Compile a function as :func:`kernel` does, to be called through :class:`~.calls.Calls`."""
    return _cached(function, {**_FLAGS, "no_cpython_wrapper": True, "no_cfunc_wrapper": True})


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a function into each kernel that calls it; Python cannot call it."""
    return njit(**INLINED)(function)


@cache
def for_python(function: Any) -> Any:
    """Return a kernel of an inlined function, for Python to call."""
    return kernel(getattr(function, "py_func", function))


def _cached(function: Callable[..., Any], flags: Any) -> Any:
    compiled = njit(**flags)(function)
    if isinstance(compiled, Dispatcher):  # unless the JIT is off
        compiled._cache = KernelCache(function)  # type: ignore[attr-defined]
    return compiled


class KernelCache(NullCache):
    """A kernel's compiled code on disk, in place of Numba's own cache.

    Numba's checks the time and size of the kernel's own file only, so it runs stale code after a
    change in a kernel of another file that is called. It also fails if its files are damaged or
    its folder is not writable. Here, the file name covers all that the code depends on, a checksum
    detects damage, and a damaged file counts as missing. All folders of `cache_folders` are read;
    the first writable one is written.

    Attributes
    ----------
    failure : str
        Why kernels could not be saved, empty if they could; shared by all instances.
    n_loaded : int
        Kernels found on the disk; shared, too.
    """

    failure: ClassVar[str] = ""
    n_loaded: ClassVar[int] = 0

    def __init__(self, function: Callable[..., Any]) -> None:
        self._sources = _digest_of_sources(Path(inspect.getfile(function)))
        self._name = f"{function.__module__}.{function.__qualname__}"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the code for a signature, None if it is not cached; called by Numba."""
        target_context.refresh()
        name = self._file_name(sig, target_context.codegen())
        for folder in cache_folders():
            with suppress(OSError):
                content = (folder / name).read_bytes()
                checksum, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
                if checksum == _digest(data):
                    KernelCache.n_loaded += 1
                    return CompileResult._rebuild(target_context, *pickle.loads(data))
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Save the code for a signature; called by Numba."""
        name = self._file_name(sig, data.codegen)
        content = dumps(data._reduce())
        reason = "there is no folder for them"
        for folder in cache_folders():
            try:
                folder.mkdir(parents=True, exist_ok=True)
                _replace(folder / name, _digest(content) + content)
            except OSError as error:
                reason = f"{folder}: {error.strerror}"
            else:
                self._remove_old(folder)
                return
        KernelCache.failure = reason

    def _file_name(self, sig: Any, codegen: Any) -> str:
        key = (
            str(sig),
            codegen.magic_tuple(),  # the processor, among others
            numba.__version__,
            llvmlite.__version__,
            _OPTIONS.BOUNDSCHECK,
        )
        return f"{self._name}-{self._sources}-{_digest(repr(key).encode()).hex()}.nbc"

    def _remove_old(self, folder: Path) -> None:
        """Remove code compiled from other sources."""
        for path in folder.glob(f"{self._name}-*.nbc"):
            if not path.name.startswith(f"{self._name}-{self._sources}-"):
                with suppress(OSError):
                    path.unlink()


@cache
def cache_folders() -> list[Path]:
    """Return the folders of compiled kernels: the package's own, then one in the user's cache.

    If ``NUMBA_CACHE_DIR`` is set, it is the only one.
    """
    name = f"{_PACKAGE.name}_{_digest(os.fsencode(_PACKAGE)).hex()}"
    # Not Numba's setting, which a file in the current folder can change: code is loaded from here.
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(folder, name)]
    user = Path(AppDirs("numba", appauthor=False).user_cache_dir, name)
    # Not absolute if there is neither HOME nor an entry for the user.
    return [_PACKAGE / "__pycache__", *([user] if user.is_absolute() else [])]


@cache
def _digest_of_sources(path: Path) -> str:
    """Digest the file of a kernel, and all files that kernels call or take constants from.

    A change in any other file does not recompile kernels; a test checks the list.
    """
    sources = {path, *kernel_sources()}
    return _digest(b"".join(source.read_bytes() for source in sorted(sources))).hex()


def kernel_sources() -> list[Path]:
    """Return the files of the package that compiled kernels depend on."""
    return [
        path
        for path in _PACKAGE.rglob("*.py")
        if path.parent == _FOLDER
        or path in _HOLD_CONSTANTS
        or _HOLDS_KERNELS.search(path.read_bytes())
    ]


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def _replace(path: Path, content: bytes) -> None:
    """Write a temporary file and rename it, as other processes may be reading the old one."""
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


class _Announcer(Listener):
    """Reports each kernel that is about to be compiled, but none of the functions inside it."""

    def __init__(self, on_event: Callable[[Event], None], n_kernels: int) -> None:
        self._on_event = on_event
        self._n_kernels = n_kernels
        self._n_compiled = self._depth = 0
        self._n_loaded_before = KernelCache.n_loaded
        self._thresholds = gc.get_threshold()

    def on_start(self, event: Any) -> None:
        self._depth += 1
        if self._depth == 1:
            gc.set_threshold(*_RARELY)
            number = KernelCache.n_loaded - self._n_loaded_before + self._n_compiled + 1
            name = event.data["dispatcher"].__name__
            self._on_event(Compiling(name, min(number, self._n_kernels), self._n_kernels))

    def on_end(self, event: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            gc.set_threshold(*self._thresholds)
            self._n_compiled += 1


@contextmanager
def compiling_told(on_event: Callable[[Event], None], n_kernels: int = 0) -> Iterator[None]:
    """Report each kernel that is about to be compiled in the block, which may take seconds.

    Parameters
    ----------
    on_event : callable
        Receives `Compiling`. An exception it raises may be lost, because LLVM calls back into
        Python. After the block, it receives `Warned` if kernels could not be saved, once per
        process.
    n_kernels : int
        Kernels that the block needs; 0 if unknown.
    """
    with install_listener("numba:compile", _Announcer(on_event, n_kernels)):
        yield
    if KernelCache.failure and not _failure_reported:
        _failure_reported.append(True)
        on_event(
            Warned(
                f"compiled kernels cannot be saved ({KernelCache.failure}), so each run compiles "
                "them again; set NUMBA_CACHE_DIR to a writable folder"
            )
        )

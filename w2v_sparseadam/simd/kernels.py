"""How this package compiles its kernels, and where it keeps what was compiled."""

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
from numba.core.compiler import CompileResult
from numba.core.dispatcher import Dispatcher
from numba.core.event import Listener, install_listener
from numba.core.serialize import dumps
from numba.misc.appdirs import AppDirs

_FOLDER = Path(__file__).parent
_PACKAGE = _FOLDER.parent
_HOLDS_KERNELS = re.compile(rb"^@(kernel|intrinsic|overload)\b", re.MULTILINE)
_HOLD_CONSTANTS = {_PACKAGE / "text" / "vocabulary.py"}  # for kernels
_OPTIONS: Any = config  # set from the environment
_DIGEST_BYTES = 16
_failure_told: list[bool] = []


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba, cached on disk, not to hold the interpreter lock."""
    compiled = njit(nogil=True, error_model="numpy")(function)
    if isinstance(compiled, Dispatcher):  # unless the JIT is off
        compiled._cache = KernelCache(function)  # type: ignore[attr-defined]
    return compiled


class KernelCache(NullCache):
    """A kernel's compiled code on disk, in place of Numba's own cache.

    Numba's looks at the time and size of the kernel's own file only, and would run old code after
    a change in a kernel that is called from another file. It also stops the program when its
    files are damaged or its folder cannot be written. Here, a file is named after all that its
    content depends on, vouches for itself by a checksum, and counts as missing if it is damaged.
    All folders of `cache_folders` are read, and the first that can be is written.

    Attributes
    ----------
    failure : str
        Why kernels could not be written, if so; of all instances.
    """

    failure: ClassVar[str] = ""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._sources = _digest_of_sources(Path(inspect.getfile(function)))
        self._name = f"{function.__module__}.{function.__qualname__}"

    def load_overload(self, sig: Any, target_context: Any) -> CompileResult | None:
        """Return the code for a signature, if it is there; called by Numba."""
        target_context.refresh()
        name = self._file_name(sig, target_context.codegen())
        for folder in cache_folders():
            with suppress(OSError):
                content = (folder / name).read_bytes()
                checksum, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
                if checksum == _digest(data):
                    return CompileResult._rebuild(target_context, *pickle.loads(data))
        return None

    def save_overload(self, sig: Any, data: CompileResult) -> None:
        """Keep the code for a signature; called by Numba."""
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
        """Remove what was compiled from other sources."""
        for path in folder.glob(f"{self._name}-*.nbc"):
            if not path.name.startswith(f"{self._name}-{self._sources}-"):
                with suppress(OSError):
                    path.unlink()


@cache
def cache_folders() -> list[Path]:
    """Return where compiled kernels may be: in the package, or else with the user's caches.

    If ``NUMBA_CACHE_DIR`` is set, they are there and nowhere else.
    """
    name = f"{_PACKAGE.name}_{_digest(os.fsencode(_PACKAGE)).hex()}"
    # Not Numba's setting, which a file in the current folder may have made: code is loaded from it.
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(folder, name)]
    user = Path(AppDirs("numba", appauthor=False).user_cache_dir, name)
    # Not absolute where there is neither HOME nor an entry for the user.
    return [_PACKAGE / "__pycache__", *([user] if user.is_absolute() else [])]


@cache
def _digest_of_sources(path: Path) -> str:
    """Digest the file of a kernel, and all of the package that kernels call or take constants from.

    Other files may change without a kernel being compiled again; a test checks the list.
    """
    sources = {path, *kernel_sources()}
    return _digest(b"".join(source.read_bytes() for source in sorted(sources))).hex()


def kernel_sources() -> list[Path]:
    """Return the files of the package of which compiled kernels are made."""
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
    """Write a file beside its place and rename it, as other processes may be reading it."""
    temporary = path.with_name(f".{secrets.token_hex(6)}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


@contextmanager
def compiling_told(on_event: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Tell of each kernel that is about to be compiled in the block, which may take seconds.

    Parameters
    ----------
    on_event : callable
        Receives ``{"event": "compile", "kernel": name}``. What it raises may be lost: LLVM calls
        back into Python. After the block, receives ``{"event": "warning", "message": …}`` if what
        was compiled could not be kept, once in a process.
    """

    class Announcer(Listener):
        def on_start(self, event: Any) -> None:
            on_event({"event": "compile", "kernel": event.data["dispatcher"].__name__})

        def on_end(self, event: Any) -> None:
            pass

    with install_listener("numba:compile", Announcer()):
        yield
    if KernelCache.failure and not _failure_told:
        _failure_told.append(True)
        on_event(
            {
                "event": "warning",
                "message": f"compiled kernels cannot be kept ({KernelCache.failure}), so each run "
                "compiles them again; set NUMBA_CACHE_DIR to a folder that can be written",
            }
        )

"""How this package compiles its kernels, and when it trusts a compiled one on disk."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.event import Listener, install_listener


def _source_digest() -> str:
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


_SOURCE = _source_digest()


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function with Numba, cached on disk, not to hold the interpreter lock.

    Numba's disk cache looks at the time and size of the function's own file only, and would run
    old code after a change in a kernel that is called from another file. Here what was compiled
    counts only as long as no source file of the package has changed.
    """
    compiled = njit(cache=True, nogil=True, error_model="numpy")(function)
    cache_file = getattr(getattr(compiled, "_cache", None), "_cache_file", None)
    if cache_file is not None:  # None when the JIT is off, or the cache folder cannot be written
        cache_file._source_stamp = (*cache_file._source_stamp, _SOURCE)
    return compiled


@contextmanager
def compiling_told(on_event: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Tell of each kernel that is about to be compiled in the block, which may take seconds.

    Parameters
    ----------
    on_event : callable
        Receives ``{"event": "compile", "kernel": name}``. What it raises may be lost: LLVM calls
        back into Python.
    """

    class Announcer(Listener):
        def on_start(self, event: Any) -> None:
            on_event({"event": "compile", "kernel": event.data["dispatcher"].__name__})

        def on_end(self, event: Any) -> None:
            pass

    with install_listener("numba:compile", Announcer()):
        yield

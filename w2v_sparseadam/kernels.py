"""How this package compiles its kernels, and when it trusts a compiled one on disk."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit


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

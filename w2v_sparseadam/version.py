"""Which version of this program, and of the code that decides the bytes of a run, is at work."""

import hashlib
from functools import cache
from pathlib import Path

from . import __version__

_DECIDE = ("simd", "optimizers", "objectives", "engine", "training")
"""The folders whose code decides the bytes of a run, once the text is read."""


@cache
def training_version() -> str:
    """Return the version, and a digest of the code that decides what a step does.

    The number alone stays the same from one commit to the next.
    """
    digest = hashlib.sha256()
    for folder in _DECIDE:
        for path in sorted((Path(__file__).parent / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"

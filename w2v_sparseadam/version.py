"""Which version of this program, and of the code that decides the bytes of a run, is at work."""

import hashlib
from functools import cache
from pathlib import Path

from . import __version__

_DECIDE = (
    "atomics",
    "config",
    "engine",
    "gradients",
    "growth",
    "lanes",
    "model",
    "optimizers",
    "plan",
    "rules",
    "start",
    "steps",
)


@cache
def training_version() -> str:
    """Return the version, and a digest of the modules that decide what a step does.

    The number alone stays the same from one commit to the next.
    """
    digest = hashlib.sha256()
    for name in _DECIDE:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"

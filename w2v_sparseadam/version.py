"""The version of this package, and of the code that determines the result of a run."""

import hashlib
from functools import cache
from pathlib import Path

from . import __version__

_TRAINING_FOLDERS = ("simd", "optimizers", "objectives", "engine", "training", "distributed")
"""The folders whose code determines the bytes of a run, once the text is read."""


@cache
def training_version(*more_folders: str) -> str:
    """Return the version, followed by a digest of the code that trains, and of more folders.

    The version number alone does not change with every commit.
    """
    digest = hashlib.sha256()
    for folder in (*_TRAINING_FOLDERS, *more_folders):
        for path in sorted((Path(__file__).parent / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:8]}"

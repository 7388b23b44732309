"""Where zstd comes from: Python 3.14, or a package of its own."""

from __future__ import annotations

import os
from typing import Any

from ..errors import W2VError


def zstd_module(path: str | os.PathLike[str]) -> Any:
    """Return the module of Python 3.14, or the same as a package of its own.

    Parameters
    ----------
    path : path-like
        The file that needs it.

    Raises
    ------
    W2VError
        If there is neither: says how to get the package.
    """
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError as error:
            raise W2VError(
                f"{path}: zstd needs a package that is missing; pip install 'w2v-sparseadam[zstd]'"
            ) from error
    return zstd

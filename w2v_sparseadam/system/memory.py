"""Check whether there is enough memory."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import W2VError
from .machine import available_memory

# The rest is for everything else on the machine.
_SHARE = 0.8


def usable_memory() -> int:
    """Return the share of the available memory that one may count on."""
    return int(_SHARE * available_memory())


def lacks_memory(n_bytes: int) -> str:
    """Say why this much memory is not available; empty if it is."""
    available = available_memory()
    if n_bytes <= _SHARE * available:
        return ""
    return f"it needs {gigabytes(n_bytes)} of memory, and {gigabytes(available)} are free"


def gigabytes(n_bytes: float) -> str:
    """Return a number of bytes as a person says it: ``1.5 GB``."""
    return f"{n_bytes / 1e9:.1f} GB"


def check_memory(n_bytes: int, remedies: Mapping[str, int]) -> None:
    """Refuse a run whose model and state are more than the memory there is.

    Parameters
    ----------
    n_bytes : int
        What they need.
    remedies : mapping of str to int
        What can be done, and what they would need then.

    Raises
    ------
    W2VError
        If the memory is too small; names every remedy that saves something, with what it saves.
    """
    reason = lacks_memory(n_bytes)
    if reason:
        saved = [
            f"{remedy} saves {gigabytes(n_bytes - less)}"
            for remedy, less in remedies.items()
            if less < n_bytes
        ]
        raise W2VError(
            f"the model does not fit: with its optimizer's state {reason}", ", ".join(saved)
        )

"""The machine and the versions that a benchmark ran with."""

import platform
from datetime import date
from pathlib import Path

import numba
import numpy as np

from .. import __version__


def describe_machine() -> dict[str, str]:
    """Return the processor, the date, and the versions of what a benchmark depends on."""
    return {
        "processor": _processor(),
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "w2v_sparseadam": __version__,
    }


def _processor() -> str:
    """Return the processor's name as the system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

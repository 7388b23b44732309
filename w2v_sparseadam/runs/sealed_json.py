"""JSON files with a checksum of their own, read with suspicion."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import FormatError, W2VError

_CHECKSUM = "checksum"
_MOST_BYTES = 1 << 28


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON file with a checksum of it."""
    return {**content, _CHECKSUM: _digest(to_json(content))}


def sealed_json(content: Mapping[str, Any]) -> str:
    """Return `sealed` content, which is not empty, as JSON, encoded only once: it may be long."""
    text = to_json(content)
    return text.removesuffix("\n}") + f',\n "{_CHECKSUM}": "{_digest(text)}"\n}}'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def unsealed(path: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON file without its checksum, if that is right."""
    plain_content = {name: value for name, value in content.items() if name != _CHECKSUM}
    if sealed(plain_content) != content:
        raise FormatError(f"{path}: is damaged (its checksum does not fit)")
    return plain_content


def is_bounded(value: Any) -> bool:
    """Return whether all whole numbers in what JSON held fit into 64 bits."""
    if isinstance(value, dict):
        return all(map(is_bounded, value.values()))
    if isinstance(value, list):
        return all(map(is_bounded, value))
    return not isinstance(value, int) or abs(value) < 1 << 64


def plain(value: Any) -> Any:
    """Return a value as it comes back from JSON."""
    return json.loads(json.dumps(value, default=_named))  # without indent, which takes time


def to_json(value: Any) -> str:
    """Return a value as JSON; what JSON cannot hold, such as a function, as its name."""
    return json.dumps(value, indent=1, default=_named)


def _named(value: Any) -> str:
    return getattr(value, "__qualname__", str(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read a file that holds a JSON object."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise FormatError(f"{path}: is damaged: it is longer than {_MOST_BYTES:,} bytes")
        content = json.loads(path.read_bytes())
        if not is_bounded(content):
            raise ValueError("it has numbers that no run has")
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path}: is damaged: {error}") from None
    if not isinstance(content, dict):
        raise FormatError(f"{path}: is damaged: expected a JSON object, found {content!r:.40}")
    return content

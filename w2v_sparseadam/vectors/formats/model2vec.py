"""The folder of a static model, as model2vec and sentence-transformers load it.

``model.safetensors`` has the vectors as ``embeddings``, ``tokenizer.json`` a token for each word.
Text is split at white space and punctuation that no word contains, and lower-cased if no word has
upper case. The last row, of zeros, is for words that have no vector.

References
----------
``model2vec/persistence`` and https://huggingface.co/docs/safetensors, "Format".
"""

from __future__ import annotations

import json
import math
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import FormatError, W2VError, counted
from ...system.files import sync
from .base import Block, Content, VectorSource, check_names_a_file
from .npy import as_float32

_VECTORS, _TOKENIZER, _CONFIG, _MODULES = (
    "model.safetensors",
    "tokenizer.json",
    "config.json",
    "modules.json",
)
_NAMES = "embeddings", "embedding.weight"
_TYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8"}
_MOST_HEADER_BYTES = 1 << 20
_BROKEN = ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError
"""What reading hostile JSON may raise."""

_UNKNOWN = "[UNK]"
_MARKS = "$+<=>^`|~"  # which Unicode counts among the symbols


def fits(source: VectorSource) -> bool:
    """Tell whether it is a folder with both files."""
    return all(os.path.isfile(os.path.join(source.path, name)) for name in (_VECTORS, _TOKENIZER))


def read(source: VectorSource) -> Content:
    """Return the words and their vectors, which are mapped into memory; the unknown is left out."""
    folder = Path(source.path)
    words, unknown = _read_tokens(folder / _TOKENIZER)
    matrix = _read_matrix(folder / _VECTORS)
    if len(matrix) != len(words):
        n_tokens, n_vectors = counted(len(words), "token"), counted(len(matrix), "vector")
        raise FormatError(f"{source.name}: has {n_tokens}, but {n_vectors}")
    if unknown in words:
        row = words.index(unknown)
        words.pop(row)
        matrix = matrix[:-1] if row == len(words) else np.delete(matrix, row, axis=0)
    if not words:
        raise FormatError(f"{source.name}: has no words")
    return Content.of(source.name, Block(words, matrix))


def _read_tokens(path: Path) -> tuple[list[str], str | None]:
    """Return the tokens in the order of their ids, and which stands for unknown words."""
    try:
        model = json.loads(path.read_bytes())["model"]
        if model["type"] != "WordLevel":
            raise FormatError(
                f"{path}: has tokens that are parts of words ({model['type']!r:.20}), not words"
            )
        vocab: dict[str, int] = dict(model["vocab"].items())
        words = sorted(vocab, key=vocab.__getitem__)
        if [vocab[word] for word in words] != list(range(len(words))):
            raise ValueError("its tokens are not numbered from 0")
        return words, model.get("unk_token")
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    except _BROKEN as error:
        raise FormatError(f"{path}: is not a tokenizer ({error!r:.80})") from None


def _read_matrix(path: Path) -> NDArray[np.float32]:
    """Return the vectors, mapped into memory if they are float32."""
    try:
        size = path.stat().st_size
        with open(path, "rb") as stream:
            n_header = int.from_bytes(stream.read(8), "little")
            if n_header > min(size - 8, _MOST_HEADER_BYTES):
                raise ValueError(f"its header cannot be {n_header} bytes long")
            header = json.loads(stream.read(n_header))
        if "mapping" in header:
            raise ValueError("its vectors are shared by several tokens")
        entry = next(header[name] for name in _NAMES if name in header)
        dtype, shape, (start, stop) = _TYPES[entry["dtype"]], entry["shape"], entry["data_offsets"]
        n_data = size - 8 - n_header
        n_bytes = np.dtype(dtype).itemsize * math.prod(shape)
        if len(shape) != 2 or not 0 < n_bytes == stop - start or not 0 <= start <= stop <= n_data:
            raise ValueError("its vectors are not where it says")
        mapped = np.memmap(path, dtype, "r", 8 + n_header + start, tuple(shape))
        return as_float32(mapped)
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror or error})") from error
    except StopIteration:
        raise FormatError(f"{path}: has no array {' or '.join(_NAMES)}") from None
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        OverflowError,
    ) as error:
        raise FormatError(f"{path}: cannot be read ({error!r:.80})") from None


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write a new folder."""
    check_names_a_file(path, "model2vec")
    assert content.n_words is not None
    shape = [content.n_words + 1, content.dim]
    entry = {"dtype": "F32", "shape": shape, "data_offsets": [0, 4 * math.prod(shape)]}
    header = json.dumps({"embeddings": entry}).encode()
    header += b" " * (-len(header) % 8)
    words: list[str] = []
    with _new_folder(Path(path)) as folder:
        with open(folder / _VECTORS, "wb") as stream:
            stream.write(len(header).to_bytes(8, "little") + header)
            for block in content.pieces():
                words += block.words
                stream.write(np.ascontiguousarray(block.rows, "<f4").data)
            stream.write(bytes(4 * content.dim))
            stream.flush()
            sync(stream.fileno())
        _write_json(folder / _TOKENIZER, _tokenizer(words))
        _write_json(
            folder / _CONFIG,
            {
                "model_type": "model2vec",
                "architectures": ["StaticModel"],
                "hidden_dim": content.dim,
                "embedding_dtype": "float32",
                "normalize": False,
            },
        )
        module = "sentence_transformers.models.StaticEmbedding"
        _write_json(folder / _MODULES, [{"idx": 0, "name": "0", "path": ".", "type": module}])


def _tokenizer(words: list[str]) -> dict[str, Any]:
    """Return a tokenizer that gives each word its row, and all others the row after the last."""
    vocab = {word: row for row, word in enumerate(words)}
    unknown = _UNKNOWN
    while unknown in vocab:
        unknown = f"[{unknown}]"
    used = set().union(*words)
    separators = "".join(f"\\x{{{ord(char):x}}}" for char in _separators() if char not in used)
    has_upper = any(word != word.lower() for word in words)
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None if has_upper else {"type": "Lowercase"},
        "pre_tokenizer": {
            "type": "Split",
            "pattern": {"Regex": f"[{separators}]+"},
            "behavior": "Removed",
            "invert": False,
        },
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "WordLevel",
            "vocab": {**vocab, unknown: len(words)},
            "unk_token": unknown,
        },
    }


def _separators() -> Iterator[str]:
    """Yield white space and punctuation."""
    for char in map(chr, (*range(0x3100), *range(0xFF00, 0xFF66))):
        if char.isspace() or unicodedata.category(char)[0] in "PZ" or char in _MARKS:
            yield char


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


@contextmanager
def _new_folder(path: Path) -> Iterator[Path]:
    """Make a folder under another name, and give it its own when all is written.

    Raises
    ------
    W2VError
        If there is a file or a folder of this name that is not empty, or it cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise W2VError(f"{path}: exists already; name a new folder, or remove it first")
    temporary = None
    try:
        temporary = Path(tempfile.mkdtemp(".tmp", f".{path.name[:32]}.", path.parent))
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        temporary.rename(path)
    except BaseException as error:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        if isinstance(error, OSError):
            raise W2VError(
                f"{path}: cannot be written ({error.strerror}); write elsewhere"
            ) from error
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask

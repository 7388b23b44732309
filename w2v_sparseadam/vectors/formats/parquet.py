"""A table in the format Parquet, with the columns word, vector and, if it is known, count."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np

from ...errors import FormatError, W2VError, counted
from ...system.files import write_result
from .base import Allocate, Block, Content, VectorSource, rows_at_once

_MAGIC = b"PAR1\x15"


def _package(path: str | os.PathLike[str]) -> Any:
    try:
        import_module("pyarrow.parquet")
        return import_module("pyarrow")
    except ImportError:
        raise W2VError(
            f"{path}: Parquet needs the package pyarrow; pip install 'w2v-sparseadam[parquet]'"
        ) from None


def fits(source: VectorSource) -> bool:
    """Tell whether the first bytes are those of a Parquet file."""
    return source.head.startswith(_MAGIC)


def read(source: VectorSource) -> Content:
    """Read the schema, and the rows when they are asked for."""
    source.check_plain_file("a Parquet file")
    name, arrow = source.name, _package(source.path)
    try:
        file = arrow.parquet.ParquetFile(source.path)
        schema, n_words = file.schema_arrow, file.metadata.num_rows
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise _damaged(name, error) from None
    if not {"word", "vector"} <= set(schema.names):
        raise FormatError(
            f"{name}: expected the columns 'word' and 'vector', found {schema.names!r:.80}"
        )
    kind = schema.field("vector").type
    is_list = any(getattr(arrow.types, f"is_{each}")(kind) for each in _LISTS)
    if not is_list or not arrow.types.is_floating(kind.value_type) or n_words < 1:
        raise FormatError(
            f"{name}: expected rows with lists of floating-point numbers as vector, found "
            f"{counted(n_words, 'row')} of {str(kind)!r:.60}"
        )

    def batches(n_rows: int) -> Iterator[Any]:
        columns = [each for each in ("word", "vector", "count") if each in schema.names]
        try:
            yield from file.iter_batches(n_rows, columns=columns)
        except (arrow.ArrowException, OSError, ValueError) as error:
            raise _damaged(name, error) from None

    first = next((batch for batch in batches(1) if batch.num_rows), None)
    dim = 0 if first is None or first["vector"][0].as_py() is None else len(first["vector"][0])
    if dim == 0:
        raise FormatError(f"{name}: its first row has no vector")

    def blocks(allocate: Allocate) -> Iterator[Block]:
        n_read = 0
        for batch in batches(rows_at_once(dim)):
            n_read += batch.num_rows
            if n_read > n_words:
                break
            if batch.num_rows:
                yield _block(arrow, batch, allocate(batch.num_rows), name)
        if n_read != n_words:
            raise FormatError(
                f"{name}: is damaged: it has other than the {counted(n_words, 'row')} it says"
            )

    return Content(name, n_words, dim, blocks)


_LISTS = ("list", "large_list", "fixed_size_list")


def _damaged(name: str, error: Exception) -> FormatError:
    reason = repr(str(error).partition("\n")[0])
    return FormatError(f"{name}: is not a whole Parquet file ({reason:.80})")


def _block(arrow: Any, batch: Any, rows: np.ndarray, name: str) -> Block:
    """Return what a batch holds."""
    try:
        words = batch["word"].cast(arrow.string()).to_pylist()
        vectors = batch["vector"]
        flat = vectors.flatten()
        lengths = arrow.compute.list_value_length(vectors).to_numpy(zero_copy_only=False)
        counts = batch["count"].cast(arrow.int64()) if "count" in batch.schema.names else None
    except (arrow.ArrowException, UnicodeDecodeError) as error:
        raise _damaged(name, error) from None
    is_whole = None not in words and not flat.null_count and (lengths == rows.shape[1]).all()
    if not is_whole or len(flat) != rows.size:
        raise FormatError(
            f"{name}: expected a word and a vector of {counted(rows.shape[1], 'number')} in each "
            "row, found other rows"
        )
    with np.errstate(over="ignore"):
        rows[:] = flat.to_numpy(zero_copy_only=False).reshape(rows.shape)
    if counts is None or counts.null_count:
        return Block(words, rows)
    numbers = counts.to_numpy().copy()
    if numbers.min() < 0:
        raise FormatError(f"{name}: has a word that occurs {numbers.min()} times")
    return Block(words, rows, numbers)


def write(path: str | os.PathLike[str], content: Content) -> None:
    """Write row groups of a few thousand words."""
    arrow = _package(path)
    columns = [("word", arrow.string()), ("vector", arrow.list_(arrow.float32(), content.dim))]
    with write_result(path) as stream:
        writer = None
        for words, rows, counts in content.pieces():
            flat = arrow.array(np.ascontiguousarray(rows).ravel())
            arrays = [
                arrow.array(words, arrow.string()),
                arrow.FixedSizeListArray.from_arrays(flat, content.dim),
            ]
            if writer is None:
                if counts is not None:
                    columns.append(("count", arrow.int64()))
                writer = arrow.parquet.ParquetWriter(stream, arrow.schema(columns))
            if counts is not None:
                arrays.append(arrow.array(counts, arrow.int64()))
            writer.write_batch(arrow.record_batch(arrays, schema=writer.schema))
        if writer is not None:
            writer.close()

"""From tables to lines of text: one field of each record of JSON Lines, CSV, TSV or Parquet.

Each record becomes a line. A line feed in the field ends a line, too.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from typing import IO, Any

from ...errors import TextError
from .encodings import NOT_STRICT, encoded
from .sources import SourceFile

_BLOCK_BYTES = 1 << 20
_BATCH_ROWS = 256

# A line that never ends, or a quote that is never closed, would read the whole file into memory.
_MAX_CHARACTERS = 1 << 27

Records = Iterator[tuple[int, str]]
"""The field of each record, with the number of the line that ends the record."""


def json_records(text: Iterator[str], name: str, field: str) -> Records:
    """Yield a field of JSON Lines, which have an object on each line that is not blank."""
    for number, line in enumerate(_lines(text, name), 1):
        if not line or line.isspace():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = str(error)
            if isinstance(error, json.JSONDecodeError):
                reason = f"{error.msg}, column {error.colno}"
            elif isinstance(error, RecursionError):
                reason = "nested too deeply"
            raise TextError(
                f"{name}, line {number}: not JSON ({reason}); expected one object on each line"
            ) from error
        if not isinstance(record, dict):
            raise TextError(
                f"{name}, line {number}: expected a JSON object, got {_cut(json.dumps(record))}; "
                "jq -c '.[]' turns an array into lines"
            )
        value = record.get(field)
        if not isinstance(value, str):
            if field not in record:
                raise _no_field(f"{name}, line {number}", field, record)
            raise TextError(
                f"{name}, line {number}: field {field!r} is {_cut(json.dumps(value))}, expected a "
                "string; remove such records"
            )
        yield number, value


def csv_records(text: Iterator[str], name: str, field: str) -> Records:
    """Yield a field of CSV, as defined by RFC 4180; the first row names the columns.

    By the csv module, because other readers do not tell the line of each record.
    """
    csv.field_size_limit(_MAX_CHARACTERS)  # for the whole process; nobody needs the default
    rows = csv.reader((line + "\n" for line in _lines(text, name)), strict=True)
    try:
        yield from _column(((rows.line_num, row) for row in rows), name, field)
    except csv.Error as error:
        reason = str(error)
        if "new-line" in reason:  # its advice is about calls of open()
            reason = "a carriage return without a line feed"
        elif "field limit" in reason:
            reason = f"a field of more than {_MAX_CHARACTERS} characters, maybe an unclosed quote"
        raise TextError(
            f"{name}, line {rows.line_num}: not CSV ({reason})",
            "quote fields as RFC 4180 says, or pass `format=tsv` if tabs separate them",
        ) from error


def tsv_records(text: Iterator[str], name: str, field: str) -> Records:
    """Yield a field of tab-separated values; the first row names the columns, quotes are text."""
    lines = (line.removesuffix("\r") for line in _lines(text, name))
    rows = ((number, line.split("\t")) for number, line in enumerate(lines, 1) if line)
    yield from _column(rows, name, field)


RECORDS: dict[str, Callable[[Iterator[str], str, str], Records]] = {
    "jsonl": json_records,
    "csv": csv_records,
    "tsv": tsv_records,
}
"""Readers of text formats, which take text split anywhere, its name and a field."""


def record_lines(records: Records, file: SourceFile, errors: str) -> Iterator[bytes]:
    """Yield the fields of records as UTF-8, a line feed after each, in blocks of about 1 MiB."""
    return _blocks(encoded(value, file, errors, number) for number, value in records)


def parquet_lines(
    table: IO[bytes],
    field: str,
    name: str,
    errors: str,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[bytes]:
    """Yield a column of strings of a Parquet file as UTF-8, a line feed after each.

    Memory is that of a few rows, not of a row group. The schema is checked by the call itself, the
    values as blocks are requested.

    Parameters
    ----------
    table : file object
        A seekable file.
    field : str
        Name of the column.
    name : str
        Its name in messages.
    errors : {"strict", "replace", "ignore"}
        With "strict", strings that are not UTF-8 are an error; otherwise they are passed on as they
        are.
    on_share : callable, optional
        Called with the share of the rows that has been read, from 0 to 1.

    Raises
    ------
    TextError
        If the package pyarrow is missing or cannot read the file, or if the column is missing, is
        not of strings, or has nulls.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise TextError(
            f"{name}: Parquet needs the package pyarrow; pip install 'w2v-sparseadam[parquet]'"
        ) from error

    try:
        reader = parquet.ParquetFile(table, buffer_size=_BLOCK_BYTES)
        if _repeats_much(reader.metadata, field):
            # Slower, but a long string that a thousand rows share is in memory once.
            reader = parquet.ParquetFile(table, buffer_size=_BLOCK_BYTES, read_dictionary=[field])
        schema = reader.schema_arrow
    except (pyarrow.ArrowException, OSError) as error:
        raise _no_parquet(error, name) from error
    if field not in schema.names:
        raise _no_field(name, field, schema.names)
    kind = schema.types[schema.names.index(field)]
    of = kind.value_type if pyarrow.types.is_dictionary(kind) else kind
    if str(of) not in ("string", "large_string", "string_view"):
        raise TextError(f"{name}: column {field!r} is of type {kind}, expected strings")

    def blocks() -> Iterator[bytes]:
        n_rows = 0
        batches = reader.iter_batches(_BATCH_ROWS, columns=[field])
        while True:
            try:
                batch = next(batches, None)
                if batch is None:
                    on_share(1.0)
                    return
                column = batch.column(0)
                if pyarrow.types.is_dictionary(column.type):
                    distinct = column.dictionary.cast(pyarrow.large_binary()).to_pylist()
                    places = column.indices.to_pylist()
                    values: list[Any] = [
                        place if place is None else distinct[place] for place in places
                    ]
                else:
                    values = column.cast(pyarrow.large_binary()).to_pylist()
            except (pyarrow.ArrowException, OSError) as error:
                raise _no_parquet(error, name) from error
            if None in values:
                raise TextError(
                    f"{name}, row {n_rows + values.index(None) + 1}: {field!r} is null, expected "
                    "a string; remove such rows"
                )
            if errors == "strict":
                _check_utf8(values, n_rows, name)
            n_rows += len(values)
            on_share(n_rows / reader.metadata.num_rows)
            yield from _blocks(values)

    return blocks()


def _repeats_much(metadata: Any, field: str) -> bool:
    """Tell whether rows of a Parquet file may be far larger in memory than on disk."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.path_in_schema != field or not column.has_dictionary_page:
                continue
            # Writers limit a dictionary to about 1 MiB; text is compressed to a tenth at best.
            n_dictionary = column.data_page_offset - column.dictionary_page_offset
            is_dense = column.total_uncompressed_size > 100 * column.total_compressed_size
            if is_dense or n_dictionary > 2 * _BLOCK_BYTES:
                return True
    return False


def _blocks(values: Iterable[bytes]) -> Iterator[bytes]:
    """Yield values, a line feed after each, in blocks of about 1 MiB."""
    parts: list[bytes] = []
    n_bytes = 0
    for value in values:
        parts.append(value)
        n_bytes += len(value)
        if n_bytes >= _BLOCK_BYTES:
            yield b"\n".join([*parts, b""])
            parts, n_bytes = [], 0
    yield b"\n".join([*parts, b""])


def _check_utf8(values: list[bytes], n_rows_before: int, name: str) -> None:
    """Raise the error for the first row that is not UTF-8, if there is one."""
    for number, value in enumerate(values, n_rows_before + 1):
        try:
            value.decode()
        except UnicodeDecodeError as error:
            raise TextError(
                f"{name}, row {number}: not UTF-8 (byte 0x{value[error.start]:02x})",
                NOT_STRICT,
            ) from error


def spooled(
    blocks: Iterator[bytes], name: str, directory: str | os.PathLike[str] | None
) -> IO[bytes]:
    """Copy blocks to a temporary file without a name, for random access."""
    with ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile(dir=directory))
            for block in blocks:
                file.write(block)
            file.seek(0)
        except OSError as error:
            raise TextError(
                f"{directory or tempfile.gettempdir()}: cannot hold a copy of {name}, which needs "
                f"random access: {error.strerror}; set TMPDIR to a directory with room"
            ) from error
        stack.pop_all()
    return file


def _lines(text: Iterator[str], name: str) -> Iterator[str]:
    """Yield the lines of text that is split anywhere, without their line feeds."""
    begun: list[str] = []
    n_characters = n_lines = 0
    for block in text:
        first, *others = block.split("\n")
        begun.append(first)
        n_characters += len(first)
        if n_characters > _MAX_CHARACTERS:
            raise TextError(
                f"{name}, line {n_lines + 1}: is longer than {_MAX_CHARACTERS} characters, too "
                "long for a record"
            )
        if others:
            yield "".join(begun)
            yield from others[:-1]
            begun = [others[-1]]
            n_characters = len(others[-1])
            n_lines += len(others)
    if last := "".join(begun):
        yield last


def _column(rows: Iterator[tuple[int, list[str]]], name: str, field: str) -> Records:
    """Yield one column of the rows after the header; empty rows are skipped."""
    header: list[str] | None = None
    for number, row in rows:
        if not row:
            continue
        if header is None:
            header = row
            if field not in header:
                raise _no_field(f"{name}, line {number}", field, header)
            place = header.index(field)
        elif len(row) != len(header):
            raise TextError(
                f"{name}, line {number}: {len(row)} columns, but the header has {len(header)}"
            )
        else:
            yield number, row[place]


def _no_field(place: str, field: str, there: Iterable[str]) -> TextError:
    """Return the error for a missing field."""
    names = _cut(", ".join(map(repr, there)) or "none")
    return TextError(f"{place}: no field {field!r} (there are {names})", "pass one as `field`")


def _no_parquet(error: Exception, name: str) -> TextError:
    """Return the error for a file that pyarrow cannot read."""
    return TextError(f"{name}: cannot be read as Parquet: {str(error).splitlines()[0]}")


def _cut(text: str) -> str:
    """Return text, cut to the width of a line."""
    return text if len(text) <= 80 else f"{text[:80]}…"

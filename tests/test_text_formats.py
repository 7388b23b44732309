"""Records: one field of JSON Lines, CSV, TSV and Parquet, or an error with its place."""

import bz2
import csv
import gzip
import io
import json
import os
import sys
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text.reading import formats
from w2v_sparseadam.text.reading.reader import check_sources, read_chunks
from w2v_sparseadam.text.settings import TextConfig


def text_of(path, format_, **settings):
    config = TextConfig(format=format_, **settings)
    chunks = read_chunks([path], config, directory=path.parent)
    return b"".join(chunk.data[: chunk.n_bytes].tobytes() for chunk in chunks).decode()


def read(tmp_path, data, format_, **settings):
    path = tmp_path / "records"
    path.write_bytes(data)
    return text_of(path, format_, **settings)


def error_of(tmp_path, data, format_, **settings):
    with pytest.raises(TextError) as caught:
        read(tmp_path, data, format_, **settings)
    return str(caught.value).removeprefix(f"{tmp_path}/records")


def as_json(values):
    return "".join(json.dumps({"id": 1, "text": value}) + "\n" for value in values)


def as_csv(values):
    file = io.StringIO()
    csv.writer(file).writerows([["id", "text"], *([1, value] for value in values)])
    return file.getvalue()


def as_tsv(values):
    return "".join(f"{n}\t{value}\r\n" for n, value in enumerate(["text", *values])).replace(
        "0\t", "id\t", 1
    )


WRITE = {"jsonl": as_json, "csv": as_csv, "tsv": as_tsv}
FORMATS = pytest.mark.parametrize("format_", WRITE)

values = st.lists(st.text(st.sampled_from('ab",\\ é語\u2028\x85\x1c')) | st.text(), max_size=9)


@FORMATS
@given(values, st.sampled_from(["utf-8", "utf-16", "gb18030"]), st.integers(1, 20))
def test_what_was_written_comes_back(tmp_path_factory, format_, values, encoding, n_bytes):
    if format_ == "tsv":  # which cannot hold them
        values = [value.translate(dict.fromkeys(map(ord, "\t\r\n"))) for value in values]
    if format_ == "csv":  # csv.writer does not quote it
        values = [value.replace("\r", "") for value in values]
    path = tmp_path_factory.mktemp("formats") / "records"
    path.write_bytes(WRITE[format_](values).encode(encoding))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(formats, "_BLOCK_BYTES", n_bytes)
        patch.setattr("w2v_sparseadam.text.reading.sources._BLOCK_BYTES", n_bytes)
        found = text_of(path, format_, encoding=encoding)
    assert found == "".join(value + "\n" for value in values)


@FORMATS
def test_files_of_several_blocks(tmp_path, format_):
    values = [str(n) * 40 for n in range(20_000)]
    data = gzip.compress(WRITE[format_](values).encode())
    assert read(tmp_path, data, format_) == "".join(value + "\n" for value in values)


@pytest.mark.parametrize(
    ("format_", "data", "text"),
    [
        ("jsonl", b'{"text": "a\\nb"}\n \n\n{"x": [NaN], "text": ""}\r\n', "a\nb\n\n"),
        ("jsonl", b'\xef\xbb\xbf{"text": "a"}', "a\n"),
        ("jsonl", b"", ""),
        ("csv", b'\xef\xbb\xbftext\r\n\r\na\r\n"b, ""c""\nd"\r\n', 'a\nb, "c"\nd\n'),
        ("csv", b"id,text\n", ""),
        ("csv", b"", ""),
        ("tsv", b'id\ttext\n1\t"a\n\n2\tb', '"a\nb\n'),
        ("tsv", b"\r\n\r\n", ""),
    ],
)
def test_by_hand(tmp_path, format_, data, text):
    assert read(tmp_path, data, format_) == text


def test_another_field(tmp_path):
    assert read(tmp_path, b'{"text": 1, "a b": "x"}', "jsonl", field="a b") == "x\n"
    assert read(tmp_path, b"text,\n1,x\n", "csv", field="") == "x\n"


@pytest.mark.parametrize(
    ("format_", "data", "message"),
    [
        (
            "jsonl",
            b'{"text": "a"}\n\n{"text": "b\n',
            ", line 3: not JSON (Unterminated string starting at, column 10); expected one object "
            "on each line",
        ),
        (
            "jsonl",
            b'{"text":' + b"[" * 100_000,
            ", line 1: not JSON (nested too deeply); expected one object on each line",
        ),
        (
            "jsonl",
            b'[{"text": "a"}]',
            ', line 1: expected a JSON object, got [{"text": "a"}]; jq -c \'.[]\' turns an array '
            "into lines",
        ),
        (
            "jsonl",
            b'{"text": "a"}\n{"id": 1, "body": "a"}',
            ", line 2: no field 'text' (there are 'id', 'body'); pass one as field",
        ),
        (
            "jsonl",
            b"{}",
            ", line 1: no field 'text' (there are none); pass one as field",
        ),
        (
            "jsonl",
            b'{"text": null}',
            ", line 1: field 'text' is null, expected a string; remove such records",
        ),
        (
            "jsonl",
            b'{"text": ["' + b"a" * 99 + b'"]}',
            f", line 1: field 'text' is [\"{'a' * 78}…, expected a string; remove such records",
        ),
        (
            "jsonl",
            b'{"text": "a \\ud83d b"}',
            ", line 1: lone surrogate (\\ud83d), which is not a character; pass errors=replace "
            "or ignore",
        ),
        (
            "jsonl",
            b'{"text": "caf\xe9"}',
            ", byte offset 13: not UTF-8 (byte 0xe9); pass another encoding, or errors=replace "
            "or ignore",
        ),
        (
            "csv",
            b"id,title\n",
            ", line 1: no field 'text' (there are 'id', 'title'); pass one as field",
        ),
        ("csv", b'text\n"a\nb"\n"c",d\n', ", line 4: 2 columns, but the header has 1"),
        (
            "csv",
            b'text\n"a\n',
            ", line 2: not CSV (unexpected end of data); quote fields as RFC 4180 says, or pass "
            "format=tsv if tabs separate them",
        ),
        (
            "csv",
            b"text\ra\r",
            ", line 1: not CSV (a carriage return without a line feed); quote fields as RFC 4180 "
            "says, or pass format=tsv if tabs separate them",
        ),
        ("tsv", b"id\ttext\n1\n", ", line 2: 1 columns, but the header has 2"),
        (
            "tsv",
            b"id,text\n",
            ", line 1: no field 'text' (there are 'id,text'); pass one as field",
        ),
    ],
)
def test_broken_records(tmp_path, format_, data, message):
    assert error_of(tmp_path, data, format_) == message


def test_a_quote_that_is_never_closed_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "_MAX_CHARACTERS", 1000)
    assert error_of(tmp_path, b'text\n"a\n' + b"b\n" * 10_000, "csv").startswith(
        ", line 502: not CSV (a field of more than 1000 characters, maybe an unclosed quote); "
    )
    csv.field_size_limit(1 << 27)


@pytest.mark.parametrize("format_", ["jsonl", "csv", "tsv"])
def test_a_line_without_an_end_does_not_fill_the_memory(tmp_path, monkeypatch, format_):
    monkeypatch.setattr(formats, "_MAX_CHARACTERS", 2_000_000)
    head = b'{"text": "a"}\n' if format_ == "jsonl" else b"text\n"
    assert error_of(tmp_path, head + b"b" * 4_000_000, format_) == (
        ", line 2: is longer than 2000000 characters, too long for a record"
    )


def test_lone_surrogates_can_be_replaced_or_ignored(tmp_path):
    path = tmp_path / "records"
    path.write_bytes(b'{"text": "a \\ud83d b"}')
    for errors, text in (("replace", "a \ufffd b\n"), ("ignore", "a  b\n")):
        config = TextConfig(format="jsonl", errors=errors)
        (chunk,) = read_chunks([path], config)
        assert chunk.data[: chunk.n_bytes].tobytes().decode() == text
        assert chunk.n_bad_bytes == 1


class TestParquet:
    @pytest.fixture(autouse=True)
    def _needs_pyarrow(self):
        pytest.importorskip("pyarrow")

    def table(self, path, rows_in_group=1000, **columns):
        import pyarrow
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(columns), path, row_group_size=rows_in_group)
        return path

    def column(self, values, type_):
        import pyarrow

        return pyarrow.array(values, type_)

    @pytest.mark.parametrize("type_", ["string", "dictionary"])
    def test_a_long_string_that_rows_repeat_is_in_memory_once(self, tmp_path, type_):
        """Of some kilobytes, all rows together would be gigabytes if there were more of them."""
        import pyarrow
        from pyarrow import parquet

        column = pyarrow.DictionaryArray.from_arrays(
            pyarrow.array([0, 1] * 40, pyarrow.int32()), ["b" * (1 << 21), "c"]
        )
        if type_ == "string":  # the same pages, without Arrow's own schema
            schema = pyarrow.schema([("text", column.type)])
            writer = parquet.ParquetWriter(
                tmp_path / "bomb", schema, compression="zstd", store_schema=False
            )
            writer.write_table(pyarrow.table({"text": column}))
            writer.close()
        else:
            parquet.write_table(
                pyarrow.table({"text": column}), tmp_path / "bomb", compression="zstd"
            )
        assert (tmp_path / "bomb").stat().st_size < 10_000
        before = pyarrow.default_memory_pool().max_memory()
        tracemalloc.start()
        text, n_long = bytearray(), 0
        for chunk in read_chunks([str(tmp_path / "bomb")], TextConfig(format="parquet")):
            text += chunk.data[: chunk.n_bytes].tobytes()
            n_long = chunk.n_long_tokens
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert text == b"\nc\n" * 40
        assert n_long == 40
        assert peak < 32 << 20
        assert pyarrow.default_memory_pool().max_memory() < before + (32 << 20)

    @pytest.mark.parametrize("type_", ["string", "large_string", "string_view", "dictionary"])
    def test_columns_of_strings(self, tmp_path, type_):
        import pyarrow

        kind = (
            pyarrow.dictionary(pyarrow.int8(), pyarrow.string())
            if type_ == "dictionary"
            else getattr(pyarrow, type_)()
        )
        values = self.column(["a b", "", "c\nd", "é"] * 500, kind)
        numbers = self.column(range(2000), pyarrow.int64())
        try:
            path = self.table(tmp_path / "records", n=numbers, text=values)
        except pyarrow.ArrowNotImplementedError:
            pytest.skip(f"this pyarrow cannot write {type_}")
        assert text_of(path, "parquet") == "a b\n\nc\nd\né\n" * 500

    def test_progress_is_by_rows(self, tmp_path):
        lines = [f"{'words ' * 400}{n}" for n in range(5000)]
        path = self.table(tmp_path / "records", text=lines)
        chunks = list(read_chunks([path], TextConfig(format="parquet"), chunk_bytes=1 << 20))
        assert len(chunks) > 5
        n_bytes = [chunk.n_bytes_read for chunk in chunks]
        assert n_bytes == sorted(n_bytes)
        assert n_bytes[0] < n_bytes[-1] == path.stat().st_size

    def test_archives_and_streams_are_copied(self, tmp_path):
        path = self.table(tmp_path / "records", text=["a b", "c"])
        packed = tmp_path / "packed"
        packed.write_bytes(bz2.compress(path.read_bytes()))
        before = sorted(os.listdir(tmp_path))
        assert text_of(packed, "parquet") == "a b\nc\n"
        assert sorted(os.listdir(tmp_path)) == before
        if hasattr(os, "mkfifo"):
            import threading

            pipe = tmp_path / "pipe"
            os.mkfifo(pipe)
            writer = threading.Thread(target=pipe.write_bytes, args=(path.read_bytes(),))
            writer.start()
            assert text_of(pipe, "parquet") == "a b\nc\n"
            writer.join()

    def test_no_place_for_a_copy(self, tmp_path):
        path = self.table(tmp_path / "records", text=["a"])
        path.write_bytes(bz2.compress(path.read_bytes()))
        config = TextConfig(format="parquet")
        with pytest.raises(TextError) as caught:
            list(read_chunks([path], config, directory=tmp_path / "gone"))
        assert str(caught.value) == (
            f"{tmp_path}/gone: cannot hold a copy of {path}, which needs random access: No such "
            "file or directory; set TMPDIR to a directory with room"
        )

    def test_what_is_wrong_is_known_before_anything_is_read(self, tmp_path):
        config = TextConfig(format="parquet")
        path = self.table(tmp_path / "records", n=[1], body=["a"])
        with pytest.raises(TextError) as caught:
            check_sources([path], config)
        assert str(caught.value) == (
            f"{path}: no field 'text' (there are 'n', 'body'); pass one as field"
        )
        with pytest.raises(TextError) as caught:
            check_sources([path], TextConfig(format="parquet", field="n"))
        assert str(caught.value) == f"{path}: column 'n' is of type int64, expected strings"
        path.write_bytes(b"words and words")
        with pytest.raises(TextError, match=r"cannot be read as Parquet: Parquet magic bytes not"):
            check_sources([path], config)

    def test_nulls(self, tmp_path):
        path = self.table(tmp_path / "records", text=["a"] * 700 + [None], rows_in_group=300)
        with pytest.raises(TextError) as caught:
            text_of(path, "parquet")
        assert str(caught.value) == (
            f"{path}, row 701: 'text' is null, expected a string; remove such rows"
        )

    def test_strings_that_are_no_utf8(self, tmp_path):
        import pyarrow

        raw = self.column([b"a\nb"] * 300 + [b"caf\xe9"], pyarrow.binary())
        bad = pyarrow.Array.from_buffers(pyarrow.string(), len(raw), raw.buffers())
        path = self.table(tmp_path / "records", text=bad)
        with pytest.raises(TextError) as caught:
            text_of(path, "parquet")
        assert str(caught.value) == (
            f"{path}, row 301: not UTF-8 (byte 0xe9); pass errors=replace or ignore"
        )
        config = TextConfig(format="parquet", errors="replace")
        (chunk,) = read_chunks([path], config)
        assert chunk.data[: chunk.n_bytes].tobytes() == b"a\nb\n" * 300 + b"caf\xe9\n"

    def test_a_corrupt_file(self, tmp_path):
        path = self.table(tmp_path / "records", text=["some words"] * 100)
        data = bytearray(path.read_bytes())
        data[4:24] = bytes([255]) * 20
        path.write_bytes(data)
        with pytest.raises(TextError, match=r"records: cannot be read as Parquet: "):
            text_of(path, "parquet")

    def test_a_file_that_changes_while_it_is_read(self, tmp_path):
        lines = [os.urandom(4000).hex(" ") for _ in range(2000)]
        path = self.table(tmp_path / "records", text=lines)
        chunks = read_chunks([path], TextConfig(format="parquet"))
        next(chunks)
        os.utime(path, (1, 1))
        with pytest.raises(TextError, match=r"records: changed while it was read"):
            list(chunks)


def test_a_missing_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert error_of(tmp_path, b"", "parquet") == (
        ": Parquet needs the package pyarrow; pip install 'w2v-sparseadam[parquet]'"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"format": "json"},
            "format is 'json', but must be one of 'lines', 'jsonl', 'csv', 'tsv', 'parquet'",
        ),
        ({"field": 5, "format": "jsonl"}, "field is 5, but must be a str"),
        (
            {"field": "text"},
            "field is 'text', but format 'lines' has no fields; leave it out, or give a format "
            "that has them, such as format=jsonl",
        ),
        (
            {"format": "parquet", "encoding": "cp1252"},
            "Parquet is always UTF-8, got encoding 'cp1252'",
        ),
        *(
            (
                {"encoding": name},
                f"encoding must be one that Python can decode to text, got {name!r}",
            )
            for name in ("latin-99", "hex", "rot13", "undefined", "a\0b", "")
        ),
    ],
)
def test_settings_are_checked(settings, message):
    with pytest.raises(SettingError) as caught:
        TextConfig(**settings)
    assert str(caught.value) == message


def test_parquet_may_be_said_to_be_utf8():
    assert TextConfig(format="parquet", encoding="UTF8").codec == "utf-8"

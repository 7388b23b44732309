"""Parts of sources: lines that start in a range of bytes of the text."""

import gzip
import json
import os
import pickle
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.reading.finding import find_sources
from w2v_sparseadam.text.reading.parts import Part, text_parts
from w2v_sparseadam.text.reading.reader import read_chunks
from w2v_sparseadam.text.reading.sources import repeated, total_bytes
from w2v_sparseadam.text.settings import TextConfig

BOM = b"\xef\xbb\xbf"
LINES = TextConfig(tokenizer="whitespace")


def in_parts(source, cuts):
    """Return the parts of a source between positions in any order."""
    cuts = [0, *sorted(cuts)]
    return [Part.of(source, *pair) for pair in zip(cuts, [*cuts[1:], None], strict=True)]


def text_of(sources, config=LINES, **more):
    """Return the text of sources, whose last lines get a line feed."""
    return b"".join(
        chunk.data[: chunk.n_bytes].tobytes() for chunk in read_chunks(sources, config, **more)
    )


def write(path, data):
    with open(path, "wb") as file:
        file.write(data)
    return find_sources([path])[0]


lines = st.lists(st.sampled_from([b"", b"a", b"bc d", "é".encode(), b"e" * 40, BOM + b"f"]))
end_of_line = st.sampled_from([b"\n", b"\r\n"])


@given(
    lines=lines,
    end=end_of_line,
    is_ended=st.booleans(),
    mark=st.sampled_from([b"", BOM]),
    stored=st.sampled_from(["plain", "gzip", "latin-1", "utf-16", "jsonl"]),
    cuts=st.lists(st.integers(0, 200), max_size=6),
    chunk_bytes=st.sampled_from([1, 7, 1 << 20]),
)
@settings(max_examples=60, deadline=None)
@example([b"a", BOM + b"f"], b"\n", False, BOM, "plain", [5], 7)
@example([b"a", b"bc"], b"\n", True, b"", "gzip", [1, 2, 2, 3, 5], 1)
# More than eight parameters: each is drawn on its own.
def test_parts_have_each_line_once(lines, end, is_ended, mark, stored, cuts, chunk_bytes):
    text = mark + end.join([*lines, b""] if is_ended else lines)
    config, data = LINES, text
    if stored == "gzip":
        data = gzip.compress(text)
    elif stored == "jsonl":
        records = [json.dumps({"text": line.decode()}) for line in lines]
        config = TextConfig(tokenizer="whitespace", format="jsonl")
        data = "\n".join(records).encode()
    elif stored != "plain":
        config = TextConfig(tokenizer="whitespace", encoding=stored)
        data = text.removeprefix(mark).decode().encode(stored, errors="replace")
    with tempfile.TemporaryDirectory() as folder:
        source = write(os.path.join(folder, "text"), data)
        whole = text_of([source], config)
        assert text_of(in_parts(source, cuts), config, chunk_bytes=chunk_bytes) == whole


@pytest.mark.parametrize("begin", range(12))
def test_a_part_has_the_lines_that_start_in_it(tmp_path, begin):
    """Lines start at bytes 0, 3, 4 and 8."""
    source = write(tmp_path / "t", b"aa\n\nbcd\nee")
    for end in range(begin, 13):
        starts = {0: b"aa\n", 3: b"\n", 4: b"bcd\n", 8: b"ee\n"}
        expected = b"".join(line for at, line in starts.items() if begin <= at < end)
        assert text_of([Part.of(source, begin, end)]) == expected


def test_parts_give_the_word_ids_of_the_whole(tmp_path):
    rng = np.random.default_rng(1)
    text = "\n".join(" ".join(rng.choice(list("abcdefgh"), 9)) for _ in range(3000))
    sources = [
        write(tmp_path / "1", text.encode()),
        write(tmp_path / "2", gzip.compress(b"a b\nc")),
    ]
    with read_corpus(sources) as corpus:
        whole, words = corpus.word_ids.copy(), corpus.vocabulary
    sizes = [len(text), 5]
    ids = []
    for begin in range(0, sum(sizes), 10_000):
        parts = text_parts(sources, sizes, begin, min(begin + 10_000, sum(sizes)))
        with read_corpus(parts, known=words) as corpus:
            ids.append(corpus.word_ids.copy())
    assert len(ids) > 5
    np.testing.assert_array_equal(np.concatenate(ids), whole)


def test_ranges_of_several_texts(tmp_path):
    texts = [b"a\nb\n", b"", b"c\nd", b"e\n"]
    sources = [write(tmp_path / str(n), text) for n, text in enumerate(texts)]
    sizes = [len(text) for text in texts]

    def ranges(begin, end):
        parts = text_parts(sources, sizes, begin, end)
        return [(sources.index(part.source), part.begin, part.end) for part in parts]

    assert ranges(0, 9) == [(0, 0, None), (2, 0, None), (3, 0, None)]
    assert ranges(1, 6) == [(0, 1, None), (2, 0, 2)]
    assert ranges(4, 7) == [(2, 0, None)]
    assert ranges(5, 5) == []
    for step in range(1, 10):
        parts = [text_parts(sources, sizes, at, min(at + step, 9)) for at in range(0, 9, step)]
        assert b"".join(map(text_of, filter(None, parts))) == text_of(sources)


def test_only_the_part_is_read(tmp_path):
    """A part in the middle of a large file is near in time and small in bytes read."""
    path = tmp_path / "large"
    with open(path, "wb") as file:
        file.write(b"text " * 1000)
        file.seek(1 << 40)  # a hole: nothing on the disk
        file.write(b"\nin the middle\n")
        file.truncate(1 << 41)
    [source] = find_sources([path])
    part = Part.of(source, (1 << 40) + 1, (1 << 40) + 2)
    [chunk] = read_chunks([part], LINES)
    assert chunk.data[: chunk.n_bytes].tobytes() == b"in the middle\n"
    assert chunk.offset == (1 << 40) + 1
    assert chunk.n_bytes_read <= 1 << 17


def test_long_lines_belong_to_the_part_where_they_start(tmp_path):
    n = 50 << 20
    source = write(tmp_path / "long", b"a b\n" + b"x " * (n // 2) + b"\nend\n")
    within = Part.of(source, 5, n)
    tracemalloc.start()
    assert text_of([within]) == b""
    n_bytes = sum(chunk.n_bytes for chunk in read_chunks([Part.of(source, 1, 5)], LINES))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_bytes == n + 1
    assert peak < 10 << 20
    assert text_of([Part.of(source, n)]) == b"end\n"


def test_compressed_data_is_read_to_the_end_of_the_part_only(tmp_path):
    good = gzip.compress(b"a\n" * 100_000)
    source = write(tmp_path / "cut.gz", good + gzip.compress(os.urandom(10 << 20)))
    assert text_of([Part.of(source, 10, 20)]) == b"a\n" * 5
    *_, last = read_chunks([Part.of(source, 10, 20)], LINES)
    assert last.n_bytes_read < 6 << 20


def test_a_part_as_a_source(tmp_path):
    source = write(tmp_path / "t", b"a\nb\nc\n")
    parts = in_parts(source, [2, 4])
    assert pickle.loads(pickle.dumps(parts)) == parts
    assert total_bytes(parts) == 6
    assert repeated(parts) == ()
    assert repeated([parts[0], parts[0]]) == (source.name,)
    assert {part.absolute_path for part in parts} == {source.absolute_path}
    assert parts[0].name == source.name
    assert parts[1].name == f"part from byte 2 of {source.name}"
    assert not any(part.is_stream for part in parts)


def test_places_in_messages(tmp_path):
    source = write(tmp_path / "t", b"a\n" * 5 + b"b \xff\n")
    with pytest.raises(TextError) as error:
        read_corpus([Part.of(source, 7)], TextConfig(min_count=1))
    place = f"part from byte 7 of {source.name}, line 2, byte offset 12: "
    assert str(error.value).startswith(place)


def test_a_file_that_changed_is_not_read(tmp_path):
    path = tmp_path / "t"
    source = write(path, b"a\nb\nc\n")
    chunks = read_chunks([Part.of(source, 0, 2)], LINES)
    write(path, b"a\nb\nc\nd\n")
    with pytest.raises(TextError, match=r"changed while it was read \(from 6 bytes to 8\)"):
        next(chunks)

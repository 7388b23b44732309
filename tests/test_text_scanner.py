"""The scanner against a dictionary, and its words of 8 bytes against single bytes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2v_sparseadam.text.reader import Chunk, read_chunks
from w2v_sparseadam.text.scanner import _MIX, TypeScanner, _load8, _scan, _spaces
from w2v_sparseadam.text.vocabulary import LINE_END

SPACES = b" \t\n\r\v\f"
MIX = [int(factor) for factor in _MIX]


def reference_numbers(texts):
    """Type numbers of some files, their types in order, and where each first occurred."""
    number_of, numbers, places = {}, [], []
    for file_number, text in enumerate(texts):
        offset = 0
        lines = text.split(b"\n") if text else []
        for line_number, line in enumerate(lines[:-1] if text.endswith(b"\n") else lines, 1):
            at = 0
            for token in line.split():
                at = line.index(token, at)
                if token not in number_of:
                    number_of[token] = len(number_of)
                    places.append((file_number, line_number, offset + at))
                numbers.append(number_of[token])
                at += len(token)
            numbers.append(LINE_END)
            offset += len(line) + 1
    return numbers, list(number_of), places


def scan(directory, texts, *, chunk_bytes, **sizes):
    paths = []
    for number, text in enumerate(texts):
        path = directory / f"{number}.txt"
        path.write_bytes(text)
        paths.append(str(path))
    scanner = TypeScanner(paths, **sizes)
    blocks = [
        block.copy()
        for chunk in read_chunks(paths, chunk_bytes=chunk_bytes)
        for block in scanner.scan(chunk)
    ]
    return scanner, np.concatenate([np.empty(0, np.int32), *blocks])


def check(directory, texts, **settings):
    scanner, numbers = scan(directory, texts, **settings)
    expected_numbers, types, places = reference_numbers(texts)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == expected_numbers
    assert scanner.n_types == len(types)
    assert scanner.types_as_bytes(0, len(types)) == b"".join(t + b" " for t in types)
    assert np.diff(scanner.starts).tolist() == [len(t) + 1 for t in types]
    assert scanner.counts.tolist() == [expected_numbers.count(k) for k in range(len(types))]
    assert scanner.n_lines == expected_numbers.count(LINE_END)
    for number, (file_number, line, offset) in enumerate(places):
        place = f"{directory}/{file_number}.txt, line {line}, byte offset {offset + 5}"
        assert scanner.place_of(number, 5) == place


def test_by_hand(tmp_path):
    """Types a, bb and c are 0, 1 and 2; every line ends with -1, the empty one too."""
    scanner, numbers = scan(tmp_path, [b"a bb a\r\n\n\tc bb", b"bb"], chunk_bytes=64)
    assert numbers.tolist() == [0, 1, 0, -1, -1, 2, 1, -1, 1, -1]
    assert scanner.types_as_bytes(0, 3) == b"a bb c "
    assert scanner.counts.tolist() == [2, 3, 1]
    assert scanner.n_lines == 4
    assert scanner.place_of(2, 0) == f"{tmp_path}/0.txt, line 3, byte offset 10"


tokens = st.one_of(
    st.binary(min_size=1, max_size=20),
    st.sampled_from([b"a", b"b", b"\0", b"\0\0", b"12345678", b"123456789", b"x" * 40]),
    st.sampled_from([bytes([space]) for space in SPACES]),
)


@settings(deadline=None)
@given(
    st.lists(st.lists(tokens, max_size=30).map(b"".join), min_size=1, max_size=3),
    st.integers(3, 100),
    st.integers(1, 4),
)
def test_matches_a_dictionary_however_cut_and_however_small_the_tables(
    tmp_path_factory, texts, chunk_bytes, size
):
    texts = [text for text in texts if not text.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb"))]
    directory = tmp_path_factory.mktemp("scanner")
    check(
        directory, texts, chunk_bytes=chunk_bytes, _n_types=size, _arena_bytes=size, _n_numbers=size
    )


def test_the_table_grows_many_times(tmp_path):
    text = b"".join(b"%d %d\n" % (k, k // 2) for k in range(600))
    check(tmp_path, [text], chunk_bytes=256, _n_types=1, _arena_bytes=1, _n_numbers=100)


def test_types_that_differ_in_one_byte_or_in_length_are_different(tmp_path):
    """Lengths around 8, the number of bytes that are compared at a time."""
    words = [b"x" * length for length in range(1, 27)]
    words += [b"x" * k + b"y" + b"x" * (25 - k) for k in range(26)]
    words += [b"x" * k + b"\0" for k in range(1, 20)]
    check(tmp_path, [b" ".join(words * 2)], chunk_bytes=1 << 10)


def test_every_byte_is_told_from_white_space():
    """Each byte value in each of the 8 places, beside bytes that could carry into it."""
    for value in range(256):
        for neighbour in (0, 0x7F, 0xFF, 32):
            for place in range(8):
                data = np.full(8, neighbour, np.uint8)
                data[place] = value
                flags = _spaces(np.uint64(_load8(data, np.uint64(0))))
                expected = [0x80 if byte in SPACES else 0 for byte in data.tolist()]
                assert list(int(flags).to_bytes(8, "little")) == expected


def python_hash(token):
    """Return all 64 bits of the hash of a token, of which a slot keeps the upper 32."""
    padded = token + bytes(8 - len(token) % 8)
    hashed = 0
    for k in range(0, len(padded), 8):
        hashed = (hashed ^ int.from_bytes(padded[k : k + 8], "little")) * MIX[0] % 2**64
        hashed ^= hashed >> 32
    return hashed * MIX[1] % 2**64


def first_words_colliding_with(token):
    """Yield the token with other first 8 bytes, chosen to keep 32 bits of its hash."""
    upper = python_hash(token) >> 32 << 32
    tail = int.from_bytes(token[8:], "little")
    for lower in itertools.count():
        hashed = (upper | lower) * pow(MIX[1], -1, 2**64) % 2**64
        for word in (tail, 0):
            hashed ^= hashed >> 32
            hashed = hashed * pow(MIX[0], -1, 2**64) % 2**64 ^ word
        first = hashed.to_bytes(8, "little")
        if len(first.split()) == 1 and first.strip() == first:
            yield first + token[8:]


def tails_colliding_with(token):
    """Yield the token with other last 7 bytes, chosen to keep 32 bits of its hash."""
    upper = python_hash(token) >> 32 << 32
    start = int.from_bytes(token[:8], "little") * MIX[0] % 2**64
    start ^= start >> 32
    for lower in itertools.count():
        hashed = (upper | lower) * pow(MIX[1], -1, 2**64) % 2**64
        hashed ^= hashed >> 32
        tail = (hashed * pow(MIX[0], -1, 2**64) % 2**64 ^ start).to_bytes(8, "little")
        if tail[7] == 0 and len(tail.split()) == 1 and tail.strip() == tail:
            yield token[:8] + tail[:7]


@pytest.mark.parametrize("colliding", [first_words_colliding_with, tails_colliding_with])
def test_types_with_equal_hashes_are_told_apart(tmp_path, colliding):
    token = b"fifteen_letters"
    tokens = [token, *itertools.islice(colliding(token), 3)]
    assert len(set(tokens)) == 4
    assert len({python_hash(token) >> 32 for token in tokens}) == 1
    check(tmp_path, [b" ".join(tokens * 2)], chunk_bytes=64)


def test_the_hash_is_the_one_that_these_tests_invert(tmp_path):
    scanner, _ = scan(tmp_path, [b"abc fifteen_letters 12345678"], chunk_bytes=64, _n_types=8)
    hashes = {int(slot) >> 32 for slot in scanner._table.slots if slot}
    assert hashes == {python_hash(t) >> 32 for t in (b"abc", b"fifteen_letters", b"12345678")}


def test_probes_go_round_the_end_of_the_table(tmp_path):
    words = [b"%x" % (k * k) for k in range(3000)]
    check(tmp_path, [b" ".join(words)], chunk_bytes=1 << 12, _n_types=1)


@pytest.mark.skipif(not hasattr(_scan, "signatures"), reason="interpreted")
def test_one_compiled_signature(tmp_path):
    scan(tmp_path, [b"a b\n", b"c"], chunk_bytes=64)
    scan(tmp_path, [b"a b\n" * 100], chunk_bytes=8, _n_types=1)
    assert len(_scan.signatures) == 1


def test_chunks_may_come_from_anywhere():
    scanner = TypeScanner(["standard input"])
    data = np.frombuffer(b"one two\n" + bytes(8), np.uint8)
    blocks = [block.tolist() for block in scanner.scan(Chunk(data, 8, 0, 0, 8))]
    assert blocks == [[0, 1, -1]]
    assert scanner.place_of(1, 0) == "standard input, line 1, byte offset 4"

"""The scanner against a dictionary, and blocks of 64 bytes against single bytes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import begins_as_text

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.simd.kernels import kernel
from w2v_sparseadam.text.reading.reader import Chunk, read_chunks
from w2v_sparseadam.text.types import scanner, type_table
from w2v_sparseadam.text.types.hash_table import draw_seeds
from w2v_sparseadam.text.types.scanner import LINE_MARK, Piece, _scan, load_words
from w2v_sparseadam.text.types.spaces import BLOCK, lowest_bit, white_space
from w2v_sparseadam.text.types.type_table import TypeTable
from w2v_sparseadam.text.vocabulary import LINE_END

SPACES = b" \t\n\r\v\f"
SEEDS = 0x9E3779B97F4A7C15, 0xC4CEB9FE1A85EC53, 0xFF51AFD7ED558CCD
OTHER_SEEDS = 0x2545F4914F6CDD1D, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@pytest.fixture(autouse=True)
def seeds(monkeypatch):
    """Use known factors of the hash; return a function that sets others."""

    def use(factors):
        for module in (scanner, type_table):
            monkeypatch.setattr(module, "SEEDS", tuple(map(np.uint64, factors)))

    use(SEEDS)
    return use


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


def write(directory, texts):
    paths = [directory / f"{number}.txt" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_bytes(text)
    return [str(path) for path in paths]


def numbers_of(table, piece):
    """Yield the type numbers of a piece."""
    for new_numbers in table.add(piece.scan()):
        is_end = piece.numbers == LINE_MARK
        numbers = np.full(is_end.size, LINE_END, np.int32)
        numbers[~is_end] = new_numbers[piece.numbers[~is_end]]
        yield numbers


def scan(directory, texts, *, chunk_bytes, piece=None, chunks_per_piece=1, **sizes):
    paths = write(directory, texts)
    table, piece = TypeTable(paths, **sizes), piece or Piece()
    blocks = [np.empty(0, np.int32)]
    for number, chunk in enumerate(read_chunks(paths, chunk_bytes=chunk_bytes)):
        if number % chunks_per_piece:
            piece.append(chunk)
            continue
        if number:
            blocks += numbers_of(table, piece)
        piece.load(chunk)
    return table, np.concatenate([*blocks, *numbers_of(table, piece)])


def check(directory, texts, **settings):
    table, numbers = scan(directory, texts, **settings)
    expected_numbers, types, places = reference_numbers(texts)
    assert numbers.dtype == np.int32
    assert numbers.tolist() == expected_numbers
    assert table.n_types == len(types)
    assert table.types_as_bytes(0, len(types)) == b"".join(t + b" " for t in types)
    assert np.diff(table.starts).tolist() == [len(t) + 1 for t in types]
    assert table.counts.tolist() == [expected_numbers.count(k) for k in range(len(types))]
    assert table.numbers.tolist() == list(range(len(types)))
    assert table.n_numbers == len(types)
    assert table.n_lines == expected_numbers.count(LINE_END)
    lines = b"\n".join(texts).split(b"\n")
    assert table.n_longest_line == max(len(line.split()) for line in lines)
    for number, (file_number, line, offset) in enumerate(places):
        place = f"{directory}/{file_number}.txt, line {line}, byte offset {offset + 5}"
        assert table.place_of(number, 5) == place


def test_by_hand(tmp_path):
    """Types a, bb and c are 0, 1 and 2; every line ends with -1, the empty one too."""
    table, numbers = scan(tmp_path, [b"a bb a\r\n\n\tc bb", b"bb"], chunk_bytes=64)
    assert numbers.tolist() == [0, 1, 0, -1, -1, 2, 1, -1, 1, -1]
    assert table.types_as_bytes(0, 3) == b"a bb c "
    assert table.counts.tolist() == [2, 3, 1]
    assert table.n_lines == 4
    assert table.place_of(2, 0) == f"{tmp_path}/0.txt, line 3, byte offset 10"


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
    st.integers(1, 5),
)
def test_matches_a_dictionary_however_cut_and_joined_and_however_small_the_tables(
    tmp_path_factory, texts, chunk_bytes, size, chunks_per_piece
):
    texts = [text for text in texts if begins_as_text(text) and not text.startswith(b"\xef\xbb")]
    directory = tmp_path_factory.mktemp("scanner")
    piece = Piece(_n_types=size, _n_numbers=size + 1)
    sizes = {"_n_types": size, "_arena_bytes": size, "chunks_per_piece": chunks_per_piece}
    check(directory, texts, chunk_bytes=chunk_bytes, piece=piece, **sizes)


def test_the_table_grows_many_times(tmp_path):
    text = b"".join(b"%d %d\n" % (k, k // 2) for k in range(600))
    check(tmp_path, [text], chunk_bytes=256, _n_types=1, _arena_bytes=1)


def test_a_piece_has_more_types_than_its_table_holds(tmp_path):
    words = [b"%d" % k for k in range(LINE_MARK + 100)]
    table, numbers = scan(tmp_path, [b" ".join(words + words)], chunk_bytes=1 << 20)
    assert numbers.tolist() == [*range(len(words)), *range(len(words)), LINE_END]
    assert table.types_as_bytes(0, len(words)) == b" ".join([*words, b""])
    assert set(table.counts.tolist()) == {2}


def test_a_piece_finds_as_many_types_as_its_table_holds():
    words = b"".join(b"%d " % k for k in range(LINE_MARK))
    piece = load_words(Piece(), words + words).scan()
    assert piece.is_done
    assert piece.numbers.tolist() == [*range(LINE_MARK), *range(LINE_MARK)]


def test_types_that_differ_in_one_byte_or_in_length_are_different(tmp_path):
    """Lengths around 8, the number of bytes that are compared at a time."""
    words = [b"x" * length for length in range(1, 27)]
    words += [b"x" * k + b"y" + b"x" * (25 - k) for k in range(26)]
    words += [b"x" * k + b"\0" for k in range(1, 20)]
    check(tmp_path, [b" ".join(words * 2)], chunk_bytes=1 << 10)


@kernel
def _white_space(data):
    return white_space(data, np.uint64(0))


@kernel
def _lowest_bit(word):
    return lowest_bit(word)


def test_every_byte_is_told_from_white_space():
    """Each byte value in each place, beside bytes that could carry into it."""
    for value in range(256):
        for neighbour in (0, 0x7F, 0xFF, 32):
            place = (value + neighbour) % BLOCK
            data = np.full(BLOCK, neighbour, np.uint8)
            data[place] = value
            expected = sum(1 << k for k, byte in enumerate(data.tolist()) if byte in SPACES)
            assert int(_white_space(data)) == expected


def test_the_lowest_bit_of_a_word():
    for place in range(64):
        assert _lowest_bit(np.uint64(1 << place)) == place
        assert _lowest_bit(np.uint64(2**64 - (1 << place))) == place


def folded(word):
    """Return a word with its upper half on its lower one; folding again undoes it."""
    return word ^ word >> 32


def mixed(key, key_2, seeds=SEEDS):
    state = folded(key * seeds[0] % 2**64) + key_2 * seeds[1]
    return folded(state % 2**64) * seeds[2] % 2**64


def unmixed(hashed, key_2):
    """Return the first key that gives a hash together with the second."""
    state = folded(hashed * pow(SEEDS[2], -1, 2**64) % 2**64) - key_2 * SEEDS[1]
    return folded(state % 2**64) * pow(SEEDS[0], -1, 2**64) % 2**64


def keys_of(token):
    """Return the two words that a slot of the table is found by."""
    if len(token) <= 16:
        padded = token.ljust(16)
        return int.from_bytes(padded[:8], "little"), int.from_bytes(padded[8:], "little")
    state = 0
    for k in range(0, len(token) + 1, 8):
        word = int.from_bytes(token[k : k + 8].rjust(8, b"\0"), "little")
        state = mixed(state ^ word, 1)
    return state, len(token) << 8 | 32


def python_hash(token):
    """Return all 64 bits of the hash of a token; a slot keeps the upper 32, 16 in a piece."""
    return mixed(*keys_of(token))


def short_tokens_colliding_with(token):
    """Yield the token with other first 8 bytes, chosen to keep 32 bits of its hash."""
    _, key_2 = keys_of(token)
    upper = python_hash(token) >> 32 << 32
    for lower in itertools.count():
        first = unmixed(upper | lower, key_2).to_bytes(8, "little")
        if len(first.split()) == 1 and first.strip() == first:
            yield first + token[8:]


def long_tokens_colliding_with(token):
    """Yield the token with other first 16 bytes, chosen to keep all of both keys."""
    first, second = (int.from_bytes(token[k : k + 8], "little") for k in (0, 8))
    state = second ^ mixed(first, 1)
    for other in itertools.count(int.from_bytes(b"AAAAAAAA", "little")):
        other_second = state ^ mixed(other, 1)
        start = b"".join(word.to_bytes(8, "little") for word in (other, other_second))
        if len(start.split()) == 1 and start.strip() == start:
            yield start + token[16:]


@pytest.mark.parametrize(
    ("colliding", "token"),
    [
        (short_tokens_colliding_with, b"fifteen_letters"),
        (long_tokens_colliding_with, b"twenty_three_characters"),
        (long_tokens_colliding_with, b"x" * 16 + b"24_chars"),
    ],
)
def test_types_with_equal_hashes_are_told_apart(tmp_path, colliding, token):
    tokens = [token, *itertools.islice(colliding(token), 3)]
    assert len(set(tokens)) == 4
    assert len({python_hash(token) >> 32 for token in tokens}) == 1
    assert len({keys_of(token) for token in tokens}) == (4 if len(token) <= 16 else 1)
    check(tmp_path, [b" ".join(tokens * 2)], chunk_bytes=128)
    check(tmp_path, [b" ".join(tokens * 2)], chunk_bytes=32)  # so that the table is asked, too


def test_the_hash_is_the_one_that_these_tests_invert(tmp_path):
    tokens = [b"abc", b"fifteen_letters", b"12345678", b"sixteen_letters_", b"x" * 17, b"y" * 48]
    table, _ = scan(tmp_path, [b" ".join(tokens)], chunk_bytes=256, _n_types=8)
    hashes = {int(slot) >> 32 for slot in table._table.slots if slot}
    assert hashes == {python_hash(token) >> 32 for token in tokens}


@pytest.mark.parametrize(
    ("colliding", "token"),
    [
        (short_tokens_colliding_with, b"fifteen_letters"),
        (long_tokens_colliding_with, b"twenty_three_characters"),
    ],
)
def test_tokens_that_collide_by_one_seed_do_not_by_another(tmp_path, seeds, colliding, token):
    """Else a small file could keep the scanner busy for hours; the numbers are the same."""
    tokens = list(itertools.islice(colliding(token), 200))
    found = []
    for factors in (SEEDS, OTHER_SEEDS, draw_seeds()):
        seeds(factors)
        table, numbers = scan(tmp_path, [b" ".join(tokens)], chunk_bytes=512)
        slots = table._table.slots
        found.append((len(set((slots[slots != 0] >> np.uint64(32)).tolist())), numbers.tolist()))
    (collided, first), *others = found
    assert collided == 1
    assert all(n_hashes > 195 and numbers == first for n_hashes, numbers in others)


def test_no_two_processes_have_the_same_seeds():
    drawn = [draw_seeds() for _ in range(3)]
    assert len(set(drawn)) == 3
    assert all(factor & np.uint64(1) for factors in drawn for factor in factors)


def test_upper_bits_of_one_key_do_not_undo_those_of_the_other():
    """As they would in a sum of products, whatever the factors."""
    hashes = {
        mixed(x << 56, y << 56, seeds)
        for seeds in (SEEDS, OTHER_SEEDS)
        for x in range(1, 65)
        for y in range(1, 65)
    }
    assert len(hashes) == 2 * 64 * 64


def test_probes_go_round_the_end_of_the_table(tmp_path):
    words = [b"%x" % (k * k) for k in range(3000)]
    piece = Piece(_n_types=1 << 9)
    check(tmp_path, [b" ".join(words)], chunk_bytes=1 << 12, piece=piece, _n_types=1)


def test_types_that_are_pruned_get_new_numbers(tmp_path):
    """Pruned b and d come back as numbers 4 and 5; a and c keep theirs."""
    paths = write(tmp_path, [b"a b\nlongest_of_all_types d", b"a b c\nlongest_of_all_types d"])
    table, piece = TypeTable(paths), Piece()
    chunks = read_chunks(paths, chunk_bytes=64)
    (numbers,) = numbers_of(table, piece.load(next(chunks)))
    assert numbers.tolist() == [0, 1, -1, 2, 3, -1]
    table.prune(np.array([True, False, True, False]))
    assert table.n_types == 2
    assert table.n_numbers == 4
    assert table.types_as_bytes(0, 2) == b"a longest_of_all_types "
    (numbers,) = numbers_of(table, piece.load(next(chunks)))
    assert numbers.tolist() == [0, 4, 5, -1, 2, 6, -1]
    assert table.numbers.tolist() == [0, 2, 4, 5, 6]
    assert table.counts.tolist() == [2, 2, 1, 1, 1]
    assert table.starts.tolist() == [0, 2, 23, 25, 27, 29]
    assert table.n_lines == 4
    assert table.place_of(1, 0) == f"{paths[0]}, line 2, byte offset 4"
    assert table.place_of(4, 0) == f"{paths[1]}, line 2, byte offset 27"


def test_more_types_than_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(type_table, "_MAX_TYPES", 3)
    with pytest.raises(TextError) as caught:
        scan(tmp_path, [b"a b", b"b c d"], chunk_bytes=64)
    assert str(caught.value) == (
        f"{tmp_path}/1.txt: more than 3 distinct runs of bytes between white space; is this text?"
    )


def test_a_piece_lets_go_of_the_room_for_a_long_token(tmp_path, monkeypatch):
    monkeypatch.setattr(scanner, "CHUNK_BYTES", 100)
    piece = Piece()
    for n_bytes, n_room in ((50, 114), (30, 114), (1000, 1064), (900, 1064), (30, 94)):
        data = np.full(n_bytes + 8, 32, np.uint8)
        assert piece.load(Chunk(data, n_bytes, 0, 0, n_bytes)).data.size == n_room


@pytest.mark.skipif(not hasattr(_scan, "signatures"), reason="interpreted")
def test_one_compiled_signature(tmp_path):
    scan(tmp_path, [b"a b\n", b"c"], chunk_bytes=64)
    scan(tmp_path, [b"a b\n" * 100], chunk_bytes=8, piece=Piece(_n_types=1), _n_types=1)
    assert len(_scan.signatures) == 1


def test_chunks_may_come_from_anywhere():
    table = TypeTable(["standard input"])
    data = np.frombuffer(b"one two\n" + bytes(8), np.uint8)
    piece = Piece().load(Chunk(data, 8, 0, 0, 8))
    assert [numbers.tolist() for numbers in numbers_of(table, piece)] == [[0, 1, -1]]
    assert table.place_of(1, 0) == "standard input, line 1, byte offset 4"

"""Archives: recognised by content, read to the end or refused with the place."""

import bz2
import gzip
import lzma
import re
import struct
import sys
import threading
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import TextError, W2VError
from w2v_sparseadam.text.reading import compression
from w2v_sparseadam.text.reading.compression import decompressed, read_ahead
from w2v_sparseadam.text.reading.finding import find_sources
from w2v_sparseadam.text.reading.magic import HEAD_BYTES, compression_of
from w2v_sparseadam.text.reading.sources import SourceFile

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

COMPRESS = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "zstd": zstd.compress,
}
KINDS = pytest.mark.parametrize("kind", COMPRESS)

# Numbers do not compress well: it takes more than one block of input.
NUMBERS = " ".join(str(n * n % 1_000_003) for n in range(120_000)).encode()


def blocks_of(path, kind):
    with SourceFile(find_sources([path])[0]) as file:
        yield from decompressed(file, kind)


def unpacked(tmp_path, data, kind):
    path = tmp_path / "data"
    path.write_bytes(data)
    return b"".join(blocks_of(path, kind))


def error_of(tmp_path, data, kind):
    with pytest.raises(TextError) as caught:
        unpacked(tmp_path, data, kind)
    return str(caught.value).removeprefix(f"{tmp_path}/data")


@pytest.fixture(params=["isal", "zlib"], autouse=True)
def inflate(request, monkeypatch):
    """The module that decompresses gzip: the package of the extra, or Python's."""
    if request.param == "zlib":
        monkeypatch.setitem(sys.modules, "isal", None)
    else:
        pytest.importorskip("isal")
    return request.param


@KINDS
@pytest.mark.parametrize("text", [b"", b"a", NUMBERS])
def test_what_was_compressed_comes_back(tmp_path, kind, text):
    data = COMPRESS[kind](text)
    assert compression_of(data) == kind
    assert unpacked(tmp_path, data, kind) == text


@KINDS
@given(st.data())
def test_members_and_padding_wherever_blocks_are_cut(tmp_path_factory, kind, data):
    members = data.draw(st.lists(st.binary(max_size=50), min_size=1, max_size=5))
    padding = data.draw(st.lists(st.integers(0, 9), min_size=5, max_size=5))
    packed = b"".join(
        COMPRESS[kind](text) + bytes(n) for text, n in zip(members, padding, strict=False)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compression, "HEAD_BYTES", data.draw(st.integers(10, 40)))
        patch.setattr(compression, "_IN_BYTES", data.draw(st.integers(1, 40)))
        patch.setattr(compression, "_OUT_BYTES", data.draw(st.integers(1, 40)))
        assert unpacked(tmp_path_factory.mktemp("x"), packed, kind) == b"".join(members)


@KINDS
def test_every_truncation_is_an_error(tmp_path, kind):
    data = COMPRESS[kind](b"some words and more") + COMPRESS[kind](b"and a second member")
    first = len(COMPRESS[kind](b"some words and more"))
    for n_bytes in range(10, len(data)):
        if n_bytes == first:
            assert unpacked(tmp_path, data[:n_bytes], kind) == b"some words and more"
            continue
        message = error_of(tmp_path, data[:n_bytes], kind)
        truncated = (
            f": truncated {kind} data, which ends at byte {n_bytes}; download or compress it again"
        )
        # Of the second member's magic number, a part may be left.
        garbage = f": {kind} data ends at byte {first}, but other data follows"
        assert message == truncated or (n_bytes < first + 10 and message.startswith(garbage))


@pytest.mark.parametrize("kind", ["bzip2", "xz", "zstd"])  # gzip seldom notices at once
def test_corruption_is_an_error_with_its_place(tmp_path, kind):
    data = bytearray(COMPRESS[kind](NUMBERS))
    assert len(data) > compression._IN_BYTES
    begin = HEAD_BYTES + compression._IN_BYTES
    end = min(len(data), begin + compression._IN_BYTES)
    data[begin + 1000 : begin + 1100] = bytes(100)
    message = error_of(tmp_path, bytes(data), kind)
    assert message.startswith(f": corrupt {kind} data, detected between bytes {begin} and {end} (")
    assert message.endswith("); download or compress it again")


def test_a_block_that_gzip_does_not_know_is_an_error(tmp_path):
    data = bytearray(gzip.compress(NUMBERS))
    data[10] |= 0b110
    assert error_of(tmp_path, bytes(data), "gzip").startswith(
        f": corrupt gzip data, detected between bytes 0 and {HEAD_BYTES} (Error -"
    )


def test_a_wrong_check_sum_is_an_error(tmp_path, inflate):
    data = bytearray(gzip.compress(b"words"))
    data[-8] ^= 1
    reason = {
        "zlib": "Error -3 while decompressing data: incorrect data check",
        "isal": "Error -6 Incorrect checksum found",
    }[inflate]
    assert error_of(tmp_path, bytes(data), "gzip") == (
        f": corrupt gzip data, detected between bytes 0 and {len(data)} ({reason}); download or "
        "compress it again"
    )


@KINDS
@pytest.mark.parametrize("garbage", [b"g", b"\x1f\x8b", b"garbage " * 1000])
def test_what_follows_an_archive_is_an_error(tmp_path, kind, garbage):
    data = COMPRESS[kind](b"words") + bytes(3)
    assert error_of(tmp_path, data + garbage, kind) == (
        f": {kind} data ends at byte {len(data)}, but other data follows (bytes "
        f"{garbage[:4].hex(' ')}); remove it (head -c {len(data)})"
    )


def test_frames_of_zstd_to_be_skipped(tmp_path):
    skipped = b"\x50\x2a\x4d\x18" + struct.pack("<I", 3) + b"abc"
    data = skipped + zstd.compress(b"a ") + skipped + zstd.compress(b"b")
    assert compression_of(data) == "zstd"
    assert unpacked(tmp_path, data, "zstd") == b"a b"


def test_zstd_with_a_long_window(tmp_path):
    options = {zstd.CompressionParameter.window_log: 29}
    data = zstd.compress(b"words", options=options)
    packer = zstd.ZstdCompressor(options=options)  # not knowing the size, it asks for all of it
    assert unpacked(tmp_path, data + packer.compress(b" more") + packer.flush(), "zstd") == (
        b"words more"
    )


@pytest.mark.parametrize("kind", ["xz", "zstd"])
def test_a_window_that_takes_too_much_memory(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(compression, "_MOST_WINDOW", 1 << 22)
    if kind == "xz":
        lzma2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 24}
        data = lzma.compress(b"words", filters=[lzma2])
    else:
        packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
        data = packer.compress(b"words") + packer.flush()
    assert error_of(tmp_path, data, kind) == (
        f": decompressing this {kind} data needs more than 0 GiB of memory; compress it with a "
        "smaller window"
    )


@KINDS
def test_memory_is_bounded_whatever_is_inside(tmp_path, kind):
    path = tmp_path / "bomb"
    path.write_bytes(COMPRESS[kind](bytes(30_000_000)))
    tracemalloc.start()
    try:
        sizes = [len(block) for block in blocks_of(path, kind)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 30_000_000
    assert max(sizes) <= 1 << 20
    assert peak < 12_000_000  # 900 kB a stream for bzip2, 8 MB of dictionary for xz


def test_a_missing_zstd_names_the_extra(tmp_path, monkeypatch):
    path = tmp_path / "words"
    path.write_bytes(zstd.compress(b"words"))
    for name in ("compression", "compression.zstd", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    message = f"{path}: zstd needs a package that is missing; pip install 'w2v-sparseadam[zstd]'"
    with pytest.raises(W2VError, match=f"^{re.escape(message)}$"):
        list(blocks_of(path, "zstd"))


@pytest.mark.parametrize(
    "text", [b"", b"BZh", b"BZh9 is how bzip2 begins", b"P*M", b"\x1f", b"xz", b"(\xb5/"]
)
def test_text_is_not_taken_for_an_archive(text):
    assert compression_of(text) is None


def test_blocks_made_ahead_are_the_same():
    blocks = [bytes([n]) * n for n in range(100)]
    assert list(read_ahead(iter(blocks))) == blocks


def test_an_error_comes_where_it_belongs():
    def make():
        yield b"a"
        raise TextError("broken")

    ahead = read_ahead(make())
    assert next(ahead) == b"a"
    with pytest.raises(TextError, match=r"^broken$"):
        next(ahead)


def test_the_thread_ends_when_nobody_asks_any_more():
    ended = threading.Event()

    def make():
        try:
            while True:
                yield b"a"
        finally:
            ended.set()

    ahead = read_ahead(make())
    assert next(ahead) == b"a"
    ahead.close()
    assert ended.wait(60)

"""The property that scripts/fuzz_text.py searches for exceptions to, on some inputs."""

import runpy
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

SCRIPT = runpy.run_path(str(Path(__file__).resolve().parent.parent / "scripts" / "fuzz_text.py"))
CHOICES = st.binary(min_size=SCRIPT["N_CHOICES"], max_size=SCRIPT["N_CHOICES"])
SPACES = st.sampled_from([b" ", b"\n", b"\r\n", b"\t", "\u2028".encode(), b"\xef\xbb\xbf"])
TOKENS = st.one_of(
    st.sampled_from([b"a", b"b", b"aa", "é".encode(), "é".encode()[:1], b"don't", b"0,1", b"\0"]),
    st.text(max_size=6).map(lambda text: text.encode(errors="replace")),
    st.binary(max_size=20),
)


@given(CHOICES, st.lists(TOKENS | SPACES, max_size=40).map(b"".join))
@example(b"", b"")
@example(b"\x7f\x03\x00\x01\x00\x00\x00\x00", b"a b\n" * 100)
def test_no_exception_is_found(choices, text):
    SCRIPT["check"](choices + text)


def test_an_exception_would_be_found(monkeypatch):
    monkeypatch.setitem(SCRIPT["check"].__globals__, "expected", lambda *_: (["b"], [1], [0, -1]))
    with pytest.raises(AssertionError):
        SCRIPT["check"](bytes(SCRIPT["N_CHOICES"]) + b"a")

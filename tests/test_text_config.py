"""How text is prepared for the tokenizer."""

import sys
import unicodedata
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.mark.parametrize(
    ("settings", "text", "prepared"),
    [
        ({"tokenizer": "word"}, "CAFE\u0301 ﬁ", "caf\u00e9 ﬁ"),
        ({"tokenizer": "word", "normalize": "none"}, "CAFE\u0301", "cafe\u0301"),
        ({"tokenizer": "word", "lowercase": False}, "CAFE\u0301", "CAF\u00c9"),
        ({"tokenizer": "whitespace"}, "CAFE\u0301", "CAFE\u0301"),
        ({"tokenizer": "char"}, "CAFE\u0301", "CAFE\u0301"),
        ({"tokenizer": str.split}, "CAFE\u0301", "CAFE\u0301"),
        ({"tokenizer": "whitespace", "normalize": "nfc"}, "CAFE\u0301", "CAF\u00c9"),
        ({"tokenizer": "word", "normalize": "nfkc"}, "ﬁ ｗ² ℌ ㍍", "fi w2 h メートル"),
        ({"tokenizer": "word"}, "J\u030c", "\u01f0"),
        ({"tokenizer": "word"}, "ΟΔΟΣ\nΣ", "οδος\nσ"),
    ],
)
def test_prepare(settings, text, prepared):
    assert TextConfig(**settings).prepare(text) == prepared


@pytest.mark.parametrize(
    ("normalize", "lowercase"), [*product(["nfc", "nfkc", "none"], [True, False])]
)
def test_no_character_makes_or_loses_a_line_end(normalize, lowercase):
    prepare = TextConfig(normalize=normalize, lowercase=lowercase).prepare
    text = "\n".join(
        chr(code_point) for code_point in range(sys.maxunicode + 1) if code_point != ord("\n")
    )
    assert prepare(text).count("\n") == sys.maxunicode - 1


@pytest.mark.parametrize("normalize", ["nfc", "nfkc"])
@given(texts=st.lists(st.text(st.characters(exclude_characters="\n")), min_size=1))
def test_texts_can_be_prepared_together(normalize, texts):
    """What stands before or behind a line end has no influence, and the normal form is reached."""
    prepare = TextConfig(normalize=normalize).prepare
    prepared = prepare("\n".join(texts))
    assert prepared == "\n".join(map(prepare, texts))
    assert unicodedata.is_normalized(normalize.upper(), prepared)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, [COMPOSED, "ﬁn"]),
        ({"normalize": "nfkc"}, [COMPOSED, "fin"]),
        ({"normalize": "none"}, [DECOMPOSED, COMPOSED, "ﬁn"]),
        ({"tokenizer": "whitespace"}, [DECOMPOSED, COMPOSED, "ﬁn"]),
        ({"tokenizer": "whitespace", "normalize": "nfc"}, [COMPOSED, "ﬁn"]),
    ],
)
def test_normal_forms_reach_the_vocabulary(tmp_path, settings, words):
    path = tmp_path / "text.txt"
    path.write_text(f"{COMPOSED} {DECOMPOSED} ﬁn\n{DECOMPOSED}", encoding="utf-8")
    with read_corpus([path], TextConfig(min_count=1, **settings)) as corpus:
        assert corpus.vocabulary.words == words
        assert corpus.report.n_tokens == 4


def test_spaces_that_a_normal_form_makes(tmp_path):
    """A spacing accent is a space and a mark: the types around it must not move."""
    path = tmp_path / "text.txt"
    path.write_text("a ¨b c\xa0d e", encoding="utf-8")
    with read_corpus([path], TextConfig("whitespace", normalize="nfkc", min_count=1)) as corpus:
        words = [corpus.vocabulary.words[word_id] for word_id in corpus.word_ids[:-1]]
    assert words == ["a", "\u0308b", "c", "d", "e"]

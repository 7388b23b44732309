"""What counts as a word."""

import sys
import unicodedata

import pytest

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text.tokenizers import checked, whitespace, word


def test_every_character_is_classed_by_its_unicode_category():
    """Letters and digits start words; marks continue them; all else but the joiners ends them."""
    starting, marks, others, letters = [], [], [], []
    for code_point in range(sys.maxunicode + 1):
        category = unicodedata.category(chr(code_point))
        if category[0] == "L" or category == "Nd":
            starting.append(chr(code_point))
        elif category[0] == "M":
            marks.append(chr(code_point))
        elif chr(code_point) not in "'’_\u00ad\u200c\u200d":
            others.append(chr(code_point))
        if chr(code_point).isalpha():
            letters.append(chr(code_point))
    # Compared by len and all, because pytest takes minutes to show how such long lists differ.
    assert len(word(" ".join(starting))) == len(starting)
    assert len(word("a" + "".join(marks) + "b")) == 1
    assert len(word("".join(marks))) == 0
    assert len(word("".join(others))) == 0
    assert len(word("a".join(others))) == len(others) - 1
    assert all(unicodedata.category(letter)[0] == "L" for letter in letters)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plain", ["plain"]),
        ("(quoted),", ["quoted"]),
        ("don't", ["don't"]),
        ("don’t", ["don't"]),
        ("l’eau", ["l'eau"]),
        ("'tis", ["tis"]),
        ("dogs'", ["dogs"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("a''b", ["a", "b"]),
        ("well-known", ["well", "known"]),
        ("well\u2010known", ["well", "known"]),
        ("new_york", ["new_york"]),
        ("_emphasis_", ["emphasis"]),
        ("3.14", ["3", "14"]),
        ("x²", ["x"]),
        ("a\0b", ["a", "b"]),
        ("Größe,", ["Größe"]),
        ("Donau\u00addampf", ["Donaudampf"]),
        ("我爱北京。你呢", ["我爱北京", "你呢"]),
        ("السَّلام،", ["السَّلام"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("हिन्दी।", ["हिन्दी"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("葛\U000e0100飾", ["葛\U000e0100飾"]),
        ("😀", []),
        ("❤️", []),
        ("👩\u200d👧", []),
        ("so😀so", ["so", "so"]),
        ("\u0301", []),
        ("", []),
    ],
)
def test_word(text, words):
    assert word(text) == words


def test_whitespace_takes_text_as_it_is():
    assert whitespace("«Don't»\0") == ["«Don't»\0"]


def test_checked_returns_what_the_tokenizer_returns():
    assert checked(str.split)("a b") == ["a", "b"]
    assert checked(lambda text: (c for c in text))("ab") == ["a", "b"]
    assert checked(tuple)("ab") == ["a", "b"]


def returns_a_string(text):
    return text


def returns_numbers(text):
    return [len(text)]


def returns_nothing(text):
    return None


def fails(text):
    raise KeyError("model")


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [
        (
            returns_a_string,
            "tokenizer returns_a_string returned 'ab' for 'ab'; return a list of strings",
        ),
        (
            returns_numbers,
            "tokenizer returns_numbers returned [2] for 'ab'; return a list of strings",
        ),
        (
            returns_nothing,
            "tokenizer returns_nothing returned None for 'ab'; return a list of strings",
        ),
        (fails, "tokenizer fails failed on 'ab': KeyError: 'model'"),
    ],
)
def test_checked_names_tokenizer_text_and_result(tokenizer, message):
    with pytest.raises(TextError) as caught:
        checked(tokenizer)("ab")
    assert str(caught.value) == message


def test_checked_keeps_the_original_error_and_cuts_long_text():
    with pytest.raises(TextError) as caught:
        checked(fails)("x" * 1000)
    assert isinstance(caught.value.__cause__, KeyError)
    assert len(str(caught.value)) < 150

"""What counts as a word."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2v_sparseadam.errors import SettingError, TextError
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.text.tokenizers import (
    char,
    checked,
    named_tokenizer,
    whitespace,
    word,
    writable,
)
from w2v_sparseadam.text.types.type_words import _SPACES_IN_LINES

EVERY_CHARACTER = [chr(code_point) for code_point in range(sys.maxunicode + 1)]


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


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("«Don't»\0", ["«Don't»\0"]),
        ("no\xa0break", ["no", "break"]),
        ("\u3000全角\u3000空白", ["全角", "空白"]),
        ("line\u2028paragraph\u2029next\x85", ["line", "paragraph", "next"]),
        ("unit\x1fseparator", ["unit", "separator"]),
        ("zero\u200bwidth\ufeff", ["zero\u200bwidth\ufeff"]),
        ("", []),
    ],
)
def test_whitespace(text, words):
    assert whitespace(text) == words


def test_whitespace_finds_the_words_that_gensim_finds(tmp_path):
    sentences = pytest.importorskip("gensim.models.word2vec").LineSentence
    path = tmp_path / "text.txt"
    characters = [char for char in EVERY_CHARACTER if char.isspace() or char in "\0\u200b\ufeff"]
    path.write_bytes("".join(f"a{char}b " for char in characters).encode())
    with read_corpus([path], TextConfig("whitespace", min_count=1)) as corpus:
        words = [*corpus.vocabulary.words, "\n"]
        ours = [words[word_id] for word_id in corpus.word_ids]
    assert ours == [word for line in sentences(str(path)) for word in [*line, "\n"]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ab c\x1f", ["a", "b", "c"]),
        ("我爱\u3000北京。", ["我", "爱", "北", "京", "。"]),
        ("e\u0301te\u0301", ["e\u0301", "t", "e\u0301"]),
        ("हिन्दी", ["हि", "न्", "दी"]),
        ("❤️\u200b👩\u200d👧", ["❤️", "\u200b", "👩\u200d", "👧"]),
        ("\u0301a\n\u0301", ["\u0301", "a", "\n\u0301"]),
        ("", []),
    ],
)
def test_char(text, words):
    assert char(text) == words


@given(st.text())
def test_char_loses_only_white_space(text):
    assert "".join(char(text)).split() == "".join(text.split()).split()
    assert all(unicodedata.category(found[0])[0] != "M" for found in char("a" + text))


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("word", "well-known", ["well", "known"]),
        ("whitespace", "well-known", ["well-known"]),
        ("char", "ab", ["a", "b"]),
        (r"regex:[\w-]+", "(well-known),so", ["well-known", "so"]),
        (r"regex:(\w)+", "well-known", ["well", "known"]),
        (r"regex:(a|b):(\w)", "a:c,b:d", ["a:c", "b:d"]),
        ("regex:(?i)A*", "aXA", ["a", "", "A", ""]),
        ("regex:regex:.", "regex:1", ["regex:1"]),
        ("python:re:escape", "a.b", r"a\.b"),
        ("python:os:path.splitext", "a.b", ("a", ".b")),
        ("python-lines:re:escape", "a.b", r"a\.b"),
    ],
)
def test_named_tokenizers(name, text, words):
    assert named_tokenizer(name)(text) == words


KNOWN = (
    "tokenizer must be 'word', 'whitespace', 'char', 'regex:PATTERN', 'python:MODULE:FUNCTION', "
    "'python-lines:MODULE:FUNCTION' or a callable, got "
)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("words", f"{KNOWN}'words'"),
        ("", f"{KNOWN}''"),
        (None, f"{KNOWN}None"),
        (["word"], f"{KNOWN}['word']"),
        ("regex:", f"{KNOWN}'regex:'"),
        ("python:json", f"{KNOWN}'python:json'"),
        ("python::loads", f"{KNOWN}'python::loads'"),
        ("ruby:json:loads", f"{KNOWN}'ruby:json:loads'"),
        (
            "regex:[a-",
            "tokenizer 'regex:[a-' is not a regular expression: unterminated character set at "
            "position 0",
        ),
        (
            "regex:a{99999999999999999999}",
            "tokenizer 'regex:a{99999999999999999999}' is not a regular expression: the "
            "repetition number is too large",
        ),
        (
            "python:nowhere:f",
            "tokenizer 'python:nowhere:f': cannot import 'nowhere': ModuleNotFoundError: No "
            "module named 'nowhere'; install it, or run in its folder",
        ),
        (
            "python:.local:f",
            "tokenizer 'python:.local:f': cannot import '.local': TypeError: the 'package' "
            "argument is required to perform a relative import for '.local'",
        ),
        (
            "python:broken_module:f",
            "tokenizer 'python:broken_module:f': cannot import 'broken_module': ValueError: two "
            "lines",
        ),
        (
            "python:leaving_module:f",
            "tokenizer 'python:leaving_module:f': cannot import 'leaving_module': SystemExit: 3",
        ),
        (
            "python-lines:good_module:g",
            "tokenizer 'python-lines:good_module:g': module 'good_module' ({folder}/good_module.py)"
            " has no 'g'",
        ),
        ("python:sys:g", "tokenizer 'python:sys:g': module 'sys' (built in) has no 'g'"),
        (
            "python:good_module:NAMES",
            "tokenizer 'python:good_module:NAMES': 'NAMES' is not a function but ['f']",
        ),
    ],
)
def test_names_without_a_tokenizer(own_modules, name, message):
    with pytest.raises(SettingError) as caught:
        _ = TextConfig(name).tokenize
    assert str(caught.value) == message.replace("{folder}", str(own_modules))


def test_settings_import_nothing(own_modules):
    """They may come from a stranger's run."""
    path = list(sys.path)
    TextConfig("python:good_module:f")
    TextConfig("python-lines:leaving_module:f")
    assert sys.path == path
    assert not {"good_module", "leaving_module"} & set(sys.modules)


@pytest.fixture
def own_modules(tmp_path, monkeypatch):
    """Work in a folder with some modules, as the console script does: it is not importable yet."""
    (tmp_path / "good_module.py").write_text(
        "NAMES = ['f']\n\n\ndef f(text):\n    return text.split('-')\n"
    )
    (tmp_path / "broken_module.py").write_text("raise ValueError('two\\nlines')\n")
    (tmp_path / "leaving_module.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "textwrap.py").write_text("raise ImportError('hides the real one')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in ("good_module", "broken_module", "leaving_module", "textwrap"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path


@pytest.mark.parametrize("kind", ["python", "python-lines"])
def test_a_function_of_a_module_in_the_current_directory(own_modules, kind):
    (own_modules / "text.txt").write_text("a-b c-b\n")
    config = TextConfig(f"{kind}:good_module:f", min_count=1)
    with read_corpus(["text.txt"], config) as corpus:
        expected = ["b", "a", "c"] if kind == "python" else ["a", "b", "b_c"]
        assert corpus.vocabulary.words == expected


def test_a_module_in_the_current_directory_hides_no_other(own_modules):
    assert named_tokenizer("python:textwrap:wrap")("a b") == ["a b"]
    named_tokenizer("python:good_module:f")
    assert str(own_modules) not in sys.path


def test_an_installed_module_finds_nothing_in_the_current_directory(tmp_path, monkeypatch):
    """Which may hold a stranger's files."""
    site, here = tmp_path / "site", tmp_path / "here"
    for folder in (site, here):
        folder.mkdir()
    (site / "installed_module.py").write_text(
        "try:\n    import strangers_module\nexcept ImportError:\n    f = str.split\n"
    )
    (here / "strangers_module.py").write_text("raise SystemExit")
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.chdir(here)
    assert named_tokenizer("python:installed_module:f") is str.split


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("a b\r", "a_b_"),
        ("\ud800", "_"),
        ("\u3000", ""),
        (" \n", ""),
        ("", ""),
        ("a\u3000b", "a\u3000b"),
    ],
)
def test_writable(word, written):
    assert writable(word) == written


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


def test_what_white_space_is_inside_a_line():
    """What tells that types need no splitting is all that `str.split` splits at."""
    spaces = {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()}
    assert set(_SPACES_IN_LINES) == spaces - {"\n"}

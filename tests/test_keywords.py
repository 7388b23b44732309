"""Settings as keywords of `train`: names, defaults, checks and what is said of unknown ones."""

import inspect
import json
import typing
from fractions import Fraction

import numpy as np
import pytest

import w2v_sparseadam
from w2v_sparseadam.errors import SettingError, W2VError, WrongTypeError
from w2v_sparseadam.fields import Setting
from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.text.settings import PhraseConfig, TextConfig
from w2v_sparseadam.training.keywords import KEYWORDS, OTHER_NAMES, Keywords, settings_from
from w2v_sparseadam.training.settings import RunConfig, Settings


def test_type_checkers_see_every_setting():
    hints = typing.get_type_hints(Keywords)
    assert list(hints) == list(KEYWORDS)
    for name, hint in hints.items():
        known = KEYWORDS[name].setting
        kinds = [hint, *typing.get_args(hint)]
        assert (type(None) in kinds) == known.optional
        literals = [kind for kind in kinds if typing.get_origin(kind) is typing.Literal]
        if known.choices and known.kind is not bool:
            assert typing.get_args(literals[0]) == known.choices
        else:
            assert not literals


def test_help_of_train_shows_every_setting_and_its_default():
    parameters = inspect.signature(w2v_sparseadam.train).parameters
    for name, keyword in KEYWORDS.items():
        assert parameters[name].default == keyword.default
        assert f"\n{name} : " in w2v_sparseadam.train.__doc__
        assert keyword.setting.help.split(";")[0][:30] in w2v_sparseadam.train.__doc__
    assert next(iter(parameters)) == "corpus"
    assert "settings" not in parameters
    assert "**settings" not in w2v_sparseadam.train.__doc__
    assert "in this many passes. A whole number, 0 or more." in w2v_sparseadam.train.__doc__


def test_no_settings_are_the_defaults():
    assert settings_from({}) == Settings()
    assert (
        settings_from(
            {
                name: keyword.default
                for name, keyword in KEYWORDS.items()
                if name
                in {
                    *(
                        "dim",
                        "window",
                        "optimizer",
                        "lr",
                        "epochs",
                        "tokenizer",
                        "min_count",
                        "phrases",
                    )
                }
            }
        )
        == Settings()
    )


def test_each_setting_reaches_its_class():
    found = settings_from(
        {"min_count": 2, "phrases": 2, "phrase_score": "npmi", "phrase_threshold": 0.25, "dim": 7}
        | {"optimizer": "sgd", "lr": 0.5, "epochs": 3}
    )
    assert found == Settings(
        TextConfig(min_count=2, phrases=PhraseConfig(2, "npmi", 0.25)),
        SkipGramConfig(dim=7),
        OptimizerConfig("sgd", lr=0.5),
        RunConfig(epochs=3),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"vector_size": 50}, "there is no setting 'vector_size'; use dim"),
        ({"workers": 2}, "there is no setting 'workers'; use threads"),
        ({"sg": 1}, "there is no setting 'sg'; use model"),
        ({"hs": 1}, "there is no setting 'hs'; there is negative sampling only"),
        ({"sample": 1e-3}, "there is no setting 'sample'; use subsample"),
        ({"alpha": 0.1}, "there is no setting 'alpha'; use lr"),
        ({"ns_exponent": 1}, "there is no setting 'ns_exponent'; use noise_exponent"),
        ({"min_cuont": 1}, "there is no setting 'min_cuont'; did you mean min_count?"),
        ({"qqq": 1}, "there is no setting 'qqq'; help(w2v_sparseadam.train) lists all settings"),
        ({"phrase_score": "npmi"}, "phrase_score has no effect without phrases; add phrases=1"),
        ({"phrases": 1, "phrase_score": "x"}, "phrase_score is 'x', but must be one of"),
        ({"phrases": -1}, "phrases is -1, but must be a whole number"),
        ({"phrases": "two"}, "phrases is 'two', but must be a whole number"),
        ({"phrases": np.array([1, 2])}, "phrases is array([1, 2]), but must be a whole number"),
        ({"lr": 10**400}, "lr is 1000"),
        ({"phrases": 1, "phrase_threshold": 10**400}, "phrase_threshold is 1000"),
        ({"optimizer": "sgd", "beta1": 0.5}, "beta1 has no effect with optimizer 'sgd'; leave"),
        ({"dim": True}, "dim is True, but must be a whole number from 1 to 4,096"),
    ],
)
def test_what_cannot_be_is_one_clear_line(tmp_path, settings, message):
    with pytest.raises(W2VError) as caught:
        w2v_sparseadam.train(tmp_path / "missing.txt", **settings)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


# Of gensim 4.4's Word2Vec, in its order.
GENSIMS = [
    "sentences",
    "corpus_file",
    "vector_size",
    "alpha",
    "window",
    "min_count",
    "max_vocab_size",
    "sample",
    "seed",
    "workers",
    "min_alpha",
    "sg",
    "hs",
    "negative",
    "ns_exponent",
    "cbow_mean",
    "hashfxn",
    "epochs",
    "null_word",
    "trim_rule",
    "sorted_vocab",
    "batch_words",
    "compute_loss",
    "callbacks",
    "comment",
    "max_final_vocab",
    "shrink_windows",
]


@pytest.mark.parametrize("name", GENSIMS)
def test_every_name_of_gensims_is_known_or_answered(name):
    if name not in KEYWORDS:
        with pytest.raises(WrongTypeError, match=f"^there is no setting '{name}'; ") as caught:
            settings_from({name: 1})
        assert "lists all settings" not in str(caught.value)


def test_a_corpus_by_gensims_name_or_none_is_answered():
    with pytest.raises(WrongTypeError, match="the corpus is the first argument, without a name"):
        w2v_sparseadam.train(sentences=[["a", "b"]], vector_size=5)
    with pytest.raises(SettingError, match="no corpus paths given; pass at least one"):
        w2v_sparseadam.train()
    corpus = inspect.signature(w2v_sparseadam.train).parameters["corpus"]
    assert corpus.default is inspect.Parameter.empty


def test_an_unknown_setting_is_a_type_error_as_of_any_function():
    with pytest.raises(TypeError):
        w2v_sparseadam.train("missing.txt", size=5)
    with pytest.raises(WrongTypeError):
        settings_from({"": 1})


def test_other_names_lead_to_settings_and_are_none_themselves():
    assert {name for name in OTHER_NAMES.values() if name} <= set(KEYWORDS)
    assert not set(OTHER_NAMES) & set(KEYWORDS)


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        (Setting(int, "", low=1), "a whole number, 1 or more"),
        (Setting(int, "", low=1, high=2000), "a whole number from 1 to 2,000"),
        (Setting(float, "", above=0), "a number, above 0"),
        (Setting(float, "", low=0, below=1), "a number, at least 0 and below 1"),
        (Setting(float, ""), "a number"),
        (Setting(str, ""), "a str"),
        (Setting(str, "", choices=("a", "b")), "one of 'a', 'b'"),
    ],
)
def test_what_a_setting_expects(known, expected):
    assert known.expected == expected


@pytest.mark.parametrize("value", [float("inf"), float("nan"), 10**400, "1", None, True, 1j])
def test_what_no_number_setting_takes(value):
    assert not Setting(float, "", low=0, high=1e38).fits(value)


def test_settings_with_an_option_only_for_themselves():
    with pytest.raises(SettingError, match="has no effect"):
        settings_from({"phrases": 0, "phrase_min_count": 3})


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("dim", np.int64(50), 50),
        ("seed", np.uint64(2**64 - 1), 2**64 - 1),
        ("lr", np.float32(0.5), 0.5),
        ("lr", Fraction(1, 50), 0.02),
        ("dynamic_window", np.False_, False),
        ("lowercase", 1, True),
    ],
)
def test_numbers_of_other_kinds_become_those_that_json_holds(name, given, kept):
    parts = vars(settings_from({name: given})).values()
    (value,) = (vars(part)[name] for part in parts if part and name in vars(part))
    assert (value, type(value)) == (kept, type(kept))
    assert json.loads(json.dumps(value)) == kept

"""The settings of reading, for the client and for its workers."""

from __future__ import annotations

from dataclasses import replace

from ..errors import SettingError
from ..text.filters import with_lists_read
from ..text.first_pass import default_max_types
from ..text.settings import TextConfig


def config_for_client(config: TextConfig) -> TextConfig:
    """Return settings that mean the same on any machine.

    Word lists are read, and ``max_types`` is resolved by the memory of this machine: what is
    pruned must not depend on which worker reads a part.

    Raises
    ------
    SettingError
        If phrases are to be joined.
    TextError
        As `WordFilter`.
    """
    _refuse_phrases(config)
    return replace(with_lists_read(config), max_types=config.max_types or default_max_types())


def config_for_workers(config: TextConfig) -> TextConfig:
    """Return what workers need of `config_for_client`.

    Word lists, which may be long, stay with the client: it filters the words that were counted, and
    all words of a vocabulary have passed the filters. Replaced digits change words, so workers
    replace them, too.

    Raises
    ------
    SettingError
        If phrases are to be joined.
    """
    _refuse_phrases(config)
    digits = "zero" if config.digits == "zero" else "keep"
    return replace(config, stopwords=None, vocab=None, digits=digits)


def _refuse_phrases(config: TextConfig) -> None:
    # Which pairs are phrases depends on the counts of the whole text.
    if config.phrases is not None:
        raise SettingError(
            "phrases cannot be joined on several machines",
            "leave out `phrases`, or train on one machine",
        )

"""Trains with settings that tests have put together by their classes."""

from w2v_sparseadam.objectives.skip_gram.settings import SkipGramConfig
from w2v_sparseadam.optimizers.settings import OptimizerConfig
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training import dry_run
from w2v_sparseadam.training.settings import RunConfig, Settings
from w2v_sparseadam.training.train import train_by_settings


def settings(text=None, skip_gram=None, optimizer=None, run=None):
    """Return the settings of a run; None is the defaults."""
    return Settings(
        text or TextConfig(),
        skip_gram or SkipGramConfig(),
        optimizer or OptimizerConfig(),
        run or RunConfig(),
    )


def train(corpus, *, text=None, skip_gram=None, optimizer=None, run=None, **arguments):
    """Train by those settings."""
    return train_by_settings(corpus, settings(text, skip_gram, optimizer, run), **arguments)


def forecast(corpus, *, text=None, skip_gram=None, optimizer=None, run=None, **arguments):
    """Tell what a run by those settings would take."""
    return dry_run.forecast(corpus, settings(text, skip_gram, optimizer, run), **arguments)

"""The objectives there are, by the name of their settings in the folder of a run."""

from __future__ import annotations

from .settings import ObjectiveSettings
from .skip_gram.settings import SkipGramConfig

OBJECTIVES: dict[str, type[ObjectiveSettings]] = {"skip_gram": SkipGramConfig}


def name_of(settings: ObjectiveSettings) -> str:
    """Return the name of an objective, given its settings."""
    return next(name for name, kind in OBJECTIVES.items() if isinstance(settings, kind))

"""The objectives there are, by the name of their settings in the folder of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..fields import check_settings, setting
from .cbow.settings import CbowConfig
from .settings import ObjectiveSettings
from .skip_gram.settings import SkipGramConfig
from .windows.settings import WindowConfig

OBJECTIVES: dict[str, type[ObjectiveSettings]] = {
    "skip_gram": SkipGramConfig,
    "cbow": CbowConfig,
}

_MODELS = {"skip-gram": SkipGramConfig, "cbow": CbowConfig}


@dataclass(frozen=True)
class ModelChoice:
    """Which model is trained; its settings are those of any `WindowConfig`."""

    section: ClassVar[str] = WindowConfig.section

    model: str = setting(
        "skip-gram",
        str,
        "A word predicts each word near it, or is predicted by the mean of all of them.",
        choices=tuple(_MODELS),
        common=True,
    )

    def __post_init__(self) -> None:
        """Check the name."""
        check_settings(self)

    @property
    def config(self) -> type[WindowConfig]:
        """The class of its settings."""
        return _MODELS[self.model]


def name_of(settings: ObjectiveSettings) -> str:
    """Return the name of an objective, given its settings."""
    return next(name for name, kind in OBJECTIVES.items() if isinstance(settings, kind))


def model_of(name: str) -> str:
    """Return what the option ``--model`` calls the objective of a name, if it does."""
    kind: object = OBJECTIVES[name]
    return next((model for model, config in _MODELS.items() if config is kind), name)

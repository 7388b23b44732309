"""The settings of a run, as its folder has them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import FormatError, SettingError, W2VError
from ..events import Event, Warned
from ..objectives.registry import OBJECTIVES
from ..objectives.settings import ObjectiveSettings
from ..system.paths import shell_path
from .inputs import can_be_a_path, is_stamp
from .names import SETTINGS, refuse_links
from .sealed_json import read_json, unsealed

FORMAT = 3
"""The version of what a folder holds."""

_SETTING_KINDS: dict[str, type] = {
    "generation": int,
    "text": dict,
    "optimizer": dict,
    "run": dict,
    "paths": list,
    "inputs": list,
    "has_init": bool,
    "freeze": list,
    "first_epoch": int,
    "added_epochs": list,
}


def read_settings(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the settings of a run, without taking its folder.

    Raises
    ------
    W2VError
        If there is no run.
    FormatError
        If the settings are damaged or of a later version.
    """
    refuse_links(Path(path))
    settings_path = Path(path) / SETTINGS
    try:
        settings = read_json(settings_path)
    except (FileNotFoundError, NotADirectoryError):
        raise W2VError(
            f"{path}: holds no run; start one with w2v-train CORPUS --run-dir {shell_path(path)}"
        ) from None
    except OSError as error:
        raise W2VError(f"{path}: cannot be read ({error.strerror})") from error
    if settings.get("format") != FORMAT:
        raise FormatError(
            f"{path}: is a run of format {settings.get('format')!r:.40}, but this version reads "
            f"{FORMAT}; resume it with the version that began it"
        )
    settings = unsealed(settings_path, settings)
    objective = next((name for name in OBJECTIVES if name in settings), "objective")
    kinds = {objective: dict, **_SETTING_KINDS}
    if "sharding" in settings:
        kinds["sharding"] = dict
    for name, kind in kinds.items():
        value = settings.get(name)
        is_bool = isinstance(value, bool) and kind is not bool
        if not isinstance(value, kind) or is_bool or (isinstance(value, int) and value < 0):
            raise FormatError(f"{path}: is damaged: its settings have {value!r:.40} for '{name}'")
    if not settings["paths"]:
        raise FormatError(f"{path}: is damaged: its settings name no text")
    for name, fits in (("paths", can_be_a_path), ("freeze", lambda word: "\0" not in word)):
        if not all(isinstance(entry, str) and fits(entry) for entry in settings[name]):
            raise FormatError(f"{path}: is damaged: its settings have other than text in '{name}'")
    if not _are_parts(settings.get("parts", [])):
        raise FormatError(f"{path}: is damaged: its settings tell no parts of a run in 'parts'")
    for entry in settings["inputs"]:
        if not is_stamp(entry):
            raise FormatError(f"{path}: is damaged: its settings have {entry!r:.40} among 'inputs'")
    return settings


def _are_parts(parts: Any) -> bool:
    """Return whether these are the parts of a run before text was last added to it.

    Each has the epochs that were asked for, one after the other, and how many paths, words and
    tokens there were by then.
    """
    if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
        return False
    counts = [part.get(name) for part in parts for name in ("n_paths", "n_words", "n_tokens")]
    epochs = [part.get("epochs") for part in parts]
    if not all(isinstance(some, list) and some for some in epochs):
        return False
    counts += [n for some in epochs for n in some]
    return all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in counts)


def is_run(path: Path) -> bool:
    """Return whether the settings in a folder are those of a run."""
    with suppress(W2VError):
        return bool(read_settings(path))
    return False


def objective_of(settings: Mapping[str, Any], path: str | os.PathLike[str]) -> ObjectiveSettings:
    """Return the objective of the run in the folder at ``path``.

    Raises
    ------
    FormatError
        If its settings have other names than this version knows, or values out of range.
    """
    name = next((name for name in OBJECTIVES if name in settings), "")
    try:
        return OBJECTIVES[name](**settings[name])
    except (KeyError, TypeError, SettingError) as error:
        raise FormatError(f"{path}: its settings are damaged: {error!r:.80}") from None


_OF_MODELS = "text", *OBJECTIVES, "optimizer", "run", "sharding"


def model_settings(kept: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a run's settings that its vectors depend on."""
    return {name: kept[name] for name in _OF_MODELS if name in kept}


def tell_if_unfinished(
    path: str | os.PathLike[str],
    settings: Mapping[str, Any],
    state: Any,
    on_event: Callable[[Event], None],
) -> None:
    """Warn if the last checkpoint of a run is not that of its last step.

    Raises
    ------
    FormatError
        If no run writes such a state of a checkpoint.
    """
    try:
        step, n_steps_an_epoch = state["progress"]["step"], state["steps_an_epoch"]
        n_epochs = sum([settings["run"]["epochs"], *settings["added_epochs"]])
        n_steps = n_epochs * n_steps_an_epoch
        is_whole = all(isinstance(n, int) for n in (step, n_epochs, n_steps_an_epoch))
    except (KeyError, TypeError):
        is_whole = False
    if not is_whole:
        raise FormatError(f"{path}: the state in its checkpoint is damaged")
    if step < n_steps:
        on_event(
            Warned(
                f"{path}: the run is not finished; its vectors are those of step {step:,} of "
                f"{n_steps:,}, from its last checkpoint"
            )
        )

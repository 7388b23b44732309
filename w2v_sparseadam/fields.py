"""What a field of a settings class takes and what its help says, from which options are made."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from .errors import SettingError

_FAR = 10**9


@dataclass(frozen=True)
class Setting:
    """All that is known of a setting, for its check, its keyword of `train` and its option.

    Attributes
    ----------
    kind : type
        int, float, str or bool.
    help : str
        What it does, in a sentence.
    low, high : float or None
        Least and greatest number, both allowed, unless `above` or `below` are given instead.
    above, below : float or None
        Numbers that it must be above or below.
    choices : tuple
        What it can be, if not anything of its kind.
    optional : bool
        Whether None is a value, too.
    default_help : str
        What the default comes to, if it is not a constant.
    keyword : str
        Its name among all settings, if not that of the field.
    flag : str
        Its option, if not that of its name.
    metavar : str
        What stands for a value in the help of its option.
    common : bool
        Whether it is one of the few that the short help shows.
    """

    kind: type
    help: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    optional: bool = False
    default_help: str = ""
    keyword: str = ""
    flag: str = ""
    metavar: str = ""
    common: bool = False

    @property
    def is_bounded(self) -> bool:
        """Whether it takes only some numbers."""
        return any(bound is not None for bound in (self.low, self.high, self.above, self.below))

    @property
    def expected(self) -> str:
        """The values it takes, in words."""
        if self.choices:
            return "one of " + ", ".join(map(repr, self.choices))
        number = {int: "a whole number", float: "a number"}.get(self.kind, "a str")
        if self.low is not None and self.high is not None:
            return f"{number} from {_shown(self.low)} to {_shown(self.high)}"
        if self.low is not None and self.below is None:
            return f"{number}, {_shown(self.low)} or more"
        bounds = {
            "at least {}": self.low,
            "above {}": self.above,
            "at most {}": self.high,
            "below {}": self.below,
        }
        told = [text.format(_shown(n)) for text, n in bounds.items() if n is not None]
        return ", ".join([number, *filter(None, [" and ".join(told)])])

    def fits(self, value: Any) -> bool:
        """Tell whether it takes a value."""
        if self.choices:
            return isinstance(value, Hashable) and value in self.choices
        if self.kind is str:
            return isinstance(value, str)
        if isinstance(value, bool) or not isinstance(value, Integral if self.kind is int else Real):
            return False
        try:
            number = self.kind(value)
        except OverflowError:  # a whole number or a fraction beyond float64
            return False
        return (
            (self.low is None or number >= self.low)
            and (self.high is None or number <= self.high)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
            and -math.inf < number < math.inf
        )

    def for_help(self) -> Setting:
        """Return the same without a limit that nobody meets; the check knows it."""
        is_far = self.high is not None and self.high >= _FAR
        return dataclasses.replace(self, high=None) if is_far else self


def _shown(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def setting(default: Any, kind: type, text: str, **known: Any) -> Any:
    """Return a dataclass field; ``known`` are attributes of its `Setting`."""
    known["optional"] = known.get("optional", default is None)
    known.setdefault("choices", (True, False) if kind is bool else ())
    metadata = {"setting": Setting(kind, text, **known)}
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(config: Any) -> Mapping[str, Setting]:
    """Return what is known of the fields of a settings class, or of an instance, by their names."""
    return {
        field.name: field.metadata["setting"]
        for field in dataclasses.fields(config)
        if "setting" in field.metadata
    }


def check_settings(config: Any, but: Collection[str] = ()) -> None:
    """Refuse the first value that a field does not take; make numbers and bools Python's own.

    Others, such as NumPy's, overflow in the keys of draws, and JSON cannot hold them.

    Raises
    ------
    SettingError
        Says which, the value met, and what the field takes.
    """
    for name, known in settings_of(config).items():
        value = getattr(config, name)
        if name in but or (value is None and known.optional):
            continue
        if not known.fits(value):
            raise SettingError(f"{name} is {value!r:.80}, but must be {known.expected}")
        if known.kind in {bool, int, float}:
            object.__setattr__(config, name, known.kind(value))  # its class is frozen

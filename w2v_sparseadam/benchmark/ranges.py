"""The check of numbers that must be in a range."""

from ..errors import SettingError


def require_in_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        range_ = f"from {low} to {high}" if high < 2**64 else f"{low} or more"
        raise SettingError(f"{name} is {value}, but must be {range_}")

"""Units of times that are plain numbers.

Layer 3.
"""

from typing import Final

import numpy as np

from livekit.errors import ConfigError

__all__ = ["UNITS", "unit_of"]

UNITS: Final = {
    "s": (1_000_000_000, "seconds"),
    "ms": (1_000_000, "milliseconds"),
    "us": (1_000, "microseconds"),
    "ns": (1, "nanoseconds"),
}
"""Nanoseconds of a unit, and its name."""

_BY_DIGITS: Final = {10: "s", 13: "ms", 16: "us", 19: "ns"}  # times from 2001 to 2286


def unit_of(values: np.ndarray, name: str) -> str:
    """Return the unit of times of a block: the one that places them between 2001 and 2262.

    Raises
    ------
    ConfigError
        The numbers have neither 10, 13, 16 nor 19 digits, or not all as many.
    """
    low, high = (len(str(abs(int(edge)))) for edge in (values.min(), values.max()))
    if low != high or low not in _BY_DIGITS:
        row = int(np.argmin(values))
        raise ConfigError(
            f"the unit of the times in column {name!r} is not to be told from their size "
            f"({int(values[row])} has {low} digits, {int(values.max())} has {high}; 10 are "
            "seconds, 13 ms, 16 µs, 19 ns); nothing was imported; say it with --unit s, ms, us "
            "or ns"
        )
    return _BY_DIGITS[low]

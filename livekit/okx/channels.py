"""The market channels that begin with a snapshot, those that are one, and the lengths of bars.

Layer 2. Pure.
"""

from typing import Final

__all__ = ["BOOK_CHANNELS", "PERIODS", "SNAPSHOT_CHANNELS"]

BOOK_CHANNELS: Final = frozenset({"books", "books-l2-tbt", "books50-l2-tbt"})
"""Channels that send a snapshot and then updates."""

SNAPSHOT_CHANNELS: Final = frozenset({"bbo-tbt", "books5"})
"""Channels that send a whole, shallow book each time."""

_SECOND_NS: Final = 1_000_000_000
_UNITS: Final = {"s": 1, "m": 60, "H": 3600, "D": 86_400, "W": 604_800}
PERIODS: Final = {
    bar: int(bar.removesuffix("utc")[:-1]) * _UNITS[bar.removesuffix("utc")[-1]] * _SECOND_NS
    for bar in (
        *("1s", "1m", "3m", "5m", "15m", "30m", "1H", "2H", "4H", "6H", "12H"),
        *("1D", "2D", "3D", "5D", "1W"),
        *("6Hutc", "12Hutc", "1Dutc", "2Dutc", "3Dutc", "5Dutc", "1Wutc"),
    )
}
"""Length in ns of every bar that has one; months have none."""

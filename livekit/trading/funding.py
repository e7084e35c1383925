"""Payments of funding: when, of which instrument, at which rate.

Swaps of OKX mostly pay every 8 hours, at 0, 8 and 16 o'clock UTC; recorded rates carry
their own times.
Layer 2.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np

from livekit.errors import ConfigError

__all__ = ["EIGHT_HOURS_NS", "FUNDING", "eight_hourly", "funding_rows"]

EIGHT_HOURS_NS: Final = 8 * 3_600_000_000_000

FUNDING: Final = np.dtype([("ts", "<i8"), ("instrument", "<i8"), ("rate", "<f8")])
"""One payment of funding: when, of which instrument, at which fraction of the value."""


def eight_hourly(
    rates: Mapping[str, float], first_ts: int, last_ts: int
) -> tuple[tuple[int, str, float], ...]:
    """Return the payments (ts, symbol, rate) of every 8 hours between two times, inclusive.

    Parameters
    ----------
    rates : mapping of str to float
        By symbol; above 0 longs pay and shorts receive.
    first_ts, last_ts : int
        ns since the epoch, UTC.
    """
    first = -(-first_ts // EIGHT_HOURS_NS) * EIGHT_HOURS_NS
    times = range(first, last_ts + 1, EIGHT_HOURS_NS)
    return tuple((ts, str(symbol), float(rate)) for ts in times for symbol, rate in rates.items())


def funding_rows(payments: Iterable[tuple[int, str, float]], symbols: Sequence[str]) -> np.ndarray:
    """Return FUNDING rows by time, `instrument` being the place in `symbols`.

    Raises
    ------
    ConfigError
        A payment is of a symbol that is not among them.
    """
    given = tuple(payments)
    rows = np.zeros(len(given), FUNDING)
    for row, (ts, symbol, rate) in zip(rows, given, strict=True):
        if symbol not in symbols:
            raise ConfigError(f"funding of {symbol!r} is given, which the data does not have")
        row["ts"], row["instrument"], row["rate"] = ts, symbols.index(symbol), rate
    order = np.argsort(rows["ts"], kind="stable")
    return np.ascontiguousarray(rows[order])

"""The settings of a simulation, from what a user writes.

Layer 3.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.data import Data, check_data
from livekit.research.simulation import Settings
from livekit.trading.funding import eight_hourly
from livekit.trading.latency import Latency
from livekit.trading.limits import Fees, RiskLimits

__all__ = ["SETTINGS", "make_settings", "to_duration_ns"]

SETTINGS: Final = (
    *("cash", "maker", "taker", "latency", "queue", "partial_fills"),
    *("sample", "limits", "funding", "unlimited_depth"),
)
"""Names of what `make_settings` takes."""

_UNITS_NS: Final = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ns|us|µs|ms|s|m|h|d)")


def to_duration_ns(value: float | str, name: str) -> int:
    """Return a duration in ns: a text such as ``"2ms"``, or a number of seconds.

    Raises
    ------
    ConfigError
        It is none, or not above 0.
    """
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        ns = float(match[1]) * _UNITS_NS[match[2]] if match else math.nan
    else:
        ns = float(value) * 1e9
    if not 0 < ns < 1 << 62:
        raise ConfigError(
            f"{name} is {value!r}, expected a duration above 0 such as '1s', '100ms' or '5m'"
        )
    return round(ns)


def make_settings(
    data: Data,
    *,
    cash: float = 100_000.0,
    maker: float = 0.0002,
    taker: float = 0.0005,
    latency: Latency | None = None,
    queue: Any = "risk_averse",
    partial_fills: bool = True,
    sample: float | str = "1s",
    limits: RiskLimits | None = None,
    funding: Any = None,
    unlimited_depth: bool = False,
) -> Settings:
    """Return the settings of a simulation, checked.

    Parameters
    ----------
    data : Data
    cash : float
        At the start, quote currency.
    maker, taker : float
        Fees as fractions of the notional, a rebate below 0; the defaults are the engine's.
    latency : Latency, optional
        None by default: everything happens at once.
    queue : str, tuple or QueueModel
        How a resting order's place in its queue is estimated.
    partial_fills : bool
        Whether a print fills only what it reaches of a resting order.
    sample : str or float
        Grid of the equity, such as ``"1s"``; seconds when a number.
    limits : RiskLimits, optional
    funding : float, mapping or DataFrame, optional
        Rate of every 8 hours (at 0, 8 and 16 o'clock UTC) for all swaps, or by symbol,
        or a frame with the columns time, symbol and rate.
    unlimited_depth : bool
        Let a taker fill whole at the touch, whatever size it shows.
    """
    check_data(data)
    return Settings(
        cash=float(cash),
        fees=Fees(maker=maker, taker=taker),
        latency=latency or Latency(),
        queue=queue,
        partial_fills=partial_fills,
        limits=limits or RiskLimits(),
        sample_ns=to_duration_ns(sample, "sample"),
        unlimited_depth=unlimited_depth,
        funding=_funding_of(funding, data),
    )


def _funding_of(funding: Any, data: Data) -> tuple[tuple[int, str, float], ...]:
    """Return payments by time: (ts, symbol, rate)."""
    if funding is None:
        return ()
    swaps = [one.symbol for one in data.instruments if one.kind == "swap"]
    if isinstance(funding, int | float):
        funding = dict.fromkeys(swaps, float(funding))
    if isinstance(funding, Mapping):
        rows: Iterable[tuple[int, str, float]] = eight_hourly(funding, data.first_ts, data.last_ts)
    else:
        rows = _rows_of_frame(funding)
    kept = tuple(row for row in rows if data.first_ts <= row[0] <= data.last_ts)
    for _, symbol, rate in kept:
        if symbol not in swaps or not math.isfinite(rate):
            raise ConfigError(
                f"funding rate {rate!r} of {symbol!r}: expected a finite rate of a swap in the "
                f"data; its swaps are {', '.join(swaps) or 'none'}"
            )
    return tuple(sorted(kept))


def _rows_of_frame(frame: Any) -> list[tuple[int, str, float]]:
    missing = [
        name for name in ("time", "symbol", "rate") if name not in getattr(frame, "columns", ())
    ]
    if missing:
        raise ConfigError(
            f"funding is {type(frame).__name__} without {', '.join(missing)}; give a rate, a "
            "mapping of symbol to rate, or a frame with the columns time, symbol and rate"
        )
    times = np.asarray(frame["time"], dtype="datetime64[ns]").astype(np.int64)
    return [
        (int(ts), str(symbol), float(rate))
        for ts, symbol, rate in zip(times, frame["symbol"], frame["rate"], strict=True)
    ]

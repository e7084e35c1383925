"""The rows of a run as columns: each computed when first asked for, and then kept.

The base of all statistics and frames. A column is contiguous, so what is read ten
times is gathered once from the wide rows. Positions are counted in whole lots, so that
closed is exactly 0. The equity path begins with the cash at the start; samples whose
equity is not known (an open position without a mark) are left out of it.
Layer 3.
"""

import copy
import functools
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from livekit.errors import DataError
from livekit.research.report.statistic import DAY_NS, NAN, SECOND_NS, YEAR_NS
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, HORIZONS_NS, ORDER_LOG

__all__ = ["HORIZON_FIELDS", "HORIZON_NAMES", "Rows", "duration_name", "number", "simple_returns"]

HORIZON_NAMES: Final = ("100ms", "1s", "10s", "60s")
HORIZON_FIELDS: Final = tuple(f"mid_{name}" for name in HORIZON_NAMES)
assert len(HORIZONS_NS) == len(HORIZON_NAMES)
assert set(HORIZON_FIELDS) <= set(FILL_LOG.names or ())

_LAYOUTS: Final = {"orders": ORDER_LOG, "fills": FILL_LOG, "equity": EQUITY_LOG}
_INTERVALS_NS: Final = (DAY_NS, 3_600 * SECOND_NS, 60 * SECOND_NS, SECOND_NS)
_UNITS: Final = (
    (DAY_NS, "d"),
    (3_600 * SECOND_NS, "h"),
    (60 * SECOND_NS, "min"),
    (SECOND_NS, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
)
_MIN_RETURNS: Final = 30


def number(value: Any) -> float:
    """Return a number of a meta dictionary as float; NaN where it says nothing."""
    return NAN if value is None or isinstance(value, str) else float(value)


def duration_name(ns: int) -> str:
    """Name an interval by its largest whole unit: ``1d``, ``4h``, ``1min``, ``100ms``."""
    for unit_ns, unit in _UNITS:
        if ns % unit_ns == 0:
            return f"{ns // unit_ns}{unit}"
    return f"{ns}ns"


def simple_returns(equity: np.ndarray) -> np.ndarray:
    """Return what each value gained over the one before it; NaN where that was not above 0."""
    before = np.where(equity[:-1] > 0, equity[:-1], NAN)
    return np.diff(equity) / before


class Rows:
    """Columns of a run.

    Parameters
    ----------
    meta : dict
        What the run says of itself.
    orders : ndarray[ORDER_LOG]
    fills : ndarray[FILL_LOG]
        In the order of booking.
    equity : ndarray[EQUITY_LOG]
        By time.
    marks : float64[len(equity), n_instruments], optional
        Mark of each instrument at each sample of the equity, NaN where it had none.

    Raises
    ------
    DataError
        An array is of another layout or shape.
    """

    def __init__(
        self,
        meta: dict[str, Any],
        orders: np.ndarray,
        fills: np.ndarray,
        equity: np.ndarray,
        marks: np.ndarray | None = None,
    ) -> None:
        given = {"orders": orders, "fills": fills, "equity": equity}
        for name, rows in given.items():
            if rows.dtype != _LAYOUTS[name] or rows.ndim != 1:
                raise DataError(
                    f"{name} of a run are {rows.dtype} of shape {rows.shape}, expected one row "
                    f"of livekit.trading.ledger_layout each; they are of another version"
                )
        self.meta = meta
        self.orders, self.fills, self.equity = orders, fills, equity
        self.instruments: list[dict[str, Any]] = list(meta.get("instruments", ()))
        shape = (len(equity), len(self.instruments))
        if marks is not None and marks.shape != shape:
            raise DataError(f"marks of a run have the shape {marks.shape}, expected {shape}")
        if (
            len(fills)
            and not 0 <= fills["instrument"].min() <= fills["instrument"].max() < shape[1]
        ):
            raise DataError(
                f"fills name instruments up to {fills['instrument'].max()}, the run's meta "
                f"lists {shape[1]}; rows and meta are of different runs"
            )
        self.marks = marks
        self._kept: dict[str, np.ndarray] = {}

    def kept(self, make: Callable[["Rows"], np.ndarray]) -> np.ndarray:
        """Return what a function makes of these rows, made once."""
        if make.__qualname__ not in self._kept:
            self._kept[make.__qualname__] = make(self)
        return self._kept[make.__qualname__]

    # What the run says of itself.

    @property
    def cash(self) -> float:
        """What the equity began with; NaN where the meta does not say."""
        return number(self.meta.get("cash"))

    @functools.cached_property
    def symbols(self) -> list[str]:
        """Symbols by instrument number."""
        return [str(one["symbol"]) for one in self.instruments]

    @functools.cached_property
    def start_ns(self) -> int:
        """Begin of the run: of its data, or of its equity where it has none."""
        said = (self.meta.get("data") or {}).get("start_ns")
        if said:
            return int(said)
        return int(self.equity["ts"][0]) if len(self.equity) else 0

    @functools.cached_property
    def stop_ns(self) -> int:
        """End of the run: of the last event it handled."""
        said = self.meta.get("stopped_ns") or (self.meta.get("data") or {}).get("stop_ns")
        last = int(said) if said else self.start_ns
        return max(last, int(self.equity["ts"][-1])) if len(self.equity) else last

    @property
    def duration_ns(self) -> int:
        """From begin to end."""
        return max(self.stop_ns - self.start_ns, 0)

    @property
    def days(self) -> float:
        """Duration in days; NaN where there is none."""
        return self.duration_ns / DAY_NS or NAN

    @functools.cached_property
    def contract_values(self) -> np.ndarray:
        """float64[n_instruments]: base units per unit of quantity."""
        return np.array([number(one.get("contract_value", 1.0)) for one in self.instruments])

    @functools.cached_property
    def lot_sizes(self) -> np.ndarray:
        """float64[n_instruments]: units of quantity per lot."""
        return np.array([number(one["lot"]) for one in self.instruments])

    @functools.cached_property
    def end_marks(self) -> np.ndarray:
        """float64[n_instruments]: mark of each instrument at the end, NaN where it has none.

        Those of the last sample, or of the meta where the run kept no marks.
        """
        if self.marks is not None and len(self.marks):
            last: np.ndarray = self.marks[-1]
            return last
        said = self.meta.get("marks") or {}
        return np.array([number(said.get(symbol)) for symbol in self.symbols])

    # Fills.

    @functools.cached_property
    def instrument(self) -> np.ndarray:
        """int64[n_fills]."""
        return self.fills["instrument"].astype(np.int64)

    @functools.cached_property
    def sign(self) -> np.ndarray:
        """float64[n_fills]: +1 for a buy, -1 for a sell."""
        return 1.0 - 2.0 * self.fills["side"]

    @functools.cached_property
    def is_maker(self) -> np.ndarray:
        """bool[n_fills]."""
        return self.fills["is_maker"] != 0

    @functools.cached_property
    def price(self) -> np.ndarray:
        """float64[n_fills]."""
        return np.ascontiguousarray(self.fills["price"])

    @functools.cached_property
    def fee(self) -> np.ndarray:
        """float64[n_fills]: paid above 0, received below."""
        return np.ascontiguousarray(self.fills["fee"])

    @functools.cached_property
    def size(self) -> np.ndarray:
        """float64[n_fills]: base units, which is quantity times contract value."""
        return self.fills["quantity"] * self.contract_values[self.instrument]

    @functools.cached_property
    def lots(self) -> np.ndarray:
        """int64[n_fills]: lots bought, below 0 sold."""
        steps = np.rint(self.fills["quantity"] / self.lot_sizes[self.instrument])
        return (steps * self.sign).astype(np.int64)

    @functools.cached_property
    def notional(self) -> np.ndarray:
        """float64[n_fills]: price times size, quote currency."""
        return self.price * self.size

    @functools.cached_property
    def mid(self) -> np.ndarray:
        """float64[n_fills]: middle of the touch just before; NaN without both sides."""
        return (self.fills["bid"] + self.fills["ask"]) / 2

    @functools.cached_property
    def edge(self) -> np.ndarray:
        """float64[n_fills]: quote currency gained against the mid; NaN without one."""
        return self.sign * (self.mid - self.price) * self.size

    @functools.cached_property
    def time_to_fill_s(self) -> np.ndarray:
        """float64[n_fills]: from the order's creation to the fill at the venue."""
        return (self.fills["ts_venue"] - self.fills["created_ns"]) / SECOND_NS

    def markout_bps(self, horizon: int) -> np.ndarray:
        """float64[n_fills]: move of the mid in the fill's favour, from its price, in bps."""
        later = self.fills[HORIZON_FIELDS[horizon]]
        return self.sign * (later - self.price) / self.price * 1e4

    @functools.cached_property
    def by_instrument(self) -> list[np.ndarray]:
        """For each instrument, the numbers of its fills."""
        if len(self.instruments) == 1:
            return [np.arange(len(self.fills))]
        order = np.argsort(self.instrument, kind="stable")
        cuts = np.searchsorted(self.instrument[order], np.arange(1, len(self.instruments)))
        return np.split(order, cuts) if self.instruments else []

    @functools.cached_property
    def lots_after(self) -> np.ndarray:
        """int64[n_fills]: position in the fill's instrument after it, in lots."""
        after = np.zeros(len(self.fills), np.int64)
        for chosen in self.by_instrument:
            after[chosen] = np.cumsum(self.lots[chosen])
        return after

    # Equity.

    @functools.cached_property
    def path(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times (int64), net equity and gross equity (before fees and funding)."""
        known = np.isfinite(self.equity["equity"])
        rows = self.equity if known.all() else self.equity[known]
        ts, net = rows["ts"].astype(np.int64), rows["equity"].astype(np.float64)
        gross = net + rows["fees"] - rows["funding"]
        begins = len(ts) and ts[0] <= self.start_ns and net[0] == self.cash
        if np.isfinite(self.cash) and not begins:
            first = min(self.start_ns, int(ts[0])) if len(ts) else self.start_ns
            ts = np.concatenate(([first], ts))
            net, gross = (np.concatenate(([self.cash], values)) for values in (net, gross))
        return ts, net, gross

    @functools.cached_property
    def interval_ns(self) -> int:
        """Interval of the returns: the longest of 1 d, 1 h, 1 min and 1 s that gives 30.

        None of them gives so many: the finest the samples of the equity allow.
        """
        finest = int(self.meta.get("sample_ns") or SECOND_NS)
        for interval in _INTERVALS_NS:
            if interval >= finest and self.duration_ns // interval >= _MIN_RETURNS:
                return interval
        return finest

    def with_interval(self, interval_ns: int) -> "Rows":
        """Return the same run with its returns taken over another interval."""
        other = copy.copy(self)
        for name in ("returns", "gross_returns"):
            other.__dict__.pop(name, None)
        other.__dict__["interval_ns"] = interval_ns
        return other

    @property
    def periods_per_year(self) -> float:
        """Intervals in 365 days: what ratios are annualised by."""
        return YEAR_NS / self.interval_ns

    @functools.cached_property
    def returns(self) -> np.ndarray:
        """float64[n]: net returns over the interval, NaN where the equity was used up."""
        return simple_returns(self.sampled(self.path[1], self.interval_ns))

    @functools.cached_property
    def gross_returns(self) -> np.ndarray:
        """float64[n]: the same before fees and funding."""
        return simple_returns(self.sampled(self.path[2], self.interval_ns))

    def sampled(self, values: np.ndarray, interval_ns: int) -> np.ndarray:
        """Return values of the path every so often from the begin on, the last known each."""
        ts = self.path[0]
        n_steps = self.duration_ns // interval_ns if len(ts) else -1
        grid = self.start_ns + interval_ns * np.arange(n_steps + 1)
        return values[np.maximum(np.searchsorted(ts, grid, side="right") - 1, 0)]

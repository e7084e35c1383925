"""What figures draw, computed from a run: series of numbers, no colours.

Everything comes from the rows of a run. They hold the mark of each instrument at each
sample of the equity if the run kept them; otherwise a price is the middle of the touch
at each fill, unless a frame of mids is given.
Layer 3.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from livekit.errors import ConfigError

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = [
    "Fills",
    "Mids",
    "ProfitParts",
    "benchmark",
    "fills_of",
    "main_instrument",
    "mids",
    "position",
    "profit_parts",
    "traded",
]


@dataclass(frozen=True, slots=True)
class Fills:
    """Fills of one instrument, arrays of one length in the order of the venue.

    `ts` int64 ns at the venue, `is_buy` and `is_maker` bool, `price`, `quantity` and `mid`
    (just before the fill, NaN without a touch) float64.
    """

    instrument: int
    symbol: str
    ts: np.ndarray
    is_buy: np.ndarray
    is_maker: np.ndarray
    price: np.ndarray
    quantity: np.ndarray
    mid: np.ndarray


@dataclass(frozen=True, slots=True)
class Mids:
    """Prices of one instrument: int64[n] times in ns, not decreasing, and float64[n].

    `name` says what they are: given mids, marks of the run, or mids at its fills.
    """

    ts: np.ndarray
    mid: np.ndarray
    name: str


@dataclass(frozen=True, slots=True)
class ProfitParts:
    """Where the net profit came from, so far: float64[n] in quote currency at `ts`.

    `spread` is what makers' fills earned against the mid, `slippage` what takers' fills
    paid (negative), `inventory` what holding a position brought; with `fees` and `funding`
    (signed as profit) they add up to `net`.
    """

    ts: np.ndarray
    spread: np.ndarray
    slippage: np.ndarray
    inventory: np.ndarray
    fees: np.ndarray
    funding: np.ndarray
    net: np.ndarray


def traded(run: "Run") -> list[int]:
    """Return the instruments that were filled, those of the largest notional first."""
    rows = run.rows
    if len(rows.instruments) == 1:
        return [0] if len(rows.fills) else []
    totals = [float(rows.notional[chosen].sum()) for chosen in rows.by_instrument]
    found = [index for index, chosen in enumerate(rows.by_instrument) if len(chosen)]
    return sorted(found, key=lambda index: -totals[index])


def main_instrument(run: "Run") -> int:
    """Return the instrument of the largest traded notional, the first one without fills.

    Raises
    ------
    ConfigError
        The run has no instrument.
    """
    if not run.rows.instruments:
        raise ConfigError(f"run {run.name!r} lists no instruments to draw")
    return next(iter(traded(run)), 0)


def fills_of(run: "Run", instrument: int) -> Fills:
    """Return the fills of one instrument, column by column."""
    rows = run.rows
    of: Any = slice(None) if len(rows.instruments) == 1 else rows.by_instrument[instrument]
    ts = rows.fills["ts_venue"][of].copy()
    order: Any = slice(None)
    # Booked in the order of their reports, which differs from the venue's by latencies.
    if (np.diff(ts) < 0).any():
        order = np.argsort(ts, kind="stable")
    return Fills(
        instrument,
        rows.symbols[instrument],
        ts[order],
        (rows.sign[of] > 0)[order],
        rows.is_maker[of][order],
        rows.price[of][order],
        rows.fills["quantity"][of][order],
        rows.mid[of][order],
    )


def mids(run: "Run", fills: Fills, prices: Any = None) -> Mids:
    """Return the prices of an instrument: given ones, the run's marks, or those at fills.

    Parameters
    ----------
    run : Run
        Whose marks are meant.
    fills : Fills
        Of the instrument.
    prices : pandas.DataFrame, optional
        Columns ``time`` (datetimes, or ns since the epoch) and ``mid``; ``symbol`` if it
        holds more than one. An instrument that is not in it is read off the run.

    Raises
    ------
    ConfigError
        A column is missing.
    """
    given = _given(prices, fills.symbol) if prices is not None else None
    if given is not None and len(given.ts):
        return given
    if run.marks is not None:
        marks = run.marks[:, fills.instrument]
        is_there = np.isfinite(marks)
        if is_there.any():
            return Mids(run.equity_rows["ts"][is_there], marks[is_there], "Mark")
    is_there = np.isfinite(fills.mid)
    return Mids(fills.ts[is_there], fills.mid[is_there], "Mid at fills")


def _given(prices: Any, name: str) -> Mids:
    missing = [column for column in ("time", "mid") if column not in prices]
    if missing:
        raise ConfigError(
            f"prices have no column {missing[0]!r}; give a frame with 'time', 'mid' and, for "
            "more than one instrument, 'symbol'"
        )
    if "symbol" in prices:
        prices = prices[prices["symbol"] == name]
    ts = prices["time"].to_numpy("datetime64[ns]").astype("i8")
    mid = prices["mid"].to_numpy("f8")
    is_there = np.isfinite(mid)
    ts, mid = ts[is_there], mid[is_there]
    order = np.argsort(ts, kind="stable")
    return Mids(ts[order], mid[order], "Mid")


def benchmark(run: "Run", found: Mids, name: str) -> tuple[str, np.ndarray]:
    """Return what the cash would be had it been invested at once, and how that is called.

    With the run's marks it is all instruments in equal parts, as the market's return of
    the statistics; otherwise the one whose prices are given.

    Returns
    -------
    str
        The name.
    float64[n]
        At the times of ``run.rows.path``; NaN before the first price. A price holds until
        the next one.
    """
    rows, ts = run.rows, run.rows.path[0]
    if run.marks is not None and found.name == "Mark" and len(rows.symbols) > 1:
        first = [column[np.isfinite(column)][:1] for column in run.marks.T]
        grown = np.mean(
            [
                column / (start[0] if len(start) else np.nan)
                for column, start in zip(run.marks.T, first, strict=True)
            ],
            axis=0,
        )
        return "Buy and hold, equal parts", rows.cash * _held(run.equity_rows["ts"], grown, ts)
    if not len(found.ts) or not found.mid[0]:
        return "", np.full(len(ts), np.nan)
    return f"Buy and hold {name}", rows.cash * _held(found.ts, found.mid / found.mid[0], ts)


def _held(ts: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Return the last value at or before each time, NaN before the first."""
    index = np.searchsorted(ts, at, side="right") - 1
    return np.where(index < 0, np.nan, values[np.maximum(index, 0)])


def position(run: "Run", instrument: int) -> tuple[np.ndarray, np.ndarray]:
    """Return int64[n] times and float64[n] positions of an instrument after each fill.

    Units of the instrument, positive when long; from the run's begin to its end.
    """
    rows = run.rows
    of: Any = slice(None) if len(rows.instruments) == 1 else rows.by_instrument[instrument]
    held = rows.lots_after[of] * rows.lot_sizes[instrument]
    ts = np.maximum.accumulate(rows.fills["ts"][of])
    first = min(rows.start_ns, int(ts[0])) if len(ts) else rows.start_ns
    last = max(rows.stop_ns, int(ts[-1])) if len(ts) else rows.stop_ns
    end = held[-1] if len(held) else 0.0
    return np.concatenate(([first], ts, [last])), np.concatenate(([0.0], held, [end]))


def profit_parts(run: "Run") -> ProfitParts:
    """Return where the net profit came from, sample by sample.

    A fill without a touch counts as made at the mid. What is neither spread, slippage, fee
    nor funding is the inventory's.
    """
    rows = run.rows
    equity = rows.equity[np.isfinite(rows.equity["equity"])]
    edge = np.nan_to_num(rows.edge)
    booked = np.maximum.accumulate(rows.fills["ts"])
    so_far = np.searchsorted(booked, equity["ts"], side="right")

    def sums(values: np.ndarray) -> np.ndarray:
        return np.concatenate(([0.0], np.cumsum(values)))[so_far]

    spread = sums(np.where(rows.is_maker, edge, 0.0))
    slippage = sums(np.where(rows.is_maker, 0.0, edge))
    net = equity["equity"] - (rows.cash if np.isfinite(rows.cash) else rows.path[1][0])
    fees, funding = -equity["fees"], equity["funding"].copy()
    inventory = net - spread - slippage - fees - funding
    return ProfitParts(equity["ts"].copy(), spread, slippage, inventory, fees, funding, net)

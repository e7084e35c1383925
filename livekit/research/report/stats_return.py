"""Statistics of return and risk: what was won, and what the equity went through.

Money is net of fees and funding unless a name says gross. Returns are simple returns of
the equity over the run's interval (`Rows.interval_ns`), days are those of UTC. The
equity stays as it was sampled until its next sample.
Layer 3.
"""

from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows, number, simple_returns
from livekit.research.report.statistic import (
    DAY_NS,
    NAN,
    PERCENT,
    SECOND_NS,
    YEAR_NS,
    Statistic,
    mean,
    quantiles,
    ratio,
)

__all__ = ["RETURN", "RISK", "annual_return", "deepest", "drawdowns", "returns", "risk"]

RETURN: Final = (
    Statistic("final_equity", "Final equity", "quote", "last equity"),
    Statistic(
        "liquidation_equity",
        "Liquidation equity",
        "quote",
        "final equity with every position closed at the touch in place of the mark; needs "
        "meta touch {symbol: [bid, ask]}",
    ),
    Statistic("net_pnl", "Net profit", "quote", "last equity - cash at the start"),
    Statistic("gross_pnl", "Gross profit", "quote", "net profit + fees - funding"),
    Statistic("total_return_pct", "Total return", "%", "net profit / cash"),
    Statistic("gross_return_pct", "Gross return", "%", "gross profit / cash"),
    Statistic(
        "annual_return_pct",
        "Annual return",
        "%",
        "(1 + total return) ^ (365 d / duration) - 1; not for less than a day",
    ),
    Statistic(
        "market_return_pct",
        "Buy and hold return",
        "%",
        "mean over the instruments of last / first mark - 1; needs the run's marks",
    ),
    Statistic("daily_mean_pct", "Mean daily return", "%", "mean of the returns of UTC days"),
    Statistic("best_day_pct", "Best day", "%", "largest return of a UTC day"),
    Statistic("worst_day_pct", "Worst day", "%", "smallest return of a UTC day"),
    Statistic("profitable_days_pct", "Profitable days", "%", "UTC days with a return above 0"),
    Statistic("n_days", "Days", "", "UTC days the run touches, partial ones too"),
)
RISK: Final = (
    Statistic(
        "volatility_pct",
        "Annual volatility",
        "%",
        "standard deviation of the returns (n - 1) * sqrt(365 d / interval)",
    ),
    Statistic("max_drawdown_pct", "Max drawdown", "%", "least of equity / highest before - 1"),
    Statistic("max_drawdown", "Max drawdown", "quote", "least of equity - highest before"),
    Statistic("drawdown_start", "Drawdown start", "time", "peak before the max drawdown in %"),
    Statistic("drawdown_bottom", "Drawdown bottom", "time", "moment of the max drawdown in %"),
    Statistic("drawdown_end", "Drawdown end", "time", "peak regained; NaT if it was not"),
    Statistic("drawdown_s", "Drawdown duration", "s", "start to end, or to the end of the run"),
    Statistic("recovery_s", "Recovery time", "s", "bottom to end; NaN if it never ended"),
    Statistic("mean_drawdown_pct", "Mean drawdown", "%", "mean of the depths of all drawdowns"),
    Statistic("n_drawdowns", "Drawdowns", "", "stretches of time below an earlier peak"),
    Statistic("longest_drawdown_s", "Longest drawdown", "s", "longest time from peak to recovery"),
    Statistic("under_water_pct", "Time under water", "%", "share of time below an earlier peak"),
    Statistic(
        "ulcer_index_pct", "Ulcer index", "%", "root of the time-weighted mean of drawdown squared"
    ),
    Statistic("var_95_pct", "Value at risk 95 %", "%", "5 % quantile of the returns"),
    Statistic("cvar_95_pct", "Expected shortfall 95 %", "%", "mean of returns at or below it"),
    Statistic("skew", "Skew", "", "m3 / m2 ^ 1.5 of the returns' central moments"),
    Statistic("kurtosis", "Excess kurtosis", "", "m4 / m2 ^ 2 - 3 of the returns"),
)


def returns(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of RETURN."""
    _, net, gross = rows.path
    cash = rows.cash
    final = float(net[-1]) if len(net) else NAN
    gross_pnl = float(gross[-1]) - cash if len(gross) else NAN
    daily = _daily_returns(rows)
    return {
        "final_equity": final,
        "liquidation_equity": final + _liquidation(rows),
        "net_pnl": final - cash,
        "gross_pnl": gross_pnl,
        "total_return_pct": ratio(final - cash, cash) * PERCENT,
        "gross_return_pct": ratio(gross_pnl, cash) * PERCENT,
        "annual_return_pct": annual_return(rows) * PERCENT,
        "market_return_pct": _market_return(rows) * PERCENT,
        "daily_mean_pct": mean(daily) * PERCENT,
        "best_day_pct": float(np.max(daily, initial=-np.inf)) * PERCENT if len(daily) else NAN,
        "worst_day_pct": float(np.min(daily, initial=np.inf)) * PERCENT if len(daily) else NAN,
        "profitable_days_pct": mean((daily > 0).astype(float)) * PERCENT,
        "n_days": len(daily),
    }


def annual_return(rows: Rows) -> float:
    """Return the growth of a year at the run's rate; NaN for less than a day."""
    net = rows.path[1]
    if rows.duration_ns < DAY_NS or len(net) < 2 or not rows.cash > 0:
        return NAN
    growth = float(net[-1]) / rows.cash
    years = rows.duration_ns / YEAR_NS
    power = np.log(growth) / years if growth > 0 else NAN
    # e^709 is the largest float64.
    return float(np.expm1(power)) if power < 700 else NAN


def _daily_returns(rows: Rows) -> np.ndarray:
    """Return the return of every UTC day that the run touches."""
    ts, net, _ = rows.path
    if len(ts) < 2 or not rows.duration_ns:
        return np.empty(0)
    midnights = np.arange(rows.start_ns // DAY_NS + 1, -(-rows.stop_ns // DAY_NS)) * DAY_NS
    edges = np.concatenate(([rows.start_ns], midnights, [rows.stop_ns]))
    at = np.maximum(np.searchsorted(ts, edges, side="right") - 1, 0)
    found = simple_returns(net[at])
    return found[np.isfinite(found)]


def _market_return(rows: Rows) -> float:
    if rows.marks is None or not len(rows.marks):
        return NAN
    changes = []
    for column in rows.marks.T:
        known = column[np.isfinite(column)]
        changes.append(known[-1] / known[0] - 1 if len(known) else NAN)
    return float(np.mean(changes)) if changes else NAN


def _liquidation(rows: Rows) -> float:
    """Return what closing at the touch changes of the final equity; NaN where unknown."""
    touch = rows.meta.get("touch") or {}
    total = 0.0
    for index, chosen in enumerate(rows.by_instrument):
        lots = int(rows.lots[chosen].sum())
        if lots:
            bid, ask = touch.get(rows.symbols[index]) or (NAN, NAN)
            price = number(bid if lots > 0 else ask)
            size = lots * rows.lot_sizes[index] * rows.contract_values[index]
            total += (price - rows.end_marks[index]) * size
    return float(total)


def drawdowns(values: np.ndarray) -> np.ndarray:
    """Return how far each value lies below the highest so far, as a fraction (never above 0)."""
    if not len(values):
        return values
    peak = np.fmax.accumulate(values)  # a value that is not known is no peak
    return np.where(peak > 0, values / np.where(peak > 0, peak, 1.0) - 1.0, NAN)


def deepest(below: np.ndarray) -> tuple[int, int, int]:
    """Return where the deepest drawdown began, was deepest and ended (-1: it did not).

    Parameters
    ----------
    below : float64[n]
        From `drawdowns`, with a value below 0.
    """
    bottom = int(np.nanargmin(below))
    start = int(np.flatnonzero(below[: bottom + 1] == 0)[-1])
    after = np.flatnonzero(below[bottom:] == 0)
    return start, bottom, bottom + int(after[0]) if len(after) else -1


def risk(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of RISK."""
    found = rows.returns[np.isfinite(rows.returns)]
    enough = len(found) > 1
    spread = float(np.std(found, ddof=1)) if enough else NAN
    (low,) = quantiles(found, 0.05)
    return {
        "volatility_pct": spread * np.sqrt(rows.periods_per_year) * PERCENT,
        **_path_risk(rows),
        "var_95_pct": low * PERCENT,
        "cvar_95_pct": mean(found[found <= low]) * PERCENT,
        "skew": _moment(found, 3),
        "kurtosis": _moment(found, 4) - 3.0,
    }


def _moment(values: np.ndarray, power: int) -> float:
    """Return a central moment over that power of the spread; NaN where nothing varies."""
    if len(values) < 2:
        return NAN
    centred = values - np.mean(values)
    if np.ptp(values) <= 1e-12 * np.max(np.abs(values), initial=0.0):
        return NAN
    return ratio(float(np.mean(centred**power)), float(np.mean(centred**2)) ** (power / 2))


def _path_risk(rows: Rows) -> dict[str, Any]:
    """Compute what the drawdowns of the whole equity path say."""
    ts, net, _ = rows.path
    below = drawdowns(net)
    found: dict[str, Any] = dict.fromkeys((one.key for one in RISK[1:13]), NAN)
    found |= dict.fromkeys(
        ("drawdown_start", "drawdown_bottom", "drawdown_end"), np.datetime64("NaT")
    )
    if len(ts) < 2 or not np.isfinite(below).any():
        return found
    found["max_drawdown_pct"] = float(np.nanmin(below)) * PERCENT
    found["max_drawdown"] = float(np.min(net - np.maximum.accumulate(net)))
    edges = np.append(ts, max(rows.stop_ns, int(ts[-1])))
    held = np.diff(edges)
    weight = float(held.sum())
    found["under_water_pct"] = ratio(float(held[below < 0].sum()), weight) * PERCENT
    squares = float(np.nansum(below**2 * held))
    found["ulcer_index_pct"] = float(np.sqrt(ratio(squares, weight))) * PERCENT
    found |= _episodes(below, edges)
    if found["n_drawdowns"]:
        start, bottom, end = deepest(below)
        found["drawdown_start"] = np.datetime64(int(ts[start]), "ns")
        found["drawdown_bottom"] = np.datetime64(int(ts[bottom]), "ns")
        found["drawdown_s"] = (int(edges[end]) - int(ts[start])) / SECOND_NS
        if end >= 0:
            found["drawdown_end"] = np.datetime64(int(ts[end]), "ns")
            found["recovery_s"] = (int(ts[end]) - int(ts[bottom])) / SECOND_NS
    return found


def _episodes(below: np.ndarray, edges: np.ndarray) -> dict[str, Any]:
    """Compute what the stretches below an earlier peak say: each from its peak to its end."""
    is_below = below < 0
    first = np.flatnonzero(is_below & ~np.append(False, is_below[:-1]))
    if not len(first):
        return {"n_drawdowns": 0, "mean_drawdown_pct": NAN, "longest_drawdown_s": NAN}
    last = np.flatnonzero(is_below & ~np.append(is_below[1:], False))
    depths = np.minimum.reduceat(np.where(is_below, below, 0.0), first)
    lengths = edges[last + 1] - edges[first - 1]
    return {
        "n_drawdowns": len(first),
        "mean_drawdown_pct": float(np.mean(depths)) * PERCENT,
        "longest_drawdown_s": float(np.max(lengths)) / SECOND_NS,
    }

"""Activity and exposure: how much was traded, and how much was held for how long.

Times are weighted by how long each state lasted. Positions change at the fills' own
times; values of positions are those of the equity's samples.
Layer 3.
"""

import math
from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows, number
from livekit.research.report.statistic import (
    BPS,
    NAN,
    PERCENT,
    SECOND_NS,
    Statistic,
    ratio,
    sum_of_products,
    weighted_mean,
)
from livekit.research.report.trips import round_trips

__all__ = ["ACTIVITY", "EXPOSURE", "activity", "exposure", "half_life", "in_market"]

ACTIVITY: Final = (
    Statistic("volume", "Volume", "quote", "sum of price * quantity * contract value of fills"),
    Statistic("turnover_per_day", "Turnover per day", "quote", "volume / days"),
    Statistic("turnover_ratio", "Turnover per day and capital", "", "volume / days / mean equity"),
    Statistic("orders_per_day", "Orders per day", "", "orders / days"),
    Statistic("fills_per_day", "Fills per day", "", "fills / days"),
    Statistic("trades_per_day", "Round trips per day", "", "closed round trips / days"),
    Statistic("fees_net", "Fees less rebates", "quote", "sum of the fills' fees"),
    Statistic("fees_paid", "Fees paid", "quote", "sum of the fees above 0"),
    Statistic("rebates", "Rebates received", "quote", "- sum of the fees below 0"),
    Statistic("fees_bps", "Fees by volume", "bps", "fees less rebates / volume"),
    Statistic("funding", "Funding received", "quote", "last sample's; below 0 when paid"),
    Statistic(
        "slippage_cost", "Slippage cost", "quote", "takers: sum of side * (price - mid) * size"
    ),
)
EXPOSURE: Final = (
    Statistic("time_in_market_pct", "Time in market", "%", "time with any position / duration"),
    Statistic("time_long_pct", "Time long", "%", "time with a net exposure above 0"),
    Statistic("time_short_pct", "Time short", "%", "time with a net exposure below 0"),
    Statistic("mean_gross_exposure", "Mean gross exposure", "quote", "mean by time"),
    Statistic("median_gross_exposure", "Median gross exposure", "quote", "median by time"),
    Statistic("max_gross_exposure", "Max gross exposure", "quote", "largest sample"),
    Statistic("mean_net_exposure", "Mean net exposure", "quote", "mean by time"),
    Statistic("max_long_exposure", "Max net long exposure", "quote", "largest net above 0"),
    Statistic("max_short_exposure", "Max net short exposure", "quote", "least net below 0"),
    Statistic("mean_leverage", "Mean leverage", "", "mean by time of gross exposure / equity"),
    Statistic("max_leverage", "Max leverage", "", "largest gross exposure / equity"),
    Statistic(
        "inventory_half_life_s",
        "Inventory half-life",
        "s",
        "-ln 2 / ln p * sampling interval, p = sum x(t) x(t-1) / sum x(t-1)^2 of net exposure",
    ),
    Statistic(
        "time_at_limit_pct",
        "Time at the limit",
        "%",
        "time with 95 % of meta limits max_position_notional or more; one instrument only",
    ),
)


def activity(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of ACTIVITY."""
    days, fee = rows.days, rows.fee
    volume = float(rows.notional.sum())
    ts, net, _ = rows.path
    edge = rows.edge[~rows.is_maker]
    known = np.isfinite(edge)
    return {
        "volume": volume,
        "turnover_per_day": ratio(volume, days),
        "turnover_ratio": ratio(ratio(volume, days), weighted_mean(net, _lasted(ts, rows))),
        "orders_per_day": ratio(len(rows.orders), days),
        "fills_per_day": ratio(len(rows.fills), days),
        "trades_per_day": ratio(int(np.count_nonzero(round_trips(rows)["closed_ns"])), days),
        "fees_net": float(fee.sum()),
        "fees_paid": float(fee[fee > 0].sum()),
        "rebates": 0.0 - float(fee[fee < 0].sum()),
        "fees_bps": ratio(float(fee.sum()), volume) * BPS,
        "funding": float(rows.equity["funding"][-1]) if len(rows.equity) else NAN,
        "slippage_cost": 0.0 - float(edge[known].sum()) if known.any() or not len(edge) else NAN,
    }


def _lasted(ts: np.ndarray, rows: Rows) -> np.ndarray:
    """Return how long each sample stood, to the next one or the end of the run."""
    if not len(ts):
        return np.empty(0, np.int64)
    return np.diff(np.append(ts, max(rows.stop_ns, int(ts[-1]))))


def exposure(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of EXPOSURE."""
    equity = rows.equity[np.isfinite(rows.equity["gross_exposure"])]
    found: dict[str, Any] = dict.fromkeys((one.key for one in EXPOSURE), NAN)
    found["time_in_market_pct"] = in_market(rows) * PERCENT
    if not len(equity):
        return found
    lasted = _lasted(equity["ts"], rows).astype(float)
    net, gross = equity["net_exposure"], equity["gross_exposure"]
    worth = np.where(equity["equity"] > 0, equity["equity"], NAN)
    leverage = gross / worth
    return found | {
        "time_long_pct": weighted_mean((net > 0).astype(float), lasted) * PERCENT,
        "time_short_pct": weighted_mean((net < 0).astype(float), lasted) * PERCENT,
        "mean_gross_exposure": weighted_mean(gross, lasted),
        "median_gross_exposure": _weighted_median(gross, lasted),
        "max_gross_exposure": float(np.max(gross)),
        "mean_net_exposure": weighted_mean(net, lasted),
        "max_long_exposure": float(np.max(net)) if (net > 0).any() else NAN,
        "max_short_exposure": float(np.min(net)) if (net < 0).any() else NAN,
        "mean_leverage": weighted_mean(leverage, lasted),
        "max_leverage": float(np.nanmax(leverage)) if np.isfinite(leverage).any() else NAN,
        "inventory_half_life_s": half_life(rows),
        "time_at_limit_pct": _at_limit(rows, gross, lasted) * PERCENT,
    }


def in_market(rows: Rows) -> float:
    """Return the share of the run's time with a position in any instrument."""
    if not rows.duration_ns:
        return NAN
    n_open = np.zeros(len(rows.fills), np.int64)
    for chosen in rows.by_instrument:
        is_open = rows.lots_after[chosen] != 0
        n_open[chosen] = np.diff(np.append(False, is_open).astype(np.int64))
    ts = np.clip(rows.fills["ts"], rows.start_ns, rows.stop_ns)
    held = np.diff(np.append(ts, rows.stop_ns))
    return float(held[np.cumsum(n_open) > 0].sum()) / rows.duration_ns


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the least value that at least half of the weight does not exceed."""
    if not weights.sum() > 0:
        return NAN
    order = np.argsort(values)
    share = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(share, share[-1] / 2)]])


def half_life(rows: Rows) -> float:
    """Return how long the net exposure takes to decay by half, s; NaN where it does not."""
    step = int(rows.meta.get("sample_ns") or SECOND_NS)
    ts = rows.equity["ts"]
    if len(ts) < 3:
        return NAN
    grid = np.arange(ts[0], ts[-1] + 1, max(step, int(ts[-1] - ts[0]) // 1_000_000))
    held = rows.equity["net_exposure"][np.searchsorted(ts, grid, side="right") - 1]
    held = np.where(np.isfinite(held), held, 0.0)
    before = held[:-1]
    decay = ratio(sum_of_products(held[1:], before), sum_of_products(before, before))
    if not 0 < decay < 1:
        return NAN
    return -math.log(2) / math.log(decay) * float(grid[1] - grid[0]) / SECOND_NS


def _at_limit(rows: Rows, gross: np.ndarray, lasted: np.ndarray) -> float:
    limit = number((rows.meta.get("limits") or {}).get("max_position_notional"))
    if not math.isfinite(limit) or len(rows.symbols) != 1:
        return NAN
    return weighted_mean((gross >= 0.95 * limit).astype(float), lasted)

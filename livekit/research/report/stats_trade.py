"""Statistics of round trips (flat to flat) and of single fills.

The profit of a trip is net of its fees; funding belongs to no fill and stands in the
attribution alone. Only closed trips count, and one that earned exactly 0 is neither
won nor lost.
Layer 3.
"""

import math
from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows
from livekit.research.report.statistic import (
    NAN,
    PERCENT,
    SECOND_NS,
    Statistic,
    mean,
    median,
    quantiles,
    ratio,
)
from livekit.research.report.trips import round_trips

__all__ = ["TRADES", "longest_run", "trades"]

TRADES: Final = (
    Statistic("n_trades", "Round trips", "", "closed stretches of a position from flat to flat"),
    Statistic("n_open_trades", "Open round trips", "", "positions not flat at the end"),
    Statistic("n_long_trades", "Long round trips", "", "closed, opened by a buy"),
    Statistic("n_short_trades", "Short round trips", "", "closed, opened by a sell"),
    Statistic("win_rate_pct", "Win rate", "%", "closed trips with net profit above 0"),
    Statistic("long_win_rate_pct", "Long win rate", "%", "the same of long trips"),
    Statistic("short_win_rate_pct", "Short win rate", "%", "the same of short trips"),
    Statistic("long_pnl", "Profit of long trips", "quote", "sum of their net profit"),
    Statistic("short_pnl", "Profit of short trips", "quote", "sum of their net profit"),
    Statistic("expectancy", "Expectancy", "quote", "mean net profit of a closed trip"),
    Statistic("expectancy_gross", "Gross expectancy", "quote", "the same before fees"),
    Statistic("mean_win", "Mean win", "quote", "mean net profit of the won trips"),
    Statistic("median_win", "Median win", "quote", "median net profit of the won trips"),
    Statistic("mean_loss", "Mean loss", "quote", "mean net profit of the lost trips, below 0"),
    Statistic("median_loss", "Median loss", "quote", "median net profit of the lost trips"),
    Statistic("best_trade", "Best trip", "quote", "largest net profit"),
    Statistic("worst_trade", "Worst trip", "quote", "smallest net profit"),
    Statistic("profit_factor", "Profit factor", "", "sum of wins / -sum of losses"),
    Statistic("payoff", "Payoff ratio", "", "mean win / -mean loss"),
    Statistic("kelly_pct", "Kelly criterion", "%", "win rate - lost share / payoff ratio"),
    Statistic("sqn", "System quality number", "", "sqrt(n) * mean / deviation (n - 1) of trips"),
    Statistic("mean_holding_s", "Mean holding time", "s", "mean of closing - opening time"),
    Statistic("median_holding_s", "Median holding time", "s", "median of the same"),
    Statistic("max_holding_s", "Longest holding time", "s", "largest of the same"),
    Statistic("win_streak", "Longest winning streak", "", "won trips in a row, by closing time"),
    Statistic("loss_streak", "Longest losing streak", "", "lost trips in a row"),
    Statistic("mean_fill", "Mean fill", "quote", "mean notional of a fill"),
    Statistic("median_fill", "Median fill", "quote", "median notional of a fill"),
    Statistic("n_buy_fills", "Buy fills", "", "fills that bought"),
    Statistic("n_sell_fills", "Sell fills", "", "fills that sold"),
    Statistic(
        "fills_with_edge_pct",
        "Fills with an edge",
        "%",
        "fills better than the mid before them, of those with a mid",
    ),
    Statistic(
        "fills_won_10s_pct",
        "Fills ahead after 10 s",
        "%",
        "fills whose markout after 10 s is above 0, of those with one",
    ),
)


def trades(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of TRADES."""
    trips = round_trips(rows)
    closed = trips[trips["closed_ns"] > 0]
    closed = closed[np.argsort(closed["closed_ns"], kind="stable")]
    net = closed["gross"] - closed["fees"]
    won, lost = net[net > 0], net[net < 0]
    is_long = closed["side"] == 0
    held = (closed["closed_ns"] - closed["opened_ns"]) / SECOND_NS
    win_rate = mean((net > 0).astype(float))
    payoff = ratio(mean(won), -mean(lost))
    return {
        "n_trades": len(closed),
        "n_open_trades": len(trips) - len(closed),
        "n_long_trades": int(is_long.sum()),
        "n_short_trades": int((~is_long).sum()),
        "win_rate_pct": win_rate * PERCENT,
        "long_win_rate_pct": mean((net[is_long] > 0).astype(float)) * PERCENT,
        "short_win_rate_pct": mean((net[~is_long] > 0).astype(float)) * PERCENT,
        "long_pnl": float(net[is_long].sum()) if is_long.any() else NAN,
        "short_pnl": float(net[~is_long].sum()) if not is_long.all() else NAN,
        "expectancy": mean(net),
        "expectancy_gross": mean(closed["gross"]),
        "mean_win": mean(won),
        "median_win": median(won),
        "mean_loss": mean(lost),
        "median_loss": median(lost),
        "best_trade": quantiles(net, 1.0)[0],
        "worst_trade": quantiles(net, 0.0)[0],
        "profit_factor": ratio(float(won.sum()), -float(lost.sum())),
        "payoff": payoff,
        "kelly_pct": (win_rate - ratio(mean((net < 0).astype(float)), payoff)) * PERCENT,
        "sqn": _quality(net),
        "mean_holding_s": mean(held),
        "median_holding_s": median(held),
        "max_holding_s": quantiles(held, 1.0)[0],
        "win_streak": longest_run(net > 0),
        "loss_streak": longest_run(net < 0),
        **_fills(rows),
    }


def _quality(net: np.ndarray) -> float:
    if len(net) < 2 or np.ptp(net) <= 1e-12 * np.max(np.abs(net)):
        return NAN
    return math.sqrt(len(net)) * mean(net) / float(np.std(net, ddof=1))


def longest_run(is_so: np.ndarray) -> int:
    """Length of the longest run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], is_so, [False]))))
    return int(np.max(edges[1::2] - edges[::2], initial=0))


def _fills(rows: Rows) -> dict[str, Any]:
    edge, later = rows.edge, rows.markout_bps(2)
    return {
        "mean_fill": mean(rows.notional),
        "median_fill": median(rows.notional),
        "n_buy_fills": int(np.count_nonzero(rows.sign > 0)),
        "n_sell_fills": int(np.count_nonzero(rows.sign < 0)),
        "fills_with_edge_pct": mean((edge[np.isfinite(edge)] > 0).astype(float)) * PERCENT,
        "fills_won_10s_pct": mean((later[np.isfinite(later)] > 0).astype(float)) * PERCENT,
    }

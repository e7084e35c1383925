"""Ratios of reward to risk, from the returns over the run's interval.

Annualised by the root of 365 d / interval, without a risk-free rate; the interval and
the year stand in the name of each ratio that depends on them, because the same equity
gives other figures at other intervals.
Layer 3.
"""

import math
from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows, simple_returns
from livekit.research.report.statistic import (
    NAN,
    PERCENT,
    Statistic,
    quantiles,
    ratio,
    sum_of_products,
)
from livekit.research.report.stats_return import annual_return, drawdowns

__all__ = ["BASIS", "RATIOS", "benchmark_returns", "ratios", "sharpe"]

BASIS: Final = "{basis}"
"""Stands in a name for the year and the interval, such as ``365d, 1h``."""

RATIOS: Final = (
    Statistic(
        "sharpe",
        "Sharpe ratio ({basis})",
        "",
        "mean / standard deviation (n - 1) of the returns * sqrt(365 d / interval)",
    ),
    Statistic(
        "sharpe_gross",
        "Gross Sharpe ratio ({basis})",
        "",
        "the same of the equity before fees and funding",
    ),
    Statistic(
        "sortino",
        "Sortino ratio ({basis})",
        "",
        "mean / root of the mean of min(return, 0)^2 * sqrt(365 d / interval)",
    ),
    Statistic("calmar", "Calmar ratio", "", "annual return / -max drawdown in %"),
    Statistic("return_over_drawdown", "Return over drawdown", "", "total return / -max drawdown"),
    Statistic(
        "omega", "Omega ratio ({basis})", "", "sum of returns above 0 / -sum of those below 0"
    ),
    Statistic("tail_ratio", "Tail ratio ({basis})", "", "95 % quantile of returns / -5 % quantile"),
    Statistic(
        "probabilistic_sharpe_pct",
        "Probabilistic Sharpe ratio",
        "%",
        "Phi(s sqrt(n - 1) / sqrt(1 - skew s + (kurtosis - 1) / 4 s^2)), s the ratio per "
        "interval: how sure it is above 0 (Bailey, Lopez de Prado 2012)",
    ),
    Statistic("beta", "Beta ({basis})", "", "covariance with buy and hold / its variance (n - 1)"),
    Statistic(
        "alpha_pct",
        "Annual alpha ({basis})",
        "%",
        "(mean return - beta * mean of buy and hold) * 365 d / interval; needs the run's marks",
    ),
    Statistic(
        "information_ratio",
        "Information ratio ({basis})",
        "",
        "Sharpe ratio of the returns less those of buy and hold",
    ),
    Statistic(
        "tracking_error_pct",
        "Tracking error ({basis})",
        "%",
        "annual volatility of the returns less those of buy and hold",
    ),
)


def sharpe(values: np.ndarray, periods_per_year: float) -> float:
    """Return the annual Sharpe ratio of returns; NaN of fewer than two or of equal ones."""
    found = values[np.isfinite(values)]
    if len(found) < 2 or np.ptp(found) <= 1e-12 * np.max(np.abs(found)):
        return NAN
    return ratio(float(np.mean(found)), float(np.std(found, ddof=1))) * math.sqrt(periods_per_year)


def ratios(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of RATIOS."""
    found = rows.returns[np.isfinite(rows.returns)]
    year = rows.periods_per_year
    below = np.minimum(found, 0.0)
    downside = math.sqrt(float(np.mean(below**2))) if len(found) > 1 else NAN
    center = float(np.mean(found)) if len(found) > 1 else NAN
    low, high = quantiles(found, 0.05, 0.95)
    depth = drawdowns(rows.path[1])
    known = depth[np.isfinite(depth)]
    deepest = -float(np.min(known)) if len(known) > 1 else NAN
    total = float(rows.path[1][-1]) / rows.cash - 1 if len(known) and rows.cash > 0 else NAN
    return {
        "sharpe": sharpe(found, year),
        "sharpe_gross": sharpe(rows.gross_returns, year),
        "sortino": ratio(center, downside) * math.sqrt(year),
        "calmar": ratio(annual_return(rows), deepest),
        "return_over_drawdown": ratio(total, deepest),
        "omega": ratio(float(np.maximum(found, 0.0).sum()), -float(below.sum())),
        "tail_ratio": ratio(high, -low) if low < 0 else NAN,
        "probabilistic_sharpe_pct": _probabilistic(found) * PERCENT,
        **_against_market(rows),
    }


def _probabilistic(found: np.ndarray) -> float:
    """Return the probability that the true ratio is above 0."""
    single = sharpe(found, 1.0)
    if not math.isfinite(single):
        return NAN
    centred = found - np.mean(found)
    variance = float(np.mean(centred**2))
    skew = float(np.mean(centred**3)) / variance**1.5
    kurtosis = float(np.mean(centred**4)) / variance**2
    spread = 1 - skew * single + (kurtosis - 1) / 4 * single**2
    if spread <= 0:
        return NAN
    score = single * math.sqrt((len(found) - 1) / spread)
    return 0.5 * math.erfc(-score / math.sqrt(2))


def benchmark_returns(rows: Rows) -> np.ndarray:
    """Return the returns of buy and hold over the run's interval; all NaN without marks.

    Buy and hold puts the same value into each instrument at its first mark.
    """
    if rows.marks is None or not len(rows.marks):
        return np.full(len(rows.returns), NAN)
    ts = rows.equity["ts"]
    grid = rows.start_ns + rows.interval_ns * np.arange(len(rows.returns) + 1)
    at = np.maximum(np.searchsorted(ts, grid, side="right") - 1, 0)
    worth = np.zeros(len(grid))
    for column in rows.marks.T:
        known = np.flatnonzero(np.isfinite(column))
        if not len(known):
            return np.full(len(rows.returns), NAN)
        last = np.maximum.accumulate(np.where(np.isfinite(column), np.arange(len(column)), 0))
        worth += column[np.maximum(last, known[0])[at]] / column[known[0]]
    return simple_returns(worth)


def _against_market(rows: Rows) -> dict[str, Any]:
    market = benchmark_returns(rows)
    both = np.isfinite(rows.returns) & np.isfinite(market)
    own, market = rows.returns[both], market[both]
    if len(own) < 2:
        return dict.fromkeys(("beta", "alpha_pct", "information_ratio", "tracking_error_pct"), NAN)
    year = rows.periods_per_year
    around = market - np.mean(market)
    shared, variance = (sum_of_products(one, around) for one in (own - np.mean(own), around))
    beta = ratio(shared, variance)
    excess = own - market
    return {
        "beta": beta,
        "alpha_pct": float(np.mean(own) - beta * np.mean(market)) * year * PERCENT,
        "information_ratio": sharpe(excess, year),
        "tracking_error_pct": float(np.std(excess, ddof=1)) * math.sqrt(year) * PERCENT,
    }

"""How sure the result is: stationary block bootstrap of Sharpe, return and max drawdown.

Returns are drawn in blocks whose lengths are geometric around a mean, round the end
back to the beginning (Politis, Romano 1994), so that what a return has to do with the
ones before it survives. The mean length is the one Politis and White (2004, corrected
2009 with Patton) find for the returns at hand, from how far their autocorrelation
reaches; at least 1, which draws singly, and at most a third of the returns. The
same seed gives the same intervals.
Layer 3.
"""

import math
from typing import Any, Final

import numpy as np

from livekit.research.report.rows import Rows
from livekit.research.report.statistic import NAN, PERCENT, Statistic, sum_of_products

__all__ = ["UNCERTAINTY", "block_length", "bootstrap", "resample", "uncertainty"]

_N_RESAMPLES: Final = 1000
_CONFIDENCE: Final = 0.95
_MIN_RETURNS: Final = 10
_CHUNK: Final = 2_000_000  # drawn numbers in memory at once

UNCERTAINTY: Final = (
    *(
        Statistic(
            f"{key}_{side}",
            f"{name}, {side} 95 %",
            unit,
            f"{level} quantile of {_N_RESAMPLES} stationary block bootstraps, seed 0",
        )
        for key, name, unit in (
            ("sharpe", "Sharpe ratio ({basis})", ""),
            ("total_return_pct", "Total return", "%"),
            ("max_drawdown_pct", "Max drawdown", "%"),
        )
        for side, level in (("low", "2.5 %"), ("high", "97.5 %"))
    ),
    Statistic(
        "block_length",
        "Bootstrap block length",
        "",
        "mean block in returns, by Politis and White's rule for the stationary bootstrap",
    ),
    Statistic("n_returns", "Returns", "", "returns over the interval, of which blocks are drawn"),
)


def uncertainty(rows: Rows) -> dict[str, Any]:
    """Compute the statistics of UNCERTAINTY."""
    found = rows.returns[np.isfinite(rows.returns)]
    length = block_length(found)
    bounds = bootstrap(found, rows.periods_per_year, length=length)
    return {
        "sharpe_low": bounds["sharpe"][0],
        "sharpe_high": bounds["sharpe"][1],
        "total_return_pct_low": bounds["return"][0] * PERCENT,
        "total_return_pct_high": bounds["return"][1] * PERCENT,
        "max_drawdown_pct_low": bounds["drawdown"][0] * PERCENT,
        "max_drawdown_pct_high": bounds["drawdown"][1] * PERCENT,
        "block_length": length,
        "n_returns": len(found),
    }


def block_length(values: np.ndarray) -> float:
    """Return the mean block length for a series; NaN for fewer than 10 values.

    With R(k) the autocovariances, the rule is b = (2 G^2 / D)^(1/3) n^(1/3), where
    G = sum of w(k / M) |k| R(k), D = 2 (sum of w(k / M) R(k))^2, both over -M..M, w the
    flat-top window (1 up to 1/2, then falling to 0 at 1), and M twice the lag after
    which max(5, sqrt(log10 n)) autocorrelations in a row are below
    2 sqrt(log10 n / n).
    """
    n = len(values)
    if n < _MIN_RETURNS:
        return NAN
    centred = values - np.mean(values)
    variance = float(np.mean(centred**2))
    if not variance > 0:
        return 1.0
    n_quiet = max(5, math.isqrt(int(math.log10(n))))
    n_lags = min(math.ceil(math.sqrt(n)) + n_quiet, n - 1)
    pairs = ((centred[k:], centred[: n - k]) for k in range(n_lags + 1))
    covariance = np.array([sum_of_products(*pair) / n for pair in pairs])
    is_loud = np.abs(covariance[1:] / variance) >= 2 * math.sqrt(math.log10(n) / n)
    reach = _last_loud_lag(is_loud, n_quiet)
    window = min(2 * max(reach, 1), n_lags)
    lags = np.arange(-window, window + 1)
    weights = np.clip(2 * (1 - np.abs(lags) / window), 0.0, 1.0)
    around = covariance[np.abs(lags)]
    tilt = float(np.sum(weights * np.abs(lags) * around))
    level = float(np.sum(weights * around))
    if level == 0:
        return 1.0
    length = (2 * tilt**2 / (2 * level**2)) ** (1 / 3) * n ** (1 / 3)
    return float(np.clip(length, 1.0, max(1.0, min(3 * math.sqrt(n), n / 3))))


def _last_loud_lag(is_loud: np.ndarray, n_quiet: int) -> int:
    """Return the lag after which so many in a row are quiet; else the last loud one."""
    quiet_run = 0
    for lag, loud in enumerate(is_loud.tolist(), start=1):
        quiet_run = 0 if loud else quiet_run + 1
        if quiet_run == n_quiet:
            return lag - n_quiet
    loud_lags = np.flatnonzero(is_loud)
    return int(loud_lags[-1]) + 1 if len(loud_lags) else 0


def resample(
    n_values: int, n_resamples: int, length: float, generator: np.random.Generator
) -> np.ndarray:
    """Draw int64[n_resamples, n_values]: the numbers of the values of each resample."""
    shape = (n_resamples, n_values)
    begins = generator.random(shape) < 1.0 / length
    begins[:, 0] = True
    place = np.arange(n_values)
    origin = np.maximum.accumulate(np.where(begins, place, 0), axis=1)
    first = generator.integers(0, n_values, shape)
    drawn: np.ndarray = (np.take_along_axis(first, origin, axis=1) + place - origin) % n_values
    return drawn


def bootstrap(
    values: np.ndarray,
    periods_per_year: float,
    *,
    length: float | None = None,
    n_resamples: int = _N_RESAMPLES,
    confidence: float = _CONFIDENCE,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return intervals of the Sharpe ratio, return and max drawdown of returns.

    Parameters
    ----------
    values : float64[n]
        Simple returns over equal intervals, finite.
    periods_per_year : float
        Intervals in a year, for the Sharpe ratio.
    length : float, optional
        Mean block length in returns; by default `block_length`.
    n_resamples, confidence, seed
        How many to draw, what share of them the interval holds, and the seed.

    Returns
    -------
    dict
        (low, high) of ``sharpe``, ``return`` and ``drawdown``, the latter two as
        fractions; NaN for fewer than 10 returns.
    """
    n = len(values)
    if n < _MIN_RETURNS:
        return dict.fromkeys(("sharpe", "return", "drawdown"), (NAN, NAN))
    mean_length = block_length(values) if length is None else length
    generator = np.random.default_rng(seed)
    found = np.empty((3, n_resamples))
    step = max(1, _CHUNK // n)
    for first in range(0, n_resamples, step):
        count = min(step, n_resamples - first)
        drawn = values[resample(n, count, max(mean_length, 1.0), generator)]
        found[:, first : first + count] = _measure(drawn, periods_per_year)
    tail = (1 - confidence) / 2
    low, high = _bounds(found, tail), _bounds(found, 1 - tail)
    return {
        name: (low[index], high[index])
        for index, name in enumerate(("sharpe", "return", "drawdown"))
    }


def _measure(drawn: np.ndarray, periods_per_year: float) -> np.ndarray:
    """float64[3, n_resamples]: Sharpe ratio, return and max drawdown of each resample."""
    center = drawn.mean(axis=1)
    spread = drawn.std(axis=1, ddof=1)
    is_flat = np.ptp(drawn, axis=1) <= 1e-12 * np.max(np.abs(drawn), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(is_flat, NAN, center / spread) * math.sqrt(periods_per_year)
    worth = np.cumprod(1.0 + drawn, axis=1)
    # The path begins at 1, before the first return.
    peak = np.maximum(np.maximum.accumulate(worth, axis=1), 1.0)
    return np.stack((ratio, worth[:, -1] - 1.0, np.min(worth / peak, axis=1) - 1.0))


def _bounds(found: np.ndarray, level: float) -> list[float]:
    kept = [row[np.isfinite(row)] for row in found]
    return [float(np.quantile(row, level)) if len(row) else NAN for row in kept]

"""Figures over periods: rolling ratios, hours of the week, months, days' fees and results.

Days, hours and weekdays are UTC's. A year is 365 days: the market never closes.
Layer 3.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report.figures_fills import duration, histogram
from livekit.research.report.figures_plot import (
    Panel,
    Plot,
    Spec,
    axis,
    plain_layout,
    stack,
    times,
)
from livekit.research.report.figures_time import line
from livekit.research.report.statistic import DAY_NS, SECOND_NS
from livekit.research.report.theme import LIGHT, diverging

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["Periods", "activity", "hours_of_week", "months", "period_results", "periods", "rolling"]

_PERIODS: Final = (
    (DAY_NS, "day"),
    (3600 * SECOND_NS, "hour"),
    (60 * SECOND_NS, "minute"),
    (SECOND_NS, "second"),
)
_ENOUGH_PERIODS: Final = 3
_FEWEST_RETURNS: Final = 30
_SHORTEST_WINDOW: Final = 12
_WINDOWS: Final = 8  # of a rolling figure, in the run
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_EPOCH_WEEKDAY: Final = 3  # 1970-01-01 was a Thursday
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


@dataclass(frozen=True, slots=True)
class Periods:
    """What changed in each period that has a sample; arrays of one length.

    `start` is int64 ns; `net`, `fees` and `volume` are float64 in quote currency.
    """

    name: str
    length_ns: int
    start: np.ndarray
    net: np.ndarray
    fees: np.ndarray
    volume: np.ndarray


def periods(run: "Run") -> Periods:
    """Return a run by days; by hours, minutes or seconds if it has fewer than three."""
    ts, net, _ = run.rows.path
    rows = run.equity_rows
    span = int(ts[-1] - ts[0])
    length, name = next((one for one in _PERIODS if span >= _ENOUGH_PERIODS * one[0]), _PERIODS[-1])
    first = int(ts[0]) // length
    n = _number(int(ts[-1]), int(ts[0]), length) - first + 1

    def sums(at: np.ndarray, change: np.ndarray) -> np.ndarray:
        return np.bincount(_number(at, int(ts[0]), length) - first, change, n)

    return Periods(
        name,
        length,
        (first + np.arange(n)) * length,
        sums(ts[1:], np.diff(net)),
        sums(rows["ts"], np.diff(rows["fees"], prepend=0.0)),
        sums(rows["ts"], np.diff(rows["volume"], prepend=0.0)),
    )


def _number(ts: Any, first: int, length: int) -> Any:
    """Return which period a sample speaks of: midnight's is of the day that ends."""
    return np.maximum(ts - 1, first) // length


def activity(run: "Run") -> Plot:
    """Return what was traded and what it cost, period by period."""
    if len(run.rows.path[0]) < 2:
        return Plot("activity", "Turnover and fees", "", reason=_FEW)
    found = periods(run)
    title = f"Turnover and fees per {found.name}"
    caption = "Notional traded and fees paid in quote currency; negative fees are rebates."
    if not found.volume.any():
        return Plot("activity", title, caption, reason="Nothing was traded.", is_time=True)
    panels = [
        Panel(
            "Turnover", [_bars(found, found.volume, "Turnover", "bar")], 1, {"tickformat": ",.4~s"}
        ),
        Panel("Fees", [_bars(found, found.fees, "Fees", "fees")], 1, {"tickformat": ",.4~s"}),
    ]
    alt = (
        f"per {found.name}: turnover {found.volume.mean():,.0f} on average, at most "
        f"{found.volume.max():,.0f}; fees {found.fees.mean():,.4g} on average"
    )
    return Plot("activity", title, caption, alt, stack(panels, 360, _span(run)), is_time=True)


def _bars(found: Periods, values: np.ndarray, name: str, color: str) -> Spec:
    return {
        "type": "bar",
        "name": name,
        "x": times(found.start),
        "xperiod": found.length_ns / 1e6,
        "xperiodalignment": "middle",
        "y": np.asarray(values, "f8"),
        "marker": {"color": LIGHT[color]},
        "hovertemplate": "%{y:,.6~f}",
        "showlegend": False,
    }


def period_results(run: "Run") -> Plot:
    """Return the distribution of the net result of days, or of shorter periods."""
    if len(run.rows.path[0]) < 2:
        return Plot("period-results", "Result per day", "", reason=_FEW)
    found = periods(run)
    title = f"Result per {found.name}"
    caption = (
        f"Net change of the equity in each {found.name}, in quote currency; the outermost "
        "bars hold 0.5 % each."
    )
    if len(found.net) < _ENOUGH_PERIODS:
        return Plot("period-results", title, caption, reason=f"Fewer than 3 {found.name}s.")
    gains = float((found.net > 0).mean())
    alt = (
        f"{len(found.net)} {found.name}s, {gains:.0%} of them profitable, worst "
        f"{found.net.min():,.4g}, best {found.net.max():,.4g}"
    )
    spec = histogram(found.net, "quote currency", f"{found.name}s")
    return Plot("period-results", title, caption, alt, spec)


def rolling(run: "Run") -> Plot:
    """Return Sharpe ratio and volatility over a window that moves through the run."""
    title = "Rolling Sharpe ratio and volatility"
    rows = run.rows
    returns, step = rows.returns, rows.interval_ns
    if len(returns) < _FEWEST_RETURNS:
        return Plot("rolling", title, "", reason=f"Fewer than {_FEWEST_RETURNS} returns.")
    window = max(_SHORTEST_WINDOW, len(returns) // _WINDOWS)
    views = np.lib.stride_tricks.sliding_window_view(returns, window)
    mean, deviation = views.mean(axis=1), views.std(axis=1, ddof=1)
    # Equal returns leave rounding noise instead of a deviation of 0.
    deviation[deviation <= 1e-12 * np.abs(views).max(axis=1)] = np.nan
    sharpe = mean / deviation * rows.periods_per_year**0.5
    volatility = deviation * rows.periods_per_year**0.5
    ts = rows.start_ns + step * np.arange(window, len(returns) + 1)
    caption = (
        f"Windows of {window} returns over {duration(step)} ({duration(window * step)} each), "
        "annualised to 365 days without a risk-free rate; the same returns as the statistics'."
    )
    if not np.isfinite(sharpe).any():
        return Plot("rolling", title, caption, reason="The equity did not change in any window.")
    shown = line(ts, sharpe, "Sharpe ratio", "net", hovertemplate="%{y:.2f}", showlegend=False)
    spread = line(ts, volatility, "Volatility", "fees", hovertemplate="%{y:.4%}", showlegend=False)
    zero = {"zeroline": True, "zerolinecolor": LIGHT["line"], "tickformat": ",.4~s"}
    panels = [
        Panel("Sharpe ratio", [shown], 1.2, zero),
        Panel("Volatility", [spread], 1, {"tickformat": ".3~%", "rangemode": "tozero"}),
    ]
    alt = (
        f"Sharpe ratio between {np.nanmin(sharpe):.2f} and {np.nanmax(sharpe):.2f}, annual "
        f"volatility between {np.nanmin(volatility):.3%} and {np.nanmax(volatility):.3%}"
    )
    return Plot("rolling", title, caption, alt, stack(panels, 360, _span(run)), is_time=True)


def hours_of_week(run: "Run") -> Plot:
    """Return the net result by hour of the day and day of the week."""
    title = "Hours of the week"
    caption = (
        "Net result in quote currency by weekday and hour, UTC; blank where the run has no sample."
    )
    ts, net, _ = run.rows.path
    if len(ts) < 2:
        return Plot("hours", title, caption, reason=_FEW)
    before = ts[1:] - 1  # a sample speaks of the time before it
    hour = before // (3600 * SECOND_NS) % 24
    weekday = (before // DAY_NS + _EPOCH_WEEKDAY) % 7
    cell = weekday * 24 + hour
    total = np.bincount(cell, np.diff(net), 7 * 24)
    total[np.bincount(cell, minlength=7 * 24) == 0] = np.nan
    total = total.reshape(7, 24)
    best = divmod(int(np.nanargmax(total)), 24)
    worst = divmod(int(np.nanargmin(total)), 24)
    alt = (
        f"best {_WEEKDAYS[best[0]]} {best[1]:02d} h with {np.nanmax(total):,.4g}, worst "
        f"{_WEEKDAYS[worst[0]]} {worst[1]:02d} h with {np.nanmin(total):,.4g}"
    )
    hours = [f"{one:02d}" for one in range(24)]
    spec = _calendar(total, hours, list(_WEEKDAYS), ",.4~s", "%{y} %{x} h: %{z:,.6~g}")
    return Plot("hours", title, caption, alt, spec)


def months(run: "Run") -> Plot | None:
    """Return the net return of each month, None for a run within one or two of them."""
    ts, net, _ = run.rows.path
    if len(ts) < 2:
        return None
    month = np.maximum(ts - 1, ts[0]).astype("datetime64[ns]").astype("datetime64[M]").astype("i8")
    last = np.flatnonzero(np.diff(month, append=month[-1] + 1))
    if len(last) <= 2:
        return None
    end = net[last]
    start = np.concatenate((net[:1], end[:-1]))
    returned = end / np.where(start > 0, start, np.nan) - 1
    year = month[last] // 12
    table = np.full((int(year[-1] - year[0]) + 1, 12), np.nan)
    table[year - year[0], month[last] % 12] = returned
    names = [str(1970 + one) for one in range(int(year[0]), int(year[-1]) + 1)]
    alt = f"{len(last)} months, {float((returned > 0).mean()):.0%} of them profitable"
    spec = _calendar(table, list(_MONTHS), names, ".2~%", "%{x} %{y}: %{z:.3%}")
    caption = "Net return of each month, UTC."
    return Plot("months", "Months", caption, alt, spec)


def _span(run: "Run") -> tuple[int, int]:
    return run.rows.start_ns, run.rows.stop_ns


def _calendar(values: np.ndarray, x: list[str], y: list[str], form: str, hover: str) -> Spec:
    """Return a heatmap whose colours are even around 0, the first row on top."""
    largest = float(np.nanmax(np.abs(values))) or 1.0
    cells = {
        "type": "heatmap",
        "x": x,
        "y": y,
        "z": values,
        "xgap": 2,
        "ygap": 2,
        "coloraxis": "coloraxis",
        "hovertemplate": hover + "<extra></extra>",
        "hoverongaps": False,
    }
    layout = plain_layout(
        max(200, 80 + 40 * len(y)),
        hovermode="closest",
        xaxis=axis(type="category", showgrid=False, dtick=1),
        yaxis=axis(type="category", showgrid=False, autorange="reversed"),
        coloraxis={
            "colorscale": diverging(),
            "cmin": -largest,
            "cmax": largest,
            "colorbar": {"thickness": 10, "tickformat": form, "outlinewidth": 0},
        },
    )
    layout["margin"] |= {"t": 14}
    return {"data": [cells], "layout": layout}


_FEW: Final = "The run has fewer than two samples of its equity."

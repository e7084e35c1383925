"""The figures of a report, in order of importance, each with its caption and its words.

Layer 3.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report.figures import overview_spec
from livekit.research.report.figures_calendar import (
    activity,
    hours_of_week,
    months,
    period_results,
    rolling,
)
from livekit.research.report.figures_fills import fill_results, latencies, markouts, time_to_fill
from livekit.research.report.figures_plot import Plot, Spec, axis, plain_layout, stack, titled
from livekit.research.report.figures_series import fills_of, main_instrument, mids, traded
from livekit.research.report.figures_time import attribution_panel, exposure_panel, price_panel
from livekit.research.report.stats_return import drawdowns
from livekit.research.report.theme import LIGHT

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["plots"]

_OVERVIEW: Final = "Equity, drawdown, price and position"
_MAX_PRICES: Final = 6  # instruments whose prices a report shows
_NO_EQUITY: Final = "The run has no sample of its equity."
_ROUNDING: Final = 1e-9  # of the largest source: what the sums of floats leave
_SOURCES: Final = (
    ("pnl_spread", "Spread"),
    ("pnl_slippage", "Slippage"),
    ("pnl_inventory", "Inventory"),
    ("pnl_fees", "Fees"),
    ("pnl_rebates", "Rebates"),
    ("pnl_funding", "Funding"),
    ("pnl_unexplained", "Unexplained"),
)
_NO_FILLS: Final = "The run has no fills."


def plots(run: "Run", prices: Any = None) -> list[Plot]:
    """Return every figure of a run's report, or why it cannot be drawn.

    Parameters
    ----------
    run : Run
        Of any kind and of any length, none included.
    prices : pandas.DataFrame, optional
        Mids, as for `figures.overview`.
    """
    if not run.rows.instruments:
        reason = "The run lists no instruments."
        return [Plot("overview", _OVERVIEW, "", reason=reason, is_wide=True)]
    first, *others = traded(run)[:_MAX_PRICES] or [main_instrument(run)]
    made = [
        _overview(run, prices, first),
        *(_price(run, prices, instrument) for instrument in others),
        _exposure(run),
        _attribution(run),
        _sources(run),
        markouts(run),
        fill_results(run),
        period_results(run),
        rolling(run),
        hours_of_week(run),
        months(run),
        activity(run),
        latencies(run),
        time_to_fill(run),
    ]
    return [plot for plot in made if plot is not None]


def _overview(run: "Run", prices: Any, instrument: int) -> Plot:
    title = _OVERVIEW
    caption = (
        "Net is after fees and funding, gross before both; drawdown is net. Lines keep the "
        "extremes of what they stand for, and of many fills the highest and lowest are shown. "
        "Drag to zoom, double-click to return: all figures over time follow. A name in a "
        "legend hides or shows its line."
    )
    ts, net, _ = run.rows.path
    if len(ts) < 2:
        return Plot("overview", title, caption, reason=_NO_EQUITY, is_wide=True)
    name = run.rows.symbols[instrument]
    alt = (
        f"net equity from {net[0]:,.2f} to {net[-1]:,.2f}, between {net.min():,.2f} and "
        f"{net.max():,.2f}; largest drawdown {-float(np.nanmin(drawdowns(net))):.4%}; "
        f"{len(run.fill_rows):,} fills, price of {name}"
    )
    spec = overview_spec(run, prices, name)
    return Plot("overview", title, caption, alt, spec, is_time=True, is_wide=True)


def _price(run: "Run", prices: Any, instrument: int) -> Plot:
    fills = fills_of(run, instrument)
    spec = stack([price_panel(fills, mids(run, fills, prices))], 360, _span(run))
    alt = f"{len(fills.ts):,} fills between {fills.price.min():,} and {fills.price.max():,}"
    return Plot(
        f"price-{instrument}",
        f"Price and fills of {fills.symbol}",
        "Triangles up are buys, down are sells; filled are makers, hollow are takers.",
        alt,
        spec,
        is_time=True,
        is_wide=True,
    )


def _exposure(run: "Run") -> Plot:
    title, caption = "Exposure", "Value of all positions at the mark, in quote currency."
    rows = run.equity_rows
    if not len(rows):
        return Plot("exposure", title, caption, reason=_NO_EQUITY)
    if not rows["gross_exposure"].any():
        return Plot("exposure", title, caption, reason="The run never held a position.")
    alt = (
        f"net between {rows['net_exposure'].min():,.2f} and {rows['net_exposure'].max():,.2f}, "
        f"gross at most {rows['gross_exposure'].max():,.2f}"
    )
    spec = stack([exposure_panel(run)], 320, _span(run))
    return Plot("exposure", title, caption, alt, spec, is_time=True)


def _attribution(run: "Run") -> Plot:
    title = "Profit attribution over time"
    caption = (
        "Each source's sum so far in quote currency; at every moment they add up to the net. "
        "Inventory holds what no other source explains."
    )
    if len(run.rows.path[0]) < 2 or not len(run.fill_rows):
        return Plot("attribution", title, caption, reason=_NO_FILLS)
    alt = f"{_in_words(run)}, shown as sums over time"
    spec: Spec = stack([attribution_panel(run)], 380, _span(run))
    return Plot("attribution", title, caption, alt, spec, is_time=True)


def _sources(run: "Run") -> Plot:
    title = "Profit attribution"
    caption = (
        "Spread: what makers' fills earned against the mid. Slippage: what takers' fills paid. "
        "Inventory: what the positions earned from moves of the mid."
    )
    parts = _totals(run)
    if not len(run.fill_rows):
        return Plot("sources", title, caption, reason=_NO_FILLS)
    if not np.isfinite(list(parts.values())).all():
        return Plot("sources", title, caption, reason="A position has no mark at the end.")
    total = float(run.stat("pnl_net"))
    names, values = [*parts, "Net"], np.array([*parts.values(), 0.0])
    bars = {
        "type": "waterfall",
        "x": names,
        "y": values,
        "measure": [*["relative"] * len(parts), "total"],
        "text": [_signed(one) for one in (*parts.values(), total)],
        "textposition": "outside",
        "cliponaxis": False,
        "constraintext": "none",
        "textangle": 0,
        "increasing": {"marker": {"color": LIGHT["buy"]}},
        "decreasing": {"marker": {"color": LIGHT["sell"]}},
        "totals": {"marker": {"color": LIGHT["muted"]}},
        "connector": {"line": {"color": LIGHT["line"], "width": 1}},
        "hovertemplate": "%{x}: %{text}<extra></extra>",
        "showlegend": False,
    }
    layout = plain_layout(
        380,
        hovermode="closest",
        xaxis=axis(type="category", showgrid=False),
        yaxis=titled("quote currency", zeroline=True, zerolinecolor=LIGHT["line"]),
    )
    return Plot("sources", title, caption, _in_words(run), {"data": [bars], "layout": layout})


def _totals(run: "Run") -> dict[str, float]:
    """Return the sources of the profit, those that are 0 left out."""
    found = {name: float(run.stat(key)) for key, name in _SOURCES}
    rounding = abs(found.pop("Unexplained")) <= _ROUNDING * max(map(abs, found.values()))
    left = {} if rounding else {"Unexplained": float(run.stat("pnl_unexplained"))}
    return {name: value for name, value in (found | left).items() if value}


def _in_words(run: "Run") -> str:
    said = ", ".join(f"{name.lower()} {_signed(value)}" for name, value in _totals(run).items())
    return f"{said}; net {_signed(float(run.stat('pnl_net')))}"


def _span(run: "Run") -> tuple[int, int]:
    return run.rows.start_ns, run.rows.stop_ns


def _signed(value: float) -> str:
    text = f"{value:+,.2f}" if abs(value) >= 1 or not value else f"{value:+.4g}"
    return text.replace("-", "\N{MINUS SIGN}", 1)

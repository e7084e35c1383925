"""Figures over the run's time: equity, drawdown, price with fills, position, exposure.

Each line is thinned to its extremes before it leaves Python, so that a figure's size
does not grow with the run.
Layer 3.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report import downsample
from livekit.research.report.figures_plot import MAX_POINTS, Panel, Spec, times
from livekit.research.report.figures_series import (
    Fills,
    Mids,
    benchmark,
    main_instrument,
    position,
    profit_parts,
    traded,
)
from livekit.research.report.stats_return import drawdowns
from livekit.research.report.theme import LIGHT, band

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = [
    "MAX_MARKERS",
    "attribution_panel",
    "drawdown_panel",
    "equity_panel",
    "exposure_panel",
    "line",
    "position_panel",
    "price_panel",
]

MAX_MARKERS: Final = 240  # of one kind: more of them are a smear

_MANY_MARKERS: Final = 120
_MUCH_LARGER: Final = 5.0
_MAX_POSITIONS: Final = 6
_POSITION_COLORS: Final = ("position", "benchmark", "spread", "fees", "drawdown", "bar")
_KINDS: Final = (
    # name, is_buy, is_maker, colour, symbol
    ("Buy, maker", True, True, "buy", "triangle-up"),
    ("Sell, maker", False, True, "sell", "triangle-down"),
    ("Buy, taker", True, False, "buy", "triangle-up-open"),
    ("Sell, taker", False, False, "sell", "triangle-down-open"),
)


def line(ts: np.ndarray, values: np.ndarray, name: str, color: str, **changes: Any) -> Spec:
    """Return a thinned line over time, in the theme's colour of that name."""
    kept = downsample.line(ts, values, MAX_POINTS)
    trace = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": times(ts[kept]),
        "y": np.asarray(values[kept], "f8"),
        "line": {"color": LIGHT[color], "width": 1.5, **changes.pop("line", {})},
        "hovertemplate": "%{y:,.2f}",
        "connectgaps": False,
    }
    return {**trace, **changes}


def equity_panel(run: "Run", fills: Fills, found: Mids) -> Panel:
    """Return equity after and before fees and funding, and what holding would have been."""
    ts, net, gross = run.rows.path
    traces = [
        line(ts, gross, "Gross", "gross", line={"dash": "dot"}),
        line(ts, net, "Net", "net", line={"width": 2}),
    ]
    name, held = benchmark(run, found, fills.symbol)
    if np.isfinite(held).any():
        trace = line(ts, held, name, "benchmark", line={"dash": "dash"})
        # A market moves more than a market maker earns: then it is shown when asked for.
        is_larger = _spread_of(held) > _MUCH_LARGER * _spread_of(np.append(net, gross))
        if is_larger:
            trace |= {"visible": "legendonly", "name": f"{name} (click to show)"}
        traces.append(trace)
    return Panel("Equity", traces, 1.5, {"tickformat": ",.8~f"})


def _spread_of(values: np.ndarray) -> float:
    return float(np.nanmax(values) - np.nanmin(values))


def drawdown_panel(run: "Run") -> Panel:
    """Return how far the net equity is below its highest value so far."""
    ts, net, _ = run.rows.path
    trace = line(
        ts,
        drawdowns(net),
        "Drawdown",
        "drawdown",
        fill="tozeroy",
        fillcolor=band(LIGHT["drawdown"]),
        hovertemplate="%{y:.4%}",
        showlegend=False,
        line={"width": 1.2},
    )
    return Panel("Drawdown", [trace], 0.8, {"tickformat": ".5~%", "rangemode": "tozero"})


def price_panel(fills: Fills, found: Mids) -> Panel:
    """Return the price of an instrument with its fills: by side, and maker or taker."""
    traces = []
    for label, is_buy, is_maker, color, shape in _KINDS:
        of = np.flatnonzero((fills.is_buy == is_buy) & (fills.is_maker == is_maker))
        if len(of):
            traces.append(_markers(fills, of, label, color, shape))
    if len(found.ts):
        # Last, so that many markers do not hide it.
        width = {"width": 1.2}
        traces.append(line(found.ts, found.mid, found.name, "price", line=width))
    return Panel(fills.symbol, traces, 1.7, {"tickformat": ",.8~f"})


def _markers(fills: Fills, of: np.ndarray, label: str, color: str, shape: str) -> Spec:
    kept = of[downsample.extremes(fills.ts[of], fills.price[of], MAX_MARKERS)]
    is_open = shape.endswith("-open")
    is_dense = len(kept) > _MANY_MARKERS
    shown = f"{len(of):,}" if len(kept) == len(of) else f"{len(kept):,} of {len(of):,}"
    return {
        "type": "scatter",
        "mode": "markers",
        "name": f"{label} ({shown})",
        "x": times(fills.ts[kept]),
        "y": fills.price[kept],
        "customdata": fills.quantity[kept],
        "marker": {
            "symbol": shape,
            "size": 6 if is_dense else 9,
            "opacity": 0.7 if is_dense else 0.95,
            "color": LIGHT[color],
            "line": {
                "width": 1.4 if is_open else 0.6,
                "color": LIGHT[color if is_open else "card"],
            },
        },
        "hovertemplate": "%{customdata:.6~g} at %{y:,.8~f}",
    }


def position_panel(run: "Run") -> Panel:
    """Return the inventory: units of the one instrument, or several at their last price."""
    found = traded(run)[:_MAX_POSITIONS] or [main_instrument(run)]
    is_single = len(found) == 1
    traces = []
    for instrument, color in zip(found, _POSITION_COLORS, strict=False):
        ts, held = position(run, instrument)
        values = held if is_single else held * _last_value(run, instrument)
        name = f"Position {run.rows.symbols[instrument]}"
        filled = {"fill": "tozeroy", "fillcolor": band(LIGHT[color])} if is_single else {}
        shown = line(ts, values, name, color, line={"shape": "hv"}, hovertemplate="%{y:,.6~f}")
        traces.append(shown | filled)
    title = "Position" if is_single else "Position, value"
    return Panel(title, traces, 0.9, {"zeroline": True, "zerolinecolor": LIGHT["line"]})


def _last_value(run: "Run", instrument: int) -> float:
    """Return the value of one unit of an instrument at its last fill."""
    rows = run.rows
    last = rows.by_instrument[instrument][-1]
    return float(rows.price[last] * rows.contract_values[instrument])


def exposure_panel(run: "Run") -> Panel:
    """Return the value of all positions, signed and unsigned."""
    rows = run.equity_rows
    traces = [
        line(
            rows["ts"],
            rows["gross_exposure"],
            "Gross exposure",
            "gross",
            fill="tozeroy",
            fillcolor=band(LIGHT["gross"], 0.12),
            line={"shape": "hv", "width": 1},
        ),
        line(rows["ts"], rows["net_exposure"], "Net exposure", "net", line={"shape": "hv"}),
    ]
    return Panel("Value", traces, 1.0, {"tickformat": ",.5~s"})


def attribution_panel(run: "Run") -> Panel:
    """Return where the net profit came from, so far, at each sample."""
    parts = profit_parts(run)
    shown = (
        ("Spread captured", parts.spread, "spread"),
        ("Slippage", parts.slippage, "slippage"),
        ("Inventory", parts.inventory, "inventory"),
        ("Fees and rebates", parts.fees, "fees"),
        ("Funding", parts.funding, "funding"),
    )
    traces = [line(parts.ts, values, name, color) for name, values, color in shown if values.any()]
    traces.append(line(parts.ts, parts.net, "Net", "ink", line={"width": 2.4}))
    return Panel("Profit so far", traces, 1.0, {"zeroline": True, "zerolinecolor": LIGHT["line"]})

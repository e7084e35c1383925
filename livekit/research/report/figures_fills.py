"""Figures of what became of fills and orders: markouts, results, latencies.

Layer 3.
"""

import itertools
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from livekit.research.report.figures_plot import Plot, Spec, axis, plain_layout, titled
from livekit.research.report.rows import Rows
from livekit.research.report.stats_execution import is_denied
from livekit.research.report.theme import LIGHT, band
from livekit.trading.ledger_layout import HORIZONS_NS

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = [
    "duration",
    "fill_results",
    "histogram",
    "latencies",
    "markout",
    "markouts",
    "time_to_fill",
]

_Z_95: Final = 1.959963984540054  # of the normal distribution
_BPS: Final = 1e4
_N_BINS: Final = 60
_TAIL: Final = 0.5  # per cent at either end that the outermost bins take together
_BINS_PER_DECADE: Final = 10
_LATENCY_NAMES: Final = {
    "feed_ns": "Feed",
    "decision_ns": "Decision",
    "order_ns": "Order",
    "response_ns": "Response",
    "lag_ns": "Consumer lag",
}
_COLORS: Final = ("net", "sell", "spread", "benchmark", "fees", "muted")


def markout(rows: Rows, chosen: np.ndarray, horizon: int) -> tuple[float, float, int]:
    """Return the mean markout, half of its 95 % interval, and the number of fills.

    Parameters
    ----------
    rows : Rows
        Of the run.
    chosen : int64[n]
        Numbers of the fills meant.
    horizon : int
        0 for the time of the fill, k for the k-th of ``HORIZONS_NS``.

    Returns
    -------
    mean, half : float
        Basis points of the fill's price, by notional as in the statistics; positive is
        good for whoever was filled. ``half`` is NaN with fewer than two clusters.
    n : int
        Fills with a mid at that time.

    Notes
    -----
    Fills within one horizon see the same move of the market, so they are no independent
    draws. Fills of the same stretch of one horizon's length count as one cluster; the
    variance is that of clusters' sums with the factor G / (G - 1) for G clusters.
    """
    if horizon == 0:
        gained = (rows.sign * (rows.mid - rows.price) / rows.price * _BPS)[chosen]
    else:
        gained = rows.markout_bps(horizon - 1)[chosen]
    weight = rows.notional[chosen]
    is_there = np.isfinite(gained) & (weight > 0)
    gained, weight = gained[is_there], weight[is_there]
    if not len(gained):
        return np.nan, np.nan, 0
    mean = float(np.sum(gained * weight) / weight.sum())
    length = 1 if horizon == 0 else HORIZONS_NS[horizon - 1]
    stretch = rows.fills["ts_venue"][chosen][is_there] // length
    _, cluster = np.unique(stretch, return_inverse=True)
    sums = np.bincount(cluster, (gained - mean) * weight)
    n_clusters = len(sums)
    if n_clusters < 2:
        return mean, np.nan, len(gained)
    variance = float((sums**2).sum()) * n_clusters / (n_clusters - 1) / float(weight.sum()) ** 2
    return mean, _Z_95 * variance**0.5, len(gained)


def markouts(run: "Run") -> Plot:
    """Return the price after a fill against the fill's, by side, maker and taker apart."""
    title = "Markouts"
    caption = (
        "Mid after the fill against the price of the fill, in basis points, positive is good "
        "for us: spread earned at the fill, adverse selection after it. Means by notional; "
        "bands are their 95 % intervals, fills within one horizon count as one observation."
    )
    if not len(run.fill_rows):
        return Plot("markouts", title, caption, reason="The run has no fills.")
    data: list[Spec] = []
    said = []
    rows = run.rows
    for is_maker, what, dash in ((True, "maker", "solid"), (False, "taker", "dash")):
        for sign, name, color in ((1, "Buys", "buy"), (-1, "Sells", "sell")):
            chosen = np.flatnonzero((rows.sign == sign) & (rows.is_maker == is_maker))
            points = [markout(rows, chosen, horizon) for horizon in range(len(HORIZONS_NS) + 1)]
            if any(n for _, _, n in points):
                data += _markout_traces(points, f"{name}, {what}", color, dash)
                at_fill, after = points[0][0], points[-1][0]
                said.append(
                    f"{name}, {what}: {at_fill:.2f} bps at the fill, {after:.2f} after 60 s"
                )
    if not data:
        return Plot("markouts", title, caption, reason="No fill has a mid at or after it.")
    ticks = ["at fill", *(duration(ns) for ns in HORIZONS_NS)]
    layout = plain_layout(
        360,
        xaxis=titled("after the fill", tickvals=list(range(len(ticks))), ticktext=ticks),
        yaxis=titled("bps", zeroline=True, zerolinecolor=LIGHT["line"], zerolinewidth=1.5),
    )
    return Plot("markouts", title, caption, "; ".join(said), {"data": data, "layout": layout})


def _markout_traces(
    points: list[tuple[float, float, int]], name: str, color: str, dash: str
) -> list[Spec]:
    """Return a line of means and the band around it."""
    mean, half = np.array([p[0] for p in points]), np.array([p[1] for p in points])
    x = np.arange(len(points), dtype="f8")
    is_there = np.isfinite(mean) & np.isfinite(half)
    around = np.concatenate(((mean + half)[is_there], (mean - half)[is_there][::-1]))
    edge = {
        "type": "scatter",
        "mode": "lines",
        "name": name,
        "x": np.concatenate((x[is_there], x[is_there][::-1])),
        "y": around,
        "fill": "toself",
        "fillcolor": band(LIGHT[color], 0.14),
        "line": {"width": 0},
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": name,
    }
    means = {
        "type": "scatter",
        "mode": "lines+markers",
        "name": name,
        "x": x,
        "y": mean,
        "customdata": np.column_stack((half, [float(p[2]) for p in points])),
        "line": {"color": LIGHT[color], "dash": dash, "width": 2},
        "marker": {"size": 7, "symbol": "circle" if dash == "solid" else "circle-open"},
        "hovertemplate": "%{y:.3f} ± %{customdata[0]:.3f} bps, %{customdata[1]:,.0f} fills",
        "legendgroup": name,
    }
    return [edge, means] if is_there.any() else [means]


def fill_results(run: "Run") -> Plot:
    """Return the distribution of what fills had earned 10 s later, after their fees."""
    title = "Result per fill"
    caption = (
        "What each fill had earned 10 s later at the mid, after its fee, in quote currency. "
        f"The outermost bars hold {_TAIL:g} % of the fills each."
    )
    rows = run.rows
    gained = rows.sign * (rows.fills["mid_10s"] - rows.price) * rows.size - rows.fee
    gained = gained[np.isfinite(gained)]
    if len(gained) < 2:
        reason = "Fewer than two fills have a mid 10 s after them."
        return Plot("fill-results", title, caption, reason=reason)
    alt = f"{len(gained):,} fills, mean {gained.mean():.6g}, median {np.median(gained):.6g}"
    return Plot("fill-results", title, caption, alt, histogram(gained, "quote currency", "fills"))


def histogram(values: np.ndarray, unit: str, of: str) -> Spec:
    """Return bars of how often values fall where, losses and gains in their colours."""
    low, high = np.percentile(values, [_TAIL, 100 - _TAIL])
    if low == high:
        low, high = float(values.min()), float(values.max())
    n_bins = int(np.clip(2 * np.sqrt(len(values)), 8, _N_BINS))
    counts, edges = np.histogram(np.clip(values, low, high), bins=n_bins)
    middle, width = (edges[1:] + edges[:-1]) / 2, float(edges[1] - edges[0])
    mean = float(values.mean())
    bars = {
        "type": "bar",
        "x": middle,
        "y": counts.astype("f8"),
        "width": width,
        "marker": {
            "color": [LIGHT["buy"] if at >= 0 else LIGHT["sell"] for at in middle],
            "line": {"width": 0.5, "color": LIGHT["card"]},
        },
        "customdata": np.column_stack((edges[:-1], edges[1:])),
        "hovertemplate": "%{customdata[0]:.5g} to %{customdata[1]:.5g}: %{y:,} "
        + of
        + "<extra></extra>",
        "showlegend": False,
    }
    layout = plain_layout(
        360, hovermode="closest", xaxis=titled(unit), yaxis=titled(of, rangemode="tozero")
    )
    layout["shapes"] = [
        {
            "type": "line",
            "yref": "paper",
            "y0": 0,
            "y1": 1,
            "x0": mean,
            "x1": mean,
            "line": {"color": LIGHT["ink"], "dash": "dot", "width": 1.5},
        }
    ]
    layout["annotations"] = [
        {
            "x": mean,
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "showarrow": False,
            "text": f"mean {mean:.4g}",
        }
    ]
    return {"data": [bars], "layout": layout}


def time_to_fill(run: "Run") -> Plot:
    """Return how long fills took after their orders were made, makers and takers apart."""
    title = "Time to fill"
    caption = "From the order's creation to each of its fills at the venue; logarithmic."
    waited = run.rows.time_to_fill_s * 1e9
    is_maker = run.rows.is_maker
    series = {"Maker": waited[is_maker], "Taker": waited[~is_maker]}
    return _log_histogram("time-to-fill", title, caption, series, "The run has no fills.")


def latencies(run: "Run") -> Plot:
    """Return how long the ways to the venue and back took."""
    title = "Latency"
    caption = (
        "Recorded or modelled times of the run, and from an order's request to the venue's "
        "first report of it; logarithmic."
    )
    rows = run.order_rows
    series = {
        _LATENCY_NAMES.get(name, name): np.asarray(values, "f8")
        for name, values in (run.meta.get("latency") or {}).items()
        if isinstance(values, list | tuple | np.ndarray)
    }
    is_acked = (rows["acked_ns"] > 0) & ~is_denied(rows)
    acked = (rows["acked_ns"] - rows["created_ns"])[is_acked]
    series.setdefault("Acknowledgement", acked.astype("f8"))
    reason = "No order was acknowledged and the run recorded no latencies."
    return _log_histogram("latency", title, caption, series, reason)


def _log_histogram(
    name: str, title: str, caption: str, series: Mapping[str, np.ndarray], reason: str
) -> Plot:
    """Return shares of durations in ns per bin of a logarithmic axis."""
    found = {label: values for label, values in series.items() if len(values)}
    if not found:
        return Plot(name, title, caption, reason=reason)
    positive = {label: values[values > 0] for label, values in found.items()}
    everything = np.concatenate(list(positive.values()))
    if not len(everything):
        n = sum(map(len, found.values()))
        return Plot(name, title, caption, reason=f"All {n:,} took no time: the models have none.")
    low = np.floor(np.log10(everything.min()) * _BINS_PER_DECADE)
    high = np.floor(np.log10(everything.max()) * _BINS_PER_DECADE) + 1
    edges = np.arange(low, high + 1) / _BINS_PER_DECADE
    data, said = [], []
    for (label, values), color in zip(found.items(), _COLORS, strict=False):
        data.append(_log_steps(label, values, edges, color))
        p50, p99 = np.percentile(values, [50, 99])
        said.append(f"{label}: median {duration(p50)}, 99 % within {duration(p99)}")
    ticks = _log_ticks(float(edges[0]), float(edges[-1]))
    layout = plain_layout(
        340,
        hovermode="closest",
        xaxis=axis(
            tickvals=[math.log10(one) for one in ticks],
            ticktext=[duration(one) for one in ticks],
            range=[edges[0] - 0.15, edges[-1] + 0.15],
        ),
        yaxis=titled("share", tickformat=".3~%", rangemode="tozero"),
    )
    return Plot(name, title, caption, "; ".join(said), {"data": data, "layout": layout})


def _log_ticks(low: float, high: float) -> list[float]:
    """Return round durations in ns between two powers of ten: 1, or 1, 2 and 5 of each."""
    heads = (1, 2, 5) if high - low <= 2.5 else (1,)
    powers = range(math.floor(low), math.ceil(high) + 1)
    found = [head * 10.0**power for power in powers for head in heads]
    return [one for one in found if low - 0.15 <= math.log10(one) <= high + 0.15]


def _log_steps(label: str, values: np.ndarray, edges: np.ndarray, color: str) -> Spec:
    """Return the outline of a histogram: bars of several series would hide each other."""
    positive = values[values > 0]
    # The last edge lies above the largest value, but for rounding of the logarithm.
    logs = np.clip(np.log10(positive), edges[0], np.nextafter(edges[-1], edges[0]))
    counts, _ = np.histogram(logs, edges)
    n_zero = len(values) - len(positive)
    p50 = duration(float(np.percentile(values, 50)))
    ranges = [f"{duration(10.0**a)} to {duration(10.0**b)}" for a, b in itertools.pairwise(edges)]
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{label}, median {p50}" + (f", {n_zero:,} took no time" if n_zero else ""),
        "x": np.concatenate((edges[:1], edges)),
        "y": np.concatenate(([0.0], counts / len(values), [0.0])),
        "line": {"color": LIGHT[color], "width": 1.6, "shape": "hv"},
        "fill": "tozeroy",
        "fillcolor": band(LIGHT[color], 0.22),
        "customdata": ["", *ranges, ""],
        "hovertemplate": "%{customdata}: %{y:.2%}<extra>" + label + "</extra>",
        "showlegend": True,
    }


def duration(ns: float) -> str:
    """Return a duration in the unit that suits it."""
    for limit, divisor, unit in (
        (1e3, 1, "ns"),
        (1e6, 1e3, "µs"),
        (1e9, 1e6, "ms"),
        (120e9, 1e9, "s"),
        (7200e9, 60e9, "min"),
        (48 * 3600e9, 3600e9, "h"),
    ):
        if ns < limit:
            return f"{ns / divisor:.3g} {unit}"
    return f"{ns / 86400e9:.4g} d"

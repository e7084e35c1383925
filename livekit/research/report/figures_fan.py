"""Equity under several assumptions, and the band that they span.

Layer 3.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.report import downsample
from livekit.research.report.figures_plot import MAX_POINTS, Panel, Spec, stack, times
from livekit.research.report.figures_time import line
from livekit.research.report.theme import LIGHT, band

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["fan_spec"]

_COLORS: Final = ("sell", "price", "position", "buy", "fees", "spread")


def fan_spec(runs: Mapping[str, "Run"]) -> Spec:
    """Return one figure of the equity of each run, with the band from lowest to highest.

    Raises
    ------
    ConfigError
        There is no run with a sample of its equity.
    """
    paths = {name: run.rows.path for name, run in runs.items() if len(run.rows.path[0])}
    if not paths:
        raise ConfigError("there is no run with a sample of its equity to draw")
    ts = next(iter(paths.values()))[0]
    for other, _, _ in paths.values():
        ts = np.intersect1d(ts, other)
    values = np.stack([net[np.searchsorted(at, ts)] for at, net, _ in paths.values()])
    traces = _band(ts, values) if len(paths) > 1 and len(ts) else []
    for number, (name, (at, net, _)) in enumerate(paths.items()):
        traces.append(line(at, net, name, _COLORS[number % len(_COLORS)]))
    first = min(int(at[0]) for at, _, _ in paths.values())
    last = max(int(at[-1]) for at, _, _ in paths.values())
    return stack([Panel("Equity", traces, 1.0, {"tickformat": ",.8~f"})], 460, (first, last))


def _band(ts: np.ndarray, values: np.ndarray) -> list[Spec]:
    """Return the area between the lowest and the highest line."""
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    kept = downsample.line(ts, high - low, MAX_POINTS)
    shared = {
        "type": "scatter",
        "mode": "lines",
        "x": times(ts[kept]),
        "line": {"width": 0},
        "showlegend": False,
        "hoverinfo": "skip",
    }
    area = {"fill": "tonexty", "fillcolor": band(LIGHT["position"], 0.12)}
    return [{**shared, "y": low[kept]}, {**shared, "y": high[kept], **area}]

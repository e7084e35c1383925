"""What every figure shares: its text, its axes, and the library that draws it.

A figure is a dictionary as plotly.js reads it, ``{"data": [...], "layout": {...}}``, with
NumPy arrays in it. That is what a page needs, and making one costs no import; only a
figure for a notebook becomes an object of the plotly package, which is the extra
``report``.
Layer 3.
"""

import base64
import importlib
import json
import math
import sys
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.progress import in_notebook
from livekit.research.report.theme import FONT, LIGHT, in_theme

__all__ = [
    "CONFIG",
    "MAX_POINTS",
    "Panel",
    "Plot",
    "Spec",
    "axis",
    "figure",
    "library",
    "plain_layout",
    "plotly_js",
    "stack",
    "times",
    "titled",
    "to_json",
]

Spec = dict[str, Any]

MAX_POINTS: Final = 4000  # of one trace

CONFIG: Final = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "autoScale2d"],
}
"""How plotly.js behaves around a figure."""

_MIME: Final = "application/vnd.plotly.v1+json"
_GAP: Final = 0.058  # between panels, as a share of the height
_CLEAR: Final = "rgba(0,0,0,0)"


@dataclass(frozen=True, slots=True)
class Plot:
    """One section of a report: a figure, or the reason why there is none.

    `alt` says in words and numbers what the figure shows, for who cannot see it.
    """

    name: str
    title: str
    caption: str
    alt: str = ""
    spec: Spec | None = None
    reason: str = ""
    is_time: bool = False  # its x axis is the run's time: all of these zoom together
    is_wide: bool = False  # takes the whole width of a page


@dataclass(frozen=True, slots=True)
class Panel:
    """One of the figures that stand below each other over the same time."""

    title: str
    traces: list[Spec]
    weight: float = 1.0
    axis: Spec | None = None


def library(name: str) -> Any:
    """Return a module of plotly.

    Raises
    ------
    ConfigError
        It is not installed.
    """
    try:
        importlib.import_module("plotly")
    except ImportError as error:
        raise ConfigError(
            "figures need plotly, which is not installed; run pip install 'livekit-trading[report]'"
        ) from error
    return importlib.import_module(name)


def plotly_js() -> str:
    """Return the text of plotly.js, minified: what a page needs to draw without a network."""
    return str(library("plotly.offline").get_plotlyjs())


def figure(spec: Spec, theme: str = "light") -> Any:
    """Return a `plotly.graph_objects.Figure` of a spec, for a notebook.

    Raises
    ------
    ConfigError
        plotly is not installed, or the theme is unknown.
    """
    # Not "plotly": the template that the package would otherwise put below every figure.
    layout = {"template": "none", **spec["layout"]}
    layout["paper_bgcolor"] = layout["plot_bgcolor"] = LIGHT["card"]
    themed = in_theme({"data": spec["data"], "layout": layout}, theme)
    made = library("plotly.graph_objects").Figure(themed)
    if in_notebook() and "google.colab" not in sys.modules:
        _show_plainly(made)
    return made


def _show_plainly(made: Any) -> None:
    """Let a notebook show a figure as plotly would, without plotly's renderers.

    Importing those imports a validator of notebooks, which builds a grammar for seconds.
    """

    def show() -> None:
        from IPython.display import display  # noqa: PLC0415 - only a notebook has it

        # Not responsive: the notebook tells a figure of its width by itself, and plotly.js
        # would take the height too, from an output that has none, when the window changes.
        config = {**CONFIG, "responsive": False}
        bundle = {_MIME: {**json.loads(to_json(made.to_plotly_json())), "config": config}}
        display(bundle, raw=True)

    made._ipython_display_ = show


def times(ts: np.ndarray) -> list[str]:
    """Return times (int64 ns since the epoch) as plotly.js reads them without a time zone."""
    is_short = len(ts) > 0 and int(ts.max() - ts.min()) < 60_000_000_000
    stamps: Any = np.asarray(ts).astype("datetime64[ns]")
    return [str(one) for one in np.datetime_as_string(stamps, unit="us" if is_short else "ms")]


def plain_layout(height: int, **changes: Any) -> Spec:
    """Return the layout of a figure with one pair of axes."""
    layout: Spec = {
        "height": height,
        "font": {"family": FONT, "size": 12, "color": LIGHT["ink"]},
        "paper_bgcolor": _CLEAR,
        "plot_bgcolor": _CLEAR,
        "margin": {"l": 66, "r": 18, "t": 34, "b": 44},
        "hovermode": "x unified",
        "hoverlabel": {
            "bgcolor": LIGHT["card"],
            "bordercolor": LIGHT["line"],
            "font": {"family": FONT, "size": 12, "color": LIGHT["ink"]},
        },
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.0,
            "yanchor": "bottom",
            "bgcolor": _CLEAR,
            "font": {"size": 12},
        },
        "modebar": {"bgcolor": _CLEAR, "color": LIGHT["line"], "activecolor": LIGHT["ink"]},
        "xaxis": axis(),
        "yaxis": axis(),
    }
    for name, change in changes.items():
        is_merged = isinstance(change, dict) and isinstance(layout.get(name), dict)
        layout[name] = {**layout[name], **change} if is_merged else change
    return layout


def axis(**changes: Any) -> Spec:
    """Return an axis with a quiet grid."""
    return {
        "gridcolor": LIGHT["grid"],
        "linecolor": LIGHT["line"],
        "tickfont": {"color": LIGHT["muted"]},
        "title": {"font": {"color": LIGHT["muted"], "size": 12}, "standoff": 8},
        "zeroline": False,
        "automargin": True,
        "separatethousands": True,
        **changes,
    }


def titled(text: str, **changes: Any) -> Spec:
    """Return an axis with a title."""
    made = axis(**changes)
    made["title"] = {**made["title"], "text": text}
    return made


def stack(panels: list[Panel], height: int, span: tuple[int, int]) -> Spec:
    """Return one figure of panels from top to bottom over one axis of time.

    They share the axis itself, so zooming and the pointer's line go through all of them.
    `span` is its first and last time in ns.
    """
    free = 1.0 - _GAP * (len(panels) - 1)
    total = sum(panel.weight for panel in panels)
    data: list[Spec] = []
    layout = plain_layout(height)
    top = 1.0
    for number, panel in enumerate(panels, start=1):
        bottom = max(0.0, top - free * panel.weight / total)
        suffix = "" if number == 1 else str(number)
        layout[f"yaxis{suffix}"] = {
            **titled(panel.title),
            **(panel.axis or {}),
            "domain": [round(bottom, 4), round(top, 4)],
        }
        # Each panel has its own legend, right above it.
        layout[f"legend{suffix}"] = {**layout["legend"], "y": round(top, 4)}
        where = {"xaxis": "x", "yaxis": f"y{suffix}", "legend": f"legend{suffix}"}
        data += [{**trace, **where} for trace in panel.traces]
        top = bottom - _GAP
    last = "y" if len(panels) == 1 else f"y{len(panels)}"
    layout["xaxis"] = axis(
        type="date",
        anchor=last,
        range=times(np.array(span)) if span[0] < span[1] else None,
        hoverformat="%Y-%m-%d %H:%M:%S.%3f",
        showspikes=True,
        spikemode="across",
        spikesnap="cursor",
        spikethickness=1,
        spikedash="dot",
        spikecolor=LIGHT["muted"],
    )
    layout["hoversubplots"] = "axis"
    return {"data": data, "layout": layout}


def to_json(value: Any) -> str:
    """Return a spec as JSON that may stand inside a page's script element.

    Arrays of numbers become base64 of their memory, which is a third of their decimals
    and exact. ``<`` is written as its code, so no text can end the element.
    """
    return json.dumps(_encoded(value), separators=(",", ":")).replace("<", "\\u003c")


def _encoded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    if isinstance(value, np.ndarray):
        return _encoded_array(value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _encoded_array(value: np.ndarray) -> Any:
    if value.dtype.kind != "f":
        return _encoded(value.tolist())
    rows = np.ascontiguousarray(value, "<f8")
    made = {"dtype": "f8", "bdata": base64.b64encode(rows.tobytes()).decode("ascii")}
    if rows.ndim > 1:
        made["shape"] = ", ".join(map(str, rows.shape))
    return made

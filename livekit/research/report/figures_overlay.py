"""One run over another: equity, their difference, positions, and where they part.

For a replay or a live run over its backtest: lines that lie on each other say that the
strategy did the same, and the first decision that differs is marked where it was taken.
Layer 3.
"""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.report.figures_plot import Panel, Spec, stack, times
from livekit.research.report.figures_series import main_instrument, position
from livekit.research.report.figures_time import line
from livekit.research.report.identity import first_parting
from livekit.research.report.theme import LIGHT

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["overlay_spec"]

_DASH: Final = {"dash": "dot", "width": 2.0}


def overlay_spec(own: "Run", other: "Run", symbol: str | None = None) -> Spec:
    """Return one figure of two runs over the same time.

    Raises
    ------
    ConfigError
        They have no instrument or no sample in common.
    """
    shared = [one for one in own.rows.symbols if one in other.rows.symbols]
    chosen = symbol or _chosen(own, shared)
    if chosen not in shared:
        raise ConfigError(
            f"runs {own.name!r} and {other.name!r} do not both have {chosen!r}; in common they "
            f"have {', '.join(shared) or 'nothing'}"
        )
    names = _names(own, other)
    panels = [
        _equity(own, other, names),
        _difference(own, other),
        _positions(own, other, names, chosen),
        _decisions(own, other, names),
    ]
    span = (
        min(own.rows.start_ns, other.rows.start_ns),
        max(own.rows.stop_ns, other.rows.stop_ns),
    )
    spec = stack(panels, 900, span)
    _mark_parting(spec, own, other)
    return spec


def _chosen(own: "Run", shared: list[str]) -> str:
    main = own.rows.symbols[main_instrument(own)] if own.rows.symbols else ""
    return main if main in shared or not shared else shared[0]


def _names(own: "Run", other: "Run") -> tuple[str, str]:
    """Name both such that they can be told apart."""
    first, second = own.name, other.name
    if first == second:
        first, second = f"{first}, {own.meta.get('kind')}", f"{second}, {other.meta.get('kind')}"
    return (first, second) if first != second else (f"{first} (1)", f"{second} (2)")


def _equity(own: "Run", other: "Run", names: tuple[str, str]) -> Panel:
    first, second = own.rows.path, other.rows.path
    if not len(first[0]) or not len(second[0]):
        raise ConfigError("a run without a sample of its equity cannot be laid over another")
    traces = [
        line(first[0], first[1], names[0], "net"),
        line(second[0], second[1], names[1], "sell", line=_DASH),
    ]
    return Panel("Equity", traces, 1.5, {"tickformat": ",.8~f"})


def _difference(own: "Run", other: "Run") -> Panel:
    """Return equity of the second less that of the first, where both have a sample."""
    (a_ts, a, _), (b_ts, b, _) = own.rows.path, other.rows.path
    ts, at_a, at_b = np.intersect1d(a_ts, b_ts, return_indices=True)
    values = (b[at_b] - b[0]) - (a[at_a] - a[0])
    shown = line(ts, values, "Difference", "drawdown", showlegend=False, fill="tozeroy")
    return Panel("Difference", [shown], 0.7, {"tickformat": ",.8~f"})


def _positions(own: "Run", other: "Run", names: tuple[str, str], symbol: str) -> Panel:
    traces = []
    looks: tuple[tuple[Any, str, Spec], ...] = ((own, "net", {}), (other, "sell", _DASH))
    for (run, color, look), name in zip(looks, names, strict=True):
        ts, held = position(run, run.rows.symbols.index(symbol))
        style = {"shape": "hv", **look}
        traces.append(line(ts, held, name, color, line=style, hovertemplate="%{y:,.6~f}"))
    return Panel(f"Position {symbol}", traces, 1.0, {"tickformat": ",.6~f"})


def _decisions(own: "Run", other: "Run", names: tuple[str, str]) -> Panel:
    """Return how many orders each had sent by then."""
    traces = []
    for (run, color, look), name in zip(
        ((own, "net", {}), (other, "sell", _DASH)), names, strict=True
    ):
        ts = np.sort(run.rows.orders["created_ns"])
        count = np.arange(1, len(ts) + 1, dtype="f8")
        traces.append(
            line(ts, count, name, color, line={"shape": "hv", **look}, hovertemplate="%{y:,.0f}")
        )
    return Panel("Orders sent", traces, 0.8, {"rangemode": "tozero"})


def _mark_parting(spec: Spec, own: "Run", other: "Run") -> None:
    """Draw a line where the two first decided differently, and say what."""
    ts, sentence = first_parting(own.rows, other.rows)
    layout = spec["layout"]
    note = {"xref": "paper", "yref": "paper", "showarrow": False, "xanchor": "right", "x": 1.0}
    if not sentence:
        text = "the same decisions and fills"
        layout["annotations"] = [{**note, "y": 1.045, "text": text}]
        return
    at = times(np.array([ts]))[0]
    mark = {"color": LIGHT["sell"], "width": 1.2, "dash": "dash"}
    layout["shapes"] = [
        {"type": "line", "xref": "x", "yref": "paper", "x0": at, "x1": at, "y0": 0, "y1": 1}
        | {"line": mark}
    ]
    layout["annotations"] = [
        {**note, "y": 1.045, "text": f"they part at {at[:23].replace('T', ' ')}"}
        | {"hovertext": sentence}
    ]

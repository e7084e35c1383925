"""Figures of a sweep: a heatmap with a slider, and parallel coordinates.

Both take one frame with a row a run: a column for each parameter and each statistic.
Layer 3.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from livekit.errors import ConfigError
from livekit.research.report.figures_plot import Spec, plain_layout, titled
from livekit.research.report.theme import LIGHT, diverging, sequential

__all__ = ["heatmap_spec", "parallel_spec"]

_MAX_STEPS: Final = 200
_MAX_LABELLED: Final = 150  # cells that have their value written in them
_MAX_LINES: Final = 20_000
_MAX_TICKS: Final = 12  # values of a parameter that are all named


def heatmap_spec(frame: Any, x: str, y: str, value: str, by: Sequence[str]) -> Spec:
    """Return a heatmap of `value` over two parameters; see `figures.heatmap`."""
    for name in (x, y, value, *by):
        _require(frame, name)
    if x == y or {x, y} & set(by):
        raise ConfigError(f"parameters {[x, y, *by]!r} name one twice; give each one place")
    columns, rows = _levels(frame[x]), _levels(frame[y])
    steps = list(itertools.product(*(_levels(frame[name]) for name in by)))
    steps = [step for step in steps if _is_at(frame, by, step).any()]
    if len(steps) > _MAX_STEPS:
        raise ConfigError(
            f"parameters {list(by)!r} have {len(steps):,} combinations, a slider holds "
            f"{_MAX_STEPS}; filter the frame or leave some out of 'by'"
        )
    tables = [_table(frame[_is_at(frame, by, step)], x, y, value, columns, rows) for step in steps]
    if not any(np.isfinite(table).any() for table in tables):
        raise ConfigError(f"column {value!r} has no finite value to draw")
    data = [_cells(table, x, y, value, columns, rows) for table in tables]
    for number, trace in enumerate(data):
        trace["visible"] = number == 0
    layout = plain_layout(
        max(320, 140 + 34 * len(rows)),
        hovermode="closest",
        xaxis=titled(x, type="category", showgrid=False),
        yaxis=titled(y, type="category", showgrid=False),
        coloraxis=_colors(tables, value),
    )
    if len(steps) > 1:
        layout["sliders"] = [_slider(by, steps)]
        layout["margin"] = {**layout["margin"], "b": 60}
        layout["height"] += 70
    return {"data": data, "layout": layout}


def parallel_spec(frame: Any, columns: Sequence[str], color: str) -> Spec:
    """Return parallel coordinates; see `figures.parallel`."""
    for name in (*columns, color):
        _require(frame, name)
    if len(frame) > _MAX_LINES:
        raise ConfigError(
            f"the frame has {len(frame):,} rows, parallel coordinates show {_MAX_LINES:,}; "
            "filter it first"
        )
    score = frame[color].to_numpy("f8")
    is_there = np.isfinite(score)
    if not is_there.any():
        raise ConfigError(f"column {color!r} has no finite value to draw")
    shown, score = frame[is_there], score[is_there]
    names = list(dict.fromkeys((*columns, color)))
    scale = diverging() if score.min() < 0 < score.max() else sequential()
    largest = float(np.abs(score).max())
    bounds = (-largest, largest) if score.min() < 0 < score.max() else (score.min(), score.max())
    trace = {
        "type": "parcoords",
        "dimensions": [_dimension(shown[name], name) for name in names],
        "line": {
            "color": score,
            "colorscale": scale,
            "showscale": True,
            "cmin": float(bounds[0]),
            "cmax": float(bounds[1]),
            "colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": color}},
        },
        "labelfont": {"color": LIGHT["ink"], "size": 13},
        "tickfont": {"color": LIGHT["muted"], "size": 11},
        "rangefont": {"color": LIGHT["muted"], "size": 10},
        "unselected": {"line": {"opacity": 0.06}},
    }
    layout = plain_layout(460)
    layout["margin"] = {"l": 80, "r": 60, "t": 70, "b": 40}
    return {"data": [trace], "layout": layout}


def _require(frame: Any, name: str) -> None:
    if name not in frame:
        raise ConfigError(
            f"the sweep has no column {name!r}; it has {', '.join(map(repr, frame.columns))}"
        )


def _levels(column: Any) -> list[Any]:
    """Return the different values of a column, in order where they have one."""
    values = list(dict.fromkeys(column.tolist()))
    try:
        return sorted(values)
    except TypeError:
        return values


def _is_at(frame: Any, by: Sequence[str], step: Sequence[Any]) -> np.ndarray:
    found = np.ones(len(frame), bool)
    for name, wanted in zip(by, step, strict=True):
        found &= (frame[name] == wanted).to_numpy(bool)
    return found


def _table(
    frame: Any, x: str, y: str, value: str, columns: list[Any], rows: list[Any]
) -> np.ndarray:
    """Return float64[rows, columns] of means; NaN where there is no run or no value."""
    at = {one: i for i, one in enumerate(columns)}
    down = {one: i for i, one in enumerate(rows)}
    cell = np.array(
        [down[b] * len(columns) + at[a] for a, b in zip(frame[x], frame[y], strict=True)]
    )
    values = frame[value].to_numpy("f8")
    is_there = np.isfinite(values)
    n = len(columns) * len(rows)
    cell = cell.astype(np.int64)[is_there]
    counts = np.bincount(cell, minlength=n)
    sums = np.bincount(cell, values[is_there], n)
    means = np.divide(sums, counts, out=np.full(n, np.nan), where=counts > 0)
    return means.reshape(len(rows), len(columns))


def _cells(
    table: np.ndarray, x: str, y: str, value: str, columns: list[Any], rows: list[Any]
) -> Spec:
    trace = {
        "type": "heatmap",
        "x": _texts(columns),
        "y": _texts(rows),
        "z": table,
        "xgap": 1,
        "ygap": 1,
        "coloraxis": "coloraxis",
        "hoverongaps": False,
        "hovertemplate": f"{x} %{{x}}<br>{y} %{{y}}<br>{value} %{{z:.6~g}}<extra></extra>",
    }
    if table.size <= _MAX_LABELLED:
        trace |= {"texttemplate": "%{z:.4~g}", "textfont": {"size": 11}}
    return trace


def _colors(tables: list[np.ndarray], value: str) -> Spec:
    """Return one scale for all steps, even around 0 if there are losses and gains."""
    everything = np.concatenate([table.ravel() for table in tables])
    low, high = float(np.nanmin(everything)), float(np.nanmax(everything))
    bar = {"thickness": 10, "outlinewidth": 0, "title": {"text": value}}
    if low < 0 < high:
        largest = max(-low, high)
        return {"colorscale": diverging(), "cmin": -largest, "cmax": largest, "colorbar": bar}
    return {"colorscale": sequential(), "cmin": low, "cmax": high, "colorbar": bar}


def _slider(by: Sequence[str], steps: list[tuple[Any, ...]]) -> Spec:
    def step(number: int, values: tuple[Any, ...]) -> Spec:
        visible = [one == number for one in range(len(steps))]
        label = ", ".join(f"{n}={t}" for n, t in zip(by, _texts(values), strict=True))
        return {"method": "restyle", "args": [{"visible": visible}], "label": label}

    return {
        "active": 0,
        "pad": {"t": 48},
        "bgcolor": LIGHT["grid"],
        "bordercolor": LIGHT["line"],
        "activebgcolor": LIGHT["bar"],
        "currentvalue": {"font": {"color": LIGHT["ink"], "size": 13}},
        "font": {"color": LIGHT["muted"]},
        "steps": [step(number, values) for number, values in enumerate(steps)],
    }


def _texts(values: Sequence[Any]) -> list[str]:
    return [
        f"{one:.10g}" if isinstance(one, int | float) and not isinstance(one, bool) else str(one)
        for one in values
    ]


def _dimension(column: Any, name: str) -> Spec:
    """Return one upright axis; what is no number has its values as labels."""
    levels = _levels(column)
    if column.dtype.kind in "if":
        made = {"label": name, "values": column.to_numpy("f8")}
        if len(levels) > _MAX_TICKS:
            return made
        # A grid's own values, not round numbers between them.
        return made | {"tickvals": levels, "ticktext": _texts(levels)}
    code = {one: float(i) for i, one in enumerate(levels)}
    return {
        "label": name,
        "values": np.array([code[one] for one in column]),
        "tickvals": list(range(len(levels))),
        "ticktext": _texts(levels),
    }

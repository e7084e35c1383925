"""Lines, areas and marks as SVG text: a figure that needs no script and no library.

It is drawn ten times a second under a slider, so it is text that a page shows as it is:
the numbers are thinned to the extremes of what the screen can show, positions are whole
tenths of a pixel, colours are names that the page's theme gives a value to.
Layer 5. O(points) in NumPy; some 20 kB and 4 ms a figure.
"""

import html
import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from livekit.research.report.downsample import extremes, line

__all__ = ["Band", "Marks", "Series", "figure"]

_WIDTH: Final = 920
_LEFT: Final = 74
_RIGHT: Final = 12
_HEAD: Final = 22
_FOOT: Final = 24
_GAP: Final = 14
_MAX_POINTS: Final = 1000
_MAX_MARKS: Final = 400
_TENTHS: Final = 'transform="scale(.1)" vector-effect="non-scaling-stroke"'


@dataclass(frozen=True, slots=True)
class Series:
    """One line: int64[n] times in ns, float64[n] values, and the name of its colour."""

    ts: np.ndarray
    values: np.ndarray
    color: str
    is_area: bool = False


@dataclass(frozen=True, slots=True)
class Marks:
    """Points that are not joined: `shape` is ``up`` or ``down``."""

    ts: np.ndarray
    values: np.ndarray
    color: str
    shape: str
    label: str


@dataclass(frozen=True, slots=True)
class Band:
    """One panel: its title, what its last value is, lines and marks, and its height."""

    title: str
    value: str
    series: list[Series]
    marks: list[Marks] = field(default_factory=list)
    height: int = 150


@dataclass(frozen=True, slots=True)
class _Scale:
    """From numbers to positions: of time along, of values upwards."""

    first: int
    last: int
    low: float
    high: float
    top: float
    bottom: float

    def x(self, ts: np.ndarray) -> np.ndarray:
        """Return positions along."""
        span = max(1, self.last - self.first)
        return np.asarray(_LEFT + (ts - self.first) / span * (_WIDTH - _LEFT - _RIGHT))

    def y(self, values: np.ndarray | float) -> np.ndarray:
        """Return positions downwards."""
        span = self.high - self.low or 1.0
        return np.asarray(self.bottom - (values - self.low) / span * (self.bottom - self.top))


def figure(bands: list[Band], span: tuple[int, int], alt: str) -> str:
    """Return panels below each other over one axis of time, as SVG.

    Parameters
    ----------
    bands : list of Band
    span : tuple of int
        First and last time, ns.
    alt : str
        What it shows, for who cannot see it.
    """
    height = _FOOT + sum(band.height + _HEAD + _GAP for band in bands)
    parts = [
        (
            f'<svg class="lk-figure" viewBox="0 0 {_WIDTH} {height}" role="img" '
            f'aria-label="{html.escape(alt, quote=True)}" xmlns="http://www.w3.org/2000/svg">'
        )
    ]
    top = 0.0
    ticks = _time_ticks(*span)
    for band in bands:
        parts += _band(band, span, top + _HEAD, ticks)
        top += band.height + _HEAD + _GAP
    scale = _Scale(span[0], span[1], 0, 1, 0, 1)
    for ts, text in ticks:
        x = float(scale.x(np.array([ts]))[0])
        parts.append(
            f'<text class="lk-tick" x="{x:.1f}" y="{top + 6:.0f}" text-anchor="middle">'
            f"{text}</text>"
        )
    return "".join([*parts, "</svg>"])


def _band(band: Band, span: tuple[int, int], top: float, ticks: list[tuple[int, str]]) -> list[str]:
    bottom = top + band.height
    low, high = _range(band)
    scale = _Scale(span[0], span[1], low, high, top, bottom)
    parts = [
        f'<text class="lk-title" x="{_LEFT}" y="{top - 8:.0f}">{html.escape(band.title)}</text>',
        (
            f'<text class="lk-value" x="{_WIDTH - _RIGHT}" y="{top - 8:.0f}" text-anchor="end">'
            f"{html.escape(band.value)}</text>"
        ),
    ]
    right = _WIDTH - _RIGHT
    for value, text in _value_ticks(low, high):
        y = float(scale.y(value))
        parts.append(
            f'<line class="lk-grid" x1="{_LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="lk-tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for ts, _ in ticks:
        x = float(scale.x(np.array([ts]))[0])
        parts.append(
            f'<line class="lk-grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top:.0f}" y2="{bottom:.0f}"/>'
        )
    parts += [_path(one, scale) for one in band.series]
    for marks in band.marks:
        parts += _marks(marks, scale)
    return parts


def _range(band: Band) -> tuple[float, float]:
    """Return the lowest and highest value of a panel, with some air."""
    every = [one.values for one in band.series] + [one.values for one in band.marks]
    finite = [values[np.isfinite(values)] for values in every]
    lows = [float(values.min()) for values in finite if len(values)]
    highs = [float(values.max()) for values in finite if len(values)]
    if any(one.is_area for one in band.series):
        highs.append(0.0)
    if not lows:
        return 0.0, 1.0
    low, high = min(lows), max(highs)
    air = (high - low) * 0.06 or abs(high) * 1e-3 or 1.0
    return low - air, high + (0.0 if any(one.is_area for one in band.series) else air)


def _path(one: Series, scale: _Scale) -> str:
    is_there = np.isfinite(one.values)
    ts, values = one.ts[is_there], one.values[is_there]
    if not len(ts):
        return ""
    chosen = line(ts, values, _MAX_POINTS)
    x, y = scale.x(ts[chosen]), scale.y(values[chosen])
    drawn = (
        f'<polyline class="lk-line" style="stroke:var(--lk-{one.color})" {_TENTHS} '
        f'points="{_points(x, y)}"/>'
    )
    if not one.is_area:
        return drawn
    zero = np.full(1, float(scale.y(0.0)))
    x, y = np.concatenate((x[:1], x, x[-1:])), np.concatenate((zero, y, zero))
    return (
        f'<polygon class="lk-area" style="fill:var(--lk-{one.color})" {_TENTHS} '
        f'points="{_points(x, y)}"/>{drawn}'
    )


def _points(x: np.ndarray, y: np.ndarray) -> str:
    """Return positions as whole tenths of a pixel: half the text, and twice as fast to make."""
    pairs = np.rint(np.column_stack((x, y)) * 10).astype(np.int64)
    return " ".join(map(str, pairs.ravel().tolist()))


def _marks(marks: Marks, scale: _Scale) -> list[str]:
    chosen = extremes(marks.ts, marks.values, _MAX_MARKS)
    x, y = scale.x(marks.ts[chosen]), scale.y(marks.values[chosen])
    way = 1 if marks.shape == "up" else -1
    steps = "".join(
        f"M{a:.1f} {b + 1.5 * way:.1f}l4 {7 * way}h-8Z"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    )
    if not steps:
        return []
    return [
        (
            f'<path class="lk-mark" style="fill:var(--lk-{marks.color})" d="{steps}">'
            f"<title>{html.escape(marks.label)}</title></path>"
        )
    ]


def _value_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return round values inside a range, three to six of them, with their texts."""
    step = _nice((high - low) / 4)
    first = math.ceil(low / step)
    values = [k * step for k in range(first, math.floor(high / step) + 1)]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return [(value, f"{value if abs(value) > step / 2 else 0:,.{digits}f}") for value in values]


def _nice(step: float) -> float:
    """Return the round number (1, 2 or 5 times a power of ten) next above a step."""
    if step <= 0 or not math.isfinite(step):
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * 0.999)


_STEPS_S: Final = (
    *(1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200),
    *(86400, 172800, 604800, 1209600, 2592000, 7776000, 31536000),
)


def _time_ticks(first: int, last: int) -> list[tuple[int, str]]:
    """Return four to nine round times in a span, with their texts, UTC."""
    span_s = max(1e-9, (last - first) / 1e9)
    step = next((s for s in _STEPS_S if span_s / s <= 8), _STEPS_S[-1]) * 1_000_000_000
    texts = []
    for ts in range(-(-first // step) * step, last + 1, step):
        stamp = str(np.datetime64(ts, "ns").astype("datetime64[s]"))
        if step >= 86_400_000_000_000:
            text = stamp[5:10]
        else:
            text = stamp[11:16] if step >= 60_000_000_000 else stamp[11:19]
        texts.append((ts, text))
    return texts

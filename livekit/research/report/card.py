"""A run in a few lines: text for a terminal, a small card for a notebook.

The card is plain HTML with the notebook's own colours, so it is readable on dark and
light pages, without scripts, and when it is exported.
Layer 3.
"""

import html
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report import statistics

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["KEY_FIGURES", "format_value", "to_html", "to_text"]

KEY_FIGURES: Final = (
    "net_pnl",
    "total_return_pct",
    "sharpe",
    "max_drawdown_pct",
    "n_trades",
    "win_rate_pct",
    "n_fills",
    "maker_ratio_pct",
    "fill_ratio_quantity_pct",
    "volume",
    "fees_net",
    "time_in_market_pct",
)
"""Keys of the statistics that stand for a run where there is little room."""


_NOTHING: Final = "\N{EN DASH}"


def format_value(value: Any) -> str:
    """Return a value for people: grouped thousands, four digits or all whole ones, a dash."""
    text = str(value)
    if isinstance(value, bool | np.bool_):
        text = "yes" if value else "no"
    elif isinstance(value, int | np.integer):
        text = f"{int(value):,}"
    elif isinstance(value, float | np.floating):
        text = _format_float(float(value))
    elif isinstance(value, np.datetime64):
        text = _NOTHING if np.isnat(value) else f"{value.astype('datetime64[s]')}".replace("T", " ")
    elif isinstance(value, dict):
        text = ", ".join(f"{key} {format_value(one)}" for key, one in value.items())
    elif isinstance(value, list):
        text = ", ".join(str(one) for one in value)
    return _NOTHING if text in {"", "None"} else text


def _format_float(value: float) -> str:
    if not math.isfinite(value):
        return _NOTHING
    if value == 0:
        return "0"
    digits = max(0, min(8, 3 - math.floor(math.log10(abs(value)))))
    return f"{value:,.{min(digits, 2) if abs(value) >= 1 else digits}f}"


def _head(run: "Run") -> tuple[str, str]:
    """Return the run's title and what it ran over."""
    meta = run.meta
    strategy = meta.get("strategy")
    kind = meta.get("kind", "run")
    title = f"{run.name} · {kind}" + (f" of {strategy}" if strategy not in {run.name, None} else "")
    over = f"{', '.join(run.rows.symbols[:4])}{' …' if len(run.rows.symbols) > 4 else ''}"
    start, end = (np.datetime64(ns, "ns") for ns in (run.rows.start_ns, run.rows.stop_ns))
    over += f" · {format_value(start)} to {format_value(end)} UTC"
    return title + (" · partial" if meta.get("is_partial") else ""), over


def _figures(run: "Run") -> list[tuple[str, str]]:
    interval = run.rows.interval_ns
    return [
        (statistics.label(statistics.find(key), interval), format_value(run.stat(key)))
        for key in KEY_FIGURES
    ]


def to_text(run: "Run") -> str:
    """Return a run as a dozen lines of text."""
    title, over = _head(run)
    figures = _figures(run)
    width = max(len(name) for name, _ in figures)
    room = max(len(value) for _, value in figures)
    lines = [f"  {name:<{width}}  {value:>{room}}" for name, value in figures]
    return "\n".join([f"<Run {title}>", f"  {over}", *lines])


def to_html(run: "Run") -> str:
    """Return a run as a small table, in the colours of the page it stands on."""
    title, over = _head(run)
    cells = [
        f'<td style="text-align:left;padding:2px 8px 2px 0;opacity:.75">{html.escape(name)}</td>'
        f'<td style="text-align:right;padding:2px 24px 2px 0;font-variant-numeric:tabular-nums">'
        f"{html.escape(value)}</td>"
        for name, value in _figures(run)
    ]
    half = -(-len(cells) // 2)
    rows = "".join(
        f'<tr style="background:none">{"".join(cells[index::half])}</tr>' for index in range(half)
    )
    return (
        '<div style="display:inline-block;border:1px solid rgba(128,128,128,.4);border-radius:6px;'
        'padding:8px 12px;color:inherit;background:none">'
        f"<div><b>{html.escape(title)}</b></div>"
        f'<div style="opacity:.75;margin-bottom:4px">{html.escape(over)}</div>'
        f'<table style="border-collapse:collapse;color:inherit;margin:0"><tbody>{rows}</tbody>'
        "</table></div>"
    )

"""The words and tables of a report: what the run was, and its numbers by group.

Every text that comes from a user, a file or a venue passes `escape` on its way into the
page: names of strategies, parameters, symbols and models are not trusted.
Layer 3.
"""

import html
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from livekit.research.report.card import format_value
from livekit.research.report.figures_fills import duration
from livekit.research.report.html_numbers import Number

if TYPE_CHECKING:
    from livekit.research.report.run import Run

__all__ = ["cards", "escape", "facts", "gaps", "keys", "subtitle", "warnings"]

_MAX_GAPS: Final = 200
_LONG: Final = 26  # rows of a table
_MODELS: Final = {
    "latency": "Latency",
    "queue": "Queue position",
    "partial_fills": "Partial fills",
    "maker": "Maker fee",
    "taker": "Taker fee",
    "funding": "Funding",
    "unlimited_depth": "Unlimited depth",
}


def escape(value: Any) -> str:
    """Return a value as text that HTML takes for nothing but text."""
    return html.escape(str(value), quote=True)


def _time_text(ns: int) -> str:
    """Return a time in ns since the epoch as UTC."""
    return str(np.datetime_as_string(np.datetime64(int(ns), "ns"), unit="s")).replace("T", " ")


def subtitle(run: "Run") -> str:
    """Return the line below the title: kind, class, symbols and range."""
    rows = run.rows
    strategy = run.meta.get("strategy") or run.name
    return (
        f'<span class="kind">{escape(run.meta.get("kind", "run"))}</span>'
        f"{escape(strategy)} on {escape(', '.join(rows.symbols))}, "
        f"{_time_text(rows.start_ns)} to {_time_text(rows.stop_ns)} UTC "
        f"({escape(duration(rows.duration_ns))})"
    )


def warnings(run: "Run") -> str:
    """Return banners for what makes the numbers say less than they seem to."""
    made = []
    if run.meta.get("is_partial"):
        made.append(
            "<strong>Partial run.</strong> <span>It was stopped before its data ended: "
            f"everything below is of the events up to {_time_text(run.rows.stop_ns)} UTC.</span>"
        )
    errors = (run.meta.get("counts") or {}).get("errors") or 0
    if errors:
        made.append(
            f"<strong>{_count(errors, 'error')} in callbacks.</strong> <span>The strategy raised "
            "while it ran; what it would have done is not in the numbers.</span>"
        )
    lost = len((run.meta.get("data") or {}).get("gaps") or ())
    if lost:
        made.append(
            f"<strong>{_count(lost, 'gap')} in the data.</strong> "
            '<span>Listed under <a href="#run">the run</a>.</span>'
        )
    return "".join(f'<p class="banner" role="status">{one}</p>' for one in made)


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def facts(run: "Run") -> str:
    """Return what was run, on what, and by which models."""
    models = run.meta.get("models") or {}
    assumed = {_MODELS.get(name, name): _model(name, value) for name, value in models.items()}
    params = {str(name): _Code(value) for name, value in (run.meta.get("params") or {}).items()}
    return (
        _facts("What ran", _what_ran(run))
        + _facts("Parameters", params, "The strategy has no parameters.")
        + _facts("Data", _data(run))
        + _facts("Assumptions", assumed, "The run states no models.")
        + _facts("Counts", _counts(run))
    )


def _what_ran(run: "Run") -> dict[str, Any]:
    meta = run.meta
    speed = run.stat("events_per_s")
    wall = float(meta.get("wall_s") or 0.0)
    took = f"{duration(wall * 1e9)}, {format_value(speed)} events/s" if wall else None
    return {
        "Strategy": f"{meta.get('strategy') or run.name}"
        f" ({'compiled' if meta.get('jit') else 'interpreted'})",
        "File": meta.get("file"),
        "Code hash": _Code(meta.get("code_hash") or ""),
        "Run": f"{run.name}, {meta.get('kind', 'run')}",
        "Run hash": _Code(run.hash),
        "Started": meta.get("started"),
        "Wall time": took,
        "Seed": meta.get("seed"),
        "Version": f"livekit {meta.get('version') or ''}",
    }


def _data(run: "Run") -> dict[str, Any]:
    found = run.meta.get("data") or {}
    n_events, sample = found.get("n_events"), run.meta.get("sample_ns")
    return {
        "Folder": found.get("root"),
        "Symbols": ", ".join(run.rows.symbols),
        "From": f"{_time_text(run.rows.start_ns)} UTC",
        "To": f"{_time_text(run.rows.stop_ns)} UTC",
        "Events": None if n_events is None else f"{n_events:,}",
        "Data hash": _Code(found.get("hash") or ""),
        "Equity every": duration(float(sample)) if sample else None,
        "Cash": f"{format_value(run.rows.cash)} quote currency",
    }


def _counts(run: "Run") -> dict[str, Any]:
    counts = run.meta.get("counts") or {}
    rejects = counts.get("rejects") or {}
    said = {
        str(name).replace("_", " ").capitalize(): f"{value:,}"
        for name, value in counts.items()
        if isinstance(value, int)
    }
    said |= {f"Refused: {name}": f"{value:,}" for name, value in rejects.items()}
    return {"Orders": f"{len(run.order_rows):,}", "Fills": f"{len(run.fill_rows):,}", **said}


class _Code(str):
    """A text shown in the type of code."""

    __slots__ = ()


def _model(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name in {"maker", "taker"} and isinstance(value, int | float):
        return f"{value * 1e4:g} bps" + (" (rebate)" if value < 0 else "")
    return str(value)


def _facts(title: str, values: Mapping[str, Any], otherwise: str = "") -> str:
    rows = [
        f"<dt>{escape(name)}</dt><dd>{_value(value)}</dd>"
        for name, value in values.items()
        if value is not None and str(value)
    ]
    body = f'<dl class="facts">{"".join(rows)}</dl>' if rows else f"<p>{escape(otherwise)}</p>"
    return f'<div class="card"><h3>{escape(title)}</h3>{body}</div>'


def _value(value: Any) -> str:
    return f"<code>{escape(value)}</code>" if isinstance(value, _Code) else escape(value)


def gaps(run: "Run") -> str:
    """Return a table of the holes in the data, none if there are none."""
    found = (run.meta.get("data") or {}).get("gaps") or ()
    if not found:
        return ""
    rows = "".join(
        f'<tr><th scope="row">{_time_text(one["ts"])} UTC</th><td class="text">'
        f"{escape(one.get('symbol', ''))}</td><td>{escape(_lost(one.get('lost') or {}))}</td></tr>"
        for one in found[:_MAX_GAPS]
    )
    more = f"<p>and {len(found) - _MAX_GAPS:,} more</p>" if len(found) > _MAX_GAPS else ""
    return (
        f'<div class="card"><details><summary>{_count(len(found), "gap")} in the data: when and '
        f"what was lost</summary><table>{rows}</table>{more}</details></div>"
    )


def _lost(lost: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {kind}" for kind, n in lost.items())


def keys(numbers: Iterable[Number]) -> str:
    """Return the key figures."""
    return "".join(
        f'<div class="key" data-key="{escape(one.key)}"><dt>{_name(one)}</dt>'
        f"<dd{_class(one)}>{escape(one.text)}"
        f"{f' <small>{escape(one.unit)}</small>' if one.unit else ''}</dd></div>"
        for one in numbers
    )


def cards(groups: Mapping[str, Sequence[Number]]) -> str:
    """Return one table for each group of numbers."""
    made = []
    for title, numbers in _parts(groups):
        rows = "".join(
            f'<tr data-key="{escape(one.key)}"><th scope="row">{_name(one)}</th><td{_class(one)}>'
            f"{escape(one.text)}"
            f"{f'<span class=unit>{escape(one.unit)}</span>' if one.unit else ''}</td></tr>"
            for one in numbers
        )
        made.append(
            f'<div class="card"><table><caption>{escape(title)}</caption>{rows}</table></div>'
        )
    return "".join(made)


def _parts(groups: Mapping[str, Sequence[Number]]) -> Iterator[tuple[str, Sequence[Number]]]:
    """Split long groups in two, so that the columns of the page end at one height."""
    for title, numbers in groups.items():
        half = len(numbers) if len(numbers) <= _LONG else (len(numbers) + 1) // 2
        yield title, numbers[:half]
        if numbers[half:]:
            yield f"{title}, continued", numbers[half:]


def _name(one: Number) -> str:
    tip = escape(one.formula)
    return f'<span data-tip="{tip}" tabindex="0" aria-description="{tip}">{escape(one.name)}</span>'


def _class(one: Number) -> str:
    if not one.is_known:
        return ' class="nan" aria-label="not defined"'
    return {1: ' class="gain"', -1: ' class="loss"'}.get(one.sign, "")

"""What a benchmark says: rows with their spread, the machine, a table or JSON.

A row's value is the median of its runs and its spread is their interquartile range
as a part of the median. A ratio compares medians of runs that alternated with the
peer's in one go, because on a shared machine two runs an hour apart say nothing.
A target is about the ratio where there is a peer, and about the value otherwise.
Layer 5.
"""

import os
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

from rich import box
from rich.console import Console
from rich.table import Table

__all__ = ["Row", "machine", "make_row", "print_rows", "spread_of", "to_json"]

_PACKAGES: Final = ("numpy", "numba", "llvmlite", "pyarrow", "msgspec")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a benchmark.

    Attributes
    ----------
    name : str
    value : float
        Median of the runs, in `unit`.
    unit : str
    spread : float or None
        Interquartile range of the runs divided by their median; None for one run.
    peer : str or None
        What it is compared with.
    ratio : float or None
        Value divided by the peer's, of medians; the median of ratios of runs taken in turns.
    target : str or None
        What it should reach, such as ">= 0.95".
    ok : bool or None
        Whether it did; None without a target.
    """

    name: str
    value: float
    unit: str
    spread: float | None = None
    peer: str | None = None
    ratio: float | None = None
    target: str | None = None
    ok: bool | None = None


def spread_of(values: Sequence[float]) -> float | None:
    """Return the interquartile range of runs as a part of their median."""
    median = statistics.median(values)
    if len(values) < 3 or median == 0:
        return None
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / abs(median)


def make_row(
    name: str,
    values: Sequence[float],
    unit: str,
    *,
    peer: str | None = None,
    peer_values: Sequence[float] = (),
    target: tuple[Literal[">=", "<="], float] | None = None,
    in_turns: bool = False,
) -> Row:
    """Make a row of the runs' values, compared with the peer's runs if there are any.

    Parameters
    ----------
    values, peer_values : sequence of float
        One number per run.
    target : (">=" or "<=", float), optional
        Holds for the ratio when there is a peer, for the value otherwise.
    in_turns : bool
        Run k of both was taken one after the other: the ratio is the median of the runs'
        own ratios, which a machine that changes its pace on the way does not move.
    """
    value = statistics.median(values)
    ratio = None
    if peer_values and in_turns:
        pairs = zip(values, peer_values, strict=True)
        ratio = statistics.median(own / other for own, other in pairs)
    elif peer_values:
        ratio = value / statistics.median(peer_values)
    is_ok = None
    if target is not None:
        measured = value if ratio is None else ratio
        is_ok = measured >= target[1] if target[0] == ">=" else measured <= target[1]
    return Row(
        name,
        value,
        unit,
        spread_of(values),
        peer,
        ratio,
        None if target is None else f"{target[0]} {target[1]:g}",
        is_ok,
    )


def machine() -> dict[str, Any]:
    """Describe the machine: processor, cores, kernel, Python and the packages that matter."""
    return {
        "cpu": _cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "load": os.getloadavg()[0],
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: metadata.version(name) for name in _PACKAGES},
    }


def _cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def to_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the benchmark for ``--json``: ``{"machine": {...}, "rows": [...]}``."""
    return {"machine": machine(), "rows": [asdict(row) for row in rows]}


def print_rows(title: str, rows: Sequence[Row], console: Console | None = None) -> None:
    """Print the rows as a table, with the machine below it."""
    about = machine()
    table = Table(
        box=box.SIMPLE_HEAD,
        title=title,
        caption=(
            f"{about['cpu']}, {about['cores']} cores, load {about['load']:.1f}, kernel "
            f"{about['kernel']}, Python {about['python']}, "
            + ", ".join(f"{name} {version}" for name, version in about["packages"].items())
        ),
        caption_justify="left",
        title_justify="left",
    )
    for name in ("measure", "value", "unit", "spread", "against", "ratio", "target", ""):
        is_number = name in {"value", "spread", "ratio", "target"}
        table.add_column(name, justify="right" if is_number else "left", no_wrap=is_number)
    for row in rows:
        table.add_row(
            row.name,
            _number(row.value),
            row.unit,
            "" if row.spread is None else f"{row.spread:.0%}",
            row.peer or "",
            "" if row.ratio is None else _number(row.ratio),
            row.target or "",
            {None: "", True: "[green]ok[/]", False: "[red]missed[/]"}[row.ok],
        )
    if console is None:
        console = Console()
        console = console if console.is_terminal else Console(width=150)
    console.print(table)


def _number(value: float) -> str:
    """Three digits or more, no exponent, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"

"""How commands print: JSON for programs, rich tables for people.

Layer 5.
"""

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "add_json",
    "make_table",
    "nanoseconds",
    "number",
    "print_error",
    "print_json",
    "print_rich",
    "print_table",
]


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option that every command has."""
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def print_json(value: Any) -> None:
    """Print a value as one JSON document; NaN and infinity become null."""
    print(json.dumps(_finite(value), indent=2))


def _finite(value: Any) -> Any:
    """Return a value without the numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def print_error(name: str, message: str, exit_code: int, *, as_json: bool) -> None:
    """Print an error: one line on stderr, or a JSON document on stdout."""
    if as_json:
        print_json({"error": {"class": name, "message": message, "exit_code": exit_code}})
    else:
        print(f"livekit: {message}", file=sys.stderr)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> None:
    """Print rows of text; columns whose name ends in a colon-less number align right."""
    print_rich(make_table(columns, rows, title=title))


def print_rich(*items: Any) -> None:
    """Print rich objects; wide enough for a table where the output is no terminal."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        console = Console(width=160)
    for item in items:
        console.print(item)


def make_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, title: str | None = None
) -> Any:
    """Return a rich table; a column named with a leading ``>`` aligns right."""
    from rich import box
    from rich.table import Table

    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", pad_edge=False)
    for column in columns:
        right = column.startswith(">")
        table.add_column(column.lstrip(">"), justify="right" if right else "left")
    for row in rows:
        table.add_row(*row)
    return table


def number(value: float | None, decimals: int = 2) -> str:
    """Return a number with thousands separated, ``-`` for none."""
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:,.{decimals}f}"


def nanoseconds(value: float | None) -> str:
    """Return a duration in the unit that suits it."""
    if value is None or not math.isfinite(value):
        return "-"
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if value < limit:
            return f"{value / divisor:.3g} {unit}"
    return f"{value / 1e9:.3g} s"

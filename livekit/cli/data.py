"""``livekit data``: generate, import, export, list and check recorded data.

Layer 5.
"""

import argparse
from collections.abc import Callable
from typing import Any, Final

from livekit.cli import data_files
from livekit.cli.output import add_json, print_json, print_table
from livekit.progress import Progress

__all__ = ["add_parsers", "run_check", "run_generate", "run_list"]

_DEFAULT_DATA: Final = "replay_data"
_SHOWN_FINDINGS: Final = 50
_NS: Final = 1_000_000_000

_Parsers = Any  # argparse's own type for what add_subparsers returns is private


def add_parsers(commands: _Parsers) -> None:
    """Add ``data`` and its commands."""
    data = commands.add_parser(
        "data", help="generate, import, export, list and check recorded data"
    )
    parsers = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_generate(parsers)
    data_files.add_parsers(parsers)
    for name, what, run in (
        ("list", "list the recordings of a folder", run_list),
        ("check", "look for faults in recorded data; exit code 1 if there are any", run_check),
    ):
        parser = parsers.add_parser(name, help=what, description=what)
        parser.add_argument("--data", default=_DEFAULT_DATA, help="folder (default: %(default)s)")
        _finish(parser, run)


def _add_generate(parsers: _Parsers) -> None:
    what = "write a synthetic day of market data"
    parser = parsers.add_parser("generate", help=what, description=what)
    parser.add_argument("--out", default=_DEFAULT_DATA, help="folder (default: %(default)s)")
    parser.add_argument("--symbols", help="comma-separated (default: BTC-USDT,ETH-USDT)")
    parser.add_argument("--day", default="2026-01-05", help="UTC day (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=7, help="default: %(default)s")
    parser.add_argument("--hours", type=float, default=24.0, help="from midnight (default: 24)")
    parser.add_argument("--activity", type=float, default=1.0, help="factor on arrivals")
    _finish(parser, run_generate)


def _finish(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    add_json(parser)
    parser.set_defaults(run=run)


def run_generate(options: argparse.Namespace) -> int:
    """Write a synthetic day."""
    from livekit.store.generate import generate

    symbols = options.symbols.split(",") if options.symbols else None
    with Progress(0, "generating", "seconds", is_shown=False if options.json else None) as bar:
        files = generate(
            options.out,
            symbols,
            options.day,
            options.seed,
            hours=options.hours,
            activity=options.activity,
            progress=lambda now, end: bar.update(now // _NS, total=end // _NS),
        )
    rows = [one.to_dict() for one in files]
    if options.json:
        print_json({"out": options.out, "seed": options.seed, "files": rows})
    else:
        _print_recordings(rows, f"synthetic data in {options.out}")
    return 0


def run_list(options: argparse.Namespace) -> int:
    """List the recordings of a folder."""
    from livekit.store.catalog import Catalog

    rows = [one.to_dict() for one in Catalog(options.data).list()]
    if options.json:
        print_json({"data": options.data, "files": rows})
    else:
        _print_recordings(rows, options.data)
    return 0


def _print_recordings(rows: list[dict[str, Any]], title: str) -> None:
    table = [
        (
            row["venue"],
            row["symbol"],
            row["kind"],
            row["day"],
            f"{row['rows']:,}",
            f"{row['bytes']:,}",
            _time_of_day(row["first_ts"]),
            _time_of_day(row["last_ts"]),
        )
        for row in rows
    ]
    columns = ("venue", "symbol", "kind", "day", ">rows", ">bytes", "first", "last")
    print_table(columns, table, title=title)
    total = sum(row["rows"] for row in rows), sum(row["bytes"] for row in rows)
    print(f"{len(rows)} files, {total[0]:,} events, {total[1]:,} bytes")


def _time_of_day(ts: int) -> str:
    """Return the UTC time of day of a time in ns."""
    import datetime as dt

    if not ts:
        return "-"
    return dt.datetime.fromtimestamp(ts // 1_000_000_000, dt.UTC).strftime("%H:%M:%S")


def run_check(options: argparse.Namespace) -> int:
    """Look for faults; 1 if there are any."""
    from livekit.store.check import check

    with Progress(0, "checking", "files", is_shown=False if options.json else None) as bar:
        n_files, findings = check(options.data, lambda done, total: bar.update(done, total=total))
    rows = [finding.to_dict() for finding in findings]
    if options.json:
        print_json({"data": options.data, "files": n_files, "findings": rows})
        return 1 if rows else 0
    if rows:
        shown = [
            (row["path"], row["what"], f"{row['count']:,}", str(row["first_row"]), row["detail"])
            for row in rows[:_SHOWN_FINDINGS]
        ]
        print_table(("file", "what", ">rows", ">first row", "detail"), shown, title=options.data)
    if len(rows) > _SHOWN_FINDINGS:
        print(f"and {len(rows) - _SHOWN_FINDINGS} more; --json lists all")
    print(f"{n_files} files checked, {len(rows)} findings")
    return 1 if rows else 0

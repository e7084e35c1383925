"""``livekit data import`` and ``livekit data export``: files of other tools and exchanges.

Layer 5.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, Final

from livekit.cli.output import add_json, number, print_json, print_table
from livekit.errors import ConfigError
from livekit.progress import Progress

__all__ = ["add_parsers", "run_export", "run_import"]

_DEFAULT_INTO: Final = "data"
_RAW: Final = "cryptofeed-raw"
_EXPORTS: Final = ("hftbacktest",)
_REPORTED: Final = (
    "frames",
    "book_messages",
    "checksums_verified",
    "checksums_failed",
    "gaps",
    "waiting",
    "duplicates",
    "stale_trades",
)

_Parsers = Any  # argparse's own type for what add_subparsers returns is private


def add_parsers(parsers: _Parsers) -> None:
    """Add ``import`` and ``export`` to the commands of ``data``."""
    what = "turn files of another tool or of the exchange into recorded data"
    parser = parsers.add_parser("import", help=what, description=f"{what}, whole or not at all")
    parser.add_argument("files", nargs="+", metavar="FILE", help="in the order of their times")
    parser.add_argument(
        "--format",
        help="hftbacktest, tardis, okx, table or cryptofeed-raw (default: told from the file)",
    )
    parser.add_argument(
        *("--into", "--out"),
        dest="into",
        default=_DEFAULT_INTO,
        metavar="ROOT",
        help="folder (default: %(default)s)",
    )
    parser.add_argument("--symbol", help="the only one wanted, or the name the file does not say")
    parser.add_argument("--venue", help="default: as the file says, else okx")
    parser.add_argument("--kinds", metavar="KIND,…", help="keep these only: trade, quote, book, …")
    parser.add_argument("--replace", action="store_true", help="overwrite days that exist")
    steps = parser.add_argument_group("steps (default: read off the data, and said so)")
    steps.add_argument("--instruments", metavar="FILE", help="public/instruments replies")
    steps.add_argument("--tick", type=float, help="step of a price")
    steps.add_argument("--lot", type=float, help="step of a size")
    steps.add_argument("--min", type=float, dest="minimum", help="smallest size of an order")
    steps.add_argument("--contract-value", type=float, help="base units per unit of size")
    table = parser.add_argument_group("tables")
    table.add_argument("--kind", help="trade, quote, book or bar (default: by the columns)")
    table.add_argument(
        "--columns", metavar="ROLE=NAME,…", help="columns of unusual names: time=when,price=p1"
    )
    table.add_argument("--unit", help="of times that are numbers: s, ms, us or ns")
    table.add_argument("--period", help="of bars: 1m, 4h, 1d")
    add_json(parser)
    parser.set_defaults(run=run_import)
    _add_export(parsers)


def _add_export(parsers: _Parsers) -> None:
    what = "write recorded data as a file of another tool"
    parser = parsers.add_parser("export", help=what, description=what)
    parser.add_argument("file", help="to be written")
    parser.add_argument("--format", default=_EXPORTS[0], choices=_EXPORTS, help="default: it")
    parser.add_argument("--data", default="replay_data", help="folder (default: %(default)s)")
    parser.add_argument("--symbol", required=True, help="the instrument")
    parser.add_argument("--venue", default="okx", help="default: %(default)s")
    parser.add_argument("--kinds", metavar="KIND,…", help="of trade, quote, book, gap")
    parser.add_argument("--start", help="UTC time: 2026-01-05T09:30")
    parser.add_argument("--stop", help="UTC time; not included")
    parser.add_argument("--replace", action="store_true", help="overwrite the file")
    add_json(parser)
    parser.set_defaults(run=run_export)


def _progress(options: argparse.Namespace) -> Progress:
    """Return the bar of an import, which `_follow` moves."""
    return Progress(0, "importing", "bytes", is_shown=False if options.json else None)


def _follow(bar: Progress, done: int, total: int, rows: int = 0) -> None:
    bar.update(done, f"{rows:,} rows" if rows else "", total=total)


def run_import(options: argparse.Namespace) -> int:
    """Import files of one format."""
    from livekit.store.importers.detect import format_of

    chosen = options.format or format_of(Path(options.files[0]))
    if chosen == _RAW:
        return _run_raw(options)
    from livekit.store.importers.run import import_files

    steps = {name: getattr(options, name) for name in ("tick", "lot", "minimum", "contract_value")}
    with _progress(options) as bar:
        report = import_files(
            options.files,
            options.into,
            format=chosen,
            symbol=options.symbol,
            venue=options.venue,
            kinds=_list(options.kinds),
            kind=options.kind,
            columns=_columns(options.columns),
            unit=options.unit,
            period=options.period,
            instruments=options.instruments,
            steps=steps,
            replace=options.replace,
            progress=partial(_follow, bar),
        )
    if options.json:
        print_json(report.to_dict())
    else:
        _print_report(report.to_dict())
    return 0


def _list(text: str | None) -> list[str] | None:
    return None if text is None else [one.strip() for one in text.split(",")]


def _columns(text: str | None) -> dict[str, str] | None:
    """Return what --columns says."""
    pairs = {}
    for one in _list(text) or []:
        role, mark, name = one.partition("=")
        if not (mark and role and name):
            raise ConfigError(f"--columns has {one!r}, expected ROLE=NAME such as price=last_px")
        pairs[role] = name
    return pairs or None


def _print_report(report: dict[str, Any]) -> None:
    rows = [
        (
            *(one["symbol"], one["kind"], f"{one['rows']:,}", str(len(one["days"]))),
            *(one["first"], one["last"], f"{one['duplicates']:,}"),
        )
        for one in report["kinds"]
    ]
    columns = ("symbol", "kind", ">rows", ">days", "first", "last", ">duplicates dropped")
    print_table(columns, rows, title=f"{report['format']} into {report['into']}/{report['venue']}")
    seconds = max(report["wall_s"], 1e-9)
    print(
        f"{report['rows_read']:,} rows read in {number(seconds)} s "
        f"({report['rows_read'] / seconds:,.0f} rows/s, "
        f"{number(report['bytes'] / 1e6 / seconds, 1)} MB/s); {len(report['written'])} files "
        f"written; {report['gaps']:,} gaps, {report['crossed']:,} crossed"
    )
    for reason, n in report["ignored"].items():
        print(f"{n:,} {reason}")
    for note in report["notes"]:
        print(f"note: {note}")


def _run_raw(options: argparse.Namespace) -> int:
    """Import one raw recording, through the live feed's own code."""
    from livekit.store.catalog import Catalog
    from livekit.store.importers.cryptofeed import import_cryptofeed_raw

    if len(options.files) != 1:
        raise ConfigError(
            f"{len(options.files)} files were named, expected one: a raw recording is imported by "
            "itself, as its books begin anew with it"
        )
    with _progress(options) as bar:
        report = import_cryptofeed_raw(
            options.files[0],
            Catalog(options.into),
            instruments=options.instruments,
            venue=options.venue or "okx",
            replace=options.replace,
            progress=partial(_follow, bar),
        ).to_dict()
    if options.json:
        print_json({"into": options.into, **report})
    else:
        _print_raw(report, options.into)
    return 0


def _print_raw(report: dict[str, Any], into: str) -> None:
    rows = [(f"{kind} events", f"{n:,}") for kind, n in report["events"].items()]
    rows += [(name.replace("_", " "), f"{report[name]:,}") for name in _REPORTED]
    rows += [(f"ignored: {what}", f"{n:,}") for what, n in report["ignored"].items()]
    print_table(("what", ">count"), rows, title=Path(report["file"]).name)
    print(
        f"{len(report['written'])} files written to {into}, "
        f"{len(report['unchanged'])} held the same events already"
    )
    if report["inferred"]:
        print(
            f"steps of {', '.join(report['inferred'])} were read off the recording; "
            "give --instruments FILE for the exchange's own"
        )


def run_export(options: argparse.Namespace) -> int:
    """Write recorded data as a file of another tool."""
    from livekit.store.importers.hft_export import export_hftbacktest

    with Progress(0, "exporting", is_shown=False if options.json else None) as bar:
        report = export_hftbacktest(
            options.data,
            options.symbol,
            options.file,
            start=options.start,
            stop=options.stop,
            kinds=_list(options.kinds),
            venue=options.venue,
            replace=options.replace,
            progress=partial(_follow, bar),
        )
    if options.json:
        print_json(report.to_dict())
        return 0
    events = ", ".join(f"{n:,} {kind}" for kind, n in sorted(report.events.items()))
    print(
        f"{report.rows:,} rows written to {report.path} from {events} events; {report.n_split:,} "
        "are the second half of rows that are out of order for the exchange's side"
    )
    return 0

"""``livekit runs``: list the saved runs, and remove some.

Layer 5.
"""

import argparse
import shutil
from typing import Any

from livekit.cli.output import add_json, print_json, print_table
from livekit.errors import DataError

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    what = "list the saved runs, newest first"
    parser = commands.add_parser("runs", help=what, description=what)
    parser.set_defaults(run=_list)
    add_json(parser)
    parsers = parser.add_subparsers(title="commands", metavar="COMMAND")
    remove = parsers.add_parser("rm", help="remove saved runs", description="remove saved runs")
    remove.add_argument("names", nargs="+", metavar="NAME", help="as livekit runs lists them")
    remove.set_defaults(run=_remove)
    add_json(remove)


def _list(options: argparse.Namespace) -> None:
    from rich.markup import escape

    from livekit.research.report.card import format_value
    from livekit.research.report.saved import runs

    found = runs()
    if options.json:
        print_json({"runs": [one.to_dict() for one in found]})
        return
    if not found:
        print("no run is saved; 'livekit backtest strategies/ema_cross.py' makes one")
        return
    columns = ("name", "kind", "strategy", "hash", "started", ">net profit", "")
    rows = [
        (
            *(one.name, one.kind, one.strategy, one.hash, one.started[:19].replace("T", " ")),
            format_value(one.net_profit),
            escape(one.problem) or ("partial" if one.is_partial else ""),
        )
        for one in found
    ]
    print_table(columns, rows)


def _remove(options: argparse.Namespace) -> None:
    from livekit.research.report.saved import removable

    # All are found before the first is removed, so a mistyped name removes nothing.
    folders = [removable(name) for name in dict.fromkeys(options.names)]
    for folder in folders:
        try:
            shutil.rmtree(folder)
        except OSError as error:
            raise DataError(
                f"run {folder.name!r} cannot be removed ({error.strerror}); check the rights of "
                f"{str(folder)!r}"
            ) from error
    if options.json:
        print_json({"removed": [folder.name for folder in folders]})
    else:
        print(f"removed {', '.join(folder.name for folder in folders)}")

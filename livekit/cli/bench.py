"""``livekit bench``: figures measured here and now, beside those of the peers.

Layer 5.
"""

import argparse
from pathlib import Path
from typing import Any

from livekit.cli.output import add_json, print_json

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    parser = commands.add_parser("bench", help="measure this machine")
    benchmarks = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    ring = benchmarks.add_parser(
        "ring", help="the rings against C++ and the source document's queue"
    )
    ring.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    ring.set_defaults(run=_ring)
    attach = benchmarks.add_parser(
        "attach", help="what a strategy costs: per event, to an order, to start"
    )
    attach.add_argument("--data", type=Path, metavar="DIR", help="recorded data to replay")
    attach.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    attach.set_defaults(run=_attach)
    backtest = benchmarks.add_parser(
        "backtest", help="backtests against hftbacktest, vectorbt and Nautilus Trader"
    )
    backtest.add_argument("--quick", action="store_true", help="a tenth of the data, rough figures")
    backtest.add_argument(
        "--rivals",
        type=Path,
        action="append",
        metavar="PYTHON",
        help="an interpreter that has some of the rivals; may be given more than once",
    )
    backtest.add_argument(
        "--install",
        action="store_true",
        help="first install the missing rivals into environments of their own in the cache folder",
    )
    backtest.set_defaults(run=_backtest)
    notebook = benchmarks.add_parser(
        "notebook", help="a slider to its redrawn plot and a first plot, in a real browser"
    )
    notebook.add_argument("--quick", action="store_true", help="a tenth of the data, rough figures")
    notebook.set_defaults(run=_notebook)
    for parser in (ring, attach, backtest, notebook):
        add_json(parser)


def _ring(options: argparse.Namespace) -> None:
    from livekit.bench.report import print_rows, to_json
    from livekit.bench.ring import ring_rows

    rows = ring_rows(quick=options.quick)
    if options.json:
        print_json(to_json(rows))
    else:
        print_rows("livekit bench ring", rows)


def _attach(options: argparse.Namespace) -> None:
    from livekit.bench.attach import attach_rows
    from livekit.bench.report import print_rows, to_json
    from livekit.bundled import bundled

    rows = attach_rows(options.data or bundled("replay_data"), quick=options.quick)
    if options.json:
        print_json(to_json(rows))
    else:
        print_rows("livekit bench attach", rows)


def _notebook(options: argparse.Namespace) -> None:
    from livekit.bench.notebook import notebook_rows
    from livekit.bench.report import print_rows, to_json

    rows = notebook_rows(quick=options.quick)
    if options.json:
        print_json(to_json(rows))
    else:
        print_rows("livekit bench notebook", rows)


def _backtest(options: argparse.Namespace) -> None:
    from rich.console import Console

    from livekit.bench.backtest import Plan, backtest_rows
    from livekit.bench.backtest_rivals import find_rivals, install_rivals
    from livekit.bench.report import print_rows, to_json
    from livekit.bundled import bundled

    if options.install:
        install_rivals()
    folder = bundled("tests/bench")
    smaller = {"n_quotes": 200_000, "n_trades": 100_000, "runs": 3} if options.quick else {}
    plan = Plan(folder / "works", folder / "rivals", find_rivals(options.rivals or ()), **smaller)
    outcome = backtest_rows(plan)
    if options.json:
        print_json({**to_json(outcome.rows), "notes": outcome.notes})
        return
    print_rows("livekit bench backtest", outcome.rows)
    console = Console(soft_wrap=True)
    for note in outcome.notes:
        console.print(note, style="dim", highlight=False)

"""``livekit bench``: figures measured here and now, beside those of the peers.

Layer 5.
"""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any, Final

from livekit.cli.output import add_json, print_json
from livekit.errors import ConfigError

__all__ = ["add_parsers"]

_MAX_RATE: Final = 200_000


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    parser = commands.add_parser("bench", help="measure this machine")
    benchmarks = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    for add in (_add_ring, _add_attach, _add_backtest, _add_notebook, _add_feed):
        add_json(add(benchmarks))


def _add_ring(benchmarks: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(
        "ring", help="the rings against C++ and the source document's queue"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    parser.set_defaults(run=_ring)
    return parser


def _add_attach(benchmarks: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(
        "attach", help="what a strategy costs: per event, to an order, to start"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="recorded data to replay")
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    parser.set_defaults(run=_attach)
    return parser


def _add_rivals(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--rivals",
        type=Path,
        action="append",
        metavar="PYTHON",
        help=f"an interpreter that has {what}; may be given more than once",
    )


def _add_backtest(benchmarks: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(
        "backtest", help="backtests against hftbacktest, vectorbt and Nautilus Trader"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, rough figures")
    _add_rivals(parser, "some of the rivals")
    parser.add_argument(
        "--install",
        action="store_true",
        help="first install the missing rivals into environments of their own in the cache folder",
    )
    parser.set_defaults(run=_backtest)
    return parser


def _add_notebook(benchmarks: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(
        "notebook", help="a slider to its redrawn plot and a first plot, in a real browser"
    )
    parser.add_argument("--quick", action="store_true", help="a tenth of the data, rough figures")
    parser.add_argument(
        "--minutes",
        type=float,
        default=30.0,
        metavar="N",
        help="how long the live desk's memory is watched (default: 30)",
    )
    parser.set_defaults(run=_notebook)
    return parser


def _add_feed(benchmarks: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = benchmarks.add_parser(
        "feed", help="a frame of the exchange: to the strategy, to an order, against Python's tools"
    )
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    _add_rivals(parser, "order-book, sortedcontainers or ccxt")
    parser.add_argument(
        "--soak",
        metavar="T",
        help="instead, an engine under 20,000 messages a second for that long, such as 10m",
    )
    parser.add_argument(
        "--rate", type=int, default=20_000, metavar="N", help="of a soak (default: 20000)"
    )
    parser.set_defaults(run=_feed)
    return parser


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
    from livekit.bench.dashboard import dashboard_rows
    from livekit.bench.notebook import notebook_rows
    from livekit.bench.report import print_rows, to_json

    rows = notebook_rows(quick=options.quick)
    rows += dashboard_rows(quick=options.quick, minutes=options.minutes)
    if options.json:
        print_json(to_json(rows))
    else:
        print_rows("livekit bench notebook", rows)


def _feed(options: argparse.Namespace) -> None:
    logging.getLogger("livekit.engine").setLevel(logging.CRITICAL)  # connections come and go
    from livekit.bench.report import print_rows, to_json
    from livekit.cli.demo import bundled

    title = "livekit bench feed"
    if options.soak is not None:
        from livekit.bench.feed_soak import Soak, soak_rows
        from livekit.cli.record import parse_duration

        if not 1 <= options.rate <= _MAX_RATE:
            raise ConfigError(f"rate is {options.rate}, expected 1 to {_MAX_RATE:,} a second")
        title += f" --soak {options.soak}"
        strategy = bundled("tests/bench") / "works" / "watcher.py"
        plan = Soak(parse_duration(options.soak), strategy, rate=options.rate)
        show = _show if sys.stderr.isatty() else None
        rows = soak_rows(plan, show)
    else:
        from livekit.bench.feed import feed_rows
        from livekit.bench.feed_rivals import rival_rows

        rows = feed_rows(quick=options.quick)
        scripts = bundled("tests/bench") / "rivals"
        rows += rival_rows(scripts, options.rivals or [], quick=options.quick)
    if options.json:
        print_json(to_json(rows))
    else:
        print_rows(title, rows)


def _show(line: str) -> None:
    print(f"\r\x1b[2K{line}", end="", file=sys.stderr, flush=True)


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

"""``livekit verify``: that a strategy knows no future, and that it can be repeated.

Exit code 0 when it holds, 1 when it does not.
Layer 5.
"""

import argparse
from typing import TYPE_CHECKING, Any

from livekit.cli.output import print_json
from livekit.cli.run_options import (
    add_data,
    add_market,
    add_strategy,
    choose,
    open_data,
    read_settings,
)

if TYPE_CHECKING:
    from livekit.research.verify import Verdict

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    what = "check a strategy: no look-ahead, and the same again; exit code 1 if not"
    parser = commands.add_parser("verify", help=what, description=what)
    checks = parser.add_subparsers(title="checks", metavar="CHECK", required=True)
    what = "poison what comes later: its state and orders must not change"
    lookahead = checks.add_parser("lookahead", help=what, description=what)
    lookahead.add_argument(
        "--events", type=int, metavar="N", help="events to go through (default: 50000)"
    )
    lookahead.add_argument(
        "--points", type=int, metavar="N", help="events at which to compare (default: 5)"
    )
    lookahead.set_defaults(run=_lookahead)
    what = "run it again, compiled, and in fresh processes: the orders must be the same"
    determinism = checks.add_parser("determinism", help=what, description=what)
    determinism.add_argument(
        "--events", type=int, default=0, metavar="N", help="events to go through (default: all)"
    )
    determinism.set_defaults(run=_determinism)
    for check in (lookahead, determinism):
        add_strategy(check)
        add_data(check)
        add_market(check)


def _lookahead(options: argparse.Namespace) -> int:
    from livekit.research import verify

    chosen = choose(options)
    data = open_data(options, chosen.declaration)
    verdict = verify.lookahead(
        chosen.cls,
        data,
        jit=options.jit,
        n_events=verify.EVENTS if options.events is None else options.events,
        n_points=verify.POINTS if options.points is None else options.points,
        settings=read_settings(options, data),
        progress=False if options.json else None,
        **chosen.given,
    )
    return _print(verdict, options)


def _determinism(options: argparse.Namespace) -> int:
    from livekit.research import verify

    chosen = choose(options)
    data = open_data(options, chosen.declaration)
    verdict = verify.determinism(
        chosen.cls,
        data,
        jit=options.jit,
        n_events=options.events,
        settings=read_settings(options, data),
        **chosen.given,
    )
    return _print(verdict, options)


def _print(verdict: "Verdict", options: argparse.Namespace) -> int:
    if options.json:
        print_json(verdict.to_dict() | {"file": str(options.file)})
    else:
        print(f"{options.file}: {'ok' if verdict else 'NOT OK'}, {verdict.check}: {verdict.text}")
    return 0 if verdict else 1

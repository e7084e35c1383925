"""``livekit pause|reduce|resume|flatten|cancel|audit``: steering what trades.

The kill switch is `livekit kill`, in `engines`.
Layer 5.
"""

import argparse
from typing import Any, Final

from livekit.cli.engines import add_engine
from livekit.cli.output import print_json, print_table

__all__ = ["add_parsers"]

_STATES: Final = {
    "pause": "refuse new orders; what rests stays",
    "reduce": "admit only orders that reduce a position",
    "resume": "admit all orders again",
}

_DONE: Final = {
    "pause": "new orders are refused, open ones stay; 'livekit resume' ends it",
    "reduce": "only orders that reduce a position are taken; 'livekit resume' ends it",
    "resume": "orders are taken again",
}


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    for verb, help_text in _STATES.items():
        parser = commands.add_parser(verb, help=help_text)
        parser.set_defaults(run=_change_state, verb=verb)
        add_engine(parser)
    flatten = commands.add_parser("flatten", help="cancel every order and close every position")
    flatten.set_defaults(run=_flatten)
    cancel = commands.add_parser("cancel", help="cancel a strategy's open orders, or one of them")
    cancel.add_argument("name", metavar="NAME")
    cancel.add_argument("order_id", nargs="?", type=int, metavar="ORDER")
    cancel.set_defaults(run=_cancel)
    audit = commands.add_parser("audit", help="who changed what, and when")
    audit.add_argument("-n", "--lines", type=int, default=20, help="commands to show (default: 20)")
    audit.set_defaults(run=_audit)
    for parser in (flatten, cancel, audit):
        add_engine(parser)


def _change_state(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    answer = call(options.engine, options.verb)
    if options.json:
        print_json(answer)
    else:
        print(f"{answer['trading']}: {_DONE[options.verb]}")


def _flatten(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    answer = call(options.engine, "flatten")
    if options.json:
        print_json(answer)
        return
    left = f", {answer['left']} still closing" if answer["left"] else ""
    print(
        f"{answer['trading']}: {answer['orders_canceled']} orders canceled, "
        f"{answer['positions']} positions being closed{left}; 'livekit resume' lets strategies "
        "trade again"
    )


def _cancel(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    answer = call(options.engine, "cancel", name=options.name, order_id=options.order_id)
    if options.json:
        print_json(answer)
    else:
        print(f"{options.name}: cancellation of {answer['orders']} orders asked")


def _audit(options: argparse.Namespace) -> None:
    from livekit.engine.audit import read_audit

    lines = read_audit(options.engine, max(0, options.lines))
    if options.json:
        print_json({"engine": options.engine, "commands": lines})
    elif not lines:
        print(f"nothing was changed by command in engine {options.engine!r}")
    else:
        print_table(
            ("at", "command", "by", "what"),
            [
                (
                    line["at"][:23],
                    line["verb"],
                    line["by"],
                    ", ".join(
                        f"{key} {value}"
                        for key, value in line.items()
                        if key not in ("at", "verb", "by") and value is not None
                    ),
                )
                for line in lines
            ],
        )

"""``livekit doctor``: whether this machine, this key and this account may trade.

Every check is one line; a problem is followed by what to do. The exit code is that of the
first problem. Nothing is traded and nothing is changed; secrets are never shown.
Layer 5.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from livekit.cli.doctor_machine import check_machine
from livekit.cli.findings import Finding, State, exit_code_of, to_json, write
from livekit.cli.output import add_json, print_json

__all__ = ["add_parsers"]


def add_parsers(commands: Any) -> None:
    """Register the command of this module."""
    parser = commands.add_parser(
        "doctor", help="check machine, exchange, key and account, and say what to fix"
    )
    parser.add_argument(
        "--env", choices=["sim", "demo", "live"], help="check the exchange too, and the key for it"
    )
    parser.add_argument("--url", default="", help="of a simulator, such as http://127.0.0.1:8000")
    parser.add_argument(
        "--region", default="global", help="of the exchange: global, eea or us (default: global)"
    )
    parser.add_argument("--symbols", metavar="A,B", help="instruments that will be traded")
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="FILE",
        help="file of the key (default: keyring, then "
        "~/.config/livekit/okx-ENV.json, then the environment)",
    )
    parser.add_argument(
        "--no-key",
        action="store_true",
        help="check what is public only: paper trading needs no key",
    )
    parser.add_argument(
        "--live", action="store_true", help="with --env sim: the simulator's live accounts"
    )
    parser.add_argument(
        "--timeout", type=float, default=5.0, metavar="S", help="of each question (default: 5)"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    found = []
    for one in _check(options):
        found.append(one)
        if not options.json:
            write(one)
    code = exit_code_of(found)
    if options.json:
        print_json(
            {"env": options.env, "ok": code == 0, "exit_code": code, "checks": to_json(found)}
        )
    else:
        print(_sum_up(found, options.env))
    return code


def _check(options: argparse.Namespace) -> Iterator[Finding]:
    is_whole = True
    for one in check_machine(needs_exchange=options.env is not None):
        is_whole = is_whole and not (one.is_problem and one.name == "packages")
        yield one
    if options.env is None:
        yield Finding(
            "exchange", State.SKIPPED, "not asked about; give --env demo, --env live or --env sim"
        )
    elif is_whole:
        from livekit.cli.doctor_exchange import Examination

        yield from Examination(
            options.env,
            region=options.region,
            url=options.url,
            symbols=_split(options.symbols or ""),
            key_file=options.key_file,
            has_key=not options.no_key,
            is_live=options.live,
            timeout_s=options.timeout,
        ).run()


def _split(text: str) -> list[str]:
    """Return names between commas, each once."""
    return list(dict.fromkeys(filter(None, (name.strip() for name in text.split(",")))))


def _sum_up(found: list[Finding], env: str | None) -> str:
    problems = sum(one.is_problem for one in found)
    notes = sum(one.state is State.NOTE for one in found)
    also = f", {notes} note{'s' if notes > 1 else ''}" if notes else ""
    if problems:
        return (
            f"{problems} problem{'s' if problems > 1 else ''}{also}; mend the first, then run "
            "this again"
        )
    what = f"machine, key and account are fit for {env}" if env else "machine is fit"
    if env and any(one.name == "key" and one.state is State.SKIPPED for one in found):
        what = f"machine and connection are fit for paper trading on {env} data"
    return f"{what}{also}"

"""``livekit engine start|stop|status``, ``status`` and ``kill``.

Layer 5.
"""

import argparse
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from livekit.bundled import recording_folder
from livekit.cli.feeds import connection_table, feed_rows
from livekit.cli.output import (
    add_json,
    make_table,
    nanoseconds,
    number,
    print_json,
    print_rich,
    print_table,
)
from livekit.cli.venues import order_rows
from livekit.config import DEFAULT_ENGINE
from livekit.errors import ConfigError

__all__ = ["add_engine", "add_parsers", "strategy_tables"]

_VENUES: Final = {"paper": "paper exchange", "demo": "orders go to demo trading"}
_LATENCIES: Final = ("latency_ns", "tick_to_order_ns")


def add_parsers(commands: Any) -> None:
    """Register the commands of this module."""
    engine = commands.add_parser("engine", help="start, stop or look at an engine")
    verbs = engine.add_subparsers(title="verbs", metavar="VERB", required=True)
    _add_start(verbs)
    stop = verbs.add_parser("stop", help="stop an engine and its strategies")
    stop.add_argument("--force", action="store_true", help="kill it if it does not leave")
    stop.set_defaults(run=_stop)
    for parser in (
        verbs.add_parser("status", help="what an engine does"),
        commands.add_parser("status", help="what the engine does"),
    ):
        parser.set_defaults(run=_status)
        add_engine(parser)
    kill = commands.add_parser("kill", help="kill switch: halt trading, cancel every order")
    kill.set_defaults(run=_kill)
    for parser in (stop, kill):
        add_engine(parser)


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Add the options of every command that talks to an engine."""
    parser.add_argument(
        "--engine", default=DEFAULT_ENGINE, metavar="NAME", help="engine's name (default: main)"
    )
    add_json(parser)


def _add_start(verbs: Any) -> None:
    start = verbs.add_parser("start", help="start an engine in the background")
    add_engine(start)
    start.add_argument("--config", type=Path, metavar="FILE", help="TOML with [engine] and [risk]")
    start.add_argument("--source", choices=["replay", "okx"], help="where market data comes from")
    start.add_argument("--data", metavar="DIR", help="recorded data (default: replay_data)")
    start.add_argument(
        "--speed", metavar="K", help="multiple of recorded time, 'max' or 'lockstep' (default: 1)"
    )
    start.add_argument("--symbols", metavar="A,B", help="instruments to serve (default: all)")
    _add_exchange(start)
    start.add_argument("--wait", metavar="HOW", help="laptop, server or spin (default: laptop)")
    start.add_argument(
        "--wait-for", type=int, metavar="N", help="strategies to wait for before the first event"
    )
    start.add_argument("--policy", metavar="P", help="what a full ring does: drop, alert, block")
    start.add_argument("--cash", type=float, help="opening cash (default: 100000)")
    start.add_argument("--maker", type=float, help="maker fee, fraction (default: 0.0002)")
    start.add_argument("--taker", type=float, help="taker fee, fraction (default: 0.0005)")
    start.add_argument(
        "--latency", metavar="L", help="on paper, such as order=2ms,response=1ms (default: none)"
    )
    start.add_argument(
        "--queue", metavar="MODEL", help="how resting orders fill on paper (default: risk_averse)"
    )
    start.add_argument(
        "--funding", type=float, metavar="RATE", help="of every 8 hours, for all swaps (default: 0)"
    )
    start.set_defaults(run=_start)


def _add_exchange(start: Any) -> None:
    venue = start.add_mutually_exclusive_group()
    for name, text in (
        ("paper", "trade on paper (the default)"),
        ("demo", "trade on the exchange's demo, or on a simulator"),
        ("live", "trade with real money: closed so far"),
    ):
        venue.add_argument(
            f"--{name}", dest="venue", action="store_const", const=name, default=None, help=text
        )
    start.add_argument("--env", help="of an exchange: sim, demo or live (default: live)")
    start.add_argument("--url", help="of a simulator, such as http://127.0.0.1:8000")
    start.add_argument("--region", help="of the exchange: global, eea or us (default: global)")
    start.add_argument(
        "--key-file", metavar="FILE", help="of the account's key (default: keyring, then a file)"
    )
    start.add_argument(
        "--clear-halt",
        action="store_const",
        const=True,
        help="trade again after 'livekit kill' had halted the engine at its venue",
    )
    start.add_argument(
        "--channels", metavar="A,B", help="default: tickers,trades,bbo-tbt,books; also candle1m"
    )


def _start(options: argparse.Namespace) -> None:
    from livekit.engine.halting import read_halt
    from livekit.engine.launch import start_engine
    from livekit.engine.settings import load_settings
    from livekit.engine.venue import LIVE_CLOSED

    if options.venue == "live":
        raise ConfigError(LIVE_CLOSED)
    names = [
        "venue",
        "source",
        "data",
        "speed",
        "wait",
        "wait_for",
        "policy",
        "cash",
        "maker",
        "taker",
    ]
    names += ["latency", "queue", "funding", "env", "url", "region", "key_file", "clear_halt"]
    overrides = {name: getattr(options, name) for name in names}
    overrides["name"] = options.engine
    overrides["symbols"] = options.symbols.split(",") if options.symbols else None
    overrides["channels"] = options.channels.split(",") if options.channels else None
    if options.venue == "demo" and options.env is None:
        overrides["env"] = "demo"
    settings = load_settings(options.config, overrides)
    if settings.venue == "live":
        raise ConfigError(LIVE_CLOSED)
    settings.data = str(recording_folder(settings.data).resolve())
    if settings.key_file:
        settings.key_file = str(Path(settings.key_file).expanduser().absolute())
    answer = start_engine(settings)
    halted = read_halt(settings.name) if settings.venue != "paper" else None
    if options.json:
        print_json({"engine": settings.name, **answer, "halted": halted})
        return
    for line in answer["swept"]:
        print(line)
    what = f"{settings.source} of {settings.data} at {settings.speed}"
    if settings.source != "replay":
        what = f"{settings.source} {settings.env}, {', '.join(settings.symbols)}"
    venue = _VENUES[settings.venue]
    print(
        f"engine {settings.name!r} started (pid {answer['pid']}): {what}, {venue}\n"
        "next: livekit attach strategies/momentum.py; livekit status; livekit engine stop"
    )
    if halted is not None:
        print(
            f"trading is HALTED since {halted['at']} (by {halted['by']}): no order is taken. To "
            "trade again: livekit engine stop, then start it with --clear-halt"
        )


def _stop(options: argparse.Namespace) -> None:
    from livekit.engine.folder import sweep
    from livekit.engine.launch import stop_engine

    swept = [str(item) for item in sweep()]
    for line in swept if not options.json else []:
        print(line)
    answer = stop_engine(options.engine, force=options.force)
    if options.json:
        print_json({**answer, "swept": [*swept, *answer["swept"]]})
    else:
        for line in answer["swept"]:
            print(line)
        left = ", ".join(answer["leftovers"]) or "nothing left behind"
        print(f"engine {options.engine!r} stopped; {left}")


def _kill(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    answer = call(options.engine, "kill")
    if options.json:
        print_json(answer)
    else:
        print(
            f"{answer['trading']}: {answer['orders_canceled']} orders canceled, new ones are "
            f"refused; restart the engine{' with --clear-halt' * answer['is_kept']} to trade again"
        )


def _status(options: argparse.Namespace) -> None:
    from livekit.engine.client import call

    status = call(options.engine, "status")
    if options.json:
        print_json(status)
        return
    feed = status.get("feed")
    done = status["position"] / status["n_events"] if status["n_events"] else 0.0
    rows = [
        ("state", f"{status['state']}, trading {status['trading']}"),
        ("source", f"{status['source']} {status['speed']}, venue {status['venue']}"),
        *(
            [("progress", f"{status['position']:,} of {status['n_events']:,} events ({done:.1%})")]
            if feed is None
            else feed_rows(feed)
        ),
        *(order_rows(status["orders"]) if status["orders"] else []),
        ("event time", _time(status["now"])),
        ("events in", f"{status['events_in']:,} ({number(status['events_per_s'], 0)}/s)"),
        ("events out", f"{status['events_out']:,}, dropped {status['events_dropped']:,}"),
        ("orders in", f"{status['orders_in']:,}, reports out {status['reports_out']:,}"),
        ("account", f"equity {number(status['equity'])}, cash {number(status['cash'])}"),
        ("faults", f"{status['deaths']} deaths, {status['hangs']} hangs"),
        ("log", status["log"]),
    ]
    print_table(("engine", f"{status['engine']} (pid {status['pid']})"), rows)
    if feed is not None:
        lines = [status["orders"]["line"]] if status["orders"] else []
        print_rich(connection_table([*feed["connections"], *lines]))
    if status["strategies"]:
        print_rich(*strategy_tables(status["strategies"]))


def _time(stamp_ns: int) -> str:
    if stamp_ns == 0:
        return "-"
    return datetime.fromtimestamp(stamp_ns / 1e9, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def strategy_tables(rows: Iterable[dict[str, Any]]) -> list[Any]:
    """Return two rich tables of strategies: what they did, and how long it took."""
    rows = list(rows)
    counts = (">received", ">dropped", ">orders", ">rejects", ">fills", "position", ">PnL")
    return [
        make_table(("strategy", "state", "mode", *counts), [_counts(row) for row in rows]),
        make_table(
            ("latency p50 / p99 / p99.9", ">event→strategy", ">tick→order"),
            [
                (
                    row["name"],
                    _percentiles(row["latency_ns"]),
                    _percentiles(row["tick_to_order_ns"]),
                )
                for row in rows
            ],
        ),
    ]


def _counts(row: dict[str, Any]) -> tuple[str, ...]:
    position = ", ".join(f"{size:+g} {symbol}" for symbol, size in row["position"].items())
    rejects = f"{row['rejects']:,}"
    if row["reject_codes"]:
        code = max(row["reject_codes"], key=row["reject_codes"].__getitem__)
        rejects += f" {code}" if len(row["reject_codes"]) == 1 else f" mostly {code}"
    return (
        row["name"],
        row["state"],
        row["mode"],
        f"{row['received']:,}",
        f"{row['dropped']:,}",
        f"{row['orders']:,}",
        rejects,
        f"{row['fills']:,}",
        position or "flat",
        number(row["pnl"]),
    )


def _percentiles(values: dict[str, float | None]) -> str:
    return " / ".join(nanoseconds(values[name]) for name in ("p50", "p99", "p999"))

"""``livekit record``: what an engine broadcasts, into a catalog of Parquet files.

Layer 5.
"""

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from livekit.bundled import recording_folder
from livekit.cli.output import add_json, print_error, print_json, print_table
from livekit.config import DEFAULT_ENGINE
from livekit.errors import ConfigError
from livekit.events import MARKET_KINDS, Kind

if TYPE_CHECKING:
    from livekit.cli.record_parts import Progress
    from livekit.cli.record_session import Plan, Summary
    from livekit.engine.settings import EngineSettings

__all__ = ["CHANNELS", "add_parsers", "kinds_of", "parse_duration"]

CHANNELS: Final[dict[str, Kind]] = {
    "trades": Kind.TRADE,
    "trades-all": Kind.TRADE,
    "bbo-tbt": Kind.QUOTE,
    "books": Kind.BOOK,
    "books5": Kind.BOOK,
    "books-l2-tbt": Kind.BOOK,
    "books50-l2-tbt": Kind.BOOK,
    "tickers": Kind.TICKER,
    "candle1m": Kind.BAR,
}
"""The exchange's channels that can be recorded, and the kind of event each becomes."""

_CANDLES: Final = re.compile(r"candle\d+[smHDWM](?:utc)?")
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_MAX_ROTATE_MB: Final = 4096
_OF_AN_ENGINE: Final = ("data", "speed", "config", "env", "url", "region")


def add_parsers(commands: Any) -> None:
    """Register the command."""
    what = "record what an engine broadcasts"
    parser = commands.add_parser("record", help=what, description=what)
    parser.add_argument(
        "--source", choices=["okx", "replay"], help="start an engine of this source if none runs"
    )
    parser.add_argument("--data", metavar="DIR", help="what a replay of its own replays")
    parser.add_argument("--speed", metavar="K", help="of a replay of its own (default: max)")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML with [engine], of an engine of its own"
    )
    for name, what in (
        ("--env", "of an exchange: sim, demo or live (default: live)"),
        ("--url", "of a simulator, such as http://127.0.0.1:8000"),
        ("--region", "of the exchange: global, eea or us (default: global)"),
    ):
        parser.add_argument(name, help=what)
    parser.add_argument("--symbols", metavar="A,B", help="instruments (default: all)")
    parser.add_argument(
        "--channels", metavar="C,D", help=f"some of {', '.join(CHANNELS)} (default: all)"
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the catalog")
    parser.add_argument(
        "--engine", metavar="NAME", help=f"the engine to record (default: {DEFAULT_ENGINE})"
    )
    parser.add_argument("--name", default="record", help="the recorder's in the engine")
    parser.add_argument("--raw", action="store_true", help="keep a live feed's raw frames too")
    parser.add_argument(
        "--rotate-mb", type=float, default=64.0, metavar="N", help="size of a part (default: 64)"
    )
    parser.add_argument("--duration", metavar="T", help="such as 60s, 30m, 24h (default: no end)")
    parser.add_argument(
        "--recover", action="store_true", help="only convert what an earlier recorder has left"
    )
    add_json(parser)
    parser.set_defaults(run=_run)


def kinds_of(text: str | None) -> tuple[Kind, ...]:
    """Return the kinds that a list of channels becomes; all of market data for None.

    Raises
    ------
    ConfigError
        A channel is unknown, or there is none.
    """
    if text is None:
        return MARKET_KINDS
    kinds: list[Kind] = []
    for name in (part.strip() for part in text.split(",")):
        if _CANDLES.fullmatch(name):
            kinds.append(Kind.BAR)
            continue
        if name not in CHANNELS:
            raise ConfigError(
                f"channel {name!r} cannot be recorded; use some of {', '.join(CHANNELS)}"
            )
        kinds.append(CHANNELS[name])
    return tuple(dict.fromkeys(kinds))


def parse_duration(text: str | None) -> float:
    """Return a duration such as ``90``, ``60s`` or ``1.5h`` in seconds; 0 for None.

    Raises
    ------
    ConfigError
        The text is none, or is zero.
    """
    if text is None:
        return 0.0
    match = _DURATION.fullmatch(text)
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if not seconds:
        raise ConfigError(f"duration {text!r} is not a time, expected one such as 60s, 30m or 24h")
    return seconds


def _run(options: argparse.Namespace) -> int:
    from livekit.cli.record_session import record, recover

    if options.recover:
        summary = recover(Path(options.out).expanduser().resolve())
    else:
        line = _Line(is_shown=not options.json and sys.stderr.isatty())
        summary = record(_plan(options), line.show if line.is_shown else None)
        line.clear()
    if options.json:
        print_json(summary.to_dict())
    else:
        _print(summary)
    if summary.failure and not options.json:
        print_error("LivekitError", summary.failure, summary.exit_code, as_json=False)
    return summary.exit_code


def _plan(options: argparse.Namespace) -> "Plan":
    from livekit.cli.record_session import Plan

    if not 0.01 <= options.rotate_mb <= _MAX_ROTATE_MB:
        raise ConfigError(
            f"size of a part is {options.rotate_mb:g} MB, expected 0.01 to {_MAX_ROTATE_MB}"
        )
    symbols = tuple(dict.fromkeys(_names(options.symbols) or ()))
    settings = _settings(options, symbols)
    return Plan(
        root=Path(options.out).expanduser().resolve(),
        engine=settings.name if settings else options.engine or DEFAULT_ENGINE,
        settings=settings,
        name=options.name,
        symbols=symbols,
        kinds=kinds_of(options.channels),
        rotate_bytes=int(options.rotate_mb * (1 << 20)),
        duration_s=parse_duration(options.duration),
    )


def _names(text: str | None) -> list[str] | None:
    """Return the parts of a list with commas; None where there is none."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else None


def _settings(options: argparse.Namespace, symbols: tuple[str, ...]) -> "EngineSettings | None":
    """Return the settings of an engine to start, None where one runs that is to be recorded."""
    from livekit.engine.client import call
    from livekit.engine.folder import is_running
    from livekit.engine.settings import load_settings

    name = options.engine or DEFAULT_ENGINE
    if is_running(name):
        source = call(name, "status")["source"]
        if options.source not in (None, source):
            raise ConfigError(
                f"engine {name!r} runs with source {source!r}, not {options.source!r}; record it "
                "without --source, or give another --engine"
            )
        given = [key for key in _OF_AN_ENGINE if getattr(options, key) is not None]
        if given:
            raise ConfigError(
                f"engine {name!r} runs already, as it was started; leave out --{given[0]}, or give "
                "another --engine"
            )
        if options.raw:
            raise ConfigError(
                f"engine {name!r} runs already; raw frames are kept by the engine's own feed, so "
                "--raw needs an engine that this command starts"
            )
        return None
    if options.source is None:
        return None  # and `record` says that none runs
    is_replay = options.source == "replay"
    if options.raw and is_replay:
        raise ConfigError("a replay has no raw frames; leave out --raw, or record --source okx")
    overrides: dict[str, Any] = {
        "name": options.engine or f"record-{os.getpid()}",
        "source": options.source,
        "data": options.data,
        "speed": (options.speed or "max") if is_replay else None,
        "channels": None if is_replay else _names(options.channels),
        "env": options.env,
        "url": options.url,
        "region": options.region,
        "symbols": list(symbols) or None,
        "wait_for": 1,
        "sample": "",
        "owner_pid": os.getpid(),
        "raw": str(Path(options.out).expanduser().resolve()) if options.raw else None,
    }
    settings = load_settings(options.config, overrides)
    settings.data = str(recording_folder(settings.data).resolve())
    return settings


class _Line:
    """The line on a terminal that says how far the recording has come."""

    def __init__(self, *, is_shown: bool) -> None:
        self.is_shown = is_shown
        self._seconds, self._events = 0.0, 0

    def show(self, seen: "Progress") -> None:
        """Write the line anew, at most twice a second."""
        passed = seen.seconds - self._seconds
        if passed < 0.5:
            return
        rate = (sum(seen.received.values()) - self._events) / passed
        self._seconds, self._events = seen.seconds, sum(seen.received.values())
        kinds = ", ".join(f"{n:,} {name}" for name, n in seen.received.items())
        text = (
            f"{seen.seconds:7.1f} s  {rate:,.0f}/s  {kinds or 'nothing yet'}  "
            f"{seen.n_bytes / 1e6:,.1f} MB  {seen.gaps} gaps"
        )
        print(f"\r\x1b[2K{text}", end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self.is_shown:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def _print(summary: "Summary") -> None:
    recovered, done, seen = summary.recovered, summary.converted, summary.progress
    if recovered.n_parts:
        print(
            f"recovered {recovered.n_rows:,} rows from {recovered.n_parts} parts that an earlier "
            "recorder had left"
        )
    if recovered.n_bad_bytes + done.n_bad_bytes:
        print(
            f"{recovered.n_bad_bytes + done.n_bad_bytes:,} bytes were damaged; their parts are "
            f"kept as .bad in {summary.root}/.recording"
        )
    if not summary.engine:
        return
    rows = [(name, f"{n:,}", f"{done.rows.get(name, 0):,}") for name, n in seen.received.items()]
    title = f"recorded from engine {summary.engine!r} into {summary.root}"
    print_table(("kind", ">received", ">new rows"), rows, title=title)
    print(
        f"{seen.events:,} events, {seen.n_bytes:,} bytes in {seen.seconds:.1f} s; "
        f"{seen.gaps} gaps, {seen.lost:,} events lost"
    )
    if summary.raw is not None:
        raw = summary.raw
        print(f"{raw['frames']:,} raw frames kept, {raw['dropped']:,} dropped")
    print(f"next: livekit data check --data {summary.root}")

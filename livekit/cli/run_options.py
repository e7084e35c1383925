"""What ``backtest``, ``sweep`` and ``verify`` have in common: a strategy, data, a market.

The options are read in the order in which a user can be wrong: the file, its class, its
parameters, the data, the assumptions. Nothing runs before all of them hold.
Layer 5.
"""

import argparse
import contextlib
import math
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livekit.cli.output import add_json
from livekit.errors import ConfigError

if TYPE_CHECKING:
    from livekit.research.data import Data
    from livekit.research.simulation import Settings
    from livekit.strategy.api import Strategy
    from livekit.strategy.declaration import Declaration

__all__ = [
    "Chosen",
    "add_data",
    "add_market",
    "add_strategy",
    "choose",
    "finish_first",
    "market_of",
    "open_data",
    "read_settings",
]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A strategy as a command names it.

    Attributes
    ----------
    cls : Strategy class
    declaration : Declaration
    given : dict
        The parameters that were given, by name.
    """

    cls: "type[Strategy]"
    declaration: "Declaration"
    given: dict[str, Any]


def add_strategy(parser: argparse.ArgumentParser) -> None:
    """Add the strategy's file and what is chosen of it."""
    parser.add_argument("file", type=Path, metavar="FILE", help="such as strategies/ema_cross.py")
    parser.add_argument("--class", dest="class_name", metavar="CLASS", help="if FILE has several")
    parser.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="of the strategy; may be given more than once",
    )
    parser.add_argument(
        "--jit",
        action=argparse.BooleanOptionalAction,
        help="run it compiled, or not (default: what the class says)",
    )
    add_json(parser)


def add_data(parser: argparse.ArgumentParser) -> None:
    """Add which recorded data to take."""
    group = parser.add_argument_group("data")
    group.add_argument(
        "--data", default="replay_data", metavar="DIR", help="recorded data (default: %(default)s)"
    )
    group.add_argument(
        "--symbols", metavar="A,B", help="default: the strategy's, or all if it names none"
    )
    group.add_argument("--start", metavar="TIME", help="UTC, such as 2026-01-05T09:30")
    group.add_argument("--stop", metavar="TIME", help="UTC; events before it are taken")
    group.add_argument("--venue", default="okx", help="default: %(default)s")


def add_market(parser: argparse.ArgumentParser) -> None:
    """Add what is assumed of the market; the defaults are those of `make_settings`."""
    group = parser.add_argument_group("assumptions")
    add = group.add_argument
    add("--cash", type=float, default=100_000.0, help="at the start (default: 100000)")
    fee = "fee as a fraction, a rebate below 0 (default: %(default)s)"
    add("--maker", type=float, default=0.0002, help=fee)
    add("--taker", type=float, default=0.0005, help=fee)
    add(
        "--latency",
        default="",
        metavar="WAY=SPAN,…",
        help="such as feed=1ms,order=2ms,response=2ms",
    )
    add(
        "--queue",
        default="risk_averse",
        metavar="MODEL",
        help="how resting orders queue: risk_averse, power_prob:3, log_prob, front, touch, crossed",
    )
    add("--whole-fills", action="store_true", help="a print fills a resting order whole")
    add("--unlimited-depth", action="store_true", help="a taker fills whole at the touch")
    add("--funding", type=float, metavar="RATE", help="of every 8 hours, for all swaps")
    add("--sample", default="1s", metavar="SPAN", help="grid of the equity (default: %(default)s)")


def choose(options: argparse.Namespace) -> Chosen:
    """Load the strategy's class and check the parameters given.

    Raises
    ------
    NotFoundError, StrategyError, ConfigError
        There is no such file or class, it cannot be run, or a parameter is impossible.
    """
    from livekit.strategy.declaration import declare
    from livekit.strategy.loader import load_class
    from livekit.strategy.spec import parse_params

    cls = load_class(options.file, options.class_name or None)
    declaration = declare(cls)
    values = parse_params(declaration, options.param)
    names = [pair.partition("=")[0].strip() for pair in options.param]
    return Chosen(cls, declaration, {name: values[name] for name in names})


def open_data(options: argparse.Namespace, declaration: "Declaration") -> "Data":
    """Open the data that the options name.

    Raises
    ------
    NotFoundError, ConfigError, DataError
        There is none such, or a time is none.
    """
    from livekit.research.data import load

    symbols: Any = declaration.symbols or None
    if options.symbols:
        symbols = [part.strip() for part in options.symbols.split(",") if part.strip()]
    return load(options.data, symbols, options.start, options.stop, venue=options.venue)


def market_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is assumed of the market, under the names of `make_settings`.

    Raises
    ------
    ConfigError
        A latency, queue or amount is none.
    """
    from livekit.trading.latency import Latency
    from livekit.trading.queue_model import QueueModel

    if not 0 < options.cash < math.inf:
        raise ConfigError(f"cash is {options.cash!r}, expected an amount above 0")
    return {
        "cash": options.cash,
        "maker": options.maker,
        "taker": options.taker,
        "latency": Latency.parse(options.latency),
        "queue": QueueModel.parse(options.queue),
        "partial_fills": not options.whole_fills,
        "sample": options.sample,
        "funding": options.funding,
        "unlimited_depth": options.unlimited_depth,
    }


def read_settings(options: argparse.Namespace, data: "Data") -> "Settings":
    """Return the assumptions as a simulation takes them.

    Raises
    ------
    ConfigError
        One of them is impossible.
    """
    from livekit.research.settings import make_settings

    return make_settings(data, **market_of(options))


@contextlib.contextmanager
def finish_first() -> Iterator[None]:
    """Let the block end before Ctrl-C takes effect: who presses it twice keeps the result."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pressed: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: pressed.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    # Once is what ended the work already; its result is whole now.

"""What is subscribed to, and on how many connections.

A connection carries one path of the exchange, at most 64 KB of arguments, and few enough
full books and arguments that resubscribing never meets the limit of requests an hour.
Source: OKX API v5, "Connect" and "Order book channel", read 2026-08.
Layer 2. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from livekit.errors import ConfigError
from livekit.okx.messages import BOOK_CHANNELS, PERIODS, SNAPSHOT_CHANNELS

__all__ = ["CHANNELS", "DEFAULT_CHANNELS", "Argument", "make_arguments", "split"]

DEFAULT_CHANNELS: Final = ("tickers", "trades", "bbo-tbt", "books")
CHANNELS: Final = (
    *("tickers", "trades", "funding-rate"),
    *sorted(BOOK_CHANNELS | SNAPSHOT_CHANNELS),
    *(f"candle{period}" for period in PERIODS),
)
"""Every channel of one instrument that can be asked for."""

_MAX_ARGUMENT_BYTES: Final = 64 * 1024
_MAX_BOOKS: Final = 25
_MAX_ARGUMENTS: Final = 120


@dataclass(frozen=True, slots=True, order=True)
class Argument:
    """One subscription: a channel of an instrument, of a type of instruments, or private.

    `extra` is the text of ``extraParams``.
    """

    channel: str
    symbol: str = ""
    kind: str = ""
    extra: str = ""

    @property
    def path(self) -> str:
        """``public`` or ``business``."""
        return "business" if self.channel.startswith("candle") else "public"

    def to_json(self) -> bytes:
        """Return the argument as the exchange reads it."""
        named = {"channel": self.channel, "instId": self.symbol, "instType": self.kind}
        named["extraParams"] = self.extra
        return msgspec.json.encode({key: value for key, value in named.items() if value})


def make_arguments(symbols: Sequence[str], channels: Iterable[str]) -> list[Argument]:
    """Return the arguments of every channel of every symbol; funding of swaps only.

    Raises
    ------
    ConfigError
        A channel is unknown, or two of them exclude each other.
    """
    channels = list(dict.fromkeys(channels))
    for channel in channels:
        if channel not in CHANNELS:
            raise ConfigError(
                f"channel {channel!r} is unknown; known are {', '.join(CHANNELS[:8])} and "
                f"candle with a bar, such as candle1m"
            )
    full = [channel for channel in channels if channel in BOOK_CHANNELS]
    if len(full) > 1:
        raise ConfigError(
            f"channels {full[0]!r} and {full[1]!r} exclude each other; ask for one full book"
        )
    return [
        Argument(channel, symbol)
        for symbol in symbols
        for channel in channels
        if channel != "funding-rate" or symbol.endswith("-SWAP")
    ]


def split(arguments: Iterable[Argument]) -> list[tuple[Argument, ...]]:
    """Return the arguments of each connection, in order; none mixes two paths."""
    groups: list[list[Argument]] = []
    open_groups: dict[str, list[Argument]] = {}
    for argument in arguments:
        group = open_groups.get(argument.path)
        if group is None or not _fits(group, argument):
            group = open_groups[argument.path] = []
            groups.append(group)
        group.append(argument)
    return [tuple(group) for group in groups]


def _fits(group: list[Argument], argument: Argument) -> bool:
    both = [*group, argument]
    n_books = sum(one.channel in BOOK_CHANNELS for one in both)
    n_bytes = sum(len(one.to_json()) + 1 for one in both)
    return n_books <= _MAX_BOOKS and len(both) <= _MAX_ARGUMENTS and n_bytes <= _MAX_ARGUMENT_BYTES

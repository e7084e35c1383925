"""The public channels: what is pushed when a market moves, and at which pace.

Trades go out at once; bbo-tbt with every change of the touch; the others when a tick of
10 ms or 100 ms finds their market changed. A book of updates is one stream per market
and channel, the same for everybody: who subscribes is given the state last sent.
Layer 4. One thread.
"""

from typing import Any, Final

from livekit.clock import monotonic_ns
from livekit.okxsim.hub import Hub, Subscription, encode, frame_of
from livekit.okxsim.listings import Listing
from livekit.okxsim.market_rows import (
    Sides,
    level_rows,
    single_rows,
    slow_row,
    ticker_row,
    trade_row,
)
from livekit.okxsim.tape import Print, bar_ms, bar_start
from livekit.okxsim.world import World

__all__ = ["PUBLIC_CHANNELS", "STREAMS", "Channels"]

STREAMS: Final = {"books": (400, 10), "books50-l2-tbt": (50, 1), "books-l2-tbt": (400, 1)}
"""Levels, and ticks of 10 ms between updates."""

PUBLIC_CHANNELS: Final = frozenset(
    {
        *("tickers", "trades", "bbo-tbt", "books5", "instruments", "funding-rate", "mark-price"),
        *("index-tickers", "price-limit", "open-interest", "status", *STREAMS),
    }
)

_TICK_NS: Final = 10_000_000
_SLOW: Final = 10
_QUIET_MS: Final = 60_000


class _Stream:
    """One book of updates: what was last sent of it."""

    def __init__(self) -> None:
        self.sides: Sides = ({}, {})
        self.sequence = -1
        self.sent_ms = 0


class Channels:
    """Publishes a world's markets.

    Parameters
    ----------
    world : World
    hub : Hub
    """

    def __init__(self, world: World, hub: Hub) -> None:
        self._world, self._hub = world, hub
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._touches: dict[int, Any] = {}
        self._fives: dict[int, tuple[Any, int]] = {}
        self._stale: dict[str, set[int]] = {name: set() for name in ("tickers", "books5", "bars")}
        self._bars: dict[tuple[str, str], tuple[int, int]] = {}
        self._n_ticks, self._began_ns = 0, monotonic_ns()
        world.on_change, world.on_print = self._changed, self._printed

    def _changed(self, listing: Listing) -> None:
        """Hear that a book changed."""
        number = listing.number
        self._stale["tickers"].add(number)
        self._stale["books5"].add(number)
        if self._hub.of("bbo-tbt", listing.symbol):
            touch = self._world.levels(listing, 1)
            if touch != self._touches.get(number):
                self._touches[number] = touch
                self._hub.publish("bbo-tbt", listing.symbol, [self._flat(listing, touch)])

    def _flat(self, listing: Listing, sides: Sides) -> dict[str, Any]:
        """Return the data of a snapshot channel."""
        return {
            "asks": level_rows(listing, sides[1]),
            "bids": level_rows(listing, sides[0]),
            "ts": str(self._world.now_ms()),
            "seqId": self._world.sequences[listing.number],
        }

    def _printed(self, listing: Listing, made: Print) -> None:
        """Hear of a trade."""
        self._stale["tickers"].add(listing.number)
        self._stale["bars"].add(listing.number)
        self._hub.publish("trades", listing.symbol, [trade_row(listing, made)])
        if self._hub.of("trades-all", listing.symbol):
            for row in single_rows(listing, made):
                self._hub.publish("trades-all", listing.symbol, [row])

    def relisted(self, listing: Listing) -> None:
        """Hear that a listing changed: the instruments channel says its whole row."""
        for kind in (listing.kind, "ANY"):
            for one in self._hub.of("instruments", kind):
                row = listing.row(is_demo=self._world.is_demo)
                one.listener.push(encode(frame_of(one.arg, [row])), "instruments")

    def tick(self) -> None:
        """Publish what is due; called every 10 ms."""
        before = self._n_ticks
        # Ticks that a busy loop came too late for count too.
        self._n_ticks = max(before + 1, round((monotonic_ns() - self._began_ns) / _TICK_NS))
        for channel, name in self._hub.channels():
            if channel in STREAMS and self._is_due(before, STREAMS[channel][1]):
                self._update(channel, self._world.by_symbol[name])
        if self._is_due(before, _SLOW):
            self._push_fives()
            stale, self._stale["tickers"] = self._stale["tickers"], set()
            for number in stale:
                listing = self._world.listings[number]
                if self._hub.of("tickers", listing.symbol):
                    row = ticker_row(self._world, listing, self._world.now_ms())
                    self._hub.publish("tickers", listing.symbol, [row])
        if self._is_due(before, 100):
            self._push_bars()
        if self._is_due(before, 3000):
            self._push_rates()

    def _is_due(self, before: int, every: int) -> bool:
        """Tell whether a multiple of `every` ticks has passed since `before`."""
        return self._n_ticks // every > before // every

    def _push_fives(self) -> None:
        """Push books5 where it changed, and again after a minute without change."""
        stale, self._stale["books5"] = self._stale["books5"], set()
        now_ms = self._world.now_ms()
        for channel, name in self._hub.channels():
            if channel != "books5":
                continue
            listing = self._world.by_symbol[name]
            known, sent_ms = self._fives.get(listing.number, (None, 0))
            is_old = now_ms - sent_ms >= _QUIET_MS
            if listing.number not in stale and not is_old:
                continue
            sides = self._world.levels(listing, 5)
            if sides != known or is_old:
                self._fives[listing.number] = (sides, now_ms)
                self._hub.publish("books5", name, [self._five(listing, sides)])

    def _five(self, listing: Listing, sides: Sides) -> dict[str, Any]:
        row = self._flat(listing, sides)
        stamp, sequence = row.pop("ts"), row.pop("seqId")
        return {**row, "instId": listing.symbol, "ts": stamp, "seqId": sequence}

    def _stream(self, channel: str, listing: Listing, *, is_new: bool = False) -> _Stream:
        """Return a stream; a new one begins at the present book."""
        key = (channel, listing.number)
        stream = self._streams.get(key)
        if stream is None or is_new:
            stream = self._streams[key] = _Stream()
            stream.sides = self._world.levels(listing, STREAMS[channel][0])
            stream.sequence = self._world.sequences[listing.number]
            stream.sent_ms = self._world.now_ms()
        return stream

    def _update(self, channel: str, listing: Listing) -> None:
        """Publish what changed in a book, or that nothing did for a minute."""
        stream, now_ms = self._stream(channel, listing), self._world.now_ms()
        sequence = self._world.sequences[listing.number]
        if sequence == stream.sequence:
            if now_ms - stream.sent_ms >= _QUIET_MS:
                self._send(channel, listing, ([], []), sequence)
            return
        sides = self._world.levels(listing, STREAMS[channel][0])
        changes = [
            _changes(listing, old, new) for old, new in zip(stream.sides, sides, strict=True)
        ]
        if changes[0] or changes[1]:
            stream.sides = sides
            self._send(channel, listing, (changes[0], changes[1]), sequence)

    def _send(
        self, channel: str, listing: Listing, changes: tuple[list[Any], list[Any]], sequence: int
    ) -> None:
        """Send an update and go on from its seqId."""
        stream = self._streams[channel, listing.number]
        row = {
            "asks": changes[1],
            "bids": changes[0],
            "ts": str(self._world.now_ms()),
            "checksum": 0,
            "prevSeqId": stream.sequence,
            "seqId": sequence,
        }
        stream.sequence, stream.sent_ms = sequence, self._world.now_ms()
        self._hub.publish(channel, listing.symbol, [row], "update")

    def _push_bars(self) -> None:
        """Push the bars that traded or closed, once a second."""
        stale, self._stale["bars"] = self._stale["bars"], set()
        now_ms = self._world.now_ms()
        for channel, name in self._hub.channels():
            if channel.startswith("candle"):
                listing = self._world.by_symbol[name]
                self._push_bar(channel, listing, now_ms, is_stale=listing.number in stale)

    def _push_bar(self, channel: str, listing: Listing, now_ms: int, *, is_stale: bool) -> None:
        """Push one channel's bar, first the one that closed since."""
        tape, bar = self._world.tapes[listing.number], channel.removeprefix("candle")
        key = (channel, listing.symbol)
        shown = self._bars.get(key, (0, 0))[0]
        newest = tape.bars(bar, 2)
        if shown and shown + bar_ms(bar) <= now_ms:
            closed = next((one for one in newest if one.start_ms == shown), None)
            if closed is not None:
                rows = [tape.row(closed, now_ms, bar, is_confirmed=True)]
                self._hub.publish(channel, listing.symbol, rows)
            self._bars[key] = (0, 0)
        if newest and is_stale and newest[0].start_ms == bar_start(now_ms, bar):
            self._bars[key] = (newest[0].start_ms, now_ms)
            rows = [tape.row(newest[0], now_ms, bar, is_confirmed=False)]
            self._hub.publish(channel, listing.symbol, rows)

    def _push_rates(self) -> None:
        """Push what is repeated every half minute: funding, marks, limits, open interest."""
        for channel, name in self._hub.channels():
            if channel in _REPEATED:
                listing = self._world.by_symbol[name]
                self._hub.publish(channel, name, [slow_row(self._world, channel, listing)])

    def snapshot(self, subscription: Subscription) -> None:
        """Send what a channel says when it is subscribed."""
        channel, name = subscription.topic
        listing = self._world.by_symbol.get(name)
        if listing is None:
            return
        data = self._first(channel, listing)
        action = "snapshot" if channel in STREAMS else ""
        if data:
            arg = {"channel": channel, "instId": name}
            subscription.listener.push(encode(frame_of(arg, data, action)), channel)

    def _first(self, channel: str, listing: Listing) -> list[Any]:
        """Return the first data of a channel."""
        world, tape = self._world, self._world.tapes[listing.number]
        if channel in {"trades", "trades-all"} and tape.last is not None:
            singles = single_rows(listing, tape.last)[-1:]
            return [trade_row(listing, tape.last)] if channel == "trades" else singles
        if channel.startswith("candle"):
            bar = channel.removeprefix("candle")
            return [tape.row(one, world.now_ms(), bar) for one in tape.bars(bar, 1)]
        if channel in STREAMS:
            return [self._whole(channel, listing)]
        if channel in _REPEATED:
            return [slow_row(world, channel, listing)]
        return self._plain(channel, listing)

    def _plain(self, channel: str, listing: Listing) -> list[Any]:
        """Return the data of a channel whose every push replaces the one before."""
        world = self._world
        if channel == "tickers":
            return [ticker_row(world, listing, world.now_ms())]
        if channel == "bbo-tbt":
            return [self._flat(listing, world.levels(listing, 1))]
        return [self._five(listing, world.levels(listing, 5))] if channel == "books5" else []

    def _whole(self, channel: str, listing: Listing) -> dict[str, Any]:
        """Return the snapshot of a book of updates."""
        # Where nobody else listens the stream may be old: it begins anew.
        is_new = len(self._hub.of(channel, listing.symbol)) <= 1
        stream = self._stream(channel, listing, is_new=is_new)
        ends = {"checksum": 0, "prevSeqId": -1, "seqId": stream.sequence}
        return {**self._flat(listing, stream.sides), **ends}


def _changes(
    listing: Listing, old: dict[int, tuple[int, int]], new: dict[int, tuple[int, int]]
) -> list[list[str]]:
    """Return the levels that differ; "0" deletes."""
    if old == new:
        return []
    changed = {tick: level for tick, level in new.items() if old.get(tick) != level}
    rows = level_rows(listing, changed)
    price, tick_value = listing.price_text, listing.tick_value
    gone = (tick for tick in old if tick not in new)
    return [*rows, *([price(tick * tick_value), "0", "0", "0"] for tick in gone)]


_REPEATED: Final = frozenset(
    {"funding-rate", "mark-price", "index-tickers", "price-limit", "open-interest"}
)

"""What a trade or a book does once it has been read, in compiled code: rules and events.

The rules are those of books.py, sequence.py and market.py, for the common cases alone;
whatever else a message may be is left to them.
Layer 2. Allocates nothing.
"""

from typing import Final

from livekit.book import CAPACITY, apply_levels, clear, n_levels
from livekit.events import TRADE, Kind
from livekit.okx.layout import (
    ENTRY,
    FEED,
    INSTRUMENT,
    LAST,
    NO_SEQUENCE,
    STATE,
    TRADES_REMEMBERED,
)
from livekit.okx.publish import publish
from livekit.ring.jit import hot, inner
from livekit.ring.memory import record, store_i64

__all__ = [
    "ASKS",
    "LEVEL_ROOM",
    "MAX_LEVELS",
    "note_trade",
    "take_trade",
    "take_update",
    "take_whole",
]

MAX_LEVELS: Final = 1024
"""Levels of one side of a message."""

ASKS: Final = MAX_LEVELS * 16
"""Where the asks lie in the room for levels; the bids lie before them."""

LEVEL_ROOM: Final = 2 * ASKS
"""Bytes of that room."""

_TRADE_TAIL: Final = int(TRADE.fields["published"][1])  # type: ignore[index]
_NS_PER_MS: Final = 1_000_000
_LIVE: Final = 1
_BBO_RANK: Final = 5
_TRADE, _QUOTE, _BOOK = int(Kind.TRADE), int(Kind.QUOTE), int(Kind.BOOK)


@hot
def note_trade(instrument: int, trade_id: int) -> int:
    """Remember a print; 1, or 0 when it is known."""
    view = record(INSTRUMENT, instrument)
    if trade_id > view.last_trade:
        view.last_trade = trade_id
    else:
        for i in range(min(view.n_trades, TRADES_REMEMBERED)):
            if view.trades[i] == trade_id:
                return 0
    view.trades[view.n_trades & (TRADES_REMEMBERED - 1)] = trade_id
    view.n_trades += 1
    return 1


@inner
def take_trade(
    state: int,
    instrument: int,
    price: float,
    size: float,
    trade_id: int,
    side: int,
    ts: int,
    ts_recv: int,
) -> int:
    """Write a TRADE, unless it is known or older than the connection."""
    view, own = record(STATE, state), record(INSTRUMENT, instrument)
    if note_trade(instrument, trade_id) == 0:
        view.duplicates += 1
        return 0
    is_first = own.has_printed == 0
    own.has_printed = 1
    if is_first and ts * _NS_PER_MS < own.connected_ns:
        view.stale_trades += 1
        return 0
    event = record(TRADE, view.slots)
    event.kind = _TRADE
    event.flags = 0
    event.instrument = own.number
    event.aux = side
    event.sequence = view.sequence
    event.ts_event = ts * _NS_PER_MS
    event.ts_recv = ts_recv
    event.price = price
    event.size = size
    event.trade_id = trade_id
    store_i64(view.slots + _TRADE_TAIL, 0)  # `published` and the padding
    view.sequence += 1
    view.events[_TRADE] += 1
    return 1


@inner
def take_whole(
    state: int, entry: int, n_bids: int, n_asks: int, ts: int, seq: int, ts_recv: int
) -> int:
    """Replace a book, unless the push repeats or precedes the last; as `BookFeed.take_whole`."""
    own = record(ENTRY, entry)
    feed = record(FEED, own.feed)
    feed.heard_ns = ts_recv
    if feed.last != NO_SEQUENCE and seq <= feed.last and (seq == feed.last or ts <= feed.last_ts):
        record(STATE, state).duplicates += 1
        return 0
    feed.state = _LIVE
    feed.last_ts = ts
    clear(feed.book)
    return _apply(state, entry, n_bids, n_asks, ts, seq, ts_recv)


@inner
def take_update(
    state: int, entry: int, n_bids: int, n_asks: int, ts: int, seq: int, prev: int, ts_recv: int
) -> int:
    """Apply an update that extends a live book; anything else is not for here."""
    feed = record(FEED, record(ENTRY, entry).feed)
    if feed.state != _LIVE or feed.has_text or feed.last != prev or seq <= prev:
        return -1
    if n_levels(feed.book, 0) + n_bids > CAPACITY or n_levels(feed.book, 1) + n_asks > CAPACITY:
        return -1
    feed.heard_ns = ts_recv
    return _apply(state, entry, n_bids, n_asks, ts, seq, ts_recv)


@inner
def _apply(
    state: int, entry: int, n_bids: int, n_asks: int, ts: int, seq: int, ts_recv: int
) -> int:
    """Set the levels read, and write QUOTE and BOOK where this changed them."""
    view, own = record(STATE, state), record(ENTRY, entry)
    feed, instrument = record(FEED, own.feed), record(INSTRUMENT, own.instrument)
    feed.last = seq
    view.books += 1
    view.absent += apply_levels(feed.book, view.levels, n_bids, 0) & 0xFFFFFFFF
    view.absent += apply_levels(feed.book, view.levels + ASKS, 0, n_asks) & 0xFFFFFFFF
    takes = 0
    if feed.rank >= instrument.quote_rank:
        instrument.quote_rank = feed.rank
        takes = 1
    if feed.rank < _BBO_RANK and feed.rank >= instrument.book_rank:
        instrument.book_rank = feed.rank
        takes |= 2
    written = publish(
        feed.book,
        own.instrument + LAST,
        view.slots,
        takes,
        instrument.number,
        view.sequence,
        seq,
        ts * _NS_PER_MS,
        ts_recv,
    )
    n = (written & 1) + (written >> 1)
    view.events[_QUOTE] += written & 1
    view.events[_BOOK] += written >> 1
    view.sequence += n
    return n

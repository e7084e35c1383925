"""The tape of the synthetic market: its records in memory, and the events it emits.

A WORLD has MARKETs, a MARKET has a book in ticks and lots and one OUTPUT per kind. Events
are written in the order of receipt and numbered through all markets, as one connection
would deliver them: the touch when it changed, every print, and ticker and five-level
book at most once per interval, as the exchange throttles them.
Layer 3. Pure; works on records in memory given by address.
"""

from typing import Final

import numpy as np

from livekit.book import write_book, write_quote
from livekit.events import BOOK, BOOK_LEVELS, HEAD, QUOTE, TICKER, TRADE, Kind
from livekit.ring.jit import hot
from livekit.ring.memory import record

__all__ = ["KINDS", "MARKET", "OUTPUT", "ROOM", "WORLD", "emit_trade", "publish"]

KINDS: Final = (Kind.QUOTE, Kind.TRADE, Kind.TICKER, Kind.BOOK)
"""The kinds a market emits, in the order of its OUTPUTs."""

OUTPUT: Final = np.dtype([("rows", "<i8"), ("n", "<i8"), ("capacity", "<i8"), ("n_bytes", "<i8")])
"""Where the events of one kind of one market go."""

MARKET: Final = np.dtype(
    [
        ("book", "<i8"),  # address of a BOOK_STATE that works in ticks and lots
        ("outputs", "<i8"),  # address of OUTPUT[4]
        ("due", "<i8"),  # time of the next arrival, ns since the start
        ("ticker_due", "<i8"),
        ("book_due", "<i8"),
        ("ticker_interval", "<i8"),
        ("book_interval", "<i8"),
        ("trade_id", "<i8"),
        ("sequence_id", "<i8"),
        ("is_ticker_stale", "<i8"),
        ("is_book_stale", "<i8"),
        ("price", "<f8"),  # at the start, in ticks
        ("ticks_per_unit", "<f8"),
        ("lots_per_unit", "<f8"),
        ("rate", "<f8"),  # arrivals per second at activity 1
        ("beta", "<f8"),
        ("own", "<f8"),  # the mean-reverting part of the fair value, relative
        ("own_sigma", "<f8"),  # per square root of a second
        ("width", "<f8"),  # typical distance of an order from the fair value, ticks
        ("depth", "<f8"),  # levels a side tends to
        ("unit_size", "<f8"),  # typical small order, lots
        ("flow", "<f8"),  # sign memory of market orders, -1 to 1
        ("heat", "<f8"),  # extra activity after trades
        ("heat_time", "<i8"),
        ("last_price", "<f8"),  # ticks
        ("volume", "<f8"),  # of the 24 hours before, lots
        ("volume_decay", "<f8"),  # lots of it that leave the window per second
        ("fair", "<f8"),  # ticks
        ("quote", "<i8", (8,)),  # the last QUOTE, in ticks and lots
    ]
)
WORLD: Final = np.dtype(
    [
        ("markets", "<i8"),  # address of MARKET[n]
        ("n", "<i8"),
        ("start", "<i8"),  # ns since the epoch
        ("now", "<i8"),  # ns since the start
        ("end", "<i8"),
        ("last_recv", "<i8"),
        ("sequence", "<i8"),
        ("latency", "<i8"),  # of the messages of this arrival, ns
        ("random", "<u8"),
        ("activity", "<f8"),
        ("common", "<f8"),
        ("common_sigma", "<f8"),
        ("drift", "<f8"),
    ]
)

ROOM: Final = 8
"""Rows an output must have free for one arrival."""

_OUTPUT_BYTES: Final = OUTPUT.itemsize
_NUMBERS: Final = np.array([int(kind) for kind in KINDS])
_QUOTE_OFFSET: Final = MARKET.fields["quote"][1]  # type: ignore[index]
_NS: Final = 1_000_000_000
_MS: Final = 1_000_000


@hot
def _emit(world: int, market: int, output: int) -> int:
    """Return the address of a new row of an output, its head written."""
    own = record(MARKET, market)
    out = record(OUTPUT, own.outputs + output * _OUTPUT_BYTES)
    view = record(WORLD, world)
    row = out.rows + out.n * out.n_bytes
    out.n += 1
    event = view.start + view.now
    head = record(HEAD, row)
    head.kind = _NUMBERS[output]
    head.sequence = view.sequence
    head.ts_event = event - event % _MS
    # One connection delivers in order: a late message holds up those behind it.
    head.ts_recv = max(event + view.latency, view.last_recv + 1000)
    view.last_recv = head.ts_recv
    view.sequence += 1
    return row


@hot
def emit_trade(world: int, market: int, taker: int, price: float, size: float) -> None:
    """Write a print, and count it into the volume and the heat."""
    own = record(MARKET, market)
    own.trade_id += 1
    own.last_price = price
    own.volume += size
    own.heat = min(own.heat + 0.35, 3.0)
    own.is_ticker_stale = 1
    trade = record(TRADE, _emit(world, market, 1))
    trade.aux = taker
    trade.price = price / own.ticks_per_unit
    trade.size = size / own.lots_per_unit
    trade.trade_id = own.trade_id


@hot
def publish(world: int, market: int) -> None:
    """Emit what the arrival changed: the touch at once, ticker and book when they are due."""
    own = record(MARKET, market)
    now = record(WORLD, world).now
    own.is_book_stale = 1
    last = market + _QUOTE_OFFSET
    if write_quote(own.book, last):
        own.is_ticker_stale = 1
        _emit_quote(world, market, last)
    if own.is_ticker_stale and now >= own.ticker_due and own.last_price > 0.0:
        own.is_ticker_stale = 0
        own.ticker_due = now - now % own.ticker_interval + own.ticker_interval
        _emit_ticker(world, market, last)
    if own.is_book_stale and now >= own.book_due:
        own.is_book_stale = 0
        own.book_due = now - now % own.book_interval + own.book_interval
        _emit_book(world, market)


@hot
def _emit_quote(world: int, market: int, last: int) -> None:
    own, touch = record(MARKET, market), record(QUOTE, last)
    row = record(QUOTE, _emit(world, market, 0))
    row.bid_price = touch.bid_price / own.ticks_per_unit
    row.bid_size = touch.bid_size / own.lots_per_unit
    row.ask_price = touch.ask_price / own.ticks_per_unit
    row.ask_size = touch.ask_size / own.lots_per_unit


@hot
def _emit_ticker(world: int, market: int, last: int) -> None:
    own, touch = record(MARKET, market), record(QUOTE, last)
    row = record(TICKER, _emit(world, market, 2))
    row.last_price = own.last_price / own.ticks_per_unit
    row.bid_price = touch.bid_price / own.ticks_per_unit
    row.ask_price = touch.ask_price / own.ticks_per_unit
    # The 24 hours before passed at an even pace, and leave the window at that pace.
    seconds = record(WORLD, world).now // _NS
    row.volume = np.floor(own.volume - own.volume_decay * seconds) / own.lots_per_unit


@hot
def _emit_book(world: int, market: int) -> None:
    own = record(MARKET, market)
    own.sequence_id += 1
    address = _emit(world, market, 3)
    write_book(own.book, address)
    row = record(BOOK, address)
    row.sequence_id = own.sequence_id
    for depth in range(BOOK_LEVELS):
        row.bid_price[depth] /= own.ticks_per_unit
        row.bid_size[depth] /= own.lots_per_unit
        row.ask_price[depth] /= own.ticks_per_unit
        row.ask_size[depth] /= own.lots_per_unit

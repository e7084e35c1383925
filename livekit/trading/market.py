"""What the core knows of each market: touch, last price, the deeper book.

Every setter is a handful of stores and ends with comparisons against the bounds of
what rests in that instrument; it returns 1 when a resting order may now fill, or may
see its place in the queue change, having noted the touch as it was before. The setters
take scalars, so a loop over columns needs no event in memory.

A ticker is slower than quotes and books, so it sets the touch only where neither has
been seen. Its touch has no sizes and counts as unlimited.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, BOOK_LEVELS, HEAD, QUOTE, TICKER, TRADE
from livekit.ring.jit import hot, i64, inlined, inner
from livekit.ring.memory import copy_lines, record
from livekit.trading.codes import (
    BUY,
    FROM_QUOTE,
    FROM_TICKER,
    KIND_BOOK,
    KIND_QUOTE,
    KIND_TICKER,
    KIND_TRADE,
)
from livekit.trading.layout import (
    CORE,
    FLOAT,
    MARKET,
    UNLIMITED_LOTS,
    book_at,
    market_at,
)

__all__ = [
    "N_LEVELS",
    "book_price",
    "book_size",
    "is_book_fresh",
    "level_lots",
    "level_price",
    "may_fill",
    "reference_ns",
    "reference_price",
    "set_book",
    "set_ticker",
    "set_touch",
    "set_trade",
    "take_level",
]

N_LEVELS: Final = BOOK_LEVELS + 1
"""Levels a taker may walk: the touch, and what of the book is worse than it."""

_BOOK_AGE_NS: Final = 1_000_000_000
_PRICES: Final = (BOOK.fields["ask_price"][1], BOOK.fields["bid_price"][1])  # type: ignore[index]
_SIZES: Final = (BOOK.fields["ask_size"][1], BOOK.fields["bid_size"][1])  # type: ignore[index]
_ASK_PRICE, _BID_PRICE = (int(offset) for offset in _PRICES)
_ASK_SIZE, _BID_SIZE = (int(offset) for offset in _SIZES)


@inlined
def set_touch(
    core: int, instrument: int, bid: float, bid_size: float, ask: float, ask_size: float, now: int
) -> int:
    """Take a quote; 1 when a resting order may fill or move in its queue."""
    market = record(MARKET, market_at(core, instrument))
    seen_bid, seen_ask = market.bid_price, market.ask_price
    market.bid_price = bid
    market.bid_size = bid_size
    market.ask_price = ask
    market.ask_size = ask_size
    market.touch_ns = now
    market.source = FROM_QUOTE
    if (
        ask <= market.buy_bound
        or bid >= market.sell_bound
        or bid <= market.buy_watch
        or ask >= market.sell_watch
    ):
        market.seen_bid = seen_bid
        market.seen_ask = seen_ask
        return 1
    return 0


@inner
def set_ticker(core: int, instrument: int, last: float, bid: float, ask: float, now: int) -> int:
    """Take a ticker; 1 when a resting order may fill or move at its touch.

    Its last price is for reference only: it may be an old print, so it fills nothing.
    """
    market = record(MARKET, market_at(core, instrument))
    if last > 0.0:
        market.last_price = last
        market.last_ns = now
    if market.source == FROM_QUOTE:
        return 0
    flag = set_touch(core, instrument, bid, np.inf, ask, np.inf, now)
    market.source = FROM_TICKER
    return flag


@inlined
def set_trade(core: int, instrument: int, price: float, now: int) -> int:
    """Take a public print; 1 when it lies at a resting price or through it."""
    market = record(MARKET, market_at(core, instrument))
    market.last_price = price
    market.last_ns = now
    if price <= market.buy_bound or price >= market.sell_bound:
        market.seen_bid = market.bid_price
        market.seen_ask = market.ask_price
        return 1
    return 0


@inner
def set_book(core: int, instrument: int, event: int, now: int) -> int:
    """Take a five-level book; 1 when a resting order may fill or move in its queue."""
    copy_lines(book_at(core, instrument), event, 4)
    market = record(MARKET, market_at(core, instrument))
    market.book_ns = now
    bid = record(FLOAT, event + _BID_PRICE).value
    bid_size = record(FLOAT, event + _BID_SIZE).value
    ask = record(FLOAT, event + _ASK_PRICE).value
    ask_size = record(FLOAT, event + _ASK_SIZE).value
    seen_bid, seen_ask = market.bid_price, market.ask_price
    near = set_touch(core, instrument, bid, bid_size, ask, ask_size, now)
    if near == 0 and (market.buy_watch > -np.inf or market.sell_watch < np.inf):
        # It shows levels behind the touch, where others may rest.
        market.seen_bid = seen_bid
        market.seen_ask = seen_ask
        return 1
    return near


@hot
def may_fill(core: int, event: int) -> int:
    """Tell whether a market event could fill a resting order; changes nothing.

    1 too often, never too seldom: prices are compared with the bounds of what rests.
    """
    head = record(HEAD, event)
    instrument = i64(head.instrument)
    if instrument >= record(CORE, core).n_instruments:
        return 0
    market = record(MARKET, market_at(core, instrument))
    if head.kind == KIND_QUOTE:
        quote = record(QUOTE, event)
        low, high = quote.ask_price, quote.bid_price
    elif head.kind == KIND_TRADE:
        low = high = record(TRADE, event).price
    elif head.kind == KIND_BOOK:
        low = record(FLOAT, event + _ASK_PRICE).value
        high = record(FLOAT, event + _BID_PRICE).value
    elif head.kind == KIND_TICKER:
        ticker = record(TICKER, event)
        low, high = ticker.ask_price, ticker.bid_price
    else:
        return 0
    return i64(low <= market.buy_bound or high >= market.sell_bound)


@hot
def reference_price(core: int, instrument: int) -> float:
    """Middle of the touch; the last price where a side is missing; NaN where both are."""
    market = record(MARKET, market_at(core, instrument))
    if market.bid_price > 0.0 and market.ask_price > 0.0:
        return (market.bid_price + market.ask_price) / 2.0
    return market.last_price


@hot
def reference_ns(core: int, instrument: int) -> int:
    """Time at which the reference price was set."""
    market = record(MARKET, market_at(core, instrument))
    if market.bid_price > 0.0 and market.ask_price > 0.0:
        return market.touch_ns
    return market.last_ns


@inner
def is_book_fresh(core: int, instrument: int, now: int) -> int:
    """Tell whether the last book is younger than a second."""
    book_ns = record(MARKET, market_at(core, instrument)).book_ns
    return i64(book_ns != 0 and now - book_ns <= _BOOK_AGE_NS)


@inner
def book_price(core: int, instrument: int, side: int, level: int) -> float:
    """Price of a level of the last book, from 0; the bids for BUY. NaN where it has none."""
    offset = _BID_PRICE if side == BUY else _ASK_PRICE
    price: float = record(FLOAT, book_at(core, instrument) + offset + 8 * level).value
    return price


@inner
def book_size(core: int, instrument: int, side: int, level: int) -> float:
    """Size of a level of the last book, from 0; the bids for BUY."""
    offset = _BID_SIZE if side == BUY else _ASK_SIZE
    size: float = record(FLOAT, book_at(core, instrument) + offset + 8 * level).value
    return size


@inner
def level_price(core: int, instrument: int, side: int, level: int, now: int) -> float:
    """Price a taker of `side` pays at a level, 0 the touch; NaN where there is none.

    Deeper levels come from the last book, if it is younger than a second and the level
    is worse than the touch, which a quote may have moved since.
    """
    market = record(MARKET, market_at(core, instrument))
    touch = market.ask_price if side == BUY else market.bid_price
    if level == 0:
        return touch if touch > 0.0 else np.nan
    if not is_book_fresh(core, instrument, now):
        return np.nan
    price = book_price(core, instrument, 1 - side, level - 1)
    is_worse = price > touch + market.slack if side == BUY else price < touch - market.slack
    return price if is_worse and price > 0.0 else np.nan


@inner
def level_lots(core: int, instrument: int, side: int, level: int) -> int:
    """Whole lots still visible at a level; UNLIMITED_LOTS where the size is not known."""
    market = record(MARKET, market_at(core, instrument))
    if level == 0:
        size = market.ask_size if side == BUY else market.bid_size
        if record(CORE, core).unlimited_depth:
            size = np.inf
    else:
        size = book_size(core, instrument, 1 - side, level - 1)
    lots = size * market.lot_denominator / market.lot_numerator + 1e-6
    if not lots >= 1.0:  # NaN too
        return 0
    return i64(min(np.floor(lots), np.float64(UNLIMITED_LOTS)))


@inner
def take_level(core: int, instrument: int, side: int, level: int, quantity: float) -> None:
    """Take a quantity out of a level, until the next event shows it anew."""
    market = record(MARKET, market_at(core, instrument))
    if level == 0:
        if side == BUY:
            market.ask_size -= quantity
        else:
            market.bid_size -= quantity
        return
    offset = _ASK_SIZE if side == BUY else _BID_SIZE
    record(FLOAT, book_at(core, instrument) + offset + 8 * (level - 1)).value -= quantity

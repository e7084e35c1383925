"""What the core knows of each market: touch, last price, the deeper book.

Every setter is a handful of stores and ends with one comparison against the bounds
of what rests in that instrument; it returns 1 when a resting order may now fill. The
setters take scalars, so a loop over columns needs no event in memory.

A ticker is slower than quotes and books, so it sets the touch only where neither has
been seen. Its touch has no sizes and counts as unlimited.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import BOOK, BOOK_LEVELS
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import copy_lines, record
from livekit.trading.codes import BUY, FROM_QUOTE, FROM_TICKER
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
    "level_lots",
    "level_price",
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


@inner
def set_touch(
    core: int, instrument: int, bid: float, bid_size: float, ask: float, ask_size: float, now: int
) -> int:
    """Take a quote; 1 when a resting order may fill."""
    market = record(MARKET, market_at(core, instrument))
    market.bid_price = bid
    market.bid_size = bid_size
    market.ask_price = ask
    market.ask_size = ask_size
    market.touch_ns = now
    market.source = FROM_QUOTE
    return i64(ask <= market.buy_bound or bid >= market.sell_bound)


@inner
def set_ticker(core: int, instrument: int, last: float, bid: float, ask: float, now: int) -> int:
    """Take a ticker; 1 when a resting order may fill at its touch.

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


@inner
def set_trade(core: int, instrument: int, price: float, now: int) -> int:
    """Take a public print; 1 when it lies strictly through a resting price."""
    market = record(MARKET, market_at(core, instrument))
    market.last_price = price
    market.last_ns = now
    margin = 2.0 * market.slack
    return i64(price < market.buy_bound - margin or price > market.sell_bound + margin)


@inner
def set_book(core: int, instrument: int, event: int, now: int) -> int:
    """Take a five-level book; 1 when a resting order may fill."""
    copy_lines(book_at(core, instrument), event, 4)
    record(MARKET, market_at(core, instrument)).book_ns = now
    bid = record(FLOAT, event + _BID_PRICE).value
    bid_size = record(FLOAT, event + _BID_SIZE).value
    ask = record(FLOAT, event + _ASK_PRICE).value
    ask_size = record(FLOAT, event + _ASK_SIZE).value
    return set_touch(core, instrument, bid, bid_size, ask, ask_size, now)


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
def level_price(core: int, instrument: int, side: int, level: int, now: int) -> float:
    """Price a taker of `side` pays at a level, 0 the touch; NaN where there is none.

    Deeper levels come from the last book, if it is younger than a second and the level
    is worse than the touch, which a quote may have moved since.
    """
    market = record(MARKET, market_at(core, instrument))
    touch = market.ask_price if side == BUY else market.bid_price
    if level == 0:
        return touch if touch > 0.0 else np.nan
    if market.book_ns == 0 or now - market.book_ns > _BOOK_AGE_NS:
        return np.nan
    offset = _ASK_PRICE if side == BUY else _BID_PRICE
    price = record(FLOAT, book_at(core, instrument) + offset + 8 * (level - 1)).value
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
        offset = _ASK_SIZE if side == BUY else _BID_SIZE
        size = record(FLOAT, book_at(core, instrument) + offset + 8 * (level - 1)).value
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

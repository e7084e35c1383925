"""Resting orders against the market: which event fills which of them, and how much.

- The opposite touch at or through an order's price fills it whole, at its own price:
  somebody was willing to trade there, and the recorded market does not say how much.
- A print through its price fills it whole too, but for the model ``touch``.
- A print at its price by the other side fills what the queue model lets reach it.
  Orders of one's own at the same price share one print, the oldest first. Without
  ``partial_fills`` a lot that reaches an order fills it whole.
- A reduce-only order fills no more than the venue's position; the rest is cancelled.

The rules are those of hftbacktest's exchanges with and without partial fills. Orders
are looked at in order of their time. The bounds that tell whether one is near are
narrowed to what still rests, on every look.
Layer 2.
"""

import numpy as np

from livekit.ring.jit import hot, i64, inlined, inner
from livekit.ring.memory import record
from livekit.trading.codes import BUY, NOT_REDUCING
from livekit.trading.layout import CORE, MARKET, ORDER_ROW, from_lots, market_at, order_at
from livekit.trading.orders import watch_bounds
from livekit.trading.outbox import OUTBOX_FULL, has_room
from livekit.trading.paper.answers import MAKER
from livekit.trading.paper.orders import DONE, end_order, fill_order, reducible
from livekit.trading.paper.queueing import (
    FRONT,
    RISK_AVERSE,
    TOUCH,
    see_level,
    see_print,
    shown_size,
)

__all__ = ["match_print", "match_touch"]


@inner
def _fill_resting(core: int, row: int, wanted: int, now_ns: int) -> int:
    """Fill up to `wanted` lots of a resting order at its price; cancel what may not fill."""
    order = record(ORDER_ROW, order_at(core, row))
    leaves = min(wanted, order.venue_lots - order.venue_filled)
    lots = reducible(core, row, leaves)
    if lots > 0:
        fill_order(core, row, lots, order.venue_price, MAKER, now_ns)
    if lots < leaves and order.venue_state != DONE:
        end_order(core, row, NOT_REDUCING, now_ns)
    return lots


@inlined
def _set_bounds(core: int, instrument: int, buy_bound: float, sell_bound: float) -> None:
    """Store how near the market may come before a resting order must be looked at."""
    market = record(MARKET, market_at(core, instrument))
    market.buy_bound = buy_bound
    market.sell_bound = sell_bound
    watch_bounds(core, instrument)


@hot
def match_touch(core: int, instrument: int, has_book: int, now_ns: int) -> int:
    """Fill every resting order that the touch has come to, and let the others see their level.

    Parameters
    ----------
    has_book : int
        Whether the event was a book, which shows more levels than the touch.

    Returns
    -------
    int
        Number of orders that filled, or OUTBOX_FULL with nothing done.
    """
    market = record(MARKET, market_at(core, instrument))
    if not has_room(core, 2 * i64(market.n_resting)):
        return OUTBOX_FULL
    sees_levels = record(CORE, core).queue_kind >= RISK_AVERSE
    bid, ask = market.bid_price, market.ask_price
    buy_bound, sell_bound = -np.inf, np.inf
    row = i64(market.first)
    n_filled = i64(0)
    while row != 0:
        order = record(ORDER_ROW, order_at(core, row))
        following = i64(order.next_resting)
        is_buy = order.side == BUY
        limit = order.venue_price + market.slack if is_buy else order.venue_price - market.slack
        if ask <= limit if is_buy else bid >= limit:
            _fill_resting(core, row, order.venue_lots, now_ns)
            n_filled += 1
        else:
            if sees_levels:
                side = i64(order.side)
                see_level(
                    core, row, shown_size(core, instrument, side, order.venue_price, has_book)
                )
            if is_buy:
                buy_bound = max(buy_bound, limit)
            else:
                sell_bound = min(sell_bound, limit)
        row = following
    _set_bounds(core, instrument, buy_bound, sell_bound)
    return n_filled


@inner
def _reached(core: int, row: int, price: float, size: float, left: float, aggressor: int) -> int:
    """Lots of a resting order that a print reaches."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    is_buy = order.side == BUY
    through = order.venue_price - price if is_buy else price - order.venue_price
    leaves = order.venue_lots - order.venue_filled
    if through >= market.slack:
        return leaves
    top = record(CORE, core)
    if through <= -market.slack or top.queue_kind < FRONT or aggressor == i64(order.side):
        return 0
    lots = see_print(core, row, left, size)
    return leaves if lots > 0 and not top.partial_fills else min(lots, leaves)


@hot
def match_print(
    core: int, instrument: int, price: float, size: float, aggressor: int, now_ns: int
) -> int:
    """Fill what a public print reaches.

    Parameters
    ----------
    price, size : float
        Of the print; units.
    aggressor : int
        Side of who took: a SELL trades with resting buys.

    Returns
    -------
    int
        Number of orders that filled, in full or in part; or OUTBOX_FULL with nothing done.
    """
    market = record(MARKET, market_at(core, instrument))
    if record(CORE, core).queue_kind == TOUCH:
        return 0
    if not has_room(core, 2 * i64(market.n_resting)):
        return OUTBOX_FULL
    buy_bound, sell_bound = -np.inf, np.inf
    left = size
    row = i64(market.first)
    n_filled = i64(0)
    while row != 0:
        order = record(ORDER_ROW, order_at(core, row))
        following = i64(order.next_resting)
        wanted = _reached(core, row, price, size, left, aggressor)
        if wanted > 0:
            is_at = abs(price - order.venue_price) < market.slack
            lots = _fill_resting(core, row, wanted, now_ns)
            n_filled += 1
            if is_at:
                left = max(left - from_lots(core, instrument, lots), 0.0)
        if order.venue_state != DONE:
            if order.side == BUY:
                buy_bound = max(buy_bound, order.venue_price + market.slack)
            else:
                sell_bound = min(sell_bound, order.venue_price - market.slack)
        row = following
    _set_bounds(core, instrument, buy_bound, sell_bound)
    return n_filled

"""Requests as they arrive at the paper exchange: what takes, what rests, what is refused.

- A market order, or a limit order at or through the opposite touch, takes: the touch
  first, then the levels of a book younger than a second that are worse than the touch,
  each for what it shows. What is taken is gone until the next event shows the level
  anew. A ticker's touch shows no size and is unlimited, and so is every touch when the
  core is made with ``unlimited_depth`` or without ``partial_fills``.
- What a taker finds no liquidity for: a market or IOC order is cancelled (NO_LIQUIDITY)
  and a limit order rests. FOK fills whole or is cancelled. GTX that would take is
  rejected. Nothing is ever filled at a price nobody showed.
- A modification that lowers the quantity at the same price keeps the order's place in
  the queue; any other sends it to the back. What filled counts towards the new
  quantity; a quantity that has filled already is refused.
- A reduce-only order never turns a position: what exceeds the venue's position when it
  fills is cancelled (REDUCE_ONLY).
- Orders match the market only, never each other.
Layer 2.
"""

from typing import Final

from livekit.events import REDUCE_ONLY
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import (
    BUY,
    FOK,
    GTX,
    INVALID_QUANTITY,
    IOC,
    MARKET_ORDER,
    NO_LIQUIDITY,
    NONE,
    NOT_REDUCING,
    UNKNOWN_ORDER,
    WOULD_TAKE,
)
from livekit.trading.layout import (
    MARKET,
    ORDER_ROW,
    POSITION,
    from_lots,
    market_at,
    order_at,
    position_at,
)
from livekit.trading.market import N_LEVELS, level_lots, level_price, take_level
from livekit.trading.orders import link_resting, unlink_resting
from livekit.trading.paper.answers import (
    ACCEPTED,
    CANCEL_REFUSED,
    CANCELED,
    ENDED,
    MODIFIED,
    MODIFY_REFUSED,
    REJECTED,
    TAKER,
    answer,
    answer_fill,
)
from livekit.trading.paper.queueing import enter_queue

__all__ = [
    "DONE",
    "LIVE",
    "MAX_REPORTS",
    "cancel",
    "end_order",
    "fill_order",
    "modify",
    "reducible",
    "submit",
]

MAX_REPORTS: Final = 16
"""Most reports that one `submit`, `modify` or `cancel` causes, and some."""

LIVE: Final = 1
DONE: Final = 2
"""The venue's states of an order; 0 before it arrives."""


@inner
def _takes(core: int, row: int, price: float) -> int:
    """Tell whether a limit at `price` (NaN: none) would take from the opposite touch."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    if order.side == BUY:
        return i64(market.ask_price > 0.0 and not market.ask_price > price + market.slack)
    return i64(market.bid_price > 0.0 and not market.bid_price < price - market.slack)


@inner
def reducible(core: int, row: int, lots: int) -> int:
    """Cap lots at what a reduce-only order may fill now."""
    order = record(ORDER_ROW, order_at(core, row))
    if not order.options & REDUCE_ONLY:
        return lots
    address = position_at(core, i64(order.strategy), i64(order.instrument))
    held = record(POSITION, address).venue_lots
    return min(lots, max(-held if order.side == BUY else held, 0))


@inner
def _finish(core: int, row: int) -> None:
    """Take an order off the venue."""
    order = record(ORDER_ROW, order_at(core, row))
    order.venue_state = DONE
    if order.is_resting:
        unlink_resting(core, row)


@hot
def fill_order(core: int, row: int, lots: int, price: float, liquidity: int, now_ns: int) -> None:
    """Fill lots of an order at a price, as MAKER or TAKER, and say so."""
    order = record(ORDER_ROW, order_at(core, row))
    order.venue_filled += lots
    address = position_at(core, i64(order.strategy), i64(order.instrument))
    record(POSITION, address).venue_lots += lots if order.side == BUY else -lots
    if order.venue_filled == order.venue_lots:
        _finish(core, row)
    answer_fill(core, row, lots, price, liquidity, now_ns)


@inner
def end_order(core: int, row: int, reject: int, now_ns: int) -> None:
    """Cancel what is left of an order without having been asked, and say why."""
    _finish(core, row)
    answer(core, row, ENDED, reject, now_ns)


@inner
def _reaches(core: int, row: int, level: int, now_ns: int) -> int:
    """Whole lots an order may take at a level; 0 where its limit does not reach."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument, side = i64(order.instrument), i64(order.side)
    slack = record(MARKET, market_at(core, instrument)).slack
    price = level_price(core, instrument, side, level, now_ns)
    if price != price:  # noqa: PLR0124 - NaN
        return 0
    limit = order.venue_price
    beyond = price > limit + slack if side == BUY else price < limit - slack
    return 0 if beyond else level_lots(core, instrument, side, level)


@inner
def _walk(core: int, row: int, now_ns: int) -> None:
    """Fill an order from the visible levels, best first, as far as its limit reaches."""
    order = record(ORDER_ROW, order_at(core, row))
    instrument, side = i64(order.instrument), i64(order.side)
    for level in range(N_LEVELS):
        leaves = reducible(core, row, order.venue_lots - order.venue_filled)
        lots = min(leaves, _reaches(core, row, level, now_ns))
        if lots > 0:
            price = level_price(core, instrument, side, level, now_ns)
            take_level(core, instrument, side, level, from_lots(core, instrument, lots))
            fill_order(core, row, lots, price, TAKER, now_ns)
        if lots == leaves:
            break


@inner
def _fills_whole(core: int, row: int, now_ns: int) -> int:
    """Tell whether the visible levels within its limit fill the whole order."""
    wanted = record(ORDER_ROW, order_at(core, row)).venue_lots
    lots = i64(0)
    for level in range(N_LEVELS):
        lots += _reaches(core, row, level, now_ns)
    return i64(reducible(core, row, min(lots, wanted)) == wanted)


@inner
def _may_rest(core: int, row: int) -> int:
    """Why what is left of an order may not rest; NONE where it may."""
    order = record(ORDER_ROW, order_at(core, row))
    if reducible(core, row, order.venue_lots - order.venue_filled) == 0:
        return NOT_REDUCING
    if order.order_type == MARKET_ORDER or IOC <= order.tif <= FOK:
        return NO_LIQUIDITY
    return NONE


@inner
def _rest(core: int, row: int, now_ns: int) -> None:
    """Let an order rest at the end of its queue, unless it rests or may not."""
    order = record(ORDER_ROW, order_at(core, row))
    if not order.is_resting and _may_rest(core, row) == NONE:
        enter_queue(core, row, now_ns)
        link_resting(core, row)


@hot
def _take(core: int, row: int, now_ns: int) -> None:
    """Fill what an order may take; of what is left, cancel what may not rest."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    market.seen_bid = market.bid_price
    market.seen_ask = market.ask_price
    takes = _takes(core, row, order.venue_price)
    if takes and (order.tif != FOK or _fills_whole(core, row, now_ns)):
        _walk(core, row, now_ns)
    if order.venue_state == DONE or order.is_resting:
        return
    reject = _may_rest(core, row)
    if reject != NONE:
        end_order(core, row, reject, now_ns)
    else:
        _rest(core, row, now_ns)


@hot
def submit(core: int, row: int, now_ns: int) -> None:
    """Take an admitted order in: reject it, or accept, fill and let rest what is left."""
    order = record(ORDER_ROW, order_at(core, row))
    takes = _takes(core, row, order.price)
    order.venue_state = LIVE
    order.venue_price = order.price
    order.venue_lots = order.lots
    order.venue_filled = 0
    reject = NONE
    if takes and order.tif == GTX:
        reject = WOULD_TAKE
    elif order.order_type == MARKET_ORDER and not takes:
        reject = NO_LIQUIDITY
    if reject != NONE:
        order.venue_state = DONE
        answer(core, row, REJECTED, reject, now_ns)
        return
    if not takes:
        _rest(core, row, now_ns)  # first, so that the answer says its place
    answer(core, row, ACCEPTED, NONE, now_ns)
    _take(core, row, now_ns)


@hot
def modify(core: int, row: int, price: float, lots: int, now_ns: int) -> None:
    """Give an order another price and quantity, whole, what filled included."""
    order = record(ORDER_ROW, order_at(core, row))
    takes = _takes(core, row, price)
    reject = NONE
    if order.venue_state != LIVE:
        reject = UNKNOWN_ORDER
    elif lots <= order.venue_filled:
        reject = INVALID_QUANTITY
    elif takes and order.tif == GTX:
        reject = WOULD_TAKE
    if reject != NONE:
        answer(core, row, MODIFY_REFUSED, reject, now_ns)
        return
    slack = record(MARKET, market_at(core, i64(order.instrument))).slack
    keeps_place = abs(price - order.venue_price) <= slack and lots <= order.venue_lots
    if order.is_resting and not keeps_place:
        unlink_resting(core, row)
    order.venue_price = price
    order.venue_lots = lots
    if not takes:
        _rest(core, row, now_ns)
    answer(core, row, MODIFIED, NONE, now_ns)
    _take(core, row, now_ns)


@hot
def cancel(core: int, row: int, now_ns: int) -> None:
    """Cancel what is left of an order; refuse where nothing is."""
    if record(ORDER_ROW, order_at(core, row)).venue_state != LIVE:
        answer(core, row, CANCEL_REFUSED, UNKNOWN_ORDER, now_ns)
    else:
        _finish(core, row)
        answer(core, row, CANCELED, NONE, now_ns)

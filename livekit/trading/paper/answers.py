"""What the venue says, on its way back: every answer goes through here to `venue`.

An answer carries what the venue knew when it gave it: its time, the touch before a
fill, who made the liquidity. The fee is worked out where the answer is applied, so
that an answer fits about a cache line. Without latency it is applied at once.

Partial fills of one maker order may be many within one response latency. Beyond
JOIN_FROM messages in flight about an order, a maker fill is added to the fill that is
its newest answer in flight, if that has the same price: the report comes at that
one's time and says the sum.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.ring.call import call2
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import CANCEL, NEW, NONE
from livekit.trading.layout import (
    CORE,
    MARKET,
    ORDER_ROW,
    WIRE,
    from_lots,
    market_at,
    order_at,
    wire_at,
)
from livekit.trading.paper.wire import ANSWERS, depart, put
from livekit.trading.venue import (
    apply_accepted,
    apply_canceled,
    apply_filled,
    apply_modified,
    apply_modify_refused,
    apply_rejected,
    refuse_request,
)

__all__ = [
    "ACCEPTED",
    "CANCELED",
    "CANCEL_REFUSED",
    "ENDED",
    "FILLED",
    "JOIN_FROM",
    "MAKER",
    "MODIFIED",
    "MODIFY_REFUSED",
    "REJECTED",
    "TAKER",
    "answer",
    "answer_fill",
    "hear",
]

ACCEPTED, FILLED, ENDED, CANCELED, REJECTED, MODIFIED, MODIFY_REFUSED, CANCEL_REFUSED = range(8)
"""Kinds of answers; ENDED is a cancellation that nobody asked for."""

MAKER: Final = 1
TAKER: Final = 2

JOIN_FROM: Final = 8
"""Messages in flight about one order from which on its maker fills are joined."""


@hot
def hear(core: int, now_ns: int) -> int:
    """Apply the answer that the header's fields ``said_*`` hold; always 0.

    Called by its address, which the header holds too: so what the venue does compiles
    without all that its answers cause, in two thirds of the time.
    """
    top = record(CORE, core)
    row, kind, reject = top.said_row, top.said_kind, top.said_reject
    if kind == FILLED:
        instrument = i64(record(ORDER_ROW, order_at(core, row)).instrument)
        market = record(MARKET, market_at(core, instrument))
        rate = market.maker_fee if top.said_liquidity == MAKER else market.taker_fee
        notional = top.said_price * from_lots(core, instrument, top.said_lots)
        fee = notional * market.contract_value * rate
        apply_filled(core, row, top.said_lots, top.said_price, fee, now_ns)
        top.said_liquidity = 0
    elif kind == ACCEPTED:
        apply_accepted(core, row, now_ns)
    elif kind == ENDED:
        apply_canceled(core, row, NEW, reject, now_ns)
    elif kind == CANCELED:
        apply_canceled(core, row, CANCEL, NONE, now_ns)
    elif kind == REJECTED:
        apply_rejected(core, row, reject, now_ns)
    elif kind == MODIFIED:
        apply_modified(core, row, now_ns)
    elif kind == MODIFY_REFUSED:
        apply_modify_refused(core, row, reject, now_ns)
    else:
        refuse_request(core, row, CANCEL, reject, now_ns)
    top.said_ns = 0
    return i64(0)


@inner
def _is_joined(core: int, row: int, lots: int, price: float, liquidity: int) -> int:
    """Add a maker fill to the newest answer in flight where there are too many already."""
    order = record(ORDER_ROW, order_at(core, row))
    slot = i64(order.last_fill)
    if liquidity != MAKER or slot == 0 or order.in_flight < JOIN_FROM:
        return 0
    message = record(WIRE, wire_at(core, slot))
    if message.price != price:
        return 0
    message.lots += lots
    return 1


@hot
def _say(
    core: int,
    row: int,
    kind: int,
    reject: int,
    lots: int,
    price: float,
    liquidity: int,
    now_ns: int,
) -> None:
    """Send an answer back: at once, or into flight."""
    order = record(ORDER_ROW, order_at(core, row))
    market = record(MARKET, market_at(core, i64(order.instrument)))
    if _is_joined(core, row, lots, price, liquidity):
        return
    due_ns = depart(core, ANSWERS, now_ns)
    if due_ns < 0:
        top = record(CORE, core)
        top.said_ns = now_ns
        top.said_row = row
        top.said_kind = kind
        top.said_reject = reject
        top.said_liquidity = liquidity
        top.said_lots = lots
        top.said_price = price
        top.said_bid = market.seen_bid
        top.said_ask = market.seen_ask
        top.said_ahead = order.queue_ahead
        call2(top.hear, core, now_ns)
        return
    slot = put(core, ANSWERS, row, due_ns)
    message = record(WIRE, wire_at(core, slot))
    message.kind = kind
    message.liquidity = liquidity
    message.reject = reject
    message.venue_ns = now_ns
    message.lots = lots
    message.price = price
    message.bid = market.seen_bid
    message.ask = market.seen_ask
    message.queue_ahead = order.queue_ahead
    order.last_fill = slot if liquidity == MAKER else 0


@inner
def answer(core: int, row: int, kind: int, reject: int, now_ns: int) -> None:
    """Say something of an order that is no fill; `reject` is the Reject code or NONE."""
    _say(core, row, kind, reject, 0, np.nan, 0, now_ns)


@inner
def answer_fill(core: int, row: int, lots: int, price: float, liquidity: int, now_ns: int) -> None:
    """Say that lots of an order filled at a price, as MAKER or TAKER."""
    _say(core, row, FILLED, NONE, lots, price, liquidity, now_ns)

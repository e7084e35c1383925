"""Arrivals: requests that reach the venue and answers that reach the core, in order of time.

`send` lets a request go, and `advance` lets everything arrive that is due. Of two
messages due at the same time the answer comes first: it was caused earlier.
Layer 2.
"""

from typing import Final

from livekit.ring.call import call2
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.layout import CORE, LINE, ORDER_ROW, WIRE, line_at, order_at, wire_at
from livekit.trading.orders import is_final
from livekit.trading.outbox import OUTBOX_FULL, has_room, outbox_count
from livekit.trading.paper.orders import MAX_REPORTS, cancel, modify, submit
from livekit.trading.paper.wire import (
    ANSWERS,
    REQUESTS,
    depart,
    drop,
    next_due,
    put,
    release_row,
)

__all__ = ["CANCELS", "MODIFIES", "SUBMITS", "advance", "send"]

SUBMITS: Final = 0
MODIFIES: Final = 1
CANCELS: Final = 2
"""Kinds of requests."""


@inner
def send(core: int, row: int, kind: int, price: float, lots: int, now_ns: int) -> int:
    """Let a request about an order leave now; 1 where it arrives at once, and is not queued."""
    due_ns = depart(core, REQUESTS, now_ns)
    if due_ns < 0:
        return 1
    slot = put(core, REQUESTS, row, due_ns)
    message = record(WIRE, wire_at(core, slot))
    message.kind = kind
    message.price = price
    message.lots = lots
    if kind == CANCELS:
        record(ORDER_ROW, order_at(core, row)).is_canceling = 1
    return 0


@inner
def _arrive_at_venue(core: int, now_ns: int) -> None:
    """Let the first request in flight arrive."""
    message = record(WIRE, wire_at(core, record(LINE, line_at(core, REQUESTS)).first))
    row, kind = i64(message.row), i64(message.kind)
    price, lots = message.price, message.lots
    was_final = is_final(i64(record(ORDER_ROW, order_at(core, row)).status))
    drop(core, REQUESTS)
    if kind == SUBMITS:
        submit(core, row, now_ns)
    elif kind == MODIFIES:
        modify(core, row, price, lots, now_ns)
    else:
        cancel(core, row, now_ns)
    release_row(core, row, was_final)


@inner
def _arrive_at_core(core: int, now_ns: int) -> None:
    """Let the first answer in flight arrive."""
    top = record(CORE, core)
    message = record(WIRE, wire_at(core, record(LINE, line_at(core, ANSWERS)).first))
    row = i64(message.row)
    was_final = is_final(i64(record(ORDER_ROW, order_at(core, row)).status))
    top.said_ns = message.venue_ns
    top.said_row = row
    top.said_kind = message.kind
    top.said_reject = message.reject
    top.said_liquidity = message.liquidity
    top.said_lots = message.lots
    top.said_price = message.price
    top.said_bid = message.bid
    top.said_ask = message.ask
    top.said_ahead = message.queue_ahead
    drop(core, ANSWERS)
    call2(top.hear, core, now_ns)
    release_row(core, row, was_final)


@hot
def advance(core: int, until_ns: int) -> int:
    """Let what is in flight arrive, in order of time, up to the first step that makes reports.

    Parameters
    ----------
    core : int
        Address of the core.
    until_ns : int
        Only what is due strictly before this time arrives.

    Returns
    -------
    int
        Number of reports the last step left in the outbox, its time being the header's
        `now`; 0 when nothing more is due; OUTBOX_FULL with nothing done.
    """
    before = outbox_count(core)
    top = record(CORE, core)
    while True:
        due_ns = next_due(core)
        if due_ns >= until_ns:
            return 0
        if not has_room(core, MAX_REPORTS):
            return OUTBOX_FULL
        top.now = due_ns
        first = record(LINE, line_at(core, ANSWERS)).first
        if first != 0 and record(WIRE, wire_at(core, first)).due_ns == due_ns:
            _arrive_at_core(core, due_ns)
        else:
            _arrive_at_venue(core, due_ns)
        made = outbox_count(core) - before
        if made > 0:
            return made

"""What a strategy asks of the engine: requests written straight into the orders ring.

A request is published with one release store and then the engine's doorbell is rung,
if the engine sleeps and has not been rung for that sleep. Nothing is validated here:
risk is the engine's, and its refusal comes back as a report, the same in every way a
strategy can run. Only a full ring, or a full table of open orders, refuses at once:
the functions then return 0 and count `orders_refused`.
Layer 2. `ctx` is the address of a CONTEXT.
"""

from typing import Final

import numpy as np

from livekit.config import MAX_INSTRUMENTS
from livekit.events import ANY_INSTRUMENT, ORDER, REDUCE_ONLY, Action, Kind, OrderType, TimeInForce
from livekit.ring.counters import STRATEGY_COUNTERS
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE, SLEEPING
from livekit.ring.memory import (
    copy_lines,
    fence,
    load_acquire,
    load_i64,
    record,
    store_i64,
    write_byte,
)
from livekit.ring.spsc import claim, commit
from livekit.strategy.context import CONTEXT, MAX_OPEN_ORDERS, find_open, i64, position

__all__ = [
    "GIVEN_PRICE",
    "GIVEN_QUANTITY",
    "ring_doorbell",
    "send_cancel",
    "send_cancel_all",
    "send_close",
    "send_modify",
    "send_new",
]

GIVEN_QUANTITY: Final = 1
GIVEN_PRICE: Final = 2

_ORDER: Final = int(Kind.ORDER)
_MODIFY: Final = int(Action.MODIFY)
_CANCEL: Final = int(Action.CANCEL)
_CANCEL_ALL: Final = int(Action.CANCEL_ALL)
_MARKET: Final = int(OrderType.MARKET)
_IOC: Final = int(TimeInForce.IOC)
_NO_CODE: Final = 255


@hot
def ring_doorbell(ctx: int) -> None:
    """Wake the engine if it sleeps; the byte's value says nothing, and a full pipe will do."""
    view = record(CONTEXT, ctx)
    if view.doorbell < 0:
        return
    own = record(SIDE, view.orders)
    fence()
    sleep = load_acquire(own.control + SLEEPING)
    if sleep not in (0, own.rung):
        own.rung = sleep
        write_byte(view.doorbell, ctx)


@hot
def _claim(ctx: int, action: int, instrument: int, order_id: int) -> int:
    """Claim a slot and fill in what all requests have; 0 when the ring takes no more."""
    view = record(CONTEXT, ctx)
    slot = claim(view.orders)
    if slot <= 0:
        record(STRATEGY_COUNTERS, view.counters).orders_refused += 1
        return 0
    for line in range(16):
        store_i64(slot + line * 8, 0)
    view.sequence += 1
    request = record(ORDER, slot)
    request.kind = _ORDER
    request.action = action
    is_number = 0 <= instrument < MAX_INSTRUMENTS
    request.instrument = instrument if is_number else ANY_INSTRUMENT
    request.sequence = view.sequence
    request.ts_event = view.now
    request.published = view.published
    request.order_id = order_id
    return slot


@hot
def _commit(ctx: int) -> None:
    view = record(CONTEXT, ctx)
    commit(view.orders)
    record(STRATEGY_COUNTERS, view.counters).orders += 1
    ring_doorbell(ctx)


@hot
def send_new(
    ctx: int,
    instrument: int,
    side: int,
    order_type: int,
    quantity: float,
    price: float,
    tif: int,
    options: int,
) -> int:
    """Ask for a new order; return its id, or 0 when it could not be sent.

    The type is an argument of its own, so that a limit price that has become NaN is
    refused by the engine and does not turn into a market order. The order stands in
    the table of open orders at once, CREATED until its first report.
    """
    view = record(CONTEXT, ctx)
    if view.n_open >= MAX_OPEN_ORDERS:
        record(STRATEGY_COUNTERS, view.counters).orders_refused += 1
        return 0
    order_id = view.epoch << 32 | (view.n_orders + 1)
    slot = _claim(ctx, 0, instrument, order_id)
    if slot == 0:
        return 0
    view.n_orders += 1
    request = record(ORDER, slot)
    # A code that does not fit its byte must not become another, valid one.
    request.side = side if 0 <= side < _NO_CODE else _NO_CODE
    request.order_type = order_type
    request.tif = tif if 0 <= tif < _NO_CODE else _NO_CODE
    request.options = options
    request.quantity = quantity
    request.price = np.nan if order_type == _MARKET else price
    copy_lines(view.open_orders + view.n_open * 128, slot, 2)
    view.n_open += 1
    _commit(ctx)
    return order_id


@hot
def send_modify(ctx: int, order_id: int, quantity: float, price: float, given: int) -> int:
    """Ask for another quantity or price; return `order_id`, or 0 when it could not be sent.

    `given` says which of the two count (GIVEN_QUANTITY, GIVEN_PRICE); the other is
    taken from the open order.
    """
    row = find_open(ctx, order_id)
    instrument = i64(record(ORDER, row).instrument) if row else -1
    slot = _claim(ctx, _MODIFY, instrument, order_id)
    if slot == 0:
        return 0
    request = record(ORDER, slot)
    request.quantity = quantity
    request.price = price
    if row:
        known = record(ORDER, row)
        request.side = known.side
        request.order_type = known.order_type
        request.tif = known.tif
        request.options = known.options
        if given & GIVEN_QUANTITY == 0:
            request.quantity = known.quantity
        if given & GIVEN_PRICE == 0:
            request.price = known.price
    _commit(ctx)
    return order_id


@hot
def send_cancel(ctx: int, order_id: int) -> int:
    """Ask for an order's end; return `order_id`, or 0 when it could not be sent."""
    row = find_open(ctx, order_id)
    instrument = i64(record(ORDER, row).instrument) if row else -1
    slot = _claim(ctx, _CANCEL, instrument, order_id)
    if slot == 0:
        return 0
    request = record(ORDER, slot)
    if row:
        known = record(ORDER, row)
        request.side = known.side
        request.price = known.price
        request.quantity = known.quantity
    _commit(ctx)
    return order_id


@hot
def send_cancel_all(ctx: int, instrument: int) -> int:
    """Ask for the end of all orders of an instrument, of ANY_INSTRUMENT; 1, or 0 if not sent."""
    if _claim(ctx, _CANCEL_ALL, instrument, 0) == 0:
        return 0
    _commit(ctx)
    return 1


@hot
def send_close(ctx: int, instrument: int) -> int:
    """Ask for a reduce-only market order over the whole position; its id, 0 when flat."""
    if instrument < 0 or instrument >= record(CONTEXT, ctx).n_instruments:
        return 0
    quantity = position(ctx, instrument)
    if load_i64(record(CONTEXT, ctx).positions + instrument * 8) == 0:
        return 0
    side = 1 if quantity > 0.0 else 0
    return send_new(ctx, instrument, side, _MARKET, abs(quantity), np.nan, _IOC, REDUCE_ONLY)

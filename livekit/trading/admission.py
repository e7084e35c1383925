"""Admission: from the bytes of a request to an order that may be sent, or a refusal.

`admit`, `admit_modify` and `admit_cancel` return the row of an order that may go (its
intent is then journalled and sent to the venue), or minus the Reject code with the
refusal already in the outbox. What the venue answers goes into the functions of
`venue`. The strategy is the ring's, never the request's.

A NEW is refused in this order: MALFORMED, STRATEGY_FENCED, TRADING_HALTED,
UNKNOWN_INSTRUMENT, DUPLICATE_ORDER, quantity, price, TOO_MANY_ORDERS of the whole
table, risk.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import ORDER, REDUCE_ONLY
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.codes import (
    CANCEL,
    LIMIT_ORDER,
    MALFORMED,
    MODIFY,
    NONE,
    NOT_REDUCING,
    REDUCING,
    SENT,
    TOO_MANY_ORDERS,
    UNKNOWN_ORDER,
)
from livekit.trading.ids import write_client_order_id
from livekit.trading.layout import (
    CORE,
    ORDER_ROW,
    POSITION,
    STRATEGY,
    order_at,
    position_at,
    strategy_at,
)
from livekit.trading.orders import find_order, index_order, is_final, link_open, take_row
from livekit.trading.outbox import refuse
from livekit.trading.requests import check_modify, check_new, in_lots, on_tick
from livekit.trading.risk import check_order
from livekit.trading.venue import refuse_request, reserve

__all__ = ["admit", "admit_cancel", "admit_modify", "deny"]

_CLIENT_ID: Final = int(ORDER_ROW.fields["client_order_id"][1])  # type: ignore[index]


@inner
def _check(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Check a NEW request in full; a Reject code."""
    asked = record(ORDER, request)
    code = check_new(core, strategy, request)
    if code != NONE:
        return code
    top = record(CORE, core)
    if top.n_busy >= top.max_orders:
        return TOO_MANY_ORDERS
    instrument = i64(asked.instrument)
    price = np.nan
    if asked.order_type == LIMIT_ORDER:
        price = on_tick(core, instrument, asked.price)
    lots = in_lots(core, instrument, asked.quantity)
    reduce_only = i64(asked.options == REDUCE_ONLY or top.state == REDUCING)
    side = i64(asked.side)
    return check_order(core, strategy, instrument, side, price, lots, -1, reduce_only, now_ns)


@inner
def deny(core: int, strategy: int, request: int, code: int, now_ns: int) -> int:
    """Count and report the refusal of a request that has no order; minus the code."""
    instrument = i64(record(ORDER, request).instrument)
    record(STRATEGY, strategy_at(core, strategy)).n_rejects += 1
    if instrument < record(CORE, core).n_instruments:
        record(POSITION, position_at(core, strategy, instrument)).n_rejects += 1
    refuse(core, strategy, request, code, now_ns)
    return -code


@hot
def admit(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Check a NEW request and enter its order into the table as SENT.

    Returns
    -------
    int
        Row of the order, which counts in risk from now on and is to be sent to the
        venue; or minus the Reject code, the refusal being in the outbox.
    """
    code = _check(core, strategy, request, now_ns)
    if code != NONE:
        return deny(core, strategy, request, code, now_ns)
    asked = record(ORDER, request)
    top = record(CORE, core)
    row = take_row(core)
    order = record(ORDER_ROW, order_at(core, row))
    instrument = i64(asked.instrument)
    top.sequence += 1
    order.order_id = i64(asked.order_id)
    order.sequence = top.sequence
    order.strategy = strategy
    order.instrument = instrument
    order.side = asked.side
    order.order_type = asked.order_type
    order.tif = asked.tif
    order.options = REDUCE_ONLY if top.state == REDUCING else asked.options
    order.status = SENT
    order.is_resting = 0
    order.is_modifying = 0
    order.is_canceling = 0
    order.in_flight = 0
    order.last_fill = 0
    order.venue_state = 0
    order.venue_lots = 0
    order.venue_filled = 0
    order.queue_ahead = np.nan
    order.price = np.nan
    if asked.order_type == LIMIT_ORDER:
        order.price = on_tick(core, instrument, asked.price)
    order.lots = in_lots(core, instrument, asked.quantity)
    order.filled_lots = 0
    order.reserved_lots = 0
    order.average_price = np.nan
    order.created_ns = now_ns
    order.updated_ns = now_ns
    order.epoch = record(STRATEGY, strategy_at(core, strategy)).epoch
    write_client_order_id(order_at(core, row) + _CLIENT_ID, top.epoch, strategy, top.sequence)
    index_order(core, row)
    link_open(core, row)
    reserve(core, row)
    record(POSITION, position_at(core, strategy, instrument)).n_orders += 1
    return row


@inner
def _find_for(core: int, strategy: int, request: int, action: int, now_ns: int) -> int:
    """Row of the open order that a MODIFY or CANCEL names, or minus UNKNOWN_ORDER, reported."""
    row = find_order(core, strategy, i64(record(ORDER, request).order_id))
    if row == 0:
        return deny(core, strategy, request, UNKNOWN_ORDER, now_ns)
    if is_final(i64(record(ORDER_ROW, order_at(core, row)).status)):
        refuse_request(core, row, action, UNKNOWN_ORDER, now_ns)
        return -UNKNOWN_ORDER
    return row


@inner
def _risk_modify(core: int, row: int, now_ns: int) -> int:
    """Check an order's new price and lots against risk."""
    order = record(ORDER_ROW, order_at(core, row))
    leaves = order.new_lots - order.filled_lots
    is_reducing_only = i64(record(CORE, core).state == REDUCING)
    if is_reducing_only and not order.options & REDUCE_ONLY and leaves > order.reserved_lots:
        return NOT_REDUCING
    return check_order(
        core,
        i64(order.strategy),
        i64(order.instrument),
        i64(order.side),
        order.new_price,
        leaves,
        order.reserved_lots,
        i64(order.options & REDUCE_ONLY),
        now_ns,
    )


@hot
def admit_modify(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Check a MODIFY request and mark its order as being modified.

    The request's price and quantity (the whole order's, what filled included) replace
    the order's; its other fields are not read. Until the venue has answered, the order reserves the
    larger of its old and new rest, and no second modification is taken.

    Returns
    -------
    int
        Row of the order, or minus the Reject code, the refusal being in the outbox.
    """
    asked = record(ORDER, request)
    if asked.order_id == 0:
        return deny(core, strategy, request, MALFORMED, now_ns)
    row = _find_for(core, strategy, request, MODIFY, now_ns)
    if row < 0:
        return row
    order = record(ORDER_ROW, order_at(core, row))
    code = check_modify(core, row, asked.price, asked.quantity)
    if code == NONE:
        instrument = i64(order.instrument)
        order.new_price = on_tick(core, instrument, asked.price)
        order.new_lots = in_lots(core, instrument, asked.quantity)
        code = _risk_modify(core, row, now_ns)
    if code != NONE:
        refuse_request(core, row, MODIFY, code, now_ns)
        return -code
    order.is_modifying = 1
    reserve(core, row)
    return row


@hot
def admit_cancel(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Find the order of a CANCEL request; nothing but its absence refuses one.

    Returns
    -------
    int
        Row of the order, or minus UNKNOWN_ORDER, the refusal being in the outbox.
    """
    return _find_for(core, strategy, request, CANCEL, now_ns)

"""The outbox: every report the core makes, in order, until its caller drains it.

It holds twice as many reports as the table holds orders and some more, which is the
most that one call can cause; a call first asks for the room it may need, and answers
OUTBOX_FULL, having changed nothing, where a caller has not drained. So no report is
ever lost or overwritten.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.events import ANY_INSTRUMENT, ORDER
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import load_i64, record, store_i64
from livekit.trading.codes import HALTED, KIND_ORDER, REJECTED
from livekit.trading.layout import CORE, ORDER_ROW, OUTBOX, from_lots, order_at, outbox_at

__all__ = [
    "OUTBOX_FULL",
    "SPARE_REPORTS",
    "clear_outbox",
    "count_fault",
    "has_room",
    "outbox_at",
    "outbox_count",
    "refuse",
    "report",
]

OUTBOX_FULL: Final = -1
"""Answer of a call that found no room for its reports; it changed nothing."""

SPARE_REPORTS: Final = 64
"""Room beyond two reports per order: the acceptance, fills and end of one request."""

_CLIENT_ID: Final = int(ORDER.fields["client_order_id"][1])  # type: ignore[index]
_ROW_CLIENT_ID: Final = int(ORDER_ROW.fields["client_order_id"][1])  # type: ignore[index]
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]


@hot
def outbox_count(core: int) -> int:
    """Count the reports that wait in the outbox."""
    return record(CORE, core).n_reports


@hot
def clear_outbox(core: int) -> None:
    """Forget the reports in the outbox; the caller has taken them."""
    record(CORE, core).n_reports = 0


@inner
def has_room(core: int, n_reports: int) -> int:
    """Tell whether so many more reports fit."""
    top = record(CORE, core)
    return i64(top.n_reports + n_reports <= top.max_reports)


@inner
def count_fault(core: int) -> None:
    """Note an impossible state: count it and halt trading (RELIABILITY §4)."""
    top = record(CORE, core)
    top.n_faults += 1
    top.state = HALTED


@inner
def _next_report(core: int, strategy: int, row: int, now_ns: int) -> int:
    """Take the next row of the outbox, fill in the heads, and return the report's address."""
    top = record(CORE, core)
    assert top.n_reports < top.max_reports
    address = outbox_at(core, top.n_reports)
    top.n_reports += 1
    top.report_sequence += 1
    origin = record(OUTBOX, address)
    origin.strategy = strategy
    origin.row = row
    origin.liquidity = top.said_liquidity
    is_fill = top.said_liquidity != 0
    origin.bid = top.said_bid if is_fill else np.nan
    origin.ask = top.said_ask if is_fill else np.nan
    is_said = top.said_ns != 0  # by the paper exchange; 0: by the core, or by another venue
    origin.queue_ahead = top.said_ahead if is_said else np.nan
    origin.ts_venue = top.said_ns if is_said else now_ns
    item = record(ORDER, address + _REPORT)
    item.kind = KIND_ORDER
    item.flags = 0
    item.sequence = top.report_sequence
    item.ts_event = origin.ts_venue
    item.ts_recv = now_ns
    item.published = 0
    return address + _REPORT


@inner
def report(
    core: int,
    row: int,
    action: int,
    reject: int,
    last_price: float,
    last_lots: int,
    fee: float,
    now_ns: int,
) -> None:
    """Append a report of an order as it is now.

    Parameters
    ----------
    action : int
        The Action that this answers; NEW for what happens by itself.
    reject : int
        Reject code: why the action was refused, or why the order ended.
    last_price, last_lots, fee
        Of the fill reported; NaN, 0 and 0 where it reports none.
    """
    order = record(ORDER_ROW, order_at(core, row))
    instrument = i64(order.instrument)
    address = _next_report(core, i64(order.strategy), row, now_ns)
    item = record(ORDER, address)
    item.instrument = order.instrument
    item.side = order.side
    item.order_type = order.order_type
    item.tif = order.tif
    item.status = order.status
    item.order_id = order.order_id
    item.price = order.price
    item.quantity = from_lots(core, instrument, order.lots)
    item.filled_quantity = from_lots(core, instrument, order.filled_lots)
    item.average_price = order.average_price
    item.last_price = last_price
    item.last_quantity = from_lots(core, instrument, last_lots)
    item.fee = fee
    item.reject = reject
    item.action = action
    item.options = order.options
    source, target = order_at(core, row) + _ROW_CLIENT_ID, address + _CLIENT_ID
    store_i64(target, load_i64(source))
    store_i64(target + 8, load_i64(source + 8))
    store_i64(target + 16, load_i64(source + 16))


@inner
def refuse(core: int, strategy: int, request: int, reject: int, now_ns: int) -> None:
    """Append a report that refuses a request which concerns no order of the table.

    The request's own fields are echoed; one that has no meaning is replaced (side,
    type, time in force and action by 0, the instrument by ANY_INSTRUMENT), so that a
    reader may convert every field without a check.
    """
    asked = record(ORDER, request)
    address = _next_report(core, strategy, 0, now_ns)
    item = record(ORDER, address)
    known = asked.instrument < record(CORE, core).n_instruments
    item.instrument = asked.instrument if known else ANY_INSTRUMENT
    item.side = asked.side if asked.side < 2 else 0
    item.order_type = asked.order_type if asked.order_type < 2 else 0
    item.tif = asked.tif if asked.tif < 4 else 0
    item.status = REJECTED
    item.order_id = asked.order_id
    item.price = asked.price
    item.quantity = asked.quantity
    item.filled_quantity = 0.0
    item.average_price = np.nan
    item.last_price = np.nan
    item.last_quantity = 0.0
    item.fee = 0.0
    item.reject = reject
    item.action = asked.action if asked.action < 4 else 0
    item.options = asked.options & 1
    store_i64(address + _CLIENT_ID, 0)
    store_i64(address + _CLIENT_ID + 8, 0)
    store_i64(address + _CLIENT_ID + 16, 0)

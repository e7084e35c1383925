"""The core for a caller that trades at a venue over a network: what is to be sent.

`on_request_live` admits a request as the paper exchange's `on_request` does, and what
passed goes into a queue that the caller drains, journals and sends; what the venue
answers goes into the functions of `venue`. Market data goes through `on_market` as on
paper: nothing rests here, so nothing fills.

An order has at most one request of each kind under way, so the queue never overflows: it
holds three of every row of the order table. A row is not used again before all of them
are answered (`end_send`).
Layer 2. Allocates nothing.
"""

from typing import Final

from livekit.events import ANY_INSTRUMENT, ORDER
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import record
from livekit.trading.admission import admit, admit_cancel, admit_modify, deny
from livekit.trading.codes import (
    CANCEL,
    CANCEL_ALL,
    KIND_ORDER,
    MALFORMED,
    MODIFY,
    NEW,
    UNKNOWN_INSTRUMENT,
)
from livekit.trading.layout import CORE, ORDER_ROW, SEND, STRATEGY, order_at, send_at, strategy_at
from livekit.trading.orders import first_open, free_row, is_final, next_open
from livekit.trading.outbox import OUTBOX_FULL, has_room, outbox_count

__all__ = ["cancel_all_live", "cancel_strategy_live", "end_send", "on_request_live"]

_REPORTS: Final = 4  # most that one request causes before the venue has heard of it


@inner
def _enqueue(core: int, row: int, action: int, now_ns: int) -> None:
    """Put a request about an order into the queue of what is to be sent."""
    top = record(CORE, core)
    assert top.n_sends < top.max_sends
    item = record(SEND, send_at(core, top.n_sends))
    item.row = row
    item.action = action
    item.ts = now_ns
    top.n_sends += 1
    record(ORDER_ROW, order_at(core, row)).in_flight += 1


@inner
def _cancel(core: int, row: int, now_ns: int) -> None:
    """Ask for the cancellation of an open order, unless that is under way."""
    order = record(ORDER_ROW, order_at(core, row))
    if order.is_canceling == 0:
        order.is_canceling = 1
        _enqueue(core, row, CANCEL, now_ns)


@inner
def _cancel_open(core: int, strategy: int, instrument: int, now_ns: int) -> int:
    """Ask for the cancellation of a strategy's open orders, oldest first."""
    n_asked = i64(0)
    row = first_open(core, strategy)
    while row != 0:
        own = i64(record(ORDER_ROW, order_at(core, row)).instrument)
        if instrument in (ANY_INSTRUMENT, own):
            _cancel(core, row, now_ns)
            n_asked += 1
        row = next_open(core, row)
    return n_asked


@hot
def on_request_live(core: int, strategy: int, request: int, now_ns: int) -> int:
    """Take an order request of a strategy and queue it for the venue.

    Parameters and returns as of `router.on_request`; of what passed there is no report
    before the venue answers.
    """
    if not has_room(core, _REPORTS):
        return OUTBOX_FULL
    before = outbox_count(core)
    record(STRATEGY, strategy_at(core, strategy)).n_requests += 1
    asked = record(ORDER, request)
    if asked.kind != KIND_ORDER or asked.action > CANCEL_ALL:
        deny(core, strategy, request, MALFORMED, now_ns)
    elif asked.action == NEW:
        row = admit(core, strategy, request, now_ns)
        if row > 0:
            _enqueue(core, row, NEW, now_ns)
    elif asked.action == MODIFY:
        row = admit_modify(core, strategy, request, now_ns)
        if row > 0:
            _enqueue(core, row, MODIFY, now_ns)
    elif asked.action == CANCEL:
        row = admit_cancel(core, strategy, request, now_ns)
        if row > 0:
            _cancel(core, row, now_ns)
    elif (
        asked.instrument != ANY_INSTRUMENT and asked.instrument >= record(CORE, core).n_instruments
    ):
        deny(core, strategy, request, UNKNOWN_INSTRUMENT, now_ns)
    else:
        _cancel_open(core, strategy, i64(asked.instrument), now_ns)
    return outbox_count(core) - before


@hot
def end_send(core: int, row: int, action: int) -> None:
    """Note that a request about an order is done: answered, or known never to be sent.

    Before what the answer says is applied. Until then the row is not used again.
    """
    order = record(ORDER_ROW, order_at(core, row))
    assert order.in_flight > 0
    order.in_flight -= 1
    if action == CANCEL:
        order.is_canceling = 0
    if order.in_flight == 0 and is_final(i64(order.status)):
        free_row(core, row)


@hot
def cancel_strategy_live(core: int, strategy: int, now_ns: int) -> int:
    """Ask for the cancellation of every open order of a strategy; how many."""
    return _cancel_open(core, strategy, ANY_INSTRUMENT, now_ns)


@hot
def cancel_all_live(core: int, now_ns: int) -> int:
    """Ask for the cancellation of every open order of the account; how many."""
    n_asked = i64(0)
    for strategy in range(record(CORE, core).n_strategies):
        n_asked += _cancel_open(core, strategy, ANY_INSTRUMENT, now_ns)
    return n_asked

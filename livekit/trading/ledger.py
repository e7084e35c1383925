"""The ledger: writes down what a run does, while it does it, in compiled code.

Whoever drives a trading core calls, in this order,

    tick(ledger, now)           before anything happens at `now`
    note_request(ledger, ...)   after a request was given to the core
    note_report(ledger, row)    for every report, before its strategy hears of it

and gets the three logs of ledger_layout. A sample or markout due at a time sees
everything that happened up to and at that time, and nothing later. One ledger follows
one strategy slot of the core.
Layer 2. Allocates nothing: `has_room` says when the arrays must grow. Their memory may
have been another ledger's: a row is cleared before it is written.
"""

from typing import Final

import numpy as np

from livekit.events import ORDER, Action, OrderStatus
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import clear_lines, load_i64, record, store_i64
from livekit.trading.account import unrealized_pnl
from livekit.trading.codes import FILLED, MODIFY, NEW, NONE
from livekit.trading.layout import (
    CORE,
    MARKET,
    ORDER_ROW,
    OUTBOX,
    POSITION,
    from_lots,
    market_at,
    order_at,
    position_at,
)
from livekit.trading.ledger_layout import EQUITY_LOG, FILL_LOG, HORIZONS_NS, ORDER_LOG
from livekit.trading.market import reference_price
from livekit.trading.orders import find_order

__all__ = [
    "FOREVER",
    "LEDGER",
    "close",
    "has_room",
    "note_report",
    "note_request",
    "tick",
]

LEDGER: Final = np.dtype(
    [
        ("core", "<i8"),
        ("strategy", "<i8"),
        ("orders", "<i8"),  # addresses of the logs, rows used, rows there are
        ("n_orders", "<i8"),
        ("max_orders", "<i8"),
        ("fills", "<i8"),
        ("n_fills", "<i8"),
        ("max_fills", "<i8"),
        ("equity", "<i8"),
        ("n_equity", "<i8"),
        ("max_equity", "<i8"),
        ("marks", "<i8"),  # float64[max_equity, n_marks]: mark of each instrument, by sample
        ("n_marks", "<i8"),
        ("rows", "<i8"),  # int64 by row of the core's order table: place in the log
        ("sample_ns", "<i8"),
        ("next_sample", "<i8"),
        ("next_due", "<i8"),  # nothing is due before this time
        ("markouts", "<i8", (4,)),  # first fill whose mid is still to come, by horizon
        ("n_requests", "<i8"),
        ("n_cancels", "<i8"),  # of them, requests to cancel one or all
        ("n_modifies", "<i8"),  # that took effect
        ("lost", "<i8"),  # rows that found no room
        ("volume", "<f8"),
        ("cash", "<f8"),
        ("rejects", "<i8", (32,)),
    ]
)
"""The ledger's memory; addresses are of this process."""

FOREVER: Final = 1 << 62
_DAY_NS: Final = 86_400_000_000_000
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_CLIENT_ID: Final = int(ORDER.fields["client_order_id"][1])  # type: ignore[index]
_LOG_CLIENT_ID: Final = int(ORDER_LOG.fields["client_order_id"][1])  # type: ignore[index]
_MIDS: Final = int(FILL_LOG.fields["mid_100ms"][1])  # type: ignore[index]
_MARKOUTS: Final = int(LEDGER.fields["markouts"][1])  # type: ignore[index]
_ORDER_BYTES: Final = ORDER_LOG.itemsize
_FILL_BYTES: Final = FILL_LOG.itemsize
_EQUITY_BYTES: Final = EQUITY_LOG.itemsize
_H0, _H1, _H2, _H3 = HORIZONS_NS
_MID: Final = np.dtype([("value", "<f8")])
_ID: Final = 0xFFFFFFFF
_MAKER: Final = 1
_CANCEL: Final = int(Action.CANCEL)
_CANCELED: Final = int(OrderStatus.CANCELED)


@hot
def has_room(ledger: int, margin: int) -> int:
    """Tell whether `margin` more orders, fills and samples fit."""
    view = record(LEDGER, ledger)
    return i64(
        view.n_orders + margin <= view.max_orders
        and view.n_fills + margin <= view.max_fills
        and view.n_equity + margin <= view.max_equity
    )


@hot
def close(ledger: int, ts: int) -> None:
    """End at a time: take what is due up to it, and the last sample."""
    tick(ledger, ts + 1)
    view = record(LEDGER, ledger)
    if (
        view.n_equity
        and record(EQUITY_LOG, view.equity + (view.n_equity - 1) * _EQUITY_BYTES).ts >= ts
    ):
        view.n_equity -= 1
    _sample(ledger, ts)


@hot
def _sample(ledger: int, ts: int) -> None:
    """Append a row of the strategy's equity as the core stands."""
    view = record(LEDGER, ledger)
    core = view.core
    clear_lines(view.equity + view.n_equity * _EQUITY_BYTES, _EQUITY_BYTES >> 6)
    row = record(EQUITY_LOG, view.equity + view.n_equity * _EQUITY_BYTES)
    marks = view.marks + view.n_equity * view.n_marks * 8
    for instrument in range(view.n_marks):
        record(_MID, marks + instrument * 8).value = reference_price(core, instrument)
    view.n_equity += 1
    realized, unrealized, fees, funding, volume, net, gross = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for instrument in range(record(CORE, core).n_instruments):
        position = record(POSITION, position_at(core, view.strategy, instrument))
        if position.n_orders == 0:
            continue
        realized += position.realized_pnl
        fees += position.fees
        funding += position.funding
        volume += position.volume
        if position.lots != 0:
            unrealized += unrealized_pnl(core, view.strategy, instrument)
            size = from_lots(core, instrument, position.lots)
            size *= record(MARKET, market_at(core, instrument)).contract_value
            value = size * reference_price(core, instrument)
            net += value
            gross += abs(value)
    row.ts = ts
    row.equity = view.cash + realized + unrealized - fees + funding
    row.realized = realized
    row.unrealized = unrealized
    row.fees = fees
    row.funding = funding
    row.volume = volume
    row.net_exposure = net
    row.gross_exposure = gross
    row.n_fills = view.n_fills
    row.n_orders = view.n_orders


@inner
def _mark(ledger: int, now: int, horizon: int, horizon_ns: int) -> int:
    """Write the mids that one horizon asks for before `now`; when the next is due."""
    view = record(LEDGER, ledger)
    word = ledger + _MARKOUTS + horizon * 8
    index = load_i64(word)
    due = FOREVER
    while index < view.n_fills:
        fill = record(FILL_LOG, view.fills + index * _FILL_BYTES)
        due = fill.ts_venue + horizon_ns
        if due >= now:
            break
        # A fill heard of only after its mark was due has none.
        if due >= fill.ts:
            place = view.fills + index * _FILL_BYTES + _MIDS + horizon * 8
            record(_MID, place).value = reference_price(view.core, i64(fill.instrument))
        index += 1
        due = FOREVER
    store_i64(word, index)
    return due


@hot
def tick(ledger: int, now: int) -> int:
    """Take the samples and markouts due before `now`; 0 when the samples need more room.

    Where nothing happened for more than a day the samples in between are left out.
    """
    view = record(LEDGER, ledger)
    if view.next_due >= now:
        return 1
    if view.n_equity == 0:  # the first event
        _sample(ledger, now)
        view.next_sample = (now // view.sample_ns + 1) * view.sample_ns
        view.next_due = view.next_sample
        return 1
    if now - view.next_sample > _DAY_NS:
        view.next_sample = (now - 1) // view.sample_ns * view.sample_ns
    while view.next_sample < now:
        if view.n_equity + 2 > view.max_equity:
            return 0
        _sample(ledger, view.next_sample)
        view.next_sample += view.sample_ns
    due = view.next_sample
    due = min(due, _mark(ledger, now, 0, _H0))
    due = min(due, _mark(ledger, now, 1, _H1))
    due = min(due, _mark(ledger, now, 2, _H2))
    view.next_due = min(due, _mark(ledger, now, 3, _H3))
    return 1


@inner
def _note_order(ledger: int, row: int) -> None:
    """Write down an order that was just admitted, by its row in the core."""
    view = record(LEDGER, ledger)
    if view.n_orders >= view.max_orders:
        view.lost += 1
        store_i64(view.rows + row * 8, -1)
        return
    order = record(ORDER_ROW, order_at(view.core, row))
    market = record(MARKET, market_at(view.core, i64(order.instrument)))
    clear_lines(view.orders + view.n_orders * _ORDER_BYTES, _ORDER_BYTES >> 6)
    log = record(ORDER_LOG, view.orders + view.n_orders * _ORDER_BYTES)
    store_i64(view.rows + row * 8, view.n_orders)
    view.n_orders += 1
    log.order_id = order.order_id & _ID
    log.instrument = order.instrument
    log.side = order.side
    log.order_type = order.order_type
    log.tif = order.tif
    log.options = order.options
    log.status = order.status
    log.reject = NONE
    log.n_fills = 0
    log.price = order.price
    log.quantity = from_lots(view.core, i64(order.instrument), order.lots)
    log.filled_quantity = 0.0
    log.average_price = np.nan
    log.fee = 0.0
    log.created_ns = order.created_ns
    log.acked_ns = 0
    log.final_ns = 0
    log.n_modifies = 0
    log.arrival_bid = market.bid_price
    log.arrival_ask = market.ask_price
    log.queue_ahead = np.nan


@hot
def note_request(ledger: int, action: int, order_id: int) -> None:
    """Write down a request: its order when it was admitted (`order_id` above 0), or a cancel."""
    view = record(LEDGER, ledger)
    view.n_requests += 1
    if order_id != 0:
        _note_order(ledger, find_order(view.core, view.strategy, order_id))
    elif action >= _CANCEL:
        view.n_cancels += 1


@inner
def _note_refused(ledger: int, report: int) -> None:
    """Write down an order that was refused before it had a row."""
    view = record(LEDGER, ledger)
    if view.n_orders >= view.max_orders:
        view.lost += 1
        return
    asked = record(ORDER, report)
    clear_lines(view.orders + view.n_orders * _ORDER_BYTES, _ORDER_BYTES >> 6)
    log = record(ORDER_LOG, view.orders + view.n_orders * _ORDER_BYTES)
    view.n_orders += 1
    log.order_id = i64(asked.order_id) & _ID
    log.instrument = asked.instrument
    log.side = asked.side
    log.order_type = asked.order_type
    log.tif = asked.tif
    log.options = asked.options
    log.status = asked.status
    log.reject = asked.reject
    log.n_fills = 0
    log.price = asked.price
    log.quantity = asked.quantity
    log.filled_quantity = 0.0
    log.average_price = np.nan
    log.fee = 0.0
    log.created_ns = asked.ts_recv
    log.acked_ns = 0
    log.final_ns = asked.ts_recv
    log.n_modifies = 0
    log.arrival_bid = np.nan
    log.arrival_ask = np.nan
    if asked.instrument < record(CORE, view.core).n_instruments:
        market = record(MARKET, market_at(view.core, i64(asked.instrument)))
        log.arrival_bid = market.bid_price
        log.arrival_ask = market.ask_price
    log.queue_ahead = np.nan


@inner
def _note_fill(ledger: int, item_at: int, log_at: int) -> None:
    """Append the fill that a report tells of."""
    view = record(LEDGER, ledger)
    if view.n_fills >= view.max_fills:
        view.lost += 1
        return
    item = record(OUTBOX, item_at)
    report = record(ORDER, item_at + _REPORT)
    log = record(ORDER_LOG, log_at)
    clear_lines(view.fills + view.n_fills * _FILL_BYTES, _FILL_BYTES >> 6)
    fill = record(FILL_LOG, view.fills + view.n_fills * _FILL_BYTES)
    fill.ts = report.ts_recv
    fill.ts_venue = item.ts_venue
    fill.order_id = log.order_id
    fill.instrument = log.instrument
    fill.side = log.side
    fill.is_maker = i64(item.liquidity == _MAKER)
    fill.price = report.last_price
    fill.quantity = report.last_quantity
    fill.fee = report.fee
    fill.bid = item.bid
    fill.ask = item.ask
    fill.queue_ahead = item.queue_ahead if item.liquidity == _MAKER else np.nan
    fill.created_ns = log.created_ns
    fill.mid_100ms = np.nan
    fill.mid_1s = np.nan
    fill.mid_10s = np.nan
    fill.mid_60s = np.nan
    view.n_fills += 1
    view.next_due = min(view.next_due, item.ts_venue + _H0)
    log.n_fills += 1
    log.fee += report.fee


@inner
def _note_change(ledger: int, item_at: int) -> None:
    """Write down what a report says of an order that has a row."""
    view = record(LEDGER, ledger)
    item = record(OUTBOX, item_at)
    report = record(ORDER, item_at + _REPORT)
    place = load_i64(view.rows + item.row * 8)
    if place < 0:
        return  # of an order that found no room, or that was there before the ledger
    log_at = view.orders + place * _ORDER_BYTES
    log = record(ORDER_LOG, log_at)
    log.status = report.status
    log.price = report.price
    log.quantity = report.quantity
    log.filled_quantity = report.filled_quantity
    log.average_price = report.average_price
    if log.acked_ns == 0:
        log.acked_ns = report.ts_recv
        for word in range(0, 24, 8):
            store_i64(
                log_at + _LOG_CLIENT_ID + word, load_i64(item_at + _REPORT + _CLIENT_ID + word)
            )
    if report.status >= FILLED and log.final_ns == 0:
        log.final_ns = report.ts_recv
        log.reject = report.reject
    if report.action == MODIFY and report.reject == NONE:
        log.n_modifies += 1
        view.n_modifies += 1
    if not np.isnan(item.queue_ahead):
        log.queue_ahead = item.queue_ahead
    if report.last_quantity > 0.0:
        _note_fill(ledger, item_at, log_at)


@hot
def note_report(ledger: int, item_at: int) -> None:
    """Write down a report: `item_at` is the address of a row of the outbox."""
    view = record(LEDGER, ledger)
    item = record(OUTBOX, item_at)
    report = record(ORDER, item_at + _REPORT)
    if report.reject != NONE and report.status != _CANCELED:
        view.rejects[min(i64(report.reject), 31)] += 1
    if item.row != 0:
        _note_change(ledger, item_at)
    elif report.action == NEW:
        _note_refused(ledger, item_at + _REPORT)

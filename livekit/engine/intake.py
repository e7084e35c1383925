"""Orders in and reports out: the half of the engine's inner loop that faces strategies.

A request is copied out of shared memory before it is looked at, because the strategy
could change it meanwhile. A report that finds a full ring stays at the front of the
outbox, further ones for that strategy behind it, until Python has moved them into the
strategy's backlog. What goes through is written into the strategy's ledger.
Layer 4. Allocates nothing.
"""

from typing import Final

from livekit.engine.layout import PUMP
from livekit.engine.timers import FOREVER
from livekit.events import ORDER, OrderStatus, Reject
from livekit.ring.broadcast import HUB, deliver, ring_bells
from livekit.ring.call import call4
from livekit.ring.counters import ENGINE_COUNTERS, observe
from livekit.ring.jit import hot, i64
from livekit.ring.layout import SIDE, SIDE_BYTES, SLEEPING
from livekit.ring.memory import (
    clock_ns,
    copy_lines,
    count_trailing_zeros,
    fence,
    load_i64,
    pause,
    record,
    sched_yield,
    store_i64,
    store_release,
)
from livekit.ring.panel import push_report
from livekit.ring.spsc import peek, release
from livekit.trading.layout import CORE, OUTBOX
from livekit.trading.ledger import LEDGER, has_room, note_report, note_request, tick
from livekit.trading.outbox import OUTBOX_FULL, outbox_at, outbox_count

__all__ = [
    "LEDGER_MARGIN",
    "await_orders",
    "drain_outbox",
    "fall_asleep",
    "submit_own",
    "take_orders",
    "tick_ledgers",
    "wake_up",
]

LEDGER_MARGIN: Final = 4096
"""Rows that a ledger keeps free, so that it need not grow in the middle of an event."""

_REQUEST: Final = int(PUMP.fields["request"][1])  # type: ignore[index]
_ROW_BYTES: Final = OUTBOX.itemsize
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_TICK_TO_ORDER: Final = ENGINE_COUNTERS.fields["tick_to_order"][1]  # type: ignore[index]
_CANCELED: Final = int(OrderStatus.CANCELED)
_MALFORMED: Final = int(Reject.MALFORMED)
_WORD: Final = 0xFFFFFFFF


@hot
def _deliver_row(pump: int, row: int) -> int:
    """Deliver one report; 0 when it must be kept."""
    view = record(PUMP, pump)
    hub = record(HUB, view.hub)
    ring = record(OUTBOX, row).strategy
    if hub.active >> ring & 1 == 0:
        return 1  # the strategy is gone; its account has been updated all the same
    if view.backlogged >> ring & 1:
        return 0
    done = deliver(view.hub, ring, row + _REPORT)
    if done < 0:
        view.broken |= 1 << ring
    elif done == 0:
        view.backlogged |= 1 << ring
        return 0
    return 1


@hot
def drain_outbox(pump: int) -> None:
    """Deliver the reports of the trading core; those that find no room move to its front."""
    view = record(PUMP, pump)
    count = outbox_count(view.core)
    for index in range(view.n_kept, count):
        row = outbox_at(view.core, index)
        view.reports_out += 1
        _count_report(pump, row)
        _note_report(pump, row)
        push_report(view.board, row)
        if _deliver_row(pump, row) == 0:
            target = outbox_at(view.core, view.n_kept)
            if target != row:
                for word in range(0, _ROW_BYTES, 8):
                    store_i64(target + word, load_i64(row + word))
            view.n_kept += 1
    record(CORE, view.core).n_reports = view.n_kept


@hot
def _count_report(pump: int, row: int) -> None:
    """Count a report's fill or refusal for its strategy."""
    view = record(PUMP, pump)
    ring = record(OUTBOX, row).strategy
    address = record(SIDE, view.orders + ring * SIDE_BYTES).counters
    if address == 0:
        return
    counters = record(ENGINE_COUNTERS, address)
    report = record(ORDER, row + _REPORT)
    if report.reject != 0 and report.status != _CANCELED:
        # An order that ended unfilled carries its reason too; only a refusal is a reject.
        counters.rejects += 1
        counters.reject_codes[min(report.reject, 31)] += 1
        if report.reject == _MALFORMED:
            counters.malformed += 1
    elif report.last_quantity > 0:
        counters.fills += 1


@hot
def _ledger_of(pump: int, ring: int) -> int:
    """Return the address of a strategy's ledger, 0 for none."""
    view = record(PUMP, pump)
    return load_i64(view.ledgers + ring * 8) if view.recorded >> ring & 1 else 0


@hot
def _note_report(pump: int, row: int) -> None:
    """Write a report down in its strategy's ledger."""
    view = record(PUMP, pump)
    ledger = _ledger_of(pump, record(OUTBOX, row).strategy)
    if ledger:
        note_report(ledger, row)
        view.ledger_due = min(view.ledger_due, record(LEDGER, ledger).next_due)


@hot
def tick_ledgers(pump: int, now: int) -> None:
    """Take the samples and markouts that are due before `now`."""
    view = record(PUMP, pump)
    due = FOREVER
    rings = view.recorded
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        ledger = load_i64(view.ledgers + ring * 8)
        if tick(ledger, now) == 0 or has_room(ledger, LEDGER_MARGIN) == 0:
            view.ledger_full = 1
        due = min(due, record(LEDGER, ledger).next_due)
    view.ledger_due = due


@hot
def _hand_over(pump: int, ring: int) -> int:
    """Give the core the request in the pump; 0 when it has no room for the reports it may cause."""
    view = record(PUMP, pump)
    sequence = record(CORE, view.core).sequence
    if call4(view.on_request, view.core, ring, pump + _REQUEST, view.now) == OUTBOX_FULL:
        return 0
    ledger = _ledger_of(pump, ring)
    if ledger:
        is_admitted = record(CORE, view.core).sequence != sequence
        order_id = i64(view.request.order_id) if is_admitted else i64(0)
        note_request(ledger, i64(view.request.action), order_id)
    return 1


@hot
def submit_own(pump: int, ring: int) -> int:
    """Take the request in the pump, which the engine itself makes on a strategy's behalf.

    Its reports are delivered. Returns 0 when the core has no room for them: nothing is done.
    """
    if _hand_over(pump, ring) == 0:
        return 0
    drain_outbox(pump)
    ring_bells(record(PUMP, pump).hub)
    return 1


@hot
def _take_one(pump: int, ring: int, slot: int) -> int:
    """Take one request; 0 when the core has no room for the reports it may cause."""
    view = record(PUMP, pump)
    side = view.orders + ring * SIDE_BYTES
    copy_lines(pump + _REQUEST, slot, 2)
    if _hand_over(pump, ring) == 0:
        return 0
    counters = record(SIDE, side).counters
    engine = record(ENGINE_COUNTERS, counters)
    engine.orders += 1
    published = i64(view.request.published)
    if published != 0:
        observe(counters + _TICK_TO_ORDER, (clock_ns() - published) & _WORD)
    release(side)
    view.orders_in += 1
    drain_outbox(pump)
    return 1


@hot
def take_orders(pump: int) -> int:
    """Take the requests that have arrived, ring by ring; return how many.

    At most a ring's capacity of each, so that a flooding strategy cannot keep the
    engine from its market data. The bells of rings with reports are rung.
    """
    view = record(PUMP, pump)
    taken = 0
    rings = view.open
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        side = view.orders + ring * SIDE_BYTES
        budget = record(SIDE, side).capacity
        while budget > 0:
            slot = peek(side)
            if slot <= 0:
                if slot < 0:
                    view.broken |= 1 << ring
                    view.open &= ~(1 << ring)
                break
            if _take_one(pump, ring, slot) == 0:
                break
            budget -= 1
            taken += 1
    if taken:
        ring_bells(view.hub)
    return taken


@hot
def await_orders(pump: int, spin_until: int, until: int) -> int:
    """Poll the orders rings until some were taken or the time is over; return how many.

    Spins until one time and yields the core between two looks until the other.
    """
    looks, now = 0, 0
    while True:
        taken = take_orders(pump)
        if taken:
            return taken
        looks += 1
        if now < spin_until:
            pause()
        else:
            sched_yield()
        if looks & 7 == 0:
            now = clock_ns()
            if now >= until:
                return 0


@hot
def fall_asleep(pump: int) -> int:
    """Tell every strategy that the engine sleeps; 1 if an order came meanwhile.

    As in ring/wait: number of the sleep, fence, one more look. A strategy that pushes
    an order and sees the number writes a byte to the doorbell.
    """
    view = record(PUMP, pump)
    view.sleep += 1
    _mark_asleep(pump, view.sleep)
    fence()
    rings = view.open
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        if peek(view.orders + ring * SIDE_BYTES) != 0:
            return 1
    return 0


@hot
def _mark_asleep(pump: int, sleep: int) -> None:
    view = record(PUMP, pump)
    rings = view.open
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        control = record(SIDE, view.orders + ring * SIDE_BYTES).control
        store_release(control + SLEEPING, sleep)


@hot
def wake_up(pump: int) -> None:
    """Tell every strategy that the engine is awake."""
    _mark_asleep(pump, 0)

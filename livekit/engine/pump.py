"""The engine's inner loop: market data out, orders in, reports back, all compiled.

One event goes through in this order, always: the paper exchange sees it (resting
orders may fill), the reports that causes are delivered, the board shows it, every
strategy that wants it gets it; after that the orders that have arrived are taken, ring
by ring in the order of their numbers. A strategy that sees a price has heard of what
that price did to its orders. Lock-step replay waits between two events until
every strategy has handled everything and has nothing more to say, so its result does
not depend on the machine's timing.

A request is copied out of shared memory before it is looked at, because the strategy
could change it meanwhile. A report that finds a full ring stays at the front of the
outbox, further ones for that strategy behind it, until Python has moved them into the
strategy's backlog.
What is under way when latencies are modelled, and timers, come before the event in the
order of their times (`_step_before`), as in a backtest (research/loop.py).
Layer 4. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.engine.layout import PUMP
from livekit.engine.timers import FOREVER, fire_timers, first_timer
from livekit.events import HEAD, ORDER, OrderStatus, Reject
from livekit.ring.broadcast import HUB, broadcast, deliver, lacks_room, ring_bells
from livekit.ring.call import address_of, call2, call3, call4
from livekit.ring.counters import ENGINE_COUNTERS, observe
from livekit.ring.directory import post
from livekit.ring.jit import hot
from livekit.ring.layout import HEAD as HEAD_WORD
from livekit.ring.layout import SIDE, SIDE_BYTES, SLEEPING
from livekit.ring.memory import (
    clock_ns,
    copy_lines,
    count_trailing_zeros,
    fence,
    load_acquire,
    load_i64,
    pause,
    record,
    sched_yield,
    store_i64,
    store_release,
)
from livekit.ring.spsc import peek, release
from livekit.trading.feed import feed_due, feed_event, pop_feed, push_feed, venue_time
from livekit.trading.layout import CORE, OUTBOX
from livekit.trading.ledger import LEDGER, has_room, note_report, note_request, tick
from livekit.trading.outbox import OUTBOX_FULL, outbox_at, outbox_count
from livekit.trading.router import advance, next_due, on_market, on_request

__all__ = [
    "LEDGER_MARGIN",
    "await_orders",
    "connect_core",
    "count_due",
    "drain_outbox",
    "fall_asleep",
    "pump_flight",
    "pump_lockstep",
    "pump_market",
    "pump_rest",
    "take_orders",
    "wake_up",
]

_REQUEST: Final = int(PUMP.fields["request"][1])  # type: ignore[index]
_ROW_BYTES: Final = OUTBOX.itemsize
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_TICK_TO_ORDER: Final = ENGINE_COUNTERS.fields["tick_to_order"][1]  # type: ignore[index]
_CANCELED: Final = int(OrderStatus.CANCELED)
_MALFORMED: Final = int(Reject.MALFORMED)
LEDGER_MARGIN: Final = 4096
"""Rows that a ledger keeps free, so that it need not grow in the middle of an event."""

_SPINS: Final = 64
_WORD: Final = 0xFFFFFFFF


def connect_core(pump: np.ndarray, core: int) -> None:
    """Point a PUMP[1] at a trading core and compile the core's two entries."""
    pump["core"] = core
    pump["on_market"] = address_of(on_market, 3)
    pump["on_request"] = address_of(on_request, 4)
    pump["advance"] = address_of(advance, 2)
    pump["ledger_due"] = FOREVER


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
def _tick_ledgers(pump: int, now: int) -> None:
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
def _take_one(pump: int, ring: int, slot: int) -> int:
    """Take one request; 0 when the core has no room for the reports it may cause."""
    view = record(PUMP, pump)
    side = view.orders + ring * SIDE_BYTES
    copy_lines(pump + _REQUEST, slot, 2)
    sequence = record(CORE, view.core).sequence
    if call4(view.on_request, view.core, ring, pump + _REQUEST, view.now) == OUTBOX_FULL:
        return 0
    ledger = _ledger_of(pump, ring)
    if ledger:
        is_admitted = record(CORE, view.core).sequence != sequence
        order_id = np.int64(view.request.order_id)
        note_request(ledger, view.request.action, order_id if is_admitted else 0)
    counters = record(SIDE, side).counters
    engine = record(ENGINE_COUNTERS, counters)
    engine.orders += 1
    published = np.int64(view.request.published)
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
def _show_strategies(pump: int, event: int) -> None:
    """Show an event on the board and give it to the strategies."""
    view = record(PUMP, pump)
    post(view.board, event)
    broadcast(view.hub, event)


@hot
def _one_event(pump: int, event: int, now: int) -> int:
    """Let the venue see an event at `now`, and the strategies now or later.

    Returns 0 when a blocking ring or the outbox has no room: call again with the same
    event, which the venue does not see twice.
    """
    view = record(PUMP, pump)
    if view.is_seen == 0:
        if view.delays_feed and push_feed(view.feed, event) == 0:
            return 0
        if view.ledger_due < now:
            _tick_ledgers(pump, now)
        if call3(view.on_market, view.core, event, now) == OUTBOX_FULL:
            return 0
        view.is_seen = 1
        view.now = now
        if outbox_count(view.core) > view.n_kept:
            drain_outbox(pump)
    if not view.delays_feed:
        if lacks_room(view.hub, event) >= 0:
            return 0
        _show_strategies(pump, event)
    view.is_seen = 0
    view.events_in += 1
    return 1


@hot
def _step_flight(pump: int, due: int) -> int:
    """Let what is due at `due` arrive; 0 when a blocking ring has no room for it."""
    view = record(PUMP, pump)
    if view.ledger_due < due:
        _tick_ledgers(pump, due)
    view.now = due
    if feed_due(view.feed) <= due:
        event = feed_event(view.feed)
        if lacks_room(view.hub, event) >= 0:
            return 0
        pop_feed(view.feed)
        _show_strategies(pump, event)
        return 1
    call2(view.advance, view.core, due + 1)
    drain_outbox(pump)
    return 1


@hot
def _flight_due(pump: int) -> int:
    """Return when the first thing under way arrives; FOREVER when nothing is."""
    view = record(PUMP, pump)
    return min(next_due(view.core), feed_due(view.feed)) if view.has_latency else FOREVER


@hot
def _step_before(pump: int, now: int) -> int:
    """Do the first thing that comes before an event at `now`; 1, 0 for none, -1 for no room."""
    view = record(PUMP, pump)
    timer = first_timer(pump, now) if view.timed else FOREVER
    flight = _flight_due(pump)
    if min(timer, flight + 1) > now:
        return 0
    if flight < timer:
        done = _step_flight(pump, flight)
    else:
        if view.ledger_due < timer:
            _tick_ledgers(pump, timer)
        done = fire_timers(pump, now, timer)
    ring_bells(view.hub)
    return 1 if done else -1


@hot
def _venue_time(pump: int, event: int) -> int:
    view = record(PUMP, pump)
    return venue_time(view.feed, event) if view.delays_feed else record(HEAD, event).ts_recv


@hot
def pump_flight(pump: int, until: int) -> int:
    """Let everything under way arrive that is due before event time `until`; how many."""
    done = 0
    while _flight_due(pump) < until and _step_flight(pump, _flight_due(pump)):
        ring_bells(record(PUMP, pump).hub)
        take_orders(pump)
        done += 1
    return done


@hot
def pump_rest(pump: int, limit: int, until: int) -> int:
    """In lock-step, let what is under way arrive up to event time `limit`; 1 when it has.

    Returns 0 at CLOCK_MONOTONIC time `until`: call again.
    """
    while _settle(pump, until):
        due = _flight_due(pump)
        if due > limit:
            return 1
        _step_flight(pump, due)
        ring_bells(record(PUMP, pump).hub)
    return 0


@hot
def pump_market(pump: int, events: int, stride: int, n: int) -> int:
    """Put up to `n` market events through, taking orders after each.

    Returns how many went through: fewer when a blocking ring or a ledger has no room.
    """
    view = record(PUMP, pump)
    done = 0
    while done < n and not view.ledger_full:
        event = events + done * stride
        now = _venue_time(pump, event)
        before = _step_before(pump, now)
        if before > 0:
            take_orders(pump)
            continue
        if before < 0 or _one_event(pump, event, now) == 0:
            break
        done += 1
        ring_bells(view.hub)
        take_orders(pump)
    ring_bells(view.hub)
    return done


@hot
def _is_idle(pump: int) -> bool:
    """Tell whether every strategy has handled everything it was given."""
    view = record(PUMP, pump)
    hub = record(HUB, view.hub)
    rings = hub.active
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        own = record(SIDE, hub.sides + ring * SIDE_BYTES)
        if load_acquire(own.control + HEAD_WORD) != own.cursor:
            return False
    return True


@hot
def _settle(pump: int, until: int) -> bool:
    """Wait until nobody has anything to say; False when the time is over first.

    Spins for about a microsecond, then yields: on a machine with fewer cores than
    processes a spinning engine would keep the very strategy it waits for from running.
    """
    looks = 0
    while True:
        while not _is_idle(pump):
            looks += 1
            if looks <= _SPINS:
                pause()
            else:
                sched_yield()
                if looks & 15 == 0 and clock_ns() >= until:
                    return False
        if take_orders(pump) == 0:
            return True


@hot
def pump_lockstep(pump: int, events: int, stride: int, n: int, until: int) -> int:
    """Put up to `n` market events through, one in flight; return how many went through.

    Before each event all strategies are idle and all their orders are taken. Returns
    at CLOCK_MONOTONIC time `until` at the latest, in the middle if need be: the next
    call goes on where this one stopped.
    """
    view = record(PUMP, pump)
    done = 0
    while _settle(pump, until):
        if done == n or view.ledger_full or clock_ns() >= until:
            break
        event = events + done * stride
        now = _venue_time(pump, event)
        before = _step_before(pump, now)
        if before > 0:
            continue  # what that makes a strategy do comes before the event
        if before < 0 or _one_event(pump, event, now) == 0:
            break
        ring_bells(view.hub)
        done += 1
    return done


@hot
def count_due(events: int, stride: int, n: int, limit: int) -> int:
    """Return how many of `n` events, in order of time, are not later than `limit`."""
    due = 0
    while due < n and record(HEAD, events + due * stride).ts_recv <= limit:
        due += 1
    return due


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

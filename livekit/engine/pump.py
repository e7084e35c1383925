"""The engine's inner loop: market data out, orders in, reports back, all compiled.

One event goes through in this order, always: the paper exchange sees it (resting
orders may fill), the board shows it, every strategy that wants it gets it, and only
then the reports it caused; after that the orders that have arrived are taken, ring by
ring in the order of their numbers. Lock-step replay waits between two events until
every strategy has handled everything and has nothing more to say, so its result does
not depend on the machine's timing.

A request is copied out of shared memory before it is looked at, because the strategy
could change it meanwhile. A report that finds a full ring stays at the front of the
outbox, further ones for that strategy behind it, until Python has moved them into the
strategy's backlog.
Layer 4. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.engine.layout import PUMP
from livekit.engine.timers import fire_timers
from livekit.events import HEAD, ORDER, OrderStatus, Reject
from livekit.ring.broadcast import HUB, broadcast, deliver, lacks_room, ring_bells
from livekit.ring.call import address_of, call3, call4
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
from livekit.trading.layout import CORE, OUTBOX
from livekit.trading.outbox import OUTBOX_FULL, outbox_at, outbox_count
from livekit.trading.router import on_market, on_request

__all__ = [
    "await_orders",
    "connect_core",
    "count_due",
    "drain_outbox",
    "fall_asleep",
    "pump_lockstep",
    "pump_market",
    "take_orders",
    "wake_up",
]

_REQUEST: Final = int(PUMP.fields["request"][1])  # type: ignore[index]
_ROW_BYTES: Final = OUTBOX.itemsize
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_TICK_TO_ORDER: Final = ENGINE_COUNTERS.fields["tick_to_order"][1]  # type: ignore[index]
_CANCELED: Final = int(OrderStatus.CANCELED)
_MALFORMED: Final = int(Reject.MALFORMED)
_SPINS: Final = 64
_WORD: Final = 0xFFFFFFFF


def connect_core(pump: np.ndarray, core: int) -> None:
    """Point a PUMP[1] at a trading core and compile the core's two entries."""
    pump["core"] = core
    pump["on_market"] = address_of(on_market, 3)
    pump["on_request"] = address_of(on_request, 4)


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
def _take_one(pump: int, ring: int, slot: int) -> int:
    """Take one request; 0 when the core has no room for the reports it may cause."""
    view = record(PUMP, pump)
    side = view.orders + ring * SIDE_BYTES
    copy_lines(pump + _REQUEST, slot, 2)
    if call4(view.on_request, view.core, ring, pump + _REQUEST, view.now) == OUTBOX_FULL:
        return 0
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
def _one_event(pump: int, event: int) -> int:
    """Put one market event through; 0 when a blocking ring or the outbox has no room."""
    view = record(PUMP, pump)
    if lacks_room(view.hub, event) >= 0:
        return 0
    now = record(HEAD, event).ts_recv
    if call3(view.on_market, view.core, event, now) == OUTBOX_FULL:
        return 0
    if view.timed:
        fire_timers(pump, now)
    view.now = now
    view.events_in += 1
    post(view.board, event)
    broadcast(view.hub, event)
    if outbox_count(view.core) > view.n_kept:
        drain_outbox(pump)
    return 1


@hot
def pump_market(pump: int, events: int, stride: int, n: int) -> int:
    """Put up to `n` market events through, taking orders after each.

    Returns how many went through: fewer when a blocking ring has no room.
    """
    hub = record(PUMP, pump).hub
    done = 0
    while done < n and _one_event(pump, events + done * stride) == 1:
        done += 1
        ring_bells(hub)
        take_orders(pump)
    ring_bells(hub)
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
    hub = record(PUMP, pump).hub
    done = 0
    while _settle(pump, until):
        if done == n or clock_ns() >= until:
            break
        event = events + done * stride
        if record(PUMP, pump).timed and fire_timers(pump, record(HEAD, event).ts_recv):
            continue  # what they make a strategy do comes before the event
        if _one_event(pump, event) == 0:
            break
        ring_bells(hub)
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

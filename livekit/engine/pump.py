"""The engine's inner loop: market data out, orders in, reports back, all compiled.

One event goes through in this order, always: the paper exchange sees it (resting
orders may fill), the reports that causes are delivered, the board shows it, every
strategy that wants it gets it; after that the orders that have arrived are taken, ring
by ring in the order of their numbers. A strategy that sees a price has heard of what
that price did to its orders. Lock-step replay waits between two events until
every strategy has handled everything and has nothing more to say, so its result does
not depend on the machine's timing.

What is under way when latencies are modelled, and timers, come before the event in the
order of their times (`_step_before`), as in a backtest (research/loop.py).
Layer 4. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.engine.intake import drain_outbox, take_orders, tick_ledgers
from livekit.engine.layout import PUMP
from livekit.engine.timers import FOREVER, fire_timers, first_timer
from livekit.events import HEAD
from livekit.ring.broadcast import HUB, broadcast, lacks_room, ring_bells
from livekit.ring.call import address_of, call2, call3
from livekit.ring.directory import post
from livekit.ring.jit import hot
from livekit.ring.layout import HEAD as HEAD_WORD
from livekit.ring.layout import SIDE, SIDE_BYTES
from livekit.ring.memory import (
    clock_ns,
    count_trailing_zeros,
    load_acquire,
    pause,
    record,
    sched_yield,
)
from livekit.trading.account import apply_funding
from livekit.trading.feed import feed_due, feed_event, pop_feed, push_feed, venue_time
from livekit.trading.funding import FUNDING
from livekit.trading.outbox import OUTBOX_FULL, outbox_count
from livekit.trading.router import advance, next_due, on_market, on_request
from livekit.trading.sending import on_request_live

__all__ = [
    "connect_core",
    "count_due",
    "pump_clock",
    "pump_flight",
    "pump_lockstep",
    "pump_market",
    "pump_rest",
]

_SPINS: Final = 64
_FUNDING_BYTES: Final = FUNDING.itemsize


def connect_core(pump: np.ndarray, core: int, *, is_live: bool = False) -> None:
    """Point a PUMP[1] at a trading core and compile the core's entries.

    `is_live`: requests wait to be sent to a venue over a network; on paper otherwise.
    """
    pump["core"] = core
    pump["on_market"] = address_of(on_market, 3)
    pump["on_request"] = address_of(on_request_live if is_live else on_request, 4)
    pump["advance"] = address_of(advance, 2)
    pump["ledger_due"] = FOREVER


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
            tick_ledgers(pump, now)
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
        tick_ledgers(pump, due)
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
def _funding_due(pump: int) -> int:
    """Return when the next payment of funding is due; FOREVER when there is none."""
    view = record(PUMP, pump)
    if view.funding_index >= view.n_funding:
        return FOREVER
    return record(FUNDING, view.funding + view.funding_index * _FUNDING_BYTES).ts


@hot
def _pay_funding(pump: int, due: int) -> int:
    """Let every position in the swap pay its funding; always 1."""
    view = record(PUMP, pump)
    if view.ledger_due < due:
        tick_ledgers(pump, due)
    row = record(FUNDING, view.funding + view.funding_index * _FUNDING_BYTES)
    view.funding_index += 1
    view.now = max(view.now, due)
    apply_funding(view.core, row.instrument, row.rate, due)
    return 1


@hot
def _step_before(pump: int, now: int) -> int:
    """Do the first thing that comes before an event at `now`; 1, 0 for none, -1 for no room."""
    view = record(PUMP, pump)
    timer = first_timer(pump, now) if view.timed else FOREVER
    flight, funding = _flight_due(pump), _funding_due(pump)
    if min(timer, funding, flight + 1) > now:
        return 0
    if flight < min(timer, funding):
        done = _step_flight(pump, flight)
    elif funding <= timer:
        done = _pay_funding(pump, funding)
    else:
        if view.ledger_due < timer:
            tick_ledgers(pump, timer)
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
def pump_clock(pump: int, now: int) -> int:
    """Bring a live engine's time to `now`: timers, samples, what is under way; take orders.

    Returns how many timers, reports and orders moved. Time never goes back.
    """
    view = record(PUMP, pump)
    done = 0
    while not view.ledger_full:
        before = _step_before(pump, now)
        if before <= 0:
            break
        take_orders(pump)
        done += 1
    if view.ledger_due < now:
        tick_ledgers(pump, now)
    view.now = max(view.now, now)
    return done + take_orders(pump)


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

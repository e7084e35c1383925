"""The backtest's inner loop: one strategy, one trading core, compiled from end to end.

Every event goes through in the order of lock-step replay (engine/pump.py), so that both
give the same orders to the bit:

    what is in flight, funding and timers that come before it
    the venue sees it; resting orders may fill
    the strategy handles the reports that caused, then the event
    the requests that made are taken, their reports handled, until nobody has more to say

`simulate` runs a compiled strategy; what an interpreted one shares with it stands in
steps.py. A callback's exception leaves `simulate` as itself, and the next call goes on
behind it.
Layer 3. Allocates nothing.
"""

from typing import Final

from livekit.events import HEAD, Kind
from livekit.research.due import next_due_for_strategy
from livekit.research.intake import clear_reports, note_new_reports, take_requests
from livekit.research.layout import SIM, Status
from livekit.research.queue import QUEUE, ROWS, TAGS, top_up
from livekit.research.quiet import catch_up, hand_event, run_quiet
from livekit.research.steps import (
    FULL,
    NOTHING,
    begin,
    call_back,
    event_at,
    step_before,
)
from livekit.ring.jit import hot, inlined, inner
from livekit.ring.memory import load_i64, record
from livekit.strategy.compiled.driver import DRIVER, invoke
from livekit.strategy.context import CONTEXT, LOG_ROWS
from livekit.strategy.reports import apply_report
from livekit.trading.feed import arrival_time, feed_due, push_feed, venue_time
from livekit.trading.layout import CORE, OUTBOX, outbox_at
from livekit.trading.ledger import LEDGER, has_room
from livekit.trading.router import take_market

__all__ = ["hand_owed_fill", "simulate"]

_MORE: Final = Status.MORE
_END: Final = Status.END
_ROOM: Final = Status.ROOM
_LOG: Final = Status.LOG
_ENDLESS: Final = Status.ENDLESS
_ORDER: Final = int(Kind.ORDER)
_BOOK: Final = int(Kind.BOOK)
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_CALLBACKS: Final = int(DRIVER.fields["callbacks"][1])  # type: ignore[index]
_HALF_LOG: Final = LOG_ROWS // 2
_MAX_ANSWERS: Final = 100_000


@hot
def _next_gate(sim: int) -> int:
    """Return the time before which only the next event need be looked at."""
    return min(next_due_for_strategy(sim), record(LEDGER, record(SIM, sim).ledger).next_due)


@inner
def _hand_report(sim: int) -> None:
    """Hand the next report to a compiled strategy."""
    s = record(SIM, sim)
    driver = record(DRIVER, s.driver)
    report = outbox_at(s.core, s.index) + _REPORT
    s.index += 1
    begin(s.ctx, report)
    driver.handled += 1
    is_fill = apply_report(s.ctx, report)
    on_order = load_i64(s.driver + _CALLBACKS + _ORDER * 8)
    if on_order:
        s.owes_fill = is_fill
        invoke(on_order, s.ctx, report)
        s.owes_fill = 0
    if is_fill:
        _hand_fill(sim, report)


@inner
def _hand_fill(sim: int, report: int) -> None:
    """Call a compiled strategy's `on_fill`, if it has one."""
    s = record(SIM, sim)
    driver = record(DRIVER, s.driver)
    if driver.on_fill:
        driver.is_fill = 1
        invoke(driver.on_fill, s.ctx, report)
        driver.is_fill = 0


@hot
def hand_owed_fill(sim: int) -> None:
    """Call the `on_fill` of a report whose `on_order` raised, if that is still owed."""
    s = record(SIM, sim)
    if s.owes_fill:
        s.owes_fill = 0
        _hand_fill(sim, record(CONTEXT, s.ctx).event)


@hot
def _settle(sim: int) -> int:
    """Handle reports and requests of a compiled strategy until there are none; a Status."""
    catch_up(sim)
    s = record(SIM, sim)
    top = record(CORE, s.core)
    hand_owed_fill(sim)
    while True:
        if has_room(s.ledger, s.margin) == 0:
            return _ROOM
        note_new_reports(sim)
        while s.index < top.n_reports:
            _hand_report(sim)
        clear_reports(sim)
        if s.owes_event:
            s.owes_event = 0
            call_back(sim, event_at(sim, record(QUEUE, s.queue).start - 1))
        if take_requests(sim) == 0 and top.n_reports == 0:
            break
        s.answers += 1
        if s.answers > _MAX_ANSWERS:
            return _ENDLESS
    s.answers = 0
    s.gate = _next_gate(sim)
    return _MORE


@hot
def _before(sim: int, now: int) -> int:
    """Do everything that comes before an event at `now`, for a compiled strategy; a Status."""
    while True:
        done = step_before(sim, now)
        if done == FULL:
            return _ROOM
        if done == NOTHING:
            break
        status = _settle(sim)
        if status != _MORE:
            return status
    record(SIM, sim).gate = _next_gate(sim)
    return _MORE


@inlined
def _see(sim: int, event: int, now: int, is_wanted: int) -> int:
    """Let the venue see the next event; 1 if the strategy is to handle it now, -1 for no room."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    is_delayed = is_wanted and s.delays_feed
    if is_delayed and push_feed(s.feed, event) == 0:
        return -1
    if s.delays_feed:
        s.last_arrival = arrival_time(s.feed, event)
    queue.start += 1
    s.position += 1
    s.now = now
    if take_market(s.core, event, now) and s.has_latency:
        s.gate = _next_gate(sim)  # its answer is on its way
    if is_delayed:
        s.gate = min(s.gate, feed_due(s.feed))
        return 0
    if record(CORE, s.core).n_reports != 0:
        s.owes_event = is_wanted
        return 0
    return is_wanted


@inlined
def _conclude(sim: int) -> int:
    """Settle what a callback left to be done; a Status."""
    s = record(SIM, sim)
    context = record(CONTEXT, s.ctx)
    if context.sequence != s.taken or record(CORE, s.core).n_reports != 0:
        status = _settle(sim)
        if status != _MORE:
            return status
    is_long = s.logs and context.log_tail - context.log_head >= _HALF_LOG
    return _LOG if is_long else _MORE


@inlined
def _put_one(sim: int) -> int:
    """Put the next event of the block through; a Status."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    event = load_i64(s.queue + ROWS + queue.start * 8)
    tag = load_i64(s.queue + TAGS + queue.start * 8)
    if tag > 1:
        event = event_at(sim, queue.start)
    now = venue_time(s.feed, event) if s.delays_feed else record(HEAD, event).ts_recv
    if s.gate < now:
        status = _before(sim, now)
        if status != _MORE:
            return status
        event = event_at(sim, queue.start)
    is_due = _see(sim, event, now, tag & 1)
    if is_due < 0:
        return _ROOM
    if is_due:
        hand_event(sim, event)
    return _conclude(sim)


@hot
def _put_through(sim: int, n: int) -> int:
    """Put up to `n` events of the block through a compiled strategy; a Status.

    What every event goes through is compiled into this one function: a call costs a
    tenth of an event.
    """
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    top = record(CORE, s.core)
    until = min(queue.end, queue.start + n)
    status = _MORE
    while status == _MORE and queue.start < until:
        start = queue.start
        if s.is_quiet and top.n_open == 0:
            run_quiet(sim, until)
            status = _conclude(sim)
        if status == _MORE and queue.start == start:
            status = _put_one(sim)
    return status


@hot
def simulate(sim: int, budget: int) -> int:
    """Put up to `budget` events of the open day through a compiled strategy; a Status."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    status = _settle(sim)  # what an exception or a lack of room left undone
    if status != _MORE:
        return status
    until = s.position + budget
    while s.position < until:
        if queue.start == queue.end and top_up(s.heap, s.queue) == 0:
            return _END
        status = _put_through(sim, until - s.position)
        if status != _MORE:
            return status
    return _MORE

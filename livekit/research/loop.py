"""The backtest's inner loop: one strategy, one trading core, compiled from end to end.

Every event goes through in the order of lock-step replay (engine/pump.py), so that both
give the same orders to the bit:

    what is in flight, funding and timers that come before it
    the venue sees it; resting orders may fill
    the strategy handles the reports that caused, then the event
    the requests that made are taken, their reports handled, until nobody has more to say

`simulate` runs a compiled strategy. What both ways of running share stands here too:
`settle_requests` and `before`. A callback's exception leaves `simulate` as itself; the
stage says where the next call goes on.
Layer 3. Allocates nothing.
"""

from typing import Final

from livekit.events import ANY_INSTRUMENT, EVENT_BYTES, HEAD, TIMER, Kind
from livekit.research.due import next_due_for_strategy, next_due_in_flight
from livekit.research.intake import clear_reports, note_new_reports, take_requests
from livekit.research.layout import FOREVER, FUNDING, SIM, Stage, Status
from livekit.research.queue import QUEUE, ROWS, TAGS, top_up
from livekit.ring.call import call2
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import copy_lines, load_i64, record
from livekit.strategy.compiled.driver import DRIVER, invoke
from livekit.strategy.context import CONTEXT, LOG_ROWS, remember_book
from livekit.strategy.reports import apply_report
from livekit.trading.account import apply_funding
from livekit.trading.feed import (
    arrival_time,
    feed_due,
    feed_event,
    pop_feed,
    push_feed,
    venue_time,
)
from livekit.trading.layout import CORE, OUTBOX, outbox_at
from livekit.trading.ledger import LEDGER, has_room, tick
from livekit.trading.router import next_due, on_market

__all__ = [
    "FED",
    "FULL",
    "HEARD",
    "NOTHING",
    "TIMED",
    "event_at",
    "hand_owed_fill",
    "simulate",
    "step_before",
    "step_flight",
]

_FETCH: Final = Stage.FETCH
_SETTLE: Final = Stage.SETTLE
_OWED: Final = Stage.FILL
_MORE: Final = Status.MORE
_END: Final = Status.END
_ROOM: Final = Status.ROOM
_LOG: Final = Status.LOG
_ENDLESS: Final = Status.ENDLESS
_ORDER: Final = int(Kind.ORDER)
_BOOK: Final = int(Kind.BOOK)
_TIMER: Final = int(Kind.TIMER)
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_CALLBACKS: Final = int(DRIVER.fields["callbacks"][1])  # type: ignore[index]
_TIMER_EVENT: Final = int(SIM.fields["timer"][1])  # type: ignore[index]
_FUNDING_BYTES: Final = FUNDING.itemsize
_HALF_LOG: Final = LOG_ROWS // 2
_MAX_ANSWERS: Final = 100_000

NOTHING: Final = 0
HEARD: Final = 1  # something the strategy may hear of
TIMED: Final = 2  # its timer fired
FED: Final = 3  # an event reached it
FULL: Final = -1  # the ledger or the feed must grow first


@hot
def _next_gate(sim: int) -> int:
    """Return the time before which only the next event need be looked at."""
    return min(next_due_for_strategy(sim), record(LEDGER, record(SIM, sim).ledger).next_due)


@inner
def _begin(ctx: int, event: int) -> None:
    """Make an event the one being handled; as `begin_event`, but that nothing was published."""
    view = record(CONTEXT, ctx)
    view.event = event
    ts_event = record(HEAD, event).ts_event
    if ts_event > 0:
        view.now = ts_event


@inner
def _hand_report(sim: int) -> None:
    """Hand the next report to a compiled strategy."""
    s = record(SIM, sim)
    driver = record(DRIVER, s.driver)
    report = outbox_at(s.core, s.index) + _REPORT
    s.index += 1
    _begin(s.ctx, report)
    driver.handled += 1
    is_fill = apply_report(s.ctx, report)
    on_order = load_i64(s.driver + _CALLBACKS + _ORDER * 8)
    if on_order:
        s.stage = _OWED if is_fill and driver.on_fill else _SETTLE
        invoke(on_order, s.ctx, report)
        s.stage = _SETTLE
    if is_fill:
        _hand_fill(sim, report)


@inner
def _hand_fill(sim: int, report: int) -> None:
    """Call a compiled strategy's `on_fill`, if it has one."""
    s = record(SIM, sim)
    driver = record(DRIVER, s.driver)
    if driver.on_fill:
        s.stage = _SETTLE
        driver.is_fill = 1
        invoke(driver.on_fill, s.ctx, report)
        driver.is_fill = 0


@hot
def event_at(sim: int, index: int) -> int:
    """Return the address of an event of the block, under its own number of instrument."""
    s = record(SIM, sim)
    row = load_i64(s.queue + ROWS + index * 8)
    instrument = load_i64(s.queue + TAGS + index * 8) >> 1
    if instrument == 0:
        return row
    copy_lines(s.scratch, row, EVENT_BYTES[load_i64(row) & 15] >> 6)
    record(HEAD, s.scratch).instrument = instrument
    return i64(s.scratch)


@inner
def _call_back(sim: int, event: int) -> None:
    """Call a compiled strategy's callback of a market event, if it has one."""
    s = record(SIM, sim)
    kind = load_i64(event) & 15
    _begin(s.ctx, event)
    if kind == _BOOK and s.uses_book:
        remember_book(s.ctx, event)
    record(DRIVER, s.driver).handled += 1  # also a book that is only kept for `book`
    callback = load_i64(s.driver + _CALLBACKS + kind * 8)
    if callback:
        s.stage = _SETTLE
        invoke(callback, s.ctx, event)


@hot
def hand_owed_fill(sim: int) -> None:
    """Call the `on_fill` of a report whose `on_order` raised, if that is still owed."""
    s = record(SIM, sim)
    if s.stage == _OWED:
        s.stage = _SETTLE
        _hand_fill(sim, record(CONTEXT, s.ctx).event)


@hot
def _settle(sim: int) -> int:
    """Handle reports and requests of a compiled strategy until there are none; a Status."""
    s = record(SIM, sim)
    top = record(CORE, s.core)
    hand_owed_fill(sim)
    s.stage = _SETTLE
    while True:
        if has_room(s.ledger, s.margin) == 0:
            return _ROOM
        note_new_reports(sim)
        while s.index < top.n_reports:
            _hand_report(sim)
        clear_reports(sim)
        if s.owes_event:
            s.owes_event = 0
            _call_back(sim, event_at(sim, record(QUEUE, s.queue).start - 1))
        if take_requests(sim) == 0 and top.n_reports == 0:
            break
        s.answers += 1
        if s.answers > _MAX_ANSWERS:
            return _ENDLESS
    s.stage = _FETCH
    s.answers = 0
    s.gate = _next_gate(sim)
    return _MORE


@hot
def _fire_timer(sim: int, ts: int) -> None:
    """Give a compiled strategy its timer event."""
    s = record(SIM, sim)
    event = record(TIMER, sim + _TIMER_EVENT)
    event.kind = _TIMER
    event.instrument = ANY_INSTRUMENT
    event.ts_event = ts
    event.ts_recv = ts
    event.period = s.period
    s.timer_due = ts + s.period
    if s.driver == 0:
        return
    callback = load_i64(s.driver + _CALLBACKS + _TIMER * 8)
    if callback:
        _begin(s.ctx, sim + _TIMER_EVENT)
        record(DRIVER, s.driver).handled += 1
        s.stage = _SETTLE
        invoke(callback, s.ctx, sim + _TIMER_EVENT)


@hot
def step_flight(sim: int) -> int:
    """Let the first thing under way arrive: HEARD, FED, or FULL with nothing done.

    An event comes before a request or answer that is due at the same time.
    """
    s = record(SIM, sim)
    flight, feed = next_due(s.core), feed_due(s.feed)
    due = min(flight, feed)
    if tick(s.ledger, due) == 0:
        return FULL
    s.now = due
    if feed <= flight:
        event = feed_event(s.feed)
        pop_feed(s.feed)
        if s.driver:
            _call_back(sim, event)
        return FED
    call2(s.advance, s.core, due + 1)
    return HEARD


@hot
def step_before(sim: int, now: int) -> int:
    """Do the first thing that comes before an event at `now`.

    Timers and funding of the same time come before it, what is under way after it.

    Returns
    -------
    int
        NOTHING, HEARD, TIMED, FED, or FULL with nothing done. A compiled strategy's
        callback has been called.
    """
    s = record(SIM, sim)
    timer, funding = FOREVER, FOREVER
    if s.period and s.timer_due == 0:  # it begins with the first event
        s.timer_due = (now // s.period + 1) * s.period
    elif s.period and s.timer_due <= now:
        timer = now // s.period * s.period
    if s.funding_index < s.n_funding:
        funding = record(FUNDING, s.funding + s.funding_index * _FUNDING_BYTES).ts
    flight = next_due_in_flight(sim)
    if min(timer, funding, flight + 1) > now:
        return NOTHING if tick(s.ledger, now) else FULL
    if flight < min(timer, funding):
        return step_flight(sim)
    if tick(s.ledger, min(timer, funding)) == 0:
        return FULL
    if funding <= timer:
        row = record(FUNDING, s.funding + s.funding_index * _FUNDING_BYTES)
        s.funding_index += 1
        s.now = max(s.now, funding)
        apply_funding(s.core, row.instrument, row.rate, funding)
        return HEARD
    s.now = max(s.now, timer)
    _fire_timer(sim, timer)
    return TIMED


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


@inner
def _see(sim: int, event: int, now: int) -> int:
    """Let the venue see the next event, and the strategy too or later; 0 when it cannot yet."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    is_wanted = load_i64(s.queue + TAGS + queue.start * 8) & 1
    is_delayed = is_wanted and s.delays_feed
    if is_delayed and push_feed(s.feed, event) == 0:
        return 0
    if s.delays_feed:
        s.last_arrival = arrival_time(s.feed, event)
    queue.start += 1
    s.position += 1
    s.now = now
    if on_market(s.core, event, now) and s.has_latency:
        s.gate = _next_gate(sim)  # its answer is on its way
    if is_delayed:
        s.gate = min(s.gate, feed_due(s.feed))
    elif is_wanted and record(CORE, s.core).n_reports == 0:
        _call_back(sim, event)
        s.stage = _FETCH
    else:
        s.owes_event = is_wanted
    return 1


@hot
def _put_through(sim: int, n: int) -> int:
    """Put up to `n` events of the block through a compiled strategy; a Status."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    context = record(CONTEXT, s.ctx)
    top = record(CORE, s.core)
    until = min(queue.end, queue.start + n)
    while queue.start < until:
        event = event_at(sim, queue.start)
        now = venue_time(s.feed, event) if s.delays_feed else record(HEAD, event).ts_recv
        if s.gate < now:
            status = _before(sim, now)
            if status != _MORE:
                return status
            event = event_at(sim, queue.start)
        if _see(sim, event, now) == 0:
            return _ROOM
        if context.sequence != s.taken or top.n_reports != 0:
            status = _settle(sim)
            if status != _MORE:
                return status
        if s.logs and context.log_tail - context.log_head >= _HALF_LOG:
            return _LOG
    return _MORE


@hot
def simulate(sim: int, budget: int) -> int:
    """Put up to `budget` events of the open day through a compiled strategy; a Status."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    if s.stage != _FETCH:
        status = _settle(sim)
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

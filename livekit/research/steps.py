"""The steps of a simulation that both ways of running a strategy share.

What is under way, funding and timers come before an event (`step_before`), the requests
of the strategy after it (intake.py). For a compiled strategy the callback of a
step is called here; an interpreted one is told, and Python calls it.
Layer 3. Allocates nothing.
"""

from typing import Final

from livekit.events import ANY_INSTRUMENT, EVENT_BYTES, HEAD, TIMER, Kind
from livekit.research.due import next_due_in_flight
from livekit.research.layout import FOREVER, SIM
from livekit.research.queue import ROWS, TAGS
from livekit.ring.call import call2
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import copy_lines, load_i64, record
from livekit.strategy.compiled.driver import DRIVER, invoke
from livekit.strategy.context import CONTEXT, remember_book
from livekit.trading.account import apply_funding
from livekit.trading.feed import feed_due, feed_event, pop_feed
from livekit.trading.funding import FUNDING
from livekit.trading.ledger import tick
from livekit.trading.router import next_due

__all__ = [
    "FED",
    "FULL",
    "HEARD",
    "NOTHING",
    "TIMED",
    "begin",
    "call_back",
    "event_at",
    "step_before",
    "step_flight",
]

_BOOK: Final = int(Kind.BOOK)
_TIMER: Final = int(Kind.TIMER)
_CALLBACKS: Final = int(DRIVER.fields["callbacks"][1])  # type: ignore[index]
_TIMER_EVENT: Final = int(SIM.fields["timer"][1])  # type: ignore[index]
_FUNDING_BYTES: Final = FUNDING.itemsize

NOTHING: Final = 0
HEARD: Final = 1  # something the strategy may hear of
TIMED: Final = 2  # its timer fired
FED: Final = 3  # an event reached it
FULL: Final = -1  # the ledger or the feed must grow first


@inner
def begin(ctx: int, event: int) -> None:
    """Make an event the one being handled; as `begin_event`, but that nothing was published."""
    view = record(CONTEXT, ctx)
    view.event = event
    ts_event = record(HEAD, event).ts_event
    if ts_event > 0:
        view.now = ts_event


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
def call_back(sim: int, event: int) -> None:
    """Call a compiled strategy's callback of a market event, if it has one."""
    s = record(SIM, sim)
    kind = load_i64(event) & 15
    begin(s.ctx, event)
    if kind == _BOOK and s.uses_book:
        remember_book(s.ctx, event)
    record(DRIVER, s.driver).handled += 1  # also a book that is only kept for `book`
    callback = load_i64(s.driver + _CALLBACKS + kind * 8)
    if callback:
        invoke(callback, s.ctx, event)


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
        begin(s.ctx, sim + _TIMER_EVENT)
        record(DRIVER, s.driver).handled += 1
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
            call_back(sim, event)
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

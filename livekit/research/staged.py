"""How an interpreted strategy is fed: batches of events that cannot make a report.

Python handles a batch in one loop over a bound method, as it does live. Between two
events of a batch nothing may happen that the strategy would hear of, so a batch ends
before an event that could fill a resting order, before a timer, funding or anything in
flight. The first event of a batch is seen by the venue at once, the others only after
their callbacks (`commit`), up to the one whose callback sent a request: the rest of
the batch is not handled, and staged again. So every callback and every order happens
exactly where one event at a time would have put it.
Layer 3. Allocates nothing.
"""

from typing import Final

from livekit.events import EVENT_BYTES, HEAD, SLOT_BYTES, Kind
from livekit.research.due import next_due_for_strategy
from livekit.research.intake import clear_reports, note_new_reports
from livekit.research.layout import SIM, Status
from livekit.research.queue import QUEUE, TAGS, top_up
from livekit.research.steps import (
    FED,
    FULL,
    HEARD,
    NOTHING,
    TIMED,
    event_at,
    step_before,
)
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import copy_lines, load_i64, record, store_i64
from livekit.strategy.pool import BATCH, POOL
from livekit.trading.feed import FEED, arrival_time, feed_due, push_feed, venue_time
from livekit.trading.layout import CORE, OUTBOX, outbox_at
from livekit.trading.ledger import has_room, tick
from livekit.trading.market import may_fill
from livekit.trading.router import on_market

__all__ = [
    "ARRIVAL",
    "HEAR",
    "TIMER",
    "commit",
    "cut",
    "next_batch",
    "stage_arrival",
    "stage_owed",
    "stage_reports",
    "stage_timer",
]

HEAR: Final = 16 + HEARD  # nothing is listed, but the strategy has something to hear of
TIMER: Final = 16 + TIMED  # its timer fired
ARRIVAL: Final = 16 + FED  # a delayed event reached it
_MORE: Final = Status.MORE
_END: Final = Status.END
_ROOM: Final = Status.ROOM
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_TIMER_EVENT: Final = int(SIM.fields["timer"][1])  # type: ignore[index]
_TIMER_KIND: Final = int(Kind.TIMER)
_MAX_UNHEARD: Final = 1 << 16


@inner
def _list(pool: int, event: int) -> None:
    """Copy an event into the next object of its kind and list it."""
    view = record(POOL, pool)
    kind = load_i64(event) & 15
    place = view.bases[kind] + view.used[kind]
    view.used[kind] += 1
    copy_lines(load_i64(view.buffers + place * 8), event, EVENT_BYTES[kind] >> 6)
    ts_event = record(HEAD, event).ts_event
    if ts_event > 0:
        view.now = ts_event
    store_i64(view.indices + view.listed * 8, place)
    store_i64(view.times + view.listed * 8, view.now)
    store_i64(view.published + view.listed * 8, 0)
    if view.listed == 0:
        view.kind = kind
    elif view.kind != kind:
        view.kind = 0
    view.listed += 1


@inner
def _clear(pool: int) -> None:
    view = record(POOL, pool)
    for kind in range(16):
        view.used[kind] = 0
    view.listed = 0
    view.kind = 0


@inner
def _has_room(sim: int, now: int) -> int:
    """Take the samples due before `now`; 0 when the ledger must grow first."""
    s = record(SIM, sim)
    return i64(tick(s.ledger, now) and has_room(s.ledger, s.margin))


@inner
def _see(sim: int, event: int, now: int) -> None:
    """Let the venue see an event."""
    s = record(SIM, sim)
    s.now = now
    s.position += 1
    if on_market(s.core, event, now) and s.has_latency:
        s.gate = next_due_for_strategy(sim)  # its answer is on its way


@inner
def _start_batch(sim: int, pool: int) -> int:
    """Let the venue see the next event and list it; a Status, HEAR, TIMER or ARRIVAL.

    MORE with nothing listed: call again.
    """
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    if queue.start == queue.end and top_up(s.heap, s.queue) == 0:
        return _END
    event = event_at(sim, queue.start)
    now = venue_time(s.feed, event)
    if s.gate < now:
        done = step_before(sim, now)
        s.gate = next_due_for_strategy(sim)
        if done != NOTHING:
            return _ROOM if done == FULL else 16 + done
        event = event_at(sim, queue.start)
    is_wanted = load_i64(s.queue + TAGS + queue.start * 8) & 1
    if _has_room(sim, now) == 0:
        return _ROOM
    if is_wanted and s.delays_feed and push_feed(s.feed, event) == 0:
        return _ROOM
    if s.delays_feed:
        s.last_arrival = arrival_time(s.feed, event)
    _see(sim, event, now)
    queue.start += 1
    if is_wanted and s.delays_feed:
        s.gate = min(s.gate, feed_due(s.feed))
        is_wanted = 0
    if record(CORE, s.core).n_reports:
        s.owes_event = is_wanted
        return HEAR
    if is_wanted:
        store_i64(s.offsets, 0)
        _list(pool, event)
    return _MORE


@inner
def _extend_batch(sim: int, pool: int) -> int:
    """Take the next event into the batch, unseen by the venue; 0 where the batch must end."""
    s = record(SIM, sim)
    queue = record(QUEUE, s.queue)
    index = queue.start + queue.n
    if index == queue.end or s.delays_feed:
        return 0
    event = event_at(sim, index)
    if s.gate < record(HEAD, event).ts_recv or may_fill(s.core, event):
        return 0
    queue.n += 1
    if load_i64(s.queue + TAGS + index * 8) & 1:
        store_i64(s.offsets + record(POOL, pool).listed * 8, queue.n)
        _list(pool, event)
    return 1


@hot
def next_batch(sim: int, pool: int) -> int:
    """List the next batch in the pool; a Status, or HEAR, TIMER or ARRIVAL with nothing listed.

    MORE with nothing listed after many events that the strategy does not listen to: who
    calls may want to stop.
    """
    s = record(SIM, sim)
    listed = record(POOL, pool)
    _clear(pool)
    record(QUEUE, s.queue).n = 0
    for _ in range(_MAX_UNHEARD):
        status = _start_batch(sim, pool)
        if status != _MORE:
            return status
        if listed.listed:
            break
    while 0 < listed.listed < BATCH and _extend_batch(sim, pool):
        pass
    return _MORE


@hot
def cut(sim: int, last: int) -> None:
    """End the batch with its listed event `last`."""
    s = record(SIM, sim)
    record(QUEUE, s.queue).n = load_i64(s.offsets + last * 8)


@hot
def commit(sim: int) -> int:
    """Let the venue see the batch; 0 when the ledger must grow first, and then again."""
    queue = record(QUEUE, record(SIM, sim).queue)
    while queue.n > 0:
        event = event_at(sim, queue.start)
        now = record(HEAD, event).ts_recv
        if _has_room(sim, now) == 0:
            return 0
        _see(sim, event, now)
        queue.start += 1
        queue.n -= 1
    return 1


@hot
def stage_reports(sim: int, pool: int) -> int:
    """List the next reports in the pool; how many, or -1 when the ledger must grow."""
    s = record(SIM, sim)
    top = record(CORE, s.core)
    _clear(pool)
    if has_room(s.ledger, s.margin) == 0:
        return -1
    listed = record(POOL, pool)
    note_new_reports(sim)
    while s.index < top.n_reports and listed.listed < BATCH:
        _list(pool, outbox_at(s.core, s.index) + _REPORT)
        s.index += 1
    if s.index == top.n_reports:
        clear_reports(sim)
    return i64(listed.listed)


@hot
def stage_timer(sim: int, pool: int) -> None:
    """List the timer event that fired, if the strategy has an `on_timer`."""
    _clear(pool)
    if record(POOL, pool).bases[_TIMER_KIND] >= 0:
        _list(pool, sim + _TIMER_EVENT)


@hot
def stage_arrival(sim: int, pool: int) -> None:
    """List the delayed event that was just taken out of the feed."""
    feed = record(SIM, sim).feed
    view = record(FEED, feed)
    _clear(pool)
    _list(pool, view.slots + ((view.head - 1) & view.mask) * SLOT_BYTES)


@hot
def stage_owed(sim: int, pool: int) -> int:
    """List the event whose reports have been handled; 0 when there is none."""
    s = record(SIM, sim)
    _clear(pool)
    if s.owes_event == 0:
        return 0
    s.owes_event = 0
    _list(pool, event_at(sim, record(QUEUE, s.queue).start - 1))
    return 1

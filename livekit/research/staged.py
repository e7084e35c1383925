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

import numpy as np

from livekit.events import EVENT_BYTES, HEAD, Kind
from livekit.research.layout import SIM, Status
from livekit.research.loop import next_due_for_strategy, step_before
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import copy_lines, load_i64, record, store_i64
from livekit.store.merge import HEAP, STREAM, advance
from livekit.strategy.pool import BATCH, POOL
from livekit.trading.layout import CORE, OUTBOX, outbox_at
from livekit.trading.ledger import has_room, note_report, tick
from livekit.trading.router import may_report, on_market

__all__ = ["HEAR", "STAGED", "TIMER", "commit", "cut", "next_batch", "stage_reports", "stage_timer"]

STAGED: Final = np.dtype(
    [
        ("start", "<i8"),  # first event that the venue has not seen
        ("end", "<i8"),
        ("n", "<i8"),  # events of the batch that the venue has not seen
        ("rows", "<i8", (BATCH,)),  # addresses
        ("instruments", "<i8", (BATCH,)),
        ("wanted", "<i8", (BATCH,)),
        ("offsets", "<i8", (BATCH,)),  # of a listed event: events from `start` up to it
    ]
)
"""Events taken from the merge and not yet seen by the venue."""

HEAR: Final = 16  # nothing is listed, but the strategy has something to hear of
TIMER: Final = 17  # its timer fired
_MORE: Final = Status.MORE
_END: Final = Status.END
_ROOM: Final = Status.ROOM
_ROWS: Final = int(STAGED.fields["rows"][1])  # type: ignore[index]
_INSTRUMENTS: Final = int(STAGED.fields["instruments"][1])  # type: ignore[index]
_WANTED: Final = int(STAGED.fields["wanted"][1])  # type: ignore[index]
_OFFSETS: Final = int(STAGED.fields["offsets"][1])  # type: ignore[index]
_REPORT: Final = int(OUTBOX.fields["report"][1])  # type: ignore[index]
_TIMER_EVENT: Final = int(SIM.fields["timer"][1])  # type: ignore[index]
_TIMER_KIND: Final = int(Kind.TIMER)


@inner
def _top_up(sim: int, staged: int) -> None:
    """Take events from the merge; nothing is staged."""
    view = record(STAGED, staged)
    heap_at = record(SIM, sim).heap
    heap = record(HEAP, heap_at)
    view.start = 0
    n = 0
    while n < BATCH and heap.n > 0:
        stream = load_i64(heap.entries)
        own = record(STREAM, stream)
        store_i64(staged + _ROWS + n * 8, own.row)
        store_i64(staged + _INSTRUMENTS + n * 8, own.instrument)
        store_i64(staged + _WANTED + n * 8, own.tag)
        advance(heap_at, stream)
        n += 1
    view.end = n


@inner
def _event_at(sim: int, staged: int, index: int) -> int:
    """Return the address of a staged event under its own number of instrument."""
    row = load_i64(staged + _ROWS + index * 8)
    instrument = load_i64(staged + _INSTRUMENTS + index * 8)
    if instrument == 0:
        return row
    scratch = record(SIM, sim).scratch
    copy_lines(scratch, row, EVENT_BYTES[load_i64(row) & 15] >> 6)
    record(HEAD, scratch).instrument = instrument
    return i64(scratch)


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
def _see(sim: int, event: int) -> int:
    """Let the venue see an event; 0 when the ledger must grow first."""
    s = record(SIM, sim)
    now = record(HEAD, event).ts_recv
    if tick(s.ledger, now) == 0 or has_room(s.ledger, s.margin) == 0:
        return 0
    s.now = now
    s.position += 1
    on_market(s.core, event, now)
    return 1


@hot
def next_batch(sim: int, staged: int, pool: int) -> int:
    """List the next batch in the pool; a Status, or HEAR or TIMER with nothing listed."""
    s = record(SIM, sim)
    view = record(STAGED, staged)
    listed = record(POOL, pool)
    top = record(CORE, s.core)
    _clear(pool)
    view.n = 0
    while listed.listed < BATCH:
        index = view.start + view.n
        if index == view.end:
            if listed.listed:
                return _MORE
            _top_up(sim, staged)
            index = 0
            if view.end == 0:
                return _END
        event = _event_at(sim, staged, index)
        now = record(HEAD, event).ts_recv
        if s.gate < now:
            if listed.listed:
                return _MORE
            done = step_before(sim, now)
            if done < 0:
                return _ROOM
            s.gate = next_due_for_strategy(sim)
            if done:
                return TIMER if done == 2 else HEAR
        is_wanted = load_i64(staged + _WANTED + index * 8)
        if listed.listed == 0:
            if _see(sim, event) == 0:
                return _ROOM
            view.start += 1
            if is_wanted:
                _list(pool, event)
                store_i64(staged + _OFFSETS, 0)
            if top.n_reports:
                return _MORE if is_wanted else HEAR
        else:
            if may_report(s.core, event):
                return _MORE
            view.n += 1
            if is_wanted:
                store_i64(staged + _OFFSETS + listed.listed * 8, view.n)
                _list(pool, event)
    return _MORE


@hot
def cut(staged: int, last: int) -> None:
    """End the batch with its listed event `last`."""
    record(STAGED, staged).n = load_i64(staged + _OFFSETS + last * 8)


@hot
def commit(sim: int, staged: int) -> int:
    """Let the venue see the batch; 0 when the ledger must grow first, and then again."""
    view = record(STAGED, staged)
    while view.n > 0:
        if _see(sim, _event_at(sim, staged, view.start)) == 0:
            return 0
        view.start += 1
        view.n -= 1
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
    while s.index < top.n_reports and listed.listed < BATCH:
        item = outbox_at(s.core, s.index)
        note_report(s.ledger, item)
        _list(pool, item + _REPORT)
        s.index += 1
    if s.index == top.n_reports:
        top.n_reports = 0
        s.index = 0
    return i64(listed.listed)


@hot
def stage_timer(sim: int, pool: int) -> None:
    """List the timer event that fired, if the strategy has an `on_timer`."""
    _clear(pool)
    if record(POOL, pool).bases[_TIMER_KIND] >= 0:
        _list(pool, sim + _TIMER_EVENT)

"""Events out of a recorder's ring, and into arrays of one kind each: the jitted steps.

`take` empties a ring into a frame's payload, so that the slots are free again before
anything is written. `split` sorts the events of a payload by kind, in the order of
arrival, when a part is converted. A GAP that the ring itself made has no time: it gets
the time and the sequence of the event it came before, so that a replay shows it there.
Layer 3. All memory is the caller's.
"""

from typing import Final

import numpy as np

from livekit.events import EVENT_BYTES, GAP, HEAD, Kind
from livekit.ring.counters import STRATEGY_COUNTERS
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE
from livekit.ring.memory import copy_lines, load_i64, record, store_i64
from livekit.ring.spsc import available, release_many, slot_at

__all__ = ["RECORDED_KINDS", "SPLIT", "TAKEN", "count_kinds", "split", "stamp_rest", "take"]

RECORDED_KINDS: Final = (
    Kind.TICKER,
    Kind.TRADE,
    Kind.BOOK,
    Kind.QUOTE,
    Kind.BAR,
    Kind.GAP,
    Kind.CONNECTION,
)
"""What a recorder keeps of what comes through its ring."""

_MASK: Final = sum(1 << kind for kind in RECORDED_KINDS)
_GAP: Final = int(Kind.GAP)
_STOP: Final = int(Kind.STOP)
_RECEIVED: Final = int(STRATEGY_COUNTERS.fields["received"][1])  # type: ignore[index]
_LOST: Final = int(STRATEGY_COUNTERS.fields["lost"][1])  # type: ignore[index]

TAKEN: Final = np.dtype(
    [
        ("n_bytes", "<i8"),  # in the payload
        ("n_events", "<i8"),  # in the payload
        ("is_stopped", "<i8"),
        ("n_gaps", "<i8"),
        ("last_ts", "<i8"),  # ts_recv of the last event that had one
        ("sequence", "<i8"),  # of the last event
        ("reserved", "<i8", (2,)),
    ]
)
"""What `take` has done so far; the caller clears the first two words."""

SPLIT: Final = np.dtype(
    [
        ("rows", "<i8", (16,)),  # address of the kind's array
        ("counts", "<i8", (16,)),  # rows in it
        ("n_stamped", "<i8"),  # rows of GAP that have their time
        ("ts_event", "<i8"),  # of the last event that had a time
        ("ts_recv", "<i8"),
        ("sequence", "<i8"),
    ]
)


@hot
def take(side: int, target: int, room: int, taken: int, counters: int) -> int:
    """Copy what the ring holds to `target`, one behind the other, and free its slots.

    Parameters
    ----------
    side : int
        The consumer's SIDE.
    target : int
        Address of the next free byte of the payload.
    room : int
        Bytes left there.
    taken : int
        Address of a TAKEN.
    counters : int
        Address of the segment's STRATEGY_COUNTERS.

    Returns
    -------
    int
        Events taken out of the ring, or BROKEN. Ends behind a STOP.
    """
    ready = available(side)
    if ready <= 0:
        return ready
    own = record(SIDE, side)
    view = record(TAKEN, taken)
    cursor = own.cursor
    done, n_bytes = 0, 0
    while done < ready and view.is_stopped == 0:
        slot = slot_at(side, cursor + done)
        kind = load_i64(slot) & 15
        size = EVENT_BYTES[kind]
        if _MASK >> kind & 1:
            if n_bytes + size > room:
                break
            copy_lines(target + n_bytes, slot, size >> 6)
            n_bytes += size
            view.n_events += 1
        store_i64(counters + _RECEIVED + kind * 8, load_i64(counters + _RECEIVED + kind * 8) + 1)
        if kind == _GAP:
            view.n_gaps += 1
            gap = record(GAP, slot)
            for k in range(8):
                store_i64(counters + _LOST, load_i64(counters + _LOST) + np.int64(gap.lost[k]))
        elif kind == _STOP:
            view.is_stopped = 1
        head = record(HEAD, slot)
        if head.ts_recv > 0:
            view.last_ts = head.ts_recv
            view.sequence = np.int64(head.sequence)
        done += 1
    view.n_bytes += n_bytes
    if done:
        release_many(side, done)
    return done


@hot
def count_kinds(payload: int, n_bytes: int, counts: int) -> int:
    """Add the events of a payload to int64[16] by kind; return the bytes that are events."""
    at = 0
    while at < n_bytes:
        kind = load_i64(payload + at) & 15
        size = EVENT_BYTES[kind]
        if size == 0 or at + size > n_bytes:
            break
        store_i64(counts + kind * 8, load_i64(counts + kind * 8) + 1)
        at += size
    return at


@hot
def _stamp_gaps(state: int, ts_event: int, ts_recv: int, sequence: int) -> None:
    """Give the GAPs that wait for one the time of the event behind them."""
    view = record(SPLIT, state)
    while view.n_stamped < view.counts[_GAP]:
        gap = record(GAP, view.rows[_GAP] + view.n_stamped * 64)
        if gap.ts_recv == 0:
            gap.ts_event = ts_event
            gap.ts_recv = ts_recv
            gap.sequence = np.uint64(sequence)
        view.n_stamped += 1


@hot
def split(payload: int, n_bytes: int, state: int) -> None:
    """Append the events of a payload to the arrays of their kinds.

    The arrays have room for what `count_kinds` found.
    """
    view = record(SPLIT, state)
    at = 0
    while at < n_bytes:
        event = payload + at
        kind = load_i64(event) & 15
        size = EVENT_BYTES[kind]
        if size == 0 or at + size > n_bytes:
            break
        if view.rows[kind] != 0:
            copy_lines(view.rows[kind] + view.counts[kind] * size, event, size >> 6)
            view.counts[kind] += 1
        head = record(HEAD, event)
        if head.ts_recv > 0:
            view.ts_event = head.ts_event
            view.ts_recv = head.ts_recv
            view.sequence = np.int64(head.sequence)
            _stamp_gaps(state, view.ts_event, view.ts_recv, view.sequence)
        at += size


@hot
def stamp_rest(state: int, now: int) -> None:
    """Give the GAPs that nothing came behind the time of what came before, else `now`."""
    view = record(SPLIT, state)
    if view.ts_recv == 0:
        view.ts_event = now
        view.ts_recv = now
    _stamp_gaps(state, view.ts_event, view.ts_recv, view.sequence)

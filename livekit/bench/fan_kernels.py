"""The jitted sides of the broadcast benchmark: a paced or saturated engine, and readers.

A reader's delay counts from the instant an event was due, not from when a late
producer wrote it, so a producer that falls behind cannot hide its own delay.
Layer 5.
"""

from typing import Final

import numpy as np

from livekit.events import GAP, TICKER, Kind
from livekit.ring.broadcast import HUB, broadcast, broadcast_batch, deliver, ring_bells
from livekit.ring.counters import observe
from livekit.ring.jit import hot
from livekit.ring.layout import BROKEN, SIDE, SIDE_BYTES
from livekit.ring.memory import clock_ns, load_i64, pause, record, sched_yield, store_i64
from livekit.ring.spsc import free, release_many, slot_at
from livekit.ring.wait import wait

__all__ = ["GIVEN_UP", "flood", "pace", "read_until_stop", "stop_all"]

GIVEN_UP: Final = -2
"""Returned by a reader that saw nothing for ten seconds."""

_PATIENCE_NS: Final = 10_000_000_000
_BATCH: Final = 256
_LATE: Final = 64
_KIND_TICKER: Final = int(Kind.TICKER)
_KIND_GAP: Final = int(Kind.GAP)
_KIND_STOP: Final = int(Kind.STOP)


@hot
def pace(hub: int, event: int, n: int, rate: int) -> int:
    """Broadcast `n` tickers, `rate` a second, each at its own time; return nanoseconds.

    As the engine does: what is due goes out, then the bells are rung once.
    """
    start = clock_ns()
    ticker = record(TICKER, event)
    number = 0
    while number < n:
        now = clock_ns()
        due = start + number * 1_000_000_000 // rate
        if due > now:
            pause()
            continue
        last = min(n, number + _LATE)
        while number < last and due <= now:
            ticker.sequence = number
            ticker.ts_recv = due
            broadcast(hub, event)
            number += 1
            due = start + number * 1_000_000_000 // rate
        ring_bells(hub)
    return clock_ns() - start


@hot
def _await_room(hub: int) -> int:
    """Wait until the ring a batch stopped for has a quarter of its slots free.

    Going on at the first free slot would keep the ring full, where every event moves
    both cursors' lines between the cores.
    """
    view = record(HUB, hub)
    if view.waiting < 0:
        return 0
    side = view.sides + view.waiting * SIDE_BYTES
    own = record(SIDE, side)
    wanted = own.reserve + own.capacity // 4
    room = free(side, wanted)
    while 0 <= room < wanted:
        sched_yield()
        room = free(side, wanted)
    return room


@hot
def flood(hub: int, events: int, n: int, batch: int) -> int:
    """Broadcast `n` tickers as fast as blocking readers take them; return nanoseconds."""
    start = clock_ns()
    done = 0
    while done < n:
        done += broadcast_batch(hub, events, 64, min(batch, n - done))
        if _await_room(hub) < 0:
            return BROKEN
    return clock_ns() - start


@hot
def stop_all(hub: int, n_rings: int, event: int) -> None:
    """Deliver a STOP event to every ring, waiting for room."""
    for ring in range(n_rings):
        while deliver(hub, ring, event) == 0:
            ring_bells(hub)
            sched_yield()
    ring_bells(hub)


@hot
def _read(side: int, n: int, results: int, histogram: int) -> int:
    """Read up to `n` events in place and release them at once; 1 after a STOP, else 0."""
    head = record(SIDE, side).cursor
    stopped = 0
    for number in range(n):
        slot = slot_at(side, head + number)
        kind = load_i64(slot) & 15
        if kind == _KIND_TICKER:
            store_i64(results, load_i64(results) + 1)
            if histogram:
                observe(histogram, clock_ns() - record(TICKER, slot).ts_recv)
        elif kind == _KIND_GAP:
            gap = record(GAP, slot)
            for lost in range(8):
                store_i64(results + 24, load_i64(results + 24) + np.int64(gap.lost[lost]))
        elif kind == _KIND_STOP:
            stopped = 1
    release_many(side, n)
    return stopped


@hot
def read_until_stop(
    side: int,
    spin_ns: int,
    yield_ns: int,
    sleep_ns: int,
    scratch: int,
    results: int,
    histogram: int,
) -> int:
    """Read events in place until STOP comes; 0, BROKEN or GIVEN_UP.

    Slots are given back a batch at a time: one by one, a producer that waits for room
    would fetch the cursor's line after every event.

    Parameters
    ----------
    results : int
        Address of int64[4]: events, when the first and the last came, events lost.
    histogram : int
        Address for the delays, or 0 to take no times but the first and last.
    """
    first = np.int64(0)
    seen = clock_ns()
    while True:
        ready = min(wait(side, spin_ns, yield_ns, sleep_ns, scratch), _BATCH)
        if ready < 0:
            return BROKEN
        if ready == 0:
            if clock_ns() - seen > _PATIENCE_NS:
                return GIVEN_UP
            continue
        if first == 0:
            first = clock_ns()
        stopped = _read(side, ready, results, histogram)
        seen = clock_ns()
        if stopped:
            store_i64(results + 8, first)
            store_i64(results + 16, seen)
            return 0

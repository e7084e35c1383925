"""Timers in event time: due by the stamps of the market events, not by a clock.

So a replay fires them at the same events at any pace, and twice alike.
Layer 4.
"""

from typing import Final

from livekit.engine.layout import PUMP
from livekit.events import ANY_INSTRUMENT, TIMER, Kind
from livekit.ring.broadcast import HUB, deliver, ring_bells
from livekit.ring.jit import hot
from livekit.ring.memory import count_trailing_zeros, load_i64, record, store_i64

__all__ = ["FOREVER", "fire_timers", "first_timer", "next_timer"]

FOREVER: Final = 1 << 62

_KIND_TIMER: Final = int(Kind.TIMER)
_TIMER: Final = int(PUMP.fields["timer"][1])  # type: ignore[index]


@hot
def first_timer(pump: int, now: int) -> int:
    """Return the time of the first timer due at event time `now`; FOREVER when none is.

    A timer's times are the multiples of its period; where the recording jumps over
    several, only the last of them counts. A timer seen for the first time begins.
    """
    view = record(PUMP, pump)
    rings = view.timed & record(HUB, view.hub).active
    first = FOREVER
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        word = view.timers + ring * 16
        period, due = load_i64(word), load_i64(word + 8)
        last = now // period * period
        if due == 0:
            store_i64(word + 8, last + period)
        elif now >= due:
            first = min(first, last)
    return first


@hot
def next_timer(timers: int, n: int) -> int:
    """Return when the first of `n` timers at an address is due; FOREVER when none runs."""
    first = FOREVER
    for k in range(n):
        if load_i64(timers + 16 * k) > 0:
            first = min(first, load_i64(timers + 16 * k + 8))
    return first


@hot
def fire_timers(pump: int, now: int, ts: int) -> int:
    """Deliver the timers whose time is `ts`, seen from event time `now`; return how many.

    One that finds a full ring stays due.
    """
    view = record(PUMP, pump)
    rings = view.timed & record(HUB, view.hub).active
    fired = 0
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        word = view.timers + ring * 16
        period, due = load_i64(word), load_i64(word + 8)
        if now < due or now // period * period != ts:
            continue
        _fill_timer(pump, ts, period)
        if deliver(view.hub, ring, pump + _TIMER) == 1:
            store_i64(word + 8, ts + period)
            fired += 1
    if fired:
        view.now = max(view.now, ts)
        ring_bells(view.hub)
    return fired


@hot
def _fill_timer(pump: int, ts: int, period: int) -> None:
    event = record(TIMER, pump + _TIMER)
    event.kind = _KIND_TIMER
    event.instrument = ANY_INSTRUMENT
    event.ts_event = ts
    event.ts_recv = ts
    event.period = period

"""One event to every ring that wants it.

A HUB is the producer's private list of rings (one SIDE each, in a row) with a table
of routes: for each instrument and kind one word whose bit k says that ring k takes
such events. Filtering is therefore one load per event, whatever the number of
strategies. What a full ring does is its own policy:

    drop, alert   the event is counted as lost, and a GAP event that says how many of
                  each kind were lost goes before the next event that fits
    block         nothing is lost: broadcast stops before the event, for everybody,
                  and the caller waits for this reader

Market data may not use the last `reserve` slots; reports and control events may, and
when even those are full `deliver` says so and the caller keeps the event. For every
ring, at every instant: pushed = popped + dropped + queued.
Layer 1.
"""

from typing import Final

import numpy as np

from livekit.config import MAX_INSTRUMENTS, MAX_STRATEGIES
from livekit.events import ANY_INSTRUMENT, EVENT_BYTES, GAP, HEAD, Kind
from livekit.ring.counters import ENGINE_COUNTERS
from livekit.ring.jit import hot
from livekit.ring.layout import (
    BROKEN,
    POLICY_BLOCK,
    SIDE,
    SIDE_BYTES,
    aligned_zeros,
)
from livekit.ring.memory import (
    clock_ns,
    copy_lines,
    count_trailing_zeros,
    fence,
    load_i64,
    record,
    store_i64,
    store_u32,
)
from livekit.ring.spsc import claim, commit, free
from livekit.ring.wait import wake_sleeper

__all__ = [
    "HUB",
    "Hub",
    "broadcast",
    "broadcast_batch",
    "deliver",
    "lacks_room",
    "ring_bells",
    "stamp",
]

HUB: Final = np.dtype(
    [
        ("sides", "<i8"),  # address of SIDE[MAX_STRATEGIES]
        ("routes", "<i8"),  # address of int64[MAX_INSTRUMENTS, 16]
        ("active", "<i8"),  # bit k: ring k may be written
        ("blocking", "<i8"),  # bit k: ring k has the block policy
        ("broken", "<i8"),  # bit k: ring k's reader wrote an impossible cursor
        ("dirty", "<i8"),  # bit k: ring k got events since its bell was last looked at
        ("waiting", "<i8"),  # the ring a batch stopped for, -1 for none
        ("events", "<i8"),  # events broadcast
        ("delivered", "<i8"),  # slots written for them
        ("dropped", "<i8"),
        ("reserved", "<i8", (6,)),
    ]
)

_KIND_GAP: Final = int(Kind.GAP)
_KIND_TRADE: Final = int(Kind.TRADE)
_KIND_ORDER: Final = int(Kind.ORDER)
_PUSHED: Final = ENGINE_COUNTERS.fields["pushed"][1]  # type: ignore[index]
_DROPPED: Final = ENGINE_COUNTERS.fields["dropped"][1]  # type: ignore[index]
_GAPS: Final = ENGINE_COUNTERS.fields["gaps"][1]  # type: ignore[index]
_ALERTS: Final = ENGINE_COUNTERS.fields["alerts"][1]  # type: ignore[index]


@hot
def _count(word: int) -> None:
    store_i64(word, load_i64(word) + 1)


@hot
def stamp(event: int) -> None:
    """Write the publishing time into an event: where, depends on its kind."""
    kind = load_i64(event) & 15
    offset = 4
    if kind == _KIND_TRADE:
        offset = 56
    elif kind == _KIND_ORDER:
        offset = 124
    store_u32(event + offset, np.uint32(clock_ns()))


@hot
def _push_gap(side: int) -> None:
    """Push the GAP event that a ring owes its reader; the caller has made sure of room."""
    own = record(SIDE, side)
    slot = claim(side)
    for line in range(8):
        store_i64(slot + line * 8, 0)
    gap = record(GAP, slot)
    gap.kind = _KIND_GAP
    gap.instrument = ANY_INSTRUMENT
    gap.aux = np.uint32(clock_ns())
    for kind in range(8):
        gap.lost[kind] = own.lost[kind]
    for kind in range(16):
        own.lost[kind] = 0
    own.gap = 0
    commit(side)
    _count(own.counters + _PUSHED)
    _count(own.counters + _GAPS)


@hot
def _drop(side: int, kind: int) -> None:
    own = record(SIDE, side)
    if own.gap == 0:
        own.gap = 1
        _count(own.counters + _ALERTS)
    own.lost[kind] += 1
    _count(own.counters + _PUSHED)
    _count(own.counters + _DROPPED + kind * 8)


@hot
def _offer(side: int, event: int, n_lines: int, kind: int) -> int:
    """Give a ring one market event; 1, or 0 when it was dropped, or BROKEN."""
    own = record(SIDE, side)
    needed = own.reserve + own.gap + 1
    room = free(side, needed)
    if room < 0:
        return BROKEN
    if room < needed:
        _drop(side, kind)
        return 0
    if own.gap:
        _push_gap(side)
    copy_lines(claim(side), event, n_lines)
    commit(side)
    _count(own.counters + _PUSHED)
    return 1


@hot
def deliver(hub: int, ring: int, event: int) -> int:
    """Push a report or control event into one ring, reserve included.

    Returns 1; 0 when the ring is full and the caller must keep the event; BROKEN. A
    gap that is owed goes first when there is room for both.
    """
    hub_view = record(HUB, hub)
    side = hub_view.sides + ring * SIDE_BYTES
    own = record(SIDE, side)
    room = free(side, 2)
    if room < 1:
        return room
    if own.gap and room >= 2:
        _push_gap(side)
    stamp(event)
    copy_lines(claim(side), event, EVENT_BYTES[load_i64(event) & 15] >> 6)
    commit(side)
    _count(own.counters + _PUSHED)
    hub_view.dirty |= 1 << ring
    return 1


@hot
def _wanted(hub: int, event: int) -> int:
    """Return the rings that take an event, as bits."""
    view = record(HUB, hub)
    head = record(HEAD, event)
    instrument = np.int64(head.instrument)
    if instrument >= MAX_INSTRUMENTS:
        return view.active
    return load_i64(view.routes + (instrument * 16 + (np.int64(head.kind) & 15)) * 8) & view.active


@hot
def _lacks_room(hub: int, rings: int) -> int:
    """Return the first of the blocking `rings` that has no room for one event; -1 for none."""
    sides = record(HUB, hub).sides
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        reserve = record(SIDE, sides + ring * SIDE_BYTES).reserve
        room = free(sides + ring * SIDE_BYTES, reserve + 1)
        if 0 <= room <= reserve:
            return ring
    return -1


@hot
def lacks_room(hub: int, event: int) -> int:
    """Return the first blocking ring that wants an event and has no room; -1 for none."""
    rings = _wanted(hub, event) & record(HUB, hub).blocking
    return _lacks_room(hub, rings) if rings else -1


@hot
def broadcast(hub: int, event: int) -> int:
    """Give one market event to every ring that wants it.

    Returns 1, or 0 when nothing was done because a blocking ring (`hub.waiting`) is
    full. A ring whose reader wrote an impossible cursor is taken out and noted in
    `hub.broken`. Cost: one load for the filter, one 64-byte store and one release
    store per ring. The bells are rung by `ring_bells`.
    """
    view = record(HUB, hub)
    rings = _wanted(hub, event)
    view.waiting = _lacks_room(hub, rings & view.blocking) if rings & view.blocking else -1
    if view.waiting >= 0:
        return 0
    view.events += 1
    if rings == 0:
        return 1
    stamp(event)
    kind = load_i64(event) & 15
    n_lines = EVENT_BYTES[kind] >> 6
    view.dirty |= rings
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        done = _offer(view.sides + ring * SIDE_BYTES, event, n_lines, kind)
        if done > 0:
            view.delivered += 1
        elif done == 0:
            view.dropped += 1
        else:
            view.broken |= 1 << ring
            view.active &= ~(1 << ring)
    return 1


@hot
def broadcast_batch(hub: int, events: int, stride: int, n: int) -> int:
    """Broadcast `n` market events that lie `stride` bytes apart, then ring the bells.

    Returns how many were broadcast: fewer than `n` when a blocking ring is full.
    """
    done = 0
    while done < n and broadcast(hub, events + done * stride) == 1:
        done += 1
    ring_bells(hub)
    return done


@hot
def ring_bells(hub: int) -> None:
    """Wake the readers that sleep on rings written since the last call.

    One fence for all of them: their cursors must be visible before the sleep words
    are read, or a reader about to sleep would be missed.
    """
    view = record(HUB, hub)
    rings = view.dirty
    if rings == 0:
        return
    view.dirty = 0
    fence()
    while rings:
        ring = count_trailing_zeros(rings)
        rings &= rings - 1
        wake_sleeper(view.sides + ring * SIDE_BYTES)


class Hub:
    """The Python side of a HUB: owns its memory and sets rings and routes.

    Attributes
    ----------
    address : int
        For the jitted functions.
    view : HUB record
        Counters and masks, written by the owning process only.
    sides : SIDE[MAX_STRATEGIES]
    routes : int64[MAX_INSTRUMENTS, 16]
    """

    def __init__(self) -> None:
        self._sides = aligned_zeros(MAX_STRATEGIES * SIDE_BYTES)
        self._memory = aligned_zeros(HUB.itemsize)
        self.sides = self._sides.view(SIDE)
        self.routes = np.zeros((MAX_INSTRUMENTS, 16), np.int64)
        self.view = self._memory.view(HUB)[0]
        self.view["sides"] = self._sides.ctypes.data
        self.view["routes"] = self.routes.ctypes.data
        self.view["waiting"] = -1
        self.address: int = self._memory.ctypes.data

    def side(self, ring: int) -> np.ndarray:
        """Return the SIDE[1] of one ring, to be filled before `open`."""
        return self.sides[ring : ring + 1]

    def open(self, ring: int) -> None:
        """Let events flow into a ring whose side has been filled."""
        bit = _bit(ring)
        if int(self.sides[ring]["policy"]) == POLICY_BLOCK:
            self.view["blocking"] |= bit
        self.view["broken"] &= ~bit
        self.view["active"] |= bit

    def close(self, ring: int) -> None:
        """Stop events to a ring and forget its routes."""
        bit = _bit(ring)
        self.view["active"] &= ~bit
        self.view["blocking"] &= ~bit
        self.view["dirty"] &= ~bit
        self.routes &= ~bit

    def route(self, ring: int, instrument: int, kinds: int) -> None:
        """Let a ring take the kinds given (bit k for kind k) of one instrument."""
        bit = _bit(ring)
        for kind in range(16):
            if kinds >> kind & 1:
                self.routes[instrument, kind] |= bit


def _bit(ring: int) -> np.int64:
    """Return bit `ring` as int64; bit 63 is the sign."""
    return np.int64(np.uint64(1 << ring).astype(np.int64))

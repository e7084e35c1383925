"""The feed's latency: market events on their way from the venue to the strategies.

The venue sees an event at its own time and the strategies see it later, so that a
backtest, a replay and paper trading let an order miss a price that was gone. Two clocks:

    a constant latency    the venue's time is `ts_recv`, the strategies' so much later
    RECORDED              the venue's time is `ts_event`, the strategies' is `ts_recv`

The order of arrival is kept: the venue's time never runs backwards and never passes
`ts_recv`. What a strategy gets says in `ts_recv` when it got it.
Layer 2. The ring's memory is the caller's, one slot of SLOT_BYTES an event.
"""

from typing import Any, Final

import numpy as np

from livekit.events import EVENT_BYTES, HEAD, SLOT_BYTES
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import copy_lines, load_i64, record

__all__ = [
    "FEED",
    "RECORDED",
    "Feed",
    "arrival_time",
    "feed_due",
    "feed_event",
    "pop_feed",
    "push_feed",
    "venue_time",
]

RECORDED: Final = -1
"""In place of a latency: as long as it was when the data was recorded."""

FEED: Final = np.dtype(
    [
        ("slots", "<i8"),  # address; 0: no latency
        ("mask", "<i8"),  # slots - 1
        ("head", "<i8"),  # events delivered
        ("tail", "<i8"),  # events put in
        ("latency", "<i8"),  # ns, or RECORDED
        ("venue_ns", "<i8"),  # time of the last event at the venue
    ]
)
"""Events under way; all words int64."""

_FOREVER: Final = 1 << 62


@hot
def venue_time(feed: int, event: int) -> int:
    """Return when the venue sees the next event."""
    view = record(FEED, feed)
    head = record(HEAD, event)
    if view.latency != RECORDED:
        return head.ts_recv
    view.venue_ns = max(view.venue_ns, min(head.ts_event, head.ts_recv))
    return view.venue_ns


@hot
def arrival_time(feed: int, event: int) -> int:
    """Return when the strategies get an event that the venue sees."""
    return record(HEAD, event).ts_recv + max(record(FEED, feed).latency, 0)


@hot
def feed_due(feed: int) -> int:
    """Return when the strategies get the next event under way; FOREVER when there is none."""
    view = record(FEED, feed)
    if view.head == view.tail:
        return _FOREVER
    return record(HEAD, view.slots + (view.head & view.mask) * SLOT_BYTES).ts_recv


@hot
def feed_event(feed: int) -> int:
    """Return the address of the next event under way; there is one."""
    view = record(FEED, feed)
    return view.slots + (view.head & view.mask) * SLOT_BYTES


@hot
def pop_feed(feed: int) -> None:
    """Take the next event out; its slot stays as it is until the ring comes round."""
    record(FEED, feed).head += 1


@hot
def push_feed(feed: int, event: int) -> int:
    """Put an event the venue has seen on its way; 0 when the ring must grow first."""
    view = record(FEED, feed)
    if view.tail - view.head > view.mask:
        return 0
    slot = view.slots + (view.tail & view.mask) * SLOT_BYTES
    copy_lines(slot, event, EVENT_BYTES[load_i64(event) & 15] >> 6)
    if view.latency > 0:
        record(HEAD, slot).ts_recv += view.latency
    view.tail += 1
    return 1


class Feed:
    """The Python side of a feed's latency: owns the ring and lets it grow.

    Parameters
    ----------
    latency : int
        ns, 0 for none, or RECORDED.
    capacity : int
        Slots at the start, a power of two.

    Attributes
    ----------
    address : int
        For the jitted functions.
    """

    def __init__(self, latency: int, capacity: int = 1024) -> None:
        self._memory = np.zeros(1, FEED)
        self.address: int = int(self._memory.ctypes.data)
        self._view: Any = self._memory[0]
        self._view["latency"] = latency
        if latency:
            self._slots = aligned_zeros(capacity * SLOT_BYTES)
            self._view["slots"], self._view["mask"] = self._slots.ctypes.data, capacity - 1

    @property
    def is_zero(self) -> bool:
        """Whether events take no time."""
        return int(self._view["latency"]) == 0

    def grow(self) -> None:
        """Double the ring if it is full."""
        view = self._view
        capacity = int(view["mask"]) + 1
        if self.is_zero or view["tail"] - view["head"] < capacity:
            return
        slots = self._slots.reshape(capacity, SLOT_BYTES)
        order = np.arange(int(view["head"]), int(view["tail"])) & (capacity - 1)
        larger = aligned_zeros(2 * capacity * SLOT_BYTES)
        larger.reshape(-1, SLOT_BYTES)[: len(order)] = slots[order]
        self._slots = larger
        view["slots"], view["mask"] = larger.ctypes.data, 2 * capacity - 1
        view["head"], view["tail"] = 0, len(order)

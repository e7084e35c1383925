"""The compiled loops of ``livekit bench feed``.

Layer 5.
"""

from typing import Final

import numpy as np

from livekit.book import apply_levels
from livekit.events import HEAD, ORDER, SLOT_BYTES, OrderStatus
from livekit.okx.publish import publish
from livekit.ring.broadcast import broadcast, deliver, ring_bells
from livekit.ring.jit import hot, i64
from livekit.ring.memory import clock_ns, copy_lines, pause, record
from livekit.ring.spsc import available, peek, release, release_many
from livekit.trading.router import on_market

__all__ = [
    "DESK",
    "LEVEL",
    "answer",
    "apply_and_publish",
    "await_request",
    "drain",
    "put_events",
    "put_timed",
]

LEVEL: Final = np.dtype([("price", "<f8"), ("size", "<f8")])
DESK: Final = np.dtype([("hub", "<i8"), ("core", "<i8"), ("spent_ns", "<i8")])
"""What events are put through, for `put_timed`."""
_CANCELED: Final = int(OrderStatus.CANCELED)


@hot
def put_events(hub: int, core: int, events: int, n: int) -> None:
    """Let the trading core and the strategies see `n` events, as the engine's pump does."""
    for k in range(n):
        event = events + k * SLOT_BYTES
        on_market(core, event, record(HEAD, event).ts_recv)
        broadcast(hub, event)
        ring_bells(hub)


@hot
def put_timed(desk: int, events: int, n: int) -> int:
    """Put events through as `put_events` does, and add up the time that it takes; always 1."""
    view = record(DESK, desk)
    start = clock_ns()
    put_events(view.hub, view.core, events, n)
    view.spent_ns += clock_ns() - start
    return i64(1)


@hot
def await_request(orders: int, request: int, until: int) -> int:
    """Spin until a strategy has sent a request, and copy it; 0 when the time is over first."""
    found = peek(orders)
    while found <= 0:
        pause()
        if clock_ns() > until:
            return 0
        found = peek(orders)
    copy_lines(request, found, 2)
    release(orders)
    return 1


@hot
def answer(hub: int, request: int) -> None:
    """Tell the strategy that its order was cancelled, or it would soon have too many."""
    record(ORDER, request).status = _CANCELED
    deliver(hub, 0, request)
    ring_bells(hub)


@hot
def drain(side: int) -> int:
    """Empty a ring; return how many events there were."""
    ready = available(side)
    if ready > 0:
        release_many(side, ready)
    return ready


@hot
def apply_and_publish(
    book: int, last: int, slot: int, levels: int, n_bids: int, n_asks: int, sequence: int
) -> int:
    """Apply one update of decoded levels and write the events of what it changed."""
    apply_levels(book, levels, n_bids, n_asks)
    return publish(book, last, slot, 3, 0, sequence, sequence, sequence, sequence)

"""The engine's side of ``livekit bench attach``, compiled.

Layer 5.
"""

from typing import Final

from livekit.events import ORDER, OrderStatus
from livekit.ring.broadcast import broadcast, deliver, ring_bells
from livekit.ring.counters import observe
from livekit.ring.jit import hot
from livekit.ring.layout import SIDE_BYTES
from livekit.ring.memory import clock_ns, copy_lines, pause, record, store_i64
from livekit.ring.spsc import available, peek, release, release_many

__all__ = ["ping_orders", "push_quotes", "tick_times"]

_GIVE_UP_NS: Final = 2_000_000_000
_CANCELED: Final = int(OrderStatus.CANCELED)


@hot
def push_quotes(hub: int, quote: int, n: int) -> int:
    """Broadcast the same quote `n` times."""
    for _ in range(n):
        broadcast(hub, quote)
    ring_bells(hub)
    return n


@hot
def ping_orders(hub: int, orders: int, quote: int, n: int, histogram: int, report: int) -> int:
    """Broadcast a quote, wait for the order it causes, count the time; `n` times.

    Each order is then reported as canceled, outside of the time counted, or the
    strategy would soon have as many open orders as it may. `report` is the address of
    an ORDER. Returns how many were answered: fewer when one took two seconds.
    """
    for done in range(n):
        start = clock_ns()
        broadcast(hub, quote)
        ring_bells(hub)
        request = peek(orders)
        while request <= 0:
            pause()
            if clock_ns() - start > _GIVE_UP_NS:
                return done
            request = peek(orders)
        observe(histogram, clock_ns() - start)
        copy_lines(report, request, 2)
        release(orders)
        record(ORDER, report).status = _CANCELED
        deliver(hub, 0, report)
    return n


@hot
def tick_times(hub: int, quote: int, n: int, sides: int, n_read: int, times: int) -> int:
    """Broadcast a quote `n` times and note how long each took, int64 nanoseconds.

    After each, the first `n_read` rings are emptied; the others belong to strategies
    that have stalled.
    """
    for number in range(n):
        start = clock_ns()
        broadcast(hub, quote)
        ring_bells(hub)
        store_i64(times + number * 8, clock_ns() - start)
        for ring in range(n_read):
            side = sides + ring * SIDE_BYTES
            ready = available(side)
            if ready > 0:
                release_many(side, ready)
    return n

"""What is in flight between the core and the venue, and for how long.

Two lines, one a direction, each a first-in-first-out list of messages: one that draws
a shorter latency than the one before it arrives right behind it. The messages share
one pool of slots, the slot freed last being taken first, so that the few in use stay
in the cache however large the pool.

An order can never have more than MESSAGES_PER_ORDER in flight: one request of each
kind, and answers of which maker fills are joined beyond the first few (`answers`).
The pool holds so many for every row of the order table, so a message always finds
room, and a cancellation too. What is refused where things get crowded is a new order
(TOO_MANY_ORDERS), because a row is not used again while anything about it is in flight.
Layer 2.
"""

from typing import Final

import numpy as np

from livekit.ring.call import call2
from livekit.ring.jit import hot, i64, inner
from livekit.ring.memory import load_i64, record
from livekit.trading.layout import CORE, LINE, ORDER_ROW, WIRE, line_at, order_at, wire_at
from livekit.trading.models import CONSTANT, DRAWN, INTERPOLATED
from livekit.trading.orders import free_row, is_final

__all__ = [
    "ANSWERS",
    "FOREVER",
    "MESSAGES_PER_ORDER",
    "REQUESTS",
    "depart",
    "drop",
    "next_due",
    "put",
    "release_row",
]

REQUESTS: Final = 0
ANSWERS: Final = 1

FOREVER: Final = 1 << 62
"""Time of what never comes."""

MESSAGES_PER_ORDER: Final = 32
"""Bound of what is in flight about one order; `answers` keeps it."""

_MIX_A: Final = -4658895280553007687  # 0xBF58476D1CE4E5B9, of splitmix64
_MIX_B: Final = -7723592293110705685  # 0x94D049BB133111EB
_STEP: Final = -7046029254386353131  # 0x9E3779B97F4A7C15


@inner
def _drawn(seed: int, number: int, n_points: int) -> int:
    """Index that message `number` draws: splitmix64 of the seed, by position."""
    mixed = seed + number * _STEP
    mixed = (mixed ^ ((mixed >> 30) & 0x3FFFFFFFF)) * _MIX_A
    mixed = (mixed ^ ((mixed >> 27) & 0x1FFFFFFFFF)) * _MIX_B
    mixed ^= (mixed >> 31) & 0x1FFFFFFFF
    return (mixed & 0x7FFFFFFFFFFFFFFF) % n_points


@inner
def _between(times: int, n_points: int, now_ns: int) -> int:
    """Interpolate a table of `n_points` times and then as many latencies at `now_ns`."""
    values = times + 8 * n_points
    low, high = i64(0), n_points  # the first time later than now lies in low..high
    while low < high:
        middle = (low + high) >> 1
        if load_i64(times + 8 * middle) > now_ns:
            high = middle
        else:
            low = middle + 1
    if low == 0:
        return load_i64(values)
    if low == n_points:
        return load_i64(values + 8 * (n_points - 1))
    left, right = load_i64(times + 8 * (low - 1)), load_i64(times + 8 * low)
    start, end = load_i64(values + 8 * (low - 1)), load_i64(values + 8 * low)
    share = np.float64(now_ns - left) / np.float64(right - left)
    return start + i64(np.rint(np.float64(end - start) * share))


@inner
def _latency(core: int, line_address: int, now_ns: int) -> int:
    """Latency of the message that leaves now, ns, 0 or above."""
    line = record(LINE, line_address)
    if line.kind == DRAWN:
        return load_i64(core + line.table + 8 * _drawn(line.seed, line.n_sent, line.n_points))
    if line.kind == INTERPOLATED:
        return _between(core + line.table, line.n_points, now_ns)
    return max(call2(line.function, now_ns, line.n_sent), 0)


@inner
def depart(core: int, line_number: int, now_ns: int) -> int:
    """Let a message leave now: when it arrives, or -1 where that is at once.

    It arrives at once only if nothing is in flight before it. Otherwise `put` it.
    """
    address = line_at(core, line_number)
    line = record(LINE, address)
    delay = line.delay_ns if line.kind == CONSTANT else _latency(core, address, now_ns)
    line.n_sent += 1
    if delay == 0 and line.first == 0 and not record(CORE, core).is_always_queued:
        return -1
    line.due_ns = max(line.due_ns, now_ns + delay)
    return line.due_ns


@inner
def put(core: int, line_number: int, row: int, due_ns: int) -> int:
    """Append a message about an order to a line; its slot, to be filled in."""
    top = record(CORE, core)
    slot = top.free_wire
    if slot != 0:
        top.free_wire = i64(record(WIRE, wire_at(core, slot)).next)
    else:
        assert top.n_wire < top.max_wire
        top.n_wire += 1
        slot = top.n_wire
    message = record(WIRE, wire_at(core, slot))
    message.next = 0
    message.row = row
    message.due_ns = due_ns
    line = record(LINE, line_at(core, line_number))
    if line.last != 0:
        record(WIRE, wire_at(core, line.last)).next = slot
    else:
        line.first = slot
    line.last = slot
    record(ORDER_ROW, order_at(core, row)).in_flight += 1
    return slot


@inner
def drop(core: int, line_number: int) -> None:
    """Take the first message off a line; its contents hold until the next `put`."""
    top = record(CORE, core)
    line = record(LINE, line_at(core, line_number))
    slot = line.first
    message = record(WIRE, wire_at(core, slot))
    line.first = i64(message.next)
    if line.first == 0:
        line.last = 0
    message.next = top.free_wire
    top.free_wire = slot
    order = record(ORDER_ROW, order_at(core, i64(message.row)))
    order.in_flight -= 1
    if order.last_fill == slot:
        order.last_fill = 0


@inner
def release_row(core: int, row: int, was_final: int) -> None:
    """Let a row be used again, if what was in flight last is done and it was final before."""
    order = record(ORDER_ROW, order_at(core, row))
    if was_final and order.in_flight == 0 and is_final(i64(order.status)):
        free_row(core, row)


@inner
def _due(core: int, line_number: int) -> int:
    """Time at which the first message of a line arrives; FOREVER without one."""
    first = record(LINE, line_at(core, line_number)).first
    return record(WIRE, wire_at(core, first)).due_ns if first != 0 else FOREVER


@hot
def next_due(core: int) -> int:
    """Time (ns) at which the next message in flight arrives; FOREVER (2**62) if none is."""
    return min(_due(core, REQUESTS), _due(core, ANSWERS))

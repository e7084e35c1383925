"""Single-producer single-consumer ring over shared memory.

One process writes, one process reads, and neither ever waits for the other. The only
ordering the ring relies on is slot before cursor: a producer fills a slot with plain
stores and then publishes it with one release store of `tail`; a consumer loads `tail`
with acquire before it reads the slot. A producer killed between the two leaves a slot
that no reader can see. Each side looks at the other's cursor only when its last look
says full or empty, so in steady state a cursor's line crosses the cores once per lap.

The fast way in is `claim`, write the fields in place, `commit`; the fast way out is
`peek`, read in place, `release`. `push` and `pop` stage one copy more.
`side` is always the address of this process's SIDE block (layout.py).
Layer 1. Allocates nothing, logs nothing, raises nothing.
"""

from livekit.events import EVENT_BYTES
from livekit.ring.jit import hot
from livekit.ring.layout import BROKEN, HEAD, SIDE, TAIL
from livekit.ring.memory import (
    copy_fresh,
    copy_lines,
    load_acquire,
    load_i64,
    record,
    store_release,
)

__all__ = [
    "available",
    "claim",
    "commit",
    "commit_many",
    "event_lines",
    "free",
    "peek",
    "pop",
    "pop_batch",
    "push",
    "push_batch",
    "release",
    "release_many",
    "slot_at",
    "slot_lines",
]


@hot
def event_lines(event: int) -> int:
    """Return the number of 64-byte lines of the event at an address, by its kind.

    0 for a kind that does not exist. The event must be this process's own: what another
    process wrote goes through `slot_lines`.
    """
    return EVENT_BYTES[load_i64(event) & 15] >> 6


@hot
def slot_lines(side: int, slot: int) -> int:
    """Return how many lines of a slot to copy out, whatever its producer wrote there.

    The lines of its kind, at most the slot and at least the head's line: a kind that is
    larger than the slot must not make its reader copy past the slot, and a kind of no
    size must not leave the reader with the event it got before.
    """
    return max(1, min(event_lines(slot), 1 << (record(SIDE, side).shift - 6)))


@hot
def slot_at(side: int, cursor: int) -> int:
    """Return the address of the slot that a cursor points to."""
    own = record(SIDE, side)
    return own.slots + ((cursor & own.mask) << own.shift)


@hot
def free(side: int, wanted: int) -> int:
    """Return how many slots the producer may fill, looking again if fewer than `wanted`.

    BROKEN when the consumer's cursor is impossible. One acquire load at most.
    """
    own = record(SIDE, side)
    room = own.capacity - (own.cursor - own.other)
    if room < wanted:
        head = load_acquire(own.control + HEAD)
        if head < own.other or head > own.cursor:
            return BROKEN
        own.other = head
        room = own.capacity - (own.cursor - head)
    return room


@hot
def claim(side: int) -> int:
    """Return the address of the next slot to fill; 0 when full, BROKEN when impossible."""
    own = record(SIDE, side)
    tail = own.cursor
    if tail - own.other >= own.capacity:
        head = load_acquire(own.control + HEAD)
        if head < own.other or head > tail:
            return BROKEN
        own.other = head
        if tail - head >= own.capacity:
            return 0
    return own.slots + ((tail & own.mask) << own.shift)


@hot
def commit(side: int) -> None:
    """Publish the claimed slot: one release store."""
    own = record(SIDE, side)
    tail = own.cursor + 1
    own.cursor = tail
    store_release(own.control + TAIL, tail)


@hot
def commit_many(side: int, n: int) -> None:
    """Publish `n` filled slots at once: one release store."""
    own = record(SIDE, side)
    tail = own.cursor + n
    own.cursor = tail
    store_release(own.control + TAIL, tail)


@hot
def available(side: int) -> int:
    """Return how many events the consumer may read, looking again when it knows of none.

    BROKEN when the producer's cursor is impossible.
    """
    own = record(SIDE, side)
    ready = own.other - own.cursor
    if ready == 0:
        tail = load_acquire(own.control + TAIL)
        if tail < own.cursor or tail - own.cursor > own.capacity:
            return BROKEN
        own.other = tail
        ready = tail - own.cursor
    return ready


@hot
def peek(side: int) -> int:
    """Return the address of the next event; 0 when empty, BROKEN when impossible."""
    own = record(SIDE, side)
    head = own.cursor
    if head == own.other:
        tail = load_acquire(own.control + TAIL)
        if tail < head or tail - head > own.capacity:
            return BROKEN
        own.other = tail
        if tail == head:
            return 0
    return own.slots + ((head & own.mask) << own.shift)


@hot
def release(side: int) -> None:
    """Give the peeked slot back to the producer: one release store."""
    own = record(SIDE, side)
    head = own.cursor + 1
    own.cursor = head
    store_release(own.control + HEAD, head)


@hot
def release_many(side: int, n: int) -> None:
    """Give `n` read slots back at once: one release store."""
    own = record(SIDE, side)
    head = own.cursor + n
    own.cursor = head
    store_release(own.control + HEAD, head)


@hot
def push(side: int, event: int, n_lines: int) -> int:
    """Copy one event of `n_lines` lines into the ring; 1, or 0 when full, or BROKEN."""
    slot = claim(side)
    if slot <= 0:
        return slot
    copy_fresh(slot, event, n_lines)
    commit(side)
    return 1


@hot
def pop(side: int, target: int) -> int:
    """Copy the next event out, its own bytes only; 1, or 0 when empty, or BROKEN.

    `target` has room for one slot.
    """
    slot = peek(side)
    if slot <= 0:
        return slot
    copy_lines(target, slot, slot_lines(side, slot))
    release(side)
    return 1


@hot
def push_batch(side: int, events: int, stride: int, n: int) -> int:
    """Push up to `n` events that lie `stride` bytes apart, published at once.

    Returns how many were pushed: fewer than `n` when the ring fills up; BROKEN.
    """
    room = free(side, n)
    if room < 0:
        return room
    n = min(n, room)
    tail = record(SIDE, side).cursor
    for i in range(n):
        event = events + i * stride
        copy_lines(slot_at(side, tail + i), event, event_lines(event))
    commit_many(side, n)
    return n


@hot
def pop_batch(side: int, target: int, stride: int, n: int) -> int:
    """Pop up to `n` events to places `stride` bytes apart, released at once.

    `stride` is at least the size of a slot.

    Returns how many were popped, or BROKEN.
    """
    ready = available(side)
    if ready < 0:
        return ready
    n = min(n, ready)
    head = record(SIDE, side).cursor
    for i in range(n):
        slot = slot_at(side, head + i)
        copy_lines(target + i * stride, slot, slot_lines(side, slot))
    release_many(side, n)
    return n

"""The layout of a ring: what lies in shared memory, and what each side keeps to itself.

A ring is a control block and a row of slots. The control block has one 128-byte line
per word, because pairs of 64-byte lines travel together:

    0    tail      written by the producer: events ever pushed
    128  head      written by the consumer: events ever popped
    256  sleeping  written by the consumer: the number of its sleep, 0 when awake
    384  bell      written by the producer, the futex word of a sleeping consumer

Cursors count events and never wrap; a slot is `cursor & (capacity - 1)`. Each side
has a private SIDE block with its own cursor and the last seen cursor of the other.
What the other side wrote is untrusted: it must move forward and keep
`0 <= tail - head <= capacity`, or the ring is BROKEN for this side.
Layer 1.
"""

import mmap
from typing import Final

import numpy as np

from livekit.clock import monotonic_ns
from livekit.errors import SegmentError
from livekit.events import SLOT_BYTES

__all__ = [
    "BELL",
    "BROKEN",
    "CONTROL_BYTES",
    "HEAD",
    "ORDER_SLOT_BYTES",
    "POLICY_ALERT",
    "POLICY_BLOCK",
    "POLICY_DROP",
    "SIDE",
    "SIDE_BYTES",
    "SLEEPING",
    "TAIL",
    "aligned_zeros",
    "check_power_of_two",
    "fill_side",
    "private_ring",
]

TAIL: Final = 0
HEAD: Final = 128
SLEEPING: Final = 256
BELL: Final = 384
CONTROL_BYTES: Final = 512

ORDER_SLOT_BYTES: Final = 128

BROKEN: Final = -1
"""Returned by the ring's functions when the other side's cursor is impossible."""

POLICY_DROP: Final = 0
POLICY_ALERT: Final = 1
POLICY_BLOCK: Final = 2

SIDE: Final = np.dtype(
    {
        "names": [
            "control",  # address of the control block
            "slots",  # address of slot 0
            "mask",  # capacity - 1
            "shift",  # log2 of the slot's size
            "capacity",
            "cursor",  # own cursor
            "other",  # the other side's cursor when last looked at
            "reserve",  # slots market data may not use
            "policy",
            "counters",  # address of this side's counters, 0 for none
            "gap",  # 1 while a GAP event is owed
            "lost",  # events lost since the last GAP, by kind
            "rung",  # the sleep for which the bell was last rung
            "sleep",  # consumer: number of the last sleep, started from the clock
        ],
        "formats": ["<i8"] * 11 + ["(16,)<i8"] + ["<i8"] * 2,
        "offsets": [*range(0, 88, 8), 88, 216, 224],
        "itemsize": 256,
    }
)
"""One side of a ring, private to its process; all words int64."""

SIDE_BYTES: Final = SIDE.itemsize


_LARGE_BYTES: Final = 1 << 18


def aligned_zeros(n_bytes: int, alignment: int = 128, *, is_huge: bool = False) -> np.ndarray:
    """Return uint8[n_bytes] of zeros whose address is a multiple of `alignment`.

    Large ones are pages of their own, which cost nothing until they are written and go
    back to the system when freed. The allocator's heap would clear all of them: 90 ms
    for each simulation after the first, in place of 0.1. Those that are written from
    end to end may ask for huge pages: a fault for every 2 MB in place of one for 4 KB.
    """
    if n_bytes >= _LARGE_BYTES and alignment <= mmap.PAGESIZE:
        pages = mmap.mmap(-1, n_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if is_huge and hasattr(mmap, "MADV_HUGEPAGE"):
            pages.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(pages, np.uint8)
    room = np.zeros(n_bytes + alignment, np.uint8)
    start = -room.ctypes.data % alignment
    return room[start : start + n_bytes]


def check_power_of_two(name: str, value: int) -> None:
    """Raise SegmentError unless a size of a ring is a power of two; a slot has 64 bytes or more."""
    least = 64 if name == "slot size" else 1
    if value < least or value & (value - 1):
        raise SegmentError(f"{name} of a ring is {value}, expected a power of two from {least} on")


def fill_side(
    side: np.ndarray,
    *,
    control: int,
    slots: int,
    capacity: int,
    slot_bytes: int = SLOT_BYTES,
    reserve: int = 0,
    policy: int = POLICY_DROP,
    counters: int = 0,
    tail: int = 0,
    head: int = 0,
    is_producer: bool,
) -> None:
    """Fill one SIDE record for a ring whose cursors stand at `tail` and `head`.

    Parameters
    ----------
    side : SIDE[1]
        The private block; its owner is the calling process.
    control, slots, counters : int
        Addresses of the mapped parts.
    capacity, slot_bytes : int
        Powers of two.

    Raises
    ------
    SegmentError
        A size is no power of two, or the cursors are impossible.
    """
    check_power_of_two("capacity", capacity)
    check_power_of_two("slot size", slot_bytes)
    if not 0 <= tail - head <= capacity:
        raise SegmentError(
            f"ring cursors are impossible: tail={tail} head={head} capacity={capacity}; "
            "detach and attach the strategy again"
        )
    side[0] = 0
    row = side[0]
    row["control"], row["slots"] = control, slots
    row["capacity"], row["mask"] = capacity, capacity - 1
    row["shift"] = slot_bytes.bit_length() - 1
    # As if the ring were full, or empty: what the other side did is then seen through a
    # load with acquire, which the read of `tail` and `head` for this call was not.
    row["cursor"], row["other"] = (tail, max(0, tail - capacity)) if is_producer else (head, head)
    row["reserve"], row["policy"], row["counters"] = reserve, policy, counters
    # A producer rings once for each number of a sleep, so a consumer that comes back must
    # not start at numbers its predecessor has used.
    row["sleep"] = monotonic_ns()


def private_ring(
    side: np.ndarray, capacity: int, slot_bytes: int, *, is_producer: bool
) -> np.ndarray:
    """Fill a SIDE[1] for a ring in private memory, and return the memory.

    The control block lies first, the slots behind it.
    """
    memory = aligned_zeros(CONTROL_BYTES + capacity * slot_bytes)
    start = int(memory.ctypes.data)
    fill_side(
        side,
        control=start,
        slots=start + CONTROL_BYTES,
        capacity=capacity,
        slot_bytes=slot_bytes,
        is_producer=is_producer,
    )
    return memory

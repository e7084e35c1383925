"""What was read from the feed's socket, through the engine and measured, in one compiled call.

Nearly every frame is of the usual form and leads to no order at once. Each call from
Python costs more than such a frame: so all of them at the front of a read are taken in
one, and Python is asked again for the first that is unusual, and wherever the engine has
something left to do (no room, an order to send).
Layer 4. Allocates nothing.
"""

from typing import Final

import numpy as np

from livekit.engine.okx.measures import note_event
from livekit.okx.layout import STATE
from livekit.okx.scan import scan_wire
from livekit.ring.call import call3
from livekit.ring.jit import hot
from livekit.ring.memory import boottime_ns, clock_ns, load_i64, record

__all__ = ["READING", "read_frames"]

READING: Final = np.dtype(
    [
        ("state", "<i8"),  # addresses: of the normalizer's STATE,
        ("put", "<i8"),  # of the engine's `Direct`, or 0,
        ("context", "<i8"),  # of what that works on,
        ("measures", "<i8"),  # of MEASURES,
        ("base", "<i8"),  # of what the wall clock is ahead of CLOCK_BOOTTIME, ns
        ("ts", "<i8"),  # of the last event, ns since the epoch: time never goes back
        ("reserved", "<i8", (2,)),
    ]
)
"""What `read_frames` needs of a feed."""

_BYTE: Final = np.dtype([("byte", "u1")])
_MOST_FRAMES: Final = 0xFFFF


@hot
def read_frames(reading: int, at: int, end: int, read_ns: int) -> int:
    """Take the usual frames from `at` on, until one of them leaves something to do.

    Parameters
    ----------
    reading : int
        Address of a READING.
    at, end : int
        Addresses in what was read; the byte behind is overwritten.
    read_ns : int
        When it was read; CLOCK_MONOTONIC.

    Returns
    -------
    int
        Bytes of the frames taken times 2**32, plus their number times 2**16, plus how many
        events of the last one are to be settled (`Direct`); 0: none.
    """
    view = record(READING, reading)
    record(_BYTE, end).byte = 0  # the scanner stops at it
    view.ts = max(view.ts, load_i64(view.base) + boottime_ns() - (clock_ns() - read_ns))
    start, n_frames, n_left = at, 0, 0
    while at < end and n_left == 0 and n_frames < _MOST_FRAMES:
        done = scan_wire(view.state, at, end, view.ts)
        if done < 0:
            break
        at += done >> 16
        n_frames += 1
        n = done & 0xFFFF
        if n:
            events = record(STATE, view.state).slots
            if view.put == 0 or call3(view.put, view.context, events, n) == 0:
                n_left = n
            note_event(view.measures, events, read_ns)
    return ((at - start) << 32) + (n_frames << 16) + n_left

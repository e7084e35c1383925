"""How long the feed's events took.

Layer 4.
"""

from typing import Any

import numpy as np

from livekit.events import HEAD
from livekit.ring.counters import HISTOGRAM_WORDS, observe, percentiles
from livekit.ring.jit import hot
from livekit.ring.memory import clock_ns, record

__all__ = ["Measures"]


@hot
def _note(travel: int, publish: int, event: int, offset_ns: int, read_ns: int) -> None:
    observe(publish, clock_ns() - read_ns)
    head = record(HEAD, event)
    observe(travel, max(0, head.ts_recv + offset_ns - head.ts_event))


class Measures:
    """How long events took: from the exchange to us, and from the read to the rings.

    Attributes
    ----------
    offset_ns : int
        How far the exchange's clock is ahead of ours.
    """

    def __init__(self) -> None:
        self.offset_ns = 0
        self._travel = np.zeros(HISTOGRAM_WORDS, np.int64)
        self._publish = np.zeros(HISTOGRAM_WORDS, np.int64)
        self._travel_at = self._travel.ctypes.data
        self._publish_at = self._publish.ctypes.data

    def note(self, event: int, read_ns: int) -> None:
        """Take a frame's first event, by its address, and when it was read; CLOCK_MONOTONIC."""
        _note(self._travel_at, self._publish_at, event, self.offset_ns, read_ns)

    def describe(self) -> dict[str, Any]:
        """Return the percentiles, ns."""
        return {
            "exchange_to_receive_ns": percentiles(self._travel),
            "receive_to_publish_ns": percentiles(self._publish),
        }

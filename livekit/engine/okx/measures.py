"""How long the feed's events took.

Layer 4.
"""

from typing import Any, Final

import numpy as np

from livekit.events import HEAD
from livekit.ring.counters import HISTOGRAM_WORDS, observe, percentiles
from livekit.ring.jit import hot
from livekit.ring.layout import aligned_zeros
from livekit.ring.memory import clock_ns, record

__all__ = ["Measures", "note_event"]

_MEASURES: Final = np.dtype(
    [
        ("offset_ns", "<i8"),
        ("travel", "<i8", (HISTOGRAM_WORDS,)),
        ("publish", "<i8", (HISTOGRAM_WORDS,)),
    ]
)
_TRAVEL: Final = int(_MEASURES.fields["travel"][1])  # type: ignore[index]
_PUBLISH: Final = int(_MEASURES.fields["publish"][1])  # type: ignore[index]


@hot
def note_event(measures: int, event: int, read_ns: int) -> None:
    """Note a frame's first event, by its address, and when it was read; CLOCK_MONOTONIC."""
    observe(measures + _PUBLISH, clock_ns() - read_ns)
    head = record(HEAD, event)
    offset_ns = record(_MEASURES, measures).offset_ns
    observe(measures + _TRAVEL, max(0, head.ts_recv + offset_ns - head.ts_event))


class Measures:
    """How long events took: from the exchange to us, and from the read to the rings.

    Attributes
    ----------
    address : int
        For `note_event`.
    """

    def __init__(self) -> None:
        self._memory = aligned_zeros(_MEASURES.itemsize)
        self._own = self._memory.view(_MEASURES)[0]
        self.address = int(self._memory.ctypes.data)

    @property
    def offset_ns(self) -> int:
        """How far the exchange's clock is ahead of ours."""
        return int(self._own["offset_ns"])

    @offset_ns.setter
    def offset_ns(self, value: int) -> None:
        self._own["offset_ns"] = value

    def note(self, event: int, read_ns: int) -> None:
        """Note a frame's first event, as `note_event` does."""
        note_event(self.address, event, read_ns)

    def describe(self) -> dict[str, Any]:
        """Return the percentiles, ns."""
        return {
            "exchange_to_receive_ns": percentiles(self._own["travel"]),
            "receive_to_publish_ns": percentiles(self._own["publish"]),
        }
